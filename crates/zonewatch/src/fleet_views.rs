//! The zones of the whole fleet, as any worker shows them: what tasks here know, live, and what those of others put beside their
//! snapshots, which is some seconds old.
//!
//! Others' views are fetched only when somebody asks, and kept for a while: a fleet that nobody looks at costs one small object
//! a rollup shard every ten seconds.

mod answers;

use crate::clock::Clock;
use crate::config::rfc3339_ms;
use crate::minutely::Minutely;
use crate::zone_views::{Shown, VERSION, history_in, part};
use bytes::Bytes;
use cloud::{Error, Snapshots};
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio::sync::{Mutex, OnceCell};
use tracing::warn;

/// Between two puts of a view, and how long others' are kept.
const PERIOD: Duration = Duration::from_secs(10);
/// A view that nobody has put for so long is of a shard that has ended, or of a fleet that was stopped.
const OLD_MS: i64 = 3_600_000;
/// Somebody who looks does not wait longer for others' views than this.
const FETCH_MAX: Duration = Duration::from_secs(3);
/// Views that are fetched at once.
const FETCHED_AT_ONCE: usize = 8;
/// Histories grow by the minute, and are put so often; those of many zones more rarely.
const HISTORY_BYTES_A_SECOND: usize = 256 << 10;
/// Histories of others' zones that are kept for [`PERIOD`].
const HISTORIES_KEPT: usize = 64;

/// Where a shard's view lies, beside the snapshots.
pub fn place(shard: &str) -> String {
    format!("views/{shard}")
}

/// Where a part of the histories of a shard's zones lies.
fn history_place(shard: &str, part: usize) -> String {
    format!("histories/{shard}/{part}")
}

/// Gets all histories that were put with a shard's view, part by part.
pub async fn histories(snapshots: &Arc<dyn Snapshots>, view: &Value, mut take: impl FnMut(Bytes)) {
    let (Some(shard), Some(parts)) = (view["shard"].as_str(), view["history_parts"].as_u64()) else { return };
    for part in 0..parts as usize {
        let Ok(found) = snapshots.get(&history_place(shard, part)).await else { return };
        take(found.unwrap_or_default());
    }
}

/// Deletes what was put of a shard that has ended, as far as that is possible: what stays is old after an hour.
pub async fn forget(snapshots: &Arc<dyn Snapshots>, shard: &str) {
    let histories = snapshots.list(&format!("histories/{shard}/")).await.unwrap_or_default();
    for name in histories.into_iter().chain([place(shard)]) {
        let _ = snapshots.delete(&name).await;
    }
}

/// The fleet's views.
pub struct FleetViews {
    snapshots: Arc<dyn Snapshots>,
    clock: Clock,
    /// Locked over a fetch: of many who look at once one fetches, and the others wait for it instead of fetching too.
    fetched: Mutex<Fetched>,
    histories: std::sync::Mutex<Histories>,
}

/// Histories as they were put last: by which task, of which last minute, and until when not again.
struct Put {
    task: u64,
    closed_ms: Option<i64>,
    until: Duration,
}

#[derive(Default)]
struct Fetched {
    at: Option<Duration>,
    /// The shards that were shown here at that time, and so not fetched.
    own: BTreeSet<String>,
    /// By shard.
    others: BTreeMap<String, Other>,
}

/// By shard and zone id: when it was first asked for, and what was found. Of many who ask for the same one fetches.
type Histories = BTreeMap<(String, String), (Duration, Arc<OnceCell<Option<Value>>>)>;

/// What another worker has put of one of its shards.
#[derive(Clone)]
struct Other {
    document: Arc<Value>,
    time_ms: i64,
    /// Differ if zones do, and if findings do.
    tags: [u64; 2],
}

impl FleetViews {
    /// Of the fleet whose snapshots lie there.
    pub fn new(snapshots: Arc<dyn Snapshots>, clock: Clock) -> Self {
        Self { snapshots, clock, fetched: Mutex::default(), histories: std::sync::Mutex::default() }
    }

