//! Backfills. What happens to them in which order is in [`backfills`](crate::backfills); their windows are in [`windows`](mod@windows).

mod windows;

use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgExecutor, PgPool};
use uuid::Uuid;

use self::windows::COUNTS;
pub use self::windows::{Counts, WindowRow, WindowState, counts, windows};
pub(crate) use self::windows::{
    WaitingWindow, insert_windows, next_waiting, note_run, settle, unfinished_runs, wait_again,
};
use crate::backfills::{MOST_FAILED, Window};
use crate::text_enum::text_enum;

text_enum! {
    /// The state of a backfill.
    #[derive(Default)]
    pub enum BackfillState {
        /// Windows are loaded, or will be.
        #[default]
        Running = "running",
        /// It was canceled, and runs of it have not ended yet.
        Canceling = "canceling",
        /// Every window has succeeded.
        Succeeded = "succeeded",
        /// Windows have failed or were stopped, and no run of it is left.
        Failed = "failed",
        /// It was canceled; the windows that had succeeded stay loaded.
        Canceled = "canceled",
    }
}

impl BackfillState {
    /// The state as the end of a sentence: `the backfill …`.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Running => "goes on",
            Self::Canceling => "is being canceled",
            Self::Succeeded => "has loaded every window",
            Self::Failed => "has failed",
            Self::Canceled => "was canceled",
        }
    }
}

/// A range of time that is loaded in windows.
#[derive(Debug, Clone, FromRow)]
pub struct Backfill {
    /// UUIDv7: sorts by time.
    pub id: Uuid,
    /// The config version that its runs execute.
    pub config_id: i64,
    /// Pipeline name.
    pub name: String,
    /// Target table as the config names it.
    pub target_table: String,
    /// The beginning of the range.
    pub from_at: DateTime<Utc>,
    /// The end of the range, which is not part of it.
    pub to_at: DateTime<Utc>,
    /// Length of a window, as text: `30d`.
    pub window_size: String,
    /// Windows that are at work at the same time.
    pub parallel: i32,
    /// Bound of the attempts of each run.
    pub max_attempts: i32,
    /// The queue of its runs.
    pub queue: String,
    /// Going on, or how it ended.
    pub state: BackfillState,
    /// Username.
    pub created_by: String,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// Who canceled it last.
    pub canceled_by: Option<String>,
    /// When it ended. `None`: it goes on.
    pub finished_at: Option<DateTime<Utc>>,
}

const COLUMNS: &str = "id, config_id, name, target_table, from_at, to_at, window_size, parallel, max_attempts, queue, state, \
                       created_by, created_at, canceled_by, finished_at";

/// A backfill that is not stored yet.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NewBackfill<'a> {
    pub config_id: i64,
    pub name: &'a str,
    pub target_table: &'a str,
    pub range: Window,
    pub window_size: &'a str,
    pub parallel: i32,
    pub max_attempts: i32,
    pub queue: &'a str,
    pub created_by: &'a str,
}

/// Creates a backfill without windows.
pub(crate) async fn create(db: impl PgExecutor<'_>, new: NewBackfill<'_>) -> sqlx::Result<Backfill> {
    sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "insert into backfills (id, config_id, name, target_table, from_at, to_at, window_size, parallel, max_attempts, queue,
                                created_by)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) returning {COLUMNS}"
    )))
    .bind(Uuid::now_v7())
    .bind(new.config_id)
    .bind(new.name)
    .bind(new.target_table)
    .bind(new.range.from)
    .bind(new.range.to)
    .bind(new.window_size)
    .bind(new.parallel)
    .bind(new.max_attempts)
    .bind(new.queue)
    .bind(new.created_by)
    .fetch_one(db)
    .await
}

/// A backfill by its id. `None`: it does not exist.
pub async fn find(db: impl PgExecutor<'_>, id: Uuid) -> sqlx::Result<Option<Backfill>> {
    sqlx::query_as(sqlx::AssertSqlSafe(format!("select {COLUMNS} from backfills where id = $1")))
        .bind(id)
        .fetch_optional(db)
        .await
}

/// One backfill, locked until the transaction ends.
pub(crate) async fn lock(db: impl PgExecutor<'_>, id: Uuid) -> sqlx::Result<Option<Backfill>> {
    sqlx::query_as(sqlx::AssertSqlSafe(format!("select {COLUMNS} from backfills where id = $1 for update")))
        .bind(id)
        .fetch_optional(db)
        .await
}

