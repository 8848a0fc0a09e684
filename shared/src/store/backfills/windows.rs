//! The windows of backfills.

use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgExecutor};
use uuid::Uuid;

use crate::backfills::Window;
use crate::runs::RunState;
use crate::text_enum::text_enum;

text_enum! {
    /// The state of a window.
    pub enum WindowState {
        /// Its run was not made yet, or will be made again.
        Waiting = "waiting",
        /// Its run waits in the queue or is at work.
        Running = "running",
        /// Its rows are loaded.
        Succeeded = "succeeded",
        /// Its last run has failed.
        Failed = "failed",
        /// Its last run was stopped.
        Stopped = "stopped",
    }
}

/// Adds the windows of a backfill, numbered from 1.
pub(crate) async fn insert_windows(db: impl PgExecutor<'_>, id: Uuid, windows: &[Window]) -> sqlx::Result<()> {
    let (from, to): (Vec<_>, Vec<_>) = windows.iter().map(|window| (window.from, window.to)).unzip();
    sqlx::query(
        "insert into backfill_windows (backfill_id, number, from_at, to_at)
         select $1, number, from_at, to_at
         from unnest($2::timestamptz[], $3::timestamptz[]) with ordinality as asked (from_at, to_at, number)",
    )
    .bind(id)
    .bind(from)
    .bind(to)
    .execute(db)
    .await?;
    Ok(())
}

/// Writes down what has become of the runs that have ended. A window whose run was deleted before is `stopped`, because
/// nothing says any more whether it was loaded; a resume loads it again, and rows that are there are not doubled. The caller
/// holds [`lock`](super::lock).
pub(crate) async fn settle(db: impl PgExecutor<'_>, id: Uuid) -> sqlx::Result<()> {
    sqlx::query(
        "update backfill_windows w set state = coalesce(r.state, 'stopped'), rows_read = r.rows_read,
                rows_inserted = r.rows_inserted, rows_updated = r.rows_updated, error_code = r.error_code, error = r.error,
                finished_at = coalesce(r.finished_at, now())
         from backfill_windows same left join runs r on r.id = same.run_id
         where same.backfill_id = $1 and w.backfill_id = $1 and w.number = same.number and w.state = 'running'
           and (same.run_id is null or r.finished_at is not null)",
    )
    .bind(id)
    .execute(db)
    .await?;
    Ok(())
}

/// Numbers of windows by their state, and the rows of those that have succeeded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, FromRow)]
pub struct Counts {
    /// Number of all windows.
    pub windows: i64,
    /// Windows whose run is not made yet.
    pub waiting: i64,
    /// Windows whose run waits in the queue or is at work.
    pub running: i64,
    /// Windows that are loaded.
    pub succeeded: i64,
    /// Windows whose last run has failed.
    pub failed: i64,
    /// Windows whose last run was stopped.
    pub stopped: i64,
    /// Rows that the loaded windows read.
    pub rows_read: i64,
    /// Rows that they inserted.
    pub rows_inserted: i64,
    /// Rows of the table that they updated.
    pub rows_updated: i64,
}

/// SQL expressions of [`Counts`] over windows `w`.
pub(super) const COUNTS: &str = "count(*) as windows, count(*) filter (where w.state = 'waiting') as waiting,
    count(*) filter (where w.state = 'running') as running, count(*) filter (where w.state = 'succeeded') as succeeded,
    count(*) filter (where w.state = 'failed') as failed, count(*) filter (where w.state = 'stopped') as stopped,
    coalesce(sum(w.rows_read) filter (where w.state = 'succeeded'), 0)::bigint as rows_read,
    coalesce(sum(w.rows_inserted) filter (where w.state = 'succeeded'), 0)::bigint as rows_inserted,
    coalesce(sum(w.rows_updated) filter (where w.state = 'succeeded'), 0)::bigint as rows_updated";

/// Counts the windows of a backfill.
pub async fn counts(db: impl PgExecutor<'_>, id: Uuid) -> sqlx::Result<Counts> {
    sqlx::query_as(sqlx::AssertSqlSafe(format!("select {COUNTS} from backfill_windows w where backfill_id = $1")))
        .bind(id)
        .fetch_one(db)
        .await
}

/// A window whose run is to be made.
#[derive(Debug, Clone, Copy, FromRow)]
pub(crate) struct WaitingWindow {
    pub number: i32,
    pub from_at: DateTime<Utc>,
    pub to_at: DateTime<Utc>,
    /// Its run before this one, which loaded nothing as far as the control database knows.
    pub repeats: Option<Uuid>,
}

