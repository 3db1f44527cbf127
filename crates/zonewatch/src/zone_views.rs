//! What DETECT tasks of this worker know of their zones: the last windows, how they look, and what is wrong. People, Prometheus
//! and other workers are shown it.
//!
//! It lives as long as its task, so that a zone is shown by the worker that has its key group and by no other. Bounded: as many
//! zones as are judged, an hour of minutes each, and the last findings that are over.

mod brief;
mod document;
mod edges;
mod history;
#[cfg(test)]
mod tests;
mod together;

pub use brief::{Brief, SEVERITIES};
pub use document::{history_in, part};
pub use edges::EdgeCount;
pub use history::{MINUTE_MS, MINUTES_KEPT, of_minutes};
pub use together::is_together;

use crate::finding_line;
use crate::printable::printable;
use crate::registry::{Registered, Registry};
use crate::telemetry::ZoneLabels;
use bytes::Bytes;
use detect::Window;
use detect::detector::{Outcome, Seen};
use detect::finding::{Finding, Kind, Severity, Status};
use edges::Edges;
use history::History;
use serde_json::{Value, json};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Of the document that other workers read. One of another version is left out, whoever reads it.
pub const VERSION: u64 = 1;

/// What people look at are minutes; whether queries come twice takes more of them to see.
const LONG_MS: i64 = 600_000;
/// A zone that is not seen for so long after its task has begun begins a new history.
const FORMER_MS: i64 = 600_000;
/// Findings kept that are over.
const OVER_KEPT: usize = 200;
/// A zone that nobody asked for so long is shown no more.
const IDLE_MS: i64 = 86_400_000;
/// One that is not judged is told of when it is asked only: what was last seen of it is soon not how it is.
const UNSEEN_MS: i64 = 600_000;
/// Zones shown of a shard: as many as its key groups judge, if it has ten of them.
const ZONES_MAX: usize = 10_000;

static ALIVE: Registry<Shown> = Registry::new();

/// One task's; dropping it removes it.
pub struct ZoneViews(Registered<Shown>);

/// What is shown of one rollup shard.
pub struct Shown {
    /// The shard.
    pub shard: String,
    /// How many parts its histories had when they were put last.
    pub history_parts: AtomicUsize,
    /// No task before has left a view, so that one without windows replaces nothing.
    is_first: AtomicBool,
    /// No other task of this process has it.
    number: u64,
    labels: Arc<ZoneLabels>,
    state: Mutex<State>,
}

/// What is shown now.
#[derive(Default)]
pub struct State {
    /// The end of the last minute that was closed, milliseconds since 1970, and its coverage.
    pub closed: Option<(i64, f64)>,
    /// By zone key. Whoever makes a document of them holds them meanwhile, and not the lock.
    pub zones: BTreeMap<Arc<str>, Arc<ZoneView>>,
    /// Findings that are open, by zone key and kind.
    pub open: BTreeMap<(Arc<str>, Kind), Telling>,
    /// The lines of those that are over, the last one last.
    over: VecDeque<Value>,
    edges: Edges,
    /// Lines of the histories that the task before has left, by zone id, until their zones are seen again or this time has come.
    former: BTreeMap<String, Bytes>,
    former_until_ms: Option<i64>,
    /// How often zones and findings have changed.
    changes: Changes,
}

/// Greater than before means that there is something new.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Changes {
    /// Of zones and edges.
    pub zones: u64,
    /// Of findings.
    pub findings: u64,
}

/// A zone.
#[derive(Clone)]
pub struct ZoneView {
    /// Its value of the metrics' label.
    pub label: Arc<str>,
    /// The last minute, and how it looks.
    pub seen: Seen,
    /// Of its last ten minutes.
    pub duplicate_ratio: Option<f64>,
    asked_ms: i64,
    /// What was before it the task before has told.
    since_ms: i64,
    history: History,
}

/// The last telling of a finding.
pub struct Telling {
    /// Its zone's value of the metrics' label.
    pub label: Arc<str>,
    /// How bad.
    pub severity: Severity,
    /// Somebody does not want to hear of it.
    pub muted: bool,
    line: Value,
}

