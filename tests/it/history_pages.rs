//! Pages and numbers in a control database with a long history: what they cost, and that kept counts are exact.

use chrono::{Duration, Utc};
use elt_shared::queue::sweeper;
use elt_shared::runs::{Outcome, RunKind, RunState};
use elt_shared::store::logs::{self, Line, LineFilter};
use elt_shared::store::pipelines::{self, PipelineFilter};
use elt_shared::store::runs::{self, RunFilter};
use elt_shared::store::{overview, run_counts};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::support::control::Control;
use crate::support::history::{History, PastPipeline};

/// Runs of a page, and one more that says whether there is another page.
const PAGE: i64 = 51;

/// A control database with runs of 20 pipelines.
async fn with_history(history: History) -> Control {
    let control = Control::start().await;
    let mut configs = Vec::new();
    for number in 0..20 {
        let yaml =
            format!("name: past{number}\nsources: [{{type: local, path: /data}}]\ntarget: {{table: past{number}}}\n");
        configs.push((control.keep(&yaml).await.0.id, format!("past{number}")));
    }
    let pipelines: Vec<_> = configs.iter().map(|(id, name)| PastPipeline { config_id: *id, name }).collect();
    history.add(&control.db, &pipelines).await;
    control
}

/// Number of rows of the table that the connection has read since its statistics were last sent, which it does not do
/// within a transaction.
async fn read_of(db: &mut PgConnection, table: &str) -> i64 {
    sqlx::query_scalar(
        "select (coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0))::bigint from pg_stat_xact_user_tables
         where schemaname = 'elt' and relname = $1",
    )
    .bind(table)
    .fetch_one(db)
    .await
    .expect("the statistics of this transaction")
}

#[tokio::test]
async fn a_page_of_runs_reads_no_more_runs_than_it_shows_whatever_the_filter() {
    let control = with_history(History { runs: 20_000, lines: 0 }).await;
    // Nothing failed since the first tenth of the history.
    control
        .execute(
            "update runs set state = 'succeeded', outcome = 'clean', error = null, error_code = null
             where state = 'failed' and id > (select id from runs order by id offset 2000 limit 1)",
        )
        .await;
    control.execute("update runs set kind = 'plan' where id in (select id from runs order by id limit 100)").await;
    let schedule = Uuid::now_v7();
    control.execute("alter table runs drop constraint runs_schedule_id_fkey").await;
    control.execute(&format!("update runs set schedule_id = '{schedule}' where name in ('past5', 'past6')")).await;
    control.execute("vacuum analyze runs").await;
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    let (two, unknown) = (names(&["past3", "past4"]), names(&["nobody", "past3"]));
    let config = sqlx::query_scalar("select min(id) from config_history").fetch_one(&control.db).await.expect("an id");
    let all = RunFilter::default;
    let failed = Some([RunState::Failed].as_slice());
    let filters = [
        all(),
        RunFilter { states: failed, ..all() },
        RunFilter { states: Some(&[RunState::Queued, RunState::Running]), ..all() },
        RunFilter { name: Some("past7"), ..all() },
        RunFilter { name: Some("nobody"), ..all() },
        RunFilter { name: Some("past7"), states: failed, ..all() },
        RunFilter { name: Some("past7"), outcome: Some(Outcome::NothingLoaded), states: failed, ..all() },
        RunFilter { name: Some("past7"), outcome: Some(Outcome::WithWarnings), ..all() },
        RunFilter { names: Some(&two), outcome: Some(Outcome::Clean), kinds: Some(&[RunKind::Run]), ..all() },
        RunFilter { names: Some(&two), ..all() },
        RunFilter { names: Some(&unknown), states: failed, ..all() },
        RunFilter { kinds: Some(&[RunKind::Undo]), ..all() },
        RunFilter { kinds: Some(&[RunKind::Plan]), ..all() },
        RunFilter { kinds: Some(&[RunKind::Run]), states: failed, ..all() },
        RunFilter { kinds: Some(&[RunKind::Plan]), name: Some("past7"), ..all() },
        RunFilter { outcome: Some(Outcome::WithWarnings), ..all() },
        RunFilter { outcome: Some(Outcome::Clean), ..all() },
        RunFilter { config_id: Some(config), ..all() },
        RunFilter { schedule_id: Some(Uuid::now_v7()), ..all() },
        RunFilter { schedule_id: Some(schedule), ..all() },
        RunFilter { schedule_id: Some(schedule), states: failed, ..all() },
        RunFilter { subject_id: Some(Uuid::now_v7()), kinds: Some(&[RunKind::Undo]), ..all() },
        RunFilter { parent_id: Some(Uuid::now_v7()), ..all() },
    ];
    // The planner may choose another plan after five uses of a statement.
    let mut connection = control.db.acquire().await.expect("a connection");
    for round in 0..7 {
        for filter in &filters {
            let mut tx = sqlx::Connection::begin(&mut *connection).await.expect("a transaction");
            let before = read_of(&mut tx, "runs").await;
            let page = runs::list(&mut *tx, filter, None, PAGE).await.expect("a page");
            let read = read_of(&mut tx, "runs").await - before;
            assert!(read <= 700, "{read} of 20,000 runs were read in round {round} for {filter:?}");
            let expected = plainly(&mut tx, filter, None).await;
            assert_eq!(page.iter().map(|run| run.id).collect::<Vec<_>>(), expected, "{filter:?}");
            if let Some(last) = page.last() {
                let next = runs::list(&mut *tx, filter, Some(last.id), PAGE).await.expect("the next page");
                let expected = plainly(&mut tx, filter, Some(last.id)).await;
                assert_eq!(next.iter().map(|run| run.id).collect::<Vec<_>>(), expected, "after a page of {filter:?}");
            }
        }
    }
}

