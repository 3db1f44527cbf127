//! Shannon entropy of a name, in whole-number arithmetic: the same on every machine, and no logarithm on the hot path.
//!
//! For bytes that occur c₁, c₂, … times among n, the entropy is log₂ n - (Σ cᵢ log₂ cᵢ) / n bits a byte. Both terms come
//! from one table of c log₂ c in units of 2⁻³² bits, made by the compiler.

/// Bytes of a text that are counted; what follows them is left out. A name is at most 255 bytes on the wire.
pub(crate) const BYTES_MAX: usize = 1_024;

/// Counts bytes. Kept from text to text so that its counters need not be cleared as a whole.
pub(crate) struct Entropy {
    counts: [u16; 256],
}

impl Default for Entropy {
    fn default() -> Self {
        Self { counts: [0; 256] }
    }
}

impl Entropy {
    /// Bits a byte over the first [`BYTES_MAX`] bytes of `text`; 0 for an empty text.
    pub(crate) fn of(&mut self, text: &[u8]) -> f32 {
        let text = &text[..text.len().min(BYTES_MAX)];
        if text.len() < 2 {
            return 0.0;
        }
        // A counter's step from c to c + 1 adds the difference of two entries, so one pass over the text is enough.
        let mut sum = 0;
        for byte in text {
            let count = &mut self.counts[usize::from(*byte)];
            sum += STEP[usize::from(*count) & (BYTES_MAX - 1)];
            *count += 1;
        }
        for byte in text {
            self.counts[usize::from(*byte)] = 0;
        }
        let bits = (C_LOG_C[text.len()] - sum) / text.len() as u64;
        (bits as f64 / ONE as f64) as f32
    }
}

/// One bit.
const ONE: u64 = 1 << 32;

/// c log₂ c for every possible count.
static C_LOG_C: [u64; BYTES_MAX + 1] = c_log_c();

/// What a counter's step from c to c + 1 adds.
static STEP: [u64; BYTES_MAX] = {
    let mut steps = [0; BYTES_MAX];
    let table = c_log_c();
    let mut count = 0;
    while count < BYTES_MAX {
        steps[count] = table[count + 1] - table[count];
        count += 1;
    }
    steps
};

const fn c_log_c() -> [u64; BYTES_MAX + 1] {
    let mut table = [0; BYTES_MAX + 1];
    let mut count = 1;
    while count <= BYTES_MAX {
        table[count] = count as u64 * log2(count as u32);
        count += 1;
    }
    table
}

/// log₂ in units of 2⁻³²: the whole part is the position of the highest bit, each bit after it comes from squaring.
const fn log2(number: u32) -> u64 {
    let whole = number.ilog2();
    // The number scaled to [1, 2), one being 2⁶².
    let mut scaled = (number as u64) << (62 - whole);
    let mut result = whole as u64 * ONE;
    let mut bit = ONE / 2;
    while bit > 0 {
        scaled = ((scaled as u128 * scaled as u128) >> 62) as u64;
        if scaled >= 1 << 63 {
            scaled /= 2;
            result += bit;
        }
        bit /= 2;
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_texts_have_known_entropy() {
        let mut entropy = Entropy::default();
        for (text, expected) in [("", 0.0), ("a", 0.0), ("aaaa", 0.0), ("ab", 1.0), ("aabb", 1.0), ("abcd", 2.0)] {
            assert_eq!(entropy.of(text.as_bytes()), expected, "{text}");
        }
        assert!((entropy.of(b"www1") - 0.811_278).abs() < 1e-5);
    }

    #[test]
    fn what_follows_the_limit_is_left_out() {
        let long = [b"ab".repeat(BYTES_MAX / 2), b"c".repeat(5_000)].concat();
        assert_eq!(Entropy::default().of(&long), 1.0);
    }

    proptest! {
        #[test]
        fn it_agrees_with_the_formula(texts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..400), 1..4)) {
            let mut entropy = Entropy::default();
            for text in texts {
                let mut counts = [0_u32; 256];
                text.iter().for_each(|byte| counts[usize::from(*byte)] += 1);
                let expected: f64 = counts.iter().filter(|count| **count > 0).map(|count| {
                    let share = f64::from(*count) / text.len() as f64;
                    -share * share.log2()
                }).sum();
                prop_assert!((f64::from(entropy.of(&text)) - expected).abs() < 1e-5);
            }
        }
    }
}
