//! `load.mode: merge`: rows of new keys are inserted, and rows of known keys are updated from the latest row of their key.
//!
//! Keys are compared as their columns compare them: by the column's type and collation.

use std::collections::HashMap;

use elt_shared::explained::{Code, Explained};
use elt_shared::target::{TableRef, quote_ident};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use uuid::Uuid;

use crate::contract::{Column, Layout};
use crate::error::PipelineError;
use crate::load::Halt;
use crate::load::copy::RowCounts;
use crate::load::session::{LOADED_AT, ROW_HASH, RUN_ID};
use crate::load::staging::{STAGING, counted, origins, staged, staged_origin};
use crate::load::table::partitions::delivered::Delivered;
use crate::load::table::shape::TableDdl;

fn keys(layout: &Layout) -> impl Iterator<Item = &Column> {
    layout.columns.iter().filter(|column| column.key)
}

/// The SQL condition that a row of the table `t` and a staged row `s` have the same key. In a table that is partitioned by a
/// column of the key it names the partitions of the `delivered` rows.
fn same_key(layout: &Layout, delivered: Option<&Delivered>) -> String {
    let equal = keys(layout).map(|key| format!("t.{} = {}", quote_ident(&key.name), staged_key(key)));
    equal.chain(delivered.map(Delivered::within)).collect::<Vec<_>>().join(" and ")
}

/// An SQL expression for a staged key as the table's column compares it.
fn staged_key(key: &Column) -> String {
    match &key.collation {
        Some(collation) => format!("({} collate {collation})", staged("s", key)),
        None => staged("s", key),
    }
}

/// Creates the unique index over the key's columns if it is missing.
///
/// # Errors
/// A key that is not unique in the table; values too long for an index; database failures.
pub async fn index_keys(tx: &mut PgConnection, ddl: &mut TableDdl<'_>, layout: &Layout) -> Result<(), Halt> {
    let names: Vec<_> = keys(layout).map(|column| column.name.as_str()).collect();
    let mut savepoint = tx.begin().await?;
    let error = match ddl.index(&mut savepoint, &names).await {
        Ok(()) => return Ok(savepoint.commit().await?),
        Err(error) => error,
    };
    savepoint.rollback().await?;
    let code = error.as_database_error().and_then(|error| error.code()).unwrap_or_default().into_owned();
    let table = ddl.table();
    let list = names.join(", ");
    Err(match code.as_str() {
        "23505" => not_unique(tx, table, &names).await?,
        "54000" => PipelineError::Target(Explained {
            code: Code::TargetKeyTooLong,
            message: format!(
                "{table} has rows whose key ({list}) is too long for a unique index, which a merge needs: \
                 an index entry holds at most 2704 bytes"
            ),
            next_step: "Name shorter columns that identify a row under `load.key`, for example a number or a digest."
                .into(),
        }),
        "42704" => PipelineError::Target(Explained {
            code: Code::TargetKeyType,
            message: format!("the key ({list}) of {table} has a column of a type whose values cannot be compared"),
            next_step: "Name columns of another type under `load.key`: a number, a text, a date or a uuid.".into(),
        }),
        _ => return Err(error.into()),
    }
    .into())
}

/// The error about rows of the table with the same key, with the query that finds them.
async fn not_unique(tx: &mut PgConnection, table: &TableRef, names: &[&str]) -> Result<PipelineError, Halt> {
    let quoted: Vec<_> = names.iter().map(|name| quote_ident(name)).collect();
    let list = quoted.join(", ");
    // A unique index treats every NULL as a different value.
    let present = quoted.iter().map(|name| format!("{name} is not null")).collect::<Vec<_>>().join(" and ");
    let repeated =
        format!("select {list}, count(*) from {} where {present} group by {list} having count(*) > 1", table.sql());
    let count: i64 =
        sqlx::query_scalar(AssertSqlSafe(format!("select count(*) from ({repeated}) repeated"))).fetch_one(tx).await?;
    let keys = if count == 1 { "1 key occurs".to_owned() } else { format!("{count} keys occur") };
    Ok(PipelineError::Target(Explained {
        code: Code::TargetUnique,
        message: format!(
            "the key of the merge ({}) is not unique in {table}: {keys} more than once; nothing was changed",
            names.join(", ")
        ),
        next_step: format!(
            "Find these rows with: {repeated}; then delete or correct the repeated rows, or name the columns that \
             identify a row under `load.key`."
        ),
    }))
}

