//! Taking, renewing, committing, losing and releasing one lease.

use super::held::{End, Fate, Held, Step, Task, Writing};
use super::{
    Action, Ask, Coordinator, Failed, Instant, LeaseLost, Reason, StartPosition, Ticket, WriteFailed, discovery,
};
use crate::{Checkpoint, Commit, Lease, Shard, ShardId, Then, WorkerId, Write};
use std::time::Duration;

impl Coordinator {
    /// Sends a take. The lease counts as held from now on, but has no task.
    pub(super) fn take(&mut self, now: Instant, key: &ShardId, reason: Reason) {
        let Some(row) = self.known.row(key).filter(|_| !self.is_busy(key)).cloned() else { return };
        let anew = self.known.is_former(&row, self.settings.failover);
        let unpinned = row.start_ms.is_none() && matches!(row.checkpoint, Checkpoint::Latest | Checkpoint::AtTimestamp);
        let start_ms = match self.settings.start {
            StartPosition::AtTimestamp(ms) => ms,
            _ => self.settings.started_ms + now.elapsed().as_millis() as i64,
        };
        if !unpinned && !anew {
            self.actions.push_back(Action::Prepare { lease: Box::new(without_void_epoch(row.clone())) });
        }
        let write = Write::Take {
            key: key.clone(),
            counter: row.counter,
            from: row.owner.clone(),
            owner: self.settings.worker.clone(),
            start_ms: unpinned.then_some(start_ms),
            anew,
        };
        let held = Held {
            row,
            task: Task::Taking(reason),
            valid_from: now,
            writing: None,
            waiting: None,
            ending: None,
            going: None,
            taken_at: now,
            failures: 0,
        };
        self.held.insert(key.clone(), held);
        self.send(now, key, write, None);
    }

    pub(super) fn send(&mut self, now: Instant, key: &ShardId, write: Write, ask: Option<Ask>) {
        let ticket = self.ticket();
        if let Some(held) = self.held.get_mut(key) {
            let step = Step::Sent(ticket);
            let action = Action::Write { ticket, write: Box::new(write.clone()) };
            let write = Writing { write, ask, sent_first: now, sent_last: now, step, uncertain: false };
            let lets_go = write.lets_go();
            held.writing = Some(write);
            self.actions.push_back(action);
            if lets_go {
                self.weigh_evidence();
            }
        }
    }

    /// Sends what comes next for a lease, unless a write is under way: a commit, the release of a lease without a task,
    /// or a renewal if it is due.
    pub(super) fn pump(&mut self, now: Instant, key: &ShardId) {
        let Some(held) = self.held.get_mut(key) else { return };
        if held.writing.is_some() || matches!(held.task, Task::Taking(_)) {
            return;
        }
        let counter = held.row.counter;
        if let Some((ask, mut commit)) = held.waiting.take() {
            // Invariant 2. A table cannot check it, so a task with this defect loses its lease instead.
            if commit.checkpoint.is_behind(&held.row.checkpoint) {
                self.actions.push_back(Action::Answer { ask, result: Err(LeaseLost) });
                self.remove(now, key, Reason::Backwards, None);
                return;
            }
            if commit.then == Then::Release && commit.checkpoint != Checkpoint::ShardEnd {
                commit.then = self.next_owner(key);
            }
            self.send(now, key, Write::Commit { key: key.clone(), counter, commit }, Some(ask));
        } else if held.task == Task::Over {
            let then = self.next_owner(key);
            match self.held[key].release(then) {
                Some(commit) => self.send(now, key, Write::Commit { key: key.clone(), counter, commit }, None),
                None => self.remove(now, key, Reason::Released, None),
            }
        } else if now >= self.held[key].renewal_due(&self.pace(now), &self.settings.worker) {
            self.send(now, key, Write::Renew { key: key.clone(), counter }, None);
        }
    }

    pub(super) fn held_wake_at(&self) -> Option<Instant> {
        let pace = self.pace(self.ticked);
        let me = &self.settings.worker;
        self.held.values().map(|held| held.wake_at(&pace, me)).chain(self.evidence_wake_at(self.ticked)).min()
    }

