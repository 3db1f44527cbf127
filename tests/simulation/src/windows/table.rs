//! Lease rows, and conditional writes on their way to them.

use super::world::{Happening, Stage, World};
use crate::network::Fate;
use detect::snapshot::Name;
use lease::{Checkpoint, Commit, Lease, Write};

/// A row of either table. `zonewatchSnapshot` is written with the commit, under its condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub lease: Lease,
    pub snapshot: Option<Name>,
}

/// A write under way.
#[derive(Debug, Clone)]
pub struct Writing {
    pub ticket: u64,
    pub commit: Commit,
    pub snapshot: Option<Name>,
    pub sent: u64,
    /// What came back: whether it took effect.
    pub answer: Option<bool>,
}

impl Writing {
    /// What came back of the write with this ticket.
    pub fn answered(&mut self, ticket: u64, effective: bool) {
        if self.ticket == ticket {
            self.answer = Some(effective);
        }
    }

    /// Whether an answer may still come.
    pub fn is_under_way(&self, now: u64) -> bool {
        self.answer.is_none() && now < self.sent + CALL_LIMIT
    }
}

/// No answer comes after this.
pub const CALL_LIMIT: u64 = 2_500;

impl World {
    /// Sends a commit on its way; what its sender keeps of it.
    pub(super) fn write(
        &mut self,
        stage: Stage,
        owner: usize,
        row: &Row,
        commit: Commit,
        snapshot: Option<Name>,
    ) -> Writing {
        self.tickets += 1;
        let (ticket, key, counter) = (self.tickets, row.lease.key.clone(), row.lease.counter);
        let write = Write::Commit { key, counter, commit: commit.clone() };
        match self.weather.fate(&mut self.chance) {
            Fate::Throttled { answer } => {
                self.at(self.now + answer, Happening::Written { owner, ticket, effective: false });
            }
            Fate::Lost => {}
            Fate::Served { effect, answer } => {
                let answer = answer.map(|answer| self.now + answer).filter(|at| *at < self.now + CALL_LIMIT);
                let (write, snapshot) = (Box::new(write), snapshot.clone());
                self.at(self.now + effect, Happening::Write { stage, owner, ticket, write, snapshot, answer });
            }
        }
        Writing { ticket, commit, snapshot, sent: self.now, answer: None }
    }

    pub(super) fn written(&mut self, stage: Stage, write: &Write, snapshot: Option<Name>) -> bool {
        let rows = &mut self.tables[stage as usize];
        let row = rows.get_mut(write.key());
        let Ok(lease) = write.apply(row.as_ref().map(|row| &row.lease)) else { return false };
        let row = row.expect("a commit needs a row");
        assert!(!lease.checkpoint.is_behind(&row.lease.checkpoint), "{}: the checkpoint goes back", lease.key);
        row.lease = lease;
        if snapshot.is_some() {
            row.snapshot = snapshot;
        }
        true
    }

    /// Whether a shard may be read: all its parents are at their end.
    pub(super) fn parents_have_ended(&self, stage: Stage, shard: usize) -> bool {
        let ended = |key: &lease::ShardId| {
            let row = self.tables[stage as usize].get(key);
            row.is_none_or(|row| row.lease.checkpoint == Checkpoint::ShardEnd)
        };
        self.parents(stage, shard).iter().all(ended)
    }
}
