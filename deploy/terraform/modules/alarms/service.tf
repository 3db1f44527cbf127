# Alarms on the workers' service, if they are on ECS.

resource "aws_cloudwatch_metric_alarm" "tasks" {
  count = var.service == null ? 0 : 1

  alarm_name          = "${var.name}-workers-missing"
  alarm_description   = "Fewer than ${var.service.workers_min} workers run, for five minutes. Look at the service's events and at why tasks stopped."
  namespace           = "ECS/ContainerInsights"
  metric_name         = "RunningTaskCount"
  dimensions          = { ClusterName = var.service.cluster_name, ServiceName = var.service.name }
  statistic           = "Minimum"
  period              = 60
  evaluation_periods  = 5
  comparison_operator = "LessThanThreshold"
  threshold           = var.service.workers_min
  # No number: no task, or no Container Insights on a cluster of your own. Both must be known.
  treat_missing_data = "breaching"
  alarm_actions      = local.actions
  ok_actions         = local.actions
  tags               = var.tags
}

resource "aws_cloudwatch_metric_alarm" "cpu" {
  count = var.service == null ? 0 : 1

  alarm_name          = "${var.name}-workers-busy"
  alarm_description   = "Workers have used more than 90 % of their CPU for fifteen minutes: autoscaling is at its end (workers_max, or one worker a shard). Raise workers_max or cpu, or add shards."
  namespace           = "AWS/ECS"
  metric_name         = "CPUUtilization"
  dimensions          = { ClusterName = var.service.cluster_name, ServiceName = var.service.name }
  statistic           = "Average"
  period              = 60
  evaluation_periods  = 15
  comparison_operator = "GreaterThanThreshold"
  threshold           = 90
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.actions
  ok_actions          = local.actions
  tags                = var.tags
}

resource "aws_cloudwatch_metric_alarm" "memory" {
  count = var.service == null ? 0 : 1

  alarm_name          = "${var.name}-workers-memory"
  alarm_description   = "A worker uses more than 90 % of its memory; beyond 100 % it is killed. Lower limits.held_bytes_max or raise memory_mib."
  namespace           = "AWS/ECS"
  metric_name         = "MemoryUtilization"
  dimensions          = { ClusterName = var.service.cluster_name, ServiceName = var.service.name }
  statistic           = "Maximum"
  period              = 60
  evaluation_periods  = 5
  comparison_operator = "GreaterThanThreshold"
  threshold           = 90
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.actions
  ok_actions          = local.actions
  tags                = var.tags
}

resource "aws_cloudwatch_metric_alarm" "errors" {
  count = var.service == null ? 0 : 1

  alarm_name          = "${var.name}-errors"
  alarm_description   = "A worker has logged an error, which it does only if somebody must look. Search its log group for { $.level = \"ERROR\" }."
  namespace           = var.service.error_metric.namespace
  metric_name         = var.service.error_metric.name
  statistic           = "Sum"
  period              = 60
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.actions
  ok_actions          = local.actions
  tags                = var.tags
}
