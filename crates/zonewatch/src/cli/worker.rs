//! `zonewatch worker`: one of the fleet, over AWS.

use super::Failure;
use crate::clock::Clock;
use crate::config::{self, Config};
use crate::follow::follow;
use crate::pipeline::{self, Parts, Tables, Windows};
use crate::supervisor::{self, Fatal, Supervisor};
use crate::telemetry::{self, Exposition};
use crate::{baselines, http, reference, tuning};
use cloud::aws::Clients;
use cloud::{Call, Create, DeliveryStream, Error, Snapshots as _, Stream};
use futures_util::future::BoxFuture;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tracing::{info, warn};

/// From the signal to the end. Orchestrators kill after 10 s or more; a killed worker's leases are taken only after the
/// failover time.
const DRAIN_MAX: Duration = Duration::from_millis(9_500);
/// What open HTTP answers may add to it.
const LAST_ANSWERS_MAX: Duration = Duration::from_millis(300);

/// An answer that a worker needs before it begins is waited for so long; then whoever runs it begins anew.
const ANSWER_MAX: Duration = Duration::from_secs(60);

/// Arguments of `worker`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The configuration, TOML; every key can also be set as ZONEWATCH_SECTION__KEY
    #[arg(long, value_name = "FILE", env = "ZONEWATCH_CONFIG")]
    config: Option<PathBuf>,
    /// Only say whether the configuration is sound
    #[arg(long)]
    check: bool,
    /// Do not create a missing lease table; the same as leases.create = false
    #[arg(long)]
    no_create: bool,
}

/// Runs until a signal ends it.
pub fn run(args: Args) -> Result<(), Failure> {
    let Args { config: file, check, no_create } = args;
    let mut config = config::load(file.as_deref(), environment()).map_err(|faults| unsound(&faults.0))?;
    let faults = config::worker_faults(&config);
    if !faults.is_empty() {
        return Err(unsound(&faults));
    }
    config.leases.create &= !no_create;
    if check {
        reference::load(&config.enrich).map_err(Failure::usage)?;
        tuning::load(config.detect.tuning.as_deref()).map_err(Failure::usage)?;
        baselines::load(config.detect.baselines.as_deref()).map_err(Failure::usage)?;
        let _ = writeln!(std::io::stdout(), "the configuration is sound");
        return Ok(());
    }
    telemetry::start_log(&config.log).map_err(Failure::run)?;
    let exposition = Exposition::install().map_err(Failure::run)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::run(format!("start the runtime: {error}")))?;
    let outcome = runtime.block_on(work(config, exposition));
    // A read of a database under way must not hold up the end.
    runtime.shutdown_background();
    outcome
}

/// The environment, as far as it is text; what is not cannot be a setting of ours.
pub(super) fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

pub(super) fn unsound(faults: &[String]) -> Failure {
    let what = if faults.len() == 1 { "a fault".to_owned() } else { format!("{} faults", faults.len()) };
    Failure::usage(format!("the configuration has {what}\n  {}", faults.join("\n  ")))
}

