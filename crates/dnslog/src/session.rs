//! The decoding of one record: what it counts, what it hands over, and the text it works on.

use crate::line::{Head, LineParser};
use crate::scan::{Line, Look};
use crate::{BytesForm, Decoded, Limits, Query, Reason, Reject, Source, Visit, json};
use std::ops::Range;

/// The longest message: CloudWatch Logs takes log events of up to 1 MiB.
pub(crate) const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// How JSON around the messages is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Path {
    /// By hand where it has the shape that CloudWatch writes, else by the library.
    Fast,
    /// Always by the library.
    Checked,
}

/// A record's text: its own bytes, those of one part of an aggregate, or what they inflated to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Text<'t> {
    pub bytes: &'t [u8],
    form: BytesForm,
    /// Where `bytes` begin in the record, for a part of an aggregate.
    base: usize,
    /// Where white space at the end begins.
    pub trimmed_end: usize,
}

impl<'t> Text<'t> {
    pub(crate) fn new(bytes: &'t [u8], form: BytesForm, base: usize) -> Self {
        let trimmed_end = bytes.trim_ascii_end().len();
        Self { bytes, form, base, trimmed_end }
    }

    /// A part; `None` if it is not UTF-8.
    #[inline]
    pub(crate) fn slice(&self, place: Range<usize>) -> Option<&'t str> {
        str::from_utf8(self.bytes.get(place)?).ok()
    }

    /// The byte at a place; NUL, which no grammar here has, at the end.
    #[inline]
    pub(crate) fn byte(&self, at: usize) -> u8 {
        self.bytes.get(at).copied().unwrap_or_default()
    }

    /// The first place from `at` that holds no white space.
    #[inline]
    pub(crate) fn skip_space(&self, mut at: usize) -> usize {
        while matches!(self.byte(at), b' ' | b'\t' | b'\r' | b'\n') {
            at += 1;
        }
        at
    }
}

/// One log event, its text unescaped.
pub(crate) struct Event<'e> {
    /// Where it is in the text, with what belongs to it.
    pub place: Range<usize>,
    pub id: &'e str,
    pub message: &'e str,
    pub extracted_fields: &'e str,
}

pub(crate) struct Session<'s, V> {
    pub limits: Limits,
    pub path: Path,
    pub lines: &'s mut LineParser,
    pub scratch: &'s mut String,
    pub decoded: Decoded,
    /// Bytes that may still be read in vain, looking for the end of damage: without this limit a record made for the
    /// purpose would cost time by the square of its length.
    pub patience_bytes: usize,
    /// Set when the cap on events was reached: the rest of the record has been rejected.
    pub is_over: bool,
    visit: &'s mut V,
    events: usize,
}

impl<'s, V: Visit> Session<'s, V> {
    pub(crate) fn new(
        limits: Limits,
        path: Path,
        lines: &'s mut LineParser,
        scratch: &'s mut String,
        visit: &'s mut V,
    ) -> Self {
        let decoded = Decoded::default();
        Self { limits, path, lines, scratch, decoded, patience_bytes: 0, is_over: false, visit, events: 0 }
    }

    /// Whether another event may be taken. If not, everything from `at` is rejected, and the record is over.
    #[inline]
    pub(crate) fn has_room(&mut self, source: &Source<'_>, text: &Text<'_>, at: usize) -> bool {
        if self.events >= self.limits.events_max && !self.is_over {
            self.is_over = true;
            self.reject(source, text, Reason::TooManyEvents, at..text.trimmed_end);
        }
        !self.is_over
    }

    pub(crate) fn control(&mut self, source: &Source<'_>) {
        self.decoded.controls += 1;
        self.visit.control(source);
    }

    /// Hands over one log event, as the query it is or as a reject.
    pub(crate) fn event(&mut self, source: &Source<'_>, text: &Text<'_>, event: &Event<'_>) {
        let message = event.message;
        if message.len() > MESSAGE_BYTES_MAX {
            return self.reject_event(source, text, event, Reason::LineTooLong);
        }
        if message.trim_ascii_start().starts_with('{') {
            return json::read(message, |query| match query {
                Ok(query) => self.query(source, event, query),
                Err(reason) => self.reject_event(source, text, event, reason),
            });
        }
        // A line may end as lines in files do.
        match self.lines.parse(message.trim_ascii_end()) {
            Ok(query) => self.query(source, event, Query { original: message, ..query }),
            Err(reason) => self.reject_event(source, text, event, reason),
        }
    }

    /// As [`Session::event`], for a plain line whose fields have been found and whose head was read.
    #[inline(always)]
    pub(crate) fn scanned_line(
        &mut self,
        look: impl Look,
        source: &Source<'_>,
        text: &Text<'_>,
        event: &Event<'_>,
        line: Line<'_>,
        head: Head,
    ) {
        let (visit, fields) = (&mut self.visit, event.extracted_fields);
        match self.lines.parse_spaced(look, line, Some(head), event.id, fields, |query| visit.query(source, query)) {
            Ok(()) => {
                self.events += 1;
                self.decoded.queries += 1;
            }
            Err(reason) => self.reject_event(source, text, event, reason),
        }
    }

    fn query<'e>(&mut self, source: &Source<'_>, event: &Event<'e>, mut query: Query<'e>) {
        self.events += 1;
        self.decoded.queries += 1;
        query.event_id = event.id;
        query.extracted_fields = event.extracted_fields;
        self.visit.query(source, &query);
    }

    /// Hands over one log event that could not be used.
    pub(crate) fn reject_event(&mut self, source: &Source<'_>, text: &Text<'_>, event: &Event<'_>, reason: Reason) {
        let index = u32::try_from(self.events).ok();
        self.events += 1;
        self.push_reject(source, text, reason, event.place.clone(), index, event.id);
    }

    /// Hands over what is not one log event.
    pub(crate) fn reject(&mut self, source: &Source<'_>, text: &Text<'_>, reason: Reason, place: Range<usize>) {
        self.push_reject(source, text, reason, place, None, "");
    }

    fn push_reject(
        &mut self,
        source: &Source<'_>,
        text: &Text<'_>,
        reason: Reason,
        place: Range<usize>,
        event_index: Option<u32>,
        event_id: &str,
    ) {
        self.decoded.rejects += 1;
        let bytes = text.bytes.get(place.clone()).unwrap_or_default();
        let offset = text.base + place.start;
        self.visit.reject(source, &Reject { reason, event_index, event_id, offset, form: text.form, bytes });
    }

    /// Counts a stretch of damage as an event, so that the cap holds for it too.
    pub(crate) fn reject_damage(&mut self, source: &Source<'_>, text: &Text<'_>, place: Range<usize>) {
        self.events += 1;
        let length = text.bytes.get(place.clone()).map_or(0, |bytes| {
            let spare = bytes.iter().rev().take_while(|&&byte| byte == b',' || byte.is_ascii_whitespace()).count();
            bytes.len() - spare
        });
        self.reject(source, text, Reason::BadJson, place.start..place.start + length);
    }
}
