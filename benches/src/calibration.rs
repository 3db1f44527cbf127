//! How often nothing is told, and how much of something is found.

use crate::synthetic::{Recipe, Rows, Signal};
use detect::score::{Episode, Scorer, Threshold};

const DAY_S: i64 = 86_400;
/// A series' first week is left out: its baseline is not there yet.
pub const LEARNING_S: i64 = 7 * DAY_S;
/// Where incidents begin: on the 31st day, a Wednesday.
const BEGIN_S: i64 = 30 * DAY_S + 36_000;

/// The signals of a zone, 20 in all as the product has them: the four counts, and of the kinds that cry wolf most rather more
/// than there are.
pub const ZONE: [(Signal, u64); 5] =
    [(Signal::Rate, 4), (Signal::Share, 6), (Signal::RareShare, 2), (Signal::Mean, 3), (Signal::Divergence, 5)];

/// Alarms at each of some surprises in a series where nothing happens, from its second week to a day's end.
pub fn false_alarms(recipe: Recipe, days: i64, surprises: &[f64]) -> Vec<u32> {
    let mut rows = Rows::new(recipe);
    let mut scorer = Scorer::new(recipe.signal.kind());
    let mut episodes = vec![Episode::default(); surprises.len()];
    let mut alarms = vec![0; surprises.len()];
    for index in 0..days * DAY_S / recipe.window_s {
        let (time_s, observation) = rows.next(|_| 1.0);
        let surprise = scorer.push(time_s, observation).map_or(0.0, |score| score.surprise);
        if index * recipe.window_s < LEARNING_S {
            continue;
        }
        for ((episode, alarms), &threshold) in episodes.iter_mut().zip(&mut alarms).zip(surprises) {
            *alarms += u32::from(episode.push(time_s, surprise, threshold));
        }
    }
    alarms
}

/// Something that happens to a series.
#[derive(Debug, Clone, Copy)]
pub struct Incident {
    /// Its name in tables.
    pub name: &'static str,
    /// Within which time it must be found, in seconds.
    pub within_s: i64,
    /// What it multiplies the level by, so many seconds after its beginning.
    factor: fn(i64) -> f64,
}

/// Floods of a quarter of an hour, changes for good, six hours of nothing, and a slow rise.
pub const INCIDENTS: [Incident; 7] = [
    Incident { name: "x2", within_s: 900, factor: |_| 2.0 },
    Incident { name: "x5", within_s: 900, factor: |_| 5.0 },
    Incident { name: "x20", within_s: 900, factor: |_| 20.0 },
    Incident { name: "level x3", within_s: DAY_S, factor: |_| 3.0 },
    Incident { name: "level /3", within_s: DAY_S, factor: |_| 1.0 / 3.0 },
    Incident { name: "silence", within_s: 6 * 3600, factor: |_| 0.0 },
    Incident {
        name: "slow rise x3",
        within_s: 3 * DAY_S,
        factor: |after_s| 3f64.powf((after_s as f64 / (2 * DAY_S) as f64).min(1.0)),
    },
];

/// How long after its beginning an incident was found, in seconds, if it was.
pub fn found_after_s(recipe: Recipe, incident: Incident, threshold: Threshold) -> Option<i64> {
    let mut rows = Rows::new(recipe);
    let mut scorer = Scorer::new(recipe.signal.kind());
    let mut offset_s = 0;
    while offset_s < BEGIN_S + incident.within_s {
        let after_s = offset_s - BEGIN_S;
        let (time_s, observation) = rows.next(|_| if after_s < 0 { 1.0 } else { (incident.factor)(after_s) });
        let surprise = scorer.push(time_s, observation).map_or(0.0, |score| score.surprise);
        if after_s >= 0 && threshold.score(surprise) >= 1.0 {
            return Some(after_s);
        }
        offset_s += recipe.window_s;
    }
    None
}

/// Does work for each seed below a number, on all processors; in the order of the seeds.
pub fn by_seed<T: Send>(seeds: u64, work: impl Fn(u64) -> T + Sync) -> Vec<T> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let mut done: Vec<(u64, T)> = std::thread::scope(|scope| {
        let part = |first: u64| {
            let work = &work;
            move || (first..seeds).step_by(threads as usize).map(|seed| (seed, work(seed))).collect::<Vec<_>>()
        };
        let running: Vec<_> = (0..threads).map(|first| scope.spawn(part(first))).collect();
        running.into_iter().flat_map(|thread| thread.join().expect("no series makes a scorer panic")).collect()
    });
    done.sort_by_key(|(seed, _)| *seed);
    done.into_iter().map(|(_, value)| value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe(signal: Signal, mean: f64, window_s: i64, seed: u64) -> Recipe {
        Recipe { signal, mean, window_s, swings: seed % 2 == 1, seed }
    }

    /// The short form of `cargo xtask calibrate`: at a surprise of 4.5 the line of `Threshold` allows 3.8 alarms in 100
    /// thousand rows, which is 0.38 a series and week.
    #[test]
    fn no_kind_or_rate_of_series_cries_wolf() {
        for (signal, _) in ZONE {
            let mut worst: f64 = 0.0;
            let mut sum = 0.0;
            for mean in [0.1, 3.0, 100.0, 10_000.0] {
                let series = by_seed(2, |seed| false_alarms(recipe(signal, mean, 60, seed), 35, &[4.5])[0]);
                let weekly = f64::from(series.iter().sum::<u32>()) / 8.0;
                worst = worst.max(weekly);
                sum += weekly;
            }
            assert!(sum / 4.0 < 0.5 && worst < 1.2, "{signal:?}: {worst} and on average {} a week", sum / 4.0);
        }
    }

    #[test]
    fn what_is_there_is_found_at_low_rates_too() {
        for (name, mean, wanted) in [
            ("x20", 0.1, 3),
            ("x5", 1.0, 4),
            ("level x3", 1.0, 3),
            ("silence", 1.0, 4),
            ("level /3", 10.0, 4),
            ("x2", 100.0, 4),
            ("level /3", 100.0, 4),
        ] {
            let incident = INCIDENTS.into_iter().find(|incident| incident.name == name).expect("it is in the list");
            let find = |seed| {
                let recipe = Recipe { swings: false, ..recipe(Signal::Rate, mean, 60, seed) };
                found_after_s(recipe, incident, Threshold::default()).is_some()
            };
            let found = by_seed(5, find).into_iter().filter(|&found| found).count();
            assert!(found >= wanted, "{name} at {mean} a minute: {found} of 5");
        }
    }

    #[test]
    fn seeds_come_back_in_their_order() {
        assert_eq!(by_seed(7, |seed| seed * 10), [0, 10, 20, 30, 40, 50, 60]);
    }
}
