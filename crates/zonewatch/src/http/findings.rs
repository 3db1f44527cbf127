//! The page's part about what is wrong.

use super::html::escaped;
use serde_json::Value;
use std::fmt::Write;

/// Findings that are shown; the API has them all.
const FINDINGS_MAX: usize = 20;

/// What `/api/v1/findings` answers, as a table.
pub fn section(document: &Value) -> String {
    let findings = document["findings"].as_array().map_or(&[][..], Vec::as_slice);
    let open = findings.iter().filter(|finding| finding["open"] == true).count();
    let heading = format!("<h2>Findings <span class=\"quiet\">{open} open, and the last that are over</span></h2>\n");
    if findings.is_empty() {
        return format!(
            "{heading}<p>None so far. In a zone\u{2019}s first day only fixed limits speak: a flood of random names, reflection, \
             and SERVFAIL.</p>\n"
        );
    }
    let rows: String = findings.iter().take(FINDINGS_MAX).map(row).collect();
    let more = findings.len().saturating_sub(FINDINGS_MAX);
    let more = if more > 0 { format!("<p class=\"quiet\">and {more} more</p>\n") } else { String::new() };
    format!(
        "{heading}<div class=\"wide\"><table id=\"findings\">\n<thead><tr><th>severity</th><th>zone</th><th>kind</th>\
         <th>what was seen</th><th>since</th><th>made by</th></tr></thead>\n<tbody>\n{rows}</tbody>\n</table></div>\n{more}"
    )
}

fn row(finding: &Value) -> String {
    let text = |name: &str| escaped(finding[name].as_str().unwrap_or_default());
    let severity = text("severity");
    let state = match (finding["open"] == true, finding["muted"] == true) {
        (_, true) => "muted",
        (true, _) => severity.as_str(),
        (false, _) => "over",
    };
    format!(
        "<tr class=\"finding {state}\"><th scope=\"row\">{state}</th><td data-label=\"zone\"><bdi>{zone}</bdi></td>\
         <td data-label=\"kind\">{kind}</td><td data-label=\"seen\">{summary}</td><td data-label=\"since\">{start}</td>\
         <td class=\"asked\">{makers}</td></tr>\n",
        zone = text("zone"),
        kind = text("kind"),
        summary = text("summary"),
        start = text("start"),
        makers = makers(finding, &text("id")),
    )
}

/// Who and what made the difference, the first of each list in short.
fn makers(finding: &Value, id: &str) -> String {
    let mut items = String::new();
    let mut first = None;
    for (list, one) in [
        ("suffixes", "suffix"),
        ("names", "name"),
        ("resolvers", "resolver"),
        ("networks", "network"),
        ("edges", "edge"),
    ] {
        for part in finding[list].as_array().into_iter().flatten() {
            let name = escaped(part["name"].as_str().unwrap_or_default());
            let share = 100.0 * part["share"].as_f64().unwrap_or_default();
            let item = format!("{one} <bdi>{name}</bdi> <span class=\"quiet\">{share:.0} %</span>");
            let _ = write!(items, "<li>{item}</li>");
            first.get_or_insert(item);
        }
    }
    first.map_or_else(
        || "\u{2013}".to_owned(),
        |first| format!("<details data-key=\"finding {id}\"><summary>{first}</summary><ol>{items}</ol></details>"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn findings_are_rows_and_names_stay_text() {
        let part = |name: &str| json!([{ "name": name, "count": 3, "share": 0.5 }]);
        let finding = |open: bool, muted: bool| {
            json!({
                "id": "a1", "zone": "example.com", "kind": "random_subdomain", "severity": "critical", "open": open,
                "muted": muted, "summary": "a flood", "start": "2026-11-22T10:00:00Z", "names": part("<script>"),
                "suffixes": [], "resolvers": part("192.0.2.1"), "networks": [], "edges": [],
            })
        };
        let html = section(&json!({ "findings": [finding(true, false), finding(false, false), finding(true, true)] }));
        assert!(!html.contains("<script>"), "{html}");
        for part in [
            "2 open",
            "<tr class=\"finding critical\">",
            "<tr class=\"finding over\">",
            "<tr class=\"finding muted\">",
            "name <bdi>&lt;script&gt;</bdi> <span class=\"quiet\">50 %</span>",
            "<li>resolver <bdi>192.0.2.1</bdi>",
            "data-key=\"finding a1\"",
        ] {
            assert!(html.contains(part), "{part}: {html}");
        }
        assert!(section(&json!({ "findings": [] })).contains("None so far"));
        let many: Vec<_> = (0..25).map(|_| finding(false, false)).collect();
        assert!(section(&json!({ "findings": many })).contains("and 5 more"));
    }
}
