output "vpc_id" {
  description = "The VPC."
  value       = aws_vpc.this.id
}

output "public_subnet_ids" {
  description = "Subnets with a route to and from the internet."
  value       = values(aws_subnet.public)[*].id
}

output "private_subnet_ids" {
  description = "Subnets from which only outgoing IPv6 (and IPv4 by a NAT gateway, if there is one) leaves."
  value       = values(aws_subnet.private)[*].id

  # Whatever runs there needs its ways out.
  depends_on = [aws_route.private_ipv6, aws_route.private_ipv4, aws_vpc_endpoint.gateway, aws_vpc_endpoint.interface]
}
