//! API tokens: what programs may do in the name of a user or a service account, and for how long.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use elt_api::second_factor::RequireTotp;
use elt_shared::api_token::{self, Grant, Scope};
use elt_shared::queue::retention::{self, Keep, Kind};
use elt_shared::store::{api_tokens, users};
use futures::StreamExt;
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::app::PATIENCE;

pub async fn app() -> TestApp {
    TestApp::start_with(|options| options.workers = 0).await
}

pub fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

/// Status of a request that every token with the scope `read` may send.
async fn reads(app: &TestApp, token: &Value) -> u16 {
    app.get("/runs").bearer(text(&token["token"])).await.status.as_u16()
}

fn path(token: &Value) -> String {
    format!("/tokens/{}", text(&token["id"]))
}

/// Path of a new user of this role, who has the password `correct horse`.
async fn add_user(app: &TestApp, name: &str, role: &str) -> String {
    let new = json!({ "username": name, "password": "correct horse", "role": role });
    app.post("/users").json(new).await.header("location").to_owned()
}

/// A token that a user creates for themselves.
async fn own_token(app: &TestApp, session: &str, scopes: &[&str]) -> Value {
    let request = json!({ "name": format!("of {scopes:?}"), "scopes": scopes });
    app.post("/tokens").bearer(session).json(request).await.ok()
}

#[tokio::test]
async fn a_token_is_shown_once_and_kept_nowhere() {
    let app = app().await;
    let created = app.post("/tokens").json(json!({ "name": "ci", "scopes": ["read", "trigger", "read"] })).await;
    assert_eq!(created.status, 201);
    assert_eq!(created.header("location"), path(&created.json));
    assert_eq!(created.header("cache-control"), "no-store");
    let token = text(&created["token"]).to_owned();
    assert_eq!((token.len(), &token[..4]), (40, "elt_"));
    assert_eq!(created["scopes"], json!(["trigger", "read"]));
    assert_eq!((&created["owner"], &created["created_by"]), (&json!("admin"), &json!("admin")));
    let days = app
        .control("select expires_at - created_at between '90 days' and '90 days 1 hour' as default from api_tokens")
        .await;
    assert_eq!(days[0]["default"], true);

    assert_eq!(app.get("/runs").bearer(&token).await.status, 200);
    app.get("/users").bearer(&token).await.problem(403);
    let mut kept = app.get("/tokens").await.text + &app.get("/audit").await.text + &app.get("/logs").await.text;
    for table in ["api_tokens", "audit", "log_lines", "idempotency_keys"] {
        kept += &serde_json::to_string(&app.control(&format!("select * from elt.{table}")).await).expect("JSON");
    }
    assert!(kept.contains(text(&created["id"])) && !kept.contains(&token[4..]), "{kept}");
}

#[tokio::test]
async fn a_token_that_ended_is_refused_at_its_next_request() {
    let app = app().await;
    for (case, ends) in [
        ("revoked", None),
        ("expired", Some("update api_tokens set expires_at = now() where name = 'expired'")),
        ("deleted", Some("delete from api_tokens where name = 'deleted'")),
    ] {
        let token = app.api_token(case, &["read"], json!({})).await;
        assert_eq!(reads(&app, &token).await, 200, "{case}");
        match ends {
            Some(statement) => app.execute(statement).await,
            None => assert_eq!(app.delete(&path(&token)).await.status, 204),
        }
        assert_eq!(reads(&app, &token).await, 401, "{case}");
    }
    let listed = app.get("/tokens").await.ok();
    let states: Vec<&Value> = listed["data"].as_array().expect("tokens").iter().map(|token| &token["state"]).collect();
    assert_eq!(states, ["expired", "revoked"]);
    let metrics = app.get("/metrics").as_nobody().await.text;
    for reason in ["revoked", "expired", "unknown"] {
        assert!(metrics.contains(&format!("elt_api_tokens_refused_total{{reason=\"{reason}\"}} 1\n")), "{metrics}");
    }
}

