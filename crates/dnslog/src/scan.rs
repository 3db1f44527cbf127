//! Finding what delimits text, 64 bytes at a time: where a JSON string ends, and the spaces of a log line on the way.
//!
//! One pass does for the envelope's scanner and the line's parser. With AVX2, which is asked for once, 32 bytes are
//! compared by one instruction; elsewhere eight bytes are treated as one number. Both ways give the same masks, which
//! the tests and a fuzz target check. Short texts (names, addresses, what goes into JSON) are looked at in blocks of 16
//! bytes, by SSE2 where it is, which needs no asking. This is the only module that may hold `unsafe`: the calls into
//! code for a processor that can run it, a hint to its cache, text that is known to be ASCII, and the fields between
//! spaces that were found.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod sse2;
mod v4;

pub(crate) use v4::V4_BLOCK;

/// Bytes that are looked at together.
pub(crate) const BLOCK: usize = 64;
const WINDOW: usize = 2 * BLOCK;

/// Fields of a log line.
pub(crate) const FIELDS: usize = 10;

/// What the processor can do.
#[derive(Debug, Clone, Copy)]
enum Way {
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    Portable(Portable),
}

/// Looks at many bytes at once. What uses it has its instructions as part of its own code.
pub(crate) trait Look: Copy {
    fn masks(self, block: &[u8; BLOCK]) -> Masks;

    /// The IPv4 address in the first `length` bytes; `None` if it is none.
    fn v4(self, block: &[u8; V4_BLOCK], length: usize) -> Option<u32>;
}

/// A way that any processor can go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Portable;

impl Look for Portable {
    #[inline(always)]
    fn masks(self, block: &[u8; BLOCK]) -> Masks {
        portable_masks(block)
    }

    #[inline(always)]
    fn v4(self, block: &[u8; V4_BLOCK], length: usize) -> Option<u32> {
        v4::v4(block, length)
    }
}

/// Made by [`Scanner::new`] alone, and only if the processor has what the functions behind it are compiled for.
#[cfg(target_arch = "x86_64")]
#[derive(Debug, Clone, Copy)]
pub(crate) struct Avx2(());

#[cfg(target_arch = "x86_64")]
impl Look for Avx2 {
    #[inline(always)]
    #[allow(unsafe_code)]
    fn masks(self, block: &[u8; BLOCK]) -> Masks {
        // SAFETY: there is a value of this type, so the processor was asked for every feature the function needs.
        unsafe { avx2::masks(block) }
    }

    #[inline(always)]
    #[allow(unsafe_code)]
    fn v4(self, block: &[u8; V4_BLOCK], length: usize) -> Option<u32> {
        // SAFETY: there is a value of this type, so the processor was asked for every feature the function needs.
        unsafe { avx2::v4(&block.as_chunks().0[0], length) }
    }
}

/// Work that is compiled once for each way. Its `by` must be made part of what calls it (`inline(always)`), or it has
/// not the processor's instructions: a closure will not do, since two callers make the compiler keep it apart.
pub(crate) trait Work {
    type Done;
    fn by(self, look: impl Look) -> Self::Done;
}

/// Scans text by the way that is best for the processor.
#[derive(Debug, Clone)]
pub(crate) struct Scanner {
    way: Way,
}

impl Scanner {
    /// A scanner for this processor.
    pub(crate) fn new() -> Self {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("popcnt")
        {
            return Self { way: Way::Avx2(Avx2(())) };
        }
        Self::portable()
    }

    /// A scanner that any processor can run.
    pub(crate) fn portable() -> Self {
        Self { way: Way::Portable(Portable) }
    }

    /// How this scanner works, to be asked for before the work borrows it.
    pub(crate) fn processor(&self) -> Processor {
        Processor(self.way)
    }

    /// The plain part of a JSON string that begins at `from`: up to a quote, an escape, a control character, what is not
    /// ASCII, or the end of `bytes`.
    #[inline]
    #[allow(unsafe_code)]
    pub(crate) fn plain<'t>(&self, bytes: &'t [u8], from: usize) -> Ascii<'t> {
        let end = match self.way {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: there is a value of this type, so the processor was asked for every feature the function needs.
            Way::Avx2(look) => unsafe { avx2::plain_end(look, bytes, from) },
            Way::Portable(look) => plain_end(look, bytes, from),
        };
        Ascii(bytes.get(from..end).unwrap_or_default())
    }
}

