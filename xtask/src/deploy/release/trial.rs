//! The archive as whoever downloads it has it: unpacked into an empty folder, and run there.

use super::{Place, VERSION};
use crate::deploy::commands::output;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long the demo is run, and how long a program may take to answer.
const DEMO_SECS: &str = "15s";
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) fn run(place: &Place<'_>) -> Result<(), String> {
    let folder = place.scratch.join("unpacked");
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(|error| format!("remove {}: {error}", folder.display()))?;
    }
    fs::create_dir_all(&folder).map_err(|error| format!("make {}: {error}", folder.display()))?;
    output(
        Command::new("tar").arg("--extract").arg("--file").arg(place.archive_file()).arg("--directory").arg(&folder),
    )?;
    let folder = folder.join(&place.name);
    for file in ["LICENSE", "README.md", "THIRD-PARTY.txt", "zonewatch.cdx.json", "deploy/README.md", "docs/records.md"]
    {
        if !folder.join(file).is_file() {
            return Err(format!("the archive has no {file}"));
        }
    }
    says(&folder, &["--version"], &format!("zonewatch {VERSION}"))?;
    // The example configuration lacks only what nobody can know.
    let mut check = program(&folder, &["worker", "--check", "--config", "zonewatch.toml"]);
    output(check.env("ZONEWATCH_SOURCE__STREAM", "queries"))?;
    let made = ["traffic", "--seconds", "60", "--rate", "50", "--format", "lines", "--output", "queries.log"];
    says(&folder, &made, " queries in ")?;
    says(&folder, &["replay", "--strict", "queries.log"], "distinct names")?;
    demo(&folder)
}

/// A program of this folder, without whatever the environment says of Zonewatch.
fn program(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(folder.join("zonewatch"));
    command.args(arguments).current_dir(folder);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ZONEWATCH_")) {
        command.env_remove(name);
    }
    command
}

fn says(folder: &Path, arguments: &[&str], wanted: &str) -> Result<(), String> {
    let said = output(&mut program(folder, arguments))?;
    if said.contains(wanted) { Ok(()) } else { Err(format!("{arguments:?} says nothing of {wanted:?}:\n{said}")) }
}

/// The demo lives, says so to `health`, and ends by itself; then `health` says that nothing lives.
fn demo(folder: &Path) -> Result<(), String> {
    let port = free_port()?.to_string();
    let mut demo = program(folder, &["demo", "--for", DEMO_SECS, "--port", "0", "--metrics-port", &port]);
    let child = demo.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
    let mut running = Running(child.map_err(|error| format!("run the demo: {error}"))?);
    let health = || {
        let mut health = program(folder, &["health"]);
        output(
            health
                .env("ZONEWATCH_HTTP__OPERATIONS", format!("127.0.0.1:{port}"))
                .env("ZONEWATCH_SOURCE__STREAM", "queries"),
        )
    };
    let begun = Instant::now();
    while let Err(said) = health() {
        if begun.elapsed() > PATIENCE {
            return Err(format!("health never finds the demo alive: {said}"));
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    let ended = running.0.wait().map_err(|error| format!("wait for the demo: {error}"))?;
    if !ended.success() {
        return Err(format!("the demo ended with {ended}"));
    }
    match health() {
        Ok(said) => Err(format!("health finds something alive where nothing is: {said}")),
        Err(_) => Ok(()),
    }
}

fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    listener.map(|address| address.port()).map_err(|error| format!("find a free port: {error}"))
}

/// Ends the process when it is no longer wanted.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
