//! How people name a zone: in a file, in an address.

use dnslog::name::normalize;

/// A zone as windows have it: a hosted zone's id as it is, a name in its one form, which is also how it is shown.
pub fn zone_of(text: &str) -> String {
    if is_id(text) { text.to_owned() } else { normalize(text, &mut String::new()).text.to_owned() }
}

/// An id is upper-case letters and digits and begins with Z; it has no dot, as every zone's name has.
fn is_id(text: &str) -> bool {
    text.starts_with('Z') && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_stays_and_a_name_takes_its_one_form() {
        for (text, zone) in [
            ("Z0123456789ABCDEFGHIJ", "Z0123456789ABCDEFGHIJ"),
            ("Zoo.example.com", "zoo.example.com"),
            ("ZOO.EXAMPLE.COM.", "zoo.example.com"),
            ("Zoo", "zoo"),
            ("b\u{fc}cher.example", "b\\303\\274cher.example"),
            (".", "."),
            ("", "."),
        ] {
            assert_eq!(zone_of(text), zone, "{text}");
        }
    }
}
