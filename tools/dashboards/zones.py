"""Zones: what they are asked, how it is answered, and how unusual that is."""

from asked import ZONES, quantiles, rate
from panels import annotation, dashboard, lines, query, steps, table, variable

QUERIES = f"sum by (zone) (rate(zonewatch_queries_total{{{ZONES}}}[$__rate_interval]))"
FAILED = f'sum by (zone) (rate(zonewatch_queries_total{{{ZONES}, rcode!="NOERROR"}}[$__rate_interval]))'
ALARM = steps(("orange", 0.8), ("red", 1))


def summary():
    return [
        table(
            "Zones",
            [
                ("Queries a second", QUERIES, "reqps"),
                ("Failed", f"{FAILED} / {QUERIES}", "percentunit"),
                ("Score", f"max by (zone) (zonewatch_anomaly_score{{{ZONES}}})", "none"),
                (
                    "Findings",
                    f"sum by (zone) (max by (zone, kind, severity) (zonewatch_finding_active{{{ZONES}}}))",
                    "none",
                ),
            ],
            "zone",
            "One row a zone. A score of 1 and more alerts.",
            {"Score": ALARM, "Findings": steps(("red", 1))},
            "Score",
        )
    ]


def traffic():
    return [
        lines("Queries", [query(QUERIES, "{{zone}}")], "reqps", "Queries a second, by zone.", stacked=True),
        lines(
            "Failed",
            [query(f"{FAILED} / {QUERIES}", "{{zone}}")],
            "percentunit",
            "Share of the queries that were answered with anything but NOERROR.",
        ),
    ]


def answers():
    return [
        lines(
            "Response codes",
            [query(rate("zonewatch_queries_total", "rcode", ZONES), "{{rcode}}")],
            "reqps",
            "Of the chosen zones together.",
            stacked=True,
        ),
        lines(
            "Query types",
            [query(rate("zonewatch_query_types_total", "type"), "{{type}}")],
            "reqps",
            "Of all zones together.",
            stacked=True,
        ),
    ]


def scores():
    return [
        lines(
            "Score by zone",
            [query(f"max by (zone) (zonewatch_anomaly_score{{{ZONES}}})", "{{zone}}")],
            "none",
            "How unlikely a zone's window is, the highest of its signals. 1 and more alerts.",
            thresholds=ALARM,
        ),
        lines(
            "Score by signal",
            [query(f"max by (signal) (zonewatch_anomaly_score{{{ZONES}}})", "{{signal}}")],
            "none",
            "Which signal it is, the highest of the chosen zones.",
            thresholds=ALARM,
        ),
    ]


def windows():
    return [
        lines(
            "Queries of a minute",
            [query(f"max by (zone) (zonewatch_window_queries{{{ZONES}}})", "{{zone}}")],
            "short",
            "Counted over the whole fleet, in the last closed minute.",
        ),
        lines(
            "Shares",
            [query(f"max by (zone, signal) (zonewatch_window_ratio{{{ZONES}}})", "{{zone}} {{signal}}")],
            "percentunit",
            "Shares and divergences of the last closed minute: response codes, different names, the largest resolver.",
        ),
        lines(
            "Different names and resolvers",
            [query(f"max by (zone, signal) (zonewatch_window_distinct{{{ZONES}}})", "{{zone}} {{signal}}")],
            "short",
            "In the last closed minute, with a standard error of 1.6 % beyond a few hundred.",
        ),
    ]


def most():
    return [
        table(
            "What was asked most, by whom, and where",
            [("Queries", f"topk(50, max by (zone, of, value) (zonewatch_window_top_queries{{{ZONES}}}))", "short")],
            "zone",
            "Names, resolvers, networks and edges that had most of the last closed minute.",
            sort="Queries",
        )
    ]


def quality():
    return [
        lines(
            "Copies",
            [query(f"max by (zone) (zonewatch_duplicate_ratio{{{ZONES}}})", "{{zone}}")],
            "percentunit",
            "Share of the queries that CloudWatch delivered more than once, by a sample.",
        ),
        lines(
            "Delay to the stream",
            quantiles("zonewatch_arrival_delay_seconds"),
            "s",
            "From a query to its record's arrival. What is older than the lateness is not in its window.",
        ),
    ]


def zones():
    zone = variable("zone", "Zone", "zonewatch_queries_total", "zone", "Zones; all of them unless chosen")
    rows = [
        ("All zones", 9, summary()),
        ("Traffic", 9, traffic()),
        ("Answers", 8, answers()),
        ("Scores", 8, scores()),
        ("Windows", 8, windows()),
        ("Most of the minute", 10, most()),
        ("Quality of the logs", 7, quality()),
    ]
    mark = annotation(
        "Findings", f"max by (zone, kind) (zonewatch_finding_active{{{ZONES}}}) > 0", "{{kind}} {{zone}}", "red"
    )
    text = "What zones are asked, how it is answered, and how unusual that is."
    return dashboard("zonewatch-zones", "Zonewatch: zones", text, [zone], rows, [mark])
