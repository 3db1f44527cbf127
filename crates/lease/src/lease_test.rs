//! Rows and the writes that may change them.

use super::*;

fn at(digits: &str) -> Checkpoint {
    Checkpoint::through(SequenceNumber::parse(digits).unwrap())
}

fn worker(name: &str) -> WorkerId {
    WorkerId::new(name)
}

fn row() -> Lease {
    Lease {
        owner: Some(worker("a")),
        counter: 7,
        owner_switches: 2,
        read_until_ms: Some(50),
        ..Lease::fresh(ShardId::new("s"), at("100"))
    }
}

fn take(counter: u64, from: Option<&str>, owner: &str, start_ms: Option<i64>) -> Write {
    Write::Take { key: ShardId::new("s"), counter, from: from.map(worker), owner: worker(owner), start_ms, anew: false }
}

fn renew(counter: u64) -> Write {
    Write::Renew { key: ShardId::new("s"), counter }
}

fn commit(counter: u64, checkpoint: Checkpoint, then: Then) -> Write {
    let commit = Commit::at(checkpoint, then);
    Write::Commit { key: ShardId::new("s"), counter, commit }
}

fn reset_to(counter: u64, to: Checkpoint, start_ms: Option<i64>) -> Write {
    Write::Reset { key: ShardId::new("s"), counter, to, start_ms }
}

#[test]
fn a_row_is_created_once() {
    let fresh = Lease::fresh(ShardId::new("s"), Checkpoint::TrimHorizon);
    assert_eq!(Write::Create(fresh.clone()).apply(None), Ok(fresh.clone()));
    assert_eq!(Write::Create(fresh).apply(Some(&row())), Err(Refused::Exists));
}

#[test]
fn every_other_write_needs_the_row_and_its_counter() {
    let makes: [fn(u64) -> Write; 4] = [
        |counter| take(counter, None, "b", None),
        renew,
        |counter| commit(counter, at("101"), Then::Keep),
        |counter| reset_to(counter, at("1"), None),
    ];
    for make in makes {
        assert_eq!(make(7).apply(None), Err(Refused::Missing));
        assert_eq!(make(6).apply(Some(&row())), Err(Refused::Counter));
        assert_eq!(make(8).apply(Some(&row())), Err(Refused::Counter));
        assert_eq!(make(7).apply(Some(&row())).unwrap().counter, 8);
        let last = Lease { counter: u64::MAX, ..row() };
        assert_eq!(make(u64::MAX).apply(Some(&last)), Err(Refused::Counter));
    }
}

#[test]
fn a_take_counts_a_change_of_owner_and_ends_a_hand_over() {
    let handing = Lease { owner: Some(worker("next")), checkpoint_owner: Some(worker("a")), ..row() };
    let taken = take(7, Some("a"), "b", None).apply(Some(&handing)).unwrap();
    assert_eq!((taken.owner, taken.checkpoint_owner, taken.owner_switches), (Some(worker("b")), None, 3));
    for from in [None, Some("b")] {
        assert_eq!(take(7, from, "b", None).apply(Some(&row())).unwrap().owner_switches, 2);
    }
}

#[test]
fn a_start_is_pinned_once() {
    let pinned = take(7, None, "b", Some(10)).apply(Some(&row())).unwrap();
    assert_eq!(pinned.start_ms, Some(10));
    assert_eq!(take(8, None, "c", Some(20)).apply(Some(&pinned)).unwrap().start_ms, Some(10));
}

#[test]
fn a_hand_over_stops_renewals_but_not_commits() {
    let handing = Lease { owner: Some(worker("next")), checkpoint_owner: Some(worker("a")), ..row() };
    assert_eq!(handing.actual_owner(), Some(&worker("a")));
    assert_eq!(renew(7).apply(Some(&handing)), Err(Refused::HandOver));
    let kept = commit(7, at("101"), Then::Keep).apply(Some(&handing)).unwrap();
    assert_eq!((kept.owner, kept.checkpoint_owner), (Some(worker("next")), Some(worker("a"))));
    let released = commit(7, at("101"), Then::Release).apply(Some(&handing)).unwrap();
    assert_eq!((released.owner, released.checkpoint_owner), (None, None));
}

#[test]
fn a_commit_writes_what_it_says_and_leaves_what_it_does_not() {
    let committed = commit(7, at("101"), Then::Keep).apply(Some(&row())).unwrap();
    let expected =
        Lease { counter: 8, checkpoint: at("101"), own_checkpoint: Some(at("101")), owner_switches: 0, ..row() };
    assert_eq!(committed, expected);
    assert!(committed.checkpoint_is_ours());
}

#[test]
fn a_checkpoint_never_goes_back() {
    let ended = Lease { checkpoint: Checkpoint::ShardEnd, ..row() };
    for (from, to) in [(row(), at("99")), (row(), Checkpoint::TrimHorizon), (ended, at("101"))] {
        assert_eq!(commit(7, to, Then::Keep).apply(Some(&from)), Err(Refused::Backwards));
    }
    assert!(commit(7, at("100"), Then::Keep).apply(Some(&row())).is_ok());
    // KCL had processed three sub-records of this record; we commit the whole of it.
    let inside = Checkpoint::At { sequence: SequenceNumber::parse("100").unwrap(), sub: 3 };
    assert!(commit(7, at("100"), Then::Keep).apply(Some(&Lease { checkpoint: inside, ..row() })).is_ok());
}

