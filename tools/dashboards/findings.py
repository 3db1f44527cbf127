"""Findings: what is wrong with which zone, since when, and how soon it was told."""

from asked import ZONES, quantiles
from panels import dashboard, lines, number, query, states, steps, table, variable

CHOSEN = f'{ZONES}, kind=~"$kind"'
ACTIVE = f"max by (zone, kind, severity) (zonewatch_finding_active{{{CHOSEN}}})"
TOLD = 'kind=~"$kind"'


def open_now(severity, colour):
    text = f"Findings of severity {severity} that are open now."
    level = f'sum(max by (zone, kind) (zonewatch_finding_active{{{CHOSEN}, severity="{severity}"}})) or vector(0)'
    return number(severity.capitalize(), level, "none", text, thresholds=steps((colour, 1)))


def now():
    return [
        open_now("critical", "red"),
        open_now("warning", "orange"),
        open_now("info", "blue"),
        number(
            "Opened",
            f'sum(increase(zonewatch_findings_total{{{TOLD}, status="opened"}}[$__range])) or vector(0)',
            "none",
            "Findings opened in the time shown.",
        ),
        number(
            "Told after",
            "histogram_quantile(0.9, sum by (le) (increase(zonewatch_finding_delay_seconds_bucket[$__range])))",
            "s",
            "From the start of a finding's first window to the finding: 90 % were told within so long.",
        ),
    ]


def timeline():
    return [
        states(
            "What was wrong when",
            [query(f"max by (zone, kind) (zonewatch_finding_active{{{CHOSEN}}})", "{{zone}} {{kind}}")],
            "A bar while a finding is open.",
            steps(("red", 1)),
        )
    ]


def opened():
    return [
        table(
            "Open now",
            [("Open", f"{ACTIVE} > 0", "none")],
            "zone",
            "Zone, kind and severity of what is open. The status page has names, resolvers and networks.",
        ),
        lines(
            "Opened, by kind",
            [
                query(
                    f'sum by (kind) (increase(zonewatch_findings_total{{{TOLD}, status="opened"}}[$__rate_interval]))',
                    "{{kind}}",
                )
            ],
            "none",
            "How many findings began.",
            stacked=True,
        ),
    ]


def told():
    return [
        lines(
            "Told, by status",
            [query(f"sum by (status) (increase(zonewatch_findings_total{{{TOLD}}}[$__rate_interval]))", "{{status}}")],
            "none",
            "Opened, updated, closed, superseded.",
        ),
        lines(
            "Muted",
            [
                query(
                    f"sum by (muted) (increase(zonewatch_findings_total{{{TOLD}}}[$__rate_interval]))",
                    "muted {{muted}}",
                )
            ],
            "none",
            "Findings by whether a rule of yours mutes them.",
        ),
        lines(
            "Delay",
            quantiles("zonewatch_finding_delay_seconds"),
            "s",
            "From the start of a finding's first window to the finding.",
        ),
    ]


def scores():
    return [
        lines(
            "Scores of the zones",
            [query(f"max by (zone) (zonewatch_anomaly_score{{{ZONES}}})", "{{zone}}")],
            "none",
            "1 and more alerts. A score without a finding is a signal that no rule of a kind agrees with.",
            thresholds=steps(("red", 1)),
        ),
        lines(
            "Signals",
            [query(f"topk(10, max by (zone, signal) (zonewatch_anomaly_score{{{ZONES}}}))", "{{zone}} {{signal}}")],
            "none",
            "The ten highest.",
        ),
    ]


def findings():
    zone = variable("zone", "Zone", "zonewatch_finding_active", "zone", "Zones; all of them unless chosen")
    kind = variable(
        "kind", "Kind", f"zonewatch_finding_active{{{ZONES}}}", "kind", "Kinds of finding; all of them unless chosen"
    )
    rows = [
        ("Now", 4, now()),
        ("Timeline", 9, timeline()),
        ("Open and opened", 9, opened()),
        ("Told", 8, told()),
        ("Scores", 8, scores()),
    ]
    text = "What is wrong with which zone, since when, and how soon it was told."
    return dashboard("zonewatch-findings", "Zonewatch: findings", text, [zone, kind], rows, since="now-24h")
