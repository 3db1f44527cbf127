//! Whole workers over memory ports that fail by a seed: nothing may be missing, whatever crashes.

use crate::config::{Config, Retrieval};
use crate::supervisor::{self, Supervisor};
use crate::telemetry;
use cloud::faulty::Rates;
use cloud::{LeaseTable, Stream, memory};
use lease::{Checkpoint, HashRange, Lease, ShardId};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

mod world;

use world::*;

#[tokio::test]
async fn a_drained_worker_leaves_nothing_behind_and_its_successor_repeats_nothing() {
    let mut world = World::new(2, Rates::none());
    for number in 0..200 {
        world.put(spread(number, 7)).await;
    }
    let mut first = world.worker("first", 1, |_| {});
    world.until("half of it delivered", async |world| world.delivered().len() >= 100).await;
    for number in 0..200 {
        world.put(spread(number, 7)).await;
    }
    first.supervisor.drain();
    first.supervisor.finished().await.expect("a drain ends well");
    assert!(
        world.rows().await.iter().all(|row| row.owner.is_none() && row.pending.is_none()),
        "{:#?}",
        world.rows().await
    );
    let mut second = world.worker("second", 2, |_| {});
    world.until_all_is_delivered().await;
    second.supervisor.drain();
    second.supervisor.finished().await.expect("a drain ends well");
    assert!(world.delivered().values().all(|&times| times == 1), "a clean hand-over repeats nothing");
    first.kill();
    second.kill();
}

#[tokio::test]
async fn windows_count_every_query_once_whatever_crashes() {
    let mut world = World::new(3, rates());
    world.compute_windows(2);
    workers_crash(&mut world, 0, Retrieval::Polling).await;
    let mut last = world.worker("last", 9, |config| config.source.epoch_secs = 1);
    world.until("every query in a window, or late", async |world| world.counted() >= world.put).await;
    assert_eq!(world.counted(), world.put);
    for supervisor in [Some(&mut last.supervisor), last.rollup.as_mut()].into_iter().flatten() {
        supervisor.drain();
        supervisor.finished().await.expect("a drain ends well");
    }
    assert_eq!(world.counted(), world.put);
    last.kill();
    // What a failing call left undeleted goes with the next owner's first look.
    world.rates = Rates::none();
    let heir = world.worker("heir", 10, |config| config.source.epoch_secs = 1);
    world.until("one snapshot a rollup shard", async |world| world.snapshots().await.len() == 2).await;
    heir.kill();
}

#[tokio::test]
async fn a_drain_does_not_wait_for_a_bucket_that_does_not_answer() {
    let mut world = World::new(2, Rates::none());
    world.compute_windows(2);
    for number in 0..20 {
        world.put(spread(number, 7)).await;
    }
    let first = world.worker("first", 1, |config| config.source.epoch_secs = 1);
    let stored = async |world: &World| {
        let rows = world.rollup_rows().await;
        rows.len() == 2 && rows.iter().all(|row| row.snapshot.is_some())
    };
    world.until("a snapshot of each rollup shard", stored).await;
    first.kill();
    let before = world.rollup_rows().await;

    world.windows.as_mut().unwrap().snapshot_rates = Some(Rates { lost_call: 1.0, ..Rates::none() });
    let mut second = world.worker("second", 2, |_| {});
    let taken = async |world: &World| {
        let mut rows = world.rollup_rows().await.into_iter();
        rows.all(|row| row.owner.is_some_and(|owner| owner.as_str() == "second"))
    };
    world.until("both rollup shards taken", taken).await;
    let rollup = second.rollup.as_mut().unwrap();
    rollup.drain();
    let drained = tokio::time::timeout(Duration::from_secs(10), rollup.finished()).await;
    drained.expect("a drain in a moment").expect("a drain that ends well");
    let kept = |rows: &[Lease]| {
        rows.iter().map(|row| (row.key.clone(), row.checkpoint.clone(), row.snapshot.clone())).collect::<Vec<_>>()
    };
    let after = world.rollup_rows().await;
    assert!(after.iter().all(|row| row.owner.is_none()), "{after:#?}");
    assert_eq!(kept(&after), kept(&before));
    second.kill();
}

