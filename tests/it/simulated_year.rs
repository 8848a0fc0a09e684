//! A year of runs, lines and files, and what retention leaves of it.
//!
//! `make year` runs the same with the numbers of a real year: 300,000 runs, 5 million lines and 20 million receipts of
//! files.

use std::fmt::Write;
use std::time::{Duration, Instant};

use elt_shared::queue::retention::{self, Keep, Kind};
use elt_shared::store::retention_turns::{self as turns, table_sizes};
use elt_worker::load::housekeeping;
use sqlx::PgPool;

use crate::support::control::Control;
use crate::support::history::{History, PastPipeline};
use crate::support::loader::Loader;

/// Number of pipelines of the year.
const PIPELINES: usize = 20;

/// Whether the test was started by `make year`.
fn is_whole_year() -> bool {
    std::env::var("ELT_YEAR").is_ok_and(|year| year == "whole")
}

/// Rows and bytes of the tables that grow most, a line each.
async fn sizes(db: &PgPool) -> String {
    let tables = ["elt.runs", "elt.run_attempts", "elt.log_lines"];
    // A full vacuum shows what the rows need. Without it the files keep their size, and new rows fill the room.
    sqlx::query("vacuum (full, analyze) elt.runs, elt.run_attempts, elt.log_lines")
        .execute(db)
        .await
        .expect("vacuumed");
    let mut text = String::new();
    for table in table_sizes(db, &tables).await.expect("the sizes") {
        let _ = writeln!(text, "{}: {} rows, {} kB", table.name, table.rows.unwrap_or_default(), table.bytes >> 10);
    }
    text
}

async fn number(db: &PgPool, sql: &str) -> i64 {
    sqlx::query_scalar(sqlx::AssertSqlSafe(sql.to_owned()))
        .fetch_one(db)
        .await
        .unwrap_or_else(|error| panic!("{error}"))
}

#[tokio::test]
async fn a_year_of_runs_and_lines_shrinks_to_what_the_settings_keep() {
    let control = Control::start().await;
    let (runs, lines) = if is_whole_year() { (300_000, 5_000_000) } else { (20_000, 200_000) };
    let mut configs = Vec::new();
    for number in 0..PIPELINES {
        let yaml =
            format!("name: past{number}\nsources: [{{type: local, path: /data}}]\ntarget: {{table: past{number}}}\n");
        configs.push((control.keep(&yaml).await.0.id, format!("past{number}")));
    }
    let pipelines: Vec<_> = configs.iter().map(|(id, name)| PastPipeline { config_id: *id, name }).collect();
    History { runs, lines }.add(&control.db, &pipelines).await;
    // A pipeline that ended eleven months ago, and one that has failed ever since.
    control.execute("delete from runs where name = 'past1' and created_at > now() - interval '330 days'").await;
    control
        .execute(
            "update runs set state = 'failed', outcome = null where name = 'past2' and created_at > now() - interval '350 days'",
        )
        .await;
    let before = sizes(&control.db).await;

    let keep = Keep::default();
    for kind in [Kind::LogLines, Kind::Reports, Kind::Runs] {
        let began = Instant::now();
        let mut removed = 0;
        loop {
            let cleaned = retention::clean(&control.db, kind, &keep, None).await.expect("cleaned");
            removed += cleaned.removed;
            if !cleaned.behind {
                break;
            }
        }
        println!("{}: {removed} removed in {:.1} s", kind.name(), began.elapsed().as_secs_f64());
    }
    println!("before:\n{before}after:\n{}", sizes(&control.db).await);

    let old = "finished_at < now() - interval '90 days'";
    let kept_old = number(&control.db, &format!("select count(*) from runs where {old}")).await;
    // The newest 50 of the pipeline that ended, and the last one that succeeded of the one that fails.
    assert_eq!(kept_old, 50 + 1);
    let young = number(&control.db, &format!("select count(*) from runs where not {old}")).await;
    let expected = runs * 90 / 365 * (PIPELINES as i64 - 1) / PIPELINES as i64;
    assert!((young - expected).abs() < expected / 20, "{young} of about {expected}");
    let last = "select count(*) from runs where name = 'past2' and state = 'succeeded'";
    assert_eq!(number(&control.db, last).await, 1);
    assert_eq!(number(&control.db, "select count(*) from run_attempts").await, young + kept_old);
    let lines_left = number(&control.db, "select count(*) from log_lines").await;
    let expected = lines * 30 / 365;
    assert!((lines_left - expected).abs() < expected / 20, "{lines_left} of about {expected}");
    let long = "select count(*) from runs where jsonb_array_length(report -> 'files') > 20
                and finished_at < now() - interval '30 days'";
    assert_eq!(number(&control.db, long).await, 0);
    let thinned = "select count(*) from runs where report @> '{\"lists_removed\": true, \"files_total\": 500}'";
    assert!(number(&control.db, thinned).await > 0);
}

