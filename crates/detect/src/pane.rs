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
use crate::top::Mark;
use crate::window::Window;
use crate::wire::{Input, put_bytes, put_number};
use counted::{ADDRESSES_MAX, Counted, NAMES_MAX, OfAddresses, OfNames};
use dnslog::{Facts, Query, QueryType, ResponseCode, Transport};
use ids::Ids;
use pending::{Pending, Text, Waiting};
use std::borrow::Cow;
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
    /// A name that was ever answered NXDOMAIN is marked.
    names: Counted<OfNames>,
    resolvers: Counted<OfAddresses>,
    edges: Top,
    ids: Ids,
    /// What is not counted yet but for its id.
    pending: Pending,
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
            names: Counted::new(NAMES_KEPT, NAMES_MAX),
            resolvers: Counted::new(ADDRESSES_KEPT, ADDRESSES_MAX),
            edges: Top::new(NAMES_KEPT),
            ids: Ids::default(),
            pending: Pending::default(),
        }
    }
}

impl Tally {
    /// Counts one query.
    pub fn add(&mut self, asked: &Asked<'_>) {
        // The first name does: comparing is left to merging, because it costs more than most of what is counted here.
        if self.zone_name.is_empty() {
            self.name_zone(asked.zone);
        }
        self.ids.offer(SEED, asked.event_id.as_bytes());
        self.pending.push(asked);
        if self.pending.is_full() {
            self.count_waiting();
        }
    }

    /// Counts what waits.
    fn count_waiting(&mut self) {
        if self.pending.len() > 0 {
            let mut pending = std::mem::take(&mut self.pending);
            self.count_all(&pending);
            pending.clear();
            self.pending = pending;
        }
    }

    /// With nothing that waits.
    fn settled(&self) -> Cow<'_, Self> {
        if self.pending.len() == 0 {
            return Cow::Borrowed(self);
        }
        let mut settled = Self {
            zone_name: self.zone_name.clone(),
            names: self.names.clone(),
            resolvers: self.resolvers.clone(),
            edges: self.edges.clone(),
            ids: self.ids.clone(),
            pending: Pending::default(),
            ..*self
        };
        settled.count_all(&self.pending);
        Cow::Owned(settled)
    }

    #[inline(never)]
    fn count_all(&mut self, pending: &Pending) {
        self.edges.reserve(EDGES_FEW);
        self.names.top.reserve(pending.len());
        self.resolvers.top.reserve(pending.len());
        let mut edge = None;
        let mut edge_times = 0;
        for waiting in pending.iter() {
            let Waiting { code, query_type, transport, longest_label, entropy_millibits, name, address, .. } = waiting;
            self.codes[usize::from(code)] += 1;
            self.types[usize::from(query_type)] += 1;
            self.transports[usize::from(transport)] += 1;
            let label = &mut self.labels[usize::from(longest_label).min(LABEL_BYTES - 1)];
            *label = label.saturating_add(1);
            self.entropy_millibits += u64::from(entropy_millibits);
            self.names.add(name.hash, name.bytes, Mark(code == ResponseCode::NxDomain as u8));
            if !address.is_empty() {
                self.resolvers.add(counted::hash_octets(address), address, Mark(false));
            }
            if let Some(next) = waiting.edge {
                self.count_edge(edge.replace(next), edge_times);
                edge_times = 0;
            }
            edge_times += 1;
        }
        self.count_edge(edge, edge_times);
    }

    fn count_edge(&mut self, edge: Option<Text<'_>>, times: u64) {
        if let Some(Text { bytes, hash }) = edge {
            self.edges.add_bytes(hash, bytes, times);
        }
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
            + self.names.heap_bytes()
            + self.resolvers.heap_bytes()
            + self.edges.heap_bytes()
            + self.ids.heap_bytes()
            + self.waiting_bytes()
    }

    /// Bytes that what waits takes, or will on the wire: there with sketches, once names or addresses are many.
    fn waiting_bytes(&self) -> usize {
        let queries = self.pending.len();
        let sketches = self.names.may_spill(queries) + self.resolvers.may_spill(queries);
        self.pending.heap_bytes() + queries * COUNTER_BYTES + sketches * SKETCH_BYTES
    }

    /// What it came to. When and where, how whole, and what was counted beside is the caller's to fill in.
    pub fn window(&self) -> Window {
        let this = self.settled();
        let queries = this.count();
        // Whoever chooses names by their hash can make the estimate more than there can be.
        let distinct_names = this.names.distinct().min(queries);
        let (sampled_ids, duplicate_ids) = this.ids.counts();
        let suffixes = suffixes::Suffixes::of(&this.names.sample(), distinct_names);
        Window {
            zone_name: this.zone_name.as_str().into(),
            queries,
            codes: this.codes,
            types: this.types,
            transports: this.transports,
            distinct_names,
            distinct_nxdomain_names: suffixes.nxdomain_distinct,
            distinct_resolvers: this.resolvers.distinct().min(queries),
            sub_name_bytes: suffixes.sub_name_bytes,
            label_bytes: suffixes::label_bytes(&this.labels),
            entropy_millibits_sum: this.entropy_millibits,
            top_names: this.names.top.names(),
            top_resolvers: this.resolvers.top.names_as(suffixes::address),
            top_networks: this.resolvers.networks(),
            top_edges: this.edges.names(),
            suffixes: suffixes.list,
            sampled_ids,
            duplicate_ids,
            ..Window::default()
        }
    }
}

