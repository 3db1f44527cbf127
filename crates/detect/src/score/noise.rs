//! What counting alone does to a number, and how far beyond that a series strays.
//!
//! Three queries where two were expected say nothing; 30,000 where 20,000 were expected say a lot. Sums over some rows
//! are compared with what was expected of these rows, in standard deviations of the count noise and of the overdispersion
//! that the series has shown beside it. Where the model holds, a deviation has a normal distribution at any rate, so that
//! rows of nights and days, and of small and large zones, can be compared.

use super::Kind;
use super::average::Average;
use super::code::{Damaged, Reader, Writer};
use std::f64::consts::{LN_10, TAU};

/// Rows after which one of these weighs 1/e, as in the histogram of what is computed with them.
const MEMORY_ROWS: f64 = 5000.0;
/// A row teaches at most four standard deviations, so that an incident does not hide itself or the next.
const SQUARE_MAX: f64 = 16.0;
/// No level is better known than to a twentieth (of a mean, to a twentieth of an item's standard deviation): tables of
/// hours don't follow every bend.
const LEVEL_DOUBT: f64 = 0.05;
/// Shares are never expected nearer to 0 or 1 than this: what never happened before is not impossible.
const SHARE_MIN: f64 = 1e-4;
/// Counts are never expected below this.
const COUNT_MIN: f64 = 1e-3;

/// Sums over some rows of what was counted, what was expected, and the rows' sizes: of a share the whole, of a mean the
/// number of its items, of a count the rows.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Sums {
    pub(super) observed: f64,
    pub(super) expected: f64,
    pub(super) size: f64,
}

impl std::ops::Add for Sums {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self {
            observed: self.observed + other.observed,
            expected: self.expected + other.expected,
            size: self.size + other.size,
        }
    }
}

impl Kind {
    /// The nearest expectation that leaves everything possible.
    pub(super) fn possible(self, expected: f64) -> f64 {
        match self {
            Self::Count => expected.max(COUNT_MIN),
            Self::Share => expected.clamp(SHARE_MIN, 1.0 - SHARE_MIN),
            Self::Mean | Self::Value => expected,
        }
    }

    /// The variance by count noise alone, and what one unit of overdispersion adds to it.
    fn variance(self, sums: Sums, item: f64) -> (f64, f64) {
        match self {
            // Poisson, and negative binomial.
            Self::Count => (sums.expected, sums.expected * sums.expected),
            // Binomial, and beta-binomial.
            Self::Share => {
                let binomial = sums.expected * (1.0 - sums.expected / sums.size);
                (binomial, binomial * (sums.size - 1.0).max(0.0))
            }
            // Of `size` items of this variance each.
            Self::Mean | Self::Value => (item * sums.size, sums.size * sums.size),
        }
    }

    /// The least overdispersion: the squared level, in the unit of `Spread::overdispersion`.
    fn overdispersion_min(self, sums: Sums, item: f64) -> f64 {
        LEVEL_DOUBT
            * LEVEL_DOUBT
            * match self {
                Self::Count => 1.0,
                Self::Share => {
                    let share = sums.expected / sums.size;
                    let rarer = share.min(1.0 - share);
                    rarer / (1.0 - rarer)
                }
                Self::Mean | Self::Value => item,
            }
    }

    /// What of the sums says how well the local level is known: expected events, or trials.
    fn evidence(self, sums: Sums) -> f64 {
        if self == Self::Count { sums.expected } else { sums.size }
    }
}

/// The standard deviation of count noise alone.
pub(super) fn counting(kind: Kind, row: Sums, item: f64) -> f64 {
    kind.variance(row, item).0.sqrt()
}

/// How far sums over a fixed number of rows stray beyond count noise.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Spread {
    /// Mean square beyond count noise, and mean of what a unit of overdispersion would add.
    beyond: Average,
    unit: Average,
}

impl Spread {
    /// Of a count, the variance of its level beside the season, as a multiple of the squared level; of a share, the
    /// correlation of two events; of a mean, the variance of its level in units of its own.
    fn overdispersion(self, kind: Kind, sums: Sums, item: f64) -> f64 {
        let seen = if self.unit.mean > 0.0 { self.beyond.mean / self.unit.mean } else { 0.0 };
        seen.max(kind.overdispersion_min(sums, item))
    }

    pub(super) fn standard_deviation(self, kind: Kind, sums: Sums, item: f64) -> f64 {
        let (counting, unit) = kind.variance(sums, item);
        (counting + self.overdispersion(kind, sums, item) * unit).sqrt()
    }

    /// The deviation in standard deviations, 0 or more.
    pub(super) fn deviation(self, kind: Kind, sums: Sums, item: f64) -> f64 {
        self.deviance(kind, corrected(sums), item).sqrt()
    }

    /// The greatest surprise that the sums can be: -log10 of the probability of just this count. However rare it is among
    /// those of a series, one event of one is no more than this.
    pub(super) fn surprise_max(self, kind: Kind, sums: Sums, item: f64) -> f64 {
        if kind == Kind::Mean {
            return f64::MAX;
        }
        // Stirling's: a probability is that of the deviance over the root of 2 pi times the variance.
        let variance = self.standard_deviation(kind, sums, item).powi(2).max(sums.observed).max(1.0 / TAU);
        (self.deviance(kind, sums, item) / 2.0 + (TAU * variance).ln() / 2.0) / LN_10
    }

