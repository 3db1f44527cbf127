//! What the tests share: a visitor that keeps everything, and the payloads it is shown.

#![allow(dead_code, reason = "each test file uses its part of this")]

use dnslog::{BytesForm, Decoded, Decoder, Limits, Query, Reason, Reject, Source, Visit};
use flate2::{Compression, write::GzEncoder};
use std::io::Write;

/// A reject, owned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lost {
    pub(crate) reason: Reason,
    pub(crate) event_index: Option<u32>,
    pub(crate) event_id: String,
    pub(crate) offset: usize,
    pub(crate) form: BytesForm,
    pub(crate) bytes: Vec<u8>,
}

/// Everything that decoding handed over, in order.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Kept {
    /// Event id and name of each query.
    pub(crate) queries: Vec<(String, String)>,
    /// The same queries with their sources, all fields as text.
    pub(crate) full: Vec<String>,
    pub(crate) rejects: Vec<Lost>,
    pub(crate) controls: Vec<String>,
}

impl Visit for Kept {
    fn query(&mut self, source: &Source<'_>, query: &Query<'_>) {
        self.queries.push((query.event_id.to_owned(), query.name.to_owned()));
        self.full.push(format!("{source:?} {query:?}"));
    }

    fn reject(&mut self, source: &Source<'_>, reject: &Reject<'_>) {
        self.full.push(format!("{source:?} {reject:?}"));
        self.rejects.push(Lost {
            reason: reject.reason,
            event_index: reject.event_index,
            event_id: reject.event_id.to_owned(),
            offset: reject.offset,
            form: reject.form,
            bytes: reject.bytes.to_vec(),
        });
    }

    fn control(&mut self, source: &Source<'_>) {
        self.controls.push(source.log_group.to_owned());
    }
}

impl Kept {
    pub(crate) fn ids(&self) -> Vec<&str> {
        self.queries.iter().map(|(id, _)| id.as_str()).collect()
    }

    pub(crate) fn names(&self) -> Vec<&str> {
        self.queries.iter().map(|(_, name)| name.as_str()).collect()
    }

    pub(crate) fn reasons(&self) -> Vec<Reason> {
        self.rejects.iter().map(|lost| lost.reason).collect()
    }
}

/// Decodes within the default limits, in all three ways, which must agree, and checks what holds for any input.
pub(crate) fn decode(data: &[u8]) -> Kept {
    decode_within(data, Limits::default())
}

pub(crate) fn decode_within(data: &[u8], limits: Limits) -> Kept {
    let [fast, portable, checked] =
        [Decoder::new(limits), Decoder::portable(limits), Decoder::checked(limits)].map(|mut decoder| {
            let mut kept = Kept::default();
            let decoded = decoder.decode(data, &mut kept);
            check(data, limits, decoded, &kept);
            kept
        });
    assert_eq!(fast, checked, "{}", String::from_utf8_lossy(data));
    assert_eq!(fast, portable, "{}", String::from_utf8_lossy(data));
    fast
}

fn check(data: &[u8], limits: Limits, decoded: Decoded, kept: &Kept) {
    assert_eq!(decoded.queries as usize, kept.queries.len());
    assert_eq!(decoded.rejects as usize, kept.rejects.len());
    assert_eq!(decoded.controls as usize, kept.controls.len());
    assert!(kept.queries.len() <= limits.events_max);
    for lost in &kept.rejects {
        if lost.form == BytesForm::Raw {
            assert_eq!(data.get(lost.offset..lost.offset + lost.bytes.len()), Some(&lost.bytes[..]), "{lost:?}");
        }
    }
}

pub(crate) fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(data).expect("memory takes everything");
    encoder.finish().expect("memory takes everything")
}

/// A query-log line for this name.
pub(crate) fn line(name: &str) -> String {
    format!("1.0 2026-11-16T09:00:17.015Z Z123412341234 {name} A NOERROR UDP FRA56-C1 192.0.2.7 198.51.100.0/24")
}

/// A log event with this id, whose message is the line for `name`.
pub(crate) fn event(id: &str, name: &str) -> String {
    let message = serde_json::to_string(&line(name)).expect("text is JSON");
    format!(r#"{{"id":"{id}","timestamp":1794819617015,"message":{message}}}"#)
}

/// An envelope around these events, as CloudWatch writes it.
pub(crate) fn envelope(events: &[String]) -> String {
    format!("{}{}]}}", ENVELOPE_HEAD, events.join(","))
}

pub(crate) const ENVELOPE_HEAD: &str = concat!(
    r#"{"messageType":"DATA_MESSAGE","owner":"123456789012","logGroup":"/aws/route53/example.com","#,
    r#""logStream":"Z123412341234/FRA56-C1","subscriptionFilters":["zonewatch"],"logEvents":["#
);

/// Events `1` to `count`, with names `n1.example.com` and so on.
pub(crate) fn events(count: usize) -> Vec<String> {
    (1..=count).map(|number| event(&number.to_string(), &format!("n{number}.example.com"))).collect()
}
