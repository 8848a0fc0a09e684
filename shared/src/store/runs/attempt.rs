//! Statements of the worker that executes a run. Each carries the epoch that its attempt began with and changes nothing
//! once a newer attempt began or the run ended, so an attempt that lost its run can do no harm.

use sqlx::types::Json;
use sqlx::{FromRow, PgExecutor, PgPool};
use uuid::Uuid;

use super::{COLUMNS, Run};
use crate::redaction;
use crate::runs::RunProgress;
use crate::runs::leases::LEASE;
use crate::target::TargetPlace;

/// Starts an attempt: takes the run if it is queued and due, or if its worker lost it. `None`: the run needs no attempt. For
/// tests; workers call [`lifecycle::take`](crate::runs::lifecycle::take).
///
/// A start raises the epoch, so that whatever an older attempt still writes is fenced off. A run whose attempts
/// are used up, or whose window is over, is not taken: the sweeper ends it. An attempt at an unknown run only asks the
/// target, so it does not count, and neither bound keeps it from starting.
pub async fn begin(db: impl PgExecutor<'_>, id: Uuid, worker_id: &str) -> sqlx::Result<Option<Run>> {
    Ok(begin_into(db, id, worker_id, None, false).await?.map(|started| started.run))
}

/// An attempt that has begun.
#[derive(Debug, Clone, FromRow)]
pub struct Started {
    /// The run as it is now.
    #[sqlx(flatten)]
    pub run: Run,
    /// Seconds since it first met an outage, by an attempt of its own or because its server was known to be away, by the
    /// database's clock. `None`: it has met no outage.
    pub outage_seconds: Option<f64>,
}

/// Starts an attempt like [`begin`], of a run into this place. `tries`: it tries to reach the server for all runs that wait
/// for it.
pub(crate) async fn begin_into(
    db: impl PgExecutor<'_>,
    id: Uuid,
    worker_id: &str,
    place: Option<&TargetPlace>,
    tries: bool,
) -> sqlx::Result<Option<Started>> {
    // The run of a window has its table only from when it claims it, because its rows are fetched first.
    // The attempt starts when it begins and not when the transaction did, because the transaction may have waited for the
    // end of another run.
    // One statement, because the run, the end of the attempt before and the new attempt must be visible together: the
    // sweeper takes an attempt without a row for one that may have sent its COMMIT.
    sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "with taken as (
             update runs set state = 'running', epoch = epoch + 1, attempt = attempt + (unknown_since is null)::int, worker_id = $2,
                    lease_expires_at = now() + make_interval(secs => $3), not_before = null,
                    waits_for = case when unknown_since is not null then waits_for end,
                    waits_for_run = null, target_key = null, held = null, waiting_since = null, silent_since = null,
                    target_name = case when backfill_id is null then $4 end, waits_on = $5,
                    stage = case when unknown_since is null then 'connect' else stage end,
                    progress = case when unknown_since is null then null else progress end,
                    started_at = coalesce(started_at, now())
             where id = $1 and (attempt < max_attempts or unknown_since is not null)
               and ((state = 'queued' and coalesce(not_before, now()) <= now())
                    or (state = 'running' and lease_expires_at < now()))
               and (coalesce(not_after, 'infinity') > now() or unknown_since is not null)
             returning *
         ), lost as (
             update run_attempts a set finished_at = now(), outcome = 'worker_lost'
             from taken where a.run_id = taken.id and a.epoch < taken.epoch and a.finished_at is null
         ), noted as (
             insert into run_attempts (run_id, epoch, worker_id, commit_sent, started_at)
             select id, epoch, worker_id, false, clock_timestamp() from taken
         )
         select {COLUMNS}, extract(epoch from now() - outage_since)::float8 as outage_seconds from taken"
    )))
    .bind(id)
    .bind(worker_id)
    .bind(LEASE.as_secs_f64())
    .bind(place.map(|place| &place.table))
    .bind(place.filter(|_| tries).map(|place| &place.server))
    .fetch_optional(db)
    .await
}

/// A run whose lease was extended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromRow)]
pub struct Renewed {
    /// The run.
    pub id: Uuid,
    /// Epoch of the attempt that holds it.
    pub epoch: i64,
    /// Whether a stop was asked for, or the run's window is over.
    pub stop: bool,
}

