//! What one release writes and another reads: stored examples, and the table of versions in `docs/upgrades.md`.
//!
//! An example is the bytes that a release wrote, in gzip. Those of the present version must be what the code still writes: who
//! changes a format must raise its number and keep the example. `ZONEWATCH_EXAMPLES=write` makes the missing ones.

use detect::detector::{Baselines, Detector, Judging, VERSION};
use detect::message::{Constants, Header, Message, Unreadable};
use detect::rollup::Settings;
use detect::score::{Kind, Observation, Scorer};
use detect::snapshot::Snapshot;
use detect::summary::Summary;
use detect::{Asked, Sequence, Tally};
use dnslog::{QueryType, ResponseCode, Transport};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::path::PathBuf;
use zonewatch_tests::tidy::{Source, root, sources};

const START_MS: i64 = 1_794_819_700_000;

fn path(name: &str) -> PathBuf {
    root().join("tests/data/formats").join(format!("{name}.gz"))
}

/// The example; what the code writes now takes the place of one that is missing, if that is wanted.
fn stored(name: &str, now: &[u8]) -> Vec<u8> {
    let path = path(name);
    if !now.is_empty() && !path.exists() && std::env::var("ZONEWATCH_EXAMPLES").is_ok_and(|wish| wish == "write") {
        let mut packed = GzEncoder::new(Vec::new(), Compression::best());
        packed.write_all(now).expect("memory takes everything");
        std::fs::write(&path, packed.finish().expect("memory takes everything")).expect("the example is written");
    }
    let packed = std::fs::read(&path).unwrap_or_else(|error| panic!("read {}: {error}", path.display()));
    let mut bytes = Vec::new();
    GzDecoder::new(&packed[..]).read_to_end(&mut bytes).expect("an example is gzip");
    bytes
}

/// 25 minutes of two zones, both of them under a flood at the end.
fn epochs() -> Vec<Message<Tally>> {
    let constants = Constants::default();
    let mut messages = Vec::new();
    for epoch in 0..300_i64 {
        let time_ms = START_MS + 5_000 * (epoch + 1);
        let mut summary = Summary::<Tally>::new(constants);
        for number in 0..if epoch < 290 { 3 } else { 40 } {
            for zone in ["Z0EXAMPLE", "Z1EXAMPLE"] {
                let name = if epoch < 290 { "www".to_owned() } else { format!("x{epoch}-{number}") };
                let tally = summary.pane(zone, time_ms - 1_000, time_ms).expect("it is in time");
                tally.add(&Asked {
                    zone: "example.com",
                    relative_name: &name,
                    query_type: QueryType::A,
                    response_code: if epoch < 290 { ResponseCode::NoError } else { ResponseCode::NxDomain },
                    transport: Transport::Udp,
                    edge: "FRA56-C1",
                    source_ip: Some([192, 0, 2, number as u8].into()),
                    longest_label: name.len() as u8,
                    entropy_millibits: 2_000,
                    event_id: "",
                });
            }
        }
        messages.extend(summary.messages(&Header {
            constants,
            shard: "shardId-000000000000".into(),
            hash_range: 0..=u128::MAX,
            parents: Vec::new(),
            after: Sequence::parse(&epoch.to_string()).filter(|_| epoch > 0),
            through: Sequence::parse(&(epoch + 1).to_string()),
            time_ms,
            hole_ms: None,
            end: false,
        }));
    }
    messages
}

fn settings() -> Settings {
    Settings::new(Constants::default())
}

fn detector() -> Detector {
    let mut detector = Detector::new(settings());
    let judging = Judging::default();
    for message in epochs() {
        let arrival_ms = message.header.time_ms;
        detector.apply(message, arrival_ms, &judging).expect("it is of this stream");
    }
    detector
}

#[test]
fn a_digest_of_this_version_is_the_stored_one() {
    let messages = epochs();
    let message = messages.iter().rfind(|message| !message.zones.is_empty()).expect("the last has queries");
    let bytes = stored("digest-1", &message.encode());
    assert_eq!(Message::<Tally>::decode(&bytes).as_ref(), Ok(message));
    assert_eq!(message.encode(), bytes, "its bytes are others now: raise the version");
}

#[test]
fn a_snapshot_of_this_version_is_the_stored_one() {
    let detector = detector();
    let bytes = stored("snapshot-2", &detector.encode());
    let read = Detector::decode(&bytes, &settings()).expect("it is read");
    assert!(read == detector, "it is read as something else: raise the version");
    assert!(read.encode() == bytes, "its bytes are others now: raise the version");
}

#[test]
fn a_snapshot_of_the_version_before_is_read_and_its_zones_are_learnt_anew() {
    // What version 1 wrote of the same epochs. It ended where the zones, of which there are none, are counted now.
    let bytes = stored("snapshot-1", &[]);
    assert_eq!(bytes[0], 1);
    let mut read = Detector::decode(&bytes, &settings()).expect("it is read");
    assert!(read.encode() == [&[VERSION], &bytes[1..], &[0]].concat(), "nothing of it is lost");
    assert!(read.baselines().is_empty());
    // It goes on: the next epoch connects to the last one.
    let after = Sequence::parse("300");
    let header =
        Header { after, through: Sequence::parse("301"), time_ms: START_MS + 2_500_000, ..epochs()[0].header.clone() };
    let mut windows = 0;
    for message in Summary::<Tally>::new(Constants::default()).messages(&header) {
        let outcome = read.apply(message, header.time_ms, &Judging::default()).expect("it connects");
        windows += outcome.windows.len();
    }
    assert!(windows > 0, "time goes on and windows close");
}

