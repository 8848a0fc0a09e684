//! Receipts of older releases, which kept one for each file of each run.
//!
//! A load deletes the receipts that its own replace, so only rows without the name of their table are looked at here. From
//! the newest to the oldest, each of them is either replaced by a newer one and deleted, or it gets the name of its table.

use elt_shared::target::TableRef;
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::{BATCH, Batch, Housekeeping, Walk};
use crate::load::elt_tables::{FILES, LOADS};

/// Looks at the next receipts of older releases.
pub(super) async fn batch(house: &mut Housekeeping<'_>, walk: &mut Walk) -> sqlx::Result<Batch> {
    let sql = statement(house.table);
    let (looked_at, removed, run, place): (i64, i64, Option<Uuid>, Option<i32>) = sqlx::query_as(AssertSqlSafe(sql))
        .bind(walk.run.unwrap_or(Uuid::max()))
        .bind(walk.run.map_or(i32::MAX, |_| walk.row as i32))
        .bind(BATCH)
        .fetch_one(&mut *house.target)
        .await?;
    walk.run = run.or(walk.run);
    walk.row = place.map_or(walk.row, i64::from);
    Ok(Batch { removed: removed.unsigned_abs(), more: looked_at == BATCH, skipped: false })
}

fn statement(table: &TableRef) -> String {
    format!(
        "with old as materialized (
             select run_id, place, name, rows_inserted + rows_updated > 0 as brought_rows
             from {files}
             where table_name is null and (run_id, place) < ($1, $2)
             order by run_id desc, place desc limit $3
         ), named as (
             select old.*, coalesce(loads.table_name, '') as table_name from old left join {loads} loads using (run_id)
         ), compared as (
             select named.*,
                    count(*) over newer > 0 as is_replaced_here,
                    count(*) filter (where brought_rows) over newer > 0 as is_replaced_by_rows_here
             from named
             window newer as (partition by table_name, name order by run_id desc, place desc
                              rows between unbounded preceding and 1 preceding)
         ), judged as materialized (
             select run_id, place, table_name,
                    (not brought_rows and (is_replaced_here or exists (
                        select from {files} newer where newer.table_name = compared.table_name
                           and md5(newer.name) = md5(compared.name) and newer.run_id > compared.run_id)))
                    or (brought_rows and (is_replaced_by_rows_here or exists (
                        select from {files} newer where newer.table_name = compared.table_name
                           and md5(newer.name) = md5(compared.name) and newer.run_id > compared.run_id
                           and newer.rows_inserted + newer.rows_updated > 0))) as is_replaced
             from compared
         ), removed as (
             delete from {files} file using judged
             where file.run_id = judged.run_id and file.place = judged.place and is_replaced returning 1
         ), named_now as (
             update {files} file set table_name = judged.table_name from judged
             where file.run_id = judged.run_id and file.place = judged.place and not is_replaced
         )
         select (select count(*) from old), (select count(*) from removed), last.run_id, last.place
         from (select 1) one left join (select run_id, place from old order by run_id, place limit 1) last on true",
        files = table.sibling(FILES).sql(),
        loads = table.sibling(LOADS).sql(),
    )
}
