//! Adopting a table that was there before elt: its rows are hashed once, so that a row it has is not loaded again.
//! The first of equal rows gets the hash, its copies keep NULL; nothing is deleted.

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, Write};
use std::path::Path;

use elt_shared::explained::{Code, Explained};
use elt_shared::target::{TableRef, quote_ident};
use futures::TryStreamExt;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::copy_binary as copy;
use super::failure::spool as spool_failed;
use super::row_hash::RowHasher;
use super::session::ROW_HASH;
use super::{Halt, triggers};
use crate::contract::{Column, Layout};
use crate::error::PipelineError;

/// The cursor over the rows of the table.
const CURSOR: &str = "_elt_rows_to_adopt";
/// Rows fetched by one request.
const ROWS_AT_ONCE: u32 = 1_000;

/// Hashes the rows of the table, its partitions and its child tables, over the columns the layout loads.
/// `there`: which of the layout's columns the table has. Returns the number of rows.
///
/// # Errors
/// Database failures; a work folder that cannot be written to; a rule of the table that keeps rows from being marked.
pub async fn hash_rows(
    tx: &mut PgConnection,
    table: &TableRef,
    layout: &Layout,
    there: &[bool],
    folder: &Path,
) -> Result<u64, Halt> {
    let mut spool = Spool::in_folder(folder).map_err(spool_failed)?;
    read_rows(tx, table, layout, there, &mut spool).await?;
    let rows = spool.rows;
    // The mark is no change that the table's owner made, so the owner's triggers must neither see nor refuse it.
    let paused = triggers::pause_updates(tx, table).await?;
    let unmarked = write_hashes(tx, table, spool.finish().map_err(spool_failed)?).await?;
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

/// The hashes of the rows in the order of the rows, in a file without a name, as binary COPY reads them.
struct Spool {
    file: BufWriter<File>,
    row: Vec<u8>,
    rows: u64,
}

impl Spool {
    fn in_folder(folder: &Path) -> io::Result<Self> {
        let mut file = BufWriter::new(tempfile::tempfile_in(folder)?);
        file.write_all(copy::HEADER)?;
        Ok(Self { file, row: Vec::new(), rows: 0 })
    }

    /// Adds a row: the table it is in (a partition or child table), its place there, its hash.
    fn push(&mut self, part: i64, place: &str, hash: u128) -> io::Result<()> {
        self.row.clear();
        copy::row(4, &mut self.row);
        copy::bigint(part, &mut self.row);
        copy::bytes(place.as_bytes(), &mut self.row);
        copy::uuid(hash, &mut self.row);
        copy::bigint(self.rows as i64, &mut self.row);
        self.rows += 1;
        self.file.write_all(&self.row)
    }

    fn finish(mut self) -> io::Result<File> {
        self.file.write_all(copy::TRAILER)?;
        let mut file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.rewind()?;
        Ok(file)
    }
}

async fn read_rows(
    tx: &mut PgConnection,
    table: &TableRef,
    layout: &Layout,
    there: &[bool],
    spool: &mut Spool,
) -> Result<(), Halt> {
    let mut hasher = RowHasher::new(layout);
    let columns = layout.columns.iter().zip(there).filter(|(_, there)| **there);
    let fields: String = columns.map(|(column, _)| format!(", {}", delivered(column))).collect();
    let places: Vec<Option<usize>> = there
        .iter()
        .scan(1, |next, there| {
            *next += usize::from(*there);
            Some(there.then_some(*next))
        })
        .collect();
    // A cursor, because the answer to one request is bounded and a table is not.
    let statement = format!(
        "declare {CURSOR} no scroll cursor for select tableoid::bigint, ctid::text{fields} from {} order by tableoid, ctid",
        table.sql()
    );
    sqlx::query(AssertSqlSafe(statement)).execute(&mut *tx).await?;
    let fetch = format!("fetch {ROWS_AT_ONCE} from {CURSOR}");
    loop {
        let before = spool.rows;
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
            spool.push(row.try_get(0)?, row.try_get(1)?, hash).map_err(spool_failed)?;
        }
        if spool.rows == before {
            break;
        }
    }
    sqlx::query(AssertSqlSafe(format!("close {CURSOR}"))).execute(tx).await?;
    Ok(())
}

/// A column's value as a file would deliver it.
fn delivered(column: &Column) -> String {
    let name = quote_ident(&column.name);
    let is_inet = column.foreign.as_ref().is_some_and(|foreign| foreign.name == "inet" && !foreign.array);
    match is_inet {
        // A cast of an address to text adds `/32`, which its output leaves out.
        true => format!("case when {name} is not null then format('%s', {name}) end"),
        false => format!("{name}::text"),
    }
}

/// Marks the first of equal rows with their hash. Returns the number of rows that should have a hash and got none.
async fn write_hashes(tx: &mut PgConnection, table: &TableRef, mut spool: File) -> Result<u64, Halt> {
    sqlx::raw_sql("create temporary table _elt_adopted (part bigint, place text, hash uuid, n bigint) on commit drop")
        .execute(&mut *tx)
        .await?;
    let mut copy = tx.copy_in_raw("copy pg_temp._elt_adopted from stdin (format binary)").await?;
    let mut chunk = vec![0; 1 << 20];
    loop {
        let length = spool.read(&mut chunk).map_err(spool_failed)?;
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
