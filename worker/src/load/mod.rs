//! Load: typed rows become rows of the target table, exactly once.
//!
//! Everything a run changes in its target commits in one transaction: rows, columns, quarantine, receipt and marker.
//! A table that the run creates is filled directly and indexed last. A table that exists gets its rows by way of a
//! temporary staging table, which is filled before any lock is taken.
//!
//! # Layout
//! The protocol of a load, in the order of its steps:
//! - [`session`], [`login`]: one connection to the target, the account it works as, and the state of the table
//! - [`elt_tables`]: elt's own tables in the target's schema
//! - [`marker`]: the row of a run that says which attempt may load, and what was loaded
//! - [`verify`]: the rows that a run wrote are compared with their hashes
//! - [`modes`]: the rows reach the table, by `load.mode`: into a new table, or through [`staging`] into one that exists
//! - [`mod@first_pass`]: the load waits for the end of the first pass, and takes what was decided from it
//! - [`checks`]: what the config asks of the rows and the table before the commit
//! - [`finish`]: quarantine, receipt and marker join the rows, and the transaction commits
//! - [`receipt`], [`records_path`], [`cursors`]: what is stored beside the rows
//! - [`commit`]: the COMMIT, noted in the control database before it is sent
//! - [`transform`]: SQL models are made anew after a load
//!
//! What these steps use:
//! - [`copy`]: the second pass over the files, from cells to the bytes of COPY
//! - [`column_profile`]: what the values of each column look like
//! - [`combined_csv`]: every loaded row of every source in one file
//! - [`dedupe`]: equal rows are recognised by their hash, in bounded memory
//! - [`quarantine`]: rejected rows, the reasons of each, and their replay
//! - [`table`]: the shape of the target table: DDL, column types, relations, triggers, replica identity
//! - [`conversion_check`]: values the server converts are checked before they are written
//! - [`failure`]: PostgreSQL's errors as sentences
//!
//! Beside loads:
//! - [`left_behind`]: what a run leaves behind, by which a later run finds out that nothing has changed
//! - [`undo`]: the rows that one run inserted are deleted
//! - [`trial_write`]: a write that is tried and rolled back
//! - [`housekeeping`]: old rows of elt's own tables are deleted

pub mod checks;
mod column_profile;
pub mod combined_csv;
pub mod commit;
mod conversion_check;
mod copy;
pub mod cursors;
pub mod dedupe;
mod elt_tables;
pub mod failure;
mod finish;
pub mod first_pass;
pub mod housekeeping;
pub mod left_behind;
mod login;
pub mod marker;
mod modes;
pub mod quarantine;
pub mod receipt;
pub mod records_path;
pub mod session;
mod staging;
mod table;
pub mod transform;
pub mod trial_write;
pub mod undo;
pub mod verify;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use elt_shared::config::{Dedupe as ConfigDedupe, LoadConfig, LoadMode};
use elt_shared::runs::CheckResult;
use elt_shared::runs::report::RunReport;
use sqlx::{Connection, PgConnection, Postgres, Transaction};

use crate::contract::Layout;
use crate::error::{PipelineError, Result};
use crate::input::InputFile;
use crate::run_context::RunContext;
use combined_csv::CombinedCsv;
use copy::SecondPassError;
use dedupe::hash_digest::HashDigest;
use dedupe::table_hashes::KnownHashes;
use failure::Failing;
use first_pass::FirstPass;
use quarantine::refused::Refused;
use records_path::RecordsPath;
use session::{Session, TableState};

pub use table::partitions;

/// One try of a load: what is loaded, and into which columns.
pub struct LoadTask<'a> {
    /// The attempt at the run that loads.
    pub context: &'a RunContext,
    /// The run's files.
    pub files: &'a [InputFile],
    /// Indexes of those of them that are loaded.
    pub readable: Vec<usize>,
    /// Number of their rows, which is an estimate until the first pass has ended.
    pub rows: u64,
    /// The columns to load.
    pub layout: Arc<Layout>,
    /// The table when the columns were decided. `None`: it did not exist.
    pub before: Option<TableState>,
    /// The hashes of its rows, where it was worth fetching them.
    pub known: Option<KnownHashes>,
    /// The digest of its hashes. `None`: they were not fetched.
    pub digest: Option<HashDigest>,
    /// Rows the table refused at an earlier try of this load.
    pub refused: Arc<Refused>,
    /// The run's work folder.
    pub spool: &'a Path,
    /// The combined CSV, open for writing. `None`: the run writes none.
    pub csv: Option<CombinedCsv>,
    /// Ids of rejected rows that are among the files. They need no other replay once this load has committed.
    pub replayed: &'a [i64],
    /// Places of the rows of JSON documents that this run found, to be stored for later runs.
    pub records_paths: &'a [RecordsPath],
    /// Whether everything is rolled back in the end.
    pub dry_run: bool,
    /// Begin of the load.
    pub started: Instant,
}

/// How a load ended.
pub enum Loaded {
    /// The load committed, or was rolled back because it was a dry run.
    Done {
        /// The complete report.
        report: Box<RunReport>,
        /// The combined CSV, to be published.
        csv: Option<CombinedCsv>,
    },
    /// A file changed between the first and the second pass; nothing was loaded.
    FileChanged {
        /// Its index among the run's files.
        file: usize,
    },
    /// The table was altered since the columns were decided; nothing was loaded.
    TableChanged,
    /// The table refuses some of the rows; nothing was loaded. The load is to be tried again without them.
    Refused(Box<Refused>),
}

