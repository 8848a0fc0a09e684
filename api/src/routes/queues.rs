//! Queues: what waits on them, pausing one or everything, and how many runs may be at work at the same time.

use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use elt_shared::explained::Code;
use elt_shared::pauses;
use elt_shared::runs::lifecycle;
use elt_shared::store::pauses::{self as store, LONGEST_REASON, Pause, PauseScope};
use elt_shared::store::queues::{self, LARGEST_LIMIT, Queue};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;
use crate::audit::AuditNote;
use crate::auth::{Allowed, Read, Trigger};
use crate::error::{Error, Problem, Result};
use crate::extract::{Json, OptionalJson, Path};

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(pause))
        .routes(routes!(resume))
        .routes(routes!(limit))
        .routes(routes!(pause_all))
        .routes(routes!(resume_all))
}

/// A pause of a pipeline, a queue or everything.
#[derive(Serialize, ToSchema)]
pub struct PauseView {
    /// What is paused: a pipeline, a queue or everything.
    scope: PauseScope,
    /// Name of the pipeline or the queue; empty for everything.
    #[schema(example = "orders")]
    name: String,
    /// When the pause began.
    paused_at: DateTime<Utc>,
    /// The user who paused it.
    #[schema(example = "ann")]
    paused_by: String,
    /// Why, if the user said it.
    #[schema(example = "the table is being rebuilt")]
    reason: Option<String>,
}

impl From<Pause> for PauseView {
    fn from(pause: Pause) -> Self {
        Self {
            scope: pause.scope,
            name: pause.name,
            paused_at: pause.paused_at,
            paused_by: pause.paused_by,
            reason: pause.reason,
        }
    }
}

/// Why something is paused.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PauseRequest {
    /// At most 500 characters, for the people who find it paused.
    reason: Option<String>,
}

impl PauseRequest {
    /// The reason, noted for the audit.
    ///
    /// # Errors
    /// 400 when it is too long.
    pub fn checked(self, note: &AuditNote) -> Result<Option<String>> {
        let reason = store::trimmed(self.reason.as_deref()).map_err(|length| {
            Error::bad_request(
                Code::InvalidBody,
                format!("the reason has {length} characters; {LONGEST_REASON} are allowed"),
                "Shorten it.",
            )
        })?;
        if let Some(reason) = reason {
            note.detail("reason", reason);
        }
        Ok(reason.map(str::to_owned))
    }
}

/// What a resume ended.
#[derive(Serialize, ToSchema)]
pub struct ResumeAnswer {
    /// The pause that has ended; `null` when it was not paused.
    pub ended: Option<PauseView>,
}

/// A queue, with its runs and its workers.
#[derive(Serialize, ToSchema)]
struct QueueView {
    /// Its name.
    #[schema(example = "elt")]
    name: String,
    /// Runs that wait and are due, also for a pause, a limit, their server or their table.
    queued: i64,
    /// Of these, the runs that a pause or a limit keeps from starting.
    held: i64,
    /// Number of runs that workers execute now.
    running: i64,
    /// Workers that take runs from it: they are alive, not drained, and their machines are well.
    workers: i64,
    /// Runs that those execute at the same time.
    slots: i64,
    /// Runs of every kind that may be at work at the same time, over all workers; `null`: as many as there are slots.
    concurrency: Option<i32>,
    /// When that was set.
    limit_set_at: Option<DateTime<Utc>>,
    /// The user who set it.
    limit_set_by: Option<String>,
    /// Its own pause; without one, that of everything; `null` when its runs may start.
    pause: Option<PauseView>,
}

impl From<Queue> for QueueView {
    fn from(queue: Queue) -> Self {
        Self {
            name: queue.name,
            queued: queue.queued,
            held: queue.held,
            running: queue.running,
            workers: queue.workers,
            slots: queue.slots,
            concurrency: queue.concurrency,
            limit_set_at: queue.limit_set_at,
            limit_set_by: queue.limit_set_by,
            pause: queue.pause.map(|pause| pause.0.into()),
        }
    }
}

/// The queues, and everything that is paused.
#[derive(Serialize, ToSchema)]
struct QueueList {
    data: Vec<QueueView>,
    /// Every pause of a pipeline, a queue or everything, the oldest first.
    pauses: Vec<PauseView>,
}

/// Queues that are in use, paused or limited, in the order of their names, and everything that is paused.
#[utoipa::path(get, path = "/queues", tag = "queues", security(("token" = []), ("api_token" = ["read"])), responses(
    (status = 200, body = QueueList)))]
async fn list(State(state): State<AppState>, _caller: Allowed<Read>) -> Result<Json<QueueList>> {
    let data = queues::list(&state.db).await?.into_iter().map(Into::into).collect();
    let pauses = store::list(&state.db).await?.into_iter().map(Into::into).collect();
    Ok(Json(QueueList { data, pauses }))
}

/// Pauses a queue: no worker takes anything from it. What is at work goes on; schedules go on, too, and their runs wait.
#[utoipa::path(post, path = "/queues/{name}/pause", tag = "queues", security(("token" = []), ("api_token" = ["trigger"])),
    request_body(content = Option<PauseRequest>, example = json!({ "reason": "the workers move" })), responses(
    (status = 200, body = PauseView), (status = 404, body = Problem)))]
