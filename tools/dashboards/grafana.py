"""Makes the Grafana dashboards.

    grafana.py FOLDER     writes fleet.json, zones.json and findings.json

A counter that has counted nothing yet has no series; `or vector(0)` shows that as 0. Gauges of windows and findings are
each told by the one worker that has the zone's rollup shard: `max` lets a hand-over show no sum of both.
"""

import json
import pathlib
import sys

from panels import annotation, dashboard, heatmap, lines, number, query, states, steps, table, variable

MINE = 'instance=~"$worker"'
ZONES = 'zone=~"$zone"'


def rate(metric, by="", where="", zero=False):
    """A counter's events a second, by labels."""
    total = f"sum by ({by}) (rate({metric}{{{where}}}[$__rate_interval]))" if by else f"sum(rate({metric}{{{where}}}[$__rate_interval]))"
    return f"{total} or vector(0)" if zero else total


def quantiles(metric, where=""):
    """Half, 90 % and 99 % of a histogram."""
    inner = f"sum by (le) (rate({metric}_bucket{{{where}}}[$__rate_interval]))"
    return [query(f"histogram_quantile({share}, {inner})", f"{share:.0%}") for share in (0.5, 0.9, 0.99)]


def fleet():
    worker = variable("worker", "Worker", "zonewatch_build_info", "instance", "Workers; all of them unless chosen")
    overview = [
        number("Workers", f"count(zonewatch_build_info{{{MINE}}})", "short", "Workers that Prometheus reaches."),
        number("Queries", rate("zonewatch_queries_total", where=MINE), "reqps", "Queries decoded a second."),
        number("Farthest behind", f"max(zonewatch_shard_behind_seconds{{{MINE}}})", "s",
               "The shard whose reader is farthest behind the stream's tip.", thresholds=steps(("orange", 30), ("red", 120))),
        number("Oldest checkpoint", f"max(zonewatch_checkpoint_age_seconds{{{MINE}}})", "s",
               "Time since a shard was last acknowledged as far as it was read.", thresholds=steps(("orange", 60), ("red", 300))),
        number("Nobody reads", f"max by (stream) (zonewatch_uncovered_hash_range_ratio{{{MINE}}})", "percentunit",
               "Share of a stream's hash keys whose lease nobody holds.", "{{stream}}", steps(("red", 0.0001))),
        number("Blocked outlets", f"sum(zonewatch_firehose_blocked{{{MINE}}})", "short",
               "Outlets that are refused until a person does something, such as a missing permission.", thresholds=steps(("red", 1))),
    ]
    progress = [
        lines("Behind the tip", [query(f"topk(10, max by (stream, shard) (zonewatch_shard_behind_seconds{{{MINE}}}))", "{{stream}} {{shard}}")], "s",
              "The ten shards farthest behind. All of them: too few workers. One of them: a hot shard, or a slow worker."),
        lines("Age of checkpoints", [query(f"topk(10, max by (stream, shard) (zonewatch_checkpoint_age_seconds{{{MINE}}}))", "{{stream}} {{shard}}")], "s",
              "It grows while an outlet refuses; nothing is lost as long as the stream keeps its records."),
    ]
    delays = [
        lines("Delay to the stream", quantiles("zonewatch_arrival_delay_seconds", MINE), "s",
              "From a query to its record's arrival in the source stream: Route 53 and CloudWatch, before Zonewatch."),
        lines("Delay to delivery", quantiles("zonewatch_delivery_delay_seconds", MINE), "s",
              "From a record's arrival to the acknowledgement of all that was made of it."),
        heatmap("Delay to delivery, all of it", f"sum by (le) (increase(zonewatch_delivery_delay_seconds_bucket{{{MINE}}}[$__rate_interval]))",
                "How many queries took how long."),
    ]
    leases = [
        lines("Leases held", [query(f"sum by (stream, instance) (zonewatch_leases_held{{{MINE}}})", "{{stream}} {{instance}}")], "short",
              "Shards of each worker.", stacked=True),
        lines("Lease moves", [query(f"sum by (stream, reason) (increase(zonewatch_lease_moves_total{{{MINE}}}[$__rate_interval]))", "{{stream}} {{reason}}")], "short",
              "Taken, handed over, released, lost. Lost ones without a deployment are a worker that was paused or cut off."),
        lines("Records", [query(rate("zonewatch_records_total", "stream", MINE), "{{stream}}")], "cps", "Kinesis records worked through, a second."),
    ]
    delivery = [
        lines("Firehose entries", [query(rate("zonewatch_firehose_entries_total", "outlet, outcome", MINE), "{{outlet}} {{outcome}}")], "cps",
              "Refused entries are sent again; many of them ask for a higher quota."),
        lines("Bytes", [
            query(rate("zonewatch_firehose_payload_bytes_total", "outlet", MINE), "{{outlet}}, lines"),
            query(rate("zonewatch_firehose_billed_bytes_total", "outlet", MINE), "{{outlet}}, billed"),
        ], "Bps", "Lines before compression, and what Firehose bills: each entry rounded up to 5 KiB."),
        lines("Kept out and set aside", [
            query(rate("zonewatch_records_left_out_total", where=MINE, zero=True), "left out by filters"),
            query(rate("zonewatch_rejects_total", where=MINE), "rejected"),
            query(rate("zonewatch_quarantine_total", where=f'{MINE}, outcome!="kept"', zero=True), "rejected and not kept"),
        ], "cps", "Records that filters or the sample kept out, and input that could not be used."),
    ]
    windows = [
        lines("Digests put", [query(rate("zonewatch_digests_total", "outcome", MINE), "{{outcome}}")], "cps", "What OBSERVE puts to the rollup stream."),
        lines("Digests read", [query(rate("zonewatch_digests_read_total", "outcome", MINE), "{{outcome}}")], "cps",
              "What DETECT makes of them. Holes and gaps make windows that are not whole."),
        lines("Windows closed", [query(rate("zonewatch_windows_total", "whole", MINE), "whole {{whole}}")], "cps",
              "Panes of a key group, by whether they count every query that was not late.", stacked=True),
    ]
    lateness = [
        lines("Late and missed queries", [
            query(rate("zonewatch_late_queries_total", where=MINE), "late"),
            query(rate("zonewatch_missed_queries_total", where=MINE), "missed"),
        ], "cps", "Late: older than the lateness when their record arrived. Missed: their window was closed."),
        lines("Coverage", [query(f"min by (shard) (zonewatch_window_coverage_ratio{{{MINE}}})", "{{shard}}")], "percentunit",
              "Share of the source stream that had passed the end of the last closed window."),
        lines("Since the last window", [query(f"max by (shard) (time() - zonewatch_window_end_timestamp_seconds{{{MINE}}})", "{{shard}}")], "s",
              "How old the newest closed window is. The lateness is part of it."),
    ]
    limits = [
        lines("Held bytes", [
            query(f"sum by (instance) (zonewatch_held_bytes{{{MINE}}})", "{{instance}}"),
            query(f"max(zonewatch_held_bytes_max{{{MINE}}})", "limit of a worker"),
        ], "bytes", "Data in memory. At the limit reading waits."),
        lines("Limits reached", [query(f"sum by (limit) (increase(zonewatch_limits_reached_total{{{MINE}}}[$__rate_interval])) or vector(0)", "{{limit}}")], "short",
              "How often a limit took effect, by its name."),
        lines("Rejects", [query(rate("zonewatch_rejects_total", "reason", MINE), "{{reason}}")], "cps", "Input that could not be used, by reason."),
        lines("Reference data and subscriptions", [
            query(rate("zonewatch_database_loads_total", where=f'{MINE}, outcome!="loaded"', zero=True), "databases not loaded"),
            query(rate("zonewatch_subscriptions_ended_total", where=f'{MINE}, reason!="over"', zero=True), "subscriptions broken"),
            query(rate("zonewatch_snapshots_unusable_total", where=MINE), "snapshots not usable"),
        ], "cps", "What goes wrong beside the way of a record."),
    ]
    rows = [
        ("The fleet", 4, overview), ("Progress", 8, progress), ("Delays", 8, delays), ("Leases", 8, leases),
        ("Delivery", 8, delivery), ("Windows", 8, windows), ("Lateness", 8, lateness), ("Limits", 8, limits),
    ]
    text = "Whether every shard is read, delivered and summarised, and how fast."
    return dashboard("zonewatch-fleet", "Zonewatch: fleet", text, [worker], rows)


