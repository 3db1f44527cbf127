//! Stages in turn, round after round, and the medians of what they took.

/// Something to be timed. It answers how much it did, so that nothing wins by doing nothing.
pub struct Stage<'a> {
    /// Its name in the figures.
    pub name: &'static str,
    /// What `run` must answer.
    pub expected: usize,
    /// Goes once over the whole set.
    pub run: Box<dyn FnMut() -> usize + 'a>,
}

/// What a stage took.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// The stage's name.
    pub name: &'static str,
    /// Median CPU nanoseconds of one run.
    pub median_ns: f64,
    /// Median over the rounds of the first stage's time by this stage's: 1 is as fast as the first.
    pub ratio: f64,
}

/// Runs every stage once and compares what it did with what it had to do.
pub fn check(stages: &mut [Stage<'_>]) -> Result<(), String> {
    for stage in stages {
        let done = (stage.run)();
        if done != stage.expected {
            let Stage { name, expected, .. } = stage;
            return Err(format!("check stage {name}: it did {done} of {expected}, so its time would say nothing"));
        }
    }
    Ok(())
}

/// Times all stages in turn, `rounds` times, on this clock of nanoseconds. The first one is the measure of the others.
pub fn time(stages: &mut [Stage<'_>], rounds: usize, clock: impl Fn() -> u64) -> Vec<Figure> {
    let mut times = vec![Vec::with_capacity(rounds); stages.len()];
    for round in 0..rounds {
        for step in 0..stages.len() {
            // Every round begins with another stage: none always runs in the wake of the same one.
            let index = (round + step) % stages.len();
            let start = clock();
            let done = (stages[index].run)();
            times[index].push((clock() - start) as f64);
            assert_eq!(
                done, stages[index].expected,
                "{} did something else than when it was checked",
                stages[index].name
            );
        }
    }
    let first = times.first().cloned().unwrap_or_default();
    let figure = |(stage, times): (&Stage<'_>, &Vec<f64>)| {
        let ratios = first.iter().zip(times).map(|(first, time)| first / time).collect();
        Figure { name: stage.name, median_ns: median(times.clone()), ratio: median(ratios) }
    };
    stages.iter().zip(&times).map(figure).collect()
}

/// The middle one, or the mean of the middle two; 0 of none.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        length if length % 2 == 1 => values[length / 2],
        length => f64::midpoint(values[length / 2 - 1], values[length / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn a_stage_that_does_nothing_is_refused() {
        let mut stages = [Stage { name: "idle", expected: 10, run: Box::new(|| 0) }];
        assert!(check(&mut stages).is_err());
    }

    #[test]
    fn a_ratio_is_the_first_stages_time_by_the_others() {
        let now = &Cell::new(0);
        let stage = |name, ns| Stage {
            name,
            expected: 1,
            run: Box::new(move || {
                // Slower from call to call, as on a machine that gets busy.
                now.set(now.get() + ns + now.get() / 10);
                1
            }),
        };
        let figures = time(&mut [stage("one", 100), stage("two", 200)], 1, || now.get());
        assert_eq!(figures[1], Figure { name: "two", median_ns: 210.0, ratio: 100.0 / 210.0 });
    }

    #[test]
    #[should_panic(expected = "did something else")]
    fn a_stage_that_stops_working_is_seen() {
        let calls = Cell::new(0);
        let run = || {
            calls.set(calls.get() + 1);
            usize::from(calls.get() < 3)
        };
        time(&mut [Stage { name: "tired", expected: 1, run: Box::new(run) }], 5, || 0);
    }

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(vec![5.0, 1.0, 3.0]), 3.0);
        assert_eq!(median(vec![5.0, 1.0, 3.0, 4.0]), 3.5);
    }
}
