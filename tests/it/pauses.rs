//! Pausing pipelines, queues and everything: what waits, what goes on, and what happens at the resume.

use std::collections::BTreeMap;

use chrono::{Timelike, Utc};
use elt_shared::pauses;
use elt_shared::store::pauses::PauseScope;
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::control::Control;
use crate::support::http_source::HttpSource;

/// A config that loads the folder into a table of its own.
fn yaml(app: &TestApp, name: &str, more: &str) -> String {
    format!("name: {name}\n{}", app.yaml(name, more))
}

/// Triggers a config, and returns the id of its run.
async fn trigger(app: &TestApp, yaml: &str) -> String {
    app.trigger(yaml).await["id"].as_str().expect("an id").to_owned()
}

/// A run, once a pause holds it.
async fn held(app: &TestApp, id: &str) -> Value {
    let held = app.eventually(async || {
        let run = app.get(&format!("/runs/{id}")).await.ok();
        (run["held"] == "paused").then_some(run)
    });
    held.await.unwrap_or_else(|| panic!("{id} is not held"))
}

async fn pipeline(app: &TestApp, name: &str) -> Value {
    let page = app.get(&format!("/pipelines?search={name}")).await.ok();
    page["data"].as_array().expect("pipelines").iter().find(|entry| entry["name"] == name).expect("it").clone()
}

#[tokio::test]
async fn a_paused_pipeline_starts_nothing_until_it_is_resumed_and_others_go_on() {
    let app = TestApp::start_with(|options| options.workers = 2).await;
    let source = HttpSource::start().await;
    app.folder().write("a.csv", "id\n1\n");
    // One run is at work when the pipeline is paused.
    let gated = format!(
        "name: orders\nsources: [{{type: api, url: \"{}\"}}]\ntarget: {{table: gated}}\nmonitor: {{enabled: false}}\n",
        source.url("/gated")
    );
    let at_work = trigger(&app, &gated).await;
    source.asked().await;
    let reason = json!({ "reason": "the table is being rebuilt" });
    let pause = app.post("/pipelines/orders/pause").json(reason.clone()).await.ok();
    assert_eq!((&pause["scope"], &pause["paused_by"]), (&json!("pipeline"), &json!("admin")), "{pause:#}");
    let again = app.post("/pipelines/orders/pause").await.ok();
    assert_eq!(again, pause, "the first request counts");
    assert_eq!(app.post("/pipelines/oders/pause").await.problem(404)["code"], "not_found");

    let waiting = trigger(&app, &yaml(&app, "orders", "")).await;
    let run = held(&app, &waiting).await;
    let waits_for = run["waits_for"].as_str().expect("a sentence");
    assert!(waits_for.contains("the pipeline orders, which admin paused at"), "{waits_for}");
    assert!(waits_for.contains("(the table is being rebuilt)"), "{waits_for}");
    let other = trigger(&app, &yaml(&app, "people", "")).await;
    assert_eq!(app.finished(&json!(other)).await["state"], "succeeded", "other pipelines go on");
    // A plan loads nothing, and helps to find out whether the pipeline can go on.
    let plan = app.post("/configs/plan").yaml(&yaml(&app, "orders", "")).await.ok();
    assert_eq!(app.finished(&plan["id"]).await["state"], "succeeded");
    source.open_gate();
    assert_eq!(app.finished(&json!(at_work)).await["state"], "succeeded", "what is at work goes on");

    assert_eq!(pipeline(&app, "orders").await["pause"], pause);
    assert_eq!(pipeline(&app, "people").await["pause"], Value::Null);
    let overview = app.get("/overview").await.ok();
    assert_eq!(overview["pauses"], json!([pause]));
    assert_eq!(overview["pauses"][0]["name"], "orders");
    assert_eq!(overview["alerts"], json!([]), "a pause is on purpose");

    // The pause is a row: it survives a restart of every worker, and sweeps.
    app.execute("update workers set stopped_at = now()").await;
    app.start_worker();
    app.execute("update apalis.jobs set status = 'Done', done_at = now() where status = 'Pending'").await;
    let mut looks = 0;
    app.eventually(async || {
        looks += 1;
        elt_shared::queue::sweeper::sweep(&app.db, "elt").await.expect("swept");
        (looks > 3).then_some(())
    })
    .await;
    assert_eq!(held(&app, &waiting).await["state"], "queued");

    let ended = app.post("/pipelines/orders/resume").await.ok();
    assert_eq!(ended["ended"], pause);
    assert_eq!(app.finished(&json!(waiting)).await["state"], "succeeded");
    assert_eq!(app.post("/pipelines/orders/resume").await.ok()["ended"], Value::Null);
    let audit = app.get("/audit").await.ok();
    let rows: Vec<&Value> =
        audit["data"].as_array().expect("rows").iter().filter(|row| row["object"] == "pipeline orders").collect();
    assert_eq!(rows.len(), 4, "{rows:#?}");
    assert!(rows.iter().any(|row| row["detail"]["reason"] == reason["reason"]));
}

