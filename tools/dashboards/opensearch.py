"""Makes the saved objects of OpenSearch Dashboards and Kibana: an index pattern, searches, charts, dashboards.

    opensearch.py FILE     writes them as NDJSON

The form is Kibana 7.10's, which both import. Charts hold JSON as text inside JSON, which is why nobody writes them by
hand.
"""

import json
import sys

PATTERN = "zonewatch-records"
INDEX = "kibanaSavedObjectMeta.searchSourceJSON.index"


def source(query=""):
    """What a chart looks at."""
    return {
        "searchSourceJSON": json.dumps(
            {"query": {"query": query, "language": "kuery"}, "filter": [], "indexRefName": INDEX}
        )
    }


def pattern_reference():
    return [{"name": INDEX, "type": "index-pattern", "id": PATTERN}]


def chart(identifier, title, kind, metrics, buckets, params, query=""):
    """A chart of the classic editor."""
    aggregations = []
    for schema, items in (("metric", metrics), *buckets):
        for item in items:
            kind_of, parameters = item
            aggregations.append(
                {
                    "id": str(len(aggregations) + 1),
                    "enabled": True,
                    "type": kind_of,
                    "schema": schema,
                    "params": parameters,
                }
            )
    state = {"title": title, "type": kind, "aggs": aggregations, "params": {"type": kind, **params}}
    return {
        "id": f"zonewatch-{identifier}",
        "type": "visualization",
        "attributes": {
            "title": f"Zonewatch: {title}",
            "description": "",
            "version": 1,
            "uiStateJSON": "{}",
            "visState": json.dumps(state),
            "kibanaSavedObjectMeta": source(query),
        },
        "references": pattern_reference(),
        "migrationVersion": {"visualization": "7.10.0"},
    }


def count():
    return ("count", {})


def distinct(field, label):
    return ("cardinality", {"field": field, "customLabel": label})


def largest(field, label):
    return ("max", {"field": field, "customLabel": label})


def over_time():
    parameters = {
        "field": "@timestamp",
        "useNormalizedEsInterval": True,
        "scaleMetricValues": False,
        "interval": "auto",
        "drop_partials": False,
        "min_doc_count": 1,
        "extended_bounds": {},
    }
    return ("date_histogram", parameters)


def terms(field, label, size=10, by="1"):
    parameters = {
        "field": field,
        "orderBy": by,
        "order": "desc",
        "size": size,
        "otherBucket": False,
        "otherBucketLabel": "other",
        "missingBucket": False,
        "missingBucketLabel": "none",
        "customLabel": label,
    }
    return ("terms", parameters)


def series(identifier, title, metrics, split=None, query="", kind="histogram"):
    """Values over time, stacked by a field."""
    buckets = [("segment", [over_time()])] + ([("group", [split])] if split else [])
    shown = [
        {
            "show": True,
            "type": kind,
            "mode": "stacked" if split else "normal",
            "valueAxis": "ValueAxis-1",
            "data": {"id": str(index + 1), "label": title},
            "drawLinesBetweenPoints": True,
            "showCircles": False,
            "interpolate": "linear",
            "lineWidth": 2,
        }
        for index in range(len(metrics))
    ]
    params = {
        "grid": {"categoryLines": False},
        "categoryAxes": [
            {
                "id": "CategoryAxis-1",
                "type": "category",
                "position": "bottom",
                "show": True,
                "style": {},
                "scale": {"type": "linear"},
                "labels": {"show": True, "filter": True, "truncate": 100},
                "title": {},
            }
        ],
        "valueAxes": [
            {
                "id": "ValueAxis-1",
                "name": "LeftAxis-1",
                "type": "value",
                "position": "left",
                "show": True,
                "style": {},
                "scale": {"type": "linear", "mode": "normal"},
                "labels": {"show": True, "rotate": 0, "filter": False, "truncate": 100},
                "title": {"text": title},
            }
        ],
        "seriesParams": shown,
        "addTooltip": True,
        "addLegend": True,
        "legendPosition": "right",
        "times": [],
        "addTimeMarker": False,
        "labels": {},
        "thresholdLine": {"show": False, "value": 10, "width": 1, "style": "full", "color": "#E7664C"},
    }
    return chart(identifier, title, kind, metrics, buckets, params, query)


def table(identifier, title, metrics, rows, query=""):
    params = {
        "perPage": 10,
        "showPartialRows": False,
        "showMetricsAtAllLevels": False,
        "showTotal": False,
        "totalFunc": "sum",
        "percentageCol": "",
        "sort": {"columnIndex": None, "direction": None},
    }
    return chart(identifier, title, "table", metrics, [("bucket", rows)], params, query)


def numbers(identifier, title, metrics, query=""):
    params = {
        "addTooltip": True,
        "addLegend": False,
        "metric": {
            "percentageMode": False,
            "useRanges": False,
            "colorSchema": "Green to Red",
            "metricColorMode": "None",
            "colorsRange": [{"from": 0, "to": 10000}],
            "labels": {"show": True},
            "invertColors": False,
            "style": {"bgFill": "#000", "bgColor": False, "labelColor": False, "subText": "", "fontSize": 36},
        },
    }
    return chart(identifier, title, "metric", metrics, [], params, query)


def search(identifier, title, columns, query=""):
    """Documents themselves, the newest first."""
    return {
        "id": f"zonewatch-{identifier}",
        "type": "search",
        "attributes": {
            "title": f"Zonewatch: {title}",
            "description": "",
            "hits": 0,
            "version": 1,
            "columns": columns,
            "sort": [["@timestamp", "desc"]],
            "kibanaSavedObjectMeta": source(query),
        },
        "references": pattern_reference(),
        "migrationVersion": {"search": "7.9.3"},
    }


