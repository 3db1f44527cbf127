//! The status page: rendered here as a whole, refreshed by a few lines of script, readable without them.

use super::html::{escaped, name, rate, share, span, whole};
use super::view::{HISTORY_SLOTS, Snapshot, ZoneView};
use crate::telemetry::ShardView;
use dnslog::ResponseCode;
use std::fmt::Write;

/// Zones and names of a zone that are shown.
const ZONES_MAX: usize = 50;
const NAMES_MAX: usize = 10;
/// The picture beside each zone, in pixels.
const CURVE_WIDTH: u64 = 120;
const CURVE_HEIGHT: u64 = 24;
const BAR_WIDTH: f64 = 120.0;

/// The page.
pub fn render(snapshot: &Snapshot, ready: &Result<(), String>) -> String {
    let (title, state) = (&snapshot.title, state(ready));
    let (app, worker, stream) = (escaped(&title.app), escaped(&title.worker), escaped(&title.stream));
    let uptime = span(snapshot.uptime);
    let main = [tiles(snapshot), zones(snapshot), shards(&snapshot.shards), rejects(snapshot)].concat();
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{app} · Zonewatch</title>\n\
         <link rel=\"icon\" href=\"/icon.svg\">\n<link rel=\"stylesheet\" href=\"/style.css\">\n\
         <script src=\"/page.js\" defer></script>\n\
         <noscript><meta http-equiv=\"refresh\" content=\"5\"></noscript>\n</head>\n<body>\n\
         <header><h1>Zonewatch</h1><p>{app} · stream <b>{stream}</b> · worker {worker}</p></header>\n\
         <main>\n<p class=\"state\">{state} <span class=\"quiet\">up {uptime}, {total} queries since the start</span></p>\n\
         {main}</main>\n\
         <footer>Metrics for Prometheus are on the operations listener, at /metrics. As JSON: \
         <a href=\"/api/v1/zones\">zones</a>, <a href=\"/api/v1/fleet\">fleet</a>.</footer>\n</body>\n</html>\n",
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
        "{heading}{legend}<div class=\"wide\"><table>\n<thead><tr><th>zone</th><th class=\"number\">queries/s</th>\
         <th>lately</th><th>response codes</th><th class=\"number\">NXDOMAIN</th><th class=\"number\">SERVFAIL</th>\
         <th class=\"number\">different names</th><th>asked most</th></tr></thead>\n\
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
    format!(
        "<tr><th scope=\"row\">{name}</th><td class=\"number\">{rate}</td><td>{curve}</td><td>{bar}</td>\
         <td class=\"number\">{nx}</td><td class=\"number\">{fail}</td><td class=\"number\">{distinct}</td>\
         <td><details data-key=\"{key}\"><summary>{summary}</summary><ol>{names}</ol></details></td></tr>\n",
        name = name(&zone.name),
        rate = rate(zone.rate),
        curve = curve(&zone.history),
        bar = bar(zone),
        nx = share(zone.of_code(ResponseCode::NxDomain), zone.queries),
        fail = share(zone.of_code(ResponseCode::ServFail), zone.queries),
        distinct = whole(zone.distinct_names),
        key = escaped(&zone.key),
    )
}

/// Queries of the last slots as a small curve. Its size is in attributes: the page's policy allows no inline style.
fn curve(history: &[u64]) -> String {
    let highest = history.iter().copied().max().unwrap_or(0).max(1);
    let mut points = String::new();
    for (at, count) in history.iter().enumerate() {
        let x = at as u64 * CURVE_WIDTH / (HISTORY_SLOTS - 1);
        let y = CURVE_HEIGHT as f64 - 1.0 - (CURVE_HEIGHT - 2) as f64 * *count as f64 / highest as f64;
        let _ = write!(points, "{x},{y:.1} ");
    }
    format!(
        "<svg class=\"curve\" width=\"{CURVE_WIDTH}\" height=\"{CURVE_HEIGHT}\" role=\"img\" \
         aria-label=\"queries over time, at most {} a slot\"><polyline points=\"{}\"/></svg>",
        whole(highest),
        points.trim_end()
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
        "<svg class=\"bar\" width=\"{BAR_WIDTH}\" height=\"12\" role=\"img\" aria-label=\"{}\">{parts}</svg>",
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
