//! Addresses and subnets as log lines write them. What is accepted is what the standard library accepts; the usual
//! forms are read by hand because they stand in every line.

use crate::Subnet;
use crate::scan::{HEX_BLOCK, Look, Portable, dots_and_colons, hex_and_colons};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An address as it travels in registers. An [`IpAddr`] lies in memory, its parts at odd places: read back as a whole
/// right after its parts were written, it makes the processor wait until they have all arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bits {
    pub is_v4: bool,
    pub bits: u128,
}

impl Bits {
    #[inline(always)]
    pub(crate) fn of(address: &IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self { is_v4: true, bits: u128::from(address.to_bits()) },
            IpAddr::V6(address) => Self { is_v4: false, bits: address.to_bits() },
        }
    }

    #[inline(always)]
    pub(crate) fn address(self) -> IpAddr {
        if self.is_v4 {
            IpAddr::V4(Ipv4Addr::from_bits(self.bits as u32))
        } else {
            IpAddr::V6(Ipv6Addr::from_bits(self.bits))
        }
    }
}

/// An IPv4 or IPv6 address.
pub(crate) fn parse(text: &str) -> Option<IpAddr> {
    parse_before(Portable, text, text.as_bytes()).map(Bits::address)
}

/// The same. `bytes` begin with those of `text` and may go on behind it, which makes reading quicker.
#[inline(always)]
pub(crate) fn parse_before(look: impl Look, text: &str, bytes: &[u8]) -> Option<Bits> {
    // A colon ends the first group of an IPv6 address, or begins it. To ask this first and nothing else is one branch
    // that the processor may take wrong, instead of one for each thing that an IPv4 address has and it has not.
    if let Some(block) = bytes.first_chunk() {
        if dots_and_colons(&block.as_chunks().0[0]).1 & 0b1_1111 == 0 {
            if let Some(bits) = look.v4(block, text.len()) {
                return Some(Bits { is_v4: true, bits: u128::from(bits) });
            }
        } else if let Some(bits) = parse_v6_before(bytes, text.len()) {
            return Some(Bits { is_v4: false, bits });
        }
    }
    parse_other(text)
}

#[cold]
#[inline(never)]
fn parse_other(text: &str) -> Option<Bits> {
    match parse_v6(text.as_bytes()) {
        Some(bits) => Some(Bits { is_v4: false, bits }),
        None => text.parse().ok().map(|address| Bits::of(&address)),
    }
}

/// A network prefix, `192.0.2.0/24` or `2001:db8::/48`.
pub(crate) fn parse_subnet(text: &str) -> Option<Subnet> {
    let (address, prefix_bits) = parse_subnet_before(Portable, text, text.as_bytes())?;
    Some(Subnet { address: address.address(), prefix_bits })
}

/// The same, as in [`parse_before`].
#[inline(always)]
pub(crate) fn parse_subnet_before(look: impl Look, text: &str, bytes: &[u8]) -> Option<(Bits, u8)> {
    let (slash, prefix_bits) = match *text.as_bytes() {
        [.., b'/', tens @ b'1'..=b'9', ones @ b'0'..=b'9'] => (text.len() - 3, 10 * (tens - b'0') + (ones - b'0')),
        _ => prefix_length(text)?,
    };
    let address = parse_before(look, text.get(..slash)?, bytes)?;
    let bits_max = if address.is_v4 { 32 } else { 128 };
    (prefix_bits <= bits_max).then_some((address, prefix_bits))
}

/// Where the slash is, and the number behind it.
#[cold]
fn prefix_length(text: &str) -> Option<(usize, u8)> {
    let slash = text.bytes().rposition(|byte| byte == b'/')?;
    let prefix_bits = match *text.as_bytes().get(slash + 1..)? {
        [ones] => digit(ones)?,
        [tens @ b'1'..=b'9', ones] => 10 * (tens - b'0') + digit(ones)?,
        [b'1', tens, ones] => 100_u8.checked_add(10 * digit(tens)? + digit(ones)?)?,
        _ => return None,
    };
    Some((slash, prefix_bits))
}

