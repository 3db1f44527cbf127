//! How long a shard is read by nobody when its lease changes hands, at default settings under steady traffic: from the
//! last record that the old owner observed to the first of the new one.

use super::events::{Flow, wait_until_delivered};
use super::fleet_windows::detecting;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::Duration;
use zonewatch_tests::emulators::{Emulator, unique, wait_for};
use zonewatch_tests::fleet::{Fleet, PATIENCE, Worker, held};
use zonewatch_tests::ledger::{Cause, EVERY_DIGEST, EVERY_RECORD, HandOver, Ledger, now};

/// The target at p99, when a worker is asked to end or a lease moves to one that has joined.
const ORDERLY_MAX: Duration = Duration::from_secs(1);
/// The target at p99, when a worker is killed.
const KILLED_MAX: Duration = Duration::from_secs(5);
/// What a machine that does much else may add, as a factor. The targets themselves are kept in virtual time
/// (`tests/simulation`); here a hand-over is half a dozen calls of emulators that share two cores with all other tests.
const NOISE: u32 = 3;
/// As long as a lease stays where it has come to: six failover times.
const STAY: Duration = Duration::from_secs(60);
/// Tries that say something of p99.
const MANY: usize = 30;

/// How often each kind of hand-over is tried: 3 times, or as `cargo xtask full` says.
pub(crate) fn tries() -> usize {
    std::env::var("ZONEWATCH_TRIES").map_or(3, |tries| tries.parse().expect("ZONEWATCH_TRIES is a number"))
}

/// Prints how long each of several shards had to wait, past the test runner, which shows nothing of a test that passes.
pub(crate) fn report(name: &str, mut waited: Vec<Duration>) {
    waited.sort();
    let (count, [min, median, p99, max]) = (waited.len(), [0, 50, 99, 100].map(|part| percentile(&waited, part)));
    let [min, median, p99, max] = [min, median, p99, max].map(|waited| waited.as_secs_f64());
    let line = format!(
        "figure {name}: {count} shards, min {min:.2} s, median {median:.2} s, p99 {p99:.2} s, max {max:.2} s\n"
    );
    let _ = std::io::stdout().write_all(line.as_bytes());
}

/// Of sorted times the one that so many in a hundred do not exceed; zero, if there is none.
fn percentile(sorted: &[Duration], part: usize) -> Duration {
    let index = (sorted.len() * part).div_ceil(100).max(1) - 1;
    sorted.get(index).copied().unwrap_or_default()
}

/// A fleet at default times that writes down every record.
fn fleet(shards: u32) -> Fleet {
    Fleet { epoch_secs: None, failover_secs: None, ..Fleet::create(shards) }
}

fn start(fleet: &Fleet, id: &str) -> Worker {
    fleet.worker_with(id, &EVERY_RECORD)
}

fn wait_until_held(workers: &[&Worker], shards: u32) {
    wait_for("every shard held by a worker that lives", PATIENCE, || {
        (held(workers.iter().copied()) == shards as usize).then_some(())
    });
}

/// Prints the hand-overs of one cause beside their target. What a machine's other work does to p99 is not this program's
/// fault, so half of many tries, or one of a few, must be near the target: no hand-over is that was left to the failover
/// time.
fn judge(name: &str, found: &[HandOver], cause: Cause, target: Duration) {
    let of_cause = found.iter().filter(|hand_over| hand_over.cause == cause);
    let mut took: Vec<Duration> = of_cause.map(|hand_over| hand_over.took).collect();
    took.sort();
    let said = if percentile(&took, 99) <= target { "met" } else { "MISSED" };
    report(&format!("hand-over at {name}, target {} s at p99 {said}", target.as_secs()), took.clone());
    assert!(took.len() >= tries(), "{name}: only {} of {} hand-overs: {found:?}", took.len(), tries());
    let judged = percentile(&took, if tries() < MANY { 0 } else { 50 });
    assert!(judged <= target * NOISE, "{name}: {judged:?}: {found:?}");
}

