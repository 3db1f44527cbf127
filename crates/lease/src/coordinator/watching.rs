//! Watching the others, and taking from the dead.
//!
//! Each worker watches the few that come after it on the ring. One that is silent for two periods is suspected: its
//! leases are read. If it is still silent after three, its row is read once more, consistently, then its leases once more:
//! only if none of all that has moved is it dead. Its watchers then share its leases among themselves, at once; what the
//! fleet's balance makes of it is a matter of later moves.

use super::fleet::{Life, hash};
use super::{Action, Coordinator, Failed, Instant, Reason, Ticket};
use crate::{Lease, Member, ShardId, WorkerId};
use std::collections::BTreeMap;
use std::time::Duration;

/// A fleet up to this size is read whole at every look: the rows fit in one read unit or two, and cost less than three of
/// them by name.
const SMALL_FLEET: usize = 16;
/// How often what a dead worker leaves is looked at.
const ROUNDS_MAX: u32 = 10;

/// What is being found out about others.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// When the scan under way was asked for.
    scanning: Option<Instant>,
    next_scan: Instant,
    /// Reads by name under way.
    reading: BTreeMap<Ticket, (Vec<WorkerId>, Instant)>,
    next_read: Instant,
    /// Whom this worker watches, since the last look.
    watched: Vec<WorkerId>,
    suspects: BTreeMap<WorkerId, Suspect>,
}

/// How far a suspicion has come.
#[derive(Debug)]
enum Suspect {
    /// Its leases are being read.
    Listing(Ticket),
    /// They were read, and are compared a period later.
    Listed { at: Instant, counters: Counters },
    /// Its row is being read.
    Confirming { ticket: Ticket, counters: Counters },
    /// Its leases are being read again.
    Comparing { ticket: Ticket, counters: Counters },
    /// It is dead. What it still has is looked at then.
    Dead { look_at: Instant, ticket: Option<Ticket>, rounds: u32 },
}

type Counters = BTreeMap<ShardId, u64>;

impl Coordinator {
    pub(super) fn tick_watch(&mut self, now: Instant) {
        if self.watch.scanning.is_none() && now >= self.watch.next_scan {
            self.watch.scanning = Some(now);
            self.actions.push_back(Action::ScanMembers);
        }
        if now >= self.watch.next_read {
            self.watch.next_read = now.plus(self.look_pause());
            let watched = self.watch.watched.clone();
            if self.fleet.alive() > SMALL_FLEET && self.watch.reading.is_empty() && !watched.is_empty() {
                self.read_members(now, watched);
            }
        }
        for id in self.watch.watched.clone() {
            if self.fleet.is_silent(&id, now)
                && self.judges(now)
                && self.fleet.life(&id) == Life::Alive
                && !self.watch.suspects.contains_key(&id)
            {
                let ticket = self.read_owned(&id);
                self.watch.suspects.insert(id, Suspect::Listing(ticket));
            }
        }
        self.advance_suspects(now);
    }

    /// Whether this worker may judge others by their beats.
    pub(super) fn judges(&self, now: Instant) -> bool {
        self.fleet.judges(now, self.beats.period)
    }

    fn read_owned(&mut self, owner: &WorkerId) -> Ticket {
        let ticket = self.ticket();
        self.actions.push_back(Action::Owned { ticket, owner: owner.clone() });
        ticket
    }

    pub(super) fn read_members(&mut self, now: Instant, ids: Vec<WorkerId>) -> Ticket {
        let ticket = self.ticket();
        self.watch.reading.insert(ticket, (ids.clone(), now));
        self.actions.push_back(Action::ReadMembers { ticket, ids });
        ticket
    }

    /// Whether it was asked already, and not answered yet, if these have rows.
    pub(super) fn is_reading(&self, id: &WorkerId) -> bool {
        self.watch.reading.values().any(|(ids, _)| ids.contains(id))
    }

    /// The time between two looks at those that are watched.
    fn look_pause(&self) -> Duration {
        let watched = self.watch.watched.iter().filter_map(|id| self.fleet.member(id));
        // Those that hold nothing as well: they may have taken the leases of another dead one a moment ago.
        watched.map(|member| member.period).min().map_or(self.brisk() * 5, |period| period.mul_f64(1.5))
    }

