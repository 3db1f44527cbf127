//! What attackers may have chosen, as lines of JSON and pages show it.

/// Text as printable ASCII.
pub fn printable(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            ' '..='~' => plain.push(character),
            _ => plain.extend(character.escape_default()),
        }
    }
    plain
}

/// A name without its zone; the zone itself is `@`, as in a zone file.
pub fn relative_name(text: &str) -> String {
    if text.is_empty() { "@".to_owned() } else { printable(text) }
}

/// Four digits after the point: more would be noise.
pub fn rounded(number: f64) -> f64 {
    (number * 1e4).round() / 1e4
}

/// Five significant digits, which are enough for a picture; none of what is no number.
pub fn drawn(number: f32) -> Option<f64> {
    if !number.is_finite() || number == 0.0 {
        return (number == 0.0).then_some(0.0);
    }
    // Through text, since dividing by a power of ten leaves digits behind.
    format!("{number:.4e}").parse().ok()
}