fn digit(byte: u8) -> Option<u8> {
    byte.is_ascii_digit().then(|| byte - b'0')
}

/// The IPv6 address in the first `length` bytes, written in hexadecimal alone; `None` if it is none, or if there are not
/// enough bytes to look at.
///
/// As for IPv4, where the groups end is known before the first is read, so that reading one is a shift and a sum.
#[inline(always)]
fn parse_v6_before(bytes: &[u8], length: usize) -> Option<u128> {
    let block: &[u8; HEX_BLOCK] = bytes.first_chunk()?;
    if !(2..=V6_BYTES_MAX).contains(&length) {
        return None;
    }
    let (hex, colons) = hex_and_colons(block);
    let all = (1 << length) - 1;
    let colons = colons & all;
    if (hex | colons) & all != all {
        return None;
    }
    // Two colons at an end stand for a gap and end no group before or after them; one alone there is wrong.
    let (mut from, mut gap, mut ends) = (0, None, colons | 1 << length);
    match colons & 3 {
        1 => return None,
        3 => (from, gap, ends) = (2, Some(0), ends & !3),
        _ => {}
    }
    match colons >> (length - 2) {
        2 => return None,
        3 => ends &= all,
        _ => {}
    }
    let (mut groups, mut count) = (0_u128, 0);
    while ends != 0 {
        let to = ends.trailing_zeros() as usize;
        ends &= ends - 1;
        match to - from {
            0 if gap.is_none() => gap = Some(count),
            digits @ 1..=4 => {
                groups = groups << 16 | u128::from(group(block, from, digits));
                count += 1;
            }
            _ => return None,
        }
        from = to + 1;
    }
    with_gap(groups, count, gap)
}

/// The longest text of eight groups.
const V6_BYTES_MAX: usize = 39;

/// The value of so many hexadecimal digits, up to four.
#[inline(always)]
fn group(block: &[u8; HEX_BLOCK], from: usize, digits: usize) -> u16 {
    let at = from.min(HEX_BLOCK - 4);
    let text = u32::from_le_bytes([block[at], block[at + 1], block[at + 2], block[at + 3]]);
    let last = text << (8 * (4 - digits));
    // Letters in either case have this bit, digits do not.
    let values = ((last & 0x0f0f_0f0f) + 9 * (last >> 6 & 0x0101_0101)).swap_bytes();
    let pairs = (values | values >> 4) & 0x00ff_00ff;
    (pairs | pairs >> 8) as u16
}

/// What each byte is as a hexadecimal digit; 255 for none.
const HEX: [u8; 256] = {
    let mut table = [255; 256];
    let mut value = 0;
    while value < 16 {
        let digit = b"0123456789abcdef"[value as usize];
        table[digit as usize] = value;
        table[digit.to_ascii_uppercase() as usize] = value;
        value += 1;
    }
    table
};

/// The IPv6 address, if it is written in hexadecimal alone; the library decides about what is not.
fn parse_v6(text: &[u8]) -> Option<u128> {
    let (mut groups, mut count, mut gap) = (0_u128, 0, None);
    let mut rest = text;
    if let [b':', b':', after @ ..] = rest {
        gap = Some(0);
        rest = after;
    }
    while !rest.is_empty() {
        let (mut group, mut digits) = (0, 0);
        while let [byte, after @ ..] = rest
            && HEX[usize::from(*byte)] < 16
        {
            group = group << 4 | u32::from(HEX[usize::from(*byte)]);
            digits += 1;
            rest = after;
        }
        if !(1..=4).contains(&digits) || count == 8 {
            return None;
        }
        groups = groups << 16 | u128::from(group);
        count += 1;
        match rest {
            [] => {}
            [b':', b':', after @ ..] if gap.is_none() => {
                gap = Some(count);
                rest = after;
            }
            [b':', after @ ..] if !after.is_empty() => rest = after,
            _ => return None,
        }
    }
    with_gap(groups, count, gap)
}

