//! Some of the names, chosen by their hash alone: every name has the same chance, however often it is asked.
//!
//! Gibbons' distinct sampling ("Distinct sampling for highly-accurate answers to distinct values queries and event
//! reports", VLDB 2001). Kept are the names whose hash ends in at least `level` zeros; whenever they are too many, the level
//! goes up by one and half of them leave. A name that is asked a million times counts like one asked once, so the share of
//! any kind of name among those kept estimates its share among all.
//!
//! Invariant: what is kept is a function of the *set* of names, the level being the lowest at which the kept ones fit. So
//! merging is commutative, associative and idempotent. Of `n` kept names an estimated share of `m` has a standard error of at
//! most `1/sqrt(m)`: 6 % for 256, 9 % for the 128 that are left after the level has gone up, 25 % for 16.

use crate::places::Places;
use crate::top::{put_hashed, take_hashed};
use crate::wire::{Input, put_number, put_short};

/// Names kept at most.
pub(super) const NAMES_MAX: usize = 256;
/// Bytes of their text at most.
pub(super) const TEXT_BYTES_MAX: usize = 16 << 10;
/// No hash ends in so many zeros: nothing is kept any more.
const LEVEL_DROPPED: u32 = u64::BITS + 1;

/// Hashes and texts in the order in which they stand on the wire.
pub(super) type Listed<'a> = Vec<(u64, &'a [u8])>;

/// Names kept, and how they were chosen.
#[derive(Debug, Clone, Default)]
pub(super) struct Sample {
    level: u32,
    entries: Vec<Entry>,
    /// Of `entries`.
    places: Places,
    /// The entries' names, one after the other.
    text: Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    hash: u64,
    text_at: u16,
    text_bytes: u8,
    nxdomain: bool,
}

/// A name that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kept<'a> {
    pub(super) name: &'a [u8],
    /// It was answered NXDOMAIN at least once.
    pub(super) nxdomain: bool,
}

impl Sample {
    /// Takes in a name of at most 255 bytes, if it is one to keep.
    #[inline]
    pub(super) fn offer(&mut self, hash: u64, name: &[u8], nxdomain: bool) {
        // The mask lets most go in a flood, whose names are new each time.
        if hash.trailing_zeros() < self.level {
            return;
        }
        match self.place(hash) {
            Some(at) => self.entries[at].nxdomain |= nxdomain,
            None => self.keep(hash, name, nxdomain),
        }
    }

    #[cold]
    fn keep(&mut self, hash: u64, name: &[u8], nxdomain: bool) {
        while self.entries.len() >= NAMES_MAX || self.text.len() + name.len() > TEXT_BYTES_MAX {
            self.rise_to(self.level + 1);
            if hash.trailing_zeros() < self.level {
                return;
            }
        }
        let entry = Entry { hash, text_at: self.text.len() as u16, text_bytes: name.len() as u8, nxdomain };
        self.places.make_room(self.entries.len() + 1, self.entries.iter().map(|entry| entry.hash));
        if let Err(vacant) = self.places.find(hash, |at| self.entries[at].hash) {
            self.places.put(vacant, self.entries.len());
            put_short(&mut self.text, name);
            self.entries.push(entry);
        }
    }

    /// Lets go what the level no longer keeps.
    fn rise_to(&mut self, level: u32) {
        if level <= self.level {
            return;
        }
        self.level = level;
        let (entries, text) = (&mut self.entries, &mut self.text);
        let mut text_end = 0;
        entries.retain_mut(|entry| {
            if entry.hash.trailing_zeros() < level {
                return false;
            }
            let (at, bytes) = (usize::from(entry.text_at), usize::from(entry.text_bytes));
            text.copy_within(at..at + bytes, text_end);
            entry.text_at = text_end as u16;
            text_end += bytes;
            true
        });
        text.truncate(text_end);
        self.places.replace(self.entries.iter().map(|entry| entry.hash));
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.rise_to(other.level);
        for entry in &other.entries {
            self.offer(entry.hash, other.text_of(entry), entry.nxdomain);
        }
    }

    /// Keeps nothing from now on, also after merging. Whether it kept anything before.
    pub(super) fn drop_all(&mut self) -> bool {
        let had = self.level < LEVEL_DROPPED;
        self.rise_to(LEVEL_DROPPED);
        had
    }

    /// How many names there were, if all of them are kept.
    pub(super) fn exact_count(&self) -> Option<u64> {
        (self.level == 0).then_some(self.entries.len() as u64)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = Kept<'_>> {
        self.entries.iter().map(|entry| Kept { name: self.text_of(entry), nxdomain: entry.nxdomain })
    }

    /// Where the name of this hash stands on the wire.
    pub(super) fn place(&self, hash: u64) -> Option<usize> {
        self.places.find(hash, |at| self.entries[at].hash).ok()
    }

