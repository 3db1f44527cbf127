//! What the calls of a fleet cost: requests and units of DynamoDB.
//!
//! The rules are those of DynamoDB's on-demand tables: a write costs a unit for each kilobyte begun, and one more for each
//! entry of an index that comes or goes; a consistent read a unit for each 4 KB begun, another read half of that; a scan
//! and a query are billed by the bytes of their pages.

use std::ops::{Add, Sub};

/// Bytes of a lease row as a worker leaves it, the greatest that a test of the real table has seen, rounded up.
pub const LEASE_BYTES: u64 = 800;
/// Bytes of a worker's row, the same way.
pub const MEMBER_BYTES: u64 = 200;
/// Bytes of an entry in the index of owners: two names and the key's overhead of 100 bytes.
const ENTRY_BYTES: u64 = 200;
/// A page of a scan.
const PAGE_BYTES: u64 = 1 << 20;
const READ_UNIT_BYTES: u64 = 4 << 10;
/// Rows that one request reads by their keys.
const BATCH_ROWS: u64 = 100;
/// Dollars a million units, us-east-1, on demand, since November 2024.
const READ_DOLLARS: f64 = 0.125;
const WRITE_DOLLARS: f64 = 0.625;

/// Requests and units.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Used {
    /// Requests.
    pub requests: f64,
    /// Read units.
    pub read_units: f64,
    /// Write units.
    pub write_units: f64,
}

impl Used {
    /// One request that writes a row below a kilobyte, and so many entries of an index.
    pub(crate) fn write(entries: u64) -> Self {
        Self { requests: 1.0, read_units: 0.0, write_units: 1.0 + entries as f64 }
    }

    /// A consistent read of so many rows by their keys.
    pub(crate) fn rows(count: u64) -> Self {
        let requests = count.div_ceil(BATCH_ROWS) as f64;
        Self { requests, read_units: count as f64, write_units: 0.0 }
    }

    /// All of so many rows, consistently or not.
    pub(crate) fn scan(rows: u64, row_bytes: u64, consistent: bool) -> Self {
        let bytes = rows * row_bytes;
        let units = bytes.div_ceil(READ_UNIT_BYTES).max(1) as f64;
        let read_units = if consistent { units } else { units / 2.0 };
        Self { requests: bytes.div_ceil(PAGE_BYTES).max(1) as f64, read_units, write_units: 0.0 }
    }

    /// So many entries of the index of owners, and then their rows.
    pub(crate) fn owned(rows: u64) -> Self {
        Self::scan(rows, ENTRY_BYTES, false) + Self::rows(rows)
    }

    /// Dollars a million of these.
    pub fn dollars_a_million(self) -> f64 {
        self.read_units * READ_DOLLARS + self.write_units * WRITE_DOLLARS
    }

    /// The same for a share of the time or of the shards.
    pub fn by(self, divisor: f64) -> Self {
        Self {
            requests: self.requests / divisor,
            read_units: self.read_units / divisor,
            write_units: self.write_units / divisor,
        }
    }

    fn times(self, factor: f64) -> Self {
        self.by(1.0 / factor)
    }
}

impl Add for Used {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            requests: self.requests + other.requests,
            read_units: self.read_units + other.read_units,
            write_units: self.write_units + other.write_units,
        }
    }
}

impl Sub for Used {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self + other.times(-1.0)
    }
}

/// What a fleet of KCL 3 uses in an hour at its default settings, each shard checkpointed every `checkpoint_secs`.
///
/// From its source (awslabs/amazon-kinesis-client 3.5.1): every lease is renewed each third of the failover time of 10 s
/// less 25 ms, and a checkpoint is a write of its own; the leader scans the leases and the workers' metrics every two
/// failover times, not consistently; every worker asks the index for its own leases every 9.975 s and writes its metrics
/// every 30 s; the leader's lock is written every 30 s. What happens rarely is left out: audits, clean-up, moves.
pub fn kcl_hour(shards: u64, workers: u64, checkpoint_secs: f64) -> Used {
    const HOUR: f64 = 3_600.0;
    // KCL's attributes alone, with sequence numbers and hash keys of full length.
    const KCL_LEASE_BYTES: u64 = 400;
    let writes = Used::write(0).times(shards as f64 * (HOUR / 3.308 + HOUR / checkpoint_secs));
    let leader = Used::scan(shards, KCL_LEASE_BYTES, false) + Used::scan(workers, 400, false);
    let discovery = Used::scan(shards.div_ceil(workers), ENTRY_BYTES, false).times(workers as f64 * HOUR / 9.975);
    let metrics = Used::write(0).times((workers as f64 + 1.0) * HOUR / 30.0);
    writes + leader.times(HOUR / 20.0) + discovery + metrics
}
