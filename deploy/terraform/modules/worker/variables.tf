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
  description = "Whether four of five workers beyond workers_min run on Fargate Spot."
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

variable "page_secrets" {
  description = "Credentials of the status page: ZONEWATCH_HTTP_TOKENS, ZONEWATCH_HTTP_USERS or both, each to the ARN of a Secrets Manager secret (or of one of its keys). Empty: the page is on the worker's own loopback only."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for name, secret in var.page_secrets : contains(["ZONEWATCH_HTTP_TOKENS", "ZONEWATCH_HTTP_USERS"], name) && can(regex("^arn:aws[a-z-]*:secretsmanager:", secret))])
    error_message = "Names are ZONEWATCH_HTTP_TOKENS and ZONEWATCH_HTTP_USERS, values ARNs of secrets."
  }
}

variable "page_secrets_kms_key_arn" {
  description = "Your own KMS key of those secrets. Null: AWS's."
  type        = string
  default     = null
}

variable "page_security_groups" {
  description = "Security groups whose members may reach the status page, by any name of your own: a load balancer that has TLS."
  type        = map(string)
  default     = {}
}

variable "settings" {
  description = "What the program is told of what was made, as modules/program says it."
  type        = map(string)
}

variable "policy_json" {
  description = "What a worker may do, as modules/program says it."
  type        = string
}

variable "more_settings" {
  description = "More settings of the worker, and other values for those that are set here: ZONEWATCH_RECORDS__SCHEMA = \"lean\"."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for name in keys(var.more_settings) : can(regex("^(ZONEWATCH_[A-Z]+__[A-Z_]+|AWS_[A-Z_0-9]+)$", name))])
    error_message = "Names are ZONEWATCH_SECTION__KEY, or the AWS SDK's own."
  }
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

variable "tags" {
  description = "Tags of everything that takes tags."
  type        = map(string)
  default     = {}
}
