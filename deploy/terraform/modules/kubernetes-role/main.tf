# The role of workers that run on Kubernetes (EKS), bound to their service account in one of two ways.

data "aws_iam_policy_document" "assumed_by_pods" {
  # EKS Pod Identity: an association on the cluster says which service account.
  dynamic "statement" {
    for_each = var.oidc_provider_arn == null ? [true] : []

    content {
      actions = ["sts:AssumeRole", "sts:TagSession"]

      principals {
        type        = "Service"
        identifiers = ["pods.eks.amazonaws.com"]
      }
    }
  }

  # IAM roles for service accounts: the token of this one account, and for nothing else.
  dynamic "statement" {
    for_each = var.oidc_provider_arn == null ? [] : [var.oidc_provider_arn]

    content {
      actions = ["sts:AssumeRoleWithWebIdentity"]

      principals {
        type        = "Federated"
        identifiers = [statement.value]
      }

      condition {
        test     = "StringEquals"
        variable = "${local.issuer}:sub"
        values   = ["system:serviceaccount:${var.namespace}:${var.service_account}"]
      }

      condition {
        test     = "StringEquals"
        variable = "${local.issuer}:aud"
        values   = ["sts.amazonaws.com"]
      }
    }
  }
}

locals {
  issuer = var.oidc_provider_arn == null ? null : split(":oidc-provider/", var.oidc_provider_arn)[1]
}

resource "aws_iam_role" "worker" {
  name_prefix        = "${var.name}-worker-"
  description        = "What a Zonewatch worker may do"
  assume_role_policy = data.aws_iam_policy_document.assumed_by_pods.json
  tags               = var.tags
}

resource "aws_iam_role_policy" "worker" {
  name   = "worker"
  role   = aws_iam_role.worker.id
  policy = var.policy_json
}

resource "aws_eks_pod_identity_association" "worker" {
  count = var.cluster_name == null ? 0 : 1

  cluster_name    = var.cluster_name
  namespace       = var.namespace
  service_account = var.service_account
  role_arn        = aws_iam_role.worker.arn
  tags            = var.tags
}
