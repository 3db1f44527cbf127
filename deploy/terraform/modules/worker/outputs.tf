output "cluster_name" {
  description = "The ECS cluster."
  value       = local.cluster_name
}

output "service_name" {
  description = "The ECS service."
  value       = aws_ecs_service.worker.name
}

output "task_definition_arn" {
  description = "The task definition, also for a task that runs `zonewatch doctor` or `leases`."
  value       = aws_ecs_task_definition.worker.arn
}

output "task_role_arn" {
  description = "The role in which workers call AWS."
  value       = aws_iam_role.task.arn
}

output "security_group_id" {
  description = "The workers' security group."
  value       = aws_security_group.worker.id
}

output "log_group_name" {
  description = "The workers' log."
  value       = aws_cloudwatch_log_group.worker.name
}

output "error_metric" {
  description = "The metric that counts errors in the log."
  value = {
    namespace = aws_cloudwatch_log_metric_filter.errors.metric_transformation[0].namespace
    name      = aws_cloudwatch_log_metric_filter.errors.metric_transformation[0].name
  }
}
