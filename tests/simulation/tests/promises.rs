//! A fleet keeps its promises in any world. `ZONEWATCH_SEEDS=5000` runs more of them, `ZONEWATCH_SEED=17` one alone.

use simulation::{Lived, World, live_through};

/// Worlds a run lives through unless told otherwise: half a minute on two cores.
const SEEDS: u64 = 2_000;

#[test]
fn a_fleet_keeps_its_promises_whatever_happens() {
    let Lived { failed, .. } = live_through(SEEDS, |seed| {
        World::new(seed).live();
    });
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

#[test]
fn a_lease_that_a_lone_worker_gave_back_is_taken_again_soon() {
    // Its take was answered nine seconds later, and there was nobody to hand it to.
    World::new(574).live();
}
