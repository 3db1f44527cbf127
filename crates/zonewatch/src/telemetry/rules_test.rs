//! The metrics that rules and runbook name, against the table: a rule over a name that nobody exports is silent for ever.

use super::*;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What Prometheus adds to every series, and the bounds of histograms.
const ADDED: [&str; 3] = ["job", "instance", "le"];

/// Not a metric: an external label.
const NO_METRIC: &str = "zonewatch_runbook";

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy")
}

/// Names and texts of the rules' files.
fn rules() -> Vec<(String, String)> {
    let files = std::fs::read_dir(deploy().join("prometheus/rules")).unwrap().map(|entry| entry.unwrap().path());
    let read = |path: PathBuf| {
        (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read_to_string(path).unwrap())
    };
    files.map(read).collect()
}

/// A metric or a record where it is used, and the labels that it is selected by.
#[derive(Debug, PartialEq, Eq)]
struct Series {
    name: String,
    labels: Vec<String>,
}

/// Every metric of ours and every record that a text names, wherever it stands.
fn series(text: &str) -> Vec<Series> {
    let is_part = |character: char| character == '_' || character == ':' || character.is_ascii_alphanumeric();
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find(is_part) {
        let word = &rest[start..];
        let name = &word[..word.find(|character| !is_part(character)).unwrap_or(word.len())];
        rest = &word[name.len()..];
        let is_record = name.contains(":zonewatch_");
        if (name.starts_with("zonewatch_") && name != NO_METRIC) || is_record {
            let selector = rest.strip_prefix('{').map_or("", until_the_brace);
            found.push(Series { name: name.trim_end_matches(':').to_owned(), labels: selected(selector) });
        }
    }
    found
}

/// A selector's text, up to the brace that ends it; a quoted value may hold another.
fn until_the_brace(text: &str) -> &str {
    let mut quoted = false;
    let end = text.find(|character| {
        quoted ^= character == '"';
        character == '}' && !quoted
    });
    &text[..end.unwrap_or(text.len())]
}

/// The labels of a selector: the words before its operators.
fn selected(selector: &str) -> Vec<String> {
    let outside = selector.split('"').step_by(2).flat_map(|part| part.split(','));
    let matchers = outside.filter_map(|matcher| matcher.split_once(['=', '!']));
    matchers.map(|(label, _)| label.trim().to_owned()).collect()
}

/// The labels of a metric of the table, none if there is no such metric.
fn labels_of(name: &str) -> Option<BTreeSet<String>> {
    let bare = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
    let row = TABLE.iter().find(|metric| match metric.kind {
        Kind::Histogram => Some(metric.name) == bare,
        _ => metric.name == name,
    })?;
    Some(row.labels.iter().chain(&ADDED).map(|label| (*label).to_owned()).collect())
}

/// The labels of a record: the first part of its name says them.
fn labels_of_record(name: &str) -> BTreeSet<String> {
    name.split(':').next().unwrap_or_default().split('_').map(str::to_owned).collect()
}

/// The labels in a list behind one of these words: `by (job, zone)`.
fn grouped(rule: &str) -> BTreeSet<String> {
    let lists = ["by (", "on (", "group_left ("].into_iter().flat_map(|word| rule.split(word).skip(1));
    let labels = lists.flat_map(|rest| rest.split(')').next().unwrap_or_default().split(','));
    labels.map(|label| label.trim().to_owned()).filter(|label| !label.is_empty()).collect()
}

/// What does not fit the table in a text of rules.
fn faults(text: &str, records: &BTreeSet<String>) -> Vec<String> {
    let mut faults = Vec::new();
    for rule in text.split("\n      - ").skip(1) {
        let head = rule.lines().next().unwrap_or_default();
        let mut known: BTreeSet<String> = ADDED.map(str::to_owned).into();
        for Series { name, labels } in series(rule) {
            let has = match labels_of(&name) {
                _ if records.contains(&name) => labels_of_record(&name),
                Some(labels) => labels,
                None => {
                    faults.push(format!("{head}: {name} is neither a metric nor a record"));
                    continue;
                }
            };
            let unknown = labels.iter().filter(|label| !has.contains(*label));
            faults.extend(unknown.map(|label| format!("{head}: {name} has no label {label}")));
            known.extend(has);
        }
        let unknown = grouped(rule).into_iter().filter(|label| !known.contains(label));
        faults.extend(unknown.map(|label| format!("{head}: none of its series has the label {label}")));
    }
    faults
}

