//! A stream of records whose shards split and merge, and lose what is old.

use crate::chance::Chance;
use lease::{HashRange, SequenceNumber, ShardId};
use std::rc::Rc;

#[derive(Debug)]
pub struct Stream<T> {
    pub shards: Vec<Shard<T>>,
    /// A reader sees a record so long after it has landed. Until then its place among others is open.
    settle_ms: u64,
    next: u64,
}

#[derive(Debug)]
pub struct Shard<T> {
    pub id: ShardId,
    pub parents: Vec<usize>,
    pub range: HashRange,
    /// In the order of their sequence numbers.
    pub records: Vec<Record<T>>,
    pub closed_at: Option<u64>,
    /// So many of the first are gone.
    pub trimmed: usize,
}

#[derive(Debug)]
pub struct Record<T> {
    pub sequence: u64,
    pub arrival_ms: i64,
    landed: u64,
    pub data: Rc<T>,
}

impl<T> Clone for Record<T> {
    fn clone(&self) -> Self {
        Self { data: self.data.clone(), ..*self }
    }
}

/// What a read brought.
#[derive(Debug)]
pub struct Read<T> {
    pub records: Vec<Record<T>>,
    /// Nothing follows at the moment.
    pub is_tip: bool,
    /// Nothing will ever follow.
    pub is_end: bool,
}

pub fn number(number: u64) -> SequenceNumber {
    SequenceNumber::parse(&number.to_string()).expect("a number is digits")
}

pub fn place(sequence: &SequenceNumber) -> u64 {
    sequence.as_str().parse().expect("the stream's numbers are small")
}

impl<T> Stream<T> {
    pub fn new(shards: u64, settle_ms: u64) -> Self {
        let mut stream = Self { shards: Vec::new(), settle_ms, next: 0 };
        for hash_range in HashRange::equal_parts(shards as usize) {
            stream.open(Vec::new(), hash_range);
        }
        stream
    }

    fn open(&mut self, parents: Vec<usize>, range: HashRange) {
        let id = ShardId::new(&format!("shard-{:03}", self.shards.len()));
        self.shards.push(Shard { id, parents, range, records: Vec::new(), closed_at: None, trimmed: 0 });
    }

    pub fn open_shards(&self) -> Vec<usize> {
        (0..self.shards.len()).filter(|shard| self.shards[*shard].closed_at.is_none()).collect()
    }

    pub fn children(&self, parent: usize) -> Vec<usize> {
        (0..self.shards.len()).filter(|shard| self.shards[*shard].parents.contains(&parent)).collect()
    }

    /// A record lands. `early` moves its place ahead of others that have just landed, and `back` makes its stamp earlier.
    pub fn put(&mut self, now: u64, day: u64, hash_key: u128, early: u64, back: u64, data: Rc<T>) {
        let open = self.open_shards();
        let holds = |shard: &&usize| {
            let HashRange { start, end } = self.shards[**shard].range;
            (start..=end).contains(&hash_key)
        };
        let shard = *open.iter().find(holds).expect("open shards cover the space");
        self.next += 1;
        let sequence = (now.saturating_sub(early) << 20) + self.next % (1 << 20);
        let arrival_ms = (day + now.saturating_sub(early + back)) as i64;
        let records = &mut self.shards[shard].records;
        let at = records.partition_point(|record| record.sequence < sequence);
        records.insert(at, Record { sequence, arrival_ms, landed: now, data });
    }

    /// Up to `max` records behind `after`.
    pub fn read(&self, shard: usize, after: u64, now: u64, max: usize) -> Read<T> {
        let shard = &self.shards[shard];
        let settled = |landed: u64| landed + self.settle_ms <= now;
        let from = shard.records.partition_point(|record| record.sequence <= after).max(shard.trimmed);
        let there = shard.records[from..].iter().take_while(|record| settled(record.landed));
        let records: Vec<Record<T>> = there.take(max).cloned().collect();
        let is_tip = from + records.len() == shard.records.len();
        let is_end = is_tip && shard.closed_at.is_some_and(settled);
        Read { records, is_tip: is_tip && !is_end, is_end }
    }

    /// What landed before `landed` is gone.
    pub fn trim(&mut self, landed: u64) {
        for shard in &mut self.shards {
            let gone = shard.records.iter().position(|record| record.landed >= landed).unwrap_or(shard.records.len());
            shard.trimmed = shard.trimmed.max(gone);
        }
    }

    /// All that has come to a shard is gone.
    pub fn trim_shard(&mut self, shard: usize) {
        self.shards[shard].trimmed = self.shards[shard].records.len();
    }

    /// Splits an open shard, or merges two neighbours.
    pub fn reshard(&mut self, chance: &mut Chance, now: u64) {
        let open = self.open_shards();
        let one = open[chance.between(0, open.len() as u64) as usize];
        let range = self.shards[one].range;
        let next_to = |other: &&usize| range.end.checked_add(1) == Some(self.shards[**other].range.start);
        match open.iter().find(next_to).copied() {
            Some(other) if chance.percent(50) => {
                let end = self.shards[other].range.end;
                self.close(one, now);
                self.close(other, now);
                self.open(vec![one, other], HashRange { start: range.start, end });
            }
            _ => self.split(one, now),
        }
    }

    pub fn split(&mut self, shard: usize, now: u64) {
        let HashRange { start, end } = self.shards[shard].range;
        let middle = start + (end - start) / 2;
        self.close(shard, now);
        self.open(vec![shard], HashRange { start, end: middle });
        self.open(vec![shard], HashRange { start: middle + 1, end });
    }

    fn close(&mut self, shard: usize, now: u64) {
        self.shards[shard].closed_at = Some(now);
    }
}
