//! One shard of a stream in memory: a run of records that is cut off at the old end.

use crate::{Record, Start};
use lease::{HashRange, SequenceNumber, Shard, ShardId};
use std::collections::VecDeque;
use std::time::Duration;

/// A shard and what it holds. Sequence numbers are the stream's running number, so they grow within every shard.
#[derive(Debug)]
pub(super) struct ShardLog {
    pub(super) id: ShardId,
    pub(super) parents: Vec<ShardId>,
    pub(super) hash_range: HashRange,
    pub(super) closed: Option<Closed>,
    records: VecDeque<(u64, Record)>,
    bytes: usize,
}

/// How a shard ended.
#[derive(Debug, Clone)]
pub(super) struct Closed {
    /// After every record of it.
    pub(super) at: u64,
    /// When.
    pub(super) time_ms: i64,
}

impl ShardLog {
    pub(super) fn new(id: ShardId, parents: Vec<ShardId>, hash_range: HashRange) -> Self {
        Self { id, parents, hash_range, closed: None, records: VecDeque::new(), bytes: 0 }
    }

    pub(super) fn is_open(&self) -> bool {
        self.closed.is_none()
    }

    pub(super) fn takes(&self, hash_key: u128) -> bool {
        self.is_open() && (self.hash_range.start..=self.hash_range.end).contains(&hash_key)
    }

    pub(super) fn append(&mut self, number: u64, record: Record) {
        self.bytes += record.data.len();
        self.records.push_back((number, record));
    }

    /// The bytes of its records.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The oldest record's number and arrival.
    pub(super) fn oldest(&self) -> Option<(u64, i64)> {
        self.records.front().map(|(number, record)| (*number, record.arrival_ms))
    }

    /// Forgets the oldest record; how many bytes it had.
    pub(super) fn trim_one(&mut self) -> usize {
        let bytes = self.records.pop_front().map_or(0, |(_, record)| record.data.len());
        self.bytes -= bytes;
        bytes
    }

    /// As a list of shards says it.
    pub(super) fn listed(&self) -> Shard {
        Shard {
            id: self.id.clone(),
            parents: self.parents.clone(),
            hash_range: self.hash_range,
            // A stream in memory is never made again.
            starts_at: None,
            ended_at: self.closed.as_ref().map(|closed| sequence(closed.at)),
        }
    }

    /// The number of the first record to read from `start`; `tip` is the number that the stream's next record gets.
    /// `None` if the sequence number is none of ours.
    pub(super) fn position(&self, start: &Start, tip: u64) -> Option<u64> {
        Some(match start {
            Start::TrimHorizon => 0,
            Start::Latest => tip,
            Start::AtTimestamp(time_ms) => {
                let index = self.records.partition_point(|(_, record)| record.arrival_ms < *time_ms);
                self.records.get(index).map_or(tip, |(number, _)| *number)
            }
            Start::At(sequence) => number(sequence)?,
            Start::After(sequence) => number(sequence)?.checked_add(1)?,
        })
    }

    /// What one read at `position` brings: records, the next position, how far behind it ended, and whether the shard has
    /// ended there.
    pub(super) fn read(
        &self,
        position: u64,
        records_max: usize,
        bytes_max: usize,
        now_ms: i64,
    ) -> (Vec<Record>, u64, Duration, bool) {
        let first = self.records.partition_point(|(number, _)| *number < position);
        let mut bytes = 0;
        let page = self.records.iter().skip(first).take(records_max).take_while(|(_, record)| {
            bytes += record.data.len();
            // A record is never too large for a page of its own.
            bytes <= bytes_max || bytes == record.data.len()
        });
        let records: Vec<_> = page.map(|(_, record)| record.clone()).collect();
        let after = first + records.len();
        let next = match (self.records.get(after), self.records.back()) {
            (Some((number, _)), _) => *number,
            (None, Some((last, _))) => position.max(last + 1),
            (None, None) => position,
        };
        let behind_ms = self.records.get(after).map_or(0, |(_, record)| (now_ms - record.arrival_ms).max(1));
        let behind = Duration::from_millis(u64::try_from(behind_ms).unwrap_or(0));
        (records, next, behind, self.closed.is_some() && after == self.records.len())
    }
}

/// The sequence number of the stream's record `number`.
pub(super) fn sequence(number: u64) -> SequenceNumber {
    SequenceNumber::parse(&number.to_string()).expect("a number is written in decimal digits")
}

fn number(sequence: &SequenceNumber) -> Option<u64> {
    sequence.as_str().parse().ok()
}