    /// Twice the logarithm of how much likelier the sums are under their own level than under the expected one.
    fn deviance(self, kind: Kind, sums: Sums, item: f64) -> f64 {
        let overdispersion = self.overdispersion(kind, sums, item);
        let deviance = match kind {
            Kind::Count => negative_binomial(sums, overdispersion),
            Kind::Share => beta_binomial(sums, overdispersion),
            Kind::Mean | Kind::Value => {
                let (counting, unit) = kind.variance(sums, item);
                let variance = counting + overdispersion * unit;
                if variance > 0.0 { (sums.observed - sums.expected).powi(2) / variance } else { 0.0 }
            }
        };
        deviance.max(0.0)
    }

    pub(super) fn learn(&mut self, kind: Kind, sums: Sums, item: f64) {
        let (counting, unit) = kind.variance(sums, item);
        let square = (sums.observed - sums.expected).powi(2);
        let square = square.min(SQUARE_MAX * (counting + self.overdispersion(kind, sums, item) * unit));
        self.beyond.learn(square - counting, MEMORY_ROWS);
        self.unit.learn(unit, MEMORY_ROWS);
    }

    /// What to expect of a row if the level of the rows just before it, `recent`, goes on: between the season's
    /// expectation and that level, by how much level the series is known to have beside the season and how much of it the
    /// counts of these rows show.
    pub(super) fn follow(self, kind: Kind, recent: Sums, row: Sums, item: f64) -> Sums {
        let overdispersion = self.overdispersion(kind, recent, item);
        if overdispersion <= 0.0 {
            return row;
        }
        let doubt = if kind == Kind::Mean { item / overdispersion } else { 1.0 / overdispersion };
        let shift = (recent.observed - recent.expected) / (kind.evidence(recent) + doubt);
        let expected = row.expected + shift * kind.evidence(row);
        let expected = kind.possible(if kind == Kind::Share { expected / row.size } else { expected });
        Sums { expected: if kind == Kind::Share { expected * row.size } else { expected }, ..row }
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        self.beyond.encode(writer);
        self.unit.encode(writer);
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        Ok(Self { beyond: Average::decode(reader)?, unit: Average::decode(reader)? })
    }
}

/// The variance of one item of a mean, from rows of any size: small ones count most, since there the level strays least
/// beside the items.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Item {
    square: Average,
    inverse: Average,
}

impl Item {
    pub(super) fn variance(self) -> f64 {
        if self.inverse.mean > 0.0 { (self.square.mean / self.inverse.mean).max(0.0) } else { 0.0 }
    }

    pub(super) fn learn(&mut self, row: Sums) {
        let square = ((row.observed - row.expected) / row.size).powi(2);
        let limit = if self.square.count < 100 { f64::MAX } else { SQUARE_MAX * self.variance() / row.size };
        self.square.learn(square.min(limit.max(f64::MIN_POSITIVE)), MEMORY_ROWS);
        self.inverse.learn(1.0 / row.size, MEMORY_ROWS);
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        self.square.encode(writer);
        self.inverse.encode(writer);
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        Ok(Self { square: Average::decode(reader)?, inverse: Average::decode(reader)? })
    }
}

/// Half a count nearer to what was expected, the correction for continuity: with it, the root of the deviance of a
/// discrete distribution is close to a normal deviation down to counts of a few.
fn corrected(sums: Sums) -> Sums {
    let Sums { observed, expected, .. } = sums;
    let nearer = if observed > expected { (observed - 0.5).max(expected) } else { (observed + 0.5).min(expected) };
    Sums { observed: nearer, ..sums }
}

/// `a ln(a / b)`, and its limit at 0.
fn entropy(a: f64, b: f64) -> f64 {
    if a > 0.0 { a * (a / b).ln() } else { 0.0 }
}

/// The deviance of a negative binomial count.
fn negative_binomial(sums: Sums, overdispersion: f64) -> f64 {
    let Sums { observed, expected, .. } = sums;
    let size = 1.0 / overdispersion;
    2.0 * (entropy(observed, expected) - (observed + size) * ((observed - expected) / (expected + size)).ln_1p())
}

/// The deviance of a binomial count, over what overdispersion multiplies its variance by.
fn beta_binomial(sums: Sums, overdispersion: f64) -> f64 {
    let Sums { observed, expected, size } = sums;
    let deviance = 2.0 * (entropy(observed, expected) + entropy(size - observed, size - expected));
    deviance / (1.0 + overdispersion * (size - 1.0).max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_count_deviates_as_its_probability_says() {
        // Six or more where two are expected: one in 60, which is 2.13 normal deviations.
        let sums = Sums { observed: 6.0, expected: 2.0, size: 1.0 };
        let deviation = Spread::default().deviation(Kind::Count, sums, 0.0);
        assert!((deviation - 2.13).abs() < 0.125, "{deviation}");
    }
}
