//! The status page in a real Chromium, looked at by `tools/check_page.mjs`: of the demo, of a static copy, and with what an attacker
//! would send.
//!
//! Run by `cargo xtask full page`. Screenshots are left in `.cache/screenshots` for people to look at.

mod hostile;
mod served;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use zonewatch_tests::emulators::{base64, wait_for};
use zonewatch_tests::fleet::{Fleet, PATIENCE, free_ports};
use zonewatch_tests::http;
use zonewatch_tests::program::{Folder, Process, said, zonewatch};
use zonewatch_tests::tidy::root;

/// The demo's zones.
const ZONES: usize = 8;
/// At this speed the flood of 09:30 comes after two minutes, and a browser beside it on two cores makes no query late.
const SPEED: &str = "300";

/// Runs the check; what it said, if it found anything wrong.
fn wrong_with(page: &str, plan: &Value, screenshots: &str) -> Option<String> {
    let mut check = Command::new("node");
    check.arg(root().join("tools/check_page.mjs")).args([page, &plan.to_string()]);
    check.arg(root().join(".cache/screenshots").join(screenshots)).stdin(Stdio::null());
    let output = check.output().expect("node starts");
    (!output.status.success()).then(|| said(&output))
}

/// A demo of one certain day, and its page's address.
fn demo(folder: &Folder) -> (Process, String) {
    let [people, operations] = free_ports();
    let ports = [people.to_string(), operations.to_string()];
    let arguments = ["demo", "--port", &ports[0], "--metrics-port", &ports[1], "--speed", SPEED, "--day", "2026-11-22"];
    let mut demo = Process::start(&mut zonewatch(&arguments), &folder.file("log"));
    let address = format!("http://127.0.0.1:{people}/");
    wait_for("the page", PATIENCE, || {
        demo.must_live();
        http::get(&address).ok()
    });
    (demo, address)
}

fn document(address: &str, path: &str) -> Value {
    let answer = http::get(&format!("{address}api/v1/{path}")).ok();
    answer.and_then(|answer| serde_json::from_str(&answer.text()).ok()).unwrap_or_default()
}

/// Waits for zones, and for the first finding of the day: its zone's name and id.
fn wait_for_a_finding(address: &str) -> (String, String) {
    wait_for("zones and a finding", Duration::from_secs(300), || {
        let zones = document(address, "zones")["zones"].as_array().map_or(0, Vec::len);
        let finding = &document(address, "findings")["findings"][0];
        let text = |field: &str| finding[field].as_str().map(str::to_owned);
        text("zone").zip(text("zone_id")).filter(|_| zones == ZONES)
    })
}

#[test]
fn the_demos_pages_are_sound_in_a_browser_and_so_is_their_copy() {
    let folder = Folder::create();
    let (mut demo, address) = demo(&folder);
    let (zone, zone_id) = wait_for_a_finding(&address);
    let texts = json!({ "overview": ["zonewatch-demo", &zone], "zone": [&zone], "findings": [&zone], "fleet": ["demo-query-logs"], "map": ["FRA"] });
    let plan = json!({
        "zones": ZONES, "zone": zone, "texts": texts, "does": [
            "sorts", "opens", "filters", "renews", "endures", "outlives", "refuses", "listens", "leads", "keeps", "forgets", "knows",
        ],
    });
    assert_eq!(wrong_with(&address, &plan, "demo"), None);
    demo.must_live();

    let site = folder.file("site");
    let target = site.to_str().expect("a path of ours");
    let copied = zonewatch(&["page", target, "--from", &address]).output().expect("the program starts");
    assert!(copied.status.success(), "{}", said(&copied));
    demo.terminate();
    // A copy has a zone's document under its id, as the page's links have it.
    let plan = json!({
        "zones": ZONES, "zone": zone_id, "texts": texts, "does": ["sorts", "opens", "filters"], "state": "A copy",
    });
    assert_eq!(wrong_with(&served::folder(site), &plan, "copy"), None);
}

#[test]
fn what_strangers_send_is_text_on_every_page() {
    let folder = Folder::create();
    let site = folder.file("site");
    let from = served::documents(hostile::documents());
    let arguments = ["page", site.to_str().expect("a path of ours"), "--from", &from];
    let copied = zonewatch(&arguments).output().expect("the program starts");
    assert!(copied.status.success(), "{}", said(&copied));
    let pages = ["overview", "zone", "findings", "map", "fleet"];
    let texts: Value =
        pages.iter().map(|page| ((*page).to_owned(), json!(hostile::TEXTS))).collect::<serde_json::Map<_, _>>().into();
    let plan = json!({ "zones": hostile::TEXTS.len() + 1, "zone": hostile::ZONE, "texts": texts, "state": "A copy" });
    assert_eq!(wrong_with(&served::folder(site), &plan, "hostile"), None);
}

