//! Changing leases: what is shown is written on, or nothing is.
//!
//! Every write is conditional on the counter of the row that was shown. An owner that lives is in the way, unless it is
//! forced: it would go on until its next write is refused, and deliver meanwhile what its successor delivers too.

use super::view::Row;
use crate::config::rfc3339;
use crate::liveness::{self, Verdict};
use cloud::{Error, LeaseTable, StateTable, WriteError};
use lease::{Checkpoint, Commit, Lease, ShardId, Then, WorkerId, Write};
use serde::Serialize;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// Both tables, and how long a lease lives.
pub struct Place {
    pub table: Arc<dyn LeaseTable>,
    pub state: Arc<dyn StateTable>,
    pub failover: Duration,
}

/// What is to become of leases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// They are nobody's.
    Release,
    /// Their checkpoint is this, and they are nobody's.
    Reset {
        to: Checkpoint,
        /// For `AT_TIMESTAMP`, milliseconds since 1970.
        start_ms: Option<i64>,
    },
}

/// How it was asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Asked {
    /// Not only to say what would happen.
    pub yes: bool,
    /// Whether or not an owner lives.
    pub force: bool,
    /// The counter that the row had when it was last shown.
    pub counter: Option<u64>,
}

/// What came of it: the form of `--json`.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Whether everything that was asked for is done.
    pub done: bool,
    /// Why nothing was tried.
    pub refused: Option<String>,
    pub leases: Vec<Changed>,
}

/// One lease of it.
#[derive(Debug, Serialize)]
pub struct Changed {
    pub shard: String,
    pub outcome: Outcome,
    /// What it means, or why not.
    pub message: String,
    pub before: Row,
    /// As it is now, as far as it is known.
    pub after: Option<Row>,
}

/// What came of one lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It would be done with `--yes`.
    Planned,
    /// It is done.
    Done,
    /// There was nothing to do.
    Unchanged,
    /// Somebody wrote since it was shown. Nothing was written.
    Raced,
    /// Not written, or not known to be.
    Failed,
}

impl Change {
    /// The conditional write that does it; `None`: there is nothing to do.
    fn write(&self, row: &Lease) -> Option<Write> {
        let (key, counter) = (row.key.clone(), row.counter);
        match self {
            Self::Release if row.owner.is_none() && row.checkpoint_owner.is_none() => None,
            Self::Release => {
                let commit = Commit {
                    // An epoch of before another consumer moved the checkpoint is void.
                    pending: row.pending.clone().filter(|_| row.checkpoint_is_ours()),
                    ..Commit::at(row.checkpoint.clone(), Then::Release)
                };
                Some(Write::Commit { key, counter, commit })
            }
            Self::Reset { to, start_ms } => Some(Write::Reset { key, counter, to: to.clone(), start_ms: *start_ms }),
        }
    }

    /// What it means for a lease, in words.
    pub fn means(&self, row: &Lease) -> String {
        let Self::Reset { to, start_ms } = self else {
            let void = if row.pending.is_some() && !row.checkpoint_is_ours() {
                "; its pending epoch is dropped, since another consumer moved the checkpoint"
            } else {
                ""
            };
            let from = row.actual_owner().map_or("nobody", WorkerId::as_str);
            return format!(
                "the lease is taken from {from} and nobody's; the next worker that looks goes on from the checkpoint, and \
                 what was not acknowledged is delivered again{void}"
            );
        };
        let place = match start_ms {
            Some(ms) => format!("AT_TIMESTAMP {}", rfc3339(*ms)),
            None => to.as_str().to_owned(),
        };
        format!("the checkpoint goes from {} to {place}: {}", row.checkpoint.as_str(), consequence(row, to, *start_ms))
    }
}

/// What moving a checkpoint costs.
fn consequence(row: &Lease, to: &Checkpoint, start_ms: Option<i64>) -> String {
    let again = "backwards, records after the new place are delivered again, with the same ids";
    let skipped = "forwards, records in between are skipped and never delivered";
    let was_read = matches!(row.checkpoint, Checkpoint::At { .. } | Checkpoint::ShardEnd);
    let ended = row.checkpoint == Checkpoint::ShardEnd;
    let consequence = match (to, start_ms, row.read_until_ms) {
        (Checkpoint::Latest, ..) => {
            "records that are there already and not yet delivered are skipped; reading begins with what comes next"
        }
        (_, Some(start_ms), Some(read_until_ms)) if was_read && !ended => {
            if start_ms <= read_until_ms {
                again
            } else {
                skipped
            }
        }
        (Checkpoint::AtTimestamp, ..) if was_read => {
            "records that arrived since then are delivered again if they were before, with the same ids"
        }
        (Checkpoint::AtTimestamp, ..) => "reading begins with what arrived since then",
        (to, ..) if was_read && to.is_behind(&row.checkpoint) => again,
        (Checkpoint::TrimHorizon, ..) => "reading begins at the oldest record",
        (to, ..) if *to == row.checkpoint => "that is the same place",
        _ => skipped,
    };
    match ended {
        true => format!("{consequence}; the shard had ended and is read again, up to its end"),
        false => consequence.to_owned(),
    }
}

