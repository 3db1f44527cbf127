//! The configuration: one TOML file, every key also as `ZONEWATCH_SECTION__KEY`.
//!
//! Read once and checked before the first call leaves the process. Every field has a default, a unit and a sentence
//! saying when to change it; unknown keys are errors that name the nearest key.

#[cfg(test)]
mod document_test;
mod keys;
mod load;
mod rules;
mod time;

pub use load::load;
pub use rules::worker_faults;
pub use time::{rfc3339, rfc3339_ms};

use dnslog::schema::Schema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

/// All of it.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    pub worker: Worker,
    pub source: Source,
    pub leases: Leases,
    pub decode: Decode,
    pub enrich: Enrich,
    pub records: Records,
    pub quarantine: Quarantine,
    pub detect: Detect,
    pub privacy: Privacy,
    pub limits: Limits,
    pub http: Http,
    pub log: Log,
}

/// Who this worker is.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Worker {
    /// The application's name, shared by its workers: it names the lease table.
    pub app: String,
    /// This worker's name, unique in the fleet; empty: made from the host name, the process id and a random part.
    pub id: String,
}

/// What is read.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Source {
    /// The Kinesis stream with the query logs: a name or an ARN. Required by `worker`.
    pub stream: String,
    /// Where a shard without a checkpoint starts: `TRIM_HORIZON`, `LATEST` or `AT_TIMESTAMP`.
    pub start: StartPosition,
    /// The time for `AT_TIMESTAMP`, RFC 3339.
    pub start_at: String,
    /// How shards are read: `polling` or `fan-out`.
    pub retrieval: Retrieval,
    /// For `fan-out`, the name of the stream's consumer; empty: `worker.app`.
    pub consumer: String,
    /// Records asked for in one read; Kinesis gives 10,000 at most.
    pub records_max: u32,
    /// Milliseconds between two reads of a shard at the tip. Kinesis allows five reads a second for all consumers.
    pub poll_ms: u64,
    /// The same for a shard that has been empty for a while.
    pub idle_poll_ms: u64,
    /// Seconds after an epoch's first record was read until it is cut.
    pub epoch_secs: u64,
}

/// How shards are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Retrieval {
    Polling,
    FanOut,
}

/// Where reading starts when there is no checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StartPosition {
    TrimHorizon,
    Latest,
    AtTimestamp,
}

/// The lease table.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Leases {
    /// The DynamoDB table; empty: `worker.app`.
    pub table: String,
    /// Seconds without a sign of an owner until others may take its lease; workers beat ten times in it.
    pub failover_secs: u64,
    /// Leases this worker holds at most; 0: no limit.
    pub held_max: u32,
    /// Whether a missing table is created (on-demand billing); `--no-create` says no.
    pub create: bool,
}

/// Caps of one record.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Decode {
    /// Bytes of a record's inflated form.
    pub inflated_bytes_max: usize,
    /// Log events of a record.
    pub events_max: usize,
}

/// Reference data.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Enrich {
    /// Network databases (`.mmdb`: country, city or ASN), each replaced in the running process when its file is.
    pub databases: Vec<PathBuf>,
    /// Seconds between two looks whether such a file, or another that is followed (`detect.tuning`, `http.token_file`,
    /// `http.users_file`), was replaced.
    pub reload_secs: u64,
    /// Hosted zone id → zone name, for log groups that do not carry the name.
    pub zones: BTreeMap<String, String>,
}

/// The records outlet.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Records {
    /// Firehose delivery streams; with several, entries are spread over them. Empty: metrics only.
    pub delivery_streams: Vec<String>,
    /// The record form: `ecs`, `ocsf` or `lean`.
    pub schema: Schema,
    /// Whether records carry the original log line.
    pub original: bool,
    /// `lines`: many records an entry, close under a multiple of 5 KiB, as Firehose bills. `single`: one an entry.
    pub packing: Packing,
    /// `none`, or `gzip`: each entry a gzip member.
    pub compression: Compression,
    /// Zones whose records are delivered, by id or name; empty: all.
    pub zones: Vec<String>,
    /// Query types whose records are delivered; empty: all.
    pub types: Vec<String>,
    /// Response codes whose records are delivered; empty: all.
    pub response_codes: Vec<String>,
    /// Share of records delivered, 0 to 1, chosen by a hash of the event id: the same for every worker and replay.
    pub sample: f64,
}

/// How records become entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Packing {
    Lines,
    Single,
}

/// How entries are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    None,
    Gzip,
}

/// Where rejects are kept. With neither, they are counted only.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Quarantine {
    /// A Firehose delivery stream.
    pub delivery_stream: String,
    /// A file that is appended to; empty: none.
    #[serde(with = "optional_path")]
    pub file: Option<PathBuf>,
}

