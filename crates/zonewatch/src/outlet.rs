//! The way to Firehose: calls within its limits, spread over delivery streams, refused entries sent again.
//!
//! An outlet never gives up: as long as the lease is held (the future is dropped with it), entries are tried again, and
//! the reader feels it through the byte budget. What a person must mend (access denied, stream deleted) is a metric of
//! its own and one log line a minute.

use crate::budget::Budget;
use crate::clock::Clock;
use crate::jitter::Jitter;
use crate::lines::billed_bytes;
use crate::minutely::Minutely;
use crate::telemetry;
use bytes::Bytes;
use cloud::{DeliveryStream, Error, limits};
use futures_util::StreamExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::Semaphore;
use tracing::{error, warn};

/// Calls of one epoch under way at once. Four calls of 4 MiB keep a stream's quota busy without holding more connections.
const CALLS_AT_ONCE: usize = 4;
/// What a call takes beside its entries, as a multiple of them: the SDK's copy, and the JSON body with base64 in it, in
/// a buffer that grew by doubling.
const CALL_FACTOR: usize = 4;
/// The first pause after a refusal, and the longest.
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// Where one kind of output goes.
pub struct Outlet {
    /// `records`, `quarantine` or `windows`: the label of its metrics.
    name: &'static str,
    streams: Vec<Target>,
    /// The stream the next call goes to: calls take turns.
    turn: AtomicUsize,
    clock: Clock,
    budget: Budget,
    /// Calls under way at once, of all shards: as many as a quarter of the budget has room for, at least one.
    calls: Semaphore,
    jitter: Jitter,
    said: Minutely,
}

/// A delivery stream, and whether its last answer was one that a person must mend.
struct Target {
    stream: Arc<dyn DeliveryStream>,
    blocked: AtomicBool,
}

impl Outlet {
    /// An outlet over at least one delivery stream.
    pub fn new(
        name: &'static str,
        streams: Vec<Arc<dyn DeliveryStream>>,
        clock: Clock,
        budget: &Budget,
        seed: u64,
    ) -> Self {
        assert!(!streams.is_empty(), "an outlet needs a delivery stream");
        metrics::gauge!(telemetry::FIREHOSE_BLOCKED, "outlet" => name).set(0.0);
        let target = |stream| Target { stream, blocked: AtomicBool::new(false) };
        Self {
            name,
            streams: streams.into_iter().map(target).collect(),
            turn: AtomicUsize::new(0),
            clock,
            budget: budget.clone(),
            calls: Semaphore::new((budget.bytes_max() / 4 / (CALL_FACTOR * limits::DELIVERY_BYTES_MAX)).max(1)),
            jitter: Jitter::new(seed),
            said: Minutely::default(),
        }
    }

    /// Returns once every entry is acknowledged. `payload_bytes` is what they hold before compression.
    pub async fn deliver(&self, entries: Vec<Bytes>, payload_bytes: usize) {
        if entries.is_empty() {
            return;
        }
        let billed = billed_bytes(&entries);
        let calls = limits::delivery_calls(entries);
        futures_util::stream::iter(calls.into_iter().map(|call| self.call(call)))
            .buffer_unordered(CALLS_AT_ONCE)
            .collect::<()>()
            .await;
        metrics::counter!(telemetry::FIREHOSE_BILLED_BYTES_TOTAL, "outlet" => self.name).increment(billed);
        metrics::counter!(telemetry::FIREHOSE_PAYLOAD_BYTES_TOTAL, "outlet" => self.name)
            .increment(payload_bytes as u64);
    }

