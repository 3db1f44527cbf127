//! The sketch on the wire, as short as what it has seen allows.

use super::{EXACT_MAX, HyperLogLog, PRECISION, REGISTERS};
use crate::wire::{Input, put_number};

/// Hashes follow.
const HASHES: u8 = 0;
/// The hashes stand elsewhere in the same message.
const ELSEWHERE: u8 = 1;
/// The registers that are not 0 follow, each with its distance from the one before.
const FEW_REGISTERS: u8 = 2;
/// All registers follow, four in three bytes.
const ALL_REGISTERS: u8 = 3;

/// No rank is larger: a hash has so many bits behind those that choose the register.
const RANK_MAX: u8 = (64 - PRECISION) as u8 + 1;

impl HyperLogLog {
    /// Appends it. Where it has seen just the hashes that stand `elsewhere`, they are not written again.
    pub(crate) fn encode(&self, out: &mut Vec<u8>, elsewhere: impl ExactSizeIterator<Item = u64>) {
        if self.registers.is_empty() {
            return self.encode_exact(out, elsewhere);
        }
        let set = self.registers.iter().filter(|rank| **rank > 0).count();
        // A register with its distance takes two bytes.
        if 2 * set < REGISTERS * 3 / 4 {
            out.push(FEW_REGISTERS);
            put_number(out, set as u64);
            let mut next = 0;
            for (at, rank) in self.registers.iter().enumerate().filter(|(_, rank)| **rank > 0) {
                put_number(out, (at - next) as u64);
                out.push(*rank);
                next = at + 1;
            }
        } else {
            out.push(ALL_REGISTERS);
            for four in self.registers.as_chunks::<4>().0 {
                let bits = four.iter().rev().fold(0_u32, |bits, rank| bits << 6 | u32::from(*rank));
                out.extend_from_slice(&bits.to_le_bytes()[..3]);
            }
        }
    }

    fn encode_exact(&self, out: &mut Vec<u8>, mut elsewhere: impl ExactSizeIterator<Item = u64>) {
        if elsewhere.len() == self.exact_count && elsewhere.all(|hash| self.has(hash)) {
            return out.push(ELSEWHERE);
        }
        let mut hashes: Vec<u64> = self.exact.iter().copied().filter(|&hash| hash != 0).collect();
        hashes.sort_unstable();
        out.push(HASHES);
        put_number(out, hashes.len() as u64);
        hashes.iter().for_each(|hash| out.extend_from_slice(&hash.to_le_bytes()));
    }

    /// Reads what was encoded.
    pub(crate) fn decode(input: &mut Input<'_>, elsewhere: impl ExactSizeIterator<Item = u64>) -> Option<Self> {
        let mut sketch = Self::default();
        match input.byte()? {
            HASHES => {
                for _ in 0..input.count().filter(|count| *count <= EXACT_MAX)? {
                    sketch.insert(u64::from_le_bytes(input.take(8)?.try_into().ok()?));
                }
            }
            ELSEWHERE => {
                if elsewhere.len() > EXACT_MAX {
                    return None;
                }
                elsewhere.for_each(|hash| sketch.insert(hash));
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

    /// Whether it has seen this hash; exact as long as the sketch is.
    fn has(&self, hash: u64) -> bool {
        let hash = hash.max(1);
        let mask = self.exact.len().wrapping_sub(1);
        let mut at = hash as usize & mask;
        while let Some(&slot) = self.exact.get(at).filter(|slot| **slot != 0) {
            if slot == hash {
                return true;
            }
            at = (at + 1) & mask;
        }
        false
    }
}
