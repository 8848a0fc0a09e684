//! Numbers about the whole installation: for Prometheus and for the dashboard's first page.

use sqlx::{FromRow, PgExecutor};

/// One number for Prometheus.
#[derive(Debug, FromRow)]
pub struct Gauge {
    /// `elt_runs`
    pub name: String,
    /// What it counts.
    pub help: String,
    /// `{state="queued"}`, or empty.
    pub labels: String,
    /// Its value now.
    pub value: f64,
}

/// What there is to watch, grouped by name.
pub async fn gauges(db: impl PgExecutor<'_>) -> sqlx::Result<Vec<Gauge>> {
    sqlx::query_as(
        r#"select 'elt_runs' as name, 'Unfinished runs by state and queue.' as help,
                  format('{state="%s"}', s.state) as labels, count(r.id)::float8 as value
           from (values ('queued'), ('running')) s (state)
           left join runs r on r.state = s.state and r.state in ('queued', 'running')
           group by s.state
           union all
           select 'elt_oldest_queued_seconds', 'How long the oldest due run has been waiting.', '',
                  coalesce(max(extract(epoch from now() - greatest(created_at, not_before))), 0)::float8
           from runs where state = 'queued' and coalesce(not_before, now()) <= now()
           union all
           select 'elt_runs_finished_24h', 'Runs finished in the last 24 hours, by how they ended.',
                  format('{state="%s"}', s.state), count(r.id)::float8
           from (values ('succeeded'), ('failed'), ('stopped')) s (state)
           left join runs r on r.state = s.state and r.finished_at > now() - interval '24 hours'
           group by s.state
           union all
           select 'elt_rows_inserted_24h', 'Rows inserted in the last 24 hours.', '', coalesce(sum(rows_inserted), 0)::float8
           from runs where finished_at > now() - interval '24 hours'
           union all
           select 'elt_workers_alive', 'Workers whose heartbeat is fresh.', '', count(*)::float8
           from workers where stopped_at is null and heartbeat_at > now() - interval '25 seconds'
           union all
           select 'elt_schedules', 'Schedules by state.', format('{state="%s"}', s.state), count(c.id)::float8
           from (values ('waiting'), ('active'), ('stopping')) s (state)
           left join schedules c on c.state = s.state
           group by s.state
           order by 1, 3"#,
    )
    .fetch_all(db)
    .await
}
