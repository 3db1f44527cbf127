//! What the API answers of the fleet's zones, edges and findings.

use super::together::{Part, together};
use super::{FleetViews, Other};
use crate::config::{rfc3339, rfc3339_ms};
use crate::printable::rounded;
use crate::zone_name::zone_of;
use crate::zone_views::{Brief, EdgeCount, SEVERITIES, Shown, is_together, of_minutes};
use dnslog::edges;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::Arc;

/// Zones of one answer. More make a page of megabytes that nobody reads.
const ZONES_MAX: usize = 1_000;
/// Edges of one answer.
const EDGES_MAX: usize = 512;
/// Findings of one answer.
const FINDINGS_MAX: usize = 2_000;
/// A view that is younger says how far the fleet is now; an older one is of a shard that ended, or moves.
pub(super) const FRESH_SECONDS: i64 = 60;

/// What changes when an answer would be another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tags {
    pub zones: u64,
    pub findings: u64,
    pub edges: u64,
    /// A minute of some zone has closed.
    pub has_windows: bool,
}

impl FleetViews {
    /// `/api/v1/zones`: those with open findings first, the worst first, then the busiest; none while no minute of any zone has
    /// closed.
    pub async fn zones(&self) -> Option<Value> {
        let (now_ms, own, others) = self.sources().await;
        let mut zones = zones(now_ms, &own, &others);
        let Closed { until_ms, left_out } = closed(now_ms, &own, &others);
        let until_ms = until_ms?;
        for finding in findings(now_ms, &own, &others, is_active) {
            if let Some((zone, _)) = finding["zone_id"].as_str().and_then(|zone_id| zones.get_mut(zone_id)) {
                Arc::make_mut(zone).add_finding(&finding);
            }
        }
        let zones_total = zones.len();
        let mut zones: Vec<Aged> = zones.into_values().collect();
        let badness = |zone: &Brief| zone.severity.map_or(SEVERITIES.len(), place);
        zones.sort_by(|(left, _), (right, _)| {
            let busier = right.queries_per_second.total_cmp(&left.queries_per_second);
            badness(left).cmp(&badness(right)).then(busier).then_with(|| left.zone.cmp(&right.zone))
        });
        zones.truncate(ZONES_MAX);
        let listed = |(zone, age_seconds): Aged| Brief { age_seconds, ..Arc::unwrap_or_clone(zone) };
        let zones: Vec<Brief> = zones.into_iter().map(listed).collect();
        Some(json!({
            "version": 1,
            "time_ms": now_ms,
            "scope": "fleet",
            "windows_until": rfc3339(until_ms),
            "shards_left_out": left_out,
            "slot_ms": 60_000,
            "zones_total": zones_total,
            "zones": zones,
        }))
    }

    /// Findings that are open and not muted, for lists of zones that are made elsewhere.
    pub async fn active_findings(&self) -> Vec<Value> {
        let (now_ms, own, others) = self.sources().await;
        findings(now_ms, &own, &others, is_active)
    }

    /// `/api/v1/findings`: those that are open first, then the worst, then the last to begin.
    pub async fn findings(&self) -> Value {
        let (now_ms, own, others) = self.sources().await;
        let mut findings = findings(now_ms, &own, &others, |_| true);
        let (findings_total, is_over) = (findings.len(), |finding: &Value| finding["open"] != true);
        let badness = |finding: &Value| finding["severity"].as_str().map_or(SEVERITIES.len(), place);
        findings.sort_by(|left, right| {
            let younger = || right["start"].as_str().cmp(&left["start"].as_str());
            is_over(left).cmp(&is_over(right)).then_with(|| badness(left).cmp(&badness(right))).then_with(younger)
        });
        findings.truncate(FINDINGS_MAX);
        json!({
            "version": 1,
            "time_ms": now_ms,
            "scope": "fleet",
            "findings_total": findings_total,
            "findings": findings,
        })
    }

