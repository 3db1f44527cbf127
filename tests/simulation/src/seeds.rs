//! Many worlds, on all processors.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// Worlds that were lived through.
#[derive(Debug)]
pub struct Lived {
    /// How many.
    pub worlds: u64,
    /// The seeds of those that failed, in order.
    pub failed: Vec<u64>,
}

/// Lives through worlds: the seed that `ZONEWATCH_SEED` names, or as many as `ZONEWATCH_SEEDS` says, or so many.
///
/// # Panics
///
/// If one of these is set and not a number.
pub fn live_through(unless_told: u64, live: impl Fn(u64) + Sync) -> Lived {
    let seeds = match setting("ZONEWATCH_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..setting("ZONEWATCH_SEEDS").unwrap_or(unless_told),
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
                    if catch_unwind(AssertUnwindSafe(|| live(seed))).is_err() {
                        failed.lock().expect("nobody panics here").push(seed);
                    }
                }
            });
        }
    });
    let mut failed = failed.into_inner().expect("nobody panics here");
    failed.sort_unstable();
    Lived { worlds: seeds.end - seeds.start, failed }
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is not a number: {text}")))
}
