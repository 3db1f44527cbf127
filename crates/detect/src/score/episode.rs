//! From surprises to alarms: one an episode, and another when it becomes much worse.

/// From this surprise on, a row of any one series may open an episode: one row in 300.
pub const EPISODE: f64 = 2.5;
/// An episode ends when so many rows, or so much time, have brought none over the threshold.
const QUIET_ROWS: u32 = 60;
const QUIET_S: i64 = 7 * 86_400;
/// An episode is told again when it is six times as rare as what was told of it: the difference of surprises, log10 6.
const WORSE: f64 = 0.8;

/// What is going on in one series.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Episode {
    /// The surprise that was told last; none between episodes.
    told: Option<f64>,
    /// Since the last row over the threshold.
    quiet_rows: u32,
    /// When that was.
    last_s: i64,
}

impl Episode {
    /// Whether a row is to be told: it opens an episode, or is much worse than what was told of it. The time is in seconds,
    /// surprise and threshold are in the same unit.
    pub fn push(&mut self, time_s: i64, surprise: f64, threshold: f64) -> bool {
        self.quiet_rows = self.quiet_rows.saturating_add(1);
        if self.quiet_rows > QUIET_ROWS || time_s.saturating_sub(self.last_s) > QUIET_S {
            self.told = None;
        }
        if surprise < threshold {
            return false;
        }
        self.quiet_rows = 0;
        self.last_s = time_s;
        let tell = self.told.is_none_or(|told| surprise > told + WORSE);
        if tell {
            self.told = Some(surprise);
        }
        tell
    }
}

/// How anomalous a row is, 0 to 1, rising with its surprise: a half or more if it opens an episode or makes it much worse,
/// and less otherwise. Whoever cuts at a half or anywhere above counts episodes, not the rows of a long one.
pub fn anomaly_score(surprise: f64, told: bool) -> f64 {
    let score = surprise / (surprise + EPISODE);
    if told { score.max(0.5) } else { score.min(0.499_999) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(surprises: &[f64], step_s: i64) -> Vec<usize> {
        let mut episode = Episode::default();
        let tell = |(row, &surprise): (usize, &f64)| episode.push(row as i64 * step_s, surprise, 3.0).then_some(row);
        surprises.iter().enumerate().filter_map(tell).collect()
    }

    #[test]
    fn an_episode_is_told_once_and_again_when_it_is_much_worse() {
        assert_eq!(told(&[1.0, 3.0, 3.7, 2.0, 3.9, 4.0, 9.0], 60), [1, 4, 6]);
    }

    #[test]
    fn an_episode_ends_after_sixty_quiet_rows_or_a_week() {
        let quiet = |rows: usize| [vec![3.5], vec![0.0; rows], vec![3.5]].concat();
        assert_eq!(told(&quiet(59), 60), [0]);
        assert_eq!(told(&quiet(60), 60), [0, 61]);
        assert_eq!(told(&quiet(6), 86_400), [0], "a week of days");
        assert_eq!(told(&quiet(7), 86_400), [0, 8]);
    }

    #[test]
    fn half_parts_what_is_told_from_what_is_not() {
        assert_eq!(anomaly_score(0.0, false), 0.0);
        assert_eq!(anomaly_score(EPISODE, true), 0.5);
        assert!(anomaly_score(40.0, false) < 0.5, "a row of an episode that was told");
        assert!((0.9..1.0).contains(&anomaly_score(40.0, true)));
    }
}
