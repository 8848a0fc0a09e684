//! Rejected rows that are to be loaded after all: read from quarantine into files the usual way can read.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use elt_shared::target::TableRef;
use futures::TryStreamExt;
use serde::Deserialize;
use sqlx::types::Json;
use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;

use super::Halt;
use super::bookkeeping::QUARANTINE;
use super::failure::{Failing, spool};
use crate::error::Result;

/// Which rejected rows.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The run that rejected them.
    pub run_id: Uuid,
    /// Only these; `None`: all of the run.
    pub ids: Option<Vec<i64>>,
    /// Cells that were mended: row, column, text (or NULL).
    pub edits: BTreeMap<i64, BTreeMap<String, Option<String>>>,
}

/// Rejected rows as a file.
#[derive(Debug)]
pub struct ReplayedFile {
    /// The file they came from.
    pub name: String,
    /// Where they are now, as CSV.
    pub path: PathBuf,
}

/// Rejected rows as files.
#[derive(Debug, Default)]
pub struct Replayed {
    /// One an original file.
    pub files: Vec<ReplayedFile>,
    /// The rows in them.
    pub ids: Vec<i64>,
    /// Records that are no rows and cannot be loaded.
    pub records: u64,
}

#[derive(Deserialize)]
struct Cell {
    name: String,
    kind: String,
    text: String,
}

/// Writes the rows that were not loaded yet into a folder, a CSV an original file, in their order.
///
/// # Errors
/// Database failures; a work folder that cannot be written to.
pub async fn write(
    connection: &mut PgConnection,
    table: &TableRef,
    wanted: &Wanted,
    folder: &Path,
) -> Result<Replayed> {
    match write_files(connection, table, wanted, folder).await {
        Ok(replayed) => Ok(replayed),
        Err(halt) => Err(halt.explained(Failing::at(table, "read the rejected rows"), connection).await),
    }
}

async fn write_files(
    connection: &mut PgConnection,
    table: &TableRef,
    wanted: &Wanted,
    folder: &Path,
) -> Result<Replayed, Halt> {
    let mut replayed = Replayed::default();
    for (name, columns) in columns_by_file(connection, table, wanted).await? {
        let path = folder.join(format!("replay-{}.csv", replayed.files.len()));
        let mut csv = BufWriter::new(File::create(&path).map_err(spool)?);
        write_row(&mut csv, columns.iter().map(|column| Some(column.as_str()))).map_err(spool)?;
        let sql = format!("select id, cells from ({}) row where file = $4 order by id", chosen(table));
        let mut rows = sqlx::query_as::<_, (i64, Json<Vec<Cell>>)>(AssertSqlSafe(sql))
            .bind(wanted.run_id)
            .bind(&table.table)
            .bind(&wanted.ids)
            .bind(&name)
            .fetch(&mut *connection);
        while let Some((id, Json(cells))) = rows.try_next().await? {
            let edits = wanted.edits.get(&id);
            let value = |column: &String| match edits.and_then(|edits| edits.get(column)) {
                Some(edit) => edit.as_deref(),
                None => {
                    let cell = cells.iter().find(|cell| cell.name == *column && cell.kind != "null");
                    cell.map(|cell| cell.text.as_str())
                }
            };
            write_row(&mut csv, columns.iter().map(value)).map_err(spool)?;
            replayed.ids.push(id);
        }
        drop(rows);
        csv.flush().map_err(spool)?;
        replayed.files.push(ReplayedFile { name: format!("{name} (rejected rows)"), path });
    }
    let sql = format!("select count(*) from {} where {} and cells is null", table.sibling(QUARANTINE).sql(), WHICH);
    let records: i64 = sqlx::query_scalar(AssertSqlSafe(sql))
        .bind(wanted.run_id)
        .bind(&table.table)
        .bind(&wanted.ids)
        .fetch_one(connection)
        .await?;
    replayed.records = records.unsigned_abs();
    Ok(replayed)
}

/// In the loading transaction: these rows need no replay any more.
pub async fn mark(tx: &mut PgConnection, table: &TableRef, ids: &[i64], by: Uuid) -> sqlx::Result<()> {
    sqlx::query(AssertSqlSafe(format!(
        "update {} set replayed_by = $2 where id = any($1) and replayed_by is null",
        table.sibling(QUARANTINE).sql()
    )))
    .bind(ids)
    .bind(by)
    .execute(tx)
    .await?;
    Ok(())
}

/// The union of the columns of each file's rows; files and columns in the order of their first appearance.
async fn columns_by_file(
    connection: &mut PgConnection,
    table: &TableRef,
    wanted: &Wanted,
) -> sqlx::Result<Vec<(String, Vec<String>)>> {
    sqlx::query_as(AssertSqlSafe(format!(
        "select file, array_agg(name order by first_row, place)
         from (select file, cell ->> 'name' as name, min(id) as first_row, min(place) as place
               from ({}) row, jsonb_array_elements(cells) with ordinality as cells (cell, place)
               group by file, cell ->> 'name') columns
         group by file order by min(first_row)",
        chosen(table)
    )))
    .bind(wanted.run_id)
    .bind(&table.table)
    .bind(&wanted.ids)
    .fetch_all(connection)
    .await
}

/// Rows that were rejected, not loaded since, and asked for.
const WHICH: &str =
    "run_id = $1 and table_name = $2 and replayed_by is null and ($3::bigint[] is null or id = any($3))";

fn chosen(table: &TableRef) -> String {
    format!("select id, file, cells from {} where {WHICH} and cells is not null", table.sibling(QUARANTINE).sql())
}

/// Texts are quoted and NULL is not: they come back as they were.
fn write_row<'a>(csv: &mut impl Write, values: impl Iterator<Item = Option<&'a str>>) -> std::io::Result<()> {
    for (index, value) in values.enumerate() {
        if index > 0 {
            csv.write_all(b",")?;
        }
        if let Some(value) = value {
            write!(csv, "\"{}\"", value.replace('"', "\"\""))?;
        }
    }
    csv.write_all(b"\n")
}
