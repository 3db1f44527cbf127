//! What is told, of which windows.

use super::made::{DAY, Flow, MINUTE_MS, START_MS, Watched, minute, opened, with};
use super::*;
use crate::message::Unreadable;
use crate::score::SIGNALS;
use crate::wire::Input;
use crate::{TopName, Window};
use dnslog::{QueryType, ResponseCode};
use proptest::prelude::*;
use traffic::Random;

fn shift_edges(mut window: Window) -> Window {
    window.top_edges.rotate_left(3);
    let names = ["EDGE0", "EDGE1", "EDGE2", "EDGE3", "EDGE4", "EDGE5", "EDGE6", "EDGE7"];
    window.top_edges.iter_mut().zip(names).for_each(|(edge, name)| edge.name = name.to_owned());
    window
}

fn concentrate(mut window: Window, name: &str) -> Window {
    let part = window.queries * 2 / 5;
    window.top_resolvers.iter_mut().for_each(|top| top.count = top.count * 3 / 5);
    window.top_networks.iter_mut().for_each(|top| top.count = top.count * 3 / 5);
    window.top_resolvers.insert(0, TopName { name: format!("{name}0.2.1"), count: part, error: 0 });
    match window.top_networks.iter_mut().find(|top| top.name == name) {
        Some(top) => top.count += part,
        None => window.top_networks.push(TopName { name: name.to_owned(), count: part, error: 0 }),
    }
    window.top_networks.sort_by_key(|top| std::cmp::Reverse(top.count));
    window
}

#[test]
fn each_kind_is_told_under_its_name_alone_and_closes() {
    use ResponseCode::{NoError, NxDomain, ServFail};
    let usual = Watched::for_days();
    let flow = |queries, names, name_bytes, code, query_type, resolvers| Flow {
        queries,
        names,
        name_bytes,
        code,
        query_type,
        resolvers,
    };
    let flows = [
        (Kind::RandomSubdomain, flow(6_000, 5_900, 14, NxDomain, QueryType::A, 5_000)),
        (Kind::RandomSubdomain, flow(6_000, 5_900, 14, NoError, QueryType::A, 5_000)),
        (Kind::RandomSubdomain, flow(600, 590, 14, NoError, QueryType::A, 500)),
        (Kind::RandomSubdomain, flow(6_000, 5_900, 14, ServFail, QueryType::A, 5_000)),
        (Kind::Enumeration, flow(600, 500, 8, NxDomain, QueryType::A, 3)),
        (Kind::Enumeration, flow(600, 500, 8, NoError, QueryType::A, 3)),
        (Kind::Enumeration, flow(400, 300, 13, NoError, QueryType::Other, 2)),
        (Kind::Tunnel, flow(200, 200, 150, NoError, QueryType::Txt, 1)),
        (Kind::Tunnel, flow(100, 99, 40, NoError, QueryType::Cname, 2)),
        (Kind::Amplification, flow(900, 1, 0, NoError, QueryType::Any, 2)),
        (Kind::Amplification, flow(900, 2, 0, NoError, QueryType::Dnskey, 3)),
        (Kind::TrafficSpike, flow(3_000, 0, 0, NoError, QueryType::A, 5_000)),
    ];
    for (kind, flow) in flows {
        let mut zone = usual.clone();
        let told = zone.flow(15, flow);
        assert_eq!(opened(&told), [kind], "{flow:?}: {told:#?}");
        assert_eq!(told[0].start_ms, START_MS + 8 * DAY * MINUTE_MS, "in the first minute: {flow:?}");
        let after = zone.live(90, |window, _| window);
        assert_eq!(after.iter().map(|one| (one.kind, one.status)).collect::<Vec<_>>(), [(kind, Status::Closed)]);
        assert_eq!(after[0].id, told[0].id);
        assert_eq!((after[0].last_ms - told[0].start_ms) / MINUTE_MS, 15, "{flow:?}");
    }
    let fail = |code: ResponseCode| {
        move |mut window: Window| {
            let part = window.queries / 3;
            window.codes[ResponseCode::NoError as usize] -= part;
            window.codes[code as usize] += part;
            window
        }
    };
    let changes: [(Kind, &dyn Fn(Window) -> Window); 7] = [
        (Kind::ErrorSurge, &fail(ServFail)),
        (Kind::ErrorSurge, &fail(ResponseCode::Refused)),
        (Kind::ErrorSurge, &fail(NxDomain)),
        (Kind::TrafficDrop, &|window| Window { queries: 0, ..silent(window) }),
        (Kind::NewNetwork, &|window| concentrate(window, "100.64.0.0/16")),
        (Kind::ResolverConcentration, &|window| concentrate(window, "198.0")),
        (Kind::EdgeShift, &shift_edges),
    ];
    for (kind, change) in changes {
        let mut zone = usual.clone();
        let told = zone.live(15, |window, _| change(window));
        assert_eq!(opened(&told), [kind], "{told:#?}");
        let after = zone.live(90, |window, _| window);
        assert!(opened(&after).is_empty() && zone.zone.open().count() == 0, "{kind:?}: {after:#?}");
    }
}

