//! Pieces of JSON: escaped text, numbers, time stamps, members. Deterministic, and nothing is allocated but by `out`.

use crate::scan::special_mask;

/// Appends text between quotes.
pub(super) fn quoted(out: &mut Vec<u8>, value: &str) {
    out.push(b'"');
    text(out, value);
    out.push(b'"');
}

/// Appends text, escaped where JSON asks for it (RFC 8259, section 7). Most texts need nothing of it, so it is copied
/// and looked at in one go. Sixteen bytes at a time, the last ones overlapping those before: texts are short, and what a
/// vector loop leaves to its end, or a call of the library's copy, would cost more than the loop.
#[inline]
pub(super) fn text(out: &mut Vec<u8>, value: &str) {
    let bytes = value.as_bytes();
    let start = out.len();
    let is_plain = match (bytes.last_chunk::<16>(), bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        (Some(last), ..) => {
            out.reserve(bytes.len() + last.len());
            let mut special = special_mask(last);
            for chunk in bytes.as_chunks().0 {
                special |= special_mask(chunk);
                out.extend_from_slice(chunk);
            }
            out.truncate(start + bytes.len() - last.len());
            out.extend_from_slice(last);
            special == 0
        }
        (None, Some(first), Some(last)) => {
            out.extend_from_slice(first);
            out.truncate(start + bytes.len() - last.len());
            out.extend_from_slice(last);
            special_of(first) | special_of(last) == 0
        }
        _ => {
            // What a word has too much is made a plain character, and cut off.
            let word = (short(bytes) | u64::from_le_bytes([b' '; 8]) << (8 * bytes.len())).to_le_bytes();
            out.extend_from_slice(&word);
            out.truncate(start + bytes.len());
            special_of(&word) == 0
        }
    };
    if !is_plain {
        out.truncate(start);
        escape(out, bytes);
    }
}

/// Appends JSON as it is, sixteen bytes at a time as in [`text`].
#[inline]
pub(super) fn verbatim(out: &mut Vec<u8>, json: &[u8]) {
    let Some(last) = json.last_chunk::<16>() else { return out.extend_from_slice(json) };
    let end = out.len() + json.len();
    out.reserve(json.len() + last.len());
    json.as_chunks::<16>().0.iter().for_each(|chunk| out.extend_from_slice(chunk));
    out.truncate(end - last.len());
    out.extend_from_slice(last);
}

/// Up to seven bytes as one number, the first the lowest.
#[inline]
fn short(bytes: &[u8]) -> u64 {
    match *bytes {
        [] => 0,
        [a] => u64::from(a),
        [a, b] => u64::from(u16::from_le_bytes([a, b])),
        [a, b, c] => u64::from(u32::from_le_bytes([a, b, c, 0])),
        // The last four bytes overlap the first, with equal values.
        [a, b, c, d, ..] => {
            let last = bytes.last_chunk().map_or(0, |last| u64::from(u32::from_le_bytes(*last)));
            u64::from(u32::from_le_bytes([a, b, c, d])) | last << (8 * (bytes.len() - 4))
        }
    }
}

/// Appends JSON that ends with an opening quote, a text, and the closing quote.
#[inline]
pub(super) fn put(out: &mut Vec<u8>, before: &[u8], value: &str) {
    out.extend_from_slice(before);
    text(out, value);
    out.push(b'"');
}

/// The same for texts that need no escape: addresses, country codes, names of our own.
#[inline]
pub(super) fn put_plain(out: &mut Vec<u8>, before: &[u8], value: &str) {
    out.extend_from_slice(before);
    out.extend_from_slice(value.as_bytes());
    out.push(b'"');
}

