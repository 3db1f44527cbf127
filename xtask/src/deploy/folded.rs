//! YAML's folded texts (`key: >-`) on one line. kustomize reads them well and writes them with lines too many, so what it
//! reads must have none.

/// A document with each folded text as a quoted one.
pub(crate) fn unfolded(text: &str) -> String {
    let mut made = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(key) = line.strip_suffix(">-").filter(|key| key.ends_with(": ")) else {
            made.extend([line, "\n"]);
            continue;
        };
        let above = indent(line);
        let mut folded = Vec::new();
        while let Some(next) = lines.next_if(|next| next.trim().is_empty() || indent(next) > above) {
            folded.push(next);
        }
        // Empty lines at the end of a text that strips them are lines between two items.
        let end = folded.iter().rposition(|line| !line.trim().is_empty()).map_or(0, |last| last + 1);
        let behind = folded.split_off(end);
        made.extend([key, &quoted(&value(&folded)), "\n"]);
        made.extend(behind.iter().map(|_| "\n"));
    }
    made
}

/// Columns before a line's first character; those of a list's dash belong to what stands in it.
fn indent(line: &str) -> usize {
    let inner = line.trim_start_matches(' ');
    let dash = if inner.starts_with("- ") { 2 } else { 0 };
    line.len() - inner.len() + dash
}

/// What folded lines mean: lines are joined by a space, empty ones are line feeds, and so is the end of every line that is
/// indented further, or stands before one.
fn value(lines: &[&str]) -> String {
    let base = lines.iter().find(|line| !line.trim().is_empty()).map_or(0, |line| line.len() - line.trim_start().len());
    let (mut text, mut empty, mut after_further) = (String::new(), 0, false);
    for line in lines {
        let line = line.get(base..).unwrap_or_default().trim_end();
        if line.is_empty() {
            empty += 1;
            continue;
        }
        let further = line.starts_with(' ');
        if !text.is_empty() {
            let feeds = if further || after_further { empty + 1 } else { empty };
            text.push_str(&if feeds == 0 { " ".to_owned() } else { "\n".repeat(feeds) });
        }
        text.push_str(line);
        (empty, after_further) = (0, further);
    }
    text
}

/// A text as YAML's double quotes take it.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_joined_and_what_is_indented_further_keeps_its_line() {
        let folded =
            "a:\n  - b: >-\n      one \"two\"\n      three\n        four\n      five\n\n      six\n\n  - c: 1\n";
        let plain = "a:\n  - b: \"one \\\"two\\\" three\\n  four\\nfive\\nsix\"\n\n  - c: 1\n";
        assert_eq!(unfolded(folded), plain);
    }

    #[test]
    fn what_is_not_folded_stays() {
        let text = "# >-\na: b > c\nd: |\n  e\n  f\n";
        assert_eq!(unfolded(text), text);
    }

    #[test]
    fn a_text_ends_where_its_keys_neighbour_begins() {
        assert_eq!(unfolded("- a: >-\n    x\n  b: 1\n"), "- a: \"x\"\n  b: 1\n");
    }
}
