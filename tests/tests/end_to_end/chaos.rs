//! Fleets of three to which the worst happens under traffic: whatever it is, every event is delivered, no shard is read by
//! two once the lease is another's, and no checkpoint goes back.

use super::events::{Flow, wait_until_delivered};
use super::hand_over::{report, tries};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use zonewatch_tests::emulators::{Emulator, Stream, wait_for};
use zonewatch_tests::fleet::{Fleet, PATIENCE, Worker, held};
use zonewatch_tests::ledger::{Cause, EVERY_RECORD, HandOver, Ledger, Moment, now};
use zonewatch_tests::private::{DynamoDb, Refusing};

/// Of the fleets here, whose other times are the product's.
const FAILOVER: Duration = Duration::from_secs(3);
/// What a machine that does much else may need to carry out what is due.
const GRACE: Duration = Duration::from_secs(1);

/// How often each disturbance comes: a tenth of the tries, once at least.
fn rounds() -> usize {
    (tries() / 10).max(1)
}

/// A fleet of three workers under traffic.
struct Chaos {
    fleet: Arc<Fleet>,
    flow: Flow,
    watch: Watch,
    workers: BTreeMap<&'static str, Worker>,
}

impl Chaos {
    /// Starts it and waits until every shard is read.
    fn start(fleet: Fleet, seed: u64) -> Self {
        // Long epochs: who must not read any more shall notice it by itself, before a commit is refused.
        let fleet = Arc::new(Fleet { epoch_secs: None, ..fleet });
        let places = fleet.stream.open_shards().len() * 2;
        let flow = Flow::start(&fleet.stream, places as u32, seed);
        let workers = fleet.three();
        let chaos = Self { watch: Watch::start(&fleet), fleet, flow, workers };
        chaos.wait_until_held();
        chaos.wait_until_named();
        chaos
    }

    /// Waits until an epoch of every open shard is under way, or was, since the traffic began: what comes then comes in
    /// the middle of deliveries and commits.
    fn wait_until_named(&self) {
        let open = self.fleet.stream.open_shards();
        wait_for("an epoch of every shard", PATIENCE, || {
            let rows = self.fleet.leases();
            let row = |shard: &str| rows.iter().find(|row| row["leaseKey"] == shard);
            let begun = |row: &Value| {
                row.get("zonewatchPendingFirst").is_some()
                    || place(row["checkpoint"].as_str().unwrap_or_default()).0 > 0
            };
            open.iter().all(|(shard, ..)| row(shard).is_some_and(begun)).then_some(())
        });
    }

    /// Waits until every open shard is held by one of the workers.
    fn wait_until_held(&self) {
        let open = self.fleet.stream.open_shards().len();
        wait_for("every open shard held", PATIENCE, || (held(self.workers.values()) == open).then_some(()));
    }

    /// The worker with the most leases, which is no longer one of `workers`.
    fn take_busiest(&mut self) -> (&'static str, Worker) {
        let id = *self.workers.iter().max_by_key(|(_, worker)| worker.held()).expect("a worker").0;
        (id, self.workers.remove(id).expect("one of them"))
    }

    /// A shard that a worker owns.
    fn shard_of(&self, id: &str) -> String {
        let rows = self.fleet.leases();
        let row = rows.iter().find(|row| row["leaseOwner"] == id && row["checkpoint"] != "SHARD_END");
        row.expect("it has a lease")["leaseKey"].as_str().expect("a shard's name").to_owned()
    }

    fn join(&mut self, id: &'static str, worker: Worker) {
        self.workers.insert(id, worker);
    }

    fn start_again(&mut self, id: &'static str) {
        let worker = self.fleet.worker_with(id, &EVERY_RECORD);
        self.join(id, worker);
    }

    fn ledger(&self) -> Ledger {
        Ledger::of(&self.fleet.folder)
    }

    /// Waits until every open shard has been read since `since`.
    fn wait_until_read(&self, since: Moment) {
        let open: BTreeSet<String> = self.fleet.stream.open_shards().into_iter().map(|(id, ..)| id).collect();
        wait_for("every open shard read", PATIENCE, || {
            let ledger = self.ledger();
            let read = ledger.read_between(since, Moment::MAX);
            open.iter().all(|shard| read.contains(shard.as_str())).then_some(())
        });
    }

