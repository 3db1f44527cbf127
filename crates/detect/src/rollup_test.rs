//! The rules of a key group's state, one by one. The simulation shows what they give together.

use super::*;
use crate::message::Zone;
use crate::message::testing::{Ids, header};
use crate::{Position, Sequence};

fn at(number: u64) -> Position {
    (number > 0).then(|| Sequence::parse(&number.to_string()).unwrap())
}

/// An epoch of shard `s` with one query of this id and time; no query if the id is 0.
fn epoch(after: u64, through: u64, time_ms: i64, id: u64) -> Message<Ids> {
    let header = Header { after: at(after), through: at(through), time_ms, ..header() };
    let mut zones = BTreeMap::new();
    if id > 0 {
        let panes = [(time_ms - time_ms % 10, Ids([id].into()))].into();
        zones.insert("zone".into(), Zone { late: 0, future: 0, panes });
    }
    Message { header, group: 0, zones }
}

fn mark(place: u64, time_ms: i64) -> Message<Ids> {
    epoch(place, place, time_ms, 0)
}

fn of(shard: &str, range: std::ops::RangeInclusive<u128>, message: Message<Ids>) -> Message<Ids> {
    let header = Header { shard: shard.into(), hash_range: range, ..message.header };
    Message { header, ..message }
}

fn after_parent(parent: &str, message: Message<Ids>) -> Message<Ids> {
    Message { header: Header { parents: vec![parent.into()], ..message.header }, ..message }
}

fn last_word(message: Message<Ids>) -> Message<Ids> {
    Message { header: Header { end: true, ..message.header }, ..message }
}

fn with_hole(message: Message<Ids>) -> Message<Ids> {
    let hole_ms = Some(message.header.time_ms);
    Message { header: Header { hole_ms, ..message.header }, ..message }
}

/// A group of a stream with panes of 10 ms, lateness 100 ms, no margin.
struct Group {
    state: Rollup<Ids>,
    told: Vec<Closed<Ids>>,
    counts: Counts,
}

impl Group {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl Fn(&mut Settings)) -> Self {
        let mut settings = Settings { margin_ms: 0, ..Settings::new(header().constants) };
        change(&mut settings);
        Self { state: Rollup::new(settings, 0), told: Vec::new(), counts: Counts::default() }
    }

    fn apply(&mut self, message: Message<Ids>, arrival_ms: i64) -> &mut Self {
        // Whatever is saved between two records makes no difference.
        let mut bytes = Vec::new();
        self.state.encode(&mut bytes);
        let settings = self.state.settings.clone();
        self.state = Rollup::decode(&mut Input::new(&bytes), &settings).unwrap();
        let told = self.state.apply(message, arrival_ms).unwrap();
        self.take(told)
    }

    fn take(&mut self, told: Told<Ids>) -> &mut Self {
        self.told.extend(told.closed);
        let Counts { copies, gaps, holes, .. } = told.counts;
        self.counts = Counts {
            copies: self.counts.copies + copies,
            gaps: self.counts.gaps + gaps,
            holes: self.counts.holes + holes,
            ..told.counts
        };
        self
    }

    /// All ids in closed windows.
    fn ids(&self) -> Vec<u64> {
        let mut ids: Vec<u64> =
            self.told.iter().flat_map(|closed| closed.zones.values()).flat_map(|ids| ids.0.iter().copied()).collect();
        ids.sort_unstable();
        ids
    }

    fn missed(&self) -> u64 {
        self.told.iter().flat_map(|closed| closed.beside.values()).map(|beside| beside.missed).sum()
    }

    fn whole(&self, start_ms: i64) -> bool {
        self.told.iter().find(|closed| closed.start_ms == start_ms).unwrap().whole
    }
}

