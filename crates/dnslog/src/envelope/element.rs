//! One element of `logEvents`.

use super::{EVENT_START, value};
use crate::session::{Event, Path, Scanned, Session, Text};
use crate::{Reason, Source, Visit, json, scan};
use serde::Deserialize;
use serde_json::value::RawValue;

/// Hands over the element that begins at `at` and returns its end; `None`, with nothing handed over, if it breaks
/// JSON's grammar.
#[inline]
pub(super) fn read<V: Visit>(
    session: &mut Session<'_, V>,
    text: &Text<'_>,
    source: &Source<'_>,
    at: usize,
) -> Option<usize> {
    if session.path == Path::Fast
        && let Some(end) = read_usual(session, text, source, at)
    {
        return Some(end);
    }
    read_any(session, text, source, at)
}

/// An element just as CloudWatch writes it: `{"id":"…","timestamp":…,"message":"…"}`, or with `extractedFields` after
/// the message. `None`, with nothing handed over, if it is anything else.
#[inline]
fn read_usual<V: Visit>(
    session: &mut Session<'_, V>,
    text: &Text<'_>,
    source: &Source<'_>,
    at: usize,
) -> Option<usize> {
    let bytes = text.bytes;
    let id_start = after(bytes, at, EVENT_START.first_chunk::<7>()?)?;
    let id_end = scan::string_end(bytes, id_start);
    let time_start = after(bytes, id_end, b"\",\"timestamp\":")?;
    let time_end = number_end(bytes, time_start)?;
    let start = after(bytes, time_end, b",\"message\":\"")?;
    let plain_end = scan::message_end(bytes, start, &mut session.lines.spaces);
    let is_plain = text.byte(plain_end) == b'"';
    let message_end = if is_plain { plain_end } else { escaped_end(text, plain_end)? };
    let fields_end = match text.byte(message_end + 1) {
        b'}' => message_end + 1,
        _ => flat_object_end(text, after(bytes, message_end, b"\",\"extractedFields\":")?)?,
    };
    let end = after(bytes, fields_end, b"}")?;
    let fields_start = message_end + b"\",\"extractedFields\":".len();
    let id = text.slice(id_start..id_end)?;
    let message = text.slice(start..message_end)?;
    let extracted_fields = if fields_end > message_end + 1 { text.slice(fields_start..fields_end)? } else { "" };
    let event = Event { place: at..end, id, message, extracted_fields };
    // A message in JSON or with an escape goes the general way.
    if is_plain && message.as_bytes().first().is_some_and(u8::is_ascii_digit) {
        session.event(source, text, &event, Scanned::Yes);
    } else if is_plain {
        session.event(source, text, &event, Scanned::No);
    } else {
        let mut scratch = std::mem::take(session.scratch);
        let unescaped = value::unescape(message, &mut scratch);
        if unescaped.is_some() {
            session.event(source, text, &Event { message: &scratch, ..event }, Scanned::No);
        }
        *session.scratch = scratch;
        unescaped?;
    }
    Some(end)
}

/// The place after `expected` if that is what stands at `at`.
#[inline]
fn after<const N: usize>(bytes: &[u8], at: usize, expected: &[u8; N]) -> Option<usize> {
    let found = bytes.get(at..)?.first_chunk::<N>()?;
    (found == expected).then_some(at + N)
}

/// The end of a whole number without a sign.
#[inline]
fn number_end(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = bytes.get(at..)?;
    // Milliseconds have thirteen digits from 2001 to 2286.
    if let Some(&[first, ref more @ .., last]) = rest.first_chunk::<14>()
        && first.wrapping_sub(b'1') < 9
        && more.iter().all(u8::is_ascii_digit)
        && last == b','
    {
        return Some(at + 13);
    }
    let digits = rest.iter().position(|byte| !byte.is_ascii_digit())?;
    (digits == 1 || digits > 1 && rest.first() != Some(&b'0')).then_some(at + digits)
}

/// The closing quote of a string, from its first special byte on. `None` if a control character comes first.
fn escaped_end(text: &Text<'_>, mut at: usize) -> Option<usize> {
    loop {
        match text.byte(at) {
            b'"' => return Some(at),
            b'\\' => at = scan::string_end(text.bytes, at + 2),
            _ => return None,
        }
    }
}

/// The end of an object all of whose values are strings without escapes, written without white space.
fn flat_object_end(text: &Text<'_>, at: usize) -> Option<usize> {
    let bytes = text.bytes;
    let mut at = after(bytes, at, b"{")?;
    if text.byte(at) == b'}' {
        return Some(at + 1);
    }
    loop {
        let name = scan::string_end(bytes, after(bytes, at, b"\"")?);
        let value = scan::string_end(bytes, after(bytes, name, b"\":\"")?);
        at = after(bytes, value, b"\"")?;
        match text.byte(at) {
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
        Some(_) => session.event(source, text, &event, Scanned::No),
        None => session.reject_event(source, text, &event, Reason::BadEvent),
    }
    Some(end)
}
