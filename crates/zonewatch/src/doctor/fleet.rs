//! The fleet: who lives, which shards nobody reads, and which are stuck.

use super::stream::Source;
use super::{Finding, Ports, failed};
use super::{Need, State};
use crate::liveness::{self, Judged, Verdict};
use lease::{Checkpoint, HashRange, Lease, ShardId, WorkerId};
use std::collections::BTreeSet;
use std::time::Duration;

/// Stuck shards that are told one by one.
const STUCK_MAX: usize = 20;

/// Looks at the leases twice, a failover time apart at most.
pub async fn examine(
    ports: &Ports,
    source: &Source,
    failover: Duration,
    tell: &mut dyn FnMut(String),
    out: &mut Vec<Finding>,
) {
    let scan = match ports.table.scan().await {
        Ok(scan) => scan,
        Err(error) => return out.push(failed("leases", &error, Need::Worker)),
    };
    if scan.leases.is_empty() {
        let next = "start a worker: it makes them";
        return out.push(Finding::problem("coverage", ports.table.name(), "there are no leases yet", next));
    }
    let owners: BTreeSet<WorkerId> =
        scan.leases.iter().filter(|lease| !has_ended(lease)).filter_map(Lease::actual_owner).cloned().collect();
    tell(format!("watching {} owners of leases for up to {} s", owners.len(), failover.as_secs()));
    let mut quiet = |_| ();
    match liveness::judge(&*ports.table, &*ports.state, &owners, failover, failover, &mut quiet).await {
        Ok(judged) => {
            out.extend(workers(&judged, failover));
            out.push(coverage(&judged, source));
            out.extend(stuck(&judged, failover));
            out.extend(strangers(&judged, failover));
        }
        Err(error) => out.push(failed("leases", &error, Need::Worker)),
    }
}

fn has_ended(lease: &Lease) -> bool {
    lease.checkpoint == Checkpoint::ShardEnd
}

fn workers(judged: &Judged, failover: Duration) -> Vec<Finding> {
    let alive = judged.verdicts.values().filter(|verdict| matches!(verdict, Verdict::Alive(_))).count();
    let silent = judged.verdicts.len() - alive;
    let found = format!("owners of leases that live: {alive}; without a sign for {} s: {silent}", failover.as_secs());
    let mut findings = vec![match alive {
        0 => Finding::problem("workers", "the fleet", found, "start a worker: zonewatch worker --config FILE"),
        _ => Finding::ok("workers", "the fleet", found),
    }];
    for (owner, verdict) in &judged.verdicts {
        if let Verdict::Unknown(why) = verdict {
            let next = "mend that, then run doctor again";
            findings.push(Finding::not_checked(
                "workers",
                owner.as_str(),
                format!("it can't be told whether it lives: {why}"),
                next,
            ));
        }
    }
    findings
}

/// The share of the hash-key space that a live worker reads. A shard that waits for its parents is covered by whoever
/// reads them.
fn coverage(judged: &Judged, source: &Source) -> Finding {
    let shards = source.shards.as_ref();
    let range = |lease: &Lease| {
        lease.hash_range.or_else(|| shards.and_then(|shards| shards.get(&lease.key)).map(|shard| shard.hash_range))
    };
    let alive = |lease: &&Lease| {
        let verdict = lease.actual_owner().and_then(|owner| judged.verdicts.get(owner));
        !has_ended(lease) && matches!(verdict, Some(Verdict::Alive(_)))
    };
    let gap = HashRange::uncovered_by(judged.last.leases.values().filter(alive).filter_map(range).collect());
    let without_lease = shards.map_or(0, |shards| {
        shards.values().filter(|shard| shard.ended_at.is_none() && !judged.last.leases.contains_key(&shard.id)).count()
    });
    let mut found = format!("live workers read {:.1}% of the hash keys", (1.0 - gap) * 100.0);
    if without_lease > 0 {
        found += &format!("; {without_lease} open shards have no lease");
    }
    match gap > 0.0 {
        false => Finding::ok("coverage", "the stream", found),
        true => Finding::problem(
            "coverage",
            "the stream",
            found,
            "start workers, or wait until those that start have taken their leases; stuck shards are named here",
        ),
    }
}

