//! What is counted of one zone in one pane: exact counts, and sketches of what an attacker can make endless.
//!
//! Whatever is fed, a [`Tally`] holds at most [`BYTES_MAX`] bytes, and it is a function of the queries and of constants: every
//! worker makes the same of the same epoch. Merging adds; nothing depends on its order but which of the rarer names a list of
//! the most frequent has let go, and that list tells its error.
//!
//! Names are hashed with [`SEED`], a constant, because sketches merge only if their hashes agree, and it stands in a public
//! program: whoever wants can choose names by their hash. That way one can make the distinct names of one's own queries look
//! more (never more than there were queries) or fewer than they are, keep out of the samples or fill them. What bounds hold
//! does not rest on the hash: bytes held, the exact counts (queries by code, type and transport, lengths, entropy), the error
//! of every list of the most frequent. A flood that hides its names is still a flood.

mod counted;
mod ids;
mod pending;
mod sample;
mod suffixes;

use crate::Top;
use crate::message::Pane;
use crate::top::Named;
use crate::window::Window;
use crate::wire::{Input, put_bytes, put_number};
use counted::{ADDRESSES_MAX, Counted, NAMES_MAX, OfAddresses, OfNames};
use dnslog::{Facts, Query, QueryType, ResponseCode, Transport};
use ids::Ids;
use pending::Pending;
use std::net::IpAddr;

/// What names, addresses and ids are hashed with: the first digits of pi. Changing it is a new version of the message.
pub const SEED: u64 = 0x3141_5926_5358_9793;

/// The most bytes that a tally holds, itself included. Texts of hostile names, in vectors that doubled, are most of it.
pub const BYTES_MAX: usize = 128 << 10;

/// Bytes of a name or zone that are kept: the longest name on the wire. An escaped one is longer as text; it stays apart
/// from others by its hash.
const TEXT_BYTES_MAX: usize = 255;
/// `k` of the names and edge locations asked most.
const NAMES_KEPT: usize = 32;
/// `k` of the addresses and networks that asked most.
const ADDRESSES_KEPT: usize = 16;
/// By how much a query on the wire, where numbers of a name, an address and a network are, is longer than one that waits.
const COUNTER_BYTES: usize = 8;
/// A sketch of many on the wire.
const SKETCH_BYTES: usize = 4 << 10;
/// Edge locations that are usual in ten seconds: those of a record are one.
const EDGES_FEW: usize = 4;
/// A label has at most 63 bytes.
const LABEL_BYTES: usize = 64;

/// A query, as far as it is counted.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The zone's name, for show.
    pub zone: &'a str,
    /// The name in its one form without the zone; empty at the apex, all of it if it lies outside.
    pub relative_name: &'a str,
    /// What was asked for.
    pub query_type: QueryType,
    /// What was answered.
    pub response_code: ResponseCode,
    /// How it was carried.
    pub transport: Transport,
    /// The edge location that answered; may be empty.
    pub edge: &'a str,
    /// Who asked, if that is known.
    pub source_ip: Option<IpAddr>,
    /// Bytes of the longest label.
    pub longest_label: u8,
    /// Entropy of `relative_name`, thousandths of a bit a byte.
    pub entropy_millibits: u32,
    /// The log event's id; empty if it has none.
    pub event_id: &'a str,
}

impl<'a> Asked<'a> {
    /// From a query and what is known about it.
    pub fn of(query: &Query<'a>, facts: &Facts<'a>) -> Self {
        Self {
            zone: facts.zone,
            relative_name: facts.relative_name,
            query_type: query.query_type,
            response_code: query.response_code,
            transport: query.transport,
            edge: query.edge,
            source_ip: query.source_ip,
            longest_label: facts.longest_label,
            // Never below 0; rounding by adding a half costs no call.
            entropy_millibits: (facts.entropy * 1000.0 + 0.5) as u32,
            event_id: query.event_id,
        }
    }
}

/// The count of a zone in a pane, or in several that were merged.
#[derive(Debug, Clone)]
pub struct Tally {
    zone_name: String,
    codes: [u64; ResponseCode::ALL.len()],
    types: [u64; QueryType::ALL.len()],
    transports: [u64; Transport::ALL.len()],
    /// Queries by the length of their longest label.
    labels: [u32; LABEL_BYTES],
    entropy_millibits: u64,
    lists: Lists,
    ids: Ids,
    /// Queries that the lists lack.
    pending: Pending,
}

/// Names, addresses and edge locations: what an attacker can make endless.
#[derive(Debug, Clone)]
pub struct Lists {
    /// A name that was ever answered NXDOMAIN is marked.
    names: Counted<OfNames>,
    resolvers: Counted<OfAddresses>,
    edges: Top,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            zone_name: String::new(),
            codes: [0; ResponseCode::ALL.len()],
            types: [0; QueryType::ALL.len()],
            transports: [0; Transport::ALL.len()],
            labels: [0; LABEL_BYTES],
            entropy_millibits: 0,
            lists: Lists::default(),
            ids: Ids::default(),
            pending: Pending::default(),
        }
    }
}

