//! The cursors of incremental sources: read before a run asks its sources, and moved in its loading transaction.

use std::cmp::Ordering;

use chrono::{DateTime, Utc};
use elt_shared::config::Incremental;
use elt_shared::cursor::CursorValue;
use elt_shared::runs::report::IncrementalReport;
use elt_shared::target::TableRef;
use elt_shared::target::source_state::{self, Move, MovedBy, SourceState};
use sqlx::PgConnection;
use uuid::Uuid;

use super::failure::Failing;
use super::session::{Session, TableState};
use crate::error::Result;

/// The cursor of a source after the run has read it.
#[derive(Debug, Clone)]
pub struct NewCursor {
    /// Kind and place of the source.
    pub source: String,
    /// How the source is asked for what is new.
    pub incremental: Incremental,
    /// The cursor as the run found it. `None`: no cursor was found that could be used.
    pub stored: Option<CursorValue>,
    /// The version of the stored cursor; `None`: there was none.
    pub version: Option<DateTime<Utc>>,
    /// The greatest value of the rows. `None`: no row has one that can be compared.
    pub greatest: Option<CursorValue>,
    /// Whether the cursor moves. False: the run loads a window of a backfill.
    pub moves: bool,
    /// Hash of the request's parameters.
    pub request: String,
    /// Most rows that a page had.
    pub page_rows: i64,
    /// Hash of the rows that a look finds again when nothing is new.
    pub edge: String,
    /// What the report says about it so far.
    pub report: IncrementalReport,
}

impl NewCursor {
    /// The cursor after the run. It never moves backwards.
    fn next(&self) -> Option<&CursorValue> {
        match (&self.stored, &self.greatest) {
            (Some(stored), Some(greatest)) if greatest.compare(stored) == Some(Ordering::Greater) => Some(greatest),
            (Some(stored), _) => Some(stored),
            (None, greatest) => greatest.as_ref(),
        }
    }

    /// What the run read, and where the next one begins.
    fn says(&self, next: Option<&CursorValue>, is_ours: bool) -> String {
        let read = match (&self.report.since, &self.report.until) {
            (Some(since), Some(until)) => {
                format!("Read the window from {since} to {until}, which does not move the cursor.")
            }
            (Some(since), None) => format!("Read what changed since {since}."),
            (None, _) => "Read everything.".to_owned(),
        };
        if !is_ours {
            return format!("{read} The cursor was set or cleared meanwhile, so the run did not move it.");
        }
        let begin = next.map(|next| self.incremental.begin(next).and_then(|begin| begin.sent(self.incremental.format)));
        match (begin, self.incremental.start.as_ref()) {
            (Some(Ok(begin)), _) => format!("{read} The next run reads since {begin}."),
            (Some(Err(error)), _) => format!("{read} The next run cannot go on from there: {error}."),
            (None, Some(start)) => format!("{read} There is no cursor yet: the next run reads since {start}."),
            (None, None) => format!("{read} There is no cursor yet: the next run reads everything."),
        }
    }
}

/// The cursors of a pipeline's sources as earlier runs left them, or as a person set them. Those of a table that elt has
/// not loaded into are an older table's of the same name, unless a person set them.
///
/// # Errors
/// Database failures.
pub async fn stored(
    connection: &mut PgConnection,
    table: &TableRef,
    before: Option<&TableState>,
    pipeline: &str,
) -> Result<Vec<SourceState>> {
    let states = source_state::list(connection, table, pipeline).await;
    let states = states.map_err(|error| Failing::at(table, "read where the sources were read up to").because(error))?;
    let is_ours = before.is_some_and(TableState::has_elt_columns);
    Ok(states.into_iter().filter(|state| is_ours || state.run_id.is_none()).collect())
}

/// Whether the table exists and has no rows.
///
/// # Errors
/// Database failures.
pub async fn is_empty(session: &mut Session, before: Option<&TableState>) -> Result<bool> {
    if before.is_none() {
        return Ok(false);
    }
    let table = session.table.clone();
    let query = format!("select not exists (select from {})", table.sql());
    let empty = sqlx::query_scalar(sqlx::AssertSqlSafe(query)).fetch_one(&mut session.connection).await;
    empty.map_err(|error| Failing::at(&table, "look whether it is empty").because(error))
}

/// Creates the table of the cursors where it is missing.
///
/// # Errors
/// When this login may not do so: the error has the statement that grants the right.
pub async fn ensure(connection: &mut PgConnection, table: &TableRef) -> Result<()> {
    match source_state::ensure(connection, table).await {
        Ok(()) => Ok(()),
        Err(error) => Err(Failing::at(table, "make elt's own tables").asking(connection, error).await),
    }
}

/// Moves the cursors as part of the loading transaction, and returns what the report says. `fresh`: elt has not loaded into
/// the table before.
pub async fn store(
    tx: &mut PgConnection,
    table: &TableRef,
    (pipeline, run): (&str, Uuid),
    cursors: &[NewCursor],
    fresh: bool,
) -> sqlx::Result<Vec<IncrementalReport>> {
    if cursors.is_empty() {
        return Ok(Vec::new());
    }
    source_state::ensure(tx, table).await?;
    if fresh {
        source_state::forget_runs(tx, table).await?;
    }
    let mut reports = Vec::new();
    for cursor in cursors {
        let mut report = cursor.report.clone();
        let mut is_ours = true;
        // A value that stays is written as well, because the rows that have it may be others now.
        if let Some(value) = cursor.next().filter(|_| cursor.moves) {
            let to = Move {
                pipeline,
                source: &cursor.source,
                cursor_path: &cursor.incremental.cursor,
                value,
                request: Some(&cursor.request),
                page_rows: cursor.page_rows,
                edge: Some(&cursor.edge),
                by: MovedBy::Run(run),
            };
            is_ours = source_state::advance(tx, table, &to, cursor.version).await?;
        }
        report.moved = cursor.moves && is_ours && cursor.next() != cursor.stored.as_ref();
        let next = if cursor.moves { cursor.next() } else { cursor.stored.as_ref() };
        report.next = next.filter(|_| is_ours).map(|value| value.text().to_owned());
        report.says = cursor.says(next, is_ours);
        reports.push(report);
    }
    Ok(reports)
}