#[tokio::test]
async fn a_token_can_do_no_more_than_its_owner_can_now() {
    let app = app().await;
    let ann = add_user(&app, "ann", "admin").await;
    let session = app.login("ann", "correct horse").await;
    let (reader, uploader) =
        (own_token(&app, &session, &["read", "data"]).await, own_token(&app, &session, &["upload"]).await);
    let uploads = async || {
        let upload = app.post("/upload-config").bearer(text(&uploader["token"])).yaml("name: a\n");
        upload.await.status.as_u16()
    };
    assert_eq!((reads(&app, &reader).await, uploads().await), (200, 200));
    app.patch(&ann).json(json!({ "role": "user" })).await.ok();
    assert_eq!((reads(&app, &reader).await, uploads().await), (403, 200), "a user may upload, but not read runs");
    app.patch(&ann).json(json!({ "disabled": true })).await.ok();
    assert_eq!((reads(&app, &reader).await, uploads().await), (401, 401));
    app.patch(&ann).json(json!({ "disabled": false, "role": "admin" })).await.ok();
    assert_eq!((reads(&app, &reader).await, uploads().await), (200, 200));
    assert_eq!(app.delete(&ann).await.status, 204);
    add_user(&app, "ann", "admin").await;
    assert_eq!((reads(&app, &reader).await, uploads().await), (401, 401), "the name belongs to someone else now");
}

#[tokio::test]
async fn a_token_waits_for_the_second_factor_of_its_owner_but_not_of_a_service_account() {
    let app = TestApp::start_with(|options| {
        options.workers = 0;
        options.api.require_totp = RequireTotp::All;
    })
    .await;
    app.execute(
        "insert into users (id, username, role, is_service) values (gen_random_uuid(), 'deploy', 'admin', true)",
    )
    .await;
    let mut texts = Vec::new();
    for owner in ["admin", "deploy"] {
        let owner = users::find_by_name(&app.db, owner).await.expect("looked").expect("an owner");
        let grant = Grant { name: owner.username.clone(), scopes: vec![Scope::Read], pipelines: None, days: 1 };
        let (token, hash) = api_token::generate();
        let mut tx = app.db.begin().await.expect("a transaction");
        api_tokens::create(&mut tx, owner.id, &grant, &hash, "a test", 20).await.expect("created");
        tx.commit().await.expect("committed");
        texts.push(json!({ "token": token.expose() }));
    }
    assert_eq!((reads(&app, &texts[0]).await, reads(&app, &texts[1]).await), (401, 200));
}

#[tokio::test]
async fn users_create_tokens_for_themselves_with_the_scopes_of_their_role() {
    let app = app().await;
    for scope in ["trigger", "read", "admin"] {
        let request = app.post("/tokens").as_user().json(json!({ "name": "a", "scopes": [scope] }));
        assert_eq!(request.await.problem(422)["code"], "scope_not_allowed", "{scope}");
    }
    let own = app.post("/tokens").as_user().json(json!({ "name": "mine", "scopes": ["upload", "data"] })).await.ok();
    let of_admin = app.api_token("theirs", &["read"], json!({})).await;
    let listed = app.get("/tokens").as_user().await.ok();
    assert_eq!(listed["data"].as_array().expect("tokens").len(), 1);
    assert_eq!(listed["data"][0]["name"], "mine");
    app.delete(&path(&of_admin)).as_user().await.problem(404);
    assert_eq!(reads(&app, &of_admin).await, 200);
    assert_eq!(app.delete(&path(&own)).as_user().await.status, 204);
    let for_other = json!({ "name": "b", "scopes": ["data"], "owner": "admin" });
    app.post("/tokens").as_user().json(for_other).await.problem(403);
    let for_person = json!({ "name": "b", "scopes": ["data"], "owner": "user" });
    assert_eq!(app.post("/tokens").json(for_person).await.problem(403)["code"], "other_owner");
}