/// Shards that nobody reads on.
fn stuck(judged: &Judged, failover: Duration) -> Vec<Finding> {
    let mut findings: Vec<Finding> =
        judged.last.leases.values().filter_map(|now| stuck_one(now, judged, failover)).collect();
    if findings.is_empty() {
        return vec![Finding::ok("stuck shards", "every lease", "none: each is read, or waits for a parent that is")];
    }
    // Problems first, and a number that can be read.
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.state));
    if findings.len() > STUCK_MAX {
        let more = findings.len() - STUCK_MAX;
        let state = findings[STUCK_MAX].state;
        findings.truncate(STUCK_MAX);
        let next = "zonewatch leases list shows all";
        findings.push(Finding::bad(state, "stuck shards", "others", format!("{more} more"), next));
    }
    findings
}

fn stuck_one(now: &Lease, judged: &Judged, failover: Duration) -> Option<Finding> {
    if has_ended(now) || waits_for_parents(now, judged) {
        return None;
    }
    let (check, shard, secs) = ("stuck shards", now.key.as_str(), failover.as_secs());
    let before = judged.first.leases.get(&now.key);
    let rests = before.is_some_and(|before| before.counter == now.counter);
    let Some(owner) = now.actual_owner() else {
        let next = "start a worker, or look in the workers' logs why none takes it (leases.held_max, refused writes)";
        return rests.then(|| {
            Finding::problem(check, shard, format!("it is nobody's, and nobody took it within {secs} s"), next)
        });
    };
    match judged.verdicts.get(owner)? {
        Verdict::Dead(why) => Some(Finding::problem(
            check,
            shard,
            format!("its owner {owner} is dead: {why}"),
            format!("start a worker: it takes over what is silent; or zonewatch leases release {shard}"),
        )),
        Verdict::Alive(_)
            if rests && now.pending.is_some() && before.is_some_and(|before| before.pending == now.pending) =>
        {
            Some(Finding::warning(
                check,
                shard,
                format!("the same epoch has been under way for {secs} s, and {owner} has written nothing since"),
                "look in that worker's log and at the delivery streams: nothing moves on until all of it is acknowledged",
            ))
        }
        Verdict::Alive(_) | Verdict::Unknown(_) => None,
    }
}

fn waits_for_parents(lease: &Lease, judged: &Judged) -> bool {
    let open = |parent: &ShardId| judged.last.leases.get(parent).is_some_and(|parent| !has_ended(parent));
    lease.parents.iter().any(open)
}

