//! Lease tables as other releases of the Kinesis Client Library leave them, read and continued by us.
//!
//! The rows are written by hand, after the library's documentation and its serialisers' attribute names: the 2.x form
//! from before worker metrics and hash ranges, and the single-table form of 3.5, where worker metrics and the
//! coordinator's state stand beside the leases. A table of a library that really ran is in `kcl.rs`.

use cloud::aws::Clients;
use cloud::{Create, LeaseTable as _};
use lease::{Checkpoint, Commit, Lease, SequenceNumber, ShardId, Then, WorkerId, Write};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use zonewatch_tests::emulators::{Emulator, base64, unique, wait_for};
use zonewatch_tests::fleet::{Fleet, PATIENCE};
use zonewatch_tests::payloads::{delivered_id, event_ids};

const SEQUENCE: &str = "49590338271490256608559692538361571095921575989136588898";

fn shard(number: u32) -> String {
    format!("shardId-{number:012}")
}

/// Leases as 2.x writes them: a parent that has ended, a child with an owner and a two-phase checkpoint, and one that
/// nobody has begun.
fn rows_of_2() -> Vec<Value> {
    vec![
        json!({
            "leaseKey": { "S": shard(0) }, "leaseCounter": { "N": "812" }, "checkpoint": { "S": "SHARD_END" },
            "checkpointSubSequenceNumber": { "N": "0" }, "ownerSwitchesSinceCheckpoint": { "N": "0" },
            "childShardIds": { "SS": [shard(1), shard(2)] },
        }),
        json!({
            "leaseKey": { "S": shard(1) }, "leaseOwner": { "S": "10.0.0.7:a2c4e6" }, "leaseCounter": { "N": "9007199254740993" },
            "checkpoint": { "S": SEQUENCE }, "checkpointSubSequenceNumber": { "N": "3" },
            "ownerSwitchesSinceCheckpoint": { "N": "2" }, "parentShardId": { "SS": [shard(0)] },
            "pendingCheckpoint": { "S": SEQUENCE }, "pendingCheckpointSubSequenceNumber": { "N": "9" },
            "pendingCheckpointState": { "B": "c3RhdGU=" },
        }),
        json!({
            "leaseKey": { "S": shard(2) }, "leaseCounter": { "N": "0" }, "checkpoint": { "S": "AT_TIMESTAMP" },
            "checkpointSubSequenceNumber": { "N": "0" }, "ownerSwitchesSinceCheckpoint": { "N": "0" },
            "parentShardId": { "SS": [shard(0)] },
        }),
    ]
}

/// A lease as 3.5 writes it. Hash keys of a stream with two shards.
fn lease_of_3_5(number: u32, counter: u64, checkpoint: &str) -> Value {
    let middle = u128::MAX / 2;
    let (start, end) = if number == 0 { (0, middle) } else { (middle + 1, u128::MAX) };
    json!({
        "leaseKey": { "S": shard(number) }, "entityType": { "S": "LEASE" }, "leaseCounter": { "N": counter.to_string() },
        "checkpoint": { "S": checkpoint }, "checkpointSubSequenceNumber": { "N": "0" },
        "ownerSwitchesSinceCheckpoint": { "N": "1" }, "throughputKBps": { "N": "48.828125" },
        "startingHashKey": { "S": start.to_string() }, "endingHashKey": { "S": end.to_string() },
    })
}

/// What stands beside the leases in the single-table form.
fn other_rows_of_3_5() -> Vec<Value> {
    vec![
        json!({
            "leaseKey": { "S": "Leader" }, "entityType": { "S": "LEADER" }, "ownerName": { "S": "worker-1" },
            "leaseDuration": { "S": "120000" }, "recordVersionNumber": { "S": "0d9f8c52-3f43-4c0c-9d8a-51b8a6ee1d6a" },
        }),
        json!({
            "leaseKey": { "S": "worker-1" }, "entityType": { "S": "WORKER_METRIC_STATS" }, "lut": { "N": "1767323045" },
            "sts": { "M": { "C": { "L": [{ "N": "12.5" }, { "N": "-1" }] } } },
            "opr": { "M": { "C": { "L": [{ "N": "100" }] } } }, "properties": { "M": {} },
            "sup": { "N": "1" }, "slu": { "N": "1767323000" },
        }),
        json!({
            "leaseKey": { "S": "123456789012:queries:1767225600" }, "entityType": { "S": "STREAM" },
            "streamId": { "S": "123456789012:queries:1767225600" },
        }),
        json!({
            "leaseKey": { "S": "Migration3.0" }, "entityType": { "S": "CLIENT_VERSION_MIGRATION" },
            "cv": { "S": "CLIENT_VERSION_3X" }, "mb": { "S": "worker-1" }, "mts": { "N": "1767323045123" }, "h": { "L": [] },
        }),
        json!({
            "leaseKey": { "S": "TableMigration3.5" }, "entityType": { "S": "TABLE_MIGRATION" },
            "tm": { "S": "TABLE_MIGRATION_STATUS_COMPLETE" }, "mb": { "S": "worker-1" }, "mts": { "N": "1767323045123" },
            "h": { "L": [{ "M": { "tm": { "S": "TABLE_MIGRATION_STATUS_INIT" } } }] },
        }),
    ]
}

