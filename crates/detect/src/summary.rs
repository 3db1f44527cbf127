//! From an epoch's records to its messages.
//!
//! What is made is a function of the records and of constants, so that a successor that makes the epoch again makes the
//! same: whether a query is late is judged by its own record's arrival, never by what a shard lags behind.

use crate::key_group;
use crate::message::{Constants, Header, Message, Pane, Zone};
use crate::rollup::FUTURE_MS;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A Kinesis record takes 1 MiB by default, its partition key included, which is at most 256 bytes.
pub const MESSAGE_BYTES_MAX: usize = (1 << 20) - 256;

/// What an epoch's queries come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary<P> {
    constants: Constants,
    zones: BTreeMap<Arc<str>, Zone<P>>,
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
        if time_ms < arrival_ms.saturating_sub(self.lateness_ms.into()) || time_ms < 0 {
            Judged::Late
        } else if time_ms > arrival_ms.saturating_add(FUTURE_MS) {
            Judged::Future
        } else {
            Judged::Pane(time_ms - time_ms % i64::from(self.pane_ms))
        }
    }
}

impl<P: Pane> Summary<P> {
    /// Of nothing yet.
    pub fn new(constants: Constants) -> Self {
        Self { constants, zones: BTreeMap::new() }
    }

    /// The pane in which a query counts. `None`: it is late or future, and has been counted as that.
    pub fn pane(&mut self, zone_key: &str, time_ms: i64, arrival_ms: i64) -> Option<&mut P> {
        let judged = self.constants.judge(time_ms, arrival_ms);
        if !self.zones.contains_key(zone_key) {
            self.zones.insert(zone_key.into(), Zone::default());
        }
        let zone = self.zones.get_mut(zone_key).expect("it was just made");
        match judged {
            Judged::Late => zone.late += 1,
            Judged::Future => zone.future += 1,
            Judged::Pane(start_ms) => return Some(zone.panes.entry(start_ms).or_default()),
        }
        None
    }

    /// Bytes that its panes hold.
    pub fn bytes(&self) -> usize {
        self.zones.iter().map(|(key, zone)| zone_bytes(key, zone)).sum()
    }

    /// No message of it has more bytes: an epoch is cut before it has more than fit.
    pub fn message_bytes_max(&self) -> usize {
        let mut groups = vec![HEADER_BYTES; usize::from(self.constants.groups)];
        for (key, zone) in &self.zones {
            groups[usize::from(key_group(key, self.constants.groups))] += zone_bytes(key, zone);
        }
        groups.into_iter().max().unwrap_or(0)
    }

    /// The epoch's messages, one for each key group.
    pub fn messages(self, header: &Header) -> Vec<Message<P>> {
        Message::for_groups(header, self.zones)
    }
}

/// What is in a message beside its zones: numbers, the names of a shard and its parents, two sequence numbers.
const HEADER_BYTES: usize = 1024;
/// What is said of a zone and of each of its panes beside their names and counts: numbers of at most ten bytes.
const ZONE_BYTES: usize = 40;

fn zone_bytes<P: Pane>(key: &str, zone: &Zone<P>) -> usize {
    ZONE_BYTES + key.len() + zone.panes.values().map(|pane| ZONE_BYTES + pane.bytes()).sum::<usize>()
}

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