    /// Ends the traffic and waits until all of it is delivered. What the logs say then.
    fn end(self, resumed: &[(String, Moment)]) -> Ledger {
        let ids = self.flow.stop();
        wait_until_delivered(&self.fleet, &ids);
        self.watch.end();
        for (_, mut worker) in self.workers {
            worker.process.must_live();
        }
        let ledger = Ledger::of(&self.fleet.folder);
        assert_eq!(ledger.trespasses(resumed), Vec::<String>::new());
        ledger
    }
}

/// Looks at the lease table all the time: no counter and no checkpoint ever goes back.
struct Watch {
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<Vec<String>>>,
}

impl Watch {
    fn start(fleet: &Arc<Fleet>) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let (fleet, end) = (Arc::clone(fleet), Arc::clone(&ended));
        let thread = std::thread::spawn(move || {
            let (mut seen, mut faults) = (Seen::default(), Vec::new());
            while !end.load(Ordering::Relaxed) {
                faults.extend(seen.look(&fleet.leases()));
                std::thread::sleep(Duration::from_millis(250));
            }
            assert!(!seen.0.is_empty(), "the lease table was seen");
            faults
        });
        Self { ended, thread: Some(thread) }
    }

    fn end(mut self) {
        self.ended.store(true, Ordering::Relaxed);
        let faults = self.thread.take().expect("it is ended once").join().expect("the table was looked at");
        assert_eq!(faults, Vec::<String>::new());
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
    }
}

/// Each lease as it was last seen: its counter, and how far its checkpoint had come.
#[derive(Default)]
struct Seen(BTreeMap<String, (u64, Place)>);

impl Seen {
    /// The rows that have gone back.
    fn look(&mut self, rows: &[Value]) -> Vec<String> {
        let mut faults = Vec::new();
        for row in rows {
            let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
            let (counter, place) = (text("leaseCounter").parse().expect("a counter"), place(&text("checkpoint")));
            if let Some((before, place_before)) = self.0.insert(text("leaseKey"), (counter, place.clone()))
                && (before > counter || place_before > place)
            {
                faults.push(format!("counter {before} at {place_before:?}, then {row}"));
            }
        }
        faults
    }
}

/// A checkpoint as something that can be compared: a sentinel of the start, a number by its length, the end.
type Place = (u8, usize, String);

fn place(checkpoint: &str) -> Place {
    match checkpoint {
        "SHARD_END" => (2, 0, String::new()),
        number if number.starts_with(|first: char| first.is_ascii_digit()) => (1, number.len(), number.to_owned()),
        _ => (0, 0, String::new()),
    }
}

#[test]
fn a_lease_that_goes_back_is_seen() {
    let row = |counter: &str, checkpoint: &str| {
        [json!({ "leaseKey": "shard", "leaseCounter": counter, "checkpoint": checkpoint })]
    };
    let mut seen = Seen::default();
    for (counter, checkpoint) in [("9", "TRIM_HORIZON"), ("10", "99"), ("10", "100"), ("11", "SHARD_END")] {
        assert_eq!(seen.look(&row(counter, checkpoint)), Vec::<String>::new());
    }
    assert_eq!(seen.look(&row("12", "100")).len(), 1);
    assert_eq!(seen.look(&row("12", "99")).len(), 1);
    assert_eq!(seen.look(&row("11", "99")).len(), 1);
    assert_eq!(seen.look(&row("12", "LATEST")).len(), 1);
}

/// Splits the widest shard and merges two others; one stays as it is.
fn reshard(stream: &Stream, stays: &str) {
    let shards = stream.open_shards();
    let width = |index: &usize| shards[*index].2 - shards[*index].1;
    let others = (0..shards.len()).filter(|index| shards[*index].0 != stays);
    let widest = others.clone().max_by_key(width).expect("a shard");
    let others: Vec<usize> = others.filter(|index| *index != widest).collect();
    let pair = others.windows(2).find(|pair| pair[0] + 1 == pair[1]).expect("six shards have two other neighbours");
    stream.split(&shards[widest]);
    stream.merge(&shards[pair[0]].0, &shards[pair[1]].0);
}

