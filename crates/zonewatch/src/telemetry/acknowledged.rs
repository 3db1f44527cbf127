//! What is counted when an epoch is acknowledged: a repeated epoch that was never acknowledged counts once.

use super::{
    CONTROL_MESSAGES_TOTAL, LATE_QUERIES_TOTAL, QUERIES_TOTAL, QUERY_TYPES_TOTAL, RECORDS_LEFT_OUT_TOTAL,
    RECORDS_TOTAL, REJECTS_TOTAL, ZoneLabels,
};
use crate::filter::LeftOut;
use crate::observe::Counts;
use detect::Digest;
use dnslog::{QueryType, Reason, ResponseCode};

/// Counts an acknowledged epoch of `stream`.
pub fn count_acknowledged(digest: &Digest, counts: &Counts, stream: &str, labels: &ZoneLabels) {
    for zone in digest.zones().chain([digest.other()]).filter(|zone| zone.total() > 0) {
        let label = labels.label(zone.key(), zone.name());
        for &code in ResponseCode::ALL {
            let queries = zone.with_code(code);
            if queries > 0 {
                let (zone, rcode) = (metrics::SharedString::from_shared(label.clone()), code.as_str());
                metrics::counter!(QUERIES_TOTAL, "zone" => zone, "rcode" => rcode).increment(queries);
            }
        }
    }
    for &kind in QueryType::ALL {
        for &code in ResponseCode::ALL {
            let queries: u64 = digest.zones().chain([digest.other()]).map(|zone| zone.count(code, kind)).sum();
            if queries > 0 {
                let (kind, rcode) = (kind.as_str(), code.as_str());
                metrics::counter!(QUERY_TYPES_TOTAL, "type" => kind, "rcode" => rcode).increment(queries);
            }
        }
    }
    for (reason, count) in Reason::ALL.iter().zip(&counts.rejects).filter(|(_, count)| **count > 0) {
        metrics::counter!(REJECTS_TOTAL, "reason" => reason.as_str()).increment(*count);
    }
    for (reason, count) in LeftOut::ALL.iter().zip(counts.left_out).filter(|(_, count)| *count > 0) {
        metrics::counter!(RECORDS_LEFT_OUT_TOTAL, "outlet" => "records", "reason" => reason.as_str()).increment(count);
    }
    metrics::counter!(RECORDS_TOTAL, "stream" => stream.to_owned()).increment(counts.records);
    metrics::counter!(CONTROL_MESSAGES_TOTAL).increment(counts.controls);
    metrics::counter!(LATE_QUERIES_TOTAL).increment(counts.late);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Exposition;

    #[test]
    fn every_count_reaches_its_metric() {
        let mut digest = Digest::new(detect::Limits { zones_max: 2, top_names: 4 }, 1);
        for (zone, code) in
            [("Za", ResponseCode::NoError), ("Za", ResponseCode::NxDomain), ("Zb", ResponseCode::NoError)]
        {
            digest.add(zone, &format!("{}.test", zone.to_lowercase()), "www", QueryType::A, code, 0);
        }
        digest.add("Zc", "zc.test", "www", QueryType::Aaaa, ResponseCode::NoError, 0);
        let mut rejects = vec![0; Reason::ALL.len()];
        rejects[Reason::BadJson as usize] = 4;
        let counts = Counts { records: 5, controls: 6, late: 7, rejects, left_out: [8, 0, 0, 9], ..Counts::default() };
        let text =
            Exposition::isolated(|| count_acknowledged(&digest, &counts, "logs", &ZoneLabels::new(1, []))).render();
        for line in [
            "zonewatch_queries_total{zone=\"za.test\",rcode=\"NOERROR\"} 1",
            "zonewatch_queries_total{zone=\"za.test\",rcode=\"NXDOMAIN\"} 1",
            // One zone beyond the labels' limit, one beyond the digest's.
            "zonewatch_queries_total{zone=\"other\",rcode=\"NOERROR\"} 2",
            "zonewatch_query_types_total{type=\"A\",rcode=\"NOERROR\"} 2",
            "zonewatch_query_types_total{type=\"AAAA\",rcode=\"NOERROR\"} 1",
            "zonewatch_rejects_total{reason=\"bad_json\"} 4",
            "zonewatch_records_left_out_total{outlet=\"records\",reason=\"zone\"} 8",
            "zonewatch_records_left_out_total{outlet=\"records\",reason=\"sample\"} 9",
            "zonewatch_records_total{stream=\"logs\"} 5",
            "zonewatch_control_messages_total 6",
            "zonewatch_late_queries_total 7",
        ] {
            assert!(text.contains(&format!("{line}\n")), "{line} is not in\n{text}");
        }
    }
}
