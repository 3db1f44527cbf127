//! Reads one shard by polling, at a pace that fits the stream's limits and costs little when nothing comes.
//!
//! An old iterator is made anew from the position, and throttles lengthen the pace.

use super::readers::Readers;
use super::{BODY_FACTOR, Complaints, Room};
use crate::budget::Hold;
use cloud::{Batch, Cursor, Error, Start};
use lease::ShardId;
use std::sync::Arc;
use std::time::Duration;

/// Kinesis allows five reads a second a shard, shared by every consumer of it.
const PAUSE_BEHIND: Duration = Duration::from_millis(200);
/// A shard gives 2 MB a second, to all its consumers; a read that brings more makes Kinesis refuse the next ones.
const READ_BYTES_PER_SEC: f64 = 2_000_000.0;
/// Empty reads in a row after which a shard counts as idle.
const IDLE_AFTER: u32 = 4;
/// The longest pause after errors.
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// A shard takes in at most 1 MB a second, and a read brings at most 10 MB.
const BYTES_PER_SEC: f64 = 1_048_576.0;
const BATCH_BYTES_MAX: f64 = 10.0 * 1_048_576.0;

/// How fast a shard is read.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Records asked for in one read.
    pub records_max: u32,
    /// Between two reads at the tip.
    pub tip: Duration,
    /// Between two reads of an idle shard.
    pub idle: Duration,
}

/// A shard being polled.
pub(super) struct Poller {
    readers: Arc<Readers>,
    shard: ShardId,
    pace: Pace,
    /// Where the next read begins, should the cursor be lost.
    position: Start,
    cursor: Option<Cursor>,
    /// How far behind the last read ended; unknown at first.
    behind: Option<Duration>,
    last_read: Option<Duration>,
    empty_reads: u32,
    pause: Duration,
    complaints: Complaints,
}

impl Poller {
    pub(super) fn new(readers: Arc<Readers>, shard: ShardId, position: Start, pace: Pace) -> Self {
        Self {
            readers,
            shard,
            pace,
            position,
            cursor: None,
            behind: None,
            last_read: None,
            empty_reads: 0,
            pause: Duration::ZERO,
            complaints: Complaints::default(),
        }
    }

    pub(super) async fn next(&mut self, room: Room) -> (Batch, Hold) {
        loop {
            self.readers.clock.sleep(self.pause).await;
            match self.read(room).await {
                Ok((batch, hold)) => {
                    self.succeeded(&batch);
                    return (batch, hold);
                }
                Err(error) => self.failed(&error),
            }
        }
    }

    async fn read(&mut self, room: Room) -> Result<(Batch, Hold), Error> {
        let mut hold = room.hold(&self.readers.budget, self.expected_bytes()).await;
        let cursor = match self.cursor.take() {
            Some(cursor) => cursor,
            None => self.readers.cursor(&self.shard, &self.position).await?,
        };
        self.last_read = Some(self.readers.clock.elapsed());
        let cursor = self.cursor.insert(cursor);
        let batch = self.readers.stream.read(&self.shard, cursor, self.pace.records_max).await?;
        hold.resize(batch.records.iter().map(|record| record.data.len()).sum());
        Ok((batch, hold))
    }

    /// What the next read can bring at most: what the shard took in since where the last one ended.
    fn expected_bytes(&self) -> usize {
        let (Some(behind), Some(last_read)) = (self.behind, self.last_read) else {
            return (BATCH_BYTES_MAX * BODY_FACTOR) as usize;
        };
        let since = behind + self.readers.clock.elapsed().saturating_sub(last_read) + Duration::from_secs(1);
        ((since.as_secs_f64() * BYTES_PER_SEC).min(BATCH_BYTES_MAX) * BODY_FACTOR) as usize
    }

    fn succeeded(&mut self, batch: &Batch) {
        if let Some(last) = batch.records.last() {
            self.position = Start::After(last.sequence.clone());
            self.empty_reads = 0;
        } else {
            self.empty_reads = self.empty_reads.saturating_add(1);
        }
        self.cursor.clone_from(&batch.next);
        self.behind = Some(batch.behind);
        self.pause = if !batch.behind.is_zero() {
            let bytes: usize = batch.records.iter().map(|record| record.data.len()).sum();
            PAUSE_BEHIND.max(Duration::from_secs_f64(bytes as f64 / READ_BYTES_PER_SEC))
        } else if self.empty_reads >= IDLE_AFTER {
            self.pace.idle
        } else {
            self.pace.tip
        };
    }

