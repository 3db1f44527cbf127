//! The worker's own pipeline over streams and tables in memory, fed with a made-up day: `zonewatch demo`.
//!
//! One scaled clock drives arrivals, cuts and beats, so that a day passes in minutes. Nothing leaves the process but what
//! its two listeners on 127.0.0.1 answer. Only the ports differ from a worker's, and the pauses that cost CPU: they keep
//! their length on the wall.

use crate::clock::Clock;
use crate::config::Config;
use crate::pipeline::{self, Parts, Pipeline, Tables};
use crate::reference;
use crate::supervisor::{self, Supervisor};
use bytes::Bytes;
use cloud::{DeliveryStream, Entry, Error, Stream, limits, memory};
use futures_util::future::BoxFuture;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::warn;
use traffic::{Feed, Payload, Scenario};

/// Shards of the source stream: enough to see leases spread.
const SHARDS: usize = 4;
/// What the stream keeps. Readers are less than a second behind, so what is trimmed was read long ago.
const STREAM_BYTES_MAX: usize = 64 << 20;
/// Wall time between two looks of the feeder.
const FEED_PERIOD: Duration = Duration::from_millis(50);
/// Wall time between two reads of a shard, and from an epoch's first record to its cut: the page moves every second.
const POLL_SECS: f64 = 0.1;
const EPOCH_SECS: f64 = 0.4;
/// Wall time without a sign until a lease may be taken. Every call must end within a quarter of it.
const FAILOVER_SECS: f64 = 10.0;
/// The grain of the status page's time on the wall, and the least of the day's: the worker's own.
const SLOT_SECS: f64 = 1.0;
const SLOT_MIN: Duration = Duration::from_secs(10);
/// Wall time that a busy machine may be late without queries being so, beside a worker's own lateness.
const LATENESS_SECS: f64 = 6.0;
/// Wall time between two snapshots.
const SAVE_SECS: f64 = 60.0;
/// Wall time given to the drain.
const DRAIN_MAX: Duration = Duration::from_secs(9);

/// A running demo.
pub struct Demo {
    /// For the listeners.
    pub pipeline: Pipeline,
    supervisor: Supervisor,
    /// Of the rollup stream's shards.
    rollup: Supervisor,
    feeder: JoinHandle<()>,
    delivered: Arc<memory::DeliveryStream>,
}

/// The day that is played, from event time `start_ms`.
pub fn feed(start_ms: i64) -> Feed {
    Feed::new(Scenario::day(), seed(start_ms), start_ms)
}

/// Every day is another one, and the same date is the same day.
fn seed(start_ms: i64) -> u64 {
    start_ms as u64
}

