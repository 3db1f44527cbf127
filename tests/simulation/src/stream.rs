//! A stream of numbered records whose shards split and merge.

use crate::chance::Chance;
use lease::{HashRange, SequenceNumber, Shard, ShardId};
use std::collections::BTreeMap;

#[derive(Debug)]
pub struct Stream {
    pub shards: BTreeMap<ShardId, Records>,
    next_sequence: u64,
}

/// A shard and its records: sequence number and arrival, milliseconds.
#[derive(Debug)]
pub struct Records {
    pub shard: Shard,
    pub records: Vec<(u64, u64)>,
}

pub fn sequence(number: u64) -> SequenceNumber {
    SequenceNumber::parse(&number.to_string()).expect("a number is digits")
}

impl Stream {
    pub fn new(shards: u64) -> Self {
        let mut stream = Self { shards: BTreeMap::new(), next_sequence: 1 };
        for hash_range in HashRange::equal_parts(shards as usize) {
            stream.open(Vec::new(), hash_range);
        }
        stream
    }

    fn open(&mut self, parents: Vec<ShardId>, hash_range: HashRange) {
        let id = ShardId::new(&format!("shardId-{:012}", self.shards.len()));
        let starts_at = Some(sequence(self.next_sequence));
        let shard = Shard { id: id.clone(), parents, hash_range, starts_at, ended_at: None };
        self.shards.insert(id, Records { shard, records: Vec::new() });
    }

    fn close(&mut self, id: &ShardId) {
        self.next_sequence += 1;
        let ended_at = Some(sequence(self.next_sequence));
        self.shards.get_mut(id).expect("the shard is there").shard.ended_at = ended_at;
    }

    pub fn is_open(&self, id: &ShardId) -> bool {
        self.shards[id].shard.ended_at.is_none()
    }

    pub fn open_shards(&self) -> Vec<ShardId> {
        self.shards.keys().filter(|id| self.is_open(id)).cloned().collect()
    }

    pub fn list(&self) -> Vec<Shard> {
        self.shards.values().map(|records| records.shard.clone()).collect()
    }

    pub fn children(&self, id: &ShardId) -> Vec<Shard> {
        let all = self.shards.values().map(|records| &records.shard);
        // As `ChildShards` tells them: nothing about their own end.
        all.filter(|shard| shard.parents.contains(id)).map(|shard| Shard { ended_at: None, ..shard.clone() }).collect()
    }

    pub fn put(&mut self, chance: &mut Chance, now_ms: u64) {
        let open = self.open_shards();
        let id = &open[chance.between(0, open.len() as u64) as usize];
        self.next_sequence += chance.between(0, 4);
        self.put_into(id, now_ms);
    }

    pub fn put_into(&mut self, id: &ShardId, now_ms: u64) {
        self.next_sequence += 1;
        let number = self.next_sequence;
        self.shards.get_mut(id).expect("it is there").records.push((number, now_ms));
    }

    /// Splits an open shard, or merges two neighbours.
    pub fn reshard(&mut self, chance: &mut Chance) {
        let open = self.open_shards();
        let id = open[chance.between(0, open.len() as u64) as usize].clone();
        let range = self.shards[&id].shard.hash_range;
        let neighbour = open.iter().find(|other| {
            let start = self.shards[*other].shard.hash_range.start;
            range.end.checked_add(1) == Some(start)
        });
        match neighbour.cloned() {
            Some(other) if chance.percent(50) => {
                let end = self.shards[&other].shard.hash_range.end;
                self.close(&id);
                self.close(&other);
                self.open(vec![id, other], HashRange { start: range.start, end });
            }
            _ if range.end - range.start > 1 => {
                let middle = range.start + (range.end - range.start) / 2;
                self.close(&id);
                self.open(vec![id.clone()], HashRange { start: range.start, end: middle });
                self.open(vec![id], HashRange { start: middle + 1, end: range.end });
            }
            _ => {}
        }
    }
}