#[test]
fn a_worker_without_windows_shows_what_it_reads() {
    const NAMES: [&str; 3] =
        ["<script>alert(1)</script>.example.com", "'onmouseover='alert(2).example.com", "&lt;b&gt;.example.com"];
    const ZONE: &str = "Z0123456789ABCDEFGHIJ";
    let fleet = Fleet::create(1);
    let event = |(at, name): (usize, &&str)| {
        let line = format!("1.0 2026-01-02T03:04:05Z {ZONE} {name} A NXDOMAIN UDP IAD12-C1 192.0.2.1 -");
        json!({ "id": at.to_string(), "timestamp": 1_767_323_045_000_i64, "message": line })
    };
    let events: Vec<_> = NAMES.iter().enumerate().map(event).collect();
    let envelope = json!({
        "messageType": "DATA_MESSAGE", "owner": "123456789012", "logGroup": "/aws/route53/example.com",
        "logStream": format!("{ZONE}/IAD12-C1"), "subscriptionFilters": ["all"], "logEvents": events,
    });
    let mut payload = GzEncoder::new(Vec::new(), Compression::fast());
    payload.write_all(envelope.to_string().as_bytes()).expect("memory takes bytes");
    fleet.stream.put(&[("all".to_owned(), base64(&payload.finish().expect("memory takes bytes")))]);

    let worker = fleet.worker("only");
    fleet.wait_for_lines(NAMES.len());
    let texts =
        json!({ "overview": ["Windows are off", "example.com"], "zone": NAMES, "findings": ["No findings here"] });
    let plan = json!({ "zones": 1, "zone": "example.com", "texts": texts, "refused": ["findings", "edges", "zones/example.com"] });
    assert_eq!(wrong_with(&format!("{}/", worker.page()), &plan, "without-windows"), None);
}

#[test]
fn what_others_made_is_as_their_packages_have_it() {
    let tools = std::env::var_os("ZONEWATCH_TOOLS").expect("cargo xtask full names the tools");
    let packages = root().join(tools).join("full/node_modules");
    let assets = root().join("crates/zonewatch/src/http/page/assets");
    let read = |path: &Path| std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    for (theirs, ours) in [
        ("uplot/dist/uPlot.iife.min.js", "uPlot.iife.min.js"),
        ("uplot/dist/uPlot.min.css", "uPlot.min.css"),
        ("uplot/LICENSE", "uPlot.LICENSE.txt"),
    ] {
        assert!(read(&packages.join(theirs)) == read(&assets.join(ours)), "{ours} is not {theirs}");
    }
    let folder = Folder::create();
    let mut make = Command::new("node");
    make.arg(root().join("tools/make_land.mjs")).arg(packages.join("world-atlas")).arg(folder.file("."));
    let made = make.output().expect("node starts");
    assert!(made.status.success(), "{}", said(&made));
    for name in ["land.svg", "land.LICENSE.txt"] {
        assert!(read(&folder.file(name)) == read(&assets.join(name)), "tools/make_land.mjs makes another {name}");
    }
}

#[test]
fn the_check_sees_what_is_wrong_with_a_page() {
    // A worker's answers are not at hand in bad form: a page of files is, and the check must not like it.
    let folder = Folder::create();
    let page = "<!doctype html><title>Other</title><body style='color:red'><p id=state>Lost</p>\
                <table id=zones width=3000><tbody><tr><th>a</th></tr></table><img onclick='x()' src='http://localhost:1/x'></body>";
    for path in ["", "findings/", "map/", "fleet/"] {
        std::fs::create_dir_all(folder.file(path)).expect("a folder of ours");
        folder.write(&format!("{path}index.html"), page.as_bytes());
    }
    let address = served::folder(folder.file("."));
    let wrong =
        wrong_with(&address, &json!({ "zones": 2, "texts": { "overview": ["<b>"] } }), "wrong").unwrap_or_default();
    for part in [
        "the title is Other",
        "never showed 2 zones",
        "letter by letter: <b>",
        "px too wide",
        "its head says Lost and not Live",
        "asked http://localhost:1/x",
        "elements carry handlers",
        "leads to http://localhost:1/x",
        "style-src-attr forbids inline",
        "axe: image-alt",
        "findings: it stays empty",
    ] {
        assert!(wrong.contains(part), "{part} was not noticed:\n{wrong}");
    }
}