/// The ids of a page, found by reading all runs.
async fn plainly(db: &mut PgConnection, filter: &RunFilter<'_>, before: Option<Uuid>) -> Vec<Uuid> {
    sqlx::query_scalar(
        "select id from runs
         where ($1::text[] is null or state = any($1)) and ($2::text is null or outcome = $2)
           and ($3::text is null or name = $3) and ($4::text[] is null or kind = any($4))
           and ($5::bigint is null or config_id = $5) and ($6::uuid is null or schedule_id = $6)
           and ($7::uuid is null or parent_id = $7) and ($8::uuid is null or subject_id = $8)
           and ($9::text[] is null or name = any($9)) and ($10::uuid is null or id < $10)
         order by id desc limit $11",
    )
    .bind(filter.states)
    .bind(filter.outcome)
    .bind(filter.name)
    .bind(filter.kinds)
    .bind(filter.config_id)
    .bind(filter.schedule_id)
    .bind(filter.parent_id)
    .bind(filter.subject_id)
    .bind(filter.names)
    .bind(before)
    .bind(PAGE)
    .fetch_all(db)
    .await
    .expect("the ids")
}

#[tokio::test]
async fn a_page_of_lines_reads_no_more_lines_than_it_shows_whatever_the_level_and_origin() {
    let control = with_history(History { runs: 2_000, lines: 60_000 }).await;
    // Errors ended long ago, and one line belongs to a request and a trace.
    control.execute("update log_lines set level = 'INFO' where id > 20000 and level = 'ERROR'").await;
    control
        .execute(
            "insert into log_lines (at, level, target, message, fields, trace_id, process)
             select now(), 'WARN', 't', 'm', '{\"request.id\": \"r1\"}', 'trace1', 'api'",
        )
        .await;
    control.execute("vacuum analyze log_lines").await;
    let all = LineFilter::default;
    let levels = |levels: &[&str]| levels.iter().map(ToString::to_string).collect::<Vec<_>>();
    let lately = Utc::now() - Duration::minutes(10);
    let some = |text: &str| Some(text.to_owned());
    let filters = [
        (all(), 51),
        (LineFilter { levels: levels(&["ERROR"]), ..all() }, 51),
        (LineFilter { levels: levels(&["ERROR", "WARN", "WARN"]), ..all() }, 51),
        (LineFilter { levels: levels(&["DEBUG"]), ..all() }, 0),
        (LineFilter { levels: levels(&["ERROR", "INFO"]), ..all() }, 51),
        (LineFilter { levels: levels(&["ERROR"]), after: Some(60_000), ..all() }, 0),
        (LineFilter { levels: levels(&["WARN", "ERROR"]), after: Some(100), before: Some(200), ..all() }, 2),
        (LineFilter { run_id: Some(Uuid::now_v7()), levels: levels(&["ERROR"]), ..all() }, 0),
        (LineFilter { levels: levels(&["ERROR"]), since: Some(lately), ..all() }, 0),
        (LineFilter { trace_id: some("trace1"), ..all() }, 1),
        (LineFilter { trace_id: some("trace2"), ..all() }, 0),
        (LineFilter { request_id: some("r1"), levels: levels(&["WARN"]), ..all() }, 1),
        (LineFilter { request_id: some("r2"), ..all() }, 0),
        (LineFilter { since: Some(lately), process: some("api"), ..all() }, 1),
    ];
    let lines = logs::list(&control.db, &all(), 100_000).await.expect("all lines");
    let mut connection = control.db.acquire().await.expect("a connection");
    for round in 0..7 {
        for (filter, expected) in &filters {
            let mut tx = sqlx::Connection::begin(&mut *connection).await.expect("a transaction");
            let before = read_of(&mut tx, "log_lines").await;
            let page = logs::list(&mut *tx, filter, PAGE).await.expect("a page");
            let read = read_of(&mut tx, "log_lines").await - before;
            assert!(read <= 500, "{read} of 60,001 lines were read in round {round} for {filter:?}");
            assert_eq!(page.len(), *expected, "{filter:?}");
            assert_eq!(
                page.iter().map(|line| line.id).collect::<Vec<_>>(),
                plainly_found(&lines, filter),
                "{filter:?}"
            );
        }
    }
}

