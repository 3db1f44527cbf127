//! The status page in a real Chromium, looked at by `tools/check_page.mjs`: of the demo, and of a worker that was sent
//! what an attacker would send.
//!
//! Run by `cargo xtask full`. Screenshots are left in `.cache/screenshots` for people to look at.

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;
use std::fs::File;
use std::io::Write as _;
use std::process::{Command, Stdio};
use zonewatch_tests::emulators::{base64, wait_for};
use zonewatch_tests::fleet::{Fleet, PATIENCE, free_ports};
use zonewatch_tests::http;
use zonewatch_tests::program::{Folder, Process, said, zonewatch};
use zonewatch_tests::tidy::root;

/// The demo's zones.
const ZONES: usize = 8;

/// Runs the check; what it said, if it found anything wrong.
fn wrong_with(page: &str, zones: usize, texts: &[&str], screenshots: &str) -> Option<String> {
    let mut check = Command::new("node");
    check.arg(root().join("tools/check_page.mjs")).args([page, &zones.to_string(), &json!(texts).to_string()]);
    check.arg(root().join(".cache/screenshots").join(screenshots)).stdin(Stdio::null());
    let output = check.output().expect("node starts");
    (!output.status.success()).then(|| said(&output))
}

#[test]
fn the_demos_page_is_sound_in_a_browser() {
    let folder = Folder::create();
    let [people, operations] = free_ports();
    let ports = [people.to_string(), operations.to_string()];
    let arguments = ["demo", "--port", &ports[0], "--metrics-port", &ports[1], "--speed", "300"];
    let mut demo = Process::start(&mut zonewatch(&arguments), &folder.file("log"));
    let address = format!("http://127.0.0.1:{people}/");
    wait_for("the page", PATIENCE, || {
        demo.must_live();
        http::get(&address).ok()
    });
    assert_eq!(wrong_with(&address, ZONES, &["Zonewatch", "zonewatch-demo"], "demo"), None);
    demo.must_live();
}

#[test]
fn what_strangers_send_is_text_on_the_page() {
    const NAMES: [&str; 3] =
        ["<script>alert(1)</script>.example.com", "'onmouseover='alert(2).example.com", "&lt;b&gt;.example.com"];
    let fleet = Fleet::create(1);
    let event = |(at, name): (usize, &&str)| {
        let line = format!("1.0 2026-01-02T03:04:05Z Z0123456789ABCDEFGHIJ {name} A NXDOMAIN UDP IAD12-C1 192.0.2.1 -");
        json!({ "id": at.to_string(), "timestamp": 1_767_323_045_000_i64, "message": line })
    };
    let events: Vec<_> = NAMES.iter().enumerate().map(event).collect();
    let envelope = json!({
        "messageType": "DATA_MESSAGE", "owner": "123456789012", "logGroup": "/aws/route53/example.com",
        "logStream": "Z0123456789ABCDEFGHIJ/IAD12-C1", "subscriptionFilters": ["all"], "logEvents": events,
    });
    let mut payload = GzEncoder::new(Vec::new(), Compression::fast());
    payload.write_all(envelope.to_string().as_bytes()).expect("memory takes bytes");
    fleet.stream.put(&[("all".to_owned(), base64(&payload.finish().expect("memory takes bytes")))]);

    let worker = fleet.worker("only");
    fleet.wait_for_lines(NAMES.len());
    assert_eq!(wrong_with(&format!("{}/", worker.page()), 1, &NAMES, "hostile"), None);
}

#[test]
fn the_check_sees_what_is_wrong_with_a_page() {
    // A worker's answers are not at hand in bad form: a page of files is, and the check must not like it.
    let folder = Folder::create();
    let port = free_ports::<1>()[0];
    let page = "<!doctype html><title>Other</title><body style='width:3000px'><table id=zones><tr><th>a</th></tr></table>\
                <script>console.error('broken')</script><img src='http://localhost:1/x'></body>";
    folder.write("index.html", page.as_bytes());
    let log = File::create(folder.file("log")).expect("a log file");
    let mut server = Command::new("python3");
    server.args(["-m", "http.server", "--bind", "127.0.0.1", &port.to_string()]).current_dir(folder.file("."));
    let mut server = server.stdout(Stdio::null()).stderr(log).spawn().expect("python starts");
    let address = format!("http://127.0.0.1:{port}/");
    wait_for("the server", PATIENCE, || http::get(&address).ok());
    let wrong = wrong_with(&address, 2, &["<b>"], "wrong").unwrap_or_default();
    server.kill().expect("the process is ours");
    server.wait().expect("the process is ours");
    for part in [
        "the title is Other",
        "never showed 2 zones",
        "letter by letter: <b>",
        "px too wide",
        "says: broken",
        "asked http://localhost:1/x",
    ] {
        assert!(wrong.contains(part), "{part} was not noticed:\n{wrong}");
    }
}