#[tokio::test]
async fn what_cannot_be_granted_is_refused_with_its_reason() {
    let app = TestApp::start_with(|options| {
        options.workers = 0;
        options.api.tokens.token_max_days = 30;
        options.api.tokens.tokens_per_owner = 2;
    })
    .await;
    let too_many: Vec<String> = (0..101).map(|number| number.to_string()).collect();
    for (change, code) in [
        (json!({ "scopes": [] }), "no_scopes"),
        (json!({ "scopes": ["root"] }), "invalid_json"),
        (json!({ "name": "" }), "invalid_name"),
        (json!({ "name": "a\nb" }), "invalid_name"),
        (json!({ "name": "deploy\u{200b}" }), "invalid_name"),
        (json!({ "name": "x".repeat(101) }), "invalid_name"),
        (json!({ "pipelines": [] }), "invalid_pipelines"),
        (json!({ "pipelines": [""] }), "invalid_pipelines"),
        (json!({ "pipelines": too_many }), "invalid_pipelines"),
        (json!({ "expires_in_days": 0 }), "invalid_expiry"),
        (json!({ "expires_in_days": 31 }), "invalid_expiry"),
        (json!({ "expires_in_days": 65_536 }), "invalid_json"),
    ] {
        let mut request = json!({ "name": "a", "scopes": ["read"] });
        request.as_object_mut().expect("an object").extend(change.as_object().expect("an object").clone());
        let problem = app.post("/tokens").json(request).await.problem(422);
        assert_eq!(problem["code"], code, "{change}");
    }
    let create = |name: &str| app.post("/tokens").json(json!({ "name": name, "scopes": ["read"] }));
    let first = create("CI").await.ok();
    assert_eq!(create("ci").await.problem(409)["code"], "name_taken");
    create("two").await.ok();
    assert_eq!(create("three").await.problem(409)["code"], "too_many_tokens");
    app.delete(&path(&first)).await.ok();
    create("ci").await.ok();
    app.execute("update api_tokens set expires_at = now() where name = 'ci'").await;
    create("ci").await.ok();
    // Revoking makes room, but not for any number of tokens a day.
    let mut created = 4;
    while create("again").await.status == 201 {
        created += 1;
        app.execute("update api_tokens set revoked_at = now() where name = 'again'").await;
        assert!(created <= 20, "{created} tokens in a day");
    }
}

#[tokio::test]
async fn tokens_created_at_once_are_counted_one_by_one() {
    let app = TestApp::start_with(|options| {
        options.workers = 0;
        options.api.tokens.tokens_per_owner = 3;
    })
    .await;
    let create = |number: i32| {
        let request = app.post("/tokens").json(json!({ "name": format!("t{number}"), "scopes": ["read"] }));
        async move { request.await.status.as_u16() }
    };
    app.token(crate::support::app::Login::Admin).await;
    let answers = futures::future::join_all((0..12).map(create)).await;
    assert_eq!(answers.iter().filter(|status| **status == 201).count(), 3, "{answers:?}");
}

#[tokio::test]
async fn no_token_creates_tokens_users_or_passwords() {
    let app = app().await;
    let token = app.api_token("all", &["trigger", "read", "upload", "data", "admin"], json!({})).await;
    let send =
        |method: &str, path: &str, body: Value| app.request(method, path).bearer(text(&token["token"])).json(body);
    let users = send("GET", "/users", json!({})).await.ok();
    let admin = format!("/users/{}", text(&users["data"][0]["id"]));
    let password = json!({ "old_password": "admin123", "new_password": "correct horse" });
    for (method, path, body) in [
        ("POST", "/tokens", json!({ "name": "child", "scopes": ["read"] })),
        ("GET", "/tokens", json!({})),
        ("POST", "/users", json!({ "username": "eve", "password": "correct horse", "role": "admin" })),
        ("POST", "/service-accounts", json!({ "username": "eve", "role": "admin" })),
        ("PATCH", &admin, json!({ "password": "correct horse" })),
        ("DELETE", &admin, json!({})),
        ("POST", "/auth/password", password),
        ("POST", "/auth/logout", json!({})),
        ("GET", "/config/1", json!({})),
    ] {
        assert_eq!(send(method, path, body).await.problem(403)["code"], "session_only", "{method} {path}");
    }
}

#[tokio::test]
async fn a_service_account_acts_through_tokens_only() {
    let app = app().await;
    let new = json!({ "username": "deploy", "role": "admin" });
    let account = app.post("/service-accounts").json(new.clone()).await;
    assert_eq!((account.status.as_u16(), &account["is_service"]), (201, &json!(true)));
    assert_eq!(app.post("/service-accounts").json(new.clone()).await.problem(409)["code"], "username_taken");
    app.post("/service-accounts").as_user().json(new).await.problem(403);
    for name in ["token:ci", "CLI:root", "", "adm\u{200b}in", "\u{202e}nimda"] {
        for (path, more) in [("/users", json!({ "password": "correct horse" })), ("/service-accounts", json!({}))] {
            let mut request = json!({ "username": name, "role": "user" });
            request.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
            assert_eq!(app.post(path).json(request).await.problem(422)["code"], "invalid_username", "{name}");
        }
    }
    for password in ["", "null", "correct horse"] {
        let login = json!({ "username": "deploy", "password": password });
        app.post("/auth/login").as_nobody().json(login).await.problem(401);
    }
    let location = account.header("location").to_owned();
    let problem = app.patch(&location).json(json!({ "password": "correct horse" })).await.problem(422);
    assert_eq!(problem["code"], "service_account");
    let token = app.api_token("deploy", &["read"], json!({ "owner": "Deploy" })).await;
    assert_eq!((&token["owner"], reads(&app, &token).await), (&json!("deploy"), 200));
    // An admin that cannot log in does not count as the last one.
    let users = app.get("/users").await.ok();
    let admin = users["data"].as_array().expect("users").iter().find(|user| user["username"] == "admin");
    let admin = format!("/users/{}", text(&admin.expect("the admin")["id"]));
    assert_eq!(app.delete(&admin).await.problem(409)["code"], "last_admin");
    app.patch(&location).json(json!({ "disabled": true })).await.ok();
    assert_eq!(reads(&app, &token).await, 401);
}

