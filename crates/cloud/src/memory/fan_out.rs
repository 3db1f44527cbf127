//! Consumers of a stream in memory, and their subscriptions.

use super::shard::sequence;
use super::stream::{State, Stream, Wrong, millis};
use crate::{Batch, Call, Consumer, Cursor, Error, Start, Subscription, limits};
use lease::ShardId;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How often a subscription that waits looks at the stream's clock, which has its own pace.
const LOOK_PERIOD: Duration = Duration::from_millis(50);

/// Who may subscribe, and who has.
#[derive(Debug, Default)]
pub(super) struct Consumers {
    names: BTreeSet<String>,
    /// The latest subscription of each consumer to each shard: its number and when it was made.
    latest: BTreeMap<(String, ShardId), (u64, i64)>,
    subscriptions_made: u64,
}

impl Consumers {
    fn known(&self, consumer: &Consumer) -> Result<(), Wrong> {
        if self.names.contains(&consumer.0) { Ok(()) } else { Err(Wrong::Consumer(consumer.0.clone())) }
    }

    /// Counts a subscription and answers its number, unless the last one is too young.
    fn subscribe(&mut self, consumer: &Consumer, shard: &ShardId, now_ms: i64) -> Result<u64, Wrong> {
        self.known(consumer)?;
        let key = (consumer.0.clone(), shard.clone());
        if let Some((_, made_ms)) = self.latest.get(&key) {
            let left_ms = made_ms.saturating_add(millis(limits::SUBSCRIBE_PERIOD)).saturating_sub(now_ms);
            if left_ms > 0 {
                return Err(Wrong::Soon(Duration::from_millis(left_ms as u64)));
            }
        }
        self.subscriptions_made += 1;
        self.latest.insert(key, (self.subscriptions_made, now_ms));
        Ok(self.subscriptions_made)
    }

    fn is_latest(&self, consumer: &Consumer, shard: &ShardId, number: u64) -> bool {
        self.latest.get(&(consumer.0.clone(), shard.clone())).is_some_and(|(latest, _)| *latest == number)
    }
}

impl Stream {
    /// Forgets a consumer, as somebody may do while it subscribes.
    pub fn deregister(&self, consumer: &str) {
        // The state is only told: nothing can be wrong with that.
        let _ = self.with("deregister", |state| {
            state.consumers.names.remove(consumer);
            state.consumers.latest.retain(|(name, _), _| name != consumer);
            Ok(())
        });
        self.changed.notify_waiters();
    }

    pub(super) fn make_consumer(&self, name: &str) -> Result<Consumer, Error> {
        self.with("register", |state| {
            state.consumers.names.insert(name.to_owned());
            Ok(Consumer(name.to_owned()))
        })
    }

    pub(super) fn make_subscription(
        &self,
        consumer: &Consumer,
        shard: &ShardId,
        start: &Start,
    ) -> Result<Box<dyn Subscription>, Error> {
        self.with("subscribe", |state| {
            state.consumers.known(consumer)?;
            let position = state.position(shard, start)?;
            let number = state.consumers.subscribe(consumer, shard, state.now_ms)?;
            Ok(Box::new(Subscribed {
                stream: self.clone(),
                consumer: consumer.clone(),
                shard: shard.clone(),
                number,
                position: Some(position),
                made_ms: state.now_ms,
                last_event_ms: None,
            }) as Box<dyn Subscription>)
        })
    }
}

/// One subscription.
struct Subscribed {
    stream: Stream,
    consumer: Consumer,
    shard: ShardId,
    number: u64,
    /// Where the next event begins; `None` after the last one.
    position: Option<u64>,
    made_ms: i64,
    last_event_ms: Option<i64>,
}

impl Subscribed {
    /// What there is to say now, if anything. An answer of `None` within is the end.
    fn look(&mut self) -> Option<Option<Result<Batch, Error>>> {
        let Some(position) = self.position else { return Some(None) };
        let stream = self.stream.clone();
        let said = stream.with("event", |state| self.event(state, position));
        match said {
            Ok(Some((batch, next))) => {
                self.position = next;
                Some(Some(Ok(batch)))
            }
            Ok(None) if self.position.is_none() => Some(None),
            Ok(None) => None,
            Err(error) => {
                self.position = None;
                Some(Some(Err(error)))
            }
        }
    }

    fn event(&mut self, state: &mut State, position: u64) -> Result<Option<(Batch, Option<u64>)>, Wrong> {
        state.consumers.known(&self.consumer)?;
        if !state.consumers.is_latest(&self.consumer, &self.shard, self.number) {
            return Err(Wrong::Soon(limits::SUBSCRIBE_PERIOD));
        }
        if state.now_ms.saturating_sub(self.made_ms) >= millis(limits::SUBSCRIPTION_LIFE) {
            self.position = None;
            return Ok(None);
        }
        let records_max = limits::READ_RECORDS_MAX as usize;
        let (batch, next) = state.page(&self.shard, position, records_max, limits::EVENT_BYTES_MAX)?;
        let silent_ms = self.last_event_ms.map_or(i64::MAX, |last_ms| state.now_ms.saturating_sub(last_ms));
        if batch.records.is_empty() && next.is_some() && silent_ms < millis(limits::EVENT_PERIOD) {
            return Ok(None);
        }
        self.last_event_ms = Some(state.now_ms);
        let goes_on = next.map(|next| Cursor(sequence(next.saturating_sub(1)).as_str().to_owned()));
        Ok(Some((Batch { next: goes_on, ..batch }, next)))
    }
}

