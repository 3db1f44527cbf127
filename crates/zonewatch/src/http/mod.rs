//! Two listeners: operations (`/metrics`, `/healthz`, `/readyz`) and people (status page, its API).
//!
//! Nothing here changes anything: every path answers GET (and HEAD) only. The people listener shows query names, so it
//! is for loopback until it can authenticate; the configuration refuses another address, and requests that name a
//! foreign host are refused too, since any web page can point a name of its own at 127.0.0.1.

mod api;
#[cfg(test)]
mod api_test;
pub mod assets;
mod events;
mod server;
#[cfg(test)]
mod tests;
mod view;

pub use server::{bind, serve};
pub use view::{Title, View};

use crate::fleet_views::FleetViews;
use crate::fleet_workers::FleetWorkers;
use crate::telemetry::Exposition;
use api::Api;
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::net::IpAddr;
use std::sync::Arc;

/// Answers whether coordination works: `Err` says what does not. A refusing sink is no reason to be unready; it raises
/// an alert, and taking workers out would only make it worse.
pub type Ready = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// Everything of the page is our own file; nothing runs inline and nothing is loaded from elsewhere.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

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
        .fallback(|| async { nothing_here(&format!("/, /findings/, /map/, /fleet/, {}", api::PATHS)) })
        .layer(middleware::from_fn(guarded))
}

const PLAIN: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";

fn typed(content_type: &'static str, text: String) -> Response {
    ([(header::CONTENT_TYPE, content_type)], Body::from(text)).into_response()
}

fn nothing_here(paths: &str) -> Response {
    (StatusCode::NOT_FOUND, typed(PLAIN, format!("nothing here; there are {paths}\n"))).into_response()
}

/// Refuses requests that name a foreign host, and sets the headers that keep browsers strict.
async fn guarded(request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).map(|host| host.to_str().unwrap_or("").to_owned());
    let mut response = match host {
        Some(host) if !is_own(&host) => {
            let text =
                "this page answers to localhost and to IP addresses only; a proxy has to set the Host header so\n";
            (StatusCode::MISDIRECTED_REQUEST, typed(PLAIN, text.to_owned())).into_response()
        }
        _ => next.run(request).await,
    };
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    // The page's own files say themselves how long they may be kept; what is said of zones is kept by nobody.
    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Whether a Host header is one that no foreign web page can have: an address, or a name that is always this machine.
fn is_own(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.parse::<IpAddr>().is_ok() || name.eq_ignore_ascii_case("localhost")
}
