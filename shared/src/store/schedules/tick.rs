//! Ticks: a worker claims a due schedule for a while, reads the sources, and writes what it decided, unless another worker
//! took the tick over meanwhile. Time is the database's, because the workers' clocks may be hours apart.

use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgConnection, PgExecutor};
use uuid::Uuid;

use super::{COLUMNS, Schedule, ScheduleState, announce};
use crate::runs::leases::TICK_LEASE;

/// A tick that was due and that this worker has taken.
#[derive(Debug, Clone, FromRow)]
pub struct DueTick {
    /// The schedule, with this tick counted.
    #[sqlx(flatten)]
    pub schedule: Schedule,
    /// The database's clock when it was claimed.
    pub now: DateTime<Utc>,
    /// When it was due.
    pub due_at: DateTime<Utc>,
    /// Whether its pipeline, or everything, is paused.
    pub pipeline_paused: bool,
}

/// Claims at most `limit` due ticks of a queue. A tick has one claim at a time, and [`TICK_LEASE`] ends it.
pub async fn claim_due(db: impl PgExecutor<'_>, queue: &str, worker: &str, limit: i64) -> sqlx::Result<Vec<DueTick>> {
    let columns = COLUMNS.split(", ").map(|column| format!("s.{}", column.trim())).collect::<Vec<_>>().join(", ");
    // Locked rows are skipped, because another worker is claiming them. A claim that was neither written nor released ends
    // with its lease.
    sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "with due as (
             select id, next_tick_at as due_at from schedules
             where state in ('waiting', 'active', 'stopping') and next_tick_at <= now() and queue = $1
               and coalesce(ticking_until, now()) <= now()
             order by next_tick_at limit $2 for no key update skip locked
         )
         update schedules s set ticks = ticks + 1, last_tick_at = now(), last_tick_worker = $3,
                ticking_until = now() + make_interval(secs => $4)
         from due where s.id = due.id
         returning {columns}, now() as now, due.due_at,
                   exists (select from pauses p where p.scope = 'all' or (p.scope = 'pipeline' and p.name = s.name))
                       as pipeline_paused"
    )))
    .bind(queue)
    .bind(limit)
    .bind(worker)
    .bind(TICK_LEASE.as_secs_f64())
    .fetch_all(db)
    .await
}

/// Seconds until the next tick of a queue is due; `None`: no schedule is live.
pub async fn seconds_until_due(db: impl PgExecutor<'_>, queue: &str) -> sqlx::Result<Option<f64>> {
    sqlx::query_scalar(
        "select extract(epoch from min(greatest(next_tick_at, ticking_until)) - clock_timestamp())::float8
         from schedules where state in ('waiting', 'active', 'stopping') and queue = $1",
    )
    .bind(queue)
    .fetch_one(db)
    .await
}

impl DueTick {
    /// Whether the tick makes no runs, because the schedule or its pipeline is paused.
    pub fn is_paused(&self) -> bool {
        self.schedule.paused || self.pipeline_paused
    }

    /// Whether the schedule's window is over.
    pub fn is_over(&self) -> bool {
        self.schedule.end_at.is_some_and(|end| end <= self.now)
    }
}

/// Whether no newer tick took over. Holds the schedule's row until the caller's transaction ends.
pub async fn is_current(db: &mut PgConnection, id: Uuid, tick: i64) -> sqlx::Result<bool> {
    let current: Option<Uuid> = sqlx::query_scalar(
        "select id from schedules where id = $1 and ticks = $2 and state in ('waiting', 'active', 'stopping') for no key update",
    )
    .bind(id)
    .bind(tick)
    .fetch_optional(db)
    .await?;
    Ok(current.is_some())
}

/// Ends the claim of a tick that was not done, so that another worker does it.
pub async fn release(db: impl PgExecutor<'_>, id: Uuid, tick: i64) -> sqlx::Result<()> {
    sqlx::query("update schedules set ticking_until = null where id = $1 and ticks = $2")
        .bind(id)
        .bind(tick)
        .execute(db)
        .await?;
    Ok(())
}

/// The decision of a tick.
#[derive(Debug, Clone)]
pub struct TickDecision<'a> {
    /// [`ScheduleState::Waiting`] or [`ScheduleState::Active`]; [`end`] writes the other states.
    pub state: ScheduleState,
    /// Time of the next tick.
    pub next_tick_at: DateTime<Utc>,
    /// The next fire of the cron expression; `None`: it never fires again.
    pub next_run_at: Option<DateTime<Utc>>,
    /// Fingerprint of the sources to compare later ones with; `None` keeps the one that is there.
    pub fingerprint: Option<&'a [u8]>,
    /// Whether a change was seen that the run going on may have missed.
    pub changed: bool,
    /// Number of fires left out by this tick.
    pub skipped: i64,
    /// Why the sources could not be read; `None`: they could, or were not.
    pub error: Option<&'a str>,
}

impl<'a> TickDecision<'a> {
    /// Leaves everything as it is.
    pub fn unchanged(schedule: &'a Schedule) -> Self {
        Self {
            state: schedule.state,
            next_tick_at: schedule.created_at,
            next_run_at: schedule.next_run_at,
            fingerprint: None,
            changed: false,
            skipped: 0,
            error: schedule.last_tick_error.as_deref(),
        }
    }
}

