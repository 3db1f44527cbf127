//! A pane that forgets nothing.

use detect::{Input, Pane};

/// Ids of the events counted, in order; one that was counted twice is there twice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ids(pub Vec<u64>);

impl Pane for Ids {
    fn merge(&mut self, other: &Self) {
        self.0.extend(&other.0);
        self.0.sort_unstable();
    }

    fn count(&self) -> u64 {
        self.0.len() as u64
    }

    fn bytes(&self) -> usize {
        4 + 8 * self.0.len()
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&(self.0.len() as u32).to_le_bytes());
        self.0.iter().for_each(|id| out.extend_from_slice(&id.to_le_bytes()));
    }

    fn decode(input: &mut Input<'_>) -> Option<Self> {
        let count = u32::from_le_bytes(input.take(4)?.try_into().ok()?);
        (0..count).map(|_| Some(u64::from_le_bytes(input.take(8)?.try_into().ok()?))).collect::<Option<_>>().map(Self)
    }
}
