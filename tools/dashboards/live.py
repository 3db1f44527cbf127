"""Asks a live Prometheus everything that the dashboards ask, and says of each query whether it returns data.

    live.py ADDRESS SINCE METRICS.rs ADAPTER.yaml FILE…

SINCE is the time, in seconds since 1970, from which on there is data; METRICS.rs has the table of metrics; ADAPTER.yaml the
queries of the Prometheus adapter. Prints a line a query and exits 1 unless every one returns data and names only metrics
and labels that there are.
"""

import json
import math
import pathlib
import re
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

import yaml

STEP_SECS = 2
# The scrapes are a second apart here: as many of them as Grafana's own interval would hold.
RATE_INTERVAL = "10s"
# Metrics of Prometheus itself.
GIVEN = {"up"}
ROW = re.compile(r'= "(zonewatch_\w+)" (Counter|Gauge|Histogram) \w+ \[([^\]]*)\]')
SELECTOR = re.compile(r"\b(zonewatch_\w+|up)\b(?:\{([^}]*)\})?")
MATCHER = re.compile(r'(\w+)\s*(?:=~|!~|!=|=)\s*"')
# Of every scrape, whatever the metric; and what the operator adds.
TARGET_LABELS = {"instance", "job", "namespace", "pod"}


def table(path):
    """Every metric's series by name, with its labels."""
    known = {}
    for name, kind, labels in ROW.findall(pathlib.Path(path).read_text(encoding="utf-8")):
        labels = set(re.findall(r'"(\w+)"', labels))
        if kind == "Histogram":
            known |= {f"{name}_bucket": labels | {"le"}, f"{name}_sum": labels, f"{name}_count": labels}
        else:
            known[name] = labels
    return known


def questions(path):
    """Every query of a dashboard: where it stands, and what it asks."""
    board = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    name = pathlib.Path(path).stem
    for item in board["templating"]["list"]:
        if item["type"] == "query":
            metric = re.fullmatch(r"label_values\((.+), (\w+)\)", item["query"]["query"])
            yield f"{name} / variable {item['name']}", f"count by ({metric.group(2)}) ({metric.group(1)})"
    for item in board["annotations"]["list"]:
        if "expr" in item:
            yield f"{name} / marks {item['name']}", item["expr"]
    for item in board["panels"]:
        for target in item.get("targets", []):
            yield f"{name} / {item['title']} / {target['refId']}", target["expr"]


def adapted(path):
    """The queries of the adapter, for the pods of one namespace."""
    with open(path, encoding="utf-8") as file:
        for rule in yaml.safe_load(file)["rules"]["custom"]:
            asked = (
                rule["metricsQuery"]
                .replace("<<.GroupBy>>", "pod")
                .replace("<<.LabelMatchers>>", 'namespace="zonewatch",pod=~"demo"')
            )
            yield f"autoscaler / {rule['name']['as']}", asked


def filled(expression, lasted):
    """A query with everything chosen, over all the time there is."""
    values = {"__rate_interval": RATE_INTERVAL, "__range": f"{lasted}s", "__interval": f"{STEP_SECS}s"}
    values |= dict.fromkeys(("worker", "zone", "kind"), ".*")
    return re.sub(r"\$(\w+)", lambda found: values[found.group(1)], expression)


def unknown(expression, known):
    """Metrics and labels that the program does not have."""
    for metric, matchers in SELECTOR.findall(expression):
        if metric in GIVEN:
            continue
        if metric not in known:
            yield f"the program has no metric {metric}"
            continue
        for label in MATCHER.findall(matchers):
            if label not in known[metric] | TARGET_LABELS:
                yield f"{metric} has no label {label}"


def has_data(address, expression, since, until):
    """Whether a query has a number at any time."""
    parameters = {"query": expression, "start": since, "end": until, "step": STEP_SECS}
    url = f"{address}/api/v1/query_range?{urllib.parse.urlencode(parameters)}"
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            result = json.load(answer)["data"]["result"]
    except urllib.error.HTTPError as refusal:
        raise ValueError(json.load(refusal).get("error", "refused")) from None
    return any(math.isfinite(float(value)) for series in result for _, value in series["values"])


def judged(address, expression, known, since, until):
    """What is to be said of a query, and whether it is well."""
    strange = list(unknown(expression, known))
    if strange:
        return False, "; ".join(strange)
    asked = filled(expression, max(1, int(until - since)))
    try:
        counted, _, fallback = asked.partition(" or vector(0)")
        if has_data(address, counted, since, until):
            return True, "data"
        if fallback or counted != asked:
            return has_data(address, asked, since, until), "0: nothing was counted yet"
        return False, f"no data: {asked}"
    except ValueError as error:
        return False, f"{error}: {asked}"


def main(address, since, metrics, adapter, *files):
    known, until = table(metrics), time.time()
    asked = [question for path in files for question in questions(path)] + list(adapted(adapter))
    bad = 0
    for where, expression in asked:
        good, said = judged(address, expression, known, float(since), until)
        bad += not good
        print(f"{'ok  ' if good else 'FAIL'} {where}: {said}")
    print(f"{len(asked)} queries, {bad} without data")
    return 1 if bad or not asked else 0


if __name__ == "__main__":
    if len(sys.argv) < 6:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
