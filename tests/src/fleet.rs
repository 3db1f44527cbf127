//! Workers on emulators: a source stream, an outlet, a lease table, and processes that use them.

use crate::emulators::{Delivery, Emulator, Stream, lease_rows, unique, wait_for};
use crate::http;
use crate::ledger::EVERY_RECORD;
use crate::program::{Folder, Process, zonewatch};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::process::Command;
use std::time::Duration;

/// Emulators on a loaded machine; a healthy run needs a few seconds.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// What the workers of one application share.
#[derive(Debug)]
pub struct Fleet {
    /// The source stream.
    pub stream: Stream,
    /// The records outlet.
    pub delivery: Delivery,
    /// The application's name, which is the lease table's too.
    pub app: String,
    /// Configurations and logs.
    pub folder: Folder,
    /// How its workers read: `polling`, unless changed before they start.
    pub retrieval: &'static str,
    /// Where its tables are.
    pub tables: Emulator,
    /// `source.epoch_secs`, short, so that tests are; `None`: the product's default.
    pub epoch_secs: Option<u64>,
    /// `leases.failover_secs`, the same.
    pub failover_secs: Option<u64>,
}

impl Fleet {
    /// A source stream with this many shards, and everything a worker needs beside it but the lease table, which the
    /// first worker makes.
    pub fn create(shards: u32) -> Self {
        Self {
            stream: Stream::create(Emulator::kinesis(), shards),
            delivery: Delivery::create(Emulator::aws()),
            app: unique("app"),
            folder: Folder::create(),
            retrieval: "polling",
            tables: Emulator::aws(),
            epoch_secs: Some(1),
            failover_secs: Some(3),
        }
    }

    /// Starts a worker and waits until it says that it is ready.
    pub fn worker(&self, id: &str) -> Worker {
        self.worker_with(id, &[])
    }

    /// The same with further settings, as environment variables.
    pub fn worker_with(&self, id: &str, settings: &[(&str, &str)]) -> Worker {
        let mut worker = self.started_with(id, settings);
        worker.wait_until_ready();
        worker
    }

    /// Starts a worker.
    pub fn started(&self, id: &str) -> Worker {
        self.started_with(id, &[])
    }

    /// The same with further settings.
    pub fn started_with(&self, id: &str, settings: &[(&str, &str)]) -> Worker {
        let [operations, people] = free_ports();
        let config = self.folder.write(&format!("{id}.toml"), self.config(id, operations, people).as_bytes());
        let log = self.folder.file(&format!("{}.log", unique(id)));
        let mut command = zonewatch(&["worker", "--config", &config.display().to_string()]);
        on_emulators(&mut command).env("AWS_ENDPOINT_URL_DYNAMODB", self.tables.url());
        let process = Process::start(command.envs(settings.iter().copied()), &log);
        Worker::on(process, operations, people)
    }

    /// Three workers that write down what they observe and share the shards, started at once.
    pub fn three(&self) -> BTreeMap<&'static str, Worker> {
        // One that comes while another still makes the tables would come too late for its share. On a loaded machine one
        // may still be too late: it has nothing at first.
        self.worker("first").end();
        let mut workers: BTreeMap<&str, Worker> =
            ["one", "two", "three"].map(|id| (id, self.started_with(id, &EVERY_RECORD))).into();
        workers.values_mut().for_each(Worker::wait_until_ready);
        wait_for("two workers and more with shards", PATIENCE, || {
            (workers.values().filter(|worker| worker.held() > 0).count() >= 2).then_some(())
        });
        workers
    }

    /// The configuration file of one worker.
    pub fn config(&self, id: &str, operations: u16, people: u16) -> String {
        let Self { app, retrieval, .. } = self;
        let (stream, delivery) = (&self.stream.name, &self.delivery.name);
        let setting = |key: &str, secs: Option<u64>| secs.map_or(String::new(), |secs| format!("{key} = {secs}\n"));
        let (epoch, failover) = (setting("epoch_secs", self.epoch_secs), setting("failover_secs", self.failover_secs));
        format!(
            "[worker]\napp = \"{app}\"\nid = \"{id}\"\n\n[source]\nstream = \"{stream}\"\n{epoch}\
             retrieval = \"{retrieval}\"\n\n[leases]\n{failover}\n[records]\ndelivery_streams = [\"{delivery}\"]\n\n\
             [http]\noperations = \"127.0.0.1:{operations}\"\npeople = \"127.0.0.1:{people}\"\n"
        )
    }

    /// The lease rows.
    pub fn leases(&self) -> Vec<Value> {
        lease_rows(&self.tables, &self.app)
    }

    /// The workers' table, made as a worker makes it unless one has; its name.
    pub fn state_table(&self) -> String {
        let (emulator, table) = (&self.tables, format!("{}-state", self.app));
        let key = json!({
            "TableName": table, "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{ "AttributeName": "worker", "AttributeType": "S" }],
            "KeySchema": [{ "AttributeName": "worker", "KeyType": "HASH" }],
        });
        let expiry = json!({ "Enabled": true, "AttributeName": "expires" });
        if emulator.try_call("DynamoDB_20120810.CreateTable", &key).is_ok() {
            let request = json!({ "TableName": table, "TimeToLiveSpecification": expiry });
            emulator.call("DynamoDB_20120810.UpdateTimeToLive", &request);
        }
        table
    }

    /// Waits until exactly this many lines have arrived, or more.
    pub fn wait_for_lines(&self, count: usize) -> Vec<String> {
        wait_for(&format!("{count} delivered lines"), PATIENCE, || {
            let lines = self.delivery.lines();
            (lines.len() >= count).then_some(lines)
        })
    }
}

