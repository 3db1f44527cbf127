output "topic_arn" {
  description = "The SNS topic that gets every alarm."
  value       = aws_sns_topic.alarms.arn
}

output "alarm_names" {
  description = "All alarms."
  value = sort(flatten([
    values(aws_cloudwatch_metric_alarm.iterator_age)[*].alarm_name,
    values(aws_cloudwatch_metric_alarm.stream_throttled)[*].alarm_name,
    values(aws_cloudwatch_metric_alarm.not_logged)[*].alarm_name,
    values(aws_cloudwatch_metric_alarm.not_arriving)[*].alarm_name,
    values(aws_cloudwatch_metric_alarm.delivery_stale)[*].alarm_name,
    values(aws_cloudwatch_metric_alarm.opensearch_stale)[*].alarm_name,
    values(aws_cloudwatch_metric_alarm.delivery_throttled)[*].alarm_name,
    values(aws_cloudwatch_metric_alarm.table_throttled)[*].alarm_name,
    aws_cloudwatch_metric_alarm.tasks[*].alarm_name,
    aws_cloudwatch_metric_alarm.cpu[*].alarm_name,
    aws_cloudwatch_metric_alarm.memory[*].alarm_name,
    aws_cloudwatch_metric_alarm.errors[*].alarm_name,
  ]))
}