fn silent(window: Window) -> Window {
    Window {
        zone_key: window.zone_key,
        zone_name: window.zone_name,
        start_ms: window.start_ms,
        length_ms: window.length_ms,
        whole: window.whole,
        coverage: window.coverage,
        ..Window::default()
    }
}

#[test]
fn a_launch_is_a_spike_good_to_know_and_no_attack() {
    let mut zone = Watched::for_days();
    let told = zone.live(30, |window, random| minute(random, (window.start_ms - START_MS) / MINUTE_MS, 3.0));
    assert_eq!(opened(&told), [Kind::TrafficSpike]);
    assert!(told.iter().all(|finding| finding.severity == Severity::Info), "{told:#?}");
}

#[test]
fn a_first_weekend_is_no_outage_and_silence_is() {
    let weekend = |window: Window, random: &mut Random| {
        let index = (window.start_ms - START_MS) / MINUTE_MS;
        minute(random, index, if index / DAY % 7 >= 5 { 0.3 } else { 1.0 })
    };
    let mut zone = Watched::new();
    let told = zone.live(7 * DAY, weekend);
    assert_eq!(opened(&told), [], "{told:#?}");
    assert_eq!(opened(&zone.live(5, |window, _| silent(window))), [Kind::TrafficDrop]);
}

#[test]
fn names_that_were_always_asked_once_are_no_attack_however_many() {
    let disposable = |queries| Flow { queries, names: queries, name_bytes: 30, ..Flow::NONE };
    let mut zone = Watched::new();
    let usual = zone.live(8 * DAY, |window, random| {
        let queries = random.poisson(900.0);
        with(window, disposable(queries))
    });
    assert_eq!(opened(&usual), []);
    let more = zone.live(30, |_, random| {
        let (window, queries) = (minute(random, 8 * DAY, 3.0), random.poisson(2_700.0));
        with(window, disposable(queries))
    });
    assert!(opened(&more).iter().all(|kind| *kind == Kind::TrafficSpike), "{more:#?}");
}

#[test]
fn a_zone_of_the_first_day_has_the_published_limits() {
    let flood = Flow { queries: 9_000, names: 8_900, code: ResponseCode::NxDomain, ..Flow::NONE };
    let reflected = Flow { queries: 3_000, names: 1, query_type: QueryType::Any, resolvers: 2, ..Flow::NONE };
    for (flow, kinds) in [
        (flood, vec![Kind::RandomSubdomain]),
        (Flow { queries: 4_000, names: 3_900, ..flood }, vec![]),
        (Flow { code: ResponseCode::NoError, ..flood }, vec![]),
        (reflected, vec![Kind::Amplification]),
        (Flow { resolvers: 5_000, ..reflected }, vec![]),
        (Flow { queries: 150, ..reflected }, vec![]),
    ] {
        let mut zone = Watched::new();
        zone.live(10, |window, _| window);
        let told = zone.flow(5, flow);
        assert_eq!(opened(&told), kinds, "{flow:?}");
        assert!(told.iter().all(|finding| finding.expected.is_none() && finding.score >= 1.0));
    }
}