/// Extends the leases of a worker's attempts. Attempts missing in the answer have lost their run.
pub async fn renew(db: impl PgExecutor<'_>, attempts: &[(Uuid, i64)]) -> sqlx::Result<Vec<Renewed>> {
    let (ids, epochs): (Vec<Uuid>, Vec<i64>) = attempts.iter().copied().unzip();
    // A lease that is over is extended, too, as long as no other attempt began: the worker still has the run, and its
    // work would be lost for nothing.
    sqlx::query_as(
        "update runs r set lease_expires_at = now() + make_interval(secs => $3)
         from unnest($1::uuid[], $2::bigint[]) as mine (id, epoch)
         where r.id = mine.id and r.epoch = mine.epoch and r.state = 'running'
         returning r.id, r.epoch, (r.stop_requested_at is not null or coalesce(r.not_after <= now(), false)) as stop",
    )
    .bind(ids)
    .bind(epochs)
    .bind(LEASE.as_secs_f64())
    .fetch_all(db)
    .await
}

/// Notes how far an attempt is, secrets hidden. False: the attempt was fenced off.
pub async fn note_progress(
    db: impl PgExecutor<'_>,
    id: Uuid,
    epoch: i64,
    progress: &RunProgress,
) -> sqlx::Result<bool> {
    let file = progress.file.as_deref().map(|file| redaction::hide(file).into_owned());
    let noted = sqlx::query(
        "update runs set stage = $3, progress = $4, silent_since = null
             where id = $1 and epoch = $2 and state = 'running'",
    )
    .bind(id)
    .bind(epoch)
    .bind(progress.stage)
    .bind(Json(RunProgress { file, ..progress.clone() }))
    .execute(db)
    .await?;
    Ok(noted.rows_affected() == 1)
}

/// Notes that an attempt has shown no progress for `seconds`. False: the attempt was fenced off.
pub async fn note_silence(db: impl PgExecutor<'_>, id: Uuid, epoch: i64, seconds: f64) -> sqlx::Result<bool> {
    let noted = sqlx::query(
        "update runs set silent_since = now() - make_interval(secs => $3)
         where id = $1 and epoch = $2 and state = 'running'",
    )
    .bind(id)
    .bind(epoch)
    .bind(seconds)
    .execute(db)
    .await?;
    Ok(noted.rows_affected() == 1)
}

/// Whether a run may load into a target table now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// The target is this run's until the run ends or goes back to the queue.
    Taken,
    /// Another run has it.
    Busy {
        /// The run that has it.
        run: Uuid,
    },
    /// A newer attempt of this run began.
    Fenced,
}

/// Claims a target, named by its identity, for the rest of the run: one running run per target.
pub async fn claim_target(db: &PgPool, id: Uuid, epoch: i64, key: &str) -> sqlx::Result<Claim> {
    loop {
        // A unique index over the running runs decides, because a check before the update would leave a gap.
        let claimed = sqlx::query("update runs set target_key = $3 where id = $1 and epoch = $2 and state = 'running'")
            .bind(id)
            .bind(epoch)
            .bind(key)
            .execute(db)
            .await;
        match claimed {
            Ok(done) if done.rows_affected() == 1 => return Ok(Claim::Taken),
            Ok(_) => return Ok(Claim::Fenced),
            Err(error) if is_held(&error) => {}
            Err(error) => return Err(error),
        }
        let holder = sqlx::query_scalar("select id from runs where target_key = $1 and state = 'running'")
            .bind(key)
            .fetch_optional(db)
            .await?;
        // Without a holder, the other run finished between the two statements, so the target may be free now.
        if let Some(run) = holder {
            return Ok(Claim::Busy { run });
        }
    }
}

pub(super) fn is_held(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| error.constraint() == Some("runs_one_per_target"))
}

/// Notes that an attempt is about to send its COMMIT. False: the attempt was fenced off and must roll back.
///
/// An attempt without this note certainly did not load, also when its worker is lost: a worker that was frozen before it
/// could write the note finds itself fenced off when it wakes up.
pub async fn note_commit(db: impl PgExecutor<'_>, id: Uuid, epoch: i64) -> sqlx::Result<bool> {
    // The run is locked, because the sweeper must read the note before it decides about a run whose lease is over, or
    // fence the attempt off first.
    let noted = sqlx::query(
        "with mine as (select id from runs where id = $1 and epoch = $2 and state = 'running' for update)
         update run_attempts a set commit_sent = true from mine where a.run_id = mine.id and a.epoch = $2",
    )
    .bind(id)
    .bind(epoch)
    .execute(db)
    .await?;
    Ok(noted.rows_affected() == 1)
}
