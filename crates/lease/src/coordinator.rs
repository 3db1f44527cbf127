//! Who reads which shard: one worker's part, as a state machine.
//!
//! The driver tells it events and carries out its actions; it never waits, and knows no table, stream or clock. It finds
//! shards and makes their lease rows, takes leases that nobody has or whose owner has been silent, renews what it holds,
//! writes the shard tasks' commits, and gives back what is too much or what it must.
//!
//! Invariants:
//! - every change of a row is a conditional write, so a stale view costs a refusal and nothing else;
//! - a lease that has not been renewed for the failover time less a tenth is given up before anybody may take it;
//! - a shard has one task: it is not started again before the last one has stopped;
//! - a child shard is not taken before all its parents are at `SHARD_END`, and has a row before its parent is;
//! - no decision compares the clocks of two workers.

mod discovery;
mod held;
mod holding;
mod known;
mod message;

pub use message::{
    Action, Ask, Event, Failed, Instant, LeaseLost, Reason, Settings, StartPosition, Ticket, WriteFailed,
};

use crate::random::Random;
use crate::{Lease, ShardId};
use held::{Held, Task};
use known::{Known, Listing, Standing};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// Rows made at once. A stream of a thousand shards has them all within a few seconds, and a table on a small budget is
/// not flooded.
const CREATES_MAX: usize = 16;

/// The state machine.
#[derive(Debug)]
pub struct Coordinator {
    settings: Settings,
    random: Random,
    known: Known,
    held: BTreeMap<ShardId, Held>,
    /// Tasks of leases that are no longer held, until they say that they have stopped.
    stopping: BTreeSet<ShardId>,
    /// Leases given back for balance, or whose task broke, and until when others may have them first.
    resting: BTreeMap<ShardId, Instant>,
    /// Rows being made.
    creating: BTreeMap<Ticket, ShardId>,
    actions: VecDeque<Action>,
    tickets: u64,
    /// When the scan (listing) under way was asked for.
    scanning: Option<Instant>,
    listing: Option<Instant>,
    next_scan: Instant,
    next_listing: Instant,
    scan_failures: u32,
    listing_failures: u32,
    /// Since when this worker has held more than its share.
    heavy_since: Option<Instant>,
    draining: bool,
    finished: bool,
}

impl Coordinator {
    /// A worker that holds nothing. `seed` spreads what many workers would do at once, and in which order they take.
    pub fn new(settings: Settings, seed: u64) -> Self {
        Self {
            settings,
            random: Random::new(seed),
            known: Known::default(),
            held: BTreeMap::new(),
            stopping: BTreeSet::new(),
            resting: BTreeMap::new(),
            creating: BTreeMap::new(),
            actions: VecDeque::new(),
            tickets: 0,
            scanning: None,
            listing: None,
            next_scan: Instant::default(),
            next_listing: Instant::default(),
            scan_failures: 0,
            listing_failures: 0,
            heavy_since: None,
            draining: false,
            finished: false,
        }
    }

    /// Takes in what happened. Time goes first: a lease that has run out while nobody called is given up before a late
    /// answer could revive it.
    pub fn handle(&mut self, now: Instant, event: Event) {
        self.tick(now);
        match event {
            Event::Shards(result) => self.listed(now, result),
            Event::Unreadable(keys) => self.known.unreadable = keys.into_iter().collect(),
            Event::Rows(result) => self.scanned(now, result),
            Event::Wrote { ticket, result } => self.wrote(now, ticket, result),
            Event::Row { ticket, result } => self.row_read(now, ticket, result),
            Event::Commit { ask, key, commit } => self.commit(now, ask, &key, commit),
            Event::End { ask, key, read_until_ms, children } => self.end(now, ask, &key, read_until_ms, children),
            Event::TaskStopped { key } => self.task_stopped(now, &key),
            Event::Drain => self.drain(now),
        }
        self.tick(now);
    }

    /// Does what is due at `now`.
    pub fn tick(&mut self, now: Instant) {
        self.tick_held(now);
        self.resting.retain(|_, until| *until > now);
        if self.draining {
            self.finish_drain();
        }
        if !self.looks() {
            return;
        }
        if self.listing.is_none() && now >= self.listing_due() {
            self.listing = Some(now);
            self.actions.push_back(Action::ListShards);
        }
        if self.scanning.is_none() && now >= self.next_scan {
            self.scanning = Some(now);
            self.actions.push_back(Action::Scan);
        }
    }

