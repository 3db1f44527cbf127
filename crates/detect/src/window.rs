//! What one zone's window came to: numbers and short lists, without the sketches they were read from.
//!
//! Made from a pane, or from panes that were merged. Estimates say so; everything else is exact.

mod sums;

pub use sums::{Complete, LENGTHS_MS, Sums};

use crate::TopName;
use dnslog::{QueryType, ResponseCode, Transport};
use std::sync::Arc;

/// Suffixes that a window names at most.
pub const SUFFIXES_MAX: usize = 16;

/// One zone over one window.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Window {
    /// What tells the zone from others: its id, or its name where there is none.
    pub zone_key: Arc<str>,
    /// What the zone is called. An attacker may have chosen it: escape it before showing it.
    pub zone_name: Arc<str>,
    /// Where it starts, milliseconds since 1970.
    pub start_ms: i64,
    /// How long it is, milliseconds.
    pub length_ms: i64,
    /// It counts every query that was not late.
    pub whole: bool,
    /// Share of the source stream's hash-key space that had come to its end, 0 to 1.
    pub coverage: f64,
    /// Queries counted.
    pub queries: u64,
    /// By response code's place in `ResponseCode::ALL`.
    pub codes: [u64; ResponseCode::ALL.len()],
    /// By type's place in `QueryType::ALL`.
    pub types: [u64; QueryType::ALL.len()],
    /// By transport's place in `Transport::ALL`.
    pub transports: [u64; Transport::ALL.len()],
    /// Different names, estimated.
    pub distinct_names: u64,
    /// Different names that were answered NXDOMAIN at least once, estimated.
    pub distinct_nxdomain_names: u64,
    /// Different addresses that asked, estimated.
    pub distinct_resolvers: u64,
    /// Bytes of the distinct names, each without the zone, estimated: what a tunnel can have carried.
    pub sub_name_bytes: u64,
    /// How long the longest label of a query's name was.
    pub label_bytes: LabelBytes,
    /// Sum over all queries of the entropy of the name without the zone, thousandths of a bit a byte.
    pub entropy_millibits_sum: u64,
    /// Names asked most, first the one asked most, without the zone where they are inside it; empty at the apex.
    pub top_names: Vec<TopName>,
    /// Addresses that asked most.
    pub top_resolvers: Vec<TopName>,
    /// Networks that asked most: `192.0.0.0/16`, `2001:db8::/32`.
    pub top_networks: Vec<TopName>,
    /// Edge locations that answered most.
    pub top_edges: Vec<TopName>,
    /// Suffixes inside the zone with the most different names below, the most first; at most [`SUFFIXES_MAX`].
    pub suffixes: Vec<Suffix>,
    /// Queries whose event id fell into the sample of ids.
    pub sampled_ids: u64,
    /// Those of them that were copies of another.
    pub duplicate_ids: u64,
    /// Queries of the zone that were too old at their record's arrival to enter any window, since the window before.
    pub late: u64,
    /// Queries dated more than a minute after their record's arrival, since the window before.
    pub future: u64,
    /// Queries whose window was closed already, since the window before.
    pub missed: u64,
}

/// Quantiles of the longest label's length, over queries, bytes; 0 if there was no query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LabelBytes {
    /// Half of the queries have no longer one.
    pub p50: u8,
    /// 90 % of the queries have no longer one.
    pub p90: u8,
    /// 99 % of the queries have no longer one.
    pub p99: u8,
    /// The longest.
    pub max: u8,
}

/// A name inside the zone, and how many different names there were below it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Suffix {
    /// Without the zone; empty for the zone itself. An attacker may have chosen it: escape it before showing it.
    pub name: String,
    /// Different names below it, estimated.
    pub distinct: u64,
    /// Those that were answered NXDOMAIN at least once, estimated.
    pub nxdomain_distinct: u64,
    /// Bytes of those names, each without the suffix, estimated.
    pub sub_name_bytes: u64,
}
