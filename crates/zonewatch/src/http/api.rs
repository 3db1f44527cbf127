//! `/api/v1`: what people's pages and scripts are answered. `docs/api.md` describes it.

use super::events::{Events, events};
use super::{JSON, PLAIN, Ready, View, typed};
use crate::fleet_views::FleetViews;
use crate::fleet_workers::FleetWorkers;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value, json};
use std::sync::Arc;

/// Where answers come from.
#[derive(Clone)]
pub struct Api {
    /// What this worker reads itself.
    pub view: Arc<View>,
    /// The zones of the whole fleet, if windows are computed.
    pub zones: Option<Arc<FleetViews>>,
    /// Who works in the fleet, and on what.
    pub workers: Arc<FleetWorkers>,
    /// Whether coordination works.
    pub ready: Ready,
    /// Who is told of changes.
    pub events: Arc<Events>,
}

/// For people who are lost.
pub const PATHS: &str =
    "/api/v1/zones, /api/v1/zones/{zone}, /api/v1/edges, /api/v1/findings, /api/v1/fleet and /api/v1/events";

/// The paths below `/api/v1`.
pub fn routes(api: Api) -> Router {
    Router::new()
        .route("/api/v1/zones", get(zones))
        .route("/api/v1/zones/{zone}", get(zone))
        .route("/api/v1/edges", get(edges))
        .route("/api/v1/findings", get(findings))
        .route("/api/v1/fleet", get(fleet))
        .route("/api/v1/events", get(events))
        .with_state(api)
}

/// Before the first window has closed, and where windows are off, what this worker reads itself is better than nothing.
async fn zones(State(api): State<Api>) -> Response {
    let mut findings = Vec::new();
    if let Some(zones) = &api.zones {
        if let Some(document) = zones.zones().await {
            return answer(&document);
        }
        findings = zones.active_findings().await;
    }
    answer(&api.view.snapshot().zones_json(&findings))
}

async fn zone(State(api): State<Api>, Path(zone): Path<String>) -> Response {
    let Some(zones) = &api.zones else { return without_windows() };
    match zones.zone(&zone).await {
        Some(document) => answer(&document),
        None => {
            let text = "no such zone: nothing was asked of it in the last day, or its first minute is still open\n";
            (StatusCode::NOT_FOUND, typed(PLAIN, text.to_owned())).into_response()
        }
    }
}

async fn edges(State(api): State<Api>) -> Response {
    match &api.zones {
        Some(zones) => answer(&zones.edges().await),
        // Digests do not count them.
        None => answer(&json!({ "version": 1, "time_ms": api.view.now_ms(), "scope": "worker", "edges": [] })),
    }
}

async fn findings(State(api): State<Api>) -> Response {
    match &api.zones {
        Some(zones) => answer(&zones.findings().await),
        None => without_windows(),
    }
}

async fn fleet(State(api): State<Api>) -> Response {
    let this = api.view.snapshot().worker_json(&(api.ready)());
    answer(&api.workers.document(&this).await)
}

fn answer(document: &Value) -> Response {
    typed(JSON, document.to_string())
}

fn without_windows() -> Response {
    let text = "no windows are computed by this worker: detect.enabled = true computes them, and findings with them\n";
    (StatusCode::NOT_FOUND, typed(PLAIN, text.to_owned())).into_response()
}
