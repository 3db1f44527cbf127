//! What counting for windows costs a worker, beside all else that it does.

use super::{MEASURING, PATIENCE, SHARDS, Sink, cost, figure, ids_in, start_worker, wait_until_drained};
use std::collections::HashSet;
use std::time::Duration;
use zonewatch_tests::emulators::{Emulator, Stream, unique, wait_for};
use zonewatch_tests::fleet::{Worker, with_credentials};
use zonewatch_tests::program::{Folder, run, said, zonewatch};

const QUERIES: &str = "600000";
/// So that all queries are of one minute, and few are late however long the runs take.
const RATE: &str = "10000";
/// In turns, so that a neighbour disturbs both.
const ROUNDS: usize = 3;
/// What all of it may cost: counting, putting and reading digests, merging them, and snapshots.
const SHARE_MAX: f64 = 0.15;

#[test]
fn windows_cost_a_worker_a_small_part_of_its_time() {
    let _alone = MEASURING.lock();
    let folder = Folder::create();
    let kinesis = Emulator::ferrokinesis();
    let without: Vec<f64> = Vec::new();
    let mut spent = [without.clone(), without];
    for _ in 0..ROUNDS {
        // Made anew each round, or queries would be late.
        let stream = Stream::create(kinesis.clone(), SHARDS);
        put_minute(&stream, &kinesis);
        let (expected, _) = ids_in(&stream);
        for (secs, windows) in spent.iter_mut().zip([false, true]) {
            secs.push(drain(&folder, &stream, &expected, windows) * 1e6 / expected.len() as f64);
        }
    }
    let [without, with] = spent.map(|mut secs| {
        secs.sort_by(f64::total_cmp);
        secs[ROUNDS / 2]
    });
    let share = with / without - 1.0;
    figure(&format!(
        "windows: {without:.2} CPU s a million queries without, {with:.2} with, merging included: {:.1} % more",
        share * 100.0
    ));
    assert!(share < SHARE_MAX, "{share} of what a worker costs without windows");
}

/// Puts a minute of queries that begins now.
fn put_minute(stream: &Stream, kinesis: &Emulator) {
    let mut command =
        zonewatch(&["traffic", "--scenario", "flood", "--rate", RATE, "--events", QUERIES, "--speed", "0"]);
    command.args(["--stream", &stream.name]);
    let put = run(with_credentials(&mut command).env("AWS_ENDPOINT_URL_KINESIS", kinesis.url()));
    assert!(put.status.success(), "{}", said(&put));
}

/// CPU time of a worker that delivers all of the stream, and has merged what it counted, seconds.
fn drain(folder: &Folder, stream: &Stream, expected: &HashSet<String>, windows: bool) -> f64 {
    let sink = Sink::start(Duration::ZERO);
    let bucket = unique("snapshots");
    Emulator::aws().create_bucket(&bucket);
    let settings = format!(
        "[records]\ndelivery_streams = [\"records\"]\n\n[detect]\nenabled = {windows}\nbucket = \"{bucket}\"\n"
    );
    let mut worker = start_worker(folder, stream, Emulator::ferrokinesis().url(), &sink, &settings);
    wait_until_drained(&mut worker, &sink, expected);
    if windows {
        let count = |name, outcome| worker.metric(name, outcome).unwrap_or_default();
        wait_for("all digests merged", PATIENCE, || {
            let put = count("zonewatch_digests_total", "acknowledged");
            (put > 0.0 && count("zonewatch_digests_read_total", "applied") >= put).then_some(())
        });
        none_late(&worker);
    }
    cost::cpu_secs(worker.process.id())
}

/// A late query is only counted as that, which costs less.
fn none_late(worker: &Worker) {
    assert_eq!(worker.metric("zonewatch_late_queries_total", "").unwrap_or_default(), 0.0);
}
