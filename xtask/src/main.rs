//! The project's own commands. No dependencies, so that `cargo xtask` compiles in a second or two.

mod checks;
mod deploy;
mod emulators;
mod full;
mod kcl;
mod listeners;
mod mutants;
mod pictures;
mod prometheus;
mod python;
mod report;
mod tools;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

const COMMANDS: &str = "\
usage: cargo xtask COMMAND

  test                    what must pass before a change lands: format, lints, unit, property and contract tests,
                          then the contract, schema and end-to-end tests on emulators (needs node, npm and python3)
  full [PART…]            test, and what needs more time or tools; or only these parts: properties, simulation,
                          dynamodb-local, kcl, documentation, tutorial, fleet, page, prometheus, load, bench, infrastructure,
                          kubernetes, image, release, dashboards
  simulate [--seeds N]    the fleet's simulation in N worlds, 10000 unless told otherwise, and the windows' in three tenths
                          as many of each scene
  mutants [WORDS]         takes one safety rule at a time out of the coordination and the window protocol: the simulation
                          must find each; or only those with WORDS in their names
  calibrate [SERIES]      the detector's false alarms and power on series made for it, as in docs/scores.md
  scenarios [DAYS [SEED [RATE]]]
                          what findings are worth: incidents of every kind on made-up zones, and days of nothing, as in
                          docs/findings.md
  nab DIR                 the detector's score on the Numenta Anomaly Benchmark, a copy of which is in DIR
  release                 what a release ships, in .cache/release: a static program in an archive, the image, the bill of
                          materials, checksums; unpacked and run before it is called one
  generate                makes again what is made of other files: the PrometheusRule of the rules files, the dashboards
  screenshots             takes the pictures of the status page again, docs/pictures, of one certain day of the demo (needs Chromium)
  tools                   only installs the pinned test tools into .cache/tools
  emulators -- COMMAND…   starts the emulators, runs COMMAND with their addresses in its environment, stops them

With CI=true a check that can't run is a failure; without it the final table says NOT RUN.";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let root = root();
    let outcome = match words.as_slice() {
        ["test"] => checks::test(&root),
        ["full", parts @ ..] => full::full(&root, parts),
        ["simulate"] => simulate(&root, "10000"),
        ["simulate", "--seeds", seeds] => simulate(&root, seeds),
        ["mutants", words @ ..] => mutants::mutants(&root, &words.join(" ")),
        ["calibrate", rest @ ..] => figures(&root, "calibrate", rest),
        ["scenarios", rest @ ..] => figures(&root, "scenarios", rest),
        ["nab", folder] => figures(&root, "nab", &[folder]),
        ["release"] => release(&root),
        ["generate"] => deploy::generated::write(&root).map(|()| ExitCode::SUCCESS),
        ["screenshots"] => pictures::take(&root).map(|()| ExitCode::SUCCESS),
        ["tools"] => tools::install(&root, tools::Output::Shown).map(|_| ExitCode::SUCCESS),
        ["emulators", "--", program, rest @ ..] => with_emulators(&root, program, rest),
        [] | ["help" | "--help" | "-h"] => {
            say(COMMANDS);
            Ok(ExitCode::SUCCESS)
        }
        _ => Err(format!("no such command: {}\n\n{COMMANDS}", words.join(" "))),
    };
    outcome.unwrap_or_else(|error| {
        say(&format!("xtask: {error}"));
        ExitCode::from(2)
    })
}

/// Lives through many worlds.
fn simulate(root: &Path, seeds: &str) -> Result<ExitCode, String> {
    let seeds = seeds.parse().map_err(|_| format!("--seeds {seeds}: not a number"))?;
    let mut report = report::Report::new();
    full::simulate(root, seeds, &mut report);
    Ok(report.close())
}

/// Makes a release, and looks at it.
fn release(root: &Path) -> Result<ExitCode, String> {
    let mut report = report::Report::new();
    deploy::release::release(root, &mut report, None);
    Ok(report.close_parts())
}

/// Runs one of the programs that print the detector's figures; its exit code is ours.
fn figures(root: &Path, program: &str, arguments: &[&str]) -> Result<ExitCode, String> {
    let mut command = checks::cargo(root, &format!("run --release -q -p zonewatch-benches --bin {program} --"));
    // Names of folders mean what they mean where the command was given.
    command.current_dir(std::env::current_dir().map_err(|error| format!("ask for the current folder: {error}"))?);
    let status = command.args(arguments).status().map_err(|error| format!("run cargo: {error}"))?;
    Ok(ExitCode::from(u8::try_from(status.code().unwrap_or(1)).unwrap_or(1)))
}

/// Runs one command beside running emulators; its exit code is ours.
fn with_emulators(root: &Path, program: &str, arguments: &[&str]) -> Result<ExitCode, String> {
    let tools = tools::install(root, tools::Output::Shown)?;
    let running = emulators::start(root, &tools)?;
    for (name, value) in running.environment() {
        say(&format!("{name}={value}"));
    }
    let status = Command::new(program)
        .args(arguments)
        .envs(running.environment())
        .status()
        .map_err(|error| format!("run {program}: {error}"))?;
    Ok(ExitCode::from(u8::try_from(status.code().unwrap_or(1)).unwrap_or(1)))
}

/// The workspace's folder.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask stands one folder below the root").to_path_buf()
}

/// Prints a line.
#[expect(clippy::print_stdout, reason = "this program talks to the terminal")]
fn say(line: &str) {
    println!("{line}");
}
