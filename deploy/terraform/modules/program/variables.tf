variable "name" {
  description = "The application's name (worker.app)."
  type        = string
}

variable "source_stream_name" {
  description = "The source stream (source.stream)."
  type        = string
}

variable "source_stream_arn" {
  description = "ARN of the source stream."
  type        = string
}

variable "consumer_name" {
  description = "The registered consumer for enhanced fan-out (source.consumer). Null: shards are polled."
  type        = string
  default     = null
}

variable "lease_table_arns" {
  description = "ARNs of the lease tables."
  type        = map(string)
}

variable "worker_table_arns" {
  description = "ARNs of the tables of workers."
  type        = map(string)
}

variable "records_delivery_streams" {
  description = "Names of the delivery streams for records (records.delivery_streams)."
  type        = list(string)
}

variable "single_records" {
  description = "Whether an entry is one record, as OpenSearch wants it (records.packing)."
  type        = bool
  default     = false
}

variable "quarantine_delivery_stream" {
  description = "Name of the delivery stream for what can't be used (quarantine.delivery_stream)."
  type        = string
}

variable "delivery_stream_arns" {
  description = "ARNs of all delivery streams."
  type        = list(string)
}

variable "windows" {
  description = "What windows and findings need ([detect]). Null: there are none."
  type = object({
    rollup_stream_name       = string
    rollup_stream_arn        = string
    bucket_name              = string
    bucket_arn               = string
    windows_delivery_stream  = string
    findings_delivery_stream = string
  })
  default = null
}

variable "use_dualstack_endpoint" {
  description = "Whether workers use AWS's dual-stack endpoints, and so IPv6 where they have it (AWS_USE_DUALSTACK_ENDPOINT)."
  type        = bool
  default     = false
}

variable "beside_kcl" {
  description = "Whether the lease table was, or is beside, one of the Kinesis Client Library."
  type        = bool
  default     = false
}

variable "allow_doctor" {
  description = "Whether the role may also look at what only `zonewatch doctor` looks at. It changes nothing."
  type        = bool
  default     = true
}

variable "kms_key_arn" {
  description = "Your own KMS key of streams, tables and buckets. Null: AWS's."
  type        = string
  default     = null
}
