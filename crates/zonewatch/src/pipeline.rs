//! From configuration and ports to what the shard tasks share: the same for `worker`, over AWS, and `demo`, over memory.

use crate::budget::Budget;
use crate::clock::Clock;
use crate::config::{self, Config};
use crate::digests::Digests;
use crate::fleet_views::FleetViews;
use crate::fleet_workers::{Application, FleetWorkers};
use crate::http::{Ready, Title, View};
use crate::jitter::Jitter;
use crate::observe::{Counts, Settings};
use crate::observers::Observers;
use crate::outlet::Outlet;
use crate::quarantine::{Quarantine, QuarantineFile};
use crate::reader::{Pace, Readers, Retrieval};
use crate::rollup_task;
use crate::shard_task::{self, Shared};
use crate::supervisor::{self, Board, Held};
use crate::telemetry::{self, ZoneLabels};
use cloud::{Create, DeliveryStream, LeaseTable, Snapshots, StateTable, Stream};
use detect::Digest;
use detect::detector::Baselines;
use detect::message::Constants;
use dnslog::Reference;
use lease::{Rules, StartPosition, WorkerId};
use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// A record younger than the stream's retention less this is surely there.
const TRIMMED_EARLY: Duration = Duration::from_secs(3600);

/// What a pipeline is made of, beside the configuration.
pub struct Parts {
    /// The source stream, as the data runtime calls it.
    pub stream: Arc<dyn Stream>,
    /// What windows are computed with; `None`: nobody computes any.
    pub windows: Option<Windows>,
    /// Where records go; empty: nowhere, only metrics are wanted.
    pub records: Vec<Arc<dyn DeliveryStream>>,
    /// Where rejects go, if it is a delivery stream.
    pub quarantine: Option<Arc<dyn DeliveryStream>>,
    /// The AWS Region of the source stream.
    pub region: String,
    /// Reference data, now and as it is replaced.
    pub reference: watch::Receiver<Arc<Reference>>,
    /// Time.
    pub clock: Clock,
    /// This worker.
    pub worker: WorkerId,
    /// The tables of the source stream's application, for whoever looks at the fleet.
    pub tables: Tables,
    /// The grain of the status page's time: 10 s on a real clock.
    pub view_slot: Duration,
}

/// An application's tables.
#[derive(Clone)]
pub struct Tables {
    /// Of leases.
    pub leases: Arc<dyn LeaseTable>,
    /// Of workers.
    pub state: Arc<dyn StateTable>,
}

/// What windows need beside records.
pub struct Windows {
    /// The rollup stream.
    pub rollup: Arc<dyn Stream>,
    /// Its application's tables.
    pub tables: Tables,
    /// Where snapshots lie.
    pub snapshots: Arc<dyn Snapshots>,
    /// How long the source stream keeps records.
    pub retention: Duration,
    /// Between two snapshots.
    pub save_period: Duration,
    /// Where windows go; empty: they are counted only.
    pub delivered: Vec<Arc<dyn DeliveryStream>>,
    /// Where findings go; empty: nowhere beside the log, the metrics and the API.
    pub findings: Vec<Arc<dyn DeliveryStream>>,
    /// How much somebody wants to hear, now and as it is replaced.
    pub tuning: watch::Receiver<Arc<detect::finding::Settings>>,
    /// What is taken to be usual in zones that are not known yet.
    pub baselines: Arc<Baselines>,
}

/// What comes of it.
pub struct Pipeline {
    /// For the shard tasks.
    pub shared: Arc<Shared>,
    /// For the rollup shards' tasks, if windows are computed.
    pub windows: Option<Arc<rollup_task::Shared>>,
    /// For the status page.
    pub view: Arc<View>,
    /// The zones of the whole fleet, if windows are computed.
    pub fleet: Option<Arc<FleetViews>>,
    /// The workers of the whole fleet.
    pub workers: Arc<FleetWorkers>,
}

