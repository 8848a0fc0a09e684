//! Backfills and their windows. What happens to them in which order is in [`backfills`](crate::backfills).

use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgConnection, PgExecutor, PgPool};
use uuid::Uuid;

use crate::backfills::{MOST_FAILED, Window};
use crate::runs::RunState;
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

/// What is asked for.
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

/// One backfill.
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

/// Writes down what has become of the runs that have ended. The caller holds [`lock`].
pub(crate) async fn settle(db: impl PgExecutor<'_>, id: Uuid) -> sqlx::Result<()> {
    sqlx::query(
        "update backfill_windows w set state = r.state, rows_read = r.rows_read, rows_inserted = r.rows_inserted,
                rows_updated = r.rows_updated, error_code = r.error_code, error = r.error, finished_at = r.finished_at
         from runs r
         where w.backfill_id = $1 and w.state = 'running' and r.id = w.run_id and r.finished_at is not null",
    )
    .bind(id)
    .execute(db)
    .await?;
    Ok(())
}

/// Numbers of windows by their state, and the rows of those that have succeeded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, FromRow)]
pub struct Counts {
    /// All windows.
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
const COUNTS: &str = "count(*) as windows, count(*) filter (where w.state = 'waiting') as waiting,
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

/// The first windows whose run is to be made, the oldest first. The caller holds [`lock`].
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

/// Lets a backfill go on, and its windows that have failed or were stopped wait to be loaded again.
pub(crate) async fn begin_again(db: &mut PgConnection, id: Uuid) -> sqlx::Result<()> {
    sqlx::query("update backfills set state = 'running', finished_at = null where id = $1")
        .bind(id)
        .execute(&mut *db)
        .await?;
    sqlx::query(
        "update backfill_windows set state = 'waiting' where backfill_id = $1 and state in ('failed', 'stopped')",
    )
    .bind(id)
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

/// Backfills of which a run has ended that is not written down yet, or that have nothing at work.
pub(crate) async fn to_advance(db: &PgPool, limit: i64) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar(
        "select b.id from backfills b
         where b.finished_at is null
           and (exists (select from backfill_windows w join runs r on r.id = w.run_id
                        where w.backfill_id = b.id and w.state = 'running' and r.finished_at is not null)
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
    /// Its windows.
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

/// A window, with its newest run.
#[derive(Debug, Clone, FromRow)]
pub struct WindowRow {
    /// Counted from 1, the oldest first.
    pub number: i32,
    /// Its beginning.
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