async fn work(config: Config, exposition: Exposition) -> Result<(), Failure> {
    let mut signals = Signals::new().map_err(|error| Failure::run(format!("listen for signals: {error}")))?;
    let operations = http::bind(config.http.operations, "http.operations").await.map_err(Failure::run)?;
    let people = http::bind(config.http.people, "http.people").await.map_err(Failure::run)?;
    let reference = reference::follow(config.enrich.clone()).map_err(Failure::usage)?;

    let Reached { clients, records, quarantine, windows } = tokio::select! {
        reached = reach(&config) => reached?,
        // Services that do not answer are waited for, and nothing is held yet.
        name = signals.next() => {
            info!(signal = name, "stopped before anything was begun");
            return Ok(());
        }
    };
    let (clock, worker) = (Clock::real(), pipeline::worker_id(&config));
    let parts = Parts {
        stream: Arc::new(clients.stream(&config.source.stream)),
        windows,
        records,
        quarantine,
        region: region_of(&config.source.stream).unwrap_or(clients.region()).to_owned(),
        reference,
        clock,
        worker: worker.clone(),
        tables: tables(&clients, &table_of(&config), &state_table_of(&config)),
        view_slot: Duration::from_secs(10),
    };
    let pipeline = pipeline::assemble(&config, parts).map_err(Failure::run)?;
    let settings = pipeline::coordination(&config, &worker);
    let (stream, table, state) = (config.source.stream.clone(), table_of(&config), state_table_of(&config));
    let spawn = pipeline::spawner(Arc::clone(&pipeline.shared));
    let supervisor = supervisor::start(settings, clock, ports(stream, table, state), spawn);
    let rollup = pipeline.windows.clone().map(|windows| {
        let (stream, table) = (rollup_stream_of(&config), rollup_app_of(&config));
        let (ports, spawn) =
            (ports(stream, table.clone(), format!("{table}-state")), pipeline::rollup_spawner(windows));
        supervisor::start(pipeline::rollup_coordination(&config, &worker), clock, ports, spawn)
    });

    let (stop, stopped) = watch::channel(false);
    let ready = pipeline::readiness(supervisor.board());
    let shown = (operations.local_addr(), people.local_addr());
    let listeners = [
        tokio::spawn(http::serve(operations, http::operations(exposition, Arc::clone(&ready)), stopped.clone())),
        tokio::spawn(http::serve(
            people,
            http::people(pipeline.view, pipeline.fleet.clone(), pipeline.workers, ready),
            stopped,
        )),
    ];
    if let Some(fleet) = pipeline.fleet {
        tokio::spawn(async move { fleet.publish().await });
    }
    if let (Ok(operations), Ok(people)) = shown {
        info!(%worker, stream = config.source.stream, table = table_of(&config), %operations, %people, "worker starting");
    }
    let supervisors = [supervisor].into_iter().chain(rollup).collect();
    let outcome = until_the_end(supervisors, &mut signals).await;
    stop.send_replace(true);
    let _ = tokio::time::timeout(LAST_ANSWERS_MAX, futures_util::future::join_all(listeners)).await;
    outcome
}

/// Renewals have connections of their own, on the runtime that makes them.
fn ports(
    stream: String,
    table: String,
    state: String,
) -> impl FnOnce() -> BoxFuture<'static, Result<supervisor::Ports, Error>> {
    move || {
        Box::pin(async move {
            let clients = Clients::from_env().await?;
            let stream: Arc<dyn Stream> = Arc::new(clients.stream(&stream));
            let (table, state) = (clients.lease_table(&table), clients.state_table(&state));
            Ok(supervisor::Ports { table: Arc::new(table), state: Arc::new(state), stream })
        })
    }
}

/// What a worker needs to have found before it begins.
struct Reached {
    clients: Clients,
    records: Vec<Arc<dyn DeliveryStream>>,
    quarantine: Option<Arc<dyn DeliveryStream>>,
    windows: Option<Windows>,
}

async fn reach(config: &Config) -> Result<Reached, Failure> {
    let clients = Clients::from_env().await.map_err(|error| Failure::run(error.to_string()))?;
    let records = delivery_streams(&clients, &config.records.delivery_streams).await?;
    let quarantine = delivery_streams(&clients, Some(&config.quarantine.delivery_stream)).await?.pop();
    let windows = if config.detect.enabled { Some(windows(&clients, config).await?) } else { None };
    Ok(Reached { clients, records, quarantine, windows })
}

