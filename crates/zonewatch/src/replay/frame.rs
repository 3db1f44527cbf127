//! Cuts a stream into pieces that are decoded as one record each.
//!
//! Where a piece ends depends on the input's bytes alone, so the same input gives the same records whether it comes
//! from a file or trickles through a pipe. No piece is larger than [`PIECE_BYTES_MAX`]; what is larger becomes a fault.

use super::stream::{Stream, gzip_headers};
use bytes::Bytes;
use dnslog::Reason;
use std::io;

/// Log lines decoded at once: large enough that nothing is felt of the cut, small enough to stay in a processor's cache.
/// Also the longest line; CloudWatch Logs takes events of 1 MB at most.
pub const LINES_BYTES: usize = 1 << 20;
/// The largest record: an object, a captured line or a gzip member. The decoder's own cap is the same by default.
pub const PIECE_BYTES_MAX: usize = 64 << 20;
/// The shortest gzip member: a header of 10 bytes, an empty block, a trailer of 8.
const MEMBER_BYTES_MIN: usize = 20;

/// How an input falls into pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Many lines a piece, at most `lines_max`: log lines, whose neighbours matter to nobody.
    Lines {
        /// Lines of one piece.
        lines_max: usize,
    },
    /// A line a piece.
    Line,
    /// JSON objects one after the other, with or without white space between and within them.
    Objects,
    /// Gzip members, each a record, never inflated here. A member begins where bytes stand that equal the first
    /// member's header but for its time: six bytes, which compressed data holds by chance once in 2^48 places. Should
    /// members have different headers, a piece holds several, which the decoder takes too.
    Members,
    /// All of it.
    Whole,
}

/// A part of an input.
#[derive(Debug, PartialEq, Eq)]
pub struct Piece {
    /// Where it begins in the stream.
    pub offset: u64,
    /// What it says.
    pub bytes: Bytes,
    /// Why it can't be decoded, if it can't.
    pub fault: Option<Reason>,
}

/// A stream's pieces in order.
pub struct Frames {
    stream: Stream,
    framing: Framing,
    /// The rest of a line whose beginning was a fault is still to be dropped.
    dropping: bool,
    /// A piece that was cut when damage was met; the damage is told first.
    waiting: Option<Piece>,
}

impl Frames {
    /// The pieces of `stream`.
    pub fn new(stream: Stream, framing: Framing) -> Self {
        Self { stream, framing, dropping: false, waiting: None }
    }

    /// The next piece; `None` at the end.
    pub fn next(&mut self) -> io::Result<Option<Piece>> {
        let piece = match self.waiting.take() {
            Some(piece) => Some(piece),
            None => self.cut_next()?,
        };
        match self.stream.take_damage() {
            Some(damage) => {
                self.waiting = piece;
                Ok(Some(Piece { offset: damage.offset, bytes: damage.bytes.into(), fault: Some(damage.reason) }))
            }
            None => Ok(piece),
        }
    }

    fn cut_next(&mut self) -> io::Result<Option<Piece>> {
        if self.dropping {
            self.drop_line()?;
        }
        match self.framing {
            Framing::Lines { lines_max } => self.lines(lines_max),
            Framing::Line => self.line(),
            Framing::Objects => self.object(),
            Framing::Members => self.member(),
            Framing::Whole => self.whole(),
        }
    }

    fn lines(&mut self, lines_max: usize) -> io::Result<Option<Piece>> {
        let more = self.stream.fill(LINES_BYTES)?;
        let buffer = self.stream.buffer();
        let head = &buffer[..buffer.len().min(LINES_BYTES)];
        let end = match memchr::memchr_iter(b'\n', head).nth(lines_max - 1) {
            Some(end) => Some(end + 1),
            None if !more && buffer.len() <= LINES_BYTES => Some(buffer.len()),
            None => memchr::memrchr(b'\n', head).map(|end| end + 1),
        };
        match end {
            Some(0) => Ok(None),
            Some(end) => Ok(Some(self.cut(end))),
            None => Ok(Some(self.fault(LINES_BYTES, Reason::LineTooLong))),
        }
    }

