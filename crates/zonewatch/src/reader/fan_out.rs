//! Reads one shard by a subscription of enhanced fan-out, which is renewed whenever it ends.
//!
//! While the budget has no room the subscription is not asked, and HTTP/2 keeps the stream from sending more than 2 MiB
//! ahead. If it ends meanwhile, which is usual, the next one goes on from the last record that was handed on.

use super::readers::Readers;
use super::{BODY_FACTOR, Complaints, Room};
use crate::budget::Hold;
use crate::telemetry;
use cloud::{Batch, Consumer, Error, Start, Subscription, limits};
use lease::{SequenceNumber, ShardId};
use std::sync::Arc;
use std::time::Duration;
use tracing::debug;

/// A subscription that says nothing for so long is dead: Kinesis speaks every 5 s, if only to say that nothing came.
const SILENCE_MAX: Duration = Duration::from_secs(15);
/// Silence is counted in steps of this.
const STEP: Duration = Duration::from_secs(1);
/// What an event brings at the tip, where several come each second: a quarter of what a shard takes in in a second. One
/// that brings more is counted as soon as it is there, and the next one waits for it.
const TIP_BYTES: usize = 256 << 10;
/// Between the end of a subscription and the next one, first and longest.
const PAUSE_MIN: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// What is added to Kinesis' own period between two subscriptions, half of it at least.
const PERIOD_MARGIN: Duration = Duration::from_secs(1);
/// A reader that waited so long for room must not wonder how its subscription ends.
const STARVED_AFTER: Duration = Duration::from_secs(1);

/// A shard being subscribed to.
pub(super) struct Subscriber {
    readers: Arc<Readers>,
    shard: ShardId,
    /// Where the next subscription begins.
    position: Start,
    subscription: Option<Box<dyn Subscription>>,
    /// Who subscribed last.
    consumer: Option<Consumer>,
    /// The consumer that may be gone.
    missing: Option<Consumer>,
    /// How far behind the last event was; unknown at first.
    behind: Option<Duration>,
    /// The subscription had to wait for room.
    starved: bool,
    /// The subscription has brought an event.
    heard: bool,
    /// Ends in a row without an event between them.
    failures: u32,
    /// Not subscribed before.
    not_before: Duration,
    complaints: Complaints,
}

/// How a subscription ends.
enum End {
    /// It ran out.
    Over,
    /// Nothing was heard of it.
    Silent,
    /// It was refused, or broke.
    Failed(Error),
}

impl End {
    fn as_str(&self) -> &'static str {
        match self {
            Self::Over => "over",
            Self::Silent => "silent",
            Self::Failed(Error::Throttled { .. }) => "refused",
            Self::Failed(_) => "failed",
        }
    }
}

impl Subscriber {
    pub(super) fn new(readers: Arc<Readers>, shard: ShardId, position: Start) -> Self {
        Self {
            readers,
            shard,
            position,
            subscription: None,
            consumer: None,
            missing: None,
            behind: None,
            starved: false,
            heard: false,
            failures: 0,
            not_before: Duration::ZERO,
            complaints: Complaints::default(),
        }
    }

    pub(super) async fn next(&mut self, room: Room) -> (Batch, Hold) {
        loop {
            if self.subscription.is_none() {
                match self.subscribe().await {
                    Ok(subscription) => self.subscription = Some(subscription),
                    Err(error) => self.ended(&End::Failed(error)),
                }
                continue;
            }
            let asked = self.readers.clock.elapsed();
            let mut hold = room.hold(&self.readers.budget, self.expected_bytes()).await;
            self.starved |= self.readers.clock.elapsed().saturating_sub(asked) >= STARVED_AFTER;
            match self.event().await {
                Ok(batch) => {
                    hold.resize(batch.records.iter().map(|record| record.data.len()).sum());
                    self.accepted(&batch);
                    return (batch, hold);
                }
                Err(end) => self.ended(&end),
            }
        }
    }

