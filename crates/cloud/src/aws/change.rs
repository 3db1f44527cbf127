//! A conditional lease write as DynamoDB expressions.
//!
//! What each write does and when it may is defined by `lease::Write::apply`; the contract suite holds this translation to
//! it. Placeholders are the attributes' own names (`#leaseCounter`, `:leaseCounter`), so a logged expression reads well.

use super::row::{self, number, text};
use aws_sdk_dynamodb::types::AttributeValue;
use lease::{Checkpoint, Commit, Then, WorkerId};
use std::collections::HashMap;

/// An update expression, its condition, and what their placeholders stand for.
#[derive(Default)]
pub(super) struct Change {
    set: Vec<String>,
    add: Vec<String>,
    remove: Vec<String>,
    conditions: Vec<String>,
    pub(super) names: HashMap<String, String>,
    pub(super) values: HashMap<String, AttributeValue>,
}

impl Change {
    /// The lease becomes `owner`'s.
    pub(super) fn take(counter: u64, from: Option<&WorkerId>, owner: &WorkerId, start_ms: Option<i64>) -> Self {
        let mut change = Self::next(counter);
        change.set(row::OWNER, text(owner.as_str()));
        change.remove(row::CHECKPOINT_OWNER);
        if from.is_some_and(|from| from != owner) {
            let switches = change.name(row::OWNER_SWITCHES);
            let one = change.value("one", number(1));
            change.add.push(format!("{switches} {one}"));
        }
        if let Some(start_ms) = start_ms {
            let name = change.name(row::START);
            let value = change.value(row::START, number(start_ms));
            change.set.push(format!("{name} = if_not_exists({name}, {value})"));
        }
        change
    }

    /// The row is another shard's from now on: its reading begins at the oldest record.
    pub(super) fn begin_anew(&mut self) {
        self.position(&Checkpoint::TrimHorizon);
        [row::PENDING_FIRST, row::PENDING_LAST, row::CHILDREN, row::SNAPSHOT].iter().for_each(|name| self.remove(name));
    }

    /// Only the counter is raised, and not during a hand-over.
    pub(super) fn renew(counter: u64) -> Self {
        let mut change = Self::next(counter);
        let handing_over = change.name(row::CHECKPOINT_OWNER);
        change.conditions.push(format!("attribute_not_exists({handing_over})"));
        change
    }

    /// Progress, and perhaps the end of ownership.
    pub(super) fn commit(counter: u64, commit: &Commit) -> Self {
        let mut change = Self::next(counter);
        change.not_backwards(&commit.checkpoint);
        change.position(&commit.checkpoint);
        let switches = u8::from(matches!(commit.then, Then::HandTo(_)));
        change.set(row::OWNER_SWITCHES, number(switches));
        match &commit.pending {
            Some(epoch) => {
                change.set(row::PENDING_FIRST, text(epoch.first.as_str()));
                change.set(row::PENDING_LAST, text(epoch.last.as_str()));
            }
            None => [row::PENDING_FIRST, row::PENDING_LAST].iter().for_each(|name| change.remove(name)),
        }
        if let Some(read_until_ms) = commit.read_until_ms {
            change.set(row::READ_UNTIL, number(read_until_ms));
        }
        if let Some(children) = row::shard_set(&commit.children) {
            change.set(row::CHILDREN, children);
        }
        if let Some(load) = commit.load {
            change.set(row::THROUGHPUT, row::throughput(load));
            match load.cpu_micros_per_sec {
                Some(cpu) => change.set(row::CPU, number(cpu)),
                None => change.remove(row::CPU),
            }
        }
        if let Some(snapshot) = &commit.snapshot {
            change.set(row::SNAPSHOT, text(snapshot));
        }
        match &commit.then {
            Then::Keep => return change,
            Then::Release => change.remove(row::OWNER),
            Then::HandTo(next) => change.set(row::OWNER, text(next.as_str())),
        }
        change.remove(row::CHECKPOINT_OWNER);
        change
    }

