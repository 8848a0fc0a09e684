//! A worker that is killed between the tables of a run with a table for each file.

use std::fmt::Write;

use nix::sys::signal::Signal;
use sqlx::AssertSqlSafe;

use crate::world::{World, alone, report};

const TABLES: usize = 6;
/// A table of this many rows takes a second or so in a build without optimisation.
const ROWS: usize = 40_000;

#[test]
fn a_worker_that_is_killed_between_two_tables_loses_and_doubles_nothing() {
    alone(async {
        let world = World::start().await;
        for table in 0..TABLES {
            let mut text = String::from("id,name\n");
            for id in 0..ROWS {
                let _ = writeln!(text, "{id},\"name {id} of {table}\"");
            }
            world.write(&format!("in/exports/t{table}.csv"), &text);
        }
        let folder = world.path("in/exports");
        let source = format!("{{type: local, path: {}, settle_seconds: 0}}", folder.display());
        let doomed = world.worker(&[]).await;
        // Without deduplication, a row that is loaded twice is there twice.
        let more = "load: {dedupe: none}\nmonitor: {enabled: false}\n";
        let run = world.trigger_into("exports", "{table: \"raw_{file}\"}", &source, more).await;
        world
            .some("a table is loaded", "select count(*) from runs where part_of is not null and state = 'succeeded'")
            .await;
        doomed.process.signal(Signal::SIGKILL);
        let left: i64 =
            sqlx::query_scalar("select count(*) from runs where part_of is not null and finished_at is null")
                .fetch_one(&world.control)
                .await
                .expect("counted");
        assert!(left > 0, "the worker was killed before the last table");
        let heir = world.worker(&[]).await;
        let done = world.finished(run).await;
        assert_eq!(done.state.as_str(), "succeeded", "{done:#?}");
        for table in 0..TABLES {
            let sql = format!("select count(*), count(distinct id) from raw_t{table}");
            let found: (i64, i64) =
                sqlx::query_as(AssertSqlSafe(sql)).fetch_one(&world.target).await.expect("counted the rows");
            assert_eq!(found, (ROWS as i64, ROWS as i64), "raw_t{table}");
        }
        world.check(&[]).await;
        report("kill -9 between two tables", 1, Vec::new());
        drop(heir);
        world.end().await;
    });
}