#[tokio::test]
async fn the_audit_names_the_token() {
    let app = app().await;
    let token = app.api_token("nightly", &["upload"], json!({})).await;
    let bearer = text(&token["token"]);
    app.post("/upload-config").bearer(bearer).yaml("name: a\n").await.ok();
    app.post("/trigger-job").bearer(bearer).yaml("name: a\n").await.problem(403);
    app.delete(&path(&token)).await.ok();
    app.post("/upload-config").bearer(bearer).yaml("name: a\n").await.problem(401);
    let rows = app
        .control("select actor, action, outcome, object, detail from elt.audit where action !~ 'login' order by id")
        .await;
    let told: Vec<_> =
        rows.iter().map(|row| (text(&row["actor"]), text(&row["action"]), text(&row["outcome"]))).collect();
    assert_eq!(
        told,
        [
            ("admin", "POST /tokens", "done"),
            ("token:nightly", "POST /upload-config", "done"),
            ("token:nightly", "POST /trigger-job", "denied"),
            ("admin", "DELETE /tokens/{id}", "done"),
        ]
    );
    assert_eq!(
        (&rows[0]["detail"]["scopes"], &rows[0]["detail"]["token_owner"]),
        (&json!(["upload"]), &json!("admin"))
    );
    assert_eq!((&rows[1]["detail"]["owner"], &rows[1]["detail"]["token_id"]), (&json!("admin"), &token["id"]));
}

#[tokio::test]
async fn too_many_requests_of_a_token_are_refused_and_leave_no_row() {
    let app = TestApp::start_with(|options| {
        options.workers = 0;
        options.api.token_rate = NonZeroU32::new(1).expect("more than zero");
    })
    .await;
    let token = app.api_token("busy", &["upload"], json!({})).await;
    let other = app.api_token("quiet", &["read"], json!({})).await;
    let send = || app.post("/trigger-job").bearer(text(&token["token"]));
    send().await.problem(403);
    for _ in 0..5 {
        let refused = send().await;
        let wait: u64 = refused.header("retry-after").parse().expect("seconds");
        assert!((1..=60).contains(&wait), "{wait}");
        assert_eq!(refused.problem(429)["code"], "too_many_requests");
    }
    assert_eq!(reads(&app, &other).await, 200, "other tokens are not concerned");
    let rows = app.control("select from elt.audit where actor = 'token:busy'").await;
    assert_eq!(rows.len(), 1);
}

#[tokio::test]
async fn a_wrong_token_is_only_counted() {
    let app = app().await;
    let lines = app.control("select from elt.log_lines").await.len();
    let right = app.api_token("right", &["read"], json!({})).await;
    let (unknown, _) = api_token::generate();
    let right = text(&right["token"]);
    for token in [unknown.expose(), &right[..39], "elt_", "elt_%00", &right.to_lowercase(), &format!("{right} x")] {
        let answer = app.post("/runs").bearer(token).await.problem(401);
        assert_eq!(answer["detail"], "the API token is not known", "{token}");
    }
    assert!(app.get("/metrics").as_nobody().await.text.contains("refused_total{reason=\"unknown\"} 6\n"));
    assert_eq!(app.control("select from elt.audit where action = 'POST /runs'").await.len(), 0);
    assert_eq!(app.control("select from elt.log_lines").await.len(), lines);
}

