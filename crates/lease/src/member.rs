//! A worker's row in the state table, as a value: that it lives, and what it can carry.
//!
//! The row is ours alone: nothing of it stands in the lease table, whose other readers know KCL's rows only.

use crate::{ShardId, WorkerId};
use std::time::Duration;

/// What a worker says of itself with every beat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub id: WorkerId,
    /// Raised by every beat. That it moves says that the worker lives; its value says nothing.
    pub beat: u64,
    /// The longest time between two beats that the worker promises.
    pub period: Duration,
    /// Whether it takes leases.
    pub standing: Standing,
    /// Leases it holds.
    pub leases: u32,
    /// What its shards cost: see [`Load::weight`].
    pub weight: u64,
    /// Millicores it may use.
    pub capacity: u32,
    /// Leases it may hold; none: no limit.
    pub held_max: Option<u32>,
    /// It has seen another consumer's workers alive, which take leases that are not renewed at their pace.
    pub strangers: bool,
}

/// Whether a worker takes leases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// It does.
    Active,
    /// It hands over what it holds and takes nothing.
    Leaving,
    /// It holds nothing and never will again.
    Left,
}

impl Standing {
    /// As it stands in the row.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Leaving => "leaving",
            Self::Left => "left",
        }
    }

    /// From the row.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Active, Self::Leaving, Self::Left].into_iter().find(|standing| standing.as_str() == text)
    }
}

/// The answer to a beat.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Beaten {
    /// Shards that others are about to hand to this worker, or have handed.
    pub coming: Vec<ShardId>,
}

/// What reading a shard costs, measured by its owner.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Load {
    /// Bytes a second that the shard's records have.
    pub bytes_per_sec: u64,
    /// CPU time a second that they cost, microseconds; none if another consumer read the shard.
    pub cpu_micros_per_sec: Option<u64>,
}

/// What an idle shard costs: an empty poll is over half a millisecond of CPU, once or twice a second.
const IDLE_WEIGHT: u64 = 1_000;
/// Where no CPU time was measured, a megabyte a second of compressed log is taken for a fifth of a core.
const BYTES_PER_MICRO: u64 = 5;

impl Load {
    /// The cost as one number: microseconds of CPU a second, idle polling included. Never zero, so that empty shards
    /// are spread by number.
    pub fn weight(self) -> u64 {
        let work = self.cpu_micros_per_sec.unwrap_or(self.bytes_per_sec / BYTES_PER_MICRO);
        // A row that claims more than a thousand cores is damaged, and must not overflow a sum.
        IDLE_WEIGHT + work.min(1_000_000_000)
    }
}
