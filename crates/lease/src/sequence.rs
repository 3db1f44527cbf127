//! Positions in a shard.

use std::cmp::Ordering;
use std::fmt;

/// A record's place in its shard. Greater means later; gaps mean nothing.
///
/// Kinesis prints it as a decimal too long for `u128`, so we keep the digits and compare first by length, then by text.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SequenceNumber(Box<str>);

impl SequenceNumber {
    /// `None` unless `text` is decimal digits without a leading zero (or `0` itself).
    pub fn parse(text: &str) -> Option<Self> {
        let digits = !text.is_empty() && text.len() <= 128 && text.bytes().all(|byte| byte.is_ascii_digit());
        (digits && (text == "0" || !text.starts_with('0'))).then(|| Self(text.into()))
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Ord for SequenceNumber {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.len().cmp(&other.0.len()).then_with(|| self.0.cmp(&other.0))
    }
}

impl PartialOrd for SequenceNumber {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for SequenceNumber {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// How far a shard has been processed: everything up to and including this place. The order is KCL's
/// (`ExtendedSequenceNumber`): the sentinels before a start stand below every sequence number, `SHARD_END` above.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Checkpoint {
    /// Nothing yet; start at the pinned time.
    AtTimestamp,
    /// Nothing yet; start at the oldest record.
    TrimHorizon,
    /// Nothing yet; start with what comes next.
    Latest,
    /// Through this record. `sub` is KPL's sub-sequence number within it, as KCL writes it; ours is always 0.
    At {
        /// The record.
        sequence: SequenceNumber,
        /// How many KPL sub-records of it were processed, as KCL counts.
        sub: u64,
    },
    /// The shard has ended and everything of it is processed.
    ShardEnd,
}

impl Checkpoint {
    /// Through this whole record.
    pub fn through(sequence: SequenceNumber) -> Self {
        Self::At { sequence, sub: 0 }
    }

    /// Whether moving from `other` to this one would be going back. Within one record there is no back: a whole record
    /// that KCL had processed in part carries the lower sub-sequence number.
    pub fn is_behind(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::At { sequence, .. }, Self::At { sequence: other, .. }) => sequence < other,
            _ => self < other,
        }
    }

    /// As it stands in the lease row.
    pub fn as_str(&self) -> &str {
        match self {
            Self::AtTimestamp => "AT_TIMESTAMP",
            Self::TrimHorizon => "TRIM_HORIZON",
            Self::Latest => "LATEST",
            Self::At { sequence, .. } => sequence.as_str(),
            Self::ShardEnd => "SHARD_END",
        }
    }

    /// From the lease row's text and sub-sequence number.
    pub fn parse(text: &str, sub: u64) -> Option<Self> {
        Some(match text {
            "AT_TIMESTAMP" => Self::AtTimestamp,
            "TRIM_HORIZON" => Self::TrimHorizon,
            "LATEST" => Self::Latest,
            "SHARD_END" => Self::ShardEnd,
            digits => Self::At { sequence: SequenceNumber::parse(digits)?, sub },
        })
    }
}
