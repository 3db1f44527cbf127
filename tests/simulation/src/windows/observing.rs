//! A source shard's task: reads, cuts, commits, puts digests and marks.

use super::Scene;
use super::pane::Ids;
use super::stream::{Record, number, place};
use super::table::{CALL_LIMIT, Writing};
use super::truth::Event;
use super::world::{DAY, Happening, Stage, World};
use crate::network::Fate;
use detect::message::{Header, Message, Unreadable, VERSION};
use detect::summary::{Summary, largest_bytes, longest_fit};
use detect::{Sequence, hash_key};
use lease::{Checkpoint, Commit, Epochs, Lease, Next, Put, Then};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

/// Records of an epoch at most.
const EPOCH_RECORDS_MAX: usize = 25;
const MARK_PERIOD: u64 = 5_000;
/// A mark that hangs longer than this is given up with its connection. Longer, and a clock that is as fast makes the
/// watermark pass its margin.
const MARK_LATE_MAX: u64 = 5_000;

type Source = Record<Vec<Event>>;

pub struct Observer {
    pub shard: usize,
    pub row: Lease,
    pub paused_until: u64,
    pub draining: bool,
    skew_ms: i64,
    version: u8,
    epochs: Epochs,
    /// Its pinned start has come.
    begun: bool,
    read_to: u64,
    /// Read, not in an epoch.
    ahead: VecDeque<Source>,
    /// In the open epoch.
    joined: Vec<Source>,
    writing: Option<Writing>,
    flight: Option<Flight>,
    mark: Option<Flight>,
    mark_at: u64,
}

/// Messages on their way.
struct Flight {
    ticket: u64,
    put: Put,
    /// By key group; `None` once it is acknowledged.
    messages: Vec<Option<Rc<Vec<u8>>>>,
    resend_at: u64,
}

/// What a step comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    GoesOn,
    Stops,
}

impl Flight {
    fn is_acknowledged(&self) -> bool {
        self.messages.iter().all(Option::is_none)
    }
}

impl Observer {
    pub fn new(world: &mut World, shard: usize, row: Lease) -> Self {
        let skew_ms = world.skew();
        let epochs = Epochs::new(&row, row.checkpoint_is_ours(), world.rules);
        let mut observer = Self {
            shard,
            row,
            paused_until: 0,
            draining: false,
            skew_ms,
            version: world.version(),
            epochs,
            begun: false,
            read_to: 0,
            ahead: VecDeque::new(),
            joined: Vec::new(),
            writing: None,
            flight: None,
            mark: None,
            mark_at: 0,
        };
        observer.begin(world);
        observer
    }

    /// Begins with what the row says.
    fn begin(&mut self, world: &World) {
        let lease = &self.row;
        self.epochs = Epochs::new(lease, lease.checkpoint_is_ours(), world.rules);
        let records = &world.source.shards[self.shard].records;
        self.read_to = match (&lease.checkpoint, &lease.pending, lease.start_ms) {
            (Checkpoint::At { sequence, .. }, _, _) => place(sequence),
            (_, Some(pending), _) => place(&pending.first) - 1,
            _ if !self.has_begun(world) => 0,
            (Checkpoint::AtTimestamp | Checkpoint::Latest, None, Some(start_ms)) => {
                let first = records.iter().find(|record| record.arrival_ms >= start_ms);
                first.map_or(records.last().map_or(0, |last| last.sequence), |first| first.sequence - 1)
            }
            _ => 0,
        };
        self.begun = self.has_begun(world);
        self.ahead.clear();
        self.joined.clear();
        (self.writing, self.flight, self.mark) = (None, None, None);
    }

    /// Kinesis makes no iterator for a time to come, which a start pinned by a fast clock is. Stamps run backwards.
    fn has_begun(&self, world: &World) -> bool {
        self.row.start_ms.is_none_or(|start_ms| start_ms + 3_000 < (DAY + world.now) as i64)
    }

    fn clock_ms(&self, world: &World) -> i64 {
        (DAY + world.now) as i64 + self.skew_ms
    }

