//! Saved filters: views of shared tables that users have given a name.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection, PgExecutor};
use uuid::Uuid;

/// Saved filters of a user for one pipeline.
pub const MOST_SAVED_FILTERS: i64 = 50;

/// Which rows and columns of a table are shown, and in which order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableView {
    /// Conditions, each `column:op:value`.
    pub filter: Vec<String>,
    /// Columns to sort by, separated by commas.
    pub sort: Option<String>,
    /// Columns that are not shown.
    pub hide: Vec<String>,
}

/// A view with a name.
#[derive(Debug, Clone, FromRow)]
pub struct SavedFilter {
    /// Unique for the user and the pipeline.
    pub name: String,
    /// What it shows.
    pub view: Json<TableView>,
    /// When it was saved last.
    pub saved_at: DateTime<Utc>,
}

/// The saved filters of a user for a pipeline, by name. There are never more than [`MOST_SAVED_FILTERS`].
pub async fn list(db: impl PgExecutor<'_>, user: Uuid, pipeline: &str) -> sqlx::Result<Vec<SavedFilter>> {
    sqlx::query_as("select name, view, saved_at from saved_filters where user_id = $1 and pipeline = $2 order by name")
        .bind(user)
        .bind(pipeline)
        .fetch_all(db)
        .await
}

/// Saves a view under a name, in place of the one that was there. `None`: the user has too many of them.
pub async fn put(
    tx: &mut PgConnection,
    user: Uuid,
    pipeline: &str,
    name: &str,
    view: &TableView,
) -> sqlx::Result<Option<SavedFilter>> {
    // The changes of a user take turns, so that there are never too many.
    sqlx::query("select pg_advisory_xact_lock(hashtextextended('elt.saved_filters ' || $1::text, 0))")
        .bind(user)
        .execute(&mut *tx)
        .await?;
    sqlx::query_as(
        "insert into saved_filters (user_id, pipeline, name, view)
         select $1, $2, $3, $4
         where (select count(*) from saved_filters where user_id = $1 and pipeline = $2 and name <> $3) < $5
         on conflict (user_id, pipeline, name) do update set view = $4, saved_at = now()
         returning name, view, saved_at",
    )
    .bind(user)
    .bind(pipeline)
    .bind(name)
    .bind(Json(view))
    .bind(MOST_SAVED_FILTERS)
    .fetch_optional(tx)
    .await
}

/// Removes a saved filter. False: there is no such filter.
pub async fn remove(db: impl PgExecutor<'_>, user: Uuid, pipeline: &str, name: &str) -> sqlx::Result<bool> {
    let removed = sqlx::query("delete from saved_filters where user_id = $1 and pipeline = $2 and name = $3")
        .bind(user)
        .bind(pipeline)
        .bind(name)
        .execute(db)
        .await?;
    Ok(removed.rows_affected() == 1)
}
