"""What dashboards ask Prometheus again and again.

A counter that has counted nothing yet has no series; `or vector(0)` shows that as 0. Gauges of windows and findings are
each told by the one worker that has the zone's rollup shard: `max` lets a hand-over show no sum of both.
"""

from panels import query

MINE = 'instance=~"$worker"'
ZONES = 'zone=~"$zone"'


def rate(metric, by="", where="", zero=False):
    """A counter's events a second, by labels."""
    total = (
        f"sum by ({by}) (rate({metric}{{{where}}}[$__rate_interval]))"
        if by
        else f"sum(rate({metric}{{{where}}}[$__rate_interval]))"
    )
    return f"{total} or vector(0)" if zero else total


def quantiles(metric, where=""):
    """Half, 90 % and 99 % of a histogram."""
    inner = f"sum by (le) (rate({metric}_bucket{{{where}}}[$__rate_interval]))"
    return [query(f"histogram_quantile({share}, {inner})", f"{share:.0%}") for share in (0.5, 0.9, 0.99)]
