//! Steps that run one after another, and the table at their end.
//!
//! A step that failed does not stop the next: one run shows everything that is wrong.

use crate::say;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

/// What the steps came to.
pub(crate) struct Report {
    rows: Vec<Row>,
    tests: Tally,
    started: Instant,
}

struct Row {
    name: String,
    outcome: Outcome,
    took: Duration,
}

#[derive(Clone, PartialEq, Eq)]
enum Outcome {
    Passed,
    Failed(String),
    NotRun(String),
}

/// Tests counted from the closing lines of `cargo test`.
#[derive(Default, Clone, Copy, PartialEq, Eq, Debug)]
struct Tally {
    passed: u64,
    failed: u64,
}

impl Report {
    pub(crate) fn new() -> Self {
        Self { rows: Vec::new(), tests: Tally::default(), started: Instant::now() }
    }

    /// Runs a command as a step. What it prints is passed on.
    pub(crate) fn run(&mut self, name: &str, command: &mut Command) {
        self.counted(name, command, |_| Outcome::Passed);
    }

    /// Runs `cargo test` as a step. A run without a single test is a failure: a filter or a feature no longer fits.
    pub(crate) fn run_tests(&mut self, name: &str, command: &mut Command) {
        self.counted(name, command, |tests| match tests {
            Tally { passed: 0, .. } => Outcome::Failed("no test ran".to_owned()),
            Tally { failed: 0, .. } => Outcome::Passed,
            Tally { failed, .. } => Outcome::Failed(format!("{failed} tests failed")),
        });
    }

    fn counted(&mut self, name: &str, command: &mut Command, judge: impl FnOnce(Tally) -> Outcome) {
        say(&format!("\n== {name}"));
        let started = Instant::now();
        let mut tests = Tally::default();
        let outcome = match passed_on(command, &mut tests) {
            Ok(()) => judge(tests),
            Err(error) => Outcome::Failed(error),
        };
        self.tests.passed += tests.passed;
        self.tests.failed += tests.failed;
        self.rows.push(Row { name: name.to_owned(), outcome, took: started.elapsed() });
    }

    /// Runs a step that is not a command.
    pub(crate) fn step<T>(&mut self, name: &str, work: impl FnOnce() -> Result<T, String>) -> Option<T> {
        say(&format!("\n== {name}"));
        let started = Instant::now();
        let (outcome, value) = match work() {
            Ok(value) => (Outcome::Passed, Some(value)),
            Err(error) => {
                say(&error);
                (Outcome::Failed(error.lines().next().unwrap_or_default().to_owned()), None)
            }
        };
        self.rows.push(Row { name: name.to_owned(), outcome, took: started.elapsed() });
        value
    }

    /// Notes that a step could not run, and what is missing.
    pub(crate) fn not_run(&mut self, name: &str, missing: &str) {
        say(&format!("\n== {name}\nNOT RUN: {missing}"));
        self.rows.push(Row {
            name: name.to_owned(),
            outcome: Outcome::NotRun(missing.to_owned()),
            took: Duration::ZERO,
        });
    }

    /// Prints the table. Success only if every step passed and at least one test did; with `CI=true` a step that did
    /// not run is a failure too, since nobody is there to read the table.
    pub(crate) fn close(self) -> ExitCode {
        self.print();
        if self.is_good(strict()) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    /// The same for parts that may have no test of their own.
    pub(crate) fn close_parts(self) -> ExitCode {
        self.print();
        if self.has_no_failure(strict()) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    fn print(&self) {
        say("\nstep                                      time  outcome");
        for row in &self.rows {
            let outcome = match &row.outcome {
                Outcome::Passed => "passed".to_owned(),
                Outcome::Failed(why) => format!("FAILED ({why})"),
                Outcome::NotRun(missing) => format!("NOT RUN ({missing})"),
            };
            say(&format!("{:<38} {:>6.1} s  {outcome}", row.name, row.took.as_secs_f64()));
        }
        say(&format!("{:<38} {:>6.1} s", "all", self.started.elapsed().as_secs_f64()));
        say(&format!("\n{} passed, {} failed", self.tests.passed, self.tests.failed));
    }

    fn is_good(&self, strict: bool) -> bool {
        self.has_no_failure(strict) && self.tests.passed > 0
    }

    fn has_no_failure(&self, strict: bool) -> bool {
        let bad = |row: &Row| match row.outcome {
            Outcome::Passed => false,
            Outcome::Failed(_) => true,
            Outcome::NotRun(_) => strict,
        };
        !self.rows.iter().any(bad) && self.tests.failed == 0
    }
}

fn strict() -> bool {
    std::env::var("CI").is_ok_and(|value| value == "true")
}

/// Runs the command and passes on its standard output line by line.
fn passed_on(command: &mut Command, tests: &mut Tally) -> Result<(), String> {
    let shown = command.get_program().to_string_lossy().into_owned();
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let mut child = child.map_err(|error| format!("run {shown}: {error}"))?;
    let output = child.stdout.take().expect("standard output is piped");
    for line in BufReader::new(output).split(b'\n') {
        let line = line.map_err(|error| format!("read the output of {shown}: {error}"))?;
        let line = String::from_utf8_lossy(&line);
        tests.add(&line);
        say(&line);
    }
    let status = child.wait().map_err(|error| format!("wait for {shown}: {error}"))?;
    if status.success() { Ok(()) } else { Err(status.to_string()) }
}

impl Tally {
    /// Counts a line like `test result: ok. 12 passed; 0 failed; 0 ignored; …`.
    fn add(&mut self, line: &str) {
        let Some(result) = line.strip_prefix("test result: ") else { return };
        let words: Vec<&str> = result.split([' ', ';', '.']).filter(|word| !word.is_empty()).collect();
        for pair in words.windows(2) {
            let count = pair[0].parse::<u64>().unwrap_or(0);
            match pair[1] {
                "passed" => self.passed += count,
                "failed" => self.failed += count,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn closing_lines_are_counted() {
        let mut tally = Tally::default();
        tally.add("test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.10s");
        tally.add("test result: FAILED. 2 passed; 5 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.10s");
        tally.add("test passed::by ... ok");
        assert_eq!(tally, Tally { passed: 14, failed: 5 });
    }

    #[test]
    fn a_failing_command_spoils_the_report() {
        let mut report = Report::new();
        report.run_tests("good", &mut shell("echo 'test result: ok. 3 passed; 0 failed'"));
        assert!(report.is_good(true));
        report.run("bad", &mut shell("exit 3"));
        assert!(!report.is_good(false));
    }

    #[test]
    fn a_report_without_a_single_test_is_not_good() {
        let mut report = Report::new();
        report.run("nothing", &mut shell("true"));
        assert!(!report.is_good(false));
    }

    #[test]
    fn a_test_step_that_ran_no_test_is_a_failure() {
        let mut report = Report::new();
        report.run_tests("good", &mut shell("echo 'test result: ok. 3 passed; 0 failed'"));
        report.run_tests("empty", &mut shell("echo 'test result: ok. 0 passed; 0 failed; 9 filtered out'"));
        assert!(!report.is_good(false));
    }

    #[test]
    fn a_step_that_did_not_run_is_a_failure_only_when_strict() {
        let mut report = Report::new();
        report.run_tests("good", &mut shell("echo 'test result: ok. 3 passed; 0 failed'"));
        report.not_run("absent", "node is missing");
        assert!(report.is_good(false));
        assert!(!report.is_good(true));
    }
}
