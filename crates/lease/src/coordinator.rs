//! Who reads which shard: one worker's part, as a state machine.
//!
//! The driver tells it events and carries out its actions; it never waits, and knows no table, stream or clock. It finds
//! shards and makes their lease rows, beats and watches others beat, takes leases that nobody has or whose owner is dead,
//! writes the shard tasks' commits, and hands on what another should have. There is no leader: every worker makes the
//! same plan of what it sees and carries out its own part.
//!
//! Invariants:
//! - every change of a row is a conditional write, so a stale view costs a refusal and nothing else;
//! - a worker that is not heard gives up all leases before anybody may take them (`beating.rs`);
//! - a shard has one task: it is not started again before the last one has stopped;
//! - a child shard is not taken before all its parents are at `SHARD_END`, and has a row before its parent is;
//! - no decision compares the clocks of two workers.

mod assigning;
mod beating;
mod discovery;
mod fleet;
mod held;
mod holding;
mod known;
mod message;
mod moving;
mod watching;

pub use message::{
    Action, Ask, BeatFailed, Event, Failed, Instant, LeaseLost, Reason, Rows, Settings, StartPosition, Ticket,
    WriteFailed,
};

use crate::random::Random;
use crate::{Lease, ShardId};
use assigning::Left;
use beating::Beats;
use fleet::{Fleet, Life};
use held::{Held, Task};
use known::{Judge, Known, Listing};
use moving::{Announcing, Coming, Untold};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;
use watching::Watch;

/// The state machine.
#[derive(Debug)]
pub struct Coordinator {
    settings: Settings,
    random: Random,
    known: Known,
    fleet: Fleet,
    beats: Beats,
    watch: Watch,
    held: BTreeMap<ShardId, Held>,
    /// Tasks of leases that are no longer held, until they say that they have stopped.
    stopping: BTreeSet<ShardId>,
    /// Leases whose task broke, and until when others may have them first.
    resting: BTreeMap<ShardId, Instant>,
    /// Rows being made.
    creating: BTreeMap<Ticket, ShardId>,
    /// Rows that this worker has made and nobody has taken.
    created: BTreeSet<ShardId>,
    /// Shards without a row, and since when.
    missing: BTreeMap<ShardId, Instant>,
    /// Free leases that others should take.
    left_to: BTreeMap<ShardId, Left>,
    /// Leases that others have announced.
    coming: BTreeMap<ShardId, Coming>,
    announcing: BTreeMap<Ticket, Announcing>,
    untold: Vec<Untold>,
    /// Single rows being looked at.
    looks: BTreeMap<Ticket, ShardId>,
    /// Another consumer's workers as the last scan had them, and when one was last seen to live.
    strangers: BTreeMap<String, i64>,
    strangers_moved: Option<Instant>,
    actions: VecDeque<Action>,
    tickets: u64,
    /// When time was last looked at.
    ticked: Instant,
    /// When the scan (listing) under way was asked for.
    scanning: Option<Instant>,
    scan_asked: Instant,
    listing: Option<Instant>,
    next_scan: Instant,
    /// When the table is looked at once more, after a time in which this worker was told nothing.
    scan_again: Option<Instant>,
    next_listing: Instant,
    scan_failures: u32,
    listing_failures: u32,
    settled: bool,
    draining: bool,
    finished: bool,
}

