//! The cursors of a pipeline's incremental sources: showing, setting and clearing them.

use axum::extract::State;
use axum::http::StatusCode;
use elt_shared::config::PipelineConfig;
use elt_shared::cursor::by_hand::{self, SourceCursor, StateError};
use elt_shared::store::configs;
use serde::{Deserialize, Serialize};
use sqlx::{Postgres, Transaction};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;
use crate::audit::AuditNote;
use crate::auth::{Caller, OnPipelines, Read, Trigger};
use crate::error::{Error, Problem, Result};
use crate::extract::{Json, Params, Path};
use crate::targets::{self, OpenTarget};

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(show_state, set_state, clear_state))
}

/// The cursors of a pipeline's newest config version, as the target has them.
#[derive(Serialize, ToSchema)]
struct StateView {
    /// The target table, `schema.table`.
    table: String,
    /// The incremental sources.
    sources: Vec<SourceCursor>,
}

/// A value to read from.
#[derive(Deserialize, ToSchema)]
struct SetState {
    /// Number of the source in the config, from 1. It may be left out when only one source is incremental.
    source: Option<usize>,
    /// The value, as the API writes it in its rows: `2026-11-29T00:00:00Z`, or a number as a text.
    value: String,
}

/// The sources whose cursors are deleted.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ClearQuery {
    /// Number of the source in the config, from 1. Without it the cursors of all sources are cleared.
    source: Option<usize>,
}

/// The cursors of a pipeline's incremental sources: what was read so far, and where the next run begins. They are read from
/// the target.
#[utoipa::path(get, path = "/pipelines/{name}/state", tag = "pipelines", security(("token" = []), ("api_token" = ["read"])),
    responses((status = 200, body = StateView), (status = 404, body = Problem), (status = 409, body = Problem),
    (status = 502, body = Problem)))]
async fn show_state(
    State(state): State<AppState>,
    caller: OnPipelines<Read>,
    Path(name): Path<String>,
) -> Result<Json<StateView>> {
    let (config, mut target) = open(&state, &caller, &name).await?;
    view(&mut target, &config).await
}

/// Sets the cursor of a source, so that the next run reads from there. A run that is at work leaves it as it was set.
#[utoipa::path(put, path = "/pipelines/{name}/state", tag = "pipelines", security(("token" = []), ("api_token" = ["trigger"])),
    request_body(content = SetState, example = json!({ "source": 1, "value": "2026-11-01T00:00:00Z" })),
    responses((status = 200, body = StateView), (status = 404, body = Problem), (status = 409, body = Problem),
    (status = 502, body = Problem)))]
async fn set_state(
    State(state): State<AppState>,
    caller: OnPipelines<Trigger>,
    note: AuditNote,
    Path(name): Path<String>,
    Json(request): Json<SetState>,
) -> Result<Json<StateView>> {
    note.object("pipeline", &name);
    note.detail("source", request.source);
    note.detail("value", request.value.as_str());
    let (config, mut target) = open(&state, &caller, &name).await?;
    let (connection, table) = target.parts();
    let set = by_hand::set(connection, table, &config, request.source, (&request.value, caller.name())).await;
    commit(&state, &note, set.map_err(refused)?).await?;
    tracing::info!(pipeline = name, "{} set a cursor of the pipeline", caller.name());
    view(&mut target, &config).await
}

/// Clears the cursor of a source, or of all sources: the next run reads as the first one did. Rows that are in the table
/// already are not loaded twice.
#[utoipa::path(delete, path = "/pipelines/{name}/state", tag = "pipelines", security(("token" = []), ("api_token" = ["trigger"])),
    params(ClearQuery), responses((status = 200, body = StateView), (status = 404, body = Problem),
    (status = 409, body = Problem), (status = 502, body = Problem)))]
async fn clear_state(
    State(state): State<AppState>,
    caller: OnPipelines<Trigger>,
    note: AuditNote,
    Path(name): Path<String>,
    Params(query): Params<ClearQuery>,
) -> Result<Json<StateView>> {
    note.object("pipeline", &name);
    note.detail("source", query.source);
    let (config, mut target) = open(&state, &caller, &name).await?;
    let (connection, table) = target.parts();
    let cleared = by_hand::clear(connection, table, &config, query.source).await;
    commit(&state, &note, cleared.map_err(refused)?).await?;
    tracing::info!(pipeline = name, "{} cleared cursors of the pipeline", caller.name());
    view(&mut target, &config).await
}

/// The newest config version of a pipeline, and its target.
async fn open(state: &AppState, caller: &Caller, name: &str) -> Result<(PipelineConfig, OpenTarget)> {
    caller.reach(name)?;
    let missing = || Error::NotFound(format!("pipeline {name}"));
    let version = configs::newest(&state.db, name).await?.ok_or_else(missing)?;
    targets::open_pipeline(state, caller, &version).await
}

/// Notes a change of the target in the audit, then commits it: no change is made that was not noted.
async fn commit(state: &AppState, note: &AuditNote, change: Transaction<'_, Postgres>) -> Result<()> {
    note.commit(state.db.begin().await?, StatusCode::OK).await?;
    change.commit().await.map_err(|error| refused(error.into()))
}

async fn view(target: &mut OpenTarget, config: &PipelineConfig) -> Result<Json<StateView>> {
    let (connection, table) = target.parts();
    let sources = by_hand::show(connection, table, config).await.map_err(refused)?;
    Ok(Json(StateView { table: table.to_string(), sources }))
}

fn refused(error: StateError) -> Error {
    let status = match &error {
        StateError::Database(_) => StatusCode::BAD_GATEWAY,
        StateError::BadValue(_) => StatusCode::UNPROCESSABLE_ENTITY,
        _ => StatusCode::CONFLICT,
    };
    let problem = error.explained();
    Error::refused(status, problem.code, problem.message, &problem.next_step)
}
