//! `cargo xtask test`: which checks there are, and in which order.

use crate::report::Report;
use crate::tools::{self, Output, Tools};
use crate::{deploy, emulators, say};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// The feature of the suites that need emulators. It is on for linting, compiling and running alike: every package is
/// then built once, with one set of features.
pub(crate) const EMULATORS: &str = "--features zonewatch-tests/emulators";

/// What must pass before a change lands.
pub(crate) fn test(root: &Path) -> Result<ExitCode, String> {
    let mut report = Report::new();
    everything(root, &mut report);
    Ok(report.close())
}

/// All of `test`; the tools that it installed.
pub(crate) fn everything(root: &Path, report: &mut Report) -> Option<Tools> {
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
    deploy::infra::quick(root, report, tools.as_ref());
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

/// `cargo test` over the whole workspace.
pub(crate) fn tests(root: &Path, arguments: &str) -> Command {
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
    program(root, "ci")
}

/// Where cargo puts the binary of a profile.
pub(crate) fn program(root: &Path, profile: &str) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    root.join(target).join(profile).join("zonewatch")
}

/// A cargo command. None of its arguments holds a space.
pub(crate) fn cargo(root: &Path, arguments: &str) -> Command {
    let mut command = Command::new("cargo");
    command.args(arguments.split_whitespace()).current_dir(root);
    command
}
