//! What a worker does with runs: executing them beside each other, stopping, draining, waiting for a target.

use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::support::TestApp;
use crate::support::app::PATIENCE;
use crate::support::http_source::HttpSource;

/// A config whose only source answers once the test opens its gate.
fn gated_yaml(source: &HttpSource, table: &str) -> String {
    format!(
        "name: {table}\nsources:\n  - {{type: api, url: \"{}\"}}\ntarget: {{table: {table}}}\nmonitor: {{enabled: false}}\n",
        source.url("/gated")
    )
}

/// A worker that the test stops, apart from those of the app.
fn start_worker(app: &TestApp) -> (CancellationToken, Working) {
    let stop = CancellationToken::new();
    let working = elt_worker::run(app.db.clone(), app.worker_settings.clone(), stop.clone());
    (stop, tokio::spawn(working))
}

type Working = JoinHandle<Result<(), elt_worker::WorkerError>>;

/// Waits until a worker has stopped in good order.
async fn stopped(working: Working) {
    let stopped = tokio::time::timeout(PATIENCE, working).await.expect("the worker stops");
    stopped.expect("no panic").expect("it stopped in good order");
}

/// Waits until the worker of a test has noticed that it is to stop.
async fn is_stopping(app: &TestApp) {
    let noticed = app.eventually(async || {
        let stopping = app.control("select 1 from workers where stopping").await;
        (!stopping.is_empty()).then_some(())
    });
    noticed.await.expect("the worker notices that it is to stop");
}

/// A run, once it is in this state.
async fn in_state(app: &TestApp, run: &Value, state: &str) -> Value {
    let path = format!("/runs/{}", run["id"].as_str().expect("an id"));
    let found = app.eventually(async || {
        let run = app.get(&path).await.ok();
        (run["state"] == state).then_some(run)
    });
    found.await.unwrap_or_else(|| panic!("the run is not {state}"))
}

async fn stop(app: &TestApp, run: &Value) -> Value {
    app.post(&format!("/runs/{}/stop", run["id"].as_str().expect("an id"))).await.json
}

#[tokio::test]
async fn a_run_goes_from_trigger_to_table_and_says_how() {
    let app = TestApp::start().await;
    app.folder().write("people.csv", "id,name\n1,Ann\n2,Bob\n");
    let run = app.load(&app.yaml("people", "")).await;
    assert_eq!(app.count("people").await, 2);
    assert_eq!((&run["attempt"], &run["rows_inserted"]), (&json!(1), &json!(2)));
    assert!(run["started_at"].is_string() && run["finished_at"].is_string() && run["error"].is_null(), "{run:#}");
}

#[tokio::test]
async fn a_run_that_is_at_work_stops_on_request_with_nothing_loaded() {
    let app = TestApp::start().await;
    let source = HttpSource::start().await;
    let run = app.trigger(&gated_yaml(&source, "slow")).await;
    source.asked().await;
    stop(&app, &run).await;
    let stopped = app.finished(&run["id"]).await;
    assert_eq!((&stopped["state"], &stopped["stage"]), (&json!("stopped"), &json!("extract")), "{stopped:#}");
}

#[tokio::test]
async fn a_failure_has_a_code_a_sentence_and_a_next_step_and_is_not_repeated() {
    let app = TestApp::start().await;
    let yaml = "name: gone\nsources: [{type: local, path: no/such/folder}]\ntarget: {table: gone}\nmonitor: {enabled: false}\n";
    let run = app.trigger(yaml).await;
    let failed = app.finished(&run["id"]).await;
    assert_eq!((&failed["state"], &failed["attempt"]), (&json!("failed"), &json!(1)), "{failed:#}");
    assert_eq!((&failed["error_code"], &failed["stage"]), (&json!("source_missing"), &json!("extract")));
    assert!(failed["error"].as_str().is_some_and(|error| error.contains("no/such/folder")));
    assert!(failed["next_step"].is_string());
}

