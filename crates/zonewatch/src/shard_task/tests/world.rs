//! A stream, an outlet and tables in memory that fail by a seed, and workers that use them.

use crate::budget::Budget;
use crate::clock::Clock;
use crate::config::Config;
use crate::pipeline::{self, Parts};
use crate::supervisor::{self, Ports, Supervisor};
use bytes::Bytes;
use cloud::faulty::{Faulty, Rates};
use cloud::{DeliveryStream, Entry, LeaseTable, Snapshots, StateTable, Stream, memory};
use lease::{Lease, WorkerId};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How many times faster than real the workers live.
const SPEED: f64 = 20.0;

pub(super) struct World {
    pub(super) clock: Clock,
    pub(super) source: Arc<memory::Stream>,
    pub(super) leases: Arc<memory::LeaseTable>,
    pub(super) state: Arc<memory::StateTable>,
    pub(super) firehose: Arc<memory::DeliveryStream>,
    pub(super) quarantine: Arc<memory::DeliveryStream>,
    pub(super) rates: Rates,
    pub(super) quarantine_rates: Rates,
    pub(super) put: u64,
    /// If windows are computed.
    pub(super) windows: Option<WindowsWorld>,
}

/// What windows need, and where they go.
#[derive(Clone)]
pub(super) struct WindowsWorld {
    rollup: Arc<memory::Stream>,
    leases: Arc<memory::LeaseTable>,
    state: Arc<memory::StateTable>,
    pub(super) snapshots: memory::Snapshots,
    /// If calls to them fail unlike all others.
    pub(super) snapshot_rates: Option<Rates>,
    pub(super) windows: Arc<memory::DeliveryStream>,
    pub(super) findings: Arc<memory::DeliveryStream>,
}

/// A worker and the runtime of its shard tasks.
pub(super) struct Worker {
    pub(super) supervisor: Supervisor,
    pub(super) rollup: Option<Supervisor>,
    pub(super) budget: Budget,
    pub(super) runtime: Option<tokio::runtime::Runtime>,
}

impl Worker {
    /// Ends it as `kill -9` would: no drain, no release.
    pub(super) fn kill(mut self) {
        drop((self.supervisor, self.rollup));
        self.runtime.take().expect("a worker is killed once").shutdown_background();
    }
}

impl World {
    pub(super) fn new(shards: usize, rates: Rates) -> Self {
        let clock = Clock::scaled(1_800_000_000_000, SPEED);
        let source = memory::Stream::new("source", shards, Arc::new(move || clock.now_ms()));
        Self {
            clock,
            source: Arc::new(source),
            leases: Arc::new(memory::LeaseTable::new("leases")),
            state: Arc::new(memory::StateTable::new("state")),
            firehose: Arc::new(memory::DeliveryStream::keeping("records")),
            quarantine: Arc::new(memory::DeliveryStream::keeping("quarantine")),
            rates,
            quarantine_rates: Rates::none(),
            put: 0,
            windows: None,
        }
    }

    /// Puts one record of one query into the shard that takes `hash_key`.
    pub(super) async fn put(&mut self, hash_key: u128) {
        self.put_many(hash_key, 1).await;
    }

    /// The same with so many queries.
    pub(super) async fn put_many(&mut self, hash_key: u128, queries: u64) {
        let events: Vec<String> = (self.put..self.put + queries).map(event).collect();
        self.put += queries;
        let record = format!(
            r#"{{"messageType":"DATA_MESSAGE","owner":"123456789012","logGroup":"/aws/route53/example.com","logStream":"Z123412341234/FRA6","subscriptionFilters":["f"],"logEvents":[{}]}}"#,
            events.join(",")
        );
        self.put_data(hash_key, record).await;
    }

    /// Puts one record of any bytes.
    pub(super) async fn put_data(&self, hash_key: u128, data: impl Into<Bytes>) {
        let entry = Entry { partition_key: "p".into(), hash_key: Some(hash_key), data: data.into() };
        let refused = self.source.put(&[entry]).await.expect("memory takes entries");
        assert!(refused.is_empty());
    }