impl Coordinator {
    /// A worker that holds nothing. `seed` spreads what many workers would do at once, and in which order they take.
    pub fn new(settings: Settings, seed: u64) -> Self {
        Self {
            beats: Beats::new(settings.started_ms, settings.failover / 10),
            settings,
            random: Random::new(seed),
            known: Known::default(),
            fleet: Fleet::default(),
            watch: Watch::default(),
            held: BTreeMap::new(),
            stopping: BTreeSet::new(),
            resting: BTreeMap::new(),
            creating: BTreeMap::new(),
            created: BTreeSet::new(),
            missing: BTreeMap::new(),
            left_to: BTreeMap::new(),
            coming: BTreeMap::new(),
            announcing: BTreeMap::new(),
            untold: Vec::new(),
            looks: BTreeMap::new(),
            strangers: BTreeMap::new(),
            strangers_moved: None,
            actions: VecDeque::new(),
            tickets: 0,
            ticked: Instant::default(),
            scanning: None,
            scan_asked: Instant::default(),
            listing: None,
            next_scan: Instant::default(),
            scan_again: None,
            next_listing: Instant::default(),
            scan_failures: 0,
            listing_failures: 0,
            settled: false,
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
            Event::Rows(result) => self.scanned(now, result),
            Event::Owned { ticket, result } => self.owned(now, ticket, result),
            Event::Beaten { ticket, result } => self.beaten(now, ticket, result),
            Event::Members(result) => self.members_scanned(now, result),
            Event::MembersRead { ticket, result } => self.members_read(now, ticket, result),
            Event::Announced { ticket, result } => self.announced(now, ticket, result),
            Event::Wrote { ticket, result } => self.wrote(now, ticket, result),
            Event::Row { ticket, result } => self.row_read(now, ticket, result),
            Event::Commit { ask, key, commit } => self.commit(now, ask, &key, commit),
            Event::End { ask, key, read_until_ms, children } => self.end(now, ask, &key, read_until_ms, children),
            Event::TaskStopped { key } => self.task_stopped(now, &key),
            Event::Drain => self.leave(now),
        }
        self.tick(now);
    }

