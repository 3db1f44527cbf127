//! A lease row as DynamoDB attributes, in KCL 3's format with ours beside.
//!
//! The names and types of KCL's attributes are those of its `DynamoDBLeaseSerializer`. Reading is tolerant: attributes we
//! do not use (`pendingCheckpointState`, which KCL writes as bytes or, by a slip of its create path, as a number,
//! …) may hold anything.

use aws_sdk_dynamodb::types::AttributeValue;
use lease::{Checkpoint, Epoch, HashRange, Lease, Load, SequenceNumber, ShardId, WorkerId};
use std::collections::{BTreeSet, HashMap};

pub(super) const KEY: &str = "leaseKey";
pub(super) const OWNER: &str = "leaseOwner";
pub(super) const COUNTER: &str = "leaseCounter";
pub(super) const CHECKPOINT: &str = "checkpoint";
pub(super) const CHECKPOINT_SUB: &str = "checkpointSubSequenceNumber";
pub(super) const OWNER_SWITCHES: &str = "ownerSwitchesSinceCheckpoint";
pub(super) const CHILDREN: &str = "childShardIds";
pub(super) const CHECKPOINT_OWNER: &str = "checkpointOwner";
/// KCL's own two-phase checkpoint; a plain checkpoint removes it.
pub(super) const KCL_PENDING: [&str; 3] =
    ["pendingCheckpoint", "pendingCheckpointSubSequenceNumber", "pendingCheckpointState"];
pub(super) const PENDING_FIRST: &str = "zonewatchPendingFirst";
pub(super) const PENDING_LAST: &str = "zonewatchPendingLast";
pub(super) const START: &str = "zonewatchStart";
pub(super) const READ_UNTIL: &str = "zonewatchReadUntil";
pub(super) const OWN_CHECKPOINT: &str = "zonewatchCheckpoint";
pub(super) const OWN_CHECKPOINT_SUB: &str = "zonewatchCheckpointSubSequenceNumber";
pub(super) const THROUGHPUT: &str = "throughputKBps";
pub(super) const CPU: &str = "zonewatchCpu";
pub(super) const FLOOR: &str = "zonewatchFloor";
pub(super) const FLOOR_SUB: &str = "zonewatchFloorSubSequenceNumber";
pub(super) const SNAPSHOT: &str = "zonewatchSnapshot";
/// KCL spells it in the singular and stores a set.
const PARENTS: &str = "parentShardId";
const HASH_START: &str = "startingHashKey";
const HASH_END: &str = "endingHashKey";
const ENTITY_TYPE: &str = "entityType";
const LEASE: &str = "LEASE";
/// The key of KCL's own table of worker metrics; in the lease table it is the lease key.
pub(super) const LEGACY_WORKER: &str = "wid";
const WORKER_METRICS: &str = "WORKER_METRIC_STATS";
/// When a worker last wrote its metrics, seconds since 1970 by its own clock.
const LAST_UPDATE: &str = "lut";

/// A row of the table.
pub(super) type Item = HashMap<String, AttributeValue>;

pub(super) fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

pub(super) fn number(value: impl ToString + Copy) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// A set; `None` if it would be empty, which DynamoDB does not store.
pub(super) fn shard_set(shards: &[ShardId]) -> Option<AttributeValue> {
    // A set that names a member twice is refused.
    let names: BTreeSet<&str> = shards.iter().map(ShardId::as_str).collect();
    (!names.is_empty()).then(|| AttributeValue::Ss(names.into_iter().map(str::to_owned).collect()))
}

/// A checkpoint's text and sub-sequence number.
pub(super) fn checkpoint(checkpoint: &Checkpoint) -> (AttributeValue, AttributeValue) {
    let sub = match checkpoint {
        Checkpoint::At { sub, .. } => *sub,
        _ => 0,
    };
    (text(checkpoint.as_str()), number(sub))
}

/// As KCL writes it: a kilobyte is 1024 bytes, six decimals.
pub(super) fn throughput(load: Load) -> AttributeValue {
    AttributeValue::N(format!("{:.6}", load.bytes_per_sec as f64 / 1024.0))
}

