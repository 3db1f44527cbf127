//! Every kind of input, whole and damaged, through the whole replay.

use super::*;
use crate::config::Config;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use std::io::{Cursor, Write};

const GROUP: &str = "/aws/route53/example.com";

/// Query `number` of a made-up log, and its time.
pub(super) fn line(number: i64) -> (i64, String) {
    let (minute, second) = (number / 60 % 60, number % 60);
    let code = if number % 3 == 0 { "NXDOMAIN" } else { "NOERROR" };
    let text = format!(
        "1.0 2026-11-22T10:{minute:02}:{second:02}.000Z Z123412341234 n{number}.example.com A {code} UDP FRA6-C1 192.0.2.{} -",
        number % 250
    );
    (1_795_341_600_000 + number * 1000, text)
}

/// An envelope with these queries, as a subscription sends it.
pub(super) fn payload(numbers: std::ops::Range<i64>) -> String {
    let events: Vec<Value> = numbers
        .map(|number| {
            let (timestamp, message) = line(number);
            json!({"id": format!("37{number:08}"), "timestamp": timestamp, "message": message})
        })
        .collect();
    let envelope = json!({
        "messageType": "DATA_MESSAGE", "owner": "123456789012", "logGroup": GROUP,
        "logStream": "Z123412341234/FRA6-C1", "subscriptionFilters": ["zonewatch"], "logEvents": events,
    });
    envelope.to_string()
}

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// What a replay of inputs made.
struct Replayed {
    records: Vec<Value>,
    rejects: Vec<u8>,
    counts: crate::observe::Counts,
    summary: String,
    foreign: Vec<String>,
}

fn replay(inputs: Vec<Vec<u8>>) -> Replayed {
    let lines_max = dnslog::Limits::default().events_max;
    let open = |(at, bytes): (usize, Vec<u8>)| {
        Input::over(Cursor::new(bytes), &format!("input{at}"), None, lines_max).expect("a usable input")
    };
    let inputs: Vec<Input> = inputs.into_iter().enumerate().map(open).collect();
    let settings = Settings::new(&Config::default(), "us-east-1", 0);
    let mut replay = Replay::new(inputs, settings, Arc::default(), None);
    while replay.step().expect("memory can be read") {}
    let observed = &replay.observed;
    let text = observed.records.text();
    let records = text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    let records = records.map(|line| serde_json::from_slice(line).expect("a record is JSON")).collect();
    let (rejects, counts) = (observed.rejects.text(), observed.counts.clone());
    let summary = replay.end();
    Replayed { records, rejects, counts, summary: summary.to_string(), foreign: summary.foreign_inputs }
}

/// What a record says about its query, without where it was read.
fn facts(records: &[Value]) -> Vec<[String; 4]> {
    let text = |record: &Value, at: &str| record.pointer(at).map(Value::to_string).unwrap_or_default();
    let of = |record: &Value| {
        ["/@timestamp", "/dns/question/name", "/dns/response_code", "/source/ip"].map(|at| text(record, at))
    };
    records.iter().map(of).collect()
}

#[test]
fn every_kind_of_input_gives_the_same_queries() {
    let parts = [0..40, 40..41, 41..300];
    let payloads = parts.clone().map(payload);
    let lines: String = (0..300).map(|number| line(number).1 + "\n").collect();
    let exported: String = (0..300).map(line).map(|(_, text)| format!("{} {text}\n", &text[4..28])).collect();
    let members: Vec<u8> = payloads.iter().flat_map(|payload| gzip(payload.as_bytes())).collect();
    let pretty = payloads.clone().map(|text| {
        let value: Value = serde_json::from_str(&text).unwrap();
        serde_json::to_string_pretty(&value).unwrap()
    });
    let captured: String = payloads
        .iter()
        .enumerate()
        .map(|(at, payload)| {
            json!({"stream": "logs", "shard": "shardId-000000000000", "sequence_number": (100 + at).to_string(),
                "arrival": 1_795_341_990_000_i64, "data": BASE64.encode(gzip(payload.as_bytes()))})
            .to_string()
                + "\n"
        })
        .collect();
    let inputs: Vec<(&str, Vec<u8>)> = vec![
        ("members back to back", members.clone()),
        ("one member of payload lines", gzip(payloads.join("\n").as_bytes())),
        ("one member of payloads back to back", gzip(payloads.concat().as_bytes())),
        ("payload lines", payloads.join("\n").into_bytes()),
        ("payloads back to back", payloads.concat().into_bytes()),
        ("pretty payloads", pretty.join("\n").into_bytes()),
        ("lines", lines.clone().into_bytes()),
        ("lines after a byte order mark", [b"\xef\xbb\xbf", lines.as_bytes()].concat()),
        ("lines in one member", gzip(lines.as_bytes())),
        (
            "lines in two members cut anywhere",
            [gzip(&lines.as_bytes()[..777]), gzip(&lines.as_bytes()[777..])].concat(),
        ),
        ("an export", gzip(exported.as_bytes())),
        ("a capture", captured.clone().into_bytes()),
        ("a compressed capture", gzip(captured.as_bytes())),
    ];
    let expected = facts(&replay(vec![lines.into_bytes()]).records);
    assert_eq!(expected.len(), 300);
    assert!(expected[7][1].contains("n7.example.com"), "{:?}", expected[7]);
    for (name, input) in inputs {
        let replayed = replay(vec![input]);
        assert_eq!(replayed.counts.rejects.iter().sum::<u64>(), 0, "{name}: {}", replayed.summary);
        assert!(facts(&replayed.records) == expected, "{name}: {} records", replayed.records.len());
    }
}

