//! This worker's own beat, and how long it may go on without one.
//!
//! The rules on both sides fit together. Anybody may take a lease whose counter has rested for the failover time, so every
//! lease is renewed at six tenths of that, and given up at nine. Beats tell a death sooner: a watcher calls a worker dead
//! whose beat it has seen unmoved for three periods, and whose leases it has seen unmoved for one (`watching.rs`). So a
//! worker goes on reading for less than three periods after its last answered beat was *sent*, or less than one after the
//! last answered write of a lease that it still has. While beats are not answered it renews a lease every third of a
//! period, to be seen.

use super::held::{Held, Pace, Task};
use super::{Action, BeatFailed, Coordinator, Instant, Ticket};
use crate::{Beaten, Member, ShardId, Standing, Write};
use std::collections::BTreeSet;
use std::time::Duration;

/// Workers that beat every tenth of the failover time. A larger fleet beats less often each, and as often in all.
const BRISK_WORKERS: u32 = 50;

/// This worker's beats.
#[derive(Debug)]
pub(super) struct Beats {
    number: u64,
    /// The shortest period that anybody may judge this worker by.
    pub(super) period: Duration,
    /// The beat under way: its ticket, when it was sent, and the period it promises.
    sent: Option<(Ticket, Instant, Duration)>,
    next: Instant,
    /// When the last answered beat was sent.
    acked: Option<Instant>,
    /// When this worker last found that it was not heard: what it had until then others may have taken, or be taking.
    pub(super) unheard_at: Option<Instant>,
    /// Since when others may have seen a row.
    row_since: Option<Instant>,
    /// When a beat was last left without an answer: it may still land, with an older promise.
    unanswered: Option<Instant>,
    /// Announcements that were dealt with, until the row has them no more.
    pub(super) heard: BTreeSet<ShardId>,
    /// When the last answered write was sent of a lease that is this worker's and is not being let go.
    last_write: Option<Instant>,
    /// Since when lease writes have failed without exception.
    failing: Option<Instant>,
    /// When a lease was last renewed only to be seen.
    shown: Option<Instant>,
    /// The last word is out: when to stop waiting for its answer.
    left: Option<Instant>,
}

impl Beats {
    pub(super) fn new(started_ms: i64, period: Duration) -> Self {
        Self {
            // A later life of the same name goes on above.
            number: started_ms.unsigned_abs(),
            period,
            sent: None,
            next: Instant::default(),
            acked: None,
            unheard_at: None,
            row_since: None,
            unanswered: None,
            heard: BTreeSet::new(),
            last_write: None,
            failing: None,
            shown: None,
            left: None,
        }
    }

    /// A lease write was answered, well or not.
    pub(super) fn answered(&mut self, now: Instant, well: bool) {
        self.failing = if well { None } else { Some(self.failing.unwrap_or(now)) };
    }

    /// A beat soon, whatever the period: there is news for others.
    pub(super) fn hurry(&mut self, now: Instant) {
        self.next = self.next.min(now);
    }

    pub(super) fn is_known(&self) -> bool {
        self.acked.is_some()
    }

    /// Until when others count this worker as alive for a lease write that was sent then.
    pub(super) fn seen_until(&self, sent: Instant) -> Instant {
        sent.plus(self.period.mul_f64(0.7))
    }

    /// Until when others count this worker as alive; none before its first beat.
    fn heard_until(&self) -> Option<Instant> {
        self.acked.or(self.row_since).map(|beat| {
            let by_beat = beat.plus(self.period.mul_f64(2.6));
            let by_lease = self.last_write.map(|write| self.seen_until(write));
            by_lease.map_or(by_beat, |by_lease| by_lease.max(by_beat))
        })
    }
}

impl Coordinator {
    /// The time between two beats of a small fleet.
    pub(super) fn brisk(&self) -> Duration {
        self.settings.failover / 10
    }

    /// What this fleet's size makes of a time that suits one worker.
    pub(super) fn grown(&self, per_worker: Duration) -> Duration {
        per_worker * (u32::try_from(self.fleet.alive()).unwrap_or(u32::MAX).saturating_add(1)).min(100_000)
    }

    fn period(&self) -> Duration {
        self.brisk().max(self.grown(self.brisk()) / BRISK_WORKERS)
    }

    /// What all leases of this worker have in common at `now`.
    pub(super) fn pace(&self, now: Instant) -> Pace {
        let heard_until = self.beats.heard_until();
        Pace { renewal: self.renewal_pause(now), given_up: self.settings.failover * 9 / 10, heard_until }
    }

    /// Whether a beat is overdue.
    fn is_unheard(&self, now: Instant) -> bool {
        let last = self.beats.acked.or(self.beats.row_since).unwrap_or_default();
        now.since(last) > self.beats.period.mul_f64(1.3)
    }

    /// Whether this worker can do what its beat promises. If its lease writes have failed for long, it is silent for some
    /// time, so that others take what it has, and takes nothing.
    pub(super) fn is_fit(&self, now: Instant) -> bool {
        let failing = self.beats.failing.map_or(Duration::ZERO, |since| now.since(since));
        failing < self.settings.failover || failing > self.settings.failover * 3
    }

    pub(super) fn tick_beats(&mut self, now: Instant) {
        if self.beats.heard_until().is_some_and(|until| until <= now) {
            self.beats.unheard_at = Some(now);
        }
        if let Some((_, sent, period)) = self.beats.sent
            && now.since(sent) >= period
        {
            self.unanswered(now, sent);
        }
        if self.beats.sent.is_some() || self.beats.left.is_some() || now < self.beats.next {
            return;
        }
        if self.is_fit(now) {
            let standing = if self.draining { Standing::Leaving } else { Standing::Active };
            self.beat(now, standing);
        } else {
            self.beats.next = now.plus(self.beats.period / 4);
        }
    }

