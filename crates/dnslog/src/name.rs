//! Domain names as Route 53 logs them, brought to one form.
//!
//! The log keeps what the client sent: any case (resolvers randomise it, "0x20"), a trailing dot or none, Route 53's
//! octal escapes (`\052` for `*`) or raw bytes. [`normalize`] gives equal names equal text, and its output is ASCII
//! without white space, so it can be a map key, a JSON string or a suffix to compare. It must not know about zones.

use crate::scan::{LabelMasks, label_masks};

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
        Look { is_odd: false, has_capitals: false, dots } => return count_plain(trimmed, dots),
        Look { is_odd: false, has_capitals: true, dots } => {
            scratch.push_str(trimmed);
            scratch.make_ascii_lowercase();
            return count_plain(scratch, dots);
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

/// What the bytes of a name are.
#[derive(Default)]
struct Look {
    /// Where dots are in the first 64 bytes, the lowest bit for the first byte.
    dots: u64,
    /// Escapes, or what must be one.
    is_odd: bool,
    has_capitals: bool,
}

/// Looks at sixteen bytes at a time, the last ones overlapping those before: it runs once for each query, and names are
/// short.
fn look(bytes: &[u8]) -> Look {
    let mut look = Look::default();
    let Some(last) = bytes.last_chunk() else {
        let mut block = [b'a'; 16];
        block.iter_mut().zip(bytes).for_each(|(place, byte)| *place = *byte);
        look.add(&block, 0);
        return look;
    };
    for (index, block) in bytes.as_chunks().0.iter().enumerate() {
        look.add(block, 16 * index);
    }
    look.add(last, bytes.len() - last.len());
    look
}

impl Look {
    #[inline(always)]
    fn add(&mut self, block: &[u8; 16], at: usize) {
        let LabelMasks { dots, odd, capitals } = label_masks(block);
        self.dots |= u64::from(dots).checked_shl(at as u32).unwrap_or_default();
        self.is_odd |= odd != 0;
        self.has_capitals |= capitals != 0;
    }
}

/// Counts the labels of a name without escapes, whose first dots are known.
fn count_plain(text: &str, first_dots: u64) -> Name<'_> {
    let mut labels = 1;
    let mut longest = 0;
    let mut start = 0;
    let mut count = |dot: usize| {
        longest = longest.max(dot - start);
        start = dot + 1;
        labels += 1;
    };
    let mut left = first_dots;
    while left != 0 {
        count(left.trailing_zeros() as usize);
        left &= left - 1;
    }
    if let Some(rest) = text.as_bytes().get(64..) {
        memchr::memchr_iter(b'.', rest).for_each(|dot| count(64 + dot));
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
        fn labels_of_plain_names_are_those_between_dots(logged in "[a-zA-Z0-9-]{1,9}([.]{1,2}[a-zA-Z0-9-]{1,40}){0,9}") {
            let mut scratch = String::new();
            let name = normalize(&logged, &mut scratch);
            let labels: Vec<usize> = logged.split('.').map(str::len).collect();
            let longest = labels.iter().max().map_or(0, |longest| saturated(*longest));
            prop_assert_eq!((name.labels, name.longest_label), (saturated(labels.len()), longest));
            prop_assert_eq!(name.text, logged.to_ascii_lowercase());
        }

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
