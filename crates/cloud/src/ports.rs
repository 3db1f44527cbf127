//! The ports: what the rest of the process may ask of the outside.
//!
//! Every value of a port has more than one implementation that passes the same suite. A port knows no retry policy and no
//! meaning of the bytes it carries.

use crate::{Error, WriteError};
use bytes::Bytes;
use lease::{Beaten, Lease, Member, SequenceNumber, Shard, ShardId, WorkerId, Write};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

/// A call under way. Boxed so that ports can be chosen at run time; a call costs a network round trip anyway.
pub type Call<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Where reading starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// The oldest record there is.
    TrimHorizon,
    /// What comes next.
    Latest,
    /// The first record that arrived at or after this time, milliseconds since 1970. A time in the future is now.
    AtTimestamp(i64),
    /// This record, included. If it was trimmed, the oldest record there is.
    At(SequenceNumber),
    /// The record after this one. If that was trimmed, Kinesis answers from the oldest record there is and says nothing:
    /// whoever must know that records were lost compares times (`Lease::read_until_ms`) with the retention.
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

/// What one read brought, or one event of a subscription.
#[derive(Debug, Clone)]
pub struct Batch {
    /// In the shard's order. May be empty before the tip is reached; `behind` tells.
    pub records: Vec<Record>,
    /// How far behind the stream's tip the read ended.
    pub behind: Duration,
    /// Where to go on; `None` at the end of a closed shard. In an event it is the sequence number after which
    /// the next subscription starts.
    pub next: Option<Cursor>,
    /// The shards that continue a closed one; only with its last read.
    pub children: Vec<Shard>,
}

/// Who subscribes to a stream's shards, as the stream knows it. Opaque.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consumer(pub String);

/// A shard's records as they come, pushed by the stream. It lasts a few minutes at most (Kinesis: 5) and is then renewed.
pub trait Subscription: Send {
    /// The next event, which may be empty: an open shard's says every few seconds that it lives (Kinesis: 5). `None` when
    /// the subscription has run out, or after the shard's last event. After an error nothing more comes.
    ///
    /// A call that is dropped loses nothing. While nobody calls, the stream is not asked for more.
    fn next(&mut self) -> Call<'_, Option<Result<Batch, Error>>>;
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
    /// Makes sure that the stream is there and can be used; a missing one is made with one provisioned shard, or is an error
    /// with [`Create::Never`]. How long it keeps records.
    fn ensure(&self, create: Create) -> Call<'_, Result<Duration, Error>>;
    /// All shards, closed ones included, every page.
    fn shards(&self) -> Call<'_, Result<Vec<Shard>, Error>>;
    /// A cursor at `start`.
    fn cursor<'a>(&'a self, shard: &'a ShardId, start: &'a Start) -> Call<'a, Result<Cursor, Error>>;
    /// At most `records_max` records (Kinesis: at most 10,000 and 10 MB).
    fn read<'a>(&'a self, shard: &'a ShardId, cursor: &'a Cursor, records_max: u32) -> Call<'a, Result<Batch, Error>>;
    /// The consumer of that name, which is made if there is none, once it can subscribe.
    fn register<'a>(&'a self, consumer: &'a str) -> Call<'a, Result<Consumer, Error>> {
        let _ = consumer;
        Box::pin(async { Err(without_fan_out("register", self.name())) })
    }
    /// Subscribes to a shard. A consumer may do so every 5 seconds a shard and is refused in between
    /// ([`Error::Throttled`]); the new subscription ends the one before. [`Error::Missing`] may mean that the consumer is
    /// gone: it has to be registered again.
    fn subscribe<'a>(
        &'a self,
        consumer: &'a Consumer,
        shard: &'a ShardId,
        start: &'a Start,
    ) -> Call<'a, Result<Box<dyn Subscription>, Error>> {
        let _ = (consumer, shard, start);
        Box::pin(async { Err(without_fan_out("subscribe", self.name())) })
    }
    /// Puts entries (at most [`crate::limits::PUT_ENTRIES_MAX`], [`crate::limits::PUT_BYTES_MAX`]); answers those that
    /// were refused, by index. Nothing is put twice by one call, but [`Error::Unavailable`] means that some may have been.
    fn put<'a>(&'a self, entries: &'a [Entry]) -> Call<'a, Result<Vec<Refused>, Error>>;
}

/// What a stream that can only be polled says.
fn without_fan_out(action: &'static str, stream: &str) -> Error {
    Error::Invalid { action, resource: stream.to_owned(), message: "it has no enhanced fan-out; poll it".to_owned() }
}

/// An entry of a batch that was refused; only it is sent again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Its index in the batch.
    pub index: usize,
    /// What the service said (`ServiceUnavailableException`, …).
    pub code: String,
}

