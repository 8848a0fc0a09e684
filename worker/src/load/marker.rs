//! The marker of a run in its target: one row that says which attempt may load, and what was loaded.
//!
//! 1. An attempt begins by committing its epoch, which the control database raises with each attempt, into the row.
//! 2. Its loading transaction locks the row on the condition that the epoch is still its own and nothing was loaded.
//! 3. The same transaction writes the report into the row, so that the report is there exactly if the rows are.
//!
//! So an older attempt that still runs on a lost worker cannot load any more once a newer one has begun, and a newer attempt
//! finds out what an older one did even if the answer to its COMMIT was lost.

use std::path::{Path, PathBuf};
use std::time::Duration;

use elt_shared::redaction;
use elt_shared::runs::report::RunReport;
use elt_shared::store::runs::Run;
use elt_shared::target::TableRef;
use serde_json::value::RawValue;
use sqlx::types::Json;
use sqlx::{AssertSqlSafe, PgConnection, PgExecutor};
use uuid::Uuid;

use super::elt_tables::LOADS;
use super::failure::Failing;
use crate::error::{PipelineError, Result};

/// Time that the session of an older attempt gets to end after it was terminated.
const SESSION_ENDS_WITHIN: Duration = Duration::from_secs(10);

/// Most bytes of a report that is read from a marker, because a target could send one of any size and the control database
/// keeps it.
const MAX_REPORT_BYTES: usize = 8 << 20;

/// A report as the target keeps it, unparsed. `None`: the marker has no report.
type KeptReport = Option<Json<Box<RawValue>>>;

/// Identity of an attempt at a run.
#[derive(Debug, Clone, Copy)]
pub struct Attempt {
    /// Id of the run.
    pub run_id: Uuid,
    /// Number of the attempt, which the control database raises with each start.
    pub epoch: i64,
    /// Id of the config version.
    pub config_id: i64,
}

impl Attempt {
    /// The current attempt at a run.
    pub fn of(run: &Run) -> Self {
        Self { run_id: run.id, epoch: run.epoch, config_id: run.config_id }
    }

    /// The `application_name` of the attempt's sessions with the target: `elt:<run>:<epoch>`.
    pub fn application_name(self) -> String {
        format!("elt:{}:{}", self.run_id, self.epoch)
    }
}

/// The marker as an attempt finds it when it begins.
#[derive(Debug)]
pub enum Begun {
    /// Nothing was loaded, so the attempt may load.
    MayLoad,
    /// An earlier attempt loaded everything.
    Loaded {
        /// The report of that attempt.
        report: Box<RunReport>,
        /// Path that its combined CSV had before it got its final name. `None`: it wrote no combined CSV.
        unfinished_csv: Option<PathBuf>,
    },
}

/// Ends the sessions of older attempts, because one that still runs would keep its locks on the table.
pub async fn end_older_sessions(connection: &mut PgConnection, attempt: Attempt) -> sqlx::Result<u64> {
    let ended: Vec<bool> = sqlx::query_scalar(
        "select pg_terminate_backend(pid, $3)
         from pg_stat_activity
         where application_name like 'elt:' || $1 || ':%' and usename = current_user and pid <> pg_backend_pid()
           and case when split_part(application_name, ':', 3) ~ '^[0-9]{1,18}$'
                    then split_part(application_name, ':', 3)::bigint < $2 else false end",
    )
    .bind(attempt.run_id.to_string())
    .bind(attempt.epoch)
    .bind(SESSION_ENDS_WITHIN.as_millis() as i64)
    .fetch_all(connection)
    .await?;
    Ok(ended.len() as u64)
}

/// Writes the attempt's epoch into the run's marker. The caller commits it before anything else is done. `installation`: the
/// id of the installation that the run belongs to.
///
/// # Errors
/// [`PipelineError::Fenced`] when a newer attempt began.
pub async fn begin(
    connection: &mut PgConnection,
    table: &TableRef,
    attempt: Attempt,
    installation: Uuid,
) -> Result<Begun> {
    let fail = Failing::at(table, "write the run's marker");
    let loads = table.sibling(LOADS).sql();
    // An equal epoch is accepted, because it is this attempt's own: only a newer one may keep it from loading.
    // A marker with `loaded_at` is never changed, because its report is the proof that the rows are there.
    let mine: sqlx::Result<Option<i64>> = sqlx::query_scalar(AssertSqlSafe(format!(
        "insert into {loads} as marker (run_id, table_name, config_id, epoch, installation_id) values ($1, $2, $3, $4, $5)
         on conflict (run_id) do update set
             epoch = excluded.epoch, begun_at = now(), installation_id = excluded.installation_id
         where marker.loaded_at is null and marker.epoch <= excluded.epoch
         returning epoch"
    )))
    .bind(attempt.run_id)
    .bind(&table.table)
    .bind(attempt.config_id)
    .bind(attempt.epoch)
    .bind(installation)
    .fetch_optional(&mut *connection)
    .await;
    let mine = match mine {
        Ok(mine) => mine,
        Err(error) => return Err(fail.asking(connection, error).await),
    };
    if mine.is_some() {
        return Ok(Begun::MayLoad);
    }
    // The row was not written: either an earlier attempt loaded, or a newer attempt has a higher epoch.
    let loaded: Option<(KeptReport, Option<String>)> = sqlx::query_as(AssertSqlSafe(format!(
        "select report, unfinished_csv from {loads} where run_id = $1 and loaded_at is not null"
    )))
    .bind(attempt.run_id)
    .fetch_optional(connection)
    .await
    .map_err(|error| fail.because(error))?;
    let (report, unfinished_csv) = loaded.ok_or(PipelineError::Fenced)?;
    let report = read_report(report);
    Ok(Begun::Loaded { report, unfinished_csv: unfinished_csv.map(PathBuf::from) })
}

