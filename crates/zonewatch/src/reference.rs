//! Reference data for enrichment: configured zone names, and network databases that are taken anew when their files are
//! replaced.

use crate::config::Enrich;
use crate::telemetry;
use dnslog::Reference;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

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

/// Reads everything, and again when a database file is replaced: one that cannot be used (half copied, say: the format keeps
/// its index at the end) leaves what was loaded before.
pub fn follow(enrich: Enrich) -> Result<watch::Receiver<Arc<Reference>>, String> {
    let (paths, period) = (enrich.databases.clone(), Duration::from_secs(enrich.reload_secs));
    crate::follow::follow("network databases", paths, period, move || load(&enrich))
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| {
        format!(
            "read the network database {} (enrich.databases): {error}; name a file that can be read",
            path.display()
        )
    })
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
