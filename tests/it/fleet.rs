//! Operating several workers: draining one of them while runs go on.

use std::time::{Duration, Instant};

use elt_shared::job::QUEUE;
use elt_shared::runs::lifecycle::{self, Taken};
use elt_shared::store::api_processes::session_name;
use elt_shared::store::{queues, workers};
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use tokio_util::sync::CancellationToken;

use crate::support::TestApp;
use crate::support::app::PATIENCE;
use crate::support::control::Control;
use crate::support::http_source::HttpSource;

/// Number of workers of the app that take runs.
async fn working(app: &TestApp) -> usize {
    let workers = app.get("/workers").await.ok();
    workers["data"].as_array().expect("workers").iter().filter(|worker| worker["state"] == "working").count()
}

/// A worker, once it is in this state.
async fn worker_in_state(app: &TestApp, id: &str, state: &str) -> Value {
    let found = app.eventually(async || {
        let workers = app.get("/workers?gone=true").await.ok();
        let worker = workers["data"].as_array()?.iter().find(|worker| worker["id"] == id)?.clone();
        (worker["state"] == state).then_some(worker)
    });
    found.await.unwrap_or_else(|| panic!("{id} is not {state}"))
}

/// A config whose only source answers once the test opens its gate.
fn gated_yaml(source: &HttpSource, name: &str, more: &str) -> String {
    format!(
        "name: {name}\nsources: [{{type: api, url: \"{}\"}}]\ntarget: {{table: {name}}}\nmonitor: {{enabled: false}}\n{more}",
        source.url("/gated")
    )
}

/// A config that loads the folder into a table of its own.
fn quick_yaml(app: &TestApp, name: &str, more: &str) -> String {
    format!("name: {name}\n{}", app.yaml(name, more))
}

/// Triggers a config, and returns the id of its run.
async fn trigger(app: &TestApp, yaml: &str) -> String {
    app.trigger(yaml).await["id"].as_str().expect("an id").to_owned()
}

/// The workers that began attempts of runs which were asked for after `run`.
async fn workers_after(app: &TestApp, run: &str) -> Vec<String> {
    let rows = app.control(&format!("select distinct worker_id from run_attempts where run_id > '{run}'")).await;
    rows.iter().map(|row| row["worker_id"].as_str().expect("an id").to_owned()).collect()
}

#[tokio::test]
async fn a_drained_worker_finishes_its_runs_takes_no_others_and_none_is_lost() {
    let app = TestApp::start().await;
    let source = HttpSource::start().await;
    let slow = trigger(&app, &gated_yaml(&source, "slow", "")).await;
    source.asked().await;
    let busy = app.get(&format!("/runs/{slow}")).await.ok()["worker_id"].as_str().expect("a worker").to_owned();
    app.start_worker();
    app.eventually(async || (working(&app).await == 2).then_some(())).await.expect("two workers");

    // Drained while runs arrive all the time.
    app.folder().write("a.csv", "id\n1\n");
    for n in 0..4 {
        trigger(&app, &quick_yaml(&app, &format!("before_{n}"), "")).await;
    }
    let drained = app.post(&format!("/workers/{busy}/drain")).await.ok();
    assert_eq!((&drained["state"], &drained["drain_asked_by"]), (&json!("draining"), &json!("admin")), "{drained:#}");
    let last_before = app.control("select max(id::text) as id from runs").await[0]["id"].clone();
    for n in 0..12 {
        trigger(&app, &quick_yaml(&app, &format!("after_{n}"), "")).await;
    }
    let others = app.eventually(async || {
        let left = app.control("select 1 from runs where finished_at is null").await;
        (left.len() == 1).then_some(())
    });
    others.await.expect("the other worker executes everything else");
    let after = workers_after(&app, last_before.as_str().expect("an id")).await;
    assert!(!after.contains(&busy) && after.len() == 1, "{after:?} without {busy}");
    worker_in_state(&app, &busy, "draining").await;

    // The first request to drain counts.
    let again = app.post(&format!("/workers/{busy}/drain")).await.ok();
    assert_eq!(again["drain_asked_at"], drained["drain_asked_at"]);
    source.open_gate();
    app.finished_all().await;
    worker_in_state(&app, &busy, "drained").await;
    let ended = app.control("select count(*) as n from runs where state <> 'succeeded'").await;
    assert_eq!(ended[0]["n"], 0, "nothing was lost");
    let attempts = app.control("select count(*) as n from run_attempts").await;
    assert_eq!(attempts[0]["n"], 17, "each run had one attempt");
    let audit = app.get("/audit").await.ok();
    let object = format!("worker {busy}");
    assert!(audit["data"].as_array().expect("rows").iter().any(|row| row["object"] == object.as_str()), "{audit:#}");
}