    fn scan_pause(&self) -> Duration {
        if !self.settled {
            return self.brisk();
        }
        let small = self.fleet.alive() <= SMALL_FLEET;
        if small { self.look_pause() } else { (self.brisk() * 5).max(self.grown(self.brisk()) / 10) }
    }

    pub(super) fn members_scanned(&mut self, now: Instant, result: Result<Vec<Member>, Failed>) {
        let Some(asked) = self.watch.scanning.take() else { return };
        match result {
            Ok(mut members) => {
                members.retain(|member| member.id != self.settings.worker);
                let changed = self.fleet.scanned(members, asked, now);
                self.looked(now, changed);
                self.watch.next_scan = asked.plus(self.scan_pause());
            }
            Err(failed) => self.watch.next_scan = now.plus(self.pause(failed, 1)),
        }
    }

    pub(super) fn members_read(&mut self, now: Instant, ticket: Ticket, result: Result<Vec<Member>, Failed>) {
        let Some((ids, asked)) = self.watch.reading.remove(&ticket) else { return };
        let read = result.is_ok();
        if let Ok(mut members) = result {
            members.retain(|member| member.id != self.settings.worker);
            let changed = self.fleet.read(&ids, members, asked, now);
            self.looked(now, changed);
            self.unsure_answered(now);
        }
        // A suspect whose beat has moved is no longer one.
        let suspect = self.watch.suspects.iter_mut().find(
            |(_, suspect)| matches!(suspect, Suspect::Confirming { ticket: confirming, .. } if *confirming == ticket),
        );
        if let Some((id, suspect)) = suspect {
            let Suspect::Confirming { counters, .. } = suspect else { return };
            let (id, counters) = (id.clone(), std::mem::take(counters));
            let next = if read {
                Suspect::Comparing { ticket: self.read_owned(&id), counters }
            } else {
                Suspect::Listed { at: now, counters }
            };
            self.watch.suspects.insert(id, next);
        }
    }

    /// After any look: whom to watch, and who is no suspect any more.
    fn looked(&mut self, now: Instant, changed: bool) {
        self.watch.watched = self.fleet.watch(&self.settings.worker, now);
        if self.fleet.has_unseen(&self.watch.watched) {
            self.watch.next_read = now;
        }
        let fleet = &self.fleet;
        self.watch.suspects.retain(|id, suspect| match suspect {
            Suspect::Dead { .. } => fleet.life(id) == Life::Over,
            _ => fleet.member(id).is_none() || fleet.is_silent(id, now),
        });
        if changed {
            self.scan_soon(now);
        }
    }

    fn advance_suspects(&mut self, now: Instant) {
        let due: Vec<WorkerId> = self
            .watch
            .suspects
            .iter()
            .filter(|(id, _)| self.suspect_due(id) <= now)
            .map(|(id, _)| id.clone())
            .collect();
        for id in due {
            match self.watch.suspects.remove(&id) {
                Some(Suspect::Listed { counters, .. }) if self.judges(now) => {
                    let ticket = self.read_members(now, vec![id.clone()]);
                    self.watch.suspects.insert(id, Suspect::Confirming { ticket, counters });
                }
                Some(Suspect::Dead { look_at, rounds, .. }) if self.fleet.member(&id).is_some() => {
                    let ticket = Some(self.read_owned(&id));
                    self.watch.suspects.insert(id, Suspect::Dead { look_at, ticket, rounds });
                }
                // A suspicion from before a time without beats of our own begins anew; whoever has no row is asked about.
                _ => {}
            }
        }
    }

    /// When something is due about a suspect.
    fn suspect_due(&self, id: &WorkerId) -> Instant {
        let never = Instant::new(Duration::MAX);
        let Some(member) = self.fleet.member(id) else { return Instant::default() };
        match &self.watch.suspects[id] {
            Suspect::Listed { at, .. } => at.plus(member.period).max(self.fleet.silent_at(id).plus(member.period)),
            Suspect::Dead { look_at, ticket: None, .. } => *look_at,
            _ => never,
        }
    }

