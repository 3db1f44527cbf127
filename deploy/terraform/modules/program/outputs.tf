output "settings" {
  description = "Environment variables of a worker."
  value       = local.settings
}

output "policy_json" {
  description = "What a worker may do."
  value       = data.aws_iam_policy_document.worker.json
}
