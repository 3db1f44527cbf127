//! What databases of different publishers say, and what the cache remembers.

use super::*;
use proptest::prelude::*;
use std::net::{Ipv4Addr, Ipv6Addr};

/// A value of the MaxMind DB format, as far as rows and metadata need it.
enum Data<'a> {
    Map(Vec<(&'a str, Data<'a>)>),
    Text(&'a str),
    Short(u16),
    Number(u32),
    Long(u64),
    EmptyArray,
}

use Data::{EmptyArray, Long, Map, Number, Short, Text};

impl Data<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Text(text) => {
                // A length from 29 on is told by a byte of its own.
                match text.len() {
                    length @ ..29 => out.push(2 << 5 | length as u8),
                    length => out.extend_from_slice(&[2 << 5 | 29, length as u8 - 29]),
                }
                out.extend_from_slice(text.as_bytes());
            }
            Short(number) => {
                out.push(5 << 5 | 2);
                out.extend_from_slice(&number.to_be_bytes());
            }
            Number(number) => {
                out.push(6 << 5 | 4);
                out.extend_from_slice(&number.to_be_bytes());
            }
            Long(number) => {
                out.extend_from_slice(&[8, 2]);
                out.extend_from_slice(&number.to_be_bytes());
            }
            Map(members) => {
                out.push(7 << 5 | members.len() as u8);
                for (key, value) in members {
                    Text(key).encode(out);
                    value.encode(out);
                }
            }
            EmptyArray => out.extend_from_slice(&[0, 4]),
        }
    }
}