    /// An operator's new position. `floor` is what the row's becomes, if it changes.
    pub(super) fn reset(counter: u64, to: &Checkpoint, start_ms: Option<i64>, floor: Option<&Checkpoint>) -> Self {
        let mut change = Self::next(counter);
        change.position(to);
        change.set(row::OWNER_SWITCHES, number(0));
        let void = [row::PENDING_FIRST, row::PENDING_LAST, row::OWNER, row::CHECKPOINT_OWNER, row::SNAPSHOT];
        void.iter().for_each(|name| change.remove(name));
        match start_ms {
            Some(start_ms) => change.set(row::START, number(start_ms)),
            None => change.remove(row::START),
        }
        if let Some(floor) = floor {
            let (floor, sub) = row::checkpoint(floor);
            change.set(row::FLOOR, floor);
            change.set(row::FLOOR_SUB, sub);
        }
        change
    }

    /// What every write but the first does: it needs the counter and raises it.
    fn next(counter: u64) -> Self {
        let mut change = Self::default();
        let name = change.name(row::COUNTER);
        let seen = change.value("seen", number(counter));
        change.conditions.push(format!("{name} = {seen}"));
        match counter.checked_add(1) {
            Some(raised) => change.set(row::COUNTER, number(raised)),
            // It cannot be raised, so nobody could own the row safely: a condition that contradicts the first.
            None => change.conditions.push(format!("attribute_not_exists({name})")),
        }
        change
    }

    /// The checkpoint, as KCL has it and as we do. KCL's own two-phase checkpoint is void then.
    fn position(&mut self, checkpoint: &Checkpoint) {
        let (position, sub) = row::checkpoint(checkpoint);
        self.set(row::CHECKPOINT, position.clone());
        self.set(row::CHECKPOINT_SUB, sub.clone());
        self.set(row::OWN_CHECKPOINT, position);
        self.set(row::OWN_CHECKPOINT_SUB, sub);
        row::KCL_PENDING.iter().for_each(|name| self.remove(name));
    }

    /// A checkpoint never goes back (`Checkpoint::is_behind`). Sequence numbers have no leading zeros, so the longer is
    /// the greater, and among equally long ones text order is number order.
    fn not_backwards(&mut self, to: &Checkpoint) {
        let below: &[&str] = match to {
            Checkpoint::ShardEnd => return,
            Checkpoint::AtTimestamp => &["AT_TIMESTAMP"],
            Checkpoint::TrimHorizon => &["AT_TIMESTAMP", "TRIM_HORIZON"],
            Checkpoint::Latest | Checkpoint::At { .. } => &["AT_TIMESTAMP", "TRIM_HORIZON", "LATEST"],
        };
        let name = self.name(row::CHECKPOINT);
        let below: Vec<_> = below.iter().map(|sentinel| self.value(sentinel, text(sentinel))).collect();
        let before = format!("{name} IN ({})", below.join(", "));
        let condition = match to {
            Checkpoint::At { sequence, .. } => {
                let end = self.value("SHARD_END", text("SHARD_END"));
                let length = self.value("length", number(sequence.as_str().len()));
                let new = self.value(row::CHECKPOINT, text(sequence.as_str()));
                format!(
                    "({before} OR ({name} <> {end} AND \
                     (size({name}) < {length} OR (size({name}) = {length} AND {name} <= {new}))))"
                )
            }
            _ => before,
        };
        self.conditions.push(condition);
    }

    fn name(&mut self, attribute: &str) -> String {
        let placeholder = format!("#{attribute}");
        self.names.insert(placeholder.clone(), attribute.to_owned());
        placeholder
    }

    fn value(&mut self, name: &str, value: AttributeValue) -> String {
        let placeholder = format!(":{name}");
        self.values.insert(placeholder.clone(), value);
        placeholder
    }

    fn set(&mut self, attribute: &str, value: AttributeValue) {
        let name = self.name(attribute);
        let value = self.value(attribute, value);
        self.set.push(format!("{name} = {value}"));
    }

    fn remove(&mut self, attribute: &str) {
        let name = self.name(attribute);
        self.remove.push(name);
    }

    /// The update expression.
    pub(super) fn update(&self) -> String {
        let clauses = [("SET", &self.set), ("ADD", &self.add), ("REMOVE", &self.remove)];
        let clauses = clauses.into_iter().filter(|(_, parts)| !parts.is_empty());
        clauses.map(|(word, parts)| format!("{word} {}", parts.join(", "))).collect::<Vec<_>>().join(" ")
    }

    /// The condition expression.
    pub(super) fn condition(&self) -> String {
        self.conditions.join(" AND ")
    }
}
