//! What is alive in this process: whoever shows it, `/metrics` or a page, finds it here and must not know who made it.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Everything of one sort that is alive, in the order in which it began.
pub struct Registry<T: 'static>(Mutex<Vec<Arc<T>>>);

/// One of it; dropping it takes it out.
pub struct Registered<T: 'static> {
    registry: &'static Registry<T>,
    value: Arc<T>,
}

impl<T> Registry<T> {
    /// Nothing is alive yet.
    pub const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    /// Puts it in, until what is returned is dropped.
    pub fn register(&'static self, value: T) -> Registered<T> {
        let value = Arc::new(value);
        self.lock().push(Arc::clone(&value));
        Registered { registry: self, value }
    }

    /// What is alive now, in the order of its keys. Where two have one key (a lease that was lost and taken again, for a
    /// moment), the younger counts.
    pub fn by_key<K: Ord>(&self, key: impl Fn(&T) -> K) -> Vec<Arc<T>> {
        let alive = self.lock();
        let by_key: BTreeMap<K, Arc<T>> = alive.iter().map(|value| (key(value), Arc::clone(value))).collect();
        by_key.into_values().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Deref for Registered<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> Drop for Registered<T> {
    fn drop(&mut self) {
        self.registry.lock().retain(|value| !Arc::ptr_eq(value, &self.value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_with_one_key_the_younger_counts_and_stays_when_the_elder_goes() {
        static ALIVE: Registry<(u8, &str)> = Registry::new();
        let all = || ALIVE.by_key(|value| value.0).iter().map(|value| value.1).collect::<Vec<_>>();
        let elder = ALIVE.register((2, "elder"));
        let other = ALIVE.register((1, "other"));
        let younger = ALIVE.register((2, "younger"));
        assert_eq!((elder.1, all()), ("elder", vec!["other", "younger"]));
        drop(elder);
        assert_eq!(all(), ["other", "younger"]);
        drop((other, younger));
        assert!(all().is_empty());
    }
}
