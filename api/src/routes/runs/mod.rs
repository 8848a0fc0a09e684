//! Runs: what is queued, what is going on, and what became of the others.

mod bulk;
mod csv;
mod start;
mod view;

use std::str::FromStr;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use chrono::{DateTime, Utc};
use elt_shared::explained::Code;
use elt_shared::runs::lifecycle::{self, RetryAnswer, StopAnswer};
use elt_shared::runs::{Outcome, RunKind, RunState};
use elt_shared::store::runs::{self, Run, RunFilter};
use elt_shared::store::{pipelines, run_counts};
use elt_shared::telemetry::traceparent;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

pub use start::{Kind, accepted, of_config, pipeline_of, refuse_whole};
pub use view::{AttemptView, RunView};

use super::configs;
use super::logs::{LineQuery, LineView, newest_first};
use crate::AppState;
use crate::audit::AuditNote;
use crate::auth::{Caller, OnPipelines, Read, Trigger};
use crate::collision::retried;
use crate::error::{Error, Problem, Result};
use crate::extract::{Json, Params, Path};
use crate::idempotency::IdempotencyKey;
use crate::page::{Page, PageQuery};

/// Most pipelines whose runs one search lists together.
const MOST_FOUND: i64 = 1_000;

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list, start::start))
        .routes(routes!(one))
        .routes(routes!(bulk::retry_failed))
        .routes(routes!(stop))
        .routes(routes!(retry))
        .routes(routes!(lines))
        .routes(routes!(attempts))
        .routes(routes!(csv::download))
        .routes(routes!(start::undo))
        .routes(routes!(start::verify))
}

/// Filters of the list. A run must match all of them.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct RunQuery {
    /// Only in these states, separated by commas: `queued,running`.
    state: Option<String>,
    /// Only runs that succeeded with this outcome.
    outcome: Option<Outcome>,
    /// Only of this pipeline.
    name: Option<String>,
    /// Only of pipelines whose name contains this text, in upper or lower case.
    search: Option<String>,
    /// Only requested at this time or later.
    since: Option<DateTime<Utc>>,
    /// Only requested before this time.
    until: Option<DateTime<Utc>>,
    /// Only of this kind.
    kind: Option<String>,
    /// Only of this config version.
    config_id: Option<i64>,
    /// Only of this schedule.
    schedule_id: Option<Uuid>,
    /// Only retries, replays and undos of this run.
    parent_id: Option<Uuid>,
    /// Only replays and undos that are about this run.
    subject_id: Option<Uuid>,
    /// `false` leaves out the reports, which may be long. Default `true`.
    reports: Option<bool>,
}

/// A page of runs, and how many there are in each state.
#[derive(Serialize, ToSchema)]
struct RunPage {
    data: Vec<RunView>,
    /// Send it back as `cursor` to get older ones.
    next: Option<String>,
    /// How many runs there are in each state, of the pipelines that the filter and the caller's rights leave; whatever
    /// else the filter says.
    #[schema(value_type = Object)]
    counts: Map<String, Value>,
}

/// Runs, newest first.
#[utoipa::path(get, path = "/runs", tag = "runs", security(("token" = []), ("api_token" = ["read"])), params(PageQuery, RunQuery), responses(
    (status = 200, body = RunPage)))]
async fn list(
    State(state): State<AppState>,
    caller: OnPipelines<Read>,
    Params(page): Params<PageQuery>,
    Params(query): Params<RunQuery>,
) -> Result<Json<RunPage>> {
    let states: Option<Vec<RunState>> = query.state.as_deref().and_then(listed);
    // A kind that does not exist has no runs.
    let kinds: Option<Vec<RunKind>> = query.kind.as_deref().map(|kind| kind.parse().into_iter().collect());
    let names = names(&state, &query, caller.pipelines()).await?;
    let filter = RunFilter {
        states: states.as_deref(),
        outcome: query.outcome,
        kinds: kinds.as_deref(),
        config_id: query.config_id,
        schedule_id: query.schedule_id,
        parent_id: query.parent_id,
        subject_id: query.subject_id,
        names: names.as_deref(),
        since: query.since,
        until: query.until,
        ..RunFilter::default()
    };
    let rows = runs::list(&state.db, &filter, page.after()?, page.fetch()).await?;
    let found = run_counts::by_state(&state.db, names.as_deref()).await?;
    let mut counts: Map<String, Value> = RunState::ALL.iter().map(|state| (state.to_string(), json!(0))).collect();
    counts.extend(found.into_iter().map(|(state, count)| (state.to_string(), json!(count))));
    let with_reports = query.reports.unwrap_or(true);
    let page = Page::of(
        rows,
        &page,
        |run| run.id,
        |run| {
            let view = RunView::from(run);
            if with_reports { view } else { RunView { report: None, ..view } }
        },
    );
    Ok(Json(RunPage { data: page.data, next: page.next, counts }))
}

