//! Targets, sources and disks that are away: runs wait for them, say so, and go on when they are back.

use std::net::SocketAddr;
use std::process::Command;

use elt_shared::queue::sweeper;
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::chaos_proxy::ChaosProxy;
use crate::support::closed_port::ClosedPort;
use crate::support::folder::Folder;

/// Pauses that are short enough for a test.
const SOON: &str = "retry: {max_elapsed: 1h, initial_seconds: 1, max_seconds: 2}\n";

/// A proxy before the app's target, and the URL that leads through it.
async fn proxied_target(app: &TestApp) -> (ChaosProxy, String) {
    let mut url = reqwest::Url::parse(&app.target_url()).expect("a URL");
    let upstream: SocketAddr = url.socket_addrs(|| None).expect("an address")[0];
    let proxy = ChaosProxy::start(upstream, []).await;
    url.set_port(Some(proxy.address.port())).expect("a port");
    (proxy, url.to_string())
}

/// A config that loads the app's folder through a proxy.
fn through(app: &TestApp, url: &str, table: &str, more: &str) -> String {
    let target = format!("target: {{url: '{url}', table: {table}}}");
    format!("name: {table}\n{}", app.yaml(table, more).replace(&format!("target:\n  table: {table}"), &target))
}

async fn look(app: &TestApp, run: &Value) -> Value {
    app.get(&format!("/runs/{}", run["id"].as_str().expect("an id"))).await.ok()
}

/// A run, once it has met an outage this often.
async fn after_outages(app: &TestApp, run: &Value, outages: i64) -> Value {
    let waiting = app.eventually(async || {
        let run = look(app, run).await;
        (run["outages"].as_i64() >= Some(outages) && run["state"] == "queued").then_some(run)
    });
    waiting.await.unwrap_or_else(|| panic!("the run did not meet {outages} outages"))
}

#[tokio::test]
async fn a_run_outlives_its_target_and_says_what_it_waits_for_and_since_when() {
    let app = TestApp::start().await;
    let (proxy, url) = proxied_target(&app).await;
    app.folder().write("people.csv", "id\n1\n2\n");
    proxy.go_away();
    let run = app.trigger(&through(&app, &url, "people", SOON)).await;
    // More attempts, over more time, than a run without a budget of time has.
    let waiting = after_outages(&app, &run, 5).await;
    assert_eq!((&waiting["attempt"], &waiting["error"]), (&json!(0), &Value::Null), "{waiting:#}");
    let wait = &waiting["waiting"];
    let what = wait["for"].as_str().expect("a text");
    assert!(what.starts_with("target 127.0.0.1:") && !what.contains('@'), "{what}");
    assert_eq!((&wait["code"], &waiting["waits_for"]), (&json!("target_unreachable"), &wait["for"]), "{waiting:#}");
    assert!(wait["since"].is_string() && wait["next_at"].is_string(), "{waiting:#}");

    proxy.let_through();
    let done = app.finished(&run["id"]).await;
    assert_eq!((&done["state"], &done["attempt"], &done["waiting"]), (&json!("succeeded"), &json!(1), &Value::Null));
    assert_eq!(app.count("people").await, 2);
    assert!(app.control("select 1 from target_outages").await.is_empty(), "the outage is over");
}

#[tokio::test]
async fn one_of_many_runs_tries_to_reach_their_target_and_all_load_when_it_is_back() {
    let app = TestApp::start_with(|options| options.workers = 2).await;
    let (proxy, url) = proxied_target(&app).await;
    app.folder().write("people.csv", "id\n1\n");
    proxy.go_away();
    for number in 0..12 {
        app.trigger(&through(&app, &url, &format!("t_{number}"), SOON)).await;
    }
    let tried =
        "select (select failures from target_outages) as failures, (select count(*) from run_attempts) as attempts";
    let counted = app.eventually(async || {
        let waiting = app.control("select 1 from runs where waits_on is not null").await.len();
        let counted = app.control(tried).await.remove(0);
        (waiting == 12 && counted["failures"].as_i64() >= Some(4)).then_some(counted)
    });
    let counted = counted.await.expect("all wait, and one tries again and again");
    let (failures, attempts) = (counted["failures"].as_i64().unwrap_or(0), counted["attempts"].as_i64().unwrap_or(0));
    // Four runs may have started before the outage was known: two workers with two slots each.
    assert!(attempts <= failures + 4, "{attempts} attempts for {failures} failures of the one that tries");

    proxy.let_through();
    app.finished_all().await;
    let states = app.control("select state, count(*) as n from runs group by state").await;
    assert_eq!(states, [json!({ "state": "succeeded", "n": 12 })]);
    let started = app.control("select max(n) as most from (select count(*) n from run_attempts where outcome <> 'retry' group by run_id) a").await;
    assert_eq!(started[0]["most"], 1, "each went on with one attempt");
}

