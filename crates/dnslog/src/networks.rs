//! What is known about addresses: reference data, and a bounded cache in front of it.
//!
//! Databases come as bytes, in the MaxMind DB format. Country and AS are read under the keys that MaxMind and DB-IP use
//! (`country.iso_code`, `autonomous_system_number`), IPinfo (`country_code` or `country`, `asn`, `as_name`) and the
//! openly licensed builds (`country_code`). Where several databases know a field, the first one counts.

use crate::address::Bits;
use crate::name::normalize;
use crate::operators;
use crate::scan::prefetch;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use maxminddb::Reader;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::hash::BuildHasher;
use std::net::IpAddr;

/// What does not change from query to query: configured zone names and network databases. Replaced as a whole when a
/// database file is replaced.
#[derive(Default)]
pub struct Reference {
    zone_names: BTreeMap<String, String>,
    names: BTreeSet<String>,
    labels_max: usize,
    databases: Vec<Reader<Vec<u8>>>,
}

impl Reference {
    /// Reference data of these zones (zone id and zone name) and these databases (each the bytes of an mmdb file).
    ///
    /// A zone's id may have Route 53's `/hostedzone/` before it, its name a trailing dot.
    pub fn new(zone_names: Vec<(String, String)>, databases: Vec<Vec<u8>>) -> Result<Self, ReferenceError> {
        let zone_names: BTreeMap<_, _> =
            zone_names.into_iter().map(|(id, name)| (bare_id(&id), bare_name(&name))).collect();
        let names: BTreeSet<_> = zone_names.values().filter(|name| !name.is_empty()).cloned().collect();
        let labels_max = names.iter().map(|name| name.split('.').count()).max().unwrap_or(0);
        let open = |(index, bytes)| {
            Reader::from_source(bytes).map_err(|error| ReferenceError { index, problem: error.to_string() })
        };
        let databases = databases.into_iter().enumerate().map(open).collect::<Result<_, _>>()?;
        Ok(Self { zone_names, names, labels_max, databases })
    }

    /// The configured name of a zone.
    pub(crate) fn zone_name(&self, zone_id: &str) -> Option<&str> {
        self.zone_names.get(zone_id).map(String::as_str)
    }

    /// The longest configured zone that `name` lies at or below.
    pub(crate) fn zone_above<'a>(&self, name: &'a str) -> Option<&'a str> {
        let dots = memchr::memrchr_iter(b'.', name.as_bytes()).take(self.labels_max);
        let suffixes = dots.map(|dot| &name[dot + 1..]).chain([name]);
        // The longest match is the last one that hits; suffixes grow from right to left.
        suffixes.filter(|suffix| self.names.contains(*suffix)).last()
    }

    /// Looks an address up in every database. Writes what is known into an empty network, and says whether anything is.
    fn look_up(&self, address: IpAddr, network: &mut Network) -> bool {
        for database in &self.databases {
            // A database without the address's family, or a damaged row, is a database that does not know the address.
            let row = database.lookup(address).ok().and_then(|found| found.decode::<Row<'_>>().ok().flatten());
            if let Some(row) = row {
                row.add_to(network);
            }
        }
        network.operator = operators::find(address, network.asn);
        network.asn != 0
            || !(network.country.is_empty() && network.organization.is_empty() && network.operator.is_empty())
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let databases: Vec<_> = self.databases.iter().map(|database| &database.metadata().database_type).collect();
        formatter
            .debug_struct("Reference")
            .field("zones", &self.zone_names.len())
            .field("databases", &databases)
            .finish()
    }
}

/// A database that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReferenceError {
    /// Which of the databases, counted from 0.
    pub index: usize,
    /// What the reader says is wrong.
    pub problem: String,
}

impl fmt::Display for ReferenceError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { index, problem } = self;
        write!(formatter, "open network database {index}: {problem}: give a complete file in MaxMind DB (mmdb) format")
    }
}

impl std::error::Error for ReferenceError {}

/// What we know about an address's network. Empty text means unknown; `asn` 0 means unknown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Network {
    /// ISO 3166-1 alpha-2.
    pub country: String,
    /// The autonomous system's number.
    pub asn: u32,
    /// Its organisation.
    pub organization: String,
    /// A well-known public resolver's operator (`google`, `cloudflare`, …).
    pub operator: &'static str,
}

/// The fields of a database's row that we read, under every name they are known by.
#[derive(Deserialize)]
struct Row<'a> {
    #[serde(borrow)]
    country: Option<Country<'a>>,
    country_code: Option<&'a str>,
    autonomous_system_number: Option<System<'a>>,
    autonomous_system_organization: Option<&'a str>,
    asn: Option<System<'a>>,
    as_name: Option<&'a str>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Country<'a> {
    Code(&'a str),
    Object { iso_code: Option<&'a str> },
}

#[derive(Deserialize)]
#[serde(untagged)]
enum System<'a> {
    /// Untagged, it may be stored as any kind of integer; asked for as `u32`, a row with a `uint16` would be refused.
    Number(u32),
    Text(&'a str),
}

impl System<'_> {
    fn number(&self) -> Option<u32> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => text.strip_prefix("AS").unwrap_or(text).parse().ok(),
        }
    }
}

