//! What a world looks at: all the time, some time after faults stop, and at the end.

use crate::worker::Worker;
use crate::world::{DAY, STOP_DELAY, World};
use lease::{Checkpoint, ShardId, StartPosition};
use std::collections::{BTreeMap, BTreeSet};

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

    /// The same where a task starts.
    pub(crate) fn check_one_reader_of(&self, key: &ShardId) {
        let awake = |worker: &&Worker| worker.up && self.now >= worker.paused_until + STOP_DELAY;
        let tasks = self.workers.iter().filter(awake).filter_map(|worker| worker.tasks.get(key));
        assert!(tasks.filter(|task| !task.is_over()).count() <= 1, "{key} is read by two workers at {}", self.now);
    }

    /// The worker that reads most shards.
    pub fn busiest(&self) -> usize {
        let tasks = |index: &usize| self.workers[*index].tasks.len();
        (0..self.workers.len()).max_by_key(tasks).expect("a world with workers")
    }

    /// Open shards that nobody reads now.
    pub fn unread(&self) -> usize {
        let tasks = self.workers.iter().filter(|worker| worker.up).flat_map(|worker| worker.tasks.keys());
        let read: BTreeSet<&ShardId> = tasks.collect();
        self.stream.open_shards().iter().filter(|shard| !read.contains(shard)).count()
    }

    /// Every shard that has not ended is read, or waits for a parent that is. What is on its way from one worker to
    /// another at the moment of looking is looked at again after half the failover time.
    pub fn check_covered(&mut self, again: &[ShardId]) -> Vec<ShardId> {
        let open = self.stream.open_shards();
        let uncovered: Vec<ShardId> = open.into_iter().filter(|shard| !self.is_covered(shard)).collect();
        let unread: Vec<&ShardId> = uncovered.iter().filter(|shard| again.contains(shard)).collect();
        let rows: Vec<_> = unread.iter().map(|key| self.table.get(key)).collect();
        assert!(unread.is_empty(), "nobody reads {unread:?} at {}: {rows:?}", self.now);
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

    pub(crate) fn check_end(&self) {
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
        let at_tip = self.start == StartPosition::Latest;
        self.oracle.complete(&self.table, &self.stream, since, at_tip);
        assert_eq!(self.moves_at_rest, 0, "a fleet at rest makes moves");
        let held: Vec<usize> =
            self.workers.iter().filter(|worker| worker.up).map(|worker| worker.tasks.len()).collect();
        let (least, most) = (held.iter().min(), held.iter().max());
        let even = least.zip(most).is_none_or(|(least, most)| *most <= least + 1);
        assert!(even, "unequal at rest: {held:?}");
    }
}