/// Does it, or says what it would do. `keys`: which; none means all.
pub async fn change(
    place: &Place,
    change: &Change,
    keys: Option<&ShardId>,
    asked: Asked,
    tell: &mut dyn FnMut(String),
) -> Result<Report, Error> {
    let scan = place.table.scan().await?;
    let mut report = Report { done: true, refused: None, leases: Vec::new() };
    let chosen = match choose(&scan, place.table.name(), keys) {
        Ok(chosen) => chosen,
        Err(refused) => return Ok(Report { done: false, refused: Some(refused), ..report }),
    };
    let mut plan = Vec::new();
    for row in chosen {
        let at_end = matches!(change, Change::Reset { to: Checkpoint::Latest, .. }) && keys.is_none();
        if at_end && row.checkpoint == Checkpoint::ShardEnd {
            report.leases.push(Changed::new(
                &row,
                Outcome::Unchanged,
                "the shard has ended: nothing comes next in it".into(),
                None,
            ));
        } else if asked.counter.is_some_and(|counter| counter != row.counter) {
            let message = "it has changed since it was shown; nothing was written".to_owned();
            report.leases.push(Changed::new(&row, Outcome::Raced, message, Some(&row)));
        } else if let Some(write) = change.write(&row) {
            plan.push((row, write));
        } else {
            report.leases.push(Changed::new(&row, Outcome::Unchanged, "it is nobody's already".into(), None));
        }
    }
    if !asked.yes {
        let planned = plan.iter().map(|(row, _)| Changed::new(row, Outcome::Planned, change.means(row), None));
        report.leases.extend(planned);
    } else {
        report.refused = in_the_way(place, &plan, asked.force, tell).await?;
        for (row, write) in plan.iter().filter(|_| report.refused.is_none()) {
            let changed = carry_out(&*place.table, row, write, change).await;
            report.leases.push(changed);
        }
    }
    if keys.is_none() && !scan.unreadable.is_empty() {
        tell(format!(
            "{} rows can't be read and are left as they are: zonewatch leases list shows them",
            scan.unreadable.len()
        ));
        report.done = false;
    }
    report.leases.sort_by(|one, other| one.shard.cmp(&other.shard));
    let is_done = |changed: &Changed| matches!(changed.outcome, Outcome::Done | Outcome::Unchanged);
    report.done &= report.refused.is_none() && report.leases.iter().all(is_done);
    Ok(report)
}

fn choose(scan: &cloud::Scan, table: &str, key: Option<&ShardId>) -> Result<Vec<Lease>, String> {
    let Some(key) = key else { return Ok(scan.leases.clone()) };
    if let Some(row) = scan.leases.iter().find(|row| row.key == *key) {
        return Ok(vec![row.clone()]);
    }
    match scan.unreadable.iter().find(|row| row.key == *key) {
        Some(row) => Err(format!("the lease {key} can't be read: {}", row.error)),
        None => Err(format!("there is no lease {key} in {table}; zonewatch leases list shows those that are there")),
    }
}

/// The owners that live or can't be looked at, unless they are not asked about.
async fn in_the_way(
    place: &Place,
    plan: &[(Lease, Write)],
    force: bool,
    tell: &mut dyn FnMut(String),
) -> Result<Option<String>, Error> {
    let owners: BTreeSet<WorkerId> =
        plan.iter().flat_map(|(row, _)| [&row.owner, &row.checkpoint_owner]).flatten().cloned().collect();
    if force || owners.is_empty() {
        return Ok(None);
    }
    let judged = liveness::judge(&*place.table, &*place.state, &owners, place.failover, Duration::ZERO, tell).await?;
    let mut reasons = Vec::new();
    for (owner, verdict) in &judged.verdicts {
        match verdict {
            Verdict::Dead(_) => {}
            Verdict::Alive(sign) => reasons.push(format!("{owner} is alive ({sign})")),
            Verdict::Unknown(why) => reasons.push(format!("it can't be told whether {owner} is alive ({why})")),
        }
    }
    let advice = "stop it first, so that it commits and gives its leases back, or add --force: it goes on delivering until \
                  its next write is refused";
    Ok((!reasons.is_empty()).then(|| format!("{}; nothing was written; {advice}", reasons.join(", "))))
}

async fn carry_out(table: &dyn LeaseTable, row: &Lease, write: &Write, change: &Change) -> Changed {
    let done = |after: &Lease| Changed::new(row, Outcome::Done, change.means(row), Some(after));
    let raced = |now: Option<&Lease>| {
        let message = match now {
            Some(_) => "somebody wrote since it was shown; nothing was written",
            None => "the row is no longer there; nothing was written",
        };
        Changed::new(row, Outcome::Raced, message.to_owned(), now)
    };
    let failed = |message: String| Changed::new(row, Outcome::Failed, message, None);
    match table.write(write).await {
        Ok(after) => done(&after),
        Err(WriteError::Refused(now)) => raced(now.as_deref()),
        // Whether it was written, only the row can tell.
        Err(WriteError::Failed(error @ Error::Unavailable { .. })) => match table.get(&row.key).await {
            Ok(Some(now)) if write.apply(Some(row)).as_ref() == Ok(&now) => done(&now),
            Ok(Some(now)) if now.counter == row.counter => failed(format!("{error}; nothing was written, try again")),
            Ok(now) => raced(now.as_ref()),
            Err(_) => failed(format!("{error}; whether it was written is not known, look at the row")),
        },
        Err(WriteError::Failed(error)) => failed(error.to_string()),
    }
}

impl Changed {
    fn new(row: &Lease, outcome: Outcome, message: String, after: Option<&Lease>) -> Self {
        Self { shard: row.key.to_string(), outcome, message, before: Row::new(row), after: after.map(Row::new) }
    }
}

#[cfg(test)]
#[path = "change_test.rs"]
mod tests;
