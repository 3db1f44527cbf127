# What Fargate does before a worker runs: it fetches the image and the page's credentials, and opens the log.

locals {
  # An image in ECR needs rights on its repository, another none.
  repository = try(regex("^(?P<account>[0-9]{12})\\.dkr[.-]ecr\\.(?P<region>[a-z0-9-]+)\\.(?:amazonaws\\.com|on\\.aws)(?:\\.cn)?/(?P<name>[^:@]+)", var.image), null)
}

data "aws_iam_policy_document" "assumed_by_tasks" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }

    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values   = ["arn:${data.aws_partition.current.partition}:ecs:${data.aws_region.current.name}:${data.aws_caller_identity.current.account_id}:*"]
    }
  }
}

data "aws_iam_policy_document" "execution" {
  statement {
    sid       = "WriteLog"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.worker.arn}:*"]
  }

  dynamic "statement" {
    for_each = local.repository == null ? [] : [local.repository]

    content {
      sid       = "FetchImage"
      actions   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
      resources = ["arn:${data.aws_partition.current.partition}:ecr:${statement.value.region}:${statement.value.account}:repository/${statement.value.name}"]
    }
  }

  # A token is for the whole registry; the action takes no resource.
  dynamic "statement" {
    for_each = local.repository == null ? [] : [true]

    content {
      sid       = "LogInToRegistry"
      actions   = ["ecr:GetAuthorizationToken"]
      resources = ["*"]
    }
  }
}

# The page's credentials, and no other secret; the worker's own role reads none.
data "aws_iam_policy_document" "page" {
  count = length(var.page_secrets) == 0 ? 0 : 1

  statement {
    sid     = "ReadPageCredentials"
    actions = ["secretsmanager:GetSecretValue"]
    # What follows an ARN's seventh part chooses a key of the secret.
    resources = distinct([for secret in values(var.page_secrets) : join(":", slice(split(":", secret), 0, 7))])
  }

  dynamic "statement" {
    for_each = var.page_secrets_kms_key_arn == null ? [] : [var.page_secrets_kms_key_arn]

    content {
      sid       = "DecryptPageCredentials"
      actions   = ["kms:Decrypt"]
      resources = [statement.value]
    }
  }
}

resource "aws_iam_role_policy" "page" {
  count = length(var.page_secrets) == 0 ? 0 : 1

  name   = "page"
  role   = aws_iam_role.execution.id
  policy = data.aws_iam_policy_document.page[0].json
}

resource "aws_iam_role" "execution" {
  name_prefix        = "${var.name}-execution-"
  description        = "Fargate fetches Zonewatch's image and writes its log"
  assume_role_policy = data.aws_iam_policy_document.assumed_by_tasks.json
  tags               = var.tags
}

resource "aws_iam_role_policy" "execution" {
  name   = "start"
  role   = aws_iam_role.execution.id
  policy = data.aws_iam_policy_document.execution.json
}
