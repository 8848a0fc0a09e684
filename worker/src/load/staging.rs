//! The staging table: rows go to a temporary table first, so that the target table is locked only while they are brought
//! over.

use std::collections::HashMap;

use elt_shared::config::{ColumnType, Provenance};
use elt_shared::target::{TableRef, quote_ident};
use sqlx::{AssertSqlSafe, PgConnection};

use super::session::{LOADED_AT, ROW_HASH, RUN_ID};
use super::table::partitions::delivered::Delivered;
use crate::contract::{Column, Layout, SqlType};

/// Name of the staging table as SQL. The server drops the table when the session ends.
pub const STAGING: &str = "pg_temp._elt_staging";

/// Creates the staging table. Returns the COPY statement that fills it. Types that the server converts to are staged as
/// texts, and texts with characters that the database's encoding may lack as bytes.
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
         create temporary table _elt_staging ({}, {ROW_HASH} uuid, _elt_file integer, _elt_row bigint{})",
        columns.join(", "),
        origins(layout, |origin| format!("{} {}", staged_origin(origin), origin.sql_type()))
    );
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(connection).await?;
    Ok(format!(
        "copy {STAGING} ({}{ROW_HASH}, _elt_file, _elt_row{}) from stdin (format binary)",
        column_list(layout),
        origins(layout, staged_origin)
    ))
}

/// Collects statistics of the staging table, because autovacuum does not see temporary tables and the planner would join
/// badly without them.
pub async fn analyze(connection: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::raw_sql("analyze pg_temp._elt_staging").execute(connection).await?;
    Ok(())
}

/// Inserts the staged rows in the order of their hashes, because the unique index over them is then filled page by page. The
/// rows of a table that is partitioned by a column have the order of its index. Returns the number of rows.
pub async fn insert(
    tx: &mut PgConnection,
    table: &TableRef,
    layout: &Layout,
    run: uuid::Uuid,
    delivered: Option<&Delivered>,
) -> sqlx::Result<u64> {
    let first = delivered.map(|delivered| format!("{}, ", delivered.order())).unwrap_or_default();
    let statement = format!("{} order by {first}s.{ROW_HASH}, s._elt_row", insertion(table, layout, run, "true"));
    Ok(sqlx::query(AssertSqlSafe(statement)).execute(tx).await?.rows_affected())
}

/// The statement that inserts the staged rows that meet a condition.
pub fn insertion(table: &TableRef, layout: &Layout, run: uuid::Uuid, condition: &str) -> String {
    format!(
        "insert into {} ({}{ROW_HASH}, {RUN_ID}, {LOADED_AT}{}) overriding system value
         select {}s.{ROW_HASH}, '{run}', now(){} from {STAGING} s where {condition}",
        table.sql(),
        column_list(layout),
        origins(layout, |origin| origin.column().to_owned()),
        staged_list(layout),
        origins(layout, |origin| format!("s.{}", staged_origin(origin))),
    )
}

/// The names of a layout's columns as SQL, each followed by a comma, for statements that list elt's own columns after them.
pub fn column_list(layout: &Layout) -> String {
    layout.columns.iter().map(|column| format!("{}, ", quote_ident(&column.name))).collect()
}

/// A part of a statement for each column that says where a row came from, each after a comma.
pub fn origins(layout: &Layout, part: impl Fn(Provenance) -> String) -> String {
    layout.provenance.iter().map(|&origin| format!(", {}", part(origin))).collect()
}

/// The staging table's column for such a column. Its name differs, because the staging table has an `_elt_file` and an
/// `_elt_row` of its own.
pub fn staged_origin(origin: Provenance) -> String {
    format!("_elt_origin{}", origin.column().trim_start_matches("_elt"))
}

/// The same columns as expressions over the staging table, with a cast where the server converts texts.
pub fn staged_list(layout: &Layout) -> String {
    layout.columns.iter().map(|column| format!("{}, ", staged("s", column))).collect()
}

/// One staged value as the table stores it. The explicit cast would silently shorten or round a value that does not fit
/// its column, but [`conversion_check`](crate::load::conversion_check) has refused such values before.
pub fn staged(alias: &str, column: &Column) -> String {
    let value = staged_text(alias, column);
    match column.sql_type() {
        SqlType::Known(ColumnType::Json) if column.transcoded => format!("{value}::jsonb"),
        SqlType::Known(_) => value,
        SqlType::Other(_) => format!("{value}::{}", column.sql),
    }
}

/// One staged value as it was sent.
pub fn staged_text(alias: &str, column: &Column) -> String {
    decoded(&format!("{alias}.{}", quote_ident(&column.name)), column)
}

/// A value of the type of the column's staged values, as a text where it is one.
pub fn decoded(value: &str, column: &Column) -> String {
    if column.transcoded { format!("convert_from({value}, 'UTF8')") } else { value.to_owned() }
}

/// Runs a statement that returns `_elt_file` for each row, and counts the rows of each file by its index.
pub async fn counted(tx: &mut PgConnection, statement: String) -> sqlx::Result<HashMap<i32, i64>> {
    let rows: Vec<(i32, i64)> = sqlx::query_as(AssertSqlSafe(format!(
        "with done as ({statement}) select _elt_file, count(*) from done group by _elt_file"
    )))
    .fetch_all(tx)
    .await?;
    Ok(rows.into_iter().collect())
}
