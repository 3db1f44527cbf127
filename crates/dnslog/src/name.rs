//! Domain names as Route 53 logs them, brought to one form.
//!
//! The log keeps what the client sent: any case (resolvers randomise it, "0x20"), a trailing dot or none, Route 53's
//! octal escapes (`\052` for `*`) or raw bytes. [`normalize`] gives equal names equal text, and its output is ASCII
//! without white space, so it can be a map key, a JSON string or a suffix to compare. It must not know about zones.

/// A name in its one form, with what counting its labels came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Name<'a> {
    /// Lower case ASCII, no trailing dot. Every byte that is neither a printable ASCII character nor a separator is
    /// `\ooo` (three octal digits), as are a dot inside a label (`\056`) and a backslash (`\134`). The root is `.`.
    pub text: &'a str,
    /// Labels, 0 for the root; 255 stands for 255 and more.
    pub labels: u8,
    /// Bytes of the longest label, an escape counting as the one byte it stands for; 255 stands for 255 and more.
    pub longest_label: u8,
}

/// Brings a logged name to its one form. `scratch` is used only if the name is not in that form already; its old
/// content is lost.
pub fn normalize<'a>(logged: &'a str, scratch: &'a mut String) -> Name<'a> {
    let trimmed = if logged.ends_with('.') { without_trailing_dots(logged) } else { logged };
    if trimmed.is_empty() {
        return Name { text: ".", labels: 0, longest_label: 0 };
    }
    scratch.clear();
    match look(trimmed.as_bytes()) {
        Look { is_odd: false, has_capitals: false } => return count_plain(trimmed),
        Look { is_odd: false, has_capitals: true } => {
            scratch.push_str(trimmed);
            scratch.make_ascii_lowercase();
            return count_plain(scratch);
        }
        Look { is_odd: true, .. } => {}
    }
    rewrite(logged.as_bytes(), scratch);
    // The dots that are left in the rewritten form are separators, whatever they were escaped as before.
    scratch.truncate(scratch.trim_end_matches('.').len());
    if scratch.is_empty() {
        return Name { text: ".", labels: 0, longest_label: 0 };
    }
    count_escaped(scratch)
}

/// The text without the separators at its end. A dot after a backslash may be part of an escape, so such a name is
/// left whole for [`rewrite`].
fn without_trailing_dots(logged: &str) -> &str {
    let trimmed = logged.trim_end_matches('.');
    if trimmed.ends_with('\\') { logged } else { trimmed }
}

/// What bytes hold that is not in normal form.
struct Look {
    /// Escapes, or what must be one.
    is_odd: bool,
    has_capitals: bool,
}

/// Written so that the compiler turns it into vector code: it runs once for each query.
fn look(bytes: &[u8]) -> Look {
    let (mut is_odd, mut has_capitals) = (false, false);
    for &byte in bytes {
        is_odd |= byte.wrapping_sub(0x21) > 0x5d || byte == b'\\';
        has_capitals |= byte.wrapping_sub(b'A') < 26;
    }
    Look { is_odd, has_capitals }
}

fn count_plain(text: &str) -> Name<'_> {
    let mut labels = 1;
    let mut longest = 0;
    let mut start = 0;
    for dot in memchr::memchr_iter(b'.', text.as_bytes()) {
        longest = longest.max(dot - start);
        start = dot + 1;
        labels += 1;
    }
    longest = longest.max(text.len() - start);
    Name { text, labels: saturated(labels), longest_label: saturated(longest) }
}

fn count_escaped(text: &str) -> Name<'_> {
    let (mut labels, mut longest) = (0, 0);
    for label in text.split('.') {
        let escapes = memchr::memchr_iter(b'\\', label.as_bytes()).count();
        labels += 1;
        longest = longest.max(label.len() - 3 * escapes);
    }
    Name { text, labels: saturated(labels), longest_label: saturated(longest) }
}

fn saturated(count: usize) -> u8 {
    u8::try_from(count).unwrap_or(u8::MAX)
}

