//! Queries that wait to be counted: bytes one after the other, and no table is looked at.
//!
//! A tally is fed by queries among which much else is done, and there are hundreds of tallies: whatever a query touches of one
//! has left the caches since the last. So a query only appends here, and many are counted in one go, while the tables that
//! takes are at hand. What is counted, and in which order, is the same.

use super::{Asked, SEED, TEXT_BYTES_MAX};
use crate::stable_hash;
use crate::wire::put_short;
use dnslog::same;
use std::net::IpAddr;
use std::ops::Range;

/// Bytes at most: four hundred queries of common names, twenty of the longest.
const BYTES_MAX: usize = 12 << 10;
/// Bytes of one query at most: what all have, an address, a name and an edge location.
const QUERY_BYTES_MAX: usize = 9 + 16 + 2 * (1 + 8 + TEXT_BYTES_MAX);
/// Bytes that there is room for from the first query on.
const FIRST_BYTES: usize = 1536;

/// Flags.
const IPV4: u8 = 1;
const IPV6: u8 = 2;
/// The edge location is that of the query before.
const EDGE_AGAIN: u8 = 4;

/// Queries that wait, in the order they came.
#[derive(Debug, Clone, Default)]
pub(super) struct Pending {
    bytes: Vec<u8>,
    queries: usize,
    /// Where the last edge location stands.
    edge: Range<usize>,
}

/// One of them. Texts have at most 255 bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waiting<'a> {
    pub(super) code: u8,
    pub(super) query_type: u8,
    pub(super) transport: u8,
    pub(super) longest_label: u8,
    pub(super) entropy_millibits: u32,
    pub(super) name: Text<'a>,
    /// Octets; none if the address is not known.
    pub(super) address: &'a [u8],
    /// `None`: the one of the query before.
    pub(super) edge: Option<Text<'a>>,
}

/// At most 255 bytes of a text, and its hash.
#[derive(Debug, Clone, Copy)]
pub(super) struct Text<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) hash: u64,
}

impl Pending {
    /// Takes one in.
    #[inline]
    pub(super) fn push(&mut self, asked: &Asked<'_>) {
        if self.bytes.capacity() - self.bytes.len() < QUERY_BYTES_MAX {
            self.grow();
        }
        let edge = asked.edge.as_bytes();
        let edge_again = self.queries > 0 && same(&self.bytes[self.edge.clone()], edge);
        self.queries += 1;
        let flags = if edge_again { EDGE_AGAIN } else { 0 };
        let [e0, e1, e2, e3] = asked.entropy_millibits.to_le_bytes();
        let mut fixed = [
            flags,
            asked.response_code as u8,
            asked.query_type as u8,
            asked.transport as u8,
            asked.longest_label,
            e0,
            e1,
            e2,
            e3,
            0,
            0,
            0,
            0,
        ];
        match asked.source_ip {
            Some(IpAddr::V4(address)) => {
                fixed[0] |= IPV4;
                fixed[9..].copy_from_slice(&address.octets());
                self.bytes.extend_from_slice(&fixed);
            }
            Some(IpAddr::V6(address)) => {
                fixed[0] |= IPV6;
                self.bytes.extend_from_slice(&fixed[..9]);
                self.bytes.extend_from_slice(&address.octets());
            }
            None => self.bytes.extend_from_slice(&fixed[..9]),
        }
        self.put_text(asked.relative_name.as_bytes());
        if !edge_again {
            self.put_text(edge);
            self.edge = self.bytes.len() - edge.len().min(TEXT_BYTES_MAX)..self.bytes.len();
        }
    }

    /// By doubling, but to no more than may be used.
    #[cold]
    fn grow(&mut self) {
        let capacity = (2 * self.bytes.capacity()).clamp(FIRST_BYTES, BYTES_MAX);
        self.bytes.reserve_exact(capacity - self.bytes.len());
    }