    pub(super) fn worker(&self, name: &str, seed: u64, change: impl FnOnce(&mut Config)) -> Worker {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let mut config = Config::default();
        // A second of real time to the supervisor's calls.
        config.leases.failover_secs = 20;
        change(&mut config);
        let pipeline = self.pipeline(name, seed, &config);
        let budget = pipeline.shared.budget.clone();
        let _entered = runtime.enter();
        let supervisor = self.supervisor(name, seed, &config, pipeline::spawner(pipeline.shared));
        let rollup = pipeline.windows.map(|windows| self.rollup(name, seed, &config, windows));
        drop(_entered);
        Worker { supervisor, rollup, budget, runtime: Some(runtime) }
    }

    /// Windows are computed from now on, over a rollup stream of `shards`.
    pub(super) fn compute_windows(&mut self, shards: usize) {
        let clock = self.clock;
        let rollup = memory::Stream::new("rollup", shards, Arc::new(move || clock.now_ms()));
        self.windows = Some(WindowsWorld {
            rollup: Arc::new(rollup),
            leases: Arc::new(memory::LeaseTable::new("rollup-leases")),
            state: Arc::new(memory::StateTable::new("rollup-state")),
            snapshots: memory::Snapshots::default(),
            snapshot_rates: None,
            windows: Arc::new(memory::DeliveryStream::keeping("windows")),
            findings: Arc::new(memory::DeliveryStream::keeping("findings")),
        });
    }

    fn windows(&self, seed: u64) -> Option<pipeline::Windows> {
        let WindowsWorld { rollup, leases, state, snapshots, snapshot_rates, windows, findings } =
            self.windows.clone()?;
        let rates = || self.rates.clone();
        let snapshot_rates = snapshot_rates.unwrap_or_else(rates);
        Some(pipeline::Windows {
            rollup: Arc::new(Faulty::new(rollup as Arc<dyn Stream>, rates(), seed + 11)),
            tables: pipeline::Tables {
                leases: Arc::new(Faulty::new(leases as Arc<dyn LeaseTable>, rates(), seed + 12)),
                state,
            },
            snapshots: Arc::new(Faulty::new(Arc::new(snapshots) as Arc<dyn Snapshots>, snapshot_rates, seed + 13)),
            retention: Duration::from_secs(24 * 3600),
            save_period: Duration::from_secs(20),
            delivered: vec![Arc::new(Faulty::new(windows as Arc<dyn DeliveryStream>, rates(), seed + 16))],
            findings: vec![Arc::new(Faulty::new(findings as Arc<dyn DeliveryStream>, rates(), seed + 17))],
            tuning: watch::channel(Arc::default()).1,
            baselines: Arc::default(),
        })
    }

