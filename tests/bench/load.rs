//! How fast loads are and what memory they take: the `elt` command, a process for each run, beside `psql \copy` of the
//! same rows into a plain typed table, one after the other. The rows are compared.
//!
//! Needs `ELT_BIN`, `TEST_DATABASE_URL`, `psql` and the OpenSSH server: `make bench` sees to them.
//!
//! `cargo bench -p elt-tests --bench load -- [rounds] [millions of rows of the large file]`

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

mod program;
#[path = "../it/support/mod.rs"]
#[expect(dead_code, unused_imports, reason = "the tests use more of it")]
mod support;
mod table;
mod work;

use std::process::Command;
use std::time::Instant;

use sqlx::{AssertSqlSafe, PgPool};

use support::database::Databases;
use support::folder::Folder;
use support::sshd::Sshd;
use table::{Goal, Measured, Table};

const MILLION: u64 = 1_000_000;

#[tokio::main]
async fn main() {
    let numbers: Vec<u64> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let (rounds, millions) = (numbers.first().copied().unwrap_or(5), numbers.get(1).copied().unwrap_or(5));
    let lab = Lab::prepare(millions * MILLION);
    let mut table = Table::default();
    for round in 1..=rounds {
        println!("round {round} of {rounds}");
        lab.round(&mut table).await;
    }
    println!("\n{table}");
}

/// The files, made once, and the server that serves one of them.
struct Lab {
    folder: Folder,
    sshd: Sshd,
    large: u64,
}

impl Lab {
    fn prepare(large: u64) -> Self {
        let (folder, sshd) = (Folder::new(), Sshd::start());
        let file = |name: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("made the folder");
            path
        };
        let made = "wrote the rows";
        work::csv(&file("million/rows.csv"), 1, MILLION).expect(made);
        work::csv(&file("more/rows.csv"), 1, MILLION + MILLION / 100).expect(made);
        for part in 0..500 {
            work::csv(&file(&format!("many/{part:03}.csv")), 1 + part * 2_000, 2_000).expect(made);
        }
        work::csv(&file("large/rows.csv"), 1, large).expect(made);
        work::json(&file("json/rows.json"), 1, 200_000).expect(made);
        work::csv(&file("small/rows.csv"), 1, 200_000).expect(made);
        sshd.write("rows.csv", std::fs::read(file("small/rows.csv")).expect("the rows"));
        Self { folder, sshd, large }
    }

    async fn round(&self, table: &mut Table) {
        let desk = Desk::open(self).await;
        let copy = desk.copy(&["million/rows.csv"]).await;
        let first = desk.load("W1 first load of 1,000,000 rows", "million", MILLION).await;
        desk.compare("million").await;
        table.add(first.against(copy, Goal::Times(1.6), 128));
        let again = desk.load("W2 the same again", "million", 0).await;
        table.add(again.against(copy, Goal::Times(0.6), 128));
        let more = desk.load_into("million", "W3 the same and 1 % new", "more", MILLION / 100).await;
        table.add(more.against(copy, Goal::Times(0.8), 128));

        let desk = Desk::open(self).await;
        let parts: Vec<_> = (0..500).map(|part| format!("many/{part:03}.csv")).collect();
        let copies = desk.copy(&parts.iter().map(String::as_str).collect::<Vec<_>>()).await;
        let many = desk.load("W4 500 files of 2,000 rows", "many", MILLION).await;
        desk.compare("many").await;
        table.add(many.against(copies, Goal::Times(1.0), 128));

        let desk = Desk::open(self).await;
        let copy = desk.copy(&["large/rows.csv"]).await;
        let large = desk.load("W5 first load of the large file", "large", self.large).await;
        desk.compare("large").await;
        let was = large.speed(self.large) / first.speed(MILLION);
        table.add(large.against(copy, Goal::Speed { least: 0.9, was }, 160));
        let again = desk.load("   the large file again", "large", 0).await;
        table.add(again.against(copy, Goal::None, 160));

        let desk = Desk::open(self).await;
        let copy = desk.copy(&["small/rows.csv"]).await;
        let json = desk.load("W6 200,000 rows of JSON", "json", 200_000).await;
        desk.compare("json").await;
        table.add(json.against(copy, Goal::Times(2.5), 128));
        let sftp = desk.load("W7 200,000 rows by SFTP", "sftp", 200_000).await;
        desk.compare("sftp").await;
        table.add(sftp.against(copy, Goal::Times(2.0), 128));
    }

    /// What a config reads.
    fn source(&self, folder: &str) -> String {
        if folder != "sftp" {
            return format!("{{type: local, path: {}, settle_seconds: 0}}", self.folder.path().join(folder).display());
        }
        let (host, port, user) = (self.sshd.address.ip(), self.sshd.address.port(), self.sshd.user());
        let key = self.folder.write("key", self.sshd.key());
        std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("permissions");
        let (key, path) = (key.display(), self.sshd.remote("rows.csv"));
        format!("{{type: sftp, host: {host}, port: {port}, username: {user}, private_key: {key}, path: {path}}}")
    }
}

