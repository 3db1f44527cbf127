//! What is usual in zones, carried from one history to another: `replay` writes it, a worker takes it for zones it does not know.

use crate::finding::Zone;
use crate::message::Unreadable;
use crate::wire::{Input, put_bytes, put_number};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The version written. Version 1 is the first, so there is no previous one to read yet.
const VERSION: u8 = 1;
/// What such a file begins with, so that another is told from it.
const MAGIC: &[u8] = b"zonewatch baselines\n";

/// By zone key, each as the bytes of its state: most are never looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Baselines(BTreeMap<Arc<str>, Vec<u8>>);

impl Baselines {
    /// Zones that something is known of.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing is known of any.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A zone as it was left, without findings.
    pub(super) fn zone(&self, zone_key: &str) -> Option<Zone> {
        let bytes = self.0.get(zone_key)?;
        Some(Zone::decode(&mut Input::new(bytes)).expect("it was read once when the file was"))
    }

    /// The bytes of a file.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = [MAGIC, &[VERSION]].concat();
        put_number(&mut out, self.0.len() as u64);
        for (key, zone) in &self.0 {
            put_bytes(&mut out, key.as_bytes());
            put_bytes(&mut out, zone);
        }
        out
    }

    /// From the bytes of a file, all of which are looked at.
    pub fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        let mut input = Input::new(bytes.strip_prefix(MAGIC).ok_or(Unreadable::Malformed)?);
        input.version(VERSION)?;
        let mut baselines = BTreeMap::new();
        for _ in 0..input.count().ok_or(Unreadable::Malformed)? {
            let entry = |input: &mut Input<'_>| Some((input.name()?, input.bytes(Zone::BYTES_MAX)?.to_vec()));
            let (key, zone) = entry(&mut input).ok_or(Unreadable::Malformed)?;
            let mut state = Input::new(&zone);
            Zone::decode(&mut state)?;
            if !state.is_empty() {
                return Err(Unreadable::Malformed);
            }
            baselines.insert(key, zone);
        }
        if input.is_empty() { Ok(Self(baselines)) } else { Err(Unreadable::Malformed) }
    }
}

impl FromIterator<(Arc<str>, Zone)> for Baselines {
    fn from_iter<T: IntoIterator<Item = (Arc<str>, Zone)>>(zones: T) -> Self {
        let encoded = |(key, zone): (Arc<str>, Zone)| {
            let mut bytes = Vec::new();
            zone.encode(&mut bytes);
            (key, bytes)
        };
        Self(zones.into_iter().map(encoded).collect())
    }
}