    /// The next thing to do, until there is none.
    pub fn poll(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When [`Coordinator::tick`] must be called at the latest, if nothing happens before.
    pub fn wake_at(&self) -> Option<Instant> {
        if !self.actions.is_empty() {
            return Some(Instant::default());
        }
        let mut wake = self.held_wake_at();
        if self.looks() {
            let scan = self.scanning.is_none().then_some(self.next_scan);
            let listing = self.listing.is_none().then(|| self.listing_due());
            wake = [wake, scan, listing].into_iter().flatten().min();
        }
        wake
    }

    /// The leases whose shards are being read, as last known.
    pub fn held(&self) -> impl Iterator<Item = &Lease> {
        let reading = self.held.values().filter(|held| matches!(held.task, Task::Running | Task::Draining));
        reading.map(|held| &held.row)
    }

    /// The share of the stream's hash-key space that no live worker reads, as far as this worker has seen, 0 to 1.
    pub fn uncovered_ratio(&self, now: Instant) -> f64 {
        let mine = self.held().map(|row| row.key.clone()).collect();
        self.known.uncovered_ratio(now, self.settings.failover, &mine)
    }

    /// An owner gives up this long after its last renewal, a tenth before others may take the lease: stopwatches differ
    /// by far less, and the shard's task needs a moment to stop.
    fn hold(&self) -> Duration {
        self.settings.failover.mul_f64(0.9)
    }

    /// A pause before trying again: what the service asks for, growing with failures, never long beside the failover
    /// time, and different for each worker.
    fn pause(&mut self, failed: Failed, failures: u32) -> Duration {
        let failover = self.settings.failover;
        let growing = (failover / 40).saturating_mul(1 << failures.min(6));
        growing.max(failed.retry_after).min(failover / 5).mul_f64(self.random.half_to_one())
    }

    fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }

    /// A minute at KCL's failover time: shards change rarely, and a shard's end is told by its last read anyway. Sooner
    /// when a row came up that the last listing could not know.
    fn listing_due(&self) -> Instant {
        let asked = self.known.listing.as_ref().map(|listing| listing.asked);
        let soon = asked.filter(|_| self.listing_failures == 0 && self.known.outgrew_listing());
        soon.map_or(self.next_listing, |asked| self.next_listing.min(asked.plus(self.settings.failover / 2)))
    }

    fn listed(&mut self, now: Instant, result: Result<Vec<crate::Shard>, Failed>) {
        let Some(asked) = self.listing.take() else { return };
        match result {
            Ok(shards) => {
                self.listing_failures = 0;
                self.next_listing = now.plus(self.settings.failover * 6);
                let shards = shards.into_iter().map(|shard| (shard.id.clone(), shard)).collect();
                self.known.listing = Some(Listing { asked, shards });
                self.round(now);
            }
            Err(failed) => {
                self.listing_failures = self.listing_failures.saturating_add(1);
                self.next_listing = now.plus(self.pause(failed, self.listing_failures));
            }
        }
    }

    fn scanned(&mut self, now: Instant, result: Result<Vec<Lease>, Failed>) {
        let Some(asked) = self.scanning.take() else { return };
        match result {
            Ok(rows) => {
                self.scan_failures = 0;
                self.known.scanned(rows, asked, now);
                self.next_scan = now.plus(self.settings.failover / 3);
                self.round(now);
            }
            Err(failed) => {
                self.scan_failures = self.scan_failures.saturating_add(1);
                self.next_scan = now.plus(self.pause(failed, self.scan_failures));
            }
        }
    }

    /// Whether the table and the stream are still looked at: once draining, only for the sake of a shard that has ended.
    fn looks(&self) -> bool {
        !self.draining || self.held.values().any(|held| held.ending.is_some())
    }

    /// What follows from a new view of the table or the stream.
    fn round(&mut self, now: Instant) {
        self.advance_ends(now);
        if self.draining {
            return;
        }
        self.create_missing(now);
        let mine = self.mine();
        let standing = self.known.standing(now, self.settings.failover, &mine);
        let share = share(&standing, self.settings.held_max);
        self.take_some(now, &standing, share);
        self.give_back(now, &standing, share);
        if let Some(expiry) = self.known.next_expiry(now, self.settings.failover, &mine) {
            self.next_scan = self.next_scan.min(expiry);
        }
    }