/// Puts the pieces together. Fails only on the quarantine's file.
pub fn assemble(config: &Config, parts: Parts) -> Result<Pipeline, String> {
    let Parts { stream, windows, records, quarantine, region, reference, clock, worker, tables, view_slot } = parts;
    let seed = random();
    let budget = Budget::new(config.limits.held_bytes_max);
    let quarantine = match (quarantine, &config.quarantine.file) {
        (Some(delivery), _) => {
            let outlet = Outlet::new("quarantine", vec![delivery], clock, &budget, random());
            Quarantine::Outlet(Arc::new(outlet))
        }
        (None, Some(path)) => {
            let file = QuarantineFile::open(path)
                .map_err(|error| format!("open the quarantine {} (quarantine.file): {error}", path.display()))?;
            Quarantine::File(Arc::new(file))
        }
        (None, None) => Quarantine::None,
    };
    let mut settings = Settings::new(config, &region, seed);
    if records.is_empty() {
        settings = settings.without_records();
    }
    let retention = windows.as_ref().map_or(Duration::from_secs(24 * 3600), |windows| windows.retention);
    let constants = settings.constants();
    let rollup = windows.as_ref().map(|windows| Arc::clone(&windows.rollup));
    let digests = rollup.map(|stream| Arc::new(Digests::new(stream, constants, clock, random())));
    let labels = Arc::new(ZoneLabels::new(config.limits.metric_zones_max, config.enrich.zones.values()));
    let of_rollup = windows.as_ref().map(|windows| application(windows.rollup.name(), &windows.tables));
    let applications = [application(stream.name(), &tables)].into_iter().chain(of_rollup).collect();
    let windows = windows.map(|windows| Arc::new(detecting(config, windows, constants, clock, &budget, &labels)));
    if digests.is_some() {
        settings = settings.with_windows();
    }
    let settings = Arc::new(settings);
    let name = stream.name().to_owned();
    let title = Title { app: config.worker.app.clone(), worker: worker.to_string(), stream: name.clone() };
    let workers = Arc::new(FleetWorkers::new(title, applications, clock));
    let view = Arc::new(View::new(seed, clock, view_slot));
    let seen = Arc::clone(&view);
    let acknowledged = move |digest: &Digest, counts: &Counts| {
        telemetry::count_acknowledged(digest, counts, &name, &labels);
        seen.observed(digest, &counts.rejects);
    };
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let readers = Readers::new(Arc::clone(&stream), retrieval(config), clock, budget.clone(), random());
    let shared = Shared {
        stream,
        records: (!records.is_empty()).then(|| Arc::new(Outlet::new("records", records, clock, &budget, random()))),
        packing: config.records.packing,
        compression: config.records.compression,
        quarantine,
        digests,
        observers: Observers::new(cores, &settings, reference),
        settings,
        budget,
        readers,
        rules: Rules {
            epoch: Duration::from_secs(config.source.epoch_secs),
            kept_ms: retention.saturating_sub(TRIMMED_EARLY).as_millis() as i64,
        },
        epoch_bytes_max: config.limits.epoch_bytes_max,
        clock,
        acknowledged: Box::new(acknowledged),
    };
    let fleet = windows.as_ref().map(|windows| Arc::new(FleetViews::new(Arc::clone(&windows.snapshots), clock)));
    Ok(Pipeline { shared: Arc::new(shared), windows, view, fleet, workers })
}

fn application(stream: &str, tables: &Tables) -> Application {
    let Tables { leases, state } = tables;
    Application { stream: stream.to_owned(), leases: Arc::clone(leases), state: Arc::clone(state) }
}

fn detecting(
    config: &Config,
    windows: Windows,
    constants: Constants,
    clock: Clock,
    budget: &Budget,
    labels: &Arc<ZoneLabels>,
) -> rollup_task::Shared {
    let Windows { rollup, tables, snapshots, save_period, delivered, findings, tuning, baselines, .. } = windows;
    let outlet = |name, streams: Vec<Arc<dyn DeliveryStream>>| {
        (!streams.is_empty()).then(|| Arc::new(Outlet::new(name, streams, clock, budget, random())))
    };
    let readers = Readers::new(Arc::clone(&rollup), Retrieval::Polling(pace(config)), clock, budget.clone(), random());
    rollup_task::Shared {
        stream: rollup,
        table: tables.leases,
        snapshots,
        settings: detect::rollup::Settings::new(constants),
        readers,
        save_period,
        clock,
        jitter: Jitter::new(random()),
        windows: outlet("windows", delivered),
        findings: outlet("findings", findings),
        tuning,
        baselines,
        labels: Arc::clone(labels),
    }
}

/// How shards are read, as the configuration says.
fn retrieval(config: &Config) -> Retrieval {
    let source = &config.source;
    match source.retrieval {
        config::Retrieval::Polling => Retrieval::Polling(pace(config)),
        config::Retrieval::FanOut => {
            let consumer = if source.consumer.is_empty() { &config.worker.app } else { &source.consumer };
            Retrieval::FanOut { consumer: consumer.clone() }
        }
    }
}

fn pace(config: &Config) -> Pace {
    let source = &config.source;
    Pace {
        records_max: source.records_max,
        tip: Duration::from_millis(source.poll_ms),
        idle: Duration::from_millis(source.idle_poll_ms),
    }
}

/// How leases of the rollup stream are coordinated: as the source's, from its beginning.
pub fn rollup_coordination(config: &Config, worker: &WorkerId) -> supervisor::Settings {
    supervisor::Settings { held_max: None, start: StartPosition::TrimHorizon, ..coordination(config, worker) }
}