#[tokio::test]
async fn a_drain_does_not_wait_for_the_view_that_was_left() {
    let mut world = World::new(1, Rates::none());
    world.compute_windows(1);
    let windows = world.windows.as_mut().unwrap();
    windows.snapshot_rates = Some(Rates { delayed: 1.0, delay_max: Duration::from_secs(600), ..Rates::none() });
    let mut worker = world.worker("slow", 1, |_| {});
    let taken = async |world: &World| world.rollup_rows().await.iter().any(|row| row.owner.is_some());
    world.until("the rollup shard taken", taken).await;
    let rollup = worker.rollup.as_mut().unwrap();
    rollup.drain();
    let drained = tokio::time::timeout(Duration::from_secs(10), rollup.finished()).await;
    drained.expect("a drain in a moment").expect("a drain that ends well");
    worker.kill();
}

#[tokio::test]
async fn a_stream_that_refuses_windows_holds_up_no_finding() {
    let mut world = World::new(1, Rates::none());
    world.compute_windows(1);
    let windows = world.windows.as_mut().unwrap();
    windows.windows_rates = Some(Rates { lost_call: 1.0, ..Rates::none() });
    let worker = world.worker("one", 1, |config| {
        config.source.epoch_secs = 1;
        config.detect.lateness_secs = 10;
    });
    world.put(0).await;
    let late = world.clock.now_ms() + 120_000;
    world.until("windows on their way", async |world| world.clock.now_ms() > late).await;
    world.put_asked(0, 5_000, world.clock.now_ms(), "NXDOMAIN").await;
    let found = async |world: &World| !world.windows.as_ref().unwrap().findings.entries().is_empty();
    world.until("a finding", found).await;
    worker.kill();
}

#[tokio::test]
async fn crashes_and_failing_calls_lose_nothing() {
    for seed in 0..3 {
        crashed_workers_lose_nothing(rates(), seed, Retrieval::Polling).await;
    }
}

#[tokio::test]
async fn crashes_and_failing_subscriptions_lose_nothing() {
    let rates = Rates { broken: 0.1, silent: 0.05, expired: 0.0, ..rates() };
    for seed in 0..3 {
        crashed_workers_lose_nothing(rates.clone(), seed, Retrieval::FanOut).await;
    }
}

/// One call in seven or so fails.
fn rates() -> Rates {
    Rates { lost_reply: 0.05, lost_call: 0.05, throttled: 0.05, refused_entry: 0.1, expired: 0.05, ..Rates::none() }
}

async fn crashed_workers_lose_nothing(rates: Rates, seed: u64, retrieval: Retrieval) {
    let mut world = World::new(3, rates);
    workers_crash(&mut world, seed, retrieval).await;
    let last = world.worker("last", seed * 100 + 9, |config| config.source.retrieval = retrieval);
    world.until_all_is_delivered().await;
    last.kill();
}