/// Writes the end of a backfill.
pub(crate) async fn end(db: impl PgExecutor<'_>, id: Uuid, state: BackfillState) -> sqlx::Result<()> {
    sqlx::query("update backfills set state = $2, finished_at = now() where id = $1")
        .bind(id)
        .bind(state)
        .execute(db)
        .await?;
    Ok(())
}

/// Notes that a backfill was canceled: no further run of it is made.
pub(crate) async fn begin_cancel(db: impl PgExecutor<'_>, id: Uuid, by: &str) -> sqlx::Result<()> {
    sqlx::query("update backfills set state = 'canceling', canceled_by = $2 where id = $1")
        .bind(id)
        .bind(by)
        .execute(db)
        .await?;
    Ok(())
}

/// Lets a backfill go on.
pub(crate) async fn begin_again(db: impl PgExecutor<'_>, id: Uuid) -> sqlx::Result<()> {
    sqlx::query("update backfills set state = 'running', finished_at = null where id = $1")
        .bind(id)
        .execute(db)
        .await?;
    Ok(())
}

/// Backfills of which a run has ended or was deleted, which is not written down yet, or that have nothing at work.
pub(crate) async fn to_advance(db: &PgPool, limit: i64) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar(
        "select b.id from backfills b
         where b.finished_at is null
           and (exists (select from backfill_windows w left join runs r on r.id = w.run_id
                        where w.backfill_id = b.id and w.state = 'running'
                          and (w.run_id is null or r.finished_at is not null))
                or not exists (select from backfill_windows w where w.backfill_id = b.id and w.state = 'running'))
         order by b.id limit $1",
    )
    .bind(limit)
    .fetch_all(db)
    .await
}

/// Which backfills to list; an empty filter lists all.
#[derive(Debug, Clone, Copy, Default)]
pub struct BackfillFilter<'a> {
    /// Only of this pipeline.
    pub name: Option<&'a str>,
    /// Only in this state.
    pub state: Option<BackfillState>,
    /// Only of these pipelines.
    pub names: Option<&'a [String]>,
}

/// A backfill with what has become of its windows.
#[derive(Debug, Clone, FromRow)]
pub struct Progress {
    /// The backfill.
    #[sqlx(flatten)]
    pub backfill: Backfill,
    /// Number of its windows by their state.
    #[sqlx(flatten)]
    pub counts: Counts,
}

impl Progress {
    /// Whether windows wait although nothing is at work any more, because too many have failed.
    pub fn gave_up(&self) -> bool {
        self.backfill.state == BackfillState::Failed && self.counts.failed >= MOST_FAILED && self.counts.waiting > 0
    }
}

/// Backfills, newest first; those older than `before` when given.
pub async fn list(
    db: impl PgExecutor<'_>,
    filter: BackfillFilter<'_>,
    before: Option<Uuid>,
    limit: i64,
) -> sqlx::Result<Vec<Progress>> {
    sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "select {COLUMNS}, counted.* from (
             select * from backfills
             where ($1::text is null or name = $1) and ($2::text is null or state = $2)
               and ($3::text[] is null or name = any($3)) and ($4::uuid is null or id < $4)
             order by id desc limit $5
         ) b cross join lateral (select {COUNTS} from backfill_windows w where w.backfill_id = b.id) counted
         order by id desc"
    )))
    .bind(filter.name)
    .bind(filter.state)
    .bind(filter.names)
    .bind(before)
    .bind(limit)
    .fetch_all(db)
    .await
}

/// A backfill with what has become of its windows.
pub async fn progress(db: impl PgExecutor<'_>, id: Uuid) -> sqlx::Result<Option<Progress>> {
    sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "select {COLUMNS}, counted.* from backfills
         cross join lateral (select {COUNTS} from backfill_windows w where w.backfill_id = $1) counted where id = $1"
    )))
    .bind(id)
    .fetch_optional(db)
    .await
}

/// Deletes at most `limit` backfills that ended more than `days` ago and whose runs are all deleted. Returns how many.
pub async fn remove_without_runs(db: impl PgExecutor<'_>, days: u16, limit: i64) -> sqlx::Result<u64> {
    let removed = sqlx::query(
        "delete from backfills where id = any(array(
             select b.id from backfills b
             where b.finished_at < now() - make_interval(days => $1)
               and not exists (select from runs r where r.backfill_id = b.id)
             order by b.id limit $2))",
    )
    .bind(i32::from(days))
    .bind(limit)
    .execute(db)
    .await?;
    Ok(removed.rows_affected())
}
