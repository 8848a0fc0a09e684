//! Workers: who works runs, and who was lost.

use axum::extract::State;
use chrono::{DateTime, Utc};
use elt_shared::store::workers::{self, Worker};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;
use crate::auth::{Allowed, Read};
use crate::error::{Problem, Result};
use crate::extract::{Json, Params};

/// Workers listed at most.
const WORKERS: i64 = 1_000;

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list))
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
    /// It takes nothing new.
    stopping: bool,
    /// The reason why it takes no runs, as a sentence, such as a full data folder; `null`: it takes runs.
    #[schema(example = "the data folder /var/lib/elt has 12.0 MiB free, less than 256 MiB (ELT_MIN_FREE_MIB)")]
    takes_nothing_because: Option<String>,
    /// When it ended in good order.
    stopped_at: Option<DateTime<Utc>>,
    /// `working`, `stopping`, `stopped` or `lost`.
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
            state: worker.state,
            running: worker.running,
        }
    }
}

/// Which workers.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct WorkerQuery {
    /// Also those that stopped or were lost.
    #[serde(default)]
    gone: bool,
}

/// All workers.
#[derive(Serialize, ToSchema)]
struct WorkerList {
    data: Vec<WorkerView>,
}

/// Workers, the newest first.
#[utoipa::path(get, path = "/workers", tag = "workers", security(("token" = []), ("api_token" = ["read"])), params(WorkerQuery), responses(
    (status = 200, body = WorkerList), (status = 401, body = Problem), (status = 403, body = Problem)))]
async fn list(
    State(state): State<AppState>,
    _caller: Allowed<Read>,
    Params(query): Params<WorkerQuery>,
) -> Result<Json<WorkerList>> {
    let found = workers::list(&state.db, query.gone, WORKERS).await?;
    Ok(Json(WorkerList { data: found.into_iter().map(Into::into).collect() }))
}
