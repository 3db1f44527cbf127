//! Addresses and subnets as log lines write them. What is accepted is what the standard library accepts; the usual
//! forms are read by hand because they stand in every line.

use crate::Subnet;
use crate::scan::{HEX_BLOCK, dots_and_colons, hex_and_colons};
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
    parse_before(text, text.as_bytes()).map(Bits::address)
}

/// The same. `bytes` begin with those of `text` and may go on behind it, which makes reading quicker.
#[inline(always)]
pub(crate) fn parse_before(text: &str, bytes: &[u8]) -> Option<Bits> {
    // A colon ends the first group of an IPv6 address, or begins it. To ask this first and nothing else is one branch
    // that the processor may take wrong, instead of one for each thing that an IPv4 address has and it has not.
    if let Some(block) = bytes.first_chunk() {
        if dots_and_colons(first_of(block)).1 & 0b1_1111 == 0 {
            if let Some(bits) = parse_v4(block, text.len()) {
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
    let (address, prefix_bits) = parse_subnet_before(text, text.as_bytes())?;
    Some(Subnet { address: address.address(), prefix_bits })
}

/// The same, as in [`parse_before`].
#[inline(always)]
pub(crate) fn parse_subnet_before(text: &str, bytes: &[u8]) -> Option<(Bits, u8)> {
    let (slash, prefix_bits) = match *text.as_bytes() {
        [.., b'/', tens @ b'1'..=b'9', ones @ b'0'..=b'9'] => (text.len() - 3, 10 * (tens - b'0') + (ones - b'0')),
        _ => prefix_length(text)?,
    };
    let address = parse_before(text.get(..slash)?, bytes)?;
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

/// Bytes that [`parse_v4`] looks at: an IPv4 address has at most 15, and a number is read as four.
const V4_BLOCK: usize = 20;

#[inline(always)]
fn first_of(block: &[u8; V4_BLOCK]) -> &[u8; 16] {
    &block.as_chunks().0[0]
}

/// The IPv4 address in the first `length` bytes; `None` if it is none.
///
/// Where the dots are is found in all bytes at once, and each number is then a shift and a sum, without a branch: the
/// lengths of an address's numbers are nothing that a processor could predict.
#[inline(always)]
fn parse_v4(block: &[u8; V4_BLOCK], length: usize) -> Option<u32> {
    if length > 15 {
        return None;
    }
    let mut dots = u32::from(dots_and_colons(first_of(block)).0) & ((1 << length) - 1);
    // If there are fewer than three, the ends of numbers lie far out; if there are more, one is within a number.
    let first = dots.trailing_zeros();
    dots &= dots.wrapping_sub(1);
    let second = dots.trailing_zeros();
    dots &= dots.wrapping_sub(1);
    let third = dots.trailing_zeros();
    let a = number(block, 0, first);
    let b = number(block, first + 1, second);
    let c = number(block, second + 1, third);
    let d = number(block, third + 1, length as u32);
    let is_sound = a.1 & b.1 & c.1 & d.1;
    is_sound.then_some(a.0 << 24 | b.0 << 16 | c.0 << 8 | d.0)
}

/// The number between two of the first 16 places, and whether it is one: up to 255, without leading zeros.
#[inline(always)]
fn number(block: &[u8; V4_BLOCK], from: u32, to: u32) -> (u32, bool) {
    let length = to.wrapping_sub(from);
    let at = from as usize & 15;
    let digits = u32::from_le_bytes([block[at], block[at + 1], block[at + 2], block[at + 3]]);
    let unused_bits = 32_u32.wrapping_sub(length.wrapping_mul(8));
    // The last digit in the highest byte, zeros below the first.
    let values = digits.wrapping_shl(unused_bits).wrapping_sub(0x3030_3030_u32.wrapping_shl(unused_bits));
    let are_digits = (values | values.wrapping_add(0x7676_7676)) & 0x8080_8080 == 0;
    let leads_with_zero = (length > 1) & (digits & 0xff == u32::from(b'0'));
    let value = 100 * (values >> 8 & 0xff) + 10 * (values >> 16 & 0xff) + (values >> 24);
    (value, (length.wrapping_sub(1) < 3) & are_digits & !leads_with_zero & (value <= 255))
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

    proptest! {
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
            let before = parse_before(&text, format!("{text} - and 16 more").as_bytes());
            prop_assert_eq!(before.map(Bits::address), text.parse().ok());
            let before = parse_before(&text, format!("{text}{}", ":0".repeat(HEX_BLOCK)).as_bytes());
            prop_assert_eq!(before.map(Bits::address), text.parse().ok());
        }

        #[test]
        fn every_address_is_read_back(v4 in any::<u32>(), v6 in any::<u128>()) {
            let v4 = Ipv4Addr::from_bits(v4);
            prop_assert_eq!(parse(&v4.to_string()), Some(v4.into()));
            let text = v4.to_string();
            let behind = format!("{text}.1, 16 more bytes");
            prop_assert_eq!(parse_v4(behind.as_bytes().first_chunk().unwrap(), text.len()), Some(v4.to_bits()));
            let v6 = std::net::Ipv6Addr::from_bits(v6);
            prop_assert_eq!(parse(&v6.to_string()), Some(v6.into()));
            let text = v6.to_string();
            let behind = format!("{text} {}", "-".repeat(HEX_BLOCK));
            prop_assert_eq!(parse_v6_before(behind.as_bytes(), text.len()), Some(v6.to_bits()));
        }
    }
}
