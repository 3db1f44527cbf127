//! NDJSON lines in one buffer, and how they become Firehose entries.

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

/// Lines that are compressed together. Query records shrink about tenfold, so that the member stays well under
/// [`ENTRY_BYTES_MAX`] and the rounding to 5 KiB costs under 2 %.
const MEMBER_BYTES_TARGET: usize = 4 << 20;

/// Lines, each ending in a line feed.
#[derive(Debug, Default, Clone)]
pub struct Lines {
    bytes: Vec<u8>,
    ends: Vec<u32>,
}

impl Lines {
    /// Appends the line that `write` makes. A line over [`LINE_BYTES_MAX`] is taken back, and its length returned.
    pub fn push_with(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Result<(), usize> {
        let start = self.bytes.len();
        write(&mut self.bytes);
        let length = self.bytes.len() - start;
        if length > LINE_BYTES_MAX {
            self.bytes.truncate(start);
            return Err(length);
        }
        self.ends.push(u32::try_from(self.bytes.len()).expect("an epoch is cut far below 4 GiB"));
        Ok(())
    }

    /// All lines as one piece.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Bytes of all lines.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Number of lines.
    pub fn count(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no line.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Forgets the lines and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    /// The lines as entries, in order; none exceeds [`ENTRY_BYTES_MAX`].
    pub fn into_entries(self, packing: Packing, compression: Compression) -> Vec<Bytes> {
        let target = match (packing, compression) {
            (Packing::Single, _) => 0,
            (Packing::Lines, Compression::None) => ENTRY_BYTES_MAX,
            (Packing::Lines, Compression::Gzip) => MEMBER_BYTES_TARGET,
        };
        let groups = groups(&self.ends, target);
        let bytes = Bytes::from(self.bytes);
        match compression {
            Compression::None => groups.into_iter().map(|(start, end)| bytes.slice(start..end)).collect(),
            Compression::Gzip => {
                let mut members = Vec::new();
                for (start, end) in groups {
                    compress(&bytes[start..end], &mut members);
                }
                members
            }
        }
    }
}

/// Joins whole lines while they stay within `target`; a longer line stands alone.
fn groups(ends: &[u32], target: usize) -> Vec<(usize, usize)> {
    let mut groups = Vec::new();
    let (mut start, mut end) = (0, 0);
    for &line_end in ends {
        let line_end = line_end as usize;
        if end > start && line_end - start > target {
            groups.push((start, end));
            start = end;
        }
        end = line_end;
    }
    if end > start {
        groups.push((start, end));
    }
    groups
}

/// One gzip member, or several if one would be over the limit.
fn compress(lines: &[u8], members: &mut Vec<Bytes>) {
    // Level 6 is gzip's own default; the header carries no time, so that the same lines give the same bytes.
    let mut encoder = GzEncoder::new(Vec::with_capacity(lines.len() / 8 + 64), flate2::Compression::new(6));
    encoder.write_all(lines).expect("writing to memory does not fail");
    let member = encoder.finish().expect("writing to memory does not fail");
    // The line end nearest below the middle, else the first one that leaves something behind it.
    let middle = lines[..lines.len() / 2].iter().rposition(|&byte| byte == b'\n');
    let middle = middle.or_else(|| lines[..lines.len() - 1].iter().position(|&byte| byte == b'\n'));
    match middle {
        Some(middle) if member.len() > ENTRY_BYTES_MAX => {
            compress(&lines[..=middle], members);
            compress(&lines[middle + 1..], members);
        }
        _ => members.push(member.into()),
    }
}

/// What Firehose bills for entries of these lengths: each rounded up to 5 KiB.
pub fn billed_bytes(entries: &[Bytes]) -> u64 {
    entries.iter().map(|entry| (entry.len() as u64).div_ceil(5 * 1024) * 5 * 1024).sum()
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
        let expected = noise.as_bytes().to_vec();
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
