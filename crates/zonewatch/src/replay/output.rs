//! NDJSON outputs: files or standard output.

use crate::lines::Lines;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Lines are collected to so many bytes before they are written: large writes, no copy.
const WRITE_BYTES: usize = 512 << 10;

/// Where lines go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// `-`.
    Stdout,
    /// A file, replaced.
    File(PathBuf),
}

impl From<&Path> for Target {
    fn from(path: &Path) -> Self {
        if path == Path::new("-") { Self::Stdout } else { Self::File(path.to_owned()) }
    }
}

/// Why an output takes nothing more.
#[derive(Debug)]
pub enum WriteError {
    /// The reader of standard output has gone; there is nobody to tell.
    Closed,
    /// Anything else.
    Failed(String),
}

/// An open output.
pub struct Output {
    name: String,
    writer: Box<dyn Write>,
}

impl Output {
    /// Opens the target. A file that is also an input is refused: it would be emptied before it is read.
    pub fn open(target: &Target, inputs: &[PathBuf]) -> Result<Self, String> {
        match target {
            Target::Stdout => Ok(Self { name: "standard output".into(), writer: Box::new(io::stdout().lock()) }),
            Target::File(path) => {
                let name = path.display().to_string();
                refuse_input(path, inputs)?;
                let file = File::create(path)
                    .map_err(|error| format!("write {name}: {error}; name a place that can be written"))?;
                Ok(Self { name, writer: Box::new(file) })
            }
        }
    }

    /// Writes the lines once there are enough of them, and then forgets them.
    pub fn take(&mut self, lines: &mut Lines) -> Result<(), WriteError> {
        if lines.len() < WRITE_BYTES { Ok(()) } else { self.write(lines) }
    }

    /// Writes what is left.
    pub fn finish(&mut self, lines: &mut Lines) -> Result<(), WriteError> {
        self.write(lines)?;
        self.writer.flush().map_err(|error| self.error(&error))
    }

    fn write(&mut self, lines: &mut Lines) -> Result<(), WriteError> {
        for piece in lines.pieces() {
            self.writer.write_all(piece).map_err(|error| self.error(&error))?;
        }
        lines.clear();
        Ok(())
    }

    fn error(&self, error: &io::Error) -> WriteError {
        match error.kind() {
            io::ErrorKind::BrokenPipe => WriteError::Closed,
            _ => WriteError::Failed(format!("write {}: {error}", self.name)),
        }
    }
}

/// A file that is also an input would be emptied before it is read.
pub fn refuse_input(path: &Path, inputs: &[PathBuf]) -> Result<(), String> {
    let same = |input: &PathBuf| {
        let (input, output) = (input.canonicalize(), path.canonicalize());
        input.is_ok_and(|input| output.is_ok_and(|output| input == output))
    };
    match inputs.iter().any(same) {
        true => Err(format!("write {}: it is also an input; name another file", path.display())),
        false => Ok(()),
    }
}
