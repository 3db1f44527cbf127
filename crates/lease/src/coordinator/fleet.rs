//! The workers of the fleet as last seen, and which of them live.
//!
//! A worker is judged by its beat, on this worker's stopwatch, and only while this worker's own beats are answered: who
//! cannot reach the table cannot say that others are silent. Times of seeing are times of answers: what an answer shows
//! had happened by then, so a worker's silence is never counted from before its last beat was sent.

use super::Instant;
use crate::{Member, Standing, WorkerId};
use std::collections::BTreeMap;
use std::time::Duration;

/// Workers that each worker watches closely: those next to it on the ring of names. With three, a worker and two of its
/// watchers may die at once and still be found within the time of one.
const WATCHED: usize = 3;
/// Beats that a worker may miss before it is suspected. One more, and it is dead.
const MISSED_BEATS: u32 = 2;

/// A worker as last seen.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) member: Member,
    /// When its beat was first seen as it is, or a sign of life was seen on its leases.
    moved: Instant,
    /// When it was last seen.
    last: Instant,
    /// Since when this worker watches it, if it does.
    watched: Option<Instant>,
    /// The beat at which it was found dead.
    dead_at: Option<u64>,
}

/// Everybody but this worker.
#[derive(Debug, Clone, Default)]
pub(super) struct Fleet {
    members: BTreeMap<WorkerId, Seen>,
    /// Owners that had no row, by when that was asked for, consistently.
    rowless: BTreeMap<WorkerId, Instant>,
    /// When the last scan that was answered had been asked for.
    pub(super) scan_asked: Option<Instant>,
    /// Since when this worker's beats have been answered without a break, and when the last one was.
    judging: Option<(Instant, Instant)>,
}

/// What is known of an owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    /// Its row beats.
    Alive,
    /// It was found dead, or says that it holds nothing any more.
    Over,
    /// It has no row that was seen.
    Unknown,
}

impl Seen {
    /// Whether it was seen since it is watched.
    fn is_looked_at(&self) -> bool {
        self.watched.is_some_and(|since| self.last >= since)
    }

    fn is_alive(&self) -> bool {
        self.dead_at != Some(self.member.beat) && self.member.standing != Standing::Left
    }
}

impl Fleet {
    /// This worker's own beat was answered. `period` is the time between two.
    pub(super) fn beaten(&mut self, now: Instant, period: Duration) {
        let unbroken = self.judging.filter(|(_, last)| now.since(*last) <= period * 2);
        self.judging = Some((unbroken.map_or(now, |(since, _)| since), now));
    }

    /// Whether this worker may judge others by their beats.
    pub(super) fn judges(&self, now: Instant, period: Duration) -> bool {
        self.judging.is_some_and(|(_, last)| now.since(last) <= period * 2)
    }

    /// When a worker will have been silent for so long that it is suspected, as far as this worker may say and if nothing
    /// is seen of it before. Of one that was not looked at since it is watched nothing is said: the last scan may be older
    /// than many beats, and when many die at once a watcher would suspect all that it has not watched so far.
    pub(super) fn silent_at(&self, id: &WorkerId) -> Instant {
        let never = Instant::new(Duration::MAX);
        let Some((since, _)) = self.judging else { return never };
        let at = |seen: &Seen| seen.moved.max(since).plus(seen.member.period * MISSED_BEATS);
        self.members.get(id).filter(|seen| seen.is_looked_at()).map_or(never, at)
    }

    /// Whether it is.
    pub(super) fn is_silent(&self, id: &WorkerId, now: Instant) -> bool {
        now >= self.silent_at(id)
    }

    /// Puts in a row. `true`: there is an active worker more, or less, or one has left, perhaps with a lease that was
    /// handed to it too late.
    pub(super) fn observe(&mut self, member: Member, now: Instant) -> bool {
        self.rowless.remove(&member.id);
        let active = member.standing == Standing::Active;
        let Some(seen) = self.members.get_mut(&member.id) else {
            let seen = Seen { member, moved: now, last: now, watched: None, dead_at: None };
            self.members.insert(seen.member.id.clone(), seen);
            return active;
        };
        let stands = |seen: &Seen| (seen.is_alive(), seen.is_alive() && seen.member.standing == Standing::Active);
        let before = stands(seen);
        // A read that was asked for before another may be answered after it.
        if member.beat != seen.member.beat {
            seen.moved = now;
        }
        seen.last = now;
        seen.member = member;
        before != stands(seen)
    }

    /// Puts in all rows of a scan that was asked for at `asked`.
    pub(super) fn scanned(&mut self, members: Vec<Member>, asked: Instant, now: Instant) -> bool {
        let count = self.members.len();
        let there: std::collections::BTreeSet<&WorkerId> = members.iter().map(|member| &member.id).collect();
        self.members.retain(|id, seen| seen.last >= asked || there.contains(id));
        let mut changed = self.members.len() != count;
        for member in members {
            changed |= self.observe(member, now);
        }
        self.scan_asked = Some(asked);
        changed
    }

    /// These were read, consistently, as asked for at `asked`; who is not among the rows has none.
    pub(super) fn read(&mut self, ids: &[WorkerId], members: Vec<Member>, asked: Instant, now: Instant) -> bool {
        let mut changed = false;
        for id in ids {
            if !members.iter().any(|member| member.id == *id) {
                changed |= self.members.remove(id).is_some();
                self.rowless.insert(id.clone(), asked);
            }
        }
        for member in members {
            changed |= self.observe(member, now);
        }
        changed
    }

