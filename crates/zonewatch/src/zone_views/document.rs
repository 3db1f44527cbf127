//! What is known of zones as documents: what people ask for, and what other workers read.

use super::{Shown, VERSION, ZoneView};
use crate::config::rfc3339;
use crate::printable::{printable, rounded};
use crate::window_line::{self, Closing};
use bytes::Bytes;
use detect::baseline::Signal;
use detect::stable_hash;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Zones whose histories are put as one object: some ten megabytes.
const ZONES_A_PART: usize = 256;
/// What stands between a zone's id and its history.
const BETWEEN: &str = ",\"history\":";

impl Shown {
    /// All of it but histories as a document, which other workers read. Those of the version before may read it too, or may
    /// have written it: they have neither `edges` nor `history_parts`.
    pub fn document(&self, now_ms: i64) -> Value {
        let zones = self.zones();
        json!({
            "version": VERSION,
            "shard": self.shard,
            "time": rfc3339(now_ms),
            "windows_until": self.closed_ms().map(rfc3339),
            "zones": zones.iter().map(|zone| zone.document()).collect::<Vec<_>>(),
            "findings": self.findings(),
            "edges": self.edges(),
            "history_parts": self.history_parts.load(Ordering::Relaxed),
        })
    }

    /// Histories of all zones in some parts: of each zone a line, in that of its [`part`]. Those that the task before has left
    /// go on with them. A part is made when it is asked for, so that no more than one is in memory.
    pub fn histories(&self) -> impl ExactSizeIterator<Item = String> {
        let keys = {
            let state = self.lock();
            let former = state.former.keys().map(|zone_id| Arc::from(zone_id.as_str()));
            state.zones.keys().cloned().chain(former).collect::<Vec<Arc<str>>>()
        };
        let mut parts = vec![Vec::new(); keys.len().div_ceil(ZONES_A_PART)];
        for key in keys {
            let place = part(&printable(&key), parts.len());
            parts[place].push(key);
        }
        parts.into_iter().map(|keys| keys.iter().filter_map(|key| self.history_line(key)).collect())
    }

    /// A zone's line; none if it has gone meanwhile. The zone is held for one line only: one that is held is copied when it changes.
    fn history_line(&self, key: &Arc<str>) -> Option<String> {
        let (zone, former) = {
            let state = self.lock();
            (state.zones.get(key).cloned(), state.former.get(&**key).cloned())
        };
        match zone {
            Some(zone) => Some(format!("{}{}}}\n", history_head(&printable(key)), zone.history.document())),
            None => former.map(|line| format!("{}\n", String::from_utf8_lossy(&line))),
        }
    }
}

/// In which of so many parts a zone's history is.
pub fn part(zone_id: &str, parts: usize) -> usize {
    (stable_hash(0, zone_id.as_bytes()) % parts.max(1) as u64) as usize
}

/// How the line of a zone's history begins, so that it is found without reading the others.
fn history_head(zone_id: &str) -> String {
    format!("{{\"zone_id\":{}{BETWEEN}", Value::from(zone_id))
}

/// A zone's history in its part.
pub fn history_in(part: &[u8], zone_id: &str) -> Option<Value> {
    let head = history_head(zone_id);
    let line = part.split(|byte| *byte == b'\n').find(|line| line.starts_with(head.as_bytes()))?;
    let mut line: Value = serde_json::from_slice(line).ok()?;
    Some(line["history"].take())
}

/// The lines of a part, by zone id.
pub(super) fn history_lines(part: &Bytes) -> impl Iterator<Item = (String, Bytes)> {
    let lines = part.split(|byte| *byte == b'\n').map(|line| part.slice_ref(line));
    // No quote of an id is followed by a comma and a quote: one within it stands behind a backslash.
    lines.filter_map(|line| {
        let end = line.windows(BETWEEN.len()).position(|bytes| bytes == BETWEEN.as_bytes())?;
        let head = [&line[..end], b"}"].concat();
        let zone_id = serde_json::from_slice::<Value>(&head).ok()?["zone_id"].as_str()?.to_owned();
        Some((zone_id, line))
    })
}

impl ZoneView {
    pub(super) fn document(&self) -> Value {
        let by_signal = |numbers: &[Option<f64>]| {
            let known = Signal::ALL.iter().zip(numbers).filter_map(|(signal, number)| {
                number.map(|number| (signal.as_str().to_owned(), json!(rounded(number))))
            });
            Value::Object(known.collect::<Map<_, _>>())
        };
        let minutes = self.history.minutes().map(|(start_ms, queries)| json!([rfc3339(start_ms), queries]));
        json!({
            "window": window_line::line(&self.seen.window, Closing::ByTime),
            "scores": by_signal(&self.seen.scores),
            "values": by_signal(&self.seen.values),
            "minutes": minutes.collect::<Vec<_>>(),
        })
    }
}
