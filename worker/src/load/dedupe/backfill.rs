//! The backfill of row hashes into a table that existed before elt first loads into it: its rows are hashed once, so that a
//! row that it has is not loaded again. The first of equal rows gets the hash and its copies keep NULL, because the index over
//! hashes is unique. No row is deleted.

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, Write};
use std::path::Path;

use elt_shared::explained::{Code, Explained};
use elt_shared::target::{TableRef, quote_ident};
use futures::TryStreamExt;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::row_hash::RowHasher;
use crate::contract::{Column, Layout};
use crate::error::PipelineError;
use crate::load::Halt;
use crate::load::copy::binary;
use crate::load::failure::spool as spool_failed;
use crate::load::session::ROW_HASH;
use crate::load::table::triggers;

/// Name of the cursor over the rows of the table.
const CURSOR: &str = "_elt_rows_to_adopt";
/// Characters of the longest `ctid`: `(4294967295,65535)`.
const LONGEST_PLACE: usize = 18;
/// Number of rows that one request fetches.
const ROWS_PER_FETCH: u32 = 1_000;

/// Hashes the rows of the table, its partitions and its child tables, over the columns the layout loads.
/// `present`: for each column of the layout, whether the table has it. Returns the number of rows.
///
/// # Errors
/// Database failures; a work folder that cannot be written to; a rule of the table that keeps rows from being marked.
pub async fn hash_rows(
    tx: &mut PgConnection,
    table: &TableRef,
    layout: &Layout,
    present: &[bool],
    folder: &Path,
) -> Result<u64, Halt> {
    let mut hashes = RowHashFile::in_folder(folder).map_err(spool_failed)?;
    read_rows(tx, table, layout, present, &mut hashes).await?;
    let rows = hashes.rows;
    // A hash is not a change by the table's owner, so the owner's triggers must neither see nor refuse it.
    let paused = triggers::pause_updates(tx, table).await?;
    let unmarked = write_hashes(tx, table, hashes.finish().map_err(spool_failed)?).await?;
    triggers::resume(tx, &paused).await?;
    if unmarked > 0 {
        return Err(PipelineError::Target(Explained {
            code: Code::TargetTrigger,
            message: format!(
                "could not mark the rows of {table}: a rule of the table kept {unmarked} of {rows} rows as they were"
            ),
            next_step:
                "Make the rule allow updates that change only _elt_row_hash, or write `dedupe: none` under `load:`."
                    .into(),
        })
        .into());
    }
    Ok(rows)
}

/// The hashes of the rows, in the order of the rows, in an unnamed file and encoded for binary COPY.
struct RowHashFile {
    file: BufWriter<File>,
    row: Vec<u8>,
    rows: u64,
}

impl RowHashFile {
    fn in_folder(folder: &Path) -> io::Result<Self> {
        let mut file = BufWriter::new(tempfile::tempfile_in(folder)?);
        file.write_all(binary::HEADER)?;
        Ok(Self { file, row: Vec::new(), rows: 0 })
    }

    /// Adds a row. `part`: id of the table that it is in, which may be a partition or child table; `place`: its `ctid` there.
    fn push(&mut self, part: i64, place: &str, hash: u128) -> io::Result<()> {
        self.row.clear();
        binary::row(4, &mut self.row);
        binary::bigint(part, &mut self.row);
        binary::bytes(place.as_bytes(), &mut self.row);
        binary::uuid(hash, &mut self.row);
        binary::bigint(self.rows as i64, &mut self.row);
        self.rows += 1;
        self.file.write_all(&self.row)
    }

    fn finish(mut self) -> io::Result<File> {
        self.file.write_all(binary::TRAILER)?;
        let mut file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.rewind()?;
        Ok(file)
    }
}

