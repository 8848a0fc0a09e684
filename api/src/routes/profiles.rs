//! Profiles of columns: what the values of each column of a run look like, and how they changed over runs.

use axum::extract::State;
use chrono::{DateTime, Utc};
use elt_shared::runs::RunProfile;
use elt_shared::store::run_profiles::{self, StoredProfile};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::runs;
use crate::AppState;
use crate::auth::{AdminData, OnPipelines};
use crate::error::{Problem, Result};
use crate::extract::{Json, Params, Path};

/// Profiles that a history has unless the request says how many.
const USUAL: u32 = 20;
/// Profiles that a history has at most.
const MOST: u32 = 50;

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(profile)).routes(routes!(profiles))
}

/// The profile of one run.
#[derive(Serialize, ToSchema)]
struct ProfileView {
    /// Id of the run that loaded the rows.
    run_id: Uuid,
    /// Its target table, as the config names it.
    table: String,
    /// When the run ended.
    finished_at: Option<DateTime<Utc>>,
    /// What the values of its columns look like. `null`: the run loaded no rows, its config says `load.profile: none`, or
    /// it is too old.
    profile: Option<RunProfile>,
}

impl From<StoredProfile> for ProfileView {
    fn from(stored: StoredProfile) -> Self {
        Self {
            run_id: stored.run_id,
            table: stored.target_table,
            finished_at: stored.finished_at,
            profile: Some(stored.profile.0),
        }
    }
}

/// The newest profiles of a pipeline.
#[derive(Serialize, ToSchema)]
struct ProfileHistory {
    /// Newest first. They are without `top` and `histogram`, which the profile of a run has.
    data: Vec<ProfileView>,
}

/// Range and number of the profiles to list.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct HistoryQuery {
    /// Only of runs into this table, as the config names it. Of use for a config with a table for each file.
    table: Option<String>,
    /// Only this column of each profile.
    column: Option<String>,
    /// How many, up to 50. Default 20.
    limit: Option<u32>,
}

/// What the values of each column of a run look like: how many are missing, how many differ, the smallest and largest, the
/// commonest, and a histogram.
#[utoipa::path(get, path = "/runs/{id}/profile", tag = "runs", security(("token" = []), ("api_token" = ["data"])), responses(
    (status = 200, body = ProfileView), (status = 404, body = Problem)))]
async fn profile(
    State(state): State<AppState>,
    caller: OnPipelines<AdminData>,
    Path(id): Path<Uuid>,
) -> Result<Json<ProfileView>> {
    let run = runs::find(&state, &caller, id).await?;
    let stored = run_profiles::find(&state.db, id).await?;
    let none = || ProfileView { run_id: id, table: run.target_table, finished_at: run.finished_at, profile: None };
    Ok(Json(stored.map_or_else(none, Into::into)))
}

/// The profiles of the newest runs of a pipeline that loaded rows, to see what changes from run to run.
#[utoipa::path(get, path = "/pipelines/{name}/profile", tag = "pipelines", security(("token" = []), ("api_token" = ["data"])),
    params(HistoryQuery), responses((status = 200, body = ProfileHistory)))]
async fn profiles(
    State(state): State<AppState>,
    caller: OnPipelines<AdminData>,
    Path(name): Path<String>,
    Params(query): Params<HistoryQuery>,
) -> Result<Json<ProfileHistory>> {
    caller.reach(&name)?;
    let limit = query.limit.unwrap_or(USUAL).clamp(1, MOST);
    let (table, column) = (query.table.as_deref(), query.column.as_deref());
    let stored = run_profiles::newest(&state.db, &name, table, column, limit.into()).await?;
    Ok(Json(ProfileHistory { data: stored.into_iter().map(Into::into).collect() }))
}
