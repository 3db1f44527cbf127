//! The people's API of a fleet: any worker answers for all of it, and tells a page what changes.

use super::findings::{flood, in_api};
use super::fleet_windows::{Queries, SHARDS, ZONES, detecting, start};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use zonewatch_tests::emulators::{Delivery, Emulator, lease_rows, unique, wait_for};
use zonewatch_tests::fleet::{Fleet, PATIENCE, Worker};
use zonewatch_tests::http;

/// A minute, the lateness and the margin after it, and the ten seconds until others fetch what was put.
const MINUTE_SHOWN: Duration = Duration::from_secs(180);

/// Between two events at least, for the fleet to have been looked at anew.
const LOOKED_TWICE_MS: i64 = 15_000;

/// What a path of the API answers.
fn api(worker: &Worker, path: &str) -> Option<Value> {
    let answer = http::get(&format!("{}/api/v1/{path}", worker.page())).ok().filter(|answer| answer.status == 200)?;
    Some(serde_json::from_str(&answer.text()).expect("the API answers JSON"))
}

fn list<'a>(document: &'a Value, name: &str) -> &'a [Value] {
    document[name].as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Workers that work, by the number of shards that each has.
fn working(document: &Value) -> BTreeMap<String, u64> {
    let is_working = |worker: &&Value| worker["state"] == "working";
    let shards = |worker: &Value| (text(&worker["worker"]), worker["shards"].as_u64().expect("a count"));
    list(document, "workers").iter().filter(is_working).map(shards).collect()
}

/// Who has each shard, as the API says.
fn owners(document: &Value) -> BTreeSet<(String, String)> {
    list(document, "shards").iter().map(|shard| (text(&shard["shard"]), text(&shard["owner"]))).collect()
}

/// Who has each shard, as the tables say.
fn leases(fleet: &Fleet) -> BTreeSet<(String, String)> {
    let rows = [fleet.leases(), lease_rows(&fleet.tables, &format!("{}-rollup", fleet.app))].concat();
    rows.iter().map(|row| (text(&row["leaseKey"]), text(&row["leaseOwner"]))).collect()
}

/// The events that a page is sent, as they come.
fn listen(worker: &Worker) -> Arc<Mutex<Vec<Value>>> {
    let address = worker.page().strip_prefix("http://").expect("a plain address");
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.write_all(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("it reads");
    let events = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&events);
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if let Some(data) = line.strip_prefix("data: ") {
                heard.lock().expect("no holder panics").push(serde_json::from_str(data).expect("an event is JSON"));
            }
        }
    });
    events
}

