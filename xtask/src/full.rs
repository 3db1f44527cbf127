//! `cargo xtask full`: all of `test`, and what needs more time or more tools.

use crate::checks::{EMULATORS, binary, cargo, everything, program, tests};
use crate::report::Report;
use crate::tools::{self, Tools};
use crate::{deploy, emulators, kcl, mutants, prometheus};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// The browser, unless `ZONEWATCH_CHROMIUM` names another.
const CHROMIUM: &str = "/usr/bin/chromium";

/// What can be run alone, by its name on the command line, in the order of a full run.
pub(crate) const PARTS: [(&str, Part); 16] = [
    ("properties", longer_properties),
    ("simulation", more_worlds),
    ("dynamodb-local", on_dynamodb_local),
    ("kcl", kcl::in_turn),
    ("documentation", documentation),
    ("tutorial", tutorial),
    ("fleet", fleet),
    ("page", page_in_a_browser),
    ("prometheus", prometheus::alerts),
    ("load", load),
    ("bench", bench),
    ("infrastructure", deploy::infra::infrastructure),
    ("kubernetes", deploy::kubernetes::kubernetes),
    ("image", deploy::image::image),
    ("release", deploy::release::release),
    ("dashboards", deploy::dashboards::dashboards),
];

type Part = fn(&Path, &mut Report, Option<&Tools>);

/// Everything, or only the named parts, for which the test tools are installed first.
pub(crate) fn full(root: &Path, wanted: &[&str]) -> Result<ExitCode, String> {
    if let Some(unknown) = wanted.iter().find(|name| PARTS.iter().all(|(part, _)| part != *name)) {
        let names: Vec<&str> = PARTS.iter().map(|(name, _)| *name).collect();
        return Err(format!("no such part: {unknown}; there are {}", names.join(", ")));
    }
    let mut report = Report::new();
    let tools = if wanted.is_empty() {
        everything(root, &mut report)
    } else {
        report.step("test tools", || tools::install(root, tools::Output::Shown))
    };
    for (name, part) in PARTS {
        if wanted.is_empty() || wanted.contains(&name) {
            part(root, &mut report, tools.as_ref());
        }
    }
    Ok(if wanted.is_empty() { report.close() } else { report.close_parts() })
}

/// The property tests with 20,000 cases each.
fn longer_properties(root: &Path, report: &mut Report, _: Option<&Tools>) {
    let mut tests = cargo(root, "test -p dnslog -p detect -p lease --profile ci --no-fail-fast");
    report.run_tests("properties, longer", tests.env("PROPTEST_CASES", "20000"));
}

/// The simulations in many more worlds, and the changes of their rules that they must find.
fn more_worlds(root: &Path, report: &mut Report, _: Option<&Tools>) {
    simulate(root, 10_000, report);
    mutants::find_all(root, "", report);
}

/// The fleet's simulation in so many worlds, and the windows' in three tenths as many of each of its scenes.
pub(crate) fn simulate(root: &Path, worlds: u64, report: &mut Report) {
    let suites = [("simulation", "promises", worlds), ("windows", "windows", worlds * 3 / 10)];
    for (name, suite, worlds) in suites {
        let mut tests = cargo(root, &format!("test -p simulation --test {suite} --profile ci"));
        report.run_tests(&format!("{name}, {worlds} worlds"), tests.env("ZONEWATCH_SEEDS", worlds.to_string()));
    }
}

/// The lease table's contract on AWS's own code: leases hang on its conditions.
fn on_dynamodb_local(root: &Path, report: &mut Report, tools: Option<&Tools>) {
    let name = "lease table on DynamoDB Local";
    if !tools::answers("java", &["-version"]) {
        return report.not_run(name, "java is missing (Debian: default-jre-headless)");
    }
    if !has_compiler(report, name) {
        return;
    }
    let Some(tools) = tools else { return report.not_run(name, NO_TOOLS) };
    let started = report.step("start DynamoDB Local", || {
        tools::install_for_full(root, tools)?;
        emulators::start_dynamodb_local(root, tools)
    });
    let Some(running) = started else { return };
    let suite = format!("{EMULATORS} --test contract_emulators -- lease_table rows_of_other_kinds");
    report.run_tests(name, tests(root, &suite).envs(running.environment()));
}

/// What the manual says of the code; a broken link is an error.
fn documentation(root: &Path, report: &mut Report, _: Option<&Tools>) {
    let mut documentation = cargo(root, "doc --workspace --no-deps --document-private-items --profile ci");
    // Private items are documented too, so a link to one leads somewhere.
    documentation.env("RUSTDOCFLAGS", "-D warnings -A rustdoc::private_intra_doc_links");
    report.run("documentation", &mut documentation);
}

