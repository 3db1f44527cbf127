//! What a fleet costs a month: arithmetic over what was measured and over prices. Pure.
//!
//! The deployment is the one of `deploy/terraform` with its defaults. What nobody publishes a price for, and what costs next to
//! nothing, is left out; `docs/cost.md` says what that is.

pub mod alternatives;
pub mod measured;
pub mod prices;

use dnslog::schema::Schema;
use measured::{Line, Weight, line};
use prices::{GIB, Prices};
use serde::Serialize;

/// Hours that AWS takes for a month.
pub const MONTH_HOURS: f64 = 730.0;
const MONTH_SECS: f64 = MONTH_HOURS * 3_600.0;
const DAY_SECS: f64 = 86_400.0;

/// The busiest minutes of a day have so many times the mean, and are what shards and workers must be enough for. The made-up
/// zones' rhythm peaks at 1.6 times.
const PEAK: f64 = 2.0;
/// How full a shard may be at that time.
const SHARD_FILL: f64 = 0.8;
/// What of a core lines and windows may take at that time. The rest is for what was not measured, TLS, base64 and JSON of the
/// calls, and for a worker that takes over another's shards.
const CORE_FILL: f64 = 0.2;
/// What a shard takes in a second.
const SHARD_BYTES: f64 = 1e6;
const SHARD_RECORDS: f64 = 1_000.0;
/// The rollup stream has no use for more shards than there are key groups.
const ROLLUP_SHARDS_MAX: f64 = 16.0;
/// A call in JSON has data in base64.
const BASE64: f64 = 4.0 / 3.0;
/// Memory of a worker that zones may take; the rest is for the budget of held bytes, caches and the program.
const ZONES_MEMORY: f64 = 1e9;
/// Where Firehose's entries end: see `lines.rs`.
const ENTRY_BYTES: f64 = 1_000.0 * 1_024.0;
/// Half of 5 KiB is what an entry is rounded up by.
const ROUNDED_BYTES: f64 = 2_560.0;

/// Defaults of `deploy/terraform`, which a test reads.
pub mod deployed {
    /// `query_log_retention_days`.
    pub const LOG_DAYS: f64 = 7.0;
    /// `archive_days`.
    pub const ARCHIVE_DAYS: f64 = 400.0;
    /// `rollup_retention_hours`; above 24 each shard costs more.
    pub const ROLLUP_HOURS: f64 = 72.0;
    /// `snapshot_version_days`.
    pub const VERSION_DAYS: f64 = 3.0;
    /// `workers_min`.
    pub const WORKERS_MIN: f64 = 2.0;
    /// `cpu`, in vCPUs.
    pub const CPUS: f64 = 1.0;
    /// `memory_mib`, in GB.
    pub const MEMORY: f64 = 2.0;
    /// Interface endpoints.
    pub const ENDPOINTS: f64 = 5.0;
    /// Availability Zones.
    pub const ZONES: f64 = 2.0;
    /// Seconds after which Firehose makes an object, and MiB.
    pub const OBJECT_SECS: f64 = 300.0;
    /// See [`OBJECT_SECS`].
    pub const OBJECT_BYTES: f64 = 64.0 * 1_048_576.0;
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wanted {
    /// Of all zones together.
    pub queries_per_day: f64,
    /// Hosted zones, evenly asked.
    pub zones: f64,
    /// Of records.
    pub schema: Schema,
}

/// What is deployed for it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Fleet {
    /// Of the source stream, if it is provisioned.
    pub source_shards: f64,
    /// Of the rollup stream.
    pub rollup_shards: f64,
    /// Of one vCPU and 2 GB.
    pub workers: f64,
    /// The source stream costs less on demand.
    pub on_demand: bool,
}

/// One line of the bill.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Item {
    /// What for.
    pub what: &'static str,
    /// How much of it a month.
    pub amount: f64,
    /// Of what.
    pub unit: &'static str,
    /// What that costs.
    pub dollars: f64,
}

/// A month.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Bill {
    /// What is deployed.
    pub fleet: Fleet,
    /// What is paid.
    pub items: Vec<Item>,
}

impl Bill {
    /// All items together, dollars.
    pub fn dollars(&self) -> f64 {
        self.items.iter().map(|item| item.dollars).sum()
    }
}

/// What flows and lies, a month unless it is said otherwise.
#[derive(Debug, Clone, Copy)]
struct Flow {
    queries: f64,
    per_second: f64,
    weight: Weight,
    line: Line,
    digest_bytes: f64,
    window_bytes: f64,
    fleet: Fleet,
}

