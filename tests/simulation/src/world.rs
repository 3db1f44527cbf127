//! One world: its time, its table and stream, its workers, and what happens to them.

use crate::calls::Call;
use crate::chance::Chance;
use crate::network::Weather;
use crate::oracle::Oracle;
use crate::stale::Former;
use crate::stream::Stream;
use crate::task::{Task, Wish};
use crate::used::Used;
use crate::worker::Worker;
use lease::{Action, Ask, Coordinator, Event, Lease, Member, Settings, ShardId, StartPosition, WorkerId};
use std::collections::BTreeMap;
use std::time::Duration;

/// All times are milliseconds.
pub const FAILOVER: u64 = 10_000;
/// A call is given up after a quarter of the failover time, on the caller's stopwatch.
pub const CALL_LIMIT: u64 = FAILOVER / 4;
/// So long after a lease is lost may its task still be at work.
pub const STOP_DELAY: u64 = 200;
/// Faults stop here…
pub const CALM_FROM: u64 = 150_000;
/// …by now every shard that can be read is read: the failover time, and some for the calls on the way…
const COVERED_BY: u64 = CALM_FROM + 3 * FAILOVER;
/// …by now nothing moves any more…
const AT_REST_FROM: u64 = COVERED_BY + 210_000;
/// …and here it ends.
const END: u64 = AT_REST_FROM + 60_000;
/// The time of day when a world begins.
pub const DAY: u64 = 1_700_000_000_000;

/// What a world is made of, where chance shall not decide.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Workers that start together.
    pub workers: u64,
    /// Shards of the stream.
    pub shards: u64,
    /// Every shard has a record whenever its task looks, and its task commits so often, milliseconds, and half a second
    /// at most for the read that begins the next epoch. None: there are no records.
    pub epoch: Option<u64>,
}

/// A shard that went from one worker to another.
#[derive(Debug, Clone)]
pub struct Handover {
    /// When the former task last did something.
    pub last: u64,
    /// When the next one first did.
    pub first: u64,
}

/// What a world came to.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// What calls to the tables used, by name.
    pub used: BTreeMap<&'static str, Used>,
    /// Leases that came or went.
    pub moves: u64,
    /// Shards that changed hands.
    pub handovers: Vec<Handover>,
}

/// One world.
pub struct World {
    pub(crate) now: u64,
    pub(crate) chance: Chance,
    pub(crate) weather: Weather,
    pub(crate) state_out_until: u64,
    /// A lease whose calls hang, and until when.
    pub(crate) stuck: Option<(ShardId, u64)>,
    pub(crate) state_can_fail: bool,
    pub(crate) stream: Stream,
    pub(crate) table: BTreeMap<ShardId, Lease>,
    pub(crate) members: BTreeMap<WorkerId, (Member, Vec<ShardId>)>,
    pub(crate) former_members: Former<Vec<Member>>,
    pub(crate) former_index: Former<BTreeMap<ShardId, WorkerId>>,
    pub(crate) workers: Vec<Worker>,
    queue: BTreeMap<(u64, u64), Happening>,
    order: u64,
    pub(crate) start: StartPosition,
    pub(crate) oracle: Oracle,
    tasks_break: bool,
    /// Longest pause between two looks of a task at its shard.
    step_max: u64,
    epoch: Option<u64>,
    /// Whether two readers are looked for at every event; else where a task starts, in worlds too large for that.
    looks_always: bool,
    pub(crate) moves_at_rest: u64,
    pub(crate) summary: Summary,
    /// When a task of each shard last did something, and whose.
    worked: BTreeMap<ShardId, (u64, u64)>,
}

#[derive(Debug)]
pub(crate) enum Happening {
    /// Reaches a worker, if it still lives the life it was meant for.
    Reach {
        worker: usize,
        life: u64,
        what: Reaching,
    },
    Effect {
        worker: usize,
        life: u64,
        call: Box<Call>,
        answer: Option<u64>,
    },
    ScanSecondHalf {
        worker: usize,
        life: u64,
        rows: Vec<Lease>,
        answer: u64,
    },
    Records,
    Reshard,
    Misfortune,
    Calm,
    Covered {
        again: Vec<ShardId>,
    },
}

#[derive(Debug)]
pub(crate) enum Reaching {
    Event(Box<Event>),
    Wake,
    Step { key: ShardId, task: u64 },
    Stop { key: ShardId, task: u64 },
    Start,
}

