//! The zones of the whole fleet, as any worker shows them: what tasks here know, live, and what those of others put beside their
//! snapshots, which is some seconds old.
//!
//! Others' views are fetched only when somebody asks, and kept for a while: a fleet that nobody looks at costs one small object
//! a rollup shard every ten seconds.

use crate::clock::Clock;
use crate::config::rfc3339_ms;
use crate::minutely::Minutely;
use crate::zone_views::{Shown, VERSION};
use bytes::Bytes;
use cloud::{Error, Snapshots};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tracing::warn;

/// Between two puts of a view, and how long others' are kept.
const PERIOD: Duration = Duration::from_secs(10);
/// A view that nobody has put for so long is of a shard that has ended, or of a fleet that was stopped.
const OLD_MS: i64 = 3_600_000;
/// Somebody who looks does not wait longer for others' views than this.
const FETCH_MAX: Duration = Duration::from_secs(3);

/// Where a shard's view lies, beside the snapshots.
pub fn place(shard: &str) -> String {
    format!("views/{shard}")
}

/// The fleet's views.
pub struct FleetViews {
    snapshots: Arc<dyn Snapshots>,
    clock: Clock,
    fetched: Mutex<Fetched>,
}

#[derive(Default)]
struct Fetched {
    at: Option<Duration>,
    /// By shard.
    documents: BTreeMap<String, Value>,
}

impl FleetViews {
    /// Of the fleet whose snapshots lie there.
    pub fn new(snapshots: Arc<dyn Snapshots>, clock: Clock) -> Self {
        Self { snapshots, clock, fetched: Mutex::default() }
    }

    /// Puts the views of tasks here, again and again.
    pub async fn publish(&self) {
        let said = Minutely::default();
        loop {
            tokio::time::sleep(PERIOD).await;
            for shown in Shown::all() {
                let document = shown.document(self.clock.now_ms()).to_string();
                let put = self.snapshots.put(&place(&shown.shard), Bytes::from(document)).await;
                if let (Err(error), true) = (put, said.is_due(self.clock.elapsed())) {
                    warn!(shard = shown.shard, %error, "other workers show an old view of its zones");
                }
            }
        }
    }

    /// `/api/v1/findings`: those that are open first, then the worst, then the last to begin.
    pub async fn findings(&self) -> Value {
        let (now_ms, documents) = self.documents().await;
        let mut findings: Vec<Value> =
            documents.iter().flat_map(|document| aged(document, "findings", now_ms)).collect();
        let severity =
            |finding: &Value| ["critical", "warning", "info"].iter().position(|one| finding["severity"] == *one);
        findings.sort_by(|left, right| {
            let is_over = |finding: &Value| finding["open"] != true;
            is_over(left)
                .cmp(&is_over(right))
                .then_with(|| severity(left).cmp(&severity(right)))
                .then_with(|| right["start"].as_str().cmp(&left["start"].as_str()))
        });
        json!({ "version": 1, "time_ms": now_ms, "findings": findings })
    }

    /// `/api/v1/zones/{zone}`, by id or name.
    pub async fn zone(&self, zone: &str) -> Option<Value> {
        let (now_ms, documents) = self.documents().await;
        let name = zone.trim_end_matches('.').to_ascii_lowercase();
        let is_it = |of: &Value| of["zone_id"] == *zone || of["zone"] == *name;
        let found = documents.iter().find_map(|document| {
            let mut zones = aged(document, "zones", now_ms);
            zones.find(|of| is_it(&of["window"]))
        });
        let mut found = found?;
        let findings = documents.iter().flat_map(|document| aged(document, "findings", now_ms));
        found["version"] = 1.into();
        found["time_ms"] = now_ms.into();
        found["findings"] = findings.filter(is_it).collect();
        Some(found)
    }

    /// Every shard's document: of those here as it is now.
    async fn documents(&self) -> (i64, Vec<Value>) {
        let now_ms = self.clock.now_ms();
        let own: BTreeMap<String, Value> =
            Shown::all().iter().map(|shown| (shown.shard.clone(), shown.document(now_ms))).collect();
        let mut fetched = self.fetched.lock().await;
        let now = self.clock.elapsed();
        if fetched.at.is_none_or(|at| now.saturating_sub(at) >= PERIOD) {
            match tokio::time::timeout(FETCH_MAX, self.fetch()).await {
                Ok(Ok(documents)) => fetched.documents = documents,
                Ok(Err(error)) => warn!(%error, "views of other workers were not fetched; the last ones are shown"),
                Err(_) => warn!("views of other workers were not fetched in time; the last ones are shown"),
            }
            fetched.at = Some(now);
        }
        let mut all = fetched.documents.clone();
        all.retain(|_, document| age_ms(document, now_ms) < OLD_MS);
        all.extend(own);
        (now_ms, all.into_values().collect())
    }

    async fn fetch(&self) -> Result<BTreeMap<String, Value>, Error> {
        let mut documents = BTreeMap::new();
        for name in self.snapshots.list("views/").await? {
            let bytes = self.snapshots.get(&name).await?.unwrap_or_default();
            // Half an hour of two versions in one fleet is no reason to show nothing.
            let document: Value = serde_json::from_slice(&bytes).unwrap_or_default();
            if let (Some(shard), true) = (document["shard"].as_str(), document["version"] == VERSION) {
                documents.insert(shard.to_owned(), document.clone());
            }
        }
        Ok(documents)
    }
}

/// The members of a document's list, each with how old it is.
fn aged<'a>(document: &'a Value, list: &str, now_ms: i64) -> impl Iterator<Item = Value> + 'a {
    let age_seconds = (age_ms(document, now_ms) / 1000).max(0);
    document[list].as_array().into_iter().flatten().cloned().map(move |mut member| {
        member["age_seconds"] = age_seconds.into();
        member
    })
}

fn age_ms(document: &Value, now_ms: i64) -> i64 {
    let time_ms = document["time"].as_str().and_then(rfc3339_ms);
    time_ms.map_or(i64::MAX, |time_ms| now_ms - time_ms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures_test::{finding, minute, views};
    use cloud::memory;
    use detect::detector::Outcome;
    use detect::finding::{Finding, Severity, Status};

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
}