/// The lease table.
pub trait LeaseTable: Send + Sync {
    /// Its name, for messages.
    fn name(&self) -> &str;
    /// Makes sure that the table is there; [`Create::Never`] only looks.
    fn ensure(&self, create: Create) -> Call<'_, Result<(), Error>>;
    /// Every row, every page; what was written before the call is in it. Rows that are not leases are left out.
    fn scan(&self) -> Call<'_, Result<Scan, Error>>;
    /// The leases whose `leaseOwner` is this worker, each row consistently. Which ones there are comes from the table's
    /// index, which may be a moment old; a table without that index (KCL 2.x made it) is scanned. Rows that can't be read
    /// are left out: [`scan`](Self::scan) names them.
    fn owned<'a>(&'a self, owner: &'a WorkerId) -> Call<'a, Result<Vec<Lease>, Error>>;
    /// One row, consistently.
    fn get<'a>(&'a self, key: &'a ShardId) -> Call<'a, Result<Option<Lease>, Error>>;
    /// One conditional write; the row as it is after it. Never sent twice by one call: its fate matters.
    fn write<'a>(&'a self, write: &'a Write) -> Call<'a, Result<Lease, WriteError>>;
}

/// What a scan of the lease table brought.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scan {
    /// The leases.
    pub leases: Vec<Lease>,
    /// Rows that say they are leases and can't be read as such. They cost their neighbours nothing, but are not missing.
    pub unreadable: Vec<Unreadable>,
    /// Workers of another consumer (KCL 3) by when each last said that it lives, in a time of its own: rows of worker
    /// metrics in this table or, up to KCL 3.4, in `<this table>-WorkerMetricStats`. Who moves between two scans is
    /// alive. That second table may be missing, or closed to this role: then nobody is in it.
    pub strangers: BTreeMap<String, i64>,
}

/// A lease row that can't be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Its key.
    pub key: ShardId,
    /// What is wrong with it, and what to do.
    pub error: Error,
}

/// The table of workers. Losing it costs nothing: its rows are written anew every second or so.
pub trait StateTable: Send + Sync {
    /// Its name, for messages.
    fn name(&self) -> &str;
    /// Makes sure that the table is there; [`Create::Never`] only looks.
    fn ensure(&self, create: Create) -> Call<'_, Result<(), Error>>;
    /// Writes a worker's own row, whatever was there, and takes `heard` out of what is announced to it; answers what is
    /// left. `expires` is when nobody needs the row any more, seconds since 1970. Never sent twice by one call.
    fn beat<'a>(&'a self, member: &'a Member, heard: &'a [ShardId], expires: i64) -> Call<'a, Result<Beaten, Error>>;
    /// These workers' rows, consistently, each once and in any order. Rows that are not there or can't be read are left
    /// out. At most [`crate::limits::READ_MEMBERS_MAX`].
    fn read<'a>(&'a self, ids: &'a [WorkerId]) -> Call<'a, Result<Vec<Member>, Error>>;
    /// Every worker's row, every page, perhaps a moment old. Rows that can't be read are left out: they are of another
    /// version, and judged by their leases alone.
    fn scan(&self) -> Call<'_, Result<Vec<Member>, Error>>;
    /// Tells a worker, in its row, that these shards come to it. `false`: there is no such row, or it says that the worker
    /// is leaving.
    fn announce<'a>(&'a self, to: &'a WorkerId, shards: &'a [ShardId]) -> Call<'a, Result<bool, Error>>;
    /// Removes a worker's row if its beat is still this one. `false`: it is not.
    fn remove<'a>(&'a self, id: &'a WorkerId, beat: u64) -> Call<'a, Result<bool, Error>>;
}

/// Where DETECT's snapshots lie: one object each, under a name that is never used again. What was put or deleted before a
/// call is seen by it.
pub trait Snapshots: Send + Sync {
    /// Where it is, for messages.
    fn name(&self) -> &str;
    /// Looks whether it is there and may be used.
    fn check(&self) -> Call<'_, Result<(), Error>>;
    /// Stores an object. [`Error::Unavailable`] may mean that it is stored.
    fn put<'a>(&'a self, name: &'a str, data: Bytes) -> Call<'a, Result<(), Error>>;
    /// An object; `None`: there is none of this name.
    fn get<'a>(&'a self, name: &'a str) -> Call<'a, Result<Option<Bytes>, Error>>;
    /// Deletes an object, whether or not it is there.
    fn delete<'a>(&'a self, name: &'a str) -> Call<'a, Result<(), Error>>;
    /// The names that begin so, every page.
    fn list<'a>(&'a self, prefix: &'a str) -> Call<'a, Result<Vec<String>, Error>>;
}

/// Whether a missing table or stream may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Create {
    /// Make it (a table with on-demand billing) and wait until it is there.
    IfMissing,
    /// What is missing is an error.
    Never,
}

/// A Firehose delivery stream.
pub trait DeliveryStream: Send + Sync {
    /// Its name, for messages and metrics.
    fn name(&self) -> &str;
    /// Looks whether it is there and takes direct puts.
    fn check(&self) -> Call<'_, Result<(), Error>>;
    /// Puts entries (at most [`crate::limits::DELIVERY_ENTRIES_MAX`], [`crate::limits::DELIVERY_BYTES_MAX`] together,
    /// [`crate::limits::DELIVERY_ENTRY_BYTES_MAX`] each); answers those that were refused, by index.
    fn put<'a>(&'a self, entries: &'a [Bytes]) -> Call<'a, Result<Vec<Refused>, Error>>;
}
