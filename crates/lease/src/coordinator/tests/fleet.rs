//! One coordinator among others: beats, suspicions, moves.

use super::*;

#[test]
fn who_is_not_heard_gives_its_leases_up_before_others_may_take_them() {
    let mut bench = Bench::holding();
    bench.state_answers = false;
    // Its lease writes are seen by whoever suspects it.
    bench.run(ms(20_000));
    assert_eq!(bench.moves(), []);
    let renewals = bench.sent.iter().filter(|write| matches!(write, Write::Renew { .. })).count();
    assert!(renewals > 50, "{renewals} renewals in 20 s without a beat");
    bench.writes = Writes::Throttled;
    bench.run(ms(300));
    assert_eq!(bench.moves(), []);
    bench.run(ms(500));
    assert_eq!(bench.moves(), [Reason::NotRenewed]);
    assert!(bench.told.contains(&Action::Stop { key: key() }));
    // Not begun again before the task has stopped, however free the lease is.
    (bench.writes, bench.state_answers) = (Writes::Answered, true);
    bench.told.clear();
    bench.run(ms(60_000));
    assert_eq!(bench.told, []);
    bench.coordinator.handle(bench.now, Event::TaskStopped { key: key() });
    bench.run(ms(5_000));
    assert_eq!(bench.moves(), [Reason::Handed]);
}

#[test]
fn without_the_table_of_workers_a_lone_worker_reads_all_the_same() {
    let mut bench = Bench::new();
    bench.state_answers = false;
    bench.run(ms(11_000));
    assert_eq!(bench.moves(), [Reason::Free]);
    bench.run(ms(60_000));
    assert_eq!(bench.moves(), [Reason::Free]);
}

#[test]
fn without_the_table_of_workers_what_is_handed_over_is_read() {
    let mut bench = Bench::holding();
    let other = bench.neighbour("other");
    bench.commit(1, commit(5, Then::HandTo(other)));
    bench.coordinator.handle(bench.now, Event::TaskStopped { key: key() });
    bench.state_answers = false;
    // Answers take so long that it looks around in between.
    bench.delay = ms(300);
    bench.run(ms(5_000));
    bench.told.clear();
    bench.row().owner = Some(WorkerId::new("me"));
    bench.row().counter += 1;
    bench.run(ms(40_000));
    assert_eq!(bench.moves(), [Reason::Handed], "{:?}", bench.told);
    assert_eq!(bench.row().owner, Some(WorkerId::new("me")));
}

#[test]
fn who_cannot_write_leases_stops_beating() {
    let mut bench = Bench::holding();
    bench.writes = Writes::Throttled;
    bench.run(ms(25_000));
    assert_eq!(bench.moves(), [Reason::NotRenewed], "others should have what it cannot commit");
}

#[test]
fn a_former_lifes_lease_is_taken_by_a_write_of_its_own() {
    let mut bench = Bench::new();
    let row = Lease { owner: Some(WorkerId::new("me")), counter: 4, ..Lease::fresh(key(), Checkpoint::TrimHorizon) };
    bench.table.insert(key(), row);
    bench.run(ms(100));
    assert!(matches!(bench.sent[..], [Write::Take { counter: 4, .. }]), "{:?}", bench.sent);
    assert_eq!(bench.moves(), [Reason::Handed]);
}

/// A row of `owner`'s that is not free.
fn row_of(owner: &WorkerId) -> Lease {
    Lease { owner: Some(owner.clone()), counter: 7, ..Lease::fresh(key(), at(5)) }
}

#[test]
fn a_neighbours_leases_are_taken_after_three_missed_beats_and_not_before() {
    let mut bench = Bench::new();
    let other = bench.neighbour("other");
    bench.table.insert(key(), row_of(&other));
    bench.run(ms(60_000));
    assert_eq!(bench.moves(), [], "it beats, though its lease is quiet");
    bench.alive.clear();
    bench.run(ms(2_900));
    assert_eq!(bench.moves(), []);
    bench.run(ms(1_700));
    assert_eq!(bench.moves(), [Reason::Expired]);
    bench.run(ms(5_000));
    assert!(!bench.members.contains_key(&other), "its row is removed once it has nothing");
}

#[test]
fn a_neighbour_that_cannot_beat_but_moves_its_leases_is_not_dead() {
    let mut bench = Bench::new();
    let other = bench.neighbour("other");
    bench.table.insert(key(), row_of(&other));
    bench.run(ms(5_000));
    bench.alive.clear();
    for _ in 0..100 {
        bench.row().counter += 1;
        bench.run(ms(300));
    }
    assert_eq!(bench.moves(), []);
}

#[test]
fn who_was_not_heard_itself_judges_nobody() {
    let mut bench = Bench::new();
    let other = bench.neighbour("other");
    bench.table.insert(key(), row_of(&other));
    bench.run(ms(5_000));
    // The table of workers fails for all: the other is seen by its lease.
    bench.alive.clear();
    bench.state_answers = false;
    for _ in 0..20 {
        bench.run(ms(3_000));
        bench.row().counter += 1;
    }
    assert_eq!(bench.moves(), []);
    // By its lease it dies after the failover time, not before.
    bench.run(ms(8_000));
    assert_eq!(bench.moves(), []);
    bench.run(ms(12_000));
    assert_eq!(bench.moves(), [Reason::Expired]);
}

