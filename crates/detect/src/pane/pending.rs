//! Queries that wait to be counted in the lists: appended one after the other, and no table is looked at.
//!
//! A tally is fed by queries among which much else is done, and there are hundreds of tallies: whatever a query touches of one
//! has left the caches since the last. So a query only appends here what it is counted by, and many are counted in one go,
//! while the tables that takes are at hand. What is counted, and in which order, is the same.

use super::{Asked, SEED, TEXT_BYTES_MAX};
use crate::stable_hash;
use crate::top::{Hashed, Named};
use crate::wire::put_short;
use dnslog::same;
use std::net::IpAddr;

/// Queries at most, and how often the edge location may change among them.
const QUERIES_MAX: usize = 384;
const EDGES_MAX: usize = 64;
/// Bytes of their texts at most: as many queries of common names, twelve of the longest.
const TEXTS_BYTES_MAX: usize = 6 << 10;
/// Bytes of one query's texts at most: a name, an address and an edge location.
const QUERY_TEXT_BYTES_MAX: usize = 2 * TEXT_BYTES_MAX + 16;
/// What there is room for from the first query on.
const QUERIES_FIRST: usize = 32;
const TEXTS_BYTES_FIRST: usize = 768;

/// Queries that wait, in the order they came.
#[derive(Debug, Clone, Default)]
pub(super) struct Pending {
    queries: Vec<Waiting>,
    /// Edge locations, each of one or several queries in a row.
    edges: Vec<Edge>,
    /// Names, each with the octets of the address behind it, and edge locations.
    texts: Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
struct Waiting {
    /// Of all of the name, of which at most 255 bytes are kept.
    name_hash: u64,
    text_at: u16,
    name_bytes: u8,
    /// Of an address, behind the name; 0 if it is not known.
    address_bytes: u8,
    nxdomain: bool,
}

#[derive(Debug, Clone, Copy)]
struct Edge {
    hash: u64,
    times: u32,
    text_at: u16,
    text_bytes: u8,
}

impl Pending {
    /// Takes one in.
    #[inline]
    pub(super) fn push(&mut self, asked: &Asked<'_>) {
        if self.queries.len() == self.queries.capacity() || !self.has_room_for_texts() {
            self.grow();
        }
        let name = asked.relative_name.as_bytes();
        let name_hash = stable_hash(SEED, name);
        let text_at = self.texts.len() as u16;
        let name_bytes = self.put_text(name);
        let address_bytes = match asked.source_ip {
            Some(IpAddr::V4(address)) => self.put_octets(address.octets()),
            Some(IpAddr::V6(address)) => self.put_octets(address.octets()),
            None => 0,
        };
        let nxdomain = asked.response_code == dnslog::ResponseCode::NxDomain;
        self.queries.push(Waiting { name_hash, text_at, name_bytes, address_bytes, nxdomain });
        let edge = asked.edge.as_bytes();
        match self.edges.last_mut() {
            Some(last) if same(&self.texts[last.text_at.into()..][..last.text_bytes.into()], edge) => last.times += 1,
            _ => self.push_edge(edge),
        }
    }

    fn push_edge(&mut self, edge: &[u8]) {
        let text_at = self.texts.len() as u16;
        let text_bytes = self.put_text(edge);
        self.edges.push(Edge { hash: stable_hash(SEED, edge), times: 1, text_at, text_bytes });
    }

    fn has_room_for_texts(&self) -> bool {
        self.texts.capacity() - self.texts.len() >= QUERY_TEXT_BYTES_MAX
    }

    /// By doubling, but to no more than may be used: most panes have few queries, and what they hold is weighed.
    #[cold]
    fn grow(&mut self) {
        if self.queries.len() == self.queries.capacity() {
            let capacity = (2 * self.queries.len()).clamp(QUERIES_FIRST, QUERIES_MAX);
            self.queries.reserve_exact(capacity - self.queries.len());
        }
        if !self.has_room_for_texts() {
            let capacity = (2 * self.texts.capacity()).clamp(TEXTS_BYTES_FIRST, TEXTS_BYTES_MAX);
            self.texts.reserve_exact(capacity - self.texts.len());
        }
    }

    /// Appends what is kept of a text, and tells how much that is.
    #[inline]
    fn put_text(&mut self, text: &[u8]) -> u8 {
        let kept = &text[..text.len().min(TEXT_BYTES_MAX)];
        put_short(&mut self.texts, kept);
        kept.len() as u8
    }

    #[inline]
    fn put_octets<const N: usize>(&mut self, octets: [u8; N]) -> u8 {
        self.texts.extend_from_slice(&octets);
        N as u8
    }

    /// Whether no more may wait.
    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.queries.len() == QUERIES_MAX
            || self.edges.len() == EDGES_MAX
            || self.texts.len() > TEXTS_BYTES_MAX - QUERY_TEXT_BYTES_MAX
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.queries.len()
    }

