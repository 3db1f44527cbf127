//! The Numenta Anomaly Benchmark's own score, written from its published description.
//!
//! A detector gives each row a score; rows at or over one threshold for all files are detections. In each labelled window
//! the earliest detection earns up to 1, a window without one costs 1, and every detection outside costs up to 0.11, the
//! less the sooner after a window it comes. The first 15 % of a file, 750 rows at most, count nothing. 100 is perfect and
//! 0 is no detection at all. The threshold is the best one for the files, as in the published table.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// What a false row and a missed window cost; a found window earns 1.
#[derive(Debug, Clone, Copy)]
pub struct Profile {
    /// As the benchmark calls it.
    pub name: &'static str,
    false_row: f64,
    miss: f64,
}

/// The benchmark's three.
pub const PROFILES: [Profile; 3] = [
    Profile { name: "standard", false_row: 0.11, miss: 1.0 },
    Profile { name: "low FP", false_row: 0.22, miss: 1.0 },
    Profile { name: "low FN", false_row: 0.11, miss: 2.0 },
];

/// One series with its labels.
#[derive(Debug, Clone)]
pub struct Series {
    /// Folder and file.
    pub name: String,
    /// Time in seconds since 1970, and value.
    pub rows: Vec<(i64, f64)>,
    /// First and last row of each labelled window.
    pub windows: Vec<(usize, usize)>,
}

impl Series {
    /// The folder within `data`.
    pub fn folder(&self) -> &str {
        self.name.split('/').next().unwrap_or_default()
    }
}

/// The benchmark's files that are in a folder, with `data/` and `labels/combined_windows.json` in it as in its repository.
pub fn load(folder: &Path) -> Result<Vec<Series>, String> {
    let read = |path: &Path| fs::read_to_string(path).map_err(|error| format!("read {}: {error}", path.display()));
    let labels = folder.join("labels/combined_windows.json");
    let labels: BTreeMap<String, Vec<Vec<String>>> =
        serde_json::from_str(&read(&labels)?).map_err(|error| format!("read {}: {error}", labels.display()))?;
    let mut all = Vec::new();
    for (name, labelled) in labels {
        let path = folder.join("data").join(&name);
        if path.is_file() {
            let series = series(&name, &read(&path)?, &labelled);
            all.push(series.map_err(|problem| format!("read {}: {problem}", path.display()))?);
        }
    }
    if all.is_empty() {
        Err(format!("read {}: none of the labelled files is in data", folder.display()))
    } else {
        Ok(all)
    }
}

fn series(name: &str, text: &str, labelled: &[Vec<String>]) -> Result<Series, String> {
    let mut stamps = Vec::new();
    let mut rows = Vec::new();
    for (index, line) in text.lines().enumerate().skip(1) {
        let row =
            line.split_once(',').and_then(|(stamp, value)| Some((stamp, time_s(stamp)?, value.trim().parse().ok()?)));
        let (stamp, time, value) = row.ok_or_else(|| format!("line {}: not a time and a value", index + 1))?;
        stamps.push(stamp);
        rows.push((time, value));
    }
    // Labels have microseconds, rows have none.
    let place = |stamp: &str| stamps.iter().position(|known| stamp.starts_with(known));
    let window = |ends: &Vec<String>| match ends.as_slice() {
        [start, end] => place(start).zip(place(end)),
        _ => None,
    };
    let windows: Option<Vec<_>> = labelled.iter().map(window).collect();
    Ok(Series { name: name.to_owned(), rows, windows: windows.ok_or("a label that is no row")? })
}

/// Seconds since 1970 of a time such as `2014-04-01 00:00:00`.
fn time_s(stamp: &str) -> Option<i64> {
    let number = |from: usize, to: usize| stamp.get(from..to)?.parse::<i64>().ok();
    let [year, month, day] = [number(0, 4)?, number(5, 7)?, number(8, 10)?];
    let [hour, minute, second] = [number(11, 13)?, number(14, 16)?, number(17, 19)?];
    // Years begin in March, so that the leap day is the last.
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = 365 * year + year / 4 - year / 100 + year / 400 + day_of_year - 719_468;
    Some(86_400 * days + 3600 * hour + 60 * minute + second)
}

/// What detections of one file would bring: score of the row, and what it earns or costs.
#[derive(Debug, Default)]
struct Worth {
    outside: Vec<(f64, f64)>,
    windows: Vec<Vec<(f64, f64)>>,
}

/// `1` at the left edge of a window, `0` at its right edge, towards `-1` behind it.
fn worth_at(place: f64) -> f64 {
    if place > 3.0 { -1.0 } else { 2.0 / (1.0 + (5.0 * place).exp()) - 1.0 }
}