#[test]
fn a_payload_gives_the_same_bytes_however_it_is_wrapped() {
    let (whole, member) = (payload(0..50), gzip(payload(0..50).as_bytes()));
    let captured = json!({"shard": "input0", "sequence_number": "0", "data": BASE64.encode(&member)}).to_string();
    let expected = replay(vec![member]).records;
    assert_eq!(replay(vec![whole.into_bytes()]).records, expected);
    assert_eq!(replay(vec![captured.into_bytes()]).records, expected);
}

#[test]
fn a_damaged_member_costs_no_neighbour() {
    let members = [0..100, 100..200, 200..300].map(|numbers| gzip(payload(numbers).as_bytes()));
    let mut damaged = members.concat();
    let middle = members[0].len() + members[1].len() / 2;
    damaged[middle..middle + 20].fill(0);
    let replayed = replay(vec![damaged]);
    assert!(replayed.counts.rejects.iter().sum::<u64>() > 0);
    let names: Vec<String> = facts(&replayed.records).into_iter().map(|[_, name, ..]| name).collect();
    for number in (0..100).chain(200..300) {
        assert!(names.contains(&format!("\"n{number}.example.com\"")), "n{number} is lost");
    }

    let cut = &members.concat()[..members[0].len() + members[1].len() + members[2].len() / 2];
    let replayed = replay(vec![cut.to_vec()]);
    assert!(replayed.records.len() >= 200 && replayed.counts.rejects.iter().sum::<u64>() > 0);
    assert!(replayed.foreign.is_empty(), "it is damaged, not something else");
}

#[test]
fn an_input_larger_than_a_piece_loses_nothing_at_the_cuts() {
    let text: String = (0..30_000).map(|number| line(number % 3_600).1 + "\n").collect();
    assert!(text.len() > 2 * frame::LINES_BYTES);
    let plain = replay(vec![text.clone().into_bytes()]);
    assert_eq!((plain.counts.queries, plain.records.len()), (30_000, 30_000));
    assert!(plain.counts.records > 2);
    let inflated = replay(vec![gzip(text.as_bytes())]);
    assert!(plain.records == inflated.records, "compressed lines are the same records, ids included");
    let mut ids: Vec<String> = plain.records.iter().map(|record| record["event"]["id"].to_string()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 30_000, "every event has an id of its own");
}

#[test]
fn of_several_inputs_the_lowest_event_time_is_read_first() {
    let member = |numbers| gzip(payload(numbers).as_bytes());
    let even = [member(0..10), member(20..30), member(40..50)].concat();
    let odd = [member(10..20), member(30..40)].concat();
    let lines: String = (50..60).map(|number| line(number).1 + "\n").collect();
    let expected = facts(&replay(vec![payload(0..60).into_bytes()]).records);
    let replayed = replay(vec![lines.into_bytes(), odd, even]);
    assert!(facts(&replayed.records) == expected);
    assert_eq!(replayed.counts.late, 0);
}

#[test]
fn a_query_older_than_what_was_read_before_is_late() {
    let (first, last) = (line(0).1, line(3_000).1);
    assert_eq!(replay(vec![format!("{first}\n{last}\n").into_bytes()]).counts.late, 0);
    assert_eq!(replay(vec![format!("{last}\n{first}\n").into_bytes()]).counts.late, 1);
}

#[test]
fn a_quarantine_is_read_back() {
    let mut bad: Vec<Value> = Vec::new();
    for number in 0..5 {
        let (timestamp, message) = line(number);
        bad.push(json!({"id": format!("id{number}"), "timestamp": timestamp, "message": format!("rubbish {message}")}));
    }
    let envelope = json!({
        "messageType": "DATA_MESSAGE", "owner": "123456789012", "logGroup": GROUP, "logStream": "s",
        "subscriptionFilters": [], "logEvents": bad,
    });
    let first = replay(vec![envelope.to_string().into_bytes()]);
    assert_eq!((first.records.len(), first.counts.rejects.iter().sum::<u64>()), (0, 5), "{}", first.summary);
    // Read back as it is, it is rejected for the same reasons; once the fault is mended, it is queries.
    let again = replay(vec![first.rejects.clone()]);
    assert_eq!(again.counts.rejects, first.counts.rejects);
    assert!(again.foreign.is_empty(), "a quarantine is what it is, whatever is in it");
    let mended: Vec<u8> = first
        .rejects
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty())
        .flat_map(|line| {
            let mut line: Value = serde_json::from_slice(line).unwrap();
            let data = BASE64.decode(line["data"].as_str().unwrap()).unwrap();
            let data = String::from_utf8(data).unwrap().replace("rubbish ", "");
            line["data"] = BASE64.encode(data).into();
            (line.to_string() + "\n").into_bytes()
        })
        .collect();
    let mended = replay(vec![mended]);
    assert_eq!(mended.counts.queries, 5, "{}", mended.summary);
    assert_eq!(facts(&mended.records), facts(&replay(vec![payload(0..5).into_bytes()]).records));
}

