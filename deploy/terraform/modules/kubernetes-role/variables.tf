variable "name" {
  description = "The application's name."
  type        = string
}

variable "policy_json" {
  description = "What a worker may do, as modules/program says it."
  type        = string
}

variable "namespace" {
  description = "The namespace of the workers."
  type        = string
  default     = "zonewatch"
}

variable "service_account" {
  description = "The workers' service account."
  type        = string
  default     = "zonewatch"
}

variable "cluster_name" {
  description = "An EKS cluster with the Pod Identity agent, on which the role is bound to the service account. Null: you bind it."
  type        = string
  default     = null

  validation {
    condition     = var.cluster_name == null || var.oidc_provider_arn == null
    error_message = "Pod Identity (cluster_name) or roles for service accounts (oidc_provider_arn), not both."
  }
}

variable "oidc_provider_arn" {
  description = "The cluster's OIDC provider, for IAM roles for service accounts. Null: Pod Identity."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of everything that takes tags."
  type        = map(string)
  default     = {}
}