/// Workers of another consumer of the table.
fn strangers(judged: &Judged, failover: Duration) -> Vec<Finding> {
    let told = |id: &String, last: &i64| {
        let moved = judged.first.strangers.get(id).is_some_and(|first| first != last);
        match moved {
            true => Finding::bad(
                State::Warning,
                "other consumers",
                id,
                "a worker of the Kinesis Client Library lives on this lease table",
                "sound while you move from one to the other; else stop it, or give each an application name of its own",
            ),
            false => Finding::ok(
                "other consumers",
                id,
                format!(
                    "a worker of the Kinesis Client Library has been here; no sign of it for {} s",
                    failover.as_secs()
                ),
            ),
        }
    };
    judged.last.strangers.iter().map(|(id, last)| told(id, last)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::liveness::Look;
    use lease::{Epoch, SequenceNumber};
    use std::collections::BTreeMap;

    const FAILOVER: Duration = Duration::from_secs(10);
    const HALF: u128 = u128::MAX / 2;

    fn lease(key: &str, owner: Option<&str>, range: (u128, u128)) -> Lease {
        let hash_range = Some(HashRange { start: range.0, end: range.1 });
        let fresh = Lease::fresh(ShardId::new(key), Checkpoint::TrimHorizon);
        Lease { owner: owner.map(WorkerId::new), counter: 3, hash_range, ..fresh }
    }

    fn look(leases: &[Lease]) -> Look {
        let leases = leases.iter().map(|lease| (lease.key.clone(), lease.clone())).collect();
        Look { leases, members: Ok(BTreeMap::new()), strangers: BTreeMap::new() }
    }

    /// `a` lives, `b` is dead, `c` can't be looked at.
    fn judged(leases: &[Lease]) -> Judged {
        let verdicts = [
            ("a", Verdict::Alive("its beat moved".into())),
            ("b", Verdict::Dead("no beat for 3 s".into())),
            ("c", Verdict::Unknown("denied".into())),
        ];
        let verdicts = verdicts.into_iter().map(|(id, verdict)| (WorkerId::new(id), verdict)).collect();
        Judged { verdicts, first: look(leases), last: look(leases) }
    }

    fn stuck_states(judged: &Judged) -> Vec<(String, State)> {
        stuck(judged, FAILOVER).into_iter().map(|finding| (finding.subject, finding.state)).collect()
    }

    #[test]
    fn only_what_live_workers_read_is_covered() {
        let low = lease("low", Some("a"), (0, HALF));
        for (high, state, share) in
            [(Some("a"), State::Ok, "100.0%"), (Some("b"), State::Problem, "50.0%"), (None, State::Problem, "50.0%")]
        {
            let finding =
                coverage(&judged(&[low.clone(), lease("high", high, (HALF + 1, u128::MAX))]), &Source::default());
            assert_eq!(finding.state, state, "{high:?}");
            assert!(finding.found.contains(share), "{finding:?}");
        }
        assert_eq!(HashRange::uncovered_by(vec![]), 1.0);
    }

    #[test]
    fn shards_of_nobody_and_of_the_dead_are_stuck() {
        let rows = [
            lease("s1", None, (0, 1)),
            lease("s2", Some("b"), (0, 1)),
            lease("s3", Some("a"), (0, 1)),
            lease("s4", Some("c"), (0, 1)),
        ];
        let problem = |shard: &str| (shard.to_owned(), State::Problem);
        assert_eq!(stuck_states(&judged(&rows)), [problem("s1"), problem("s2")]);
        let mut moving = judged(&rows);
        moving.first.leases.get_mut(&ShardId::new("s1")).unwrap().counter = 2;
        assert_eq!(stuck_states(&moving), [problem("s2")], "somebody has just written to it");
    }

    #[test]
    fn ended_shards_and_children_that_wait_are_not_stuck() {
        let parent = lease("parent", Some("a"), (0, 1));
        let child = Lease { parents: vec![parent.key.clone()], ..lease("child", None, (0, 1)) };
        let ended = Lease { checkpoint: Checkpoint::ShardEnd, ..lease("ended", None, (0, 1)) };
        assert_eq!(stuck_states(&judged(&[parent, child, ended])), [("every lease".to_owned(), State::Ok)]);
    }

    #[test]
    fn an_epoch_that_does_not_move_on_is_worth_a_look() {
        let number = |digits| SequenceNumber::parse(digits).unwrap();
        let pending = Some(Epoch { first: number("1"), last: number("9") });
        let row = Lease { pending, ..lease("s", Some("a"), (0, 1)) };
        assert_eq!(stuck_states(&judged(std::slice::from_ref(&row))), [("s".to_owned(), State::Warning)]);
        let mut moving = judged(&[row]);
        moving.last.leases.get_mut(&ShardId::new("s")).unwrap().counter += 1;
        assert_eq!(stuck_states(&moving)[0].1, State::Ok);
    }

    #[test]
    fn a_consumer_that_moves_is_warned_of() {
        let mut judged = judged(&[lease("s", Some("a"), (0, 1))]);
        judged.first.strangers = BTreeMap::from([("k1".to_owned(), 5), ("k2".to_owned(), 5)]);
        judged.last.strangers = BTreeMap::from([("k1".to_owned(), 6), ("k2".to_owned(), 5)]);
        let states: Vec<State> = strangers(&judged, FAILOVER).iter().map(|finding| finding.state).collect();
        assert_eq!(states, [State::Warning, State::Ok]);
    }

    #[test]
    fn a_fleet_of_which_nobody_lives_is_a_problem() {
        let mut judged = judged(&[lease("s", Some("a"), (0, 1))]);
        assert_eq!(workers(&judged, FAILOVER)[0].state, State::Ok);
        judged.verdicts.remove(&WorkerId::new("a"));
        assert_eq!(workers(&judged, FAILOVER)[0].state, State::Problem);
    }
}
