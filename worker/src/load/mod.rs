//! Load: rows become rows of the target table, exactly once.
//!
//! Everything a run changes in its target commits in one transaction: rows, columns, quarantine, receipt and marker.
//! A table this run makes is filled directly and indexed last. A table that is there gets its rows by way of a
//! temporary staging table, filled before any lock is taken.
//!
//! # Layout
//! - [`session`]: one connection, one table, and what is known about it
//! - [`login`]: the account, its settings and what it may do
//! - [`relation`]: the relations that can be loaded into
//! - [`marker`]: which attempt may load, and what was loaded
//! - [`commit`]: the COMMIT, noted before it is sent
//! - [`schema`]: the table's schema, which may be missing
//! - [`bookkeeping`]: elt's own tables beside the target's
//! - [`feed`]: the second pass over the files: cells become bytes
//! - [`copy_binary`], [`numeric`]: values as PostgreSQL's binary COPY has them
//! - [`rows_at`]: where the rows of each source's JSON documents are
//! - [`row_hash`], [`seen`], [`overflow`], [`known_rows`]: equal rows are recognised in bounded memory
//! - [`fill`]: a new table is filled directly
//! - [`apply`]: staged rows meet a table: [`staging`], [`merge`], [`replace`], [`adopt`]
//! - [`conversion`]: values the server converts are checked before they are written
//! - [`conclude`]: quarantine, receipt and marker join the rows, and the transaction commits
//! - [`pump`]: the bounded channel to the server
//! - [`table`], [`column_types`]: the table's shape, and its columns' types
//! - [`replica_identity`]: published tables can be updated
//! - [`triggers`]: checks whether triggers of the table moved or deleted rows
//! - [`quarantine`], [`receipt`]: what became of every row
//! - [`undo`], [`replayed`]: rows are taken back, rejected rows are loaded after all
//! - [`transform`]: SQL models are made anew after a load
//! - [`search`], [`refused`]: rows the table refuses are found, and rejected by a second try
//! - [`trial`]: a write that is tried and rolled back
//! - [`failure`]: PostgreSQL's errors as sentences

pub mod commit;
pub mod failure;
pub mod known_rows;
pub mod marker;
pub mod replayed;
pub mod rows_at;
pub mod seen;
pub mod session;
pub mod transform;
pub mod trial;
pub mod undo;

mod adopt;
mod apply;
mod bookkeeping;
mod column_types;
mod conclude;
mod conversion;
mod copy_binary;
mod feed;
mod fill;
mod login;
mod merge;
mod numeric;
mod overflow;
mod pump;
mod quarantine;
mod receipt;
mod refusal;
pub mod refused;
mod relation;
mod replace;
mod replica_identity;
mod row_hash;
pub mod schema;
mod search;
mod staging;
mod table;
mod triggers;

use std::path::Path;
use std::sync::Arc;

use elt_shared::config::{Dedupe as ConfigDedupe, LoadConfig, LoadMode, OnBadRow, RejectLimit};
use elt_shared::runs::report::{Drift, RunReport};
use sqlx::{Connection, PgConnection, Postgres, Transaction};
use tokio_util::sync::CancellationToken;

use crate::contract::Layout;
use crate::contract::decide::Change;
use crate::error::{PipelineError, Result};
use crate::extract::InputFile;
use crate::frame::combined::CombinedCsv;
use crate::frame::profile::Profile;
use crate::progress::Progress;
use commit::Commit;
use failure::Failing;
use feed::FeedError;
use refused::Refused;
use session::{Before, Session};

/// How much memory a run may take for row hashes, in bytes. With less it loads the same, only slower.
#[derive(Debug, Clone, Copy)]
pub struct HashMemory {
    /// For the hashes of its own rows.
    pub own: usize,
    /// When the hashes of the table's rows are among them.
    pub all: usize,
}

impl Default for HashMemory {
    fn default() -> Self {
        Self { own: 24 << 20, all: 64 << 20 }
    }
}

/// What is to be loaded, and how.
pub struct Work<'a> {
    /// The run's files, as the first pass saw them.
    pub files: &'a [InputFile],
    /// What the first pass found.
    pub profile: &'a Profile,
    /// The columns.
    pub layout: Arc<Layout>,
    /// What must change in the table first.
    pub changes: Vec<Change>,
    /// What is different from the table as it was.
    pub drift: Vec<Drift>,
    /// The table as it was.
    pub before: Option<Before>,
    /// The hashes of its rows, where it was worth fetching them.
    pub known: Option<seen::HashSet>,
    /// Mode, key, dedupe.
    pub load: &'a LoadConfig,
    /// What a row that breaks the contract does.
    pub on_bad_row: OnBadRow,
    /// Rows the table refused at an earlier try of this load.
    pub refused: Arc<Refused>,
    /// More rejected rows than this fail the run.
    pub max_rejected: Option<RejectLimit>,
    /// Memory for row hashes.
    pub memory: HashMemory,
    /// Sends its COMMIT.
    pub commit: Commit,
    /// The run's work folder.
    pub spool: &'a Path,
    /// The combined CSV.
    pub csv: Option<CombinedCsv>,
    /// Rejected rows that are among the files: they need no replay any more once this is loaded.
    pub replayed: Vec<i64>,
    /// Places of the rows of JSON documents that this run found, to be stored for later runs.
    pub rows_at: Vec<rows_at::RowsAt>,
    /// Everything is rolled back in the end.
    pub dry: bool,
    /// The report so far.
    pub report: RunReport,
    /// When the load began.
    pub started: std::time::Instant,
    /// Asks for the end.
    pub stop: CancellationToken,
    /// Who watches.
    pub progress: Arc<Progress>,
}

