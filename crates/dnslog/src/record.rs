//! A Kinesis record's bytes to log events, within caps.

use crate::inflate::{Inflater, KEPT_BYTES_MAX};
use crate::line::LineParser;
use crate::scan::Scanner;
use crate::session::{Path, Session, Text};
use crate::{BytesForm, Reason, Source, Visit, aggregate, document};

/// What one record may cost. A record over a cap gives rejects for what is lost and keeps what came before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a record's inflated form, all members together.
    pub inflated_bytes_max: usize,
    /// Log events of a record.
    pub events_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { inflated_bytes_max: 64 << 20, events_max: 200_000 }
    }
}

/// What decoding one record came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Decoded {
    /// Sound queries handed over.
    pub queries: u64,
    /// Rejects handed over.
    pub rejects: u64,
    /// Control messages.
    pub controls: u64,
    /// Bytes after inflating.
    pub inflated_bytes: u64,
}

/// Turns records into queries. One a task: its buffer is reused, and nothing is allocated for a query of a public
/// hosted zone.
///
/// What it accepts is recognised by content, never by a name or a setting:
///
/// - gzip of anything below, in one or several members, with zeros after the last;
/// - records aggregated by the Kinesis Producer Library, each part recognised by itself;
/// - CloudWatch Logs subscription envelopes, `DATA_MESSAGE` and `CONTROL_MESSAGE`, with fields in any order, one or
///   several after each other, on lines of their own or not;
/// - single log events, as the `logEvents` of an envelope hold them (rejects are kept in this form);
/// - lines, ended by LF or CRLF, empty ones skipped: query-log lines of public hosted zones, the same with the time
///   that a CloudWatch export puts before each, and JSON as below.
///
/// A log event's message, or a line, is one of
///
/// - a public hosted zone's query-log line, version 1.x, with any further fields;
/// - the same as JSON by CloudWatch's `parseRoute53` processor;
/// - a VPC Resolver query log, JSON, version 1.x;
/// - a Global Resolver log, OCSF DNS Activity (class 4003) as JSON.
///
/// A byte order mark and white space around JSON are passed over.
pub struct Decoder {
    limits: Limits,
    path: Path,
    inflater: Inflater,
    lines: LineParser,
    scratch: String,
}

impl Decoder {
    /// A decoder with these caps.
    pub fn new(limits: Limits) -> Self {
        Self::by(limits, Path::Fast, Scanner::new())
    }

    /// A decoder that uses no instructions which only some processors have. It hands over the same as [`Decoder::new`]
    /// on any input, slower: tests compare the two.
    pub fn portable(limits: Limits) -> Self {
        Self::by(limits, Path::Fast, Scanner::portable())
    }

    /// A decoder that reads every envelope by the library. It too hands over the same on any input.
    pub fn checked(limits: Limits) -> Self {
        Self::by(limits, Path::Checked, Scanner::portable())
    }

    fn by(limits: Limits, path: Path, scanner: Scanner) -> Self {
        let lines = LineParser::new(scanner);
        Self { limits, path, inflater: Inflater::new(), lines, scratch: String::new() }
    }

    /// Decodes one record. It cannot fail: what is lost is handed over as rejects, after what is sound.
    pub fn decode(&mut self, data: &[u8], visit: &mut impl Visit) -> Decoded {
        let mut session = Session::new(self.limits, self.path, &mut self.lines, &mut self.scratch, visit);
        let whole = Text::new(data, BytesForm::Raw, 0);
        if data.is_empty() {
            session.reject(&Source::default(), &whole, Reason::Empty, 0..0);
        } else if data.starts_with(&aggregate::MAGIC) {
            decode_aggregate(&mut session, &mut self.inflater, &whole);
        } else {
            decode_part(&mut session, &mut self.inflater, &whole);
        }
        let decoded = session.decoded;
        self.inflater.give_back();
        if self.scratch.capacity() > KEPT_BYTES_MAX {
            self.scratch = String::new();
        }
        decoded
    }
}

fn decode_aggregate<V: Visit>(session: &mut Session<'_, V>, inflater: &mut Inflater, whole: &Text<'_>) {
    let record = whole.bytes;
    let Some(message) = aggregate::message(record) else {
        return session.reject(&Source::default(), whole, Reason::CorruptAggregate, 0..record.len());
    };
    let end = message.end;
    for part in aggregate::parts(record, message) {
        match part {
            // What is left of a record over its cap is one reject.
            Ok(place) if session.is_over => {
                return session.reject(&Source::default(), whole, Reason::TooManyEvents, place.start..end);
            }
            Ok(place) => {
                let base = place.start;
                decode_part(session, inflater, &Text::new(&record[place], BytesForm::Raw, base));
            }
            Err(offset) => session.reject(&Source::default(), whole, Reason::CorruptAggregate, offset..end),
        }
    }
}

/// Decodes what is not an aggregate: gzip or text.
fn decode_part<V: Visit>(session: &mut Session<'_, V>, inflater: &mut Inflater, part: &Text<'_>) {
    if !part.bytes.starts_with(&crate::inflate::MAGIC[..2]) {
        session.decoded.inflated_bytes += part.bytes.len() as u64;
        return document::read(session, part);
    }
    let room = session.limits.inflated_bytes_max.saturating_sub(session.decoded.inflated_bytes as usize);
    let inflated = inflater.inflate(part.bytes, room);
    session.decoded.inflated_bytes += inflated.bytes.len() as u64;
    document::read(session, &Text::new(inflated.bytes, BytesForm::Inflated, 0));
    if let Some(loss) = inflated.loss {
        session.reject(&Source::default(), part, loss.reason, loss.offset..part.bytes.len());
    }
}
