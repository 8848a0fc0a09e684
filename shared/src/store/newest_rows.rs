//! Tables of which only the newest rows stay.

use sqlx::PgExecutor;

/// Removes the oldest rows of a table beyond the newest `keep`, at most `limit` of them. The greatest `id` is the newest row.
/// Returns the number of removed rows: call again while it is `limit`.
pub(super) async fn remove_beyond(
    db: impl PgExecutor<'_>,
    table: &'static str,
    keep: u32,
    limit: i64,
) -> sqlx::Result<u64> {
    let removed = sqlx::query(sqlx::AssertSqlSafe(format!(
        "delete from {table} where id in (
             select id from {table}
             where id <= (select id from {table} order by id desc offset $1 limit 1) order by id limit $2)"
    )))
    .bind(i64::from(keep))
    .bind(limit)
    .execute(db)
    .await?;
    Ok(removed.rows_affected())
}