/// Whether a byte must be escaped.
const fn is_special(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// Not zero if one of eight bytes must be escaped. A byte below n, for n up to 128, is found by subtracting n from each
/// byte: it borrows, and had no high bit of its own; a quote or a backslash is a zero once its own pattern is taken out.
fn special_of(chunk: &[u8; 8]) -> u64 {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH: u64 = ONES << 7;
    let bytes = u64::from_ne_bytes(*chunk);
    let below = |bytes: u64, limit: u8| bytes.wrapping_sub(ONES * limit as u64) & !bytes & HIGH;
    below(bytes, 0x20) | below(bytes ^ (ONES * b'"' as u64), 1) | below(bytes ^ (ONES * b'\\' as u64), 1)
}

#[cold]
fn escape(out: &mut Vec<u8>, bytes: &[u8]) {
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| is_special(*byte)) {
        out.extend_from_slice(&rest[..at]);
        match rest[at] {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            control => {
                const DIGITS: &[u8; 16] = b"0123456789abcdef";
                let (high, low) = (DIGITS[usize::from(control >> 4)], DIGITS[usize::from(control & 15)]);
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
            }
        }
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

/// Appends `"key":"value"`, after a comma unless an object has just been opened; nothing for an empty value.
pub(super) fn member(out: &mut Vec<u8>, key: &str, value: &str) {
    if !value.is_empty() {
        open(out, key);
        quoted(out, value);
    }
}

/// Appends `"key":number` in the same way.
pub(super) fn number_member(out: &mut Vec<u8>, key: &str, value: impl itoa::Integer) {
    open(out, key);
    number(out, value);
}

/// Appends `"key":`, after a comma unless an object has just been opened. The key needs no escape.
pub(super) fn open(out: &mut Vec<u8>, key: &str) {
    if out.last() != Some(&b'{') {
        out.push(b',');
    }
    out.push(b'"');
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(b"\":");
}

/// Appends a whole number.
pub(super) fn number(out: &mut Vec<u8>, value: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends an entropy with three decimals, rounded half up. Entropy of bytes is never negative and at most 8.
pub(super) fn entropy(out: &mut Vec<u8>, bits: f32) {
    let thousandths = (f64::from(bits) * 1000.0 + 0.5) as u32;
    let digit = |power| b'0' + (thousandths / power % 10) as u8;
    out.extend_from_slice(&[digit(1000), b'.', digit(100), digit(10), digit(1)]);
}

/// Appends instants as text; remembers the last one, and so its minute: queries of a record are of one or two, and all
/// of them arrived at once.
#[derive(Debug, Clone)]
pub(super) struct Clock {
    time_ms: i64,
    minute: i64,
    /// `2024-05-05T08:34:56.130Z`, of `time_ms`.
    text: [u8; 24],
}

impl Default for Clock {
    fn default() -> Self {
        Self { time_ms: 0, minute: 0, text: *b"1970-01-01T00:00:00.000Z" }
    }
}

const MINUTE_MS: i64 = 60_000;

/// The first and the last instant with a year of four digits.
const FIRST_MS: i64 = -62_167_219_200_000;
const LAST_MS: i64 = 253_402_300_799_999;

impl Clock {
    /// Appends an instant, milliseconds since 1970 UTC, as `2024-05-05T08:34:56.130Z`. Years beyond four digits become
    /// the nearest instant that has them: a log line cannot say more.
    pub(super) fn write(&mut self, out: &mut Vec<u8>, time_ms: i64) {
        if time_ms == self.time_ms {
            return out.extend_from_slice(&self.text);
        }
        self.time_ms = time_ms;
        let time_ms = time_ms.clamp(FIRST_MS, LAST_MS);
        let minute = time_ms.div_euclid(MINUTE_MS);
        let [before @ .., _, _, _, _, _, _, _] = &mut self.text;
        if minute != self.minute {
            self.minute = minute;
            *before = minute_text(minute);
        }
        // From where they are made: a text just put together from bytes is slow to be read as a whole.
        out.extend_from_slice(before);
        let rest = (time_ms - minute * MINUTE_MS) as u32;
        let digit = |power| b'0' + (rest / power % 10) as u8;
        let seconds = [digit(10_000), digit(1_000), b'.', digit(100), digit(10), digit(1), b'Z'];
        out.extend_from_slice(&seconds);
        self.text[17..].copy_from_slice(&seconds);
    }
}

/// `2024-05-05T08:34:` of a minute since 1970.
fn minute_text(minute: i64) -> [u8; 17] {
    let (year, month, day) = date(minute.div_euclid(1_440));
    let of_day = minute.rem_euclid(1_440);
    let text = format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:", of_day / 60, of_day % 60);
    *text.as_bytes().first_chunk().expect("a year of at most four digits makes seventeen bytes")
}

/// Year, month and day of a day since 1970, in the proleptic Gregorian calendar.
///
/// Counts in years that begin in March, so that the leap day comes last, and in eras of 400 years, which all have the
/// same length of 146,097 days (Howard Hinnant, "chrono-compatible low-level date algorithms").
fn date(day: i64) -> (i64, i64, i64) {
    let since_march_of_0 = day + 719_468;
    let era = since_march_of_0.div_euclid(146_097);
    let of_era = since_march_of_0.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).expect("JSON is UTF-8")
    }

    #[test]
    fn instants_are_told_to_the_millisecond() {
        let mut clock = Clock::default();
        for (time_ms, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (1_714_898_096_130, "2024-05-05T08:34:56.130Z"),
            (1_709_251_199_999, "2024-02-29T23:59:59.999Z"),
            (1_709_251_200_000, "2024-03-01T00:00:00.000Z"),
            (951_782_400_007, "2000-02-29T00:00:00.007Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (FIRST_MS, "0000-01-01T00:00:00.000Z"),
            (LAST_MS, "9999-12-31T23:59:59.999Z"),
            (i64::MIN, "0000-01-01T00:00:00.000Z"),
            (i64::MAX, "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(written(|out| clock.write(out, time_ms)), expected);
        }
    }

    #[test]
    fn entropy_has_three_decimals() {
        for (bits, expected) in [(0.0, "0.000"), (0.0005, "0.001"), (1.584_962_5, "1.585"), (8.0, "8.000")] {
            assert_eq!(written(|out| entropy(out, bits)), expected);
        }
    }

    #[test]
    fn members_are_parted_by_commas() {
        let text = written(|out| {
            out.push(b'{');
            member(out, "a", "");
            member(out, "b", "x");
            number_member(out, "c", 7_u32);
            out.push(b'}');
        });
        assert_eq!(text, r#"{"b":"x","c":7}"#);
    }

    proptest! {
        #[test]
        fn any_text_survives(value in "(?s).{0,60}") {
            let json = written(|out| quoted(out, &value));
            prop_assert_eq!(serde_json::from_str::<String>(&json).expect("valid JSON"), value);
        }

        #[test]
        fn what_must_be_escaped_is_seen_wherever_it_stands(
            mut value in prop::collection::vec(any::<u8>().prop_filter("plain", |byte| !is_special(*byte)), 1..40),
            place in any::<prop::sample::Index>(),
            special in prop::sample::select(vec![0, 1, 9, 10, 0x1f, b'"', b'\\']),
        ) {
            let quoted_by_library = |bytes: &[u8]| {
                let text: String = bytes.iter().copied().map(char::from).collect();
                (serde_json::to_string(&text).expect("a text is JSON"), text)
            };
            let (expected, plain) = quoted_by_library(&value);
            prop_assert_eq!(written(|out| quoted(out, &plain)), expected);
            let at = place.index(value.len());
            value[at] = special;
            let (expected, plain) = quoted_by_library(&value);
            prop_assert_eq!(written(|out| quoted(out, &plain)), expected);
        }

        #[test]
        fn days_follow_each_other(day in -700_000_i64..2_900_000) {
            let (today, tomorrow) = (date(day), date(day + 1));
            prop_assert!(tomorrow > today);
            prop_assert!(tomorrow.2 == today.2 + 1 || tomorrow.2 == 1);
        }
    }
}
