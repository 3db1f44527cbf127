//! Finding what delimits text, 64 bytes at a time: where a JSON string ends, and the spaces of a log line on the way.
//!
//! One pass does for the envelope's scanner and the line's parser. With AVX2, which is asked for once, 32 bytes are
//! compared by one instruction; elsewhere eight bytes are treated as one number. Both ways give the same masks, which
//! the tests and a fuzz target check. Short texts (names, addresses, what goes into JSON) are looked at in blocks of 16
//! bytes, by SSE2 where it is, which needs no asking. This is the only module that may hold `unsafe`: the calls into
//! code for a processor that can run it, a hint to its cache, and text that is known to be ASCII.

use std::ops::Range;

/// Bytes that are looked at together.
const BLOCK: usize = 64;

/// As many spaces as a log line needs: nine between its ten fields, one before whatever a later version adds.
pub(crate) const SPACES_MAX: usize = 10;

/// Spaces that are stored at once: a line has about five in 64 bytes.
const STRIDE: usize = 6;

/// What the processor can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Made by [`Scanner::new`] alone, and only if the processor has what the functions behind it are compiled for.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    Portable,
}

/// Scans, and keeps where the first spaces of the last line are, counted from its start.
#[derive(Debug, Clone)]
pub(crate) struct Scanner {
    way: Way,
    spaces: Spaces,
}

#[derive(Debug, Clone)]
struct Spaces {
    // Longer than needed, so that a block's spaces can be stored without asking how many there are.
    at: [u32; SPACES_MAX + STRIDE],
    count: usize,
}

impl Scanner {
    /// A scanner for this processor.
    pub(crate) fn new() -> Self {
        let spaces = Spaces { at: [0; SPACES_MAX + STRIDE], count: 0 };
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("popcnt")
        {
            return Self { way: Way::Avx2, spaces };
        }
        Self { way: Way::Portable, spaces }
    }

    /// A scanner that any processor can run.
    pub(crate) fn portable() -> Self {
        Self { way: Way::Portable, ..Self::new() }
    }

    /// How this scanner works, to be asked for before the work borrows it.
    pub(crate) fn processor(&self) -> Processor {
        Processor(self.way)
    }

    /// The spaces found last, at most [`SPACES_MAX`].
    #[inline]
    pub(crate) fn spaces(&self) -> &[u32] {
        &self.spaces.at[..self.spaces.count.min(SPACES_MAX)]
    }

    /// The place at or after `from` of the first byte that is not a plain part of a JSON string, or the end of `bytes`.
    #[inline]
    #[allow(unsafe_code)]
    pub(crate) fn string_end(&self, bytes: &[u8], from: usize) -> usize {
        match self.way {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: this way was chosen after asking for every feature the function needs.
            Way::Avx2 => unsafe { avx2::string_end(bytes, from) },
            Way::Portable => string_end_by(portable_masks, bytes, from),
        }
    }

    /// As [`Scanner::string_end`], and stores the spaces that come before it.
    #[inline]
    #[allow(unsafe_code)]
    pub(crate) fn message_end(&mut self, bytes: &[u8], from: usize) -> usize {
        match self.way {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: this way was chosen after asking for every feature the function needs.
            Way::Avx2 => unsafe { avx2::message_end(bytes, from, &mut self.spaces) },
            Way::Portable => message_end_by(portable_masks, bytes, from, &mut self.spaces),
        }
    }

    /// Stores the first spaces of a line that is not part of JSON.
    pub(crate) fn find_spaces(&mut self, line: &[u8]) {
        self.spaces.count = 0;
        for at in memchr::memchr_iter(b' ', line).take(SPACES_MAX) {
            self.spaces.at[self.spaces.count] = at as u32;
            self.spaces.count += 1;
        }
    }
}

/// What the processor can do. Only a scanner gives one away.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Processor(Way);

