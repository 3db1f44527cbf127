# Everything, for two zones: copy this folder, change the values, and apply it.

terraform {
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }

  # State holds names and ARNs, no secret; keep it where your colleagues and a lock are:
  # backend "s3" { bucket = "...", key = "zonewatch.tfstate", region = "us-east-1", use_lockfile = true }
}

# Route 53 writes query logs to us-east-1, so that is where everything is.
provider "aws" {
  region = "us-east-1"
}

module "zonewatch" {
  source = "../.."

  name  = var.name
  zones = var.zones
  image = var.image

  # Two workers at rest, up to eight while somebody attacks; most of those beyond the two on Spot.
  workers_min = 2
  workers_max = 8
  spot        = true

  # Workers call Kinesis and Firehose over IPv6; what Fargate needs for them stays inside the VPC.
  use_dualstack_endpoint = true
  interface_endpoints    = ["logs", "ecr.api", "ecr.dkr"]

  # Flat, short records are what Athena wants.
  settings = {
    ZONEWATCH_RECORDS__SCHEMA = "lean"
  }

  opensearch   = var.opensearch
  alarm_emails = var.alarm_emails
  page         = {}

  tags = {
    Environment = "production"
  }
}
