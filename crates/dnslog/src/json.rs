//! Log forms that are JSON objects: the `parseRoute53` processor's, VPC Resolver's, Global Resolver's.
//!
//! They are read by the library: a Resolver log is an order of magnitude rarer than a zone's line. Unknown fields are
//! ignored, a field of a wrong kind counts as absent, and what a query cannot do without is then named.

mod global_resolver;
mod public;
mod resolver;
mod scalar;

use crate::{Query, Reason};
use memchr::memmem;
use serde::Deserialize;

/// JSON nested deeper than this is nobody's log.
const DEPTH_MAX: usize = 128;

/// Reads one message that begins with `{` and hands over what it says.
pub(crate) fn read<R>(message: &str, then: impl FnOnce(Result<Query<'_>, Reason>) -> R) -> R {
    if is_too_deep(message.as_bytes()) {
        return then(Err(Reason::TooDeep));
    }
    // A quote inside a JSON string is escaped, so what clients chose cannot look like a key.
    let has = |key: &str| memmem::find(message.as_bytes(), key.as_bytes()).is_some();
    if has("\"hostZoneId\"") {
        public::read(message, then)
    } else if has("\"class_uid\"") {
        global_resolver::read(message, then)
    } else if has("\"query_name\"") {
        resolver::read(message, then)
    } else {
        then(Err(Reason::UnknownMessage))
    }
}

fn parse<'a, T: Deserialize<'a>>(message: &'a str) -> Result<T, Reason> {
    serde_json::from_str(message).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => Reason::BadEvent,
        _ => Reason::BadJson,
    })
}

/// Whether brackets are nested deeper than [`DEPTH_MAX`].
pub(crate) fn is_too_deep(json: &[u8]) -> bool {
    let openings = json.iter().filter(|&&byte| byte == b'{' || byte == b'[').count();
    openings > DEPTH_MAX && nesting(json) > DEPTH_MAX
}

/// How deep brackets outside of strings are nested.
fn nesting(json: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let mut bytes = json.iter();
    let mut in_string = false;
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => in_string = !in_string,
            b'\\' if in_string => {
                bytes.next();
            }
            b'{' | b'[' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_in_strings_do_not_nest() {
        assert_eq!(nesting(br#"{"a":[1,{"b":"[[[\"{{{"}],"c":{}}"#), 3);
        assert!(!is_too_deep("[".repeat(128).as_bytes()));
        assert!(is_too_deep("[".repeat(129).as_bytes()));
        assert!(!is_too_deep(format!("[{}]", "[],".repeat(500)).as_bytes()));
    }

    #[test]
    fn what_is_no_known_form_is_refused() {
        for (message, reason) in [
            (String::from("{}"), Reason::UnknownMessage),
            (r#"{"message":"hello"}"#.into(), Reason::UnknownMessage),
            (r#"{"query_name":"a"#.into(), Reason::BadJson),
            (r#"{"query_name":"a"} x"#.into(), Reason::BadJson),
            (r#"{"version":"1.1","version":"1.1","query_name":"a"}"#.into(), Reason::BadEvent),
            (format!(r#"{{"query_name":"a","x":{}{}}}"#, "[".repeat(200), "]".repeat(200)), Reason::TooDeep),
            (format!(r#"{{"query_name":"a","x":{}"#, "{\"x\":".repeat(100_000)), Reason::TooDeep),
        ] {
            assert_eq!(read(&message, |query| query.err()), Some(reason), "{message:.80}");
        }
    }
}