    /// `/api/v1/zones/{zone}`, by id or name.
    pub async fn zone(&self, zone: &str) -> Option<Value> {
        let zone = zone_of(zone);
        let (now_ms, own, others) = self.sources().await;
        let is_it = |of: &Value| of["zone_id"] == *zone || of["zone"] == *zone;
        let mut found = match own.iter().find_map(|shown| shown.zone(&zone)) {
            Some(mut found) => {
                found["age_seconds"] = 0.into();
                found
            }
            None => self.others_zone(now_ms, &others, is_it).await?,
        };
        found["version"] = 1.into();
        found["time_ms"] = now_ms.into();
        found["scope"] = "fleet".into();
        // Two zones may go by one name.
        let zone_id = found["window"]["zone_id"].clone();
        found["findings"] = findings(now_ms, &own, &others, |of| of["zone_id"] == zone_id).into();
        Some(found)
    }

    /// Of a shard that was split both parent and child may tell; the last one to tell knows.
    async fn others_zone(&self, now_ms: i64, others: &[Other], is_it: impl Fn(&Value) -> bool) -> Option<Value> {
        let has_it = |other: &&Other| other.list("zones").iter().any(|zone| is_it(&zone["window"]));
        let other = others.iter().filter(has_it).max_by_key(|other| other.time_ms)?;
        let found = other.list("zones").iter().find(|zone| is_it(&zone["window"]))?;
        let mut found = aged(found, other.age_seconds(now_ms));
        let zone_id = found["window"]["zone_id"].as_str().unwrap_or_default().to_owned();
        let history = self.history(other, &zone_id).await;
        found["history"] = history.unwrap_or_else(|| {
            let minute = |minute: &Value| Some((rfc3339_ms(minute[0].as_str()?)?, minute[1].as_u64()?));
            of_minutes(&found["minutes"].as_array().into_iter().flatten().filter_map(minute).collect::<Vec<_>>())
        });
        Some(found)
    }

    /// `/api/v1/edges`, the busiest first.
    pub async fn edges(&self) -> Value {
        let (now_ms, own, others) = self.sources().await;
        let mut edges: BTreeMap<String, Sum> = BTreeMap::new();
        for count in own.iter().flat_map(|shown| shown.edges()) {
            edges.entry(count.edge.clone()).or_default().add(&count, 0);
        }
        // The view of a shard that has ended tells of a minute that is over.
        for other in others.iter().filter(|other| other.age_seconds(now_ms) < FRESH_SECONDS) {
            for count in
                other.list("edges").iter().filter_map(|count| serde_json::from_value::<EdgeCount>(count.clone()).ok())
            {
                edges.entry(count.edge.clone()).or_default().add(&count, other.age_seconds(now_ms));
            }
        }
        let mut edges: Vec<(String, Sum)> = edges.into_iter().collect();
        edges.sort_by_key(|(edge, sum)| (std::cmp::Reverse(sum.queries), edge.clone()));
        edges.truncate(EDGES_MAX);
        json!({
            "version": 1,
            "time_ms": now_ms,
            "scope": "fleet",
            "edges": edges.iter().map(|(edge, sum)| sum.document(edge)).collect::<Vec<_>>(),
        })
    }

    /// What changes when one of these answers would be another one, but for ages.
    pub async fn tags(&self) -> Tags {
        let (now_ms, own, others) = self.sources().await;
        let hasher = BuildHasherDefault::<DefaultHasher>::default();
        let changes: Vec<_> = own.iter().map(|shown| shown.changes()).collect();
        let [zones, findings]: [Vec<u64>; 2] = [0, 1].map(|at| others.iter().map(|other| other.tags[at]).collect());
        let of_zones: Vec<_> = changes.iter().map(|(number, changes)| (number, changes.zones)).collect();
        let of_findings: Vec<_> = changes.iter().map(|(number, changes)| (number, changes.findings)).collect();
        let edges = hasher.hash_one((&of_zones, &zones));
        let findings = hasher.hash_one((&of_findings, &findings));
        let Closed { until_ms, left_out } = closed(now_ms, &own, &others);
        let has_windows = until_ms.is_some();
        Tags { zones: hasher.hash_one((edges, findings, left_out)), findings, edges, has_windows }
    }
}

/// How bad a severity is, 0 the worst.
fn place(severity: &str) -> usize {
    SEVERITIES.iter().position(|one| *one == severity).unwrap_or(SEVERITIES.len())
}

