//! Whether this process is well: for people, load balancers and Prometheus.

use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use elt_shared::metrics::ProcessMetrics;
use serde::Serialize;
use tokio::time::timeout;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::error::{Error, Problem, Result};
use crate::extract::Json;
use crate::{AppState, metrics, pool};

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(root)).routes(routes!(livez)).routes(routes!(readyz)).routes(routes!(metrics))
}

/// A word about the process.
#[derive(Serialize, ToSchema)]
pub struct Status {
    /// `API is running` or `ok`.
    status: &'static str,
}

/// The dashboard for browsers, a sign of life for everyone else.
#[utoipa::path(get, path = "/", tag = "health", responses((status = 200, body = Status), (status = 303)))]
async fn root(headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    let wants_page = accept.is_some_and(|accept| accept.contains("text/html"));
    if wants_page {
        return Redirect::to("/ui/").into_response();
    }
    Json(Status { status: "API is running" }).into_response()
}

/// Whether the process answers at all. Looks at nothing else: a lost database is no reason to restart it.
#[utoipa::path(get, path = "/livez", tag = "health", responses((status = 200, body = Status)))]
pub async fn livez() -> Json<Status> {
    Json(Status { status: "ok" })
}

/// Whether requests should be sent here: the database answers and the process is not stopping.
#[utoipa::path(get, path = "/readyz", tag = "health",
    responses((status = 200, body = Status), (status = 503, body = Problem)))]
async fn readyz(State(state): State<AppState>) -> Result<Json<Status>> {
    ready(&state).await.map_err(Error::Unavailable)?;
    Ok(Json(Status { status: "ok" }))
}

/// Whether requests should be sent here. `Err`: the reason why not, as a sentence.
pub(crate) async fn ready(state: &AppState) -> std::result::Result<(), &'static str> {
    if state.stopping.is_cancelled() {
        return Err("this process is stopping");
    }
    let migrated = sqlx::query_scalar::<_, bool>("select to_regclass('elt.runs') is not null").fetch_one(&state.db);
    match timeout(Duration::from_secs(2), migrated).await {
        Ok(Ok(true)) => Ok(()),
        Ok(Ok(false)) => Err("the database is not migrated yet"),
        Ok(Err(_)) | Err(_) => Err(pool::reason(&state.db).await),
    }
}

/// Counters and gauges for Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "health", responses((status = 200, body = String, content_type = "text/plain")))]
async fn metrics(State(state): State<AppState>, headers: HeaderMap) -> Result<Response> {
    let audience = metrics::reader(&state.settings.probes, &headers)?;
    let text = state.metrics(audience).await.map_err(|error| Error::internal("write the metrics", error))?;
    Ok((StatusCode::OK, [(header::CONTENT_TYPE, ProcessMetrics::CONTENT_TYPE)], text).into_response())
}
