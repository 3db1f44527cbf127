output "role_arn" {
  description = "The role, for the annotation eks.amazonaws.com/role-arn."
  value       = aws_iam_role.worker.arn
}
