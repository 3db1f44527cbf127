//! How far each source shard has been applied.

use crate::Position;
use crate::wire::{Input, put_bytes, put_number, put_position};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What is known of a source shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) through: Position,
    pub(super) ended: bool,
    /// When a message last named it, whether or not it was applied, on the group's clock.
    heard_ms: u64,
}

/// The source shards known, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Positions(BTreeMap<Arc<str>, Known>);

impl Positions {
    pub(super) fn get(&self, shard: &str) -> Option<&Known> {
        self.0.get(shard)
    }

    /// A message of the shard has arrived.
    pub(super) fn hear(&mut self, shard: &str, clock_ms: u64) {
        if let Some(known) = self.0.get_mut(shard) {
            known.heard_ms = clock_ms;
        }
    }

    /// Everything of the shard through this place is applied.
    pub(super) fn advance(&mut self, shard: &Arc<str>, through: Position, heard_ms: u64) {
        let fresh = || Known { through: None, ended: false, heard_ms };
        let known = self.0.entry(shard.clone()).or_insert_with(fresh);
        known.through = known.through.take().max(through);
    }

    /// The shard has said its last word.
    pub(super) fn end(&mut self, shard: &str) {
        if let Some(known) = self.0.get_mut(shard) {
            known.ended = true;
        }
    }

    /// Drops what was last heard of before `since_ms`.
    pub(super) fn forget_before(&mut self, since_ms: u64) {
        self.0.retain(|_, known| known.heard_ms >= since_ms);
    }

    /// Drops those that were heard of longest ago, until at most `max` are left; how many were dropped.
    pub(super) fn limit(&mut self, max: usize) -> u64 {
        let mut dropped = 0;
        while self.0.len() > max {
            let oldest = self.0.iter().min_by_key(|(_, known)| known.heard_ms).map(|(shard, _)| shard.clone());
            self.0.remove(&oldest.expect("the map is not empty"));
            dropped += 1;
        }
        dropped
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        put_number(out, self.0.len() as u64);
        for (shard, known) in &self.0 {
            put_bytes(out, shard.as_bytes());
            put_position(out, known.through.as_ref());
            out.push(u8::from(known.ended));
            put_number(out, known.heard_ms);
        }
    }

    pub(super) fn decode(input: &mut Input<'_>) -> Option<Self> {
        let entry = |input: &mut Input<'_>| {
            let (shard, through) = (input.name()?, input.position()?);
            Some((shard, Known { through, ended: input.flag()?, heard_ms: input.number()? }))
        };
        (0..input.count()?).map(|_| entry(input)).collect::<Option<_>>().map(Self)
    }
}
