//! How many different names: a HyperLogLog with an exact beginning.
//!
//! What it holds is a function of the set of hashes it was given, whatever their order and however often they came, so
//! merging is commutative, associative and idempotent to the last bit.

mod wire;

/// Bits of the hash that choose a register. 12 gives 4,096 registers and a standard error of 1.04/sqrt(4096) = 1.6 %.
const PRECISION: u32 = 12;
const REGISTERS: usize = 1 << PRECISION;
/// Hashes kept as they are before registers take over: half of the largest table, which is half of the registers' size.
const EXACT_MAX: usize = 128;
const SLOTS_FIRST: usize = 8;

/// Counts distinct hashes: exactly up to 128, then with a standard error of 1.6 %. At most 6 KiB.
#[derive(Debug, Clone, Default)]
pub struct HyperLogLog {
    /// An open-addressed table of the hashes themselves, at most half full; 0 is an empty slot. Unused once `registers` is.
    exact: Vec<u64>,
    exact_count: usize,
    /// Empty, or one byte a register: the longest run of zeros seen, plus one.
    registers: Vec<u8>,
}

impl HyperLogLog {
    /// Of so many names that counting them exactly would be in vain: registers from the start.
    pub(crate) fn of_many() -> Self {
        Self { registers: vec![0; REGISTERS], ..Self::default() }
    }

    /// Adds a hash, as [`crate::stable_hash`] makes it.
    #[inline]
    pub fn insert(&mut self, hash: u64) {
        // 0 marks an empty slot; the one hash of 2^64 that is 0 counts as 1.
        let hash = hash.max(1);
        if self.registers.is_empty() {
            self.insert_exact(hash);
        } else {
            raise(&mut self.registers, hash);
        }
    }

    /// Takes over what `other` has seen. Both must hash with the same seed.
    pub fn merge(&mut self, other: &Self) {
        if other.registers.is_empty() {
            other.exact.iter().filter(|&&hash| hash != 0).for_each(|&hash| self.insert(hash));
            return;
        }
        self.go_dense();
        for (mine, &theirs) in self.registers.iter_mut().zip(&other.registers) {
            *mine = (*mine).max(theirs);
        }
    }

    /// How many different hashes there were.
    pub fn estimate(&self) -> u64 {
        if self.registers.is_empty() { self.exact_count as u64 } else { estimate(&self.registers).round() as u64 }
    }

    /// Whether the estimate is the count itself.
    pub fn is_exact(&self) -> bool {
        self.registers.is_empty()
    }

    /// Forgets everything and keeps the memory.
    pub fn clear(&mut self) {
        self.exact.fill(0);
        self.exact_count = 0;
        self.registers.clear();
    }

    /// Forgets everything; whether there was anything.
    pub(crate) fn let_go(&mut self) -> bool {
        let had = self.exact_count > 0 || self.registers.iter().any(|rank| *rank > 0);
        self.clear();
        had
    }

    /// Bytes it holds on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.exact.capacity() * size_of::<u64>() + self.registers.capacity()
    }

    fn insert_exact(&mut self, hash: u64) {
        if self.exact_count * 2 >= self.exact.len() {
            if self.exact_count == EXACT_MAX && !self.exact.contains(&hash) {
                self.go_dense();
                raise(&mut self.registers, hash);
                return;
            }
            if self.exact_count < EXACT_MAX {
                self.grow();
            }
        }
        if place(&mut self.exact, hash) {
            self.exact_count += 1;
        }
    }

    fn grow(&mut self) {
        let slots = (self.exact.len() * 2).max(SLOTS_FIRST);
        let old = std::mem::replace(&mut self.exact, vec![0; slots]);
        old.into_iter().filter(|&hash| hash != 0).for_each(|hash| {
            place(&mut self.exact, hash);
        });
    }

    fn go_dense(&mut self) {
        if !self.registers.is_empty() {
            return;
        }
        self.registers.resize(REGISTERS, 0);
        for hash in &mut self.exact {
            if *hash != 0 {
                raise(&mut self.registers, std::mem::take(hash));
            }
        }
        self.exact_count = 0;
    }
}

/// Two of them are equal if they have seen the same set, as far as they can tell.
impl PartialEq for HyperLogLog {
    fn eq(&self, other: &Self) -> bool {
        let sorted = |exact: &[u64]| {
            let mut hashes: Vec<u64> = exact.iter().copied().filter(|&hash| hash != 0).collect();
            hashes.sort_unstable();
            hashes
        };
        self.registers == other.registers && sorted(&self.exact) == sorted(&other.exact)
    }
}

