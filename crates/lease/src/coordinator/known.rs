//! The lease table and the stream as last seen, and what follows from them.
//!
//! Nothing here decides alone: whatever is done about it is a conditional write.

use super::Instant;
use crate::{Checkpoint, HashRange, Lease, Shard, ShardId, WorkerId};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A row as last seen.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) row: Lease,
    /// When its counter was first seen as it is.
    pub(super) unmoved_since: Instant,
    /// When there was first such a row.
    first: Instant,
    /// When it was last seen.
    last: Instant,
}

/// A list of the stream's shards, and when it was asked for.
#[derive(Debug, Clone)]
pub(super) struct Listing {
    pub(super) asked: Instant,
    pub(super) shards: BTreeMap<ShardId, Shard>,
}

/// The rows as last seen.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    rows: BTreeMap<ShardId, Seen>,
    /// Rows of the last scan that can't be read: neither missing nor done with, and nobody's to take.
    pub(super) unreadable: BTreeSet<ShardId>,
    /// The stream's shards; none before the first answer.
    pub(super) listing: Option<Listing>,
    /// When the last scan that was answered had been asked for; none before the first answer.
    scan_asked: Option<Instant>,
}

/// The rows by what can be done with them.
#[derive(Debug, Default)]
pub(super) struct Standing {
    /// Leases whose shard can be read now: not ended, still in the stream, all parents done.
    pub(super) readable: usize,
    /// Of these, by live owner.
    pub(super) live: BTreeMap<WorkerId, usize>,
    /// Of these, those that anybody may take.
    pub(super) free: Vec<ShardId>,
}

impl Known {
    /// Puts in what was just seen.
    pub(super) fn observe(&mut self, row: Lease, now: Instant) {
        match self.rows.entry(row.key.clone()) {
            Entry::Vacant(entry) => {
                entry.insert(Seen { row, unmoved_since: now, first: now, last: now });
            }
            Entry::Occupied(mut entry) => {
                let seen = entry.get_mut();
                if seen.row.counter != row.counter {
                    seen.unmoved_since = now;
                }
                seen.last = now;
                seen.row = row;
            }
        }
    }

    /// Puts in a whole scan that was asked for at `asked`. What was seen since then is newer and stays.
    pub(super) fn scanned(&mut self, rows: Vec<Lease>, asked: Instant, now: Instant) {
        let keys: BTreeSet<ShardId> = rows.iter().map(|row| row.key.clone()).collect();
        self.rows.retain(|key, seen| seen.last >= asked || keys.contains(key));
        self.scan_asked = Some(asked);
        for row in rows {
            if self.rows.get(&row.key).is_none_or(|seen| seen.last < asked) {
                self.observe(row, now);
            }
        }
    }

    /// Whether the table has been looked at: before that, no row can be called missing.
    pub(super) fn is_scanned(&self) -> bool {
        self.scan_asked.is_some()
    }

    pub(super) fn contains(&self, key: &ShardId) -> bool {
        self.rows.contains_key(key) || self.unreadable.contains(key)
    }

