//! The query-log line of a public hosted zone, version 1.x: ten fields between single spaces.
//!
//! Closed where Route 53 is (version, time, zone id, addresses), open where it has changed before or may change: types,
//! response codes, edge locations and fields after the tenth are taken as text.

use crate::query::folded_at;
use crate::scan::{Line, Look, Portable, Scanner};
use crate::time::Clockwork;
use crate::{Form, Query, QueryType, Reason, ResponseCode, Subnet, Transport, address};

/// A name is at most 255 bytes on the wire; each may be written as `\ooo`.
const NAME_BYTES_MAX: usize = 1020;
/// Longer than any mnemonic of a type, response code or transport.
const WORD_BYTES_MAX: usize = 32;
/// Edge locations are of the form `FRA56-C1`; AWS says that the codes may change.
const EDGE_BYTES_MAX: usize = 64;
/// Zone ids of 13 to 21 characters have been seen; the API allows 32.
const ZONE_ID_BYTES_MAX: usize = 32;

/// The first three fields of a line, read: version, time, zone id.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head {
    time_ms: i64,
    /// The spaces behind each.
    pub spaces: [usize; 3],
}

/// Parses lines. It remembers the last minute and zone id it checked, which most lines of a record share.
#[derive(Debug)]
pub(crate) struct LineParser {
    /// Finds the lines that [`LineParser::parse_spaced`] is to take apart.
    pub scanner: Scanner,
    clockwork: Clockwork,
    zone: LastZone,
}

impl LineParser {
    pub(crate) fn new(scanner: Scanner) -> Self {
        Self { scanner, clockwork: Clockwork::new(), zone: LastZone::default() }
    }

    /// The head of the line that `bytes` begin with, if it is of the usual form, and minute and zone are the last that
    /// were checked.
    #[inline(always)]
    pub(crate) fn usual_head(&self, bytes: &[u8]) -> Option<Head> {
        let (version, rest) = bytes.split_first_chunk()?;
        let (time_ms, time_bytes) = self.clockwork.usual(rest)?;
        let zone = rest.get(time_bytes + 1..)?.first_chunk()?;
        let [b, c] = [version.len() + time_bytes, version.len() + time_bytes + self.zone.bytes];
        (version == b"1.0 " && self.zone.begins(zone)).then_some(Head { time_ms, spaces: [3, b, c] })
    }

    /// One line without its end.
    pub(crate) fn parse<'a>(&mut self, line: &'a str) -> Result<Query<'a>, Reason> {
        let query = self.parse_spaced(Portable, Line::of(line), None, "", "", |query| *query)?;
        check_text(&query)?;
        Ok(query)
    }

    /// One line that holds no control character, with its fields found already. The query is handed to `then` and not
    /// returned, since moving it would cost as much as some of the parsing.
    #[inline(always)]
    pub(crate) fn parse_spaced<'a, R>(
        &mut self,
        look: impl Look,
        line: Line<'a>,
        head: Option<Head>,
        event_id: &'a str,
        extracted_fields: &'a str,
        then: impl FnOnce(&Query<'a>) -> R,
    ) -> Result<R, Reason> {
        let Some([version, time, zone_id, name, kind, code, transport, edge, source, subnet]) = line.fields() else {
            return Err(too_few_fields(line.text()));
        };
        let bytes = line.bytes();
        let time_ms = match head {
            Some(head) => head.time_ms,
            None => self.check_head(version.text, time.text, zone_id.text)?,
        };
        self::name(name.text)?;
        check_lengths(kind.text, code.text, transport.text, edge.text)?;
        let (Some(at_source), Some(at_subnet)) = (bytes.get(source.at..), bytes.get(subnet.at..)) else {
            return Err(Reason::FieldCount);
        };
        let source_ip = address::parse_before(look, source.text, at_source).ok_or(Reason::BadAddress)?;
        let (client_subnet, client_subnet_text) = if subnet.text == "-" {
            (None, "")
        } else {
            let subnet_read = address::parse_subnet_before(look, subnet.text, at_subnet).ok_or(Reason::BadSubnet)?;
            (Some(subnet_read), subnet.text)
        };
        Ok(then(&Query {
            event_id,
            time_ms,
            form: Form::PublicLine,
            zone_id: zone_id.text,
            name: name.text,
            class: "IN",
            query_type: QueryType::of_key(folded_at(bytes, kind.at, kind.end())),
            query_type_text: kind.text,
            response_code: ResponseCode::of_key(folded_at(bytes, code.at, code.end())),
            response_code_text: code.text,
            transport: Transport::of_key(folded_at(bytes, transport.at, transport.end())),
            transport_text: transport.text,
            edge: edge.text,
            source_ip: Some(source_ip.address()),
            source_ip_text: source.text,
            client_subnet: client_subnet
                .map(|(address, prefix_bits)| Subnet { address: address.address(), prefix_bits }),
            client_subnet_text,
            resolver: None,
            original: line.text(),
            extracted_fields,
        }))
    }

    /// The time of a line, once its first three fields are found to be sound. Remembers them.
    #[cold]
    fn check_head(&mut self, version: &str, time: &str, zone_id: &str) -> Result<i64, Reason> {
        check_version(version)?;
        let time_ms = self.clockwork.parse(time.as_bytes()).ok_or(Reason::BadTimestamp)?;
        check_zone_id(zone_id)?;
        self.zone.keep(zone_id);
        Ok(time_ms)
    }
}

