//! Finding what delimits text, 64 bytes at a time: where a JSON string ends, and the spaces of a log line on the way.
//!
//! One pass does for the envelope's scanner and the line's parser. On x86-64 it uses SSE2, which every such processor
//! has, so there is no dispatch at run time and no `unsafe`; elsewhere eight bytes are treated as one number. Both
//! ways give the same masks, which the tests check.

/// Bytes that are looked at together.
const BLOCK: usize = 64;

/// As many spaces as a log line needs: nine between its ten fields, one before whatever a later version adds.
pub(crate) const SPACES_MAX: usize = 10;

/// Where the first spaces of a line are, counted from its start.
#[derive(Debug, Clone)]
pub(crate) struct Spaces {
    // Longer than needed, so that a block's spaces can be stored without asking how many there are.
    at: [u32; SPACES_MAX + STRIDE],
    count: usize,
}

/// Spaces that are stored at once.
const STRIDE: usize = 6;

impl Spaces {
    pub(crate) fn new() -> Self {
        Self { at: [0; SPACES_MAX + STRIDE], count: 0 }
    }

    /// The spaces found, at most [`SPACES_MAX`].
    #[inline]
    pub(crate) fn found(&self) -> &[u32] {
        &self.at[..self.count.min(SPACES_MAX)]
    }

    /// Takes the spaces of a block that begins `base` bytes after the line's start.
    #[inline]
    fn push(&mut self, mut mask: u64, base: u32) {
        let mut left = mask.count_ones() as usize;
        while left > 0 && self.count < SPACES_MAX {
            let Some(slots) = self.at.get_mut(self.count..self.count + STRIDE) else { return };
            for slot in slots {
                *slot = base.wrapping_add(mask.trailing_zeros());
                mask &= mask.wrapping_sub(1);
            }
            let taken = left.min(STRIDE);
            self.count += taken;
            left -= taken;
        }
    }
}

/// What a block holds, a bit a byte, the lowest bit for the first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Masks {
    /// `"`, `\`, and control characters: what ends the part of a JSON string that can be taken as it is.
    pub special: u64,
    /// Spaces.
    pub space: u64,
}

/// The place at or after `from` of the first byte that is not a plain part of a JSON string, or the end of `bytes`.
#[inline]
pub(crate) fn string_end(bytes: &[u8], from: usize) -> usize {
    let mut at = from;
    while let Some(block) = bytes.get(at..).and_then(|rest| rest.first_chunk::<BLOCK>()) {
        let special = masks(block).special;
        if special != 0 {
            return at + special.trailing_zeros() as usize;
        }
        at += BLOCK;
    }
    let (block, length) = last_block(bytes, at);
    (at + masks(&block).special.trailing_zeros() as usize).min(at + length)
}

/// As [`string_end`], and stores the spaces that come before it.
#[inline]
pub(crate) fn message_end(bytes: &[u8], from: usize, spaces: &mut Spaces) -> usize {
    spaces.count = 0;
    let mut at = from;
    while let Some(block) = bytes.get(at..).and_then(|rest| rest.first_chunk::<BLOCK>()) {
        let Masks { special, space } = masks(block);
        let base = (at - from) as u32;
        if special != 0 {
            spaces.push(space & below(special), base);
            return at + special.trailing_zeros() as usize;
        }
        spaces.push(space, base);
        at += BLOCK;
    }
    let (block, length) = last_block(bytes, at);
    let Masks { special, space } = masks(&block);
    spaces.push(space & below(special), (at - from) as u32);
    (at + special.trailing_zeros() as usize).min(at + length)
}

/// Stores the first spaces of a line that is not part of JSON.
pub(crate) fn line_spaces(line: &[u8], spaces: &mut Spaces) {
    spaces.count = 0;
    for at in memchr::memchr_iter(b' ', line).take(SPACES_MAX) {
        spaces.at[spaces.count] = at as u32;
        spaces.count += 1;
    }
}

/// The bits below the lowest that is set in `special`; all if none is.
#[inline]
fn below(special: u64) -> u64 {
    special.wrapping_sub(1) & !special
}

/// What is left at the end, filled up with NULs, which are special, so that every scan ends.
fn last_block(bytes: &[u8], at: usize) -> ([u8; BLOCK], usize) {
    let rest = bytes.get(at..).unwrap_or_default();
    let mut block = [0; BLOCK];
    block[..rest.len()].copy_from_slice(rest);
    (block, rest.len())
}

#[cfg(target_arch = "x86_64")]
#[inline]
#[allow(unsafe_code)]
fn masks(block: &[u8; BLOCK]) -> Masks {
    // SAFETY: SSE2 belongs to x86-64 itself, no processor of that kind lacks it.
    unsafe { sse2_masks(block) }
}

