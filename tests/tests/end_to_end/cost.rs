//! `zonewatch cost`, from the command line: what it takes for granted is what the program does.

use serde_json::Value;
use zonewatch_tests::program::{Folder, run, said, zonewatch};

fn priced(arguments: &[&str]) -> Value {
    let output = run(&mut zonewatch(&[&["cost", "--json"], arguments].concat()));
    assert!(output.status.success(), "{}", said(&output));
    serde_json::from_slice(&output.stdout).expect("it prints JSON")
}

#[test]
fn a_querys_part_of_windows_lines_is_what_a_replay_writes() {
    let folder = Folder::create();
    let file = |name: &str| folder.file(name).display().to_string();
    let (logs, windows) = (file("logs.gz"), file("windows.ndjson"));
    // One query a second of each of eight zones.
    let made = ["traffic", "--scenario", "calm", "--rate", "8", "--seconds", "1800", "--start", "2026-11-11T12:00:00Z"];
    let output = run(&mut zonewatch(&[&made[..], &["--output", &logs]].concat()));
    assert!(output.status.success(), "{}", said(&output));
    let queries: f64 = said(&output).split(' ').next().and_then(|word| word.parse().ok()).expect("a number of queries");
    let output = run(&mut zonewatch(&["replay", "--quiet", "--windows", &windows, &logs]));
    assert!(output.status.success(), "{}", said(&output));
    let written = std::fs::metadata(&windows).expect("the windows were written").len() as f64 / queries;
    let stated = &priced(&["--queries-per-day", "691200", "--zones", "8"])["window_bytes_a_query"];
    let stated = stated.as_f64().expect("a number");
    assert!((written / stated - 1.0).abs() < 0.2, "{written} bytes a query are written and {stated} stated");
}

#[test]
fn the_json_adds_up_and_own_prices_are_taken() {
    let folder = Folder::create();
    let printed = run(&mut zonewatch(&["cost", "--print-prices"])).stdout;
    let text = String::from_utf8(printed).expect("prices are text");
    let abroad = folder.write("abroad.toml", text.replace("\"us-east-1\"", "\"eu-west-1\"").as_bytes());
    let wanted = ["--queries-per-day", "10M", "--zones", "20"];
    let home = priced(&wanted);
    let sum: f64 = home["items"].as_array().expect("a list").iter().filter_map(|item| item["dollars"].as_f64()).sum();
    assert!((sum - home["dollars"].as_f64().expect("a number")).abs() < 1e-6, "{home}");
    let abroad = abroad.display().to_string();
    let there = priced(&[&wanted[..], &["--region", "eu-west-1", "--prices", &abroad]].concat());
    assert_eq!((&there["dollars"], &there["region"]), (&home["dollars"], &"eu-west-1".into()));

    for (arguments, advice) in [
        (vec!["cost"], "Usage: zonewatch cost"),
        (vec!["cost", "--queries-per-day", "1T", "--zones", "1"], "must be a number"),
        (vec!["cost", "--queries-per-day", "1M", "--zones", "0"], "--zones"),
        (vec!["cost", "--queries-per-day", "1M", "--zones", "1", "--region", "eu-west-1"], "--prices"),
        (
            vec!["cost", "--queries-per-day", "1M", "--zones", "1", "--prices", "nowhere"],
            "name a file that can be read",
        ),
        (vec!["cost", "--queries-per-day", "900000G", "--zones", "1"], "fleets of their own"),
    ] {
        let output = run(&mut zonewatch(&arguments));
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", said(&output));
        assert!(said(&output).contains(advice), "{arguments:?}: {}", said(&output));
    }
}