def dashboard(identifier, title, description, rows):
    """Panels row by row: `(object, width)` of 48 columns, and each row's height."""
    panels, references, top = [], [], 0
    for height, items in rows:
        left = 0
        for item, width in items:
            index = str(len(panels) + 1)
            reference = f"panel_{len(panels)}"
            panels.append(
                {
                    "version": "7.10.0",
                    "panelIndex": index,
                    "embeddableConfig": {},
                    "panelRefName": reference,
                    "gridData": {"x": left, "y": top, "w": width, "h": height, "i": index},
                }
            )
            references.append({"name": reference, "type": item["type"], "id": item["id"]})
            left += width
        top += height
    return {
        "id": f"zonewatch-{identifier}",
        "type": "dashboard",
        "attributes": {
            "title": f"Zonewatch: {title}",
            "description": description,
            "hits": 0,
            "version": 1,
            "timeRestore": True,
            "timeFrom": "now-24h",
            "timeTo": "now",
            "refreshInterval": {"pause": True, "value": 60000},
            "optionsJSON": json.dumps({"useMargins": True, "hidePanelTitles": False}),
            "panelsJSON": json.dumps(panels),
            "kibanaSavedObjectMeta": {
                "searchSourceJSON": json.dumps({"query": {"query": "", "language": "kuery"}, "filter": []})
            },
        },
        "references": references,
        "migrationVersion": {"dashboard": "7.9.3"},
    }


FAILED = "not dns.response_code : NOERROR"
NAME, ZONE, CODE = "dns.question.name", "zonewatch.zone.name", "dns.response_code"


def overview():
    """What all zones get."""
    totals = numbers(
        "totals",
        "queries, zones, resolvers",
        [
            count(),
            distinct("event.id", "Different queries"),
            distinct(ZONE, "Zones"),
            distinct("source.ip", "Addresses that ask"),
        ],
    )
    codes = series("codes", "queries by response code", [count()], terms(CODE, "Response code"))
    zones = table("zones", "zones", [count(), distinct(NAME, "Different names")], [terms(ZONE, "Zone", 50)])
    failing = table(
        "failing", "names that fail", [count()], [terms(NAME, "Name", 50), terms(CODE, "Response code", 3)], FAILED
    )
    networks = table(
        "networks",
        "who asks",
        [count(), distinct(NAME, "Different names")],
        [terms("source.as.organization.name", "Network", 50)],
    )
    operators = series("operators", "public resolvers", [count()], terms("zonewatch.resolver.operator", "Operator"))
    edges = table(
        "edges",
        "where it was answered",
        [count()],
        [terms("observer.name", "Edge location", 50), terms("observer.geo.city_name", "City", 1)],
    )
    types = series("types", "queries by type", [count()], terms("dns.question.type", "Type"))
    rows = [
        (8, [(totals, 48)]),
        (14, [(codes, 32), (types, 16)]),
        (16, [(zones, 24), (failing, 24)]),
        (16, [(networks, 24), (edges, 24)]),
        (12, [(operators, 48)]),
    ]
    text = "All zones: how much, how it was answered, who asks, and which names fail."
    charts = [totals, codes, types, zones, failing, networks, edges, operators]
    return [*charts, dashboard("overview", "queries", text, rows)]


def investigation():
    """What an attack looks like in the queries themselves. To be filtered by zone."""
    names = series(
        "names", "different names", [distinct(NAME, "Different names")], terms(ZONE, "Zone", by="1"), kind="line"
    )
    shape = series(
        "shape",
        "longest label and entropy",
        [
            largest("zonewatch.name.longest_label", "Longest label"),
            largest("zonewatch.name.entropy", "Entropy, bits a byte"),
        ],
        kind="line",
    )
    subdomains = table(
        "subdomains",
        "names without their zone",
        [count(), distinct("source.ip", "Addresses")],
        [terms("zonewatch.name.relative", "Name", 100)],
    )
    resolvers = table(
        "resolvers",
        "addresses that ask",
        [count(), distinct(NAME, "Different names")],
        [terms("source.ip", "Address", 100), terms("source.geo.country_iso_code", "Country", 1)],
    )
    subnets = table(
        "subnets",
        "client subnets",
        [count(), distinct(NAME, "Different names")],
        [terms("client.address", "Subnet", 50)],
    )
    amplifying = series(
        "amplifying",
        "ANY, TXT and DNSKEY",
        [count()],
        terms("dns.question.type", "Type"),
        "dns.question.type : (ANY or TXT or DNSKEY)",
    )
    documents = search(
        "documents",
        "query by query",
        [ZONE, NAME, "dns.question.type", CODE, "source.ip", "source.as.organization.name", "observer.name"],
    )
    rows = [
        (12, [(names, 24), (shape, 24)]),
        (16, [(subdomains, 24), (resolvers, 24)]),
        (12, [(subnets, 24), (amplifying, 24)]),
        (24, [(documents, 48)]),
    ]
    text = "Filter by zonewatch.zone.name. Random names, tunnels, enumeration and amplification each show here."
    charts = [names, shape, subdomains, resolvers, subnets, amplifying, documents]
    return [*charts, dashboard("investigation", "one zone", text, rows)]


def index_pattern():
    return {
        "id": PATTERN,
        "type": "index-pattern",
        "attributes": {"title": "zonewatch-records*", "timeFieldName": "@timestamp"},
        "references": [],
        "migrationVersion": {"index-pattern": "7.6.0"},
    }


def main(path):
    objects = [index_pattern(), *overview(), *investigation()]
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(json.dumps(item, sort_keys=True) + "\n" for item in objects)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
