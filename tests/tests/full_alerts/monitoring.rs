//! Prometheus and Alertmanager with the shipped rules and configurations.

use super::webhook::Webhook;
use serde_json::Value;
use std::fs;
use std::process::Command;
use std::time::Duration;
use zonewatch_tests::emulators::wait_for;
use zonewatch_tests::fleet::{PATIENCE, Worker, free_ports};
use zonewatch_tests::http;
use zonewatch_tests::listeners::outside_loopback;
use zonewatch_tests::program::{Folder, Process};
use zonewatch_tests::tidy::root;

/// Both servers, and who is told. Dropping ends them.
pub(super) struct Monitoring {
    prometheus: Process,
    alertmanager: Process,
    addresses: [String; 2],
    webhook: Webhook,
}

impl Monitoring {
    /// Starts both and waits until Prometheus has found Alertmanager and every worker.
    pub(super) fn start(folder: &Folder, workers: &[&Worker]) -> Self {
        let webhook = Webhook::start();
        let addresses = free_ports::<2>().map(|port| format!("127.0.0.1:{port}"));
        let [prometheus, alertmanager] = &addresses;
        let targets: Vec<&str> = workers.iter().map(|worker| worker.operations()).collect();
        let config = folder.write("prometheus.yaml", prometheus_config(&targets, alertmanager).as_bytes());
        // An alert that Alertmanager did not hear of is sent again after a minute, unless told otherwise.
        let flags = ["--rules.alert.resend-delay=5s", "--log.level=warn"];
        let mut command = Command::new("prometheus");
        command.arg(format!("--config.file={}", config.display())).args(flags);
        command.arg(format!("--storage.tsdb.path={}", folder.file("prometheus").display()));
        command.arg(format!("--web.listen-address={prometheus}"));
        let prometheus = Process::start(&mut command, &folder.file("prometheus.log"));

        let config = folder.write("alertmanager.yaml", alertmanager_config(webhook.address()).as_bytes());
        let program = std::env::var("ZONEWATCH_ALERTMANAGER").unwrap_or_else(|_| "prometheus-alertmanager".to_owned());
        let mut command = Command::new(program);
        command
            .arg(format!("--config.file={}", config.display()))
            .args(["--cluster.listen-address=", "--log.level=warn"]);
        command.arg(format!("--storage.path={}", folder.file("alertmanager").display()));
        command.arg(format!("--web.listen-address={alertmanager}"));
        let alertmanager = Process::start(&mut command, &folder.file("alertmanager.log"));
        let mut monitoring = Self { prometheus, alertmanager, addresses, webhook };
        monitoring.wait_until_found(targets.len());
        monitoring
    }

    fn wait_until_found(&mut self, workers: usize) {
        let up = |target: &&Value| target["health"] == "up";
        wait_for("Prometheus to find everybody", PATIENCE, || {
            self.must_live();
            let known = self.prometheus("targets")?["activeTargets"].as_array()?.iter().filter(up).count();
            let told = self.prometheus("alertmanagers")?["activeAlertmanagers"].as_array()?.len();
            let listens = http::get(&format!("http://{}/-/ready", self.addresses[1])).ok()?.status == 200;
            (known == workers && told == 1 && listens).then_some(())
        });
        for process in [&self.prometheus, &self.alertmanager] {
            assert_eq!(outside_loopback(process.id()), Vec::<String>::new());
        }
    }

    /// The first notification of this alert.
    pub(super) fn told(&mut self, name: &str, patience: Duration) -> Value {
        wait_for(&format!("{name} at the webhook"), patience, || {
            self.must_live();
            self.webhook.alerts().into_iter().find(|alert| alert["labels"]["alertname"] == name)
        })
    }

    /// Every alert of this zone that was told.
    pub(super) fn of_zone(&self, zone: &str) -> Vec<Value> {
        self.webhook.alerts().into_iter().filter(|alert| alert["labels"]["zone"] == zone).collect()
    }

    /// Waits until Alertmanager has this alert and tells nobody.
    pub(super) fn keeps_back(&mut self, name: &str, patience: Duration) {
        let address = format!("http://{}/api/v2/alerts", self.addresses[1]);
        wait_for(&format!("{name} to be kept back"), patience, || {
            self.must_live();
            let alerts: Vec<Value> = serde_json::from_slice(&http::get(&address).ok()?.body).ok()?;
            let alert = alerts.iter().find(|alert| alert["labels"]["alertname"] == name)?;
            (alert["status"]["state"] == "suppressed").then_some(())
        });
    }

    /// Rules that Prometheus could not evaluate. It has more than fifty in all.
    pub(super) fn unsound_rules(&self) -> Vec<Value> {
        let answer = self.prometheus("rules").expect("Prometheus answers");
        let groups = answer["groups"].as_array().expect("groups of rules");
        let rules: Vec<Value> =
            groups.iter().flat_map(|group| group["rules"].as_array().cloned().unwrap_or_default()).collect();
        assert!(rules.len() > 50, "{} rules", rules.len());
        rules.into_iter().filter(|rule| rule["health"] != "ok").collect()
    }

    /// An answer of Prometheus' API.
    fn prometheus(&self, what: &str) -> Option<Value> {
        let answer = http::get(&format!("http://{}/api/v1/{what}", self.addresses[0])).ok()?;
        serde_json::from_slice::<Value>(&answer.body).ok().map(|answer| answer["data"].clone())
    }

    fn must_live(&mut self) {
        self.prometheus.must_live();
        self.alertmanager.must_live();
    }
}

fn shipped(name: &str) -> String {
    fs::read_to_string(root().join("deploy/prometheus").join(name)).expect("it is shipped")
}

/// A change that must find its place: the shipped file is used, not another.
fn changed(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "the shipped file has no {from}");
    text.replace(from, to)
}

fn prometheus_config(workers: &[&str], alertmanager: &str) -> String {
    let rules = root().join("deploy/prometheus/rules/*.yaml").display().to_string();
    let text = changed(&shipped("prometheus.yaml"), "15s", "1s");
    let text = changed(&text, "rules/*.yaml", &rules);
    let text = changed(&text, "127.0.0.1:9464", &workers.join("\n          - "));
    let text = changed(&text, "127.0.0.1:9093", alertmanager);
    // The place of the runbook, which is a comment there.
    changed(&changed(&text, "# external_labels:", "external_labels:"), "#   zonewatch_runbook:", "  zonewatch_runbook:")
}

fn alertmanager_config(webhook: &str) -> String {
    let text =
        changed(&shipped("alertmanager.yaml"), "http://127.0.0.1:9095/alerts", &format!("http://{webhook}/alerts"));
    changed(&changed(&text, "group_wait: 10s", "group_wait: 1s"), "group_interval: 1m", "group_interval: 1s")
}