impl Pane for Tally {
    /// Counting on a copy costs least as long as nothing is counted: its tables are gone again when they were written down.
    fn settle(&mut self) {
        if self.names.top.len() > 0 {
            self.count_waiting();
        }
    }

    fn bytes(&self) -> usize {
        Self::bytes(self)
    }

    fn merge(&mut self, other: &Self) {
        self.count_waiting();
        let other = other.settled();
        // Taking over what was counted is much quicker than counting it again.
        if self.count() == 0 && self.zone_name.is_empty() {
            return *self = other.into_owned();
        }
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
        self.names.merge(&other.names);
        self.resolvers.merge(&other.resolvers);
        self.edges.merge(&other.edges);
        self.ids.merge(&other.ids);
    }

    fn count(&self) -> u64 {
        self.codes.iter().fold(self.pending.len() as u64, |sum, count| sum.saturating_add(*count))
    }

    fn encode(&self, out: &mut Vec<u8>) {
        let this = self.settled();
        put_bytes(out, this.zone_name.as_bytes());
        put_counts(out, this.codes.iter().copied());
        put_counts(out, this.types.iter().copied());
        put_counts(out, this.transports.iter().copied());
        put_counts(out, this.labels.iter().map(|count| u64::from(*count)));
        put_number(out, this.entropy_millibits);
        this.names.encode(out);
        this.resolvers.encode(out);
        this.edges.encode(out, |_| None);
        this.ids.encode(out);
    }

    fn decode(input: &mut Input<'_>) -> Option<Self> {
        let zone_name = std::str::from_utf8(input.bytes(TEXT_BYTES_MAX)?).ok()?.to_owned();
        let (codes, types, transports) = (take_counts(input)?, take_counts(input)?, take_counts(input)?);
        let mut labels = [0; LABEL_BYTES];
        for (label, count) in labels.iter_mut().zip(take_counts::<LABEL_BYTES>(input)?) {
            *label = count.try_into().ok()?;
        }
        let entropy_millibits = input.number()?;
        let names = Counted::<OfNames>::new(NAMES_KEPT, NAMES_MAX).decode(input)?;
        let resolvers = Counted::<OfAddresses>::new(ADDRESSES_KEPT, ADDRESSES_MAX).decode(input)?;
        let edges = Top::new(NAMES_KEPT).decode(input, SEED, |_| None)?;
        let ids = Ids::decode(input)?;
        Some(Self {
            zone_name,
            codes,
            types,
            transports,
            labels,
            entropy_millibits,
            names,
            resolvers,
            edges,
            ids,
            pending: Pending::default(),
        })
    }

    /// In this order: the sample of names, the sample of ids, the lists of names, of addresses and their networks, and of edge
    /// locations, the sketch of names, the sketch of addresses, the zone's name. The exact counts stay.
    fn shrink(&mut self) -> bool {
        self.count_waiting();
        self.names.drop_sample()
            || self.ids.drop_all()
            || self.names.drop_list()
            || self.resolvers.drop_list()
            || self.edges.let_go()
            || self.names.drop_sketch()
            || self.resolvers.drop_sketch()
            || !std::mem::take(&mut self.zone_name).is_empty()
    }
}

/// Two are equal if they have counted the same, in whatever order it came.
impl PartialEq for Tally {
    fn eq(&self, other: &Self) -> bool {
        let bytes = |tally: &Self| {
            let (mut sorted, mut out) = (tally.settled().into_owned(), Vec::new());
            sorted.names.sort();
            sorted.resolvers.sort();
            sorted.edges.sort();
            sorted.encode(&mut out);
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
