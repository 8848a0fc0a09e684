//! Schedules: when a pipeline runs by itself. A schedule is a row; the first worker that claims it does its next tick.
//!
//! # Layout
//! - [`looks`]: how the sources were looked at last
//! - [`state`]: the states of a schedule
//! - [`tick`]: what workers do: claim what is due, write what a tick decided
//! - this file: what people do: create, look, stop

mod looks;
mod state;
mod tick;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection, PgExecutor};
use uuid::Uuid;

pub use looks::{LookBy, SourceLook, note_looks};
pub use state::ScheduleState;
pub use tick::{
    DueTick, TickDecision, bring_forward, claim_due, end, forget_seen, is_current, note_seen, release, run_finished,
    seconds_until_due, watched, write_tick,
};

use crate::config::{CatchUp, Overlap};
use crate::queue::TICK_CHANNEL;
use crate::runs::Trigger;

/// A time in which a pipeline runs by itself, and how.
#[derive(Debug, Clone, Default, FromRow, Serialize)]
pub struct Schedule {
    /// UUIDv7.
    pub id: Uuid,
    /// The config version it runs.
    pub config_id: i64,
    /// Pipeline name: one live schedule for each.
    pub name: String,
    /// Waiting, active, or how it ended.
    pub state: ScheduleState,
    /// Why it is in that state.
    pub reason: Option<String>,
    /// [`Trigger::Manual`]: made by a trigger of its config; [`Trigger::Schedule`]: made by `POST /schedules`.
    pub trigger: Trigger,
    /// It waits for this instant.
    pub start_at: Option<DateTime<Utc>>,
    /// It ends with this instant.
    pub end_at: Option<DateTime<Utc>>,
    /// IANA zone its times were written in and its cron expression is read in.
    pub timezone: String,
    /// Cron expression of five fields. `None`: the schedule has no fixed times.
    pub cron: Option<String>,
    /// What happens when a fixed time comes while a run of it is unfinished.
    pub overlap: Overlap,
    /// Which fixed times are caught up after a time without a worker.
    pub catch_up: CatchUp,
    /// Whether it compares the sources' fingerprints.
    pub monitor: bool,
    /// How often, in seconds; absent: as often as the workers' setting says.
    pub interval_seconds: Option<i32>,
    /// Its ticks do nothing while it is paused.
    pub paused: bool,
    /// When a worker looks at it next.
    pub next_tick_at: Option<DateTime<Utc>>,
    /// When its cron expression fires next.
    pub next_run_at: Option<DateTime<Utc>>,
    /// When a worker last looked at it.
    pub last_tick_at: Option<DateTime<Utc>>,
    /// Id of the worker that took the last tick. `None`: no tick was taken yet.
    pub last_tick_worker: Option<String>,
    /// Why the last look failed.
    pub last_tick_error: Option<String>,
    /// What the sources looked like when they were last run.
    #[serde(skip)]
    pub fingerprint: Option<Vec<u8>>,
    /// The last looks at its APIs, in the order of the sources. `None`: there was none yet.
    #[serde(skip)]
    pub looks: Option<Json<Vec<SourceLook>>>,
    /// Number of times of the cron expression that made no run, because an earlier run was unfinished or no worker was up.
    pub skipped: i64,
    /// The queue its runs go to.
    pub queue: String,
    /// What its runs need beside the config.
    #[serde(skip)]
    pub options: Value,
    /// How often it was looked at.
    pub ticks: i64,
    /// Target table of its runs as the config names it.
    pub target_table: String,
    /// Bound of the attempts of its runs.
    pub max_attempts: i32,
    /// Username.
    pub created_by: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When its state last changed.
    pub updated_at: DateTime<Utc>,
}

impl Schedule {
    /// Whether a worker still looks at it.
    pub fn is_live(&self) -> bool {
        self.state.is_live()
    }
}

const COLUMNS: &str = "id, config_id, name, state, reason, trigger, start_at, end_at, timezone, cron, overlap, catch_up, \
     monitor, interval_seconds, paused, next_tick_at, next_run_at, last_tick_at, last_tick_worker, last_tick_error, \
     fingerprint, looks, skipped, queue, options, ticks, target_table, max_attempts, created_by, created_at, updated_at";