impl World {
    /// A world of chance.
    pub fn new(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let shards = chance.between(1, 6);
        let start = match chance.between(0, 3) {
            0 => StartPosition::TrimHorizon,
            1 => StartPosition::Latest,
            _ => StartPosition::AtTimestamp((DAY + chance.between(0, 20_000)) as i64),
        };
        let calm = chance.percent(10);
        let mut world = Self::empty(chance, shards, start);
        world.weather = Weather::draw(&mut world.chance, calm);
        world.state_can_fail = world.chance.percent(50);
        // What happened to the stream before anybody looked.
        for _ in 0..world.chance.between(0, 3) {
            world.stream.put(&mut world.chance, DAY);
            world.stream.reshard(&mut world.chance);
        }
        for index in 0..world.chance.between(1, 5) {
            let at = world.chance.between(0, 15_000);
            world.add_worker(index, at);
        }
        world.at(0, Happening::Records);
        world.at(CALM_FROM, Happening::Calm);
        world.at(COVERED_BY, Happening::Covered { again: Vec::new() });
        if !calm {
            world.at(0, Happening::Misfortune);
        }
        let reshards = world.chance.between(0, 5);
        for _ in 0..reshards {
            let at = world.chance.between(0, CALM_FROM);
            world.at(at, Happening::Reshard);
        }
        world
    }

    /// A world without faults, in which only what the caller says happens.
    pub fn quiet(seed: u64, setting: Setting) -> Self {
        let mut world = Self::empty(Chance::new(seed), setting.shards, StartPosition::TrimHorizon);
        // A task of a quiet world looks at its shard all the time, so that what is measured is the hand-over.
        (world.step_max, world.tasks_break) = (50, false);
        (world.epoch, world.looks_always) = (setting.epoch, false);
        for index in 0..setting.workers {
            let at = world.chance.between(0, 1_000);
            world.add_worker(index, at);
        }
        world
    }

    fn empty(chance: Chance, shards: u64, start: StartPosition) -> Self {
        Self {
            now: 0,
            chance,
            weather: crate::network::CALM,
            state_out_until: 0,
            stuck: None,
            state_can_fail: false,
            stream: Stream::new(shards),
            table: BTreeMap::new(),
            members: BTreeMap::new(),
            former_members: Former::default(),
            former_index: Former::default(),
            workers: Vec::new(),
            queue: BTreeMap::new(),
            order: 0,
            start,
            oracle: Oracle::default(),
            tasks_break: true,
            step_max: 1_500,
            epoch: None,
            looks_always: true,
            moves_at_rest: 0,
            summary: Summary::default(),
            worked: BTreeMap::new(),
        }
    }

    pub(crate) fn add_worker(&mut self, index: u64, at: u64) {
        let worker = self.worker(&format!("worker-{index}"), 0, at);
        self.workers.push(worker);
        self.reach(at, index as usize, 0, Reaching::Start);
    }

    /// From the beginning to the end; what it came to.
    pub fn live(mut self) -> String {
        self.live_until(END);
        self.check_end();
        format!("{} moves, {:?}", self.summary.moves, self.table)
    }

    /// Lives on until then.
    pub fn live_until(&mut self, end: u64) {
        while let Some(entry) = self.queue.first_entry() {
            let at = entry.key().0;
            if at > end {
                break;
            }
            let happening = entry.remove();
            assert!(at >= self.now, "time goes back");
            self.now = at;
            self.happen(happening);
            if self.looks_always {
                self.check_one_reader();
            }
        }
        self.now = end;
    }

    pub(crate) fn worker(&mut self, id: &str, life: u64, starts: u64) -> Worker {
        let drift = self.chance.between(0, 21) as i64 - 10;
        let id = WorkerId::new(id);
        let settings = Settings {
            worker: id.clone(),
            failover: Duration::from_millis(FAILOVER),
            capacity: 1_000,
            held_max: None,
            start: self.start,
            started_ms: (DAY + starts) as i64,
        };
        Worker {
            life,
            coordinator: Coordinator::new(settings, self.chance.next()),
            started: starts,
            drift,
            up: false,
            leaving: false,
            paused_until: 0,
            state_out_until: 0,
            backlog: Vec::new(),
            wakes: 0,
            woken_at: None,
            tasks: BTreeMap::new(),
            asks: BTreeMap::new(),
            id,
        }
    }

