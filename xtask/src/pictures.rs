//! `cargo xtask screenshots`: the pictures of the status page in `docs/pictures`, taken of a demo.
//!
//! The demo plays one certain day, and the pictures are taken while its first attack is seen in a zone's curves: they are the
//! same pictures each time, though not to the pixel.

use crate::checks::{binary, cargo};
use crate::{say, tools};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

const DAY: &str = "2026-11-22";
/// Slow enough that the attack is still under way when the last picture is taken.
const SPEED: &str = "240";
/// A page that shows pictures should not be large.
const BYTES_MAX: u64 = 200_000;

/// Takes them all.
pub(crate) fn take(root: &Path) -> Result<(), String> {
    let installed = tools::install(root, tools::Output::Shown)?;
    tools::install_for_full(root, &installed)?;
    run(&mut cargo(root, "build -p zonewatch --profile ci"))?;
    let folder = root.join("docs/pictures");
    fs::create_dir_all(&folder).map_err(|error| format!("make {}: {error}", folder.display()))?;
    let mut demo = Demo::start(&binary(root))?;
    let address = demo.address()?;
    let mut node = Command::new("node");
    node.arg(root.join("tools/take_pictures.mjs")).arg(&address).arg(&folder).env("ZONEWATCH_TOOLS", &installed.folder);
    run(&mut node)?;
    for entry in fs::read_dir(&folder).map_err(|error| format!("read {}: {error}", folder.display()))?.flatten() {
        let bytes = entry.metadata().map_or(u64::MAX, |metadata| metadata.len());
        if bytes > BYTES_MAX {
            return Err(format!("{}: {bytes} bytes, more than {BYTES_MAX}", entry.path().display()));
        }
        say(&format!("{}: {bytes} bytes", entry.path().display()));
    }
    Ok(())
}

/// A demo that ends with us.
struct Demo(Child);

impl Demo {
    fn start(program: &Path) -> Result<Self, String> {
        let arguments = ["demo", "--port", "0", "--metrics-port", "0", "--speed", SPEED, "--day", DAY];
        let started = Command::new(program).args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        started.map(Self).map_err(|error| format!("start the demo: {error}"))
    }

    /// The address of its page, which it says first.
    fn address(&mut self) -> Result<String, String> {
        let said = self.0.stdout.take().ok_or("the demo says nothing")?;
        let mut lines = BufReader::new(said).lines().map_while(Result::ok);
        let line = lines.find(|line| line.contains("status page"));
        let address = line.and_then(|line| line.split_whitespace().last().map(str::to_owned));
        // Whatever else it says is read, so that it never waits for us.
        std::thread::spawn(move || lines.for_each(drop));
        address.ok_or_else(|| "the demo named no page".to_owned())
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn run(command: &mut Command) -> Result<(), String> {
    let status = command.status().map_err(|error| format!("run {command:?}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{command:?} ended with {status}")) }
}