    /// Puts the views of tasks here, again and again.
    pub async fn publish(&self) {
        let said = Minutely::default();
        let mut put: BTreeMap<String, Put> = BTreeMap::new();
        loop {
            tokio::time::sleep(PERIOD).await;
            let alive: Vec<_> = Shown::all().into_iter().filter(|shown| shown.closed_ms().is_some()).collect();
            put.retain(|shard, _| alive.iter().any(|shown| shown.shard == *shard));
            for shown in alive {
                if let (Err(error), true) = (self.put(&shown, &mut put).await, said.is_due(self.clock.elapsed())) {
                    warn!(shard = shown.shard, %error, "other workers show an old view of its zones");
                }
            }
        }
    }

    /// Puts one view; the histories, if there is a new minute, before the document that says how many parts they have.
    async fn put(&self, shown: &Shown, put: &mut BTreeMap<String, Put>) -> Result<(), Error> {
        let (now, task, closed_ms) = (self.clock.elapsed(), shown.changes().0, shown.closed_ms());
        let is_due = |put: &Put| put.task != task || (put.closed_ms != closed_ms && now >= put.until);
        if put.get(&shown.shard).is_none_or(is_due) {
            let histories = shown.histories();
            let (parts, bytes) = (histories.len(), histories.iter().map(String::len).sum::<usize>());
            for (part, lines) in histories.into_iter().enumerate() {
                self.snapshots.put(&history_place(&shown.shard, part), Bytes::from(lines)).await?;
            }
            shown.history_parts.store(parts, Ordering::Relaxed);
            let until = now + Duration::from_secs((bytes / HISTORY_BYTES_A_SECOND) as u64);
            put.insert(shown.shard.clone(), Put { task, closed_ms, until });
        }
        let document = shown.document(self.clock.now_ms()).to_string();
        self.snapshots.put(&place(&shown.shard), Bytes::from(document)).await
    }

    /// What tasks here show, and what others have put of all other shards. The time of this worker with it.
    async fn sources(&self) -> (i64, Vec<Arc<Shown>>, Vec<Other>) {
        let (now_ms, own) = (self.clock.now_ms(), Shown::all());
        // Until a task has closed a minute, what the one before has left says more.
        let shown: BTreeSet<String> =
            own.iter().filter(|shown| shown.closed_ms().is_some()).map(|shown| shown.shard.clone()).collect();
        let is_own = |shard: &str| shown.contains(shard);
        let mut fetched = self.fetched.lock().await;
        let now = self.clock.elapsed();
        let has_left = fetched.own.iter().any(|shard| !is_own(shard));
        if has_left || fetched.at.is_none_or(|at| now.saturating_sub(at) >= PERIOD) {
            fetched.own.clone_from(&shown);
            // What came in time is shown.
            match tokio::time::timeout(FETCH_MAX, self.fetch(&is_own, &mut fetched.others)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => warn!(%error, "views of other workers were not fetched; the last ones are shown"),
                Err(_) => warn!("views of other workers were not fetched in time; the last ones are shown"),
            }
            fetched.at = Some(self.clock.elapsed());
        }
        let others = fetched.others.iter().filter(|(shard, other)| !is_own(shard) && now_ms - other.time_ms < OLD_MS);
        let others = others.map(|(_, other)| other.clone()).collect();
        drop(fetched);
        (now_ms, own, others)
    }

    async fn fetch(&self, is_own: &impl Fn(&str) -> bool, others: &mut BTreeMap<String, Other>) -> Result<(), Error> {
        let names = self.snapshots.list(&place("")).await?;
        let is_wanted = |name: &String| name.strip_prefix(&place("")).is_some_and(|shard| !is_own(shard));
        let names: Vec<String> = names.into_iter().filter(is_wanted).collect();
        others.retain(|shard, _| names.contains(&place(shard)));
        let gets: Vec<BoxFuture<'_, _>> = names.iter().map(|name| self.named(name).boxed()).collect();
        let mut answers = futures_util::stream::iter(gets).buffer_unordered(FETCHED_AT_ONCE);
        // One that fails stays as it was, and the others are shown.
        let mut failed = None;
        while let Some((name, answer)) = answers.next().await {
            let Some(shard) = name.strip_prefix(&place("")) else { continue };
            match answer {
                Ok(bytes) => match Other::read(&bytes.unwrap_or_default()) {
                    Some(other) => drop(others.insert(shard.to_owned(), other)),
                    None => drop(others.remove(shard)),
                },
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(()), Err)
    }

    async fn named<'a>(&'a self, name: &'a str) -> (&'a str, Result<Option<Bytes>, Error>) {
        (name, self.snapshots.get(name).await)
    }

