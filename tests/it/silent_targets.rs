//! Targets that fall silent: the connection is given up and the run is tried again when the server says that the session
//! has stopped, or cannot be asked.

use std::sync::Arc;
use std::time::Duration;

use elt_shared::settings::NetworkSettings;
use elt_worker::pipeline;
use elt_worker::run_context::RunContext;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use sqlx::{AssertSqlSafe, PgPool, Postgres, Transaction};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::support::app::PATIENCE;
use crate::support::chaos_proxy::ChaosProxy;
use crate::support::loader::{Ended, Loader, told};
use crate::support::{TestApp, cluster};

/// The shortest that may be set. The first question comes after a second.
const SILENCE: u16 = 3;

/// A loader and a proxy before its target.
struct Fixture {
    loader: Loader,
    /// The target, not through the proxy.
    server: PgPool,
    proxy: ChaosProxy,
    yaml: String,
}

/// The URL of a target through a proxy of its own.
async fn behind_a_proxy(url: &str) -> (ChaosProxy, String) {
    let mut url = reqwest::Url::parse(url).expect("a URL");
    let proxy = ChaosProxy::start(url.socket_addrs(|| None).expect("an address")[0], []).await;
    url.set_port(Some(proxy.address.port())).expect("a port");
    (proxy, url.to_string())
}

impl Fixture {
    /// With the default target.
    async fn start() -> Self {
        let loader = Loader::start().await;
        let url = loader.databases().target_url();
        Self::of(loader, &url).await
    }

    /// With an empty table in another target.
    async fn of(loader: Loader, url: &str) -> Self {
        let server = PgPool::connect(url).await.expect("connected to the target");
        sqlx::query("create table t (id bigint)").execute(&server).await.expect("a table");
        let (proxy, url) = behind_a_proxy(url).await;
        let yaml = format!(
            "sources: [{{type: local, settle_seconds: 0, path: {}}}]\ntarget: {{url: '{url}', table: t}}\n",
            loader.folder.path().display()
        );
        loader.only("a.csv", "id\n1\n2\n");
        Self { loader, server, proxy, yaml }
    }

    /// Begins a run and executes it in the background.
    async fn begin(&self) -> (RunContext, oneshot::Receiver<Ended>) {
        let mut context = self.loader.begin("run", &self.yaml).await;
        context.network = Arc::new(NetworkSettings { target_silence: SILENCE, ..NetworkSettings::default() });
        let (runtime, running) = (tokio::runtime::Handle::current(), context.clone());
        let (ended, end) = oneshot::channel();
        // Not a thread of the runtime, because a test that fails would wait for it.
        std::thread::spawn(move || {
            ended.send(runtime.block_on(pipeline::run(&running))).ok();
        });
        (context, end)
    }

