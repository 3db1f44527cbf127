//! Addresses without the bits that tell one resolver or client from its neighbours.
//!
//! The one place where they are cut: after networks were looked up by the whole address, and before anything of the query is
//! written or counted. What may hold an address in a form that is not known here goes with them: the original message, but
//! for a public line, whose fields are known, and what a subscription filter extracted from it.

use crate::{Form, Query, Subnet};
use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How many bits are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Privacy {
    ipv4_bits: u8,
    ipv6_bits: u8,
}

impl Privacy {
    /// Keeps so many bits of an address, more than there are meaning all; `None` if that leaves every address whole.
    pub fn new(ipv4_bits: u8, ipv6_bits: u8) -> Option<Self> {
        (ipv4_bits < 32 || ipv6_bits < 128)
            .then_some(Self { ipv4_bits: ipv4_bits.min(32), ipv6_bits: ipv6_bits.min(128) })
    }

    /// The address with every other bit 0.
    pub fn address(self, address: IpAddr) -> IpAddr {
        cut(address, self.bits(address))
    }

    /// The same; bits beyond the subnet's own prefix, which are somebody's address, go as well.
    pub fn subnet(self, Subnet { address, prefix_bits }: Subnet) -> Subnet {
        let prefix_bits = prefix_bits.min(self.bits(address));
        Subnet { address: cut(address, prefix_bits), prefix_bits }
    }

    fn bits(self, address: IpAddr) -> u8 {
        let Self { ipv4_bits, ipv6_bits } = self;
        let IpAddr::V6(address) = address else { return ipv4_bits };
        // An IPv6 address that holds one of IPv4 shows no more of it than that would show of itself.
        match address.segments() {
            // Mapped (RFC 4291): it is one of IPv4.
            [0, 0, 0, 0, 0, 0xffff, ..] => 96 + ipv4_bits,
            // 6to4 (RFC 3056): in bits 16 to 48.
            [0x2002, ..] => ipv6_bits.min(16 + ipv4_bits),
            // The well-known prefix of NAT64 (RFC 6052), and the deprecated compatible form: the last 32 bits.
            [0x64, 0xff9b, 0, 0, 0, 0, ..] | [0, 0, 0, 0, 0, 0, ..] => ipv6_bits.min(96 + ipv4_bits),
            // Teredo (RFC 4380): the last 32 bits are the client's, with every bit turned.
            [0x2001, 0, ..] => ipv6_bits.min(96),
            _ => ipv6_bits,
        }
    }
}

fn cut(address: IpAddr, bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let kept = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(address.to_bits() & kept))
        }
        IpAddr::V6(address) => {
            let kept = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & kept))
        }
    }
}

/// Cuts queries, one after the other. It owns the texts that take the place of those in the log.
#[derive(Debug, Clone)]
pub struct Veil {
    privacy: Privacy,
    source: String,
    subnet: String,
    original: String,
}

impl Veil {
    /// Of so much.
    pub fn new(privacy: Privacy) -> Self {
        Self { privacy, source: String::new(), subnet: String::new(), original: String::new() }
    }

    /// The query as everybody is to see it. Facts are to be found before.
    pub fn over<'a>(&'a mut self, query: &Query<'a>) -> Query<'a> {
        let source_ip = query.source_ip.map(|address| self.privacy.address(address));
        let client_subnet = query.client_subnet.map(|subnet| self.privacy.subnet(subnet));
        self.source.clear();
        self.subnet.clear();
        let written = match source_ip {
            Some(address) => write!(self.source, "{address}"),
            None => Ok(()),
        };
        let written = written.and(match client_subnet {
            Some(Subnet { address, prefix_bits }) => write!(self.subnet, "{address}/{prefix_bits}"),
            None => Ok(()),
        });
        written.expect("writing to a string does not fail");
        self.write_original(query);
        Query {
            source_ip,
            source_ip_text: &self.source,
            client_subnet,
            client_subnet_text: &self.subnet,
            original: &self.original,
            extracted_fields: "",
            ..*query
        }
    }

