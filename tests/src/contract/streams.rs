//! What a stream must do.

use bytes::Bytes;
use cloud::{Batch, Entry, Error, Record, Start, Stream};
use lease::{Shard, ShardId};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What no port offers: a change of a stream's shards.
pub trait Reshard {
    /// Splits a shard at a hash key and waits until it is done.
    fn split(&self, shard: &ShardId, at: u128);
    /// Merges two neighbours and waits until it is done.
    fn merge(&self, lower: &ShardId, upper: &ShardId);
}

/// A stream of two open shards and the means to change them.
pub struct Streamed {
    /// The port.
    pub stream: Box<dyn Stream>,
    /// The means.
    pub reshard: Box<dyn Reshard>,
}

impl Streamed {
    pub(super) async fn open_shards(&self) -> Vec<Shard> {
        let mut shards = self.stream.shards().await.unwrap();
        shards.retain(|shard| shard.ended_at.is_none());
        shards.sort_by_key(|shard| shard.hash_range.start);
        shards
    }

    /// Puts texts on a shard, one call each, so that they keep their order.
    pub(super) async fn put(&self, shard: &Shard, texts: &[&str]) {
        for text in texts {
            let entry = Entry {
                partition_key: "any".into(),
                hash_key: Some(shard.hash_range.start),
                data: Bytes::copy_from_slice(text.as_bytes()),
            };
            assert_eq!(self.stream.put(&[entry]).await.unwrap(), []);
        }
    }

    /// Reads from `start` until the tip or the shard's end.
    async fn read(&self, shard: &ShardId, start: &Start) -> Read {
        let mut cursor = self.stream.cursor(shard, start).await.unwrap();
        let mut records = Vec::new();
        // Kinesis may answer with nothing before the tip; a hundred such answers are a mistake.
        for _ in 0..100 {
            let mut batch = self.stream.read(shard, &cursor, 10_000).await.unwrap();
            let arrived = batch.records.len();
            records.append(&mut batch.records);
            match &batch.next {
                None => return Read { records, last: batch },
                Some(_) if arrived == 0 && batch.behind.is_zero() => return Read { records, last: batch },
                Some(next) => cursor = next.clone(),
            }
        }
        panic!("{shard} has neither tip nor end");
    }

    async fn texts(&self, shard: &ShardId, start: &Start) -> Vec<String> {
        self.read(shard, start).await.texts()
    }
}

struct Read {
    records: Vec<Record>,
    last: Batch,
}

impl Read {
    fn texts(&self) -> Vec<String> {
        self.records.iter().map(|record| String::from_utf8(record.data.to_vec()).unwrap()).collect()
    }
}

pub(super) fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}

/// Arrival times are in milliseconds; some tests need two that differ.
pub(super) async fn later() {
    tokio::time::sleep(Duration::from_millis(30)).await;
}

/// New shards are open, without parents, and cover every hash key once.
pub async fn shards_cover_every_hash_key(streamed: &Streamed) {
    let shards = streamed.open_shards().await;
    assert_eq!(shards.len(), 2);
    assert!(shards.iter().all(|shard| shard.parents.is_empty()), "{shards:?}");
    assert_eq!(shards[0].hash_range.start, 0);
    assert_eq!(shards[0].hash_range.end + 1, shards[1].hash_range.start);
    assert_eq!(shards[1].hash_range.end, u128::MAX);
}

/// Records come back on the shard of their hash key, in order, with growing places and likely arrival times.
pub async fn records_come_back_in_order(streamed: &Streamed) {
    let shards = streamed.open_shards().await;
    let before_ms = now_ms();
    streamed.put(&shards[0], &["a", "b", "c"]).await;
    streamed.put(&shards[1], &["other"]).await;

    let read = streamed.read(&shards[0].id, &Start::TrimHorizon).await;
    assert_eq!(read.texts(), ["a", "b", "c"]);
    assert!(read.records.is_sorted_by(|one, next| one.sequence < next.sequence), "{:?}", read.records);
    assert!(read.records.is_sorted_by_key(|record| record.arrival_ms), "{:?}", read.records);
    let arrivals = before_ms - 1000..=now_ms() + 1000;
    assert!(read.records.iter().all(|record| arrivals.contains(&record.arrival_ms)), "{:?}", read.records);
    assert!(read.last.children.is_empty());
    assert_eq!(streamed.texts(&shards[1].id, &Start::TrimHorizon).await, ["other"]);
}

