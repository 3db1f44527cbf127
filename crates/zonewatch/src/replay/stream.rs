//! An input's bytes, plain or inflated, in one buffer that pieces are cut off.
//!
//! Nothing here knows what the bytes mean. An inflated stream goes on behind a damaged member: the damage is told once,
//! with its place, and inflating starts again at the next gzip header.

use bytes::{Bytes, BytesMut};
use dnslog::Reason;
use flate2::bufread::GzDecoder;
use std::cell::Cell;
use std::collections::VecDeque;
use std::io::{self, BufRead, Read};
use std::rc::Rc;

/// Bytes asked of the input at once.
const READ_BYTES: usize = 256 << 10;
/// Bytes of a damage that are kept for the quarantine; the input itself still has all of them.
const DAMAGE_BYTES_MAX: usize = 64 << 10;
/// What every gzip member begins with: magic and the only method (RFC 1952, 2.3.1).
const GZIP_START: [u8; 3] = [0x1f, 0x8b, 8];

/// Where gzip members may begin: magic, method, and no reserved flag.
pub fn gzip_headers(bytes: &[u8]) -> impl Iterator<Item = usize> {
    memchr::memmem::find_iter(bytes, &GZIP_START).filter(|&at| bytes.get(at + 3).is_some_and(|flags| flags & 0xe0 == 0))
}

/// Bytes taken from an input, counted as the input has them. Clones share the count.
#[derive(Debug, Clone, Default)]
pub struct Taken(Rc<Cell<u64>>);

impl Taken {
    /// So many so far.
    pub fn bytes(&self) -> u64 {
        self.0.get()
    }
}

/// A part of a gzip stream that could not be inflated.
#[derive(Debug)]
pub struct Damage {
    /// Why.
    pub reason: Reason,
    /// Where the member that is damaged could no longer be read, in the input's own bytes.
    pub offset: u64,
    /// What was skipped to the next member, the beginning of it.
    pub bytes: Vec<u8>,
}

/// Bytes in order. `buffer` holds what was read and not yet cut off.
pub struct Stream {
    source: Source,
    buffer: BytesMut,
    /// Where `buffer` begins, counted in this stream's bytes.
    offset: u64,
    ended: bool,
}

enum Source {
    Plain(Box<dyn Read>),
    Gzip(Box<Inflate>),
}

impl Stream {
    /// The bytes as they are, counted in `taken`.
    pub fn plain(input: impl Read + 'static, taken: Taken) -> Self {
        Self::over(Source::Plain(Box::new(Counted { input, taken })))
    }

    /// What the gzip members of `raw` inflate to, one after the other.
    pub fn inflated(raw: Stream) -> Self {
        Self::over(Source::Gzip(Box::new(Inflate { state: State::Between(raw), damage: VecDeque::new() })))
    }

    fn over(source: Source) -> Self {
        Self { source, buffer: BytesMut::new(), offset: 0, ended: false }
    }

    /// Reads until the buffer holds `wanted` bytes or the input ends, so that what is cut depends on the input alone and
    /// not on how it trickles in. True if there may be more.
    pub fn fill(&mut self, wanted: usize) -> io::Result<bool> {
        let mut filled = self.buffer.len();
        if filled < wanted && !self.ended {
            self.buffer.resize(wanted.max(filled + READ_BYTES), 0);
            let mut read = Ok(1);
            while filled < wanted && matches!(read, Ok(1..)) {
                read = match &mut self.source {
                    Source::Plain(input) => retry(|| input.read(&mut self.buffer[filled..])),
                    Source::Gzip(inflate) => inflate.read(&mut self.buffer[filled..]),
                };
                filled += read.as_ref().unwrap_or(&0);
            }
            self.buffer.truncate(filled);
            self.ended = read? == 0;
        }
        Ok(!self.ended)
    }

    /// What was read and not yet cut off.
    pub fn buffer(&self) -> &[u8] {
        &self.buffer
    }

    /// Where the buffer begins.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Cuts off the first `length` bytes, without copying them.
    pub fn cut(&mut self, length: usize) -> Bytes {
        self.offset += length as u64;
        self.buffer.split_to(length).freeze()
    }

    /// Drops the first `length` bytes.
    pub fn skip(&mut self, length: usize) {
        bytes::Buf::advance(&mut self.buffer, length);
        self.offset += length as u64;
    }

    /// Damage met since the last call.
    pub fn take_damage(&mut self) -> Option<Damage> {
        match &mut self.source {
            Source::Plain(_) => None,
            Source::Gzip(inflate) => inflate.damage.pop_front(),
        }
    }
}

impl Read for Stream {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let length = self.fill_buf()?.len().min(out.len());
        out[..length].copy_from_slice(&self.buffer[..length]);
        self.consume(length);
        Ok(length)
    }
}

impl BufRead for Stream {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.fill(1)?;
        Ok(&self.buffer)
    }

    fn consume(&mut self, length: usize) {
        self.skip(length);
    }
}

struct Counted<R> {
    input: R,
    taken: Taken,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(out)?;
        self.taken.0.set(self.taken.0.get() + read as u64);
        Ok(read)
    }
}

/// Members inflated one after the other, across damage.
struct Inflate {
    state: State,
    damage: VecDeque<Damage>,
}

