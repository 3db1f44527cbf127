//! What the services take in one call. Checked before a call leaves, so that memory and AWS refuse alike (emulators do not
//! check all of it).
//!
//! Sources: the AWS API references of Kinesis `PutRecords`, `GetRecords`, `SubscribeToShard`, DynamoDB
//! `BatchGetItem` and Firehose `PutRecordBatch`.

use crate::Entry;
use bytes::Bytes;
use lease::WorkerId;
use std::time::Duration;

/// Entries of one `PutRecords`.
pub const PUT_ENTRIES_MAX: usize = 500;
/// Bytes of one `PutRecords`, partition keys included. Kinesis takes 10 MiB since it takes large records; we keep to the
/// older 5 MiB, which every region and emulator takes.
pub const PUT_BYTES_MAX: usize = 5 << 20;
/// Records of one `GetRecords`.
pub const READ_RECORDS_MAX: u32 = 10_000;
/// Bytes of one `GetRecords`.
pub const READ_BYTES_MAX: usize = 10 << 20;
/// Bytes of one event of a subscription: what a shard gives a consumer in a second. Kinesis names no limit, but pushes
/// several times a second; only a single record larger than this makes a larger event.
pub const EVENT_BYTES_MAX: usize = 2_000_000;
/// A subscription's longest life.
pub const SUBSCRIPTION_LIFE: Duration = Duration::from_secs(300);
/// Between two subscriptions of one consumer to one shard.
pub const SUBSCRIBE_PERIOD: Duration = Duration::from_secs(5);
/// A subscription says something at least this often.
pub const EVENT_PERIOD: Duration = Duration::from_secs(5);
/// Workers' rows of one read: keys of one `BatchGetItem`.
pub const READ_MEMBERS_MAX: usize = 100;
/// Entries of one `PutRecordBatch`.
pub const DELIVERY_ENTRIES_MAX: usize = 500;
/// Bytes of one `PutRecordBatch`, before base64.
pub const DELIVERY_BYTES_MAX: usize = 4 << 20;
/// Bytes of one entry of `PutRecordBatch`, before base64.
pub const DELIVERY_ENTRY_BYTES_MAX: usize = 1000 << 10;

/// Entries as so many puts to a stream, in order.
pub fn put_calls(entries: impl IntoIterator<Item = Entry>) -> Vec<Vec<Entry>> {
    calls(entries, PUT_ENTRIES_MAX, PUT_BYTES_MAX, put_bytes)
}

/// Entries as so many puts to a delivery stream, in order.
pub fn delivery_calls(entries: impl IntoIterator<Item = Bytes>) -> Vec<Vec<Bytes>> {
    calls(entries, DELIVERY_ENTRIES_MAX, DELIVERY_BYTES_MAX, Bytes::len)
}

/// An entry that is too large alone is a call of its own, and refused there.
fn calls<T>(
    entries: impl IntoIterator<Item = T>,
    entries_max: usize,
    bytes_max: usize,
    bytes_of: impl Fn(&T) -> usize,
) -> Vec<Vec<T>> {
    let mut calls: Vec<Vec<T>> = Vec::new();
    let mut bytes = 0;
    for entry in entries {
        let length = bytes_of(&entry);
        match calls.last_mut() {
            Some(call) if call.len() < entries_max && bytes + length <= bytes_max => {
                bytes += length;
                call.push(entry);
            }
            _ => {
                bytes = length;
                calls.push(vec![entry]);
            }
        }
    }
    calls
}

/// What an entry counts in a put.
fn put_bytes(entry: &Entry) -> usize {
    entry.data.len() + entry.partition_key.len()
}

/// What is wrong with a put to a stream, if anything.
pub(crate) fn check_put(entries: &[Entry]) -> Result<(), String> {
    check_count(entries.len(), PUT_ENTRIES_MAX)?;
    let bytes: usize = entries.iter().map(put_bytes).sum();
    check_bytes(bytes, PUT_BYTES_MAX)?;
    match entries.iter().position(|entry| !(1..=256).contains(&entry.partition_key.chars().count())) {
        Some(index) => Err(format!("the partition key of entry {index} must have 1 to 256 characters")),
        None => Ok(()),
    }
}

/// What is wrong with a put to a delivery stream, if anything.
pub(crate) fn check_delivery(entries: &[Bytes]) -> Result<(), String> {
    check_count(entries.len(), DELIVERY_ENTRIES_MAX)?;
    check_bytes(entries.iter().map(Bytes::len).sum(), DELIVERY_BYTES_MAX)?;
    match entries.iter().position(|entry| entry.len() > DELIVERY_ENTRY_BYTES_MAX) {
        Some(index) => Err(format!(
            "entry {index} has {} bytes, the most is {DELIVERY_ENTRY_BYTES_MAX}; cut it",
            entries[index].len()
        )),
        None => Ok(()),
    }
}

/// What is wrong with a read of workers' rows, if anything.
pub(crate) fn check_members(ids: &[WorkerId]) -> Result<(), String> {
    check_count(ids.len(), READ_MEMBERS_MAX)
}

fn check_count(count: usize, max: usize) -> Result<(), String> {
    if count > max { Err(format!("{count} entries in one call, the most is {max}; send fewer")) } else { Ok(()) }
}

fn check_bytes(bytes: usize, max: usize) -> Result<(), String> {
    if bytes > max { Err(format!("{bytes} bytes in one call, the most is {max}; send fewer entries")) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(bytes: usize) -> Entry {
        Entry { partition_key: "k".into(), hash_key: None, data: vec![0; bytes].into() }
    }

    #[test]
    fn calls_are_as_large_as_may_be_and_in_order() {
        let sizes = |calls: Vec<Vec<Entry>>| calls.iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(sizes(put_calls((0..1_001).map(|_| entry(1)))), [500, 500, 1]);
        // A key counts too: five of a mebibyte less their keys fit, five of a mebibyte do not.
        assert_eq!(sizes(put_calls((0..6).map(|_| entry((1 << 20) - 1)))), [5, 1]);
        assert_eq!(sizes(put_calls((0..6).map(|_| entry(1 << 20)))), [4, 2]);
        assert_eq!(sizes(put_calls([entry(1), entry(PUT_BYTES_MAX + 1), entry(1)])), [1, 1, 1]);
        assert!(put_calls([]).is_empty());
        let numbered = (0..1_200_u32).map(|number| Bytes::from(number.to_string()));
        let calls = delivery_calls(numbered.clone());
        assert!(calls.iter().all(|call| check_delivery(call).is_ok()));
        assert_eq!(calls.concat(), numbered.collect::<Vec<_>>());
    }
}
