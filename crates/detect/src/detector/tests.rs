//! States that fold, are stored, and are parted; zones that are judged.

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

/// The time of a query.
fn time_ms(number: u32) -> i64 {
    1_000_000 + i64::from(number) * 10_000
}

fn add(summary: &mut Summary<Tally>, zone: &str, time_ms: i64, relative_name: &str, response_code: ResponseCode) {
    summary.pane(zone, time_ms, time_ms).expect("in time").add(&Asked {
        zone: "example.com",
        relative_name,
        query_type: QueryType::A,
        response_code,
        transport: Transport::Udp,
        edge: "FRA6",
        source_ip: None,
        longest_label: 2,
        entropy_millibits: 1_000,
        event_id: "",
    });
}

/// The messages of an epoch of one query a zone every ten seconds, up to the `through`th.
fn epoch(after: u32, through: u32) -> Vec<Message<Tally>> {
    let mut summary = Summary::<Tally>::new(constants());
    for number in after..through {
        for zone in ZONES {
            add(&mut summary, zone, time_ms(number), &format!("n{number}"), ResponseCode::NoError);
        }
    }
    messages(summary, after, through)
}

fn messages(summary: Summary<Tally>, after: u32, through: u32) -> Vec<Message<Tally>> {
    let place = |number: u32| (number > 0).then(|| Sequence::parse(&number.to_string()).expect("a number"));
    summary.messages(&Header {
        constants: constants(),
        shard: "s".into(),
        hash_range: 0..=u128::MAX,
        parents: Vec::new(),
        after: place(after),
        through: place(through),
        time_ms: time_ms(through),
        hole_ms: None,
        end: false,
    })
}

fn fold(detector: &mut Detector, epochs: impl Iterator<Item = u32>) -> Vec<Seen> {
    let messages = epochs.flat_map(|number| epoch(number * 5, number * 5 + 5));
    apply(detector, messages, &Judging::default()).windows
}

/// What came of all of them.
fn apply(detector: &mut Detector, messages: impl IntoIterator<Item = Message<Tally>>, judging: &Judging) -> Outcome {
    let mut all = Outcome::default();
    for message in messages {
        let outcome = detector.apply(message, 2_000_000, Some(judging)).expect("of this stream");
        all.windows.extend(outcome.windows);
        all.findings.extend(outcome.findings);
        all.zones_limited += outcome.zones_limited;
    }
    all
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
    let minutes = expected.concat().into_iter().filter(|seen| seen.window.length_ms == 600_000).count();
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
        let messages = (7..30).flat_map(|number| epoch(number * 5, number * 5 + 5)).filter(own);
        told.extend(apply(&mut child, messages, &Judging::default()).windows);
    }
    let order = |seen: &Seen| (seen.window.zone_key.clone(), seen.window.start_ms, seen.window.length_ms);
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
    // Every length of what stands first, and some of what follows: a zone has thousands of bytes.
    for length in (0..bytes.len()).filter(|length| *length < 2_000 || length % 40_009 == 0) {
        assert_eq!(Detector::decode(&bytes[..length], &settings), Err(Unreadable::Malformed), "{length}");
    }
    let later = [&[VERSION + 1], &bytes[1..]].concat();
    assert_eq!(Detector::decode(&later, &settings), Err(Unreadable::Newer(VERSION + 1)));
}

#[test]
fn an_object_of_the_version_before_is_read() {
    let mut detector = new();
    for message in (0..7).flat_map(|number| epoch(number * 5, number * 5 + 5)) {
        detector.apply(message, 2_000_000, None).expect("of this stream");
    }
    // It ended where the zones are now.
    let bytes = detector.encode();
    let former = [&[VERSION - 1], &bytes[1..bytes.len() - 1]].concat();
    assert_eq!(Detector::decode(&former, &Settings::new(constants())), Ok(detector));
}

#[test]
fn a_zone_that_was_asked_once_has_a_window_whenever_others_have() {
    let mut detector = new();
    fold(&mut detector, 0..2);
    let mut later = Summary::<Tally>::new(constants());
    for number in 10..30 {
        add(&mut later, "Z1", time_ms(number), "n", ResponseCode::NoError);
    }
    // Zones of a key group have the same time.
    let group = key_group("Z1", 4);
    let seen = apply(&mut detector, messages(later, 10, 30), &Judging::default()).windows;
    let silent: Vec<&Window> = seen.iter().map(|seen| &seen.window).filter(|window| window.queries == 0).collect();
    let others = ZONES[1..].iter().filter(|zone| key_group(zone, 4) == group);
    assert!(others.clone().count() > 0);
    for zone in others {
        let of_zone: Vec<_> = silent.iter().filter(|window| &*window.zone_key == *zone).collect();
        assert!(of_zone.len() >= 18, "{zone}: {}", of_zone.len());
        assert!(of_zone.iter().all(|window| &*window.zone_name == "example.com"));
    }
}

