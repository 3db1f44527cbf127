output "log_groups" {
  description = "Query logs, by zone."
  value       = module.query_logging.log_groups
}

output "source_stream_name" {
  description = "The source stream."
  value       = module.streams.source_name
}

output "rollup_stream_name" {
  description = "The rollup stream; null without windows."
  value       = module.streams.rollup_name
}

output "table_names" {
  description = "DynamoDB tables."
  value       = module.state.table_names
}

output "snapshot_bucket" {
  description = "Snapshots of windows; null without windows."
  value       = module.state.bucket_name
}

output "archive_bucket" {
  description = "Records, windows, findings and quarantine."
  value       = module.delivery.bucket_name
}

output "delivery_streams" {
  description = "Delivery streams by outlet."
  value       = module.delivery.names
}

output "worker_settings" {
  description = "Environment variables of a worker, wherever it runs."
  value       = module.program.settings
}

output "worker_policy" {
  description = "What a worker may do, as an IAM policy."
  value       = module.program.policy_json
}

output "worker_role_arn" {
  description = "The role in which workers call AWS; null if they are elsewhere."
  value       = one(concat(module.worker[*].task_role_arn, module.kubernetes_role[*].role_arn))
}

output "cluster_name" {
  description = "The ECS cluster; null without ECS."
  value       = one(module.worker[*].cluster_name)
}

output "service_name" {
  description = "The ECS service; null without ECS."
  value       = one(module.worker[*].service_name)
}

output "task_definition_arn" {
  description = "The task definition, also for a task that runs `zonewatch doctor`; null without ECS."
  value       = one(module.worker[*].task_definition_arn)
}

output "worker_log_group" {
  description = "The workers' log; null without ECS."
  value       = one(module.worker[*].log_group_name)
}

output "worker_security_group_id" {
  description = "The workers' security group; null without ECS."
  value       = one(module.worker[*].security_group_id)
}

output "worker_subnet_ids" {
  description = "Where workers run."
  value       = local.subnet_ids
}

output "alarm_topic_arn" {
  description = "The SNS topic that gets every alarm."
  value       = module.alarms.topic_arn
}

output "page" {
  description = "The static page: its address, bucket and distribution; null without one."
  value = var.page == null ? null : {
    address         = "https://${module.page[0].domain_name}/"
    bucket_name     = module.page[0].bucket_name
    distribution_id = module.page[0].distribution_id
  }
}