    /// Appends it, in the order the names came.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        put_number(out, self.level.into());
        put_number(out, self.entries.len() as u64);
        for entry in &self.entries {
            put_number(out, u64::from(entry.text_bytes) << 1 | u64::from(entry.nxdomain));
            put_hashed(out, entry.hash, self.text_of(entry));
        }
    }

    /// Reads what was encoded; with it hashes and texts as they stood there.
    pub(super) fn decode<'a>(input: &mut Input<'a>, seed: u64) -> Option<(Self, Listed<'a>)> {
        let level = u32::try_from(input.number()?).ok().filter(|level| *level <= LEVEL_DROPPED)?;
        let count = input.count().filter(|count| *count <= NAMES_MAX)?;
        let mut sample = Self { level, entries: Vec::with_capacity(count), ..Self::default() };
        let mut names: Listed<'_> = Vec::with_capacity(count);
        for _ in 0..count {
            let length = input.number()?;
            let (hash, name) = take_hashed(input, usize::try_from(length >> 1).ok()?, seed)?;
            let fits = hash.trailing_zeros() >= level && sample.text.len() + name.len() <= TEXT_BYTES_MAX;
            if !fits || sample.place(hash).is_some() {
                return None;
            }
            sample.keep(hash, name, length & 1 == 1);
            names.push((hash, name));
        }
        Some((sample, names))
    }

    /// In an order that the set of names decides alone.
    pub(super) fn sort(&mut self) {
        let mut sorted = Self { level: self.level, ..Self::default() };
        let mut entries: Vec<&Entry> = self.entries.iter().collect();
        entries.sort_unstable_by_key(|entry| entry.hash);
        entries.into_iter().for_each(|entry| sorted.keep(entry.hash, self.text_of(entry), entry.nxdomain));
        *self = sorted;
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.entries.capacity() * size_of::<Entry>() + self.places.heap_bytes() + self.text.capacity()
    }

    fn text_of(&self, entry: &Entry) -> &[u8] {
        &self.text[usize::from(entry.text_at)..][..usize::from(entry.text_bytes)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stable_hash;
    use proptest::prelude::*;

    fn encoded(sample: &Sample) -> Vec<u8> {
        let mut out = Vec::new();
        let mut sorted = sample.clone();
        sorted.sort();
        sorted.encode(&mut out);
        out
    }

    fn name(number: u32) -> Vec<u8> {
        // Some names are long, so that the text is what there is too much of.
        let length = if number.is_multiple_of(3) { 200 } else { 3 };
        format!("{number}.{}", "x".repeat(length)).into_bytes()
    }

    fn of(names: &[(u32, bool)]) -> Sample {
        let mut sample = Sample::default();
        for &(number, nxdomain) in names {
            sample.offer(stable_hash(7, &name(number)), &name(number), nxdomain);
        }
        sample
    }

    fn merged(left: &Sample, right: &Sample) -> Sample {
        let mut sum = left.clone();
        sum.merge(right);
        sum
    }

    fn asked() -> impl Strategy<Value = Vec<(u32, bool)>> {
        proptest::collection::vec((0_u32..3_000, any::<bool>()), 0..900)
    }

    proptest! {
        #[test]
        fn what_is_kept_is_a_function_of_the_set(one in asked(), two in asked(), three in asked()) {
            let parts = [of(&one), of(&two), of(&three)];
            let mut all = [one, two, three].concat();
            let whole = encoded(&of(&all));
            all.reverse();
            prop_assert_eq!(&encoded(&of(&all)), &whole);
            let [one, two, three] = parts;
            prop_assert_eq!(&encoded(&merged(&merged(&one, &two), &three)), &whole);
            let back = merged(&three, &merged(&two, &one));
            prop_assert_eq!(&encoded(&back), &whole);
            prop_assert_eq!(&encoded(&merged(&back, &merged(&two, &back))), &whole);
        }

        #[test]
        fn it_comes_back(asked in asked()) {
            let sample = of(&asked);
            let bytes = encoded(&sample);
            let mut input = Input::new(&bytes);
            let (back, _) = Sample::decode(&mut input, 7).expect("it was encoded");
            prop_assert!(input.is_empty());
            prop_assert_eq!(encoded(&back), bytes);
            prop_assert_eq!(encoded(&merged(&back, &sample)), encoded(&sample));
        }
    }

    #[test]
    fn it_keeps_between_half_and_all_of_what_it_may() {
        let names: Vec<(u32, bool)> = (0..100_000).map(|number| (3 * number + 1, false)).collect();
        let sample = of(&names);
        assert!((NAMES_MAX * 2 / 5..=NAMES_MAX).contains(&sample.entries.len()), "{}", sample.entries.len());
        assert_eq!(sample.exact_count(), None);
        assert_eq!(of(&names[..256]).exact_count(), Some(256));
        let long: Vec<(u32, bool)> = (0..100_000).map(|number| (3 * number, true)).collect();
        let sample = of(&long);
        assert!(sample.text.len() <= TEXT_BYTES_MAX && sample.text.len() > TEXT_BYTES_MAX / 3, "{}", sample.text.len());
        assert!(sample.heap_bytes() <= 40 << 10, "{}", sample.heap_bytes());
    }

    #[test]
    fn what_was_dropped_stays_dropped() {
        let mut sample = of(&[(1, true), (2, false)]);
        assert!(sample.drop_all() && !sample.drop_all());
        assert_eq!((sample.entries.len(), sample.exact_count()), (0, None));
        let sum = merged(&of(&[(3, true)]), &sample);
        assert_eq!((sum.entries.len(), sum.exact_count()), (0, None));
    }
}
