//! A window as a line of JSON. `docs/windows.md` describes every field.

use crate::config::rfc3339;
use crate::lines::Lines;
use crate::printable::{printable, relative_name, rounded};
use detect::detector::Seen;
use detect::window::Suffix;
use detect::{TopName, Window};
use dnslog::{QueryType, ResponseCode, Transport};
use serde::Serialize;
use std::collections::BTreeMap;

/// Why a window was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closing {
    /// Time had passed it, and the lateness too.
    ByTime,
    /// There was nothing more to read: what would have come later is not in it.
    ByEnd,
}

/// The line before it is text. Serialized in this order.
#[derive(Serialize)]
pub struct Line {
    zone: String,
    zone_id: String,
    window_start: String,
    window_seconds: i64,
    whole: bool,
    end_of_input: bool,
    coverage: f64,
    queries: u64,
    response_codes: BTreeMap<&'static str, u64>,
    types: BTreeMap<&'static str, u64>,
    transports: BTreeMap<&'static str, u64>,
    distinct_names: u64,
    distinct_nxdomain_names: u64,
    distinct_resolvers: u64,
    sub_name_bytes: u64,
    label_bytes: LabelBytes,
    entropy: f64,
    top_names: Vec<Top>,
    top_resolvers: Vec<Top>,
    top_networks: Vec<Top>,
    top_edges: Vec<Top>,
    suffixes: Vec<Below>,
    sampled_ids: u64,
    duplicate_ids: u64,
    duplicate_ratio: f64,
    late: u64,
    future: u64,
    missed: u64,
}

#[derive(Serialize)]
struct LabelBytes {
    p50: u8,
    p90: u8,
    p99: u8,
    max: u8,
}

#[derive(Serialize)]
struct Top {
    name: String,
    queries: u64,
    error: u64,
}

#[derive(Serialize)]
struct Below {
    suffix: String,
    distinct_names: u64,
    distinct_nxdomain_names: u64,
    sub_name_bytes: u64,
}

/// Appends the line.
pub fn push(window: &Window, closing: Closing, lines: &mut Lines) {
    let pushed = lines.push_with(|out| write(window, closing, out));
    pushed.expect("a window's lists are bounded, so its line is shorter than any destination allows");
}

/// Appends a line for each of these that has one.
pub fn push_all(windows: &[Seen], lines: &mut Lines) {
    let told = windows.iter().map(|seen| &seen.window).filter(|window| is_told(window));
    told.for_each(|window| push(window, Closing::ByTime, lines));
}

/// Whether a window has a line: one of a zone that is known and that nobody asked has none.
pub fn is_told(window: &Window) -> bool {
    window.queries + window.late + window.future + window.missed > 0
}

fn write(window: &Window, closing: Closing, out: &mut Vec<u8>) {
    serde_json::to_writer(&mut *out, &line(window, closing)).expect("memory takes everything, and all keys are text");
    out.push(b'\n');
}

/// What a line says of a window.
pub fn line(window: &Window, closing: Closing) -> Line {
    let labels = window.label_bytes;
    let queries = window.queries;
    Line {
        zone: printable(&window.zone_name),
        zone_id: printable(&window.zone_key),
        window_start: rfc3339(window.start_ms),
        window_seconds: window.length_ms / 1000,
        whole: window.whole && closing == Closing::ByTime,
        end_of_input: closing == Closing::ByEnd,
        coverage: rounded(window.coverage),
        queries,
        response_codes: counts(ResponseCode::ALL.iter().map(|code| code.as_str()), &window.codes),
        types: counts(QueryType::ALL.iter().map(|kind| kind.as_str()), &window.types),
        transports: counts(Transport::ALL.iter().map(|transport| transport.as_str()), &window.transports),
        distinct_names: window.distinct_names,
        distinct_nxdomain_names: window.distinct_nxdomain_names,
        distinct_resolvers: window.distinct_resolvers,
        sub_name_bytes: window.sub_name_bytes,
        label_bytes: LabelBytes { p50: labels.p50, p90: labels.p90, p99: labels.p99, max: labels.max },
        entropy: share(window.entropy_millibits_sum, queries.saturating_mul(1000)),
        top_names: tops(&window.top_names, relative_name),
        top_resolvers: tops(&window.top_resolvers, printable),
        top_networks: tops(&window.top_networks, printable),
        top_edges: tops(&window.top_edges, printable),
        suffixes: window.suffixes.iter().map(below).collect(),
        sampled_ids: window.sampled_ids,
        duplicate_ids: window.duplicate_ids,
        duplicate_ratio: share(window.duplicate_ids, window.sampled_ids),
        late: window.late,
        future: window.future,
        missed: window.missed,
    }
}