/// Windows over the whole fleet.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Detect {
    /// Whether windows are computed. All workers of an application must agree.
    pub enabled: bool,
    /// The Kinesis stream between the stages; empty: `<worker.app>-rollup`. Made if it is missing and `leases.create` allows it.
    pub rollup_stream: String,
    /// The S3 bucket for snapshots; objects begin with `<worker.app>/`. Required if `enabled`.
    pub bucket: String,
    /// Seconds that an event may be older than its record's arrival and still count in its window. A constant of the rollup
    /// stream.
    pub lateness_secs: u32,
    /// A Firehose delivery stream for windows; empty: they are counted only.
    pub windows_delivery_stream: String,
    /// A Firehose delivery stream for findings; empty: they are in the log, the metrics and the API only.
    pub findings_delivery_stream: String,
    /// A file that says how much somebody wants to hear, replaced in the running process when it is; empty: the defaults.
    #[serde(with = "optional_path")]
    pub tuning: Option<PathBuf>,
    /// A file of baselines, as `replay --baselines` writes it, for zones that are not known yet; empty: none.
    #[serde(with = "optional_path")]
    pub baselines: Option<PathBuf>,
}

/// How much of the addresses of resolvers and client subnets anybody is to see.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Privacy {
    /// Bits of an IPv4 address that are kept, everywhere; 32: all.
    pub ipv4_prefix: u8,
    /// Bits of an IPv6 address that are kept, everywhere; 128: all.
    pub ipv6_prefix: u8,
}

/// What the process may hold and show.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Bytes of data held at once, all shards together, calls under way included. When they are spent, reading waits. A
    /// process takes at most twice as much and 128 MiB: a record is taken in whole, and the allocator keeps some.
    pub held_bytes_max: usize,
    /// Bytes of enriched records in one epoch of one shard; a larger epoch is cut early.
    pub epoch_bytes_max: usize,
    /// Hosted and configured zones with metrics of their own; the rest are counted as `other`.
    pub metric_zones_max: usize,
}

/// Where HTTP listens.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Http {
    /// `/metrics`, `/healthz`, `/readyz`.
    pub operations: SocketAddr,
    /// The status page and its API.
    pub people: SocketAddr,
    /// A file of tokens that open the page to programs, replaced in the running process when it is; empty: none.
    #[serde(with = "optional_path")]
    pub token_file: Option<PathBuf>,
    /// A file of users and bcrypt hashes of their passwords, which open the page to browsers, replaced likewise; empty: none.
    #[serde(with = "optional_path")]
    pub users_file: Option<PathBuf>,
}

/// The log on standard error.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// `text` or `json`.
    pub format: LogFormat,
    /// What is logged, as tracing's filter directives: `info`, `zonewatch=debug`.
    pub level: String,
}

/// The log's form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Text,
    Json,
}

impl Default for Worker {
    fn default() -> Self {
        Self { app: "zonewatch".into(), id: String::new() }
    }
}

impl Default for Source {
    fn default() -> Self {
        Self {
            stream: String::new(),
            start: StartPosition::TrimHorizon,
            start_at: String::new(),
            retrieval: Retrieval::Polling,
            consumer: String::new(),
            records_max: 10_000,
            poll_ms: 500,
            idle_poll_ms: 1_000,
            epoch_secs: 5,
        }
    }
}

impl Default for Leases {
    fn default() -> Self {
        Self { table: String::new(), failover_secs: 10, held_max: 0, create: true }
    }
}

impl Default for Decode {
    fn default() -> Self {
        let limits = dnslog::Limits::default();
        Self { inflated_bytes_max: limits.inflated_bytes_max, events_max: limits.events_max }
    }
}

impl Default for Enrich {
    fn default() -> Self {
        Self { databases: Vec::new(), reload_secs: 60, zones: BTreeMap::new() }
    }
}

impl Default for Records {
    fn default() -> Self {
        Self {
            delivery_streams: Vec::new(),
            schema: Schema::Ecs,
            original: true,
            packing: Packing::Lines,
            compression: Compression::None,
            zones: Vec::new(),
            types: Vec::new(),
            response_codes: Vec::new(),
            sample: 1.0,
        }
    }
}

impl Default for Detect {
    fn default() -> Self {
        Self {
            enabled: false,
            rollup_stream: String::new(),
            bucket: String::new(),
            lateness_secs: 300,
            windows_delivery_stream: String::new(),
            findings_delivery_stream: String::new(),
            tuning: None,
            baselines: None,
        }
    }
}

impl Default for Privacy {
    fn default() -> Self {
        Self { ipv4_prefix: 32, ipv6_prefix: 128 }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { held_bytes_max: 512 << 20, epoch_bytes_max: 16 << 20, metric_zones_max: 500 }
    }
}

impl Default for Http {
    fn default() -> Self {
        Self {
            operations: ([127, 0, 0, 1], 9464).into(),
            people: ([127, 0, 0, 1], 9465).into(),
            token_file: None,
            users_file: None,
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Text, level: "info".into() }
    }
}

/// TOML has no null: an empty path stands for none.
mod optional_path {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use std::path::PathBuf;

    #[allow(clippy::ref_option)] // The signature is serde's.
    pub(super) fn serialize<S: Serializer>(path: &Option<PathBuf>, serializer: S) -> Result<S::Ok, S::Error> {
        path.clone().unwrap_or_default().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
        let path = PathBuf::deserialize(deserializer)?;
        Ok((!path.as_os_str().is_empty()).then_some(path))
    }
}
