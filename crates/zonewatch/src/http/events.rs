//! `/api/v1/events`: tells a page when there is something new, so that it need not ask for documents that stay the same.
//!
//! What there is to tell is looked for once a second, by one connection for all, and only while there is one.

use super::api::Api;
use super::server::{Lifetime, Stopping};
use super::{PLAIN, typed};
use axum::Extension;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::Stream;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hash};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};

/// Connections at once, an eighth of those of the listener: a page that finds no room asks now and then instead.
const EVENTS_MAX: usize = 16;
/// Between two events of a connection at least.
const PERIOD: Duration = Duration::from_secs(1);
/// Proxies end connections on which nothing is said for a minute or less.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// A page connects again after so long.
const RETRY: Duration = Duration::from_secs(2);

/// Who is told, and what.
pub struct Events {
    room: Arc<Semaphore>,
    /// When it was found, and the tags. Locked while somebody looks, so that nobody else does.
    found: Mutex<Option<(Instant, Tags)>>,
}

/// A text for each document, that differs if the document does.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Tags {
    zones: String,
    findings: String,
    fleet: String,
    edges: String,
}

impl Default for Events {
    fn default() -> Self {
        Self { room: Arc::new(Semaphore::new(EVENTS_MAX)), found: Mutex::default() }
    }
}

/// A connection.
struct Told {
    api: Api,
    stopping: Stopping,
    ends: Instant,
    /// When the next look is, and what was told last.
    next: Instant,
    last: Option<Tags>,
    _room: OwnedSemaphorePermit,
}

/// Tells of changes until the page leaves, the server stops, or the connection is old.
pub async fn events(
    State(api): State<Api>,
    Extension(stopping): Extension<Stopping>,
    Extension(lifetime): Extension<Lifetime>,
) -> Response {
    let Ok(room) = Arc::clone(&api.events.room).try_acquire_owned() else {
        let text = "too many pages are told of changes already; ask for the documents now and then instead\n";
        return (StatusCode::SERVICE_UNAVAILABLE, typed(PLAIN, text.to_owned())).into_response();
    };
    let told = Told { api, stopping, ends: lifetime.stream_ends(), next: Instant::now(), last: None, _room: room };
    let events = Sse::new(stream(told)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
    // The next events come on a connection of their own, which is young.
    ([(header::CONNECTION, "close"), (header::CACHE_CONTROL, "no-store")], events).into_response()
}

fn stream(told: Told) -> impl Stream<Item = Result<Event, Infallible>> {
    futures_util::stream::unfold(told, |mut told| async move {
        let (mut stopping, ends, is_first) = (told.stopping.clone(), told.ends, told.last.is_none());
        let event = tokio::select! {
            event = told.change() => event,
            () = stopping.stopped() => return None,
            // Also a page on an old connection is told once.
            () = sleep_until(ends), if !is_first => return None,
        };
        Some((Ok(event), told))
    })
}

impl Told {
    /// Waits for a change. The first one is told at once.
    async fn change(&mut self) -> Event {
        loop {
            sleep_until(self.next).await;
            self.next = Instant::now() + PERIOD;
            let tags = self.api.tags().await;
            if self.last.as_ref() == Some(&tags) {
                continue;
            }
            let event = Event::default().event("changed").data(tags.document(self.api.view.now_ms()).to_string());
            let is_first = self.last.replace(tags).is_none();
            return if is_first { event.retry(RETRY) } else { event };
        }
    }
}

impl Tags {
    fn document(&self, now_ms: i64) -> Value {
        let Self { zones, findings, fleet, edges } = self;
        json!({ "time_ms": now_ms, "zones": zones, "findings": findings, "fleet": fleet, "edges": edges })
    }
}

impl Api {
    async fn tags(&self) -> Tags {
        let mut found = self.events.found.lock().await;
        if let Some((at, tags)) = &*found
            && at.elapsed() < PERIOD / 2
        {
            return tags.clone();
        }
        let fleet = tag((self.workers.tag().await, (self.ready)()));
        let tags = match &self.zones {
            Some(zones) => {
                let tags = zones.tags().await;
                // Before the first window has closed zones are what this worker reads itself.
                let here = (!tags.has_windows).then(|| self.view.tag());
                Tags { zones: tag((tags.zones, here)), findings: tag(tags.findings), edges: tag(tags.edges), fleet }
            }
            None => Tags { zones: tag(self.view.tag()), findings: tag(0), edges: tag(0), fleet },
        };
        *found = Some((Instant::now(), tags.clone()));
        tags
    }
}

fn tag(of: impl Hash) -> String {
    format!("{:016x}", BuildHasherDefault::<DefaultHasher>::default().hash_one(of))
}
