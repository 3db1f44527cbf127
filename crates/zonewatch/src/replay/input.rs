//! An input, a file or standard input, as the records of one shard.
//!
//! Its name is the shard's, and a record's sequence number is where the record begins in it. Captured and quarantined
//! records carry their own.

use super::frame::{Frames, Piece};
use super::recognize::{Kind, Recognized, Unusable, recognize};
use super::stream::{Stream, Taken};
use super::wrapped::{Wrapped, Wrapping};
use cloud::Record;
use dnslog::Reason;
use lease::SequenceNumber;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// When a record arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// As the capture says.
    Noted,
    /// Nobody noted it: at the running maximum of event times.
    Unknown,
}

/// The next thing an input holds.
#[derive(Debug)]
pub struct Item {
    /// Whose record it is.
    pub shard: Arc<str>,
    /// The record.
    pub record: Record,
    /// Whether `record.arrival_ms` says something.
    pub arrival: Arrival,
    /// Why it can't be decoded, if it can't.
    pub fault: Option<Reason>,
}

/// An open input.
pub struct Input {
    name: Arc<str>,
    frames: Frames,
    kind: Kind,
    wrapping: Wrapping,
    taken: Taken,
    size: Option<u64>,
}

impl Input {
    /// Opens a file, or standard input if `path` is `-`, and looks what it is.
    pub fn open(path: &Path, lines_max: usize) -> Result<Self, Unusable> {
        if path == Path::new("-") {
            return Self::over(io::stdin(), "stdin", None, lines_max);
        }
        let name = path.display().to_string();
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Err(Unusable::Foreign(format!("a folder; name its files ({name}/*)")));
        }
        let size = metadata.is_file().then_some(metadata.len());
        Self::over(file, &name, size, lines_max)
    }

    /// An input over any bytes; `size` if it is known.
    pub fn over(
        input: impl io::Read + 'static,
        name: &str,
        size: Option<u64>,
        lines_max: usize,
    ) -> Result<Self, Unusable> {
        let taken = Taken::default();
        let Recognized { stream, framing, kind } = recognize(Stream::plain(input, taken.clone()), lines_max)?;
        let frames = Frames::new(stream, framing);
        Ok(Self { name: name.into(), frames, kind, wrapping: Wrapping::default(), taken, size })
    }

    /// As it was given.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Whether it holds our own rejects.
    pub fn is_quarantine(&self) -> bool {
        matches!(self.kind, Kind::Quarantined)
    }

    /// Bytes read so far.
    pub fn bytes(&self) -> u64 {
        self.taken.bytes()
    }

    /// All its bytes, if that is known.
    pub fn size(&self) -> Option<u64> {
        self.size
    }

    /// The next record; `None` at the end.
    pub fn next(&mut self) -> io::Result<Option<Item>> {
        loop {
            let piece = match self.wrapping.take_waiting() {
                Some(piece) => Some(piece),
                None => self.frames.next()?,
            };
            let wrapped = match (self.kind, piece) {
                (Kind::Data, piece) => return Ok(piece.map(|piece| self.item(piece))),
                (_, Some(piece)) if piece.fault.is_some() => return Ok(Some(self.item(piece))),
                (Kind::Captured, Some(piece)) => self.wrapping.captured(piece),
                (Kind::Quarantined, Some(piece)) => self.wrapping.quarantined(piece),
                (_, None) => self.wrapping.end(),
            };
            match wrapped {
                Wrapped::Item(item) => return Ok(Some(item)),
                Wrapped::Bad(piece) => return Ok(Some(self.item(piece))),
                Wrapped::More => {}
                Wrapped::End => return Ok(None),
            }
        }
    }

    fn item(&self, piece: Piece) -> Item {
        let sequence = SequenceNumber::parse(&piece.offset.to_string()).expect("an offset is a decimal number");
        Item {
            shard: self.name.clone(),
            record: Record { sequence, arrival_ms: 0, data: piece.bytes },
            arrival: Arrival::Unknown,
            fault: piece.fault,
        }
    }
}
