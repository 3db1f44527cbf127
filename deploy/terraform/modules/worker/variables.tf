variable "name" {
  description = "The application's name (worker.app)."
  type        = string
}

variable "image" {
  description = "The image with the program, by digest or by a tag that is never moved."
  type        = string

  validation {
    condition     = can(regex("[:@]", var.image)) && !endswith(var.image, ":latest")
    error_message = "Name a version: a moved tag makes a fleet of two versions whenever a task is replaced."
  }
}

variable "program" {
  description = "Path of the program inside the image, for the container's health check."
  type        = string
  default     = "/usr/bin/zonewatch"
}

variable "architecture" {
  description = "X86_64 or ARM64, as the image is."
  type        = string
  default     = "X86_64"

  validation {
    condition     = contains(["X86_64", "ARM64"], var.architecture)
    error_message = "X86_64 or ARM64."
  }
}

variable "cpu" {
  description = "CPU units of a worker; 1024 are one core."
  type        = number
  default     = 1024

  validation {
    condition     = contains([256, 512, 1024, 2048, 4096, 8192, 16384], var.cpu)
    error_message = "256, 512, 1024, 2048, 4096, 8192 or 16384."
  }
}

variable "memory_mib" {
  description = "Memory of a worker in MiB; Fargate offers two to eight times the cores in GiB. Half of it may be data (limits.held_bytes_max)."
  type        = number
  default     = 2048

  validation {
    condition     = var.memory_mib >= 512
    error_message = "At least 512 MiB."
  }
}

variable "workers_min" {
  description = "Workers at least. With two a zone of AWS may fail."
  type        = number
  default     = 2

  validation {
    condition     = var.workers_min >= 1
    error_message = "At least 1."
  }
}

variable "workers_max" {
  description = "Workers at most; more than shards are idle."
  type        = number
  default     = 10
}

variable "cpu_target_percent" {
  description = "CPU that autoscaling aims at. Below it lies what takes over when a worker fails."
  type        = number
  default     = 60

  validation {
    condition     = var.cpu_target_percent >= 20 && var.cpu_target_percent <= 90
    error_message = "20 to 90."
  }
}

variable "spot" {
  description = "Whether workers beyond workers_min run on Fargate Spot."
  type        = bool
  default     = false
}

variable "cluster_name" {
  description = "An ECS cluster that is there, with Container Insights and the capacity providers FARGATE and FARGATE_SPOT. Null: one is made."
  type        = string
  default     = null
}

variable "vpc_id" {
  description = "The VPC."
  type        = string
}

variable "subnet_ids" {
  description = "Subnets of the workers, in two zones or more."
  type        = list(string)
}

variable "assign_public_ip" {
  description = "Whether workers have public IPv4 addresses: in public subnets that have no other way to AWS."
  type        = bool
  default     = false
}

variable "scraper_security_groups" {
  description = "Security groups whose members may read /metrics, by any name of your own."
  type        = map(string)
  default     = {}
}

variable "use_dualstack_endpoint" {
  description = "Whether workers use AWS's dual-stack endpoints, and so IPv6 where they have it (AWS_USE_DUALSTACK_ENDPOINT)."
  type        = bool
  default     = false
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
    rollup_stream_name = string
    rollup_stream_arn  = string
    bucket_name        = string
    bucket_arn         = string
    delivery_stream    = string
  })
  default = null
}

variable "settings" {
  description = "More settings of the worker, and other values for those that are set here: ZONEWATCH_RECORDS__SCHEMA = \"lean\"."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for name in keys(var.settings) : can(regex("^(ZONEWATCH_[A-Z]+__[A-Z_]+|AWS_[A-Z_0-9]+)$", name))])
    error_message = "Names are ZONEWATCH_SECTION__KEY, or the AWS SDK's own."
  }
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

variable "log_retention_days" {
  description = "Days for which the workers' log is kept."
  type        = number
  default     = 30
}

variable "logs_kms_key_arn" {
  description = "Your own KMS key for the log group. Null: CloudWatch's own encryption."
  type        = string
  default     = null
}

variable "kms_key_arn" {
  description = "Your own KMS key of streams, tables and buckets. Null: AWS's."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of everything that takes tags."
  type        = map(string)
  default     = {}
}
