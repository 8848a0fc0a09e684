//! Whether this process is well: for people, load balancers and Prometheus.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use elt_shared::runs::{Outcome, RunKind, RunState};
use elt_shared::store::overview::{self, Gauge};
use elt_shared::store::run_totals::{self, RunTotal};
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
    let numbers = timeout(Duration::from_secs(5), async {
        Ok::<_, sqlx::Error>((overview::gauges(&state.db).await?, run_totals::list(&state.db).await?))
    });
    let numbers = numbers.await.ok().and_then(Result::ok);
    // Missing numbers do not prove that the database is away, because under load they can wait for a connection or take
    // long. A connection outside the pool decides.
    let up = u8::from(numbers.is_some() || pool::answers(&state.db).await);
    let _ = writeln!(
        text,
        "# HELP elt_database_up Whether the control database answers.\n# TYPE elt_database_up gauge\nelt_database_up {up}"
    );
    if let Some((gauges, totals)) = &numbers {
        write_gauges(&mut text, gauges);
        write_totals(&mut text, totals);
    }
    state.metrics.write(&mut text);
    (StatusCode::OK, [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

fn write_gauges(text: &mut String, gauges: &[Gauge]) {
    let mut last = "";
    for gauge in gauges {
        if gauge.name != last {
            let _ = writeln!(text, "# HELP {} {}\n# TYPE {} gauge", gauge.name, gauge.help, gauge.name);
            last = &gauge.name;
        }
        let _ = writeln!(text, "{}{} {}", gauge.name, gauge.labels, gauge.value);
    }
}

/// Counters of ended runs. The series of runs and replays exist from the start, at 0, because `increase()` does not see
/// a counter that first appears with the value 1.
fn write_totals(text: &mut String, totals: &[RunTotal]) {
    const RUNS: &str = "elt_runs_finished_total";
    const ROWS: &str = "elt_rows_inserted_total";
    let ways = Outcome::ALL.iter().map(|outcome| (RunState::Succeeded, Some(*outcome)));
    let ways = ways.chain([(RunState::Failed, None), (RunState::Stopped, None)]);
    let loads = ways.flat_map(|(state, outcome)| [RunKind::Run, RunKind::Replay].map(|kind| (kind, state, outcome)));
    let labels = |kind: RunKind, state: RunState, outcome: Option<Outcome>| {
        (kind.as_str(), state.as_str(), outcome.map_or("", Outcome::as_str))
    };
    let mut series: BTreeMap<(&str, &str, &str), i64> =
        loads.map(|(kind, state, outcome)| (labels(kind, state, outcome), 0)).collect();
    for total in totals {
        series.insert(labels(total.kind, total.state, total.outcome), total.runs);
    }
    let _ = writeln!(text, "# HELP {RUNS} Runs that ended, by kind, state and outcome.\n# TYPE {RUNS} counter");
    for ((kind, state, outcome), runs) in series {
        let _ = writeln!(text, r#"{RUNS}{{kind="{kind}",state="{state}",outcome="{outcome}"}} {runs}"#);
    }
    let rows: i64 = totals.iter().map(|total| total.rows_inserted).sum();
    let _ = writeln!(text, "# HELP {ROWS} Rows that runs and replays inserted.\n# TYPE {ROWS} counter\n{ROWS} {rows}");
}