#[test]
fn our_own_lag_is_no_outage_and_teaches_nothing() {
    let mut zone = Watched::for_days();
    let before = zone.zone.clone();
    let told = zone.live(60, |window, _| Window { whole: false, ..silent(window) });
    assert_eq!(told, []);
    assert!(zone.zone == before);
    let told = zone.live(3, |window, _| silent(window));
    assert_eq!(opened(&told), [Kind::TrafficDrop]);
    assert_eq!((told[0].severity, told[0].observed), (Severity::Critical, 0.0));
    let names: Vec<&str> = told[0].names.iter().map(|part| part.name.as_str()).collect();
    assert!(names.contains(&"host0") && told[0].names.len() <= 5, "what is missing: {names:?}");
}

#[test]
fn what_is_too_much_already_is_told_before_the_window_closes() {
    let mut zone = Watched::for_days();
    let flood = Flow { queries: 6_000, names: 5_900, code: ResponseCode::NxDomain, ..Flow::NONE };
    let usual = minute(&mut zone.random, zone.index, 0.1);
    let before = zone.zone.clone();
    assert_eq!(zone.zone.excess(&usual, &zone.settings), []);
    assert!(zone.zone == before, "an open window teaches nothing");
    let so_far = with(usual, flood);
    let early = zone.zone.excess(&so_far, &zone.settings);
    assert_eq!(opened(&early), [Kind::RandomSubdomain]);
    assert!(!early[0].whole);
    assert_eq!(zone.zone.excess(&so_far, &zone.settings), [], "and once");
    let closed = zone.flow(1, flood);
    assert_eq!(closed.iter().map(|one| (one.status, one.whole)).collect::<Vec<_>>(), [(Status::Updated, true)]);
    assert_eq!(closed[0].id, early[0].id);
    // Too few queries are no excess: whoever is still on the way is not missing.
    let mut zone = Watched::for_days();
    let empty = silent(minute(&mut zone.random, zone.index, 1.0));
    assert_eq!(zone.zone.excess(&empty, &zone.settings), []);
}

#[test]
fn one_that_wavers_is_told_once_and_goes_on_more_and_more_quietly() {
    let mut zone = Watched::for_days();
    let mut told = Vec::new();
    for minute in 0..240 {
        let queries = if minute % 3 == 0 { 0 } else { 3_000 };
        told.extend(zone.flow(1, Flow { queries, ..Flow::NONE }));
    }
    assert_eq!(opened(&told), [Kind::TrafficSpike]);
    let ages: Vec<i64> = told.iter().map(|one| (one.last_ms - told[0].start_ms) / MINUTE_MS).collect();
    assert!(ages.len() <= 8 && ages.windows(2).all(|pair| pair[1] > pair[0]), "{ages:?}");
    assert!(told.iter().skip(1).all(|one| one.status == Status::Updated && one.id == told[0].id));
}

/// Lives through ten minutes, of which the first so many have a flow, and the window of all ten.
fn ten_minutes(zone: &mut Watched, flooded: i64, flow: Flow) -> Vec<Finding> {
    let start = zone.index;
    let mut told = [zone.flow(flooded, flow), zone.live(10 - flooded, |window, _| window)].concat();
    let queries = flow.queries * flooded as u64;
    let sum = Window {
        length_ms: 10 * MINUTE_MS,
        ..with(minute(&mut zone.random, start, 10.0), Flow { queries, names: queries, ..flow })
    };
    told.extend(zone.zone.push(&sum, &zone.settings));
    told
}

#[test]
fn a_longer_window_that_has_some_of_it_does_not_make_it_longer() {
    let mut zone = Watched::new();
    for _ in 0..8 * DAY / 10 {
        assert_eq!(ten_minutes(&mut zone, 0, Flow::NONE), []);
    }
    let flood = Flow { queries: 6_000, names: 5_900, code: ResponseCode::NxDomain, ..Flow::NONE };
    let mut told = ten_minutes(&mut zone, 3, flood);
    for _ in 0..6 {
        told.extend(ten_minutes(&mut zone, 0, Flow::NONE));
    }
    let tellings: Vec<(Kind, Status)> = told.iter().map(|one| (one.kind, one.status)).collect();
    assert_eq!(tellings, [(Kind::RandomSubdomain, Status::Opened), (Kind::RandomSubdomain, Status::Closed)]);
    assert_eq!((told[1].last_ms - told[1].start_ms) / MINUTE_MS, 3);
}

