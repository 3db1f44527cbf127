//! The way to the rollup stream: an epoch's digests, put until every key group has its own, and marks, put once.
//!
//! As long as the lease is held (the future is dropped with it), what is refused or not answered is put again. A copy counts
//! for nothing where windows are computed, so one too many does no harm.

use crate::clock::Clock;
use crate::jitter::Jitter;
use crate::minutely::Minutely;
use crate::telemetry;
use bytes::Bytes;
use cloud::{Entry, Error, Stream, limits};
use detect::message::{Constants, Message};
use detect::pane::Tally;
use detect::summary::{MESSAGE_BYTES_MAX, shrink};
use std::sync::Arc;
use std::time::Duration;
use tracing::{error, warn};

/// The first pause after a refusal, and the longest.
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// The rollup stream, as shards' tasks put to it.
pub struct Digests {
    stream: Arc<dyn Stream>,
    constants: Constants,
    clock: Clock,
    jitter: Jitter,
    said: Minutely,
}

impl Digests {
    /// Puts to this stream, whose constants these are.
    pub fn new(stream: Arc<dyn Stream>, constants: Constants, clock: Clock, seed: u64) -> Self {
        Self { stream, constants, clock, jitter: Jitter::new(seed), said: Minutely::default() }
    }

    /// What travels in every digest.
    pub fn constants(&self) -> Constants {
        self.constants
    }

    /// Returns once every message is acknowledged.
    pub async fn put(&self, mut messages: Vec<Message<Tally>>) {
        // An epoch is cut before it gets so large, unless it is one record alone.
        let mut calls_due = calls(&messages);
        if calls_due.iter().flatten().any(|entry| entry.data.len() > MESSAGE_BYTES_MAX) {
            shrink(&mut messages, MESSAGE_BYTES_MAX);
            metrics::counter!(telemetry::LIMITS_REACHED_TOTAL, "limit" => "digest_bytes").increment(1);
            calls_due = calls(&messages);
        }
        for call in calls_due {
            self.put_all(call).await;
        }
    }

    /// Whether all of a mark was acknowledged. It is not put again: the next one says more.
    pub async fn put_once(&self, mark: Vec<Message<Tally>>) -> bool {
        let mut whole = true;
        for call in calls(&mark) {
            let answer = self.stream.put(&call).await;
            self.count("mark", call.len());
            whole &= answer.is_ok_and(|refused| refused.is_empty());
        }
        whole
    }

    async fn put_all(&self, mut entries: Vec<Entry>) {
        let mut pause = PAUSE_MIN;
        loop {
            let sent = entries.len();
            let retry_after = match self.stream.put(&entries).await {
                Ok(refused) => {
                    self.count("acknowledged", sent - refused.len());
                    if refused.is_empty() {
                        return;
                    }
                    self.count("refused", refused.len());
                    entries = refused.iter().map(|entry| entries[entry.index].clone()).collect();
                    Duration::ZERO
                }
                Err(error) => {
                    self.count("failed", sent);
                    self.say(&error);
                    if let Error::Throttled { retry_after, .. } = error { retry_after } else { Duration::ZERO }
                }
            };
            self.clock.sleep(retry_after.max(self.jitter.of(pause))).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    fn say(&self, error: &Error) {
        if !self.said.is_due(self.clock.elapsed()) {
            return;
        }
        let stream = self.stream.name();
        if error.is_lasting() {
            error!(stream, %error, "digests are refused; checkpoints wait until somebody acts");
        } else {
            warn!(stream, %error, "digests are put again");
        }
    }

    fn count(&self, outcome: &'static str, entries: usize) {
        metrics::counter!(telemetry::DIGESTS_TOTAL, "outcome" => outcome).increment(entries as u64);
    }
}

/// Messages under their groups' hash keys, as calls.
fn calls(messages: &[Message<Tally>]) -> Vec<Vec<Entry>> {
    let entry = |message: &Message<Tally>| Entry {
        partition_key: message.group.to_string(),
        hash_key: Some(message.hash_key()),
        data: Bytes::from(message.encode()),
    };
    limits::put_calls(messages.iter().map(entry))
}

#[cfg(test)]
mod tests {
    use super::*;
    use cloud::faulty::{Faulty, Rates};
    use cloud::{Start, memory};
    use detect::message::Header;
    use detect::summary::Summary;

    fn messages(constants: Constants) -> Vec<Message<Tally>> {
        let header = Header {
            constants,
            shard: "s".into(),
            hash_range: 0..=u128::MAX,
            parents: Vec::new(),
            after: None,
            through: None,
            time_ms: 1,
            hole_ms: None,
            end: false,
        };
        Summary::new(constants).messages(&header)
    }

    #[tokio::test(start_paused = true)]
    async fn every_key_group_gets_its_digest_whatever_is_refused() {
        let constants = Constants::default();
        let stream = memory::Stream::new("rollup", 1, Arc::new(|| 0));
        let rates = Rates { refused_entry: 0.4, lost_reply: 0.2, lost_call: 0.2, throttled: 0.1, ..Rates::none() };
        let faulty = Arc::new(Faulty::new(Arc::new(stream.clone()), rates, 3));
        let digests = Digests::new(faulty, constants, Clock::real(), 1);
        digests.put(messages(constants)).await;
        let shard = &stream.shards().await.unwrap()[0].id;
        let cursor = stream.cursor(shard, &Start::TrimHorizon).await.unwrap();
        let records = stream.read(shard, &cursor, 10_000).await.unwrap().records;
        let read = records.iter().map(|record| Message::<Tally>::decode(&record.data).expect("a message").group);
        let groups: std::collections::BTreeSet<u16> = read.collect();
        assert_eq!(groups.into_iter().collect::<Vec<_>>(), (0..constants.groups).collect::<Vec<_>>());
    }

    #[tokio::test(start_paused = true)]
    async fn a_mark_is_put_once_and_says_whether_it_arrived() {
        let constants = Constants::default();
        let stream = memory::Stream::new("rollup", 1, Arc::new(|| 0));
        let at = |rate| {
            let rates = Rates { refused_entry: rate, ..Rates::none() };
            Digests::new(Arc::new(Faulty::new(Arc::new(stream.clone()), rates, 3)), constants, Clock::real(), 1)
        };
        assert!(!at(1.0).put_once(messages(constants)).await);
        assert!(at(0.0).put_once(messages(constants)).await);
    }
}
