//! The lease table and the stream as last seen, and what follows from them.
//!
//! Nothing here decides alone: whatever is done about it is a conditional write.

use super::Instant;
use super::fleet::{Fleet, Life};
use crate::{Checkpoint, HashRange, Lease, Piece, Shard, ShardId, WorkerId};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A row as last seen.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) row: Lease,
    /// When its counter was first seen as it is.
    unmoved_since: Instant,
    /// When it first had this owner.
    owner_since: Instant,
    /// When it first had this checkpoint, if that is `SHARD_END`.
    ended_since: Option<Instant>,
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
    /// Whether there is a row that the last listing could not know, so that it is time for another.
    pub(super) outgrew_listing: bool,
    /// When the last scan that was answered had been asked for; none before the first answer.
    pub(super) scan_asked: Option<Instant>,
}

/// By whom and when owners are judged.
#[derive(Debug, Clone, Copy)]
pub(super) struct Judge<'a> {
    pub(super) now: Instant,
    pub(super) me: &'a WorkerId,
    pub(super) fleet: &'a Fleet,
    pub(super) failover: Duration,
    /// Whether beats can be judged; if not, nobody knows whether the state table fails for all or for this worker alone.
    pub(super) beats_count: bool,
}

/// Who has a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holder {
    Nobody,
    /// Its owner lives, or may.
    Lives,
    /// Its owner is dead, or says that it has left.
    Dead,
    /// Its owner has been silent for long and was never seen to beat: whether it has a row must be asked.
    Unsure,
    /// It is this worker's by the row.
    Mine,
}

/// The leases that can be read, for the plan.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    pub(super) pieces: Vec<Piece>,
    /// Owners of which it must be asked whether they have a row.
    pub(super) unsure: BTreeSet<WorkerId>,
    /// Leases that are this worker's by the row, but were not taken by it.
    pub(super) handed: Vec<ShardId>,
    /// Owners that live, by their beats or their leases.
    pub(super) living: BTreeSet<WorkerId>,
    /// Whether there are free ones.
    pub(super) free: bool,
}

impl Judge<'_> {
    pub(super) fn holder(&self, seen: &Seen) -> Holder {
        let Some(owner) = seen.row.actual_owner() else { return Holder::Nobody };
        if owner == self.me {
            return Holder::Mine;
        }
        let rested = self.now.since(seen.unmoved_since);
        match self.fleet.life(owner) {
            Life::Over => Holder::Dead,
            Life::Alive if self.beats_count => Holder::Lives,
            // Every worker moves each of its leases well within that time, or stops reading: beats only tell it sooner.
            _ if rested < self.failover => Holder::Lives,
            _ if !self.beats_count => Holder::Dead,
            _ if self.fleet.is_rowless(owner, seen.owner_since.max(self.recently())) => Holder::Dead,
            _ => Holder::Unsure,
        }
    }

    fn recently(&self) -> Instant {
        Instant::new(self.now.elapsed().saturating_sub(self.failover))
    }
}

impl Known {
    /// Puts in what was just seen. `true`: it is new, or not as it was.
    pub(super) fn observe(&mut self, row: Lease, now: Instant) -> bool {
        let ended = |row: &Lease| (row.checkpoint == Checkpoint::ShardEnd).then_some(now);
        match self.rows.entry(row.key.clone()) {
            Entry::Vacant(entry) => {
                let listed = |listing: &Listing| listing.shards.contains_key(entry.key());
                self.outgrew_listing |= self.listing.as_ref().is_some_and(|listing| !listed(listing));
                let ended_since = ended(&row);
                entry.insert(Seen { row, unmoved_since: now, owner_since: now, ended_since, first: now, last: now });
                true
            }
            Entry::Occupied(mut entry) => {
                let seen = entry.get_mut();
                let moved = seen.row.counter != row.counter;
                if moved {
                    seen.unmoved_since = now;
                }
                if seen.row.actual_owner() != row.actual_owner() {
                    seen.owner_since = now;
                }
                seen.ended_since = ended(&row).map(|now| seen.ended_since.unwrap_or(now));
                seen.last = now;
                seen.row = row;
                moved
            }
        }
    }

