//! One lease of this worker, from the take to the end, and the one write of it that may be under way.
//!
//! Invariant: at most one write of a lease is under way, and as long as its fate is unknown it is asked about or sent
//! again unchanged; so at most one write can take effect for a counter, and the row tells whether it has.

use super::moving::Going;
use super::{Ask, Instant, Reason, Ticket};
use crate::{Commit, Lease, Shard, Then, WorkerId, Write};
use std::time::Duration;

/// A lease that is held or being taken.
#[derive(Debug)]
pub(super) struct Held {
    /// The row as last known to be mine; while it is being taken, as it was before.
    pub(super) row: Lease,
    /// The shard's task.
    pub(super) task: Task,
    /// When the last write that is known to have happened was sent: nobody else has waited longer than since then.
    pub(super) valid_from: Instant,
    /// The write under way.
    pub(super) writing: Option<Writing>,
    /// A commit that waits for the write under way.
    pub(super) waiting: Option<(Ask, Commit)>,
    /// The end of the shard, waiting for the children's rows.
    pub(super) ending: Option<End>,
    /// Whose it will be.
    pub(super) going: Option<Going>,
    /// Since when it is this worker's.
    pub(super) taken_at: Instant,
    /// Attempts that failed since the last success.
    pub(super) failures: u32,
}

/// The shard's task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Task {
    /// The lease is being taken.
    Taking(Reason),
    /// It runs.
    Running,
    /// It was asked to finish.
    Draining,
    /// It is no more, or was never started: only the release is left.
    Over,
}

/// What the times of all leases of a worker have in common.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// A lease is renewed so long after its last write.
    pub(super) renewal: Duration,
    /// It is given up so long after it.
    pub(super) given_up: Duration,
    /// Until when the worker counts as heard; none before its first beat.
    pub(super) heard_until: Option<Instant>,
}

/// A shard's end, as its task told it.
#[derive(Debug)]
pub(super) struct End {
    pub(super) ask: Ask,
    pub(super) asked: Instant,
    pub(super) read_until_ms: Option<i64>,
    pub(super) children: Vec<Shard>,
}

/// A write under way.
#[derive(Debug)]
pub(super) struct Writing {
    pub(super) write: Write,
    /// The commit it answers.
    pub(super) ask: Option<Ask>,
    pub(super) sent_first: Instant,
    pub(super) sent_last: Instant,
    pub(super) step: Step,
    /// Whether an earlier attempt may have taken effect, or may still.
    pub(super) uncertain: bool,
}

/// Where a write under way stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// The write is out.
    Sent(Ticket),
    /// The row is being read, to learn the write's fate.
    Reading(Ticket),
    /// It is sent again at this time.
    SendAt(Instant),
    /// The row is read (again) at this time.
    ReadAt(Instant),
}

/// What a row says about the write under way.
#[derive(Debug)]
pub(super) enum Fate {
    /// It has happened.
    Happened,
    /// It has not, and still can.
    Open,
    /// It has not, and cannot: the owner is asked to hand the lease over.
    HandOver,
    /// It cannot happen any more: the lease is somebody else's.
    Lost,
}

impl Writing {
    /// Whether the lease is not this worker's any more once it has happened.
    pub(super) fn lets_go(&self) -> bool {
        matches!(&self.write, Write::Commit { commit, .. } if commit.then != Then::Keep)
    }

    pub(super) fn is_renewal(&self) -> bool {
        matches!(self.write, Write::Renew { .. })
    }
}

impl Held {
    /// What `row` says about the write under way. Believe the row: only a write whose fate was unknown can have left it.
    pub(super) fn fate(&self, row: &Lease, me: &WorkerId) -> Fate {
        let Some(writing) = &self.writing else { return Fate::Lost };
        let expected = writing.write.apply(Some(&self.row)).ok();
        if writing.uncertain && expected.is_some_and(|expected| is_outcome(row, &expected)) {
            return Fate::Happened;
        }
        let untouched = row.counter == self.row.counter;
        match self.task {
            Task::Taking(_) if untouched => Fate::Open,
            _ if untouched && row.checkpoint_owner.as_ref() == Some(me) && writing.is_renewal() => Fate::HandOver,
            _ if untouched && row.actual_owner() == Some(me) => Fate::Open,
            _ => Fate::Lost,
        }
    }

    /// Until when the lease may be read without another answer.
    pub(super) fn end(&self, pace: &Pace) -> Instant {
        let end = self.valid_from.plus(pace.given_up);
        // Where nothing is read, yet or any more, only the write under way matters: what it hands on has to be told.
        let heard = pace.heard_until.filter(|_| !matches!(self.task, Task::Taking(_) | Task::Over));
        heard.map_or(end, |heard| heard.min(end))
    }

    /// Some time after its last write, whatever that was; never while a hand-over is under way, since no renewal can
    /// succeed then.
    pub(super) fn renewal_due(&self, pace: &Pace, me: &WorkerId) -> Instant {
        self.valid_from.plus(if self.is_handing_over(me) { Duration::MAX } else { pace.renewal })
    }

    /// When something is due: its write, its renewal, or giving it up.
    pub(super) fn wake_at(&self, pace: &Pace, me: &WorkerId) -> Instant {
        let end = self.end(pace);
        match self.writing.as_ref().map(|writing| writing.step) {
            Some(Step::SendAt(at) | Step::ReadAt(at)) => at.min(end),
            Some(Step::Sent(_) | Step::Reading(_)) => end,
            None => self.renewal_due(pace, me).min(end),
        }
    }

    /// Whether the row asks for a hand-over to another worker (KCL's graceful one): no renewal can succeed then.
    pub(super) fn is_handing_over(&self, me: &WorkerId) -> bool {
        self.row.checkpoint_owner.as_ref() == Some(me)
    }

    /// Gives the lease back as it is. `None` if that would claim a checkpoint which another consumer wrote; such a lease
    /// is left to expire.
    pub(super) fn release(&self, then: Then) -> Option<Commit> {
        self.row
            .checkpoint_is_ours()
            .then(|| Commit { pending: self.row.pending.clone(), ..Commit::at(self.row.checkpoint.clone(), then) })
    }

    /// Every commit that waits for an answer.
    pub(super) fn asks(&self) -> impl Iterator<Item = Ask> {
        let writing = self.writing.as_ref().and_then(|writing| writing.ask);
        let waiting = self.waiting.as_ref().map(|(ask, _)| *ask);
        let ending = self.ending.as_ref().map(|end| end.ask);
        [writing, waiting, ending].into_iter().flatten()
    }
}

/// Whether `row` is what the write made of the row before it. Other attributes (KCL fills in hash ranges, say) may have
/// changed without the counter.
fn is_outcome(row: &Lease, expected: &Lease) -> bool {
    let facts = |lease: &Lease| {
        let owner = lease.actual_owner().cloned();
        (lease.counter, owner, lease.checkpoint.clone(), lease.own_checkpoint.clone(), lease.pending.clone())
    };
    facts(row) == facts(expected)
}
