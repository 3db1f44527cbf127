//! The file of baselines: `replay --baselines` writes it, `detect.baselines` names it.

use detect::detector::Baselines;
use detect::message::Unreadable;
use std::fmt::Display;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Reads the file; without one, nothing is known of any zone.
pub fn load(path: Option<&Path>) -> Result<Baselines, String> {
    let Some(path) = path else { return Ok(Baselines::default()) };
    let name = path.display();
    let bytes = std::fs::read(path).map_err(|error| {
        format!("read the baselines {name} (detect.baselines): {error}; name a file that can be read")
    })?;
    Baselines::decode(&bytes).map_err(|why| match why {
        Unreadable::Newer(version) => {
            format!("read the baselines {name} (detect.baselines): they are of version {version}; update this program")
        }
        Unreadable::Malformed => format!(
            "read the baselines {name} (detect.baselines): it is no whole file of baselines; `zonewatch replay --baselines` \
             writes one"
        ),
    })
}

/// A file of baselines that is not written yet. It has its name once it is whole; one that never is leaves nothing.
pub struct Draft {
    path: PathBuf,
    part: PathBuf,
    file: File,
}

impl Draft {
    /// Makes sure that the file can be written, before hours are spent on what it will say.
    pub fn open(path: &Path) -> Result<Self, String> {
        let mut part = path.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        if path.is_dir() {
            return Err(not_written(path, &"it is a folder"));
        }
        let file = File::options().write(true).create_new(true).open(&part).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => {
                let part = part.display();
                format!(
                    "write the baselines {}: {part} is there, of a replay under way or one that was killed; delete it",
                    path.display()
                )
            }
            _ => not_written(path, &error),
        })?;
        Ok(Self { path: path.to_owned(), part, file })
    }

    /// Writes it.
    pub fn store(mut self, baselines: &Baselines) -> Result<(), String> {
        let written = self.file.write_all(&baselines.encode()).and_then(|()| std::fs::rename(&self.part, &self.path));
        written.map_err(|error| not_written(&self.path, &error))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // Once it is whole, it is not there under this name.
        let _ = std::fs::remove_file(&self.part);
    }
}

fn not_written(path: &Path, why: &dyn Display) -> String {
    format!("write the baselines {}: {why}; name a place that can be written", path.display())
}