/// Puts a hash into a table that is not full; false if it was there.
fn place(slots: &mut [u64], hash: u64) -> bool {
    let mask = slots.len() - 1;
    let mut at = hash as usize & mask;
    loop {
        if slots[at] == hash {
            return false;
        }
        if slots[at] == 0 {
            slots[at] = hash;
            return true;
        }
        at = (at + 1) & mask;
    }
}

fn raise(registers: &mut [u8], hash: u64) {
    let register = (hash >> (64 - PRECISION)) as usize;
    // The set bit ends the count where the hash's own bits end.
    let rank = ((hash << PRECISION) | 1 << (PRECISION - 1)).leading_zeros() as u8 + 1;
    registers[register] = registers[register].max(rank);
}

/// Ertl's improved raw estimator ("New cardinality estimation algorithms for HyperLogLog sketches", 2017, algorithm 6):
/// unbiased over the whole range without tables.
fn estimate(registers: &[u8]) -> f64 {
    const RANK_MAX: usize = (64 - PRECISION) as usize;
    let mut histogram = [0_u32; RANK_MAX + 2];
    for &rank in registers {
        histogram[usize::from(rank).min(RANK_MAX + 1)] += 1;
    }
    let count = REGISTERS as f64;
    let mut sum = count * tau(1.0 - f64::from(histogram[RANK_MAX + 1]) / count);
    for rank in (1..=RANK_MAX).rev() {
        sum = 0.5 * (sum + f64::from(histogram[rank]));
    }
    sum += count * sigma(f64::from(histogram[0]) / count);
    count * count / (2.0 * std::f64::consts::LN_2 * sum)
}

fn sigma(mut share: f64) -> f64 {
    if share >= 1.0 {
        return f64::INFINITY;
    }
    let (mut weight, mut sum) = (1.0, share);
    loop {
        share *= share;
        let before = sum;
        sum += share * weight;
        weight += weight;
        if sum == before {
            return sum;
        }
    }
}

fn tau(mut share: f64) -> f64 {
    if share <= 0.0 || share >= 1.0 {
        return 0.0;
    }
    let (mut weight, mut sum) = (1.0, 1.0 - share);
    loop {
        share = share.sqrt();
        let before = sum;
        weight *= 0.5;
        sum -= (1.0 - share).powi(2) * weight;
        if sum == before {
            return sum / 3.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stable_hash;
    use proptest::prelude::*;

    fn of(seed: u64, names: impl IntoIterator<Item = u64>) -> HyperLogLog {
        let mut sketch = HyperLogLog::default();
        names.into_iter().for_each(|name| sketch.insert(stable_hash(seed, &name.to_le_bytes())));
        sketch
    }

    #[test]
    fn up_to_128_names_are_counted_exactly() {
        for count in 0..=128 {
            assert_eq!(of(1, (0..count).chain(0..count)).estimate(), count);
        }
        assert!(!of(1, 0..129).registers.is_empty());
        assert!(of(1, (0..128).chain(0..128)).registers.is_empty());
    }

    #[test]
    fn no_estimate_is_off_by_more_than_four_standard_errors_and_few_by_two() {
        let mut beyond_two = 0;
        let mut tries = 0;
        for count in [129, 500, 3_000, 10_000, 12_000, 20_000, 100_000] {
            for seed in 0..20 {
                let error = of(seed, 0..count).estimate() as f64 / count as f64 - 1.0;
                assert!(error.abs() < 4.0 * 0.01625, "{count} names, seed {seed}: {error}");
                beyond_two += u32::from(error.abs() > 2.0 * 0.01625);
                tries += 1;
            }
        }
        // A normal error is beyond two standard errors in 4.6 % of tries: 6 of 140 are expected.
        assert!(beyond_two * 10 <= tries, "{beyond_two} of {tries}");
    }

    #[test]
    fn it_stays_within_six_kibibytes() {
        let mut sketch = of(1, 0..1_000_000);
        assert!(sketch.heap_bytes() <= 6 * 1024, "{}", sketch.heap_bytes());
        sketch.clear();
        assert_eq!(sketch, HyperLogLog::default());
        assert!(of(1, 0..4).heap_bytes() <= 64);
    }

    proptest! {
        #[test]
        fn merging_is_the_union_whatever_the_order(
            left in proptest::collection::vec(0_u64..2_000, 0..600),
            right in proptest::collection::vec(0_u64..2_000, 0..600),
        ) {
            let (one, two) = (of(9, left.clone()), of(9, right.clone()));
            let mut forth = one.clone();
            forth.merge(&two);
            let mut back = two;
            back.merge(&one);
            back.merge(&one);
            let whole = of(9, left.into_iter().chain(right));
            prop_assert_eq!(&forth, &whole);
            prop_assert_eq!(&back, &whole);
        }
    }
}