/// Writes the decision of tick number `tick`. False: a newer tick took over, or the schedule ended; roll back.
pub async fn write_tick(
    db: impl PgExecutor<'_>,
    id: Uuid,
    tick: i64,
    claimed_due: DateTime<Utc>,
    decision: &TickDecision<'_>,
) -> sqlx::Result<bool> {
    let written = sqlx::query(
        "update schedules set state = $4,
                updated_at = case when state = $4 then updated_at else now() end,
                reason = case when state = $4 then reason end,
                -- The tick may have been brought forward meanwhile, because something changed that it has not seen.
                next_tick_at = case when next_tick_at = $3 then $5 else least(next_tick_at, $5) end,
                next_run_at = $6, fingerprint = coalesce($7, fingerprint), changed = $8, skipped = skipped + $9,
                last_tick_error = $10, ticking_until = null
         where id = $1 and ticks = $2 and state in ('waiting', 'active')",
    )
    .bind(id)
    .bind(tick)
    .bind(claimed_due)
    .bind(decision.state)
    .bind(decision.next_tick_at)
    .bind(decision.next_run_at)
    .bind(decision.fingerprint)
    .bind(decision.changed)
    .bind(decision.skipped)
    .bind(decision.error)
    .execute(db)
    .await?;
    Ok(written.rows_affected() == 1)
}

/// Ends a live schedule: `stopping` while a run of it still stops, else `stopped`, `missed` or `done`.
pub async fn end(db: &mut PgConnection, id: Uuid, state: ScheduleState, reason: &str) -> sqlx::Result<()> {
    sqlx::query(
        "update schedules set state = $2, reason = $3, updated_at = now(), ticking_until = null, next_run_at = null,
                next_tick_at = case when $2 = 'stopping' then now() + interval '5 seconds' end
         where id = $1 and state in ('waiting', 'active', 'stopping')",
    )
    .bind(id)
    .bind(state)
    .bind(reason)
    .execute(&mut *db)
    .await?;
    announce(db).await
}

/// Notes the fingerprint of the sources for a run of the schedule that is about to read them.
pub async fn note_seen(db: impl PgExecutor<'_>, id: Uuid, fingerprint: &[u8]) -> sqlx::Result<()> {
    sqlx::query("update schedules set fingerprint = $2 where id = $1").bind(id).bind(fingerprint).execute(db).await?;
    Ok(())
}

/// Forgets the fingerprints of the sources of every pipeline of a table, so that they are loaded again.
pub async fn forget_seen(db: impl PgExecutor<'_>, target_key: &str) -> sqlx::Result<()> {
    sqlx::query(
        "update schedules set fingerprint = null, looks = null
         where config_id in (select config_id from runs where target_key = $1)
           and state in ('waiting', 'active', 'stopping')",
    )
    .bind(target_key)
    .execute(db)
    .await?;
    Ok(())
}

/// A run of the schedule ended: a stopping schedule has stopped with its last run, and a change seen meanwhile is
/// looked at now.
///
/// Does nothing while another transaction holds the schedule, because the caller holds the run and must not wait: a tick
/// that holds the schedule may be waiting for the run. The next tick then does the same. A caller that takes
/// [`super::lock_of_run`] before the run does not depend on that.
pub async fn run_finished(db: &mut PgConnection, id: Uuid) -> sqlx::Result<()> {
    // One statement, because both questions depend on the same count of unfinished runs.
    let (stopped, look): (bool, bool) = sqlx::query_as(
        "with live as (
             select exists (select from runs where schedule_id = $1 and state in ('queued', 'running')) as any
         ), free as (
             select id from schedules where id = $1 for no key update skip locked
         ), stopped as (
             update schedules s set state = 'stopped', updated_at = now(), next_tick_at = null, ticking_until = null
             from live, free where s.id = free.id and s.state = 'stopping' and not live.any returning 1
         ), looked as (
             update schedules s set next_tick_at = now(), changed = false
             from live, free where s.id = free.id and s.state = 'active' and s.changed and not live.any returning 1
         )
         select exists (select from stopped), exists (select from looked)",
    )
    .bind(id)
    .fetch_one(&mut *db)
    .await?;
    if stopped || look {
        announce(db).await?;
    }
    Ok(())
}

/// Makes the next tick of schedules that monitor due now, because something changed in one of their folders.
pub async fn bring_forward(db: &mut PgConnection, ids: &[Uuid]) -> sqlx::Result<()> {
    sqlx::query(
        "update schedules set next_tick_at = now()
         where id = any($1) and state = 'active' and monitor and not paused and next_tick_at > now()",
    )
    .bind(ids)
    .execute(&mut *db)
    .await?;
    announce(db).await
}

/// The active schedules of a queue that monitor: a worker watches their folders.
pub async fn watched(db: impl PgExecutor<'_>, queue: &str) -> sqlx::Result<Vec<Schedule>> {
    sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "select {COLUMNS} from schedules where state = 'active' and monitor and not paused and queue = $1"
    )))
    .bind(queue)
    .fetch_all(db)
    .await
}