    /// The history of another's zone; none if nothing was put of it, or it does not come in time.
    async fn history(&self, other: &Other, zone_id: &str) -> Option<Value> {
        let parts = other.document["history_parts"].as_u64().filter(|parts| *parts > 0)? as usize;
        let shard = other.document["shard"].as_str()?;
        let key = (shard.to_owned(), zone_id.to_owned());
        let found = {
            let mut histories = self.histories.lock().unwrap_or_else(PoisonError::into_inner);
            let now = self.clock.elapsed();
            histories.retain(|_, (at, _)| now.saturating_sub(*at) < PERIOD);
            if histories.len() >= HISTORIES_KEPT && !histories.contains_key(&key) {
                histories.pop_first();
            }
            Arc::clone(&histories.entry(key).or_insert_with(|| (now, Arc::default())).1)
        };
        let place = history_place(shard, part(zone_id, parts));
        found.get_or_init(|| self.fetch_history(place, zone_id)).await.clone()
    }

    async fn fetch_history(&self, place: String, zone_id: &str) -> Option<Value> {
        match tokio::time::timeout(FETCH_MAX, self.snapshots.get(&place)).await {
            Ok(Ok(bytes)) => bytes.and_then(|bytes| history_in(&bytes, zone_id)),
            Ok(Err(error)) => {
                warn!(%error, "a zone's history was not fetched");
                None
            }
            Err(_) => None,
        }
    }
}

impl Other {
    /// None if it is no such document, or one of another version: half an hour of two versions in one fleet is
    /// no reason to show nothing.
    fn read(bytes: &[u8]) -> Option<Self> {
        let mut document: Value = serde_json::from_slice(bytes).ok()?;
        if document["version"] != VERSION {
            return None;
        }
        let time_ms = document["time"].as_str().and_then(rfc3339_ms)?;
        for list in ["zones", "findings", "edges"] {
            if let Some(members) = document[list].as_array_mut() {
                members.retain(Value::is_object);
            }
        }
        let hasher = BuildHasherDefault::<DefaultHasher>::default();
        let tags = ["zones", "findings"].map(|list| hasher.hash_one(&document[list]));
        Some(Self { document: Arc::new(document), time_ms, tags })
    }

    fn list(&self, name: &str) -> &[Value] {
        self.document[name].as_array().map_or(&[], Vec::as_slice)
    }

