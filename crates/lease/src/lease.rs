//! A lease row as a value, and the writes that may change it.
//!
//! The row is KCL 3's, with attributes of our own beside it (KCL keeps what it does not know). Every write is
//! conditional; [`Write::apply`] says what a table must do with it, so that memory, simulator and DynamoDB are held to
//! one definition.

use crate::{Checkpoint, HashRange, Load, SequenceNumber, Shard, ShardId};
use std::fmt;
use std::sync::Arc;

/// A worker's name, unique in the fleet and to one run of the process. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkerId(Arc<str>);

impl WorkerId {
    /// Any non-empty text.
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for WorkerId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The pending epoch: cut, and perhaps partly delivered, but not known to be acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Epoch {
    /// Its first record.
    pub first: SequenceNumber,
    /// Its last record.
    pub last: SequenceNumber,
}

/// A lease row. `leaseKey` is the shard's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// `leaseKey`.
    pub key: ShardId,
    /// `leaseOwner`; during a hand-over the next owner.
    pub owner: Option<WorkerId>,
    /// `leaseCounter`: raised by every renewal, commit, take and release.
    pub counter: u64,
    /// `checkpoint` and `checkpointSubSequenceNumber`.
    pub checkpoint: Checkpoint,
    /// `ownerSwitchesSinceCheckpoint`.
    pub owner_switches: u64,
    /// `parentShardId`.
    pub parents: Vec<ShardId>,
    /// `childShardIds`.
    pub children: Vec<ShardId>,
    /// `startingHashKey`, `endingHashKey`.
    pub hash_range: Option<HashRange>,
    /// `checkpointOwner`: the current owner while a hand-over is under way, else absent.
    pub checkpoint_owner: Option<WorkerId>,
    /// `zonewatchPendingFirst`, `zonewatchPendingLast`.
    pub pending: Option<Epoch>,
    /// `zonewatchStart`: where an owner without a position starts, milliseconds since 1970, pinned by the first take.
    pub start_ms: Option<i64>,
    /// `zonewatchReadUntil`: the later of the last committed record's arrival and the last mark's time, milliseconds.
    pub read_until_ms: Option<i64>,
    /// `zonewatchCheckpoint`: the checkpoint as we last wrote it. If `checkpoint` is another, somebody else consumed.
    pub own_checkpoint: Option<Checkpoint>,
    /// `throughputKBps`, `zonewatchCpu`: what the shard costs, as its owner last measured.
    pub load: Option<Load>,
    /// `zonewatchFloor`: the furthest place that an operator has moved back from, a pending epoch's last record included. Up
    /// to it records are delivered only: what else was made of them has been told before, of a pending epoch to some.
    pub floor: Option<Checkpoint>,
    /// `zonewatchSnapshot`: of a rollup shard, the name of the snapshot that holds everything through the checkpoint.
    pub snapshot: Option<Arc<str>>,
}

impl Lease {
    /// A row as it is created: nobody's, nothing processed.
    pub fn fresh(key: ShardId, checkpoint: Checkpoint) -> Self {
        Self {
            key,
            owner: None,
            counter: 0,
            own_checkpoint: Some(checkpoint.clone()),
            checkpoint,
            owner_switches: 0,
            parents: Vec::new(),
            children: Vec::new(),
            hash_range: None,
            checkpoint_owner: None,
            pending: None,
            start_ms: None,
            read_until_ms: None,
            load: None,
            snapshot: None,
            floor: None,
        }
    }

    /// A row for a shard that continues others, whose rows are `parents`. It has nothing from before their end, so it is read
    /// from its oldest record; a parent that nobody has read a record of may pass on its pinned time, which may lie within the
    /// child. Where a parent was last read the child was not read either: what is trimmed from then on is lost. Of a parent that had
    /// nothing to read it is not known when that was.
    pub fn child(shard: &Shard, parents: &[&Self]) -> Self {
        let unread = parents.iter().filter(|row| row.checkpoint == Checkpoint::AtTimestamp);
        let start_ms = unread.filter_map(|row| row.start_ms).min();
        let checkpoint = if start_ms.is_some() { Checkpoint::AtTimestamp } else { Checkpoint::TrimHorizon };
        Self {
            parents: shard.parents.clone(),
            hash_range: Some(shard.hash_range),
            start_ms,
            read_until_ms: parents.iter().map(|row| row.read_until_ms.or(row.start_ms).unwrap_or(0)).min(),
            ..Self::fresh(shard.id.clone(), checkpoint)
        }
    }

