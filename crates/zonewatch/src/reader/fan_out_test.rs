//! A subscriber over streams in memory that break, fall silent and refuse, in paused time.

use super::super::{Reader, Readers, Retrieval, Room};
use super::*;
use crate::budget::Budget;
use crate::clock::Clock;
use bytes::Bytes;
use cloud::faulty::{Faulty, Rates};
use cloud::{Call, Consumer, Cursor, Entry, Refused, Stream, memory};
use lease::Shard;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use tokio::time::Instant;

const MIB: usize = 1 << 20;
const HOUR: Duration = Duration::from_secs(3_600);

fn shard() -> ShardId {
    ShardId::new("shardId-000000000000")
}

fn memory_stream() -> Arc<memory::Stream> {
    let clock = Clock::real();
    Arc::new(memory::Stream::new("source", 1, Arc::new(move || clock.now_ms())))
}

async fn put(stream: &memory::Stream, data: impl Into<Bytes>) {
    let entry = Entry { partition_key: "a".into(), hash_key: Some(0), data: data.into() };
    stream.put(&[entry]).await.expect("memory takes entries");
}

fn readers(stream: Arc<dyn Stream>, budget: &Budget) -> Arc<Readers> {
    Readers::new(stream, Retrieval::FanOut { consumer: "app".into() }, Clock::real(), budget.clone(), 7)
}

fn reader(stream: Arc<dyn Stream>) -> Reader {
    readers(stream, &Budget::new(100 * MIB)).open(shard(), Start::TrimHorizon)
}

fn texts(batch: &Batch) -> Vec<String> {
    batch.records.iter().map(|record| String::from_utf8_lossy(&record.data).into_owned()).collect()
}

/// The next records that a reader hands on, with how long they took.
async fn next_texts(reader: &mut Reader) -> (Vec<String>, f64) {
    let asked = Instant::now();
    while asked.elapsed() < HOUR {
        let (batch, _hold) = next(reader).await;
        if !batch.records.is_empty() {
            return (texts(&batch), asked.elapsed().as_secs_f64());
        }
    }
    panic!("no record within an hour");
}

async fn next(reader: &mut Reader) -> (Batch, Hold) {
    tokio::time::timeout(HOUR, reader.next(Room::Awaited)).await.expect("an event within an hour")
}

/// A stream that notes when it is subscribed to, and from where.
struct Noted {
    stream: Arc<dyn Stream>,
    subscribed: Mutex<Vec<(Instant, Start)>>,
    registered: AtomicUsize,
    /// No consumer may subscribe.
    denied: AtomicBool,
}

impl Noted {
    fn new(stream: Arc<dyn Stream>) -> Arc<Self> {
        let (subscribed, registered, denied) = Default::default();
        Arc::new(Self { stream, subscribed, registered, denied })
    }

    /// Seconds between one subscription, or try, and the next.
    fn pauses(&self) -> Vec<f64> {
        let subscribed = self.subscribed.lock().unwrap();
        subscribed.windows(2).map(|pair| (pair[1].0 - pair[0].0).as_secs_f64()).collect()
    }

    fn starts(&self) -> Vec<Start> {
        self.subscribed.lock().unwrap().iter().map(|(_, start)| start.clone()).collect()
    }
}

impl Stream for Noted {
    fn name(&self) -> &str {
        self.stream.name()
    }
    fn ensure(&self, create: cloud::Create) -> Call<'_, Result<Duration, Error>> {
        self.stream.ensure(create)
    }
    fn shards(&self) -> Call<'_, Result<Vec<Shard>, Error>> {
        self.stream.shards()
    }
    fn cursor<'a>(&'a self, _: &'a ShardId, _: &'a Start) -> Call<'a, Result<Cursor, Error>> {
        unreachable!("a subscriber does not poll")
    }
    fn read<'a>(&'a self, _: &'a ShardId, _: &'a Cursor, _: u32) -> Call<'a, Result<Batch, Error>> {
        unreachable!("a subscriber does not poll")
    }
    fn register<'a>(&'a self, consumer: &'a str) -> Call<'a, Result<Consumer, Error>> {
        self.registered.fetch_add(1, SeqCst);
        self.stream.register(consumer)
    }
    fn subscribe<'a>(
        &'a self,
        consumer: &'a Consumer,
        shard: &'a ShardId,
        start: &'a Start,
    ) -> Call<'a, Result<Box<dyn Subscription>, Error>> {
        self.subscribed.lock().unwrap().push((Instant::now(), start.clone()));
        if self.denied.load(SeqCst) {
            let (action, resource, message) = ("subscribe", "source".to_owned(), "no policy allows it".to_owned());
            return Box::pin(async { Err(Error::Denied { action, resource, message }) });
        }
        self.stream.subscribe(consumer, shard, start)
    }
    fn put<'a>(&'a self, entries: &'a [Entry]) -> Call<'a, Result<Vec<Refused>, Error>> {
        self.stream.put(entries)
    }
}

