# Zonewatch on AWS, from hosted zones to alarms. A module: examples/complete shows how it is called.

locals {
  tags = merge({ Application = "zonewatch", Fleet = var.name }, var.tags)

  # Kubernetes brings its own network.
  make_network = var.create_network && var.workers_on == "ecs"

  vpc_id     = local.make_network ? module.network[0].vpc_id : var.vpc_id
  subnet_ids = local.make_network ? (var.public_workers ? module.network[0].public_subnet_ids : module.network[0].private_subnet_ids) : var.subnet_ids
}

module "streams" {
  source = "./modules/streams"

  name                   = var.name
  source_shards          = var.source_shards
  source_retention_hours = var.source_retention_hours
  rollup_retention_hours = var.rollup_retention_hours
  windows                = var.windows
  fan_out                = var.fan_out
  kms_key_arn            = var.kms_key_arn
  tags                   = local.tags
}

module "query_logging" {
  source = "./modules/query-logging"

  name                = var.name
  zones               = var.zones
  existing_log_groups = var.existing_log_groups
  retention_days      = var.query_log_retention_days
  logs_kms_key_arn    = var.logs_kms_key_arn
  stream_arn          = module.streams.source_arn
  stream_kms_key_arn  = var.kms_key_arn
  tags                = local.tags
}

module "state" {
  source = "./modules/state"

  name                = var.name
  windows             = var.windows
  deletion_protection = var.deletion_protection
  kms_key_arn         = var.kms_key_arn
  tags                = local.tags
}

module "delivery" {
  source = "./modules/delivery"

  name                = var.name
  windows             = var.windows
  record_streams      = var.record_streams
  opensearch          = var.opensearch
  archive_days        = var.archive_days
  deletion_protection = var.deletion_protection
  kms_key_arn         = var.kms_key_arn
  tags                = local.tags
}

module "network" {
  source = "./modules/network"
  count  = local.make_network ? 1 : 0

  name                = var.name
  ipv4_cidr           = var.ipv4_cidr
  interface_endpoints = var.interface_endpoints
  nat_gateways        = var.nat_gateways
  tags                = local.tags
}

# What a worker is told and may do, wherever it runs.
module "program" {
  source = "./modules/program"

  name                   = var.name
  use_dualstack_endpoint = var.use_dualstack_endpoint
  beside_kcl             = var.beside_kcl
  allow_doctor           = var.allow_doctor
  kms_key_arn            = var.kms_key_arn

  source_stream_name         = module.streams.source_name
  source_stream_arn          = module.streams.source_arn
  consumer_name              = module.streams.consumer_name
  lease_table_arns           = module.state.lease_table_arns
  worker_table_arns          = module.state.worker_table_arns
  records_delivery_streams   = module.delivery.records
  single_records             = module.delivery.to_opensearch
  quarantine_delivery_stream = module.delivery.quarantine
  delivery_stream_arns       = module.delivery.arns

  windows = var.windows ? {
    rollup_stream_name       = module.streams.rollup_name
    rollup_stream_arn        = module.streams.rollup_arn
    bucket_name              = module.state.bucket_name
    bucket_arn               = module.state.bucket_arn
    windows_delivery_stream  = module.delivery.windows
    findings_delivery_stream = module.delivery.findings
  } : null
}

module "worker" {
  source = "./modules/worker"
  count  = var.workers_on == "ecs" ? 1 : 0

  name                     = var.name
  image                    = var.image
  architecture             = var.architecture
  cpu                      = var.cpu
  memory_mib               = var.memory_mib
  workers_min              = var.workers_min
  workers_max              = var.workers_max
  spot                     = var.spot
  cluster_name             = var.cluster_name
  vpc_id                   = local.vpc_id
  subnet_ids               = local.subnet_ids
  assign_public_ip         = var.public_workers
  scraper_security_groups  = var.scraper_security_groups
  page_secrets             = var.page_secrets
  page_secrets_kms_key_arn = var.page_secrets_kms_key_arn
  page_security_groups     = var.page_security_groups
  settings                 = module.program.settings
  more_settings            = var.settings
  policy_json              = module.program.policy_json
  logs_kms_key_arn         = var.logs_kms_key_arn
  tags                     = local.tags
}

module "kubernetes_role" {
  source = "./modules/kubernetes-role"
  count  = var.workers_on == "kubernetes" ? 1 : 0

  name              = var.name
  policy_json       = module.program.policy_json
  namespace         = var.kubernetes.namespace
  service_account   = var.kubernetes.service_account
  cluster_name      = var.kubernetes.cluster_name
  oidc_provider_arn = var.kubernetes.oidc_provider_arn
  tags              = local.tags
}

module "alarms" {
  source = "./modules/alarms"

  name               = var.name
  emails             = var.alarm_emails
  zones              = var.zones
  behind_secs_max    = var.behind_secs_max
  source_stream_name = module.streams.source_name
  rollup_stream_name = module.streams.rollup_name
  consumer_name      = module.streams.consumer_name
  table_names        = module.state.table_names
  delivery_streams   = module.delivery.names
  opensearch_outlets = module.delivery.to_opensearch ? module.delivery.record_outlets : []
  tags               = local.tags

  service = var.workers_on != "ecs" ? null : {
    cluster_name = module.worker[0].cluster_name
    name         = module.worker[0].service_name
    workers_min  = var.workers_min
    error_metric = module.worker[0].error_metric
  }
}

module "page" {
  source = "./modules/page"
  count  = var.page == null ? 0 : 1

  name            = var.name
  domain_names    = var.page.domain_names
  certificate_arn = var.page.certificate_arn
  web_acl_arn     = var.page.web_acl_arn
  tags            = local.tags
}
