//! All that a rollup shard's task knows of its key groups: their states, the longer windows that are not complete, and what is
//! usual and wrong in each zone.
//!
//! A fold over the shard's own records and the settings of findings, and nothing else goes in. What is stored of it is one
//! object: a version, the states as [`Snapshot`] has them, each group's sums, and each group's zones.

mod baselines;
mod early;
#[cfg(test)]
mod tests;
mod zones;

pub use baselines::Baselines;
pub use zones::ZONES_MAX;

use crate::finding::{self, Expected, Finding};
use crate::message::{Message, Unreadable};
use crate::pane::Tally;
use crate::rollup::{Refused, Settings, Told};
use crate::score::SIGNALS;
use crate::snapshot::Snapshot;
use crate::window::{Complete, LENGTHS_MS, Sums, Window};
use crate::wire::{Input, put_bytes, put_number};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use zones::Zones;

/// The version written. Version 1 had no zones.
pub const VERSION: u8 = 2;
const VERSION_WITHOUT_ZONES: u8 = 1;

/// The key groups of one rollup shard.
#[derive(Debug, Clone, PartialEq)]
pub struct Detector {
    settings: Settings,
    states: Snapshot<Tally>,
    sums: BTreeMap<u16, Sums>,
    zones: BTreeMap<u16, Zones>,
}

/// How zones are judged.
#[derive(Debug, Clone)]
pub struct Judging {
    /// How much somebody wants to hear.
    pub settings: Arc<finding::Settings>,
    /// What is taken to be usual in a zone that is not known yet.
    pub baselines: Arc<Baselines>,
    /// Windows that end later may lack queries that nobody will read: the end of a replay's inputs, milliseconds since 1970.
    pub whole_until_ms: i64,
}

impl Default for Judging {
    /// By the default settings, nothing being known.
    fn default() -> Self {
        Self { settings: Arc::default(), baselines: Arc::default(), whole_until_ms: i64::MAX }
    }
}

/// What came of a record, or of the shard's end.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Outcome {
    /// Panes that were closed, and what is counted of messages.
    pub told: Told<Tally>,
    /// Windows of all lengths that are complete with them, in order. Of zones that are judged, those without a query too.
    pub windows: Vec<Seen>,
    /// What is wrong, in order.
    pub findings: Vec<Finding>,
    /// Zones that are not judged, because there are too many; once a window.
    pub zones_limited: u64,
}

/// A window, and how it looks beside what is usual.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// What was counted.
    pub window: Window,
    /// By signal as in [`crate::baseline::Signal::ALL`]: from 1.0 on one is an alert. Of a zone that is not judged or not known
    /// yet, none.
    pub scores: [Option<f64>; SIGNALS],
    /// What the signals come to, in their units; of windows of a minute.
    pub values: [Option<f64>; SIGNALS],
    /// What was expected of this window alone, in the same units, and between which bounds 99 of 100 windows lie at this hour;
    /// of windows of a minute.
    pub expected: [Option<Expected>; SIGNALS],
}

impl Detector {
    /// Of groups that have heard of nothing.
    pub fn new(settings: Settings) -> Self {
        Self { states: Snapshot::new(settings.clone()), settings, sums: BTreeMap::new(), zones: BTreeMap::new() }
    }

    /// Takes in the next record of the shard, which arrived at `arrival_ms`, milliseconds since 1970. Without `judging` windows
    /// are told only.
    pub fn apply(
        &mut self,
        message: Message<Tally>,
        arrival_ms: i64,
        judging: Option<&Judging>,
    ) -> Result<Outcome, Refused> {
        let group = message.group;
        if group >= self.settings.constants.groups {
            return Err(Refused::Constants);
        }
        let told = self.states.group(group).apply(message, arrival_ms)?;
        Ok(self.sum_up(group, told, judging))
    }

    /// The shard has ended: what still waits waits in vain. By key group, in their order.
    pub fn end(&mut self, judging: Option<&Judging>) -> Vec<Outcome> {
        let told: Vec<_> = self.states.groups().map(|state| (state.group(), state.end())).collect();
        told.into_iter().map(|(group, told)| self.sum_up(group, told, judging)).collect()
    }