    /// Puts in a whole scan that was asked for at `asked`. What was seen since then is newer and stays. Answers whose
    /// leases are not as before.
    pub(super) fn scanned(&mut self, rows: Vec<Lease>, asked: Instant, now: Instant) -> BTreeSet<WorkerId> {
        let keys: BTreeSet<ShardId> = rows.iter().map(|row| row.key.clone()).collect();
        self.rows.retain(|key, seen| seen.last >= asked || keys.contains(key));
        self.scan_asked = Some(asked);
        let mut moved = BTreeSet::new();
        for row in rows {
            if self.rows.get(&row.key).is_none_or(|seen| seen.last < asked) {
                let owner = row.actual_owner().cloned();
                if self.observe(row, now) {
                    moved.extend(owner);
                }
            }
        }
        moved
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

    /// Puts in a list of the stream's shards.
    pub(super) fn listed(&mut self, listing: Listing) {
        let newer = |seen: &Seen| seen.first >= listing.asked && !listing.shards.contains_key(&seen.row.key);
        self.outgrew_listing = self.rows.values().any(newer);
        self.listing = Some(listing);
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

    /// Whether the row is of a former shard of this name: the stream was deleted and made again. Its position lies before
    /// the shard's first, or it has ended and a listing that was asked for long after shows the shard open.
    pub(super) fn is_former(&self, row: &Lease, failover: Duration) -> bool {
        let Some(listing) = &self.listing else { return false };
        let Some(shard) = listing.shards.get(&row.key) else { return false };
        match &row.checkpoint {
            Checkpoint::At { sequence, .. } => shard.starts_at.as_ref().is_some_and(|start| sequence < start),
            Checkpoint::ShardEnd => {
                let ended = self.rows.get(&row.key).and_then(|seen| seen.ended_since);
                shard.ended_at.is_none() && ended.is_some_and(|ended| listing.asked >= ended.plus(failover * 6))
            }
            _ => false,
        }
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

    fn is_readable(&self, seen: &Seen, failover: Duration) -> bool {
        let ended = seen.row.checkpoint == Checkpoint::ShardEnd && !self.is_former(&seen.row, failover);
        !ended && !self.is_gone(seen) && self.parents_have_ended(seen)
    }

    /// Whether anybody may take this lease now.
    pub(super) fn is_free(&self, key: &ShardId, judge: &Judge<'_>) -> bool {
        self.rows.get(key).is_some_and(|seen| {
            let holder = judge.holder(seen);
            matches!(holder, Holder::Nobody | Holder::Dead | Holder::Mine) && self.is_readable(seen, judge.failover)
        })
    }

    /// Who has what. `held` are the leases this worker holds, is taking, or whose tasks have not stopped yet: whose each
    /// will be, and whether it may be handed on.
    pub(super) fn pieces(&self, judge: &Judge<'_>, held: &BTreeMap<ShardId, (WorkerId, bool)>) -> Pieces {
        let mut found = Pieces::default();
        for (key, seen) in self.rows.iter().filter(|(_, seen)| self.is_readable(seen, judge.failover)) {
            let settled = judge.now.since(seen.owner_since) >= stay_min(judge.failover);
            let weight = weight(&seen.row);
            let piece =
                |owner: Option<&WorkerId>, movable| Piece { key: key.clone(), weight, owner: owner.cloned(), movable };
            if let Some((owner, movable)) = held.get(key) {
                found.pieces.push(piece(Some(owner), *movable));
                continue;
            }
            match judge.holder(seen) {
                Holder::Nobody | Holder::Dead => {
                    found.free = true;
                    found.pieces.push(piece(None, false));
                }
                Holder::Lives => {
                    found.living.extend(seen.row.actual_owner().cloned());
                    found.pieces.push(piece(seen.row.actual_owner(), settled));
                }
                Holder::Unsure => found.unsure.extend(seen.row.actual_owner().cloned()),
                Holder::Mine => found.handed.push(key.clone()),
            }
        }
        found
    }

    /// When the counter of an owner that was never seen to beat will have rested for too long.
    pub(super) fn next_expiry(&self, judge: &Judge<'_>) -> Option<Instant> {
        let unknown = self.rows.values().filter(|seen| {
            let owner = seen.row.actual_owner().filter(|owner| *owner != judge.me);
            owner.is_some_and(|owner| !judge.beats_count || judge.fleet.life(owner) == Life::Unknown)
                && seen.row.checkpoint != Checkpoint::ShardEnd
                && judge.holder(seen) == Holder::Lives
        });
        unknown.map(|seen| seen.unmoved_since.plus(judge.failover)).min()
    }

    /// The share of the hash-key space that no live worker reads, 0 to 1. A shard that waits for its parents is covered
    /// by whoever reads them.
    pub(super) fn uncovered_ratio(&self, judge: &Judge<'_>, mine: &BTreeSet<ShardId>) -> f64 {
        let lives = |seen: &Seen| matches!(judge.holder(seen), Holder::Lives | Holder::Unsure);
        let covered = self
            .rows
            .iter()
            .filter(|(key, seen)| mine.contains(*key) || lives(seen))
            .filter(|(_, seen)| seen.row.checkpoint != Checkpoint::ShardEnd)
            .filter_map(|(key, seen)| seen.row.hash_range.or_else(|| self.listed_range(key)));
        HashRange::uncovered_by(covered.collect())
    }

    /// Shards that are open now, as far as is known.
    pub(super) fn open_shards(&self) -> usize {
        let listed = self
            .listing
            .as_ref()
            .map_or(0, |listing| listing.shards.values().filter(|shard| shard.ended_at.is_none()).count());
        listed.max(self.rows.values().filter(|seen| seen.row.checkpoint != Checkpoint::ShardEnd).count())
    }

    fn listed_range(&self, key: &ShardId) -> Option<HashRange> {
        let listing = self.listing.as_ref()?;
        listing.shards.get(key).map(|shard| shard.hash_range)
    }
}

/// A lease stays at least so long where it has come to: a minute at the default, so that none is passed on and on.
pub(super) fn stay_min(failover: Duration) -> Duration {
    failover * 6
}

/// The weight of a row.
pub(super) fn weight(row: &Lease) -> u64 {
    row.load.unwrap_or_default().weight()
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

    /// Beats count, and every owner was asked about and has no row.
    fn fleet(known: &Known, now: Instant) -> Fleet {
        let mut fleet = Fleet::default();
        for owner in known.rows().filter_map(|row| row.owner.clone()) {
            fleet.read(&[owner], Vec::new(), now, now);
        }
        fleet
    }

    fn judge<'a>(fleet: &'a Fleet, me: &'a WorkerId, now: Instant) -> Judge<'a> {
        Judge { now, me, fleet, failover: FAILOVER, beats_count: true }
    }

    fn free(known: &Known, now: Instant) -> Vec<String> {
        let (fleet, me) = (fleet(known, now), WorkerId::new("me"));
        let found = known.pieces(&judge(&fleet, &me, now), &BTreeMap::new());
        assert_eq!(found.unsure, BTreeSet::new());
        found.pieces.iter().filter(|piece| piece.owner.is_none()).map(|piece| piece.key.to_string()).collect()
    }

    fn uncovered(known: &Known, now: Instant, mine: &BTreeSet<ShardId>) -> f64 {
        let (fleet, me) = (fleet(known, now), WorkerId::new("me"));
        known.uncovered_ratio(&judge(&fleet, &me, now), mine)
    }

    #[test]
    fn a_lease_expires_when_its_counter_rests_on_my_stopwatch() {
        let mut known = Known::default();
        known.observe(row("s", Some("a"), 1), at(100));
        assert_eq!(free(&known, at(109)), Vec::<String>::new());
        assert_eq!(free(&known, at(110)), ["s"]);
        let (fleet, me) = (Fleet::default(), WorkerId::new("me"));
        assert_eq!(known.next_expiry(&judge(&fleet, &me, at(105))), Some(at(110)));
        let unasked = known.pieces(&judge(&fleet, &me, at(110)), &BTreeMap::new());
        assert!(!unasked.free && unasked.unsure.contains(&WorkerId::new("a")), "it may have a row nobody has read");
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
            starts_at: None,
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
    fn a_recreated_streams_rows_are_of_former_shards() {
        let number = |digits| SequenceNumber::parse(digits).unwrap();
        let shard = |asked: u64| {
            let hash_range = HashRange { start: 0, end: 9 };
            let id = ShardId::new("s");
            let shard = Shard {
                id: id.clone(),
                parents: Vec::new(),
                hash_range,
                starts_at: Some(number("50")),
                ended_at: None,
            };
            Listing { asked: at(asked), shards: BTreeMap::from([(id, shard)]) }
        };
        for (checkpoint, asked, former) in [
            (Checkpoint::through(number("49")), 1, true),
            (Checkpoint::through(number("50")), 1, false),
            (Checkpoint::TrimHorizon, 1, false),
            (Checkpoint::ShardEnd, 61, true),
            // A listing may be a moment old, and show open what has just ended.
            (Checkpoint::ShardEnd, 59, false),
        ] {
            let mut known = Known::default();
            let row = Lease { checkpoint, ..row("s", None, 1) };
            known.observe(row.clone(), at(1));
            known.listing = Some(shard(asked));
            assert_eq!(known.is_former(&row, FAILOVER), former, "{row:?} {asked}");
            let readable = row.checkpoint != Checkpoint::ShardEnd || former;
            assert_eq!(!free(&known, at(100)).is_empty(), readable);
        }
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
        assert_eq!(uncovered(&known, at(1), &mine), 0.0);
        assert_eq!(uncovered(&known, at(10), &mine), 0.5);
        assert_eq!(uncovered(&known, at(10), &BTreeSet::new()), 1.0);
    }
}