    /// Who works on the shard now: while a hand-over is under way the one that hands over, else the owner.
    pub fn actual_owner(&self) -> Option<&WorkerId> {
        self.checkpoint_owner.as_ref().or(self.owner.as_ref())
    }

    /// Whether the checkpoint is as we last wrote it. If not, another consumer of this table (KCL, or an operator) moved
    /// it, and the pending epoch is no longer what comes next. A row that another consumer made and never moved is ours
    /// to start.
    pub fn checkpoint_is_ours(&self) -> bool {
        match &self.own_checkpoint {
            Some(own) => *own == self.checkpoint,
            None => !matches!(self.checkpoint, Checkpoint::At { .. } | Checkpoint::ShardEnd),
        }
    }
}

/// What a worker commits of a shard: everything through `checkpoint` is acknowledged, `pending` is what comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// The new checkpoint.
    pub checkpoint: Checkpoint,
    /// The epoch whose delivery may begin after this write.
    pub pending: Option<Epoch>,
    /// See [`Lease::read_until_ms`]; `None` leaves it as it is.
    pub read_until_ms: Option<i64>,
    /// The shard's children, once it has ended; empty leaves them as they are.
    pub children: Vec<ShardId>,
    /// What the shard costs; `None` leaves it as it is.
    pub load: Option<Load>,
    /// See [`Lease::snapshot`]; `None` leaves it as it is.
    pub snapshot: Option<Arc<str>>,
    /// What becomes of the lease.
    pub then: Then,
}

/// What becomes of a lease after a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Then {
    /// It stays with its owner.
    Keep,
    /// Nobody owns it from now on.
    Release,
    /// It is this worker's from now on.
    HandTo(WorkerId),
}

/// A conditional change of one lease row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// If there is no such row: put it.
    Create(Lease),
    /// If the counter is `counter`: the lease is `owner`'s. `start_ms` is written if it is given and the row has none.
    Take {
        /// Which lease.
        key: ShardId,
        /// As last seen.
        counter: u64,
        /// Whose it was as last seen, so that a table that cannot branch knows whether the owner changes.
        from: Option<WorkerId>,
        /// Who takes it.
        owner: WorkerId,
        /// The pinned start (protocol rule O8).
        start_ms: Option<i64>,
        /// The row is of a former shard of this name, whose stream was deleted: begin at the oldest record. No worker's
        /// other write may move a checkpoint back; here the shard is another.
        anew: bool,
    },
    /// If the counter is `counter` and no hand-over is under way: only raise the counter.
    Renew {
        /// Which lease.
        key: ShardId,
        /// As last written.
        counter: u64,
    },
    /// If the counter is `counter`: commit, which renews too.
    Commit {
        /// Which lease.
        key: ShardId,
        /// As last written.
        counter: u64,
        /// What is committed.
        commit: Commit,
    },
    /// If the counter is `counter`: an operator moves the checkpoint, back or on. The lease is nobody's then, its pending
    /// epoch is void, and if it went back from a place that had been read or was pending, that place is kept as the floor.
    Reset {
        /// Which lease.
        key: ShardId,
        /// As last seen.
        counter: u64,
        /// The new checkpoint.
        to: Checkpoint,
        /// The pinned start of `AT_TIMESTAMP`; `None` removes what is there, and the next take pins its own.
        start_ms: Option<i64>,
    },
}

/// Why a table refuses a write. It changes nothing then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// There is such a row already.
    Exists,
    /// There is no such row.
    Missing,
    /// The counter is another: somebody wrote since.
    Counter,
    /// A hand-over is under way; only a commit renews.
    HandOver,
    /// The checkpoint would go back. A table without code of its own cannot see this one, so whoever makes the write
    /// must: the coordinator never sends such a commit.
    Backwards,
}

impl fmt::Display for Refused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Exists => "the lease row exists already",
            Self::Missing => "there is no such lease row",
            Self::Counter => "the lease counter is another",
            Self::HandOver => "a hand-over of the lease is under way",
            Self::Backwards => "the checkpoint would go back",
        })
    }
}

impl std::error::Error for Refused {}

impl Write {
    /// The row it is about.
    pub fn key(&self) -> &ShardId {
        match self {
            Self::Create(lease) => &lease.key,
            Self::Take { key, .. } | Self::Renew { key, .. } | Self::Commit { key, .. } | Self::Reset { key, .. } => {
                key
            }
        }
    }

