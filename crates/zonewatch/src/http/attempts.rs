//! How often a peer may show wrong credentials: a bucket of ten, and one more each six seconds.
//!
//! The memory is fixed, whatever addresses come: peers share the buckets of a table by a hash that nobody else can compute.
//! So a stranger can keep a peer out by chance only, and who is known there already is not asked.

use super::peer::Peer;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// At 8 bytes each: 32 KiB.
const BUCKETS: usize = 4_096;
/// Wrong attempts in a row: a person with a forgotten password, or the few requests of one page.
const ATTEMPTS_MAX: u32 = 10;
/// Then so many a minute: a million guesses take two months, from each address.
const PERIOD: Duration = Duration::from_secs(6);

/// The table.
#[derive(Debug)]
pub struct Attempts {
    hasher: RandomState,
    /// When each bucket is full again.
    full_at: Mutex<Box<[Duration; BUCKETS]>>,
}

impl Default for Attempts {
    fn default() -> Self {
        Self { hasher: RandomState::new(), full_at: Mutex::new(Box::new([Duration::ZERO; BUCKETS])) }
    }
}

/// An attempt that is taken; whoever drops it gives it back.
#[derive(Debug)]
pub struct Attempt {
    attempts: Arc<Attempts>,
    peer: Peer,
    is_spent: bool,
}

impl Attempt {
    /// Takes one attempt of this peer, on a stopwatch that is always the same; the error is how long there is none. What is
    /// taken before the credentials are looked at can't be spent twice by requests at the same time.
    pub fn take(attempts: &Arc<Attempts>, peer: Peer, now: Duration) -> Result<Self, Duration> {
        attempts.take(peer, now)?;
        Ok(Self { attempts: Arc::clone(attempts), peer, is_spent: false })
    }

    /// It is over: the credentials were wrong.
    pub fn spend(mut self) {
        self.is_spent = true;
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if !self.is_spent {
            self.attempts.give_back(self.peer);
        }
    }
}

impl Attempts {
    fn take(&self, peer: Peer, now: Duration) -> Result<(), Duration> {
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = &mut full_at[self.bucket(peer)];
        let full = (*bucket).max(now) + PERIOD;
        let latest = now + ATTEMPTS_MAX * PERIOD;
        if full > latest {
            return Err(full - latest);
        }
        *bucket = full;
        Ok(())
    }

    fn give_back(&self, peer: Peer) {
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = &mut full_at[self.bucket(peer)];
        *bucket = bucket.saturating_sub(PERIOD);
    }

    fn bucket(&self, peer: Peer) -> usize {
        self.hasher.hash_one(peer) as usize % BUCKETS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(text: &str) -> Peer {
        Peer::of(format!("{text}:1").parse().unwrap())
    }

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn ten_wrong_ones_then_one_each_six_seconds() {
        let (attempts, peer) = (Attempts::default(), peer("192.0.2.1"));
        for _ in 0..10 {
            assert_eq!(attempts.take(peer, secs(100)), Ok(()));
        }
        assert_eq!(attempts.take(peer, secs(100)), Err(secs(6)));
        assert_eq!(attempts.take(peer, secs(105)), Err(secs(1)));
        assert_eq!(attempts.take(peer, secs(106)), Ok(()));
        assert_eq!(attempts.take(peer, secs(106)), Err(secs(6)));
        assert!((0..10).all(|_| attempts.take(peer, secs(1_000)).is_ok()), "time heals");
    }

    #[test]
    fn right_ones_are_not_counted() {
        let (attempts, peer) = (Attempts::default(), peer("192.0.2.1"));
        for _ in 0..1_000 {
            assert_eq!(attempts.take(peer, secs(1)), Ok(()));
            attempts.give_back(peer);
        }
    }

    #[test]
    fn one_address_keeps_no_other_out() {
        let attempts = Attempts::default();
        while attempts.take(peer("192.0.2.1"), secs(1)).is_ok() {}
        let out = (0..200).filter(|last| attempts.take(peer(&format!("198.51.100.{last}")), secs(1)).is_err()).count();
        assert!(out <= 4, "{out} of 200 share the bucket of one");
    }
}
