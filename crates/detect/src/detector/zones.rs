//! The zones of a key group that are judged: what is usual in each, and which findings are open.

use super::{Judging, Outcome, Seen};
use crate::finding::{Expected, Finding, Settings, Zone};
use crate::message::Unreadable;
use crate::score::SIGNALS;
use crate::window::{Complete, Window};
use crate::wire::{Input, put_bytes, put_number, put_signed};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Zones of a key group that are judged, the first ones that are asked. One has a quarter of a megabyte once it has been seen for
/// days; windows of the others are told all the same.
pub const ZONES_MAX: usize = 1_000;
/// A zone that nobody asked for so long, in event time, is forgotten: a month, so that one that is asked once a month is not
/// learnt anew each time.
const FORGET_MS: i64 = 31 * 86_400_000;

/// What people are shown are minutes.
const SHOWN_MS: i64 = 60_000;

/// By zone key.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Zones(BTreeMap<Arc<str>, Watched>);

#[derive(Debug, Clone, PartialEq)]
struct Watched {
    zone: Zone,
    name: Arc<str>,
    /// The end of the last window with a query, milliseconds since 1970.
    asked_ms: i64,
}

impl Zones {
    /// Judges a window of all zones that is complete, and tells it. A zone that is not in it was not asked.
    pub(super) fn close(&mut self, complete: Complete, judging: &Judging, outcome: &mut Outcome) {
        let Complete { start_ms, length_ms, whole, coverage, mut zones } = complete;
        let end_ms = start_ms.saturating_add(length_ms);
        let whole = whole && end_ms <= judging.whole_until_ms;
        zones.iter_mut().for_each(|window| window.whole = whole);
        for window in zones.iter().filter(|window| window.queries > 0) {
            match self.watched(window, judging) {
                Some(watched) => watched.asked_ms = watched.asked_ms.max(end_ms),
                None => outcome.zones_limited += 1,
            }
        }
        let mut counted = zones.into_iter().peekable();
        for (zone_key, watched) in &mut self.0 {
            while let Some(window) = counted.next_if(|window| window.zone_key < *zone_key) {
                outcome.windows.push(Seen::unjudged(window));
            }
            let silent = || Window {
                zone_key: zone_key.clone(),
                zone_name: watched.name.clone(),
                start_ms,
                length_ms,
                whole,
                coverage,
                ..Window::default()
            };
            let window = counted.next_if(|window| window.zone_key == *zone_key).unwrap_or_else(silent);
            let (findings, looks) = watched.zone.push_looked(&window, &judging.settings);
            outcome.findings.extend(findings);
            let scores = judging.settings.scores(&window, &looks);
            let (mut values, mut expected) = ([None; SIGNALS], [None; SIGNALS]);
            if length_ms == SHOWN_MS {
                values = watched.zone.baseline().values(&window);
                expected = looks.map(|look| look.as_ref().map(Expected::of_row));
            }
            outcome.windows.push(Seen { window, scores, values, expected });
        }
        outcome.windows.extend(counted.map(Seen::unjudged));
        self.0.retain(|_, watched| end_ms - watched.asked_ms <= FORGET_MS);
    }

    /// Judges a zone's window that is still open.
    pub(super) fn judge_open(&mut self, window: &Window, judging: &Judging, outcome: &mut Outcome) {
        if let Some(watched) = self.watched(window, judging) {
            outcome.findings.extend(watched.zone.excess(window, &judging.settings));
        }
    }

    /// The zone of a window, new or not, if it is judged. Many zones together are none.
    fn watched(&mut self, window: &Window, judging: &Judging) -> Option<&mut Watched> {
        let key = &window.zone_key;
        let is_new = !self.0.contains_key(key);
        if is_new && (key.is_empty() || self.0.len() >= ZONES_MAX) {
            return None;
        }
        if is_new {
            let zone = judging.baselines.zone(key).unwrap_or_default();
            let asked_ms = window.start_ms.saturating_add(window.length_ms);
            self.0.insert(key.clone(), Watched { zone, name: window.zone_name.clone(), asked_ms });
        }
        self.0.get_mut(key)
    }

    /// What is usual in each.
    pub(super) fn usual(&self) -> impl Iterator<Item = (Arc<str>, Zone)> {
        self.0.iter().map(|(key, watched)| (key.clone(), watched.zone.usual()))
    }

    /// The findings that are open.
    pub(super) fn open(&self, settings: &Settings) -> impl Iterator<Item = Finding> {
        self.0.iter().flat_map(|(key, watched)| watched.zone.open_findings(key, &watched.name, settings))
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        put_number(out, self.0.len() as u64);
        for (key, watched) in &self.0 {
            put_bytes(out, key.as_bytes());
            put_bytes(out, watched.name.as_bytes());
            put_signed(out, watched.asked_ms);
            watched.zone.encode(out);
        }
    }

    pub(super) fn decode(input: &mut Input<'_>) -> Result<Self, Unreadable> {
        let count = input.count().filter(|count| *count <= ZONES_MAX).ok_or(Unreadable::Malformed)?;
        let mut zones = BTreeMap::new();
        for _ in 0..count {
            let head = |input: &mut Input<'_>| Some((input.name()?, input.name()?, input.signed_time()?));
            let (key, name, asked_ms) = head(input).ok_or(Unreadable::Malformed)?;
            zones.insert(key, Watched { zone: Zone::decode(input)?, name, asked_ms });
        }
        Ok(Self(zones))
    }
}