#[test]
fn a_copy_counts_nothing() {
    let mut group = Group::new();
    let first = epoch(0, 5, 200_000, 1);
    group.apply(first.clone(), 1).apply(first, 2).apply(epoch(5, 9, 201_000, 0), 3);
    assert_eq!((group.ids(), group.counts.copies), (vec![1], 1));
}

#[test]
fn swapped_epochs_are_applied_in_order() {
    let mut group = Group::new();
    group.apply(epoch(0, 5, 200_000, 1), 1).apply(epoch(9, 12, 200_020, 3), 2).apply(epoch(5, 9, 200_010, 2), 3);
    group.apply(mark(12, 300_000), 300_000);
    assert_eq!((group.ids(), group.counts.gaps), (vec![1, 2, 3], 0));
}

#[test]
fn a_mark_that_comes_early_waits_and_is_not_its_epoch() {
    let mut group = Group::new();
    group.apply(epoch(0, 5, 200_000, 1), 1).apply(mark(9, 900_000), 900_000);
    assert!(group.ids().is_empty(), "the mark speaks for records that have not come");
    group.apply(epoch(5, 9, 200_010, 2), 900_001);
    assert_eq!(group.ids(), [1, 2]);
}

#[test]
fn none_is_a_place_too() {
    let mut group = Group::new();
    group.apply(mark(0, 200_000), 200_000).apply(epoch(0, 5, 200_500, 1), 200_500).apply(mark(5, 300_000), 300_000);
    assert_eq!((group.ids(), group.counts.gaps), (vec![1], 0));
}

#[test]
fn what_is_lost_is_waited_for_and_then_a_gap() {
    let mut group = Group::new();
    group.apply(epoch(0, 5, 200_000, 1), 200_000).apply(epoch(9, 12, 205_000, 3), 205_000);
    // The group's clock moves ten seconds a record at most.
    for step in 1..=5 {
        group.apply(mark(12, 205_000 + step * 10_000), 205_000 + step * 10_000);
        assert_eq!(group.counts.gaps, 0);
    }
    group.apply(mark(12, 265_000), 265_000).apply(mark(12, 300_000), 300_000);
    assert_eq!((group.ids(), group.counts.gaps), (vec![1, 3], 1));
    let lifted_to = 205_000 + FUTURE_MS;
    assert!(!group.whole(lifted_to - 10) && group.whole(lifted_to));
}

#[test]
fn at_the_rollup_shards_end_nothing_is_waited_for() {
    let mut group = Group::new();
    group.apply(epoch(0, 5, 200_000, 1), 1).apply(epoch(9, 12, 200_010, 3), 2).apply(mark(12, 300_000), 300_000);
    let told = group.state.end();
    group.take(told);
    assert_eq!((group.ids(), group.counts.gaps), (vec![1, 3], 1));
}

#[test]
fn a_child_waits_for_its_parents_last_word() {
    let mut group = Group::new();
    let child = |message| of("c", 0..=u128::MAX, after_parent("s", message));
    group.apply(epoch(0, 5, 200_000, 1), 1).apply(child(mark(0, 900_000)), 900_000);
    assert!(group.ids().is_empty(), "the parent has not ended");
    group.apply(epoch(5, 7, 200_001, 2), 900_001).apply(last_word(mark(7, 200_001)), 900_002);
    assert_eq!((group.ids(), group.counts.gaps), (vec![1, 2], 0));
}

#[test]
fn a_child_waits_for_parents_not_heard_of_yet_and_then_makes_a_gap() {
    let mut group = Group::new();
    group.apply(epoch(0, 5, 200_000, 1), 200_000).apply(last_word(mark(5, 200_000)), 200_000);
    // `unheard` continued `s`, and `c` continues it.
    let child = |time_ms| of("c", 0..=u128::MAX, after_parent("unheard", mark(0, time_ms)));
    for step in 1..=7 {
        assert_eq!(group.counts.gaps, 0);
        group.apply(child(200_000 + step * 10_000), 200_000 + step * 10_000);
    }
    group.apply(child(400_000), 400_000);
    assert_eq!(group.counts.gaps, 1);
    assert!(!group.whole(329_990) && group.whole(330_000));
}

