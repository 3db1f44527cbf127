//! Supervisors over memory ports, with tasks that only commit.

use super::*;
use cloud::memory;
use lease::{Checkpoint, Commit, Epoch, SequenceNumber, ShardId, Then};
use std::collections::BTreeMap;
use std::sync::Mutex;

/// The failover time, real.
const FAILOVER: Duration = Duration::from_millis(3_000);
/// A loaded machine may take long; a healthy run needs a few failover times.
const PATIENCE: Duration = Duration::from_secs(30);

/// What all the workers of a test share.
#[derive(Clone)]
struct Fleet {
    table: Arc<memory::LeaseTable>,
    state: Arc<memory::StateTable>,
    stream: Arc<memory::Stream>,
    /// Who reads which shard now; a second reader fails the test.
    readers: Arc<Mutex<BTreeMap<ShardId, String>>>,
    faults: Arc<Mutex<Vec<String>>>,
}

impl Fleet {
    fn new(shards: usize) -> Self {
        let clock = Arc::new(|| Clock::real().now_ms());
        Self {
            table: Arc::new(memory::LeaseTable::new("leases")),
            state: Arc::new(memory::StateTable::new("leases-state")),
            stream: Arc::new(memory::Stream::new("queries", shards, clock)),
            readers: Arc::default(),
            faults: Arc::default(),
        }
    }

    fn ports(&self) -> Ports {
        Ports { table: self.table.clone(), state: self.state.clone(), stream: self.stream.clone() }
    }

    fn worker(&self, name: &str, create: Create) -> Supervisor {
        let (settings, ports) = (settings(name, create), self.ports());
        let (fleet, name) = (self.clone(), name.to_owned());
        let data = tokio::runtime::Handle::current();
        let spawn: Spawn = Box::new(move |held: Held| data.spawn(fleet.clone().task(name.clone(), held)));
        start(settings, Clock::real(), move || Box::pin(async { Ok(ports) }), spawn)
    }

    /// Commits a made-up epoch now and then.
    async fn task(self, name: String, mut held: Held) {
        let key = held.lease.key.clone();
        if let Some(other) = self.readers.lock().unwrap().insert(key.clone(), name.clone()) {
            self.faults.lock().unwrap().push(format!("{name} began {key} while {other} read it"));
        }
        let mut row = held.lease;
        loop {
            let phase = *held.phase.borrow_and_update();
            let then = if phase == Phase::Drain { Then::Release } else { Then::Keep };
            if phase == Phase::Lost {
                break;
            }
            // The reader stops before it lets go: from the release on, another may begin.
            if then == Then::Release {
                self.readers.lock().unwrap().remove(&key);
            }
            let Ok(after) = held.commits.commit(next(&row, then.clone())).await else { break };
            row = after;
            if then == Then::Release {
                return;
            }
            tokio::select! {
                _ = held.phase.changed() => {}
                () = tokio::time::sleep(Duration::from_millis(50)) => {}
            }
        }
        self.readers.lock().unwrap().remove(&key);
    }

    async fn rows(&self) -> Vec<Lease> {
        self.table.scan().await.unwrap().leases
    }

    fn check(&self) {
        assert_eq!(*self.faults.lock().unwrap(), Vec::<String>::new());
    }
}

fn settings(name: &str, create: Create) -> Settings {
    Settings {
        worker: WorkerId::new(name),
        failover: FAILOVER,
        capacity: 1_000,
        held_max: None,
        start: StartPosition::TrimHorizon,
        create,
    }
}

