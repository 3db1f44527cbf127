//! How surprising each row of a series is, given the rows before it: causal, in bounded memory, with one set of constants
//! for every series.
//!
//! A row is compared with what its hour of the day and of the week let expect (`season`), alone and summed up with the
//! rows before it. Each of these errors becomes a surprise by its rank among the series' own errors (`tail`): -log10 of
//! the share of rows at least as far off, so that 3 means one row in 1,000 whatever is measured. Counts, shares and means
//! are first set against the noise that counting makes (`noise`).
//!
//! Time comes in with the rows. Nothing here knows what a zone, a window or a finding is. How often which surprise comes
//! by chance, and how much of what is found, is measured by `cargo xtask calibrate`; see `docs/scores.md`.

mod average;
mod budget;
mod code;
mod episode;
mod noise;
mod recent;
mod season;
mod state;
#[cfg(test)]
mod state_test;
mod tail;
#[cfg(test)]
mod tests;

pub use budget::{SIGNALS, Threshold, WINDOWS_S};
pub use code::Damaged;
pub use episode::{EPISODE, Episode, anomaly_score};
pub use state::STATE_BYTES_MAX;

use average::Average;
use noise::{Item, Spread, Sums};
use recent::Recent;
use season::{Moment, Season};
use tail::Tail;

/// Rows that are summed up, beside single ones: a short and a long change that lasts.
const SHORT_ROWS: usize = 12;
const LONG_ROWS: usize = recent::ROWS;
/// A running mean's row is learnt when the mean has none of it left.
const LAG_ROWS: usize = LONG_ROWS;
/// Rows after which one of the series' level weighs 1/e.
const LEVEL_MEMORY_ROWS: f64 = 5000.0;
/// The logarithmic scale of values begins at this share of their level; below it, differences are what counts.
const FLOOR_LEVELS: f64 = 0.5;
/// Greater numbers are no observation: sums and, of what is counted, squares and products must stay finite.
const VALUE_MAX: f64 = 1e30;
const COUNT_MAX: f64 = 1e15;
/// What a row teaches is never cut below three events, nor below four standard deviations of count noise.
const LIMIT_EVENTS: f64 = 3.0;
const LIMIT_DEVIATIONS: f64 = 4.0;
/// A row of a share or a mean teaches at most as much as this many usual ones.
const WEIGHT_MAX: f64 = 4.0;
/// Smaller surprises are of rows as there are enough of: how probable their counts are need not be worked out.
const CAPPED_FROM: f64 = 2.0;
/// A band holds all rows but one in a hundred.
const OUTSIDE_BAND: f64 = 0.01;

/// What the rows of a series are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Numbers of which nothing is known.
    Value,
    /// How many there were of something.
    Count,
    /// How many of how many.
    Share,
    /// A sum over how many items.
    Mean,
}

/// One row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Observation {
    /// Any number.
    Value(f64),
    /// A number of events, 0 or more. An estimate need not be whole.
    Count(f64),
    /// `part` of `whole` events.
    Share {
        /// At most `whole`.
        part: f64,
        /// Of nothing, there is no share, and so no observation.
        whole: f64,
    },
    /// Numbers of any sign, summed up.
    Mean {
        /// Of all items.
        sum: f64,
        /// Of no items, there is no mean, and so no observation.
        items: f64,
    },
}

impl Observation {
    /// Whether it is one: a finite number within bounds, not below 0 if it is counted, and of something.
    pub fn is_possible(self) -> bool {
        self.measure().is_some()
    }

    /// It as a number: a value, events, a share, or a mean; none if it is no observation.
    pub fn value(self) -> Option<f64> {
        self.measure().map(|(_, value, _)| value)
    }

    /// Its kind, and it as a number and a size.
    fn measure(self) -> Option<(Kind, f64, f64)> {
        let (kind, value, size) = match self {
            Self::Value(value) => (Kind::Value, value, 1.0),
            Self::Count(count) => (Kind::Count, count, 1.0),
            Self::Share { part, whole } => (Kind::Share, part / whole, whole),
            Self::Mean { sum, items } => (Kind::Mean, sum / items, items),
        };
        let possible = match kind {
            Kind::Value => value.abs() <= VALUE_MAX,
            Kind::Count => (0.0..=COUNT_MAX).contains(&value),
            Kind::Share => (0.0..=1.0).contains(&value),
            Kind::Mean => value.abs() <= COUNT_MAX,
        };
        // Less than one event or item in all is no size either; it would only blow errors up.
        (possible && (1.0..=COUNT_MAX).contains(&size)).then_some((kind, value, size))
    }
}

