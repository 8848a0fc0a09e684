//! Second factors: codes of an authenticator app, recovery codes, and who must have them.

use elt_api::second_factor::RequireTotp;
use serde_json::{Value, json};
use totp_rs::{Builder, Secret, Totp};

use crate::support::TestApp;

const PASSWORD: &str = "user123 is me";

async fn app() -> TestApp {
    TestApp::start_with(|options| options.workers = 0).await
}

/// An authenticator app.
struct Phone(Totp);

impl Phone {
    fn new(secret: &Value) -> Self {
        let secret = Secret::try_from_base32(secret.as_str().expect("a text")).expect("Base32");
        Self(Builder::new().with_secret(secret).build().expect("a second factor"))
    }

    /// The code of some steps from now. Only that of step 0 is still accepted when a step ends before the server looks.
    fn code(&self, steps: i64) -> String {
        self.0.generate(((step() + steps) * STEP).unsigned_abs()).to_string()
    }
}

/// Seconds for which a code is shown.
const STEP: i64 = 30;

/// The number of the current step.
fn step() -> i64 {
    chrono::Utc::now().timestamp() / STEP
}

async fn try_login(app: &TestApp, code: Option<&str>) -> crate::support::client::Answer {
    let mut request = json!({ "username": "user", "password": PASSWORD });
    if let Some(code) = code {
        request["code"] = code.into();
    }
    app.post("/auth/login").as_nobody().json(request).await
}

async fn begin(app: &TestApp, token: &str) -> Phone {
    let setup = app.post("/auth/second-factor").bearer(token).json(json!({ "password": PASSWORD })).await.ok();
    assert!(setup["uri"].as_str().is_some_and(|uri| uri.starts_with("otpauth://totp/elt:user?")), "{setup}");
    assert!(setup["qr_svg"].as_str().is_some_and(|svg| svg.starts_with("<svg ")), "{setup}");
    Phone::new(&setup["secret"])
}

/// A user with a second factor: the phone, the recovery codes, and the token of the session that set it up.
async fn enrolled(app: &TestApp) -> (Phone, Vec<String>, String) {
    let token = app.login("user", PASSWORD).await;
    let phone = begin(app, &token).await;
    let confirm = json!({ "code": phone.code(0) });
    let confirmed = app.post("/auth/second-factor/confirm").bearer(&token).json(confirm).await.ok();
    let_time_pass(app).await;
    let codes = serde_json::from_value(confirmed["recovery_codes"].clone()).expect("codes");
    (phone, codes, token)
}

/// Makes all codes usable again, as if minutes had passed.
async fn let_time_pass(app: &TestApp) {
    for change in ["update elt.second_factors set last_step = 0, failures = 0", "delete from elt.login_failures"] {
        sqlx::query(change).execute(&app.db).await.expect("changed");
    }
}

#[tokio::test]
async fn a_login_needs_the_code_once_the_factor_is_confirmed() {
    let app = app().await;
    let (token, other) = (app.login("user", PASSWORD).await, app.login("user", PASSWORD).await);
    let phone = begin(&app, &token).await;
    assert_eq!(try_login(&app, None).await.status, 200, "not before a first code was shown");
    let confirm = |code: String| app.post("/auth/second-factor/confirm").bearer(&token).json(json!({ "code": code }));
    assert_eq!(confirm("000000".into()).await.problem(403)["code"], "wrong_code");
    let confirmed = confirm(phone.code(0)).await.ok();
    let_time_pass(&app).await;
    assert_eq!(confirmed["recovery_codes"].as_array().map(Vec::len), Some(10));
    app.get("/auth/me").bearer(&other).await.problem(401);
    assert_eq!(app.get("/auth/me").bearer(&token).await.ok()["second_factor"], true);

    assert_eq!(try_login(&app, None).await.problem(401)["code"], "second_factor_required");
    assert_eq!(try_login(&app, Some(" ")).await.problem(401)["code"], "second_factor_required");
    let wrong_password = json!({ "username": "user", "password": "a guess", "code": phone.code(0) });
    let wrong = app.post("/auth/login").as_nobody().json(wrong_password).await.problem(401);
    assert_eq!(wrong["code"], "invalid_credentials", "only who knows the password learns of the factor");
    let code = phone.code(0);
    assert_eq!(try_login(&app, Some(&code)).await.status, 200);
    assert_eq!(try_login(&app, Some(&code)).await.problem(401)["code"], "wrong_code", "a code works once");
    assert_eq!(confirm(phone.code(1)).await.problem(409)["code"], "no_second_factor", "it is confirmed already");
}

