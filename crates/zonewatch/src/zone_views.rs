//! What DETECT tasks of this worker know of their zones: the last windows, how they look, and what is wrong. People, Prometheus
//! and other workers are shown it.
//!
//! It lives as long as its task, so that a zone is shown by the worker that has its key group and by no other. Bounded: as many
//! zones as are judged, an hour of minutes each, and the last findings that are over.

use crate::config::rfc3339;
use crate::finding_line;
use crate::registry::{Registered, Registry};
use crate::telemetry::ZoneLabels;
use crate::window_line::{self, Closing};
use detect::baseline::Signal;
use detect::detector::{Outcome, Seen};
use detect::finding::{Finding, Kind, Severity, Status};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What people look at are minutes; whether queries come twice takes more of them to see.
const MINUTE_MS: i64 = 60_000;
const LONG_MS: i64 = 600_000;
/// Minutes kept of a zone.
const MINUTES_KEPT: usize = 60;
/// Findings kept that are over.
const OVER_KEPT: usize = 200;
/// A zone that nobody asked for so long is shown no more.
const IDLE_MS: i64 = 86_400_000;

static ALIVE: Registry<Shown> = Registry::new();

/// One task's; dropping it removes it.
pub struct ZoneViews(Registered<Shown>);

/// What is shown of one rollup shard.
pub struct Shown {
    /// The shard.
    pub shard: String,
    labels: Arc<ZoneLabels>,
    state: Mutex<State>,
}

/// What is shown now.
#[derive(Default)]
pub struct State {
    /// The end of the last minute that was closed, milliseconds since 1970, and its coverage.
    pub closed: Option<(i64, f64)>,
    /// By zone key.
    pub zones: BTreeMap<Arc<str>, ZoneView>,
    /// Findings that are open, by zone key and kind.
    pub open: BTreeMap<(Arc<str>, Kind), Telling>,
    /// The lines of those that are over, the last one last.
    over: VecDeque<Value>,
}