#[tokio::test]
async fn two_runs_into_one_table_take_turns() {
    let app = TestApp::start_with(|options| options.workers = 2).await;
    let source = HttpSource::start().await;
    let first = app.trigger(&gated_yaml(&source, "shared")).await;
    in_state(&app, &first, "running").await;
    app.folder().write("more.csv", "id,name\n7,Cyd\n");
    let second = app.trigger(&format!("name: other\n{}", app.yaml("shared", ""))).await;
    let waiting = app.eventually(async || {
        let run = app.get(&format!("/runs/{}", second["id"].as_str().expect("an id"))).await.ok();
        run["waits_for"].is_string().then_some(run)
    });
    let waiting = waiting.await.expect("the second run waits");
    assert_eq!(waiting["state"], "queued");
    assert!(waiting["waits_for"].as_str().is_some_and(|text| text.contains(first["id"].as_str().expect("an id"))));
    source.open_gate();
    for run in [&first, &second] {
        let run = app.finished(&run["id"]).await;
        assert_eq!((&run["state"], &run["attempt"]), (&json!("succeeded"), &json!(1)), "{run:#}");
    }
    let overlap = app
        .control("select count(*) as n from runs a join runs b on a.id < b.id and a.finished_at > b.started_at and b.rows_inserted > 0 and a.finished_at > (select max(started_at) from run_attempts where run_id = b.id)")
        .await;
    assert_eq!(overlap[0]["n"], 0);
    assert_eq!(app.count("shared").await, 3);
}

/// Makes a run what it is when its worker is killed in its last attempt, before it can write how that ended.
async fn lose_the_last_attempt(app: &TestApp, run: &Value, more: &str) {
    let id = run["id"].as_str().expect("an id");
    app.execute(&format!(
        "update runs set state = 'running', attempt = max_attempts, epoch = greatest(epoch, 1), worker_id = 'lost',
                report = null, {more}
                rows_inserted = null, finished_at = null, lease_expires_at = now() - interval '1 second'
         where id = '{id}'"
    ))
    .await;
}

#[tokio::test]
async fn a_run_that_lost_its_last_attempt_after_the_commit_has_succeeded_and_one_before_it_has_failed() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    app.folder().write("people.csv", "id,name\n1,Ann\n2,Bob\n");
    let before = app.trigger(&app.yaml("before", "")).await;
    lose_the_last_attempt(&app, &before, "").await;
    app.start_worker();
    let before = app.finished(&before["id"]).await;
    assert_eq!((&before["state"], &before["error_code"]), (&json!("failed"), &json!("worker_lost")), "{before:#}");

    for more in ["", "stop_requested_at = now(), "] {
        let run = app.load(&app.yaml("after", "")).await;
        lose_the_last_attempt(&app, &run, more).await;
        let after = app.finished(&run["id"]).await;
        assert_eq!((&after["state"], &after["error"]), (&json!("succeeded"), &Value::Null), "{after:#}");
        assert_eq!(after["rows_inserted"], run["rows_inserted"]);
    }
    assert_eq!(app.count("after").await, 2);
}

#[tokio::test]
async fn a_run_whose_target_cannot_be_asked_waits_for_it_and_says_so() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    let yaml = "name: away\nsources: [{type: local, path: .}]\nmonitor: {enabled: false}\n\
                target: {host: 127.0.0.1, port: 1, database: d, user: u, password: p, table: away}\n";
    let run = app.trigger(yaml).await;
    // Nothing in the control database says that the attempt ended before its COMMIT.
    lose_the_last_attempt(&app, &run, "").await;
    app.start_worker();
    let asked = app.eventually(async || {
        let asks = app.control("select 1 from runs where asks >= 2").await;
        (!asks.is_empty()).then_some(())
    });
    asked.await.expect("its target is asked again and again");
    let run = app.get(&format!("/runs/{}", run["id"].as_str().expect("an id"))).await.ok();
    assert!(run["finished_at"].is_null() && run["error"].is_null(), "{run:#}");
    assert!(run["waits_for"].as_str().is_some_and(|says| says.ends_with("whether it loaded is unknown")), "{run:#}");
}

