//! The table against the source that uses it, and the exposition against Prometheus' text format.

use super::*;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

fn sources(directory: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("table_test.rs") {
            into.push(path);
        }
    }
}

/// A use of a `metrics` macro: the file, the macro, the first argument and the label keys.
struct Use {
    file: String,
    kind: Kind,
    name: String,
    labels: BTreeSet<String>,
}

/// Every `counter!(…)`, `gauge!(…)` and `histogram!(…)` in `text`.
fn uses(file: &str, text: &str) -> Vec<Use> {
    let mut found = Vec::new();
    for (macro_name, kind) in [("counter!(", Kind::Counter), ("gauge!(", Kind::Gauge), ("histogram!(", Kind::Histogram)]
    {
        for (at, _) in text.match_indices(macro_name) {
            if text[..at].ends_with("describe_") {
                continue;
            }
            let mut depth = 1;
            let inside: String = text[at + macro_name.len()..]
                .chars()
                .take_while(|character| {
                    depth += i32::from(*character == '(') - i32::from(*character == ')');
                    depth > 0
                })
                .collect();
            let mut labels = BTreeSet::new();
            for (arrow, _) in inside.match_indices("=>") {
                labels.insert(inside[..arrow].rsplit('"').nth(1).unwrap_or("(not a literal)").to_owned());
            }
            // Labels made beforehand: `let labels = [("stream", …), ("reason", …)]`.
            if let Some((_, variable)) = inside.split_once(", &") {
                let before = text[..at].rsplit(&format!("let {} = [", variable.trim())).next().unwrap_or_default();
                let pairs = before.split("];").next().unwrap_or_default().split("(\"").skip(1);
                labels.extend(pairs.filter_map(|pair| Some(pair.split_once('"')?.0.to_owned())));
            }
            let name = inside.split(',').next().unwrap_or_default().trim().rsplit("::").next().unwrap_or_default();
            found.push(Use { file: file.to_owned(), kind, name: name.to_owned(), labels });
        }
    }
    found
}

fn all_uses() -> Vec<Use> {
    let mut files = Vec::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    sources(&root, &mut files);
    assert!(files.len() > 10, "the source is not where it was");
    files
        .iter()
        .flat_map(|path| {
            uses(&path.strip_prefix(&root).unwrap().to_string_lossy(), &std::fs::read_to_string(path).unwrap())
        })
        .collect()
}

#[test]
fn every_metric_that_is_set_is_in_the_table_with_its_kind_and_labels() {
    for Use { file, kind, name, labels } in all_uses() {
        // The loop in `describe` sets every row by its own name.
        if name == "metric.name" {
            continue;
        }
        let (_, full_name) = CONSTANTS
            .iter()
            .find(|(constant, _)| *constant == name)
            .unwrap_or_else(|| panic!("{file}: {name} is no constant of the metrics table"));
        let metric = metric(full_name);
        assert_eq!(metric.kind, kind, "{file}: {name}");
        assert_eq!(
            metric.labels.iter().map(|label| (*label).to_owned()).collect::<BTreeSet<_>>(),
            labels,
            "{file}: {name}"
        );
    }
}

#[test]
fn every_metric_of_the_table_is_set_somewhere() {
    // Histograms and the series of shards and zones are rendered by `Exposition` itself, not through a macro.
    let rendered: Vec<String> =
        shard_series::render().into_iter().chain(zone_series::render()).map(|(name, _)| name).collect();
    let histograms = [ARRIVAL_DELAY_SECONDS, DELIVERY_DELAY_SECONDS, FINDING_DELAY_SECONDS];
    let own: Vec<&str> = rendered.iter().map(String::as_str).chain(histograms).collect();
    let set: BTreeSet<String> = all_uses().into_iter().map(|found| found.name).collect();
    for (constant, name) in CONSTANTS.iter().filter(|(_, name)| !own.contains(name)) {
        assert!(set.contains(*constant), "{name} is described and never set");
    }
}

#[test]
fn the_table_keeps_the_naming_rules() {
    let mut names = BTreeSet::new();
    for metric in TABLE {
        assert!(names.insert(metric.name), "{} stands twice", metric.name);
        assert!(metric.name.starts_with("zonewatch_"), "{}", metric.name);
        assert_eq!(metric.kind == Kind::Counter, metric.name.ends_with("_total"), "{}", metric.name);
        let unit = match metric.unit {
            Unit::Seconds => "_seconds",
            Unit::Bytes => "_bytes",
            Unit::Percent => "_ratio",
            _ => "",
        };
        assert!(metric.name.contains(unit), "{} is counted in another unit than its name says", metric.name);
        assert!(metric.help.ends_with('.') && !metric.help.contains('\n'), "{}", metric.name);
    }
}