/// Sets a command's endpoints to the emulators, as the SDK's own environment variables do.
pub fn on_emulators(command: &mut Command) -> &mut Command {
    let (kinesis, aws) = (Emulator::kinesis(), Emulator::aws());
    with_credentials(command)
        .env("AWS_ENDPOINT_URL_KINESIS", kinesis.url())
        .env("AWS_ENDPOINT_URL_DYNAMODB", aws.url())
        .env("AWS_ENDPOINT_URL_FIREHOSE", aws.url())
        .env("AWS_ENDPOINT_URL_S3", aws.url())
}

/// Gives a command dummy credentials and a region.
pub fn with_credentials(command: &mut Command) -> &mut Command {
    command
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .env("AWS_REGION", "us-east-1")
        .env("AWS_EC2_METADATA_DISABLED", "true")
}

/// Ports that were free a moment ago.
pub fn free_ports<const N: usize>() -> [u16; N] {
    let held: [TcpListener; N] = std::array::from_fn(|_| TcpListener::bind("127.0.0.1:0").expect("a free port"));
    held.map(|listener| listener.local_addr().expect("a bound port").port())
}

/// A running worker.
#[derive(Debug)]
pub struct Worker {
    /// Its process.
    pub process: Process,
    operations: String,
    page: String,
}

impl Worker {
    /// A worker that was started with these two ports.
    pub fn on(process: Process, operations: u16, people: u16) -> Self {
        let [operations, page] = [operations, people].map(|port| format!("http://127.0.0.1:{port}"));
        Self { process, operations, page }
    }

    /// The status page's address.
    pub fn page(&self) -> &str {
        &self.page
    }

    /// Where its metrics are: `127.0.0.1:PORT`.
    pub fn operations(&self) -> &str {
        self.operations.strip_prefix("http://").expect("it is a plain address")
    }

    /// Waits until `/readyz` says so.
    pub fn wait_until_ready(&mut self) {
        let (process, url) = (&mut self.process, format!("{}/readyz", self.operations));
        wait_for("a ready worker", PATIENCE, || {
            process.must_live();
            http::get(&url).ok().filter(|answer| answer.status == 200)
        });
    }

    /// Asks it to end and waits until it has, well.
    pub fn end(mut self) {
        self.process.terminate();
        let status = self.process.ended(PATIENCE);
        assert!(status.success(), "{status}:\n{}", self.process.said());
    }

    /// Ends it as a crash would.
    pub fn kill(self) {
        self.process.kill();
    }

    /// How many leases it holds.
    pub fn held(&self) -> usize {
        self.metric("zonewatch_leases_held", "").unwrap_or(0.0) as usize
    }

    /// The sum of a metric's series whose labels contain `label`; none if there is no such series.
    pub fn metric(&self, name: &str, label: &str) -> Option<f64> {
        let page = http::get(&format!("{}/metrics", self.operations)).ok()?.text();
        let series = page.lines().filter(|line| is_series(line, name) && line.contains(label));
        let values: Vec<f64> = series.filter_map(|line| line.rsplit(' ').next()?.parse().ok()).collect();
        (!values.is_empty()).then(|| values.iter().sum())
    }
}

/// How many leases these workers hold together.
pub fn held<'a>(workers: impl IntoIterator<Item = &'a Worker>) -> usize {
    workers.into_iter().map(Worker::held).sum()
}

/// Whether a line of the exposition is a series of exactly this metric.
fn is_series(line: &str, name: &str) -> bool {
    line.strip_prefix(name).is_some_and(|rest| rest.starts_with('{') || rest.starts_with(' '))
}
