//! How far behind the checkpoints are: a read of one record at each.

use super::stream::Source;
use super::{Finding, Need, Ports, failed};
use cloud::{Error, Start, Stream};
use lease::{Checkpoint, Lease};
use std::time::Duration;

const CHECK: &str = "lag";
/// Shards that are read at their checkpoints. Each read counts against the five a second that all consumers share.
const SHARDS_MAX: usize = 50;
/// Shards that are told one by one.
const TOLD_MAX: usize = 5;
/// A busy shard is some seconds behind: an epoch is open, another under way.
const WARNING: Duration = Duration::from_secs(60);

/// Reads at the checkpoints of leases that have begun and not ended.
pub async fn examine(ports: &Ports, source: &Source, out: &mut Vec<Finding>) {
    let scan = match ports.table.scan().await {
        Ok(scan) => scan,
        Err(error) => return out.push(failed(CHECK, &error, Need::Worker)),
    };
    let listed = |lease: &Lease| source.shards.as_ref().is_none_or(|shards| shards.contains_key(&lease.key));
    let mut leases: Vec<(Lease, Start)> = scan
        .leases
        .into_iter()
        .filter(listed)
        .filter_map(|lease| place_of(&lease).map(|start| (lease, start)))
        .collect();
    leases.sort_by(|(one, _), (other, _)| one.key.cmp(&other.key));
    let all = leases.len();
    leases.truncate(SHARDS_MAX);
    let (mut behind, mut throttled) = (Vec::new(), 0);
    for (lease, start) in &leases {
        match behind_at(&*ports.stream, lease, start).await {
            Ok(duration) => behind.push((lease.key.to_string(), duration)),
            // Workers take their share of the five reads a second.
            Err(Error::Throttled { .. }) => throttled += 1,
            Err(error) => return out.push(failed(CHECK, &error, Need::Worker)),
        }
    }
    if throttled > 0 {
        let found = format!("{throttled} shards were read too often to be looked at");
        out.push(Finding::not_checked(CHECK, "throttled shards", found, "run doctor again; the metrics show all"));
    }
    out.extend(judged(behind, all, source.retention_hours));
}

async fn behind_at(stream: &dyn Stream, lease: &Lease, start: &Start) -> Result<Duration, Error> {
    let cursor = stream.cursor(&lease.key, start).await?;
    Ok(stream.read(&lease.key, &cursor, 1).await?.behind)
}

/// Where a lease's checkpoint is; none if nothing is to be read.
fn place_of(lease: &Lease) -> Option<Start> {
    match (&lease.checkpoint, lease.start_ms) {
        (Checkpoint::At { sequence, .. }, _) => Some(Start::After(sequence.clone())),
        (Checkpoint::Latest | Checkpoint::AtTimestamp, Some(start_ms)) => Some(Start::AtTimestamp(start_ms)),
        (Checkpoint::TrimHorizon, _) => Some(Start::TrimHorizon),
        (Checkpoint::Latest | Checkpoint::AtTimestamp, None) | (Checkpoint::ShardEnd, _) => None,
    }
}

fn judged(mut behind: Vec<(String, Duration)>, all: usize, retention_hours: Option<i32>) -> Vec<Finding> {
    behind.sort_by_key(|(_, duration)| std::cmp::Reverse(*duration));
    let of = match behind.len() {
        looked if looked < all => format!("{looked} of {all} shards looked at"),
        looked => format!("{looked} shards"),
    };
    let Some((_, most)) = behind.first() else {
        return vec![Finding::ok(CHECK, "the stream", "no shard has been begun and not ended")];
    };
    let retention = retention_hours.and_then(|hours| u64::try_from(hours).ok()).unwrap_or(24);
    let problem = Duration::from_secs(retention * 3_600 / 2);
    let late = behind.iter().filter(|(_, duration)| *duration > WARNING);
    let mut findings = vec![Finding::ok(
        CHECK,
        "the stream",
        format!("{of}; the checkpoint most behind is {} s behind", most.as_secs()),
    )];
    findings.extend(late.clone().take(TOLD_MAX).map(|(shard, duration)| {
        let found = format!("its checkpoint is {} s behind", duration.as_secs());
        match *duration > problem {
            false => Finding::warning(
                CHECK,
                shard,
                found,
                "add workers or cores, or look whether its delivery streams are slow",
            ),
            true => Finding::problem(
                CHECK,
                shard,
                format!("{found}, more than half of the stream's retention of {retention} h"),
                "add workers now, and raise the stream's retention meanwhile: what leaves the stream is lost",
            ),
        }
    }));
    if late.clone().count() > TOLD_MAX {
        let found = format!("{} more shards are over {} s behind", late.count() - TOLD_MAX, WARNING.as_secs());
        findings.push(Finding::warning(CHECK, "other shards", found, "zonewatch_shard_behind_seconds shows all"));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;
    use lease::{SequenceNumber, ShardId};

    fn states(secs: &[u64], all: usize) -> Vec<State> {
        let behind = secs.iter().map(|&secs| (format!("s{secs}"), Duration::from_secs(secs))).collect();
        judged(behind, all, Some(24)).iter().map(|finding| finding.state).collect()
    }

    #[test]
    fn shards_are_judged_by_how_far_behind_they_are() {
        assert_eq!(states(&[0, 60], 2), [State::Ok]);
        assert_eq!(states(&[61, 0], 2), [State::Ok, State::Warning]);
        assert_eq!(states(&[12 * 3_600 + 1], 1), [State::Ok, State::Problem]);
        assert_eq!(states(&[], 0), [State::Ok]);
        // The worst five, and that there are more.
        assert_eq!(states(&[100; 7], 7).len(), 7);
    }

    #[test]
    fn a_limited_look_says_so() {
        let behind = vec![("s".to_owned(), Duration::ZERO)];
        assert!(judged(behind, 60, None)[0].found.starts_with("1 of 60 shards looked at"));
    }

    #[test]
    fn a_checkpoint_is_a_place_to_read_at() {
        let sequence = SequenceNumber::parse("7").unwrap();
        let lease = |checkpoint, start_ms| Lease { start_ms, ..Lease::fresh(ShardId::new("s"), checkpoint) };
        for (checkpoint, start_ms, place) in [
            (Checkpoint::through(sequence.clone()), None, Some(Start::After(sequence))),
            (Checkpoint::TrimHorizon, Some(5), Some(Start::TrimHorizon)),
            (Checkpoint::Latest, Some(5), Some(Start::AtTimestamp(5))),
            (Checkpoint::Latest, None, None),
            (Checkpoint::ShardEnd, None, None),
        ] {
            assert_eq!(place_of(&lease(checkpoint, start_ms)), place);
        }
    }
}
