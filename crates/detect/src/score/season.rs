//! What is normal at this hour: a table of the day's hours, and a correction for the hours of the week that has to prove
//! itself first.

use super::average::Average;
use super::code::{Damaged, Reader, Writer};

const DAY_S: i64 = 86_400;
/// Nothing is expected before a whole day was seen.
const KNOWN_AFTER_S: i64 = DAY_S;
/// The week's hours have been seen once, and a day more.
const WEEK_AFTER_S: i64 = 8 * DAY_S;
/// An hour of the day moves its mean by a quarter, but no row by more than a fiftieth; the week's hours come seven times
/// more rarely and are learnt twice as fast.
const DAY_RATE_PER_HOUR: f64 = 0.25;
const DAY_RATE_MAX: f64 = 0.02;
const WEEK_RATE_PER_HOUR: f64 = 0.5;
const WEEK_RATE_MAX: f64 = 0.05;
/// The week's correction is used in part where it leaves less than this share of the error, in full at the second.
const TRUST_BEGINS: f64 = 0.9;
const TRUST_FULL: f64 = 0.7;
/// Over two weeks of hours, once there was a day of them.
const GAIN_MEMORY_HOURS: f64 = 336.0;
const GAIN_HOURS_MIN: u32 = 24;
/// Rows before their mean error is believed, and its memory.
const ERROR_ROWS_MIN: u32 = 200;
const ERROR_MEMORY_ROWS: f64 = 2000.0;
/// A row teaches at most three mean errors, so that a flood leaves no ghost in tomorrow's expectation. A real new level is
/// learnt all the same: the mean error grows, by rows of at most ten, and doubles within 154 of them.
const LIMIT_ERRORS: f64 = 3.0;
const ERROR_MAX: f64 = 10.0;

/// When a row was, as a season sees it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    /// Since 1970. Hours and weeks are UTC's.
    pub(super) time_s: i64,
    /// Since the series' first row.
    pub(super) age_s: i64,
    /// Since the row before.
    pub(super) step_s: i64,
}

impl Moment {
    /// Whether a whole day has been seen before.
    pub(super) fn is_known(self) -> bool {
        self.age_s > KNOWN_AFTER_S
    }
}

/// Means by hour of day and hour of week.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Season {
    day: Table<24>,
    /// Of what the day leaves over.
    week: Table<168>,
    /// Mean absolute error of a row.
    error: Average,
    /// Mean absolute error of a whole hour, without and with the week's correction: of single rows of a rare event, noise
    /// would hide the gain.
    day_error: Average,
    week_error: Average,
    hour: Hour,
}

/// The hour that is under way: its number, the weight of its rows, and their weighted errors.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Hour {
    number: i64,
    weight: f64,
    day: f64,
    week: f64,
}

/// What a season says of a moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected {
    day: f64,
    week: f64,
    /// What to expect of the row.
    pub(super) value: f64,
}

impl Season {
    pub(super) fn new() -> Self {
        Self {
            day: Table::new(),
            week: Table::new(),
            error: Average::default(),
            day_error: Average::default(),
            week_error: Average::default(),
            hour: Hour::default(),
        }
    }

    /// What to expect; none before anything was learnt.
    pub(super) fn expect(&self, moment: Moment) -> Option<Expected> {
        let day = self.day.at(moment.time_s)?;
        let week = self.week.at(moment.time_s).unwrap_or(0.0);
        Some(Expected { day, week, value: day + self.trust() * week })
    }

    /// How much of the week's correction to use. It grows step by step: an expectation that jumped would be an event.
    fn trust(&self) -> f64 {
        if self.week_error.count <= GAIN_HOURS_MIN || self.day_error.mean <= 0.0 {
            return 0.0;
        }
        let left = self.week_error.mean / self.day_error.mean;
        ((TRUST_BEGINS - left) / (TRUST_BEGINS - TRUST_FULL)).clamp(0.0, 1.0)
    }

