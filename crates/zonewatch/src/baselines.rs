//! The file of baselines: `replay --baselines` writes it, `detect.baselines` names it.

use detect::detector::Baselines;
use detect::message::Unreadable;
use std::path::Path;

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

/// Writes the file, under its name once it is whole.
pub fn store(path: &Path, baselines: &Baselines) -> Result<(), String> {
    let failed = |error| format!("write the baselines {}: {error}; name a place that can be written", path.display());
    let part = path.with_extension("part");
    std::fs::write(&part, baselines.encode()).map_err(failed)?;
    std::fs::rename(&part, path).map_err(failed)
}
