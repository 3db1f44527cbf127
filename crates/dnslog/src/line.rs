//! The query-log line of a public hosted zone, version 1.x: ten fields between single spaces.
//!
//! Closed where Route 53 is (version, time, zone id, addresses), open where it has changed before or may change: types,
//! response codes, edge locations and fields after the tenth are taken as text.

use crate::enrich::same;
use crate::query::folded_at;
use crate::scan::{Ascii, Scanner};
use crate::time::Clockwork;
use crate::{Form, Query, QueryType, Reason, ResponseCode, Subnet, Transport, address};
use std::ops::Range;

/// A name is at most 255 bytes on the wire; each may be written as `\ooo`.
const NAME_BYTES_MAX: usize = 1020;
/// Longer than any mnemonic of a type, response code or transport.
const WORD_BYTES_MAX: usize = 32;
/// Edge locations are of the form `FRA56-C1`; AWS says that the codes may change.
const EDGE_BYTES_MAX: usize = 64;
/// Zone ids of 13 to 21 characters have been seen; the API allows 32.
const ZONE_ID_BYTES_MAX: usize = 32;

/// A line as text. ASCII gives its parts quicker.
pub(crate) trait Line<'a>: Copy {
    fn text(self) -> &'a str;
    /// The text between two places; empty if there is none.
    fn part(self, place: Range<usize>) -> &'a str;
}

impl<'a> Line<'a> for &'a str {
    fn text(self) -> &'a str {
        self
    }

    fn part(self, place: Range<usize>) -> &'a str {
        self.get(place).unwrap_or_default()
    }
}

impl<'a> Line<'a> for Ascii<'a> {
    #[inline(always)]
    fn text(self) -> &'a str {
        Ascii::text(self)
    }

    #[inline(always)]
    fn part(self, place: Range<usize>) -> &'a str {
        Ascii::part(self, place).map_or("", Ascii::text)
    }
}

/// Parses lines. It remembers the last minute and zone id it checked, which most lines of a record share.
#[derive(Debug)]
pub(crate) struct LineParser {
    /// Finds the spaces of the line that [`LineParser::parse_spaced`] is to take apart.
    pub scanner: Scanner,
    clockwork: Clockwork,
    zone_id: [u8; ZONE_ID_BYTES_MAX],
    zone_id_bytes: usize,
}

impl LineParser {
    pub(crate) fn new(scanner: Scanner) -> Self {
        Self { scanner, clockwork: Clockwork::new(), zone_id: [0; ZONE_ID_BYTES_MAX], zone_id_bytes: 0 }
    }

    /// One line without its end.
    pub(crate) fn parse<'a>(&mut self, line: &'a str) -> Result<Query<'a>, Reason> {
        self.scanner.find_spaces(line.as_bytes());
        let query = self.parse_spaced(line, line.as_bytes(), "", "", |query| *query)?;
        check_text(&query)?;
        Ok(query)
    }

    /// One line that holds no control character, with its spaces found already. `bytes` begin where the line does and
    /// may go on behind it: a look beyond its end saves asking where that is. The query is handed to `then` and not
    /// returned, since moving it would cost as much as some of the parsing.
    #[inline(always)]
    pub(crate) fn parse_spaced<'a, R>(
        &mut self,
        line: impl Line<'a>,
        bytes: &[u8],
        event_id: &'a str,
        extracted_fields: &'a str,
        then: impl FnOnce(&Query<'a>) -> R,
    ) -> Result<R, Reason> {
        let &[a, b, c, d, e, f, g, h, i, ref more @ ..] = self.scanner.spaces() else {
            return Err(too_few_fields(line.text()));
        };
        let [a, b, c, d, e, f, g, h, i] = [a, b, c, d, e, f, g, h, i].map(|at| at as usize);
        let end = more.first().map_or(line.text().len(), |&at| at as usize);
        let between = |from: usize, to: usize| line.part(from + 1..to);

        if !(a == 3 && bytes.starts_with(b"1.0")) {
            check_version(line.part(0..a))?;
        }
        let time = bytes.get(a + 1..b).unwrap_or_default();
        let time_ms = self.clockwork.parse(time).ok_or(Reason::BadTimestamp)?;
        let zone_id = between(b, c);
        self.check_zone_id(zone_id)?;
        let name = name(between(c, d))?;
        let query_type_text = word(between(d, e))?;
        let response_code_text = word(between(e, f))?;
        let transport_text = word(between(f, g))?;
        let edge = edge(between(g, h))?;
        let source_ip_text = between(h, i);
        let behind = bytes.get(h + 1..).unwrap_or_default();
        let source_ip = address::parse_before(source_ip_text, behind).ok_or(Reason::BadAddress)?;
        let (client_subnet, client_subnet_text) = if end == i + 2 && bytes.get(i + 1) == Some(&b'-') {
            (None, "")
        } else {
            let text = between(i, end);
            let behind = bytes.get(i + 1..).unwrap_or_default();
            (Some(address::parse_subnet_before(text, behind).ok_or(Reason::BadSubnet)?), text)
        };
        Ok(then(&Query {
            event_id,
            time_ms,
            form: Form::PublicLine,
            zone_id,
            name,
            class: "IN",
            query_type: QueryType::of_key(folded_at(bytes, d + 1, e)),
            query_type_text,
            response_code: ResponseCode::of_key(folded_at(bytes, e + 1, f)),
            response_code_text,
            transport: Transport::of_key(folded_at(bytes, f + 1, g)),
            transport_text,
            edge,
            source_ip: Some(source_ip.address()),
            source_ip_text,
            client_subnet: client_subnet
                .map(|(address, prefix_bits)| Subnet { address: address.address(), prefix_bits }),
            client_subnet_text,
            resolver: None,
            original: line.text(),
            extracted_fields,
        }))
    }

    #[inline]
    fn check_zone_id(&mut self, zone_id: &str) -> Result<(), Reason> {
        let kept = self.zone_id.get(..self.zone_id_bytes).unwrap_or_default();
        if same(kept, zone_id) && !zone_id.is_empty() {
            return Ok(());
        }
        check_zone_id(zone_id)?;
        if let Some(kept) = self.zone_id.get_mut(..zone_id.len()) {
            kept.copy_from_slice(zone_id.as_bytes());
            self.zone_id_bytes = zone_id.len();
        }
        Ok(())
    }
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
