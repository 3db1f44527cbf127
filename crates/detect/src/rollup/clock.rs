//! A key group's own clock.
//!
//! Time that passes while nobody writes counts against nobody: a step between two records is at most ten seconds. Without
//! that the first shard to come back after an outage of the fleet would declare all others silent.

use crate::wire::{Input, put_number, put_time};

/// Adds up the steps in arrival time from one record of the group to the next.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Clock {
    elapsed_ms: u64,
    /// The latest arrival so far; arrival times may run slightly backwards.
    arrival_ms: Option<i64>,
}

impl Clock {
    /// A record has arrived.
    pub(super) fn step(&mut self, arrival_ms: i64, step_ms_max: u64) {
        let last_ms = self.arrival_ms.unwrap_or(arrival_ms);
        let step_ms = u64::try_from(arrival_ms - last_ms).unwrap_or(0);
        self.elapsed_ms = self.elapsed_ms.saturating_add(step_ms.min(step_ms_max));
        self.arrival_ms = Some(last_ms.max(arrival_ms));
    }

    pub(super) fn elapsed_ms(&self) -> u64 {
        self.elapsed_ms
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        put_number(out, self.elapsed_ms);
        put_time(out, self.arrival_ms);
    }

    pub(super) fn decode(input: &mut Input<'_>) -> Option<Self> {
        Some(Self { elapsed_ms: input.number()?, arrival_ms: input.time()? })
    }
}
