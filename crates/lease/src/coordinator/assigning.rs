//! What follows from a view of the table, the stream and the fleet: rows to make, leases to take and to hand on.

use super::fleet::hash;
use super::held::{Held, Task};
use super::known::{Pieces, stay_min};
use super::{Action, Coordinator, Instant, Reason, WriteFailed, discovery};
use crate::{Checkpoint, Lease, Piece, Place, ShardId, WorkerId, Write, plan};
use std::collections::{BTreeMap, BTreeSet};

/// Rows made, or leases taken, at once. A stream of a thousand shards has all within a few seconds, and a table on a
/// small budget is not flooded.
const WRITES_MAX: usize = 64;

/// Workers that look, on average, at a free lease which another should have taken and did not; each time four times as
/// many. A lease that is left is found soon, and a large fleet does not ask for it as one.
const FINDERS: u64 = 8;

/// A free lease that another worker should take.
#[derive(Debug)]
pub(super) struct Left {
    /// How long it is given the time.
    pub(super) until: Instant,
    /// How often that was too short.
    tries: u32,
}

impl Coordinator {
    /// A worker that has just started waits until it knows the others and they know it, two beats, before it takes what
    /// is free: all that start together share. Without the state table it does not wait for ever.
    pub(super) fn settles_at(&self) -> Instant {
        let known =
            self.beats.is_known() && self.fleet.scan_asked.is_some_and(|asked| asked >= Instant::new(self.brisk()));
        Instant::new(if known { self.brisk() * 2 } else { self.settings.failover })
    }

    /// What follows from a new view of the table, the stream or the fleet.
    pub(super) fn round(&mut self, now: Instant) {
        self.advance_ends(now);
        if self.draining || !self.known.is_scanned() {
            return;
        }
        let movable: BTreeMap<ShardId, (WorkerId, bool)> = self.held_and_movable(now);
        let found = self.known.pieces(&self.judge(now), &movable);
        if (self.beats.is_known() || self.settled) && self.is_fit(now) {
            self.take_handed(now, &found);
        }
        self.ask_about(now, &found.unsure);
        if let Some(expiry) = self.known.next_expiry(&self.judge(now)) {
            let soonest = self.scan_asked.plus((self.brisk() / 2).max(self.grown(self.brisk()) / 5));
            self.next_scan = self.next_scan.min(expiry.max(soonest));
        }
        if !self.settled || !self.is_fit(now) {
            return;
        }
        self.create_missing(now);
        let plan = plan(&found.pieces, &self.empty_places(now, &found.living));
        self.take_some(now, &plan.taken);
        if found.free || self.known.wants_scan() || (!plan.moved.is_empty() && !self.agrees(&found.pieces)) {
            self.scan_soon(now);
        } else {
            self.start_moves(now, plan.moved);
        }
    }

    /// Whether the table as last seen shows what the workers say they hold. A large fleet looks at its table rarely, and
    /// what is planned from an old view would undo what others have done since.
    fn agrees(&self, pieces: &[Piece]) -> bool {
        let mut seen: BTreeMap<&WorkerId, usize> = BTreeMap::new();
        for owner in pieces.iter().filter_map(|piece| piece.owner.as_ref()) {
            *seen.entry(owner).or_default() += 1;
        }
        let others = self.fleet.active();
        let off = others.map(|member| seen.get(&member.id).copied().unwrap_or(0).abs_diff(member.leases as usize));
        off.sum::<usize>() <= (pieces.len() / 20).max(2)
    }

    /// The leases this worker holds, takes, or whose tasks have not stopped yet: whose each will be, and
    /// whether it may be handed on.
    pub(super) fn held_and_movable(&self, now: Instant) -> BTreeMap<ShardId, (WorkerId, bool)> {
        let stay = stay_min(self.settings.failover);
        let movable =
            |held: &Held| held.task == Task::Running && held.going.is_none() && now.since(held.taken_at) >= stay;
        let owner = |held: &Held| held.going.as_ref().map_or(&self.settings.worker, |going| &going.to).clone();
        let held = self.held.iter().map(|(key, held)| (key.clone(), (owner(held), movable(held))));
        let stopping = self.stopping.iter().filter(|key| !self.held.contains_key(*key));
        held.chain(stopping.map(|key| (key.clone(), (self.settings.worker.clone(), false)))).collect()
    }