#[tokio::test]
async fn the_use_of_a_token_is_noted_once_a_minute() {
    let app = app().await;
    let token = app.api_token("used", &["read"], json!({})).await;
    let used = async || app.control("select last_used_at, last_used_ip, xmin::text from api_tokens").await.remove(0);
    assert_eq!(used().await["last_used_at"], Value::Null);
    reads(&app, &token).await;
    let first = used().await;
    assert_eq!(first["last_used_ip"], "127.0.0.1");
    for _ in 0..20 {
        reads(&app, &token).await;
    }
    assert_eq!(used().await, first, "not written again");
    app.execute("update api_tokens set last_used_at = now() - interval '61 seconds'").await;
    reads(&app, &token).await;
    assert!(text(&used().await["last_used_at"]) > text(&first["last_used_at"]));
}

#[tokio::test]
async fn a_stream_ends_at_once_with_the_token_that_reads_it() {
    let app = app().await;
    let mut slow = Vec::from(["revoked", "demoted", "owner removed"]);
    // A stream looks by itself whether it may go on, up to 15 seconds after it began. A busy machine may be slower than
    // the notification now and then, so each case is tried until its stream ended sooner.
    for attempt in 0..8 {
        let name = format!("deploy{attempt}");
        let account = app.post("/service-accounts").json(json!({ "username": name, "role": "admin" })).await;
        let account = account.header("location").to_owned();
        let token = async |case: &str| app.api_token(case, &["read"], json!({ "owner": name })).await;
        let revoked = token("revoked").await;
        let revoked = listen(&app, &revoked, async || _ = app.delete(&path(&revoked)).await).await;
        let demoted = token("demoted").await;
        let demote = async || _ = app.patch(&account).json(json!({ "role": "user" })).await;
        let demoted = listen(&app, &demoted, demote).await;
        app.patch(&account).json(json!({ "role": "admin" })).await.ok();
        let removed = token("removed").await;
        let removed = listen(&app, &removed, async || _ = app.delete(&account).await).await;
        let took = [("revoked", revoked), ("demoted", demoted), ("owner removed", removed)];
        slow.retain(|case| !took.iter().any(|(of, took)| of == case && *took < Duration::from_secs(8)));
        if slow.is_empty() {
            return;
        }
    }
    panic!("these streams go on until they look by themselves: {slow:?}");
}

/// How long a stream goes on after `happens`.
async fn listen(app: &TestApp, token: &Value, happens: impl AsyncFnOnce()) -> Duration {
    let response = app.get("/logs/follow").bearer(text(&token["token"])).open().await;
    assert_eq!(response.status(), 200);
    let mut chunks = response.bytes_stream();
    happens().await;
    let since = Instant::now();
    let reading = async { while let Some(Ok(_)) = chunks.next().await {} };
    tokio::time::timeout(PATIENCE, reading).await.expect("the stream ends");
    since.elapsed()
}

#[tokio::test]
async fn an_idempotency_key_is_not_shared_between_tokens_or_with_their_owner() {
    let app = app().await;
    let upload = app.post("/upload-config").yaml(&app.yaml("orders", "")).await.ok();
    let start = |token: &str| {
        let request = app.post("/runs").bearer(token).header("idempotency-key", "k");
        let body = json!({ "config_id": upload["id"] });
        async move { text(&request.json(body).await.ok()["id"]).to_owned() }
    };
    let session = app.token(crate::support::app::Login::Admin).await.to_owned();
    let first = app.api_token("ci", &["trigger"], json!({})).await;
    let (by_admin, by_first) = (start(&session).await, start(text(&first["token"])).await);
    assert_eq!(start(text(&first["token"])).await, by_first);
    app.delete(&path(&first)).await.ok();
    let second = app.api_token("ci", &["trigger"], json!({})).await;
    let by_second = start(text(&second["token"])).await;
    assert!(by_admin != by_first && by_first != by_second, "{by_admin} {by_first} {by_second}");
}

#[tokio::test]
async fn retention_deletes_tokens_that_ended_long_ago() {
    let app = app().await;
    for name in ["live", "revoked", "expired", "just revoked"] {
        app.api_token(name, &["read"], json!({})).await;
    }
    app.execute("update api_tokens set revoked_at = now() - interval '91 days' where name = 'revoked'").await;
    app.execute("update api_tokens set expires_at = now() - interval '91 days' where name = 'expired'").await;
    app.execute("update api_tokens set revoked_at = now() - interval '89 days' where name = 'just revoked'").await;
    let cleaned = retention::clean(&app.db, Kind::ApiTokens, &Keep::default(), None).await.expect("deleted");
    assert_eq!(cleaned.removed, 2);
    let left = app.control("select name from api_tokens order by name").await;
    assert_eq!(left, [json!({ "name": "just revoked" }), json!({ "name": "live" })]);
}
