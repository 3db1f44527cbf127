//! Stages in turn, round after round, and the medians of what they took.

use crate::clock::cpu_ns;

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

/// Times all stages in turn, `rounds` times. The first one is the measure of the others.
pub fn time(stages: &mut [Stage<'_>], rounds: usize) -> Vec<Figure> {
    let mut times = vec![Vec::with_capacity(rounds); stages.len()];
    for round in 0..rounds {
        for step in 0..stages.len() {
            // Every round begins with another stage: none always runs in the wake of the same one.
            let index = (round + step) % stages.len();
            let mut done = 0;
            times[index].push(cpu_ns(|| done = (stages[index].run)()) as f64);
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

    fn spin(loops: u64) -> usize {
        (0..loops).fold(0, |sum, term| std::hint::black_box(sum ^ term));
        1
    }

    #[test]
    fn a_stage_that_does_nothing_is_refused() {
        let mut stages = [Stage { name: "idle", expected: 10, run: Box::new(|| 0) }];
        assert!(check(&mut stages).is_err());
    }

    #[test]
    fn twice_the_work_is_half_the_ratio() {
        let mut stages = [
            Stage { name: "one", expected: 1, run: Box::new(|| spin(1_000_000)) },
            Stage { name: "two", expected: 1, run: Box::new(|| spin(2_000_000)) },
        ];
        let figures = time(&mut stages, 15);
        assert!((figures[0].ratio - 1.0).abs() < 1e-9);
        assert!((0.4..0.6).contains(&figures[1].ratio), "{figures:?}");
    }

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(vec![5.0, 1.0, 3.0]), 3.0);
        assert_eq!(median(vec![5.0, 1.0, 3.0, 4.0]), 3.5);
    }
}