async fn pause(
    State(state): State<AppState>,
    caller: Allowed<Trigger>,
    note: AuditNote,
    Path(name): Path<String>,
    OptionalJson(request): OptionalJson<PauseRequest>,
) -> Result<Json<PauseView>> {
    note.object("queue", &name);
    let reason = request.checked(&note)?;
    let mut tx = state.db.begin().await?;
    if !queues::is_known(&mut *tx, &name).await? {
        return Err(Error::NotFound(format!("queue {name}")));
    }
    let pause = pauses::pause(&mut tx, PauseScope::Queue, &name, caller.name(), reason.as_deref()).await?;
    note.commit(tx, StatusCode::OK).await?;
    tracing::info!(queue = name, "{} paused the queue", caller.name());
    Ok(Json(pause.into()))
}

/// Ends the pause of a queue. Also answered when the queue is not paused.
#[utoipa::path(post, path = "/queues/{name}/resume", tag = "queues", security(("token" = []), ("api_token" = ["trigger"])), responses(
    (status = 200, body = ResumeAnswer)))]
async fn resume(
    State(state): State<AppState>,
    _caller: Allowed<Trigger>,
    note: AuditNote,
    Path(name): Path<String>,
) -> Result<Json<ResumeAnswer>> {
    note.object("queue", &name);
    let mut tx = state.db.begin().await?;
    let ended = pauses::resume(&mut tx, PauseScope::Queue, &name).await?;
    note.commit(tx, StatusCode::OK).await?;
    Ok(Json(ResumeAnswer { ended: ended.map(Into::into) }))
}

/// How many runs of a queue may be at work at the same time.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct QueueLimit {
    /// 1 to 10000; `null` removes the limit.
    #[schema(minimum = 1, maximum = 10000, example = 4)]
    concurrency: Option<u16>,
}

/// Sets how many runs of a queue may be at work at the same time, over all workers. Runs at work go on, also when they are
/// more.
#[utoipa::path(put, path = "/queues/{name}/limit", tag = "queues", security(("token" = []), ("api_token" = ["trigger"])),
    request_body = QueueLimit, responses((status = 204), (status = 404, body = Problem)))]
async fn limit(
    State(state): State<AppState>,
    caller: Allowed<Trigger>,
    note: AuditNote,
    Path(name): Path<String>,
    Json(request): Json<QueueLimit>,
) -> Result<StatusCode> {
    note.object("queue", &name);
    note.detail("concurrency", request.concurrency);
    if request.concurrency.is_some_and(|limit| !(1..=LARGEST_LIMIT).contains(&limit)) {
        return Err(Error::bad_request(
            Code::InvalidBody,
            format!("concurrency is not a number from 1 to {LARGEST_LIMIT}"),
            "Correct it, or send null to remove the limit. To stop a queue, pause it.",
        ));
    }
    let mut tx = state.db.begin().await?;
    if !queues::is_known(&mut *tx, &name).await? {
        return Err(Error::NotFound(format!("queue {name}")));
    }
    queues::set_limit(&mut *tx, &name, request.concurrency, caller.name()).await?;
    note.commit(tx, StatusCode::NO_CONTENT).await?;
    // Only for promptness: the sweeper finds the runs that may begin, too.
    if let Err(error) = lifecycle::release(&state.db, &name, "").await {
        tracing::debug!(%error, "could not wake the runs that the limit held");
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Pauses everything: no worker takes anything from any queue, and no schedule makes runs. What is at work goes on.
#[utoipa::path(post, path = "/pause", tag = "queues", security(("token" = []), ("api_token" = ["trigger"])),
    request_body(content = Option<PauseRequest>, example = json!({ "reason": "the warehouse is being upgraded" })), responses(
    (status = 200, body = PauseView)))]
async fn pause_all(
    State(state): State<AppState>,
    caller: Allowed<Trigger>,
    note: AuditNote,
    OptionalJson(request): OptionalJson<PauseRequest>,
) -> Result<Json<PauseView>> {
    let reason = request.checked(&note)?;
    let mut tx = state.db.begin().await?;
    let pause = pauses::pause(&mut tx, PauseScope::All, "", caller.name(), reason.as_deref()).await?;
    note.commit(tx, StatusCode::OK).await?;
    tracing::info!("{} paused everything", caller.name());
    Ok(Json(pause.into()))
}

/// Ends the pause of everything. Pipelines and queues that were paused one by one stay paused.
#[utoipa::path(post, path = "/resume", tag = "queues", security(("token" = []), ("api_token" = ["trigger"])), responses(
    (status = 200, body = ResumeAnswer)))]
async fn resume_all(
    State(state): State<AppState>,
    _caller: Allowed<Trigger>,
    note: AuditNote,
) -> Result<Json<ResumeAnswer>> {
    let mut tx = state.db.begin().await?;
    let ended = pauses::resume(&mut tx, PauseScope::All, "").await?;
    note.commit(tx, StatusCode::OK).await?;
    Ok(Json(ResumeAnswer { ended: ended.map(Into::into) }))
}
