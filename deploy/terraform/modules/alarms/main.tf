# Alarms that need no Prometheus: on what AWS itself measures about the way from zone to archive. What only workers know
# (zones, windows, findings, coverage) is in the Prometheus rules.
#
# Every alarm says in its description what to look at first.

resource "aws_sns_topic" "alarms" {
  name = "${var.name}-alarms"
  # CloudWatch can't publish under the AWS-managed key alias/aws/sns, and the messages hold names of resources only. A
  # key of your own must let cloudwatch.amazonaws.com generate data keys.
  kms_master_key_id = var.topic_kms_key_arn
  tags              = var.tags
}

resource "aws_sns_topic_subscription" "email" {
  for_each = var.emails

  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = each.value
}

locals {
  actions = [aws_sns_topic.alarms.arn]

  streams = merge(
    { source = var.source_stream_name },
    var.rollup_stream_name == null ? {} : { rollup = var.rollup_stream_name },
  )

  # Subscribers say how far behind they are by another metric, each consumer its own. Digests are always polled.
  iterator_age = {
    for kind, stream in local.streams : kind => {
      what       = "${kind == "source" ? "records of" : "digests on"} ${stream}"
      metric     = local.by_fan_out[kind] ? "SubscribeToShardEvent.MillisBehindLatest" : "GetRecords.IteratorAgeMilliseconds"
      dimensions = merge({ StreamName = stream }, local.by_fan_out[kind] ? { ConsumerName = var.consumer_name } : {})
    }
  }
  by_fan_out = { source = var.consumer_name != null, rollup = false }

  # A refused put delays query logs, a refused read delays workers, and both count in the same way.
  refusals = ["ReadProvisionedThroughputExceeded", "WriteProvisionedThroughputExceeded"]
  throttles = merge([
    for kind, stream in local.streams : {
      for metric in local.refusals : "${kind}-${metric}" => { stream = stream, metric = metric }
    }
  ]...)

  table_throttles = merge([
    for table in var.table_names : {
      for metric in ["ReadThrottleEvents", "WriteThrottleEvents"] : "${table}-${metric}" => { table = table, metric = metric }
    }
  ]...)
}

resource "aws_cloudwatch_metric_alarm" "iterator_age" {
  for_each = local.iterator_age

  alarm_name          = "${var.name}-${each.key}-behind"
  alarm_description   = "Oldest unread ${each.value.what}: more than ${var.behind_secs_max} s for five minutes, or nobody reads at all. Look at the workers' log and zonewatch_shard_behind_seconds; more shards or workers help if CPU is high, `zonewatch doctor` tells what is stuck."
  namespace           = "AWS/Kinesis"
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = "Maximum"
  period              = 60
  evaluation_periods  = 5
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.behind_secs_max * 1000
  # Workers read an idle stream too: no number means no reader.
  treat_missing_data = "breaching"
  alarm_actions      = local.actions
  ok_actions         = local.actions
  tags               = var.tags
}

resource "aws_cloudwatch_metric_alarm" "stream_throttled" {
  for_each = local.throttles

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = "Calls on ${each.value.stream} beyond its shards' limits (${each.value.metric}), in ten of fifteen minutes. Reads: too many consumers, raise source.poll_ms or use fan-out. Writes: more shards, or on demand."
  namespace           = "AWS/Kinesis"
  metric_name         = each.value.metric
  dimensions          = { StreamName = each.value.stream }
  statistic           = "Sum"
  period              = 60
  evaluation_periods  = 15
  datapoints_to_alarm = 10
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.actions
  ok_actions          = local.actions
  tags                = var.tags
}

# Route 53 answers, and nothing is logged: somebody took the query logging or its resource policy away.
resource "aws_cloudwatch_metric_alarm" "not_logged" {
  for_each = var.zones

  alarm_name          = "${var.name}-not-logged-${each.key}"
  alarm_description   = "Route 53 answered queries for ${each.key} for fifteen minutes and logged none of them. Look at the zone's query logging configuration and at the log group's resource policy."
  evaluation_periods  = 3
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.actions
  ok_actions          = local.actions
  tags                = var.tags

  metric_query {
    id          = "unlogged"
    label       = "queries of which none was logged"
    expression  = "IF(FILL(logged, 0) == 0, answered, 0)"
    return_data = true
  }

  metric_query {
    id = "answered"

    metric {
      namespace   = "AWS/Route53"
      metric_name = "DNSQueries"
      dimensions  = { HostedZoneId = each.value }
      stat        = "Sum"
      period      = 300
    }
  }

  metric_query {
    id = "logged"

    metric {
      namespace   = "AWS/Logs"
      metric_name = "IncomingLogEvents"
      dimensions  = { LogGroupName = "/aws/route53/${each.key}" }
      stat        = "Sum"
      period      = 300
    }
  }
}

