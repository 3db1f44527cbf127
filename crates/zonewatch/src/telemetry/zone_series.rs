//! Gauges of the zones whose key groups this worker has, and of what is wrong with them. They vanish with the task that knows
//! them, so that at rest no two workers show a zone.

use super::{
    ANOMALY_SCORE, DUPLICATE_RATIO, FINDING_ACTIVE, WINDOW_COVERAGE_RATIO, WINDOW_DISTINCT,
    WINDOW_END_TIMESTAMP_SECONDS, WINDOW_QUERIES, WINDOW_RATIO, WINDOW_TOP_QUERIES, escaped, head,
};
use crate::printable::{printable, relative_name};
use crate::zone_views::{Shown, State, ZoneView};
use detect::TopName;
use detect::baseline::Signal;
use detect::score::Kind;
use std::collections::{BTreeMap, BTreeSet};

/// What all zones without a label of their own are together.
const OTHER: &str = "other";

/// Names, resolvers, networks and edges shown at most of each, beside the rest. Who asks chooses them, so that only what made up
/// this share of a minute is a series: made-up names never are.
const TOPS_MAX: usize = 5;
const TOP_SHARE_MIN: f64 = 0.02;

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

const NAMES: [&str; 9] = [
    WINDOW_QUERIES,
    WINDOW_RATIO,
    WINDOW_DISTINCT,
    WINDOW_TOP_QUERIES,
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
    let window = &view.seen.window;
    for (of, list, show) in [
        ("name", &window.top_names, relative_name as fn(&str) -> String),
        ("resolver", &window.top_resolvers, printable),
        ("network", &window.top_networks, printable),
        ("edge", &window.top_edges, printable),
    ] {
        let mut rest = window.queries;
        let large = |top: &&TopName| top.count as f64 >= TOP_SHARE_MIN * window.queries as f64;
        for top in list.iter().filter(large).take(TOPS_MAX) {
            rest = rest.saturating_sub(top.count);
            push(families, WINDOW_TOP_QUERIES, &[zone, ("of", of), ("value", &show(&top.name))], top.count as f64);
        }
        if window.queries > 0 {
            push(families, WINDOW_TOP_QUERIES, &[zone, ("of", of), ("value", OTHER)], rest as f64);
        }
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
        seen.window.queries = 100;
        let names = [("", 40), ("a\u{1b}\"", 30), ("b", 2), ("c", 1)];
        seen.window.top_names =
            names.map(|(name, count)| TopName { name: name.into(), count, error: 0 }).into_iter().collect();
        let finding = Finding { zone_key: "Z9".into(), zone_name: "gauges.test".into(), ..finding() };
        let told = |windows, findings| Outcome { windows, findings, ..Outcome::default() };
        views.told(&told(vec![seen], vec![finding.clone()]));
        let zone = "{zone=\"gauges.test\"";
        assert_eq!(
            lines(zone),
            [
                format!("zonewatch_anomaly_score{zone},signal=\"queries\"}} 1.25"),
                format!("zonewatch_finding_active{zone},kind=\"random_subdomain\",severity=\"critical\"}} 1"),
                format!("zonewatch_window_queries{zone}}} 100"),
                format!("zonewatch_window_ratio{zone},signal=\"nxdomain_share\"}} 0.5"),
                format!("zonewatch_window_top_queries{zone},of=\"edge\",value=\"other\"}} 100"),
                format!("zonewatch_window_top_queries{zone},of=\"name\",value=\"@\"}} 40"),
                format!("zonewatch_window_top_queries{zone},of=\"name\",value=\"a\\\\u{{1b}}\\\"\"}} 30"),
                format!("zonewatch_window_top_queries{zone},of=\"name\",value=\"b\"}} 2"),
                format!("zonewatch_window_top_queries{zone},of=\"name\",value=\"other\"}} 28"),
                format!("zonewatch_window_top_queries{zone},of=\"network\",value=\"other\"}} 100"),
                format!("zonewatch_window_top_queries{zone},of=\"resolver\",value=\"other\"}} 100"),
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

    #[test]
    fn the_first_five_names_are_series_and_the_rest_is_one() {
        let views = views("tops");
        let mut seen = minute("Z8", 0, 100);
        seen.window.zone_name = "tops.test".into();
        let top = |number: u32| TopName { name: format!("n{number}"), count: 10, error: 0 };
        seen.window.top_names = (0..8).map(top).collect();
        views.told(&Outcome { windows: vec![seen], ..Outcome::default() });
        let shown = lines("{zone=\"tops.test\",of=\"name\"");
        assert_eq!(shown.len(), TOPS_MAX + 1);
        assert!(shown.iter().any(|line| line.ends_with("value=\"other\"} 50")), "{shown:#?}");
    }
}