#[test]
fn the_last_word_says_nothing_of_time() {
    let mut group = Group::new();
    group.apply(epoch(0, 5, 200_000, 1), 1).apply(last_word(mark(5, 900_000)), 900_000);
    assert!(group.ids().is_empty());
}

#[test]
fn a_mark_speaks_for_no_time_after_its_own_arrival() {
    let mut group = Group::new();
    group.apply(epoch(0, 5, 200_000, 1), 200_000).apply(mark(5, 220_000), 200_050);
    assert!(group.ids().is_empty(), "the worker's clock is fast");
    group.apply(mark(5, 220_000), 200_110);
    assert_eq!(group.ids(), [1], "copies of marks speak");
}

#[test]
fn the_margin_covers_arrivals_that_run_backwards() {
    let mut group = Group::with(|settings| settings.margin_ms = 1_000);
    group.apply(epoch(0, 5, 200_000, 1), 1).apply(epoch(5, 6, 201_109, 0), 2);
    assert!(group.ids().is_empty());
    group.apply(epoch(6, 7, 201_110, 0), 3);
    assert_eq!(group.ids(), [1]);
}

#[test]
fn a_range_that_is_silent_is_not_waited_for_and_then_missed() {
    const HALF: u128 = 1 << 127;
    let mut group = Group::new();
    let left = |message| of("l", 0..=HALF - 1, message);
    let right = |message| of("r", HALF..=u128::MAX, message);
    group.apply(right(epoch(0, 5, 200_000, 1)), 200_000).apply(left(mark(0, 200_000)), 200_000);
    // An outage of everything counts ten seconds.
    group.apply(left(mark(0, 900_000)), 900_000);
    assert!(group.ids().is_empty());
    for step in 1..=30 {
        group.apply(left(mark(0, 900_000 + step * 10_000)), 900_000 + step * 10_000);
    }
    assert_eq!(group.ids(), [1]);
    let closed = group.told.iter().find(|closed| closed.start_ms == 200_000).unwrap();
    assert_eq!((closed.coverage, closed.whole), (0.5, false));
    group.apply(right(epoch(5, 6, 300_000, 2)), 1_200_001).apply(left(mark(0, 1_200_002)), 1_200_002);
    group.apply(right(mark(6, 1_200_200)), 1_200_200).apply(left(mark(0, 1_200_200)), 1_200_200);
    assert_eq!((group.ids(), group.missed()), (vec![1], 1));
}

#[test]
fn windows_close_in_order_also_empty_ones() {
    let mut group = Group::new();
    group.apply(epoch(0, 5, 200_000, 1), 200_000).apply(mark(5, 200_100), 200_100);
    group.told.clear();
    group.apply(epoch(5, 6, 200_030, 2), 200_130).apply(mark(6, 200_170), 200_170);
    let starts: Vec<(i64, usize)> = group.told.iter().map(|closed| (closed.start_ms, closed.zones.len())).collect();
    assert_eq!(
        starts,
        [(200_000, 1), (200_010, 0), (200_020, 0), (200_030, 1), (200_040, 0), (200_050, 0), (200_060, 0)]
    );
    assert_eq!(group.state.closed_until_ms(), Some(200_070));
}

#[test]
fn a_watermark_that_jumps_far_tells_a_day_of_empty_windows() {
    let mut group = Group::new();
    group.apply(epoch(0, 5, 200_000, 1), 200_000).apply(mark(5, 200_200), 200_200);
    group.told.clear();
    group.apply(epoch(5, 6, 200_300, 2), 200_300).apply(mark(6, 1_700_000_000_000), 1_700_000_000_000);
    assert_eq!((group.told.len(), group.ids()), (8_640 + 1 + 10, vec![2]));
}

