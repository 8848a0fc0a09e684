//! Pipelines: one entry per name, with its newest version, its newest run and its next one; pausing one.

mod lineage;
mod one;
mod view;

use axum::extract::State;
use axum::http::StatusCode;
use elt_shared::pauses;
use elt_shared::store::pauses::PauseScope;
use elt_shared::store::pipelines::{self, PipelineFilter};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::queues::{PauseRequest, PauseView, ResumeAnswer};
use crate::AppState;
use crate::audit::AuditNote;
use crate::auth::{OnPipelines, Read, Trigger};
use crate::error::{Error, Problem, Result};
use crate::extract::{Json, OptionalJson, Params, Path};
use crate::page::{Page, PageQuery};
use view::PipelineView;

/// Most runs shown of each pipeline of a list.
const MOST_RUNS: i64 = 20;

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list)).merge(one::router()).routes(routes!(pause)).routes(routes!(resume))
}

/// Filters of the list. A pipeline must match all of them.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct PipelineQuery {
    /// Only pipelines whose name contains this text, in upper or lower case.
    search: Option<String>,
    /// How many of the newest runs of each pipeline to show in `recent_runs`.
    #[param(minimum = 0, maximum = 20, default = 0)]
    runs: Option<i64>,
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
    let recent_runs = query.runs.unwrap_or_default().clamp(0, MOST_RUNS);
    let only = PipelineFilter { search, names: caller.pipelines(), recent_runs };
    let rows = pipelines::list(&state.db, only, after.as_deref(), page.fetch()).await?;
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