    fn unanswered(&mut self, now: Instant, sent: Instant) {
        self.beats.sent = None;
        self.beats.row_since.get_or_insert(sent);
        self.beats.unanswered = Some(now);
        self.beats.next = now.plus(self.beats.period / 4);
    }

    fn beat(&mut self, now: Instant, standing: Standing) {
        let period = self.period();
        let ticket = self.ticket();
        self.beats.number += 1;
        self.beats.period = self.beats.period.min(period);
        self.beats.sent = Some((ticket, now, period));
        let member = Member {
            id: self.settings.worker.clone(),
            beat: self.beats.number,
            period,
            standing,
            leases: u32::try_from(self.held.len()).unwrap_or(u32::MAX),
            weight: self.weight(),
            capacity: self.settings.capacity,
            held_max: self.settings.held_max.map(|max| u32::try_from(max).unwrap_or(u32::MAX)),
            strangers: self.strangers_live(now),
        };
        let heard = self.beats.heard.iter().cloned().collect();
        self.actions.push_back(Action::Beat { ticket, member: Box::new(member), heard });
    }

    pub(super) fn beaten(&mut self, now: Instant, ticket: Ticket, result: Result<Beaten, BeatFailed>) {
        let Some((_, sent, period)) = self.beats.sent.filter(|(expected, ..)| *expected == ticket) else { return };
        self.beats.sent = None;
        match result {
            Ok(beaten) => {
                // Whatever was handed to it meanwhile, it was not told; and what was announced to it, and comes yet, may have
                // been lost with a row that was removed.
                if self.is_unheard(now) {
                    self.scan_soon(now);
                    self.scan_again = Some(now.plus(self.settings.failover * 6 / 10));
                }
                // A beat that is still on its way could bring an older promise back.
                let late = self.beats.unanswered.is_some_and(|at| now.since(at) < self.settings.failover * 2);
                self.beats.period = if late { self.beats.period.min(period) } else { period };
                self.beats.acked = Some(sent);
                self.beats.next = sent.plus(period);
                self.fleet.beaten(now, period);
                if self.beats.left.is_some() {
                    self.beats.left = Some(now);
                }
                self.come(now, &beaten.coming);
            }
            Err(BeatFailed::NotWritten(failed)) => {
                let pause = self.pause(failed, 0).min(period / 2);
                self.beats.next = now.plus(pause);
            }
            Err(BeatFailed::Unknown) => self.unanswered(now, sent),
        }
    }

    /// Says that this worker holds nothing and never will again. `true`: that is heard, or it was waited for long enough.
    pub(super) fn say_left(&mut self, now: Instant) -> bool {
        if self.beats.acked.or(self.beats.row_since).is_none() {
            return true;
        }
        if self.beats.left.is_none() {
            self.beat(now, Standing::Left);
            self.beats.left = Some(now.plus(self.beats.period));
        }
        self.beats.left.is_some_and(|until| now >= until)
    }

    pub(super) fn beats_wake_at(&self) -> Instant {
        match (self.beats.left, self.beats.sent) {
            (Some(until), _) => until,
            (None, Some((_, sent, period))) => sent.plus(period),
            (None, None) => self.beats.next,
        }
    }

    /// How long after its last write a lease is renewed, if nothing else is written.
    fn renewal_pause(&self, now: Instant) -> Duration {
        let as_kcl_does = self.strangers_live(now) || self.fleet.see_strangers() || self.is_unheard(now);
        // Epochs of 5 s and the read that begins the next one take up to 5.5 s at the default failover time: a shard with
        // records is renewed by its commits alone.
        if as_kcl_does { self.settings.failover / 3 } else { self.settings.failover.mul_f64(0.6) }
    }

    /// Finds what of this worker's leases others can see move. What it lets go they see no more.
    pub(super) fn weigh_evidence(&mut self) {
        let kept = self.held.values().filter(|held| {
            let goes = held.writing.as_ref().is_some_and(|writing| writing.lets_go());
            !goes && !matches!(held.task, Task::Taking(_))
        });
        self.beats.last_write = kept.map(|held| held.valid_from).max();
    }

    /// When some lease must be renewed, whichever, so that the worker is seen by its leases.
    fn evidence_due(&self, now: Instant) -> Option<Instant> {
        let last = self.beats.last_write.max(self.beats.shown).unwrap_or_default();
        self.is_unheard(now).then(|| last.plus(self.beats.period / 3))
    }

    /// Renews the lease that has gone longest without a write, if the worker has to be seen.
    pub(super) fn give_evidence(&mut self, now: Instant) {
        let Some((key, held)) = self.longest_idle().filter(|_| self.evidence_due(now).is_some_and(|due| due <= now))
        else {
            return;
        };
        let (key, counter) = (key.clone(), held.row.counter);
        self.beats.shown = Some(now);
        self.send(now, &key, Write::Renew { key: key.clone(), counter }, None);
    }

    /// Of the leases that could be renewed, the one that has gone longest without a write.
    fn longest_idle(&self) -> Option<(&ShardId, &Held)> {
        let me = &self.settings.worker;
        let idle = self.held.iter().filter(|(_, held)| {
            held.writing.is_none() && !matches!(held.task, Task::Taking(_)) && !held.is_handing_over(me)
        });
        idle.min_by_key(|(_, held)| held.valid_from)
    }

    pub(super) fn evidence_wake_at(&self, now: Instant) -> Option<Instant> {
        self.longest_idle().and_then(|_| self.evidence_due(now))
    }
}