    /// Gives up what has run out, and does what is due.
    pub(super) fn tick_held(&mut self, now: Instant) {
        let pace = self.pace(now);
        let due = self.held.iter().filter(|(_, held)| now >= held.wake_at(&pace, &self.settings.worker));
        let keys: Vec<ShardId> = due.map(|(key, _)| key.clone()).collect();
        for key in keys {
            let Some(held) = self.held.get(&key) else { continue };
            if now >= held.end(&self.pace(now)) {
                self.remove(now, &key, Reason::NotRenewed, None);
                continue;
            }
            match held.writing.as_ref().map(|writing| writing.step) {
                Some(Step::SendAt(at)) if now >= at => self.send_again(now, &key),
                Some(Step::ReadAt(at)) if now >= at => self.read(&key),
                Some(_) => {}
                None => self.pump(now, &key),
            }
        }
        self.give_evidence(now);
    }

    fn send_again(&mut self, now: Instant, key: &ShardId) {
        let ticket = self.ticket();
        if let Some(writing) = self.held.get_mut(key).and_then(|held| held.writing.as_mut()) {
            writing.step = Step::Sent(ticket);
            writing.sent_last = now;
            self.actions.push_back(Action::Write { ticket, write: Box::new(writing.write.clone()) });
        }
    }

    fn read(&mut self, key: &ShardId) {
        let ticket = self.ticket();
        if let Some(writing) = self.held.get_mut(key).and_then(|held| held.writing.as_mut()) {
            writing.step = Step::Reading(ticket);
            self.actions.push_back(Action::Read { ticket, key: key.clone() });
        }
    }

    /// Which lease waits for this answer. None if it was given up meanwhile: the answer comes too late to count.
    fn waiting_for(&self, step: Step) -> Option<ShardId> {
        let waits = |held: &Held| held.writing.as_ref().is_some_and(|writing| writing.step == step);
        self.held.iter().find(|(_, held)| waits(held)).map(|(key, _)| key.clone())
    }

    pub(super) fn wrote(&mut self, now: Instant, ticket: Ticket, result: Result<Lease, WriteFailed>) {
        if self.creating.remove(&ticket).is_some() {
            self.created(now, result);
            return;
        }
        let Some(key) = self.waiting_for(Step::Sent(ticket)) else { return };
        self.beats.answered(now, matches!(result, Ok(_) | Err(WriteFailed::Refused(_))));
        match result {
            Ok(row) => self.happened(now, &key, row, |writing| writing.sent_last),
            Err(WriteFailed::Refused(row)) => self.believe(now, &key, row.map(|row| *row)),
            Err(WriteFailed::NotWritten(failed)) => self.try_later(now, &key, failed, Step::SendAt),
            Err(WriteFailed::Unknown) => {
                if let Some(writing) = self.held.get_mut(&key).and_then(|held| held.writing.as_mut()) {
                    writing.uncertain = true;
                }
                self.read(&key);
            }
        }
    }

    pub(super) fn row_read(&mut self, now: Instant, ticket: Ticket, result: Result<Option<Lease>, Failed>) {
        if let Some(key) = self.looks.remove(&ticket) {
            if let Ok(Some(row)) = result {
                self.see(now, row);
                self.looked_at(now, &key);
                self.take_children(now, &key);
            }
            return;
        }
        let Some(key) = self.waiting_for(Step::Reading(ticket)) else { return };
        match result {
            Ok(row) => self.believe(now, &key, row),
            Err(failed) => self.try_later(now, &key, failed, Step::ReadAt),
        }
    }

    fn try_later(&mut self, now: Instant, key: &ShardId, failed: Failed, step: fn(Instant) -> Step) {
        let Some(failures) = self.held.get(key).map(|held| held.failures) else { return };
        let at = now.plus(self.pause(failed, failures));
        if let Some(held) = self.held.get_mut(key) {
            held.failures = failures.saturating_add(1);
            if let Some(writing) = &mut held.writing {
                writing.step = step(at);
            }
        }
    }

    /// Believes the row.
    fn believe(&mut self, now: Instant, key: &ShardId, row: Option<Lease>) {
        let Some(held) = self.held.get(key) else { return };
        let Some(row) = row else {
            self.remove(now, key, Reason::Lost, None);
            return;
        };
        let taking = matches!(held.task, Task::Taking(_));
        match held.fate(&row, &self.settings.worker) {
            Fate::Happened => self.happened(now, key, row, |writing| writing.sent_first),
            // Somebody else may want it as well; the next round decides anew.
            Fate::Open if taking => {
                self.see(now, row);
                self.held.remove(key);
                self.scan_soon(now);
            }
            Fate::Open => self.try_later(now, key, Failed { retry_after: Duration::ZERO }, Step::SendAt),
            Fate::HandOver => {
                if let Some(held) = self.held.get_mut(key) {
                    held.row = row;
                    held.writing = None;
                }
                self.drain_task(key);
                self.pump(now, key);
            }
            Fate::Lost => self.remove(now, key, Reason::Lost, Some(row)),
        }
    }

