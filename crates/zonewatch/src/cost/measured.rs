//! What a query weighs on its way, as measured. Nothing here is a price.
//!
//! The test beside measures bytes anew, with traffic as `zonewatch traffic` makes it: a record of log events of one zone and
//! edge location of 5 s, as a subscription gathers them. Real names may be longer or shorter.

use dnslog::schema::Schema;

/// What one query comes to, where a zone has so many.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weight {
    /// Queries a second of a zone: of what is in a stream, in one of its shards.
    pub rate: f64,
    /// Kinesis records.
    pub records: f64,
    /// Bytes of them.
    pub bytes: f64,
    /// KiB of them, each record rounded up, as a stream on demand is billed.
    pub kibibytes: f64,
    /// Units of 25 KiB, each record rounded up, as a provisioned stream is billed.
    pub put_units: f64,
    /// Bytes of digests.
    pub digest_bytes: f64,
    /// Bytes of the lines of windows, of all three lengths.
    pub window_bytes: f64,
}

const fn weight(rate: f64, weights: [f64; 6]) -> Weight {
    let [records, bytes, kibibytes, put_units, digest_bytes, window_bytes] = weights;
    Weight { rate, records, bytes, kibibytes, put_units, digest_bytes, window_bytes }
}

/// By the rate. Events are gathered and counted together, so a busy zone's query weighs less.
pub const WEIGHTS: [Weight; 6] = [
    weight(0.01, [0.993, 317.0, 0.993, 0.993, 92.6, 1_433.0]),
    weight(0.1, [0.907, 295.0, 0.907, 0.907, 74.3, 708.0]),
    weight(1.0, [0.597, 217.0, 0.597, 0.597, 42.9, 224.0]),
    weight(10.0, [0.181, 103.5, 0.199, 0.181, 23.0, 39.7]),
    weight(100.0, [0.0270, 55.7, 0.0669, 0.0270, 8.34, 4.40]),
    weight(1_000.0, [0.00307, 43.4, 0.0439, 0.00379, 1.77, 0.475]),
];

/// An epoch's messages to all key groups, if nothing is in them.
pub const EMPTY_EPOCH_BYTES: f64 = 1_920.0;
/// Messages of an epoch: one a key group.
pub const EPOCH_MESSAGES: f64 = 16.0;

/// A log line as CloudWatch takes it in.
pub const LOGGED_BYTES: f64 = 118.0;

/// A query's line in one schema.
#[derive(Debug, Clone, Copy)]
pub struct Line {
    /// Which.
    pub schema: Schema,
    /// As it goes to Firehose.
    pub bytes: f64,
    /// As it lies in S3, in gzip.
    pub packed_bytes: f64,
    /// Queries of which one core makes lines and windows in a second, without any call, as `docs/cost.md` measures it.
    pub queries_a_core: f64,
}

/// With the original line where the schema keeps one, without network databases.
pub const LINES: [Line; 3] = [
    Line { schema: Schema::Ecs, bytes: 1_605.0, packed_bytes: 118.0, queries_a_core: 450_000.0 },
    Line { schema: Schema::Ocsf, bytes: 1_517.0, packed_bytes: 96.0, queries_a_core: 450_000.0 },
    Line { schema: Schema::Lean, bytes: 255.0, packed_bytes: 50.0, queries_a_core: 500_000.0 },
];

/// Of windows' lines, what is left of a byte in gzip.
pub const WINDOW_PACKED: f64 = 0.101;

/// A zone in a snapshot: open panes and what is usual (`benches/README.md`).
pub const SNAPSHOT_BYTES: f64 = 17_500.0 + 248_000.0;
/// A zone in memory, over the whole fleet (README, "What windows cost").
pub const MEMORY_BYTES: f64 = 400_000.0;
/// A zone in the view that other workers show: an hour of minutes, no finding.
pub const VIEW_BYTES: f64 = 2_400.0;
/// A zone in the histories: an hour of every signal by minutes (README, "What windows cost").
pub const HISTORY_BYTES: f64 = 45_000.0;
/// Zones in an object of them (`zone_views/document.rs`).
pub const HISTORY_ZONES: f64 = 256.0;
/// Histories are put each minute, those of many zones no faster than this a second (`fleet_views.rs`).
pub const HISTORY_SECS: f64 = 60.0;
/// See [`HISTORY_SECS`].
pub const HISTORY_BYTES_A_SECOND: f64 = (256_u32 << 10) as f64;
/// A snapshot is stored each minute, a larger one no faster than this a second (`rollup_task.rs`).
pub const SNAPSHOT_SECS: f64 = 60.0;
/// See [`SNAPSHOT_SECS`].
pub const SNAPSHOT_BYTES_A_SECOND: f64 = (4_u32 << 20) as f64;
/// Between two views (`fleet_views.rs`).
pub const VIEW_SECS: f64 = 10.0;
/// An epoch (`source.epoch_secs`).
pub const EPOCH_SECS: f64 = 5.0;

/// What coordination takes of DynamoDB in an hour, as the simulation counts it: units a worker and a shard. The table in
/// README is its figures; a test holds these to it. Above 50 workers each beats more rarely.
pub const WRITES_A_WORKER: f64 = 3_600.0;
/// See [`WRITES_A_WORKER`].
pub const WRITES_A_SHARD: f64 = 680.0;
/// See [`WRITES_A_WORKER`].
pub const READS_A_WORKER: f64 = 1_277.0;
/// See [`WRITES_A_WORKER`].
pub const READS_A_SHARD: f64 = 187.0;
/// See [`WRITES_A_WORKER`].
pub const BEATING_WORKERS_MAX: f64 = 50.0;
/// The Kinesis Client Library's units, by its source's periods (README).
pub const KCL_WRITES_A_SHARD: f64 = 1_775.0;

/// Queries of which one core makes ECS lines in a second, without windows and without any call.
pub const LINES_A_CORE: f64 = 1_050_000.0;
/// How much CPU an ordinary Lambda function takes for what an ECS line takes here (`benches/README.md`, `mixed`).
pub const PYTHON_TIMES: f64 = 0.344 / 0.044;
/// See [`PYTHON_TIMES`].
pub const NODE_TIMES: f64 = 0.344 / 0.070;

impl Weight {
    /// At this rate: between two measured ones along a straight line of logarithms, beyond them as at the nearest.
    pub fn at(rate: f64) -> Self {
        let place = WEIGHTS.partition_point(|weight| weight.rate <= rate);
        let (Some(lower), Some(upper)) = (place.checked_sub(1).map(|place| WEIGHTS[place]), WEIGHTS.get(place)) else {
            return if place == 0 { WEIGHTS[0] } else { WEIGHTS[WEIGHTS.len() - 1] };
        };
        let part = (rate / lower.rate).ln() / (upper.rate / lower.rate).ln();
        let between = |of: fn(&Self) -> f64| of(&lower) * (of(upper) / of(&lower)).powf(part);
        Self {
            rate,
            records: between(|weight| weight.records),
            bytes: between(|weight| weight.bytes),
            kibibytes: between(|weight| weight.kibibytes),
            put_units: between(|weight| weight.put_units),
            digest_bytes: between(|weight| weight.digest_bytes),
            window_bytes: between(|weight| weight.window_bytes),
        }
    }
}

/// The line of this schema.
pub fn line(schema: Schema) -> Line {
    LINES.into_iter().find(|line| line.schema == schema).expect("every schema was measured")
}

#[cfg(test)]
#[path = "measured_test.rs"]
mod tests;
