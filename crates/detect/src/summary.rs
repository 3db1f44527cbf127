//! From an epoch's records to its messages.
//!
//! What is made is a function of the records and of constants, so that a successor that makes the epoch again makes the
//! same: whether a query is late is judged by its own record's arrival, never by what a shard lags behind.

use crate::key_group;
use crate::message::{Constants, Header, Message, Pane, Zone};
use crate::rollup::FUTURE_MS;
use crate::wire::NAME_BYTES_MAX;
use dnslog::same;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A Kinesis record takes 1 MiB by default, its partition key included, which is at most 256 bytes.
pub const MESSAGE_BYTES_MAX: usize = (1 << 20) - 256;

/// Sizes of an epoch. The zones of Resolver logs are chosen by whoever asks; whatever is beyond is counted together, under
/// the empty key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Zones counted apart.
    pub zones_max: usize,
    /// Panes of those zones: a zone has at most one for each pane of the lateness and of the minute ahead, and for each that
    /// the epoch's arrivals go on.
    pub panes_max: usize,
}

/// 1,000 zones, and as many panes as they have in 5 min of lateness: 37 each.
impl Default for Limits {
    fn default() -> Self {
        Self { zones_max: 1_000, panes_max: 40_000 }
    }
}

/// What an epoch's queries come to.
#[derive(Debug, Clone)]
pub struct Summary<P> {
    constants: Constants,
    limits: Limits,
    /// Places in `sums`, by zone key.
    zones: BTreeMap<Arc<str>, usize>,
    sums: Vec<Sum>,
    panes: Vec<Weighed<P>>,
    /// Where the last query was counted: neighbours are mostly of one zone and pane.
    last: Place,
    beyond: u64,
    /// Bytes of each key group's message as far as they were weighed, and the panes counted in since then.
    group_bytes: Vec<usize>,
    unweighed: Vec<usize>,
}

/// A pane, and what it weighed when that was last looked at.
#[derive(Debug, Clone)]
struct Weighed<P> {
    /// Apart, because it is large and the list grows.
    pane: Box<P>,
    group: usize,
    bytes: usize,
    /// It is one of `unweighed`.
    is_unweighed: bool,
}

/// What an epoch has come to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sizes {
    /// Bytes held.
    pub bytes: usize,
    /// No message has more bytes: an epoch is cut before it has more than fit.
    pub message_bytes_max: usize,
}

/// What is counted of a zone.
#[derive(Debug, Clone)]
struct Sum {
    key: Arc<str>,
    group: usize,
    late: u64,
    future: u64,
    /// Places in `panes`, by the pane's start.
    panes: BTreeMap<i64, usize>,
}

/// A pane of a zone, by their places.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    zone: usize,
    start_ms: i64,
    pane: usize,
}

/// Where a query belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judged {
    /// Older at its record's arrival than the lateness allows.
    Late,
    /// Dated more than a minute after its record's arrival: a wrong clock must not open windows in 2099.
    Future,
    /// Into the pane that starts here, milliseconds since 1970.
    Pane(i64),
}

impl Constants {
    /// Where a query of `time_ms` belongs whose record arrived at `arrival_ms`, both milliseconds since 1970.
    pub fn judge(&self, time_ms: i64, arrival_ms: i64) -> Judged {
        self.judge_near(time_ms, arrival_ms, 0)
    }

    /// The same, quicker if the query belongs into the pane that starts at `near_ms`: no division.
    fn judge_near(&self, time_ms: i64, arrival_ms: i64, near_ms: i64) -> Judged {
        if time_ms < arrival_ms.saturating_sub(self.lateness_ms.into()) || time_ms < 0 {
            Judged::Late
        } else if time_ms > arrival_ms.saturating_add(FUTURE_MS) {
            Judged::Future
        } else if (0..i64::from(self.pane_ms)).contains(&(time_ms - near_ms)) {
            Judged::Pane(near_ms)
        } else {
            Judged::Pane(time_ms - time_ms % i64::from(self.pane_ms))
        }
    }
}

impl<P: Pane> Summary<P> {
    /// Of nothing yet.
    pub fn new(constants: Constants) -> Self {
        Self::with_limits(constants, Limits::default())
    }

    /// The same with other limits. They decide what is counted together, so all workers need the same.
    pub fn with_limits(constants: Constants, limits: Limits) -> Self {
        Self {
            constants,
            limits,
            zones: BTreeMap::new(),
            sums: Vec::new(),
            panes: Vec::new(),
            last: Place::default(),
            beyond: 0,
            group_bytes: vec![HEADER_BYTES; usize::from(constants.groups)],
            unweighed: Vec::new(),
        }
    }

