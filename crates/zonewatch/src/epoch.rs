//! An epoch: consecutive records of one shard, observed and delivered together.

use crate::budget::{Budget, Hold};
use crate::observe::{Counts, Observed, Observer, Settings};
use crate::shard_task::Shared;
use crate::telemetry;
use cloud::Record;
use detect::Digest;
use lease::SequenceNumber;
use std::time::Duration;

/// The epoch being filled.
pub struct Epoch {
    /// When its first record was observed, on the worker's stopwatch.
    pub opened_at: Duration,
    /// Its last record is in: nothing may be added.
    pub closed: bool,
    range: Option<lease::Epoch>,
    observed: Observed,
    /// Arrival of each record, milliseconds.
    arrivals_ms: Vec<i64>,
    hold: Hold,
}

/// What is left of an epoch once it is acknowledged.
pub struct Worked {
    /// Its last record.
    pub through: SequenceNumber,
    /// Its latest arrival.
    pub arrival_ms_max: i64,
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
            closed: false,
            range: None,
            observed: Observed::new(settings),
            arrivals_ms: Vec::new(),
            hold: Hold::nothing(budget),
        }
    }

    /// Whether it has no record yet.
    pub fn is_empty(&self) -> bool {
        self.range.is_none()
    }

    /// First and last record; `None` while it is empty.
    pub fn range(&self) -> Option<lease::Epoch> {
        self.range.clone()
    }

    /// Bytes held for delivery.
    pub fn bytes(&self) -> usize {
        self.observed.bytes()
    }

    /// Takes in one record.
    pub fn observe(&mut self, observer: &mut Observer, shard: &str, record: &Record) {
        observer.observe(shard, record, &mut self.observed);
        let sequence = &record.sequence;
        match &mut self.range {
            Some(range) => range.last = sequence.clone(),
            None => self.range = Some(lease::Epoch { first: sequence.clone(), last: sequence.clone() }),
        }
        self.arrivals_ms.push(record.arrival_ms);
        self.hold.resize(self.observed.held_bytes());
    }

    /// Returns once all of it is acknowledged.
    pub async fn deliver(self, shared: &Shared) -> Worked {
        let Self { range, observed, arrivals_ms, mut hold, .. } = self;
        let Observed { records, rejects, digest, arrival_delay, counts, .. } = observed;
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
        futures_util::future::join(records, rejects).await;
        hold.resize(0);

        let now_ms = shared.clock.now_ms();
        for (delay_ms, count) in arrival_delay.means() {
            telemetry::ARRIVAL_DELAY.observe(delay_ms, count);
        }
        for arrival_ms in &arrivals_ms {
            telemetry::DELIVERY_DELAY.observe(now_ms - arrival_ms, 1);
        }
        Worked {
            through: range.expect("an empty epoch is not delivered").last,
            arrival_ms_max: arrivals_ms.into_iter().max().unwrap_or_default(),
            digest,
            counts,
        }
    }
}
