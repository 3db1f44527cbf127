//! Findings and windows that several tests show in their ways.

use crate::telemetry::ZoneLabels;
use crate::zone_views::ZoneViews;
use detect::Window;
use detect::baseline::Signal;
use detect::detector::Seen;
use detect::finding::{Expected, Finding, Kind, Part, Severity, Status};
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
