//! Pipelines: one entry per name, with its newest version, its newest run and its next one; pausing one.

use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use elt_shared::pauses;
use elt_shared::runs::{Outcome, Priority, RunState};
use elt_shared::store::pauses::PauseScope;
use elt_shared::store::pipelines::{self, Pipeline};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::queues::{PauseRequest, PauseView, ResumeAnswer};
use crate::AppState;
use crate::audit::AuditNote;
use crate::auth::{OnPipelines, Read, Trigger};
use crate::error::{Error, Problem, Result};
use crate::extract::{Json, OptionalJson, Params, Path};
use crate::page::{Page, PageQuery};

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(pause)).routes(routes!(resume))
}

/// All config versions and runs that share one name.
#[derive(Serialize, ToSchema)]
struct PipelineView {
    /// Pipeline name.
    name: String,
    /// Id of the newest config version.
    config_id: i64,
    /// Number of that version, counted over all configs.
    version: i32,
    /// When that version was uploaded.
    uploaded_at: DateTime<Utc>,
    /// Whether that version can run.
    runnable: bool,
    /// Target table of the newest run; `null` before the first run.
    target_table: Option<String>,
    /// The newest run of kind `run`; `null` before the first one.
    last_run: Option<LastRun>,
    /// Runs, replays and undos of it that may be at work at the same time, as `concurrency` of the newest version says;
    /// `null`: any number.
    concurrency: Option<i32>,
    /// How early its runs start among those that wait.
    priority: Priority,
    /// Its own pause; without one, that of everything; `null` when its runs may start.
    pause: Option<PauseView>,
    /// The live schedule; `null` when the pipeline has none.
    schedule_id: Option<Uuid>,
    /// When the cron expression of that schedule fires next; `null` without one and while the schedule is paused.
    next_run_at: Option<DateTime<Utc>>,
}

/// The newest run of a pipeline.
#[derive(Serialize, ToSchema)]
struct LastRun {
    /// Run id, for `GET /runs/{id}`.
    id: Uuid,
    /// Waiting, at work, or how it ended.
    state: RunState,
    /// What a run that succeeded achieved; `null` in other states.
    outcome: Option<Outcome>,
    /// When it was requested.
    created_at: DateTime<Utc>,
}

impl From<Pipeline> for PipelineView {
    fn from(pipeline: Pipeline) -> Self {
        let last_run = match (pipeline.last_run_id, pipeline.last_run_state, pipeline.last_run_at) {
            (Some(id), Some(state), Some(created_at)) => {
                Some(LastRun { id, state, outcome: pipeline.last_run_outcome, created_at })
            }
            _ => None,
        };
        Self {
            name: pipeline.name,
            config_id: pipeline.config_id,
            version: pipeline.version,
            uploaded_at: pipeline.uploaded_at,
            runnable: pipeline.runnable,
            target_table: pipeline.target_table,
            last_run,
            concurrency: pipeline.concurrency,
            priority: pipeline.priority.unwrap_or_default(),
            pause: pipeline.pause.map(|pause| pause.0.into()),
            schedule_id: pipeline.schedule_id,
            next_run_at: pipeline.next_run_at,
        }
    }
}

/// Which pipelines.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct PipelineQuery {
    /// Only pipelines whose name contains this text, in upper or lower case.
    search: Option<String>,
}

/// Pipelines in the order of their names.
#[utoipa::path(get, path = "/pipelines", tag = "pipelines", security(("token" = []), ("api_token" = ["read"])), params(PageQuery, PipelineQuery),
    responses((status = 200, body = Page<PipelineView>)))]
async fn list(
    State(state): State<AppState>,
    caller: OnPipelines<Read>,
    Params(page): Params<PageQuery>,
    Params(query): Params<PipelineQuery>,
) -> Result<Json<Page<PipelineView>>> {
    let after: Option<String> = page.after()?;
    let search = query.search.as_deref().map(str::trim).filter(|search| !search.is_empty());
    let rows = pipelines::list(&state.db, search, caller.pipelines(), after.as_deref(), page.fetch()).await?;
    Ok(Json(Page::of(rows, &page, |pipeline| pipeline.name.clone(), Into::into)))
}

/// Pauses a pipeline: its queued runs, replays and undos do not start, and its schedule makes no runs. What is at work goes
/// on, and runs that are asked for are queued. Plans, checks and connection tests start as ever, because they load nothing.
#[utoipa::path(post, path = "/pipelines/{name}/pause", tag = "pipelines", security(("token" = []), ("api_token" = ["trigger"])),
    request_body(content = Option<PauseRequest>, example = json!({ "reason": "the table is being rebuilt" })), responses(
    (status = 200, body = PauseView), (status = 404, body = Problem)))]
async fn pause(
    State(state): State<AppState>,
    caller: OnPipelines<Trigger>,
    note: AuditNote,
    Path(name): Path<String>,
    OptionalJson(request): OptionalJson<PauseRequest>,
) -> Result<Json<PauseView>> {
    note.object("pipeline", &name);
    caller.reach(&name)?;
    let reason = request.checked(&note)?;
    let mut tx = state.db.begin().await?;
    if !pipelines::exists(&mut *tx, &name).await? {
        return Err(Error::NotFound(format!("pipeline {name}")));
    }
    let pause = pauses::pause(&mut tx, PauseScope::Pipeline, &name, caller.name(), reason.as_deref()).await?;
    note.commit(tx, StatusCode::OK).await?;
    tracing::info!(pipeline = name, "{} paused the pipeline", caller.name());
    Ok(Json(pause.into()))
}

/// Ends the pause of a pipeline: its queued runs start, and its schedule looks at once what it missed. `catch_up` of the
/// schedule decides about the fires of the pause, and sources that changed are loaded once. Also answered when the pipeline
/// is not paused.
#[utoipa::path(post, path = "/pipelines/{name}/resume", tag = "pipelines", security(("token" = []), ("api_token" = ["trigger"])),
    responses((status = 200, body = ResumeAnswer),
    (status = 404, body = Problem)))]
async fn resume(
    State(state): State<AppState>,
    caller: OnPipelines<Trigger>,
    note: AuditNote,
    Path(name): Path<String>,
) -> Result<Json<ResumeAnswer>> {
    note.object("pipeline", &name);
    caller.reach(&name)?;
    let mut tx = state.db.begin().await?;
    if !pipelines::exists(&mut *tx, &name).await? {
        return Err(Error::NotFound(format!("pipeline {name}")));
    }
    let ended = pauses::resume(&mut tx, PauseScope::Pipeline, &name).await?;
    note.commit(tx, StatusCode::OK).await?;
    Ok(Json(ResumeAnswer { ended: ended.map(Into::into) }))
}
