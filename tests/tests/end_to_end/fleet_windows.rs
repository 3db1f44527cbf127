//! Windows over a fleet of processes to which the worst happens: every query is counted in one window, or as late, and
//! whoever tells a window tells the same.

use super::events::wait_until_delivered;
use super::pipeline::ndjson;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use zonewatch_tests::emulators::{Captured, Delivery, Emulator, Stream, base64, lease_rows, unique, wait_for};
use zonewatch_tests::fleet::{Fleet, PATIENCE, Worker};
use zonewatch_tests::ledger::now;
use zonewatch_tests::program::{run, said, zonewatch};

pub(crate) const SHARDS: u32 = 3;
pub(crate) const ZONES: u64 = 5;

/// Windows of the last minute are closed while the test waits.
const LATENESS: (&str, &str) = ("ZONEWATCH_DETECT__LATENESS_SECS", "10");

/// Queries of now, of several zones, put all the time at every shard, until it is stopped. One in seven is late.
pub(crate) struct Queries {
    stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<BTreeSet<String>>>,
}

impl Queries {
    pub(crate) fn start(stream: &Stream) -> Self {
        let stopped = Arc::new(AtomicBool::new(false));
        let (stream, stop) = (stream.clone(), Arc::clone(&stopped));
        let thread = std::thread::spawn(move || {
            let (mut ids, part) = (BTreeSet::new(), u128::MAX / u128::from(SHARDS));
            while !stop.load(Ordering::Relaxed) {
                let mut record = |place: u32| {
                    let number = ids.len() as u64;
                    let events: Vec<Value> = (number..number + 20).map(event).collect();
                    ids.extend(events.iter().map(|event| event["id"].as_str().expect("a text").to_owned()));
                    (part * u128::from(place) + part / 2, base64(payload(number, &events).to_string().as_bytes()))
                };
                stream.put_at(&(0..SHARDS).map(&mut record).collect::<Vec<_>>());
                std::thread::sleep(Duration::from_millis(200));
            }
            ids
        });
        Self { stopped, thread: Some(thread) }
    }

    /// Ends it; the ids of all events that were put.
    pub(crate) fn stop(mut self) -> BTreeSet<String> {
        self.stopped.store(true, Ordering::Relaxed);
        self.thread.take().expect("it is stopped once").join().expect("every record was put")
    }
}

impl Drop for Queries {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
    }
}

fn event(number: u64) -> Value {
    let old_ms = if number.is_multiple_of(7) { 60_000 } else { number % 900 };
    let time_ms = now().as_millis() as u64 - old_ms;
    let zone = number % ZONES;
    let time = traffic::rfc3339(time_ms as i64);
    let line = format!("1.0 {time} ZONE{zone:010} n{}.example.com A NOERROR UDP FRA6 192.0.2.1 -", number % 50);
    json!({ "id": format!("{number:056}"), "timestamp": time_ms, "message": line })
}

fn payload(number: u64, events: &[Value]) -> Value {
    json!({
        "messageType": "DATA_MESSAGE", "owner": "123456789012", "logGroup": "/aws/route53/example.com",
        "logStream": format!("zone/{number}"), "subscriptionFilters": ["all"], "logEvents": events,
    })
}

/// The windows of ten seconds that were delivered, by zone and start. One that was delivered again is the same.
fn panes(lines: &[String]) -> BTreeMap<String, Value> {
    let mut panes: BTreeMap<String, Value> = BTreeMap::new();
    for window in lines.iter().map(|line| serde_json::from_str::<Value>(line).expect("a line is JSON")) {
        if window["window_seconds"] == 10 {
            let before = panes.insert(format!("{} {}", window["zone_id"], window["window_start"]), window.clone());
            assert!(before.is_none_or(|before| before == window), "told differently: {window}");
        }
    }
    panes
}

/// The sum of a count over windows.
fn sum(panes: &BTreeMap<String, Value>, count: &str) -> u64 {
    panes.values().map(|window| window[count].as_u64().expect("a count")).sum()
}

/// Queries in windows and beside them.
fn counted(panes: &BTreeMap<String, Value>) -> u64 {
    ["queries", "late", "future", "missed"].map(|count| sum(panes, count)).iter().sum()
}

pub(crate) fn start(fleet: &Fleet, bucket: &str, windows: &str, id: &str) -> Worker {
    let settings = [
        ("ZONEWATCH_DETECT__ENABLED", "true"),
        ("ZONEWATCH_DETECT__BUCKET", bucket),
        ("ZONEWATCH_DETECT__WINDOWS_DELIVERY_STREAM", windows),
        LATENESS,
    ];
    fleet.worker_with(id, &settings)
}