    /// Does what is due at `now`.
    pub fn tick(&mut self, now: Instant) {
        self.ticked = now;
        self.tick_held(now);
        self.tick_beats(now);
        self.tick_moves(now);
        let resting = self.resting.len();
        self.resting.retain(|_, until| *until > now);
        let again = self.scan_again.take_if(|at| *at <= now).is_some();
        if again || self.resting.len() < resting {
            self.scan_soon(now);
        }
        if self.draining {
            self.finish_drain(now);
        }
        if !self.looks_around() {
            return;
        }
        if self.listing.is_none() && now >= self.listing_due() {
            self.listing = Some(now);
            self.actions.push_back(Action::ListShards);
        }
        if self.scanning.is_none() && now >= self.next_scan {
            self.scanning = Some(now);
            self.scan_asked = now;
            self.actions.push_back(Action::Scan);
        }
        self.tick_watch(now);
        self.look_at_left(now);
        if !self.settled && now >= self.settles_at() {
            self.settled = true;
            self.round(now);
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
        if self.finished {
            return None;
        }
        let mut wake =
            [self.held_wake_at(), self.moves_wake_at(), Some(self.beats_wake_at())].into_iter().flatten().min();
        if self.looks_around() {
            let scan = self.scanning.is_none().then_some(self.next_scan);
            let listing = self.listing.is_none().then(|| self.listing_due());
            let left = self.left_to.values().map(|left| left.until).min();
            let settles = (!self.settled).then(|| self.settles_at());
            wake = [wake, scan, listing, left, settles, Some(self.watch_wake_at())].into_iter().flatten().min();
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
        self.known.uncovered_ratio(&self.judge(now), &mine)
    }

    /// Whether this worker's own beat is known to others.
    pub fn is_known(&self) -> bool {
        self.beats.is_known()
    }

    fn judge(&self, now: Instant) -> Judge<'_> {
        Judge {
            now,
            me: &self.settings.worker,
            fleet: &self.fleet,
            failover: self.settings.failover,
            beats_count: self.judges(now),
        }
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

    /// Takes in a row, wherever it was seen.
    fn see(&mut self, now: Instant, row: Lease) {
        let owner = row.actual_owner().cloned();
        if self.known.observe(row, now)
            && let Some(owner) = owner
        {
            self.fleet.lease_moved(&owner, now);
        }
    }

    /// Looks at one row.
    fn look(&mut self, key: &ShardId) {
        if !self.looks.values().any(|looked| looked == key) {
            let ticket = self.ticket();
            self.looks.insert(ticket, key.clone());
            self.actions.push_back(Action::Read { ticket, key: key.clone() });
        }
    }

    /// A minute at KCL's failover time, longer in a large fleet: shards change rarely, and a shard's end is told by its
    /// last read anyway. Sooner when a row came up that the last listing could not know.
    fn listing_due(&self) -> Instant {
        let asked = self.known.listing.as_ref().map(|listing| listing.asked);
        let soon = asked.filter(|_| self.listing_failures == 0 && self.known.outgrew_listing);
        soon.map_or(self.next_listing, |asked| self.next_listing.min(asked.plus(self.settings.failover / 2)))
    }

    fn listed(&mut self, now: Instant, result: Result<Vec<crate::Shard>, Failed>) {
        let Some(asked) = self.listing.take() else { return };
        match result {
            Ok(shards) => {
                self.listing_failures = 0;
                self.next_listing = now.plus((self.settings.failover * 6).max(self.grown(self.brisk() * 2)));
                let shards = shards.into_iter().map(|shard| (shard.id.clone(), shard)).collect();
                self.known.listed(Listing { asked, shards });
                self.give_up_former(now);
                self.round(now);
            }
            Err(failed) => {
                self.listing_failures = self.listing_failures.saturating_add(1);
                self.next_listing = now.plus(self.pause(failed, self.listing_failures));
            }
        }
    }

    /// Leases of shards whose stream was deleted and made again under its name begin anew.
    fn give_up_former(&mut self, now: Instant) {
        let former = self.held.iter().filter(|(_, held)| self.known.is_former(&held.row, self.settings.failover));
        let keys: Vec<ShardId> = former.map(|(key, _)| key.clone()).collect();
        for key in keys {
            self.remove(now, &key, Reason::NotRenewed, None);
        }
    }

    fn scanned(&mut self, now: Instant, result: Result<Rows, Failed>) {
        let Some(asked) = self.scanning.take() else { return };
        match result {
            Ok(Rows { leases, unreadable, strangers }) => {
                self.scan_failures = 0;
                self.known.unreadable = unreadable.into_iter().collect();
                self.see_strangers(now, strangers);
                for owner in self.known.scanned(leases, asked, now) {
                    if self.fleet.life(&owner) == Life::Unknown && self.fleet.is_rowless(&owner, Instant::default()) {
                        self.strangers_moved = Some(now);
                    }
                    self.fleet.lease_moved(&owner, now);
                }
                let pause = self.scan_pause_at_rest(now).mul_f64(0.5 + self.random.half_to_one());
                self.next_scan = now.plus(pause);
                self.round(now);
            }
            Err(failed) => {
                self.scan_failures = self.scan_failures.saturating_add(1);
                self.next_scan = now.plus(self.pause(failed, self.scan_failures));
            }
        }
    }

    fn see_strangers(&mut self, now: Instant, strangers: BTreeMap<String, i64>) {
        let moved = strangers.iter().any(|(id, at)| self.strangers.get(id).is_some_and(|before| before != at));
        let new = strangers.keys().any(|id| !self.strangers.contains_key(id));
        if moved || (new && self.known.is_scanned()) {
            self.strangers_moved = Some(now);
        }
        self.strangers = strangers;
    }

    /// Whether another consumer's workers live, as far as this worker has seen. KCL's say so every 30 s and count as
    /// dead after a minute.
    fn strangers_live(&self, now: Instant) -> bool {
        self.strangers_moved.is_some_and(|moved| now.since(moved) < self.settings.failover * 12)
    }

    /// Between two scans of the lease table. Each row is read by the fleet as a whole every few seconds, whatever its
    /// size; that finds what beats and announcements do not tell. Without beats, rows are all there is to judge by.
    fn scan_pause_at_rest(&self, now: Instant) -> Duration {
        let failover = self.settings.failover;
        if self.judges(now) { (failover * 3).max(self.grown(self.brisk() * 3)) } else { failover / 3 }
    }

    /// The table is looked at soon: something has changed, or was left half done.
    fn scan_soon(&mut self, now: Instant) {
        let pause = (self.brisk() / 2).max(self.grown(self.brisk()) / 5);
        self.next_scan = self.next_scan.min(self.scan_asked.plus(pause)).max(now);
    }

    /// Whether the table and the stream are still looked at: once draining, only for the sake of a shard that has ended.
    fn looks_around(&self) -> bool {
        !self.draining || self.held.values().any(|held| held.ending.is_some())
    }

    fn finish_drain(&mut self, now: Instant) {
        if self.held.is_empty() && self.stopping.is_empty() && !self.finished && self.say_left(now) {
            self.finished = true;
            self.actions.push_back(Action::Finished);
        }
    }
}

#[cfg(test)]
mod tests;