    /// Forgets them and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.queries.clear();
        self.edges.clear();
        self.texts.clear();
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.queries.capacity() * size_of::<Waiting>()
            + self.edges.capacity() * size_of::<Edge>()
            + self.texts.capacity()
    }

    /// The names, marked if the answer was NXDOMAIN, by the query's number.
    pub(super) fn names(&self) -> impl Iterator<Item = Hashed> {
        let hashed = |(number, query): (usize, &Waiting)| Hashed {
            number: number as u32,
            hash: query.name_hash,
            mark: query.nxdomain,
        };
        self.queries.iter().enumerate().map(hashed)
    }

    /// What follows from a query's name on, and the name's length.
    #[inline]
    pub(super) fn name(&self, number: usize) -> (&[u8], usize) {
        let Waiting { text_at, name_bytes, .. } = self.queries[number];
        (&self.texts[text_at.into()..], name_bytes.into())
    }

    /// The addresses that asked, as far as they are known, by the query's number.
    pub(super) fn addresses(&self) -> impl Iterator<Item = Hashed> {
        let hashed = |number| {
            let (from, bytes) = self.address(number);
            (bytes > 0).then(|| Hashed { number: number as u32, hash: stable_hash(SEED, &from[..bytes]), mark: false })
        };
        (0..self.queries.len()).filter_map(hashed)
    }

    /// What follows from a query's address on, and the address's length.
    #[inline]
    pub(super) fn address(&self, number: usize) -> (&[u8], usize) {
        let Waiting { text_at, name_bytes, address_bytes, .. } = self.queries[number];
        (&self.texts[usize::from(text_at) + usize::from(name_bytes)..], address_bytes.into())
    }

    /// The edge locations that answered, each as often as it did in a row.
    pub(super) fn edges(&self) -> impl Iterator<Item = Named<'_>> {
        self.edges.iter().map(|&Edge { hash, times, text_at, text_bytes }| {
            let bytes = &self.texts[text_at.into()..][..text_bytes.into()];
            Named { hash, bytes, count: times.into(), mark: false }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dnslog::{QueryType, ResponseCode, Transport};

    fn asked<'a>(relative_name: &'a str, edge: &'a str, source_ip: Option<&str>) -> Asked<'a> {
        Asked {
            zone: "example.com",
            relative_name,
            query_type: QueryType::Aaaa,
            response_code: if edge.is_empty() { ResponseCode::NxDomain } else { ResponseCode::NoError },
            transport: Transport::Tcp,
            edge,
            source_ip: source_ip.map(|address| address.parse().unwrap()),
            longest_label: 63,
            entropy_millibits: 0x0102_0304,
            event_id: "",
        }
    }

    fn named(text: &str, count: u64, mark: bool) -> Named<'_> {
        let bytes = &text.as_bytes()[..text.len().min(TEXT_BYTES_MAX)];
        Named { hash: stable_hash(SEED, text.as_bytes()), bytes, count, mark }
    }

    #[test]
    fn queries_come_back_as_they_went_in() {
        let longest = "n".repeat(TEXT_BYTES_MAX - 1);
        let (cut, other) = ("n".repeat(TEXT_BYTES_MAX), "n".repeat(TEXT_BYTES_MAX + 700));
        let queries = [
            asked("", "", None),
            asked("www", "", Some("192.0.2.1")),
            asked(&longest, "FRA6-C1", Some("2001:db8::1")),
            asked(&cut, "FRA6-C1", None),
            asked(&other, "FRA6-C1", Some("192.0.2.2")),
            asked("a-name-of-17-byte", &other, Some("192.0.2.2")),
            asked("eight-by", &other, None),
        ];
        let mut pending = Pending::default();
        for _ in 0..2 {
            queries.iter().for_each(|asked| pending.push(asked));
            assert_eq!(pending.len(), queries.len());
            let texts = pending.names().map(|hashed| (hashed, pending.name(hashed.number as usize)));
            for ((hashed, (from, bytes)), asked) in texts.zip(&queries) {
                let Named { hash, bytes: text, mark, .. } = named(asked.relative_name, 1, asked.edge.is_empty());
                assert_eq!((hashed.hash, hashed.mark, &from[..bytes]), (hash, mark, text));
            }
            let known = queries.iter().filter_map(|asked| asked.source_ip);
            let octets = known.map(|address| match address {
                IpAddr::V4(address) => address.octets().to_vec(),
                IpAddr::V6(address) => address.octets().to_vec(),
            });
            let octets: Vec<_> = octets.map(|octets| (stable_hash(SEED, &octets), octets)).collect();
            let told = pending.addresses().map(|hashed| (hashed.hash, pending.address(hashed.number as usize)));
            let told: Vec<_> = told.map(|(hash, (from, bytes))| (hash, from[..bytes].to_vec())).collect();
            assert_eq!(told, octets);
            let edges: Vec<Named<'_>> = pending.edges().collect();
            assert_eq!(edges[..2], [named("", 2, false), named("FRA6-C1", 3, false)]);
            // Of one that is cut nobody can tell whether it is the same.
            assert_eq!(edges[2..].iter().map(|edge| edge.count).sum::<u64>(), 2);
            assert!(edges[2..].iter().all(|edge| *edge == named(&other, 1, false)));
            // What comes after that knows of no query before.
            pending.clear();
            assert_eq!((pending.len(), pending.edges().count()), (0, 0));
        }
    }

    #[test]
    fn few_take_little() {
        let mut pending = Pending::default();
        for (queries, bytes) in [(1, 1_400), (25, 2_200), (100, 3_700)] {
            while pending.len() < queries {
                pending.push(&asked("www-01", "FRA6-C1", Some("192.0.2.1")));
            }
            assert!(pending.heap_bytes() <= bytes, "{queries} take {} bytes", pending.heap_bytes());
        }
    }

    #[test]
    fn no_more_wait_than_may() {
        let long = "n".repeat(1_000);
        for name in ["", "www", &long] {
            let mut pending = Pending::default();
            let mut edges = ["FRA6-C1", &long].into_iter().cycle();
            while !pending.is_full() {
                pending.push(&asked(name, edges.next().unwrap(), Some("2001:db8::1")));
            }
            assert!(pending.len() <= QUERIES_MAX && pending.texts.len() <= TEXTS_BYTES_MAX);
            assert!(pending.heap_bytes() <= 13 << 10, "{} bytes", pending.heap_bytes());
        }
    }
}
