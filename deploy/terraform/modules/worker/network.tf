# Who may call whom: workers call AWS over HTTPS, and only who scrapes metrics, or shows the page, calls them.

resource "aws_security_group" "worker" {
  name_prefix = "${var.name}-worker-"
  description = "Zonewatch workers: HTTPS out, metrics in"
  vpc_id      = var.vpc_id
  tags        = merge(var.tags, { Name = "${var.name} worker" })

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_egress_rule" "https_ipv4" {
  security_group_id = aws_security_group.worker.id
  description       = "AWS endpoints, IPv4"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = "0.0.0.0/0"
}

resource "aws_vpc_security_group_egress_rule" "https_ipv6" {
  security_group_id = aws_security_group.worker.id
  description       = "AWS endpoints, IPv6"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv6         = "::/0"
}

resource "aws_vpc_security_group_ingress_rule" "metrics" {
  for_each = var.scraper_security_groups

  security_group_id            = aws_security_group.worker.id
  description                  = "Prometheus"
  ip_protocol                  = "tcp"
  from_port                    = 9464
  to_port                      = 9464
  referenced_security_group_id = each.value
}

resource "aws_vpc_security_group_ingress_rule" "page" {
  for_each = length(var.page_secrets) == 0 ? {} : var.page_security_groups

  security_group_id            = aws_security_group.worker.id
  description                  = "The status page, by a load balancer with TLS"
  ip_protocol                  = "tcp"
  from_port                    = 9465
  to_port                      = 9465
  referenced_security_group_id = each.value
}
