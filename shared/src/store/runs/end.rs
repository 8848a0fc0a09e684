//! Statements that end a run, or ask it to end.

use serde_json::Value;
use sqlx::types::Json;
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use super::requeue::{Released, WAITS_FOR_ANSWER};
use super::{COLUMNS, Run};
use crate::runs::End;
use crate::runs::lifecycle::EndedBy;

/// Writes the end of a run. `None`: the run is not as `by` says any more, and nothing was written.
pub(crate) async fn write_end(
    db: &mut PgConnection,
    id: Uuid,
    by: EndedBy,
    end: &End,
    report: Option<&Value>,
) -> sqlx::Result<Option<Released>> {
    let (code, error, next_step) = match end {
        End::Failed { code, error, next_step } => (Some(code), Some(error), Some(next_step)),
        End::Succeeded { .. } | End::Stopped => (None, None, None),
    };
    let epoch = match by {
        EndedBy::Attempt(epoch) => Some(epoch),
        EndedBy::StopBeforeStart => None,
    };
    // Rows are counted once, at the run that loaded them, so a run whose tables were loaded by runs of their own has no counts.
    // A report without counts leaves those that are there, because an earlier attempt may have noted them. The stage stays
    // when the run did not succeed: it shows where it failed. Kinds without stages have none.
    sqlx::query_as(
        "update runs set state = $3, error_code = $4, error = $5, next_step = $6, report = coalesce($7, report), outcome = $8,
                rows_read = case when divided_at is null then coalesce(($7 ->> 'rows_read')::bigint, rows_read) end,
                rows_inserted = case when divided_at is null then coalesce(($7 ->> 'rows_inserted')::bigint, rows_inserted) end,
                rows_updated = case when divided_at is null then ($7 ->> 'rows_updated')::bigint end,
                rows_duplicate = case when divided_at is null then ($7 ->> 'rows_duplicate')::bigint end,
                rows_quarantined = case when divided_at is null then ($7 ->> 'rows_quarantined')::bigint end,
                files_left_out = ($7 ->> 'left_out_total')::bigint,
                finished_at = now(), lease_expires_at = null, waits_for = null, verdict = null, unknown_since = null,
                waits_on = null, waiting_since = null,
                stage = case when $3 <> 'succeeded' and kind in ('run', 'plan', 'replay') then stage end
         where id = $1 and case when $2::bigint is null then state = 'queued' and unknown_since is null
                                else state = 'running' and epoch = $2 end
         returning queue, target_key, target_name, schedule_id",
    )
    .bind(id)
    .bind(epoch)
    .bind(end.state())
    .bind(code)
    .bind(error)
    .bind(next_step)
    .bind(report)
    .bind(end.outcome())
    .fetch_optional(db)
    .await
}

/// Notes that a run should stop. Returns the run as it is now, locked; `None`: it has ended or does not exist.
///
/// The target of an unknown run is to be asked at once, and the run gets the verdict to end stopped, unless it has one
/// already.
pub(crate) async fn note_stop_request(db: &mut PgConnection, id: Uuid) -> sqlx::Result<Option<Run>> {
    // The first request counts, and a verdict is never replaced: it was settled when the COMMIT was sent.
    sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "update runs set
             stop_requested_at = coalesce(stop_requested_at, now()),
             verdict = case when unknown_since is not null then coalesce(verdict, $2) end,
             not_before = case when unknown_since is null then not_before end,
             waits_for = case when unknown_since is not null then {WAITS_FOR_ANSWER} || '; it ends stopped if it did not'
                              else waits_for end
         where id = $1 and state in ('queued', 'running')
         returning {COLUMNS}"
    )))
    .bind(id)
    .bind(Json(End::Stopped))
    .fetch_optional(db)
    .await
}

/// Takes the ticket of a run off the queue, unless a worker has it already.
pub(crate) async fn withdraw_ticket(db: impl PgExecutor<'_>, id: Uuid) -> sqlx::Result<()> {
    // A ticket that a worker holds is left alone, because the queue takes it back when its handler ends.
    sqlx::query(
        "update apalis.jobs j set status = 'Killed', done_at = now()
         from runs r where r.id = $1 and j.id = r.ticket_id and j.status in ('Pending', 'Failed')",
    )
    .bind(id)
    .execute(db)
    .await?;
    Ok(())
}

/// The unfinished runs of a schedule, locked until the transaction ends.
pub(crate) async fn lock_unfinished(db: &mut PgConnection, schedule_id: Uuid) -> sqlx::Result<Vec<Uuid>> {
    // In the order of the ids, because two transactions that lock the same runs must not wait for each other.
    sqlx::query_scalar(
        "select id from runs where schedule_id = $1 and state in ('queued', 'running') order by id for update",
    )
    .bind(schedule_id)
    .fetch_all(db)
    .await
}
