//! The sweeper: every few seconds some worker looks for runs that nobody would take care of any more. It goes by the
//! database's clock and by rows alone, so any worker can do it for all of them.

use std::time::Duration;

use sqlx::{FromRow, PgConnection, PgPool};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::backoff::jittered;
use crate::job::ExecuteRun;
use crate::store::runs::{self, LostRun};
use crate::store::{run_totals, schedules};

const EVERY: Duration = Duration::from_secs(5);

/// Runs looked at in one sweep; the rest is for the next.
const AT_ONCE: i64 = 500;

/// Sweeps until `stop`. `queue` is the one this process takes tickets from.
pub async fn keep_sweeping(db: PgPool, queue: String, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(jittered(EVERY)) => {}
            () = stop.cancelled() => return,
        }
        if let Err(error) = sweep(&db, &queue).await {
            tracing::warn!(%error, "could not sweep the queue");
        }
    }
}

/// One sweep by a process that takes tickets from `queue`. Does nothing while another worker sweeps.
pub async fn sweep(db: &PgPool, queue: &str) -> sqlx::Result<()> {
    let mut tx = db.begin().await?;
    let alone: bool = sqlx::query_scalar("select pg_try_advisory_xact_lock(hashtextextended('elt.sweeper', 0))")
        .fetch_one(&mut *tx)
        .await?;
    if alone {
        rescue_lost_runs(&mut tx).await?;
        adopt_unknown_runs(&mut tx, queue).await?;
        end_private_queues(&mut tx).await?;
        end_overdue_runs(&mut tx).await?;
        put_away_bad_tickets(&mut tx).await?;
        issue_missing_tickets(&mut tx).await?;
        run_totals::fold(&mut tx).await?;
    }
    tx.commit().await
}

/// Runs whose worker said nothing for longer than their lease.
async fn rescue_lost_runs(db: &mut PgConnection) -> sqlx::Result<()> {
    for run in runs::lost(&mut *db, AT_ONCE).await? {
        let LostRun { id, attempt, max_attempts, .. } = run;
        let worker = run.worker_id.clone();
        let again = runs::rescue(db, run).await?;
        tracing::warn!(run.id = %id, worker, attempt, max_attempts, again, "the run's worker was lost");
    }
    Ok(())
}

/// Takes over the unknown runs of a process of `elt run` that is gone: this process asks their targets.
async fn adopt_unknown_runs(db: &mut PgConnection, queue: &str) -> sqlx::Result<()> {
    for run in runs::adopt(db, queue).await? {
        tracing::info!(run.id = %run, "the process that executed the run is gone: this process asks whether it loaded");
    }
    Ok(())
}

/// What a process of `elt run` left behind when it was killed: its runs and schedules end with it.
async fn end_private_queues(db: &mut PgConnection) -> sqlx::Result<()> {
    for run in runs::abandoned(&mut *db, AT_ONCE).await? {
        runs::request_stop(db, run).await?;
        tracing::info!(run.id = %run, "the process that asked for the run is gone");
    }
    for schedule in schedules::abandoned(&mut *db).await? {
        schedules::stop(db, schedule, "the process that monitored is gone").await?;
    }
    Ok(())
}

/// Queued runs whose window is over.
async fn end_overdue_runs(db: &mut PgConnection) -> sqlx::Result<()> {
    for run in runs::overdue(&mut *db, AT_ONCE).await? {
        runs::request_stop(db, run).await?;
        tracing::warn!(run.id = %run, "the run's window was over before it could start");
    }
    Ok(())
}

/// Tickets the queue itself would keep for ever: held after their handler ended, or delivered too often.
async fn put_away_bad_tickets(db: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query(
        "update apalis.jobs set status = 'Killed', done_at = now()
         where (status = 'Running' and done_at >= lock_at) or (status = 'Pending' and attempts >= max_attempts)",
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Queued runs that are due, but whose ticket was consumed, killed, lost with its worker, or never there.
async fn issue_missing_tickets(db: &mut PgConnection) -> sqlx::Result<()> {
    #[derive(FromRow)]
    struct Forgotten {
        id: Uuid,
        queue: String,
    }
    let forgotten: Vec<Forgotten> = sqlx::query_as(
        "select r.id, r.queue from runs r
         left join apalis.jobs j on j.id = r.ticket_id
         left join apalis.workers w on w.id = j.lock_by
         where r.state = 'queued' and coalesce(r.not_before, now()) <= now()
           and not exists (select from runs holder where holder.id = r.waits_for_run and holder.state = 'running')
           and (j.id is null or j.status in ('Done', 'Killed') or (j.status = 'Failed' and j.attempts >= j.max_attempts)
                or (j.status in ('Queued', 'Running') and w.last_seen < now() - make_interval(secs => $2)))
         order by r.id limit $1 for update of r skip locked",
    )
    .bind(AT_ONCE)
    .bind(runs::LEASE.as_secs_f64())
    .fetch_all(&mut *db)
    .await?;
    for run in forgotten {
        ExecuteRun { run_id: run.id }.enqueue(db, &run.queue).await?;
        tracing::info!(run.id = %run.id, "the run had no ticket any more and got another");
    }
    Ok(())
}
