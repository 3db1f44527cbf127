//! One world: its time, its table and stream, its workers, and what happens to them.

use crate::chance::Chance;
use crate::network::{CALM, Fate, Weather};
use crate::oracle::Oracle;
use crate::stream::Stream;
use crate::task::{Task, Wish};
use crate::worker::Worker;
use lease::{
    Action, Ask, Checkpoint, Coordinator, Event, Failed, Lease, Settings, ShardId, StartPosition, Ticket, WorkerId,
    Write, WriteFailed,
};
use std::collections::BTreeMap;
use std::time::Duration;

/// All times are milliseconds.
const FAILOVER: u64 = 10_000;
/// A call is given up after a quarter of the failover time, on the caller's stopwatch.
const CALL_LIMIT: u64 = FAILOVER / 4;
/// So long after a lease is lost may its task still be at work.
pub const STOP_DELAY: u64 = 200;
/// Faults stop here…
const CALM_FROM: u64 = 150_000;
/// …by now every shard that can be read is read: the failover time, and some for the calls on the way…
const COVERED_BY: u64 = CALM_FROM + 3 * FAILOVER;
/// …by now nothing moves any more…
const AT_REST_FROM: u64 = COVERED_BY + 210_000;
/// …and here it ends.
const END: u64 = AT_REST_FROM + 60_000;
/// The time of day when a world begins.
pub const DAY: u64 = 1_700_000_000_000;

pub struct World {
    pub now: u64,
    chance: Chance,
    weather: Weather,
    pub stream: Stream,
    pub table: BTreeMap<ShardId, Lease>,
    pub workers: Vec<Worker>,
    queue: BTreeMap<(u64, u64), Happening>,
    order: u64,
    pub start: StartPosition,
    pub oracle: Oracle,
    pub moves_at_rest: u64,
    moves: u64,
}

