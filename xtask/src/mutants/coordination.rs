//! What the coordination does that keeps one shard with one worker.

use super::{FoundBy, Mutant};

const PROMISES: FoundBy =
    FoundBy { package: "simulation", suite: "promises", test: "a_fleet_keeps_its_promises", worlds: 400 };
/// What needs several things at once.
const RARE: FoundBy = FoundBy { worlds: 3_000, ..PROMISES };

/// Found by the fleet's simulation.
pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "a write without its counter",
        file: "crates/lease/src/lease.rs",
        from: ".filter(|_| row.counter == counter)",
        to: ".filter(|_| row.counter >= counter)",
        found_by: PROMISES,
    },
    Mutant {
        name: "a parent that is not waited for",
        file: "crates/lease/src/coordinator/known.rs",
        from: "!ended && !self.is_gone(seen) && self.parents_have_ended(seen)",
        to: "!ended && !self.is_gone(seen)",
        found_by: PROMISES,
    },
    Mutant {
        name: "an end before the children have rows",
        file: "crates/lease/src/coordinator/holding.rs",
        from: "if end.children.iter().all(|child| self.known.contains(&child.id)) {",
        to: "if end.children.len() < 99 {",
        found_by: PROMISES,
    },
    Mutant {
        name: "a worker that goes on though it is not heard",
        file: "crates/lease/src/coordinator/beating.rs",
        from: "beat.plus(self.period.mul_f64(2.6))",
        to: "beat.plus(self.period.mul_f64(26.0))",
        found_by: PROMISES,
    },
    Mutant {
        name: "a lease that is kept though it is not renewed",
        file: "crates/lease/src/coordinator/beating.rs",
        from: "given_up: self.settings.failover * 9 / 10,",
        to: "given_up: self.settings.failover * 9,",
        found_by: RARE,
    },
    Mutant {
        name: "a take from before its worker was unheard that begins to read",
        file: "crates/lease/src/coordinator/holding.rs",
        from: "is_none_or(|at| held.valid_from >= at);",
        to: "is_none_or(|_| true);",
        found_by: FoundBy { worlds: 6_000, ..PROMISES },
    },
    Mutant {
        name: "a suspect whose leases are not looked at",
        file: "crates/lease/src/coordinator/watching.rs",
        from: "if rows.iter().all(rested) {",
        to: "if rows.iter().all(|row| rested(row) || row.counter > 0) {",
        found_by: PROMISES,
    },
    Mutant {
        name: "a verdict that outlives a sign of life",
        file: "crates/lease/src/coordinator/fleet.rs",
        from: "seen.dead_at = None;",
        to: "seen.dead_at = seen.dead_at.take();",
        found_by: PROMISES,
    },
    Mutant {
        name: "a verdict after one missed beat",
        file: "crates/lease/src/coordinator/fleet.rs",
        from: "const MISSED_BEATS: u32 = 2;",
        to: "const MISSED_BEATS: u32 = 0;",
        found_by: PROMISES,
    },
    Mutant {
        name: "evidence by a lease that was let go",
        file: "crates/lease/src/coordinator/beating.rs",
        from: "by_lease.max(by_beat)",
        to: "by_lease.max(by_beat).plus(self.period)",
        found_by: PROMISES,
    },
    Mutant {
        name: "a row that is not believed",
        file: "crates/lease/src/coordinator/held.rs",
        from: "if writing.uncertain && expected.is_some_and(|expected| is_outcome(row, &expected)) {",
        to: "if writing.uncertain && expected.is_some() {",
        found_by: PROMISES,
    },
    Mutant {
        name: "a task that is started before its last has stopped",
        file: "crates/lease/src/coordinator/moving.rs",
        from: "self.held.contains_key(key) || self.stopping.contains(key)",
        to: "self.held.contains_key(key)",
        found_by: PROMISES,
    },
];