/// What windows need; makes the rollup stream if it is missing.
async fn windows(clients: &Clients, config: &Config) -> Result<Windows, Failure> {
    let failed = |error: Error| Failure::run(error.to_string());
    let snapshots = clients.snapshots(&config.detect.bucket, &format!("{}/", config.worker.app)).map_err(failed)?;
    answered(|| snapshots.check()).await?;
    let rollup = clients.stream(&rollup_stream_of(config));
    let create = if config.leases.create { Create::IfMissing } else { Create::Never };
    answered(|| rollup.ensure(create)).await?;
    let (file, period) = (config.detect.tuning.clone(), Duration::from_secs(config.enrich.reload_secs));
    let paths = file.iter().cloned().collect();
    let tuning =
        follow("findings tuning", paths, period, move || tuning::load(file.as_deref())).map_err(Failure::usage)?;
    let source = clients.stream(&config.source.stream);
    let retention = answered(|| source.ensure(Create::Never)).await?;
    Ok(Windows {
        rollup: Arc::new(rollup),
        tables: tables(clients, &rollup_app_of(config), &format!("{}-state", rollup_app_of(config))),
        snapshots: Arc::new(snapshots),
        retention,
        // As long as a lease stays where it has come to.
        save_period: 6 * Duration::from_secs(config.leases.failover_secs),
        delivered: delivery_streams(clients, Some(&config.detect.windows_delivery_stream)).await?,
        findings: delivery_streams(clients, Some(&config.detect.findings_delivery_stream)).await?,
        tuning,
        baselines: Arc::new(baselines::load(config.detect.baselines.as_deref()).map_err(Failure::usage)?),
    })
}

fn tables(clients: &Clients, leases: &str, state: &str) -> Tables {
    Tables { leases: Arc::new(clients.lease_table(leases)), state: Arc::new(clients.state_table(state)) }
}