#[derive(Debug)]
enum Happening {
    /// Reaches a worker, if it still lives the life it was meant for.
    Reach {
        worker: usize,
        life: u64,
        what: Reaching,
    },
    Land {
        write: Box<Write>,
        to: Option<(usize, u64, Ticket, u64)>,
    },
    ReadRow {
        worker: usize,
        life: u64,
        ticket: Ticket,
        key: ShardId,
        answer: u64,
    },
    ScanFirstHalf {
        worker: usize,
        life: u64,
        second: u64,
        answer: u64,
    },
    ScanSecondHalf {
        worker: usize,
        life: u64,
        rows: Vec<Lease>,
        answer: u64,
    },
    List {
        worker: usize,
        life: u64,
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
enum Reaching {
    Event(Box<Event>),
    Wake,
    Step { key: ShardId, task: u64 },
    Stop { key: ShardId, task: u64 },
    Start,
}

impl World {
    pub fn new(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let stream = Stream::new(chance.between(1, 6));
        let start = match chance.between(0, 3) {
            0 => StartPosition::TrimHorizon,
            1 => StartPosition::Latest,
            _ => StartPosition::AtTimestamp((DAY + chance.between(0, 20_000)) as i64),
        };
        let calm = chance.percent(10);
        let weather = Weather::draw(&mut chance, calm);
        let mut world = Self {
            now: 0,
            weather,
            chance,
            stream,
            table: BTreeMap::new(),
            workers: Vec::new(),
            queue: BTreeMap::new(),
            order: 0,
            start,
            oracle: Oracle::default(),
            moves_at_rest: 0,
            moves: 0,
        };
        // What happened to the stream before anybody looked.
        for _ in 0..world.chance.between(0, 3) {
            world.stream.put(&mut world.chance, DAY);
            world.stream.reshard(&mut world.chance);
        }
        for index in 0..world.chance.between(1, 5) {
            let at = world.chance.between(0, 15_000);
            let worker = world.worker(&format!("worker-{index}"), 0, at);
            world.workers.push(worker);
            world.reach(at, index as usize, 0, Reaching::Start);
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

    /// From the beginning to the end; what it came to.
    pub fn live(mut self) -> String {
        while let Some(((at, _), happening)) = self.queue.pop_first() {
            if at > END {
                break;
            }
            assert!(at >= self.now, "time goes back");
            self.now = at;
            self.happen(happening);
            self.check_one_reader();
        }
        self.check_end();
        format!("{} moves, {:?}", self.moves, self.table)
    }

    fn worker(&mut self, id: &str, life: u64, starts: u64) -> Worker {
        let drift = self.chance.between(0, 61) as i64 - 30;
        let id = WorkerId::new(id);
        let settings = Settings {
            worker: id.clone(),
            failover: Duration::from_millis(FAILOVER),
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
            woken_at: None,
            tasks: BTreeMap::new(),
            asks: BTreeMap::new(),
            id,
        }
    }

    fn at(&mut self, at: u64, happening: Happening) {
        self.order += 1;
        self.queue.insert((at.max(self.now), self.order), happening);
    }

    fn reach(&mut self, at: u64, worker: usize, life: u64, what: Reaching) {
        self.at(at, Happening::Reach { worker, life, what });
    }

    fn tell(&mut self, at: u64, worker: usize, life: u64, event: Event) {
        self.reach(at, worker, life, Reaching::Event(Box::new(event)));
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Reach { worker, life, what } => self.reached(worker, life, what),
            Happening::Land { write, to } => self.land(&write, to),
            Happening::ReadRow { worker, life, ticket, key, answer } => {
                let result = Ok(self.table.get(&key).cloned());
                self.tell(answer, worker, life, Event::Row { ticket, result });
            }
            Happening::ScanFirstHalf { worker, life, second, answer } => {
                let rows = self.half(0);
                self.at(second, Happening::ScanSecondHalf { worker, life, rows, answer });
            }
            Happening::ScanSecondHalf { worker, life, mut rows, answer } => {
                rows.extend(self.half(1));
                self.tell(answer, worker, life, Event::Rows(Ok(rows)));
            }
            Happening::List { worker, life, answer } => {
                let shards = self.stream.list();
                self.tell(answer, worker, life, Event::Shards(Ok(shards)));
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

    /// A scan is no snapshot: it reads one half of the rows, then the other. Which is which says the key's hash.
    fn half(&self, half: usize) -> Vec<Lease> {
        let hash = |key: &ShardId| key.as_str().bytes().map(|byte| usize::from(byte) * 7).sum::<usize>() / 3 % 2;
        self.table.values().filter(|row| hash(&row.key) == half).cloned().collect()
    }

    fn land(&mut self, write: &Write, to: Option<(usize, u64, Ticket, u64)>) {
        let before = self.table.get(write.key()).cloned();
        let result = match write.apply(before.as_ref()) {
            Ok(after) => {
                if matches!(write, Write::Create(row) if row.checkpoint == Checkpoint::Latest) {
                    self.oracle.last_latest_row = self.now;
                }
                self.oracle.wrote(&self.table, &self.stream, before.as_ref(), &after);
                self.table.insert(after.key.clone(), after.clone());
                Ok(after)
            }
            Err(_) => Err(WriteFailed::Refused(before.map(Box::new))),
        };
        if let Some((worker, life, ticket, answer)) = to {
            self.tell(answer, worker, life, Event::Wrote { ticket, result });
        }
    }

    fn reached(&mut self, index: usize, life: u64, what: Reaching) {
        let worker = &mut self.workers[index];
        if worker.life != life || (!worker.up && !matches!(what, Reaching::Start)) {
            return;
        }
        if self.now < worker.paused_until {
            let at = worker.paused_until;
            self.reach(at, index, life, what);
            return;
        }
        let now = worker.stopwatch(self.now);
        match what {
            Reaching::Event(event) => worker.coordinator.handle(now, *event),
            Reaching::Start => {
                worker.up = true;
                worker.coordinator.tick(now);
            }
            Reaching::Wake => {
                worker.woken_at = None;
                worker.coordinator.tick(now);
            }
            Reaching::Step { key, task } => self.step(index, &key, task),
            Reaching::Stop { key, task } => self.stop_task(index, &key, task),
        }
        self.perform_all(index);
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
            Action::ListShards => self.call(index, Event::Shards(Err(Failed { retry_after: Duration::ZERO })), None),
            Action::Scan => self.call(index, Event::Rows(Err(Failed { retry_after: Duration::ZERO })), None),
            Action::Read { ticket, key } => {
                let result = Err(Failed { retry_after: Duration::ZERO });
                self.call(index, Event::Row { ticket, result }, Some((key, None)));
            }
            Action::Write { ticket, write } => {
                let key = write.key().clone();
                let result = Err(WriteFailed::Unknown);
                self.call(index, Event::Wrote { ticket, result }, Some((key, Some(write))));
            }
            Action::Start { lease, .. } => {
                self.oracle.started(&self.table, &self.stream, &lease.key);
                self.order += 1;
                let (key, task) = (lease.key.clone(), self.order);
                let former = self.workers[index].tasks.insert(key.clone(), Task::new(task, *lease));
                assert!(former.is_none(), "{key} has two tasks in one worker");
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
                self.moves += 1;
                self.moves_at_rest += u64::from(self.now >= AT_REST_FROM);
            }
            Action::Finished => {
                assert!(self.workers[index].tasks.is_empty(), "finished with tasks at work");
                self.end_life(index);
            }
        }
    }

    /// Sends a call on its way. `failure` is what the caller hears if nothing comes back; with a throttle it hears that.
    fn call(&mut self, worker: usize, failure: Event, about: Option<(ShardId, Option<Box<Write>>)>) {
        let life = self.workers[worker].life;
        let limit = self.now + self.workers[worker].real(CALL_LIMIT);
        let (effect, answer) = match self.weather.fate(&mut self.chance) {
            Fate::Throttled { answer } => {
                let failed = Failed { retry_after: Duration::from_millis(self.chance.between(0, 500)) };
                let event = match failure {
                    Event::Wrote { ticket, .. } => {
                        Event::Wrote { ticket, result: Err(WriteFailed::NotWritten(failed)) }
                    }
                    Event::Row { ticket, .. } => Event::Row { ticket, result: Err(failed) },
                    Event::Shards(_) => Event::Shards(Err(failed)),
                    _ => Event::Rows(Err(failed)),
                };
                return self.tell(self.now + answer, worker, life, event);
            }
            Fate::Lost => return self.tell(limit, worker, life, failure),
            Fate::Served { effect, answer } => (self.now + effect, answer.map(|answer| self.now + answer)),
        };
        let answer = answer.filter(|answer| *answer < limit);
        match (failure, about, answer) {
            (Event::Wrote { ticket, result }, Some((_, Some(write))), answer) => {
                let to = answer.map(|answer| (worker, life, ticket, answer));
                self.at(effect, Happening::Land { write, to });
                if answer.is_none() {
                    self.tell(limit, worker, life, Event::Wrote { ticket, result });
                }
            }
            (Event::Row { ticket, .. }, Some((key, None)), Some(answer)) => {
                self.at(effect, Happening::ReadRow { worker, life, ticket, key, answer });
            }
            (Event::Rows(_), None, Some(answer)) => {
                let second = self.chance.between(effect, answer + 1);
                self.at(effect, Happening::ScanFirstHalf { worker, life, second, answer });
            }
            (Event::Shards(_), None, Some(answer)) => self.at(effect, Happening::List { worker, life, answer }),
            (failure, _, _) => self.tell(limit, worker, life, failure),
        }
    }

    fn step(&mut self, index: usize, key: &ShardId, id: u64) {
        let worker = &mut self.workers[index];
        let (now, life) = (worker.stopwatch(self.now), worker.life);
        let Some(task) = worker.tasks.get_mut(key).filter(|task| task.id == id) else { return };
        if self.now < CALM_FROM && self.chance.percent(1) && self.chance.percent(20) {
            return self.stop_task(index, key, id);
        }
        let wish = task.step(&self.stream, &mut self.chance, &mut self.oracle);
        if let Some(epoch) = task.delivering() {
            self.oracle.begun(key, epoch);
        }
        self.order += 1;
        let (ask, key) = (Ask(self.order), key.clone());
        let event = match wish {
            Wish::Wait => None,
            Wish::Commit(commit) => Some(Event::Commit { ask, key: key.clone(), commit }),
            Wish::End(children) => Some(Event::End { ask, key: key.clone(), read_until_ms: None, children }),
        };
        if let Some(event) = event {
            worker.asks.insert(ask, (key.clone(), id));
            worker.coordinator.handle(now, event);
        }
        let next = self.now + self.chance.between(30, 1_500);
        self.reach(next, index, life, Reaching::Step { key, task: id });
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

    fn misfortune(&mut self) {
        let index = self.chance.between(0, self.workers.len() as u64) as usize;
        let life = self.workers[index].life;
        match self.chance.between(0, 10) {
            0..3 => self.end_life(index),
            3..6 => {
                let until = self.now + self.chance.between(500, 25_000);
                self.workers[index].paused_until = until;
                // The coordination looks at its stopwatch before anything else moves.
                self.reach(until, index, life, Reaching::Wake);
            }
            6..8 if self.workers[index].up && !self.workers[index].leaving => {
                self.workers[index].leaving = true;
                self.tell(self.now, index, life, Event::Drain);
                // Killed if it does not leave in time.
                self.reach(self.now + 30_000, index, life, Reaching::Wake);
            }
            _ => {}
        }
        let next = self.now + self.chance.between(1_000, 20_000);
        if next < CALM_FROM {
            self.at(next, Happening::Misfortune);
        }
    }

    /// A process ends, and another starts in its place, sometimes under the same name.
    fn end_life(&mut self, index: usize) {
        let life = self.workers[index].life + 1;
        let id = self.workers[index].id.to_string();
        let id = if self.chance.percent(30) { id } else { format!("worker-{index}-{life}") };
        let after = if self.now < CALM_FROM { self.chance.between(100, 20_000) } else { 100 };
        // A process that is down when faults stop comes back then.
        let starts = (self.now + after).min(self.now.max(CALM_FROM) + 100);
        self.workers[index] = self.worker(&id, life, starts);
        self.reach(starts, index, life, Reaching::Start);
    }

    fn calm(&mut self) {
        self.weather = CALM;
        for index in 0..self.workers.len() {
            let worker = &mut self.workers[index];
            if self.now < worker.paused_until {
                worker.paused_until = self.now;
                let life = worker.life;
                self.reach(self.now, index, life, Reaching::Wake);
            }
        }
    }
}
