//! Every call that leaves the process.
//!
//! Small traits (ports) with the errors their callers react to; [`aws`] and [`memory`] stand behind them and pass one
//! contract suite. [`faulty`] wraps any of them and spoils calls by a seed. Only `aws` names an SDK type.

pub mod aws;
pub mod faulty;
pub mod memory;

use bytes::Bytes;
use lease::{Lease, SequenceNumber, Shard, ShardId, Write};
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

/// A call under way. Boxed so that ports can be chosen at run time; a call costs a network round trip anyway.
pub type Call<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Why a call failed. One variant per reaction of the caller; each says which action on which resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// Refused for now, before it took effect. The same call is right after this pause.
    Throttled { action: &'static str, resource: String, retry_after: Duration },
    /// No answer, or one that says nothing. A write may have taken effect.
    Unavailable { action: &'static str, resource: String, message: String },
    /// The caller may not do this. Nothing will change until a person acts: name the action and the resource.
    Denied { action: &'static str, resource: String, message: String },
    /// The stream, table or shard is not there.
    Missing { action: &'static str, resource: String, message: String },
    /// The iterator is too old; make a new one from the last position.
    Expired,
    /// The call itself is wrong. Sending it again is pointless.
    Invalid { action: &'static str, resource: String, message: String },
}

/// Where reading starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// The oldest record there is.
    TrimHorizon,
    /// What comes next.
    Latest,
    /// The first record that arrived at or after this time, milliseconds since 1970. A time in the future is now.
    AtTimestamp(i64),
    /// This record, included.
    At(SequenceNumber),
    /// The record after this one.
    After(SequenceNumber),
}

/// Where the next read continues. Opaque; grows old (Kinesis: 5 minutes).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor(pub String);

/// A record as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its place.
    pub sequence: SequenceNumber,
    /// When it reached the stream, milliseconds since 1970.
    pub arrival_ms: i64,
    /// What it says.
    pub data: Bytes,
}

/// What one read brought.
#[derive(Debug, Clone)]
pub struct Batch {
    /// In the shard's order.
    pub records: Vec<Record>,
    /// How far behind the stream's tip the read ended.
    pub behind: Duration,
    /// Where to go on; `None` at the end of a closed shard.
    pub next: Option<Cursor>,
    /// The shards that continue a closed one; only with its last read.
    pub children: Vec<Shard>,
}

/// A record to be put.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Chooses the shard, unless `hash_key` does.
    pub partition_key: String,
    /// The exact hash key.
    pub hash_key: Option<u128>,
    /// What it says.
    pub data: Bytes,
}

/// A Kinesis stream.
pub trait Stream: Send + Sync {
    /// Its name or ARN, for messages.
    fn name(&self) -> &str;
    /// All shards, closed ones included, every page.
    fn shards(&self) -> Call<'_, Result<Vec<Shard>, Error>>;
    /// A cursor at `start`.
    fn cursor<'a>(&'a self, shard: &'a ShardId, start: &'a Start) -> Call<'a, Result<Cursor, Error>>;
    /// At most `records_max` records (Kinesis: at most 10,000 and 10 MB).
    fn read<'a>(&'a self, shard: &'a ShardId, cursor: &'a Cursor, records_max: u32) -> Call<'a, Result<Batch, Error>>;
    /// Puts entries (Kinesis: at most 500 and 5 MB); answers those that were refused, by index.
    fn put<'a>(&'a self, entries: &'a [Entry]) -> Call<'a, Result<Vec<Refused>, Error>>;
}

/// An entry of a batch that was refused; only it is sent again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Its index in the batch.
    pub index: usize,
    /// What the service said (`ServiceUnavailableException`, …).
    pub code: String,
}

/// Why a lease write did not happen, or may not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteError {
    /// The condition does not hold. The row as it is (`None`: there is none).
    Refused(Option<Box<Lease>>),
    /// Not written, or nobody knows: see the error. `Error::Unavailable` means unknown: read the row and believe it.
    Failed(Error),
}

/// The lease table.
pub trait LeaseTable: Send + Sync {
    /// Its name, for messages.
    fn name(&self) -> &str;
    /// Makes sure that the table is there; `Create::Never` only looks.
    fn ensure(&self, create: Create) -> Call<'_, Result<(), Error>>;
    /// Every lease row, every page. Rows that are not leases are left out.
    fn scan(&self) -> Call<'_, Result<Vec<Lease>, Error>>;
    /// One row, consistently.
    fn get<'a>(&'a self, key: &'a ShardId) -> Call<'a, Result<Option<Lease>, Error>>;
    /// One conditional write; the row as it is after it.
    fn write<'a>(&'a self, write: &'a Write) -> Call<'a, Result<Lease, WriteError>>;
}

/// Whether a missing table may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Create {
    /// Make it (on-demand billing) and wait until it is there.
    IfMissing,
    /// A missing table is an error.
    Never,
}

/// A Firehose delivery stream.
pub trait DeliveryStream: Send + Sync {
    /// Its name, for messages and metrics.
    fn name(&self) -> &str;
    /// Looks whether it is there and takes direct puts.
    fn check(&self) -> Call<'_, Result<(), Error>>;
    /// Puts entries (Firehose: at most 500, 4 MiB, 1,000 KiB each); answers those that were refused, by index.
    fn put<'a>(&'a self, entries: &'a [Bytes]) -> Call<'a, Result<Vec<Refused>, Error>>;
}
