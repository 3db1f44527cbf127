//! What lies between a worker and the services: calls that are slow, lost, throttled, or answered too late.

use crate::chance::Chance;

/// How bad it is.
#[derive(Debug, Clone, Copy)]
pub struct Weather {
    /// Shares of calls, in percent.
    pub slow: u64,
    pub lost: u64,
    pub very_late: u64,
    pub throttled: u64,
    /// Reads that need not be consistent, and are not.
    pub stale: u64,
}

pub const CALM: Weather = Weather { slow: 0, lost: 0, very_late: 0, throttled: 0, stale: 0 };

/// What becomes of a call: when it takes effect and when its answer comes, both milliseconds from now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Throttled {
        answer: u64,
    },
    /// No effect, no answer.
    Lost,
    /// `answer` is `None` if it is lost on the way back.
    Served {
        effect: u64,
        answer: Option<u64>,
    },
}

impl Weather {
    pub fn draw(chance: &mut Chance, calm: bool) -> Self {
        if calm {
            return CALM;
        }
        Self {
            slow: chance.between(0, 20),
            lost: chance.between(0, 8),
            very_late: chance.between(0, 5),
            throttled: chance.between(0, 12),
            stale: chance.between(0, 50),
        }
    }

    pub fn fate(&self, chance: &mut Chance) -> Fate {
        let trip = |chance: &mut Chance| chance.between(1, 40);
        if chance.percent(self.throttled) {
            return Fate::Throttled { answer: trip(chance) };
        }
        if chance.percent(self.lost) {
            return Fate::Lost;
        }
        let mut effect = trip(chance);
        if chance.percent(self.slow) {
            effect += chance.between(50, 3_000);
        }
        // A request that hangs in some queue takes effect long after everybody has given it up.
        if chance.percent(self.very_late) {
            effect += chance.between(2_000, 15_000);
        }
        let answer = (!chance.percent(self.lost)).then(|| effect + trip(chance));
        Fate::Served { effect, answer }
    }
}