    /// The workers of the plan: what they carry stands in the plan's leases. Where beats can't be judged, those that are
    /// seen by their leases.
    pub(super) fn empty_places(&self, now: Instant, living: &BTreeSet<WorkerId>) -> Vec<Place> {
        let beats_count = self.judges(now);
        let mut places = self.places(true);
        places.retain(|place| place.id == self.settings.worker || beats_count || living.contains(&place.id));
        places.into_iter().map(|place| Place { leases: 0, weight: 0, ..place }).collect()
    }

    pub(super) fn take_handed(&mut self, now: Instant, found: &Pieces) {
        for key in &found.handed {
            self.take(now, key, Reason::Handed);
        }
    }

    /// Asks whether owners that were never seen to beat have a row.
    pub(super) fn ask_about(&mut self, now: Instant, unsure: &BTreeSet<WorkerId>) {
        let ids: Vec<_> = unsure.iter().filter(|id| !self.is_reading(id)).take(100).cloned().collect();
        if !ids.is_empty() {
            self.read_members(now, ids);
        }
    }

    /// Owners were asked about: what they had may be free now.
    pub(super) fn unsure_answered(&mut self, now: Instant) {
        let movable = self.held_and_movable(now);
        if !self.known.is_scanned() || self.draining {
            return;
        }
        if self.known.pieces(&self.judge(now), &movable).free {
            self.round(now);
        }
    }

    /// Makes rows for shards that have none. Each shard has one worker that makes its row, and takes it; if the row is
    /// still missing after a while, anybody does.
    pub(super) fn create_missing(&mut self, now: Instant) {
        let Some(listing) = self.known.listing.as_ref().filter(|_| self.creating.is_empty()) else { return };
        let now_ms = self.settings.started_ms + now.elapsed().as_millis() as i64;
        let rows = discovery::missing(&listing.shards, &self.known, self.settings.start, now_ms);
        let keys: BTreeSet<&ShardId> = rows.iter().map(|row| &row.key).collect();
        self.missing.retain(|key, _| keys.contains(key));
        let patience = self.settings.failover / 2;
        let makers = self.makers();
        let makes = |key: &ShardId| makers[(hash(key.as_str()) % makers.len() as u64) as usize] == self.settings.worker;
        let mut mine = Vec::new();
        for row in &rows {
            let since = *self.missing.entry(row.key.clone()).or_insert(now);
            // A row may be missing only here, so a scan has to show that its maker did not make it.
            if makes(&row.key) || self.known.scan_asked >= Some(since.plus(patience)) {
                mine.push(row.clone());
            }
        }
        let waiting = mine.len() < rows.len();
        mine.truncate(WRITES_MAX);
        for row in mine {
            self.create(row);
        }
        if waiting {
            self.scan_soon(now);
        }
    }

    /// Those that make rows, in an order that is the same for all: a shard's name says which of them makes its row.
    fn makers(&self) -> Vec<WorkerId> {
        let others = self.fleet.active().map(|member| &member.id);
        let all: BTreeSet<&WorkerId> = others.chain([&self.settings.worker]).collect();
        all.into_iter().cloned().collect()
    }

    pub(super) fn create(&mut self, row: Lease) {
        let ticket = self.ticket();
        self.creating.insert(ticket, row.key.clone());
        self.actions.push_back(Action::Write { ticket, write: Box::new(Write::Create(row)) });
    }