    pub(crate) fn at(&mut self, at: u64, happening: Happening) {
        self.order += 1;
        self.queue.insert((at.max(self.now), self.order), happening);
    }

    pub(crate) fn reach(&mut self, at: u64, worker: usize, life: u64, what: Reaching) {
        self.at(at, Happening::Reach { worker, life, what });
    }

    pub(crate) fn tell(&mut self, at: u64, worker: usize, life: u64, event: Event) {
        self.reach(at, worker, life, Reaching::Event(Box::new(event)));
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Reach { worker, life, what } => self.reached(worker, life, what),
            Happening::Effect { worker, life, call, answer } => self.effect(worker, life, *call, answer),
            Happening::ScanSecondHalf { worker, life, rows, answer } => {
                self.scan_second_half(worker, life, rows, answer);
            }
            Happening::Records => {
                self.stream.put(&mut self.chance, DAY + self.now);
                let next = self.now + self.chance.between(20, 400);
                // Until shortly before the end, so that all of it can be delivered.
                if next < END - 30_000 {
                    self.at(next, Happening::Records);
                }
            }
            Happening::Reshard => self.stream.reshard(&mut self.chance),
            Happening::Misfortune => self.misfortune(),
            Happening::Calm => self.calm(),
            Happening::Covered { again } => {
                let first = self.now == COVERED_BY;
                let uncovered = self.check_covered(&again);
                if first {
                    self.at(self.now + FAILOVER / 2, Happening::Covered { again: uncovered });
                }
            }
        }
    }

    fn reached(&mut self, index: usize, life: u64, what: Reaching) {
        let worker = &mut self.workers[index];
        if worker.life != life || (!worker.up && !matches!(what, Reaching::Start)) {
            return;
        }
        if self.now < worker.paused_until && !matches!(what, Reaching::Start) {
            worker.backlog.push(what);
            return;
        }
        let backlog = std::mem::take(&mut worker.backlog);
        let now = worker.stopwatch(self.now);
        match what {
            Reaching::Event(event) => worker.coordinator.handle(now, *event),
            Reaching::Start => {
                worker.up = true;
                worker.coordinator.tick(now);
            }
            // Overtaken by a later wish, which comes yet.
            Reaching::Wake if worker.woken_at.is_some_and(|at| at > self.now) => {}
            Reaching::Wake => {
                // A machine that is woken all the time does nothing else.
                worker.wakes += 1;
                assert!(worker.wakes < 1_000 + (self.now - worker.started) / 5, "{} never sleeps", worker.id);
                worker.woken_at = None;
                worker.coordinator.tick(now);
            }
            Reaching::Step { key, task } => self.step(index, &key, task),
            Reaching::Stop { key, task } => self.stop_task(index, &key, task),
        }
        self.perform_all(index);
        // What came during a pause comes now. The coordination has looked at its stopwatch before.
        for what in backlog {
            self.reach(self.now, index, life, what);
        }
    }

    fn perform_all(&mut self, index: usize) {
        while let Some(action) = self.workers[index].coordinator.poll() {
            self.perform(index, action);
        }
        let worker = &mut self.workers[index];
        let Some(wake) = worker.coordinator.wake_at().filter(|_| worker.up) else { return };
        let at = worker.world_time(wake).max(self.now + 1);
        if worker.woken_at.is_none_or(|woken| woken > at) {
            worker.woken_at = Some(at);
            let life = worker.life;
            self.reach(at, index, life, Reaching::Wake);
        }
    }

    fn perform(&mut self, index: usize, action: Action) {
        let life = self.workers[index].life;
        match action {
            Action::ListShards => self.call(index, Call::List),
            Action::Scan => self.call(index, Call::Scan),
            Action::Read { ticket, key } => self.call(index, Call::Read(ticket, key)),
            Action::Owned { ticket, owner } => self.call(index, Call::Owned(ticket, owner)),
            Action::Write { ticket, write } => self.call(index, Call::Write(ticket, write)),
            Action::Beat { ticket, member, heard } => self.call(index, Call::Beat(ticket, member, heard)),
            Action::ScanMembers => self.call(index, Call::ScanMembers),
            Action::ReadMembers { ticket, ids } => self.call(index, Call::ReadMembers(ticket, ids)),
            Action::Announce { ticket, to, shards } => self.call(index, Call::Announce(ticket, to, shards)),
            Action::Remove { id, beat } => self.call(index, Call::Remove(id, beat)),
            Action::Prepare { .. } => {}
            Action::Start { lease, .. } => {
                self.oracle.started(&self.table, &self.stream, &lease.key);
                self.order += 1;
                let (key, task) = (lease.key.clone(), self.order);
                let former = self.workers[index].tasks.insert(key.clone(), Task::new(task, *lease));
                assert!(former.is_none(), "{key} has two tasks in one worker");
                self.check_one_reader_of(&key);
                self.reach(self.now + 1, index, life, Reaching::Step { key, task });
            }
            Action::Drain { key } => {
                if let Some(task) = self.workers[index].tasks.get_mut(&key) {
                    task.draining = true;
                }
            }
            Action::Stop { key } => {
                if let Some(task) = self.workers[index].tasks.get(&key) {
                    let (task, at) = (task.id, self.now + self.chance.between(0, STOP_DELAY));
                    self.reach(at, index, life, Reaching::Stop { key, task });
                }
            }
            Action::Answer { ask, result } => {
                let asked = self.workers[index].asks.remove(&ask);
                let Some((key, id)) = asked else { panic!("an answer to nobody: {ask:?}") };
                let goes_on = match self.workers[index].tasks.get_mut(&key).filter(|task| task.id == id) {
                    Some(task) => task.answered(result),
                    None => true,
                };
                if !goes_on {
                    self.reach(self.now + 1, index, life, Reaching::Stop { key, task: id });
                }
            }
            Action::Moved { .. } => {
                self.summary.moves += 1;
                self.moves_at_rest += u64::from(self.now >= AT_REST_FROM);
            }
            Action::Finished => {
                assert!(self.workers[index].tasks.is_empty(), "finished with tasks at work");
                self.end_life(index);
            }
        }
    }

    /// A task of a shard does something: if it is another than before, the shard has changed hands.
    fn works(&mut self, key: &ShardId, task: u64) {
        if let Some((before, last)) = self.worked.insert(key.clone(), (task, self.now))
            && before != task
        {
            self.summary.handovers.push(Handover { last, first: self.now });
        }
    }

    /// What it has come to so far.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    fn step(&mut self, index: usize, key: &ShardId, id: u64) {
        let worker = &mut self.workers[index];
        let (now, life) = (worker.stopwatch(self.now), worker.life);
        let Some(task) = worker.tasks.get_mut(key).filter(|task| task.id == id) else { return };
        if self.tasks_break && self.now < CALM_FROM && self.chance.percent(1) && self.chance.percent(20) {
            return self.stop_task(index, key, id);
        }
        if !task.is_over() {
            self.works(key, id);
        }
        let worker = &mut self.workers[index];
        let Some(task) = worker.tasks.get_mut(key) else { return };
        if self.epoch.is_some() && task.is_idle() {
            self.stream.put_into(key, DAY + self.now);
        }
        let wish = task.step(&self.stream, &mut self.chance, &mut self.oracle);
        if let Some(epoch) = task.delivering() {
            self.oracle.begun(key, epoch);
        }
        self.order += 1;
        let (ask, key) = (Ask(self.order), key.clone());
        let waits = matches!(wish, Wish::Wait);
        let event = match wish {
            Wish::Wait => None,
            Wish::Commit(commit) => Some(Event::Commit { ask, key: key.clone(), commit }),
            Wish::End(children) => Some(Event::End { ask, key: key.clone(), read_until_ms: None, children }),
        };
        if let Some(event) = event {
            worker.asks.insert(ask, (key.clone(), id));
            worker.coordinator.handle(now, event);
        }
        let pause = match self.epoch {
            // What it has just delivered goes with the next epoch's commit.
            Some(_) if waits => self.step_max,
            Some(epoch) => epoch + self.chance.between(0, 500),
            None => self.chance.between(self.step_max / 50, self.step_max),
        };
        self.reach(self.now + pause, index, life, Reaching::Step { key, task: id });
    }

    /// The task is no more: done, told to stop, or broken.
    fn stop_task(&mut self, index: usize, key: &ShardId, id: u64) {
        let worker = &mut self.workers[index];
        if worker.tasks.get(key).is_some_and(|task| task.id == id) {
            worker.tasks.remove(key);
            let now = worker.stopwatch(self.now);
            worker.coordinator.handle(now, Event::TaskStopped { key: key.clone() });
        }
    }
}
