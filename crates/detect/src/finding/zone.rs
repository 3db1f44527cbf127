//! One zone: what is known of it, and which findings are open.

use super::rules::{Evidence, judge};
use super::view::View;
use super::{Expected, Finding, Kind, Settings, Severity, Status, explain};
use crate::baseline::{Baseline, Looks, Signal};
use crate::{Window, stable_hash};
use std::sync::Arc;

/// What a rule must see of what it asks to open a finding, so that the finding goes on: half, lest one that wavers about its
/// threshold is told again and again.
const HOLD: f64 = 0.5;
/// And of the score less, since a scorer gets used to what goes on.
const HOLD_SCORE: f64 = 0.25;
/// A finding closes when nothing was seen of it for longer than this or, if that is longer, than two of its windows. The
/// longest window that has something of an incident in it ends within ten minutes of it.
const QUIET_MS: i64 = 660_000;
/// What goes on in longer windows than that of a finding, and than this, may be over.
const HOLD_WINDOW_MS: i64 = 60_000;
/// A finding that goes on is told again when it has lasted so long, then twice as long, and so on.
const UPDATE_MS: i64 = 600_000;
const SEED: u64 = 0x66_69_6e_64_69_6e_67;

/// What is known of a zone, and what is wrong with it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Zone {
    pub(super) baseline: Baseline,
    /// At most one of a kind, in the order of [`Kind::ALL`].
    pub(super) open: Vec<Open>,
    /// The end of the last finding that is over, milliseconds since 1970; 0 before the first.
    pub(super) ended_ms: i64,
}

/// A finding that is open.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Open {
    pub(super) kind: Kind,
    pub(super) start_ms: i64,
    pub(super) last_ms: i64,
    /// The shortest window in which it was seen.
    pub(super) window_ms: i64,
    /// When it is told again if it goes on.
    pub(super) update_ms: i64,
    /// It was told of an open window, which counted too little.
    pub(super) early: bool,
    pub(super) severity: Severity,
    pub(super) score: f64,
    /// Of the window with the highest score.
    pub(super) signal: Signal,
    pub(super) observed: f64,
    pub(super) expected: Option<Expected>,
}

impl Open {
    fn holds_by(&self, window: &Window) -> bool {
        window.length_ms <= self.window_ms.max(HOLD_WINDOW_MS)
    }

    /// Takes in what was seen of it.
    fn go_on(&mut self, window: &Window, evidence: &Evidence, seen_ms: i64) {
        self.last_ms = self.last_ms.max(seen_ms);
        self.severity = self.severity.max(evidence.severity);
        if evidence.score >= 1.0 {
            self.window_ms = self.window_ms.min(window.length_ms);
        }
        if evidence.score > self.score {
            self.score = evidence.score;
            self.signal = evidence.signal;
            self.observed = evidence.observed;
            self.expected = evidence.expected;
        }
    }
}

impl Zone {
    /// Of which nothing is known.
    pub fn new() -> Self {
        Self::default()
    }

    /// What is known of it.
    pub fn baseline(&self) -> &Baseline {
        &self.baseline
    }

    /// What is usual in it, without findings.
    pub fn usual(&self) -> Self {
        Self { baseline: self.baseline.clone(), ..Self::default() }
    }

    /// The kinds that are open.
    pub fn open(&self) -> impl Iterator<Item = Kind> {
        self.open.iter().map(|open| open.kind)
    }

    /// The findings that are open as they would be told if they were over now, but for their status. For whoever takes the zone
    /// over from another and shows what is open.
    pub fn open_findings(&self, zone_key: &Arc<str>, zone_name: &Arc<str>, settings: &Settings) -> Vec<Finding> {
        let told = |open: &Open| {
            let start_ms = open.last_ms;
            let (zone_key, zone_name) = (zone_key.clone(), zone_name.clone());
            let window = Window { zone_key, zone_name, start_ms, ..Window::default() };
            let summary = format!("{} goes on", open.kind.as_str());
            Finding { summary, ..base(open, &window, settings, Status::Updated) }
        };
        self.open.iter().map(told).collect()
    }

    /// Takes in a closed window, and learns from it if it is whole; what there is to tell. Windows of one length come in
    /// order, those without queries too, the shorter of equal ends first.
    pub fn push(&mut self, window: &Window, settings: &Settings) -> Vec<Finding> {
        self.push_looked(window, settings).0
    }

    /// The same, and how the window looks, for whoever shows it.
    pub fn push_looked(&mut self, window: &Window, settings: &Settings) -> (Vec<Finding>, Looks) {
        let looks = self.baseline.push(window);
        let end_ms = window.start_ms.saturating_add(window.length_ms);
        let mut told = self.judge(window, &looks, settings, end_ms);
        self.close(window, settings, end_ms, &mut told);
        self.baseline.learn_lists(window);
        (told, looks)
    }

    /// Judges a window that is still open, by what it counts so far: what is too much already is told before it closes.
    pub fn excess(&mut self, window: &Window, settings: &Settings) -> Vec<Finding> {
        let looks = self.baseline.judge(window, &Signal::GROWING);
        let so_far = Window { whole: false, ..window.clone() };
        self.judge(&so_far, &looks, settings, window.start_ms)
    }

