//! What is known about one zone: a scorer for each signal at each length of window, and who usually asks what where.
//!
//! Only whole windows teach: what our own lag leaves out is neither an outage nor usual. A window that is open or not whole
//! can be judged by what is known, which changes nothing.
//!
//! A baseline is at most [`Baseline::BYTES_MAX`] bytes, some 250 KiB as a rule once a zone has been seen for days. It is
//! stored without rounding: what another worker goes on with tells the same.

mod shares;
mod signal;

pub use shares::Shares;
pub(crate) use shares::{float, put_float};
pub use signal::Signal;
pub(crate) use signal::{amplifying, code, walking};

use crate::score::{SIGNALS, STATE_BYTES_MAX, Score, Scorer, WINDOWS_S};
use crate::wire::{Input, put_bytes};
use crate::{TopName, Window};

/// Names kept of each list. A window's lists have 32 names and edges and 16 resolvers and networks; a zone is asked from
/// some hundreds of networks, and which of them are in a window's list is chance.
const NAMES_KEPT: usize = 64;
const RESOLVERS_KEPT: usize = 64;
const NETWORKS_KEPT: usize = 256;
const EDGES_KEPT: usize = 64;
/// Lists are learnt from windows of this length, once a minute.
const LISTS_WINDOW_S: i64 = 60;
/// A network is new for so long.
const NEW_S: i64 = 86_400;
/// A row that is still out of the way makes up at least half of what a sum of rows says; else the sum only remembers.
const GOES_ON: f64 = 0.5;

/// What a signal of a window looks like beside what is known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Look {
    /// Which signal.
    pub signal: Signal,
    /// As the scorer's; [`crate::score::Threshold::score`] makes a score of it.
    pub surprise: f64,
    /// The same of this window alone.
    pub sudden: f64,
    /// Over how many windows, up to this one, it is most surprising.
    pub rows: usize,
    /// What was seen over these windows, in the unit of the signal, a window.
    pub observed: f64,
    /// What was expected over them.
    pub expected: f64,
    /// Between this and `high` 99 of 100 windows lie at this hour.
    pub low: f64,
    /// See `low`.
    pub high: f64,
    /// What was seen in this window alone.
    pub row_observed: f64,
    /// What was expected of it.
    pub row_expected: f64,
}

impl Look {
    fn new(signal: Signal, scorer: &Scorer, score: &Score) -> Self {
        let (low, high) = scorer.band(score);
        let (row_observed, row_expected) = scorer.row(score);
        let Score { surprise, sudden, rows, observed, expected, .. } = *score;
        Self { signal, surprise, sudden, rows, observed, expected, low, high, row_observed, row_expected }
    }

    /// What the window alone looks like, without those before it.
    pub(crate) fn alone(self) -> Self {
        let (surprise, observed, expected) = (self.sudden, self.row_observed, self.row_expected);
        Self { surprise, rows: 1, observed, expected, ..self }
    }

    /// Whether more was seen than expected.
    pub fn is_up(&self) -> bool {
        self.observed > self.expected
    }

    /// Whether what a sum of windows says goes on in this one.
    pub fn goes_on(&self) -> bool {
        let (sum, row) = (self.observed - self.expected, self.row_observed - self.row_expected);
        if sum > 0.0 { row >= GOES_ON * sum } else { row <= GOES_ON * sum }
    }
}

/// The looks at a window's signals; none where there is none, or nothing is known.
pub type Looks = [Option<Look>; SIGNALS];

/// Who usually asks what where.
#[derive(Debug, Clone, PartialEq)]
pub struct Known {
    /// Names that are asked.
    pub names: Shares,
    /// Addresses that ask.
    pub resolvers: Shares,
    /// Networks that ask.
    pub networks: Shares,
    /// Edge locations that answer.
    pub edges: Shares,
}

impl Known {
    fn new() -> Self {
        let [names, resolvers, networks, edges] =
            [NAMES_KEPT, RESOLVERS_KEPT, NETWORKS_KEPT, EDGES_KEPT].map(Shares::new);
        Self { names, resolvers, networks, edges }
    }

    /// The networks of a window that were first seen less than a day before. None in a zone's first day, in which all are.
    pub fn new_networks<'a>(&self, window: &'a Window) -> Option<Vec<&'a TopName>> {
        let (time_s, since_s) = (window.start_ms / 1000, self.networks.since_s()?);
        let is_new = |network: &&TopName| {
            let first_s = self.networks.first_s(&network.name).unwrap_or(time_s);
            first_s >= since_s + NEW_S && time_s - first_s < NEW_S
        };
        (time_s >= since_s + NEW_S).then(|| window.top_networks.iter().filter(is_new).collect())
    }

    fn learn(&mut self, window: &Window) {
        let time_s = window.start_ms / 1000;
        let lists = [&window.top_names, &window.top_resolvers, &window.top_networks, &window.top_edges];
        for (shares, list) in self.all_mut().into_iter().zip(lists) {
            shares.learn(time_s, list, window.queries);
        }
    }

    fn all_mut(&mut self) -> [&mut Shares; 4] {
        [&mut self.names, &mut self.resolvers, &mut self.networks, &mut self.edges]
    }

    fn all(&self) -> [&Shares; 4] {
        [&self.names, &self.resolvers, &self.networks, &self.edges]
    }
}

