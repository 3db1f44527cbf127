//! A rollup shard's task: folds messages into the states of its key groups, stores and commits snapshots.

use super::observing::After;
use super::pane::Ids;
use super::stream::{number, place};
use super::table::{CALL_LIMIT, Writing, named};
use super::world::{Happening, Stage, World};
use crate::network::Fate;
use detect::message::Unreadable;
use detect::snapshot::{Name, Saver, Snapshot, is_taken_over, orphans};
use lease::{Checkpoint, Commit, Lease, Then};
use std::rc::Rc;

const SAVE_PERIOD: u64 = 20_000;

pub struct Detector {
    pub shard: usize,
    pub row: Lease,
    pub paused_until: u64,
    pub draining: bool,
    version: u8,
    /// Loading takes its time; `None` until it is done.
    state: Option<Snapshot<Ids>>,
    load_at: u64,
    read_to: u64,
    ended: bool,
    saver: Saver,
    storing: Option<Storing>,
    writing: Option<Writing>,
    save_at: u64,
}

struct Storing {
    ticket: u64,
    sent: u64,
    read_to: u64,
    ended: bool,
}

impl Detector {
    pub fn new(world: &mut World, shard: usize, row: Lease) -> Self {
        let shard_name = row.key.as_str().into();
        let load_at = world.now + world.chance.between(0, 4_000);
        let save_at = load_at + world.chance.between(1_000, SAVE_PERIOD);
        let saver = Saver::new(shard_name, named(&row));
        Self {
            shard,
            row,
            paused_until: 0,
            draining: false,
            version: world.version(),
            state: None,
            load_at,
            read_to: 0,
            ended: false,
            saver,
            storing: None,
            writing: None,
            save_at,
        }
    }

    pub fn step(&mut self, world: &mut World, me: usize) -> After {
        if self.state.is_none() {
            if world.now < self.load_at {
                return After::GoesOn;
            }
            if self.load(world) == After::Stops {
                return After::Stops;
            }
        }
        if self.writing.is_some() && self.await_write(world, me) == After::Stops {
            return After::Stops;
        }
        self.fold(world);
        if self.writing.is_none() {
            self.save(world, me);
        }
        After::GoesOn
    }

    /// Loads what the row names, as the take left it; of the parents what lies in the own range.
    fn load(&mut self, world: &mut World) -> After {
        let mut state = Snapshot::new(world.settings.clone());
        let mut names: Vec<Name> = named(&self.row).into_iter().collect();
        if names.is_empty() {
            let parents = world.parents(Stage::Detect, self.shard);
            let rows = parents.iter().map(|key| world.tables[Stage::Detect as usize].get(key));
            let Some(rows) = rows.collect::<Option<Vec<_>>>() else { return self.lost(world) };
            names = rows.into_iter().filter_map(named).collect();
        }
        let range = world.rollup.shards[self.shard].range;
        for name in names {
            let Some(bytes) = world.store.get(&name) else { return self.lost(world) };
            let snapshot = Snapshot::decode(bytes, &world.settings).expect("only snapshots are stored");
            state.join(snapshot.part(&(range.start..=range.end)));
        }
        self.read_to = match &self.row.checkpoint {
            Checkpoint::At { sequence, .. } => place(sequence),
            _ => 0,
        };
        self.state = Some(state);
        After::GoesOn
    }

    /// A snapshot is missing: no fault if somebody else has the lease by now.
    fn lost(&self, world: &World) -> After {
        let row = world.tables[Stage::Detect as usize].get(&self.row.key);
        let mine = row.is_some_and(|row| row.counter == self.row.counter);
        assert!(!mine, "the snapshot of {} is lost", self.row.key);
        After::Stops
    }

    fn fold(&mut self, world: &mut World) {
        if self.ended || self.draining {
            return;
        }
        let max = world.chance.between(1, 60) as usize;
        let read = world.rollup.read(self.shard, self.read_to, world.now, max);
        let state = self.state.as_mut().expect("it was loaded");
        for record in read.records {
            let message = match World::read_message(&record.data, self.version) {
                Ok(message) => message,
                // A worker that knows this version shall have the shard; nothing of the message is taken in.
                Err(Unreadable::Newer(_)) => {
                    self.draining = true;
                    return;
                }
                Err(Unreadable::Malformed) => panic!("only messages are put"),
            };
            self.read_to = record.sequence;
            let group = message.group;
            let told = state.group(group).apply(message, record.arrival_ms).expect("the stream's own messages");
            world.truth.told(group, told);
        }
        if read.is_end {
            self.ended = true;
            for state in state.groups() {
                let told = state.end();
                world.truth.told(state.group(), told);
            }
        }
    }

