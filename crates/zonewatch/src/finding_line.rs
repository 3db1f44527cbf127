//! A telling of a finding as a line of JSON. `docs/findings.md` describes every field.

use crate::config::rfc3339;
use crate::lines::Lines;
use crate::printable::{printable, relative_name, rounded};
use detect::finding::{Finding, Part, Status};
use serde::Serialize;

/// The line before it is text. Serialized in this order.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    id: String,
    zone: String,
    zone_id: String,
    kind: &'static str,
    status: &'static str,
    superseded_by: Option<&'static str>,
    severity: &'static str,
    muted: bool,
    summary: String,
    start: String,
    last: String,
    duration_seconds: i64,
    window_seconds: i64,
    signal: &'static str,
    score: f64,
    observed: f64,
    expected: Option<Expected>,
    names: Vec<Share>,
    suffixes: Vec<Share>,
    resolvers: Vec<Share>,
    networks: Vec<Share>,
    edges: Vec<Share>,
    whole: bool,
    coverage: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct Expected {
    value: f64,
    low: f64,
    high: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct Share {
    name: String,
    count: u64,
    share: f64,
}

/// Appends the line.
pub fn push(finding: &Finding, lines: &mut Lines) {
    let pushed = lines.push_with(|out| {
        serde_json::to_writer(&mut *out, &line(finding)).expect("memory takes everything, and all keys are text");
        out.push(b'\n');
    });
    pushed.expect("a finding's lists are bounded, so its line is shorter than any destination allows");
}

/// What a line says of a finding.
pub fn line(finding: &Finding) -> Line {
    let by = if let Status::Superseded(by) = finding.status { Some(by.as_str()) } else { None };
    let expected = finding.expected.map(|expected| Expected {
        value: rounded(expected.value),
        low: rounded(expected.low),
        high: rounded(expected.high),
    });
    Line {
        id: finding.id.clone(),
        zone: printable(&finding.zone_name),
        zone_id: printable(&finding.zone_key),
        kind: finding.kind.as_str(),
        status: finding.status.as_str(),
        superseded_by: by,
        severity: finding.severity.as_str(),
        muted: finding.muted,
        summary: printable(&finding.summary),
        start: rfc3339(finding.start_ms),
        last: rfc3339(finding.last_ms),
        duration_seconds: (finding.last_ms - finding.start_ms).max(0) / 1000,
        window_seconds: finding.window_ms / 1000,
        signal: finding.signal.as_str(),
        score: rounded(finding.score),
        observed: rounded(finding.observed),
        expected,
        names: shares(&finding.names, relative_name),
        suffixes: shares(&finding.suffixes, relative_name),
        resolvers: shares(&finding.resolvers, printable),
        networks: shares(&finding.networks, printable),
        edges: shares(&finding.edges, printable),
        whole: finding.whole,
        coverage: rounded(finding.coverage),
    }
}

fn shares(parts: &[Part], show: impl Fn(&str) -> String) -> Vec<Share> {
    let share = |part: &Part| Share { name: show(&part.name), count: part.count, share: rounded(part.share) };
    parts.iter().map(share).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures_test::{documented_fields, fields, finding};
    use detect::finding::Kind;
    use serde_json::Value;

    fn written(finding: &Finding) -> Value {
        let mut lines = Lines::default();
        push(finding, &mut lines);
        serde_json::from_slice(&lines.text()).expect("a line is JSON")
    }

    #[test]
    fn what_is_said_is_rounded_escaped_and_named() {
        let line = written(&finding());
        assert_eq!((&line["start"], &line["duration_seconds"]), (&"2026-11-22T10:00:00Z".into(), &50.into()));
        assert_eq!(line["names"][0].to_string(), r#"{"count":900,"name":"<script>\\u{1b}","share":0.9877}"#);
        assert_eq!((&line["suffixes"][0]["name"], &line["expected"]["low"]), (&"@".into(), &5.0.into()));
        assert_eq!(line["superseded_by"], Value::Null);
        let over = Finding { status: Status::Superseded(Kind::Tunnel), expected: None, ..finding() };
        let line = written(&over);
        assert_eq!((&line["status"], &line["superseded_by"]), (&"superseded".into(), &"tunnel".into()));
        assert_eq!(line["expected"], Value::Null);
    }

    #[test]
    fn the_documentation_lists_every_field_and_no_other() {
        let docs = include_str!("../../../docs/findings.md");
        let (_, section) = docs.split_once("\n## The line\n").expect("the line has a section");
        let section = section.split("\n## ").next().unwrap_or_default();
        assert_eq!(documented_fields(section), fields(&written(&finding()), &[]));
    }
}
