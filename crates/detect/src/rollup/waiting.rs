//! Messages that do not connect yet: puts may be swapped on their way.

use super::Received;
use crate::message::Pane;
use crate::wire::{Input, put_number};
use crate::{Message, Position};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Two waiting messages are the same only if all of these agree: a mark at 9 is not the epoch from 6 to 9.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Identity {
    shard: Arc<str>,
    after: Position,
    through: Position,
    end: bool,
}

/// The messages that wait, in the order of their places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Waiting<P> {
    entries: BTreeMap<Identity, Entry<P>>,
    size: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry<P> {
    received: Received<P>,
    /// On the group's clock.
    since_ms: u64,
}

impl<P> Default for Waiting<P> {
    fn default() -> Self {
        Self { entries: BTreeMap::new(), size: 0 }
    }
}

impl<P: Pane> Waiting<P> {
    /// Messages and their panes.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// Lets a message wait. One that waits already keeps its place in time, and learns what a later copy adds: a mark of a
    /// later time, or that there is a hole.
    pub(super) fn insert(&mut self, received: Received<P>, clock_ms: u64) {
        let header = &received.message.header;
        let identity = Identity {
            shard: header.shard.clone(),
            after: header.after.clone(),
            through: header.through.clone(),
            end: header.end,
        };
        match self.entries.get_mut(&identity) {
            Some(Entry { received: waiting, .. }) => {
                waiting.message.header.hole_ms = waiting.message.header.hole_ms.max(header.hole_ms);
                waiting.reached_ms = waiting.reached_ms.max(received.reached_ms);
                waiting.whole_from_ms = waiting.whole_from_ms.max(received.whole_from_ms);
            }
            None => {
                self.size += size(&received.message);
                self.entries.insert(identity, Entry { received, since_ms: clock_ms });
            }
        }
    }

    /// Takes out the first that `is_ready`.
    pub(super) fn take_first(&mut self, is_ready: impl Fn(&Message<P>) -> bool) -> Option<Received<P>> {
        let ready = self.entries.iter().find(|(_, entry)| is_ready(&entry.received.message));
        let identity = ready.map(|(identity, _)| identity.clone())?;
        let received = self.entries.remove(&identity)?.received;
        self.size -= size(&received.message);
        Some(received)
    }

    /// The shard of the message that has waited longest, if that is at least since `since_ms`.
    pub(super) fn longest(&self, since_ms: u64) -> Option<Arc<str>> {
        let longest = self.entries.iter().min_by_key(|(_, entry)| entry.since_ms);
        longest.filter(|(_, entry)| entry.since_ms <= since_ms).map(|(identity, _)| identity.shard.clone())
    }

    /// Takes out the lowest of a shard.
    pub(super) fn take_lowest(&mut self, shard: &str) -> Option<Received<P>> {
        self.take_first(|message| &*message.header.shard == shard)
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        put_number(out, self.entries.len() as u64);
        for entry in self.entries.values() {
            put_number(out, entry.since_ms);
            entry.received.encode(out);
        }
    }

    pub(super) fn decode(input: &mut Input<'_>) -> Option<Self> {
        let mut waiting = Self::default();
        for _ in 0..input.count()? {
            let since_ms = input.number()?;
            waiting.insert(Received::decode(input)?, since_ms);
        }
        Some(waiting)
    }
}

/// What a message weighs in memory: itself, and each of its panes as much again.
fn size<P>(message: &Message<P>) -> usize {
    1 + message.zones.values().map(|zone| zone.panes.len()).sum::<usize>()
}
