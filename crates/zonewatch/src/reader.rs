//! Reads one shard by polling, at a pace that fits the stream's limits and costs little when nothing comes.
//!
//! Nothing here is fatal: an old iterator is made anew from the position, throttles lengthen the pace, and what only a
//! person can mend is logged once a minute while reading goes on being tried.

use crate::budget::{Budget, Hold};
use crate::clock::Clock;
use crate::telemetry;
use cloud::{Batch, Cursor, Error, Start, Stream};
use lease::ShardId;
use std::sync::Arc;
use std::time::Duration;
use tracing::{error, warn};

/// Kinesis allows five reads a second a shard, shared by every consumer of it.
const PAUSE_BEHIND: Duration = Duration::from_millis(200);
/// Empty reads in a row after which a shard counts as idle.
const IDLE_AFTER: u32 = 4;
/// The longest pause after errors.
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// A shard takes in at most 1 MB a second, and a read brings at most 10 MB.
const BYTES_PER_SEC: f64 = 1_048_576.0;
const BATCH_BYTES_MAX: f64 = 10.0 * 1_048_576.0;
/// A batch is held twice for a moment: as base64 in the response's body, and decoded.
const BODY_FACTOR: f64 = 7.0 / 3.0;
const LOG_PERIOD: Duration = Duration::from_secs(60);

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

/// A shard being read.
pub struct Reader {
    stream: Arc<dyn Stream>,
    shard: ShardId,
    clock: Clock,
    budget: Budget,
    pace: Pace,
    /// Where the next read begins, should the cursor be lost.
    position: Start,
    cursor: Option<Cursor>,
    /// How far behind the last read ended; unknown at first.
    behind: Option<Duration>,
    last_read: Option<Duration>,
    empty_reads: u32,
    pause: Duration,
    logged: Option<Duration>,
}

impl Reader {
    /// A reader that begins at `position`.
    pub fn new(
        stream: Arc<dyn Stream>,
        shard: ShardId,
        position: Start,
        pace: Pace,
        clock: Clock,
        budget: Budget,
    ) -> Self {
        Self {
            stream,
            shard,
            clock,
            budget,
            pace,
            position,
            cursor: None,
            behind: None,
            last_read: None,
            empty_reads: 0,
            pause: Duration::ZERO,
            logged: None,
        }
    }

    /// The next read that succeeds, with its bytes held in the budget. Safe to drop at any time.
    pub async fn next(&mut self) -> (Batch, Hold) {
        loop {
            self.clock.sleep(self.pause).await;
            match self.read().await {
                Ok((batch, hold)) => {
                    self.succeeded(&batch);
                    return (batch, hold);
                }
                Err(error) => self.failed(&error),
            }
        }
    }

    async fn read(&mut self) -> Result<(Batch, Hold), Error> {
        let mut hold = self.budget.hold(self.expected_bytes()).await;
        let cursor = match self.cursor.take() {
            Some(cursor) => cursor,
            None => self.stream.cursor(&self.shard, &self.position).await?,
        };
        self.last_read = Some(self.clock.elapsed());
        let cursor = self.cursor.insert(cursor);
        let batch = self.stream.read(&self.shard, cursor, self.pace.records_max).await?;
        hold.resize(batch.records.iter().map(|record| record.data.len()).sum());
        Ok((batch, hold))
    }

    /// What the next read can bring at most: what the shard took in since where the last one ended.
    fn expected_bytes(&self) -> usize {
        let (Some(behind), Some(last_read)) = (self.behind, self.last_read) else {
            return (BATCH_BYTES_MAX * BODY_FACTOR) as usize;
        };
        let since = behind + self.clock.elapsed().saturating_sub(last_read) + Duration::from_secs(1);
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
            PAUSE_BEHIND
        } else if self.empty_reads >= IDLE_AFTER {
            self.pace.idle
        } else {
            self.pace.tip
        };
        metrics::counter!(telemetry::RECORDS_TOTAL, "stream" => self.stream.name().to_owned())
            .increment(batch.records.len() as u64);
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
        let now = self.clock.elapsed();
        if matches!(error, Error::Expired) || self.logged.is_some_and(|at| now.saturating_sub(at) < LOG_PERIOD) {
            return;
        }
        self.logged = Some(now);
        let shard = &self.shard;
        match error {
            Error::Denied { .. } | Error::Missing { .. } | Error::Invalid { .. } => {
                error!(%shard, %error, "the shard can't be read; tried again until somebody acts");
            }
            _ => warn!(%shard, %error, "a read failed and is tried again"),
        }
    }
}
