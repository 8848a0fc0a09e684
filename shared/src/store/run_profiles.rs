//! Profiles of runs: what the values of each loaded column look like, one row a run.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::types::Json;
use sqlx::{FromRow, PgExecutor};
use uuid::Uuid;

use crate::runs::RunProfile;

/// The profile of one run.
#[derive(Debug, Clone, FromRow)]
pub struct StoredProfile {
    /// Id of the run that loaded the rows.
    pub run_id: Uuid,
    /// Its target table, as the config names it.
    pub target_table: String,
    /// When the run ended.
    pub finished_at: Option<DateTime<Utc>>,
    /// Profile of the columns that the run delivered.
    pub profile: Json<RunProfile>,
}

/// Keeps the profile of a run, in the transaction that ends the run. One that is kept already stays.
pub async fn keep(db: impl PgExecutor<'_>, run_id: Uuid, profile: &Value) -> sqlx::Result<()> {
    sqlx::query(
        "insert into run_profiles (run_id, name, target_table, profile)
         select id, name, target_table, $2 from runs where id = $1
         on conflict (run_id) do nothing",
    )
    .bind(run_id)
    .bind(profile)
    .execute(db)
    .await?;
    Ok(())
}

/// The profile of a run. `None`: it has none.
pub async fn find(db: impl PgExecutor<'_>, run_id: Uuid) -> sqlx::Result<Option<StoredProfile>> {
    sqlx::query_as(
        "select p.run_id, p.target_table, r.finished_at, p.profile
         from run_profiles p join runs r on r.id = p.run_id where p.run_id = $1",
    )
    .bind(run_id)
    .fetch_optional(db)
    .await
}

/// The newest profiles of a pipeline, newest first, without the commonest values and the histograms.
///
/// `table` keeps only those of runs into this table, `column` only this column of each.
pub async fn newest(
    db: impl PgExecutor<'_>,
    name: &str,
    table: Option<&str>,
    column: Option<&str>,
    limit: i64,
) -> sqlx::Result<Vec<StoredProfile>> {
    sqlx::query_as(
        "select p.run_id, p.target_table, r.finished_at,
                p.profile || jsonb_build_object('columns', (
                    select coalesce(jsonb_agg(one - 'top' - 'top_exact' - 'histogram' order by place), '[]')
                    from jsonb_array_elements(p.profile -> 'columns') with ordinality as listed (one, place)
                    where $3::text is null or one ->> 'name' = $3)) as profile
         from (select * from run_profiles where name = $1 and ($2::text is null or target_table = $2)
               order by run_id desc limit $4) p
         join runs r on r.id = p.run_id
         order by p.run_id desc",
    )
    .bind(name)
    .bind(table)
    .bind(column)
    .bind(limit)
    .fetch_all(db)
    .await
}

/// The newest profile of the runs of one config version, if all rows that it is about are still in the table as they were
/// delivered. `table` keeps only runs into this table. `None`: there is no such profile.
///
/// What rows were changed or removed since is read from the runs into the table: an update or a deletion by a run that ended after
/// this one began, and an undo. `without_duplicates`: the run must have stored every row that it delivered.
pub async fn still_true(
    db: impl PgExecutor<'_>,
    config: i64,
    table: Option<&str>,
    without_duplicates: bool,
) -> sqlx::Result<Option<StoredProfile>> {
    sqlx::query_as(
        "select p.run_id, p.target_table, r.finished_at, p.profile
         from (select * from runs
               where config_id = $1 and kind = 'run' and state = 'succeeded' and target_key is not null
                 and ($2::text is null or target_table = $2)
                 and exists (select from run_profiles where run_id = runs.id)
               order by id desc limit 1) r
         join run_profiles p on p.run_id = r.id
         where (not $3 or r.rows_duplicate = 0)
           and not exists (
               select from runs later
               where later.target_key = r.target_key and later.kind in ('run', 'replay') and later.state = 'succeeded'
                 and later.id <> r.id and later.finished_at >= coalesce(r.started_at, r.created_at)
                 and (later.rows_updated > 0 or (later.report ->> 'rows_deleted')::bigint > 0))
           and not exists (
               select from runs loaded join runs undo on undo.subject_id = loaded.id
               where loaded.target_key = r.target_key and loaded.kind in ('run', 'replay') and loaded.state = 'succeeded'
                 and undo.kind = 'undo' and undo.state in ('running', 'succeeded')
                 and coalesce(undo.finished_at, now()) >= coalesce(r.started_at, r.created_at))",
    )
    .bind(config)
    .bind(table)
    .bind(without_duplicates)
    .fetch_optional(db)
    .await
}