    /// A lease of this owner is not as it was. All leases of a dead worker were looked at when it was found dead: if one
    /// has changed or come since, the worker lives, whatever keeps its beat. (A later life of its name may take before all
    /// have seen it beat.)
    pub(super) fn lease_moved(&mut self, owner: &WorkerId, now: Instant) {
        if let Some(seen) = self.members.get_mut(owner).filter(|seen| !seen.is_alive()) {
            seen.dead_at = None;
            seen.member.standing = Standing::Active;
            seen.moved = now;
        }
    }

    /// A suspect's lease moved while it was watched.
    pub(super) fn lives(&mut self, id: &WorkerId, now: Instant) {
        if let Some(seen) = self.members.get_mut(id) {
            seen.moved = now;
        }
    }

    /// A worker is dead until its beat moves.
    pub(super) fn found_dead(&mut self, id: &WorkerId) {
        if let Some(seen) = self.members.get_mut(id) {
            seen.dead_at = Some(seen.member.beat);
        }
    }

    pub(super) fn forget(&mut self, id: &WorkerId) {
        self.members.remove(id);
    }

    pub(super) fn life(&self, owner: &WorkerId) -> Life {
        match self.members.get(owner) {
            Some(seen) if seen.is_alive() => Life::Alive,
            Some(_) => Life::Over,
            None => Life::Unknown,
        }
    }

    /// Whether an owner was asked for, after `since`, and had no row.
    pub(super) fn is_rowless(&self, owner: &WorkerId, since: Instant) -> bool {
        self.rowless.get(owner).is_some_and(|asked| *asked >= since)
    }

    pub(super) fn member(&self, id: &WorkerId) -> Option<&Member> {
        self.members.get(id).map(|seen| &seen.member)
    }

    /// Those that take leases.
    pub(super) fn active(&self) -> impl Iterator<Item = &Member> {
        let alive = self.members.values().filter(|seen| seen.is_alive());
        alive.map(|seen| &seen.member).filter(|member| member.standing == Standing::Active)
    }

    /// Those that live, leaving ones included.
    pub(super) fn alive(&self) -> usize {
        self.members.values().filter(|seen| seen.is_alive()).count()
    }

    /// Whether somebody has seen another consumer's workers.
    pub(super) fn see_strangers(&self) -> bool {
        self.members.values().any(|seen| seen.is_alive() && seen.member.strangers)
    }

    /// Those that `me` watches from now on: walking up the ring from it, everybody as far as the third that is not silent.
    /// All know the ring, so all know who watches whom, and where several neighbours have died the next one sees to them
    /// all.
    pub(super) fn watch(&mut self, me: &WorkerId, now: Instant) -> Vec<WorkerId> {
        let mut watched = Vec::new();
        let mut sound = 0;
        for id in self.ring_after(me, me) {
            let Some(seen) = self.members.get_mut(&id) else { continue };
            if sound == WATCHED || seen.member.standing == Standing::Left {
                seen.watched = None;
                continue;
            }
            seen.watched.get_or_insert(now);
            let silent = !seen.is_alive() || self.is_silent(&id, now);
            sound += usize::from(!silent);
            watched.push(id);
        }
        watched
    }

    /// Whether one of these was not looked at since it is watched.
    pub(super) fn has_unseen(&self, watched: &[WorkerId]) -> bool {
        watched.iter().filter_map(|id| self.members.get(id)).any(|seen| !seen.is_looked_at())
    }

    /// The living workers that watch `id`, `me` among them if it does: the three before it on the ring.
    pub(super) fn watchers_of(&self, id: &WorkerId, me: &WorkerId) -> Vec<WorkerId> {
        let mut ring = self.ring_after(id, me);
        ring.reverse();
        let takes = |id: &WorkerId| {
            let seen = self.members.get(id);
            id == me || seen.is_some_and(|seen| seen.is_alive() && seen.member.standing == Standing::Active)
        };
        ring.into_iter().filter(takes).take(WATCHED).collect()
    }

    /// Everybody, `me` included, in the order of the ring, beginning after `start` and without it.
    fn ring_after(&self, start: &WorkerId, me: &WorkerId) -> Vec<WorkerId> {
        let mut ring: Vec<(u64, &WorkerId)> = self.members.keys().map(|id| (place(id), id)).collect();
        if !self.members.contains_key(me) {
            ring.push((place(me), me));
        }
        ring.sort();
        let at = (place(start), start);
        let (before, after): (Vec<_>, Vec<_>) =
            ring.into_iter().filter(|entry| *entry != at).partition(|one| *one < at);
        after.into_iter().chain(before).map(|(_, id)| id.clone()).collect()
    }
}

/// A worker's place on the ring, the same for everybody: FNV-1a, so that names that resemble each other lie apart.
fn place(id: &WorkerId) -> u64 {
    hash(id.as_str())
}

/// FNV-1a (Fowler, Noll, Vo), with a last mixing, since the high bits of short texts differ little otherwise.
pub(super) fn hash(text: &str) -> u64 {
    let fold = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let folded = text.bytes().fold(0xcbf2_9ce4_8422_2325, fold);
    (folded ^ (folded >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
