//! What must hold, each as a function.

use crate::stream::Stream;
use lease::{Checkpoint, Epoch, Lease, ShardId};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Default)]
pub struct Oracle {
    /// Every epoch of which something may have left, by shard and first record.
    begun: BTreeMap<ShardId, BTreeMap<u64, u64>>,
    /// Every record that was delivered.
    delivered: BTreeMap<ShardId, BTreeSet<u64>>,
    /// When the last row was made that starts at the tip.
    pub last_latest_row: u64,
}

fn number(epoch_end: &lease::SequenceNumber) -> u64 {
    epoch_end.as_str().parse().expect("the stream's numbers are small")
}

impl Oracle {
    /// A checkpoint never goes back, a counter goes one up, and a parent is at its end only once its children have rows.
    pub fn wrote(&mut self, table: &BTreeMap<ShardId, Lease>, stream: &Stream, before: Option<&Lease>, after: &Lease) {
        if let Some(before) = before {
            assert!(!after.checkpoint.is_behind(&before.checkpoint), "{}: checkpoint goes back", after.key);
            assert_eq!(after.counter, before.counter + 1, "{}: counter", after.key);
        }
        if after.checkpoint == Checkpoint::ShardEnd {
            for child in stream.children(&after.key) {
                assert!(table.contains_key(&child.id), "{} has ended, its child {} has no row", after.key, child.id);
            }
            let delivered = self.delivered.get(&after.key);
            let through = before.map(|row| &row.checkpoint);
            let last = stream.shards[&after.key].records.last();
            if let (Some(Checkpoint::At { .. } | Checkpoint::TrimHorizon), Some((last, _))) = (through, last) {
                assert!(delivered.is_some_and(|all| all.contains(last)), "{} ended before its last record", after.key);
            }
        }
    }

    /// A child is not read before all its parents that have a row are at their end.
    pub fn started(&self, table: &BTreeMap<ShardId, Lease>, stream: &Stream, key: &ShardId) {
        for parent in stream.shards[key].shard.parents.iter().filter_map(|parent| table.get(parent)) {
            assert_eq!(parent.checkpoint, Checkpoint::ShardEnd, "{key} is read before its parent {}", parent.key);
        }
    }

    /// Two epochs of a shard are the same or have no record in common, whoever delivers them.
    pub fn begun(&mut self, key: &ShardId, epoch: &Epoch) {
        let (first, last) = (number(&epoch.first), number(&epoch.last));
        let epochs = self.begun.entry(key.clone()).or_default();
        if let Some((other_first, other_last)) = epochs.range(..=last).next_back() {
            let same = (*other_first, *other_last) == (first, last);
            let apart = *other_last < first;
            assert!(same || apart, "{key}: [{first}, {last}] and [{other_first}, {other_last}] were both begun");
        }
        epochs.insert(first, last);
    }

    pub fn delivered(&mut self, stream: &Stream, row: &Lease, epoch: &Epoch) {
        let (first, last) = (number(&epoch.first), number(&epoch.last));
        let records = &stream.shards[&row.key].records;
        let from = records.partition_point(|record| record.0 < first);
        let epoch = records[from..].iter().map(|record| record.0).take_while(|record| *record <= last);
        self.delivered.entry(row.key.clone()).or_default().extend(epoch);
    }

    /// Every record that arrived from `since` on was delivered, and its row says so.
    pub fn complete(&self, table: &BTreeMap<ShardId, Lease>, stream: &Stream, since: u64, at_tip: bool) {
        for (key, records) in &stream.shards {
            // A start at the tip that was cut short has not begun for a shard that was closed before anybody went on.
            if at_tip && !table.contains_key(key) && !stream.is_open(key) {
                continue;
            }
            let wanted: Vec<u64> =
                records.records.iter().filter(|(_, arrival)| *arrival >= since).map(|record| record.0).collect();
            let none = BTreeSet::new();
            let delivered = self.delivered.get(key).unwrap_or(&none);
            let lost: Vec<&u64> = wanted.iter().filter(|record| !delivered.contains(record)).collect();
            assert!(lost.is_empty(), "{key}: records {lost:?} were never delivered");
            let Some(last) = wanted.last() else { continue };
            let checkpoint = &table[key].checkpoint;
            let through = Checkpoint::through(crate::stream::sequence(*last));
            assert!(!checkpoint.is_behind(&through), "{key}: {last} is delivered, the row says {checkpoint:?}");
        }
    }
}
