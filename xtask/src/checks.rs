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
    everything(root, &mut report);
    let mut documentation = cargo(root, &["doc", "--workspace", "--no-deps", "--profile", "ci"]);
    report.run("documentation", documentation.env("RUSTDOCFLAGS", "-D warnings"));
    Ok(report.close())
}

fn everything(root: &Path, report: &mut Report) {
    say("installing the test tools beside the compilation; their output goes to .cache/logs/install.log");
    std::thread::scope(|scope| {
        let tools = scope.spawn(|| tools::install(root, Output::Logged));
        on_memory(root, report);
        let missing = tools::missing();
        let tools = report
            .step("test tools", || tools.join().unwrap_or_else(|_| Err("install the test tools: panicked".into())));
        match (missing, tools) {
            (Some(advice), _) => report.not_run("tests on emulators", advice),
            (None, None) => {}
            (None, Some(tools)) => on_emulators(root, report, &tools),
        }
    });
}

/// What needs nothing but cargo.
fn on_memory(root: &Path, report: &mut Report) {
    component(root, report, "format", &["fmt", "--all", "--check"], "rustfmt");
    let lints = ["clippy", "--workspace", "--all-targets", "--profile", "ci", "--", "-D", "warnings"];
    component(root, report, "lints", &lints, "clippy");
    report.run("tests on memory", &mut cargo(root, &["test", "--workspace", "--profile", "ci", "--no-fail-fast"]));
}

/// What needs the emulators and the real binary.
fn on_emulators(root: &Path, report: &mut Report, tools: &tools::Tools) {
    report.run("build the binary", &mut cargo(root, &["build", "--package", "zonewatch", "--profile", "ci"]));
    let Some(running) = report.step("start the emulators", || emulators::start(root, tools)) else { return };
    let arguments =
        ["test", "--package", "zonewatch-tests", "--features", "emulators", "--profile", "ci", "--no-fail-fast"];
    let mut tests = cargo(root, &arguments);
    tests.envs(running.environment()).env("ZONEWATCH_BIN", binary(root));
    report.run("tests on emulators", &mut tests);
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