/// What is known about one zone.
#[derive(Debug, Clone, PartialEq)]
pub struct Baseline {
    /// By length of window as in [`WINDOWS_S`], then by signal as in [`Signal::ALL`].
    scorers: Vec<Scorer>,
    known: Known,
}

impl Default for Baseline {
    fn default() -> Self {
        Self::new()
    }
}

impl Baseline {
    /// No baseline is encoded in more bytes.
    pub const BYTES_MAX: usize = WINDOWS_S.len() * SIGNALS * (STATE_BYTES_MAX + 2)
        + 2 * (NAMES_KEPT + RESOLVERS_KEPT + NETWORKS_KEPT + EDGES_KEPT) * (255 + 2 + 8 + 10)
        + 4 * 64;

    /// Of a zone never seen before.
    pub fn new() -> Self {
        let scorers = WINDOWS_S.iter().flat_map(|_| Signal::ALL.map(|signal| Scorer::new(signal.kind())));
        Self { scorers: scorers.collect(), known: Known::new() }
    }

    /// Who usually asks what where.
    pub fn known(&self) -> &Known {
        &self.known
    }

    /// What the signals of a window come to, each in its unit.
    pub fn values(&self, window: &Window) -> [Option<f64>; SIGNALS] {
        Signal::ALL.map(|signal| signal.observe(window, &self.known)?.value())
    }

    /// How a window looks; a whole one is learnt from. A window of another length than [`WINDOWS_S`] has no looks.
    ///
    /// Of each length whole windows come in order, those without queries too. Lists are not learnt here but by
    /// [`Baseline::learn_lists`], since whoever judges the window wants them as they were before it.
    pub fn push(&mut self, window: &Window) -> Looks {
        if !window.whole {
            return self.judge(window, &Signal::ALL);
        }
        let mut looks = [None; SIGNALS];
        let Some(first) = first_scorer(window) else { return looks };
        for (index, signal) in Signal::ALL.into_iter().enumerate() {
            let Some(observation) = signal.observe(window, &self.known) else { continue };
            let scorer = &mut self.scorers[first + index];
            let score = scorer.push(window.start_ms / 1000, observation);
            looks[index] = score.map(|score| Look::new(signal, scorer, &score));
        }
        looks
    }

    /// How some signals of a window look, nothing being learnt from it. Of a window that counts too little, only what is
    /// more than expected means something.
    pub fn judge(&self, window: &Window, signals: &[Signal]) -> Looks {
        let mut looks = [None; SIGNALS];
        let Some(first) = first_scorer(window) else { return looks };
        for &signal in signals {
            let Some(observation) = signal.observe(window, &self.known) else { continue };
            let mut scorer = self.scorers[first + signal as usize].clone();
            let score = scorer.push(window.start_ms / 1000, observation);
            looks[signal as usize] = score.map(|score| Look::new(signal, &scorer, &score));
        }
        looks
    }

    /// Learns who asks what where from a whole window of a minute, and from no other.
    pub fn learn_lists(&mut self, window: &Window) {
        if window.whole && window.length_ms == 1000 * LISTS_WINDOW_S && window.queries > 0 {
            self.known.learn(window);
        }
    }

    /// Bytes that it holds on the heap beside the scorers.
    pub fn list_bytes(&self) -> usize {
        self.known.all().map(Shares::heap_bytes).iter().sum()
    }

    /// Appends it.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let mut state = Vec::with_capacity(STATE_BYTES_MAX);
        for scorer in &self.scorers {
            state.clear();
            scorer.encode(&mut state);
            put_bytes(out, &state);
        }
        self.known.all().iter().for_each(|shares| shares.encode(out));
    }

    /// Reads what [`Baseline::encode`] appended; none if it is no such thing.
    pub(crate) fn decode(input: &mut Input<'_>) -> Option<Self> {
        let mut baseline = Self::new();
        for scorer in &mut baseline.scorers {
            let read = Scorer::decode(input.bytes(STATE_BYTES_MAX)?).ok()?;
            if read.kind() != scorer.kind() {
                return None;
            }
            *scorer = read;
        }
        let kept = [NAMES_KEPT, RESOLVERS_KEPT, NETWORKS_KEPT, EDGES_KEPT];
        for (shares, kept) in baseline.known.all_mut().into_iter().zip(kept) {
            *shares = Shares::decode(input, kept)?;
        }
        Some(baseline)
    }
}

/// Where the scorers of the window's length begin.
fn first_scorer(window: &Window) -> Option<usize> {
    Some(WINDOWS_S.iter().position(|window_s| 1000 * window_s == window.length_ms)? * SIGNALS)
}
