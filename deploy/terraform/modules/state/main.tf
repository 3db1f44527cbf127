# What workers keep outside themselves: leases and checkpoints, who is in the fleet, and snapshots of windows.
#
# Names and keys are those that a worker would give a table itself (leases.create = true).

data "aws_caller_identity" "current" {}
data "aws_region" "current" {}

locals {
  # Windows have an application of their own over the rollup stream.
  apps = toset(concat([var.name], var.windows ? ["${var.name}-rollup"] : []))
}

# The truth of the fleet: without it nothing runs.
resource "aws_dynamodb_table" "leases" {
  for_each = local.apps

  name         = each.key
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "leaseKey"
  # Whoever loses these rows reads the whole stream again or skips it; a restored copy is a checkpoint of that second.
  deletion_protection_enabled = var.deletion_protection
  tags                        = var.tags

  attribute {
    name = "leaseKey"
    type = "S"
  }

  attribute {
    name = "leaseOwner"
    type = "S"
  }

  # The Kinesis Client Library's index: a worker that starts finds what it held by it.
  global_secondary_index {
    name            = "LeaseOwnerToLeaseKeyIndex"
    hash_key        = "leaseOwner"
    range_key       = "leaseKey"
    projection_type = "KEYS_ONLY"
  }

  point_in_time_recovery {
    enabled = true
  }

  # Without this block DynamoDB uses a key that it owns and that no trail shows.
  server_side_encryption {
    enabled     = true
    kms_key_arn = var.kms_key_arn
  }
}

# Beats. Rows are learned again within a second, so there is nothing to restore and nothing to protect.
resource "aws_dynamodb_table" "workers" {
  for_each = local.apps

  name         = "${each.key}-state"
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "worker"
  tags         = var.tags

  attribute {
    name = "worker"
    type = "S"
  }

  # A worker removes the rows of the dead; who removes the last one's is this.
  ttl {
    enabled        = true
    attribute_name = "expires"
  }

  server_side_encryption {
    enabled     = true
    kms_key_arn = var.kms_key_arn
  }
}

resource "aws_s3_bucket" "snapshots" {
  count = var.windows ? 1 : 0

  bucket = coalesce(
    var.bucket_name,
    "${var.name}-snapshots-${data.aws_caller_identity.current.account_id}-${data.aws_region.current.name}",
  )
  force_destroy = !var.deletion_protection
  tags          = var.tags
}

resource "aws_s3_bucket_public_access_block" "snapshots" {
  count = var.windows ? 1 : 0

  bucket                  = aws_s3_bucket.snapshots[0].id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "snapshots" {
  count = var.windows ? 1 : 0

  bucket = aws_s3_bucket.snapshots[0].id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

# A snapshot that was deleted can be had again: a lease row may still name it.
resource "aws_s3_bucket_versioning" "snapshots" {
  count = var.windows ? 1 : 0

  bucket = aws_s3_bucket.snapshots[0].id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "snapshots" {
  count = var.windows ? 1 : 0

  bucket = aws_s3_bucket.snapshots[0].id

  rule {
    # A bucket key: an object a minute and shard would else be a call of KMS each.
    bucket_key_enabled = var.kms_key_arn != null

    apply_server_side_encryption_by_default {
      sse_algorithm     = var.kms_key_arn == null ? "AES256" : "aws:kms"
      kms_master_key_id = var.kms_key_arn
    }
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "snapshots" {
  count = var.windows ? 1 : 0

  bucket = aws_s3_bucket.snapshots[0].id

  # A worker deletes each snapshot once a newer one is named: what stays is versions, 1,440 a day and shard.
  rule {
    id     = "old-versions"
    status = "Enabled"

    filter {}

    noncurrent_version_expiration {
      noncurrent_days = var.snapshot_version_days
    }

    expiration {
      expired_object_delete_marker = true
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }
  }

  depends_on = [aws_s3_bucket_versioning.snapshots]
}

data "aws_iam_policy_document" "snapshots" {
  count = var.windows ? 1 : 0

  statement {
    sid       = "OnlyOverTls"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [aws_s3_bucket.snapshots[0].arn, "${aws_s3_bucket.snapshots[0].arn}/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_s3_bucket_policy" "snapshots" {
  count = var.windows ? 1 : 0

  bucket = aws_s3_bucket.snapshots[0].id
  policy = data.aws_iam_policy_document.snapshots[0].json

  depends_on = [aws_s3_bucket_public_access_block.snapshots]
}