    /// `seen_ms` is where what is seen in the window ends.
    fn judge(&mut self, window: &Window, looks: &Looks, settings: &Settings, seen_ms: i64) -> Vec<Finding> {
        let threshold = settings.threshold(window);
        let mut told = Vec::new();
        for kind in Kind::ALL {
            let place = self.open.iter().position(|open| open.kind == kind);
            let by = self.open().find(|open| open.hides(kind));
            if let Some(by) = by {
                if let Some(place) = place {
                    let open = self.open.remove(place);
                    told.push(ended(&open, window, settings, Status::Superseded(by)));
                }
                continue;
            }
            // Our own lag is no outage, and shares of a part of the queries are not those of all.
            let judged = window.length_ms >= kind.window_ms_min() && (window.whole || kind.is_excess());
            if !judged || place.is_some_and(|place| !self.open[place].holds_by(window)) {
                continue;
            }
            let (level, score_level) = if place.is_some() { (HOLD, HOLD_SCORE) } else { (1.0, 1.0) };
            let (known, ended_ms) = (self.baseline.known(), self.ended_ms);
            let view = View { window, looks, known, threshold, level, score_level, ended_ms };
            let Some(evidence) = judge(kind, &view) else { continue };
            let (status, place) = match place {
                Some(place) => {
                    let open = &mut self.open[place];
                    let told_severity = open.severity;
                    open.go_on(window, &evidence, seen_ms);
                    let grown = open.early && window.whole;
                    if !grown && open.severity == told_severity && seen_ms < open.update_ms {
                        continue;
                    }
                    (Status::Updated, place)
                }
                None => (Status::Opened, insert(&mut self.open, kind, window, &evidence, seen_ms)),
            };
            let open = &mut self.open[place];
            open.early = status == Status::Opened && !window.whole;
            let age_ms = seen_ms - open.start_ms;
            open.update_ms = seen_ms + age_ms.max(UPDATE_MS);
            told.push(telling(open, &view, evidence, settings, status));
        }
        told
    }

    /// Closes what nothing was seen of for a while.
    fn close(&mut self, window: &Window, settings: &Settings, end_ms: i64, told: &mut Vec<Finding>) {
        let is_over = |open: &Open| end_ms - open.last_ms > QUIET_MS.max(2 * open.window_ms);
        let over: Vec<Open> = self.open.extract_if(.., |open| is_over(open)).collect();
        self.ended_ms = over.iter().map(|open| open.last_ms).fold(self.ended_ms, i64::max);
        told.extend(over.iter().map(|open| ended(open, window, settings, Status::Closed)));
    }
}

fn insert(list: &mut Vec<Open>, kind: Kind, window: &Window, evidence: &Evidence, seen_ms: i64) -> usize {
    let open = Open {
        kind,
        start_ms: window.start_ms,
        last_ms: seen_ms,
        window_ms: window.length_ms,
        update_ms: 0,
        early: false,
        severity: evidence.severity,
        score: evidence.score,
        signal: evidence.signal,
        observed: evidence.observed,
        expected: evidence.expected,
    };
    let place = list.partition_point(|other| other.kind < kind);
    list.insert(place, open);
    place
}

/// An open finding as it is told.
fn base(open: &Open, window: &Window, settings: &Settings, status: Status) -> Finding {
    Finding {
        id: id(&window.zone_key, open.kind, open.start_ms),
        zone_key: window.zone_key.clone(),
        zone_name: window.zone_name.clone(),
        kind: open.kind,
        status,
        severity: open.severity,
        score: open.score,
        signal: open.signal,
        observed: open.observed,
        expected: open.expected,
        window_ms: open.window_ms,
        start_ms: open.start_ms,
        last_ms: open.last_ms,
        names: Vec::new(),
        suffixes: Vec::new(),
        resolvers: Vec::new(),
        networks: Vec::new(),
        edges: Vec::new(),
        coverage: window.coverage,
        whole: window.whole,
        muted: settings.is_muted(window, open.kind),
        summary: String::new(),
    }
}

fn telling(open: &Open, view: &View<'_>, evidence: Evidence, settings: &Settings, status: Status) -> Finding {
    let (window, known) = (view.window, view.known);
    let parts = |list, usual| explain::parts(view, evidence.difference, list, usual);
    Finding {
        score: evidence.score,
        signal: evidence.signal,
        observed: evidence.observed,
        expected: evidence.expected,
        window_ms: window.length_ms,
        names: parts(&window.top_names, &known.names),
        suffixes: if open.kind.is_attack() { explain::suffixes(view) } else { Vec::new() },
        resolvers: parts(&window.top_resolvers, &known.resolvers),
        networks: parts(&window.top_networks, &known.networks),
        edges: parts(&window.top_edges, &known.edges),
        summary: evidence.summary,
        ..base(open, window, settings, status)
    }
}

fn ended(open: &Open, window: &Window, settings: &Settings, status: Status) -> Finding {
    let minutes = ((open.last_ms - open.start_ms).max(0) as f64 / 60_000.0).ceil();
    let summary = match status {
        Status::Superseded(by) => format!("{} is part of {}", open.kind.as_str(), by.as_str()),
        _ => format!("{} is over; it lasted {minutes:.0} min", open.kind.as_str()),
    };
    Finding { summary, ..base(open, window, settings, status) }
}

fn id(zone_key: &str, kind: Kind, start_ms: i64) -> String {
    let text = format!("{zone_key}\0{}\0{start_ms}", kind.as_str());
    let [high, low] = [SEED, !SEED].map(|seed| stable_hash(seed, text.as_bytes()));
    format!("{high:016x}{low:016x}")
}
