//! What an input is, by its content: never by its name.

use super::frame::{Framing, ObjectScan, PIECE_BYTES_MAX};
use super::stream::{Stream, gzip_headers};
use flate2::bufread::GzDecoder;
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::io::{self, Read};

/// Bytes looked at first.
const HEAD_BYTES: usize = 64 << 10;
/// What an aggregate of the Kinesis Producer Library begins with.
const KPL_MAGIC: [u8; 4] = [0xf3, 0x89, 0x9a, 0xc2];

/// What the pieces of an input are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Records as they stand on the stream: log lines, payloads, aggregates.
    Data,
    /// Captured Kinesis records, a JSON object a line.
    Captured,
    /// Lines of a quarantine.
    Quarantined,
}

/// An input that was recognised.
pub struct Recognized {
    /// Its bytes, from the first.
    pub stream: Stream,
    /// How they are cut.
    pub framing: Framing,
    /// What the pieces are.
    pub kind: Kind,
}

/// Why an input can't be replayed.
#[derive(Debug)]
pub enum Unusable {
    /// It is something else.
    Foreign(String),
    /// It could not be read.
    Unreadable(io::Error),
}

impl From<io::Error> for Unusable {
    fn from(error: io::Error) -> Self {
        Self::Unreadable(error)
    }
}

/// Looks at the head of `stream`. `lines_max` is how many log lines may be decoded at once.
pub fn recognize(mut stream: Stream, lines_max: usize) -> Result<Recognized, Unusable> {
    stream.fill(HEAD_BYTES)?;
    if gzip_headers(stream.buffer()).next() != Some(0) {
        return text(stream, lines_max);
    }
    if is_payload_member(&mut stream)? {
        return Ok(Recognized { stream, framing: Framing::Members, kind: Kind::Data });
    }
    let mut inflated = Stream::inflated(stream);
    inflated.fill(HEAD_BYTES)?;
    text(inflated, lines_max)
}

/// Whether the first gzip member is one CloudWatch payload and nothing else, as a subscription makes them.
fn is_payload_member(stream: &mut Stream) -> io::Result<bool> {
    let mut raw_bytes = HEAD_BYTES;
    loop {
        let more = stream.fill(raw_bytes)?;
        let mut inflated = Vec::new();
        let result = GzDecoder::new(stream.buffer()).take(PIECE_BYTES_MAX as u64 + 1).read_to_end(&mut inflated);
        let object = inflated.trim_ascii_start();
        if object.first() != Some(&b'{') {
            return Ok(false);
        }
        if let Some(end) = ObjectScan::default().end(object) {
            let alone = object[end..].trim_ascii().is_empty();
            if !alone || result.is_ok() {
                return Ok(alone && is_payload(&object[..end]));
            }
        }
        // Cut short by the head or damaged: more of it may tell. A first member that is damaged is told by its beginning.
        if !more || raw_bytes >= PIECE_BYTES_MAX || inflated.len() > PIECE_BYTES_MAX {
            return Ok(is_payload(object) && inflated.len() <= PIECE_BYTES_MAX);
        }
        raw_bytes *= 4;
    }
}

fn text(mut stream: Stream, lines_max: usize) -> Result<Recognized, Unusable> {
    if stream.buffer().starts_with(b"\xef\xbb\xbf") {
        stream.skip(3);
    }
    let head = stream.buffer();
    if head.starts_with(&KPL_MAGIC) {
        return Ok(Recognized { stream, framing: Framing::Whole, kind: Kind::Data });
    }
    if let Some(what) = foreign(head) {
        return Err(Unusable::Foreign(what));
    }
    let blank = head.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or(head.len());
    if head.get(blank) != Some(&b'{') {
        return Ok(Recognized { stream, framing: Framing::Lines { lines_max }, kind: Kind::Data });
    }
    stream.skip(blank);
    let end = first_object(&mut stream)?;
    let buffer = stream.buffer();
    let object = &buffer[..end.unwrap_or(buffer.len())];
    // A line an object, unless the first says otherwise. So a damaged line costs no neighbour.
    let a_line_each = !object.contains(&b'\n') && matches!(buffer.get(object.len()), None | Some(b'\n' | b'\r'));
    let (framing, kind) = if is_payload(object) {
        (if a_line_each || end.is_none() { Framing::Line } else { Framing::Objects }, Kind::Data)
    } else if let Some(kind) = wrapped(object) {
        (Framing::Line, kind)
    } else {
        (Framing::Lines { lines_max }, Kind::Data)
    };
    Ok(Recognized { stream, framing, kind })
}