/// The ids of a page of these lines.
fn plainly_found(lines: &[Line], filter: &LineFilter) -> Vec<i64> {
    let is_within =
        |id: i64| filter.before.is_none_or(|before| id < before) && filter.after.is_none_or(|after| id > after);
    let ids = lines.iter().filter(|line| filter.matches(line) && is_within(line.id)).map(|line| line.id);
    if filter.after.is_some() {
        return ids.take(PAGE as usize).collect();
    }
    let mut newest: Vec<i64> = ids.rev().take(PAGE as usize).collect();
    newest.reverse();
    newest
}

#[tokio::test]
async fn the_numbers_of_the_first_page_read_no_run_of_the_past() {
    let control = with_history(History { runs: 20_000, lines: 0 }).await;
    while rows_in(&control.db, "run_count_changes").await > 0 {
        sweeper::sweep(&control.db, "elt").await.expect("swept");
    }
    control.execute("analyze run_counts, run_days, run_count_changes").await;
    let mut tx = control.db.begin().await.expect("a transaction");
    let tables = ["runs", "run_counts", "run_days", "run_count_changes"];
    let mut before = Vec::new();
    for table in tables {
        before.push(read_of(&mut tx, table).await);
    }
    let found = run_counts::by_state(&mut *tx, None).await.expect("the counts");
    assert_eq!(found.iter().map(|(_, runs)| runs).sum::<i64>(), 20_000);
    assert_eq!(run_counts::days(&mut *tx).await.expect("the days").len(), 14);
    overview::numbers(&mut *tx).await.expect("the numbers");
    // About 55 runs ended in the last 24 hours, and there are 20 pipelines with three final states.
    for (table, before) in tables.into_iter().zip(before) {
        let read = read_of(&mut tx, table).await - before;
        assert!(read < 2_000, "{read} rows of {table} were read");
    }
}

#[tokio::test]
async fn a_page_of_pipelines_reads_the_runs_that_it_shows_and_few_others() {
    let control = with_history(History { runs: 20_000, lines: 0 }).await;
    control
        .execute("update runs set kind = 'plan' where id in (select id from runs order by id desc limit 5000)")
        .await;
    // No run of this pipeline has ever loaded.
    control.execute("update runs set state = 'failed', outcome = null where name = 'past7'").await;
    control.execute("vacuum analyze runs").await;
    let mut tx = control.db.begin().await.expect("a transaction");
    let before = read_of(&mut tx, "runs").await;
    let only = PipelineFilter { recent_runs: 20, ..PipelineFilter::default() };
    let found = pipelines::list(&mut *tx, only, None, PAGE).await.expect("pipelines");
    assert_eq!(found.iter().map(|pipeline| pipeline.recent_runs.0.len()).sum::<usize>(), 400);
    assert_eq!(found.iter().filter(|pipeline| pipeline.loaded_run_id.is_none()).count(), 1);
    // Of each pipeline 20 runs, and those that the newest, the newest good and the last loaded run are found by.
    let read = read_of(&mut tx, "runs").await - before;
    assert!(read < 1_200, "{read} runs were read");
}

/// Number of rows in a table.
async fn rows_in(db: &PgPool, table: &str) -> i64 {
    sqlx::query_scalar(sqlx::AssertSqlSafe(format!("select count(*) from {table}")))
        .fetch_one(db)
        .await
        .expect("counted")
}

/// The counts of the runs that are there, found by counting them.
async fn counted(db: &mut PgConnection, names: Option<&[String]>) -> Vec<(RunState, i64)> {
    sqlx::query_as(
        "select state, count(*) from runs where $1::text[] is null or name = any($1) group by state order by state",
    )
    .bind(names)
    .fetch_all(db)
    .await
    .expect("counted")
}

/// The days, found by reading all runs.
async fn counted_days(db: &mut PgConnection) -> Vec<run_counts::Day> {
    sqlx::query_as(
        "select day, coalesce(sum(r.rows_inserted), 0)::bigint as rows_inserted,
                count(*) filter (where r.state = 'succeeded') as succeeded,
                count(*) filter (where r.state = 'failed') as failed
         from generate_series(date_trunc('day', now(), 'UTC') - interval '13 days', date_trunc('day', now(), 'UTC'),
                              interval '1 day') day
         left join runs r on r.finished_at >= day and r.finished_at < day + interval '1 day' and r.kind in ('run', 'replay')
         group by day order by day",
    )
    .fetch_all(db)
    .await
    .expect("counted")
}