#[tokio::test]
async fn runs_wait_while_every_worker_is_drained_and_start_when_one_is_undrained() {
    let app = TestApp::start_with(|options| options.workers = 2).await;
    app.eventually(async || (working(&app).await == 2).then_some(())).await.expect("two workers");
    let ids: Vec<String> = app
        .control("select id from workers")
        .await
        .iter()
        .map(|row| row["id"].as_str().expect("an id").into())
        .collect();
    for id in &ids {
        app.post(&format!("/workers/{id}/drain")).await.ok();
        worker_in_state(&app, id, "drained").await;
    }
    app.folder().write("a.csv", "id\n1\n");
    let mut runs = Vec::new();
    for n in 0..6 {
        runs.push(trigger(&app, &quick_yaml(&app, &format!("t{n}"), "")).await);
    }
    // Each handler passes on one ticket and then waits, so the queue comes to rest with all runs in it.
    let at_rest = app.eventually(async || {
        let held = app.control("select 1 from apalis.jobs where status in ('Queued', 'Running')").await;
        (held.len() == 2 * 2).then_some(())
    });
    at_rest.await.expect("every slot of both workers waits");
    assert_eq!(app.control("select 1 from run_attempts").await.len(), 0, "a drained worker takes nothing");
    let tickets = app.control("select count(*) as n from apalis.jobs").await[0]["n"].as_i64().expect("a number");
    assert!(tickets <= 6 + 2 * 2, "{tickets} tickets: a drained worker passes on no more than it has slots");

    let undrained = app.post(&format!("/workers/{}/undrain", ids[0])).await.ok();
    assert_eq!((&undrained["state"], &undrained["drain_asked_at"]), (&json!("working"), &Value::Null));
    for run in &runs {
        assert_eq!(app.finished(&json!(run)).await["state"], "succeeded");
    }
    let took = app.control("select distinct worker_id from run_attempts").await;
    assert_eq!(took, [json!({ "worker_id": ids[0] })]);
}

#[tokio::test]
async fn a_drained_worker_stops_on_a_signal_and_a_new_one_is_not_drained() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    let stop = CancellationToken::new();
    let process = tokio::spawn(elt_worker::run(app.db.clone(), app.worker_settings.clone(), stop.clone()));
    app.eventually(async || (working(&app).await == 1).then_some(())).await.expect("a worker");
    let id = app.get("/workers").await.ok()["data"][0]["id"].as_str().expect("an id").to_owned();
    app.post(&format!("/workers/{id}/drain")).await.ok();
    // One of its handlers waits with a ticket that was passed on.
    let run = trigger(&app, &quick_yaml(&app, "people", "")).await;
    app.folder().write("a.csv", "id\n1\n");
    stop.cancel();
    let stopped = tokio::time::timeout(PATIENCE, process).await.expect("it stops");
    stopped.expect("no panic").expect("in good order");
    let gone = worker_in_state(&app, &id, "stopped").await;
    assert_eq!(gone["running"], 0);
    assert_eq!(app.post(&format!("/workers/{id}/drain")).await.ok()["state"], "stopped");
    assert_eq!(app.post(&format!("/workers/{id}/undrain")).await.problem(409)["code"], "worker_gone");
    assert_eq!(app.post("/workers/w-unknown/drain").await.problem(404)["code"], "not_found");

    app.start_worker();
    assert_eq!(app.finished(&json!(run)).await["state"], "succeeded");
}

#[tokio::test]
async fn a_worker_without_a_row_is_not_drained() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    let new = workers::NewWorker { id: "w-1", host: "h", version: "0", queue: QUEUE, concurrency: 1 };
    workers::register(&app.db, &new).await.expect("registered");
    let mut tx = app.db.begin().await.expect("a transaction");
    assert!(workers::set_drained(&mut tx, "w-2", Some("ann")).await.expect("asked").is_none());
    assert!(workers::set_drained(&mut tx, "w-1", Some("ann")).await.expect("asked").is_some());
    tx.commit().await.expect("committed");
    app.folder().write("a.csv", "id\n1\n");
    let run: uuid::Uuid = trigger(&app, &quick_yaml(&app, "people", "")).await.parse().expect("an id");
    let take = async |worker| lifecycle::take(&app.db, run, worker, None, None).await.expect("asked");
    assert!(matches!(take("w-1").await, Taken::PassedOn));
    assert!(matches!(take("w-2").await, Taken::Begun { .. }));
    assert!(matches!(take("w-2").await, Taken::NotNeeded));
}

/// A control database with one worker, `w-1`, that no process stands behind.
async fn with_a_worker() -> Control {
    let control = Control::start().await;
    let new = workers::NewWorker { id: "w-1", host: "h", version: "0", queue: QUEUE, concurrency: 1 };
    workers::register(&control.db, &new).await.expect("registered");
    control
}

