//! What a lease table must do. `lease::Write::apply` is the definition; a table is held to it write by write.

use cloud::{Create, Error, LeaseTable, Scan, WriteError};
use lease::{Checkpoint, Commit, Epoch, HashRange, Lease, Load, SequenceNumber, ShardId, Then, WorkerId, Write};
use std::sync::Arc;

fn worker(name: &str) -> WorkerId {
    WorkerId::new(name)
}

fn sequence(digits: &str) -> SequenceNumber {
    SequenceNumber::parse(digits).unwrap()
}

fn at(digits: &str) -> Checkpoint {
    Checkpoint::through(sequence(digits))
}

/// A row with every attribute.
fn full(key: &str) -> Lease {
    Lease {
        key: ShardId::new(key),
        owner: Some(worker("b")),
        counter: 17,
        checkpoint: Checkpoint::At {
            sequence: sequence("49590338271490256608559692538361571095921575989136588898"),
            sub: 4,
        },
        owner_switches: 2,
        parents: vec![ShardId::new("shardId-000000000001"), ShardId::new("shardId-000000000002")],
        children: vec![ShardId::new("shardId-000000000004")],
        hash_range: Some(HashRange { start: 0, end: u128::MAX }),
        checkpoint_owner: Some(worker("a")),
        pending: Some(Epoch { first: sequence("5"), last: sequence("9") }),
        start_ms: Some(1_700_000_000_000),
        read_until_ms: Some(1_700_000_000_001),
        own_checkpoint: Some(Checkpoint::TrimHorizon),
        load: Some(Load { bytes_per_sec: 1_536, cpu_micros_per_sec: Some(2_500) }),
        snapshot: Some("s/3-1".into()),
        floor: Some(Checkpoint::At {
            sequence: sequence("49590338271490256608559692538361571095921575989136588890"),
            sub: 2,
        }),
    }
}

/// A table that is not there is missing; made once, it is empty and stays.
pub async fn a_table_is_made_once(table: &dyn LeaseTable) {
    let error = table.ensure(Create::Never).await.unwrap_err();
    assert!(matches!(error, Error::Missing { .. }), "{error:?}");
    assert!(error.to_string().contains(table.name()), "{error}");
    table.ensure(Create::IfMissing).await.unwrap();
    assert_eq!(table.scan().await, Ok(Scan::default()));
    assert_eq!(table.get(&ShardId::new("s")).await, Ok(None));
    table.write(&Write::Create(full("s"))).await.unwrap();
    table.ensure(Create::IfMissing).await.unwrap();
    table.ensure(Create::Never).await.unwrap();
    assert_eq!(table.scan().await.unwrap().leases.len(), 1);
}

/// Rows come back as they were written, every attribute of them, and are written once.
pub async fn rows_come_back_as_they_were_written(table: &dyn LeaseTable) {
    table.ensure(Create::IfMissing).await.unwrap();
    let rows = [full("shardId-000000000003"), Lease::fresh(ShardId::new("shardId-000000000004"), Checkpoint::Latest)];
    for row in &rows {
        assert_eq!(table.write(&Write::Create(row.clone())).await.as_ref(), Ok(row));
        assert_eq!(table.get(&row.key).await.unwrap().as_ref(), Some(row));
        let other = Lease::fresh(row.key.clone(), Checkpoint::TrimHorizon);
        let answer = table.write(&Write::Create(other)).await;
        assert_eq!(answer, Err(WriteError::Refused(Some(Box::new(row.clone())))));
    }
    let mut scanned = table.scan().await.unwrap().leases;
    scanned.sort_by(|one, other| one.key.cmp(&other.key));
    assert_eq!(scanned, rows);
}

/// What rows a write may meet.
fn rows(key: &str) -> Vec<Lease> {
    let fresh = Lease::fresh(ShardId::new(key), Checkpoint::TrimHorizon);
    let owned = Lease { owner: Some(worker("a")), counter: 7, checkpoint: at("100"), ..fresh.clone() };
    vec![
        Lease { counter: 7, ..fresh.clone() },
        Lease { counter: 7, checkpoint: Checkpoint::AtTimestamp, start_ms: Some(5), ..fresh },
        owned.clone(),
        Lease { checkpoint: at("99"), owner_switches: 3, read_until_ms: Some(8), ..owned.clone() },
        Lease { checkpoint: Checkpoint::At { sequence: sequence("100"), sub: 3 }, ..owned.clone() },
        Lease { checkpoint: Checkpoint::ShardEnd, children: vec![ShardId::new("child")], ..owned.clone() },
        Lease { owner: Some(worker("next")), checkpoint_owner: Some(worker("a")), ..owned.clone() },
        Lease { counter: 8, ..owned.clone() },
        Lease { counter: u64::MAX, ..owned.clone() },
        Lease { floor: Some(at("99")), ..owned.clone() },
        Lease { floor: Some(at("1000")), ..owned },
        Lease { counter: 7, ..full(key) },
    ]
}

