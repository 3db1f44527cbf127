//! What any worker shows of the fleet, and what it puts for others.

use super::*;
use crate::fixtures_test::{finding, minute, views};
use cloud::faulty::{Faulty, Rates};
use cloud::{Call, memory};
use detect::detector::Outcome;
use detect::finding::{Finding, Severity, Status};
use serde_json::json;

/// A fleet whose tasks here are these shards', and none of other tests that run in this process.
fn fleet_of(own: &'static [&str], snapshots: Arc<dyn Snapshots>, clock: Clock) -> FleetViews {
    let is_own = |shown: &Arc<Shown>| own.contains(&shown.shard.as_str());
    FleetViews::with(snapshots, clock, Box::new(move || Shown::all().into_iter().filter(is_own).collect()))
}

#[tokio::test]
async fn any_worker_shows_what_others_have_put_and_its_own_as_it_is() {
    let clock = Clock::real();
    let snapshots: Arc<dyn Snapshots> = Arc::new(memory::Snapshots::default());
    let other = json!({
        "version": 1, "shard": "fleet-views-other", "time": crate::config::rfc3339(clock.now_ms() - 7_000),
        "zones": [{ "window": { "zone": "other.test", "zone_id": "ZOTHER" } }],
        "findings": [
            { "id": "a", "zone": "other.test", "zone_id": "ZOTHER", "open": false, "severity": "critical", "start": "2" },
            { "id": "b", "zone": "other.test", "zone_id": "ZOTHER", "open": true, "severity": "info", "start": "1" },
        ],
    });
    let old = json!({ "version": 1, "shard": "fleet-views-old", "time": "2020-01-01T00:00:00Z", "findings": [{ "id": "c" }] });
    let mut later = other.clone();
    (later["version"], later["shard"], later["findings"][0]["id"]) = (2.into(), "later".into(), "d".into());
    for (shard, document) in [
        ("fleet-views-other", other.to_string()),
        ("fleet-views-old", old.to_string()),
        ("fleet-views-later", later.to_string()),
        ("x", "{".into()),
    ] {
        snapshots.put(&place(shard), document.into()).await.expect("memory takes it");
    }
    let own = views("fleet-views-own");
    let finding =
        Finding { zone_key: "ZOWN".into(), zone_name: "own.test".into(), severity: Severity::Warning, ..finding() };
    let mut seen = minute("ZOWN", 0, 3);
    seen.window.zone_name = "own.test".into();
    own.told(&Outcome { windows: vec![seen], findings: vec![finding.clone()], ..Outcome::default() });

    let fleet = fleet_of(&["fleet-views-own"], snapshots, clock);
    let all = fleet.findings().await;
    let ours = |finding: &&Value| ["own.test", "other.test"].iter().any(|zone| finding["zone"] == *zone);
    let ids: Vec<_> = all["findings"].as_array().expect("a list").iter().filter(ours).map(|one| &one["id"]).collect();
    assert_eq!(ids, [&json!(finding.id), &json!("b"), &json!("a")]);
    assert!(!all.to_string().contains("\"c\""), "it is too old");
    assert!(!all.to_string().contains("\"d\""), "it is of another version");
    let zone = fleet.zone("OTHER.test.").await.expect("it was put");
    assert!((7..20).contains(&zone["age_seconds"].as_i64().expect("a number")), "{zone}");
    assert_eq!(zone["findings"].as_array().map(Vec::len), Some(2));
    let zone = fleet.zone("ZOWN").await.expect("it is ours");
    assert_eq!((&zone["window"]["queries"], &zone["age_seconds"]), (&3.into(), &0.into()));
    own.told(&Outcome { findings: vec![Finding { status: Status::Closed, ..finding }], ..Outcome::default() });
    let zone = fleet.zone("own.test").await.expect("it is ours");
    assert_eq!(zone["findings"][0]["open"], false, "what is here is shown at once");
    assert_eq!(fleet.zone("nobody.test").await, None);
}