impl Processor {
    /// Does work. What of it the compiler makes part of this very function has the processor's instructions.
    #[inline(always)]
    #[allow(unsafe_code)]
    pub(crate) fn run<R>(self, work: impl FnOnce() -> R) -> R {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: this way was chosen after asking for every feature the function needs.
            Way::Avx2 => unsafe { avx2::run(work) },
            Way::Portable => work(),
        }
    }
}

/// Text that is ASCII, as nearly every record is: any part of it is text, which need not be checked for each field of
/// each line (a tenth of what decoding does besides inflating).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ascii<'t>(&'t [u8]);

impl<'t> Ascii<'t> {
    pub(crate) fn of(bytes: &'t [u8]) -> Option<Self> {
        bytes.is_ascii().then_some(Self(bytes))
    }

    /// The bytes between two places; `None` if there are none such.
    #[inline(always)]
    pub(crate) fn part(self, place: Range<usize>) -> Option<Self> {
        self.0.get(place).map(Self)
    }

    #[inline(always)]
    pub(crate) fn bytes(self) -> &'t [u8] {
        self.0
    }

    #[inline(always)]
    #[allow(unsafe_code)]
    pub(crate) fn text(self) -> &'t str {
        // SAFETY: only `of` makes one of bytes, and only of ASCII, which is UTF-8; a part of ASCII is ASCII.
        unsafe { str::from_utf8_unchecked(self.0) }
    }
}

/// Has a value brought near the processor while other work is done.
#[inline(always)]
#[allow(unsafe_code)]
pub(crate) fn prefetch<T>(value: &T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every processor of this architecture can do it, and nothing but the time of later reads depends on it.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>((&raw const *value).cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = value;
}

/// Bytes that [`hex_and_colons`] looks at: an IPv6 address has at most 39.
pub(crate) const HEX_BLOCK: usize = 48;

/// Where hexadecimal digits and where colons are, a bit a byte, the lowest bit for the first byte.
#[inline(always)]
#[allow(unsafe_code)]
pub(crate) fn hex_and_colons(block: &[u8; HEX_BLOCK]) -> (u64, u64) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every processor of this architecture has SSE2.
    return unsafe { sse2::hex_and_colons(block) };
    #[cfg(not(target_arch = "x86_64"))]
    simple_hex_and_colons(block)
}

#[cfg(any(test, not(target_arch = "x86_64")))]
fn simple_hex_and_colons(block: &[u8; HEX_BLOCK]) -> (u64, u64) {
    let bits = |is: fn(&u8) -> bool| block.iter().rev().fold(0, |bits, byte| bits << 1 | u64::from(is(byte)));
    (bits(u8::is_ascii_hexdigit), bits(|byte| *byte == b':'))
}

/// What sixteen bytes of a name are, a bit a byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LabelMasks {
    pub dots: u16,
    /// What stands for itself in no name: a backslash, white space, what is not printable or not ASCII.
    pub odd: u16,
    pub capitals: u16,
}

#[inline(always)]
#[allow(unsafe_code)]
pub(crate) fn label_masks(block: &[u8; 16]) -> LabelMasks {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every processor of this architecture has SSE2.
    return unsafe { sse2::label_masks(block) };
    #[cfg(not(target_arch = "x86_64"))]
    simple_label_masks(block)
}

#[cfg(any(test, not(target_arch = "x86_64")))]
fn simple_label_masks(block: &[u8; 16]) -> LabelMasks {
    let bits = |is: fn(&u8) -> bool| block.iter().rev().fold(0, |bits, byte| bits << 1 | u16::from(is(byte)));
    LabelMasks {
        dots: bits(|byte| *byte == b'.'),
        odd: bits(|byte| !byte.is_ascii_graphic() || *byte == b'\\'),
        capitals: bits(u8::is_ascii_uppercase),
    }
}