    /// Learns a row. `weight` is its size as a multiple of the usual row; `limit_min` is how far off the value may be by
    /// count noise alone, which is never cut.
    pub(super) fn learn(
        &mut self,
        moment: Moment,
        expected: Option<Expected>,
        value: f64,
        weight: f64,
        limit_min: f64,
    ) {
        let Expected { day, week, .. } = expected.unwrap_or(Expected { day: value, week: 0.0, value });
        let rest = value - day;
        if moment.age_s > WEEK_AFTER_S {
            self.compare(moment.time_s, rest, rest - week, weight);
        }
        if moment.is_known() {
            let known = self.error.count > ERROR_ROWS_MIN && self.error.mean > 0.0;
            let most = if known { ERROR_MAX * self.error.mean } else { f64::MAX };
            self.error.learn(rest.abs().min(most), ERROR_MEMORY_ROWS);
        }
        let settled = moment.age_s > WEEK_AFTER_S && self.error.count > ERROR_ROWS_MIN;
        let limit = if settled { (LIMIT_ERRORS * self.error.mean).max(limit_min) } else { f64::MAX };
        let rest = rest.clamp(-limit, limit);
        let hours = moment.step_s as f64 / 3600.0;
        let week_rate = (WEEK_RATE_PER_HOUR * hours).min(WEEK_RATE_MAX);
        let day_rate = (DAY_RATE_PER_HOUR * hours).min(DAY_RATE_MAX);
        self.week.learn(moment.time_s, rest, week_rate, weight);
        self.day.learn(moment.time_s, day + rest, day_rate, weight);
    }

    /// Adds a row's errors to its hour's; a new hour ends the one before.
    fn compare(&mut self, time_s: i64, day: f64, week: f64, weight: f64) {
        let number = time_s.div_euclid(3600);
        if number != self.hour.number {
            if self.hour.weight > 0.0 {
                self.day_error.learn((self.hour.day / self.hour.weight).abs(), GAIN_MEMORY_HOURS);
                self.week_error.learn((self.hour.week / self.hour.weight).abs(), GAIN_MEMORY_HOURS);
            }
            self.hour = Hour { number, ..Hour::default() };
        }
        self.hour.weight += weight;
        self.hour.day += weight * day;
        self.hour.week += weight * week;
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        self.day.encode(writer);
        self.week.encode(writer);
        self.error.encode(writer);
        self.day_error.encode(writer);
        self.week_error.encode(writer);
        writer.i64(self.hour.number);
        [self.hour.weight, self.hour.day, self.hour.week].into_iter().for_each(|number| writer.f64(number));
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        Ok(Self {
            day: Table::decode(reader)?,
            week: Table::decode(reader)?,
            error: Average::decode(reader)?,
            day_error: Average::decode(reader)?,
            week_error: Average::decode(reader)?,
            hour: Hour { number: reader.i64()?, weight: reader.size()?, day: reader.f64()?, week: reader.f64()? },
        })
    }
}

/// A mean for each hour of a cycle of `N` hours.
#[derive(Debug, Clone, PartialEq)]
struct Table<const N: usize> {
    means: [f32; N],
    /// The weight of what each has learnt; 0 means nothing.
    weights: [f32; N],
}

impl<const N: usize> Table<N> {
    fn new() -> Self {
        Self { means: [0.0; N], weights: [0.0; N] }
    }

    /// The mean at a time: between the middles of two hours, or of the one that is known.
    fn at(&self, time_s: i64) -> Option<f64> {
        // Half an hour back: the middle of an hour is then a whole number.
        let second = (time_s.rem_euclid(N as i64 * 3600) + (N as i64 * 3600 - 1800)) % (N as i64 * 3600);
        let before = (second / 3600) as usize;
        let after = (before + 1) % N;
        let share = (second % 3600) as f64 / 3600.0;
        let [low, high] = [before, after].map(|hour| f64::from(self.means[hour]));
        match [before, after].map(|hour| self.weights[hour] > 0.0) {
            [true, true] => Some(low + share * (high - low)),
            [true, false] => Some(low),
            [false, true] => Some(high),
            [false, false] => None,
        }
    }

    fn learn(&mut self, time_s: i64, value: f64, rate: f64, weight: f64) {
        let hour = (time_s.rem_euclid(N as i64 * 3600) / 3600) as usize;
        let known = f64::from(self.weights[hour]) + weight;
        self.weights[hour] = known as f32;
        let rate = (rate * weight).max(weight / known).min(1.0);
        self.means[hour] += (rate * (value - f64::from(self.means[hour]))) as f32;
    }

    fn encode(&self, writer: &mut Writer<'_>) {
        writer.f32s(&self.means);
        writer.f32s(&self.weights);
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        let mut table = Self::new();
        for mean in &mut table.means {
            *mean = reader.f32()?;
        }
        for weight in &mut table.weights {
            *weight = reader.f32()?;
            if *weight < 0.0 {
                return Err(Damaged::Content);
            }
        }
        Ok(table)
    }
}
