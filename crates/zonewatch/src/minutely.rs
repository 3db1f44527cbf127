//! What is said once a minute at most, however often it happens.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

const PERIOD: Duration = Duration::from_secs(60);

/// Remembers when something was said last.
#[derive(Debug, Default)]
pub struct Minutely(Mutex<Option<Duration>>);

impl Minutely {
    /// Whether it is to be said now, on a stopwatch that is always the same. If so, not again for a minute.
    pub fn is_due(&self, now: Duration) -> bool {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let due = said.is_none_or(|at| now.saturating_sub(at) >= PERIOD);
        if due {
            *said = Some(now);
        }
        due
    }

    #[cfg(test)]
    pub fn was_said(&self) -> bool {
        self.0.lock().unwrap().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_time_and_then_once_a_minute() {
        let minutely = Minutely::default();
        let due = [0, 1, 59, 60, 119, 121].map(|secs| minutely.is_due(Duration::from_secs(secs)));
        assert_eq!(due, [true, false, false, true, false, true]);
    }
}
