//! What is counted of digests that were read, of windows that were closed and of findings.

use super::{
    DIGESTS_READ_TOTAL, FINDING_DELAY, FINDINGS_TOTAL, LIMITS_REACHED_TOTAL, MISSED_QUERIES_TOTAL, WINDOWS_TOTAL,
    ZONES_LIMITED_TOTAL,
};
use detect::detector::Outcome;
use detect::finding::Status;
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

/// Counts findings, and windows that were not judged. After a restart some of them are told, and counted, again. `delay_ms` is
/// since the arrival of the last record that they follow from.
pub fn count_findings(outcome: &Outcome, delay_ms: i64) {
    if outcome.zones_limited > 0 {
        metrics::counter!(ZONES_LIMITED_TOTAL).increment(outcome.zones_limited);
    }
    for finding in &outcome.findings {
        let (kind, severity) = (finding.kind.as_str(), finding.severity.as_str());
        let (status, muted) = (finding.status.as_str(), if finding.muted { "true" } else { "false" });
        let labels = [("kind", kind), ("severity", severity), ("status", status), ("muted", muted)];
        metrics::counter!(FINDINGS_TOTAL, &labels).increment(1);
        if finding.status == Status::Opened {
            FINDING_DELAY.observe(delay_ms, 1);
        }
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
        let told = Told { closed: vec![closed], counts, ..Told::default() };
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

    #[test]
    fn findings_are_counted_as_they_are_told() {
        let finding = crate::fixtures_test::finding();
        let over = detect::finding::Finding { status: Status::Closed, muted: true, ..finding.clone() };
        let outcome = Outcome { findings: vec![finding, over], zones_limited: 3, ..Outcome::default() };
        let text = Exposition::isolated(|| count_findings(&outcome, 3_000_000)).render();
        let labels = "kind=\"random_subdomain\",severity=\"critical\"";
        for line in [
            format!("zonewatch_findings_total{{{labels},status=\"opened\",muted=\"false\"}} 1\n"),
            format!("zonewatch_findings_total{{{labels},status=\"closed\",muted=\"true\"}} 1\n"),
            "zonewatch_zones_limited_total 3\n".to_owned(),
        ] {
            assert!(text.contains(&line), "{line}{text}");
        }
        // Other tests tell findings at the same time, none of them so late.
        let up_to = |secs: u32| {
            let line = format!("zonewatch_finding_delay_seconds_bucket{{le=\"{secs}\"}} ");
            text.lines().find_map(|text| text.strip_prefix(&line)?.parse::<u64>().ok()).expect("a count")
        };
        assert_eq!(up_to(3_600) - up_to(1_800), 1);
    }
}
