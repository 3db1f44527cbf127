//! What the API answers of a fleet, and what it tells of changes, asked over real sockets.

use super::people;
use super::tests::{Served, body, nobody, ready, start, view};
use crate::clock::Clock;
use crate::fixtures_test::{finding, minute, views};
use crate::fleet_views::FleetViews;
use crate::fleet_workers::{Application, FleetWorkers};
use crate::http::Title;
use crate::telemetry::ShardSeries;
use cloud::{Create, LeaseTable, Snapshots, StateTable, memory};
use detect::detector::Outcome;
use detect::finding::Finding;
use lease::{Checkpoint, Lease, Member, ShardId, Standing, WorkerId, Write};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

fn snapshots() -> Arc<dyn Snapshots> {
    Arc::new(memory::Snapshots::default())
}

async fn json_of(served: &Served, path: &str) -> Value {
    let answer = served.ask(&format!("GET {path}")).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{path}: {answer}");
    serde_json::from_str(body(&answer)).unwrap()
}

#[tokio::test]
async fn zones_and_edges_are_the_fleets_once_a_window_has_closed() {
    let fleet = Arc::new(FleetViews::new(snapshots(), Clock::real()));
    let served = start(people(view(), Some(fleet), nobody(), ready())).await;
    let views = views("api-zones");
    let mut seen = minute("ZAPI", 0, 120);
    seen.window.zone_name = "api.test".into();
    seen.window.codes[dnslog::ResponseCode::NxDomain as usize] = 90;
    seen.window.codes[dnslog::ResponseCode::ServFail as usize] = 30;
    seen.window.top_edges = vec![detect::TopName { name: "ZRH50-C1".into(), count: 120, error: 0 }];
    let open = Finding { zone_key: "ZAPI".into(), zone_name: "api.test".into(), ..finding() };
    views.told(&Outcome { windows: vec![seen], findings: vec![open], ..Outcome::default() });

    let zones = json_of(&served, "/api/v1/zones").await;
    assert_eq!((&zones["scope"], &zones["slot_ms"]), (&"fleet".into(), &60_000.into()));
    let zone = zones["zones"].as_array().unwrap().iter().find(|zone| zone["zone_id"] == "ZAPI").unwrap();
    let expected = json!({
        "zone": "api.test", "zone_id": "ZAPI", "age_seconds": 0, "queries_per_second": 2.0,
        "response_codes": { "NXDOMAIN": 90, "SERVFAIL": 30 }, "nxdomain_share": 0.75, "failure_share": 0.25,
        "score": 1.25, "signal": "queries", "coverage": 1.0, "findings": 1, "severity": "critical",
        "minutes": [[1_795_341_600_000_i64, 120]],
    });
    assert_eq!(*zone, expected);
    let zone = json_of(&served, "/api/v1/zones/Api.Test.").await;
    assert_eq!((&zone["scope"], &zone["history"]["queries"][0]), (&"fleet".into(), &120.into()));
    assert_eq!(
        (&zone["history"]["response_codes"]["SERVFAIL"][0], zone["findings"].as_array().map(Vec::len)),
        (&30.into(), Some(1))
    );
    let edges = json_of(&served, "/api/v1/edges").await;
    let edge = edges["edges"].as_array().unwrap().iter().find(|edge| edge["edge"] == "ZRH").unwrap();
    assert_eq!(
        (&edge["place"], &edge["country"], &edge["queries_per_second"]),
        (&"Zurich".into(), &"CH".into(), &2.0.into())
    );
    assert!(edge["latitude"].as_f64().is_some_and(|north| (47.0..48.0).contains(&north)), "{edge}");
    assert_eq!(edge["change"], Value::Null, "of the hour before nothing is known");
}

#[tokio::test]
async fn without_windows_there_are_no_edges_and_no_findings() {
    let served = start(people(view(), None, nobody(), ready())).await;
    let edges = json_of(&served, "/api/v1/edges").await;
    assert_eq!((&edges["scope"], &edges["edges"]), (&"worker".into(), &json!([])));
    for path in ["/api/v1/findings", "/api/v1/zones/a.test"] {
        assert!(served.ask(&format!("GET {path}")).await.starts_with("HTTP/1.1 404 "), "{path}");
    }
}

/// Tables with two workers and two shards.
async fn tables() -> (Arc<memory::LeaseTable>, Arc<memory::StateTable>) {
    let (leases, state) = (memory::LeaseTable::new("app"), memory::StateTable::new("app-state"));
    leases.ensure(Create::IfMissing).await.unwrap();
    state.ensure(Create::IfMissing).await.unwrap();
    for (shard, owner) in [("shard-1", "w<1>"), ("shard-2", "other")] {
        let row =
            Lease { owner: Some(WorkerId::new(owner)), ..Lease::fresh(ShardId::new(shard), Checkpoint::TrimHorizon) };
        leases.write(&Write::Create(row)).await.unwrap();
    }
    (Arc::new(leases), Arc::new(state))
}

async fn beat(state: &memory::StateTable, worker: &str, beat: u64, standing: Standing) {
    let member = Member {
        id: WorkerId::new(worker),
        beat,
        period: Duration::from_secs(1),
        standing,
        leases: 1,
        weight: 1,
        capacity: 2_000,
        held_max: None,
        strangers: false,
    };
    state.beat(&member, &[], 0).await.unwrap();
}