    /// The write under way has happened and left `row`. `sent` tells when at the earliest.
    fn happened(&mut self, now: Instant, key: &ShardId, row: Lease, sent: fn(&Writing) -> Instant) {
        let Some(held) = self.held.get_mut(key) else { return };
        let Some(writing) = held.writing.take() else { return };
        let before = std::mem::replace(&mut held.row, row.clone());
        held.valid_from = sent(&writing);
        held.failures = 0;
        let task = held.task;
        self.see(now, row.clone());
        self.weigh_evidence();
        if let Some(ask) = writing.ask {
            self.actions.push_back(Action::Answer { ask, result: Ok(Box::new(row.clone())) });
        }
        if let Task::Taking(reason) = task {
            self.taken(now, key, row, before.owner, reason);
        } else if let Write::Commit { commit, .. } = &writing.write
            && commit.then != Then::Keep
        {
            self.let_go(now, key, commit);
            return;
        } else if row.checkpoint_owner.as_ref() == Some(&self.settings.worker) {
            self.drain_task(key);
        }
        self.pump(now, key);
    }

    /// The last write of a lease has happened.
    fn let_go(&mut self, now: Instant, key: &ShardId, commit: &Commit) {
        let going = self.held.get_mut(key).and_then(|held| held.going.take());
        match &commit.then {
            Then::HandTo(to) => {
                self.remove(now, key, Reason::Moved, None);
                self.handed(now, key, going, to);
            }
            _ if commit.checkpoint == Checkpoint::ShardEnd => {
                self.remove(now, key, Reason::Ended, None);
                self.look_at_family(&commit.children);
                self.next_listing = self.next_listing.min(now.plus(self.settings.failover / 2));
            }
            // There was nobody to hand it to. If this worker stays, it is the one to take it.
            _ => {
                self.remove(now, key, Reason::Released, None);
                self.scan_soon(now);
            }
        }
    }

    fn taken(&mut self, now: Instant, key: &ShardId, row: Lease, from: Option<WorkerId>, reason: Reason) {
        if let Some(held) = self.held.get_mut(key) {
            held.task = Task::Running;
        }
        self.weigh_evidence();
        // A take from before a time in which this worker was not heard is a lease that others may take, though it is heard
        // again: who found it dead may be at it still. Where beats are not answered at all, the take itself is what others
        // see of this worker. One whose fate was learned too late was given up already.
        let held = &self.held[key];
        let is_evidence = now < self.beats.seen_until(held.valid_from);
        let heard_since = self.beats.unheard_at.is_none_or(|at| held.valid_from >= at);
        let running = !self.draining && (is_evidence || heard_since);
        if let Some(held) = self.held.get_mut(key).filter(|_| !running) {
            held.task = Task::Over;
        }
        self.actions.push_back(Action::Moved { key: key.clone(), counter: row.counter, other: from, reason });
        if running {
            let checkpoint_is_ours = row.checkpoint_is_ours();
            let lease = Box::new(without_void_epoch(row));
            self.actions.push_back(Action::Start { lease, checkpoint_is_ours });
        }
    }

    /// The lease is no longer held. `row` is what a loss was learned from.
    pub(super) fn remove(&mut self, now: Instant, key: &ShardId, reason: Reason, row: Option<Lease>) {
        let Some(held) = self.held.remove(key) else { return };
        self.weigh_evidence();
        for ask in held.asks() {
            self.actions.push_back(Action::Answer { ask, result: Err(LeaseLost) });
        }
        let other = row.as_ref().and_then(|row| row.actual_owner().cloned());
        if let Some(row) = row {
            self.see(now, row);
        }
        if matches!(held.task, Task::Taking(_)) {
            // A write of ours that was given up has landed meanwhile.
            if other.as_ref() == Some(&self.settings.worker) && !self.draining {
                self.take(now, key, Reason::Handed);
            }
            self.scan_soon(now);
            return;
        }
        let counter = held.row.counter;
        self.actions.push_back(Action::Moved { key: key.clone(), counter, other, reason });
        if held.task != Task::Over {
            self.stopping.insert(key.clone());
            if !matches!(reason, Reason::Released | Reason::Moved | Reason::Ended) {
                self.actions.push_back(Action::Stop { key: key.clone() });
            }
        }
    }

