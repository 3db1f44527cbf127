//! What one log event says: a DNS query that Route 53 answered.
//!
//! A [`Query`] borrows everything from the buffer it was decoded into, so it costs no allocation. Closed sets
//! ([`QueryType`], [`ResponseCode`], [`Transport`]) serve counters and labels; the text beside each is what the log said.
//! This module must not know where a query goes.

use std::net::IpAddr;

/// The envelope a log event came in: one log group and stream of one account.
///
/// Every field is empty where the input had no envelope (a file of plain lines).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Source<'a> {
    /// The account that owns the log group.
    pub owner: &'a str,
    /// The log group, by custom `/aws/route53/<zone>`.
    pub log_group: &'a str,
    /// The log stream; for a public hosted zone `<zone id>/<edge>`.
    pub log_stream: &'a str,
    /// `subscriptionFilters` as the JSON array that was sent.
    pub subscription_filters: &'a str,
    /// Set by account-level subscriptions (`ACCOUNT_LEVEL_POLICY`), since January 2024.
    pub policy_level: &'a str,
}

/// Which of the known log forms a query was read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// A public hosted-zone query-log line.
    PublicLine,
    /// The JSON form of the same, made by CloudWatch's `parseRoute53` processor.
    PublicJson,
    /// A VPC Resolver query log, JSON, version 1.0 or 1.1.
    Resolver,
    /// A Global Resolver log: OCSF DNS Activity as JSON.
    GlobalResolver,
}

/// One DNS query, decoded. Borrowed from the decoder's buffer for the time of one visit.
#[derive(Debug, Clone, Copy)]
pub struct Query<'a> {
    /// The log event's id: opaque text, unique in its log group; empty where the input had none.
    pub event_id: &'a str,
    /// When Route 53 answered, milliseconds since 1970 UTC.
    pub time_ms: i64,
    /// Which log form this was read from.
    pub form: Form,
    /// The hosted zone's id (`Z…`); empty for Resolver logs, which have none.
    pub zone_id: &'a str,
    /// The name as logged: the client's case and Route 53's escapes kept.
    pub name: &'a str,
    /// `IN` where the log does not say.
    pub class: &'a str,
    /// The query type, as a member of the closed set.
    pub query_type: QueryType,
    /// The query type as logged (`AAAA`, `TYPE65`, `64`).
    pub query_type_text: &'a str,
    /// The response code, as a member of the closed set.
    pub response_code: ResponseCode,
    /// The response code as logged.
    pub response_code_text: &'a str,
    /// How the query came.
    pub transport: Transport,
    /// The same as logged.
    pub transport_text: &'a str,
    /// The edge location that answered (`FRA56-C1`); empty for Resolver logs.
    pub edge: &'a str,
    /// Who asked Route 53: for a hosted zone the resolver, for Resolver logs the client.
    pub source_ip: Option<IpAddr>,
    /// The same as logged.
    pub source_ip_text: &'a str,
    /// EDNS client subnet, if the resolver sent one.
    pub client_subnet: Option<Subnet>,
    /// The same as logged; empty where the log has `-`.
    pub client_subnet_text: &'a str,
    /// What only Resolver logs know.
    pub resolver: Option<&'a ResolverFields<'a>>,
    /// The whole message, as it was logged.
    pub original: &'a str,
    /// `extractedFields` of the log event as the JSON object that was sent; empty where there was none.
    pub extracted_fields: &'a str,
}

/// A network prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Subnet {
    /// The network's address as logged; bits beyond the prefix are not cleared.
    pub address: IpAddr,
    /// At most 32 for IPv4 and 128 for IPv6.
    pub prefix_bits: u8,
}

/// Fields that VPC Resolver and Global Resolver logs have beyond those of a hosted zone. Empty text means absent.
#[derive(Debug, Clone, Default)]
pub struct ResolverFields<'a> {
    /// The account the query was made in.
    pub account_id: &'a str,
    /// The AWS Region.
    pub region: &'a str,
    /// The VPC the query was made in.
    pub vpc_id: &'a str,
    /// The client's port, if it was logged and is one.
    pub source_port: Option<u16>,
    /// The EC2 instance that asked.
    pub instance_id: &'a str,
    /// The Resolver endpoint the query came through.
    pub endpoint_id: &'a str,
    /// That endpoint's network interface.
    pub network_interface_id: &'a str,
    /// The answers that were returned.
    pub answers: Vec<Answer<'a>>,
    /// DNS Firewall's rule group; empty unless a rule matched with ALERT or BLOCK.
    pub firewall_rule_group_id: &'a str,
    /// `ALERT` or `BLOCK`.
    pub firewall_rule_action: &'a str,
    /// The domain list that matched.
    pub firewall_domain_list_id: &'a str,
}

/// One record of an answer section, as logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer<'a> {
    /// The record's data.
    pub data: &'a str,
    /// The record's type.
    pub record_type: &'a str,
    /// The record's class.
    pub class: &'a str,
}

/// Up to eight bytes as one number, letters in lower case, the last byte the highest; 0 for none and for more. One
/// comparison of numbers finds a mnemonic, in every line three times.
#[inline]
const fn folded(text: &[u8]) -> u64 {
    let word = match *text {
        [] => return 0,
        [a] => a as u64,
        [a, b] => u16::from_le_bytes([a, b]) as u64,
        [a, b, c] => u32::from_le_bytes([a, b, c, 0]) as u64,
        [a, b, c, d, ref rest @ ..] if rest.len() <= 4 => {
            let first = u32::from_le_bytes([a, b, c, d]) as u64;
            match *text {
                // The last four bytes overlap the first, with equal values.
                [.., w, x, y, z] => first | (u32::from_le_bytes([w, x, y, z]) as u64) << (8 * rest.len()),
                _ => first,
            }
        }
        _ => return 0,
    };
    // Adding this bit makes lower case of capital letters and a letter of nothing else that a mnemonic holds: `@` to
    // `_` become the characters after them, none of them a small letter or digit. No byte that is there becomes 0.
    (word | 0x2020_2020_2020_2020) << (64 - 8 * text.len())
}

