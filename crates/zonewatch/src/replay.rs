//! The pipeline over files, in one process and without AWS: `zonewatch replay`.
//!
//! Read down: inputs are opened and recognised, merged by event time, and each record goes through the same OBSERVE stage
//! as in a worker. The result depends on the inputs and the configuration alone.

mod first_time;
mod frame;
mod input;
mod merge;
mod meter;
mod output;
mod recognize;
mod stream;
mod summary;
#[cfg(test)]
mod tests;
mod windows;
#[cfg(test)]
mod windows_test;
mod wrapped;

pub use meter::Meter;
pub use output::Target;
pub use summary::Summary;

use crate::baselines::Draft;
use crate::lines::Lines;
use crate::observe::{Observed, Observer, Settings};
use detect::detector::Judging;
use dnslog::{Reason, Reference};
use input::{Arrival, Input, Item};
use merge::{Merge, Next, ReadError};
use output::{Output, WriteError, refuse_input};
use recognize::Unusable;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;
use windows::Windows;

/// What is to be done.
pub struct Options {
    /// Files; `-` is standard input.
    pub inputs: Vec<PathBuf>,
    /// Where enriched records go; `None`: nowhere, only the summary is made.
    pub records: Option<Target>,
    /// Where windows go.
    pub windows: Option<Target>,
    /// Where findings go.
    pub findings: Option<Target>,
    /// Where what is usual in the zones is written at the end.
    pub baselines: Option<PathBuf>,
    /// How zones are judged.
    pub judging: Judging,
    /// Where rejects go, in the quarantine's form.
    pub rejects: Option<Target>,
    /// The stage's settings.
    pub settings: Settings,
    /// The stage's reference data.
    pub reference: Arc<Reference>,
    /// Log lines that may be decoded as one record, as the stage's limits allow.
    pub lines_max: usize,
}

/// Why a replay ended early.
#[derive(Debug)]
pub enum Error {
    /// The reader of standard output has gone.
    Closed,
    /// Anything a person has to look at.
    Failed(String),
}

impl From<WriteError> for Error {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Closed => Self::Closed,
            WriteError::Failed(message) => Self::Failed(message),
        }
    }
}

impl From<ReadError> for Error {
    fn from(ReadError { input, offset, error }: ReadError) -> Self {
        Self::Failed(format!("read {input} at byte {offset}: {error}"))
    }
}

/// Replays the inputs to their ends.
pub fn run(options: Options, meter: &mut Meter) -> Result<Summary, Error> {
    let mut inputs = Vec::new();
    for path in &options.inputs {
        inputs.push(Input::open(path, options.lines_max).map_err(|error| {
            let name = path.display();
            Error::Failed(match error {
                Unusable::Foreign(what) => format!("replay {name}: it is {what}"),
                Unusable::Unreadable(error) => {
                    format!("read {name}: {error}; name a file that can be read, or - for standard input")
                }
            })
        })?);
    }
    // Outputs come second, so that a wrong input leaves the files of the last run alone.
    let open = |target: &Option<Target>| target.as_ref().map(|target| Output::open(target, &options.inputs));
    let mut records = open(&options.records).transpose().map_err(Error::Failed)?;
    let mut windows = open(&options.windows).transpose().map_err(Error::Failed)?;
    let mut findings = open(&options.findings).transpose().map_err(Error::Failed)?;
    let mut rejects = open(&options.rejects).transpose().map_err(Error::Failed)?;
    let draft = |path: &PathBuf| refuse_input(path, &options.inputs).and_then(|()| Draft::open(path));
    let baselines = options.baselines.as_ref().map(draft).transpose().map_err(Error::Failed)?;
    let windowed = windows.is_some() || findings.is_some() || baselines.is_some();
    let judging = windowed.then_some(options.judging);
    let settings = if records.is_some() { options.settings } else { options.settings.without_records() };

    let mut replay = Replay::new(inputs, settings, options.reference, judging);
    meter.start(replay.merge.size());
    while replay.step()? {
        take(&mut records, &mut replay.observed.records)?;
        take(&mut rejects, &mut replay.observed.rejects)?;
        if let Some(made) = &mut replay.windows {
            take(&mut windows, made.lines())?;
            take(&mut findings, made.findings())?;
        }
        meter.update(replay.merge.bytes(), replay.observed.counts.queries);
    }
    meter.finish();
    finish(&mut records, &mut replay.observed.records)?;
    finish(&mut rejects, &mut replay.observed.rejects)?;
    if let Some(made) = &mut replay.windows {
        made.end();
        finish(&mut windows, made.lines())?;
        finish(&mut findings, made.findings())?;
        if let Some(draft) = baselines {
            draft.store(&made.baselines()).map_err(Error::Failed)?;
        }
    }
    Ok(replay.end())
}