    /// The pane in which a query counts. `None`: it is late or future, and has been counted as that.
    #[inline]
    pub fn pane(&mut self, zone_key: &str, time_ms: i64, arrival_ms: i64) -> Option<&mut P> {
        let judged = self.constants.judge_near(time_ms, arrival_ms, self.last.start_ms);
        let is_last = judged == Judged::Pane(self.last.start_ms)
            && self.sums.get(self.last.zone).is_some_and(|sum| same(sum.key.as_bytes(), zone_key));
        // Late queries may have come before there was any pane.
        if is_last && self.last.pane < self.panes.len() {
            return Some(&mut self.panes[self.last.pane].pane);
        }
        self.other_pane(zone_key, judged)
    }

    /// The same where it is not the one of the query before.
    fn other_pane(&mut self, zone_key: &str, judged: Judged) -> Option<&mut P> {
        let zone = self.zone(zone_key);
        match judged {
            Judged::Pane(start_ms) => {
                self.last = self.place(zone, start_ms);
                self.touch(self.last.pane);
                return Some(&mut self.panes[self.last.pane].pane);
            }
            Judged::Late => self.sums[zone].late += 1,
            Judged::Future => self.sums[zone].future += 1,
        }
        None
    }

    /// What it has come to. Only panes that were counted in since the last call are looked at.
    pub fn weigh(&mut self) -> Sizes {
        for place in std::mem::take(&mut self.unweighed) {
            let Weighed { pane, group, bytes, is_unweighed } = &mut self.panes[place];
            let now = ZONE_BYTES + pane.bytes();
            self.group_bytes[*group] = self.group_bytes[*group] - *bytes + now;
            (*bytes, *is_unweighed) = (now, false);
        }
        // The next query may be counted in the same pane without a look at its place.
        if !self.panes.is_empty() {
            self.touch(self.last.pane);
        }
        Sizes {
            bytes: self.group_bytes.iter().sum(),
            message_bytes_max: self.group_bytes.iter().copied().max().unwrap_or(0),
        }
    }

    fn touch(&mut self, place: usize) {
        if !std::mem::replace(&mut self.panes[place].is_unweighed, true) {
            self.unweighed.push(place);
        }
    }

    /// The zone's place in `sums`, or that of the empty key if there are too many.
    fn zone(&mut self, zone_key: &str) -> usize {
        // No message may hold a longer key.
        let zone_key = &zone_key[..zone_key.floor_char_boundary(NAME_BYTES_MAX)];
        if let Some(zone) = self.zones.get(zone_key) {
            return *zone;
        }
        if self.zones.len() >= self.limits.zones_max && !zone_key.is_empty() {
            self.beyond += 1;
            return self.zone("");
        }
        let key: Arc<str> = zone_key.into();
        let group = usize::from(key_group(&key, self.constants.groups));
        self.group_bytes[group] += ZONE_BYTES + key.len();
        self.zones.insert(key.clone(), self.sums.len());
        self.sums.push(Sum { key, group, late: 0, future: 0, panes: BTreeMap::new() });
        self.sums.len() - 1
    }

    fn place(&mut self, zone: usize, start_ms: i64) -> Place {
        let Sum { key, group, panes, .. } = &mut self.sums[zone];
        if let Some(pane) = panes.get(&start_ms) {
            return Place { zone, start_ms, pane: *pane };
        }
        if self.panes.len() >= self.limits.panes_max && !key.is_empty() {
            self.beyond += 1;
            let zone = self.zone("");
            return self.place(zone, start_ms);
        }
        panes.insert(start_ms, self.panes.len());
        self.panes.push(Weighed { pane: Box::default(), group: *group, bytes: 0, is_unweighed: false });
        Place { zone, start_ms, pane: self.panes.len() - 1 }
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.sums.is_empty()
    }

    /// How many panes there are, for the budget of what is held.
    pub fn panes(&self) -> usize {
        self.panes.len()
    }

    /// Queries counted under the empty key because of a limit.
    pub fn beyond(&self) -> u64 {
        self.beyond
    }