/// Loads in one transaction. After an error nothing of it is in the target, unless
/// [`commit_sent`](crate::progress::Progress::commit_sent) says that it may be. `first_pass` is waited for when the rows are copied.
///
/// # Errors
/// See [`PipelineError`].
pub async fn load(session: &mut Session, mut task: LoadTask<'_>, first_pass: FirstPass) -> Result<Loaded> {
    let table = session.table.clone();
    let transcoded = lacks_unicode(session).await?;
    if transcoded {
        task.layout = Arc::new(Layout::clone(&task.layout).transcoded());
    }
    let context = task.context;
    let place = checks::places::Finder::of(&task);
    let ended = if task.layout.columns.is_empty() {
        finish::without_columns(session, task, first_pass).await
    } else if task.is_filled_directly(transcoded) {
        modes::new_table::load(session, task, first_pass).await
    } else {
        modes::existing_table::load(session, task, first_pass).await
    };
    match ended {
        Ok((mut report, csv)) => {
            place.add_to(&mut report.checks, &context.stop).await;
            Ok(Loaded::Done { report: Box::new(report), csv })
        }
        Err(Halt::FileChanged { file }) => Ok(Loaded::FileChanged { file }),
        Err(Halt::TableChanged) => Ok(Loaded::TableChanged),
        Err(Halt::Refused(refused)) => Ok(Loaded::Refused(refused)),
        Err(Halt::Checks(mut results)) => {
            place.add_to(&mut results, &context.stop).await;
            context.progress.note_checks(results.clone());
            Err(checks::failure(&table, &context.config.checks, &results))
        }
        Err(Halt::Failed(error)) => Err(error),
        // The transaction is rolled back by now, so that the catalog can be asked what was refused.
        Err(Halt::Database(error)) => {
            Err(Failing::at(&table, "load rows").asking(&mut session.connection, error).await)
        }
    }
}

/// Whether the database's encoding lacks characters of Unicode. `SQL_ASCII` has all of them, because it takes any bytes.
async fn lacks_unicode(session: &mut Session) -> Result<bool> {
    let encoding: String = sqlx::query_scalar("select current_setting('server_encoding')")
        .fetch_one(&mut session.connection)
        .await
        .map_err(|error| Failing::at(&session.table, "ask for the database's encoding").because(error))?;
    Ok(!matches!(encoding.as_str(), "UTF8" | "SQL_ASCII"))
}

/// The reason why a load ends before its COMMIT.
enum Halt {
    Failed(PipelineError),
    Database(sqlx::Error),
    FileChanged {
        file: usize,
    },
    TableChanged,
    Refused(Box<Refused>),
    /// Checks of the config forbid the load.
    Checks(Vec<CheckResult>),
}

impl Halt {
    /// The error of a step that reads none of the run's files and writes none of its rows, so that only its own failure
    /// and the database's can end it.
    async fn explained(self, fail: Failing<'_>, connection: &mut PgConnection) -> PipelineError {
        match self {
            Self::Failed(error) => error,
            Self::Database(error) => fail.asking(connection, error).await,
            Self::FileChanged { .. } | Self::TableChanged | Self::Refused(_) | Self::Checks(_) => {
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

impl From<SecondPassError> for Halt {
    fn from(error: SecondPassError) -> Self {
        match error {
            SecondPassError::Failed(error) => Self::Failed(error),
            SecondPassError::Changed { file } => Self::FileChanged { file },
            SecondPassError::Closed => {
                Self::Failed(PipelineError::Internal("the loading side ended without a reason".into()))
            }
        }
    }
}

impl LoadTask<'_> {
    /// The mode, key and dedupe of the config.
    fn config(&self) -> &LoadConfig {
        &self.context.config.load
    }

    /// Whether rows are recognised by their hash.
    fn hashed(&self) -> bool {
        self.config().dedupe == ConfigDedupe::RowHash || self.config().mode == LoadMode::Merge
    }

    /// Whether the run creates the table and fills it directly.
    fn is_filled_directly(&self, transcoded: bool) -> bool {
        // A merge needs staged rows even for a new table, because the last of equal keys counts. Transcoded texts do, too,
        // because they are sent as bytes and the server converts them; and so does a partitioned table, because its partitions
        // are known when all rows are there.
        self.before.is_none()
            && self.config().mode != LoadMode::Merge
            && !transcoded
            && self.context.config.target.partition.is_none()
    }

    /// Opens the loading transaction. It keeps other runs of elt away from the table until it ends, and holds the
    /// run's marker, so that a newer attempt cannot begin meanwhile.
    async fn begin<'c>(&self, session: &'c mut Session) -> Result<Transaction<'c, Postgres>, Halt> {
        let Session { connection, table, attempt, installation, .. } = session;
        let mut tx = connection.begin().await?;
        marker::lock(&mut tx, table).await?;
        if self.dry_run {
            // A plan leaves nothing behind, so its marker is part of what is rolled back.
            elt_tables::ensure(&mut tx, table).await?;
            marker::begin(&mut tx, table, *attempt, *installation).await?;
        }
        marker::fence(&mut tx, table, *attempt).await?;
        Ok(tx)
    }
}
