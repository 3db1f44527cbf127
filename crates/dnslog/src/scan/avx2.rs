//! Sixty-four bytes at a time, and all work that is made of it, by what only some processors have.

use super::{Avx2, BLOCK, Masks, Work};
use std::arch::x86_64::{
    __m128i, _mm_cmpeq_epi8, _mm_cmpgt_epi8, _mm_cvtsi32_si128, _mm_cvtsi128_si32, _mm_madd_epi16, _mm_maddubs_epi16,
    _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128, _mm_set_epi64x, _mm_set1_epi8, _mm_set1_epi16, _mm_set1_epi32,
    _mm_setr_epi8, _mm_setzero_si128, _mm_shuffle_epi8, _mm_sub_epi8, _mm_testz_si128, _mm256_add_epi8,
    _mm256_cmpeq_epi8, _mm256_cmpgt_epi8, _mm256_movemask_epi8, _mm256_or_si256, _mm256_set_epi64x, _mm256_set1_epi8,
    _pdep_u32, _pdep_u64, _pext_u64,
};

#[target_feature(enable = "avx2,bmi1,bmi2,popcnt")]
pub(super) fn run<W: Work>(look: Avx2, work: W) -> W::Done {
    work.by(look)
}

#[target_feature(enable = "avx2,bmi1,bmi2,popcnt")]
pub(super) fn plain_end(look: Avx2, bytes: &[u8], from: usize) -> usize {
    super::plain_end(look, bytes, from)
}

#[target_feature(enable = "avx2,bmi1,bmi2,popcnt")]
#[inline]
pub(super) fn masks(block: &[u8; BLOCK]) -> Masks {
    let (mut special, mut space) = (0, 0);
    // Four numbers that lie side by side: the compiler makes it one load.
    let words = block.as_chunks::<8>().0.as_chunks::<4>().0;
    for (lane, words) in words.iter().enumerate() {
        let [a, b, c, d] = words.map(i64::from_le_bytes);
        let bytes = _mm256_set_epi64x(d, c, b, a);
        let equal = |byte: u8| _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(byte as i8));
        // One more, and as numbers with a sign, all but the printable characters are below the first of them.
        let after = _mm256_add_epi8(bytes, _mm256_set1_epi8(1));
        let odd = _mm256_cmpgt_epi8(_mm256_set1_epi8(0x21), after);
        let any = _mm256_or_si256(odd, _mm256_or_si256(equal(b'"'), equal(b'\\')));
        special |= u64::from(_mm256_movemask_epi8(any) as u32) << (32 * lane);
        space |= u64::from(_mm256_movemask_epi8(equal(b' ')) as u32) << (32 * lane);
    }
    Masks { special, space }
}

/// The IPv4 address in the first `length` bytes, all four numbers at once.
#[target_feature(enable = "avx2,bmi1,bmi2,popcnt")]
#[inline]
pub(super) fn v4(block: &[u8; 16], length: usize) -> Option<u32> {
    if length > 15 {
        return None;
    }
    let bits = u128::from_le_bytes(*block);
    let text = _mm_set_epi64x((bits >> 64) as i64, bits as i64);
    let values = _mm_sub_epi8(text, _mm_set1_epi8(b'0' as i8));
    let mask = |bytes: __m128i| _mm_movemask_epi8(bytes) as u32;
    let dots = mask(_mm_cmpeq_epi8(text, _mm_set1_epi8(b'.' as i8)));
    let digits = mask(_mm_cmpeq_epi8(_mm_min_epu8(values, _mm_set1_epi8(9)), values));
    let zeros = mask(_mm_cmpeq_epi8(values, _mm_setzero_si128()));
    let all = (1 << length) - 1;
    // Where numbers begin and, one place behind, end. One that begins with a zero must end behind it.
    let ends = dots & all | 1 << length;
    let odd = !(digits | dots) & all | zeros & (ends << 1 | 1) & !(ends >> 1);
    if odd != 0 || ends.count_ones() != 4 {
        return None;
    }
    // The four places of ends, a byte each: four bits that say where they are stand for each of sixteen places.
    let places = _pext_u64(0xfedc_ba98_7654_3210, _pdep_u64(u64::from(ends), 0x1111_1111_1111_1111) * 0xf);
    let places = _pdep_u32(places as u32, 0x0f0f_0f0f);
    let lengths = places.wrapping_sub(places << 8).wrapping_sub(0x0101_0100);
    if (lengths | lengths.wrapping_sub(0x0101_0101)) & 0xfcfc_fcfc != 0 {
        return None;
    }
    // Hundreds, tens and ones of each number, and nothing; as far before its end, if it is so long.
    let before = _mm_setr_epi8(3, 2, 1, 127, 3, 2, 1, 127, 3, 2, 1, 127, 3, 2, 1, 127);
    let each = _mm_setr_epi8(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
    let of_each = |word: u32| _mm_shuffle_epi8(_mm_cvtsi32_si128(word as i32), each);
    let missing = _mm_cmpgt_epi8(before, of_each(lengths));
    let from = _mm_or_si128(_mm_sub_epi8(of_each(places), before), missing);
    let weights = _mm_setr_epi8(100, 10, 1, 0, 100, 10, 1, 0, 100, 10, 1, 0, 100, 10, 1, 0);
    let sums = _mm_maddubs_epi16(_mm_shuffle_epi8(values, from), weights);
    let numbers = _mm_madd_epi16(sums, _mm_set1_epi16(1));
    // The lowest byte of each, the first number's the highest.
    let lowest = _mm_setr_epi8(12, 8, 4, 0, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1);
    let address = _mm_cvtsi128_si32(_mm_shuffle_epi8(numbers, lowest)) as u32;
    (_mm_testz_si128(numbers, _mm_set1_epi32(!0xff)) != 0).then_some(address)
}
