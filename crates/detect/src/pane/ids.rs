//! Which log events came more than once, told from a sample of their ids.
//!
//! Kept are the ids whose hash is 0 modulo 1,024, with how often each came; whenever they are too many, the modulus doubles.
//! As with names, which ids are kept is a function of the set of ids, so merging is commutative and associative.

use crate::stable_hash;
use crate::wire::{Input, put_number};

/// Ids kept at most.
pub(super) const IDS_MAX: usize = 256;
/// Zeros that a kept hash ends in at least: one id of 1,024.
const LEVEL_FIRST: u32 = 10;
/// No hash ends in so many zeros: nothing is kept any more.
const LEVEL_DROPPED: u32 = u64::BITS + 1;
/// Bytes of an id that decide whether it is kept; all of it tells it from others. An id of CloudWatch Logs has 56 digits, of
/// which the last differ between any two events. Ids that were alike there would all be kept or none.
const CHOOSING_BYTES: usize = 16;

/// Ids kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ids {
    level: u32,
    entries: Vec<Entry>,
}

/// Ordered by the hash that chose it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    choosing: u64,
    /// Of all of the id.
    whole: u64,
    times: u64,
}

impl Default for Ids {
    fn default() -> Self {
        Self { level: LEVEL_FIRST, entries: Vec::new() }
    }
}

impl Ids {
    /// Takes in an event's id, if it is one to keep. No id is none.
    #[inline]
    pub(super) fn offer(&mut self, seed: u64, id: &[u8]) {
        let choosing = match id.last_chunk::<CHOOSING_BYTES>() {
            // Of a known length, which the compiler makes short work of.
            Some(last) => stable_hash(seed, last),
            None => stable_hash(seed, id),
        };
        if choosing.trailing_zeros() >= self.level && !id.is_empty() {
            self.keep(Entry { choosing, whole: stable_hash(seed, id), times: 1 });
        }
    }

    #[cold]
    fn keep(&mut self, entry: Entry) {
        let key = (entry.choosing, entry.whole);
        match self.entries.binary_search_by_key(&key, |kept| (kept.choosing, kept.whole)) {
            Ok(at) => self.entries[at].times = self.entries[at].times.saturating_add(entry.times),
            Err(at) => self.entries.insert(at, entry),
        }
        while self.entries.len() > IDS_MAX {
            self.rise_to(self.level + 1);
        }
    }

    fn rise_to(&mut self, level: u32) {
        self.level = self.level.max(level);
        self.entries.retain(|entry| entry.choosing.trailing_zeros() >= self.level);
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.rise_to(other.level);
        for entry in &other.entries {
            if entry.choosing.trailing_zeros() >= self.level {
                self.keep(*entry);
            }
        }
    }

    /// Keeps nothing from now on, also after merging. Whether it kept anything before.
    pub(super) fn drop_all(&mut self) -> bool {
        let had = self.level < LEVEL_DROPPED;
        self.rise_to(LEVEL_DROPPED);
        had
    }

    /// How many events the kept ids came with, and how many of those are copies of another.
    pub(super) fn counts(&self) -> (u64, u64) {
        let sampled = self.entries.iter().fold(0_u64, |sum, entry| sum.saturating_add(entry.times));
        (sampled, sampled.saturating_sub(self.entries.len() as u64))
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.entries.capacity() * size_of::<Entry>()
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        put_number(out, self.level.into());
        put_number(out, self.entries.len() as u64);
        for entry in &self.entries {
            out.extend_from_slice(&entry.choosing.to_le_bytes());
            out.extend_from_slice(&entry.whole.to_le_bytes());
            put_number(out, entry.times);
        }
    }

    pub(super) fn decode(input: &mut Input<'_>) -> Option<Self> {
        let level = u32::try_from(input.number()?).ok()?;
        let count = input.count().filter(|count| *count <= IDS_MAX)?;
        let hash = |input: &mut Input<'_>| Some(u64::from_le_bytes(input.take(8)?.try_into().ok()?));
        let entry = |input: &mut Input<'_>| {
            let entry = Entry { choosing: hash(input)?, whole: hash(input)?, times: input.number()? };
            (entry.times > 0 && entry.choosing.trailing_zeros() >= level).then_some(entry)
        };
        let entries = (0..count).map(|_| entry(input)).collect::<Option<Vec<_>>>()?;
        let ascends = entries.is_sorted_by(|one, two| (one.choosing, one.whole) < (two.choosing, two.whole));
        (ascends && (LEVEL_FIRST..=LEVEL_DROPPED).contains(&level)).then_some(Self { level, entries })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// As CloudWatch Logs makes them: long, alike at the front, and counting at the end.
    fn id(number: u64) -> String {
        format!("3719977359558115415481058927954512914844{number:016}")
    }

    fn of(numbers: impl IntoIterator<Item = u64>) -> Ids {
        let mut ids = Ids::default();
        numbers.into_iter().for_each(|number| ids.offer(7, id(number).as_bytes()));
        ids
    }

    fn merged(left: &Ids, right: &Ids) -> Ids {
        let mut sum = left.clone();
        sum.merge(right);
        sum
    }

    #[test]
    fn copies_are_a_share_of_the_sample() {
        let (sampled, copies) = of((0..100_000).chain(0..10_000)).counts();
        assert!((70..150).contains(&sampled), "{sampled} of 110,000 events, one of 1,024 is expected");
        assert!((2..25).contains(&copies), "{copies}");
        assert_eq!(of(0..100_000).counts().1, 0);
        assert_eq!(of([]).counts(), (0, 0));
        let mut without = Ids::default();
        (0..10_000).for_each(|_| without.offer(7, b""));
        assert_eq!(without, Ids::default(), "an event without an id is nobody's copy");
    }

    #[test]
    fn it_stays_small() {
        let ids = of(0..2_000_000);
        assert!((IDS_MAX * 2 / 5..=IDS_MAX).contains(&ids.entries.len()), "{}", ids.entries.len());
        assert!(ids.heap_bytes() <= 16 << 10, "{}", ids.heap_bytes());
        let mut dropped = ids.clone();
        assert!(dropped.drop_all() && !dropped.drop_all());
        assert_eq!(merged(&ids, &dropped).counts(), (0, 0));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(8))]
        #[test]
        fn merging_is_as_if_all_had_come_to_one(ends in proptest::array::uniform3(0_u64..400_000), start in 0_u64..200_000) {
            let parts = ends.map(|end| of(start.min(end)..end));
            let whole = of(ends.into_iter().flat_map(|end| start.min(end)..end));
            let [one, two, three] = &parts;
            prop_assert_eq!(&merged(&merged(one, two), three), &whole);
            prop_assert_eq!(&merged(three, &merged(two, one)), &whole);
            let mut bytes = Vec::new();
            whole.encode(&mut bytes);
            let mut input = Input::new(&bytes);
            prop_assert_eq!(Ids::decode(&mut input), Some(whole));
            prop_assert!(input.is_empty());
        }
    }
}