    /// The task's turn.
    pub fn step(&mut self, world: &mut World, me: usize) -> After {
        if self.writing.is_some() {
            return self.await_write(world, me);
        }
        if let Some(flight) = &self.flight {
            if !flight.is_acknowledged() {
                self.resend(world, me);
            } else {
                let end = flight.put.end;
                self.flight = None;
                self.epochs.acknowledged();
                if end {
                    self.commit_end(world, me);
                    return After::GoesOn;
                }
            }
        }
        if self.mark.as_ref().is_some_and(Flight::is_acknowledged) {
            let mark = self.mark.take().expect("it was just there");
            self.epochs.mark_acknowledged(&mark.put);
        }
        self.work(world, me);
        After::GoesOn
    }

    fn work(&mut self, world: &mut World, me: usize) {
        let sent_ms = self.clock_ms(world);
        let slow = world.slow.is_some_and(|(shard, until)| shard == self.shard && world.now < until);
        if slow && world.chance.percent(80) {
            return;
        }
        let max = if slow { 1 } else { world.chance.between(1, 12) as usize };
        let (mut tip, mut end) = (false, false);
        let begun = self.has_begun(world);
        if begun && !self.begun {
            self.begin(world);
        }
        if begun && self.ahead.is_empty() && !self.draining {
            let read = world.source.read(self.shard, self.read_to, world.now, max);
            self.read_to = read.records.last().map_or(self.read_to, |last| last.sequence);
            (tip, end) = (read.is_tip, read.is_end);
            self.ahead.extend(read.records);
        }
        // The tip is a read that brought nothing.
        tip &= self.ahead.is_empty();
        let next = match self.join(world) {
            Next::Unknown if end => Next::End,
            Next::Unknown if tip => Next::Tip,
            Next::Unknown if self.draining => Next::Full,
            next => next,
        };
        self.put_mark(world, me, sent_ms, tip);
        if self.epochs.is_due(Duration::from_millis(world.now), next) {
            return self.cut(world, me);
        }
        if self.draining && self.epochs.is_remaking() {
            // What was not all read is left to the next owner.
            self.joined.clear();
            self.epochs.drop_open();
        }
        let abandons = self.draining && self.epochs.is_remaking() && self.joined.is_empty() && self.flight.is_none();
        if !self.ahead.is_empty() && !self.draining || !(self.epochs.is_at_rest() || abandons) {
            return;
        }
        if self.draining {
            let commit = self.epochs.release(Then::Release);
            self.write(world, me, commit);
        } else if next == Next::End {
            match self.epochs.last_word(self.clock_ms(world)) {
                Some(put) => self.put(world, me, put),
                None => self.commit_end(world, me),
            }
        } else {
            let tip_ms = tip.then_some(sent_ms);
            if let Some(commit) = self.epochs.commit_due(tip_ms).filter(|_| world.chance.percent(15)) {
                self.write(world, me, commit);
            }
        }
    }

    /// At the tip, every so often, if nothing speaks against it.
    fn put_mark(&mut self, world: &mut World, me: usize, sent_ms: i64, tip: bool) {
        if !tip || self.draining || world.now < self.mark_at {
            return;
        }
        if let Some(put) = self.epochs.mark(sent_ms, self.clock_ms(world)) {
            self.mark_at = world.now + MARK_PERIOD;
            self.mark = Some(self.send(world, me, put));
        }
    }

    /// Takes what was read into the open epoch; why it takes no more.
    fn join(&mut self, world: &World) -> Next {
        while let Some(record) = self.ahead.front() {
            let sequence = number(record.sequence);
            if !self.epochs.may_join(&sequence) {
                return Next::Beyond;
            }
            if self.joined.len() >= EPOCH_RECORDS_MAX && !self.epochs.is_remaking() {
                return Next::Full;
            }
            self.epochs.join(&sequence, record.arrival_ms, Duration::from_millis(world.now));
            self.joined.extend(self.ahead.pop_front());
        }
        Next::Unknown
    }

