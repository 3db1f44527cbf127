//! The status page: rendered here as a whole, refreshed by a few lines of script, readable without them.

use super::findings;
use super::html::{escaped, name, rate, share, span, time_of_day, whole};
use super::view::{HISTORY_SLOTS, Snapshot, ZoneView};
use crate::telemetry::ShardView;
use dnslog::ResponseCode;
use serde_json::Value;
use std::fmt::Write;

/// Zones and names of a zone that are shown.
const ZONES_MAX: usize = 50;
const NAMES_MAX: usize = 10;
/// The picture beside each zone, in pixels.
const CURVE_WIDTH: u64 = 120;
const CURVE_HEIGHT: u64 = 24;
const BAR_WIDTH: f64 = 120.0;
/// A share of failures that is shown boldly. Nothing is judged by it: some zones have as much every day.
const MUCH: f64 = 0.1;

/// The page. `findings` is what the API answers, if windows are computed.
pub fn render(snapshot: &Snapshot, findings: Option<&Value>, ready: &Result<(), String>) -> String {
    let (title, state) = (&snapshot.title, state(ready));
    let (app, worker, stream) = (escaped(&title.app), escaped(&title.worker), escaped(&title.stream));
    let uptime = span(snapshot.uptime);
    let findings = findings.map(findings::section).unwrap_or_default();
    let main = [tiles(snapshot), findings, zones(snapshot), shards(&snapshot.shards), rejects(snapshot)].concat();
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{app} · Zonewatch</title>\n\
         <link rel=\"icon\" href=\"/icon.svg\">\n<link rel=\"stylesheet\" href=\"/style.css\">\n\
         <script src=\"/page.js\" defer></script>\n\
         <noscript><meta http-equiv=\"refresh\" content=\"5\"></noscript>\n</head>\n<body>\n\
         <header><h1>Zonewatch</h1><p>{app} · stream <b>{stream}</b> · worker {worker}</p></header>\n\
         <main>\n<p class=\"state\">{state} <span class=\"quiet\">{now} on the worker's clock, up {uptime}, \
         {total} queries since the start</span></p>\n\
         {main}</main>\n\
         <footer>Metrics for Prometheus are on the operations listener, at /metrics. As JSON: \
         <a href=\"/api/v1/findings\">findings</a>, <a href=\"/api/v1/zones\">zones</a>, <a href=\"/api/v1/fleet\">fleet</a>.</footer>\n</body>\n</html>\n",
        now = time_of_day(snapshot.now_ms),
        total = whole(snapshot.queries_total),
    )
}

fn state(ready: &Result<(), String>) -> String {
    match ready {
        Ok(()) => "<b class=\"good\">ready</b>".to_owned(),
        Err(reason) => format!("<b class=\"bad\">not ready</b> {}", escaped(reason)),
    }
}

fn tiles(snapshot: &Snapshot) -> String {
    let queries: u64 = snapshot.codes.iter().map(|(_, count)| count).sum();
    let of = |code| snapshot.codes.iter().find(|(of, _)| *of == code).map_or(0, |(_, count)| *count);
    let rejects: u64 = snapshot.rejects.iter().map(|(_, count)| count).sum();
    let behind = snapshot.shards.iter().filter_map(|shard| shard.behind).max();
    let tiles = [
        ("queries a second", rate(queries as f64 / snapshot.recent.as_secs_f64().max(1.0))),
        ("NXDOMAIN", share(of(ResponseCode::NxDomain), queries)),
        ("SERVFAIL", share(of(ResponseCode::ServFail), queries)),
        ("furthest shard behind", behind.map_or_else(|| "–".to_owned(), span)),
        ("rejects since the start", whole(rejects)),
    ];
    let tile = |(label, value): &(&str, String)| format!("<li><b>{value}</b> {label}</li>\n");
    format!("<ul class=\"tiles\">\n{}</ul>\n", tiles.iter().map(tile).collect::<String>())
}