/// What a call says in the end: whatever may pass is tried again for a minute.
async fn answered<'a, T>(call: impl Fn() -> Call<'a, Result<T, Error>>) -> Result<T, Failure> {
    let begun = tokio::time::Instant::now();
    let mut pause = Duration::from_secs(1);
    loop {
        match call().await {
            Ok(answer) => return Ok(answer),
            Err(error) if error.is_lasting() || begun.elapsed() >= ANSWER_MAX => {
                return Err(Failure::run(error.to_string()));
            }
            Err(error) => warn!(%error, "tried again before the worker begins"),
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
}

/// Waits for a signal, then for the drain.
async fn until_the_end(mut supervisors: Vec<Supervisor>, signals: &mut Signals) -> Result<(), Failure> {
    let failed = |fatal: Fatal| Failure::run(fatal.to_string());
    let first =
        futures_util::future::select_all(supervisors.iter_mut().map(|supervisor| Box::pin(supervisor.finished())));
    tokio::select! {
        (outcome, ..) = first => return outcome.map_err(failed),
        name = signals.next() => info!(signal = name, "draining: every shard is finished and its lease released"),
    }
    supervisors.iter().for_each(Supervisor::drain);
    let all = futures_util::future::try_join_all(supervisors.iter_mut().map(Supervisor::finished));
    let drained = tokio::select! {
        drained = tokio::time::timeout(DRAIN_MAX, all) => drained.ok(),
        _ = signals.next() => None,
    };
    match drained {
        Some(Ok(_)) => {
            info!("drained: every lease is released");
            Ok(())
        }
        Some(Err(fatal)) => Err(failed(fatal)),
        None => {
            let held: Vec<_> = supervisors.iter().flat_map(|supervisor| supervisor.status().held).collect();
            let shards: Vec<&str> = held.iter().take(10).map(|lease| lease.shard.as_str()).collect();
            Err(Failure::run(format!(
                "stopped before the drain ended: {} leases were not released ({}); what was not acknowledged is delivered \
                 again by their next owners, once the leases expire",
                held.len(),
                shards.join(", ")
            )))
        }
    }
}

/// Delivery streams by name, each known to be there, or to be out of sight for a role that may only put.
async fn delivery_streams<'a>(
    clients: &Clients,
    names: impl IntoIterator<Item = &'a String>,
) -> Result<Vec<Arc<dyn DeliveryStream>>, Failure> {
    let mut streams: Vec<Arc<dyn DeliveryStream>> = Vec::new();
    for name in names.into_iter().filter(|name| !name.is_empty()) {
        let stream = clients.delivery_stream(name);
        match stream.check().await {
            Ok(()) => {}
            Err(error @ (Error::Missing { .. } | Error::Invalid { .. })) => {
                return Err(Failure::run(error.to_string()));
            }
            Err(error) => {
                warn!(stream = name, %error, "the delivery stream could not be looked at; deliveries are tried");
            }
        }
        streams.push(Arc::new(stream));
    }
    Ok(streams)
}

pub(super) fn table_of(config: &Config) -> String {
    let table = if config.leases.table.is_empty() { &config.worker.app } else { &config.leases.table };
    table.clone()
}

/// The table of workers.
fn state_table_of(config: &Config) -> String {
    format!("{}-state", config.worker.app)
}

/// The rollup stream's leases are those of an application of their own.
pub(super) fn rollup_app_of(config: &Config) -> String {
    format!("{}-rollup", config.worker.app)
}

pub(super) fn rollup_stream_of(config: &Config) -> String {
    let named = &config.detect.rollup_stream;
    if named.is_empty() { rollup_app_of(config) } else { named.clone() }
}

/// The Region in a stream's ARN.
fn region_of(stream: &str) -> Option<&str> {
    stream.strip_prefix("arn:")?.split(':').nth(2)
}

/// The signals that end a worker.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(text: &str) -> Result<(), Failure> {
        // Tests run side by side in one process.
        let name = format!("zonewatch-check-{}-{}.toml", std::process::id(), text.len());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, text).unwrap();
        let outcome = run(Args { config: Some(path.clone()), check: true, no_create: false });
        std::fs::remove_file(&path).unwrap();
        outcome
    }

    #[test]
    fn a_check_says_every_fault_and_starts_nothing() {
        assert_eq!(checked("[source]\nstream = 'logs'"), Ok(()));
        let unset = checked("").unwrap_err();
        assert_eq!(unset.code, 2);
        assert!(
            unset.message.starts_with("the configuration has a fault\n  source.stream (not set): is needed"),
            "{unset:?}"
        );
        let two = checked("[source]\nstraem = 'logs'\npoll_ms = 1").unwrap_err();
        assert!(two.message.starts_with("the configuration has 2 faults\n  "), "{two:?}");
        let database = checked("[source]\nstream = 'logs'\n[enrich]\ndatabases = ['/nowhere.mmdb']").unwrap_err();
        assert!(database.code == 2 && database.message.contains("/nowhere.mmdb"), "{database:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_may_pass_is_waited_for_and_not_for_ever() {
        let (action, resource, message) = ("s3:ListBucket", "arn:aws:s3:::b".to_owned(), "no".to_owned());
        let silent = Error::Unavailable { action, resource: resource.clone(), message: message.clone() };
        let denied = Error::Denied { action, resource, message };
        let outcome = async |answer: fn(usize, [Error; 2]) -> Result<(), Error>| {
            let (begun, calls) = (tokio::time::Instant::now(), std::cell::Cell::new(0));
            let answers = &calls;
            let errors = [silent.clone(), denied.clone()];
            // The answers are made at the call: what the port would do is none of it.
            let answered = answered(|| {
                answers.set(answers.get() + 1);
                let answer = answer(answers.get(), errors.clone());
                Box::pin(async { answer })
            });
            (answered.await.map_err(|failure| failure.message), calls.get(), begun.elapsed().as_secs())
        };
        let soon = |call, [silent, _]: [Error; 2]| if call == 3 { Ok(()) } else { Err(silent) };
        assert_eq!(outcome(soon).await, (Ok(()), 3, 3));
        assert_eq!(outcome(|_, [_, denied]| Err(denied)).await, (Err(denied.to_string()), 1, 0));
        assert_eq!(outcome(|_, [silent, _]| Err(silent)).await, (Err(silent.to_string()), 7, 63));
    }

    #[test]
    fn a_region_is_read_from_an_arn_only() {
        assert_eq!(region_of("arn:aws:kinesis:eu-west-1:123456789012:stream/logs"), Some("eu-west-1"));
        assert_eq!(region_of("logs"), None);
    }

    #[test]
    fn the_lease_table_is_named_by_the_application_unless_configured() {
        let mut config = Config::default();
        assert_eq!(table_of(&config), "zonewatch");
        config.leases.table = "leases".into();
        assert_eq!(table_of(&config), "leases");
    }
}
