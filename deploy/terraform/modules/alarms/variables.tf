variable "name" {
  description = "The application's name; alarms are called <name>-<what>."
  type        = string
}

variable "emails" {
  description = "Addresses that get the alarms; each must confirm by a link. Anything else subscribes to the topic."
  type        = set(string)
  default     = []
}

variable "topic_kms_key_arn" {
  description = "Your own KMS key for the topic, which lets cloudwatch.amazonaws.com use it. Null: none."
  type        = string
  default     = null
}

variable "zones" {
  description = "Hosted zones with query logging: zone name to hosted zone id."
  type        = map(string)
  default     = {}
}

variable "behind_secs_max" {
  description = "Seconds that reading may be behind. Windows close five minutes late (detect.lateness_secs), so less delays no finding."
  type        = number
  default     = 300
}

variable "source_stream_name" {
  description = "The source stream."
  type        = string
}

variable "rollup_stream_name" {
  description = "The rollup stream; null without windows."
  type        = string
  default     = null
}

variable "consumer_name" {
  description = "The source stream's consumer; null if shards are polled."
  type        = string
  default     = null
}

variable "table_names" {
  description = "DynamoDB tables."
  type        = list(string)
}

variable "delivery_streams" {
  description = "Delivery streams: outlet to name."
  type        = map(string)
}

variable "opensearch_outlets" {
  description = "Outlets among them that go to OpenSearch."
  type        = set(string)
  default     = []
}

variable "service" {
  description = "The workers' ECS service, and the metric that counts errors in their log. Null: workers are elsewhere."
  type = object({
    cluster_name = string
    name         = string
    workers_min  = number
    error_metric = object({
      namespace = string
      name      = string
    })
  })
  default = null
}

variable "tags" {
  description = "Tags of everything that takes tags."
  type        = map(string)
  default     = {}
}
