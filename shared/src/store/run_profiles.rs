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
