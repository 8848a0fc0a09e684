//! Logging in at an identity provider, also at one that answers wrongly.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use elt_api::AppState;
use elt_api::oidc::settings::OidcSettings;
use elt_api::settings::ApiSettings;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::identity_provider::{Browser, CLIENT_ID, CLIENT_SECRET, Finished, IdentityProvider, SigningKey};

mod users;

const PUBLIC_URL: &str = "http://localhost:8080";

fn settings(issuer: &str) -> OidcSettings {
    OidcSettings {
        oidc_issuer: Some(issuer.into()),
        oidc_client_id: Some(CLIENT_ID.into()),
        oidc_client_secret: Some(CLIENT_SECRET.into()),
        oidc_admin_groups: vec!["elt-admins".into()],
        oidc_user_groups: vec!["analysts".into()],
        public_url: Some(PUBLIC_URL.into()),
    }
}

async fn app(provider: &IdentityProvider) -> TestApp {
    TestApp::start_with(|options| {
        options.workers = 0;
        options.api.oidc = settings(&provider.issuer);
    })
    .await
}

/// A provider with one key, and an app that trusts it.
async fn start() -> (IdentityProvider, SigningKey, TestApp) {
    let key = SigningKey::new("one", Algorithm::ES256);
    let provider = IdentityProvider::start(&[&key]).await;
    let app = app(&provider).await;
    (provider, key, app)
}

/// What comes of a login of a person with these groups.
async fn log_in(provider: &IdentityProvider, key: &SigningKey, app: &TestApp, who: &str, groups: Value) -> Finished {
    let browser = Browser::new(app);
    let login = browser.begin().await;
    let code = provider.code_for(&login, key.sign(&provider.claims(&login, who, groups)));
    browser.finish(&login, &code).await
}

/// The token that the dashboard fetches after a login.
async fn token_of(app: &TestApp, finished: &Finished) -> String {
    assert_eq!(finished.outcome(), "done");
    let cookie = finished.code_cookie().expect("a code");
    let answer = app.post("/auth/oidc/token").as_nobody().header("cookie", &cookie).await;
    assert!(answer.header("set-cookie").starts_with("elt_login_code=;"), "the cookie is deleted");
    answer.ok()["token"].as_str().expect("a token").to_owned()
}

async fn me(app: &TestApp, token: &str) -> Value {
    app.get("/auth/me").bearer(token).await.ok()
}

#[tokio::test]
async fn a_person_logs_in_at_the_provider_and_gets_the_role_of_their_groups() {
    for algorithm in [Algorithm::ES256, Algorithm::RS256] {
        let key = SigningKey::new("one", algorithm);
        let provider = IdentityProvider::start(&[&key]).await;
        let app = app(&provider).await;
        assert_eq!(app.get("/auth/methods").as_nobody().await.ok(), json!({ "oidc": true }));
        let finished = log_in(&provider, &key, &app, "ann", json!(["x", "elt-admins"])).await;
        assert!(finished.address.as_str().starts_with("http://localhost:8080/ui/login?sso=done"));
        let token = token_of(&app, &finished).await;
        let me = me(&app, &token).await;
        assert_eq!((&me["username"], &me["role"]), (&json!("ann"), &json!("admin")));
        let sessions = app.get("/auth/sessions").bearer(&token).await.ok();
        assert_eq!(sessions[0]["method"], "oidc");
        let again = log_in(&provider, &key, &app, "ann", json!(["elt-admins"])).await;
        token_of(&app, &again).await;
        let users = app.get("/users").await.ok();
        let anns = users["data"].as_array().expect("users").iter().filter(|user| user["issuer"] == provider.issuer);
        assert_eq!(anns.count(), 1, "the same person is the same user");
    }
}