impl Flow {
    fn of(wanted: Wanted, prices: &Prices) -> Result<Self, String> {
        let per_second = wanted.queries_per_day / DAY_SECS;
        let queries = per_second * MONTH_SECS;
        let rate = per_second / wanted.zones;
        let (weight, line) = (Weight::at(rate), line(wanted.schema));
        let peak = per_second * PEAK / SHARD_FILL;
        let source_shards =
            (peak * weight.bytes / SHARD_BYTES).max(peak * weight.records / SHARD_RECORDS).ceil().max(1.0);
        let epochs = source_shards * MONTH_SECS / measured::EPOCH_SECS;
        // Records of a zone come to all shards by chance, so each has a part of its queries.
        let counted = queries * Weight::at(rate / source_shards).digest_bytes;
        let digest_bytes = counted + epochs * measured::EMPTY_EPOCH_BYTES;
        let rollup_shards =
            (digest_bytes / MONTH_SECS * PEAK / SHARD_FILL / SHARD_BYTES).ceil().clamp(1.0, f64::INFINITY);
        if rollup_shards > ROLLUP_SHARDS_MAX {
            return Err(format!(
                "digests would need {rollup_shards} rollup shards, and 16 key groups can use 16; give parts of the zones to \
                 fleets of their own"
            ));
        }
        let cores = per_second * PEAK / CORE_FILL / line.queries_a_core;
        let memory = wanted.zones * measured::MEMORY_BYTES / ZONES_MEMORY;
        let workers = (cores / deployed::CPUS).max(memory).ceil().max(deployed::WORKERS_MIN);
        let fleet = Fleet { source_shards, rollup_shards, workers, on_demand: false };
        let window_bytes = queries * weight.window_bytes;
        let mut flow = Self { queries, per_second, weight, line, digest_bytes, window_bytes, fleet };
        flow.fleet.on_demand = flow.on_demand(prices) < flow.provisioned(prices);
        Ok(flow)
    }

    fn provisioned(&self, prices: &Prices) -> f64 {
        prices.of("shard_hour", self.fleet.source_shards * MONTH_HOURS)
            + prices.of("put_units", self.queries * self.weight.put_units / 1e6)
    }

    fn on_demand(&self, prices: &Prices) -> f64 {
        prices.of("stream_hour", MONTH_HOURS)
            + prices.of("stream_written", self.queries * self.weight.kibibytes * 1_024.0 / GIB)
            + prices.of("stream_read", self.source_bytes() / GIB)
    }

    fn source_bytes(&self) -> f64 {
        self.queries * self.weight.bytes
    }

    fn line_bytes(&self) -> f64 {
        self.queries * self.line.bytes
    }

    /// Records and windows as Firehose bills them: every shard's task packs an epoch's lines for itself.
    fn billed_bytes(&self) -> f64 {
        let epochs = MONTH_SECS / measured::EPOCH_SECS;
        let records = (self.fleet.source_shards * epochs).min(self.queries) + self.line_bytes() / ENTRY_BYTES;
        let windows = (self.fleet.rollup_shards * epochs).min(self.queries) + self.window_bytes / ENTRY_BYTES;
        self.line_bytes() + self.window_bytes + (records + windows) * ROUNDED_BYTES
    }

    /// Through the endpoints of Kinesis and Firehose. DynamoDB's and S3's cost nothing.
    fn passed_bytes(&self) -> f64 {
        (self.source_bytes() + 2.0 * self.digest_bytes + self.line_bytes() + self.window_bytes) * BASE64
    }
}

/// What a month costs; why not, if one fleet can't do it.
pub fn bill(wanted: Wanted, prices: &Prices) -> Result<Bill, String> {
    let flow = Flow::of(wanted, prices)?;
    let items = [logs(&flow, prices), streams(&flow, prices), state(wanted, &flow, prices), out(&flow, prices)];
    let items = items.concat().into_iter().chain(workers(&flow, prices)).collect();
    Ok(Bill { fleet: flow.fleet, items })
}

fn item(what: &'static str, amount: f64, unit: &'static str, dollars: f64) -> Item {
    Item { what, amount, unit, dollars }
}

fn logs(flow: &Flow, prices: &Prices) -> Vec<Item> {
    let taken = flow.queries * measured::LOGGED_BYTES / GIB;
    let kept = flow.per_second * DAY_SECS * deployed::LOG_DAYS * measured::LOGGED_BYTES / GIB;
    vec![
        item("CloudWatch Logs, taken in", taken, "GB", prices.of("logs_ingestion", taken)),
        item("CloudWatch Logs, kept for 7 days", kept, "GB", prices.of("logs_storage", kept)),
    ]
}

