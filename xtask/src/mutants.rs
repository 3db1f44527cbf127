//! Safety rules taken out, one at a time: a simulation that does not notice proves nothing.
//!
//! Each mutant is a change of the source, made in a copy of the packages it needs. A change whose place is no longer found is a
//! failure, so the list cannot grow old unseen.

mod coordination;
mod observing;
mod rollup;

use crate::report::Report;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

/// The packages that are copied, a workspace of their own.
const PACKAGES: [&str; 5] = ["crates/dnslog", "crates/detect", "crates/lease", "crates/traffic", "tests/simulation"];

/// What tests beside the code compare it with.
const DOCUMENTS: &str = "docs";

/// A rule without which something breaks.
struct Mutant {
    name: &'static str,
    file: &'static str,
    from: &'static str,
    to: &'static str,
    found_by: FoundBy,
}

/// A test of the simulation, and so many worlds of it in which the mutant must be found; or a test beside the code, for what
/// happens in one world of thousands.
#[derive(Clone, Copy)]
struct FoundBy {
    package: &'static str,
    /// Empty for tests beside the code.
    suite: &'static str,
    test: &'static str,
    worlds: u32,
}

/// `cargo xtask mutants [WORDS]`: all, or those with these words in their names.
pub(crate) fn mutants(root: &Path, words: &str) -> Result<ExitCode, String> {
    let mut report = Report::new();
    find_all(root, words, &mut report);
    Ok(report.close_parts())
}

/// A step for each mutant: it passes if the simulation fails.
pub(crate) fn find_all(root: &Path, words: &str, report: &mut Report) {
    for mutant in all().filter(|mutant| mutant.name.contains(words)) {
        report.step(&format!("mutant: {}", mutant.name), || find(root, mutant));
    }
}

fn all() -> impl Iterator<Item = &'static Mutant> {
    [coordination::MUTANTS, observing::MUTANTS, rollup::MUTANTS].into_iter().flatten()
}

fn find(root: &Path, mutant: &Mutant) -> Result<(), String> {
    let work = root.join(".cache/mutants");
    copy(root, &work)?;
    let path = work.join(mutant.file);
    let text = fs::read_to_string(&path).map_err(|error| format!("read {}: {error}", path.display()))?;
    if text.matches(mutant.from).count() != 1 {
        return Err(format!("{} no longer has exactly one `{}`", mutant.file, mutant.from));
    }
    let changed = text.replace(mutant.from, mutant.to);
    fs::write(&path, changed).map_err(|error| format!("write {}: {error}", path.display()))?;
    let FoundBy { package, suite, test, worlds } = mutant.found_by;
    let mut build = cargo(&work, package, suite);
    if !build.arg("--no-run").status().is_ok_and(|status| status.success()) {
        return Err("the mutant does not compile".to_owned());
    }
    let mut run = cargo(&work, package, suite);
    run.arg(test).env("ZONEWATCH_SEEDS", worlds.to_string()).stdout(Stdio::null()).stderr(Stdio::null());
    match run.status() {
        Ok(status) if status.success() => Err(format!("it survived {worlds} worlds")),
        Ok(_) => Ok(()),
        Err(error) => Err(format!("run cargo: {error}")),
    }
}

fn cargo(work: &Path, package: &str, suite: &str) -> Command {
    let mut command = Command::new("cargo");
    command.args(["test", "--quiet", "-p", package]);
    if suite.is_empty() {
        command.arg("--lib")
    } else {
        command.args(["--test", suite])
    };
    command.args(["--profile", "ci"]).current_dir(work).env("CARGO_TARGET_DIR", work.join("target"));
    command
}

/// The packages, as a workspace of their own.
fn copy(root: &Path, work: &Path) -> Result<(), String> {
    for folder in PACKAGES.into_iter().chain([DOCUMENTS]) {
        copy_folder(&root.join(folder), &work.join(folder)).map_err(|error| format!("copy {folder}: {error}"))?;
    }
    let manifest = fs::read_to_string(root.join("Cargo.toml")).map_err(|error| format!("read Cargo.toml: {error}"))?;
    let members = format!("members = {PACKAGES:?}");
    let mut lines = Vec::new();
    for line in manifest.lines() {
        if line.starts_with("members = ") {
            lines.push(members.as_str());
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    #[test]
    fn every_mutant_has_its_place_in_the_source() {
        let root = crate::root();
        let text = |file| fs::read_to_string(root.join(file)).unwrap_or_default();
        let lost = all().filter(|mutant| text(mutant.file).matches(mutant.from).count() != 1);
        let lost: Vec<&str> = lost.map(|mutant| mutant.name).collect();
        assert!(lost.is_empty(), "their lines are not in the source once: {lost:?}");
    }

    #[test]
    fn what_is_copied_needs_nothing_else_of_the_workspace() {
        let root = crate::root();
        let read = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        let manifest = read("Cargo.toml");
        let ours: Vec<(&str, &str)> = manifest
            .lines()
            .filter_map(|line| line.split_once(" = { path = \""))
            .filter_map(|(name, rest)| Some((name, rest.split_once('"')?.0)))
            .collect();
        assert!(ours.contains(&("traffic", "crates/traffic")), "{ours:?}");
        for package in PACKAGES {
            let needs = read(&format!("{package}/Cargo.toml"));
            let missing = ours.iter().filter(|(name, path)| {
                needs.lines().any(|line| line.strip_prefix(*name).is_some_and(|rest| rest.starts_with([' ', '.'])))
                    && !PACKAGES.contains(path)
            });
            assert_eq!(missing.collect::<Vec<_>>(), Vec::<&(&str, &str)>::new(), "{package} needs them");
        }
    }

    #[test]
    fn what_is_copied_includes_no_file_that_is_not() {
        let root = crate::root();
        let copied: Vec<_> = PACKAGES.into_iter().chain([DOCUMENTS]).map(|folder| root.join(folder)).collect();
        let mut included = 0;
        for file in PACKAGES.iter().flat_map(|package| sources(&root.join(package))) {
            let text = fs::read_to_string(&file).expect("a source is text");
            let places = text.split("include_str!(\"").skip(1).filter_map(|rest| Some(rest.split_once('"')?.0));
            for place in places {
                let path = file.parent().expect("a file lies in a folder").join(place).canonicalize();
                let path = path.unwrap_or_else(|error| panic!("{place} of {}: {error}", file.display()));
                assert!(copied.iter().any(|folder| path.starts_with(folder)), "{} is not copied", path.display());
                included += 1;
            }
        }
        assert!(included >= 2, "docs/findings.md and docs/records.md at least");
    }

    fn sources(folder: &Path) -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).expect("a folder").flatten();
        let of = |path: PathBuf| match path.is_dir() {
            true => sources(&path),
            false if path.extension().is_some_and(|extension| extension == "rs") => vec![path],
            false => Vec::new(),
        };
        entries.flat_map(|entry| of(entry.path())).collect()
    }
}
