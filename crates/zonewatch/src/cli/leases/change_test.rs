//! Changes on tables in memory, in virtual time.

use super::*;
use cloud::faulty::{Faulty, Rates};
use cloud::{Call, Create, Scan, memory};
use lease::{Epoch, SequenceNumber};
use std::sync::Arc;

const FAILOVER: Duration = Duration::from_secs(10);

fn at(digits: &str) -> Checkpoint {
    Checkpoint::through(SequenceNumber::parse(digits).unwrap())
}

fn key() -> ShardId {
    ShardId::new("s")
}

fn owned() -> Lease {
    let pending = Epoch { first: SequenceNumber::parse("101").unwrap(), last: SequenceNumber::parse("109").unwrap() };
    Lease { owner: Some(WorkerId::new("a")), counter: 7, pending: Some(pending), ..Lease::fresh(key(), at("100")) }
}

async fn table(rows: &[Lease]) -> Arc<memory::LeaseTable> {
    let table = Arc::new(memory::LeaseTable::new("leases"));
    table.ensure(Create::IfMissing).await.unwrap();
    for row in rows {
        table.write(&Write::Create(row.clone())).await.unwrap();
    }
    table
}

fn place(table: &Arc<memory::LeaseTable>) -> Place {
    let state = Arc::new(memory::StateTable::new("leases-state"));
    Place { table: Arc::<memory::LeaseTable>::clone(table), state, failover: FAILOVER }
}

async fn run(table: &Arc<memory::LeaseTable>, change: &Change, key: Option<&ShardId>, asked: Asked) -> Report {
    super::change(&place(table), change, key, asked, &mut |_| ()).await.unwrap()
}

const YES: Asked = Asked { yes: true, force: false, counter: None };
const FORCE: Asked = Asked { yes: true, force: true, counter: None };

fn back() -> Change {
    Change::Reset { to: Checkpoint::TrimHorizon, start_ms: None }
}

fn outcomes(report: &Report) -> Vec<Outcome> {
    report.leases.iter().map(|changed| changed.outcome).collect()
}

#[tokio::test(start_paused = true)]
async fn without_yes_nothing_is_written_and_it_is_said_what_would_be() {
    let table = table(&[owned()]).await;
    for change in [Change::Release, back()] {
        let report = run(&table, &change, Some(&key()), Asked::default()).await;
        assert_eq!((report.done, outcomes(&report)), (false, vec![Outcome::Planned]));
    }
    assert_eq!(table.get(&key()).await.unwrap(), Some(owned()));
}

#[tokio::test(start_paused = true)]
async fn the_lease_of_a_dead_owner_is_released_with_its_pending_epoch() {
    let table = table(&[owned()]).await;
    let report = run(&table, &Change::Release, Some(&key()), YES).await;
    assert_eq!((report.done, outcomes(&report)), (true, vec![Outcome::Done]));
    let row = table.get(&key()).await.unwrap().unwrap();
    assert_eq!(row, Lease { owner: None, counter: 8, owner_switches: 0, ..owned() });
    let again = run(&table, &Change::Release, Some(&key()), YES).await;
    assert_eq!((again.done, outcomes(&again)), (true, vec![Outcome::Unchanged]));
}

#[tokio::test(start_paused = true)]
async fn an_epoch_from_before_another_consumer_is_not_made_valid_by_a_release() {
    let table = table(&[Lease { own_checkpoint: Some(at("90")), ..owned() }]).await;
    let report = run(&table, &Change::Release, Some(&key()), YES).await;
    assert!(report.leases[0].message.contains("its pending epoch is dropped"), "{report:?}");
    assert_eq!(table.get(&key()).await.unwrap().unwrap().pending, None);
}

#[tokio::test(start_paused = true)]
async fn an_owner_that_renews_is_in_the_way_unless_forced() {
    let table = table(&[owned()]).await;
    let renewing = async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        table.write(&Write::Renew { key: key(), counter: 7 }).await.unwrap();
    };
    let (back, key_of_a) = (back(), key());
    let asked = run(&table, &back, Some(&key_of_a), YES);
    let (report, ()) = tokio::join!(asked, renewing);
    let refused = report.refused.unwrap();
    assert!(refused.starts_with("a is alive (it moved the counter of s)") && refused.contains("--force"), "{refused}");
    assert_eq!((report.done, table.get(&key()).await.unwrap().unwrap().checkpoint), (false, at("100")));

    let began = tokio::time::Instant::now();
    let forced = run(&table, &back, Some(&key()), FORCE).await;
    assert_eq!((forced.done, began.elapsed()), (true, Duration::ZERO), "nobody is waited for");
}

