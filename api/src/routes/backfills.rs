//! Backfills: loading a range of time in windows, each by a run of its own.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use chrono::{DateTime, Utc};
use elt_shared::backfills::{self, Answer, Asked, Plan, Window};
use elt_shared::config::PipelineConfig;
use elt_shared::explained::{Code, Explained};
use elt_shared::job::QUEUE;
use elt_shared::runs::RunState;
use elt_shared::store::backfills::{
    self as store, Backfill, BackfillFilter, BackfillState, Progress, WindowRow, WindowState,
};
use elt_shared::store::configs::ConfigVersion;
use elt_shared::trigger;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::configs;
use super::runs::{listed, pipeline_of};
use crate::AppState;
use crate::audit::AuditNote;
use crate::auth::{Caller, OnPipelines, Read, Trigger};
use crate::collision::retried;
use crate::error::{Error, Problem, Result};
use crate::extract::{Json, Params, Path};
use crate::idempotency::IdempotencyKey;
use crate::page::{Page, PageQuery};

/// Windows that a plan lists; it counts all of them.
const LISTED_WINDOWS: usize = 1_000;

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list, start))
        .routes(routes!(plan))
        .routes(routes!(one))
        .routes(routes!(windows))
        .routes(routes!(cancel))
        .routes(routes!(resume))
}

/// The range of time to load, and how.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct StartBackfill {
    /// The config version. Each of its sources must ask for a part of time.
    config_id: i64,
    /// The beginning: a day, which begins at midnight UTC, or an instant of RFC 3339.
    #[schema(example = "2024-01-01")]
    from: String,
    /// The end, which is not loaded.
    #[schema(example = "2025-01-01")]
    to: String,
    /// Length of a window: a number and `m` (minutes), `h`, `d`, `w`, `mo` (months of the calendar) or `y`. At most 10,000
    /// windows.
    #[schema(example = "30d")]
    window: String,
    /// Windows that are at work at the same time, over all workers: 1 to 50. Default 1.
    #[serde(default = "one_at_a_time")]
    #[schema(minimum = 1, maximum = 50, default = 1)]
    parallel: u16,
}

fn one_at_a_time() -> u16 {
    1
}

/// Numbers of windows by their state.
#[derive(Serialize, ToSchema)]
struct WindowCounts {
    /// All windows.
    total: i64,
    /// Windows that are not started yet.
    waiting: i64,
    /// Windows whose run is queued or at work.
    running: i64,
    /// Windows that are loaded.
    succeeded: i64,
    /// Windows whose last run has failed.
    failed: i64,
    /// Windows whose last run was stopped.
    stopped: i64,
}

/// A backfill, and how far it is.
#[derive(Serialize, ToSchema)]
struct BackfillView {
    /// Sorts by time.
    id: Uuid,
    /// The config version that its runs execute.
    config_id: i64,
    /// Pipeline name.
    #[schema(example = "orders")]
    name: String,
    /// Target table as the config names it.
    target_table: String,
    /// The beginning of the range.
    from: DateTime<Utc>,
    /// The end of the range, which is not part of it.
    to: DateTime<Utc>,
    /// Length of a window.
    #[schema(example = "30d")]
    window: String,
    /// Windows that are at work at the same time.
    parallel: i32,
    /// Going on, or how it ended.
    state: BackfillState,
    /// Whether it ended with windows that were not started, because too many others have failed.
    gave_up: bool,
    /// What has become of its windows.
    windows: WindowCounts,
    /// Rows that the loaded windows read.
    rows_read: i64,
    /// Rows that they inserted.
    rows_inserted: i64,
    /// Rows of the table that they updated.
    rows_updated: i64,
    /// Username.
    created_by: String,
    /// When it was asked for.
    created_at: DateTime<Utc>,
    /// Who canceled it last; `null` when nobody did.
    canceled_by: Option<String>,
    /// When it ended; `null` while it goes on.
    finished_at: Option<DateTime<Utc>>,
}