/// Starts everything on the current runtime. The clock must start where the feed does.
pub fn start(feed: Feed, clock: Clock, speed: f64) -> Result<Demo, String> {
    let config = config(speed);
    let kept = memory::Settings {
        bytes_max: STREAM_BYTES_MAX,
        cursor_life: Duration::from_secs_f64(300.0 * speed.max(1.0)),
        ..memory::Settings::default()
    };
    let now: memory::Clock = Arc::new(move || clock.now_ms());
    let stream = Arc::new(memory::Stream::with_settings(&config.source.stream, SHARDS, now.clone(), kept.clone()));
    let rollup_name = format!("{}-rollup", config.worker.app);
    let rollup: Arc<dyn Stream> = Arc::new(memory::Stream::with_settings(&rollup_name, 1, now, kept.clone()));
    let (tables, rollup_tables) = (memory_tables(&config.worker.app), memory_tables(&rollup_name));
    let delivered = Arc::new(memory::DeliveryStream::handing_to("demo", |_: &[Bytes]| {}));
    let worker = pipeline::worker_id(&config);
    let parts = Parts {
        stream: stream.clone(),
        windows: Some(pipeline::Windows {
            rollup: rollup.clone(),
            tables: rollup_tables.clone(),
            snapshots: Arc::new(memory::Snapshots::default()),
            retention: kept.retention,
            save_period: Duration::from_secs_f64(SAVE_SECS * speed),
            delivered: Vec::new(),
            findings: Vec::new(),
            tuning: watch::channel(Arc::default()).1,
            baselines: Arc::default(),
        }),
        records: vec![delivered.clone() as Arc<dyn DeliveryStream>],
        quarantine: None,
        region: "us-east-1".to_owned(),
        reference: reference::follow(config.enrich.clone())?,
        clock,
        worker: worker.clone(),
        tables: tables.clone(),
        view_slot: Duration::from_secs_f64(SLOT_SECS * speed).max(SLOT_MIN),
    };
    let pipeline = pipeline::assemble(&config, parts)?;
    let ports = supervisor::Ports { table: tables.leases, state: tables.state, stream: stream.clone() };
    let spawn = pipeline::spawner(Arc::clone(&pipeline.shared));
    let supervisor = supervisor::start(pipeline::coordination(&config, &worker), clock, ready(ports), spawn);
    let rollup_ports = supervisor::Ports { table: rollup_tables.leases, state: rollup_tables.state, stream: rollup };
    let windows = pipeline.windows.clone().expect("the demo computes windows");
    let (settings, spawn) = (pipeline::rollup_coordination(&config, &worker), pipeline::rollup_spawner(windows));
    let rollup = supervisor::start(settings, clock, ready(rollup_ports), spawn);
    let feeder = tokio::spawn(feed_for_ever(feed, self::feed, stream, clock));
    Ok(Demo { pipeline, supervisor, rollup, feeder, delivered })
}

fn memory_tables(name: &str) -> Tables {
    let state = memory::StateTable::new(&format!("{name}-state"));
    Tables { leases: Arc::new(memory::LeaseTable::new(name)), state: Arc::new(state) }
}

/// Ports that need no making.
fn ready(ports: supervisor::Ports) -> impl FnOnce() -> BoxFuture<'static, Result<supervisor::Ports, Error>> {
    move || Box::pin(async move { Ok(ports) })
}

/// A worker's configuration, its pauses stretched by the clock's speed so that they keep their length on the wall.
fn config(speed: f64) -> Config {
    let mut config = Config::default();
    config.worker.app = "zonewatch-demo".into();
    config.worker.id = "demo".into();
    config.source.stream = "demo-query-logs".into();
    config.source.poll_ms = (POLL_SECS * speed * 1000.0) as u64;
    config.source.idle_poll_ms = config.source.poll_ms;
    config.source.epoch_secs = (EPOCH_SECS * speed).ceil() as u64;
    config.detect.lateness_secs += (LATENESS_SECS * speed).min(3_300.0) as u32;
    config.leases.failover_secs = (FAILOVER_SECS * speed).ceil() as u64;
    config
}

impl Demo {
    /// Whether coordination works.
    pub fn ready(&self) -> crate::http::Ready {
        pipeline::readiness(self.supervisor.board())
    }

    /// Waits until coordination ends by itself, which it does only on failure.
    pub async fn failed(&mut self) -> String {
        let ended = tokio::select! {
            ended = self.supervisor.finished() => ended,
            ended = self.rollup.finished() => ended,
        };
        ended.map_or_else(|fatal| fatal.to_string(), |()| "coordination ended".to_owned())
    }

    /// Ends it as a worker ends: what was read is delivered, committed, and the leases are released.
    pub async fn stop(mut self) -> Ended {
        self.feeder.abort();
        self.supervisor.drain();
        self.rollup.drain();
        let both = futures_util::future::try_join(self.supervisor.finished(), self.rollup.finished());
        let drained = tokio::time::timeout(DRAIN_MAX, both).await;
        Ended {
            released: matches!(drained, Ok(Ok(_))),
            entries: self.delivered.entries_total(),
            delivered_bytes: self.delivered.bytes_total(),
        }
    }
}

/// What a demo came to.
#[derive(Debug)]
pub struct Ended {
    /// Whether every lease was released.
    pub released: bool,
    /// Entries that the delivery stream took.
    pub entries: u64,
    /// Their bytes.
    pub delivered_bytes: u64,
}

