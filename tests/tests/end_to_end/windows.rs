//! Windows of a replay, from the command line.

use serde_json::Value;
use std::path::Path;
use zonewatch_tests::program::{Folder, run, said, zonewatch};

/// Lines of an edge location over 25 minutes: a query every second, a random-subdomain flood in the 12th minute.
fn log(edge: &str, offset: u32) -> String {
    let mut text = String::new();
    for second in 0..1_500_u32 {
        let (minute, rest) = (second / 60, second % 60);
        let mut line = |name: &str, code: &str| {
            text += &format!(
                "1.0 2026-11-22T10:{minute:02}:{rest:02}.{offset:03}Z Z0123456789ABCDEFGHIJ {name} A {code} UDP {edge} 192.0.2.{} -\n",
                second % 200
            );
        };
        line("www.example.com", "NOERROR");
        if minute == 12 {
            (0..20).for_each(|number| line(&format!("{edge}-{second}-{number}.api.example.com"), "NXDOMAIN"));
        }
    }
    text
}

fn replayed(inputs: &[&str], out: &Path) -> Vec<u8> {
    let out = out.display().to_string();
    let output = run(&mut zonewatch(&[&["replay", "--windows", &out], inputs].concat()));
    assert!(output.status.success(), "{}", said(&output));
    std::fs::read(&out).expect("the windows were written")
}

#[test]
fn a_replay_tells_the_same_windows_whatever_the_order_of_its_inputs() {
    let folder = Folder::create();
    let edges = [("FRA6-C1", 0), ("IAD79-C3", 250), ("NRT20", 500)];
    let inputs = edges
        .map(|(edge, offset)| folder.write(&format!("{edge}.log"), log(edge, offset).as_bytes()).display().to_string());
    let [one, two, three] = inputs.each_ref().map(String::as_str);
    let out = folder.file("windows.ndjson");
    let expected = replayed(&[one, two, three], &out);
    assert_eq!(expected, replayed(&[three, one, two], &out));
    assert_eq!(expected, replayed(&[two, one, three], &out));

    let text = String::from_utf8(expected).expect("a line is ASCII");
    let windows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect();
    for seconds in [10, 60, 600] {
        let of_length = windows.iter().filter(|window| window["window_seconds"] == seconds);
        let sum: u64 = of_length.map(|window| window["queries"].as_u64().expect("a count")).sum();
        assert_eq!(sum, 3 * (1_500 + 60 * 20), "{seconds} s");
    }
    let is_flood = |window: &&Value| window["window_seconds"] == 60 && window["window_start"] == "2026-11-22T10:12:00Z";
    let flood = windows.iter().find(is_flood).expect("the minute of the flood");
    assert_eq!((&flood["whole"], &flood["coverage"]), (&true.into(), &1.0.into()), "{flood}");
    assert_eq!(flood["response_codes"].to_string(), r#"{"NOERROR":180,"NXDOMAIN":3600}"#);
    assert_eq!(flood["top_names"][0]["name"], "www.example.com", "the zone has no name in a line, so names are whole");
    let estimate = flood["distinct_nxdomain_names"].as_f64().expect("a count");
    assert!((estimate / 3_600.0 - 1.0).abs() < 0.1, "{flood}");
    let suffixes = flood["suffixes"].as_array().expect("a list");
    assert!(suffixes.iter().any(|suffix| suffix["suffix"] == "api.example.com"), "{flood}");
}

#[test]
fn windows_go_where_nothing_else_goes() {
    let folder = Folder::create();
    let input = folder.write("queries.log", log("FRA6-C1", 0).as_bytes()).display().to_string();
    let output = run(&mut zonewatch(&["replay", "--records", "-", "--windows", "-", &input]));
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("name two"), "{}", said(&output));
}
