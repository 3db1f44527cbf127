variable "name" {
  description = "The application's name, in the Name tags."
  type        = string
}

variable "ipv4_cidr" {
  description = "The VPC's IPv4 range; each subnet gets a sixteenth of it. IPv6 ranges come from AWS."
  type        = string
  default     = "10.64.0.0/20"

  validation {
    condition     = can(cidrnetmask(var.ipv4_cidr)) && try(tonumber(split("/", var.ipv4_cidr)[1]) >= 16 && tonumber(split("/", var.ipv4_cidr)[1]) <= 24, false)
    error_message = "An IPv4 range between /16 and /24."
  }
}

variable "zones" {
  description = "Availability Zones in which there are subnets."
  type        = number
  default     = 2

  validation {
    condition     = contains([2, 3, 4], var.zones)
    error_message = "2, 3 or 4 zones."
  }
}

variable "interface_endpoints" {
  description = "Services that are reached by interface endpoints, as in com.amazonaws.<Region>.<service>. The default keeps all of a worker's traffic inside the VPC, and that of Fargate for it (image and log). With dual-stack endpoints over IPv6 you need only logs, ecr.api and ecr.dkr."
  type        = set(string)
  default     = ["kinesis-streams", "kinesis-firehose", "logs", "ecr.api", "ecr.dkr"]
}

variable "interface_endpoint_address_type" {
  description = "Addresses of interface endpoints: ipv4, dualstack or ipv6."
  type        = string
  default     = "ipv4"

  validation {
    condition     = contains(["ipv4", "dualstack", "ipv6"], var.interface_endpoint_address_type)
    error_message = "ipv4, dualstack or ipv6."
  }
}

variable "nat_gateways" {
  description = "NAT gateways for IPv4 from private subnets: none, one, or each (one a zone). Workers need none."
  type        = string
  default     = "none"

  validation {
    condition     = contains(["none", "one", "each"], var.nat_gateways)
    error_message = "none, one or each."
  }
}

variable "tags" {
  description = "Tags of everything that takes tags."
  type        = map(string)
  default     = {}
}
