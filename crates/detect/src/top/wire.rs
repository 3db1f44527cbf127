//! Counters on the wire. Texts that stand elsewhere in the same message are not written again.

use super::{Counter, NAME_BYTES_MAX, Top};
use crate::stable_hash;
use crate::wire::{Input, put_number};
use std::cmp::Reverse;

impl Top {
    /// Appends it: the error, how many counters, and for each its count and text. `place` says where the text of a hash
    /// stands elsewhere.
    pub(crate) fn encode(&self, out: &mut Vec<u8>, place: impl Fn(u64) -> Option<usize>) {
        let mut counters: Vec<&Counter> = self.counters.iter().collect();
        counters.sort_unstable_by_key(|counter| (Reverse(counter.count), counter.hash));
        put_number(out, self.error);
        put_number(out, counters.len() as u64);
        for counter in counters {
            put_number(out, counter.count);
            match place(counter.hash) {
                // The lowest bit tells a place from a length.
                Some(place) => put_number(out, (place as u64) << 1 | 1),
                None => put_hashed(out, counter.hash, self.text_of(counter), 0),
            }
        }
    }

    /// Reads what was encoded; `elsewhere` gives the hash and text of a place. The counters hashed with `seed`.
    pub(crate) fn decode<'a>(
        input: &mut Input<'a>,
        kept: usize,
        seed: u64,
        elsewhere: impl Fn(usize) -> Option<(u64, &'a [u8])>,
    ) -> Option<Self> {
        let mut top = Self::new(kept);
        top.error = input.number()?;
        let count = input.count().filter(|count| *count <= 2 * top.kept)?;
        top.counters.reserve_exact(count);
        for _ in 0..count {
            let count = input.number().filter(|count| *count > 0)?;
            let length = input.number()?;
            let (hash, text) = match length & 1 {
                0 => take_hashed(input, length >> 1, seed)?,
                _ => elsewhere(usize::try_from(length >> 1).ok()?)?,
            };
            if top.place(hash).is_some() {
                return None;
            }
            top.insert(hash, text, count);
        }
        Some(top)
    }
}

/// Appends a text that was hashed before it was cut: length and a flag below it, the bytes, and the hash if it cannot be
/// made of them again.
pub(crate) fn put_hashed(out: &mut Vec<u8>, hash: u64, text: &[u8], flag: u64) {
    put_number(out, (text.len() as u64) << 1 | flag);
    out.extend_from_slice(text);
    if text.len() == NAME_BYTES_MAX {
        out.extend_from_slice(&hash.to_le_bytes());
    }
}

/// Reads the bytes of such a text and its hash.
pub(crate) fn take_hashed<'a>(input: &mut Input<'a>, length: u64, seed: u64) -> Option<(u64, &'a [u8])> {
    let length = usize::try_from(length).ok().filter(|length| *length <= NAME_BYTES_MAX)?;
    let text = input.take(length)?;
    let hash = match length {
        NAME_BYTES_MAX => u64::from_le_bytes(input.take(8)?.try_into().ok()?),
        _ => stable_hash(seed, text),
    };
    Some((hash, text))
}
