//! Reference data for enrichment: configured zone names, and network databases that are taken anew when their files are
//! replaced.

use crate::config::Enrich;
use crate::telemetry;
use dnslog::Reference;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::watch;
use tracing::{error, info};

/// What tells that a file was replaced. All three, since a copy may keep the time, and an inode is used again.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    bytes: u64,
    inode: u64,
}

/// Reads everything now.
pub fn load(enrich: &Enrich) -> Result<Reference, String> {
    let zones = enrich.zones.iter().map(|(id, name)| (id.clone(), name.clone())).collect();
    let databases: Result<Vec<Vec<u8>>, String> = enrich.databases.iter().map(|path| read(path)).collect();
    let loaded = databases.and_then(|databases| {
        Reference::new(zones, databases).map_err(|error| {
            let path = enrich.databases.get(error.index).map_or_else(String::new, |path| path.display().to_string());
            format!(
                "open the network database {path} (enrich.databases): {}; it must be a whole .mmdb file",
                error.problem
            )
        })
    });
    if !enrich.databases.is_empty() {
        let outcome = if loaded.is_ok() { "loaded" } else { "failed" };
        metrics::counter!(telemetry::DATABASE_LOADS_TOTAL, "outcome" => outcome).increment(1);
    }
    loaded
}

/// Reads everything, and goes on looking for replaced files in a task of its own until every receiver is gone. A file
/// that cannot be used (half copied, say: the format keeps its index at the end) leaves what was loaded before.
pub fn follow(enrich: Enrich) -> Result<watch::Receiver<Arc<Reference>>, String> {
    let mut seen = stamps(&enrich.databases);
    let (sender, receiver) = watch::channel(Arc::new(load(&enrich)?));
    if enrich.databases.is_empty() {
        return Ok(receiver);
    }
    let enrich = Arc::new(enrich);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                () = sender.closed() => return,
                () = tokio::time::sleep(Duration::from_secs(enrich.reload_secs)) => {}
            }
            let (asked, before) = (Arc::clone(&enrich), seen.clone());
            let looked = tokio::task::spawn_blocking(move || {
                let now = stamps(&asked.databases);
                (now != before).then(|| (now, load(&asked)))
            });
            let Some((now, loaded)) = looked.await.expect("reading files does not panic") else { continue };
            seen = now;
            match loaded {
                Ok(reference) => {
                    info!(databases = enrich.databases.len(), "network databases were replaced");
                    sender.send_replace(Arc::new(reference));
                }
                Err(error) => error!(%error, "a network database was not replaced; the last good one stays in use"),
            }
        }
    });
    Ok(receiver)
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| {
        format!(
            "read the network database {} (enrich.databases): {error}; name a file that can be read",
            path.display()
        )
    })
}

fn stamps(paths: &[PathBuf]) -> Vec<Option<Stamp>> {
    let stamp = |path: &PathBuf| {
        let metadata = std::fs::metadata(path).ok()?;
        Some(Stamp { modified: metadata.modified().ok(), bytes: metadata.len(), inode: metadata.ino() })
    };
    paths.iter().map(stamp).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A database of IPv4 without a network: an empty tree of one node, the 16-byte separator, and the metadata.
    fn empty_database() -> Vec<u8> {
        let mut bytes = vec![0, 0, 1, 0, 0, 1];
        bytes.extend([0; 16]);
        bytes.extend(b"\xab\xcd\xefMaxMind.com");
        let key = |text: &str| [&[0x40 | text.len() as u8], text.as_bytes()].concat();
        let small = |number: u8| [0xa1, number];
        let entries: [(&str, Vec<u8>); 8] = [
            ("node_count", vec![0xc1, 1]),
            ("record_size", small(24).to_vec()),
            ("ip_version", small(4).to_vec()),
            ("database_type", key("Test")),
            ("languages", vec![0x00, 0x04]),
            ("binary_format_major_version", small(2).to_vec()),
            ("binary_format_minor_version", small(0).to_vec()),
            ("build_epoch", vec![0x01, 0x02, 1]),
        ];
        bytes.push(0xe0 | (entries.len() + 1) as u8);
        for (name, value) in entries {
            bytes.extend(key(name));
            bytes.extend(value);
        }
        bytes.extend(key("description"));
        bytes.push(0xe0);
        bytes
    }

    #[tokio::test]
    async fn a_replaced_file_is_taken_and_a_broken_one_is_not() {
        let path = std::env::temp_dir().join(format!("zonewatch-reference-{}.mmdb", std::process::id()));
        std::fs::write(&path, empty_database()).unwrap();
        let enrich = Enrich { databases: vec![path.clone()], reload_secs: 1, ..Enrich::default() };
        tokio::time::pause();
        let mut reference = follow(enrich).unwrap();
        let first = Arc::clone(&reference.borrow_and_update());

        let nothing = tokio::time::timeout(Duration::from_secs(5), reference.changed()).await;
        assert!(nothing.is_err(), "an untouched file must not be read again");

        let fresh = path.with_extension("fresh");
        std::fs::write(&fresh, &empty_database()[..40]).unwrap();
        std::fs::rename(&fresh, &path).unwrap();
        let waited = tokio::time::timeout(Duration::from_secs(5), reference.changed()).await;
        assert!(waited.is_err() && Arc::ptr_eq(&first, &reference.borrow()), "a broken file must change nothing");

        std::fs::write(&fresh, empty_database()).unwrap();
        std::fs::rename(&fresh, &path).unwrap();
        tokio::time::timeout(Duration::from_secs(5), reference.changed()).await.expect("taken").unwrap();
        assert!(!Arc::ptr_eq(&first, &reference.borrow()));
        let again = tokio::time::timeout(Duration::from_secs(5), reference.changed()).await;
        assert!(again.is_err(), "a file is taken once");
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_missing_or_broken_file_is_named_at_the_start() {
        let enrich = Enrich { databases: vec!["/nowhere/a.mmdb".into()], ..Enrich::default() };
        let message = load(&enrich).unwrap_err();
        assert!(message.starts_with("read the network database /nowhere/a.mmdb (enrich.databases): "), "{message}");
    }
}