    /// The epoch's messages, one for each key group.
    pub fn messages(self, header: &Header) -> Vec<Message<P>> {
        let mut panes: Vec<Option<Box<P>>> = self.panes.into_iter().map(|weighed| Some(weighed.pane)).collect();
        let mut take = |(start_ms, place): (i64, usize)| {
            let mut pane = panes[place].take().expect("each has its place");
            pane.settle();
            (start_ms, *pane)
        };
        let zone = |Sum { key, late, future, panes, .. }| {
            let panes = BTreeMap::into_iter(panes).map(&mut take).collect();
            (key, Zone { late, future, panes })
        };
        Message::for_groups(header, self.sums.into_iter().map(zone).collect())
    }
}

/// What is in a message beside its zones: numbers, the names of a shard and its parents, two sequence numbers.
const HEADER_BYTES: usize = 1024;
/// What is said of a zone and of each of its panes beside their names and counts: numbers of at most ten bytes.
const ZONE_BYTES: usize = 40;

/// Bytes of the largest message.
pub fn largest_bytes<P: Pane>(messages: &[Message<P>]) -> usize {
    messages.iter().map(|message| message.encode().len()).max().unwrap_or(0)
}

/// How many of `count` records, at least one, an epoch may have so that its messages fit: found by halving, so that few
/// epochs are made in vain. `fits` says it of the first so many.
pub fn longest_fit(count: usize, mut fits: impl FnMut(usize) -> bool) -> usize {
    let mut length = count;
    while length > 1 && !fits(length) {
        length /= 2;
    }
    length
}