/// Appends the normal form of `bytes`.
fn rewrite(bytes: &[u8], out: &mut String) {
    let mut rest = bytes;
    while let [first, tail @ ..] = rest {
        rest = tail;
        match (first, tail) {
            (b'.', _) => out.push('.'),
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..]) => {
                push_byte((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'), out);
                rest = after;
            }
            // The presentation form of RFC 1035: a backslash takes the meaning from any character but a digit.
            (b'\\', [escaped, after @ ..]) if !escaped.is_ascii_digit() => {
                push_byte(*escaped, out);
                rest = after;
            }
            (byte, _) => push_byte(*byte, out),
        }
    }
}

/// Appends one byte of a label.
fn push_byte(byte: u8, out: &mut String) {
    match byte.to_ascii_lowercase() {
        b'.' | b'\\' | ..=0x20 | 0x7f.. => {
            out.push('\\');
            for shift in [6, 3, 0] {
                out.push(char::from(b'0' + (byte >> shift & 7)));
            }
        }
        plain => out.push(char::from(plain)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(logged: &str) -> String {
        normalize(logged, &mut String::new()).text.to_owned()
    }

    #[test]
    fn equal_names_have_equal_text() {
        for (logged, expected) in [
            ("example.com", "example.com"),
            ("eXaMpLe.CoM.", "example.com"),
            ("\\052.example.com", "*.example.com"),
            ("*.example.com", "*.example.com"),
            ("\\101bc.example.com", "abc.example.com"),
            ("_dmarc.example.com", "_dmarc.example.com"),
            ("a\\056b.example.com", "a\\056b.example.com"),
            ("a\\.b.example.com", "a\\056b.example.com"),
            ("a\\134b.example.com", "a\\134b.example.com"),
            ("a\\\\b.example.com", "a\\134b.example.com"),
            ("b\u{fc}cher.example", "b\\303\\274cher.example"),
            ("b\\303\\274cher.example", "b\\303\\274cher.example"),
            ("a\\040b.example", "a\\040b.example"),
            ("a b.example", "a\\040b.example"),
            ("a\\000.example", "a\\000.example"),
            ("a\\377.example", "a\\377.example"),
            // Not an octal number of one byte: the backslash is a character.
            ("a\\400.example", "a\\134400.example"),
            ("a\\09.example", "a\\13409.example"),
            ("a\\", "a\\134"),
            // The dot at the end is escaped, and then it is not.
            ("a\\.", "a\\056"),
            ("a\\\\.", "a\\134"),
            ("a..", "a"),
            (".", "."),
            ("", "."),
            ("a..b", "a..b"),
        ] {
            assert_eq!(text(logged), expected, "{logged:?}");
        }
    }

    #[test]
    fn labels_are_counted_as_bytes_on_the_wire() {
        for (logged, labels, longest) in [
            (".", 0, 0),
            ("com", 1, 3),
            ("WWW.Example.com.", 3, 7),
            ("a\\056b.example.com", 3, 7),
            ("abcdefg\\056b.example.com", 3, 9),
            ("\\303\\274.x", 2, 2),
        ] {
            let mut scratch = String::new();
            let name = normalize(logged, &mut scratch);
            assert_eq!((name.labels, name.longest_label), (labels, longest), "{logged:?}");
        }
        let mut scratch = String::new();
        let many = "a.".repeat(400);
        assert_eq!(normalize(&many, &mut scratch).labels, u8::MAX);
        let long = "a".repeat(400);
        assert_eq!(normalize(&long, &mut scratch).longest_label, u8::MAX);
    }

    proptest! {
        #[test]
        fn normalizing_twice_changes_nothing(logged in "(\\PC|[a-zA-Z.\\\\0-9*]|\\\\[0-3][0-7][0-7]){0,40}") {
            let (mut first, mut second) = (String::new(), String::new());
            let once = normalize(&logged, &mut first);
            let twice = normalize(once.text, &mut second);
            prop_assert_eq!(once, twice);
            prop_assert!(once.text.bytes().all(|byte| (0x21..0x7f).contains(&byte) && !byte.is_ascii_uppercase()));
            prop_assert!(once.text == "." || !once.text.ends_with('.'));
        }
    }
}
