//! The users of people who log in at an identity provider: their role, their name, and who is locked out.

use serde_json::{Value, json};

use super::{log_in, me, start, token_of};

#[tokio::test]
async fn groups_of_another_shape_or_name_have_no_role() {
    let (provider, key, app) = start().await;
    for groups in [
        json!(null),
        json!([]),
        json!("elt-admins,analysts"),
        json!(["ELT-ADMINS"]),
        json!({ "elt-admins": true }),
        json!([["elt-admins"]]),
        json!(["elt-admins", 7]),
    ] {
        let finished = log_in(&provider, &key, &app, "eve", groups.clone()).await;
        assert_eq!((finished.outcome().as_str(), finished.code_cookie()), ("no_role", None), "{groups}");
    }
    let one = log_in(&provider, &key, &app, "ann", json!("analysts")).await;
    assert_eq!(me(&app, &token_of(&app, &one).await).await["role"], "user", "one group as a text");
    let denied = app.get("/audit").query(&[("actor", "eve")]).await.ok();
    assert_eq!(denied["data"][0]["outcome"], "denied");
    assert_eq!(denied["data"][0]["detail"]["code"], "no_role");
}

#[tokio::test]
async fn the_role_follows_the_groups_at_every_login() {
    let (provider, key, app) = start().await;
    let log_in = async |groups: Value| log_in(&provider, &key, &app, "ann", groups).await;
    let admin = token_of(&app, &log_in(json!(["elt-admins"])).await).await;
    assert_eq!(app.get("/users").bearer(&admin).await.status, 200);
    let user = token_of(&app, &log_in(json!(["analysts"])).await).await;
    app.get("/auth/me").bearer(&admin).await.problem(401);
    assert_eq!(app.get("/users").bearer(&user).await.status, 403);
    let admin = token_of(&app, &log_in(json!(["elt-admins"])).await).await;
    assert_eq!(log_in(json!([])).await.outcome(), "no_role");
    app.get("/auth/me").bearer(&admin).await.problem(401);
    let users = app.get("/users").await.ok();
    let ann = users["data"].as_array().expect("users").iter().find(|user| user["username"] == "ann").expect("ann");
    assert_eq!(ann["role"], "user", "the lost groups took the role");
}

#[tokio::test]
async fn an_admin_decides_who_is_locked_out_and_who_is_removed() {
    let (provider, key, app) = start().await;
    let log_in = async || log_in(&provider, &key, &app, "ann", json!(["elt-admins"])).await;
    let token = token_of(&app, &log_in().await).await;
    let users = app.get("/users").await.ok();
    let ann = users["data"].as_array().expect("users").iter().find(|user| user["username"] == "ann").expect("ann");
    let path = format!("/users/{}", ann["id"].as_str().expect("an id"));

    let waiting = log_in().await.code_cookie().expect("a code");
    app.patch(&path).json(json!({ "disabled": true })).await.ok();
    app.get("/auth/me").bearer(&token).await.problem(401);
    let late = app.post("/auth/oidc/token").as_nobody().header("cookie", &waiting).await;
    assert_eq!(late.problem(401)["code"], "login_not_finished", "a code from before is void");
    assert_eq!(log_in().await.outcome(), "disabled");

    app.patch(&path).json(json!({ "disabled": false })).await.ok();
    let token = token_of(&app, &log_in().await).await;
    let password = app.patch(&path).json(json!({ "password": "correct horse" })).await;
    assert_eq!(password.problem(409)["code"], "external_user");
    let change = json!({ "old_password": "x", "new_password": "correct horse" });
    assert_eq!(app.post("/auth/password").bearer(&token).json(change).await.problem(409)["code"], "external_user");
    assert_eq!(app.delete(&path).await.status, 204);
    app.get("/auth/me").bearer(&token).await.problem(401);
    let new = token_of(&app, &log_in().await).await;
    app.get("/auth/me").bearer(&token).await.problem(401);
    assert_eq!(me(&app, &new).await["username"], "ann", "a new user, whose old tokens stay void");
}

#[tokio::test]
async fn a_local_user_of_the_same_name_is_never_taken_over() {
    let (provider, key, app) = start().await;
    let token = token_of(&app, &log_in(&provider, &key, &app, "Admin", json!(["analysts"])).await).await;
    let me = me(&app, &token).await;
    let name = me["username"].as_str().expect("a name");
    assert!(name.starts_with("Admin-") && name.len() == 14, "{name}");
    assert_eq!(me["role"], "user");
    let password = json!({ "username": name, "password": "" });
    app.post("/auth/login").as_nobody().json(password).await.problem(401);
    app.login("admin", "admin123").await;
}

#[tokio::test]
async fn a_person_gets_no_name_that_the_audit_uses_for_programs() {
    let (provider, key, app) = start().await;
    for who in ["token:deploy", "CLI:root"] {
        let token = token_of(&app, &log_in(&provider, &key, &app, who, json!(["elt-admins"])).await).await;
        let name = me(&app, &token).await["username"].as_str().expect("a name").to_lowercase();
        assert!(!name.starts_with("token:") && !name.starts_with("cli:"), "{name}");
    }
}

#[tokio::test]
async fn who_is_added_and_gets_another_role_is_in_the_audit() {
    let (provider, key, app) = start().await;
    for groups in [json!(["analysts"]), json!(["analysts"]), json!(["elt-admins"])] {
        log_in(&provider, &key, &app, "ann", groups).await;
    }
    let rows = app
        .control("select actor, detail, request_id from elt.audit where action = 'GET /auth/oidc/callback' order by id")
        .await;
    let noted: Vec<_> = rows.iter().map(|row| (&row["detail"]["created"], &row["detail"]["role"])).collect();
    assert_eq!(noted, [(&json!(true), &json!("user")), (&json!(false), &json!("admin"))]);
    assert!(rows.iter().all(|row| row["actor"] == "ann"));
    let requests: std::collections::BTreeSet<_> =
        rows.iter().map(|row| row["request_id"].as_str().expect("the request's id")).collect();
    assert_eq!(requests.len(), rows.len(), "each row names its own request");
}

#[tokio::test]
async fn the_api_tokens_of_a_person_without_a_group_are_revoked() {
    let (provider, key, app) = start().await;
    let session = token_of(&app, &log_in(&provider, &key, &app, "ann", json!(["elt-admins"])).await).await;
    let asked = json!({ "name": "mine", "scopes": ["read"] });
    let created = app.post("/tokens").bearer(&session).json(asked).await.ok();
    let program = created["token"].as_str().expect("a token");
    app.get("/runs").bearer(program).await.ok();
    log_in(&provider, &key, &app, "ann", json!([])).await;
    app.get("/runs").bearer(program).await.problem(401);
}
