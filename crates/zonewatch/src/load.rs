//! What a shard costs, measured while it is read: bytes and CPU time a second, averaged so that a burst moves no lease.

use lease::Load;
use std::time::Duration;

/// The average forgets half in this time.
const HALF_LIFE_SECS: f64 = 60.0;
/// Rates over less than this say little.
const SPAN_MIN: Duration = Duration::from_secs(1);

/// A shard's cost.
#[derive(Debug)]
pub struct Meter {
    since: Duration,
    bytes: u64,
    busy: Duration,
    /// Averages a second: bytes, microseconds.
    average: Option<(f64, f64)>,
}

impl Meter {
    /// Begins at `now` with what the row says, if it says something.
    pub fn new(now: Duration, before: Option<Load>) -> Self {
        let average = before.and_then(|load| Some((load.bytes_per_sec as f64, load.cpu_micros_per_sec? as f64)));
        Self { since: now, bytes: 0, busy: Duration::ZERO, average }
    }

    /// A record was worked on.
    pub fn add(&mut self, bytes: usize, busy: Duration) {
        self.bytes += bytes as u64;
        self.busy += busy;
    }

    /// The cost up to `now`; nothing before there is something to say.
    pub fn load(&mut self, now: Duration) -> Option<Load> {
        let span = now.saturating_sub(self.since);
        if span >= SPAN_MIN {
            let secs = span.as_secs_f64();
            let rates = (self.bytes as f64 / secs, self.busy.as_secs_f64() * 1e6 / secs);
            let old = 0.5_f64.powf(secs / HALF_LIFE_SECS);
            let blend = |before: f64, now: f64| before * old + now * (1.0 - old);
            self.average = Some(match self.average {
                Some(before) => (blend(before.0, rates.0), blend(before.1, rates.1)),
                None => rates,
            });
            (self.since, self.bytes, self.busy) = (now, 0, Duration::ZERO);
        }
        self.average.map(|(bytes, micros)| Load {
            bytes_per_sec: bytes.round() as u64,
            cpu_micros_per_sec: Some(micros.round() as u64),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(bytes_per_sec: u64, micros: u64) -> Load {
        Load { bytes_per_sec, cpu_micros_per_sec: Some(micros) }
    }

    #[test]
    fn rates_are_averaged_over_about_a_minute() {
        let at = Duration::from_secs;
        let mut meter = Meter::new(at(0), None);
        assert_eq!(meter.load(at(0)), None);
        meter.add(10_000, Duration::from_millis(10));
        assert_eq!(meter.load(at(10)), Some(load(1_000, 1_000)));
        assert_eq!(meter.load(at(70)), Some(load(500, 500)), "a minute of silence leaves half");
        let mut next = Meter::new(at(0), Some(load(500, 500)));
        assert_eq!(next.load(at(0)), Some(load(500, 500)), "the next owner goes on from the row");
        next.add(500 * 60, Duration::from_micros(500 * 60));
        assert_eq!(next.load(at(60)), Some(load(500, 500)));
    }
}
