//! Gzip members into one reused buffer, within a cap.
//!
//! A sound member is inflated by libdeflate in one call, which is twice as fast as any streaming inflater but gives
//! nothing for a damaged member and does not say where a member ends. So the end is found by the trailer's CRC and
//! length, and what is damaged, over the cap or unclear goes through a streaming inflater, which keeps what came
//! before the damage.

use crate::Reason;
use flate2::{Decompress, FlushDecompress, Status};
use libdeflater::{DecompressionError, Decompressor};
use memchr::memmem;

/// What a gzip member with deflate in it begins with (RFC 1952).
pub(crate) const MAGIC: [u8; 3] = [0x1f, 0x8b, 8];

/// The shortest member: 10 bytes header, 2 of an empty deflate stream, 8 trailer.
const MEMBER_BYTES_MIN: usize = 20;
const TRAILER_BYTES: usize = 8;

/// Deflate cannot make more of a byte: a match of 258 bytes may take two bits.
const RATIO_MAX: usize = 1032;

/// Buffers are kept between records up to this size; what one outsized record needed is given back after it.
pub(crate) const KEPT_BYTES_MAX: usize = 8 << 20;

/// The inflated form of a record. What is sound comes first, then at most one loss.
#[derive(Debug)]
pub(crate) struct Inflated<'a> {
    pub bytes: &'a [u8],
    pub loss: Option<Loss>,
}

/// What could not be inflated: everything from `offset` (the start of a member) to the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Loss {
    pub reason: Reason,
    pub offset: usize,
}

pub(crate) struct Inflater {
    decompressor: Decompressor,
    streaming: Decompress,
    buffer: Vec<u8>,
}

/// A member that was inflated whole.
struct Member {
    taken: usize,
    made: usize,
}

/// A member that was not: what it made is kept.
struct Broken {
    reason: Reason,
    made: usize,
}

impl Inflater {
    pub(crate) fn new() -> Self {
        Self { decompressor: Decompressor::new(), streaming: Decompress::new(false), buffer: Vec::new() }
    }

    /// Gives back what an outsized record needed. To be called once a record is done with: the next may be long in
    /// coming, and a task for each shard holds an inflater.
    pub(crate) fn give_back(&mut self) {
        if self.buffer.len() > KEPT_BYTES_MAX {
            self.buffer = Vec::new();
        }
    }

    /// Inflates all members of `data` to at most `bytes_max` bytes. Zeros after the last member are padding.
    pub(crate) fn inflate(&mut self, data: &[u8], bytes_max: usize) -> Inflated<'_> {
        let (mut offset, mut filled) = (0, 0);
        let mut loss = None;
        while loss.is_none() && data[offset..].iter().any(|&byte| byte != 0) {
            match self.member(&data[offset..], filled, bytes_max - filled) {
                Ok(member) => {
                    offset += member.taken;
                    filled += member.made;
                }
                Err(Broken { reason, made }) => {
                    filled += made;
                    loss = Some(Loss { reason, offset });
                }
            }
        }
        Inflated { bytes: &self.buffer[..filled], loss }
    }

    fn member(&mut self, rest: &[u8], filled: usize, room_max: usize) -> Result<Member, Broken> {
        if let Some(made) = self.whole(rest, filled, room_max)
            && let Some(taken) = member_end(rest, &self.buffer[filled..filled + made])
        {
            return Ok(Member { taken, made });
        }
        self.stream(rest, filled, room_max)
    }

    /// Inflates the first member in one call; `None` if it is damaged or makes more than `room_max` bytes.
    fn whole(&mut self, rest: &[u8], filled: usize, room_max: usize) -> Option<usize> {
        if rest.len() < MEMBER_BYTES_MIN {
            return None;
        }
        // The length in the last trailer is only a hint: whoever made the record may have written anything.
        let most = room_max.min(rest.len().saturating_mul(RATIO_MAX));
        let hint = rest.last_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes) as usize);
        let mut room = if hint == 0 || hint > most { most.min(8 * rest.len()) } else { hint };
        loop {
            self.make_room(filled + room);
            match self.decompressor.gzip_decompress(rest, &mut self.buffer[filled..filled + room]) {
                Ok(made) => return Some(made),
                Err(DecompressionError::InsufficientSpace) if room < most => room = most.min(4 * room.max(1024)),
                Err(_) => return None,
            }
        }
    }

    /// Inflates the first member step by step, and keeps what was made before it broke.
    fn stream(&mut self, rest: &[u8], filled: usize, room_max: usize) -> Result<Member, Broken> {
        let broken = |reason, made| Err(Broken { reason, made });
        let header = match header_bytes(rest) {
            Ok(bytes) => bytes,
            Err(reason) => return broken(reason, 0),
        };
        self.streaming.reset(false);
        let mut made = 0;
        loop {
            // One byte more than the cap tells a member that fits exactly from one that does not.
            let room = (made + 4096).max(2 * made).min(room_max.saturating_add(1));
            self.make_room(filled + room);
            let taken = header + self.streaming.total_in() as usize;
            let out = &mut self.buffer[filled + made..filled + room];
            let result = self.streaming.decompress(&rest[taken..], out, FlushDecompress::None);
            let before = made;
            made = self.streaming.total_out() as usize;
            if made > room_max {
                return broken(Reason::InflatedTooLarge, room_max);
            }
            match result {
                Ok(Status::StreamEnd) => break,
                Err(_) => return broken(Reason::CorruptGzip, made),
                Ok(_) if made == before && made < room => return broken(Reason::TruncatedGzip, made),
                Ok(_) => {}
            }
        }
        let taken = header + self.streaming.total_in() as usize;
        match rest.get(taken..taken + TRAILER_BYTES) {
            None => broken(Reason::TruncatedGzip, made),
            Some(trailer) if *trailer == trailer_of(&self.buffer[filled..filled + made]) => {
                Ok(Member { taken: taken + TRAILER_BYTES, made })
            }
            Some(_) => broken(Reason::CorruptGzip, made),
        }
    }

    fn make_room(&mut self, bytes: usize) {
        if self.buffer.len() < bytes {
            self.buffer.resize(bytes, 0);
        }
    }
}

