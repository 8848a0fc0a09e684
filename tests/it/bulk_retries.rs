//! Retrying many failed runs at once.

use std::time::{Duration, Instant};

use elt_shared::runs::End;
use elt_shared::runs::lifecycle::{self, BulkRetry, EndedBy};
use elt_shared::store::runs::{FailedFilter, Run};
use serde_json::{Value, json};
use sqlx::PgConnection;

use crate::support::TestApp;
use crate::support::closed_port::ClosedPort;
use crate::support::control::Control;

/// Runs that failed, because their target is away and they do not wait for it.
async fn failed_runs(app: &TestApp, closed: &ClosedPort, names: &[&str]) -> Vec<Value> {
    let mut failed = Vec::new();
    for name in names {
        let target = format!("target: {{url: 'postgres://ann:x@{}/shop', table: {name}}}", closed.address);
        let yaml = app.yaml(name, "retry: {max_elapsed: 0}\n").replace(&format!("target:\n  table: {name}"), &target);
        let run = app.trigger(&format!("name: {name}\n{yaml}")).await;
        let run = app.finished(&run["id"]).await;
        assert_eq!(run["error_code"], "target_unreachable", "{run:#}");
        failed.push(run);
    }
    failed
}

async fn retry(app: &TestApp, body: Value) -> Value {
    app.post("/runs/retry").json(body).await.ok()
}

/// Ids of the failed runs in an answer.
fn ids(answer: &Value, list: &str) -> Vec<Value> {
    answer[list].as_array().expect("a list").iter().map(|run| run["run_id"].clone()).collect()
}

#[tokio::test]
async fn failed_runs_are_retried_together_and_each_only_once() {
    let app = TestApp::start().await;
    let closed = ClosedPort::new();
    app.folder().write("a.csv", "id\n1\n");
    let failed = failed_runs(&app, &closed, &["a", "b", "a"]).await;
    app.load(&app.yaml("fine", "")).await;
    let all: Vec<Value> = failed.iter().map(|run| run["id"].clone()).collect();
    let since = "2020-01-01T00:00:00Z";

    let dry = app.post("/runs/retry").json(json!({ "since": since, "dry_run": true })).await;
    assert_eq!((dry.status.as_u16(), ids(&dry.json, "retried")), (200, all.clone()));
    assert_eq!(dry["retried"][0]["new_run_id"], Value::Null);

    let first = retry(&app, json!({ "since": since, "name": "a", "code": "target_unreachable", "limit": 1 })).await;
    assert_eq!((ids(&first, "retried"), &first["more"]), (vec![all[0].clone()], &json!(true)), "{first:#}");
    let again = &first["retried"][0]["new_run_id"];
    assert_eq!(app.finished(again).await["retry_of"], all[0]);

    // What is left over, the run that failed again among it.
    let rest = retry(&app, json!({ "since": since })).await;
    assert_eq!(ids(&rest, "retried"), [all[1].clone(), all[2].clone(), again.clone()], "{rest:#}");
    assert_eq!((ids(&rest, "skipped"), &rest["more"]), (vec![all[0].clone()], &json!(false)));
    assert_eq!(rest["skipped"][0]["code"], "already_retried");
    app.finished_all().await;

    for other in [
        json!({ "since": since, "name": "nobody" }),
        json!({ "since": since, "code": "bad_row" }),
        json!({ "since": "2999-01-01T00:00:00Z" }),
        json!({ "since": since, "until": since }),
    ] {
        assert!(ids(&retry(&app, other.clone()).await, "retried").is_empty(), "{other}");
    }
}

#[tokio::test]
async fn a_request_to_retry_failed_runs_is_bounded_audited_and_done_once_for_its_key() {
    let app = TestApp::start().await;
    let closed = ClosedPort::new();
    app.folder().write("a.csv", "id\n1\n");
    let failed = failed_runs(&app, &closed, &["a", "b"]).await;
    let body = json!({ "since": "2020-01-01T00:00:00Z" });
    for (wrong, status) in [
        (json!({}), 422),
        (json!({ "since": "yesterday" }), 422),
        (json!({ "since": "2020-01-01T00:00:00Z", "limit": 0 }), 422),
        (json!({ "since": "2020-01-01T00:00:00Z", "limit": 501 }), 422),
    ] {
        assert_eq!(app.post("/runs/retry").json(wrong.clone()).await.status, status, "{wrong}");
    }
    app.post("/runs/retry").as_user().json(body.clone()).await.problem(403);
    let bound = app.api_token("only-a", &["trigger", "read"], json!({ "pipelines": ["a"] })).await;
    let bound = bound["token"].as_str().expect("a token");
    let seen =
        app.post("/runs/retry").bearer(bound).json(json!({ "since": body["since"], "dry_run": true })).await.ok();
    assert_eq!(ids(&seen, "retried"), [failed[0]["id"].clone()], "a token sees its own pipelines only");

    let send = || app.post("/runs/retry").header("idempotency-key", "monday").json(body.clone());
    let (first, again) = (send().await, send().await);
    assert_eq!((first.status.as_u16(), &first.json), (202, &again.json));
    assert_eq!(app.control("select 1 from runs where trigger = 'retry'").await.len(), 2);
    app.finished_all().await;
    let noted = app
        .control(
            "select detail from audit where action like '%/runs/retry' and detail ? 'retried' order by seq desc limit 1",
        )
        .await;
    assert_eq!((&noted[0]["detail"]["retried"], &noted[0]["detail"]["skipped"]), (&json!(2), &json!(0)), "{noted:?}");
}

