output "source_name" {
  description = "Name of the source stream."
  value       = aws_kinesis_stream.source.name
}

output "source_arn" {
  description = "ARN of the source stream."
  value       = aws_kinesis_stream.source.arn
}

output "rollup_name" {
  description = "Name of the rollup stream; null without windows."
  value       = one(aws_kinesis_stream.rollup[*].name)
}

output "rollup_arn" {
  description = "ARN of the rollup stream; null without windows."
  value       = one(aws_kinesis_stream.rollup[*].arn)
}

output "consumer_name" {
  description = "Name of the source stream's consumer; null without fan-out."
  value       = one(aws_kinesis_stream_consumer.fan_out[*].name)
}