    pub(super) fn drain_task(&mut self, key: &ShardId) {
        if let Some(held) = self.held.get_mut(key).filter(|held| held.task == Task::Running) {
            held.task = Task::Draining;
            self.actions.push_back(Action::Drain { key: key.clone() });
        }
    }

    /// The lease of a task that may commit.
    fn held_by_task(&mut self, key: &ShardId) -> Option<&mut Held> {
        self.held.get_mut(key).filter(|held| matches!(held.task, Task::Running | Task::Draining))
    }

    pub(super) fn commit(&mut self, now: Instant, ask: Ask, key: &ShardId, commit: Commit) {
        let Some(held) = self.held_by_task(key).filter(|held| held.ending.is_none()) else {
            self.actions.push_back(Action::Answer { ask, result: Err(LeaseLost) });
            return;
        };
        // Nobody waits any more for the answer to one that was asked for before.
        if let Some((before, _)) = held.waiting.replace((ask, commit)) {
            self.actions.push_back(Action::Answer { ask: before, result: Err(LeaseLost) });
        }
        self.pump(now, key);
    }

    pub(super) fn end(
        &mut self,
        now: Instant,
        ask: Ask,
        key: &ShardId,
        read_until_ms: Option<i64>,
        children: Vec<Shard>,
    ) {
        match self.held_by_task(key).filter(|held| held.waiting.is_none() && held.ending.is_none()) {
            Some(held) => {
                held.ending = Some(End { ask, asked: now, read_until_ms, children });
                self.advance_ends(now);
            }
            None => self.actions.push_back(Action::Answer { ask, result: Err(LeaseLost) }),
        }
    }

    /// Goes on with shards that have ended: rows for their children first, then `SHARD_END`.
    pub(super) fn advance_ends(&mut self, now: Instant) {
        let keys: Vec<ShardId> =
            self.held.iter().filter(|(_, held)| held.ending.is_some()).map(|(key, _)| key.clone()).collect();
        for key in keys {
            let Some(end) = self.held.get_mut(&key).and_then(|held| held.ending.take()) else { continue };
            if end.children.iter().all(|child| self.known.contains(&child.id)) {
                let commit = Commit {
                    read_until_ms: end.read_until_ms,
                    children: end.children.into_iter().map(|child| child.id).collect(),
                    ..Commit::at(Checkpoint::ShardEnd, Then::Release)
                };
                if let Some(held) = self.held.get_mut(&key) {
                    held.waiting = Some((end.ask, commit));
                }
                self.pump(now, &key);
                continue;
            }
            for child in &end.children {
                self.create_child(&end, child);
            }
            if let Some(held) = self.held.get_mut(&key) {
                held.ending = Some(end);
            }
        }
    }

    /// A merged child's row waits until its other parent has one (KCL waits too): a row says that its parents had rows
    /// before it, or else that parent would be taken for one that is done with.
    fn create_child(&mut self, end: &End, child: &Shard) {
        let created = self.known.contains(&child.id) || self.creating.values().any(|key| *key == child.id);
        let parents_known =
            child.parents.iter().all(|parent| self.known.contains(parent) || self.known.is_unlisted(parent, end.asked));
        if !created && parents_known {
            self.create(discovery::child_row(child, &self.known));
        } else if !created && self.known.listing.as_ref().is_none_or(|listing| listing.asked <= end.asked) {
            // Only a listing from now on can tell that the other parent has left the stream.
            self.next_listing = self.next_listing.min(end.asked.plus(self.settings.failover / 10));
        }
    }

    pub(super) fn task_stopped(&mut self, now: Instant, key: &ShardId) {
        if self.stopping.remove(key) {
            self.scan_soon(now);
            return;
        }
        let Some(held) = self.held_by_task(key) else { return };
        // The task broke, or finished without a word. Others may have better luck with its shard.
        held.task = Task::Over;
        let waiting = held.waiting.take().map(|(ask, _)| ask);
        let ending = held.ending.take().map(|end| end.ask);
        for ask in waiting.into_iter().chain(ending) {
            self.actions.push_back(Action::Answer { ask, result: Err(LeaseLost) });
        }
        if !self.draining {
            self.resting.insert(key.clone(), now.plus(self.settings.failover));
        }
        self.pump(now, key);
    }
}

/// The row as a task begins with it: if another consumer has moved the checkpoint, the pending epoch is not what comes
/// next.
fn without_void_epoch(row: Lease) -> Lease {
    let pending = row.pending.clone().filter(|_| row.checkpoint_is_ours());
    Lease { pending, ..row }
}
