//! Staging: rows go to a temporary table first, so that the target is locked for the merge only.

use std::collections::HashMap;

use elt_shared::target::{TableRef, quote_ident};
use sqlx::{AssertSqlSafe, PgConnection};

use super::feed::Tally;
use super::session::{LOADED_AT, ROW_HASH, RUN_ID};
use super::table::{column_list, staged_list};
use crate::contract::{Layout, SqlType};

/// Where rows are staged: gone with the session.
pub const STAGING: &str = "pg_temp._elt_staging";

/// Makes the staging table and answers the COPY that fills it.
pub async fn create(connection: &mut PgConnection, layout: &Layout) -> sqlx::Result<String> {
    let columns: Vec<_> = layout
        .columns
        .iter()
        .map(|column| match column.sql_type() {
            _ if column.transcoded => format!("{} bytea", quote_ident(&column.name)),
            SqlType::Known(_) => format!("{} {}", quote_ident(&column.name), column.sql),
            SqlType::Other(_) => format!("{} text", quote_ident(&column.name)),
        })
        .collect();
    let statement = format!(
        "drop table if exists {STAGING};
         create temporary table _elt_staging ({}, {ROW_HASH} uuid, _elt_file integer, _elt_row bigint)",
        columns.join(", ")
    );
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(connection).await?;
    Ok(format!("copy {STAGING} ({}{ROW_HASH}, _elt_file, _elt_row) from stdin (format binary)", column_list(layout)))
}

/// Lets the planner know what was staged, so that it joins well.
pub async fn analyze(connection: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::raw_sql("analyze pg_temp._elt_staging").execute(connection).await?;
    Ok(())
}

/// Removes staged rows that are equal to one staged before them.
pub async fn drop_repeated(tx: &mut PgConnection) -> sqlx::Result<u64> {
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

/// Leaves only staged rows the table does not have; the others are duplicates.
///
/// The new ones are copied instead of deleting the known ones: of a source that is loaded again nearly all are known.
pub async fn keep_unknown(tx: &mut PgConnection, table: &TableRef, tallies: &mut [Tally]) -> sqlx::Result<()> {
    sqlx::raw_sql(AssertSqlSafe(format!(
        "create temporary table _elt_unknown as
         select s.* from {STAGING} s where not exists (select from {} t where t.{ROW_HASH} = s.{ROW_HASH});
         drop table {STAGING};
         alter table pg_temp._elt_unknown rename to _elt_staging",
        table.sql()
    )))
    .execute(&mut *tx)
    .await?;
    let left: Vec<(i32, i64)> =
        sqlx::query_as(AssertSqlSafe(format!("select _elt_file, count(*) from {STAGING} group by _elt_file")))
            .fetch_all(tx)
            .await?;
    let left: HashMap<_, _> = left.into_iter().collect();
    for (file, tally) in (0_i32..).zip(tallies) {
        let left = left.get(&file).copied().unwrap_or(0).unsigned_abs();
        tally.duplicate += tally.sent.saturating_sub(left);
        tally.sent = left;
    }
    Ok(())
}

/// Inserts what is staged, in the order of the index it goes into. Answers the number of rows.
pub async fn insert(tx: &mut PgConnection, table: &TableRef, layout: &Layout, run: uuid::Uuid) -> sqlx::Result<u64> {
    let statement = format!("{} order by s.{ROW_HASH}, s._elt_row", insertion(table, layout, run, "true"));
    Ok(sqlx::query(AssertSqlSafe(statement)).execute(tx).await?.rows_affected())
}

/// The statement that inserts the staged rows that meet a condition.
pub fn insertion(table: &TableRef, layout: &Layout, run: uuid::Uuid, condition: &str) -> String {
    format!(
        "insert into {} ({}{ROW_HASH}, {RUN_ID}, {LOADED_AT}) overriding system value
         select {}s.{ROW_HASH}, '{run}', now() from {STAGING} s where {condition}",
        table.sql(),
        column_list(layout),
        staged_list(layout),
    )
}
