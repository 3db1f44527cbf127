//! One element of `logEvents`.

use super::{EVENT_START, value};
use crate::scan::{Ascii, Line, Look, Scanner};
use crate::session::{Event, MESSAGE_BYTES_MAX, Path, Session, Text};
use crate::{Reason, Source, Visit, json};
use serde::Deserialize;
use serde_json::value::RawValue;

/// Hands over the element that begins at `at` and returns its end; `None`, with nothing handed over, if it breaks
/// JSON's grammar.
#[inline(always)]
pub(super) fn read<V: Visit>(
    look: impl Look,
    session: &mut Session<'_, V>,
    text: &Text<'_>,
    source: &Source<'_>,
    at: usize,
) -> Option<usize> {
    if session.path == Path::Fast
        && let Some(end) = read_usual(look, session, text, source, at)
    {
        return Some(end);
    }
    read_any(session, text, source, at)
}

/// An element just as CloudWatch writes it: `{"id":"…","timestamp":…,"message":"…"}`, or with `extractedFields` after
/// the message. `None`, with nothing handed over, if it is anything else.
#[inline(always)]
fn read_usual<V: Visit>(
    look: impl Look,
    session: &mut Session<'_, V>,
    text: &Text<'_>,
    source: &Source<'_>,
    at: usize,
) -> Option<usize> {
    let bytes = text.bytes;
    let (id, start) = match usual_head(look, bytes, at) {
        Some(id) => (id, at + HEAD_BYTES),
        None => any_head(&session.lines.scanner, bytes, at)?,
    };
    let message = bytes.get(start..)?;
    if let Some(head) = session.lines.usual_head(message)
        && let Some(line) = Line::usual(look, message, head.spaces)
        && line.text().len() <= MESSAGE_BYTES_MAX
        && !line.text().as_bytes().ends_with(b" ")
    {
        let message_end = start + line.text().len();
        let behind = bytes.get(message_end..)?;
        if behind.starts_with(b"\"") {
            let (extracted_fields, end) = match behind.get(1) {
                Some(b'}') => ("", message_end + 2),
                _ => extracted_fields(&session.lines.scanner, text, message_end)?,
            };
            let event = Event { place: at..end, id: id.text(), message: line.text(), extracted_fields };
            session.scanned_line(look, source, text, &event, line, head);
            return Some(end);
        }
    }
    read_message(session, text, source, at, id.text(), start)
}

/// The event that begins at `at`, its message, which begins at `start`, of any kind.
#[cold]
#[inline(never)]
fn read_message<V: Visit>(
    session: &mut Session<'_, V>,
    text: &Text<'_>,
    source: &Source<'_>,
    at: usize,
    id: &str,
    start: usize,
) -> Option<usize> {
    let scanner = &session.lines.scanner;
    let plain = scanner.plain(text.bytes, start).text();
    let message_end = escaped_end(scanner, text.bytes, start + plain.len())?;
    let (extracted_fields, end) = extracted_fields(scanner, text, message_end)?;
    let event = |message| Event { place: at..end, id, message, extracted_fields };
    if message_end == start + plain.len() {
        session.event(source, text, &event(plain));
    } else {
        let message = text.slice(start..message_end)?;
        let mut scratch = std::mem::take(session.scratch);
        let unescaped = value::unescape(message, &mut scratch);
        if unescaped.is_some() {
            session.event(source, text, &event(&scratch));
        }
        *session.scratch = scratch;
        unescaped?;
    }
    Some(end)
}

/// Bytes of an event before its message, as CloudWatch writes them: its id has 56 digits, its time thirteen.
const HEAD_BYTES: usize = 102;

/// The id of an event whose message begins [`HEAD_BYTES`] after it. That everything has its place saves looking for it.
#[inline(always)]
fn usual_head<'t>(look: impl Look, bytes: &'t [u8], at: usize) -> Option<Ascii<'t>> {
    let head: &[u8; HEAD_BYTES] = bytes.get(at..)?.first_chunk()?;
    let id = Ascii::before_last(look, head.first_chunk()?, EVENT_START.len())?;
    let is_usual = head.starts_with(EVENT_START)
        && head[63..77] == *b"\",\"timestamp\":"
        && head[90..] == *b",\"message\":\""
        && head[77] != b'0'
        && are_digits(*head[77..].first_chunk()?)
        && are_digits(*head[82..].first_chunk()?);
    is_usual.then_some(id)
}

