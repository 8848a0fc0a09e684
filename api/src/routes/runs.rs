//! Runs: what is queued, what is going on, and what became of the others.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use chrono::{DateTime, Utc};
use elt_shared::config::{Document, NoReferences, PipelineConfig};
use elt_shared::job::QUEUE;
use elt_shared::store::configs::ConfigVersion;
use elt_shared::store::runs::{self, NewRun, Run, RunFilter, StopAnswer};
use elt_shared::telemetry::traceparent;
use elt_shared::trigger::{self, Trigger, enqueue};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::logs::{LineQuery, LineView, newest_first};
use crate::AppState;
use crate::audit::AuditNote;
use crate::auth::Admin;
use crate::error::{Error, Problem, Result};
use crate::extract::{Json, Params, Path};
use crate::once::Once;
use crate::page::{Page, PageQuery};

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list, start))
        .routes(routes!(one))
        .routes(routes!(stop))
        .routes(routes!(retry))
        .routes(routes!(lines))
}

/// One execution of a pipeline.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct RunView {
    /// Sorts by time.
    pub id: Uuid,
    /// `run`, `plan`, `check`, `test_connection`, `replay` or `undo`.
    pub kind: String,
    /// The config version it executes.
    pub config_id: i64,
    /// Pipeline name.
    pub name: String,
    /// Target table as the config names it.
    pub target_table: String,
    /// `manual`, `schedule`, `file_change` or `retry`.
    pub trigger: String,
    /// The schedule that made it.
    pub schedule_id: Option<Uuid>,
    /// The run this one retries, replays or undoes.
    pub parent_id: Option<Uuid>,
    /// The queue its ticket is on.
    pub queue: String,
    /// What the kind needs beside the config.
    pub options: Value,
    /// `queued`, `running`, `succeeded`, `failed` or `stopped`.
    pub state: String,
    /// It waits for this instant.
    pub not_before: Option<DateTime<Utc>>,
    /// It must not start later than this.
    pub not_after: Option<DateTime<Utc>>,
    /// A sentence, while it waits for something.
    pub waits_for: Option<String>,
    /// The run that holds the target it wants.
    pub waits_for_run: Option<Uuid>,
    /// `extract`, `validate` or `load`, while it runs.
    pub stage: Option<String>,
    /// Rows and bytes so far, while it runs.
    pub progress: Option<Value>,
    /// Starts that count against `max_attempts`.
    pub attempt: i32,
    /// Bound of `attempt`.
    pub max_attempts: i32,
    /// Raised by every start.
    pub epoch: i64,
    /// Who works on it, or did last.
    pub worker_id: Option<String>,
    /// Until when the worker has it, by the database's clock.
    pub lease_expires_at: Option<DateTime<Utc>>,
    /// Someone asked it to stop.
    pub stop_requested_at: Option<DateTime<Utc>>,
    /// Stable code of the failure.
    pub error_code: Option<String>,
    /// The failure as a sentence.
    pub error: Option<String>,
    /// What to do about it.
    pub next_step: Option<String>,
    /// The run report, once it finished.
    pub report: Option<Value>,
    /// Rows read, once known.
    pub rows_read: Option<i64>,
    /// Rows inserted, once known.
    pub rows_inserted: Option<i64>,
    /// W3C trace context of whoever asked for it.
    pub traceparent: Option<String>,
    /// Username.
    pub created_by: String,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// When its first attempt started.
    pub started_at: Option<DateTime<Utc>>,
    /// When it reached its last state.
    pub finished_at: Option<DateTime<Utc>>,
}

impl RunView {
    /// Whether nothing about it changes any more.
    pub fn is_finished(&self) -> bool {
        self.finished_at.is_some()
    }
}

impl From<Run> for RunView {
    fn from(run: Run) -> Self {
        Self {
            id: run.id,
            kind: run.kind,
            config_id: run.config_id,
            name: run.name,
            target_table: run.target_table,
            trigger: run.trigger,
            schedule_id: run.schedule_id,
            parent_id: run.parent_id,
            queue: run.queue,
            options: run.options,
            state: run.state,
            not_before: run.not_before,
            not_after: run.not_after,
            waits_for: run.waits_for,
            waits_for_run: run.waits_for_run,
            stage: run.stage,
            progress: run.progress,
            attempt: run.attempt,
            max_attempts: run.max_attempts,
            epoch: run.epoch,
            worker_id: run.worker_id,
            lease_expires_at: run.lease_expires_at,
            stop_requested_at: run.stop_requested_at,
            error_code: run.error_code,
            error: run.error,
            next_step: run.next_step,
            report: run.report,
            rows_read: run.rows_read,
            rows_inserted: run.rows_inserted,
            traceparent: run.traceparent,
            created_by: run.created_by,
            created_at: run.created_at,
            started_at: run.started_at,
            finished_at: run.finished_at,
        }
    }
}

