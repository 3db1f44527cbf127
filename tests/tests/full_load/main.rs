//! Load and cost: the release binary drains a backlog, holds its memory bounds, idles cheaply, and puts against limits.
//!
//! Run by `cargo xtask full`. The Kinesis here is ferrokinesis, which is fast enough; the Firehose is our own counting one
//! (`sink.rs`). What is printed depends on the machine; what is asserted does not, or has room for any.

mod cost;
mod fan_out;
mod passage;
mod sink;
mod windows;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use passage::Passage;
use sink::Sink;
use std::collections::HashSet;
use std::io::Write as _;
use std::process::Stdio;
use std::sync::Mutex;
use std::time::{Duration, Instant};
use zonewatch_tests::emulators::{Emulator, Stream, unique, wait_for};
use zonewatch_tests::fleet::{Worker, free_ports, with_credentials};
use zonewatch_tests::payloads::event_ids;
use zonewatch_tests::program::{Folder, Process, run, said, zonewatch};

const MIB: u64 = 1 << 20;
/// The backlog's queries, at least.
const QUERIES: usize = 800_000;
/// What a worker may hold in the test of its memory.
const HELD_BYTES_MAX: u64 = 64 * MIB;
/// What a process may take then, as `deploy/zonewatch.toml` says: the budget is half of it, less 64 MiB.
const MEMORY_BYTES_MAX: u64 = 2 * (HELD_BYTES_MAX + 64 * MIB);
/// What a replay may take, whatever it reads: pieces of its input, and the digest of all of it.
const REPLAY_BYTES_MAX: u64 = 96 * MIB;
const SHARDS: u32 = 4;
/// The share of one core that 100 idle shards may cost. About 2 % was measured.
const IDLE_CORE_SHARE_MAX: f64 = 0.25;
const PATIENCE: Duration = Duration::from_secs(180);

/// One at a time: each measures time.
static MEASURING: Mutex<()> = Mutex::new(());

/// Prints a figure where the test's own output goes.
#[expect(clippy::print_stdout, reason = "the figures are what this run is for")]
fn figure(line: &str) {
    println!("figure {line}");
}

/// Puts a made-up flood to the stream and returns how long that took.
fn put_traffic(stream: &Stream, kinesis: &Emulator, queries: usize) -> Duration {
    put_seeded(stream, kinesis, queries, "5")
}

fn put_seeded(stream: &Stream, kinesis: &Emulator, queries: usize, seed: &str) -> Duration {
    let count = queries.to_string();
    let mut command =
        zonewatch(&["traffic", "--scenario", "flood", "--seed", seed, "--events", &count, "--speed", "0"]);
    command.args(["--start", "2026-01-05T08:00:00Z", "--stream", &stream.name]);
    let started = Instant::now();
    let put = run(with_credentials(&mut command).env("AWS_ENDPOINT_URL_KINESIS", kinesis.url()));
    assert!(put.status.success(), "{}", said(&put));
    started.elapsed()
}

/// The event ids in the stream, and its data's bytes.
fn ids_in(stream: &Stream) -> (HashSet<String>, usize) {
    let data = data_in(stream);
    let bytes = data.iter().map(Vec::len).sum();
    (data.iter().flat_map(|payload| event_ids(payload)).collect(), bytes)
}

fn data_in(stream: &Stream) -> Vec<Vec<u8>> {
    let records = stream.read_all();
    records.iter().map(|record| BASE64_STANDARD.decode(&record.data).expect("data is base64")).collect()
}

/// Starts a worker over this stream and sink. The lease table is ministack's.
fn start_worker(folder: &Folder, stream: &Stream, kinesis_url: &str, sink: &Sink, settings: &str) -> Worker {
    start_reading(folder, (stream, "polling"), kinesis_url, sink, settings)
}

/// The same, reading as told.
fn start_reading(
    folder: &Folder,
    (stream, retrieval): (&Stream, &str),
    kinesis_url: &str,
    sink: &Sink,
    settings: &str,
) -> Worker {
    let [operations, people] = free_ports();
    let app = unique("app");
    let config = format!(
        "[worker]\napp = \"{app}\"\nid = \"only\"\n\n[source]\nstream = \"{}\"\n\
         retrieval = \"{retrieval}\"\n\n[http]\noperations = \"127.0.0.1:{operations}\"\npeople = \"127.0.0.1:{people}\"\n\n{settings}",
        stream.name
    );
    let path = folder.write(&format!("{app}.toml"), config.as_bytes()).display().to_string();
    let mut command = zonewatch(&["worker", "--config", &path]);
    with_credentials(&mut command)
        .env("AWS_ENDPOINT_URL_KINESIS", kinesis_url)
        .env("AWS_ENDPOINT_URL_DYNAMODB", Emulator::aws().url())
        .env("AWS_ENDPOINT_URL_S3", Emulator::aws().url())
        .env("AWS_ENDPOINT_URL_FIREHOSE", &sink.url);
    Worker::on(Process::start(&mut command, &folder.file(&format!("{app}.log"))), operations, people)
}

