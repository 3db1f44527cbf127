//! Which records of a source shard make an epoch, what the row names, and what is said of it.
//!
//! One owner's part of the window protocol for one shard, as plain decisions: the task reads, builds and puts; this says what
//! may join the open epoch, when it must be cut, from where to where the put one reaches, and what else is put. Invariants:
//! - no epoch leaves that the row does not name, and an owner begins with the one that the row names (O1, O2);
//! - one epoch is in flight, and the checkpoint moves only over what is acknowledged (O3);
//! - while records may have been lost, everything that is put says so, until something that said it is acknowledged (O9).

use crate::{Checkpoint, Commit, Epoch, Lease, SequenceNumber, Then};
use std::time::Duration;

/// A pinned start and *read until* come from two clocks, and stamps of records run backwards by seconds.
const CLOCKS_APART_MS: i64 = 60_000;

/// *Read until* lies behind by this at most in the row of a shard that only marks are put for: few writes, and a sixth of the
/// hour that [`Rules::kept_ms`] allows for.
const READ_UNTIL_PERIOD_MS: i64 = 600_000;

/// When epochs are cut, and what counts as lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// So long after its first record was read an epoch is cut.
    pub epoch: Duration,
    /// A record younger than this is surely there, milliseconds: the source stream's retention less an hour.
    pub kept_ms: i64,
}

/// What is put next: an epoch, a mark, or the last word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Put {
    /// The records in it; `None` if there are none.
    pub records: Option<Epoch>,
    /// Where it begins: behind this record. `None` at the start of the shard's reading.
    pub after: Option<SequenceNumber>,
    /// Where it ends.
    pub through: Option<SequenceNumber>,
    /// How far time has come, milliseconds since 1970.
    pub time_ms: i64,
    /// Records before it may be lost, though none that arrived later than this, milliseconds since 1970.
    pub hole_ms: Option<i64>,
    /// Nothing follows.
    pub end: bool,
    /// All of it was told before an operator moved the checkpoint back: its records are delivered, no digest is put.
    pub records_only: bool,
}

/// What comes after the records that have joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// More may come.
    Unknown,
    /// A record that may not join.
    Beyond,
    /// Nothing for the time being: everything that is there has been read.
    Tip,
    /// Nothing ever: the shard's end was read.
    End,
    /// No more shall join: a limit is reached, or the lease is to be handed on.
    Full,
}

/// The epochs of one shard under one lease.
#[derive(Debug, Clone)]
pub struct Epochs {
    rules: Rules,
    /// Everything through here is acknowledged.
    checkpoint: Checkpoint,
    /// As the row has it.
    committed: Checkpoint,
    /// Everything through here has been told to every key group. Ahead of the checkpoint after a reset.
    told: Option<SequenceNumber>,
    /// The shard had been told to its end before a reset.
    ended_before: bool,
    read_until_ms: Option<i64>,
    read_until_committed_ms: Option<i64>,
    start_ms: Option<i64>,
    /// What a former owner named and perhaps put in part.
    remake: Option<Epoch>,
    open: Option<Open>,
    cut: Cut,
}

#[derive(Debug, Clone)]
struct Open {
    first: SequenceNumber,
    last: SequenceNumber,
    /// Of the first.
    arrival_ms: i64,
    arrival_ms_max: i64,
    opened_at: Duration,
}

#[derive(Debug, Clone)]
enum Cut {
    Nothing,
    /// The row is being told of it.
    Naming(Epoch, Option<Open>),
    /// It may leave.
    Named(Epoch, Option<Open>),
    InFlight(Put),
}

impl Epochs {
    /// For the lease as the take left it. `checkpoint_is_ours` is [`Lease::checkpoint_is_ours`]: if not, another consumer
    /// has read some records, of which nothing was told.
    pub fn new(row: &Lease, checkpoint_is_ours: bool, rules: Rules) -> Self {
        let place = |checkpoint: &Checkpoint| match checkpoint {
            Checkpoint::At { sequence, .. } => Some(sequence.clone()),
            _ => None,
        };
        let floor = row.floor.as_ref().filter(|floor| **floor > row.checkpoint);
        // What is lost for another reason than age is as if it had last been read long ago, also for the next owner.
        let lost = !checkpoint_is_ours || starts_later(row, floor.is_some());
        Self {
            rules,
            checkpoint: row.checkpoint.clone(),
            committed: row.checkpoint.clone(),
            told: floor.and_then(place).max(place(&row.checkpoint)),
            ended_before: row.floor == Some(Checkpoint::ShardEnd),
            read_until_ms: if lost { Some(0) } else { row.read_until_ms },
            read_until_committed_ms: row.read_until_ms,
            start_ms: row.start_ms,
            remake: row.pending.clone().filter(|_| checkpoint_is_ours),
            open: None,
            cut: Cut::Nothing,
        }
    }

