//! A lease row as a value, and the writes that may change it.
//!
//! The row is KCL 3's, with attributes of our own beside it (KCL keeps what it does not know). Every write is
//! conditional; [`Write::apply`] says what a table must do with it, so that memory, simulator and DynamoDB are held to
//! one definition.

use crate::{Checkpoint, HashRange, SequenceNumber, ShardId};
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
}

/// What a worker commits of a shard: everything through `checkpoint` is acknowledged, `pending` is what comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// The new checkpoint.
    pub checkpoint: Checkpoint,
    /// The epoch whose delivery may begin after this write.
    pub pending: Option<Epoch>,
    /// See [`Lease::read_until_ms`].
    pub read_until_ms: Option<i64>,
    /// The shard's children, once it has ended.
    pub children: Vec<ShardId>,
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
        /// Who takes it.
        owner: WorkerId,
        /// The pinned start (protocol rule O8).
        start_ms: Option<i64>,
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
}
