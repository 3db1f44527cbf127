//! Counters on the wire, in the order they came. Texts that stand elsewhere in the same message are not written again.

use super::{Mark, NAME_BYTES_MAX, Named, Top};
use crate::stable_hash;
use crate::wire::{Input, put_number, put_short, put_two};
use std::cmp::Reverse;

impl Top {
    /// Appends it: the error, how many counters, and for each its count, mark and text. `place` says where the text of a hash
    /// stands elsewhere.
    pub(crate) fn encode(&self, out: &mut Vec<u8>, place: impl Fn(u64) -> Option<usize>) {
        put_number(out, self.error);
        put_number(out, self.counters.len() as u64);
        for Named { hash, bytes, count, mark } in self.iter() {
            match place(hash) {
                // The lowest bits are the mark, and what tells a place from a length.
                Some(place) => put_two(out, count, (place as u64) << 2 | 2 | u64::from(mark)),
                None => {
                    put_two(out, count, (bytes.len() as u64) << 2 | u64::from(mark));
                    put_hashed(out, hash, bytes);
                }
            }
        }
    }

    /// Reads what was encoded into an empty one; `elsewhere` gives the hash and text of a place. The counters hashed with
    /// `seed`.
    pub(crate) fn decode<'a>(
        mut self,
        input: &mut Input<'a>,
        seed: u64,
        elsewhere: impl Fn(usize) -> Option<(u64, &'a [u8])>,
    ) -> Option<Self> {
        self.error = input.number()?;
        let count = input.count().filter(|count| *count <= self.limit())?;
        self.counters.reserve_exact(count);
        self.places.make_room(count, [].into_iter());
        for _ in 0..count {
            let count = input.number().filter(|count| *count > 0)?;
            let number = input.number()?;
            let place = usize::try_from(number >> 2).ok()?;
            let (hash, text) = if number & 2 == 0 { take_hashed(input, place, seed)? } else { elsewhere(place)? };
            if self.place(hash).is_some() {
                return None;
            }
            self.insert(hash, text, count, Mark(number & 1 == 1));
        }
        Some(self)
    }

    /// In an order that what was counted decides alone.
    pub(crate) fn sort(&mut self) {
        let mut sorted = Self::exact_up_to(self.kept, self.exact_max);
        let mut names: Vec<Named<'_>> = self.iter().collect();
        names.sort_unstable_by_key(|named| (Reverse(named.count), named.hash));
        names.iter().for_each(|named| sorted.insert(named.hash, named.bytes, named.count, Mark(named.mark)));
        sorted.error = self.error;
        *self = sorted;
    }
}

/// Appends the bytes of a text that was hashed before it was cut, and the hash if it cannot be made of them again.
pub(crate) fn put_hashed(out: &mut Vec<u8>, hash: u64, text: &[u8]) {
    put_short(out, text);
    if text.len() == NAME_BYTES_MAX {
        out.extend_from_slice(&hash.to_le_bytes());
    }
}

/// Reads so many bytes of such a text, and its hash.
pub(crate) fn take_hashed<'a>(input: &mut Input<'a>, length: usize, seed: u64) -> Option<(u64, &'a [u8])> {
    if length > NAME_BYTES_MAX {
        return None;
    }
    let text = input.take(length)?;
    let hash = match length {
        NAME_BYTES_MAX => u64::from_le_bytes(input.take(8)?.try_into().ok()?),
        _ => stable_hash(seed, text),
    };
    Some((hash, text))
}
