//! One world: its time, its streams and tables, its tasks, and what happens to them.

use super::Scene;
use super::owners::Task;
use super::stream::{Record, Stream};
use super::truth::{Event, Totals, Truth};
use crate::chance::Chance;
use crate::network::{CALM, Weather};
use detect::rollup::Settings;
use detect::snapshot::Name;
use lease::{Lease, Rules, ShardId, Write};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

/// Faults stop here, milliseconds…
pub const CALM_FROM: u64 = 150_000;
/// …the last record is put here…
const LAST_RECORD: u64 = CALM_FROM + 20_000;
/// …and by now every window has been told, and is whole: what is left is read, what a hole or a gap says is up to two minutes
/// ahead, and then come the lateness and the margin.
const END: u64 = LAST_RECORD + 250_000;
/// The time of day when a world begins.
pub const DAY: u64 = 1_700_000_000_000;

/// Which of the two streams, and of their tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    Observe = 0,
    Detect = 1,
}

/// One world.
pub struct World {
    pub(super) scene: Scene,
    pub(super) now: u64,
    pub(super) chance: Chance,
    pub(super) weather: Weather,
    /// Shares of puts, in percent.
    pub(super) doubled: u64,
    pub(super) swapped: u64,
    skewed: bool,
    pub(super) settings: Settings,
    pub(super) rules: Rules,
    pub(super) message_bytes_max: usize,
    pub(super) source: Stream<Vec<Event>>,
    pub(super) rollup: Stream<Vec<u8>>,
    pub(super) tables: [BTreeMap<ShardId, Lease>; 2],
    pub(super) rows_made: BTreeSet<(Stage, usize)>,
    pub(super) store: BTreeMap<Name, Rc<Vec<u8>>>,
    pub(super) tasks: Vec<Option<Task>>,
    pub(super) owners: BTreeMap<(Stage, usize), usize>,
    pub(super) unowned_until: BTreeMap<(Stage, usize), u64>,
    pub(super) outage_until: [u64; 2],
    pub(super) from_tip: bool,
    /// A source shard that is read slowly until then.
    pub(super) slow: Option<(usize, u64)>,
    pub(super) starts: BTreeMap<ShardId, i64>,
    pub(super) truth: Truth,
    pub(super) tickets: u64,
    queue: BTreeMap<(u64, u64), Happening>,
    order: u64,
    events: u64,
}

#[derive(Debug)]
pub(super) enum Happening {
    Tend,
    Step { owner: usize },
    Records,
    Reshard(Stage),
    Misfortune,
    Calm,
    Scene(u64),
    Write { stage: Stage, owner: usize, ticket: u64, write: Box<Write>, answer: Option<u64> },
    Written { owner: usize, ticket: u64, effective: bool },
    Put { group: u16, bytes: Rc<Vec<u8>> },
    PutAnswer { owner: usize, ticket: u64, group: u16, landed: bool },
    Store { owner: usize, ticket: u64, name: Name, bytes: Rc<Vec<u8>>, answer: Option<u64> },
    Stored { owner: usize, ticket: u64 },
}

impl World {
    /// The world of a seed and a scene.
    pub fn new(seed: u64, scene: Scene) -> Self {
        let mut chance = Chance::new(seed ^ (scene as u64) << 40);
        let calm = chance.percent(10);
        let weather = Weather::draw(&mut chance, calm);
        let groups = chance.between(1, 5) as u16;
        let message_bytes_max = if chance.percent(50) { chance.between(250, 600) as usize } else { usize::MAX };
        let (sources, rollups) = (chance.between(1, 5), chance.between(1, 4));
        let mut world = Self {
            scene,
            now: 0,
            weather,
            doubled: chance.between(0, 6),
            swapped: if chance.percent(80) { 20 } else { 0 },
            skewed: chance.percent(60),
            settings: scene.settings(groups),
            rules: Rules { epoch: Duration::from_millis(chance.between(500, 5_000)), kept_ms: 1_000_000_000 },
            message_bytes_max,
            source: Stream::new(sources, 0),
            rollup: Stream::new(rollups, 1_000),
            tables: [BTreeMap::new(), BTreeMap::new()],
            rows_made: BTreeSet::new(),
            store: BTreeMap::new(),
            tasks: Vec::new(),
            owners: BTreeMap::new(),
            unowned_until: BTreeMap::new(),
            outage_until: [0; 2],
            from_tip: chance.percent(40),
            slow: None,
            starts: BTreeMap::new(),
            truth: Truth::new(scene.promise().told_alike),
            tickets: 0,
            queue: BTreeMap::new(),
            order: 0,
            events: 0,
            chance,
        };
        world.begin(calm);
        world
    }

