//! The HTTP server under both listeners: HTTP/1.1, limits on what a client may hold, and an end that lets answers out.

use super::guard::Guard;
use super::paced::Paced;
use super::peer::Peer;
use super::refusal::{Listener, Refusal};
use axum::{Extension, Router};
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::collections::HashMap;
use std::error::Error;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::debug;

/// What clients of one listener may hold.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at once; more wait in the kernel's queue. A Prometheus pair, an orchestrator and a few browsers need two
    /// dozen.
    pub connections_max: usize,
    /// Those of one peer, half of all: no single address keeps the others out. A proxy is one peer, whose browsers hold a
    /// connection or two each.
    pub peer_connections_max: usize,
    /// How long a request's head may take, which is also how long a connection may idle: above the usual scrape interval of
    /// 15 s, so that a scraper keeps its connection.
    pub head_max: Duration,
    /// How long an answer may stand still.
    pub standstill_max: Duration,
    /// Then a connection ends after its current answer, so that one that hangs in a slow reader does not stay for ever.
    pub age_max: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 128,
            peer_connections_max: 64,
            head_max: Duration::from_secs(20),
            standstill_max: Duration::from_secs(10),
            age_max: Duration::from_secs(300),
        }
    }
}

/// A request's head at most. Browsers send one or two KiB.
const HEAD_BYTES_MAX: usize = 16 << 10;
const HEADERS_MAX: usize = 64;
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

/// Tells an answer that has no end of its own how long its connection lives. Every request carries one.
#[derive(Debug, Clone, Copy)]
pub struct Lifetime {
    begun: Instant,
    age_max: Duration,
}

impl Lifetime {
    /// When such an answer has to end, well before the server cuts the connection off.
    pub fn stream_ends(self) -> Instant {
        self.begun + self.age_max * 4 / 5
    }
}

/// Serves until `stop` becomes true (or its sender is gone), and lets answers under way finish.
pub async fn serve(listener: TcpListener, router: Router, guard: Guard, stop: watch::Receiver<bool>) {
    serve_within(Limits::default(), listener, router, guard, stop).await;
}

/// The same within other limits.
pub async fn serve_within(
    limits: Limits,
    listener: TcpListener,
    router: Router,
    guard: Guard,
    mut stop: watch::Receiver<bool>,
) {
    let whose = guard.listener();
    let router = guard.before(router.layer(Extension(Stopping(stop.clone()))));
    let places = Places::new(limits);
    let mut connections = JoinSet::new();
    let stopped = stop.clone();
    loop {
        let accepted = async {
            let permit = places.next(whose).await;
            (permit, listener.accept().await)
        };
        tokio::select! {
            (permit, accepted) = accepted => match accepted {
                Ok((stream, address)) => {
                    let peer = Peer::of(address);
                    let Some(place) = places.of(peer, permit) else {
                        Refusal::PeerConnections.count(whose);
                        continue;
                    };
                    let (router, stopped) = (router.clone(), stopped.clone());
                    connections.spawn(async move {
                        if let Some(refusal) = connection(limits, stream, peer, router, stopped).await {
                            refusal.count(whose);
                        }
                        drop(place);
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

/// Serves one connection to its end; says what the client did wrong, if that ended it.
async fn connection(
    limits: Limits,
    stream: TcpStream,
    peer: Peer,
    router: Router,
    mut stop: watch::Receiver<bool>,
) -> Option<Refusal> {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_max)
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX);
    let stream = Paced::new(stream, limits.standstill_max);
    let is_asking = stream.is_asking();
    let lifetime = Lifetime { begun: Instant::now(), age_max: limits.age_max };
    let routes = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        request.extensions_mut().insert(lifetime);
        routes.call(request)
    });
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let cut_off = tokio::select! {
        ended = connection.as_mut() => return refusal(&ended.err()?, is_asking.load(Relaxed)),
        () = tokio::time::sleep(limits.age_max) => Some(Refusal::SlowReader),
        () = told(&mut stop) => None,
    };
    connection.as_mut().graceful_shutdown();
    match tokio::time::timeout(LAST_ANSWER_MAX, connection).await {
        Ok(ended) => refusal(&ended.err()?, is_asking.load(Relaxed)),
        Err(_) => cut_off,
    }
}

/// What an error says about the client; one that goes away, or was only idle, is its own business.
fn refusal(error: &hyper::Error, is_asking: bool) -> Option<Refusal> {
    let stands_still = || {
        let system = error.source().and_then(|source| source.downcast_ref::<std::io::Error>());
        system.is_some_and(|system| system.kind() == std::io::ErrorKind::TimedOut)
    };
    if error.is_parse_too_large() {
        Some(Refusal::HeadTooLarge)
    } else if error.is_parse() {
        Some(Refusal::Malformed)
    } else if stands_still() {
        Some(Refusal::SlowReader)
    } else {
        (error.is_timeout() && is_asking).then_some(Refusal::SlowHead)
    }
}

/// Who holds connections.
struct Places {
    limits: Limits,
    free: Arc<Semaphore>,
    held: Arc<Mutex<HashMap<Peer, usize>>>,
}

/// One connection of a peer, given back when it is dropped.
struct Place {
    peer: Peer,
    held: Arc<Mutex<HashMap<Peer, usize>>>,
    _permit: OwnedSemaphorePermit,
}

impl Places {
    fn new(limits: Limits) -> Self {
        Self { limits, free: Arc::new(Semaphore::new(limits.connections_max)), held: Arc::default() }
    }

    /// Waits until there is room for one more.
    async fn next(&self, whose: Listener) -> OwnedSemaphorePermit {
        if let Ok(permit) = Arc::clone(&self.free).try_acquire_owned() {
            return permit;
        }
        Refusal::Connections.count(whose);
        Arc::clone(&self.free).acquire_owned().await.expect("the semaphore is never closed")
    }

    /// The next place of this peer, unless it has as many as it may.
    fn of(&self, peer: Peer, permit: OwnedSemaphorePermit) -> Option<Place> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let count = held.entry(peer).or_default();
        if *count == self.limits.peer_connections_max {
            return None;
        }
        *count += 1;
        Some(Place { peer, held: Arc::clone(&self.held), _permit: permit })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let count = held.get_mut(&self.peer).expect("a place is counted while it is held");
        *count -= 1;
        if *count == 0 {
            held.remove(&self.peer);
        }
    }
}

/// Returns once `stop` is true, or nobody is left to say so.
async fn told(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stopped| *stopped).await;
}