/// Rows and bytes of a table of the target.
async fn size(loader: &Loader, table: &str) -> String {
    loader.sql(&format!("vacuum (full, analyze) {table}")).await;
    let size =
        format!("select count(*) || ' rows, ' || pg_total_relation_size('{table}') / 1024 || ' kB' from {table}");
    format!("{table}: {}", loader.value(&size).await)
}

#[tokio::test]
async fn a_year_of_receipts_and_rejected_rows_in_a_target_shrinks_to_one_a_file_and_place() {
    let loader = Loader::start().await;
    // A watched folder of 500 files of which one is new each time, under a release that kept a receipt a file a run.
    let (runs, rejected) = if is_whole_year() { (40_000, 1_000_000) } else { (400, 20_000) };
    let more = "schema: {id: int64}\nstrict_mode: true\n";
    loader.only("a.csv", "id\n1\nx\n");
    loader.load("t", more).await;
    loader
        .sql(&format!(
            "create temp table past as
             select n, (lpad(to_hex(((extract(epoch from now()) - (1 + {runs} - n) * 700.0) * 1000)::bigint), 12, '0') || '7'
                        || substr(md5(n::text), 1, 3) || '8' || substr(md5(n::text), 4, 15))::uuid as id
             from generate_series(1, {runs}) n;
             insert into _elt_loads (run_id, table_name, config_id, epoch, begun_at, loaded_at)
             select id, 't', 1, 1, now(), now() from past;
             insert into _elt_files (run_id, place, name, bytes, content_hash, rows_read, rows_inserted, rows_updated,
                                     rows_duplicate, rows_quarantined, rows_filtered)
             select id, file - n, 'folder/file-' || file || '.csv', 100, md5(file::text)::uuid, 10,
                    case when file = n + 499 then 10 else 0 end, 0, case when file = n + 499 then 0 else 10 end, 0, 0
             from past, generate_series(n, n + 499) file;
             insert into _elt_quarantine (at, run_id, table_name, config_id, file, line, code, reason, raw)
             select now() - (1 + {runs} - n) * interval '700 seconds', id, 't', 1, 'folder/bad.csv', line, 'c', 'r', 'x' || line
             from past, generate_series(1, {rejected} / {runs}) line;
             drop table past;
             analyze _elt_files; analyze _elt_quarantine; analyze _elt_loads"
        ))
        .await;
    for table in ["_elt_files", "_elt_quarantine", "_elt_loads"] {
        println!("before: {}", size(&loader, table).await);
    }
    let context = loader.begin("run", &loader.yaml("t", more)).await;
    let began = Instant::now();
    loop {
        housekeeping::after_load(&context, Keep::DEFAULT).await.unwrap_or_else(|error| panic!("{error}"));
        let turns = turns::list(&loader.control, Duration::from_secs(3600)).await.expect("the turns");
        if turns.iter().all(|turn| !turn.behind) {
            break;
        }
    }
    println!("cleaned in {:.1} s", began.elapsed().as_secs_f64());
    for table in ["_elt_files", "_elt_quarantine", "_elt_loads"] {
        println!("after: {}", size(&loader, table).await);
    }
    // Every file keeps the receipt that brought its rows, and the newest one of those that did not.
    let files = runs + 499;
    let brought = loader.count("_elt_files where rows_inserted > 0 and name like 'folder/%'").await;
    assert_eq!(brought, runs);
    let others = "_elt_files where rows_inserted = 0 and name like 'folder/%'";
    assert!(loader.count(others).await <= files);
    assert_eq!(loader.value(&format!("select count(*) - count(distinct name) from {others}")).await, "0");
    let newest = format!("select count(*) from {others} and name = 'folder/file-{}.csv'", runs + 498);
    assert_eq!(loader.value(&newest).await, "1", "the newest run's receipts stay");
    assert_eq!(loader.count("_elt_quarantine where file = 'folder/bad.csv'").await, rejected / runs);
    assert_eq!(
        loader.rows("select distinct seen from _elt_quarantine where file = 'folder/bad.csv'").await,
        [runs.to_string()]
    );
    assert_eq!(loader.count("_elt_loads").await, runs + 1, "a marker of this year stays");
}