    pub(super) fn owned(&mut self, now: Instant, ticket: Ticket, result: Result<Vec<Lease>, Failed>) {
        let asked = |suspect: &Suspect| match suspect {
            Suspect::Listing(asked) | Suspect::Comparing { ticket: asked, .. } => *asked == ticket,
            Suspect::Dead { ticket: asked, .. } => *asked == Some(ticket),
            Suspect::Listed { .. } | Suspect::Confirming { .. } => false,
        };
        let found = self.watch.suspects.iter().find(|(_, suspect)| asked(suspect)).map(|(id, _)| id.clone());
        let Some(id) = found else { return };
        let Some(suspect) = self.watch.suspects.remove(&id) else { return };
        let Ok(rows) = result else {
            // Asked again from where it stood.
            match suspect {
                Suspect::Comparing { counters, .. } => {
                    self.watch.suspects.insert(id, Suspect::Listed { at: now, counters });
                }
                Suspect::Dead { rounds, .. } => self.look_again(now, id, rounds),
                _ => {}
            }
            return;
        };
        for row in &rows {
            self.see(now, row.clone());
        }
        match suspect {
            Suspect::Comparing { counters, .. } => {
                let rested = |row: &Lease| counters.get(&row.key) == Some(&row.counter);
                if rows.iter().all(rested) {
                    self.fleet.found_dead(&id);
                    self.share_out(now, &id, &rows);
                    self.look_again(now, id, 0);
                    self.scan_soon(now);
                } else {
                    self.fleet.lives(&id, now);
                }
            }
            Suspect::Dead { rounds, .. } => self.clear_up(now, id, &rows, rounds),
            _ => {
                let counters = rows.into_iter().map(|row| (row.key, row.counter)).collect();
                self.watch.suspects.insert(id, Suspect::Listed { at: now, counters });
            }
        }
    }

    fn look_again(&mut self, now: Instant, id: WorkerId, rounds: u32) {
        let pause = self.fleet.member(&id).map_or(self.brisk(), |member| member.period);
        let look_at = now.plus(pause * (rounds + 1));
        self.watch.suspects.insert(id, Suspect::Dead { look_at, ticket: None, rounds: rounds + 1 });
    }

    /// A worker was found dead: this one takes its part of what it had. Its watchers find it within a second or two of
    /// each other; the leases' names divide what it had, however much of that the others have taken by then.
    fn share_out(&mut self, now: Instant, dead: &WorkerId, rows: &[Lease]) {
        let mut watchers = self.fleet.watchers_of(dead, &self.settings.worker);
        watchers.sort();
        let Some(place) = watchers.iter().position(|id| *id == self.settings.worker).filter(|_| !self.draining) else {
            return;
        };
        for row in rows {
            let chosen = hash(row.key.as_str()) % watchers.len() as u64;
            if chosen == place as u64 && self.known.is_free(&row.key, &self.judge(now)) {
                self.take(now, &row.key, Reason::Expired);
            }
        }
    }

    /// What the watchers of a dead worker have not taken is taken by whoever comes first; then its row goes.
    fn clear_up(&mut self, now: Instant, id: WorkerId, rows: &[Lease], rounds: u32) {
        let Some(beat) = self.fleet.member(&id).map(|member| member.beat) else { return };
        if rows.is_empty() {
            self.fleet.forget(&id);
            self.actions.push_back(Action::Remove { id, beat });
            return;
        }
        if rounds >= ROUNDS_MAX || self.draining {
            return;
        }
        for row in rows {
            if self.known.is_free(&row.key, &self.judge(now)) {
                self.take(now, &row.key, Reason::Expired);
            }
        }
        self.look_again(now, id, rounds);
    }

    pub(super) fn watch_wake_at(&self) -> Instant {
        let never = Instant::new(Duration::MAX);
        let scan = if self.watch.scanning.is_none() { self.watch.next_scan } else { never };
        let mut wake = scan.min(self.watch.next_read);
        for id in self.watch.suspects.keys() {
            wake = wake.min(self.suspect_due(id));
        }
        // Without beats of its own it judges nobody; the answer to one wakes it.
        if self.judges(self.ticked) {
            for id in &self.watch.watched {
                if !self.watch.suspects.contains_key(id) && self.fleet.life(id) == Life::Alive {
                    wake = wake.min(self.fleet.silent_at(id));
                }
            }
        }
        wake
    }
}
