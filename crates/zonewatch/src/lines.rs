//! NDJSON lines in blocks of an entry's size, and how they become Firehose entries.

use crate::config::{Compression, Packing};
use bytes::Bytes;
use flate2::write::GzEncoder;
use std::io::Write;

/// Firehose refuses a larger entry (PutRecordBatch: 1,000 KiB before base64). It is also 200 times the 5 KiB that an
/// entry is rounded up to for billing, so a full entry of lines is billed for at most one line too much.
pub const ENTRY_BYTES_MAX: usize = 1_000 * 1024;

/// The longest line that is kept: a member of one incompressible line must fit an entry too, and deflate's stored blocks
/// add 5 bytes a 64 KiB, gzip 18.
pub const LINE_BYTES_MAX: usize = ENTRY_BYTES_MAX - 1024;

/// A block's memory. What it is larger than an entry takes the line that turns out to belong to the next block.
const BLOCK_BYTES: usize = ENTRY_BYTES_MAX + (24 << 10);

/// Blocks that are compressed together. Query records shrink about tenfold, so that the member stays well under
/// [`ENTRY_BYTES_MAX`] and the rounding to 5 KiB costs under 2 %.
const MEMBER_BLOCKS: usize = 4;

/// Lines, each ending in a line feed. They stand in blocks, because one buffer that grows by doubling would be held twice
/// whenever it grows, and the byte budget counts it once.
#[derive(Debug, Default)]
pub struct Lines {
    blocks: Vec<Block>,
    bytes: usize,
    count: usize,
}

/// Whole lines, at most [`ENTRY_BYTES_MAX`] of them, and where each ends.
#[derive(Debug)]
struct Block {
    bytes: Vec<u8>,
    ends: Vec<u32>,
}

impl Lines {
    /// Appends the line that `write` makes. A line over [`LINE_BYTES_MAX`] is taken back, and its length returned.
    pub fn push_with(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Result<(), usize> {
        if self.blocks.is_empty() {
            self.blocks.push(Block::new());
        }
        let block = self.blocks.last_mut().expect("there is one at least");
        let start = block.bytes.len();
        write(&mut block.bytes);
        let length = block.bytes.len() - start;
        if length > LINE_BYTES_MAX {
            block.cut_off(start);
            return Err(length);
        }
        if block.bytes.len() > ENTRY_BYTES_MAX {
            let mut next = Block::new();
            next.bytes.extend_from_slice(&block.bytes[start..]);
            block.cut_off(start);
            self.blocks.push(next);
        }
        let block = self.blocks.last_mut().expect("there is one at least");
        block.ends.push(u32::try_from(block.bytes.len()).expect("a block is far below 4 GiB"));
        self.bytes += length;
        self.count += 1;
        Ok(())
    }

    /// All lines, in pieces.
    pub fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        self.blocks.iter().map(|block| block.bytes.as_slice())
    }

    /// Bytes of all lines.
    pub fn len(&self) -> usize {
        self.bytes
    }

    /// Number of lines.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Whether there is no line.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Forgets the lines and keeps the memory of a block.
    pub fn clear(&mut self) {
        self.blocks.truncate(1);
        for block in &mut self.blocks {
            block.bytes.clear();
            block.ends.clear();
        }
        (self.bytes, self.count) = (0, 0);
    }

    /// The lines as entries, in order; none exceeds [`ENTRY_BYTES_MAX`].
    pub fn into_entries(self, packing: Packing, compression: Compression) -> Vec<Bytes> {
        let blocks = self.blocks.into_iter().filter(|block| !block.ends.is_empty());
        match (packing, compression) {
            (Packing::Lines, Compression::None) => blocks.map(|block| Bytes::from(block.bytes)).collect(),
            (Packing::Single, Compression::None) => blocks.flat_map(Block::into_lines).collect(),
            (Packing::Lines, Compression::Gzip) => members(blocks.map(|block| block.bytes), MEMBER_BLOCKS),
            (Packing::Single, Compression::Gzip) => members(blocks.flat_map(Block::into_lines), 1),
        }
    }
}

impl Block {
    fn new() -> Self {
        Self { bytes: Vec::with_capacity(BLOCK_BYTES), ends: Vec::new() }
    }

    /// Takes back what was written from `start` on, and the memory that it needed beyond a block's.
    fn cut_off(&mut self, start: usize) {
        self.bytes.truncate(start);
        self.bytes.shrink_to(BLOCK_BYTES);
    }

    fn into_lines(self) -> Vec<Bytes> {
        let (bytes, mut start) = (Bytes::from(self.bytes), 0);
        let line = |&end: &u32| bytes.slice(std::mem::replace(&mut start, end as usize)..end as usize);
        self.ends.iter().map(line).collect()
    }
}

/// Gzip members of so many parts each. What is compressed is let go at once.
fn members(mut parts: impl Iterator<Item = impl AsRef<[u8]>>, parts_a_member: usize) -> Vec<Bytes> {
    let mut members = Vec::new();
    loop {
        let taken: Vec<_> = parts.by_ref().take(parts_a_member).collect();
        if taken.is_empty() {
            return members;
        }
        compress(&taken.iter().map(AsRef::as_ref).collect::<Vec<_>>(), &mut members);
    }
}

