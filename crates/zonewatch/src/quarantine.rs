//! Where rejects are kept, with their reason, place and original bytes, before the checkpoint passes them.
//!
//! A reject becomes one or more NDJSON lines. `zonewatch replay` reads them back ([`Line::into_record`]).

use crate::config::{Compression, Packing};
use crate::lines::Lines;
use crate::outlet::Outlet;
use crate::telemetry;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use dnslog::schema::Place;
use dnslog::{BytesForm, Reject, Source};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tracing::error;

/// Original bytes of one line. With base64 and the other fields a line stays under Firehose's 1,000 KiB.
const PART_BYTES_MAX: usize = 700 * 1000;

/// One line of the quarantine.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Line<'a> {
    /// Why; one of `dnslog::Reason`.
    pub reason: Cow<'a, str>,
    /// The source shard, or the input file.
    pub shard: Cow<'a, str>,
    /// The record's sequence number.
    pub sequence_number: Cow<'a, str>,
    /// When the record arrived, milliseconds since 1970.
    pub arrival: i64,
    /// The log event, counted from 0 in its record; absent if the loss is not one event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_index: Option<u32>,
    /// The log event's id; absent where there was none.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub event_id: Cow<'a, str>,
    /// The envelope the event came in; absent where there was none.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub owner: Cow<'a, str>,
    /// As `owner`.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub log_group: Cow<'a, str>,
    /// As `owner`.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub log_stream: Cow<'a, str>,
    /// `raw` or `inflated`: which form of the record `offset` counts in.
    pub form: Cow<'a, str>,
    /// Where the bytes of this part began.
    pub offset: usize,
    /// This line's place among the parts of one reject, from 0.
    pub part: u32,
    /// How many parts the reject has.
    pub parts: u32,
    /// How many bytes there were, if they were not kept for the sake of privacy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withheld_bytes: Option<usize>,
    /// The original bytes of this part, base64.
    pub data: Cow<'a, str>,
}

/// How much of a reject is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// All, so that it can be played again.
    Bytes,
    /// Why and where it was only: it may hold what nobody is to see.
    Place,
}

/// Appends a reject to `lines`.
pub fn push(lines: &mut Lines, source: &Source<'_>, place: &Place<'_>, reject: &Reject<'_>, kept: Kept) {
    let (all, withheld_bytes) = match kept {
        Kept::Bytes => (reject.bytes, None),
        Kept::Place => (&[][..], Some(reject.bytes.len())),
    };
    let parts = all.len().div_ceil(PART_BYTES_MAX).max(1);
    for part in 0..parts {
        let start = part * PART_BYTES_MAX;
        let bytes = &all[start..all.len().min(start + PART_BYTES_MAX)];
        let line = Line {
            reason: reject.reason.as_str().into(),
            // A capture may claim any name; an input's is its path.
            shard: bounded(place.shard).into(),
            sequence_number: place.sequence_number.into(),
            arrival: place.arrival_ms,
            event_index: reject.event_index,
            event_id: bounded(reject.event_id).into(),
            owner: bounded(source.owner).into(),
            log_group: bounded(source.log_group).into(),
            log_stream: bounded(source.log_stream).into(),
            form: match reject.form {
                BytesForm::Raw => "raw".into(),
                BytesForm::Inflated => "inflated".into(),
            },
            offset: reject.offset + start,
            part: part as u32,
            parts: parts as u32,
            withheld_bytes,
            data: BASE64.encode(bytes).into(),
        };
        let write = |out: &mut Vec<u8>| {
            serde_json::to_writer(&mut *out, &line).expect("text and numbers always become JSON");
            out.push(b'\n');
        };
        lines.push_with(write).expect("a part and bounded fields stay under an entry");
    }
}

/// Text that the sender chose, cut to what CloudWatch allows a log group's name, so that a line stays within an entry.
fn bounded(text: &str) -> &str {
    &text[..text.floor_char_boundary(512)]
}

impl Line<'_> {
    /// The record that this line's bytes are to be decoded as. One event of an envelope is put into an envelope again,
    /// so that it keeps its log group and stream.
    pub fn into_record(self) -> Result<Vec<u8>, base64::DecodeError> {
        let bytes = BASE64.decode(self.data.as_bytes())?;
        let event = serde_json::from_slice::<serde_json::Value>(&bytes).is_ok_and(|json| json.get("message").is_some());
        if !event || self.log_group.is_empty() {
            return Ok(bytes);
        }
        let text = |text: &str| serde_json::Value::from(text).to_string();
        let mut record = format!(
            r#"{{"messageType":"DATA_MESSAGE","owner":{},"logGroup":{},"logStream":{},"subscriptionFilters":[],"logEvents":["#,
            text(&self.owner),
            text(&self.log_group),
            text(&self.log_stream),
        )
        .into_bytes();
        record.extend_from_slice(&bytes);
        record.extend_from_slice(b"]}");
        Ok(record)
    }
}

