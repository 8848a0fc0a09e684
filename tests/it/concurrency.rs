//! Limits of pipelines and queues, and priorities: how many runs are at work at the same time, and which start first.

use elt_shared::job::QUEUE;
use elt_shared::runs::End;
use elt_shared::runs::lifecycle::{self, EndedBy, Taken};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::TestApp;
use crate::support::control::Control;
use crate::support::http_source::HttpSource;

/// Triggers a pipeline that loads the folder into a table, and returns the id of its run.
async fn trigger(app: &TestApp, name: &str, table: &str, more: &str) -> String {
    let run = app.trigger(&format!("name: {name}\n{}", app.yaml(table, more))).await;
    run["id"].as_str().expect("an id").to_owned()
}

/// The largest number of attempts that were at work at the same time, of the runs that `which` selects.
async fn most_at_work(app: &TestApp, which: &str) -> i64 {
    let rows = app
        .control(&format!(
            "with attempts as (
                 select a.started_at, a.finished_at from run_attempts a join runs r on r.id = a.run_id where {which}
             )
             select max(beside) as most from (
                 select (select count(*) from attempts b
                         where b.started_at <= a.started_at and coalesce(b.finished_at, 'infinity') > a.started_at) as beside
                 from attempts a) counted"
        ))
        .await;
    rows[0]["most"].as_i64().expect("a number")
}

/// Three workers with two slots each.
async fn three_workers() -> TestApp {
    let app = TestApp::start_with(|options| options.workers = 3).await;
    app.folder().write("a.csv", "id\n1\n");
    app
}

#[tokio::test]
async fn a_pipeline_never_has_more_runs_at_work_than_its_config_allows() {
    for limit in [1, 2] {
        let app = three_workers().await;
        // Each run loads into a table of its own, so that only the limit keeps them apart.
        let mut limited = Vec::new();
        for n in 0..30 {
            limited.push(trigger(&app, "limited", &format!("t{n}"), &format!("concurrency: {limit}\n")).await);
        }
        let mut others = Vec::new();
        for n in 0..4 {
            others.push(trigger(&app, "free", &format!("free_{n}"), "").await);
        }
        for id in &others {
            app.finished(&json!(id)).await;
        }
        let left = app.control("select 1 from runs where name = 'limited' and finished_at is null").await;
        assert!(!left.is_empty(), "the other pipeline did not wait for the limited one");
        for id in &limited {
            let run = app.finished(&json!(id)).await;
            assert_eq!((&run["state"], &run["attempt"]), (&json!("succeeded"), &json!(1)), "{run:#}");
        }
        assert!(most_at_work(&app, "r.name = 'limited'").await <= limit);
        let pipelines = app.get("/pipelines?search=limited").await.ok();
        assert_eq!(pipelines["data"][0]["concurrency"], limit);
    }
}

#[tokio::test]
async fn runs_that_a_limit_holds_start_in_the_order_of_their_places() {
    let app = three_workers().await;
    let source = HttpSource::start().await;
    let gated = format!(
        "name: limited\nsources: [{{type: api, url: \"{}\"}}]\ntarget: {{table: gated}}\nmonitor: {{enabled: false}}\nconcurrency: 1\n",
        source.url("/gated")
    );
    let first = app.trigger(&gated).await["id"].as_str().expect("an id").to_owned();
    source.asked().await;
    let mut expected = Vec::new();
    for n in 0..12 {
        expected.push(trigger(&app, "limited", &format!("t{n}"), "concurrency: 1\n").await);
    }
    let all_held = app.eventually(async || {
        let held = app.control("select 1 from runs where held = 'pipeline_limit'").await;
        (held.len() == expected.len()).then_some(())
    });
    all_held.await.expect("every run is held");
    // The runs that were asked for last wait the longest, so that the order of the requests would be seen as wrong.
    for (hours, id) in expected.iter().enumerate() {
        app.execute(&format!("update runs set place = place - interval '{hours} hours' where id = '{id}'")).await;
    }
    expected.push(first);
    expected.reverse();
    source.open_gate();
    app.finished_all().await;
    let rows = app.control("select run_id from run_attempts order by started_at").await;
    let order: Vec<&str> = rows.iter().map(|row| row["run_id"].as_str().expect("an id")).collect();
    assert_eq!(order, expected);
}

