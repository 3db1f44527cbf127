//! How far time has come, over the source stream's hash-key space.
//!
//! There is no list of shards to keep: after a split the range stays where the parent left it until the child speaks.
//! Nothing lowers a range.

use crate::wire::{Input, put_number, put_time};
use std::ops::RangeInclusive;

/// Pieces of the hash-key space that were raised alike, in order; the first starts at 0, each ends where the next starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Watermark(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Piece {
    start: u128,
    /// `None`: never.
    raised_ms: Option<i64>,
    /// When it was last heard of, on the group's clock.
    heard_ms: u64,
}

impl Default for Watermark {
    fn default() -> Self {
        Self(vec![Piece { start: 0, raised_ms: None, heard_ms: 0 }])
    }
}

impl Watermark {
    /// Whether part of the range was never raised.
    pub(super) fn is_new(&self, range: &RangeInclusive<u128>) -> bool {
        self.pieces()
            .any(|(piece, own)| piece.raised_ms.is_none() && own.start() <= range.end() && range.start() <= own.end())
    }

    /// The range has come to `to_ms`.
    pub(super) fn raise(&mut self, range: &RangeInclusive<u128>, to_ms: i64, clock_ms: u64) {
        let first = self.cut(*range.start());
        let end = range.end().checked_add(1).map_or(self.0.len(), |next| self.cut(next));
        for piece in &mut self.0[first..end] {
            piece.raised_ms = piece.raised_ms.max(Some(to_ms));
            piece.heard_ms = clock_ms;
        }
        self.0.dedup_by(|right, left| (left.raised_ms, left.heard_ms) == (right.raised_ms, right.heard_ms));
    }

    /// The piece that starts at `start`, made if there is none.
    fn cut(&mut self, start: u128) -> usize {
        let at = self.0.partition_point(|piece| piece.start < start);
        if self.0.get(at).is_none_or(|piece| piece.start != start) {
            let piece = Piece { start, ..self.0[at - 1].clone() };
            self.0.insert(at, piece);
        }
        at
    }

    /// Joins a piece that is behind all others with a neighbour, until at most `max` are left; how many it joined, and the
    /// time up to which the map now claims more than is true. The later of the two times holds for both: with the earlier
    /// one, two pieces that are raised in turn would never rise.
    pub(super) fn limit(&mut self, max: usize) -> (u64, Option<i64>) {
        let (mut joined, mut claimed_ms) = (0, None);
        while self.0.len() > max.max(1) {
            let lowest = (0..self.0.len()).min_by_key(|at| self.0[*at].raised_ms).expect("there is a piece");
            let at = lowest.min(self.0.len() - 2);
            let right = self.0.remove(at + 1);
            let left = &mut self.0[at];
            left.raised_ms = left.raised_ms.max(right.raised_ms);
            left.heard_ms = left.heard_ms.max(right.heard_ms);
            claimed_ms = claimed_ms.max(left.raised_ms);
            joined += 1;
        }
        (joined, claimed_ms)
    }

    /// The lowest point of what is not silent. `None`: something that is not silent was never raised, or all is silent.
    pub(super) fn lowest_ms(&self, clock_ms: u64, stall_ms: u64) -> Option<i64> {
        let heard = self.0.iter().filter(|piece| clock_ms.saturating_sub(piece.heard_ms) <= stall_ms);
        heard.map(|piece| piece.raised_ms).min().flatten()
    }

    /// Whether all of the space has come to `to_ms`, and the share of it that has.
    pub(super) fn coverage(&self, to_ms: i64) -> (bool, f64) {
        let covered = |piece: &Piece| piece.raised_ms.is_some_and(|raised| raised >= to_ms);
        if self.0.iter().all(covered) {
            return (true, 1.0);
        }
        let widths = self.pieces().filter(|(piece, _)| covered(piece));
        let sum: f64 = widths.map(|(_, own)| (own.end() - own.start()) as f64).sum();
        (false, sum / u128::MAX as f64)
    }

    fn pieces(&self) -> impl Iterator<Item = (&Piece, RangeInclusive<u128>)> {
        let ends = self.0.iter().skip(1).map(|next| next.start - 1).chain([u128::MAX]);
        self.0.iter().zip(ends).map(|(piece, end)| (piece, piece.start..=end))
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        put_number(out, self.0.len() as u64);
        for piece in &self.0 {
            out.extend_from_slice(&piece.start.to_be_bytes());
            put_time(out, piece.raised_ms);
            put_number(out, piece.heard_ms);
        }
    }

    pub(super) fn decode(input: &mut Input<'_>) -> Option<Self> {
        let piece = |input: &mut Input<'_>| {
            Some(Piece { start: input.wide()?, raised_ms: input.time()?, heard_ms: input.number()? })
        };
        let pieces: Vec<Piece> = (0..input.count()?).map(|_| piece(input)).collect::<Option<_>>()?;
        let sound = pieces.first().is_some_and(|first| first.start == 0)
            && pieces.windows(2).all(|pair| pair[0].start < pair[1].start);
        sound.then_some(Self(pieces))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HALF: u128 = 1 << 127;

    #[test]
    fn it_is_the_lowest_point_and_nothing_lowers_it() {
        let mut watermark = Watermark::default();
        watermark.raise(&(0..=HALF - 1), 50, 1);
        assert_eq!(watermark.lowest_ms(1, 100), None, "the other half was never raised");
        watermark.raise(&(HALF..=u128::MAX), 40, 2);
        watermark.raise(&(0..=u128::MAX), 30, 3);
        assert_eq!(watermark.lowest_ms(3, 100), Some(40));
        assert_eq!(watermark.coverage(50), (false, 0.5));
        assert_eq!(watermark.coverage(40), (true, 1.0));
    }

    #[test]
    fn a_range_stays_where_the_parent_left_it_until_the_child_speaks() {
        let mut watermark = Watermark::default();
        watermark.raise(&(0..=u128::MAX), 40, 1);
        watermark.raise(&(0..=HALF - 1), 90, 2);
        assert_eq!(watermark.lowest_ms(2, 100), Some(40));
        watermark.raise(&(HALF..=u128::MAX), 80, 2);
        assert_eq!(watermark.lowest_ms(2, 100), Some(80));
    }

    #[test]
    fn a_silent_range_is_not_waited_for() {
        let mut watermark = Watermark::default();
        watermark.raise(&(0..=HALF - 1), 50, 100);
        assert_eq!(watermark.lowest_ms(100, 100), None);
        assert_eq!(watermark.lowest_ms(101, 100), Some(50), "half of it was not heard of for 101 ms");
        assert_eq!(watermark.lowest_ms(201, 100), None, "nothing is heard of");
        assert!(watermark.is_new(&(HALF - 1..=HALF)) && !watermark.is_new(&(0..=HALF - 1)));
    }

    #[test]
    fn pieces_raised_alike_are_one_and_a_limit_joins_what_is_behind() {
        let mut watermark = Watermark::default();
        for part in 0..64_u128 {
            let start = part << 122;
            watermark.raise(&(start..=start + ((1 << 122) - 1)), part as i64, 1);
        }
        assert_eq!(watermark.0.len(), 64);
        assert_eq!(watermark.limit(60), (4, Some(4)));
        assert_eq!((watermark.0[0].raised_ms, watermark.lowest_ms(1, 10)), (Some(4), Some(4)));
        watermark.raise(&(0..=u128::MAX), 99, 2);
        assert_eq!(watermark.0.len(), 1);
    }
}