impl WaitingWindow {
    pub fn window(&self) -> Window {
        Window { from: self.from_at, to: self.to_at }
    }
}

/// The first windows whose run is to be made, the oldest first. The caller holds [`lock`](super::lock).
pub(crate) async fn next_waiting(db: impl PgExecutor<'_>, id: Uuid, limit: i64) -> sqlx::Result<Vec<WaitingWindow>> {
    sqlx::query_as(
        "select number, from_at, to_at, run_id as repeats from backfill_windows
         where backfill_id = $1 and state = 'waiting' order by number limit $2",
    )
    .bind(id)
    .bind(limit)
    .fetch_all(db)
    .await
}

/// Notes the run that was made for a window.
pub(crate) async fn note_run(db: impl PgExecutor<'_>, id: Uuid, number: i32, run: Uuid) -> sqlx::Result<()> {
    sqlx::query(
        "update backfill_windows set state = 'running', run_id = $3, runs = runs + 1, rows_read = null, rows_inserted = null,
                rows_updated = null, error_code = null, error = null, finished_at = null
         where backfill_id = $1 and number = $2",
    )
    .bind(id)
    .bind(number)
    .bind(run)
    .execute(db)
    .await?;
    Ok(())
}

/// The runs of a backfill that have not ended, in the order of their ids.
pub(crate) async fn unfinished_runs(db: impl PgExecutor<'_>, id: Uuid) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar(
        "select r.id from backfill_windows w join runs r on r.id = w.run_id
         where w.backfill_id = $1 and w.state = 'running' and r.finished_at is null order by r.id",
    )
    .bind(id)
    .fetch_all(db)
    .await
}

/// A window, with its newest run.
#[derive(Debug, Clone, FromRow)]
pub struct WindowRow {
    /// Counted from 1, the oldest first.
    pub number: i32,
    /// Beginning of the window, which belongs to it.
    pub from_at: DateTime<Utc>,
    /// Its end, which is not part of it.
    pub to_at: DateTime<Utc>,
    /// What has become of it.
    pub state: WindowState,
    /// Its newest run. `None` before the first one, and when the run was deleted because of its age.
    pub run_id: Option<Uuid>,
    /// The state of that run.
    pub run_state: Option<RunState>,
    /// Number of runs that were made for it.
    pub runs: i32,
    /// Rows read. `None` until it is known.
    pub rows_read: Option<i64>,
    /// Rows inserted. `None` until it is known.
    pub rows_inserted: Option<i64>,
    /// Rows of the table that were updated. `None` until it is known.
    pub rows_updated: Option<i64>,
    /// Stable code of the failure of its last run.
    pub error_code: Option<String>,
    /// The failure as a sentence.
    pub error: Option<String>,
    /// When its last run ended.
    pub finished_at: Option<DateTime<Utc>>,
}

/// Windows of a backfill in their order, those after number `after`; only those in one of `states` when given.
pub async fn windows(
    db: impl PgExecutor<'_>,
    id: Uuid,
    states: Option<&[WindowState]>,
    after: i32,
    limit: i64,
) -> sqlx::Result<Vec<WindowRow>> {
    sqlx::query_as(
        "select w.number, w.from_at, w.to_at, w.state, w.run_id, r.state as run_state, w.runs,
                coalesce(w.rows_read, r.rows_read) as rows_read, coalesce(w.rows_inserted, r.rows_inserted) as rows_inserted,
                coalesce(w.rows_updated, r.rows_updated) as rows_updated, w.error_code, w.error, w.finished_at
         from backfill_windows w left join runs r on r.id = w.run_id
         where w.backfill_id = $1 and w.number > $2 and ($3::text[] is null or w.state = any($3))
         order by w.number limit $4",
    )
    .bind(id)
    .bind(after)
    .bind(states.map(|states| states.iter().map(|state| state.as_str()).collect::<Vec<_>>()))
    .bind(limit)
    .fetch_all(db)
    .await
}

/// Lets the windows that have failed or were stopped wait to be loaded again.
pub(crate) async fn wait_again(db: impl PgExecutor<'_>, id: Uuid) -> sqlx::Result<()> {
    sqlx::query(
        "update backfill_windows set state = 'waiting' where backfill_id = $1 and state in ('failed', 'stopped')",
    )
    .bind(id)
    .execute(db)
    .await?;
    Ok(())
}
