//! Sessions: which logins of a user are open, and ending them.

use std::time::{Duration, Instant};

use elt_shared::queue::retention::{self, Keep, Kind};
use elt_shared::store::sessions::MOST_OF_A_USER;
use futures::StreamExt;
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::app::PATIENCE;

async fn app() -> TestApp {
    TestApp::start_with(|options| options.workers = 0).await
}

async fn status_of(app: &TestApp, token: &str) -> u16 {
    app.get("/auth/me").bearer(token).await.status.as_u16()
}

async fn sessions(app: &TestApp, token: &str) -> Vec<Value> {
    app.get("/auth/sessions").bearer(token).await.ok().as_array().expect("a list").clone()
}

/// The id of the session that this token belongs to.
async fn own_id(app: &TestApp, token: &str) -> String {
    let sessions = sessions(app, token).await;
    let mut current = sessions.iter().filter(|session| session["current"] == true);
    let id = current.next().expect("its own session")["id"].as_str().expect("an id").to_owned();
    assert!(current.next().is_none(), "only one session is the current one");
    id
}

/// The path of the analyst among the users.
async fn path_of_user(app: &TestApp) -> String {
    let users = app.get("/users").await.ok();
    let mut users = users["data"].as_array().expect("users").iter();
    let user = users.find(|user| user["username"] == "user").expect("the analyst");
    format!("/users/{}", user["id"].as_str().expect("an id"))
}

async fn login(app: &TestApp) -> String {
    app.login("user", "user123 is me").await
}

#[tokio::test]
async fn each_login_is_a_session_that_its_user_can_see() {
    let app = app().await;
    let request = json!({ "username": "user", "password": "user123 is me" });
    let agent = format!("Browser/{}", "é".repeat(300));
    let first = app.post("/auth/login").as_nobody().header("user-agent", "curl/8").json(request.clone()).await.ok();
    let second = app.post("/auth/login").as_nobody().header("user-agent", &agent).json(request).await.ok();
    let first = first["token"].as_str().expect("a token");
    let seen = sessions(&app, first).await;
    assert_eq!(seen.len(), 2);
    let current = seen.iter().find(|session| session["current"] == true).expect("the current one");
    assert_eq!((&current["user_agent"], &current["ip"]), (&json!("curl/8"), &json!("127.0.0.1")));
    assert_eq!(current["method"], "password");
    let other = seen.iter().find(|session| session["current"] == false).expect("the other one");
    let kept = other["user_agent"].as_str().expect("a text");
    assert_eq!(kept.chars().count(), 200);
    assert!(agent.starts_with(kept));
    assert!(!second["token"].is_null());
    let admin = app.login("admin", "admin123").await;
    assert!(sessions(&app, &admin).await.iter().all(|session| !seen.contains(session)), "others see their own");
}

#[tokio::test]
async fn a_session_ends_at_once_and_only_by_its_own_user() {
    let app = app().await;
    let (own, other) = (login(&app).await, login(&app).await);
    let id = own_id(&app, &other).await;
    let path = format!("/auth/sessions/{id}");
    app.delete(&path).as_nobody().await.problem(401);
    app.delete(&path).await.problem(404);
    assert_eq!(status_of(&app, &other).await, 200, "an admin ends it as another user's, not as an own one");
    assert_eq!(app.delete(&path).bearer(&own).await.status, 204);
    assert_eq!(status_of(&app, &other).await, 401);
    assert_eq!(status_of(&app, &own).await, 200);
    app.delete(&path).bearer(&own).await.problem(404);
    assert_eq!(sessions(&app, &own).await.len(), 1);
    app.delete("/auth/sessions/not-an-id").bearer(&own).await.problem(400);
}

#[tokio::test]
async fn all_other_sessions_end_together() {
    let app = app().await;
    let (own, others) = (login(&app).await, [login(&app).await, login(&app).await]);
    let admin = app.login("admin", "admin123").await;
    assert_eq!(app.delete("/auth/sessions").bearer(&own).await.status, 204);
    for other in &others {
        assert_eq!(status_of(&app, other).await, 401);
    }
    assert_eq!(status_of(&app, &own).await, 200);
    assert_eq!(status_of(&app, &admin).await, 200, "the sessions of other users go on");
}

#[tokio::test]
async fn an_admin_ends_the_sessions_of_a_user() {
    let app = app().await;
    let token = login(&app).await;
    let path = format!("{}/sessions", path_of_user(&app).await);
    app.delete(&path).as_user().await.problem(403);
    assert_eq!(app.get(&path).await.ok().as_array().map(Vec::len), Some(2), "the second one is of this test's helper");
    assert_eq!(app.delete(&path).await.status, 204);
    assert_eq!(status_of(&app, &token).await, 401);
    assert_eq!(app.get(&path).await.ok(), json!([]));
    assert_eq!(status_of(&app, &login(&app).await).await, 200, "the user may log in again");
    let audit = app.get("/audit").query(&[("action", "DELETE /users/{id}/sessions")]).await.ok();
    assert_eq!(audit["data"][0]["outcome"], "done");
    assert_eq!(audit["data"][0]["detail"]["sessions_ended"], 2);
    app.delete("/users/0199a0a0-0000-7000-8000-000000000000/sessions").await.problem(404);
}

