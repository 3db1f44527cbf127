//! Who owns a shard, and what happens to owners.

use super::detecting::Detector;
use super::observing::{After, Observer};
use super::world::{CALM_FROM, DAY, Happening, Stage, World};
use lease::{Checkpoint, Lease, Shard, ShardId, WorkerId, Write};

pub enum Task {
    Observe(Box<Observer>),
    Detect(Box<Detector>),
}

impl Task {
    fn place(&self) -> (Stage, usize) {
        match self {
            Self::Observe(task) => (Stage::Observe, task.shard),
            Self::Detect(task) => (Stage::Detect, task.shard),
        }
    }

    fn paused_until(&mut self) -> &mut u64 {
        match self {
            Self::Observe(task) => &mut task.paused_until,
            Self::Detect(task) => &mut task.paused_until,
        }
    }

    fn drain(&mut self) {
        match self {
            Self::Observe(task) => task.draining = true,
            Self::Detect(task) => task.draining = true,
        }
    }
}

impl World {
    /// A shard of either stream, as ListShards tells it.
    fn shard(&self, stage: Stage, shard: usize) -> (ShardId, lease::HashRange) {
        match stage {
            Stage::Observe => (self.source.shards[shard].id.clone(), self.source.shards[shard].range),
            Stage::Detect => (self.rollup.shards[shard].id.clone(), self.rollup.shards[shard].range),
        }
    }

    pub(super) fn parents(&self, stage: Stage, shard: usize) -> Vec<ShardId> {
        match stage {
            Stage::Observe => {
                let parents = &self.source.shards[shard].parents;
                parents.iter().map(|parent| self.source.shards[*parent].id.clone()).collect()
            }
            Stage::Detect => {
                let parents = &self.rollup.shards[shard].parents;
                parents.iter().map(|parent| self.rollup.shards[*parent].id.clone()).collect()
            }
        }
    }

    /// Gives every shard that nobody has to somebody.
    pub(super) fn tend(&mut self) {
        self.clean_up();
        for stage in [Stage::Observe, Stage::Detect] {
            let shards = if stage == Stage::Observe { self.source.shards.len() } else { self.rollup.shards.len() };
            for shard in 0..shards {
                self.make_row(stage, shard);
                let owned = self.owners.get(&(stage, shard)).is_some_and(|owner| self.tasks[*owner].is_some());
                let kept_from = self.unowned_until.get(&(stage, shard)).is_some_and(|until| self.now < *until);
                let out = self.now < self.outage_until[stage as usize];
                if !owned && !kept_from && !out && self.parents_have_ended(stage, shard) {
                    self.take(stage, shard);
                }
            }
        }
        self.at(self.now + 500, Happening::Tend);
    }

    fn make_row(&mut self, stage: Stage, shard: usize) {
        let (id, hash_range) = self.shard(stage, shard);
        if !self.rows_made.insert((stage, shard)) {
            return;
        }
        let parents = self.parents(stage, shard);
        let lease = if parents.is_empty() {
            let checkpoint = match stage {
                Stage::Observe if self.from_tip => Checkpoint::Latest,
                _ => Checkpoint::TrimHorizon,
            };
            Lease::fresh(id.clone(), checkpoint)
        } else {
            let rows = &self.tables[stage as usize];
            let rows: Vec<&Lease> = parents.iter().filter_map(|key| rows.get(key)).collect();
            let shard = Shard { id: id.clone(), parents: parents.clone(), hash_range, starts_at: None, ended_at: None };
            Lease::child(&shard, &rows)
        };
        self.tables[stage as usize].insert(id, lease);
    }

    fn take(&mut self, stage: Stage, shard: usize) {
        let (key, _) = self.shard(stage, shard);
        let start_ms = (DAY + self.now) as i64 + self.skew();
        let Some(row) = self.tables[stage as usize].get_mut(&key) else { return };
        if row.checkpoint == Checkpoint::ShardEnd {
            return;
        }
        let owner = self.tasks.len();
        let pins = matches!(row.checkpoint, Checkpoint::Latest | Checkpoint::AtTimestamp);
        let write = Write::Take {
            key,
            counter: row.counter,
            from: row.owner.clone(),
            owner: WorkerId::new(&format!("worker-{owner}")),
            start_ms: pins.then_some(start_ms),
            anew: false,
        };
        *row = write.apply(Some(row)).expect("the row is as it was read");
        let row = row.clone();
        self.pin(stage, &row);
        let task = match stage {
            Stage::Observe => Task::Observe(Box::new(Observer::new(self, shard, row))),
            Stage::Detect => {
                self.sweep(&row);
                Task::Detect(Box::new(Detector::new(self, shard, row)))
            }
        };
        self.tasks.push(Some(task));
        self.owners.insert((stage, shard), owner);
        self.at(self.now, Happening::Step { owner });
    }

    /// The first start of a shard is where its truth begins.
    fn pin(&mut self, stage: Stage, row: &Lease) {
        if let (Stage::Observe, Some(start_ms)) = (stage, row.start_ms) {
            self.starts.entry(row.key.clone()).or_insert(start_ms);
        }
    }

    pub(super) fn step(&mut self, owner: usize) {
        let Some(mut task) = self.tasks[owner].take() else { return };
        let paused_until = *task.paused_until();
        let next = if self.now < paused_until {
            paused_until
        } else {
            let after = match &mut task {
                Task::Observe(task) => task.step(self, owner),
                Task::Detect(task) => task.step(self, owner),
            };
            if after == After::Stops {
                return;
            }
            self.now + self.chance.between(50, 700)
        };
        self.tasks[owner] = Some(task);
        self.at(next, Happening::Step { owner });
    }

    pub(super) fn misfortune(&mut self) {
        let next = self.now + self.chance.between(500, 15_000);
        if next < CALM_FROM {
            self.at(next, Happening::Misfortune);
        }
        let living: Vec<(Stage, usize)> = self.owners.keys().copied().collect();
        if living.is_empty() {
            return;
        }
        let place = living[self.chance.between(0, living.len() as u64) as usize];
        let owner = self.owners[&place];
        if self.tasks[owner].is_none() {
            return;
        }
        match self.chance.between(0, 4) {
            // A crash, and nobody notices for a while.
            0 => {
                self.tasks[owner] = None;
                let until = self.now + self.chance.between(100, 20_000);
                self.unowned_until.insert(place, until);
            }
            // Another takes the lease at once, and the former owner goes on as if nothing were.
            1 => drop(self.owners.remove(&place)),
            // A pause longer than the lease.
            2 => {
                let until = self.now + self.chance.between(1_000, 40_000);
                if let Some(task) = self.tasks[owner].as_mut() {
                    *task.paused_until() = until;
                }
                self.owners.remove(&place);
                self.unowned_until.insert(place, self.now + 10_000);
            }
            _ => {
                if let Some(task) = self.tasks[owner].as_mut() {
                    task.drain();
                }
            }
        }
    }

    /// A deploy ends what still runs of the version before.
    pub(super) fn drain_all(&mut self) {
        self.tasks.iter_mut().flatten().for_each(Task::drain);
    }

    /// Ends all tasks of a stage, or of one shard.
    pub(super) fn stop(&mut self, stage: Stage, shard: Option<usize>) {
        for task in &mut self.tasks {
            let meant = |task: &Task| task.place().0 == stage && shard.is_none_or(|shard| task.place().1 == shard);
            if task.as_ref().is_some_and(meant) {
                *task = None;
            }
        }
    }
}