#[tokio::test]
async fn an_idle_worker_stops_without_waiting_for_its_grace_period() {
    let app = TestApp::start_with(|options| {
        options.workers = 0;
        options.worker.grace_period = 3_600;
    });
    let app = app.await;
    let (stop, working) = start_worker(&app);
    app.folder().write("people.csv", "id\n1\n");
    app.load(&app.yaml("people", "")).await;
    stop.cancel();
    stopped(working).await;
    let worker = app.control("select stopped_at is not null as stopped from workers").await;
    assert_eq!(worker, [json!({ "stopped": true })]);
}

#[tokio::test]
async fn a_stopping_worker_takes_nothing_new_and_finishes_what_it_has() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    let source = HttpSource::start().await;
    let (stop, working) = start_worker(&app);
    let at_work = app.trigger(&gated_yaml(&source, "at_work")).await;
    in_state(&app, &at_work, "running").await;
    stop.cancel();
    is_stopping(&app).await;
    let late = app.trigger(&gated_yaml(&source, "late")).await;
    source.open_gate();
    stopped(working).await;
    let run = app.finished(&at_work["id"]).await;
    assert_eq!((&run["state"], &run["attempt"]), (&json!("succeeded"), &json!(1)), "{run:#}");
    assert_eq!(in_state(&app, &late, "queued").await["attempt"], 0);

    app.start_worker();
    assert_eq!(app.finished(&late["id"]).await["state"], "succeeded");
}

#[tokio::test]
async fn a_run_longer_than_the_grace_period_is_handed_on_without_costing_an_attempt() {
    let app = TestApp::start_with(|options| {
        options.workers = 0;
        options.worker.grace_period = 1;
    });
    let app = app.await;
    let source = HttpSource::start().await;
    let (stop, working) = start_worker(&app);
    let run = app.trigger(&gated_yaml(&source, "long")).await;
    in_state(&app, &run, "running").await;
    stop.cancel();
    // Its source does not answer before the worker has stopped.
    stopped(working).await;
    let handed_back = in_state(&app, &run, "queued").await;
    assert_eq!(handed_back["attempt"], 0, "{handed_back:#}");
    let leased = app.control("select 1 from runs where lease_expires_at is not null").await;
    assert!(leased.is_empty(), "no lease has to end before another worker takes it");

    source.open_gate();
    app.start_worker();
    let done = app.finished(&run["id"]).await;
    assert_eq!((&done["state"], &done["attempt"]), (&json!("succeeded"), &json!(1)), "{done:#}");
}

#[tokio::test]
async fn a_second_signal_hands_everything_back_at_once() {
    let app = TestApp::start_with(|options| {
        options.workers = 0;
        options.worker.grace_period = 3_600;
    });
    let app = app.await;
    let source = HttpSource::start().await;
    let (stop, working) = start_worker(&app);
    let run = app.trigger(&gated_yaml(&source, "long")).await;
    in_state(&app, &run, "running").await;
    stop.cancel();
    is_stopping(&app).await;
    app.worker_settings.force.cancel();
    stopped(working).await;
    assert_eq!(in_state(&app, &run, "queued").await["attempt"], 0);
}

#[tokio::test]
async fn a_target_that_is_away_is_tried_again_and_then_given_up() {
    let app = TestApp::start().await;
    app.folder().write("people.csv", "id\n1\n");
    let folder = app.folder().path().display();
    // Nobody listens on the discard port.
    let yaml = format!(
        "name: away\nsources: [{{type: local, path: {folder}}}]\n\
         target: {{host: 127.0.0.1, port: 9, user: u, password: p, database: d, table: people}}\n\
         monitor: {{enabled: false}}\nretry: {{max_attempts: 2, initial_seconds: 600}}\n"
    );
    let run = app.trigger(&yaml).await;
    let waiting = app.eventually(async || {
        let run = app.get(&format!("/runs/{}", run["id"].as_str().expect("an id"))).await.ok();
        (run["attempt"] == 1 && run["state"] == "queued").then_some(run)
    });
    let waiting = waiting.await.expect("it waits for its second attempt");
    assert!(waiting["waits_for"].as_str().is_some_and(|text| text.starts_with("attempt 2 of 2")), "{waiting:#}");
    app.let_an_hour_pass().await;
    let failed = app.finished(&run["id"]).await;
    assert_eq!((&failed["state"], &failed["attempt"]), (&json!("failed"), &json!(2)), "{failed:#}");
}
