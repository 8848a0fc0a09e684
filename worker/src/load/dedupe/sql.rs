//! The statements that delete repeated rows, and rows that the table has already.

use std::collections::HashMap;

use elt_shared::target::TableRef;
use sqlx::{AssertSqlSafe, PgConnection};

use crate::load::copy::RowCounts;
use crate::load::session::ROW_HASH;
use crate::load::staging::STAGING;
use crate::load::table::partitions::delivered::Delivered;

/// Deletes staged rows that are equal to one staged before them. Returns the number of deleted rows.
pub async fn drop_repeated_staged(tx: &mut PgConnection) -> sqlx::Result<u64> {
    // The first of equal rows stays, as it does where the hashes are compared in memory, because both ways must give the same counts.
    let done = sqlx::query(AssertSqlSafe(format!(
        "delete from {STAGING} s using (
             select _elt_row, row_number() over (partition by {ROW_HASH} order by _elt_row) as place from {STAGING}
         ) again
         where again._elt_row = s._elt_row and again.place > 1"
    )))
    .execute(tx)
    .await?;
    Ok(done.rows_affected())
}

/// Leaves only staged rows that the table does not have, and counts the others as duplicates. `delivered`: where the rows of a
/// partitioned table belong.
///
/// The new rows are copied and the known ones are not deleted, because nearly all rows of a source that is loaded again are
/// known.
pub async fn keep_unknown_staged(
    tx: &mut PgConnection,
    table: &TableRef,
    delivered: Option<&Delivered>,
    row_counts: &mut [RowCounts],
) -> sqlx::Result<()> {
    let table = table.sql();
    let unknown = match delivered {
        Some(delivered) => delivered.is_unknown(&table),
        None => format!("not exists (select from {table} t where t.{ROW_HASH} = s.{ROW_HASH})"),
    };
    sqlx::raw_sql(AssertSqlSafe(format!(
        "create temporary table _elt_unknown as select s.* from {STAGING} s where {unknown};
         drop table {STAGING};
         alter table pg_temp._elt_unknown rename to _elt_staging"
    )))
    .execute(&mut *tx)
    .await?;
    // The rows that are left are counted, because the copy does not say which rows it dropped. A file without a row here had
    // only known rows, and its count becomes zero.
    let left: Vec<(i32, i64)> =
        sqlx::query_as(AssertSqlSafe(format!("select _elt_file, count(*) from {STAGING} group by _elt_file")))
            .fetch_all(tx)
            .await?;
    let left: HashMap<_, _> = left.into_iter().collect();
    for (file, counts) in (0_i32..).zip(row_counts) {
        let left = left.get(&file).copied().unwrap_or(0).unsigned_abs();
        counts.duplicate += counts.sent.saturating_sub(left);
        counts.sent = left;
    }
    Ok(())
}

/// Deletes rows of a new table that are equal to one before them. They were sent because their hashes found no room in
/// memory.
pub async fn drop_repeated(tx: &mut PgConnection, table: &TableRef) -> sqlx::Result<()> {
    let table = table.sql();
    // `ctid` serves as the order here, because the table was filled by this transaction alone, and its rows have no key yet.
    sqlx::query(AssertSqlSafe(format!(
        "delete from {table} where ctid in (
             select ctid from (
                 select ctid, row_number() over (partition by {ROW_HASH} order by ctid) as place from {table}
             ) again
             where place > 1)"
    )))
    .execute(tx)
    .await?;
    Ok(())
}
