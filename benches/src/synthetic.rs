//! Series of a zone's signals as they are when nothing happens, and with one incident.
//!
//! A day's rhythm of +-60 %, weekends at 60 %, and on request a level that swings: a log-normal factor of 0.2 with a time
//! constant of 50 minutes, as real traffic has it. What is counted is drawn from that: Poisson counts, binomial shares of
//! them, means of so many items, and a divergence of shares, which count noise alone keeps above 0.

use detect::score::{Kind, Observation};
use std::f64::consts::TAU;
use traffic::Random;

const DAY_S: f64 = 86_400.0;
const DAILY_SWING: f64 = 0.6;
const WEEKEND: f64 = 0.6;
/// A weekend comes and goes within these.
const RAMP_HOURS: f64 = 4.0;
const LEVEL_SWING: f64 = 0.2;
const LEVEL_TIME_S: f64 = 3_000.0;
/// A Monday, 2026-01-05T00:00:00Z.
pub const START_S: i64 = 1_767_571_200;

/// How much of a weekend it is: 1 on Saturdays and Sundays, 0 on other days, and in between around midnight.
fn weekend(days: f64) -> f64 {
    let day = days.rem_euclid(7.0);
    let ramp = |middle: f64| ((day - middle) * 24.0 / RAMP_HOURS + 0.5).clamp(0.0, 1.0);
    // The week begins in the middle of the ramp down.
    ramp(5.0) - ramp(7.0) + (1.0 - ramp(0.0))
}

/// What is measured of a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Queries.
    Rate,
    /// 5 in 100 of them.
    Share,
    /// 1 in 500 of them.
    RareShare,
    /// Items of mean 10 and standard deviation 6, one a query.
    Mean,
    /// Relative entropy of five shares to their own expectation.
    Divergence,
}

impl Signal {
    /// All.
    pub const ALL: [Self; 5] = [Self::Rate, Self::Share, Self::RareShare, Self::Mean, Self::Divergence];

    /// How it is scored.
    pub fn kind(self) -> Kind {
        match self {
            Self::Rate => Kind::Count,
            Self::Share | Self::RareShare => Kind::Share,
            Self::Mean => Kind::Mean,
            Self::Divergence => Kind::Value,
        }
    }
}

/// A series to be made.
#[derive(Debug, Clone, Copy)]
pub struct Recipe {
    /// What is measured.
    pub signal: Signal,
    /// Queries a window, on average over a weekday.
    pub mean: f64,
    /// Length of a window.
    pub window_s: i64,
    /// Whether the level swings beside the rhythm.
    pub swings: bool,
    /// Another seed, another series.
    pub seed: u64,
}

/// A series' rows, one after another, without end.
#[derive(Debug)]
pub struct Rows {
    recipe: Recipe,
    random: Random,
    index: i64,
    /// The logarithms of the level's and of the share's factors.
    level: f64,
    odds: f64,
    /// The hour at which the day is at its height.
    height: f64,
}

impl Rows {
    /// The rows of a recipe.
    pub fn new(recipe: Recipe) -> Self {
        let mut random = Random::new(recipe.seed);
        let height = 24.0 * random.unit();
        Self { recipe, random, index: 0, level: 0.0, odds: 0.0, height }
    }

    /// The next row, its level times a factor; of a share or mean it is the share or mean that the factor changes.
    pub fn next(&mut self, factor: impl Fn(i64) -> f64) -> (i64, Observation) {
        let offset_s = self.index * self.recipe.window_s;
        self.index += 1;
        let (level, odds) = if self.recipe.swings { self.swing() } else { (1.0, 1.0) };
        let days = offset_s as f64 / DAY_S;
        let weekend = 1.0 - (1.0 - WEEKEND) * weekend(days);
        let daily = 1.0 + DAILY_SWING * (TAU * (days - self.height / 24.0)).cos();
        let mean = self.recipe.mean * daily * weekend * level;
        let factor = factor(offset_s);
        let observation = match self.recipe.signal {
            Signal::Rate => Observation::Count(self.poisson(mean * factor)),
            Signal::Share => self.share(mean, 0.05 * odds * factor),
            Signal::RareShare => self.share(mean, 0.002 * odds * factor),
            Signal::Mean => {
                let items = self.poisson(mean);
                let sum = items * 10.0 * odds.powf(0.2) * factor + items.sqrt() * 6.0 * self.random.normal();
                Observation::Mean { sum, items }
            }
            Signal::Divergence => self.divergence(mean, factor),
        };
        (START_S + offset_s, observation)
    }

    fn swing(&mut self) -> (f64, f64) {
        let keep = (-(self.recipe.window_s as f64) / LEVEL_TIME_S).exp();
        let step = LEVEL_SWING * (1.0 - keep * keep).sqrt();
        self.level = keep * self.level + step * self.random.normal();
        self.odds = keep * self.odds + step * self.random.normal();
        let centre = LEVEL_SWING * LEVEL_SWING / 2.0;
        ((self.level - centre).exp(), (self.odds - centre).exp())
    }

    fn share(&mut self, mean: f64, share: f64) -> Observation {
        let share = share.min(1.0);
        let (part, rest) = (self.poisson(mean * share), self.poisson(mean * (1.0 - share)));
        Observation::Share { part, whole: part + rest }
    }

    fn divergence(&mut self, mean: f64, factor: f64) -> Observation {
        let shares = [0.5, 0.25, 0.125, 0.0625, 0.0625];
        let counts = shares.map(|share| self.poisson(mean * share));
        let total: f64 = counts.iter().sum();
        let term = |(count, share): (&f64, &f64)| {
            if *count > 0.0 { count / total * (count / total / share).ln() } else { 0.0 }
        };
        Observation::Value(counts.iter().zip(&shares).map(term).sum::<f64>() * factor)
    }

    /// Poisson's distribution; from 30 on by the normal one with its skewness put right (Cornish and Fisher), since it
    /// is the far tail that false alarms are made of.
    fn poisson(&mut self, mean: f64) -> f64 {
        if mean <= 30.0 {
            return self.random.poisson(mean) as f64;
        }
        let normal = self.random.normal();
        (mean + mean.sqrt() * normal + (normal * normal - 1.0) / 6.0).round().max(0.0)
    }
}
