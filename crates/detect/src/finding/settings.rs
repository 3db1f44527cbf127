//! How much somebody wants to hear.

use super::Kind;
use crate::Window;
use crate::baseline::Looks;
use crate::score::{SIGNALS, Threshold};
use std::collections::{BTreeMap, BTreeSet};

/// What findings are made by, beside the windows.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// False findings a zone and month of 30 days that somebody puts up with; see `docs/scores.md`.
    pub false_findings_a_month: f64,
    /// Kinds that nobody wants to hear of.
    pub muted_kinds: BTreeSet<Kind>,
    /// What differs for some zones, by zone key or name.
    pub zones: BTreeMap<String, ZoneSettings>,
    /// When something is known to be done.
    pub maintenance: Vec<Maintenance>,
}

/// What differs for one zone.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ZoneSettings {
    /// Another budget than that of all.
    pub false_findings_a_month: Option<f64>,
    /// Nobody wants to hear of this zone.
    pub muted: bool,
    /// Kinds that nobody wants to hear of this zone, beside those of all.
    pub muted_kinds: BTreeSet<Kind>,
}

/// A time in which findings are expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Maintenance {
    /// Of this zone only, by its key or name; none: of all.
    pub zone: Option<String>,
    /// From here on, milliseconds since 1970.
    pub start_ms: i64,
    /// Until before here.
    pub end_ms: i64,
}

impl Default for Settings {
    /// One false finding a zone and month, and nothing muted.
    fn default() -> Self {
        Self {
            false_findings_a_month: 1.0,
            muted_kinds: BTreeSet::new(),
            zones: BTreeMap::new(),
            maintenance: Vec::new(),
        }
    }
}

impl Settings {
    /// The surprise from which on to alert of a window's zone.
    pub(super) fn threshold(&self, window: &Window) -> Threshold {
        let own = self.zone(window).and_then(|zone| zone.false_findings_a_month);
        Threshold::of_zone(own.unwrap_or(self.false_findings_a_month))
    }

    /// The scores of a window's signals: from 1.0 on one is an alert.
    pub fn scores(&self, window: &Window, looks: &Looks) -> [Option<f64>; SIGNALS] {
        let threshold = self.threshold(window);
        looks.map(|look| look.map(|look| threshold.score(look.surprise)))
    }

    /// Whether nobody wants to hear of this kind of a window's zone at its time. It is told all the same, as muted.
    pub(super) fn is_muted(&self, window: &Window, kind: Kind) -> bool {
        let zone = self.zone(window);
        let during = |one: &Maintenance| {
            let is_ours =
                one.zone.as_deref().is_none_or(|zone| zone == &*window.zone_key || zone == &*window.zone_name);
            is_ours && (one.start_ms..one.end_ms).contains(&window.start_ms)
        };
        self.muted_kinds.contains(&kind)
            || zone.is_some_and(|zone| zone.muted || zone.muted_kinds.contains(&kind))
            || self.maintenance.iter().any(during)
    }

    fn zone(&self, window: &Window) -> Option<&ZoneSettings> {
        self.zones.get(&*window.zone_key).or_else(|| self.zones.get(&*window.zone_name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(zone: &str, start_ms: i64) -> Window {
        Window { zone_key: zone.into(), zone_name: format!("{zone}.test").into(), start_ms, ..Window::default() }
    }

    #[test]
    fn kinds_zones_and_times_are_muted_and_no_others() {
        let quiet = ZoneSettings { muted: true, ..ZoneSettings::default() };
        let picky =
            ZoneSettings { muted_kinds: [Kind::EdgeShift].into(), false_findings_a_month: Some(0.1), muted: false };
        let settings = Settings {
            muted_kinds: [Kind::NewNetwork].into(),
            zones: [("quiet".to_owned(), quiet), ("picky.test".to_owned(), picky)].into(),
            maintenance: vec![
                Maintenance { zone: Some("b".to_owned()), start_ms: 10, end_ms: 20 },
                Maintenance { zone: None, start_ms: 30, end_ms: 40 },
            ],
            ..Settings::default()
        };
        for (zone, kind, time_ms, muted) in [
            ("a", Kind::Tunnel, 0, false),
            ("a", Kind::NewNetwork, 0, true),
            ("quiet", Kind::Tunnel, 0, true),
            ("picky", Kind::Tunnel, 0, false),
            ("picky", Kind::EdgeShift, 0, true),
            ("a", Kind::Tunnel, 15, false),
            ("b", Kind::Tunnel, 9, false),
            ("b", Kind::Tunnel, 10, true),
            ("b", Kind::Tunnel, 20, false),
            ("a", Kind::Tunnel, 39, true),
        ] {
            assert_eq!(settings.is_muted(&window(zone, time_ms), kind), muted, "{zone} {kind:?} {time_ms}");
        }
        assert!(settings.threshold(&window("picky", 0)) > settings.threshold(&window("a", 0)));
        assert_eq!(settings.threshold(&window("a", 0)), Threshold::default());
    }
}