/// One worker after another crashes while it has work.
async fn workers_crash(world: &mut World, seed: u64, retrieval: Retrieval) {
    for (life, name) in ["a", "b", "c"].iter().enumerate() {
        let worker = world.worker(name, seed * 100 + life as u64, |config| {
            config.source.epoch_secs = 1;
            config.source.retrieval = retrieval;
        });
        for number in 0..100 {
            world.put(spread(number, 11)).await;
            if number % 10 == 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        let so_far = world.delivered().len();
        world.until("something more delivered", async |world| world.delivered().len() > so_far).await;
        worker.kill();
    }
}

#[tokio::test]
async fn an_outlet_that_refuses_for_ever_keeps_the_checkpoint() {
    let mut world = World::new(1, Rates { refused_entry: 1.0, ..Rates::none() });
    for _ in 0..10 {
        world.put(0).await;
    }
    let refused = world.worker("refused", 1, |_| {});
    let pending = async |world: &World| world.rows().await.iter().any(|row| row.pending.is_some());
    world.until("an epoch pending", pending).await;
    // A minute of the worker's time: several epochs could have been cut, and the lease has been renewed.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let row = world.rows().await.remove(0);
    assert_eq!((row.checkpoint, world.delivered().len()), (Checkpoint::TrimHorizon, 0));
    refused.kill();
    world.rates = Rates::none();
    let next = world.worker("next", 2, |_| {});
    world.until_all_is_delivered().await;
    next.kill();
}

#[tokio::test]
async fn no_checkpoint_passes_a_reject_that_is_not_in_the_quarantine() {
    let mut world = World::new(1, Rates::none());
    world.quarantine_rates = Rates { refused_entry: 1.0, ..Rates::none() };
    world.put(0).await;
    world.put_data(0, "rubbish").await;
    let refused = world.worker("refused", 1, |_| {});
    world.until_all_is_delivered().await;
    // A minute of the worker's time.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let row = world.rows().await.remove(0);
    assert_eq!((row.checkpoint, row.pending.is_some()), (Checkpoint::TrimHorizon, true));
    refused.kill();

    world.quarantine_rates = Rates::none();
    let next = world.worker("next", 2, |_| {});
    let committed =
        async |world: &World| world.rows().await.iter().all(|row| row.checkpoint != Checkpoint::TrimHorizon);
    world.until("a checkpoint", committed).await;
    next.kill();
    let kept = world.quarantine.entries().concat();
    let line: crate::quarantine::Line<'_> = serde_json::from_slice(&kept).expect("one line of JSON");
    assert_eq!((line.reason.as_ref(), line.shard.as_ref()), ("unknown_format", "shardId-000000000000"));
    assert_eq!(line.into_record().expect("base64"), b"rubbish");
}

#[tokio::test]
async fn a_successor_makes_the_pending_epoch_again_to_the_same_record() {
    let mut world = World::new(1, Rates::none());
    for _ in 0..30 {
        world.put(0).await;
    }
    // The row as a worker leaves it that died while it delivered records 11 to 20.
    let first = world.worker("first", 1, |_| {});
    world
        .until("a commit", async |world| {
            matches!(world.rows().await.first(), Some(Lease { pending: None, checkpoint: Checkpoint::At { .. }, .. }))
        })
        .await;
    first.kill();
    let key = world.rows().await[0].key.clone();
    let sequence = |number: u64| lease::SequenceNumber::parse(&number.to_string()).expect("a number");
    let pending = lease::Epoch { first: sequence(11), last: sequence(20) };
    let crashed = memory::LeaseTable::new("leases");
    let row = Lease {
        checkpoint: Checkpoint::through(sequence(10)),
        own_checkpoint: Some(Checkpoint::through(sequence(10))),
        pending: Some(pending.clone()),
        ..world.rows().await[0].clone()
    };
    crashed.ensure(cloud::Create::IfMissing).await.expect("memory makes a table");
    crashed.write(&lease::Write::Create(row)).await.expect("an empty table takes a row");
    world.leases = Arc::new(crashed);
    world.firehose = Arc::new(memory::DeliveryStream::keeping("records"));
    let second = world.worker("second", 2, |_| {});
    let seen = tokio::sync::Mutex::new(Vec::new());
    world
        .until("records 11 to 30 delivered", async |world| {
            let row = world.leases.get(&key).await.expect("memory answers").expect("the row stays");
            seen.lock().await.push((row.checkpoint, row.pending));
            world.delivered().len() == 20
        })
        .await;
    assert_eq!(world.delivered().keys().copied().collect::<Vec<_>>(), (10..30).collect::<Vec<_>>());
    let entries = world.firehose.entries();
    let first_entry = std::str::from_utf8(&entries[0]).expect("text").lines().count();
    assert_eq!(first_entry, 10, "the pending epoch is delivered by itself");
    let cuts: Vec<_> = seen.into_inner().into_iter().filter_map(|(_, pending)| pending).collect();
    assert!(cuts.iter().all(|cut| *cut == pending || cut.first > pending.last), "{cuts:?}");
    second.kill();
}

#[tokio::test]
async fn children_are_read_after_their_parents_to_the_end() {
    let mut world = World::new(2, Rates::none());
    let worker = world.worker("only", 1, |config| config.source.epoch_secs = 1);
    let parent = ShardId::new("shardId-000000000000");
    for number in 0..50 {
        world.put(spread(number, 5)).await;
    }
    world.until("a lease taken", async |world| world.rows().await.iter().any(|row| row.owner.is_some())).await;
    world.source.split(&parent, u128::MAX / 4).expect("an open shard splits");
    for number in 0..50 {
        world.put(spread(number, 5)).await;
    }
    world.until_all_is_delivered().await;
    world
        .until("the parent's end committed", async |world| {
            world.rows().await.iter().any(|row| row.key == parent && row.checkpoint == Checkpoint::ShardEnd)
        })
        .await;
    world
        .until("the children checkpointed", async |world| {
            let rows = world.rows().await;
            let children = rows.iter().filter(|row| row.parents.contains(&parent));
            let ends: BTreeSet<_> = children
                .filter(|row| matches!(row.checkpoint, Checkpoint::At { .. }))
                .filter_map(|row| row.hash_range.map(|HashRange { end, .. }| end))
                .collect();
            ends.len() == 2
        })
        .await;
    assert!(world.delivered().values().all(|&times| times == 1));
    worker.kill();
}

/// A shard's task that nothing runs but the test, with one record in its open epoch, and the coordination that its commits
/// go to. `remake` is the last record of a pending epoch.
async fn task_by_hand(
    world: &World,
    remake: Option<&str>,
    change: impl FnOnce(&mut Config),
) -> (super::ShardTask, Supervisor) {
    let mut config = Config::default();
    change(&mut config);
    let shared = world.pipeline("only", 1, &config).shared;
    let (give, taken) = std::sync::mpsc::channel();
    let runtime = tokio::runtime::Handle::current();
    let spawn: supervisor::Spawn = Box::new(move |held: supervisor::Held| {
        give.send(held).expect("the test waits");
        runtime.spawn(std::future::pending())
    });
    let supervisor = world.supervisor("only", 1, &config, spawn);
    let mut held = taken.recv_timeout(Duration::from_secs(60)).expect("a lease is taken");
    held.lease.pending = remake.map(|last| lease::Epoch { first: sequence("1"), last: sequence(last) });
    let mut task = super::ShardTask::new(held, shared);
    task.waiting.push_back(cloud::Record {
        sequence: sequence("1"),
        arrival_ms: 1,
        data: event(0, START_MS, "NOERROR").into(),
    });
    task.observe_waiting(supervisor::Phase::Run).await;
    assert!(!task.open.is_empty());
    (task, supervisor)
}

fn sequence(digits: &str) -> lease::SequenceNumber {
    lease::SequenceNumber::parse(digits).expect("a number")
}

#[tokio::test]
async fn a_task_sleeps_until_there_is_something_to_do() {
    let world = World::new(1, Rates::none());
    let (mut task, supervisor) = task_by_hand(&world, None, |_| {}).await;
    let sleeps = |task: &super::ShardTask| task.until_next_deadline(false) > Duration::from_millis(10);
    // An epoch is open, and the one before it was acknowledged long ago: the cut commits that.
    drop(task.cut().await.expect("the lease is held"));
    task.epochs.acknowledged();
    assert!(task.has_news());
    let now = world.clock.elapsed();
    task.acknowledged_at = now.saturating_sub(super::COMMIT_IDLE);
    task.waiting.push_back(cloud::Record {
        sequence: sequence("2"),
        arrival_ms: 1,
        data: event(1, START_MS, "NOERROR").into(),
    });
    task.observe_waiting(supervisor::Phase::Run).await;
    assert!(sleeps(&task), "{:?}", task.until_next_deadline(false));
    drop(supervisor);
    // Part of a pending epoch was read, longer ago than an epoch lasts: only its last record ends it.
    let (mut task, supervisor) = task_by_hand(&World::new(1, Rates::none()), Some("9"), |_| {}).await;
    task.open.opened_at = Duration::ZERO;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(sleeps(&task), "{:?}", task.until_next_deadline(false));
    drop(supervisor);
}

#[tokio::test]
async fn a_drain_at_the_shards_end_delivers_what_was_read_of_a_pending_epoch() {
    let world = World::new(1, Rates::none());
    // The row names a last record that the shard does not have.
    let (mut task, supervisor) = task_by_hand(&world, Some("9"), |_| {}).await;
    task.ended = Some(Vec::new());
    let (_phase, drains) = watch::channel(supervisor::Phase::Drain);
    task.phase = drains;
    task.work().await.expect("the lease is held");
    assert_eq!(task.lease.checkpoint, Checkpoint::ShardEnd);
    assert_eq!(world.delivered().into_keys().collect::<Vec<_>>(), [0], "the checkpoint passed a record");
    drop(supervisor);
}

#[test]
fn an_epoch_that_is_cut_for_its_size_is_counted() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let cut = |epoch_bytes_max| async move {
        let world = World::new(1, Rates::none());
        let (mut task, supervisor) =
            task_by_hand(&world, None, |config| config.limits.epoch_bytes_max = epoch_bytes_max).await;
        drop(task.cut().await.expect("the lease is held"));
        drop(supervisor);
    };
    let exposition =
        telemetry::Exposition::isolated(|| runtime.block_on(async { (cut(1).await, cut(1 << 20).await) }).0);
    let text = exposition.render();
    assert!(text.contains("zonewatch_limits_reached_total{limit=\"epoch_bytes_max\"} 1\n"), "{text}");
}

