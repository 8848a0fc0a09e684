//! Empty databases and a data folder for runs of the `elt` command and of `psql \copy`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use sqlx::{AssertSqlSafe, PgPool};

use crate::program;
use crate::support::database::Databases;
use crate::support::folder::Folder;
use crate::table::{Goal, Measured};
use crate::work;

/// Empty databases, and where runs keep their things.
pub struct Desk {
    databases: Databases,
    control: PgPool,
    target: PgPool,
    data: Folder,
}

impl Desk {
    pub async fn open() -> Self {
        let databases = Databases::create().await;
        let control = PgPool::connect_with(databases.control.clone()).await.expect("the control database");
        let target = databases.target_pool().await;
        Self { databases, control, target, data: Folder::new() }
    }

    /// Loads a source into a table by `elt run --once`. `expected` is the number of rows that are new.
    pub async fn load(&self, what: &str, source: &str, table: &str, expected: u64) -> Run {
        let yaml = format!("name: {table}\nsources: [{source}]\ntarget: {{table: {table}}}\n");
        let config = self.data.write(&format!("{table}.yaml"), yaml);
        self.settle().await;
        let (command, memory) = program::run_once(&self.databases, &config, self.data.path()).await;
        let (seconds, inserted): (f64, i64) = sqlx::query_as(
            "select extract(epoch from finished_at - started_at)::float8, (report ->> 'rows_inserted')::bigint
             from elt.runs order by created_at desc limit 1",
        )
        .fetch_one(&self.control)
        .await
        .expect("the run");
        assert_eq!(inserted.unsigned_abs(), expected, "{what}");
        println!("  {what:<36} {seconds:6.2} s ({command:.2} s for the command), {memory} MB");
        Run { what: what.trim_end().to_owned(), seconds, command, memory }
    }

    /// Removes the combined CSVs, so that the next run reads its files although they are the same.
    pub fn remove_outputs(&self) {
        std::fs::remove_dir_all(self.data.path().join("output")).expect("removed the combined CSVs");
    }

    /// Seconds of `\copy` of CSV files into a plain typed table.
    pub async fn copy(&self, files: &[PathBuf]) -> f64 {
        let mut script = String::from(
            "create table plain (id bigint, big bigint, ratio float8, amount numeric, active bool, day date, \
             seen_at timestamp, short text, long text, maybe bigint) with (autovacuum_enabled = false);\n",
        );
        for path in files {
            script.push_str(&format!("\\copy plain from '{}' with (format csv, header)\n", path.display()));
        }
        let path = self.data.write("copy.sql", script);
        self.settle().await;
        let started = Instant::now();
        program::psql(&self.databases.target_url(), &path);
        let seconds = started.elapsed().as_secs_f64();
        println!("  {:<36} {seconds:6.2} s", format!("\\copy of {}", name_of(&files[0])));
        seconds
    }

    /// What was written before is on disk: nobody waits for the work of another.
    async fn settle(&self) {
        sqlx::query("checkpoint").execute(&self.control).await.expect("the control database's role is a superuser");
        assert!(Command::new("sync").status().expect("sync runs").success());
    }

    /// The rows of a table are those of the plain one, cell by cell.
    pub async fn compare(&self, table: &str) {
        // elt keeps the written digits of a fraction; the plain table has a double there. A workbook has no zeros at the
        // end of a number.
        let columns =
            work::COLUMNS.join(", ").replace("ratio", "ratio::float8").replace("amount", "trim_scale(amount)");
        let sum = |table: &str| {
            format!("select count(*), sum(hashtextextended(row({columns})::text, 0)::numeric)::text from {table}")
        };
        let rows = |sql: String| sqlx::query_as::<_, (i64, Option<String>)>(AssertSqlSafe(sql)).fetch_one(&self.target);
        let (ours, plain) = (rows(sum(table)).await.expect("our rows"), rows(sum("plain")).await.expect("plain rows"));
        assert_eq!(ours, plain, "{table} has the rows of the plain table");
    }
}

/// What a run took.
pub struct Run {
    what: String,
    /// From the worker's beginning to the end, in seconds.
    seconds: f64,
    /// Of the whole command, with start, queue and end.
    command: f64,
    /// Peak of the whole process, in megabytes.
    memory: u64,
}

impl Run {
    pub fn speed(&self, rows: u64) -> f64 {
        rows as f64 / self.seconds
    }

    pub fn against(&self, copy: f64, goal: Goal, most_memory: u64) -> Measured {
        Measured {
            what: self.what.clone(),
            seconds: self.seconds,
            ratio: self.seconds / copy,
            command: self.command / copy,
            memory: self.memory,
            goal,
            most_memory,
        }
    }
}

/// The folder and the name of a file.
fn name_of(path: &Path) -> String {
    let parts: Vec<_> = path.components().rev().take(2).map(|part| part.as_os_str().to_string_lossy()).collect();
    parts.into_iter().rev().collect::<Vec<_>>().join("/")
}
