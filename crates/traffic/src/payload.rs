//! The bytes of a CloudWatch Logs subscription record: gzip of one JSON envelope.
//!
//! The order of the fields is the one Lambda and Kinesis consumers see in practice; one of AWS's own examples has
//! another, so a reader must not depend on it.

use crate::LogEvent;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Serialize;
use std::io::Write;

/// What an envelope says besides its events.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a> {
    message_type: &'a str,
    owner: &'a str,
    log_group: &'a str,
    log_stream: &'a str,
    subscription_filters: &'a [&'a str],
    log_events: &'a [Event<'a>],
}

#[derive(Debug, Clone, Serialize)]
struct Event<'a> {
    id: &'a str,
    timestamp: i64,
    message: &'a str,
}

/// A `DATA_MESSAGE` of events of one log stream, which must not be empty, as JSON.
pub(crate) fn data_message(owner: &str, filter: &str, events: &[LogEvent]) -> Vec<u8> {
    let first = &events[0];
    let log_events: Vec<Event<'_>> =
        events.iter().map(|event| Event { id: &event.id, timestamp: event.time_ms, message: &event.message }).collect();
    json(&Envelope {
        message_type: "DATA_MESSAGE",
        owner,
        log_group: &log_group(&first.zone_name),
        log_stream: &format!("{}/{}", first.zone_id, first.edge),
        subscription_filters: &[filter],
        log_events: &log_events,
    })
}

/// The message by which CloudWatch sees whether it can reach the stream, as JSON.
pub(crate) fn control_message(time_ms: i64) -> Vec<u8> {
    let message = "CWL CONTROL MESSAGE: Checking health of destination Kinesis stream.";
    json(&Envelope {
        message_type: "CONTROL_MESSAGE",
        owner: "CloudwatchLogs",
        log_group: "",
        log_stream: "",
        subscription_filters: &[],
        log_events: &[Event { id: "", timestamp: time_ms, message }],
    })
}

/// Route 53's recommended log group of a zone.
pub(crate) fn log_group(zone_name: &str) -> String {
    format!("/aws/route53/{zone_name}")
}

/// One gzip member, level 6, without a file name or time: the same input gives the same bytes.
pub(crate) fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(text.len() / 3), Compression::new(6));
    encoder.write_all(text).expect("writing to memory cannot fail");
    encoder.finish().expect("writing to memory cannot fail")
}

fn json(envelope: &Envelope<'_>) -> Vec<u8> {
    serde_json::to_vec(envelope).expect("text and numbers are always valid JSON")
}