# Queries are logged, and none arrives: the subscription filter or its role is broken.
resource "aws_cloudwatch_metric_alarm" "not_arriving" {
  for_each = var.zones

  alarm_name          = "${var.name}-not-arriving-${each.key}"
  alarm_description   = "Query logs of ${each.key} were written for fifteen minutes and the stream got no record. Look at the log group's subscription filter and its role."
  evaluation_periods  = 3
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.actions
  ok_actions          = local.actions
  tags                = var.tags

  metric_query {
    id          = "stuck"
    label       = "log events of which none arrived"
    expression  = "IF(FILL(arrived, 0) == 0, logged, 0)"
    return_data = true
  }

  metric_query {
    id = "logged"

    metric {
      namespace   = "AWS/Logs"
      metric_name = "IncomingLogEvents"
      dimensions  = { LogGroupName = "/aws/route53/${each.key}" }
      stat        = "Sum"
      period      = 300
    }
  }

  metric_query {
    id = "arrived"

    metric {
      namespace   = "AWS/Kinesis"
      metric_name = "IncomingRecords"
      dimensions  = { StreamName = var.source_stream_name }
      stat        = "Sum"
      period      = 300
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "delivery_stale" {
  for_each = var.delivery_streams

  alarm_name          = "${var.name}-delivery-${each.key}"
  alarm_description   = "The oldest entry in delivery stream ${each.value} has not been written to S3 for fifteen minutes and more. Look at the log stream ${each.key} of /aws/kinesisfirehose/${var.name}: role, bucket, key."
  namespace           = "AWS/Firehose"
  metric_name         = contains(var.opensearch_outlets, each.key) ? "BackupToS3.DataFreshness" : "DeliveryToS3.DataFreshness"
  dimensions          = { DeliveryStreamName = each.value }
  statistic           = "Maximum"
  period              = 300
  evaluation_periods  = 3
  comparison_operator = "GreaterThanThreshold"
  # Three times the longest buffer.
  threshold          = 900
  treat_missing_data = "notBreaching"
  alarm_actions      = local.actions
  ok_actions         = local.actions
  tags               = var.tags
}

resource "aws_cloudwatch_metric_alarm" "opensearch_stale" {
  for_each = { for outlet in var.opensearch_outlets : outlet => var.delivery_streams[outlet] }

  alarm_name          = "${var.name}-opensearch-${each.key}"
  alarm_description   = "The oldest entry in delivery stream ${each.value} has not been indexed for fifteen minutes and more. Look at the domain's health and at the log stream ${each.key} of /aws/kinesisfirehose/${var.name}."
  namespace           = "AWS/Firehose"
  metric_name         = "DeliveryToAmazonOpenSearchService.DataFreshness"
  dimensions          = { DeliveryStreamName = each.value }
  statistic           = "Maximum"
  period              = 300
  evaluation_periods  = 3
  comparison_operator = "GreaterThanThreshold"
  threshold           = 900
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.actions
  ok_actions          = local.actions
  tags                = var.tags
}

resource "aws_cloudwatch_metric_alarm" "delivery_throttled" {
  for_each = var.delivery_streams

  alarm_name          = "${var.name}-delivery-throttled-${each.key}"
  alarm_description   = "Firehose refuses entries for ${each.value} beyond its quota; workers send them again and fall behind. Ask for a higher quota or raise record_streams."
  namespace           = "AWS/Firehose"
  metric_name         = "ThrottledRecords"
  dimensions          = { DeliveryStreamName = each.value }
  statistic           = "Sum"
  period              = 60
  evaluation_periods  = 15
  datapoints_to_alarm = 10
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.actions
  ok_actions          = local.actions
  tags                = var.tags
}

resource "aws_cloudwatch_metric_alarm" "table_throttled" {
  for_each = local.table_throttles

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = "DynamoDB refuses calls on table ${each.value.table} (${each.value.metric}), in three of five minutes: leases are renewed late and workers may take one another for dead. Look at the table's maximum throughput and the account's quotas."
  namespace           = "AWS/DynamoDB"
  metric_name         = each.value.metric
  dimensions          = { TableName = each.value.table }
  statistic           = "Sum"
  period              = 60
  evaluation_periods  = 5
  datapoints_to_alarm = 3
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.actions
  ok_actions          = local.actions
  tags                = var.tags
}
