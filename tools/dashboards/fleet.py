"""The fleet: whether every shard is read, delivered and summarised, and how fast."""

from asked import MINE, quantiles, rate
from panels import dashboard, heatmap, lines, number, query, steps, variable


def overview():
    return [
        number("Workers", f"count(zonewatch_build_info{{{MINE}}})", "short", "Workers that Prometheus reaches."),
        number("Queries", rate("zonewatch_queries_total", where=MINE), "reqps", "Queries decoded a second."),
        number(
            "Farthest behind",
            f"max(zonewatch_shard_behind_seconds{{{MINE}}})",
            "s",
            "The shard whose reader is farthest behind the stream's tip.",
            thresholds=steps(("orange", 30), ("red", 120)),
        ),
        number(
            "Oldest checkpoint",
            f"max(zonewatch_checkpoint_age_seconds{{{MINE}}})",
            "s",
            "Time since a shard was last acknowledged as far as it was read.",
            thresholds=steps(("orange", 60), ("red", 300)),
        ),
        number(
            "Nobody reads",
            f"max by (stream) (zonewatch_uncovered_hash_range_ratio{{{MINE}}})",
            "percentunit",
            "Share of a stream's hash keys whose lease nobody holds.",
            "{{stream}}",
            steps(("red", 0.0001)),
        ),
        number(
            "Blocked outlets",
            f"sum(zonewatch_firehose_blocked{{{MINE}}})",
            "short",
            "Outlets that are refused until a person does something, such as a missing permission.",
            thresholds=steps(("red", 1)),
        ),
    ]


def progress():
    return [
        lines(
            "Behind the tip",
            [
                query(
                    f"topk(10, max by (stream, shard) (zonewatch_shard_behind_seconds{{{MINE}}}))",
                    "{{stream}} {{shard}}",
                )
            ],
            "s",
            "The ten shards farthest behind. All of them: too few workers. One of them: a hot shard, or a slow worker.",
        ),
        lines(
            "Age of checkpoints",
            [
                query(
                    f"topk(10, max by (stream, shard) (zonewatch_checkpoint_age_seconds{{{MINE}}}))",
                    "{{stream}} {{shard}}",
                )
            ],
            "s",
            "It grows while an outlet refuses; nothing is lost as long as the stream keeps its records.",
        ),
    ]


def delays():
    return [
        lines(
            "Delay to the stream",
            quantiles("zonewatch_arrival_delay_seconds", MINE),
            "s",
            "From a query to its record's arrival in the source stream: Route 53 and CloudWatch, before Zonewatch.",
        ),
        lines(
            "Delay to delivery",
            quantiles("zonewatch_delivery_delay_seconds", MINE),
            "s",
            "From a record's arrival to the acknowledgement of all that was made of it.",
        ),
        heatmap(
            "Delay to delivery, all of it",
            f"sum by (le) (increase(zonewatch_delivery_delay_seconds_bucket{{{MINE}}}[$__rate_interval]))",
            "How many queries took how long.",
        ),
    ]


def leases():
    return [
        lines(
            "Leases held",
            [query(f"sum by (stream, instance) (zonewatch_leases_held{{{MINE}}})", "{{stream}} {{instance}}")],
            "short",
            "Shards of each worker.",
            stacked=True,
        ),
        lines(
            "Lease moves",
            [
                query(
                    f"sum by (stream, reason) (increase(zonewatch_lease_moves_total{{{MINE}}}[$__rate_interval]))",
                    "{{stream}} {{reason}}",
                )
            ],
            "short",
            "Taken, handed over, released, lost. Lost ones without a deployment are a worker that was paused or cut off.",
        ),
        lines(
            "Records",
            [query(rate("zonewatch_records_total", "stream", MINE), "{{stream}}")],
            "cps",
            "Kinesis records worked through, a second.",
        ),
    ]


