//! Opponents in other languages, as programs of their own over the same payloads.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A program that prints how many events a round has and a round's median CPU nanoseconds.
pub struct Opponent {
    /// Its name in the figures.
    pub name: &'static str,
    interpreter: &'static str,
    script: &'static str,
}

/// Functions as people write them for Lambda.
pub const OPPONENTS: &[Opponent] = &[
    Opponent { name: "python", interpreter: "python3", script: "lambda.py" },
    Opponent { name: "node", interpreter: "node", script: "lambda.mjs" },
];

/// Why an opponent has no figure.
#[derive(Debug)]
pub enum Failure {
    /// Its interpreter is not on this machine.
    NotInstalled(&'static str),
    /// It ran and went wrong.
    Wrong(String),
}

impl Opponent {
    /// CPU nanoseconds an event, the median of `rounds`.
    ///
    /// # Errors
    ///
    /// If it cannot run, fails, or counts other events than there are.
    pub fn run(&self, payloads: &Path, events: usize, rounds: usize) -> Result<f64, Failure> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("opponents").join(self.script);
        let output = Command::new(self.interpreter).arg(script).arg(payloads).arg(rounds.to_string()).output();
        let output = match output {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Failure::NotInstalled(self.interpreter));
            }
            Err(error) => return Err(Failure::Wrong(format!("start {}: {error}", self.interpreter))),
            Ok(output) => output,
        };
        let said = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            return Err(Failure::Wrong(format!("{}: {}", self.name, String::from_utf8_lossy(&output.stderr).trim())));
        }
        let numbers: Vec<f64> = said.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        match numbers[..] {
            [counted, median_ns] if counted == events as f64 && median_ns > 0.0 => Ok(median_ns / counted),
            _ => Err(Failure::Wrong(format!("{}: it said {:?}, there are {events} events", self.name, said.trim()))),
        }
    }
}

/// Payloads as files in a directory that is removed with this value.
pub struct PayloadFiles {
    /// One file a payload, in the order of their names.
    pub directory: PathBuf,
}

impl PayloadFiles {
    /// Writes them below the system's temporary directory.
    ///
    /// # Errors
    ///
    /// If a file cannot be written.
    pub fn write(set: &str, payloads: &[Vec<u8>]) -> io::Result<Self> {
        let directory = std::env::temp_dir().join(format!("zonewatch-bench-{}-{set}", std::process::id()));
        std::fs::create_dir_all(&directory)?;
        let files = Self { directory };
        for (index, payload) in payloads.iter().enumerate() {
            std::fs::write(files.directory.join(format!("{index:06}.gz")), payload)?;
        }
        Ok(files)
    }
}

impl Drop for PayloadFiles {
    fn drop(&mut self) {
        // Nothing is lost if it stays: it is in the temporary directory.
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}
