//! Saved filters: views of a shared table that a user has given a name.

use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use elt_shared::explained::Code;
use elt_shared::invisible::is_invisible;
use elt_shared::store::saved_filters::{self, MOST_SAVED_FILTERS, SavedFilter, TableView};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::access;
use crate::AppState;
use crate::audit::AuditNote;
use crate::auth::{Data, OnPipelines};
use crate::error::{Error, Problem, Result};
use crate::extract::{Json, Path};
use crate::table_query;

/// Characters of a name.
const MOST_NAME: usize = 100;
/// Bytes of a saved filter, as JSON.
const MOST_BYTES: usize = 16_000;

/// What a saved filter shows.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SavedView {
    /// Conditions as `filter` of the rows takes them, each `column:op:value`.
    #[serde(default)]
    filter: Vec<String>,
    /// Columns to sort by, as `sort` of the rows takes them.
    #[serde(default)]
    sort: Option<String>,
    /// Columns that are not shown.
    #[serde(default)]
    hide: Vec<String>,
}

/// A view of a shared table with a name.
#[derive(Debug, Serialize, ToSchema)]
pub struct SavedFilterView {
    /// Unique for the user and the pipeline.
    name: String,
    /// Conditions as `filter` of the rows takes them, each `column:op:value`.
    filter: Vec<String>,
    /// Columns to sort by, as `sort` of the rows takes them.
    sort: Option<String>,
    /// Columns that are not shown.
    hide: Vec<String>,
    saved_at: DateTime<Utc>,
}

impl From<SavedFilter> for SavedFilterView {
    fn from(saved: SavedFilter) -> Self {
        let TableView { filter, sort, hide } = saved.view.0;
        Self { name: saved.name, filter, sort, hide, saved_at: saved.saved_at }
    }
}

/// The saved filters of a user for a table.
#[derive(Debug, Serialize, ToSchema)]
pub struct SavedFilters {
    /// By name; there are never more than 50.
    data: Vec<SavedFilterView>,
}

/// The filters that the caller has saved for a shared table, by name.
#[utoipa::path(get, path = "/shared-tables/{name}/filters", tag = "shared tables",
    security(("token" = []), ("api_token" = ["data"])),
    responses((status = 200, body = SavedFilters), (status = 404, body = Problem)))]
pub async fn filters(
    State(state): State<AppState>,
    caller: OnPipelines<Data>,
    Path(name): Path<String>,
) -> Result<Json<SavedFilters>> {
    access::require(&state, &caller, &name).await?;
    let saved = saved_filters::list(&state.db, caller.user.id, &name).await?;
    Ok(Json(SavedFilters { data: saved.into_iter().map(Into::into).collect() }))
}

/// Saves what is shown of a shared table under a name, in place of what has the name. Only the caller sees it.
#[utoipa::path(put, path = "/shared-tables/{name}/filters/{filter}", tag = "shared tables",
    security(("token" = []), ("api_token" = ["data"])), request_body = SavedView,
    responses((status = 200, body = SavedFilterView), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub async fn save_filter(
    State(state): State<AppState>,
    caller: OnPipelines<Data>,
    note: AuditNote,
    Path((name, filter)): Path<(String, String)>,
    Json(view): Json<SavedView>,
) -> Result<Json<SavedFilterView>> {
    note.object("pipeline", &name);
    access::require(&state, &caller, &name).await?;
    let view = checked(&filter, view)?;
    let mut tx = state.db.begin().await?;
    let saved = saved_filters::put(&mut tx, caller.user.id, &name, &filter, &view).await;
    let is_revoked =
        |error: &sqlx::Error| error.as_database_error().is_some_and(|error| error.is_foreign_key_violation());
    let saved = saved.map_err(|error| if is_revoked(&error) { access::not_shared(&name) } else { error.into() })?;
    let saved = saved.ok_or_else(|| {
        Error::conflict(
            Code::TooManySavedFilters,
            format!("you have saved {MOST_SAVED_FILTERS} filters for this table already"),
            "Delete one that you do not need any more.",
        )
    })?;
    note.commit(tx, StatusCode::OK).await?;
    Ok(Json(saved.into()))
}

fn checked(name: &str, SavedView { filter, sort, hide }: SavedView) -> Result<TableView> {
    let invalid = |detail: String| Err(Error::unprocessable(Code::InvalidSavedFilter, detail));
    let is_name = (1..=MOST_NAME).contains(&name.chars().count()) && !name.contains(is_invisible);
    if !is_name || name.trim() != name {
        return invalid(format!("the name of a saved filter has 1 to {MOST_NAME} printable characters"));
    }
    if let Some(wrong) = filter.iter().find(|condition| table_query::filter(condition).is_none()) {
        return invalid(format!("filter: {wrong:?} is not written column:op:value"));
    }
    let view = TableView { filter, sort, hide };
    let bytes = serde_json::to_vec(&view).map_err(|error| Error::internal("write a saved filter", error))?.len();
    if bytes > MOST_BYTES {
        return invalid(format!("the saved filter has {bytes} bytes; {MOST_BYTES} are allowed"));
    }
    Ok(view)
}

/// Deletes a saved filter of the caller.
#[utoipa::path(delete, path = "/shared-tables/{name}/filters/{filter}", tag = "shared tables",
    security(("token" = []), ("api_token" = ["data"])), responses((status = 204), (status = 404, body = Problem)))]
pub async fn remove_filter(
    State(state): State<AppState>,
    caller: OnPipelines<Data>,
    note: AuditNote,
    Path((name, filter)): Path<(String, String)>,
) -> Result<StatusCode> {
    note.object("pipeline", &name);
    access::require(&state, &caller, &name).await?;
    let mut tx = state.db.begin().await?;
    if !saved_filters::remove(&mut *tx, caller.user.id, &name, &filter).await? {
        return Err(Error::NotFound("saved filter of this name".into()));
    }
    note.commit(tx, StatusCode::NO_CONTENT).await?;
    Ok(StatusCode::NO_CONTENT)
}
