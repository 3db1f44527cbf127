//! A query and reference data to facts.
//!
//! Facts are a function of the query, its source and the reference data alone: what is cached here changes how fast they
//! are found, never what they say. Everything a client chooses (names, addresses, subnets) meets caches of fixed size
//! whose slots depend on a seed. This module must not know where facts go.

mod entropy;
mod same;
mod zones;

pub use crate::edges::Edge;
pub use crate::networks::{Network, Reference, ReferenceError};

use crate::edges;
use crate::name::normalize;
use crate::networks::AddressCache;
use crate::suffix::{SuffixCache, Suffixes};
use crate::{Query, Source};
use entropy::Entropy;
pub use same::same;
use std::sync::Arc;
use zones::{Origin, Zone, Zones};

/// What enrichment adds to one query.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The zone's name: configured, else from the log group `/aws/route53/<zone>`, else the zone id. For Resolver
    /// logs the longest configured zone that is a suffix of the name, else the registered domain, else `.`.
    pub zone: &'a str,
    /// The key a zone is counted under: the zone id, or `zone` where there is none.
    pub zone_key: &'a str,
    /// Lower case, no trailing dot, escapes in one form; `.` for the root.
    pub name: &'a str,
    /// `name` without the zone: `www` for `www.example.com`; empty at the apex; all of `name` if outside the zone.
    pub relative_name: &'a str,
    /// The public suffix and the label before it; empty if there is none.
    pub registered_domain: &'a str,
    /// The public suffix of `name`; empty for the root.
    pub public_suffix: &'a str,
    /// Labels of `name`.
    pub labels: u8,
    /// Bytes of the longest label.
    pub longest_label: u8,
    /// Shannon entropy of the first 1,024 bytes of `relative_name`, bits a byte.
    pub entropy: f32,
    /// Where the edge location is, if its code is known.
    pub edge: Option<&'static Edge>,
    /// The network of the address that asked.
    pub source: Option<&'a Network>,
    /// The network of the client subnet.
    pub client: Option<&'a Network>,
}

/// Cache lines for the networks of 8,192 resolvers by IPv4 and 3,072 by IPv6, and of a quarter as many client subnets.
const SOURCE_SETS: usize = 1_024;
const CLIENT_SETS: usize = 256;

/// Adds facts to queries. One a task: it caches what it learned about zones and resolvers, bounded.
pub struct Enricher {
    reference: Arc<Reference>,
    seed: u64,
    /// The normalised name of the query at hand, where it differs from the logged one.
    scratch: String,
    entropy: Entropy,
    zones: Zones,
    suffixes: SuffixCache,
    // Two caches: the facts of one query borrow from both.
    sources: AddressCache,
    clients: AddressCache,
    edge: LastEdge,
}

impl Enricher {
    /// An enricher over this reference data. The seed makes cache slots unpredictable to whoever chooses names.
    pub fn new(reference: Arc<Reference>, seed: u64) -> Self {
        Self {
            reference,
            seed,
            scratch: String::new(),
            entropy: Entropy::default(),
            zones: Zones::new(seed),
            suffixes: SuffixCache::new(seed),
            sources: AddressCache::new(SOURCE_SETS, seed),
            clients: AddressCache::new(CLIENT_SETS, seed),
            edge: LastEdge::default(),
        }
    }

    /// Takes new reference data and forgets what was cached from the old.
    pub fn replace(&mut self, reference: Arc<Reference>) {
        *self = Self::new(reference, self.seed);
    }

    /// The facts of one query.
    pub fn enrich<'a>(&'a mut self, source: &Source<'a>, query: &Query<'a>) -> Facts<'a> {
        let asker = query.source_ip.as_ref().map(|address| self.sources.place_of(address));
        let client = query.client_subnet.as_ref().map(|subnet| self.clients.place_of(&subnet.address));
        let name = normalize(query.name, &mut self.scratch);
        let place = if query.zone_id.is_empty() {
            of_resolver(&self.reference, &mut self.suffixes, name.text)
        } else {
            let zone = self.zones.of(&self.reference, source, query.zone_id);
            of_zone(zone, &mut self.suffixes, query.zone_id, name.text)
        };
        Facts {
            zone: place.zone,
            zone_key: if query.zone_id.is_empty() { place.zone } else { query.zone_id },
            name: name.text,
            relative_name: place.relative_name,
            registered_domain: place.suffixes.registered_domain(name.text),
            public_suffix: place.suffixes.public_suffix(name.text),
            labels: name.labels,
            longest_label: name.longest_label,
            entropy: self.entropy.of(place.relative_name.as_bytes()),
            edge: self.edge.find(query.edge),
            source: asker.and_then(|place| self.sources.of(&self.reference, place)),
            client: client.and_then(|place| self.clients.of(&self.reference, place)),
        }
    }
}

/// Where a name lies.
struct Place<'a> {
    zone: &'a str,
    relative_name: &'a str,
    suffixes: Suffixes,
}

/// A hosted zone's query: the log says the zone's id.
fn of_zone<'a>(zone: &'a Zone, suffixes: &mut SuffixCache, zone_id: &'a str, name: &'a str) -> Place<'a> {
    match zone.relative(name) {
        Some(relative_name) => {
            let suffixes = zone.suffixes.unwrap_or_else(|| suffixes.of(name));
            Place { zone: &zone.name, relative_name, suffixes }
        }
        // Route 53 answers from a zone only for names in it, so a name outside shows a guess to be wrong: several zones
        // share this log group.
        None => {
            let zone = if zone.origin == Origin::Configured { &zone.name } else { zone_id };
            Place { zone, relative_name: name, suffixes: suffixes.of(name) }
        }
    }
}

/// A Resolver's query: the zone is found by the name.
fn of_resolver<'a>(reference: &Reference, suffixes: &mut SuffixCache, name: &'a str) -> Place<'a> {
    let suffixes = suffixes.of(name);
    let registered = suffixes.registered_domain(name);
    let zone = match reference.zone_above(name) {
        Some(zone) => zone,
        None if !registered.is_empty() => registered,
        // Names without a registered domain are public suffixes and single made-up labels. Each as a zone of its own
        // would let clients invent zones without end; under the root they are one.
        None => return Place { zone: ".", relative_name: name, suffixes },
    };
    let below = &name[..name.len() - zone.len()];
    Place { zone, relative_name: below.strip_suffix('.').unwrap_or(below), suffixes }
}

/// The edge location asked for last: a log stream is of one zone and one edge.
#[derive(Default)]
struct LastEdge {
    name: String,
    edge: Option<&'static Edge>,
}

impl LastEdge {
    fn find(&mut self, name: &str) -> Option<&'static Edge> {
        if !same(&self.name, name) {
            self.name.clear();
            self.name.push_str(name);
            self.edge = edges::find(name);
        }
        self.edge
    }
}

#[cfg(test)]
mod tests;
