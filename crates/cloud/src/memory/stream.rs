//! A stream in memory.

use super::Clock;
use super::fan_out::Consumers;
use super::shard::{Closed, ShardLog, sequence};
use crate::{Batch, Call, Consumer, Create, Cursor, Entry, Error, Record, Refused, Start, Subscription, limits};
use lease::{HashRange, Shard, ShardId};
use std::fmt;
use std::hash::{DefaultHasher, Hasher};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;

/// What a stream in memory holds, and for how long.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Records older than this are trimmed. Kinesis' default is a day.
    pub retention: Duration,
    /// The oldest records are trimmed so that the rest has at most this many bytes.
    pub bytes_max: usize,
    /// A cursor older than this is refused. Kinesis' are good for 5 minutes.
    pub cursor_life: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { retention: Duration::from_secs(24 * 3600), bytes_max: usize::MAX, cursor_life: Duration::from_secs(300) }
    }
}

/// A stream in memory. Partition keys are spread by a hash of ours, not by Kinesis' MD5. Clones are one stream.
#[derive(Clone)]
pub struct Stream {
    name: String,
    settings: Settings,
    clock: Clock,
    state: Arc<Mutex<State>>,
    /// Told when there is something new to read.
    pub(super) changed: Arc<Notify>,
}

#[derive(Debug)]
pub(super) struct State {
    /// In the order of their making.
    shards: Vec<ShardLog>,
    shards_made: usize,
    /// The number of the next record.
    pub(super) tip: u64,
    /// The latest arrival: arrival times never run back.
    pub(super) now_ms: i64,
    pub(super) consumers: Consumers,
}

impl Stream {
    /// A stream of `shards` equal shards (at least one), with Kinesis' settings.
    pub fn new(name: &str, shards: usize, clock: Clock) -> Self {
        Self::with_settings(name, shards, clock, Settings::default())
    }

    /// A stream of `shards` equal shards (at least one).
    pub fn with_settings(name: &str, shards: usize, clock: Clock, settings: Settings) -> Self {
        let mut state =
            State { shards: Vec::new(), shards_made: 0, tip: 1, now_ms: i64::MIN, consumers: Consumers::default() };
        for hash_range in HashRange::equal_parts(shards) {
            state.open(Vec::new(), hash_range);
        }
        let (state, changed) = (Arc::new(Mutex::new(state)), Arc::default());
        Self { name: name.to_owned(), settings, clock, state, changed }
    }

    /// Splits an open shard so that hash keys from `at` on go to the second child.
    pub fn split(&self, shard: &ShardId, at: u128) -> Result<(), Error> {
        self.with("split", |state| {
            let range = state.open_shard(shard)?.hash_range;
            if at <= range.start || at > range.end {
                return Err(Wrong::Call(format!("{at} does not lie within {shard}")));
            }
            state.close(shard);
            state.open(vec![shard.clone()], HashRange { start: range.start, end: at - 1 });
            state.open(vec![shard.clone()], HashRange { start: at, end: range.end });
            Ok(())
        })
        .inspect(|()| self.changed.notify_waiters())
    }

    /// Merges two open shards whose hash keys touch.
    pub fn merge(&self, lower: &ShardId, upper: &ShardId) -> Result<(), Error> {
        self.with("merge", |state| {
            let (low, high) = (state.open_shard(lower)?.hash_range, state.open_shard(upper)?.hash_range);
            if low.end.checked_add(1) != Some(high.start) {
                return Err(Wrong::Call(format!("{lower} does not end where {upper} begins")));
            }
            state.close(lower);
            state.close(upper);
            state.open(vec![lower.clone(), upper.clone()], HashRange { start: low.start, end: high.end });
            Ok(())
        })
        .inspect(|()| self.changed.notify_waiters())
    }

    /// The bytes of all records held.
    pub fn bytes_held(&self) -> usize {
        self.state.lock().expect("no holder of this lock panics").bytes()
    }

    /// What `act` makes of the state as it is now: with the clock moved on and what is too old trimmed.
    pub(super) fn with<T>(
        &self,
        action: &'static str,
        act: impl FnOnce(&mut State) -> Result<T, Wrong>,
    ) -> Result<T, Error> {
        let mut state = self.state.lock().expect("no holder of this lock panics");
        state.now_ms = state.now_ms.max((self.clock)());
        state.trim(&self.settings);
        act(&mut state).map_err(|wrong| {
            let resource = format!("memory stream {}", self.name);
            match wrong {
                Wrong::Call(message) => Error::Invalid { action, resource, message },
                Wrong::Shard(shard) => {
                    Error::Missing { action, resource, message: format!("no open or kept shard {shard}") }
                }
                Wrong::Consumer(consumer) => {
                    Error::Missing { action, resource, message: format!("no consumer {consumer}") }
                }
                Wrong::Soon(retry_after) => Error::Throttled { action, resource, retry_after },
                Wrong::Old => Error::Expired,
            }
        })
    }