/// What may be written to the row `key`, which holds the counter 7 or another.
fn writes(key: &ShardId) -> Vec<Write> {
    let take = |counter, from: Option<&str>, owner: &str, start_ms, anew| Write::Take {
        key: key.clone(),
        counter,
        from: from.map(worker),
        owner: worker(owner),
        start_ms,
        anew,
    };
    let commit = |checkpoint, then| {
        let commit = Commit::at(checkpoint, then);
        Write::Commit { key: key.clone(), counter: 7, commit }
    };
    let reset = |counter, to, start_ms| Write::Reset { key: key.clone(), counter, to, start_ms };
    let all = Commit {
        pending: Some(Epoch { first: sequence("102"), last: sequence("199") }),
        read_until_ms: Some(99),
        children: vec![ShardId::new("c1"), ShardId::new("c2")],
        load: Some(Load { bytes_per_sec: 10_240, cpu_micros_per_sec: Some(7) }),
        snapshot: Some("s/7-0".into()),
        ..Commit::at(at("101"), Then::Keep)
    };
    vec![
        take(7, None, "b", None, false),
        take(7, Some("a"), "b", Some(10), false),
        take(7, Some("b"), "b", Some(10), false),
        take(u64::MAX, Some("a"), "b", None, false),
        take(7, Some("a"), "b", None, true),
        take(8, None, "b", None, true),
        Write::Renew { key: key.clone(), counter: 7 },
        Write::Commit { key: key.clone(), counter: 7, commit: all },
        commit(at("100"), Then::Keep),
        commit(at("100"), Then::Release),
        commit(at("1000000"), Then::Release),
        commit(at("101"), Then::HandTo(worker("c"))),
        commit(at("99"), Then::HandTo(worker("c"))),
        commit(Checkpoint::ShardEnd, Then::Release),
        commit(Checkpoint::AtTimestamp, Then::Release),
        commit(Checkpoint::TrimHorizon, Then::Keep),
        commit(Checkpoint::Latest, Then::Release),
        reset(7, at("99"), None),
        reset(7, at("1000"), None),
        reset(7, Checkpoint::TrimHorizon, None),
        reset(7, Checkpoint::AtTimestamp, Some(1_700_000_000_002)),
        reset(7, Checkpoint::Latest, None),
        reset(7, Checkpoint::ShardEnd, None),
        reset(6, Checkpoint::TrimHorizon, None),
        reset(u64::MAX, Checkpoint::TrimHorizon, None),
    ]
}

/// Every kind of write on every kind of row does what `lease` says: the row after it is that, or the refusal shows the
/// row untouched.
pub async fn every_write_does_what_lease_says(table: &dyn LeaseTable) {
    table.ensure(Create::IfMissing).await.unwrap();
    let (mut done, mut refused) = (0, 0);
    for kind in 0..rows("any").len() {
        for number in 0..writes(&ShardId::new("any")).len() {
            let key = format!("row-{kind}-{number}");
            let row = rows(&key).swap_remove(kind);
            let write = writes(&row.key).swap_remove(number);
            table.write(&Write::Create(row.clone())).await.unwrap();
            let answer = table.write(&write).await;
            let expected = write.apply(Some(&row));
            match &expected {
                Ok(after) => {
                    done += 1;
                    assert_eq!(answer.as_ref(), Ok(after), "{write:?} on {row:?}");
                }
                Err(reason) => {
                    refused += 1;
                    let refusal = Err(WriteError::Refused(Some(Box::new(row.clone()))));
                    assert_eq!(answer, refusal, "{write:?} on {row:?}: {reason}");
                }
            }
            assert_eq!(table.get(&row.key).await.unwrap(), Some(expected.unwrap_or(row)));
        }
    }
    assert!(done > 30 && refused > 30, "{done} writes done, {refused} refused: the cases no longer try both");
}

