//! Schedules: what runs by itself, when, and how to make it stop.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use chrono::{DateTime, Utc};
use elt_shared::config::{CatchUp, Overlap, PipelineConfig, ScheduleConfig};
use elt_shared::cron::Cron;
use elt_shared::explained::Code;
use elt_shared::job::QUEUE;
use elt_shared::runs::Trigger as MadeBy;
use elt_shared::store::schedules::{self, LookBy, Schedule, ScheduleFilter, ScheduleState, SourceLook};
use elt_shared::trigger::{self, Plan};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::{configs, runs};
use crate::AppState;
use crate::audit::AuditNote;
use crate::auth::{Caller, OnPipelines, Read, Trigger};
use crate::collision::retried;
use crate::error::{Error, Problem, Result};
use crate::extract::{Json, Params, Path};
use crate::idempotency::IdempotencyKey;
use crate::page::{Page, PageQuery};

/// Fires shown of a cron expression.
const UPCOMING: usize = 10;

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(one))
        .routes(routes!(stop))
        .routes(routes!(pause))
        .routes(routes!(resume))
}

/// What runs a pipeline by itself.
#[derive(Serialize, ToSchema)]
pub struct ScheduleView {
    pub id: Uuid,
    /// The config version it runs.
    pub config_id: i64,
    /// Pipeline name: one live schedule for each.
    pub name: String,
    /// Waiting, active, or how it ended.
    pub state: ScheduleState,
    /// Why it is in that state.
    pub reason: Option<String>,
    /// `manual`: made when its config was triggered; `schedule`: made by `POST /schedules`.
    pub trigger: MadeBy,
    /// It waits for this instant.
    pub start_at: Option<DateTime<Utc>>,
    /// It ends with this instant.
    pub end_at: Option<DateTime<Utc>>,
    /// The zone its cron expression is read in.
    pub timezone: String,
    /// Cron expression of five fields. `null`: the schedule has no fixed times.
    pub cron: Option<String>,
    /// What happens when a fixed time comes while a run of it is unfinished.
    pub overlap: Overlap,
    /// Which fixed times are caught up after a time without a worker.
    pub catch_up: CatchUp,
    /// Whether it compares the sources' fingerprints.
    pub monitor: bool,
    /// How often; absent: as the workers are set up.
    pub interval_seconds: Option<i32>,
    /// Its ticks do nothing while it is paused.
    pub paused: bool,
    /// When a worker looks at it next.
    pub next_tick_at: Option<DateTime<Utc>>,
    /// When its cron expression fires next.
    pub next_run_at: Option<DateTime<Utc>>,
    /// The next fires of its cron expression.
    pub upcoming: Vec<DateTime<Utc>>,
    pub last_tick_at: Option<DateTime<Utc>>,
    pub last_tick_worker: Option<String>,
    /// Why the last look failed.
    pub last_tick_error: Option<String>,
    /// How its APIs are looked at for changes, in the order of the sources; empty before the first look, and without APIs.
    pub looks: Vec<LookView>,
    /// Number of times of the cron expression that made no run, because an earlier run was unfinished or no worker was up.
    pub skipped: i64,
    /// How often it was looked at.
    pub ticks: i64,
    pub created_by: String,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// How an API is looked at for changes.
#[derive(Serialize, ToSchema)]
pub struct LookView {
    /// Kind and place of the source, without secrets.
    source: String,
    /// How it was looked at last.
    by: LookBy,
    /// What a look is, as a sentence.
    says: String,
}

impl LookView {
    /// The look at an API of a schedule, `at_fixed_times` if it has a cron expression.
    fn of(look: SourceLook, at_fixed_times: bool) -> Self {
        let says = match (look.by, at_fixed_times) {
            (LookBy::Run, true) => format!("{} It is read at the times of the cron expression.", look.says),
            (LookBy::Run, false) => format!("{} Every look is a run.", look.says),
            _ => look.says,
        };
        Self { source: look.source, by: look.by, says }
    }
}

impl From<Schedule> for ScheduleView {
    fn from(schedule: Schedule) -> Self {
        let at_fixed_times = schedule.cron.is_some();
        Self {
            upcoming: upcoming(&schedule),
            id: schedule.id,
            config_id: schedule.config_id,
            name: schedule.name,
            state: schedule.state,
            reason: schedule.reason,
            trigger: schedule.trigger,
            start_at: schedule.start_at,
            end_at: schedule.end_at,
            timezone: schedule.timezone,
            cron: schedule.cron,
            overlap: schedule.overlap,
            catch_up: schedule.catch_up,
            monitor: schedule.monitor,
            interval_seconds: schedule.interval_seconds,
            paused: schedule.paused,
            next_tick_at: schedule.next_tick_at,
            next_run_at: schedule.next_run_at,
            last_tick_at: schedule.last_tick_at,
            last_tick_worker: schedule.last_tick_worker,
            last_tick_error: schedule.last_tick_error,
            looks: schedule.looks.map_or_else(Vec::new, |looks| {
                looks.0.into_iter().map(|look| LookView::of(look, at_fixed_times)).collect()
            }),
            skipped: schedule.skipped,
            ticks: schedule.ticks,
            created_by: schedule.created_by,
            created_at: schedule.created_at,
            updated_at: schedule.updated_at,
        }
    }
}

fn upcoming(schedule: &Schedule) -> Vec<DateTime<Utc>> {
    let live = schedule.state.makes_runs();
    let (Some(cron), Ok(zone), true) = (&schedule.cron, schedule.timezone.parse(), live) else { return Vec::new() };
    let from = schedule.start_at.map_or_else(Utc::now, |start| start.max(Utc::now()));
    let fires = Cron::parse(cron).map(|cron| cron.upcoming(from, zone, UPCOMING)).unwrap_or_default();
    fires.into_iter().filter(|fire| schedule.end_at.is_none_or(|end| *fire < end)).collect()
}

/// Filters of the list. A schedule must match all of them.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ScheduleQuery {
    /// Only in these states, separated by commas: `waiting,active`.
    state: Option<String>,
    /// Only of this pipeline.
    name: Option<String>,
    /// Only of this config version.
    config_id: Option<i64>,
}

