//! The state of one key group: a fold over that group's own records, in the order of its rollup shard.
//!
//! Nothing else goes in: no clock, no other group, no state of the worker. What is told follows from the fold alone, so a
//! zombie, a replay and a reshard all tell the same windows. A message is applied if it connects to the last one applied of
//! its source shard; a copy counts nothing; anything else waits. Everything here is what a snapshot holds.

mod clock;
mod position;
mod waiting;
mod watermark;
mod windows;

pub use windows::Beside;

use crate::message::{Constants, Header, Message, Pane, TIME_MS_MAX};
use crate::wire::{Input, put_number, put_signed};
use clock::Clock;
use position::Positions;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use waiting::Waiting;
use watermark::Watermark;
use windows::Windows;

/// A query dated so much after its record's arrival is still counted; clocks of edges differ from the stream's. OBSERVE
/// judges by it, DETECT allows for it.
pub const FUTURE_MS: i64 = 60_000;

/// What a rollup does besides the constants of its stream. A change tells other windows, so it counts from the next start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Of the rollup stream.
    pub constants: Constants,
    /// How far arrival times may run backwards, milliseconds.
    pub margin_ms: i64,
    /// A message waits this long for the one before it, on the group's clock.
    pub wait_ms: u64,
    /// A range not heard of for this long, on the group's clock, is not waited for.
    pub stall_ms: u64,
    /// The most that one record moves the group's clock.
    pub step_ms_max: u64,
    /// A source shard is forgotten so long after its last message, on the group's clock: an outage of the fleet makes none
    /// forgotten. No put lives that long.
    pub forget_ms: u64,
    /// How large a state may grow.
    pub limits: Limits,
}

/// Sizes of a state. Whatever is beyond goes, the oldest first, and is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Open windows, a zone and pane each.
    pub windows_max: usize,
    /// Messages that wait, and their panes.
    pub waiting_max: usize,
    /// Source shards known.
    pub shards_max: usize,
    /// Pieces of the watermark's map; at most two a shard that is read.
    pub pieces_max: usize,
    /// Zones with late, future or missed queries that are counted apart between two closings.
    pub zones_max: usize,
}

/// A window has some kilobytes: 40,000 are a thousand zones, as many as are judged, with 5 min of lateness. A stream has at most
/// 10,000 shards by default.
impl Default for Limits {
    fn default() -> Self {
        Self { windows_max: 40_000, waiting_max: 20_000, shards_max: 20_000, pieces_max: 20_000, zones_max: 10_000 }
    }
}

impl Settings {
    /// The defaults for a stream of these constants.
    pub fn new(constants: Constants) -> Self {
        Self {
            constants,
            margin_ms: 10_000,
            wait_ms: 60_000,
            stall_ms: 300_000,
            step_ms_max: 10_000,
            forget_ms: 48 * 3_600_000,
            limits: Limits::default(),
        }
    }
}

/// A window that is closed: all zones of the group over one pane.
#[derive(Debug, Clone, PartialEq)]
pub struct Closed<P> {
    /// Where it starts, milliseconds since 1970.
    pub start_ms: i64,
    /// It counts every query that was not late.
    pub whole: bool,
    /// Share of the source stream's hash-key space that had come to its end, 0 to 1.
    pub coverage: f64,
    /// What was counted, by zone key; a zone without a query is not there.
    pub zones: BTreeMap<Arc<str>, P>,
    /// Queries that entered no window since the closing before, by zone key.
    pub beside: BTreeMap<Arc<str>, Beside>,
}

/// What a record led to.
#[derive(Debug, Clone, PartialEq)]
pub struct Told<P> {
    /// Windows, in order.
    pub closed: Vec<Closed<P>>,
    /// What was counted in windows, some of which are still open: once for each zone and pane of an epoch.
    pub counted: Vec<Counted>,
    /// For metrics. They do not survive a restart, as counters may.
    pub counts: Counts,
}

/// So many queries more of a zone in a pane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// The zone's key.
    pub zone_key: Arc<str>,
    /// Where the pane starts, milliseconds since 1970.
    pub start_ms: i64,
    /// How many.
    pub queries: u64,
}

