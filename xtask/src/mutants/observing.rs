//! What OBSERVE does of the window protocol, and its rows.

use super::{FoundBy, Mutant};

const fn in_scene(test: &'static str, worlds: u32) -> FoundBy {
    FoundBy { package: "simulation", suite: "windows", test, worlds }
}

const NORMAL: FoundBy = in_scene("every_query_is_counted_once", 300);
const TRIMMED: FoundBy = in_scene("what_the_source_stream_lost", 300);
const RESET: FoundBy = in_scene("an_operators_reset", 300);

/// Found by the windows' simulation. The names begin with the rule's.
pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "O1: a cut that the row does not name",
        file: "crates/lease/src/epochs.rs",
        from: "Some(self.commit_with(Some(range), Then::Keep))",
        to: "drop(range); Some(self.commit_with(None, Then::Keep))",
        found_by: NORMAL,
    },
    Mutant {
        name: "O1: the meant cut, whatever the row says",
        file: "crates/lease/src/epochs.rs",
        from: "Cut::Naming(range, open) if named == Some(&range) =>",
        to: "Cut::Naming(range, open) if named.is_some() =>",
        found_by: in_scene("every_query_is_counted_once", 3000),
    },
    Mutant {
        name: "O1: a write without its counter",
        file: "crates/lease/src/lease.rs",
        from: ".filter(|_| row.counter == counter)",
        to: ".filter(|_| row.counter >= counter)",
        found_by: NORMAL,
    },
    Mutant {
        name: "O2: a pending epoch that is not made again",
        file: "crates/lease/src/epochs.rs",
        from: "remake: row.pending.clone().filter(|_| checkpoint_is_ours)",
        to: "remake: None",
        found_by: NORMAL,
    },
    Mutant {
        name: "O2: a pending epoch that is made shorter",
        file: "crates/lease/src/epochs.rs",
        from: "let complete = self.open.as_ref().is_some_and(|open| open.last >= remake.last);",
        to: "let complete = self.open.as_ref().is_some_and(|open| open.last <= remake.last);",
        found_by: NORMAL,
    },
    Mutant {
        name: "O2: a pending epoch that is made longer",
        file: "crates/lease/src/epochs.rs",
        from: "return *sequence <= remake.last;",
        to: "return *sequence <= remake.last || self.open.is_some();",
        found_by: NORMAL,
    },
    Mutant {
        name: "O3: committed before it is acknowledged",
        file: "crates/lease/src/epochs.rs",
        from: "        self.cut = Cut::InFlight(put.clone());\n        put\n    }\n\n    /// The shard's last",
        to: "        self.cut = Cut::InFlight(put.clone());\n        self.checkpoint = self.checkpoint.clone().max(Checkpoint::through(put.through.clone().expect(\"an epoch\")));\n        self.cut = Cut::Nothing;\n        self.told = put.through.clone();\n        put\n    }\n\n    /// The shard's last",
        found_by: NORMAL,
    },
    Mutant {
        name: "O4: no message for a group without a query",
        file: "crates/detect/src/message.rs",
        from: "        messages\n    }\n\n    /// The explicit hash key",
        to: "        messages.iter_mut().filter(|message| message.zones.is_empty() && !message.header.is_mark()).for_each(|message| message.header.after = message.header.through.clone());\n        messages\n    }\n\n    /// The explicit hash key",
        found_by: NORMAL,
    },
    Mutant {
        name: "O5: cut without regard to size",
        file: "crates/detect/src/summary.rs",
        from: "while length > 1 && !fits(length) {",
        to: "while length > 1 && !fits(length / 2) {",
        found_by: NORMAL,
    },
    Mutant {
        name: "O6: late is judged by nobody",
        file: "crates/detect/src/summary.rs",
        from: "time_ms < arrival_ms.saturating_sub(self.lateness_ms.into())",
        to: "time_ms < arrival_ms.saturating_sub(3 * i64::from(self.lateness_ms))",
        found_by: NORMAL,
    },
    Mutant {
        name: "O7: no marks",
        file: "crates/lease/src/epochs.rs",
        from: "        let may = self.is_at_rest() && !self.ended_before && is_known;",
        to: "        let may = self.is_at_rest() && self.ended_before && is_known;",
        found_by: NORMAL,
    },
    Mutant {
        name: "O7: a mark while something is in flight",
        file: "crates/lease/src/epochs.rs",
        from: "        let may = self.is_at_rest() && !self.ended_before && is_known;",
        to: "        let may = !self.ended_before && is_known;",
        found_by: NORMAL,
    },
    Mutant {
        name: "O8: a start that is pinned anew by every take",
        file: "crates/lease/src/lease.rs",
        from: "lease.start_ms = lease.start_ms.or(*start_ms);",
        to: "lease.start_ms = start_ms.or(lease.start_ms);",
        found_by: NORMAL,
    },
    Mutant {
        name: "O9: no hole is said",
        file: "crates/lease/src/epochs.rs",
        from: "lost.then(|| arrival_ms",
        to: "(lost && false).then(|| arrival_ms",
        found_by: TRIMMED,
    },
    Mutant {
        name: "O9: a hole is said once, before it is acknowledged",
        file: "crates/lease/src/epochs.rs",
        from: "        let put = Put { hole_ms: self.hole_ms(put.records.is_some().then_some(put.time_ms), now_ms), ..put };",
        to: "        let put = Put { hole_ms: self.hole_ms(put.records.is_some().then_some(put.time_ms), now_ms), ..put };\n        self.advance(&Put { time_ms: now_ms, ..put.clone() });",
        found_by: in_scene("what_the_source_stream_lost", 3000),
    },
    Mutant {
        name: "O9: read until is not in the row",
        file: "crates/lease/src/lease.rs",
        from: "lease.read_until_ms = self.read_until_ms.or(lease.read_until_ms);",
        to: "",
        found_by: TRIMMED,
    },
    Mutant {
        name: "O9: a child does not know when its parents were read",
        file: "crates/lease/src/lease.rs",
        from: "read_until_ms: parents.iter().map(|row| row.read_until_ms.or(row.start_ms).unwrap_or(0)).min(),",
        to: "",
        found_by: in_scene("what_one_shard_lost", 300),
    },
    Mutant {
        name: "O9: an empty put says a hole only up to its time",
        file: "crates/lease/src/epochs.rs",
        from: "lost.then(|| arrival_ms.unwrap_or(now_ms) + CLOCKS_APART_MS)",
        to: "lost.then(|| arrival_ms.unwrap_or(self.last_ms()) + CLOCKS_APART_MS)",
        found_by: in_scene("what_one_shard_lost", 300),
    },
    Mutant {
        name: "O10: a child that does not wait for its parents",
        file: "tests/simulation/src/windows/table.rs",
        from: "row.is_none_or(|row| row.checkpoint == Checkpoint::ShardEnd)",
        to: "row.is_none_or(|_| true)",
        found_by: in_scene("a_parent_that_is_stuck", 300),
    },
    Mutant {
        name: "O10: a shard that ends without a word",
        file: "crates/lease/src/epochs.rs",
        from: "        if self.ended_before {\n            return None;\n        }\n",
        to: "        if self.ended_before || now_ms > 0 {\n            return None;\n        }\n",
        found_by: in_scene("a_parent_that_is_stuck", 300),
    },
    Mutant {
        name: "O10: a parent that is not named",
        file: "crates/detect/src/rollup.rs",
        from: "None if header.after.is_none() && header.parents.iter().all(ended) => Place::Connects,",
        to: "None if header.after.is_none() => Place::Connects,",
        found_by: FoundBy { package: "detect", suite: "", test: "a_child_waits_for_its_parents_last_word", worlds: 0 },
    },
    Mutant {
        name: "O10: a parent not heard of yet is not waited for",
        file: "crates/detect/src/rollup.rs",
        from: "positions.get(parent).is_some_and(|known| known.ended);",
        to: "positions.get(parent).is_none_or(|known| known.ended);",
        found_by: FoundBy { package: "detect", suite: "", test: "a_child_waits_for_parents_not_heard_of", worlds: 0 },
    },
    Mutant {
        name: "reset: no floor",
        file: "crates/lease/src/lease.rs",
        from: "        lease.floor = lease.floor.max(told_to);",
        to: "        lease.floor = lease.floor.take();",
        found_by: RESET,
    },
    Mutant {
        name: "reset: a floor below the pending epoch",
        file: "crates/lease/src/lease.rs",
        from: "read_to.max(lease.pending.map(|pending| Checkpoint::through(pending.last)))",
        to: "read_to",
        found_by: RESET,
    },
    Mutant {
        name: "reset: an epoch across the floor",
        file: "crates/lease/src/epochs.rs",
        from: "is_none_or(|open| is_told(&open.first) == is_told(sequence))",
        to: "is_none_or(|open| is_told(&open.first) == is_told(&open.last))",
        found_by: RESET,
    },
    Mutant {
        name: "reset: what lies behind the floor is not said",
        file: "crates/lease/src/epochs.rs",
        from: "let lost = !checkpoint_is_ours || starts_later(row, floor.is_some());",
        to: "let lost = !checkpoint_is_ours;",
        found_by: RESET,
    },
];