impl From<Progress> for BackfillView {
    fn from(progress: Progress) -> Self {
        let gave_up = progress.gave_up();
        let Progress { backfill, counts } = progress;
        Self {
            id: backfill.id,
            config_id: backfill.config_id,
            name: backfill.name,
            target_table: backfill.target_table,
            from: backfill.from_at,
            to: backfill.to_at,
            window: backfill.window_size,
            parallel: backfill.parallel,
            state: backfill.state,
            gave_up,
            windows: WindowCounts {
                total: counts.windows,
                waiting: counts.waiting,
                running: counts.running,
                succeeded: counts.succeeded,
                failed: counts.failed,
                stopped: counts.stopped,
            },
            rows_read: counts.rows_read,
            rows_inserted: counts.rows_inserted,
            rows_updated: counts.rows_updated,
            created_by: backfill.created_by,
            created_at: backfill.created_at,
            canceled_by: backfill.canceled_by,
            finished_at: backfill.finished_at,
        }
    }
}

/// The windows that a backfill would have.
#[derive(Serialize, ToSchema)]
struct BackfillPlan {
    /// Pipeline name.
    name: String,
    /// Target table as the config names it.
    target_table: String,
    /// Number of windows.
    total: usize,
    /// The first thousand of them, the oldest first.
    windows: Vec<Window>,
    /// Sentences about what may not be as meant.
    warnings: Vec<String>,
}

/// A window of a backfill, with its newest run.
#[derive(Serialize, ToSchema)]
struct BackfillWindow {
    /// Counted from 1, the oldest first.
    number: i32,
    /// Its beginning.
    from: DateTime<Utc>,
    /// Its end, which is not part of it.
    to: DateTime<Utc>,
    /// What has become of it.
    state: WindowState,
    /// Its newest run, for `GET /runs/{id}`; `null` before the first one, and when it was deleted because of its age.
    run_id: Option<Uuid>,
    /// The state of that run.
    run_state: Option<RunState>,
    /// Number of runs that were made for it.
    runs: i32,
    /// Rows read, once known.
    rows_read: Option<i64>,
    /// Rows inserted, once known.
    rows_inserted: Option<i64>,
    /// Rows of the table that were updated, once known.
    rows_updated: Option<i64>,
    /// Stable code of the failure of its last run.
    error_code: Option<String>,
    /// The failure as a sentence.
    error: Option<String>,
    /// When its last run ended.
    finished_at: Option<DateTime<Utc>>,
}

impl From<WindowRow> for BackfillWindow {
    fn from(window: WindowRow) -> Self {
        Self {
            number: window.number,
            from: window.from_at,
            to: window.to_at,
            state: window.state,
            run_id: window.run_id,
            run_state: window.run_state,
            runs: window.runs,
            rows_read: window.rows_read,
            rows_inserted: window.rows_inserted,
            rows_updated: window.rows_updated,
            error_code: window.error_code,
            error: window.error,
            finished_at: window.finished_at,
        }
    }
}

/// Which backfills.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct BackfillQuery {
    /// Only of this pipeline.
    name: Option<String>,
    /// Only in this state.
    state: Option<BackfillState>,
}

/// Backfills, newest first.
#[utoipa::path(get, path = "/backfills", tag = "backfills", security(("token" = []), ("api_token" = ["read"])), params(PageQuery, BackfillQuery),
    responses((status = 200, body = Page<BackfillView>)))]
async fn list(
    State(state): State<AppState>,
    caller: OnPipelines<Read>,
    Params(page): Params<PageQuery>,
    Params(query): Params<BackfillQuery>,
) -> Result<Json<Page<BackfillView>>> {
    let filter = BackfillFilter { name: query.name.as_deref(), state: query.state, names: caller.pipelines() };
    let rows = store::list(&state.db, filter, page.after()?, page.fetch()).await?;
    Ok(Json(Page::of(rows, &page, |progress| progress.backfill.id, Into::into)))
}

/// Loads a range of time in windows, each by a run of its own. Windows are started in their order, and one that has
/// succeeded is never loaded again. Runs that schedules and people ask for meanwhile come first. The runs do not move the
/// place at which the pipeline's next incremental run begins.
#[utoipa::path(post, path = "/backfills", tag = "backfills", security(("token" = []), ("api_token" = ["trigger"])), request_body = StartBackfill, responses(
    (status = 202, body = BackfillView), (status = 404, body = Problem), (status = 422, body = Problem)))]
