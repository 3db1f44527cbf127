//! `cargo xtask test` and `cargo xtask full`: which checks there are, and in which order.

use crate::report::Report;
use crate::tools::{self, Output, Tools};
use crate::{emulators, kcl, say};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// The feature of the suites that need emulators. It is on for linting, compiling and running alike: every package is
/// then built once, with one set of features.
const EMULATORS: &str = "--features zonewatch-tests/emulators";

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
    more_worlds(root, &mut report);
    on_dynamodb_local(root, &mut report, tools.as_ref());
    kcl::in_turn(root, &mut report, tools.as_ref());
    let mut documentation = cargo(root, "doc --workspace --no-deps --document-private-items --profile ci");
    report.run("documentation", documentation.env("RUSTDOCFLAGS", "-D warnings"));
    Ok(report.close())
}

fn everything(root: &Path, report: &mut Report) -> Option<Tools> {
    say("installing the test tools beside the compilation; their output goes to .cache/logs/install.log");
    let missing = tools::missing();
    let tools = std::thread::scope(|scope| {
        let tools = scope.spawn(|| tools::install(root, Output::Logged));
        compile(root, report);
        if missing.is_some() {
            return None;
        }
        report.step("test tools", || tools.join().unwrap_or_else(|_| Err("install the test tools: panicked".into())))
    });
    let running = tools.as_ref().and_then(|tools| report.step("start the emulators", || emulators::start(root, tools)));
    match running {
        Some(running) => {
            let mut tests = tests(root, &format!("{EMULATORS} --no-fail-fast"));
            report.run_tests("tests", tests.envs(running.environment()).env("ZONEWATCH_BIN", binary(root)));
        }
        // What needs no emulator is still worth knowing.
        None => report.run_tests("tests on memory", &mut tests(root, "--no-fail-fast")),
    }
    if let Some(advice) = missing {
        report.not_run("tests on emulators", advice);
    }
    tools
}

fn compile(root: &Path, report: &mut Report) {
    component(root, report, "format", "fmt --all --check", "rustfmt");
    // The feature of the longest suites includes the other.
    let lints = "clippy --workspace --all-targets --features zonewatch-tests/full --profile ci -- -D warnings";
    component(root, report, "lints", lints, "clippy");
    // Binaries and tests in one call: else the binary would be compiled with other features than the tests, and the whole
    // AWS SDK with it, twice.
    report.run("compile", &mut cargo(root, &format!("build --workspace --bins --tests {EMULATORS} --profile ci")));
}

/// The property tests with 20,000 cases each.
fn longer_properties(root: &Path, report: &mut Report) {
    let mut tests = cargo(root, "test -p dnslog -p detect -p lease --profile ci --no-fail-fast");
    report.run_tests("properties, longer", tests.env("PROPTEST_CASES", "20000"));
}

/// The fleet's simulation in ten times as many worlds.
fn more_worlds(root: &Path, report: &mut Report) {
    let mut tests = tests(root, &format!("{EMULATORS} --test simulation"));
    report.run_tests("simulation, more worlds", tests.env("ZONEWATCH_SEEDS", "3000"));
}

/// The lease table's contract on AWS's own code: leases hang on its conditions.
fn on_dynamodb_local(root: &Path, report: &mut Report, tools: Option<&Tools>) {
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
    let suite = format!("{EMULATORS} --test contract_emulators -- lease_table rows_of_other_kinds");
    report.run_tests(name, tests(root, &suite).envs(running.environment()));
}

/// `cargo test` over the whole workspace.
fn tests(root: &Path, arguments: &str) -> Command {
    cargo(root, &format!("test --workspace --profile ci {arguments}"))
}

/// A step of one of rustup's components, which a machine may lack.
fn component(root: &Path, report: &mut Report, name: &str, arguments: &str, component: &str) {
    let command = arguments.split(' ').next().unwrap_or_default();
    if tools::answers("cargo", &[command, "--version"]) {
        report.run(name, &mut cargo(root, arguments));
    } else {
        report.not_run(name, &format!("cargo {command} is missing (rustup component add {component})"));
    }
}

/// Where cargo puts the binary of the `ci` profile.
pub(crate) fn binary(root: &Path) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    root.join(target).join("ci/zonewatch")
}

/// A cargo command. None of its arguments holds a space.
pub(crate) fn cargo(root: &Path, arguments: &str) -> Command {
    let mut command = Command::new("cargo");
    command.args(arguments.split_whitespace()).current_dir(root);
    command
}
