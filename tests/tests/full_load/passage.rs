//! A passage to an emulator that counts one kind of call. The bytes go through unchanged.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The passage. It lives as long as the test process.
#[derive(Debug)]
pub(crate) struct Passage {
    /// Its address.
    pub(crate) url: String,
    calls: Arc<AtomicU64>,
}

impl Passage {
    /// Opens one to `http://HOST:PORT` and counts the requests whose head contains `call`.
    pub(crate) fn open(to: &str, call: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("a bound port"));
        let host = to.strip_prefix("http://").expect("a plain address").to_owned();
        let calls = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&calls);
        std::thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let far = TcpStream::connect(&host).expect("the emulator answers");
                let (near_back, far_back) = (near.try_clone().expect("a handle"), far.try_clone().expect("a handle"));
                let calls = Arc::clone(&counted);
                std::thread::spawn(move || carry(near, far, call.as_bytes(), &calls));
                std::thread::spawn(move || carry(far_back, near_back, b"", &AtomicU64::new(0)));
            }
        });
        Self { url, calls }
    }

    /// Calls so far.
    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }
}

/// Carries bytes until one side closes, and counts how often `wanted` passes, whatever parts it comes in.
fn carry(mut from: TcpStream, mut to: TcpStream, wanted: &[u8], calls: &AtomicU64) {
    let mut part = vec![0; 64 * 1024];
    let mut seen = Vec::new();
    while let Ok(length @ 1..) = from.read(&mut part) {
        if to.write_all(&part[..length]).is_err() {
            break;
        }
        if !wanted.is_empty() {
            seen.extend_from_slice(&part[..length]);
            calls.fetch_add(
                seen.windows(wanted.len()).filter(|window| *window == wanted).count() as u64,
                Ordering::Relaxed,
            );
            // What may be the beginning of the next one.
            seen.drain(..seen.len().saturating_sub(wanted.len() - 1));
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}