#[test]
fn baselines_of_this_version_are_the_stored_ones() {
    let bytes = stored("baselines-1", &detector().baselines().encode());
    let read = Baselines::decode(&bytes).expect("they are read");
    assert_eq!(read.len(), 2);
    assert!(read.encode() == bytes && detector().baselines() == read, "their bytes are others now: raise the version");
}

#[test]
fn a_scorer_of_this_version_is_the_stored_one() {
    let mut scorer = Scorer::new(Kind::Count);
    (0..2_000_i64).for_each(|row| {
        scorer.push(600 * row, Observation::Count(((row * 37) % 50) as f64));
    });
    let mut now = Vec::new();
    scorer.encode(&mut now);
    let bytes = stored("scorer-1", &now);
    assert!(Scorer::decode(&bytes).is_ok());
    assert!(now == bytes, "its bytes are others now: raise the version");
}

#[test]
fn whatever_is_newer_is_refused_as_such() {
    let newer = |name: &str, place: usize| {
        let mut bytes = stored(name, &[]);
        bytes[place] = 99;
        bytes
    };
    assert_eq!(Message::<Tally>::decode(&newer("digest-1", 0)), Err(Unreadable::Newer(99)));
    assert_eq!(Detector::decode(&newer("snapshot-2", 0), &settings()).err(), Some(Unreadable::Newer(99)));
    assert_eq!(
        Baselines::decode(&newer("baselines-1", "zonewatch baselines\n".len())).err(),
        Some(Unreadable::Newer(99))
    );
    let states = Snapshot::<Tally>::new(settings()).encode();
    let states = [&[99], &states[1..]].concat();
    assert_eq!(Snapshot::<Tally>::decode(&states, &settings()).err(), Some(Unreadable::Newer(99)));
}

/// Every constant `VERSION` or `OUR_VERSION`, and every `"version": N` of an answer, with the file that has it.
fn in_the_code(sources: &[Source]) -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    for source in sources.iter().filter(|source| source.path.starts_with("crates/") && source.is_rust()) {
        for (_, line) in source.code_lines() {
            let constant = ["const VERSION: ", "const OUR_VERSION: "].iter().find_map(|start| line.split_once(start));
            let value = constant.and_then(|(_, rest)| rest.split_once(" = ")).map(|(_, value)| value);
            let answer = line.split_once("\"version\": ").map(|(_, rest)| rest.split(',').next().unwrap_or(rest));
            for value in [value, answer].into_iter().flatten() {
                let value = value.trim_matches(|letter: char| !letter.is_ascii_alphanumeric());
                // The name of a column is no version.
                if value.starts_with(|letter: char| letter.is_ascii_digit()) {
                    found.insert((source.path.clone(), value.to_owned()));
                }
            }
        }
    }
    found
}

#[test]
fn the_document_has_every_version_of_the_code_and_no_other() {
    let sources = sources();
    let text = &sources.iter().find(|source| source.path == "docs/upgrades.md").expect("there is a document").text;
    let mut documented = BTreeSet::new();
    for line in text.lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        if let [_, _, version, place, _, _] = cells[..]
            && let Some(place) = place.strip_prefix('`').and_then(|rest| rest.strip_suffix('`'))
            && place.ends_with(".rs")
        {
            documented.insert((place.to_owned(), version.to_owned()));
        }
    }
    assert_eq!(documented, in_the_code(&sources));
    assert!(documented.len() > 10, "{documented:?}");
}

#[test]
fn the_document_has_every_attribute_of_ours_in_a_lease_row() {
    let sources = sources();
    let text = |path: &str| &sources.iter().find(|source| source.path == path).expect(path).text;
    let names = |text: &str, mark: char| -> BTreeSet<String> {
        let quoted = text.split(mark).filter(|word| word.starts_with("zonewatch") && word.len() > "zonewatch".len());
        let is_name = |word: &&str| word.chars().all(|letter| letter.is_ascii_alphabetic());
        quoted.filter(is_name).filter(|word| word.as_bytes()[9].is_ascii_uppercase()).map(str::to_owned).collect()
    };
    let code = names(text("crates/cloud/src/aws/row.rs"), '"');
    assert_eq!(names(text("docs/upgrades.md"), '`'), code);
    assert_eq!(code.len(), 10);
}

#[test]
fn a_version_in_the_code_is_found_in_all_its_forms() {
    let source = |text: &str| vec![Source { path: "crates/x/src/a.rs".to_owned(), text: text.to_owned() }];
    for (text, found) in [
        ("pub const VERSION: u8 = 7;", Some("7")),
        ("const VERSION: &str = \"1.8.0\";", Some("1.8.0")),
        ("const OUR_VERSION: u32 = 3;", Some("3")),
        ("json!({ \"version\": 4, \"a\": b })", Some("4")),
        ("const VERSION: &str = \"version\";", None),
        ("const VERSION_BEFORE: u8 = 6;", None),
    ] {
        let code: Vec<String> = in_the_code(&source(text)).into_iter().map(|(_, value)| value).collect();
        assert_eq!(code, Vec::from_iter(found.map(str::to_owned)), "{text}");
    }
}