#[test]
fn sums_that_have_some_of_what_is_over_say_nothing_new() {
    let mut zone = Watched::for_days();
    let told = zone.flow(4, Flow { queries: 3_000, ..Flow::NONE });
    assert_eq!(opened(&told), [Kind::TrafficSpike]);
    zone.live(15, |window, _| window);
    assert_eq!(zone.zone.open().count(), 0);
    // What is sudden is told all the same.
    assert_eq!(opened(&zone.flow(1, Flow { queries: 3_000, ..Flow::NONE })), [Kind::TrafficSpike]);
}

#[test]
fn a_cause_that_shows_later_takes_over() {
    let mut zone = Watched::for_days();
    let spike = zone.flow(3, Flow { queries: 3_000, ..Flow::NONE });
    assert_eq!(opened(&spike), [Kind::TrafficSpike]);
    let told = zone.flow(3, Flow { queries: 6_000, names: 5_900, code: ResponseCode::NxDomain, ..Flow::NONE });
    let order: Vec<(Kind, Status)> = told.iter().map(|one| (one.kind, one.status)).collect();
    let superseded = (Kind::TrafficSpike, Status::Superseded(Kind::RandomSubdomain));
    assert_eq!(order, [(Kind::RandomSubdomain, Status::Opened), superseded]);
}

#[test]
fn a_finding_says_who_makes_the_difference() {
    let mut zone = Watched::for_days();
    let told = zone.flow(1, Flow { queries: 900, query_type: QueryType::Any, resolvers: 2, ..Flow::NONE });
    let finding = &told[0];
    assert_eq!(finding.kind, Kind::Amplification);
    let resolvers: Vec<&str> = finding.resolvers.iter().map(|part| part.name.as_str()).collect();
    assert_eq!(resolvers, ["203.0.113.0", "203.0.113.1"]);
    assert!(finding.resolvers.iter().all(|part| (0.35..0.65).contains(&part.share)), "{:?}", finding.resolvers);
    let expected = finding.expected.expect("the zone is known");
    assert!(expected.low <= expected.value && expected.value <= expected.high && finding.observed > expected.high);
    assert!(finding.score >= 1.0 && finding.summary.contains("large answers"), "{}", finding.summary);
}

#[test]
fn muted_findings_are_told_as_that() {
    let mut zone = Watched::for_days();
    let here_ms = START_MS + zone.index * MINUTE_MS;
    zone.settings.maintenance = vec![Maintenance { zone: None, start_ms: here_ms, end_ms: here_ms + 5 * MINUTE_MS }];
    let told = zone.live(3, |window, _| silent(window));
    assert!(told[0].muted && told[0].kind == Kind::TrafficDrop);
}

#[test]
fn no_two_kinds_hide_each_other_and_hiding_is_by_rank() {
    for (place, kind) in Kind::ALL.into_iter().enumerate() {
        assert_eq!((kind as usize, Kind::named(kind.as_str())), (place, Some(kind)));
        for other in Kind::ALL {
            assert!(!kind.hides(other) || kind < other, "{kind:?} {other:?}");
        }
    }
    assert!(Kind::RandomSubdomain.hides(Kind::ErrorSurge) && Kind::RandomSubdomain.hides(Kind::TrafficSpike));
    assert!(!Kind::RandomSubdomain.hides(Kind::TrafficDrop) && !Kind::TrafficSpike.hides(Kind::ErrorSurge));
}

#[test]
fn signals_are_stored_by_their_place() {
    for (place, signal) in Signal::ALL.into_iter().enumerate() {
        assert_eq!(signal as usize, place);
    }
    let names: std::collections::BTreeSet<&str> = Signal::ALL.map(Signal::as_str).into();
    assert_eq!(names.len(), SIGNALS);
}