#[tokio::test]
async fn what_changes_a_user_ends_the_sessions() {
    let app = app().await;
    let path = path_of_user(&app).await;
    for change in [json!({ "disabled": true }), json!({ "disabled": false }), json!({ "role": "user" })] {
        let before =
            sqlx::query("update elt.users set disabled = false where username = 'user'").execute(&app.db).await;
        before.expect("the user may log in");
        let token = login(&app).await;
        app.patch(&path).json(change.clone()).await.ok();
        assert_eq!(status_of(&app, &token).await, 401, "{change}");
        assert_eq!(app.get(&format!("{path}/sessions")).await.ok(), json!([]), "{change}");
    }
    let token = login(&app).await;
    let change = json!({ "old_password": "user123 is me", "new_password": "four words of mine" });
    let changed = app.post("/auth/password").bearer(&token).json(change).await.ok();
    let left = sessions(&app, changed["token"].as_str().expect("a token")).await;
    assert_eq!(left.len(), 1, "only the session that the change began");
    assert_eq!(left[0]["current"], true);
}

#[tokio::test]
async fn a_signed_token_without_a_session_opens_nothing() {
    let app = app().await;
    let token = login(&app).await;
    assert_eq!(status_of(&app, &token).await, 200);
    // The row is gone, as it is after a restore of an older backup, or for a token signed with a stolen key.
    sqlx::query("delete from elt.sessions").execute(&app.db).await.expect("deleted");
    assert_eq!(status_of(&app, &token).await, 401);
}

#[tokio::test]
async fn a_session_of_one_user_does_not_speak_for_another() {
    let app = app().await;
    let token = login(&app).await;
    let moved = "update elt.sessions set user_id = (select id from elt.users where username = 'admin')";
    sqlx::query(moved).execute(&app.db).await.expect("moved");
    assert_eq!(status_of(&app, &token).await, 401);
}

#[tokio::test]
async fn a_stream_ends_with_its_session() {
    let app = app().await;
    let own = app.login("admin", "admin123").await;
    // A busy machine may be slower than the notification now and then, so this is tried until it was quicker.
    for _ in 0..8 {
        let other = app.login("admin", "admin123").await;
        let id = own_id(&app, &other).await;
        let mut stream = app.get("/logs/follow").bearer(&other).open().await.bytes_stream();
        let started = Instant::now();
        assert_eq!(app.delete(&format!("/auth/sessions/{id}")).bearer(&own).await.status, 204);
        let end = async { while let Some(Ok(_)) = stream.next().await {} };
        tokio::time::timeout(PATIENCE, end).await.expect("the stream ends");
        if started.elapsed() < Duration::from_secs(10) {
            return;
        }
    }
    panic!("the stream goes on until its next ping");
}

#[tokio::test]
async fn use_is_noted_at_most_once_a_minute() {
    let app = app().await;
    let token = login(&app).await;
    let last_seen = async || sessions(&app, &token).await[0]["last_seen_at"].clone();
    let first = last_seen().await;
    assert_eq!(last_seen().await, first, "a second use within the minute writes nothing");
    let earlier = "update elt.sessions set last_seen_at = now() - interval '61 seconds'";
    sqlx::query(earlier).execute(&app.db).await.expect("an older use");
    assert_eq!(status_of(&app, &token).await, 200);
    let later = last_seen().await;
    assert!(later.as_str() > first.as_str(), "{later} is after {first}");
}

#[tokio::test]
async fn logins_that_are_over_push_out_no_open_session() {
    let app = app().await;
    let open = login(&app).await;
    let age = "update elt.sessions set created_at = now() - interval '1 minute'";
    sqlx::query(age).execute(&app.db).await.expect("aged");
    let over = "insert into elt.sessions (id, user_id, method, expires_at, ended_at)
                select gen_random_uuid(), id, 'password', now() + interval '1 hour' * expires, ended
                from elt.users, generate_series(1, 60), (values (1, now()), (-1, null)) as kinds (expires, ended)
                where username = 'user'";
    sqlx::query(over).execute(&app.db).await.expect("many sessions that are over");
    login(&app).await;
    assert_eq!(status_of(&app, &open).await, 200);
    let kept: i64 = sqlx::query_scalar(
        "select count(*) from elt.sessions join elt.users on users.id = user_id where username = 'user'",
    )
    .fetch_one(&app.db)
    .await
    .expect("a number");
    assert_eq!(kept, MOST_OF_A_USER);
}

#[tokio::test]
async fn the_sessions_of_a_user_are_bounded_and_old_ones_leave() {
    let app = app().await;
    let oldest = login(&app).await;
    let many = "insert into elt.sessions (id, user_id, method, expires_at, created_at)
                select gen_random_uuid(), id, 'password', now() + interval '1 hour', now() - interval '1 second'
                from elt.users, generate_series(1, 100) where username = 'user'";
    sqlx::query("update elt.sessions set created_at = now() - interval '1 minute'")
        .execute(&app.db)
        .await
        .expect("aged");
    sqlx::query(many).execute(&app.db).await.expect("many sessions");
    let newest = login(&app).await;
    assert_eq!(status_of(&app, &oldest).await, 401, "the oldest session made room");
    assert_eq!(sessions(&app, &newest).await.len() as i64, MOST_OF_A_USER);

    let expired = "update elt.sessions set expires_at = now() - interval '25 hours' where user_agent is null";
    let expired = sqlx::query(expired).execute(&app.db).await.expect("expired").rows_affected();
    assert!(expired >= 99);
    let cleaned = retention::clean(&app.db, Kind::Sessions, &Keep::default(), None).await.expect("deleted");
    assert_eq!(cleaned.removed, expired);
    assert_eq!(status_of(&app, &newest).await, 401, "the test's client sends no user agent");
}