    fn make_cursor(&self, shard: &ShardId, start: &Start) -> Result<Cursor, Error> {
        self.with("cursor", |state| Ok(write_cursor(state.position(shard, start)?, state.now_ms)))
    }

    fn read_page(&self, shard: &ShardId, cursor: &Cursor, records_max: u32) -> Result<Batch, Error> {
        let records_max = records_max.clamp(1, limits::READ_RECORDS_MAX) as usize;
        self.with("read", |state| {
            let (position, made_ms) =
                parse_cursor(cursor).ok_or_else(|| Wrong::Call(format!("{cursor:?} is no cursor of ours")))?;
            if state.now_ms.saturating_sub(made_ms) > millis(self.settings.cursor_life) {
                return Err(Wrong::Old);
            }
            let (batch, next) = state.page(shard, position, records_max, limits::READ_BYTES_MAX)?;
            Ok(Batch { next: next.map(|next| write_cursor(next, state.now_ms)), ..batch })
        })
    }

    fn append(&self, entries: &[Entry]) -> Result<Vec<Refused>, Error> {
        self.with("put", |state| {
            limits::check_put(entries).map_err(Wrong::Call)?;
            entries.iter().for_each(|entry| state.append(entry));
            state.trim(&self.settings);
            Ok(Vec::new())
        })
        .inspect(|_| self.changed.notify_waiters())
    }
}

/// What is wrong with a call.
pub(super) enum Wrong {
    Call(String),
    Shard(ShardId),
    Consumer(String),
    Soon(Duration),
    Old,
}

impl State {
    fn open(&mut self, parents: Vec<ShardId>, hash_range: HashRange) {
        let id = ShardId::new(&format!("shardId-{:012}", self.shards_made));
        self.shards_made += 1;
        self.shards.push(ShardLog::new(id, parents, hash_range));
    }

    fn close(&mut self, shard: &ShardId) {
        let closed = Closed { at: self.tip, time_ms: self.now_ms };
        // Nothing else gets this number: a shard's end is a place after its last record.
        self.tip += 1;
        if let Some(log) = self.shards.iter_mut().find(|log| log.id == *shard) {
            log.closed = Some(closed);
        }
    }

    pub(super) fn kept_shard(&self, shard: &ShardId) -> Result<&ShardLog, Wrong> {
        self.shards.iter().find(|log| log.id == *shard).ok_or_else(|| Wrong::Shard(shard.clone()))
    }

    fn open_shard(&self, shard: &ShardId) -> Result<&ShardLog, Wrong> {
        self.kept_shard(shard).and_then(|log| if log.is_open() { Ok(log) } else { Err(Wrong::Shard(shard.clone())) })
    }

    pub(super) fn position(&self, shard: &ShardId, start: &Start) -> Result<u64, Wrong> {
        let position = self.kept_shard(shard)?.position(start, self.tip);
        position.ok_or_else(|| Wrong::Call(format!("{start:?} is no place in this stream")))
    }

    /// What is read at a position, and the position after it; `None` at the shard's end.
    pub(super) fn page(
        &self,
        shard: &ShardId,
        position: u64,
        records_max: usize,
        bytes_max: usize,
    ) -> Result<(Batch, Option<u64>), Wrong> {
        let log = self.kept_shard(shard)?;
        let (records, next, behind, ended) = log.read(position, records_max, bytes_max, self.now_ms);
        let children = if ended { self.children(shard) } else { Vec::new() };
        Ok((Batch { records, behind, next: None, children }, (!ended).then_some(next)))
    }

    fn children(&self, shard: &ShardId) -> Vec<Shard> {
        let children = self.shards.iter().filter(|log| log.parents.contains(shard));
        children.map(|log| Shard { ended_at: None, ..log.listed() }).collect()
    }

    fn append(&mut self, entry: &Entry) {
        let hash_key = entry.hash_key.unwrap_or_else(|| spread(&entry.partition_key));
        let shard = self.shards.iter_mut().find(|log| log.takes(hash_key));
        let shard = shard.expect("the open shards cover all hash keys");
        let record = Record { sequence: sequence(self.tip), arrival_ms: self.now_ms, data: entry.data.clone() };
        shard.append(self.tip, record);
        self.tip += 1;
    }

