//! A shard's task: reads, names an epoch in the row, delivers it, commits it with the next one.

use crate::chance::Chance;
use crate::oracle::Oracle;
use crate::stream::{Stream, sequence};
use lease::{Checkpoint, Commit, Epoch, Lease, LeaseLost, Shard, Then};

#[derive(Debug)]
pub struct Task {
    /// Tells the tasks of one shard apart.
    pub id: u64,
    pub draining: bool,
    row: Lease,
    /// Delivered, not committed.
    delivered: Option<u64>,
    doing: Doing,
}

#[derive(Debug)]
enum Doing {
    Nothing,
    Delivering(Epoch),
    Committing { pending: Option<Epoch>, then: Then },
    Ending,
    Over,
}

/// What a task wants of its worker.
#[derive(Debug)]
pub enum Wish {
    Wait,
    Commit(Commit),
    End(Vec<Shard>),
}

impl Task {
    pub fn new(id: u64, row: Lease) -> Self {
        let doing = row.pending.clone().map_or(Doing::Nothing, Doing::Delivering);
        Self { id, draining: false, row, delivered: None, doing }
    }

    /// It does nothing more but wait for the answer to its last wish.
    pub fn is_over(&self) -> bool {
        matches!(self.doing, Doing::Over | Doing::Ending | Doing::Committing { then: Then::Release, .. })
    }

    /// It would read now.
    pub fn is_idle(&self) -> bool {
        matches!(self.doing, Doing::Nothing) && !self.draining
    }

    /// What is being delivered, in part or whole.
    pub fn delivering(&self) -> Option<&Epoch> {
        if let Doing::Delivering(epoch) = &self.doing { Some(epoch) } else { None }
    }

    /// The task's turn.
    pub fn step(&mut self, stream: &Stream, chance: &mut Chance, oracle: &mut Oracle) -> Wish {
        match std::mem::replace(&mut self.doing, Doing::Nothing) {
            doing @ (Doing::Committing { .. } | Doing::Ending | Doing::Over) => {
                self.doing = doing;
                Wish::Wait
            }
            Doing::Delivering(epoch) => {
                oracle.delivered(stream, &self.row, &epoch);
                self.delivered = epoch.last.as_str().parse().ok();
                Wish::Wait
            }
            Doing::Nothing if self.draining => self.commit(None, Then::Release),
            Doing::Nothing => self.read(stream, chance),
        }
    }

    fn read(&mut self, stream: &Stream, chance: &mut Chance) -> Wish {
        let key = &self.row.key;
        let records = &stream.shards[key].records;
        // Numbers and arrivals both grow.
        let next = &records[records.partition_point(|record| !self.is_next(record))..];
        let length = (chance.between(1, 60) as usize).min(next.len());
        match (next.first(), next[..length].last()) {
            (Some((first, _)), Some((last, _))) => {
                let epoch = Epoch { first: sequence(*first), last: sequence(*last) };
                self.commit(Some(epoch), Then::Keep)
            }
            _ if self.delivered.is_some() => self.commit(None, Then::Keep),
            _ if !stream.is_open(key) => {
                self.doing = Doing::Ending;
                Wish::End(stream.children(key))
            }
            _ => Wish::Wait,
        }
    }

    /// Whether a record comes after what was delivered, committed, or left out by the start position.
    fn is_next(&self, (number, arrival): &(u64, u64)) -> bool {
        match (self.delivered, &self.row.checkpoint) {
            (Some(through), _) => *number > through,
            (None, Checkpoint::At { sequence: through, .. }) => sequence(*number) > *through,
            (None, Checkpoint::AtTimestamp | Checkpoint::Latest) => {
                *arrival as i64 >= self.row.start_ms.expect("a take pins the start")
            }
            (None, Checkpoint::TrimHorizon) => true,
            (None, Checkpoint::ShardEnd) => panic!("an ended shard is read"),
        }
    }

    fn commit(&mut self, pending: Option<Epoch>, then: Then) -> Wish {
        let through = self.delivered.map(|number| Checkpoint::through(sequence(number)));
        let commit = Commit {
            pending: pending.clone(),
            ..Commit::at(through.unwrap_or(self.row.checkpoint.clone()), then.clone())
        };
        self.doing = Doing::Committing { pending, then };
        Wish::Commit(commit)
    }

    /// The answer to a wish. `false`: the task is over.
    pub fn answered(&mut self, result: Result<Box<Lease>, LeaseLost>) -> bool {
        match (std::mem::replace(&mut self.doing, Doing::Over), result) {
            (_, Err(LeaseLost)) => false,
            (Doing::Committing { pending, then: Then::Keep }, Ok(row)) => {
                assert_eq!(row.pending, pending, "the row names another epoch than the one that was committed");
                self.row = *row;
                self.delivered = None;
                self.doing = pending.map_or(Doing::Nothing, Doing::Delivering);
                true
            }
            (Doing::Committing { then: Then::Release, .. } | Doing::Ending, Ok(_)) => false,
            (doing, Ok(_)) => panic!("an answer to no question: {doing:?}"),
        }
    }
}