    /// Everything through here is acknowledged, though the row may not know it yet.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// Whether the epoch that is filled is a former owner's.
    pub fn is_remaking(&self) -> bool {
        self.remake.is_some()
    }

    /// Whether nothing was read that is not acknowledged.
    pub fn is_at_rest(&self) -> bool {
        self.open.is_none() && self.remake.is_none() && matches!(self.cut, Cut::Nothing)
    }

    /// Whether a record may join the open epoch. If not, that one must be cut first.
    pub fn may_join(&self, sequence: &SequenceNumber) -> bool {
        if let Some(remake) = &self.remake {
            return *sequence <= remake.last;
        }
        // What was told before and what was not are never one epoch.
        let is_told = |sequence: &SequenceNumber| self.ended_before || self.told.as_ref() >= Some(sequence);
        self.open.as_ref().is_none_or(|open| is_told(&open.first) == is_told(sequence))
    }

    /// Takes a record into the open epoch. `now` is the own stopwatch's.
    pub fn join(&mut self, sequence: &SequenceNumber, arrival_ms: i64, now: Duration) {
        match &mut self.open {
            Some(open) => {
                open.last = sequence.clone();
                open.arrival_ms_max = open.arrival_ms_max.max(arrival_ms);
            }
            None => {
                let (first, last) = (sequence.clone(), sequence.clone());
                self.open = Some(Open { first, last, arrival_ms, arrival_ms_max: arrival_ms, opened_at: now });
            }
        }
    }

    /// Forgets what has joined the open epoch: it will be read again.
    pub fn drop_open(&mut self) {
        self.open = None;
    }

    /// Whether the open epoch is to be cut now. A former owner's is cut only once everything of it that is still there has
    /// joined, never for its age or size.
    pub fn is_due(&self, now: Duration, next: Next) -> bool {
        if !matches!(self.cut, Cut::Nothing) {
            return false;
        }
        if let Some(remake) = &self.remake {
            let complete = self.open.as_ref().is_some_and(|open| open.last >= remake.last);
            return complete || matches!(next, Next::Beyond | Next::Tip | Next::End);
        }
        let due = |open: &Open| match next {
            Next::Beyond | Next::End | Next::Full => true,
            Next::Unknown | Next::Tip => now.saturating_sub(open.opened_at) >= self.rules.epoch,
        };
        self.open.as_ref().is_some_and(due)
    }

    /// Cuts the open epoch. What must be committed before it may leave; `None` if the row names it already. The next owner
    /// will make the same of it.
    pub fn cut(&mut self) -> Option<Commit> {
        assert!(matches!(self.cut, Cut::Nothing), "one epoch is in flight");
        let open = self.open.take();
        if let Some(remake) = self.remake.take() {
            self.cut = Cut::Named(remake, open);
            return None;
        }
        let range = open.as_ref().expect("an empty epoch is not cut");
        // The next owner must know since when records may be lost, even if this is all that was ever read.
        self.read_until_ms = self.read_until_ms.or(Some(range.arrival_ms));
        let range = Epoch { first: range.first.clone(), last: range.last.clone() };
        self.cut = Cut::Naming(range.clone(), open);
        Some(self.commit_with(Some(range), Then::Keep))
    }

    /// The row as it is after a commit of [`Epochs::cut`] or [`Epochs::commit_due`], whatever became of the write. `false`: it
    /// names another epoch than the one that was cut. That one goes; the owner begins anew with what the row says.
    #[must_use]
    pub fn committed(&mut self, row: &Lease) -> bool {
        let named = row.pending.as_ref();
        match std::mem::replace(&mut self.cut, Cut::Nothing) {
            Cut::Naming(range, open) if named == Some(&range) => self.cut = Cut::Named(range, open),
            Cut::Naming(..) => return false,
            cut if named.is_none() => self.cut = cut,
            _ => return false,
        }
        self.committed = row.checkpoint.clone();
        self.read_until_committed_ms = row.read_until_ms;
        true
    }

    /// What may leave now that the row names it. `now_ms` is the own clock's, milliseconds since 1970.
    pub fn put(&mut self, now_ms: i64) -> Put {
        let Cut::Named(range, open) = std::mem::replace(&mut self.cut, Cut::Nothing) else {
            panic!("nothing leaves that the row does not name");
        };
        let records_only = self.ended_before || self.told.as_ref() >= Some(&range.last);
        let put = Put {
            time_ms: open.as_ref().map_or(self.last_ms(), |open| open.arrival_ms_max),
            records: open.map(|open| Epoch { first: open.first, last: open.last }),
            after: self.told.clone(),
            through: Some(range.last),
            hole_ms: None,
            end: false,
            records_only,
        };
        let put = Put { hole_ms: self.hole_ms(put.records.is_some().then_some(put.time_ms), now_ms), ..put };
        self.cut = Cut::InFlight(put.clone());
        put
    }