async fn start(
    State(state): State<AppState>,
    caller: OnPipelines<Trigger>,
    once: IdempotencyKey,
    note: AuditNote,
    Json(request): Json<StartBackfill>,
) -> Result<Response> {
    let (config, pipeline) = config_of(&state, &caller, request.config_id).await?;
    let mut tx = state.db.begin().await?;
    if let Some(known) = once.known(&mut tx, &caller, &request).await? {
        return Ok(known);
    }
    let plan = Plan::of(&pipeline, request.asked(), trigger::clock(&mut tx).await?).map_err(refused)?;
    let backfill = backfills::start(&mut tx, &config, &pipeline, &plan, (QUEUE, caller.name())).await?;
    note.object("backfill", backfill.id);
    note.detail("config_id", config.id);
    note.detail("range", plan.range.to_string());
    note.detail("windows", plan.windows.len());
    let view = BackfillView::from(progress(&mut tx, backfill.id).await?);
    let location = format!("/backfills/{}", backfill.id);
    let answer = once.answer(&mut tx, &caller, StatusCode::ACCEPTED, Some(location), &view).await?;
    note.commit(tx, StatusCode::ACCEPTED).await?;
    tracing::info!(backfill.id = %backfill.id, pipeline = config.name, windows = plan.windows.len(), "{} started a backfill of {}", caller.name(), plan.range);
    Ok(answer)
}

/// The windows that a backfill would have. Nothing is started.
#[utoipa::path(post, path = "/backfills/plan", tag = "backfills", security(("token" = []), ("api_token" = ["trigger"])), request_body = StartBackfill, responses(
    (status = 200, body = BackfillPlan), (status = 404, body = Problem), (status = 422, body = Problem)))]
async fn plan(
    State(state): State<AppState>,
    caller: OnPipelines<Trigger>,
    Json(request): Json<StartBackfill>,
) -> Result<Json<BackfillPlan>> {
    let (_, pipeline) = config_of(&state, &caller, request.config_id).await?;
    let now = trigger::clock(&mut *state.db.acquire().await?).await?;
    let mut plan = Plan::of(&pipeline, request.asked(), now).map_err(refused)?;
    let total = plan.windows.len();
    plan.windows.truncate(LISTED_WINDOWS);
    Ok(Json(BackfillPlan {
        name: pipeline.name,
        target_table: pipeline.target.table.to_string(),
        total,
        windows: plan.windows,
        warnings: plan.warnings,
    }))
}

impl StartBackfill {
    fn asked(&self) -> Asked<'_> {
        Asked { from: &self.from, to: &self.to, window: &self.window, parallel: self.parallel }
    }
}

fn refused(problem: Explained) -> Error {
    Error::refused(StatusCode::UNPROCESSABLE_ENTITY, problem.code, problem.message, &problem.next_step)
}

async fn config_of(state: &AppState, caller: &Caller, id: i64) -> Result<(ConfigVersion, PipelineConfig)> {
    let config = configs::find(state, caller, id).await?;
    let pipeline = pipeline_of(state, &config).await?;
    caller.reach(&pipeline.name)?;
    Ok((config, pipeline))
}

/// One backfill, and how far it is.
#[utoipa::path(get, path = "/backfills/{id}", tag = "backfills", security(("token" = []), ("api_token" = ["read"])), responses(
    (status = 200, body = BackfillView), (status = 404, body = Problem)))]
async fn one(
    State(state): State<AppState>,
    caller: OnPipelines<Read>,
    Path(id): Path<Uuid>,
) -> Result<Json<BackfillView>> {
    find(&state, &caller, id).await?;
    Ok(Json(progress(&mut *state.db.acquire().await?, id).await?.into()))
}

async fn progress(db: &mut sqlx::PgConnection, id: Uuid) -> Result<Progress> {
    store::progress(db, id).await?.ok_or_else(|| Error::NotFound(format!("backfill {id}")))
}

