//! Handing leases from one worker to another while both live.
//!
//! The owner announces the lease in the next owner's row, goes on reading until that is sure to have been seen, then
//! lets the shard's task finish; the task's last commit makes the lease the next owner's in the same write. The next
//! owner, told by the answer to its own beat, looks at the lease's row every fiftieth of the failover time until it is
//! its own.

use super::held::Task;
use super::known::weight;
use super::{Action, Coordinator, Failed, Instant, Reason, Ticket};
use crate::{Move, Piece, Place, ShardId, Standing, Then, WorkerId, plan};
use std::collections::BTreeMap;
use std::time::Duration;

/// A lease that is to be another's.
#[derive(Debug, Clone)]
pub(super) struct Going {
    pub(super) to: WorkerId,
    /// When the announcement was answered.
    told: Option<Instant>,
    /// When the shard's task is to finish.
    drain_at: Instant,
}

/// A lease that another worker is about to hand to this one.
#[derive(Debug)]
pub(super) struct Coming {
    until: Instant,
    next: Instant,
}

/// An announcement under way.
#[derive(Debug)]
pub(super) struct Announcing {
    to: WorkerId,
    shards: Vec<ShardId>,
}

/// Leases that are another's already and of which it could not be told.
#[derive(Debug)]
pub(super) struct Untold {
    at: Instant,
    to: WorkerId,
    shards: Vec<ShardId>,
}

impl Coordinator {
    /// Begins moves of the plan that are this worker's to make.
    pub(super) fn start_moves(&mut self, now: Instant, moved: Vec<Move>) {
        let mut by_target: BTreeMap<WorkerId, Vec<ShardId>> = BTreeMap::new();
        for step in moved.into_iter().filter(|step| step.from == self.settings.worker) {
            let running =
                self.held.get(&step.key).is_some_and(|held| held.task == Task::Running && held.going.is_none());
            if running {
                by_target.entry(step.to).or_default().push(step.key);
            }
        }
        self.announce_all(now, by_target);
    }

    fn announce_all(&mut self, now: Instant, by_target: BTreeMap<WorkerId, Vec<ShardId>>) {
        // An announcement without an answer is waited for so long.
        let drain_at = now.plus(self.settings.failover / 5);
        for (to, shards) in by_target {
            for key in &shards {
                if let Some(held) = self.held.get_mut(key) {
                    held.going = Some(Going { to: to.clone(), told: None, drain_at });
                }
            }
            self.announce(to, shards);
        }
    }

    fn announce(&mut self, to: WorkerId, shards: Vec<ShardId>) {
        let ticket = self.ticket();
        self.actions.push_back(Action::Announce { ticket, to: to.clone(), shards: shards.clone() });
        self.announcing.insert(ticket, Announcing { to, shards });
    }

    pub(super) fn announced(&mut self, now: Instant, ticket: Ticket, result: Result<bool, Failed>) {
        let Some(Announcing { to, shards }) = self.announcing.remove(&ticket) else { return };
        if result == Ok(false) {
            self.fleet.forget(&to);
        }
        let period = self.fleet.member(&to).map_or(Duration::ZERO, |member| member.period);
        // The owner reads on meanwhile, so waiting costs nothing, unless it is to end.
        let most = if self.draining { self.settings.failover / 2 } else { self.settings.failover * 6 / 5 };
        let heard = period.mul_f64(1.1).min(most);
        if let Err(failed) = result {
            self.tell_again(now, &to, &shards, failed);
        }
        for key in shards {
            let Some(held) = self.held.get_mut(&key) else { continue };
            let Some(going) = held.going.as_mut().filter(|going| going.to == to && going.told.is_none()) else {
                continue;
            };
            if result == Ok(true) {
                going.told = Some(now);
                going.drain_at = now.plus(heard);
            } else if self.draining {
                // It goes to whoever is there when its task has finished.
                going.drain_at = now;
            } else if held.task == Task::Running {
                held.going = None;
            }
        }
    }

