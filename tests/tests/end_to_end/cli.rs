//! The first minute with the command line: every mistake gets an answer that says what to do.

use zonewatch_tests::program::{Folder, run, said, zonewatch};

const LINE: &str = "1.0 2026-01-02T03:04:05Z Z0123456789ABCDEFGHIJ example.com A NOERROR UDP IAD12-C1 192.0.2.1 -";

fn said_on_failure(arguments: &[&str]) -> String {
    let output = run(&mut zonewatch(arguments));
    assert!(!output.status.success(), "{arguments:?} succeeded:\n{}", said(&output));
    said(&output)
}

#[test]
fn no_arguments_lists_the_commands() {
    let output = run(&mut zonewatch(&[]));
    assert!(output.status.success(), "{}", said(&output));
    let text = said(&output);
    for command in ["worker", "replay", "score", "demo", "traffic", "leases", "doctor", "health", "cost"] {
        assert!(text.contains(command), "{command} is missing in:\n{text}");
    }
}

#[test]
fn the_version_is_told() {
    let output = run(&mut zonewatch(&["--version"]));
    assert!(output.status.success());
    assert!(said(&output).starts_with("zonewatch 0."), "{}", said(&output));
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let text = said_on_failure(&["replay", "--records", "-", "nowhere.gz"]);
    assert!(text.contains("nowhere.gz"), "{text}");
    assert!(!text.contains("panicked"), "{text}");
}

#[test]
fn what_cannot_be_done_is_said_with_what_to_do() {
    let folder = Folder::create();
    let input = folder.write("queries.log", format!("{LINE}\n").as_bytes()).display().to_string();
    for (arguments, advice) in [
        (vec!["nowhere.gz"], "name a file that can be read"),
        (vec!["--config", "nowhere.toml", &input], "name a file that can be read"),
        (vec!["--records", "/nowhere/records", &input], "name a place that can be written"),
        (vec!["--records", &input, &input], "name another file"),
        (vec!["--schema", "lean", "--original", "true", &input], "leave --original out"),
        (vec!["-", "-"], "name - once"),
    ] {
        let text = said_on_failure(&[&["replay"], &arguments[..]].concat());
        assert!(text.contains(advice), "{arguments:?}: {text}");
    }
}

#[test]
fn a_wrong_key_is_answered_with_the_nearest_one() {
    let folder = Folder::create();
    let config = folder.write("worker.toml", b"[source]\nstreem = \"queries\"\n");
    let text = said_on_failure(&["worker", "--check", "--config", &config.display().to_string()]);
    assert!(text.contains("streem") && text.contains("stream"), "{text}");
}

#[test]
fn a_sound_configuration_passes_the_check() {
    let folder = Folder::create();
    let config = folder.write("worker.toml", b"[source]\nstream = \"queries\"\n").display().to_string();
    let output = run(&mut zonewatch(&["worker", "--check", "--config", &config]));
    assert!(output.status.success(), "{}", said(&output));
}

#[test]
fn a_worker_without_a_stream_says_which_key_is_missing() {
    let folder = Folder::create();
    let config = folder.write("worker.toml", b"").display().to_string();
    let text = said_on_failure(&["worker", "--check", "--config", &config]);
    assert!(text.contains("source.stream") || text.contains("[source]"), "{text}");
}

#[test]
fn damaged_input_is_counted_and_is_an_error_only_when_strict() {
    let folder = Folder::create();
    let input = folder.write("queries.log", format!("{LINE}\nnot a query\n{LINE}\n").as_bytes()).display().to_string();
    let rejects = folder.file("rejects.ndjson").display().to_string();

    let lenient = run(&mut zonewatch(&["replay", "--records", "-", "--rejects", &rejects, &input]));
    assert!(lenient.status.success(), "{}", said(&lenient));
    assert_eq!(String::from_utf8_lossy(&lenient.stdout).lines().count(), 2, "both neighbours survive");
    let kept = std::fs::read_to_string(&rejects).expect("the rejects were written");
    assert_eq!(kept.lines().count(), 1, "{kept}");

    let strict = run(&mut zonewatch(&["replay", "--records", "-", "--strict", &input]));
    assert_eq!(strict.status.code(), Some(3), "{}", said(&strict));
    let sound = folder.write("sound.log", format!("{LINE}\n").as_bytes()).display().to_string();
    let strict = run(&mut zonewatch(&["replay", "--records", "-", "--strict", &sound]));
    assert_eq!(strict.status.code(), Some(0), "{}", said(&strict));
}

#[test]
fn a_table_is_scored_and_a_wrong_row_is_named_with_its_line() {
    let folder = Folder::create();
    let table = folder.write("table.csv", b"timestamp,value\n2026-01-31 06:00:00,5\n2026-01-31 06:01:00,6\n");
    let output = run(&mut zonewatch(&["score", &table.display().to_string()]));
    assert!(output.status.success(), "{}", said(&output));
    let scored = "timestamp,value,anomaly_score\n2026-01-31 06:00:00,5,0.000000\n2026-01-31 06:01:00,6,0.000000\n";
    assert_eq!(String::from_utf8_lossy(&output.stdout), scored);

    let wrong = folder.write("wrong.csv", b"timestamp,value\n2026-01-31 06:00:00,5\n2026-01-31 05:00:00,6\n");
    let text = said_on_failure(&["score", &wrong.display().to_string()]);
    assert!(text.contains("wrong.csv, line 3") && text.contains("sort the rows"), "{text}");
    for (arguments, advice) in [
        (vec!["score"], "Usage: zonewatch score"),
        (vec!["score", "nowhere.csv"], "name a file that can be read"),
        (vec!["score", "-"], "standard input: it is empty"),
        (vec!["score", "/"], "name a file that can be read"),
    ] {
        let text = said_on_failure(&arguments);
        assert!(text.contains(advice) && !text.contains("panicked"), "{arguments:?}: {text}");
    }
}
