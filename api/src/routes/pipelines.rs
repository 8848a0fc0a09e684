//! Pipelines: one entry per name, with its newest version, its newest run and its next one.

use axum::extract::State;
use chrono::{DateTime, Utc};
use elt_shared::runs::{Outcome, RunState};
use elt_shared::store::pipelines::{self, Pipeline};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::AppState;
use crate::auth::{OnPipelines, Read};
use crate::error::{Problem, Result};
use crate::extract::{Json, Params};
use crate::page::{Page, PageQuery};

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list))
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
    responses((status = 200, body = Page<PipelineView>), (status = 400, body = Problem), (status = 401, body = Problem),
    (status = 403, body = Problem)))]
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