/// How a load ended.
pub enum Loaded {
    /// Committed (or rolled back, when nothing should stay).
    Done {
        /// The report, complete.
        report: Box<RunReport>,
        /// The combined CSV, to be published.
        csv: Option<CombinedCsv>,
    },
    /// A file is not what it was at the first pass; nothing was loaded.
    FileChanged {
        /// Its place among the run's files.
        file: usize,
    },
    /// The table is not what it was when the columns were decided; nothing was loaded.
    TableChanged,
    /// The table refuses some of the rows; nothing was loaded. The load is to be tried again without them.
    Refused(Box<Refused>),
}

/// Loads. Whatever the error, nothing is in the target then.
///
/// # Errors
/// See [`PipelineError`].
pub async fn load(session: &mut Session, mut work: Work<'_>) -> Result<Loaded> {
    let table = session.table.clone();
    let transcoded = has_few_characters(session).await?;
    if transcoded {
        work.layout = Arc::new(Layout::clone(&work.layout).transcoded());
    }
    let outcome = if work.layout.columns.is_empty() {
        conclude::nothing(session, work).await
    } else if work.before.is_none() && work.load.mode != LoadMode::Merge && !transcoded {
        fill::new_table(session, work).await
    } else {
        apply::staged_rows(session, work).await
    };
    match outcome {
        Ok((report, csv)) => Ok(Loaded::Done { report: Box::new(report), csv }),
        Err(Halt::FileChanged { file }) => Ok(Loaded::FileChanged { file }),
        Err(Halt::TableChanged) => Ok(Loaded::TableChanged),
        Err(Halt::Refused(refused)) => Ok(Loaded::Refused(refused)),
        Err(Halt::Failed(error)) => Err(error),
        // The transaction is rolled back by now, so that the catalog can be asked what was refused.
        Err(Halt::Database(error)) => {
            Err(Failing::at(&table, "load rows").asking(&mut session.connection, error).await)
        }
    }
}

/// Whether the database's encoding lacks characters of Unicode. `SQL_ASCII` lacks none, because it takes any bytes.
async fn has_few_characters(session: &mut Session) -> Result<bool> {
    let encoding: String = sqlx::query_scalar("select current_setting('server_encoding')")
        .fetch_one(&mut session.connection)
        .await
        .map_err(|error| Failing::at(&session.table, "ask for the database's encoding").because(error))?;
    Ok(!matches!(encoding.as_str(), "UTF8" | "SQL_ASCII"))
}

/// Why a load ends early.
enum Halt {
    Failed(PipelineError),
    Database(sqlx::Error),
    FileChanged { file: usize },
    TableChanged,
    Refused(Box<Refused>),
}

impl Halt {
    /// The error of a step that reads none of the run's files and writes none of its rows, so that only its own failure
    /// and the database's can end it.
    async fn explained(self, fail: Failing<'_>, connection: &mut PgConnection) -> PipelineError {
        match self {
            Self::Failed(error) => error,
            Self::Database(error) => fail.asking(connection, error).await,
            Self::FileChanged { .. } | Self::TableChanged | Self::Refused(_) => {
                PipelineError::Internal("a step without rows ended in a way that only steps with rows can".into())
            }
        }
    }
}

impl From<PipelineError> for Halt {
    fn from(error: PipelineError) -> Self {
        Self::Failed(error)
    }
}

impl From<sqlx::Error> for Halt {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

impl From<FeedError> for Halt {
    fn from(error: FeedError) -> Self {
        match error {
            FeedError::Failed(error) => Self::Failed(error),
            FeedError::Changed { file } => Self::FileChanged { file },
            FeedError::Closed => {
                Self::Failed(PipelineError::Internal("the loading side ended without a reason".into()))
            }
        }
    }
}

impl Work<'_> {
    /// Whether rows are recognised by their hash.
    fn hashed(&self) -> bool {
        self.load.dedupe == ConfigDedupe::RowHash || self.load.mode == LoadMode::Merge
    }

    /// Rows of all files, as the first pass counted them.
    fn rows(&self) -> u64 {
        self.profile.files.iter().map(|file| file.rows).sum()
    }

    /// Opens the loading transaction: alone with the table among elt's runs, and held by the marker.
    async fn begin<'c>(&self, session: &'c mut Session) -> Result<Transaction<'c, Postgres>, Halt> {
        let Session { connection, table, attempt, .. } = session;
        let mut tx = connection.begin().await?;
        marker::lock(&mut tx, table).await?;
        if self.dry {
            // A plan leaves nothing behind, so its marker is part of what is rolled back.
            bookkeeping::ensure(&mut tx, table).await?;
            marker::begin(&mut tx, table, *attempt).await?;
        }
        marker::fence(&mut tx, table, *attempt).await?;
        Ok(tx)
    }
}
