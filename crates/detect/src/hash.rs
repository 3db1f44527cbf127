//! A seeded 64-bit hash that is the same on every machine and in every version.
//!
//! Sketches of different workers merge only if they hash alike, which no hasher of a library promises across its
//! versions. The construction is wyhash's final version 4 (public domain), little-endian on every platform.

const SECRET: [u64; 2] = [0xa076_1d64_78bd_642f, 0xe703_7ed1_a0b4_28db];

/// The hash of `bytes` under `seed`. It spreads well and is not cryptographic: whoever must not choose collisions
/// must not know the seed.
#[inline]
pub fn stable_hash(seed: u64, bytes: &[u8]) -> u64 {
    let length = bytes.len();
    let mut state = seed ^ mix(seed ^ SECRET[0], SECRET[1]);
    let (first, last) = match length {
        0 => (0, 0),
        1..=3 => {
            let (low, middle, high) = (bytes[0], bytes[length / 2], bytes[length - 1]);
            (u64::from(low) << 16 | u64::from(middle) << 8 | u64::from(high), 0)
        }
        4..=16 => {
            // Two pairs of four bytes that overlap as the length asks for, so that every byte takes part.
            let inner = (length >> 3) << 2;
            (
                read_4(bytes, 0) << 32 | read_4(bytes, inner),
                read_4(bytes, length - 4) << 32 | read_4(bytes, length - 4 - inner),
            )
        }
        _ => {
            let mut at = 0;
            while at + 16 < length {
                state = mix(read_8(bytes, at) ^ SECRET[1], read_8(bytes, at + 8) ^ state);
                at += 16;
            }
            (read_8(bytes, length - 16), read_8(bytes, length - 8))
        }
    };
    let product = u128::from(first ^ SECRET[1]) * u128::from(last ^ state);
    mix(product as u64 ^ SECRET[0] ^ length as u64, (product >> 64) as u64 ^ SECRET[1])
}

#[inline]
fn mix(left: u64, right: u64) -> u64 {
    let product = u128::from(left) * u128::from(right);
    product as u64 ^ (product >> 64) as u64
}

#[inline]
fn read_4(bytes: &[u8], at: usize) -> u64 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("the slice has four bytes")).into()
}

#[inline]
fn read_8(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("the slice has eight bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_byte_and_the_length_take_part() {
        for length in 0..70_usize {
            let bytes: Vec<u8> = (0..length as u8).collect();
            let hash = stable_hash(7, &bytes);
            assert_ne!(hash, stable_hash(8, &bytes), "the seed at length {length}");
            for at in 0..length {
                let mut changed = bytes.clone();
                changed[at] ^= 1;
                assert_ne!(hash, stable_hash(7, &changed), "byte {at} of {length}");
            }
            let mut longer = bytes.clone();
            longer.push(0);
            assert_ne!(hash, stable_hash(7, &longer), "one byte more than {length}");
        }
    }

    #[test]
    fn a_flipped_bit_changes_half_of_the_hash() {
        let mut changed_bits = 0;
        let mut flips = 0;
        for number in 0..200_u32 {
            let mut name = format!("host-{number}.example.com").into_bytes();
            let hash = stable_hash(1, &name);
            for bit in 0..name.len() * 8 {
                name[bit / 8] ^= 1 << (bit % 8);
                changed_bits += (hash ^ stable_hash(1, &name)).count_ones();
                name[bit / 8] ^= 1 << (bit % 8);
                flips += 1;
            }
        }
        let mean = f64::from(changed_bits) / f64::from(flips);
        assert!((mean - 32.0).abs() < 0.1, "{mean} bits of 64");
    }

    #[test]
    fn counted_names_do_not_collide() {
        let hashes: HashSet<u64> = (0..200_000).map(|number| stable_hash(3, format!("n{number}").as_bytes())).collect();
        assert_eq!(hashes.len(), 200_000);
    }

    /// Digests of a fleet in the middle of an update must merge: these values may never change.
    #[test]
    fn the_values_are_fixed_for_ever() {
        for (name, hash) in [
            ("", 8_214_933_296_199_428_989),
            ("a", 11_222_585_245_866_501_501),
            ("www", 2_893_577_981_488_493_452),
            ("example", 9_530_121_386_534_881_477),
            ("www.example.com", 11_880_286_939_834_779_723),
            ("a-rather-long-name.with.labels.example.com", 17_469_575_158_244_414_944),
        ] {
            assert_eq!(stable_hash(42, name.as_bytes()), hash, "{name}");
        }
    }
}
