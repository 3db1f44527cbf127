//! Findings and windows that several tests show in their ways, and what fields their lines have.

use crate::telemetry::ZoneLabels;
use crate::zone_views::ZoneViews;
use detect::Window;
use detect::baseline::Signal;
use detect::detector::Seen;
use detect::finding::{Expected, Finding, Kind, Part, Severity, Status};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;

pub(crate) fn finding() -> Finding {
    let part = |name: &str| vec![Part { name: name.into(), count: 900, share: 0.987_65 }];
    Finding {
        id: "0123456789abcdef0123456789abcdef".into(),
        zone_key: "Z1".into(),
        zone_name: "example.com".into(),
        kind: Kind::RandomSubdomain,
        status: Status::Opened,
        severity: Severity::Critical,
        score: 1.5,
        signal: Signal::Names,
        observed: 900.0,
        expected: Some(Expected { value: 10.0, low: 5.000_04, high: 20.0 }),
        window_ms: 10_000,
        start_ms: 1_795_341_600_000,
        last_ms: 1_795_341_650_000,
        names: part("<script>\u{1b}"),
        suffixes: part(""),
        resolvers: part("192.0.2.1"),
        networks: part("192.0.0.0/16"),
        edges: part("FRA6"),
        coverage: 0.5,
        whole: false,
        muted: false,
        summary: "90 names a second".into(),
    }
}

pub(crate) fn views(shard: &str) -> ZoneViews {
    ZoneViews::new(shard, Arc::new(ZoneLabels::new(10, [])))
}

pub(crate) fn minute(zone: &str, number: i64, queries: u64) -> Seen {
    let mut seen = Seen::unjudged(Window {
        zone_key: zone.into(),
        zone_name: "example.com".into(),
        start_ms: 1_795_341_600_000 + number * 60_000,
        length_ms: 60_000,
        coverage: 1.0,
        queries,
        ..Window::default()
    });
    seen.scores[Signal::Queries as usize] = Some(1.25);
    seen.values[Signal::NxDomainShare as usize] = Some(0.5);
    seen
}

/// The fields of a line; of objects in lists `list[].key`, of objects with fixed keys `object.key`. Those `of_names` have none.
pub(crate) fn fields(line: &Value, of_names: &[&str]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    find_fields("", line, of_names, &mut found);
    found
}

fn find_fields(path: &str, value: &Value, of_names: &[&str], found: &mut BTreeSet<String>) {
    match value {
        Value::Object(entries) if !of_names.contains(&path) => {
            for (key, value) in entries {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                find_fields(&path, value, of_names, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| find_fields(&format!("{path}[]"), item, of_names, found)),
        _ => {
            found.insert(path.to_owned());
        }
    }
}

/// The fields that rows of tables begin with.
pub(crate) fn documented_fields(docs: &str) -> BTreeSet<String> {
    let rows = docs.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    rows.map(str::to_owned).collect()
}