/// Where the first object ends, however much has to be read for it.
fn first_object(stream: &mut Stream) -> io::Result<Option<usize>> {
    let (mut scan, mut searched) = (ObjectScan::default(), 0);
    loop {
        let buffer = stream.buffer();
        if let Some(end) = scan.end(&buffer[searched..]) {
            // What follows it tells lines from objects.
            stream.fill(searched + end + 1)?;
            return Ok(Some(searched + end));
        }
        searched = buffer.len();
        let more = searched < PIECE_BYTES_MAX && stream.fill(searched + 1)?;
        if !more && stream.buffer().len() == searched {
            return Ok(None);
        }
    }
}

/// Whether an object, or the beginning of one, is an envelope of CloudWatch Logs. Quotes inside a string are escaped, so
/// a key can't be mistaken.
fn is_payload(object: &[u8]) -> bool {
    let has = |key: &str| memchr::memmem::find(object, key.as_bytes()).is_some();
    has(r#""messageType""#) && (has(r#""logEvents""#) || has(r#""logGroup""#))
}

fn wrapped(object: &[u8]) -> Option<Kind> {
    #[derive(Deserialize)]
    struct Keys {
        data: Option<IgnoredAny>,
        sequence_number: Option<IgnoredAny>,
        reason: Option<IgnoredAny>,
    }
    let keys: Keys = serde_json::from_slice(object).ok()?;
    match (keys.data, keys.sequence_number, keys.reason) {
        (Some(_), Some(_), Some(_)) => Some(Kind::Quarantined),
        (Some(_), Some(_), None) => Some(Kind::Captured),
        _ => None,
    }
}

/// What a head that can't be text is, for people.
fn foreign(head: &[u8]) -> Option<String> {
    const KNOWN: [(&[u8], &str); 7] = [
        (b"PK\x03\x04", "a zip archive; unpack it first"),
        (b"\x28\xb5\x2f\xfd", "zstd-compressed; decompress it first (zstd -dc FILE | zonewatch replay -)"),
        (b"BZh", "bzip2-compressed; decompress it first (bzip2 -dc FILE | zonewatch replay -)"),
        (b"\xfd7zXZ", "xz-compressed; decompress it first (xz -dc FILE | zonewatch replay -)"),
        (b"PAR1", "a Parquet file; export its messages as lines first"),
        (b"\xff\xfe", "UTF-16 text; convert it to UTF-8 first"),
        (b"\xfe\xff", "UTF-16 text; convert it to UTF-8 first"),
    ];
    if let Some((_, what)) = KNOWN.iter().find(|(magic, _)| head.starts_with(magic)) {
        return Some((*what).to_owned());
    }
    // A tar archive has its magic behind the first file's name; any other text has no zero byte.
    if head.get(257..262) == Some(b"ustar") {
        return Some("a tar archive; unpack it first (tar -xO FILE | zonewatch replay -)".to_owned());
    }
    // Damaged text has a stray zero or control byte; what is no text at all is full of them.
    let head = &head[..head.len().min(4096)];
    let control = head.iter().filter(|byte| byte.is_ascii_control() && !byte.is_ascii_whitespace()).count();
    if control * 32 <= head.len() {
        return None;
    }
    let first: Vec<String> = head[..head.len().min(8)].iter().map(|byte| format!("{byte:02x}")).collect();
    Some(format!(
        "not text (it begins with {}); replay takes gzip or plain files with CloudWatch Logs payloads or exports, \
         query-log lines, Resolver JSON, captured records or a quarantine",
        first.join(" ")
    ))
}
