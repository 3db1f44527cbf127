variable "name" {
  description = "The application's name; delivery streams are <name>-records, -quarantine, -windows and -findings."
  type        = string
}

variable "windows" {
  description = "Whether there are delivery streams for windows and findings."
  type        = bool
  default     = true
}

variable "record_streams" {
  description = "Delivery streams that share the records. One takes 5 MiB/s in us-east-1 until its quota is raised."
  type        = number
  default     = 1

  validation {
    condition     = var.record_streams >= 1 && var.record_streams <= 50 && floor(var.record_streams) == var.record_streams
    error_message = "From 1 to 50 delivery streams."
  }
}

variable "opensearch" {
  description = "An OpenSearch domain for the records, beside the archive; for one inside a VPC, the subnets and security groups by which Firehose reaches it. Null: archive only."
  type = object({
    domain_arn         = string
    index_name         = optional(string, "zonewatch-records")
    subnet_ids         = optional(list(string))
    security_group_ids = optional(list(string))
  })
  default = null

  validation {
    condition     = var.opensearch == null ? true : (try(var.opensearch.subnet_ids, null) == null) == (try(var.opensearch.security_group_ids, null) == null)
    error_message = "A domain inside a VPC needs subnet_ids and security_group_ids, another neither."
  }
}

variable "bucket_name" {
  description = "The archive bucket's name. Null: <name>-archive-<account>-<Region>."
  type        = string
  default     = null
}

variable "archive_days" {
  description = "Days for which the archive keeps what was delivered. Records name resolvers and client subnets."
  type        = number
  default     = 400

  validation {
    condition     = var.archive_days > 30
    error_message = "Objects move to colder storage after 30 days and are deleted later than that."
  }
}

variable "deletion_protection" {
  description = "Whether the archive bucket refuses to be deleted while it has objects."
  type        = bool
  default     = true
}

variable "kms_key_arn" {
  description = "Your own KMS key for bucket and delivery streams. Null: S3's and Firehose's own."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of everything that takes tags."
  type        = map(string)
  default     = {}
}
