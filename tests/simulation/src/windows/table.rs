//! Lease rows, and conditional writes on their way to them.

use super::world::{Happening, Stage, World};
use crate::network::Fate;
use detect::snapshot::Name;
use lease::{Checkpoint, Commit, Lease, Write};

/// A write under way.
#[derive(Debug, Clone)]
pub struct Writing {
    pub ticket: u64,
    pub commit: Commit,
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

/// The snapshot that a row names.
pub fn named(row: &Lease) -> Option<Name> {
    row.snapshot.as_deref().and_then(Name::parse)
}

/// No answer comes after this.
pub const CALL_LIMIT: u64 = 2_500;

impl World {
    /// Sends a commit on its way; what its sender keeps of it.
    pub(super) fn write(&mut self, stage: Stage, owner: usize, row: &Lease, commit: Commit) -> Writing {
        self.tickets += 1;
        let (ticket, key, counter) = (self.tickets, row.key.clone(), row.counter);
        let write = Write::Commit { key, counter, commit: commit.clone() };
        match self.weather.fate(&mut self.chance) {
            Fate::Throttled { answer } => {
                self.at(self.now + answer, Happening::Written { owner, ticket, effective: false });
            }
            Fate::Lost => {}
            Fate::Served { effect, answer } => {
                let answer = answer.map(|answer| self.now + answer).filter(|at| *at < self.now + CALL_LIMIT);
                let write = Box::new(write);
                self.at(self.now + effect, Happening::Write { stage, owner, ticket, write, answer });
            }
        }
        Writing { ticket, commit, sent: self.now, answer: None }
    }

    pub(super) fn written(&mut self, stage: Stage, write: &Write) -> bool {
        let rows = &mut self.tables[stage as usize];
        let row = rows.get_mut(write.key());
        let Ok(lease) = write.apply(row.as_deref()) else { return false };
        let row = row.expect("a commit needs a row");
        assert!(!lease.checkpoint.is_behind(&row.checkpoint), "{}: the checkpoint goes back", lease.key);
        *row = lease;
        true
    }

    /// Whether a shard may be read: all its parents are at their end.
    pub(super) fn parents_have_ended(&self, stage: Stage, shard: usize) -> bool {
        let ended = |key: &lease::ShardId| {
            let row = self.tables[stage as usize].get(key);
            row.is_none_or(|row| row.checkpoint == Checkpoint::ShardEnd)
        };
        self.parents(stage, shard).iter().all(ended)
    }
}
