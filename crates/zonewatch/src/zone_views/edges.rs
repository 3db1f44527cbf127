//! Queries by edge location, of all zones of a shard: the last minute, and the hour before.

use detect::detector::Seen;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The hour before the last minute, and that.
const MINUTES_KEPT: usize = 61;
/// Edges of a minute counted apart. AWS has some hundred places; what a log has beyond them is not counted.
const EDGES_MAX: usize = 512;
/// The longest name that stays whole. Who writes to the log group may write anything.
const NAME_MAX: usize = 16;

/// By start of a minute and edge.
#[derive(Debug, Default)]
pub struct Edges(BTreeMap<i64, BTreeMap<String, u64>>);

/// An edge's queries.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EdgeCount {
    /// Its code.
    pub edge: String,
    /// Of the last minute.
    pub queries: u64,
    /// Of a minute, mean over up to an hour before it; none if there is no minute before.
    pub before: Option<f64>,
}

impl Edges {
    /// Counts a zone's minute.
    pub fn add(&mut self, seen: &Seen) {
        let minute = self.0.entry(seen.window.start_ms).or_default();
        for top in &seen.window.top_edges {
            let Some(code) = code(&top.name) else { continue };
            if minute.len() < EDGES_MAX || minute.contains_key(&code) {
                *minute.entry(code).or_default() += top.count;
            }
        }
        while self.0.len() > MINUTES_KEPT {
            self.0.pop_first();
        }
    }

    /// All edges of the time that is kept.
    pub fn counts(&self) -> Vec<EdgeCount> {
        let Some((last_ms, last)) = self.0.last_key_value() else { return Vec::new() };
        let mut before: BTreeMap<&String, u64> = last.keys().map(|edge| (edge, 0)).collect();
        for (edge, queries) in self.0.range(..last_ms).flat_map(|(_, minute)| minute) {
            *before.entry(edge).or_default() += queries;
        }
        let minutes = self.0.len() - 1;
        let count = |(edge, sum): (&String, u64)| EdgeCount {
            edge: edge.clone(),
            queries: last.get(edge).copied().unwrap_or(0),
            before: (minutes > 0).then(|| sum as f64 / minutes as f64),
        };
        before.into_iter().map(count).collect()
    }
}

/// Of `FRA56-C1` it is `FRA`; a name of another form stays, cut to a length that none has. An empty one is no edge.
pub fn code(name: &str) -> Option<String> {
    let letters = name.bytes().take_while(u8::is_ascii_uppercase).count();
    let code = if letters == 3 { name[..3].to_owned() } else { name.chars().take(NAME_MAX).collect() };
    (!code.is_empty()).then(|| crate::printable::printable(&code))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures_test::minute;
    use detect::TopName;

    fn seen(number: i64, edges: &[(&str, u64)]) -> Seen {
        let mut seen = minute("Z1", number, 1);
        let top = |(name, count): &(&str, u64)| TopName { name: (*name).into(), count: *count, error: 0 };
        seen.window.top_edges = edges.iter().map(top).collect();
        seen
    }

    #[test]
    fn the_last_minute_stands_beside_the_mean_of_the_hour_before() {
        let mut edges = Edges::default();
        let count = |edge: &str, queries, before| EdgeCount { edge: edge.into(), queries, before };
        assert_eq!(edges.counts(), []);
        edges.add(&seen(0, &[("FRA56-C1", 600), ("FRA2", 6), ("", 9)]));
        assert_eq!(edges.counts(), [count("FRA", 606, None)]);
        for number in 1..=60 {
            edges.add(&seen(number, &[("FRA6", 10)]));
        }
        edges.add(&seen(61, &[("FRA6", 30), ("IAD12", 5)]));
        edges.add(&seen(61, &[("FRA6", 10), ("Region one, and more of it", 1)]));
        assert_eq!(
            edges.counts(),
            [count("FRA", 40, Some(10.0)), count("IAD", 5, Some(0.0)), count("Region one, and ", 1, Some(0.0))]
        );
        edges.add(&seen(62, &[]));
        assert_eq!(edges.counts()[1], count("IAD", 0, Some(5.0 / 60.0)), "one that is silent is told of");
        let names: Vec<String> = (0..2 * EDGES_MAX).map(|number| format!("e{number}")).collect();
        edges.add(&seen(63, &names.iter().map(|name| (name.as_str(), 1)).collect::<Vec<_>>()));
        assert_eq!(edges.0.last_key_value().map(|(_, minute)| minute.len()), Some(EDGES_MAX));
    }
}
