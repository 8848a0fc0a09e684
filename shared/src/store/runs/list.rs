//! What people look at: pages of runs, and how many are in which state.

use sqlx::PgExecutor;
use uuid::Uuid;

use super::{COLUMNS, Run};

/// Which runs to list; an empty filter lists all.
#[derive(Debug, Clone, Default)]
pub struct RunFilter<'a> {
    /// Only in one of these states.
    pub states: &'a [String],
    /// Only of this pipeline.
    pub name: Option<&'a str>,
    /// Only of this kind.
    pub kind: Option<&'a str>,
    /// Only of this config version.
    pub config_id: Option<i64>,
    /// Only of this schedule.
    pub schedule_id: Option<Uuid>,
    /// Only retries, replays and undos of this run.
    pub parent_id: Option<Uuid>,
}

/// Runs, newest first; those older than `before` when given.
pub async fn list(
    db: impl PgExecutor<'_>,
    filter: &RunFilter<'_>,
    before: Option<Uuid>,
    limit: i64,
) -> sqlx::Result<Vec<Run>> {
    let mut query = sqlx::QueryBuilder::new(format!("select {COLUMNS} from runs where true"));
    if !filter.states.is_empty() {
        query.push(" and state = any(").push_bind(filter.states).push(")");
    }
    if let Some(name) = filter.name {
        query.push(" and name = ").push_bind(name);
    }
    if let Some(kind) = filter.kind {
        query.push(" and kind = ").push_bind(kind);
    }
    if let Some(config_id) = filter.config_id {
        query.push(" and config_id = ").push_bind(config_id);
    }
    if let Some(schedule_id) = filter.schedule_id {
        query.push(" and schedule_id = ").push_bind(schedule_id);
    }
    if let Some(parent_id) = filter.parent_id {
        query.push(" and parent_id = ").push_bind(parent_id);
    }
    if let Some(before) = before {
        query.push(" and id < ").push_bind(before);
    }
    query.push(" order by id desc limit ").push_bind(limit);
    query.build_query_as().fetch_all(db).await
}

/// How many runs are in which state. States without runs are left out.
pub async fn counts(db: impl PgExecutor<'_>) -> sqlx::Result<Vec<(String, i64)>> {
    sqlx::query_as("select state, count(*) from runs group by state order by state").fetch_all(db).await
}

/// These runs, as far as there are any.
pub async fn find_all(db: impl PgExecutor<'_>, ids: &[Uuid]) -> sqlx::Result<Vec<Run>> {
    sqlx::query_as(sqlx::AssertSqlSafe(format!("select {COLUMNS} from runs where id = any($1)")))
        .bind(ids)
        .fetch_all(db)
        .await
}
