//! What a stream that pushes its records must do.

use super::streams::{Streamed, later, now_ms};
use cloud::{Batch, Consumer, Error, Record, Start, Subscription};
use lease::{SequenceNumber, ShardId};
use std::time::Duration;

/// Emulators take their time; Kinesis speaks every five seconds.
const PATIENCE: Duration = Duration::from_secs(30);

/// A subscription by a consumer of that name, which may subscribe to each shard once in a test: Kinesis wants five seconds
/// between two.
async fn subscribe(streamed: &Streamed, consumer: &str, shard: &ShardId, start: &Start) -> Box<dyn Subscription> {
    let consumer = streamed.stream.register(consumer).await.unwrap();
    streamed.stream.subscribe(&consumer, shard, start).await.unwrap()
}

async fn event(subscription: &mut Box<dyn Subscription>) -> Batch {
    let event = tokio::time::timeout(PATIENCE, subscription.next()).await;
    event.expect("an event in time").expect("a subscription that goes on").unwrap()
}

/// At least so many records, in as many events as it takes.
async fn records(subscription: &mut Box<dyn Subscription>, count: usize) -> Vec<Record> {
    let mut records = Vec::new();
    while records.len() < count {
        records.extend(event(subscription).await.records);
    }
    records
}

async fn texts(subscription: &mut Box<dyn Subscription>, count: usize) -> Vec<String> {
    let records = records(subscription, count).await;
    records.iter().map(|record| String::from_utf8(record.data.to_vec()).unwrap()).collect()
}

/// A consumer is made once and then found, and each name is a consumer of its own.
pub async fn a_consumer_is_registered_once(streamed: &Streamed) {
    let first = streamed.stream.register("one").await.unwrap();
    assert_eq!(streamed.stream.register("one").await.unwrap(), first);
    assert_ne!(streamed.stream.register("two").await.unwrap(), first);
}

/// A subscription brings what is there, then what comes, in order, with places and arrival times; of its shard only.
pub async fn a_subscription_brings_what_is_there_and_what_comes(streamed: &Streamed) {
    let shards = streamed.open_shards().await;
    let before_ms = now_ms();
    streamed.put(&shards[0], &["a", "b"]).await;
    streamed.put(&shards[1], &["other"]).await;
    let mut subscription = subscribe(streamed, "app", &shards[0].id, &Start::TrimHorizon).await;
    let mut came = records(&mut subscription, 2).await;
    streamed.put(&shards[0], &["c"]).await;
    came.extend(records(&mut subscription, 1).await);

    let texts: Vec<_> = came.iter().map(|record| record.data.to_vec()).collect();
    assert_eq!(texts, [b"a", b"b", b"c"]);
    assert!(came.is_sorted_by(|one, next| one.sequence < next.sequence), "{came:?}");
    let arrivals = before_ms - 1000..=now_ms() + 1000;
    assert!(came.iter().all(|record| arrivals.contains(&record.arrival_ms)), "{came:?}");
}

/// Every way to start a subscription starts it at its place, and what an event says it goes on with is such a place.
pub async fn a_subscription_starts_where_it_should(streamed: &Streamed) {
    let shards = streamed.open_shards().await;
    let shard = &shards[0].id;
    for text in ["a", "b", "c"] {
        streamed.put(&shards[0], &[text]).await;
        later().await;
    }
    let came = records(&mut subscribe(streamed, "all", shard, &Start::TrimHorizon).await, 3).await;
    let place = |index: usize| came[index].sequence.clone();
    let starts = [
        ("at", Start::At(place(1)), vec!["b", "c"]),
        ("after", Start::After(place(1)), vec!["c"]),
        ("time", Start::AtTimestamp(came[1].arrival_ms), vec!["b", "c"]),
    ];
    for (consumer, start, expected) in starts {
        let mut subscription = subscribe(streamed, consumer, shard, &start).await;
        assert_eq!(texts(&mut subscription, expected.len()).await, expected, "{start:?}");
    }
}