fn zones(snapshot: &Snapshot) -> String {
    let heading = format!("<h2>Zones <span class=\"quiet\">the last {}</span></h2>\n", span(snapshot.recent));
    if snapshot.zones.is_empty() {
        let advice = if snapshot.queries_total > 0 {
            "No queries lately."
        } else if snapshot.shards.is_empty() {
            "No query yet, and this worker holds no shard: another worker may hold them all, or the stream has none."
        } else {
            "No query yet. Shards are being read: is query logging on, and does the log group have a subscription \
             filter to this stream?"
        };
        return format!("{heading}<p>{advice}</p>\n");
    }
    let rows: String = snapshot.zones.iter().take(ZONES_MAX).map(zone).collect();
    let more = snapshot.zones.len().saturating_sub(ZONES_MAX);
    let more = if more > 0 { format!("<p class=\"quiet\">and {more} quieter ones</p>\n") } else { String::new() };
    format!(
        "{heading}{legend}<div class=\"wide\"><table id=\"zones\">\n<thead><tr><th>zone</th>\
         <th class=\"number\">queries/s</th><th>over time</th><th>response codes</th><th class=\"number\">NXDOMAIN</th>\
         <th class=\"number\">SERVFAIL</th><th class=\"number\" title=\"different names, estimated\">names</th>\
         <th class=\"number\" title=\"queries since the start\">total</th><th>asked most</th></tr></thead>\n\
         <tbody>\n{rows}</tbody>\n</table></div>\n{more}",
        legend = legend(),
    )
}

fn zone(zone: &ZoneView) -> String {
    let names: String = zone.top_names.iter().take(NAMES_MAX).fold(String::new(), |mut list, top| {
        let _ = write!(list, "<li>{} <span class=\"quiet\">{}</span></li>", name(&top.name), whole(top.count));
        list
    });
    let summary = zone.top_names.first().map_or_else(|| "–".to_owned(), |top| name(&top.name));
    // On a narrow screen a row becomes a card, and its cells say themselves what they are.
    format!(
        "<tr><th scope=\"row\">{name}</th><td class=\"number\" data-label=\"queries/s\">{rate}</td>\
         <td class=\"picture\">{curve}</td><td class=\"picture\">{bar}</td>{nx}{fail}\
         <td class=\"number\" data-label=\"names\">{distinct}</td>\
         <td class=\"number\" data-label=\"total\" data-total=\"{total}\">{shown_total}</td>\
         <td class=\"asked\"><details data-key=\"{key}\"><summary>{summary}</summary><ol>{names}</ol></details></td></tr>\n",
        name = name(&zone.name),
        rate = rate(zone.rate),
        curve = curve(&zone.history),
        bar = bar(zone),
        nx = share_cell(zone, ResponseCode::NxDomain),
        fail = share_cell(zone, ResponseCode::ServFail),
        distinct = whole(zone.distinct_names),
        total = zone.queries_total,
        shown_total = whole(zone.queries_total),
        key = escaped(&zone.key),
    )
}

/// The share of a response code; nothing is quiet, and much catches the eye.
fn share_cell(zone: &ZoneView, code: ResponseCode) -> String {
    let count = zone.of_code(code);
    let class = match count as f64 / zone.queries.max(1) as f64 {
        0.0 => "number quiet",
        MUCH.. => "number much",
        _ => "number",
    };
    let label = code.as_str();
    format!("<td class=\"{class}\" data-label=\"{label}\">{}</td>", share(count, zone.queries))
}

