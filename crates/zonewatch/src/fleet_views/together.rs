//! Zones that are counted together are so by each rollup shard; people are shown one line of them all.

use super::answers::FRESH_SECONDS;
use crate::printable::rounded;
use crate::zone_views::{Brief, MINUTE_MS, MINUTES_KEPT};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What one rollup shard says of such zones.
pub struct Part {
    pub brief: Arc<Brief>,
    pub age_seconds: i64,
    /// The shard has closed its minutes until then.
    pub until_ms: i64,
}

/// One line of all parts, and how old the oldest is; none of no part.
///
/// Counts add up. Of the last minutes only those are shown that every part has closed: a sum of some would look like a fall. Parts
/// that are older than others are of shards that have ended, and whose zones others count now, or move.
pub fn together(mut parts: Vec<Part>) -> Option<(Brief, i64)> {
    let youngest = parts.iter().map(|part| part.age_seconds).min()?;
    parts.retain(|part| part.age_seconds < youngest + FRESH_SECONDS);
    let until_ms = parts.iter().map(|part| part.until_ms).min()?;
    let (mut response_codes, mut minutes) = (BTreeMap::new(), BTreeMap::new());
    for Part { brief, .. } in &parts {
        for (code, count) in &brief.response_codes {
            add(response_codes.entry(code.clone()).or_default(), *count);
        }
        for (start_ms, queries) in brief.minutes.iter().filter(|(start_ms, _)| start_ms + MINUTE_MS <= until_ms) {
            add(minutes.entry(*start_ms).or_default(), *queries);
        }
    }
    let minutes: Vec<(i64, u64)> = minutes.into_iter().collect();
    let age_seconds = parts.iter().map(|part| part.age_seconds).max()?;
    let briefs = || parts.iter().map(|part| &part.brief);
    let brief = Brief {
        zone: parts[0].brief.zone.clone(),
        zone_id: parts[0].brief.zone_id.clone(),
        coverage: briefs().filter_map(|brief| brief.coverage).min_by(f64::total_cmp),
        minutes: minutes[minutes.len().saturating_sub(MINUTES_KEPT)..].to_vec(),
        ..Brief::new(rounded(briefs().map(|brief| brief.queries_per_second).sum()), response_codes, std::iter::empty())
    };
    Some((brief, age_seconds))
}

fn add(sum: &mut u64, part: u64) {
    *sum = sum.saturating_add(part);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(age_seconds: i64, until: i64, minutes: &[(i64, u64)], coverage: f64) -> Part {
        let queries = minutes.last().map_or(0, |(_, queries)| *queries);
        let codes = BTreeMap::from([("NOERROR".to_owned(), queries - 1), ("NXDOMAIN".to_owned(), 1)]);
        let brief = Brief {
            zone: "other".into(),
            coverage: Some(coverage),
            minutes: minutes.iter().map(|(minute, queries)| (minute * MINUTE_MS, *queries)).collect(),
            ..Brief::new(queries as f64 / 60.0, codes, std::iter::empty())
        };
        Part { brief: Arc::new(brief), age_seconds, until_ms: until * MINUTE_MS }
    }

    #[test]
    fn counts_add_up_and_the_rest_is_the_least_that_is_known() {
        assert_eq!(together(Vec::new()), None);
        let parts = vec![
            part(0, 4, &[(1, 5), (2, 60), (3, 120)], 1.0),
            part(9, 3, &[(0, 7), (2, 60)], 0.5),
            // It has ended: what it counted others count.
            part(60, 4, &[(2, 1_000)], 0.1),
        ];
        let (brief, age_seconds) = together(parts).expect("two parts");
        assert_eq!((brief.zone.as_str(), brief.zone_id.as_str(), age_seconds), ("other", "", 9));
        assert_eq!((brief.queries_per_second, brief.coverage), (3.0, Some(0.5)));
        assert_eq!((&brief.response_codes["NOERROR"], brief.nxdomain_share), (&178, 0.0111));
        assert_eq!(brief.minutes, [(0, 7), (MINUTE_MS, 5), (2 * MINUTE_MS, 120)]);
        assert_eq!((brief.score, brief.signal, brief.findings), (None, None, 0));
    }

    #[test]
    fn an_hour_is_shown_and_what_nobody_renews_too_while_there_is_nothing_younger() {
        let minutes: Vec<(i64, u64)> = (0..60).map(|minute| (minute, 1)).collect();
        let later: Vec<(i64, u64)> = (30..90).map(|minute| (minute, 1)).collect();
        let (brief, age_seconds) =
            together(vec![part(600, 99, &minutes, 1.0), part(655, 99, &later, 1.0)]).expect("two parts");
        assert_eq!(age_seconds, 655);
        assert_eq!(
            (brief.minutes.len(), brief.minutes[0], brief.minutes[59].0),
            (60, (30 * MINUTE_MS, 2), 89 * MINUTE_MS)
        );
    }
}
