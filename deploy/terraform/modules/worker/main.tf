# The fleet: identical workers on Fargate, which share the shards among themselves. There is nothing in front of them
# and nothing behind them but AWS's services.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  cluster_name = var.cluster_name == null ? aws_ecs_cluster.this[0].name : var.cluster_name

  settings = merge(
    var.settings,
    {
      # Half of the memory, less what the program itself needs.
      ZONEWATCH_LIMITS__HELD_BYTES_MAX = tostring((var.memory_mib / 2 - 64) * 1024 * 1024)
      # Prometheus and the container's own check; the security group says who else comes through.
      ZONEWATCH_HTTP__OPERATIONS = "0.0.0.0:9464"
      ZONEWATCH_LOG__FORMAT      = "json"
    },
    # Beyond loopback the page wants credentials; without them a worker refuses to start.
    length(var.page_secrets) == 0 ? {} : { ZONEWATCH_HTTP__PEOPLE = "0.0.0.0:9465" },
    var.more_settings,
  )
}

resource "aws_ecs_cluster" "this" {
  count = var.cluster_name == null ? 1 : 0

  name = var.name
  tags = var.tags

  # The number of running tasks is a metric of Container Insights only, and the alarm on it is worth its price.
  setting {
    name  = "containerInsights"
    value = "enabled"
  }
}

resource "aws_ecs_cluster_capacity_providers" "this" {
  count = var.cluster_name == null ? 1 : 0

  cluster_name       = aws_ecs_cluster.this[0].name
  capacity_providers = ["FARGATE", "FARGATE_SPOT"]
}

resource "aws_cloudwatch_log_group" "worker" {
  name              = "/zonewatch/${var.name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.logs_kms_key_arn
  tags              = var.tags
}

# A worker logs an error only if somebody must look; modules/alarms has the alarm.
resource "aws_cloudwatch_log_metric_filter" "errors" {
  name           = "${var.name}-errors"
  log_group_name = aws_cloudwatch_log_group.worker.name
  pattern        = "{ $.level = \"ERROR\" }"

  metric_transformation {
    name          = "Errors"
    namespace     = "Zonewatch/${var.name}"
    value         = "1"
    default_value = "0"
  }
}

resource "aws_ecs_task_definition" "worker" {
  family                   = var.name
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.cpu
  memory                   = var.memory_mib
  execution_role_arn       = aws_iam_role.execution.arn
  task_role_arn            = aws_iam_role.task.arn
  tags                     = var.tags

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = var.architecture
  }

  container_definitions = jsonencode([merge({
    name        = "worker"
    image       = var.image
    essential   = true
    command     = ["worker"]
    environment = [for name in sort(keys(local.settings)) : { name = name, value = local.settings[name] }]
    # Nothing is written to disk, and nothing needs to be anybody.
    readonlyRootFilesystem = true
    user                   = "65532"
    linuxParameters        = { capabilities = { drop = ["ALL"] } }
    # SIGTERM drains and hands every shard over within 10 s; a worker that is killed before its end costs seconds of
    # reading and some records delivered twice. Three times that is for a slow sink.
    stopTimeout = 30
    portMappings = concat(
      [{ containerPort = 9464, protocol = "tcp", name = "metrics" }],
      length(var.page_secrets) == 0 ? [] : [{ containerPort = 9465, protocol = "tcp", name = "page" }],
    )
    # Alive, not ready: a fleet whose sink is down must not be replaced, which would only move its shards about. The
    # first minute is for streams and tables that do not answer at once.
    healthCheck = {
      command     = ["CMD", var.program, "health"]
      interval    = 15
      timeout     = 5
      retries     = 3
      startPeriod = 90
    }
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = aws_cloudwatch_log_group.worker.name
        awslogs-region        = data.aws_region.current.name
        awslogs-stream-prefix = "worker"
        # A worker never waits for its log.
        mode            = "non-blocking"
        max-buffer-size = "4m"
      }
    }
    }, length(var.page_secrets) == 0 ? {} : {
    secrets = [for name in sort(keys(var.page_secrets)) : { name = name, valueFrom = var.page_secrets[name] }]
  })])
}

resource "aws_ecs_service" "worker" {
  name            = var.name
  cluster         = local.cluster_name
  task_definition = aws_ecs_task_definition.worker.arn
  desired_count   = var.workers_min
  propagate_tags  = "SERVICE"
  tags            = var.tags
  # New workers join and take shards before old ones hand theirs over.
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200
  enable_ecs_managed_tags            = true
  platform_version                   = "LATEST"

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  # A Spot task gets SIGTERM two minutes before its end, of which a worker needs ten seconds; the smallest fleet is not
  # on Spot, nor is a fifth of what is added to it.
  capacity_provider_strategy {
    capacity_provider = "FARGATE"
    base              = var.workers_min
    weight            = 1
  }

  dynamic "capacity_provider_strategy" {
    for_each = var.spot ? [true] : []

    content {
      capacity_provider = "FARGATE_SPOT"
      weight            = 4
    }
  }

  network_configuration {
    subnets          = var.subnet_ids
    security_groups  = [aws_security_group.worker.id]
    assign_public_ip = var.assign_public_ip
  }

  lifecycle {
    # Autoscaling's from then on.
    ignore_changes = [desired_count]
  }

  depends_on = [aws_ecs_cluster_capacity_providers.this, aws_iam_role_policy.task, aws_iam_role_policy.execution, aws_iam_role_policy.page]
}

resource "aws_appautoscaling_target" "workers" {
  service_namespace  = "ecs"
  scalable_dimension = "ecs:service:DesiredCount"
  resource_id        = "service/${local.cluster_name}/${aws_ecs_service.worker.name}"
  min_capacity       = var.workers_min
  max_capacity       = var.workers_max
  tags               = var.tags
}

# Work is CPU: decoding, enriching, packing. A worker that joins takes shards of the busiest within a minute, and one
# shard can't be shared, so more workers than shards are idle.
resource "aws_appautoscaling_policy" "cpu" {
  name               = "${var.name}-cpu"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.workers.service_namespace
  scalable_dimension = aws_appautoscaling_target.workers.scalable_dimension
  resource_id        = aws_appautoscaling_target.workers.resource_id

  target_tracking_scaling_policy_configuration {
    target_value       = var.cpu_target_percent
    scale_out_cooldown = 60
    # Leases stay where they have come to for a minute; a fleet that breathes faster moves shards for nothing.
    scale_in_cooldown = 300

    predefined_metric_specification {
      predefined_metric_type = "ECSServiceAverageCPUUtilization"
    }
  }
}