#[test]
fn a_reset_leaves_a_lease_of_nobodys_at_the_new_place() {
    let epoch = Epoch { first: SequenceNumber::parse("101").unwrap(), last: SequenceNumber::parse("109").unwrap() };
    let children = vec![ShardId::new("c")];
    let handing = Lease {
        owner: Some(worker("next")),
        checkpoint_owner: Some(worker("a")),
        pending: Some(epoch),
        start_ms: Some(5),
        children,
        ..row()
    };
    let expected = Lease {
        counter: 8,
        owner: None,
        checkpoint_owner: None,
        owner_switches: 0,
        checkpoint: Checkpoint::AtTimestamp,
        own_checkpoint: Some(Checkpoint::AtTimestamp),
        pending: None,
        start_ms: Some(9),
        floor: Some(at("109")),
        ..handing.clone()
    };
    assert_eq!(reset_to(7, Checkpoint::AtTimestamp, Some(9)).apply(Some(&handing)), Ok(expected));
    let unpinned = reset_to(7, Checkpoint::Latest, None).apply(Some(&handing)).unwrap();
    assert_eq!(unpinned.start_ms, None, "the next take pins its own time");
}

#[test]
fn the_floor_is_the_furthest_place_that_was_left_backwards() {
    let floor = |from: Checkpoint, floor: Option<Checkpoint>, to: Checkpoint| {
        let row = Lease { checkpoint: from, floor, ..row() };
        reset_to(7, to, None).apply(Some(&row)).unwrap().floor
    };
    assert_eq!(floor(at("100"), None, at("99")), Some(at("100")));
    assert_eq!(floor(at("100"), Some(at("99")), at("98")), Some(at("100")));
    assert_eq!(floor(at("100"), Some(at("1000")), at("99")), Some(at("1000")), "there was a further one");
    assert_eq!(floor(Checkpoint::ShardEnd, None, Checkpoint::TrimHorizon), Some(Checkpoint::ShardEnd));
    assert_eq!(floor(at("100"), None, at("101")), None, "on is not back");
    assert_eq!(floor(Checkpoint::Latest, None, Checkpoint::TrimHorizon), None, "nothing had been read");
}

#[test]
fn a_pending_epoch_may_have_been_told_and_lies_below_the_floor() {
    let pending = Epoch { first: SequenceNumber::parse("101").unwrap(), last: SequenceNumber::parse("109").unwrap() };
    let floor = |from: Checkpoint, to: Checkpoint| {
        let row = Lease { checkpoint: from, pending: Some(pending.clone()), ..row() };
        reset_to(7, to, None).apply(Some(&row)).unwrap().floor
    };
    assert_eq!(floor(at("100"), at("99")), Some(at("109")));
    assert_eq!(floor(at("100"), at("105")), Some(at("109")), "on, into the midst of it");
    assert_eq!(floor(Checkpoint::Latest, Checkpoint::Latest), Some(at("109")));
    assert_eq!(floor(at("100"), at("109")), None);
}

#[test]
fn a_checkpoint_that_another_consumer_moved_is_not_ours() {
    let start = Lease { own_checkpoint: None, ..Lease::fresh(ShardId::new("s"), Checkpoint::TrimHorizon) };
    let cases = [
        (row(), true),
        (Lease { own_checkpoint: Some(at("99")), ..row() }, false),
        (Lease { own_checkpoint: None, ..row() }, false),
        (start, true),
    ];
    for (row, ours) in cases {
        assert_eq!(row.checkpoint_is_ours(), ours, "{row:?}");
    }
}

#[test]
fn a_child_knows_since_when_what_it_continues_was_not_read() {
    let shard = Shard {
        id: ShardId::new("c"),
        parents: vec![ShardId::new("a"), ShardId::new("b")],
        hash_range: HashRange { start: 0, end: 9 },
        starts_at: None,
        ended_at: None,
    };
    let read = Lease { read_until_ms: Some(70), ..row() };
    let pinned = Lease { start_ms: Some(60), ..Lease::fresh(ShardId::new("b"), Checkpoint::AtTimestamp) };
    let child = Lease::child(&shard, &[&read, &pinned]);
    assert_eq!((child.checkpoint, child.start_ms, child.read_until_ms), (Checkpoint::AtTimestamp, Some(60), Some(60)));
    assert_eq!((child.parents, child.hash_range), (shard.parents.clone(), Some(shard.hash_range)));
    let child = Lease::child(&shard, &[&read, &read]);
    assert_eq!((child.checkpoint, child.start_ms, child.read_until_ms), (Checkpoint::TrimHorizon, None, Some(70)));
    assert_eq!(Lease::child(&shard, &[]).read_until_ms, None);
}