fn streams(flow: &Flow, prices: &Prices) -> Vec<Item> {
    let Fleet { source_shards, rollup_shards, on_demand, .. } = flow.fleet;
    let source = flow.source_bytes() / GIB;
    let kept = if deployed::ROLLUP_HOURS > 24.0 { rollup_shards * MONTH_HOURS } else { 0.0 };
    let messages = source_shards * MONTH_SECS / measured::EPOCH_SECS * measured::EPOCH_MESSAGES;
    let rollup = prices.of("shard_hour", rollup_shards * MONTH_HOURS)
        + prices.of("shard_hour_kept", kept)
        + prices.of("put_units", (messages + flow.digest_bytes / 25_600.0) / 1e6);
    vec![
        if on_demand {
            item("Kinesis, source stream on demand", source, "GB", flow.on_demand(prices))
        } else {
            item("Kinesis, source stream provisioned", source_shards, "shards", flow.provisioned(prices))
        },
        item("Kinesis, rollup stream", rollup_shards, "shards", rollup),
    ]
}

fn state(wanted: Wanted, flow: &Flow, prices: &Prices) -> Vec<Item> {
    let Fleet { source_shards, rollup_shards, workers, .. } = flow.fleet;
    let beating = workers.min(measured::BEATING_WORKERS_MAX);
    // Leases of windows are another application, with beats of its own.
    let writes = 2.0 * beating * measured::WRITES_A_WORKER + (source_shards + rollup_shards) * measured::WRITES_A_SHARD;
    let reads = 2.0 * workers * measured::READS_A_WORKER + (source_shards + rollup_shards) * measured::READS_A_SHARD;
    let [writes, reads] = [writes, reads].map(|units| units * MONTH_HOURS / 1e6);
    let units = prices.of("table_writes", writes) + prices.of("table_reads", reads);

    let [stored, puts] = objects(wanted, rollup_shards);
    let kept = prices.of("object_storage", stored) + prices.of("object_puts", puts);
    vec![
        item("DynamoDB, leases and beats", writes + reads, "million units", units),
        item("S3, snapshots, views and histories of 3 days", stored, "GB", kept),
    ]
}

/// Snapshots, views and the histories that go with these: GB that lie there with their versions, and thousands of puts.
fn objects(wanted: Wanted, rollup_shards: f64) -> [f64; 2] {
    let zones = wanted.zones / rollup_shards;
    // What many zones have is put no faster than so many bytes a second.
    let period =
        |zone_bytes: f64, bytes_a_second: f64, seconds: f64| (zones * zone_bytes / bytes_a_second).max(seconds);
    let snapshots = period(measured::SNAPSHOT_BYTES, measured::SNAPSHOT_BYTES_A_SECOND, measured::SNAPSHOT_SECS);
    let histories = period(measured::HISTORY_BYTES, measured::HISTORY_BYTES_A_SECOND, measured::HISTORY_SECS);
    let parts = (zones / measured::HISTORY_ZONES).ceil();
    let versions = |period: f64| 1.0 + deployed::VERSION_DAYS * DAY_SECS / period;
    let stored = measured::SNAPSHOT_BYTES * versions(snapshots)
        + measured::VIEW_BYTES * versions(measured::VIEW_SECS)
        + measured::HISTORY_BYTES * versions(histories);
    let puts = 1.0 / snapshots + 1.0 / measured::VIEW_SECS + parts / histories;
    [wanted.zones * stored / GIB, rollup_shards * MONTH_SECS * puts / 1e3]
}

fn out(flow: &Flow, prices: &Prices) -> Vec<Item> {
    let billed = flow.billed_bytes() / GIB;
    let packed = flow.queries * flow.line.packed_bytes + flow.window_bytes * measured::WINDOW_PACKED;
    let kept = packed / MONTH_SECS * deployed::ARCHIVE_DAYS * DAY_SECS / GIB;
    // Records, windows, findings.
    let objects =
        3.0 * MONTH_SECS / deployed::OBJECT_SECS + (flow.line_bytes() + flow.window_bytes) / deployed::OBJECT_BYTES;
    let stored = prices.of("object_storage", kept) + prices.of("object_puts", objects / 1e3);
    vec![
        item("Firehose, records and windows", billed, "GB", prices.of("firehose", billed)),
        item("S3, records and windows of 400 days", kept, "GB", stored),
    ]
}

fn workers(flow: &Flow, prices: &Prices) -> Vec<Item> {
    let hours = flow.fleet.workers * MONTH_HOURS;
    let fargate = prices.of("cpu_hour", hours * deployed::CPUS) + prices.of("memory_hour", hours * deployed::MEMORY);
    let passed = flow.passed_bytes() / GIB;
    let endpoints = deployed::ENDPOINTS * deployed::ZONES;
    let network = prices.of("endpoint_hour", endpoints * MONTH_HOURS) + prices.of("endpoint_data", passed);
    vec![
        item("Fargate, workers of 1 vCPU and 2 GB", flow.fleet.workers, "workers", fargate),
        item("Interface endpoints, 5 in 2 zones", passed, "GB", network),
    ]
}

#[cfg(test)]
#[path = "cost/cost_test.rs"]
mod tests;