/// A run that has failed.
async fn failed(control: &Control, name: &str) -> Run {
    let run = control.begin(&control.run(name).await, "w").await;
    let mut db = control.db.acquire().await.expect("a connection");
    let end = End::Failed { code: "bad_row".into(), error: "a row".into(), next_step: "Mend it.".into() };
    assert!(lifecycle::finish(&mut db, run.id, EndedBy::Attempt(run.epoch), &end, None).await.expect("asked"));
    run
}

async fn retry_all(db: &mut PgConnection, limit: u16) -> BulkRetry {
    let filter = FailedFilter::default();
    lifecycle::retry_failed(db, &filter, limit, false, (None, "ann")).await.expect("asked")
}

/// Retries all failed runs beside a transaction that has retried some, which commits while this request waits for it.
async fn retry_all_beside(control: &Control, other: sqlx::Transaction<'static, sqlx::Postgres>) -> BulkRetry {
    let db = control.db.clone();
    let second = tokio::spawn(async move {
        let mut tx = db.begin().await.expect("a transaction");
        let all = retry_all(&mut tx, 500).await;
        tx.commit().await.expect("committed");
        all
    });
    let deadline = Instant::now() + Duration::from_secs(120);
    let waiting =
        "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
    while sqlx::query_scalar::<_, i64>(waiting).fetch_one(&control.db).await.expect("counted") == 0 {
        assert!(Instant::now() < deadline && !second.is_finished(), "the second request does not wait for the first");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    other.commit().await.expect("committed");
    second.await.expect("no panic")
}

#[tokio::test]
async fn two_requests_at_once_retry_each_run_once() {
    let control = Control::start().await;
    let runs = [failed(&control, "a").await, failed(&control, "b").await, failed(&control, "c").await];
    let mut first = control.db.begin().await.expect("a transaction");
    assert_eq!(retry_all(&mut first, 2).await.retried.len(), 2);
    let second = retry_all_beside(&control, first).await;
    let retried: Vec<_> = second.retried.iter().map(|(run, _)| run.id).collect();
    assert_eq!((retried, second.skipped.len()), (vec![runs[2].id], 2));

    let late = failed(&control, "d").await;
    let mut single = control.db.begin().await.expect("a transaction");
    lifecycle::retry(&mut single, late.id, None, "ann").await.expect("asked").expect("the run");
    let beside = retry_all_beside(&control, single).await;
    assert!(beside.retried.is_empty() && beside.skipped.len() == 4, "{beside:?}");
}

#[tokio::test]
async fn no_more_runs_are_announced_when_only_retried_ones_are_left() {
    let control = Control::start().await;
    for name in ["a", "b"] {
        failed(&control, name).await;
    }
    let mut db = control.db.acquire().await.expect("a connection");
    for (retried, more) in [(1, true), (1, false), (0, false)] {
        let all = retry_all(&mut db, 1).await;
        assert_eq!((all.retried.len(), all.more), (retried, more));
    }
}

#[tokio::test]
async fn of_two_failed_undos_of_one_run_one_is_retried() {
    let control = Control::start().await;
    let [undone, other] = [control.run("a").await, control.run("b").await];
    let undos = [failed(&control, "a").await, failed(&control, "a").await, failed(&control, "b").await];
    for (undo, of) in undos.iter().zip([&undone, &undone, &other]) {
        let sql = format!("update runs set kind = 'undo', subject_id = '{}' where id = '{}'", of.id, undo.id);
        control.execute(&sql).await;
    }
    let filter = FailedFilter::default();
    let mut db = control.db.acquire().await.expect("a connection");
    for dry_run in [true, false] {
        let all = lifecycle::retry_failed(&mut db, &filter, 10, dry_run, (None, "ann")).await.expect("asked");
        let retried: Vec<_> = all.retried.iter().map(|(run, _)| run.id).collect();
        assert_eq!(retried, [undos[0].id, undos[2].id]);
        let skipped: Vec<_> = all.skipped.iter().map(|skipped| (skipped.run.id, skipped.code.as_str())).collect();
        assert_eq!(skipped, [(undos[1].id, "already_undone")]);
    }
    assert!(retry_all(&mut db, 10).await.retried.is_empty());
}
