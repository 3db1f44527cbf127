//! The sketch on the wire, as short as what it has seen allows.

use super::{EXACT_MAX, HyperLogLog, PRECISION, REGISTERS};
use crate::wire::{Input, put_number};

/// Hashes follow.
const HASHES: u8 = 0;
/// The registers that are not 0 follow, each with its distance from the one before.
const FEW_REGISTERS: u8 = 1;
/// All registers follow, four in three bytes.
const ALL_REGISTERS: u8 = 2;

/// How many of eight registers are not 0. None has its highest bit set, so the sum of one carries into no other.
fn count_set(eight: [u8; 8]) -> u32 {
    const BUT_HIGHEST: u64 = u64::from_le_bytes([0x7f; 8]);
    ((u64::from_le_bytes(eight) + BUT_HIGHEST) & !BUT_HIGHEST).count_ones()
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
        let set = self.registers.as_chunks::<8>().0.iter().map(|eight| count_set(*eight)).sum::<u32>() as usize;
        // A register with its distance takes two bytes.
        if 2 * set < REGISTERS * 3 / 4 {
            out.push(FEW_REGISTERS);
            put_number(out, set as u64);
            let mut next = 0;
            // Most registers are 0, so eight are looked at in one go.
            for (word, eight) in self.registers.as_chunks::<8>().0.iter().enumerate() {
                let mut left = u64::from_le_bytes(*eight);
                while left != 0 {
                    let byte = left.trailing_zeros() as usize / 8;
                    left &= !(0xff << (8 * byte));
                    let at = 8 * word + byte;
                    put_number(out, (at - next) as u64);
                    out.push(eight[byte]);
                    next = at + 1;
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