/// A zone id that was checked. Compared as a block of fixed size: what its length is, is nothing to branch on.
#[derive(Debug, Default)]
struct LastZone {
    /// The id and a space.
    text: [u64; 4],
    /// All bits of the bytes that `text` has.
    mask: [u64; 4],
    /// Those bytes; 0 as long as there is no id.
    bytes: usize,
}

impl LastZone {
    /// Keeps an id, unless it is too long for a block.
    fn keep(&mut self, zone_id: &str) {
        let (mut text, mut mask) = ([0; 32], [0; 32]);
        self.bytes = 0;
        if let (Some(place), Some(mask)) = (text.get_mut(..zone_id.len()), mask.get_mut(..=zone_id.len())) {
            place.copy_from_slice(zone_id.as_bytes());
            mask.fill(u8::MAX);
            self.bytes = mask.len();
        }
        if let Some(space) = text.get_mut(zone_id.len()) {
            *space = b' ';
        }
        (self.text, self.mask) = (words(&text), words(&mask));
    }

    /// Whether a line goes on with this id and a space.
    #[inline(always)]
    fn begins(&self, block: &[u8; 32]) -> bool {
        let mut difference = 0;
        for ((word, kept), mask) in words(block).iter().zip(&self.text).zip(&self.mask) {
            difference |= (word ^ kept) & mask;
        }
        difference == 0 && self.bytes > 0
    }
}

#[inline(always)]
fn words(block: &[u8; 32]) -> [u64; 4] {
    let words = block.as_chunks().0;
    [words[0], words[1], words[2], words[3]].map(u64::from_le_bytes)
}

/// What is wrong with a line that has too few fields: its version may say why.
#[cold]
fn too_few_fields(line: &str) -> Reason {
    let version = line.split(' ').next().unwrap_or_default();
    check_version(version).err().unwrap_or(Reason::FieldCount)
}

/// `Z` and letters or digits.
pub(crate) fn check_zone_id(zone_id: &str) -> Result<(), Reason> {
    let sound = (2..=ZONE_ID_BYTES_MAX).contains(&zone_id.len())
        && zone_id.starts_with('Z')
        && zone_id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if sound { Ok(()) } else { Err(Reason::BadZoneId) }
}

/// Major version 1, as `1.0` or, from the Resolver, `1.100000`. AWS raises the minor version for a new field.
pub(crate) fn check_version(version: &str) -> Result<(), Reason> {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match version.split_once('.') {
        Some(("1", minor)) if is_number(minor) => Ok(()),
        Some((major, minor)) if is_number(major) && is_number(minor) => Err(Reason::UnknownVersion),
        _ => Err(Reason::UnknownMessage),
    }
}

#[inline]
pub(crate) fn name(text: &str) -> Result<&str, Reason> {
    if text.is_empty() || text.len() > NAME_BYTES_MAX { Err(Reason::BadName) } else { Ok(text) }
}

/// A type, response code or transport.
#[inline]
pub(crate) fn word(text: &str) -> Result<&str, Reason> {
    if text.is_empty() || text.len() > WORD_BYTES_MAX { Err(Reason::BadField) } else { Ok(text) }
}

/// The same for the four fields behind the name: they are asked about together, since each must be looked at otherwise
/// before the next is.
#[inline(always)]
fn check_lengths(kind: &str, code: &str, transport: &str, edge: &str) -> Result<(), Reason> {
    const { assert!(WORD_BYTES_MAX.is_power_of_two() && EDGE_BYTES_MAX.is_power_of_two()) }
    // One less than none is more than any. Of numbers below a power of two no bit is above it, and none of their union.
    let below = |text: &str| text.len().wrapping_sub(1);
    let are_sound = (below(kind) | below(code) | below(transport)) < WORD_BYTES_MAX && below(edge) < EDGE_BYTES_MAX;
    if are_sound { Ok(()) } else { Err(Reason::BadField) }
}