#[cfg(not(target_arch = "x86_64"))]
#[inline]
fn masks(block: &[u8; BLOCK]) -> Masks {
    portable_masks(block)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "sse2")]
#[inline]
fn sse2_masks(block: &[u8; BLOCK]) -> Masks {
    use std::arch::x86_64::{
        _mm_cmpeq_epi8, _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128, _mm_set_epi64x, _mm_set1_epi8,
    };
    let (mut special, mut space) = (0, 0);
    let (words, _) = block.as_chunks::<8>();
    for lane in 0..BLOCK / 16 {
        // Two numbers that lie side by side: the compiler makes it one load.
        let low = i64::from_le_bytes(words[2 * lane]);
        let high = i64::from_le_bytes(words[2 * lane + 1]);
        let bytes = _mm_set_epi64x(high, low);
        let quote = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(b'"' as i8));
        let backslash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(b'\\' as i8));
        let delete = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f));
        let control = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);
        let any = _mm_or_si128(_mm_or_si128(quote, backslash), _mm_or_si128(delete, control));
        special |= (_mm_movemask_epi8(any) as u64) << (16 * lane);
        space |= (_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(b' ' as i8))) as u64) << (16 * lane);
    }
    Masks { special, space }
}

/// The same with eight bytes in one number.
#[cfg(any(test, not(target_arch = "x86_64")))]
fn portable_masks(block: &[u8; BLOCK]) -> Masks {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    /// The high bit of each byte that is zero, exactly (no borrow passes from byte to byte).
    fn zeros(word: u64) -> u64 {
        !((word & !HIGH).wrapping_add(!HIGH) | word) & HIGH
    }
    /// The high bits of the bytes, one after the other.
    fn gather(high_bits: u64) -> u64 {
        (high_bits >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
    }
    let (mut special, mut space) = (0, 0);
    for (lane, bytes) in block.as_chunks::<8>().0.iter().enumerate() {
        let word = u64::from_le_bytes(*bytes);
        let equal = |byte: u8| zeros(word ^ (ONES * u64::from(byte)));
        let control = zeros(word & (ONES * 0xe0));
        special |= gather(equal(b'"') | equal(b'\\') | equal(0x7f) | control) << (8 * lane);
        space |= gather(equal(b' ')) << (8 * lane);
    }
    Masks { special, space }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn simple_masks(block: &[u8; BLOCK]) -> Masks {
        let mut masks = Masks { special: 0, space: 0 };
        for (index, &byte) in block.iter().enumerate() {
            masks.special |= u64::from(matches!(byte, b'"' | b'\\' | ..=0x1f | 0x7f)) << index;
            masks.space |= u64::from(byte == b' ') << index;
        }
        masks
    }

    #[test]
    fn every_byte_is_told_apart_in_every_place() {
        for byte in 0..=u8::MAX {
            for index in 0..BLOCK {
                let mut block = [b'x'; BLOCK];
                block[index] = byte;
                let expected = simple_masks(&block);
                assert_eq!(portable_masks(&block), expected, "{byte:#x} at {index}");
                assert_eq!(masks(&block), expected, "{byte:#x} at {index}");
            }
        }
    }

    proptest! {
        #[test]
        fn both_ways_give_the_same_masks(bytes in prop::collection::vec(any::<u8>(), BLOCK)) {
            let block: &[u8; BLOCK] = bytes.first_chunk().unwrap();
            prop_assert_eq!(masks(block), simple_masks(block));
            prop_assert_eq!(portable_masks(block), simple_masks(block));
        }

        #[test]
        fn ends_and_spaces_are_those_of_a_byte_by_byte_search(
            text in "[ a-c\"]{0,200}", from in 0_usize..70,
        ) {
            let bytes = text.as_bytes();
            let from = from.min(bytes.len());
            let expected = bytes[from..].iter().position(|&byte| byte == b'"').map_or(bytes.len(), |at| from + at);
            let mut spaces = Spaces::new();
            prop_assert_eq!(string_end(bytes, from), expected);
            prop_assert_eq!(message_end(bytes, from, &mut spaces), expected);
            let expected_spaces: Vec<u32> = (from..expected)
                .filter(|&at| bytes[at] == b' ').map(|at| (at - from) as u32).take(SPACES_MAX).collect();
            prop_assert_eq!(spaces.found(), &expected_spaces[..]);
            line_spaces(&bytes[from..expected], &mut spaces);
            prop_assert_eq!(spaces.found(), &expected_spaces[..]);
        }
    }
}
