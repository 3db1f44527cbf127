//! Chance, from a seed that comes in as an argument.

/// `SplitMix64` (Steele, Lea and Flood 2014): small, and good enough to shuffle and to jitter.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From half of 1 up to 1, to spread what many workers would do at once.
    pub(crate) fn half_to_one(&mut self) -> f64 {
        0.5 + (self.next() >> 11) as f64 / (1_u64 << 54) as f64
    }
}