impl ZoneViews {
    /// Of a shard whose task begins, and of which nothing is known.
    pub fn new(shard: &str, labels: Arc<ZoneLabels>) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Self(ALIVE.register(Shown {
            shard: shard.to_owned(),
            history_parts: AtomicUsize::new(0),
            is_first: AtomicBool::new(false),
            number,
            labels,
            state: Mutex::default(),
        }))
    }

    /// Takes in what a record led to.
    pub fn told(&self, outcome: &Outcome) {
        if outcome.windows.is_empty() && outcome.findings.is_empty() {
            return;
        }
        let mut state = self.0.lock();
        let mut end_ms = None;
        for seen in &outcome.windows {
            match seen.window.length_ms {
                MINUTE_MS => end_ms = end_ms.max(Some(self.minute(&mut state, seen))),
                LONG_MS => {
                    let (sampled, twice) = (seen.window.sampled_ids, seen.window.duplicate_ids);
                    if let Some(zone) = state.zones.get_mut(&seen.window.zone_key) {
                        Arc::make_mut(zone).duplicate_ratio = (sampled > 0).then(|| twice as f64 / sampled as f64);
                    }
                }
                _ => {}
            }
        }
        if let Some(end_ms) = end_ms {
            state.zones.retain(|_, zone| end_ms - zone.asked_ms < IDLE_MS && end_ms - zone.seen_ms() < UNSEEN_MS);
            state.changes.zones += 1;
            if end_ms > *state.former_until_ms.get_or_insert(end_ms + FORMER_MS) {
                state.former.clear();
            }
        }
        for finding in &outcome.findings {
            self.finding(&mut state, finding);
        }
    }

    /// Findings that are open as the task takes them over.
    pub fn open(&self, findings: impl Iterator<Item = Finding>) {
        let mut state = self.0.lock();
        for finding in findings {
            self.finding(&mut state, &finding);
        }
    }

    /// See [`Shown::is_put`].
    pub fn is_put(&self) -> bool {
        self.0.is_put()
    }

    /// See [`Shown::document`].
    pub fn document(&self, now_ms: i64) -> Value {
        self.0.document(now_ms)
    }

    /// There is no view of a task before: others shall hear of this shard before its first minute closes.
    pub fn begin(&self) {
        self.0.is_first.store(true, Ordering::Relaxed);
    }

    /// Takes over what the task before showed: of findings that are open, all that was told of them, and those that were over.
    /// Of another version it takes nothing: details are missing then until there is something to tell again. Whether it did.
    pub fn adopt(&self, document: &Value) -> bool {
        if document["version"] != VERSION {
            return false;
        }
        // They lie there until this task puts its own.
        let history_parts = document["history_parts"].as_u64().unwrap_or(0);
        self.0.history_parts.store(history_parts as usize, Ordering::Relaxed);
        let mut state = self.0.lock();
        state.changes.findings += 1;
        for told in document["findings"].as_array().into_iter().flatten().filter(|told| told.is_object()) {
            if told["open"] == true {
                let same = state.open.values_mut().find(|telling| telling.line["id"] == told["id"]);
                if let Some(telling) = same {
                    telling.line = told.clone();
                }
            } else if state.over.len() < OVER_KEPT {
                state.over.push_back(told.clone());
            }
        }
        true
    }

    /// Takes over what the task before has put of histories, of which this is a part.
    pub fn adopt_histories(&self, part: &Bytes) {
        self.0.lock().former.extend(document::history_lines(part));
    }

    /// Takes in a zone's minute; where it ends.
    fn minute(&self, state: &mut State, seen: &Seen) -> i64 {
        let window = &seen.window;
        let end_ms = window.start_ms + window.length_ms;
        state.closed = Some(match state.closed {
            Some((last_ms, coverage)) if last_ms == end_ms => (last_ms, coverage.min(window.coverage)),
            _ => (end_ms, window.coverage),
        });
        state.edges.add(seen);
        let is_full = state.zones.len() >= ZONES_MAX;
        let zone = match state.zones.entry(window.zone_key.clone()) {
            // A zone that the task before showed goes on, and one that nobody has asked since is none.
            Entry::Vacant(_) if window.queries == 0 && !state.former.contains_key(&*printable(&window.zone_key)) => {
                return end_ms;
            }
            Entry::Vacant(_) if is_full => return end_ms,
            Entry::Vacant(place) => {
                let label = self.0.labels.label(&window.zone_key, &window.zone_name);
                let former = state.former.remove(&*printable(&window.zone_key));
                Arc::make_mut(place.insert(Arc::new(ZoneView::new(label, seen, former))))
            }
            Entry::Occupied(place) => {
                let zone = Arc::make_mut(place.into_mut());
                if is_together(&window.zone_key) {
                    zone.add(seen);
                } else {
                    zone.seen.clone_from(seen);
                    zone.history.push(seen);
                }
                zone
            }
        };
        if window.queries > 0 {
            zone.asked_ms = zone.asked_ms.max(end_ms);
        }
        end_ms
    }

    fn finding(&self, state: &mut State, finding: &Finding) {
        state.changes.findings += 1;
        let is_open = matches!(finding.status, Status::Opened | Status::Updated);
        let mut line = json!(finding_line::line(finding));
        line["open"] = is_open.into();
        let key = (finding.zone_key.clone(), finding.kind);
        if is_open {
            let label = self.0.labels.label(&finding.zone_key, &finding.zone_name);
            let telling = Telling { label, severity: finding.severity, muted: finding.muted, line };
            state.open.insert(key, telling);
            return;
        }
        if let Some(mut before) = state.open.remove(&key) {
            // Who made it is no longer told, and is what people ask for next.
            for list in ["names", "suffixes", "resolvers", "networks", "edges"] {
                line[list] = before.line[list].take();
            }
        }
        state.over.push_back(line);
        if state.over.len() > OVER_KEPT {
            state.over.pop_front();
        }
    }
}

