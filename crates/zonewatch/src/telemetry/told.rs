//! What is counted of digests that were read and of windows that were closed.

use super::{DIGESTS_READ_TOTAL, LIMITS_REACHED_TOTAL, MISSED_QUERIES_TOTAL, WINDOWS_TOTAL};
use detect::pane::Tally;
use detect::rollup::Told;

/// Counts what came of a record of a rollup shard. After a restart some of it is read, and counted, again.
pub fn count_told(told: &Told<Tally>) {
    let counts = &told.counts;
    for (outcome, count) in
        [("applied", counts.applied), ("copy", counts.copies), ("gap", counts.gaps), ("hole", counts.holes)]
    {
        if count > 0 {
            metrics::counter!(DIGESTS_READ_TOTAL, "outcome" => outcome).increment(count);
        }
    }
    for (limit, count) in [
        ("windows_max", counts.windows_limited),
        ("waiting_max", counts.waiting_limited),
        ("shards_max", counts.shards_limited),
        ("pieces_max", counts.pieces_limited),
    ] {
        if count > 0 {
            metrics::counter!(LIMITS_REACHED_TOTAL, "limit" => limit).increment(count);
        }
    }
    for closed in &told.closed {
        let whole = if closed.whole { "true" } else { "false" };
        metrics::counter!(WINDOWS_TOTAL, "whole" => whole).increment(1);
        let missed = closed.beside.values().map(|beside| beside.missed).sum();
        metrics::counter!(MISSED_QUERIES_TOTAL).increment(missed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Exposition;
    use detect::rollup::{Beside, Closed, Counts};
    use std::collections::BTreeMap;

    #[test]
    fn digests_and_windows_reach_their_metrics() {
        let beside = BTreeMap::from([("Z".into(), Beside { late: 1, future: 1, missed: 5 })]);
        let closed = Closed { start_ms: 0, whole: true, coverage: 1.0, zones: BTreeMap::new(), beside };
        let counts = Counts { applied: 2, gaps: 3, waiting_limited: 4, ..Counts::default() };
        let told = Told { closed: vec![closed], counts };
        let text = Exposition::isolated(|| count_told(&told)).render();
        for line in [
            "zonewatch_digests_read_total{outcome=\"applied\"} 2\n",
            "zonewatch_digests_read_total{outcome=\"gap\"} 3\n",
            "zonewatch_limits_reached_total{limit=\"waiting_max\"} 4\n",
            "zonewatch_windows_total{whole=\"true\"} 1\n",
            "zonewatch_missed_queries_total 5\n",
        ] {
            assert!(text.contains(line), "{line}{text}");
        }
    }
}
