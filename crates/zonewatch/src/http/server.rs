//! The HTTP server under both listeners: HTTP/1.1, limits on what a client may hold, and an end that lets answers out.

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tracing::debug;

/// Connections of one listener at once; more wait in the kernel's queue. A Prometheus pair, an orchestrator and a few
/// browsers need a dozen.
const CONNECTIONS_MAX: usize = 64;
/// How long a request's head may take, which is also how long a connection may idle: above the usual scrape interval of
/// 15 s, so that a scraper keeps its connection.
const HEAD_READ_MAX: Duration = Duration::from_secs(20);
/// A request's head at most. Browsers send one or two KiB.
const HEAD_BYTES_MAX: usize = 16 << 10;
const HEADERS_MAX: usize = 64;
/// Then a connection ends after its current answer, so that one that hangs in a slow reader does not stay for ever.
const CONNECTION_AGE_MAX: Duration = Duration::from_secs(300);
/// How long an answer under way may take once the connection has to end.
const LAST_ANSWER_MAX: Duration = Duration::from_secs(2);

/// Binds a listener; the error says which key chose the address.
pub async fn bind(address: SocketAddr, key: &str) -> Result<TcpListener, String> {
    let advice = "choose another with that key, or stop what listens there";
    TcpListener::bind(address).await.map_err(|error| format!("listen on {address} ({key}): {error}; {advice}"))
}

/// Tells an answer that has no end of its own that the server stops. Every request carries one.
#[derive(Debug, Clone)]
pub struct Stopping(watch::Receiver<bool>);

impl Stopping {
    /// Returns once the server stops.
    pub async fn stopped(&mut self) {
        told(&mut self.0).await;
    }
}

/// Serves until `stop` becomes true (or its sender is gone), and lets answers under way finish.
pub async fn serve(listener: TcpListener, router: Router, mut stop: watch::Receiver<bool>) {
    let router = router.layer(Extension(Stopping(stop.clone())));
    let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    let stopped = stop.clone();
    loop {
        let accepted = async {
            let permit = Arc::clone(&permits).acquire_owned().await.expect("the semaphore is never closed");
            (permit, listener.accept().await)
        };
        tokio::select! {
            (permit, accepted) = accepted => match accepted {
                Ok((stream, _)) => {
                    let (router, stopped) = (router.clone(), stopped.clone());
                    connections.spawn(async move {
                        connection(stream, router, stopped).await;
                        drop(permit);
                    });
                }
                Err(error) => {
                    // Out of file descriptors, most likely: those in use must end first.
                    debug!(%error, "a connection was not accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
            Some(_) = connections.join_next() => {}
            () = told(&mut stop) => break,
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn connection(stream: TcpStream, router: Router, mut stop: watch::Receiver<bool>) {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_READ_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router)));
    tokio::select! {
        // A client that goes away or sends no HTTP is its own business.
        _ = connection.as_mut() => return,
        () = tokio::time::sleep(CONNECTION_AGE_MAX) => {}
        () = told(&mut stop) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = tokio::time::timeout(LAST_ANSWER_MAX, connection).await;
}

/// Returns once `stop` is true, or nobody is left to say so.
async fn told(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stopped| *stopped).await;
}
