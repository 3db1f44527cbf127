//! Two listeners: operations (`/metrics`, `/healthz`, `/readyz`) and people (status page, its API).
//!
//! Nothing here changes anything: every path answers GET (and HEAD) only. The people's listener shows names that were asked
//! and who asked: beyond loopback it wants credentials. `docs/security.md` says who can reach what.

mod api;
#[cfg(test)]
mod api_test;
pub mod assets;
mod attempts;
mod credentials;
mod events;
mod guard;
mod keys;
mod paced;
mod peer;
mod refusal;
mod server;
#[cfg(test)]
mod tests;
mod view;

pub use credentials::{Sources, TOKENS_VARIABLE, USERS_VARIABLE};
pub use guard::Guard;
pub use keys::Keys;
pub use refusal::{Listener, Refusal};
pub use server::{bind, serve};
pub use view::{Title, View};

use crate::fleet_views::FleetViews;
use crate::fleet_workers::FleetWorkers;
use crate::telemetry::Exposition;
use api::Api;
use axum::Router;
use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::sync::Arc;

/// Answers whether coordination works: `Err` says what does not. A refusing sink is no reason to be unready; it raises
/// an alert, and taking workers out would only make it worse.
pub type Ready = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// What Prometheus and the orchestrator ask.
pub fn operations(exposition: Exposition, ready: Ready) -> Router {
    let metrics = move || {
        let text = exposition.render();
        async move { typed("text/plain; version=0.0.4; charset=utf-8", text) }
    };
    let readyz = move || {
        let ready = ready();
        async move {
            match ready {
                Ok(()) => typed(PLAIN, "ready\n".to_owned()),
                Err(reason) => {
                    (StatusCode::SERVICE_UNAVAILABLE, typed(PLAIN, format!("not ready: {reason}\n"))).into_response()
                }
            }
        }
    };
    Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(|| async { typed(PLAIN, "alive\n".to_owned()) }))
        .route("/readyz", get(readyz))
        .fallback(|| async { nothing_here("/metrics, /healthz and /readyz") })
}

/// The status page and its API.
pub fn people(view: Arc<View>, fleet: Option<Arc<FleetViews>>, workers: Arc<FleetWorkers>, ready: Ready) -> Router {
    assets::routes()
        .merge(api::routes(Api { view, zones: fleet, workers, ready, events: Arc::default() }))
        .fallback(|| async { nothing_here(&format!("/, /zones/, /findings/, /map/, /fleet/, {}", api::PATHS)) })
}

const PLAIN: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";

fn typed(content_type: &'static str, text: String) -> Response {
    ([(header::CONTENT_TYPE, content_type)], Body::from(text)).into_response()
}

fn nothing_here(paths: &str) -> Response {
    (StatusCode::NOT_FOUND, typed(PLAIN, format!("nothing here; there are {paths}\n"))).into_response()
}
