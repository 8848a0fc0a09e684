//! Adopting a table that was there before elt: its rows are hashed once, so that a row it has is not loaded again.
//! The first of equal rows gets the hash, its copies keep NULL; nothing is deleted.

use std::fs::File;
use std::io::{BufWriter, Read, Seek, Write};
use std::path::Path;

use elt_shared::target::{TableRef, quote_ident};
use futures::TryStreamExt;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::copy_binary as copy;
use super::row_hash::RowHasher;
use super::session::ROW_HASH;
use crate::contract::Layout;

/// Hashes the rows that are there, over the columns the layout loads. `there`: which of these the table has.
///
/// # Errors
/// Database failures; a work folder that cannot be written to.
pub async fn hash_rows(
    tx: &mut PgConnection,
    table: &TableRef,
    layout: &Layout,
    there: &[bool],
    folder: &Path,
) -> sqlx::Result<u64> {
    let mut spool = BufWriter::new(tempfile::tempfile_in(folder)?);
    spool.write_all(copy::HEADER)?;
    let rows = read_rows(tx, table, layout, there, &mut spool).await?;
    spool.write_all(copy::TRAILER)?;
    let spool = spool.into_inner().map_err(std::io::IntoInnerError::into_error)?;
    write_hashes(tx, table, spool).await?;
    Ok(rows)
}

async fn read_rows(
    tx: &mut PgConnection,
    table: &TableRef,
    layout: &Layout,
    there: &[bool],
    spool: &mut BufWriter<File>,
) -> sqlx::Result<u64> {
    let mut hasher = RowHasher::new(layout);
    let columns = layout.columns.iter().zip(there).filter(|(_, there)| **there);
    let fields: String = columns.map(|(column, _)| format!(", {}::text", quote_ident(&column.name))).collect();
    let places: Vec<Option<usize>> = there
        .iter()
        .scan(0, |next, there| {
            *next += usize::from(*there);
            Some(there.then_some(*next))
        })
        .collect();
    let statement = format!("select ctid::text{fields} from only {} order by ctid", table.sql());
    let mut rows = sqlx::query(AssertSqlSafe(statement)).fetch(&mut *tx);
    let (mut count, mut out) = (0_u64, Vec::new());
    while let Some(row) = rows.try_next().await? {
        let mut values = Vec::with_capacity(places.len());
        for place in &places {
            values.push(match place {
                Some(place) => row.try_get::<Option<&str>, _>(*place)?,
                None => None,
            });
        }
        let hash = hasher.written(|column| values[column].map(str::as_bytes));
        out.clear();
        copy::row(3, &mut out);
        copy::bytes(row.try_get::<&str, _>(0)?.as_bytes(), &mut out);
        copy::uuid(hash, &mut out);
        copy::bigint(count as i64, &mut out);
        spool.write_all(&out)?;
        count += 1;
    }
    Ok(count)
}

async fn write_hashes(tx: &mut PgConnection, table: &TableRef, mut spool: File) -> sqlx::Result<()> {
    sqlx::raw_sql("create temporary table _elt_adopted (place text, hash uuid, n bigint) on commit drop")
        .execute(&mut *tx)
        .await?;
    spool.rewind()?;
    let mut copy = tx.copy_in_raw("copy pg_temp._elt_adopted from stdin (format binary)").await?;
    let mut chunk = vec![0; 1 << 20];
    loop {
        let length = spool.read(&mut chunk)?;
        if length == 0 {
            break;
        }
        copy.send(&chunk[..length]).await?;
    }
    copy.finish().await?;
    sqlx::query(AssertSqlSafe(format!(
        "update only {} t set {ROW_HASH} = first.hash
         from (select distinct on (hash) place::tid as place, hash from pg_temp._elt_adopted order by hash, n) first
         where t.ctid = first.place",
        table.sql()
    )))
    .execute(&mut *tx)
    .await?;
    sqlx::raw_sql("drop table pg_temp._elt_adopted").execute(tx).await?;
    Ok(())
}