/// `Latest`, and a time in the future, are what comes after the subscription was made; and nothing is lost if it is then
/// renewed from where an event without records says that it goes on.
pub async fn a_subscription_can_start_with_what_comes_next(streamed: &Streamed) {
    let shards = streamed.open_shards().await;
    let shard = &shards[0].id;
    streamed.put(&shards[0], &["before"]).await;
    later().await;
    for (consumer, start) in [("latest", Start::Latest), ("future", Start::AtTimestamp(now_ms() + 600_000))] {
        let mut subscription = subscribe(streamed, consumer, shard, &start).await;
        let first = event(&mut subscription).await;
        assert!(first.records.is_empty(), "{start:?}: {first:?}");
        streamed.put(&shards[0], &[consumer]).await;
        assert_eq!(texts(&mut subscription, 1).await, [consumer], "{start:?}");

        let place = first.next.expect("an open shard goes on").0;
        let place = SequenceNumber::parse(&place).expect("a sequence number");
        let mut renewed = subscribe(streamed, &format!("{consumer}-renewed"), shard, &Start::After(place)).await;
        assert_eq!(texts(&mut renewed, 1).await, [consumer], "{start:?}");
    }
}

/// A subscription to a split shard brings what it holds and ends with its children.
pub async fn a_subscription_ends_with_its_shard(streamed: &Streamed) {
    let shards = streamed.open_shards().await;
    let parent = &shards[0];
    streamed.put(parent, &["before"]).await;
    let mut subscription = subscribe(streamed, "app", &parent.id, &Start::TrimHorizon).await;
    assert_eq!(texts(&mut subscription, 1).await, ["before"]);
    streamed.reshard.split(&parent.id, parent.hash_range.end / 2 + 1);

    let mut last = event(&mut subscription).await;
    while last.next.is_some() {
        assert!(last.children.is_empty(), "only the last event names children: {last:?}");
        last = event(&mut subscription).await;
    }
    assert!(last.records.is_empty());
    let mut children = last.children;
    children.sort_by_key(|child| child.hash_range.start);
    assert_eq!(children.len(), 2, "{children:?}");
    assert!(children.iter().all(|child| child.parents == [parent.id.clone()] && child.ended_at.is_none()));
    let ranges = [children[0].hash_range, children[1].hash_range];
    assert_eq!((ranges[0].start, ranges[1].end), (parent.hash_range.start, parent.hash_range.end));
    assert!(subscription.next().await.is_none(), "nothing comes after the end");

    let mut again = subscribe(streamed, "late", &parent.id, &Start::TrimHorizon).await;
    let mut came = Vec::new();
    loop {
        let batch = event(&mut again).await;
        came.extend(batch.records);
        if batch.next.is_none() {
            assert_eq!(batch.children.len(), 2, "whoever comes late is told of them too");
            break;
        }
    }
    assert_eq!(came.len(), 1);
}

/// Why a subscription is refused: at once, or in place of its first event.
async fn refusal(streamed: &Streamed, consumer: &Consumer, shard: &ShardId) -> Error {
    match streamed.stream.subscribe(consumer, shard, &Start::Latest).await {
        Ok(mut subscription) => {
            let first = tokio::time::timeout(PATIENCE, subscription.next()).await.expect("an event in time");
            let refusal = first.expect("an event").expect_err("a refusal");
            assert!(subscription.next().await.is_none(), "nothing comes after an error");
            refusal
        }
        Err(refusal) => refusal,
    }
}

/// A second subscription of one consumer to one shard is refused for a moment.
pub async fn a_second_subscription_at_once_is_refused(streamed: &Streamed) {
    let shards = streamed.open_shards().await;
    let consumer = streamed.stream.register("app").await.unwrap();
    let mut first = streamed.stream.subscribe(&consumer, &shards[0].id, &Start::Latest).await.unwrap();
    event(&mut first).await;
    let refused = refusal(streamed, &consumer, &shards[0].id).await;
    assert!(matches!(refused, Error::Throttled { .. }), "{refused:?}");
    event(&mut subscribe(streamed, "app", &shards[1].id, &Start::Latest).await).await;
    event(&mut subscribe(streamed, "other", &shards[0].id, &Start::Latest).await).await;
}

/// A consumer that nobody registered is missing, and the error says which.
pub async fn a_consumer_that_is_not_there_is_missing(streamed: &Streamed) {
    let shards = streamed.open_shards().await;
    let known = streamed.stream.register("app").await.unwrap();
    let unknown = Consumer(known.0.replace("app", "nobody"));
    let error = refusal(streamed, &unknown, &shards[0].id).await;
    assert!(matches!(error, Error::Missing { .. }), "{error:?}");
    assert!(error.to_string().contains("nobody"), "{error}");
}