/// A schedule that is not stored yet.
#[derive(Debug, Clone)]
pub struct NewSchedule<'a> {
    /// The config version.
    pub config_id: i64,
    /// Pipeline name.
    pub name: &'a str,
    /// See [`Schedule::trigger`].
    pub trigger: Trigger,
    /// It waits for this instant; `None`: it is active at once.
    pub start_at: Option<DateTime<Utc>>,
    /// It ends with this instant.
    pub end_at: Option<DateTime<Utc>>,
    /// IANA name of the time zone that the cron expression is read in.
    pub timezone: &'a str,
    /// Five fields, already checked.
    pub cron: Option<&'a str>,
    /// What a tick does while an earlier run goes on: `skip` or `queue`.
    pub overlap: Overlap,
    /// `latest`, `all` or `none`.
    pub catch_up: CatchUp,
    /// Whether its ticks look for changes of the sources.
    pub monitor: bool,
    /// How often; `None`: as the workers' setting says.
    pub interval_seconds: Option<i32>,
    /// When its cron expression fires first.
    pub next_run_at: Option<DateTime<Utc>>,
    /// When a worker looks at it first.
    pub next_tick_at: DateTime<Utc>,
    /// The queue its runs go to.
    pub queue: &'a str,
    /// What its runs need beside the config.
    pub options: Value,
    /// Target table of its runs as the config names it.
    pub target_table: &'a str,
    /// Bound of the attempts of its runs.
    pub max_attempts: u32,
    /// Username.
    pub created_by: &'a str,
}

/// Creates a schedule: `waiting` until its start if that is to come, else `active`.
///
/// # Errors
/// By the constraint `schedules_one_monitor` when the pipeline has a live schedule: end that first.
pub async fn create(db: impl PgExecutor<'_>, new: NewSchedule<'_>) -> sqlx::Result<Schedule> {
    sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "insert into schedules (id, config_id, name, state, trigger, start_at, end_at, timezone, cron, overlap, catch_up,
                                monitor, interval_seconds, next_run_at, next_tick_at, queue, options, target_table, max_attempts,
                                created_by)
         values ($1, $2, $3, case when $5 > now() then 'waiting' else 'active' end, $4, $5, $6, $7, $8, $9, $10,
                 $11, $12, $13, $14, $15, $16, $17, $18, $19)
         returning {COLUMNS}"
    )))
    .bind(Uuid::now_v7())
    .bind(new.config_id)
    .bind(new.name)
    .bind(new.trigger)
    .bind(new.start_at)
    .bind(new.end_at)
    .bind(new.timezone)
    .bind(new.cron)
    .bind(new.overlap)
    .bind(new.catch_up)
    .bind(new.monitor)
    .bind(new.interval_seconds)
    .bind(new.next_run_at)
    .bind(new.next_tick_at)
    .bind(new.queue)
    .bind(new.options)
    .bind(new.target_table)
    .bind(new.max_attempts as i32)
    .bind(new.created_by)
    .fetch_one(db)
    .await
}

/// A schedule by its id. `None`: it does not exist.
pub async fn find(db: impl PgExecutor<'_>, id: Uuid) -> sqlx::Result<Option<Schedule>> {
    sqlx::query_as(sqlx::AssertSqlSafe(format!("select {COLUMNS} from schedules where id = $1")))
        .bind(id)
        .fetch_optional(db)
        .await
}

/// The live schedule of a pipeline. Takes a lock on the name until the caller's transaction ends.
pub async fn find_live(db: &mut PgConnection, name: &str) -> sqlx::Result<Option<Schedule>> {
    sqlx::query("select pg_advisory_xact_lock(hashtextextended('elt.schedules:' || $1, 0))")
        .bind(name)
        .execute(&mut *db)
        .await?;
    sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "select {COLUMNS} from schedules where name = $1 and state in ('waiting', 'active', 'stopping') for no key update"
    )))
    .bind(name)
    .fetch_optional(db)
    .await
}

/// Which schedules to list; an empty filter lists all.
#[derive(Debug, Clone, Default)]
pub struct ScheduleFilter<'a> {
    /// Only in one of these states; an empty list means no schedule at all.
    pub states: Option<&'a [ScheduleState]>,
    /// Only of this pipeline.
    pub name: Option<&'a str>,
    /// Only of this config version.
    pub config_id: Option<i64>,
    /// Only of these pipelines.
    pub names: Option<&'a [String]>,
}

/// Removes schedules that ended more than `days` ago and have no runs any more, at most `limit` of them. Returns how many:
/// call again while it is `limit`.
pub async fn remove_ended(db: impl PgExecutor<'_>, days: u16, limit: i64) -> sqlx::Result<u64> {
    let removed = sqlx::query(
        "delete from schedules where id = any(array(
             select s.id from schedules s
             where s.state in ('stopped', 'missed', 'done') and s.updated_at < now() - make_interval(days => $1)
               and not exists (select from runs r where r.schedule_id = s.id)
             order by s.id limit $2))",
    )
    .bind(i32::from(days))
    .bind(limit)
    .execute(db)
    .await?;
    Ok(removed.rows_affected())
}

