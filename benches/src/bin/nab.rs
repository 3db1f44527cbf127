//! `cargo xtask nab DIR`: the scorer of values on the Numenta Anomaly Benchmark, as `zonewatch score` runs it.
//!
//! `nab PROFILE SCORE THRESHOLD` is the benchmark's score at the threshold that is best for the files given, as in its
//! published table. `held-out` takes for each folder the threshold that is best for the others.

#![expect(clippy::print_stdout, reason = "figures are this program's output")]

use detect::score::{EPISODE, Episode, Kind, Observation, Scorer, anomaly_score};
use std::path::Path;
use std::process::ExitCode;
use zonewatch_benches::clock::thread_cpu_ns;
use zonewatch_benches::nab::{self, PROFILES, Series};

/// Enough for a median of the time.
const ROUNDS: usize = 5;

fn main() -> ExitCode {
    let Some(folder) = std::env::args().nth(1) else {
        println!("name the benchmark's folder, which holds data/ and labels/combined_windows.json");
        return ExitCode::from(2);
    };
    match nab::load(Path::new(&folder)) {
        Ok(files) => {
            report(&files);
            ExitCode::SUCCESS
        }
        Err(problem) => {
            println!("{problem}");
            ExitCode::FAILURE
        }
    }
}

fn scores(series: &Series) -> Vec<f64> {
    let (mut scorer, mut episode) = (Scorer::new(Kind::Value), Episode::default());
    let score = |&(time_s, value): &(i64, f64)| {
        let surprise = scorer.push(time_s, Observation::Value(value)).map_or(0.0, |score| score.surprise);
        let told = episode.push(time_s, surprise, EPISODE);
        anomaly_score(surprise, told)
    };
    series.rows.iter().map(score).collect()
}

fn report(files: &[Series]) {
    let rows: usize = files.iter().map(|series| series.rows.len()).sum();
    let mut scored: Vec<Vec<f64>> = Vec::new();
    let mut times: Vec<f64> = Vec::new();
    for _ in 0..ROUNDS {
        let start_ns = thread_cpu_ns();
        scored = files.iter().map(scores).collect();
        times.push((thread_cpu_ns() - start_ns) as f64 / rows as f64);
    }
    println!("files {} rows {rows} ns_a_row {:.0}", files.len(), zonewatch_benches::rounds::median(times));
    let all: Vec<(&Series, &[f64])> = files.iter().zip(scored.iter().map(Vec::as_slice)).collect();
    for profile in PROFILES {
        let (score, threshold) = nab::score(&all, profile, None);
        println!("nab {} {score:.2} at {threshold:.4}", profile.name);
    }
    let (_, threshold) = nab::score(&all, PROFILES[0], None);
    let mut folders: Vec<&str> = files.iter().map(Series::folder).collect();
    folders.dedup();
    let (mut earned, mut windows) = (0.0, 0.0);
    for folder in folders {
        let (within, others): (Vec<_>, Vec<_>) = all.iter().partition(|(series, _)| series.folder() == folder);
        let labelled = within.iter().map(|(series, _)| series.windows.len()).sum::<usize>() as f64;
        let (_, theirs) = nab::score(&others, PROFILES[0], None);
        let [ours, held_out] = [threshold, theirs].map(|threshold| nab::score(&within, PROFILES[0], Some(threshold)).0);
        println!("folder {folder} {ours:.1}, at the threshold of the others {held_out:.1}");
        // A folder without labels has a raw score, which is a cost; a window is worth two of it.
        earned += if labelled > 0.0 { held_out * labelled } else { 50.0 * held_out };
        windows += labelled;
    }
    println!("nab held-out {:.2}", earned / windows);
}
