//! Undo: the rows that one run inserted are deleted, together with its rejected rows, in one transaction.

use elt_shared::explained::{Code, Explained};
use elt_shared::runs::report::{IncrementalReport, RunReport};
use elt_shared::target::TableRef;
use elt_shared::target::source_state::{self, Restored};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use uuid::Uuid;

use super::commit::Commit;
use super::elt_tables::{LOADS, QUARANTINE};
use super::failure::Failing;
use super::marker;
use super::quarantine::open_rows;
use super::session::{RUN_ID, Session};
use super::table::replica_identity;
use crate::error::{PipelineError, Result};

/// Deletes the rows that the run `undone` inserted and marks it as undone. A second call changes nothing.
///
/// # Errors
/// A run that loaded nothing into this table, or overwrote rows; see [`PipelineError`].
pub async fn undo(session: &mut Session, undone: Uuid, commit: &Commit) -> Result<RunReport> {
    let (table, attempt) = (session.table.clone(), session.attempt);
    let fail = Failing::at(&table, "undo the run");
    // This refuses a table with row level security, because rows that it hides would stay.
    session.table_state().await?;
    let mut tx = session.connection.begin().await.map_err(|error| fail.because(error))?;
    marker::lock(&mut tx, &table).await.map_err(|error| fail.because(error))?;
    marker::fence(&mut tx, &table, attempt).await?;
    // This is checked under the lock, because a run could overwrite rows between the check and the deletion.
    refuse_overwriters(&mut tx, &table, undone).await?;
    let mut statements = Vec::new();
    if let Err(halt) = replica_identity::ensure(&mut tx, &table, &mut statements).await {
        return Err(halt.explained(fail, &mut tx).await);
    }
    let deleted = delete(&mut tx, &table, undone, attempt.run_id).await.map_err(|error| fail.because(error))?;
    let cursors = source_state::restore(&mut tx, &table, undone).await.map_err(|error| fail.because(error))?;
    let mut report =
        RunReport { rows_deleted: deleted, table: table.to_string(), ddl: statements, ..RunReport::default() };
    tell_of_cursors(&mut report, cursors);
    marker::finish(&mut *tx, &table, attempt, &report, None).await.map_err(|error| fail.because(error))?;
    commit.send(tx, &table).await?;
    Ok(report)
}

/// Refuses a run that updated or replaced rows, because the old rows are not stored anywhere.
async fn refuse_overwriters(tx: &mut PgConnection, table: &TableRef, undone: Uuid) -> Result<()> {
    let fail = Failing::at(table, "look at the run to undo");
    let loaded: Option<(i64, i64)> = sqlx::query_as(AssertSqlSafe(format!(
        "select rows_updated, coalesce((report ->> 'rows_deleted')::bigint, 0) from {}
         where run_id = $1 and table_name = $2 and loaded_at is not null",
        table.sibling(LOADS).sql()
    )))
    .bind(undone)
    .bind(&table.table)
    .fetch_optional(tx)
    .await
    .map_err(|error| fail.because(error))?;
    let refuse = |code, message: String, next_step: &str| {
        Err(PipelineError::Target(Explained { code, message, next_step: next_step.to_owned() }))
    };
    match loaded {
        None => refuse(
            Code::NothingToUndo,
            format!("the run {undone} loaded nothing into {table}"),
            "Choose a run that loaded into this table.",
        ),
        Some((updated, deleted)) if updated > 0 || deleted > 0 => refuse(
            Code::CannotUndo,
            format!("the run {undone} overwrote rows of {table}, and their earlier values are not stored"),
            "Restore the table from a backup, or load the older files again.",
        ),
        Some(_) => Ok(()),
    }
}

/// Reports the cursors of incremental sources after the undo.
fn tell_of_cursors(report: &mut RunReport, cursors: Vec<Restored>) {
    for Restored { source, value, is_restored, before } in cursors {
        let says = match (is_restored, &value) {
            (true, Some(value)) => format!("The next run reads since {value} again."),
            (true, None) => "The next run reads from the beginning again.".to_owned(),
            (false, _) => {
                let unless = match before {
                    Some(before) => format!("`elt state set` with the config sets it back to {before}"),
                    None => "`elt state clear` with the config lets the next run read as the first one did".to_owned(),
                };
                report.warnings.push(format!(
                    "the cursor of {source} was moved after the run that was undone, so it was left: the deleted rows are not \
                     read again unless {unless}"
                ));
                "It was left, because it was moved after the run that was undone.".to_owned()
            }
        };
        report.incremental.push(IncrementalReport {
            source,
            next: value,
            moved: is_restored,
            says,
            ..IncrementalReport::default()
        });
    }
}

async fn delete(tx: &mut PgConnection, table: &TableRef, undone: Uuid, by: Uuid) -> sqlx::Result<u64> {
    let deleted = sqlx::query(AssertSqlSafe(format!("delete from {} where {RUN_ID} = $1", table.sql())))
        .bind(undone)
        .execute(&mut *tx)
        .await?
        .rows_affected();
    give_back(tx, table, undone).await?;
    open_rows::reopen(tx, table, undone).await?;
    sqlx::query(AssertSqlSafe(format!(
        "update {} set undone_at = now(), undone_by = $2 where run_id = $1 and undone_at is null",
        table.sibling(LOADS).sql()
    )))
    .bind(undone)
    .bind(by)
    .execute(tx)
    .await?;
    Ok(deleted)
}

/// Deletes the rejected rows of an undone run, because they are rejected again when its files are loaded again. Those that
/// other runs rejected as well stay, and are theirs.
async fn give_back(tx: &mut PgConnection, table: &TableRef, undone: Uuid) -> sqlx::Result<()> {
    let quarantine = table.sibling(QUARANTINE).sql();
    for statement in [
        // Later runs rejected these, and the last of them has them.
        "update {} set first_run_id = run_id, seen = greatest(seen - 1, 1) where first_run_id = $1 and run_id <> $1",
        // A row that was seen more often stays: a run between the first and the last one rejected it, and a row does not
        // name such runs.
        "delete from {} where run_id = $1 and coalesce(first_run_id, $1) = $1 and seen <= 1",
        "update {} set run_id = coalesce(first_run_id, run_id), seen = greatest(seen - 1, 1) where run_id = $1",
    ] {
        sqlx::query(AssertSqlSafe(statement.replace("{}", &quarantine))).bind(undone).execute(&mut *tx).await?;
    }
    Ok(())
}