def zones():
    zone = variable("zone", "Zone", "zonewatch_queries_total", "zone", "Zones; all of them unless chosen")
    queries = f"sum by (zone) (rate(zonewatch_queries_total{{{ZONES}}}[$__rate_interval]))"
    failed = f'sum by (zone) (rate(zonewatch_queries_total{{{ZONES}, rcode!="NOERROR"}}[$__rate_interval]))'
    alarm = steps(("orange", 0.8), ("red", 1))
    summary = [table("Zones", [
        ("Queries a second", queries, "reqps"), ("Failed", f"{failed} / {queries}", "percentunit"),
        ("Score", f"max by (zone) (zonewatch_anomaly_score{{{ZONES}}})", "none"),
        ("Findings", f"sum by (zone) (max by (zone, kind, severity) (zonewatch_finding_active{{{ZONES}}}))", "none"),
    ], "zone", "One row a zone. A score of 1 and more alerts.", {"Score": alarm, "Findings": steps(("red", 1))}, "Score")]
    traffic = [
        lines("Queries", [query(queries, "{{zone}}")], "reqps", "Queries a second, by zone.", stacked=True),
        lines("Failed", [query(f"{failed} / {queries}", "{{zone}}")], "percentunit", "Share of the queries that were answered with anything but NOERROR."),
    ]
    answers = [
        lines("Response codes", [query(rate("zonewatch_queries_total", "rcode", ZONES), "{{rcode}}")], "reqps", "Of the chosen zones together.", stacked=True),
        lines("Query types", [query(rate("zonewatch_query_types_total", "type"), "{{type}}")], "reqps", "Of all zones together.", stacked=True),
    ]
    scores = [
        lines("Score by zone", [query(f"max by (zone) (zonewatch_anomaly_score{{{ZONES}}})", "{{zone}}")], "none",
              "How unlikely a zone's window is, the highest of its signals. 1 and more alerts.", thresholds=alarm),
        lines("Score by signal", [query(f"max by (signal) (zonewatch_anomaly_score{{{ZONES}}})", "{{signal}}")], "none",
              "Which signal it is, the highest of the chosen zones.", thresholds=alarm),
    ]
    windows = [
        lines("Queries of a window", [query(f"max by (zone) (zonewatch_window_queries{{{ZONES}}})", "{{zone}}")], "short",
              "Counted over the whole fleet, in the last closed window."),
        lines("Shares", [query(f"max by (zone, signal) (zonewatch_window_ratio{{{ZONES}}})", "{{zone}} {{signal}}")], "percentunit",
              "Shares of the last closed window: response codes, different names, the largest resolver."),
        lines("Different names and resolvers", [query(f"max by (zone, signal) (zonewatch_window_distinct{{{ZONES}}})", "{{zone}} {{signal}}")], "short",
              "In the last closed window, with a standard error of 1.6 % beyond a few hundred."),
    ]
    quality = [
        lines("Copies", [query(f"max by (zone) (zonewatch_duplicate_ratio{{{ZONES}}})", "{{zone}}")], "percentunit",
              "Share of the queries that CloudWatch delivered more than once, by a sample."),
        lines("Delay to the stream", quantiles("zonewatch_arrival_delay_seconds"), "s",
              "From a query to its record's arrival. What is older than the lateness is not in its window."),
    ]
    rows = [
        ("All zones", 9, summary), ("Traffic", 9, traffic), ("Answers", 8, answers), ("Scores", 8, scores), ("Windows", 8, windows),
        ("Quality of the logs", 7, quality),
    ]
    mark = annotation("Findings", f"max by (zone, kind) (zonewatch_finding_active{{{ZONES}}}) > 0", "{{kind}} {{zone}}", "red")
    text = "What zones are asked, how it is answered, and how unusual that is."
    return dashboard("zonewatch-zones", "Zonewatch: zones", text, [zone], rows, [mark])


