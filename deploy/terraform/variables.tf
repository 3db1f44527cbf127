variable "name" {
  description = "The application's name (worker.app). It names tables, streams and buckets: a second fleet over the same zones needs another."
  type        = string
  default     = "zonewatch"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,18}[a-z0-9]$", var.name))
    error_message = "3 to 20 lower-case letters, digits and hyphens, beginning with a letter: bucket names are made of it."
  }
}

variable "tags" {
  description = "More tags of everything that takes tags."
  type        = map(string)
  default     = {}
}

# What is watched

variable "zones" {
  description = "Public hosted zones whose query logging is turned on: zone name (without the last dot) to hosted zone id."
  type        = map(string)
  default     = {}
}

variable "existing_log_groups" {
  description = "Log groups in us-east-1 that Route 53 writes query logs to already; they are only subscribed to."
  type        = set(string)
  default     = []
}

variable "query_log_retention_days" {
  description = "Days for which CloudWatch keeps the log lines of zones."
  type        = number
  default     = 7
}

# Streams, state, delivery

variable "source_shards" {
  description = "Provisioned shards of the source stream. Null: on demand."
  type        = number
  default     = null
}

variable "source_retention_hours" {
  description = "Hours for which the source stream keeps records."
  type        = number
  default     = 24
}

variable "rollup_retention_hours" {
  description = "Hours for which the rollup stream keeps digests."
  type        = number
  default     = 72
}

variable "fan_out" {
  description = "Whether shards are read by enhanced fan-out instead of being polled."
  type        = bool
  default     = false
}

variable "windows" {
  description = "Whether there are windows and findings: the rollup stream, two more tables, the snapshot bucket and two delivery streams."
  type        = bool
  default     = true
}

variable "record_streams" {
  description = "Delivery streams that share the records; one takes 5 MiB/s in us-east-1 until its quota is raised."
  type        = number
  default     = 1
}

variable "opensearch" {
  description = "An OpenSearch domain for the records, beside the archive. Null: archive only."
  type = object({
    domain_arn         = string
    index_name         = optional(string, "zonewatch-records")
    subnet_ids         = optional(list(string))
    security_group_ids = optional(list(string))
  })
  default = null
}

variable "archive_days" {
  description = "Days for which the archive keeps what was delivered."
  type        = number
  default     = 400
}

variable "deletion_protection" {
  description = "Whether lease tables, and buckets that hold something, refuse to be deleted."
  type        = bool
  default     = true
}

variable "kms_key_arn" {
  description = "Your own KMS key for streams, tables, buckets and delivery streams. Null: AWS-managed keys, which cost nothing and can't be deleted by accident. Your own is for those who must control or audit who decrypts."
  type        = string
  default     = null
}

variable "logs_kms_key_arn" {
  description = "Your own KMS key for log groups; its policy must allow logs.us-east-1.amazonaws.com. Null: CloudWatch's own encryption."
  type        = string
  default     = null
}

# Workers

variable "workers_on" {
  description = "Where workers run: ecs (Fargate, made here), kubernetes (only their role is made here; deploy/kubernetes has the rest), or elsewhere (the outputs worker_settings and worker_policy say what they need)."
  type        = string
  default     = "ecs"

  validation {
    condition     = contains(["ecs", "kubernetes", "elsewhere"], var.workers_on)
    error_message = "ecs, kubernetes or elsewhere."
  }
}

variable "kubernetes" {
  description = "For workers on Kubernetes: their namespace and service account, and either the EKS cluster (Pod Identity) or its OIDC provider (IAM roles for service accounts)."
  type = object({
    namespace         = optional(string, "zonewatch")
    service_account   = optional(string, "zonewatch")
    cluster_name      = optional(string)
    oidc_provider_arn = optional(string)
  })
  default = {}
}

variable "image" {
  description = "The image with the program, by digest or by a tag that is never moved. Workers on ECS need one."
  type        = string
  default     = null

  validation {
    condition     = var.image != null || var.workers_on != "ecs"
    error_message = "Workers on ECS need an image."
  }
}

variable "architecture" {
  description = "X86_64 or ARM64, as the image is."
  type        = string
  default     = "X86_64"
}

variable "cpu" {
  description = "CPU units of a worker; 1024 are one core."
  type        = number
  default     = 1024
}

variable "memory_mib" {
  description = "Memory of a worker in MiB."
  type        = number
  default     = 2048
}

variable "workers_min" {
  description = "Workers at least."
  type        = number
  default     = 2
}

variable "workers_max" {
  description = "Workers at most; more than shards are idle."
  type        = number
  default     = 10
}

variable "spot" {
  description = "Whether four of five workers beyond workers_min run on Fargate Spot."
  type        = bool
  default     = false
}

variable "settings" {
  description = "More settings of the worker by their environment variables, as in deploy/zonewatch.toml."
  type        = map(string)
  default     = {}
}

variable "beside_kcl" {
  description = "Whether the lease table was, or is beside, one of the Kinesis Client Library."
  type        = bool
  default     = false
}

variable "allow_doctor" {
  description = "Whether the task role may look at what only `zonewatch doctor` looks at."
  type        = bool
  default     = true
}

variable "cluster_name" {
  description = "An ECS cluster of yours. Null: one is made."
  type        = string
  default     = null
}

# Network

variable "create_network" {
  description = "Whether a dual-stack VPC is made. False: vpc_id and subnet_ids say where workers run."
  type        = bool
  default     = true
}

variable "vpc_id" {
  description = "Your VPC, if none is made."
  type        = string
  default     = null
}

variable "subnet_ids" {
  description = "Your subnets for the workers, if no VPC is made."
  type        = list(string)
  default     = []
}

variable "ipv4_cidr" {
  description = "The new VPC's IPv4 range."
  type        = string
  default     = "10.64.0.0/20"
}

variable "interface_endpoints" {
  description = "Services that the new VPC reaches by interface endpoints. With use_dualstack_endpoint you need only logs, ecr.api and ecr.dkr."
  type        = set(string)
  default     = ["kinesis-streams", "kinesis-firehose", "logs", "ecr.api", "ecr.dkr"]
}

variable "nat_gateways" {
  description = "NAT gateways of the new VPC: none, one, or each (one a zone)."
  type        = string
  default     = "none"
}

variable "public_workers" {
  description = "Whether workers run in public subnets with public IPv4 addresses, for images of registries that private subnets don't reach."
  type        = bool
  default     = false
}

variable "use_dualstack_endpoint" {
  description = "Whether workers use AWS's dual-stack endpoints: in the new VPC their traffic then leaves over IPv6 and costs no endpoint and no NAT gateway."
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

# Alarms and page

variable "alarm_emails" {
  description = "Addresses that get the alarms."
  type        = set(string)
  default     = []
}

variable "behind_secs_max" {
  description = "Seconds that reading may be behind before an alarm."
  type        = number
  default     = 300
}

variable "page" {
  description = "A static copy of the status page behind CloudFront. Null: none; {} makes it with CloudFront's own name."
  type = object({
    domain_names    = optional(list(string), [])
    certificate_arn = optional(string)
    web_acl_arn     = optional(string)
  })
  default = null
}
