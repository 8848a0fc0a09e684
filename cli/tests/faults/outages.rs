//! Targets and disks that are away for a while, under many runs: no run fails, and none loses or doubles a row.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use sqlx::AssertSqlSafe;
use tokio::time::sleep;
use uuid::Uuid;

use crate::gate::Gate;
use crate::world::{Pipeline, Worker, World, alone, report};

/// Tables, each of which several runs load into.
const TABLES: usize = 6;
/// Runs.
const RUNS: usize = 24;

/// Many runs on two workers, and what is done to them meanwhile.
struct Storm {
    world: World,
    pipelines: Vec<Pipeline>,
    runs: Vec<Uuid>,
    workers: Vec<Worker>,
}

impl Storm {
    /// Workers with these settings, and runs that load through `port`, of which some are at work.
    async fn start(world: World, port: Option<u16>, settings: &[(&str, &str)]) -> Self {
        let pipelines: Vec<_> = (0..TABLES).map(|n| world.pipeline(&format!("storm_{n}"), 6_000)).collect();
        let workers = vec![world.worker(settings).await, world.worker(&[]).await];
        let url = world.target_url();
        let own = port_of(&url);
        let through = url.replace(&format!(":{own}/"), &format!(":{}/", port.unwrap_or(own)));
        let mut runs = Vec::new();
        for pipeline in pipelines.iter().cycle().take(RUNS) {
            let target = format!("{{url: '{through}', table: {}}}", pipeline.table);
            let source =
                format!("{{type: local, path: {}, settle_seconds: 0}}", world.source_folder(pipeline).display());
            runs.push(world.trigger_waiting(&pipeline.table, &target, &source).await);
        }
        world.some("a run has loaded", "select count(*) from runs where state = 'succeeded'").await;
        Self { world, pipelines, runs, workers }
    }

    /// Everything must end well now that the fault is over.
    async fn end(self, fault: &str, failed_for_good: usize) {
        let over = Instant::now();
        let mut failed = 0;
        for run in &self.runs {
            let run = self.world.finished(*run).await;
            failed += usize::from(run.state.as_str() != "succeeded");
        }
        let seconds = over.elapsed().as_secs_f64();
        assert_eq!(failed, failed_for_good, "{fault}: runs that failed for good");
        self.world.check(&self.pipelines).await;
        report(fault, 1, vec![seconds]);
        drop(self.workers);
        self.world.end().await;
    }

    async fn sql(&self, sql: &str) {
        sqlx::query(AssertSqlSafe(sql.to_owned())).execute(&self.world.target).await.expect("a statement");
    }

    /// Gives new sessions of the target's login a setting, for some seconds.
    async fn with_setting(&self, setting: &str, seconds: u64) {
        let alter = |what: String| {
            let what = what.replace('\'', "''");
            AssertSqlSafe(format!("do $$ begin execute format('alter role %I {what}', current_user); end $$"))
        };
        // One session, opened before: a new one would have the setting itself.
        let mut db = self.world.target.acquire().await.expect("a connection");
        sqlx::query(alter(format!("set {setting}"))).execute(&mut *db).await.expect("set");
        sleep(Duration::from_secs(seconds)).await;
        let name = setting.split_whitespace().next().expect("a name");
        sqlx::query(alter(format!("reset {name}"))).execute(&mut *db).await.expect("reset");
    }
}

#[test]
fn a_target_that_is_away_for_twenty_seconds_costs_no_run() {
    alone(async {
        let world = World::start().await;
        let port = port_of(&world.target_url());
        let gate = Gate::open(port).await;
        let storm = Storm::start(world, Some(gate.port), &[]).await;
        gate.lead_to(1);
        gate.cut();
        sleep(Duration::from_secs(20)).await;
        gate.lead_to(port);
        storm.end("target_away_20s", 0).await;
    });
}

#[test]
fn a_target_that_is_read_only_for_ten_seconds_costs_no_run() {
    alone(async {
        let storm = Storm::start(World::start().await, None, &[]).await;
        storm.with_setting("default_transaction_read_only = on", 10).await;
        storm.end("read_only_target", 0).await;
    });
}

#[test]
fn a_target_without_a_free_connection_for_twenty_seconds_costs_no_run() {
    alone(async {
        let storm = Storm::start(World::start().await, None, &[]).await;
        let admin = storm.world.administrator().await;
        let role = storm.world.target_role();
        for most in [0, -1] {
            let sql = format!("alter role {role} connection limit {most}");
            sqlx::query(AssertSqlSafe(sql)).execute(&admin).await.expect("limited the connections");
            if most == 0 {
                sleep(Duration::from_secs(20)).await;
            }
        }
        admin.close().await;
        storm.end("too_many_connections", 0).await;
    });
}

#[test]
fn time_limits_of_an_administrator_cost_no_run() {
    for (fault, setting) in [
        ("statement_timeout", "statement_timeout = '60ms'"),
        ("idle_in_tx_timeout", "idle_in_transaction_session_timeout = '50ms'"),
    ] {
        alone(async {
            let storm = Storm::start(World::start().await, None, &[]).await;
            storm.with_setting(setting, 15).await;
            storm.end(fault, 0).await;
        });
    }
}

#[test]
fn statements_that_an_administrator_cancels_cost_no_run() {
    alone(async {
        let storm = Storm::start(World::start().await, None, &[]).await;
        for _ in 0..10 {
            storm.sql("select pg_cancel_backend(pid) from pg_stat_activity where application_name like 'elt:%'").await;
            sleep(Duration::from_secs(1)).await;
        }
        storm.end("cancel_backends", 0).await;
    });
}

#[test]
fn a_worker_whose_disk_is_full_for_ten_seconds_costs_no_run() {
    alone(async {
        let world = World::start().await;
        let disk = std::env::temp_dir().join(format!("elt-disk-{}", Uuid::now_v7().simple()));
        std::fs::create_dir(&disk).expect("a folder");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=16m", "tmpfs"]).arg(&disk).status();
        assert!(mounted.is_ok_and(|status| status.success()), "only root can make a small disk");
        let unmount = Unmount(disk.clone());
        let folder = disk.to_str().expect("a readable path").to_owned();
        let storm = Storm::start(world, None, &[("ELT_DATA_DIR", &folder), ("ELT_MIN_FREE_MIB", "8")]).await;
        fill(&disk);
        sleep(Duration::from_secs(10)).await;
        std::fs::remove_file(disk.join("ballast")).expect("made room");
        storm.end("worker_disk_full", 0).await;
        drop(unmount);
    });
}

/// Takes a small disk and its folder away again, also when the test fails.
struct Unmount(PathBuf);

impl Drop for Unmount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
        let _ = std::fs::remove_dir(&self.0);
    }
}

/// The port in the URL of a target.
fn port_of(url: &str) -> u16 {
    url.rsplit_once(':').and_then(|(_, rest)| rest.split_once('/')?.0.parse().ok()).expect("a port")
}

/// Fills a disk to its last byte.
fn fill(disk: &Path) {
    let _ = std::fs::write(disk.join("ballast"), vec![0; 64 << 20]);
}
