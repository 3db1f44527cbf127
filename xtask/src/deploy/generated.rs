//! Files that are made of other files, so that nothing is kept in two places by hand. They are in the tree because
//! whoever deploys has no `cargo`; a check makes them again and compares.

use super::commands::output;
use super::folded::unfolded;
use crate::say;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The rules that Prometheus loads as files.
const RULES: &str = "deploy/prometheus/rules";
/// The same for its operator. The chart includes the files themselves.
const PROMETHEUS_RULE: &str = "deploy/kubernetes/base/prometheusrule.yaml";
const PROMETHEUS_RULE_HEAD: &str = "\
# Of the Prometheus operator. Made of deploy/prometheus/rules/*.yaml by `cargo xtask generate`; change those files.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: zonewatch
spec:
  groups:
";

/// Makes all of them.
pub(crate) fn write(root: &Path) -> Result<(), String> {
    write_file(&root.join(PROMETHEUS_RULE), &prometheus_rule(&rules(root)?)?)?;
    make_dashboards(root, &root.join("deploy/grafana"), &root.join("deploy/opensearch"))?;
    say(&format!("made {PROMETHEUS_RULE}, deploy/grafana/*.json and deploy/opensearch/dashboards.ndjson"));
    Ok(())
}

/// Whether the rules are the same in both files.
pub(crate) fn same_rules(root: &Path) -> Result<(), String> {
    let made = prometheus_rule(&rules(root)?)?;
    if read(&root.join(PROMETHEUS_RULE))? == made {
        return Ok(());
    }
    Err(format!("{PROMETHEUS_RULE} is not what {RULES}/*.yaml make: run `cargo xtask generate`"))
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

/// The rules files, in the order of their names: name and text.
fn rules(root: &Path) -> Result<Vec<(String, String)>, String> {
    let folder = root.join(RULES);
    let listed = fs::read_dir(&folder).map_err(|error| format!("read {}: {error}", folder.display()))?;
    let paths = listed.flatten().map(|entry| entry.path());
    let mut paths: Vec<PathBuf> = paths.filter(|path| path.extension().is_some_and(|end| end == "yaml")).collect();
    paths.sort();
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    paths.iter().map(|path| Ok((name(path), read(path)?))).collect()
}

/// Rules files as the operator's object: the groups of all of them, two columns further in. Only comments may stand
/// before a file's groups.
fn prometheus_rule(files: &[(String, String)]) -> Result<String, String> {
    let mut made = PROMETHEUS_RULE_HEAD.to_owned();
    for (name, text) in files {
        let Some((head, groups)) = text.split_once("groups:\n") else {
            return Err(format!("{RULES}/{name}: it has no line `groups:`"));
        };
        if !head.lines().all(|line| line.is_empty() || line.starts_with('#')) {
            return Err(format!("{RULES}/{name}: something stands before its groups"));
        }
        let (head, groups) = (head.lines().map(|line| (4, line)), unfolded(groups));
        for (columns, line) in head.chain(groups.lines().map(|line| (2, line))) {
            let indented = format!("{:columns$}{line}", "");
            made.extend([indented.trim_end(), "\n"]);
        }
    }
    Ok(made)
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

    fn file(text: &str) -> (String, String) {
        ("a.yaml".to_owned(), text.to_owned())
    }

    #[test]
    fn groups_of_all_files_stand_in_one_object() {
        let files = [
            file("# First.\n\ngroups:\n  - name: a\n\n    rules: []\n"),
            file("groups:\n  - name: b\n    rules: []\n"),
        ];
        let made = prometheus_rule(&files).expect("rules");
        let groups = "  groups:\n    # First.\n\n    - name: a\n\n      rules: []\n    - name: b\n      rules: []\n";
        assert!(made.ends_with(groups), "{made}");
    }

    #[test]
    fn a_file_of_another_shape_is_refused() {
        for text in ["rules: []\n", "title: x\ngroups:\n  - name: a\n"] {
            assert!(prometheus_rule(&[file(text)]).is_err(), "{text}");
        }
    }
}
