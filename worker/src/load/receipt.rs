//! The receipt: how many rows of each file were inserted, updated, duplicates, rejected or filtered. A constraint of the
//! table checks that these numbers add up to the rows that were read.

use elt_shared::runs::report::{FileReceipt, RunReport};
use elt_shared::target::TableRef;
use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;

use super::elt_tables::FILES;

/// Writes one receipt for each file, as part of the loading transaction, and deletes the older receipts of the same files
/// that these replace. A file keeps its newest receipt, and the newest one that brought rows when that is another.
pub async fn write(tx: &mut PgConnection, table: &TableRef, run_id: Uuid, files: &[FileReceipt]) -> sqlx::Result<()> {
    let column = |count: fn(&FileReceipt) -> u64| files.iter().map(|file| count(file) as i64).collect::<Vec<_>>();
    sqlx::query(AssertSqlSafe(format!(
        "with written as (
             insert into {files} (run_id, place, name, bytes, content_hash, rows_read, rows_inserted, rows_updated,
                                  rows_duplicate, rows_quarantined, rows_filtered, table_name)
             select $1, place, name, bytes, content_hash::uuid, rows_read, rows_inserted, rows_updated, rows_duplicate,
                    rows_quarantined, rows_filtered, $11
             from unnest($2::text[], $3::bigint[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[],
                         $9::bigint[], $10::bigint[]) with ordinality
                  as file (name, bytes, content_hash, rows_read, rows_inserted, rows_updated, rows_duplicate,
                           rows_quarantined, rows_filtered, place)
             returning name, rows_inserted + rows_updated > 0 as brought_rows
         )
         delete from {files} older using written
         where older.table_name = $11 and md5(older.name) = md5(written.name) and older.name = written.name
           and older.run_id <> $1 and (written.brought_rows or older.rows_inserted + older.rows_updated = 0)",
        files = table.sibling(FILES).sql()
    )))
    .bind(run_id)
    .bind(files.iter().map(|file| file.name.replace('\0', "\u{FFFD}")).collect::<Vec<_>>())
    .bind(column(|file| file.bytes))
    .bind(files.iter().map(|file| file.content_hash.clone()).collect::<Vec<_>>())
    .bind(column(|file| file.rows_read))
    .bind(column(|file| file.rows_inserted))
    .bind(column(|file| file.rows_updated))
    .bind(column(|file| file.rows_duplicate))
    .bind(column(|file| file.rows_quarantined))
    .bind(column(|file| file.rows_filtered))
    .bind(&table.table)
    .execute(tx)
    .await?;
    Ok(())
}

/// Sets the totals of a run to the sums of its files.
pub fn sum_up(report: &mut RunReport) {
    let sum = |count: fn(&FileReceipt) -> u64| report.files.iter().map(count).sum::<u64>();
    let (read, inserted, updated) = (sum(|f| f.rows_read), sum(|f| f.rows_inserted), sum(|f| f.rows_updated));
    let (duplicate, quarantined) = (sum(|f| f.rows_duplicate), sum(|f| f.rows_quarantined));
    let (filtered, bytes) = (sum(|f| f.rows_filtered), sum(|f| f.bytes));
    report.rows_read = read;
    report.rows_inserted = inserted;
    report.rows_updated = updated;
    report.rows_duplicate = duplicate;
    report.rows_quarantined = quarantined;
    report.rows_filtered = filtered;
    report.bytes = bytes;
}
