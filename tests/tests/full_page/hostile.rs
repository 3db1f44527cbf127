//! Documents in which every text is what an attacker would like to be on a page.

use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What must stand on the pages letter by letter.
pub(crate) const TEXTS: [&str; 4] =
    ["<script>alert(1)</script>", "\"><img src=x onerror=alert(2)>", "&lt;b&gt;'--", "javascript:alert(3)//"];
/// One word that is wider than a telephone.
fn long() -> String {
    "w".repeat(250)
}

pub(crate) const ZONE: &str = "Z<b>../'\"";
const TIME: &str = "2026-11-22T10:00:00Z";
const TIME_MS: i64 = 1_795_341_600_000;

fn parts(count: &str) -> Value {
    let names = TEXTS.iter().map(|text| (*text).to_owned()).chain([long()]);
    names
        .map(|name| json!({ "name": name, "suffix": name, "distinct_names": 7, "share": 0.2, "error": 0, count: 9 }))
        .collect()
}

fn finding(number: usize) -> Value {
    let bad = TEXTS[number % TEXTS.len()];
    json!({
        "id": format!("id\"{number}<"), "zone": bad, "zone_id": ZONE, "kind": format!("{bad}_{}", long()), "status": bad, "superseded_by": bad,
        "severity": (["critical", "warning", "info", bad][number % 4]), "muted": number == 5, "open": number != 6,
        "summary": format!("{bad} {}", long()), "start": TIME, "last": TIME, "duration_seconds": 1, "window_seconds": 60,
        "signal": bad, "score": 1.5, "observed": 4.0, "expected": { "value": 1.0, "low": 0.5, "high": 2.0 },
        "names": parts("count"), "suffixes": parts("count"), "resolvers": parts("count"), "networks": parts("count"),
        "edges": parts("count"), "whole": true, "coverage": 1.0, "age_seconds": 0,
    })
}

fn zone_document() -> Value {
    let starts: Vec<i64> = (0..60).map(|minute| TIME_MS + 60_000 * minute).collect();
    let numbers = |from: f64| (0..60).map(|at| Some(from + f64::from(at % 7))).collect::<Vec<_>>();
    let signal = json!({
        "observed": numbers(5.0), "expected": numbers(4.0), "low": numbers(2.0), "high": numbers(9.0), "score": numbers(0.0),
    });
    json!({
        "version": 1, "time_ms": TIME_MS, "age_seconds": 400,
        "window": {
            "zone": format!("{}{}", TEXTS[0], long()), "zone_id": ZONE, "window_start": TIME, "window_seconds": 60, "whole": true,
            "coverage": 1.0, "queries": 45, "response_codes": { "NOERROR": 40, TEXTS[1]: 5 }, "distinct_names": 7,
            "distinct_nxdomain_names": 1, "distinct_resolvers": 2, "top_names": parts("queries"),
            "top_resolvers": parts("queries"), "top_networks": parts("queries"), "top_edges": parts("queries"),
            "suffixes": parts("distinct_nxdomain_names"),
        },
        "scores": { "queries": 0.5, TEXTS[2]: 2.0 }, "values": {}, "minutes": [], "findings": (0..8).map(finding).collect::<Vec<_>>(),
        "history": {
            "length_ms": 60_000, "start_ms": starts, "queries": numbers(5.0),
            "response_codes": { "NOERROR": numbers(4.0), TEXTS[1]: numbers(1.0) },
            "signals": { "queries": signal, TEXTS[2]: signal },
        },
    })
}

/// Every document of the API.
pub(crate) fn documents() -> BTreeMap<String, Value> {
    let zone = |(at, text): (usize, &&str)| {
        json!({
            "zone": if at == 0 { format!("{text}{}", long()) } else { (*text).to_owned() }, "zone_id": format!("{ZONE}{at}"),
            "age_seconds": 400 * at, "queries_per_second": 3.5, "response_codes": { "NOERROR": 9, text.to_owned(): 1 },
            "nxdomain_share": 0.1, "failure_share": 0.0001, "score": 1.5, "signal": text, "coverage": 1.0, "findings": 1,
            "severity": text, "minutes": [[TIME_MS, 5], [TIME_MS + 60_000, 7]],
        })
    };
    let edge = |text: &&str| {
        json!({
            "edge": text, "place": text, "country": text, "latitude": 50.0, "longitude": 8.0, "queries_per_second": 1.0,
            "change": 9.0, "age_seconds": 0,
        })
    };
    let shard = |text: &&str| {
        json!({
            "stream": text, "shard": format!("{text}{}", long()), "owner": TEXTS[0], "state": "held", "behind_seconds": 90.0,
            "checkpoint_age_seconds": null, "bytes_per_second": null, "parents": TEXTS, "counter": 1,
        })
    };
    let mut zones: Vec<Value> = TEXTS.iter().enumerate().map(zone).collect();
    zones.push(json!({
        "zone": "plain.example", "zone_id": ZONE, "age_seconds": 0, "queries_per_second": null, "response_codes": {},
        "nxdomain_share": null, "failure_share": null, "score": null, "signal": null, "coverage": null, "findings": 0,
        "severity": null, "minutes": [],
    }));
    let document = |mut value: Value| {
        value["version"] = 1.into();
        value["time_ms"] = TIME_MS.into();
        value["scope"] = "fleet".into();
        value
    };
    BTreeMap::from([
        ("zones".to_owned(), document(json!({ "windows_until": TIME, "slot_ms": 60_000, "zones": zones }))),
        ("findings".to_owned(), document(json!({ "findings": (0..8).map(finding).collect::<Vec<_>>() }))),
        ("edges".to_owned(), document(json!({ "edges": TEXTS.iter().map(edge).collect::<Vec<_>>() }))),
        (
            "fleet".to_owned(),
            document(json!({
                "app": TEXTS[0], "stream": TEXTS[1],
                "workers": [
                    { "worker": TEXTS[0], "this": true, "state": "working", "age_seconds": 0.1, "capacity": 2.0, "shards": 1,
                      "ready": false, "not_ready_because": TEXTS[2], "uptime_seconds": 7.0, "queries_total": 3,
                      "rejects": { TEXTS[1]: 3 } },
                    { "worker": format!("{}{}", TEXTS[3], long()), "this": false, "state": TEXTS[1], "age_seconds": null,
                      "capacity": null, "shards": 0 },
                ],
                "shards": TEXTS.iter().map(shard).collect::<Vec<_>>(),
                "moves": [{ "time_ms": TIME_MS, "stream": TEXTS[1], "shard": long(), "from": TEXTS[2], "to": null }],
            })),
        ),
        // As the address is written that the page or the copying command asks for.
        ("zones/Z%3Cb%3E..%2F%27%22".to_owned(), zone_document()),
    ])
}
