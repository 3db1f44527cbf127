//! How rare an error is among those of its own series.
//!
//! A histogram of errors on a logarithmic scale that forgets, and beyond its upper 2 % the tail that those 2 % draw.
//! There is no scale to estimate or to set: an error is compared with the series' own errors only.

use super::code::{Damaged, Reader, Writer};
use std::f64::consts::{LN_2, SQRT_2};

/// Four bins an octave, 32 octaves: a factor of 65,000 to either side of the series' first error.
const BINS: usize = 128;
const BINS_PER_OCTAVE: f64 = 4.0;
/// Rows after which one weighs 1/e: five weeks of ten-minute windows, three and a half days of one-minute windows.
const MEMORY_ROWS: f64 = 5000.0;
/// Above this share of rows the histogram is not trusted and the tail is drawn: 2 % of 5,000 rows are a hundred to draw
/// it from.
const TAIL_SHARE: f64 = 0.02;
/// What is believed of a tail before any of it was seen, and how many rows that belief is worth. Above its 98 % quantile
/// the errors of a normal distribution exceed it by a factor of e^0.155 in the (geometric) mean.
const EXCESS: f64 = 0.155;
const EXCESS_ROWS: f64 = 10.0;
/// Rows learnt before the first surprise; and how many rows a tail of deviations begins with.
const ROWS_MIN: u32 = 20;
const SEED_ROWS: f64 = 200.0;
/// Rarer than one row in 10,000 is an incident: after its first row, extreme ones within the next 60 weigh a tenth, so
/// that a long incident does not hide the next. The first counts in full, else rare counts would lose calibration.
const EXTREME: f64 = 4.0;
const EXTREME_ROWS: u8 = 60;
const EXTREME_WEIGHT: f64 = 0.1;
/// Growing weights forget without touching every bin; above this all are divided, before `f32` loses the smallest.
const WEIGHT_MAX: f64 = 1e6;
/// Surprises end here: once in 10^30 rows.
pub(super) const SURPRISE_MAX: f64 = 30.0;
/// In a waiting row, beside the bin: it weighs a tenth.
const DAMPED: u8 = 128;

/// How a tail goes on beyond what was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// By powers of the error (Hill's estimator): for values of which nothing is known.
    Power,
    /// Exponentially: for errors in standard deviations, whose noise is counted and so has no heavier tail.
    Exponential,
}

/// A series' errors, and how rare the next one is.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tail {
    shape: Shape,
    bins: [f32; BINS],
    /// Weight of the next row.
    weight: f64,
    /// Rows learnt, up to where it stops to matter.
    learnt: u32,
    /// Position of bin 0 on the logarithmic scale; none before the first error above 0.
    origin: Option<f64>,
    /// Rows within which another extreme one is damped.
    cool_rows: u8,
    /// Rows before one is learnt: a slow rise of a running mean must not teach its own growth.
    lag_rows: usize,
    /// Rows seen and not yet learnt, a ring once it is full: the bin, and `DAMPED`.
    waiting: Vec<u8>,
    /// The oldest of a full ring.
    oldest: u8,
}

impl Tail {
    /// Of errors in any unit.
    pub(super) fn of_values(lag_rows: usize) -> Self {
        Self {
            shape: Shape::Power,
            bins: [0.0; BINS],
            weight: 1.0,
            learnt: 0,
            origin: None,
            cool_rows: 0,
            lag_rows,
            waiting: Vec::with_capacity(lag_rows),
            oldest: 0,
        }
    }

    /// Of errors in standard deviations. It begins as if it had seen a normal distribution.
    pub(super) fn of_deviations(lag_rows: usize) -> Self {
        let origin = -(BINS as f64) / 2.0;
        let mut tail =
            Self { shape: Shape::Exponential, origin: Some(origin), learnt: ROWS_MIN, ..Self::of_values(lag_rows) };
        let below =
            |bin: usize| if bin == 0 { 0.0 } else { half_normal(((bin as f64 + origin) / BINS_PER_OCTAVE).exp2()) };
        for bin in 0..BINS {
            tail.bins[bin] = (SEED_ROWS * (below(bin + 1) - below(bin)).max(0.0)) as f32;
        }
        tail
    }

