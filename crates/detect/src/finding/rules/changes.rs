//! What changed, whoever or whatever is to blame.

use super::{Difference, Evidence, fixed, known, length, number, percent};
use crate::baseline::{Look, Signal, code};
use crate::finding::Severity;
use crate::finding::view::View;
use dnslog::ResponseCode;

/// Alerts of CoreDNS's mixin: more than 1 % of answers are SERVFAIL for a warning, more than 3 % are critical, over 10 min.
const FAILING: f64 = 0.01;
const FAILING_CRITICAL: f64 = 0.03;
const FAILING_WINDOW_MS: i64 = 600_000;
/// dnsdist's `setRCodeRatio` looks at no fewer answers; Defender's is a half.
const ERRORS_MIN: f64 = 10.0;
const ERRORS_CRITICAL: f64 = 0.5;
/// Names that do not exist are no failure until many more are asked for than usual.
const NXDOMAIN_MORE: f64 = 0.05;
/// The mildest letters in the root event of 2015-11-30 got about twice their usual rate, A got 13.5 times.
const SPIKE_FACTOR: f64 = 2.0;
const SPIKE_WARNING_FACTOR: f64 = 5.0;
const SPIKE_CRITICAL_FACTOR: f64 = 10.0;
/// Fewer queries more, whatever they were before, harm nobody.
const SPIKE_QUERIES_MIN: f64 = 50.0;
/// A longer TTL, or another cache in front, may take a third of the queries; that half are missing has another cause.
const DROP_FACTOR: f64 = 0.5;
const DROP_CRITICAL_FACTOR: f64 = 0.1;
/// Shares of fewer queries are chance.
const SHARE_QUERIES_MIN: f64 = 100.0;
/// A resolver that got a tenth of all queries more. Half of all DNS comes from ten operators (DNS Observatory, IMC 2019),
/// so that a large share alone is nothing.
const CONCENTRATION_MORE: f64 = 0.1;
/// A network that a zone has in its list of sixteen for certain has a seventeenth.
const NEW_NETWORK_SHARE: f64 = 0.06;
const NEW_NETWORK_WARNING_SHARE: f64 = 0.25;
/// A fifth of the queries are answered elsewhere. Nobody has published a limit; edges below a fifth come and go.
const MOVED: f64 = 0.2;
/// Most of them.
const MOVED_WARNING: f64 = 0.5;

/// Answers fail that did not fail before; of several codes, the one that is the most unusual.
pub(super) fn error_surge(view: &View<'_>) -> Option<Evidence> {
    if !view.is_known() {
        return error_surge_by_limits(view);
    }
    let look = view.highest(&[Signal::ServFailShare, Signal::RefusedShare, Signal::NxDomainShare])?;
    let (response_code, limit, critical) = match look.signal {
        Signal::ServFailShare => (ResponseCode::ServFail, FAILING, FAILING_CRITICAL),
        Signal::RefusedShare => (ResponseCode::Refused, FAILING, FAILING_CRITICAL),
        _ => (ResponseCode::NxDomain, look.row_expected + NXDOMAIN_MORE, ERRORS_CRITICAL),
    };
    let expected = look.row_expected * view.window.queries as f64;
    let errors = code(view.window, response_code) as f64 - expected;
    if errors < view.level * ERRORS_MIN || look.row_observed < look.row_expected.max(view.level * limit) {
        return None;
    }
    let severity = if look.row_observed >= critical { Severity::Critical } else { Severity::Warning };
    let summary = format!(
        "{} of the answers in {} are {}, {} expected",
        percent(look.row_observed),
        length(view),
        response_code.as_str(),
        percent(look.row_expected)
    );
    Some(known(view, &look, severity, summary))
}

fn error_surge_by_limits(view: &View<'_>) -> Option<Evidence> {
    let (window, failed) = (view.window, code(view.window, ResponseCode::ServFail) as f64);
    let share = failed / (window.queries as f64).max(1.0);
    let made_so = window.length_ms >= FAILING_WINDOW_MS
        && failed >= view.level * ERRORS_MIN
        && share >= view.level * FAILING_CRITICAL;
    let summary = || format!("{} of the answers in {} are SERVFAIL", percent(share), length(view));
    made_so.then(|| fixed(Signal::ServFailShare, share, FAILING_CRITICAL, Severity::Critical, summary()))
}