#[test]
fn a_lease_moves_to_a_new_worker_with_its_last_commit() {
    let mut bench = Bench::holding();
    bench.more_shards(&["s2", "s3"]);
    bench.run(ms(70_000));
    assert_eq!(bench.moves(), [Reason::Free, Reason::Free]);
    bench.told.clear();
    let new = bench.neighbour("new");
    bench.members.get_mut(&new).unwrap().0.leases = 0;
    let drained = |bench: &Bench| {
        bench.told.iter().find_map(|action| if let Action::Drain { key } = action { Some(key.clone()) } else { None })
    };
    let mut waited = 0;
    let moved = loop {
        if let Some(moved) = drained(&bench) {
            break moved;
        }
        bench.run(ms(100));
        waited += 1;
        assert!(waited < 200, "nothing is drained: {:?}", bench.told);
    };
    assert_eq!(bench.members[&new].1, std::slice::from_ref(&moved), "announced before it is drained");
    let event = Event::Commit { ask: Ask(1), key: moved.clone(), commit: commit(5, Then::Release) };
    bench.coordinator.handle(bench.now, event);
    bench.run(ms(1));
    assert_eq!((bench.table[&moved].owner.as_ref(), &bench.table[&moved].checkpoint), (Some(&new), &at(5)));
    assert_eq!(bench.moves(), [Reason::Moved]);
}

#[test]
fn who_leaves_hands_everything_to_those_who_stay() {
    let mut bench = Bench::holding();
    let other = bench.neighbour("other");
    bench.run(ms(6_000));
    bench.coordinator.handle(bench.now, Event::Drain);
    bench.run(ms(1_000));
    assert_eq!(bench.told, [], "the next owner is given a beat to hear of it");
    assert_eq!(bench.members[&WorkerId::new("me")].0.standing, Standing::Leaving);
    bench.run(ms(200));
    assert_eq!(bench.told, [Action::Drain { key: key() }]);
    bench.commit(1, commit(5, Then::Release));
    assert_eq!(bench.row().owner.as_ref(), Some(&other));
    bench.coordinator.handle(bench.now, Event::TaskStopped { key: key() });
    bench.run(ms(100));
    assert_eq!(bench.told.last(), Some(&Action::Finished));
    assert_eq!(bench.members[&WorkerId::new("me")].0.standing, Standing::Left);
}

#[test]
fn a_lease_that_was_handed_to_one_who_left_is_taken_back_soon() {
    let mut bench = Bench::holding();
    let other = bench.neighbour("other");
    bench.run(ms(22_000));
    let leaving = |bench: &mut Bench, standing| bench.members.get_mut(&other).unwrap().0.standing = standing;
    leaving(&mut bench, Standing::Leaving);
    bench.run(ms(2_500));
    // The last commit was on its way when the other began to leave, and it takes nothing any more.
    bench
        .coordinator
        .handle(bench.now, Event::Commit { ask: Ask(1), key: key(), commit: commit(5, Then::HandTo(other.clone())) });
    bench.run(ms(1));
    bench.coordinator.handle(bench.now, Event::TaskStopped { key: key() });
    assert_eq!(bench.row().owner.as_ref(), Some(&other));
    leaving(&mut bench, Standing::Left);
    bench.alive.clear();
    bench.run(ms(3_000));
    assert_eq!(bench.row().owner, Some(WorkerId::new("me")));
}

#[test]
fn an_announced_lease_is_taken_within_a_fiftieth_of_the_failover_time() {
    let mut bench = Bench::new();
    let other = bench.neighbour("other");
    bench.table.insert(key(), row_of(&other));
    bench.run(ms(5_000));
    bench.members.get_mut(&WorkerId::new("me")).unwrap().1.push(key());
    bench.run(ms(1_500));
    assert_eq!(bench.moves(), []);
    bench.row().owner = Some(WorkerId::new("me"));
    bench.row().counter += 1;
    bench.run(ms(210));
    assert_eq!(bench.moves(), [Reason::Handed]);
    let checkpoint = bench.row().checkpoint.clone();
    assert_eq!(bench.prepared, [checkpoint], "while the take was on its way");
    bench.run(ms(2_000));
    assert_eq!(bench.members[&WorkerId::new("me")].1, [], "the announcement is taken out of the row");
}

#[test]
fn while_another_consumers_workers_live_every_lease_is_renewed_at_their_pace() {
    let mut bench = Bench::holding();
    bench.more_shards(&["s2", "s3", "s4"]);
    bench.run(ms(60_000));
    let renewals = |bench: &mut Bench| {
        bench.sent.clear();
        bench.run(ms(60_000));
        bench.sent.iter().filter(|write| matches!(write, Write::Renew { .. })).count()
    };
    let alone = renewals(&mut bench);
    assert!((38..=41).contains(&alone), "{alone} renewals of four idle leases in a minute: each every 6 s");
    bench.strangers.insert("kcl".into(), 1);
    bench.run(ms(30_000));
    bench.strangers.insert("kcl".into(), 2);
    bench.run(ms(30_000));
    let beside = renewals(&mut bench);
    assert!(beside >= 68, "{beside} renewals: each within a third of the failover time");
}

#[test]
fn a_recreated_shard_is_read_from_its_beginning() {
    let mut bench = Bench::new();
    bench.shards[0].starts_at = SequenceNumber::parse("50");
    let row = Lease { pending: epoch(6), ..Lease::fresh(key(), at(5)) };
    bench.table.insert(key(), row);
    bench.run(ms(3_000));
    assert_eq!(bench.row().checkpoint, Checkpoint::TrimHorizon);
    let started = bench.told.iter().find_map(|action| match action {
        Action::Start { lease, .. } => Some((lease.checkpoint.clone(), lease.pending.clone())),
        _ => None,
    });
    assert_eq!(started, Some((Checkpoint::TrimHorizon, None)));
}
