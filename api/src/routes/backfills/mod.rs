//! Backfills: loading a range of time in windows, each by a run of its own.

mod view;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use elt_shared::backfills::{self, Answer, Plan};
use elt_shared::config::PipelineConfig;
use elt_shared::explained::{Code, Explained};
use elt_shared::job::QUEUE;
use elt_shared::store::backfills::{self as store, Backfill, BackfillFilter, BackfillState, Progress, WindowState};
use elt_shared::store::configs::ConfigVersion;
use elt_shared::trigger;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use self::view::{BackfillPlan, BackfillView, BackfillWindow, StartBackfill};
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

/// Filters of the list. A backfill must match all of them.
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

/// Filters of the windows. A window must match all of them.
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
    let resuming = || async {
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
    };
    retried(resuming).await
}
