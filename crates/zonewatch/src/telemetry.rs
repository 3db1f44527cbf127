//! What the process tells Prometheus: one table of every metric, and the text that `/metrics` answers.
//!
//! Counters and plain gauges go through the `metrics` macros with the names below. Two things do not fit there and are
//! kept here: histograms, which take many observations of one value at once ([`histogram`]), and what belongs
//! to a shard, which must vanish with it ([`ShardSeries`]). Label values come from closed or bounded sets: a query name
//! or an address is never one, and zone names pass through [`ZoneLabels`].

mod acknowledged;
mod histogram;
mod log;
#[cfg(test)]
mod rules_test;
mod shard_series;
#[cfg(test)]
mod table_test;
mod told;
mod zone_labels;
mod zone_series;

pub use acknowledged::count_acknowledged;
pub use histogram::{ARRIVAL_DELAY, BOUNDS_SECS, DELIVERY_DELAY, FINDING_DELAY};
pub use log::{filter, start_log};
pub use shard_series::ShardSeries;
pub use told::{count_findings, count_told};
pub use zone_labels::ZoneLabels;

use crate::http::{Listener, Refusal};
use metrics::Unit;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use std::collections::BTreeMap;

/// What a metric is to Prometheus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// The value now.
    Gauge,
    /// Observations by upper bound; see [`histogram`].
    Histogram,
}

/// A row of the table.
#[derive(Debug)]
pub struct Metric {
    /// With prefix and unit, as Prometheus sees it.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// What it counts in.
    pub unit: Unit,
    /// Its labels, in the order of the documentation.
    pub labels: &'static [&'static str],
    /// One sentence for people.
    pub help: &'static str,
}