impl Row<'_> {
    fn add_to(&self, network: &mut Network) {
        let country = match self.country {
            Some(Country::Object { iso_code: Some(code) }) => Some(code),
            Some(Country::Code(code)) if is_country(code) => Some(code),
            _ => self.country_code,
        };
        if let Some(code) = country.filter(|code| network.country.is_empty() && is_country(code)) {
            network.country.push_str(code);
        }
        let systems = [&self.autonomous_system_number, &self.asn];
        let number = systems.into_iter().flatten().find_map(System::number);
        if network.asn == 0 {
            network.asn = number.unwrap_or(0);
        }
        if network.organization.is_empty() {
            network.organization.push_str(self.autonomous_system_organization.or(self.as_name).unwrap_or(""));
        }
    }
}

fn is_country(code: &str) -> bool {
    code.len() == 2 && code.bytes().all(|letter| letter.is_ascii_uppercase())
}

/// Route 53's API prints `/hostedzone/Z123`, its query log `Z123`.
fn bare_id(id: &str) -> String {
    id.strip_prefix("/hostedzone/").unwrap_or(id).to_owned()
}

fn bare_name(name: &str) -> String {
    normalize(name, &mut String::new()).text.to_owned()
}

/// Networks of addresses, remembered. Set-associative: its size is fixed, and which set an address falls into depends on
/// a seed, because whoever asks chooses the addresses.
pub(crate) struct AddressCache {
    hasher: FixedState,
    // A cache line holds eight addresses of IPv4 but three of IPv6, so each family has its own sets.
    sets4: Box<[Set<u32, 8>]>,
    sets6: Box<[Set<u128, 3>]>,
    /// Each network once: a provider's thousand resolvers share one, which stays near the processor.
    networks: Vec<Network>,
    numbers: HashMap<Network, u32, FixedState>,
    turn: usize,
}

/// Networks that are remembered. One more, and the cache forgets everything: a rare moment that costs some look-ups.
const NETWORKS_MAX: usize = 8_192;

/// Addresses of one set with the numbers of their networks, in one cache line.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Set<Address, const WAYS: usize> {
    addresses: [Address; WAYS],
    networks: [u32; WAYS],
}

impl<Address: Copy + Default + Eq, const WAYS: usize> Set<Address, WAYS> {
    fn many(count: usize) -> Box<[Self]> {
        vec![Self { addresses: [Address::default(); WAYS], networks: [EMPTY; WAYS] }; count].into()
    }

    fn find(&self, address: Address) -> Option<u32> {
        let way = (0..WAYS).find(|way| self.addresses[*way] == address)?;
        Some(self.networks[way]).filter(|network| *network != EMPTY)
    }

    fn put(&mut self, address: Address, network: u32, turn: usize) {
        let way = self.networks.iter().position(|network| *network == EMPTY).unwrap_or(turn % WAYS);
        self.addresses[way] = address;
        self.networks[way] = network;
    }
}

/// Numbers that stand for no network; those of networks follow.
const EMPTY: u32 = 0;
const UNKNOWN: u32 = 1;
const FIRST: u32 = 2;

/// An address, and the set it belongs to.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    address: Bits,
    set: usize,
}

impl AddressCache {
    /// A cache of this many cache lines for each family, a power of two.
    pub(crate) fn new(sets: usize, seed: u64) -> Self {
        assert!(sets.is_power_of_two(), "a set is chosen by the low bits of a hash");
        let hasher = FixedState::with_seed(seed);
        let numbers = HashMap::with_hasher(hasher.clone());
        Self { hasher, sets4: Set::many(sets), sets6: Set::many(sets), networks: Vec::new(), numbers, turn: 0 }
    }

    /// Where an address belongs. The set is fetched from memory while the caller does other work: under many resolvers
    /// this is the only place in enrichment that would wait for memory.
    #[inline]
    pub(crate) fn place_of(&self, address: &IpAddr) -> Place {
        let address = Bits::of(address);
        let set = if address.is_v4 {
            let set = self.hasher.hash_one(address.bits as u32) as usize & (self.sets4.len() - 1);
            prefetch(&self.sets4[set]);
            set
        } else {
            let set = self.hasher.hash_one(address.bits) as usize & (self.sets6.len() - 1);
            prefetch(&self.sets6[set]);
            set
        };
        Place { address, set }
    }

    /// The network of an address; `None` if nothing is known about it.
    #[inline]
    pub(crate) fn of(&mut self, reference: &Reference, place: Place) -> Option<&Network> {
        let remembered = if place.address.is_v4 {
            self.sets4[place.set].find(place.address.bits as u32)
        } else {
            self.sets6[place.set].find(place.address.bits)
        };
        let network = remembered.unwrap_or_else(|| self.learn(reference, place));
        network.checked_sub(FIRST).map(|index| &self.networks[index as usize])
    }

    /// Looks an address up, and puts it into its set, if need be in place of another.
    #[cold]
    fn learn(&mut self, reference: &Reference, Place { address, set }: Place) -> u32 {
        let mut network = Network::default();
        let known = reference.look_up(address.address(), &mut network);
        let network = if known { self.number_of(network) } else { UNKNOWN };
        self.turn = self.turn.wrapping_add(1);
        if address.is_v4 {
            self.sets4[set].put(address.bits as u32, network, self.turn);
        } else {
            self.sets6[set].put(address.bits, network, self.turn);
        }
        network
    }

    fn number_of(&mut self, network: Network) -> u32 {
        if let Some(number) = self.numbers.get(&network) {
            return *number;
        }
        if self.networks.len() == NETWORKS_MAX {
            self.sets4 = Set::many(self.sets4.len());
            self.sets6 = Set::many(self.sets6.len());
            self.networks.clear();
            self.numbers.clear();
        }
        let number = self.networks.len() as u32 + FIRST;
        self.networks.push(network.clone());
        self.numbers.insert(network, number);
        number
    }
}

#[cfg(test)]
mod tests;