/// One gzip member, or several if one would be over the limit.
fn compress(parts: &[&[u8]], members: &mut Vec<Bytes>) {
    let bytes: usize = parts.iter().map(|part| part.len()).sum();
    // Level 6 is gzip's own default; the header carries no time, so that the same lines give the same bytes.
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes / 8 + 64), flate2::Compression::new(6));
    for part in parts {
        encoder.write_all(part).expect("writing to memory does not fail");
    }
    let member = encoder.finish().expect("writing to memory does not fail");
    if member.len() <= ENTRY_BYTES_MAX {
        members.push(member.into());
    } else if let [lines] = parts {
        // The line end nearest below the middle, else the first one. A line alone is never over the limit.
        let middle = lines[..lines.len() / 2].iter().rposition(|&byte| byte == b'\n');
        let middle = middle.or_else(|| lines.iter().position(|&byte| byte == b'\n'));
        let (front, back) = lines.split_at(middle.expect("lines end in a line feed") + 1);
        compress(&[front], members);
        compress(&[back], members);
    } else {
        let (front, back) = parts.split_at(parts.len() / 2);
        compress(front, members);
        compress(back, members);
    }
}

/// What Firehose bills for entries of these lengths: each rounded up to 5 KiB.
pub fn billed_bytes(entries: &[Bytes]) -> u64 {
    entries.iter().map(|entry| (entry.len() as u64).div_ceil(5 * 1024) * 5 * 1024).sum()
}

#[cfg(test)]
impl Lines {
    /// All lines as one piece.
    pub fn text(&self) -> Vec<u8> {
        self.pieces().collect::<Vec<_>>().concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn lines(lengths: &[usize]) -> Lines {
        let mut lines = Lines::default();
        for &length in lengths {
            lines
                .push_with(|out| {
                    out.resize(out.len() + length - 1, b'x');
                    out.push(b'\n');
                })
                .expect("within the limit");
        }
        lines
    }

    #[test]
    fn lines_fill_entries_to_less_than_a_line_under_the_limit() {
        let packed = lines(&[333; 10_000]).into_entries(Packing::Lines, Compression::None);
        assert_eq!(packed.iter().map(Bytes::len).sum::<usize>(), 3_330_000);
        assert!(packed.iter().all(|entry| entry.ends_with(b"\n") && entry.len() <= ENTRY_BYTES_MAX));
        for full in &packed[..packed.len() - 1] {
            assert!(full.len() + 333 > ENTRY_BYTES_MAX, "an entry of {} bytes had room for a line", full.len());
        }
        let waste = billed_bytes(&packed) as f64 / 3_330_000.0;
        assert!(waste < 1.003, "packing costs {waste}");
        let single = lines(&[333; 10_000]).into_entries(Packing::Single, Compression::None);
        assert_eq!((single.len(), billed_bytes(&single)), (10_000, 51_200_000));
    }

    #[test]
    fn lines_are_never_held_in_much_more_memory_than_they_take() {
        // Lines of any length, some of which end beyond the block they were begun in.
        let lengths: Vec<usize> = (0..400).map(|at| 2 + (at * 7_919) % 60_000).collect();
        let mut lines = lines(&lengths);
        assert!(lines.push_with(|out| out.resize(out.len() + (8 << 20), b'x')).is_err());
        assert_eq!(lines.len(), lengths.iter().sum::<usize>());
        let held: usize = lines.blocks.iter().map(|block| block.bytes.capacity()).sum();
        assert!(held < lines.len() + lines.len() / 10 + BLOCK_BYTES, "{held} bytes for {}", lines.len());
        let (text, count) = (lines.text(), lines.count());
        let single = lines.into_entries(Packing::Single, Compression::None);
        assert!(single.len() == count && single.concat() == text);
        assert!(single.iter().all(|line| line.iter().filter(|&&byte| byte == b'\n').count() == 1));
    }

    #[test]
    fn a_line_over_the_limit_is_taken_back() {
        let mut lines = lines(&[10]);
        assert_eq!(lines.push_with(|out| out.resize(out.len() + LINE_BYTES_MAX + 1, b'x')), Err(LINE_BYTES_MAX + 1));
        assert_eq!((lines.len(), lines.count()), (10, 1));
    }

    #[test]
    fn gzip_members_joined_are_the_lines() {
        // Nearly incompressible, so that members must be split to stay within the limit.
        let mut state = 1_u64;
        let mut noise = Lines::default();
        for _ in 0..6_000 {
            noise
                .push_with(|out| {
                    for _ in 0..1_000 {
                        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                        out.push(11 + ((state >> 33) % 240) as u8);
                    }
                    out.push(b'\n');
                })
                .expect("within the limit");
        }
        let expected = noise.text();
        let members = noise.into_entries(Packing::Lines, Compression::Gzip);
        assert!(members.len() > 5 && members.iter().all(|member| member.len() <= ENTRY_BYTES_MAX));
        let mut joined = Vec::new();
        flate2::read::MultiGzDecoder::new(&members.concat()[..]).read_to_end(&mut joined).expect("valid gzip");
        assert!(joined == expected);
    }

    #[test]
    fn nothing_makes_no_entry() {
        for compression in [Compression::None, Compression::Gzip] {
            assert!(Lines::default().into_entries(Packing::Lines, compression).is_empty());
        }
    }
}