/// Drains `w-1`, as the API does.
async fn drain(control: &Control) -> workers::Worker {
    let mut tx = control.db.begin().await.expect("a transaction");
    let answer = workers::set_drained(&mut tx, "w-1", Some("ann")).await.expect("asked");
    tx.commit().await.expect("committed");
    match answer {
        Some(workers::DrainAnswer::Noted(worker)) => worker,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_lost_worker_that_was_drained_takes_nothing_when_it_comes_back() {
    let control = with_a_worker().await;
    control.execute("update workers set heartbeat_at = now() - interval '1 hour'").await;
    let worker = drain(&control).await;
    assert_eq!((worker.state.as_str(), worker.drain_asked_by.as_deref()), ("lost", Some("ann")));
    control.execute("update workers set heartbeat_at = now()").await;
    let back = workers::find(&control.db, "w-1").await.expect("looked").expect("it");
    assert_eq!(back.state, "drained");
    let run = control.run("people").await;
    let taken = lifecycle::take(&control.db, run.id, "w-1", None, None).await.expect("asked");
    assert!(matches!(taken, Taken::PassedOn), "{taken:?}");
}

#[tokio::test]
async fn a_worker_that_waits_to_count_runs_sends_its_heartbeat_and_is_drained_only_after_it_began() {
    let control = with_a_worker().await;
    queues::set_limit(&control.db, QUEUE, Some(1), "ann").await.expect("limited");
    let run = control.run("people").await;
    // Somebody counts the runs of the queue.
    let mut counting = control.db.begin().await.expect("a transaction");
    sqlx::query("select pg_advisory_xact_lock(hashtextextended('elt.queue ' || $1, 0))")
        .bind(QUEUE)
        .execute(&mut *counting)
        .await
        .expect("locked");
    let heartbeat_then_drain = async {
        control.somebody_waits().await;
        let mut beat = control.db.begin().await.expect("a transaction");
        sqlx::query("set local lock_timeout = '2s'").execute(&mut *beat).await.expect("set");
        let written = sqlx::query("update workers set heartbeat_at = now() where id = 'w-1'").execute(&mut *beat).await;
        assert_eq!(written.expect("it does not wait").rows_affected(), 1);
        beat.commit().await.expect("committed");
        let count = async {
            let waiting = "select count(*) from pg_stat_activity
                           where datname = current_database() and wait_event_type = 'Lock'";
            let deadline = Instant::now() + PATIENCE;
            while sqlx::query_scalar::<_, i64>(waiting).fetch_one(&control.db).await.expect("looked") < 2 {
                assert!(Instant::now() < deadline, "the request to drain does not wait");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            counting.commit().await.expect("committed");
        };
        tokio::join!(drain(&control), count).0
    };
    let (taken, drained) = tokio::join!(lifecycle::take(&control.db, run.id, "w-1", None, None), heartbeat_then_drain);
    assert!(matches!(taken, Ok(Taken::Begun { .. })), "{taken:?}");
    assert_eq!((drained.state.as_str(), drained.running), ("draining", 1));
}

#[tokio::test]
async fn the_first_page_says_that_no_worker_takes_runs_and_advises_more_only_when_they_would_help() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    trigger(&app, &quick_yaml(&app, "people", "")).await;
    app.execute("update runs set created_at = now() - interval '1 hour'").await;
    let new = workers::NewWorker { id: "w-1", host: "h", version: "0", queue: QUEUE, concurrency: 3 };
    workers::register(&app.db, &new).await.expect("registered");
    // What the first page and the page of queues say, with a heartbeat that is fresh again.
    let look = async || {
        app.execute("update workers set heartbeat_at = now()").await;
        let overview = app.get("/overview").await.ok();
        let queue = app.get("/queues").await.ok()["data"][0].clone();
        assert_eq!(overview["slots"], queue["slots"]);
        assert_eq!((&overview["workers_alive"], &overview["queued"]), (&json!(1), &json!(1)));
        (overview["slots"].clone(), overview["alerts"].clone())
    };
    let nobody = json!(["No worker takes runs now: the page Workers says why."]);
    let (slots, alerts) = look().await;
    assert_eq!(slots, 3);
    assert_eq!(alerts.as_array().map(Vec::len), Some(1), "{alerts}");
    assert!(alerts[0].as_str().is_some_and(|alert| alert.ends_with(" minutes: more workers would help.")), "{alerts}");
    app.post("/workers/w-1/drain").await.ok();
    assert_eq!(look().await, (json!(0), nobody.clone()));
    app.post("/workers/w-1/undrain").await.ok();
    workers::note_takes_nothing(&app.db, "w-1", Some("the disk is full")).await.expect("noted");
    assert_eq!(look().await, (json!(0), nobody));
}

#[tokio::test]
async fn an_api_of_another_version_is_named_for_as_long_as_it_is_connected() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    let warnings = async || app.get("/workers").await.ok()["warnings"].clone();
    assert_eq!(warnings().await, json!([]));
    let named = |version| app.db.connect_options().as_ref().clone().application_name(&session_name(version, "beta"));
    let same = PgConnection::connect_with(&named(env!("CARGO_PKG_VERSION"))).await.expect("connected");
    let other = PgConnection::connect_with(&named("9.9.9")).await.expect("connected");
    let warning = warnings().await;
    assert_eq!(warning.as_array().map(Vec::len), Some(1), "{warning}");
    assert!(warning[0].as_str().is_some_and(|text| text.contains(": 9.9.9 (beta). ")), "{warning}");
    other.close().await.expect("closed");
    assert!(app.eventually(async || (warnings().await == json!([])).then_some(())).await.is_some());
    same.close().await.expect("closed");
}
