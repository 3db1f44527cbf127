//! Sixty-four bytes at a time, and all work that is made of it, by what only some processors have.

use super::{Avx2, BLOCK, Masks, Work};
use std::arch::x86_64::{
    _mm256_add_epi8, _mm256_cmpeq_epi8, _mm256_cmpgt_epi8, _mm256_movemask_epi8, _mm256_or_si256, _mm256_set_epi64x,
    _mm256_set1_epi8,
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