/// Schedules, newest first.
#[utoipa::path(get, path = "/schedules", tag = "schedules", security(("token" = []), ("api_token" = ["read"])), params(PageQuery, ScheduleQuery),
    responses((status = 200, body = Page<ScheduleView>)))]
async fn list(
    State(state): State<AppState>,
    caller: OnPipelines<Read>,
    Params(page): Params<PageQuery>,
    Params(query): Params<ScheduleQuery>,
) -> Result<Json<Page<ScheduleView>>> {
    let states: Option<Vec<ScheduleState>> = query.state.as_deref().and_then(runs::listed);
    let filter = ScheduleFilter {
        states: states.as_deref(),
        name: query.name.as_deref(),
        config_id: query.config_id,
        names: caller.pipelines(),
    };
    let rows = schedules::list(&state.db, &filter, page.after()?, page.fetch()).await?;
    Ok(Json(Page::of(rows, &page, |schedule| schedule.id, Into::into)))
}

/// One schedule.
#[utoipa::path(get, path = "/schedules/{id}", tag = "schedules", security(("token" = []), ("api_token" = ["read"])), responses(
    (status = 200, body = ScheduleView),
    (status = 404, body = Problem)))]
async fn one(
    State(state): State<AppState>,
    caller: OnPipelines<Read>,
    Path(id): Path<Uuid>,
) -> Result<Json<ScheduleView>> {
    Ok(Json(find(&state, &caller, id).await?.into()))
}

/// A schedule that must exist, for a caller who may touch its pipeline.
async fn find(state: &AppState, caller: &Caller, id: Uuid) -> Result<Schedule> {
    let schedule = schedules::find(&state.db, id).await?.ok_or_else(|| missing(id))?;
    caller.reach(&schedule.name)?;
    Ok(schedule)
}

