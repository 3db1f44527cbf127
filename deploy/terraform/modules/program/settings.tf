# What the program is told of what was made, wherever it runs. What is not here has its default; deploy/zonewatch.toml
# explains each key.

locals {
  settings = merge(
    {
      ZONEWATCH_WORKER__APP                 = var.name
      ZONEWATCH_SOURCE__STREAM              = var.source_stream_name
      ZONEWATCH_SOURCE__RETRIEVAL           = var.consumer_name == null ? "polling" : "fan-out"
      ZONEWATCH_LEASES__CREATE              = "false"
      ZONEWATCH_RECORDS__DELIVERY_STREAMS   = join(",", var.records_delivery_streams)
      ZONEWATCH_RECORDS__PACKING            = var.single_records ? "single" : "lines"
      ZONEWATCH_QUARANTINE__DELIVERY_STREAM = var.quarantine_delivery_stream
    },
    var.consumer_name == null ? {} : {
      ZONEWATCH_SOURCE__CONSUMER = var.consumer_name
    },
    var.windows == null ? {} : {
      ZONEWATCH_DETECT__ENABLED                  = "true"
      ZONEWATCH_DETECT__ROLLUP_STREAM            = var.windows.rollup_stream_name
      ZONEWATCH_DETECT__BUCKET                   = var.windows.bucket_name
      ZONEWATCH_DETECT__WINDOWS_DELIVERY_STREAM  = var.windows.windows_delivery_stream
      ZONEWATCH_DETECT__FINDINGS_DELIVERY_STREAM = var.windows.findings_delivery_stream
    },
    # Names of services that have IPv6 addresses too (kinesis.<Region>.api.aws).
    var.use_dualstack_endpoint ? { AWS_USE_DUALSTACK_ENDPOINT = "true" } : {},
  )
}
