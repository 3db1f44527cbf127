//! Log events to Kinesis records, as a CloudWatch Logs subscription delivers them.
//!
//! One record holds events of one log stream (one zone at one edge). It arrives some time after its last event, a few
//! arrive much later, some arrive twice, and now and then a control message comes between: what a consumer must live
//! with. Everything derives from the seed and the events, not from how they are cut into calls.

use crate::random::{Random, hash};
use crate::{LogEvent, payload};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How a subscription behaves. The defaults are what AWS states or consumers report.
#[derive(Debug, Clone, PartialEq)]
pub struct Habits {
    /// The account that owns the log groups.
    pub owner: String,
    /// The subscription filter's name.
    pub filter: String,
    /// Event time that is gathered into one record, milliseconds.
    pub gather_ms: i64,
    /// Events a record at most. 2,000 are 95 kB compressed, well below a record's 1 MiB.
    pub events_max: usize,
    /// From the end of gathering to arrival.
    pub delay: Delay,
    /// Share of records delivered twice.
    pub duplicate_share: f64,
    /// Share of records that a control message follows. One comes first of all: the filter was just made.
    pub control_share: f64,
}

impl Default for Habits {
    fn default() -> Self {
        Self {
            owner: "123456789012".to_owned(),
            filter: "zonewatch".to_owned(),
            gather_ms: 5_000,
            events_max: 2_000,
            delay: Delay::default(),
            duplicate_share: 0.002,
            control_share: 0.000_5,
        }
    }
}

/// How long delivery takes: log-normal, with a tail. AWS says "usually in less than three minutes".
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Delay {
    /// Half of the records are faster.
    pub median_ms: f64,
    /// Deviation of the delay's natural logarithm; 0 makes every delay the median.
    pub spread: f64,
    /// Share of records that a retry or a throttle holds back.
    pub tail_share: f64,
    /// The longest such delay, milliseconds; they are even up to it.
    pub tail_ms: f64,
}

impl Default for Delay {
    fn default() -> Self {
        Self { median_ms: 7_000.0, spread: 0.6, tail_share: 0.01, tail_ms: 170_000.0 }
    }
}

impl Delay {
    /// Arrival right at the end of gathering.
    pub const NONE: Self = Self { median_ms: 0.0, spread: 0.0, tail_share: 0.0, tail_ms: 0.0 };

    fn draw(&self, random: &mut Random) -> i64 {
        let usual = self.median_ms * (self.spread * random.normal()).exp();
        let tail = if random.chance(self.tail_share) { random.unit() * self.tail_ms } else { 0.0 };
        (usual + tail) as i64
    }
}

/// What a Kinesis record carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PayloadKind {
    /// Log events.
    Data,
    /// The same log events once more.
    Duplicate,
    /// A control message.
    Control,
}

/// A Kinesis record before it has a shard and a sequence number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    /// What it carries.
    pub kind: PayloadKind,
    /// When it reaches the stream, milliseconds since 1970.
    pub arrival_ms: i64,
    /// By chance, as the distribution `Random` makes it: 32 hexadecimal digits.
    pub partition_key: String,
    /// The log stream, `<zone id>/<edge>`; empty for a control message.
    pub log_stream: String,
    /// Log events in it; none in a control message.
    pub events: usize,
    /// Gzip of the envelope.
    pub data: Vec<u8>,
}

/// Gathers log events and delivers them.
#[derive(Debug, Clone)]
pub struct Delivery {
    habits: Habits,
    seed: u64,
    /// Events of each log stream since the last record of it; never an empty list.
    open: BTreeMap<(Arc<str>, &'static str), Vec<LogEvent>>,
    /// On their way, by arrival; the log stream and the kind order what arrives at once.
    under_way: BTreeMap<(i64, String, u8, u64), Payload>,
}

impl Delivery {
    /// A subscription whose filter is made at this event time.
    pub fn new(habits: Habits, seed: u64, start_ms: i64) -> Self {
        let mut delivery = Self { habits, seed, open: BTreeMap::new(), under_way: BTreeMap::new() };
        let random = &mut Random::of(seed, "first control message");
        delivery.send_control(start_ms, random);
        delivery
    }

    /// Takes a log event. They must come in order of event time.
    pub fn accept(&mut self, event: LogEvent) {
        let key = (event.zone_id.clone(), event.edge);
        let ripe_ms = event.time_ms - self.habits.gather_ms;
        if self.open.get(&key).is_some_and(|open| open[0].time_ms <= ripe_ms) {
            self.close(&key);
        }
        let open = self.open.entry(key.clone()).or_default();
        open.push(event);
        // Closed at once and not when the next event comes: its arrival must not lie before what was handed out.
        if open.len() >= self.habits.events_max {
            self.close(&key);
        }
    }

    /// Every record that arrives before this time and was not handed out yet, in order of arrival. Every event before
    /// it must have been accepted.
    pub fn due(&mut self, until_ms: i64) -> Vec<Payload> {
        let ripe: Vec<_> = self
            .open
            .iter()
            .filter(|(_, open)| open[0].time_ms + self.habits.gather_ms <= until_ms)
            .map(|(key, _)| key.clone())
            .collect();
        for key in &ripe {
            self.close(key);
        }
        let later = self.under_way.split_off(&(until_ms, String::new(), 0, 0));
        std::mem::replace(&mut self.under_way, later).into_values().collect()
    }

    /// Everything that is left, in order of arrival, as if no further event came.
    pub fn finish(mut self) -> Vec<Payload> {
        self.due(i64::MAX)
    }

    fn close(&mut self, key: &(Arc<str>, &'static str)) {
        let Some(events) = self.open.remove(key) else { return };
        let random = &mut Random::new(self.seed ^ hash(events[0].id.as_bytes()));
        let is_full = events.len() >= self.habits.events_max;
        let gathered_ms =
            if is_full { events[events.len() - 1].time_ms } else { events[0].time_ms + self.habits.gather_ms };
        let payload = Payload {
            kind: PayloadKind::Data,
            arrival_ms: gathered_ms + self.habits.delay.draw(random),
            partition_key: partition_key(random),
            log_stream: format!("{}/{}", key.0, key.1),
            events: events.len(),
            data: payload::gzip(&payload::data_message(&self.habits.owner, &self.habits.filter, &events)),
        };
        if random.chance(self.habits.duplicate_share) {
            let arrival_ms = payload.arrival_ms + 1 + self.habits.delay.draw(random);
            let partition_key = partition_key(random);
            self.send(Payload { kind: PayloadKind::Duplicate, arrival_ms, partition_key, ..payload.clone() }, random);
        }
        if random.chance(self.habits.control_share) {
            self.send_control(payload.arrival_ms, random);
        }
        self.send(payload, random);
    }

    fn send_control(&mut self, arrival_ms: i64, random: &mut Random) {
        let payload = Payload {
            kind: PayloadKind::Control,
            arrival_ms,
            partition_key: partition_key(random),
            log_stream: String::new(),
            events: 0,
            data: payload::gzip(&payload::control_message(arrival_ms)),
        };
        self.send(payload, random);
    }

    fn send(&mut self, payload: Payload, random: &mut Random) {
        let key = (payload.arrival_ms, payload.log_stream.clone(), payload.kind as u8, random.bits());
        self.under_way.insert(key, payload);
    }
}

fn partition_key(random: &mut Random) -> String {
    format!("{:016x}{:016x}", random.bits(), random.bits())
}
