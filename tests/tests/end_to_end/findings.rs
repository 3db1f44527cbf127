//! Findings, from log lines to where people and machines read them.

use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use zonewatch_tests::emulators::{Delivery, Emulator, base64, unique, wait_for};
use zonewatch_tests::fleet::{Fleet, PATIENCE, Worker};
use zonewatch_tests::http;
use zonewatch_tests::ledger::now;
use zonewatch_tests::program::{Folder, run, said, zonewatch};

/// Lines of an edge location over 40 minutes: a query every second, and in the 12th minute names that nobody has.
fn log(edge: &str) -> String {
    let mut text = String::new();
    for second in 0..2_400_u32 {
        let (minute, rest) = (second / 60, second % 60);
        let mut line = |name: &str, code: &str| {
            text += &format!(
                "1.0 2026-11-22T10:{minute:02}:{rest:02}Z Z0123456789ABCDEFGHIJ {name} A {code} UDP {edge} 192.0.2.{} -\n",
                second % 200
            );
        };
        line("www.example.com", "NOERROR");
        if minute == 12 {
            (0..60).for_each(|number| line(&format!("{edge}-{second}-{number}.api.example.com"), "NXDOMAIN"));
        }
    }
    text
}

fn replayed(folder: &Folder, inputs: &[&str], further: &[&str]) -> Vec<Value> {
    let out = folder.file("findings.ndjson").display().to_string();
    let output = run(&mut zonewatch(&[&["replay", "--findings", &out], further, inputs].concat()));
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains("findings"), "{}", said(&output));
    lines(&std::fs::read_to_string(out).expect("the findings were written"))
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
}

#[test]
fn a_replay_tells_a_flood_and_its_end_and_what_it_was_made_of() {
    let folder = Folder::create();
    let input = |edge: &str| folder.write(&format!("{edge}.log"), log(edge).as_bytes()).display().to_string();
    let (one, two) = (input("FRA6-C1"), input("IAD79-C3"));
    let told = replayed(&folder, &[&one, &two], &[]);
    let opened: Vec<_> = told.iter().filter(|line| line["status"] == "opened").collect();
    let [flood] = opened[..] else { panic!("one finding: {told:#?}") };
    assert_eq!((&flood["kind"], &flood["severity"]), (&"random_subdomain".into(), &"critical".into()), "{flood}");
    assert_eq!(flood["start"], "2026-11-22T10:12:00Z");
    assert_eq!(flood["suffixes"][0]["name"], "api.example.com", "{flood}");
    let last = told.last().expect("it ended");
    assert_eq!((&last["status"], &last["id"]), (&"closed".into(), &flood["id"]));
    assert_eq!(replayed(&folder, &[&two, &one], &[]), told, "the order of the inputs does not matter");

    let tuning = folder.write("tuning.toml", b"[zones.Z0123456789ABCDEFGHIJ]\nmuted = true\n");
    let config = folder.write("config.toml", format!("[detect]\ntuning = \"{}\"\n", tuning.display()).as_bytes());
    let muted = replayed(&folder, &[&one, &two], &["--config", &config.display().to_string()]);
    assert!(muted.len() == told.len() && muted.iter().all(|line| line["muted"] == true), "{muted:#?}");
}

#[test]
fn what_was_usual_is_written_and_taken() {
    let folder = Folder::create();
    let input = folder.write("queries.log", log("FRA6-C1").as_bytes()).display().to_string();
    let baselines = folder.file("usual.bin");
    let written = baselines.display().to_string();
    replayed(&folder, &[&input], &["--baselines", &written]);
    let with = |baselines: &Path| {
        let text = format!("[detect]\nbaselines = \"{}\"\n", baselines.display());
        let config = folder.write("config.toml", text.as_bytes()).display().to_string();
        run(&mut zonewatch(&["replay", "--quiet", "--findings", "/dev/null", "--config", &config, &input]))
    };
    let output = with(&baselines);
    assert!(output.status.success(), "{}", said(&output));
    let output = with(&folder.write("not.bin", b"something else"));
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("zonewatch replay --baselines"), "{}", said(&output));
}

#[test]
fn a_file_of_baselines_that_cannot_be_written_is_told_at_the_start() {
    let folder = Folder::create();
    let input = folder.write("queries.log", log("FRA6-C1").as_bytes());
    let before = fs::read(&input).expect("it was written");
    let replay = |baselines: &str, more: &[&str]| {
        let arguments = [&["replay", "--quiet", "--baselines", baselines], more, &[&input.display().to_string()]];
        run(&mut zonewatch(&arguments.concat()))
    };
    let nowhere = folder.file("no-folder/usual.bin").display().to_string();
    let usual = folder.file("usual.bin").display().to_string();
    let own = input.display().to_string();
    for (path, more, says) in [
        (nowhere.as_str(), &[][..], "name a place that can be written"),
        (&folder.file("").display().to_string(), &[], "it is a folder"),
        (&own, &[], "it is also an input"),
        ("-", &[], "they are no text"),
        (&usual, &["--windows", &usual], "both go to the same place"),
    ] {
        let output = replay(path, more);
        assert!(!output.status.success() && said(&output).contains(says), "{path}: {}", said(&output));
    }
    let files = fs::read_dir(folder.file("")).expect("the folder is there").count();
    assert_eq!((files, fs::read(&input).expect("it is there")), (1, before), "nothing is left and nothing lost");
    folder.write("usual.bin.part", b"");
    assert!(said(&replay(&usual, &[])).contains("delete it"));
}