async fn read_rows(
    tx: &mut PgConnection,
    table: &TableRef,
    layout: &Layout,
    present: &[bool],
    hashes: &mut RowHashFile,
) -> Result<(), Halt> {
    let mut hasher = RowHasher::new(layout);
    let columns = layout.columns.iter().zip(present).filter(|(_, present)| **present);
    let fields: String = columns.map(|(column, _)| format!(", {}", delivered(column))).collect();
    // The fields of the answer follow the table's id and the row's place, so the first column is field 2.
    let places: Vec<Option<usize>> = present
        .iter()
        .scan(1, |last, present| {
            *last += usize::from(*present);
            Some(present.then_some(*last))
        })
        .collect();
    // The rows are read through a cursor, because the answer to one statement is held in memory and a table may be larger.
    let statement = format!(
        "declare {CURSOR} no scroll cursor for select tableoid::bigint, ctid::text{fields} from {} order by tableoid, ctid",
        table.sql()
    );
    sqlx::query(AssertSqlSafe(statement)).execute(&mut *tx).await?;
    let fetch = format!("fetch {ROWS_PER_FETCH} from {CURSOR}");
    loop {
        let before = hashes.rows;
        let mut rows = sqlx::query(AssertSqlSafe(fetch.clone())).fetch(&mut *tx);
        while let Some(row) = rows.try_next().await? {
            let mut values = Vec::with_capacity(places.len());
            for place in &places {
                values.push(match place {
                    Some(place) => row.try_get::<Option<&str>, _>(*place)?,
                    None => None,
                });
            }
            let hash = hasher.written(|column| values[column].map(str::as_bytes));
            let place: &str = row.try_get(1)?;
            // The length is checked, because the places are written to the worker's disk and a target may answer anything.
            if place.len() > LONGEST_PLACE {
                return Err(sqlx::Error::Decode("the place of a row is not a ctid".into()).into());
            }
            hashes.push(row.try_get(0)?, place, hash).map_err(spool_failed)?;
        }
        if hashes.rows == before {
            break;
        }
    }
    sqlx::query(AssertSqlSafe(format!("close {CURSOR}"))).execute(tx).await?;
    Ok(())
}

/// An SQL expression for a column's value in the form that a file would have it.
pub(in crate::load) fn delivered(column: &Column) -> String {
    let name = quote_ident(&column.name);
    let is_inet = column.foreign.as_ref().is_some_and(|foreign| foreign.name == "inet" && !foreign.array);
    if is_inet {
        // A cast of an address to text adds `/32`, which the output function leaves out.
        format!("case when {name} is not null then format('%s', {name}) end")
    } else {
        format!("{name}::text")
    }
}

/// Writes the hashes into the table, for equal rows only into the first. Returns the number of rows that should have got a
/// hash and did not.
async fn write_hashes(tx: &mut PgConnection, table: &TableRef, mut hashes: File) -> Result<u64, Halt> {
    sqlx::raw_sql("create temporary table _elt_adopted (part bigint, place text, hash uuid, n bigint) on commit drop")
        .execute(&mut *tx)
        .await?;
    let mut copy = tx.copy_in_raw("copy pg_temp._elt_adopted from stdin (format binary)").await?;
    let mut chunk = vec![0; 1 << 20];
    loop {
        let length = hashes.read(&mut chunk).map_err(spool_failed)?;
        if length == 0 {
            break;
        }
        copy.send(&chunk[..length]).await?;
    }
    copy.finish().await?;
    let distinct: i64 =
        sqlx::query_scalar("select count(distinct hash) from pg_temp._elt_adopted").fetch_one(&mut *tx).await?;
    let marked = sqlx::query(AssertSqlSafe(format!(
        "update {} t set {ROW_HASH} = first.hash
         from (select distinct on (hash) part::oid as part, place::tid as place, hash
               from pg_temp._elt_adopted order by hash, n) first
         where t.tableoid = first.part and t.ctid = first.place",
        table.sql()
    )))
    .execute(&mut *tx)
    .await?
    .rows_affected();
    sqlx::raw_sql("drop table pg_temp._elt_adopted").execute(tx).await?;
    Ok(distinct.unsigned_abs().saturating_sub(marked))
}
