variable "name" {
  description = "The application's name."
  type        = string
}

variable "bucket_name" {
  description = "The bucket's name. Null: <name>-page-<account>-<Region>."
  type        = string
  default     = null
}

variable "domain_names" {
  description = "Names of your own for the page, which the certificate must cover. DNS records for them are yours."
  type        = list(string)
  default     = []
}

variable "certificate_arn" {
  description = "A certificate of ACM in us-east-1 for domain_names. Null: CloudFront's own name and certificate."
  type        = string
  default     = null
}

variable "web_acl_arn" {
  description = "A web ACL (WAF, scope CLOUDFRONT) that says who may see the page. Null: everybody."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of everything that takes tags."
  type        = map(string)
  default     = {}
}
