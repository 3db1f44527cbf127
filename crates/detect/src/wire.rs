//! Bytes of our own formats: varints, texts and sequence numbers, bounded on the way in.
//!
//! Reading never panics and never allocates more than the input is long: a length is compared with what is left before
//! anything is made of it.

use crate::Sequence;
use crate::message::{TIME_MS_MAX, Unreadable};
use std::sync::Arc;

/// Shards and zones have names no longer than this: a shard's name is at most 128 bytes in Kinesis, a domain name 255.
pub(crate) const NAME_BYTES_MAX: usize = 255;

/// Appends a number in groups of seven bits, the lowest first.
pub(crate) fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Appends a number that may be below zero; small ones of either sign are short.
pub(crate) fn put_signed(out: &mut Vec<u8>, number: i64) {
    put_number(out, ((number << 1) ^ (number >> 63)) as u64);
}

/// Appends two numbers.
#[inline]
pub(crate) fn put_two(out: &mut Vec<u8>, one: u64, two: u64) {
    if one | two < 0x80 {
        out.extend_from_slice(&[one as u8, two as u8]);
    } else {
        put_number(out, one);
        put_number(out, two);
    }
}

/// Appends a text that is mostly short: two halves that overlap, because a call for any length takes longer.
#[inline]
pub(crate) fn put_short(out: &mut Vec<u8>, text: &[u8]) {
    match text.len() {
        // Most addresses.
        4 => text.first_chunk::<4>().into_iter().for_each(|four| out.extend_from_slice(four)),
        8..=16 => put_halves::<8>(out, text),
        5..8 => put_halves::<4>(out, text),
        _ => out.extend_from_slice(text),
    }
}

#[inline]
fn put_halves<const N: usize>(out: &mut Vec<u8>, text: &[u8]) {
    if let (Some(first), Some(last)) = (text.first_chunk::<N>(), text.last_chunk::<N>()) {
        let overlap = 2 * N - text.len();
        out.extend_from_slice(first);
        out.truncate(out.len() - overlap);
        out.extend_from_slice(last);
    }
}

pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Appends a time or its absence.
pub(crate) fn put_time(out: &mut Vec<u8>, time_ms: Option<i64>) {
    out.push(u8::from(time_ms.is_some()));
    if let Some(time_ms) = time_ms {
        put_signed(out, time_ms);
    }
}

/// Appends a position. No sequence number has no digits, so none needs no flag.
pub(crate) fn put_position(out: &mut Vec<u8>, position: Option<&Sequence>) {
    put_bytes(out, position.map_or(&[], Sequence::bytes));
}

/// What is left to read of an encoded value. Every method is `None` where the bytes are no such thing.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    /// All of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Whether everything has been read.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next byte.
    pub fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// The next so many bytes.
    pub fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    /// A number of at most 64 bits.
    pub fn number(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            // The tenth byte has room for one bit.
            if shift == 63 && bits > 1 {
                return None;
            }
            number |= bits << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    /// A number that may be below zero.
    pub fn signed(&mut self) -> Option<i64> {
        let number = self.number()?;
        Some((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    /// How many things follow, each of which takes a byte at least: never more than bytes are left.
    pub fn count(&mut self) -> Option<usize> {
        let count = usize::try_from(self.number()?).ok()?;
        (count <= self.0.len()).then_some(count)
    }

    /// Bytes with their length before them, at most `max`.
    pub fn bytes(&mut self, max: usize) -> Option<&'a [u8]> {
        let count = self.count().filter(|count| *count <= max)?;
        self.take(count)
    }

    /// The version that a format begins with. `known` is the one that is written, and there is none before it yet.
    pub(crate) fn version(&mut self, known: u8) -> Result<(), Unreadable> {
        match self.byte() {
            Some(version) if version == known => Ok(()),
            Some(newer) if newer > known => Err(Unreadable::Newer(newer)),
            _ => Err(Unreadable::Malformed),
        }
    }

    /// The name of a shard or zone.
    pub(crate) fn name(&mut self) -> Option<Arc<str>> {
        Some(std::str::from_utf8(self.bytes(NAME_BYTES_MAX)?).ok()?.into())
    }

    /// A flag.
    pub(crate) fn flag(&mut self) -> Option<bool> {
        match self.byte()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    /// A time or its absence.
    pub(crate) fn time(&mut self) -> Option<Option<i64>> {
        Some(if self.flag()? { Some(self.signed_time()?) } else { None })
    }

    /// A time, or one that something was taken off or added to. Sums of such times do not overflow.
    pub(crate) fn signed_time(&mut self) -> Option<i64> {
        self.signed().filter(|time_ms| time_ms.unsigned_abs() <= 2 * TIME_MS_MAX as u64)
    }

    pub(crate) fn wide(&mut self) -> Option<u128> {
        Some(u128::from_be_bytes(self.take(16)?.try_into().ok()?))
    }

    /// A position.
    pub(crate) fn position(&mut self) -> Option<Option<Sequence>> {
        let bytes = self.bytes(Sequence::BYTES_MAX)?;
        if bytes.is_empty() { Some(None) } else { Sequence::from_bytes(bytes).map(Some) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_come_back(number in any::<u64>(), signed in any::<i64>(), shift in 0_u32..64) {
            let (number, signed) = (number >> shift, signed >> shift);
            let mut out = Vec::new();
            put_number(&mut out, number);
            put_signed(&mut out, signed);
            let mut input = Input::new(&out);
            prop_assert_eq!(input.number(), Some(number));
            prop_assert_eq!(input.signed(), Some(signed));
            prop_assert!(input.is_empty());
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let reads: [fn(&mut Input<'_>) -> bool; 3] = [
                |input| input.number().is_some(),
                |input| input.name().is_some(),
                |input| input.position().is_some(),
            ];
            for read in reads {
                let mut input = Input::new(&bytes);
                while !input.is_empty() && read(&mut input) {}
            }
        }
    }

    #[test]
    fn a_length_beyond_the_input_is_refused_before_anything_is_made_of_it() {
        let mut out = Vec::new();
        put_number(&mut out, u64::MAX);
        assert_eq!(Input::new(&out).count(), None);
        assert_eq!(Input::new(&[0xff; 11]).number(), None);
        assert_eq!(Input::new(&[3, 1, 2]).bytes(9), None);
    }
}