fn missing(id: Uuid) -> Error {
    Error::NotFound(format!("schedule {id}"))
}

/// A new schedule. What is left out is as the config says.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CreateSchedule {
    /// The config version to run.
    config_id: i64,
    /// It waits for this instant.
    start_at: Option<DateTime<Utc>>,
    /// It ends with this instant.
    end_at: Option<DateTime<Utc>>,
    /// Five fields, as crontab reads them.
    cron: Option<String>,
    /// IANA name of the zone the cron expression is read in.
    timezone: Option<String>,
    /// When a run of it is still going: `skip` or `queue`.
    overlap: Option<Overlap>,
    /// After a time without a worker: `latest`, `all` or `none`.
    catch_up: Option<CatchUp>,
    /// Whether to run when the sources change.
    monitor: Option<bool>,
    /// Parts of the config that this schedule leaves out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    without: Vec<Unwanted>,
}

/// A part of a config that a schedule can leave out.
#[derive(Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Unwanted {
    /// Its cron expression: no fixed times.
    Cron,
    /// Its `start_time`: the schedule begins at once.
    StartAt,
    /// Its `end_time`: the schedule has no end.
    EndAt,
}

/// Schedules a config version, in place of its pipeline's live schedule.
#[utoipa::path(post, path = "/schedules", tag = "schedules", security(("token" = []), ("api_token" = ["trigger"])), request_body = CreateSchedule,
    responses((status = 201, body = ScheduleView), (status = 404, body = Problem)))]
async fn create(
    State(state): State<AppState>,
    caller: OnPipelines<Trigger>,
    once: IdempotencyKey,
    note: AuditNote,
    Json(request): Json<CreateSchedule>,
) -> Result<Response> {
    let config = configs::find(&state, &caller, request.config_id).await?;
    let pipeline = runs::pipeline_of(&state, &config).await?;
    caller.reach(&pipeline.name)?;
    let cron = cron(&request, &pipeline)?;
    let wants = |part| !request.without.contains(&part);
    let start = request.start_at.or(pipeline.window.start.filter(|_| wants(Unwanted::StartAt)));
    let end = request.end_at.or(pipeline.window.end.filter(|_| wants(Unwanted::EndAt)));
    if let (Some(start), Some(end)) = (start, end)
        && end <= start
    {
        return Err(Error::unprocessable(Code::InvalidWindow, "the schedule ends before it starts"));
    }
    let mut tx = state.db.begin().await?;
    if let Some(known) = once.known(&mut tx, &caller, &request).await? {
        return Ok(known);
    }
    let plan = Plan {
        config: &config,
        pipeline: &pipeline,
        start,
        end,
        timezone: pipeline.window.timezone,
        cron: cron.as_ref(),
        monitor: request.monitor.unwrap_or(pipeline.monitor.enabled),
        queue: QUEUE,
        options: json!({}),
        trigger: MadeBy::Schedule,
        created_by: caller.name(),
    };
    let schedule = trigger::schedule(&mut tx, &plan).await?;
    note.object("schedule", schedule.id);
    let location = format!("/schedules/{}", schedule.id);
    let view = ScheduleView::from(schedule);
    let answer = once.answer(&mut tx, &caller, StatusCode::CREATED, Some(location), &view).await?;
    note.commit(tx, StatusCode::CREATED).await?;
    Ok(answer)
}