impl Default for Lists {
    fn default() -> Self {
        Self {
            names: Counted::new(NAMES_KEPT, NAMES_MAX),
            resolvers: Counted::new(ADDRESSES_KEPT, ADDRESSES_MAX),
            edges: Top::new(NAMES_KEPT),
        }
    }
}

impl Lists {
    fn count(&mut self, pending: &Pending) {
        self.edges.reserve(EDGES_FEW);
        pending.edges().for_each(|Named { hash, bytes, count, .. }| self.edges.add_bytes(hash, bytes, count));
        self.names.add_all(pending.names(), |query| pending.name(query));
        self.resolvers.add_all(pending.addresses(), |query| pending.address(query));
    }

    /// Forgets everything and keeps the memory.
    fn clear(&mut self) {
        self.names.clear();
        self.resolvers.clear();
        self.edges.clear();
    }

    fn merge(&mut self, other: &Self) {
        self.names.merge(&other.names);
        self.resolvers.merge(&other.resolvers);
        self.edges.merge(&other.edges);
    }

    /// In an order that what was counted decides alone.
    fn sort(&mut self) {
        self.names.sort();
        self.resolvers.sort();
        self.edges.sort();
    }

    fn heap_bytes(&self) -> usize {
        self.names.heap_bytes() + self.resolvers.heap_bytes() + self.edges.heap_bytes()
    }

    fn encode(&self, out: &mut Vec<u8>) {
        self.names.encode(out);
        self.resolvers.encode(out);
        self.edges.encode(out, |_| None);
    }

    fn decode(input: &mut Input<'_>) -> Option<Self> {
        let Self { names, resolvers, edges } = Self::default();
        Some(Self {
            names: names.decode(input)?,
            resolvers: resolvers.decode(input)?,
            edges: edges.decode(input, SEED, |_| None)?,
        })
    }
}

impl Tally {
    /// Counts one query.
    pub fn add(&mut self, asked: &Asked<'_>) {
        // The first name does: comparing is left to merging, because it costs more than most of what is counted here.
        if self.zone_name.is_empty() {
            self.name_zone(asked.zone);
        }
        self.codes[asked.response_code as usize] += 1;
        self.types[asked.query_type as usize] += 1;
        self.transports[asked.transport as usize] += 1;
        let label = &mut self.labels[usize::from(asked.longest_label).min(LABEL_BYTES - 1)];
        *label = label.saturating_add(1);
        self.entropy_millibits += u64::from(asked.entropy_millibits);
        self.ids.offer(SEED, asked.event_id.as_bytes());
        self.pending.push(asked);
        if self.pending.is_full() {
            self.count_waiting();
        }
    }

    /// Counts what waits.
    fn count_waiting(&mut self) {
        self.lists.count(&self.pending);
        self.pending.clear();
    }

    /// The lists with what waits, made in `spare` if anything does.
    fn lists<'a>(&'a self, spare: &'a mut Lists) -> &'a Lists {
        if self.pending.len() == 0 {
            return &self.lists;
        }
        spare.clear();
        spare.merge(&self.lists);
        spare.count(&self.pending);
        spare
    }

    /// A zone may go by two names while its configuration changes; the lesser is shown, so that order does not matter.
    #[cold]
    fn name_zone(&mut self, name: &str) {
        let name = &name[..name.floor_char_boundary(TEXT_BYTES_MAX)];
        if !name.is_empty() && (self.zone_name.is_empty() || name < self.zone_name.as_str()) {
            self.zone_name.clear();
            self.zone_name.push_str(name);
        }
    }

    /// Bytes it holds, itself included; never more than [`BYTES_MAX`].
    pub fn bytes(&self) -> usize {
        size_of::<Self>()
            + self.zone_name.capacity()
            + self.lists.heap_bytes()
            + self.ids.heap_bytes()
            + self.waiting_bytes()
    }

    /// Bytes that what waits takes, or will on the wire: there with sketches, once names or addresses are many.
    fn waiting_bytes(&self) -> usize {
        let queries = self.pending.len();
        let sketches = self.lists.names.may_spill(queries) + self.lists.resolvers.may_spill(queries);
        self.pending.heap_bytes() + queries * COUNTER_BYTES + sketches * SKETCH_BYTES
    }

    /// What it came to. When and where, how whole, and what was counted beside is the caller's to fill in.
    pub fn window(&self) -> Window {
        let queries = self.count();
        let mut spare = Lists::default();
        let Lists { names, resolvers, edges } = self.lists(&mut spare);
        // Whoever chooses names by their hash can make the estimate more than there can be.
        let distinct_names = names.distinct().min(queries);
        let (sampled_ids, duplicate_ids) = self.ids.counts();
        let suffixes = suffixes::Suffixes::of(&names.sample(), distinct_names);
        Window {
            zone_name: self.zone_name.as_str().into(),
            queries,
            codes: self.codes,
            types: self.types,
            transports: self.transports,
            distinct_names,
            distinct_nxdomain_names: suffixes.nxdomain_distinct,
            distinct_resolvers: resolvers.distinct().min(queries),
            sub_name_bytes: suffixes.sub_name_bytes,
            label_bytes: suffixes::label_bytes(&self.labels),
            entropy_millibits_sum: self.entropy_millibits,
            top_names: names.top.names(),
            top_resolvers: resolvers.top.names_as(suffixes::address),
            top_networks: resolvers.networks(),
            top_edges: edges.names(),
            suffixes: suffixes.list,
            sampled_ids,
            duplicate_ids,
            ..Window::default()
        }
    }
}

