output "log_groups" {
  description = "Names of the log groups that are subscribed to, by zone."
  value       = local.groups

  depends_on = [aws_cloudwatch_log_subscription_filter.queries]
}

output "subscription_role_arn" {
  description = "The role in which CloudWatch Logs writes to the stream."
  value       = aws_iam_role.subscription.arn
}