/// It with how old it is.
fn aged(member: &Value, age_seconds: i64) -> Value {
    let mut member = member.clone();
    member["age_seconds"] = age_seconds.into();
    member
}

fn is_active(finding: &Value) -> bool {
    finding["open"] == true && finding["muted"] != true
}

/// Each once, by its id. Of a finding that several tell of, the last one to tell knows: a task that has just come, and the view
/// that the one before has left.
fn findings(now_ms: i64, own: &[Arc<Shown>], others: &[Other], is_wanted: impl Fn(&Value) -> bool) -> Vec<Value> {
    let own: Vec<Value> = own.iter().flat_map(|shown| shown.findings()).collect();
    let others = in_order(others).into_iter().flat_map(|other| {
        let age_seconds = other.age_seconds(now_ms);
        other.list("findings").iter().map(move |finding| (finding, age_seconds))
    });
    let all = others.chain(own.iter().map(|finding| (finding, 0)));
    let by_id: BTreeMap<&str, (&Value, i64)> =
        all.filter_map(|(finding, age_seconds)| Some((finding["id"].as_str()?, (finding, age_seconds)))).collect();
    let wanted = by_id.into_values().filter(|(finding, _)| is_wanted(finding));
    wanted.map(|(finding, age_seconds)| aged(finding, age_seconds)).collect()
}

/// The last one to tell last.
fn in_order(others: &[Other]) -> Vec<&Other> {
    let mut in_order: Vec<&Other> = others.iter().collect();
    in_order.sort_by_key(|other| other.time_ms);
    in_order
}

/// A zone in short, which is shared with what was fetched, and how old it is.
pub(super) type Aged = (Arc<Brief>, i64);

/// By id. Of a zone that several tell of, the last one to tell knows; those that are counted together every shard has.
pub(super) fn zones(now_ms: i64, own: &[Arc<Shown>], others: &[Other]) -> BTreeMap<String, Aged> {
    let there = |other: &'_ Other| {
        let (age_seconds, until_ms) = (other.age_seconds(now_ms), other.until_ms());
        other.briefs.iter().cloned().map(|brief| (brief, age_seconds, until_ms)).collect::<Vec<_>>()
    };
    let here = |shown: &Arc<Shown>| {
        let until_ms = shown.closed_ms();
        shown.briefs().into_iter().map(move |brief| (Arc::new(brief), 0, until_ms))
    };
    let all = in_order(others).into_iter().flat_map(there).chain(own.iter().flat_map(here));
    let (mut zones, mut parts) = (BTreeMap::new(), Vec::new());
    for (brief, age_seconds, until_ms) in all {
        if is_together(&brief.zone_id) {
            parts.push(Part { brief, age_seconds, until_ms: until_ms.unwrap_or(i64::MIN) });
        } else {
            zones.insert(brief.zone_id.clone(), (brief, age_seconds));
        }
    }
    zones.extend(together(parts).map(|(brief, age_seconds)| (brief.zone_id.clone(), (Arc::new(brief), age_seconds))));
    zones
}

/// How far the fleet's windows are.
struct Closed {
    /// Until when every shard that is told of has closed its windows; of none that lives, the last of all.
    until_ms: Option<i64>,
    /// Shards of which it does not tell: none of their windows has closed, or nobody has renewed their views for a while. They
    /// have just begun, move, stand still or have ended.
    left_out: usize,
}

fn closed(now_ms: i64, own: &[Arc<Shown>], others: &[Other]) -> Closed {
    let fresh = others.iter().filter(|other| other.age_seconds(now_ms) < FRESH_SECONDS);
    let told: Vec<i64> =
        own.iter().filter_map(|shown| shown.closed_ms()).chain(fresh.filter_map(Other::until_ms)).collect();
    // Of a shard whose task here has closed no minute, the view that the one before has left may be among the others'.
    let here = own.iter().map(|shown| shown.shard.as_str());
    let shards: BTreeSet<&str> =
        here.chain(others.iter().filter_map(|other| other.document["shard"].as_str())).collect();
    let last = || others.iter().filter_map(Other::until_ms).max();
    Closed { until_ms: told.iter().copied().min().or_else(last), left_out: shards.len().saturating_sub(told.len()) }
}