    fn cut(&mut self, world: &mut World, me: usize) {
        if !self.epochs.is_remaking() {
            let fits = |count: usize| {
                let messages = summary(world, &self.joined[..count], self.version)
                    .messages(&self.header(world, &self.epochs_preview()));
                largest_bytes(&messages) <= world.message_bytes_max
            };
            let count = longest_fit(self.joined.len(), fits);
            if count < self.joined.len() {
                for record in self.joined.drain(count..).rev() {
                    self.ahead.push_front(record);
                }
                self.epochs.drop_open();
                for record in &self.joined {
                    let sequence = number(record.sequence);
                    self.epochs.join(&sequence, record.arrival_ms, Duration::from_millis(world.now));
                }
            }
        }
        match self.epochs.cut() {
            Some(commit) => self.write(world, me, commit),
            None => self.put_named(world, me),
        }
    }

    /// A put as long as any, to measure with.
    fn epochs_preview(&self) -> Put {
        let last = self.joined.last().map(|record| number(record.sequence));
        let (after, time_ms) = (last.clone(), DAY as i64);
        Put { records: None, after, through: last, time_ms, hole_ms: Some(time_ms), end: false, records_only: false }
    }

    fn put_named(&mut self, world: &mut World, me: usize) {
        let put = self.epochs.put(self.clock_ms(world));
        self.put(world, me, put);
    }

    fn put(&mut self, world: &mut World, me: usize, put: Put) {
        if put.records_only {
            self.joined.clear();
            return self.epochs.acknowledged();
        }
        self.flight = Some(self.send(world, me, put));
        self.joined.clear();
    }

    fn send(&mut self, world: &mut World, me: usize, put: Put) -> Flight {
        let records = if put.records.is_some() { self.joined.as_slice() } else { &[] };
        for event in records.iter().flat_map(|record| record.data.iter()) {
            *world.truth.put_by.entry(event.id).or_default() |= 1 << self.version;
        }
        let messages = summary(world, records, self.version).messages(&self.header(world, &put));
        // Versions that disagree on zones do not make the same messages of an epoch.
        let fits = largest_bytes(&messages) <= world.message_bytes_max || world.scene == Scene::Versions;
        assert!(records.len() <= 1 || fits, "a message is larger than a record may be");
        world.tickets += 1;
        let ticket = world.tickets;
        let mut flight = Flight { ticket, put, messages: Vec::new(), resend_at: world.now + CALL_LIMIT };
        for message in &messages {
            let mut bytes = message.encode();
            bytes[0] += self.version;
            let bytes = Rc::new(bytes);
            world.send(me, ticket, message.group, &bytes, message.header.is_mark());
            flight.messages.push(Some(bytes));
        }
        flight
    }

    fn header(&self, world: &World, put: &Put) -> Header {
        let shard = &world.source.shards[self.shard];
        let convert =
            |place: &Option<lease::SequenceNumber>| place.as_ref().and_then(|at| Sequence::parse(at.as_str()));
        Header {
            constants: world.settings.constants,
            shard: shard.id.as_str().into(),
            hash_range: shard.range.start..=shard.range.end,
            parents: shard.parents.iter().map(|parent| world.source.shards[*parent].id.as_str().into()).collect(),
            after: convert(&put.after),
            through: convert(&put.through),
            time_ms: put.time_ms,
            hole_ms: put.hole_ms,
            end: put.end,
        }
    }

    /// What was refused or not answered is put again until every key group has it.
    fn resend(&mut self, world: &mut World, me: usize) {
        let Some(flight) = self.flight.as_mut().filter(|flight| flight.resend_at <= world.now) else { return };
        flight.resend_at = world.now + CALL_LIMIT;
        for (group, bytes) in flight.messages.iter().enumerate() {
            if let Some(bytes) = bytes {
                world.send(me, flight.ticket, group as u16, bytes, false);
            }
        }
    }

    /// A key group has, or has refused, what was put under this ticket.
    pub fn put_answered(&mut self, ticket: u64, group: u16, landed: bool, now: u64) {
        let flights = [self.flight.as_mut(), self.mark.as_mut()];
        for flight in flights.into_iter().flatten().filter(|flight| flight.ticket == ticket) {
            if landed {
                flight.messages[usize::from(group)] = None;
            } else {
                flight.resend_at = now;
            }
        }
    }

