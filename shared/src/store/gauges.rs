//! Numbers of the whole installation for Prometheus.
//!
//! They are read every few seconds by every API process, so each comes from an index over what is alive (unfinished runs,
//! live schedules, workers, messages that wait) or over the runs of the last 24 hours. None of them depends on how long the
//! installation is in use.

use sqlx::{FromRow, PgExecutor};

use super::outbox::TRIED_FOR;
use super::pauses::HOLDS;
use crate::runs::leases::LEASE;

/// One number for Prometheus.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub struct Gauge {
    /// Name of the metric: `elt_runs`.
    pub name: String,
    /// Value of the metric's label, for metrics that have one.
    pub label: Option<String>,
    /// Its value now.
    pub value: f64,
}

/// SQL expression: what the queued run `r` waits for, as the label `for` of `elt_runs_waiting` says it. `worker`: it could
/// start now.
pub(super) fn waits_for() -> String {
    // A pause of a queue or of everything leaves most runs without a hold, because workers stop asking for them.
    format!(
        "case when r.unknown_since is not null then 'answer'
              when r.waits_for_run is not null then 'table'
              when r.divided_at is not null
                   and exists (select from runs part where part.part_of = r.id and part.finished_at is null) then 'table'
              when r.waits_on is not null then 'outage'
              when r.held = 'paused' or exists (select from pauses p where {HOLDS}) then 'pause'
              when r.held is not null then 'limit'
              when coalesce(r.not_before, now()) <= now() then 'worker'
              when r.waiting_code is not null then 'outage'
              when r.attempt > 0 then 'retry' else 'time' end"
    )
}

/// All gauges, grouped by name. A label whose number is 0 is there as well.
///
/// Plans, checks, connection tests and undos count as unfinished runs, but not as runs that finished.
pub async fn list(db: impl PgExecutor<'_>) -> sqlx::Result<Vec<Gauge>> {
    sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "with unfinished as materialized (
             select r.state, r.unknown_since, r.state = 'running' and r.silent_since is not null as is_silent,
                    greatest(r.created_at, r.not_before) as due_since,
                    case when r.state = 'queued' then {waits_for} end as waits_for
             from runs r where r.state in ('queued', 'running')
         ), finished as materialized (
             select state, rows_inserted from runs
             where finished_at > now() - interval '24 hours' and kind in ('run', 'replay')
         ), present as materialized (
             select concurrency,
                    case when stopping then 'stopping'
                         when drain_asked_at is not null then 'drained'
                         when takes_nothing_because is not null then 'takes_nothing' else 'working' end as state
             from workers
             where stopped_at is null and heartbeat_at > now() - make_interval(secs => $1)
         ), live as materialized (
             select state, last_tick_error,
                    case when not paused and next_tick_at < now() then now() - next_tick_at end as late_by
             from schedules where state in ('waiting', 'active', 'stopping')
         ), unsent as materialized (
             -- A message is given up a day after it was due first.
             select give_up_at - {TRIED_FOR} as due_since from notifications where state = 'waiting'
         )
         select 'elt_runs' as name, label, (select count(*) from unfinished where state = label)::float8 as value
         from unnest(array['queued', 'running']) label
         union all
         select 'elt_runs_waiting', label, (select count(*) from unfinished where waits_for = label)::float8
         from unnest(array['worker', 'table', 'outage', 'retry', 'time', 'answer', 'pause', 'limit']) label
         union all
         select 'elt_runs_unknown', null, (select count(*) from unfinished where unknown_since is not null)::float8
         union all
         select 'elt_runs_silent', null, (select count(*) from unfinished where is_silent)::float8
         union all
         select 'elt_oldest_queued_seconds', null,
                (select coalesce(max(extract(epoch from now() - due_since)), 0)
                 from unfinished where waits_for = 'worker')::float8
         union all
         select 'elt_runs_finished_24h', label, (select count(*) from finished where state = label)::float8
         from unnest(array['succeeded', 'failed', 'stopped']) label
         union all
         select 'elt_rows_inserted_24h', null,
                (select coalesce(sum(rows_inserted), 0) from finished where state = 'succeeded')::float8
         union all
         select 'elt_workers_alive', null, (select count(*) from present where state = 'working')::float8
         union all
         select 'elt_workers', label, (select count(*) from present where state = label)::float8
         from unnest(array['working', 'drained', 'takes_nothing', 'stopping']) label
         union all
         select 'elt_slots', null, (select coalesce(sum(concurrency), 0) from present where state = 'working')::float8
         union all
         select 'elt_slots_used', null, (select count(*) from unfinished where state = 'running')::float8
         union all
         select 'elt_schedules', label, (select count(*) from live where state = label)::float8
         from unnest(array['waiting', 'active', 'stopping']) label
         union all
         select 'elt_schedules_failing', null,
                (select count(*) from live where state <> 'stopping' and last_tick_error is not null)::float8
         union all
         select 'elt_schedule_lateness_seconds', null,
                (select coalesce(max(extract(epoch from late_by)), 0) from live where state <> 'stopping')::float8
         union all
         select 'elt_retention_behind', null,
                (select count(*) from retention where (behind or failure is not null)
                     and (place = '' or coalesce(finished_at, started_at) > now() - interval '2 days'))::float8
         union all
         select 'elt_notifications_waiting', null, (select count(*) from unsent)::float8
         union all
         select 'elt_oldest_notification_seconds', null,
                (select greatest(0, coalesce(max(extract(epoch from now() - due_since)), 0)) from unsent)::float8
         union all
         select 'elt_host_keys_waiting', null, (select count(*) from known_hosts where not trusted)::float8
         order by 1, 2",
        waits_for = waits_for(),
    )))
    .bind(LEASE.as_secs_f64())
    .fetch_all(db)
    .await
}
