//! Windows of whole replays.

use super::tests::{gzip, line, payload};
use super::*;
use crate::config::Config;
use serde_json::Value;
use std::io::Cursor;

const START_MS: i64 = 1_795_341_600_000;

/// The lines of inputs with these names, in this order, and what was counted beside.
fn windows(inputs: &[(&str, Vec<u8>)]) -> (Vec<u8>, crate::observe::Counts) {
    let open = |(name, bytes): &(&str, Vec<u8>)| {
        Input::over(Cursor::new(bytes.clone()), name, None, dnslog::Limits::default().events_max)
            .expect("a usable input")
    };
    let inputs = inputs.iter().map(open).collect();
    let settings = Settings::new(&Config::default(), "us-east-1", 0).without_records();
    let mut replay = Replay::new(inputs, settings, Arc::default(), Some(Judging::default()));
    while replay.step().expect("memory can be read") {}
    let counts = replay.observed.counts.clone();
    let windows = replay.windows.as_mut().expect("they were asked for");
    windows.end();
    assert_eq!(windows.limited(), 0);
    (windows.lines().text(), counts)
}

fn parsed(text: &[u8]) -> Vec<Value> {
    let lines = text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).expect("a line is JSON")).collect()
}

fn of_length(windows: &[Value], seconds: i64) -> Vec<&Value> {
    windows.iter().filter(|window| window["window_seconds"] == seconds).collect()
}

fn sum(windows: &[&Value], key: &str) -> u64 {
    windows.iter().map(|window| window[key].as_u64().expect("a count")).sum()
}

fn payloads(numbers: std::ops::Range<i64>) -> Vec<u8> {
    // Records of ten seconds.
    numbers.step_by(10).flat_map(|first| gzip(payload(first..first + 10).as_bytes())).collect()
}

#[test]
fn every_query_is_counted_once_at_every_length() {
    let (text, counts) = windows(&[("one", payloads(0..1_500)), ("two", payloads(300..900))]);
    assert_eq!((counts.queries, counts.late), (2_100, 0));
    let windows = parsed(&text);
    for seconds in [10, 60, 600] {
        let windows = of_length(&windows, seconds);
        assert_eq!(sum(&windows, "queries"), 2_100, "{seconds} s");
        assert_eq!(sum(&windows, "missed") + sum(&windows, "late"), 0);
    }
    let minute = of_length(&windows, 60)[6];
    assert_eq!(minute["window_start"], "2026-11-22T10:06:00Z");
    assert_eq!((&minute["zone"], &minute["zone_id"]), (&"example.com".into(), &"Z123412341234".into()));
    assert_eq!((&minute["queries"], &minute["distinct_names"]), (&120.into(), &60.into()));
    assert_eq!(minute["response_codes"].to_string(), r#"{"NOERROR":80,"NXDOMAIN":40}"#);
    assert_eq!(minute["top_edges"][0]["name"], "FRA6-C1");
    assert_eq!(minute["top_networks"][0]["name"], "192.0.0.0/16");
}

#[test]
fn windows_are_whole_but_for_the_first_minute_and_what_the_end_cut_off() {
    let (text, _) = windows(&[("one", payloads(0..1_500))]);
    let windows = parsed(&text);
    for window in of_length(&windows, 10) {
        let start_ms = crate::config::rfc3339_ms(window["window_start"].as_str().expect("a time")).expect("a time");
        let second = (start_ms - START_MS) / 1000;
        // 5 minutes of lateness and 10 s of margin before the last query, of 10:24:59.
        let cut_off = second + 10 > 1_499 - 310;
        assert_eq!(window["end_of_input"], cut_off, "{window}");
        assert_eq!(window["whole"], second >= 60 && !cut_off, "{window}");
        assert_eq!(window["queries"], 10);
    }
    // Aligned: 10:00 to 10:10, 10:10 to 10:20 and the beginning of the next.
    let long: Vec<_> = of_length(&windows, 600).iter().map(|window| window["queries"].clone()).collect();
    assert_eq!(long, [600, 600, 300]);
}

#[test]
fn the_order_of_the_inputs_does_not_matter() {
    // In ten minutes more names than are counted one by one; one input comes in one piece.
    let lines: String = (0..2_500).map(|number| line(number).1 + "\n").collect();
    let mut inputs = vec![
        ("b", payloads(0..1_500)),
        ("a", payloads(500..2_000)),
        ("c", lines.into_bytes()),
        ("d", payloads(1_000..1_200)),
        ("e", payloads(0..1_500)),
    ];
    let (expected, counts) = windows(&inputs);
    assert_eq!(counts.queries, 1_500 + 1_500 + 2_500 + 200 + 1_500);
    assert!(of_length(&parsed(&expected), 600).iter().any(|window| window["distinct_names"].as_u64() > Some(256)));
    for turn in 1..inputs.len() {
        inputs.rotate_left(1);
        assert!(windows(&inputs).0 == expected, "turned by {turn}");
    }
    inputs.reverse();
    assert!(windows(&inputs).0 == expected, "reversed");
}

#[test]
fn a_record_of_hours_makes_no_neighbour_late() {
    let hour: String = (0..3_600).step_by(40).map(|number| line(number).1 + "\n").collect();
    let other: String = (7..3_600).step_by(40).map(|number| line(number).1 + "\n").collect();
    let (text, counts) = windows(&[("one", hour.into_bytes()), ("two", other.into_bytes())]);
    assert_eq!((counts.records, counts.late), (2, 0));
    assert_eq!(sum(&of_length(&parsed(&text), 60), "queries"), 180);
}

#[test]
fn what_enters_no_window_is_told_beside_it() {
    let text: String = [0, 1_000, 1_001, 2].map(|number| line(number).1 + "\n").concat();
    let (text, counts) = windows(&[("one", text.into_bytes())]);
    assert_eq!(counts.late, 1);
    let windows = parsed(&text);
    for seconds in [10, 60, 600] {
        let windows = of_length(&windows, seconds);
        assert_eq!((sum(&windows, "queries"), sum(&windows, "late")), (3, 1), "{seconds} s");
    }
}

#[test]
fn inputs_without_a_query_have_no_windows() {
    assert_eq!(windows(&[("one", Vec::new()), ("two", b"rubbish\n".to_vec())]).0, b"");
}
