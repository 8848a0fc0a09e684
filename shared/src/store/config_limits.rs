//! How many config versions there are: what a user stores, and which versions can be deleted.
//!
//! The newest version of a pipeline is never deleted, so that version numbers are never given twice and every pipeline
//! keeps what it would run as.

use sqlx::{FromRow, PgExecutor};

use super::configs::decides;
use super::users::User;

/// What one user stores.
#[derive(Debug, Clone, Copy, FromRow)]
pub struct Usage {
    /// Number of config versions that are kept.
    pub versions: i64,
    /// Bytes of their texts.
    pub bytes: i64,
}

/// Why a version cannot be deleted, or that it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deletion {
    /// The version was deleted.
    Deleted,
    /// There is no such version.
    Missing,
    /// A run or a schedule refers to it.
    InUse,
    /// It is the newest version of its pipeline, or the newest that an admin has uploaded.
    Newest,
}

/// What a user and the user's API tokens store, including what the caller's transaction has added.
pub async fn usage(db: impl PgExecutor<'_>, user: &User) -> sqlx::Result<Usage> {
    sqlx::query_as(
        "select count(*) as versions, coalesce(sum(coalesce(octet_length(yaml_sealed) - 40, octet_length(yaml_content))), 0)::bigint as bytes
         from config_history where created_by = $1
            or created_by in (select 'token:' || name from api_tokens where owner_id = $2)",
    )
    .bind(&user.username)
    .bind(user.id)
    .fetch_one(db)
    .await
}

/// Deletes a version that nothing needs.
pub async fn delete(db: impl PgExecutor<'_>, id: i64) -> sqlx::Result<Deletion> {
    let (this, newer) = (decides("c"), decides("n"));
    let found: Option<(bool, bool, bool)> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "with asked as (
             select c.id,
                    exists (select from runs r where r.config_id = c.id)
                        or exists (select from schedules s where s.config_id = c.id)
                        or exists (select from backfills b where b.config_id = c.id) as in_use,
                    not exists (select from config_history n where n.name = c.name and n.version > c.version)
                        or {this} and not exists (select from config_history n
                               where n.name = c.name and {newer} and n.version > c.version) as newest
             from config_history c where c.id = $1
         ), deleted as (
             delete from config_history c using asked
             where c.id = asked.id and not asked.in_use and not asked.newest returning c.id
         )
         select in_use, newest, exists (select from deleted) from asked"
    )))
    .bind(id)
    .fetch_optional(db)
    .await
    .or_else(|error| match error.as_database_error().is_some_and(|error| error.is_foreign_key_violation()) {
        // A run or a schedule was created meanwhile.
        true => Ok(Some((true, false, false))),
        false => Err(error),
    })?;
    Ok(match found {
        None => Deletion::Missing,
        Some((_, _, true)) => Deletion::Deleted,
        Some((true, ..)) => Deletion::InUse,
        Some(_) => Deletion::Newest,
    })
}

/// Deletes versions older than `days` that never ran, or whose runs and schedules were deleted, at most `limit` of them.
/// Returns how many: call again while it is `limit`.
pub async fn remove_never_run(db: impl PgExecutor<'_>, days: u16, limit: i64) -> sqlx::Result<u64> {
    let (this, newer) = (decides("c"), decides("n"));
    let removed = sqlx::query(sqlx::AssertSqlSafe(format!(
        r#"delete from config_history where id = any(array(
             select c.id from config_history c
             where c."timestamp" < now() - make_interval(days => $1)
               and not exists (select from runs r where r.config_id = c.id)
               and not exists (select from schedules s where s.config_id = c.id)
               and not exists (select from backfills b where b.config_id = c.id)
               and exists (select from config_history n where n.name = c.name and n.version > c.version)
               -- The newest version of an admin decides what is shared, whatever users upload after it.
               and (not ({this}) or exists (select from config_history n
                        where n.name = c.name and {newer} and n.version > c.version))
             order by c.id limit $2))"#
    )))
    .bind(i32::from(days))
    .bind(limit)
    .execute(db)
    .await?;
    Ok(removed.rows_affected())
}