    fn bytes(&self) -> usize {
        self.shards.iter().map(ShardLog::bytes).sum()
    }

    fn trim(&mut self, settings: &Settings) {
        let horizon_ms = self.now_ms.saturating_sub(millis(settings.retention));
        for shard in &mut self.shards {
            while shard.oldest().is_some_and(|(_, arrival_ms)| arrival_ms < horizon_ms) {
                shard.trim_one();
            }
        }
        self.shards.retain(|shard| shard.closed.as_ref().is_none_or(|closed| closed.time_ms >= horizon_ms));
        let mut bytes = self.bytes();
        while bytes > settings.bytes_max {
            let oldest =
                self.shards.iter_mut().filter(|shard| shard.oldest().is_some()).min_by_key(|shard| shard.oldest());
            bytes -= oldest.expect("bytes are held by records").trim_one();
        }
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Stream").field("name", &self.name).finish_non_exhaustive()
    }
}

impl crate::Stream for Stream {
    fn name(&self) -> &str {
        &self.name
    }

    fn ensure(&self, _create: Create) -> Call<'_, Result<Duration, Error>> {
        Box::pin(async { Ok(self.settings.retention) })
    }

    fn shards(&self) -> Call<'_, Result<Vec<Shard>, Error>> {
        Box::pin(async { self.with("list", |state| Ok(state.shards.iter().map(ShardLog::listed).collect())) })
    }

    fn cursor<'a>(&'a self, shard: &'a ShardId, start: &'a Start) -> Call<'a, Result<Cursor, Error>> {
        Box::pin(async { self.make_cursor(shard, start) })
    }

    fn read<'a>(&'a self, shard: &'a ShardId, cursor: &'a Cursor, records_max: u32) -> Call<'a, Result<Batch, Error>> {
        Box::pin(async move { self.read_page(shard, cursor, records_max) })
    }

    fn register<'a>(&'a self, consumer: &'a str) -> Call<'a, Result<Consumer, Error>> {
        Box::pin(async { self.make_consumer(consumer) })
    }

    fn subscribe<'a>(
        &'a self,
        consumer: &'a Consumer,
        shard: &'a ShardId,
        start: &'a Start,
    ) -> Call<'a, Result<Box<dyn Subscription>, Error>> {
        Box::pin(async { self.make_subscription(consumer, shard, start) })
    }

    fn put<'a>(&'a self, entries: &'a [Entry]) -> Call<'a, Result<Vec<Refused>, Error>> {
        Box::pin(async { self.append(entries) })
    }
}

fn write_cursor(position: u64, now_ms: i64) -> Cursor {
    Cursor(format!("{position}@{now_ms}"))
}

fn parse_cursor(cursor: &Cursor) -> Option<(u64, i64)> {
    let (position, made_ms) = cursor.0.split_once('@')?;
    Some((position.parse().ok()?, made_ms.parse().ok()?))
}

