//! IPv4 addresses by what any processor has: each number a shift and a sum.

use super::dots_and_colons;

/// Bytes that [`super::Look::v4`] looks at: an IPv4 address has at most 15, and a number is read as four.
pub(crate) const V4_BLOCK: usize = 20;

#[inline(always)]
fn first_of(block: &[u8; V4_BLOCK]) -> &[u8; 16] {
    &block.as_chunks().0[0]
}

/// The IPv4 address in the first `length` bytes; `None` if it is none.
///
/// Where the dots are is found in all bytes at once, and each number is then a shift and a sum, without a branch: the
/// lengths of an address's numbers are nothing that a processor could predict.
#[inline(always)]
pub(super) fn v4(block: &[u8; V4_BLOCK], length: usize) -> Option<u32> {
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