    /// The surprise of an error of 0 or more, -log10 of the share of rows at least as large; 0 while too few are known.
    /// Learns it, or the one that has waited long enough.
    pub(super) fn step(&mut self, error: f64) -> f64 {
        let position = self.position(error);
        let surprise = if self.learnt >= ROWS_MIN { self.surprise(position) } else { 0.0 };
        let extreme = surprise > EXTREME;
        let damped = extreme && self.cool_rows > 0;
        self.cool_rows = if extreme { EXTREME_ROWS } else { self.cool_rows.saturating_sub(1) };
        let row = position as u8 | if damped { DAMPED } else { 0 };
        if let Some(row) = self.wait(row) {
            self.learn(row);
        }
        surprise
    }

    /// The error that one row in `1 / share` exceeds, in the errors' unit.
    pub(super) fn quantile(&self, share: f64) -> f64 {
        let wanted = share * self.total();
        let mut above = 0.0;
        for bin in (0..BINS).rev() {
            let mass = f64::from(self.bins[bin]);
            if above + mass > wanted {
                let within = 1.0 - (wanted - above) / mass;
                let position = bin as f64 + within + self.origin.unwrap_or(0.0);
                return if bin == 0 { 0.0 } else { (position / BINS_PER_OCTAVE).exp2() };
            }
            above += mass;
        }
        0.0
    }

    /// Bin, and place within it.
    fn position(&mut self, error: f64) -> f64 {
        if error <= 0.0 {
            return 0.0;
        }
        let position = error.log2() * BINS_PER_OCTAVE;
        let origin = *self.origin.get_or_insert(position - BINS as f64 / 2.0);
        (position - origin).clamp(0.0, BINS as f64 - 0.001)
    }

    fn total(&self) -> f64 {
        f64::from(self.bins.iter().sum::<f32>())
    }

    fn surprise(&self, position: f64) -> f64 {
        let bin = position as usize;
        let rows = self.total() / self.weight;
        let above = f64::from(self.bins[bin + 1..].iter().sum::<f32>());
        let within = (1.0 - position.fract()) * f64::from(self.bins[bin]);
        let seen = ((above + within) / self.weight + 0.5) / (rows + 1.0);
        let share = if seen < TAIL_SHARE { self.drawn(position, rows).unwrap_or(seen) } else { seen };
        (-share.max(f64::MIN_POSITIVE).log10()).min(SURPRISE_MAX)
    }

    /// The share of rows beyond a position, by the tail that the uppermost rows draw; none if the position is not beyond
    /// where the tail begins.
    fn drawn(&self, position: f64, rows: f64) -> Option<f64> {
        let share = TAIL_SHARE * rows * self.weight;
        let mut mass = 0.0;
        let mut first = BINS;
        while first > 0 && mass + f64::from(self.bins[first - 1]) <= share {
            first -= 1;
            mass += f64::from(self.bins[first]);
        }
        let beyond = position - first as f64;
        if beyond <= 0.0 {
            return None;
        }
        let mut excess = 0.0;
        for bin in first..BINS {
            // Most are empty, and an exponential is dear.
            if self.bins[bin] > 0.0 {
                excess += f64::from(self.bins[bin]) * self.excess((bin - first) as f64 + 0.5);
            }
        }
        let (mass, excess) = (mass / self.weight, excess / self.weight);
        let mean = (excess + EXCESS_ROWS * EXCESS) / (mass + EXCESS_ROWS);
        Some((mass + 0.5) / (rows + 1.0) * (-self.excess(beyond) / mean).exp())
    }

