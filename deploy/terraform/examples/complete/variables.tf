variable "name" {
  description = "The application's name."
  type        = string
  default     = "zonewatch"
}

variable "zones" {
  description = "Zone name to hosted zone id."
  type        = map(string)
}

variable "image" {
  description = "The image with the program."
  type        = string
}

variable "alarm_emails" {
  description = "Who gets the alarms."
  type        = set(string)
  default     = []
}

variable "opensearch" {
  description = "An OpenSearch domain for the records; null: archive only."
  type = object({
    domain_arn         = string
    index_name         = optional(string, "zonewatch-records")
    subnet_ids         = optional(list(string))
    security_group_ids = optional(list(string))
  })
  default = null
}