/// Puts a view of one zone and one finding of it.
async fn put_view(snapshots: &Arc<dyn Snapshots>, clock: Clock, shard: &str, zone: &str, zone_id: &str) {
    let document = json!({
        "version": 1, "shard": shard, "time": crate::config::rfc3339(clock.now_ms()),
        "zones": [7, { "window": { "zone": zone, "zone_id": zone_id, "queries": 1, "window_seconds": 60 } }],
        "findings": ["x", { "id": zone_id, "zone": zone, "zone_id": zone_id, "open": true }],
        "edges": [null],
    });
    snapshots.put(&place(shard), document.to_string().into()).await.expect("memory takes it");
}

#[tokio::test]
async fn two_zones_of_one_name_keep_their_findings_and_what_is_damaged_is_left() {
    let snapshots: Arc<dyn Snapshots> = Arc::new(memory::Snapshots::default());
    let clock = Clock::real();
    put_view(&snapshots, clock, "same-1", "same.test", "ZSAME1").await;
    put_view(&snapshots, clock, "same-2", "same.test", "ZSAME2").await;
    let fleet = fleet_of(&[], snapshots, clock);
    for id in ["ZSAME1", "ZSAME2"] {
        let zone = fleet.zone(id).await.expect("it was put");
        let ids: Vec<_> = zone["findings"].as_array().expect("a list").iter().map(|one| &one["id"]).collect();
        assert_eq!(ids, [id]);
    }
    let by_name = fleet.zone("same.test").await.expect("it was put");
    assert_eq!(by_name["findings"].as_array().map(Vec::len), Some(1), "{by_name}");
    assert!(fleet.zones().await.is_none(), "no minute was said to have closed");
    assert!(fleet.findings().await["findings"].as_array().is_some_and(|all| all.len() >= 2));
}