#[test]
fn nothing_is_lost_while_workers_are_killed_and_paused_and_shards_split_and_merge() {
    let mut chaos = Chaos::start(Fleet::create(6), 300);
    let mut resumed = Vec::new();
    for _ in 0..rounds() {
        let (sleeper, asleep) = chaos.take_busiest();
        let stays = chaos.shard_of(sleeper);
        asleep.process.pause();
        let paused = now();
        let (victim, killed) = chaos.take_busiest();
        killed.kill();
        reshard(&chaos.fleet.stream, &stays);
        chaos.start_again(victim);
        chaos.wait_until_held();
        wait_for("a pause past the lease", PATIENCE, || (now() - paused > FAILOVER * 2).then_some(()));
        resumed.push((asleep.process.name(), now()));
        asleep.process.resume();
        chaos.join(sleeper, asleep);
        chaos.wait_until_read(now());
        chaos.wait_until_held();
    }
    let stream = chaos.fleet.stream.clone();
    let ledger = chaos.end(&resumed);
    let lost: Vec<HandOver> = ledger.hand_overs().into_iter().filter(|found| found.cause == Cause::Silent).collect();
    report("hand-over after a kill or a pause, failover 3 s", lost.iter().map(|found| found.took).collect());
    assert!(lost.len() >= 2 * rounds(), "the dead and the paused had a shard each: {:?}", ledger.hand_overs());
    let families = stream.families();
    assert_eq!(families.len(), 3 * rounds(), "two children of each split, one of each merge");
    for (child, parents) in families {
        let early = ledger.read_early(&child, &parents, &resumed);
        assert!(early.is_empty(), "{child} was read before its parents had ended: {early:?}");
    }
}

#[test]
fn no_shard_is_read_while_dynamodb_is_away_for_longer_than_a_lease_and_nothing_is_lost() {
    let dynamodb = DynamoDb::start();
    let chaos = Chaos::start(Fleet { tables: dynamodb.emulator.clone(), ..Fleet::create(3) }, 400);
    let mut away = Vec::new();
    for _ in 0..rounds() {
        let from = now();
        dynamodb.process.pause();
        wait_for("three failover times", PATIENCE, || (now() - from > FAILOVER * 3).then_some(()));
        away.push((from, now()));
        dynamodb.process.resume();
        chaos.wait_until_read(now());
        chaos.wait_until_held();
    }
    let stream = chaos.fleet.stream.clone();
    let ledger = chaos.end(&[]);
    for (from, to) in away {
        let read = ledger.read_between(from + FAILOVER + GRACE, to);
        assert!(read.is_empty(), "read without a lease: {read:?}");
        let again = |shard: &String| ledger.readings().iter().find(|found| found.at >= to && found.shard == *shard);
        let waited = stream.shards().iter().filter_map(again).map(|found| found.at - to).collect();
        report("from DynamoDB's return to the first record", waited);
    }
}

#[test]
fn reading_goes_on_and_the_dead_are_replaced_while_the_table_of_workers_alone_refuses() {
    let fleet = Fleet::create(3);
    let proxy = Refusing::start(Emulator::aws(), &format!("{}-state", fleet.app));
    let mut chaos = Chaos::start(Fleet { tables: proxy.emulator.clone(), ..fleet }, 500);
    for _ in 0..rounds() {
        proxy.refuse();
        let from = now();
        wait_for("three failover times", PATIENCE, || (now() - from > FAILOVER * 3).then_some(()));
        let ledger = chaos.ledger();
        let read = ledger.read_between(from + FAILOVER, now());
        assert_eq!(read.len(), 3, "read on: {read:?}");
        let lost = |found: &HandOver| found.last > from && found.cause == Cause::Silent;
        let lost: Vec<_> = ledger.hand_overs().into_iter().filter(lost).collect();
        assert_eq!(lost, Vec::new(), "nobody loses a lease that it renews");

        let (victim, killed) = chaos.take_busiest();
        killed.kill();
        chaos.wait_until_held();
        assert!(proxy.refused() > 0);
        proxy.allow();
        chaos.start_again(victim);
        chaos.wait_until_read(now());
    }
    let ledger = chaos.end(&[]);
    let took = ledger.hand_overs().into_iter().filter(|found| found.cause == Cause::Silent).map(|found| found.took);
    report("hand-over after a kill without the table of workers, failover 3 s", took.collect());
}
