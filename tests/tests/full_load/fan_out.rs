//! Load through subscriptions, and their end with their shard.

use super::{
    HELD_BYTES_MAX, MEASURING, MEMORY_BYTES_MAX, MIB, PATIENCE, Sink, cost, data_in, figure, put_seeded, start_reading,
    wait_until_drained,
};
use serde_json::json;
use std::collections::HashSet;
use std::time::{Duration, Instant};
use zonewatch_tests::contract::{emulated, subscriptions};
use zonewatch_tests::emulators::{Emulator, Stream, wait_for};
use zonewatch_tests::payloads::event_ids;
use zonewatch_tests::program::Folder;

const QUERIES: usize = 200_000;
/// Longer than any call may take: a subscription is none.
const LONG_SECS: u64 = 12;

#[tokio::test]
async fn subscriptions_end_as_the_contract_says() {
    let streamed = || emulated::streamed(Emulator::ferrokinesis(), |stream| stream.name.clone());
    subscriptions::a_consumer_is_registered_once(&streamed().await).await;
    subscriptions::a_subscription_brings_what_is_there_and_what_comes(&streamed().await).await;
    subscriptions::a_subscription_ends_with_its_shard(&streamed().await).await;
    subscriptions::a_consumer_that_is_not_there_is_missing(&streamed().await).await;
}

#[test]
fn what_is_pushed_through_a_split_to_a_slow_worker_is_not_lost() {
    let _alone = MEASURING.lock();
    let folder = Folder::create();
    let kinesis = Emulator::ferrokinesis();
    let stream = Stream::create(kinesis.clone(), 2);
    put_seeded(&stream, &kinesis, QUERIES, "11");
    let sink = Sink::start(Duration::from_millis(300));
    let settings = format!(
        "[records]\ndelivery_streams = [\"records\"]\nschema = \"lean\"\n\n\
         [limits]\nheld_bytes_max = {HELD_BYTES_MAX}\nepoch_bytes_max = {}\n",
        HELD_BYTES_MAX / 2
    );
    let started = Instant::now();
    let mut worker = start_reading(&folder, (&stream, "fan-out"), kinesis.url(), &sink, &settings);
    wait_for("a first delivered record", PATIENCE, || sink.taken(|taken| !taken.ids.is_empty()).then_some(()));
    let split = json!({
        "StreamName": stream.name, "ShardToSplit": stream.shards()[0], "NewStartingHashKey": (1_u128 << 126).to_string(),
    });
    kinesis.call("Kinesis_20131202.SplitShard", &split);
    wait_for("four shards", PATIENCE, || (stream.shards().len() == 4).then_some(()));
    put_seeded(&stream, &kinesis, QUERIES, "12");
    // CloudWatch itself delivers some events twice, and so does the made-up traffic.
    let events: Vec<String> = data_in(&stream).iter().flat_map(|payload| event_ids(payload)).collect();
    let expected: HashSet<String> = events.iter().cloned().collect();
    assert!(expected.len() >= 2 * QUERIES);
    wait_until_drained(&mut worker, &sink, &expected);
    let took = started.elapsed();

    let ended = |worker: &zonewatch_tests::fleet::Worker| worker.metric("zonewatch_lease_moves_total", "ended");
    wait_for("the end of the split shard", PATIENCE, || (ended(&worker) == Some(1.0)).then_some(()));
    let waited = worker.metric("zonewatch_limits_reached_total", "held_bytes").unwrap_or_default();
    assert!(waited > 0.0, "the budget was never spent: this run shows nothing");
    std::thread::sleep(Duration::from_secs(LONG_SECS));
    worker.process.must_live();
    assert_eq!(worker.metric("zonewatch_subscriptions_ended_total", ""), None, "\n{}", worker.process.said());

    let peak = cost::peak_bytes(worker.process.id());
    let lines = sink.taken(|taken| taken.lines);
    figure(&format!(
        "fan-out: {} queries in {:.1} s, {:.2} CPU s a million, peak {:.0} MiB with a budget of {} MiB",
        expected.len(),
        took.as_secs_f64(),
        cost::cpu_secs(worker.process.id()) * 1e6 / expected.len() as f64,
        peak as f64 / MIB as f64,
        HELD_BYTES_MAX / MIB
    ));
    assert_eq!(lines, events.len(), "no more often delivered than put");
    // What HTTP/2 sends ahead of a slow reader is beside the budget.
    let bound = MEMORY_BYTES_MAX + 4 * 2 * MIB;
    assert!(peak < bound, "{} MiB at the peak, {} expected at most", peak / MIB, bound / MIB);
}