#[tokio::test(start_paused = true)]
async fn a_row_that_changed_since_it_was_shown_is_left_alone_and_shown_again() {
    let table = table(&[owned()]).await;
    let taking = async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        let owner = WorkerId::new("b");
        let take = Write::Take { key: key(), counter: 7, from: None, owner, start_ms: None, anew: false };
        table.write(&take).await.unwrap();
    };
    let key_of_a = key();
    let asked = run(&table, &Change::Release, Some(&key_of_a), YES);
    let (report, ()) = tokio::join!(asked, taking);
    assert_eq!((report.done, outcomes(&report)), (false, vec![Outcome::Raced]));
    assert_eq!(report.leases[0].after.as_ref().unwrap().owner.as_deref(), Some("b"));

    let stale = Asked { counter: Some(7), ..FORCE };
    let report = run(&table, &back(), Some(&key()), stale).await;
    assert_eq!((report.done, outcomes(&report)), (false, vec![Outcome::Raced]));
    assert_eq!(table.get(&key()).await.unwrap().unwrap().counter, 8);
}

#[tokio::test(start_paused = true)]
async fn every_lease_is_reset_but_ended_ones_have_no_latest() {
    let other = |name: &str, checkpoint| Lease::fresh(ShardId::new(name), checkpoint);
    let table = table(&[other("s1", at("5")), other("s2", Checkpoint::ShardEnd)]).await;
    let latest = Change::Reset { to: Checkpoint::Latest, start_ms: None };
    let report = run(&table, &latest, None, YES).await;
    assert_eq!((report.done, outcomes(&report)), (true, vec![Outcome::Done, Outcome::Unchanged]));
    let report = run(&table, &back(), None, YES).await;
    assert_eq!((report.done, outcomes(&report)), (true, vec![Outcome::Done, Outcome::Done]));
    let row = table.get(&ShardId::new("s2")).await.unwrap().unwrap();
    assert_eq!((row.checkpoint, row.floor), (Checkpoint::TrimHorizon, Some(Checkpoint::ShardEnd)));
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_not_there_is_named() {
    let table = table(&[owned()]).await;
    let report = run(&table, &back(), Some(&ShardId::new("t")), FORCE).await;
    assert!(report.refused.is_some_and(|text| text.contains("there is no lease t in leases")));
}

#[tokio::test(start_paused = true)]
async fn after_a_lost_answer_the_row_is_believed() {
    let rates = |lost_call, lost_reply| Rates { lost_call, lost_reply, ..Rates::none() };
    let write = Write::Reset { key: key(), counter: 7, to: at("50"), start_ms: None };
    let change = Change::Reset { to: at("50"), start_ms: None };
    // A lost reply loses the reply to the read after it too, so only the write goes through the wrapper.
    for (rates, outcome) in [(rates(0.0, 1.0), Outcome::Done), (rates(1.0, 0.0), Outcome::Failed)] {
        let sound = table(&[owned()]).await;
        let spoiled = Faulty::new(Arc::clone(&sound), rates, 3);
        let split = Split { reads: Arc::clone(&sound), writes: spoiled };
        let changed = carry_out(&split, &owned(), &write, &change).await;
        assert_eq!(changed.outcome, outcome, "{changed:?}");
    }
}

/// Reads one table and writes through another.
struct Split {
    reads: Arc<memory::LeaseTable>,
    writes: Faulty<memory::LeaseTable>,
}

impl LeaseTable for Split {
    fn name(&self) -> &str {
        self.reads.name()
    }
    fn ensure(&self, create: Create) -> Call<'_, Result<(), Error>> {
        self.reads.ensure(create)
    }
    fn scan(&self) -> Call<'_, Result<Scan, Error>> {
        self.reads.scan()
    }
    fn owned<'a>(&'a self, owner: &'a WorkerId) -> Call<'a, Result<Vec<Lease>, Error>> {
        self.reads.owned(owner)
    }
    fn get<'a>(&'a self, key: &'a ShardId) -> Call<'a, Result<Option<Lease>, Error>> {
        self.reads.get(key)
    }
    fn write<'a>(&'a self, write: &'a Write) -> Call<'a, Result<Lease, WriteError>> {
        self.writes.write(write)
    }
}

#[test]
fn what_moving_a_checkpoint_costs_is_said() {
    let read = Lease { read_until_ms: Some(5_000), ..Lease::fresh(key(), at("100")) };
    let fresh = Lease::fresh(key(), Checkpoint::TrimHorizon);
    let ended = Lease::fresh(key(), Checkpoint::ShardEnd);
    for (row, to, start_ms, part) in [
        (&read, Checkpoint::TrimHorizon, None, "backwards, records after the new place are delivered again"),
        (&read, at("99"), None, "backwards"),
        (&read, at("101"), None, "forwards, records in between are skipped"),
        (&read, at("100"), None, "that is the same place"),
        (&read, Checkpoint::Latest, None, "not yet delivered are skipped"),
        (&read, Checkpoint::AtTimestamp, Some(4_000), "backwards"),
        (&read, Checkpoint::AtTimestamp, Some(6_000), "forwards"),
        (&fresh, Checkpoint::AtTimestamp, Some(6_000), "begins with what arrived since then"),
        (&fresh, Checkpoint::TrimHorizon, None, "begins at the oldest record"),
        (&ended, Checkpoint::TrimHorizon, None, "backwards"),
        (&ended, Checkpoint::TrimHorizon, None, "the shard had ended and is read again"),
    ] {
        let text = Change::Reset { to, start_ms }.means(row);
        assert!(text.contains(part), "{part} is missing in: {text}");
    }
}