/// Keeps only the last staged row of each key, and deletes that one, too, when the table has an equal row. Deleted rows count
/// as duplicates.
pub async fn drop_superseded(
    tx: &mut PgConnection,
    table: &TableRef,
    layout: &Layout,
    delivered: Option<&Delivered>,
    row_counts: &mut [RowCounts],
) -> Result<(), Halt> {
    let list = keys(layout).map(staged_key).collect::<Vec<_>>().join(", ");
    // Row numbers follow the order of sources, files and rows, so the highest number is the latest row.
    let superseded = counted(
        tx,
        format!(
            "delete from {STAGING} gone using (
                 select s._elt_row, row_number() over (partition by {list} order by s._elt_row desc) as place
                 from {STAGING} s
             ) older
             where older._elt_row = gone._elt_row and older.place > 1 returning gone._elt_file"
        ),
    )
    .await?;
    move_to_duplicates(&superseded, row_counts);
    let unchanged = counted(
        tx,
        format!(
            "delete from {STAGING} s using {} t where {} and t.{ROW_HASH} = s.{ROW_HASH} returning s._elt_file",
            table.sql(),
            same_key(layout, delivered)
        ),
    )
    .await?;
    move_to_duplicates(&unchanged, row_counts);
    Ok(())
}

/// The result of an update.
pub struct Updated {
    /// The updated rows by file.
    pub rows: Vec<(usize, u64)>,
    /// Rows that a trigger of the table kept as they were.
    pub kept: u64,
}

/// Updates the table's rows from the staged rows; leaves the rows of new keys staged. Rows that a trigger keeps as they
/// are count as duplicates, because they were there already.
pub async fn update(
    tx: &mut PgConnection,
    table: &TableRef,
    layout: &Layout,
    delivered: Option<&Delivered>,
    run: Uuid,
    row_counts: &mut [RowCounts],
) -> Result<Updated, Halt> {
    let statement = format!("{} returning s._elt_file", update_statement(table, layout, delivered, run, "true"));
    let updated = counted(tx, statement).await?;
    // Every staged row of a known key was either updated or kept as it was by a trigger, so the difference of the two
    // numbers was kept.
    let mut kept = forget_known(tx, table, layout, delivered).await?;
    for (file, count) in &mut kept {
        *count -= updated.get(file).copied().unwrap_or(0);
    }
    move_to_duplicates(&kept, row_counts);
    let updated: Vec<_> = updated
        .into_iter()
        .filter_map(|(file, count)| Some((usize::try_from(file).ok()?, count.unsigned_abs())))
        .collect();
    // Updated rows have a number of their own in the receipt, so they do not count as sent any more.
    for &(file, count) in &updated {
        row_counts[file].sent = row_counts[file].sent.saturating_sub(count);
    }
    Ok(Updated { rows: updated, kept: kept.values().sum::<i64>().unsigned_abs() })
}

/// The statement that updates the rows whose keys are staged, by the staged rows that meet a condition.
pub fn update_statement(
    table: &TableRef,
    layout: &Layout,
    delivered: Option<&Delivered>,
    run: Uuid,
    condition: &str,
) -> String {
    // Keys that are equal may be written in different ways (`a` and `A` of citext): the latest row's spelling stays.
    let set: String = layout
        .columns
        .iter()
        .filter(|column| !column.key || column.has_spellings())
        .map(|column| format!("{} = {}, ", quote_ident(&column.name), staged("s", column)))
        .collect();
    format!(
        "update {} t set {set}{ROW_HASH} = s.{ROW_HASH}, {RUN_ID} = '{run}', {LOADED_AT} = now(){}
         from {STAGING} s where {} and {condition}",
        table.sql(),
        origins(layout, |origin| format!("{} = s.{}", origin.column(), staged_origin(origin))),
        same_key(layout, delivered)
    )
}

/// Deletes the staged rows whose keys are in the table. Returns how many there were, by file.
pub async fn forget_known(
    tx: &mut PgConnection,
    table: &TableRef,
    layout: &Layout,
    delivered: Option<&Delivered>,
) -> Result<HashMap<i32, i64>, Halt> {
    let (table, same_key) = (table.sql(), same_key(layout, delivered));
    Ok(counted(tx, format!("delete from {STAGING} s using {table} t where {same_key} returning s._elt_file")).await?)
}

/// Counts rows that were counted as sent as duplicates instead.
fn move_to_duplicates(gone: &HashMap<i32, i64>, row_counts: &mut [RowCounts]) {
    for (&file, &count) in gone {
        if let Some(counts) = usize::try_from(file).ok().and_then(|file| row_counts.get_mut(file)) {
            counts.sent = counts.sent.saturating_sub(count.unsigned_abs());
            counts.duplicate += count.unsigned_abs();
        }
    }
}
