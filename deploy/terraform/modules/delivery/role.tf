# What Firehose may do on the workers' behalf.

data "aws_iam_policy_document" "assumed_by_firehose" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["firehose.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }
  }
}

resource "aws_iam_role" "firehose" {
  name_prefix        = "${var.name}-firehose-"
  description        = "Firehose delivers what Zonewatch's workers put"
  assume_role_policy = data.aws_iam_policy_document.assumed_by_firehose.json
  tags               = var.tags
}

data "aws_iam_policy_document" "firehose" {
  statement {
    sid       = "WriteArchive"
    actions   = ["s3:PutObject", "s3:AbortMultipartUpload"]
    resources = ["${aws_s3_bucket.archive.arn}/*"]
  }

  statement {
    sid       = "FindArchive"
    actions   = ["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"]
    resources = [aws_s3_bucket.archive.arn]
  }

  statement {
    sid       = "SayWhyDeliveriesFail"
    actions   = ["logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.firehose.arn}:log-stream:*"]
  }

  dynamic "statement" {
    for_each = var.kms_key_arn == null ? [] : [var.kms_key_arn]

    content {
      sid       = "UseKey"
      actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
      resources = [statement.value]

      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = ["s3.${data.aws_region.current.name}.amazonaws.com", "firehose.${data.aws_region.current.name}.amazonaws.com"]
      }
    }
  }

  # Firehose looks at the domain, asks for its settings and mappings, and posts bulks.
  dynamic "statement" {
    for_each = var.opensearch == null ? [] : [var.opensearch.domain_arn]

    content {
      sid = "WriteDocuments"
      actions = [
        "es:DescribeDomain", "es:DescribeDomains", "es:DescribeDomainConfig",
        "es:ESHttpGet", "es:ESHttpPost", "es:ESHttpPut",
      ]
      resources = [statement.value, "${statement.value}/*"]
    }
  }

  # A domain inside a VPC is reached by network interfaces that Firehose makes there. Descriptions take no resource.
  dynamic "statement" {
    for_each = try(var.opensearch.subnet_ids, null) == null ? [] : [true]

    content {
      sid = "ReachDomainInVpc"
      actions = [
        "ec2:DescribeVpcs", "ec2:DescribeVpcAttribute", "ec2:DescribeSubnets", "ec2:DescribeSecurityGroups",
        "ec2:DescribeNetworkInterfaces", "ec2:CreateNetworkInterface", "ec2:CreateNetworkInterfacePermission",
        "ec2:DeleteNetworkInterface",
      ]
      resources = ["*"]
    }
  }
}

resource "aws_iam_role_policy" "firehose" {
  name   = "deliver"
  role   = aws_iam_role.firehose.id
  policy = data.aws_iam_policy_document.firehose.json
}