/// Checks `text` against the text format: families described once before their samples, no series twice, names, label
/// syntax and values sound. Answers the families and how many samples each has.
fn parse(text: &str) -> Result<BTreeMap<String, usize>, String> {
    let (mut helped, mut families, mut series) = (BTreeSet::new(), BTreeMap::new(), BTreeSet::new());
    let mut current = String::new();
    for line in text.lines() {
        let fault = |what: &str| Err(format!("{what}: {line}"));
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let Some((name, help)) = rest.split_once(' ') else { return fault("help without a sentence") };
            if help.is_empty() || !helped.insert(name.to_owned()) {
                return fault("help missing or said twice");
            }
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let Some((name, kind)) = rest.split_once(' ') else { return fault("type without a kind") };
            if !["counter", "gauge", "histogram"].contains(&kind) || !helped.contains(name) {
                return fault("unknown kind, or no help before it");
            }
            if families.insert(name.to_owned(), 0).is_some() {
                return fault("family stands twice");
            }
            name.clone_into(&mut current);
        } else {
            let Some((identity, value)) = line.rsplit_once(' ') else { return fault("no value") };
            if value.parse::<f64>().is_err() || !series.insert(identity.to_owned()) {
                return fault("no number, or a series that stands twice");
            }
            let name = identity.split('{').next().unwrap_or_default();
            let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
            if name != current && base != current {
                return fault("a sample outside its family");
            }
            if let Some(labels) = identity[name.len()..].strip_prefix('{') {
                labels_are_sound(labels).map_err(|what| format!("{what}: {line}"))?;
            }
            *families.entry(current.clone()).or_default() += 1;
        }
    }
    Ok(families)
}

fn labels_are_sound(mut rest: &str) -> Result<(), &'static str> {
    while rest != "}" {
        let (key, after) = rest.split_once("=\"").ok_or("label without a value")?;
        if key.is_empty() || !key.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric()) {
            return Err("label key");
        }
        let mut escape = false;
        let end = after.find(|character| {
            let closes = character == '"' && !escape;
            escape = character == '\\' && !escape;
            closes
        });
        rest = &after[end.ok_or("label value without an end")? + 1..];
        rest = rest.strip_prefix(',').unwrap_or(rest);
    }
    Ok(())
}

#[test]
fn the_exposition_is_sound_and_described() {
    let _series = ShardSeries::new("exposition \"quoted\"", "shard\\1");
    let exposition = Exposition::isolated(|| {
        metrics::counter!(QUERIES_TOTAL, "zone" => "a\"b\\c\nd", "rcode" => "NOERROR").increment(3);
        metrics::counter!(QUERIES_TOTAL, "zone" => "example.com", "rcode" => "NXDOMAIN").increment(2);
        metrics::gauge!(HELD_BYTES).set(12.0);
    });
    let text = exposition.render();
    let families = parse(&text).unwrap_or_else(|fault| panic!("{fault}\n{text}"));
    assert_eq!(families["zonewatch_queries_total"], 2, "{text}");
    assert_eq!(families["zonewatch_rejects_total"], dnslog::Reason::ALL.len());
    assert_eq!(families["zonewatch_control_messages_total"], 1);
    assert!(text.contains(&format!("zonewatch_build_info{{version=\"{}\"}} 1\n", env!("CARGO_PKG_VERSION"))));
    assert!(text.contains("zonewatch_queries_total{zone=\"a\\\"b\\\\c\\nd\",rcode=\"NOERROR\"} 3\n"), "{text}");
}

#[test]
fn the_format_check_finds_faults() {
    let head = "# HELP a x.\n# TYPE a gauge\n";
    assert!(parse(&format!("{head}a 1\n")).is_ok());
    for fault in
        ["a 1\na 2\n", "a{b=\"c} 1\n", "b 1\n", "a x\n", "# TYPE a gauge\n", "a{b-c=\"d\"} 1\n", "# TYPE b gauge\n"]
    {
        assert!(parse(&format!("{head}{fault}")).is_err(), "{fault}");
    }
}