impl ZoneView {
    /// Of its first minute; `former` is what the task before has left of its history.
    fn new(label: Arc<str>, seen: &Seen, former: Option<Bytes>) -> Self {
        let Window { zone_key, start_ms, length_ms, .. } = &seen.window;
        let former = former.and_then(|line| serde_json::from_slice::<Value>(&line).ok());
        let mut history = former.map(|line| History::read(&line["history"], *start_ms)).unwrap_or_default();
        let since_ms = history.minutes().next().map_or(i64::MIN, |_| *start_ms);
        history.push(seen);
        let seen = if is_together(zone_key) { together::countable(seen) } else { seen.clone() };
        Self { label, duplicate_ratio: None, asked_ms: start_ms + length_ms, since_ms, history, seen }
    }

    /// The end of the last minute that was seen.
    fn seen_ms(&self) -> i64 {
        self.seen.window.start_ms + self.seen.window.length_ms
    }
}

impl Shown {
    /// Every shard's whose task runs here.
    pub fn all() -> Vec<Arc<Self>> {
        ALIVE.by_key(|shown| shown.shard.clone())
    }

    /// What is shown now.
    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Which task's it is, and how often it has changed.
    pub fn changes(&self) -> (u64, Changes) {
        (self.number, self.lock().changes)
    }

    /// The end of the last minute that was closed, milliseconds since 1970.
    pub fn closed_ms(&self) -> Option<i64> {
        self.lock().closed.map(|(end_ms, _)| end_ms)
    }

    /// Whether others are to be shown it: until a minute has closed, what the task before has left says more.
    pub fn is_put(&self) -> bool {
        self.is_first.load(Ordering::Relaxed) || self.closed_ms().is_some()
    }

    /// Its findings, the open ones first.
    pub fn findings(&self) -> Vec<Value> {
        let state = self.lock();
        let open = state.open.values().map(|telling| &telling.line);
        open.chain(&state.over).cloned().collect()
    }

    /// Its zones in short.
    pub fn briefs(&self) -> Vec<Brief> {
        self.zones().iter().map(|zone| Brief::of(zone)).collect()
    }

    /// A zone by id or name, with its history.
    pub fn zone(&self, zone: &str) -> Option<Value> {
        let found = {
            let state = self.lock();
            let by_name = || state.zones.values().find(|view| &*view.seen.window.zone_name == zone);
            Arc::clone(state.zones.get(zone).or_else(by_name)?)
        };
        let mut document = found.document();
        document["history"] = found.history.document();
        Some(document)
    }

    /// Queries by edge location, of all zones.
    pub fn edges(&self) -> Vec<EdgeCount> {
        self.lock().edges.counts()
    }

    fn zones(&self) -> Vec<Arc<ZoneView>> {
        self.lock().zones.values().cloned().collect()
    }
}
