"""Grafana's panels as functions: what a dashboard says about itself is what to show, not how JSON spells it."""

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
COLUMNS = 24


def query(expression, legend="", instant=False, shape="time_series"):
    """A query, its legend, and whether only its last value is wanted."""
    return {
        "datasource": SOURCE,
        "expr": " ".join(expression.split()),
        "legendFormat": legend or "__auto",
        "editorMode": "code",
        "instant": instant,
        "range": not instant,
        "format": shape,
    }


def panel(kind, title, queries, unit, text, options, custom=None, **defaults):
    targets = [{**item, "refId": chr(ord("A") + index)} for index, item in enumerate(queries)]
    field = {"unit": unit, **defaults}
    if custom:
        field["custom"] = custom
    return {
        "type": kind,
        "title": title,
        "description": text,
        "datasource": SOURCE,
        "targets": targets,
        "options": options,
        "fieldConfig": {"defaults": field, "overrides": []},
    }


def steps(*values):
    """Colours from values on: `steps(("red", 1))` is green below 1."""
    colours = [{"color": "green", "value": None}] + [{"color": colour, "value": value} for colour, value in values]
    return {"mode": "absolute", "steps": colours}


def lines(title, queries, unit, text, stacked=False, **defaults):
    """Values over time."""
    custom = {
        "drawStyle": "line",
        "lineWidth": 1,
        "fillOpacity": 40 if stacked else 8,
        "showPoints": "never",
        "spanNulls": False,
        "stacking": {"mode": "normal" if stacked else "none", "group": "A"},
    }
    options = {
        "legend": {"displayMode": "table", "placement": "right", "showLegend": True, "calcs": ["lastNotNull", "max"]},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    return panel("timeseries", title, queries, unit, text, options, custom, min=0, **defaults)


def number(title, expression, unit, text, legend="", thresholds=None):
    """One value, or one for each series."""
    options = {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "orientation": "auto",
        "colorMode": "value" if thresholds else "none",
        "graphMode": "area",
        "justifyMode": "auto",
        "textMode": "value_and_name" if legend else "value",
        "wideLayout": True,
        "showPercentChange": False,
        "percentChangeColorMode": "standard",
    }
    return panel("stat", title, [query(expression, legend)], unit, text, options, thresholds=thresholds or steps())


def heatmap(title, expression, text):
    """A histogram's buckets over time."""
    options = {
        "calculate": False,
        "cellGap": 1,
        "filterValues": {"le": 1e-9},
        "rowsFrame": {"layout": "auto"},
        "showValue": "never",
        "color": {
            "mode": "scheme",
            "scheme": "Oranges",
            "exponent": 0.5,
            "steps": 64,
            "fill": "dark-orange",
            "reverse": False,
        },
        "exemplars": {"color": "rgba(255,0,255,0.7)"},
        "legend": {"show": True},
        "tooltip": {"mode": "single", "yHistogram": False},
        "yAxis": {"axisPlacement": "left", "unit": "s", "reverse": False},
    }
    return panel("heatmap", title, [query(expression, "{{le}}", shape="heatmap")], "short", text, options)


def table(title, columns, by, text, thresholds=None, sort=None):
    """A row for each value of the label `by`; columns are `(heading, expression, unit)`."""
    queries = [query(expression, instant=True, shape="table") for _, expression, _ in columns]
    options = {"showHeader": True, "cellHeight": "sm", "sortBy": [{"displayName": sort, "desc": True}] if sort else []}
    shown = panel("table", title, queries, "short", text, options)
    renamed, overrides = {"Time": ""}, []
    for index, (heading, _, unit) in enumerate(columns):
        column = f"Value #{chr(ord('A') + index)}" if len(columns) > 1 else "Value"
        renamed[column] = heading
        properties = [{"id": "unit", "value": unit}]
        if thresholds and heading in thresholds:
            properties += [
                {"id": "thresholds", "value": thresholds[heading]},
                {"id": "custom.cellOptions", "value": {"type": "color-text"}},
            ]
        overrides.append({"matcher": {"id": "byName", "options": heading}, "properties": properties})
    shown["fieldConfig"]["overrides"] = overrides
    shown["transformations"] = [
        {"id": "joinByField", "options": {"byField": by, "mode": "outer"}}
        if len(columns) > 1
        else {"id": "merge", "options": {}},
        {
            "id": "organize",
            "options": {
                "excludeByName": {"Time": True, **{f"Time {index + 1}": True for index in range(len(columns))}},
                "renameByName": renamed,
                "indexByName": {},
            },
        },
    ]
    return shown


def states(title, queries, text, thresholds):
    """What was on and off when."""
    custom = {"fillOpacity": 80, "lineWidth": 0}
    options = {
        "alignValue": "left",
        "mergeValues": True,
        "rowHeight": 0.85,
        "showValue": "never",
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": False, "calcs": []},
        "tooltip": {"mode": "single", "sort": "none"},
    }
    return panel("state-timeline", title, queries, "short", text, options, custom, thresholds=thresholds)


def variable(name, label, metric, value, text):
    """A choice among the values of a label; everything unless chosen."""
    # A metric may come with a matcher for the variables before it.
    question = f"label_values({metric}, {value})"
    return {
        "type": "query",
        "name": name,
        "label": label,
        "description": text,
        "datasource": SOURCE,
        "query": {"query": question, "refId": "Values", "qryType": 1},
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all", "selected": True},
        "options": [],
    }


def source_variable():
    return {
        "type": "datasource",
        "name": "datasource",
        "label": "Prometheus",
        "query": "prometheus",
        "refresh": 1,
        "multi": False,
        "includeAll": False,
        "options": [],
        "regex": "",
        "current": {"text": "", "value": "", "selected": False},
    }


def annotation(name, expression, title, colour):
    """Marks on every chart where the query has a value."""
    return {
        "name": name,
        "enable": True,
        "hide": False,
        "iconColor": colour,
        "datasource": SOURCE,
        "expr": expression,
        "titleFormat": title,
        "textFormat": "",
        "step": "60s",
        "useValueForTime": False,
    }


def built_in():
    return {
        "builtIn": 1,
        "enable": True,
        "hide": True,
        "iconColor": "rgba(0, 211, 255, 1)",
        "name": "Annotations & Alerts",
        "type": "dashboard",
        "datasource": {"type": "grafana", "uid": "-- Grafana --"},
    }


def laid_out(rows):
    """Panels with places and numbers. A row is `(title, height, [panels])`; panels share its width."""
    placed, top = [], 0
    for title, height, items in rows:
        place = {"x": 0, "y": top, "w": COLUMNS, "h": 1}
        placed.append({"type": "row", "title": title, "collapsed": False, "panels": [], "gridPos": place})
        top += 1
        width = COLUMNS // len(items)
        for index, item in enumerate(items):
            placed.append({**item, "gridPos": {"x": index * width, "y": top, "w": width, "h": height}})
        top += height
    return [{"id": index + 1, **item} for index, item in enumerate(placed)]


def dashboard(identifier, title, text, variables, rows, annotations=(), refresh="30s", since="now-6h"):
    """A whole dashboard."""
    links = [
        {
            "type": "dashboards",
            "title": "Zonewatch",
            "tags": ["zonewatch"],
            "asDropdown": False,
            "includeVars": True,
            "keepTime": True,
            "targetBlank": False,
            "icon": "external link",
            "tooltip": "",
            "url": "",
        }
    ]
    return {
        "uid": identifier,
        "title": title,
        "description": text,
        "tags": ["zonewatch"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "fiscalYearStartMonth": 0,
        "weekStart": "",
        "timezone": "browser",
        "links": links,
        "refresh": refresh,
        "time": {"from": since, "to": "now"},
        "timepicker": {},
        "liveNow": False,
        "templating": {"list": [source_variable(), *variables]},
        "annotations": {"list": [built_in(), *annotations]},
        "panels": laid_out(rows),
    }
