//! A text to its documents: JSON objects (envelopes, log events, log records) one after the other, and lines.

use crate::session::{Event, Session, Text};
use crate::{Reason, Source, Visit, envelope, time};

/// A byte order mark, which editors put before a file's text.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// Hands over everything that `text` holds.
pub(crate) fn read<V: Visit>(session: &mut Session<'_, V>, text: &Text<'_>) {
    session.patience_bytes = text.bytes.len().saturating_mul(4).saturating_add(1 << 16);
    let mut at = if text.bytes.starts_with(MARK) { MARK.len() } else { 0 };
    loop {
        at = text.skip_space(at);
        if at >= text.bytes.len() || session.is_over {
            return;
        }
        at = if text.byte(at) == b'{' { envelope::read(session, text, at) } else { read_line(session, text, at) };
    }
}

/// Reads the line that begins at `at` and returns where the next one may begin.
fn read_line<V: Visit>(session: &mut Session<'_, V>, text: &Text<'_>, at: usize) -> usize {
    let source = Source::default();
    if !session.has_room(&source, text, at) {
        return text.bytes.len();
    }
    let rest = &text.bytes[at..];
    let length = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
    let line_bytes = rest[..length].trim_ascii_end().len();
    let place = at..at + line_bytes;
    let is_alone = at + line_bytes == text.trimmed_end && !text.bytes[..at].contains(&b'\n');
    let event = |message, place| Event { place, id: "", message, extracted_fields: "" };
    match text.slice(place.clone()) {
        None if is_alone => session.reject(&source, text, Reason::UnknownFormat, place),
        None => session.reject_event(&source, text, &event("", place), Reason::BadUtf8),
        Some(line) => {
            let message = without_export_time(line);
            // Every log line begins with a version, and the only text in a record with anything else is not a log.
            if is_alone && !message.starts_with(|first: char| first.is_ascii_digit() || first == '{') {
                session.reject(&source, text, Reason::UnknownFormat, place);
            } else {
                session.event(&source, text, &event(message, place));
            }
        }
    }
    at + length
}

/// A CloudWatch export file has the event's time before each message.
fn without_export_time(line: &str) -> &str {
    match line.split_once(' ') {
        Some((first, message)) if time::parse(first.as_bytes()).is_some() => message,
        _ => line,
    }
}
