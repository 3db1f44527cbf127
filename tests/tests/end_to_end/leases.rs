//! `zonewatch leases`: looking at the lease table beside a real worker, and changing it when the worker is gone.

use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::process::{Command, Output};
use std::time::{Duration, Instant};
use zonewatch_tests::emulators::{Emulator, base64, unique, wait_for};
use zonewatch_tests::fleet::{Fleet, PATIENCE, on_emulators, with_credentials};
use zonewatch_tests::program::{run, said, zonewatch};

const LINE: &str = "1.0 2026-01-02T03:04:05Z Z0123456789ABCDEFGHIJ example.com A NOERROR UDP IAD12-C1 192.0.2.1 -";

/// `zonewatch leases` with the configuration of the worker `id`.
fn leases(fleet: &Fleet, id: &str, arguments: &[&str]) -> Output {
    let config = fleet.folder.file(&format!("{id}.toml")).display().to_string();
    run(on_emulators(&mut zonewatch(&[&["leases"], arguments, &["--config", config.as_str()]].concat())))
}

fn parsed(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", said(output)))
}

/// A fleet of two shards with one worker, which holds both leases.
fn held() -> (Fleet, zonewatch_tests::fleet::Worker) {
    let fleet = Fleet::create(2);
    let worker = fleet.worker("only");
    wait_for("two owned leases", PATIENCE, || {
        let owned = |row: &&Value| row["leaseOwner"] == "only";
        (fleet.leases().iter().filter(owned).count() == 2).then_some(())
    });
    (fleet, worker)
}

fn row_of(fleet: &Fleet, shard: &str) -> Value {
    fleet.leases().into_iter().find(|row| row["leaseKey"] == shard).expect("a row of every shard")
}

#[test]
fn leases_are_listed_and_shown_as_text_and_as_json() {
    let (fleet, _worker) = held();
    let shards = fleet.stream.shards();

    let text = leases(&fleet, "only", &["list"]);
    assert!(text.status.success(), "{}", said(&text));
    let lines = String::from_utf8(text.stdout).expect("text");
    assert!(lines.starts_with("SHARD "), "{lines}");
    for shard in &shards {
        assert!(lines.lines().any(|line| line.starts_with(shard) && line.contains(" only ")), "{lines}");
    }
    assert!(lines.contains("2 leases: 2 owned, 0 free"), "{lines}");

    let document = parsed(&leases(&fleet, "only", &["list", "--json"]));
    assert_eq!(
        (&document["table"], &document["state_table"]),
        (&fleet.app.clone().into(), &format!("{}-state", fleet.app).into())
    );
    let listed: BTreeSet<&str> =
        document["leases"].as_array().expect("leases").iter().filter_map(|row| row["shard"].as_str()).collect();
    assert_eq!(listed, shards.iter().map(String::as_str).collect());
    assert_eq!(document["totals"]["owned"], 2);

    let shown = leases(&fleet, "only", &["show", &shards[0]]);
    assert!(said(&shown).contains("What happens next\n  only reads it, if it lives"), "{}", said(&shown));
    let shown = parsed(&leases(&fleet, "only", &["show", &shards[0], "--json"]));
    assert_eq!((&shown["owner"], &shown["checkpoint_ours"]), (&"only".into(), &true.into()));

    let nowhere = leases(&fleet, "only", &["show", "nowhere"]);
    assert_eq!(nowhere.status.code(), Some(1));
    assert!(said(&nowhere).contains("no such lease"), "{}", said(&nowhere));
}

#[test]
fn a_lease_is_released_once_its_owner_is_dead_and_not_before() {
    let (fleet, worker) = held();
    let shard = &fleet.stream.shards()[0];

    let refused = leases(&fleet, "only", &["release", shard, "--yes"]);
    assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
    assert!(said(&refused).contains("only is alive") && said(&refused).contains("--force"), "{}", said(&refused));
    assert!(said(&refused).contains("waiting up to"), "{}", said(&refused));
    assert_eq!(row_of(&fleet, shard)["leaseOwner"], "only");

    worker.process.kill();
    let planned = leases(&fleet, "only", &["release", shard]);
    assert_eq!(planned.status.code(), Some(1));
    assert!(said(&planned).contains("would be changed") && said(&planned).contains("add --yes"), "{}", said(&planned));
    assert_eq!(row_of(&fleet, shard)["leaseOwner"], "only");

    let asked = Instant::now();
    let released = leases(&fleet, "only", &["release", shard, "--yes", "--json"]);
    assert!(released.status.success(), "{}", said(&released));
    assert!(asked.elapsed() < Duration::from_secs(30), "{:?}", asked.elapsed());
    assert_eq!(
        (&parsed(&released)["done"], &parsed(&released)["leases"][0]["outcome"]),
        (&true.into(), &"done".into())
    );
    assert!(row_of(&fleet, shard).get("leaseOwner").is_none(), "{}", row_of(&fleet, shard));
}

