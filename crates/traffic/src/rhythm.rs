//! How busy a zone is at which hour of which day.

use crate::random::hash;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

/// A zone's daily and weekly rhythm. Its mean over a week is 1, but for the noise.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rhythm {
    /// The busiest hour of the day, UTC.
    pub peak_hour: f64,
    /// How far the peak stands above the mean, as a share of it: below 1.
    pub swing: f64,
    /// Saturday and Sunday in proportion to a weekday.
    pub weekend: f64,
    /// Relative deviation from the rhythm, from minute to minute.
    pub noise: f64,
}

impl Rhythm {
    /// The load at this event time, in proportion to the weekly mean, without noise.
    pub fn at(&self, time_ms: i64) -> f64 {
        let hour = time_ms.rem_euclid(DAY_MS) as f64 / HOUR_MS as f64;
        let phase = std::f64::consts::TAU * (hour - self.peak_hour) / 24.0;
        // A second, weaker wave makes the night flat and the rise in the morning steep, as it is in life.
        let day = 1.0 + self.swing * (0.85 * phase.cos() + 0.15 * (2.0 * phase).cos());
        let weekday = 7.0 / (5.0 + 2.0 * self.weekend);
        day * if is_weekend(time_ms) { weekday * self.weekend } else { weekday }
    }

    /// The same with this seed's noise.
    pub fn noisy_at(&self, time_ms: i64, seed: u64) -> f64 {
        let minute = time_ms.div_euclid(MINUTE_MS);
        let part = time_ms.rem_euclid(MINUTE_MS) as f64 / MINUTE_MS as f64;
        let wobble = deviation(seed, minute) * (1.0 - part) + deviation(seed, minute + 1) * part;
        self.at(time_ms) * (1.0 + self.noise * wobble).max(0.0)
    }
}

fn is_weekend(time_ms: i64) -> bool {
    // Day 0 of 1970 was a Thursday.
    matches!((time_ms.div_euclid(DAY_MS) + 4).rem_euclid(7), 0 | 6)
}

/// Of mean 0 and deviation 1: evenly between -sqrt(3) and sqrt(3).
fn deviation(seed: u64, minute: i64) -> f64 {
    let bits = hash(&[seed.to_le_bytes(), minute.to_le_bytes()].concat());
    (bits as f64 / u64::MAX as f64 - 0.5) * 12f64.sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-16, a Monday.
    const MONDAY_MS: i64 = 1_794_787_200_000;
    const RHYTHM: Rhythm = Rhythm { peak_hour: 14.0, swing: 0.6, weekend: 0.5, noise: 0.1 };

    #[test]
    fn the_mean_over_a_week_is_one() {
        let minutes = 7 * 24 * 60;
        let sum: f64 = (0..minutes).map(|minute| RHYTHM.at(MONDAY_MS + minute * MINUTE_MS)).sum();
        assert!((sum / minutes as f64 - 1.0).abs() < 1e-6, "{}", sum / minutes as f64);
        let noisy: f64 = (0..minutes).map(|minute| RHYTHM.noisy_at(MONDAY_MS + minute * MINUTE_MS, 5)).sum();
        assert!((noisy / minutes as f64 - 1.0).abs() < 0.01);
    }

    #[test]
    fn days_have_their_peak_and_weekends_are_quiet() {
        let hour = |day: i64, hour: i64| RHYTHM.at(MONDAY_MS + day * DAY_MS + hour * HOUR_MS);
        assert!(hour(0, 14) > 2.5 * hour(0, 2));
        assert!((hour(5, 14) / hour(4, 14) - 0.5).abs() < 1e-9, "saturday is half of friday");
        assert_eq!(hour(0, 14), hour(7, 14));
    }
}
