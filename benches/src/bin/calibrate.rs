//! `cargo xtask calibrate [SERIES]`: what the thresholds of `detect::score` are worth, on series made for it.
//!
//! Lines `false …` are false alarms a series and week at each surprise. `line` compares their share of rows, on average
//! and at worst, with what `Threshold` takes it to be. `zone` is what counts: false findings a zone and week at the
//! default threshold, all signals and windows together. `found` are incidents found of those made, and the median delay.

#![expect(clippy::print_stdout, reason = "figures are this program's output")]

use detect::score::{Threshold, WINDOWS_S};
use std::process::ExitCode;
use zonewatch_benches::calibration::{INCIDENTS, LEARNING_S, ZONE, by_seed, false_alarms, found_after_s};
use zonewatch_benches::synthetic::{Recipe, Signal};

const MEANS: [f64; 6] = [0.1, 1.0, 10.0, 100.0, 1000.0, 10_000.0];
const SURPRISES: [f64; 7] = [4.0, 4.5, 5.0, 5.5, 6.0, 6.5, 7.0];
const DAYS: i64 = 63;
const SERIES: u64 = 10;
const WEEK_S: i64 = 7 * 86_400;

fn main() -> ExitCode {
    let series = match std::env::args().nth(1).map(|count| count.parse()) {
        None => SERIES,
        Some(Ok(series)) if series > 0 => series,
        Some(_) => {
            println!("choose how many series of each kind: a whole number above 0, or nothing for {SERIES}");
            return ExitCode::from(2);
        }
    };
    false_alarm_table(series);
    zone_table(series);
    power_table(series);
    ExitCode::SUCCESS
}

/// About as many rows of each length of window.
fn series_of(window_s: i64, series: u64) -> u64 {
    (series * window_s as u64 / 60).clamp(series.div_ceil(4), 4 * series)
}

fn weeks(series: u64) -> f64 {
    series as f64 * (DAYS * 86_400 - LEARNING_S) as f64 / WEEK_S as f64
}

fn numbers(values: &[f64]) -> String {
    values.iter().map(|value| format!(" {value:>7.3}")).collect()
}

fn level(swings: bool) -> &'static str {
    if swings { "swings" } else { "steady" }
}

fn false_alarm_table(series: u64) {
    println!(
        "false window_s signal queries_a_window level, alarms a series and week at surprises{}",
        numbers(&SURPRISES)
    );
    let mut shares: Vec<Vec<f64>> = vec![Vec::new(); SURPRISES.len()];
    for window_s in WINDOWS_S {
        let series = series_of(window_s, series);
        for (signal, _) in ZONE {
            for (mean, swings) in MEANS.into_iter().flat_map(|mean| [(mean, false), (mean, true)]) {
                let count = |seed| false_alarms(Recipe { signal, mean, window_s, swings, seed }, DAYS, &SURPRISES);
                let all = by_seed(series, count);
                let sum = |place: usize| all.iter().map(|alarms| f64::from(alarms[place])).sum::<f64>();
                let weekly: Vec<f64> = (0..SURPRISES.len()).map(|place| sum(place) / weeks(series)).collect();
                println!("false {window_s} {signal:?} {mean} {} {}", level(swings), numbers(&weekly));
                for (shares, weekly) in shares.iter_mut().zip(&weekly) {
                    shares.push(weekly * window_s as f64 / WEEK_S as f64);
                }
            }
        }
    }
    for (surprise, shares) in SURPRISES.iter().zip(&shares) {
        let mean = shares.iter().sum::<f64>() / shares.len() as f64;
        let worst = shares.iter().copied().fold(0.0, f64::max);
        // The share of rows at which the threshold would be this surprise.
        let used = (-12..0)
            .flat_map(|decade| (0..100).map(move |step| 10f64.powf(f64::from(decade) + f64::from(step) / 100.0)));
        let used = used.filter(|&share| Threshold::of_rows(share).surprise() >= *surprise).fold(0.0, f64::max);
        println!(
            "line {surprise} of_a_million_rows mean {:.2} worst {:.2} used {:.2}",
            1e6 * mean,
            1e6 * worst,
            1e6 * used
        );
    }
}

fn zone_table(series: u64) {
    let threshold = Threshold::default();
    println!("zone queries_a_minute level, false findings a week at the default of {:.2}", threshold.surprise());
    for (mean, swings) in MEANS.into_iter().flat_map(|mean| [(mean, false), (mean, true)]) {
        let mut findings = 0.0;
        for window_s in WINDOWS_S {
            let series = series_of(window_s, series);
            for (signal, count) in ZONE {
                let mean = mean * window_s as f64 / 60.0;
                // Other series than those that the line was drawn through.
                let recipe = |seed| Recipe { signal, mean, window_s, swings, seed: seed + 1_000_000 };
                let alarms = by_seed(series, |seed| false_alarms(recipe(seed), DAYS, &[threshold.surprise()])[0]);
                findings += count as f64 * f64::from(alarms.iter().sum::<u32>()) / weeks(series);
            }
        }
        println!("zone {mean} {} {findings:.3}", level(swings));
    }
}

fn power_table(series: u64) {
    println!(
        "found signal queries_a_minute level incident, of {series}, median minutes; one-minute windows, the default threshold"
    );
    for signal in [Signal::Rate, Signal::Share, Signal::Mean] {
        for (mean, swings) in MEANS.into_iter().flat_map(|mean| [(mean, false), (mean, true)]) {
            let mut line = String::new();
            for incident in INCIDENTS {
                let recipe = |seed| Recipe { signal, mean, window_s: 60, swings, seed };
                let find = |seed| found_after_s(recipe(seed), incident, Threshold::default());
                let mut delays: Vec<i64> = by_seed(series, find).into_iter().flatten().collect();
                delays.sort_unstable();
                let delay = delays.get(delays.len() / 2).map_or("-".into(), |delay| (delay / 60).to_string());
                line += &format!(", {} {} ({delay})", incident.name, delays.len());
            }
            println!("found {signal:?} {mean} {}{line}", level(swings));
        }
    }
}
