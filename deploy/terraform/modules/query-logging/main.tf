# From a hosted zone to the source stream: Route 53 writes a line a query to a log group, whose subscription filter
# sends the lines on to Kinesis.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  group_prefix = "/aws/route53/"

  # Zones that are logged already keep their log group; a log group takes two subscription filters.
  groups = merge(
    { for name, group in aws_cloudwatch_log_group.queries : name => group.name },
    { for group in var.existing_log_groups : group => group },
  )
}

resource "aws_cloudwatch_log_group" "queries" {
  for_each = var.zones

  # The worker reads the zone's name from this name (docs/records.md); the log lines carry the id only.
  name              = "${local.group_prefix}${each.key}"
  retention_in_days = var.retention_days
  kms_key_id        = var.logs_kms_key_arn
  # The class INFREQUENT_ACCESS has no subscription filters.
  log_group_class = "STANDARD"
  tags            = var.tags

  lifecycle {
    precondition {
      condition     = data.aws_region.current.name == "us-east-1"
      error_message = "Route 53 writes query logs to us-east-1 only, and a subscription filter sends to a stream of its own Region: use a provider for us-east-1."
    }
  }
}

# Route 53 needs this before a query logging configuration is made. An account has ten such policies in a Region, so
# one with a wildcard serves all zones; who may use it is narrowed by the conditions, without which another account's
# zone could write here (the confused deputy).
data "aws_iam_policy_document" "route53" {
  statement {
    sid       = "Route53WritesQueryLogs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["arn:${data.aws_partition.current.partition}:logs:us-east-1:${data.aws_caller_identity.current.account_id}:log-group:${local.group_prefix}*"]

    principals {
      type        = "Service"
      identifiers = ["route53.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }

    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values   = ["arn:${data.aws_partition.current.partition}:route53:::hostedzone/*"]
    }
  }
}

resource "aws_cloudwatch_log_resource_policy" "route53" {
  count = length(var.zones) > 0 ? 1 : 0

  policy_name     = "${var.name}-route53-query-logging"
  policy_document = data.aws_iam_policy_document.route53.json
}

resource "aws_route53_query_log" "zone" {
  for_each = var.zones

  zone_id                  = each.value
  cloudwatch_log_group_arn = aws_cloudwatch_log_group.queries[each.key].arn

  depends_on = [aws_cloudwatch_log_resource_policy.route53]
}

# The role in which CloudWatch Logs puts records on the stream.
data "aws_iam_policy_document" "assumed_by_logs" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["logs.amazonaws.com"]
    }

    # Only for log groups of this account.
    condition {
      test     = "StringLike"
      variable = "aws:SourceArn"
      values   = ["arn:${data.aws_partition.current.partition}:logs:us-east-1:${data.aws_caller_identity.current.account_id}:*"]
    }
  }
}

resource "aws_iam_role" "subscription" {
  name_prefix        = "${var.name}-subscription-"
  description        = "CloudWatch Logs puts query logs on ${var.stream_arn}"
  assume_role_policy = data.aws_iam_policy_document.assumed_by_logs.json
  tags               = var.tags
}

data "aws_iam_policy_document" "put_records" {
  statement {
    sid       = "PutQueryLogs"
    actions   = ["kinesis:PutRecord", "kinesis:PutRecords"]
    resources = [var.stream_arn]
  }

  # The AWS-managed key allows every principal of the account that Kinesis allows; one of your own asks here.
  dynamic "statement" {
    for_each = var.stream_kms_key_arn == null ? [] : [var.stream_kms_key_arn]

    content {
      sid       = "EncryptQueryLogs"
      actions   = ["kms:GenerateDataKey"]
      resources = [statement.value]
    }
  }
}

resource "aws_iam_role_policy" "put_records" {
  name   = "put-records"
  role   = aws_iam_role.subscription.id
  policy = data.aws_iam_policy_document.put_records.json
}

resource "aws_cloudwatch_log_subscription_filter" "queries" {
  for_each = local.groups

  name            = var.name
  log_group_name  = each.value
  filter_pattern  = ""
  destination_arn = var.stream_arn
  role_arn        = aws_iam_role.subscription.arn
  # By log stream (the default) all of a zone's queries at one edge location would go to one shard, and a flood at one
  # edge would fill it. Order between records means nothing to a worker.
  distribution = "Random"

  # CloudWatch Logs sends a test record as soon as the filter is made.
  depends_on = [aws_iam_role_policy.put_records]
}