def delivery():
    return [
        lines(
            "Firehose entries",
            [query(rate("zonewatch_firehose_entries_total", "outlet, outcome", MINE), "{{outlet}} {{outcome}}")],
            "cps",
            "Refused entries are sent again; many of them ask for a higher quota.",
        ),
        lines(
            "Bytes",
            [
                query(rate("zonewatch_firehose_payload_bytes_total", "outlet", MINE), "{{outlet}}, lines"),
                query(rate("zonewatch_firehose_billed_bytes_total", "outlet", MINE), "{{outlet}}, billed"),
            ],
            "Bps",
            "Lines before compression, and what Firehose bills: each entry rounded up to 5 KiB.",
        ),
        lines(
            "Kept out and set aside",
            [
                query(rate("zonewatch_records_left_out_total", where=MINE, zero=True), "left out by filters"),
                query(rate("zonewatch_rejects_total", where=MINE), "rejected"),
                query(
                    rate("zonewatch_quarantine_total", where=f'{MINE}, outcome!="kept"', zero=True),
                    "rejected and not kept",
                ),
            ],
            "cps",
            "Records that filters or the sample kept out, and input that could not be used.",
        ),
    ]


def windows():
    return [
        lines(
            "Digests put",
            [query(rate("zonewatch_digests_total", "outcome", MINE), "{{outcome}}")],
            "cps",
            "What OBSERVE puts to the rollup stream.",
        ),
        lines(
            "Digests read",
            [query(rate("zonewatch_digests_read_total", "outcome", MINE), "{{outcome}}")],
            "cps",
            "What DETECT makes of them. Holes and gaps make windows that are not whole.",
        ),
        lines(
            "Windows closed",
            [query(rate("zonewatch_windows_total", "whole", MINE), "whole {{whole}}")],
            "cps",
            "Panes of a key group, by whether they count every query that was not late.",
            stacked=True,
        ),
    ]


def lateness():
    return [
        lines(
            "Late and missed queries",
            [
                query(rate("zonewatch_late_queries_total", where=MINE), "late"),
                query(rate("zonewatch_missed_queries_total", where=MINE), "missed"),
                query(rate("zonewatch_zones_limited_total", where=MINE), "windows not judged"),
            ],
            "cps",
            "Late: older than the lateness when their record arrived. Missed: their window was closed. Not judged: a key group had too many zones.",
        ),
        lines(
            "Coverage",
            [query(f"min by (shard) (zonewatch_window_coverage_ratio{{{MINE}}})", "{{shard}}")],
            "percentunit",
            "Share of the source stream that had passed the end of the last closed window.",
        ),
        lines(
            "Since the last window",
            [query(f"max by (shard) (time() - zonewatch_window_end_timestamp_seconds{{{MINE}}})", "{{shard}}")],
            "s",
            "How old the newest closed window is. The lateness is part of it.",
        ),
    ]


def limits():
    return [
        lines(
            "Held bytes",
            [
                query(f"sum by (instance) (zonewatch_held_bytes{{{MINE}}})", "{{instance}}"),
                query(f"max(zonewatch_held_bytes_max{{{MINE}}})", "limit of a worker"),
            ],
            "bytes",
            "Data in memory. At the limit reading waits.",
        ),
        lines(
            "Limits reached",
            [
                query(
                    f"sum by (limit) (increase(zonewatch_limits_reached_total{{{MINE}}}[$__rate_interval])) or vector(0)",
                    "{{limit}}",
                )
            ],
            "short",
            "How often a limit took effect, by its name.",
        ),
        lines(
            "Rejects",
            [query(rate("zonewatch_rejects_total", "reason", MINE), "{{reason}}")],
            "cps",
            "Input that could not be used, by reason.",
        ),
        lines(
            "Reference data and subscriptions",
            [
                query(
                    rate("zonewatch_database_loads_total", where=f'{MINE}, outcome!="loaded"', zero=True),
                    "databases not loaded",
                ),
                query(
                    rate("zonewatch_subscriptions_ended_total", where=f'{MINE}, reason!="over"', zero=True),
                    "subscriptions broken",
                ),
                query(rate("zonewatch_snapshots_unusable_total", where=MINE), "snapshots not usable"),
            ],
            "cps",
            "What goes wrong beside the way of a record.",
        ),
    ]


def fleet():
    worker = variable("worker", "Worker", "zonewatch_build_info", "instance", "Workers; all of them unless chosen")
    rows = [
        ("The fleet", 4, overview()),
        ("Progress", 8, progress()),
        ("Delays", 8, delays()),
        ("Leases", 8, leases()),
        ("Delivery", 8, delivery()),
        ("Windows", 8, windows()),
        ("Lateness", 8, lateness()),
        ("Limits", 8, limits()),
    ]
    text = "Whether every shard is read, delivered and summarised, and how fast."
    return dashboard("zonewatch-fleet", "Zonewatch: fleet", text, [worker], rows)