    /// What is another's by its row, and as far as is known has not been taken by it, is announced again some time later.
    fn tell_again(&mut self, now: Instant, to: &WorkerId, shards: &[ShardId], failed: Failed) {
        let still = |key: &&ShardId| self.known.row(key).is_some_and(|row| row.owner.as_ref() == Some(to));
        let shards: Vec<ShardId> =
            shards.iter().filter(|key| !self.held.contains_key(key)).filter(still).cloned().collect();
        let lives = self.fleet.active().any(|member| member.id == *to);
        if !shards.is_empty() && lives {
            let at = now.plus(self.pause(failed, 2));
            self.untold.push(Untold { at, to: to.clone(), shards });
        }
    }

    /// Lets tasks finish whose leases are to go.
    pub(super) fn tick_moves(&mut self, now: Instant) {
        let due = self.untold.iter().position(|untold| untold.at <= now);
        if let Some(Untold { to, shards, .. }) = due.map(|due| self.untold.swap_remove(due)) {
            self.announce(to, shards);
        }
        let due = |held: &super::held::Held| {
            held.task == Task::Running && held.going.as_ref().is_some_and(|going| going.drain_at <= now)
        };
        let keys: Vec<ShardId> = self.held.iter().filter(|(_, held)| due(held)).map(|(key, _)| key.clone()).collect();
        for key in keys {
            self.drain_task(&key);
            self.pump(now, &key);
        }
        self.tick_coming(now);
    }

    /// This worker shall stop: everything goes to the others.
    pub(super) fn leave(&mut self, now: Instant) {
        self.draining = true;
        self.beats.hurry(now);
        let places: Vec<Place> = self.places(false);
        let running = self.held.iter().filter(|(_, held)| held.task == Task::Running && held.ending.is_none());
        let pieces: Vec<Piece> = running
            .map(|(key, held)| Piece { key: key.clone(), weight: weight(&held.row), owner: None, movable: false })
            .collect();
        let mut by_target: BTreeMap<WorkerId, Vec<ShardId>> = BTreeMap::new();
        for (key, to) in plan(&pieces, &places).taken {
            by_target.entry(to).or_default().push(key);
        }
        self.announce_all(now, by_target);
        let alone: Vec<ShardId> =
            self.held.iter().filter(|(_, held)| held.going.is_none()).map(|(key, _)| key.clone()).collect();
        for key in alone {
            self.drain_task(&key);
            self.pump(now, &key);
        }
    }

    /// Who gets a lease that this worker lets go: whom it was announced to, or whom KCL's leader wants, or the one with
    /// the most room. Nobody, if this worker is alone.
    pub(super) fn next_owner(&self, key: &ShardId) -> Then {
        let Some(held) = self.held.get(key) else { return Then::Release };
        if held.is_handing_over(&self.settings.worker) {
            return held.row.owner.clone().map_or(Then::Release, Then::HandTo);
        }
        let alive = |going: &Going| self.fleet.active().any(|member| member.id == going.to);
        if let Some(going) = held.going.as_ref().filter(|going| alive(going)) {
            return Then::HandTo(going.to.clone());
        }
        let piece = Piece { key: key.clone(), weight: weight(&held.row), owner: None, movable: false };
        let taken = plan(&[piece], &self.places(false)).taken.pop();
        taken.map_or(Then::Release, |(_, to)| Then::HandTo(to))
    }

    /// A lease is `to`'s from now on. It is told (again) unless it is sure to be looking.
    pub(super) fn handed(&mut self, now: Instant, key: &ShardId, going: Option<Going>, to: &WorkerId) {
        let told = going.filter(|going| going.to == *to).and_then(|going| going.told);
        if told.is_none_or(|told| now.since(told) > self.settings.failover / 2) && self.fleet.member(to).is_some() {
            self.announce(to.clone(), vec![key.clone()]);
        }
    }

