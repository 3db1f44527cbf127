//! What a world looks at: all the time, some time after faults stop, and at the end.

use crate::worker::Worker;
use crate::world::{DAY, STOP_DELAY, World};
use lease::{Checkpoint, ShardId, StartPosition};
use std::collections::BTreeMap;

impl World {
    /// Two workers never work on one shard at once. One that was paused for longer than its lease cannot know until it
    /// wakes, and its tasks have a moment to stop then; the conditional writes hold it off meanwhile.
    pub fn check_one_reader(&self) {
        let mut readers: BTreeMap<&ShardId, usize> = BTreeMap::new();
        let awake = |worker: &&Worker| worker.up && self.now >= worker.paused_until + STOP_DELAY;
        let tasks = self.workers.iter().filter(awake).flat_map(|worker| &worker.tasks);
        for (key, _) in tasks.filter(|(_, task)| !task.is_over()) {
            let count = readers.entry(key).or_default();
            *count += 1;
            assert!(*count == 1, "{key} is read by two workers at {}", self.now);
        }
    }

    /// Every shard that has not ended is read, or waits for a parent that is. What is on its way from one worker to
    /// another at the moment of looking is looked at again after a scan's time.
    pub fn check_covered(&mut self, again: &[ShardId]) -> Vec<ShardId> {
        let open = self.stream.open_shards();
        let uncovered: Vec<ShardId> = open.into_iter().filter(|shard| !self.is_covered(shard)).collect();
        let unread: Vec<&ShardId> = uncovered.iter().filter(|shard| again.contains(shard)).collect();
        assert!(unread.is_empty(), "nobody reads {unread:?} at {}", self.now);
        for shard in &uncovered {
            let row = self.table.get(shard);
            assert!(row.is_some_and(|row| row.owner.is_none()), "{shard} is not on its way, but {row:?}");
        }
        uncovered
    }

    fn is_covered(&self, key: &ShardId) -> bool {
        let read = self.workers.iter().any(|worker| worker.tasks.contains_key(key));
        let parents = &self.stream.shards[key].shard.parents;
        read || parents.iter().any(|parent| {
            let waiting = self.table.get(parent).is_some_and(|row| row.checkpoint != Checkpoint::ShardEnd);
            waiting && self.is_covered(parent)
        })
    }

    pub fn check_end(&self) {
        for shard in self.stream.open_shards() {
            let readers = self.workers.iter().filter(|worker| worker.tasks.contains_key(&shard)).count();
            assert_eq!(readers, 1, "readers of {shard} at the end");
        }
        let since = match self.start {
            StartPosition::TrimHorizon => 0,
            StartPosition::AtTimestamp(ms) => ms as u64,
            // Stopwatches drift, and the rows are made one after the other.
            StartPosition::Latest => DAY + self.oracle.last_latest_row + 2_000,
        };
        self.oracle.complete(&self.table, &self.stream, since);
        assert_eq!(self.moves_at_rest, 0, "a fleet at rest makes moves");
        let held: Vec<usize> = self.workers.iter().map(|worker| worker.tasks.len()).filter(|held| *held > 0).collect();
        let share = held.iter().sum::<usize>().div_ceil(held.len());
        assert!(held.iter().all(|held| *held <= share), "unequal at rest: {held:?}");
    }
}