#[tokio::test]
async fn held_runs_on_a_queue_without_a_worker_keep_those_of_other_queues_from_nothing() {
    let control = Control::start().await;
    let limited = async |table: &str, queue: &'static str| {
        let yaml = format!(
            "name: limited\nsources: [{{type: local, path: /data}}]\ntarget: {{table: {table}}}\nconcurrency: 1\n"
        );
        let triggered = control.trigger(&yaml, |request| (request.monitor, request.queue) = (false, queue)).await;
        triggered.run
    };
    let first = control.begin(&limited("first", QUEUE).await, "w").await;
    let elsewhere = [limited("a", "elsewhere").await, limited("b", "elsewhere").await];
    let here = [limited("c", QUEUE).await, limited("d", QUEUE).await];
    for run in elsewhere.iter().chain(&here) {
        let taken = lifecycle::take(&control.db, run.id, "w", None, None).await.expect("asked");
        assert!(matches!(taken, Taken::Held), "{taken:?}");
    }
    control.lose_tickets().await;
    let mut tx = control.db.begin().await.expect("a transaction");
    let by = EndedBy::Attempt(first.epoch);
    assert!(lifecycle::finish(&mut tx, first.id, by, &End::Stopped, None).await.expect("ended"));
    tx.commit().await.expect("committed");
    lifecycle::release(&control.db, QUEUE, "limited").await.expect("released");
    let mut tickets = Vec::new();
    for run in elsewhere.iter().chain(&here) {
        tickets.push(control.tickets(run.id).await);
    }
    assert_eq!(tickets, [1, 0, 1, 0], "the first of each queue");
    let taken = lifecycle::take(&control.db, here[0].id, "w", None, None).await.expect("asked");
    assert!(matches!(taken, Taken::Begun { .. }), "{taken:?}");
}

#[tokio::test]
async fn a_queue_never_has_more_runs_at_work_than_its_limit_and_starts_more_when_it_is_raised() {
    let app = three_workers().await;
    app.request("PUT", "/queues/elt/limit").json(json!({ "concurrency": 2 })).await.ok();
    let source = HttpSource::start().await;
    let gated = |name: &str| {
        format!(
            "name: {name}\nsources: [{{type: api, url: \"{}\"}}]\ntarget: {{table: {name}}}\nmonitor: {{enabled: false}}\n",
            source.url("/gated")
        )
    };
    for name in ["g0", "g1", "g2"] {
        app.trigger(&gated(name)).await;
    }
    let at_limit = app.eventually(async || {
        let queue = app.get("/queues").await.ok()["data"][0].clone();
        (queue["running"] == 2 && queue["held"] == 1).then_some(queue)
    });
    let queue = at_limit.await.expect("two run and one is held");
    assert_eq!((&queue["concurrency"], &queue["limit_set_by"]), (&json!(2), &json!("admin")));
    let held = app.control("select id from runs where held = 'queue_limit'").await;
    let id = held[0]["id"].as_str().expect("an id");
    let waits_for = app.get(&format!("/runs/{id}")).await.ok()["waits_for"].clone();
    assert_eq!(waits_for, "another run to end: at most 2 of the queue elt are at work at the same time");

    app.request("PUT", "/queues/elt/limit").json(json!({ "concurrency": 3 })).await.ok();
    let raised = app.eventually(async || {
        let queue = app.get("/queues").await.ok()["data"][0].clone();
        (queue["running"] == 3 && queue["held"] == 0).then_some(())
    });
    raised.await.expect("the third one starts");
    assert_eq!(most_at_work(&app, "true").await, 3);

    // Below what is at work: nothing is ended, and nothing starts until there is room again.
    app.request("PUT", "/queues/elt/limit").json(json!({ "concurrency": 1 })).await.ok();
    for n in 0..12 {
        trigger(&app, &format!("q{n}"), &format!("q{n}"), "").await;
    }
    source.open_gate();
    app.finished_all().await;
    assert_eq!(most_at_work(&app, "r.name like 'q%'").await, 1);
    app.request("PUT", "/queues/elt/limit").json(json!({ "concurrency": null })).await.ok();
    assert_eq!(app.get("/queues").await.ok()["data"][0]["concurrency"], Value::Null);
    for wrong in [0, 10_001] {
        let limit = json!({ "concurrency": wrong });
        assert_eq!(app.request("PUT", "/queues/elt/limit").json(limit).await.problem(400)["code"], "invalid_body");
    }
}

