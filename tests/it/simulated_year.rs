//! A year of runs, lines and files, and what retention leaves of it.
//!
//! `make year` runs the same with the numbers of a real year: 300,000 runs and 5 million lines.

use std::fmt::Write;
use std::time::Instant;

use elt_shared::queue::retention::{self, Keep, Kind};
use elt_shared::store::retention::table_sizes;
use sqlx::PgPool;

use crate::support::control::Control;
use crate::support::history::{History, PastPipeline};

/// Number of pipelines of the year.
const PIPELINES: usize = 20;

/// Whether the test was started by `make year`.
fn is_whole_year() -> bool {
    std::env::var("ELT_YEAR").is_ok_and(|year| year == "whole")
}

/// Rows and bytes of the tables that grow most, a line each.
async fn sizes(db: &PgPool) -> String {
    let tables = ["elt.runs", "elt.run_attempts", "elt.log_lines"];
    sqlx::query("vacuum analyze elt.runs, elt.run_attempts, elt.log_lines").execute(db).await.expect("vacuumed");
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