    fn failed(&mut self, error: &Error) {
        let doubled = (self.pause * 2).clamp(PAUSE_BEHIND, PAUSE_MAX);
        self.pause = match error {
            Error::Expired => Duration::ZERO,
            Error::Throttled { retry_after, .. } => doubled.max(*retry_after),
            _ => doubled,
        };
        if !matches!(error, Error::Throttled { .. }) {
            // Whatever is wrong with the cursor ends with a new one.
            self.cursor = None;
        }
        if !matches!(error, Error::Expired) {
            self.complaints.log(self.readers.clock.elapsed(), &self.shard, error);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Reader, Retrieval};
    use super::*;
    use crate::budget::Budget;
    use crate::clock::Clock;
    use bytes::Bytes;
    use cloud::faulty::{Faulty, Rates};
    use cloud::{Entry, Stream, memory};

    fn entry(data: String) -> Entry {
        Entry { partition_key: "a".into(), hash_key: Some(0), data: Bytes::from(data) }
    }

    fn stream() -> Arc<memory::Stream> {
        let clock = Clock::real();
        Arc::new(memory::Stream::new("source", 1, Arc::new(move || clock.now_ms())))
    }

    fn reader(stream: Arc<dyn Stream>, records_max: u32) -> Reader {
        let pace = Pace { records_max, tip: Duration::from_millis(500), idle: Duration::from_secs(1) };
        let shard = ShardId::new("shardId-000000000000");
        let retrieval = Retrieval::Polling(pace);
        Readers::new(stream, retrieval, Clock::real(), Budget::new(100 << 20), 7).open(shard, Start::TrimHorizon)
    }

    #[tokio::test(start_paused = true)]
    async fn every_record_comes_once_and_in_order_whatever_fails() {
        let source = stream();
        for number in 0..100 {
            source.put(&[entry(format!("{number}"))]).await.expect("memory takes entries");
        }
        for seed in 0..20 {
            let rates = Rates { lost_reply: 0.1, throttled: 0.1, expired: 0.1, ..Rates::none() };
            let mut reader = reader(Arc::new(Faulty::new(source.clone() as Arc<dyn Stream>, rates, seed)), 7);
            let mut came = Vec::new();
            while came.len() < 100 {
                let (batch, _hold) = reader.next(Room::Awaited).await;
                came.extend(batch.records.iter().map(|record| String::from_utf8_lossy(&record.data).into_owned()));
            }
            assert_eq!(came, (0..100).map(|number| number.to_string()).collect::<Vec<_>>(), "seed {seed}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_shard_is_read_once_a_second_and_a_busy_one_at_full_pace() {
        let source = stream();
        let mut reader = reader(source.clone(), 10_000);
        for _ in 0..8 {
            reader.next(Room::Awaited).await;
        }
        let start = tokio::time::Instant::now();
        for _ in 0..10 {
            reader.next(Room::Awaited).await;
        }
        assert_eq!(start.elapsed().as_secs(), 10, "idle");
        source.put(&[entry("x".into())]).await.expect("memory takes entries");
        reader.next(Room::Awaited).await;
        let start = tokio::time::Instant::now();
        reader.next(Room::Awaited).await;
        assert!(start.elapsed() <= Duration::from_millis(501), "back to full pace at the first record");
    }

    #[tokio::test(start_paused = true)]
    async fn behind_the_tip_a_shard_is_read_at_two_megabytes_a_second() {
        let source = stream();
        for _ in 0..8 {
            source.put(&[entry("x".repeat(1_000_000))]).await.expect("memory takes entries");
        }
        let mut reader = reader(source, 1);
        let start = tokio::time::Instant::now();
        for _ in 0..8 {
            reader.next(Room::Awaited).await;
        }
        let secs = start.elapsed().as_secs_f64();
        assert!((3.4..4.5).contains(&secs), "8 MB took {secs} s");
    }
}
