//! What we tell the world: that something is wrong with a zone, what, how bad, and what makes it so.
//!
//! A rule for each [`Kind`] looks at one window beside what is known of the zone (`rules`); [`Zone`] turns what rules say
//! into findings that open, are updated and close. The numbers in the rules stand with their sources in `docs/findings.md`.
//!
//! Everything follows from the windows in their order and the settings: a replay tells the same findings under the same ids.
//! Nothing here knows what becomes of a finding.

mod explain;
#[cfg(test)]
mod made;
mod rules;
mod settings;
mod state;
#[cfg(test)]
mod tests;
mod view;
mod zone;

pub use explain::Part;
pub use settings::{Maintenance, Settings, ZoneSettings};
pub use zone::Zone;

use crate::baseline::Signal;
use std::sync::Arc;

/// What may be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Few who ask get answers much larger than their questions.
    Amplification,
    /// Data is carried in names that are asked once.
    Tunnel,
    /// Somebody looks for the names that a zone has.
    Enumeration,
    /// Names made by chance that no cache can hold.
    RandomSubdomain,
    /// Answers fail that did not fail before.
    ErrorSurge,
    /// Far fewer queries than usual, or none.
    TrafficDrop,
    /// A network asks much that never asked before.
    NewNetwork,
    /// One address or network asks far more of all than usual.
    ResolverConcentration,
    /// Far more queries than usual, without any sign of the above.
    TrafficSpike,
    /// Queries are answered at other edge locations than usual.
    EdgeShift,
}

impl Kind {
    /// All, the most specific first: what one cause makes is told under the first that fits, see [`Kind::hides`].
    pub const ALL: [Self; 10] = [
        Self::Amplification,
        Self::Tunnel,
        Self::Enumeration,
        Self::RandomSubdomain,
        Self::ErrorSurge,
        Self::TrafficDrop,
        Self::NewNetwork,
        Self::ResolverConcentration,
        Self::TrafficSpike,
        Self::EdgeShift,
    ];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Amplification => "amplification",
            Self::Tunnel => "tunnel",
            Self::Enumeration => "enumeration",
            Self::RandomSubdomain => "random_subdomain",
            Self::ErrorSurge => "error_surge",
            Self::TrafficDrop => "traffic_drop",
            Self::NewNetwork => "new_network",
            Self::ResolverConcentration => "resolver_concentration",
            Self::TrafficSpike => "traffic_spike",
            Self::EdgeShift => "edge_shift",
        }
    }

    /// The kind of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// Whether it is somebody's doing, with queries of its own beside the usual ones.
    pub const fn is_attack(self) -> bool {
        matches!(self, Self::Amplification | Self::Tunnel | Self::Enumeration | Self::RandomSubdomain)
    }

    /// Whether this kind explains what the other would say, so that only this one is told. Never both ways.
    pub fn hides(self, other: Self) -> bool {
        use Kind::{EdgeShift, ErrorSurge, NewNetwork, ResolverConcentration, TrafficDrop, TrafficSpike};
        match self {
            // Who attacks asks much, from somewhere, and gets errors. That queries are missing it does not explain.
            _ if self.is_attack() => self < other && other != TrafficDrop,
            // What fails is asked again.
            ErrorSurge => other == TrafficSpike,
            // What is left of the queries is not made up as usual.
            TrafficDrop => matches!(other, NewNetwork | ResolverConcentration | EdgeShift),
            NewNetwork => matches!(other, ResolverConcentration | TrafficSpike | EdgeShift),
            ResolverConcentration => matches!(other, TrafficSpike | EdgeShift),
            TrafficSpike => other == EdgeShift,
            _ => false,
        }
    }

    /// Whether it can be told of a window that is still open or counts too little: more of something only becomes more.
    pub const fn is_excess(self) -> bool {
        self.is_attack() || matches!(self, Self::TrafficSpike)
    }

    /// The shortest window that it is judged on, milliseconds. What any cause may bring about waits for a whole minute, so
    /// that the cause is told first.
    pub const fn window_ms_min(self) -> i64 {
        if self.is_attack() { 10_000 } else { 60_000 }
    }
}

/// How bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// Good to know.
    Info,
    /// Somebody should look when there is time.
    Warning,
    /// Somebody should look now.
    Critical,
}

impl Severity {
    /// All, the least first.
    pub const ALL: [Self; 3] = [Self::Info, Self::Warning, Self::Critical];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// Where a finding is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Told for the first time.
    Opened,
    /// It goes on, and is worse or much longer than was told last.
    Updated,
    /// Nothing was seen of it for a while.
    Closed,
    /// Another kind explains it, and is told from here on.
    Superseded(Kind),
}

impl Status {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Updated => "updated",
            Self::Closed => "closed",
            Self::Superseded(_) => "superseded",
        }
    }
}

/// What was expected, in the unit of the signal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Expected {
    /// At this hour of the day and week.
    pub value: f64,
    /// Between this and `high` 99 of 100 windows lie.
    pub low: f64,
    /// See `low`.
    pub high: f64,
}

/// One telling of a finding.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// The same for all tellings of a finding, in a replay too: 32 hexadecimal digits made of zone, kind and start.
    pub id: String,
    /// The zone's id, or its name where there is none.
    pub zone_key: Arc<str>,
    /// What the zone is called. An attacker may have chosen it: escape it before showing it.
    pub zone_name: Arc<str>,
    /// What is wrong.
    pub kind: Kind,
    /// Where in its life it is.
    pub status: Status,
    /// How bad; of one that has ended, at its worst.
    pub severity: Severity,
    /// 1.0 and above is an alert; of one that has ended, the highest.
    pub score: f64,
    /// Which signal the score is of.
    pub signal: Signal,
    /// What was seen, in the unit of the signal, a window of `window_ms`.
    pub observed: f64,
    /// What was expected; none if the zone is too new to expect anything, so that a fixed limit was passed.
    pub expected: Option<Expected>,
    /// Length of the window in which it was seen, milliseconds.
    pub window_ms: i64,
    /// Where the first window starts in which it was seen, milliseconds since 1970.
    pub start_ms: i64,
    /// The end of the last one so far; of an open window, its start.
    pub last_ms: i64,
    /// Names that make the difference, the most first, at most 5; as the other lists, empty of one that has ended.
    pub names: Vec<Part>,
    /// Suffixes inside the zone below which different names are.
    pub suffixes: Vec<Part>,
    /// Addresses.
    pub resolvers: Vec<Part>,
    /// Networks.
    pub networks: Vec<Part>,
    /// Edge locations.
    pub edges: Vec<Part>,
    /// Share of the source stream's hash-key space that had come to the window's end, 0 to 1.
    pub coverage: f64,
    /// The window counts every query that was not late.
    pub whole: bool,
    /// Somebody does not want to hear of it now.
    pub muted: bool,
    /// One sentence.
    pub summary: String,
}