/// Takes from messages that are too large, though their epoch is one record, what can be done without, until they fit or
/// nothing is left to take; how many steps that took. The same for the same messages.
pub fn shrink<P: Pane>(messages: &mut [Message<P>], bytes_max: usize) -> u64 {
    let mut steps = 0;
    for message in messages {
        while message.encode().len() > bytes_max {
            let panes = message.zones.values_mut().flat_map(|zone| zone.panes.values_mut());
            let shrunk = panes.map(|pane| u64::from(pane.shrink())).sum::<u64>();
            if shrunk == 0 {
                break;
            }
            steps += shrunk;
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::testing::{Ids, header};

    #[test]
    fn late_and_future_are_judged_by_the_records_arrival() {
        let constants = Constants { groups: 4, pane_ms: 10, lateness_ms: 100 };
        for (time_ms, judged) in [
            (899, Judged::Late),
            (900, Judged::Pane(900)),
            (1_009, Judged::Pane(1_000)),
            (61_000, Judged::Pane(61_000)),
            (61_001, Judged::Future),
            (i64::MAX, Judged::Future),
            (i64::MIN, Judged::Late),
        ] {
            assert_eq!(constants.judge(time_ms, 1_000), judged, "{time_ms}");
        }
        assert_eq!(constants.judge(-1, 5), Judged::Late, "before 1970 there are no panes");
    }

    #[test]
    fn every_group_hears_of_every_epoch() {
        let header = header();
        let mut summary = Summary::<Ids>::new(header.constants);
        summary.pane("a", 1_000, 1_000).unwrap().0.push(7);
        assert!(summary.pane("a", 0, i64::from(u32::MAX) * 2).is_none());
        let messages = summary.messages(&header);
        assert_eq!(messages.len(), usize::from(header.constants.groups));
        let told: Vec<u16> = messages.iter().filter(|message| !message.zones.is_empty()).map(|one| one.group).collect();
        assert_eq!(told, [crate::key_group("a", header.constants.groups)]);
        assert!(messages.iter().all(|message| message.is_sound() && message.header == header));
    }

    /// A zone, its late and future queries, and its ids by pane.
    type Told = (String, u64, u64, Vec<(i64, Vec<u64>)>);

    fn told(summary: Summary<Ids>) -> Vec<Told> {
        let messages = summary.messages(&header());
        let zones = messages.into_iter().flat_map(|message| message.zones);
        let panes = |zone: Zone<Ids>| zone.panes.into_iter().map(|(start_ms, ids)| (start_ms, ids.0)).collect();
        let mut told: Vec<_> =
            zones.map(|(key, zone)| (key.to_string(), zone.late, zone.future, panes(zone))).collect();
        told.sort();
        told
    }

    #[test]
    fn zones_and_panes_in_any_turn_are_kept_apart() {
        let mut summary = Summary::<Ids>::new(header().constants);
        for (id, (zone, time_ms)) in [
            ("a", 1_000),
            ("a", 1_009),
            ("b", 1_000),
            ("a", 1_010),
            ("a", 1_001),
            ("b", 5),
            ("b", 99_999),
            ("b", 1_002),
        ]
        .into_iter()
        .enumerate()
        {
            if let Some(pane) = summary.pane(zone, time_ms, 1_000) {
                pane.0.push(id as u64);
            }
        }
        assert_eq!((summary.panes(), summary.beyond(), summary.is_empty()), (3, 0, false));
        let expected = [
            ("a".to_owned(), 0, 0, vec![(1_000, vec![0, 1, 4]), (1_010, vec![3])]),
            ("b".to_owned(), 1, 1, vec![(1_000, vec![2, 7])]),
        ];
        assert_eq!(told(summary), expected);
    }

    #[test]
    fn zones_beyond_the_limits_are_counted_together() {
        let limits = Limits { zones_max: 2, panes_max: 3 };
        let mut summary = Summary::<Ids>::with_limits(header().constants, limits);
        for (id, (zone, time_ms)) in
            [("a", 1_000), ("b", 1_000), ("c", 1_000), ("d", 0), ("a", 1_010), ("e", 1_000), ("b", 1_001), ("c", 1_020)]
                .into_iter()
                .enumerate()
        {
            if let Some(pane) = summary.pane(zone, time_ms, 1_000) {
                pane.0.push(id as u64);
            }
        }
        assert_eq!(summary.beyond(), 5);
        let expected = [
            (String::new(), 1, 0, vec![(1_000, vec![2, 5]), (1_010, vec![4]), (1_020, vec![7])]),
            ("a".to_owned(), 0, 0, vec![(1_000, vec![0])]),
            ("b".to_owned(), 0, 0, vec![(1_000, vec![1, 6])]),
        ];
        assert_eq!(told(summary), expected);
    }

    #[test]
    fn a_zone_key_is_cut_to_what_a_message_may_hold() {
        let mut summary = Summary::<Ids>::new(header().constants);
        let key = "é".repeat(300);
        summary.pane(&key, 1_000, 1_000).unwrap().0.push(1);
        summary.pane(&key, 1_000, 1_000).unwrap().0.push(2);
        for message in summary.clone().messages(&header()) {
            assert_eq!(Message::decode(&message.encode()), Ok(message));
        }
        assert_eq!(told(summary), [("é".repeat(127), 0, 0, vec![(1_000, vec![1, 2])])]);
    }

    #[test]
    fn no_message_is_larger_than_weighed_whenever_that_is() {
        let header = header();
        let mut summary = Summary::<Ids>::new(header.constants);
        for id in 0..200 {
            // Two queries a pane, so that every other one is counted without a look at its place.
            let (zone, time_ms) = (["a", "bb", "c"][id as usize / 2 % 3], 1_000 + (id as i64 / 6) % 9 * 10);
            summary.pane(zone, time_ms, 1_000).unwrap().0.push(id << 50);
            if id % 7 == 0 {
                let Sizes { bytes, message_bytes_max } = summary.weigh();
                let messages = summary.clone().messages(&header);
                assert!(largest_bytes(&messages) <= message_bytes_max, "query {id}");
                let keys: usize = summary.sums.iter().map(|sum| ZONE_BYTES + sum.key.len()).sum();
                let panes: usize = summary.panes.iter().map(|weighed| ZONE_BYTES + weighed.pane.bytes()).sum();
                assert_eq!(bytes, messages.len() * HEADER_BYTES + keys + panes, "query {id}");
            }
        }
    }

    #[test]
    fn an_epoch_is_as_long_as_fits_and_never_empty() {
        assert_eq!(longest_fit(100, |length| length <= 30), 25);
        assert_eq!(longest_fit(100, |_| true), 100);
        assert_eq!(longest_fit(7, |_| false), 1);
        assert_eq!(longest_fit(0, |_| false), 0);
    }

    #[test]
    fn one_record_too_large_loses_what_can_be_done_without() {
        let header = header();
        let mut summary = Summary::<Ids>::new(header.constants);
        for id in 0..100 {
            summary.pane("a", 1_000, 1_000).unwrap().0.push(id);
        }
        let mut messages = summary.messages(&header);
        let before = largest_bytes(&messages);
        assert_eq!(shrink(&mut messages, before), 0);
        assert!(shrink(&mut messages, before - 40) > 0);
        assert!(largest_bytes(&messages) <= before - 40);
        // Nothing is left to take: it is as small as it gets.
        shrink(&mut messages, 1);
        assert!(
            messages
                .iter()
                .all(|message| message.zones.values().all(|zone| zone.panes.values().all(|ids| ids.0.is_empty())))
        );
    }
}
