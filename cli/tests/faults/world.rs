//! A private cluster, workers as processes, sources, and what must hold in the end.

use std::fmt::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use elt_cluster::Cluster;
use elt_shared::config::{Document, NoReferences};
use elt_shared::job::QUEUE;
use elt_shared::store;
use elt_shared::store::configs::{self, NewConfig};
use elt_shared::store::runs::{self, Run};
use elt_shared::trigger::{self, Trigger};
use nix::sys::signal::Signal;
use serde_json::json;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, PgPool};
use uuid::Uuid;

use crate::gate::Gate;
use crate::support::{Folder, Running, elt};

/// Longer than the slowest recovery on a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);

/// Opens what the processes have sealed.
const SECRET_KEY: &str = "a secret key of the tests, at least 32 bytes";

/// A lost worker's run is taken over within this many seconds.
pub const TAKEN_OVER: f64 = 40.0;

/// See the module.
pub struct World {
    folder: Folder,
    cluster: Option<Cluster>,
    pub control: PgPool,
    pub target: PgPool,
    workers: std::cell::Cell<usize>,
}

/// A worker process and the network it sees.
pub struct Worker {
    pub process: Running,
    pub gate: Gate,
}

/// A pipeline: its table, and how many distinct rows its folder has.
pub struct Pipeline {
    pub table: String,
    rows: u32,
}