/// Which runs.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct RunQuery {
    /// Only in these states, separated by commas: `queued,running`.
    state: Option<String>,
    /// Only of this pipeline.
    name: Option<String>,
    /// Only of this kind.
    kind: Option<String>,
    /// Only of this config version.
    config_id: Option<i64>,
    /// Only of this schedule.
    schedule_id: Option<Uuid>,
    /// Only retries, replays and undos of this run.
    parent_id: Option<Uuid>,
}

/// A page of runs, and how many there are in each state.
#[derive(Serialize, ToSchema)]
struct RunPage {
    data: Vec<RunView>,
    /// Send it back as `cursor` to get older ones.
    next: Option<String>,
    /// How many runs there are in each state, whatever the filter.
    #[schema(value_type = Object)]
    counts: serde_json::Map<String, Value>,
}

/// Runs, newest first.
#[utoipa::path(get, path = "/runs", tag = "runs", security(("token" = [])), params(PageQuery, RunQuery), responses(
    (status = 200, body = RunPage), (status = 401, body = Problem), (status = 403, body = Problem)))]
async fn list(
    State(state): State<AppState>,
    _admin: Admin,
    Params(page): Params<PageQuery>,
    Params(query): Params<RunQuery>,
) -> Result<Json<RunPage>> {
    let states = query.state.iter().flat_map(|states| states.split(','));
    let states: Vec<String> = states.map(|state| state.trim().to_owned()).filter(|state| !state.is_empty()).collect();
    let filter = RunFilter {
        states: &states,
        name: query.name.as_deref(),
        kind: query.kind.as_deref(),
        config_id: query.config_id,
        schedule_id: query.schedule_id,
        parent_id: query.parent_id,
    };
    let rows = runs::list(&state.db, &filter, page.after()?, page.fetch()).await?;
    let found = runs::counts(&state.db).await?;
    let mut counts: serde_json::Map<String, Value> = ["queued", "running", "succeeded", "failed", "stopped"]
        .map(|state| (state.to_owned(), json!(0)))
        .into_iter()
        .collect();
    counts.extend(found.into_iter().map(|(state, count)| (state, json!(count))));
    let page = Page::of(rows, &page, |run| run.id, Into::into);
    Ok(Json(RunPage { data: page.data, next: page.next, counts }))
}

/// One run, with its report once it finished.
#[utoipa::path(get, path = "/runs/{id}", tag = "runs", security(("token" = [])), responses(
    (status = 200, body = RunView), (status = 401, body = Problem), (status = 403, body = Problem),
    (status = 404, body = Problem)))]
async fn one(State(state): State<AppState>, _admin: Admin, Path(id): Path<Uuid>) -> Result<Json<RunView>> {
    Ok(Json(find(&state, id).await?.into()))
}

/// A run that must exist.
///
/// # Errors
/// 404 when it does not.
pub async fn find(state: &AppState, id: Uuid) -> Result<Run> {
    runs::find(&state.db, id).await?.ok_or_else(|| Error::NotFound(format!("run {id}")))
}

/// What to run.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct StartRun {
    /// The config version.
    config_id: i64,
    /// `run` (default), `plan`, `check` or `test_connection`.
    #[serde(default)]
    kind: StartKind,
    /// Run at once, whatever `start_time` says.
    #[serde(default)]
    now: bool,
}

/// What a run does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum StartKind {
    /// Extract, validate, load.
    #[default]
    Run,
    /// The same without loading: what would change.
    Plan,
    /// Read the sources and check them against the contract.
    Check,
    /// Reach every source and the target.
    TestConnection,
}

impl StartKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Plan => "plan",
            Self::Check => "check",
            Self::TestConnection => "test_connection",
        }
    }
}

/// Runs a config version once, without monitoring. Also plans, checks and connection tests: a worker does them.
#[utoipa::path(post, path = "/runs", tag = "runs", security(("token" = [])), request_body = StartRun, responses(
    (status = 202, body = RunView), (status = 400, body = Problem), (status = 401, body = Problem),
    (status = 403, body = Problem), (status = 404, body = Problem)))]
async fn start(
    State(state): State<AppState>,
    Admin(caller): Admin,
    once: Once,
    note: AuditNote,
    Json(request): Json<StartRun>,
) -> Result<Response> {
    let config = super::configs::find(&state, request.config_id).await?;
    let pipeline = pipeline_of(&config).await?;
    let mut tx = state.db.begin().await?;
    if let Some(known) = once.known(&mut tx, &caller, &request).await? {
        return Ok(known);
    }
    let run = if request.kind == StartKind::Run {
        let trigger = Trigger {
            config: &config,
            pipeline: &pipeline,
            now: request.now,
            monitor: false,
            queue: QUEUE,
            options: json!({}),
            traceparent: traceparent(),
            created_by: caller.name(),
        };
        trigger::trigger(&mut tx, &trigger).await?.run
    } else {
        let target = pipeline.target.table.to_string();
        let new = NewRun {
            config_id: config.id,
            name: &pipeline.name,
            target_table: &target,
            max_attempts: pipeline.retry.max_attempts,
            ..of_kind(request.kind.as_str(), caller.name())
        };
        enqueue(&mut tx, new, Utc::now()).await?
    };
    note.object("run", run.id);
    note.detail("kind", request.kind.as_str());
    accepted(&once, tx, &caller, run).await
}

