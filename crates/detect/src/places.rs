//! Places in a list, found by the hash of what stands there.
//!
//! A few hundred at most in a list that only grows or is made anew, so this is a plain open-addressed table of two bytes a
//! slot, at most half full. Whoever chooses hashes can make one probe walk over all of the list; it is never long.

/// Slots of the smallest table.
const SLOTS_FIRST: usize = 16;

/// Finds places. It knows neither hashes nor what they are of: the list does, and each hash stands in it once.
#[derive(Debug, Clone, Default)]
pub(crate) struct Places {
    /// A place plus one; 0 is an empty slot. A power of two of them, or none.
    slots: Vec<u16>,
}

/// Where a hash that was not found belongs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Vacant(usize);

impl Places {
    /// Where `hash` stands; `hash_of` tells the hash at a place.
    #[inline]
    pub(crate) fn find(&self, hash: u64, hash_of: impl Fn(usize) -> u64) -> Result<usize, Vacant> {
        let Some(mask) = self.slots.len().checked_sub(1) else { return Err(Vacant(0)) };
        // Samples choose hashes by their lowest bits.
        let mut at = (hash >> 32) as usize & mask;
        loop {
            match usize::from(self.slots[at]).checked_sub(1) {
                None => return Err(Vacant(at)),
                Some(place) if hash_of(place) == hash => return Ok(place),
                Some(_) => at = (at + 1) & mask,
            }
        }
    }

    /// Puts a place where it was not found. There must have been room for one more before it was looked for.
    #[inline]
    pub(crate) fn put(&mut self, Vacant(slot): Vacant, place: usize) {
        self.slots[slot] = place as u16 + 1;
    }

    /// Makes room for a list of `length` in all, of which there are the first `hashes`.
    #[inline]
    pub(crate) fn make_room(&mut self, length: usize, hashes: impl ExactSizeIterator<Item = u64>) {
        if 2 * length > self.slots.len() {
            self.grow(length, hashes);
        }
    }

    #[cold]
    fn grow(&mut self, length: usize, hashes: impl ExactSizeIterator<Item = u64>) {
        self.slots = vec![0; (2 * length).next_power_of_two().max(SLOTS_FIRST)];
        self.put_all(hashes);
    }

    /// Forgets all places, and learns those of a list that fits in the room there is.
    pub(crate) fn replace(&mut self, hashes: impl ExactSizeIterator<Item = u64>) {
        self.slots.fill(0);
        self.put_all(hashes);
    }

    fn put_all(&mut self, hashes: impl ExactSizeIterator<Item = u64>) {
        for (place, hash) in hashes.enumerate() {
            // No two are equal, so what stands where need not be asked.
            if let Err(vacant) = self.find(hash, |_| !hash) {
                self.put(vacant, place);
            }
        }
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.slots.capacity() * size_of::<u16>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Hashes of few different beginnings, so that probes meet each other.
        #[test]
        fn every_hash_is_found_where_it_stands(
            hashes in proptest::collection::hash_set((0_u64..6, 0_u64..40).prop_map(|(high, low)| high << 32 | low), 0..200),
            kept in 0_usize..200,
        ) {
            let (mut places, mut list) = (Places::default(), Vec::<u64>::new());
            for hash in hashes {
                places.make_room(list.len() + 1, list.iter().copied());
                let vacant = places.find(hash, |place| list[place]).expect_err("it is new");
                places.put(vacant, list.len());
                list.push(hash);
            }
            for length in [list.len(), kept.min(list.len())] {
                let left = list.split_off(length);
                places.replace(list.iter().copied());
                for (place, hash) in list.iter().enumerate() {
                    prop_assert_eq!(places.find(*hash, |place| list[place]).ok(), Some(place));
                }
                prop_assert!(left.iter().all(|hash| places.find(*hash, |place| list[place]).is_err()));
            }
        }
    }

    #[test]
    fn nothing_is_found_in_none() {
        assert!(Places::default().find(7, |_| 7).is_err());
    }
}