impl<P> Default for Told<P> {
    fn default() -> Self {
        Self { closed: Vec::new(), counted: Vec::new(), counts: Counts::default() }
    }
}

/// What happened to messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Epochs applied.
    pub applied: u64,
    /// Epochs that were applied before.
    pub copies: u64,
    /// Messages applied although the one before never came.
    pub gaps: u64,
    /// Messages that said that records may be lost.
    pub holes: u64,
    /// Windows closed because there were too many.
    pub windows_limited: u64,
    /// Messages applied as gaps because too many waited.
    pub waiting_limited: u64,
    /// Source shards forgotten because there were too many.
    pub shards_limited: u64,
    /// Pieces of the watermark's map joined because there were too many.
    pub pieces_limited: u64,
}

/// Why a message is not for this state. It changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Of another number of key groups, pane or lateness.
    Constants,
    /// For another key group.
    Group,
    /// It says what no epoch could.
    Unsound,
}

/// The state of one key group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rollup<P> {
    settings: Settings,
    group: u16,
    clock: Clock,
    positions: Positions,
    waiting: Waiting<P>,
    watermark: Watermark,
    windows: Windows<P>,
    /// A window that starts before is not whole.
    whole_from_ms: i64,
}

/// A message with what its arrival adds to it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Received<P> {
    message: Message<P>,
    /// How far time had come at the source, as far as it can be believed: a worker's clock may be fast, so a mark speaks for
    /// no time after its own arrival.
    reached_ms: i64,
    /// Where windows begin to be whole if something before it is lost.
    whole_from_ms: i64,
}

/// How a message stands to what is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// All of it is applied.
    Copy,
    /// It comes next.
    Connects,
    /// Something before it has not come.
    Waits,
}

fn place(positions: &Positions, header: &Header) -> Place {
    let ended = |parent: &Arc<str>| positions.get(parent).is_some_and(|known| known.ended);
    match positions.get(&header.shard) {
        Some(known) if header.through <= known.through => Place::Copy,
        Some(known) if header.after == known.through => Place::Connects,
        None if header.after.is_none() && header.parents.iter().all(ended) => Place::Connects,
        _ => Place::Waits,
    }
}

impl<P: Pane> Rollup<P> {
    /// A group that has heard of nothing.
    pub fn new(settings: Settings, group: u16) -> Self {
        Self {
            settings,
            group,
            clock: Clock::default(),
            positions: Positions::default(),
            waiting: Waiting::default(),
            watermark: Watermark::default(),
            windows: Windows::default(),
            whole_from_ms: 0,
        }
    }

    /// Which key group.
    pub fn group(&self) -> u16 {
        self.group
    }

    /// What ends here or before is closed; `None` before the first closing.
    pub fn closed_until_ms(&self) -> Option<i64> {
        self.windows.closed_until_ms()
    }

    /// Takes in the next record of the group, which arrived in the rollup stream at `arrival_ms`.
    pub fn apply(&mut self, message: Message<P>, arrival_ms: i64) -> Result<Told<P>, Refused> {
        self.check(&message)?;
        let arrival_ms = arrival_ms.clamp(0, TIME_MS_MAX);
        let before_ms = self.clock.elapsed_ms();
        self.clock.step(arrival_ms, self.settings.step_ms_max);
        self.positions.hear(&message.header.shard, self.clock.elapsed_ms());
        self.forget(before_ms);
        let mut told = Told::default();
        self.waiting.insert(Received::new(message, arrival_ms), self.clock.elapsed_ms());
        self.settle(&mut told);
        self.give_up_waiting(&mut told);
        self.limit(&mut told);
        self.close(&mut told);
        Ok(told)
    }

    /// The rollup shard has ended: what still waits waits in vain, because an epoch is put only after all groups have the
    /// one before it.
    pub fn end(&mut self) -> Told<P> {
        let mut told = Told::default();
        while let Some(shard) = self.waiting.longest(u64::MAX) {
            self.leap(&shard, &mut told);
        }
        self.close(&mut told);
        told
    }

