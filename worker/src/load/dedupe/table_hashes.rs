//! The hashes of the rows that a table has. They are fetched before a load, so that known rows are not sent at all, when that
//! is cheaper than sending every row and comparing in the target; and they are added up, to find out whether the table still
//! has the rows that it had.

use std::io;
use std::path::Path;

use elt_shared::config::{Dedupe, LoadConfig, LoadMode};
use elt_shared::disk::free_bytes;
use elt_shared::target::TableRef;
use futures::TryStreamExt;
use sqlx::PgConnection;
use tracing::instrument::WithSubscriber;
use tracing::subscriber::NoSubscriber;

use super::hash_digest::HashDigest;
use super::hash_files::{DELIVERED_BYTES, HashFiles};
use super::hash_set::{Inserted, RowHashSet};
use crate::error::{PipelineError, Result};
use crate::load::failure::{self, Failing};
use crate::load::session::{ROW_HASH, Session, TableState};

/// Bytes of the header of a binary COPY.
const HEADER_BYTES: usize = 19;
/// Bytes of a row: number of fields, length, hash.
const ROW_BYTES: usize = 2 + 4 + 16;
/// Bytes of a short row of a file, by which the number of delivered rows is estimated.
const BYTES_PER_ROW: u64 = 40;
/// Number of hashes that are fetched at the cost of sending one row, as measured.
const HASHES_PER_SENT_ROW: u64 = 4;
/// The same for hashes that are kept on disk, with the rows beside them.
const HASHES_PER_SENT_ROW_ON_DISK: u64 = 3;
/// Bytes of text for each byte of a packed file. Ordinary files do not unpack to more.
const PACKED: u64 = 10;
/// Bytes of an encoded row for a byte of its text, in most files: a field has four bytes of length, and a number of one digit eight.
const ENCODED: u64 = 6;
/// Number of hashes that are added to the set together, because the cache misses of insertions that follow each other
/// closely overlap.
const HASHES_PER_INSERT: usize = 4_096;
/// Number of rows up to which a table's hashes are always fetched.
const ALWAYS_FETCHED_ROWS: u64 = 50_000;

/// The hashes of the rows that a table has, with their digest.
pub struct TableHashes {
    /// The hashes.
    pub known: KnownHashes,
    /// Their digest.
    pub digest: HashDigest,
}

/// Hashes, where they are kept.
pub enum KnownHashes {
    /// They fit into memory.
    InMemory(RowHashSet),
    /// They do not fit into memory, and are in files of the work folder.
    OnDisk(HashFiles),
}

/// What the hashes may take.
#[derive(Clone, Copy)]
pub struct Limits<'a> {
    /// Size of the files to load, in bytes.
    pub delivered_bytes: u64,
    /// The same once they are unpacked. `None`: it is only known at the end.
    pub text_bytes: Option<u64>,
    /// Bytes of memory for the hashes.
    pub memory: usize,
    /// Bytes that the disk of the work folder must keep free.
    pub keep_free: u64,
    /// The run's work folder, for hashes that do not fit there.
    pub folder: &'a Path,
}

/// Where fetched hashes are kept.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    Memory,
    Disk,
}

/// The hashes of the rows that a table has. `None`: rows are not recognised by their hash, or it is cheaper to send every
/// row.
pub async fn known(
    session: &mut Session,
    before: Option<&TableState>,
    load: &LoadConfig,
    limits: Limits<'_>,
) -> Result<Option<TableHashes>> {
    let wanted = (load.mode, load.dedupe) == (LoadMode::Append, Dedupe::RowHash);
    if !wanted || !before.is_some_and(TableState::has_elt_columns) {
        return Ok(None);
    }
    let table = session.table.clone();
    let fail = Failing::at(&table, "fetch the hashes of the table's rows");
    let connection = &mut session.connection;
    let Some(rows) = estimate(connection, &table).await.map_err(|error| fail.because(error))? else { return Ok(None) };
    let Some(place) = limits.place_of(rows) else { return Ok(None) };
    let mut known = match place {
        Place::Memory => KnownHashes::InMemory(RowHashSet::with_room(rows, limits.memory)),
        Place::Disk => {
            let hashes = rows.saturating_add(limits.delivered_rows());
            KnownHashes::OnDisk(HashFiles::in_folder(limits.folder, hashes, limits.memory).map_err(failure::spool)?)
        }
    };
    // The fetch runs without a tracing subscriber, because sqlx enters the current span for every row, which costs more
    // than the row.
    let fetching =
        fetch(connection, &table, rows, |hashes| known.take(hashes)).with_subscriber(NoSubscriber::default());
    let digest = fetching.await.map_err(|error| error.because(fail))?;
    Ok(digest.map(|digest| TableHashes { known, digest }))
}

