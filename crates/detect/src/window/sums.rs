//! Longer windows as sums of panes.

use super::Window;
use crate::message::Pane;
use crate::pane::Tally;
use crate::rollup::{Beside, Closed};
use crate::wire::{Input, put_bytes, put_number, put_time};
use std::collections::BTreeMap;
use std::sync::Arc;

/// 10 s, 1 min and 10 min, milliseconds: what moves fast, what a person looks at, and what needs many queries to be seen.
pub const LENGTHS_MS: [i64; 3] = [10_000, 60_000, 600_000];

/// Zones of a window that are told apart; as many as a key group counts apart beside its windows.
const ZONES_MAX: usize = 10_000;

/// Takes the closed panes of a key group in order and tells windows of several lengths, as each is complete.
///
/// Windows start at multiples of their length since 1970. One is whole only if each of its panes was told and was whole; its
/// coverage is the lowest of its panes'. Zones beyond 10,000 in a window are told together, under the empty key.
#[derive(Debug, Clone, PartialEq)]
pub struct Sums {
    pane_ms: i64,
    open: Vec<Open>,
}

/// A window of all zones that is complete.
#[derive(Debug, Clone, PartialEq)]
pub struct Complete {
    /// Where it starts, milliseconds since 1970.
    pub start_ms: i64,
    /// How long it is, milliseconds.
    pub length_ms: i64,
    /// It counts every query that was not late.
    pub whole: bool,
    /// The lowest coverage of its panes.
    pub coverage: f64,
    /// Of zones that there is something to tell of, by their keys.
    pub zones: Vec<Window>,
}

/// A window that is not complete.
#[derive(Debug, Clone, Default, PartialEq)]
struct Open {
    length_ms: i64,
    /// `None` before the first pane.
    start_ms: Option<i64>,
    panes: i64,
    whole: bool,
    coverage: f64,
    zones: BTreeMap<Arc<str>, (Tally, Beside)>,
}

impl Sums {
    /// Of panes of this length, in windows of these lengths, all of them multiples of it.
    ///
    /// # Panics
    ///
    /// If one is no multiple.
    pub fn new(pane_ms: i64, lengths_ms: &[i64]) -> Self {
        assert!(lengths_ms.iter().all(|length_ms| length_ms % pane_ms == 0), "windows are sums of whole panes");
        let open = lengths_ms.iter().map(|&length_ms| Open { length_ms, ..Open::default() });
        Self { pane_ms, open: open.collect() }
    }

    /// Takes in the next pane; the windows that are complete with it, the shorter first.
    pub fn take(&mut self, closed: &Closed<Tally>) -> Vec<Complete> {
        let mut windows = Vec::new();
        for open in &mut self.open {
            let start_ms = closed.start_ms - closed.start_ms.rem_euclid(open.length_ms);
            if open.start_ms != Some(start_ms) {
                open.tell(self.pane_ms, &mut windows);
                open.start_ms = Some(start_ms);
            }
            open.add(closed);
            if closed.start_ms + self.pane_ms == start_ms + open.length_ms {
                open.tell(self.pane_ms, &mut windows);
            }
        }
        windows
    }

    /// Appends what is not complete, without the lengths.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        self.open.iter().for_each(|open| open.encode(out));
    }

    /// Takes over what [`Sums::encode`] appended for the same lengths; `None` if it is no such thing.
    pub(crate) fn decode(&mut self, input: &mut Input<'_>) -> Option<()> {
        self.open.iter_mut().try_for_each(|open| open.decode(input))
    }

    /// What has been counted of a zone in a window that is not complete.
    pub(crate) fn so_far(&self, zone_key: &str, start_ms: i64, length_ms: i64) -> Option<&Tally> {
        let is_it = |open: &&Open| open.length_ms == length_ms && open.start_ms == Some(start_ms);
        Some(&self.open.iter().find(is_it)?.zones.get(zone_key)?.0)
    }

    /// What is not complete, for when no pane will follow. None of it is whole.
    pub fn end(&mut self) -> Vec<Complete> {
        let mut windows = Vec::new();
        self.open.iter_mut().for_each(|open| open.tell(self.pane_ms, &mut windows));
        windows
    }
}

