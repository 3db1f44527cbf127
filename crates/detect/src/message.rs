//! What OBSERVE puts on the rollup stream: one record for a key group and an epoch, or a mark.
//!
//! A message is a function of the epoch's records and of constants, so a successor that makes an epoch again makes the
//! same messages. A **mark** is a message of an empty epoch that only says how far time has come.

use crate::wire::{Input, put_bytes, put_number, put_position, put_signed};
use crate::{Position, hash_key, key_group};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

/// The version written. Version 1 is the first, so there is no previous one to read yet.
pub const VERSION: u8 = 1;

/// The latest time that a message may name: the end of the year 9999, milliseconds since 1970. With it no sum of times can
/// overflow.
pub(crate) const TIME_MS_MAX: i64 = 253_402_300_799_999;

/// What is fixed for a rollup stream. It travels in every message, and a message of other constants is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Constants {
    /// Number of key groups, at least 1.
    pub groups: u16,
    /// Length of a pane, milliseconds, at least 1.
    pub pane_ms: u32,
    /// An event older than this at its record's arrival is late, milliseconds.
    pub lateness_ms: u32,
}

/// 16 key groups, panes of 10 s, 5 min of lateness: a subscription usually delivers within 3.
impl Default for Constants {
    fn default() -> Self {
        Self { groups: 16, pane_ms: 10_000, lateness_ms: 300_000 }
    }
}

/// What is counted of one zone in one pane (and what a window therefore holds).
pub trait Pane: Clone + Default {
    /// Adds what `other` counted. The order of merging must not matter.
    fn merge(&mut self, other: &Self);
    /// How many queries were counted.
    fn count(&self) -> u64;
    /// Bytes it holds. What [`Pane::encode`] appends is no longer.
    fn bytes(&self) -> usize;
    /// Nothing more comes, so whatever was put off and is better done once than by each who asks is done.
    fn settle(&mut self) {}
    /// Appends it.
    fn encode(&self, out: &mut Vec<u8>);
    /// Reads what [`Pane::encode`] appended; `None` if it is no such thing. Never panics.
    fn decode(input: &mut Input<'_>) -> Option<Self>;
    /// Makes it smaller by one step of a fixed order of what can be done without; `false` if nothing can. For an epoch of one
    /// record that is too large for one message.
    fn shrink(&mut self) -> bool {
        false
    }
}

/// One epoch, as a key group hears of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Of the rollup stream.
    pub constants: Constants,
    /// The source shard.
    pub shard: Arc<str>,
    /// The hash keys that it takes.
    pub hash_range: RangeInclusive<u128>,
    /// The shards that it continues, those whose last word was put: a group that has not heard of one waits for it.
    pub parents: Vec<Arc<str>>,
    /// Where the epoch begins: the records behind this one.
    pub after: Position,
    /// Its last record. Equal to `after` if it is empty.
    pub through: Position,
    /// The latest arrival in it, milliseconds since 1970; of a mark the worker's clock before the read that found nothing.
    pub time_ms: i64,
    /// Records may be lost, though none that arrived later than this, milliseconds since 1970.
    pub hole_ms: Option<i64>,
    /// Nothing follows: the shard has ended.
    pub end: bool,
}

impl Header {
    /// Whether it only says how far time has come.
    pub fn is_mark(&self) -> bool {
        self.after == self.through && !self.end
    }
}

/// A record of the rollup stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message<P> {
    /// Which epoch.
    pub header: Header,
    /// For which key group.
    pub group: u16,
    /// What it counted, by zone key; empty for a mark or an end.
    pub zones: BTreeMap<Arc<str>, Zone<P>>,
}

/// What an epoch counted of one zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone<P> {
    /// Queries that were too old at their record's arrival to enter a window.
    pub late: u64,
    /// Queries dated more than a minute after their record's arrival.
    pub future: u64,
    /// By the pane's start, milliseconds since 1970, a multiple of its length.
    pub panes: BTreeMap<i64, P>,
}

impl<P> Default for Zone<P> {
    fn default() -> Self {
        Self { late: 0, future: 0, panes: BTreeMap::new() }
    }
}

/// Why bytes are not a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    /// A version that this program does not know yet. Whoever reads must stop before it changes anything, and leave the shard
    /// to a worker that knows it.
    Newer(u8),
    /// No message.
    Malformed,
}

impl<P: Pane> Message<P> {
    /// One message for every key group, whether or not anything is in it: `after` then connects for each group by itself.
    pub fn for_groups(header: &Header, zones: BTreeMap<Arc<str>, Zone<P>>) -> Vec<Self> {
        let groups = header.constants.groups;
        let empty = |group| Self { header: header.clone(), group, zones: BTreeMap::new() };
        let mut messages: Vec<Self> = (0..groups).map(empty).collect();
        for (key, zone) in zones {
            messages[usize::from(key_group(&key, groups))].zones.insert(key, zone);
        }
        messages
    }

    /// The explicit hash key that it is put under.
    pub fn hash_key(&self) -> u128 {
        hash_key(self.group, self.header.constants.groups)
    }

