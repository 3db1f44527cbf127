//! Zone names as label values, bounded.

use super::LIMITS_REACHED_TOTAL;
use dnslog::name::normalize;
use std::collections::HashSet;
use std::sync::{Arc, PoisonError, RwLock};

/// Bytes of the longest domain name as text (RFC 1035: 253); whatever is longer is no zone's name.
const NAME_BYTES_MAX: usize = 253;

/// The operator's own zones keep their label value, the first ones seen; all others share `other`. One for the process.
///
/// A zone is the operator's own if the log says its hosted zone's id, or if the configuration names it. The zones of
/// Resolver logs are otherwise the registered domains that clients ask for: they are never label values, and take no
/// place from those that are.
#[derive(Debug)]
pub struct ZoneLabels {
    zones_max: usize,
    configured: HashSet<String>,
    other: Arc<str>,
    named: RwLock<HashSet<Arc<str>>>,
}

impl ZoneLabels {
    /// `zones_max` zones have names (`limits.metric_zones_max`). `configured` are the names of `enrich.zones`.
    pub fn new<'a>(zones_max: usize, configured: impl IntoIterator<Item = &'a String>) -> Self {
        let bare = |name: &'a String| normalize(name, &mut String::new()).text.to_owned();
        let configured = configured.into_iter().map(bare).collect();
        Self { zones_max, configured, other: "other".into(), named: RwLock::default() }
    }

    /// The label value for a zone. Cheap, but no call for each query: ask once for each zone of a batch.
    pub fn label(&self, zone_key: &str, name: &str) -> Arc<str> {
        if !is_hosted(zone_key) && !self.configured.contains(name) {
            return Arc::clone(&self.other);
        }
        if let Some(label) = self.named.read().unwrap_or_else(PoisonError::into_inner).get(name) {
            return Arc::clone(label);
        }
        if name.len() <= NAME_BYTES_MAX {
            let mut named = self.named.write().unwrap_or_else(PoisonError::into_inner);
            // Another task may have come first.
            if let Some(label) = named.get(name) {
                return Arc::clone(label);
            }
            if named.len() < self.zones_max {
                let label: Arc<str> = name.into();
                named.insert(Arc::clone(&label));
                return label;
            }
        }
        metrics::counter!(LIMITS_REACHED_TOTAL, "limit" => "metric_zones_max").increment(1);
        Arc::clone(&self.other)
    }
}

/// Whether a zone is counted under a hosted zone's id. No name can look like one: names are in lower case.
fn is_hosted(zone_key: &str) -> bool {
    zone_key.starts_with('Z')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Exposition;

    fn label(labels: &ZoneLabels, key: &str, name: &str) -> String {
        labels.label(key, name).to_string()
    }

    #[test]
    fn the_first_zones_have_names_and_the_rest_share_one_that_is_counted() {
        let labels = ZoneLabels::new(2, []);
        let exposition = Exposition::isolated(|| {
            assert_eq!(label(&labels, "Z1", "a.test"), "a.test");
            assert_eq!(label(&labels, "Z2", "b.test"), "b.test");
            assert_eq!(label(&labels, "Z3", "c.test"), "other");
            assert_eq!(label(&labels, "Z1", "a.test"), "a.test");
            assert_eq!(label(&labels, "Z4", "d.test"), "other");
        });
        let text = exposition.render();
        assert!(text.contains("zonewatch_limits_reached_total{limit=\"metric_zones_max\"} 2\n"), "{text}");
    }

    #[test]
    fn what_is_too_long_for_a_name_takes_no_place() {
        let labels = ZoneLabels::new(1, []);
        assert_eq!(label(&labels, "Z1", &"x".repeat(254)), "other");
        assert_eq!(label(&labels, "Z2", "a.test"), "a.test");
    }

    #[test]
    fn a_domain_that_clients_ask_a_resolver_for_is_no_label_unless_it_is_configured() {
        let labels = ZoneLabels::new(1, &["Corp.Test.".to_owned()]);
        assert_eq!(label(&labels, "chosen-by-a-client.test", "chosen-by-a-client.test"), "other");
        assert_eq!(label(&labels, ".", "."), "other");
        assert_eq!(label(&labels, "corp.test", "corp.test"), "corp.test");
    }
}
