//! A scenario as a stream of Kinesis records.

use crate::{Delivery, Generator, Habits, Label, Payload, Scenario};

/// A generator and the subscription that delivers what it makes.
///
/// ```
/// let mut feed = traffic::Feed::new(traffic::Scenario::day(), 7, 1_794_787_200_000);
/// let first_minute = feed.until(feed.start_ms() + 60_000);
/// assert!(first_minute.iter().all(|payload| payload.data.starts_with(&[0x1f, 0x8b])));
/// ```
#[derive(Debug, Clone)]
pub struct Feed {
    generator: Generator,
    delivery: Delivery,
}

impl Feed {
    /// A feed with the usual habits of a subscription. Event time starts at `start_ms`.
    pub fn new(scenario: Scenario, seed: u64, start_ms: i64) -> Self {
        Self::with_habits(scenario, seed, start_ms, Habits::default())
    }

    /// A feed whose subscription behaves as told.
    pub fn with_habits(scenario: Scenario, seed: u64, start_ms: i64, habits: Habits) -> Self {
        let generator = Generator::new(scenario, seed, start_ms);
        let delivery = Delivery::new(habits, seed, generator.start_ms());
        Self { generator, delivery }
    }

    /// The records that arrive before this time and were not handed out yet, in order of arrival.
    pub fn until(&mut self, arrival_ms: i64) -> Vec<Payload> {
        for event in self.generator.events(arrival_ms) {
            self.delivery.accept(event);
        }
        self.delivery.due(arrival_ms)
    }

    /// What is still under way, as if no further event came.
    pub fn finish(self) -> Vec<Payload> {
        self.delivery.finish()
    }

    /// What a perfect detector would say.
    pub fn labels(&self) -> Vec<Label> {
        self.generator.labels()
    }

    /// Where event time begins.
    pub fn start_ms(&self) -> i64 {
        self.generator.start_ms()
    }

    /// Where the scenario ends.
    pub fn end_ms(&self) -> i64 {
        self.generator.end_ms()
    }
}
