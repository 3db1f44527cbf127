locals {
  streams = merge(aws_kinesis_firehose_delivery_stream.s3, aws_kinesis_firehose_delivery_stream.opensearch)
}

output "records" {
  description = "Names of the delivery streams that share the records."
  value       = [for key in local.record_keys : local.streams[key].name]
}

output "record_outlets" {
  description = "Outlets of the records, as in names."
  value       = local.record_keys
}

output "quarantine" {
  description = "Name of the delivery stream for what could not be used."
  value       = local.streams["quarantine"].name
}

output "windows" {
  description = "Name of the delivery stream for windows; null without windows."
  value       = try(local.streams["windows"].name, null)
}

output "findings" {
  description = "Name of the delivery stream for findings; null without windows."
  value       = try(local.streams["findings"].name, null)
}

output "names" {
  description = "Names of all delivery streams by outlet."
  value       = { for key, stream in local.streams : key => stream.name }
}

output "arns" {
  description = "ARNs of all delivery streams."
  value       = [for stream in local.streams : stream.arn]
}

output "to_opensearch" {
  description = "Whether records go to OpenSearch, which wants one record an entry."
  value       = var.opensearch != null
}

output "bucket_name" {
  description = "The archive bucket."
  value       = aws_s3_bucket.archive.id
}