/// An epoch of so many seconds in which 200 names that are not there are asked each second.
fn flood(seconds: i64) -> Vec<Message<Tally>> {
    let mut summary = Summary::<Tally>::new(constants());
    for number in 0..seconds * 200 {
        add(&mut summary, "Z1", time_ms(0) + number * 5, &format!("x{number}"), ResponseCode::NxDomain);
    }
    messages(summary, 0, 1)
}

#[test]
fn a_flood_is_told_of_while_its_window_is_open() {
    let mut detector = new();
    let outcome = apply(&mut detector, flood(9), &Judging::default());
    assert_eq!(outcome.windows, [], "none is closed");
    let told: Vec<_> = outcome.findings.iter().map(|one| (one.kind, one.status, &*one.zone_key, one.whole)).collect();
    assert_eq!(told, [(finding::Kind::RandomSubdomain, finding::Status::Opened, "Z1", false)]);
    assert_eq!(outcome.findings[0].start_ms, time_ms(0));

    let unjudged = flood(9).into_iter().map(|message| new().apply(message, 2_000_000, None).expect("of this stream"));
    assert!(unjudged.flat_map(|outcome| outcome.findings).next().is_none());
}

/// A query each ten minutes, which are an epoch. Of a zone's first day nothing is usual.
fn rare(epochs: std::ops::Range<u32>) -> Vec<Message<Tally>> {
    let messages = epochs.flat_map(|epoch| {
        let mut summary = Summary::<Tally>::new(constants());
        add(&mut summary, "Z1", time_ms(epoch * 60), "n", ResponseCode::NoError);
        messages(summary, epoch * 60, epoch * 60 + 60)
    });
    messages.collect()
}

#[test]
fn minutes_say_what_was_expected_of_them_alone() {
    let mut detector = new();
    let first = apply(&mut detector, rare(0..10), &Judging::default()).windows;
    assert!(first.iter().all(|seen| seen.expected.iter().all(Option::is_none)), "nothing is known yet");
    apply(&mut detector, rare(10..146), &Judging::default());
    let later = apply(&mut detector, rare(146..148), &Judging::default()).windows;
    let (minutes, others): (Vec<_>, Vec<_>) = later.iter().partition(|seen| seen.window.length_ms == 60_000);
    assert!(!minutes.is_empty());
    for seen in minutes {
        let Expected { value, low, high } = seen.expected[0].expect("queries are known");
        assert!(low <= value && value <= high && (0.0..0.5).contains(&value), "{value} in {low} to {high}");
    }
    assert!(others.iter().any(|seen| seen.scores[0].is_some()), "others are known too");
    assert!(others.iter().all(|seen| seen.expected[0].is_none()));
}

#[test]
fn what_was_usual_in_one_history_is_usual_in_the_next() {
    let mut past = new();
    apply(&mut past, rare(0..146), &Judging::default());
    let stored = past.baselines().encode();
    let baselines = Baselines::decode(&stored).expect("it was stored");
    assert_eq!((baselines.len(), baselines.encode() == stored), (1, true));

    let knows_queries = |baselines: Baselines| {
        let judging = Judging { baselines: baselines.into(), ..Judging::default() };
        let mut later = Detector { zones: BTreeMap::new(), ..past.clone() };
        apply(&mut later, rare(146..148), &judging).windows.iter().any(|seen| seen.scores[0].is_some())
    };
    assert!(!knows_queries(Baselines::default()));
    assert!(knows_queries(baselines));
    for length in (0..stored.len()).filter(|length| *length < 2_000 || length % 40_009 == 0) {
        assert_eq!(Baselines::decode(&stored[..length]), Err(Unreadable::Malformed), "{length}");
    }
    assert!(matches!(Baselines::decode(b"zonewatch baselines\n\x02"), Err(Unreadable::Newer(2))));
}

#[test]
fn zones_beyond_the_limit_are_told_and_not_judged() {
    let zones = (0..).map(|number| format!("Z{number:05}")).filter(|zone| key_group(zone, 4) == 0);
    let zones: Vec<String> = zones.take(ZONES_MAX + 7).collect();
    // An epoch counts no more zones apart.
    let epoch = |zones: &[String], after, through| {
        let mut summary = Summary::<Tally>::new(constants());
        zones.iter().for_each(|zone| add(&mut summary, zone, time_ms(0), "n", ResponseCode::NoError));
        messages(summary, after, through)
    };
    let mut detector = new();
    let epochs = [epoch(&zones[..600], 0, 1), epoch(&zones[600..], 1, 5)].concat();
    let outcome = apply(&mut detector, epochs, &Judging::default());
    let panes: Vec<_> = outcome.windows.iter().filter(|seen| seen.window.start_ms == time_ms(0)).collect();
    // Of a pane and a minute.
    assert_eq!((panes.len(), outcome.zones_limited), (ZONES_MAX + 7, 2 * 7));
    assert_eq!(detector.baselines().len(), ZONES_MAX);
}