/// Which of sixteen bytes JSON asks to escape, a bit a byte.
#[inline(always)]
#[allow(unsafe_code)]
pub(crate) fn special_mask(block: &[u8; 16]) -> u16 {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every processor of this architecture has SSE2.
    return unsafe { sse2::special_mask(block) };
    #[cfg(not(target_arch = "x86_64"))]
    simple_special_mask(block)
}

#[cfg(any(test, not(target_arch = "x86_64")))]
fn simple_special_mask(block: &[u8; 16]) -> u16 {
    let is_special = |byte: &u8| matches!(byte, 0..=0x1f | b'"' | b'\\');
    block.iter().rev().fold(0, |bits, byte| bits << 1 | u16::from(is_special(byte)))
}

#[cfg(target_arch = "x86_64")]
mod sse2 {
    use super::{HEX_BLOCK, LabelMasks};
    use std::arch::x86_64::{
        __m128i, _mm_add_epi8, _mm_cmpeq_epi8, _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128, _mm_set_epi64x,
        _mm_set1_epi8,
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
}

impl Spaces {
    /// Takes the spaces of a block that begins `base` bytes after the line's start.
    #[inline(always)]
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
struct Masks {
    /// `"`, `\`, and control characters: what ends the part of a JSON string that can be taken as it is.
    special: u64,
    /// Spaces.
    space: u64,
}

#[inline(always)]
fn string_end_by(masks: impl Fn(&[u8; BLOCK]) -> Masks, bytes: &[u8], from: usize) -> usize {
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

#[inline(always)]
fn message_end_by(masks: impl Fn(&[u8; BLOCK]) -> Masks, bytes: &[u8], from: usize, spaces: &mut Spaces) -> usize {
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

/// The bits below the lowest that is set in `special`; all if none is.
#[inline(always)]
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
mod avx2 {
    use super::{BLOCK, Masks, Spaces};
    use std::arch::x86_64::{
        _mm256_cmpeq_epi8, _mm256_min_epu8, _mm256_movemask_epi8, _mm256_or_si256, _mm256_set_epi64x, _mm256_set1_epi8,
    };

    #[target_feature(enable = "avx2,bmi1,bmi2,popcnt")]
    pub(super) fn run<R>(work: impl FnOnce() -> R) -> R {
        work()
    }

    #[target_feature(enable = "avx2,bmi1,bmi2,popcnt")]
    #[inline]
    pub(super) fn string_end(bytes: &[u8], from: usize) -> usize {
        super::string_end_by(|block| masks(block), bytes, from)
    }

    #[target_feature(enable = "avx2,bmi1,bmi2,popcnt")]
    #[inline]
    pub(super) fn message_end(bytes: &[u8], from: usize, spaces: &mut Spaces) -> usize {
        super::message_end_by(|block| masks(block), bytes, from, spaces)
    }

    #[target_feature(enable = "avx2,bmi1,bmi2,popcnt")]
    #[inline]
    fn masks(block: &[u8; BLOCK]) -> Masks {
        let (mut special, mut space) = (0, 0);
        // Four numbers that lie side by side: the compiler makes it one load.
        let words = block.as_chunks::<8>().0.as_chunks::<4>().0;
        for (lane, words) in words.iter().enumerate() {
            let [a, b, c, d] = words.map(i64::from_le_bytes);
            let bytes = _mm256_set_epi64x(d, c, b, a);
            let equal = |byte: u8| _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(byte as i8));
            let control = _mm256_cmpeq_epi8(_mm256_min_epu8(bytes, _mm256_set1_epi8(0x1f)), bytes);
            let delimiter = _mm256_or_si256(equal(b'"'), equal(b'\\'));
            let any = _mm256_or_si256(delimiter, _mm256_or_si256(equal(0x7f), control));
            special |= u64::from(_mm256_movemask_epi8(any) as u32) << (32 * lane);
            space |= u64::from(_mm256_movemask_epi8(equal(b' ')) as u32) << (32 * lane);
        }
        Masks { special, space }
    }
}

/// The same with eight bytes in one number.
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
mod tests;
