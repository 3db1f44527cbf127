//! Somebody's doing: queries of their own beside the usual ones.
//!
//! Each asks how much there is beyond what this zone usually gets, and what that excess is made of. So a zone whose names
//! are always asked once, or whose answers are always large, is not under attack.

use super::{Evidence, fixed, known, length, number, percent};
use crate::baseline::{Signal, amplifying, code, walking};
use crate::finding::Severity;
use crate::finding::view::View;
use dnslog::ResponseCode;

/// PowerDNS Defender, pseudo-random subdomain attack: 100 queries a second, 50 children of a suffix in a minute, a share of
/// failures of 0.8, at most 2 queries a child.
const FLOOD_RATE: f64 = 100.0;
const CHILDREN_MIN: f64 = 50.0;
const FAILURES: f64 = 0.8;
const QUERIES_A_CHILD_MAX: f64 = 2.0;
/// ibHH (Akamai, NDSS 2024) finds tunnels from 0.7 bytes a second of different names on.
const TUNNEL_BYTES_A_SECOND: f64 = 0.7;
/// Shorter names carry too little: iodine's, OzymanDNS's and AndIodine's have 44 to 51 bytes with their domain, dnscat2's 157 and
/// more. Words that are looked for have about 8, and dns2tcp's 24 with their domain can't be told from usual ones.
const TUNNEL_NAME_BYTES: f64 = 30.0;
/// They are half again as long as the usual ones, whatever these are.
const TUNNEL_LONGER: f64 = 1.5;
/// Fewer new names are no tunnel: a kilobyte needs ten of dnscat2's or twenty of iodine's.
const TUNNEL_NAMES_MIN: f64 = 10.0;
/// A megabyte in three hours is somebody's data.
const TUNNEL_CRITICAL_BYTES_A_SECOND: f64 = 100.0;
/// Splunk's rule of ANY to one server.
const AMPLIFYING_MIN: f64 = 200.0;
/// A reflector that answers as often sends some 100 kB/s.
const AMPLIFYING_CRITICAL_RATE: f64 = 100.0;
/// Half of the excess is what it is made of.
const MOST: f64 = 0.5;
/// A list is gone through more than once in ten minutes, with A and AAAA of each name.
const ENUMERATION_QUERIES_A_NAME_MAX: f64 = 4.0;

/// Few who ask get answers much larger than their questions: their addresses are those of whoever is to be flooded.
pub(super) fn amplification(view: &View<'_>) -> Option<Evidence> {
    let part = amplifying(view.window);
    let excess = view.excess_of(part, Signal::AmplifyingShare);
    let queries = view.other_queries().max(excess);
    let names = view.other_names();
    // In a shorter window fewer are as many a second; a longer one needs not more.
    let wanted = view.level * AMPLIFYING_MIN * (view.seconds() / 60.0).min(1.0);
    // Data in names that are asked once is a tunnel, in TXT as well.
    let made_so = excess >= wanted && excess >= MOST * queries && names < MOST * excess && view.is_by_few(queries);
    if !made_so {
        return None;
    }
    let severity =
        if excess / view.seconds() >= AMPLIFYING_CRITICAL_RATE { Severity::Critical } else { Severity::Warning };
    let share = part as f64 / view.window.queries as f64;
    let summary = format!(
        "few addresses ask for large answers (ANY, TXT, DNSKEY): {part} queries in {}, {} of all",
        length(view),
        percent(share)
    );
    if view.is_known() {
        return Some(known(view, &view.up(Signal::AmplifyingShare)?, severity, summary));
    }
    (share >= MOST).then(|| fixed(Signal::AmplifyingShare, part as f64, wanted, severity, summary))
}

/// Data is carried in names that are asked once: it is answered, by few who ask, in long names.
pub(super) fn tunnel(view: &View<'_>) -> Option<Evidence> {
    let look = view.up(Signal::SubNameBytes)?;
    let (bytes, names) = (view.excess(Signal::SubNameBytes), view.excess(Signal::Names));
    let queries = view.other_queries().max(names);
    let failed = view.excess_code(ResponseCode::NxDomain);
    let made_so = bytes / view.seconds() >= view.level * TUNNEL_BYTES_A_SECOND
        && names >= view.level * TUNNEL_NAMES_MIN
        && bytes >= TUNNEL_NAME_BYTES * names
        && view.has_longer_names(TUNNEL_LONGER)
        && names * QUERIES_A_CHILD_MAX >= view.level * queries
        && failed < MOST * queries
        && view.is_by_few(queries);
    if !made_so {
        return None;
    }
    let rate = bytes / view.seconds();
    let severity = if rate >= TUNNEL_CRITICAL_BYTES_A_SECOND { Severity::Critical } else { Severity::Warning };
    let summary = format!(
        "data in names: {} different ones of {} bytes on average more than usual in {}, {} bytes a second, from few addresses",
        number(names),
        number(bytes / names),
        length(view),
        number(rate)
    );
    Some(known(view, &look, severity, summary))
}

