//! The sketch on the wire, as short as what it has seen allows.

use super::{EXACT_MAX, HyperLogLog, PRECISION, REGISTERS};
use crate::wire::{Input, put_number, put_two};

/// Hashes follow.
const HASHES: u8 = 0;
/// The registers that are not 0 follow, each with its distance from the one before.
const FEW_REGISTERS: u8 = 1;
/// All registers follow, four in three bytes.
const ALL_REGISTERS: u8 = 2;

/// Which of eight registers are not 0, a bit each.
#[inline]
fn which_set(eight: [u8; 8]) -> u8 {
    const BUT_HIGHEST: u64 = u64::from_le_bytes([0x7f; 8]);
    // None has its highest bit set, so the sum of one carries into no other, and the product brings those bits together.
    let highest = (u64::from_le_bytes(eight) + BUT_HIGHEST) & !BUT_HIGHEST;
    ((highest >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56) as u8
}

/// The same of 64.
#[inline]
fn which_of_64(registers: &[u8; 64]) -> u64 {
    let mut bytes = [0; 8];
    bytes.iter_mut().zip(registers.as_chunks::<8>().0).for_each(|(byte, eight)| *byte = which_set(*eight));
    u64::from_le_bytes(bytes)
}

/// No rank is larger: a hash has so many bits behind those that choose the register.
const RANK_MAX: u8 = (64 - PRECISION) as u8 + 1;

impl HyperLogLog {
    /// Appends it.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        if self.registers.is_empty() {
            let mut hashes: Vec<u64> = self.exact.iter().copied().filter(|&hash| hash != 0).collect();
            hashes.sort_unstable();
            out.push(HASHES);
            put_number(out, hashes.len() as u64);
            return hashes.iter().for_each(|hash| out.extend_from_slice(&hash.to_le_bytes()));
        }
        let lines = self.registers.as_chunks::<64>().0;
        let set = lines.iter().map(|line| which_of_64(line).count_ones()).sum::<u32>() as usize;
        // A register with its distance takes two bytes.
        if 2 * set < REGISTERS * 3 / 4 {
            out.push(FEW_REGISTERS);
            put_number(out, set as u64);
            out.reserve(2 * set);
            let mut next = 0;
            // Most registers are 0, so 64 are looked at in one go.
            for (at, line) in lines.iter().enumerate() {
                let mut left = which_of_64(line);
                while left != 0 {
                    let of_line = left.trailing_zeros() as usize;
                    left &= left - 1;
                    put_two(out, (64 * at + of_line - next) as u64, line[of_line].into());
                    next = 64 * at + of_line + 1;
                }
            }
        } else {
            out.push(ALL_REGISTERS);
            for four in self.registers.as_chunks::<4>().0 {
                let bits = four.iter().rev().fold(0_u32, |bits, rank| bits << 6 | u32::from(*rank));
                out.extend_from_slice(&bits.to_le_bytes()[..3]);
            }
        }
    }

    /// Reads what was encoded.
    pub(crate) fn decode(input: &mut Input<'_>) -> Option<Self> {
        let mut sketch = Self::default();
        match input.byte()? {
            HASHES => {
                for _ in 0..input.count().filter(|count| *count <= EXACT_MAX)? {
                    sketch.insert(u64::from_le_bytes(input.take(8)?.try_into().ok()?));
                }
            }
            FEW_REGISTERS => {
                sketch.go_dense();
                let mut next = 0_usize;
                for _ in 0..input.count()? {
                    let at = next.checked_add(usize::try_from(input.number()?).ok()?)?;
                    *sketch.registers.get_mut(at)? = input.byte()?;
                    next = at + 1;
                }
            }
            ALL_REGISTERS => {
                sketch.go_dense();
                let packed = input.take(REGISTERS * 3 / 4)?.as_chunks::<3>().0;
                for (four, [low, middle, high]) in sketch.registers.as_chunks_mut::<4>().0.iter_mut().zip(packed) {
                    let bits = u32::from_le_bytes([*low, *middle, *high, 0]);
                    *four = [0, 6, 12, 18].map(|shift| (bits >> shift & 0x3f) as u8);
                }
            }
            _ => return None,
        }
        sketch.registers.iter().all(|rank| *rank <= RANK_MAX).then_some(sketch)
    }
}
