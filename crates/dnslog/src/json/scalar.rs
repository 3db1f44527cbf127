//! A JSON value that is text, or a number whose digits are taken as text.

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

/// Text, borrowed if it holds no escape. Empty for `null`, `true`, `false`, arrays and objects.
#[derive(Debug, Default, Clone)]
pub(super) struct Scalar<'a>(Cow<'a, str>);

impl Deref for Scalar<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Scalar<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyKind).map(Self)
    }
}

struct AnyKind;

impl<'de> Visitor<'de> for AnyKind {
    type Value = Cow<'de, str>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any JSON value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Cow::Owned(number.to_string()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Cow::Owned(number.to_string()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        // With the point that says it is one: a version 1.0 is written as such.
        Ok(Cow::Owned(format!("{number:?}")))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(""))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(""))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Cow::Borrowed(""))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
        while fields.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Cow::Borrowed(""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_numbers_are_text_and_the_rest_is_empty() {
        for (json, expected) in [
            ("\"a\"", "a"),
            ("\"a\\u0062\"", "ab"),
            ("1", "1"),
            ("1.0", "1.0"),
            ("-5", "-5"),
            ("18446744073709551615", "18446744073709551615"),
            ("null", ""),
            ("true", ""),
            ("[1,[2],{}]", ""),
            ("{\"a\":{\"b\":1}}", ""),
        ] {
            assert_eq!(&*serde_json::from_str::<Scalar<'_>>(json).unwrap(), expected, "{json}");
        }
        assert!(matches!(serde_json::from_str("\"borrowed\""), Ok(Scalar(Cow::Borrowed("borrowed")))));
    }
}
