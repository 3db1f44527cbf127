//! Incidents of every kind, done to zones that have been watched for days: what is found, how soon, and what else is told.

use crate::watched::{Told, Watched, Windows, alone};
use detect::Window;
use detect::finding::{Finding, Kind, Severity, Status};
use traffic::{Cause, Generator, Incident, Scenario};

/// A Monday, 2026-01-05T00:00:00Z.
pub const START_MS: i64 = 1_767_571_200_000;
/// An hour.
pub const HOUR_MS: i64 = 3_600_000;
/// A day.
pub const DAY_MS: i64 = 24 * HOUR_MS;
const MINUTE_MS: i64 = 60_000;
/// What is usual runs on for so long before an incident, and so long after it.
const BEFORE_MS: i64 = 20 * MINUTE_MS;
const AFTER_MS: i64 = 60 * MINUTE_MS;

/// A zone, what was told of it while nothing happened, and what was known at some times.
#[derive(Debug)]
pub struct History {
    scenario: Scenario,
    seed: u64,
    /// What was told, after the first day.
    pub told: Vec<Told>,
    /// For how long, milliseconds.
    pub judged_ms: i64,
    known: Vec<(i64, Watched)>,
}

impl History {
    /// Of one of a scenario's zones, its incidents aside, kept at so many milliseconds after its beginning: in order, each a
    /// multiple of ten minutes.
    pub fn new(scenario: &Scenario, zone: usize, seed: u64, windows: Windows, kept_ms: &[i64]) -> Self {
        let scenario = Scenario { incidents: Vec::new(), ..alone(scenario, zone) };
        let mut generator = Generator::new(scenario.clone(), seed, START_MS);
        let mut watched = Watched::new(&scenario, windows);
        let (mut told, mut known, mut now_ms) = (Vec::new(), Vec::new(), START_MS);
        for kept_ms in kept_ms {
            told.extend(watched.live(&mut generator, now_ms, START_MS + kept_ms, false));
            now_ms = START_MS + kept_ms;
            known.push((now_ms, watched.clone()));
        }
        told.retain(|(time_ms, _)| *time_ms >= START_MS + DAY_MS);
        Self { scenario, seed, told, judged_ms: now_ms - START_MS - DAY_MS, known }
    }

    /// Queries a second on average.
    pub fn rate(&self) -> f64 {
        self.scenario.queries_per_second
    }

    /// What is known at the last time kept, and the windows of ten seconds of the hour after it.
    pub fn hour_after(&self) -> (Watched, Vec<Window>) {
        let (now_ms, watched) = self.known.last().expect("a history is kept somewhere").clone();
        let mut generator = Generator::new(self.scenario.clone(), self.seed, now_ms);
        let panes = watched.clone().panes(&mut generator, now_ms, now_ms + HOUR_MS);
        (watched, panes)
    }

    /// What becomes of something that happens, at each of the times kept.
    pub fn trials(&self, what: What) -> impl Iterator<Item = Outcome> {
        self.known.iter().map(move |(now_ms, watched)| self.trial(what, *now_ms, watched.clone()))
    }

    fn trial(&self, what: What, now_ms: i64, mut watched: Watched) -> Outcome {
        let What { cause, strength, minutes } = what;
        let lasts_ms = minutes * MINUTE_MS;
        let incident = Incident { zone: 0, cause, after_ms: BEFORE_MS, lasts_ms, strength };
        let scenario = Scenario { incidents: vec![incident], ..self.scenario.clone() };
        let mut generator = Generator::new(scenario, self.seed, now_ms);
        let open: Vec<Kind> = watched.zone().open().collect();
        let mut told = watched.live(&mut generator, now_ms, now_ms + BEFORE_MS + lasts_ms + AFTER_MS, true);
        // What was open before is a false finding of the history.
        told.retain(|(_, finding)| !open.contains(&finding.kind));
        let place = (self.scenario.zones[0].name.to_string(), now_ms + BEFORE_MS);
        Outcome::of(what, place, &told)
    }
}

/// Something that happens.
#[derive(Debug, Clone, Copy)]
pub struct What {
    /// What is done.
    pub cause: Cause,
    /// How much of it.
    pub strength: f64,
    /// For how long.
    pub minutes: i64,
}

/// What was told of something that happened.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// To which zone, and when, milliseconds since 1970.
    pub place: (String, i64),
    /// The finding of its kind was told so long after it began, milliseconds.
    pub found_ms: Option<i64>,
    /// What else opened; not what it took over.
    pub others: Vec<Finding>,
}