/// Where quarantine lines go.
#[derive(Clone)]
pub enum Quarantine {
    /// Rejects are counted only.
    None,
    /// A Firehose delivery stream.
    Outlet(Arc<Outlet>),
    /// A file that is appended to and synced.
    File(Arc<QuarantineFile>),
}

/// An append-only file.
pub struct QuarantineFile {
    path: PathBuf,
    file: Mutex<std::fs::File>,
    /// It may end in a part of a line, which must not become one with the next.
    torn: AtomicBool,
}

impl QuarantineFile {
    /// Opens or creates the file.
    pub fn open(path: &Path) -> std::io::Result<Self> {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(path)?;
        // Cut short by a process that died, perhaps. A pipe has no end to look at, and one blank line costs nothing.
        let torn = file.metadata()?.is_file() && ends_within_a_line(path).unwrap_or(true);
        Ok(Self { path: path.to_owned(), file: Mutex::new(file), torn: AtomicBool::new(torn) })
    }

    /// What a write that fails half-way leaves.
    #[cfg(test)]
    fn append_torn(&self, bytes: &[u8]) {
        self.append([bytes]).expect("a writable file");
        self.torn.store(true, Relaxed);
    }

    fn append<'a>(&self, pieces: impl IntoIterator<Item = &'a [u8]>) -> std::io::Result<()> {
        let mut file = self.file.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if self.torn.swap(true, Relaxed) {
            file.write_all(b"\n")?;
        }
        for piece in pieces {
            file.write_all(piece)?;
        }
        self.torn.store(false, Relaxed);
        file.sync_data()
    }
}

fn ends_within_a_line(path: &Path) -> std::io::Result<bool> {
    let mut file = std::fs::File::open(path)?;
    let mut last = [b'\n'];
    if file.metadata()?.len() > 0 {
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
    }
    Ok(last != [b'\n'])
}

