//! Means that forget.

use super::code::{Damaged, Reader, Writer};

/// A mean over about the last `memory` numbers; over all of them while there are fewer.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Average {
    pub(super) mean: f64,
    pub(super) count: u32,
}

impl Average {
    /// Takes a number in. The memory is in numbers.
    pub(super) fn learn(&mut self, value: f64, memory: f64) {
        self.count = self.count.saturating_add(1);
        let rate = (1.0 / memory).max(1.0 / f64::from(self.count));
        self.mean += rate * (value - self.mean);
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        writer.f64(self.mean);
        writer.u32(self.count);
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        Ok(Self { mean: reader.f64()?, count: reader.u32()? })
    }
}
