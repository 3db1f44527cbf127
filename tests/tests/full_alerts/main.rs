//! Alerts from log records in Kinesis to a webhook: real workers, and Debian's Prometheus and Alertmanager over them with the
//! rules and configurations that are shipped. Only addresses and intervals differ.
//!
//! Run by `cargo xtask full`. Minutes go by, since the rules' own ranges and waits are part of what is shown.

mod attack;
mod monitoring;
mod webhook;

use attack::{ATTACKED, Attack, CALM};
use monitoring::Monitoring;
use serde_json::{Value, json};
use std::time::Duration;
use zonewatch_tests::emulators::{Emulator, unique, wait_for};
use zonewatch_tests::fleet::{Fleet, Worker};

/// The longest rule shown here looks back two minutes and waits two more.
const ALERT_PATIENCE: Duration = Duration::from_secs(360);

/// What an alert says, with values in it.
fn description(alert: &Value) -> &str {
    let text = alert["annotations"]["description"].as_str().expect("it has a description");
    assert!(!text.contains("unknown"), "a value is missing: {text}");
    text
}

/// Waits until a worker has counted so many queries of the zone that is attacked.
fn wait_until_counted(worker: &Worker, queries: f64) {
    wait_for("queries counted", ALERT_PATIENCE, || {
        worker.metric("zonewatch_queries_total", ATTACKED).filter(|counted| *counted > queries)
    });
}

#[test]
fn a_flood_in_raw_counters_and_a_worker_that_dies_in_it_reach_the_webhook() {
    // Minutes matter here and not seconds: servers beside others on a loaded machine answer late.
    let fleet = Fleet { failover_secs: Some(6), ..Fleet::create(2) };
    let [one, two] = ["one", "two"].map(|id| fleet.worker(id));
    let mut monitoring = Monitoring::start(&fleet.folder, &[&one, &two]);
    let attack = Attack::start(&fleet.stream);
    // Both have counted part of the flood, then one does no more: a zone's rate is the sum of what is left and what moved.
    for worker in [&one, &two] {
        wait_until_counted(worker, 1_000.0);
    }
    let dead = two.operations().to_owned();
    two.kill();

    let flood = monitoring.told("ZonewatchCountersRandomSubdomain", ALERT_PATIENCE);
    let labels = json!({
        "alertname": "ZonewatchCountersRandomSubdomain", "area": "zone", "basis": "counters", "job": "zonewatch",
        "severity": "critical", "zone": ATTACKED,
    });
    assert_eq!(flood["labels"], labels);
    assert!(description(&flood).contains(&format!("queries a second of {ATTACKED} are answered NXDOMAIN")), "{flood}");
    let link = "https://docs.example.com/zonewatch/RUNBOOK.md#zonewatchcountersrandomsubdomain";
    assert_eq!(flood["annotations"]["runbook_url"], link);

    let down = monitoring.told("ZonewatchWorkerDown", ALERT_PATIENCE);
    let labels = json!({
        "alertname": "ZonewatchWorkerDown", "area": "pipeline", "instance": dead, "job": "zonewatch", "severity": "warning",
    });
    assert_eq!(down["labels"], labels);
    assert!(description(&down).ends_with("Workers that do: 1."), "{down}");

    assert_eq!(monitoring.of_zone(CALM), Vec::<Value>::new());
    assert_eq!(monitoring.unsound_rules(), Vec::<Value>::new());
    attack.stop();
    one.end();
}

#[test]
fn a_finding_reaches_the_webhook_and_keeps_back_what_raw_counters_say_of_its_zone() {
    let fleet = Fleet { failover_secs: None, ..Fleet::create(1) };
    let bucket = unique("snapshots");
    Emulator::aws().create_bucket(&bucket);
    let settings = [
        ("ZONEWATCH_DETECT__ENABLED", "true"),
        ("ZONEWATCH_DETECT__BUCKET", bucket.as_str()),
        ("ZONEWATCH_DETECT__LATENESS_SECS", "10"),
    ];
    let worker = fleet.worker_with("only", &settings);
    let mut monitoring = Monitoring::start(&fleet.folder, &[&worker]);
    let attack = Attack::start(&fleet.stream);

    let finding = monitoring.told("ZonewatchRandomSubdomain", ALERT_PATIENCE);
    let labels = json!({
        "alertname": "ZonewatchRandomSubdomain", "area": "zone", "basis": "findings", "job": "zonewatch",
        "kind": "random_subdomain", "severity": "critical", "zone": ATTACKED,
    });
    assert_eq!(finding["labels"], labels);
    assert_eq!(finding["annotations"]["summary"], format!("{ATTACKED}: flood of random names"));
    assert!(description(&finding).contains(&format!("are asked of {ATTACKED}. Now ")), "{finding}");

    monitoring.keeps_back("ZonewatchCountersRandomSubdomain", ALERT_PATIENCE);
    let told = monitoring.of_zone(ATTACKED);
    assert!(told.iter().all(|alert| alert["labels"]["basis"] == "findings"), "{told:?}");
    assert_eq!(monitoring.of_zone(CALM), Vec::<Value>::new());
    assert_eq!(monitoring.unsound_rules(), Vec::<Value>::new());
    attack.stop();
    worker.end();
}
