//! Logging in, and what a token is good for.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use elt_api::AppState;
use elt_api::settings::ApiSettings;
use insta::assert_json_snapshot;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::app::JWT_KEY;

async fn app() -> TestApp {
    TestApp::start_with(|options| options.workers = 0).await
}

fn credentials(username: &str, password: &str) -> Value {
    json!({ "username": username, "password": password })
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

/// What a good token of the admin says. It names a session that is open, as every valid token does.
async fn claims(app: &TestApp) -> Value {
    let token = app.login("admin", "admin123").await;
    let payload = token.split('.').nth(1).expect("a payload");
    let payload = BASE64_URL_SAFE_NO_PAD.decode(payload).expect("base64");
    let issued: Value = serde_json::from_slice(&payload).expect("claims");
    json!({
        "sub": "admin", "role": "admin", "jti": issued["jti"], "iss": "elt", "aud": "elt-api",
        // One second ahead, because the current second may have begun before the users were made, which voids a token.
        "iat": now() + 1, "exp": now() + 600,
    })
}

fn without(mut claims: Value, name: &str) -> Value {
    claims.as_object_mut().expect("an object").remove(name);
    claims
}

fn with(mut claims: Value, name: &str, value: impl Into<Value>) -> Value {
    claims[name] = value.into();
    claims
}

fn signed(claims: &Value) -> String {
    signed_with(&Header::new(Algorithm::HS256), claims, JWT_KEY)
}

fn signed_with(header: &Header, claims: &Value, key: &str) -> String {
    jsonwebtoken::encode(header, claims, &EncodingKey::from_secret(key.as_bytes())).expect("a token")
}

async fn status_of(app: &TestApp, token: &str) -> u16 {
    app.get("/auth/me").bearer(token).await.status.as_u16()
}

#[tokio::test]
async fn a_login_answers_with_a_token_and_the_role() {
    let app = app().await;
    for (username, password, role) in [("admin", "admin123", "admin"), ("user", "user123 is me", "user")] {
        let answer = app.post("/auth/login").as_nobody().json(credentials(username, password)).await.ok();
        assert_eq!(answer["role"], role);
        assert!(answer["expires_at"].is_string());
        let me = app.get("/auth/me").bearer(answer["token"].as_str().expect("a token")).await.ok();
        assert_eq!(me["username"], username);
    }
    let answer = app.post("/auth/login").as_nobody().json(credentials("ADMIN", "admin123")).await;
    assert_eq!(answer.status, 200, "names differ by more than case");
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_user_look_alike() {
    let app = app().await;
    let wrong = app.post("/auth/login").as_nobody().json(credentials("admin", "admin124")).await.problem(401);
    let unknown = app.post("/auth/login").as_nobody().json(credentials("nobody", "admin123")).await.problem(401);
    assert_eq!(wrong, unknown);
    assert_json_snapshot!(wrong, @r#"
    {
      "code": "invalid_credentials",
      "detail": "Invalid credentials",
      "error": "Invalid credentials",
      "instance": "/auth/login",
      "next_step": "Check name and password; an admin can set a new one.",
      "status": 401,
      "title": "Unauthorized",
      "type": "about:blank"
    }
    "#);
}

#[tokio::test]
async fn five_bad_passwords_close_the_door_for_a_while() {
    let app = app().await;
    let attempt = |username, password| app.post("/auth/login").as_nobody().json(credentials(username, password));
    for _ in 0..5 {
        assert_eq!(attempt("admin", "guess").await.status, 401);
    }
    let closed = attempt("admin", "admin123").await;
    assert_eq!(closed.status, 429, "the right password waits too");
    let wait: u64 = closed.header("retry-after").parse().expect("seconds");
    assert!((1..=60).contains(&wait), "{wait}");
    assert_eq!(attempt("user", "user123 is me").await.status, 200, "others are not kept out");

    let spoofed = attempt("admin", "admin123").header("x-forwarded-for", "203.0.113.9").await;
    assert_eq!(spoofed.status, 429, "a client does not say where it comes from");
}

#[tokio::test]
async fn guesses_made_at_once_are_counted_too() {
    let app = app().await;
    let guess = || app.post("/auth/login").as_nobody().json(credentials("admin", "guess"));
    let answers = futures::future::join_all((0..20).map(|_| async { guess().await.status.as_u16() })).await;
    assert_eq!(answers.iter().filter(|status| **status == 401).count(), 5);
    assert_eq!(answers.iter().filter(|status| **status == 429).count(), 15);
}

#[tokio::test]
async fn one_password_is_not_tried_on_many_names() {
    let app = app().await;
    let mut answers = Vec::new();
    for name in 0..60 {
        let guess = app.post("/auth/login").as_nobody().json(credentials(&format!("name{name}"), "a guess"));
        answers.push(guess.await.status.as_u16());
    }
    assert_eq!(answers[..20], [401; 20]);
    assert_eq!(answers[20..], [429; 40]);
}

#[tokio::test]
async fn a_flood_of_logins_is_turned_away_at_once() {
    let app = app().await;
    let guess = async |name: usize| {
        let answer = app.post("/auth/login").as_nobody().json(credentials(&format!("name{name}"), "a guess")).await;
        assert!(answer.status == 401 || answer.status == 429, "{}", answer.status);
        if answer.status == 429 {
            assert!(answer.header("retry-after").parse::<u64>().is_ok_and(|seconds| seconds > 0));
        }
        answer.status.as_u16()
    };
    let answers = futures::future::join_all((0..200).map(guess)).await;
    let looked_at = answers.iter().filter(|status| **status == 401).count();
    // Twenty failures block the address. At most eight more logins were being checked at that moment.
    assert!((1..=28).contains(&looked_at), "{looked_at} logins were checked");
}

#[tokio::test]
async fn people_change_their_own_password_when_they_know_the_old_one() {
    let app = app().await;
    let (token, other) = (app.login("user", "user123 is me").await, app.login("user", "user123 is me").await);
    let change = |token: &str, old: &str, new: &str| {
        app.post("/auth/password").bearer(token).json(json!({ "old_password": old, "new_password": new }))
    };
    assert_eq!(change(&token, "not this one", "a new password").await.problem(403)["code"], "wrong_password");
    for (new, code) in [
        ("short", "invalid_password"),
        ("Passw0rd!", "common_password"),
        ("12345678", "common_password"),
        ("aaaaaaaaaa", "common_password"),
    ] {
        assert_eq!(change(&token, "user123 is me", new).await.problem(422)["code"], code, "{new}");
    }
    app.post("/auth/password").as_nobody().json(json!({})).await.problem(401);

    let changed = change(&token, "user123 is me", "a new password").await.ok();
    assert_eq!(status_of(&app, &token).await, 401, "a stolen token does not outlive the change");
    assert_eq!(status_of(&app, &other).await, 401);
    assert_eq!(status_of(&app, changed["token"].as_str().expect("a token")).await, 200);
    let old = app.post("/auth/login").as_nobody().json(credentials("user", "user123 is me")).await;
    assert_eq!(old.status, 401);
    app.login("user", "a new password").await;
}

#[tokio::test]
async fn guesses_at_the_old_password_are_counted_like_logins() {
    let app = app().await;
    let token = app.login("user", "user123 is me").await;
    let guess = json!({ "old_password": "a guess", "new_password": "a new password" });
    for _ in 0..5 {
        app.post("/auth/password").bearer(&token).json(guess.clone()).await.problem(403);
    }
    app.post("/auth/password").bearer(&token).json(guess).await.problem(429);
}

#[tokio::test]
async fn an_admin_cannot_set_a_common_password_either() {
    let app = app().await;
    for password in ["password", "1234567", "aaaaaaa"] {
        let new = json!({ "username": "ann", "password": password, "role": "user" });
        app.post("/users").json(new).await.problem(422);
    }
}

#[tokio::test]
async fn good_logins_made_at_once_are_all_let_in() {
    let app = app().await;
    let login = || app.post("/auth/login").as_nobody().json(credentials("admin", "admin123"));
    let answers = futures::future::join_all((0..20).map(|_| async { login().await.status.as_u16() })).await;
    assert_eq!(answers, [200; 20]);
}

#[tokio::test]
async fn an_endless_password_is_refused_before_it_costs_anything() {
    let app = app().await;
    let answer = app.post("/auth/login").as_nobody().json(credentials("admin", &"x".repeat(1 << 20))).await;
    assert_eq!(answer.problem(413)["code"], "too_large");
}

#[tokio::test]
async fn without_a_token_of_ours_every_door_is_closed() {
    let app = app().await;
    assert_json_snapshot!(app.get("/auth/me").as_nobody().await.problem(401), @r#"
    {
      "code": "unauthorized",
      "detail": "you are not logged in",
      "error": "you are not logged in",
      "instance": "/auth/me",
      "next_step": "Log in with POST /auth/login and send the token as `Authorization: Bearer …`.",
      "status": 401,
      "title": "Unauthorized",
      "type": "about:blank"
    }
    "#);
    for scheme in ["Basic YWRtaW46YWRtaW4xMjM=", "Token abc", "Bearer", "bearer x.y.z"] {
        let answer = app.get("/auth/me").as_nobody().header("authorization", scheme).await;
        assert_eq!(answer.status, 401, "{scheme}");
        assert_eq!(answer.header("www-authenticate"), "Bearer");
    }
}

#[tokio::test]
async fn only_our_key_and_our_algorithm_sign_tokens() {
    let app = app().await;
    let claims = claims(&app).await;
    assert_eq!(status_of(&app, &signed(&claims)).await, 200, "the forgeries below fail for their own reason");

    let payload = BASE64_URL_SAFE_NO_PAD.encode(claims.to_string());
    for none in ["none", "None", "nOnE", "NONE"] {
        let header = BASE64_URL_SAFE_NO_PAD.encode(json!({ "alg": none, "typ": "JWT" }).to_string());
        assert_eq!(status_of(&app, &format!("{header}.{payload}.")).await, 401, "{none}");
    }
    for algorithm in [Algorithm::HS384, Algorithm::HS512] {
        assert_eq!(status_of(&app, &signed_with(&Header::new(algorithm), &claims, JWT_KEY)).await, 401);
    }
    let other = signed_with(&Header::new(Algorithm::HS256), &claims, "another key, which is also 32 bytes long");
    assert_eq!(status_of(&app, &other).await, 401);

    let user = signed(&with(with(claims, "sub", "user"), "role", "user"));
    let (header, rest) = user.split_once('.').expect("a token");
    let (_, signature) = rest.split_once('.').expect("a token");
    assert_eq!(status_of(&app, &format!("{header}.{payload}.{signature}")).await, 401, "a role is not edited in");
}

#[tokio::test]
async fn a_token_counts_in_its_time_and_for_its_purpose_only() {
    let app = app().await;
    let good = claims(&app).await;
    let cases = [
        ("expired", with(good.clone(), "exp", now() - 60)),
        ("not yet", with(good.clone(), "nbf", now() + 60)),
        ("never expires", without(good.clone(), "exp")),
        ("nobody's", without(good.clone(), "sub")),
        ("for nobody", without(good.clone(), "aud")),
        ("for others", with(good.clone(), "aud", "another-service")),
        ("by others", with(good.clone(), "iss", "another-service")),
        ("nameless", without(good.clone(), "jti")),
        ("of no name", with(good.clone(), "sub", "adm\0in")),
    ];
    for (case, claims) in cases {
        assert_eq!(status_of(&app, &signed(&claims)).await, 401, "{case}");
    }
    assert_eq!(status_of(&app, &signed(&with(good.clone(), "exp", now() - 1))).await, 200, "clocks differ a little");
    let expired = app.get("/auth/me").bearer(&signed(&with(good, "exp", now() - 60))).await.problem(401);
    assert_eq!(expired["detail"], "the token has expired");
}

#[tokio::test]
async fn what_a_header_points_at_is_ignored() {
    let app = app().await;
    let claims = claims(&app).await;
    for kid in ["../../../../dev/null", "' or 1=1 --"] {
        let header = Header {
            kid: Some(kid.into()),
            jku: Some("http://127.0.0.1:1/keys".into()),
            x5u: Some("http://127.0.0.1:1/cert".into()),
            ..Header::new(Algorithm::HS256)
        };
        assert_eq!(status_of(&app, &signed_with(&header, &claims, JWT_KEY)).await, 200);
        assert_eq!(status_of(&app, &signed_with(&header, &claims, "")).await, 401);
    }
}

#[tokio::test]
async fn a_huge_token_and_the_key_itself_are_no_tokens() {
    let app = app().await;
    let huge = signed(&with(claims(&app).await, "padding", "x".repeat(8_192)));
    assert!(matches!(status_of(&app, &huge).await, 401 | 431));
    let key = app.get("/auth/me").bearer("a-signing-key-is-not-a-token").await.problem(401);
    assert_json_snapshot!(key["detail"], @r#""this is not a token: log in to get one; a signing key is not sent""#);
}

#[tokio::test]
async fn a_weak_key_keeps_the_api_from_starting() {
    let db = sqlx::PgPool::connect_lazy("postgres://nobody@127.0.0.1:1/none").expect("a pool");
    let good = "a good key, which is 32 bytes long";
    let equal = "a".repeat(32);
    let repeated = "changeme".repeat(5);
    let counted = "0123456789abcde".repeat(4);
    for weak in ["secret", "", &equal, &repeated, &counted] {
        for (jwt_key, secret_key) in [(weak, good), (good, weak)] {
            let settings = ApiSettings::with_keys(jwt_key.into(), secret_key.into());
            let error = AppState::new(db.clone(), settings).err().expect("refused");
            assert!(error.to_string().contains("at least 32 random bytes"), "{error}");
        }
    }
    let settings = ApiSettings { jwt_key: None, ..ApiSettings::with_keys(good.into(), good.into()) };
    assert!(AppState::new(db, settings).is_err());
}

#[tokio::test]
async fn a_logout_counts_at_once() {
    let app = app().await;
    let (token, other) = (app.login("user", "user123 is me").await, app.login("user", "user123 is me").await);
    assert_eq!(app.post("/auth/logout").bearer(&token).await.status, 204);
    assert_eq!(status_of(&app, &token).await, 401);
    assert_eq!(status_of(&app, &other).await, 200, "other logins of the same user stay");
}

#[tokio::test]
async fn what_an_admin_decides_about_a_user_counts_at_once() {
    let app = app().await;
    let new = json!({ "username": "Zoë", "password": "correct horse", "role": "admin" });
    let user = app.post("/users").json(new.clone()).await;
    assert_eq!(user.status, 201);
    let path = user.header("location").to_owned();
    assert_eq!(app.post("/users").json(new).await.problem(409)["code"], "username_taken");
    let token = app.login("zoë", "correct horse").await;
    assert_eq!(app.get("/users").bearer(&token).await.status, 200);

    app.patch(&path).json(json!({ "role": "user" })).await.ok();
    assert_eq!(app.get("/users").bearer(&token).await.status, 401, "an old token does not outlive a demotion");
    let token = app.login("zoë", "correct horse").await;
    assert_eq!(app.get("/users").bearer(&token).await.status, 403);

    app.patch(&path).json(json!({ "password": "a new password" })).await.ok();
    assert_eq!(status_of(&app, &token).await, 401);
    let token = app.login("zoë", "a new password").await;
    app.patch(&path).json(json!({ "disabled": true })).await.ok();
    assert_eq!(status_of(&app, &token).await, 401);
    let login = app.post("/auth/login").as_nobody().json(credentials("zoë", "a new password")).await;
    assert_eq!(login.status, 401);

    app.patch(&path).json(json!({ "disabled": false })).await.ok();
    let token = app.login("zoë", "a new password").await;
    assert_eq!(app.delete(&path).await.status, 204);
    assert_eq!(status_of(&app, &token).await, 401);
    assert_eq!(app.delete(&path).await.status, 404);
}

#[tokio::test]
async fn the_last_admin_stays() {
    let app = app().await;
    let users = app.get("/users").await.ok();
    let admin = users["data"].as_array().expect("users").iter().find(|user| user["role"] == "admin").expect("an admin");
    let path = format!("/users/{}", admin["id"].as_str().expect("an id"));
    for change in [json!({ "role": "user" }), json!({ "disabled": true })] {
        assert_eq!(app.patch(&path).json(change).await.problem(409)["code"], "last_admin");
    }
    assert_eq!(app.delete(&path).await.problem(409)["code"], "last_admin");
    assert_eq!(users["data"][0].get("password_hash"), None);
}

#[tokio::test]
async fn a_token_of_a_removed_user_stays_invalid_when_the_name_is_used_again() {
    let app = app().await;
    let add = async |name: &str, role: &str| {
        let new = json!({ "username": name, "password": "correct horse", "role": role });
        app.post("/users").json(new).await.header("location").to_owned()
    };
    let first = add("bob", "user").await;
    let token = app.login("bob", "correct horse").await;
    assert_eq!(status_of(&app, &token).await, 200);
    assert_eq!(app.delete(&first).await.status, 204);
    // The name is free again, in any spelling, and another user takes it.
    add("Bob", "admin").await;
    assert_eq!(status_of(&app, &token).await, 401);
    assert_eq!(app.get("/users").bearer(&token).await.status, 401);
    let own = app.login("bob", "correct horse").await;
    assert_eq!(app.get("/users").bearer(&own).await.status, 200);
}