/// Waits until the sink has as many event ids as were put, and checks that they are the same ones.
fn wait_until_drained(worker: &mut Worker, sink: &Sink, expected: &HashSet<String>) -> Duration {
    let started = Instant::now();
    while sink.taken(|taken| taken.ids.len()) < expected.len() && started.elapsed() < PATIENCE {
        worker.process.must_live();
        std::thread::sleep(Duration::from_millis(20));
    }
    let took = started.elapsed();
    let missing: Vec<String> = sink.taken(|taken| expected.difference(&taken.ids).take(3).cloned().collect());
    assert!(missing.is_empty(), "after {} s event ids are missing, such as {missing:?}", took.as_secs());
    took
}

#[test]
fn a_backlog_is_drained_without_loss_and_memory_stays_within_the_budget() {
    let _alone = MEASURING.lock();
    let folder = Folder::create();
    let kinesis = Emulator::ferrokinesis();
    let stream = Stream::create(kinesis.clone(), SHARDS);
    let put_took = put_traffic(&stream, &kinesis, QUERIES);
    let (expected, bytes) = ids_in(&stream);
    assert!(expected.len() >= QUERIES, "{} queries were put", expected.len());
    let queries = expected.len() as f64;
    figure(&format!(
        "put: {queries} queries, {:.1} MB compressed, in {:.1} s",
        bytes as f64 / 1e6,
        put_took.as_secs_f64()
    ));

    let sink = Sink::start(Duration::ZERO);
    let records = "[records]\ndelivery_streams = [\"records\"]\nschema = \"lean\"\n";
    let mut worker =
        start_worker(&folder, &stream, kinesis.url(), &sink, &format!("{records}compression = \"gzip\"\n"));
    let took = wait_until_drained(&mut worker, &sink, &expected);
    let process = worker.process.id();
    figure(&format!(
        "drained, lean and gzip: {:.0} queries/s from the process's start on, {:.2} CPU s a million queries, peak {:.0} MiB",
        queries / took.as_secs_f64(),
        cost::cpu_secs(process) * 1e6 / queries,
        cost::peak_bytes(process) as f64 / MIB as f64
    ));
    drop(worker);

    a_slow_sink_fills_the_budget_and_no_more(&folder, &stream, &expected);
}

/// More bytes than the budget wait for a sink that takes its time: reading waits too, and nothing is lost.
fn a_slow_sink_fills_the_budget_and_no_more(folder: &Folder, stream: &Stream, expected: &HashSet<String>) {
    let sink = Sink::start(Duration::from_millis(500));
    // Not compressed, and epochs as large as may be, so that without the budget several times as much would wait.
    let settings = format!(
        "[records]\ndelivery_streams = [\"records\"]\nschema = \"lean\"\n\n\
         [limits]\nheld_bytes_max = {HELD_BYTES_MAX}\nepoch_bytes_max = {}\n",
        HELD_BYTES_MAX / 2
    );
    let mut worker = start_worker(folder, stream, Emulator::ferrokinesis().url(), &sink, &settings);
    let took = wait_until_drained(&mut worker, &sink, expected);
    let (process, delivered) = (worker.process.id(), sink.taken(|taken| taken.bytes) as u64);
    let peak = cost::peak_bytes(process);
    figure(&format!(
        "slow sink: {:.0} MiB delivered in {:.1} s with a budget of {} MiB, peak {:.0} MiB",
        delivered as f64 / MIB as f64,
        took.as_secs_f64(),
        HELD_BYTES_MAX / MIB,
        peak as f64 / MIB as f64
    ));
    let waited = worker.metric("zonewatch_limits_reached_total", "held_bytes").unwrap_or_default();
    assert!(waited > 0.0, "the budget was never spent: this run shows nothing");
    assert!(peak < MEMORY_BYTES_MAX, "{} MiB at the peak, {} are allowed", peak / MIB, MEMORY_BYTES_MAX / MIB);
    assert!(
        delivered > 3 * MEMORY_BYTES_MAX / 4,
        "{} MiB delivered: with what reading takes, too few to fill what must not be filled",
        delivered / MIB
    );
}

