//! What the coordination looks like, for readiness, metrics and the status page.

use crate::clock::Clock;
use lease::Checkpoint;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The coordination at one moment.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Status {
    /// Whether coordination works: the lease table answered within the failover time. False before its first answer.
    pub ready: bool,
    /// Time since the lease table last answered; `None` before its first answer.
    pub silent: Option<Duration>,
    /// Whether this worker is leaving.
    pub draining: bool,
    /// The leases held, by shard.
    pub held: Vec<HeldStatus>,
    /// The share of the stream's hash-key space that no live worker reads, as far as this worker sees, 0 to 1.
    pub uncovered_ratio: f64,
}

/// A lease held.
#[derive(Debug, Clone, PartialEq)]
pub struct HeldStatus {
    /// The shard.
    pub shard: String,
    /// The row's counter.
    pub counter: u64,
    /// How far the shard is processed.
    pub checkpoint: Checkpoint,
    /// Time since the last commit, or since the take.
    pub checkpoint_age: Duration,
}

/// Where the coordination writes its status and others read it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Board {
    shown: Arc<Mutex<Shown>>,
    clock: Clock,
    failover: Duration,
}

#[derive(Debug, Default)]
struct Shown {
    status: Status,
    /// The stopwatch at the last answer of the lease table.
    answered: Option<Duration>,
}

impl Board {
    pub(super) fn new(clock: Clock, failover: Duration) -> Self {
        Self { shown: Arc::default(), clock, failover }
    }

    pub(super) fn answered(&self) {
        self.lock().answered = Some(self.clock.elapsed());
    }

    pub(super) fn show(&self, status: Status) {
        self.lock().status = status;
    }

    /// The status now.
    pub fn status(&self) -> Status {
        let shown = self.lock();
        let silent = shown.answered.map(|answered| self.clock.elapsed().saturating_sub(answered));
        let ready = silent.is_some_and(|silent| silent < self.failover);
        Status { ready, silent, ..shown.status.clone() }
    }

    fn lock(&self) -> MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
