# Firehose delivery streams for what workers make, and the archive bucket that they fill.
#
# All of them take direct puts: `firehose:PutRecordBatch` is the workers' only way in.

data "aws_caller_identity" "current" {}
data "aws_region" "current" {}

locals {
  # Buffers are the delay and the size of objects: a finding is read within a minute or not at all, records by queries
  # that want few, large objects.
  outlets = merge(
    { for key in local.record_keys : key => { kind = "records", seconds = 300, mebibytes = 128 } },
    { quarantine = { kind = "quarantine", seconds = 300, mebibytes = 16 } },
    var.windows ? {
      windows  = { kind = "windows", seconds = 300, mebibytes = 64 }
      findings = { kind = "findings", seconds = 60, mebibytes = 5 }
    } : {},
  )
  # A second stream doubles Firehose's quota; the first keeps its name.
  record_keys = [for number in range(var.record_streams) : number == 0 ? "records" : "records-${number + 1}"]

  to_opensearch = var.opensearch == null ? [] : local.record_keys
  to_s3         = { for name, outlet in local.outlets : name => outlet if !contains(local.to_opensearch, name) }

  date = "year=!{timestamp:yyyy}/month=!{timestamp:MM}/day=!{timestamp:dd}"
}

resource "aws_cloudwatch_log_group" "firehose" {
  name              = "/aws/kinesisfirehose/${var.name}"
  retention_in_days = 30
  tags              = var.tags
}

# Why a delivery failed; without it only a metric says that one did.
resource "aws_cloudwatch_log_stream" "outlet" {
  for_each = local.outlets

  name           = each.key
  log_group_name = aws_cloudwatch_log_group.firehose.name
}

resource "aws_kinesis_firehose_delivery_stream" "s3" {
  for_each = local.to_s3

  name        = "${var.name}-${each.key}"
  destination = "extended_s3"
  tags        = var.tags

  server_side_encryption {
    enabled  = true
    key_type = var.kms_key_arn == null ? "AWS_OWNED_CMK" : "CUSTOMER_MANAGED_CMK"
    key_arn  = var.kms_key_arn
  }

  extended_s3_configuration {
    role_arn            = aws_iam_role.firehose.arn
    bucket_arn          = aws_s3_bucket.archive.arn
    prefix              = "${each.value.kind}/${local.date}/"
    error_output_prefix = "errors/${each.value.kind}/!{firehose:error-output-type}/${local.date}/"
    # Entries are lines of JSON that workers pack (records.packing = "lines"); the worker leaves compressing to here.
    compression_format = "GZIP"
    file_extension     = ".ndjson.gz"
    buffering_interval = each.value.seconds
    buffering_size     = each.value.mebibytes

    cloudwatch_logging_options {
      enabled         = true
      log_group_name  = aws_cloudwatch_log_group.firehose.name
      log_stream_name = aws_cloudwatch_log_stream.outlet[each.key].name
    }
  }

  # Firehose tries the role when the stream is made.
  depends_on = [aws_iam_role_policy.firehose]
}

# Records into OpenSearch, and all of them into the archive too. Workers must put one record an entry then
# (records.packing = "single"): a document is an entry.
resource "aws_kinesis_firehose_delivery_stream" "opensearch" {
  for_each = toset(local.to_opensearch)

  name        = "${var.name}-${each.key}"
  destination = "opensearch"
  tags        = var.tags

  server_side_encryption {
    enabled  = true
    key_type = var.kms_key_arn == null ? "AWS_OWNED_CMK" : "CUSTOMER_MANAGED_CMK"
    key_arn  = var.kms_key_arn
  }

  opensearch_configuration {
    domain_arn = var.opensearch.domain_arn
    role_arn   = aws_iam_role.firehose.arn
    index_name = var.opensearch.index_name
    # Days are dropped whole, which costs OpenSearch nothing.
    index_rotation_period = "OneDay"
    buffering_interval    = 60
    buffering_size        = 16
    # As long as an OpenSearch upgrade may take; what still fails is in the archive under errors/.
    retry_duration = 3600
    s3_backup_mode = "AllDocuments"

    # OpenSearch's own ids are cheaper to index; copies are recognised by event.id.
    document_id_options {
      default_document_id_format = "NO_DOCUMENT_ID"
    }

    dynamic "vpc_config" {
      for_each = var.opensearch.subnet_ids == null ? [] : [var.opensearch]

      content {
        role_arn           = aws_iam_role.firehose.arn
        subnet_ids         = vpc_config.value.subnet_ids
        security_group_ids = vpc_config.value.security_group_ids
      }
    }

    cloudwatch_logging_options {
      enabled         = true
      log_group_name  = aws_cloudwatch_log_group.firehose.name
      log_stream_name = aws_cloudwatch_log_stream.outlet[each.key].name
    }

    s3_configuration {
      role_arn            = aws_iam_role.firehose.arn
      bucket_arn          = aws_s3_bucket.archive.arn
      prefix              = "records/${local.date}/"
      error_output_prefix = "errors/records/!{firehose:error-output-type}/${local.date}/"
      compression_format  = "GZIP"
      buffering_interval  = 300
      buffering_size      = 128
    }
  }

  depends_on = [aws_iam_role_policy.firehose]
}