/// A row's surprise, and what it is about.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score {
    /// -log10 of the share of rows at least as far off, 0 to 43. [`Threshold::score`] makes a score of it.
    pub surprise: f64,
    /// The same of this row alone, and beside the rows just before it.
    pub sudden: f64,
    /// Over how many rows, up to this one, it is most surprising: 1, 12 or 60.
    pub rows: usize,
    /// What was seen over these rows: a mean value, events a row, a share, or a mean.
    pub observed: f64,
    /// What was expected, in the same unit.
    pub expected: f64,
    /// This row alone.
    row: Sums,
}

/// The past of one series.
#[derive(Debug, Clone, PartialEq)]
pub struct Scorer {
    kind: Kind,
    /// Of the first and of the last row, in seconds since 1970.
    times: Option<(i64, i64)>,
    /// The first of a series of values. Tables keep differences to it, lest `f32` lose small ones of large values.
    reference: f64,
    /// Mean absolute value; of what is counted, mean size of a row.
    level: Average,
    season: Season,
    /// Of values, on a logarithmic scale.
    scaled: Option<Box<Season>>,
    recent: Recent,
    item: Item,
    /// By `POINT` and so on; values have no onset, and no spreads.
    tails: Vec<Tail>,
    spreads: [Spread; PARTS],
}

/// The looks at a row: alone; summed up with the rows before; alone, beside the level of the rows just before.
const POINT: usize = 0;
const SHORT: usize = 1;
const LONG: usize = 2;
const ONSET: usize = 3;
const PARTS: usize = 4;
/// The sums among them, and their rows.
const SUSTAINED: [(usize, usize); 2] = [(SHORT, SHORT_ROWS), (LONG, LONG_ROWS)];

impl Scorer {
    /// A series without a past.
    pub fn new(kind: Kind) -> Self {
        let lags = [0, LAG_ROWS, LAG_ROWS, 0];
        let tails = match kind {
            Kind::Value => lags[..ONSET].iter().map(|&lag| Tail::of_values(lag)).collect(),
            Kind::Count | Kind::Share | Kind::Mean => lags.iter().map(|&lag| Tail::of_deviations(lag)).collect(),
        };
        Self {
            kind,
            times: None,
            reference: 0.0,
            level: Average::default(),
            season: Season::new(),
            scaled: (kind == Kind::Value).then(|| Box::new(Season::new())),
            recent: Recent::new(),
            item: Item::default(),
            tails,
            spreads: [Spread::default(); PARTS],
        }
    }

    /// What its rows are.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Takes in a row: its time in seconds since 1970 (UTC), and what was observed. Rows are meant to be at a fixed
    /// period, with empty windows counted as 0.
    ///
    /// None during the first day; and for what is no observation, of which nothing is learnt: one of another kind, a
    /// number that is not finite or is out of range, a share or mean of nothing, a time before the last row's.
    pub fn push(&mut self, time_s: i64, observation: Observation) -> Option<Score> {
        let (value, size) = self.measure(observation)?;
        let (first_s, last_s) = self.times.unwrap_or((time_s, time_s));
        if time_s < last_s {
            return None;
        }
        if self.times.is_none() && self.kind == Kind::Value {
            self.reference = value;
        }
        self.times = Some((first_s, time_s));
        let moment = Moment { time_s, age_s: time_s.saturating_sub(first_s), step_s: time_s.saturating_sub(last_s) };
        let level = if self.kind == Kind::Value { value.abs() } else { size };
        self.level.learn(level, LEVEL_MEMORY_ROWS);
        if self.kind == Kind::Value { self.push_value(moment, value) } else { self.push_counted(moment, value, size) }
    }

    /// Between which bounds 99 of 100 rows lie at the hour and of the size of a row, in its unit; for a score that this
    /// scorer has just given.
    pub fn band(&self, score: &Score) -> (f64, f64) {
        let Sums { expected, size, .. } = score.row;
        let deviations = self.tails[POINT].quantile(OUTSIDE_BAND);
        if self.kind == Kind::Value {
            return (expected + self.reference - deviations, expected + self.reference + deviations);
        }
        let error =
            deviations * self.spreads[POINT].standard_deviation(self.kind, score.row, self.item.variance()) / size;
        let (low, high) = (expected / size - error, expected / size + error);
        match self.kind {
            Kind::Count => (low.max(0.0), high),
            Kind::Share => (low.max(0.0), high.min(1.0)),
            Kind::Mean | Kind::Value => (low, high),
        }
    }

