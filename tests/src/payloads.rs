//! Kinesis record data, looked into without the product's own decoder.

use flate2::read::MultiGzDecoder;
use serde_json::Value;
use std::io::Read as _;

/// What one or several gzip members hold.
pub fn inflated(members: &[u8]) -> String {
    let mut text = String::new();
    MultiGzDecoder::new(members).read_to_string(&mut text).expect("sound members of UTF-8");
    text
}

/// The ids of the log events in a gzip payload of a CloudWatch Logs subscription.
pub fn event_ids(payload: &[u8]) -> Vec<String> {
    let text = inflated(payload);
    let envelope: Value = serde_json::from_str(&text).expect("a sound envelope");
    if envelope["messageType"] == "CONTROL_MESSAGE" {
        // CloudWatch's own note that it reaches the stream; its one event is nobody's query.
        return Vec::new();
    }
    let events = envelope["logEvents"].as_array().cloned().unwrap_or_default();
    events.iter().map(|event| event["id"].as_str().expect("CloudWatch's ids are strings").to_owned()).collect()
}

/// The event id in a record that was delivered in the `ecs` form.
pub fn delivered_id(line: &str) -> String {
    let record: Value =
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in a delivered line: {line}"));
    record["event"]["id"].as_str().unwrap_or_else(|| panic!("no event id in {line}")).to_owned()
}