#[tokio::test]
async fn an_epoch_is_cut_before_its_digests_are_too_large() {
    let mut world = World::new(1, Rates::none());
    world.compute_windows(1);
    let (mut task, supervisor) = task_by_hand(&world, None, |_| {}).await;
    // A thousand zones a record, each record in a pane of its own.
    for record in 0..30_u32 {
        let time = format!("2027-01-15T07:{:02}:{:02}Z", 55 + record / 6, record % 6 * 10);
        let line = |zone: u32| format!("1.0 {time} Z{zone:09} n.example.com A NOERROR UDP FRA6 192.0.2.1 -\n");
        let data = (0..1_000).map(line).collect::<String>().into();
        let number = sequence(&(record + 2).to_string());
        task.waiting.push_back(cloud::Record { sequence: number, arrival_ms: 1_800_000_000_000, data });
    }
    assert_eq!(task.observe_waiting(supervisor::Phase::Run).await, super::Next::Full);
    let (bytes, most) = (task.open.digest_bytes_max(), super::MESSAGE_BYTES_MAX);
    assert!(!task.waiting.is_empty() && (most / 2..most).contains(&bytes), "{bytes} bytes, {}", task.waiting.len());
    drop(supervisor);
}

#[tokio::test]
async fn work_that_panics_costs_no_observer() {
    let shared = World::new(1, Rates::none()).pipeline("only", 1, &Config::default()).shared;
    for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
        let shared = shared.clone();
        let broken = tokio::spawn(async move { shared.observers.with(|_| panic!("as a defect would")).await });
        assert!(broken.await.expect_err("it panics").is_panic());
    }
    let mut worked = false;
    shared.observers.with(|_| worked = true).await;
    assert!(worked);
}