/// Empty databases, and where runs keep their things.
struct Desk<'a> {
    lab: &'a Lab,
    databases: Databases,
    control: PgPool,
    target: PgPool,
    data: Folder,
}

impl<'a> Desk<'a> {
    async fn open(lab: &'a Lab) -> Self {
        let databases = Databases::create().await;
        let control = PgPool::connect_with(databases.control.clone()).await.expect("the control database");
        let target = databases.target_pool().await;
        Self { lab, databases, control, target, data: Folder::new() }
    }

    async fn load(&self, what: &str, folder: &str, expected: u64) -> Run {
        self.load_into(folder, what, folder, expected).await
    }

    /// Loads a folder into a table by `elt run --once`.
    async fn load_into(&self, table: &str, what: &str, folder: &str, expected: u64) -> Run {
        let yaml = format!("name: {table}\nsources: [{}]\ntarget: {{table: {table}}}\n", self.lab.source(folder));
        let config = self.data.write(&format!("{folder}.yaml"), yaml);
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

    /// Seconds of `\copy` into a plain typed table.
    async fn copy(&self, names: &[&str]) -> f64 {
        let mut script = String::from(
            "create table plain (id bigint, big bigint, ratio float8, amount numeric, active bool, day date, \
             seen_at timestamp, short text, long text, maybe bigint) with (autovacuum_enabled = false);\n",
        );
        for name in names {
            let path = self.lab.folder.path().join(name);
            script.push_str(&format!("\\copy plain from '{}' with (format csv, header)\n", path.display()));
        }
        let path = self.data.write("copy.sql", script);
        self.settle().await;
        let started = Instant::now();
        program::psql(&self.databases.target_url(), &path);
        let seconds = started.elapsed().as_secs_f64();
        println!("  {:<36} {seconds:6.2} s", format!("\\copy of {}", names[0]));
        seconds
    }

    /// What was written before is on disk: nobody waits for the work of another.
    async fn settle(&self) {
        sqlx::query("checkpoint").execute(&self.control).await.expect("the control database's role is a superuser");
        assert!(Command::new("sync").status().expect("sync runs").success());
    }

    /// The rows of a table are those of the plain one, cell by cell.
    async fn compare(&self, table: &str) {
        // elt keeps the written digits of a fraction; the plain table has a double there.
        let columns = work::COLUMNS.join(", ").replace("ratio", "ratio::float8");
        let sum = |table: &str| {
            format!("select count(*), sum(hashtextextended(row({columns})::text, 0)::numeric)::text from {table}")
        };
        let rows = |sql: String| sqlx::query_as::<_, (i64, Option<String>)>(AssertSqlSafe(sql)).fetch_one(&self.target);
        let (ours, plain) = (rows(sum(table)).await.expect("our rows"), rows(sum("plain")).await.expect("plain rows"));
        assert_eq!(ours, plain, "{table} has the rows of the plain table");
    }
}

/// What a run took.
struct Run {
    what: String,
    /// From the worker's beginning to the end, in seconds.
    seconds: f64,
    /// Of the whole command, with start, queue and end.
    command: f64,
    /// Peak of the whole process, in megabytes.
    memory: u64,
}

impl Run {
    fn speed(&self, rows: u64) -> f64 {
        rows as f64 / self.seconds
    }

    fn against(&self, copy: f64, goal: Goal, most_memory: u64) -> Measured {
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