/// The whole row, as it is created.
pub(super) fn item(lease: &Lease) -> Item {
    let (position, sub) = checkpoint(&lease.checkpoint);
    let (own, own_sub) = lease.own_checkpoint.as_ref().map(checkpoint).unzip();
    let (floor, floor_sub) = lease.floor.as_ref().map(checkpoint).unzip();
    let worker = |worker: &Option<WorkerId>| worker.as_ref().map(|worker| text(worker.as_str()));
    let attributes = [
        (KEY, Some(text(lease.key.as_str()))),
        (ENTITY_TYPE, Some(text(LEASE))),
        (OWNER, worker(&lease.owner)),
        (COUNTER, Some(number(lease.counter))),
        (CHECKPOINT, Some(position)),
        (CHECKPOINT_SUB, Some(sub)),
        (OWNER_SWITCHES, Some(number(lease.owner_switches))),
        (PARENTS, shard_set(&lease.parents)),
        (CHILDREN, shard_set(&lease.children)),
        (HASH_START, lease.hash_range.map(|range| text(&range.start.to_string()))),
        (HASH_END, lease.hash_range.map(|range| text(&range.end.to_string()))),
        (CHECKPOINT_OWNER, worker(&lease.checkpoint_owner)),
        (PENDING_FIRST, lease.pending.as_ref().map(|epoch| text(epoch.first.as_str()))),
        (PENDING_LAST, lease.pending.as_ref().map(|epoch| text(epoch.last.as_str()))),
        (START, lease.start_ms.map(number)),
        (READ_UNTIL, lease.read_until_ms.map(number)),
        (OWN_CHECKPOINT, own),
        (OWN_CHECKPOINT_SUB, own_sub),
        (THROUGHPUT, lease.load.map(throughput)),
        (CPU, lease.load.and_then(|load| load.cpu_micros_per_sec).map(number)),
        (FLOOR, floor),
        (FLOOR_SUB, floor_sub),
        (SNAPSHOT, lease.snapshot.as_deref().map(text)),
    ];
    attributes.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

/// The lease that a row holds; `None` if the row says that it is something else (KCL keeps worker metrics and its leader's
/// lock in the same table). The error names the row and the attribute.
pub(super) fn parse(item: &Item) -> Result<Option<Lease>, String> {
    let row = Row(item);
    if row.text(ENTITY_TYPE).is_ok_and(|kind| kind.is_some_and(|kind| kind != LEASE)) {
        return Ok(None);
    }
    let key = row.text(KEY)?.ok_or_else(|| format!("a row has no {KEY}"))?;
    row.lease(key).map(Some).map_err(|error| format!("row {key:?}: {error}; correct or delete the row"))
}

/// The key of a row, whatever else is wrong with it.
pub(super) fn key(item: &Item) -> Option<ShardId> {
    Row(item).text(KEY).ok()?.map(ShardId::new)
}

/// A KCL worker and when it last said that it lives, if the row of the lease table tells that.
pub(super) fn stranger(item: &Item) -> Option<(String, i64)> {
    let is_one = Row(item).text(ENTITY_TYPE) == Ok(Some(WORKER_METRICS));
    is_one.then(|| sign_of_life(item, KEY)).flatten()
}

/// The same, of a row of KCL's own table of worker metrics.
pub(super) fn legacy_stranger(item: &Item) -> Option<(String, i64)> {
    sign_of_life(item, LEGACY_WORKER)
}

fn sign_of_life(item: &Item, key: &str) -> Option<(String, i64)> {
    let row = Row(item);
    Some((row.text(key).ok()??.to_owned(), row.number(LAST_UPDATE).ok()??))
}

/// Typed looks at a row's attributes.
pub(super) struct Row<'a>(pub(super) &'a Item);

impl<'a> Row<'a> {
    fn lease(&self, key: &str) -> Result<Lease, String> {
        let range = match (self.digits(HASH_START)?, self.digits(HASH_END)?) {
            (Some(start), Some(end)) => Some(HashRange { start, end }),
            _ => None,
        };
        Ok(Lease {
            key: ShardId::new(key),
            owner: self.worker(OWNER)?,
            counter: self.number(COUNTER)?.ok_or_else(|| format!("{COUNTER} is missing"))?,
            checkpoint: self
                .checkpoint(CHECKPOINT, CHECKPOINT_SUB)?
                .ok_or_else(|| format!("{CHECKPOINT} is missing"))?,
            owner_switches: self.number(OWNER_SWITCHES)?.unwrap_or(0),
            parents: self.shards(PARENTS)?,
            children: self.shards(CHILDREN)?,
            hash_range: range,
            checkpoint_owner: self.worker(CHECKPOINT_OWNER)?,
            pending: self.pending()?,
            start_ms: self.number(START)?,
            read_until_ms: self.number(READ_UNTIL)?,
            own_checkpoint: self.checkpoint(OWN_CHECKPOINT, OWN_CHECKPOINT_SUB)?,
            load: self.load(),
            floor: self.checkpoint(FLOOR, FLOOR_SUB)?,
            snapshot: self.text(SNAPSHOT)?.map(Into::into),
        })
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<&'a str>, String> {
        match self.0.get(name) {
            None => Ok(None),
            Some(AttributeValue::S(text)) if !text.is_empty() => Ok(Some(text)),
            Some(_) => Err(format!("{name} is not a text")),
        }
    }