enum State {
    Between(Stream),
    /// With the place where the member began.
    Member(Box<GzDecoder<Stream>>, u64),
    Ended,
}

impl Inflate {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            match std::mem::replace(&mut self.state, State::Ended) {
                State::Ended => return Ok(0),
                State::Between(mut raw) => {
                    if !raw.fill_buf()?.is_empty() {
                        let start = raw.offset();
                        self.state = State::Member(Box::new(GzDecoder::new(raw)), start);
                    }
                }
                State::Member(mut decoder, start) => match decoder.read(out) {
                    Ok(0) => self.state = State::Between(decoder.into_inner()),
                    Ok(read) => {
                        self.state = State::Member(decoder, start);
                        return Ok(read);
                    }
                    Err(error) => {
                        let reason = match error.kind() {
                            io::ErrorKind::UnexpectedEof => Reason::TruncatedGzip,
                            io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => Reason::CorruptGzip,
                            // The disk's or the pipe's own failure.
                            _ => return Err(error),
                        };
                        self.resume(decoder.into_inner(), start, reason)?;
                        // What the damage cut short must not become one line with what follows.
                        out[0] = b'\n';
                        return Ok(1);
                    }
                },
            }
        }
    }

    /// Skips to the next header and notes the damage.
    fn resume(&mut self, mut raw: Stream, start: u64, reason: Reason) -> io::Result<()> {
        if raw.offset() == start {
            // Nothing of it was taken: it must not be tried for ever.
            raw.skip(1);
        }
        let mut damage = Damage { reason, offset: raw.offset(), bytes: Vec::new() };
        loop {
            let more = raw.fill(READ_BYTES)?;
            let buffer = raw.buffer();
            let header = gzip_headers(buffer).next();
            // A header may begin in the last three bytes and end in what was not read yet.
            let skipped = header.unwrap_or(buffer.len().saturating_sub(if more { 3 } else { 0 }));
            let kept = skipped.min(DAMAGE_BYTES_MAX - damage.bytes.len());
            damage.bytes.extend_from_slice(&buffer[..kept]);
            raw.skip(skipped);
            if header.is_some() || !more {
                break;
            }
        }
        self.damage.push_back(damage);
        self.state = State::Between(raw);
        Ok(())
    }
}

/// A signal that interrupts a read says nothing about the input.
fn retry(mut read: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match read() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::write::GzEncoder;
    use std::io::Write;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn inflate(raw: Vec<u8>) -> (Vec<u8>, Vec<Damage>) {
        let mut stream = Stream::inflated(Stream::plain(io::Cursor::new(raw), Taken::default()));
        let mut damage = Vec::new();
        while stream.fill(stream.buffer().len() + 1).unwrap() {}
        while let Some(one) = stream.take_damage() {
            damage.push(one);
        }
        (stream.buffer().to_vec(), damage)
    }

    #[test]
    fn members_inflate_one_after_the_other() {
        let (text, damage) = inflate([gzip(b"one\ntw"), gzip(b"o\n"), gzip(b""), gzip(b"three\n")].concat());
        assert_eq!((text.as_slice(), damage.len()), (&b"one\ntwo\nthree\n"[..], 0));
    }

    #[test]
    fn a_damaged_member_costs_no_neighbour() {
        let noise: Vec<u8> = (0..40_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8 | 0x40).collect();
        let mut middle = gzip(&noise);
        let at = middle.len() / 2;
        middle[at..at + 200].fill(0xff);
        let first = gzip(b"first\n");
        let (text, damage) = inflate([first.clone(), middle, gzip(b"last\n")].concat());
        assert!(text.starts_with(b"first\n") && text.ends_with(b"\nlast\n"), "{} bytes", text.len());
        assert_eq!(damage.len(), 1);
        assert_eq!(damage[0].reason, Reason::CorruptGzip);
        assert!(damage[0].offset > first.len() as u64);
    }

    #[test]
    fn a_wrong_checksum_is_damage_too() {
        let mut member = gzip(b"all of it\n");
        let crc = member.len() - 8;
        member[crc] ^= 1;
        let (text, damage) = inflate([member, gzip(b"next\n")].concat());
        assert_eq!(text, b"all of it\n\nnext\n");
        assert_eq!(damage.iter().map(|damage| damage.reason).collect::<Vec<_>>(), [Reason::CorruptGzip]);
    }

    #[test]
    fn a_member_cut_at_any_byte_is_told_once_and_keeps_what_there_is() {
        let whole = gzip(b"a line of some length\nanother line of some length\n");
        for length in 1..whole.len() {
            let (text, damage) = inflate(whole[..length].to_vec());
            assert_eq!(damage.len(), 1, "cut at {length}");
            assert!(b"a line of some length\nanother line of some length\n\n".starts_with(text.trim_ascii_end()));
        }
    }

    #[test]
    fn headers_without_members_come_to_an_end() {
        let (text, damage) = inflate([0x1f, 0x8b, 8, 0].repeat(500));
        assert!(text.len() <= 501 && damage.len() <= 501, "{} {}", text.len(), damage.len());
        let (_, damage) = inflate(b"\x1f\x8b\x08\xff rubbish".to_vec());
        assert_eq!(damage.len(), 1);
    }
}
