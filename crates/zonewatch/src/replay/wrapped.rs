//! Records that were written down as JSON, a line each: captures of a Kinesis stream, and quarantines.

use super::frame::{PIECE_BYTES_MAX, Piece};
use super::input::{Arrival, Item};
use crate::config::rfc3339_ms;
use crate::quarantine::Line;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use cloud::Record;
use dnslog::Reason;
use lease::SequenceNumber;
use serde::Deserialize;
use std::borrow::Cow;
use std::sync::Arc;

/// What a line gave.
pub enum Wrapped {
    /// A record.
    Item(Item),
    /// A line that is not what the others are.
    Bad(Piece),
    /// Nothing yet.
    More,
    /// Nothing any more.
    End,
}

/// Takes lines one by one and makes records of them.
#[derive(Default)]
pub struct Wrapping {
    /// The shard of the last record: most records are of the same one.
    shard: Option<Arc<str>>,
    /// The parts so far of a reject that was too large for one line.
    joining: Option<Joining>,
    /// A line that ended a reject whose last parts are missing.
    waiting: Option<Piece>,
}

struct Joining {
    line: Line<'static>,
    bytes: Vec<u8>,
}

/// A captured Kinesis record.
#[derive(Deserialize)]
struct Captured<'a> {
    #[serde(borrow, default)]
    shard: Cow<'a, str>,
    #[serde(borrow)]
    sequence_number: Cow<'a, str>,
    arrival: Option<Time<'a>>,
    #[serde(borrow)]
    data: Cow<'a, str>,
}

/// A time as captures write it: milliseconds, seconds with a fraction as the AWS command line does, or RFC 3339.
#[derive(Deserialize)]
#[serde(untagged)]
enum Time<'a> {
    Number(f64),
    #[serde(borrow)]
    Text(Cow<'a, str>),
}

impl Time<'_> {
    fn ms(&self) -> Option<i64> {
        match self {
            // No arrival is before 1973 in milliseconds or after the year 5138 in seconds.
            Self::Number(number) if *number >= 1e11 => Some(*number as i64),
            Self::Number(number) => (*number > 0.0).then(|| (number * 1000.0).round() as i64),
            Self::Text(text) => rfc3339_ms(text),
        }
    }
}

impl Wrapping {
    /// A line of a capture.
    pub fn captured(&mut self, piece: Piece) -> Wrapped {
        if piece.bytes.trim_ascii().is_empty() {
            return Wrapped::More;
        }
        let parsed = serde_json::from_slice::<Captured<'_>>(&piece.bytes).ok().and_then(|captured| {
            let sequence = SequenceNumber::parse(&captured.sequence_number)?;
            let data = BASE64.decode(captured.data.as_bytes()).ok()?;
            let arrival_ms = captured.arrival.as_ref().and_then(Time::ms);
            Some(self.item(&captured.shard, sequence, arrival_ms, data))
        });
        parsed.map_or_else(|| bad(piece), Wrapped::Item)
    }

    /// A line of a quarantine.
    pub fn quarantined(&mut self, piece: Piece) -> Wrapped {
        let Ok(line) = serde_json::from_slice::<Line<'_>>(&piece.bytes) else {
            return if piece.bytes.trim_ascii().is_empty() { Wrapped::More } else { bad(piece) };
        };
        if SequenceNumber::parse(&line.sequence_number).is_none() {
            return bad(piece);
        }
        if let Some(joining) = &self.joining
            && !joining.takes(&line)
        {
            // The rest is missing. What is there is decoded as it is, and this line is looked at again.
            drop(line);
            self.waiting = Some(piece);
            return self.joined();
        }
        if line.parts <= 1 {
            return self.unwrap(line).map_or_else(|| bad(piece), Wrapped::Item);
        }
        let (part, parts) = (line.part, line.parts);
        let Ok(bytes) = BASE64.decode(line.data.as_bytes()) else { return bad(piece) };
        match &mut self.joining {
            Some(joining) => {
                joining.line.part = part;
                joining.bytes.extend_from_slice(&bytes);
            }
            None => self.joining = Some(Joining { line: owned(&line), bytes }),
        }
        if part.checked_add(1) == Some(parts) { self.joined() } else { Wrapped::More }
    }

    /// After the last line.
    pub fn end(&mut self) -> Wrapped {
        if self.joining.is_some() { self.joined() } else { Wrapped::End }
    }

    /// A line that has to be taken before the next is read.
    pub fn take_waiting(&mut self) -> Option<Piece> {
        self.waiting.take()
    }

    fn joined(&mut self) -> Wrapped {
        let Some(Joining { mut line, bytes }) = self.joining.take() else { return Wrapped::More };
        line.data = BASE64.encode(bytes).into();
        line.parts = 1;
        self.unwrap(line).map_or(Wrapped::More, Wrapped::Item)
    }

    fn unwrap(&mut self, line: Line<'_>) -> Option<Item> {
        let sequence = SequenceNumber::parse(&line.sequence_number)?;
        let arrival_ms = (line.arrival > 0).then_some(line.arrival);
        // An event without an id is told apart by its place; here that is where in its record it stood.
        let shard = if line.event_id.is_empty() {
            Cow::Owned(format!("{}@{}", line.shard, line.offset))
        } else {
            Cow::Owned(line.shard.to_string())
        };
        let data = line.into_record().ok()?;
        Some(self.item(&shard, sequence, arrival_ms, data))
    }

    fn item(&mut self, shard: &str, sequence: SequenceNumber, arrival_ms: Option<i64>, data: Vec<u8>) -> Item {
        let shard = match &self.shard {
            Some(last) if **last == *shard => last.clone(),
            _ => self.shard.insert(shard.into()).clone(),
        };
        Item {
            shard,
            record: Record { sequence, arrival_ms: arrival_ms.unwrap_or(0), data: data.into() },
            arrival: if arrival_ms.is_some() { Arrival::Noted } else { Arrival::Unknown },
            fault: None,
        }
    }
}

impl Joining {
    fn takes(&self, next: &Line<'_>) -> bool {
        let mine = &self.line;
        (&mine.shard, &mine.sequence_number, mine.event_index, mine.parts, mine.part.checked_add(1))
            == (&next.shard, &next.sequence_number, next.event_index, next.parts, Some(next.part))
            && self.bytes.len() <= PIECE_BYTES_MAX
    }
}

fn bad(piece: Piece) -> Wrapped {
    Wrapped::Bad(Piece { fault: Some(Reason::BadJson), ..piece })
}

fn owned(line: &Line<'_>) -> Line<'static> {
    let own = |text: &Cow<'_, str>| Cow::Owned(text.to_string());
    Line {
        reason: own(&line.reason),
        shard: own(&line.shard),
        sequence_number: own(&line.sequence_number),
        event_id: own(&line.event_id),
        owner: own(&line.owner),
        log_group: own(&line.log_group),
        log_stream: own(&line.log_stream),
        form: own(&line.form),
        withheld_bytes: None,
        data: Cow::Borrowed(""),
        arrival: line.arrival,
        event_index: line.event_index,
        offset: line.offset,
        part: line.part,
        parts: line.parts,
    }
}
