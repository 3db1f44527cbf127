//! Tables and sentences, made from rows written here.

use super::super::view::Document;
use super::*;
use cloud::{Error, Scan, Unreadable};
use lease::{Checkpoint, Epoch, Lease, Load, Member, SequenceNumber, ShardId, Standing, WorkerId};
use std::time::Duration;

const LONG: &str = "49590338271490256608559692538361571095921575989136588898";

fn number(digits: &str) -> SequenceNumber {
    SequenceNumber::parse(digits).unwrap()
}

fn lease(shard: u32, checkpoint: Checkpoint) -> Lease {
    Lease::fresh(ShardId::new(&format!("shardId-{shard:012}")), checkpoint)
}

fn member(id: &str, standing: Standing) -> Member {
    Member {
        id: WorkerId::new(id),
        beat: 9,
        period: Duration::from_millis(1_500),
        standing,
        leases: 1,
        weight: 2_500,
        capacity: 2_000,
        held_max: None,
        strangers: false,
    }
}

fn scan() -> Scan {
    let error =
        Error::Invalid { action: "dynamodb:Scan", resource: "t".into(), message: "leaseCounter is missing".into() };
    let parent = ShardId::new("shardId-000000000002");
    Scan {
        leases: vec![
            Lease { children: vec![parent.clone()], ..lease(0, Checkpoint::ShardEnd) },
            Lease { parents: vec![parent], ..lease(3, Checkpoint::TrimHorizon) },
            Lease {
                owner: Some(WorkerId::new("w1")),
                counter: 17,
                pending: Some(Epoch { first: number("5"), last: number("9") }),
                load: Some(Load { bytes_per_sec: 1_500, cpu_micros_per_sec: Some(13_000) }),
                ..lease(2, Checkpoint::through(number(LONG)))
            },
        ],
        unreadable: vec![Unreadable { key: ShardId::new("shardId-000000000009"), error }],
        ..Scan::default()
    }
}

fn document(scan: &Scan, members: &[Member]) -> Document {
    Document::new(["zonewatch", "zonewatch-state"], scan, Ok(members))
}

fn sentences(lease: Lease, members: &[Member]) -> String {
    let scan = Scan { leases: vec![lease], ..Scan::default() };
    let document = document(&scan, members);
    next(&document.leases[0], &document).join(" ")
}

#[test]
fn a_list_has_a_line_for_each_lease_with_ended_ones_last_and_the_workers_below() {
    let text = list(&document(&scan(), &[member("w1", Standing::Active)]));
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>().join(" ");
    let lines: Vec<String> = text.lines().map(words).collect();
    assert_eq!(
        lines,
        [
            "SHARD OWNER OWNER IS COUNTER CHECKPOINT PENDING LOAD PARENTS CHILDREN",
            "shardId-000000000002 w1 active, every 1.5 s 17 4959..989136588898 yes 2 kB/s, 1.3% CPU - -",
            "shardId-000000000003 - waits for parents 0 TRIM_HORIZON no - 2 -",
            "shardId-000000000000 - ended 0 SHARD_END no - - 2",
            "shardId-000000000009 can't be read: dynamodb:Scan on t: leaseCounter is missing",
            "",
            "zonewatch: 3 leases: 1 owned, 0 free, 1 waiting for parents, 1 ended; 1 with a pending epoch; 1 rows can't be read",
            "",
            "WORKER STANDING BEATS LEASES WEIGHT CAPACITY",
            "w1 active every 1.5 s 1 2500 2 cores",
        ]
    );
}

#[test]
fn an_owner_without_a_row_or_of_another_consumer_is_said_to_be() {
    let text = list(&document(&scan(), &[]));
    assert!(text.contains("without a row") && text.contains("zonewatch-state: no workers"), "{text}");
    let mut known = scan();
    known.strangers.insert("w1".into(), 7);
    assert!(list(&document(&known, &[])).contains("another consumer"));
    let denied = Error::Denied { action: "dynamodb:Scan", resource: "s".into(), message: "no".into() };
    let text = list(&Document::new(["t", "s"], &scan(), Err(&denied)));
    assert!(text.contains("unknown") && text.contains("no workers' table: dynamodb:Scan on s"), "{text}");
}