/// A database file (<https://maxmind.github.io/MaxMind-DB/>) with these rows, by prefix.
fn database(rows: &[(&str, Data<'_>)]) -> Vec<u8> {
    // Children of each node of the search tree: 0 is nothing, n > 0 node n, n < 0 the row -n - 1.
    let mut nodes = vec![[0_i64; 2]];
    let mut data = Vec::new();
    let mut offsets = Vec::new();
    for (prefix, row) in rows {
        let (address, bits) = prefix.split_once('/').expect("a prefix");
        let address: IpAddr = address.parse().expect("an address");
        let bits: usize = bits.parse().expect("a number of bits");
        // In a database of both families IPv4 lies at ::/96.
        let (number, bits) = match address {
            IpAddr::V4(address) => (u128::from(address.to_bits()), bits + 96),
            IpAddr::V6(address) => (address.to_bits(), bits),
        };
        offsets.push(data.len());
        row.encode(&mut data);
        let mut node = 0;
        for bit in 0..bits {
            let side = (number >> (127 - bit) & 1) as usize;
            if bit + 1 == bits {
                nodes[node][side] = -(offsets.len() as i64);
            } else {
                if nodes[node][side] == 0 {
                    nodes.push([0; 2]);
                    nodes[node][side] = nodes.len() as i64 - 1;
                }
                node = nodes[node][side] as usize;
            }
        }
    }
    let count = nodes.len() as u32;
    let record = |child: i64| match child {
        0 => count,
        1.. => child as u32,
        _ => count + 16 + offsets[(-child - 1) as usize] as u32,
    };
    let mut out = Vec::new();
    for child in nodes.iter().flatten() {
        out.extend_from_slice(&record(*child).to_be_bytes()[1..]);
    }
    out.extend_from_slice(&[0; 16]);
    out.extend_from_slice(&data);
    out.extend_from_slice(b"\xab\xcd\xefMaxMind.com");
    Map(vec![
        ("binary_format_major_version", Short(2)),
        ("binary_format_minor_version", Short(0)),
        ("build_epoch", Long(1_714_898_096)),
        ("database_type", Text("test")),
        ("description", Map(vec![])),
        ("ip_version", Short(6)),
        ("languages", EmptyArray),
        ("node_count", Number(count)),
        ("record_size", Short(24)),
    ])
    .encode(&mut out);
    out
}

fn known(reference: &Reference, address: &str) -> Option<Network> {
    let mut cache = AddressCache::new(4, 1);
    let place = cache.place_of(&address.parse().expect("an address"));
    cache.of(reference, place).cloned()
}

fn network(country: &str, asn: u32, organization: &str, operator: &'static str) -> Option<Network> {
    Some(Network { country: country.to_owned(), asn, organization: organization.to_owned(), operator })
}

#[test]
fn databases_of_every_publisher_are_read() {
    let country = Map(vec![(
        "country",
        Map(vec![("geoname_id", Number(1)), ("iso_code", Text("DE")), ("names", Map(vec![("en", Text("Germany"))]))]),
    )]);
    let ipinfo = Map(vec![
        ("asn", Text("AS15169")),
        ("as_name", Text("Google LLC")),
        ("country", Text("United States")),
        ("country_code", Text("US")),
    ]);
    let system = Map(vec![
        ("autonomous_system_number", Number(3_320)),
        ("autonomous_system_organization", Text("Deutsche Telekom AG")),
    ]);
    let rows = [
        ("192.0.2.0/24", country),
        ("198.51.100.0/25", ipinfo),
        ("203.0.113.0/24", system),
        ("2001:db8::/32", Map(vec![("country_code", Text("FR"))])),
        ("100.64.0.0/24", Map(vec![("country", Text("CH")), ("asn", Number(19_281))])),
        ("100.65.0.0/24", Map(vec![("country_code", Text("x\"")), ("asn", Text("none"))])),
        ("100.66.0.0/24", Map(vec![("country_code", Short(7))])),
        ("100.67.0.0/24", Map(vec![("autonomous_system_number", Short(64_500)), ("country_code", Text("NL"))])),
    ];
    let reference = Reference::new(Vec::new(), vec![database(&rows)]).expect("a database");
    for (address, expected) in [
        ("192.0.2.255", network("DE", 0, "", "")),
        ("198.51.100.1", network("US", 15_169, "Google LLC", "google")),
        ("198.51.100.128", None),
        ("203.0.113.5", network("", 3_320, "Deutsche Telekom AG", "")),
        ("2001:db8::1", network("FR", 0, "", "")),
        ("2001:db9::1", None),
        ("100.64.0.1", network("CH", 19_281, "", "quad9")),
        // What is no country, no number or of a wrong kind is not known.
        ("100.65.0.1", None),
        ("100.66.0.1", None),
        // Some writers give a number the narrowest type that holds it.
        ("100.67.0.1", network("NL", 64_500, "", "")),
        ("8.8.8.8", network("", 0, "", "google")),
    ] {
        assert_eq!(known(&reference, address), expected, "{address}");
    }
}

#[test]
fn the_first_database_that_knows_a_field_counts() {
    let first = database(&[("192.0.2.0/24", Map(vec![("country_code", Text("DE"))]))]);
    let second = database(&[("192.0.2.0/24", Map(vec![("country_code", Text("FR")), ("asn", Number(3_320))]))]);
    let reference = Reference::new(Vec::new(), vec![first, second]).expect("databases");
    assert_eq!(known(&reference, "192.0.2.1"), network("DE", 3_320, "", ""));
}

#[test]
fn what_is_no_database_is_refused_with_its_place() {
    let sound = database(&[("192.0.2.0/24", Map(vec![]))]);
    let mut cut = sound.clone();
    cut.truncate(sound.len() / 2);
    for bytes in [Vec::new(), b"PK\x03\x04".to_vec(), cut] {
        let error = Reference::new(Vec::new(), vec![sound.clone(), bytes]).expect_err("no database");
        assert_eq!(error.index, 1);
        assert!(error.to_string().starts_with("open network database 1: "), "{error}");
    }
}

#[test]
fn damaged_databases_never_panic() {
    let sound = database(&[("192.0.2.0/24", Map(vec![("country", Map(vec![("iso_code", Text("DE"))]))]))]);
    for at in 0..sound.len() {
        for bits in [0x01, 0x80, 0xff] {
            let mut damaged = sound.clone();
            damaged[at] ^= bits;
            if let Ok(reference) = Reference::new(Vec::new(), vec![damaged]) {
                known(&reference, "192.0.2.1");
            }
        }
    }
}

#[test]
fn too_many_networks_make_the_cache_forget_and_learn_anew() {
    let mut cache = AddressCache::new(16, 1);
    let numbers: Vec<u32> =
        (0..=NETWORKS_MAX as u32).map(|asn| cache.number_of(Network { asn, ..Network::default() })).collect();
    assert_eq!((numbers[0], numbers[NETWORKS_MAX - 1], numbers[NETWORKS_MAX]), (FIRST, NETWORKS_MAX as u32 + 1, FIRST));
    assert_eq!((cache.networks.len(), cache.networks[0].asn), (1, NETWORKS_MAX as u32));
}

proptest! {
    /// However addresses crowd into few sets, the cache says what a look-up says, and stays as large as it was made.
    #[test]
    fn the_cache_agrees_with_the_databases(addresses in prop::collection::vec((0_u32..300, any::<bool>()), 1..600)) {
        let rows = [
            ("192.0.2.0/25", Map(vec![("country_code", Text("DE"))])),
            ("192.0.2.128/25", Map(vec![("country_code", Text("FR")), ("asn", Number(1))])),
            ("2001:db8::/121", Map(vec![("country_code", Text("CH"))])),
        ];
        let reference = Reference::new(Vec::new(), vec![database(&rows)]).expect("a database");
        let mut cache = AddressCache::new(8, 1);
        for (host, is_v4) in addresses {
            let address: IpAddr = match is_v4 {
                true => Ipv4Addr::from_bits(0xc000_0200 + host).into(),
                false => Ipv6Addr::from_bits((0x2001_0db8 << 96) + u128::from(host)).into(),
            };
            let place = cache.place_of(&address);
            prop_assert_eq!(cache.of(&reference, place).cloned(), known(&reference, &address.to_string()));
        }
        prop_assert_eq!((cache.sets4.len(), cache.sets6.len(), cache.networks.len() <= 3), (8, 8, true));
    }
}