#[test]
fn a_replay_takes_no_more_memory_the_longer_its_input_is() {
    let _alone = MEASURING.lock();
    const TIMES: usize = 40;
    let folder = Folder::create();
    for format in ["lines", "payloads"] {
        let path = folder.file(format);
        let made =
            ["traffic", "--scenario", "flood", "--seed", "5", "--events", "100000", "--format", format, "--output"];
        let made = run(zonewatch(&made).arg(&path));
        assert!(made.status.success(), "{}", said(&made));
        let input = std::fs::read(&path).expect("it was just written");
        let mut command = zonewatch(&["replay", "--quiet", "--records", "/dev/null", "-"]);
        let mut replay = command.stdin(Stdio::piped()).spawn().expect("the binary starts");
        let mut pipe = replay.stdin.take().expect("it was asked for");
        (0..TIMES).for_each(|_| pipe.write_all(&input).expect("it reads all of it"));
        // All but what a pipe holds has been read.
        let peak = cost::peak_bytes(replay.id());
        drop(pipe);
        assert!(replay.wait().expect("the process is ours").success());
        let bytes = (TIMES * input.len()) as u64;
        figure(&format!("replay: {} MiB of {format} from a pipe, peak {} MiB", bytes / MIB, peak / MIB));
        assert!(bytes > 2 * REPLAY_BYTES_MAX, "{} MiB are no large input", bytes / MIB);
        assert!(peak < REPLAY_BYTES_MAX, "{} MiB at the peak, {} are allowed", peak / MIB, REPLAY_BYTES_MAX / MIB);
    }
}

#[test]
fn a_hundred_idle_shards_cost_a_small_part_of_a_core() {
    let _alone = MEASURING.lock();
    const IDLE: u32 = 100;
    const MEASURED_SECS: f64 = 30.0;
    let folder = Folder::create();
    let kinesis = Emulator::ferrokinesis();
    let stream = Stream::create(kinesis.clone(), IDLE);
    let passage = Passage::open(kinesis.url(), "Kinesis_20131202.GetRecords\r\n");
    let sink = Sink::start(Duration::ZERO);
    let records = "[records]\ndelivery_streams = [\"records\"]\n";
    let mut worker = start_worker(&folder, &stream, &passage.url, &sink, records);
    worker.wait_until_ready();
    wait_for("all leases", PATIENCE, || {
        (worker.metric("zonewatch_leases_held", "") == Some(f64::from(IDLE))).then_some(())
    });
    // Every shard has to be read a few times before it counts as idle.
    std::thread::sleep(Duration::from_secs(15));

    let (cpu_before, calls_before, started) = (cost::cpu_secs(worker.process.id()), passage.calls(), Instant::now());
    std::thread::sleep(Duration::from_secs_f64(MEASURED_SECS));
    let elapsed = started.elapsed().as_secs_f64();
    let core_share = (cost::cpu_secs(worker.process.id()) - cpu_before) / elapsed;
    let reads_per_sec = (passage.calls() - calls_before) as f64 / elapsed;
    worker.process.must_live();
    figure(&format!("idle: {IDLE} shards, {:.1} % of a core, {reads_per_sec:.0} GetRecords/s", core_share * 100.0));
    // One read a second and shard, as source.idle_poll_ms says; fewer would be a reader that stopped.
    assert!((70.0..=115.0).contains(&reads_per_sec), "{reads_per_sec} reads a second");
    assert!(core_share < IDLE_CORE_SHARE_MAX, "{core_share} of a core");
}

#[test]
fn traffic_that_a_stream_refuses_is_put_again_until_all_of_it_is_there() {
    let _alone = MEASURING.lock();
    const QUERIES: usize = 80_000;
    let (limited, unlimited) = (Emulator::ferrokinesis_with_limits(), Emulator::ferrokinesis());
    let (narrow, wide) = (Stream::create(limited.clone(), 1), Stream::create(unlimited.clone(), 1));
    put_traffic(&wide, &unlimited, QUERIES);
    let took = put_traffic(&narrow, &limited, QUERIES);

    let (expected, bytes) = ids_in(&wide);
    let (arrived, _) = ids_in(&narrow);
    let megabytes = bytes as f64 / 1e6;
    figure(&format!("limits: {megabytes:.1} MB put to a shard that takes 1 MB/s, in {:.1} s", took.as_secs_f64()));
    assert!(expected.len() >= QUERIES);
    assert!(took.as_secs_f64() > megabytes / 2.0, "nothing was refused: this run shows nothing");
    assert_eq!(arrived.len(), expected.len());
    assert_eq!(expected.difference(&arrived).count(), 0);
}
