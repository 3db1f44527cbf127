//! Zone names as label values, bounded.

use super::LIMITS_REACHED_TOTAL;
use std::collections::HashSet;
use std::sync::{Arc, PoisonError, RwLock};

/// Bytes of the longest domain name as text (RFC 1035: 253); whatever is longer is no zone's name.
const NAME_BYTES_MAX: usize = 253;

/// The first zones seen keep their own label value; all others share `other`. One for the process.
#[derive(Debug)]
pub struct ZoneLabels {
    zones_max: usize,
    other: Arc<str>,
    named: RwLock<HashSet<Arc<str>>>,
}

impl ZoneLabels {
    /// `zones_max` zones have names (`limits.metric_zones_max`).
    pub fn new(zones_max: usize) -> Self {
        Self { zones_max, other: "other".into(), named: RwLock::default() }
    }

    /// The label value for a zone. Cheap, but no call for each query: ask once for each zone of a batch.
    pub fn label(&self, zone: &str) -> Arc<str> {
        if let Some(label) = self.named.read().unwrap_or_else(PoisonError::into_inner).get(zone) {
            return Arc::clone(label);
        }
        if zone.len() <= NAME_BYTES_MAX {
            let mut named = self.named.write().unwrap_or_else(PoisonError::into_inner);
            // Another task may have come first.
            if let Some(label) = named.get(zone) {
                return Arc::clone(label);
            }
            if named.len() < self.zones_max {
                let label: Arc<str> = zone.into();
                named.insert(Arc::clone(&label));
                return label;
            }
        }
        metrics::counter!(LIMITS_REACHED_TOTAL, "limit" => "metric_zones_max").increment(1);
        Arc::clone(&self.other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Exposition;

    #[test]
    fn the_first_zones_have_names_and_the_rest_share_one_that_is_counted() {
        let labels = ZoneLabels::new(2);
        let exposition = Exposition::isolated(|| {
            assert_eq!(&*labels.label("a.test"), "a.test");
            assert_eq!(&*labels.label("b.test"), "b.test");
            assert_eq!(&*labels.label("c.test"), "other");
            assert_eq!(&*labels.label("a.test"), "a.test");
            assert_eq!(&*labels.label("d.test"), "other");
        });
        let text = exposition.render();
        assert!(text.contains("zonewatch_limits_reached_total{limit=\"metric_zones_max\"} 2\n"), "{text}");
    }

    #[test]
    fn what_is_too_long_for_a_name_takes_no_place() {
        let labels = ZoneLabels::new(1);
        assert_eq!(&*labels.label(&"x".repeat(254)), "other");
        assert_eq!(&*labels.label("a.test"), "a.test");
    }
}