    /// Queries in windows of ten seconds that were delivered, late, future and missed ones with them. Whoever delivers a window
    /// again delivers the same.
    pub(super) fn counted(&self) -> u64 {
        let windows = self.windows.as_ref().expect("windows are computed");
        let mut found: BTreeMap<String, serde_json::Value> = BTreeMap::new();
        for entry in windows.windows.entries() {
            for line in entry.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
                let window: serde_json::Value = serde_json::from_slice(line).expect("a window is JSON");
                let id = format!("{} {} {}", window["zone_id"], window["window_start"], window["window_seconds"]);
                let before = found.insert(id, window.clone());
                assert!(before.is_none_or(|before| before == window), "told differently: {window}");
            }
        }
        let panes = found.values().filter(|window| window["window_seconds"] == 10);
        let count = |window: &serde_json::Value| {
            let fields = ["queries", "late", "future", "missed"];
            fields.map(|name| window[name].as_u64().expect("a count")).iter().sum::<u64>()
        };
        panes.map(count).sum()
    }

    /// The names of the snapshots that are stored.
    pub(super) async fn snapshots(&self) -> Vec<String> {
        let windows = self.windows.as_ref().expect("windows are computed");
        let mut names = windows.snapshots.list("").await.expect("memory answers");
        names.retain(|name| !name.starts_with("views/"));
        names
    }

    pub(super) fn pipeline(&self, name: &str, seed: u64, config: &Config) -> pipeline::Pipeline {
        let (_keep, reference) = watch::channel(Arc::default());
        let firehose = Faulty::new(self.firehose.clone() as Arc<dyn DeliveryStream>, self.rates.clone(), seed);
        let quarantine = self.quarantine.clone() as Arc<dyn DeliveryStream>;
        let quarantine = Faulty::new(quarantine, self.quarantine_rates.clone(), seed + 3);
        let parts = Parts {
            stream: Arc::new(Faulty::new(self.source.clone() as Arc<dyn Stream>, self.rates.clone(), seed + 1)),
            windows: self.windows(seed),
            records: vec![Arc::new(firehose)],
            quarantine: Some(Arc::new(quarantine)),
            region: "us-east-1".into(),
            reference,
            clock: self.clock,
            worker: WorkerId::new(name),
            tables: pipeline::Tables { leases: self.leases.clone(), state: self.state.clone() },
            view_slot: Duration::from_secs(10),
        };
        pipeline::assemble(config, parts).expect("no file is opened")
    }

    pub(super) fn supervisor(&self, name: &str, seed: u64, config: &Config, spawn: supervisor::Spawn) -> Supervisor {
        let ports = Ports {
            table: Arc::new(Faulty::new(self.leases.clone() as Arc<dyn LeaseTable>, self.rates.clone(), seed + 2)),
            state: Arc::new(Faulty::new(self.state.clone() as Arc<dyn StateTable>, self.rates.clone(), seed + 3)),
            stream: self.source.clone(),
        };
        let settings = pipeline::coordination(config, &WorkerId::new(name));
        let build = move || -> futures_util::future::BoxFuture<'static, _> { Box::pin(async move { Ok(ports) }) };
        supervisor::start(settings, self.clock, build, spawn)
    }

    fn rollup(&self, name: &str, seed: u64, config: &Config, shared: Arc<crate::rollup_task::Shared>) -> Supervisor {
        let WindowsWorld { rollup, leases, state, .. } = self.windows.clone().expect("windows are computed");
        let ports = Ports {
            table: Arc::new(Faulty::new(leases as Arc<dyn LeaseTable>, self.rates.clone(), seed + 14)),
            state: Arc::new(Faulty::new(state as Arc<dyn StateTable>, self.rates.clone(), seed + 15)),
            stream: rollup,
        };
        let settings = pipeline::rollup_coordination(config, &WorkerId::new(name));
        let build = move || -> futures_util::future::BoxFuture<'static, _> { Box::pin(async move { Ok(ports) }) };
        supervisor::start(settings, self.clock, build, pipeline::rollup_spawner(shared))
    }

    /// The event ids that Firehose acknowledged, with how often.
    pub(super) fn delivered(&self) -> BTreeMap<u64, u64> {
        let mut ids = BTreeMap::new();
        for entry in self.firehose.entries() {
            for line in entry.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
                let record: serde_json::Value = serde_json::from_slice(line).expect("a record is JSON");
                let id = record["event"]["id"].as_str().expect("a record has its event's id");
                *ids.entry(id.parse().expect("the test's ids are numbers")).or_default() += 1;
            }
        }
        ids
    }

    /// The rows of the rollup shards.
    pub(super) async fn rollup_rows(&self) -> Vec<Lease> {
        let windows = self.windows.as_ref().expect("windows are computed");
        windows.leases.scan().await.unwrap_or_default().leases
    }

    pub(super) async fn rows(&self) -> Vec<Lease> {
        // Until the first worker has made the table there is none.
        self.leases.scan().await.unwrap_or_default().leases
    }

    /// Waits, a minute of real time at most, until `reached` says so.
    pub(super) async fn until(&self, what: &str, mut reached: impl AsyncFnMut(&Self) -> bool) {
        for _ in 0..1_200 {
            if reached(self).await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!(
            "{what} was not reached; rows {:#?}, delivered {} of {}",
            self.rows().await,
            self.delivered().len(),
            self.put
        );
    }

    pub(super) async fn until_all_is_delivered(&self) {
        self.until("everything delivered", async |world| world.delivered().len() as u64 == world.put).await;
        assert_eq!(self.delivered().into_keys().collect::<Vec<_>>(), (0..self.put).collect::<Vec<_>>());
    }
}

pub(super) fn event(number: u64) -> String {
    let line = format!("1.0 2027-01-15T08:00:00Z Z123412341234 n{number}.example.com A NOERROR UDP FRA6 192.0.2.1 -");
    format!(r#"{{"id":"{number}","timestamp":1800000000000,"message":"{line}"}}"#)
}

pub(super) fn spread(number: u64, of: u64) -> u128 {
    u128::MAX / u128::from(of) * u128::from(number % of)
}