#[tokio::test]
async fn a_paused_queue_gives_no_worker_anything_and_loses_nothing() {
    let app = TestApp::start_with(|options| options.workers = 2).await;
    app.folder().write("a.csv", "id\n1\n");
    let mut runs = Vec::new();
    for n in 0..10 {
        runs.push(trigger(&app, &yaml(&app, &format!("t{n}"), "")).await);
    }
    let pause = app.post("/queues/elt/pause").await.ok();
    for n in 10..20 {
        runs.push(trigger(&app, &yaml(&app, &format!("t{n}"), "")).await);
    }
    assert_eq!(app.post("/queues/etl/pause").await.problem(404)["code"], "not_found");
    // A worker that has not heard of the pause yet asks before it begins a run. Only a transaction that is older than the
    // pause may still begin one.
    let now = app.control("select now() as now").await[0]["now"].as_str().expect("an instant").to_owned();
    let older = format!("select 1 from pg_stat_activity where datname = current_database() and xact_start < '{now}'");
    let ended = app.eventually(async || app.control(&older).await.is_empty().then_some(()));
    ended.await.expect("the transactions that are older than the pause end");
    // What had begun ends; then nothing is at work.
    let at_rest = app.eventually(async || {
        let queues = app.get("/queues").await.ok();
        let queue = &queues["data"][0];
        (queue["running"] == 0 && queue["pause"] == pause).then(|| queue.clone())
    });
    let queue = at_rest.await.expect("the queue comes to rest");
    assert_eq!(queue["name"], "elt");
    assert!(queue["queued"].as_i64().is_some_and(|queued| queued >= 10), "{queue:#}");
    let attempts = async || app.control("select run_id, epoch from run_attempts order by run_id, epoch").await;
    let begun = attempts().await;
    // A restart changes nothing: a new worker takes nothing either.
    app.start_worker();
    let three = app.eventually(async || {
        let workers = app.control("select 1 from workers where heartbeat_at > started_at").await;
        (workers.len() == 3).then_some(())
    });
    three.await.expect("the new worker has sent a heartbeat");
    assert_eq!(attempts().await, begun, "nothing begins during the pause");
    assert_eq!(app.get("/queues").await.ok()["data"][0]["running"], 0);

    assert_eq!(app.post("/queues/elt/resume").await.ok()["ended"], pause);
    for run in &runs {
        let run = app.finished(&json!(run)).await;
        assert_eq!((&run["state"], &run["attempt"]), (&json!("succeeded"), &json!(1)), "{run:#}");
    }
}

/// Makes the schedules of these pipelines as they are three hours after their last fire, with a cron expression whose last
/// fire was half an hour ago.
async fn let_fires_pass(app: &TestApp) {
    app.execute("update schedules set next_run_at = next_run_at - interval '3 hours', next_tick_at = now()").await;
}

#[tokio::test]
async fn what_a_schedule_missed_while_its_pipeline_was_paused_is_caught_up_as_it_says() {
    let app = TestApp::start().await;
    app.folder().write("a.csv", "id\n1\n");
    let minute = (Utc::now().minute() + 30) % 60;
    for (name, catch_up) in [("latest", "latest"), ("all", "all"), ("none", "none")] {
        let more =
            format!("schedule: {{cron: '{minute} * * * *', timezone: UTC, overlap: queue, catch_up: {catch_up}}}\n");
        let config = app.post("/upload-config").yaml(&yaml(&app, name, &more)).await.ok();
        app.post("/schedules").json(json!({ "config_id": config["id"] })).await.ok();
        app.post(&format!("/pipelines/{name}/pause")).await.ok();
    }
    let_fires_pass(&app).await;
    let ticked = app.eventually(async || {
        let rows = app.control("select 1 from schedules where last_tick_at > updated_at and ticks >= 2").await;
        if rows.len() < 3 {
            app.execute("update schedules set next_tick_at = now()").await;
        }
        (rows.len() == 3).then_some(())
    });
    ticked.await.expect("every schedule was looked at");
    assert!(app.control("select 1 from runs").await.is_empty(), "a paused pipeline makes no runs");

    for name in ["latest", "all", "none"] {
        app.post(&format!("/pipelines/{name}/resume")).await.ok();
    }
    let caught_up = app.eventually(async || {
        let due = app.control("select 1 from schedules where next_run_at <= now()").await;
        due.is_empty().then_some(())
    });
    caught_up.await.expect("every schedule has a next fire");
    app.finished_all().await;
    let runs: BTreeMap<String, i64> = app
        .control(
            "select s.name, count(r.id) as n from schedules s left join runs r on r.schedule_id = s.id group by s.name",
        )
        .await
        .iter()
        .map(|row| (row["name"].as_str().expect("a name").to_owned(), row["n"].as_i64().expect("a number")))
        .collect();
    assert_eq!(runs, BTreeMap::from([("all".into(), 3), ("latest".into(), 1), ("none".into(), 0)]));
}