/// CRC and length of a member's inflated form, as its last eight bytes should be.
fn trailer_of(inflated: &[u8]) -> [u8; TRAILER_BYTES] {
    let mut trailer = [0; TRAILER_BYTES];
    trailer[..4].copy_from_slice(&libdeflater::crc32(inflated).to_le_bytes());
    trailer[4..].copy_from_slice(&(inflated.len() as u32).to_le_bytes());
    trailer
}

/// Where the first member ends, given what it inflated to. `None` if neither the end of `rest` nor the start of
/// another member is its end.
fn member_end(rest: &[u8], inflated: &[u8]) -> Option<usize> {
    let length = (inflated.len() as u32).to_le_bytes();
    let mut others = memmem::find_iter(&rest[MEMBER_BYTES_MIN..], &MAGIC).map(|at| at + MEMBER_BYTES_MIN).peekable();
    if others.peek().is_none() {
        // The usual case, and the reason not to compute the CRC once more: there is no other member.
        return rest.ends_with(&length).then_some(rest.len());
    }
    let trailer = trailer_of(inflated);
    others.chain([rest.len()]).find(|&end| rest[..end].ends_with(&trailer))
}

/// The length of a member's header (RFC 1952, section 2.3).
fn header_bytes(member: &[u8]) -> Result<usize, Reason> {
    if !MAGIC.starts_with(&member[..member.len().min(MAGIC.len())]) {
        return Err(Reason::CorruptGzip);
    }
    let flags = *member.get(3).ok_or(Reason::TruncatedGzip)?;
    let mut at = 10;
    if flags & 4 != 0 {
        let length = member.get(at..at + 2).ok_or(Reason::TruncatedGzip)?;
        at += 2 + usize::from(length[0]) + (usize::from(length[1]) << 8);
    }
    // A file name and a comment, each ended by a NUL.
    for flag in [8, 16] {
        if flags & flag != 0 {
            let text = member.get(at..).ok_or(Reason::TruncatedGzip)?;
            at += 1 + memchr::memchr(0, text).ok_or(Reason::TruncatedGzip)?;
        }
    }
    if flags & 2 != 0 {
        at += 2;
    }
    if at > member.len() { Err(Reason::TruncatedGzip) } else { Ok(at) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, GzBuilder, write::GzEncoder};
    use std::io::Write;

    const CAP: usize = 64 << 20;

    fn gzip(data: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    fn text(bytes: usize) -> Vec<u8> {
        (0_u32..)
            .flat_map(|number| format!("{} ", number.wrapping_mul(2_654_435_761)).into_bytes())
            .take(bytes)
            .collect()
    }

    #[test]
    fn members_are_joined_whatever_their_sizes() {
        let mut inflater = Inflater::new();
        for sizes in [&[0_usize][..], &[1], &[5_000], &[10, 10], &[50_000, 3, 0, 700], &[3, 90_000], &[7; 40]] {
            for padding in [0, 1, 5, 600] {
                let parts: Vec<Vec<u8>> = sizes.iter().map(|&bytes| text(bytes)).collect();
                let mut data: Vec<u8> = parts.iter().flat_map(|part| gzip(part)).collect();
                data.resize(data.len() + padding, 0);
                let inflated = inflater.inflate(&data, CAP);
                assert_eq!(inflated.loss, None, "{sizes:?} {padding}");
                assert_eq!(inflated.bytes, parts.concat(), "{sizes:?} {padding}");
            }
        }
    }

    #[test]
    fn optional_header_fields_are_passed_over() {
        let builder = GzBuilder::new().extra(vec![1, 2, 3]).filename("name").comment("comment");
        let mut encoder = builder.write(Vec::new(), Compression::default());
        encoder.write_all(b"hello").unwrap();
        let data = encoder.finish().unwrap();
        let mut inflater = Inflater::new();
        assert_eq!(inflater.inflate(&data, CAP).bytes, b"hello");
        let whole = inflater.stream(&data, 0, CAP).ok().unwrap();
        assert_eq!((whole.taken, whole.made), (data.len(), 5));
        for length in 3..data.len() {
            let loss = inflater.inflate(&data[..length], CAP).loss.unwrap();
            assert_eq!(loss, Loss { reason: Reason::TruncatedGzip, offset: 0 }, "{length}");
        }
    }

    #[test]
    fn what_comes_before_the_damage_is_kept() {
        let mut inflater = Inflater::new();
        let (first, second) = (text(3_000), text(100_000));
        let mut data = gzip(&first);
        let start = data.len();
        data.extend(gzip(&second));
        let joined = [first.clone(), second].concat();

        let inflated = inflater.inflate(&data[..data.len() - 9_000], CAP);
        assert_eq!(inflated.loss, Some(Loss { reason: Reason::TruncatedGzip, offset: start }));
        assert!(inflated.bytes.len() > 70_000, "{}", inflated.bytes.len());
        assert!(joined.starts_with(inflated.bytes));

        let trailer = data.len() - 6;
        data[trailer] ^= 1;
        let inflated = inflater.inflate(&data, CAP);
        assert_eq!(inflated.loss, Some(Loss { reason: Reason::CorruptGzip, offset: start }));
        assert_eq!(inflated.bytes, joined);

        let mut garbage = gzip(&first);
        garbage.extend(b"garbage");
        let inflated = inflater.inflate(&garbage, CAP);
        assert_eq!(inflated.loss, Some(Loss { reason: Reason::CorruptGzip, offset: start }));
        assert_eq!(inflated.bytes, first);
    }

    #[test]
    fn nothing_is_inflated_beyond_the_cap() {
        let mut inflater = Inflater::new();
        let zeros = gzip(&vec![b' '; 4 << 20]);
        assert!(zeros.len() * 900 < 4 << 20, "a bomb of 1,000 to 1");
        let inflated = inflater.inflate(&zeros, 1 << 20);
        assert_eq!(inflated.loss, Some(Loss { reason: Reason::InflatedTooLarge, offset: 0 }));
        assert_eq!(inflated.bytes.len(), 1 << 20);
        assert!(inflater.buffer.len() <= (1 << 20) + 1);
        // Exactly the cap is not over it, and two members share the cap.
        assert_eq!(inflater.inflate(&zeros, 4 << 20).loss, None);
        let two = [zeros.clone(), zeros.clone()].concat();
        let inflated = inflater.inflate(&two, 5 << 20);
        assert_eq!(inflated.loss, Some(Loss { reason: Reason::InflatedTooLarge, offset: zeros.len() }));
        assert_eq!(inflated.bytes.len(), 5 << 20);
    }

    #[test]
    fn a_length_that_lies_costs_no_memory() {
        let mut inflater = Inflater::new();
        let mut data = gzip(b"hello");
        let end = data.len();
        data[end - 4..].copy_from_slice(&u32::MAX.to_le_bytes());
        let inflated = inflater.inflate(&data, CAP);
        assert_eq!(inflated.loss, Some(Loss { reason: Reason::CorruptGzip, offset: 0 }));
        assert_eq!(inflated.bytes, b"hello");
        assert!(inflater.buffer.len() < 100_000, "{}", inflater.buffer.len());
    }
}