/// Puts what has arrived by the clock into the stream; when the day is over, the next one begins.
async fn feed_for_ever(mut feed: Feed, next: fn(i64) -> Feed, stream: Arc<memory::Stream>, clock: Clock) {
    loop {
        let (now_ms, end_ms) = (clock.now_ms(), feed.end_ms());
        let mut payloads = feed.until(now_ms.min(end_ms));
        if now_ms >= end_ms {
            payloads.extend(std::mem::replace(&mut feed, next(end_ms)).finish());
        }
        put(&stream, payloads).await;
        tokio::time::sleep(FEED_PERIOD).await;
    }
}

async fn put(stream: &memory::Stream, payloads: Vec<Payload>) {
    let entry = |Payload { partition_key, data, .. }| Entry { partition_key, hash_key: None, data: data.into() };
    for call in limits::put_calls(payloads.into_iter().map(entry)) {
        match stream.put(&call).await {
            Ok(refused) if refused.is_empty() => {}
            Ok(refused) => warn!(entries = refused.len(), "the memory stream refused entries"),
            Err(error) => warn!(%error, "the memory stream refused a put"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-22, midnight.
    const START_MS: i64 = 1_795_305_600_000;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_day_flows_through_the_workers_own_pipeline() {
        let speed = 300.0;
        let clock = Clock::scaled(START_MS, speed);
        let mut demo = start(feed(START_MS), clock, speed).expect("memory needs nothing");
        // The page shows data within three seconds of the start, here on a machine that may be busy.
        let shown = async {
            while demo.pipeline.view.snapshot().queries_total < 5_000 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), shown).await.expect("data is on the page");
        assert!((demo.ready())().is_ok());
        let snapshot = demo.pipeline.view.snapshot();
        assert!(snapshot.zones.len() >= 8, "{} zones", snapshot.zones.len());
        assert_eq!(snapshot.rejects, []);
        assert_eq!(demo.supervisor.status().held.len(), SHARDS, "every shard is leased");
        assert!(tokio::time::timeout(Duration::from_millis(1), demo.failed()).await.is_err());
        let ended = demo.stop().await;
        assert!(ended.released && ended.entries > 0 && ended.delivered_bytes > 100_000, "{ended:?}");
    }

    #[tokio::test]
    async fn the_next_day_follows_the_last() {
        let short = |start_ms| {
            let scenario = Scenario::named("flood").expect("the scenario exists").at_rate(5.0);
            Feed::new(scenario, seed(start_ms), start_ms)
        };
        let end_ms = short(START_MS).end_ms();
        let clock = Clock::scaled(end_ms - 30_000, 1_000.0);
        let kept = memory::Settings { cursor_life: Duration::from_secs(1 << 30), ..memory::Settings::default() };
        let now: memory::Clock = Arc::new(move || clock.now_ms());
        let stream = Arc::new(memory::Stream::with_settings("s", 1, now, kept));
        let feeder = tokio::spawn(feed_for_ever(short(START_MS), short, stream.clone(), clock));
        let shard = stream.shards().await.expect("a stream")[0].id.clone();
        let mut cursor = stream.cursor(&shard, &cloud::Start::TrimHorizon).await.expect("a cursor");
        let mut decoder = dnslog::Decoder::new(dnslog::Limits::default());
        let mut latest = Latest(0);
        let followed = async {
            while latest.0 < end_ms + 60_000 {
                let batch = stream.read(&shard, &cursor, 10_000).await.expect("a read");
                for record in &batch.records {
                    decoder.decode(&record.data, &mut latest);
                }
                cursor = batch.next.expect("an open shard");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let followed = tokio::time::timeout(Duration::from_secs(60), followed).await;
        feeder.abort();
        followed.expect("events of the next day come");
    }

    struct Latest(i64);

    impl dnslog::Visit for Latest {
        fn query(&mut self, _: &dnslog::Source<'_>, query: &dnslog::Query<'_>) {
            self.0 = self.0.max(query.time_ms);
        }

        fn reject(&mut self, _: &dnslog::Source<'_>, _: &dnslog::Reject<'_>) {}
    }
}