    /// Subscribes when it is time to.
    async fn subscribe(&mut self) -> Result<Box<dyn Subscription>, Error> {
        (self.starved, self.heard) = (false, false);
        let readers = self.readers.clone();
        let last = readers.subscribed(&self.shard);
        let period = limits::SUBSCRIBE_PERIOD + readers.jitter.of(PERIOD_MARGIN);
        let time = self.not_before.max(last.map_or(Duration::ZERO, |last| last + period));
        readers.clock.sleep(time.saturating_sub(readers.clock.elapsed())).await;
        if let Some(missing) = self.missing.take() {
            readers.forget(&missing).await;
        }
        let consumer = readers.consumer().await?;
        // Noted before the call: one that is dropped may have been taken.
        readers.note_subscribed(&self.shard, Some(readers.clock.elapsed()));
        let answer = readers.stream.subscribe(&consumer, &self.shard, &self.position).await;
        if let Err(error) = &answer
            && !matches!(error, Error::Unavailable { .. })
        {
            readers.note_subscribed(&self.shard, last);
        }
        self.consumer = Some(consumer);
        answer
    }

    /// The next event of the subscription.
    async fn event(&mut self) -> Result<Batch, End> {
        let clock = self.readers.clock;
        let mut next = self.subscription.as_mut().expect("it is there before it is asked").next();
        let mut silence = Duration::ZERO;
        while silence < SILENCE_MAX {
            // Steps, since only time in which somebody listened counts: the task may be busy for long.
            tokio::select! {
                biased;
                said = &mut next => return match said {
                    Some(Ok(batch)) => Ok(batch),
                    Some(Err(error)) => Err(End::Failed(error)),
                    None => Err(End::Over),
                },
                () = clock.sleep(STEP) => silence += STEP,
            }
        }
        Err(End::Silent)
    }

    /// What the next event is expected to bring at most.
    fn expected_bytes(&self) -> usize {
        let at_tip = self.behind.is_some_and(|behind| behind.is_zero());
        let bytes = if at_tip { TIP_BYTES } else { limits::EVENT_BYTES_MAX };
        (bytes as f64 * BODY_FACTOR) as usize
    }

    fn accepted(&mut self, batch: &Batch) {
        if let Some(last) = batch.records.last() {
            self.position = Start::After(last.sequence.clone());
        } else if let (Start::Latest | Start::AtTimestamp(_), Some(next)) = (&self.position, &batch.next)
            && let Some(sequence) = SequenceNumber::parse(&next.0)
        {
            // "What comes next" must not move on between two subscriptions.
            self.position = Start::After(sequence);
        }
        self.behind = Some(batch.behind);
        self.heard = true;
        self.failures = 0;
        if batch.next.is_none() {
            self.subscription = None;
        }
    }

    fn ended(&mut self, end: &End) {
        self.subscription = None;
        // How many events were missed is not known.
        self.behind = None;
        let readers = &self.readers;
        let (stream, reason) = (readers.stream.name().to_owned(), end.as_str());
        metrics::counter!(telemetry::SUBSCRIPTIONS_ENDED_TOTAL, "stream" => stream, "reason" => reason).increment(1);
        let retry_after = match end {
            End::Failed(Error::Throttled { retry_after, .. }) => *retry_after,
            _ => Duration::ZERO,
        };
        if matches!(end, End::Failed(Error::Missing { .. })) {
            self.missing = self.consumer.take();
        }
        let shard = &self.shard;
        match end {
            // Kinesis closes what nobody reads, in one way or another.
            _ if self.starved => debug!(%shard, reason, "a subscription ended while there was no room for its events"),
            End::Over if self.heard => {}
            // Also refused: whoever read the shard before us may just have subscribed.
            End::Over | End::Silent | End::Failed(Error::Throttled { .. }) if self.failures == 0 => {
                self.failures = 1;
                debug!(%shard, reason, "subscribing again");
            }
            End::Over | End::Silent => {
                self.failures += 1;
                self.complaints.log(readers.clock.elapsed(), shard, &nothing_came(readers.stream.name()));
            }
            End::Failed(error) => {
                self.failures += 1;
                self.complaints.log(readers.clock.elapsed(), shard, error);
            }
        }
        let pause = PAUSE_MIN.saturating_mul(1 << self.failures.saturating_sub(1).min(10)).min(PAUSE_MAX);
        self.not_before = readers.clock.elapsed() + readers.jitter.of(pause).max(retry_after);
    }
}

fn nothing_came(stream: &str) -> Error {
    let message = "subscriptions bring no event".to_owned();
    Error::Unavailable { action: "kinesis:SubscribeToShard", resource: stream.to_owned(), message }
}

#[cfg(test)]
#[path = "fan_out_test.rs"]
mod tests;