impl Subscription for Subscribed {
    fn next(&mut self) -> Call<'_, Option<Result<Batch, Error>>> {
        Box::pin(async move {
            let changed = self.stream.changed.clone();
            loop {
                let change = changed.notified();
                tokio::pin!(change);
                // Registered before the look, so that what is put in between is not missed.
                change.as_mut().enable();
                if let Some(said) = self.look() {
                    return said;
                }
                tokio::select! {
                    () = change => {}
                    () = tokio::time::sleep(LOOK_PERIOD) => {}
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Clock;
    use super::*;
    use crate::{Entry, Stream as _};
    use bytes::Bytes;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};

    /// A stream of one shard, the time it sees, and a consumer.
    async fn stream() -> (Stream, Arc<AtomicI64>, Consumer) {
        let time_ms = Arc::new(AtomicI64::new(1_000_000));
        let seen = time_ms.clone();
        let clock: Clock = Arc::new(move || seen.load(Ordering::Relaxed));
        let stream = Stream::new("queries", 1, clock);
        let consumer = stream.register("app").await.unwrap();
        (stream, time_ms, consumer)
    }

    fn only_shard() -> ShardId {
        ShardId::new("shardId-000000000000")
    }

    async fn put(stream: &Stream, bytes: usize) {
        let entry = Entry { partition_key: "k".into(), hash_key: None, data: Bytes::from(vec![b'x'; bytes]) };
        stream.put(&[entry]).await.unwrap();
    }

    async fn subscribe(stream: &Stream, consumer: &Consumer, start: Start) -> Result<Box<dyn Subscription>, Error> {
        stream.subscribe(consumer, &only_shard(), &start).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_subscription_is_refused_for_five_seconds_and_then_ends_the_first() {
        let (stream, time_ms, consumer) = stream().await;
        let mut first = subscribe(&stream, &consumer, Start::TrimHorizon).await.unwrap();
        time_ms.fetch_add(4_999, Ordering::Relaxed);
        let refused = subscribe(&stream, &consumer, Start::TrimHorizon).await.err();
        assert!(
            matches!(refused, Some(Error::Throttled { retry_after, .. }) if retry_after.as_millis() == 1),
            "{refused:?}"
        );
        time_ms.fetch_add(1, Ordering::Relaxed);
        let mut second = subscribe(&stream, &consumer, Start::TrimHorizon).await.unwrap();
        assert!(matches!(first.next().await, Some(Err(Error::Throttled { .. }))));
        assert!(first.next().await.is_none(), "nothing comes after an error");
        assert!(matches!(second.next().await, Some(Ok(_))));

        let other = stream.register("other").await.unwrap();
        assert!(subscribe(&stream, &other, Start::TrimHorizon).await.is_ok(), "consumers do not meet");
    }

    #[tokio::test(start_paused = true)]
    async fn a_subscription_speaks_every_five_seconds_and_ends_after_five_minutes() {
        let (stream, time_ms, consumer) = stream().await;
        let mut subscription = subscribe(&stream, &consumer, Start::Latest).await.unwrap();
        let first = subscription.next().await.unwrap().unwrap();
        assert!(first.records.is_empty() && first.next == Some(Cursor("0".into())), "{first:?}");
        let soon = tokio::time::timeout(Duration::from_secs(60), subscription.next()).await;
        assert!(soon.is_err(), "its clock stands");
        time_ms.fetch_add(5_000, Ordering::Relaxed);
        assert!(matches!(subscription.next().await, Some(Ok(event)) if event.records.is_empty()));
        put(&stream, 1).await;
        assert!(matches!(subscription.next().await, Some(Ok(event)) if event.records.len() == 1));
        time_ms.fetch_add(295_000, Ordering::Relaxed);
        put(&stream, 1).await;
        assert!(subscription.next().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn an_event_is_no_larger_than_its_limit_and_behind_says_so() {
        let (stream, _, consumer) = stream().await;
        for _ in 0..3 {
            put(&stream, 900_000).await;
        }
        let mut subscription = subscribe(&stream, &consumer, Start::TrimHorizon).await.unwrap();
        let event = subscription.next().await.unwrap().unwrap();
        assert_eq!((event.records.len(), event.behind.is_zero()), (2, false));
        let event = subscription.next().await.unwrap().unwrap();
        assert_eq!((event.records.len(), event.behind.is_zero()), (1, true));
    }

    #[tokio::test(start_paused = true)]
    async fn a_consumer_that_is_gone_is_missing() {
        let (stream, _, consumer) = stream().await;
        let mut subscription = subscribe(&stream, &consumer, Start::TrimHorizon).await.unwrap();
        stream.deregister("app");
        assert!(matches!(subscription.next().await, Some(Err(Error::Missing { .. }))));
        let refused = subscribe(&stream, &consumer, Start::TrimHorizon).await.err();
        assert!(matches!(refused, Some(Error::Missing { .. })), "{refused:?}");
    }
}