#[test]
fn shards_of_workers_that_end_or_die_are_soon_read_by_others() {
    const SHARDS: u32 = 6;
    let fleet = fleet(SHARDS);
    let flow = Flow::start(&fleet.stream, SHARDS, 100);
    let mut workers = fleet.three();
    wait_until_held(&workers.values().collect::<Vec<_>>(), SHARDS);

    for end in [Worker::end, Worker::kill].into_iter().flat_map(|end| std::iter::repeat_n(end, tries())) {
        let id = *workers.iter().max_by_key(|(_, worker)| worker.held()).expect("three workers").0;
        end(workers.remove(id).expect("one of them"));
        wait_until_held(&workers.values().collect::<Vec<_>>(), SHARDS);
        workers.insert(id, start(&fleet, id));
    }

    let ids = flow.stop();
    wait_until_delivered(&fleet, &ids);
    let ledger = Ledger::of(&fleet.folder);
    let found = ledger.hand_overs();
    judge("SIGTERM", &found, Cause::Ended, ORDERLY_MAX);
    judge("SIGKILL", &found, Cause::Silent, KILLED_MAX);
    assert_eq!(ledger.trespasses(&[]), Vec::<String>::new());
}

/// Windows move with a snapshot that is stored and loaded, so that their targets are further away.
const WINDOWS_ORDERLY_MAX: Duration = Duration::from_secs(5);
const WINDOWS_KILLED_MAX: Duration = Duration::from_secs(10);

#[test]
fn windows_of_a_worker_that_ends_or_dies_are_soon_computed_by_another() {
    const SHARDS: u32 = 3;
    // Digests come as often as epochs end.
    let fleet = Fleet { epoch_secs: Some(1), ..fleet(SHARDS) };
    let bucket = unique("snapshots");
    Emulator::aws().create_bucket(&bucket);
    let windows = [("ZONEWATCH_DETECT__ENABLED", "true"), ("ZONEWATCH_DETECT__BUCKET", bucket.as_str())];
    let settings = [&EVERY_DIGEST[..], &windows].concat();
    let flow = Flow::start(&fleet.stream, SHARDS, 300);
    let start = |id: &str| fleet.worker_with(id, &settings);
    let mut workers: BTreeMap<&str, Worker> = ["one", "two", "three"].map(|id| (id, start(id))).into();
    let owner = || wait_for("an owner of the rollup shard", PATIENCE, || detecting(&fleet));
    for end in [Worker::end, Worker::kill].into_iter().flat_map(|end| std::iter::repeat_n(end, tries())) {
        let owner = owner();
        let id = *workers.keys().find(|id| **id == owner).expect("one of them");
        let observed = || Ledger::of_rollup(&fleet.folder).readings().last().map(|last| last.process.clone());
        wait_for("a digest that it has read", PATIENCE, || observed().filter(|process| process.starts_with(id)));
        end(workers.remove(id).expect("it lives"));
        wait_for("another owner", PATIENCE, || detecting(&fleet).filter(|other| *other != owner));
        workers.insert(id, start(id));
    }
    wait_for("a digest read by the last owner", PATIENCE, || {
        let found = Ledger::of_rollup(&fleet.folder).hand_overs();
        (found.len() >= 2 * tries()).then_some(())
    });
    flow.stop();
    let found = Ledger::of_rollup(&fleet.folder).hand_overs();
    judge("SIGTERM, of windows", &found, Cause::Ended, WINDOWS_ORDERLY_MAX);
    judge("SIGKILL, of windows", &found, Cause::Silent, WINDOWS_KILLED_MAX);
}

#[test]
fn shards_move_to_a_worker_that_joins_and_are_soon_read_there() {
    // A tenth of the leases moves at once, rounded up: three.
    const SHARDS: u32 = 21;
    let fleet = fleet(SHARDS);
    let settled = start(&fleet, "settled");
    wait_until_held(&[&settled], SHARDS);
    let held_since = now();
    let flow = Flow::start(&fleet.stream, SHARDS, 200);
    let moved = || Ledger::of(&fleet.folder).hand_overs().iter().filter(|found| found.cause == Cause::Moved).count();

    while moved() < tries() {
        let before = moved();
        let joined = start(&fleet, "joined");
        // What former ones gave back stays for as long as everything did at first.
        wait_for("three leases that move", STAY * 2, || (moved() >= before + 3).then_some(()));
        joined.end();
        wait_until_held(&[&settled], SHARDS);
    }
    assert!(now() - held_since > STAY, "a lease stays for a while where it has come to");

    let ids = flow.stop();
    wait_until_delivered(&fleet, &ids);
    let ledger = Ledger::of(&fleet.folder);
    judge("move", &ledger.hand_overs(), Cause::Moved, ORDERLY_MAX);
    assert_eq!(ledger.trespasses(&[]), Vec::<String>::new());
}
