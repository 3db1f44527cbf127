//! Observers that shard tasks share.

use crate::observe::{Observer, Settings};
use dnslog::Reference;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::{Semaphore, watch};

/// As many observers as there are cores, whatever the number of shards: a decoder may hold 64 MiB for a moment.
pub struct Observers {
    idle: Mutex<Vec<Observer>>,
    permits: Semaphore,
    reference: watch::Receiver<Arc<Reference>>,
}

impl Observers {
    /// `count` observers that follow `reference`.
    pub fn new(count: usize, settings: &Arc<Settings>, reference: watch::Receiver<Arc<Reference>>) -> Self {
        let first = reference.borrow().clone();
        let idle = (0..count).map(|_| Observer::new(settings.clone(), first.clone())).collect();
        Self { idle: Mutex::new(idle), permits: Semaphore::new(count), reference }
    }

    /// Lends an observer to `work`, which waits for nothing; how long it was at work.
    pub async fn with(&self, work: impl FnOnce(&mut Observer)) -> Duration {
        let _permit = self.permits.acquire().await.expect("the semaphore is never closed");
        let observer = self.idle().pop().expect("there are as many observers as permits");
        let mut lent = Lent { observers: self, observer: Some(observer) };
        let observer = lent.observer.as_mut().expect("it is given back at the end");
        observer.follow(&self.reference.borrow());
        let begun = std::time::Instant::now();
        work(observer);
        begun.elapsed()
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Observer>> {
        self.idle.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Gives the observer back even if its work panics: that ends one shard's task, and must not cost the others theirs.
struct Lent<'a> {
    observers: &'a Observers,
    observer: Option<Observer>,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        self.observers.idle().extend(self.observer.take());
    }
}