/// Far fewer queries than usual. Only of windows that count all of them, as is the caller's to know.
pub(super) fn traffic_drop(view: &View<'_>) -> Option<Evidence> {
    let look = view.down(Signal::Queries)?;
    // What is missing must be half of it to open a finding, a quarter to let it go on.
    let factor = if view.knows_the_week() { DROP_FACTOR } else { DROP_CRITICAL_FACTOR };
    if look.observed > (1.0 - (1.0 - factor) * view.level) * look.expected {
        return None;
    }
    let left = look.observed / look.expected;
    let severity = if left <= DROP_CRITICAL_FACTOR { Severity::Critical } else { Severity::Warning };
    let summary = format!(
        "{} queries in {} where {} were expected{}",
        number(look.observed),
        length(view),
        number(look.expected),
        over(&look)
    );
    Some(Evidence { difference: Difference::Fewer, ..known(view, &look, severity, summary) })
}

/// Far more queries than usual, with no sign of anything that has a name of its own.
pub(super) fn traffic_spike(view: &View<'_>) -> Option<Evidence> {
    let look = view.up(Signal::Queries)?;
    let factor = look.observed / look.expected;
    let wanted = if view.knows_the_week() { SPIKE_FACTOR } else { SPIKE_WARNING_FACTOR };
    let wanted = 1.0 + (wanted - 1.0) * view.level;
    if factor < wanted || view.excess_queries() < view.level * SPIKE_QUERIES_MIN {
        return None;
    }
    let signs = view.highest(&[Signal::NxDomainShare, Signal::NameShare, Signal::AmplifyingShare]);
    let unusual = signs.is_some_and(|look| view.score(&look) >= 1.0);
    let severity = match factor {
        _ if factor >= SPIKE_CRITICAL_FACTOR => Severity::Critical,
        _ if factor >= SPIKE_WARNING_FACTOR || unusual => Severity::Warning,
        _ => Severity::Info,
    };
    let summary = format!(
        "{} queries in {} where {} were expected, {factor:.1} times as many{}",
        number(look.observed),
        length(view),
        number(look.expected),
        over(&look)
    );
    Some(known(view, &look, severity, summary))
}

fn over(look: &Look) -> String {
    if look.rows > 1 { format!(" (mean of {} windows)", look.rows) } else { String::new() }
}

/// A network asks much that never asked before.
pub(super) fn new_network(view: &View<'_>) -> Option<Evidence> {
    let look = view.up(Signal::NewNetworkShare)?;
    let networks = view.known.new_networks(view.window)?;
    let first = networks.first()?;
    let (count, queries) = (first.count as f64, view.window.queries as f64);
    let share = count / queries;
    if share < view.level * NEW_NETWORK_SHARE || count < view.level * SHARE_QUERIES_MIN {
        return None;
    }
    let severity = if share >= NEW_NETWORK_WARNING_SHARE { Severity::Warning } else { Severity::Info };
    let summary = format!(
        "{} makes {} of the queries in {} and was not known a day before",
        first.name.escape_debug(),
        percent(share),
        length(view)
    );
    Some(Evidence { difference: Difference::Others, ..known(view, &look, severity, summary) })
}

/// One address or network asks far more of all than usual.
pub(super) fn resolver_concentration(view: &View<'_>) -> Option<Evidence> {
    let look = view.highest(&[Signal::TopResolverShare, Signal::TopNetworkShare])?;
    let of_network = look.signal == Signal::TopNetworkShare;
    let list = if of_network { &view.window.top_networks } else { &view.window.top_resolvers };
    let first = list.first()?;
    let more = look.row_observed - look.row_expected;
    if more < view.level * CONCENTRATION_MORE || (first.count as f64) < view.level * SHARE_QUERIES_MIN {
        return None;
    }
    let severity = if look.row_observed >= MOVED_WARNING { Severity::Warning } else { Severity::Info };
    let summary = format!(
        "{} makes {} of the queries in {}; {} is usual for the first {}",
        first.name.escape_debug(),
        percent(look.row_observed),
        length(view),
        percent(look.row_expected),
        if of_network { "network" } else { "address" }
    );
    Some(Evidence { difference: Difference::Others, ..known(view, &look, severity, summary) })
}

/// Queries are answered at other edge locations than usual.
pub(super) fn edge_shift(view: &View<'_>) -> Option<Evidence> {
    let look = view.up(Signal::EdgeDivergence)?;
    let window = view.window;
    let moved = view.known.edges.moved(&window.top_edges, window.queries)?;
    if moved < view.level * MOVED || (window.queries as f64) < view.level * SHARE_QUERIES_MIN {
        return None;
    }
    let severity = if moved >= MOVED_WARNING { Severity::Warning } else { Severity::Info };
    let summary = format!(
        "{} of the queries in {} were answered at other edge locations than usual",
        percent(moved),
        length(view)
    );
    Some(Evidence { difference: Difference::Others, ..known(view, &look, severity, summary) })
}
