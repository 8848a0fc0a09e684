//! A year of history in a control database: runs with their attempts and log lines, evenly over the year.

use sqlx::{AssertSqlSafe, PgConnection, PgPool};

/// How much there is of it.
#[derive(Debug, Clone, Copy)]
pub struct History {
    pub runs: i64,
    pub lines: i64,
}

/// A pipeline whose runs are made: its config version, and its name, which is also its table's.
pub struct PastPipeline<'a> {
    pub config_id: i64,
    pub name: &'a str,
}

impl History {
    /// Adds the runs, which take turns over the pipelines, and the lines, which take turns over the runs.
    ///
    /// Of a hundred runs 90 succeed, 8 fail and 2 are stopped. Every hundredth report lists 500 files, the others one.
    pub async fn add(&self, db: &PgPool, pipelines: &[PastPipeline<'_>]) {
        let names: Vec<_> = pipelines.iter().map(|pipeline| pipeline.name).collect();
        let configs: Vec<_> = pipelines.iter().map(|pipeline| pipeline.config_id).collect();
        let mut transaction = db.begin().await.expect("a transaction");
        let tx = &mut *transaction;
        execute(tx, "set local statement_timeout = 0").await;
        // Nobody listens, and a notification for each run would only be slow.
        execute(tx, "alter table elt.runs disable trigger user").await;
        sqlx::query(
            "insert into elt.runs (id, config_id, name, target_table, trigger, state, attempt, epoch, worker_id, target_key,
                                   error_code, error, report, outcome, rows_read, rows_inserted, rows_updated,
                                   rows_duplicate, rows_quarantined, files_left_out, created_by, created_at, started_at,
                                   finished_at)
             select (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || '7' || substr(md5(n::text), 1, 3)
                     || '8' || substr(md5(n::text), 4, 15))::uuid,
                    ($3::bigint[])[1 + n % $1], ($2::text[])[1 + n % $1], ($2::text[])[1 + n % $1], 'schedule', state, 1, 1,
                    'w-past', 'past/' || n % $1, case when state = 'failed' then 'io' end,
                    case when state = 'failed' then 'could not read the file' end,
                    case when state = 'succeeded' then jsonb_build_object(
                        'rows_read', 100, 'rows_inserted', 100, 'rows_updated', 0, 'rows_duplicate', 0,
                        'rows_quarantined', 0, 'rows_filtered', 0, 'bytes', 4711, 'table', 'public.past',
                        'files_total', case when n % 100 = 7 then 500 else 1 end, 'left_out_total', 0,
                        'files', case when n % 100 = 7 then many.files else one.files end) end,
                    case when state = 'succeeded' then 'clean' end, 100, 100, 0, 0, 0, 0, 'admin', at, at,
                    at + interval '3 seconds'
             from (select n, now() - interval '365 days' * (($4 - n)::float8 / $4) - interval '4 seconds' as at,
                          case when n % 100 < 90 then 'succeeded' when n % 100 < 98 then 'failed' else 'stopped' end as state
                   from generate_series(1, $4) n) past,
                  (select jsonb_agg(jsonb_build_object('name', 'past/file-' || f || '.csv', 'bytes', 4711,
                              'content_hash', md5(f::text), 'rows_read', 100, 'rows_inserted', 100)) as files
                   from generate_series(1, 500) f) many,
                  (select jsonb_build_array(jsonb_build_object('name', 'past/file.csv', 'bytes', 4711, 'content_hash',
                              md5('1'), 'rows_read', 100, 'rows_inserted', 100)) as files) one",
        )
        .bind(pipelines.len() as i64)
        .bind(&names)
        .bind(&configs)
        .bind(self.runs)
        .execute(&mut *tx)
        .await
        .expect("runs of the past");
        execute(tx, "alter table elt.runs enable trigger user").await;
        count_again(tx).await;
        execute(
            tx,
            "insert into elt.run_attempts (run_id, epoch, worker_id, started_at, finished_at, outcome, commit_sent)
             select id, 1, worker_id, started_at, finished_at, state, true from elt.runs where worker_id = 'w-past'",
        )
        .await;
        sqlx::query(
            "with past as (select id, created_at, row_number() over (order by id) - 1 as n from elt.runs where worker_id = 'w-past')
             insert into elt.log_lines (at, level, target, message, fields, run_id, process)
             select created_at, case when line % 50 = 0 then 'ERROR' else 'INFO' end, 'elt_worker::jobs::execute_run',
                    'loaded 100 new rows into public.past', '{\"rows\": 100, \"pipeline\": \"past\"}', id, 'worker past'
             from generate_series(0, $1 - 1) line join past on past.n = line * $2 / $1 order by created_at",
        )
        .bind(self.lines)
        .bind(self.runs)
        .execute(&mut *tx)
        .await
        .expect("lines of the past");
        transaction.commit().await.expect("committed");
        sqlx::query("analyze elt.runs, elt.run_attempts, elt.log_lines").execute(db).await.expect("analysed");
    }
}

/// Counts the finished runs as the triggers would have done.
async fn count_again(db: &mut PgConnection) {
    execute(db, "delete from elt.run_count_changes").await;
    execute(db, "delete from elt.run_counts").await;
    execute(db, "delete from elt.run_days").await;
    execute(
        db,
        "insert into elt.run_count_changes (name, kind, state, day, runs, rows_inserted)
         select name, kind, state, (finished_at at time zone 'UTC')::date, count(*), coalesce(sum(rows_inserted), 0)
         from elt.runs where finished_at is not null group by 1, 2, 3, 4",
    )
    .await;
}

async fn execute(db: &mut PgConnection, sql: &str) {
    sqlx::query(AssertSqlSafe(sql.to_owned())).execute(db).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
}
