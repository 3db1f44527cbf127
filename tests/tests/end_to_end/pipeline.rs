//! From a log line to a delivered record: what the worker delivers is what `replay` makes of the same records.

use serde_json::json;
use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};
use zonewatch_tests::emulators::{Captured, Delivery, Emulator, Stream, unique, wait_for};
use zonewatch_tests::fleet::{Fleet, PATIENCE};
use zonewatch_tests::payloads::inflated;
use zonewatch_tests::program::{run, said, zonewatch};

/// Lines with what real ones have: escapes, mixed case, subnets, IPv6, unknown types, several zones and edges.
const LINES: [&str; 10] = [
    "1.0 2026-01-02T03:04:05Z Z0123456789ABCDEFGHIJ example.com A NOERROR UDP IAD12-C1 192.0.2.1 -",
    "1.0 2026-01-02T03:04:05Z Z0123456789ABCDEFGHIJ www.example.com AAAA NOERROR TCP FRA2-C1 2001:db8::53 198.51.100.0/24",
    "1.0 2026-01-02T03:04:06Z Z0123456789ABCDEFGHIJ wWw.eXaMpLe.CoM A NXDOMAIN UDP IAD12-C1 192.0.2.2 2001:db8:1::/48",
    "1.0 2026-01-02T03:04:07Z Z0123456789ABCDEFGHIJ a\\052b.example.com TXT NXDOMAIN UDP SIN2-C1 203.0.113.7 -",
    "1.0 2026-01-02T03:04:08Z Z0123456789ABCDEFGHIJ _sip._tcp.example.com SRV NOERROR UDP IAD12-C1 192.0.2.1 -",
    "1.0 2026-01-02T03:04:09Z Z0123456789ABCDEFGHIJ example.com TYPE65534 REFUSED UDP IAD12-C1 192.0.2.1 -",
    "1.0 2026-01-02T03:04:10Z Z0123456789ABCDEFGHIJ example.com ANY NOERROR TCP XYZ99 192.0.2.1 -",
    "1.0 2026-01-02T03:04:11Z Z0123456789ABCDEFGHIJ mail.example.com MX SERVFAIL UDP LHR50 192.0.2.9 -",
    "1.0 2026-01-02T03:04:12Z Z0123456789ABCDEFGHIJ this line has too few fields",
    "1.0 2026-01-02T03:04:13Z Z0123456789ABCDEFGHIJ xn--bcher-kva.example.com A NOERROR UDP IAD12-C1 192.0.2.1 -",
];
const SOUND: usize = LINES.len() - 1;

#[test]
fn a_worker_delivers_what_replay_makes_of_the_same_records() {
    let payloads = subscribed(&LINES);
    let fleet = Fleet::create(2);
    let records: Vec<(String, String)> =
        payloads.iter().enumerate().map(|(index, record)| (index.to_string(), record.data.clone())).collect();
    fleet.stream.put(&records);

    let worker = fleet.worker("only");
    let delivered: BTreeSet<String> = fleet.wait_for_lines(SOUND).into_iter().collect();
    // An epoch is counted when all of it is acknowledged, a moment after its lines arrived.
    wait_for("the damaged line counted", PATIENCE, || {
        worker.metric("zonewatch_rejects_total", "").filter(|count| *count > 0.0)
    });
    assert_eq!(worker.metric("zonewatch_rejects_total", ""), Some(1.0));

    let captured =
        fleet.folder.write("captured.ndjson", ndjson(&fleet.stream.name, &fleet.stream.read_all()).as_bytes());
    let replay = run(&mut zonewatch(&["replay", "--records", "-", "--schema", "ecs", &captured.display().to_string()]));
    assert!(replay.status.success(), "{}", said(&replay));
    let replayed: BTreeSet<String> =
        String::from_utf8(replay.stdout).expect("records are UTF-8").lines().map(str::to_owned).collect();

    assert_eq!(replayed.len(), SOUND, "{replayed:#?}");
    assert_eq!(delivered, replayed);
}