/// Writes lines once there are enough of them, or forgets them.
fn take(output: &mut Option<Output>, lines: &mut Lines) -> Result<(), WriteError> {
    match output {
        Some(output) => output.take(lines),
        None => {
            lines.clear();
            Ok(())
        }
    }
}

/// Writes what is left.
fn finish(output: &mut Option<Output>, lines: &mut Lines) -> Result<(), WriteError> {
    output.as_mut().map_or(Ok(()), |output| output.finish(lines))
}

/// A replay under way.
struct Replay {
    merge: Merge,
    observer: Observer,
    observed: Observed,
    windows: Option<Windows>,
    /// What each input came to, so that a wrong file can be told from a damaged one.
    outcomes: Vec<Outcome>,
    started: Instant,
}

/// What an input came to.
#[derive(Debug, Default, Clone, Copy)]
struct Outcome {
    /// Queries, control messages and rejects of what is at least like query logs.
    like_logs: u64,
    /// Rejects of what is something else.
    foreign: u64,
}

impl Replay {
    /// `judging`: how zones are judged, if windows are made.
    fn new(inputs: Vec<Input>, settings: Settings, reference: Arc<Reference>, judging: Option<Judging>) -> Self {
        let outcomes = vec![Outcome::default(); inputs.len()];
        let names = inputs.iter().map(Input::name);
        let windows = judging.map(|judging| Windows::new(settings.constants(), judging, names));
        let merge = if windows.is_some() { Merge::timed(inputs) } else { Merge::new(inputs) };
        let observed = Observed::new(&settings);
        let observer = Observer::new(Arc::new(settings), reference);
        Self { merge, observer, observed, windows, outcomes, started: Instant::now() }
    }

    /// Takes the next record through the stage; false if there is none.
    fn step(&mut self) -> Result<bool, ReadError> {
        let Some(Next { input, time_ms, item }) = self.merge.next()? else { return Ok(false) };
        let Item { shard, record, arrival, fault } = item;
        if let (Some(windows), Some(time_ms)) = (&mut self.windows, time_ms) {
            windows.reach(if arrival == Arrival::Noted { time_ms.min(record.arrival_ms) } else { time_ms });
        }
        let observed = &mut self.observed;
        let before = sums(observed);
        observed.summary = self.windows.as_mut().map(|windows| windows.lend(input));
        let arrival_ms = match (fault, arrival) {
            (Some(reason), _) => {
                self.observer.reject(&shard, &record, reason, observed);
                record.arrival_ms
            }
            (None, Arrival::Noted) => {
                self.observer.observe(&shard, &record, observed);
                record.arrival_ms
            }
            (None, Arrival::Unknown) => self.observer.observe_unstamped(&shard, &record, observed),
        };
        self.merge.raise(input, arrival_ms);
        if let (Some(windows), Some(summary)) = (&mut self.windows, observed.summary.take()) {
            windows.taken(input, summary, arrival_ms);
        }
        let after = sums(observed);
        let outcome = &mut self.outcomes[input];
        outcome.like_logs += after.0 - before.0;
        outcome.foreign += after.1 - before.1;
        Ok(true)
    }

    fn end(self) -> Summary {
        // Whatever was quarantined, its file is the right one.
        let inputs = self.merge.inputs().zip(&self.outcomes).filter(|(input, _)| !input.is_quarantine());
        let foreign = inputs.filter(|(_, outcome)| outcome.like_logs == 0 && outcome.foreign > 0);
        Summary {
            foreign_inputs: foreign.map(|(input, _)| input.name().to_string()).collect(),
            input_bytes: self.merge.bytes(),
            inputs: self.outcomes.len(),
            windows_limited: self.windows.as_ref().map_or(0, Windows::limited),
            findings: self.windows.as_ref().map(Windows::opened),
            elapsed: self.started.elapsed(),
            observed: self.observed,
        }
    }
}

/// How much there was of query logs, sound or damaged, and how much of anything else.
fn sums(observed: &Observed) -> (u64, u64) {
    let counts = &observed.counts;
    let of = |reason: Reason| counts.rejects.get(reason as usize).copied().unwrap_or(0);
    let foreign = of(Reason::UnknownFormat) + of(Reason::UnknownMessage) + of(Reason::BadEnvelope);
    (counts.queries + counts.controls + counts.rejects.iter().sum::<u64>() - foreign, foreign)
}