impl Quarantine {
    /// Returns once the lines are safe.
    pub async fn deliver(&self, lines: Lines, clock: &crate::clock::Clock) {
        if lines.is_empty() {
            return;
        }
        let (count, payload_bytes) = (lines.count() as u64, lines.len());
        match self {
            Self::None => metrics::counter!(telemetry::QUARANTINE_TOTAL, "outcome" => "dropped").increment(count),
            Self::Outlet(outlet) => {
                outlet.deliver(lines.into_entries(Packing::Lines, Compression::None), payload_bytes).await;
                metrics::counter!(telemetry::QUARANTINE_TOTAL, "outcome" => "kept").increment(count);
            }
            Self::File(file) => {
                let lines = Arc::new(lines);
                loop {
                    let (file, lines) = (file.clone(), lines.clone());
                    let path = file.path.display().to_string();
                    let appended = tokio::task::spawn_blocking(move || file.append(lines.pieces())).await;
                    match appended {
                        Ok(Ok(())) => break,
                        Ok(Err(error)) => error!(%path, %error, "quarantine file refuses; the checkpoint waits"),
                        Err(error) => error!(%path, %error, "quarantine write failed; the checkpoint waits"),
                    }
                    metrics::counter!(telemetry::QUARANTINE_TOTAL, "outcome" => "failed").increment(count);
                    clock.sleep(Duration::from_secs(60)).await;
                }
                metrics::counter!(telemetry::QUARANTINE_TOTAL, "outcome" => "kept").increment(count);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dnslog::Reason;

    fn reject(bytes: &[u8]) -> Lines {
        reject_keeping(Kept::Bytes, bytes)
    }

    fn reject_keeping(kept: Kept, bytes: &[u8]) -> Lines {
        let mut lines = Lines::default();
        let source = Source { owner: "123456789012", log_group: "/aws/route53/example.com", ..Source::default() };
        let place = Place { shard: "shardId-000000000000", sequence_number: "495", arrival_ms: 7, ..Place::default() };
        let reject = Reject {
            reason: Reason::FieldCount,
            event_index: Some(3),
            event_id: "37\u{1f980}",
            offset: 100,
            form: BytesForm::Inflated,
            bytes,
        };
        push(&mut lines, &source, &place, &reject, kept);
        lines
    }

    #[test]
    fn a_reject_becomes_a_line_and_a_record_again() {
        let event = br#"{"id":"37","timestamp":1,"message":"1.0 short"}"#;
        let lines = reject(event);
        let text = lines.text();
        let line: Line<'_> = serde_json::from_slice(&text).expect("a line is JSON");
        assert_eq!(
            (line.reason.as_ref(), line.event_index, line.event_id.as_ref()),
            ("field_count", Some(3), "37\u{1f980}")
        );
        let record = String::from_utf8(line.into_record().expect("base64")).expect("text");
        let expected = r#"{"messageType":"DATA_MESSAGE","owner":"123456789012","logGroup":"/aws/route53/example.com","logStream":"","subscriptionFilters":[],"logEvents":[{"id":"37","timestamp":1,"message":"1.0 short"}]}"#;
        assert_eq!(record, expected);
    }

    #[test]
    fn large_rejects_are_kept_in_parts() {
        let bytes = vec![0xff; 2_000_000];
        let lines = reject(&bytes);
        assert_eq!(lines.count(), 3);
        let mut joined = Vec::new();
        for (at, line) in lines.text().split_inclusive(|&byte| byte == b'\n').enumerate() {
            assert!(line.len() < 1_000 * 1024);
            let line: Line<'_> = serde_json::from_slice(line).expect("a line is JSON");
            assert_eq!((line.part, line.parts, line.offset), (at as u32, 3, 100 + at * PART_BYTES_MAX));
            joined.extend(line.into_record().expect("base64"));
        }
        assert!(joined == bytes);
    }

    #[test]
    fn a_line_fits_an_entry_whatever_its_fields_hold() {
        let long = "\u{1}".repeat(2_000_000);
        let mut lines = Lines::default();
        let source = Source { owner: &long, log_group: &long, log_stream: &long, ..Source::default() };
        let place = Place { shard: &long, sequence_number: "495", arrival_ms: 7, ..Place::default() };
        let reject = Reject {
            reason: Reason::FieldCount,
            event_index: None,
            event_id: &long,
            offset: 0,
            form: BytesForm::Raw,
            bytes: &[0; PART_BYTES_MAX],
        };
        push(&mut lines, &source, &place, &reject, Kept::Bytes);
        assert_eq!(lines.count(), 1);
    }

    #[test]
    fn what_nobody_is_to_see_is_not_kept() {
        let lines = reject_keeping(Kept::Place, &[b'x'; 2_000_000]);
        let text = lines.text();
        let line: Line<'_> = serde_json::from_slice(&text).expect("one line");
        assert_eq!((line.reason.as_ref(), line.offset, line.parts), ("field_count", 100, 1));
        assert_eq!((line.withheld_bytes, line.data.as_ref()), (Some(2_000_000), ""));
        assert_eq!(line.into_record().expect("base64"), b"", "it is rejected again, as empty");
    }

    #[tokio::test]
    async fn a_file_keeps_lines_of_every_delivery() {
        let folder = std::env::temp_dir().join(format!("zonewatch-quarantine-{}", std::process::id()));
        let file = Quarantine::File(Arc::new(QuarantineFile::open(&folder).expect("a writable folder")));
        let clock = crate::clock::Clock::real();
        file.deliver(reject(b"a"), &clock).await;
        file.deliver(reject(b"b"), &clock).await;
        let kept = std::fs::read_to_string(&folder).expect("the file is there");
        std::fs::remove_file(&folder).expect("it can be removed");
        assert_eq!(kept.lines().count(), 2);
    }

    #[tokio::test]
    async fn a_line_that_was_cut_short_costs_no_other() {
        let path = std::env::temp_dir().join(format!("zonewatch-quarantine-torn-{}", std::process::id()));
        // As a crash or a full disk leaves it.
        std::fs::write(&path, b"{\"reason\":\"bad_js").expect("a writable folder");
        let file = Arc::new(QuarantineFile::open(&path).expect("a writable file"));
        let quarantine = Quarantine::File(file.clone());
        let clock = crate::clock::Clock::real();
        quarantine.deliver(reject(b"a"), &clock).await;
        file.append_torn(b"{\"re");
        quarantine.deliver(reject(b"b"), &clock).await;
        let kept = std::fs::read_to_string(&path).expect("the file is there");
        std::fs::remove_file(&path).expect("it can be removed");
        let sound = kept.lines().filter(|line| serde_json::from_str::<Line<'_>>(line).is_ok()).count();
        assert_eq!((kept.lines().count(), sound), (4, 2), "{kept}");
    }
}