#[tokio::test]
async fn the_fleet_is_who_works_on_what_and_what_moved() {
    let (leases, state) = tables().await;
    beat(&state, "w<1>", 1, Standing::Active).await;
    beat(&state, "other", 1, Standing::Active).await;
    let title = Title { app: "app".into(), worker: "w<1>".into(), stream: "logs".into() };
    let applications = vec![Application { stream: "api-fleet".into(), leases: leases.clone(), state: state.clone() }];
    // A hundred times as fast: a look is good for 50 ms.
    let workers = Arc::new(FleetWorkers::new(title, applications, Clock::scaled(0, 100.0)));
    let series = ShardSeries::new("api-fleet", "shard-1");
    series.behind(Duration::from_millis(1_500));
    let served = start(people(view(), None, workers, Arc::new(|| Err("draining".into())))).await;

    let fleet = json_of(&served, "/api/v1/fleet").await;
    let worker = |fleet: &Value, name: &str| {
        fleet["workers"].as_array().unwrap().iter().find(|one| one["worker"] == name).cloned()
    };
    let this = worker(&fleet, "w<1>").unwrap();
    assert_eq!(
        (&this["this"], &this["ready"], &this["not_ready_because"]),
        (&true.into(), &false.into(), &"draining".into())
    );
    assert_eq!(
        (&this["shards"], &this["capacity"], &this["rejects"]["truncated_gzip"]),
        (&1.into(), &2.0.into(), &3.into())
    );
    let other = worker(&fleet, "other").unwrap();
    assert_eq!(
        (&other["state"], &other["age_seconds"], &other["ready"]),
        (&"working".into(), &Value::Null, &Value::Null)
    );
    let shards = &fleet["shards"];
    assert_eq!(
        (&shards[0]["behind_seconds"], &shards[0]["owner"], &shards[0]["state"]),
        (&1.5.into(), &"w<1>".into(), &"held".into())
    );
    assert_eq!((&shards[1]["behind_seconds"], &shards[1]["owner"]), (&Value::Null, &"other".into()));
    assert_eq!(fleet["moves"], json!([]));

    let take = Write::Take {
        key: ShardId::new("shard-2"),
        counter: 0,
        from: Some(WorkerId::new("other")),
        owner: WorkerId::new("w<1>"),
        start_ms: None,
        anew: false,
    };
    leases.write(&take).await.unwrap();
    beat(&state, "other", 2, Standing::Left).await;
    let moved = async {
        loop {
            let fleet = json_of(&served, "/api/v1/fleet").await;
            if !fleet["moves"].as_array().unwrap().is_empty() {
                return fleet;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let fleet = tokio::time::timeout(Duration::from_secs(10), moved).await.expect("it is looked at again");
    assert_eq!((worker(&fleet, "other"), &worker(&fleet, "w<1>").unwrap()["shards"]), (None, &2.into()));
    let one = &fleet["moves"][0];
    assert_eq!((&one["shard"], &one["from"], &one["to"]), (&"shard-2".into(), &"other".into(), &"w<1>".into()));
}

/// A connection that is told of changes.
struct Connected {
    stream: TcpStream,
    said: String,
}

impl Connected {
    async fn to(served: &Served) -> Self {
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        stream.write_all(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        Self { stream, said: String::new() }
    }

    /// Everything said until these words, which must come soon.
    async fn until(&mut self, words: &str) -> &str {
        let read = async {
            while !self.said.contains(words) {
                let mut bytes = [0; 4096];
                let count = self.stream.read(&mut bytes).await.unwrap();
                assert!(count > 0, "it ended without {words}: {}", self.said);
                self.said.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
            }
        };
        tokio::time::timeout(Duration::from_secs(10), read).await.expect("it is told");
        &self.said
    }
}

/// The documents that changed, as the last two events have it.
fn changed(said: &str) -> Vec<String> {
    let events: Vec<Value> =
        said.lines().filter_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok()).collect();
    let [.., before, last] = &events[..] else { panic!("two events: {said}") };
    ["zones", "findings", "fleet", "edges"]
        .iter()
        .filter(|one| before[*one] != last[*one])
        .map(|one| (*one).to_owned())
        .collect()
}

#[tokio::test]
async fn a_page_is_told_of_changes_until_the_server_stops() {
    let served = start(people(view(), None, nobody(), ready())).await;
    let watched = view();
    let other = start(people(Arc::clone(&watched), None, nobody(), ready())).await;
    let mut page = Connected::to(&other).await;
    let first = page.until("\n\n").await.to_owned();
    assert!(first.contains("content-type: text/event-stream") && first.contains("retry: 2000"), "{first}");
    assert!(first.contains("event: changed"), "{first}");
    page.said.clear();
    let mut digest = detect::Digest::new(detect::Limits::default(), 1);
    digest.add("Z1", "a.test", "a.test", dnslog::QueryType::A, dnslog::ResponseCode::NoError, 0);
    watched.observed(&digest, &[]);
    page.until("\n\n").await;
    assert_eq!(changed(&format!("{first}\n{}", page.said)), ["zones"]);

    let mut pages = Vec::new();
    for _ in 0..16 {
        let mut page = Connected::to(&served).await;
        page.until("event: changed").await;
        pages.push(page);
    }
    let refused = served.ask("GET /api/v1/events").await;
    assert!(
        refused.starts_with("HTTP/1.1 503 ") && refused.contains("ask for the documents now and then"),
        "{refused}"
    );
    drop(pages.pop());
    let again = async {
        loop {
            let mut page = Connected::to(&served).await;
            page.until("\r\n\r\n").await;
            if page.said.starts_with("HTTP/1.1 200 ") {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), again).await.expect("there is room again");

    served.stop.send(true).unwrap();
    tokio::time::timeout(Duration::from_secs(1), served.task).await.expect("the server ends at once").unwrap();
    let mut rest = Vec::new();
    pages[0].stream.read_to_end(&mut rest).await.unwrap();
    assert!(rest.ends_with(b"0\r\n\r\n"), "the answer ends well: {:?}", String::from_utf8_lossy(&rest));
}
