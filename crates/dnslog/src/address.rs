//! Addresses and subnets as log lines write them. What is accepted is what the standard library accepts; the usual
//! forms are read by hand because they stand in every line.

use crate::Subnet;
use std::net::{IpAddr, Ipv4Addr};

/// An IPv4 or IPv6 address.
#[inline]
pub(crate) fn parse(text: &str) -> Option<IpAddr> {
    match parse_v4(text.as_bytes()) {
        Some(address) => Some(IpAddr::V4(address)),
        None => parse_v6(text),
    }
}

#[inline(never)]
fn parse_v6(text: &str) -> Option<IpAddr> {
    text.parse().ok().map(IpAddr::V6)
}

/// A network prefix, `192.0.2.0/24` or `2001:db8::/48`.
pub(crate) fn parse_subnet(text: &str) -> Option<Subnet> {
    let slash = text.bytes().rposition(|byte| byte == b'/')?;
    let address = parse(text.get(..slash)?)?;
    let prefix_bits = match *text.as_bytes().get(slash + 1..)? {
        [ones] => digit(ones)?,
        [tens @ b'1'..=b'9', ones] => 10 * (tens - b'0') + digit(ones)?,
        [b'1', tens, ones] => 100_u8.checked_add(10 * digit(tens)? + digit(ones)?)?,
        _ => return None,
    };
    let bits_max = if address.is_ipv4() { 32 } else { 128 };
    (prefix_bits <= bits_max).then_some(Subnet { address, prefix_bits })
}

fn digit(byte: u8) -> Option<u8> {
    byte.is_ascii_digit().then(|| byte - b'0')
}

/// Four numbers up to 255, of at most three digits and without leading zeros.
#[inline]
fn parse_v4(text: &[u8]) -> Option<Ipv4Addr> {
    if text.len() > 15 {
        return None;
    }
    let mut octets = 0_u32;
    let (mut value, mut digits, mut dots) = (0_u32, 0, 0);
    for &byte in text {
        let digit = u32::from(byte.wrapping_sub(b'0'));
        if digit < 10 {
            // A zero may only stand alone.
            if digits > 0 && value == 0 {
                return None;
            }
            value = 10 * value + digit;
            digits += 1;
            if value > 255 {
                return None;
            }
        } else {
            if byte != b'.' || digits == 0 {
                return None;
            }
            octets = octets << 8 | value;
            (value, digits) = (0, 0);
            dots += 1;
        }
    }
    (dots == 3 && digits > 0).then(|| Ipv4Addr::from_bits(octets << 8 | value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn subnets_are_addresses_with_a_length_that_fits() {
        for (text, address, prefix_bits) in [
            ("192.168.222.0/24", "192.168.222.0", 24),
            ("0.0.0.0/0", "0.0.0.0", 0),
            ("203.0.113.9/32", "203.0.113.9", 32),
            ("2001:db8:abcd::/48", "2001:db8:abcd::", 48),
            ("2001:db8::1/128", "2001:db8::1", 128),
        ] {
            let expected = Subnet { address: address.parse().unwrap(), prefix_bits };
            assert_eq!(parse_subnet(text), Some(expected), "{text}");
        }
        for text in [
            "",
            "-",
            "IN",
            "/",
            "192.0.2.0",
            "192.0.2.0/",
            "192.0.2.0/33",
            "192.0.2.0/024",
            "192.0.2.0/+8",
            "/24",
            "192.0.2/24",
            "2001:db8::/129",
            "2001:db8::/256",
            "2001:db8::/1280",
            "2001:db8::/48/48",
            "192.0.2.0/2x",
        ] {
            assert_eq!(parse_subnet(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn addresses_are_those_of_the_standard_library(
            text in "([0-9]{1,4}|[0-9a-fA-F:]{1,5}|\\.|::|[0-9]{1,3}\\.[0-9]{1,3}\\.|%|x){0,9}",
        ) {
            prop_assert_eq!(parse(&text), text.parse().ok());
        }

        #[test]
        fn every_address_is_read_back(v4 in any::<u32>(), v6 in any::<u128>()) {
            let v4 = Ipv4Addr::from_bits(v4);
            prop_assert_eq!(parse(&v4.to_string()), Some(v4.into()));
            let v6 = std::net::Ipv6Addr::from_bits(v6);
            prop_assert_eq!(parse(&v6.to_string()), Some(v6.into()));
        }
    }
}