#[tokio::test]
async fn the_request_to_the_provider_is_bound_to_the_browser() {
    let (provider, _, app) = start().await;
    let browser = Browser::new(&app);
    let (one, two) = (browser.begin().await, browser.begin().await);
    assert!(one.url.as_str().starts_with(&format!("{}/authorize?tenant=7&", provider.issuer)), "{}", one.url);
    let expected = [
        ("response_type", "code"),
        ("client_id", CLIENT_ID),
        ("redirect_uri", "http://localhost:8080/auth/oidc/callback"),
        ("code_challenge_method", "S256"),
    ];
    for (name, value) in expected {
        assert_eq!(one.parameter(name), value);
    }
    for name in ["state", "nonce", "code_challenge"] {
        assert_ne!(one.parameter(name), two.parameter(name));
        assert!(!one.cookie.contains(&one.parameter(name)), "the cookie is sealed");
    }
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().expect("a client");
    let answer = client.get(format!("http://{}/auth/oidc/start", app.address)).send().await.expect("an answer");
    let cookie = answer.headers()["set-cookie"].to_str().expect("text");
    for attribute in ["HttpOnly", "SameSite=Lax", "Max-Age=600", "Path=/auth/oidc/callback"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    let rows: i64 =
        sqlx::query_scalar("select count(*) from elt.login_codes").fetch_one(&app.db).await.expect("a count");
    assert_eq!(rows, 0, "an anonymous request writes no row");
}

#[tokio::test]
async fn an_answer_for_another_browser_or_login_is_refused() {
    let (provider, key, app) = start().await;
    let browser = Browser::new(&app);
    let (own, other) = (browser.begin().await, browser.begin().await);
    let code = provider.code_for(&own, key.sign(&provider.claims(&own, "eve", json!(["elt-admins"]))));
    let (state, other_state) = (own.parameter("state"), other.parameter("state"));
    let sealed = own.cookie.split_once('=').expect("a value").1;
    let cut = format!("elt_login={}", &sealed[..sealed.len() - 20]);
    type Parameters<'a> = Vec<(&'a str, &'a str)>;
    let attempts: [(Option<&str>, Parameters<'_>); 7] = [
        (None, vec![("code", &code), ("state", &state)]),
        (Some(&other.cookie), vec![("code", &code), ("state", &state)]),
        (Some(&own.cookie), vec![("code", &code), ("state", &other_state)]),
        (Some(&own.cookie), vec![("code", &code), ("state", "")]),
        (Some(&own.cookie), vec![("code", &code)]),
        (Some("elt_login="), vec![("code", &code), ("state", "")]),
        (Some(&cut), vec![("code", &code), ("state", &state)]),
    ];
    for (cookie, parameters) in attempts {
        let finished = browser.come_back(cookie, &parameters).await;
        assert_eq!(finished.outcome(), "other_browser", "{parameters:?}");
        assert_eq!(finished.code_cookie(), None);
    }
    assert_eq!(browser.finish(&own, &code).await.outcome(), "done", "the code was still good");
}

#[tokio::test]
async fn a_code_works_once() {
    let (provider, key, app) = start().await;
    let browser = Browser::new(&app);
    let login = browser.begin().await;
    let code = provider.code_for(&login, key.sign(&provider.claims(&login, "ann", json!(["analysts"]))));
    let finished = browser.finish(&login, &code).await;
    let replayed = browser.finish(&login, &code).await;
    assert_eq!(replayed.outcome(), "invalid_answer", "the provider's code");
    token_of(&app, &finished).await;
    let cookie = finished.code_cookie().expect("a code");
    let again = app.post("/auth/oidc/token").as_nobody().header("cookie", &cookie).await;
    assert_eq!(again.problem(401)["code"], "login_not_finished", "our own one-time code");
    app.post("/auth/oidc/token").as_nobody().await.problem(401);
    app.post("/auth/oidc/token").as_nobody().header("cookie", "elt_login_code=guess").await.problem(401);

    let late = log_in(&provider, &key, &app, "ann", json!(["analysts"])).await;
    let expire = "update elt.login_codes set expires_at = now() - interval '1 second'";
    sqlx::query(expire).execute(&app.db).await.expect("expired");
    let cookie = late.code_cookie().expect("a code");
    app.post("/auth/oidc/token").as_nobody().header("cookie", &cookie).await.problem(401);
}

#[tokio::test]
async fn an_id_token_that_is_not_for_this_login_is_refused() {
    let (provider, key, app) = start().await;
    let browser = Browser::new(&app);
    let now = chrono::Utc::now().timestamp();
    let changes = [
        ("another nonce", json!({ "nonce": "another" })),
        ("no nonce", json!({ "nonce": null })),
        ("another audience", json!({ "aud": "another-client" })),
        ("an audience that only begins the same", json!({ "aud": "elt" })),
        ("several audiences without azp", json!({ "aud": [CLIENT_ID, "another-client"] })),
        ("another authorized party", json!({ "aud": [CLIENT_ID, "x"], "azp": "x" })),
        ("another authorized party of one audience", json!({ "azp": "x" })),
        ("another issuer", json!({ "iss": "https://evil.example" })),
        ("an issuer with a slash more", json!({ "iss": format!("{}/", provider.issuer) })),
        ("expired", json!({ "exp": now - 60 })),
        ("without an end", json!({ "exp": null })),
        ("of the future", json!({ "iat": now + 600 })),
        ("of yesterday", json!({ "iat": now - 86_400 })),
        ("not valid yet", json!({ "nbf": now + 600 })),
        ("without a subject", json!({ "sub": null })),
        ("with an empty subject", json!({ "sub": "" })),
        ("with an endless subject", json!({ "sub": "x".repeat(256) })),
        ("with NUL in its subject", json!({ "sub": "a\0b" })),
    ];
    for (case, change) in changes {
        let login = browser.begin().await;
        let mut claims = provider.claims(&login, "eve", json!(["elt-admins"]));
        for (name, value) in change.as_object().expect("claims") {
            match value {
                Value::Null => drop(claims.as_object_mut().expect("claims").remove(name)),
                value => claims[name] = value.clone(),
            }
        }
        let code = provider.code_for(&login, key.sign(&claims));
        let finished = browser.finish(&login, &code).await;
        assert_eq!((finished.outcome().as_str(), finished.code_cookie()), ("invalid_answer", None), "{case}");
    }
    let users = app.get("/users").await.ok();
    assert_eq!(users["data"].as_array().map(Vec::len), Some(2), "nobody was added");
}

#[tokio::test]
async fn an_id_token_does_not_choose_how_it_is_checked() {
    let (provider, key, app) = start().await;
    let stranger = SigningKey::new("one", Algorithm::ES256);
    let browser = Browser::new(&app);
    let jwk = key.jwk();
    let point = ["x", "y"].map(|part| BASE64_URL_SAFE_NO_PAD.decode(jwk[part].as_str().expect("text")).expect("bytes"));
    let uncompressed = [&[4], &*point.concat()].concat();
    type Forge<'a> = Box<dyn Fn(&Value) -> String + 'a>;
    let with_secret = |algorithm: Algorithm, secret: Vec<u8>| -> Forge<'_> {
        Box::new(move |claims| {
            let header = Header { kid: Some("one".into()), ..Header::new(algorithm) };
            jsonwebtoken::encode(&header, claims, &EncodingKey::from_secret(&secret)).expect("a token")
        })
    };
    let unsigned = |alg: &'static str| -> Forge<'_> {
        Box::new(move |claims| {
            let header = BASE64_URL_SAFE_NO_PAD.encode(json!({ "alg": alg, "kid": "one" }).to_string());
            format!("{header}.{}.", BASE64_URL_SAFE_NO_PAD.encode(claims.to_string()))
        })
    };
    let forgeries: Vec<(&str, Forge<'_>)> = vec![
        ("none", unsigned("none")),
        ("None", unsigned("None")),
        ("ES256 without a signature", unsigned("ES256")),
        ("HS256 with the public key", with_secret(Algorithm::HS256, uncompressed)),
        ("HS256 with the key's text", with_secret(Algorithm::HS256, jwk.to_string().into_bytes())),
        ("HS512 with the client secret", with_secret(Algorithm::HS512, CLIENT_SECRET.into())),
        ("HS256 with the client secret", with_secret(Algorithm::HS256, CLIENT_SECRET.into())),
        ("another key of the same name", Box::new(|claims| stranger.sign(claims))),
        ("not a token", Box::new(|_| "x.y.z".into())),
        (
            "a key in its header",
            Box::new(|claims| {
                let header = Header {
                    kid: Some("one".into()),
                    jwk: serde_json::from_value(stranger.jwk()).ok(),
                    jku: Some("http://127.0.0.1:1/keys".into()),
                    ..Header::new(Algorithm::ES256)
                };
                jsonwebtoken::encode(&header, claims, &stranger.key).expect("a token")
            }),
        ),
    ];
    for (case, forge) in forgeries {
        let login = browser.begin().await;
        let code = provider.code_for(&login, forge(&provider.claims(&login, "eve", json!(["elt-admins"]))));
        assert_eq!(browser.finish(&login, &code).await.outcome(), "invalid_answer", "{case}");
    }
}

#[tokio::test]
async fn new_keys_of_the_provider_are_fetched_when_a_token_names_one() {
    let (provider, old, app) = start().await;
    log_in(&provider, &old, &app, "ann", json!(["analysts"])).await;
    log_in(&provider, &old, &app, "ann", json!(["analysts"])).await;
    assert_eq!(provider.asked_for_keys(), 1, "known keys are not fetched again");
    let new = SigningKey::new("two", Algorithm::RS256);
    provider.set_keys(&[&new]);
    assert_eq!(log_in(&provider, &new, &app, "ann", json!(["analysts"])).await.outcome(), "done");
    assert_eq!(log_in(&provider, &old, &app, "ann", json!(["analysts"])).await.outcome(), "invalid_answer");
}

#[tokio::test]
async fn the_answer_of_another_provider_is_recognised() {
    let (provider, key, app) = start().await;
    let browser = Browser::new(&app);
    let come_back = async |iss: Option<&str>| {
        let login = browser.begin().await;
        let code = provider.code_for(&login, key.sign(&provider.claims(&login, "ann", json!(["analysts"]))));
        let state = login.parameter("state");
        let parameters = [Some(("code", code.as_str())), Some(("state", &*state)), iss.map(|iss| ("iss", iss))];
        let parameters: Vec<(&str, &str)> = parameters.into_iter().flatten().collect();
        browser.come_back(Some(&login.cookie), &parameters).await.outcome()
    };
    assert_eq!(come_back(None).await, "done");
    assert_eq!(come_back(Some(&provider.issuer)).await, "done");
    for other in ["https://evil.example", "", &format!("{}/", provider.issuer)] {
        assert_eq!(come_back(Some(other)).await, "other_provider", "{other}");
    }

    let (promising, key) = (IdentityProvider::start(&[&key]).await, key);
    promising.set_discovery("authorization_response_iss_parameter_supported", true);
    let app = self::app(&promising).await;
    let outcome = log_in(&promising, &key, &app, "ann", json!(["analysts"])).await.outcome();
    assert_eq!(outcome, "other_provider", "a provider that always names itself did not");
}

#[tokio::test]
async fn a_discovery_document_of_another_issuer_or_with_unsafe_addresses_is_not_used() {
    for (member, value) in [
        ("issuer", "https://evil.example"),
        ("authorization_endpoint", "http://evil.example/authorize"),
        ("jwks_uri", "file:///etc/passwd"),
        ("jwks_uri", "http://169.254.169.254/keys"),
    ] {
        let (provider, _, app) = start().await;
        provider.set_discovery(member, value);
        let answer = app.get("/auth/oidc/start").as_nobody().await;
        assert_eq!(answer.problem(503)["detail"], "the identity provider does not answer", "{member} {value}");
    }
}

#[tokio::test]
async fn a_login_goes_back_to_the_dashboard_only() {
    let (_provider, _, app) = start().await;
    for back in ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", "/\t/evil.example"]
    {
        let answer = app.get("/auth/oidc/start").as_nobody().query(&[("back", back)]).await;
        assert_eq!(answer.problem(400)["code"], "invalid_query", "{back}");
    }
}

#[tokio::test]
async fn without_a_provider_there_is_only_the_password() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    assert_eq!(app.get("/auth/methods").as_nobody().await.ok(), json!({ "oidc": false }));
    app.get("/auth/oidc/start").as_nobody().await.problem(404);
    app.post("/auth/oidc/token").as_nobody().await.problem(404);
    let key = "a good key, which is 32 bytes long";
    let incomplete = OidcSettings { public_url: None, ..settings("https://login.example.com") };
    let settings = ApiSettings { oidc: incomplete, ..ApiSettings::with_keys(key.into(), key.into()) };
    let db = sqlx::PgPool::connect_lazy("postgres://nobody@127.0.0.1:1/none").expect("a pool");
    let error = AppState::new(db, settings).err().expect("refused");
    assert_eq!(error.to_string(), "a login at an identity provider also needs ELT_PUBLIC_URL");
}