fn put(emulator: &Emulator, table: &str, rows: &[Value]) {
    for row in rows {
        emulator.call("DynamoDB_20120810.PutItem", &json!({ "TableName": table, "Item": row }));
    }
}

/// Every row as the table has it, with DynamoDB's types, by key.
fn stored(emulator: &Emulator, table: &str) -> BTreeMap<String, Value> {
    let request = json!({ "TableName": table, "ConsistentRead": true });
    let answer = emulator.call("DynamoDB_20120810.Scan", &request);
    let rows = answer["Items"].as_array().expect("rows").clone();
    rows.into_iter().map(|row| (row["leaseKey"]["S"].as_str().expect("a key").to_owned(), row)).collect()
}

fn by_key(rows: &[Value]) -> BTreeMap<String, Value> {
    rows.iter().map(|row| (row["leaseKey"]["S"].as_str().expect("a key").to_owned(), row.clone())).collect()
}

#[tokio::test]
async fn leases_of_kcl_2_are_read_taken_and_committed() {
    let emulator = Emulator::aws();
    let clients = Clients::for_emulator(emulator.url()).await.expect("nothing is looked for");
    let table = clients.lease_table(&unique("leases"));
    table.ensure(Create::IfMissing).await.unwrap();
    put(&emulator, table.name(), &rows_of_2());

    let mut leases = table.scan().await.unwrap().leases;
    leases.sort_by(|one, other| one.key.cmp(&other.key));
    let id = |number| ShardId::new(&shard(number));
    let inside = Checkpoint::At { sequence: SequenceNumber::parse(SEQUENCE).unwrap(), sub: 3 };
    let read = |number, checkpoint| Lease { own_checkpoint: None, ..Lease::fresh(id(number), checkpoint) };
    let expected = [
        Lease { counter: 812, children: vec![id(1), id(2)], ..read(0, Checkpoint::ShardEnd) },
        Lease {
            owner: Some(WorkerId::new("10.0.0.7:a2c4e6")),
            counter: 9_007_199_254_740_993,
            owner_switches: 2,
            parents: vec![id(0)],
            ..read(1, inside)
        },
        Lease { parents: vec![id(0)], ..read(2, Checkpoint::AtTimestamp) },
    ];
    assert_eq!(leases, expected);

    let (key, from) = (id(1), leases[1].owner.clone());
    let take = Write::Take {
        key: key.clone(),
        counter: leases[1].counter,
        from,
        owner: WorkerId::new("zonewatch-1"),
        start_ms: None,
        anew: false,
    };
    let taken = table.write(&take).await.unwrap();
    let commit = Commit::at(Checkpoint::through(SequenceNumber::parse(SEQUENCE).unwrap()), Then::Release);
    table.write(&Write::Commit { key, counter: taken.counter, commit }).await.unwrap();

    // What 2.x must find again: every attribute that it needs, of its own type, and no half of a two-phase checkpoint.
    let row = stored(&emulator, table.name()).remove(&shard(1)).unwrap();
    let names: BTreeSet<&str> = row.as_object().unwrap().keys().map(String::as_str).collect();
    let kcl: BTreeSet<&str> = names.into_iter().filter(|name| !name.starts_with("zonewatch")).collect();
    let whole_record = row["checkpointSubSequenceNumber"]["N"].clone();
    assert_eq!(row["checkpoint"], json!({ "S": SEQUENCE }));
    assert!(whole_record.is_string(), "{row}");
    assert_eq!(row["leaseCounter"], json!({ "N": "9007199254740995" }));
    assert_eq!(row["ownerSwitchesSinceCheckpoint"], json!({ "N": "0" }));
    assert_eq!(row["parentShardId"], json!({ "SS": [shard(0)] }));
    let wanted = [
        "checkpoint",
        "checkpointSubSequenceNumber",
        "leaseCounter",
        "leaseKey",
        "ownerSwitchesSinceCheckpoint",
        "parentShardId",
    ];
    assert_eq!(kcl, wanted.into());
}

