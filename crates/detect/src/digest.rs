//! What one epoch says about its zones: mergeable counts and sketches.
//!
//! A digest is bounded: at most `zones_max` zones, each of at most `2k` top names and one HyperLogLog. Zones beyond the
//! limit are counted together as [`Digest::other`], so totals are always whole.

use crate::{HyperLogLog, Top, TopName, stable_hash};
use dnslog::{QueryType, ResponseCode};
use hashbrown::HashTable;

/// Bytes of a zone's key or name that are kept; the longest name on the wire is 255.
const TEXT_BYTES_MAX: usize = 255;
const CODES: usize = ResponseCode::ALL.len();
const TYPES: usize = QueryType::ALL.len();

/// How large a digest may grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Zones counted apart. Hosted zones are few; the zones of Resolver logs are chosen by whoever asks.
    pub zones_max: usize,
    /// `k`: a name asked in more than one of `k + 1` queries of its zone is never missed.
    pub top_names: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { zones_max: 1_000, top_names: 32 }
    }
}

impl Limits {
    /// The most heap bytes a digest of these limits holds, whatever it is fed. Vectors grow by doubling, hence the 2.
    pub fn bytes_max(&self) -> usize {
        let top = 2 * 2 * self.top_names.max(1) * (TEXT_BYTES_MAX + 64);
        (self.zones_max + 1) * (2 * size_of::<Zone>() + 4 * TEXT_BYTES_MAX + 6 * 1024 + top + 16)
    }
}

/// Counts of the zones, over one epoch or over several that were merged.
#[derive(Debug, Clone)]
pub struct Digest {
    limits: Limits,
    seed: u64,
    /// The first `live` are in use; those behind keep their memory for the zones to come.
    zones: Vec<Zone>,
    live: usize,
    /// Places in `zones`, by the hash of the key.
    index: HashTable<u32>,
    other: Zone,
    /// The zone counted last: a record's queries are mostly of one zone.
    last: usize,
}

/// What is known about one zone.
#[derive(Debug, Clone)]
pub struct Zone {
    hash: u64,
    key: String,
    name: String,
    counts: [[u64; TYPES]; CODES],
    names: HyperLogLog,
    top: Top,
    first_ms: i64,
    last_ms: i64,
}

impl Digest {
    /// An empty digest. All digests that are to be merged need the same seed; an attacker should not know it.
    pub fn new(limits: Limits, seed: u64) -> Self {
        let other = Zone::new(limits);
        Self { limits, seed, zones: Vec::new(), live: 0, index: HashTable::new(), other, last: 0 }
    }

    /// Counts one query. `zone_key` tells zones apart, `zone_name` is shown; `time_ms` is the event's time.
    pub fn add(
        &mut self,
        zone_key: &str,
        zone_name: &str,
        name: &str,
        query_type: QueryType,
        response_code: ResponseCode,
        time_ms: i64,
    ) {
        let hash = stable_hash(self.seed, name.as_bytes());
        let zone = self.zone(zone_key, zone_name);
        zone.counts[response_code as usize][query_type as usize] += 1;
        zone.names.insert(hash);
        zone.top.add(hash, name);
        zone.first_ms = zone.first_ms.min(time_ms);
        zone.last_ms = zone.last_ms.max(time_ms);
    }

    /// Adds what `other` counted, as if its queries had come here.
    ///
    /// # Panics
    ///
    /// If the two were made with different seeds: their names cannot be compared.
    pub fn merge(&mut self, other: &Self) {
        assert_eq!(self.seed, other.seed, "digests of different seeds do not merge");
        for theirs in other.zones() {
            self.zone(&theirs.key, &theirs.name).merge(theirs);
        }
        self.other.merge(&other.other);
    }

    /// The zones counted apart, in the order they came.
    pub fn zones(&self) -> impl ExactSizeIterator<Item = &Zone> {
        self.zones[..self.live].iter()
    }

    /// All zones beyond the limit, counted together. Its key and name are empty.
    pub fn other(&self) -> &Zone {
        &self.other
    }

    /// Queries counted.
    pub fn total(&self) -> u64 {
        self.zones().chain([&self.other]).map(Zone::total).sum()
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.live == 0 && self.other.total() == 0
    }

    /// Forgets everything and keeps the memory.
    pub fn clear(&mut self) {
        self.zones[..self.live].iter_mut().for_each(Zone::clear);
        self.other.clear();
        self.live = 0;
        self.index.clear();
    }