/// Queries of the last slots as a small curve. Its size is in attributes: the page's policy allows no inline style.
///
/// The slot under way is left out, since it would look like an outage; so is the time before the first query.
fn curve(history: &[u64]) -> String {
    let past = &history[..history.len().saturating_sub(1)];
    let highest = past.iter().copied().max().unwrap_or(0).max(1);
    let bottom = CURVE_HEIGHT - 1;
    let (mut points, mut first_x) = (String::new(), None);
    for (at, count) in past.iter().enumerate().skip_while(|(_, count)| **count == 0) {
        let x = at as u64 * CURVE_WIDTH / (HISTORY_SLOTS - 2);
        let y = bottom as f64 - (CURVE_HEIGHT - 2) as f64 * *count as f64 / highest as f64;
        first_x.get_or_insert(x);
        let _ = write!(points, "{x},{y:.1} ");
    }
    let points = points.trim_end();
    let area = first_x.map_or_else(String::new, |first_x| {
        format!(
            "<polygon points=\"{first_x},{bottom} {points} {CURVE_WIDTH},{bottom}\"/><polyline points=\"{points}\"/>"
        )
    });
    format!(
        "<svg class=\"curve\" width=\"{CURVE_WIDTH}\" height=\"{CURVE_HEIGHT}\" role=\"img\">\
         <title>queries over time, at most {} a slot</title>{area}</svg>",
        whole(highest),
    )
}

/// Response codes as a stacked bar.
fn bar(zone: &ZoneView) -> String {
    let (mut x, mut parts, mut label) = (0.0, String::new(), String::new());
    for (code, count) in &zone.codes {
        let width = BAR_WIDTH * *count as f64 / zone.queries.max(1) as f64;
        let class = code.as_str().to_ascii_lowercase();
        let _ = write!(parts, "<rect class=\"{class}\" x=\"{x:.1}\" width=\"{width:.1}\" height=\"12\"/>");
        let _ = write!(label, "{} {}, ", code.as_str(), share(*count, zone.queries));
        x += width;
    }
    format!(
        "<svg class=\"bar\" width=\"{BAR_WIDTH}\" height=\"12\" role=\"img\"><title>{}</title>{parts}</svg>",
        label.trim_end_matches(", ")
    )
}

fn legend() -> String {
    let entry = |code: &ResponseCode| {
        let class = code.as_str().to_ascii_lowercase();
        format!(
            "<li><svg width=\"10\" height=\"10\" aria-hidden=\"true\"><rect class=\"{class}\" width=\"10\" height=\"10\"/></svg> {}</li>\n",
            code.as_str()
        )
    };
    format!("<ul class=\"legend\">\n{}</ul>\n", ResponseCode::ALL.iter().map(entry).collect::<String>())
}

fn shards(shards: &[ShardView]) -> String {
    if shards.is_empty() {
        return "<h2>Shards</h2>\n<p>This worker holds no shard.</p>\n".to_owned();
    }
    let row = |shard: &ShardView| {
        format!(
            "<tr><th scope=\"row\">{}</th><td class=\"number\">{}</td><td class=\"number\">{}</td></tr>\n",
            escaped(&shard.shard),
            shard.behind.map_or_else(|| "not read yet".to_owned(), span),
            span(shard.checkpoint_age),
        )
    };
    format!(
        "<h2>Shards <span class=\"quiet\">held by this worker</span></h2>\n<div class=\"wide\"><table>\n<thead><tr>\
         <th>shard</th><th class=\"number\">behind</th><th class=\"number\">since the last acknowledgement</th></tr></thead>\n\
         <tbody>\n{}</tbody>\n</table></div>\n",
        shards.iter().map(row).collect::<String>()
    )
}

fn rejects(snapshot: &Snapshot) -> String {
    if snapshot.rejects.is_empty() {
        return "<h2>Rejects</h2>\n<p>None: everything read so far could be used.</p>\n".to_owned();
    }
    let row = |(reason, count): &(&str, u64)| {
        format!("<tr><th scope=\"row\">{reason}</th><td class=\"number\">{}</td></tr>\n", whole(*count))
    };
    format!(
        "<h2>Rejects <span class=\"quiet\">since the start</span></h2>\n<table>\n<thead><tr><th>reason</th>\
         <th class=\"number\">count</th></tr></thead>\n<tbody>\n{}</tbody>\n</table>\n",
        snapshot.rejects.iter().map(row).collect::<String>()
    )
}
