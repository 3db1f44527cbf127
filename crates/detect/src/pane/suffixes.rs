//! What is read from a tally's samples and histograms when a window is made of it.

use super::sample::Kept;
use crate::window::{LabelBytes, SUFFIXES_MAX, Suffix};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Labels of a suffix at most. Names have up to 127 labels, and a window is made in a time that no name decides; whatever is
/// deeper counts for its last labels.
const SUFFIX_LABELS_MAX: usize = 8;

/// Estimates from the sample of names.
///
/// What is counted among the names kept is scaled to `distinct_names`, which is better known than any part of it: a part of
/// `m` kept names is then off by a standard error of at most `1/sqrt(m)`, and everything is exact while all names are kept.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Suffixes {
    pub(super) nxdomain_distinct: u64,
    pub(super) sub_name_bytes: u64,
    /// Suffixes with two kept names below them at least.
    pub(super) list: Vec<Suffix>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Below {
    names: u64,
    nxdomain: u64,
    bytes: u64,
}

impl Suffixes {
    pub(super) fn of(sample: &[Kept<'_>], distinct_names: u64) -> Self {
        if sample.is_empty() {
            return Self::default();
        }
        let scale = distinct_names as f64 / sample.len() as f64;
        let scaled = |count: u64| (count as f64 * scale).round() as u64;
        let (mut all, mut zone) = (Below::default(), Below::default());
        let mut suffixes: BTreeMap<&[u8], Below> = BTreeMap::new();
        for kept in sample {
            all.add(kept.nxdomain, kept.name.len());
            // The zone is above every name but its own, and most names have nothing else above them: no map is asked for it.
            if !kept.name.is_empty() {
                zone.add(kept.nxdomain, kept.name.len());
            }
            for suffix in ancestors(kept.name) {
                // Neither the suffix nor the dot before it.
                suffixes.entry(suffix).or_default().add(kept.nxdomain, kept.name.len() - suffix.len() - 1);
            }
        }
        suffixes.insert(&[], zone);
        let mut suffixes: Vec<(&[u8], Below)> = suffixes.into_iter().filter(|(_, below)| below.names > 1).collect();
        suffixes.sort_unstable_by_key(|(name, below)| (Reverse(below.names), *name));
        suffixes.truncate(SUFFIXES_MAX);
        let list = suffixes.into_iter().map(|(name, below)| Suffix {
            name: String::from_utf8_lossy(name).into_owned(),
            distinct: scaled(below.names),
            nxdomain_distinct: scaled(below.nxdomain),
            sub_name_bytes: scaled(below.bytes),
        });
        Self { list: list.collect(), nxdomain_distinct: scaled(all.nxdomain), sub_name_bytes: scaled(all.bytes) }
    }
}

impl Below {
    fn add(&mut self, nxdomain: bool, bytes: usize) {
        self.names += 1;
        self.nxdomain += u64::from(nxdomain);
        self.bytes += bytes as u64;
    }
}

/// The names above `name` inside the zone, without the zone itself; the shortest first.
fn ancestors(name: &[u8]) -> impl Iterator<Item = &[u8]> {
    let dots = name.iter().enumerate().rev().filter(|(_, byte)| **byte == b'.');
    dots.take(SUFFIX_LABELS_MAX).map(|(dot, _)| &name[dot + 1..])
}

/// Quantiles of a histogram by length: the nearest rank.
pub(super) fn label_bytes(histogram: &[u32]) -> LabelBytes {
    let total: u64 = histogram.iter().map(|count| u64::from(*count)).sum();
    let quantile = |percent: u64| {
        let mut sum = 0;
        let reaches = |count: &u32| {
            sum += u64::from(*count);
            sum > 0 && sum * 100 >= total * percent
        };
        histogram.iter().position(reaches).unwrap_or(0) as u8
    };
    LabelBytes { p50: quantile(50), p90: quantile(90), p99: quantile(99), max: quantile(100) }
}

/// The text of an address's octets.
pub(super) fn address(octets: &[u8]) -> String {
    match (<[u8; 4]>::try_from(octets), <[u8; 16]>::try_from(octets)) {
        (Ok(octets), _) => Ipv4Addr::from(octets).to_string(),
        (_, Ok(octets)) => Ipv6Addr::from(octets).to_string(),
        _ => String::new(),
    }
}

/// The text of a network's octets: two of IPv4, four of IPv6.
pub(super) fn network(octets: &[u8]) -> String {
    match *octets {
        [first, second] => format!("{first}.{second}.0.0/16"),
        [first, second, third, fourth] => {
            let segment = |high, low| u16::from_be_bytes([high, low]);
            format!("{}/32", Ipv6Addr::new(segment(first, second), segment(third, fourth), 0, 0, 0, 0, 0, 0))
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_the_names_between_it_and_its_zone_above_it() {
        let above = |name: &'static str| ancestors(name.as_bytes()).map(|name| std::str::from_utf8(name).unwrap());
        assert_eq!(above("").collect::<Vec<_>>(), Vec::<&str>::new());
        assert_eq!(above("www").collect::<Vec<_>>(), Vec::<&str>::new());
        assert_eq!(above("a.b.cd").collect::<Vec<_>>(), ["cd", "b.cd"]);
        assert_eq!(above("0.1.2.3.4.5.6.7.8.9").count(), SUFFIX_LABELS_MAX);
    }

    #[test]
    fn quantiles_are_the_nearest_rank() {
        let mut histogram = [0; 64];
        assert_eq!(label_bytes(&histogram), LabelBytes::default());
        (histogram[3], histogram[9], histogram[63]) = (50, 48, 2);
        assert_eq!(label_bytes(&histogram), LabelBytes { p50: 3, p90: 9, p99: 63, max: 63 });
        (histogram[3], histogram[9], histogram[12], histogram[63]) = (150, 49, 1, 0);
        assert_eq!(label_bytes(&histogram), LabelBytes { p50: 3, p90: 9, p99: 9, max: 12 });
    }

    #[test]
    fn networks_are_shown_as_prefixes() {
        assert_eq!(network(&[192, 0]), "192.0.0.0/16");
        assert_eq!(network(&[0x20, 0x01, 0x0d, 0xb8]), "2001:db8::/32");
        assert_eq!(address(&[192, 0, 2, 1]), "192.0.2.1");
        assert_eq!(address(&"2001:db8::1".parse::<Ipv6Addr>().unwrap().octets()), "2001:db8::1");
    }
}