/// The digest of the hashes of a table's rows. `None`: the table has no unique index over them, or far more than `rows` rows.
///
/// # Errors
/// Database failures.
pub async fn digest(session: &mut Session, rows: u64) -> Result<Option<HashDigest>> {
    let table = session.table.clone();
    let fail = Failing::at(&table, "compare the table with what an earlier run left");
    let connection = &mut session.connection;
    let Some(estimated) = estimate(connection, &table).await.map_err(|error| fail.because(error))? else {
        return Ok(None);
    };
    // The pages of an index are half full at worst, but for those that deleted rows leave behind.
    if estimated > rows.saturating_mul(4).saturating_add(ALWAYS_FETCHED_ROWS) {
        return Ok(None);
    }
    let fetching = fetch(connection, &table, rows, |_| Ok(true)).with_subscriber(NoSubscriber::default());
    fetching.await.map_err(|error| error.because(fail))
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

impl Limits<'_> {
    /// Estimated number of delivered rows.
    fn delivered_rows(&self) -> u64 {
        self.delivered_bytes / BYTES_PER_ROW
    }

    /// Where to keep the hashes of a table with this number of rows. `None`: sending every row is cheaper, or they fit nowhere.
    fn place_of(&self, table_rows: u64) -> Option<Place> {
        let is_cheaper = |most: u64| table_rows <= self.delivered_rows().saturating_mul(most);
        if table_rows < RowHashSet::capacity_of(self.memory) as u64 {
            let fetched = table_rows <= ALWAYS_FETCHED_ROWS || is_cheaper(HASHES_PER_SENT_ROW);
            return fetched.then_some(Place::Memory);
        }
        (is_cheaper(HASHES_PER_SENT_ROW_ON_DISK) && self.has_room(table_rows)).then_some(Place::Disk)
    }

    /// Whether the disk has room for the hashes of the table, and for the rows that are delivered and their hashes.
    fn has_room(&self, table_rows: u64) -> bool {
        let text = self.text_bytes.unwrap_or_else(|| self.delivered_bytes.saturating_mul(PACKED));
        let hashes = (text / BYTES_PER_ROW).saturating_mul(DELIVERED_BYTES as u64);
        let wanted = table_rows.saturating_mul(16).saturating_add(text.saturating_mul(ENCODED)).saturating_add(hashes);
        // Half of the room is left to other runs. A file system that does not tell its free room fails when it is full.
        free_bytes(self.folder).is_none_or(|free| free.saturating_sub(self.keep_free) / 2 > wanted)
    }
}

/// Why hashes could not be fetched.
enum Fetching {
    Database(sqlx::Error),
    Disk(io::Error),
}

impl Fetching {
    fn because(self, fail: Failing<'_>) -> PipelineError {
        match self {
            Self::Database(error) => fail.because(error),
            Self::Disk(error) => failure::spool(error),
        }
    }
}

/// Fetches the hashes of about `rows` rows and hands them to `take`, which says whether there was room for them. Returns their
/// digest. `None`: there was no room, or the target sent far more than `rows` hashes, which is not trusted.
async fn fetch(
    connection: &mut PgConnection,
    table: &TableRef,
    rows: u64,
    mut take: impl FnMut(&[u128]) -> io::Result<bool>,
) -> Result<Option<HashDigest>, Fetching> {
    let most = rows.saturating_mul(2).saturating_add(ALWAYS_FETCHED_ROWS);
    let mut digest = HashDigest::default();
    let statement =
        format!("copy (select {ROW_HASH} from {} where {ROW_HASH} is not null) to stdout (format binary)", table.sql());
    let mut messages = connection.copy_out_raw(&statement).await.map_err(Fetching::Database)?;
    let mut fits = true;
    let mut hashes = Vec::with_capacity(HASHES_PER_INSERT);
    let mut rest: Vec<u8> = Vec::new();
    let mut skip = HEADER_BYTES;
    while let Some(message) = messages.try_next().await.map_err(Fetching::Database)? {
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
            hashes.iter().for_each(|hash| digest.add_hash(*hash));
            fits = fits && digest.rows <= most && take(&hashes).map_err(Fetching::Disk)?;
            hashes.clear();
        }
    }
    hashes.iter().for_each(|hash| digest.add_hash(*hash));
    Ok((fits && take(&hashes).map_err(Fetching::Disk)?).then_some(digest))
}

impl KnownHashes {
    /// Adds hashes. Returns whether there was room for them.
    fn take(&mut self, hashes: &[u128]) -> io::Result<bool> {
        match self {
            Self::InMemory(known) => Ok(hashes.iter().all(|hash| known.insert(*hash) != Inserted::Full)),
            Self::OnDisk(known) => hashes.iter().try_for_each(|hash| known.push_known(*hash)).map(|()| true),
        }
    }
}
