//! The zones of the whole fleet, as any worker shows them: what tasks here know, live, and what those of others put beside their
//! snapshots, which is some seconds old.
//!
//! Others' views are fetched only when somebody asks, and kept for a while: a fleet that nobody looks at costs one small object
//! a rollup shard every ten seconds.

mod answers;
#[cfg(test)]
mod tests;
mod together;

use crate::clock::Clock;
use crate::config::rfc3339_ms;
use crate::minutely::Minutely;
use crate::zone_views::{Brief, Shown, VERSION, ZoneViews, history_in, part};
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
/// The view that the owner before left is waited for so long; without it details are missing until there is something to tell.
const VIEW_MAX: Duration = Duration::from_secs(2);
/// Pictures that were not taken over by then begin anew: reading must begin.
const ADOPT_MAX: Duration = Duration::from_secs(1);
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

/// Shows what the task before has left of a shard, if that is at hand. Whoever has looked and found nothing begins.
pub async fn take_over(snapshots: &Arc<dyn Snapshots>, shard: &str, views: &ZoneViews) {
    let Ok(Ok(found)) = tokio::time::timeout(VIEW_MAX, snapshots.get(&place(shard))).await else { return };
    let Some(bytes) = found else { return views.begin() };
    if let Ok(document) = serde_json::from_slice(&bytes)
        && views.adopt(&document)
    {
        let histories = histories(snapshots, &document, |part| views.adopt_histories(&part));
        let _ = tokio::time::timeout(ADOPT_MAX, histories).await;
    }
}

/// Gets all histories that were put with a shard's view, part by part.
async fn histories(snapshots: &Arc<dyn Snapshots>, view: &Value, mut take: impl FnMut(Bytes)) {
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
    /// What tasks here show.
    own: Own,
    /// Locked over a fetch: of many who look at once one fetches, and the others wait for it instead of fetching too.
    fetched: Mutex<Fetched>,
    histories: std::sync::Mutex<Histories>,
}

/// Tells what tasks here show now.
type Own = Box<dyn Fn() -> Vec<Arc<Shown>> + Send + Sync>;

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
    /// Its zones in short, as if they were new: lists of minutes are long, and read once.
    briefs: Arc<[Arc<Brief>]>,
    time_ms: i64,
    /// Differ if zones do, and if findings do.
    tags: [u64; 2],
}

impl FleetViews {
    /// Of the fleet whose snapshots lie there.
    pub fn new(snapshots: Arc<dyn Snapshots>, clock: Clock) -> Self {
        Self::with(snapshots, clock, Box::new(Shown::all))
    }

    fn with(snapshots: Arc<dyn Snapshots>, clock: Clock, own: Own) -> Self {
        Self { snapshots, clock, own, fetched: Mutex::default(), histories: std::sync::Mutex::default() }
    }

    /// Puts the views of tasks here, again and again.
    pub async fn publish(&self) {
        let said = Minutely::default();
        let mut put: BTreeMap<String, Put> = BTreeMap::new();
        loop {
            tokio::time::sleep(PERIOD).await;
            let alive: Vec<_> = (self.own)().into_iter().filter(|shown| shown.is_put()).collect();
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
            let (parts, mut bytes) = (histories.len(), 0);
            for (part, lines) in histories.enumerate() {
                bytes += lines.len();
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
        let (now_ms, own) = (self.clock.now_ms(), (self.own)());
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
    /// None if it is no such document of a shard, or one of another version: half an hour of two versions in one fleet is
    /// no reason to show nothing.
    fn read(bytes: &[u8]) -> Option<Self> {
        let mut document: Value = serde_json::from_slice(bytes).ok()?;
        if document["version"] != VERSION {
            return None;
        }
        document["shard"].as_str()?;
        let time_ms = document["time"].as_str().and_then(rfc3339_ms)?;
        for list in ["zones", "findings", "edges"] {
            if let Some(members) = document[list].as_array_mut() {
                members.retain(Value::is_object);
            }
        }
        let hasher = BuildHasherDefault::<DefaultHasher>::default();
        let tags = ["zones", "findings"].map(|list| hasher.hash_one(&document[list]));
        let zones = document["zones"].as_array().into_iter().flatten();
        let briefs = zones.filter_map(|zone| Brief::read(zone, 0)).map(Arc::new).collect();
        Some(Self { document: Arc::new(document), briefs, time_ms, tags })
    }

    fn list(&self, name: &str) -> &[Value] {
        self.document[name].as_array().map_or(&[], Vec::as_slice)
    }

    /// Until when its shard has closed its windows.
    fn until_ms(&self) -> Option<i64> {
        self.document["windows_until"].as_str().and_then(rfc3339_ms)
    }

    fn age_seconds(&self, now_ms: i64) -> i64 {
        (now_ms - self.time_ms).max(0) / 1000
    }
}
