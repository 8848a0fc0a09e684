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
    // The age is compared once more with the row that is deleted, because a load may have counted it up meanwhile.
    let deleted = sqlx::query(AssertSqlSafe(format!(
        "delete from {quarantine}
         where at < $1 and id = any(array(select id from {quarantine} where at < $1 order by at limit $2))",
        quarantine = house.own(QUARANTINE)
    )))
    .bind(days_ago(house.keep.quarantine))
    .bind(BATCH)
    .execute(&mut *house.target)
    .await?;
    let removed = deleted.rows_affected();
    Ok(Batch { removed, more: removed == BATCH.unsigned_abs(), skipped: false })
}

/// Merges the next open rows of older releases, from the oldest to the newest, one table of the schema after the other.
async fn merge(house: &mut Housekeeping<'_>, walk: &mut Walk) -> sqlx::Result<Batch> {
    let table = match walk.table.take() {
        Some(table) => table,
        None => match next_table(house, walk.last_table.as_deref()).await? {
            Some(table) => table,
            None => return Ok(Batch::default()),
        },
    };
    walk.last_table = Some(table.clone());
    let (name, sql) = (house.table.sibling(&table).to_string(), statement(&house.own(QUARANTINE)));
    let mut tx = house.target.begin().await?;
    // A load into the table at the same time counts the same rows up.
    if !lock(&mut tx, &name).await? {
        walk.row = 0;
        return Ok(Batch { removed: 0, more: true, skipped: true });
    }
    let (looked_at, removed, last): (i64, i64, Option<i64>) =
        sqlx::query_as(AssertSqlSafe(sql)).bind(&table).bind(walk.row).bind(BATCH).fetch_one(&mut *tx).await?;
    tx.commit().await?;
    walk.row = 0;
    if looked_at == BATCH {
        walk.row = last.unwrap_or_default();
        walk.table = Some(table);
    }
    Ok(Batch { removed: removed.unsigned_abs(), more: true, skipped: false })
}

/// The next table with rows of older releases, by name. All tables of a schema have one quarantine.
async fn next_table(house: &mut Housekeeping<'_>, after: Option<&str>) -> sqlx::Result<Option<String>> {
    sqlx::query_scalar(AssertSqlSafe(format!(
        "select min(table_name) from {} where place is null and replayed_by is null and table_name > coalesce($1, '')",
        house.own(QUARANTINE)
    )))
    .bind(after)
    .fetch_one(&mut *house.target)
    .await
}

/// Takes the lock of the loads of a table, unless a load has it.
async fn lock(tx: &mut PgConnection, table: &str) -> sqlx::Result<bool> {
    sqlx::query_scalar("select pg_try_advisory_xact_lock(hashtextextended('elt load ' || $1, 0))")
        .bind(table)
        .fetch_one(tx)
        .await
}

/// Merges the rows of a batch. A run rejects different rows with the same text in one line, and these are told apart by
/// their order, so a batch has all rows of such a line: it goes on behind its last row with those lines of the last run
/// that it has begun.
fn statement(quarantine: &str) -> String {
    format!(
        "with first as materialized (
             select id, run_id, at, file, line, {PLACE} as place from {quarantine}
             where table_name = $1 and id > $2 and place is null and replayed_by is null order by id limit $3
         ), last as materialized (
             select id, run_id from first order by id desc limit 1
         ), old as materialized (
             select id, run_id, at, place from first
             union all
             select id, run_id, at, {PLACE} from {quarantine} row
             where row.run_id = (select run_id from last) and row.id > (select id from last)
               and table_name = $1 and place is null and replayed_by is null
               and (file, line) in (select file, line from first where run_id = (select run_id from last))
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
         select (select count(*) from first), (select count(*) from removed), (select id from last)"
    )
}
