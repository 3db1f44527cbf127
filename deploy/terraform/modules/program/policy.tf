# What a worker may do. Each action says what for; a test compares them with what the program calls, action by action.
#
# Left out on purpose, since this configuration makes everything itself (leases.create = false): dynamodb:CreateTable,
# dynamodb:UpdateTimeToLive, kinesis:CreateStream, kinesis:RegisterStreamConsumer.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

data "aws_iam_policy_document" "worker" {
  statement {
    sid = "ReadQueryLogs"
    actions = [
      "kinesis:ListShards",            # which shards there are, looked up again when one ends
      "kinesis:GetShardIterator",      # where reading goes on after a restart or a hand-over
      "kinesis:GetRecords",            # the query logs; doctor reads one record a shard for the lag
      "kinesis:DescribeStreamSummary", # how long records are kept; the stream's ARN, for fan-out
    ]
    resources = [var.source_stream_arn]
  }

  dynamic "statement" {
    for_each = var.consumer_name == null ? [] : [var.source_stream_arn]

    content {
      sid = "ReadByFanOut"
      actions = [
        "kinesis:DescribeStreamConsumer", # the consumer's ARN by its name
        "kinesis:SubscribeToShard",       # the query logs, pushed
      ]
      resources = [statement.value, "${statement.value}/consumer/${var.consumer_name}:*"]
    }
  }

  statement {
    sid = "HoldLeases"
    actions = [
      "dynamodb:DescribeTable", # at the start: that the table is there and has the right key
      "dynamodb:Scan",          # every half minute: who reads what
      "dynamodb:GetItem",       # what became of a write whose answer was lost
      "dynamodb:BatchGetItem",  # the rows that the index below names
      "dynamodb:PutItem",       # the row of a shard that is new
      "dynamodb:UpdateItem",    # leases taken, renewed, handed over; checkpoints
    ]
    resources = values(var.lease_table_arns)
  }

  statement {
    sid = "FindOwnLeases"
    actions = [
      "dynamodb:Query", # what a worker held before it was restarted
    ]
    resources = [for arn in values(var.lease_table_arns) : "${arn}/index/LeaseOwnerToLeaseKeyIndex"]
  }

  statement {
    sid = "BeatAndWatch"
    actions = [
      "dynamodb:DescribeTable", # at the start: that the table is there and has the right key
      "dynamodb:Scan",          # who is in the fleet
      "dynamodb:BatchGetItem",  # the beats of the neighbours
      "dynamodb:UpdateItem",    # the own beat; what is handed over, in the next owner's row
      "dynamodb:DeleteItem",    # rows of the dead
    ]
    resources = values(var.worker_table_arns)
  }

  # A lease table taken over from the Kinesis Client Library has its workers' metrics beside it.
  dynamic "statement" {
    for_each = var.beside_kcl ? values(var.lease_table_arns) : []

    content {
      actions = [
        "dynamodb:Scan", # whether such a worker still lives
      ]
      resources = ["${statement.value}-WorkerMetricStats"]
    }
  }

  statement {
    sid = "Deliver"
    actions = [
      "firehose:PutRecordBatch",         # records, windows, findings, quarantine
      "firehose:DescribeDeliveryStream", # at the start: that it is there, active, and takes direct puts
    ]
    resources = var.delivery_stream_arns
  }

  dynamic "statement" {
    for_each = var.windows == null ? [] : [var.windows.rollup_stream_arn]

    content {
      sid = "PassDigests"
      actions = [
        "kinesis:ListShards",
        "kinesis:GetShardIterator",
        "kinesis:GetRecords",            # digests, to be merged into windows
        "kinesis:PutRecords",            # digests of what was just read
        "kinesis:DescribeStreamSummary", # at the start: that it is there
      ]
      resources = [statement.value]
    }
  }

  dynamic "statement" {
    for_each = var.windows == null ? [] : [var.windows.bucket_arn]

    content {
      sid = "FindSnapshots"
      actions = [
        "s3:ListBucket", # at the start: that the bucket is there; objects that nobody names any more
      ]
      resources = [statement.value]
    }
  }

  dynamic "statement" {
    for_each = var.windows == null ? [] : [var.windows.bucket_arn]

    content {
      sid = "KeepSnapshots"
      actions = [
        "s3:PutObject",    # the windows that are open, once a minute
        "s3:GetObject",    # the same, when a rollup shard gets another worker
        "s3:DeleteObject", # the snapshot before, once the new one is named in the lease
      ]
      resources = ["${statement.value}/${var.name}/*"]
    }
  }

  # Only looks, for `zonewatch doctor` run as a task of this definition. No worker needs them.
  dynamic "statement" {
    for_each = var.allow_doctor ? [true] : []

    content {
      sid = "DoctorLooks"
      actions = [
        "dynamodb:DescribeTimeToLive", # whether rows of workers that crashed go away
      ]
      resources = values(var.worker_table_arns)
    }
  }

  dynamic "statement" {
    for_each = var.allow_doctor ? [true] : []

    content {
      sid = "DoctorLooksAtSubscriptions"
      actions = [
        "logs:DescribeLogGroups",           # the groups /aws/route53/..., which takes no narrower resource
        "logs:DescribeSubscriptionFilters", # that one of them sends to the stream
      ]
      resources = ["arn:${data.aws_partition.current.partition}:logs:us-east-1:${data.aws_caller_identity.current.account_id}:log-group:*"]
    }
  }

  # No call of the program: Kinesis, DynamoDB, S3 and Firehose ask for it in its name, where the key is your own.
  dynamic "statement" {
    for_each = var.kms_key_arn == null ? [] : [var.kms_key_arn]

    content {
      sid = "UseKey"
      actions = [
        "kms:Decrypt",         # what is read
        "kms:GenerateDataKey", # what is written
      ]
      resources = [statement.value]

      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = [for service in ["kinesis", "dynamodb", "s3", "firehose"] : "${service}.${data.aws_region.current.name}.amazonaws.com"]
      }
    }
  }
}
