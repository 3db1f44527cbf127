//! Open windows that are worth a look: what is too much already is told before its window closes.
//!
//! Panes stay open for the lateness, five minutes and more, so that most of what is told of an attack in time is told from here.

use crate::Pane;
use crate::pane::Tally;
use crate::rollup::{Counted, Rollup};
use crate::window::{LENGTHS_MS, Sums, Window};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A window that counts fewer queries is no excess of anything yet: every rule that looks at open windows asks for ten names
/// at least.
const QUERIES_MIN: u64 = 16;

/// The open windows, of all lengths, that have grown by half or doubled with what was counted now: so each is judged some tens
/// of times at most, however many epochs it is made of, and an attack is judged again before it has doubled.
pub(super) fn grown(counted: &[Counted], state: &Rollup<Tally>, sums: &Sums) -> Vec<Window> {
    let mut more: BTreeMap<(i64, i64, &Arc<str>), u64> = BTreeMap::new();
    for Counted { zone_key, start_ms, queries } in counted {
        for length_ms in LENGTHS_MS {
            *more.entry((length_ms, start_ms - start_ms.rem_euclid(length_ms), zone_key)).or_default() += queries;
        }
    }
    let judged = more.into_iter().filter_map(|((length_ms, start_ms, zone_key), more)| {
        let panes = || state.open_panes(zone_key, start_ms..start_ms + length_ms);
        let closed = sums.so_far(zone_key, start_ms, length_ms);
        let queries = closed.map_or(0, Tally::count) + panes().map(Tally::count).sum::<u64>();
        // What was counted may have been closed since.
        let before = queries.checked_sub(more)?;
        (step(before) < step(queries)).then(|| {
            let tally = closed.into_iter().chain(panes()).map(Cow::Borrowed).reduce(|mut sum, part| {
                sum.to_mut().merge(&part);
                sum
            });
            Window {
                zone_key: zone_key.clone(),
                start_ms,
                length_ms,
                coverage: state.coverage(start_ms + length_ms),
                ..tally.map(|tally| tally.window()).unwrap_or_default()
            }
        })
    });
    judged.collect()
}

/// Steps up to a count: two for each doubling, at 16, 24, 32, 48 and so on.
fn step(queries: u64) -> u32 {
    if queries < QUERIES_MIN {
        return 0;
    }
    let doublings = queries.ilog2();
    2 * doublings + u32::from(queries >> (doublings - 1) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_half_more_or_a_third() {
        let steps: Vec<u64> = (1..200).filter(|count| step(count - 1) < step(*count)).collect();
        assert_eq!(steps, [16, 24, 32, 48, 64, 96, 128, 192]);
    }
}
