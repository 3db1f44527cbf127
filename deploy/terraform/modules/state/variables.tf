variable "name" {
  description = "The application's name: the tables are <name>, <name>-state, <name>-rollup and <name>-rollup-state."
  type        = string
}

variable "windows" {
  description = "Whether there are windows and findings, which need the bucket and tables of their own."
  type        = bool
  default     = true
}

variable "bucket_name" {
  description = "The snapshot bucket's name. Null: <name>-snapshots-<account>-<Region>."
  type        = string
  default     = null
}

variable "snapshot_version_days" {
  description = "Days for which a deleted or replaced snapshot can still be had."
  type        = number
  default     = 3

  validation {
    condition     = var.snapshot_version_days >= 1
    error_message = "S3 counts whole days, from 1."
  }
}

variable "deletion_protection" {
  description = "Whether the lease tables refuse to be deleted and the bucket refuses while it has objects. Turn it off, and apply, before you take everything down."
  type        = bool
  default     = true
}

variable "kms_key_arn" {
  description = "Your own KMS key for tables and bucket. Null: the AWS-managed key of DynamoDB, and S3's own encryption."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of everything that takes tags."
  type        = map(string)
  default     = {}
}
