# The source stream, which the subscription fills and OBSERVE reads, and the rollup stream between OBSERVE and DETECT.
#
# Neither can be protected against deletion by Kinesis itself. What the source stream holds is still in the log group
# for as long as that keeps it, and `zonewatch leases reset` begins anew.

resource "aws_kinesis_stream" "source" {
  name             = "${var.name}-source"
  retention_period = var.source_retention_hours
  # Query logs name resolvers and client subnets. The AWS-managed key costs nothing to keep and can't be deleted by
  # accident, which would make every record unreadable; one of your own adds who may decrypt.
  encryption_type = "KMS"
  kms_key_id      = coalesce(var.kms_key_arn, "alias/aws/kinesis")
  # Provisioned shards are cheaper where the traffic is even; an attack on a zone is not.
  shard_count = var.source_shards
  # What is enhanced monitoring for a hot shard is in the worker's metrics already (zonewatch_shard_behind_seconds).
  shard_level_metrics       = []
  enforce_consumer_deletion = false
  tags                      = var.tags

  stream_mode_details {
    stream_mode = var.source_shards == null ? "ON_DEMAND" : "PROVISIONED"
  }
}

resource "aws_kinesis_stream" "rollup" {
  count = var.windows ? 1 : 0

  name = "${var.name}-rollup"
  # A restart of DETECT reads on from its last snapshot, a minute old; the rest is for a weekend without anybody.
  retention_period = var.rollup_retention_hours
  encryption_type  = "KMS"
  kms_key_id       = coalesce(var.kms_key_arn, "alias/aws/kinesis")
  # Digests are small and bounded by zones, not by queries; a worker makes the stream in the same form if it is missing.
  shard_count = 1
  tags        = var.tags

  stream_mode_details {
    stream_mode = "PROVISIONED"
  }

  lifecycle {
    # Key groups move to the children when somebody splits the shard for thousands of zones.
    ignore_changes = [shard_count]
  }
}

# Made here, so that the task role needs no right to register one.
resource "aws_kinesis_stream_consumer" "fan_out" {
  count = var.fan_out ? 1 : 0

  name       = var.name
  stream_arn = aws_kinesis_stream.source.arn
}