impl Outcome {
    fn of(what: What, place: (String, i64), told: &[Told]) -> Self {
        let start_ms = place.1;
        let wanted = what.cause.kind().and_then(|kind| Kind::named(kind.as_str()));
        let opened = told.iter().filter(|(_, finding)| finding.status == Status::Opened);
        let found = opened.clone().find(|(time_ms, one)| Some(one.kind) == wanted && *time_ms > start_ms);
        let taken_over = |id: &str| {
            let by_wanted = |status| matches!(status, Status::Superseded(by) if Some(by) == wanted);
            told.iter().any(|(_, finding)| finding.id == id && by_wanted(finding.status))
        };
        let is_other = |finding: &Finding| {
            // That there are more of the usual queries is true, and good to know.
            let true_info =
                what.cause == Cause::Launch && (finding.kind, finding.severity) == (Kind::TrafficSpike, Severity::Info);
            Some(finding.kind) != wanted && !true_info && !taken_over(&finding.id)
        };
        Self {
            place,
            found_ms: found.map(|(time_ms, _)| time_ms - start_ms),
            others: opened.filter(|(_, one)| is_other(one)).map(|(_, one)| one.clone()).collect(),
        }
    }
}

/// Every cause, from what is hard to see to what nobody can miss; the last three are none.
pub const WHAT: [What; 22] = [
    What { cause: Cause::Flood, strength: 1.0, minutes: 15 },
    What { cause: Cause::Flood, strength: 8.0, minutes: 15 },
    What { cause: Cause::FloodOfWildcard, strength: 1.0, minutes: 15 },
    What { cause: Cause::FloodOfWildcard, strength: 8.0, minutes: 15 },
    What { cause: Cause::Spike, strength: 3.0, minutes: 30 },
    What { cause: Cause::Spike, strength: 12.0, minutes: 30 },
    What { cause: Cause::Drop, strength: 0.0, minutes: 30 },
    What { cause: Cause::Drop, strength: 0.3, minutes: 60 },
    What { cause: Cause::Failure, strength: 0.05, minutes: 20 },
    What { cause: Cause::Failure, strength: 0.7, minutes: 20 },
    What { cause: Cause::Guesses, strength: 0.5, minutes: 20 },
    What { cause: Cause::Guesses, strength: 3.0, minutes: 20 },
    What { cause: Cause::Walk, strength: 1.0, minutes: 20 },
    What { cause: Cause::Tunnel, strength: 0.05, minutes: 120 },
    What { cause: Cause::Tunnel, strength: 1.0, minutes: 20 },
    What { cause: Cause::Reflection, strength: 3.0, minutes: 15 },
    What { cause: Cause::Concentration, strength: 0.4, minutes: 30 },
    What { cause: Cause::Reroute, strength: 0.5, minutes: 60 },
    What { cause: Cause::Newcomer, strength: 0.25, minutes: 60 },
    What { cause: Cause::Launch, strength: 3.0, minutes: 60 },
    What { cause: Cause::Caching, strength: 0.65, minutes: 600 },
    What { cause: Cause::SmallEdge, strength: 0.02, minutes: 300 },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calibration::by_seed;

    /// The short form of `cargo xtask scenarios`.
    #[test]
    fn where_nothing_happens_little_is_told() {
        let scenario = Scenario::kinds().at_rate(12.0);
        let histories = by_seed(4, |at| {
            let zone = [1, 3, 5, 8][at as usize];
            History::new(&scenario, zone, 7, Windows::Minutes, &[15 * DAY_MS])
        });
        for history in histories {
            let opened = history.told.iter().filter(|(_, finding)| finding.status == Status::Opened);
            let opened: Vec<&str> = opened.map(|(_, finding)| finding.summary.as_str()).collect();
            assert_eq!(history.judged_ms, 14 * DAY_MS);
            assert!(opened.len() <= 2, "more than one a week: {opened:#?}");
        }
    }

    #[test]
    fn every_kind_is_found_and_what_only_looks_like_one_is_not() {
        let scenario = Scenario::kinds().at_rate(40.0);
        let histories =
            by_seed(2, |zone| History::new(&scenario, 2 + zone as usize, 5, Windows::Minutes, &[9 * DAY_MS]));
        let strong =
            WHAT.into_iter().filter(|what| ![0.05, 0.5].contains(&what.strength) || what.cause == Cause::Reroute);
        for what in strong {
            for outcome in histories.iter().flat_map(|history| history.trials(what)) {
                assert_eq!(outcome.found_ms.is_some(), what.cause.kind().is_some(), "{what:?}");
                let others: Vec<&str> = outcome.others.iter().map(|finding| finding.summary.as_str()).collect();
                assert!(others.is_empty(), "{what:?}: {others:#?}");
            }
        }
    }
}
