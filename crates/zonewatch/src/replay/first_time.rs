//! The event time at which a record begins, without decoding all of it: decides which input is read next.

use dnslog::{Decoder, Limits, Query, Reject, Source, Visit};
use flate2::bufread::GzDecoder;
use std::io::Read;

/// Inflated bytes looked at; an envelope's head and its first event take less than one KiB.
const HEAD_BYTES: usize = 16 << 10;
/// Lines looked at: the first ones may be damaged.
const LINES_MAX: usize = 16;

/// Looks into records.
pub struct FirstTime {
    decoder: Decoder,
    head: Vec<u8>,
}

impl FirstTime {
    /// One for all inputs.
    pub fn new() -> Self {
        Self { decoder: Decoder::new(Limits::default()), head: Vec::new() }
    }

    /// The first event's time, milliseconds since 1970, if the record's head tells it.
    pub fn of(&mut self, data: &[u8]) -> Option<i64> {
        self.head.clear();
        if data.starts_with(&[0x1f, 0x8b]) {
            // Damage further on does not matter here.
            let _ = GzDecoder::new(data).take(HEAD_BYTES as u64).read_to_end(&mut self.head);
        } else {
            self.head.extend_from_slice(&data[..data.len().min(HEAD_BYTES)]);
        }
        envelope_time(&self.head).or_else(|| {
            let lines = self.head.split(|&byte| byte == b'\n').take(LINES_MAX);
            lines.filter(|line| !line.trim_ascii().is_empty()).find_map(|line| {
                let mut visit = Time(None);
                self.decoder.decode(line, &mut visit);
                visit.0
            })
        })
    }
}

/// The first log event's `timestamp`. Quotes within messages are escaped, so no message can hold the key.
fn envelope_time(head: &[u8]) -> Option<i64> {
    const KEY: &[u8] = br#""timestamp":"#;
    let at = memchr::memmem::find(head, KEY)? + KEY.len();
    let value = head[at..].trim_ascii_start();
    let digits = value.iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(&value[..digits]).ok()?.parse().ok()
}

struct Time(Option<i64>);

impl Visit for Time {
    fn query(&mut self, _: &Source<'_>, query: &Query<'_>) {
        self.0.get_or_insert(query.time_ms);
    }

    fn reject(&mut self, _: &Source<'_>, _: &Reject<'_>) {}
}
