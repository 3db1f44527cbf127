variable "name" {
  description = "The application's name; policies, roles and filters are called after it."
  type        = string
}

variable "zones" {
  description = "Public hosted zones whose query logging is turned on: zone name (without the last dot) to hosted zone id."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for name, id in var.zones : can(regex("^[^.].*[^.]$", name)) && can(regex("^[A-Z0-9]+$", id))])
    error_message = "Zones are { \"example.com\" = \"Z0123456789ABCDEFGHIJ\" }: names without a dot at either end, ids as Route 53 shows them."
  }
}

variable "existing_log_groups" {
  description = "Log groups that Route 53 writes to already, in us-east-1. They are only subscribed to. A zone can't have two query logging configurations."
  type        = set(string)
  default     = []
}

variable "retention_days" {
  description = "Days for which CloudWatch keeps the log lines. The stream and S3 have them too, so this is how far back a lost stream can be filled again."
  type        = number
  default     = 7

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.retention_days)
    error_message = "CloudWatch keeps logs for 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653 days."
  }
}

variable "logs_kms_key_arn" {
  description = "Your own KMS key for the log groups, whose policy allows logs.us-east-1.amazonaws.com. Null: CloudWatch's own encryption."
  type        = string
  default     = null
}

variable "stream_arn" {
  description = "The source stream."
  type        = string
}

variable "stream_kms_key_arn" {
  description = "Your own KMS key of the source stream. Null: the AWS-managed key."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of everything that takes tags."
  type        = map(string)
  default     = {}
}
