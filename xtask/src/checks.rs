//! `cargo xtask test` and `cargo xtask full`: which checks there are, and in which order.

use crate::report::Report;
use crate::tools::{self, Output};
use crate::{emulators, say};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// What must pass before a change lands.
pub(crate) fn test(root: &Path) -> Result<ExitCode, String> {
    let mut report = Report::new();
    everything(root, &mut report);
    Ok(report.close())
}

/// The same, and what needs more time or tools.
pub(crate) fn full(root: &Path) -> Result<ExitCode, String> {
    let mut report = Report::new();
    let tools = everything(root, &mut report);
    longer_properties(root, &mut report);
    on_dynamodb_local(root, &mut report, tools.as_ref());
    let mut documentation =
        cargo(root, &["doc", "--workspace", "--no-deps", "--document-private-items", "--profile", "ci"]);
    report.run("documentation", documentation.env("RUSTDOCFLAGS", "-D warnings"));
    Ok(report.close())
}

/// The property tests with 20,000 cases each.
fn longer_properties(root: &Path, report: &mut Report) {
    let packages = ["--package", "dnslog", "--package", "detect", "--package", "lease"];
    let mut tests = cargo(root, &["test", "--profile", "ci", "--no-fail-fast"]);
    report.run_tests("properties, longer", tests.args(packages).env("PROPTEST_CASES", "20000"));
}

/// The lease table's contract on AWS's own code: its conditions are the ones that leases hang on.
fn on_dynamodb_local(root: &Path, report: &mut Report, tools: Option<&tools::Tools>) {
    let name = "lease table on DynamoDB Local";
    if !tools::answers("java", &["-version"]) {
        return report.not_run(name, "java is missing (Debian: default-jre-headless)");
    }
    let Some(tools) = tools else { return report.not_run(name, "the test tools were not installed") };
    let started = report.step("start DynamoDB Local", || {
        tools::install_for_full(root, tools)?;
        emulators::start_dynamodb_local(root, tools)
    });
    let Some(running) = started else { return };
    let arguments = ["test", "--package", "zonewatch-tests", "--features", "emulators", "--profile", "ci"];
    let mut tests = cargo(root, &arguments);
    tests.args(["--test", "contract_emulators", "--", "lease_table", "rows_of_other_kinds"]);
    report.run_tests(name, tests.envs(running.environment()));
}

fn everything(root: &Path, report: &mut Report) -> Option<tools::Tools> {
    say("installing the test tools beside the compilation; their output goes to .cache/logs/install.log");
    let missing = tools::missing();
    let tools = std::thread::scope(|scope| {
        let tools = scope.spawn(|| tools::install(root, Output::Logged));
        on_memory(root, report);
        if let Some(advice) = missing {
            report.not_run("tests on emulators", advice);
            return None;
        }
        report.step("test tools", || tools.join().unwrap_or_else(|_| Err("install the test tools: panicked".into())))
    })?;
    on_emulators(root, report, &tools);
    Some(tools)
}

/// What needs nothing but cargo.
fn on_memory(root: &Path, report: &mut Report) {
    component(root, report, "format", &["fmt", "--all", "--check"], "rustfmt");
    let lints = ["clippy", "--workspace", "--all-targets", "--profile", "ci", "--", "-D", "warnings"];
    component(root, report, "lints", &lints, "clippy");
    report
        .run_tests("tests on memory", &mut cargo(root, &["test", "--workspace", "--profile", "ci", "--no-fail-fast"]));
}

/// What needs the emulators and the real binary.
fn on_emulators(root: &Path, report: &mut Report, tools: &tools::Tools) {
    report.run("build the binary", &mut cargo(root, &["build", "--package", "zonewatch", "--profile", "ci"]));
    let Some(running) = report.step("start the emulators", || emulators::start(root, tools)) else { return };
    let arguments =
        ["test", "--package", "zonewatch-tests", "--features", "emulators", "--profile", "ci", "--no-fail-fast"];
    let mut tests = cargo(root, &arguments);
    tests.envs(running.environment()).env("ZONEWATCH_BIN", binary(root));
    report.run_tests("tests on emulators", &mut tests);
}

/// A step of one of rustup's components, which a machine may lack.
fn component(root: &Path, report: &mut Report, name: &str, arguments: &[&str], component: &str) {
    if tools::answers("cargo", &[arguments[0], "--version"]) {
        report.run(name, &mut cargo(root, arguments));
    } else {
        report.not_run(name, &format!("cargo {} is missing (rustup component add {component})", arguments[0]));
    }
}

/// Where cargo puts the binary of the `ci` profile.
fn binary(root: &Path) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    root.join(target).join("ci/zonewatch")
}

fn cargo(root: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command.args(arguments).current_dir(root);
    command
}