/// The pipelines whose runs are listed: those that the query leaves of those that the caller may see. `None`: all.
async fn names(state: &AppState, query: &RunQuery, allowed: Option<&[String]>) -> Result<Option<Vec<String>>> {
    let mut names = match query.search.as_deref().map(str::trim).filter(|search| !search.is_empty()) {
        None => allowed.map(<[String]>::to_vec),
        Some(search) => {
            let found = pipelines::names(&state.db, search, allowed, MOST_FOUND + 1).await?;
            if found.len() as i64 > MOST_FOUND {
                return Err(Error::bad_request(
                    Code::InvalidQuery,
                    format!("more than {MOST_FOUND} pipelines have {search:?} in their name"),
                    "Write more of the name.",
                ));
            }
            Some(found)
        }
    };
    if let Some(name) = &query.name {
        let is_left = names.as_ref().is_none_or(|names| names.contains(name));
        names = Some(is_left.then(|| name.clone()).into_iter().collect());
    }
    Ok(names)
}

/// The values in a list of a query, `queued,running`. A text that is not a value matches nothing, so it is left out;
/// `None` when the list has no text at all, because the filter then does not apply.
pub fn listed<T: FromStr>(list: &str) -> Option<Vec<T>> {
    let mut texts = list.split(',').map(str::trim).filter(|text| !text.is_empty()).peekable();
    texts.peek()?;
    Some(texts.filter_map(|text| text.parse().ok()).collect())
}

/// One run, with its report once it finished.
#[utoipa::path(get, path = "/runs/{id}", tag = "runs", security(("token" = []), ("api_token" = ["read"])), responses(
    (status = 200, body = RunView),
    (status = 404, body = Problem)))]
async fn one(State(state): State<AppState>, caller: OnPipelines<Read>, Path(id): Path<Uuid>) -> Result<Json<RunView>> {
    Ok(Json(find(&state, &caller, id).await?.into()))
}

/// A run that must exist, for a caller who may touch its pipeline.
///
/// # Errors
/// 404 when it does not exist, 403 when the caller's API token is bound to other pipelines.
pub async fn find(state: &AppState, caller: &Caller, id: Uuid) -> Result<Run> {
    let run = runs::find(&state.db, id).await?.ok_or_else(|| Error::NotFound(format!("run {id}")))?;
    caller.reach(&run.name)?;
    Ok(run)
}

/// Stops a run: at once when it has not started, else at the next batch boundary. Nothing is half-loaded. While it is
/// unknown whether the run loaded, it waits until its target answers, and ends as stopped if it did not load.
#[utoipa::path(post, path = "/runs/{id}/stop", tag = "runs", security(("token" = []), ("api_token" = ["trigger"])), responses(
    (status = 202, body = RunView),
    (status = 404, body = Problem), (status = 409, body = Problem)))]
async fn stop(
    State(state): State<AppState>,
    caller: OnPipelines<Trigger>,
    note: AuditNote,
    Path(id): Path<Uuid>,
) -> Result<(StatusCode, Json<RunView>)> {
    note.object("run", id);
    find(&state, &caller, id).await?;
    retried(|| request_stop(&state, &note, id)).await
}

async fn request_stop(state: &AppState, note: &AuditNote, id: Uuid) -> Result<(StatusCode, Json<RunView>)> {
    let mut tx = state.db.begin().await?;
    let run = match lifecycle::request_stop(&mut tx, id).await? {
        None => return Err(Error::NotFound(format!("run {id}"))),
        Some(StopAnswer::Stopped(run) | StopAnswer::Stopping(run)) => run,
        Some(StopAnswer::AlreadyFinished(run)) => {
            return Err(Error::conflict(
                Code::AlreadyFinished,
                format!("the run has already {}", run.state),
                "Nothing is left to stop.",
            ));
        }
    };
    note.commit(tx, StatusCode::ACCEPTED).await?;
    Ok((StatusCode::ACCEPTED, Json(run.into())))
}