/// How often what happens at random is repeated.
pub fn rounds(few: usize) -> usize {
    std::env::var("ELT_FAULT_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(few)
}

/// Runs a test alone: what is measured here does not share the machine with the others.
pub fn alone(test: impl Future<Output = ()>) {
    static ONE_AT_A_TIME: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(test);
}

impl World {
    pub async fn start() -> Self {
        let folder = Folder::new();
        let cluster = start_cluster(&folder).await;
        let control = connect(cluster.control_url().expose(), "elt,public").await;
        store::migrate(&control).await.expect("migrated");
        let target = connect(cluster.target_url().expose(), "public").await;
        Self { folder, cluster: Some(cluster), control, target, workers: std::cell::Cell::new(0) }
    }

    /// Ends the cluster.
    pub async fn end(mut self) {
        self.control.close().await;
        self.target.close().await;
        if let Some(cluster) = self.cluster.take() {
            cluster.stop().await.expect("stopped the cluster");
        }
    }

    /// Starts a worker process behind a gate of its own, with these settings beside the usual ones.
    pub async fn worker(&self, settings: &[(&str, &str)]) -> Worker {
        let cluster = self.cluster.as_ref().expect("a cluster");
        let gate = Gate::open(cluster.port()).await;
        let through = |url: &str| url.replace(&format!(":{}/", cluster.port()), &format!(":{}/", gate.port));
        let number = self.workers.replace(self.workers.get() + 1);
        let mut command = elt(&self.folder, &["worker", "--concurrency", "2"]);
        command
            .env("DATABASE_URL", through(cluster.control_url().expose()))
            .env("ELT_TARGET_URL", through(cluster.target_url().expose()))
            .env("ELT_DATA_DIR", self.folder.path().join(format!("worker-{number}")))
            .env("ELT_FS_ROOTS", self.folder.path())
            .env("ELT_SECRET_KEY", SECRET_KEY)
            .envs(settings.iter().copied());
        let mut process = Running::start(command);
        process.wait_for("working on queue");
        Worker { process, gate }
    }

    /// Starts an API process.
    pub fn api(&self) -> Running {
        let cluster = self.cluster.as_ref().expect("a cluster");
        let mut command = elt(&self.folder, &["serve", "--listen", "127.0.0.1:0"]);
        command
            .env("DATABASE_URL", cluster.control_url().expose())
            .env("ELT_TARGET_URL", cluster.target_url().expose())
            .env("ELT_DATA_DIR", self.folder.path().join("api"))
            .env("ELT_JWT_KEY", "another key of the tests, at least 32 bytes")
            .env("ELT_SECRET_KEY", SECRET_KEY);
        let mut process = Running::start(command);
        process.wait_for("elt answers at");
        process
    }

    /// A folder of three files with `rows` distinct rows, one in a hundred of them twice.
    pub fn pipeline(&self, table: &str, rows: u32) -> Pipeline {
        let third = rows.div_ceil(3);
        for (n, start) in (0..rows).step_by(third as usize).enumerate() {
            let mut text = "id,name,amount,at\n".to_owned();
            for id in start..(start + third).min(rows) {
                let line = format!(
                    "{id},\"name {id}, of {table}\",{}.{:02},2026-11-25 10:00:{:02}\n",
                    id * 7,
                    id % 100,
                    id % 60
                );
                let _ = write!(text, "{line}");
                if id % 100 == 0 {
                    text.push_str(&line);
                }
            }
            self.folder.write(&format!("in/{table}/{n}.csv"), &text);
        }
        Pipeline { table: table.to_owned(), rows }
    }

    /// Writes a file below the folder that workers may read.
    pub fn write(&self, name: &str, text: &str) {
        self.folder.write(name, text);
    }

    /// A path below that folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Queues a run of a pipeline.
    pub async fn trigger(&self, pipeline: &Pipeline) -> Uuid {
        let source = format!("{{type: local, path: {}, settle_seconds: 0}}", self.source_folder(pipeline).display());
        self.trigger_source(&pipeline.table, &source, "monitor: {enabled: false}\n").await
    }

    /// Connections of the server's superuser, for what only an administrator may do.
    pub async fn administrator(&self) -> PgPool {
        connect(self.cluster.as_ref().expect("a cluster").superuser_url().expose(), "public").await
    }

    /// The login that loads into the target.
    pub fn target_role(&self) -> String {
        let url: PgConnectOptions = self.target_url().parse().expect("a URL");
        url.get_username().to_owned()
    }

    /// Connection URL of the target that bypasses every gate, for configs that name their own target.
    pub fn target_url(&self) -> String {
        self.cluster.as_ref().expect("a cluster").target_url().expose().to_owned()
    }

    /// Queues a run that loads a source into a table of the default target; `more` is appended to its config.
    pub async fn trigger_source(&self, table: &str, source: &str, more: &str) -> Uuid {
        self.trigger_into(table, &format!("{{table: {table}}}"), source, more).await
    }

    /// Queues a run that loads a source into a target; `more` is appended to its config.
    pub async fn trigger_into(&self, name: &str, target: &str, source: &str, more: &str) -> Uuid {
        let retry = "retry: {initial_seconds: 1, max_attempts: 10}\n";
        self.trigger_yaml(&format!("name: {name}\nsources: [{source}]\ntarget: {target}\n{more}{retry}")).await
    }

    /// Queues a run whose config says nothing about attempts, so that it waits for what is away.
    pub async fn trigger_waiting(&self, name: &str, target: &str, source: &str) -> Uuid {
        let more = "monitor: {enabled: false}\n";
        self.trigger_yaml(&format!("name: {name}\nsources: [{source}]\ntarget: {target}\n{more}")).await
    }

    async fn trigger_yaml(&self, yaml: &str) -> Uuid {
        let config =
            Document::parse(yaml).and_then(|document| document.pipeline(&NoReferences)).expect("a config").value;
        let mut tx = self.control.begin().await.expect("a transaction");
        let new = NewConfig {
            name: &config.name,
            yaml: &yaml.into(),
            yaml_masked: "",
            yaml_preview: "",
            runnable: true,
            problems: json!([]),
            warnings: json!([]),
            created_by: "admin",
            author: configs::ConfigAuthor::Admin,
            purpose: configs::Purpose::Use,
            secret_names: Vec::new(),
            start_rules: config.start_rules,
            notify: &config.notify,
            inbox: None,
        };
        let (kept, _) = configs::keep(
            &mut tx,
            &elt_shared::secret::KeyRing::of(SECRET_KEY.into(), Vec::new()).expect("a key"),
            new,
        )
        .await
        .expect("kept");
        let request = Trigger {
            config: &kept,
            pipeline: &config,
            now: false,
            monitor: config.monitor.enabled || config.schedule.is_some(),
            queue: QUEUE,
            priority: None,
            options: json!({}),
            traceparent: None,
            created_by: "admin",
        };
        let run = trigger::trigger(&mut tx, &request).await.expect("triggered").run;
        tx.commit().await.expect("committed");
        run.id
    }

    /// Where the files of a pipeline are.
    pub fn source_folder(&self, pipeline: &Pipeline) -> PathBuf {
        self.folder.path().join("in").join(&pipeline.table)
    }

    /// The last run that was made of a pipeline.
    pub async fn newest_run(&self, name: &str) -> Uuid {
        let newest = sqlx::query_scalar("select id from runs where name = $1 order by id desc limit 1").bind(name);
        newest.fetch_one(&self.control).await.expect("a run")
    }

    /// A run as it is now. The database may be restarting.
    pub async fn look(&self, run: Uuid) -> Option<Run> {
        runs::find(&self.control, run).await.ok().flatten()
    }

    /// Waits until `is_so` of a run.
    pub async fn until(&self, run: Uuid, what: &str, is_so: impl Fn(&Run) -> bool) -> Run {
        let deadline = Instant::now() + PATIENCE;
        let mut last = None;
        while Instant::now() < deadline {
            if let Some(now) = self.look(run).await {
                if is_so(&now) {
                    return now;
                }
                last = Some(now);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("never {what}: {last:#?}");
    }

    /// Waits until a count in the control database is not zero.
    pub async fn some(&self, what: &str, count: &'static str) {
        let deadline = Instant::now() + PATIENCE;
        while sqlx::query_scalar::<_, i64>(count).fetch_one(&self.control).await.expect("counted") == 0 {
            assert!(Instant::now() < deadline, "never so: {what}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until a run is at work in this stage.
    pub async fn at_work(&self, run: Uuid, stage: &str) -> Run {
        self.until(run, stage, |run| {
            run.state.as_str() == "running" && run.stage.is_some_and(|at| at.as_str() == stage)
        })
        .await
    }

    pub async fn finished(&self, run: Uuid) -> Run {
        self.until(run, "finished", |run| run.finished_at.is_some()).await
    }

    /// What must hold in the end, whatever happened on the way.
    pub async fn check(&self, pipelines: &[Pipeline]) {
        for Pipeline { table, rows } in pipelines {
            let sql = format!(
                "select count(*), count(distinct _elt_row_hash), count(distinct id), coalesce(sum(id), 0)::bigint from {table}"
            );
            let found: (i64, i64, i64, i64) =
                sqlx::query_as(AssertSqlSafe(sql)).fetch_one(&self.target).await.expect("counted the rows");
            let rows = i64::from(*rows);
            assert_eq!(found, (rows, rows, rows, rows * (rows - 1) / 2), "{table}: rows, hashes, ids, sum of ids");
        }
        let unbalanced: i64 = sqlx::query_scalar(
            "select count(*) from runs, jsonb_array_elements(report -> 'files') file
             where state = 'succeeded' and (file ->> 'rows_read')::bigint
                <> (file ->> 'rows_inserted')::bigint + (file ->> 'rows_updated')::bigint
                 + (file ->> 'rows_duplicate')::bigint + (file ->> 'rows_quarantined')::bigint
                 + (file ->> 'rows_filtered')::bigint",
        )
        .fetch_one(&self.control)
        .await
        .expect("looked at the receipts");
        assert_eq!(unbalanced, 0, "receipts that do not balance");
        let unfinished: i64 =
            sqlx::query_scalar("select count(*) from runs where finished_at is null or attempt > max_attempts")
                .fetch_one(&self.control)
                .await
                .expect("looked at the runs");
        assert_eq!(unfinished, 0, "runs that are stuck, or were tried too often");
    }

    /// Seconds between an instant and the start of a run's attempt with this epoch.
    pub async fn picked_up_after(&self, run: Uuid, epoch: i64, since: chrono::DateTime<chrono::Utc>) -> f64 {
        let started: chrono::DateTime<chrono::Utc> =
            sqlx::query_scalar("select started_at from run_attempts where run_id = $1 and epoch = $2")
                .bind(run)
                .bind(epoch)
                .fetch_one(&self.control)
                .await
                .expect("the attempt is there");
        (started - since).as_seconds_f64()
    }

    /// Kills a worker in a stage of a run into an empty table, and lets another worker finish the run. Returns the seconds
    /// from the kill to the attempt that finished it.
    pub async fn taken_over_after_kill(&self, pipeline: &Pipeline, stage: &str) -> f64 {
        let drop = AssertSqlSafe(format!("drop table if exists {}", pipeline.table));
        sqlx::query(drop).execute(&self.target).await.expect("dropped");
        let doomed = self.worker(&[]).await;
        let run = self.trigger(pipeline).await;
        let at_work = self.at_work(run, stage).await;
        doomed.process.signal(Signal::SIGKILL);
        let killed = chrono::Utc::now();
        let _heir = self.worker(&[]).await;
        let done = self.finished(run).await;
        assert_eq!((done.state.as_str(), done.attempt), ("succeeded", at_work.attempt + 1), "{done:#?}");
        self.picked_up_after(run, at_work.epoch + 1, killed).await
    }

    /// The postmaster's process id.
    pub fn server_pid(&self) -> i32 {
        self.cluster.as_ref().and_then(Cluster::server_pid).expect("a server")
    }

    /// Starts the server again after it was killed; answers its port.
    pub async fn start_server_again(&mut self) -> u16 {
        let cluster = start_cluster(&self.folder).await;
        let port = cluster.port();
        self.control = connect(cluster.control_url().expose(), "elt,public").await;
        self.target = connect(cluster.target_url().expose(), "public").await;
        self.cluster = Some(cluster);
        port
    }
}

async fn start_cluster(folder: &Folder) -> Cluster {
    Cluster::start(&folder.path().join("data"), None).await.expect("a private cluster")
}

async fn connect(url: &str, search_path: &str) -> PgPool {
    let options: PgConnectOptions = url.parse().expect("a URL");
    let pool = PgPoolOptions::new().max_connections(4).acquire_timeout(Duration::from_secs(30));
    pool.connect_with(options.options([("search_path", search_path)])).await.expect("connected")
}

/// A row of the table `make faults` ends with: how often the fault was injected, and the middle and the worst of the
/// recoveries where they were measured. Only after [`World::check`]: it is what finds rows lost or doubled, and runs stuck.
#[expect(clippy::print_stdout, reason = "what was measured is for who runs the tests")]
pub fn report(fault: &str, times: usize, mut seconds: Vec<f64>) {
    seconds.sort_by(f64::total_cmp);
    let (middle, worst) = match (seconds.get(seconds.len().saturating_sub(1) / 2), seconds.last()) {
        (Some(middle), Some(worst)) => (format!("{middle:.1}"), format!("{worst:.1}")),
        _ => ("-".to_owned(), "-".to_owned()),
    };
    // A line of its own: the harness has written the test's name and no line break.
    println!("\n| {fault} | {times} | 0 | 0 | 0 | {middle} | {worst} |");
}