#[test]
fn a_first_word_a_hole_and_a_gap_lift_what_is_whole() {
    let mut group = Group::new();
    group.apply(epoch(0, 5, 200_000, 1), 200_000).apply(epoch(5, 6, 260_000, 2), 260_000);
    group.apply(mark(6, 300_000), 300_000);
    assert!(!group.whole(259_990) && group.whole(260_000), "a query may be dated a minute ahead of its record");
    group.apply(with_hole(epoch(6, 7, 400_000, 3)), 400_000).apply(mark(7, 500_000), 500_000);
    assert!(!group.whole(459_990) && group.whole(460_000));
    // Nothing new in it, yet the hole is heard; as is that of a mark.
    group.apply(with_hole(epoch(6, 7, 510_000, 3)), 510_000).apply(mark(7, 600_000), 600_000);
    assert!(!group.whole(569_990) && group.whole(570_000));
    group.apply(with_hole(mark(7, 620_000)), 590_000).apply(mark(7, 700_000), 700_000);
    assert!(!group.whole(679_990) && group.whole(680_000));
    assert_eq!(group.counts.holes, 3);
}

#[test]
fn a_hole_said_of_a_waiting_epoch_is_kept() {
    let mut group = Group::new();
    group.apply(epoch(0, 5, 200_000, 1), 200_000).apply(epoch(6, 7, 270_000, 0), 270_000);
    group.apply(with_hole(epoch(6, 7, 270_000, 0)), 270_001).apply(epoch(5, 6, 265_000, 0), 270_002);
    group.apply(mark(7, 400_000), 400_000);
    assert!(!group.whole(329_990) && group.whole(330_000));
}

#[test]
fn a_shard_is_forgotten_48_hours_after_its_last_word() {
    const HOUR: i64 = 3_600_000;
    let mut group = Group::with(|settings| settings.step_ms_max = 60 * 3_600_000);
    group.apply(of("gone", 0..=u128::MAX, epoch(0, 5, HOUR, 0)), HOUR);
    group.apply(epoch(0, 5, HOUR, 0), HOUR).apply(mark(5, 30 * HOUR), 30 * HOUR).apply(mark(5, 49 * HOUR), 49 * HOUR);
    assert!(group.state.positions.get("gone").is_some());
    group.apply(mark(5, 50 * HOUR), 50 * HOUR);
    assert!(group.state.positions.get("gone").is_none() && group.state.positions.get("s").is_some());
}

#[test]
fn an_outage_of_the_fleet_makes_no_shard_forgotten() {
    const HOUR: i64 = 3_600_000;
    let mut group = Group::new();
    group.apply(of("other", 0..=u128::MAX, epoch(0, 5, HOUR, 0)), HOUR);
    group.apply(epoch(0, 5, HOUR, 0), HOUR).apply(mark(5, 90 * HOUR), 90 * HOUR);
    assert!(group.state.positions.get("other").is_some());
}

#[test]
fn limits_are_kept_the_oldest_first_and_counted() {
    let mut group = Group::with(|settings| settings.limits.windows_max = 3);
    for number in 1..=4 {
        group.apply(epoch(number - 1, number, 200_000 + number as i64 * 10, number), 200_000);
    }
    assert_eq!((group.ids(), group.counts.windows_limited), (vec![1], 1));
    assert!(!group.told[0].whole);
    group.apply(epoch(4, 5, 200_010, 9), 200_000).apply(mark(5, 300_000), 300_000);
    assert_eq!((group.ids(), group.missed()), (vec![1, 2, 3, 4], 1));

    let mut group = Group::with(|settings| settings.limits.waiting_max = 4);
    for number in [5, 3, 7_u64] {
        group.apply(epoch(number, number + 1, 200_000, number), 200_000);
    }
    group.apply(mark(8, 300_000), 300_000);
    // The lowest of the shard that waits longest goes; then the one that became the oldest.
    assert_eq!((group.state.waiting.size(), group.counts.waiting_limited), (3, 1));

    let mut group = Group::with(|settings| settings.limits.shards_max = 2);
    for (number, shard) in ["a", "b", "c"].into_iter().enumerate() {
        group.apply(of(shard, 0..=u128::MAX, mark(0, 200_000)), 200_000 + number as i64);
    }
    assert_eq!((group.state.positions.get("a").is_none(), group.counts.shards_limited), (true, 1));
}