    fn check(&self, message: &Message<P>) -> Result<(), Refused> {
        if message.header.constants != self.settings.constants {
            return Err(Refused::Constants);
        }
        if message.group != self.group {
            return Err(Refused::Group);
        }
        if message.is_sound() { Ok(()) } else { Err(Refused::Unsound) }
    }

    /// Applies what waits and connects, until nothing does.
    fn settle(&mut self, told: &mut Told<P>) {
        loop {
            let positions = &self.positions;
            let ready = self.waiting.take_first(|message| place(positions, &message.header) != Place::Waits);
            let Some(received) = ready else { return };
            match place(&self.positions, &received.message.header) {
                Place::Copy => self.copy(&received, told),
                Place::Connects | Place::Waits => self.absorb(received, told),
            }
        }
    }

    fn copy(&mut self, received: &Received<P>, told: &mut Told<P>) {
        let header = &received.message.header;
        told.counts.copies += u64::from(!header.is_mark());
        self.hear_hole(header, told);
        if header.is_mark() {
            self.raise(received);
        }
        if header.end {
            self.positions.end(&header.shard);
        }
    }

    fn absorb(&mut self, received: Received<P>, told: &mut Told<P>) {
        let header = &received.message.header;
        told.counts.applied += u64::from(!header.is_mark());
        self.hear_hole(header, told);
        self.positions.advance(&header.shard, header.through.clone(), self.clock.elapsed_ms());
        // The last word counts nothing and comes after everything that the shard says of time.
        if header.end {
            return self.positions.end(&header.shard);
        }
        self.raise(&received);
        for (key, zone) in received.message.zones {
            self.windows.add(&key, zone, self.settings.limits.zones_max, &mut told.counted);
        }
    }

    /// Applies the lowest message of a shard although the one before it never came.
    fn leap(&mut self, shard: &str, told: &mut Told<P>) {
        let Some(received) = self.waiting.take_lowest(shard) else { return };
        told.counts.gaps += 1;
        self.whole_from_ms = self.whole_from_ms.max(received.whole_from_ms);
        self.absorb(received, told);
        self.settle(told);
    }

    fn hear_hole(&mut self, header: &Header, told: &mut Told<P>) {
        if let Some(lost_until_ms) = header.hole_ms {
            told.counts.holes += 1;
            self.whole_from_ms = self.whole_from_ms.max(lost_until_ms + FUTURE_MS);
        }
    }

    fn raise(&mut self, received: &Received<P>) {
        let range = &received.message.header.hash_range;
        if self.watermark.is_new(range) {
            self.whole_from_ms = self.whole_from_ms.max(received.whole_from_ms);
        }
        let to_ms = received.reached_ms - i64::from(self.settings.constants.lateness_ms) - self.settings.margin_ms;
        self.watermark.raise(range, to_ms, self.clock.elapsed_ms());
    }

    fn give_up_waiting(&mut self, told: &mut Told<P>) {
        let Some(since_ms) = self.clock.elapsed_ms().checked_sub(self.settings.wait_ms) else { return };
        while let Some(shard) = self.waiting.longest(since_ms) {
            self.leap(&shard, told);
        }
    }

    fn limit(&mut self, told: &mut Told<P>) {
        let limits = self.settings.limits.clone();
        while self.waiting.size() > limits.waiting_max {
            let shard = self.waiting.longest(u64::MAX).expect("something waits");
            told.counts.waiting_limited += 1;
            self.leap(&shard, told);
        }
        told.counts.shards_limited += self.positions.limit(limits.shards_max);
        let (joined, claimed_ms) = self.watermark.limit(limits.pieces_max);
        told.counts.pieces_limited += joined;
        // Of windows up to there the coverage is no longer known.
        self.whole_from_ms = self.whole_from_ms.max(claimed_ms.unwrap_or(0));
        let pane_ms = i64::from(self.settings.constants.pane_ms);
        while self.windows.count() > limits.windows_max {
            let oldest_ms = self.windows.oldest_ms().expect("a window is open");
            let before = self.windows.count();
            self.close_until(oldest_ms + pane_ms, told);
            told.counts.windows_limited += (before - self.windows.count()) as u64;
        }
    }