    pub(super) fn number<N: std::str::FromStr>(&self, name: &str) -> Result<Option<N>, String> {
        match self.0.get(name) {
            None => Ok(None),
            Some(AttributeValue::N(digits)) => {
                digits.parse().map(Some).map_err(|_| format!("{name} is {digits:?}, not a whole number in range"))
            }
            Some(_) => Err(format!("{name} is not a number")),
        }
    }

    /// A number that KCL writes as text.
    fn digits(&self, name: &str) -> Result<Option<u128>, String> {
        self.text(name)?
            .map(|digits| digits.parse().map_err(|_| format!("{name} is {digits:?}, not a hash key")))
            .transpose()
    }

    fn worker(&self, name: &str) -> Result<Option<WorkerId>, String> {
        Ok(self.text(name)?.map(WorkerId::new))
    }

    pub(super) fn shards(&self, name: &str) -> Result<Vec<ShardId>, String> {
        match self.0.get(name) {
            None => Ok(Vec::new()),
            Some(AttributeValue::Ss(shards)) => {
                let mut shards: Vec<_> = shards.iter().map(|shard| ShardId::new(shard)).collect();
                // A set comes back in any order.
                shards.sort();
                Ok(shards)
            }
            Some(_) => Err(format!("{name} is not a set of texts")),
        }
    }

    fn checkpoint(&self, name: &str, sub_name: &str) -> Result<Option<Checkpoint>, String> {
        let Some(position) = self.text(name)? else { return Ok(None) };
        let sub = self.number(sub_name)?.unwrap_or(0);
        let parsed = Checkpoint::parse(position, sub);
        parsed.map(Some).ok_or_else(|| format!("{name} is {position:?}, neither a sequence number nor a sentinel"))
    }

    /// Only balance depends on it, so what is not as expected is as good as absent.
    fn load(&self) -> Option<Load> {
        let kilobytes: f64 = self.number(THROUGHPUT).ok()??;
        // A cast of what is negative or no number is 0.
        let bytes_per_sec = (kilobytes * 1024.0).round() as u64;
        Some(Load { bytes_per_sec, cpu_micros_per_sec: self.number(CPU).ok().flatten() })
    }

    fn sequence(&self, name: &str) -> Result<Option<SequenceNumber>, String> {
        let Some(digits) = self.text(name)? else { return Ok(None) };
        SequenceNumber::parse(digits).map(Some).ok_or_else(|| format!("{name} is {digits:?}, not a sequence number"))
    }

