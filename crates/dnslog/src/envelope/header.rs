//! The fields of an envelope besides its events.

use super::value;
use crate::session::{Session, Text};
use crate::{Reason, Source};
use std::borrow::Cow;

/// What a document says about itself.
#[derive(Default)]
pub(super) struct Header<'t> {
    message_type: Option<Cow<'t, str>>,
    owner: Option<Cow<'t, str>>,
    log_group: Option<Cow<'t, str>>,
    log_stream: Option<Cow<'t, str>>,
    subscription_filters: &'t str,
    policy_level: Cow<'t, str>,
    /// Where `logEvents` has its first event.
    events: Option<usize>,
    has_log_events: bool,
    has_message: bool,
    /// Where the document ends. `None` if that was not looked for, because the events come last, or not found, because
    /// the grammar breaks before.
    pub end: Option<usize>,
}

/// What a document is.
pub(super) enum Kind {
    /// An envelope, and where its events begin.
    Data(usize),
    Control,
    Wrong(Reason),
    /// One log event without an envelope.
    Event,
    /// Any other object.
    Record,
}

impl<'t> Header<'t> {
    /// Reads the fields of the document at `at`, as far as that is possible. Fields after `logEvents` are looked for if
    /// there can be any that matter.
    pub(super) fn read<V>(session: &mut Session<'_, V>, text: &Text<'t>, at: usize) -> Self {
        let mut header = Self::default();
        let mut next = key(session, text, at + 1, Before::First);
        loop {
            match next {
                Some(Next::Key(name, at)) => {
                    let Some(end) = header.field(session, text, &name, at) else { return header };
                    next = key(session, text, end, Before::Another);
                }
                Some(Next::End(end)) => {
                    header.end = Some(end);
                    // The control message's events say only that it is one.
                    return header;
                }
                None => return header,
            }
        }
    }

    /// Takes the field whose value is at `at`, and returns its end unless reading should stop here.
    fn field<V>(&mut self, session: &mut Session<'_, V>, text: &Text<'t>, name: &str, at: usize) -> Option<usize> {
        let slot = match name {
            "messageType" => &mut self.message_type,
            "owner" => &mut self.owner,
            "logGroup" => &mut self.log_group,
            "logStream" => &mut self.log_stream,
            "policyLevel" => {
                let (value, end) = value::scalar(session, text, at)?;
                self.policy_level = value;
                return Some(end);
            }
            "subscriptionFilters" => {
                let end = value::end(session, text, at)?;
                if text.byte(at) == b'[' {
                    self.subscription_filters = text.slice(at..end).unwrap_or_default();
                }
                return Some(end);
            }
            "logEvents" => {
                self.has_log_events = true;
                if text.byte(at) == b'[' && self.events.is_none() {
                    self.events = Some(at + 1);
                    if self.is_complete() && text.bytes[..text.trimmed_end].ends_with(b"]}") {
                        return None;
                    }
                }
                return value::end(session, text, at);
            }
            _ => {
                self.has_message |= name == "message";
                return value::end(session, text, at);
            }
        };
        let (value, end) = value::scalar(session, text, at)?;
        *slot = Some(value);
        Some(end)
    }

    /// Whether everything is known that a data message always has and that is used.
    fn is_complete(&self) -> bool {
        let kind = self.message_type.as_deref();
        kind == Some("DATA_MESSAGE") && self.owner.is_some() && self.log_group.is_some() && self.log_stream.is_some()
    }

    pub(super) fn kind(&self) -> Kind {
        match (self.message_type.as_deref(), self.events) {
            (Some("DATA_MESSAGE"), Some(events)) => Kind::Data(events),
            (Some("CONTROL_MESSAGE"), _) => Kind::Control,
            (Some("DATA_MESSAGE"), None) => Kind::Wrong(Reason::BadEnvelope),
            (Some(_), _) => Kind::Wrong(Reason::UnknownMessageType),
            (None, _) if self.has_log_events => Kind::Wrong(Reason::BadEnvelope),
            (None, _) if self.has_message => Kind::Event,
            (None, _) => Kind::Record,
        }
    }

    pub(super) fn source(&self) -> Source<'_> {
        Source {
            owner: self.owner.as_deref().unwrap_or_default(),
            log_group: self.log_group.as_deref().unwrap_or_default(),
            log_stream: self.log_stream.as_deref().unwrap_or_default(),
            subscription_filters: self.subscription_filters,
            policy_level: &self.policy_level,
        }
    }
}

/// Passes over the fields that follow a value which ends at `at`, and returns the end of the object.
pub(super) fn skip_rest<V>(session: &mut Session<'_, V>, text: &Text<'_>, at: usize) -> Option<usize> {
    let mut next = key(session, text, at, Before::Another)?;
    loop {
        match next {
            Next::End(end) => return Some(end),
            Next::Key(_, at) => {
                let end = value::end(session, text, at)?;
                next = key(session, text, end, Before::Another)?;
            }
        }
    }
}

/// What stands before a field.
enum Before {
    /// The object's bracket.
    First,
    /// Another field.
    Another,
}

enum Next<'t> {
    /// A field's name, and where its value begins.
    Key(Cow<'t, str>, usize),
    /// The end of the object.
    End(usize),
}

/// The field that comes at `at`, or the end of the object; `None` if the grammar breaks.
fn key<'t, V>(session: &mut Session<'_, V>, text: &Text<'t>, at: usize, before: Before) -> Option<Next<'t>> {
    let mut at = text.skip_space(at);
    match (text.byte(at), before) {
        (b'}', _) => return Some(Next::End(at + 1)),
        (b',', Before::Another) => at = text.skip_space(at + 1),
        (b'"', Before::First) => {}
        _ => return None,
    }
    if text.byte(at) != b'"' {
        return None;
    }
    let (name, end) = value::scalar(session, text, at)?;
    let colon = text.skip_space(end);
    (text.byte(colon) == b':').then(|| Next::Key(name, text.skip_space(colon + 1)))
}
