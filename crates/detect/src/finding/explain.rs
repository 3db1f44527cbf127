//! Who makes the difference.

use super::rules::Difference;
use super::view::View;
use crate::TopName;
use crate::baseline::Shares;

/// Parts told at most of each list.
const PARTS_MAX: usize = 5;
/// Smaller parts explain nothing.
const SHARE_MIN: f64 = 0.02;

/// Somebody's or something's part of the difference.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// Who or what. An attacker may have chosen it: escape it before showing it.
    pub name: String,
    /// Queries in the window; of a suffix, different names below it.
    pub count: u64,
    /// Of the excess queries or, where queries are missing, of those; of a suffix, of the different names. 0 to 1.
    pub share: f64,
}

/// The parts of a list, the largest first.
pub(super) fn parts(view: &View<'_>, difference: Difference, list: &[TopName], usual: &Shares) -> Vec<Part> {
    let (queries, expected) = (view.window.queries as f64, view.expected_queries());
    let mut parts: Vec<Part> = match difference {
        Difference::More | Difference::Others => {
            let base = if difference == Difference::More { expected.min(queries) } else { queries };
            let beyond = |top: &TopName| (top.count as f64 - base * usual.share(&top.name)).max(0.0);
            let whole = match difference {
                Difference::More => (queries - base).max(1.0),
                _ => list.iter().map(beyond).sum::<f64>().max(1.0),
            };
            let part = |top: &TopName| part(&top.name, top.count, beyond(top) / whole);
            list.iter().map(part).collect()
        }
        Difference::Fewer => {
            let count = |name: &str| list.iter().find(|top| top.name == name).map_or(0, |top| top.count);
            let missing = |name: &str, share: f64| {
                part(name, count(name), (share * expected - count(name) as f64) / (expected - queries).max(1.0))
            };
            usual.all().map(|(name, share)| missing(name, share)).collect()
        }
    };
    parts.retain(|part| part.share >= SHARE_MIN);
    parts.sort_by(|left, right| right.share.total_cmp(&left.share).then_with(|| left.name.cmp(&right.name)));
    parts.truncate(PARTS_MAX);
    parts
}

/// The suffixes below which most of the window's different names are, the deepest of equal ones first.
pub(super) fn suffixes(view: &View<'_>) -> Vec<Part> {
    let names = (view.window.distinct_names as f64).max(1.0);
    let suffixes = view.window.suffixes.iter();
    let mut parts: Vec<Part> =
        suffixes.map(|suffix| part(&suffix.name, suffix.distinct, suffix.distinct as f64 / names)).collect();
    parts.retain(|part| part.share >= SHARE_MIN);
    parts.sort_by(|left, right| right.count.cmp(&left.count).then_with(|| right.name.len().cmp(&left.name.len())));
    parts.truncate(PARTS_MAX);
    parts
}

fn part(name: &str, count: u64, share: f64) -> Part {
    Part { name: name.to_owned(), count, share: share.clamp(0.0, 1.0) }
}