/// Somebody looks for the names that there are: few addresses, many names that mostly do not exist, or types that walk a
/// signed zone.
pub(super) fn enumeration(view: &View<'_>) -> Option<Evidence> {
    let look = view.up(Signal::Names)?;
    let names = view.excess(Signal::Names);
    let queries = view.other_queries().max(names);
    let many = names >= view.level * CHILDREN_MIN
        && names * ENUMERATION_QUERIES_A_NAME_MAX >= view.level * queries
        && view.is_by_few(queries);
    let walks = view.up(Signal::WalkingShare).is_some()
        && view.excess_of(walking(view.window), Signal::WalkingShare) >= MOST * queries;
    let guesses = view.excess_code(ResponseCode::NxDomain) >= MOST * queries;
    // With a wildcard record every guess exists; short names are no tunnel.
    let finds = view.has_other_names() && view.excess(Signal::SubNameBytes) < TUNNEL_NAME_BYTES * names;
    if !many || !(walks || guesses || finds) {
        return None;
    }
    let how = match (walks, guesses) {
        (true, _) => "walks the zone by DNSKEY, DS and NSEC",
        (false, true) => "guesses names, most of which do not exist",
        (false, false) => "goes through short names, all of which are answered",
    };
    let severity = if queries / view.seconds() >= FLOOD_RATE { Severity::Critical } else { Severity::Warning };
    let summary = format!(
        "somebody {how}: {} different names in {}, {} expected, from few addresses",
        number(look.row_observed),
        length(view),
        number(look.row_expected)
    );
    Some(known(view, &look, severity, summary))
}

/// Names made by chance that no cache can hold, through everybody's resolvers. A wildcard record answers them; then how
/// few come twice says it.
pub(super) fn random_subdomain(view: &View<'_>) -> Option<Evidence> {
    let Some(look) = view.look(Signal::Names) else { return random_subdomain_by_limits(view) };
    let names = view.excess(Signal::Names);
    let queries = view.other_queries().max(names);
    if names < view.level * CHILDREN_MIN || names * QUERIES_A_CHILD_MAX < view.level * queries {
        return None;
    }
    // A launch brings more of the same names; this brings others.
    let fails = view.up(Signal::NxDomainShare).is_some()
        && view.excess_code(ResponseCode::NxDomain) >= view.level * FAILURES * names;
    let look = view.up(look.signal).filter(|_| fails || view.has_other_names())?;
    let rate = queries / view.seconds();
    let severity = if rate >= FLOOD_RATE { Severity::Critical } else { Severity::Warning };
    let exists = if fails { "that do not exist" } else { "that are answered" };
    let summary = format!(
        "flood of random names {exists}: {} different ones in {}, {} expected; {} queries a second more than usual",
        number(look.row_observed),
        length(view),
        number(look.row_expected),
        number(rate)
    );
    Some(known(view, &look, severity, summary))
}

/// The published limits, for a zone of which nothing is known yet. They need failures: on its first day a zone of names
/// that are always asked once can't be told from one whose wildcard answers a flood.
fn random_subdomain_by_limits(view: &View<'_>) -> Option<Evidence> {
    if view.is_known() {
        return None;
    }
    let window = view.window;
    let (queries, names) = (window.queries as f64, window.distinct_names as f64);
    let failed =
        [ResponseCode::NxDomain, ResponseCode::ServFail].map(|one| code(window, one) as f64).iter().sum::<f64>();
    let children = window.suffixes.iter().map(|suffix| suffix.distinct as f64).fold(0.0, f64::max);
    let rate = queries / view.seconds();
    let made_so = rate >= view.level * FLOOD_RATE
        && children >= view.level * CHILDREN_MIN
        && failed >= view.level * FAILURES * queries
        && names * QUERIES_A_CHILD_MAX >= view.level * queries;
    let summary = || {
        format!(
            "flood of random names that do not exist: {} different ones in {}, {} queries a second, {} failed",
            number(names),
            length(view),
            number(rate),
            percent(failed / queries)
        )
    };
    made_so.then(|| fixed(Signal::Queries, queries, FLOOD_RATE * view.seconds(), Severity::Critical, summary()))
}