/// What is not 0, by name.
fn counts(names: impl Iterator<Item = &'static str>, counts: &[u64]) -> BTreeMap<&'static str, u64> {
    names.zip(counts.iter().copied()).filter(|(_, count)| *count > 0).collect()
}

fn tops(tops: &[TopName], show: impl Fn(&str) -> String) -> Vec<Top> {
    tops.iter().map(|top| Top { name: show(&top.name), queries: top.count, error: top.error }).collect()
}

fn below(suffix: &Suffix) -> Below {
    Below {
        suffix: relative_name(&suffix.name),
        distinct_names: suffix.distinct,
        distinct_nxdomain_names: suffix.nxdomain_distinct,
        sub_name_bytes: suffix.sub_name_bytes,
    }
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { rounded(part as f64 / whole as f64) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures_test::{documented_fields, fields};
    use serde_json::Value;

    fn window() -> Window {
        let top = |name: &str| vec![TopName { name: name.into(), count: 3, error: 1 }];
        let mut window = Window {
            zone_key: "Z1".into(),
            zone_name: "example.com".into(),
            start_ms: 1_795_341_600_000,
            length_ms: 60_000,
            whole: true,
            coverage: 1.0,
            queries: 4,
            entropy_millibits_sum: 6_666,
            top_names: top(""),
            top_resolvers: top("192.0.2.1"),
            top_networks: top("192.0.0.0/16"),
            top_edges: top("FRA\u{1b}6\u{202e}"),
            suffixes: vec![Suffix { name: "api".into(), distinct: 3, ..Suffix::default() }],
            sampled_ids: 3,
            duplicate_ids: 1,
            ..Window::default()
        };
        window.codes[ResponseCode::NxDomain as usize] = 4;
        window.types[QueryType::Other as usize] = 4;
        window.transports[Transport::Udp as usize] = 4;
        window
    }

    fn written(closing: Closing) -> Value {
        let mut out = Vec::new();
        write(&window(), closing, &mut out);
        assert_eq!(out.pop(), Some(b'\n'));
        serde_json::from_slice(&out).expect("a line is JSON")
    }

    #[test]
    fn what_is_said_is_rounded_escaped_and_named() {
        let line = written(Closing::ByTime);
        assert_eq!(line["window_start"], "2026-11-22T10:00:00Z");
        assert_eq!((&line["entropy"], &line["duplicate_ratio"]), (&1.6665.into(), &0.3333.into()));
        assert_eq!(line["response_codes"].to_string(), r#"{"NXDOMAIN":4}"#);
        assert_eq!(line["types"].to_string(), r#"{"other":4}"#);
        assert_eq!(line["top_names"][0]["name"], "@");
        assert_eq!(line["top_edges"][0]["name"], "FRA\\u{1b}6\\u{202e}");
        assert_eq!((&line["whole"], &line["end_of_input"]), (&true.into(), &false.into()));
    }

    #[test]
    fn what_only_the_end_of_the_input_closed_is_not_whole() {
        let line = written(Closing::ByEnd);
        assert_eq!((&line["whole"], &line["end_of_input"]), (&false.into(), &true.into()));
    }

    #[test]
    fn the_documentation_lists_every_field_and_no_other() {
        let docs = include_str!("../../../docs/windows.md");
        let of_names = ["response_codes", "types", "transports"];
        assert_eq!(documented_fields(docs), fields(&written(Closing::ByTime), &of_names));
    }
}
