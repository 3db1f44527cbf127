//! Files that are taken anew in the running process when they are replaced.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
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

/// Loads what `paths` hold, and goes on looking for replaced files in a task of its own until every receiver is gone. What
/// cannot be used (half copied, say) leaves what was loaded before. `what` names the files in the log.
pub fn follow<T: Send + Sync + 'static>(
    what: &'static str,
    paths: Vec<PathBuf>,
    period: Duration,
    load: impl Fn() -> Result<T, String> + Send + Sync + 'static,
) -> Result<watch::Receiver<Arc<T>>, String> {
    let mut seen = stamps(&paths);
    let (sender, receiver) = watch::channel(Arc::new(load()?));
    if paths.is_empty() {
        return Ok(receiver);
    }
    let (paths, load) = (Arc::new(paths), Arc::new(load));
    tokio::spawn(async move {
        loop {
            tokio::select! {
                () = sender.closed() => return,
                () = tokio::time::sleep(period) => {}
            }
            let (paths, load, before) = (Arc::clone(&paths), Arc::clone(&load), seen.clone());
            let looked = tokio::task::spawn_blocking(move || {
                let now = stamps(&paths);
                (now != before).then(|| (now, load()))
            });
            let Some((now, loaded)) = looked.await.expect("reading files does not panic") else { continue };
            seen = now;
            match loaded {
                Ok(loaded) => {
                    info!(what, "files were replaced and are used from now on");
                    sender.send_replace(Arc::new(loaded));
                }
                Err(error) => {
                    error!(what, %error, "files were replaced and cannot be used; the last good ones stay in use");
                }
            }
        }
    });
    Ok(receiver)
}

fn stamps(paths: &[PathBuf]) -> Vec<Option<Stamp>> {
    let stamp = |path: &PathBuf| {
        let metadata = std::fs::metadata(path).ok()?;
        Some(Stamp { modified: metadata.modified().ok(), bytes: metadata.len(), inode: metadata.ino() })
    };
    paths.iter().map(stamp).collect()
}
