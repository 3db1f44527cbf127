//! RFC 3339 times of the configuration.

/// Milliseconds since 1970 of a time such as `2026-01-31T06:00:00Z` or `2026-01-31 06:00:00.5+01:00`.
pub fn rfc3339_ms(text: &str) -> Option<i64> {
    let (date, rest) = text.split_at_checked(10)?;
    let rest = rest.strip_prefix(['T', 't', ' '])?;
    let (time, rest) = rest.split_at_checked(8)?;
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let [hour, minute, second] = numbers(time, ':', [2, 2, 2])?;
    if !(1..=12).contains(&month)
        || !(1..=days_of(year, month)).contains(&day)
        || hour > 23
        || minute > 59
        || second > 59
    {
        return None;
    }
    let (fraction_ms, zone) = match rest.strip_prefix('.') {
        Some(fraction) => {
            let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
            let (fraction, zone) = fraction.split_at(digits);
            (format!("{fraction:0<3}").get(..3)?.parse::<i64>().ok().filter(|_| digits > 0)?, zone)
        }
        None => (0, rest),
    };
    let offset_minutes = match zone.split_at_checked(1)? {
        ("Z" | "z", "") => 0,
        (sign @ ("+" | "-"), offset) => {
            let [hours, minutes] = numbers(offset, ':', [2, 2])?;
            (hours <= 23 && minutes <= 59).then_some((hours * 60 + minutes) * if sign == "-" { -1 } else { 1 })?
        }
        _ => return None,
    };
    let secs = days_since_1970(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second - offset_minutes * 60;
    Some(secs * 1_000 + fraction_ms)
}

/// The same time as text, to the second: `2026-01-31T06:00:00Z`.
pub fn rfc3339(ms: i64) -> String {
    let (day, second) = (ms.div_euclid(86_400_000), ms.rem_euclid(86_400_000) / 1_000);
    // Years begin in March, as below.
    let shifted = day + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let date = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{date:02}T{:02}:{:02}:{:02}Z", second / 3_600, second / 60 % 60, second % 60)
}

/// Whole numbers of exactly these widths, between separators.
fn numbers<const N: usize>(text: &str, separator: char, widths: [usize; N]) -> Option<[i64; N]> {
    let mut parts = text.split(separator);
    let mut found = [0; N];
    for (slot, width) in found.iter_mut().zip(widths) {
        let part = parts.next()?;
        *slot =
            (part.len() == width && part.bytes().all(|byte| byte.is_ascii_digit())).then(|| part.parse().ok())??;
    }
    parts.next().is_none().then_some(found)
}

fn days_of(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01, in the proleptic Gregorian calendar: years begin in March, so that the leap day is the last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_was_written_is_read_back() {
        // Every day of 400 years and some, at another second of the day each.
        for day in -1_000..150_000_i64 {
            let ms = day * 86_400_000 + day.rem_euclid(86_400) * 1_000;
            assert_eq!(rfc3339_ms(&rfc3339(ms)), Some(ms), "{}", rfc3339(ms));
        }
        assert_eq!(rfc3339(1_769_839_200_999), "2026-01-31T06:00:00Z");
    }

    #[test]
    fn times_as_people_write_them() {
        for (text, ms) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2026-01-31T06:00:00Z", Some(1_769_839_200_000)),
            ("2026-01-31 07:00:00.25+01:00", Some(1_769_839_200_250)),
            ("2024-02-29T23:59:59.9999z", Some(1_709_251_199_999)),
            ("1969-12-31T23:59:59-00:30", Some(1_799_000)),
            ("2023-02-29T00:00:00Z", None),
            ("2026-01-31", None),
            ("2026-01-31T06:00:00", None),
            ("2026-01-31T06:00:00.Z", None),
            ("2026-01-31T24:00:00Z", None),
            ("2026-01-31T06:00:00+1:00", None),
            ("2026-1-31T06:00:00Z", None),
            ("yesterday", None),
            ("2026-01-3\u{e9}T06:00:00Z", None),
        ] {
            assert_eq!(rfc3339_ms(text), ms, "{text}");
        }
    }
}