/// A backfill that must exist, for a caller who may touch its pipeline.
async fn find(state: &AppState, caller: &Caller, id: Uuid) -> Result<Backfill> {
    let backfill = store::find(&state.db, id).await?.ok_or_else(|| Error::NotFound(format!("backfill {id}")))?;
    caller.reach(&backfill.name)?;
    Ok(backfill)
}

/// Which windows.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct WindowQuery {
    /// Only in these states, separated by commas: `failed,stopped`.
    state: Option<String>,
}

/// The windows of a backfill, the oldest first.
#[utoipa::path(get, path = "/backfills/{id}/windows", tag = "backfills", security(("token" = []), ("api_token" = ["read"])), params(PageQuery, WindowQuery),
    responses((status = 200, body = Page<BackfillWindow>), (status = 404, body = Problem)))]
async fn windows(
    State(state): State<AppState>,
    caller: OnPipelines<Read>,
    Path(id): Path<Uuid>,
    Params(page): Params<PageQuery>,
    Params(query): Params<WindowQuery>,
) -> Result<Json<Page<BackfillWindow>>> {
    find(&state, &caller, id).await?;
    let states: Option<Vec<WindowState>> = query.state.as_deref().and_then(listed);
    let after = page.after()?.unwrap_or(0);
    let rows = store::windows(&state.db, id, states.as_deref(), after, page.fetch()).await?;
    Ok(Json(Page::of(rows, &page, |window| window.number, Into::into)))
}

/// Cancels a backfill: no further window is started, and its runs stop as stopped runs do. The windows that have succeeded
/// stay loaded. It can be resumed.
#[utoipa::path(post, path = "/backfills/{id}/cancel", tag = "backfills", security(("token" = []), ("api_token" = ["trigger"])), responses(
    (status = 202, body = BackfillView), (status = 404, body = Problem), (status = 409, body = Problem)))]
async fn cancel(
    State(state): State<AppState>,
    caller: OnPipelines<Trigger>,
    note: AuditNote,
    Path(id): Path<Uuid>,
) -> Result<(StatusCode, Json<BackfillView>)> {
    note.object("backfill", id);
    find(&state, &caller, id).await?;
    let canceling = || async {
        let mut tx = state.db.begin().await?;
        if let Some(Answer::Refused(backfill)) = backfills::cancel(&mut tx, id, caller.name()).await? {
            return Err(Error::conflict(
                Code::AlreadyFinished,
                format!("the backfill {} already", backfill.state.in_words()),
                "Nothing is left to cancel.",
            ));
        }
        let view = progress(&mut tx, id).await?.into();
        note.commit(tx, StatusCode::ACCEPTED).await?;
        Ok((StatusCode::ACCEPTED, Json(view)))
    };
    retried(canceling).await
}

/// Lets a backfill go on where it stopped: windows that have failed or were stopped are loaded again, and those that were
/// never started are started. Windows that have succeeded are not repeated.
#[utoipa::path(post, path = "/backfills/{id}/resume", tag = "backfills", security(("token" = []), ("api_token" = ["trigger"])), responses(
    (status = 202, body = BackfillView), (status = 404, body = Problem), (status = 409, body = Problem)))]
async fn resume(
    State(state): State<AppState>,
    caller: OnPipelines<Trigger>,
    once: IdempotencyKey,
    note: AuditNote,
    Path(id): Path<Uuid>,
) -> Result<Response> {
    note.object("backfill", id);
    find(&state, &caller, id).await?;
    let mut tx = state.db.begin().await?;
    if let Some(known) = once.known(&mut tx, &caller, &id).await? {
        return Ok(known);
    }
    if let Some(Answer::Refused(backfill)) = backfills::resume(&mut tx, id).await? {
        return Err(Error::conflict(
            Code::NothingToResume,
            format!("the backfill {}, so there is nothing to resume", backfill.state.in_words()),
            "Look at its windows.",
        ));
    }
    let view = BackfillView::from(progress(&mut tx, id).await?);
    let location = format!("/backfills/{id}");
    let answer = once.answer(&mut tx, &caller, StatusCode::ACCEPTED, Some(location), &view).await?;
    note.commit(tx, StatusCode::ACCEPTED).await?;
    Ok(answer)
}
