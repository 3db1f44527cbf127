//! Delay histograms that take many observations of one value at once.
//!
//! A record carries thousands of queries that arrived together. The `metrics` facade would keep each observation until
//! the next scrape; here it is two additions, whatever the count.

use super::{ARRIVAL_DELAY_SECONDS, DELIVERY_DELAY_SECONDS, FINDING_DELAY_SECONDS, head};
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};

/// Upper bounds in seconds: from a delivery at the tip to a day, the shortest retention of a stream.
pub const BOUNDS_SECS: [f64; 16] =
    [0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 180.0, 300.0, 600.0, 1800.0, 3600.0, 21600.0, 86400.0];

/// From a query to its record's arrival in the stream.
pub static ARRIVAL_DELAY: Histogram = Histogram::new(ARRIVAL_DELAY_SECONDS);

/// From a record's arrival to the acknowledgement of all that was made of it.
pub static DELIVERY_DELAY: Histogram = Histogram::new(DELIVERY_DELAY_SECONDS);

/// From the arrival of the last record that a finding follows from to its opening.
pub static FINDING_DELAY: Histogram = Histogram::new(FINDING_DELAY_SECONDS);

/// Delays by upper bound. Lock-free; a scrape in the middle of an observation may see it in part.
#[derive(Debug)]
pub struct Histogram {
    pub(super) name: &'static str,
    /// Not cumulative; the last is what exceeds every bound.
    counts: [AtomicU64; BOUNDS_SECS.len() + 1],
    sum_ms: AtomicU64,
}

impl Histogram {
    const fn new(name: &'static str) -> Self {
        Self { name, counts: [const { AtomicU64::new(0) }; BOUNDS_SECS.len() + 1], sum_ms: AtomicU64::new(0) }
    }

    /// Counts `count` delays of `delay_ms` each. A negative delay (two clocks that disagree) counts as none.
    pub fn observe(&self, delay_ms: i64, count: u64) {
        let delay_ms = delay_ms.max(0) as u64;
        let secs = delay_ms as f64 / 1_000.0;
        let bucket = BOUNDS_SECS.partition_point(|bound| *bound < secs);
        self.counts[bucket].fetch_add(count, Ordering::Relaxed);
        self.sum_ms.fetch_add(delay_ms.saturating_mul(count), Ordering::Relaxed);
    }

    /// The family in Prometheus' text form.
    pub(super) fn render(&self) -> String {
        let mut text = head(self.name);
        let mut total = 0;
        let bounds = BOUNDS_SECS.iter().map(f64::to_string).chain(["+Inf".to_owned()]);
        for (bound, count) in bounds.zip(&self.counts) {
            total += count.load(Ordering::Relaxed);
            let _ = writeln!(text, "{}_bucket{{le=\"{bound}\"}} {total}", self.name);
        }
        let sum = self.sum_ms.load(Ordering::Relaxed) as f64 / 1_000.0;
        let _ = writeln!(text, "{0}_sum {sum}\n{0}_count {total}", self.name);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_observation_counts_in_its_bound_and_every_greater_one() {
        let histogram = Histogram::new(ARRIVAL_DELAY_SECONDS);
        histogram.observe(1_000, 3);
        histogram.observe(1_001, 1);
        histogram.observe(-5, 1);
        histogram.observe(100_000_000, 2);
        let text = histogram.render();
        for line in [
            "_bucket{le=\"0.1\"} 1",
            "_bucket{le=\"0.5\"} 1",
            "_bucket{le=\"1\"} 4",
            "_bucket{le=\"2.5\"} 5",
            "_bucket{le=\"86400\"} 5",
            "_bucket{le=\"+Inf\"} 7",
            "_sum 200004.001",
            "_count 7",
        ] {
            assert!(text.contains(&format!("{ARRIVAL_DELAY_SECONDS}{line}\n")), "{line} is not in\n{text}");
        }
    }
}
