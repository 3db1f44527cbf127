//! The query-log line of a public hosted zone, version 1.x: ten fields between single spaces.
//!
//! Closed where Route 53 is (version, time, zone id, addresses), open where it has changed before or may change: types,
//! response codes, edge locations and fields after the tenth are taken as text.

use crate::query::folded_at;
use crate::scan::Scanner;
use crate::time::Clockwork;
use crate::{Form, Query, QueryType, Reason, ResponseCode, Transport, address};

/// A name is at most 255 bytes on the wire; each may be written as `\ooo`.
const NAME_BYTES_MAX: usize = 1020;
/// Longer than any mnemonic of a type, response code or transport.
const WORD_BYTES_MAX: usize = 32;
/// Edge locations are of the form `FRA56-C1`; AWS says that the codes may change.
const EDGE_BYTES_MAX: usize = 64;
/// Zone ids of 13 to 21 characters have been seen; the API allows 32.
const ZONE_ID_BYTES_MAX: usize = 32;

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
    pub(crate) fn parse<'a>(&mut self, line: &'a str, query: &mut Query<'a>) -> Result<(), Reason> {
        self.scanner.find_spaces(line.as_bytes());
        self.parse_spaced(line, line.as_bytes(), query)?;
        check_text(query)
    }

    /// One line that holds no control character, with its spaces found already. `bytes` begin where the line does and
    /// may go on behind it: a look beyond its end saves asking where that is. The query is filled in place, since
    /// moving it would cost as much as some of the parsing.
    #[inline]
    pub(crate) fn parse_spaced<'a>(
        &mut self,
        line: &'a str,
        bytes: &[u8],
        query: &mut Query<'a>,
    ) -> Result<(), Reason> {
        let &[a, b, c, d, e, f, g, h, i, ref more @ ..] = self.scanner.spaces() else {
            let version = line.split(' ').next().unwrap_or_default();
            return Err(check_version(version).err().unwrap_or(Reason::FieldCount));
        };
        let [a, b, c, d, e, f, g, h, i] = [a, b, c, d, e, f, g, h, i].map(|at| at as usize);
        let end = more.first().map_or(line.len(), |&at| at as usize);
        let between = |from: usize, to: usize| line.get(from + 1..to).unwrap_or_default();

        if !(a == 3 && bytes.starts_with(b"1.0")) {
            check_version(line.get(..a).unwrap_or_default())?;
        }
        let time = bytes.get(a + 1..b).unwrap_or_default();
        query.time_ms = self.clockwork.parse(time).ok_or(Reason::BadTimestamp)?;
        query.form = Form::PublicLine;
        query.original = line;
        query.zone_id = between(b, c);
        self.check_zone_id(query.zone_id)?;
        query.name = name(between(c, d))?;
        query.query_type_text = word(between(d, e))?;
        query.query_type = QueryType::of_key(folded_at(bytes, d + 1, e));
        query.response_code_text = word(between(e, f))?;
        query.response_code = ResponseCode::of_key(folded_at(bytes, e + 1, f));
        query.transport_text = word(between(f, g))?;
        query.transport = Transport::of_key(folded_at(bytes, f + 1, g));
        query.edge = edge(between(g, h))?;
        query.source_ip_text = between(h, i);
        let behind = bytes.get(h + 1..).unwrap_or_default();
        match address::parse_before(query.source_ip_text, behind) {
            None => return Err(Reason::BadAddress),
            address => query.source_ip = address,
        }
        if end == i + 2 && bytes.get(i + 1) == Some(&b'-') {
            return Ok(());
        }
        query.client_subnet_text = between(i, end);
        let behind = bytes.get(i + 1..).unwrap_or_default();
        query.client_subnet = address::parse_subnet_before(query.client_subnet_text, behind);
        if query.client_subnet.is_some() { Ok(()) } else { Err(Reason::BadSubnet) }
    }

    #[inline]
    fn check_zone_id(&mut self, zone_id: &str) -> Result<(), Reason> {
        if self.zone_id.get(..self.zone_id_bytes) == Some(zone_id.as_bytes()) && !zone_id.is_empty() {
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
        let mut query = Query::BLANK;
        LineParser::new(Scanner::new()).parse(line, &mut query).map(|()| query)
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
