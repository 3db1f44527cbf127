//! Which shards need a lease row that is not there yet, and where their reading starts.
//!
//! Rows are made parents first, by every worker: a child's row says that its listed parents had rows before it.

use super::StartPosition;
use super::known::Known;
use crate::{Checkpoint, Lease, Shard, ShardId};
use std::collections::{BTreeMap, BTreeSet};

/// The rows to make now. Rows that must wait for a parent's row are left for a later call.
pub(super) fn missing(
    shards: &BTreeMap<ShardId, Shard>,
    known: &Known,
    start: StartPosition,
    now_ms: i64,
) -> Vec<Lease> {
    let ancestors = ancestors(shards, known);
    // A row of a shard that has left the stream tells that the application has run here before.
    let returning = known.keys().any(|key| !shards.contains_key(key));
    let candidates = shards.values().filter(|shard| !known.contains(&shard.id) && !ancestors.contains(&shard.id));
    let wanted: BTreeMap<&ShardId, Lease> = candidates
        .filter_map(|shard| {
            let first = || first_row(shard, known, start, now_ms, returning);
            let row = if descends(shard, shards, known) { Some(child_row(shard, known)) } else { first() };
            row.map(|row| (&shard.id, row))
        })
        .collect();
    let first = |row: &&Lease| !row.parents.iter().any(|parent| wanted.contains_key(parent));
    wanted.values().filter(first).cloned().collect()
}

/// A row for a shard that continues others.
pub(super) fn child_row(shard: &Shard, known: &Known) -> Lease {
    let parents: Vec<&Lease> = shard.parents.iter().filter_map(|parent| known.row(parent)).collect();
    Lease::child(shard, &parents)
}

/// A row for a shard that continues none we know: the stream is read for the first time, or that first start was cut
/// short, or everything in between has left the stream.
fn first_row(shard: &Shard, known: &Known, start: StartPosition, now_ms: i64, returning: bool) -> Option<Lease> {
    match start {
        StartPosition::TrimHorizon => Some(row(shard, Checkpoint::TrimHorizon, None)),
        StartPosition::AtTimestamp(ms) => Some(row(shard, Checkpoint::AtTimestamp, Some(ms))),
        // What is closed at the first start has nothing to come.
        StartPosition::Latest if shard.ended_at.is_some() && !returning => None,
        StartPosition::Latest => {
            // A first start that was cut short goes on from where it began.
            let pinned = known.rows().filter_map(|row| row.start_ms).min();
            Some(row(shard, Checkpoint::Latest, Some(pinned.unwrap_or(now_ms))))
        }
    }
}

fn row(shard: &Shard, checkpoint: Checkpoint, start_ms: Option<i64>) -> Lease {
    Lease {
        parents: shard.parents.clone(),
        hash_range: Some(shard.hash_range),
        start_ms,
        ..Lease::fresh(shard.id.clone(), checkpoint)
    }
}

/// All that comes before a shard with a row: processed and cleaned up, or older than the first start.
fn ancestors(shards: &BTreeMap<ShardId, Shard>, known: &Known) -> BTreeSet<ShardId> {
    let mut found = BTreeSet::new();
    let mut open: Vec<&ShardId> = known.rows().flat_map(|row| &row.parents).collect();
    open.extend(known.keys().filter_map(|key| shards.get(key)).flat_map(|shard| &shard.parents));
    while let Some(id) = open.pop() {
        if found.insert(id.clone()) {
            open.extend(shards.get(id).into_iter().flat_map(|shard| &shard.parents));
        }
    }
    found
}