    /// What was observed and expected of the row alone, in its unit; for a score that this scorer has just given. A sum stays
    /// surprising while what made it so leaves it: whether something still goes on, only the row says.
    pub fn row(&self, score: &Score) -> (f64, f64) {
        let Sums { observed, expected, size } = score.row;
        let size = if self.kind == Kind::Value { 1.0 } else { size };
        (observed / size + self.reference, expected / size + self.reference)
    }

    /// An observation as a number and its size; none if it is none of this series.
    fn measure(&self, observation: Observation) -> Option<(f64, f64)> {
        observation.measure().filter(|(kind, ..)| *kind == self.kind).map(|(_, value, size)| (value, size))
    }

    fn push_value(&mut self, moment: Moment, value: f64) -> Option<Score> {
        let floor = (FLOOR_LEVELS * self.level.mean).max(f64::MIN_POSITIVE);
        let scaled = value.signum() * (value.abs() / floor).ln_1p();
        let shifted = value - self.reference;
        let expected = self.season.expect(moment);
        self.season.learn(moment, expected, shifted, 1.0, 0.0);
        let season = self.scaled.as_mut().expect("a series of values has a second season");
        let scaled_expected = season.expect(moment);
        season.learn(moment, scaled_expected, scaled, 1.0, 0.0);
        let (expected, scaled_expected) = expected.zip(scaled_expected).filter(|_| moment.is_known())?;
        // Of a value, the third number is its error on the logarithmic scale.
        let row = Sums { observed: shifted, expected: expected.value, size: scaled - scaled_expected.value };
        self.recent.push(row);
        let mut parts = [0.0; PARTS];
        parts[POINT] = self.tails[POINT].step((shifted - expected.value).abs());
        for (part, rows) in SUSTAINED {
            if let Some(sums) = self.recent.sums(rows) {
                parts[part] = self.tails[part].step((sums.size / rows as f64).abs());
            }
        }
        Some(self.judge(parts, row))
    }

    fn push_counted(&mut self, moment: Moment, value: f64, size: f64) -> Option<Score> {
        let expected = self.season.expect(moment);
        let item = self.item.variance();
        let mean = self.kind.possible(expected.map_or(value, |expected| expected.value));
        let row = Sums { observed: value * size, expected: mean * size, size };
        let event = if self.kind == Kind::Mean { 0.0 } else { LIMIT_EVENTS };
        let limit_min = (event + LIMIT_DEVIATIONS * noise::counting(self.kind, row, item)) / size;
        let weight = (size / self.level.mean).min(WEIGHT_MAX);
        self.season.learn(moment, expected, value, weight, limit_min);
        if expected.is_none() || !moment.is_known() {
            return None;
        }
        if self.kind == Kind::Mean {
            self.item.learn(row);
        }
        let onset = match self.recent.sums(SHORT_ROWS) {
            Some(recent) => self.spreads[SHORT].follow(self.kind, recent, row, item),
            None => row,
        };
        self.recent.push(row);
        let mut parts = [0.0; PARTS];
        parts[POINT] = self.step(POINT, row, item);
        parts[ONSET] = self.step(ONSET, onset, item);
        for (part, rows) in SUSTAINED {
            if let Some(sums) = self.recent.sums(rows) {
                parts[part] = self.step(part, sums, item);
            }
        }
        Some(self.judge(parts, row))
    }

    fn step(&mut self, part: usize, sums: Sums, item: f64) -> f64 {
        let spread = self.spreads[part];
        self.spreads[part].learn(self.kind, sums, item);
        let surprise = self.tails[part].step(spread.deviation(self.kind, sums, item));
        if surprise < CAPPED_FROM { surprise } else { surprise.min(spread.surprise_max(self.kind, sums, item)) }
    }

    fn judge(&self, parts: [f64; PARTS], row: Sums) -> Score {
        let sudden = parts[POINT].max(parts[ONSET]);
        let sustained = parts[SHORT].max(parts[LONG]);
        // A value alone and the logarithms of a dozen are two pieces of evidence. Deviations of counts and of their sums
        // are one and the same where the level swings, and would be counted twice.
        let surprise = if self.kind == Kind::Value { sudden.hypot(sustained) } else { sudden.max(sustained) };
        let rows = match parts {
            _ if sudden >= sustained => 1,
            _ if parts[SHORT] >= parts[LONG] => SHORT_ROWS,
            _ => LONG_ROWS,
        };
        let sums = if rows == 1 { row } else { self.recent.sums(rows).unwrap_or(row) };
        let size = if self.kind == Kind::Value { rows as f64 } else { sums.size };
        let [observed, expected] = [sums.observed, sums.expected].map(|sum| sum / size + self.reference);
        Score { surprise, sudden, rows, observed, expected, row }
    }
}
