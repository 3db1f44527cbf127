//! The byte budget of the process: everything held is counted here, and when it is spent, reading waits.

use crate::telemetry;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use tokio::sync::{Mutex, Notify};

/// Counts held bytes against one limit. Cheap to clone; clones share the count.
#[derive(Debug, Clone)]
pub struct Budget(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    held: AtomicUsize,
    bytes_max: usize,
    freed: Notify,
    /// Whoever waits for room holds this; tokio's mutex is fair.
    turn: Mutex<()>,
}

/// Bytes counted as held until this is dropped.
#[derive(Debug)]
pub struct Hold {
    budget: Budget,
    bytes: usize,
}

impl Budget {
    /// A budget of so many bytes.
    pub fn new(bytes_max: usize) -> Self {
        metrics::gauge!(telemetry::HELD_BYTES_MAX).set(bytes_max as f64);
        Self(Arc::new(Inner { held: AtomicUsize::new(0), bytes_max, freed: Notify::new(), turn: Mutex::default() }))
    }

    /// Waits until `bytes` fit, and holds them, first come, first served: a shard far behind, which needs much, is not
    /// passed over for ever by those that need little. More than the whole budget fits only when nothing else is held, so
    /// that one large read can't stop a worker for ever.
    pub async fn hold(&self, bytes: usize) -> Hold {
        let _turn = self.0.turn.lock().await;
        let mut waited = false;
        loop {
            let freed = self.0.freed.notified();
            tokio::pin!(freed);
            // Registered before the look, so that what is freed in between is not missed.
            freed.as_mut().enable();
            let fits = |held: usize| (held == 0 || held + bytes <= self.0.bytes_max).then_some(held + bytes);
            if let Ok(before) = self.0.held.fetch_update(SeqCst, SeqCst, fits) {
                self.report(before + bytes);
                return Hold { budget: self.clone(), bytes };
            }
            if !waited {
                waited = true;
                metrics::counter!(telemetry::LIMITS_REACHED_TOTAL, "limit" => "held_bytes_max").increment(1);
            }
            freed.await;
        }
    }

    /// Holds `bytes` at once, whether they fit or not.
    pub fn hold_now(&self, bytes: usize) -> Hold {
        let mut hold = Hold::nothing(self);
        hold.resize(bytes);
        hold
    }

    /// The whole budget.
    pub fn bytes_max(&self) -> usize {
        self.0.bytes_max
    }

    /// Whether nothing more fits.
    pub fn is_spent(&self) -> bool {
        self.0.held.load(SeqCst) >= self.0.bytes_max
    }

    /// Bytes held now.
    #[cfg(test)]
    pub fn held(&self) -> usize {
        self.0.held.load(SeqCst)
    }

    fn report(&self, held: usize) {
        metrics::gauge!(telemetry::HELD_BYTES).set(held as f64);
    }
}

impl Hold {
    /// Nothing held yet.
    pub fn nothing(budget: &Budget) -> Self {
        Self { budget: budget.clone(), bytes: 0 }
    }

    /// Now holds `bytes` instead. Growing never waits: whoever holds data must be able to finish with it. A shard's task
    /// takes no further record while the budget is spent, so it exceeds it by what one record can become, which the
    /// decoder's caps bound.
    pub fn resize(&mut self, bytes: usize) {
        let inner = &self.budget.0;
        let held = if bytes >= self.bytes {
            inner.held.fetch_add(bytes - self.bytes, SeqCst) + (bytes - self.bytes)
        } else {
            let freed = self.bytes - bytes;
            let held = inner.held.fetch_sub(freed, SeqCst) - freed;
            inner.freed.notify_waiters();
            held
        };
        self.bytes = bytes;
        self.budget.report(held);
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.resize(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn a_spent_budget_makes_the_next_wait_until_there_is_room() {
        let budget = Budget::new(100);
        let mut first = budget.hold(80).await;
        let second = tokio::time::timeout(Duration::from_secs(1), budget.hold(30)).await;
        assert!(second.is_err(), "80 and 30 do not fit in 100");
        first.resize(70);
        let second = budget.hold(30).await;
        assert_eq!(budget.held(), 100);
        drop((first, second));
        assert_eq!(budget.held(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn who_needs_much_is_not_passed_over() {
        let budget = Budget::new(100);
        let first = budget.hold(60).await;
        let waiting = budget.clone();
        let large = tokio::spawn(async move { waiting.hold(90).await });
        tokio::task::yield_now().await;
        let small = tokio::time::timeout(Duration::from_secs(1), budget.hold(10)).await;
        assert!(small.is_err(), "10 fit beside 60, but 90 came first");
        drop(first);
        drop(large.await.expect("it gets its turn"));
        budget.hold(10).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_hold_larger_than_the_budget_is_granted_alone() {
        let budget = Budget::new(100);
        let small = budget.hold(1).await;
        assert!(tokio::time::timeout(Duration::from_secs(1), budget.hold(500)).await.is_err());
        drop(small);
        assert_eq!(budget.hold(500).await.bytes, 500);
    }
}