#[tokio::test]
async fn a_change_during_a_pause_is_loaded_once_after_it() {
    let app = TestApp::start().await;
    app.folder().write("a.csv", "id\n1\n");
    let yaml =
        yaml(&app, "watched", "").replace("monitor: {enabled: false}", "monitor: {enabled: true, interval_seconds: 1}");
    let started = app.post("/trigger-job").yaml(&yaml).await.ok();
    app.finished(&started["run_id"]).await;
    app.post("/pause").json(json!({ "reason": "the warehouse is being upgraded" })).await.ok();
    app.folder().write("b.csv", "id\n2\n");
    app.folder().write("c.csv", "id\n3\n");
    let ticks = async || app.control("select ticks from schedules").await[0]["ticks"].as_i64().expect("a number");
    let before = ticks().await;
    app.eventually(async || (ticks().await >= before + 3).then_some(())).await.expect("it goes on ticking");
    assert_eq!(app.count("watched").await, 1);
    assert_eq!(app.control("select 1 from runs").await.len(), 1, "no run is made");

    app.post("/resume").await.ok();
    let loaded = app.eventually(async || (app.count("watched").await == 3).then_some(())).await;
    loaded.expect("the change is loaded");
    app.finished_all().await;
    assert_eq!(app.control("select 1 from runs where trigger = 'file_change'").await.len(), 1);
}

#[tokio::test]
async fn pauses_overlap_and_each_ends_alone() {
    let app = TestApp::start().await;
    app.folder().write("a.csv", "id\n1\n");
    app.post("/upload-config").yaml(&yaml(&app, "orders", "")).await.ok();
    for path in ["/pause", "/queues/elt/pause", "/pipelines/orders/pause"] {
        app.post(path).await.ok();
    }
    // Each shows its own pause, so that somebody who wants to end it sees it.
    assert_eq!(pipeline(&app, "orders").await["pause"]["scope"], "pipeline");
    assert_eq!(app.get("/queues").await.ok()["data"][0]["pause"]["scope"], "queue");
    let run = trigger(&app, &yaml(&app, "orders", "")).await;
    let waits_for = held(&app, &run).await["waits_for"].as_str().expect("a sentence").to_owned();
    assert!(waits_for.starts_with("everything, which admin paused"), "{waits_for}");
    app.post("/resume").await.ok();
    app.post("/queues/elt/resume").await.ok();
    let still = held(&app, &run).await;
    assert_eq!(still["state"], "queued", "the pause of the pipeline holds it still");
    let waits_for = still["waits_for"].as_str().expect("a sentence");
    assert!(waits_for.starts_with("the pipeline orders, which admin paused"), "{waits_for}");
    app.post("/pipelines/orders/resume").await.ok();
    assert_eq!(app.finished(&json!(run)).await["state"], "succeeded");

    // A held run can be stopped, and a long reason is refused.
    app.post("/queues/elt/pause").await.ok();
    let run = trigger(&app, &yaml(&app, "orders", "# again\n")).await;
    held(&app, &run).await;
    app.post(&format!("/runs/{run}/stop")).await;
    assert_eq!(app.finished(&json!(run)).await["state"], "stopped");
    let long = json!({ "reason": "x".repeat(501) });
    assert_eq!(app.post("/pipelines/orders/pause").json(long).await.problem(400)["code"], "invalid_body");
}

#[tokio::test]
async fn a_pause_that_is_asked_for_while_another_one_ends_begins_anew() {
    let control = Control::start().await;
    let pause = async |by: &str| {
        let mut tx = control.db.begin().await.expect("a transaction");
        let pause = pauses::pause(&mut tx, PauseScope::Queue, "elt", by, None).await.expect("paused");
        tx.commit().await.expect("committed");
        pause
    };
    let first = pause("ann").await;
    assert_eq!(pause("bob").await, first, "the first request counts");
    // A resume that has not committed yet.
    let mut resume = control.db.begin().await.expect("a transaction");
    assert_eq!(pauses::resume(&mut resume, PauseScope::Queue, "elt").await.expect("resumed"), Some(first));
    let commit = async {
        control.somebody_waits().await;
        resume.commit().await.expect("committed");
    };
    let (again, ()) = tokio::join!(pause("bob"), commit);
    assert_eq!(again.paused_by, "bob");
}
