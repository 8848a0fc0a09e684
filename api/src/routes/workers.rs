//! Workers: who works runs, who was lost, and draining one.

use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use elt_shared::explained::Code;
use elt_shared::store::api_processes;
use elt_shared::store::workers::{self, DrainAnswer, Worker};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;
use crate::audit::AuditNote;
use crate::auth::{Allowed, Caller, Read, Trigger};
use crate::error::{Error, Problem, Result};
use crate::extract::{Json, Params, Path};

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(drain)).routes(routes!(undrain))
}

/// One process that works runs.
#[derive(Serialize, ToSchema)]
struct WorkerView {
    /// Unique for each start of a process.
    id: String,
    host: String,
    pid: i32,
    version: String,
    /// The queue it takes runs from.
    queue: String,
    /// Runs it executes at the same time.
    concurrency: i32,
    started_at: DateTime<Utc>,
    /// When it last said it is alive.
    heartbeat_at: DateTime<Utc>,
    /// It takes nothing new, because its process ends.
    stopping: bool,
    /// The reason why it takes no runs, as a sentence, such as a full data folder; `null`: it takes runs.
    #[schema(example = "the data folder /var/lib/elt has 12.0 MiB free, less than 256 MiB (ELT_MIN_FREE_MIB)")]
    takes_nothing_because: Option<String>,
    /// When it ended in good order.
    stopped_at: Option<DateTime<Utc>>,
    /// Since when it is drained; `null` when it is not.
    drain_asked_at: Option<DateTime<Utc>>,
    /// The user who drained it.
    drain_asked_by: Option<String>,
    /// `working`; `draining`: it finishes the runs it has and takes no others; `drained`: it has no run any more;
    /// `stopping`, `stopped` or `lost`.
    #[schema(example = "draining")]
    state: String,
    /// Runs it works on now.
    running: i64,
}

impl From<Worker> for WorkerView {
    fn from(worker: Worker) -> Self {
        Self {
            id: worker.id,
            host: worker.host,
            pid: worker.pid,
            version: worker.version,
            queue: worker.queue,
            concurrency: worker.concurrency,
            started_at: worker.started_at,
            heartbeat_at: worker.heartbeat_at,
            stopping: worker.stopping,
            takes_nothing_because: worker.takes_nothing_because,
            stopped_at: worker.stopped_at,
            drain_asked_at: worker.drain_asked_at,
            drain_asked_by: worker.drain_asked_by,
            state: worker.state,
            running: worker.running,
        }
    }
}

/// Filters of the list. A worker must match all of them.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct WorkerQuery {
    /// Also those that stopped or were lost.
    #[serde(default)]
    gone: bool,
}

/// The workers of this installation, with totals.
#[derive(Serialize, ToSchema)]
struct WorkerList {
    data: Vec<WorkerView>,
    /// Version of the API that answers.
    #[schema(example = "0.1.0")]
    api_version: &'static str,
    /// Sentences about what an operator should look at: live workers and other APIs of another version than this API.
    warnings: Vec<String>,
}

/// Workers, the newest first.
#[utoipa::path(get, path = "/workers", tag = "workers", security(("token" = []), ("api_token" = ["read"])), params(WorkerQuery), responses(
    (status = 200, body = WorkerList)))]
async fn list(
    State(state): State<AppState>,
    _caller: Allowed<Read>,
    Params(query): Params<WorkerQuery>,
) -> Result<Json<WorkerList>> {
    let found = workers::list(&state.db, query.gone, workers::MOST_LISTED).await?;
    let api_version = env!("CARGO_PKG_VERSION");
    let servers = api_processes::list(&state.db).await?;
    let skews = [workers::version_skew(&found, api_version), api_processes::version_skew(&servers, api_version)];
    let warnings = skews.into_iter().flatten().collect();
    Ok(Json(WorkerList { data: found.into_iter().map(Into::into).collect(), api_version, warnings }))
}

/// Drains a worker: it takes no new runs and no ticks of schedules, and finishes the runs it has. Then it is `drained`,
/// and stays so until it is undrained or its process ends. A lost worker takes nothing if it comes back. A worker that has
/// stopped takes nothing anyway and is answered as it is.
#[utoipa::path(post, path = "/workers/{id}/drain", tag = "workers", security(("token" = []), ("api_token" = ["trigger"])), responses(
    (status = 200, body = WorkerView),
    (status = 404, body = Problem)))]
async fn drain(
    State(state): State<AppState>,
    caller: Allowed<Trigger>,
    note: AuditNote,
    Path(id): Path<String>,
) -> Result<Json<WorkerView>> {
    set_drained(&state, &caller, &note, &id, true).await
}

/// Lets a drained worker take runs again.
#[utoipa::path(post, path = "/workers/{id}/undrain", tag = "workers", security(("token" = []), ("api_token" = ["trigger"])), responses(
    (status = 200, body = WorkerView),
    (status = 404, body = Problem), (status = 409, body = Problem)))]
async fn undrain(
    State(state): State<AppState>,
    caller: Allowed<Trigger>,
    note: AuditNote,
    Path(id): Path<String>,
) -> Result<Json<WorkerView>> {
    set_drained(&state, &caller, &note, &id, false).await
}

async fn set_drained(
    state: &AppState,
    caller: &Caller,
    note: &AuditNote,
    id: &str,
    drained: bool,
) -> Result<Json<WorkerView>> {
    note.object("worker", id);
    let mut tx = state.db.begin().await?;
    let by = drained.then(|| caller.name());
    let worker = match workers::set_drained(&mut tx, id, by).await? {
        None => return Err(Error::NotFound(format!("worker {id}"))),
        Some(DrainAnswer::Gone(worker)) if !drained => {
            return Err(Error::conflict(
                Code::WorkerGone,
                format!("the worker is {}, so it cannot take runs again", worker.state),
                "Start a new worker: it is not drained.",
            ));
        }
        Some(DrainAnswer::Noted(worker) | DrainAnswer::Gone(worker)) => worker,
    };
    note.commit(tx, StatusCode::OK).await?;
    tracing::info!(worker = id, "{} {} the worker", caller.name(), if drained { "drained" } else { "undrained" });
    Ok(Json(worker.into()))
}
