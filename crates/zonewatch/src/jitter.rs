//! Pauses that differ, so that those who were refused together do not come back together.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Spreads pauses. Shared by whoever pauses.
#[derive(Debug)]
pub struct Jitter(AtomicU64);

impl Jitter {
    /// Workers' seeds must differ.
    pub fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// Half of `pause` to all of it.
    pub fn of(&self, pause: Duration) -> Duration {
        // A Weyl sequence: any spread will do, it only has to differ between calls and workers.
        let random = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Relaxed).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        pause.mul_f64(0.5 + (random >> 11) as f64 / (1_u64 << 54) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_differ_and_keep_within_half_and_all() {
        let jitter = Jitter::new(7);
        let mut pauses: Vec<_> = (0..100).map(|_| jitter.of(Duration::from_secs(10)).as_millis()).collect();
        pauses.sort_unstable();
        assert!(pauses[0] >= 5_000 && pauses[99] <= 10_000, "{pauses:?}");
        assert!(pauses[99] - pauses[0] > 4_000, "{pauses:?}");
        pauses.dedup();
        assert!(pauses.len() > 90, "{pauses:?}");
    }
}