    /// The answer to a creation. One that failed is found missing again by the next scan.
    pub(super) fn created(&mut self, now: Instant, result: Result<Lease, WriteFailed>) {
        match result {
            Ok(row) => {
                self.created.insert(row.key.clone());
                self.see(now, row);
            }
            Err(WriteFailed::Refused(Some(row))) => self.see(now, *row),
            Err(_) => self.scan_soon(now),
        }
        if self.creating.is_empty() {
            self.round(now);
        }
    }

    /// Takes what the plan gives to this worker, and of what it made itself as much as is fair: others have not seen
    /// that yet. What the plan gives to others is left to them for a while.
    pub(super) fn take_some(&mut self, now: Instant, taken: &[(ShardId, WorkerId)]) {
        let fair = self.known.open_shards().div_ceil(self.fleet.active().count() + 1);
        let fair = self.settings.held_max.map_or(fair, |max| fair.min(max));
        let busy = self.held.values().filter(|held| matches!(held.task, Task::Taking(_))).count();
        let mut room = WRITES_MAX.saturating_sub(busy);
        let free: BTreeSet<&ShardId> = taken.iter().map(|(key, _)| key).collect();
        self.created.retain(|key| free.contains(key));
        self.left_to.retain(|key, _| free.contains(key));
        for (key, to) in taken {
            if self.resting.contains_key(key) || self.is_busy(key) {
                continue;
            }
            let made = self.created.contains(key) && self.held.len() < fair;
            if (made || *to == self.settings.worker) && room > 0 {
                room -= 1;
                self.created.remove(key);
                let nobodys = self.known.row(key).is_some_and(|row| row.actual_owner().is_none());
                self.take(now, key, if nobodys { Reason::Free } else { Reason::Expired });
            } else if *to != self.settings.worker {
                let until = now.plus(self.settings.failover / 2);
                self.left_to.entry(key.clone()).or_insert(Left { until, tries: 0 });
            }
        }
    }

    /// Others had time to take what was left to them.
    pub(super) fn look_at_left(&mut self, now: Instant) {
        let workers = self.fleet.active().count() as u64 + 1;
        let me = hash(self.settings.worker.as_str());
        let due = self.left_to.iter_mut().filter(|(_, left)| left.until <= now).take(WRITES_MAX);
        let mut found = Vec::new();
        for (key, left) in due {
            let finders = FINDERS << (2 * left.tries.min(16));
            (left.until, left.tries) = (now.plus(self.settings.failover / 2), left.tries.saturating_add(1));
            if (me ^ hash(key.as_str())) % workers < finders {
                found.push(key.clone());
            }
        }
        for key in found {
            self.look(&key);
        }
    }

    /// A shard has ended: its children may be free now, if their other parents have ended too.
    pub(super) fn look_at_family(&mut self, children: &[ShardId]) {
        let rows = children.iter().filter_map(|child| self.known.row(child));
        let mut keys: BTreeSet<ShardId> = rows.flat_map(|row| row.parents.clone()).collect();
        keys.extend(children.iter().cloned());
        for key in keys {
            self.look(&key);
        }
    }

    /// A row of a family was looked at: takes the children that are free. Whoever ends the last parent sees that.
    pub(super) fn take_children(&mut self, now: Instant, seen: &ShardId) {
        if self.draining || self.looks.values().any(|key| key == seen) {
            return;
        }
        let ended = |row: &&Lease| row.checkpoint == Checkpoint::ShardEnd;
        let of_ended = self.known.row(seen).filter(ended).map(|row| row.children.clone()).unwrap_or_default();
        let own = self.known.row(seen).filter(|row| !row.parents.is_empty()).map(|row| row.key.clone());
        for key in of_ended.into_iter().chain(own) {
            let nobodys = self.known.row(&key).is_some_and(|row| row.actual_owner().is_none());
            let fresh = nobodys && !self.resting.contains_key(&key) && !self.left_to.contains_key(&key);
            let room = self.settings.held_max.is_none_or(|max| self.held.len() < max);
            if fresh && room && !self.is_busy(&key) && self.known.is_free(&key, &self.judge(now)) {
                self.take(now, &key, Reason::Free);
            }
        }
    }
}