#[test]
fn a_worker_that_says_that_it_has_left_is_not_waited_for() {
    let (fleet, worker) = held();
    worker.process.kill();
    let row = json!({
        "worker": { "S": "only" }, "version": { "N": "1" }, "beat": { "N": "8" }, "periodMs": { "N": "600000" },
        "standing": { "S": "left" }, "leases": { "N": "0" }, "weight": { "N": "0" }, "capacity": { "N": "1000" },
        "otherConsumers": { "BOOL": false }, "expires": { "N": "4000000000" },
    });
    Emulator::aws().call("DynamoDB_20120810.PutItem", &json!({ "TableName": fleet.state_table(), "Item": row }));
    let document = parsed(&leases(&fleet, "only", &["list", "--json"]));
    assert_eq!(
        (&document["workers"][0]["standing"], &document["leases"][0]["owner_standing"]),
        (&"left".into(), &"left".into())
    );

    let asked = Instant::now();
    let released = leases(&fleet, "only", &["release", &fleet.stream.shards()[0], "--yes"]);
    assert!(released.status.success() && !said(&released).contains("waiting"), "{}", said(&released));
    assert!(asked.elapsed() < Duration::from_secs(60), "{:?}", asked.elapsed());
}

#[test]
fn a_reset_backwards_delivers_again_and_leaves_a_floor() {
    let fleet = Fleet::create(1);
    fleet.stream.put(&[("key".to_owned(), base64(LINE.as_bytes()))]);
    let mut worker = fleet.worker("first");
    fleet.wait_for_lines(1);
    let shard = fleet.stream.shards().remove(0);
    let sequence = fleet.stream.read_all().remove(0).sequence_number;
    wait_for("a committed checkpoint", PATIENCE, || (row_of(&fleet, &shard)["checkpoint"] == sequence).then_some(()));

    let alive = leases(&fleet, "first", &["reset", "--all", "--to", "TRIM_HORIZON", "--yes"]);
    assert!(alive.status.code() == Some(1) && said(&alive).contains("first is alive"), "{}", said(&alive));
    assert_eq!(row_of(&fleet, &shard)["checkpoint"], sequence);

    worker.process.terminate();
    assert!(worker.process.ended(PATIENCE).success(), "{}", worker.process.said());
    let counter = row_of(&fleet, &shard)["leaseCounter"].as_str().expect("a number").to_owned();
    let stale = leases(&fleet, "first", &["reset", &shard, "--to", "TRIM_HORIZON", "--counter", "1", "--yes"]);
    assert!(stale.status.code() == Some(1) && said(&stale).contains("changed since it was shown"), "{}", said(&stale));
    let reset = leases(&fleet, "first", &["reset", &shard, "--to", "TRIM_HORIZON", "--counter", &counter, "--yes"]);
    assert!(reset.status.success() && said(&reset).contains("delivered again"), "{}", said(&reset));
    let row = row_of(&fleet, &shard);
    assert_eq!((&row["checkpoint"], &row["zonewatchFloor"]), (&"TRIM_HORIZON".into(), &sequence.into()));

    let _second = fleet.worker("second");
    let lines = fleet.wait_for_lines(2);
    assert_eq!(lines[0], lines[1], "the same record, with the same id");
}

#[test]
fn the_first_minute_says_what_to_do() {
    let help = run(&mut zonewatch(&["leases"]));
    assert_eq!(help.status.code(), Some(2));
    assert!(said(&help).contains("Examples:") && said(&help).contains("zonewatch leases list"), "{}", said(&help));

    let without =
        |command: &mut Command| run(command.env("AWS_EC2_METADATA_DISABLED", "true").env("AWS_REGION", "us-east-1"));
    let nobody = without(&mut zonewatch(&["leases", "list"]));
    assert!(nobody.status.code() == Some(1) && said(&nobody).contains("AWS_PROFILE"), "{}", said(&nobody));
    let nowhere = run(with_credentials(&mut zonewatch(&["leases", "list"])).env_remove("AWS_REGION"));
    assert!(nowhere.status.code() == Some(1) && said(&nowhere).contains("AWS_REGION"), "{}", said(&nowhere));

    let table = unique("nowhere");
    let missing = run(on_emulators(&mut zonewatch(&["leases", "list", "--table", &table])));
    assert_eq!(missing.status.code(), Some(1));
    for part in [table.as_str(), "--table", "--config"] {
        assert!(said(&missing).contains(part), "{part} is missing in: {}", said(&missing));
    }
    let wrong = run(&mut zonewatch(&["leases", "reset", "shardId-000000000000", "--to", "YESTERDAY"]));
    assert!(wrong.status.code() == Some(2) && said(&wrong).contains("TRIM_HORIZON"), "{}", said(&wrong));
}
