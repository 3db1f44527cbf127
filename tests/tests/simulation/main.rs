//! A fleet of coordinators over one table and one stream, in virtual time: crashes, pauses longer than a lease, lost and
//! late calls, throttles, drifting stopwatches, splits and merges. What must always hold is checked at every event
//! (`oracle.rs`), what must hold once faults stop at the end.
//!
//! A seed is a world. `ZONEWATCH_SEEDS=5000` runs more of them, `ZONEWATCH_SEED=17` one alone.

// A test exports nothing: `pub` marks what a module offers to the others.
#![allow(unreachable_pub)]

mod chance;
mod network;
mod oracle;
mod promises;
mod stream;
mod task;
mod worker;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use world::World;

/// Worlds a run lives through unless told otherwise: seconds of machine time.
const SEEDS: u64 = 200;

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is not a number: {text}")))
}

#[test]
fn a_fleet_keeps_its_promises_whatever_happens() {
    let seeds = match setting("ZONEWATCH_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..setting("ZONEWATCH_SEEDS").unwrap_or(SEEDS),
    };
    let mut failed = Vec::new();
    for seed in seeds {
        if catch_unwind(AssertUnwindSafe(|| World::new(seed).live())).is_err() {
            failed.push(seed);
        }
    }
    assert!(failed.is_empty(), "{} worlds failed; run one alone with ZONEWATCH_SEED: {failed:?}", failed.len());
}

#[test]
fn a_world_is_its_seed() {
    let lives: Vec<String> = (0..2).map(|_| World::new(7).live()).collect();
    assert_eq!(lives[0], lives[1]);
    assert_ne!(lives[0], World::new(8).live());
}