/// Nothing is written to a row that is not there.
pub async fn writes_need_their_row(table: &dyn LeaseTable) {
    table.ensure(Create::IfMissing).await.unwrap();
    for write in writes(&ShardId::new("nowhere")) {
        assert_eq!(table.write(&write).await, Err(WriteError::Refused(None)), "{write:?}");
    }
    assert_eq!(table.scan().await, Ok(Scan::default()));
}

/// Who owns what is found without its neighbours, and what was released or handed over is no longer owned.
pub async fn leases_are_found_by_their_owner(table: &dyn LeaseTable) {
    table.ensure(Create::IfMissing).await.unwrap();
    let owned = |key: &str, owner: Option<&str>| Lease { owner: owner.map(worker), counter: 7, ..full(key) };
    let rows = [("a1", Some("a")), ("b1", Some("b")), ("n1", None), ("a2", Some("a")), ("a3", Some("a"))];
    for (key, owner) in rows {
        table.write(&Write::Create(owned(key, owner))).await.unwrap();
    }
    let of = async |owner: &str| {
        let mut leases = table.owned(&worker(owner)).await.unwrap();
        leases.sort_by(|one, other| one.key.cmp(&other.key));
        leases
    };
    assert_eq!(of("a").await, ["a1", "a2", "a3"].map(|key| owned(key, Some("a"))));
    assert_eq!(of("b").await, [owned("b1", Some("b"))]);
    assert_eq!(of("nobody").await, []);

    for (key, then) in [("a1", Then::Release), ("a2", Then::HandTo(worker("b")))] {
        let commit = Commit::at(Checkpoint::ShardEnd, then);
        table.write(&Write::Commit { key: ShardId::new(key), counter: 7, commit }).await.unwrap();
    }
    let keys = |leases: Vec<Lease>| leases.into_iter().map(|lease| lease.key.to_string()).collect::<Vec<_>>();
    assert_eq!(keys(of("a").await), ["a3"]);
    assert_eq!(keys(of("b").await), ["a2", "b1"]);
    assert_eq!(of("b").await[0].counter, 8);
}

/// A worker may own more leases than one call reads.
pub async fn many_leases_are_found_by_their_owner(table: &dyn LeaseTable) {
    table.ensure(Create::IfMissing).await.unwrap();
    let row = |number: u32| {
        let key = ShardId::new(&format!("shardId-{number:012}"));
        let owner = if number < 120 { "a" } else { "b" };
        Lease { owner: Some(worker(owner)), ..Lease::fresh(key, Checkpoint::TrimHorizon) }
    };
    for number in 0..125 {
        table.write(&Write::Create(row(number))).await.unwrap();
    }
    let mut leases = table.owned(&worker("a")).await.unwrap();
    leases.sort_by(|one, other| one.key.cmp(&other.key));
    assert_eq!(leases, (0..120).map(row).collect::<Vec<_>>());
}

/// Many take one lease at once: exactly one has it, and the others are told who.
pub async fn one_of_many_takes_a_lease(table: Arc<dyn LeaseTable>) {
    table.ensure(Create::IfMissing).await.unwrap();
    for round in 0..5_u64 {
        let key = ShardId::new(&format!("raced-{round}"));
        table.write(&Write::Create(Lease::fresh(key.clone(), Checkpoint::TrimHorizon))).await.unwrap();
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..12 {
            let (table, key) = (table.clone(), key.clone());
            tasks.spawn(async move {
                let owner = worker(&format!("worker-{number}"));
                let take =
                    Write::Take { key, counter: 0, from: None, owner: owner.clone(), start_ms: None, anew: false };
                (owner, table.write(&take).await)
            });
        }
        let answers = tasks.join_all().await;
        let winners: Vec<_> = answers.iter().filter(|(_, answer)| answer.is_ok()).collect();
        assert_eq!(winners.len(), 1, "{answers:?}");
        let winner = &winners[0].0;
        let row = table.get(&key).await.unwrap().unwrap();
        assert_eq!((row.owner.as_ref(), row.counter), (Some(winner), 1));
        for (owner, answer) in &answers {
            if owner != winner {
                assert_eq!(*answer, Err(WriteError::Refused(Some(Box::new(row.clone())))));
            }
        }
    }
}