    fn age_seconds(&self, now_ms: i64) -> i64 {
        (now_ms - self.time_ms).max(0) / 1000
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures_test::{finding, minute, views};
    use cloud::memory;
    use detect::detector::Outcome;
    use detect::finding::{Finding, Severity, Status};
    use serde_json::json;

    #[tokio::test]
    async fn any_worker_shows_what_others_have_put_and_its_own_as_it_is() {
        let clock = Clock::real();
        let snapshots: Arc<dyn Snapshots> = Arc::new(memory::Snapshots::default());
        let other = json!({
            "version": 1, "shard": "fleet-views-other", "time": crate::config::rfc3339(clock.now_ms() - 7_000),
            "zones": [{ "window": { "zone": "other.test", "zone_id": "ZOTHER" } }],
            "findings": [
                { "id": "a", "zone": "other.test", "zone_id": "ZOTHER", "open": false, "severity": "critical", "start": "2" },
                { "id": "b", "zone": "other.test", "zone_id": "ZOTHER", "open": true, "severity": "info", "start": "1" },
            ],
        });
        let old = json!({ "version": 1, "shard": "fleet-views-old", "time": "2020-01-01T00:00:00Z", "findings": [{ "id": "c" }] });
        let mut later = other.clone();
        (later["version"], later["shard"], later["findings"][0]["id"]) = (2.into(), "later".into(), "d".into());
        for (shard, document) in [
            ("fleet-views-other", other.to_string()),
            ("fleet-views-old", old.to_string()),
            ("fleet-views-later", later.to_string()),
            ("x", "{".into()),
        ] {
            snapshots.put(&place(shard), document.into()).await.expect("memory takes it");
        }
        let own = views("fleet-views-own");
        let finding =
            Finding { zone_key: "ZOWN".into(), zone_name: "own.test".into(), severity: Severity::Warning, ..finding() };
        let mut seen = minute("ZOWN", 0, 3);
        seen.window.zone_name = "own.test".into();
        own.told(&Outcome { windows: vec![seen], findings: vec![finding.clone()], ..Outcome::default() });

        let fleet = FleetViews::new(snapshots, clock);
        let all = fleet.findings().await;
        let ours = |finding: &&Value| ["own.test", "other.test"].iter().any(|zone| finding["zone"] == *zone);
        let ids: Vec<_> =
            all["findings"].as_array().expect("a list").iter().filter(ours).map(|one| &one["id"]).collect();
        assert_eq!(ids, [&json!(finding.id), &json!("b"), &json!("a")]);
        assert!(!all.to_string().contains("\"c\""), "it is too old");
        assert!(!all.to_string().contains("\"d\""), "it is of another version");
        let zone = fleet.zone("OTHER.test.").await.expect("it was put");
        assert!((7..20).contains(&zone["age_seconds"].as_i64().expect("a number")), "{zone}");
        assert_eq!(zone["findings"].as_array().map(Vec::len), Some(2));
        let zone = fleet.zone("ZOWN").await.expect("it is ours");
        assert_eq!((&zone["window"]["queries"], &zone["age_seconds"]), (&3.into(), &0.into()));
        own.told(&Outcome { findings: vec![Finding { status: Status::Closed, ..finding }], ..Outcome::default() });
        let zone = fleet.zone("own.test").await.expect("it is ours");
        assert_eq!(zone["findings"][0]["open"], false, "what is here is shown at once");
        assert_eq!(fleet.zone("nobody.test").await, None);
    }

    /// Puts a view of one zone and one finding of it.
    async fn put_view(snapshots: &Arc<dyn Snapshots>, clock: Clock, shard: &str, zone: &str, zone_id: &str) {
        let document = json!({
            "version": 1, "shard": shard, "time": crate::config::rfc3339(clock.now_ms()),
            "zones": [7, { "window": { "zone": zone, "zone_id": zone_id, "queries": 1, "window_seconds": 60 } }],
            "findings": ["x", { "id": zone_id, "zone": zone, "zone_id": zone_id, "open": true }],
            "edges": [null],
        });
        snapshots.put(&place(shard), document.to_string().into()).await.expect("memory takes it");
    }

    #[tokio::test]
    async fn two_zones_of_one_name_keep_their_findings_and_what_is_damaged_is_left() {
        let snapshots: Arc<dyn Snapshots> = Arc::new(memory::Snapshots::default());
        let clock = Clock::real();
        put_view(&snapshots, clock, "same-1", "same.test", "ZSAME1").await;
        put_view(&snapshots, clock, "same-2", "same.test", "ZSAME2").await;
        let fleet = FleetViews::new(snapshots, clock);
        for id in ["ZSAME1", "ZSAME2"] {
            let zone = fleet.zone(id).await.expect("it was put");
            let ids: Vec<_> = zone["findings"].as_array().expect("a list").iter().map(|one| &one["id"]).collect();
            assert_eq!(ids, [id]);
        }
        let by_name = fleet.zone("same.test").await.expect("it was put");
        assert_eq!(by_name["findings"].as_array().map(Vec::len), Some(1), "{by_name}");
        assert!(fleet.zones().await.is_none(), "no minute was said to have closed");
        assert!(fleet.findings().await["findings"].as_array().is_some_and(|all| all.len() >= 2));
    }

    #[tokio::test]
    async fn a_shard_that_comes_or_goes_is_shown_all_the_time() {
        let snapshots: Arc<dyn Snapshots> = Arc::new(memory::Snapshots::default());
        let clock = Clock::real();
        put_view(&snapshots, clock, "handed", "handed.test", "ZHANDED").await;
        let own = views("handed");
        let fleet = FleetViews::new(snapshots.clone(), clock);
        let queries = async || fleet.zone("ZHANDED").await.map(|zone| zone["window"]["queries"].clone());
        assert_eq!(queries().await, Some(1.into()), "by the one before, until a minute has closed here");
        own.told(&Outcome { windows: vec![minute("ZHANDED", 0, 3)], ..Outcome::default() });
        assert_eq!(queries().await, Some(3.into()));
        tokio::time::sleep(Duration::from_millis(1)).await;
        fleet.fetched.lock().await.at = None;
        assert_eq!(queries().await, Some(3.into()), "looked at again, while it is here");
        drop(own);
        assert_eq!(queries().await, Some(1.into()), "fetched at once when it has gone");
        forget(&snapshots, "handed").await;
        assert_eq!(snapshots.list("").await, Ok(Vec::new()));
    }

    #[tokio::test(start_paused = true)]
    async fn views_are_put_with_their_histories() {
        let snapshots: Arc<dyn Snapshots> = Arc::new(memory::Snapshots::default());
        let own = views("fleet-views-put");
        own.told(&Outcome { windows: asked("ZPUT", "FRA6"), ..Outcome::default() });
        let fleet = FleetViews::new(snapshots.clone(), Clock::real());
        let put = async || {
            let _ = tokio::time::timeout(PERIOD + Duration::from_secs(1), fleet.publish()).await;
            let view = snapshots.get(&place("fleet-views-put")).await.expect("memory answers").expect("it was put");
            let view: Value = serde_json::from_slice(&view).expect("it is JSON");
            let mut lines = Vec::new();
            histories(&snapshots, &view, |part| lines.push(part)).await;
            (
                view["history_parts"].clone(),
                lines.iter().filter_map(|part| history_in(part, "ZPUT")).collect::<Vec<_>>(),
            )
        };
        let (parts, found) = put().await;
        assert_eq!((parts, found.len(), &found[0]["queries"]), (1.into(), 1, &json!([60, 60, 60])));
    }

    /// What a worker shows of a shard that another has: as that one puts it, but under a name that no task here has.
    async fn put_as(snapshots: &Arc<dyn Snapshots>, shown: &Shown, shard: &str, change: impl Fn(&mut Value)) {
        let histories = shown.histories();
        shown.history_parts.store(histories.len(), Ordering::Relaxed);
        for (part, lines) in histories.into_iter().enumerate() {
            snapshots.put(&history_place(shard, part), lines.into()).await.expect("memory takes it");
        }
        let mut document = shown.document(Clock::real().now_ms());
        document["shard"] = shard.into();
        change(&mut document);
        snapshots.put(&place(shard), document.to_string().into()).await.expect("memory takes it");
    }

    fn asked(zone: &str, edge: &str) -> Vec<detect::detector::Seen> {
        let minute = |number: i64| {
            let mut seen = minute(zone, number, 60);
            seen.window.zone_name = format!("{}.test", zone.to_ascii_lowercase()).into();
            seen.window.codes[0] = 60;
            seen.window.top_edges = vec![detect::TopName { name: edge.into(), count: 60, error: 0 }];
            seen.values[0] = Some(60.0);
            seen
        };
        (0..3).map(minute).collect()
    }

    #[tokio::test]
    async fn histories_of_others_are_found_in_their_parts() {
        let snapshots: Arc<dyn Snapshots> = Arc::new(memory::Snapshots::default());
        {
            let other = views("fleet-views-parts");
            // More zones than one part has.
            let windows = (0..600).flat_map(|zone| asked(&format!("ZPART{zone:03}"), "FRA6")).collect();
            other.told(&Outcome { windows, ..Outcome::default() });
            let shown = Shown::all().into_iter().find(|shown| shown.shard == "fleet-views-parts").expect("it lives");
            assert_eq!(shown.histories().len(), 3);
            put_as(&snapshots, &shown, "fleet-views-parted", |_| {}).await;
        }
        let fleet = FleetViews::new(snapshots, Clock::real());
        for zone in ["ZPART000", "ZPART599", "zpart123.test"] {
            let found = fleet.zone(zone).await.expect(zone);
            assert_eq!(found["history"]["signals"]["queries"]["observed"], json!([60.0, 60.0, 60.0]), "{zone}");
            assert_eq!(found["history"]["response_codes"]["NOERROR"], json!([60, 60, 60]));
        }
        let zones = fleet.zones().await.expect("a minute has closed");
        let ours: Vec<&Value> = zones["zones"]
            .as_array()
            .expect("a list")
            .iter()
            .filter(|zone| zone["zone"].as_str().is_some_and(|name| name.starts_with("zpart")))
            .collect();
        assert_eq!(
            (ours.len(), &ours[0]["queries_per_second"], &ours[0]["minutes"][2][1]),
            (600, &1.0.into(), &60.into())
        );
    }

    #[tokio::test]
    async fn what_a_worker_of_the_version_before_has_put_is_read() {
        let snapshots: Arc<dyn Snapshots> = Arc::new(memory::Snapshots::default());
        let (before, now) = (views("fleet-views-before"), views("fleet-views-now"));
        before.told(&Outcome { windows: asked("ZBEFORE", "QQQ1"), ..Outcome::default() });
        now.told(&Outcome { windows: asked("ZNOW", "QQQ2"), ..Outcome::default() });
        let shown = |shard: &str| Shown::all().into_iter().find(|shown| shown.shard == shard).expect("it lives");
        let without = |document: &mut Value| {
            let document = document.as_object_mut().expect("an object");
            document.remove("edges").expect("it is written");
            document.remove("history_parts").expect("it is written");
        };
        put_as(&snapshots, &shown("fleet-views-before"), "fleet-views-before-put", without).await;
        put_as(&snapshots, &shown("fleet-views-now"), "fleet-views-now-put", |_| {}).await;
        drop((before, now));
        let fleet = FleetViews::new(snapshots, Clock::real());
        let found = fleet.zone("zbefore.test").await.expect("it was put");
        assert_eq!((&found["history"]["queries"], &found["history"]["signals"]), (&json!([60, 60, 60]), &json!({})));
        let zones = fleet.zones().await.expect("a minute has closed").to_string();
        assert!(zones.contains("zbefore.test") && zones.contains("znow.test"), "{zones}");
        let edges = fleet.edges().await;
        let edge =
            edges["edges"].as_array().expect("a list").iter().find(|edge| edge["edge"] == "QQQ").expect("it was put");
        assert_eq!(
            (&edge["queries_per_second"], &edge["change"], &edge["place"]),
            (&1.0.into(), &1.0.into(), &Value::Null)
        );
    }

    #[tokio::test]
    async fn tags_differ_when_answers_do() {
        let fleet = FleetViews::new(Arc::new(memory::Snapshots::default()), Clock::real());
        let own = views("fleet-views-tags");
        let differs = async |change: &dyn Fn()| {
            // Other tests' tasks live in this process too, and change meanwhile: tags are compared of this one's.
            let tag = || {
                Shown::all().into_iter().find(|shown| shown.shard == "fleet-views-tags").expect("it lives").changes()
            };
            let before = (fleet.tags().await, tag());
            change();
            let after = (fleet.tags().await, tag());
            let (of_before, of_after) = (before.1.1, after.1.1);
            if of_before.zones != of_after.zones {
                assert!(before.0.zones != after.0.zones && before.0.edges != after.0.edges);
            }
            if of_before.findings != of_after.findings {
                assert!(before.0.zones != after.0.zones && before.0.findings != after.0.findings);
            }
            (of_before.zones != of_after.zones, of_before.findings != of_after.findings)
        };
        assert_eq!(
            differs(&|| own.told(&Outcome { windows: asked("ZTAGS", "FRA6"), ..Outcome::default() })).await,
            (true, false)
        );
        assert_eq!(
            differs(&|| own.told(&Outcome { findings: vec![finding()], ..Outcome::default() })).await,
            (false, true)
        );
        assert_eq!(differs(&|| own.told(&Outcome::default())).await, (false, false));
    }
}