/// Every way to start reading starts at its place.
pub async fn reading_starts_where_it_should(streamed: &Streamed) {
    let shards = streamed.open_shards().await;
    let shard = &shards[0].id;
    streamed.put(&shards[0], &["a"]).await;
    later().await;
    streamed.put(&shards[0], &["b"]).await;
    later().await;
    streamed.put(&shards[0], &["c"]).await;
    let records = streamed.read(shard, &Start::TrimHorizon).await.records;
    let place = |index: usize| records[index].sequence.clone();

    assert_eq!(streamed.texts(shard, &Start::At(place(1))).await, ["b", "c"]);
    assert_eq!(streamed.texts(shard, &Start::After(place(1))).await, ["c"]);
    assert!(streamed.texts(shard, &Start::After(place(2))).await.is_empty());
    assert_eq!(streamed.texts(shard, &Start::AtTimestamp(records[1].arrival_ms)).await, ["b", "c"]);
    assert_eq!(streamed.texts(shard, &Start::AtTimestamp(records[1].arrival_ms + 1)).await, ["c"]);
    assert_eq!(streamed.texts(shard, &Start::AtTimestamp(0)).await, ["a", "b", "c"]);
}

/// `Latest`, and a time in the future, are what comes after the cursor was made.
pub async fn reading_can_start_with_what_comes_next(streamed: &Streamed) {
    let shards = streamed.open_shards().await;
    let shard = &shards[0].id;
    streamed.put(&shards[0], &["before"]).await;
    later().await;
    for (start, text) in [(Start::Latest, "one"), (Start::AtTimestamp(now_ms() + 600_000), "two")] {
        let cursor = streamed.stream.cursor(shard, &start).await.unwrap();
        streamed.put(&shards[0], &[text]).await;
        let batch = streamed.stream.read(shard, &cursor, 10).await.unwrap();
        assert_eq!(batch.records.len(), 1, "{start:?}: {batch:?}");
        assert_eq!(batch.records[0].data, text.as_bytes(), "{start:?}");
    }
}

/// A read brings no more records than asked for, says that it is behind, and goes on where it ended.
pub async fn reading_goes_on_where_it_ended(streamed: &Streamed) {
    let shards = streamed.open_shards().await;
    let shard = &shards[0].id;
    for text in ["a", "b", "c"] {
        streamed.put(&shards[0], &[text]).await;
        later().await;
    }
    let cursor = streamed.stream.cursor(shard, &Start::TrimHorizon).await.unwrap();
    let first = streamed.stream.read(shard, &cursor, 2).await.unwrap();
    assert_eq!(first.records.len(), 2);
    assert!(!first.behind.is_zero(), "{first:?}");
    let again = streamed.stream.read(shard, &cursor, 2).await.unwrap();
    assert_eq!(again.records, first.records, "a cursor may be used again");
    let second = streamed.stream.read(shard, &first.next.unwrap(), 2).await.unwrap();
    assert_eq!(second.records.len(), 1);
    assert!(second.behind.is_zero(), "{second:?}");
    assert!(second.next.is_some(), "an open shard has no end");
}