#[test]
fn a_zone_that_was_stored_goes_on_as_if_it_had_not_been() {
    let mut zone = Watched::for_days();
    let flood = Flow { queries: 6_000, names: 5_900, code: ResponseCode::NxDomain, ..Flow::NONE };
    zone.flow(2, flood);
    assert_eq!(zone.live(20, |window, _| window).len(), 1, "one is over");
    assert_eq!(zone.flow(2, flood).len(), 1, "and one is open");
    let mut bytes = Vec::new();
    zone.zone.encode(&mut bytes);
    assert!(bytes.len() < 280_000 && bytes.len() < Zone::BYTES_MAX, "{}", bytes.len());
    let mut input = Input::new(&bytes);
    let back = Zone::decode(&mut input).expect("it is what was encoded");
    assert!(input.is_empty() && back == zone.zone);
    let mut other = Watched { zone: back, ..zone.clone() };
    assert_eq!(zone.flow(30, flood), other.flow(30, flood));
    assert_eq!(zone.live(60, |window, _| window), other.live(60, |window, _| window));

    bytes[0] = 2;
    assert_eq!(Zone::decode(&mut Input::new(&bytes)), Err(Unreadable::Newer(2)));
    bytes[0] = 1;
    for end in (0..bytes.len()).step_by(997) {
        assert_eq!(Zone::decode(&mut Input::new(&bytes[..end])), Err(Unreadable::Malformed));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_damaged_state_never_panics(places in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20)) {
        let mut zone = Watched::new();
        zone.live(5, |window, _| window);
        zone.flow(1, Flow { queries: 9_000, names: 8_900, code: ResponseCode::NxDomain, ..Flow::NONE });
        let mut bytes = Vec::new();
        zone.zone.encode(&mut bytes);
        for (place, byte) in places {
            let at = place.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(back) = Zone::decode(&mut Input::new(&bytes)) {
            Watched { zone: back, ..zone }.live(3, |window, _| window);
        }
    }
}

#[test]
fn any_window_can_be_judged() {
    let mut random = Random::new(3);
    let mut zone = Zone::new();
    for index in 0..3 * DAY {
        let mut window = minute(&mut random, index, 1.0);
        let any = |random: &mut Random| if random.chance(0.5) { u64::MAX } else { random.bits() % 1000 };
        if random.chance(0.3) {
            window.queries = any(&mut random);
            window.distinct_names = any(&mut random);
            window.sub_name_bytes = any(&mut random);
            window.entropy_millibits_sum = any(&mut random);
            window.codes[3] = any(&mut random) / 16;
            window.top_networks.iter_mut().for_each(|top| top.count = any(&mut random) / 32);
        }
        window.whole = random.chance(0.8);
        for finding in zone.push(&window, &Settings::default()) {
            assert!(finding.score.is_finite() && finding.observed.is_finite(), "{finding:?}");
            let lists = [&finding.names, &finding.resolvers, &finding.networks, &finding.edges, &finding.suffixes];
            assert!(lists.iter().all(|list| list.iter().all(|part| (0.0..=1.0).contains(&part.share))));
        }
    }
}

#[test]
fn the_document_has_the_kinds_and_signals_that_there_are() {
    let document = include_str!("../../../../docs/findings.md");
    let heads: Vec<&str> = document.lines().filter_map(|line| line.strip_prefix("### `")?.strip_suffix('`')).collect();
    assert_eq!(heads, Kind::ALL.map(Kind::as_str));
    let usual = document.split("## Kinds").next().expect("a text has a beginning");
    let rows = usual.lines().filter_map(|line| line.strip_prefix("| `")?.split(" | ").next());
    let mut told: Vec<&str> = rows.flat_map(|row| row.split(", ")).map(|name| name.trim_matches('`')).collect();
    let mut there = Signal::ALL.map(Signal::as_str);
    told.sort_unstable();
    there.sort_unstable();
    assert_eq!(told, there);
}
