//! Log events put into a stream, and what of them was delivered.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use zonewatch_tests::emulators::{Stream, base64, wait_for};
use zonewatch_tests::fleet::{Fleet, PATIENCE};
use zonewatch_tests::payloads::{delivered_id, event_ids};

/// Payloads as CloudWatch makes them, with its long ids, in parts that are put one after another.
pub(crate) struct Traffic {
    parts: Vec<Vec<Vec<u8>>>,
}

impl Traffic {
    pub(crate) fn of(parts: usize, payloads_a_part: usize, seed: u64) -> Self {
        let all: Vec<Vec<u8>> = traffic::sets::small(seed).into_iter().take(parts * payloads_a_part).collect();
        assert_eq!(all.len(), parts * payloads_a_part);
        Self { parts: all.chunks(payloads_a_part).map(<[Vec<u8>]>::to_vec).collect() }
    }

    pub(crate) fn put(&self, part: usize, stream: &Stream) {
        let keyed = |(index, payload): (usize, &Vec<u8>)| (format!("{part}/{index}"), base64(payload));
        stream.put(&self.parts[part].iter().enumerate().map(keyed).collect::<Vec<_>>());
    }

    pub(crate) fn ids(&self, parts: std::ops::Range<usize>) -> BTreeSet<String> {
        let payloads = self.parts[parts].iter().flatten();
        payloads.flat_map(|payload| event_ids(payload)).collect()
    }
}

/// Payloads that are put one after another at each of several places of the hash-key space, until it is stopped.
pub(crate) struct Flow {
    stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<BTreeSet<String>>>,
}

impl Flow {
    /// One payload at each of the evenly spread places, four times a second.
    pub(crate) fn start(stream: &Stream, places: u32, seed: u64) -> Self {
        const PERIOD: Duration = Duration::from_millis(250);
        let stopped = Arc::new(AtomicBool::new(false));
        let (stream, stop) = (stream.clone(), Arc::clone(&stopped));
        let thread = std::thread::spawn(move || {
            let part = u128::MAX / u128::from(places);
            let mut payloads = (seed..).flat_map(traffic::sets::small);
            let mut ids = BTreeSet::new();
            while !stop.load(Ordering::Relaxed) {
                let mut record = |place: u32| {
                    let payload = payloads.next().expect("there is always another");
                    ids.extend(event_ids(&payload));
                    (part * u128::from(place) + part / 2, base64(&payload))
                };
                stream.put_at(&(0..places).map(&mut record).collect::<Vec<_>>());
                std::thread::sleep(PERIOD);
            }
            ids
        });
        Self { stopped, thread: Some(thread) }
    }

    /// Ends it; the ids of all events that were put.
    pub(crate) fn stop(mut self) -> BTreeSet<String> {
        self.stopped.store(true, Ordering::Relaxed);
        self.thread.take().expect("it is stopped once").join().expect("every record was put")
    }
}

impl Drop for Flow {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
    }
}

/// How often each event id was delivered.
pub(crate) fn deliveries(fleet: &Fleet) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for line in fleet.delivery.lines() {
        *counts.entry(delivered_id(&line)).or_default() += 1;
    }
    counts
}

pub(crate) fn wait_until_delivered(fleet: &Fleet, ids: &BTreeSet<String>) -> BTreeMap<String, usize> {
    wait_for("every event id delivered", PATIENCE, || {
        let counts = deliveries(fleet);
        ids.iter().all(|id| counts.contains_key(id)).then_some(counts)
    })
}

/// Waits until every shard's checkpoint is its last record.
pub(crate) fn wait_until_committed(fleet: &Fleet) {
    let last: BTreeMap<String, String> =
        fleet.stream.read_all().into_iter().map(|record| (record.shard, record.sequence_number)).collect();
    wait_for("committed checkpoints", PATIENCE, || {
        let rows = fleet.leases();
        let checkpoint =
            |shard: &str| rows.iter().find(|row| row["leaseKey"] == shard).map(|row| row["checkpoint"].clone());
        last.iter().all(|(shard, sequence)| checkpoint(shard).is_some_and(|found| found == *sequence)).then_some(())
    });
}
