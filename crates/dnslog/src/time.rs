//! Timestamps of log lines: ISO 8601, checked against the calendar, to milliseconds since 1970.

/// A timestamp's milliseconds since 1970 UTC. `None` if it is not one, or lies before 1970.
///
/// `YYYY-MM-DDTHH:MM:SS`, a fraction of any length or none (digits beyond milliseconds are cut off), then `Z` or an
/// offset as `+00:00`.
pub(crate) fn parse(text: &[u8]) -> Option<i64> {
    let (minute, rest) = text.split_first_chunk::<17>()?;
    let minute_ms = parse_minute(minute)?;
    let (seconds, rest) = rest.split_first_chunk::<2>()?;
    let (millis, zone) = match rest {
        [b'.', rest @ ..] => parse_fraction(rest)?,
        _ => (0, rest),
    };
    let offset_minutes = match zone {
        b"Z" => 0,
        [sign @ (b'+' | b'-'), a, b, b':', c, d] => {
            let minutes = 60 * two_digits(&[*a, *b], 23)? + two_digits(&[*c, *d], 59)?;
            if *sign == b'+' { minutes } else { -minutes }
        }
        _ => return None,
    };
    let time_ms = minute_ms + 1000 * two_digits(seconds, 59)? + millis - 60_000 * offset_minutes;
    (time_ms >= 0).then_some(time_ms)
}

/// The fraction's milliseconds and what follows its digits.
fn parse_fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let length = text.iter().position(|byte| !byte.is_ascii_digit())?;
    let (digits, rest) = text.split_at(length);
    let millis = (0..3).fold(0, |sum, index| 10 * sum + i64::from(digits.get(index).map_or(0, |digit| digit - b'0')));
    (length > 0).then_some((millis, rest))
}

/// `YYYY-MM-DDTHH:MM:` to milliseconds since 1970.
fn parse_minute(text: &[u8; 17]) -> Option<i64> {
    let &[y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, b'T', h1, h2, b':', n1, n2, b':'] = text else { return None };
    let year = 100 * two_digits(&[y1, y2], 99)? + two_digits(&[y3, y4], 99)?;
    let month = two_digits(&[m1, m2], 12)?;
    let day = two_digits(&[d1, d2], 31)?;
    if year < 1970 || month < 1 || day < 1 || day > days_of_month(year, month) {
        return None;
    }
    let minutes = 60 * two_digits(&[h1, h2], 23)? + two_digits(&[n1, n2], 59)?;
    Some(86_400_000 * days_since_1970(year, month, day) + 60_000 * minutes)
}

fn two_digits(text: &[u8; 2], max: i64) -> Option<i64> {
    let [tens, ones] = text.map(|byte| byte.wrapping_sub(b'0'));
    let value = 10 * i64::from(tens) + i64::from(ones);
    (tens < 10 && ones < 10 && value <= max).then_some(value)
}

fn days_of_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 of a valid date from then on, in the Gregorian calendar, counting years from March so that
/// the leap day comes last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days_of_years = 365 * year + year / 4 - year / 100 + year / 400;
    // 153 days lie in each five months from March; 719,468 are from 0000-03-01 to 1970-01-01.
    days_of_years + (153 * month + 2) / 5 + day - 1 - 719_468
}

/// Remembers the last minute: the lines of a record are near each other in time.
#[derive(Debug)]
pub(crate) struct Clockwork {
    minute: [u8; 17],
    minute_ms: i64,
}

impl Clockwork {
    pub(crate) fn new() -> Self {
        Self { minute: *b"1970-01-01T00:00:", minute_ms: 0 }
    }

    /// The time that `text` begins with, and its length, if it is in the minute of the last [`Clockwork::parse`], of one
    /// of the two usual forms, and a space follows.
    #[inline(always)]
    pub(crate) fn usual(&self, text: &[u8]) -> Option<(i64, usize)> {
        let (minute, rest) = text.split_first_chunk::<17>()?;
        let word = u64::from_le_bytes(*rest.first_chunk()?);
        if *minute != self.minute {
            return None;
        }
        // Each form apart, so that what stands where is part of the instructions.
        let (millis, length) = if rest.get(2) == Some(&b'.') {
            let fixed = [0xf0, 0xf0, 0xff, 0xf0, 0xf0, 0xf0, 0xff, 0xff];
            (in_minute(word, *b"00.000Z ", [10, 6, 0, 6, 6, 6, 0, 0], fixed)?, 24)
        } else {
            let fixed = [0xf0, 0xf0, 0xff, 0xff, 0, 0, 0, 0];
            (in_minute(word & 0xffff_ffff, *b"00Z \0\0\0\0", [10, 6, 0, 0, 0, 0, 0, 0], fixed)?, 20)
        };
        Some((self.minute_ms + millis, length))
    }

    /// As [`parse`], and remembers the minute.
    pub(crate) fn parse(&mut self, text: &[u8]) -> Option<i64> {
        let time_ms = parse(text)?;
        if let Some((minute, _)) = text.split_first_chunk::<17>() {
            self.minute = *minute;
            self.minute_ms = parse_minute(minute)?;
        }
        Some(time_ms)
    }
}