/// Schedules, newest first; those older than `before` when given.
pub async fn list(
    db: impl PgExecutor<'_>,
    filter: &ScheduleFilter<'_>,
    before: Option<Uuid>,
    limit: i64,
) -> sqlx::Result<Vec<Schedule>> {
    let mut query = sqlx::QueryBuilder::new(format!("select {COLUMNS} from schedules where true"));
    if let Some(states) = filter.states {
        query.push(" and state = any(").push_bind(states).push(")");
    }
    if let Some(name) = filter.name {
        query.push(" and name = ").push_bind(name);
    }
    if let Some(config_id) = filter.config_id {
        query.push(" and config_id = ").push_bind(config_id);
    }
    if let Some(names) = filter.names {
        query.push(" and name = any(").push_bind(names).push(")");
    }
    if let Some(before) = before {
        query.push(" and id < ").push_bind(before);
    }
    query.push(" order by id desc limit ").push_bind(limit);
    query.build_query_as().fetch_all(db).await
}

/// How many schedules are in which state. States without schedules are left out.
pub async fn counts(db: impl PgExecutor<'_>) -> sqlx::Result<Vec<(ScheduleState, i64)>> {
    sqlx::query_as("select state, count(*) from schedules group by state order by state").fetch_all(db).await
}

/// Whether a schedule is live. Locks it, if it is, until the caller's transaction ends.
pub(crate) async fn lock_live(db: impl PgExecutor<'_>, id: Uuid) -> sqlx::Result<bool> {
    let live: Option<Uuid> = sqlx::query_scalar(
        "select id from schedules where id = $1 and state in ('waiting', 'active', 'stopping') for no key update",
    )
    .bind(id)
    .fetch_optional(db)
    .await?;
    Ok(live.is_some())
}

/// Locks the schedule of a run, if it has one, until the caller's transaction ends. A transaction that needs both locks takes
/// the schedule's first, as ticks do: two transactions that took them in different orders would wait for each other.
///
/// This lock and all others of schedules are `for no key update`, because PostgreSQL locks the schedule `for key share` when
/// a transaction makes a run or writes one twice, and a transaction that holds the run must not wait for a tick there.
pub async fn lock_of_run(db: impl PgExecutor<'_>, run_id: Uuid) -> sqlx::Result<()> {
    sqlx::query("select from schedules where id = (select schedule_id from runs where id = $1) for no key update")
        .bind(run_id)
        .execute(db)
        .await?;
    Ok(())
}

/// Opens the window of a waiting schedule now. `None`: it does not wait.
pub async fn open(db: impl PgExecutor<'_>, id: Uuid) -> sqlx::Result<Option<Schedule>> {
    sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "update schedules set state = 'active', start_at = now(), next_tick_at = now(), updated_at = now()
         where id = $1 and state = 'waiting' returning {COLUMNS}"
    )))
    .bind(id)
    .fetch_optional(db)
    .await
}

/// Pauses a live schedule, or lets it go on. `None`: there is no live schedule with this id.
pub async fn set_paused(db: &mut PgConnection, id: Uuid, paused: bool) -> sqlx::Result<Option<Schedule>> {
    let changed = sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "update schedules set paused = $2, updated_at = now(), next_tick_at = now()
         where id = $1 and state in ('waiting', 'active') returning {COLUMNS}"
    )))
    .bind(id)
    .bind(paused)
    .fetch_optional(&mut *db)
    .await?;
    announce(db).await?;
    Ok(changed)
}

/// Makes the live schedule of a pipeline, or every one, due now.
pub(crate) async fn tick_now(db: &mut PgConnection, pipeline: Option<&str>) -> sqlx::Result<()> {
    // Locked in the order of their ids, so that two transactions do not wait for each other in a circle.
    sqlx::query(
        "update schedules set next_tick_at = least(next_tick_at, now())
         where id in (select id from schedules
                      where state in ('waiting', 'active') and ($1::text is null or name = $1) order by id for no key update)",
    )
    .bind(pipeline)
    .execute(&mut *db)
    .await?;
    announce(db).await
}

/// Live schedules of a process of `elt run` that is gone.
pub async fn abandoned(db: impl PgExecutor<'_>) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar(
        "select s.id from schedules s
         where s.state in ('waiting', 'active', 'stopping') and s.queue like 'elt-run-%'
           and s.created_at < now() - interval '1 minute'
           and not exists (select from workers w where w.queue = s.queue and w.stopped_at is null
                                                    and w.heartbeat_at > now() - interval '1 minute')",
    )
    .fetch_all(db)
    .await
}

/// Lets workers know that a schedule was made or changed, once the caller's transaction commits.
pub async fn announce(db: impl PgExecutor<'_>) -> sqlx::Result<()> {
    sqlx::query("select pg_notify($1, '')").bind(TICK_CHANNEL).execute(db).await?;
    Ok(())
}
