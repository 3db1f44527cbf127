//! CloudWatch's log event ids.
//!
//! A long decimal number. Both examples in AWS's documents hold the event's timestamp (milliseconds) above bit 144, and
//! one has sixteen zero bits at the end, like the first of a sequence; so ids are made as timestamp, batch, sequence.
//! Nothing may rely on it: an id is opaque text to everybody else.

/// `timestamp << 144 | batch << 16 | sequence` in decimal.
pub(crate) fn format(time_ms: i64, batch: u128, sequence: u16) -> String {
    let time = time_ms.max(0) as u64;
    // Three limbs of 64 bits, the highest first: the time starts at bit 16 of the highest.
    let mut limbs =
        [(time << 16) | (batch >> 112) as u64, (batch >> 48) as u64, ((batch << 16) as u64) | u64::from(sequence)];
    const CHUNK: u128 = 10_000_000_000_000_000_000;
    let mut chunks = Vec::with_capacity(4);
    while limbs != [0; 3] {
        let mut rest: u128 = 0;
        for limb in &mut limbs {
            let dividend = (rest << 64) | u128::from(*limb);
            *limb = (dividend / CHUNK) as u64;
            rest = dividend % CHUNK;
        }
        chunks.push(rest as u64);
    }
    let mut text = chunks.pop().unwrap_or(0).to_string();
    while let Some(chunk) = chunks.pop() {
        text.push_str(&format!("{chunk:019}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `id >> shift`, by long division on the digits.
    fn shift_right(id: &str, shift: u32) -> u64 {
        let mut digits: Vec<u32> = id.bytes().map(|byte| u32::from(byte - b'0')).collect();
        for _ in 0..shift {
            let mut carry = 0;
            for digit in &mut digits {
                let value = carry * 10 + *digit;
                *digit = value / 2;
                carry = value % 2;
            }
        }
        digits.iter().fold(0, |value, digit| value * 10 + u64::from(*digit))
    }

    #[test]
    fn an_id_holds_its_time_above_bit_144() {
        for (batch, sequence) in [(0, 0), (u128::MAX, u16::MAX), (0x0123_4567_89ab_cdef_0011_2233_4455_6677, 42)] {
            let id = format(1_763_800_000_123, batch, sequence);
            assert_eq!(id.len(), 56, "{id}");
            assert_eq!(shift_right(&id, 144), 1_763_800_000_123);
        }
    }

    #[test]
    fn the_documented_example_has_the_same_shape() {
        // From "Validate the flow of log events" in the CloudWatch Logs User Guide.
        let documented = "31953106606966983378809025079804211143289615424298221568";
        assert_eq!(shift_right(documented, 144), 1_432_826_855_000);
        assert_eq!(documented.len(), format(1_432_826_855_000, 1, 0).len());
    }

    #[test]
    fn ids_of_a_batch_rise_with_their_sequence() {
        let ids: Vec<String> = (0..3).map(|sequence| format(1_700_000_000_000, 9, sequence)).collect();
        assert!(ids.is_sorted());
        assert_ne!(ids[0], ids[1]);
    }
}