/// What a window counts of its own queries. What is late is told with whichever window closes next, and how much had been heard
/// depends on who reads.
fn own_counts(panes: &BTreeMap<String, Value>) -> BTreeMap<&str, Value> {
    const COUNTS: [&str; 8] = [
        "queries",
        "response_codes",
        "types",
        "distinct_names",
        "distinct_resolvers",
        "top_names",
        "top_edges",
        "label_bytes",
    ];
    let has_queries = |window: &Value| window["queries"].as_u64().expect("a count") > 0;
    let own = |window: &Value| json!(COUNTS.map(|name| (name, window[name].clone())));
    let told = panes.iter().filter(|(_, window)| has_queries(window));
    told.map(|(id, window)| (id.as_str(), own(window))).collect()
}

/// The windows that a replay makes of the same records.
fn replayed(fleet: &Fleet) -> Vec<String> {
    let mut captured: BTreeMap<String, Vec<Captured>> = BTreeMap::new();
    for record in fleet.stream.read_all() {
        captured.entry(record.shard.clone()).or_default().push(record);
    }
    let write = |(shard, records): (&String, &Vec<Captured>)| {
        let text = ndjson(&fleet.stream.name, records);
        fleet.folder.write(&format!("{shard}.ndjson"), text.as_bytes()).display().to_string()
    };
    let inputs: Vec<String> = captured.iter().map(write).collect();
    let mut replay = zonewatch(&["replay", "--quiet", "--windows", "-"]);
    let output = run(replay.args(inputs).envs([LATENESS]));
    assert!(output.status.success(), "{}", said(&output));
    String::from_utf8(output.stdout).expect("a line is ASCII").lines().map(str::to_owned).collect()
}

/// Who has the rollup stream's only shard.
pub(crate) fn detecting(fleet: &Fleet) -> Option<String> {
    let rows = lease_rows(&fleet.tables, &format!("{}-rollup", fleet.app));
    rows.first().and_then(|row| row["leaseOwner"].as_str().map(str::to_owned))
}

#[test]
fn every_query_is_in_one_window_whoever_is_killed_and_every_window_is_told_the_same() {
    let fleet = Fleet::create(SHARDS);
    let bucket = unique("snapshots");
    Emulator::aws().create_bucket(&bucket);
    let delivered = Delivery::create(Emulator::aws());
    let start = |id: &str| start(&fleet, &bucket, &delivered.name, id);
    let ids = ["one", "two", "three"];
    let mut workers: BTreeMap<&str, Worker> = ids.map(|id| (id, start(id))).into();
    let queries = Queries::start(&fleet.stream);
    let owner = || wait_for("an owner of the rollup shard", PATIENCE, || detecting(&fleet));
    let told = || panes(&delivered.lines());
    let windows_after = |before: usize| {
        wait_for("more windows told", PATIENCE, || (told().len() > before).then_some(()));
    };
    windows_after(0);
    // In turn the one that computes windows is killed and asked to end; the last is killed with a snapshot of its own.
    for end in [Worker::kill, Worker::end, Worker::kill] {
        let id = *ids.iter().find(|id| **id == owner()).expect("one of them");
        let before = told().len();
        end(workers.remove(id).expect("it lives"));
        wait_for("another owner", PATIENCE, || detecting(&fleet).filter(|other| other != id));
        windows_after(before);
        workers.insert(id, start(id));
    }
    let shows_zones = |worker: &&Worker| worker.metric("zonewatch_window_queries", "zone=").is_some();
    wait_for("zones shown by one worker and no other", PATIENCE, || {
        (workers.values().filter(shows_zones).count() == 1).then_some(())
    });
    let put = queries.stop();
    wait_until_delivered(&fleet, &put);
    wait_for("every query in a window, or late", PATIENCE, || (counted(&told()) >= put.len() as u64).then_some(()));
    assert_eq!(counted(&told()), put.len() as u64);
    let late = sum(&told(), "late");
    assert!(late * 8 > put.len() as u64 && late * 6 < put.len() as u64, "one in seven is late, not {late}");
    for worker in workers.into_values() {
        worker.end();
    }
    assert_eq!(own_counts(&told()), own_counts(&panes(&replayed(&fleet))), "every query had been told before the end");
    let mut left = Emulator::aws().objects(&bucket, &format!("{}/", fleet.app));
    for shown in ["views", "histories"] {
        left.retain(|name| !name.starts_with(&format!("{}/{shown}/", fleet.app)));
    }
    assert_eq!(left.len(), 1, "the rollup stream has one shard: {left:?}");
}