    /// A public line with its last two fields replaced, and without what may follow one day; nothing of the other forms.
    fn write_original(&mut self, query: &Query<'_>) {
        self.original.clear();
        if query.form != Form::PublicLine {
            return;
        }
        for field in query.original.split_ascii_whitespace().take(8) {
            self.original.push_str(field);
            self.original.push(' ');
        }
        self.original.push_str(&self.source);
        self.original.push(' ');
        self.original.push_str(if self.subnet.is_empty() { "-" } else { &self.subnet });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{public_query, resolver_query, subnet_query};
    use proptest::prelude::*;

    fn shown(ipv4_bits: u8, ipv6_bits: u8, address: &str) -> String {
        let privacy = Privacy::new(ipv4_bits, ipv6_bits).expect("something is cut");
        privacy.address(address.parse().expect("an address")).to_string()
    }

    #[test]
    fn addresses_are_cut_at_their_prefix_and_held_ones_at_that_of_ipv4() {
        assert_eq!(Privacy::new(32, 128), None);
        for (address, expected) in [
            ("192.0.2.77", "192.0.2.0"),
            ("255.255.255.255", "255.255.255.0"),
            ("2001:db8:1:2fff:3:4:5:6", "2001:db8:1:2f00::"),
            ("::ffff:192.0.2.77", "::ffff:192.0.2.0"),
            ("2002:c000:24d::1", "2002:c000:200::"),
            ("64:ff9b::192.0.2.77", "64:ff9b::"),
            ("2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:0:4136:e300::"),
            ("::1", "::"),
        ] {
            assert_eq!(shown(24, 56, address), expected);
        }
        assert_eq!(shown(24, 128, "64:ff9b::192.0.2.77"), "64:ff9b::c000:200");
        assert_eq!(shown(24, 128, "2002:c000:24d::1"), "2002:c000:200::");
        assert_eq!(shown(24, 128, "2001:0:4136:e378:8000:63bf:3fff:fdd2"), "2001:0:4136:e378:8000:63bf::");
        assert_eq!(shown(24, 128, "2001:db8::7"), "2001:db8::7");
        assert_eq!(shown(32, 56, "192.0.2.77"), "192.0.2.77");
        assert_eq!(shown(32, 56, "::ffff:192.0.2.77"), "::ffff:192.0.2.77");
        assert_eq!((shown(0, 0, "192.0.2.77"), shown(0, 0, "2001:db8::7")), ("0.0.0.0".into(), "::".into()));
    }

    #[test]
    fn a_subnet_keeps_its_own_prefix_where_that_is_shorter() {
        let privacy = Privacy::new(24, 56).expect("something is cut");
        for (address, prefix_bits, expected) in [
            ("198.51.100.7", 32, "198.51.100.0/24"),
            ("198.51.100.7", 25, "198.51.100.0/24"),
            ("198.51.100.7", 20, "198.51.96.0/20"),
            ("198.51.100.7", 0, "0.0.0.0/0"),
            ("2001:db8:1:2fff::7", 64, "2001:db8:1:2f00::/56"),
            ("2001:db8:1:2fff::7", 48, "2001:db8:1::/48"),
        ] {
            let Subnet { address, prefix_bits } =
                privacy.subnet(Subnet { address: address.parse().expect("an address"), prefix_bits });
            assert_eq!(format!("{address}/{prefix_bits}"), expected);
        }
    }

    #[test]
    fn a_query_is_shown_without_what_may_hold_the_rest() {
        let mut veil = Veil::new(Privacy::new(24, 56).expect("something is cut"));
        let logged = Query { extracted_fields: "{\"ip\":\"172.253.1.130\"}", ..public_query() };
        let query = veil.over(&logged);
        assert_eq!((query.source_ip, query.source_ip_text), (Some([172, 253, 1, 0].into()), "172.253.1.0"));
        assert_eq!((query.client_subnet_text, query.extracted_fields, query.name), ("", "", logged.name));
        assert_eq!(query.original, logged.original.replace("1.130", "1.0"));

        let long = format!("{} and 172.253.1.130", logged.original.replace(" -", "\t198.51.100.99/32"));
        let subnet = Some(Subnet { address: [198, 51, 100, 99].into(), prefix_bits: 32 });
        let logged = Query { original: &long, client_subnet: subnet, ..subnet_query() };
        let query = veil.over(&logged);
        assert!(query.original.ends_with(" FRA56-C1 172.253.1.0 198.51.100.0/24"), "{}", query.original);

        let logged = resolver_query();
        let query = veil.over(&logged);
        assert_eq!((query.source_ip_text, query.original), ("10.0.0.0", ""));
        let logged = Query { source_ip: None, source_ip_text: "10.0.0.5?", ..resolver_query() };
        assert_eq!(veil.over(&logged).source_ip_text, "", "what is no address is not known to be none");
    }

    proptest! {
        #[test]
        fn what_is_cut_does_not_change_when_it_is_cut_again(
            bits: u128, is_v4: bool, ipv4_bits in 0_u8..=32, ipv6_bits in 0_u8..128,
        ) {
            let address = if is_v4 { IpAddr::V4((bits as u32).into()) } else { IpAddr::V6(bits.into()) };
            let privacy = Privacy::new(ipv4_bits, ipv6_bits).expect("something is cut");
            let shown = privacy.address(address);
            prop_assert_eq!(privacy.address(shown), shown);
            if ipv4_bits == 32 && is_v4 {
                prop_assert_eq!(shown, address);
            }
        }
    }
}
