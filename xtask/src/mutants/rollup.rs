//! What DETECT does of the window protocol, and its snapshots.

use super::{FoundBy, Mutant};

const fn in_scene(test: &'static str, worlds: u32) -> FoundBy {
    FoundBy { package: "simulation", suite: "windows", test, worlds }
}

/// For what happens in one world of thousands.
const fn beside(test: &'static str) -> FoundBy {
    FoundBy { package: "detect", suite: "", test, worlds: 0 }
}

const NORMAL: FoundBy = in_scene("every_query_is_counted_once", 300);
const OUTAGE: FoundBy = in_scene("an_outage_of_all_readers", 300);
const ROLLUP_LOST: FoundBy = in_scene("what_the_rollup_stream_lost", 300);

/// Found by the windows' simulation. The names begin with the rule's.
pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "D1: what is told depends on when the task began",
        file: "tests/simulation/src/windows/detecting.rs",
        from: ".apply(message, record.arrival_ms)",
        to: ".apply(message, record.arrival_ms + self.save_at as i64)",
        found_by: NORMAL,
    },
    Mutant {
        name: "D2: whatever comes after the last applied connects",
        file: "crates/detect/src/rollup.rs",
        from: "Some(known) if header.after == known.through => Place::Connects,",
        to: "Some(known) if header.after >= known.through => Place::Connects,",
        found_by: NORMAL,
    },
    Mutant {
        name: "D2: copies count",
        file: "crates/detect/src/rollup.rs",
        from: "Some(known) if header.through <= known.through => Place::Copy,",
        to: "Some(known) if header.through <= known.through && header.is_mark() => Place::Copy,\n        Some(known) if header.through <= known.through => Place::Connects,",
        found_by: NORMAL,
    },
    Mutant {
        name: "D2: waiting messages are told apart by their end alone",
        file: "crates/detect/src/rollup/waiting.rs",
        from: "            after: header.after.clone(),",
        to: "            after: header.through.clone(),",
        found_by: in_scene("every_query_is_counted_once", 3000),
    },
    Mutant {
        name: "D3: what waits is not saved",
        file: "crates/detect/src/rollup.rs",
        from: "            waiting: Waiting::decode(input)?,",
        to: "            waiting: { Waiting::<P>::decode(input)?; Waiting::default() },",
        found_by: beside("swapped_epochs_are_applied_in_order"),
    },
    Mutant {
        name: "D3: waiting never ends",
        file: "crates/detect/src/rollup.rs",
        from: "while let Some(shard) = self.waiting.longest(since_ms) {",
        to: "while let Some(shard) = self.waiting.longest(since_ms.min(0)) {",
        found_by: ROLLUP_LOST,
    },
    Mutant {
        name: "D3: a gap that is kept quiet",
        file: "crates/detect/src/rollup.rs",
        from: "        told.counts.gaps += 1;\n        self.whole_from_ms = self.whole_from_ms.max(received.whole_from_ms);",
        to: "        told.counts.gaps += 1;",
        found_by: ROLLUP_LOST,
    },
    Mutant {
        name: "D4: a mark ahead of the position raises",
        file: "crates/detect/src/rollup.rs",
        from: "        self.waiting.insert(Received::new",
        to: "        if message.header.is_mark() {\n            self.raise(&Received::new(message.clone(), arrival_ms));\n        }\n        self.waiting.insert(Received::new",
        found_by: in_scene("every_query_is_counted_once", 3000),
    },
    Mutant {
        name: "D4: a mark is not bounded by its arrival",
        file: "crates/detect/src/rollup.rs",
        from: "if is_mark { time_ms.min(arrival_ms) } else { time_ms }",
        to: "time_ms",
        found_by: in_scene("every_query_is_counted_once", 1000),
    },
    Mutant {
        name: "D4: no margin for arrivals that run backwards",
        file: "crates/detect/src/rollup.rs",
        from: " - self.settings.margin_ms;",
        to: ";",
        found_by: in_scene("every_query_is_counted_once", 3000),
    },
    Mutant {
        name: "D4: a range that its parent has left is not waited for",
        file: "crates/detect/src/rollup.rs",
        from: "        if header.end {\n            return self.positions.end(&header.shard);\n        }",
        to: "        if header.end {\n            self.watermark.raise(&header.hash_range, received.reached_ms + 1_000_000, self.clock.elapsed_ms());\n            return self.positions.end(&header.shard);\n        }",
        found_by: NORMAL,
    },
    Mutant {
        name: "D5: a clock without a cap",
        file: "crates/detect/src/rollup/clock.rs",
        from: "saturating_add(step_ms.min(step_ms_max))",
        to: "saturating_add(step_ms.min(step_ms_max.max(step_ms)))",
        found_by: OUTAGE,
    },
    Mutant {
        name: "D5: silence is waited for",
        file: "crates/detect/src/rollup/watermark.rs",
        from: "clock_ms.saturating_sub(piece.heard_ms) <= stall_ms",
        to: "clock_ms.saturating_sub(piece.heard_ms) <= stall_ms.max(u64::MAX)",
        found_by: in_scene("a_shard_that_is_silent", 300),
    },
    Mutant {
        name: "D6: a closed window is opened again",
        file: "crates/detect/src/rollup/windows.rs",
        from: "self.closed_until_ms.is_some_and(|until| start_ms < until)",
        to: "self.closed_until_ms.is_some_and(|until| start_ms + 20_000 < until)",
        found_by: in_scene("a_shard_that_is_silent", 300),
    },
    Mutant {
        name: "D6: limits that do not close",
        file: "crates/detect/src/rollup.rs",
        from: "while self.windows.count() > limits.windows_max {",
        to: "while self.windows.count() > limits.windows_max.max(1 << 20) {",
        found_by: beside("limits_are_kept_the_oldest_first_and_counted"),
    },
    Mutant {
        name: "D6: a joined piece that keeps its claim quiet",
        file: "crates/detect/src/rollup.rs",
        from: "self.whole_from_ms = self.whole_from_ms.max(claimed_ms.unwrap_or(0));",
        to: "let _ = claimed_ms;",
        found_by: in_scene("limits_lose_no_query", 300),
    },
    Mutant {
        name: "D7: whole whatever the coverage",
        file: "crates/detect/src/rollup.rs",
        from: "(all && start_ms >= whole_from_ms, share)",
        to: "((all || share < 2.0) && start_ms >= whole_from_ms, share)",
        found_by: in_scene("a_shard_that_is_silent", 300),
    },
    Mutant {
        name: "D7: a hole that is not heard",
        file: "crates/detect/src/rollup.rs",
        from: "self.whole_from_ms = self.whole_from_ms.max(lost_until_ms + FUTURE_MS);",
        to: "let _ = lost_until_ms;",
        found_by: in_scene("what_the_source_stream_lost", 300),
    },
    Mutant {
        name: "D7: queries dated ahead of what is lost are forgotten",
        file: "crates/detect/src/rollup.rs",
        from: "self.whole_from_ms = self.whole_from_ms.max(lost_until_ms + FUTURE_MS);",
        to: "self.whole_from_ms = self.whole_from_ms.max(lost_until_ms);",
        found_by: beside("a_first_word_a_hole_and_a_gap_lift_what_is_whole"),
    },
    Mutant {
        name: "D8: forgotten while copies are still on their way",
        file: "tests/simulation/src/windows/scene.rs",
        from: "= (120_000, 70_000),",
        to: "= (120_000, 1_000),",
        found_by: in_scene("forgotten_shards", 300),
    },
    Mutant {
        name: "S1: names that are used again",
        file: "crates/detect/src/snapshot.rs",
        from: "        let name = Name { shard: self.shard.clone(), counter, attempt: self.attempt };",
        to: "        let name = Name { shard: self.shard.clone(), counter: counter / 1000, attempt: self.attempt % 2 };",
        found_by: NORMAL,
    },
    Mutant {
        name: "S1: committed before it is stored",
        file: "crates/detect/src/snapshot.rs",
        from: "if let Stored::Safely(name) = &self.stored { Some(name) } else { None }",
        to: "if let Stored::Safely(name) | Stored::Under(name) = &self.stored { Some(name) } else { None }",
        found_by: NORMAL,
    },
    Mutant {
        name: "S2: a lease lost while a snapshot was loaded is a fault",
        file: "tests/simulation/src/windows/detecting.rs",
        from: "row.is_some_and(|row| row.counter == self.row.counter)",
        to: "row.is_some()",
        found_by: in_scene("every_query_is_counted_once", 1000),
    },
    Mutant {
        name: "S3: deleted before the commit is known",
        file: "crates/detect/src/snapshot.rs",
        from: "let name = self.to_commit().filter(|name| Some(*name) == row)?.clone();",
        to: "let name = self.to_commit().filter(|name| Some(*name) == row || row.is_some())?.clone();",
        found_by: in_scene("every_query_is_counted_once", 3000),
    },
    Mutant {
        name: "S3: orphans are all but the named",
        file: "crates/detect/src/snapshot.rs",
        from: "&*name.shard == shard && name.counter < counter && Some(*name) != named",
        to: "&*name.shard == shard && name.counter < counter",
        found_by: NORMAL,
    },
    Mutant {
        name: "S4: a parent goes with its first child",
        file: "crates/detect/src/snapshot.rs",
        from: "children.peek().is_some() && children.all(|name| name.is_some())",
        to: "children.peek().is_some() && children.any(|name| name.is_some())",
        found_by: NORMAL,
    },
    Mutant {
        name: "S4: a child takes over groups of others",
        file: "crates/detect/src/snapshot.rs",
        from: "let groups = self.groups.iter().filter(|(group, _)| inside(**group));",
        to: "let groups = self.groups.iter().filter(|(group, _)| inside(**group) && **group > 0);",
        found_by: NORMAL,
    },
];
