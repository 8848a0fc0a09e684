//! Whether this process is well: for people, load balancers and Prometheus.

use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use elt_shared::metrics::ProcessMetrics;
use elt_shared::store;
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

/// Whether requests should be sent here: the database answers and can be written to, and the process is not stopping.
#[utoipa::path(get, path = "/readyz", tag = "health",
    responses((status = 200, body = Status), (status = 503, body = Problem)))]
async fn readyz(State(state): State<AppState>) -> Result<Json<Status>> {
    ready(&state).await?;
    Ok(Json(Status { status: "ok" }))
}

/// Whether requests should be sent here.
///
/// # Errors
/// The reason why not.
pub(crate) async fn ready(state: &AppState) -> Result<()> {
    if state.stopping.is_cancelled() {
        return Err(Error::Unavailable("this process is stopping"));
    }
    let look = async {
        let mut db = state.db.acquire().await?;
        let migrated = sqlx::query_scalar::<_, bool>("select to_regclass('elt.runs') is not null");
        Ok::<_, sqlx::Error>((migrated.fetch_one(&mut *db).await?, store::writable(&mut *db).await?))
    };
    match timeout(Duration::from_secs(2), look).await {
        Ok(Ok((false, _))) => Err(Error::Unavailable("the database is not migrated yet")),
        Ok(Ok((true, writable))) => match writable.refusal() {
            None => Ok(()),
            Some(reason) => Err(Error::read_only(reason)),
        },
        Ok(Err(_)) | Err(_) => Err(Error::Unavailable(pool::reason(&state.db).await)),
    }
}

/// Counters and gauges for Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "health", responses((status = 200, body = String, content_type = "text/plain")))]
async fn metrics(State(state): State<AppState>, headers: HeaderMap) -> Result<Response> {
    let audience = metrics::reader(&state.settings.probes, &headers)?;
    let text = state.metrics(audience).await.map_err(|error| Error::internal("write the metrics", error))?;
    Ok((StatusCode::OK, [(header::CONTENT_TYPE, ProcessMetrics::CONTENT_TYPE)], text).into_response())
}
