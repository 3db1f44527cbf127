//! Shards and where they come from.

use crate::SequenceNumber;
use std::fmt;
use std::sync::Arc;

/// A shard's name (`shardId-000000000000`). Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId(Arc<str>);

impl ShardId {
    /// Any non-empty text is a shard's name; Kinesis fixes no more than that.
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ShardId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The hash keys a shard takes, both ends included. A stream's open shards cover 0..=2^128-1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HashRange {
    /// The lowest hash key.
    pub start: u128,
    /// The highest.
    pub end: u128,
}

/// A shard as ListShards (or a parent's last read) tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shard {
    /// Its name.
    pub id: ShardId,
    /// None for a shard of the stream's creation, one after a split, two after a merge. A parent that has left the
    /// stream's retention may be named though it is no longer listed.
    pub parents: Vec<ShardId>,
    /// What it takes.
    pub hash_range: HashRange,
    /// Where it ends, once it is closed; `None` while it is open or where the source does not say (`ChildShards`).
    pub ended_at: Option<SequenceNumber>,
}