fn worth(series: &Series, scores: &[f64], false_row: f64) -> Worth {
    let probation = (scores.len() * 15 / 100).min(750);
    let mut worth = Worth { outside: Vec::new(), windows: vec![Vec::new(); series.windows.len()] };
    let mut passed: Option<(usize, usize)> = None;
    for (row, &score) in scores.iter().enumerate() {
        let inside = series.windows.iter().position(|&(left, right)| (left..=right).contains(&row));
        let value = match (inside, passed) {
            (Some(window), _) => {
                let (left, right) = series.windows[window];
                let length = right - left + 1;
                if row == right {
                    passed = Some((right, length));
                }
                worth_at(-((right - row + 1) as f64) / length as f64) / worth_at(-1.0)
            }
            (None, Some((right, length))) => false_row * worth_at((row - right) as f64 / (length as f64 - 1.0)),
            (None, None) => -false_row,
        };
        match inside {
            _ if row < probation => {}
            Some(window) => worth.windows[window].push((score, value)),
            None => worth.outside.push((score, value)),
        }
    }
    worth
}

/// The normalised score of some files with their rows' scores, and the threshold: the given one, or the best.
pub fn score(files: &[(&Series, &[f64])], profile: Profile, threshold: Option<f64>) -> (f64, f64) {
    let worths: Vec<Worth> = files.iter().map(|(series, scores)| worth(series, scores, profile.false_row)).collect();
    let windows = worths.iter().flat_map(|worth| &worth.windows);
    let outside = worths.iter().flat_map(|worth| &worth.outside);
    // From the highest score down, each row is either one more false one or perhaps a better one of its window.
    let mut rows: Vec<(f64, Option<usize>, f64)> = outside.map(|&(score, value)| (score, None, value)).collect();
    let mut count = 0;
    for window in windows {
        rows.extend(window.iter().map(|&(score, value)| (score, Some(count), value)));
        count += 1;
    }
    rows.sort_by(|one, other| other.0.total_cmp(&one.0));
    let mut best_of = vec![-profile.miss; count];
    let mut total = -profile.miss * count as f64;
    let mut best = (total, f64::INFINITY);
    for (index, &(score, window, value)) in rows.iter().enumerate() {
        if threshold.is_some_and(|threshold| score < threshold) {
            break;
        }
        let gain = window.map_or(value, |window| (value - best_of[window]).max(0.0));
        total += gain;
        if let Some(window) = window {
            best_of[window] += gain;
        }
        let level_ends = rows.get(index + 1).is_none_or(|next| next.0 < score);
        if level_ends && (total > best.0 || threshold.is_some()) {
            best = (total, score);
        }
    }
    let null = -profile.miss * count as f64;
    if count == 0 {
        (total, threshold.unwrap_or(best.1))
    } else {
        (100.0 * (best.0 - null) / (count as f64 - null), best.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 1,000 rows, of which the first 150 count nothing, and a window of rows 500 to 599.
    fn with(detections: &[usize]) -> (Series, Vec<f64>) {
        let series = Series { name: "folder/a.csv".into(), rows: vec![(0, 0.0); 1000], windows: vec![(500, 599)] };
        let mut scores = vec![0.1; 1000];
        detections.iter().for_each(|&row| scores[row] = 0.9);
        (series, scores)
    }

    fn at_threshold(detections: &[usize]) -> f64 {
        let (series, scores) = with(detections);
        score(&[(&series, &scores)], PROFILES[0], Some(0.5)).0
    }

    #[test]
    fn a_window_is_worth_most_at_its_left_edge() {
        assert!((at_threshold(&[500]) - 100.0).abs() < 1e-9);
        let (middle, end) = (at_threshold(&[550]), at_threshold(&[599]));
        assert!(middle < 100.0 && middle > 90.0 && end < 55.0 && end > 50.0, "{middle} {end}");
        assert_eq!(at_threshold(&[550, 599]), middle, "only the best row of a window counts");
    }

    #[test]
    fn false_rows_cost_and_missed_windows_too() {
        assert_eq!(at_threshold(&[]), 0.0);
        assert_eq!(at_threshold(&[10]), 0.0, "the first rows are not counted");
        assert!((at_threshold(&[300, 500]) - (100.0 - 5.5)).abs() < 1e-9);
        assert!(at_threshold(&[500, 601]) > at_threshold(&[500, 900]), "soon after a window costs less");
    }

    #[test]
    fn the_best_threshold_is_found() {
        let (series, mut scores) = with(&[500]);
        scores[300] = 0.8;
        assert_eq!(score(&[(&series, &scores)], PROFILES[0], None), (100.0, 0.9));
    }

    #[test]
    fn files_are_read_with_their_labels() {
        let text = "timestamp,value\n2014-02-28 23:55:00,1.5\n2014-03-01 00:00:00,2\n";
        let label = vec!["2014-02-28 23:55:00.000000".to_owned(), "2014-03-01 00:00:00.000000".to_owned()];
        let read = series("a/b.csv", text, std::slice::from_ref(&label)).expect("a sound file");
        assert_eq!((read.rows, read.windows), (vec![(1_393_631_700, 1.5), (1_393_632_000, 2.0)], vec![(0, 1)]));
        assert!(series("a/b.csv", "timestamp,value\nnow,1\n", &[]).is_err());
        assert!(series("a/b.csv", "timestamp,value\n", &[label]).is_err(), "the label is no row");
    }
}
