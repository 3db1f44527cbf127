//! A public hosted zone's query-log line, version 1.0.

use crate::question::Question;
use crate::random::Random;
use crate::resolver::Resolver;
use crate::zone::Precision;
use std::fmt::Write;

/// What a line says besides the question.
pub(crate) struct Circumstances<'a> {
    pub(crate) time_ms: i64,
    pub(crate) precision: Precision,
    pub(crate) zone_id: &'a str,
    pub(crate) edge: &'static str,
    pub(crate) address: &'a str,
    pub(crate) subnet: &'a str,
    pub(crate) transport: &'static str,
}

/// The line: ten fields with a blank between, as the Amazon Route 53 Developer Guide ("Public DNS query logging")
/// shows them.
pub(crate) fn format(question: &Question, circumstances: &Circumstances<'_>) -> String {
    let Circumstances { zone_id, edge, address, subnet, transport, .. } = circumstances;
    let Question { name, query_type, response_code, .. } = question;
    let mut line = String::with_capacity(144);
    line.push_str("1.0 ");
    push_time(&mut line, circumstances.time_ms, circumstances.precision);
    for field in [zone_id, name.as_str(), query_type, response_code, transport, edge, address, subnet] {
        line.push(' ');
        line.push_str(field);
    }
    line
}

/// How a query of this type comes: long answers come by TCP after a truncated one.
pub(crate) fn transport(query_type: &str, random: &mut Random) -> &'static str {
    let tcp = if matches!(query_type, "TXT" | "DNSKEY" | "ANY") { 0.08 } else { 0.008 };
    if random.chance(tcp) { "TCP" } else { "UDP" }
}

/// What this resolver makes of a name: the same, or each letter in upper or lower case by chance.
pub(crate) fn spell(name: String, resolver: &Resolver, random: &mut Random) -> String {
    if !resolver.mixes_case {
        return name;
    }
    name.chars().map(|letter| if random.chance(0.5) { letter.to_ascii_uppercase() } else { letter }).collect()
}

/// A time as the log writes it, to the millisecond.
pub fn rfc3339(time_ms: i64) -> String {
    let mut text = String::new();
    push_time(&mut text, time_ms, Precision::Milliseconds);
    text
}

fn push_time(line: &mut String, time_ms: i64, precision: Precision) {
    let (day, of_day) = (time_ms.div_euclid(86_400_000), time_ms.rem_euclid(86_400_000));
    let (year, month, day) = civil(day);
    let (hour, minute, second) = (of_day / 3_600_000, of_day / 60_000 % 60, of_day / 1_000 % 60);
    let written = match precision {
        Precision::Milliseconds => {
            let fraction = of_day % 1_000;
            write!(line, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{fraction:03}Z")
        }
        Precision::Seconds => write!(line, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"),
    };
    written.expect("writing to a string cannot fail");
}

/// Year, month and day of a day counted from 1970-01-01 (Hinnant, "chrono-Compatible Low-Level Date Algorithms").
fn civil(day: i64) -> (i64, i64, i64) {
    let shifted = day + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::question::Asker;

    #[test]
    fn times_are_written_as_the_calendar_has_them() {
        for (time_ms, text) in [
            (1_513_152_962_130, "2017-12-13T08:16:02.130Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_798_761_599_999, "2026-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(rfc3339(time_ms), text);
        }
    }

    #[test]
    fn a_line_is_the_documented_one() {
        let question = Question {
            name: "example.com".to_owned(),
            query_type: "A",
            response_code: "NOERROR",
            asker: Asker::Public,
            edge: None,
        };
        let circumstances = Circumstances {
            time_ms: 1_513_152_962_000,
            precision: Precision::Seconds,
            zone_id: "Z123412341234",
            edge: "FRA6",
            address: "2001:db8::1234",
            subnet: "2001:db8:abcd::/48",
            transport: "UDP",
        };
        let line = format(&question, &circumstances);
        let expected =
            "1.0 2017-12-13T08:16:02Z Z123412341234 example.com A NOERROR UDP FRA6 2001:db8::1234 2001:db8:abcd::/48";
        assert_eq!(line, expected);
    }
}