macro_rules! metrics_table {
    ($($constant:ident = $name:literal $kind:ident $unit:ident [$($label:literal),*] $help:literal;)+) => {
        $(#[doc = $help] pub const $constant: &str = $name;)+

        /// Every metric of this process.
        pub const TABLE: &[Metric] = &[$(Metric {
            name: $constant, kind: Kind::$kind, unit: Unit::$unit, labels: &[$($label),*], help: $help,
        }),+];

        /// The constants' names, so that a test can find their uses in the source.
        #[cfg(test)]
        const CONSTANTS: &[(&str, &str)] = &[$((stringify!($constant), $name)),+];
    };
}

metrics_table! {
    QUERIES_TOTAL = "zonewatch_queries_total" Counter Count ["zone", "rcode"]
        "Queries decoded, by hosted or configured zone (the first ones by name, the rest as other) and response code.";
    QUERY_TYPES_TOTAL = "zonewatch_query_types_total" Counter Count ["type", "rcode"]
        "Queries decoded, by query type and response code.";
    REJECTS_TOTAL = "zonewatch_rejects_total" Counter Count ["reason"]
        "Input that could not be used, by reason.";
    CONTROL_MESSAGES_TOTAL = "zonewatch_control_messages_total" Counter Count []
        "Control messages of CloudWatch Logs, which are dropped.";
    ARRIVAL_DELAY_SECONDS = "zonewatch_arrival_delay_seconds" Histogram Seconds []
        "From a query to its record's arrival in the source stream.";
    DELIVERY_DELAY_SECONDS = "zonewatch_delivery_delay_seconds" Histogram Seconds []
        "From a record's arrival in the source stream to the acknowledgement of all that was made of it.";
    LATE_QUERIES_TOTAL = "zonewatch_late_queries_total" Counter Count []
        "Queries older than five minutes when their record arrived; they are delivered all the same.";
    RECORDS_TOTAL = "zonewatch_records_total" Counter Count ["stream"]
        "Kinesis records worked through: read, delivered and acknowledged.";
    SHARD_BEHIND_SECONDS = "zonewatch_shard_behind_seconds" Gauge Seconds ["stream", "shard"]
        "How far the last read of a shard held here ended behind the stream's tip.";
    SUBSCRIPTIONS_ENDED_TOTAL = "zonewatch_subscriptions_ended_total" Counter Count ["stream", "reason"]
        "Subscriptions of enhanced fan-out that ended and were renewed, by reason; over is usual, once in five minutes a shard.";
    CHECKPOINT_AGE_SECONDS = "zonewatch_checkpoint_age_seconds" Gauge Seconds ["stream", "shard"]
        "Time since a shard held here was last known to be acknowledged as far as it was read.";
    LEASES_HELD = "zonewatch_leases_held" Gauge Count ["stream"]
        "Leases that this worker holds.";
    LEASE_MOVES_TOTAL = "zonewatch_lease_moves_total" Counter Count ["stream", "reason"]
        "Leases that this worker took, lost or gave up, by reason.";
    UNCOVERED_HASH_RANGE_RATIO = "zonewatch_uncovered_hash_range_ratio" Gauge Percent ["stream"]
        "Share (0 to 1) of the stream's hash-key space whose lease nobody holds, as this worker sees it.";
    FIREHOSE_ENTRIES_TOTAL = "zonewatch_firehose_entries_total" Counter Count ["outlet", "outcome"]
        "Entries sent to Firehose, by what became of them; a refused entry is sent again.";
    FIREHOSE_BILLED_BYTES_TOTAL = "zonewatch_firehose_billed_bytes_total" Counter Bytes ["outlet"]
        "Bytes Firehose bills: every acknowledged entry rounded up to 5 KiB.";
    FIREHOSE_PAYLOAD_BYTES_TOTAL = "zonewatch_firehose_payload_bytes_total" Counter Bytes ["outlet"]
        "Bytes of the lines in acknowledged entries, before compression.";
    FIREHOSE_BLOCKED = "zonewatch_firehose_blocked" Gauge Count ["outlet"]
        "1 while an outlet is refused for a reason that only a person can remove, such as a missing permission.";
    RECORDS_LEFT_OUT_TOTAL = "zonewatch_records_left_out_total" Counter Count ["outlet", "reason"]
        "Records that the configured filters and the sample kept from an outlet.";
    QUARANTINE_TOTAL = "zonewatch_quarantine_total" Counter Count ["outcome"]
        "Rejects by what became of their bytes.";
    DIGESTS_TOTAL = "zonewatch_digests_total" Counter Count ["outcome"]
        "Digests put to the rollup stream: acknowledged, refused, failed (both put again), and marks, which are put once.";
    DIGESTS_READ_TOTAL = "zonewatch_digests_read_total" Counter Count ["outcome"]
        "Digests read from the rollup stream: applied, copy, gap (one before never came), hole, malformed, constants (of another stream's).";
    WINDOWS_TOTAL = "zonewatch_windows_total" Counter Count ["whole"]
        "Panes of a key group that were closed, by whether they count every query that was not late.";
    WINDOW_QUERIES = "zonewatch_window_queries" Gauge Count ["zone"]
        "Queries in a zone's last closed minute, from the worker that has the zone; of zones without a label of their own, all together.";
    WINDOW_RATIO = "zonewatch_window_ratio" Gauge Percent ["zone", "signal"]
        "Shares and divergences (0 to 1) in a zone's last closed minute, by signal as in docs/findings.md.";
    WINDOW_DISTINCT = "zonewatch_window_distinct" Gauge Count ["zone", "signal"]
        "Different names and resolvers in a zone's last closed minute, estimated.";
    WINDOW_TOP_QUERIES = "zonewatch_window_top_queries" Gauge Count ["zone", "of", "value"]
        "Queries of the names, resolvers, networks and edges that had most of a zone's last closed minute: at most five of each, which had a fiftieth or more, and other.";
    ANOMALY_SCORE = "zonewatch_anomaly_score" Gauge Count ["zone", "signal"]
        "How unlikely a zone's last closed minute is, by signal; from 1 on it is an alert. None in a zone's first day.";
    DUPLICATE_RATIO = "zonewatch_duplicate_ratio" Gauge Percent ["zone"]
        "Share (0 to 1) of sampled queries of a zone's last closed ten minutes that came more than once, as CloudWatch Logs may send them.";
    WINDOW_COVERAGE_RATIO = "zonewatch_window_coverage_ratio" Gauge Percent ["shard"]
        "Share (0 to 1) of the source stream that had come to the end of the last closed minute, by rollup shard.";
    WINDOW_END_TIMESTAMP_SECONDS = "zonewatch_window_end_timestamp_seconds" Gauge Seconds ["shard"]
        "End of the last closed minute, seconds since 1970, by rollup shard.";
    FINDING_ACTIVE = "zonewatch_finding_active" Gauge Count ["zone", "kind", "severity"]
        "1 while a finding is open that is not muted.";
    FINDINGS_TOTAL = "zonewatch_findings_total" Counter Count ["kind", "severity", "status", "muted"]
        "Tellings of findings, by status: opened, updated, closed, superseded.";
    FINDING_DELAY_SECONDS = "zonewatch_finding_delay_seconds" Histogram Seconds []
        "From the arrival of the last source record that a finding follows from to its opening.";
    ZONES_LIMITED_TOTAL = "zonewatch_zones_limited_total" Counter Count []
        "Windows of zones that are not judged because their key group has too many.";
    MISSED_QUERIES_TOTAL = "zonewatch_missed_queries_total" Counter Count []
        "Queries that found their window closed.";
    SNAPSHOTS_UNUSABLE_TOTAL = "zonewatch_snapshots_unusable_total" Counter Count []
        "Rollup shards that were not begun because the snapshot that their lease names is missing or not usable.";
    LIMITS_REACHED_TOTAL = "zonewatch_limits_reached_total" Counter Count ["limit"]
        "How often a limit took effect: a key of the configuration, digest_bytes and digest_zones of an epoch, or windows_max, waiting_max, shards_max and pieces_max of a key group.";
    HELD_BYTES = "zonewatch_held_bytes" Gauge Bytes []
        "Bytes of data held now, all shards together.";
    HELD_BYTES_MAX = "zonewatch_held_bytes_max" Gauge Bytes []
        "Bytes of data that may be held before reading waits (limits.held_bytes_max).";
    DATABASE_LOADS_TOTAL = "zonewatch_database_loads_total" Counter Count ["outcome"]
        "Network database files read, by outcome; after a failure the last good file stays in use.";
    HTTP_REFUSALS_TOTAL = "zonewatch_http_refusals_total" Counter Count ["listener", "reason"]
        "Requests and connections over HTTP that were refused or cut, by listener and reason.";
    BUILD_INFO = "zonewatch_build_info" Gauge Count ["version"]
        "Always 1; the label says which version runs.";
}

/// The installed recorder and what is kept beside it. Cheap to clone.
#[derive(Clone)]
pub struct Exposition {
    recorder: PrometheusHandle,
}

impl Exposition {
    /// Installs the process's recorder, describes every metric and sets what is known at the start.
    pub fn install() -> Result<Self, String> {
        let recorder = PrometheusBuilder::new()
            .install_recorder()
            .map_err(|error| format!("install the metrics recorder: {error}"))?;
        describe();
        Ok(Self { recorder })
    }

    /// The text of `/metrics`: families by name, series by label, each described.
    pub fn render(&self) -> String {
        let mut families: BTreeMap<String, String> = BTreeMap::new();
        // The recorder writes families in no order, each ended by an empty line; label values hold no line feed.
        for family in self.recorder.render().split("\n\n").filter(|family| !family.trim().is_empty()) {
            let (mut head, mut series): (Vec<&str>, Vec<&str>) = family.lines().partition(|line| line.starts_with('#'));
            head.sort_unstable();
            series.sort_unstable();
            let name = head.first().and_then(|line| line.split(' ').nth(2)).unwrap_or_default();
            let text = head.iter().chain(&series).flat_map(|line| [line, "\n"]).collect();
            families.insert(name.to_owned(), text);
        }
        for histogram in [&ARRIVAL_DELAY, &DELIVERY_DELAY, &FINDING_DELAY] {
            families.insert(histogram.name.to_owned(), histogram.render());
        }
        families.extend(shard_series::render());
        families.extend(zone_series::render());
        families.into_values().collect()
    }
}

/// Describes every metric to the current recorder. A counter over a closed set starts at 0, so that `increase()` sees
/// its first event.
fn describe() {
    for metric in TABLE {
        match metric.kind {
            Kind::Counter => metrics::describe_counter!(metric.name, metric.unit, metric.help),
            Kind::Gauge => metrics::describe_gauge!(metric.name, metric.unit, metric.help),
            Kind::Histogram => {}
        }
        if metric.kind == Kind::Counter && metric.labels.is_empty() {
            metrics::counter!(metric.name).absolute(0);
        }
    }
    for reason in dnslog::Reason::ALL {
        metrics::counter!(REJECTS_TOTAL, "reason" => reason.as_str()).absolute(0);
    }
    for listener in Listener::ALL {
        for refusal in Refusal::ALL {
            let labels = [("listener", listener.as_str()), ("reason", refusal.as_str())];
            metrics::counter!(HTTP_REFUSALS_TOTAL, &labels).absolute(0);
        }
    }
    metrics::gauge!(BUILD_INFO, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
}

/// The row of `name`.
fn metric(name: &str) -> &'static Metric {
    TABLE.iter().find(|metric| metric.name == name).expect("names come from the table's constants")
}

/// `# HELP` and `# TYPE` of `name`.
fn head(name: &str) -> String {
    let metric = metric(name);
    let kind = match metric.kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram => "histogram",
    };
    format!("# HELP {name} {}\n# TYPE {name} {kind}\n", metric.help)
}

/// A label value as the text format wants it.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
impl Exposition {
    /// For tests: a recorder of their own, not the process's.
    pub fn isolated(work: impl FnOnce()) -> Self {
        let recorder = PrometheusBuilder::new().build_recorder();
        metrics::with_local_recorder(&recorder, || {
            describe();
            work();
        });
        Self { recorder: recorder.handle() }
    }
}