    fn close(&mut self, told: &mut Told<P>) {
        let lowest_ms = self.watermark.lowest_ms(self.clock.elapsed_ms(), self.settings.stall_ms);
        let pane_ms = i64::from(self.settings.constants.pane_ms);
        let Some(until_ms) = lowest_ms.map(|lowest| lowest - lowest.rem_euclid(pane_ms)) else { return };
        if self.windows.closed_until_ms().is_none_or(|closed| closed < until_ms) {
            self.close_until(until_ms, told);
        }
    }

    fn close_until(&mut self, until_ms: i64, told: &mut Told<P>) {
        let pane_ms = i64::from(self.settings.constants.pane_ms);
        let (watermark, whole_from_ms) = (&self.watermark, self.whole_from_ms);
        let judge = |start_ms: i64| {
            let (all, share) = watermark.coverage(start_ms + pane_ms);
            (all && start_ms >= whole_from_ms, share)
        };
        told.closed.extend(self.windows.close(until_ms, pane_ms, judge));
    }

    /// Forgets shards. They are looked at in every 48th of the time after which one is forgotten: an hour of the group's
    /// clock.
    fn forget(&mut self, before_ms: u64) {
        let period_ms = (self.settings.forget_ms / 48).max(1);
        let clock_ms = self.clock.elapsed_ms();
        if clock_ms / period_ms > before_ms / period_ms {
            self.positions.forget_before(clock_ms.saturating_sub(self.settings.forget_ms));
        }
    }

    /// A zone's open panes that start in a range, in order.
    pub fn open_panes<'a>(&'a self, zone_key: &'a str, starts_ms: Range<i64>) -> impl Iterator<Item = &'a P> {
        self.windows.of_zone(zone_key, starts_ms)
    }

    /// Share of the source stream's hash-key space that has come to a time, 0 to 1.
    pub fn coverage(&self, time_ms: i64) -> f64 {
        self.watermark.coverage(time_ms).1
    }

    /// Appends the state, without its settings.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        put_number(out, self.group.into());
        put_signed(out, self.whole_from_ms);
        self.clock.encode(out);
        self.positions.encode(out);
        self.watermark.encode(out);
        self.windows.encode(out);
        self.waiting.encode(out);
    }

    pub(crate) fn decode(input: &mut Input<'_>, settings: &Settings) -> Option<Self> {
        Some(Self {
            settings: settings.clone(),
            group: input.number()?.try_into().ok().filter(|group| *group < settings.constants.groups)?,
            whole_from_ms: input.signed_time()?,
            clock: Clock::decode(input)?,
            positions: Positions::decode(input)?,
            watermark: Watermark::decode(input)?,
            windows: Windows::decode(input)?,
            waiting: Waiting::decode(input)?,
        })
    }
}

impl<P: Pane> Received<P> {
    fn new(message: Message<P>, arrival_ms: i64) -> Self {
        let time_ms = message.header.time_ms;
        let is_mark = message.header.is_mark();
        let reached_ms = if is_mark { time_ms.min(arrival_ms) } else { time_ms };
        // What is lost had arrived by then, and none of it is dated later than this. A worker's clock may be slow as well.
        let lost_until_ms = if is_mark { time_ms.max(arrival_ms) } else { time_ms };
        Self { message, reached_ms, whole_from_ms: lost_until_ms + FUTURE_MS }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        put_signed(out, self.reached_ms);
        put_signed(out, self.whole_from_ms);
        self.message.encode_body(out);
    }

    fn decode(input: &mut Input<'_>) -> Option<Self> {
        let (reached_ms, whole_from_ms) = (input.signed_time()?, input.signed_time()?);
        Some(Self { reached_ms, whole_from_ms, message: Message::decode_body(input)? })
    }
}

#[cfg(test)]
#[path = "rollup_test.rs"]
mod tests;
