//! Profiles of shared tables: what the values of the newest load look like, as far as the shared rows say it themselves.

use axum::extract::State;
use chrono::{DateTime, Utc};
use elt_shared::config::{LoadMode, NoReferences};
use elt_shared::runs::RunProfile;
use elt_shared::store::configs::ConfigVersion;
use elt_shared::store::run_profiles;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::access;
use crate::AppState;
use crate::auth::{Data, OnPipelines};
use crate::error::{Problem, Result};
use crate::extract::{Json, Params, Path};
use crate::target_errors::tell_of_shared;
use crate::targets;

/// Which table.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ProfileParameters {
    /// Which table, when there is a table for each file.
    table: Option<String>,
}

/// What the values of each column of a shared table look like.
#[derive(Serialize, ToSchema)]
pub struct SharedProfileView {
    /// When the load that it is about ended; `null` without a profile.
    loaded_at: Option<DateTime<Utc>>,
    /// The columns that the table has now. `null`: there is no profile, or it could be about rows that the table does not have.
    profile: Option<RunProfile>,
}

/// What the values of each column of a shared table look like in its newest load. `profile` is `null` when it could be about
/// rows that the table does not have: after an undo, a newer config version, or a load that changed or deleted rows.
#[utoipa::path(get, path = "/shared-tables/{name}/profile", tag = "shared tables",
    security(("token" = []), ("api_token" = ["data"])), params(ProfileParameters),
    responses((status = 200, body = SharedProfileView), (status = 404, body = Problem), (status = 429, body = Problem),
    (status = 502, body = Problem), (status = 503, body = Problem)))]
pub async fn profile(
    State(state): State<AppState>,
    caller: OnPipelines<Data>,
    Path(name): Path<String>,
    Params(ProfileParameters { table }): Params<ProfileParameters>,
) -> Result<Json<SharedProfileView>> {
    let config = access::require(&state, &caller, &name).await?;
    let parameters: Vec<_> = table.iter().map(|table| ("table".to_owned(), table.clone())).collect();
    let (mut target, _) = access::open_version(&state, &caller, &config, &parameters).await?;
    let opened = target.table.clone();
    let columns = target.columns(&opened).await.map_err(|error| tell_of_shared(error, &name))?;
    let stored = match stored_rows(&state, &config).await {
        StoredRows::Unknown => None,
        known => {
            let without_duplicates = known == StoredRows::OnePerKey;
            run_profiles::still_true(&state.db, config.id, table.as_deref(), without_duplicates).await?
        }
    };
    let (Some(stored), Some(columns)) = (stored, columns) else {
        return Ok(Json(SharedProfileView { loaded_at: None, profile: None }));
    };
    let mut profile = stored.profile.0;
    // A column that was dropped since the load is not shared.
    profile.columns.retain(|column| !access::is_internal(&column.name) && columns.contains(&column.name));
    Ok(Json(SharedProfileView { loaded_at: stored.finished_at, profile: Some(profile) }))
}

/// Which of the delivered rows a run of a config stores.
#[derive(PartialEq, Eq)]
enum StoredRows {
    /// All of them, equal ones perhaps once.
    All,
    /// The last one of each key: the values of the others are not in the table.
    OnePerKey,
    /// Some are left out by their age, or the config cannot be read.
    Unknown,
}

async fn stored_rows(state: &AppState, config: &ConfigVersion) -> StoredRows {
    let Ok(document) = targets::parsed(state, config).await else { return StoredRows::Unknown };
    let Ok(pipeline) = document.pipeline(&NoReferences) else { return StoredRows::Unknown };
    let pipeline = pipeline.value;
    if pipeline.target.partition.is_some_and(|partition| partition.keep().is_some()) {
        return StoredRows::Unknown;
    }
    match pipeline.load.mode {
        LoadMode::Append | LoadMode::Replace => StoredRows::All,
        LoadMode::Merge => StoredRows::OnePerKey,
    }
}
