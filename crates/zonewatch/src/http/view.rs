//! What the status page knows: counts of the epochs that were acknowledged, since the start and lately.
//!
//! Bounded whatever the traffic: so many zones and names (the rest are counted together), so many slots of time.

use crate::clock::Clock;
use crate::printable::printable;
use crate::zone_views::Brief;
use detect::{Digest, Limits, TopName};
use dnslog::{QueryType, Reason, ResponseCode};
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

/// Zones shown; more than fit a page.
const LIMITS: Limits = Limits { zones_max: 200, top_names: 16 };
/// Slots that "lately" consists of, the one under way included.
const RECENT_SLOTS: u64 = 6;
/// Slots of the small curve beside each zone.
const HISTORY_SLOTS: u64 = 60;

/// Whose view it is.
#[derive(Debug, Clone, Default)]
pub struct Title {
    /// `worker.app`.
    pub app: String,
    /// The worker's name.
    pub worker: String,
    /// The source stream.
    pub stream: String,
}

/// The view of one worker.
#[derive(Debug)]
pub struct View {
    seed: u64,
    clock: Clock,
    slot: Duration,
    state: RwLock<State>,
}

#[derive(Debug)]
struct State {
    total: Digest,
    /// By slot, at most [`RECENT_SLOTS`].
    recent: VecDeque<(u64, Digest)>,
    /// By zone key and slot, at most [`HISTORY_SLOTS`] of as many zones as a digest holds.
    history: BTreeMap<String, VecDeque<(u64, u64)>>,
    /// By `Reason`'s place in `Reason::ALL`.
    rejects: Vec<u64>,
}

/// The view at one moment.
#[derive(Debug)]
pub struct Snapshot {
    /// The time of day, milliseconds since 1970, on the worker's clock.
    pub now_ms: i64,
    /// Since the worker started.
    pub uptime: Duration,
    /// The time that "recent" covers.
    pub recent: Duration,
    /// How long a slot of a zone's history is, milliseconds.
    pub slot_ms: i64,
    /// Where the slots of a zone's history begin that the worker has lived in, milliseconds since 1970.
    pub slots_ms: Vec<i64>,
    /// Zones, the busiest first.
    pub zones: Vec<ZoneView>,
    /// Queries since the start, all zones.
    pub queries_total: u64,
    /// Rejects since the start, by reason, the most frequent first.
    pub rejects: Vec<(&'static str, u64)>,
}

/// A zone at one moment. All but `queries_total` and `history` is recent.
#[derive(Debug)]
pub struct ZoneView {
    /// The zone id, or the name where there is none; empty for all zones beyond the limit.
    pub key: String,
    /// Its name, made by whoever owns the zone: escape it.
    pub name: String,
    /// Queries.
    pub queries: u64,
    /// Queries a second.
    pub rate: f64,
    /// By response code, those that occurred.
    pub codes: Vec<(ResponseCode, u64)>,
    /// By query type, those that occurred, the most frequent first.
    pub types: Vec<(QueryType, u64)>,
    /// Different names, estimated.
    pub distinct_names: u64,
    /// The names asked most, chosen by whoever asks: escape them.
    pub top_names: Vec<TopName>,
    /// Queries since the start.
    pub queries_total: u64,
    /// Queries of each of the last [`HISTORY_SLOTS`] slots, the oldest first.
    pub history: Vec<u64>,
}

impl View {
    /// An empty view. `seed` is the observers' (digests merge only within one seed); `slot` is the grain of time, 10 s
    /// in real time.
    pub fn new(seed: u64, clock: Clock, slot: Duration) -> Self {
        let state = State {
            total: Digest::new(LIMITS, seed),
            recent: VecDeque::new(),
            history: BTreeMap::new(),
            rejects: vec![0; Reason::ALL.len()],
        };
        Self { seed, clock, slot, state: RwLock::new(state) }
    }

    /// Takes in an acknowledged epoch. `rejects` counts by `Reason`'s place in `Reason::ALL`, or is empty.
    pub fn observed(&self, digest: &Digest, rejects: &[u64]) {
        let slot = self.slot_now();
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.total.merge(digest);
        if state.recent.back().is_none_or(|(last, _)| *last < slot) {
            state.recent.push_back((slot, Digest::new(LIMITS, self.seed)));
        }
        state.recent.retain(|(at, _)| at + RECENT_SLOTS > slot);
        let (_, current) = state.recent.back_mut().expect("the slot under way was just added");
        current.merge(digest);
        for zone in digest.zones().chain([digest.other()]).filter(|zone| zone.total() > 0) {
            if state.history.len() >= LIMITS.zones_max && !state.history.contains_key(zone.key()) {
                continue;
            }
            let slots = state.history.entry(zone.key().to_owned()).or_default();
            match slots.back_mut() {
                Some((last, count)) if *last >= slot => *count += zone.total(),
                _ => slots.push_back((slot, zone.total())),
            }
        }
        state.history.retain(|_, slots| {
            slots.retain(|(at, _)| at + HISTORY_SLOTS > slot);
            !slots.is_empty()
        });
        for (sum, count) in state.rejects.iter_mut().zip(rejects) {
            *sum += count;
        }
    }

