//! Sixteen bytes at a time, by what every x86-64 processor has.

use super::{HEX_BLOCK, LabelMasks};
use std::arch::x86_64::{
    __m128i, _mm_add_epi8, _mm_cmpeq_epi8, _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128, _mm_set_epi64x, _mm_set1_epi8,
};

#[target_feature(enable = "sse2")]
#[inline]
pub(super) fn hex_and_colons(block: &[u8; HEX_BLOCK]) -> (u64, u64) {
    let (mut hex, mut colons) = (0, 0);
    for (lane, words) in block.as_chunks::<8>().0.as_chunks::<2>().0.iter().enumerate() {
        let [low, high] = words.map(i64::from_le_bytes);
        let bytes = _mm_set_epi64x(high, low);
        let letters = are_of(_mm_or_si128(bytes, _mm_set1_epi8(0x20)), b'a', 6);
        let digits = _mm_or_si128(are_of(bytes, b'0', 10), letters);
        hex |= u64::from(_mm_movemask_epi8(digits) as u32) << (16 * lane);
        colons |= u64::from(_mm_movemask_epi8(are_of(bytes, b':', 1)) as u32) << (16 * lane);
    }
    (hex, colons)
}

#[target_feature(enable = "sse2")]
#[inline]
pub(super) fn label_masks(block: &[u8; 16]) -> LabelMasks {
    let bytes = load(block);
    let mask = |bytes| _mm_movemask_epi8(bytes) as u16;
    let graphic = mask(are_of(bytes, b'!', 94));
    LabelMasks {
        dots: mask(are_of(bytes, b'.', 1)),
        odd: !graphic | mask(are_of(bytes, b'\\', 1)),
        capitals: mask(are_of(bytes, b'A', 26)),
    }
}

#[target_feature(enable = "sse2")]
#[inline]
pub(super) fn dots_and_colons(block: &[u8; 16]) -> (u16, u16) {
    let [dots, colons] = [b'.', b':'].map(|byte| _mm_movemask_epi8(are_of(load(block), byte, 1)) as u16);
    (dots, colons)
}

#[target_feature(enable = "sse2")]
#[inline]
pub(super) fn special_mask(block: &[u8; 16]) -> u16 {
    let bytes = load(block);
    let delimiters = _mm_or_si128(are_of(bytes, b'"', 1), are_of(bytes, b'\\', 1));
    _mm_movemask_epi8(_mm_or_si128(delimiters, are_of(bytes, 0, 0x20))) as u16
}

#[target_feature(enable = "sse2")]
#[inline]
fn load(block: &[u8; 16]) -> __m128i {
    let bits = u128::from_le_bytes(*block);
    _mm_set_epi64x((bits >> 64) as i64, bits as i64)
}

/// All bits of the bytes that are one of `count` from `first` on.
#[target_feature(enable = "sse2")]
#[inline]
fn are_of(bytes: __m128i, first: u8, count: i8) -> __m128i {
    let places = _mm_add_epi8(bytes, _mm_set1_epi8(first.wrapping_neg() as i8));
    _mm_cmpeq_epi8(_mm_min_epu8(places, _mm_set1_epi8(count - 1)), places)
}