#[tokio::test]
async fn what_is_held_stays_within_the_budget_however_much_waits() {
    // 320 records of 2,000 queries: over 400 MB of ECS lines, and a shard could hold 32 MiB of them without the budget.
    let mut world = World::new(16, Rates { refused_entry: 1.0, ..Rates::none() });
    for number in 0..320 {
        world.put_many(spread(number, 16), 2_000).await;
    }
    let bytes_max = 64 << 20;
    let worker = world.worker("bounded", 1, |config| config.limits.held_bytes_max = bytes_max);
    let mut highest = 0;
    for _ in 0..400 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        highest = highest.max(worker.budget.held());
    }
    worker.kill();
    let record_bytes = 2_000 * 1_000;
    assert!(highest > bytes_max / 2, "only {highest} bytes were held; the test shows nothing");
    assert!(highest < bytes_max + 16 * record_bytes, "{highest} bytes were held");
}

#[tokio::test]
async fn pending_epochs_larger_than_the_budget_are_all_delivered() {
    // Ten pending epochs of 8 MB of lines each; a read brings one record, a fourth of it.
    let mut world = World::new(10, Rates::none());
    for number in 0..40 {
        world.put_many(spread(number, 10) + 1, 2_000).await;
    }
    world.leases.ensure(cloud::Create::IfMissing).await.expect("memory makes a table");
    for shard in world.source.shards().await.expect("memory answers") {
        let cursor = world.source.cursor(&shard.id, &cloud::Start::TrimHorizon).await.expect("a cursor");
        let records = world.source.read(&shard.id, &cursor, 100).await.expect("a read").records;
        let (first, last) = (records[0].sequence.clone(), records[records.len() - 1].sequence.clone());
        let row =
            Lease { pending: Some(lease::Epoch { first, last }), ..Lease::fresh(shard.id, Checkpoint::TrimHorizon) };
        world.leases.write(&lease::Write::Create(row)).await.expect("an empty table takes a row");
    }
    let worker = world.worker("only", 1, |config| {
        config.source.records_max = 1;
        config.limits.held_bytes_max = 16 << 20;
    });
    let committed =
        async |world: &World| world.rows().await.iter().all(|row| matches!(row.checkpoint, Checkpoint::At { .. }));
    world.until("every pending epoch committed", committed).await;
    assert_eq!(world.delivered().len() as u64, world.put);
    worker.kill();
}
