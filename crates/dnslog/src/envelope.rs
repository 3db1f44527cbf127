//! CloudWatch's subscription envelope: its fields, then its log events.
//!
//! Fields may come in any order; CloudWatch writes `logEvents` last, and then one pass does. A document that turns out
//! to be no envelope is one log event or one log record. Damage inside the events costs the events it touches: reading
//! goes on at the next text that only the start of an event can be.

mod element;
mod header;
mod value;

use crate::scan::{Look, Portable, Work};
use crate::session::{Event, Session, Text};
use crate::{Reason, Visit};
use header::{Header, Kind};
use memchr::memmem;
use std::ops::Range;

/// What a log event begins with as CloudWatch writes it. Inside a JSON string the quotes would be escaped.
const EVENT_START: &[u8] = b"{\"id\":\"";
/// What an envelope begins with.
const ENVELOPE_START: &[u8] = b"{\"messageType\":";

/// Reads the JSON document that begins at `at` and returns where the next one may begin.
pub(crate) fn read<V: Visit>(session: &mut Session<'_, V>, text: &Text<'_>, at: usize) -> usize {
    let header = Header::read(session, text, at);
    let source = header.source();
    match (header.kind(), header.end) {
        (Kind::Data(events), _) => {
            let processor = session.lines.scanner.processor();
            let end = processor.run(Events { session, text, header: &header, start: at, first: events });
            if session.is_over { text.bytes.len() } else { end }
        }
        (_, None) => {
            let end = if session.patience_bytes == 0 { text.bytes.len() } else { limit(text, at) };
            if session.has_room(&source, text, at) {
                session.reject_damage(&source, text, at..end);
            }
            end
        }
        (Kind::Control, Some(end)) => {
            session.control(&source);
            end
        }
        (Kind::Wrong(reason), Some(end)) => {
            session.reject(&source, text, reason, at..end);
            end
        }
        (Kind::Event, Some(end)) => {
            if session.has_room(&source, text, at) {
                element::read(Portable, session, text, &source, at);
            }
            end
        }
        (Kind::Record, Some(end)) => {
            if session.has_room(&source, text, at) {
                read_record(session, text, at..end);
            }
            end
        }
    }
}

/// A log record without anything around it.
fn read_record<V: Visit>(session: &mut Session<'_, V>, text: &Text<'_>, place: Range<usize>) {
    let source = crate::Source::default();
    let event = |message| Event { place: place.clone(), id: "", message, extracted_fields: "" };
    match text.slice(place.clone()) {
        Some(record) => session.event(&source, text, &event(record)),
        None => session.reject_event(&source, text, &event(""), Reason::BadUtf8),
    }
}

/// The events of an envelope that begins at `start`, the first of them at `first` or later.
struct Events<'w, 's, 't, V> {
    session: &'w mut Session<'s, V>,
    text: &'w Text<'t>,
    header: &'w Header<'t>,
    start: usize,
    first: usize,
}

impl<V: Visit> Work for Events<'_, '_, '_, V> {
    type Done = usize;

    #[inline(always)]
    fn by(self, look: impl Look) -> usize {
        read_events(look, self)
    }
}

/// Reads the events and what follows them in the envelope.
#[inline(always)]
fn read_events<V: Visit>(look: impl Look, events: Events<'_, '_, '_, V>) -> usize {
    let Events { session, text, header, start, first } = events;
    let source = header.source();
    let mut at = text.skip_space(first);
    let mut end_max = None;
    if text.byte(at) == b']' {
        at += 1;
    } else {
        loop {
            if !session.has_room(&source, text, at) {
                return text.bytes.len();
            }
            let next = element::read(look, session, text, &source, at).map(|end| text.skip_space(end));
            match next.map(|end| (end, text.byte(end))) {
                Some((end, b',')) => at = text.skip_space(end + 1),
                Some((end, b']')) => {
                    at = end + 1;
                    break;
                }
                // Either this event breaks the grammar, or what follows it does.
                broken => {
                    let damage = broken.map_or(at, |(end, _)| end);
                    let end_max = *end_max.get_or_insert_with(|| limit(text, start).max(damage));
                    let next = next_event(session, text, damage, end_max);
                    session.reject_damage(&source, text, damage..next.unwrap_or(end_max));
                    match next {
                        Some(next) => at = next,
                        None => return end_max,
                    }
                }
            }
        }
    }
    match header::skip_rest(session, text, at) {
        Some(end) => end,
        None => {
            let end = limit(text, at - 1).max(at);
            session.reject_damage(&source, text, at..end);
            end
        }
    }
}

/// Where the next event begins after damage, within the document.
fn next_event<V>(session: &Session<'_, V>, text: &Text<'_>, damage: usize, end_max: usize) -> Option<usize> {
    if session.patience_bytes == 0 {
        return None;
    }
    let rest = text.bytes.get(damage + 1..end_max)?;
    memmem::find(rest, EVENT_START).map(|found| damage + 1 + found)
}

/// Where a document that begins at `start` and is damaged ends at the latest: where another begins, at the start of a
/// line or right after it.
fn limit(text: &Text<'_>, start: usize) -> usize {
    let from = (start + 1).min(text.bytes.len());
    let rest = &text.bytes[from..];
    let is_start = |&newline: &usize| matches!(rest.get(newline + 1), Some(b'{' | b'0'..=b'9'));
    let line = memchr::memchr_iter(b'\n', rest).find(is_start).unwrap_or(rest.len());
    from + memmem::find(&rest[..line], ENVELOPE_START).unwrap_or(line)
}