/// How leases are coordinated, as the configuration says.
pub fn coordination(config: &Config, worker: &WorkerId) -> supervisor::Settings {
    let start = match config.source.start {
        config::StartPosition::TrimHorizon => StartPosition::TrimHorizon,
        config::StartPosition::Latest => StartPosition::Latest,
        config::StartPosition::AtTimestamp => {
            let start_ms = config::rfc3339_ms(&config.source.start_at);
            StartPosition::AtTimestamp(start_ms.expect("source.start_at was checked with the configuration"))
        }
    };
    supervisor::Settings {
        worker: worker.clone(),
        failover: Duration::from_secs(config.leases.failover_secs),
        capacity: crate::capacity::millicores(),
        held_max: (config.leases.held_max > 0).then_some(config.leases.held_max as usize),
        start,
        create: if config.leases.create { Create::IfMissing } else { Create::Never },
    }
}

/// Spawns the shards' tasks on the runtime this is called on.
pub fn spawner(shared: Arc<Shared>) -> supervisor::Spawn {
    Box::new(Spawner { runtime: tokio::runtime::Handle::current(), shared })
}

struct Spawner {
    runtime: tokio::runtime::Handle,
    shared: Arc<Shared>,
}

impl supervisor::Tasks for Spawner {
    fn spawn(&self, held: Held) -> tokio::task::JoinHandle<()> {
        self.runtime.spawn(shard_task::run(held, Arc::clone(&self.shared)))
    }

    fn prepare(&self, lease: &lease::Lease) {
        let _entered = self.runtime.enter();
        self.shared.readers.prepare(lease.key.clone(), shard_task::start_of(lease));
    }
}

/// Spawns the rollup shards' tasks on the runtime this is called on.
pub fn rollup_spawner(shared: Arc<rollup_task::Shared>) -> supervisor::Spawn {
    let runtime = tokio::runtime::Handle::current();
    Box::new(move |held: Held| runtime.spawn(rollup_task::run(held, Arc::clone(&shared))))
}

/// What `/readyz` answers.
pub fn readiness(board: Board) -> Ready {
    Arc::new(move || {
        let status = board.status();
        match status.silent {
            _ if status.draining => Err("this worker is leaving".to_owned()),
            _ if status.ready => Ok(()),
            None => Err("the lease table has not answered yet".to_owned()),
            Some(silent) => Err(format!("the lease table has not answered for {} s", silent.as_secs())),
        }
    })
}

/// The configured name of this worker, or one that no other has: host, process and a random part.
pub fn worker_id(config: &Config) -> WorkerId {
    if !config.worker.id.is_empty() {
        return WorkerId::new(&config.worker.id);
    }
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").or_else(|_| std::env::var("HOSTNAME"));
    let host = host.unwrap_or_else(|_| "worker".to_owned());
    let host: String = host.trim().chars().filter(|character| character.is_ascii_graphic()).take(100).collect();
    WorkerId::new(&format!("{host}-{}-{:08x}", std::process::id(), random() as u32))
}

/// A number nobody outside can guess: the standard library keys its hash maps from the system's random source.
fn random() -> u64 {
    RandomState::new().hash_one(std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coordination_is_as_configured() {
        let mut config = Config::default();
        config.source.start = config::StartPosition::AtTimestamp;
        config.source.start_at = "1970-01-01T00:00:01Z".into();
        config.leases.create = false;
        let settings = coordination(&config, &WorkerId::new("w"));
        assert_eq!(
            (settings.start, settings.create, settings.held_max),
            (StartPosition::AtTimestamp(1_000), Create::Never, None)
        );
        config.leases.held_max = 3;
        assert_eq!(coordination(&config, &WorkerId::new("w")).held_max, Some(3));
    }

    #[test]
    fn a_consumer_has_the_applications_name_unless_configured() {
        let mut config = Config::default();
        assert!(matches!(retrieval(&config), Retrieval::Polling(_)));
        config.source.retrieval = config::Retrieval::FanOut;
        let name = |config: &Config| match retrieval(config) {
            Retrieval::FanOut { consumer } => consumer,
            Retrieval::Polling(_) => String::new(),
        };
        assert_eq!(name(&config), "zonewatch");
        config.source.consumer = "second".into();
        assert_eq!(name(&config), "second");
    }

    #[test]
    fn a_worker_without_a_name_gets_one_that_differs_each_time() {
        let mut config = Config::default();
        assert_ne!(worker_id(&config), worker_id(&config));
        config.worker.id = "seven".into();
        assert_eq!(worker_id(&config), WorkerId::new("seven"));
    }
}
