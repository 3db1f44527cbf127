output "lease_table_arns" {
  description = "ARNs of the lease tables, by application."
  value       = { for app, table in aws_dynamodb_table.leases : app => table.arn }
}

output "worker_table_arns" {
  description = "ARNs of the tables of workers, by application."
  value       = { for app, table in aws_dynamodb_table.workers : app => table.arn }
}

output "table_names" {
  description = "Names of all tables."
  value       = concat(values(aws_dynamodb_table.leases)[*].name, values(aws_dynamodb_table.workers)[*].name)
}

output "bucket_name" {
  description = "The snapshot bucket; null without windows."
  value       = one(aws_s3_bucket.snapshots[*].id)
}

output "bucket_arn" {
  description = "ARN of the snapshot bucket; null without windows."
  value       = one(aws_s3_bucket.snapshots[*].arn)
}
