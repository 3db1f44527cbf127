//! Rules about the crate graph, read from cargo itself.

use super::root;
use serde_json::Value;
use std::process::Command;

/// What the product's crates may name, by crate. A crate may only name what stands below it.
const BELOW: [(&str, &[&str]); 6] = [
    ("zonewatch", &["cloud", "detect", "dnslog", "lease", "traffic"]),
    ("cloud", &["lease"]),
    ("detect", &["dnslog"]),
    ("lease", &[]),
    ("dnslog", &[]),
    ("traffic", &["dnslog"]),
];

/// What no pure crate may depend on, however far away: runtimes, sockets, the SDK, clocks, random sources, logging.
const IMPURE: [&str; 12] =
    ["tokio", "mio", "hyper", "aws-", "tracing", "metrics", "log", "rand", "getrandom", "chrono", "time", "futures"];

/// A dependency as a manifest states it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    /// The crate that depends.
    pub from: String,
    /// The crate it depends on.
    pub to: String,
    /// Whether only its tests do.
    pub dev: bool,
}

/// What the workspace's manifests state.
pub fn direct() -> Vec<Dependency> {
    let metadata: Value =
        serde_json::from_slice(&cargo(&["metadata", "--no-deps", "--format-version", "1"])).expect("cargo prints JSON");
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut found = Vec::new();
    for package in list(&metadata["packages"]) {
        for dependency in list(&package["dependencies"]) {
            let dev = dependency["kind"] == "dev";
            found.push(Dependency { from: text(&package["name"]), to: text(&dependency["name"]), dev });
        }
    }
    assert!(!found.is_empty(), "cargo metadata names no dependency");
    found
}

/// Everything a crate needs outside its tests, near and far.
pub fn all_of(name: &str) -> Vec<String> {
    let tree = cargo(&["tree", "--package", name, "--edges", "normal", "--prefix", "none", "--format", "{p}"]);
    let tree = String::from_utf8(tree).expect("cargo prints UTF-8");
    tree.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

/// Crates name only what stands below them, and only `cloud` names the SDK.
pub fn direction(dependencies: &[Dependency]) -> Vec<String> {
    let is_ours = |name: &str| BELOW.iter().any(|(ours, _)| *ours == name);
    let mut faults = Vec::new();
    for Dependency { from, to, dev } in dependencies {
        if to.starts_with("aws-") && from != "cloud" {
            faults.push(format!("{from} depends on {to}: only cloud may"));
        }
        let below = BELOW.iter().find(|(ours, _)| ours == from).map(|(_, below)| *below);
        let allowed = below.is_none_or(|below| below.contains(&to.as_str()));
        // A crate's tests may make their input with `traffic`, which names nothing that could lead back.
        if is_ours(to) && !allowed && !(*dev && to == "traffic") {
            faults.push(format!("{from} depends on {to}, which does not stand below it"));
        }
    }
    faults
}

/// A pure crate needs nothing that could reach outside.
pub fn purity(name: &str, needs: &[String]) -> Vec<String> {
    let impure =
        |need: &&String| IMPURE.iter().any(|word| need == word || (word.ends_with('-') && need.starts_with(word)));
    needs.iter().filter(impure).map(|need| format!("{name} needs {need}, which is not pure")).collect()
}

pub(super) fn cargo(arguments: &[&str]) -> Vec<u8> {
    let output =
        Command::new("cargo").args(arguments).arg("--locked").current_dir(root()).output().expect("cargo runs");
    assert!(output.status.success(), "cargo {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dependency(from: &str, to: &str, dev: bool) -> Vec<Dependency> {
        vec![Dependency { from: from.to_owned(), to: to.to_owned(), dev }]
    }

    #[test]
    fn a_crate_that_names_what_stands_above_it_is_a_fault() {
        assert_eq!(direction(&dependency("dnslog", "cloud", false)).len(), 1);
        assert_eq!(direction(&dependency("detect", "lease", true)).len(), 1);
        assert_eq!(direction(&dependency("detect", "dnslog", false)), Vec::<String>::new());
        assert_eq!(direction(&dependency("detect", "traffic", true)), Vec::<String>::new());
        assert_eq!(direction(&dependency("detect", "traffic", false)).len(), 1);
    }

    #[test]
    fn the_sdk_outside_cloud_is_a_fault() {
        assert_eq!(direction(&dependency("zonewatch", "aws-sdk-s3", false)).len(), 1);
        assert_eq!(direction(&dependency("cloud", "aws-sdk-s3", false)), Vec::<String>::new());
    }

    #[test]
    fn a_runtime_below_a_pure_crate_is_a_fault() {
        let needs = ["dnslog", "tokio", "aws-types", "memchr"].map(str::to_owned);
        assert_eq!(purity("dnslog", &needs).len(), 2);
    }
}
