//! Pieces of HTML, and numbers as people read them.

use std::fmt::Write;
use std::time::Duration;

/// Characters of a name that are shown; names on the wire have at most 255.
const NAME_CHARS_MAX: usize = 80;

/// `text` with every character that means something in HTML replaced; fit for content and for quoted attributes.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // Control characters have no business in a name; shown, so that nobody is fooled by what is not seen.
            control if control.is_control() => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(control));
            }
            other => out.push(other),
        }
    }
    out
}

/// A name that strangers may have chosen: cut, escaped, and kept from turning the text around it.
pub fn name(text: &str) -> String {
    let cut: String = text.chars().take(NAME_CHARS_MAX).collect();
    let more = if cut.len() < text.len() { "…" } else { "" };
    format!("<bdi>{}{more}</bdi>", escaped(&cut))
}

/// `12,345`.
pub fn whole(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `0.4`, `12`, `1,234`.
pub fn rate(number: f64) -> String {
    if number < 9.95 { format!("{number:.1}") } else { whole(number.round() as u64) }
}

/// `12.3 %`; `–` of nothing.
pub fn share(part: u64, of: u64) -> String {
    if of == 0 { "–".to_owned() } else { format!("{:.1} %", part as f64 * 100.0 / of as f64) }
}

/// `0.5 s`, `42 s`, `3 min`, `2 h 5 min`, `1 d 3 h`.
pub fn span(duration: Duration) -> String {
    let secs = duration.as_secs();
    match secs {
        0..10 => format!("{:.1} s", duration.as_secs_f64()),
        10..120 => format!("{secs} s"),
        120..3_600 => format!("{} min", secs / 60),
        3_600..86_400 => format!("{} h {} min", secs / 3_600, secs % 3_600 / 60),
        _ => format!("{} d {} h", secs / 86_400, secs % 86_400 / 3_600),
    }
}

/// `14:03:12 UTC` of a time since 1970.
pub fn time_of_day(ms: i64) -> String {
    let secs = ms.div_euclid(1_000).rem_euclid(86_400);
    format!("{:02}:{:02}:{:02} UTC", secs / 3_600, secs / 60 % 60, secs % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_strangers_chose_is_text_and_nothing_else() {
        assert_eq!(escaped("<a href='x'>&\"\u{7}"), "&lt;a href=&#39;x&#39;&gt;&amp;&quot;\\u{7}");
        assert_eq!(name("a.test"), "<bdi>a.test</bdi>");
        assert_eq!(name(&"é".repeat(81)), format!("<bdi>{}…</bdi>", "é".repeat(80)));
    }

    #[test]
    fn numbers_are_easy_to_read() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(whole), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([0.0, 9.94, 9.96, 12_345.6].map(rate), ["0.0", "9.9", "10", "12,346"]);
        assert_eq!((share(1, 3), share(0, 0)), ("33.3 %".to_owned(), "–".to_owned()));
        let spans = [500, 42_000, 200_000, 7_500_000, 100_000_000].map(Duration::from_millis).map(span);
        assert_eq!(spans, ["0.5 s", "42 s", "3 min", "2 h 5 min", "1 d 3 h"]);
        // 2026-11-16 09:00 UTC, and a second before 1970.
        let times = [1_794_819_600_000, -1_000].map(time_of_day);
        assert_eq!(times, ["09:00:00 UTC", "23:59:59 UTC"]);
    }
}