/// Repeats a finished run as a new run. A replay or an undo is repeated for the same run. Refused while it is unknown
/// whether the run loaded, and for the run of a backfill, which is repeated by resuming the backfill.
#[utoipa::path(post, path = "/runs/{id}/retry", tag = "runs", security(("token" = []), ("api_token" = ["trigger"])), responses(
    (status = 202, body = RunView),
    (status = 404, body = Problem), (status = 409, body = Problem)))]
async fn retry(
    State(state): State<AppState>,
    caller: OnPipelines<Trigger>,
    once: IdempotencyKey,
    note: AuditNote,
    Path(id): Path<Uuid>,
) -> Result<Response> {
    note.object("run", id);
    let old = find(&state, &caller, id).await?;
    let mut tx = state.db.begin().await?;
    if let Some(known) = once.known(&mut tx, &caller, &id).await? {
        return Ok(known);
    }
    if let Some(subject) = old.subject_id.filter(|_| old.kind == RunKind::Undo) {
        start::refuse_second_undo(&mut tx, subject).await?;
    }
    match lifecycle::retry(&mut tx, id, traceparent(), caller.name()).await? {
        None => Err(Error::NotFound(format!("run {id}"))),
        Some(RetryAnswer::Started(run)) => accepted((&once, &note), tx, &caller, *run).await,
        Some(RetryAnswer::Unknown(run)) => Err(unknown(&run)),
        Some(RetryAnswer::OfBackfill(backfill)) => Err(Error::conflict(
            Code::RunOfBackfill,
            format!("the run is one of the backfill {backfill}"),
            "Resume the backfill: it loads its windows again that have failed or were stopped.",
        )),
        Some(RetryAnswer::PartOf(whole)) => Err(Error::conflict(
            Code::RunOfTables,
            format!("the run loads one table of the run {whole}"),
            "Retry that run: it loads only the tables that are missing.",
        )),
        Some(RetryAnswer::Unfinished(run)) => Err(Error::conflict(
            Code::NotFinished,
            format!("the run is still {}", run.state),
            "Wait until it ends, or stop it.",
        )),
    }
}

/// Refuses to act on a run while it is unknown whether it loaded.
fn unknown(run: &Run) -> Error {
    let since = run.unknown_since.unwrap_or_default().format("%Y-%m-%d %H:%M:%S UTC");
    Error::conflict(
        Code::OutcomeUnknown,
        format!(
            "it is unknown whether the run {} loaded: the target {} has not answered since {since}",
            run.id, run.target_table
        ),
        "Wait until the target answers: the run then ends by itself. Its rows may be in the table already.",
    )
}

/// Log lines about a run, newest first.
#[utoipa::path(get, path = "/runs/{id}/logs", tag = "runs", security(("token" = []), ("api_token" = ["read"])), params(PageQuery, LineQuery), responses(
    (status = 200, body = Page<LineView>),
    (status = 404, body = Problem)))]
async fn lines(
    State(state): State<AppState>,
    caller: OnPipelines<Read>,
    Path(id): Path<Uuid>,
    Params(page): Params<PageQuery>,
    Params(query): Params<LineQuery>,
) -> Result<Json<Page<LineView>>> {
    find(&state, &caller, id).await?;
    let filter = LineQuery { run_id: Some(id), ..query }.filter()?;
    Ok(Json(newest_first(&state, filter, &page).await?))
}

/// The starts of a run.
#[derive(Serialize, ToSchema)]
struct AttemptList {
    /// The first one first.
    data: Vec<AttemptView>,
}

/// The starts of a run: which worker tried when, and how it ended.
#[utoipa::path(get, path = "/runs/{id}/attempts", tag = "runs", security(("token" = []), ("api_token" = ["read"])), responses(
    (status = 200, body = AttemptList),
    (status = 404, body = Problem)))]
async fn attempts(
    State(state): State<AppState>,
    caller: OnPipelines<Read>,
    Path(id): Path<Uuid>,
) -> Result<Json<AttemptList>> {
    find(&state, &caller, id).await?;
    let attempts = runs::attempts(&state.db, id).await?;
    Ok(Json(AttemptList { data: attempts.into_iter().map(Into::into).collect() }))
}