    /// By how much an error exceeds one that many bins below it, in units of the lower one.
    fn excess(&self, bins: f64) -> f64 {
        let logarithm = bins * LN_2 / BINS_PER_OCTAVE;
        match self.shape {
            Shape::Power => logarithm,
            Shape::Exponential => logarithm.exp_m1(),
        }
    }

    /// Puts a row at the end of the queue; the one that has now waited long enough.
    fn wait(&mut self, row: u8) -> Option<u8> {
        if self.lag_rows == 0 {
            return Some(row);
        }
        if self.waiting.len() < self.lag_rows {
            self.waiting.push(row);
            return None;
        }
        let ready = std::mem::replace(&mut self.waiting[usize::from(self.oldest)], row);
        self.oldest = ((usize::from(self.oldest) + 1) % self.lag_rows) as u8;
        Some(ready)
    }

    fn learn(&mut self, row: u8) {
        self.weight /= 1.0 - 1.0 / MEMORY_ROWS;
        let weight = if row & DAMPED == 0 { self.weight } else { EXTREME_WEIGHT * self.weight };
        self.bins[usize::from(row & !DAMPED)] += weight as f32;
        self.learnt = self.learnt.saturating_add(1).min(ROWS_MIN);
        if self.weight > WEIGHT_MAX {
            let scale = (1.0 / self.weight) as f32;
            self.bins.iter_mut().for_each(|mass| *mass *= scale);
            self.weight = 1.0;
        }
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        let used = |bin: &usize| self.bins[*bin] != 0.0;
        let first = (0..BINS).find(used).unwrap_or(BINS);
        let end = (first..BINS).rev().find(used).map_or(first, |bin| bin + 1);
        writer.u8(first as u8);
        writer.u8(end as u8);
        writer.f32s(&self.bins[first..end]);
        writer.f64(self.weight);
        writer.u8(self.learnt as u8);
        writer.u8(u8::from(self.origin.is_some()));
        writer.f64(self.origin.unwrap_or_default());
        writer.u8(self.cool_rows);
        writer.u8(self.waiting.len() as u8);
        writer.u8(self.oldest);
        self.waiting.iter().for_each(|&row| writer.u8(row));
    }

    /// Reads into a tail of the same kind and lag.
    pub(super) fn decode(mut self, reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        let first = usize::from(reader.u8_to(BINS)?);
        let end = usize::from(reader.u8_to(BINS)?);
        self.bins = [0.0; BINS];
        for mass in self.bins.get_mut(first..end).ok_or(Damaged::Content)? {
            *mass = reader.f32()?;
            if !(0.0..=f32::MAX / BINS as f32).contains(mass) {
                return Err(Damaged::Content);
            }
        }
        self.weight = reader.f64()?;
        self.learnt = u32::from(reader.u8_to(ROWS_MIN as usize)?);
        let begun = reader.u8_to(1)? == 1;
        self.origin = Some(reader.f64()?).filter(|_| begun);
        self.cool_rows = reader.u8_to(usize::from(EXTREME_ROWS))?;
        let waiting = usize::from(reader.u8_to(self.lag_rows)?);
        self.oldest = reader.u8_to(waiting.saturating_sub(1))?;
        self.waiting = reader.bytes(waiting)?.to_vec();
        if (1.0..=WEIGHT_MAX).contains(&self.weight) { Ok(self) } else { Err(Damaged::Content) }
    }
}

/// The share of a normal distribution within so many standard deviations, to 1.5e-7 (Abramowitz and Stegun 7.1.26).
fn half_normal(deviations: f64) -> f64 {
    let x = deviations / SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * x);
    let series = [1.061_405_429, -1.453_152_027, 1.421_413_741, -0.284_496_736, 0.254_829_592];
    let sum = series.into_iter().fold(0.0, |sum, term| sum * t + term);
    1.0 - sum * t * (-x * x).exp()
}
