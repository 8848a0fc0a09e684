//! Rejected rows that no run has seen for long, and those of older releases, which kept one for each run that rejected it.

use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::{BATCH, Batch, Housekeeping, Walk, days_ago};
use crate::load::elt_tables::QUARANTINE;
use crate::load::quarantine::open_rows::PLACE;

/// Makes one row of those of older releases that are about one place, then deletes the next old rows.
pub(super) async fn batch(house: &mut Housekeeping<'_>, walk: &mut Walk) -> sqlx::Result<Batch> {
    if walk.first_done {
        return delete(house).await;
    }
    let merged = merge(house, walk).await?;
    walk.first_done = !merged.more;
    Ok(Batch { more: true, ..merged })
}

/// Deletes rows that no run has seen since the time that the setting says, replayed or not.
async fn delete(house: &mut Housekeeping<'_>) -> sqlx::Result<Batch> {
    let deleted = sqlx::query(AssertSqlSafe(format!(
        "delete from {quarantine} where id = any(array(select id from {quarantine} where at < $1 order by at limit $2))",
        quarantine = house.own(QUARANTINE)
    )))
    .bind(days_ago(house.keep.quarantine))
    .bind(BATCH)
    .execute(&mut *house.target)
    .await?;
    Ok(Batch { removed: deleted.rows_affected(), more: deleted.rows_affected() == BATCH.unsigned_abs() })
}

/// Merges the next open rows of older releases, from the oldest to the newest, of the table that was loaded into.
async fn merge(house: &mut Housekeeping<'_>, walk: &mut Walk) -> sqlx::Result<Batch> {
    let (table, sql) = (house.table, statement(&house.own(QUARANTINE)));
    let mut tx = house.target.begin().await?;
    // A load into the table at the same time counts the same rows up.
    if !lock(&mut tx, &table.to_string()).await? {
        return Ok(Batch::default());
    }
    let (looked_at, removed, last): (i64, i64, Option<i64>) =
        sqlx::query_as(AssertSqlSafe(sql)).bind(&table.table).bind(walk.row).bind(BATCH).fetch_one(&mut *tx).await?;
    tx.commit().await?;
    walk.row = last.unwrap_or(walk.row);
    Ok(Batch { removed: removed.unsigned_abs(), more: looked_at == BATCH })
}

/// Takes the lock of the loads of a table, unless a load has it.
async fn lock(tx: &mut PgConnection, table: &str) -> sqlx::Result<bool> {
    sqlx::query_scalar("select pg_try_advisory_xact_lock(hashtextextended('elt load ' || $1, 0))")
        .bind(table)
        .fetch_one(tx)
        .await
}

fn statement(quarantine: &str) -> String {
    format!(
        "with old as materialized (
             select id, run_id, at, {PLACE} as place from {quarantine}
             where table_name = $1 and id > $2 and place is null and replayed_by is null order by id limit $3
         ), ordered as (
             select *, row_number() over (partition by place, run_id order by id) as nth from old
         ), places as materialized (
             select place, nth, count(*) as times, min(id) as first_id, min(at) as first_at, max(at) as last_at,
                    (array_agg(run_id order by at, id))[1] as first_run,
                    (array_agg(run_id order by at desc, id desc))[1] as last_run
             from ordered group by place, nth
         ), open as materialized (
             select row.id, row.place, row_number() over (partition by row.place order by row.id) as nth
             from {quarantine} row
             where row.table_name = $1 and row.replayed_by is null and row.place is not null
               and row.place in (select place from places)
         ), counted as (
             update {quarantine} row set
                 seen = row.seen + places.times, first_seen = least(coalesce(row.first_seen, row.at), places.first_at),
                 first_run_id = case when places.first_at < coalesce(row.first_seen, row.at) then places.first_run
                                     else coalesce(row.first_run_id, row.run_id) end,
                 run_id = case when places.last_at > row.at then places.last_run else row.run_id end,
                 at = greatest(row.at, places.last_at)
             from places join open using (place, nth) where row.id = open.id
         ), placed as (
             update {quarantine} row set place = places.place, seen = places.times, first_seen = places.first_at,
                    first_run_id = places.first_run, run_id = places.last_run, at = places.last_at
             from places left join open using (place, nth) where open.id is null and row.id = places.first_id
             returning row.id
         ), removed as (
             delete from {quarantine} where id in (select id from old except
                 select places.first_id from places left join open using (place, nth) where open.id is null)
             returning 1
         )
         select (select count(*) from old), (select count(*) from removed), (select max(id) from old)"
    )
}