/// Compares every kept count with the runs, in one snapshot of the database.
async fn compare(db: &PgPool) {
    let names = ["past3".to_owned(), "past4".to_owned(), "nobody".to_owned()];
    let mut tx = db.begin().await.expect("a transaction");
    sqlx::query("set transaction isolation level repeatable read").execute(&mut *tx).await.expect("one snapshot");
    for names in [None, Some(names.as_slice())] {
        let kept = run_counts::by_state(&mut *tx, names).await.expect("the counts");
        assert_eq!(kept, counted(&mut tx, names).await, "{names:?}");
    }
    let kept = run_counts::days(&mut *tx).await.expect("the days");
    assert_eq!(kept, counted_days(&mut tx).await);
}

#[tokio::test]
async fn counts_are_exact_after_runs_end_change_and_are_deleted() {
    let control = with_history(History { runs: 4_000, lines: 0 }).await;
    compare(&control.db).await;
    let run = control.run("past3").await;
    compare(&control.db).await;
    for change in [
        format!(
            "update runs set state = 'succeeded', outcome = 'clean', rows_inserted = 7, finished_at = now() where id = '{}'",
            run.id
        ),
        // An end at the last moment of a day and one at the first of the next.
        "update runs set finished_at = date_trunc('day', now(), 'UTC') - interval '1 microsecond' where name = 'past4'"
            .to_owned(),
        "update runs set finished_at = date_trunc('day', now(), 'UTC') where name = 'past5'".to_owned(),
        "update runs set state = 'failed', outcome = null, rows_inserted = null where name = 'past3'".to_owned(),
        "update runs set kind = 'plan' where name = 'past6'".to_owned(),
        "update runs set report = '{}', stage = 'load' where name = 'past7'".to_owned(),
        "update runs set state = 'queued', finished_at = null where name = 'past8' and state = 'failed'".to_owned(),
        "delete from run_attempts".to_owned(),
        "delete from runs where name in ('past3', 'past9') or finished_at < now() - interval '2 days'".to_owned(),
    ] {
        control.execute(&change).await;
        compare(&control.db).await;
        sweeper::sweep(&control.db, "elt").await.expect("swept");
        compare(&control.db).await;
    }
    control.execute("delete from runs").await;
    compare(&control.db).await;
    sweeper::sweep(&control.db, "elt").await.expect("swept");
    for table in ["run_counts", "run_days", "run_count_changes"] {
        let rows = rows_in(&control.db, table).await;
        assert_eq!(rows, 0, "nothing is left in {table}");
    }
}

#[tokio::test]
async fn counts_are_exact_while_runs_end_and_are_deleted_and_counted_at_the_same_time() {
    let control = with_history(History { runs: 400, lines: 0 }).await;
    control.execute("delete from run_attempts").await;
    let mut runs = Vec::new();
    for number in 0..60 {
        runs.push(control.run(&format!("past{}", number % 5)).await.id);
    }
    let past: Vec<Uuid> = sqlx::query_scalar("select id from runs where worker_id = 'w-past'")
        .fetch_all(&control.db)
        .await
        .expect("the past");
    let db = &control.db;
    // Half of the transactions are rolled back, which must not count.
    let end = async |ids: &[Uuid], sql: &'static str| {
        for (place, id) in ids.iter().enumerate() {
            let mut tx = db.begin().await.expect("a transaction");
            sqlx::query(sql).bind(id).execute(&mut *tx).await.expect("changed");
            if place % 2 == 0 {
                tx.commit().await.expect("committed")
            } else {
                tx.rollback().await.expect("rolled back")
            }
        }
    };
    let succeeded = "update runs set state = 'succeeded', outcome = 'clean', rows_inserted = 3, finished_at = clock_timestamp() where id = $1";
    let failed = "update runs set state = 'failed', finished_at = clock_timestamp() where id = $1";
    let deleted = "delete from runs where id = $1";
    let changes = async {
        tokio::join!(
            end(&runs[..30], succeeded),
            end(&runs[30..], failed),
            end(&past[..200], deleted),
            end(&past[200..], deleted)
        );
    };
    tokio::pin!(changes);
    let looks = async {
        loop {
            compare(db).await;
            sweeper::sweep(db, "elt").await.expect("swept");
            compare(db).await;
        }
    };
    tokio::select! {
        () = &mut changes => {}
        () = looks => {}
    }
    compare(db).await;
    let left: i64 = sqlx::query_scalar("select count(*) from runs where finished_at is not null")
        .fetch_one(db)
        .await
        .expect("counted");
    assert_eq!(left, 200 + 30);
}