    fn line(&mut self) -> io::Result<Option<Piece>> {
        let mut searched = 0;
        loop {
            let buffer = self.stream.buffer();
            if let Some(end) = memchr::memchr(b'\n', &buffer[searched..]) {
                return Ok(Some(self.cut(searched + end + 1)));
            }
            searched = buffer.len();
            if searched >= PIECE_BYTES_MAX {
                return Ok(Some(self.fault(PIECE_BYTES_MAX, Reason::LineTooLong)));
            }
            if !self.stream.fill(searched + 1)? && self.stream.buffer().len() == searched {
                return Ok((searched > 0).then(|| self.cut(searched)));
            }
        }
    }

    fn object(&mut self) -> io::Result<Option<Piece>> {
        loop {
            self.stream.fill(1)?;
            let buffer = self.stream.buffer();
            let blank = buffer.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or(buffer.len());
            self.stream.skip(blank);
            if !self.stream.buffer().is_empty() || !self.stream.fill(1)? {
                break;
            }
        }
        if self.stream.buffer().first() != Some(&b'{') {
            // Not an object: what stands here is rejected by the decoder, a line at a time.
            return self.line();
        }
        let mut scan = ObjectScan::default();
        let mut searched = 0;
        loop {
            let buffer = self.stream.buffer();
            if let Some(end) = scan.end(&buffer[searched..]) {
                return Ok(Some(self.cut(searched + end)));
            }
            searched = buffer.len();
            if searched >= PIECE_BYTES_MAX {
                // An object that never ends. What follows can only be found by its line.
                return Ok(Some(self.fault(PIECE_BYTES_MAX, Reason::BadJson)));
            }
            if !self.stream.fill(searched + 1)? && self.stream.buffer().len() == searched {
                return Ok(Some(self.cut(searched)));
            }
        }
    }

    fn member(&mut self) -> io::Result<Option<Piece>> {
        let mut searched = MEMBER_BYTES_MIN;
        loop {
            let more = self.stream.fill(searched + LINES_BYTES)?;
            let buffer = self.stream.buffer();
            let Some(tail) = buffer.get(searched..) else {
                return Ok((!buffer.is_empty()).then(|| self.cut(self.stream.buffer().len())));
            };
            let alike = |&at: &usize| {
                let header = &buffer[searched + at..];
                header.len() >= 10 && header[..4] == buffer[..4] && header[8..10] == buffer[8..10]
            };
            let next = gzip_headers(tail).find(alike);
            if let Some(at) = next {
                return Ok(Some(self.cut(searched + at)));
            }
            if !more {
                return Ok(Some(self.cut(self.stream.buffer().len())));
            }
            if buffer.len() >= PIECE_BYTES_MAX {
                return Ok(Some(self.cut(PIECE_BYTES_MAX)));
            }
            searched = (buffer.len() - 9).max(searched);
        }
    }

    fn whole(&mut self) -> io::Result<Option<Piece>> {
        self.stream.fill(PIECE_BYTES_MAX)?;
        let length = self.stream.buffer().len().min(PIECE_BYTES_MAX);
        Ok((length > 0).then(|| self.cut(length)))
    }

    fn cut(&mut self, length: usize) -> Piece {
        let offset = self.stream.offset();
        Piece { offset, bytes: self.stream.cut(length), fault: None }
    }

    /// The beginning of something too large; the rest of its line is dropped.
    fn fault(&mut self, length: usize, reason: Reason) -> Piece {
        self.dropping = true;
        Piece { fault: Some(reason), ..self.cut(length) }
    }

    fn drop_line(&mut self) -> io::Result<()> {
        self.dropping = false;
        while self.stream.fill(1)? || !self.stream.buffer().is_empty() {
            let buffer = self.stream.buffer();
            match memchr::memchr(b'\n', buffer) {
                Some(end) => {
                    self.stream.skip(end + 1);
                    return Ok(());
                }
                None => self.stream.skip(buffer.len()),
            }
        }
        Ok(())
    }
}

