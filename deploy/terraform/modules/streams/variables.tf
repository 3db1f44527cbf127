variable "name" {
  description = "The application's name; the streams are <name>-source and <name>-rollup."
  type        = string
}

variable "source_shards" {
  description = "Provisioned shards of the source stream (1 MiB/s and 1,000 records/s each). Null: on demand, which follows the traffic."
  type        = number
  default     = null

  validation {
    condition     = var.source_shards == null ? true : var.source_shards >= 1 && floor(var.source_shards) == var.source_shards
    error_message = "Shards are a whole number from 1, or null for on demand."
  }
}

variable "source_retention_hours" {
  description = "Hours for which the source stream keeps records: how long all workers may be away without a loss. Beyond 24 AWS bills by the GB and hour."
  type        = number
  default     = 24

  validation {
    condition     = var.source_retention_hours >= 24 && var.source_retention_hours <= 8760
    error_message = "Kinesis keeps records for 24 to 8760 hours."
  }
}

variable "windows" {
  description = "Whether there are windows and findings, which need the rollup stream."
  type        = bool
  default     = true
}

variable "rollup_retention_hours" {
  description = "Hours for which the rollup stream keeps digests."
  type        = number
  default     = 72

  validation {
    condition     = var.rollup_retention_hours >= 24 && var.rollup_retention_hours <= 8760
    error_message = "Kinesis keeps records for 24 to 8760 hours."
  }
}

variable "fan_out" {
  description = "Whether workers read the source stream by enhanced fan-out, for which a consumer is registered. AWS bills it by the shard and hour, and by the GB."
  type        = bool
  default     = false
}

variable "kms_key_arn" {
  description = "Your own KMS key for both streams. Null: the AWS-managed key alias/aws/kinesis."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of everything that takes tags."
  type        = map(string)
  default     = {}
}
