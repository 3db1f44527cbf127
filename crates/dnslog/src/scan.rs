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

/// Bytes that are looked at together.
pub(crate) const BLOCK: usize = 64;
const WINDOW: usize = 2 * BLOCK;

/// Fields of a log line.
pub(crate) const FIELDS: usize = 10;

/// As many spaces as a log line needs: nine between its fields, one before whatever a later version adds.
const SPACES_MAX: usize = FIELDS;

/// Spaces that are stored at once: a line has about five in 64 bytes.
const STRIDE: usize = 6;

/// What the processor can do.
#[derive(Debug, Clone, Copy)]
enum Way {
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    Portable(Portable),
}

/// Looks at 64 bytes. What uses it has its instructions as part of its own code.
pub(crate) trait Look: Copy {
    fn masks(self, block: &[u8; BLOCK]) -> Masks;
}

/// A way that any processor can go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Portable;

impl Look for Portable {
    #[inline(always)]
    fn masks(self, block: &[u8; BLOCK]) -> Masks {
        portable_masks(block)
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
            Way::Portable(look) => plain_end(look, bytes, from, &mut Nothing),
        };
        Ascii(bytes.get(from..end).unwrap_or_default())
    }
}

/// A line of text, and where its first spaces are. If 32 bits can say that, they come one after the other, in the text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line<'t, 's> {
    text: &'t str,
    spaces: &'s Spaces,
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

impl<'t, 's> Line<'t, 's> {
    /// A line that is not part of JSON.
    pub(crate) fn of(text: &'t str, spaces: &'s mut Spaces) -> Self {
        spaces.count = 0;
        for at in memchr::memchr_iter(b' ', text.as_bytes()).take(SPACES_MAX) {
            spaces.at[spaces.count] = at as u32;
            spaces.count += 1;
        }
        Self { text, spaces }
    }

    /// The plain part of a JSON string that begins at `from`, as by [`Scanner::plain`]. Where its first three spaces are
    /// may be known; then what is before the third is only checked to be plain.
    #[inline(always)]
    pub(crate) fn plain(
        look: impl Look,
        bytes: &'t [u8],
        from: usize,
        known: Option<[usize; 3]>,
        spaces: &'s mut Spaces,
    ) -> Self {
        spaces.count = 0;
        let mut skipped = 0;
        if let Some([a, b, c]) = known
            && let Some(block) = bytes.get(from..).and_then(|rest| rest.first_chunk())
            && (a < b && b < c && c < BLOCK - 1)
            && look.masks(block).special & ((2 << c) - 1) == 0
        {
            (spaces.at[0], spaces.at[1], spaces.at[2]) = (a as u32, b as u32, c as u32);
            spaces.count = 3;
            skipped = c + 1;
        }
        let end = plain_end(look, bytes, from + skipped, &mut Keep { spaces, start: from });
        Self { text: Ascii(bytes.get(from..end).unwrap_or_default()).text(), spaces }
    }

    #[inline(always)]
    pub(crate) fn text(&self) -> &'t str {
        self.text
    }

    /// The first fields, each up to a space; the last may go to the end. `None` if there are fewer.
    #[inline(always)]
    #[allow(unsafe_code)]
    pub(crate) fn fields(&self) -> Option<[Field<'t>; FIELDS]> {
        let Spaces { at, count } = self.spaces;
        if *count < FIELDS - 1 || u32::try_from(self.text.len()).is_err() {
            return None;
        }
        let mut fields = [Field { at: 0, text: "" }; FIELDS];
        let mut start = 0;
        for (index, field) in fields.iter_mut().enumerate() {
            let end = if index < *count { at[index] as usize } else { self.text.len() };
            // SAFETY: the text is short enough for its spaces to come one after the other, in the text. So there is a field
            // from its start, or behind a space, to the next space, or its end; and none of the two is within a character,
            // since both are beside one of ASCII.
            *field = Field { at: start, text: unsafe { self.text.get_unchecked(start..end) } };
            start = end + 1;
        }
        Some(fields)
    }
}

/// Where spaces were found, in their order: the first [`SPACES_MAX`] at least. A line borrows it, for if it were moved with
/// the line, it would be read as a whole right after its parts were written, and the processor waits for that.
#[derive(Debug, Default)]
pub(crate) struct Spaces {
    // Longer than needed, so that a block's spaces can be stored without asking how many there are.
    at: [u32; SPACES_MAX + STRIDE],
    count: usize,
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

impl Spaces {
    /// Takes the spaces of a block that begins `base` bytes after the line's start.
    #[inline(always)]
    fn push(&mut self, mut mask: u64, base: u32) {
        let mut left = mask.count_ones() as usize;
        while let Some(slots) = self.at.get_mut(self.count..).and_then(|rest| rest.first_chunk_mut::<STRIDE>()) {
            for slot in slots {
                *slot = base.wrapping_add(mask.trailing_zeros());
                mask &= mask.wrapping_sub(1);
            }
            self.count += left.min(STRIDE);
            if left <= STRIDE {
                return;
            }
            left -= STRIDE;
        }
    }
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

/// What is done about spaces.
trait Spaced {
    fn push(&mut self, spaces: u64, at: usize);
}

struct Nothing;

impl Spaced for Nothing {
    #[inline(always)]
    fn push(&mut self, _spaces: u64, _at: usize) {}
}

/// Keeps them, counted from a line's start.
struct Keep<'s> {
    spaces: &'s mut Spaces,
    start: usize,
}

impl Spaced for Keep<'_> {
    #[inline(always)]
    fn push(&mut self, spaces: u64, at: usize) {
        self.spaces.push(spaces, at.wrapping_sub(self.start) as u32);
    }
}

/// Where the plain bytes from `from` on end. Two blocks at a time: what a line has behind its zone is mostly shorter, and
/// how much shorter could not be foretold.
#[inline(always)]
fn plain_end(look: impl Look, bytes: &[u8], from: usize, spaced: &mut impl Spaced) -> usize {
    let mut at = from;
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        let (window, length) = match rest.first_chunk() {
            Some(window) => (*window, WINDOW),
            None => (last_window(rest), rest.len()),
        };
        let [first, second] = blocks(&window);
        let (first, second) = (look.masks(first), look.masks(second));
        // What is behind the first special byte does not count.
        let is_in_first = first.special != 0;
        let second_space = if is_in_first { 0 } else { second.space & below(second.special) };
        spaced.push(first.space & below(first.special), at);
        spaced.push(second_space, at + BLOCK);
        if is_in_first | (second.special != 0) {
            let behind = BLOCK + second.special.trailing_zeros() as usize;
            let found = if is_in_first { first.special.trailing_zeros() as usize } else { behind };
            return at + length.min(found);
        }
        at += WINDOW;
    }
}

/// The bits below the lowest that is set in `special`; all if none is.
#[inline(always)]
fn below(special: u64) -> u64 {
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
