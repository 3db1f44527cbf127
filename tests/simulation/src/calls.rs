//! The calls of a worker: on their way, taking effect, answered or not.

use crate::network::Fate;
use crate::used::{LEASE_BYTES, MEMBER_BYTES, Used};
use crate::world::{CALL_LIMIT, Happening, World};
use lease::{
    BeatFailed, Beaten, Checkpoint, Event, Failed, Lease, Member, Rows, ShardId, Standing, Then, Ticket, WorkerId,
    Write, WriteFailed,
};
use std::collections::BTreeMap;
use std::time::Duration;

/// A call under way.
#[derive(Debug, Clone)]
pub enum Call {
    List,
    Scan,
    Read(Ticket, ShardId),
    Owned(Ticket, WorkerId),
    Write(Ticket, Box<Write>),
    Beat(Ticket, Box<Member>, Vec<ShardId>),
    ScanMembers,
    ReadMembers(Ticket, Vec<WorkerId>),
    Announce(Ticket, WorkerId, Vec<ShardId>),
    Remove(WorkerId, u64),
}

/// What a caller hears that got no answer.
#[derive(Debug, Clone, Copy)]
enum Silence {
    Throttled(Failed),
    Unknown,
}

impl Call {
    /// Whether it goes to the table of workers.
    fn is_state(&self) -> bool {
        matches!(
            self,
            Self::Beat(..) | Self::ScanMembers | Self::ReadMembers(..) | Self::Announce(..) | Self::Remove(..)
        )
    }

    /// The one lease it is about.
    fn key(&self) -> Option<&ShardId> {
        match self {
            Self::Read(_, key) => Some(key),
            Self::Write(_, write) => Some(write.key()),
            _ => None,
        }
    }

    fn failure(&self, silence: Silence) -> Option<Event> {
        let failed = match silence {
            Silence::Throttled(failed) => failed,
            Silence::Unknown => Failed { retry_after: Duration::ZERO },
        };
        Some(match self {
            Self::List => Event::Shards(Err(failed)),
            Self::Scan => Event::Rows(Err(failed)),
            Self::Read(ticket, _) => Event::Row { ticket: *ticket, result: Err(failed) },
            Self::Owned(ticket, _) => Event::Owned { ticket: *ticket, result: Err(failed) },
            Self::Write(ticket, _) => {
                let result = match silence {
                    Silence::Throttled(failed) => WriteFailed::NotWritten(failed),
                    Silence::Unknown => WriteFailed::Unknown,
                };
                Event::Wrote { ticket: *ticket, result: Err(result) }
            }
            Self::Beat(ticket, ..) => {
                let result = match silence {
                    Silence::Throttled(failed) => BeatFailed::NotWritten(failed),
                    Silence::Unknown => BeatFailed::Unknown,
                };
                Event::Beaten { ticket: *ticket, result: Err(result) }
            }
            Self::ScanMembers => Event::Members(Err(failed)),
            Self::ReadMembers(ticket, _) => Event::MembersRead { ticket: *ticket, result: Err(failed) },
            Self::Announce(ticket, ..) => Event::Announced { ticket: *ticket, result: Err(failed) },
            Self::Remove(..) => return None,
        })
    }
}

impl World {
    /// Sends a call on its way.
    pub fn call(&mut self, worker: usize, call: Call) {
        let life = self.workers[worker].life;
        let limit = self.now + self.workers[worker].real(CALL_LIMIT);
        self.count(worker, &call);
        let mut fate = self.weather.fate(&mut self.chance);
        let state_out_until = self.state_out_until.max(self.workers[worker].state_out_until);
        if self.stuck.as_ref().is_some_and(|(key, until)| self.now < *until && call.key() == Some(key)) {
            fate = Fate::Lost;
        }
        if call.is_state() && self.now < state_out_until {
            fate = if self.chance.percent(50) { Fate::Lost } else { Fate::Throttled { answer: 5 } };
        }
        match fate {
            Fate::Throttled { answer } => {
                let failed = Failed { retry_after: Duration::from_millis(self.chance.between(0, 500)) };
                if let Some(event) = call.failure(Silence::Throttled(failed)) {
                    self.tell(self.now + answer, worker, life, event);
                }
            }
            Fate::Lost => self.unanswered(limit, worker, life, &call),
            Fate::Served { effect, answer } => {
                let (effect, answer) = (self.now + effect, answer.map(|answer| self.now + answer));
                let answer = answer.filter(|answer| *answer < limit);
                if answer.is_none() {
                    self.unanswered(limit, worker, life, &call);
                }
                self.at(effect, Happening::Effect { worker, life, call: Box::new(call), answer });
            }
        }
    }