#[tokio::test]
async fn clocks_may_differ_by_one_step_and_codes_never_go_back() {
    let app = app().await;
    let (phone, _, _) = enrolled(&app).await;
    for steps in [-3, 3] {
        assert_eq!(try_login(&app, Some(&phone.code(steps))).await.problem(401)["code"], "wrong_code", "{steps}");
    }
    for steps in [-1, 1] {
        // Says something only when no step ends in between.
        let status = loop {
            let_time_pass(&app).await;
            let begun = step();
            let status = try_login(&app, Some(&phone.code(steps))).await.status;
            if step() == begun {
                break status;
            }
        };
        assert_eq!(status, 200, "{steps}");
    }
    let_time_pass(&app).await;
    assert_eq!(try_login(&app, Some(&phone.code(0))).await.status, 200);
    assert_eq!(try_login(&app, Some(&phone.code(-1))).await.problem(401)["code"], "wrong_code", "an older code");
    for code in ["", "12345", "1234567", "abcdef", "１２３４５６", "0x1234", "-12345"] {
        let code = try_login(&app, Some(code)).await.problem(401)["code"].clone();
        assert!(code == "wrong_code" || code == "second_factor_required");
        let_time_pass(&app).await;
    }
}

#[tokio::test]
async fn one_code_sent_by_many_at_once_logs_one_in() {
    let app = app().await;
    let (phone, _, _) = enrolled(&app).await;
    let code = phone.code(0);
    let logins = (0..5).map(|_| async { try_login(&app, Some(&code)).await.status.as_u16() });
    let answers = futures::future::join_all(logins).await;
    assert_eq!(answers.iter().filter(|status| **status == 200).count(), 1, "{answers:?}");
}

#[tokio::test]
async fn codes_are_not_guessed_from_many_addresses() {
    let app = TestApp::start_with(|options| {
        options.workers = 0;
        options.api.trusted_proxies = vec!["127.0.0.1".parse().expect("an address")];
    })
    .await;
    let (phone, codes, _) = enrolled(&app).await;
    let attempt = |address: usize, code: &str| {
        let request = json!({ "username": "user", "password": PASSWORD, "code": code });
        let address = format!("203.0.113.{address}");
        app.post("/auth/login").as_nobody().header("x-forwarded-for", &address).json(request)
    };
    for address in 0..10 {
        assert_eq!(attempt(address, "000000").await.problem(401)["code"], "wrong_code");
    }
    for right in [phone.code(0), codes[0].clone()] {
        let closed = attempt(99, &right).await;
        let wait: u64 = closed.header("retry-after").parse().expect("seconds");
        assert!((1..=900).contains(&wait), "{wait}");
        closed.problem(429);
    }
}

#[tokio::test]
async fn wrong_codes_count_like_wrong_passwords() {
    let app = app().await;
    let (phone, _, _) = enrolled(&app).await;
    for _ in 0..5 {
        try_login(&app, Some("000000")).await.problem(401);
    }
    try_login(&app, Some(&phone.code(0))).await.problem(429);
}

#[tokio::test]
async fn each_recovery_code_replaces_the_app_once() {
    let app = app().await;
    let (_, codes, _) = enrolled(&app).await;
    assert_eq!(try_login(&app, Some(&codes[0])).await.status, 200);
    assert_eq!(try_login(&app, Some(&codes[0])).await.problem(401)["code"], "wrong_code");
    let typed = codes[1].replace('-', " ").to_uppercase();
    assert_eq!(try_login(&app, Some(&typed)).await.status, 200, "as people type it");
    let kept: Vec<Vec<u8>> =
        sqlx::query_scalar("select code_hash from elt.recovery_codes").fetch_all(&app.db).await.expect("hashes");
    assert_eq!(kept.len(), 8);
    assert!(kept.iter().all(|hash| hash.len() == 32), "only hashes are kept");
}