    /// The shard's last word, once its end was read and everything is acknowledged. `None`: it was said before a reset.
    pub fn last_word(&mut self, now_ms: i64) -> Option<Put> {
        assert!(self.is_at_rest(), "the last word comes last");
        if self.ended_before {
            return None;
        }
        let put = Put { end: true, time_ms: self.last_ms(), ..self.empty(self.last_ms(), now_ms) };
        self.cut = Cut::InFlight(put.clone());
        Some(put)
    }

    /// All of what was put last is acknowledged, by every key group and every other outlet.
    pub fn acknowledged(&mut self) {
        let Cut::InFlight(put) = std::mem::replace(&mut self.cut, Cut::Nothing) else {
            panic!("an answer to no question");
        };
        if let Some(through) = &put.through {
            self.checkpoint = self.checkpoint.clone().max(Checkpoint::through(through.clone()));
        }
        self.told = self.told.take().max(put.through.clone());
        // Where nothing was said of a hole it is still to be said.
        if !put.records_only {
            self.advance(&put);
        }
    }

    /// A mark, if nothing was read that is not acknowledged: the read that was sent at `sent_ms` of the own clock found the
    /// shard's tip and nothing new. None is put before the row knows since when the shard is read.
    pub fn mark(&self, sent_ms: i64, now_ms: i64) -> Option<Put> {
        let is_known = self.read_until_committed_ms.or(self.start_ms).is_some();
        let may = self.is_at_rest() && !self.ended_before && is_known;
        may.then(|| self.empty(sent_ms.max(self.start_ms.unwrap_or(0)), now_ms))
    }

    /// Every key group has this mark.
    pub fn mark_acknowledged(&mut self, mark: &Put) {
        self.advance(mark);
    }

    /// What the row does not know yet and should, while no epoch is cut; `None` if there is nothing. `sent_ms` is as for
    /// [`Epochs::mark`], if the shard's tip was found.
    pub fn commit_due(&mut self, sent_ms: Option<i64>) -> Option<Commit> {
        if self.start_ms.is_none() {
            self.read_until_ms = self.read_until_ms.or(sent_ms);
        }
        let is_behind = match (self.read_until_ms, self.read_until_committed_ms) {
            (Some(now), Some(committed)) => now - committed >= READ_UNTIL_PERIOD_MS,
            (now, committed) => now != committed,
        };
        let due = is_behind || self.checkpoint != self.committed;
        (due && matches!(self.cut, Cut::Nothing) && self.remake.is_none()).then(|| self.commit_with(None, Then::Keep))
    }

    /// The last commit before the lease goes. A former owner's epoch that was not made again stays named.
    pub fn release(&self, then: Then) -> Commit {
        self.commit_with(self.remake.clone(), then)
    }

    /// See [`Lease::read_until_ms`].
    pub fn read_until_ms(&self) -> Option<i64> {
        self.read_until_ms
    }

    fn commit_with(&self, pending: Option<Epoch>, then: Then) -> Commit {
        Commit { pending, read_until_ms: self.read_until_ms, ..Commit::at(self.checkpoint.clone(), then) }
    }

    fn empty(&self, time_ms: i64, now_ms: i64) -> Put {
        let (after, through) = (self.told.clone(), self.told.clone());
        let hole_ms = self.hole_ms(None, now_ms);
        Put { records: None, after, through, time_ms, hole_ms, end: false, records_only: false }
    }

    fn advance(&mut self, put: &Put) {
        // An empty put of a shard of which nothing was ever read knows no time.
        if put.time_ms > 0 {
            self.read_until_ms = self.read_until_ms.max(Some(put.time_ms));
        }
    }

    fn last_ms(&self) -> i64 {
        self.read_until_ms.max(self.start_ms).unwrap_or(0)
    }

    /// Until when the records arrived that may have been trimmed before they were read, if any. What is lost before an
    /// epoch of records arrived before them, but for stamps that run backwards; before an empty put, at some time before now.
    fn hole_ms(&self, arrival_ms: Option<i64>, now_ms: i64) -> Option<i64> {
        let read_until = self.read_until_ms.or(self.start_ms);
        let lost = read_until.is_some_and(|read_until| read_until < now_ms - self.rules.kept_ms);
        lost.then(|| arrival_ms.unwrap_or(now_ms) + CLOCKS_APART_MS)
    }
}

/// Whether an operator has moved the start beyond what was read. After a floor the two times may be of different clocks.
fn starts_later(row: &Lease, has_floor: bool) -> bool {
    let by_time = matches!(row.checkpoint, Checkpoint::AtTimestamp | Checkpoint::Latest);
    let start_ms = row.start_ms.filter(|_| by_time);
    match (start_ms, row.read_until_ms) {
        (Some(start_ms), Some(read_until)) if has_floor => start_ms + CLOCKS_APART_MS > read_until,
        (Some(start_ms), Some(read_until)) => start_ms > read_until,
        (start_ms, None) => has_floor && start_ms.is_some(),
        (None, Some(_)) => false,
    }
}

#[cfg(test)]
#[path = "epochs_test.rs"]
mod tests;