#[test]
fn any_worker_answers_for_the_fleet() {
    // Who has what must rest while it is compared: on a busy machine calls to emulators take their time.
    let fleet = Fleet { failover_secs: Some(10), ..Fleet::create(SHARDS) };
    let bucket = unique("snapshots");
    Emulator::aws().create_bucket(&bucket);
    let delivered = Delivery::create(Emulator::aws());
    let mut workers: BTreeMap<&str, Worker> =
        ["one", "two", "three"].map(|id| (id, start(&fleet, &bucket, &delivered.name, id))).into();
    let queries = Queries::start(&fleet.stream);

    wait_for("every worker to show all workers and shards", PATIENCE, || {
        workers.values().all(|worker| api(worker, "fleet").is_some_and(|shown| is_all(&fleet, &shown, 3))).then_some(())
    });
    flood(&fleet, "flooded.example", "ZFLOODED0123456789AB");
    wait_for("the finding, shown by every worker", PATIENCE, || {
        workers.values().all(|worker| in_api(worker, "flooded.example").is_some()).then_some(())
    });
    wait_for("all zones, shown by every worker", MINUTE_SHOWN, || {
        workers.values().all(|worker| api(worker, "zones").is_some_and(|shown| has_zones(&shown))).then_some(())
    });
    for (id, worker) in &workers {
        let zone = wait_for("a zone's history", PATIENCE, || {
            api(worker, "zones/ZONE0000000001")
                .filter(|zone| !list(&zone["history"]["signals"]["queries"], "observed").is_empty())
        });
        let history = &zone["history"];
        let (starts, observed) = (list(history, "start_ms"), list(&history["signals"]["queries"], "observed"));
        assert_eq!((starts.len(), list(history, "queries").len()), (observed.len(), observed.len()), "{id}: {history}");
        let flooded = wait_for("the flooded zone", MINUTE_SHOWN, || {
            let zones = api(worker, "zones")?;
            list(&zones, "zones").iter().find(|zone| zone["zone"] == "flooded.example").cloned()
        });
        assert_eq!(flooded["findings"], 1, "{id}: {flooded}");
        let edges =
            wait_for("edges", PATIENCE, || api(worker, "edges").filter(|edges| !list(edges, "edges").is_empty()));
        let edge = &list(&edges, "edges")[0];
        assert_eq!((&edge["edge"], &edge["country"]), (&"FRA".into(), &"DE".into()), "{id}: {edges}");
    }

    // Who computes windows leaves: every shard finds another owner, and pages are told.
    let leaving = detecting(&fleet).expect("the rollup shard has an owner");
    let stays = workers.keys().find(|id| **id != leaving).copied().expect("three workers");
    let heard = listen(&workers[stays]);
    let events = || heard.lock().expect("no holder panics").clone();
    // Zones change each minute, and the tables were looked at more than once by then; the fleet rests.
    let rested = wait_for("events of a fleet at rest", MINUTE_SHOWN, || {
        let (events, time_ms) = (events(), |event: &Value| event["time_ms"].as_i64().expect("a time"));
        let (first, last) = (events.first()?, events.last()?);
        (time_ms(last) - time_ms(first) >= LOOKED_TWICE_MS).then_some(events)
    });
    let before = text(&rested[0]["fleet"]);
    assert!(rested.iter().all(|event| text(&event["fleet"]) == before), "{rested:#?}");
    assert!(rested.iter().any(|event| event["zones"] != rested[0]["zones"]), "{rested:#?}");
    let (gone, process) = workers.remove_entry(leaving.as_str()).expect("one of them");
    process.end();
    let shown = wait_for("the fleet without it", PATIENCE, || {
        api(&workers[stays], "fleet").filter(|shown| is_all(&fleet, shown, 2))
    });
    assert!(list(&shown, "workers").iter().all(|worker| worker["worker"] != gone), "{shown}");
    let moved: Vec<&Value> = list(&shown, "moves").iter().filter(|one| one["from"] == gone).collect();
    assert!(moved.iter().any(|one| text(&one["stream"]).ends_with("-rollup")), "{shown}");
    // Events come once a second at most.
    wait_for("an event of it", PATIENCE, || events().last().filter(|event| text(&event["fleet"]) != before).cloned());
    queries.stop();
    for worker in workers.into_values() {
        worker.end();
    }
}

/// Whether so many workers are shown, and every shard as it is.
fn is_all(fleet: &Fleet, shown: &Value, workers: usize) -> bool {
    let shards = list(shown, "shards");
    let held: u64 = working(shown).values().sum();
    let is_one = |shard: &Value| shard["state"] == "held";
    working(shown).len() == workers
        && shards.len() == SHARDS as usize + 1
        && shards.iter().all(is_one)
        && held == shards.len() as u64
        && owners(shown) == leases(fleet)
}

fn has_zones(shown: &Value) -> bool {
    let of_test = |zone: &&Value| text(&zone["zone_id"]).starts_with("ZONE");
    let has_minutes =
        |zone: &Value| !list(zone, "minutes").is_empty() && zone["queries_per_second"].as_f64() > Some(0.0);
    let zones: Vec<&Value> = list(shown, "zones").iter().filter(of_test).collect();
    shown["scope"] == "fleet" && zones.len() == ZONES as usize && zones.into_iter().all(has_minutes)
}