#[tokio::test]
async fn the_secret_is_sealed_and_shown_once() {
    let app = app().await;
    let token = app.login("user", PASSWORD).await;
    let setup = app.post("/auth/second-factor").bearer(&token).json(json!({ "password": PASSWORD })).await.ok();
    let secret = Secret::try_from_base32(setup["secret"].as_str().expect("text")).expect("Base32");
    let sealed: Vec<u8> =
        sqlx::query_scalar("select sealed from elt.second_factors").fetch_one(&app.db).await.expect("a row");
    assert!(!sealed.windows(20).any(|window| window == secret.as_ref()));
    let audit = app.get("/audit").await.ok().to_string();
    assert!(!audit.contains(setup["secret"].as_str().expect("text")));
    let again = app.post("/auth/second-factor").bearer(&token).json(json!({ "password": PASSWORD })).await.ok();
    assert_ne!(again["secret"], setup["secret"], "a new one, until one is confirmed");
    let wrong = app.post("/auth/second-factor").bearer(&token).json(json!({ "password": "a guess" })).await;
    assert_eq!(wrong.problem(403)["code"], "wrong_password");

    // Sealed for this user: in another user's row it does not open.
    let moved = "update elt.second_factors set user_id = (select id from elt.users where username = 'admin')";
    sqlx::query(moved).execute(&app.db).await.expect("moved");
    let code = Phone::new(&again["secret"]).code(0);
    let admin = app.login("admin", "admin123").await;
    app.post("/auth/second-factor/confirm").bearer(&admin).json(json!({ "code": code })).await.problem(500);
}

#[tokio::test]
async fn a_factor_is_removed_with_password_and_code_or_by_an_admin() {
    let app = app().await;
    let (phone, codes, token) = enrolled(&app).await;
    let remove = |password: &str, code: &str| {
        let request = json!({ "password": password, "code": code });
        app.post("/auth/second-factor/remove").bearer(&token).json(request)
    };
    let begin = app.post("/auth/second-factor").bearer(&token).json(json!({ "password": PASSWORD })).await;
    assert_eq!(begin.problem(409)["code"], "second_factor_exists");
    assert_eq!(remove("a guess", &phone.code(0)).await.problem(403)["code"], "wrong_password");
    assert_eq!(remove(PASSWORD, "000000").await.problem(403)["code"], "wrong_code");
    assert_eq!(remove(PASSWORD, &codes[0]).await.status, 204);
    assert_eq!(try_login(&app, None).await.status, 200);

    let (_, _, token) = enrolled(&app).await;
    let users = app.get("/users").await.ok();
    let user = users["data"].as_array().expect("users").iter().find(|user| user["username"] == "user").expect("one");
    assert_eq!(user["second_factor"], true);
    let path = format!("/users/{}/second-factor", user["id"].as_str().expect("an id"));
    app.delete(&path).bearer(&token).await.problem(403);
    assert_eq!(app.delete(&path).await.status, 204);
    app.delete(&path).await.problem(404);
    app.get("/auth/me").bearer(&token).await.problem(401);
    assert_eq!(try_login(&app, None).await.status, 200);
    let audit =
        app.get("/audit").query(&[("action", "DELETE /users/{id}/second-factor"), ("outcome", "done")]).await.ok();
    assert_eq!(audit["data"][0]["detail"]["second_factor"], "reset");
}

#[tokio::test]
async fn an_installation_may_ask_for_the_factor() {
    for (required, admin, user) in
        [(RequireTotp::Off, 200, 200), (RequireTotp::Admin, 403, 200), (RequireTotp::All, 403, 403)]
    {
        let app = TestApp::start_with(|options| {
            options.workers = 0;
            options.api.require_totp = required;
        })
        .await;
        let status = async |name: &str, password: &str| {
            let token = app.login(name, password).await;
            let me = app.get("/auth/me").bearer(&token).await.ok();
            let answer = app.get("/coverage-report").bearer(&token).await;
            let refused = answer.status == 403;
            assert_eq!(me["second_factor_missing"], refused);
            if refused {
                assert_eq!(answer.problem(403)["code"], "second_factor_missing");
            }
            if refused { 403 } else { 200 }
        };
        assert_eq!(status("admin", "admin123").await, admin, "{required:?}");
        assert_eq!(status("user", PASSWORD).await, user, "{required:?}");
        let (_, _, token) = enrolled(&app).await;
        assert_ne!(app.get("/coverage-report").bearer(&token).await.status, 403, "{required:?}: with the factor");
    }
}