    #[inline]
    fn put_text(&mut self, text: &[u8]) {
        if text.len() < TEXT_BYTES_MAX {
            self.bytes.push(text.len() as u8);
            put_short(&mut self.bytes, text);
        } else {
            self.bytes.push(TEXT_BYTES_MAX as u8);
            self.bytes.extend_from_slice(&stable_hash(SEED, text).to_le_bytes());
            self.bytes.extend_from_slice(&text[..TEXT_BYTES_MAX]);
        }
    }

    /// Whether no more may wait.
    pub(super) fn is_full(&self) -> bool {
        self.bytes.len() > BYTES_MAX - QUERY_BYTES_MAX
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.queries
    }

    /// Forgets them and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.queries = 0;
        self.edge = 0..0;
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Waiting<'_>> {
        let mut rest = self.bytes.as_slice();
        std::iter::from_fn(move || {
            let (&[flags, code, query_type, transport, longest_label, e0, e1, e2, e3], tail) =
                rest.split_first_chunk()?;
            let (address, tail) = match flags & (IPV4 | IPV6) {
                0 => (&[][..], tail),
                IPV4 => tail.split_at(4),
                _ => tail.split_at(16),
            };
            let (name, tail) = take_text(tail);
            let (edge, tail) = if flags & EDGE_AGAIN != 0 {
                (None, tail)
            } else {
                let (edge, tail) = take_text(tail);
                (Some(edge), tail)
            };
            rest = tail;
            let entropy_millibits = u32::from_le_bytes([e0, e1, e2, e3]);
            Some(Waiting { code, query_type, transport, longest_label, entropy_millibits, name, address, edge })
        })
    }
}

#[inline]
fn take_text(bytes: &[u8]) -> (Text<'_>, &[u8]) {
    let (&length, tail) = bytes.split_first().expect("a text follows");
    if usize::from(length) < TEXT_BYTES_MAX {
        let (bytes, tail) = tail.split_at(usize::from(length));
        return (Text { bytes, hash: stable_hash(SEED, bytes) }, tail);
    }
    let (hash, tail) = tail.split_first_chunk().expect("a hash follows");
    let (bytes, tail) = tail.split_at(TEXT_BYTES_MAX);
    (Text { bytes, hash: u64::from_le_bytes(*hash) }, tail)
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
            response_code: ResponseCode::NxDomain,
            transport: Transport::Tcp,
            edge,
            source_ip: source_ip.map(|address| address.parse().unwrap()),
            longest_label: 63,
            entropy_millibits: 0x0102_0304,
            event_id: "",
        }
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
            assert_eq!((pending.len(), pending.iter().count()), (queries.len(), queries.len()));
            let mut edge = None;
            for (waiting, asked) in pending.iter().zip(&queries) {
                let is_it = |text: Text<'_>, whole: &str| {
                    text.bytes == &whole.as_bytes()[..whole.len().min(TEXT_BYTES_MAX)]
                        && text.hash == stable_hash(SEED, whole.as_bytes())
                };
                assert!(is_it(waiting.name, asked.relative_name), "{}", asked.relative_name);
                edge = waiting.edge.or(edge);
                assert!(is_it(edge.unwrap(), asked.edge), "{}", asked.edge);
                let octets = match asked.source_ip {
                    Some(IpAddr::V4(address)) => address.octets().to_vec(),
                    Some(IpAddr::V6(address)) => address.octets().to_vec(),
                    None => Vec::new(),
                };
                assert_eq!(waiting.address, octets);
                assert_eq!(waiting.code, ResponseCode::NxDomain as u8);
                assert_eq!(waiting.query_type, QueryType::Aaaa as u8);
                assert_eq!(waiting.transport, Transport::Tcp as u8);
                assert_eq!((waiting.longest_label, waiting.entropy_millibits), (63, 0x0102_0304));
            }
            // What comes after that knows of no query before.
            pending.clear();
            assert_eq!((pending.len(), pending.iter().count()), (0, 0));
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
            assert!(pending.bytes.len() <= BYTES_MAX && pending.heap_bytes() <= BYTES_MAX);
        }
    }
}