/// Puts four seconds' worth of a flood of names that nobody has, dated now.
pub(crate) fn flood(fleet: &Fleet, zone: &str, id: &str) {
    for part in 0..4 {
        let time_ms = now().as_millis() as u64;
        let time = traffic::rfc3339(time_ms as i64);
        let event = |number: u32| {
            let line =
                format!("1.0 {time} {id} x{part}x{number}.{zone} A NXDOMAIN UDP FRA6 192.0.2.{} -", number % 200);
            json!({ "id": format!("{zone}{part:028}{number:028}"), "timestamp": time_ms, "message": line })
        };
        let payload = json!({
            "messageType": "DATA_MESSAGE", "owner": "123456789012", "logGroup": format!("/aws/route53/{zone}"),
            "logStream": format!("{id}/FRA6"), "subscriptionFilters": ["all"],
            "logEvents": (0..400).map(event).collect::<Vec<_>>(),
        });
        fleet.stream.put(&[(zone.to_owned(), base64(payload.to_string().as_bytes()))]);
    }
}

/// The finding of a zone in the API's answer.
pub(crate) fn in_api(worker: &Worker, zone: &str) -> Option<Value> {
    let answer = http::get(&format!("{}/api/v1/findings", worker.page())).ok()?.text();
    let answer: Value = serde_json::from_str(&answer).expect("the API answers JSON");
    answer["findings"].as_array()?.iter().find(|finding| finding["zone"] == zone).cloned()
}

#[test]
fn a_worker_tells_a_flood_within_seconds_and_the_next_worker_knows_of_it() {
    let fleet = Fleet::create(1);
    let bucket = unique("snapshots");
    Emulator::aws().create_bucket(&bucket);
    let delivered = Delivery::create(Emulator::aws());
    let tuning = fleet.folder.write("tuning.toml", b"");
    let tuning_text = tuning.display().to_string();
    let settings = [
        ("ZONEWATCH_DETECT__ENABLED", "true"),
        ("ZONEWATCH_DETECT__BUCKET", bucket.as_str()),
        ("ZONEWATCH_DETECT__FINDINGS_DELIVERY_STREAM", &delivered.name),
        ("ZONEWATCH_DETECT__TUNING", &tuning_text),
        ("ZONEWATCH_ENRICH__RELOAD_SECS", "1"),
    ];
    let worker = fleet.worker_with("one", &settings);
    let active = |worker: &Worker, zone: &str| worker.metric("zonewatch_finding_active", &format!("zone=\"{zone}\""));
    let told = |zone: &str| lines(&delivered.lines().join("\n")).into_iter().find(|line| line["zone"] == zone);

    flood(&fleet, "flooded.example", "ZFLOODED0123456789AB");
    let line = wait_for("a delivered finding", PATIENCE, || told("flooded.example"));
    assert_eq!(
        (&line["kind"], &line["status"], &line["muted"]),
        (&"random_subdomain".into(), &"opened".into(), &false.into())
    );
    wait_for("an active finding", PATIENCE, || active(&worker, "flooded.example"));
    let shown = wait_for("the finding in the API", PATIENCE, || in_api(&worker, "flooded.example"));
    assert_eq!((&shown["open"], &shown["id"], &shown["age_seconds"]), (&true.into(), &line["id"], &0.into()));
    assert!(worker.process.said().contains("finding opened"), "{}", worker.process.said());
    let page = http::get(&format!("{}/", worker.page())).expect("the page").text();
    assert!(page.contains("<h1>") && page.contains("assets/overview.js"), "{page}");

    // Tuning is taken while the worker runs.
    fleet.folder.write("tuning.toml", b"[zones.\"muted.example\"]\nmuted = true\n");
    wait_for("the new tuning", PATIENCE, || worker.process.said().contains("findings tuning").then_some(()));
    flood(&fleet, "muted.example", "ZMUTED0123456789ABCD");
    let muted = wait_for("a muted finding", PATIENCE, || told("muted.example"));
    assert_eq!(muted["muted"], true);
    assert_eq!(active(&worker, "muted.example"), None);
    assert!(!worker.process.said().contains("muted.example"), "what is muted is not in the log");

    worker.end();
    let next = fleet.worker_with("two", &settings);
    wait_for("the finding, still active", PATIENCE, || active(&next, "flooded.example"));
    let shown = in_api(&next, "flooded.example").expect("it is open");
    assert_eq!((&shown["id"], &shown["summary"]), (&line["id"], &line["summary"]), "as the worker before told it");
    let missing = http::get(&format!("{}/api/v1/zones/nobody.example", next.page())).expect("an answer");
    assert_eq!(missing.status, 404);
    next.end();
}
