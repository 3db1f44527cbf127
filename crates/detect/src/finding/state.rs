//! A zone as bytes, for the snapshot beside its windows. Nothing is rounded.

use super::zone::{Open, Zone};
use super::{Expected, Kind, Severity};
use crate::baseline::{Baseline, Signal, float, put_float};
use crate::message::{TIME_MS_MAX, Unreadable};
use crate::score::WINDOWS_S;
use crate::wire::{Input, put_number, put_signed};

/// The version written. Version 1 is the first, so there is no previous one to read yet.
const VERSION: u8 = 1;
/// An open finding's: three small numbers, three times, a flag, and five floats.
const OPEN_BYTES_MAX: usize = 5 + 4 * 10 + 6 * 8;

impl Zone {
    /// No zone is encoded in more bytes: 405,000. It has some 250,000 when it has been seen for days.
    pub const BYTES_MAX: usize = 12 + Baseline::BYTES_MAX + Kind::ALL.len() * OPEN_BYTES_MAX;

    /// Appends the state.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(VERSION);
        self.baseline.encode(out);
        put_signed(out, self.ended_ms);
        put_number(out, self.open.len() as u64);
        self.open.iter().for_each(|open| open.encode(out));
    }

    /// Reads what [`Zone::encode`] appended. A state of a newer version is for a worker that knows it; of one that is
    /// malformed the zone is learnt anew.
    pub fn decode(input: &mut Input<'_>) -> Result<Self, Unreadable> {
        input.version(VERSION)?;
        Self::decode_body(input).ok_or(Unreadable::Malformed)
    }

    fn decode_body(input: &mut Input<'_>) -> Option<Self> {
        let baseline = Baseline::decode(input)?;
        let ended_ms = time(input)?;
        let count = input.count().filter(|count| *count <= Kind::ALL.len())?;
        let open: Vec<Open> = (0..count).map(|_| Open::decode(input)).collect::<Option<_>>()?;
        // In the order of kinds, and none twice.
        open.is_sorted_by(|left, right| left.kind < right.kind).then_some(Self { baseline, open, ended_ms })
    }
}

/// A time whose sums with others don't overflow.
fn time(input: &mut Input<'_>) -> Option<i64> {
    input.signed().filter(|time_ms| time_ms.unsigned_abs() <= 4 * TIME_MS_MAX as u64)
}

impl Open {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.kind as u8);
        out.push(self.severity as u8);
        out.push(self.signal as u8);
        out.push(u8::from(self.early));
        out.push(u8::from(self.expected.is_some()));
        [self.start_ms, self.last_ms, self.window_ms, self.update_ms].iter().for_each(|time| put_signed(out, *time));
        put_float(out, self.score);
        put_float(out, self.observed);
        if let Some(Expected { value, low, high }) = self.expected {
            [value, low, high].iter().for_each(|number| put_float(out, *number));
        }
    }

    fn decode(input: &mut Input<'_>) -> Option<Self> {
        let kind = *Kind::ALL.get(usize::from(input.byte()?))?;
        let severity = *Severity::ALL.get(usize::from(input.byte()?))?;
        let signal = *Signal::ALL.get(usize::from(input.byte()?))?;
        let (early, expects) = (input.flag()?, input.flag()?);
        let [start_ms, last_ms, window_ms, update_ms] = [time(input)?, time(input)?, time(input)?, time(input)?];
        if !WINDOWS_S.contains(&(window_ms / 1000)) {
            return None;
        }
        let mut number = || float(input).filter(|number| number.is_finite());
        let (score, observed) = (number()?, number()?);
        let expected =
            if expects { Some(Expected { value: number()?, low: number()?, high: number()? }) } else { None };
        Some(Self { kind, start_ms, last_ms, window_ms, update_ms, early, severity, score, signal, observed, expected })
    }
}
