//! Names or addresses: each with its count while they are few, sketches once they are many.
//!
//! Few of them are [`NAMES_MAX`] or [`ADDRESSES_MAX`] different ones. With the next one everything seen so far spills into the sketches, and from
//! then on only the most frequent have counts. Whether that has happened is a function of the set, so merging is as if all
//! had come to one. A common query meets one table this way: what is counted has been offered to the sketches before.

use super::SEED;
use super::sample::{Kept, Sample};
use crate::top::{Mark, Met, Named};
use crate::wire::Input;
use crate::{HyperLogLog, Top, TopName, stable_hash};

/// Different names that are all counted: with twice as many, hostile ones would double what a tally may hold.
pub(super) const NAMES_MAX: usize = 128;
/// The same of addresses, which are short: in ten seconds most zones hear no more resolvers from one shard.
pub(super) const ADDRESSES_MAX: usize = 256;

/// What is known of those that are many.
pub(super) trait Sketches: Default {
    /// Takes in one that is new, or newly marked.
    fn offer(&mut self, hash: u64, bytes: &[u8], mark: bool);
    /// Counts one, known or not.
    fn count(&mut self, bytes: &[u8], times: u64);
    fn merge(&mut self, other: &Self);
    fn heap_bytes(&self) -> usize;
}

/// Each with its count, or the most frequent and sketches of all.
#[derive(Debug, Clone)]
pub(super) struct Counted<S> {
    pub(super) top: Top,
    pub(super) sketches: Option<Box<S>>,
}

impl<S: Sketches> Counted<S> {
    /// All are counted up to `exact_max`; once they are more, `kept` are the most frequent.
    pub(super) fn new(kept: usize, exact_max: usize) -> Self {
        Self { top: Top::exact_up_to(kept, exact_max), sketches: None }
    }

    /// Counts one of at most 255 bytes, which hash to `hash` unless they were cut.
    #[inline]
    pub(super) fn add(&mut self, hash: u64, bytes: &[u8], mark: Mark) {
        let met = self.top.add_once(hash, bytes, mark);
        if self.sketches.is_some() || met == Met::Full {
            self.add_rare(met, hash, bytes, mark);
        }
    }

    fn add_rare(&mut self, met: Met, hash: u64, bytes: &[u8], mark: Mark) {
        if met == Met::Full {
            self.spill();
            self.top.add_new(hash, bytes, 1, mark);
        }
        if let Some(sketches) = &mut self.sketches {
            if met != Met::Known {
                sketches.offer(hash, bytes, mark.0);
            }
            sketches.count(bytes, 1);
        }
    }

    /// Lets sketches take over.
    pub(super) fn spill(&mut self) {
        if self.sketches.is_none() {
            self.sketches = Some(Box::new(Self::sketches_of(&self.top)));
        }
    }

    /// How many sketches it takes to count so many more: 1 if they may become many.
    pub(super) fn may_spill(&self, more: usize) -> usize {
        usize::from(self.sketches.is_none() && !self.top.has_room(more))
    }

    fn sketches_of(top: &Top) -> S {
        let mut sketches = S::default();
        for Named { hash, bytes, count, mark } in top.iter() {
            sketches.offer(hash, bytes, mark);
            sketches.count(bytes, count);
        }
        sketches
    }

    pub(super) fn merge(&mut self, other: &Self) {
        if other.sketches.is_some() || !self.top.has_room_for(&other.top) {
            self.spill();
        }
        if let Some(mine) = &mut self.sketches {
            match &other.sketches {
                Some(theirs) => mine.merge(theirs),
                // Made apart and merged: one by one, it would matter which of the two came first.
                None => mine.merge(&Self::sketches_of(&other.top)),
            }
        }
        self.top.merge(&other.top);
    }

    pub(super) fn heap_bytes(&self) -> usize {
        let sketches = self.sketches.as_ref().map_or(0, |sketches| size_of::<S>() + sketches.heap_bytes());
        self.top.heap_bytes() + sketches
    }
}

/// Of many names: how many there are, and a sample that says of what kind.
#[derive(Debug, Clone)]
pub(super) struct OfNames {
    pub(super) sketch: HyperLogLog,
    pub(super) sample: Sample,
}

impl Default for OfNames {
    fn default() -> Self {
        Self { sketch: HyperLogLog::of_many(), sample: Sample::default() }
    }
}

impl Sketches for OfNames {
    fn offer(&mut self, hash: u64, name: &[u8], nxdomain: bool) {
        self.sketch.insert(hash);
        self.sample.offer(hash, name, nxdomain);
    }

    fn count(&mut self, _name: &[u8], _times: u64) {}

    fn merge(&mut self, other: &Self) {
        self.sketch.merge(&other.sketch);
        self.sample.merge(&other.sample);
    }

    fn heap_bytes(&self) -> usize {
        self.sketch.heap_bytes() + self.sample.heap_bytes()
    }
}

impl Counted<OfNames> {
    /// How many different names there were, exactly if they were few.
    pub(super) fn distinct(&self) -> u64 {
        match &self.sketches {
            None => self.top.len() as u64,
            Some(many) => many.sample.exact_count().unwrap_or_else(|| many.sketch.estimate()),
        }
    }

