//! What happens in a world, apart from what always does.

use super::stream::number;
use super::world::{CALM_FROM, DAY, Happening, Stage, World};
use detect::message::Constants;
use detect::rollup::{Limits, Settings};
use lease::{Checkpoint, Write};

/// A kind of world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scene {
    /// Crashes, moves, zombies, weather, both streams resharded.
    Normal,
    /// No source shard is read for longer than the stall limit.
    ObserveOutage,
    /// One source shard is not read for longer than the stall limit.
    ShardUnowned,
    /// One source shard is not read for long, and splits meanwhile; silence is no limit.
    ParentStuck,
    /// The source stream loses all that came to one shard, or to the two of a split, while nobody read it.
    ShardTrimmed,
    /// The source stream loses what nobody read during an outage.
    SourceTrimmed,
    /// The rollup stream loses what nobody read during an outage.
    RollupTrimmed,
    /// States reach the limits of windows, zones and pieces.
    Limits,
    /// So few messages may wait that swaps make gaps.
    FewMayWait,
    /// Shards are forgotten soon.
    Forgetting,
    /// The source stream loses what a slow reader has not come to, while it owns the shard.
    FallsBehind,
    /// An operator moves a checkpoint, back or on.
    Reset,
    /// A rolling deploy of a version that finds other zones and writes messages that the one before cannot read.
    Versions,
}

/// What must hold in a scene.
#[derive(Debug, Clone, Copy)]
pub struct Promise {
    /// Every event is counted somewhere.
    pub nothing_lost: bool,
    /// No event finds its window closed.
    pub nothing_missed: bool,
    /// Late, future and missed events are told of their own zones.
    pub zones_apart: bool,
    /// A window is told the same each time.
    pub told_alike: bool,
    /// Once faults stop, windows are whole again.
    pub whole_at_last: bool,
}

impl Scene {
    pub(super) fn promise(self) -> Promise {
        let all = Promise {
            nothing_lost: true,
            nothing_missed: true,
            zones_apart: true,
            told_alike: true,
            whole_at_last: true,
        };
        match self {
            Self::Normal | Self::ObserveOutage | Self::ParentStuck | Self::Forgetting | Self::Versions => all,
            Self::ShardUnowned => Promise { nothing_missed: false, ..all },
            Self::Limits => Promise { nothing_missed: false, zones_apart: false, whole_at_last: false, ..all },
            Self::FewMayWait => Promise { nothing_lost: false, nothing_missed: false, ..all },
            Self::SourceTrimmed | Self::ShardTrimmed => Promise { nothing_lost: false, ..all },
            // What is read again takes its time, and what was skipped may be read after all. Who makes a former owner's epoch again as slowly is not heard of for long.
            Self::Reset | Self::FallsBehind => Promise { nothing_lost: false, nothing_missed: false, ..all },
            // A child may be applied as a gap before what is left of its parent.
            Self::RollupTrimmed => Promise { nothing_lost: false, nothing_missed: false, told_alike: false, ..all },
        }
    }

    /// Minutes of production are seconds here: panes of 10 s, lateness 10 s, a wait of 15 s, a stall limit of 60 s.
    pub(super) fn settings(self, groups: u16) -> Settings {
        let constants = Constants { groups, pane_ms: 10_000, lateness_ms: 10_000 };
        let mut settings =
            Settings { wait_ms: 15_000, stall_ms: 60_000, forget_ms: 1_000_000_000, ..Settings::new(constants) };
        match self {
            // Crashes one after the other keep a range silent for a minute, in one world of hundreds.
            Self::Normal | Self::Versions | Self::SourceTrimmed => settings.stall_ms = 120_000,
            Self::ParentStuck | Self::ShardTrimmed => settings.stall_ms = 1_000_000_000,
            // Late copies come up to 15 s behind, and a group's clock runs no faster than the world's.
            Self::Forgetting => (settings.stall_ms, settings.forget_ms) = (120_000, 70_000),
            Self::Limits => {
                settings.limits = Limits { windows_max: 12, pieces_max: 3, zones_max: 2, ..Limits::default() };
            }
            Self::FewMayWait => settings.limits.waiting_max = 2,
            _ => {}
        }
        settings
    }
}

/// What a source stream of a scene keeps surely, and what is gone; between the two lies what an hour is in production: room
/// for clocks that are wrong.
const KEPT: u64 = 30_000;
const RETENTION: u64 = 55_000;
/// From here on every task that starts is of the next version.
const DEPLOYED: u64 = 100_000;

impl World {
    /// When the scene's own things happen.
    pub(super) fn begin_scene(&mut self) {
        let act = self.chance.between(20_000, 50_000);
        match self.scene {
            Scene::Normal | Scene::Limits | Scene::FewMayWait | Scene::Forgetting => {}
            Scene::SourceTrimmed | Scene::FallsBehind => {
                self.rules.kept_ms = KEPT as i64;
                self.at(act, Happening::Scene(0));
                self.at(RETENTION, Happening::Scene(1));
            }
            Scene::ShardTrimmed => {
                self.rules.kept_ms = KEPT as i64;
                self.at(act, Happening::Scene(0));
            }
            Scene::Versions => self.at(DEPLOYED, Happening::Scene(0)),
            _ => self.at(act, Happening::Scene(0)),
        }
    }

    /// Which version a task is that starts now.
    pub(super) fn version(&mut self) -> u8 {
        let share = self.now.saturating_sub(DEPLOYED / 3) * 150 / DEPLOYED;
        u8::from(self.scene == Scene::Versions && self.chance.percent(share))
    }

