//! What a task shows of its zones, and what the next one takes over.

use super::*;
use crate::fixtures_test::{finding, minute, views};

fn told(windows: Vec<Seen>, findings: Vec<Finding>) -> Outcome {
    Outcome { windows, findings, ..Outcome::default() }
}

#[test]
fn a_finding_is_open_until_it_is_over() {
    let views = views("finding-open");
    views.told(&told(vec![minute("Z1", 0, 7)], vec![finding()]));
    let document = views.0.document(0);
    assert_eq!(
        (&document["findings"][0]["open"], &document["findings"][0]["kind"]),
        (&true.into(), &"random_subdomain".into())
    );
    assert_eq!(document["zones"][0]["window"]["queries"], 7);
    assert_eq!(document["zones"][0]["scores"].to_string(), r#"{"queries":1.25}"#);
    assert_eq!(document["windows_until"], "2026-11-22T10:01:00Z");
    views.told(&told(Vec::new(), vec![Finding { status: Status::Closed, names: Vec::new(), ..finding() }]));
    let document = views.0.document(0);
    assert_eq!(document["findings"][0]["names"][0]["count"], 900, "as they were while it was open");
    assert_eq!(document["findings"].as_array().map(Vec::len), Some(1));
    assert_eq!(document["findings"][0]["open"], false);
    assert!(views.0.lock().open.is_empty());
}

#[test]
fn the_next_owner_shows_what_the_one_before_knew() {
    let before = views("adopt-before");
    let over = Finding { kind: Kind::Tunnel, status: Status::Closed, id: "f".repeat(32), ..finding() };
    before.told(&told(Vec::new(), vec![over, finding()]));
    let document = before.0.document(0);
    let next = views("adopt-next");
    // What a state says of it has no names.
    let bare = Finding { names: Vec::new(), summary: "goes on".into(), status: Status::Updated, ..finding() };
    next.open([bare].into_iter());
    let bare = next.0.document(0);
    let mut later = document.clone();
    later["version"] = (VERSION + 1).into();
    next.adopt(&later);
    assert_eq!(next.0.document(0), bare, "nothing is taken of another version");
    next.adopt(&document);
    assert_eq!(next.0.document(0)["findings"], document["findings"]);
    next.adopt(&json!({"version": VERSION, "findings": [7, {"open": true, "id": "unknown"}]}));
    assert_eq!(next.0.lock().open.len(), 1, "only a state says what is open");
}

#[test]
fn the_next_owner_goes_on_with_the_pictures_of_the_one_before() {
    let shown =
        |views: &ZoneViews| views.0.zone("Z\",\"history\":").expect("it is known")["history"]["start_ms"].clone();
    let minutes = |range: std::ops::Range<i64>| range.map(|number| minute("Z\",\"history\":", number, 1)).collect();
    let before = views("histories-before");
    before.told(&told(minutes(0..5), Vec::new()));
    let parts: Vec<String> = before.0.histories().collect();
    let next = views("histories-next");
    parts.iter().for_each(|part| next.adopt_histories(&Bytes::from(part.clone())));
    // Its snapshot is older than what was shown: minutes are told again.
    next.told(&told(minutes(3..6), Vec::new()));
    before.told(&told(minutes(5..6), Vec::new()));
    assert_eq!((shown(&next), shown(&next).as_array().map(Vec::len)), (shown(&before), Some(6)));
    next.adopt_histories(&Bytes::from_static(b"{\"zone_id\":\"Z2\",\"history\":{\n,\"history\":\n\xff"));
    next.told(&told(vec![minute("Z2", 6, 1)], Vec::new()));
    assert_eq!(next.0.lock().zones["Z2"].history.minutes().count(), 1, "what is damaged is left");
    next.adopt_histories(&Bytes::from_static(b"{\"zone_id\":\"Z3\",\"history\":{}}\n"));
    assert!(!next.0.lock().former.is_empty());
    next.told(&told(vec![minute("Z2", 20, 1)], Vec::new()));
    assert!(next.0.lock().former.is_empty());
}

#[test]
fn what_the_task_before_showed_is_not_lost_before_the_first_minute() {
    let before = views("first-before");
    before.told(&told(vec![minute("Z1", 0, 1), minute("Z2", 0, 1)], Vec::new()));
    let parts: Vec<String> = before.0.histories().collect();
    before.0.history_parts.store(parts.len(), Ordering::Relaxed);
    let next = views("first-next");
    assert!(next.adopt(&before.0.document(0)));
    parts.iter().for_each(|part| next.adopt_histories(&Bytes::from(part.clone())));
    assert!(!next.is_put());
    assert_eq!(next.0.document(0)["history_parts"], 1, "they still lie there");
    let sorted = |parts: Vec<String>| {
        let mut lines: Vec<String> = parts.concat().lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(next.0.histories().collect()), sorted(parts));
    // Nobody asks Z2 any more, and it was never there for others.
    next.told(&told(vec![minute("Z1", 1, 1), minute("Z2", 1, 0), minute("Z3", 1, 0)], Vec::new()));
    let state = next.0.lock();
    assert_eq!(state.zones.keys().map(|key| &**key).collect::<Vec<_>>(), ["Z1", "Z2"]);
    assert_eq!(state.zones["Z2"].history.minutes().map(|(_, queries)| queries).collect::<Vec<_>>(), [1, 0]);
}

#[test]
fn what_was_last_seen_long_ago_is_not_shown_as_it_is() {
    let views = views("unseen");
    views.told(&told(vec![minute("Z1", 0, 1), minute("Z2", 0, 1)], Vec::new()));
    let shown = |number| {
        views.told(&told(vec![minute("Z1", number, 1)], Vec::new()));
        views.0.lock().zones.len()
    };
    assert_eq!([9, 10].map(shown), [2, 1]);
}

#[test]
fn no_more_zones_are_shown_than_may() {
    let views = views("many");
    let zones = (0..ZONES_MAX + 5).map(|number| minute(&format!("Z{number}"), 0, 1)).collect();
    views.told(&told(zones, Vec::new()));
    assert_eq!(views.0.lock().zones.len(), ZONES_MAX);
}

#[test]
fn what_is_shown_is_bounded_and_goes_with_its_task() {
    let views = views("bounded");
    for number in 0..1_450 {
        let silent = if number == 0 { vec![minute("Z2", 0, 1)] } else { vec![minute("Z2", number, 0)] };
        let findings = vec![finding(), Finding { status: Status::Closed, ..finding() }];
        views.told(&told([vec![minute("Z1", number, 1)], silent].concat(), findings));
    }
    {
        let state = views.0.lock();
        assert_eq!(state.zones.keys().map(|key| &**key).collect::<Vec<_>>(), ["Z1"], "Z2 is idle for a day");
        assert_eq!((state.zones["Z1"].history.minutes().count(), state.over.len()), (history::MINUTES_KEPT, OVER_KEPT));
    }
    let shown = || Shown::all().iter().any(|shown| shown.shard == "bounded");
    assert!(shown());
    drop(views);
    assert!(!shown());
}