/// Whether a shard continues, over any number of generations, one that has a row.
fn descends(shard: &Shard, shards: &BTreeMap<ShardId, Shard>, known: &Known) -> bool {
    let mut passed = BTreeSet::new();
    let mut open: Vec<&ShardId> = shard.parents.iter().collect();
    while let Some(id) = open.pop() {
        if known.contains(id) {
            return true;
        }
        if passed.insert(id) {
            open.extend(shards.get(id).into_iter().flat_map(|shard| &shard.parents));
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::super::Instant;
    use super::*;
    use crate::{HashRange, SequenceNumber};

    const NOW_MS: i64 = 1_000;

    fn shard(name: &str, parents: &[&str], open: bool) -> Shard {
        Shard {
            id: ShardId::new(name),
            parents: parents.iter().map(|parent| ShardId::new(parent)).collect(),
            hash_range: HashRange { start: 0, end: u128::MAX },
            starts_at: None,
            ended_at: if open { None } else { SequenceNumber::parse("9") },
        }
    }

    /// `a` was split into `b` and `c`, `c` into `d` and `e`.
    fn family() -> BTreeMap<ShardId, Shard> {
        let shards = [
            shard("a", &[], false),
            shard("b", &["a"], true),
            shard("c", &["a"], false),
            shard("d", &["c"], true),
            shard("e", &["c"], true),
        ];
        shards.into_iter().map(|shard| (shard.id.clone(), shard)).collect()
    }

    fn known(rows: &[(&str, Checkpoint, Option<i64>)]) -> Known {
        let mut known = Known::default();
        for (name, checkpoint, start_ms) in rows {
            let row = Lease { start_ms: *start_ms, ..Lease::fresh(ShardId::new(name), checkpoint.clone()) };
            known.observe(row, Instant::default());
        }
        known
    }

    /// Makes rows call after call until none is missing.
    fn rows(start: StartPosition, mut known: Known) -> Vec<String> {
        let mut made = Vec::new();
        loop {
            let rows = missing(&family(), &known, start, NOW_MS);
            if rows.is_empty() {
                return made;
            }
            for row in rows {
                let pinned = row.start_ms.map(|ms| format!("@{ms}")).unwrap_or_default();
                made.push(format!("{}:{}{pinned}", row.key, row.checkpoint.as_str()));
                known.observe(row, Instant::default());
            }
        }
    }

    #[test]
    fn a_first_start_makes_rows_parents_first() {
        let all = ["a:TRIM_HORIZON", "b:TRIM_HORIZON", "c:TRIM_HORIZON", "d:TRIM_HORIZON", "e:TRIM_HORIZON"];
        assert_eq!(rows(StartPosition::TrimHorizon, Known::default()), all);
        let pinned = all.map(|row| row.replace("TRIM_HORIZON", "AT_TIMESTAMP@7"));
        assert_eq!(rows(StartPosition::AtTimestamp(7), Known::default()), pinned);
    }

    #[test]
    fn a_first_start_at_the_tip_takes_open_shards_only() {
        assert_eq!(rows(StartPosition::Latest, Known::default()), ["b:LATEST@1000", "d:LATEST@1000", "e:LATEST@1000"]);
    }

    #[test]
    fn a_first_start_that_was_cut_short_keeps_its_time() {
        let begun = known(&[("b", Checkpoint::Latest, Some(900))]);
        assert_eq!(rows(StartPosition::Latest, begun), ["d:LATEST@900", "e:LATEST@900"]);
    }

    #[test]
    fn what_continues_a_known_shard_starts_at_its_oldest_record() {
        for start in [StartPosition::TrimHorizon, StartPosition::Latest, StartPosition::AtTimestamp(7)] {
            let split = known(&[("a", Checkpoint::ShardEnd, None)]);
            let all = ["b:TRIM_HORIZON", "c:TRIM_HORIZON", "d:TRIM_HORIZON", "e:TRIM_HORIZON"];
            assert_eq!(rows(start, split), all, "{start:?}");
        }
    }

    #[test]
    fn what_came_before_a_known_shard_is_not_read_again() {
        let cleaned = known(&[("d", Checkpoint::TrimHorizon, None), ("e", Checkpoint::TrimHorizon, None)]);
        assert_eq!(rows(StartPosition::TrimHorizon, cleaned), ["b:TRIM_HORIZON"]);
    }

    #[test]
    fn after_a_long_pause_closed_shards_are_read_too() {
        let old = known(&[("gone", Checkpoint::Latest, Some(5))]);
        let all = ["a:LATEST@5", "b:TRIM_HORIZON", "c:TRIM_HORIZON", "d:TRIM_HORIZON", "e:TRIM_HORIZON"];
        assert_eq!(rows(StartPosition::Latest, old), all);
    }
}