    /// The windows that are not complete, for when no record of any kind will follow. None of them is whole, and none is judged.
    pub fn rest(&mut self) -> Vec<Window> {
        self.sums.values_mut().flat_map(Sums::end).flat_map(|complete| complete.zones).collect()
    }

    /// What is usual in each zone.
    pub fn baselines(&self) -> Baselines {
        self.zones.values().flat_map(Zones::usual).collect()
    }

    /// The findings that are open, as they would be told.
    pub fn open_findings(&self, settings: &finding::Settings) -> impl Iterator<Item = Finding> {
        self.zones.values().flat_map(move |zones| zones.open(settings))
    }

    fn sum_up(&mut self, group: u16, told: Told<Tally>, judging: Option<&Judging>) -> Outcome {
        let sums = self.sums.entry(group).or_insert_with(|| sums(&self.settings));
        let complete: Vec<Complete> = told.closed.iter().flat_map(|closed| sums.take(closed)).collect();
        let mut outcome = Outcome { told, ..Outcome::default() };
        let Some(judging) = judging else {
            outcome.windows.extend(complete.into_iter().flat_map(|window| window.zones).map(Seen::unjudged));
            return outcome;
        };
        let zones = self.zones.entry(group).or_default();
        for window in complete {
            zones.close(window, judging, &mut outcome);
        }
        let open = early::grown(&outcome.told.counted, self.states.group(group), sums);
        for window in open {
            zones.judge_open(&window, judging, &mut outcome);
        }
        outcome
    }

    /// Takes over the key groups of a parent whose hash keys lie in `range`.
    pub fn take_over(&mut self, parent: &Self, range: &RangeInclusive<u128>) {
        let mut part = parent.states.part(range);
        let groups: Vec<u16> = part.groups().map(|state| state.group()).collect();
        self.states.join(part);
        for group in groups {
            self.sums.extend(parent.sums.get(&group).map(|sums| (group, sums.clone())));
            self.zones.extend(parent.zones.get(&group).map(|zones| (group, zones.clone())));
        }
    }

    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        put_bytes(&mut out, &self.states.encode());
        put_number(&mut out, self.sums.len() as u64);
        for (group, sums) in &self.sums {
            put_number(&mut out, (*group).into());
            sums.encode(&mut out);
        }
        put_number(&mut out, self.zones.len() as u64);
        for (group, zones) in &self.zones {
            put_number(&mut out, (*group).into());
            zones.encode(&mut out);
        }
        out
    }

    /// From its bytes, of the version before too. The settings are the reader's.
    pub fn decode(bytes: &[u8], settings: &Settings) -> Result<Self, Unreadable> {
        let mut input = Input::new(bytes);
        let has_zones = bytes.first() != Some(&VERSION_WITHOUT_ZONES);
        input.version(if has_zones { VERSION } else { VERSION_WITHOUT_ZONES })?;
        let states = input.bytes(usize::MAX).ok_or(Unreadable::Malformed)?;
        let states = Snapshot::decode(states, settings)?;
        let group = |input: &mut Input<'_>| {
            input.number()?.try_into().ok().filter(|group: &u16| *group < settings.constants.groups)
        };
        let sums = |input: &mut Input<'_>| {
            let group = group(input)?;
            let mut sums = sums(settings);
            sums.decode(input)?;
            Some((group, sums))
        };
        let sums = input.count().and_then(|count| (0..count).map(|_| sums(&mut input)).collect::<Option<_>>());
        let sums = sums.ok_or(Unreadable::Malformed)?;
        let mut zones = BTreeMap::new();
        for _ in 0..if has_zones { input.count().ok_or(Unreadable::Malformed)? } else { 0 } {
            let group = group(&mut input).ok_or(Unreadable::Malformed)?;
            zones.insert(group, Zones::decode(&mut input)?);
        }
        if input.is_empty() {
            Ok(Self { settings: settings.clone(), states, sums, zones })
        } else {
            Err(Unreadable::Malformed)
        }
    }
}

impl Seen {
    /// A window of which nothing is known but what was counted.
    pub fn unjudged(window: Window) -> Self {
        Self { window, scores: [None; SIGNALS], values: [None; SIGNALS], expected: [None; SIGNALS] }
    }
}

fn sums(settings: &Settings) -> Sums {
    Sums::new(settings.constants.pane_ms.into(), &LENGTHS_MS)
}