#[test]
fn a_reject_in_parts_is_joined_again() {
    let member = gzip(payload(0..50).as_bytes());
    let half = member.len() / 2;
    let part = |part: usize, bytes: &[u8]| {
        json!({"reason": "corrupt_gzip", "shard": "s", "sequence_number": "5", "arrival": 1_795_341_990_000_i64,
            "form": "raw", "offset": part * half, "part": part, "parts": 2, "data": BASE64.encode(bytes)})
        .to_string()
            + "\n"
    };
    let whole = part(0, &member[..half]) + &part(1, &member[half..]);
    assert_eq!(replay(vec![whole.clone().into_bytes()]).counts.queries, 50);
    // A part that is missing costs no neighbour.
    let replayed = replay(vec![(part(0, &member[..half]) + &whole).into_bytes()]);
    assert!(replayed.counts.queries >= 50 && replayed.counts.rejects.iter().sum::<u64>() > 0, "{}", replayed.summary);
}

#[test]
fn part_numbers_may_be_anything() {
    let line = |part: u32, parts: u32| {
        json!({"reason": "bad_json", "shard": "s", "sequence_number": "5", "arrival": 1, "form": "raw", "offset": 0,
            "part": part, "parts": parts, "data": BASE64.encode("rubbish")})
        .to_string()
            + "\n"
    };
    let last = u32::MAX;
    let parts = [(last, 2), (last - 1, last), (last, last), (5, 0)].map(|(part, parts)| line(part, parts));
    let whole = json!({"sequence_number": "6", "part": 0, "parts": 1, "data": BASE64.encode(payload(0..3))});
    let mut sound: Value = serde_json::from_str(&line(0, 1)).unwrap();
    sound.as_object_mut().unwrap().extend(whole.as_object().unwrap().clone());
    let replayed = replay(vec![(parts.concat() + &sound.to_string()).into_bytes()]);
    assert_eq!(replayed.counts.queries, 3, "{}", replayed.summary);
}

#[test]
fn a_bad_line_of_a_capture_costs_no_neighbour() {
    let record = |at: i64| {
        let data = BASE64.encode(payload(at..at + 1));
        json!({"shard": "s", "sequence_number": at.to_string(), "arrival": 1_795_341_990.5, "data": data}).to_string()
    };
    let bad = r#"{"shard":"s","sequence_number":"x","data":"!"}"#;
    let replayed = replay(vec![format!("{}\n{bad}\nrubbish\n\n{}\n", record(1), record(2)).into_bytes()]);
    assert_eq!((replayed.counts.queries, replayed.counts.rejects.iter().sum::<u64>()), (2, 2));
    let text = replayed.records[0].to_string();
    assert!(text.contains("2026-11-22T10:06:30.5"), "the captured arrival is kept: {text}");
}

#[test]
fn what_is_no_query_log_is_said_to_be_none() {
    let lines_max = 1_000;
    let open = |bytes: &'static [u8]| Input::over(bytes, "x", None, lines_max).map(|_| ());
    for foreign in [&b"PK\x03\x04rest"[..], b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0", b"\x7fELF\x02\x01\x01\0\0\0\0\0"] {
        let Err(Unusable::Foreign(what)) = open(foreign) else { panic!("{foreign:?} was taken") };
        assert!(!what.is_empty());
    }
    assert!(open(b"").is_ok() && open(b"\n").is_ok());
    let replayed = replay(vec![b"# Read me\n\nThis is no log.\n".to_vec(), payload(0..3).into_bytes()]);
    assert_eq!((replayed.foreign, replayed.counts.queries), (vec!["input0".to_owned()], 3));
}

#[test]
fn a_summary_says_what_there_was() {
    let control = json!({"messageType": "CONTROL_MESSAGE", "owner": "CloudwatchLogs", "logGroup": "", "logStream": "",
        "subscriptionFilters": [], "logEvents": [{"id": "", "timestamp": 1, "message": "CWL CONTROL MESSAGE: Checking."}]});
    let replayed = replay(vec![format!("{}\n{control}\n", payload(0..300)).into_bytes(), b"1.0 rubbish\n".to_vec()]);
    for expected in ["300", "2026-11-22 10:00:00 UTC to 2026-11-22 10:04:59 UTC", "example.com", "NXDOMAIN", "33.3 %"] {
        assert!(replayed.summary.contains(expected), "{expected} is not in\n{}", replayed.summary);
    }
    assert!(replayed.summary.contains("control messages"), "{}", replayed.summary);
    assert!(!replayed.summary.contains("late queries"), "{}", replayed.summary);
}
