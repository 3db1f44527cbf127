//! From how many false findings somebody will put up with, to the surprise from which on to alert.

use crate::window::LENGTHS_MS;

/// Signals of a zone; [`crate::baseline::Signal`] has them.
pub const SIGNALS: usize = 20;
/// The lengths of windows at which each is scored, in seconds.
pub const WINDOWS_S: [i64; 3] = [LENGTHS_MS[0] / 1000, LENGTHS_MS[1] / 1000, LENGTHS_MS[2] / 1000];
/// False findings a zone and month unless told otherwise.
const ZONE_MONTH_DEFAULT: f64 = 1.0;
const MONTH_S: i64 = 30 * 86_400;
/// By chance, `10^(ALARMS - SLOPE * surprise)` rows are alarms: the mean over all kinds, rates and lengths of windows
/// that `cargo xtask calibrate` prints, from surprises of 4 to 6.
const ALARMS: f64 = 0.75;
const SLOPE: f64 = 1.25;
/// Below this the line is not measured, and above it nothing would be found.
const SURPRISES: std::ops::RangeInclusive<f64> = 2.0..=12.0;

/// The surprise from which on to alert.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Threshold(f64);

impl Threshold {
    /// Of a zone, all its signals and windows together, by false findings a month of 30 days.
    pub fn of_zone(false_findings_a_month: f64) -> Self {
        let rows: i64 = WINDOWS_S.iter().map(|window_s| MONTH_S / window_s).sum();
        Self::of_rows(false_findings_a_month / (SIGNALS as f64 * rows as f64))
    }

    /// Of any series, by the share of rows that may be false alarms.
    pub fn of_rows(share: f64) -> Self {
        let surprise = (ALARMS - share.log10()) / SLOPE;
        // Of a share that is no number, the strictest.
        Self(if surprise.is_nan() { *SURPRISES.end() } else { surprise.clamp(*SURPRISES.start(), *SURPRISES.end()) })
    }

    /// As a surprise.
    pub fn surprise(self) -> f64 {
        self.0
    }

    /// The score of a surprise: from 1.0 on it is an alert.
    pub fn score(self, surprise: f64) -> f64 {
        surprise / self.0
    }
}

impl Default for Threshold {
    /// One false finding a zone and month.
    fn default() -> Self {
        Self::of_zone(ZONE_MONTH_DEFAULT)
    }
}