/// The newest of these runs whose marker says that it loaded and was not undone, with its report.
///
/// # Errors
/// Database failures.
pub async fn loaded_by_any(
    connection: &mut PgConnection,
    table: &TableRef,
    runs: &[Uuid],
) -> Result<Option<(Uuid, Box<RunReport>)>> {
    let found: Option<(Uuid, KeptReport)> = sqlx::query_as(AssertSqlSafe(format!(
        "select run_id, report from {} where run_id = any($1) and loaded_at is not null and undone_at is null
         order by loaded_at desc limit 1",
        table.sibling(LOADS).sql()
    )))
    .bind(runs)
    .fetch_optional(connection)
    .await
    .map_err(|error| Failing::at(table, "read the markers of the runs that this one repeats").because(error))?;
    Ok(found.map(|(run, report)| (run, read_report(report))))
}

/// The report in a marker. An empty report takes the place of one that is missing, malformed or too large, because the
/// rows are loaded and the run must not fail.
fn read_report(kept: KeptReport) -> Box<RunReport> {
    let Some(Json(text)) = kept else { return Box::default() };
    let text = text.get();
    let read = (text.len() <= MAX_REPORT_BYTES).then(|| serde_json::from_str(text).ok()).flatten();
    Box::new(read.unwrap_or_else(|| {
        tracing::warn!(bytes = text.len(), "the report that the target keeps of this run cannot be used");
        RunReport::default()
    }))
}

/// Locks the table against other runs of elt until the transaction ends, and bounds the wait for every lock. It is an
/// advisory lock, because readers and writers of other programs need not wait for it.
pub async fn lock(tx: &mut PgConnection, table: &TableRef) -> sqlx::Result<()> {
    // The limits were lifted for the session already. They are lifted again for the transaction, because a pooler may have
    // given it another session of the server. The memory for sorts is raised, because a load sorts all of its rows.
    sqlx::query(
        "select set_config('lock_timeout', '30s', true), set_config('statement_timeout', '0', true),
                set_config('idle_in_transaction_session_timeout', '0', true),
                set_config('work_mem', greatest(pg_size_bytes(current_setting('work_mem')) / 1024, 65536) || 'kB', true)",
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query("select pg_advisory_xact_lock(hashtextextended('elt load ' || $1, 0))")
        .bind(table.to_string())
        .execute(tx)
        .await?;
    Ok(())
}

/// Locks the marker until the loading transaction ends, so that a newer attempt waits before it begins.
///
/// # Errors
/// [`PipelineError::Fenced`] when a newer attempt has written its epoch into the marker.
pub async fn fence(tx: &mut PgConnection, table: &TableRef, attempt: Attempt) -> Result<()> {
    let held: Option<i32> = sqlx::query_scalar(AssertSqlSafe(format!(
        "select 1 from {} where run_id = $1 and epoch = $2 and loaded_at is null for update",
        table.sibling(LOADS).sql()
    )))
    .bind(attempt.run_id)
    .bind(attempt.epoch)
    .fetch_optional(tx)
    .await
    .map_err(|error| Failing::at(table, "hold the run's marker").because(error))?;
    held.map(drop).ok_or(PipelineError::Fenced)
}

/// Writes the report into the marker, secrets hidden, as part of the loading transaction.
pub async fn finish(
    tx: impl PgExecutor<'_>,
    table: &TableRef,
    attempt: Attempt,
    report: &RunReport,
    unfinished_csv: Option<&Path>,
) -> sqlx::Result<()> {
    let mut shown = serde_json::to_value(report).map_err(|error| sqlx::Error::Encode(Box::new(error)))?;
    redaction::hide_in(&mut shown);
    sqlx::query(AssertSqlSafe(format!(
        "update {} set loaded_at = clock_timestamp(), report = $3, rows_read = $4, rows_inserted = $5, rows_updated = $6,
                rows_duplicate = $7, rows_quarantined = $8, rows_filtered = $9, unfinished_csv = $10
         where run_id = $1 and epoch = $2",
        table.sibling(LOADS).sql()
    )))
    .bind(attempt.run_id)
    .bind(attempt.epoch)
    .bind(Json(shown))
    .bind(report.rows_read as i64)
    .bind(report.rows_inserted as i64)
    .bind(report.rows_updated as i64)
    .bind(report.rows_duplicate as i64)
    .bind(report.rows_quarantined as i64)
    .bind(report.rows_filtered as i64)
    .bind(unfinished_csv.map(|path| path.to_string_lossy()))
    .execute(tx)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_that_cannot_be_used_is_an_empty_one() {
        let kept = |text: String| Some(Json(RawValue::from_string(text).expect("JSON")));
        let inserted = |text: &str| read_report(kept(text.to_owned())).rows_inserted;
        assert_eq!(inserted(r#"{"rows_inserted": 7}"#), 7);
        for wrong in [r#"{"rows_inserted": -7}"#, r#"{"rows_inserted": "many"}"#, "[]", "null", "1e999"] {
            assert_eq!(inserted(wrong), 0, "{wrong}");
        }
        let huge = format!(r#"{{"rows_inserted": 7, "combined_csv": "{}"}}"#, "x".repeat(MAX_REPORT_BYTES));
        assert_eq!(inserted(&huge), 0);
    }
}
