//! Workers that die, stop, and work side by side.

use super::events::{Traffic, deliveries, wait_until_committed, wait_until_delivered};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use zonewatch_tests::emulators::{Emulator, lease_rows, wait_for};
use zonewatch_tests::fleet::{Fleet, PATIENCE, held};

#[test]
fn a_worker_killed_in_mid_stream_loses_no_event_and_resumes_from_its_checkpoint() {
    let fleet = Fleet::create(2);
    let traffic = Traffic::of(3, 60, 1);
    let (first, all) = (traffic.ids(0..1), traffic.ids(0..3));

    traffic.put(0, &fleet.stream);
    let worker = fleet.worker("first");
    wait_until_delivered(&fleet, &first);
    wait_until_committed(&fleet);

    // What follows is under way when the worker dies: named in the row, delivered in part or not at all.
    traffic.put(1, &fleet.stream);
    wait_for("an epoch named in a lease row", PATIENCE, || {
        fleet.leases().iter().any(|row| row.get("zonewatchPendingFirst").is_some()).then_some(())
    });
    worker.process.kill();
    traffic.put(2, &fleet.stream);

    let _second = fleet.worker("second");
    let counts = wait_until_delivered(&fleet, &all);
    let repeated: Vec<&String> = first.iter().filter(|id| counts[*id] > 1).collect();
    assert!(repeated.is_empty(), "{} events before the checkpoint were delivered again", repeated.len());
    let foreign = counts.keys().filter(|id| !all.contains(*id)).count();
    assert_eq!(foreign, 0, "every delivered id is one that was put");
}

#[test]
fn two_workers_share_the_shards_and_neither_repeats_the_other() {
    let fleet = Fleet::create(4);
    let traffic = Traffic::of(4, 30, 2);
    let all = traffic.ids(0..4);

    let workers = [fleet.worker("one"), fleet.worker("two")];
    for part in 0..4 {
        traffic.put(part, &fleet.stream);
    }
    wait_until_delivered(&fleet, &all);
    wait_until_committed(&fleet);
    let repeated = deliveries(&fleet).values().filter(|count| **count > 1).count();
    assert_eq!(repeated, 0, "an event delivered twice was processed by both");
    wait_for("all four leases held, each once", PATIENCE, || (held(&workers) == 4).then_some(()));
    let owners: BTreeSet<String> =
        fleet.leases().iter().filter_map(|row| row["leaseOwner"].as_str().map(str::to_owned)).collect();
    assert!(owners.is_subset(&["one".to_owned(), "two".to_owned()].into()), "{owners:?}");

    // As small as they are taken for where the cost of a fleet is worked out. An attribute's name counts too.
    for (table, most) in [(&fleet.app, simulation::LEASE_BYTES), (&fleet.state_table(), simulation::MEMBER_BYTES)] {
        let rows = lease_rows(&Emulator::aws(), table);
        let bytes = |row: &Value| {
            let cells = row.as_object().into_iter().flatten();
            cells.map(|(name, value)| name.len() + value.to_string().len()).sum::<usize>() as u64
        };
        let largest = rows.iter().map(bytes).max().expect("a table with rows");
        assert!((most / 2..=most).contains(&largest), "{table}: a row of {largest} bytes, taken for {most}");
    }
}

#[test]
fn the_shards_of_a_dead_worker_go_to_the_other() {
    let fleet = Fleet::create(4);
    let traffic = Traffic::of(2, 30, 3);

    let first = fleet.worker("one");
    traffic.put(0, &fleet.stream);
    wait_until_delivered(&fleet, &traffic.ids(0..1));
    let second = fleet.worker("two");
    first.process.kill();
    traffic.put(1, &fleet.stream);
    wait_until_delivered(&fleet, &traffic.ids(0..2));
    wait_for("the survivor holding all leases", PATIENCE, || (second.held() == 4).then_some(()));
}

#[test]
fn records_that_are_pushed_are_delivered_once_by_one_worker_after_another() {
    let fleet = Fleet { retrieval: "fan-out", ..Fleet::create(2) };
    let traffic = Traffic::of(3, 30, 6);
    traffic.put(0, &fleet.stream);
    let mut first = fleet.worker("first");
    wait_until_delivered(&fleet, &traffic.ids(0..1));
    traffic.put(1, &fleet.stream);
    wait_until_delivered(&fleet, &traffic.ids(0..2));
    first.process.terminate();
    let status = first.process.ended(Duration::from_secs(30));
    assert!(status.success(), "{status}:\n{}", first.process.said());

    traffic.put(2, &fleet.stream);
    let second = fleet.worker("second");
    let counts = wait_until_delivered(&fleet, &traffic.ids(0..3));
    let repeated = counts.values().filter(|count| **count > 1).count();
    assert_eq!(repeated, 0, "delivered again after an orderly end");

    let consumers = Emulator::kinesis()
        .call("Kinesis_20131202.ListStreamConsumers", &json!({ "StreamARN": fleet.stream.arn() }))["Consumers"]
        .clone();
    let names: Vec<_> = consumers.as_array().into_iter().flatten().map(|found| &found["ConsumerName"]).collect();
    assert_eq!(names, [fleet.app.as_str()], "registered by the first worker and used again by the second");
    // It may be refused while the first worker's subscription lasts; but what it subscribed to lasts.
    for reason in ["silent", "failed"] {
        let ended = second.metric("zonewatch_subscriptions_ended_total", reason);
        assert_eq!(ended, None, "{reason}:\n{}", second.process.said());
    }
}

#[test]
fn a_worker_asked_to_end_delivers_commits_releases_and_exits_at_once() {
    let fleet = Fleet::create(2);
    let traffic = Traffic::of(1, 60, 4);
    let mut worker = fleet.worker("leaving");
    traffic.put(0, &fleet.stream);
    wait_for("a first delivered record", PATIENCE, || (!deliveries(&fleet).is_empty()).then_some(()));

    let asked = Instant::now();
    worker.process.terminate();
    let status = worker.process.ended(Duration::from_secs(30));
    assert!(status.success(), "{status}:\n{}", worker.process.said());
    assert!(asked.elapsed() < Duration::from_secs(10), "took {:?}", asked.elapsed());
    for row in fleet.leases() {
        assert!(row.get("leaseOwner").is_none_or(serde_json::Value::is_null), "still owned: {row}");
        assert!(row.get("zonewatchPendingFirst").is_none_or(serde_json::Value::is_null), "still pending: {row}");
    }

    // What it had delivered was committed: its successor repeats nothing of it and brings the rest.
    let before = deliveries(&fleet);
    let _next = fleet.worker("next");
    let after = wait_until_delivered(&fleet, &traffic.ids(0..1));
    let repeated = before.keys().filter(|id| after[*id] > 1).count();
    assert_eq!(repeated, 0, "delivered again after an orderly end");
}