    /// All names, or a sample of them.
    pub(super) fn sample(&self) -> Vec<Kept<'_>> {
        match &self.sketches {
            None => self.top.iter().map(|named| Kept { name: named.bytes, nxdomain: named.mark }).collect(),
            Some(many) => many.sample.names().collect(),
        }
    }

    /// Does without the sample, if there is one: few names are not sampled. Whether that was possible.
    pub(super) fn drop_sample(&mut self) -> bool {
        self.sketches.as_mut().is_some_and(|many| many.sample.drop_all())
    }

    /// Does without counts; how many names there were is still known.
    pub(super) fn drop_list(&mut self) -> bool {
        if self.top.len() == 0 {
            return false;
        }
        self.spill();
        self.drop_sample();
        self.top.let_go()
    }

    /// Does without that as well.
    pub(super) fn drop_sketch(&mut self) -> bool {
        self.sketches.as_mut().is_some_and(|many| many.sketch.let_go())
    }

    /// In an order that what was counted decides alone.
    pub(super) fn sort(&mut self) {
        self.top.sort();
        if let Some(many) = &mut self.sketches {
            many.sample.sort();
        }
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.sketches.is_some()));
        match &self.sketches {
            None => self.top.encode(out, |_| None),
            Some(many) => {
                many.sample.encode(out);
                self.top.encode(out, |hash| many.sample.place(hash));
                many.sketch.encode(out);
            }
        }
    }

    pub(super) fn decode(self, input: &mut Input<'_>) -> Option<Self> {
        let top = self.top;
        if !input.flag()? {
            let top = top.decode(input, SEED, |_| None).filter(Top::is_exact)?;
            return Some(Self { top, sketches: None });
        }
        let (sample, listed) = Sample::decode(input, SEED)?;
        let top = top.decode(input, SEED, |place| listed.get(place).copied()).filter(|top| !top.is_exact())?;
        let sketch = HyperLogLog::decode(input)?;
        Some(Self { top, sketches: Some(Box::new(OfNames { sketch, sample })) })
    }
}

/// Of many addresses: how many there are, and which networks asked most.
#[derive(Debug, Clone)]
pub(super) struct OfAddresses {
    pub(super) sketch: HyperLogLog,
    pub(super) networks: Top,
}

impl Default for OfAddresses {
    fn default() -> Self {
        Self { sketch: HyperLogLog::of_many(), networks: networks() }
    }
}

impl Sketches for OfAddresses {
    fn offer(&mut self, hash: u64, _octets: &[u8], _mark: bool) {
        self.sketch.insert(hash);
    }

    fn count(&mut self, octets: &[u8], times: u64) {
        let network = network_of(octets);
        self.networks.add_bytes(hash_octets(network), network, times);
    }

    fn merge(&mut self, other: &Self) {
        self.sketch.merge(&other.sketch);
        self.networks.merge(&other.networks);
    }

    fn heap_bytes(&self) -> usize {
        self.sketch.heap_bytes() + self.networks.heap_bytes()
    }
}

impl Counted<OfAddresses> {
    /// How many different addresses there were, exactly if they were few.
    pub(super) fn distinct(&self) -> u64 {
        self.sketches.as_ref().map_or(self.top.len() as u64, |many| many.sketch.estimate())
    }

    /// The networks that asked most.
    pub(super) fn networks(&self) -> Vec<TopName> {
        if let Some(many) = &self.sketches {
            return many.networks.names_as(super::suffixes::network);
        }
        let mut networks = networks();
        for named in self.top.iter() {
            let network = network_of(named.bytes);
            networks.add_bytes(hash_octets(network), network, named.count);
        }
        networks.names_as(super::suffixes::network)
    }

    /// Does without counts of addresses and networks; how many addresses there were is still known.
    pub(super) fn drop_list(&mut self) -> bool {
        if self.top.len() == 0 {
            return false;
        }
        self.spill();
        self.sketches.iter_mut().for_each(|many| _ = many.networks.let_go());
        self.top.let_go()
    }

    /// Does without that as well.
    pub(super) fn drop_sketch(&mut self) -> bool {
        self.sketches.as_mut().is_some_and(|many| many.sketch.let_go())
    }

    /// In an order that what was counted decides alone.
    pub(super) fn sort(&mut self) {
        self.top.sort();
        if let Some(many) = &mut self.sketches {
            many.networks.sort();
        }
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.sketches.is_some()));
        self.top.encode(out, |_| None);
        if let Some(many) = &self.sketches {
            many.networks.encode(out, |_| None);
            many.sketch.encode(out);
        }
    }

    pub(super) fn decode(self, input: &mut Input<'_>) -> Option<Self> {
        let is_many = input.flag()?;
        let top = self.top.decode(input, SEED, |_| None).filter(|top| top.is_exact() != is_many)?;
        if !is_many {
            return Some(Self { top, sketches: None });
        }
        let networks = networks().decode(input, SEED, |_| None)?;
        let sketch = HyperLogLog::decode(input)?;
        Some(Self { top, sketches: Some(Box::new(OfAddresses { sketch, networks })) })
    }
}

/// Networks without a count yet. Few addresses are of few networks, so no list is made from addresses that lacks one.
fn networks() -> Top {
    Top::exact_up_to(super::ADDRESSES_KEPT, ADDRESSES_MAX)
}

/// The hash of an address or network, whose few lengths the compiler knows.
#[inline]
pub(super) fn hash_octets(octets: &[u8]) -> u64 {
    match octets.first_chunk::<4>() {
        Some(four) if octets.len() == 4 => stable_hash(SEED, four),
        _ => stable_hash(SEED, octets),
    }
}

/// The first 16 bits of an IPv4 address, the first 32 of an IPv6 address: what networks are given out in, near enough, and a
/// function of the address alone.
fn network_of(octets: &[u8]) -> &[u8] {
    &octets[..octets.len().min(if octets.len() <= 4 { 2 } else { 4 })]
}