def findings():
    zone = variable("zone", "Zone", "zonewatch_finding_active", "zone", "Zones; all of them unless chosen")
    kind = variable("kind", "Kind", f"zonewatch_finding_active{{{ZONES}}}", "kind", "Kinds of finding; all of them unless chosen")
    chosen = f'{ZONES}, kind=~"$kind"'
    active = f"max by (zone, kind, severity) (zonewatch_finding_active{{{chosen}}})"
    told = 'kind=~"$kind"'

    def of(severity, colour):
        text = f"Findings of severity {severity} that are open now."
        level = f'sum(max by (zone, kind) (zonewatch_finding_active{{{chosen}, severity="{severity}"}})) or vector(0)'
        return number(severity.capitalize(), level, "none", text, thresholds=steps((colour, 1)))

    now = [
        of("critical", "red"), of("warning", "orange"), of("info", "blue"),
        number("Opened", f'sum(increase(zonewatch_findings_total{{{told}, status="opened"}}[$__range])) or vector(0)', "none",
               "Findings opened in the time shown."),
        number("Told after", f"histogram_quantile(0.9, sum by (le) (increase(zonewatch_finding_delay_seconds_bucket[$__range])))", "s",
               "From the start of a finding's first window to the finding: 90 % were told within so long."),
    ]
    timeline = [states("What was wrong when", [query(f"max by (zone, kind) (zonewatch_finding_active{{{chosen}}})", "{{zone}} {{kind}}")],
                       "A bar while a finding is open.", steps(("red", 1)))]
    opened = [
        table("Open now", [("Open", f"{active} > 0", "none")], "zone", "Zone, kind and severity of what is open. The status page has names, resolvers and networks."),
        lines("Opened, by kind", [query(f'sum by (kind) (increase(zonewatch_findings_total{{{told}, status="opened"}}[$__rate_interval]))', "{{kind}}")], "none",
              "How many findings began.", stacked=True),
    ]
    told_panels = [
        lines("Told, by status", [query(f"sum by (status) (increase(zonewatch_findings_total{{{told}}}[$__rate_interval]))", "{{status}}")], "none",
              "Opened, updated, closed, superseded."),
        lines("Muted", [query(f"sum by (muted) (increase(zonewatch_findings_total{{{told}}}[$__rate_interval]))", "muted {{muted}}")], "none",
              "Findings by whether a rule of yours mutes them."),
        lines("Delay", quantiles("zonewatch_finding_delay_seconds"), "s", "From the start of a finding's first window to the finding."),
    ]
    scores = [
        lines("Scores of the zones", [query(f"max by (zone) (zonewatch_anomaly_score{{{ZONES}}})", "{{zone}}")], "none",
              "1 and more alerts. A score without a finding is a signal that no rule of a kind agrees with.", thresholds=steps(("red", 1))),
        lines("Signals", [query(f"topk(10, max by (zone, signal) (zonewatch_anomaly_score{{{ZONES}}}))", "{{zone}} {{signal}}")], "none",
              "The ten highest."),
    ]
    rows = [
        ("Now", 4, now), ("Timeline", 9, timeline), ("Open and opened", 9, opened), ("Told", 8, told_panels), ("Scores", 8, scores),
    ]
    text = "What is wrong with which zone, since when, and how soon it was told."
    return dashboard("zonewatch-findings", "Zonewatch: findings", text, [zone, kind], rows, since="now-24h")


def main(folder):
    for name, made in (("fleet", fleet()), ("zones", zones()), ("findings", findings())):
        text = json.dumps(made, indent=1, ensure_ascii=False) + "\n"
        (pathlib.Path(folder) / f"{name}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