    /// What a table must make of `row` (`None`: there is none), or why it must leave it alone. The definition of every
    /// conditional write; the conditions are KCL 3's (`DynamoDBLeaseRefresher`).
    pub fn apply(&self, row: Option<&Lease>) -> Result<Lease, Refused> {
        match self {
            Self::Create(lease) => row.map_or_else(|| Ok(lease.clone()), |_| Err(Refused::Exists)),
            Self::Take { counter, from, owner, start_ms, anew, .. } => {
                let mut lease = next(row, *counter)?;
                if *anew {
                    lease.checkpoint = Checkpoint::TrimHorizon;
                    lease.own_checkpoint = Some(Checkpoint::TrimHorizon);
                    lease.pending = None;
                    lease.children = Vec::new();
                    lease.snapshot = None;
                }
                if from.as_ref().is_some_and(|from| from != owner) {
                    lease.owner_switches = lease.owner_switches.saturating_add(1);
                }
                lease.owner = Some(owner.clone());
                lease.checkpoint_owner = None;
                lease.start_ms = lease.start_ms.or(*start_ms);
                Ok(lease)
            }
            Self::Renew { counter, .. } => {
                let lease = next(row, *counter)?;
                if lease.checkpoint_owner.is_some() { Err(Refused::HandOver) } else { Ok(lease) }
            }
            Self::Commit { counter, commit, .. } => commit.apply(next(row, *counter)?),
            Self::Reset { counter, to, start_ms, .. } => Ok(reset(next(row, *counter)?, to, *start_ms)),
        }
    }
}

fn reset(mut lease: Lease, to: &Checkpoint, start_ms: Option<i64>) -> Lease {
    // A sentinel before a start is no place that anything was read to. Of the pending epoch some may have been told.
    let was_read = matches!(lease.checkpoint, Checkpoint::At { .. } | Checkpoint::ShardEnd);
    let read_to = Some(lease.checkpoint).filter(|_| was_read);
    let told_to = read_to.max(lease.pending.map(|pending| Checkpoint::through(pending.last)));
    if told_to.as_ref().is_some_and(|told_to| to.is_behind(told_to)) {
        lease.floor = lease.floor.max(told_to);
    }
    lease.checkpoint = to.clone();
    lease.own_checkpoint = Some(to.clone());
    lease.owner_switches = 0;
    lease.pending = None;
    lease.owner = None;
    lease.checkpoint_owner = None;
    lease.start_ms = start_ms;
    // What it holds does not end at the new place.
    lease.snapshot = None;
    lease
}

impl Commit {
    /// Moves the checkpoint and says nothing else: nothing is pending.
    pub fn at(checkpoint: Checkpoint, then: Then) -> Self {
        Self { checkpoint, pending: None, read_until_ms: None, children: Vec::new(), load: None, snapshot: None, then }
    }

    fn apply(&self, mut lease: Lease) -> Result<Lease, Refused> {
        if self.checkpoint.is_behind(&lease.checkpoint) {
            return Err(Refused::Backwards);
        }
        lease.checkpoint = self.checkpoint.clone();
        lease.own_checkpoint = Some(self.checkpoint.clone());
        lease.owner_switches = 0;
        lease.pending = self.pending.clone();
        lease.read_until_ms = self.read_until_ms.or(lease.read_until_ms);
        lease.load = self.load.or(lease.load);
        if self.snapshot.is_some() {
            lease.snapshot.clone_from(&self.snapshot);
        }
        if !self.children.is_empty() {
            lease.children = self.children.clone();
        }
        match &self.then {
            Then::Keep => {}
            Then::Release => {
                lease.owner = None;
                lease.checkpoint_owner = None;
            }
            Then::HandTo(next) => {
                lease.owner = Some(next.clone());
                lease.checkpoint_owner = None;
                lease.owner_switches = 1;
            }
        }
        Ok(lease)
    }
}

/// The row with its counter raised, if the counter is `counter`.
fn next(row: Option<&Lease>, counter: u64) -> Result<Lease, Refused> {
    let row = row.ok_or(Refused::Missing)?;
    // A counter at the end of its range could not be raised, so nobody could own the row safely.
    let raised = counter.checked_add(1).filter(|_| row.counter == counter).ok_or(Refused::Counter)?;
    Ok(Lease { counter: raised, ..row.clone() })
}

#[cfg(test)]
#[path = "lease_test.rs"]
mod tests;