/// A commit that moves the checkpoint one further and names the epoch after it.
fn next(row: &Lease, then: Then) -> Commit {
    let through: u64 = match &row.checkpoint {
        Checkpoint::At { sequence, .. } => sequence.as_str().parse().unwrap(),
        _ => 0,
    };
    let sequence = |number: u64| SequenceNumber::parse(&number.to_string()).unwrap();
    let epoch = Epoch { first: sequence(through + 2), last: sequence(through + 2) };
    Commit {
        pending: (then == Then::Keep).then_some(epoch),
        ..Commit::at(Checkpoint::through(sequence(through + 1)), then)
    }
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = tokio::time::Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "waited for: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn held(supervisor: &Supervisor) -> usize {
    supervisor.status().held.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_workers_share_the_shards_and_never_one_of_them() {
    let fleet = Fleet::new(4);
    let mut first = fleet.worker("first", Create::IfMissing);
    let mut second = fleet.worker("second", Create::IfMissing);
    until("two shards each", || held(&first) == 2 && held(&second) == 2).await;
    for worker in [&first, &second] {
        assert!(worker.status().ready);
    }
    until("every shard seen covered", || first.status().uncovered_ratio == 0.0).await;
    first.drain();
    assert_eq!(first.finished().await, Ok(()));
    assert_eq!(held(&first), 0);
    until("the other takes over", || held(&second) == 4).await;
    second.drain();
    assert_eq!(second.finished().await, Ok(()));
    let rows = fleet.rows().await;
    assert_eq!(rows.len(), 4);
    for row in rows {
        assert_eq!((row.owner, row.pending), (None, None), "{}", row.key);
        assert!(matches!(row.checkpoint, Checkpoint::At { .. }));
    }
    fleet.check();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_workers_shards_are_taken_over_after_three_beats() {
    let fleet = Fleet::new(2);
    let first = fleet.worker("first", Create::IfMissing);
    until("the first reads", || held(&first) == 2).await;
    let second = fleet.worker("second", Create::Never);
    until("the second is ready", || second.status().ready).await;
    assert_eq!(held(&second), 0);
    let died = tokio::time::Instant::now();
    drop(first);
    until("the second reads", || held(&second) == 2).await;
    // Three beats of a tenth each, of which the last may have been seen a beat before the death.
    assert!(died.elapsed() >= FAILOVER / 5, "taken over after {:?}", died.elapsed());
    fleet.check();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_task_gives_its_shard_up() {
    let fleet = Fleet::new(1);
    let ports = fleet.ports();
    let settings = settings("breaks", Create::IfMissing);
    let data = tokio::runtime::Handle::current();
    let starts = Arc::new(Mutex::new(0));
    let counted = starts.clone();
    let spawn: Spawn = Box::new(move |held: Held| {
        *counted.lock().unwrap() += 1;
        data.spawn(async move { assert!(held.lease.owner.is_none(), "breaks at once") })
    });
    let supervisor = start(settings, Clock::real(), move || Box::pin(async { Ok(ports) }), spawn);
    until("it is tried again", || *starts.lock().unwrap() >= 2).await;
    drop(supervisor);
    assert_eq!(fleet.rows().await[0].checkpoint, Checkpoint::TrimHorizon);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_table_is_named_at_the_start() {
    let fleet = Fleet::new(1);
    let mut supervisor = fleet.worker("first", Create::Never);
    let error = supervisor.finished().await.unwrap_err();
    assert!(matches!(error, Fatal::Start(cloud::Error::Missing { .. })), "{error}");
    assert!(error.to_string().contains("leases"), "{error}");
    assert!(!supervisor.status().ready);
}

/// A stream that nobody has made.
struct Absent;

impl Stream for Absent {
    fn name(&self) -> &str {
        "absent"
    }
    fn ensure(&self, _: cloud::Create) -> cloud::Call<'_, Result<Duration, cloud::Error>> {
        unreachable!("it is somebody else's")
    }
    fn shards(&self) -> cloud::Call<'_, Result<Vec<lease::Shard>, cloud::Error>> {
        let (action, resource, message) = ("kinesis:ListShards", "absent".to_owned(), "no such stream".to_owned());
        Box::pin(async { Err(cloud::Error::Missing { action, resource, message }) })
    }
    fn cursor<'a>(
        &'a self,
        _: &'a ShardId,
        _: &'a cloud::Start,
    ) -> cloud::Call<'a, Result<cloud::Cursor, cloud::Error>> {
        unreachable!("no shard is known")
    }
    fn read<'a>(
        &'a self,
        _: &'a ShardId,
        _: &'a cloud::Cursor,
        _: u32,
    ) -> cloud::Call<'a, Result<cloud::Batch, cloud::Error>> {
        unreachable!("no shard is known")
    }
    fn put<'a>(&'a self, _: &'a [cloud::Entry]) -> cloud::Call<'a, Result<Vec<cloud::Refused>, cloud::Error>> {
        unreachable!("nothing is put")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_table_is_made_for_a_missing_stream() {
    let fleet = Fleet::new(1);
    let ports = Ports { stream: Arc::new(Absent), ..fleet.ports() };
    let settings = settings("first", Create::IfMissing);
    let spawn: Spawn = Box::new(|_: Held| tokio::spawn(async {}));
    let mut supervisor = start(settings, Clock::real(), move || Box::pin(async { Ok(ports) }), spawn);
    let error = supervisor.finished().await.unwrap_err();
    assert!(matches!(error, Fatal::Start(cloud::Error::Missing { .. })), "{error}");
    assert!(fleet.table.scan().await.is_err(), "a table was left behind");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn children_are_read_once_their_parent_has_ended() {
    let fleet = Fleet::new(1);
    let clock = Clock::real();
    let ports = fleet.ports();
    let settings = settings("only", Create::IfMissing);
    let parent = fleet.stream.shards().await.unwrap()[0].id.clone();
    fleet.stream.split(&parent, u128::MAX / 2).unwrap();
    let children: Vec<lease::Shard> =
        fleet.stream.shards().await.unwrap().into_iter().filter(|shard| !shard.parents.is_empty()).collect();
    assert_eq!(children.len(), 2);
    let data = tokio::runtime::Handle::current();
    let begun: Arc<Mutex<Vec<ShardId>>> = Arc::default();
    let (seen, told) = (begun.clone(), children.clone());
    let spawn: Spawn = Box::new(move |held: Held| {
        seen.lock().unwrap().push(held.lease.key.clone());
        let children = told.clone();
        data.spawn(async move {
            if held.lease.parents.is_empty() {
                held.commits.end(Some(7), children).await.unwrap();
            }
        })
    });
    let supervisor = start(settings, clock, move || Box::pin(async { Ok(ports) }), spawn);
    until("both children are begun", || begun.lock().unwrap().len() >= 3).await;
    drop(supervisor);
    assert_eq!(begun.lock().unwrap()[0], parent);
    let row = fleet.table.get(&parent).await.unwrap().unwrap();
    assert_eq!((row.checkpoint, row.read_until_ms), (Checkpoint::ShardEnd, Some(7)));
    assert_eq!(row.children.len(), 2);
}
