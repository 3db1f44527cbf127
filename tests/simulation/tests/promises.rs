//! A fleet keeps its promises in any world. `ZONEWATCH_SEEDS=5000` runs more of them, `ZONEWATCH_SEED=17` one alone.

use simulation::World;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// Worlds a run lives through unless told otherwise: half a minute on two cores.
const SEEDS: u64 = 2_000;

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is not a number: {text}")))
}

#[test]
fn a_fleet_keeps_its_promises_whatever_happens() {
    let seeds = match setting("ZONEWATCH_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..setting("ZONEWATCH_SEEDS").unwrap_or(SEEDS),
    };
    let (next, failed) = (AtomicU64::new(seeds.start), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    if catch_unwind(AssertUnwindSafe(|| World::new(seed).live())).is_err() {
                        failed.lock().expect("nobody panics here").push(seed);
                    }
                }
            });
        }
    });
    let mut failed = failed.into_inner().expect("nobody panics here");
    failed.sort_unstable();
    assert!(failed.is_empty(), "{} worlds failed; run one alone with ZONEWATCH_SEED: {failed:?}", failed.len());
}

#[test]
fn a_world_is_its_seed() {
    let lives: Vec<String> = (0..2).map(|_| World::new(7).live()).collect();
    assert_eq!(lives[0], lives[1]);
    assert_ne!(lives[0], World::new(8).live());
}

#[test]
fn a_dead_worker_that_is_forgotten_is_not_asked_about_for_ever() {
    // Its row was refused as one to hand a lease to while what it had left was being looked at.
    World::new(5_640).live();
}

#[test]
fn a_lease_that_is_handed_to_one_who_was_not_heard_does_not_wait_for_long() {
    // It was announced in a row that was removed, and handed over after its next owner had looked at the table.
    World::new(9_126).live();
}

#[test]
fn a_take_from_before_a_silence_is_given_back_though_its_worker_is_heard_again() {
    // Who had found the worker dead was still at its own take of the lease.
    World::new(5_372).live();
}