impl Open {
    fn add(&mut self, closed: &Closed<Tally>) {
        let is_first = self.panes == 0;
        self.panes += 1;
        self.whole = closed.whole && (is_first || self.whole);
        self.coverage = if is_first { closed.coverage } else { self.coverage.min(closed.coverage) };
        for (key, tally) in &closed.zones {
            self.zone(key).0.merge(tally);
        }
        for (key, beside) in &closed.beside {
            let sum = &mut self.zone(key).1;
            sum.late = sum.late.saturating_add(beside.late);
            sum.future = sum.future.saturating_add(beside.future);
            sum.missed = sum.missed.saturating_add(beside.missed);
        }
    }

    fn zone(&mut self, key: &Arc<str>) -> &mut (Tally, Beside) {
        let full = self.zones.len() >= ZONES_MAX && !self.zones.contains_key(key);
        self.zones.entry(if full { "".into() } else { key.clone() }).or_default()
    }

    fn encode(&self, out: &mut Vec<u8>) {
        put_time(out, self.start_ms);
        put_number(out, self.panes as u64);
        out.push(u8::from(self.whole));
        out.extend_from_slice(&self.coverage.to_bits().to_be_bytes());
        put_number(out, self.zones.len() as u64);
        for (key, (tally, beside)) in &self.zones {
            put_bytes(out, key.as_bytes());
            tally.encode(out);
            [beside.late, beside.future, beside.missed].into_iter().for_each(|count| put_number(out, count));
        }
    }

