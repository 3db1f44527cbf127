//! What was told, against what the source says.

use super::pane::Ids;
use super::stream::Stream;
use super::world::World;
use detect::key_group;
use detect::rollup::{Closed, Counts, Told};
use std::collections::{BTreeMap, BTreeSet};

/// A query.
#[derive(Debug, Clone)]
pub struct Event {
    pub id: u64,
    pub zone: u64,
    /// In which zone the next version of the decoder finds it.
    pub next_zone: u64,
    pub time_ms: i64,
}

impl Event {
    pub fn zone(&self, version: u8) -> String {
        format!("zone-{}", if version == 0 { self.zone } else { self.next_zone })
    }
}

/// Everything that was ever told.
#[derive(Debug, Default)]
pub struct Truth {
    /// By key group and start.
    told: BTreeMap<(u16, i64), Closed<Ids>>,
    /// Which versions have put each event, a bit each.
    pub put_by: BTreeMap<u64, u8>,
    /// Windows that were told again have to be as they were.
    alike: bool,
    pub counts: Totals,
}

/// So that a scene can be seen to happen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Epochs that a group had already.
    pub copies: u64,
    /// Messages applied although the one before never came.
    pub gaps: u64,
    /// Messages that said a hole.
    pub holes: u64,
    /// Limits reached.
    pub limited: u64,
    /// Windows told as whole.
    pub whole: u64,
    /// And as not.
    pub not_whole: u64,
    /// Events whose window was closed.
    pub missed: u64,
    /// Events counted nowhere.
    pub lost: u64,
    /// Events put by two versions that disagree on their zone.
    pub disputed: u64,
}

impl std::ops::AddAssign for Totals {
    fn add_assign(&mut self, other: Self) {
        self.copies += other.copies;
        self.gaps += other.gaps;
        self.holes += other.holes;
        self.limited += other.limited;
        self.whole += other.whole;
        self.not_whole += other.not_whole;
        self.missed += other.missed;
        self.lost += other.lost;
        self.disputed += other.disputed;
    }
}

impl Truth {
    pub fn new(alike: bool) -> Self {
        Self { alike, ..Self::default() }
    }

    /// Where an event belongs. `None`: it was put by two versions that disagree on that. It may be counted in both zones or in
    /// none, depending on which key group heard which version.
    fn zone_of(&self, event: &Event) -> Option<String> {
        match self.put_by.get(&event.id) {
            Some(3) if event.zone != event.next_zone => None,
            Some(2) => Some(event.zone(1)),
            _ => Some(event.zone(0)),
        }
    }

    /// Takes what belongs to no zone out of what was told.
    fn forget_disputed(&mut self, source: &Stream<Vec<Event>>) {
        let events = source.shards.iter().flat_map(|shard| &shard.records).flat_map(|record| record.data.iter());
        let disputed: BTreeSet<u64> =
            events.filter(|event| self.zone_of(event).is_none()).map(|event| event.id).collect();
        self.counts.disputed += disputed.len() as u64;
        for closed in self.told.values_mut() {
            for ids in closed.zones.values_mut() {
                ids.0.retain(|id| !disputed.contains(id));
            }
            closed.zones.retain(|_, ids| !ids.0.is_empty());
        }
    }

    pub fn told(&mut self, group: u16, told: Told<Ids>) {
        let Counts { copies, gaps, holes, windows_limited, waiting_limited, pieces_limited, .. } = told.counts;
        self.counts.copies += copies;
        self.counts.gaps += gaps;
        self.counts.holes += holes;
        self.counts.limited += windows_limited + waiting_limited + pieces_limited;
        for closed in told.closed {
            let before = self.told.insert((group, closed.start_ms), closed.clone());
            if let Some(before) = before.filter(|_| self.alike) {
                assert_eq!(before, closed, "group {group} tells a window in two ways");
            }
        }
    }
}

/// What the source says of a zone.
#[derive(Debug, Default)]
struct Expected {
    late: u64,
    future: u64,
    /// Ids by pane.
    panes: BTreeMap<i64, Vec<u64>>,
}

fn expected(world: &World) -> BTreeMap<String, Expected> {
    let mut zones: BTreeMap<String, Expected> = BTreeMap::new();
    let source: &Stream<Vec<Event>> = &world.source;
    for shard in &source.shards {
        let from = world.begins_at(&shard.id, &shard.records);
        for record in &shard.records[from..] {
            for event in record.data.iter() {
                let Some(zone) = world.truth.zone_of(event) else { continue };
                let zone = zones.entry(zone).or_default();
                // Not by the product's own judgement.
                match event.time_ms - record.arrival_ms {
                    ..-10_000 => zone.late += 1,
                    60_001.. => zone.future += 1,
                    _ => zone.panes.entry(event.time_ms / 10_000 * 10_000).or_default().push(event.id),
                }
            }
        }
    }
    zones.values_mut().flat_map(|zone| zone.panes.values_mut()).for_each(|ids| ids.sort_unstable());
    zones
}