    /// Bytes it holds on the heap; never more than [`Limits::bytes_max`].
    pub fn heap_bytes(&self) -> usize {
        self.zones.capacity() * size_of::<Zone>()
            + self.index.allocation_size()
            + self.zones.iter().chain([&self.other]).map(Zone::heap_bytes).sum::<usize>()
    }

    fn zone(&mut self, key: &str, name: &str) -> &mut Zone {
        // The borrow checker refuses an early return of the borrow, hence places instead of references.
        if self.last < self.live && self.zones[self.last].key == key {
            return &mut self.zones[self.last];
        }
        match self.place(key, name) {
            Some(at) => {
                self.last = at;
                &mut self.zones[at]
            }
            None => &mut self.other,
        }
    }

    fn place(&mut self, key: &str, name: &str) -> Option<usize> {
        let key = cut(key);
        let hash = stable_hash(self.seed, key.as_bytes());
        let zones = &mut self.zones;
        let is_it = |&at: &u32| zones[at as usize].hash == hash && zones[at as usize].key == key;
        if let Some(&at) = self.index.find(hash, is_it) {
            return Some(at as usize);
        }
        if self.live >= self.limits.zones_max {
            return None;
        }
        let at = self.live;
        if at == zones.len() {
            zones.push(Zone::new(self.limits));
        }
        zones[at].hash = hash;
        zones[at].key.push_str(key);
        zones[at].name.push_str(cut(name));
        self.live += 1;
        self.index.insert_unique(hash, at as u32, |&at| zones[at as usize].hash);
        Some(at)
    }
}

/// An empty digest of the default limits and seed 0.
impl Default for Digest {
    fn default() -> Self {
        Self::new(Limits::default(), 0)
    }
}

impl Zone {
    fn new(limits: Limits) -> Self {
        Self {
            hash: 0,
            key: String::new(),
            name: String::new(),
            counts: [[0; TYPES]; CODES],
            names: HyperLogLog::default(),
            top: Top::new(limits.top_names),
            first_ms: i64::MAX,
            last_ms: i64::MIN,
        }
    }

    /// What tells it from other zones.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Queries of this response code and type.
    pub fn count(&self, response_code: ResponseCode, query_type: QueryType) -> u64 {
        self.counts[response_code as usize][query_type as usize]
    }

    /// Queries of this response code.
    pub fn with_code(&self, response_code: ResponseCode) -> u64 {
        self.counts[response_code as usize].iter().sum()
    }

    /// Queries of this type.
    pub fn with_type(&self, query_type: QueryType) -> u64 {
        self.counts.iter().map(|types| types[query_type as usize]).sum()
    }

    /// All queries.
    pub fn total(&self) -> u64 {
        self.counts.iter().flatten().sum()
    }

    /// The sketch of its names.
    pub fn names(&self) -> &HyperLogLog {
        &self.names
    }

    /// The names asked most, first the one asked most.
    pub fn top_names(&self) -> Vec<TopName> {
        self.top.names()
    }

    /// The counters behind [`Zone::top_names`].
    pub fn top(&self) -> &Top {
        &self.top
    }

    /// The first and the last event's time, milliseconds since 1970; `None` if there was no event.
    pub fn times_ms(&self) -> Option<(i64, i64)> {
        (self.first_ms <= self.last_ms).then_some((self.first_ms, self.last_ms))
    }

    fn merge(&mut self, other: &Self) {
        let counts = self.counts.iter_mut().flatten().zip(other.counts.iter().flatten());
        counts.for_each(|(mine, theirs)| *mine += theirs);
        self.names.merge(&other.names);
        self.top.merge(&other.top);
        self.first_ms = self.first_ms.min(other.first_ms);
        self.last_ms = self.last_ms.max(other.last_ms);
    }

    fn clear(&mut self) {
        self.key.clear();
        self.name.clear();
        self.counts = [[0; TYPES]; CODES];
        self.names.clear();
        self.top.clear();
        self.first_ms = i64::MAX;
        self.last_ms = i64::MIN;
    }

    fn heap_bytes(&self) -> usize {
        self.key.capacity() + self.name.capacity() + self.names.heap_bytes() + self.top.heap_bytes()
    }
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(TEXT_BYTES_MAX)]
}