    fn pending(&self) -> Result<Option<Epoch>, String> {
        match (self.sequence(PENDING_FIRST)?, self.sequence(PENDING_LAST)?) {
            (None, None) => Ok(None),
            (Some(first), Some(last)) => Ok(Some(Epoch { first, last })),
            _ => Err(format!("one of {PENDING_FIRST} and {PENDING_LAST} is missing")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_dynamodb::primitives::Blob;

    fn sequence(text: &str) -> SequenceNumber {
        SequenceNumber::parse(text).unwrap()
    }

    fn full() -> Lease {
        Lease {
            key: ShardId::new("shardId-000000000003"),
            owner: Some(WorkerId::new("b")),
            counter: 17,
            checkpoint: Checkpoint::At {
                sequence: sequence("49590338271490256608559692538361571095921575989136588898"),
                sub: 4,
            },
            owner_switches: 2,
            parents: vec![ShardId::new("shardId-000000000001"), ShardId::new("shardId-000000000002")],
            children: vec![ShardId::new("shardId-000000000004")],
            hash_range: Some(HashRange { start: 0, end: u128::MAX }),
            checkpoint_owner: Some(WorkerId::new("a")),
            pending: Some(Epoch { first: sequence("5"), last: sequence("9") }),
            start_ms: Some(1_700_000_000_000),
            read_until_ms: Some(1_700_000_000_001),
            own_checkpoint: Some(Checkpoint::TrimHorizon),
            load: Some(Load { bytes_per_sec: 1_536, cpu_micros_per_sec: Some(2_500) }),
            floor: Some(Checkpoint::At { sequence: sequence("4"), sub: 2 }),
            snapshot: Some("shardId-000000000003/17-0".into()),
        }
    }

    #[test]
    fn a_row_survives_writing_and_reading() {
        assert_eq!(parse(&item(&full())), Ok(Some(full())));
        let bare = Lease {
            owner: None,
            parents: vec![],
            children: vec![],
            hash_range: None,
            checkpoint_owner: None,
            pending: None,
            start_ms: None,
            read_until_ms: None,
            own_checkpoint: None,
            load: None,
            snapshot: None,
            floor: None,
            ..full()
        };
        assert_eq!(parse(&item(&bare)), Ok(Some(bare)));
    }

    #[test]
    fn a_row_as_kcl_writes_it_is_read() {
        // As amazon-kinesis-client 3.x creates and renews a child shard's row; older rows have no entityType.
        let mut kcl: Item = [
            ("leaseKey", text("shardId-000000000001")),
            ("leaseOwner", text("worker-1")),
            ("leaseCounter", number(42)),
            ("checkpoint", text("TRIM_HORIZON")),
            ("checkpointSubSequenceNumber", number(0)),
            ("ownerSwitchesSinceCheckpoint", number(1)),
            ("parentShardId", AttributeValue::Ss(vec!["shardId-000000000000".into()])),
            ("startingHashKey", text("0")),
            ("endingHashKey", text("170141183460469231731687303715884105727")),
            ("throughputKBps", number("12.345678")),
            ("pendingCheckpoint", text("49590338271490256608559692538361571095921575989136588898")),
            ("pendingCheckpointState", number(0)),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        let read = parse(&kcl).unwrap().unwrap();
        assert_eq!(
            (read.counter, read.checkpoint.clone(), read.own_checkpoint.clone()),
            (42, Checkpoint::TrimHorizon, None)
        );
        kcl.insert("pendingCheckpointState".into(), AttributeValue::B(Blob::new(*b"state")));
        kcl.insert("entityType".into(), text("LEASE"));
        assert_eq!(parse(&kcl), Ok(Some(read)));
    }

    #[test]
    fn rows_of_other_kinds_are_no_leases() {
        for kind in ["WORKER_METRIC_STATS", "LEADER", "STREAM", "of a later version"] {
            let row: Item = [("leaseKey", text("any")), ("entityType", text(kind))]
                .map(|(name, value)| (name.to_owned(), value))
                .into();
            assert_eq!(parse(&row), Ok(None), "{kind}");
        }
    }

    #[test]
    fn a_row_of_worker_metrics_is_a_sign_of_life() {
        let row = |key: &str, more: &[(&str, AttributeValue)]| -> Item {
            let more = more.iter().cloned();
            [(key, text("w"))].into_iter().chain(more).map(|(name, value)| (name.to_owned(), value)).collect()
        };
        let (kind, at) = ((ENTITY_TYPE, text(WORKER_METRICS)), (LAST_UPDATE, number(1_767_323_045)));
        let alive = Some(("w".to_owned(), 1_767_323_045));
        assert_eq!(stranger(&row(KEY, &[kind.clone(), at.clone()])), alive);
        assert_eq!(stranger(&row(KEY, &[kind])), None);
        assert_eq!(stranger(&row(KEY, &[(ENTITY_TYPE, text("LEADER")), at.clone()])), None);
        assert_eq!(legacy_stranger(&row(LEGACY_WORKER, &[at])), alive);
        assert_eq!(legacy_stranger(&row(LEGACY_WORKER, &[(LAST_UPDATE, text("now"))])), None);
    }

    #[test]
    fn a_damaged_row_is_named() {
        let damages = [
            ("leaseCounter", Some(text("17"))),
            ("leaseCounter", Some(number("-1"))),
            ("leaseCounter", None),
            ("checkpoint", None),
            ("checkpoint", Some(text("0123"))),
            ("leaseOwner", Some(number(1))),
            ("parentShardId", Some(text("shardId-000000000001"))),
            ("startingHashKey", Some(text("low"))),
            ("zonewatchPendingLast", None),
            ("zonewatchStart", Some(number("1e400"))),
        ];
        for (name, value) in damages {
            let mut row = item(&full());
            match value {
                Some(value) => row.insert(name.to_owned(), value),
                None => row.remove(name),
            };
            let error = parse(&row).unwrap_err();
            assert!(error.contains("shardId-000000000003") && error.contains(name), "{name}: {error}");
        }
    }
}
