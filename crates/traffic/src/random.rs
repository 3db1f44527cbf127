//! Chance, from a seed.
//!
//! xoshiro256++ seeded by splitmix64 (Blackman and Vigna, public domain): forty lines that will make the same traffic
//! in ten years, which no crate promises of its default generator.

/// A source of numbers that depend on nothing but its seed.
#[derive(Debug, Clone)]
pub struct Random {
    state: [u64; 4],
}

impl Random {
    /// The sequence of this seed.
    pub fn new(seed: u64) -> Self {
        let mut word = seed;
        Self { state: std::array::from_fn(|_| splitmix(&mut word)) }
    }

    /// A sequence of its own for one purpose, so that a draw more here changes nothing there.
    pub fn of(seed: u64, purpose: &str) -> Self {
        Self::new(seed ^ hash(purpose.as_bytes()))
    }

    /// 64 even bits.
    pub fn bits(&mut self) -> u64 {
        let [mut a, mut b, mut c, mut d] = self.state;
        let result = a.wrapping_add(d).rotate_left(23).wrapping_add(a);
        let shifted = b << 17;
        c ^= a;
        d ^= b;
        b ^= c;
        a ^= d;
        c ^= shifted;
        self.state = [a, b, c, d.rotate_left(45)];
        result
    }

    /// Evenly from 0 to `count - 1`; 0 if there is nothing to choose from.
    pub fn below(&mut self, count: usize) -> usize {
        ((u128::from(self.bits()) * count as u128) >> 64) as usize
    }

    /// Evenly from 0 (included) to 1 (excluded).
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// True with this probability.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// One of `choices`, which must not be empty.
    pub fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }

    /// One of `choices` in proportion to its weight. There must be one with a weight.
    pub fn weigh<T: Copy>(&mut self, choices: &[(T, u32)]) -> T {
        let total: usize = choices.iter().map(|(_, weight)| *weight as usize).sum();
        let mut rest = self.below(total);
        for (choice, weight) in choices {
            if rest < *weight as usize {
                return *choice;
            }
            rest -= *weight as usize;
        }
        unreachable!("the draw is below the sum of the weights")
    }

    /// A draw of the standard normal distribution (Box and Muller).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }

    /// How many of many rare things happen, if this many do on average.
    pub fn poisson(&mut self, mean: f64) -> u64 {
        // From about 30 on the normal distribution is as good and takes one draw instead of `mean`.
        if mean > 30.0 {
            return (mean + mean.sqrt() * self.normal()).round().max(0.0) as u64;
        }
        let floor = (-mean).exp();
        let mut product = self.unit();
        let mut count = 0;
        while product > floor {
            product *= self.unit();
            count += 1;
        }
        count
    }

    /// Evenly over orders of magnitude, both ends included.
    pub fn log_uniform(&mut self, least: u64, most: u64) -> u64 {
        let (low, high) = ((least as f64).ln(), (most as f64 + 1.0).ln());
        (((low + (high - low) * self.unit()).exp()) as u64).clamp(least, most)
    }
}

fn splitmix(word: &mut u64) -> u64 {
    *word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *word;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// FNV-1a, finished by splitmix64. Stable: seeds derive from it.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    let mut word =
        bytes.iter().fold(0xcbf2_9ce4_8422_2325, |word, byte| (word ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    splitmix(&mut word)
}

/// Draws from many choices of unequal weight by binary search.
#[derive(Debug, Clone)]
pub(crate) struct Weights {
    /// Rising; the last is the sum.
    sums: Vec<f64>,
}

impl Weights {
    pub(crate) fn new(weights: impl Iterator<Item = f64>) -> Self {
        let mut sum = 0.0;
        let sums = weights
            .map(|weight| {
                sum += weight;
                sum
            })
            .collect();
        Self { sums }
    }

    /// The index of a choice; there must be one.
    pub(crate) fn draw(&self, random: &mut Random) -> usize {
        let total = self.sums.last().copied().unwrap_or(0.0);
        let place = random.unit() * total;
        self.sums.partition_point(|sum| *sum <= place).min(self.sums.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_the_published_one() {
        // The state [1, 2, 3, 4] and its first outputs as in the reference implementation's test vector, which the
        // rand_xoshiro crate carries.
        let mut random = Random { state: [1, 2, 3, 4] };
        let drawn: Vec<u64> = (0..6).map(|_| random.bits()).collect();
        assert_eq!(
            drawn,
            [41943041, 58720359, 3588806011781223, 3591011842654386, 9228616714210784205, 9973669472204895162]
        );
    }

    #[test]
    fn poisson_counts_have_their_mean_and_variance_on_both_sides_of_the_switch() {
        for mean in [0.3, 4.0, 29.0, 31.0, 400.0] {
            let mut random = Random::new(7);
            let draws: Vec<f64> = (0..20_000).map(|_| random.poisson(mean) as f64).collect();
            let average = draws.iter().sum::<f64>() / draws.len() as f64;
            let variance = draws.iter().map(|draw| (draw - average).powi(2)).sum::<f64>() / draws.len() as f64;
            assert!((average / mean - 1.0).abs() < 0.05, "mean {mean}: {average}");
            assert!((variance / mean - 1.0).abs() < 0.08, "variance {mean}: {variance}");
        }
    }

    #[test]
    fn weights_are_kept() {
        let mut random = Random::new(3);
        let weights = Weights::new([1.0, 0.0, 3.0].into_iter());
        let mut counts = [0; 3];
        for _ in 0..10_000 {
            counts[weights.draw(&mut random)] += 1;
        }
        assert_eq!(counts[1], 0);
        assert!((2_300..2_700).contains(&counts[0]), "{counts:?}");
    }
}