    /// Counts what a call to a table uses, whatever becomes of it.
    fn count(&mut self, worker: usize, call: &Call) {
        let leases = self.table.len() as u64;
        let (name, used) = match call {
            // Another service.
            Call::List => return,
            // And a look for the table of KCL's workers, which is not there.
            Call::Scan => ("scan", Used::scan(leases, LEASE_BYTES, true) + Used { requests: 1.0, ..Used::default() }),
            Call::Read(..) => ("read", Used::rows(1)),
            Call::Owned(_, owner) => {
                let rows = self.table.values().filter(|row| row.owner.as_ref() == Some(owner)).count();
                ("owned", Used::owned(rows as u64))
            }
            Call::Write(_, write) => {
                let me = &self.workers[worker].id;
                let had = self.table.get(write.key()).is_some_and(|row| row.owner.is_some());
                match &**write {
                    Write::Take { from, .. } if from.as_ref() == Some(me) => ("take", Used::write(0)),
                    Write::Take { .. } => ("take", Used::write(1 + u64::from(had))),
                    Write::Commit { commit, .. } if commit.then == Then::Keep => ("commit", Used::write(0)),
                    Write::Commit { commit, .. } if commit.then == Then::Release => ("hand over", Used::write(1)),
                    Write::Commit { .. } => ("hand over", Used::write(2)),
                    Write::Renew { .. } => ("renew", Used::write(0)),
                    _ => ("create", Used::write(0)),
                }
            }
            Call::Beat(..) => ("beat", Used::write(0)),
            Call::ScanMembers => ("scan workers", Used::scan(self.members.len() as u64, MEMBER_BYTES, false)),
            Call::ReadMembers(_, ids) => ("read workers", Used::rows(ids.len() as u64)),
            Call::Announce(..) => ("announce", Used::write(0)),
            Call::Remove(..) => ("remove worker", Used::write(0)),
        };
        let sum = self.summary.used.entry(name).or_default();
        *sum = *sum + used;
    }

    fn unanswered(&mut self, limit: u64, worker: usize, life: u64, call: &Call) {
        if let Some(event) = call.failure(Silence::Unknown) {
            self.tell(limit, worker, life, event);
        }
    }

    /// A call takes effect; its answer, if it has one, is on its way.
    pub fn effect(&mut self, worker: usize, life: u64, call: Call, answer: Option<u64>) {
        let event = match call {
            Call::List => Event::Shards(Ok(self.stream.list())),
            Call::Scan => {
                let rows = self.half(0);
                if let Some(answer) = answer {
                    let second = self.chance.between(self.now, answer + 1);
                    self.at(second, Happening::ScanSecondHalf { worker, life, rows, answer });
                }
                return;
            }
            Call::Read(ticket, key) => Event::Row { ticket, result: Ok(self.table.get(&key).cloned()) },
            Call::Owned(ticket, owner) => {
                // The index is a moment old, the rows it names are read consistently.
                let stale = self.chance.percent(self.weather.stale);
                let indexed = || {
                    let owned = self.table.values().filter_map(|row| Some((row.key.clone(), row.owner.clone()?)));
                    owned.collect::<BTreeMap<_, _>>()
                };
                let index = self.former_index.read(self.now, stale, indexed);
                let named = index.iter().filter(|(_, indexed)| **indexed == owner).map(|(key, _)| &self.table[key]);
                let rows = named.filter(|row| row.owner.as_ref() == Some(&owner));
                Event::Owned { ticket, result: Ok(rows.cloned().collect()) }
            }
            Call::Write(ticket, write) => Event::Wrote { ticket, result: self.land(&write) },
            Call::Beat(ticket, member, heard) => {
                let row = self.members.entry(member.id.clone()).or_insert_with(|| ((*member).clone(), Vec::new()));
                row.0 = *member;
                row.1.retain(|shard| !heard.contains(shard));
                Event::Beaten { ticket, result: Ok(Beaten { coming: row.1.clone() }) }
            }
            Call::ScanMembers => {
                let stale = self.chance.percent(self.weather.stale);
                let rows = || self.members.values().map(|row| row.0.clone()).collect();
                Event::Members(Ok(self.former_members.read(self.now, stale, rows)))
            }
            Call::ReadMembers(ticket, ids) => {
                let rows = ids.iter().filter_map(|id| self.members.get(id)).map(|row| row.0.clone());
                Event::MembersRead { ticket, result: Ok(rows.collect()) }
            }
            Call::Announce(ticket, to, shards) => {
                let row = self.members.get_mut(&to).filter(|row| row.0.standing == Standing::Active);
                let result = Ok(row.is_some());
                if let Some(row) = row {
                    row.1.extend(shards);
                }
                Event::Announced { ticket, result }
            }
            Call::Remove(id, beat) => {
                if self.members.get(&id).is_some_and(|row| row.0.beat == beat) {
                    self.members.remove(&id);
                }
                return;
            }
        };
        if let Some(answer) = answer {
            self.tell(answer, worker, life, event);
        }
    }

    /// The rest of a scan.
    pub fn scan_second_half(&mut self, worker: usize, life: u64, mut rows: Vec<Lease>, answer: u64) {
        rows.extend(self.half(1));
        let result = Ok(Rows { leases: rows, ..Rows::default() });
        self.tell(answer, worker, life, Event::Rows(result));
    }

    /// A scan is no snapshot: it reads one half of the rows, then the other. Which is which says the key's hash.
    fn half(&self, half: usize) -> Vec<Lease> {
        let hash = |key: &ShardId| key.as_str().bytes().map(|byte| usize::from(byte) * 7).sum::<usize>() / 3 % 2;
        self.table.values().filter(|row| hash(&row.key) == half).cloned().collect()
    }

    fn land(&mut self, write: &Write) -> Result<Lease, WriteFailed> {
        let before = self.table.get(write.key()).cloned();
        match write.apply(before.as_ref()) {
            Ok(after) => {
                if matches!(write, Write::Create(row) if row.checkpoint == Checkpoint::Latest) {
                    self.oracle.last_latest_row = self.now;
                }
                self.oracle.wrote(&self.table, &self.stream, before.as_ref(), &after);
                self.table.insert(after.key.clone(), after.clone());
                Ok(after)
            }
            Err(_) => Err(WriteFailed::Refused(before.map(Box::new))),
        }
    }
}