/// The id of an event, and where its message begins.
#[cold]
fn any_head<'t>(scanner: &Scanner, bytes: &'t [u8], at: usize) -> Option<(Ascii<'t>, usize)> {
    let id_start = after(bytes, at, EVENT_START.first_chunk::<7>()?)?;
    let id = scanner.plain(bytes, id_start);
    let time_start = after(bytes, id_start + id.text().len(), b"\",\"timestamp\":")?;
    let rest = bytes.get(time_start..)?;
    let digits = rest.iter().position(|byte| !byte.is_ascii_digit())?;
    let is_number = digits == 1 || digits > 1 && rest.first() != Some(&b'0');
    let start = after(bytes, time_start + digits, b",\"message\":\"")?;
    is_number.then_some((id, start))
}

/// The place after `expected` if that is what stands at `at`.
#[inline]
fn after<const N: usize>(bytes: &[u8], at: usize, expected: &[u8; N]) -> Option<usize> {
    let found = bytes.get(at..)?.first_chunk::<N>()?;
    (found == expected).then_some(at + N)
}

#[inline]
fn are_digits(bytes: [u8; 8]) -> bool {
    const HIGH_HALVES: u64 = 0xf0f0_f0f0_f0f0_f0f0;
    const ZEROS: u64 = 0x3030_3030_3030_3030;
    let word = u64::from_le_bytes(bytes);
    // Adding six carries a value over nine into the high half; one that was there already is seen without.
    word & HIGH_HALVES == ZEROS && word.wrapping_add(0x0606_0606_0606_0606) & HIGH_HALVES == ZEROS
}

/// The closing quote of a string, from its first byte on that is not plain. `None` if a control character comes first.
#[cold]
fn escaped_end(scanner: &Scanner, bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at),
            b'\\' => at += 2,
            0x80.. => at += 1,
            _ => return None,
        }
        at += scanner.plain(bytes, at).text().len();
    }
}

/// What follows a message whose closing quote is at `at`: its extracted fields, if any, and the end of the event.
#[cold]
fn extracted_fields<'t>(scanner: &Scanner, text: &Text<'t>, at: usize) -> Option<(&'t str, usize)> {
    if text.byte(at + 1) == b'}' {
        return Some(("", at + 2));
    }
    let start = after(text.bytes, at, b"\",\"extractedFields\":")?;
    let end = flat_object_end(scanner, text.bytes, start)?;
    Some((text.slice(start..end)?, after(text.bytes, end, b"}")?))
}

/// The end of an object all of whose values are strings without escapes, written without white space.
#[cold]
fn flat_object_end(scanner: &Scanner, bytes: &[u8], at: usize) -> Option<usize> {
    let string_end = |start| start + scanner.plain(bytes, start).text().len();
    let byte = |at| bytes.get(at).copied().unwrap_or_default();
    let mut at = after(bytes, at, b"{")?;
    if byte(at) == b'}' {
        return Some(at + 1);
    }
    loop {
        let name = string_end(after(bytes, at, b"\"")?);
        let value = string_end(after(bytes, name, b"\":\"")?);
        at = after(bytes, value, b"\"")?;
        match byte(at) {
            b'}' => return Some(at + 1),
            b',' => at += 1,
            _ => return None,
        }
    }
}

#[derive(Deserialize)]
struct Element<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    message: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "extractedFields")]
    extracted_fields: Option<&'a RawValue>,
}

/// Any element, by the library.
#[cold]
#[inline(never)]
fn read_any<V: Visit>(session: &mut Session<'_, V>, text: &Text<'_>, source: &Source<'_>, at: usize) -> Option<usize> {
    let end = value::end(session, text, at)?;
    let unread = Event { place: at..end, id: "", message: "", extracted_fields: "" };
    let bytes = &text.bytes[at..end];
    if json::is_too_deep(bytes) {
        session.reject_event(source, text, &unread, Reason::TooDeep);
        return Some(end);
    }
    let Some(value) = text.slice(at..end) else {
        session.reject_event(source, text, &unread, Reason::BadUtf8);
        return Some(end);
    };
    let Ok(element) = serde_json::from_str::<Element<'_>>(value) else {
        session.reject_event(source, text, &unread, Reason::BadEvent);
        return Some(end);
    };
    // An id that is a number is kept as its digits; anything else but text is none.
    let id = match element.id.map(RawValue::get) {
        Some(value) if value.starts_with('"') => value::unquote(value).unwrap_or_default(),
        Some(value) if value.starts_with(|first: char| first == '-' || first.is_ascii_digit()) => value.to_owned(),
        _ => String::new(),
    };
    let message = element.message.map(RawValue::get).filter(|value| value.starts_with('"')).and_then(value::unquote);
    let fields = element.extracted_fields.map_or("", RawValue::get);
    let extracted_fields = if fields.starts_with('{') { fields } else { "" };
    let event = Event { place: at..end, id: &id, message: message.as_deref().unwrap_or_default(), extracted_fields };
    match message {
        Some(_) => session.event(source, text, &event),
        None => session.reject_event(source, text, &event, Reason::BadEvent),
    }
    Some(end)
}
