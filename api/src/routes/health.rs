//! Whether this process is well: for people, load balancers and Prometheus.

use std::fmt::Write;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Serialize;
use tokio::time::timeout;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::error::{Error, Problem, Result};
use crate::extract::Json;
use crate::{AppState, pool};

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(root)).routes(routes!(livez)).routes(routes!(readyz)).routes(routes!(metrics))
}

/// A word about the process.
#[derive(Serialize, ToSchema)]
struct Status {
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
async fn livez() -> Json<Status> {
    Json(Status { status: "ok" })
}

/// Whether requests should be sent here: the database answers and the process is not stopping.
#[utoipa::path(get, path = "/readyz", tag = "health",
    responses((status = 200, body = Status), (status = 503, body = Problem)))]
async fn readyz(State(state): State<AppState>) -> Result<Json<Status>> {
    if state.stop.is_cancelled() {
        return Err(Error::Unavailable("this process is stopping"));
    }
    let migrated = sqlx::query_scalar::<_, bool>("select to_regclass('elt.runs') is not null").fetch_one(&state.db);
    match timeout(Duration::from_secs(2), migrated).await {
        Ok(Ok(true)) => Ok(Json(Status { status: "ok" })),
        Ok(Ok(false)) => Err(Error::Unavailable("the database is not migrated yet")),
        Ok(Err(_)) | Err(_) => Err(Error::Unavailable(pool::reason(&state.db).await)),
    }
}

/// Counters and gauges for Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "health", responses((status = 200, body = String, content_type = "text/plain")))]
async fn metrics(State(state): State<AppState>) -> Response {
    let mut text = String::new();
    let gauges = timeout(Duration::from_secs(5), elt_shared::store::overview::gauges(&state.db)).await;
    // Under load the gauges may wait for a connection, or take long: then the database is asked apart from the pool.
    let up = u8::from(matches!(gauges, Ok(Ok(_))) || pool::answers(&state.db).await);
    let _ = writeln!(
        text,
        "# HELP elt_database_up Whether the control database answers.\n# TYPE elt_database_up gauge\nelt_database_up {up}"
    );
    let mut last = "";
    for gauge in gauges.iter().flatten().flatten() {
        if gauge.name != last {
            let _ = writeln!(text, "# HELP {} {}\n# TYPE {} gauge", gauge.name, gauge.help, gauge.name);
            last = &gauge.name;
        }
        let _ = writeln!(text, "{}{} {}", gauge.name, gauge.labels, gauge.value);
    }
    state.metrics.write(&mut text);
    (StatusCode::OK, [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}
