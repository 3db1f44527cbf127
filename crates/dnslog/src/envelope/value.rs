//! JSON values: where they end, and what strings say. By the library, and by hand for strings without escapes.

use crate::session::{Path, Session, Text};
use serde::de::IgnoredAny;
use std::borrow::Cow;

/// The end of the value that begins at `at`, found by the library; `None` if it breaks JSON's grammar. That costs
/// patience.
pub(super) fn end<V>(session: &mut Session<'_, V>, text: &Text<'_>, at: usize) -> Option<usize> {
    let rest = text.bytes.get(at..)?;
    let mut values = serde_json::Deserializer::from_slice(rest).into_iter::<IgnoredAny>();
    match values.next()? {
        Ok(IgnoredAny) => Some(at + values.byte_offset()),
        Err(error) => {
            let line_start = match error.line() {
                0 | 1 => 0,
                line => memchr::memchr_iter(b'\n', rest).nth(line - 2).unwrap_or(rest.len()),
            };
            let read = line_start.saturating_add(error.column()).max(64);
            session.patience_bytes = session.patience_bytes.saturating_sub(read);
            None
        }
    }
}

/// What the string or number at `at` says, and its end. Other kinds say nothing, nor does a string that is not UTF-8.
pub(super) fn scalar<'t, V>(session: &mut Session<'_, V>, text: &Text<'t>, at: usize) -> Option<(Cow<'t, str>, usize)> {
    let first = text.byte(at);
    if session.path == Path::Fast && first == b'"' {
        let plain = session.lines.scanner.plain(text.bytes, at + 1).text();
        let quote = at + 1 + plain.len();
        if text.byte(quote) == b'"' {
            return Some((Cow::Borrowed(plain), quote + 1));
        }
    }
    let end = end(session, text, at)?;
    let value = match (first, text.slice(at..end)) {
        (b'"', Some(value)) => unquote(value).map_or(Cow::Borrowed(""), Cow::Owned),
        (b'-' | b'0'..=b'9', Some(value)) => Cow::Borrowed(value),
        _ => Cow::Borrowed(""),
    };
    Some((value, end))
}

/// A JSON string's text, by the library; `None` if it has half of a surrogate pair.
pub(super) fn unquote(value: &str) -> Option<String> {
    serde_json::from_str(value).ok()
}

/// Replaces the escapes of a JSON string's inside. `None` if there is one that the library should judge.
pub(super) fn unescape(inside: &str, out: &mut String) -> Option<()> {
    out.clear();
    let mut rest = inside;
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        out.push_str(rest.get(..at)?);
        let (character, length) = match *rest.as_bytes().get(at + 1)? {
            byte @ (b'"' | b'\\' | b'/') => (char::from(byte), 2),
            b'b' => ('\u{8}', 2),
            b'f' => ('\u{c}', 2),
            b'n' => ('\n', 2),
            b'r' => ('\r', 2),
            b't' => ('\t', 2),
            b'u' => unescape_unit(rest.get(at..)?)?,
            _ => return None,
        };
        out.push(character);
        rest = rest.get(at + length..)?;
    }
    out.push_str(rest);
    Some(())
}

/// The character of `\uXXXX` or of two such, and their length.
fn unescape_unit(escape: &str) -> Option<(char, usize)> {
    let unit = |from: usize| {
        let digits = escape.get(from..from + 4)?;
        let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        if is_hex { u16::from_str_radix(digits, 16).ok() } else { None }
    };
    let first = unit(2)?;
    if let Some(character) = char::from_u32(u32::from(first)) {
        return Some((character, 6));
    }
    let second = if escape.get(6..8)? == "\\u" { unit(8)? } else { return None };
    let character = char::decode_utf16([first, second]).next()?.ok()?;
    Some((character, 12))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn escapes_are_replaced_as_the_library_does(
            inside in "([a-z\u{e9} ]|\\\\[\"\\\\/bfnrtux]|\\\\u[0-9a-f]{4}|\\\\ud8[0-9a-f]{2}\\\\ud[c-f][0-9a-f]{2}){0,20}",
        ) {
            let quoted = format!("\"{inside}\"");
            let mut out = String::from("old");
            match unescape(&inside, &mut out) {
                Some(()) => prop_assert_eq!(Some(out), unquote(&quoted)),
                None => prop_assert_eq!(None, unquote(&quoted)),
            }
        }
    }
}