    pub(super) fn row(&self, key: &ShardId) -> Option<&Lease> {
        self.rows.get(key).map(|seen| &seen.row)
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &ShardId> {
        self.rows.keys()
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = &Lease> {
        self.rows.values().map(|seen| &seen.row)
    }

    /// Whether there is a row that the last listing could not know, so that it is time for another.
    pub(super) fn outgrew_listing(&self) -> bool {
        let listing = self.listing.as_ref();
        listing.is_some_and(|listing| {
            let newer = |seen: &Seen| seen.first >= listing.asked && !listing.shards.contains_key(&seen.row.key);
            self.rows.values().any(newer)
        })
    }

    /// Whether a shard has left the stream: a later listing does not have it. Its row neither can be read nor blocks.
    fn is_gone(&self, seen: &Seen) -> bool {
        self.listing.as_ref().is_some_and(|listing| {
            let known = listing.shards.contains_key(&seen.row.key);
            listing.asked > seen.first && !listing.shards.is_empty() && !known
        })
    }

    /// Whether the last listing was asked for after `since` and does not have the shard.
    pub(super) fn is_unlisted(&self, key: &ShardId, since: Instant) -> bool {
        self.listing.as_ref().is_some_and(|listing| listing.asked > since && !listing.shards.contains_key(key))
    }

    /// Invariant 3: a shard is not read before all its parents are at `SHARD_END`. A parent without a row has been
    /// cleaned up, or is older than the first start. That it has none is believed only from a scan that was asked for
    /// after the child's row was seen: parents' rows are made before, but a scan under way then may miss them.
    fn parents_have_ended(&self, child: &Seen) -> bool {
        child.row.parents.iter().all(|parent| match self.rows.get(parent) {
            Some(parent) => parent.row.checkpoint == Checkpoint::ShardEnd || self.is_gone(parent),
            None => !self.unreadable.contains(parent) && self.scan_asked > Some(child.first),
        })
    }

    /// Whether a row waits for nothing but such a scan.
    pub(super) fn wants_scan(&self) -> bool {
        self.rows.values().any(|seen| {
            let missing = |parent: &ShardId| !self.rows.contains_key(parent);
            self.scan_asked <= Some(seen.first) && seen.row.parents.iter().any(missing)
        })
    }

    fn is_readable(&self, seen: &Seen) -> bool {
        seen.row.checkpoint != Checkpoint::ShardEnd && !self.is_gone(seen) && self.parents_have_ended(seen)
    }

    /// Who stands where at `now`. `mine` are the leases this worker holds or is taking: they are counted as readable,
    /// and neither as free nor as somebody's.
    pub(super) fn standing(&self, now: Instant, failover: Duration, mine: &BTreeSet<ShardId>) -> Standing {
        let mut standing = Standing::default();
        for (key, seen) in self.rows.iter().filter(|(_, seen)| self.is_readable(seen)) {
            standing.readable += 1;
            match seen.live_owner(now, failover) {
                _ if mine.contains(key) => {}
                Some(owner) => *standing.live.entry(owner.clone()).or_default() += 1,
                None => standing.free.push(key.clone()),
            }
        }
        standing
    }

    /// When the first lease of another's that is still thought alive would have expired.
    pub(super) fn next_expiry(&self, now: Instant, failover: Duration, mine: &BTreeSet<ShardId>) -> Option<Instant> {
        let others = self.rows.iter().filter(|(key, seen)| {
            let live = seen.live_owner(now, failover).is_some();
            live && !mine.contains(*key) && seen.row.checkpoint != Checkpoint::ShardEnd
        });
        others.map(|(_, seen)| seen.unmoved_since.plus(failover)).min()
    }

    /// The share of the hash-key space that no live worker reads, 0 to 1. A shard that waits for its parents is covered
    /// by whoever reads them.
    pub(super) fn uncovered_ratio(&self, now: Instant, failover: Duration, mine: &BTreeSet<ShardId>) -> f64 {
        let mut ranges: Vec<HashRange> = self
            .rows
            .iter()
            .filter(|(key, seen)| mine.contains(*key) || seen.live_owner(now, failover).is_some())
            .filter(|(_, seen)| seen.row.checkpoint != Checkpoint::ShardEnd)
            .filter_map(|(key, seen)| seen.row.hash_range.or_else(|| self.listed_range(key)))
            .collect();
        ranges.sort_by_key(|range| range.start);
        // The next hash key that nothing so far covers; `None` once all are covered.
        let (mut next, mut gap) = (Some(0_u128), 0_u128);
        for range in ranges {
            if let Some(low) = next {
                gap += range.start.saturating_sub(low);
                next = range.end.checked_add(1).map(|end| end.max(low));
            }
        }
        let tail = next.map_or(0.0, |low| (u128::MAX - low) as f64 + 1.0);
        (gap as f64 + tail) / 2_f64.powi(128)
    }

    fn listed_range(&self, key: &ShardId) -> Option<HashRange> {
        let listing = self.listing.as_ref()?;
        listing.shards.get(key).map(|shard| shard.hash_range)
    }
}

impl Seen {
    /// Invariant 7: an owner lives as long as the counter has moved within `failover` of my own stopwatch.
    fn live_owner(&self, now: Instant, failover: Duration) -> Option<&WorkerId> {
        self.row.actual_owner().filter(|_| now.since(self.unmoved_since) < failover)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SequenceNumber;

    const FAILOVER: Duration = Duration::from_secs(10);

    fn at(secs: u64) -> Instant {
        Instant::new(Duration::from_secs(secs))
    }

    fn row(name: &str, owner: Option<&str>, counter: u64) -> Lease {
        Lease { owner: owner.map(WorkerId::new), counter, ..Lease::fresh(ShardId::new(name), Checkpoint::TrimHorizon) }
    }

    fn free(known: &Known, now: Instant) -> Vec<String> {
        known.standing(now, FAILOVER, &BTreeSet::new()).free.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_lease_expires_when_its_counter_rests_on_my_stopwatch() {
        let mut known = Known::default();
        known.observe(row("s", Some("a"), 1), at(100));
        assert_eq!(free(&known, at(109)), Vec::<String>::new());
        assert_eq!(free(&known, at(110)), ["s"]);
        assert_eq!(known.next_expiry(at(105), FAILOVER, &BTreeSet::new()), Some(at(110)));
        known.observe(row("s", Some("a"), 2), at(110));
        assert_eq!(free(&known, at(119)), Vec::<String>::new());
    }

    #[test]
    fn a_scan_does_not_undo_what_was_seen_since_it_was_asked_for() {
        let mut known = Known::default();
        known.observe(row("s", Some("a"), 5), at(10));
        known.observe(row("old", None, 0), at(1));
        known.scanned(vec![row("s", None, 4)], at(9), at(11));
        assert_eq!(known.row(&ShardId::new("s")).unwrap().counter, 5);
        assert!(!known.contains(&ShardId::new("old")));
        known.scanned(vec![row("s", Some("a"), 6)], at(12), at(13));
        assert_eq!(known.row(&ShardId::new("s")).unwrap().counter, 6);
    }

    #[test]
    fn a_child_waits_for_both_parents() {
        let mut known = Known::default();
        let parents = vec![ShardId::new("a"), ShardId::new("b")];
        known.observe(Lease { parents, ..row("child", None, 0) }, at(0));
        for name in ["a", "b"] {
            known.observe(row(name, None, 0), at(0));
        }
        assert_eq!(free(&known, at(1)), ["a", "b"]);
        known.observe(Lease { checkpoint: Checkpoint::ShardEnd, ..row("a", None, 1) }, at(1));
        assert_eq!(free(&known, at(1)), ["b"]);
        known.observe(Lease { checkpoint: Checkpoint::ShardEnd, ..row("b", None, 1) }, at(2));
        assert_eq!(free(&known, at(2)), ["child"]);
    }

    #[test]
    fn a_row_that_cannot_be_read_is_neither_missing_nor_done_with() {
        let mut known = Known::default();
        let child = Lease { parents: vec![ShardId::new("parent")], ..row("child", None, 0) };
        known.observe(child.clone(), at(0));
        known.unreadable = BTreeSet::from([ShardId::new("parent")]);
        known.scanned(vec![child.clone(), row("other", None, 0)], at(1), at(2));
        assert!(known.contains(&ShardId::new("parent")), "it must not be made again");
        assert_eq!(free(&known, at(3)), ["other"], "its child waits, the rest goes on");
        known.unreadable.clear();
        known.scanned(vec![child], at(4), at(5));
        assert_eq!(free(&known, at(6)), ["child"], "the row was deleted");
    }

    #[test]
    fn a_shard_that_left_the_stream_is_neither_read_nor_waited_for() {
        let mut known = Known::default();
        known.observe(row("parent", None, 0), at(0));
        known.observe(Lease { parents: vec![ShardId::new("parent")], ..row("child", None, 0) }, at(0));
        let child = Shard {
            id: ShardId::new("child"),
            parents: vec![ShardId::new("parent")],
            hash_range: HashRange { start: 0, end: 9 },
            ended_at: SequenceNumber::parse("1"),
        };
        let listing = |asked| Listing { asked, shards: BTreeMap::from([(child.id.clone(), child.clone())]) };
        // A listing from before the row was seen proves nothing.
        known.listing = Some(listing(at(0)));
        assert_eq!(free(&known, at(1)), ["parent"]);
        known.listing = Some(listing(at(1)));
        assert_eq!(free(&known, at(1)), ["child"]);
    }

    #[test]
    fn coverage_is_measured_on_the_hash_key_space() {
        let mut known = Known::default();
        let half = u128::MAX / 2;
        let mine = BTreeSet::from([ShardId::new("low")]);
        let ranges = [("low", None, 0, half), ("high", Some("a"), half + 1, u128::MAX), ("wide", None, 0, u128::MAX)];
        for (name, owner, start, end) in ranges {
            known.observe(Lease { hash_range: Some(HashRange { start, end }), ..row(name, owner, 1) }, at(0));
        }
        assert_eq!(known.uncovered_ratio(at(1), FAILOVER, &mine), 0.0);
        assert_eq!(known.uncovered_ratio(at(10), FAILOVER, &mine), 0.5);
        assert_eq!(known.uncovered_ratio(at(10), FAILOVER, &BTreeSet::new()), 1.0);
    }
}
