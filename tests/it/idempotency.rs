//! A POST sent twice with the same key does its work once.

use elt_shared::queue::retention::{self, Keep, Kind};
use serde_json::json;

use crate::support::TestApp;

#[tokio::test]
async fn the_same_key_is_answered_alike_and_done_once() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    let user = json!({ "username": "ann", "password": "correct horse", "role": "user" });
    let add = || app.post("/users").header("idempotency-key", "add-ann").json(user.clone());
    let first = add().await;
    let again = add().await;
    assert_eq!((first.status.as_u16(), again.status.as_u16()), (201, 201));
    assert_eq!(first.json, again.json);
    assert_eq!(first.header("location"), again.header("location"));
    assert_eq!((first.header("idempotent-replayed"), again.header("idempotent-replayed")), ("", "true"));

    let other = json!({ "username": "bob", "password": "correct horse", "role": "user" });
    let reused = app.post("/users").header("idempotency-key", "add-ann").json(other).await;
    assert_eq!(reused.problem(422)["code"], "idempotency_key_reused");
}

#[tokio::test]
async fn twenty_at_once_are_done_once() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    let user = json!({ "username": "ann", "password": "correct horse", "role": "user" });
    let add = || app.post("/users").header("idempotency-key", "add-ann").json(user.clone());
    let answers = futures::future::join_all((0..20).map(|_| async { add().await })).await;
    assert!(answers.iter().all(|answer| answer.status == 201 && answer.json == answers[0].json));
}

#[tokio::test]
async fn what_failed_may_be_tried_again_with_its_key() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    let add = |password: &str| {
        let user = json!({ "username": "ann", "password": password, "role": "user" });
        app.post("/users").header("idempotency-key", "add-ann").json(user)
    };
    add("short").await.problem(422);
    assert_eq!(add("long enough").await.status, 201);
}

#[tokio::test]
async fn a_key_is_forgotten_after_a_day_and_then_deleted_by_retention() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    let add = |name: &str| {
        let user = json!({ "username": name, "password": "correct horse", "role": "user" });
        app.post("/users").header("idempotency-key", "add").json(user)
    };
    assert_eq!(add("ann").await.status, 201);
    let age = async |age: &str| {
        let aged = sqlx::query("update elt.idempotency_keys set created_at = now() - $1::interval").bind(age);
        aged.execute(&app.db).await.expect("aged");
    };
    age("23 hours").await;
    assert_eq!(add("bob").await.problem(422)["code"], "idempotency_key_reused");
    age("25 hours").await;
    assert_eq!(add("bob").await.status, 201, "the key may be used again");

    sqlx::query(
        "insert into elt.idempotency_keys (username, key, request, status, answer, created_at)
         select 'old', n::text, '', 200, '{}', now() - interval '2 days' from generate_series(1, 5001) n",
    )
    .execute(&app.db)
    .await
    .expect("inserted");
    assert_eq!(add("bob").await.status, 201, "a request deletes nothing");
    let delete = async || {
        let cleaned = retention::clean(&app.db, Kind::IdempotencyKeys, &Keep::default(), None).await;
        cleaned.expect("deleted").removed
    };
    assert_eq!(delete().await, 5001);
    assert_eq!(delete().await, 0, "the key of today stays");
}