#[tokio::test]
async fn a_scan_of_a_single_table_brings_the_leases_alone() {
    let emulator = Emulator::aws();
    let clients = Clients::for_emulator(emulator.url()).await.expect("nothing is looked for");
    let table = clients.lease_table(&unique("leases"));
    table.ensure(Create::IfMissing).await.unwrap();
    put(&emulator, table.name(), &other_rows_of_3_5());
    put(&emulator, table.name(), &[lease_of_3_5(0, 5, SEQUENCE), lease_of_3_5(1, 0, "TRIM_HORIZON")]);

    let scan = table.scan().await.unwrap();
    let keys: BTreeSet<String> = scan.leases.iter().map(|lease| lease.key.to_string()).collect();
    assert_eq!(keys, [shard(0), shard(1)].into());
    assert_eq!(scan.unreadable, []);
}

#[test]
fn a_worker_goes_on_in_a_single_table_and_leaves_the_other_rows_alone() {
    let (fleet, emulator) = (Fleet::create(2), Emulator::aws());
    let payloads: Vec<Vec<u8>> = traffic::sets::small(11).into_iter().take(40).collect();
    let (before, after) = payloads.split_at(20);
    let put_part = |part: &str, payloads: &[Vec<u8>]| {
        let keyed = payloads.iter().enumerate().map(|(index, payload)| (format!("{part}/{index}"), base64(payload)));
        fleet.stream.put(&keyed.collect::<Vec<_>>());
    };

    // The library has read the first part of both shards and let them go.
    put_part("before", before);
    let read = fleet.stream.read_all();
    let last = |number: u32| {
        let mut of_shard = read.iter().filter(|record| record.shard == shard(number));
        of_shard.next_back().expect("a record in each shard").sequence_number.clone()
    };
    let table = json!({
        "TableName": fleet.app, "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{ "AttributeName": "leaseKey", "AttributeType": "S" }],
        "KeySchema": [{ "AttributeName": "leaseKey", "KeyType": "HASH" }],
    });
    emulator.call("DynamoDB_20120810.CreateTable", &table);
    put(&emulator, &fleet.app, &[lease_of_3_5(0, 41, &last(0)), lease_of_3_5(1, 7, &last(1))]);
    put(&emulator, &fleet.app, &other_rows_of_3_5());

    let mut worker = fleet.worker("ours");
    put_part("after", after);
    let expected: BTreeMap<String, usize> =
        after.iter().flat_map(|payload| event_ids(payload)).map(|id| (id, 1)).collect();
    let delivered = wait_for("what came after the checkpoints", PATIENCE, || {
        let mut delivered = BTreeMap::new();
        for line in fleet.delivery.lines() {
            *delivered.entry(delivered_id(&line)).or_insert(0_usize) += 1;
        }
        expected.keys().all(|id| delivered.contains_key(id)).then_some(delivered)
    });
    assert_eq!(delivered, expected, "how often each event was delivered, and should be");
    worker.process.terminate();
    assert!(worker.process.ended(Duration::from_secs(30)).success());

    let mut rows = stored(&emulator, &fleet.app);
    for (number, counter) in [(0, 41), (1, 7)] {
        let row = rows.remove(&shard(number)).expect("the lease's row");
        let now: u64 = row["leaseCounter"]["N"].as_str().expect("a number").parse().expect("a number");
        assert!(now > counter, "{row}");
        // What is not ours stands as it was; the throughput is the owner's to measure.
        let measured = row["throughputKBps"]["N"].as_str().expect("a number");
        assert!(measured != "48.828125" && measured.parse::<f64>().is_ok(), "{row}");
        for name in ["entityType", "startingHashKey", "endingHashKey"] {
            assert_eq!(row[name], lease_of_3_5(number, counter, "")[name], "{name} of {row}");
        }
    }
    assert_eq!(rows, by_key(&other_rows_of_3_5()));
}