/// A zone.
pub struct ZoneView {
    /// Its value of the metrics' label.
    pub label: Arc<str>,
    /// The last minute, and how it looks.
    pub seen: Seen,
    /// Of its last ten minutes.
    pub duplicate_ratio: Option<f64>,
    asked_ms: i64,
    /// Start and queries of the last minutes.
    minutes: VecDeque<(i64, u64)>,
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
        Self(ALIVE.register(Shown { shard: shard.to_owned(), labels, state: Mutex::default() }))
    }

    /// Takes in what a record led to.
    pub fn told(&self, outcome: &Outcome) {
        if outcome.windows.is_empty() && outcome.findings.is_empty() {
            return;
        }
        let mut state = self.0.lock();
        for seen in &outcome.windows {
            match seen.window.length_ms {
                MINUTE_MS => self.minute(&mut state, seen),
                LONG_MS => {
                    let (sampled, twice) = (seen.window.sampled_ids, seen.window.duplicate_ids);
                    if let Some(zone) = state.zones.get_mut(&seen.window.zone_key) {
                        zone.duplicate_ratio = (sampled > 0).then(|| twice as f64 / sampled as f64);
                    }
                }
                _ => {}
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

    /// See [`Shown::document`].
    pub fn document(&self, now_ms: i64) -> Value {
        self.0.document(now_ms)
    }

    /// Takes over what the task before showed: of findings that are open, all that was told of them, and those that were over.
    pub fn adopt(&self, document: &Value) {
        let mut state = self.0.lock();
        for told in document["findings"].as_array().into_iter().flatten() {
            if told["open"] == true {
                let same = state.open.values_mut().find(|telling| telling.line["id"] == told["id"]);
                if let Some(telling) = same {
                    telling.line = told.clone();
                }
            } else if state.over.len() < OVER_KEPT {
                state.over.push_back(told.clone());
            }
        }
    }

    fn minute(&self, state: &mut State, seen: &Seen) {
        let window = &seen.window;
        let end_ms = window.start_ms + window.length_ms;
        state.closed = Some(match state.closed {
            Some((last_ms, coverage)) if last_ms == end_ms => (last_ms, coverage.min(window.coverage)),
            _ => (end_ms, window.coverage),
        });
        if window.queries > 0 && !state.zones.contains_key(&window.zone_key) {
            let label = self.0.labels.label(&window.zone_key, &window.zone_name);
            let (seen, minutes) = (seen.clone(), VecDeque::new());
            let view = ZoneView { label, seen, duplicate_ratio: None, asked_ms: end_ms, minutes };
            state.zones.insert(window.zone_key.clone(), view);
        }
        if let Some(zone) = state.zones.get_mut(&window.zone_key) {
            zone.seen = seen.clone();
            zone.minutes.push_back((window.start_ms, window.queries));
            if zone.minutes.len() > MINUTES_KEPT {
                zone.minutes.pop_front();
            }
            if window.queries > 0 {
                zone.asked_ms = end_ms;
            }
        }
        state.zones.retain(|_, zone| end_ms - zone.asked_ms < IDLE_MS);
    }

    fn finding(&self, state: &mut State, finding: &Finding) {
        let telling = Telling {
            label: self.0.labels.label(&finding.zone_key, &finding.zone_name),
            severity: finding.severity,
            muted: finding.muted,
            line: json!(finding_line::line(finding)),
        };
        let key = (finding.zone_key.clone(), finding.kind);
        match finding.status {
            Status::Opened | Status::Updated => {
                state.open.insert(key, telling);
            }
            Status::Closed | Status::Superseded(_) => {
                let mut line = telling.line;
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

    /// It as a document: what the API answers and other workers read. `docs/api.md` describes it.
    pub fn document(&self, now_ms: i64) -> Value {
        let state = self.lock();
        let open = state.open.values().map(|telling| told(&telling.line, true));
        let over = state.over.iter().map(|line| told(line, false));
        json!({
            "version": 1,
            "shard": self.shard,
            "time": rfc3339(now_ms),
            "windows_until": state.closed.map(|(end_ms, _)| rfc3339(end_ms)),
            "zones": state.zones.values().map(ZoneView::document).collect::<Vec<_>>(),
            "findings": open.chain(over).collect::<Vec<_>>(),
        })
    }
}

impl ZoneView {
    fn document(&self) -> Value {
        let by_signal = |numbers: &[Option<f64>]| {
            let known = Signal::ALL.iter().zip(numbers).filter_map(|(signal, number)| {
                number.map(|number| (signal.as_str().to_owned(), json!(crate::printable::rounded(number))))
            });
            Value::Object(known.collect::<Map<_, _>>())
        };
        let minutes = self.minutes.iter().map(|(start_ms, queries)| json!([rfc3339(*start_ms), queries]));
        json!({
            "window": window_line::line(&self.seen.window, Closing::ByTime),
            "scores": by_signal(&self.seen.scores),
            "values": by_signal(&self.seen.values),
            "minutes": minutes.collect::<Vec<_>>(),
        })
    }
}

fn told(line: &Value, open: bool) -> Value {
    let mut document = line.clone();
    document["open"] = open.into();
    document
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures_test::{finding, minute, views};

    fn told(windows: Vec<Seen>, findings: Vec<Finding>) -> Outcome {
        Outcome { windows, findings, ..Outcome::default() }
    }

    #[test]
    fn a_finding_is_open_until_it_is_over() {
        let views = views("finding-open");
        views.told(&told(vec![minute("Z1", 0, 7)], vec![finding()]));
        let document = views.0.document(0);
        assert_eq!(
            (&document["findings"][0]["open"], &document["findings"][0]["kind"]),
            (&true.into(), &"random_subdomain".into())
        );
        assert_eq!(document["zones"][0]["window"]["queries"], 7);
        assert_eq!(document["zones"][0]["scores"].to_string(), r#"{"queries":1.25}"#);
        assert_eq!(document["windows_until"], "2026-11-22T10:01:00Z");
        views.told(&told(Vec::new(), vec![Finding { status: Status::Closed, names: Vec::new(), ..finding() }]));
        let document = views.0.document(0);
        assert_eq!(document["findings"][0]["names"][0]["count"], 900, "as they were while it was open");
        assert_eq!(document["findings"].as_array().map(Vec::len), Some(1));
        assert_eq!(document["findings"][0]["open"], false);
        assert!(views.0.lock().open.is_empty());
    }

    #[test]
    fn the_next_owner_shows_what_the_one_before_knew() {
        let before = views("adopt-before");
        let over = Finding { kind: Kind::Tunnel, status: Status::Closed, id: "f".repeat(32), ..finding() };
        before.told(&told(Vec::new(), vec![over, finding()]));
        let document = before.0.document(0);
        let next = views("adopt-next");
        // What a state says of it has no names.
        let bare = Finding { names: Vec::new(), summary: "goes on".into(), status: Status::Updated, ..finding() };
        next.open([bare].into_iter());
        next.adopt(&document);
        assert_eq!(next.0.document(0)["findings"], document["findings"]);
        next.adopt(&json!({"findings": [7, {"open": true, "id": "unknown"}]}));
        assert_eq!(next.0.lock().open.len(), 1, "only a state says what is open");
    }

    #[test]
    fn what_is_shown_is_bounded_and_goes_with_its_task() {
        let views = views("bounded");
        for number in 0..1_450 {
            let silent = if number == 0 { vec![minute("Z2", 0, 1)] } else { vec![minute("Z2", number, 0)] };
            let findings = vec![finding(), Finding { status: Status::Closed, ..finding() }];
            views.told(&told([vec![minute("Z1", number, 1)], silent].concat(), findings));
        }
        {
            let state = views.0.lock();
            assert_eq!(state.zones.keys().map(|key| &**key).collect::<Vec<_>>(), ["Z1"], "Z2 is idle for a day");
            assert_eq!((state.zones["Z1"].minutes.len(), state.over.len()), (MINUTES_KEPT, OVER_KEPT));
        }
        let shown = || Shown::all().iter().any(|shown| shown.shard == "bounded");
        assert!(shown());
        drop(views);
        assert!(!shown());
    }
}