impl Pane for Tally {
    type Spare = Lists;

    /// As long as nothing is counted, counting is left to whoever encodes, who does it in the same tables for many panes.
    fn settle(&mut self) {
        if self.lists.edges.len() > 0 {
            self.count_waiting();
        }
    }

    fn bytes(&self) -> usize {
        Self::bytes(self)
    }

    fn merge(&mut self, other: &Self) {
        self.count_waiting();
        if self.zone_name != other.zone_name {
            self.name_zone(&other.zone_name);
        }
        add_all(&mut self.codes, &other.codes);
        add_all(&mut self.types, &other.types);
        add_all(&mut self.transports, &other.transports);
        for (mine, theirs) in self.labels.iter_mut().zip(&other.labels) {
            *mine = mine.saturating_add(*theirs);
        }
        self.entropy_millibits = self.entropy_millibits.saturating_add(other.entropy_millibits);
        self.lists.merge(other.lists(&mut Lists::default()));
        self.ids.merge(&other.ids);
    }

    fn count(&self) -> u64 {
        self.codes.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    fn encode(&self, spare: &mut Lists, out: &mut Vec<u8>) {
        put_bytes(out, self.zone_name.as_bytes());
        put_counts(out, self.codes.iter().copied());
        put_counts(out, self.types.iter().copied());
        put_counts(out, self.transports.iter().copied());
        put_counts(out, self.labels.iter().map(|count| u64::from(*count)));
        put_number(out, self.entropy_millibits);
        self.lists(spare).encode(out);
        self.ids.encode(out);
    }

    fn decode(input: &mut Input<'_>) -> Option<Self> {
        let zone_name = std::str::from_utf8(input.bytes(TEXT_BYTES_MAX)?).ok()?.to_owned();
        let (codes, types, transports) = (take_counts(input)?, take_counts(input)?, take_counts(input)?);
        let mut labels = [0; LABEL_BYTES];
        for (label, count) in labels.iter_mut().zip(take_counts::<LABEL_BYTES>(input)?) {
            *label = count.try_into().ok()?;
        }
        let entropy_millibits = input.number()?;
        let lists = Lists::decode(input)?;
        let ids = Ids::decode(input)?;
        Some(Self {
            zone_name,
            codes,
            types,
            transports,
            labels,
            entropy_millibits,
            lists,
            ids,
            pending: Pending::default(),
        })
    }

    /// In this order: the sample of names, the sample of ids, the lists of names, of addresses and their networks, and of edge
    /// locations, the sketch of names, the sketch of addresses, the zone's name. The exact counts stay.
    fn shrink(&mut self) -> bool {
        self.count_waiting();
        let Lists { names, resolvers, edges } = &mut self.lists;
        names.drop_sample()
            || self.ids.drop_all()
            || names.drop_list()
            || resolvers.drop_list()
            || edges.let_go()
            || names.drop_sketch()
            || resolvers.drop_sketch()
            || !std::mem::take(&mut self.zone_name).is_empty()
    }
}

/// Two are equal if they have counted the same, in whatever order it came.
impl PartialEq for Tally {
    fn eq(&self, other: &Self) -> bool {
        let bytes = |tally: &Self| {
            let (mut sorted, mut out) = (tally.clone(), Vec::new());
            sorted.count_waiting();
            sorted.lists.sort();
            sorted.encode(&mut Lists::default(), &mut out);
            out
        };
        bytes(self) == bytes(other)
    }
}

impl Eq for Tally {}

fn add_all(mine: &mut [u64], theirs: &[u64]) {
    mine.iter_mut().zip(theirs).for_each(|(mine, theirs)| *mine = mine.saturating_add(*theirs));
}

/// Appends which of at most 64 counts are not 0, and those.
fn put_counts(out: &mut Vec<u8>, counts: impl Iterator<Item = u64> + Clone) {
    let set = counts.clone().enumerate().fold(0, |set, (at, count)| set | u64::from(count > 0) << at);
    put_number(out, set);
    counts.filter(|count| *count > 0).for_each(|count| put_number(out, count));
}

fn take_counts<const N: usize>(input: &mut Input<'_>) -> Option<[u64; N]> {
    let mut counts = [0; N];
    let mut set = input.number()?;
    while set != 0 {
        let count = input.number().filter(|count| *count > 0)?;
        *counts.get_mut(set.trailing_zeros() as usize)? = count;
        set &= set - 1;
    }
    Some(counts)
}

#[cfg(test)]
#[path = "pane_test.rs"]
mod tests;
