//! The last rows, for sums over them.

use super::code::{Damaged, Reader, Writer};
use super::noise::Sums;

/// As many as the longest sum takes.
pub(super) const ROWS: usize = 60;

/// A ring of rows. `f32` holds a count to one in 16 million.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Recent {
    rows: Vec<[f32; 3]>,
    /// Where the next one goes: the oldest of a full ring.
    next: u8,
}

impl Recent {
    pub(super) fn new() -> Self {
        Self { rows: Vec::with_capacity(ROWS), next: 0 }
    }

    pub(super) fn push(&mut self, row: Sums) {
        let row = [row.observed as f32, row.expected as f32, row.size as f32];
        if self.rows.len() < ROWS {
            self.rows.push(row);
        } else {
            self.rows[usize::from(self.next)] = row;
        }
        self.next = ((usize::from(self.next) + 1) % ROWS) as u8;
    }

    /// Over the last `count` rows; none while there are fewer.
    pub(super) fn sums(&self, count: usize) -> Option<Sums> {
        if self.rows.len() < count {
            return None;
        }
        let end = usize::from(self.next);
        let (wrapped, straight) = if end >= count { (0, end - count..end) } else { (count - end, 0..end) };
        let tail = self.rows.len() - wrapped..self.rows.len();
        let mut sums = [0.0; 3];
        for row in self.rows[tail].iter().chain(&self.rows[straight]) {
            for (sum, &value) in sums.iter_mut().zip(row) {
                *sum += f64::from(value);
            }
        }
        let [observed, expected, size] = sums;
        Some(Sums { observed, expected, size })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        writer.u8(self.rows.len() as u8);
        writer.u8(self.next);
        self.rows.iter().for_each(|row| writer.f32s(row));
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        let mut recent = Self::new();
        let count = usize::from(reader.u8_to(ROWS)?);
        recent.next = reader.u8_to(ROWS - 1)?;
        for _ in 0..count {
            recent.rows.push([reader.f32()?, reader.f32()?, reader.f32()?]);
        }
        // A ring that is not full yet ends where the next row goes.
        let next = usize::from(recent.next);
        if count == ROWS || count == next { Ok(recent) } else { Err(Damaged::Content) }
    }
}