    /// Leases that others have announced.
    pub(super) fn come(&mut self, now: Instant, coming: &[ShardId]) {
        let announced: std::collections::BTreeSet<&ShardId> = coming.iter().collect();
        self.beats.heard.retain(|key| announced.contains(key));
        for key in coming {
            let known = self.held.contains_key(key) || self.draining;
            if known {
                self.beats.heard.insert(key.clone());
            } else if !self.beats.heard.contains(key) && !self.coming.contains_key(key) {
                let until = now.plus(self.settings.failover * 2);
                self.coming.insert(key.clone(), Coming { until, next: now });
            }
        }
    }

    fn tick_coming(&mut self, now: Instant) {
        let over = self.coming.iter().filter(|(_, coming)| now >= coming.until).map(|(key, _)| key.clone());
        let over: Vec<ShardId> = over.collect();
        for key in over {
            self.come_to_an_end(&key);
        }
        let due: Vec<ShardId> =
            self.coming.iter().filter(|(_, coming)| now >= coming.next).map(|(key, _)| key.clone()).collect();
        for key in due {
            if let Some(coming) = self.coming.get_mut(&key) {
                coming.next = now.plus(self.settings.failover / 50);
            }
            self.look(&key);
        }
    }

    fn come_to_an_end(&mut self, key: &ShardId) {
        if self.coming.remove(key).is_some() {
            self.beats.heard.insert(key.clone());
        }
    }

    /// A row was looked at: one that comes may be here, one that was left to others may be free still.
    pub(super) fn looked_at(&mut self, now: Instant, key: &ShardId) {
        let mine = self.known.row(key).is_some_and(|row| row.actual_owner() == Some(&self.settings.worker));
        if self.coming.contains_key(key) {
            if mine && !self.is_busy(key) {
                self.come_to_an_end(key);
                self.take(now, key, Reason::Handed);
            }
        } else if self.left_to.remove(key).is_some()
            && !self.draining
            && !self.is_busy(key)
            && self.known.is_free(key, &self.judge(now))
        {
            self.take(now, key, Reason::Free);
        }
    }

    /// Whether this worker has, takes or still stops reading this shard.
    pub(super) fn is_busy(&self, key: &ShardId) -> bool {
        self.held.contains_key(key) || self.stopping.contains(key)
    }

    /// Those that leases may be placed with.
    pub(super) fn places(&self, with_me: bool) -> Vec<Place> {
        let others = self.fleet.active().map(|member| member.id.clone()).collect::<Vec<_>>();
        let others = others.iter().filter_map(|id| self.place_of(id));
        others.chain(with_me.then(|| self.own_place())).collect()
    }

    /// A worker with what it carried when it last beat.
    pub(super) fn place_of(&self, id: &WorkerId) -> Option<Place> {
        let member = self.fleet.member(id).filter(|member| member.standing == Standing::Active)?;
        Some(Place {
            id: id.clone(),
            capacity: member.capacity,
            held_max: member.held_max.map_or(usize::MAX, |max| max as usize),
            leases: member.leases as usize,
            weight: member.weight,
        })
    }

    pub(super) fn own_place(&self) -> Place {
        Place {
            id: self.settings.worker.clone(),
            capacity: self.settings.capacity,
            held_max: self.settings.held_max.unwrap_or(usize::MAX),
            leases: self.held.len(),
            weight: self.weight(),
        }
    }

    pub(super) fn weight(&self) -> u64 {
        self.held.values().map(|held| weight(&held.row)).sum()
    }

    pub(super) fn moves_wake_at(&self) -> Option<Instant> {
        let going = self.held.values().filter(|held| held.task == Task::Running).filter_map(|held| held.going.as_ref());
        let coming = self.coming.values().map(|coming| coming.next.min(coming.until));
        let untold = self.untold.iter().map(|untold| untold.at);
        going.map(|going| going.drain_at).chain(coming).chain(untold).min()
    }
}
