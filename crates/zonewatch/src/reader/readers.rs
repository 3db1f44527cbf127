//! What a process's readers share: the stream, the budget, the consumer, and who reads which shard.
//!
//! Two readers of one shard in one process would deliver every record twice and refuse each other's subscriptions, each
//! for as long as the other goes on. A lease keeps them apart; here that is asserted.

use super::fan_out::Subscriber;
use super::polling::{Pace, Poller};
use super::{Reader, Way};
use crate::budget::Budget;
use crate::clock::Clock;
use crate::jitter::Jitter;
use cloud::{Consumer, Cursor, Error, Start, Stream, limits};
use lease::ShardId;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::task::JoinHandle;

/// How shards are read.
#[derive(Debug, Clone)]
pub enum Retrieval {
    /// Asking for records, at this pace.
    Polling(Pace),
    /// Having them pushed to the consumer of this name.
    FanOut {
        /// The same for every worker of the application.
        consumer: String,
    },
}

/// Opens readers, one a shard. There is one of these in a process for each stream that it reads.
pub struct Readers {
    pub(super) stream: Arc<dyn Stream>,
    retrieval: Retrieval,
    pub(super) clock: Clock,
    pub(super) budget: Budget,
    pub(super) jitter: Jitter,
    /// Registered once for all shards. Whoever needs it first registers it, and the others wait for that.
    consumer: tokio::sync::Mutex<Option<Consumer>>,
    shards: Mutex<Shards>,
}

#[derive(Default)]
struct Shards {
    /// Those that have a reader.
    read: BTreeSet<ShardId>,
    /// When each was last subscribed to, by this reader or one before it.
    subscribed: BTreeMap<ShardId, Duration>,
    /// Cursors for readers that may be opened soon, and where they are.
    prepared: BTreeMap<ShardId, (Start, JoinHandle<Option<Cursor>>)>,
}

impl Readers {
    /// Readers of a stream.
    pub fn new(stream: Arc<dyn Stream>, retrieval: Retrieval, clock: Clock, budget: Budget, seed: u64) -> Arc<Self> {
        let (consumer, shards) = Default::default();
        Arc::new(Self { stream, retrieval, clock, budget, jitter: Jitter::new(seed), consumer, shards })
    }

    /// A reader that begins at `position`. The shard must have no other: the last one is gone before a next one comes.
    pub fn open(self: &Arc<Self>, shard: ShardId, position: Start) -> Reader {
        let is_first = self.shards().read.insert(shard.clone());
        assert!(is_first, "{shard} already has a reader in this process");
        let place = Place { readers: self.clone(), shard: shard.clone() };
        let way = match self.retrieval {
            Retrieval::Polling(pace) => Way::Polling(Poller::new(self.clone(), shard, position, pace)),
            Retrieval::FanOut { .. } => Way::FanOut(Subscriber::new(self.clone(), shard, position)),
        };
        Reader { way, _place: place }
    }

    /// A reader may be opened here in a moment: asks for its cursor, on the runtime this is called on.
    pub fn prepare(self: &Arc<Self>, shard: ShardId, position: Start) {
        if !matches!(self.retrieval, Retrieval::Polling(_)) {
            return;
        }
        let (readers, key, start) = (self.clone(), shard.clone(), position.clone());
        let cursor = tokio::spawn(async move { readers.stream.cursor(&key, &start).await.ok() });
        self.shards().prepared.insert(shard, (position, cursor));
    }

    /// A cursor at `position`: the one that was asked for, or another.
    pub(super) async fn cursor(&self, shard: &ShardId, position: &Start) -> Result<Cursor, Error> {
        let prepared = self.shards().prepared.remove(shard);
        if let Some((start, cursor)) = prepared {
            if start != *position {
                cursor.abort();
            } else if let Ok(Some(cursor)) = cursor.await {
                return Ok(cursor);
            }
        }
        self.stream.cursor(shard, position).await
    }

    /// The consumer, which is registered if it is not known yet.
    pub(super) async fn consumer(&self) -> Result<Consumer, Error> {
        let mut known = self.consumer.lock().await;
        if let Some(consumer) = &*known {
            return Ok(consumer.clone());
        }
        let Retrieval::FanOut { consumer } = &self.retrieval else { unreachable!("only fan-out needs a consumer") };
        let consumer = self.stream.register(consumer).await?;
        Ok(known.insert(consumer).clone())
    }