/// A split shard keeps its records, ends, and names its children with their parent and their share of its hash keys.
pub async fn a_split_shard_ends_and_names_its_children(streamed: &Streamed) {
    let shards = streamed.open_shards().await;
    let (parent, other) = (&shards[0], &shards[1]);
    let middle = parent.hash_range.end / 2 + 1;
    streamed.put(parent, &["before"]).await;
    streamed.reshard.split(&parent.id, middle);
    streamed.put(parent, &["after"]).await;

    let read = streamed.read(&parent.id, &Start::TrimHorizon).await;
    assert_eq!(read.texts(), ["before"]);
    assert!(read.last.next.is_none());
    let mut children = read.last.children;
    children.sort_by_key(|child| child.hash_range.start);
    assert_eq!(children.len(), 2, "{children:?}");
    assert!(children.iter().all(|child| child.parents == [parent.id.clone()] && child.ended_at.is_none()));
    assert_eq!((children[0].hash_range.start, children[0].hash_range.end), (parent.hash_range.start, middle - 1));
    assert_eq!((children[1].hash_range.start, children[1].hash_range.end), (middle, parent.hash_range.end));
    assert_eq!(streamed.texts(&children[0].id, &Start::TrimHorizon).await, ["after"]);

    let listed = streamed.stream.shards().await.unwrap();
    let of = |id: &ShardId| listed.iter().find(|shard| shard.id == *id).unwrap();
    // Which number stands there is not compared: kinesis-local says 2^63-1 for every closed shard.
    assert!(of(&parent.id).ended_at.is_some());
    for child in &children {
        // Where a shard begins, the end of its parent does not say.
        let told = Shard { starts_at: of(&child.id).starts_at.clone(), ..child.clone() };
        assert_eq!(of(&child.id), &told);
    }
    assert_eq!(of(&other.id).ended_at, None);
}

/// A merged shard names both parents, and each parent names it.
pub async fn merged_shards_have_one_child_with_two_parents(streamed: &Streamed) {
    let shards = streamed.open_shards().await;
    streamed.reshard.merge(&shards[0].id, &shards[1].id);
    let mut parents = vec![shards[0].id.clone(), shards[1].id.clone()];
    parents.sort();
    for shard in &shards {
        let read = streamed.read(&shard.id, &Start::TrimHorizon).await;
        assert!(read.last.next.is_none());
        assert_eq!(read.last.children.len(), 1);
        let mut child = read.last.children[0].clone();
        child.parents.sort();
        assert_eq!(child.parents, parents);
        assert_eq!((child.hash_range.start, child.hash_range.end), (0, u128::MAX));
    }
    assert_eq!(streamed.open_shards().await.len(), 1);
}

/// A put of nothing does nothing; one that is too large, or without a partition key, is refused whole.
pub async fn puts_keep_to_their_limits(streamed: &Streamed) {
    let shards = streamed.open_shards().await;
    let entry = |key: &str| Entry { partition_key: key.into(), hash_key: Some(0), data: Bytes::from_static(b"x") };
    assert_eq!(streamed.stream.put(&[]).await, Ok(Vec::new()));
    let refused = [vec![entry("k"); 501], vec![entry("k"), entry("")]];
    for entries in refused {
        let answer = streamed.stream.put(&entries).await;
        assert!(matches!(answer, Err(Error::Invalid { .. })), "{answer:?}");
    }
    assert!(streamed.texts(&shards[0].id, &Start::TrimHorizon).await.is_empty());
}

/// A stream that is there is ready, and says how long it keeps records.
pub async fn a_stream_says_how_long_it_keeps_records(streamed: &Streamed) {
    let day = std::time::Duration::from_secs(24 * 3600);
    for create in [cloud::Create::Never, cloud::Create::IfMissing] {
        assert_eq!(streamed.stream.ensure(create).await, Ok(day));
    }
}

/// What is not there is missing, and the error says what and where.
pub async fn what_is_not_there_is_missing(streamed: &Streamed) {
    let nowhere = ShardId::new("shardId-000000000099");
    let error = streamed.stream.cursor(&nowhere, &Start::TrimHorizon).await.unwrap_err();
    assert!(matches!(error, Error::Missing { .. }), "{error:?}");
    assert!(error.to_string().contains("shardId-000000000099"), "{error}");
}