#[test]
fn late_and_future_queries_are_told_beside_windows_and_zones_of_them_are_limited() {
    let mut group = Group::with(|settings| settings.limits.zones_max = 1);
    let mut message = epoch(0, 5, 200_000, 1);
    for (key, late) in [("a", 1), ("b", 2), ("c", 4)] {
        message.zones.insert(key.into(), Zone { late, future: late * 10, panes: BTreeMap::new() });
    }
    group.apply(message, 200_000).apply(mark(5, 300_000), 300_000);
    let beside: Vec<(&str, u64, u64)> =
        group.told[0].beside.iter().map(|(key, beside)| (&**key, beside.late, beside.future)).collect();
    assert_eq!(beside, [("", 6, 60), ("a", 1, 10)]);
    assert!(group.told[1..].iter().all(|closed| closed.beside.is_empty()), "told once");
}

#[test]
fn a_message_of_another_stream_or_group_changes_nothing() {
    let mut state = Group::new().state;
    let before = state.clone();
    let mut foreign = epoch(0, 5, 1, 1);
    foreign.header.constants.lateness_ms += 1;
    assert_eq!(state.apply(foreign, 1), Err(Refused::Constants));
    assert_eq!(state.apply(Message { group: 1, ..epoch(0, 5, 1, 1) }, 1), Err(Refused::Group));
    assert_eq!(state.apply(epoch(5, 4, 1, 1), 1), Err(Refused::Unsound));
    assert_eq!(state, before);
}

mod anything {
    use super::*;
    use proptest::prelude::*;

    type Parts = (u8, u64, u64, i64, i64, bool, bool, (u128, u128));

    fn parts() -> impl Strategy<Value = Parts> {
        let time = prop_oneof![0_i64..2_000_000, Just(i64::MAX), Just(TIME_MS_MAX), Just(0)];
        let range = prop_oneof![Just((0, u128::MAX)), (any::<u128>(), any::<u128>())];
        (0_u8..4, 0_u64..6, 0_u64..6, time.clone(), time, any::<bool>(), any::<bool>(), range)
    }

    proptest! {
        /// Whatever comes, nothing panics, windows are told in order and once, and the state keeps to its limits.
        #[test]
        fn no_message_breaks_the_state(all in proptest::collection::vec(parts(), 1..80)) {
            let mut group = Group::with(|settings| {
                settings.limits = Limits { windows_max: 5, waiting_max: 5, shards_max: 3, pieces_max: 3, zones_max: 2 };
            });
            let mut last_ms = i64::MIN;
            for (number, (shard, after, through, time_ms, arrival_ms, hole, end, (start, stop))) in all.into_iter().enumerate() {
                let id = if time_ms < TIME_MS_MAX && after < through { 1 + number as u64 } else { 0 };
                let mut message = of(&shard.to_string(), start..=stop, epoch(after, through, time_ms.min(TIME_MS_MAX + 1), id));
                message.header.hole_ms = hole.then_some(arrival_ms);
                message.header.end = end && after == through;
                let Ok(told) = group.state.apply(message, arrival_ms) else { continue };
                for closed in told.closed {
                    prop_assert!(closed.start_ms > last_ms);
                    prop_assert!((0.0..=1.0).contains(&closed.coverage));
                    last_ms = closed.start_ms;
                }
                prop_assert!(group.state.windows.count() <= 5 && group.state.waiting.size() <= 5);
            }
        }
    }
}