#[tokio::test]
async fn a_shard_that_comes_or_goes_is_shown_all_the_time() {
    let snapshots: Arc<dyn Snapshots> = Arc::new(memory::Snapshots::default());
    let clock = Clock::real();
    put_view(&snapshots, clock, "handed", "handed.test", "ZHANDED").await;
    let own = views("handed");
    let fleet = fleet_of(&["handed"], snapshots.clone(), clock);
    let queries = async || fleet.zone("ZHANDED").await.map(|zone| zone["window"]["queries"].clone());
    assert_eq!(queries().await, Some(1.into()), "by the one before, until a minute has closed here");
    own.told(&Outcome { windows: vec![minute("ZHANDED", 0, 3)], ..Outcome::default() });
    assert_eq!(queries().await, Some(3.into()));
    tokio::time::sleep(Duration::from_millis(1)).await;
    fleet.fetched.lock().await.at = None;
    assert_eq!(queries().await, Some(3.into()), "looked at again, while it is here");
    drop(own);
    assert_eq!(queries().await, Some(1.into()), "fetched at once when it has gone");
    forget(&snapshots, "handed").await;
    assert_eq!(snapshots.list("").await, Ok(Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn views_are_put_with_their_histories() {
    let snapshots: Arc<dyn Snapshots> = Arc::new(memory::Snapshots::default());
    let own = views("fleet-views-put");
    own.told(&Outcome { windows: asked("ZPUT", "FRA6"), ..Outcome::default() });
    let fleet = fleet_of(&["fleet-views-put"], snapshots.clone(), Clock::real());
    let put = async || {
        let _ = tokio::time::timeout(PERIOD + Duration::from_secs(1), fleet.publish()).await;
        let view = snapshots.get(&place("fleet-views-put")).await.expect("memory answers").expect("it was put");
        let view: Value = serde_json::from_slice(&view).expect("it is JSON");
        let mut lines = Vec::new();
        histories(&snapshots, &view, |part| lines.push(part)).await;
        (view["history_parts"].clone(), lines.iter().filter_map(|part| history_in(part, "ZPUT")).collect::<Vec<_>>())
    };
    let (parts, found) = put().await;
    assert_eq!((parts, found.len(), &found[0]["queries"]), (1.into(), 1, &json!([60, 60, 60])));
}

/// Tells of each object before it is put.
struct Watched<F>(memory::Snapshots, F);

impl<F: Fn(&str, &Bytes) + Send + Sync> Snapshots for Watched<F> {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn check(&self) -> Call<'_, Result<(), Error>> {
        self.0.check()
    }

    fn put<'a>(&'a self, name: &'a str, data: Bytes) -> Call<'a, Result<(), Error>> {
        self.1(name, &data);
        self.0.put(name, data)
    }

    fn get<'a>(&'a self, name: &'a str) -> Call<'a, Result<Option<Bytes>, Error>> {
        self.0.get(name)
    }

    fn delete<'a>(&'a self, name: &'a str) -> Call<'a, Result<(), Error>> {
        self.0.delete(name)
    }

    fn list<'a>(&'a self, prefix: &'a str) -> Call<'a, Result<Vec<String>, Error>> {
        self.0.list(prefix)
    }
}

#[tokio::test]
async fn a_part_of_the_histories_is_made_when_the_one_before_was_put() {
    let zones: Vec<String> = (0..600).map(|zone| format!("ZBOUND{zone:03}")).collect();
    let told = |number: i64| zones.iter().map(|zone| minute(zone, number, 1)).collect();
    let own = Arc::new(views("fleet-views-bound"));
    own.told(&Outcome { windows: told(0), ..Outcome::default() });
    let shown = Shown::all().into_iter().find(|shown| shown.shard == "fleet-views-bound").expect("it lives");
    let put: Arc<std::sync::Mutex<Vec<(usize, bool)>>> = Arc::default();
    let at_put = {
        let (put, own, shown, windows) = (Arc::clone(&put), Arc::clone(&own), Arc::clone(&shown), told(1));
        let outcome = Outcome { windows, ..Outcome::default() };
        move |name: &str, data: &Bytes| {
            if name.starts_with("histories/") {
                let text = String::from_utf8_lossy(data);
                put.lock().unwrap().push((text.lines().count(), text.contains("\"queries\":[1,1")));
                assert!(shown.lock().zones.values().all(|zone| Arc::strong_count(zone) == 1), "none is held");
                own.told(&outcome);
            }
        }
    };
    let fleet =
        fleet_of(&["fleet-views-bound"], Arc::new(Watched(memory::Snapshots::default(), at_put)), Clock::real());
    fleet.put(&shown, &mut BTreeMap::new()).await.expect("memory takes it");
    let put = put.lock().unwrap().clone();
    assert_eq!((put.len(), put.iter().map(|(zones, _)| zones).sum::<usize>()), (3, 600));
    assert!(put.iter().all(|(zones, _)| *zones <= 256), "{put:?}");
    assert_eq!(
        put.iter().map(|(_, is_new)| *is_new).collect::<Vec<_>>(),
        [false, true, true],
        "what came meanwhile is in it"
    );
}

/// What a worker shows of a shard that another has: as that one puts it, but under a name that no task here has.
async fn put_as(snapshots: &Arc<dyn Snapshots>, shown: &Shown, shard: &str, change: impl Fn(&mut Value)) {
    let histories = shown.histories();
    shown.history_parts.store(histories.len(), Ordering::Relaxed);
    for (part, lines) in histories.enumerate() {
        snapshots.put(&history_place(shard, part), lines.into()).await.expect("memory takes it");
    }
    let mut document = shown.document(Clock::real().now_ms());
    document["shard"] = shard.into();
    change(&mut document);
    snapshots.put(&place(shard), document.to_string().into()).await.expect("memory takes it");
}

fn asked(zone: &str, edge: &str) -> Vec<detect::detector::Seen> {
    let minute = |number: i64| {
        let mut seen = minute(zone, number, 60);
        seen.window.zone_name = format!("{}.test", zone.to_ascii_lowercase()).into();
        seen.window.codes[0] = 60;
        seen.window.top_edges = vec![detect::TopName { name: edge.into(), count: 60, error: 0 }];
        seen.values[0] = Some(60.0);
        seen
    };
    (0..3).map(minute).collect()
}

#[tokio::test]
async fn histories_of_others_are_found_in_their_parts() {
    let snapshots: Arc<dyn Snapshots> = Arc::new(memory::Snapshots::default());
    {
        let other = views("fleet-views-parts");
        // More zones than one part has.
        let windows = (0..600).flat_map(|zone| asked(&format!("ZPART{zone:03}"), "FRA6")).collect();
        other.told(&Outcome { windows, ..Outcome::default() });
        let shown = Shown::all().into_iter().find(|shown| shown.shard == "fleet-views-parts").expect("it lives");
        assert_eq!(shown.histories().len(), 3);
        put_as(&snapshots, &shown, "fleet-views-parted", |_| {}).await;
    }
    let fleet = fleet_of(&[], snapshots, Clock::real());
    for zone in ["ZPART000", "ZPART599", "zpart123.test"] {
        let found = fleet.zone(zone).await.expect(zone);
        assert_eq!(found["history"]["signals"]["queries"]["observed"], json!([60.0, 60.0, 60.0]), "{zone}");
        assert_eq!(found["history"]["response_codes"]["NOERROR"], json!([60, 60, 60]));
    }
    let zones = fleet.zones().await.expect("a minute has closed");
    let ours: Vec<&Value> = zones["zones"]
        .as_array()
        .expect("a list")
        .iter()
        .filter(|zone| zone["zone"].as_str().is_some_and(|name| name.starts_with("zpart")))
        .collect();
    assert_eq!((ours.len(), &ours[0]["queries_per_second"], &ours[0]["minutes"][2][1]), (600, &1.0.into(), &60.into()));
}

#[tokio::test]
async fn what_a_worker_of_the_version_before_has_put_is_read() {
    let snapshots: Arc<dyn Snapshots> = Arc::new(memory::Snapshots::default());
    let (before, now) = (views("fleet-views-before"), views("fleet-views-now"));
    before.told(&Outcome { windows: asked("ZBEFORE", "QQQ1"), ..Outcome::default() });
    now.told(&Outcome { windows: asked("ZNOW", "QQQ2"), ..Outcome::default() });
    let shown = |shard: &str| Shown::all().into_iter().find(|shown| shown.shard == shard).expect("it lives");
    let without = |document: &mut Value| {
        let document = document.as_object_mut().expect("an object");
        document.remove("edges").expect("it is written");
        document.remove("history_parts").expect("it is written");
    };
    put_as(&snapshots, &shown("fleet-views-before"), "fleet-views-before-put", without).await;
    put_as(&snapshots, &shown("fleet-views-now"), "fleet-views-now-put", |_| {}).await;
    drop((before, now));
    let fleet = fleet_of(&[], snapshots, Clock::real());
    let found = fleet.zone("zbefore.test").await.expect("it was put");
    assert_eq!((&found["history"]["queries"], &found["history"]["signals"]), (&json!([60, 60, 60]), &json!({})));
    let zones = fleet.zones().await.expect("a minute has closed").to_string();
    assert!(zones.contains("zbefore.test") && zones.contains("znow.test"), "{zones}");
    let edges = fleet.edges().await;
    let edge =
        edges["edges"].as_array().expect("a list").iter().find(|edge| edge["edge"] == "QQQ").expect("it was put");
    assert_eq!(
        (&edge["queries_per_second"], &edge["change"], &edge["place"]),
        (&1.0.into(), &1.0.into(), &Value::Null)
    );
}

#[tokio::test]
async fn tags_differ_when_answers_do() {
    let fleet = fleet_of(&["fleet-views-tags"], Arc::new(memory::Snapshots::default()), Clock::real());
    let own = views("fleet-views-tags");
    let differs = async |change: &dyn Fn()| {
        // Other tests' tasks live in this process too, and change meanwhile: tags are compared of this one's.
        let tag =
            || Shown::all().into_iter().find(|shown| shown.shard == "fleet-views-tags").expect("it lives").changes();
        let before = (fleet.tags().await, tag());
        change();
        let after = (fleet.tags().await, tag());
        let (of_before, of_after) = (before.1.1, after.1.1);
        if of_before.zones != of_after.zones {
            assert!(before.0.zones != after.0.zones && before.0.edges != after.0.edges);
        }
        if of_before.findings != of_after.findings {
            assert!(before.0.zones != after.0.zones && before.0.findings != after.0.findings);
        }
        (of_before.zones != of_after.zones, of_before.findings != of_after.findings)
    };
    assert_eq!(
        differs(&|| own.told(&Outcome { windows: asked("ZTAGS", "FRA6"), ..Outcome::default() })).await,
        (true, false)
    );
    assert_eq!(
        differs(&|| own.told(&Outcome { findings: vec![finding()], ..Outcome::default() })).await,
        (false, true)
    );
    assert_eq!(differs(&|| own.told(&Outcome::default())).await, (false, false));
}

#[tokio::test]
async fn zones_that_are_counted_together_are_one_line_of_the_whole_fleet() {
    let snapshots: Arc<dyn Snapshots> = Arc::new(memory::Snapshots::default());
    let told = |views: &crate::zone_views::ZoneViews, queries: u64| {
        let mut seen = minute("", 0, queries);
        seen.window.zone_name = "".into();
        views.told(&Outcome { windows: vec![seen], ..Outcome::default() });
    };
    let other = views("fleet-views-together-other");
    told(&other, 60);
    let shown = Shown::all().into_iter().find(|shown| shown.shard == "fleet-views-together-other").expect("it lives");
    let aged = |view: &mut Value| view["time"] = crate::config::rfc3339(Clock::real().now_ms() - 7_000).into();
    put_as(&snapshots, &shown, "fleet-views-together-1", aged).await;
    put_as(&snapshots, &shown, "fleet-views-together-2", |_| {}).await;
    let own = views("fleet-views-together-own");
    // Two key groups.
    told(&own, 120);
    told(&own, 180);
    let fleet = fleet_of(&["fleet-views-together-own"], snapshots, Clock::real());
    let zones = fleet.zones().await.expect("a minute has closed");
    let [zone] = &zones["zones"].as_array().expect("a list")[..] else { panic!("one line: {zones}") };
    assert_eq!((&zone["zone"], &zone["zone_id"]), (&"other".into(), &"".into()));
    assert_eq!((&zone["queries_per_second"], &zone["minutes"][0][1]), (&7.0.into(), &420.into()));
    assert_eq!((&zones["zones_total"], &zone["score"]), (&1.into(), &Value::Null));
    assert!((7..20).contains(&zone["age_seconds"].as_i64().expect("a number")), "that of the oldest: {zone}");
    assert_eq!((fleet.zone("").await, fleet.zone("other").await), (None, None), "nothing more can be said of them");
}

#[tokio::test]
async fn minutes_of_others_are_read_once_for_all_who_ask_until_they_are_fetched_again() {
    let snapshots: Arc<dyn Snapshots> = Arc::new(memory::Snapshots::default());
    let clock = Clock::real();
    put_view(&snapshots, clock, "read-once", "once.test", "ZONCE").await;
    let fleet = fleet_of(&[], snapshots.clone(), clock);
    let asked = async || {
        let (now_ms, own, others) = fleet.sources().await;
        answers::zones(now_ms, &own, &others).remove("ZONCE").expect("it was put").0
    };
    let first = asked().await;
    assert!(Arc::ptr_eq(&first, &asked().await));
    put_view(&snapshots, clock, "read-once", "twice.test", "ZONCE").await;
    assert!(Arc::ptr_eq(&first, &asked().await));
    fleet.fetched.lock().await.at = None;
    assert_eq!((first.zone.as_str(), asked().await.zone.as_str()), ("once.test", "twice.test"));
}

#[tokio::test]
async fn how_far_the_fleet_is_leaves_out_no_shard_in_silence() {
    let snapshots: Arc<dyn Snapshots> = Arc::new(memory::Snapshots::default());
    let now_ms = Clock::real().now_ms();
    let put = async |shard: &str, age_seconds: i64, until: Value| {
        let time = crate::config::rfc3339(now_ms - 1_000 * age_seconds);
        let document = json!({ "version": 1, "shard": shard, "time": time, "windows_until": until });
        snapshots.put(&place(shard), document.to_string().into()).await.expect("memory takes it");
    };
    let (_moved, _new, own) = (views("far-moved"), views("far-new"), views("far-own"));
    let shards = &["far-moved", "far-new", "far-own"];
    let told = async || {
        let fleet = fleet_of(shards, snapshots.clone(), Clock::real());
        let zones = fleet.zones().await?;
        Some((zones["windows_until"].as_str()?.to_owned(), zones["shards_left_out"].as_u64()?))
    };
    assert_eq!(told().await, None);
    put("far-stopped", 300, "2026-11-22T09:00:00Z".into()).await;
    assert_eq!(told().await, Some(("2026-11-22T09:00:00Z".into(), 4)), "of none that lives it is the last");
    own.told(&Outcome { windows: vec![minute("ZFAR", 0, 1)], ..Outcome::default() });
    assert_eq!(
        told().await,
        Some(("2026-11-22T10:01:00Z".into(), 3)),
        "one that stopped, one that moved and one that is new"
    );
    put("far-moved", 5, "2026-11-22T09:30:00Z".into()).await;
    assert_eq!(told().await, Some(("2026-11-22T09:30:00Z".into(), 2)), "by the one before");
    put("far-begun", 5, Value::Null).await;
    assert_eq!(told().await, Some(("2026-11-22T09:30:00Z".into(), 3)), "another's that has closed nothing");
    let tag = async |seconds: i64| {
        let clock = Clock::scaled(now_ms + 1_000 * seconds, 1.0);
        fleet_of(&[], snapshots.clone(), clock).tags().await.zones
    };
    let tags = [tag(10).await, tag(20).await, tag(90).await, tag(100).await];
    assert!(
        tags[0] == tags[1] && tags[1] != tags[2] && tags[2] == tags[3],
        "pages are told when one is left out: {tags:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_view_without_windows_is_put_only_where_there_is_none() {
    let snapshots: Arc<dyn Snapshots> = Arc::new(memory::Snapshots::default());
    put_view(&snapshots, Clock::real(), "begun-next", "next.test", "ZNEXT").await;
    let before = snapshots.get(&place("begun-next")).await;
    let refusing = Rates { throttled: 1.0, ..Rates::none() };
    let refusing: Arc<dyn Snapshots> = Arc::new(Faulty::new(snapshots.clone(), refusing, 1));
    let tasks = [("begun-first", &snapshots), ("begun-next", &snapshots), ("begun-unknown", &refusing)];
    let mut views_here = Vec::new();
    for (shard, snapshots) in tasks {
        let views = views(shard);
        take_over(snapshots, shard, &views).await;
        views_here.push(views);
    }
    let fleet = fleet_of(&["begun-first", "begun-next", "begun-unknown"], snapshots.clone(), Clock::real());
    let _ = tokio::time::timeout(PERIOD + Duration::from_secs(1), fleet.publish()).await;
    assert_eq!(snapshots.list("").await, Ok(vec![place("begun-first"), place("begun-next")]));
    assert_eq!(snapshots.get(&place("begun-next")).await, before, "what the one before has left says more");
    let view = snapshots.get(&place("begun-first")).await.expect("memory answers").expect("it was put");
    let view: Value = serde_json::from_slice(&view).expect("it is JSON");
    assert_eq!((&view["windows_until"], &view["zones"]), (&Value::Null, &json!([])));
}