/// Every command of the tutorial, with what stands there.
fn tutorial(root: &Path, report: &mut Report, _: Option<&Tools>) {
    let name = "tutorial";
    let wanted = [("jq", "jq"), ("curl", "curl"), ("promtool", "prometheus")];
    if let Some((program, package)) = wanted.iter().find(|(program, _)| !tools::answers(program, &["--version"])) {
        return report.not_run(name, &format!("{program} is missing (Debian: {package})"));
    }
    report.run("compile the program", &mut cargo(root, "build -p zonewatch --profile ci"));
    report.run_tests(name, suite(root, "full_tutorial").env("ZONEWATCH_BIN", binary(root)));
}

/// Fleets to which the worst happens, and how long hand-overs take: the end-to-end tests' own, with many more tries. Their
/// figures are printed as lines `figure …`.
fn fleet(root: &Path, report: &mut Report, tools: Option<&Tools>) {
    let name = "fleets, 30 tries";
    let Some(tools) = tools else { return report.not_run(name, NO_TOOLS) };
    let Some(running) = report.step("start the emulators again", || emulators::start(root, tools)) else { return };
    report.run("compile the program", &mut cargo(root, "build -p zonewatch --profile ci"));
    let mut tests = suite(root, "end_to_end");
    tests.args(["chaos::", "hand_over::"]).env("ZONEWATCH_BIN", binary(root)).env("ZONEWATCH_TRIES", "30");
    report.run_tests(name, tests.envs(running.environment()));
}

/// The status page in a real browser. Screenshots are left in `.cache/screenshots`.
fn page_in_a_browser(root: &Path, report: &mut Report, tools: Option<&Tools>) {
    let name = "status page in Chromium";
    let chromium = std::env::var_os("ZONEWATCH_CHROMIUM").map_or_else(|| PathBuf::from(CHROMIUM), PathBuf::from);
    if !chromium.is_file() {
        let advice = format!("{} is missing (Debian: chromium; or set ZONEWATCH_CHROMIUM)", chromium.display());
        return report.not_run(name, &advice);
    }
    let Some(tools) = tools else { return report.not_run(name, NO_TOOLS) };
    let started = report.step("start what the page needs", || {
        tools::install_for_full(root, tools)?;
        emulators::start(root, tools)
    });
    let Some(running) = started else { return };
    report.run("compile the program", &mut cargo(root, "build -p zonewatch --profile ci"));
    let mut tests = suite(root, "full_page");
    tests.env("ZONEWATCH_BIN", binary(root)).env("ZONEWATCH_CHROMIUM", chromium);
    report.run_tests(name, tests.envs(running.environment()));
}

/// The release binary under load. Its figures are printed as lines `figure …`.
fn load(root: &Path, report: &mut Report, tools: Option<&Tools>) {
    let name = "load and cost on ferrokinesis";
    if !cfg!(target_os = "linux") {
        return report.not_run(name, "it reads /proc (run it on Linux)");
    }
    if !has_compiler(report, name) {
        return;
    }
    let Some(tools) = tools else { return report.not_run(name, NO_TOOLS) };
    let ferrokinesis = report.step("build ferrokinesis, the first time", || tools::install_ferrokinesis(root));
    let Some(ferrokinesis) = ferrokinesis else { return };
    report.run("release binary", &mut cargo(root, "build --release -p zonewatch"));
    let started = report.step("start ferrokinesis", || emulators::start_for_load(root, tools, &ferrokinesis));
    let Some(running) = started else { return };
    let mut tests = suite(root, "full_load");
    report.run_tests(name, tests.envs(running.environment()).env("ZONEWATCH_BIN", program(root, "release")));
}

/// The figures of speed, as ratios of one run.
fn bench(root: &Path, report: &mut Report, _: Option<&Tools>) {
    report.run("bench", &mut cargo(root, "bench"));
}

/// A suite of the feature `full`, one test at a time, with what it prints.
pub(crate) fn suite(root: &Path, name: &str) -> Command {
    cargo(
        root,
        &format!("test -p zonewatch-tests --profile ci --features full --test {name} -- --nocapture --test-threads=1"),
    )
}

pub(crate) const NO_TOOLS: &str = "the test tools were not installed";

/// Whether there is a C compiler for the loopback shim; says so if not.
fn has_compiler(report: &mut Report, name: &str) -> bool {
    let found = tools::answers("cc", &["--version"]);
    if !found {
        report.not_run(name, "cc is missing (Debian: gcc libc6-dev)");
    }
    found
}