    /// The leases this worker holds, takes, or whose tasks have not stopped yet.
    fn mine(&self) -> BTreeSet<ShardId> {
        self.held.keys().chain(&self.stopping).cloned().collect()
    }

    /// Makes rows for shards that have none, a batch at a time.
    fn create_missing(&mut self, now: Instant) {
        if !self.creating.is_empty() || !self.known.is_scanned() {
            return;
        }
        let Some(listing) = &self.known.listing else { return };
        let now_ms = self.settings.started_ms + now.elapsed().as_millis() as i64;
        let mut rows = discovery::missing(&listing.shards, &self.known, self.settings.start, now_ms);
        rows.truncate(CREATES_MAX);
        for row in rows {
            self.create(row);
        }
    }

    fn create(&mut self, row: Lease) {
        let ticket = self.ticket();
        self.creating.insert(ticket, row.key.clone());
        self.actions.push_back(Action::Write { ticket, write: Box::new(crate::Write::Create(row)) });
    }

    /// The answer to a creation. One that failed is found missing again by the next scan.
    fn created(&mut self, now: Instant, result: Result<Lease, WriteFailed>) {
        match result {
            Ok(row) => self.known.observe(row, now),
            Err(WriteFailed::Refused(Some(row))) => self.known.observe(*row, now),
            Err(_) => self.next_scan = self.next_scan.min(now.plus(self.settings.failover / 20)),
        }
        if self.creating.is_empty() {
            self.round(now);
        }
    }

    /// Takes some of what is free, up to this worker's share: half of what it lacks a round, so that workers which start
    /// together all get some, and at least two, so that a small fleet need not wait.
    fn take_some(&mut self, now: Instant, standing: &Standing, share: usize) {
        let lacking = share.saturating_sub(self.held.len());
        let mut free: Vec<&ShardId> = standing.free.iter().filter(|key| !self.resting.contains_key(*key)).collect();
        self.random.shuffle(&mut free);
        let taken = free.len().min(lacking).min(lacking.div_ceil(2).max(2));
        for key in &free[..taken] {
            self.take(now, key);
        }
        if free.len().min(lacking) > taken || self.known.wants_scan() {
            self.next_scan = self.next_scan.min(now.plus(self.settings.failover / 20));
        }
    }

    /// Gives back one lease if this worker has held more than its share for the failover time, and another could have
    /// it. Who gives back ends with no less than the other has then, so a fleet at rest makes no move.
    fn give_back(&mut self, now: Instant, standing: &Standing, share: usize) {
        let lightest = standing.live.values().min().copied();
        let heavy = self.held.len() > share && lightest.is_some_and(|other| other + 2 <= self.held.len());
        if !heavy {
            self.heavy_since = None;
            return;
        }
        let since = *self.heavy_since.get_or_insert(now);
        let draining = self.held.values().any(|held| held.task == Task::Draining);
        if draining || now.since(since) < self.settings.failover {
            return;
        }
        let running: Vec<ShardId> =
            self.held.iter().filter(|(_, held)| held.task == Task::Running).map(|(key, _)| key.clone()).collect();
        if !running.is_empty() {
            let key = running[self.random.below(running.len())].clone();
            self.heavy_since = None;
            self.resting.insert(key.clone(), now.plus(self.settings.failover * 2));
            self.drain_task(&key);
        }
    }

    fn drain(&mut self, now: Instant) {
        self.draining = true;
        let keys: Vec<ShardId> = self.held.keys().cloned().collect();
        for key in keys {
            self.drain_task(&key);
            self.pump(now, &key);
        }
    }

    fn finish_drain(&mut self) {
        if self.held.is_empty() && self.stopping.is_empty() && !self.finished {
            self.finished = true;
            self.actions.push_back(Action::Finished);
        }
    }
}

/// This worker's fair share: what can be read, divided among the live owners and this worker, rounded up.
fn share(standing: &Standing, held_max: Option<usize>) -> usize {
    let fair = standing.readable.div_ceil(standing.live.len() + 1);
    held_max.map_or(fair, |max| fair.min(max))
}

#[cfg(test)]
mod tests;