#[tokio::test(start_paused = true)]
async fn every_record_comes_once_and_in_order_whatever_fails() {
    for seed in 0..20 {
        let source = memory_stream();
        let rates =
            Rates { lost_reply: 0.1, lost_call: 0.1, throttled: 0.1, broken: 0.2, silent: 0.1, ..Rates::none() };
        let mut reader = reader(Arc::new(Faulty::new(source.clone() as Arc<dyn Stream>, rates, seed)));
        let putting = async {
            for number in 0..100 {
                put(&source, number.to_string()).await;
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        let reading = async {
            let mut came = Vec::new();
            while came.len() < 100 {
                came.extend(next_texts(&mut reader).await.0);
            }
            came
        };
        let ((), came) = tokio::join!(putting, reading);
        assert_eq!(came, (0..100).map(|number| number.to_string()).collect::<Vec<_>>(), "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_record_comes_as_soon_as_it_is_put() {
    let source = memory_stream();
    let mut reader = reader(source.clone());
    reader.next(Room::Awaited).await;
    let putting = async {
        tokio::time::sleep(Duration::from_millis(2_013)).await;
        put(&source, "a").await;
    };
    let ((), (texts, secs)) = tokio::join!(putting, next_texts(&mut reader));
    assert_eq!((texts, secs), (vec!["a".to_owned()], 2.013));
}

#[tokio::test(start_paused = true)]
async fn a_subscription_that_runs_out_is_renewed_from_the_last_record() {
    let source = memory_stream();
    let noted = Noted::new(source.clone());
    let mut reader = reader(noted.clone());
    put(&source, "a").await;
    next_texts(&mut reader).await;
    for _ in 0..180 {
        next(&mut reader).await;
    }
    let (pauses, starts) = (noted.pauses(), noted.starts());
    assert!(pauses.len() >= 2 && pauses.iter().all(|secs| (300.0..301.0).contains(secs)), "{pauses:?}");
    assert!(pauses[0] != pauses[1], "renewed with jitter: {pauses:?}");
    assert_eq!(starts[0], Start::TrimHorizon);
    assert!(matches!(&starts[1], Start::After(sequence) if sequence.as_str() == "1"), "{starts:?}");
}

#[tokio::test(start_paused = true)]
async fn what_comes_next_is_not_what_comes_after_a_renewal() {
    for start in [Start::Latest, Start::AtTimestamp(i64::MAX / 2)] {
        let source = memory_stream();
        let noted = Noted::new(source.clone());
        put(&source, "before").await;
        let mut reader = readers(noted.clone(), &Budget::new(100 * MIB)).open(shard(), start);
        reader.next(Room::Awaited).await;
        source.deregister("app");
        put(&source, "between").await;
        let (texts, _) = next_texts(&mut reader).await;
        assert_eq!(texts, ["between"]);
        assert!(matches!(noted.starts().last(), Some(Start::After(_))), "{:?}", noted.starts());
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_subscription_is_given_up_after_fifteen_seconds() {
    let source = memory_stream();
    put(&source, "a").await;
    let silent = Rates { silent: 1.0, ..Rates::none() };
    let noted = Noted::new(Arc::new(Faulty::new(source as Arc<dyn Stream>, silent, 7)));
    let mut reader = reader(noted.clone());
    let read = tokio::time::timeout(Duration::from_secs(200), reader.next(Room::Awaited)).await;
    assert!(read.is_err(), "an event that was only received is not handed on");
    let pauses = noted.pauses();
    assert!(pauses.windows(2).all(|pair| pair[0] < pair[1]), "ever longer pauses: {pauses:?}");
    assert!(pauses.len() > 5 && (15.25..=15.5).contains(&pauses[0]), "{pauses:?}");
    assert!(noted.starts().iter().all(|start| *start == Start::TrimHorizon));
}

#[tokio::test(start_paused = true)]
async fn a_shard_is_not_subscribed_to_again_within_five_seconds_by_any_reader() {
    let source = memory_stream();
    let broken = Rates { broken: 1.0, ..Rates::none() };
    let noted = Noted::new(Arc::new(Faulty::new(source as Arc<dyn Stream>, broken, 7)));
    let readers = readers(noted.clone(), &Budget::new(100 * MIB));
    for _ in 0..4 {
        let mut reader = readers.open(shard(), Start::TrimHorizon);
        let _ = tokio::time::timeout(Duration::from_secs(8), reader.next(Room::Awaited)).await;
    }
    let pauses = noted.pauses();
    assert!(pauses.len() >= 4, "{pauses:?}");
    assert!(pauses.iter().all(|secs| (5.5..6.1).contains(secs)), "{pauses:?}");
    assert!(pauses.windows(2).any(|pair| pair[0] != pair[1]), "with jitter: {pauses:?}");
}

#[tokio::test(start_paused = true)]
async fn a_refused_subscription_is_tried_again_at_a_growing_pause() {
    let source = memory_stream();
    put(&source, "a").await;
    let noted = Noted::new(source);
    let mut reader = reader(noted.clone());
    noted.denied.store(true, SeqCst);
    let read = tokio::time::timeout(Duration::from_secs(600), reader.next(Room::Awaited)).await;
    assert!(read.is_err());
    let pauses = noted.pauses();
    assert!(pauses[0] <= 0.51, "nothing was subscribed to, so no period has begun: {pauses:?}");
    assert!(pauses.iter().all(|secs| *secs <= 30.1) && pauses.iter().any(|secs| *secs > 15.0), "{pauses:?}");
    noted.denied.store(false, SeqCst);
    let (texts, secs) = next_texts(&mut reader).await;
    assert_eq!(texts, ["a"]);
    assert!(secs <= 30.1, "{secs}");
}

#[tokio::test(start_paused = true)]
async fn another_workers_subscription_is_waited_for() {
    let source = memory_stream();
    put(&source, "a").await;
    let consumer = source.register("app").await.unwrap();
    let _other = source.subscribe(&consumer, &shard(), &Start::Latest).await.unwrap();
    let mut reader = reader(source);
    let (texts, secs) = next_texts(&mut reader).await;
    assert_eq!(texts, ["a"]);
    assert!((5.0..7.0).contains(&secs), "{secs}");
}

#[tokio::test(start_paused = true)]
async fn a_consumer_is_registered_once_for_all_shards_and_again_when_it_is_gone() {
    let clock = Clock::real();
    let source = Arc::new(memory::Stream::new("source", 2, Arc::new(move || clock.now_ms())));
    let noted = Noted::new(source.clone());
    let readers = readers(noted.clone(), &Budget::new(100 * MIB));
    let mut both = ["shardId-000000000000", "shardId-000000000001"]
        .map(|shard| readers.open(ShardId::new(shard), Start::TrimHorizon));
    let [first, second] = &mut both;
    tokio::join!(first.next(Room::Awaited), second.next(Room::Awaited));
    assert_eq!(noted.registered.load(SeqCst), 1);
    source.deregister("app");
    put(&source, "a").await;
    assert_eq!(next_texts(first).await.0, ["a"]);
    assert_eq!(noted.registered.load(SeqCst), 2);
    assert_eq!(noted.starts().len(), 3, "the event that said so was believed");
}

#[tokio::test(start_paused = true)]
async fn without_room_a_subscription_is_not_asked_and_nothing_is_lost_when_it_ends() {
    let source = memory_stream();
    let noted = Noted::new(source.clone());
    let budget = Budget::new(100 * MIB);
    let mut reader = readers(noted.clone(), &budget).open(shard(), Start::TrimHorizon);
    put(&source, "a").await;
    assert_eq!(next_texts(&mut reader).await.0, ["a"]);

    let mut full = budget.hold(100 * MIB - TIP_BYTES).await;
    put(&source, "b").await;
    for (patience_secs, subscriptions) in [(60, 1), (600, 1)] {
        let read = tokio::time::timeout(Duration::from_secs(patience_secs), reader.next(Room::Awaited)).await;
        assert!(read.is_err(), "there is no room");
        assert_eq!(noted.starts().len(), subscriptions, "nobody asks, so nobody sees that it has ended");
    }
    full.resize(0);
    put(&source, "c").await;
    let (texts, secs) = next_texts(&mut reader).await;
    assert_eq!(texts, ["b", "c"]);
    assert!(secs < 1.0, "a starved subscription is renewed without delay: {secs}");
    assert!(matches!(&noted.starts()[1], Start::After(sequence) if sequence.as_str() == "1"));
}

#[tokio::test(start_paused = true)]
async fn a_subscription_that_breaks_for_want_of_room_is_not_complained_about() {
    for (starved, complained) in [(true, false), (false, true)] {
        let source = memory_stream();
        let budget = Budget::new(MIB);
        let mut subscriber = Subscriber::new(readers(source.clone(), &budget), shard(), Start::TrimHorizon);
        subscriber.next(Room::Awaited).await;
        source.deregister("app");
        let full = budget.hold(if starved { MIB } else { 0 }).await;
        let freeing = async {
            tokio::time::sleep(Duration::from_secs(20)).await;
            drop(full);
        };
        let reading = tokio::time::timeout(HOUR, subscriber.next(Room::Awaited));
        assert!(tokio::join!(freeing, reading).1.is_ok(), "starved: {starved}");
        assert_eq!(subscriber.complaints.0.was_said(), complained, "starved: {starved}");
    }
}

/// A subscription that speaks once, at its time.
struct Late(Instant);

impl Subscription for Late {
    fn next(&mut self) -> Call<'_, Option<Result<Batch, Error>>> {
        Box::pin(async {
            tokio::time::sleep_until(self.0).await;
            let next = Some(Cursor("1".into()));
            Some(Ok(Batch { records: Vec::new(), behind: Duration::ZERO, next, children: Vec::new() }))
        })
    }
}

#[tokio::test(start_paused = true)]
async fn silence_that_nobody_listened_to_does_not_count() {
    let readers = readers(memory_stream(), &Budget::new(100 * MIB));
    let mut subscriber = Subscriber::new(readers, shard(), Start::TrimHorizon);
    subscriber.subscription = Some(Box::new(Late(Instant::now() + Duration::from_secs(61))));
    let mut reading = Box::pin(subscriber.next(Room::Awaited));
    tokio::select! {
        biased;
        _ = &mut reading => unreachable!("it is early"),
        () = std::future::ready(()) => {}
    }
    tokio::time::sleep(Duration::from_secs(60)).await;
    reading.await;
    assert!(subscriber.subscription.is_some_and(|_| subscriber.consumer.is_none()), "it was not replaced");
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_may_not_wait_takes_its_room() {
    let source = memory_stream();
    let budget = Budget::new(MIB);
    let _full = budget.hold(MIB).await;
    put(&source, "a").await;
    let mut reader = readers(source, &budget).open(shard(), Start::TrimHorizon);
    let (batch, _hold) = reader.next(Room::Taken).await;
    assert_eq!(texts(&batch), ["a"]);
    assert_eq!(budget.held(), MIB + 1);
}

#[tokio::test(start_paused = true)]
async fn what_an_event_may_bring_is_held_while_it_is_waited_for() {
    let source = memory_stream();
    let budget = Budget::new(100 * MIB);
    let mut reader = readers(source.clone(), &budget).open(shard(), Start::TrimHorizon);
    reader.next(Room::Awaited).await;
    let looking = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        budget.held()
    };
    let held = tokio::select! {
        _ = reader.next(Room::Awaited) => unreachable!("nothing comes"),
        held = looking => held,
    };
    assert_eq!(held, (TIP_BYTES as f64 * BODY_FACTOR) as usize);
    assert_eq!(budget.held(), 0, "a wait that is dropped holds nothing");
    put(&source, vec![b'x'; MIB]).await;
    let (_batch, _hold) = reader.next(Room::Awaited).await;
    assert_eq!(budget.held(), MIB, "an event that is larger than expected is counted all the same");
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_shard_comes_with_its_children_after_its_last_record() {
    let source = memory_stream();
    put(&source, "a").await;
    source.split(&shard(), 1 << 127).unwrap();
    let mut reader = reader(source);
    let (batch, _hold) = reader.next(Room::Awaited).await;
    assert_eq!(texts(&batch), ["a"]);
    assert_eq!((batch.next, batch.children.len()), (None, 2));
}