#[inline]
pub(crate) fn edge(text: &str) -> Result<&str, Reason> {
    if text.is_empty() || text.len() > EDGE_BYTES_MAX { Err(Reason::BadField) } else { Ok(text) }
}

/// Refuses white space and control characters where a line or an escape of JSON brought them into a field.
pub(crate) fn check_text(query: &Query<'_>) -> Result<(), Reason> {
    if is_odd(query.name) { Err(Reason::BadName) } else { check_words(query) }
}

/// As [`check_text`], for all fields but the name.
pub(crate) fn check_words(query: &Query<'_>) -> Result<(), Reason> {
    let words = [query.query_type_text, query.response_code_text, query.transport_text, query.edge, query.class];
    if words.into_iter().any(is_odd) { Err(Reason::BadField) } else { Ok(()) }
}

fn is_odd(text: &str) -> bool {
    text.bytes().any(|byte| byte <= b' ' || byte == 0x7f)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Query<'_>, Reason> {
        LineParser::new(Scanner::new()).parse(line)
    }

    #[test]
    fn fields_are_read_as_logged() {
        let line =
            "1.0 2017-12-13T08:16:02.130Z Z123412341234 eXample.com AAAA NOERROR TCP FRA56-C1 2001:db8::1 192.0.2.0/24";
        let query = parse(line).unwrap();
        assert_eq!(query.time_ms, 1_513_152_962_130);
        assert_eq!((query.form, query.zone_id, query.name), (Form::PublicLine, "Z123412341234", "eXample.com"));
        assert_eq!((query.query_type, query.query_type_text, query.class), (QueryType::Aaaa, "AAAA", "IN"));
        assert_eq!((query.response_code, query.response_code_text), (ResponseCode::NoError, "NOERROR"));
        assert_eq!((query.transport, query.transport_text, query.edge), (Transport::Tcp, "TCP", "FRA56-C1"));
        assert_eq!((query.source_ip, query.source_ip_text), ("2001:db8::1".parse().ok(), "2001:db8::1"));
        assert_eq!(
            (query.client_subnet, query.client_subnet_text),
            (address::parse_subnet("192.0.2.0/24"), "192.0.2.0/24")
        );
        assert_eq!(query.original, line);
    }

    #[test]
    fn a_head_like_the_one_before_is_known() {
        let mut lines = LineParser::new(Scanner::new());
        let line = |time: &str, zone: &str| {
            format!("1.0 2018-08-20T15:08:{time} {zone} a.example A NOERROR UDP FRA6 192.0.2.1 -")
        };
        let spaces = |lines: &LineParser, line: &str| lines.usual_head(line.as_bytes()).map(|head| head.spaces);
        assert_eq!(spaces(&lines, &line("14Z", "Z1")), None);
        assert_eq!(lines.parse(&line("14Z", "Z1")).map(|query| query.time_ms), Ok(1_534_777_694_000));
        assert_eq!(spaces(&lines, &line("15Z", "Z1")), Some([3, 24, 27]));
        assert_eq!(spaces(&lines, &line("15.001Z", "Z1")), Some([3, 28, 31]));
        for other in [
            line("60Z", "Z1"),
            line("15Z", "Z2"),
            line("15Z", "Z12"),
            line("15Z", "Z"),
            line("15Z", "Z1").replace("1.0", "1.1"),
        ] {
            assert_eq!(spaces(&lines, &other), None, "{other}");
        }
        // The longest id is read, but not remembered.
        let longest = format!("Z{}", "1".repeat(ZONE_ID_BYTES_MAX - 1));
        assert!(lines.parse(&line("14Z", &longest)).is_ok());
        assert_eq!(spaces(&lines, &line("14Z", &longest)), None);
        let long = &longest[1..];
        assert!(lines.parse(&line("14Z", &format!("Z{}", &long[1..]))).is_ok());
        assert_eq!(spaces(&lines, &line("14Z", &format!("Z{}", &long[1..]))), Some([3, 24, 56]));
    }

    #[test]
    fn lines_that_route_53_writes_are_accepted() {
        for line in [
            "1.0 2017-12-13T08:15:50.235Z Z123412341234 example.com AAAA NOERROR TCP IAD12 192.168.3.1 192.168.222.0/24",
            "1.0 2017-12-13T08:16:03.983Z Z123412341234 example.com ANY NOERROR UDP FRA6 2001:db8::1234 2001:db8:abcd::/48",
            "1.0 2018-08-20T15:08:14Z Z149R7NEBZTKPN www.example.com A NXDOMAIN UDP GRU1-C1 192.0.2.1 -",
            "1.0 2018-08-20T15:08:14Z Z0855848ZMRIQ3P4AX3P _dmarc.example.com SPF ServFail UDP Region 192.0.2.1 -",
            "1.0 2018-08-20T15:08:14.1+00:00 Z1 \\052.example.com. TYPE65 REFUSED UDP IAD79-P4 192.0.2.1 -",
            "1.7 2018-08-20T15:08:14Z Z1 b\u{fc}cher.example 64 NOERROR DOH X 192.0.2.1 - more fields  later",
        ] {
            assert_eq!(parse(line).map(|query| query.original), Ok(line));
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let field = |index: usize, text: &str| {
            let line = "1.0 2018-08-20T15:08:14Z Z1 www.example.com A NOERROR UDP FRA6 192.0.2.1 -";
            let mut fields: Vec<&str> = line.split(' ').collect();
            fields[index] = text;
            fields.join(" ")
        };
        for (line, reason) in [
            (field(0, "2.0"), Reason::UnknownVersion),
            (field(0, "0.9"), Reason::UnknownVersion),
            (field(0, "10.0"), Reason::UnknownVersion),
            (field(0, "1"), Reason::UnknownMessage),
            (field(0, "1."), Reason::UnknownMessage),
            (field(0, "v1.0"), Reason::UnknownMessage),
            (field(1, "2018-02-30T15:08:14Z"), Reason::BadTimestamp),
            (field(1, "20/Aug/2018"), Reason::BadTimestamp),
            (field(2, "z1"), Reason::BadZoneId),
            (field(2, "Z"), Reason::BadZoneId),
            (field(2, "Z1-2"), Reason::BadZoneId),
            (field(2, &format!("Z{}", "1".repeat(32))), Reason::BadZoneId),
            (field(3, ""), Reason::BadName),
            (field(3, "a\tb.example"), Reason::BadName),
            (field(3, "a\0b.example"), Reason::BadName),
            (field(3, &"a".repeat(1021)), Reason::BadName),
            (field(4, ""), Reason::BadField),
            (field(4, &"A".repeat(33)), Reason::BadField),
            (field(5, ""), Reason::BadField),
            (field(6, "U\u{7f}P"), Reason::BadField),
            (field(7, ""), Reason::BadField),
            (field(8, "-"), Reason::BadAddress),
            (field(8, "192.0.2.256"), Reason::BadAddress),
            (field(8, "192.0.2.01"), Reason::BadAddress),
            (field(8, "2001:db8::1::2"), Reason::BadAddress),
            (field(9, ""), Reason::BadSubnet),
            (field(9, "192.0.2.0"), Reason::BadSubnet),
            (field(9, "192.0.2.0/33"), Reason::BadSubnet),
            ("1.0 2018-08-20T15:08:14Z Z1 www.example.com A NOERROR UDP FRA6 192.0.2.1".into(), Reason::FieldCount),
            ("1.0".into(), Reason::FieldCount),
            ("2.0 something else".into(), Reason::UnknownVersion),
            ("hello".into(), Reason::UnknownMessage),
            (String::new(), Reason::UnknownMessage),
        ] {
            assert_eq!(parse(&line).map(|query| query.original), Err(reason), "{line:?}");
        }
    }

    #[test]
    fn forms_that_only_circulate_are_refused() {
        for (line, reason) in [
            // With a class before the last field.
            ("1.0 2018-08-20T15:08:14Z Z1 www.example.com A NOERROR UDP FRA6 192.0.2.1 IN -", Reason::BadSubnet),
            // With a class after the type.
            ("1.0 2018-08-20T15:08:14Z Z1 www.example.com A IN NOERROR UDP FRA6 192.0.2.1 -", Reason::BadAddress),
            // With an account id as the second field.
            (
                "1.0 123456789012 2018-08-20T15:08:14Z Z1 www.example.com A NOERROR UDP FRA6 192.0.2.1 -",
                Reason::BadTimestamp,
            ),
            (
                "\"QUERY_LOG_DATA\" \"1.0\" \"2018-08-20T15:08:14Z\" \"Z1\" \"www.example.com\" \"A\" \"NOERROR\" \"UDP\" \"FRA6\" \"-\"",
                Reason::UnknownMessage,
            ),
        ] {
            assert_eq!(parse(line).map(|query| query.original), Err(reason), "{line}");
        }
    }
}