/// The names of the records.
fn records(rules: &[(String, String)]) -> BTreeSet<String> {
    let lines = rules.iter().flat_map(|(_, text)| text.lines());
    lines.filter_map(|line| line.trim().strip_prefix("- record: ")).map(str::to_owned).collect()
}

#[test]
fn rules_name_only_metrics_of_the_table_with_labels_that_they_have() {
    let rules = rules();
    let records = records(&rules);
    assert!(rules.len() > 3 && records.len() > 10, "the rules are not where they were");
    let mut faults: Vec<String> = rules.iter().flat_map(|(_, text)| faults(text, &records)).collect();
    faults.dedup();
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn the_runbook_names_only_metrics_of_the_table_and_records() {
    let (runbook, records) = (std::fs::read_to_string(deploy().join("RUNBOOK.md")).unwrap(), records(&rules()));
    let named: BTreeSet<String> = series(&runbook).into_iter().map(|series| series.name).collect();
    // In prose a histogram has its bare name.
    let known = |name: &str| {
        labels_of(name).is_some() || records.contains(name) || TABLE.iter().any(|metric| metric.name == name)
    };
    let unknown: Vec<&String> = named.iter().filter(|name| !known(name)).collect();
    assert!(named.len() > 10 && unknown.is_empty(), "{unknown:?}");
}

#[test]
fn every_kind_of_finding_has_an_alert() {
    let text: String = rules().into_iter().map(|(_, text)| text).collect();
    for kind in detect::finding::Kind::ALL {
        let selector = format!("zonewatch_finding_active:max2m{{kind=\"{}\"}} > 0\n", kind.as_str());
        assert_eq!(text.matches(&selector).count(), 1, "{}", kind.as_str());
    }
}

/// A template over a signal that nobody exports says "unknown" for ever.
#[test]
fn rules_and_runbook_name_only_signals_that_there_are() {
    let runbook = std::fs::read_to_string(deploy().join("RUNBOOK.md")).unwrap();
    let text = rules().into_iter().fold(runbook, |all, (_, text)| all + &text);
    let named = text.split("signal=").skip(1).map(|rest| rest.trim_start_matches(['\\', '"']));
    let named: BTreeSet<&str> = named.filter_map(|rest| rest.split(['\\', '"']).next()).collect();
    let unknown = |name: &&str| detect::baseline::Signal::ALL.iter().all(|signal| signal.as_str() != *name);
    assert!(named.len() > 3, "{named:?}");
    assert_eq!(named.into_iter().filter(unknown).collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn series_and_their_labels_are_found_in_rules_and_templates() {
    let text = "max by (job, zone) (zonewatch_a{zone!=\"}\",rcode=~\"x|y\"}) / zone:zonewatch_b:rate2m # zonewatch_runbook\n\
                {{ with printf \"zonewatch_c_bucket{job=%q} > 0\" }}";
    let found = |name: &str, labels: &[&str]| Series {
        name: name.to_owned(),
        labels: labels.iter().map(|label| (*label).to_owned()).collect(),
    };
    let expected = [
        found("zonewatch_a", &["zone", "rcode"]),
        found("zone:zonewatch_b:rate2m", &[]),
        found("zonewatch_c_bucket", &["job"]),
    ];
    assert_eq!(series(text), expected);
    assert_eq!(grouped(text), ["job", "zone"].map(str::to_owned).into());
}

#[test]
fn what_is_not_in_the_table_is_a_fault() {
    let records = ["job_zone:zonewatch_queries:rate2m".to_owned()].into();
    let of = |expression: &str| faults(&format!("rules:\n      - alert: X\n        expr: {expression}\n"), &records);
    for sound in [
        "sum by (job, zone) (rate(zonewatch_queries_total{rcode=\"NXDOMAIN\"}[2m]))",
        "job_zone:zonewatch_queries:rate2m{zone=\"a\"} > 1",
        "sum by (le) (rate(zonewatch_arrival_delay_seconds_bucket[1m]))",
        "count by (job) (up)",
    ] {
        assert_eq!(of(sound), Vec::<String>::new(), "{sound}");
    }
    for fault in [
        "zonewatch_query_total",
        "zonewatch_queries_total{name=\"a\"}",
        "sum by (job, shard) (zonewatch_queries_total)",
        "job_zone:zonewatch_queries:rate5m",
        "job_zone:zonewatch_queries:rate2m{rcode=\"a\"}",
        "zonewatch_arrival_delay_seconds",
        "zonewatch_queries_total_bucket",
    ] {
        assert_eq!(of(fault).len(), 1, "{fault}");
    }
}
