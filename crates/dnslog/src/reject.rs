//! Input that could not be used: why, and where it was.

use crate::Source;

/// Input that could not be used. It borrows what was lost, so that a quarantine can keep it.
#[derive(Debug, Clone, Copy)]
pub struct Reject<'a> {
    /// Why.
    pub reason: Reason,
    /// The log event it was, counted from 0 in its record; `None` if the loss is not one event.
    pub event_index: Option<u32>,
    /// That event's id; empty where there was none.
    pub event_id: &'a str,
    /// Where `bytes` begin: an offset into the record as it came, or into its inflated form if `inflated`.
    pub offset: usize,
    /// Which of the two forms `offset` counts in.
    pub form: BytesForm,
    /// What was lost, as it came.
    pub bytes: &'a [u8],
}

/// What a reject's bytes and offset refer to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BytesForm {
    /// The record's data as read from the stream.
    Raw,
    /// The inflated form of the record's data.
    Inflated,
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident = $text:literal),+ $(,)?) => {
        /// Why input was rejected. The texts are a closed set: metric labels and the quarantine's `reason`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Reason { $($(#[$doc])* $variant),+ }

        impl Reason {
            /// Every reason.
            pub const ALL: &'static [Reason] = &[$(Reason::$variant),+];
            /// The reason as a label.
            pub const fn as_str(self) -> &'static str {
                match self { $(Reason::$variant => $text),+ }
            }
        }
    };
}

reasons! {
    /// The record has no bytes.
    Empty = "empty",
    /// Neither gzip, KPL, JSON nor a log line.
    UnknownFormat = "unknown_format",
    /// The gzip stream ends before its trailer.
    TruncatedGzip = "truncated_gzip",
    /// The gzip stream is damaged: header, deflate data, CRC or length.
    CorruptGzip = "corrupt_gzip",
    /// The inflated form exceeds the cap.
    InflatedTooLarge = "inflated_too_large",
    /// More log events than the cap; those beyond it are lost.
    TooManyEvents = "too_many_events",
    /// The KPL aggregate's MD5 or protobuf is wrong.
    CorruptAggregate = "corrupt_aggregate",
    /// JSON ends early or breaks its grammar.
    BadJson = "bad_json",
    /// JSON nested deeper than the cap.
    TooDeep = "too_deep",
    /// Bytes that are not UTF-8.
    BadUtf8 = "bad_utf8",
    /// JSON, but not an envelope: `messageType` or `logEvents` missing or of a wrong kind.
    BadEnvelope = "bad_envelope",
    /// A `messageType` that is neither `DATA_MESSAGE` nor `CONTROL_MESSAGE`.
    UnknownMessageType = "unknown_message_type",
    /// A log event without a usable `message`.
    BadEvent = "bad_event",
    /// A message that is none of the known log forms.
    UnknownMessage = "unknown_message",
    /// A log line or JSON record of a major version we do not know.
    UnknownVersion = "unknown_version",
    /// A log line with too few fields.
    FieldCount = "field_count",
    /// A query timestamp that is not one.
    BadTimestamp = "bad_timestamp",
    /// A hosted zone id that is not one.
    BadZoneId = "bad_zone_id",
    /// A name that is empty, over 1,020 bytes as text, or holds white space or control characters.
    BadName = "bad_name",
    /// A query type, response code or transport that is empty or over-long.
    BadField = "bad_field",
    /// A resolver or client address that is not one.
    BadAddress = "bad_address",
    /// A client subnet that is neither `-` nor a prefix.
    BadSubnet = "bad_subnet",
    /// A log line longer than the cap.
    LineTooLong = "line_too_long",
    /// The enriched record of a sound query is longer than any destination takes.
    RecordTooLong = "record_too_long",
}

/// What a record turned out to hold, handed over one by one while it is decoded.
pub trait Visit {
    /// A sound log event.
    fn query(&mut self, source: &Source<'_>, query: &crate::Query<'_>);
    /// Something that could not be used. Its neighbours are not affected.
    fn reject(&mut self, source: &Source<'_>, reject: &Reject<'_>);
    /// A `CONTROL_MESSAGE`: CloudWatch asks whether the stream can be reached. Counted and dropped.
    fn control(&mut self, _source: &Source<'_>) {}
}
