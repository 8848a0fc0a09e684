//! `load.mode: merge`: new keys are inserted, known keys take the latest row.

use std::collections::HashMap;

use elt_shared::target::{TableRef, quote_ident};
use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;

use super::feed::Tally;
use super::session::{LOADED_AT, ROW_HASH, RUN_ID};
use super::staging::STAGING;
use super::table::staged;
use crate::contract::Layout;

/// Brings the table's rows up to date with what is staged; leaves the rows of new keys staged.
/// Answers the updated rows by file.
pub async fn update(
    tx: &mut PgConnection,
    table: &TableRef,
    layout: &Layout,
    run: Uuid,
    tallies: &mut [Tally],
) -> sqlx::Result<Vec<(usize, u64)>> {
    let keys: Vec<_> = layout.columns.iter().filter(|column| column.key).collect();
    let list = keys.iter().map(|key| quote_ident(&key.name)).collect::<Vec<_>>().join(", ");
    let same_key = keys
        .iter()
        .map(|key| format!("t.{} = {}", quote_ident(&key.name), staged("s", &key.name, key.sql_type(), &key.sql)))
        .collect::<Vec<_>>()
        .join(" and ");

    // Of the rows of one key the last one counts: the last in source, file and row order.
    let superseded = counted(
        tx,
        format!(
            "delete from {STAGING} s using (
                 select _elt_row, row_number() over (partition by {list} order by _elt_row desc) as place from {STAGING}
             ) older
             where older._elt_row = s._elt_row and older.place > 1 returning s._elt_file"
        ),
    )
    .await?;
    move_to_duplicates(&superseded, tallies);
    let unchanged = counted(
        tx,
        format!(
            "delete from {STAGING} s using {} t where {same_key} and t.{ROW_HASH} = s.{ROW_HASH} returning s._elt_file",
            table.sql()
        ),
    )
    .await?;
    move_to_duplicates(&unchanged, tallies);

    let set: String = layout
        .columns
        .iter()
        .filter(|column| !column.key)
        .map(|column| {
            let value = staged("s", &column.name, column.sql_type(), &column.sql);
            format!("{} = {value}, ", quote_ident(&column.name))
        })
        .collect();
    let updated = counted(
        tx,
        format!(
            "update {} t set {set}{ROW_HASH} = s.{ROW_HASH}, {RUN_ID} = '{run}', {LOADED_AT} = now()
             from {STAGING} s where {same_key} returning s._elt_file",
            table.sql()
        ),
    )
    .await?;
    counted(tx, format!("delete from {STAGING} s using {} t where {same_key} returning s._elt_file", table.sql()))
        .await?;
    let updated =
        updated.into_iter().filter_map(|(file, count)| Some((usize::try_from(file).ok()?, count.unsigned_abs())));
    let updated: Vec<_> = updated.collect();
    for &(file, count) in &updated {
        tallies[file].sent = tallies[file].sent.saturating_sub(count);
    }
    Ok(updated)
}

/// Runs a statement that returns a file's place a row, and counts them by file.
async fn counted(tx: &mut PgConnection, statement: String) -> sqlx::Result<HashMap<i32, i64>> {
    let rows: Vec<(i32, i64)> = sqlx::query_as(AssertSqlSafe(format!(
        "with done as ({statement}) select _elt_file, count(*) from done group by _elt_file"
    )))
    .fetch_all(tx)
    .await?;
    Ok(rows.into_iter().collect())
}

/// Rows that were sent turned out to be duplicates.
fn move_to_duplicates(gone: &HashMap<i32, i64>, tallies: &mut [Tally]) {
    for (&file, &count) in gone {
        if let Some(tally) = usize::try_from(file).ok().and_then(|file| tallies.get_mut(file)) {
            tally.sent = tally.sent.saturating_sub(count.unsigned_abs());
            tally.duplicate += count.unsigned_abs();
        }
    }
}
