//! How long a shard is without a reader when it changes hands, in virtual time at the default settings. A task of the
//! simulation takes up to 1.5 s between two looks at its shard, here the pause is a hundredth of that.

use simulation::{Setting, World};

/// The value that this share of all is not above.
fn percentile(mut times: Vec<u64>, share: f64) -> u64 {
    times.sort_unstable();
    times[((times.len() - 1) as f64 * share).ceil() as usize]
}

/// Hand-overs that happened in so many worlds after `strike`, milliseconds from the last that the former owner did to the
/// first that the next one did.
fn handovers(worlds: u64, workers: u64, strike: impl Fn(&mut World)) -> Vec<u64> {
    let mut times = Vec::new();
    for seed in 0..worlds {
        let mut world = World::quiet(seed, Setting { workers, shards: 12, epoch: None });
        world.live_until(100_000 + seed * 37 % 2_000);
        let before = world.summary().handovers.len();
        strike(&mut world);
        world.live_until(130_000);
        let after = &world.summary().handovers[before..];
        assert!(!after.is_empty(), "seed {seed}: no shard changed hands");
        times.extend(after.iter().map(|handover| handover.first - handover.last));
    }
    times
}

#[test]
fn a_worker_that_leaves_hands_over_within_a_second() {
    let times = handovers(100, 4, |world| world.terminate(0));
    let p99 = percentile(times.clone(), 0.99);
    assert!(p99 <= 1_000, "p99 {p99} ms of {times:?}");
}

#[test]
fn a_dead_workers_shards_are_read_again_within_five_seconds() {
    let times = handovers(100, 4, |world| world.kill(0));
    let p99 = percentile(times.clone(), 0.99);
    assert!(p99 <= 5_000, "p99 {p99} ms");
}

#[test]
fn a_new_worker_is_given_shards_within_a_second_each() {
    let times = handovers(50, 3, World::join);
    let p99 = percentile(times, 0.99);
    assert!(p99 <= 1_000, "p99 {p99} ms");
}

#[test]
fn shards_of_a_worker_that_dies_right_after_it_took_them_wait_no_longer() {
    let mut times = Vec::new();
    for seed in 0..100 {
        let mut world = World::quiet(seed, Setting { workers: 3, shards: 1, epoch: None });
        world.live_until(100_000 + seed * 37 % 2_000);
        world.kill(world.busiest());
        world.live_until(107_000);
        let before = world.summary().handovers.len();
        assert!(before > 0, "seed {seed}: taken over");
        world.kill(world.busiest());
        world.live_until(130_000);
        times.extend(world.summary().handovers[before..].iter().map(|handover| handover.first - handover.last));
    }
    assert_eq!(times.len(), 100);
    let p99 = percentile(times, 0.99);
    assert!(p99 <= 5_000, "p99 {p99} ms");
}