/// The same of the bytes between two places, quicker if there are eight to look at.
#[inline(always)]
pub(crate) fn folded_at(bytes: &[u8], from: usize, to: usize) -> u64 {
    let length = to.wrapping_sub(from);
    match bytes.get(from..).and_then(|rest| rest.first_chunk()) {
        Some(&word) if (1..=8).contains(&length) => {
            (u64::from_le_bytes(word) | 0x2020_2020_2020_2020) << (64 - 8 * length)
        }
        _ => folded(bytes.get(from..to).unwrap_or_default()),
    }
}

/// Places of a table in which a key finds its member at once. One question after the other would be as many branches
/// that no processor can predict, three times in every line.
const SLOTS: usize = 64;

#[inline]
const fn slot(key: u64, factor: u64) -> usize {
    (key.wrapping_mul(factor) >> (u64::BITS - SLOTS.ilog2())) as usize
}

/// A factor that gives each of these keys a slot of its own. The compiler looks for it.
const fn factor_without_collision(keys: &[u64]) -> u64 {
    let mut factor: u64 = 1;
    loop {
        // Any odd numbers would do; these are Knuth's.
        factor = factor.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407) | 1;
        let (mut taken, mut index) = (0_u64, 0);
        while index < keys.len() && taken >> slot(keys[index], factor) & 1 == 0 {
            taken |= 1 << slot(keys[index], factor);
            index += 1;
        }
        if index == keys.len() {
            return factor;
        }
    }
}

macro_rules! closed_set {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[allow(missing_docs)] // The variants are the field's own mnemonics.
        pub enum $name { $($variant),+, Other }

        impl $name {
            /// Every member, `Other` last.
            pub const ALL: &'static [$name] = &[$($name::$variant),+, $name::Other];

            /// The mnemonic; `other` for what is not in the set. Fit to be a metric label.
            pub const fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text),+, $name::Other => "other" }
            }

            /// The member that `text` names, without regard to case.
            #[inline]
            pub fn of(text: &str) -> Self {
                Self::of_key(folded(text.as_bytes()))
            }

            /// The member whose mnemonic folds to this key.
            #[inline]
            pub(crate) fn of_key(key: u64) -> Self {
                const FACTOR: u64 = factor_without_collision(&[$(folded($text.as_bytes())),+]);
                const MEMBERS: &[(u64, $name); SLOTS] = &{
                    let mut members = [(0, $name::Other); SLOTS];
                    $(members[slot(folded($text.as_bytes()), FACTOR)] = (folded($text.as_bytes()), $name::$variant);)+
                    members
                };
                let (member_key, member) = MEMBERS[slot(key, FACTOR)];
                if member_key == key { member } else { $name::Other }
            }
        }
    };
}

closed_set! {
    /// Query types that are counted apart: what Route 53 can host, and what attacks and scanners ask for.
    QueryType {
        A = "A", Aaaa = "AAAA", Any = "ANY", Caa = "CAA", Cname = "CNAME", Dnskey = "DNSKEY", Ds = "DS",
        Https = "HTTPS", Mx = "MX", Naptr = "NAPTR", Ns = "NS", Ptr = "PTR", Soa = "SOA", Spf = "SPF",
        Srv = "SRV", Sshfp = "SSHFP", Svcb = "SVCB", Tlsa = "TLSA", Txt = "TXT",
    }
}

closed_set! {
    /// Response codes (RFC 1035, RFC 2136) that are counted apart.
    ResponseCode {
        NoError = "NOERROR", FormErr = "FORMERR", ServFail = "SERVFAIL", NxDomain = "NXDOMAIN",
        NotImp = "NOTIMP", Refused = "REFUSED",
    }
}

closed_set! {
    /// How a query was carried.
    Transport { Udp = "UDP", Tcp = "TCP", Dot = "DOT", Doh = "DOH" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn searched(text: &str) -> QueryType {
        let found = QueryType::ALL.iter().find(|member| text.eq_ignore_ascii_case(member.as_str()));
        found.copied().unwrap_or(QueryType::Other)
    }

    #[test]
    fn mnemonics_are_found_in_any_case() {
        for &member in QueryType::ALL {
            assert_eq!(QueryType::of(member.as_str()), member);
            assert_eq!(QueryType::of(&member.as_str().to_ascii_lowercase()), member);
        }
        for &member in ResponseCode::ALL {
            assert_eq!(ResponseCode::of(member.as_str()), member);
        }
        for &member in Transport::ALL {
            assert_eq!(Transport::of(member.as_str()), member);
        }
        assert_eq!(ResponseCode::of("NoError"), ResponseCode::NoError);
        for text in ["", " ", "A ", "A\0", "\0A", "AA", "TYPE65", "NXDOMAINS", "\u{1}", "OTHER_AND_LONG"] {
            assert_eq!(QueryType::of(text), QueryType::Other, "{text:?}");
            assert_eq!(ResponseCode::of(text), ResponseCode::Other, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn finding_by_number_finds_what_a_search_finds(text in "([AaNnSsXx]|.){0,9}") {
            prop_assert_eq!(QueryType::of(&text), searched(&text));
            let key = folded_at(format!("{text} and more").as_bytes(), 0, text.len());
            prop_assert_eq!(QueryType::of_key(key), searched(&text));
        }
    }
}