/// The config's own cron section, with what the request says instead.
fn cron(request: &CreateSchedule, pipeline: &PipelineConfig) -> Result<Option<ScheduleConfig>> {
    let own = pipeline.schedule.as_ref().filter(|_| !request.without.contains(&Unwanted::Cron));
    let Some(expression) = request.cron.clone().or_else(|| own.map(|own| own.cron.clone())) else { return Ok(None) };
    Cron::parse(&expression).map_err(|error| Error::unprocessable(Code::InvalidCron, format!("cron: {error}")))?;
    let timezone = match &request.timezone {
        Some(name) => name.parse().map_err(|_| {
            Error::unprocessable(
                Code::InvalidTimezone,
                format!("timezone: {name} is not an IANA name, such as Europe/Berlin"),
            )
        })?,
        None => own.map_or(pipeline.window.timezone, |own| own.timezone),
    };
    Ok(Some(ScheduleConfig {
        cron: expression,
        timezone,
        overlap: request.overlap.or(own.map(|own| own.overlap)).unwrap_or_default(),
        catch_up: request.catch_up.or(own.map(|own| own.catch_up)).unwrap_or_default(),
    }))
}

/// Ends a schedule: its waiting runs never start, its running one stops at the next batch boundary.
#[utoipa::path(post, path = "/schedules/{id}/stop", tag = "schedules", security(("token" = []), ("api_token" = ["trigger"])), responses(
    (status = 202, body = ScheduleView),
    (status = 404, body = Problem)))]
async fn stop(
    State(state): State<AppState>,
    caller: OnPipelines<Trigger>,
    note: AuditNote,
    Path(id): Path<Uuid>,
) -> Result<(StatusCode, Json<ScheduleView>)> {
    note.object("schedule", id);
    find(&state, &caller, id).await?;
    let reason = format!("stopped by {}", caller.name());
    let schedule = retried(|| end(&state, &note, id, &reason)).await?;
    Ok((StatusCode::ACCEPTED, Json(schedule.into())))
}

async fn end(state: &AppState, note: &AuditNote, id: Uuid, reason: &str) -> Result<Schedule> {
    let mut tx = state.db.begin().await?;
    let schedule = elt_shared::end_schedules::stop(&mut tx, id, reason).await?.ok_or_else(|| missing(id))?;
    note.commit(tx, StatusCode::ACCEPTED).await?;
    Ok(schedule)
}

/// Pauses a schedule: its ticks do nothing until it is resumed.
#[utoipa::path(post, path = "/schedules/{id}/pause", tag = "schedules", security(("token" = []), ("api_token" = ["trigger"])), responses(
    (status = 200, body = ScheduleView),
    (status = 404, body = Problem), (status = 409, body = Problem)))]
async fn pause(
    State(state): State<AppState>,
    caller: OnPipelines<Trigger>,
    note: AuditNote,
    Path(id): Path<Uuid>,
) -> Result<Json<ScheduleView>> {
    retried(|| set_paused(&state, &caller, &note, id, true)).await
}

/// Lets a paused schedule go on.
#[utoipa::path(post, path = "/schedules/{id}/resume", tag = "schedules", security(("token" = []), ("api_token" = ["trigger"])), responses(
    (status = 200, body = ScheduleView),
    (status = 404, body = Problem), (status = 409, body = Problem)))]
async fn resume(
    State(state): State<AppState>,
    caller: OnPipelines<Trigger>,
    note: AuditNote,
    Path(id): Path<Uuid>,
) -> Result<Json<ScheduleView>> {
    retried(|| set_paused(&state, &caller, &note, id, false)).await
}

async fn set_paused(
    state: &AppState,
    caller: &Caller,
    note: &AuditNote,
    id: Uuid,
    paused: bool,
) -> Result<Json<ScheduleView>> {
    note.object("schedule", id);
    find(state, caller, id).await?;
    let mut tx = state.db.begin().await?;
    if let Some(schedule) = schedules::set_paused(&mut tx, id, paused).await? {
        note.commit(tx, StatusCode::OK).await?;
        return Ok(Json(schedule.into()));
    }
    let ended = schedules::find(&mut *tx, id).await?.ok_or_else(|| missing(id))?;
    Err(Error::conflict(
        Code::NotLive,
        format!("the schedule is {}", ended.state),
        "Make a new schedule, or trigger the config again.",
    ))
}
