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

impl HashRange {
    /// The whole space in so many parts (at least one), as equal as can be, the last one with what is left over.
    pub fn equal_parts(count: usize) -> impl ExactSizeIterator<Item = Self> {
        let count = count.max(1);
        let width = u128::MAX / count as u128;
        (0..count).map(move |index| {
            let start = index as u128 * width;
            Self { start, end: if index + 1 == count { u128::MAX } else { start + width - 1 } }
        })
    }

    /// The share of the hash-key space in none of the ranges, 0 to 1.
    pub fn uncovered_by(mut ranges: Vec<Self>) -> f64 {
        ranges.sort_by_key(|range| range.start);
        // The next hash key that nothing so far covers; none once all are covered.
        let (mut next, mut gap) = (Some(0_u128), 0_u128);
        for range in ranges {
            if let Some(low) = next {
                gap += range.start.saturating_sub(low);
                next = range.end.checked_add(1).map(|end| end.max(low));
            }
        }
        let tail = next.map_or(0.0, |low| (u128::MAX - low) as f64 + 1.0);
        (gap as f64 + tail) / 2_f64.powi(128)
    }
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
    /// Where it begins: no record of it lies before. `None` where the source does not say.
    pub starts_at: Option<SequenceNumber>,
    /// Where it ends, once it is closed; `None` while it is open or where the source does not say (`ChildShards`).
    pub ended_at: Option<SequenceNumber>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_parts_cover_everything_once() {
        for count in [0, 1, 2, 3, 1_000] {
            let parts: Vec<HashRange> = HashRange::equal_parts(count).collect();
            assert_eq!(parts.len(), count.max(1));
            assert_eq!((parts[0].start, parts[parts.len() - 1].end), (0, u128::MAX));
            for pair in parts.windows(2) {
                assert_eq!(pair[0].end + 1, pair[1].start);
                assert_eq!(pair[0].end - pair[0].start, parts[0].end);
            }
        }
    }
}