/// A run of a kind without a window of its own.
pub fn of_kind<'a>(kind: &'a str, created_by: &'a str) -> NewRun<'a> {
    NewRun {
        kind,
        config_id: 0,
        name: "",
        target_table: "",
        trigger: "manual",
        schedule_id: None,
        parent_id: None,
        queue: QUEUE,
        options: json!({}),
        not_before: None,
        not_after: None,
        waits_for: None,
        max_attempts: 3,
        traceparent: traceparent(),
        created_by,
    }
}

/// Answers with a run that was enqueued, and commits.
///
/// # Errors
/// When the database is away.
pub async fn accepted(
    once: &Once,
    mut tx: sqlx::Transaction<'_, sqlx::Postgres>,
    caller: &crate::auth::Caller,
    run: Run,
) -> Result<Response> {
    let location = format!("/runs/{}", run.id);
    let answer = once.answer(&mut tx, caller, StatusCode::ACCEPTED, Some(location), &RunView::from(run)).await?;
    tx.commit().await?;
    Ok(answer)
}

/// The pipeline a version describes.
///
/// # Errors
/// Why no run can be made of it.
pub async fn pipeline_of(config: &ConfigVersion) -> Result<PipelineConfig> {
    let text = config.yaml_content.clone();
    let checked = tokio::task::spawn_blocking(move || Document::parse(&text)?.pipeline(&NoReferences)).await;
    Ok(checked.map_err(|error| Error::internal("check the YAML", error))??.value)
}

/// Stops a run: at once when it has not started, else at the next batch boundary. Nothing is half-loaded.
#[utoipa::path(post, path = "/runs/{id}/stop", tag = "runs", security(("token" = [])), responses(
    (status = 202, body = RunView), (status = 401, body = Problem), (status = 403, body = Problem),
    (status = 404, body = Problem), (status = 409, body = Problem)))]
async fn stop(
    State(state): State<AppState>,
    _admin: Admin,
    note: AuditNote,
    Path(id): Path<Uuid>,
) -> Result<(StatusCode, Json<RunView>)> {
    note.object("run", id);
    let mut tx = state.db.begin().await?;
    let run = match runs::request_stop(&mut tx, id).await? {
        None => return Err(Error::NotFound(format!("run {id}"))),
        Some(StopAnswer::Stopped(run) | StopAnswer::Stopping(run)) => run,
        Some(StopAnswer::AlreadyFinished(run)) => {
            return Err(Error::conflict(
                "already_finished",
                format!("the run has already {}", run.state),
                "Nothing is left to stop.",
            ));
        }
    };
    tx.commit().await?;
    Ok((StatusCode::ACCEPTED, Json(run.into())))
}

/// Runs a finished run's config version once more, as a new run.
#[utoipa::path(post, path = "/runs/{id}/retry", tag = "runs", security(("token" = [])), responses(
    (status = 202, body = RunView), (status = 401, body = Problem), (status = 403, body = Problem),
    (status = 404, body = Problem), (status = 409, body = Problem)))]
async fn retry(
    State(state): State<AppState>,
    Admin(caller): Admin,
    once: Once,
    note: AuditNote,
    Path(id): Path<Uuid>,
) -> Result<Response> {
    note.object("run", id);
    let run = find(&state, id).await?;
    let mut tx = state.db.begin().await?;
    if let Some(known) = once.known(&mut tx, &caller, &id).await? {
        return Ok(known);
    }
    let retried = runs::retry(&mut tx, id, traceparent(), caller.name()).await?.ok_or_else(|| {
        Error::conflict("not_finished", format!("the run is still {}", run.state), "Wait for its end, or stop it.")
    })?;
    accepted(&once, tx, &caller, retried).await
}

/// Log lines about a run, newest first.
#[utoipa::path(get, path = "/runs/{id}/logs", tag = "runs", security(("token" = [])), params(PageQuery, LineQuery), responses(
    (status = 200, body = Page<LineView>), (status = 401, body = Problem), (status = 403, body = Problem),
    (status = 404, body = Problem)))]
async fn lines(
    State(state): State<AppState>,
    _admin: Admin,
    Path(id): Path<Uuid>,
    Params(page): Params<PageQuery>,
    Params(query): Params<LineQuery>,
) -> Result<Json<Page<LineView>>> {
    find(&state, id).await?;
    let filter = LineQuery { run_id: Some(id), ..query }.filter()?;
    Ok(Json(newest_first(&state, filter, &page).await?))
}
