//! A worker: a coordinator, its tasks, and a stopwatch of its own.

use crate::task::Task;
use crate::world::Reaching;
use lease::{Ask, Coordinator, Instant, ShardId, WorkerId};
use std::collections::BTreeMap;
use std::time::Duration;

/// A process, or several one after the other.
pub(crate) struct Worker {
    /// Answers to a former life reach nobody.
    pub life: u64,
    pub coordinator: Coordinator,
    pub started: u64,
    /// The stopwatch runs this many thousandths fast.
    pub drift: i64,
    pub up: bool,
    pub leaving: bool,
    pub paused_until: u64,
    /// It alone does not reach the table of workers until then.
    pub state_out_until: u64,
    /// What reaches it when it goes on.
    pub backlog: Vec<Reaching>,
    /// How often it was woken.
    pub wakes: u64,
    pub woken_at: Option<u64>,
    pub tasks: BTreeMap<ShardId, Task>,
    pub asks: BTreeMap<Ask, (ShardId, u64)>,
    pub id: WorkerId,
}

impl Worker {
    pub fn stopwatch(&self, now: u64) -> Instant {
        let elapsed = (now - self.started) as i64;
        Instant::new(Duration::from_micros((elapsed * (1_000 + self.drift)) as u64))
    }

    /// How long `duration` of the stopwatch takes.
    pub fn real(&self, duration: u64) -> u64 {
        (duration as i64 * 1_000 / (1_000 + self.drift)) as u64
    }

    pub fn world_time(&self, at: Instant) -> u64 {
        // Rounded up, so that it is not woken too early.
        self.started.saturating_add(self.real(at.elapsed().as_millis().min(1 << 50) as u64)) + 1
    }
}
