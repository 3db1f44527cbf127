//! Gauges of the zones whose key groups this worker has, and of what is wrong with them. They vanish with the task that knows
//! them, so that at rest no two workers show a zone.

use super::{
    ANOMALY_SCORE, DUPLICATE_RATIO, FINDING_ACTIVE, WINDOW_COVERAGE_RATIO, WINDOW_DISTINCT,
    WINDOW_END_TIMESTAMP_SECONDS, WINDOW_QUERIES, WINDOW_RATIO, escaped, head,
};
use crate::zone_views::{Shown, State, ZoneView};
use detect::baseline::Signal;
use detect::score::Kind;
use std::collections::{BTreeMap, BTreeSet};

/// What all zones without a label of their own are together.
const OTHER: &str = "other";

/// By family and label pairs. Zones of one name are one series: what is counted is summed up, of all else the highest counts.
type Families = BTreeMap<&'static str, BTreeMap<String, f64>>;

/// The families in Prometheus' text form, by name.
pub(super) fn render() -> Vec<(String, String)> {
    let mut families: Families = NAMES.iter().map(|name| (*name, BTreeMap::new())).collect();
    let mut active = BTreeSet::new();
    for shown in Shown::all() {
        let state = shown.lock();
        shard(&mut families, &shown.shard, &state);
        for view in state.zones.values() {
            zone(&mut families, view);
        }
        let told = state.open.iter().filter(|(_, telling)| !telling.muted);
        active
            .extend(told.map(|((_, kind), telling)| (telling.label.clone(), kind.as_str(), telling.severity.as_str())));
    }
    for (zone, kind, severity) in active {
        push(&mut families, FINDING_ACTIVE, &[("zone", &zone), ("kind", kind), ("severity", severity)], 1.0);
    }
    families.into_iter().map(|(name, series)| (name.to_owned(), text(name, &series))).collect()
}

const NAMES: [&str; 8] = [
    WINDOW_QUERIES,
    WINDOW_RATIO,
    WINDOW_DISTINCT,
    ANOMALY_SCORE,
    DUPLICATE_RATIO,
    FINDING_ACTIVE,
    WINDOW_COVERAGE_RATIO,
    WINDOW_END_TIMESTAMP_SECONDS,
];

fn shard(families: &mut Families, shard: &str, state: &State) {
    if let Some((end_ms, coverage)) = state.closed {
        push(families, WINDOW_COVERAGE_RATIO, &[("shard", shard)], coverage);
        push(families, WINDOW_END_TIMESTAMP_SECONDS, &[("shard", shard)], end_ms as f64 / 1000.0);
    }
}

fn zone(families: &mut Families, view: &ZoneView) {
    let zone = ("zone", &*view.label);
    push(families, WINDOW_QUERIES, &[zone], view.seen.window.queries as f64);
    if &*view.label == OTHER {
        return;
    }
    for (place, signal) in Signal::ALL.into_iter().enumerate() {
        let labels = [zone, ("signal", signal.as_str())];
        let family = match signal {
            Signal::Names | Signal::Resolvers => Some(WINDOW_DISTINCT),
            _ => matches!(signal.kind(), Kind::Share | Kind::Value).then_some(WINDOW_RATIO),
        };
        if let (Some(family), Some(value)) = (family, view.seen.values[place]) {
            push(families, family, &labels, value);
        }
        if let Some(score) = view.seen.scores[place] {
            push(families, ANOMALY_SCORE, &labels, score);
        }
    }
    if let Some(ratio) = view.duplicate_ratio {
        push(families, DUPLICATE_RATIO, &[zone], ratio);
    }
}

fn push(families: &mut Families, name: &'static str, labels: &[(&str, &str)], value: f64) {
    let labels: Vec<String> = labels.iter().map(|(key, text)| format!("{key}=\"{}\"", escaped(text))).collect();
    let series = families.entry(name).or_default().entry(labels.join(","));
    let sum = series.or_insert(0.0);
    *sum = if name == WINDOW_QUERIES { *sum + value } else { sum.max(value) };
}

fn text(name: &str, series: &BTreeMap<String, f64>) -> String {
    let lines = series.iter().map(|(labels, value)| format!("{name}{{{labels}}} {value}\n"));
    std::iter::once(head(name)).chain(lines).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures_test::{finding, minute, views};
    use detect::detector::Outcome;
    use detect::finding::{Finding, Status};

    fn lines(part: &str) -> Vec<String> {
        let text: String = render().into_iter().map(|(_, text)| text).collect();
        text.lines().filter(|line| line.contains(part)).map(str::to_owned).collect()
    }

    #[test]
    fn a_zone_has_its_gauges_while_its_task_lives() {
        let views = views("gauges");
        let mut seen = minute("Z9", 0, 7);
        seen.window.zone_name = "gauges.test".into();
        let finding = Finding { zone_key: "Z9".into(), zone_name: "gauges.test".into(), ..finding() };
        let told = |windows, findings| Outcome { windows, findings, ..Outcome::default() };
        views.told(&told(vec![seen], vec![finding.clone()]));
        let zone = "{zone=\"gauges.test\"";
        assert_eq!(
            lines(zone),
            [
                format!("zonewatch_anomaly_score{zone},signal=\"queries\"}} 1.25"),
                format!("zonewatch_finding_active{zone},kind=\"random_subdomain\",severity=\"critical\"}} 1"),
                format!("zonewatch_window_queries{zone}}} 7"),
                format!("zonewatch_window_ratio{zone},signal=\"nxdomain_share\"}} 0.5"),
            ]
        );
        assert_eq!(lines("shard=\"gauges\"").len(), 2);
        views.told(&told(Vec::new(), vec![Finding { muted: true, ..finding.clone() }]));
        assert_eq!(lines("finding_active{zone=\"gauges.test\"").len(), 0, "a muted one is not active");
        views.told(&told(Vec::new(), vec![finding.clone()]));
        assert_eq!(lines("finding_active{zone=\"gauges.test\"").len(), 1);
        views.told(&told(Vec::new(), vec![Finding { status: Status::Closed, ..finding }]));
        assert_eq!(lines("finding_active{zone=\"gauges.test\"").len(), 0);
        drop(views);
        assert_eq!(lines(zone), [""; 0]);
    }
}