/// Finds where a JSON object ends, over as many parts as it comes in. It looks at strings and braces alone; whether the
/// object is JSON is for the decoder to say.
#[derive(Debug, Default)]
pub struct ObjectScan {
    depth: usize,
    in_string: bool,
    escaped: bool,
}

impl ObjectScan {
    /// How much of `part` belongs to the object, if it ends there. The first part begins with its `{`.
    pub fn end(&mut self, part: &[u8]) -> Option<usize> {
        let mut at = 0;
        while at < part.len() {
            if self.escaped {
                self.escaped = false;
                at += 1;
                continue;
            }
            if self.in_string {
                at += memchr::memchr2(b'"', b'\\', &part[at..])?;
                match part[at] {
                    b'"' => self.in_string = false,
                    _ => self.escaped = true,
                }
            } else {
                at += memchr::memchr3(b'"', b'{', b'}', &part[at..])?;
                match part[at] {
                    b'"' => self.in_string = true,
                    b'{' => self.depth += 1,
                    _ => self.depth = self.depth.saturating_sub(1),
                }
                if self.depth == 0 {
                    return Some(at + 1);
                }
            }
            at += 1;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::super::stream::Taken;
    use super::*;
    use std::io::Read;

    /// Gives a byte or a few at a time, as a slow pipe does.
    struct Trickle {
        bytes: Vec<u8>,
        at: usize,
        step: usize,
    }

    impl Read for Trickle {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let length = self.step.min(out.len()).min(self.bytes.len() - self.at);
            out[..length].copy_from_slice(&self.bytes[self.at..self.at + length]);
            self.at += length;
            Ok(length)
        }
    }

    fn pieces(bytes: &[u8], framing: Framing) -> Vec<Piece> {
        let cut = |step| {
            let trickle = Trickle { bytes: bytes.to_vec(), at: 0, step };
            let mut frames = Frames::new(Stream::plain(trickle, Taken::default()), framing);
            std::iter::from_fn(move || frames.next().unwrap()).collect::<Vec<_>>()
        };
        let pieces = cut(usize::MAX);
        assert_eq!(pieces, cut(7_919), "pieces depend on how bytes come in");
        for piece in &pieces {
            assert!(bytes[piece.offset as usize..].starts_with(&piece.bytes));
        }
        pieces
    }

    fn texts(bytes: &[u8], framing: Framing) -> Vec<String> {
        pieces(bytes, framing).iter().map(|piece| String::from_utf8_lossy(&piece.bytes).into_owned()).collect()
    }

    const LINES: Framing = Framing::Lines { lines_max: 100_000 };

    #[test]
    fn lines_are_cut_at_line_ends_only() {
        let text: Vec<u8> = (0..60_000)
            .flat_map(|number| format!("line {number} {}\n", "x".repeat(number % 90)).into_bytes())
            .collect();
        for text in [&text[..], &text[..text.len() - 1], b"one", b""] {
            let pieces = pieces(text, LINES);
            assert_eq!(pieces.iter().flat_map(|piece| piece.bytes.to_vec()).collect::<Vec<_>>(), text);
            let inner = pieces.iter().rev().skip(1);
            assert!(inner.clone().all(|piece| piece.bytes.ends_with(b"\n") && piece.bytes.len() <= LINES_BYTES));
            assert!(inner.clone().all(|piece| piece.bytes.len() > LINES_BYTES - 200), "pieces are full");
        }
    }

    #[test]
    fn a_piece_has_no_more_lines_than_may_be_decoded_at_once() {
        assert_eq!(texts(b"1\n2\n\n4\n5", Framing::Lines { lines_max: 2 }), ["1\n2\n", "\n4\n", "5"]);
    }

    #[test]
    fn a_line_that_is_too_long_costs_no_neighbour() {
        let long = "x".repeat(3 * LINES_BYTES + 5);
        let pieces = pieces(format!("before\n{long}\nafter\n{long}").as_bytes(), LINES);
        let shown: Vec<_> = pieces.iter().map(|piece| (piece.offset, piece.bytes.len(), piece.fault)).collect();
        let fault = Some(Reason::LineTooLong);
        let after = 7 + long.len() as u64 + 1;
        let expected = [(0, 7, None), (7, LINES_BYTES, fault), (after, 6, None), (after + 6, LINES_BYTES, fault)];
        assert_eq!(shown, expected);
        assert_eq!(texts(b"a\nbc\n\nd", Framing::Line), ["a\n", "bc\n", "\n", "d"]);
    }

    #[test]
    fn objects_end_where_their_braces_do() {
        let one = r#"{"a":{"b":"}{\"\\"},"c":[{}]}"#;
        let pretty = "{\n  \"a\": [\n{ \"b\": \"\\\\\" }\n]\n}";
        let text = format!("{one}{one}\n{pretty}\r\n  {one}\nrubbish }}\n{one}");
        assert_eq!(texts(text.as_bytes(), Framing::Objects), [one, one, pretty, one, "rubbish }\n", one]);
        assert_eq!(texts(b" {\"a\": 1} {\"b\"", Framing::Objects), ["{\"a\": 1}", "{\"b\""]);
        let large = format!("{{\"a\":\"{}\"}}", "x".repeat(3 << 20));
        assert_eq!(texts(format!("{large}\n{large}").as_bytes(), Framing::Objects), [large.as_str(); 2]);
    }

    #[test]
    fn an_object_that_never_ends_is_a_fault_and_reading_goes_on_behind_its_line() {
        let endless = format!("{{\"a\":\"{}", "x".repeat(PIECE_BYTES_MAX));
        let text = format!("{endless}\n{{\"b\":2}}");
        let mut frames = Frames::new(Stream::plain(io::Cursor::new(text), Taken::default()), Framing::Objects);
        let fault = frames.next().unwrap().unwrap();
        assert_eq!((fault.bytes.len(), fault.fault), (PIECE_BYTES_MAX, Some(Reason::BadJson)));
        assert_eq!(frames.next().unwrap().unwrap().bytes, "{\"b\":2}");
    }

    #[test]
    fn members_begin_where_headers_like_the_first_stand() {
        let member = |fill: u8, length: usize, time: u8| {
            let mut bytes = vec![0x1f, 0x8b, 8, 0, time, 0, 0, 0, 0, 0xff];
            bytes.resize(length, fill);
            bytes
        };
        let members = [member(1, 100, 0), member(2, 20, 9), member(3, 3 << 20, 0), member(4, 40, 1)];
        let cut = pieces(&members.concat(), Framing::Members);
        assert_eq!(cut.iter().map(|piece| piece.bytes.to_vec()).collect::<Vec<_>>(), members);
        // The bytes of a header in the middle of data, but of another kind, end nothing.
        let mut odd = member(5, 100, 0);
        odd[50..60].copy_from_slice(&[0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 0xff]);
        assert_eq!(pieces(&[odd.clone(), member(6, 30, 0)].concat(), Framing::Members)[0].bytes, odd);
    }

    #[test]
    fn damage_is_told_beside_the_lines_around_it() {
        let member = |text: &str| {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            io::Write::write_all(&mut encoder, text.as_bytes()).unwrap();
            encoder.finish().unwrap()
        };
        let mut damaged = member("middle\n");
        let crc = damaged.len() - 8;
        damaged[crc] ^= 1;
        let raw = [member("before\n"), damaged, member("after\n")].concat();
        let raw = Stream::plain(io::Cursor::new(raw), Taken::default());
        let mut frames = Frames::new(Stream::inflated(raw), LINES);
        let pieces: Vec<_> = std::iter::from_fn(|| frames.next().unwrap()).collect();
        assert_eq!(pieces.iter().map(|piece| piece.fault).collect::<Vec<_>>(), [Some(Reason::CorruptGzip), None]);
        assert_eq!(pieces[1].bytes, "before\nmiddle\n\nafter\n");
    }
}