    /// The view now.
    pub fn snapshot(&self) -> Snapshot {
        let slot = self.slot_now();
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let mut recent = Digest::new(LIMITS, self.seed);
        for (_, digest) in state.recent.iter().filter(|(at, _)| at + RECENT_SLOTS > slot) {
            recent.merge(digest);
        }
        let covered = self.covered(slot);
        let mut zones: Vec<ZoneView> = recent
            .zones()
            .chain([recent.other()])
            .filter(|zone| zone.total() > 0)
            .map(|zone| zone_view(zone, &state, covered, slot))
            .collect();
        zones.sort_by(|one, other| other.queries.cmp(&one.queries).then_with(|| one.key.cmp(&other.key)));
        let mut rejects: Vec<(&'static str, u64)> =
            Reason::ALL.iter().map(|reason| reason.as_str()).zip(state.rejects.iter().copied()).collect();
        rejects.retain(|(_, count)| *count > 0);
        rejects.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let (now_ms, uptime, slot_ms) = (self.clock.now_ms(), self.clock.elapsed(), self.slot.as_millis() as i64);
        let started_ms = now_ms - uptime.as_millis() as i64;
        let slots = slot.saturating_sub(HISTORY_SLOTS - 1)..=slot;
        Snapshot {
            now_ms,
            uptime,
            recent: covered,
            slot_ms,
            slots_ms: slots.map(|slot| started_ms + slot as i64 * slot_ms).collect(),
            queries_total: state.total.total(),
            zones,
            rejects,
        }
    }

    /// The time of day on the worker's clock, milliseconds since 1970.
    pub fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// Changes when the list of zones would be another one.
    pub fn tag(&self) -> (u64, u64) {
        let queries = self.state.read().unwrap_or_else(PoisonError::into_inner).total.total();
        (self.slot_now(), queries)
    }

    fn slot_now(&self) -> u64 {
        (self.clock.elapsed().as_nanos() / self.slot.as_nanos().max(1)) as u64
    }

    /// The time that the recent slots cover: whole ones, the part of the one under way, and no more than the uptime.
    fn covered(&self, slot: u64) -> Duration {
        let first = slot.saturating_sub(RECENT_SLOTS - 1);
        self.clock.elapsed().saturating_sub(self.slot.mul_f64(first as f64))
    }
}

fn zone_view(zone: &detect::Zone, state: &State, covered: Duration, slot: u64) -> ZoneView {
    let mut types: Vec<(QueryType, u64)> = QueryType::ALL.iter().map(|kind| (*kind, zone.with_type(*kind))).collect();
    types.retain(|(_, count)| *count > 0);
    types.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let counted = state.total.zones().find(|total| total.key() == zone.key()).map_or(0, detect::Zone::total);
    let slots = state.history.get(zone.key());
    let at = |age: u64| {
        let wanted = slot.checked_sub(age)?;
        slots?.iter().find(|(at, _)| *at == wanted).map(|(_, count)| *count)
    };
    ZoneView {
        key: zone.key().to_owned(),
        name: if zone.key().is_empty() { "other".to_owned() } else { zone.name().to_owned() },
        queries: zone.total(),
        rate: zone.total() as f64 / covered.as_secs_f64().max(1.0),
        codes: codes(|code| zone.with_code(code)),
        types,
        distinct_names: zone.names().estimate(),
        top_names: zone.top_names(),
        queries_total: if zone.key().is_empty() { state.total.other().total() } else { counted },
        history: (0..HISTORY_SLOTS).rev().map(|age| at(age).unwrap_or(0)).collect(),
    }
}

fn codes(count: impl Fn(ResponseCode) -> u64) -> Vec<(ResponseCode, u64)> {
    ResponseCode::ALL.iter().map(|code| (*code, count(*code))).filter(|(_, count)| *count > 0).collect()
}

impl ZoneView {
    /// As in the list of the whole fleet's zones, and what only its own digests say.
    fn json(&self, slots_ms: &[i64], findings: &[Value]) -> Value {
        let codes = self.codes.iter().map(|(code, count)| (code.as_str().to_owned(), *count)).collect();
        let history = &self.history[self.history.len() - slots_ms.len()..];
        let mut brief = Brief {
            zone: printable(&self.name),
            zone_id: printable(&self.key),
            minutes: slots_ms.iter().copied().zip(history.iter().copied()).collect(),
            ..Brief::new(self.rate, codes, std::iter::empty())
        };
        for finding in findings.iter().filter(|finding| finding["zone_id"] == *printable(&self.key)) {
            brief.add_finding(finding);
        }
        let top_names: Vec<Value> =
            self.top_names.iter().map(|top| json!({"name": printable(&top.name), "count": top.count})).collect();
        let mut json = json!(brief);
        json["queries"] = self.queries.into();
        json["queries_total"] = self.queries_total.into();
        json["types"] = counts_json(self.types.iter().map(|(kind, count)| (kind.as_str(), *count)));
        json["distinct_names"] = self.distinct_names.into();
        json["top_names"] = top_names.into();
        json
    }
}

fn counts_json<'a>(counts: impl Iterator<Item = (&'a str, u64)>) -> Value {
    Value::Object(counts.map(|(name, count)| (name.to_owned(), count.into())).collect())
}

