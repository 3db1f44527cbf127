//! Who runs a resolver: operators of well-known public resolvers, by address prefix and by autonomous system.
//!
//! The table is `data/operators.csv`, with the source of each row. Prefixes come first: they also serve where no network
//! database is configured. An address that no row names has no operator, which says nothing about it.

use std::net::IpAddr;
use std::sync::LazyLock;

/// The operator at this address, in an AS that may be unknown (0); empty if the address is none of theirs.
pub(crate) fn find(address: IpAddr, asn: u32) -> &'static str {
    let address = number(address);
    let following = TABLE.prefixes.partition_point(|prefix| prefix.first <= address);
    match following.checked_sub(1).map(|row| &TABLE.prefixes[row]) {
        Some(prefix) if address <= prefix.last => prefix.operator,
        _ => TABLE.systems.iter().find(|(system, _)| *system == asn).map_or("", |(_, operator)| operator),
    }
}

/// An address as one number; IPv4 in its IPv6-mapped form, so that both families share one order.
pub(crate) fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

struct Prefix {
    first: u128,
    last: u128,
    operator: &'static str,
}

struct Table {
    /// By first address; no prefix lies in another.
    prefixes: Vec<Prefix>,
    systems: Vec<(u32, &'static str)>,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let mut table = Table { prefixes: Vec::new(), systems: Vec::new() };
    for (key, operator) in rows() {
        if let Some(asn) = key.strip_prefix("AS").and_then(|digits| digits.parse().ok()) {
            table.systems.push((asn, operator));
        } else if let Some((first, last)) = range(key) {
            table.prefixes.push(Prefix { first, last, operator });
        }
    }
    table.prefixes.sort_by_key(|prefix| prefix.first);
    table
});

fn rows() -> impl Iterator<Item = (&'static str, &'static str)> {
    include_str!("../data/operators.csv").lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let mut fields = line.splitn(3, ',');
        Some((fields.next()?, fields.next()?))
    })
}

/// First and last address of a prefix.
fn range(prefix: &str) -> Option<(u128, u128)> {
    let (address, bits) = prefix.split_once('/')?;
    let (address, bits): (IpAddr, u32) = (address.parse().ok()?, bits.parse().ok()?);
    let host_bits = if address.is_ipv4() { 32_u32 } else { 128 }.checked_sub(bits)?;
    let hosts = 1_u128.checked_shl(host_bits).map_or(u128::MAX, |size| size - 1);
    Some((number(address) & !hosts, number(address) | hosts))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resolver_is_known_by_prefix_or_by_as() {
        for (address, asn, operator) in [
            ("8.8.8.8", 0, "google"),
            ("8.8.9.8", 0, ""),
            ("2001:4860:4860::8888", 0, "google"),
            ("172.253.1.130", 0, "google"),
            ("172.253.16.0", 0, ""),
            ("172.71.0.9", 0, "cloudflare"),
            ("162.159.255.255", 0, "cloudflare"),
            ("2400:cb00:1::1", 0, "cloudflare"),
            ("203.0.113.9", 19_281, "quad9"),
            ("203.0.113.9", 64_500, ""),
            ("9.9.9.9", 64_500, "quad9"),
            ("0.0.0.0", 0, ""),
            ("::", 0, ""),
            ("ffff::1", 0, ""),
        ] {
            assert_eq!(find(address.parse().expect(address), asn), operator, "{address}");
        }
    }

    #[test]
    fn every_row_is_used_and_no_prefix_lies_in_another() {
        assert_eq!(rows().count(), TABLE.prefixes.len() + TABLE.systems.len());
        assert!(TABLE.prefixes.windows(2).all(|pair| pair[0].last < pair[1].first));
        for line in include_str!("../data/operators.csv").lines().filter(|line| !line.starts_with('#')) {
            assert_eq!(line.splitn(3, ',').filter(|field| !field.is_empty()).count(), 3, "{line}");
        }
        for (key, _) in rows().filter(|(key, _)| !key.starts_with("AS")) {
            let (first, _) = range(key).expect(key);
            assert_eq!(first, number(key.split('/').next().expect(key).parse().expect(key)), "host bits in {key}");
        }
    }
}
