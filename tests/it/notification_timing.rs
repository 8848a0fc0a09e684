//! Messages that wait for the end of quiet hours, those that say that there is no worker, and their links.

use axum::http::StatusCode;
use axum::response::IntoResponse;
use chrono::{DateTime, Duration, Timelike, Utc};
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::http_source::HttpSource;

async fn receiver() -> HttpSource {
    let receiver = HttpSource::start().await;
    receiver.script(|_, _| StatusCode::NO_CONTENT.into_response());
    receiver
}

/// What the messages say that a receiver has got.
async fn messages(app: &TestApp, receiver: &HttpSource, count: usize) -> Vec<Value> {
    let all = app.eventually(async || {
        let hits = receiver.hits();
        (hits.len() >= count).then(|| hits.iter().map(|hit| hit.json()["data"].clone()).collect::<Vec<_>>())
    });
    all.await.expect("the messages arrive")
}

#[tokio::test]
async fn a_run_that_waits_where_no_worker_is_is_told_once_by_the_api_and_is_over_when_it_loaded() {
    let app = TestApp::start_with(|options| {
        options.workers = 0;
        options.separate_logins = true;
        options.api.network.public_url = Some("https://elt.example.com/tools".into());
    })
    .await;
    let receiver = receiver().await;
    app.folder().write("a.csv", "id\n1\n");
    let notify = format!("notify: [{{on: [no_worker, recovered], webhook: \"{}\"}}]\n", receiver.url("/script/told"));
    let run = app.trigger(&app.yaml("orders", &notify)).await;
    let silent = app.yaml("silent", "");
    app.trigger(&silent).await;
    let age = "update elt.runs set created_at = created_at - interval '2 hours'";
    sqlx::query(age).execute(&app.db).await.expect("aged");
    let told = messages(&app, &receiver, 1).await;
    assert_eq!((&told[0]["event"], &told[0]["title"]), (&json!("no_worker"), &json!("orders has no worker")));
    let text = told[0]["text"].as_str().expect("a text");
    assert!(text.contains("no worker of the queue elt takes runs") && text.contains("elt worker"), "{text}");
    assert_eq!(told[0]["url"], "https://elt.example.com/tools/ui/runs?name=orders");

    app.start_worker();
    assert_eq!(app.finished(&run["id"]).await["state"], "succeeded");
    let told = messages(&app, &receiver, 2).await;
    assert_eq!((&told[1]["event"], &told[1]["incident"]), (&json!("recovered"), &json!("no_worker")));
    assert_eq!(told[1]["url"], Value::Null, "the worker does not know the address of the installation");
    assert_eq!(app.control("select id from notifications").await.len(), 2);
}

#[tokio::test]
async fn runs_that_are_paused_or_have_a_worker_are_not_told() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    let notify = "notify: [{on: no_worker, webhook: \"http://127.0.0.1:9/x\"}]\n";
    app.folder().write("a.csv", "id\n1\n");
    for name in ["paused", "waiting"] {
        app.trigger(&app.yaml(name, notify)).await;
    }
    assert_eq!(app.post("/pipelines/paused/pause").json(json!({})).await.status, 200);
    let age = "update elt.runs set created_at = created_at - interval '2 hours'";
    sqlx::query(age).execute(&app.db).await.expect("aged");
    let told = app.eventually(async || {
        let told = app.control("select pipeline from notifications").await;
        (!told.is_empty()).then_some(told)
    });
    assert_eq!(told.await.expect("one is told").len(), 1, "and it is not the one that is paused");
    assert_eq!(app.control("select from notifications where pipeline = 'waiting'").await.len(), 1);
}

#[tokio::test]
async fn a_message_waits_for_the_end_of_the_quiet_hours_and_links_to_its_run() {
    let app = TestApp::start_with(|options| {
        options.worker.network.public_url = Some("https://elt.example.com".into());
    })
    .await;
    let receiver = receiver().await;
    let now = Utc::now();
    let time = |at: DateTime<Utc>| format!("{:02}:{:02}", at.hour(), at.minute());
    let (from, to) = (time(now - Duration::minutes(5)), time(now + Duration::minutes(90)));
    let notify = format!(
        "schema: {{columns: {{id: int64}}}}\non_bad_row: fail\nnotify:\n\
         - {{webhook: \"{}\", quiet: {{from: '{from}', to: '{to}', timezone: UTC}}}}\n- {{webhook: \"{}\"}}\n",
        receiver.url("/script/quiet"),
        receiver.url("/script/loud")
    );
    app.folder().write("a.csv", "id\nnot a number\n");
    let yaml = app.yaml("orders", &notify);
    let run = app.trigger(&yaml).await;
    assert_eq!(app.finished(&run["id"]).await["state"], "failed");
    let told = messages(&app, &receiver, 1).await;
    assert_eq!(told[0]["url"], format!("https://elt.example.com/ui/runs/{}", run["id"].as_str().expect("an id")));
    app.folder().write("a.csv", "id\n1\n");
    app.load(&yaml).await;
    messages(&app, &receiver, 2).await;
    assert!(receiver.hits().iter().all(|hit| hit.path.ends_with("loud")), "{:?}", receiver.hits());
    let due = "select id from notifications where state = 'waiting' and attempt = 0 and next_try_at::time(0) = '{to}'
               and next_try_at > now() and give_up_at = next_try_at + interval '24 hours'";
    assert_eq!(app.control(&due.replace("{to}", &to)).await.len(), 2, "the failure and its end wait");

    let over = "update elt.notifications set next_try_at = now() where state = 'waiting'";
    sqlx::query(over).execute(&app.db).await.expect("the quiet hours are over");
    let told = messages(&app, &receiver, 4).await;
    assert_eq!((&told[2]["event"], &told[3]["event"]), (&json!("failed"), &json!("recovered")), "in their order");
}
