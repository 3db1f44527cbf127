//! Files that are made of other files, so that nothing is kept in two places by hand. They are in the tree because
//! whoever deploys has no `cargo`; a check makes them again and compares.

use super::commands::output;
use crate::say;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The rules that Prometheus loads as a file.
const RULES: &str = "deploy/prometheus/zonewatch.rules.yaml";
/// The same for its operator. The chart includes the file itself.
const PROMETHEUS_RULE: &str = "deploy/kubernetes/base/prometheusrule.yaml";
const PROMETHEUS_RULE_HEAD: &str = "\
# Of the Prometheus operator. Made of deploy/prometheus/zonewatch.rules.yaml by `cargo xtask generate`; change that file.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: zonewatch
spec:
";

/// Makes all of them.
pub(crate) fn write(root: &Path) -> Result<(), String> {
    write_file(&root.join(PROMETHEUS_RULE), &prometheus_rule(&read(&root.join(RULES))?))?;
    make_dashboards(root, &root.join("deploy/grafana"), &root.join("deploy/opensearch"))?;
    say(&format!("made {PROMETHEUS_RULE}, deploy/grafana/*.json and deploy/opensearch/dashboards.ndjson"));
    Ok(())
}

/// Whether the rules are the same in both files.
pub(crate) fn same_rules(root: &Path) -> Result<(), String> {
    let made = prometheus_rule(&read(&root.join(RULES))?);
    if read(&root.join(PROMETHEUS_RULE))? == made {
        return Ok(());
    }
    Err(format!("{PROMETHEUS_RULE} is not what {RULES} makes: run `cargo xtask generate`"))
}

/// Whether the dashboards are what their sources make.
pub(crate) fn same_dashboards(root: &Path) -> Result<(), String> {
    let made = root.join(".cache/dashboards/made");
    fs::create_dir_all(&made).map_err(|error| format!("make {}: {error}", made.display()))?;
    make_dashboards(root, &made, &made)?;
    let files = ["fleet.json", "zones.json", "findings.json"].map(|file| ("deploy/grafana", file));
    for (folder, file) in files.into_iter().chain([("deploy/opensearch", "dashboards.ndjson")]) {
        if read(&root.join(folder).join(file))? != read(&made.join(file))? {
            return Err(format!("{folder}/{file} is not what tools/dashboards makes: run `cargo xtask generate`"));
        }
    }
    Ok(())
}

/// The programs need Python's standard library and nothing else.
fn make_dashboards(root: &Path, grafana: &Path, opensearch: &Path) -> Result<(), String> {
    let script = |name: &str, target: PathBuf| {
        let mut command = Command::new("python3");
        command.arg(root.join("tools/dashboards").join(name)).arg(target).env("PYTHONDONTWRITEBYTECODE", "1");
        output(&mut command)
    };
    script("grafana.py", grafana.to_path_buf())?;
    script("opensearch.py", opensearch.join("dashboards.ndjson"))?;
    Ok(())
}

/// The rules file as the operator's object: its whole text, two columns further in.
fn prometheus_rule(rules: &str) -> String {
    let indented = rules.lines().map(|line| if line.is_empty() { "\n".to_owned() } else { format!("  {line}\n") });
    [PROMETHEUS_RULE_HEAD.to_owned()].into_iter().chain(indented).collect()
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("read {}: {error}", path.display()))
}

fn write_file(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|error| format!("write {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_the_operators_object_by_their_indent_alone() {
        let made = prometheus_rule("# Rules.\ngroups:\n  - name: a\n\n    rules: []\n");
        assert!(made.ends_with("spec:\n  # Rules.\n  groups:\n    - name: a\n\n      rules: []\n"), "{made}");
    }
}
