# A VPC in which every subnet has IPv4 and IPv6.
#
# Private subnets reach AWS in two ways that cost nothing an hour: S3 and DynamoDB by gateway endpoints, everything
# with a dual-stack endpoint over IPv6 by the egress-only gateway. Interface endpoints (by the hour, zone and GB) keep
# the rest inside the VPC, or serve what speaks IPv4 only; a NAT gateway is there for those who have such things.

data "aws_region" "current" {}

data "aws_availability_zones" "available" {
  state = "available"

  # Local Zones have neither Fargate nor these endpoints.
  filter {
    name   = "opt-in-status"
    values = ["opt-in-not-required"]
  }
}

locals {
  zones = { for number, zone in slice(data.aws_availability_zones.available.names, 0, var.zones) : zone => number }
  nat = {
    for zone, number in local.zones : zone => number
    if var.nat_gateways == "each" || (var.nat_gateways == "one" && number == 0)
  }
}

resource "aws_vpc" "this" {
  cidr_block                       = var.ipv4_cidr
  assign_generated_ipv6_cidr_block = true
  enable_dns_support               = true
  # Private names of interface endpoints need it.
  enable_dns_hostnames = true
  tags                 = merge(var.tags, { Name = var.name })
}

# A task in a default group would be reachable from its neighbours: nothing is left in it.
resource "aws_default_security_group" "nothing" {
  vpc_id = aws_vpc.this.id
  tags   = merge(var.tags, { Name = "${var.name} default, unused" })
}

resource "aws_subnet" "public" {
  for_each = local.zones

  vpc_id                          = aws_vpc.this.id
  availability_zone               = each.key
  cidr_block                      = cidrsubnet(var.ipv4_cidr, 4, each.value)
  ipv6_cidr_block                 = cidrsubnet(aws_vpc.this.ipv6_cidr_block, 8, each.value)
  assign_ipv6_address_on_creation = true
  tags                            = merge(var.tags, { Name = "${var.name} public ${each.key}" })
}

resource "aws_subnet" "private" {
  for_each = local.zones

  vpc_id                          = aws_vpc.this.id
  availability_zone               = each.key
  cidr_block                      = cidrsubnet(var.ipv4_cidr, 4, 8 + each.value)
  ipv6_cidr_block                 = cidrsubnet(aws_vpc.this.ipv6_cidr_block, 8, 128 + each.value)
  assign_ipv6_address_on_creation = true
  tags                            = merge(var.tags, { Name = "${var.name} private ${each.key}" })
}

resource "aws_internet_gateway" "this" {
  vpc_id = aws_vpc.this.id
  tags   = merge(var.tags, { Name = var.name })
}

# IPv6 has no private addresses: this is what keeps others from calling in.
resource "aws_egress_only_internet_gateway" "this" {
  vpc_id = aws_vpc.this.id
  tags   = merge(var.tags, { Name = var.name })
}

resource "aws_route_table" "public" {
  vpc_id = aws_vpc.this.id
  tags   = merge(var.tags, { Name = "${var.name} public" })
}

resource "aws_route" "public_ipv4" {
  route_table_id         = aws_route_table.public.id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.this.id
}

resource "aws_route" "public_ipv6" {
  route_table_id              = aws_route_table.public.id
  destination_ipv6_cidr_block = "::/0"
  gateway_id                  = aws_internet_gateway.this.id
}

resource "aws_route_table_association" "public" {
  for_each = local.zones

  subnet_id      = aws_subnet.public[each.key].id
  route_table_id = aws_route_table.public.id
}

# One a zone, so that each can have its own NAT gateway.
resource "aws_route_table" "private" {
  for_each = local.zones

  vpc_id = aws_vpc.this.id
  tags   = merge(var.tags, { Name = "${var.name} private ${each.key}" })
}

resource "aws_route" "private_ipv6" {
  for_each = local.zones

  route_table_id              = aws_route_table.private[each.key].id
  destination_ipv6_cidr_block = "::/0"
  egress_only_gateway_id      = aws_egress_only_internet_gateway.this.id
}

resource "aws_route_table_association" "private" {
  for_each = local.zones

  subnet_id      = aws_subnet.private[each.key].id
  route_table_id = aws_route_table.private[each.key].id
}

resource "aws_eip" "nat" {
  for_each = local.nat

  domain = "vpc"
  tags   = merge(var.tags, { Name = "${var.name} nat ${each.key}" })
}

resource "aws_nat_gateway" "this" {
  for_each = local.nat

  allocation_id = aws_eip.nat[each.key].id
  subnet_id     = aws_subnet.public[each.key].id
  tags          = merge(var.tags, { Name = "${var.name} ${each.key}" })

  depends_on = [aws_internet_gateway.this]
}

resource "aws_route" "private_ipv4" {
  for_each = { for zone, number in local.zones : zone => number if length(local.nat) > 0 }

  route_table_id         = aws_route_table.private[each.key].id
  destination_cidr_block = "0.0.0.0/0"
  nat_gateway_id         = try(aws_nat_gateway.this[each.key], values(aws_nat_gateway.this)[0]).id
}
