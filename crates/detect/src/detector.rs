//! All that a rollup shard's task knows of its key groups: their states, and the longer windows that are not complete.
//!
//! A fold over the shard's own records, and nothing else goes in. What is stored of it is one object: a version, the states as
//! [`Snapshot`] has them, and each group's sums.

use crate::message::{Message, Unreadable};
use crate::pane::Tally;
use crate::rollup::{Refused, Settings, Told};
use crate::snapshot::Snapshot;
use crate::window::{LENGTHS_MS, Sums, Window};
use crate::wire::{Input, put_bytes, put_number};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// The version written. Version 1 is the first, so there is no previous one to read yet.
pub const VERSION: u8 = 1;

/// The key groups of one rollup shard.
#[derive(Debug, Clone, PartialEq)]
pub struct Detector {
    settings: Settings,
    states: Snapshot<Tally>,
    sums: BTreeMap<u16, Sums>,
}

/// What came of a record, or of the shard's end.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Panes that were closed, and what is counted of messages.
    pub told: Told<Tally>,
    /// Windows of all lengths that are complete with them, in order.
    pub windows: Vec<Window>,
}

impl Detector {
    /// Of groups that have heard of nothing.
    pub fn new(settings: Settings) -> Self {
        Self { states: Snapshot::new(settings.clone()), settings, sums: BTreeMap::new() }
    }

    /// Takes in the next record of the shard, which arrived at `arrival_ms`, milliseconds since 1970.
    pub fn apply(&mut self, message: Message<Tally>, arrival_ms: i64) -> Result<Outcome, Refused> {
        let group = message.group;
        if group >= self.settings.constants.groups {
            return Err(Refused::Constants);
        }
        let told = self.states.group(group).apply(message, arrival_ms)?;
        Ok(self.sum_up(group, told))
    }

    /// The shard has ended: what still waits waits in vain. By key group, in their order.
    pub fn end(&mut self) -> Vec<Outcome> {
        let told: Vec<_> = self.states.groups().map(|state| (state.group(), state.end())).collect();
        told.into_iter().map(|(group, told)| self.sum_up(group, told)).collect()
    }

    /// The windows that are not complete, for when no record of any kind will follow. None of them is whole.
    pub fn rest(&mut self) -> Vec<Window> {
        self.sums.values_mut().flat_map(Sums::end).collect()
    }

    fn sum_up(&mut self, group: u16, told: Told<Tally>) -> Outcome {
        let sums = self.sums.entry(group).or_insert_with(|| sums(&self.settings));
        let windows = told.closed.iter().flat_map(|closed| sums.take(closed)).collect();
        Outcome { told, windows }
    }

    /// Takes over the key groups of a parent whose hash keys lie in `range`.
    pub fn take_over(&mut self, parent: &Self, range: &RangeInclusive<u128>) {
        let mut part = parent.states.part(range);
        let groups: Vec<u16> = part.groups().map(|state| state.group()).collect();
        self.states.join(part);
        self.sums.extend(
            parent.sums.iter().filter(|(group, _)| groups.contains(group)).map(|(group, sums)| (*group, sums.clone())),
        );
    }

    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        put_bytes(&mut out, &self.states.encode());
        put_number(&mut out, self.sums.len() as u64);
        for (group, sums) in &self.sums {
            put_number(&mut out, (*group).into());
            sums.encode(&mut out);
        }
        out
    }

    /// From its bytes. The settings are the reader's.
    pub fn decode(bytes: &[u8], settings: &Settings) -> Result<Self, Unreadable> {
        let mut input = Input::new(bytes);
        input.version(VERSION)?;
        let states = input.bytes(usize::MAX).ok_or(Unreadable::Malformed)?;
        let states = Snapshot::decode(states, settings)?;
        let group = |input: &mut Input<'_>| {
            let group = input.number()?.try_into().ok().filter(|group| *group < settings.constants.groups)?;
            let mut sums = sums(settings);
            sums.decode(input)?;
            Some((group, sums))
        };
        let sums = input.count().and_then(|count| (0..count).map(|_| group(&mut input)).collect::<Option<_>>());
        let sums = sums.filter(|_| input.is_empty()).ok_or(Unreadable::Malformed)?;
        Ok(Self { settings: settings.clone(), states, sums })
    }
}