    /// Keeps the table locked until the transaction ends.
    async fn lock(&self) -> Transaction<'static, Postgres> {
        let mut holder = self.server.begin().await.expect("a transaction");
        sqlx::query("lock table t in access exclusive mode").execute(&mut *holder).await.expect("locked");
        holder
    }

    /// The processes of the run's sessions that are in this state.
    async fn sessions(&self, context: &RunContext, condition: &str) -> Vec<Pid> {
        let name = format!("elt:{}:{}", context.run.id, context.run.epoch);
        let sql = format!("select pid from pg_stat_activity where application_name = '{name}' and {condition}");
        let found: Vec<i32> =
            sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&self.server).await.expect("asked the server");
        found.into_iter().map(Pid::from_raw).collect()
    }

    /// Waits until a session of the run is in this state.
    async fn session(&self, context: &RunContext, condition: &str) -> Pid {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(process) = self.sessions(context, condition).await.pop() {
                return process;
            }
            assert!(Instant::now() < deadline, "never so: {condition}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// The failure of a run that must be tried again, within the time for an attempt that is given up.
async fn lost(running: &mut oneshot::Receiver<Ended>) -> String {
    let ended = tokio::time::timeout(PATIENCE, running).await.expect("it is given up in time");
    let error = ended.expect("no panic").expect_err("its connection was lost");
    let said = told(&error);
    assert!(said.starts_with("target_lost: "), "{said}");
    said
}

#[tokio::test]
async fn a_statement_that_waits_for_a_lock_is_left_alone_until_its_answer_is_lost() {
    let fixture = Fixture::start().await;
    let holder = fixture.lock().await;
    let (context, mut running) = fixture.begin().await;
    fixture.session(&context, "wait_event_type = 'Lock'").await;
    fixture.proxy.swallow();
    // With the fourth question, the silence has lasted longer than that of a session that is given up.
    let (before, deadline) = (fixture.proxy.connections(), Instant::now() + PATIENCE);
    while fixture.proxy.connections() < before + 4 {
        assert!(running.is_empty(), "the server says that it works");
        assert!(Instant::now() < deadline, "it was not asked again and again: {}", fixture.proxy.connections());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(running.is_empty(), "the server says that it works");
    holder.rollback().await.expect("the lock is free");
    let said = lost(&mut running).await;
    assert!(said.contains("did not answer for") && said.contains("waits for this side"), "{said}");
}

#[tokio::test]
async fn a_statement_that_takes_long_succeeds_however_silent_its_server_is() {
    let fixture = Fixture::start().await;
    fixture
        .loader
        .sql(
            "create function slow() returns trigger language plpgsql as 'begin perform pg_sleep(7); return null; end';
             create trigger slow after insert on t for each statement execute function slow()",
        )
        .await;
    let (_, running) = fixture.begin().await;
    let report = running.await.expect("no panic").unwrap_or_else(|error| panic!("{}", told(&error)));
    assert_eq!(report.rows_inserted, 2);
}

#[tokio::test]
async fn a_run_whose_connection_falls_silent_is_tried_again_and_loads_every_row_once() {
    let app = TestApp::start_with(|options| {
        options.worker.network.target_silence = SILENCE;
        options.worker.silent_seconds = 1;
    })
    .await;
    let (proxy, url) = behind_a_proxy(&app.target_url()).await;
    app.folder().write("people.csv", "id,name\n1,Ann\n2,Bob\n");
    sqlx::raw_sql("create table people (id bigint, name text)").execute(&app.target).await.expect("a table");
    let yaml = format!(
        "name: people\nsources: [{{type: local, path: {}}}]\ntarget: {{url: '{url}', table: people}}\n\
         load: {{dedupe: none}}\nmonitor: {{enabled: false}}\nretry: {{initial_seconds: 1}}\n",
        app.folder().path().display()
    );
    let mut holder = app.target.begin().await.expect("a transaction");
    sqlx::query("lock table people in access exclusive mode").execute(&mut *holder).await.expect("locked");
    let run = app.trigger(&yaml).await;
    let waits = async || {
        let waits = "select 1 from pg_stat_activity where wait_event_type = 'Lock' and application_name like 'elt:%'
                     and datname = current_database()";
        sqlx::query(waits).fetch_optional(&app.target).await.expect("asked")
    };
    app.eventually(waits).await.expect("the run waits for the lock");
    let path = format!("/runs/{}", run["id"].as_str().expect("an id"));
    let silent = async || app.get(&path).await.ok()["silent_since"].is_string().then_some(());
    app.eventually(silent).await.expect("it is shown that nothing moves");
    proxy.swallow();
    holder.rollback().await.expect("the lock is free");
    let run = app.finished(&run["id"]).await;
    assert_eq!((&run["state"], &run["rows_inserted"]), (&json!("succeeded"), &json!(2)), "{run:#}");
    assert!(run["epoch"].as_i64() >= Some(2), "it took another start: {run:#}");
    assert!(run["silent_since"].is_null(), "{run:#}");
    assert_eq!(app.count("people").await, 2);
}

/// Stops the backend at a moment at which it waits for nothing but rows.
async fn freeze_within_copy(fixture: &Fixture, context: &RunContext) -> Pid {
    loop {
        let backend = fixture.session(context, "state = 'active' and query ilike 'copy %'").await;
        kill(backend, Signal::SIGSTOP).expect("stopped the backend");
        let reads = "state = 'active' and query ilike 'copy %' and coalesce(wait_event_type, 'Client') = 'Client'";
        if fixture.sessions(context, reads).await == [backend] {
            return backend;
        }
        kill(backend, Signal::SIGCONT).expect("continued the backend");
    }
}

#[tokio::test]
async fn a_backend_and_a_server_that_are_frozen_are_given_up() {
    // A server of its own, because a process that is stopped can hold what the databases of other tests need.
    let url = cluster::another("frozen").await;
    let fixture = Fixture::of(Loader::start().await, &url).await;
    let text = "x".repeat(200);
    let rows: String = (0..150_000).map(|n| format!("{n},{text}\n")).collect();
    fixture.loader.only("a.csv", format!("id,text\n{rows}"));
    let (context, mut running) = fixture.begin().await;
    let backend = freeze_within_copy(&fixture, &context).await;
    lost(&mut running).await;
    kill(backend, Signal::SIGCONT).expect("continued the backend");

    // The run still counts as one that has the table.
    sqlx::query("update runs set target_key = null").execute(&fixture.loader.control).await.expect("let go");
    fixture.loader.only("a.csv", "id\n1\n");
    let holder = fixture.lock().await;
    let (context, mut running) = fixture.begin().await;
    let backend = fixture.session(&context, "wait_event_type = 'Lock'").await;
    let postmaster: String = sqlx::query_scalar("select split_part(pg_read_file('postmaster.pid'), E'\\n', 1)")
        .fetch_one(&fixture.server)
        .await
        .expect("the server's process");
    let frozen = [Pid::from_raw(postmaster.parse().expect("a process")), backend];
    for process in frozen {
        kill(process, Signal::SIGSTOP).expect("stopped");
    }
    let said = lost(&mut running).await;
    for process in frozen {
        kill(process, Signal::SIGCONT).expect("continued");
    }
    assert!(said.contains("cannot be asked on another connection either"), "{said}");
    holder.rollback().await.expect("the server goes on");
}
