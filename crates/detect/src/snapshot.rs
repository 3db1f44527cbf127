//! What a rollup shard's task stores beside its checkpoint: the states of its key groups, under a name never used before.
//!
//! The order of storing, committing and deleting is [`Saver`]'s; which groups a child takes over is [`Snapshot::part`]'s.

use crate::hash_key;
use crate::message::{Constants, Pane, Unreadable};
use crate::rollup::{Rollup, Settings};
use crate::wire::{Input, put_number};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;

/// The version written. Version 1 is the first, so there is no previous one to read yet.
pub const VERSION: u8 = 1;

/// The states of key groups, by group. A group that has not been heard of has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot<P> {
    settings: Settings,
    groups: BTreeMap<u16, Rollup<P>>,
}

impl<P: Pane> Snapshot<P> {
    /// Of no group.
    pub fn new(settings: Settings) -> Self {
        Self { settings, groups: BTreeMap::new() }
    }

    /// The state of a key group, a new one if there is none.
    pub fn group(&mut self, group: u16) -> &mut Rollup<P> {
        let settings = &self.settings;
        self.groups.entry(group).or_insert_with(|| Rollup::new(settings.clone(), group))
    }

    /// All states there are.
    pub fn groups(&mut self) -> impl Iterator<Item = &mut Rollup<P>> {
        self.groups.values_mut()
    }

    /// The key groups whose hash keys lie in `range`: what a child takes over from a parent.
    #[must_use]
    pub fn part(&self, range: &RangeInclusive<u128>) -> Self {
        let inside = |group: u16| range.contains(&hash_key(group, self.settings.constants.groups));
        let groups = self.groups.iter().filter(|(group, _)| inside(**group));
        Self { settings: self.settings.clone(), groups: groups.map(|(group, state)| (*group, state.clone())).collect() }
    }

    /// Adds the states of another parent. A key group lives on one shard, so no group is in both.
    pub fn join(&mut self, other: Self) {
        self.groups.extend(other.groups);
    }

    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        numbers(&self.settings.constants).into_iter().for_each(|number| put_number(&mut out, number));
        put_number(&mut out, self.groups.len() as u64);
        self.groups.values().for_each(|state| state.encode(&mut out));
        out
    }

    /// From its bytes. The settings are the reader's; a snapshot of other constants is malformed here, because its windows
    /// would mean something else.
    pub fn decode(bytes: &[u8], settings: &Settings) -> Result<Self, Unreadable> {
        let mut input = Input::new(bytes);
        input.version(VERSION)?;
        Self::decode_body(&mut input, settings).filter(|_| input.is_empty()).ok_or(Unreadable::Malformed)
    }

    fn decode_body(input: &mut Input<'_>, settings: &Settings) -> Option<Self> {
        for constant in numbers(&settings.constants) {
            input.number().filter(|number| *number == constant)?;
        }
        let state = |input: &mut Input<'_>| {
            let state = Rollup::decode(input, settings)?;
            Some((state.group(), state))
        };
        let groups = (0..input.count()?).map(|_| state(input)).collect::<Option<_>>()?;
        Some(Self { settings: settings.clone(), groups })
    }
}

fn numbers(constants: &Constants) -> [u64; 3] {
    [constants.groups.into(), constants.pane_ms.into(), constants.lateness_ms.into()]
}

/// A snapshot's name, `<rollup shard>/<lease counter>-<attempt>`. Two owners of a shard never have the same counter, and one
/// owner counts its attempts, so a zombie that is late never writes over what another has stored.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    /// The rollup shard.
    pub shard: Arc<str>,
    /// The lease's counter as its owner knew it.
    pub counter: u64,
    /// How many it had stored under this lease before.
    pub attempt: u64,
}

impl Name {
    /// `None` if `text` is no snapshot's name.
    pub fn parse(text: &str) -> Option<Self> {
        let (shard, number) = text.rsplit_once('/')?;
        let (counter, attempt) = number.split_once('-')?;
        let name = Self { shard: shard.into(), counter: counter.parse().ok()?, attempt: attempt.parse().ok()? };
        (name.to_string() == text).then_some(name)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}-{}", self.shard, self.counter, self.attempt)
    }
}

/// What may be deleted after a take that left the lease's counter at `counter` and the row naming `named`: snapshots of this
/// shard that former owners stored and nobody will name. Never "all but mine": whoever asks may be a zombie by now.
pub fn orphans<'a>(
    names: impl IntoIterator<Item = &'a Name>,
    shard: &str,
    counter: u64,
    named: Option<&Name>,
) -> Vec<Name> {
    let orphan = |name: &&Name| &*name.shard == shard && name.counter < counter && Some(*name) != named;
    names.into_iter().filter(orphan).cloned().collect()
}

/// Whether an ended shard's row and snapshot are no longer needed: every child has committed a snapshot of its own. `None`
/// stands for a child without a row or without a snapshot.
pub fn is_taken_over<'a>(children: impl IntoIterator<Item = Option<&'a Name>>) -> bool {
    let mut children = children.into_iter().peekable();
    children.peek().is_some() && children.all(|name| name.is_some())
}

/// The order in which one owner of a lease stores, commits and deletes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saver {
    shard: Arc<str>,
    attempt: u64,
    /// As the row has it.
    named: Option<Name>,
    stored: Stored,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Stored {
    Nothing,
    /// Not acknowledged.
    Under(Name),
    /// Acknowledged: a commit may name it.
    Safely(Name),
}

impl Saver {
    /// For the lease of a rollup shard whose row, as the take left it, names `named`.
    pub fn new(shard: Arc<str>, named: Option<Name>) -> Self {
        Self { shard, attempt: 0, named, stored: Stored::Nothing }
    }

    /// A snapshot is about to be stored: the name for it. `counter` is the lease's, as its owner knows it.
    pub fn begin(&mut self, counter: u64) -> Name {
        let name = Name { shard: self.shard.clone(), counter, attempt: self.attempt };
        self.attempt += 1;
        self.stored = Stored::Under(name.clone());
        name
    }

    /// All of it is acknowledged.
    pub fn stored(&mut self) {
        if let Stored::Under(name) = std::mem::replace(&mut self.stored, Stored::Nothing) {
            self.stored = Stored::Safely(name);
        }
    }

    /// The name to commit together with the checkpoint; `None` until the snapshot is acknowledged.
    pub fn to_commit(&self) -> Option<&Name> {
        if let Stored::Safely(name) = &self.stored { Some(name) } else { None }
    }

    /// The row names this snapshot now, as its reader knows for certain. What may be deleted: only the one that this
    /// owner's own commit replaced.
    pub fn committed(&mut self, row: Option<&Name>) -> Option<Name> {
        let name = self.to_commit().filter(|name| Some(*name) == row)?.clone();
        self.stored = Stored::Nothing;
        self.named.replace(name)
    }
}

#[cfg(test)]
#[path = "snapshot_test.rs"]
mod tests;