impl Snapshot {
    /// `/api/v1/zones` where no window is known: what this worker reads itself. Findings may be known all the same.
    pub fn zones_json(&self, findings: &[Value]) -> Value {
        json!({
            "version": 1,
            "time_ms": self.now_ms,
            "scope": "worker",
            "windows_until": null,
            "slot_ms": self.slot_ms,
            "recent_seconds": self.recent.as_secs_f64(),
            "zones_total": self.zones.len(),
            "zones": self.zones.iter().map(|zone| zone.json(&self.slots_ms, findings)).collect::<Vec<_>>(),
        })
    }

    /// What `/api/v1/fleet` says of this worker beside what all say of themselves.
    pub fn worker_json(&self, ready: &Result<(), String>) -> Value {
        json!({
            "ready": ready.is_ok(),
            "not_ready_because": ready.as_ref().err(),
            "uptime_seconds": self.uptime.as_secs_f64(),
            "queries_total": self.queries_total,
            "rejects": counts_json(self.rejects.iter().copied()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dnslog::QueryType::A;
    use dnslog::ResponseCode::{NoError, NxDomain};

    fn digest(zone: &str, queries: u32) -> Digest {
        let mut digest = Digest::new(Limits::default(), 1);
        for at in 0..queries {
            let code = if at % 4 == 0 { NxDomain } else { NoError };
            digest.add(zone, zone, &format!("n{}.{zone}", at % 2), A, code, 0);
        }
        digest
    }

    #[tokio::test(start_paused = true)]
    async fn recent_counts_pass_and_totals_stay() {
        let view = View::new(1, Clock::scaled(0, 1.0), Duration::from_secs(10));
        tokio::time::advance(Duration::from_secs(30)).await;
        view.observed(&digest("a.test", 60), &[]);
        view.observed(&digest("b.test", 8), &[]);
        let shot = view.snapshot();
        assert_eq!(shot.zones.iter().map(|zone| zone.name.as_str()).collect::<Vec<_>>(), ["a.test", "b.test"]);
        let zone = &shot.zones[0];
        assert_eq!((zone.queries, zone.queries_total, zone.distinct_names, zone.rate), (60, 60, 2, 2.0));
        assert_eq!(zone.codes, [(NoError, 45), (NxDomain, 15)]);
        assert_eq!((zone.history[59], zone.history[58]), (60, 0));

        tokio::time::advance(Duration::from_secs(40)).await;
        view.observed(&digest("a.test", 4), &[]);
        let shot = view.snapshot();
        assert_eq!((shot.zones[0].queries, shot.zones[0].history[55], shot.zones[0].history[59]), (64, 60, 4));

        tokio::time::advance(Duration::from_secs(30)).await;
        let shot = view.snapshot();
        assert_eq!((shot.zones.len(), shot.zones[0].queries, shot.zones[0].queries_total), (1, 4, 64));
        assert_eq!(shot.queries_total, 72);

        for _ in 0..100 {
            tokio::time::advance(Duration::from_secs(10)).await;
            view.observed(&digest("a.test", 1), &[]);
        }
        let state = view.state.read().unwrap();
        assert_eq!((state.recent.len() as u64, state.history["a.test"].len() as u64), (RECENT_SLOTS, HISTORY_SLOTS));
    }

    #[tokio::test(start_paused = true)]
    async fn zones_without_end_stay_bounded_and_counted() {
        let view = View::new(1, Clock::scaled(0, 1.0), Duration::from_secs(10));
        for at in 0..1_000 {
            view.observed(&digest(&format!("z{at}.test"), 1), &[]);
        }
        let shot = view.snapshot();
        assert_eq!(shot.zones.len(), LIMITS.zones_max + 1);
        assert_eq!(shot.zones.iter().map(|zone| zone.queries).sum::<u64>(), 1_000);
        assert!(view.state.read().unwrap().history.len() <= LIMITS.zones_max);
    }

    #[tokio::test(start_paused = true)]
    async fn rejects_are_summed_by_reason() {
        let view = View::new(1, Clock::scaled(0, 1.0), Duration::from_secs(10));
        let mut rejects = vec![0; Reason::ALL.len()];
        rejects[Reason::BadJson as usize] = 2;
        rejects[Reason::Empty as usize] = 1;
        view.observed(&digest("a.test", 1), &rejects);
        view.observed(&digest("a.test", 1), &rejects);
        assert_eq!(view.snapshot().rejects, [("bad_json", 4), ("empty", 2)]);
    }
}