    fn commit_end(&mut self, world: &mut World, me: usize) {
        let children = world.source.children(self.shard);
        let children = children.into_iter().map(|child| world.source.shards[child].id.clone()).collect();
        let commit = Commit { checkpoint: Checkpoint::ShardEnd, children, ..self.epochs.release(Then::Release) };
        self.write(world, me, commit);
    }

    fn write(&mut self, world: &mut World, me: usize, commit: Commit) {
        self.writing = Some(world.write(Stage::Observe, me, &self.row, commit));
    }

    pub fn write_answered(&mut self, ticket: u64, effective: bool) {
        if let Some(writing) = &mut self.writing {
            writing.answered(ticket, effective);
        }
    }

    fn await_write(&mut self, world: &mut World, me: usize) -> After {
        if self.writing.as_ref().expect("a write is awaited").is_under_way(world.now) {
            return After::GoesOn;
        }
        // Whatever the answer was: what the row says is believed.
        let row = world.tables[Stage::Observe as usize].get(&self.row.key).cloned();
        let owner = self.row.owner.clone();
        let row = row.filter(|row| row.counter >= self.row.counter);
        let Some(row) = row else { return After::Stops };
        if row.counter == self.row.counter {
            let writing = self.writing.take().expect("a write is awaited");
            // It may still land. The same again, or another cut: the row will say which it was.
            if world.chance.percent(50) {
                self.write(world, me, writing.commit);
            } else {
                self.begin(world);
            }
            return After::GoesOn;
        }
        let ends = self.writing.take().is_some_and(|writing| writing.commit.then != Then::Keep);
        if row.owner != owner || ends {
            return After::Stops;
        }
        self.row = row;
        if !self.epochs.committed(&self.row) {
            self.begin(world);
        } else if self.flight.is_none() && self.row.pending.is_some() {
            self.put_named(world, me);
        }
        After::GoesOn
    }
}

fn summary(world: &World, records: &[Source], version: u8) -> Summary<Ids> {
    let mut summary = Summary::<Ids>::new(world.settings.constants);
    for record in records {
        for event in record.data.iter() {
            if let Some(pane) = summary.pane(&event.zone(version), event.time_ms, record.arrival_ms) {
                pane.0.push(event.id);
                pane.0.sort_unstable();
            }
        }
    }
    summary
}

impl World {
    /// Puts a message.
    fn send(&mut self, owner: usize, ticket: u64, group: u16, bytes: &Rc<Vec<u8>>, is_mark: bool) {
        let answer = |landed| Happening::PutAnswer { owner, ticket, group, landed };
        let late = |effect: u64| if is_mark { effect.min(MARK_LATE_MAX) } else { effect };
        match self.weather.fate(&mut self.chance) {
            Fate::Throttled { answer: after } => self.at(self.now + after, answer(false)),
            Fate::Lost => {}
            Fate::Served { effect, answer: answered } => {
                self.at(self.now + late(effect), Happening::Put { group, bytes: bytes.clone() });
                if let Some(after) = answered.filter(|after| *after < CALL_LIMIT) {
                    self.at(self.now + after, answer(true));
                }
            }
        }
        if self.chance.percent(self.doubled) {
            let again = late(self.chance.between(1, 15_000));
            self.at(self.now + again, Happening::Put { group, bytes: bytes.clone() });
        }
    }

    /// A message lands.
    pub(super) fn put_lands(&mut self, group: u16, bytes: &Rc<Vec<u8>>) {
        let early = if self.chance.percent(self.swapped) { self.chance.between(0, 900) } else { 0 };
        let back = self.chance.between(0, 300);
        let key = hash_key(group, self.settings.constants.groups);
        self.rollup.put(self.now, DAY, key, early, back, bytes.clone());
    }

    /// A message of the rollup stream, as a task of this version reads it. What the next version writes is this one's with
    /// another first byte, which it reads back.
    pub(super) fn read_message(bytes: &[u8], version: u8) -> Result<Message<Ids>, Unreadable> {
        let mut bytes = bytes.to_vec();
        bytes[0] -= version.min(bytes[0] - VERSION);
        Message::decode(&bytes)
    }
}
