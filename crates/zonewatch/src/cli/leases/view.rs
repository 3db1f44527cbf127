//! What the tables say, as one document: the form of `--json`, and what the tables on a terminal are made from.
//!
//! The keys are documented in `docs/leases.md`; people's scripts depend on them.

use crate::config::rfc3339;
use cloud::{Error, Scan};
use lease::{Checkpoint, Lease, Member, ShardId, Standing, WorkerId};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Everything.
#[derive(Debug, Serialize)]
pub struct Document {
    pub table: String,
    pub state_table: String,
    /// Why the workers' rows are not here.
    pub state_table_error: Option<String>,
    pub leases: Vec<Row>,
    pub unreadable: Vec<Unreadable>,
    pub workers: Vec<Worker>,
    /// Workers of another consumer, by when each last said that it lives, in a time of its own.
    pub other_consumers: BTreeMap<String, i64>,
    pub totals: Totals,
}

/// A lease.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    pub shard: String,
    pub owner: Option<String>,
    /// Who gets it, while a hand-over is under way.
    pub next_owner: Option<String>,
    /// The owner's, from its own row; none if it has no row.
    pub owner_standing: Option<&'static str>,
    pub counter: u64,
    pub owner_switches: u64,
    pub checkpoint: String,
    pub sub_sequence: Option<u64>,
    /// Whether it is as Zonewatch last wrote it; if not, another consumer moved it.
    pub checkpoint_ours: bool,
    pub pending: Option<Pending>,
    pub floor: Option<String>,
    /// RFC 3339.
    pub start: Option<String>,
    pub read_until: Option<String>,
    pub parents: Vec<String>,
    pub children: Vec<String>,
    pub hash_range: Option<Range>,
    pub bytes_per_sec: Option<u64>,
    pub cpu_micros_per_sec: Option<u64>,
    pub ended: bool,
    /// Parents that have not ended, for which it waits.
    pub waits_for: Vec<String>,
}

/// The epoch whose delivery has begun.
#[derive(Debug, Clone, Serialize)]
pub struct Pending {
    pub first: String,
    pub last: String,
}

/// Hash keys, as decimal text: they are too long for a JSON number.
#[derive(Debug, Clone, Serialize)]
pub struct Range {
    pub start: String,
    pub end: String,
}

/// A row that can't be read.
#[derive(Debug, Clone, Serialize)]
pub struct Unreadable {
    pub shard: String,
    pub error: String,
}

/// A worker's row of the state table.
#[derive(Debug, Clone, Serialize)]
pub struct Worker {
    pub id: String,
    pub standing: &'static str,
    pub beat: u64,
    pub period_ms: u64,
    pub leases: u32,
    pub weight: u64,
    pub capacity_millicores: u32,
    pub sees_other_consumers: bool,
}

/// Sums over it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    pub leases: usize,
    pub ended: usize,
    /// Not ended, and somebody's.
    pub owned: usize,
    /// Not ended, nobody's, and not waiting for a parent.
    pub free: usize,
    pub waiting: usize,
    pub pending: usize,
    pub unreadable: usize,
    pub workers: usize,
}