#[tokio::test]
async fn a_lost_ticket_of_a_held_run_is_made_up_for() {
    let app = three_workers().await;
    let source = HttpSource::start().await;
    let yaml = format!(
        "name: limited\nsources: [{{type: api, url: \"{}\"}}]\ntarget: {{table: gated}}\nmonitor: {{enabled: false}}\nconcurrency: 1\n",
        source.url("/gated")
    );
    app.trigger(&yaml).await;
    source.asked().await;
    let second = trigger(&app, "limited", "second", "concurrency: 1\n").await;
    let held = app.eventually(async || {
        (app.get(&format!("/runs/{second}")).await.ok()["held"] == "pipeline_limit").then_some(())
    });
    held.await.expect("the second run is held");
    // As if the first run had ended on a worker that died before it could wake the second one.
    app.execute("update runs set config_id = (select min(id) from config_history) where state = 'running'").await;
    source.open_gate();
    let ended = app.eventually(async || {
        app.execute("update apalis.jobs set status = 'Killed', done_at = now() where status = 'Pending'").await;
        app.control("select 1 from runs where state = 'running'").await.is_empty().then_some(())
    });
    ended.await.expect("the first run ends");
    assert_eq!(app.finished(&json!(second)).await["state"], "succeeded");
}

/// Names of the pipelines in the order in which their runs began.
async fn order(app: &TestApp) -> Vec<String> {
    let rows =
        app.control("select r.name from run_attempts a join runs r on r.id = a.run_id order by a.started_at").await;
    rows.iter().map(|row| row["name"].as_str().expect("a name").to_owned()).collect()
}

#[tokio::test]
async fn runs_start_by_their_priority_and_by_how_long_they_wait() {
    let app = TestApp::start_with(|options| {
        options.workers = 0;
        options.worker.concurrency = 1;
    })
    .await;
    app.folder().write("a.csv", "id\n1\n");
    let hours_ago = async |id: &str, hours: i32| {
        let seconds = hours * 3600;
        app.execute(&format!("update runs set place = place - interval '{seconds} seconds' where id = '{id}'")).await;
        app.execute(&format!(
            "update apalis.jobs set priority = priority + {seconds} where id = (select ticket_id from runs where id = '{id}')"
        ))
        .await;
    };
    trigger(&app, "low", "low", "priority: low\n").await;
    let old_low = trigger(&app, "old_low", "old_low", "priority: low\n").await;
    hours_ago(&old_low, 3).await;
    trigger(&app, "normal", "normal", "").await;
    let old_normal = trigger(&app, "old_normal", "old_normal", "").await;
    hours_ago(&old_normal, 3).await;
    let high = trigger(&app, "high", "high", "priority: high\n").await;
    assert_eq!(app.get(&format!("/runs/{high}")).await.ok()["priority"], "high");
    app.start_worker();
    app.finished_all().await;
    // Three hours ago: a low one has passed what is asked for with high priority now.
    assert_eq!(order(&app).await, ["old_normal", "old_low", "high", "normal", "low"]);
    let pipelines = app.get("/pipelines?search=low").await.ok();
    assert!(pipelines["data"].as_array().expect("some").iter().all(|entry| entry["priority"] == "low"));
}

#[tokio::test]
async fn a_request_may_name_another_priority_than_the_config_and_a_retry_keeps_it() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    app.folder().write("a.csv", "id\n1\n");
    let yaml = format!("name: people\n{}", app.yaml("people", "priority: low\n"));
    let config = app.post("/upload-config").yaml(&yaml).await.ok();
    let start = async |body: Value| app.post("/runs").json(body).await;
    let run = start(json!({ "config_id": config["id"] })).await.ok();
    assert_eq!(run["priority"], "low");
    let run = start(json!({ "config_id": config["id"], "priority": "high" })).await.ok();
    assert_eq!(run["priority"], "high");
    start(json!({ "config_id": config["id"], "priority": "urgent" })).await.problem(422);
    let started = app.post("/trigger-job?priority=normal").yaml(&yaml).await.ok();
    let id = started["run_id"].as_str().expect("an id");
    assert_eq!(app.get(&format!("/runs/{id}")).await.ok()["priority"], "normal");
    assert_eq!(app.post("/trigger-job?priority=urgent").yaml(&yaml).await.problem(400)["code"], "bad_request");

    let high: Uuid = run["id"].as_str().expect("an id").parse().expect("an id");
    app.post(&format!("/runs/{high}/stop")).await;
    app.finished(&run["id"]).await;
    assert_eq!(app.post(&format!("/runs/{high}/retry")).await.ok()["priority"], "high");
}
