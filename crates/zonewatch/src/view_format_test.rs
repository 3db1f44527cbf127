//! A view and its histories as version 1 has them: stored, and read by the worker of today.
//!
//! Views only grow under a number: what is in the example must be in what the code writes now, and mean the same.
//! `ZONEWATCH_EXAMPLES=write` makes a missing example.

use crate::clock::Clock;
use crate::fixtures_test::{finding, minute, views};
use crate::fleet_views::{FleetViews, place};
use crate::zone_views::{Shown, VERSION};
use bytes::Bytes;
use cloud::{Snapshots, memory};
use detect::TopName;
use detect::detector::{Outcome, Seen};
use detect::finding::Finding;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde_json::Value;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;

const SHARD: &str = "view-format";
const ZONE: &str = "ZVIEWFORMAT";
/// Just after the last minute.
const NOW_MS: i64 = 1_795_341_600_000 + 180_000;

fn stored(name: &str, now: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../tests/data/formats/{name}-{VERSION}.gz"));
    if !path.exists() && std::env::var("ZONEWATCH_EXAMPLES").is_ok_and(|wish| wish == "write") {
        let mut packed = GzEncoder::new(Vec::new(), Compression::best());
        packed.write_all(now.as_bytes()).unwrap();
        std::fs::write(&path, packed.finish().unwrap()).unwrap();
    }
    let packed = std::fs::read(&path).unwrap_or_else(|error| panic!("read {}: {error}", path.display()));
    let mut text = String::new();
    GzDecoder::new(&packed[..]).read_to_string(&mut text).unwrap();
    text
}

fn outcome() -> Outcome {
    let seen = |number: i64| -> Seen {
        let mut seen = minute(ZONE, number, 60);
        seen.window.zone_name = "view-format.test".into();
        seen.window.codes[0] = 60;
        seen.window.top_edges = vec![TopName { name: "FRA6".into(), count: 60, error: 0 }];
        seen.values[0] = Some(60.0);
        seen
    };
    let finding = Finding { zone_key: ZONE.into(), zone_name: "view-format.test".into(), ..finding() };
    Outcome { windows: (0..3).map(seen).collect(), findings: vec![finding], ..Outcome::default() }
}

/// Whether everything of the one is in the other: objects may have grown.
fn is_within(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            one.iter().all(|(key, value)| other.get(key).is_some_and(|other| is_within(value, other)))
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| is_within(one, other))
        }
        _ => one == other,
    }
}

/// A zone's answer without what says how old it is.
fn ageless(mut answer: Value) -> Value {
    for part in ["time_ms", "age_seconds"] {
        answer.as_object_mut().unwrap().remove(part).expect("it is in an answer");
    }
    for finding in answer["findings"].as_array_mut().unwrap() {
        finding.as_object_mut().unwrap().remove("age_seconds").expect("it is in a finding");
    }
    answer
}

#[tokio::test]
async fn a_view_of_this_version_is_the_stored_one_and_shows_what_its_worker_showed() {
    let clock = Clock::scaled(NOW_MS, 1.0);
    let snapshots: Arc<dyn Snapshots> = Arc::new(memory::Snapshots::default());
    let own = views(SHARD);
    own.told(&outcome());
    let shown = Shown::all().into_iter().find(|shown| shown.shard == SHARD).expect("it lives");
    let histories = shown.histories().collect::<String>();
    shown.history_parts.store(1, std::sync::atomic::Ordering::Relaxed);
    let view = shown.document(NOW_MS);
    for (name, now) in [("view", &view.to_string()), ("histories", &histories)] {
        let example = stored(name, now);
        let [read, written] = [&example, now].map(|text| serde_json::from_str::<Value>(text).unwrap());
        assert!(is_within(&read, &written), "{name}: raise the version:\n{example}\n{now}");
        let place = if name == "view" { place(SHARD) } else { format!("histories/{SHARD}/0") };
        snapshots.put(&place, Bytes::from(example)).await.unwrap();
    }

    let of_its_worker = FleetViews::new(snapshots.clone(), clock).zone(ZONE).await.expect("it is here");
    drop((own, shown));
    let of_others = FleetViews::new(snapshots, clock).zone(ZONE).await.expect("it was put");
    assert_eq!(of_others["history"]["signals"]["queries"]["observed"], serde_json::json!([60.0, 60.0, 60.0]));
    let [of_others, of_its_worker] = [of_others, of_its_worker].map(ageless);
    assert!(is_within(&of_others, &of_its_worker), "{of_others}\n{of_its_worker}");
}
