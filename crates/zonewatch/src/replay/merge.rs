//! Several inputs as one stream: the one whose next record begins at the lowest event time is read first.

use super::first_time::FirstTime;
use super::input::{Arrival, Input, Item};
use std::io;
use std::sync::Arc;

/// Reading an input failed.
#[derive(Debug)]
pub struct ReadError {
    /// Which.
    pub input: Arc<str>,
    /// How far it was read.
    pub offset: u64,
    /// Why.
    pub error: io::Error,
}

/// All inputs, in order of event time.
pub struct Merge {
    inputs: Vec<Pending>,
    first_time: FirstTime,
    /// Whether anybody asks where a record begins; of one input alone there is nothing to decide.
    timed: bool,
}

/// The next record.
pub struct Next {
    /// The place of its input.
    pub input: usize,
    /// Where it begins, if that can be told; no record to come begins before.
    pub time_ms: Option<i64>,
    /// The record.
    pub item: Item,
}

struct Pending {
    input: Input,
    state: State,
    /// Where its next record begins; what can't be told begins where the one before began.
    time_ms: i64,
    /// Its latest event time so far: when a record without a noted arrival arrives. A record may be hours of a quiet input, so
    /// the others' times say nothing about when this one's arrive.
    running_max_ms: i64,
}

enum State {
    NotRead,
    Next(Box<Item>),
    Ended,
}

impl Merge {
    /// The inputs in the order they were given, which decides between equals.
    pub fn new(inputs: Vec<Input>) -> Self {
        let timed = inputs.len() > 1;
        let pending = |input| Pending { input, state: State::NotRead, time_ms: i64::MIN, running_max_ms: 0 };
        Self { inputs: inputs.into_iter().map(pending).collect(), first_time: FirstTime::new(), timed }
    }

    /// The same, and records' beginnings are told even of one input.
    pub fn timed(inputs: Vec<Input>) -> Self {
        Self { timed: true, ..Self::new(inputs) }
    }

    /// The next record; `None` at the end of all.
    pub fn next(&mut self) -> Result<Option<Next>, ReadError> {
        for pending in &mut self.inputs {
            pending.look(if self.timed { Some(&mut self.first_time) } else { None })?;
        }
        let waiting = self.inputs.iter().enumerate().filter(|(_, pending)| matches!(pending.state, State::Next(_)));
        let Some((at, _)) = waiting.min_by_key(|(_, pending)| pending.time_ms) else { return Ok(None) };
        let pending = &mut self.inputs[at];
        let State::Next(mut item) = std::mem::replace(&mut pending.state, State::NotRead) else {
            unreachable!("only inputs with a next record were compared");
        };
        if item.arrival == Arrival::Unknown {
            item.record.arrival_ms = pending.running_max_ms;
        }
        let time_ms = Some(pending.time_ms).filter(|time_ms| *time_ms > i64::MIN);
        Ok(Some(Next { input: at, time_ms, item: *item }))
    }

    /// Event times of this input have come to `ms`.
    pub fn raise(&mut self, input: usize, ms: i64) {
        let running_max_ms = &mut self.inputs[input].running_max_ms;
        *running_max_ms = ms.max(*running_max_ms);
    }

    /// Bytes read of all inputs.
    pub fn bytes(&self) -> u64 {
        self.inputs.iter().map(|pending| pending.input.bytes()).sum()
    }

    /// Bytes of all inputs, if every one's size is known.
    pub fn size(&self) -> Option<u64> {
        self.inputs.iter().map(|pending| pending.input.size()).sum()
    }

    /// The inputs, as they were given.
    pub fn inputs(&self) -> impl Iterator<Item = &Input> {
        self.inputs.iter().map(|pending| &pending.input)
    }
}

impl Pending {
    fn look(&mut self, first_time: Option<&mut FirstTime>) -> Result<(), ReadError> {
        if !matches!(self.state, State::NotRead) {
            return Ok(());
        }
        let next = self.input.next().map_err(|error| ReadError {
            input: self.input.name().clone(),
            offset: self.input.bytes(),
            error,
        })?;
        self.state = match next {
            None => State::Ended,
            Some(item) => {
                let time_ms = first_time.filter(|_| item.fault.is_none()).and_then(|time| time.of(&item.record.data));
                self.time_ms = time_ms.unwrap_or(self.time_ms);
                State::Next(Box::new(item))
            }
        };
        Ok(())
    }
}
