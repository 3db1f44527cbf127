//! One element of `logEvents`.

use super::{EVENT_START, value};
use crate::scan::Scanner;
use crate::session::{Event, MESSAGE_BYTES_MAX, Path, Session, Text};
use crate::{Reason, Source, Visit, json};
use serde::Deserialize;
use serde_json::value::RawValue;

/// Hands over the element that begins at `at` and returns its end; `None`, with nothing handed over, if it breaks
/// JSON's grammar.
#[inline(always)]
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
#[inline(always)]
fn read_usual<V: Visit>(
    session: &mut Session<'_, V>,
    text: &Text<'_>,
    source: &Source<'_>,
    at: usize,
) -> Option<usize> {
    let bytes = text.bytes;
    let scanner = &mut session.lines.scanner;
    let id_start = after(bytes, at, EVENT_START.first_chunk::<7>()?)?;
    let id_end = scanner.string_end(bytes, id_start);
    let time_start = after(bytes, id_end, b"\",\"timestamp\":")?;
    let time_end = number_end(bytes, time_start)?;
    let start = after(bytes, time_end, b",\"message\":\"")?;
    let plain_end = scanner.message_end(bytes, start);
    let is_plain = text.byte(plain_end) == b'"';
    let message_end = if is_plain { plain_end } else { escaped_end(scanner, text, plain_end)? };
    let fields_end = match text.byte(message_end + 1) {
        b'}' => message_end + 1,
        _ => flat_object_end(scanner, text, after(bytes, message_end, b"\",\"extractedFields\":")?)?,
    };
    let end = after(bytes, fields_end, b"}")?;
    let fields_start = message_end + b"\",\"extractedFields\":".len();
    let id = text.slice(id_start..id_end)?;
    let message = text.slice(start..message_end)?;
    let extracted_fields = if fields_end > message_end + 1 { text.slice(fields_start..fields_end)? } else { "" };
    let event = Event { place: at..end, id, message, extracted_fields };
    // A message in JSON or with an escape goes the general way.
    let is_line = bytes.get(start).is_some_and(u8::is_ascii_digit);
    let ascii = text.ascii.and_then(|text| text.part(start..message_end));
    if let Some(line) = ascii
        && is_plain
        && is_line
        && message.len() <= MESSAGE_BYTES_MAX
        && !line.bytes().ends_with(b" ")
    {
        session.scanned_line(source, text, &event, line, start);
    } else if is_plain {
        session.event(source, text, &event);
    } else {
        let mut scratch = std::mem::take(session.scratch);
        let unescaped = value::unescape(message, &mut scratch);
        if unescaped.is_some() {
            session.event(source, text, &Event { message: &scratch, ..event });
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
    // Milliseconds have thirteen digits from 2001 to 2286; two overlapping looks at eight bytes cover them.
    if let Some(number) = rest.first_chunk::<14>()
        && let (Some(front), Some(back)) = (number.first_chunk(), number[5..].first_chunk())
        && are_digits(*front)
        && are_digits(*back)
        && number[0] != b'0'
        && number[13] == b','
    {
        return Some(at + 13);
    }
    let digits = rest.iter().position(|byte| !byte.is_ascii_digit())?;
    (digits == 1 || digits > 1 && rest.first() != Some(&b'0')).then_some(at + digits)
}

#[inline]
fn are_digits(bytes: [u8; 8]) -> bool {
    const HIGH_HALVES: u64 = 0xf0f0_f0f0_f0f0_f0f0;
    const ZEROS: u64 = 0x3030_3030_3030_3030;
    let word = u64::from_le_bytes(bytes);
    // Adding six carries a value over nine into the high half; one that was there already is seen without.
    word & HIGH_HALVES == ZEROS && word.wrapping_add(0x0606_0606_0606_0606) & HIGH_HALVES == ZEROS
}

/// The closing quote of a string, from its first special byte on. `None` if a control character comes first.
fn escaped_end(scanner: &Scanner, text: &Text<'_>, mut at: usize) -> Option<usize> {
    loop {
        match text.byte(at) {
            b'"' => return Some(at),
            b'\\' => at = scanner.string_end(text.bytes, at + 2),
            _ => return None,
        }
    }
}

/// The end of an object all of whose values are strings without escapes, written without white space.
fn flat_object_end(scanner: &Scanner, text: &Text<'_>, at: usize) -> Option<usize> {
    let bytes = text.bytes;
    let mut at = after(bytes, at, b"{")?;
    if text.byte(at) == b'}' {
        return Some(at + 1);
    }
    loop {
        let name = scanner.string_end(bytes, after(bytes, at, b"\"")?);
        let value = scanner.string_end(bytes, after(bytes, name, b"\":\"")?);
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
