//! `cargo bench --bench scale`: a large fleet in virtual time. How long its shards are unread when it starts, when it
//! loses a third of its workers at once and when all are replaced; how many leases move, and what the tables are asked.
//!
//! Two arguments are the numbers of workers and shards, 500 and 10,000 unless given. Nothing here is measured in real
//! time: the figures are the same on every machine.

#![expect(clippy::print_stdout, reason = "figures are this program's output")]

use simulation::{Setting, Used, World};
use std::process::ExitCode;

/// Steps in which a deployment replaces the workers.
const STEPS: u64 = 10;
/// Milliseconds between two looks.
const LOOK: u64 = 1_000;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let numbers: Option<Vec<u64>> = arguments.iter().map(|argument| argument.parse().ok()).collect();
    let (workers, shards) = match numbers.as_deref() {
        Some([]) => (500, 10_000),
        Some([workers, shards]) if *workers > 0 && *shards > 0 => (*workers, *shards),
        _ => {
            println!("give the numbers of workers and shards, or nothing; got {arguments:?}");
            return ExitCode::from(2);
        }
    };
    println!("scale {workers} workers, {shards} shards, every shard committed each 5 s");
    let mut fleet = Fleet::new(workers, shards);
    fleet.watch("cold start", 60, |_| {});
    fleet.watch("at rest after that", 540, |_| {});
    fleet.watch("a third lost at once", 60, |world| (0..workers / 3).for_each(|index| world.kill(3 * index as usize)));
    fleet.watch("at rest after that", 540, |_| {});
    let lost = |index: &u64| index % 3 == 0 && index / 3 < workers / 3;
    let living: Vec<u64> = (0..workers).filter(|index| !lost(index)).collect();
    let steps = living.chunks((living.len() as u64).div_ceil(STEPS) as usize);
    for (step, leaving) in steps.enumerate() {
        fleet.watch(&format!("deployment, step {}: as many new ones", step + 1), 20, |world| {
            leaving.iter().for_each(|_| world.join());
        });
        fleet.watch(&format!("deployment, step {}: the old ones leave", step + 1), 40, |world| {
            leaving.iter().for_each(|index| world.terminate(*index as usize));
        });
    }
    fleet.watch("at rest after that", 540, |_| {});
    ExitCode::SUCCESS
}

struct Fleet {
    world: World,
    now: u64,
}

impl Fleet {
    fn new(workers: u64, shards: u64) -> Self {
        Self { world: World::quiet(1, Setting { workers, shards, epoch: Some(5_000) }), now: 0 }
    }

    fn used(&self) -> Used {
        self.world.summary().used.values().fold(Used::default(), |sum, used| sum + *used)
    }

    /// Lets something happen and looks on for so many seconds.
    fn watch(&mut self, what: &str, secs: u64, happen: impl FnOnce(&mut World)) {
        let (begun, moves) = (self.used(), self.world.summary().moves);
        let (mut covered_at, mut most, mut peak) = (None, 0, Used::default());
        happen(&mut self.world);
        for second in 1..=secs {
            let before = self.used();
            self.now += LOOK;
            self.world.live_until(self.now);
            let unread = self.world.unread();
            most = most.max(unread);
            covered_at = covered_at.or((most > 0 && unread == 0).then_some(second));
            let now = self.used() - before;
            peak = if now.requests > peak.requests { now } else { peak };
        }
        let covered = covered_at.map_or("never".to_owned(), |second| format!("first after {second} s"));
        let moves = self.world.summary().moves - moves;
        let mean = (self.used() - begun).by(secs as f64);
        println!(
            "scale {what}: {secs} s, at most {most} shards unread at a look, none {covered}; {moves} leases came or went; \
             a second {:.0} requests ({:.0} read and {:.0} write units), at most {:.0}",
            mean.requests, mean.read_units, mean.write_units, peak.requests
        );
    }
}