#[tokio::test]
async fn a_run_gives_up_when_its_time_is_over_and_says_how_long_it_waited_for_what() {
    let app = TestApp::start().await;
    app.folder().write("people.csv", "id\n1\n");
    let closed = ClosedPort::new();
    let url = format!("postgres://ann:hunter2@{}/shop", closed.address);
    let run = app.trigger(&through(&app, &url, "people", "retry: {max_elapsed: 2s, initial_seconds: 1}\n")).await;
    let failed = app.finished(&run["id"]).await;
    assert_eq!((&failed["state"], &failed["error_code"]), (&json!("failed"), &json!("target_unreachable")));
    let error = failed["error"].as_str().expect("a sentence");
    assert!(error.starts_with("the run waited ") && error.contains(" s in vain for target 127.0.0.1:"), "{error}");
    assert!(failed["next_step"].as_str().is_some_and(|step| step.contains("max_elapsed")), "{failed:#}");
    assert!(!failed.to_string().contains("hunter2"));

    let at_once = app.trigger(&through(&app, &url, "people", "retry: {max_elapsed: 0}\n")).await;
    let failed = app.finished(&at_once["id"]).await;
    assert!(failed["error"].as_str().is_some_and(|error| error.contains("cannot be reached")), "{failed:#}");
}

#[tokio::test]
async fn a_run_waits_for_a_source_that_is_away_and_for_a_target_that_is_read_only() {
    let app = TestApp::start().await;
    let closed = ClosedPort::new();
    let source = format!(
        "name: away\nsources: [{{type: api, url: \"http://{}/rows?key=hunter2\"}}]\ntarget: {{table: away}}\n\
         monitor: {{enabled: false}}\n{SOON}",
        closed.address
    );
    let run = app.trigger(&source).await;
    let waiting = after_outages(&app, &run, 1).await;
    assert_eq!(waiting["waiting"]["for"], format!("source http://{}/rows", closed.address), "{waiting:#}");
    app.post(&format!("/runs/{}/stop", run["id"].as_str().expect("an id"))).await.ok();
    assert_eq!(app.finished(&run["id"]).await["state"], "stopped", "a run that waits can be stopped");

    app.folder().write("people.csv", "id\n1\n");
    let read_only = |on: bool| {
        let set = if on { "set default_transaction_read_only = on" } else { "reset default_transaction_read_only" };
        format!("do $$ begin execute format('alter database %I {set}', current_database()); end $$")
    };
    // The session that turns it off must write itself.
    let mut owner = app.target.acquire().await.expect("a connection");
    sqlx::raw_sql(sqlx::AssertSqlSafe(read_only(true))).execute(&mut *owner).await.expect("made read-only");
    let run = app.trigger(&app.yaml("people", SOON)).await;
    let waiting = after_outages(&app, &run, 2).await;
    assert_eq!(waiting["waiting"]["code"], "target_read_only", "{waiting:#}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(read_only(false))).execute(&mut *owner).await.expect("made writable");
    assert_eq!(app.finished(&run["id"]).await["state"], "succeeded");
    assert_eq!(app.count("people").await, 1);
}

#[tokio::test]
async fn a_login_whose_role_is_read_only_fails_at_once() {
    let app = TestApp::start().await;
    app.folder().write("people.csv", "id\n1\n");
    let set = "do $$ begin execute format(
                   'alter role %I in database %I set default_transaction_read_only = on', current_user, current_database());
               end $$";
    sqlx::raw_sql(set).execute(&app.target).await.expect("made read-only");
    let run = app.trigger(&app.yaml("people", SOON)).await;
    let failed = app.finished(&run["id"]).await;
    assert_eq!(failed["error_code"], "target_read_only", "{failed:#}");
    assert!(failed["next_step"].as_str().is_some_and(|step| step.contains("alter role")), "{failed:#}");
}