    /// The scene's own things.
    pub(super) fn act(&mut self, act: u64) {
        let long = self.now + self.settings.stall_ms.min(70_000) + self.chance.between(1_000, 15_000);
        let until = long.min(CALM_FROM);
        match (self.scene, act) {
            (Scene::ObserveOutage, _) => self.outage(Stage::Observe, until),
            (Scene::ShardUnowned | Scene::ParentStuck, _) => {
                let shard = self.open_source_shard();
                self.stop(Stage::Observe, Some(shard));
                self.unowned_until.insert((Stage::Observe, shard), until);
                if self.scene == Scene::ParentStuck {
                    self.source.split(shard, self.now);
                }
            }
            (Scene::ShardTrimmed, 0) => self.leave_unread(),
            (Scene::ShardTrimmed, shard) => {
                let shard = shard as usize - 1;
                // A parent that was itself read late may have ended only just now, and nothing so young is lost.
                if self.was_read_long_ago(shard) {
                    self.source.trim_shard(shard);
                }
            }
            (Scene::SourceTrimmed, 0) => {
                let until = self.now + self.chance.between(KEPT, 90_000);
                self.outage(Stage::Observe, until);
            }
            (Scene::FallsBehind, 0) => {
                let until = self.now + self.chance.between(KEPT, 90_000);
                self.slow = Some((self.open_source_shard(), until.min(CALM_FROM)));
            }
            (Scene::SourceTrimmed | Scene::FallsBehind, _) => {
                self.source.trim(self.now - RETENTION);
                self.at(self.now + 1_000, Happening::Scene(1));
            }
            (Scene::RollupTrimmed, 0) => {
                let until = self.now + self.chance.between(10_000, 50_000);
                self.outage(Stage::Detect, until);
                self.at(until - 1, Happening::Scene(1));
            }
            (Scene::RollupTrimmed, _) => {
                let kept = self.chance.between(1_000, 20_000);
                self.rollup.trim(self.now - kept);
            }
            (Scene::Reset, _) => self.reset(),
            (Scene::Versions, _) => self.drain_all(),
            _ => {}
        }
    }

    /// Nobody reads a shard, or the children of one that splits, for longer than records are kept.
    fn leave_unread(&mut self) {
        let shard = self.open_source_shard();
        let unread = if self.chance.percent(50) {
            self.source.split(shard, self.now);
            self.source.children(shard)
        } else {
            self.stop(Stage::Observe, Some(shard));
            vec![shard]
        };
        let until = (self.now + KEPT + self.chance.between(15_000, 45_000)).min(CALM_FROM);
        for shard in unread {
            self.unowned_until.insert((Stage::Observe, shard), until);
            self.at(until - 1, Happening::Scene(1 + shard as u64));
        }
    }

    /// Whether the rows say that a shard, or what it continues, was last read before what is surely kept.
    fn was_read_long_ago(&self, shard: usize) -> bool {
        let rows_of_stage = &self.tables[Stage::Observe as usize];
        let places = [shard].into_iter().chain(self.source.shards[shard].parents.iter().copied());
        let mut rows = places.filter_map(|place| rows_of_stage.get(&self.source.shards[place].id));
        // One that nobody has read was last read where its parent was. Without a row its parent has not ended, and nothing
        // goes before what the parent still has.
        let has_row = rows_of_stage.contains_key(&self.source.shards[shard].id);
        let read_until_ms = rows.find_map(|row| row.read_until_ms.or(row.start_ms));
        has_row && read_until_ms.is_some_and(|read_until| read_until + (KEPT as i64) < (DAY + self.now) as i64)
    }

    /// An operator stops a shard's reader and moves its checkpoint: to a record before or behind it, to a time, to the tip.
    fn reset(&mut self) {
        let shard = self.open_source_shard();
        self.stop(Stage::Observe, Some(shard));
        let until = self.now + self.chance.between(500, 5_000);
        self.unowned_until.insert((Stage::Observe, shard), until);
        let records = &self.source.shards[shard].records;
        let key = self.source.shards[shard].id.clone();
        let (to, start_ms) = match self.chance.between(0, 4) {
            0 if !records.is_empty() => {
                let at = self.chance.between(0, records.len() as u64) as usize;
                (Checkpoint::through(number(records[at].sequence)), None)
            }
            1 => (Checkpoint::TrimHorizon, None),
            2 => (Checkpoint::Latest, None),
            _ => (Checkpoint::AtTimestamp, Some((DAY + self.now) as i64 - self.chance.between(0, 60_000) as i64)),
        };
        let Some(row) = self.tables[Stage::Observe as usize].get_mut(&key) else { return };
        // Kinesis makes no position of a shard that has none of its records left to tell, nor does the operator's command.
        if row.checkpoint != Checkpoint::ShardEnd {
            let write = Write::Reset { key, counter: row.counter, to, start_ms };
            *row = write.apply(Some(row)).expect("nobody else is at work");
        }
        if self.now < CALM_FROM / 2 {
            let again = self.now + self.chance.between(5_000, 60_000);
            self.at(again, Happening::Scene(0));
        }
    }

    fn open_source_shard(&mut self) -> usize {
        let open = self.source.open_shards();
        open[self.chance.between(0, open.len() as u64) as usize]
    }

    /// Nobody of a stage is at work.
    fn outage(&mut self, stage: Stage, until: u64) {
        self.stop(stage, None);
        self.outage_until[stage as usize] = until;
    }
}