    /// One call and its repetitions, until nothing is left of it.
    async fn call(&self, mut entries: Vec<Bytes>) {
        let mut pause = PAUSE_MIN;
        loop {
            let target = &self.streams[self.turn.fetch_add(1, Relaxed) % self.streams.len()];
            let stream = &target.stream;
            let sent = entries.len();
            let answer = {
                let _permit = self.calls.acquire().await.expect("the semaphore is never closed");
                let _hold = self.budget.hold_now(CALL_FACTOR * entries.iter().map(Bytes::len).sum::<usize>());
                stream.put(&entries).await
            };
            let retry_after = match answer {
                Ok(refused) => {
                    self.count("acknowledged", sent - refused.len());
                    self.mark(target, false);
                    if refused.is_empty() {
                        return;
                    }
                    self.count("refused", refused.len());
                    if refused.len() < sent {
                        // Part of it got through, so the stream works: start over with a short pause.
                        pause = PAUSE_MIN;
                    }
                    self.log(
                        &format!("{} of {sent} entries refused: {}", refused.len(), refused[0].code),
                        stream.name(),
                    );
                    entries = refused.into_iter().map(|entry| entries[entry.index].clone()).collect();
                    Duration::ZERO
                }
                Err(error) => {
                    self.count("failed", sent);
                    self.blocked(&error, target)
                }
            };
            self.clock.sleep(retry_after.max(self.jitter.of(pause))).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// Says what is wrong; answers the pause that the service asked for.
    fn blocked(&self, error: &Error, target: &Target) -> Duration {
        let stream = target.stream.name();
        match error {
            Error::Throttled { retry_after, .. } => return *retry_after,
            Error::Unavailable { .. } => self.log(&error.to_string(), stream),
            Error::Denied { .. } | Error::Missing { .. } | Error::Invalid { .. } | Error::Expired => {
                self.mark(target, true);
                if self.said.is_due(self.clock.elapsed()) {
                    let outlet = self.name;
                    error!(outlet, stream, %error, "delivery is refused; nothing is lost while the stream keeps its records, but somebody must act");
                }
            }
        }
        Duration::ZERO
    }

    /// The gauge stands for the outlet: one of its streams that takes nothing is enough.
    fn mark(&self, target: &Target, blocked: bool) {
        target.blocked.store(blocked, Relaxed);
        let any = self.streams.iter().any(|target| target.blocked.load(Relaxed));
        metrics::gauge!(telemetry::FIREHOSE_BLOCKED, "outlet" => self.name).set(if any { 1.0 } else { 0.0 });
    }

    fn log(&self, trouble: &str, stream: &str) {
        if self.said.is_due(self.clock.elapsed()) {
            warn!(outlet = self.name, stream, trouble, "delivery is tried again");
        }
    }

    fn count(&self, outcome: &'static str, entries: usize) {
        metrics::counter!(telemetry::FIREHOSE_ENTRIES_TOTAL, "outlet" => self.name, "outcome" => outcome)
            .increment(entries as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cloud::{Call, Refused};
    use std::sync::Mutex;

    /// Refuses as it is told, and keeps what it acknowledged: the port's contract with a script of answers.
    struct Scripted {
        answers: Mutex<Vec<Result<Vec<usize>, Error>>>,
        kept: Mutex<Vec<Bytes>>,
        calls: Mutex<Vec<(usize, usize)>>,
    }

    impl Scripted {
        fn new(mut answers: Vec<Result<Vec<usize>, Error>>) -> Arc<Self> {
            answers.reverse();
            Arc::new(Self { answers: Mutex::new(answers), kept: Default::default(), calls: Default::default() })
        }
    }

    impl DeliveryStream for Scripted {
        fn name(&self) -> &str {
            "scripted"
        }
        fn check(&self) -> Call<'_, Result<(), Error>> {
            Box::pin(async { Ok(()) })
        }
        fn put<'a>(&'a self, entries: &'a [Bytes]) -> Call<'a, Result<Vec<Refused>, Error>> {
            Box::pin(async move {
                self.calls.lock().unwrap().push((entries.len(), entries.iter().map(Bytes::len).sum()));
                let refused = self.answers.lock().unwrap().pop().unwrap_or(Ok(Vec::new()))?;
                let kept = entries.iter().enumerate().filter(|(index, _)| !refused.contains(index));
                self.kept.lock().unwrap().extend(kept.map(|(_, entry)| entry.clone()));
                Ok(refused
                    .into_iter()
                    .map(|index| Refused { index, code: "ServiceUnavailableException".into() })
                    .collect())
            })
        }
    }

    fn entries(count: usize, length: usize) -> Vec<Bytes> {
        (0..count).map(|at| format!("{at:010}{}\n", "x".repeat(length - 10)).into()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn only_refused_entries_are_sent_again() {
        let denied =
            Error::Denied { action: "firehose:PutRecordBatch", resource: "scripted".into(), message: "no".into() };
        let stream = Scripted::new(vec![Err(denied), Ok(vec![1, 3]), Ok(vec![0])]);
        let outlet = Outlet::new("records", vec![stream.clone()], Clock::real(), &Budget::new(1 << 30), 1);
        outlet.deliver(entries(5, 10), 55).await;
        let mut kept = stream.kept.lock().unwrap().clone();
        assert_eq!(stream.calls.lock().unwrap().iter().map(|call| call.0).collect::<Vec<_>>(), [5, 5, 2, 1]);
        kept.sort();
        assert_eq!(kept, entries(5, 10), "every entry once");
    }

    #[tokio::test(start_paused = true)]
    async fn calls_keep_the_limits_and_take_turns() {
        let streams = [Scripted::new(vec![]), Scripted::new(vec![])];
        let ports = streams.iter().map(|stream| stream.clone() as Arc<dyn DeliveryStream>).collect();
        let outlet = Outlet::new("records", ports, Clock::real(), &Budget::new(1 << 30), 1);
        outlet.deliver(entries(1_201, 10), 0).await;
        outlet.deliver(entries(9, 1_000_000), 0).await;
        let calls = streams.iter().map(|stream| stream.calls.lock().unwrap().clone()).collect::<Vec<_>>();
        assert!(calls.iter().flatten().all(|&(count, bytes)| count <= 500 && bytes <= 4 << 20), "{calls:?}");
        assert_eq!(calls.iter().flatten().map(|call| call.0).sum::<usize>(), 1_210);
        assert_eq!((calls[0].len(), calls[1].len()), (3, 3));
    }

    /// Notes how many calls are under way at once, and what they hold.
    struct Slow {
        budget: Budget,
        under_way: AtomicUsize,
        most: Mutex<(usize, usize)>,
    }

    impl DeliveryStream for Slow {
        fn name(&self) -> &str {
            "slow"
        }
        fn check(&self) -> Call<'_, Result<(), Error>> {
            Box::pin(async { Ok(()) })
        }
        fn put<'a>(&'a self, _entries: &'a [Bytes]) -> Call<'a, Result<Vec<Refused>, Error>> {
            Box::pin(async move {
                let under_way = self.under_way.fetch_add(1, Relaxed) + 1;
                tokio::time::sleep(Duration::from_secs(1)).await;
                self.under_way.fetch_sub(1, Relaxed);
                let mut most = self.most.lock().unwrap();
                *most = (most.0.max(under_way), most.1.max(self.budget.held()));
                Ok(Vec::new())
            })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn calls_of_all_shards_take_a_quarter_of_the_budget_and_are_counted_in_it() {
        let budget = Budget::new(128 << 20);
        let slow = Arc::new(Slow { budget: budget.clone(), under_way: AtomicUsize::new(0), most: Mutex::default() });
        let outlet = Outlet::new("records", vec![slow.clone()], Clock::real(), &budget, 1);
        let shards = (0..8).map(|_| outlet.deliver(entries(16, 1_000_000), 0));
        futures_util::future::join_all(shards).await;
        assert_eq!(*slow.most.lock().unwrap(), (2, 2 * 4 * 4 * 1_000_001));
        assert_eq!(budget.held(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_stream_leaves_the_work_to_the_other() {
        let missing =
            || Err(Error::Missing { action: "firehose:PutRecordBatch", resource: "a".into(), message: "gone".into() });
        let streams = [Scripted::new((0..1_000).map(|_| missing()).collect()), Scripted::new(vec![])];
        let ports = streams.iter().map(|stream| stream.clone() as Arc<dyn DeliveryStream>).collect();
        Outlet::new("records", ports, Clock::real(), &Budget::new(1 << 30), 1).deliver(entries(3, 10), 0).await;
        assert_eq!(streams[1].kept.lock().unwrap().len(), 3);
    }

    /// What was logged.
    #[derive(Clone, Default)]
    struct Said(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Said {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_only_a_person_can_mend_is_said_once_a_minute() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let denied =
            || Err(Error::Denied { action: "firehose:PutRecordBatch", resource: "arn:a".into(), message: "no".into() });
        let said = Said::default();
        let writer = said.clone();
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
        tracing::subscriber::with_default(subscriber, || {
            runtime.block_on(async {
                let outlet = Outlet::new(
                    "records",
                    vec![Scripted::new((0..9_999).map(|_| denied()).collect())],
                    Clock::real(),
                    &Budget::new(1 << 30),
                    1,
                );
                let _ = tokio::time::timeout(Duration::from_secs(290), outlet.deliver(entries(1, 10), 0)).await;
            });
        });
        let said = String::from_utf8(said.0.lock().unwrap().clone()).unwrap();
        // Said at the first try after a minute, and tries are up to half a minute apart.
        assert!((4..=5).contains(&said.lines().count()), "{said}");
        assert!(said.lines().all(|line| line.contains("firehose:PutRecordBatch") && line.contains("arn:a")), "{said}");
    }

    #[test]
    fn an_outlet_is_blocked_while_one_of_its_streams_is() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let missing =
            || Err(Error::Missing { action: "firehose:PutRecordBatch", resource: "a".into(), message: "gone".into() });
        let shown = |answers: Vec<Result<Vec<usize>, Error>>| {
            let work = async {
                let streams = [Scripted::new(answers), Scripted::new(vec![])];
                let ports = streams.map(|stream| stream as Arc<dyn DeliveryStream>).into();
                let outlet = Outlet::new("records", ports, Clock::real(), &Budget::new(1 << 30), 1);
                outlet.deliver(entries(1, 10), 0).await;
                // The second of these calls asks the first stream once more, and ends at the second.
                outlet.deliver(entries(1, 10), 0).await;
            };
            let text = telemetry::Exposition::isolated(|| runtime.block_on(work)).render();
            let line = text.lines().find(|line| line.starts_with("zonewatch_firehose_blocked{")).map(str::to_owned);
            line.expect("the gauge is there")
        };
        assert!(shown(vec![missing(), missing()]).ends_with(" 1"));
        assert!(shown(vec![missing(), Ok(Vec::new())]).ends_with(" 0"), "mended");
    }
}
