//! The hashes of the rows that a table has. They are fetched before a load, so that known rows are not sent at all, when that
//! is cheaper than sending every row and comparing in the target.

use elt_shared::config::{Dedupe, LoadConfig, LoadMode};
use elt_shared::target::TableRef;
use futures::TryStreamExt;
use sqlx::PgConnection;
use tracing::instrument::WithSubscriber;
use tracing::subscriber::NoSubscriber;

use super::hash_set::{Inserted, RowHashSet};
use crate::error::Result;
use crate::load::failure::Failing;
use crate::load::session::{ROW_HASH, Session, TableState};

/// Bytes of the header of a binary COPY.
const HEADER_BYTES: usize = 19;
/// Bytes of a row: number of fields, length, hash.
const ROW_BYTES: usize = 2 + 4 + 16;
/// Bytes of a short row of a file, by which the number of delivered rows is estimated.
const BYTES_PER_ROW: u64 = 40;
/// Number of hashes that are fetched at the cost of sending one row, as measured.
const HASHES_PER_SENT_ROW: u64 = 4;
/// Number of hashes that are added to the set together, because the cache misses of insertions that follow each other
/// closely overlap.
const HASHES_PER_INSERT: usize = 4_096;
/// Number of rows up to which a table's hashes are always fetched.
const ALWAYS_FETCHED_ROWS: u64 = 50_000;

/// The hashes of the rows that a table has. `None`: rows are not recognised by their hash, or it is cheaper to send every
/// row. `bytes`: size of the files to load; `budget`: bytes of memory for the hashes.
pub async fn known(
    session: &mut Session,
    before: Option<&TableState>,
    load: &LoadConfig,
    bytes: u64,
    budget: usize,
) -> Result<Option<RowHashSet>> {
    let wanted = (load.mode, load.dedupe) == (LoadMode::Append, Dedupe::RowHash);
    if !wanted || !before.is_some_and(TableState::has_elt_columns) {
        return Ok(None);
    }
    let table = session.table.clone();
    let fail = Failing::at(&table, "fetch the hashes of the table's rows");
    let connection = &mut session.connection;
    let rows = estimate(connection, &table).await.map_err(|error| fail.because(error))?;
    match rows {
        Some(rows) if is_worth_it(rows, bytes / BYTES_PER_ROW, budget) => {
            // The fetch runs without a tracing subscriber, because sqlx enters the current span for every row, which costs more
            // than the row.
            let fetching = fetch(connection, &table, rows, budget).with_subscriber(NoSubscriber::default());
            fetching.await.map_err(|error| fail.because(error))
        }
        _ => Ok(None),
    }
}

/// Estimated number of rows with a hash, from the size of the unique index over the hashes. In a partitioned table the index
/// begins with the partition column, and its partitions have the pages. `None`: the table has no such index.
async fn estimate(connection: &mut PgConnection, table: &TableRef) -> sqlx::Result<Option<u64>> {
    // An index entry of a hash takes at least 32 bytes: a full page of 8 KiB holds about 250.
    let bytes: Option<i64> = sqlx::query_scalar(
        "select coalesce((select sum(pg_relation_size(part.relid))::bigint from pg_partition_tree(i.indexrelid) part),
                         pg_relation_size(i.indexrelid))
         from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attname = $2
         where i.indrelid = to_regclass($1) and i.indisunique and i.indisvalid
           and (i.indkey::int2[])[i.indnkeyatts - 1] = a.attnum
           and (i.indnkeyatts = 1
                or i.indnkeyatts = 2 and (i.indkey::int2[])[0] in (select unnest(k.partattrs::int2[]) from pg_partitioned_table k
                                                                   where k.partrelid = i.indrelid))
         limit 1",
    )
    .bind(table.sql())
    .bind(ROW_HASH)
    .fetch_optional(connection)
    .await?;
    Ok(bytes.map(|bytes| bytes.unsigned_abs() / 32))
}

/// Whether fetching is cheaper than sending, and fits into memory.
fn is_worth_it(table_rows: u64, delivered: u64, budget: usize) -> bool {
    table_rows < RowHashSet::capacity_of(budget) as u64
        && (table_rows <= ALWAYS_FETCHED_ROWS || table_rows <= delivered.saturating_mul(HASHES_PER_SENT_ROW))
}

/// Fetches about `rows` hashes. `None`: there are more than fit into the memory.
async fn fetch(
    connection: &mut PgConnection,
    table: &TableRef,
    rows: u64,
    budget: usize,
) -> sqlx::Result<Option<RowHashSet>> {
    let statement =
        format!("copy (select {ROW_HASH} from {} where {ROW_HASH} is not null) to stdout (format binary)", table.sql());
    let mut messages = connection.copy_out_raw(&statement).await?;
    let mut known = RowHashSet::with_room(rows, budget);
    let mut fits = true;
    let mut hashes = Vec::with_capacity(HASHES_PER_INSERT);
    let mut rest: Vec<u8> = Vec::new();
    let mut skip = HEADER_BYTES;
    while let Some(message) = messages.try_next().await? {
        let mut bytes: &[u8] = &message;
        if !rest.is_empty() {
            rest.extend_from_slice(bytes);
            bytes = &rest;
        }
        let skipped = skip.min(bytes.len());
        skip -= skipped;
        bytes = &bytes[skipped..];
        while let Some((row, later)) = bytes.split_at_checked(ROW_BYTES) {
            hashes.push(u128::from_be_bytes(row[6..].try_into().unwrap_or_default()));
            bytes = later;
        }
        rest = bytes.to_vec();
        if hashes.len() >= HASHES_PER_INSERT {
            fits = fits && hashes.drain(..).all(|hash| known.insert(hash) != Inserted::Full);
            hashes.clear();
        }
    }
    fits = fits && hashes.drain(..).all(|hash| known.insert(hash) != Inserted::Full);
    Ok(fits.then_some(known))
}