    fn begin(&mut self, calm: bool) {
        self.at(0, Happening::Records);
        self.at(0, Happening::Tend);
        self.at(CALM_FROM, Happening::Calm);
        if !calm {
            self.at(1_000, Happening::Misfortune);
        }
        for stage in [Stage::Observe, Stage::Detect] {
            for _ in 0..self.chance.between(0, 4) {
                let at = self.chance.between(0, CALM_FROM);
                self.at(at, Happening::Reshard(stage));
            }
        }
        self.begin_scene();
    }

    /// From the beginning to the end; what it came to.
    pub fn live(mut self) -> Totals {
        while let Some(entry) = self.queue.first_entry() {
            let at = entry.key().0;
            if at > END {
                break;
            }
            let happening = entry.remove();
            self.now = at;
            self.happen(happening);
        }
        self.check();
        self.truth.counts
    }

    pub(super) fn at(&mut self, at: u64, happening: Happening) {
        self.order += 1;
        self.queue.insert((at.max(self.now), self.order), happening);
    }

    /// How wrong a worker's clock is.
    pub(super) fn skew(&mut self) -> i64 {
        if self.skewed && self.chance.percent(30) { self.chance.between(0, 40_001) as i64 - 20_000 } else { 0 }
    }

    /// Which record of a shard is the first that counts.
    pub(super) fn begins_at(&self, shard: &ShardId, records: &[Record<Vec<Event>>]) -> usize {
        // An operator may have moved the start.
        let start_ms = self.starts.get(shard).filter(|_| self.scene != Scene::Reset);
        let Some(start_ms) = start_ms else { return 0 };
        records.iter().position(|record| record.arrival_ms >= *start_ms).unwrap_or(records.len())
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Tend => self.tend(),
            Happening::Step { owner } => self.step(owner),
            Happening::Records => self.records(),
            Happening::Reshard(Stage::Observe) => self.source.reshard(&mut self.chance, self.now),
            Happening::Reshard(Stage::Detect) => self.rollup.reshard(&mut self.chance, self.now),
            Happening::Misfortune => self.misfortune(),
            Happening::Calm => self.weather = CALM,
            Happening::Scene(act) => self.act(act),
            Happening::Write { stage, owner, ticket, write, answer } => {
                let effective = self.written(stage, &write);
                if let Some(at) = answer {
                    self.at(at, Happening::Written { owner, ticket, effective });
                }
            }
            Happening::Written { owner, ticket, effective } => match &mut self.tasks[owner] {
                Some(Task::Observe(task)) => task.write_answered(ticket, effective),
                Some(Task::Detect(task)) => task.write_answered(ticket, effective),
                None => {}
            },
            Happening::Put { group, bytes } => self.put_lands(group, &bytes),
            Happening::PutAnswer { owner, ticket, group, landed } => {
                if let Some(Task::Observe(task)) = &mut self.tasks[owner] {
                    task.put_answered(ticket, group, landed, self.now);
                }
            }
            Happening::Store { owner, ticket, name, bytes, answer } => {
                self.store.insert(name, bytes);
                if let Some(at) = answer {
                    self.at(at, Happening::Stored { owner, ticket });
                }
            }
            Happening::Stored { owner, ticket } => {
                if let Some(Task::Detect(task)) = &mut self.tasks[owner] {
                    task.store_answered(ticket);
                }
            }
        }
    }

    /// Somebody asks something.
    fn records(&mut self) {
        // A shard is idle for a while now and then.
        let pause =
            if self.chance.percent(4) { self.chance.between(5_000, 20_000) } else { self.chance.between(20, 900) };
        let events = (0..self.chance.between(1, 4)).map(|_| self.event()).collect();
        let back = if self.chance.percent(20) { self.chance.between(0, 2_000) } else { 0 };
        let hash_key = u128::from(self.chance.next()) << 64 | u128::from(self.chance.next());
        self.source.put(self.now, DAY, hash_key, 0, back, Rc::new(events));
        if self.now + pause < LAST_RECORD {
            self.at(self.now + pause, Happening::Records);
        }
    }

    fn event(&mut self) -> Event {
        self.events += 1;
        let now_ms = (DAY + self.now) as i64;
        let time_ms = match self.chance.between(0, 100) {
            0..80 => now_ms - self.chance.between(0, 9_000) as i64,
            80..94 => now_ms - self.chance.between(0, 45_000) as i64,
            94..98 => now_ms + self.chance.between(0, 55_000) as i64,
            _ => now_ms + self.chance.between(60_000, 1_000_000_000) as i64,
        };
        let zone = self.chance.between(0, 8);
        // The versions agree on what is late, and mostly on zones.
        let recent = (0..9_000).contains(&(now_ms - time_ms));
        let next_zone = if recent && self.chance.percent(30) { (zone + 1) % 8 } else { zone };
        Event { id: self.events, zone, next_zone, time_ms }
    }
}