    fn decode(&mut self, input: &mut Input<'_>) -> Option<()> {
        let start_ms = input.time()?;
        let panes = i64::try_from(input.number()?).ok().filter(|panes| *panes <= self.length_ms)?;
        let whole = input.flag()?;
        let coverage = f64::from_bits(u64::from_be_bytes(input.take(8)?.try_into().ok()?));
        let coverage = Some(coverage).filter(|share| (0.0..=1.0).contains(share))?;
        let zone = |input: &mut Input<'_>| {
            let (key, tally) = (input.name()?, Tally::decode(input)?);
            let beside = Beside { late: input.number()?, future: input.number()?, missed: input.number()? };
            Some((key, (tally, beside)))
        };
        let zones = (0..input.count()?).map(|_| zone(input)).collect::<Option<_>>()?;
        *self = Self { length_ms: self.length_ms, start_ms, panes, whole, coverage, zones };
        Some(())
    }

    /// Tells what there is and begins anew.
    fn tell(&mut self, pane_ms: i64, windows: &mut Vec<Complete>) {
        let Open { length_ms, start_ms, panes, whole, coverage, zones } =
            std::mem::replace(self, Self { length_ms: self.length_ms, ..Self::default() });
        let Some(start_ms) = start_ms else { return };
        let whole = whole && panes * pane_ms == length_ms;
        let zone = |(zone_key, (tally, beside)): (Arc<str>, (Tally, Beside))| {
            let window = tally.window();
            Window {
                // Many zones go under the empty key; none of their names is its name.
                zone_name: if zone_key.is_empty() { zone_key.clone() } else { window.zone_name },
                zone_key,
                start_ms,
                length_ms,
                whole,
                coverage,
                late: beside.late,
                future: beside.future,
                missed: beside.missed,
                ..window
            }
        };
        let zones = zones.into_iter().map(zone).collect();
        windows.push(Complete { start_ms, length_ms, whole, coverage, zones });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pane::Asked;
    use dnslog::{QueryType, ResponseCode, Transport};

    fn pane(start_ms: i64, whole: bool, zones: &[(&str, &[&str])]) -> Closed<Tally> {
        let tally = |names: &[&str]| {
            let mut tally = Tally::default();
            for name in names {
                tally.add(&Asked {
                    zone: "example.com",
                    relative_name: name,
                    query_type: QueryType::A,
                    response_code: ResponseCode::NoError,
                    transport: Transport::Udp,
                    edge: "FRA6-C1",
                    source_ip: None,
                    longest_label: 3,
                    entropy_millibits: 0,
                    event_id: "",
                });
            }
            tally
        };
        let zones = zones.iter().map(|(key, names)| (Arc::from(*key), tally(names))).collect();
        Closed { start_ms, whole, coverage: if whole { 1.0 } else { 0.5 }, zones, beside: BTreeMap::new() }
    }

    /// Key, start and length in panes, queries, distinct names, wholeness.
    type Few = (String, i64, i64, u64, u64, bool);

    fn few(windows: &[Window]) -> Vec<Few> {
        let of = |window: &Window| {
            let (start, length) = (window.start_ms / 10, window.length_ms / 10);
            (window.zone_key.to_string(), start, length, window.queries, window.distinct_names, window.whole)
        };
        windows.iter().map(of).collect()
    }

    fn flat(told: Vec<Complete>) -> Vec<Window> {
        told.into_iter().flat_map(|window| window.zones).collect()
    }

    #[test]
    fn a_longer_window_is_the_sum_of_its_panes_and_told_with_the_last() {
        let mut sums = Sums::new(10, &[10, 30]);
        assert_eq!(few(&flat(sums.take(&pane(30, true, &[("a", &["x", "y"])])))), [("a".into(), 3, 1, 2, 2, true)]);
        assert_eq!(few(&flat(sums.take(&pane(40, true, &[])))), []);
        let told = flat(sums.take(&pane(50, true, &[("a", &["y", "z"]), ("b", &["x"])])));
        let expected: [Few; 4] = [
            ("a".into(), 5, 1, 2, 2, true),
            ("b".into(), 5, 1, 1, 1, true),
            ("a".into(), 3, 3, 4, 3, true),
            ("b".into(), 3, 3, 1, 1, true),
        ];
        assert_eq!(few(&told), expected);
        assert_eq!((&*told[2].zone_name, told[2].coverage), ("example.com", 1.0));
        assert_eq!(few(&flat(sums.end())), []);
    }

    #[test]
    fn a_window_with_a_pane_that_is_not_whole_or_not_there_is_not_whole() {
        let mut sums = Sums::new(10, &[30]);
        sums.take(&pane(30, true, &[("a", &["x"])]));
        sums.take(&pane(40, false, &[]));
        let told = flat(sums.take(&pane(50, true, &[])));
        assert_eq!((few(&told), told[0].coverage), (vec![("a".into(), 3, 3, 1, 1, false)], 0.5));
        // It begins in the middle.
        sums.take(&pane(70, true, &[("a", &["x"])]));
        assert_eq!(few(&flat(sums.take(&pane(80, true, &[])))), [("a".into(), 6, 3, 1, 1, false)]);
        // It ends in the middle: the next pane is of another.
        sums.take(&pane(90, true, &[("a", &["x"])]));
        sums.take(&pane(100, true, &[]));
        assert_eq!(few(&flat(sums.take(&pane(120, true, &[("b", &["x"])])))), [("a".into(), 9, 3, 1, 1, false)]);
        assert_eq!(few(&flat(sums.end())), [("b".into(), 12, 3, 1, 1, false)]);
    }

    #[test]
    fn what_entered_no_window_is_told_even_of_a_zone_without_queries() {
        let mut sums = Sums::new(10, &[10, 20]);
        let mut closed = pane(20, true, &[]);
        closed.beside.insert("a".into(), Beside { late: 3, future: 2, missed: 1 });
        let told = flat(sums.take(&closed));
        assert_eq!((told[0].queries, told[0].late, told[0].future, told[0].missed), (0, 3, 2, 1));
        closed.start_ms = 30;
        let told = flat(sums.take(&closed));
        assert_eq!((told[1].length_ms, told[1].late, told[1].future, told[1].missed), (20, 6, 4, 2));
    }

    #[test]
    fn zones_beyond_the_limit_are_told_together() {
        let mut sums = Sums::new(10, &[10]);
        let keys: Vec<String> = (0..ZONES_MAX + 5).map(|number| format!("{number:05}")).collect();
        let zones: Vec<(&str, &[&str])> = keys.iter().map(|key| (key.as_str(), &["x"][..])).collect();
        let told = flat(sums.take(&pane(20, true, &zones)));
        assert_eq!(told.len(), ZONES_MAX + 1);
        assert_eq!((few(&told[..1]), &*told[0].zone_name), (vec![(String::new(), 2, 1, 5, 1, true)], ""));
    }
}
