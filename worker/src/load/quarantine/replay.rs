//! A replay reads rejected rows from the quarantine into CSV files, which are then loaded like others.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use elt_shared::config::CsvOptions;
use elt_shared::explained::{Code, Explained};
use elt_shared::target::TableRef;
use futures::TryStreamExt;
use serde::Deserialize;
use sqlx::types::Json;
use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;

use crate::error::{PipelineError, Result};
use crate::load::Halt;
use crate::load::elt_tables::QUARANTINE;
use crate::load::failure::{Failing, spool};

/// The rejected rows that a replay loads.
#[derive(Debug, Clone)]
pub struct ReplayRequest {
    /// The run that rejected them.
    pub run_id: Uuid,
    /// Ids of the rows. `None`: all rows that the run was the first or the last one to reject.
    pub ids: Option<Vec<i64>>,
    /// Corrected cells, by the id of the row and the name of the column; a `None` is NULL.
    pub edits: BTreeMap<i64, BTreeMap<String, Option<String>>>,
}

/// Rejected rows as a file.
#[derive(Debug)]
pub struct ReplayedFile {
    /// Name of the file that they came from.
    pub original: String,
    /// How the CSV file that they are in now is read.
    pub csv: CsvOptions,
    /// Path of the CSV file that they are in now.
    pub path: PathBuf,
}

/// Rejected rows as files.
#[derive(Debug, Default)]
pub struct Replayed {
    /// One file for each original file.
    pub files: Vec<ReplayedFile>,
    /// Ids of the rows in these files.
    pub ids: Vec<i64>,
    /// Number of records that are not rows and cannot be loaded.
    pub records: u64,
}

#[derive(Deserialize)]
struct Cell {
    name: String,
    kind: String,
    text: String,
}

/// Writes the rows that were not replayed yet into a folder, as one CSV for each original file, in their order. `reading`: how the
/// texts of a file's cells are read, by its name; it is asked when the meaning of the texts depends on the config.
///
/// # Errors
/// Database failures; a work folder that cannot be written to; those of `reading`.
pub async fn write(
    connection: &mut PgConnection,
    table: &TableRef,
    request: &ReplayRequest,
    folder: &Path,
    reading: impl Fn(&str) -> Result<CsvOptions>,
) -> Result<Replayed> {
    match write_files(connection, table, request, folder, reading).await {
        Ok(replayed) => Ok(replayed),
        Err(halt) => Err(halt.explained(Failing::at(table, "read the rejected rows"), connection).await),
    }
}

async fn write_files(
    connection: &mut PgConnection,
    table: &TableRef,
    request: &ReplayRequest,
    folder: &Path,
    reading: impl Fn(&str) -> Result<CsvOptions>,
) -> Result<Replayed, Halt> {
    let mut replayed = Replayed::default();
    for (name, columns, is_text) in columns_by_file(connection, table, request).await? {
        let csv_options = if is_text { reading(&name)? } else { CsvOptions::default() };
        let has_decimal_comma = csv_options.numbers.is_some_and(|numbers| numbers.decimal == b',');
        let path = folder.join(format!("replay-{}.csv", replayed.files.len()));
        let mut csv = BufWriter::new(File::create(&path).map_err(spool)?);
        write_row(&mut csv, columns.iter().map(|column| Some(column.as_str()))).map_err(spool)?;
        let sql = format!("select id, cells from ({}) row where file = $4 order by id", chosen(table));
        let mut rows = sqlx::query_as::<_, (i64, Json<Vec<Cell>>)>(AssertSqlSafe(sql))
            .bind(request.run_id)
            .bind(&table.table)
            .bind(&request.ids)
            .bind(&name)
            .fetch(&mut *connection);
        while let Some((id, Json(mut cells))) = rows.try_next().await? {
            // A number that a shape computed has a point, also among texts with a comma.
            for cell in cells.iter_mut().filter(|cell| has_decimal_comma && cell.kind == "number") {
                cell.text = cell.text.replace('.', ",");
            }
            let edits = request.edits.get(&id);
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
        replayed.files.push(ReplayedFile { original: name, csv: csv_options, path });
    }
    let sql = format!("select count(*) from {} where {} and cells is null", table.sibling(QUARANTINE).sql(), REQUESTED);
    let records: i64 = sqlx::query_scalar(AssertSqlSafe(sql))
        .bind(request.run_id)
        .bind(&table.table)
        .bind(&request.ids)
        .fetch_one(connection)
        .await?;
    replayed.records = records.unsigned_abs();
    Ok(replayed)
}

/// Marks rows as replayed by a run, as part of its loading transaction. They were read before the table was locked.
///
/// # Errors
/// [`PipelineError::Load`] when some of them are no longer there or were replayed meanwhile, because the transaction would
/// load rows that another run has or will have.
pub(in crate::load) async fn mark_replayed(
    tx: &mut PgConnection,
    table: &TableRef,
    ids: &[i64],
    by: Uuid,
) -> Result<(), Halt> {
    let marked = sqlx::query(AssertSqlSafe(format!(
        "update {} set replayed_by = $2 where id = any($1) and replayed_by is null",
        table.sibling(QUARANTINE).sql()
    )))
    .bind(ids)
    .bind(by)
    .execute(tx)
    .await?;
    if marked.rows_affected() == ids.len() as u64 {
        return Ok(());
    }
    Err(PipelineError::Load(Explained {
        code: Code::TargetRace,
        message: format!("the quarantine beside {table} changed while its rows were replayed"),
        next_step: "Retry the run: it replays the rows that are left.".into(),
    })
    .into())
}

/// The union of the columns of each file's rows, and whether a cell of them is a text of a delimited file, whose meaning depends
/// on the config. Files and columns are in the order of their first appearance.
async fn columns_by_file(
    connection: &mut PgConnection,
    table: &TableRef,
    request: &ReplayRequest,
) -> sqlx::Result<Vec<(String, Vec<String>, bool)>> {
    sqlx::query_as(AssertSqlSafe(format!(
        "select file, array_agg(name order by first_row, place), bool_or(is_text)
         from (select file, cell ->> 'name' as name, min(id) as first_row, min(place) as place,
                      bool_or(cell ->> 'kind' in ('bare', 'quoted')) as is_text
               from ({}) row, jsonb_array_elements(cells) with ordinality as cells (cell, place)
               group by file, cell ->> 'name') columns
         group by file order by min(first_row)",
        chosen(table)
    )))
    .bind(request.run_id)
    .bind(&table.table)
    .bind(&request.ids)
    .fetch_all(connection)
    .await
}

/// The condition for rows that the run rejected, as the first or the last one, that were not replayed since and that were
/// asked for.
const REQUESTED: &str = "(run_id = $1 or first_run_id = $1) and table_name = $2 and replayed_by is null
                         and ($3::bigint[] is null or id = any($3))";

fn chosen(table: &TableRef) -> String {
    format!("select id, file, cells from {} where {REQUESTED} and cells is not null", table.sibling(QUARANTINE).sql())
}

/// Writes a line of CSV. Texts are quoted and NULL is empty, so that both are read back as they were.
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