/// A line of text, and where its first fields are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line<'t> {
    text: &'t str,
    /// The text and what is behind it, if that is known: a look beyond an end saves asking where that is.
    bytes: &'t [u8],
    /// Where each field ends, in their order: at a space, the last maybe at the text's end. `None` if there are fewer.
    ends: Option<[usize; FIELDS]>,
}

/// A field of a line, and where it begins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field<'t> {
    pub at: usize,
    pub text: &'t str,
}

impl Field<'_> {
    #[inline(always)]
    pub(crate) fn end(&self) -> usize {
        self.at + self.text.len()
    }
}

impl<'t> Line<'t> {
    /// Any line.
    pub(crate) fn of(text: &'t str) -> Self {
        let mut ends = [text.len(); FIELDS];
        let mut count = 0;
        for (end, space) in ends.iter_mut().zip(memchr::memchr_iter(b' ', text.as_bytes())) {
            *end = space;
            count += 1;
        }
        Self { text, bytes: text.as_bytes(), ends: (count >= FIELDS - 1).then_some(ends) }
    }

    /// The plain part of a JSON string that `bytes` begin with, if it has ten fields and no more, and these are not of
    /// unusual length. Its first three spaces are known, and that what is before the third is plain.
    #[inline(always)]
    pub(crate) fn usual(look: impl Look, bytes: &'t [u8], known: [usize; 3]) -> Option<Self> {
        let [a, b, c] = known;
        // Whatever the caller knows, the text below must be ASCII.
        let head: &[u8; BLOCK] = bytes.first_chunk()?;
        if !(a < b && b < c && c < BLOCK && head.is_ascii()) {
            return None;
        }
        let mut at = c + 1;
        let (special, spaces) = loop {
            let (special, spaces) = window_masks(look, bytes.get(at..)?);
            if special != 0 {
                break (special, spaces & below(special));
            }
            // The name is long: the next window begins behind it, or behind as much of it as is in this one.
            match spaces.trailing_zeros() {
                0 => return None,
                name => at += name as usize,
            }
        };
        if spaces.count_ones() as usize != FIELDS - 1 - known.len() {
            return None;
        }
        let end = at + special.trailing_zeros() as usize;
        let name_end = at + spaces.trailing_zeros() as usize;
        let mut behind_name = (spaces >> spaces.trailing_zeros() >> 1) as u64;
        let mut ends = [a, b, c, name_end, 0, 0, 0, 0, 0, end];
        for place in &mut ends[4..9] {
            if behind_name == 0 {
                return None;
            }
            *place = name_end + 1 + behind_name.trailing_zeros() as usize;
            behind_name &= behind_name.wrapping_sub(1);
        }
        Some(Self { text: Ascii(bytes.get(..end)?).text(), bytes, ends: Some(ends) })
    }

    #[inline(always)]
    pub(crate) fn text(&self) -> &'t str {
        self.text
    }

    #[inline(always)]
    pub(crate) fn bytes(&self) -> &'t [u8] {
        self.bytes
    }

    /// The first fields, each up to a space; the last may go to the end. `None` if there are fewer.
    #[inline(always)]
    #[allow(unsafe_code)]
    pub(crate) fn fields(&self) -> Option<[Field<'t>; FIELDS]> {
        let mut fields = [Field { at: 0, text: "" }; FIELDS];
        let mut start = 0;
        for (field, end) in fields.iter_mut().zip(self.ends?) {
            // SAFETY: the ends come one after the other, each but the last at a space, none behind the text's end. So there is
            // a field from the text's start, or behind a space, to the next end; and none of the two is within a character,
            // since both are beside one of ASCII or at an end of the text.
            *field = Field { at: start, text: unsafe { self.text.get_unchecked(start..end) } };
            start = end + 1;
        }
        Some(fields)
    }
}

/// What the processor can do. Only a scanner gives one away.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Processor(Way);

