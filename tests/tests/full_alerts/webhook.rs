//! Who is told: keeps every alert that Alertmanager posts.

use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

/// A listener on loopback. Its thread ends with the process of the test.
pub(super) struct Webhook {
    address: String,
    alerts: Arc<Mutex<Vec<Value>>>,
}

impl Webhook {
    /// Listens from now on.
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a bound port").to_string();
        let alerts = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&alerts);
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let told = notification(connection).unwrap_or_default();
                kept.lock().unwrap_or_else(PoisonError::into_inner).extend(told);
            }
        });
        Self { address, alerts }
    }

    /// `127.0.0.1:PORT`.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// Every alert so far, in the order of notifications.
    pub(super) fn alerts(&self) -> Vec<Value> {
        self.alerts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Reads one request and answers it; the alerts in it. A connection carries no more than one here.
fn notification(connection: TcpStream) -> Option<Vec<Value>> {
    let mut reader = BufReader::new(connection);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let line = line.trim().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    reader.get_mut().write_all(answer.as_bytes()).ok()?;
    serde_json::from_slice::<Value>(&body).ok()?["alerts"].as_array().cloned()
}