impl Document {
    /// Of both tables as they were read. Ended shards come last.
    pub fn new(tables: [&str; 2], scan: &Scan, members: Result<&[Member], &Error>) -> Self {
        let standing: BTreeMap<&WorkerId, Standing> =
            members.unwrap_or_default().iter().map(|member| (&member.id, member.standing)).collect();
        let open: BTreeSet<&ShardId> =
            scan.leases.iter().filter(|lease| !has_ended(lease)).map(|lease| &lease.key).collect();
        let unreadable: BTreeSet<&ShardId> = scan.unreadable.iter().map(|row| &row.key).collect();
        let mut leases: Vec<&Lease> = scan.leases.iter().collect();
        leases.sort_by_key(|lease| (has_ended(lease), &lease.key));
        let row = |lease: &&Lease| {
            let mut row = Row::new(lease);
            row.owner_standing = lease.actual_owner().and_then(|owner| standing.get(owner)).map(|it| it.as_str());
            let waits = |parent: &&ShardId| open.contains(parent) || unreadable.contains(parent);
            row.waits_for = lease.parents.iter().filter(waits).map(ToString::to_string).collect();
            row
        };
        let rows: Vec<Row> = leases.iter().map(row).collect();
        let mut workers: Vec<Worker> = members.unwrap_or_default().iter().map(Worker::new).collect();
        workers.sort_by(|one, other| one.id.cmp(&other.id));
        let unreadable: Vec<Unreadable> = scan
            .unreadable
            .iter()
            .map(|row| Unreadable { shard: row.key.to_string(), error: row.error.to_string() })
            .collect();
        Self {
            table: tables[0].to_owned(),
            state_table: tables[1].to_owned(),
            state_table_error: members.err().map(ToString::to_string),
            totals: Totals::new(&rows, &unreadable, &workers),
            leases: rows,
            unreadable,
            workers,
            other_consumers: scan.strangers.clone(),
        }
    }
}

impl Row {
    /// Of a lease alone: its owner's standing and what it waits for are not known.
    pub fn new(lease: &Lease) -> Self {
        let text = |shards: &[ShardId]| shards.iter().map(ToString::to_string).collect();
        let handing_over = lease.checkpoint_owner.is_some();
        Self {
            shard: lease.key.to_string(),
            owner: lease.actual_owner().map(ToString::to_string),
            next_owner: lease.owner.as_ref().filter(|_| handing_over).map(ToString::to_string),
            owner_standing: None,
            counter: lease.counter,
            owner_switches: lease.owner_switches,
            checkpoint: lease.checkpoint.as_str().to_owned(),
            sub_sequence: if let Checkpoint::At { sub, .. } = lease.checkpoint { Some(sub) } else { None },
            checkpoint_ours: lease.checkpoint_is_ours(),
            pending: lease
                .pending
                .as_ref()
                .map(|epoch| Pending { first: epoch.first.as_str().to_owned(), last: epoch.last.as_str().to_owned() }),
            floor: lease.floor.as_ref().map(|floor| floor.as_str().to_owned()),
            start: lease.start_ms.map(rfc3339),
            read_until: lease.read_until_ms.map(rfc3339),
            parents: text(&lease.parents),
            children: text(&lease.children),
            hash_range: lease
                .hash_range
                .map(|range| Range { start: range.start.to_string(), end: range.end.to_string() }),
            bytes_per_sec: lease.load.map(|load| load.bytes_per_sec),
            cpu_micros_per_sec: lease.load.and_then(|load| load.cpu_micros_per_sec),
            ended: has_ended(lease),
            waits_for: Vec::new(),
        }
    }
}

impl Worker {
    fn new(member: &Member) -> Self {
        Self {
            id: member.id.to_string(),
            standing: member.standing.as_str(),
            beat: member.beat,
            period_ms: u64::try_from(member.period.as_millis()).unwrap_or(u64::MAX),
            leases: member.leases,
            weight: member.weight,
            capacity_millicores: member.capacity,
            sees_other_consumers: member.strangers,
        }
    }
}

impl Totals {
    fn new(rows: &[Row], unreadable: &[Unreadable], workers: &[Worker]) -> Self {
        let mut totals =
            Self { leases: rows.len(), unreadable: unreadable.len(), workers: workers.len(), ..Self::default() };
        for row in rows {
            totals.pending += usize::from(row.pending.is_some());
            match row {
                Row { ended: true, .. } => totals.ended += 1,
                Row { owner: Some(_), .. } => totals.owned += 1,
                Row { waits_for, .. } if !waits_for.is_empty() => totals.waiting += 1,
                _ => totals.free += 1,
            }
        }
        totals
    }
}

fn has_ended(lease: &Lease) -> bool {
    lease.checkpoint == Checkpoint::ShardEnd
}