/// An edge over all shards.
#[derive(Default)]
struct Sum {
    queries: u64,
    before: f64,
    /// Of a part nobody knows what was before.
    is_new: bool,
    age_seconds: i64,
}

impl Sum {
    fn add(&mut self, count: &EdgeCount, age_seconds: i64) {
        self.queries += count.queries;
        self.before += count.before.unwrap_or(0.0);
        self.is_new |= count.before.is_none();
        self.age_seconds = self.age_seconds.max(age_seconds);
    }

    fn document(&self, edge: &str) -> Value {
        let place = edges::find(edge).filter(|place| place.iata == edge);
        let change = (self.before > 0.0 && !self.is_new).then(|| rounded(self.queries as f64 / self.before));
        json!({
            "edge": edge,
            "place": place.map(|place| place.city).filter(|city| !city.is_empty()),
            "country": place.map(|place| place.country),
            "latitude": place.map(|place| place.latitude),
            "longitude": place.map(|place| place.longitude),
            "queries_per_second": rounded(self.queries as f64 / 60.0),
            "change": change,
            "age_seconds": self.age_seconds,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::fleet_views::place;
    use cloud::{Snapshots, memory};

    /// A fleet of which another worker has put this.
    async fn fleet(list: &str, members: Vec<Value>, more: Value) -> FleetViews {
        let (clock, snapshots) = (Clock::real(), memory::Snapshots::default());
        let mut document =
            json!({ "version": 1, "shard": "limits", "time": rfc3339(clock.now_ms()), "findings": more });
        (document["windows_until"], document[list]) = (rfc3339(0).into(), members.into());
        snapshots.put(&place("limits"), document.to_string().into()).await.expect("memory takes it");
        FleetViews::with(Arc::new(snapshots), clock, Box::new(Vec::new))
    }

    /// How many are listed, the first two and the last.
    fn ends(answer: &Value, list: &str, key: &str) -> (usize, [String; 3]) {
        let listed: Vec<&Value> = answer[list].as_array().expect("a list").iter().map(|member| &member[key]).collect();
        let places = [0, 1, listed.len() - 1];
        (listed.len(), places.map(|place| listed[place].as_str().expect("text").to_owned()))
    }

    #[tokio::test]
    async fn of_more_zones_than_an_answer_has_the_quietest_are_left_out_but_none_with_a_finding() {
        let zone = |number: u64| {
            json!({ "window": {
                "zone": format!("{number:04}.test"), "zone_id": format!("Z{number:04}"),
                "queries": number + 1, "window_seconds": 60,
            } })
        };
        let open = json!([{ "id": "f", "zone_id": "Z0000", "open": true, "severity": "info" }]);
        let zones = fleet("zones", (0..1_005).map(zone).collect(), open).await.zones().await.expect("windows");
        assert_eq!(zones["zones_total"], 1_005);
        assert_eq!(ends(&zones, "zones", "zone_id"), (1_000, ["Z0000", "Z1004", "Z0006"].map(str::to_owned)));
    }

    #[tokio::test]
    async fn of_more_edges_than_an_answer_has_the_busiest_are_listed() {
        let edge = |number: u64| json!({ "edge": format!("e{number:03}"), "queries": number + 1, "before": null });
        let edges = fleet("edges", (0..600).map(edge).collect(), json!([])).await.edges().await;
        assert_eq!(ends(&edges, "edges", "edge"), (512, ["e599", "e598", "e088"].map(str::to_owned)));
    }

    #[tokio::test]
    async fn of_more_findings_than_an_answer_has_the_oldest_that_are_over_are_left_out() {
        let finding = |number: u64| {
            let (id, start) = (format!("f{number:04}"), format!("{number:04}"));
            json!({ "id": id, "zone_id": "Z1", "start": start, "severity": "info", "open": number == 0 })
        };
        let findings = fleet("findings", (0..2_005).map(finding).collect(), json!([])).await.findings().await;
        assert_eq!(findings["findings_total"], 2_005);
        assert_eq!(ends(&findings, "findings", "id"), (2_000, ["f0000", "f2004", "f0006"].map(str::to_owned)));
    }
}
