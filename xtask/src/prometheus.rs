//! The part `prometheus` of `full`: rules and configurations by Prometheus' and Alertmanager's own checks, then alerts from a
//! worker to a webhook.

use crate::checks::{binary, cargo};
use crate::emulators;
use crate::full::{NO_TOOLS, suite};
use crate::report::Report;
use crate::tools::{self, Tools};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const ADVICE: &str = "Debian: prometheus prometheus-alertmanager";

/// What Alertmanager is called: by Debian, and by everybody else.
const ALERTMANAGERS: [&str; 2] = ["prometheus-alertmanager", "alertmanager"];

/// Checks the rules and lets them fire.
pub(crate) fn alerts(root: &Path, report: &mut Report, tools: Option<&Tools>) {
    let folder = root.join("deploy/prometheus");
    let checks: [(&str, &str, &[&str]); 4] = [
        ("rules", "promtool", &["check", "rules", "rules/*.yaml"]),
        ("rules fire and keep silent", "promtool", &["test", "rules", "tests/*.yaml"]),
        ("prometheus.yaml", "promtool", &["check", "config", "prometheus.yaml"]),
        ("alertmanager.yaml", "amtool", &["check-config", "alertmanager.yaml"]),
    ];
    for (name, program, arguments) in checks {
        if !tools::answers(program, &["--version"]) {
            report.not_run(name, &format!("{program} is missing ({ADVICE})"));
            continue;
        }
        match files(&folder, arguments) {
            Ok(arguments) => report.run(name, Command::new(program).args(arguments).current_dir(&folder)),
            Err(fault) => drop(report.step::<()>(name, || Err(fault))),
        }
    }
    to_a_webhook(root, report, tools);
}

/// The arguments, with the files that one like `rules/*.yaml` means in its place. None is a fault: nothing would be checked.
fn files(folder: &Path, arguments: &[&str]) -> Result<Vec<PathBuf>, String> {
    let mut all = Vec::new();
    for argument in arguments {
        let Some(part) = argument.strip_suffix("/*.yaml") else {
            all.push(PathBuf::from(argument));
            continue;
        };
        let listed = fs::read_dir(folder.join(part)).map_err(|error| format!("read {part}: {error}"))?;
        let mut found: Vec<PathBuf> = listed.flatten().map(|entry| Path::new(part).join(entry.file_name())).collect();
        found.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
        if found.is_empty() {
            return Err(format!("find {argument}: there is none"));
        }
        found.sort();
        all.extend(found);
    }
    Ok(all)
}

/// Real servers over a real worker.
fn to_a_webhook(root: &Path, report: &mut Report, tools: Option<&Tools>) {
    let name = "alerts reach a webhook";
    let alertmanager = ALERTMANAGERS.into_iter().find(|program| tools::answers(program, &["--version"]));
    let Some(alertmanager) = alertmanager else {
        return report.not_run(name, &format!("alertmanager is missing ({ADVICE})"));
    };
    if !tools::answers("prometheus", &["--version"]) {
        return report.not_run(name, &format!("prometheus is missing ({ADVICE})"));
    }
    let Some(tools) = tools else { return report.not_run(name, NO_TOOLS) };
    let started = report.step("start the emulators for alerts", || emulators::start(root, tools));
    let Some(running) = started else { return };
    report.run("compile the program", &mut cargo(root, "build -p zonewatch --profile ci"));
    let mut tests = suite(root, "full_alerts");
    tests.env("ZONEWATCH_BIN", binary(root)).env("ZONEWATCH_ALERTMANAGER", alertmanager);
    report.run_tests(name, tests.envs(running.environment()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_means_the_files_that_are_there_and_none_is_a_fault() {
        let folder = crate::root().join("deploy/prometheus");
        let found = files(&folder, &["check", "rules/*.yaml"]).expect("there are rules");
        assert!(
            found.len() > 3 && found[0] == Path::new("check") && found.contains(&PathBuf::from("rules/records.yaml"))
        );
        assert!(files(&folder, &["nothing/*.yaml"]).is_err());
        assert!(files(&folder.join(".."), &["prometheus/*.toml"]).is_ok(), "only .yaml is a pattern");
    }
}
