//! Two zones, one of which is flooded with random names, put to a stream as time passes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use traffic::{Cause, Delay, Feed, Habits, Incident, Scenario};
use zonewatch_tests::emulators::{Stream, base64};
use zonewatch_tests::ledger::now;

/// The zones' names.
pub(super) const ATTACKED: &str = "example.com";
pub(super) const CALM: &str = "example.net";

/// Some 9 usual queries a second of the first zone and 6 of the second, and twenty times the 9 on top: more than the 100 a
/// second and 0.8 failures that a flood is told from, whatever the hour.
const QUERIES_PER_SECOND: f64 = 15.0;
const STRENGTH: f64 = 20.0;
/// Until then nothing is wrong.
const CALM_MS: i64 = 15_000;

/// Traffic that goes on until it is stopped.
pub(super) struct Attack {
    stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Attack {
    /// Begins now.
    pub(super) fn start(stream: &Stream) -> Self {
        let habits = Habits {
            gather_ms: 1_000,
            delay: Delay::NONE,
            duplicate_share: 0.0,
            control_share: 0.0,
            ..Habits::default()
        };
        let mut feed = Feed::with_habits(scenario(), 1, now_ms(), habits);
        let stopped = Arc::new(AtomicBool::new(false));
        let (stream, stop) = (stream.clone(), Arc::clone(&stopped));
        let thread = std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                let records =
                    feed.until(now_ms()).into_iter().map(|payload| (payload.partition_key, base64(&payload.data)));
                stream.put(&records.collect::<Vec<_>>());
                std::thread::sleep(Duration::from_millis(500));
            }
        });
        Self { stopped, thread: Some(thread) }
    }

    /// Ends it; fails the test if a record could not be put.
    pub(super) fn stop(mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        self.thread.take().expect("it is stopped once").join().expect("every record was put");
    }
}

impl Drop for Attack {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
    }
}

fn scenario() -> Scenario {
    let mut scenario = Scenario::calm().at_rate(QUERIES_PER_SECOND);
    scenario.zones.truncate(2);
    assert_eq!([&*scenario.zones[0].name, &*scenario.zones[1].name], [ATTACKED, CALM]);
    let flood =
        Incident { zone: 0, cause: Cause::Flood, after_ms: CALM_MS, lasts_ms: scenario.lasts_ms, strength: STRENGTH };
    Scenario { incidents: vec![flood], ..scenario }
}

fn now_ms() -> i64 {
    now().as_millis() as i64
}
