//! The sweeper: every few seconds one worker looks for runs that no process takes care of any more. It goes by the
//! database's clock and by rows alone, so any worker can do it for all others.

use sqlx::{PgConnection, PgPool, Postgres, Transaction};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::backfills;
use crate::backoff::jittered;
use crate::end_schedules;
use crate::job::ExecuteRun;
use crate::notifications;
use crate::runs::leases::{RUNS_PER_SWEEP, SWEEP_INTERVAL};
use crate::runs::lifecycle;
use crate::store::runs::{self, LostRun};
use crate::store::{self, run_counts, run_totals};

/// Sweeps until `stop`. `queue` is the one this process takes tickets from.
pub async fn keep_sweeping(db: PgPool, queue: String, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(jittered(SWEEP_INTERVAL)) => {}
            () = stop.cancelled() => return,
        }
        if let Err(error) = sweep(&db, &queue).await {
            tracing::warn!(%error, "could not sweep the queue");
        }
    }
}

/// One sweep by a process that takes tickets from `queue`. Does nothing while another worker sweeps.
pub async fn sweep(db: &PgPool, queue: &str) -> sqlx::Result<()> {
    // Lost runs come first, because the steps below are about queued runs and must see those just queued again.
    let Some(mut tx) = begin_alone(db).await? else { return Ok(()) };
    rescue_lost_runs(&mut tx).await?;
    adopt_unknown_runs(&mut tx, queue).await?;
    tx.commit().await?;
    end_private_queues(db).await?;
    end_overdue_runs(db).await?;
    let Some(mut tx) = begin_alone(db).await? else { return Ok(()) };
    // A run whose ticket is put away here gets another one right after.
    runs::put_away_dead_tickets(&mut *tx).await?;
    issue_missing_tickets(&mut tx).await?;
    take_over_tries(&mut tx).await?;
    run_totals::fold(&mut tx).await?;
    run_counts::fold(&mut tx).await?;
    tx.commit().await?;
    let Some(mut tx) = begin_alone(db).await? else { return Ok(()) };
    notifications::open_stale(&mut tx).await?;
    tx.commit().await?;
    // After the commit, because `release` and `take` lock the counts before the runs, and the steps above have locked runs.
    lifecycle::release_all(db, RUNS_PER_SWEEP).await?;
    // A backfill is locked before its runs, so nothing may be locked here.
    backfills::advance_all(db).await
}

/// A transaction of the only process that sweeps. `None`: another one sweeps.
async fn begin_alone(db: &PgPool) -> sqlx::Result<Option<Transaction<'static, Postgres>>> {
    let mut tx = db.begin().await?;
    let alone: bool = sqlx::query_scalar("select pg_try_advisory_xact_lock(hashtextextended('elt.sweeper', 0))")
        .fetch_one(&mut *tx)
        .await?;
    Ok(alone.then_some(tx))
}

/// Sends runs whose worker said nothing for longer than the lease back to the queue, or ends them.
async fn rescue_lost_runs(db: &mut PgConnection) -> sqlx::Result<()> {
    for run in runs::lost(&mut *db, RUNS_PER_SWEEP).await? {
        let again = lifecycle::rescue(db, &run).await?;
        let LostRun { id, attempt, max_attempts, worker_id: worker, .. } = run;
        tracing::warn!(run.id = %id, worker, attempt, max_attempts, again, "the run's worker was lost");
    }
    Ok(())
}

/// Takes over the unknown runs of a process of `elt run` that is gone: this process asks their targets.
async fn adopt_unknown_runs(db: &mut PgConnection, queue: &str) -> sqlx::Result<()> {
    for run in lifecycle::adopt(db, queue).await? {
        tracing::info!(run.id = %run, "the process that executed the run is gone: this process asks whether it loaded");
    }
    Ok(())
}

/// Ends the runs and schedules of processes of `elt run` that were killed.
async fn end_private_queues(db: &PgPool) -> sqlx::Result<()> {
    for run in runs::abandoned(db, RUNS_PER_SWEEP).await? {
        if !stop(db, run).await? {
            return Ok(());
        }
        tracing::info!(run.id = %run, "the process that asked for the run is gone");
    }
    for schedule in store::schedules::abandoned(db).await? {
        let Some(mut tx) = begin_alone(db).await? else { return Ok(()) };
        end_schedules::stop(&mut tx, schedule, "the process that monitored is gone").await?;
        tx.commit().await?;
    }
    Ok(())
}

/// Stops queued runs whose window is over.
async fn end_overdue_runs(db: &PgPool) -> sqlx::Result<()> {
    for run in runs::overdue(db, RUNS_PER_SWEEP).await? {
        if !stop(db, run).await? {
            return Ok(());
        }
        tracing::warn!(run.id = %run, "the run's window was over before it could start");
    }
    Ok(())
}

/// Stops a run in a transaction of its own. A stop waits for the run's schedule, and a tick that has the schedule may wait
/// for any of its runs, so no run may be locked by then. False: another process sweeps.
async fn stop(db: &PgPool, run: Uuid) -> sqlx::Result<bool> {
    let Some(mut tx) = begin_alone(db).await? else { return Ok(false) };
    lifecycle::request_stop(&mut tx, run).await?;
    tx.commit().await?;
    Ok(true)
}

/// Gives a ticket to queued runs that are due and whose ticket is missing or cannot wake a worker.
async fn issue_missing_tickets(db: &mut PgConnection) -> sqlx::Result<()> {
    for run in runs::without_ticket(&mut *db, RUNS_PER_SWEEP).await? {
        if run.waits_for_run {
            lifecycle::end_wait_for_holder(db, run.id).await?;
        }
        ExecuteRun { run_id: run.id }.enqueue(db, &run.queue).await?;
        tracing::info!(run.id = %run.id, "the run had no ticket any more and got another");
    }
    Ok(())
}

/// Lets another run try to reach a server that is away, where the run that did so was lost or stopped.
async fn take_over_tries(db: &mut PgConnection) -> sqlx::Result<()> {
    for run in lifecycle::take_over_tries(db).await? {
        tracing::info!(run.id = %run, "the run tries to reach its target for all runs that wait for it");
    }
    Ok(())
}