/// Milliseconds of what stands behind a minute, two digits and three. Per byte: what is there with digits 0, what carries
/// a digit that is too great (tens of seconds over five) into the high half, and the bits that must then be none.
#[inline(always)]
fn in_minute(word: u64, zeros: [u8; 8], carries: [u8; 8], fixed: [u8; 8]) -> Option<i64> {
    // What is left of digits is their values.
    let values = word ^ u64::from_le_bytes(zeros);
    let carried = values.wrapping_add(u64::from_le_bytes(carries));
    if (values | carried) & u64::from_le_bytes(fixed) != 0 {
        return None;
    }
    // Seconds, the first digit behind the point, and the other two: each is in two bytes, and one product adds them up.
    let pairs = (values.wrapping_mul(10).wrapping_add(values >> 8)) & 0x00ff_00ff_00ff_00ff;
    Some((pairs.wrapping_mul(1000 << 32 | 100 << 16 | 1) >> 32 & 0xffff) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// As lines are read: in the minute of the line before if it is, else from the start.
    fn remembered(clockwork: &mut Clockwork, text: &str) -> Option<i64> {
        let line = format!("{text} Z123412341234");
        match clockwork.usual(line.as_bytes()) {
            Some((time_ms, length)) => {
                assert_eq!(length, text.len(), "{text}");
                Some(time_ms)
            }
            None => clockwork.parse(text.as_bytes()),
        }
    }

    #[test]
    fn the_usual_forms_in_the_minute_before_need_no_parsing() {
        let mut clockwork = Clockwork::new();
        clockwork.parse(b"2017-12-13T08:16:59.999Z");
        for (line, expected) in [
            ("2017-12-13T08:16:02.130Z Z1", Some((1_513_152_962_130, 24))),
            ("2017-12-13T08:16:02Z Z1 a.example", Some((1_513_152_962_000, 20))),
            ("2017-12-13T08:17:02.130Z Z1", None),
            ("2017-12-13T08:16:60.130Z Z1", None),
            ("2017-12-13T08:16:02.13Z Z1", None),
            ("2017-12-13T08:16:02.130Z-Z1", None),
            ("2017-12-13T08:16:02.130Z", None),
        ] {
            assert_eq!(clockwork.usual(line.as_bytes()), expected, "{line}");
        }
    }

    #[test]
    fn sound_timestamps_are_read() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2017-12-13T08:16:02.130Z", 1_513_152_962_130),
            ("2018-08-20T15:08:14Z", 1_534_777_694_000),
            ("2021-12-11T22:46:23Z", 1_639_262_783_000),
            ("2000-02-29T12:00:00.5Z", 951_825_600_500),
            ("2024-02-29T23:59:59.999999999Z", 1_709_251_199_999),
            ("2023-01-01T00:00:00+00:00", 1_672_531_200_000),
            ("2023-01-01T01:30:00.25+01:30", 1_672_531_200_250),
            ("2022-12-31T22:00:00-02:00", 1_672_531_200_000),
            ("9999-12-31T23:59:59Z", 253_402_300_799_000),
        ] {
            assert_eq!(parse(text.as_bytes()), Some(expected), "{text}");
            assert_eq!(remembered(&mut Clockwork::new(), text), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "Z",
            "2017-12-13",
            "2017-12-13T08:16:02",
            "2017-12-13 08:16:02Z",
            "2017-13-01T00:00:00Z",
            "2017-00-01T00:00:00Z",
            "2017-02-29T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "2017-04-31T00:00:00Z",
            "2017-12-00T00:00:00Z",
            "2017-12-13T24:00:00Z",
            "2017-12-13T08:60:00Z",
            "2017-12-13T08:16:60Z",
            "2017-12-13T08:16:02.Z",
            "2017-12-13T08:16:02.130",
            "2017-12-13T08:16:02.13xZ",
            "2017-12-13T08:16:02.130ZZ",
            "2017-12-13T08:16:02+0000",
            "2017-12-13T08:16:02+24:00",
            "1969-12-31T23:59:59Z",
            "1970-01-01T00:00:00+00:01",
            // An AWS page shows this one.
            "2017-03-16T19:20:177Z",
            "123456789012",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
            let mut clockwork = Clockwork::new();
            clockwork.parse(b"2017-12-13T08:16:00Z");
            assert_eq!(remembered(&mut clockwork, text), None, "{text}");
        }
    }

    #[test]
    fn days_follow_one_another() {
        let mut expected = 0;
        for year in 1970..2401 {
            for month in 1..=12 {
                for day in 1..=days_of_month(year, month) {
                    assert_eq!(days_since_1970(year, month, day), expected);
                    expected += 1;
                }
            }
        }
    }

    proptest! {
        #[test]
        fn remembering_the_minute_changes_nothing(
            texts in prop::collection::vec(
                "2017-12-1[23]T0[0-9]:(16|17):[0-7][0-9x](\\.[0-9]{0,4})?(Z|\\+00:00)?", 1..8,
            ),
        ) {
            let mut clockwork = Clockwork::new();
            for text in texts {
                prop_assert_eq!(remembered(&mut clockwork, &text), parse(text.as_bytes()), "{}", text);
            }
        }
    }
}
