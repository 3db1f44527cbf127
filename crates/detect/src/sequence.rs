//! Positions in source shards, as digests carry them.

use std::fmt;

/// A record's place in its source shard: Kinesis' decimal sequence number as a binary number of any length, so that the 56
/// digits take 24 bytes. Greater means later; gaps mean nothing.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Sequence(Box<[u8]>);

/// How far a source shard has been summarised. `None`, nothing yet, is a position too, less than all others.
pub type Position = Option<Sequence>;

impl Sequence {
    /// 128 decimal digits are 426 bits.
    pub(crate) const BYTES_MAX: usize = 54;

    /// `None` unless `text` is 1 to 128 decimal digits without a leading zero (or `0` itself).
    pub fn parse(text: &str) -> Option<Self> {
        let digits = !text.is_empty() && text.len() <= 128 && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits || (text.starts_with('0') && text != "0") {
            return None;
        }
        let mut bytes = vec![0_u8];
        for digit in text.bytes() {
            let mut carry = u32::from(digit - b'0');
            for byte in &mut bytes {
                let sum = u32::from(*byte) * 10 + carry;
                *byte = sum as u8;
                carry = sum >> 8;
            }
            if carry > 0 {
                bytes.push(carry as u8);
            }
        }
        bytes.reverse();
        Some(Self(bytes.into()))
    }

    /// The number, most significant byte first, without leading zeros (zero itself is one zero byte).
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (first, rest) = bytes.split_first()?;
        let sound = bytes.len() <= Self::BYTES_MAX && (*first != 0 || rest.is_empty());
        sound.then(|| Self(bytes.into()))
    }
}

impl Ord for Sequence {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.len().cmp(&other.0.len()).then_with(|| self.0.cmp(&other.0))
    }
}

impl PartialOrd for Sequence {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// The decimal digits.
impl fmt::Display for Sequence {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut number, mut digits) = (self.0.to_vec(), Vec::new());
        while digits.is_empty() || number.iter().any(|byte| *byte != 0) {
            let mut rest = 0;
            for byte in &mut number {
                let value = rest << 8 | u32::from(*byte);
                *byte = (value / 10) as u8;
                rest = value % 10;
            }
            digits.push(char::from(b'0' + rest as u8));
        }
        digits.iter().rev().try_for_each(|digit| write!(formatter, "{digit}"))
    }
}

impl fmt::Debug for Sequence {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn digits_come_back_in_their_order(left in "0|[1-9][0-9]{0,60}", right in "0|[1-9][0-9]{0,60}") {
            let parsed = [&left, &right].map(|text| Sequence::parse(text).unwrap());
            prop_assert_eq!(parsed[0].to_string(), left.clone());
            prop_assert_eq!(Sequence::from_bytes(parsed[0].bytes()).unwrap(), parsed[0].clone());
            let by_digits = left.len().cmp(&right.len()).then_with(|| left.cmp(&right));
            prop_assert_eq!(parsed[0].cmp(&parsed[1]), by_digits);
        }
    }

    #[test]
    fn what_is_no_number_is_no_position() {
        for text in ["", "01", "-1", "1a", &"9".repeat(129)] {
            assert_eq!(Sequence::parse(text), None, "{text}");
        }
        assert_eq!(Sequence::parse(&"9".repeat(128)).unwrap().bytes().len(), Sequence::BYTES_MAX);
        assert!(Sequence::from_bytes(&[0, 1]).is_none() && Sequence::from_bytes(&[]).is_none());
    }
}