impl World {
    pub(super) fn check(&mut self) {
        let promise = self.scene.promise();
        self.truth.forget_disputed(&self.source);
        let expected = expected(self);
        self.check_whole(&expected);
        let mut left_out_in_all = 0;
        for (zone, expected) in &expected {
            let told = self.told_of(zone);
            let all: BTreeSet<u64> = expected.panes.values().flatten().copied().collect();
            let counted: BTreeSet<u64> = told.ids.iter().map(|(_, id)| *id).collect();
            assert_eq!(counted.len(), told.ids.len(), "{zone}: an event is counted twice");
            for (start_ms, id) in &told.ids {
                let right = expected.panes.get(start_ms).is_some_and(|ids| ids.contains(id));
                assert!(right, "{zone}: event {id} is not of the window {start_ms}");
            }
            let left_out = (all.len() - counted.len()) as u64;
            let (beside, truth) = ([told.missed, told.late, told.future], [left_out, expected.late, expected.future]);
            if promise.nothing_lost && promise.zones_apart {
                assert_eq!(
                    beside,
                    truth,
                    "{zone}: missed, late and future; not counted: {:?}",
                    all.difference(&counted)
                );
            }
            // What was told before rollup records were lost may be told once more, of another window.
            let no_more = beside.iter().zip(&truth).all(|(told, truth)| told <= truth);
            assert!(no_more || !promise.told_alike, "{zone}: missed, late and future {beside:?} of {truth:?}");
            assert!(told.missed == 0 || !promise.nothing_missed, "{zone}: {} missed", told.missed);
            left_out_in_all += left_out;
        }
        self.check_beside(&expected, left_out_in_all);
        self.check_closed(&expected);
    }

    /// Zones beyond a limit are counted together, but counted.
    fn check_beside(&mut self, expected: &BTreeMap<String, Expected>, left_out: u64) {
        let mut told = [0; 3];
        for beside in self.truth.told.values().flat_map(|closed| closed.beside.values()) {
            told = [told[0] + beside.missed, told[1] + beside.late, told[2] + beside.future];
        }
        self.truth.counts.missed += told[0];
        self.truth.counts.lost += left_out.saturating_sub(told[0]);
        let sum = |of: fn(&Expected) -> u64| expected.values().map(of).sum();
        if self.scene.promise().nothing_lost {
            assert_eq!(told, [left_out, sum(|zone| zone.late), sum(|zone| zone.future)], "missed, late and future");
        }
    }

    /// A whole window is the truth.
    fn check_whole(&mut self, expected: &BTreeMap<String, Expected>) {
        let groups = self.settings.constants.groups;
        for ((group, start_ms), closed) in &self.truth.told {
            if !closed.whole {
                self.truth.counts.not_whole += 1;
                continue;
            }
            self.truth.counts.whole += 1;
            let zones = expected.iter().filter(|(zone, _)| key_group(zone, groups) == *group);
            let truth: BTreeMap<&str, &[u64]> = zones
                .filter_map(|(zone, expected)| Some((zone.as_str(), expected.panes.get(start_ms)?.as_slice())))
                .collect();
            let told: BTreeMap<&str, &[u64]> =
                closed.zones.iter().map(|(zone, ids)| (&**zone, ids.0.as_slice())).collect();
            assert_eq!(told, truth, "group {group}: window {start_ms} says that it is whole");
        }
    }

    fn told_of(&self, zone: &str) -> ToldOf {
        let group = key_group(zone, self.settings.constants.groups);
        let mut told = ToldOf::default();
        for ((_, start_ms), closed) in self.truth.told.range((group, i64::MIN)..=(group, i64::MAX)) {
            let ids = closed.zones.get(zone).map(|ids| ids.0.as_slice()).unwrap_or_default();
            told.ids.extend(ids.iter().map(|id| (*start_ms, *id)));
            let beside = closed.beside.get(zone).copied().unwrap_or_default();
            told.late += beside.late;
            told.future += beside.future;
            told.missed += beside.missed;
        }
        told
    }

    /// All windows are told, and at last they are whole again.
    fn check_closed(&self, expected: &BTreeMap<String, Expected>) {
        let last_ms = expected.values().filter_map(|zone| zone.panes.keys().next_back()).max().copied().unwrap_or(0);
        for group in 0..self.settings.constants.groups {
            let mut windows = self.truth.told.range((group, i64::MIN)..=(group, i64::MAX)).rev();
            let last = windows.next().map(|((_, start_ms), closed)| (*start_ms, closed));
            let (start_ms, closed) = last.unwrap_or_else(|| panic!("group {group} has told nothing"));
            assert!(start_ms >= last_ms, "group {group} has closed {start_ms}, not {last_ms}");
            assert!(closed.whole || !self.scene.promise().whole_at_last, "group {group}: not whole at the end");
        }
    }
}

#[derive(Debug, Default)]
struct ToldOf {
    ids: Vec<(i64, u64)>,
    late: u64,
    future: u64,
    missed: u64,
}