#[test]
fn an_empty_table_says_who_fills_it() {
    assert!(
        list(&document(&Scan::default(), &[])).starts_with("the lease table zonewatch has no leases yet: workers make")
    );
}

#[test]
fn what_happens_next_follows_from_the_row() {
    let owned = || Lease { owner: Some(WorkerId::new("w1")), ..lease(1, Checkpoint::through(number("7"))) };
    for (row, standing, part) in [
        (lease(1, Checkpoint::ShardEnd), None, "Nothing of it is read again"),
        (lease(1, Checkpoint::TrimHorizon), None, "It is nobody's. The next worker that looks takes it"),
        (lease(1, Checkpoint::TrimHorizon), None, "begins at the oldest record"),
        (Lease { start_ms: Some(0), ..lease(1, Checkpoint::Latest) }, None, "arrived at 1970-01-01T00:00:00Z or later"),
        (lease(1, Checkpoint::Latest), None, "what arrives once a worker takes it"),
        (owned(), Some(Standing::Active), "w1 reads it, if it lives (active, every 1.5 s)"),
        (owned(), Some(Standing::Left), "w1 has left without giving it back"),
        (owned(), Some(Standing::Leaving), "w1 is about to hand it over"),
        (owned(), None, "Reading goes on after record 7."),
        (
            Lease { owner: Some(WorkerId::new("w2")), checkpoint_owner: Some(WorkerId::new("w1")), ..owned() },
            None,
            "w1 is handing it over to w2",
        ),
        (
            Lease { pending: Some(Epoch { first: number("8"), last: number("9") }), ..owned() },
            None,
            "The records 8 to 9 are being delivered",
        ),
        (Lease { own_checkpoint: None, ..owned() }, None, "Another consumer moved the checkpoint"),
        (
            Lease { floor: Some(Checkpoint::through(number("99"))), ..owned() },
            None,
            "Up to 99 records are delivered again",
        ),
    ] {
        let members: Vec<Member> = standing.map(|standing| member("w1", standing)).into_iter().collect();
        let text = sentences(row, &members);
        assert!(text.contains(part), "{part} is missing in: {text}");
    }
}

#[test]
fn everything_of_one_lease_is_shown() {
    let document = document(&scan(), &[]);
    let text = show(&document.leases[0], &document);
    for part in [LONG, "5 to 9", "moved by       Zonewatch", "counter        17", "What happens next"] {
        assert!(text.contains(part), "{part} is missing in:\n{text}");
    }
    let waiting = show(&document.leases[1], &document);
    assert!(waiting.contains("It waits until shardId-000000000002 has ended"), "{waiting}");
}

#[test]
fn the_document_for_scripts_keeps_its_keys() {
    let json = serde_json::to_value(document(&scan(), &[member("w1", Standing::Active)])).unwrap();
    let keys = |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ");
    assert_eq!(keys(&json), "leases other_consumers state_table state_table_error table totals unreadable workers");
    assert_eq!(
        keys(&json["leases"][0]),
        "bytes_per_sec checkpoint checkpoint_ours children counter cpu_micros_per_sec ended floor hash_range next_owner \
         owner owner_standing owner_switches parents pending read_until shard start sub_sequence waits_for"
    );
    assert_eq!(
        keys(&json["workers"][0]),
        "beat capacity_millicores id leases period_ms sees_other_consumers standing weight"
    );
    assert_eq!(keys(&json["totals"]), "ended free leases owned pending unreadable waiting workers");
    let documented = include_str!("../../../../../docs/leases.md");
    for object in [&json, &json["leases"][0], &json["workers"][0], &json["totals"], &json["unreadable"][0]] {
        for key in object.as_object().unwrap().keys() {
            assert!(documented.contains(&format!("`{key}`")), "docs/leases.md does not tell of {key}");
        }
    }
    assert_eq!((&json["leases"][0]["checkpoint"], &json["leases"][0]["counter"]), (&LONG.into(), &17.into()));
}
