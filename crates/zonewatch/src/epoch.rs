//! An epoch: consecutive records of one shard, observed and delivered together.

use crate::budget::{Budget, Hold};
use crate::observe::{Counts, Observed, Observer, Settings};
use crate::shard_task::Shared;
use crate::telemetry;
use cloud::Record;
use detect::Digest;
use detect::message::Header;
use detect::summary::{Sizes, Summary};
use std::time::Duration;

/// The epoch being filled.
pub struct Epoch {
    /// When its first record was observed, on the worker's stopwatch.
    pub opened_at: Duration,
    observed: Observed,
    /// Arrival of each record, milliseconds.
    arrivals_ms: Vec<i64>,
    /// What digests have come to.
    summary: Sizes,
    hold: Hold,
}

/// What is left of an epoch once it is acknowledged.
pub struct Worked {
    /// Its counts by zone.
    pub digest: Digest,
    /// Its counters.
    pub counts: Counts,
}

impl Epoch {
    /// Nothing yet.
    pub fn new(settings: &Settings, budget: &Budget) -> Self {
        Self {
            opened_at: Duration::ZERO,
            observed: Observed::new(settings),
            arrivals_ms: Vec::new(),
            summary: Sizes::default(),
            hold: Hold::nothing(budget),
        }
    }

    /// Whether it has no record yet.
    pub fn is_empty(&self) -> bool {
        self.arrivals_ms.is_empty()
    }

    /// Bytes held for delivery.
    pub fn bytes(&self) -> usize {
        self.observed.bytes()
    }

    /// Takes in one record.
    pub fn observe(&mut self, observer: &mut Observer, shard: &str, record: &Record) {
        observer.observe(shard, record, &mut self.observed);
        self.summary = self.observed.summary.as_mut().map_or(Sizes::default(), Summary::weigh);
        self.arrivals_ms.push(record.arrival_ms);
        self.hold.resize(self.observed.held_bytes() + self.summary.bytes);
    }

    /// No digest of it has more bytes.
    pub fn digest_bytes_max(&self) -> usize {
        self.summary.message_bytes_max
    }

    /// Returns once all of it is acknowledged. Its digests go under `header`; `None`: none are put.
    pub async fn deliver(self, shared: &Shared, header: Option<Header>) -> Worked {
        let Self { observed, arrivals_ms, mut hold, .. } = self;
        let Observed { records, rejects, digest, summary, arrival_delay, counts } = observed;
        let digests = async {
            if let (Some(digests), Some(header), Some(summary)) = (&shared.digests, header, summary) {
                if summary.beyond() > 0 {
                    metrics::counter!(telemetry::LIMITS_REACHED_TOTAL, "limit" => "digest_zones")
                        .increment(summary.beyond());
                }
                digests.put(summary.messages(&header)).await;
            }
        };
        let payload_bytes = records.len();
        let rejects = shared.quarantine.deliver(rejects, &shared.clock);
        let records = async {
            if let Some(outlet) = &shared.records {
                let (packing, compression) = (shared.packing, shared.compression);
                let pack = move || records.into_entries(packing, compression);
                let entries = match compression {
                    crate::config::Compression::None => pack(),
                    // A second of CPU for a large epoch.
                    crate::config::Compression::Gzip => {
                        tokio::task::spawn_blocking(pack).await.expect("packing does not panic")
                    }
                };
                outlet.deliver(entries, payload_bytes).await;
            }
        };
        futures_util::future::join3(records, rejects, digests).await;
        hold.resize(0);

        let now_ms = shared.clock.now_ms();
        for (delay_ms, count) in arrival_delay.means() {
            telemetry::ARRIVAL_DELAY.observe(delay_ms, count);
        }
        for arrival_ms in &arrivals_ms {
            telemetry::DELIVERY_DELAY.observe(now_ms - arrival_ms, 1);
        }
        Worked { digest, counts }
    }
}
