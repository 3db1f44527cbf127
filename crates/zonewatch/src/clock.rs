//! The worker's clocks: a stopwatch that decides leases, and the time of day that stamps arrivals.
//!
//! The demo runs both faster than real time by one factor, so that arrivals, cuts and beats keep their proportions.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Both clocks. Cheap to clone; clones agree.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    started: tokio::time::Instant,
    started_ms: i64,
    speed: f64,
}

impl Clock {
    /// Real time.
    pub fn real() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self::scaled(now.as_millis() as i64, 1.0)
    }

    /// A day that begins at `started_ms` and passes `speed` times as fast.
    pub fn scaled(started_ms: i64, speed: f64) -> Self {
        Self { started: tokio::time::Instant::now(), started_ms, speed }
    }

    /// The stopwatch: time since this clock was made. Never compared between machines.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed().mul_f64(self.speed)
    }

    /// The time of day, milliseconds since 1970.
    pub fn now_ms(&self) -> i64 {
        self.started_ms + self.elapsed().as_millis() as i64
    }

    /// Sleeps for `duration` of this clock.
    pub async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration.div_f64(self.speed)).await;
    }
}