pub(super) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// A hash key for a partition key: evenly spread, the same in every run.
fn spread(partition_key: &str) -> u128 {
    let half = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        hasher.write_u8(salt);
        hasher.write(partition_key.as_bytes());
        u128::from(hasher.finish())
    };
    half(0) << 64 | half(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Stream as _;
    use bytes::Bytes;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};

    /// A stream of one shard and the time it sees.
    fn stream(settings: Settings) -> (Stream, Arc<AtomicI64>) {
        let time_ms = Arc::new(AtomicI64::new(1_000_000));
        let seen = time_ms.clone();
        let clock: Clock = Arc::new(move || seen.load(Ordering::Relaxed));
        (Stream::with_settings("queries", 1, clock, settings), time_ms)
    }

    fn entry(bytes: usize) -> Entry {
        Entry { partition_key: "k".into(), hash_key: None, data: Bytes::from(vec![b'x'; bytes]) }
    }

    fn only_shard() -> ShardId {
        ShardId::new("shardId-000000000000")
    }

    async fn read(stream: &Stream, start: Start) -> Batch {
        let cursor = stream.cursor(&only_shard(), &start).await.unwrap();
        stream.read(&only_shard(), &cursor, 10_000).await.unwrap()
    }

    #[tokio::test]
    async fn a_cursor_grows_too_old() {
        let (stream, time_ms) = stream(Settings::default());
        let cursor = stream.cursor(&only_shard(), &Start::TrimHorizon).await.unwrap();
        time_ms.fetch_add(300_000, Ordering::Relaxed);
        let next = stream.read(&only_shard(), &cursor, 1).await.unwrap().next.unwrap();
        time_ms.fetch_add(1, Ordering::Relaxed);
        assert_eq!(stream.read(&only_shard(), &cursor, 1).await.unwrap_err(), Error::Expired);
        assert!(stream.read(&only_shard(), &next, 1).await.is_ok());
    }

    #[tokio::test]
    async fn records_beyond_the_retention_are_gone_and_reading_goes_on_behind_them() {
        let (stream, time_ms) = stream(Settings { retention: Duration::from_secs(10), ..Settings::default() });
        stream.put(&[entry(1)]).await.unwrap();
        time_ms.fetch_add(6_000, Ordering::Relaxed);
        stream.put(&[entry(2)]).await.unwrap();
        assert_eq!(read(&stream, Start::TrimHorizon).await.records.len(), 2);
        time_ms.fetch_add(5_000, Ordering::Relaxed);
        for start in [Start::TrimHorizon, Start::After(sequence(1)), Start::At(sequence(1))] {
            let records = read(&stream, start.clone()).await.records;
            assert_eq!(records.iter().map(|record| record.data.len()).collect::<Vec<_>>(), [2], "{start:?}");
        }
        assert_eq!(stream.bytes_held(), 2);
    }

    #[tokio::test]
    async fn an_ended_shard_leaves_the_list_with_its_last_record() {
        let (stream, time_ms) = stream(Settings { retention: Duration::from_secs(10), ..Settings::default() });
        stream.split(&only_shard(), 1 << 127).unwrap();
        assert_eq!(stream.shards().await.unwrap().len(), 3);
        time_ms.fetch_add(11_000, Ordering::Relaxed);
        let shards = stream.shards().await.unwrap();
        assert_eq!(shards.len(), 2);
        assert!(shards.iter().all(|shard| shard.parents == [only_shard()]), "the parent is named though it is gone");
    }

    #[tokio::test]
    async fn the_oldest_records_make_room() {
        let (stream, _) = stream(Settings { bytes_max: 250, ..Settings::default() });
        for _ in 0..5 {
            stream.put(&[entry(100)]).await.unwrap();
        }
        assert_eq!(stream.bytes_held(), 200);
        let records = read(&stream, Start::TrimHorizon).await.records;
        assert_eq!(records.iter().map(|record| record.sequence.as_str()).collect::<Vec<_>>(), ["4", "5"]);
    }

    #[tokio::test]
    async fn a_page_has_at_most_ten_megabytes() {
        let (stream, _) = stream(Settings::default());
        for _ in 0..11 {
            stream.put(&[entry(1 << 20)]).await.unwrap();
        }
        let page = read(&stream, Start::TrimHorizon).await;
        assert_eq!(page.records.len(), 10);
        assert!(!page.behind.is_zero());
    }

    #[tokio::test]
    async fn arrival_times_never_run_back() {
        let (stream, time_ms) = stream(Settings::default());
        stream.put(&[entry(1)]).await.unwrap();
        time_ms.fetch_sub(5_000, Ordering::Relaxed);
        stream.put(&[entry(1)]).await.unwrap();
        let records = read(&stream, Start::TrimHorizon).await.records;
        assert_eq!(records[0].arrival_ms, records[1].arrival_ms);
    }

    #[tokio::test]
    async fn partition_keys_spread_over_the_shards() {
        let stream = Stream::new("queries", 4, Arc::new(|| 0));
        let entries: Vec<_> = (0..400).map(|key| Entry { partition_key: key.to_string(), ..entry(1) }).collect();
        stream.put(&entries).await.unwrap();
        for shard in stream.shards().await.unwrap() {
            let cursor = stream.cursor(&shard.id, &Start::TrimHorizon).await.unwrap();
            let count = stream.read(&shard.id, &cursor, 10_000).await.unwrap().records.len();
            assert!((60..140).contains(&count), "{count} of 400 on one of 4 shards");
        }
    }

    #[test]
    fn shards_split_and_merge_only_where_they_can() {
        let (stream, _) = stream(Settings::default());
        assert!(matches!(stream.split(&only_shard(), 0), Err(Error::Invalid { .. })));
        stream.split(&only_shard(), 10).unwrap();
        assert!(matches!(stream.split(&only_shard(), 5), Err(Error::Missing { .. })), "it is closed");
        let (low, high) = (ShardId::new("shardId-000000000001"), ShardId::new("shardId-000000000002"));
        assert!(matches!(stream.merge(&high, &low), Err(Error::Invalid { .. })));
        assert!(stream.merge(&low, &high).is_ok());
    }
}
