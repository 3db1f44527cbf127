//! What a query weighs, weighed anew: made traffic through the worker's own stages.

use super::*;
use crate::config::{Compression, Config, Packing};
use crate::observe::{Observed, Observer, Settings};
use crate::replay;
use cloud::Record;
use detect::detector::Judging;
use detect::message::{Header, Message};
use detect::pane::Tally;
use dnslog::schema::Schema;
use lease::SequenceNumber;
use std::sync::Arc;
use traffic::{Feed, Payload, Scenario};

/// Noon of a Wednesday.
const START_MS: i64 = 1_794_398_400_000;
/// Zones of the scenario.
const ZONES: f64 = 8.0;

/// Enough records at this rate a zone: 4,000 queries or 20 s.
fn payloads(rate: f64) -> (Vec<Payload>, f64) {
    let seconds = (4_000.0 / (ZONES * rate)).max(20.0);
    let mut feed = Feed::new(Scenario::calm().at_rate(ZONES * rate), 7, START_MS);
    let payloads = feed.until(START_MS + (seconds * 1_000.0) as i64);
    let queries = payloads.iter().map(|payload| payload.events).sum::<usize>() as f64;
    (payloads, queries)
}

fn observed(config: &Config, payloads: &[Payload]) -> Observed {
    let settings = Arc::new(Settings::new(config, "us-east-1", 1).with_windows());
    let mut observed = Observed::new(&settings);
    let mut observer = Observer::new(settings, Arc::default());
    for (number, payload) in payloads.iter().enumerate() {
        let sequence = SequenceNumber::parse(&(number + 1).to_string()).unwrap();
        let record = Record { sequence, arrival_ms: payload.arrival_ms, data: payload.data.clone().into() };
        observer.observe("shardId-000000000000", &record, &mut observed);
    }
    assert_eq!(observed.rejects.count(), 0);
    observed
}

/// Bytes on the rollup stream of one shard's epochs, without what messages of nothing have.
fn digest_bytes(payloads: &[Payload]) -> (f64, f64) {
    let header = |time_ms| Header {
        constants: detect::message::Constants::default(),
        shard: "shardId-000000000000".into(),
        hash_range: 0..=u128::MAX,
        parents: Vec::new(),
        after: detect::Sequence::parse("49590338271490256608559692538361571095921575989136588898"),
        through: detect::Sequence::parse("49590338271490256608559692538361571095921575989136588899"),
        time_ms,
        hole_ms: None,
        end: false,
    };
    let bytes = |messages: Vec<Message<Tally>>| messages.iter().map(|message| message.encode().len()).sum::<usize>();
    let nothing = detect::summary::Summary::<Tally>::new(detect::message::Constants::default());
    let empty = bytes(nothing.messages(&header(START_MS)));
    let mut whole = 0;
    for epoch in payloads.chunk_by(|one, next| one.arrival_ms / 5_000 == next.arrival_ms / 5_000) {
        let summary = observed(&Config::default(), epoch).summary.expect("windows are counted");
        whole += bytes(summary.messages(&header(epoch[0].arrival_ms))) - empty;
    }
    (whole as f64, empty as f64)
}

fn weighed(rate: f64) -> Weight {
    let (payloads, queries) = payloads(rate);
    let sum = |of: fn(usize) -> usize| payloads.iter().map(|payload| of(payload.data.len())).sum::<usize>() as f64;
    Weight {
        rate,
        records: payloads.len() as f64 / queries,
        bytes: sum(|bytes| bytes) / queries,
        kibibytes: sum(|bytes| bytes.div_ceil(1024)) / queries,
        put_units: sum(|bytes| bytes.div_ceil(25 * 1024)) / queries,
        digest_bytes: digest_bytes(&payloads).0 / queries,
        // It takes whole windows: see below.
        window_bytes: f64::NAN,
    }
}

/// Bytes of windows' lines that a replay of so many seconds writes.
fn window_bytes(rate: f64, seconds: i64) -> f64 {
    let mut feed = Feed::new(Scenario::calm().at_rate(ZONES * rate), 1, START_MS);
    let mut payloads = feed.until(START_MS + 1_000 * seconds);
    payloads.extend(feed.finish());
    let queries = payloads.iter().map(|payload| payload.events).sum::<usize>() as f64;
    let file =
        |name: &str| std::env::temp_dir().join(format!("zonewatch-measured-{}-{rate}-{name}", std::process::id()));
    let [input, output] = ["payloads", "windows"].map(file);
    std::fs::write(&input, payloads.iter().map(|payload| &payload.data[..]).collect::<Vec<_>>().concat()).unwrap();
    let config = Config::default();
    let options = replay::Options {
        inputs: vec![input.clone()],
        records: None,
        windows: Some(replay::Target::File(output.clone())),
        findings: None,
        baselines: None,
        judging: Judging::default(),
        rejects: None,
        settings: Settings::new(&config, "us-east-1", 0),
        reference: Arc::default(),
        lines_max: config.decode.events_max,
    };
    replay::run(options, &mut replay::Meter::hidden()).unwrap();
    let bytes = std::fs::metadata(&output).unwrap().len() as f64;
    [input, output].iter().for_each(|file| std::fs::remove_file(file).unwrap());
    bytes / queries
}

fn near(name: &str, found: f64, stated: f64) {
    assert!((found / stated - 1.0).abs() < 0.03, "{name}: {found:.4} was found and {stated} is stated");
}

#[test]
fn a_query_weighs_in_the_stream_what_is_stated() {
    for stated in &WEIGHTS {
        let found = weighed(stated.rate);
        for (name, found, stated) in [
            ("records", found.records, stated.records),
            ("bytes", found.bytes, stated.bytes),
            ("kibibytes", found.kibibytes, stated.kibibytes),
            ("put units", found.put_units, stated.put_units),
            ("digest bytes", found.digest_bytes, stated.digest_bytes),
        ] {
            near(name, found, stated);
        }
    }
}

#[test]
fn windows_lines_have_the_stated_bytes() {
    // Of busier zones ten minutes are as good as an hour; those of the busiest two take minutes, and are left to the command.
    for (stated, seconds) in WEIGHTS.iter().zip([3_600, 3_600, 600, 600]) {
        near("bytes", window_bytes(stated.rate, seconds), stated.window_bytes);
    }
}

#[test]
fn an_epochs_messages_of_nothing_have_the_stated_bytes() {
    near("bytes", digest_bytes(&payloads(1.0).0).1, EMPTY_EPOCH_BYTES);
}

#[test]
fn a_line_has_the_stated_bytes_as_it_was_logged_and_in_every_schema() {
    let (payloads, queries) = payloads(10.0);
    let decoded = |schema| {
        let mut config = Config::default();
        config.records.schema = schema;
        observed(&config, &payloads).records
    };
    let logged: usize = decoded(Schema::Ecs)
        .text()
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| {
            let line: serde_json::Value = serde_json::from_slice(line).unwrap();
            line["event"]["original"].as_str().expect("the original line").len()
        })
        .sum();
    near("logged", logged as f64 / queries, LOGGED_BYTES);
    for stated in &LINES {
        let lines = decoded(stated.schema);
        near("bytes", lines.len() as f64 / queries, stated.bytes);
        let entries = lines.into_entries(Packing::Lines, Compression::Gzip);
        near("packed", entries.iter().map(bytes::Bytes::len).sum::<usize>() as f64 / queries, stated.packed_bytes);
    }
}
