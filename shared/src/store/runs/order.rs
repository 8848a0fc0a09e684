//! The places of runs in the queue. The run with the earliest place starts first.
//!
//! A run's place is the time from which it waits, moved by its priority: one of high priority passes the normal ones that
//! were asked for up to an hour before it, and one of low priority lets those pass that are asked for up to an hour after
//! it. A place never changes while a run waits, so every run becomes the first one in the end: a run of low priority starts
//! before everything that is asked for more than an hour later (two hours for runs of high priority).

use std::time::Duration;

use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

/// SQL expression: how far a `priority` moves a place.
pub(super) const HEAD_START: &str =
    "case priority when 'high' then interval '-1 hour' when 'low' then interval '1 hour' else interval '0' end";

/// The largest number of the queue's column: 68 years. Places farther away share one order.
const MOST: i32 = i32::MAX;

/// When a ticket is delivered, and before which others.
#[derive(Debug, Clone, Copy, FromRow)]
pub(crate) struct Ticket {
    /// Seconds of the Unix time from which it is delivered, by the database's clock.
    pub due: i64,
    /// The queue delivers the highest number first: seconds from the run's place to the year 2026.
    pub order: i32,
}

/// The ticket for a run that should be looked at after `delay`.
pub(crate) async fn ticket(db: &mut PgConnection, id: Uuid, delay: Duration) -> sqlx::Result<Ticket> {
    // The time is the database's, because the clock of this machine may be hours off. The queue counts whole seconds: a
    // delay is rounded up, because a ticket that arrives before its run is due finds nothing to do. A delayed ticket has
    // the place of its due time, because the queue would read it again and again if it stood before those that are due.
    sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "select case when $2 > 0 then ceil(extract(epoch from now()) + $2)
                     else floor(extract(epoch from now())) end::bigint as due,
                greatest(least(extract(epoch from timestamptz '2026-01-01 00:00:00+00' - case
                     when $2 > 0 then now() + make_interval(secs => $2) + {HEAD_START} else coalesce(place, now()) end
                ), {MOST}), -{MOST})::integer as order
         from (values (1)) as always left join runs on runs.id = $1"
    )))
    .bind(id)
    .bind(delay.as_secs_f64())
    .fetch_one(db)
    .await
}