    /// Its bytes on the stream.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        self.encode_body(&mut out);
        out
    }

    pub(crate) fn encode_body(&self, out: &mut Vec<u8>) {
        let Header { constants, shard, hash_range, parents, after, through, time_ms, hole_ms, end } = &self.header;
        put_number(out, constants.groups.into());
        put_number(out, constants.pane_ms.into());
        put_number(out, constants.lateness_ms.into());
        put_number(out, self.group.into());
        put_bytes(out, shard.as_bytes());
        out.extend_from_slice(&hash_range.start().to_be_bytes());
        out.extend_from_slice(&hash_range.end().to_be_bytes());
        put_number(out, parents.len() as u64);
        parents.iter().for_each(|parent| put_bytes(out, parent.as_bytes()));
        put_position(out, after.as_ref());
        put_position(out, through.as_ref());
        put_signed(out, *time_ms);
        out.push(u8::from(hole_ms.is_some()) | u8::from(*end) << 1);
        hole_ms.iter().for_each(|hole_ms| put_signed(out, *hole_ms));
        put_number(out, self.zones.len() as u64);
        for (key, zone) in &self.zones {
            put_bytes(out, key.as_bytes());
            put_number(out, zone.late);
            put_number(out, zone.future);
            put_number(out, zone.panes.len() as u64);
            for (start_ms, pane) in &zone.panes {
                put_signed(out, *start_ms);
                pane.encode(out);
            }
        }
    }

    /// From the bytes of a record.
    pub fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        let mut input = Input::new(bytes);
        input.version(VERSION)?;
        let message = Self::decode_body(&mut input).filter(|_| input.is_empty());
        message.ok_or(Unreadable::Malformed)
    }

    pub(crate) fn decode_body(input: &mut Input<'_>) -> Option<Self> {
        let constants = Constants {
            groups: input.number()?.try_into().ok().filter(|groups| *groups > 0)?,
            pane_ms: input.number()?.try_into().ok().filter(|pane| *pane > 0)?,
            lateness_ms: input.number()?.try_into().ok()?,
        };
        let group = input.number()?.try_into().ok()?;
        let shard = input.name()?;
        let hash_range = input.wide()?..=input.wide()?;
        let parents = (0..input.count()?).map(|_| input.name()).collect::<Option<_>>()?;
        let (after, through, time_ms) = (input.position()?, input.position()?, input.signed()?);
        let flags = input.byte().filter(|flags| *flags < 4)?;
        let hole_ms = if flags & 1 != 0 { Some(input.signed()?) } else { None };
        let end = flags & 2 != 0;
        let header = Header { constants, shard, hash_range, parents, after, through, time_ms, hole_ms, end };
        let zones = (0..input.count()?).map(|_| zone(input)).collect::<Option<_>>()?;
        Some(Self { header, group, zones }).filter(Self::is_sound)
    }

    /// Whether it says nothing that no epoch could. A message that was decoded is sound.
    pub(crate) fn is_sound(&self) -> bool {
        let Header { constants, hash_range, after, through, time_ms, hole_ms, end, .. } = &self.header;
        let times = 0..=TIME_MS_MAX;
        let pane_ms = i64::from(constants.pane_ms);
        let starts = self.zones.values().flat_map(|zone| zone.panes.keys());
        self.group < constants.groups
            && !hash_range.is_empty()
            && times.contains(time_ms)
            && hole_ms.is_none_or(|hole_ms| times.contains(&hole_ms))
            && after <= through
            && (after < through || self.zones.is_empty())
            && (after == through || !end)
            && starts.into_iter().all(|start| times.contains(start) && start % pane_ms == 0)
    }
}

fn zone<P: Pane>(input: &mut Input<'_>) -> Option<(Arc<str>, Zone<P>)> {
    let key = input.name()?;
    let (late, future) = (input.number()?, input.number()?);
    let panes = (0..input.count()?).map(|_| Some((input.signed()?, P::decode(input)?)));
    Some((key, Zone { late, future, panes: panes.collect::<Option<_>>()? }))
}

#[cfg(test)]
#[path = "message_test.rs"]
mod tests;

/// A pane of exact ids, for tests.
#[cfg(test)]
pub(crate) mod testing {
    use super::{Constants, Header, Input, Pane, put_number};

    /// In order; one that was counted twice is there twice.
    #[derive(Debug, Clone, Default, PartialEq, Eq)]
    pub(crate) struct Ids(pub(crate) Vec<u64>);

    impl Pane for Ids {
        fn merge(&mut self, other: &Self) {
            self.0.extend(&other.0);
            self.0.sort_unstable();
        }

        fn count(&self) -> u64 {
            self.0.len() as u64
        }

        fn bytes(&self) -> usize {
            10 * (self.0.len() + 1)
        }

        fn encode(&self, out: &mut Vec<u8>) {
            put_number(out, self.0.len() as u64);
            self.0.iter().for_each(|id| put_number(out, *id));
        }

        fn decode(input: &mut Input<'_>) -> Option<Self> {
            (0..input.count()?).map(|_| input.number()).collect::<Option<_>>().map(Self)
        }

        fn shrink(&mut self) -> bool {
            self.0.pop().is_some()
        }
    }

    /// Of the whole stream's only shard, with nothing before and nothing in it.
    pub(crate) fn header() -> Header {
        Header {
            constants: Constants { groups: 4, pane_ms: 10, lateness_ms: 100 },
            shard: "s".into(),
            hash_range: 0..=u128::MAX,
            parents: Vec::new(),
            after: None,
            through: crate::Sequence::parse("9"),
            time_ms: 1_000,
            hole_ms: None,
            end: false,
        }
    }
}