    /// Every so often, before the lease goes, and at the shard's end: store, then commit.
    fn save(&mut self, world: &mut World, me: usize) {
        match (&self.storing, self.saver.to_commit().cloned()) {
            (None, _) if world.now >= self.save_at || self.ended || self.draining => self.store(world, me),
            (None, _) => {}
            (Some(storing), Some(name)) => {
                let checkpoint = match (storing.ended, storing.read_to) {
                    (true, _) => Checkpoint::ShardEnd,
                    (false, 0) => self.row.checkpoint.clone(),
                    (false, read_to) => Checkpoint::through(number(read_to)),
                };
                let then = if storing.ended || self.draining { Then::Release } else { Then::Keep };
                let commit = Commit { snapshot: Some(name.to_string().into()), ..Commit::at(checkpoint, then) };
                self.writing = Some(world.write(Stage::Detect, me, &self.row, commit));
            }
            (Some(storing), None) if world.now >= storing.sent + CALL_LIMIT => self.store(world, me),
            (Some(_), None) => {}
        }
    }

    fn store(&mut self, world: &mut World, me: usize) {
        self.save_at = world.now + SAVE_PERIOD;
        let name = self.saver.begin(self.row.counter);
        let bytes = Rc::new(self.state.as_ref().expect("it was loaded").encode());
        world.tickets += 1;
        let ticket = world.tickets;
        self.storing = Some(Storing { ticket, sent: world.now, read_to: self.read_to, ended: self.ended });
        match world.weather.fate(&mut world.chance) {
            Fate::Throttled { .. } | Fate::Lost => {}
            Fate::Served { effect, answer } => {
                let answer = answer.filter(|answer| *answer < CALL_LIMIT).map(|answer| world.now + answer);
                world.at(world.now + effect, Happening::Store { owner: me, ticket, name, bytes, answer });
            }
        }
    }

    pub fn store_answered(&mut self, ticket: u64) {
        if self.storing.as_ref().is_some_and(|storing| storing.ticket == ticket) {
            self.saver.stored();
        }
    }

    pub fn write_answered(&mut self, ticket: u64, effective: bool) {
        if let Some(writing) = &mut self.writing {
            writing.answered(ticket, effective);
        }
    }

    fn await_write(&mut self, world: &mut World, me: usize) -> After {
        if self.writing.as_ref().expect("a write is awaited").is_under_way(world.now) {
            return After::GoesOn;
        }
        let row = world.tables[Stage::Detect as usize].get(&self.row.key).cloned();
        let Some(row) = row else { return After::Stops };
        let writing = self.writing.take().expect("a write is awaited");
        if row.counter == self.row.counter {
            // It may still land. The same again, or a later state: the row will say which it was.
            if world.chance.percent(50) {
                self.writing = Some(world.write(Stage::Detect, me, &self.row, writing.commit));
            } else {
                self.storing = None;
            }
            return After::GoesOn;
        }
        if let Some(replaced) = self.saver.committed(named(&row).as_ref()) {
            world.store.remove(&replaced);
        }
        if row.owner != self.row.owner {
            return After::Stops;
        }
        self.storing = None;
        self.row = row;
        After::GoesOn
    }
}

impl World {
    /// Deletes what former owners of a rollup shard stored and nobody will name.
    pub(super) fn sweep(&mut self, row: &Lease) {
        let names: Vec<Name> = self.store.keys().cloned().collect();
        for name in orphans(&names, row.key.as_str(), row.counter, named(row).as_ref()) {
            self.store.remove(&name);
        }
    }

    /// Deletes rows and snapshots of rollup shards that all children have taken over.
    pub(super) fn clean_up(&mut self) {
        for shard in 0..self.rollup.shards.len() {
            let key = self.rollup.shards[shard].id.clone();
            let rows = &self.tables[Stage::Detect as usize];
            let ended = rows.get(&key).is_some_and(|row| row.checkpoint == Checkpoint::ShardEnd);
            let children = self.rollup.children(shard);
            let children = children.iter().map(|child| rows.get(&self.rollup.shards[*child].id));
            // A child whose row is gone has been taken over itself.
            let of_child = |row: Option<&Lease>| row.and_then(named);
            let names: Vec<Option<Name>> = children.map(of_child).collect();
            if ended && is_taken_over(names.iter().map(Option::as_ref)) {
                let row = self.tables[Stage::Detect as usize].remove(&key).expect("it is there");
                named(&row).map(|name| self.store.remove(&name));
            }
        }
    }
}