#[test]
fn compressed_records_are_spread_over_streams_and_what_is_damaged_is_quarantined() {
    let payloads = subscribed(&LINES);
    let fleet = Fleet::create(1);
    let outlets = [fleet.delivery.clone(), Delivery::create(Emulator::aws())];
    let quarantine = Delivery::create(Emulator::aws());
    let _worker = fleet.worker_with(
        "only",
        &[
            ("ZONEWATCH_RECORDS__DELIVERY_STREAMS", &format!("{},{}", outlets[0].name, outlets[1].name)),
            ("ZONEWATCH_RECORDS__SCHEMA", "lean"),
            ("ZONEWATCH_RECORDS__COMPRESSION", "gzip"),
            ("ZONEWATCH_QUARANTINE__DELIVERY_STREAM", &quarantine.name),
        ],
    );
    let members = || outlets.each_ref().map(Delivery::objects);
    // A record after the other, each an epoch and a call of its own, so that calls can take turns.
    for (count, record) in payloads.iter().enumerate() {
        fleet.stream.put(&[(String::from("0"), record.data.clone())]);
        wait_for("its entry", PATIENCE, || (members().concat().len() > count).then_some(()));
    }
    let kept = wait_for("the damaged line", PATIENCE, || Some(quarantine.lines()).filter(|lines| !lines.is_empty()));

    let members = members();
    assert!(members.iter().all(|objects| !objects.is_empty()), "one of two streams got nothing");
    let text: String = members.concat().iter().map(|member| inflated(member)).collect();
    let captured =
        fleet.folder.write("captured.ndjson", ndjson(&fleet.stream.name, &fleet.stream.read_all()).as_bytes());
    let replay =
        run(&mut zonewatch(&["replay", "--records", "-", "--schema", "lean", &captured.display().to_string()]));
    let replayed = String::from_utf8(replay.stdout).expect("records are UTF-8");
    let sorted = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
    assert_eq!((sorted(&text), text.lines().count()), (sorted(&replayed), SOUND));

    // What was quarantined is input again, with the same fault as long as nobody mends it.
    let file = fleet.folder.write("quarantine.ndjson", kept.join("\n").as_bytes());
    let again = run(&mut zonewatch(&["replay", "--rejects", "-", "--strict", &file.display().to_string()]));
    assert_eq!(again.status.code(), Some(3), "{}", said(&again));
    let reasons = [kept.concat(), String::from_utf8_lossy(&again.stdout).into_owned()].map(|line| {
        serde_json::from_str::<serde_json::Value>(line.trim()).expect("one line of JSON")["reason"].clone()
    });
    assert_eq!(reasons, ["field_count", "field_count"]);
}

/// What a subscription to a query log's group puts on its stream for these lines.
fn subscribed(lines: &[&str]) -> Vec<Captured> {
    let moto = Emulator::moto();
    let stream = Stream::create(moto.clone(), 1);
    let group = format!("/aws/route53/{}.example.com", unique("zone"));
    let log_stream = "Z0123456789ABCDEFGHIJ/IAD12-C1";
    moto.call("Logs_20140328.CreateLogGroup", &json!({ "logGroupName": group }));
    moto.call("Logs_20140328.CreateLogStream", &json!({ "logGroupName": group, "logStreamName": log_stream }));
    let filter = json!({
        "logGroupName": group, "filterName": "all", "filterPattern": "", "destinationArn": stream.arn(),
        "roleArn": "arn:aws:iam::123456789012:role/logs-to-kinesis",
    });
    moto.call("Logs_20140328.PutSubscriptionFilter", &filter);

    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis() as u64;
    // Several calls, so that several records come.
    let parts: Vec<&[&str]> = lines.chunks(4).collect();
    for part in &parts {
        let events: Vec<_> = part.iter().map(|line| json!({ "timestamp": now_ms, "message": line })).collect();
        let request = json!({ "logGroupName": group, "logStreamName": log_stream, "logEvents": events });
        moto.call("Logs_20140328.PutLogEvents", &request);
    }
    wait_for("the subscription's records", PATIENCE, || {
        let records = stream.read_all();
        (records.len() >= parts.len()).then_some(records)
    })
}

/// Captured records in the form that `replay` reads.
pub(crate) fn ndjson(stream: &str, records: &[Captured]) -> String {
    let line = |record: &Captured| {
        let fields = json!({
            "stream": stream, "shard": record.shard, "sequence_number": record.sequence_number,
            "arrival": (record.arrival_secs * 1000.0).round() as i64, "data": record.data,
        });
        format!("{fields}\n")
    };
    records.iter().map(line).collect()
}