/// The address of so many groups, with a gap after so many of them.
#[inline(always)]
fn with_gap(groups: u128, count: u32, gap: Option<u32>) -> Option<u128> {
    match gap {
        None => (count == 8).then_some(groups),
        Some(_) if count > 7 => None,
        // A gap stands for one group of zeros or more.
        Some(before) => {
            let after_bits = 16 * (count - before);
            let front = if before == 0 { 0 } else { groups >> after_bits << (16 * (8 - before)) };
            Some(front | groups & ((1 << after_bits) - 1))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::{Scanner, V4_BLOCK, Work};
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
            "192.0.2.0/04",
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

    /// An address with something behind it.
    struct Before<'t>(&'t str, &'t [u8]);

    impl Work for Before<'_> {
        type Done = Option<Bits>;

        #[inline(always)]
        fn by(self, look: impl Look) -> Option<Bits> {
            parse_before(look, self.0, self.1)
        }
    }

    struct V4<'t>(&'t [u8; V4_BLOCK], usize);

    impl Work for V4<'_> {
        type Done = Option<u32>;

        #[inline(always)]
        fn by(self, look: impl Look) -> Option<u32> {
            look.v4(self.0, self.1)
        }
    }

    proptest! {
        // What decides about four numbers is in few of all texts.
        #[test]
        fn four_numbers_are_those_of_the_standard_library(text in "([0-9]{0,4}|0[0-9]|25[0-9]|[/:-])(\\.([0-9]{0,4}|[12]?[0-9]?[0-9])){2,4}") {
            let bytes = format!("{text} - and twenty more").into_bytes();
            let block = bytes.first_chunk().unwrap();
            let expected = text.parse().ok().map(Ipv4Addr::to_bits);
            prop_assert_eq!(Portable.v4(block, text.len()), expected);
            prop_assert_eq!(Scanner::new().processor().run(V4(block, text.len())), expected);
        }

        #[test]
        fn groups_and_gaps_are_those_of_the_standard_library(text in "(:|::|)([0-9a-fA-F]{1,5}(:|:|:|::)){0,8}[0-9a-fA-F]{0,4}") {
            let behind = format!("{text}{}", ":0".repeat(HEX_BLOCK));
            let found = parse_v6_before(behind.as_bytes(), text.len());
            prop_assert_eq!(found, text.parse().ok().map(Ipv6Addr::to_bits));
            prop_assert_eq!(parse_v6(text.as_bytes()), found);
        }

        #[test]
        fn addresses_are_those_of_the_standard_library(
            text in "([0-9]{1,4}|[0-9a-fA-F:]{1,5}|\\.|::|[0-9]{1,3}\\.[0-9]{1,3}\\.|%|x){0,9}",
        ) {
            prop_assert_eq!(parse(&text), text.parse().ok());
            for behind in [" - and 16 more", ".1.2.3.4, and 16 more", &":0".repeat(HEX_BLOCK)] {
                let bytes = format!("{text}{behind}").into_bytes();
                for scanner in [Scanner::new(), Scanner::portable()] {
                    let found = scanner.processor().run(Before(&text, &bytes));
                    prop_assert_eq!(found.map(Bits::address), text.parse().ok());
                }
            }
        }

        #[test]
        fn every_address_is_read_back(v4 in any::<u32>(), v6 in any::<u128>()) {
            let v4 = Ipv4Addr::from_bits(v4);
            prop_assert_eq!(parse(&v4.to_string()), Some(v4.into()));
            let text = v4.to_string();
            let behind = format!("{text}.1, 16 more bytes");
            let block = behind.as_bytes().first_chunk().unwrap();
            prop_assert_eq!(Portable.v4(block, text.len()), Some(v4.to_bits()));
            let found = Scanner::new().processor().run(V4(block, text.len()));
            prop_assert_eq!(found, Some(v4.to_bits()));
            let v6 = std::net::Ipv6Addr::from_bits(v6);
            prop_assert_eq!(parse(&v6.to_string()), Some(v6.into()));
            let text = v6.to_string();
            let behind = format!("{text} {}", "-".repeat(HEX_BLOCK));
            prop_assert_eq!(parse_v6_before(behind.as_bytes(), text.len()), Some(v6.to_bits()));
        }
    }
}
