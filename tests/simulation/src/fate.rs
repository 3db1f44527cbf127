//! What happens to workers.

use crate::network::CALM;
use crate::world::{CALM_FROM, Happening, Reaching, World};
use lease::{Event, ShardId};

impl World {
    pub(crate) fn misfortune(&mut self) {
        let index = self.chance.between(0, self.workers.len() as u64) as usize;
        let life = self.workers[index].life;
        match self.chance.between(0, 13) {
            0..3 => self.end_life(index),
            3..6 => {
                let until = self.now + self.chance.between(500, 25_000);
                self.workers[index].paused_until = until;
                // The coordination looks at its stopwatch before anything else moves.
                self.reach(until, index, life, Reaching::Wake);
            }
            6..8 => self.terminate(index),
            8 if self.state_can_fail => {
                self.state_out_until = self.now + self.chance.between(500, 40_000);
                self.stick();
            }
            9 => self.workers[index].state_out_until = self.now + self.chance.between(500, 40_000),
            10 => self.stick(),
            _ => {}
        }
        let next = self.now + self.chance.between(1_000, 20_000);
        if next < CALM_FROM {
            self.at(next, Happening::Misfortune);
        }
    }

    /// Calls about one lease hang for a while: its partition is hot, say.
    fn stick(&mut self) {
        let keys: Vec<&ShardId> = self.table.keys().collect();
        if !keys.is_empty() {
            let key = keys[self.chance.between(0, keys.len() as u64) as usize].clone();
            self.stuck = Some((key, self.now + self.chance.between(500, 30_000)));
        }
    }

    /// A worker is killed, and never comes back.
    pub fn kill(&mut self, index: usize) {
        self.replace(index, "never", u64::MAX >> 8);
    }

    /// One more worker starts.
    pub fn join(&mut self) {
        let index = self.workers.len();
        self.add_worker(index as u64, self.now);
    }

    /// A worker is asked to end.
    pub fn terminate(&mut self, index: usize) {
        let worker = &mut self.workers[index];
        if worker.up && !worker.leaving {
            worker.leaving = true;
            let life = worker.life;
            self.tell(self.now, index, life, Event::Drain);
        }
    }

    /// A process ends, and another starts in its place, sometimes under the same name.
    pub(crate) fn end_life(&mut self, index: usize) {
        let life = self.workers[index].life + 1;
        let id = self.workers[index].id.to_string();
        let id = if self.chance.percent(30) { id } else { format!("worker-{index}-{life}") };
        let after = if self.now < CALM_FROM { self.chance.between(100, 20_000) } else { 100 };
        // A process that is down when faults stop comes back then.
        let starts = (self.now + after).min(self.now.max(CALM_FROM) + 100);
        self.replace(index, &id, starts);
    }

    /// The process ends; one of this name starts then.
    fn replace(&mut self, index: usize, id: &str, starts: u64) {
        let life = self.workers[index].life + 1;
        self.workers[index] = self.worker(id, life, starts);
        self.reach(starts, index, life, Reaching::Start);
    }

    pub(crate) fn calm(&mut self) {
        self.weather = CALM;
        (self.state_out_until, self.stuck) = (0, None);
        for index in 0..self.workers.len() {
            let worker = &mut self.workers[index];
            worker.state_out_until = 0;
            if self.now < worker.paused_until {
                worker.paused_until = self.now;
                let life = worker.life;
                self.reach(self.now, index, life, Reaching::Wake);
            }
        }
    }
}
