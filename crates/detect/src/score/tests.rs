//! What is surprising and what is not, over whole series.

use super::*;

const DAY: i64 = 1440;

/// A number from 0 to 1 that looks like chance.
fn chance(row: i64) -> f64 {
    let mixed = (row as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (mixed >> 11) as f64 / (1u64 << 53) as f64
}

/// About normal, with mean 0 and standard deviation 1.
fn noise(row: i64) -> f64 {
    (0..12).map(|part| chance(12 * row + part)).sum::<f64>() - 6.0
}

/// Rows of a minute from a Monday's midnight on; the scores of those from row `from` on.
fn scores(kind: Kind, rows: i64, from: i64, at: impl Fn(i64) -> Observation) -> (Scorer, Vec<Option<Score>>) {
    let mut scorer = Scorer::new(kind);
    let mut scores = Vec::new();
    for row in 0..rows {
        let score = scorer.push(1_767_571_200 + 60 * row, at(row));
        if row >= from {
            scores.push(score);
        }
    }
    (scorer, scores)
}

fn last(kind: Kind, rows: i64, at: impl Fn(i64) -> Observation) -> Score {
    scores(kind, rows, rows - 1, at).1[0].expect("the series is older than a day")
}

/// Cosine of the time of day: 1 at midnight, -1 at noon.
fn night(row: i64) -> f64 {
    (row as f64 / DAY as f64 * std::f64::consts::TAU).cos()
}

#[test]
fn there_is_no_score_before_a_whole_day() {
    let (_, scores) = scores(Kind::Count, DAY + 2, 0, |_| Observation::Count(5.0));
    assert!(scores[..=DAY as usize].iter().all(Option::is_none));
    assert!(scores[DAY as usize + 1].is_some());
}

#[test]
fn a_spike_is_more_surprising_than_any_row_before_it() {
    let rows = 10 * DAY;
    let (_, scores) = scores(Kind::Value, rows, 3 * DAY, |row| {
        Observation::Value(100.0 + noise(row) + if row == rows - 1 { 40.0 } else { 0.0 })
    });
    let surprise = |score: &Option<Score>| score.map_or(0.0, |score| score.surprise);
    let (spike, before) = scores.split_last().expect("there are rows");
    let most = before.iter().map(surprise).fold(0.0, f64::max);
    assert!(surprise(spike) > 6.0 && surprise(spike) > most + 1.0, "{spike:?} after {most}");
    let spike = spike.expect("it has a score");
    assert!(spike.rows == 1 && (spike.observed - 140.0).abs() < 5.0 && (spike.expected - 100.0).abs() < 1.0);
}

#[test]
fn what_is_usual_at_midnight_is_not_at_noon() {
    let level = |row: i64| 1000.0 + 800.0 * night(row);
    let noon = 14 * DAY + DAY / 2;
    for kind in [Kind::Value, Kind::Count] {
        let at = |value: f64| if kind == Kind::Value { Observation::Value(value) } else { Observation::Count(value) };
        let usual = last(kind, noon + 1, |row| at(level(row) + 14.0 * noise(row)));
        assert!(usual.surprise < 3.0, "{usual:?}");
        let night = last(kind, noon + 1, |row| at(if row == noon { 1800.0 } else { level(row) + 14.0 * noise(row) }));
        assert!(night.surprise > 6.0 && (night.expected - 200.0).abs() < 20.0, "{night:?}");
    }
}

#[test]
fn a_weekend_becomes_usual() {
    let level = |row: i64| -> f64 { if row / DAY % 7 >= 5 { 300.0 } else { 1000.0 } };
    let saturday = 5 * DAY + DAY / 2;
    let surprise = |week: i64| {
        let rows = 7 * DAY * week + saturday;
        last(Kind::Count, rows, |row| Observation::Count((level(row) + level(row).sqrt() * noise(row)).round()))
    };
    assert!((surprise(5).expected - 300.0).abs() < 60.0, "{:?}", surprise(5));
}

#[test]
fn few_of_few_are_less_surprising_than_many_of_many() {
    let share = |whole: f64| {
        last(Kind::Share, 10 * DAY, move |row| {
            let share = if row == 10 * DAY - 1 { 0.5 } else { 0.05 };
            let part = whole * share;
            // The same share in the long run, in whole events.
            Observation::Share { part: part.floor() + f64::from(chance(row) < part.fract()), whole }
        })
    };
    let [one_of_two, many] = [share(2.0), share(20_000.0)];
    assert!(one_of_two.surprise < 2.0, "{one_of_two:?}");
    assert!(many.surprise > 8.0, "{many:?}");

    let count = |mean: f64| {
        last(Kind::Count, 10 * DAY, move |row| {
            let mean = if row == 10 * DAY - 1 { 3.0 * mean } else { mean };
            Observation::Count(mean.floor() + f64::from(chance(row) < mean.fract()))
        })
    };
    let [three, many] = [count(1.0), count(10_000.0)];
    assert!(three.surprise < 2.5, "three where one was expected: {three:?}");
    assert!(many.surprise > 8.0, "{many:?}");

    let mean = |items: f64| {
        last(Kind::Mean, 10 * DAY, move |row| {
            let level = if row == 10 * DAY - 1 { 15.0 } else { 10.0 };
            Observation::Mean { sum: level * items + 6.0 * items.sqrt() * noise(row), items }
        })
    };
    let [two, many] = [mean(2.0), mean(1_000.0)];
    assert!(two.surprise < 3.0, "{two:?}");
    assert!(many.surprise > 8.0, "{many:?}");
}

#[test]
fn a_small_change_that_lasts_is_found_over_its_rows() {
    let rows = 14 * DAY;
    let (_, scores) = scores(Kind::Count, rows + 60, rows, |row| {
        let mean = if row < rows { 9.0 } else { 15.0 };
        Observation::Count((mean + 3.0 * noise(row)).round().max(0.0))
    });
    let scores: Vec<Score> = scores.into_iter().flatten().collect();
    let found = scores.iter().find(|score| score.surprise >= 6.0).expect("found within the hour");
    assert!(found.rows > 1, "{found:?}");
    let end = scores[59];
    assert!(end.rows == 60 && (end.observed - 15.0).abs() < 2.0 && (end.expected - 9.0).abs() < 1.0, "{end:?}");
}

#[test]
fn silence_is_found_at_one_query_a_minute() {
    let rows = 21 * DAY;
    let count = |row: i64| if row >= rows { 0.0 } else { f64::from(chance(row) < 0.6) + f64::from(chance(-row) < 0.4) };
    let (_, scores) = scores(Kind::Count, rows + 60, rows, |row| Observation::Count(count(row)));
    assert!(scores[59].expect("it has a score").surprise > 6.0, "{:?}", scores[59]);
}

#[test]
fn a_flood_leaves_no_ghost_the_day_after() {
    let flood = 14 * DAY..14 * DAY + 60;
    let rows = 15 * DAY + 30;
    let score = last(Kind::Count, rows, |row| {
        Observation::Count((if flood.contains(&row) { 20_000.0 } else { 1000.0 + 30.0 * noise(row) }).round())
    });
    assert!((score.expected - 1000.0).abs() < 50.0 && score.surprise < 3.0, "{score:?}");
}

#[test]
fn a_band_holds_most_rows_and_what_is_possible() {
    for kind in [Kind::Value, Kind::Count, Kind::Share, Kind::Mean] {
        let mut scorer = Scorer::new(kind);
        let (mut inside, mut all) = (0, 0);
        for row in 0..20 * DAY {
            let (observation, observed) = match kind {
                Kind::Value => (Observation::Value(-7.0 + noise(row)), -7.0 + noise(row)),
                Kind::Count => {
                    let count = (400.0 + 20.0 * noise(row)).round();
                    (Observation::Count(count), count)
                }
                Kind::Share => {
                    let part = (100.0 + 9.0 * noise(row)).round();
                    (Observation::Share { part, whole: 1000.0 }, part / 1000.0)
                }
                Kind::Mean => {
                    (Observation::Mean { sum: 500.0 + 10.0 * noise(row), items: 100.0 }, 5.0 + noise(row) / 10.0)
                }
            };
            let Some(score) = scorer.push(60 * row, observation) else { continue };
            let (low, high) = scorer.band(&score);
            assert!(low <= high);
            if row > 10 * DAY {
                inside += i64::from((low..=high).contains(&observed));
                all += 1;
            }
        }
        let share = inside as f64 / all as f64;
        assert!((0.975..0.999).contains(&share), "{kind:?}: {share}");
    }
    let (scorer, scores) =
        scores(Kind::Count, 5 * DAY, 5 * DAY - 1, |row| Observation::Count(f64::from(chance(row) < 0.1)));
    let (low, _) = scorer.band(&scores[0].expect("it has a score"));
    assert_eq!(low, 0.0);
}

#[test]
fn large_values_keep_their_small_differences() {
    let rows = 10 * DAY;
    let score =
        last(Kind::Value, rows, |row| Observation::Value(3e12 + noise(row) + if row == rows - 1 { 30.0 } else { 0.0 }));
    assert!(score.surprise > 5.0 && (score.observed - 3e12 - 30.0).abs() < 5.0, "{score:?}");
}

#[test]
fn what_is_no_observation_teaches_nothing() {
    let (scorer, _) = scores(Kind::Share, 3 * DAY, 0, |_| Observation::Share { part: 1.0, whole: 3.0 });
    let mut same = scorer.clone();
    let next_s = 1_767_571_200 + 60 * 3 * DAY;
    for (time_s, observation) in [
        (next_s, Observation::Count(1.0)),
        (next_s, Observation::Share { part: 0.0, whole: 0.0 }),
        (next_s, Observation::Share { part: 2.0, whole: 1.0 }),
        (next_s, Observation::Share { part: -1.0, whole: 1.0 }),
        (next_s, Observation::Share { part: f64::NAN, whole: 1.0 }),
        (next_s, Observation::Share { part: f64::INFINITY, whole: f64::INFINITY }),
        (next_s - 3600, Observation::Share { part: 1.0, whole: 3.0 }),
    ] {
        assert_eq!(same.push(time_s, observation), None, "{observation:?}");
        assert!(same == scorer, "{observation:?}");
    }
    for value in [f64::NAN, f64::INFINITY, 2e30] {
        assert_eq!(Scorer::new(Kind::Value).measure(Observation::Value(value)), None);
    }
    assert_eq!(Scorer::new(Kind::Count).measure(Observation::Count(-1.0)), None);
}

#[test]
fn a_threshold_is_stricter_for_a_smaller_budget() {
    let [half, one, ten] = [0.5, 1.0, 10.0].map(Threshold::of_zone);
    assert!(half > one && one > ten && one == Threshold::default());
    assert_eq!(one.score(one.surprise()), 1.0);
    assert_eq!(Threshold::of_zone(0.0), Threshold::of_zone(f64::NAN), "the strictest there is");
    assert!(Threshold::of_zone(0.0).surprise() >= one.surprise() + 1.0);
}
