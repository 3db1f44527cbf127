//! One rule for each kind: a pure function of a window beside what is known. `docs/findings.md` says the same in words.

mod attacks;
mod changes;

use super::view::View;
use super::{Expected, Kind, Severity};
use crate::baseline::{Look, Signal};

/// What a rule saw.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Evidence {
    pub(super) signal: Signal,
    pub(super) score: f64,
    pub(super) observed: f64,
    pub(super) expected: Option<Expected>,
    pub(super) severity: Severity,
    /// Queries that the parts of the difference are shares of.
    pub(super) difference: Difference,
    /// The sentence.
    pub(super) summary: String,
}

/// What the names, resolvers and edges of a finding are compared with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Difference {
    /// More queries than expected.
    More,
    /// Fewer.
    Fewer,
    /// As many, by others.
    Others,
}

/// What the rule of a kind says.
pub(super) fn judge(kind: Kind, view: &View<'_>) -> Option<Evidence> {
    match kind {
        Kind::Amplification => attacks::amplification(view),
        Kind::Tunnel => attacks::tunnel(view),
        Kind::Enumeration => attacks::enumeration(view),
        Kind::RandomSubdomain => attacks::random_subdomain(view),
        Kind::ErrorSurge => changes::error_surge(view),
        Kind::TrafficDrop => changes::traffic_drop(view),
        Kind::NewNetwork => changes::new_network(view),
        Kind::ResolverConcentration => changes::resolver_concentration(view),
        Kind::TrafficSpike => changes::traffic_spike(view),
        Kind::EdgeShift => changes::edge_shift(view),
    }
}

/// By what is known of the zone.
fn known(view: &View<'_>, look: &Look, severity: Severity, summary: String) -> Evidence {
    Evidence {
        signal: look.signal,
        score: view.score(look),
        observed: look.observed,
        expected: Some(look.into()),
        severity,
        difference: Difference::More,
        summary,
    }
}

/// By a fixed limit, of a zone of which nothing is known: the score is the observed by the limit.
fn fixed(signal: Signal, observed: f64, limit: f64, severity: Severity, summary: String) -> Evidence {
    let score = observed / limit;
    Evidence { signal, score, observed, expected: None, severity, difference: Difference::More, summary }
}

/// A share as a person reads it.
fn percent(share: f64) -> String {
    if share < 0.0995 { format!("{:.1} %", 100.0 * share) } else { format!("{:.0} %", 100.0 * share) }
}

/// A number of queries or names as a person reads it.
fn number(count: f64) -> String {
    if count < 9.95 { format!("{count:.1}") } else { format!("{count:.0}") }
}

/// How long the window is, as a person reads it.
fn length(view: &View<'_>) -> String {
    match view.window.length_ms / 1000 {
        seconds if seconds % 60 == 0 => format!("{} min", seconds / 60),
        seconds => format!("{seconds} s"),
    }
}