impl Processor {
    /// Does work with the processor's instructions.
    #[allow(unsafe_code)]
    pub(crate) fn run<W: Work>(self, work: W) -> W::Done {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: there is a value of this type, so the processor was asked for every feature the function needs.
            Way::Avx2(look) => unsafe { avx2::run(look, work) },
            Way::Portable(look) => work.by(look),
        }
    }
}

/// Bytes that are ASCII, as the plain part of a JSON string is, so that they are text without a check.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ascii<'t>(&'t [u8]);

impl<'t> Ascii<'t> {
    /// What stands between the `from`th byte and the last, if that is plain and the last byte is not.
    #[inline(always)]
    pub(crate) fn before_last(look: impl Look, block: &'t [u8; BLOCK], from: usize) -> Option<Self> {
        let is_all = look.masks(block).special >> from == 1 << (BLOCK - 1 - from);
        if is_all { block.get(from..BLOCK - 1).map(Self) } else { None }
    }

    #[inline(always)]
    #[allow(unsafe_code)]
    pub(crate) fn text(self) -> &'t str {
        // SAFETY: only this module makes one of bytes, and only of such as `Masks` calls plain. They are ASCII, which is
        // UTF-8.
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

/// Where dots and where colons are in sixteen bytes.
#[inline(always)]
#[allow(unsafe_code)]
pub(crate) fn dots_and_colons(block: &[u8; 16]) -> (u16, u16) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every processor of this architecture has SSE2.
    return unsafe { sse2::dots_and_colons(block) };
    #[cfg(not(target_arch = "x86_64"))]
    simple_dots_and_colons(block)
}

#[cfg(any(test, not(target_arch = "x86_64")))]
fn simple_dots_and_colons(block: &[u8; 16]) -> (u16, u16) {
    let bits = |wanted| block.iter().rev().fold(0, |bits, byte| bits << 1 | u16::from(*byte == wanted));
    (bits(b'.'), bits(b':'))
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

/// What a block holds, a bit a byte, the lowest bit for the first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Masks {
    /// What is not plain: `"`, `\`, control characters and what is not ASCII. It ends the part of a JSON string that can
    /// be taken as it is.
    special: u64,
    /// Spaces.
    space: u64,
}

/// Where the plain bytes from `from` on end.
#[inline(always)]
fn plain_end(look: impl Look, bytes: &[u8], from: usize) -> usize {
    let mut at = from;
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        let (special, _) = window_masks(look, rest);
        if special != 0 {
            return at + rest.len().min(special.trailing_zeros() as usize);
        }
        at += WINDOW;
    }
}

/// What the first bytes are, as in [`Masks`]: special ones and spaces. Two blocks at a time: what a line has behind its
/// zone is mostly shorter, and how much shorter could not be foretold.
#[inline(always)]
fn window_masks(look: impl Look, rest: &[u8]) -> (u128, u128) {
    let window = match rest.first_chunk() {
        Some(window) => *window,
        None => last_window(rest),
    };
    let [first, second] = blocks(&window);
    let (first, second) = (look.masks(first), look.masks(second));
    let special = u128::from(first.special) | u128::from(second.special) << BLOCK;
    (special, u128::from(first.space) | u128::from(second.space) << BLOCK)
}

/// The bits below the lowest that is set in `special`; all if none is.
#[inline(always)]
fn below(special: u128) -> u128 {
    special.wrapping_sub(1) & !special
}

#[inline(always)]
fn blocks(window: &[u8; WINDOW]) -> [&[u8; BLOCK]; 2] {
    let blocks = window.as_chunks().0;
    [&blocks[0], &blocks[1]]
}

/// What is left at the end, filled up with NULs, which are special, so that every scan ends.
#[cold]
fn last_window(rest: &[u8]) -> [u8; WINDOW] {
    let mut window = [0; WINDOW];
    window.iter_mut().zip(rest).for_each(|(place, byte)| *place = *byte);
    window
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
        let foreign = word & HIGH;
        special |= gather(equal(b'"') | equal(b'\\') | equal(0x7f) | control | foreign) << (8 * lane);
        space |= gather(equal(b' ')) << (8 * lane);
    }
    Masks { special, space }
}

#[cfg(test)]
mod tests;