fn sums(settings: &Settings) -> Sums {
    Sums::new(settings.constants.pane_ms.into(), &LENGTHS_MS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Constants, Header};
    use crate::pane::Asked;
    use crate::summary::Summary;
    use crate::{Sequence, hash_key, key_group};
    use dnslog::{QueryType, ResponseCode, Transport};

    const ZONES: [&str; 6] = ["Z1", "Z2", "Z3", "Z4", "Z5", "Z6"];

    fn constants() -> Constants {
        Constants { groups: 4, pane_ms: 10_000, lateness_ms: 1_000 }
    }

    /// The messages of an epoch of one query a zone every ten seconds, up to the `through`th.
    fn epoch(after: u32, through: u32) -> Vec<Message<Tally>> {
        let mut summary = Summary::<Tally>::new(constants());
        for number in after..through {
            let time_ms = 1_000_000 + i64::from(number) * 10_000;
            for zone in ZONES {
                let pane = summary.pane(zone, time_ms, time_ms).expect("in time");
                pane.add(&Asked {
                    zone: "example.com",
                    relative_name: &format!("n{number}"),
                    query_type: QueryType::A,
                    response_code: ResponseCode::NoError,
                    transport: Transport::Udp,
                    edge: "FRA6",
                    source_ip: None,
                    longest_label: 2,
                    entropy_millibits: 1_000,
                    event_id: "",
                });
            }
        }
        let place = |number: u32| (number > 0).then(|| Sequence::parse(&number.to_string()).expect("a number"));
        summary.messages(&Header {
            constants: constants(),
            shard: "s".into(),
            hash_range: 0..=u128::MAX,
            parents: Vec::new(),
            after: place(after),
            through: place(through),
            time_ms: 1_000_000 + i64::from(through) * 10_000,
            hole_ms: None,
            end: false,
        })
    }

    fn fold(detector: &mut Detector, epochs: impl Iterator<Item = u32>) -> Vec<Window> {
        let messages = epochs.flat_map(|number| epoch(number * 5, number * 5 + 5));
        messages.flat_map(|message| detector.apply(message, 2_000_000).expect("of this stream").windows).collect()
    }

    fn new() -> Detector {
        Detector::new(Settings::new(constants()))
    }

    #[test]
    fn what_is_stored_goes_on_as_if_nothing_had_been() {
        let mut uninterrupted = new();
        let expected = [fold(&mut uninterrupted, 0..7), fold(&mut uninterrupted, 7..30)];
        let mut first = new();
        assert_eq!(fold(&mut first, 0..7), expected[0]);
        let stored = first.encode();
        let mut second = Detector::decode(&stored, &Settings::new(constants())).expect("it was stored");
        assert_eq!((&second, second.encode()), (&first, stored));
        assert_eq!(fold(&mut second, 7..30), expected[1]);
        let minutes = expected.concat().into_iter().filter(|window| window.length_ms == 600_000).count();
        assert!(minutes >= 2 * ZONES.len(), "windows of ten minutes that began before it was stored");
    }

    #[test]
    fn children_tell_what_their_parent_would_have_told() {
        let mut parent = new();
        fold(&mut parent, 0..7);
        let middle = u128::MAX / 2;
        let part = |range: RangeInclusive<u128>| {
            let mut child = new();
            child.take_over(&parent, &range);
            (child, range)
        };
        let mut told = Vec::new();
        for (mut child, range) in [part(0..=middle), part(middle + 1..=u128::MAX)] {
            let own = |message: &Message<Tally>| range.contains(&hash_key(message.group, 4));
            for message in (7..30).flat_map(|number| epoch(number * 5, number * 5 + 5)).filter(own) {
                told.extend(child.apply(message, 2_000_000).expect("of this stream").windows);
            }
        }
        let order = |window: &Window| (window.zone_key.clone(), window.start_ms, window.length_ms);
        let mut expected = fold(&mut parent, 7..30);
        expected.sort_by_key(order);
        told.sort_by_key(order);
        assert_eq!(told, expected);
        assert!(ZONES.iter().any(|zone| key_group(zone, 4) < 2) && ZONES.iter().any(|zone| key_group(zone, 4) >= 2));
    }

    #[test]
    fn damaged_and_later_objects_are_refused() {
        let mut detector = new();
        fold(&mut detector, 0..7);
        let bytes = detector.encode();
        let settings = Settings::new(constants());
        for length in 0..bytes.len() {
            assert_eq!(Detector::decode(&bytes[..length], &settings), Err(Unreadable::Malformed), "{length}");
        }
        let later = [&[VERSION + 1], &bytes[1..]].concat();
        assert_eq!(Detector::decode(&later, &settings), Err(Unreadable::Newer(VERSION + 1)));
    }
}