#[tokio::test]
async fn runs_of_one_table_are_not_started_in_vain() {
    let app = TestApp::start_with(|options| options.workers = 2).await;
    app.folder().write("people.csv", "id\n1\n");
    let yaml = app.yaml("people", "load: {dedupe: none}\n");
    for _ in 0..15 {
        app.trigger(&yaml).await;
    }
    app.finished_all().await;
    assert_eq!(app.count("people").await, 15);
    let attempts = app.control("select outcome, count(*) as n from run_attempts group by outcome order by 1").await;
    let vain =
        attempts.iter().find(|row| row["outcome"] == "target_busy").map_or(0, |row| row["n"].as_i64().unwrap_or(0));
    assert!(vain <= 3, "{attempts:?}");
}

#[tokio::test]
async fn a_worker_whose_data_folder_is_lost_takes_no_runs_and_says_so_until_it_is_back() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    app.folder().write("people.csv", "id\n1\n");
    let disk = Folder::new();
    let data = disk.path().join("data");
    let mut worker = app.worker_settings.clone();
    worker.data_dir = data.clone();
    tokio::spawn(elt_worker::run(app.worker_db.clone(), worker, app.stopping()));
    app.load(&app.yaml("people", "")).await;

    std::fs::rename(&data, disk.path().join("elsewhere")).expect("took the folder away");
    let because = app.eventually(async || takes_nothing(&app).await).await.expect("the worker says so");
    assert_eq!(because, format!("the data folder {} is gone", data.display()));
    let run = app.trigger(&app.yaml("people", "")).await;
    // A worker that took runs would have taken this one long before its next heartbeat.
    let heartbeat = async || app.control("select heartbeat_at from workers").await;
    let before = heartbeat().await;
    app.eventually(async || (heartbeat().await != before).then_some(())).await.expect("the worker lives");
    sweeper::sweep(&app.db, "elt").await.expect("swept");
    let ticket =
        app.control("select j.status from runs r join apalis.jobs j on j.id = r.ticket_id where r.state = 'queued'");
    assert_eq!(ticket.await, [json!({ "status": "Pending" })], "no worker takes the run");
    std::fs::rename(disk.path().join("elsewhere"), &data).expect("brought the folder back");
    let done = app.finished(&run["id"]).await;
    assert_eq!((&done["state"], &done["attempt"]), (&json!("succeeded"), &json!(1)), "{done:#}");
    assert_eq!(done["outages"], 0, "no attempt was made without the folder: {done:#}");
    assert_eq!(takes_nothing(&app).await, None);
}

#[tokio::test]
async fn a_worker_with_a_full_disk_leaves_runs_to_others() {
    let disk = Folder::new();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"]).arg(disk.path()).output();
    if !mounted.is_ok_and(|mounted| mounted.status.success()) {
        eprintln!("skipped: only root can make a small disk");
        return;
    }
    let unmount = Unmount(disk.path().to_owned());
    let app = TestApp::start_with(|options| options.workers = 0).await;
    app.folder().write("people.csv", "id\n1\n");
    std::fs::write(disk.path().join("ballast"), vec![0; 3 << 20]).expect("filled the disk");
    let mut full = app.worker_settings.clone();
    (full.data_dir, full.min_free_mib) = (disk.path().to_owned(), 2);
    tokio::spawn(elt_worker::run(app.worker_db.clone(), full, app.stopping()));
    let because = app.eventually(async || takes_nothing(&app).await).await.expect("the worker says so");
    assert!(because.contains("less than 2.0 MiB (ELT_MIN_FREE_MIB)"), "{because}");
    let runs = [app.trigger(&app.yaml("a", "")).await, app.trigger(&app.yaml("b", "")).await];
    let stop = app.start_worker();
    for run in &runs {
        assert_eq!(app.finished(&run["id"]).await["state"], "succeeded", "the other worker took it");
    }
    stop.cancel();
    std::fs::remove_file(disk.path().join("ballast")).expect("made room");
    app.load(&app.yaml("people", "")).await;
    drop(unmount);
}

/// Takes a small disk away again.
struct Unmount(std::path::PathBuf);

impl Drop for Unmount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

/// The reason why a worker of the app takes no runs.
async fn takes_nothing(app: &TestApp) -> Option<String> {
    let workers = app.get("/workers").await.ok();
    let workers = workers["data"].as_array().expect("workers");
    workers.iter().find_map(|worker| worker["takes_nothing_because"].as_str().map(str::to_owned))
}
