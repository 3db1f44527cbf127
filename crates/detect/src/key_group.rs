//! Key groups: fixed slices of the zones, the unit in which DETECT's state moves between rollup shards.

use crate::stable_hash;

/// Fixed for ever, like the number of groups: every worker must find a zone in the same group.
const SEED: u64 = 0x7a6f_6e65_7761_7463;

/// The key group of a zone, below `groups`.
pub fn key_group(zone_key: &str, groups: u16) -> u16 {
    (stable_hash(SEED, zone_key.as_bytes()) % u64::from(groups.max(1))) as u16
}

/// The explicit hash key under which everything for a key group is put: the middle of the group's even share of the hash-key
/// space, so that even splits of the rollup stream part the groups evenly.
pub fn hash_key(group: u16, groups: u16) -> u128 {
    let width = u128::MAX / u128::from(groups.max(1));
    width.saturating_mul(u128::from(group)).saturating_add(width / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_spread_evenly_and_stay_where_they_are() {
        let mut zones = [0_u32; 16];
        for number in 0..16_000 {
            zones[usize::from(key_group(&format!("Z{number:013}"), 16))] += 1;
        }
        assert!(zones.iter().all(|count| (900..1_100).contains(count)), "{zones:?}");
        assert_eq!(["Z0123456789ABC", "example.com", ""].map(|zone| key_group(zone, 16)), [8, 2, 8]);
    }

    #[test]
    fn every_even_split_parts_the_groups_evenly() {
        for shards in [1_u16, 2, 4, 8, 16] {
            let width = u128::MAX / u128::from(shards) + u128::from(shards > 1);
            for shard in 0..shards {
                let inside = (0..16).filter(|group| hash_key(*group, 16) / width == u128::from(shard)).count();
                assert_eq!(inside, usize::from(16 / shards), "shard {shard} of {shards}");
            }
        }
    }
}
