//! Safety rules taken out of the coordination, one at a time: a simulation that does not notice proves nothing.
//!
//! Each mutant is a change of the source, made in a copy of the two packages it needs. A change whose place is no longer
//! found is a failure, so the list cannot grow old unseen.

use crate::report::Report;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

/// Worlds in which a mutant must be found.
const SEEDS: &str = "400";

/// A rule without which something breaks.
struct Mutant {
    name: &'static str,
    file: &'static str,
    from: &'static str,
    to: &'static str,
}

const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "a write without its counter",
        file: "lease.rs",
        from: ".filter(|_| row.counter == counter)",
        to: ".filter(|_| row.counter >= counter)",
    },
    Mutant {
        name: "a parent that is not waited for",
        file: "coordinator/known.rs",
        from: "!ended && !self.is_gone(seen) && self.parents_have_ended(seen)",
        to: "!ended && !self.is_gone(seen)",
    },
    Mutant {
        name: "an end before the children have rows",
        file: "coordinator/holding.rs",
        from: "if end.children.iter().all(|child| self.known.contains(&child.id)) {",
        to: "if end.children.len() < 99 {",
    },
    Mutant {
        name: "a worker that goes on though it is not heard",
        file: "coordinator/beating.rs",
        from: "beat.plus(beats.period.mul_f64(2.6))",
        to: "beat.plus(beats.period.mul_f64(26.0))",
    },
    Mutant {
        name: "a lease that is kept though it is not renewed",
        file: "coordinator/beating.rs",
        from: "given_up: self.settings.failover * 9 / 10,",
        to: "given_up: self.settings.failover * 9,",
    },
    Mutant {
        name: "a take that begins to read though its worker is not heard",
        file: "coordinator/holding.rs",
        from: "let running = !self.draining && now < self.held[key].end(&self.pace(now));",
        to: "let running = !self.draining;",
    },
    Mutant {
        name: "a suspect whose leases are not looked at",
        file: "coordinator/watching.rs",
        from: "if rows.iter().all(rested) {",
        to: "if rows.iter().all(|row| rested(row) || row.counter > 0) {",
    },
    Mutant {
        name: "a verdict that outlives a sign of life",
        file: "coordinator/fleet.rs",
        from: "seen.dead_at = None;",
        to: "seen.dead_at = seen.dead_at.take();",
    },
    Mutant {
        name: "a verdict after one missed beat",
        file: "coordinator/fleet.rs",
        from: "const MISSED_BEATS: u32 = 2;",
        to: "const MISSED_BEATS: u32 = 0;",
    },
    Mutant {
        name: "evidence by a lease that was let go",
        file: "coordinator/beating.rs",
        from: "by_lease.max(by_beat)",
        to: "by_lease.max(by_beat).plus(beats.period)",
    },
    Mutant {
        name: "a row that is not believed",
        file: "coordinator/held.rs",
        from: "if writing.uncertain && expected.is_some_and(|expected| is_outcome(row, &expected)) {",
        to: "if writing.uncertain && expected.is_some() {",
    },
    Mutant {
        name: "a task that is started before its last has stopped",
        file: "coordinator/moving.rs",
        from: "self.held.contains_key(key) || self.stopping.contains(key)",
        to: "self.held.contains_key(key)",
    },
];

/// `cargo xtask mutants`.
pub(crate) fn mutants(root: &Path) -> Result<ExitCode, String> {
    let mut report = Report::new();
    find_all(root, &mut report);
    Ok(report.close_parts())
}

/// A step for each mutant: it passes if the simulation fails.
pub(crate) fn find_all(root: &Path, report: &mut Report) {
    for mutant in MUTANTS {
        report.step(&format!("mutant: {}", mutant.name), || find(root, mutant));
    }
}

fn find(root: &Path, mutant: &Mutant) -> Result<(), String> {
    let work = root.join(".cache/mutants");
    copy(root, &work)?;
    let path = work.join("crates/lease/src").join(mutant.file);
    let text = fs::read_to_string(&path).map_err(|error| format!("read {}: {error}", path.display()))?;
    if text.matches(mutant.from).count() != 1 {
        return Err(format!("{} no longer has exactly one `{}`", mutant.file, mutant.from));
    }
    let changed = text.replace(mutant.from, mutant.to);
    fs::write(&path, changed).map_err(|error| format!("write {}: {error}", path.display()))?;
    let mut build = cargo(&work);
    if !build.arg("--no-run").status().is_ok_and(|status| status.success()) {
        return Err("the mutant does not compile".to_owned());
    }
    let mut test = cargo(&work);
    test.env("ZONEWATCH_SEEDS", SEEDS).stdout(Stdio::null()).stderr(Stdio::null());
    match test.status() {
        Ok(status) if status.success() => Err(format!("it survived {SEEDS} worlds")),
        Ok(_) => Ok(()),
        Err(error) => Err(format!("run cargo: {error}")),
    }
}

fn cargo(work: &Path) -> Command {
    let mut command = Command::new("cargo");
    command.args(["test", "--quiet", "-p", "simulation", "--test", "promises"]);
    command.args(["--profile", "ci"]).current_dir(work).env("CARGO_TARGET_DIR", work.join("target"));
    command
}

/// The two packages, as a workspace of their own.
fn copy(root: &Path, work: &Path) -> Result<(), String> {
    for package in ["crates/lease", "tests/simulation"] {
        copy_folder(&root.join(package), &work.join(package)).map_err(|error| format!("copy {package}: {error}"))?;
    }
    let manifest = fs::read_to_string(root.join("Cargo.toml")).map_err(|error| format!("read Cargo.toml: {error}"))?;
    let mut lines = Vec::new();
    for line in manifest.lines() {
        if line.starts_with("members = ") {
            lines.push("members = [\"crates/lease\", \"tests/simulation\"]");
        } else if !line.starts_with("default-members") && !line.starts_with("exclude") {
            lines.push(line);
        }
    }
    fs::write(work.join("Cargo.toml"), lines.join("\n")).map_err(|error| format!("write Cargo.toml: {error}"))?;
    fs::copy(root.join("Cargo.lock"), work.join("Cargo.lock")).map_err(|error| format!("copy Cargo.lock: {error}"))?;
    Ok(())
}

fn copy_folder(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else if fs::read(entry.path())? != fs::read(&target).unwrap_or_default() {
            // What has not changed keeps its time, so that it is not compiled again.
            fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}