    /// Has the consumer registered again: this one may be gone.
    pub(super) async fn forget(&self, consumer: &Consumer) {
        let mut known = self.consumer.lock().await;
        if known.as_ref() == Some(consumer) {
            *known = None;
        }
    }

    /// When this process last subscribed to a shard.
    pub(super) fn subscribed(&self, shard: &ShardId) -> Option<Duration> {
        self.shards().subscribed.get(shard).copied()
    }

    /// Notes when a shard was subscribed to, or that it was not.
    pub(super) fn note_subscribed(&self, shard: &ShardId, at: Option<Duration>) {
        let mut shards = self.shards();
        // What is older says nothing any more, and shards come and go.
        let now = self.clock.elapsed();
        shards.subscribed.retain(|_, at| now.saturating_sub(*at) <= 2 * limits::SUBSCRIBE_PERIOD);
        match at {
            Some(at) => shards.subscribed.insert(shard.clone(), at),
            None => shards.subscribed.remove(shard),
        };
    }

    fn shards(&self) -> MutexGuard<'_, Shards> {
        self.shards.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// A shard's place among those that are read.
pub(super) struct Place {
    readers: Arc<Readers>,
    shard: ShardId,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.readers.shards().read.remove(&self.shard);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cloud::{Batch, Call, Entry, Refused, memory};
    use lease::Shard;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// A stream that counts how often it is asked for a cursor.
    struct Asked(memory::Stream, AtomicUsize);

    impl Stream for Asked {
        fn name(&self) -> &str {
            self.0.name()
        }
        fn ensure(&self, create: cloud::Create) -> Call<'_, Result<Duration, Error>> {
            self.0.ensure(create)
        }
        fn shards(&self) -> Call<'_, Result<Vec<Shard>, Error>> {
            self.0.shards()
        }
        fn cursor<'a>(&'a self, shard: &'a ShardId, start: &'a Start) -> Call<'a, Result<Cursor, Error>> {
            self.1.fetch_add(1, Ordering::Relaxed);
            self.0.cursor(shard, start)
        }
        fn read<'a>(&'a self, shard: &'a ShardId, cursor: &'a Cursor, most: u32) -> Call<'a, Result<Batch, Error>> {
            self.0.read(shard, cursor, most)
        }
        fn put<'a>(&'a self, entries: &'a [Entry]) -> Call<'a, Result<Vec<Refused>, Error>> {
            self.0.put(entries)
        }
    }

    #[tokio::test]
    async fn a_cursor_that_was_prepared_is_used_where_it_fits() {
        let stream = Arc::new(Asked(memory::Stream::new("source", 1, Arc::new(|| 0)), AtomicUsize::new(0)));
        let pace = Pace { records_max: 10, tip: Duration::ZERO, idle: Duration::ZERO };
        let readers = Readers::new(stream.clone(), Retrieval::Polling(pace), Clock::real(), Budget::new(100 << 20), 7);
        let shard = ShardId::new("shardId-000000000000");
        for (position, asked) in [(Start::TrimHorizon, 1), (Start::AtTimestamp(1), 2)] {
            readers.prepare(shard.clone(), Start::TrimHorizon);
            let reader = readers.open(shard.clone(), position.clone());
            readers.cursor(&shard, &position).await.unwrap();
            drop(reader);
            assert_eq!(stream.1.load(Ordering::Relaxed), asked, "{position:?}");
        }
    }

    fn readers() -> Arc<Readers> {
        let stream = Arc::new(memory::Stream::new("source", 2, Arc::new(|| 0)));
        let retrieval = Retrieval::FanOut { consumer: "app".into() };
        Readers::new(stream, retrieval, Clock::real(), Budget::new(100 << 20), 7)
    }

    #[tokio::test]
    #[should_panic(expected = "shardId-000000000000 already has a reader in this process")]
    async fn a_shard_has_no_second_reader() {
        let readers = readers();
        let open = || readers.open(ShardId::new("shardId-000000000000"), Start::TrimHorizon);
        let _both = (open(), open());
    }

    #[tokio::test]
    async fn a_shard_may_be_read_again_and_beside_others() {
        let readers = readers();
        let open = |shard| readers.open(ShardId::new(shard), Start::TrimHorizon);
        let first = open("shardId-000000000000");
        let _other = open("shardId-000000000001");
        drop(first);
        open("shardId-000000000000");
    }
}
