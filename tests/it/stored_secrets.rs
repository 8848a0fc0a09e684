//! Stored secrets: who may store them, which configs get them, and that no value ever comes out again.

use elt_shared::config::{Document, SourceConfig};
use elt_shared::secret::{KeyRing, Secret};
use elt_shared::store::configs::ConfigAuthor;
use elt_shared::store::{reseal, secrets};
use elt_shared::stored_secret::{Asker, SecretReferences};
use futures::StreamExt;
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;

use crate::support::TestApp;
use crate::support::app::{Login, PATIENCE};
use crate::support::http_source::HttpSource;

/// Stands for the value of a secret: found anywhere but in a request that uses it, it is a leak.
const CANARY: &str = "c4n4ry/st0red \"v4lue\"";

async fn app() -> TestApp {
    TestApp::start_with(|options| options.workers = 0).await
}

async fn put(app: &TestApp, name: &str, body: Value) -> Value {
    app.request("PUT", &format!("/secrets/{name}")).json(body).await.ok()
}

/// A config of this name that reads `path` of a server with a token.
fn reading(source: &HttpSource, name: &str, token: &str) -> String {
    let url = source.url("/ok");
    format!(
        "name: {name}\nsources:\n  - type: api\n    url: {url}\n    auth_token: {token}\ntarget:\n  table: {name}\n\
         monitor: {{enabled: false}}\n"
    )
}

/// The `Authorization` header of the last request to a server.
fn authorization(source: &HttpSource) -> String {
    let hits = source.hits();
    let last = hits.last().expect("a request");
    last.headers.get("authorization").map_or_else(String::new, |value| value.to_str().expect("text").to_owned())
}

async fn ended(app: &TestApp, yaml: &str) -> Value {
    let run = app.trigger(yaml).await;
    app.finished(&run["id"]).await
}

/// A new run of a stored config version.
async fn again(app: &TestApp, config_id: &Value) -> Value {
    let run = app.post("/runs").json(json!({ "config_id": config_id })).await.ok();
    app.finished(&run["id"]).await
}

#[tokio::test]
async fn a_secret_is_stored_changed_listed_and_removed_without_its_value() {
    let app = app().await;
    let first =
        app.request("PUT", "/secrets/shop.token").json(json!({ "value": CANARY, "description": " for orders " })).await;
    assert_eq!(first.status, 201);
    let mut shown = first.json.clone();
    for time in ["created_at", "updated_at"] {
        assert!(shown.as_object_mut().expect("an object").remove(time).is_some_and(|time| time.is_string()));
    }
    assert_eq!(
        shown,
        json!({ "name": "shop.token", "description": "for orders", "pipelines": [], "usable_by_users": false, "version": 1,
            "created_by": "admin", "updated_by": "admin", "used_by": [] })
    );
    let granted = put(&app, "shop.token", json!({ "pipelines": ["b", "a", "b"] })).await;
    assert_eq!((&granted["pipelines"], &granted["version"]), (&json!(["a", "b"]), &json!(1)));
    let changed = put(&app, "shop.token", json!({ "value": "another value", "usable_by_users": true })).await;
    assert_eq!((&changed["version"], &changed["usable_by_users"]), (&json!(2), &json!(true)));
    assert_eq!((&changed["description"], &changed["pipelines"]), (&json!("for orders"), &json!(["a", "b"])));

    for name in ["B", "a", "a.1", "Z"] {
        put(&app, name, json!({ "value": "some value" })).await;
    }
    let mut names = Vec::new();
    let mut path = "/secrets?limit=2".to_owned();
    loop {
        let page = app.get(&path).await.ok();
        names.extend(page["data"].as_array().expect("a page").iter().map(|secret| secret["name"].clone()));
        match page["next"].as_str() {
            Some(next) => path = format!("/secrets?limit=2&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(names, ["B", "Z", "a", "a.1", "shop.token"]);

    assert_eq!(app.delete("/secrets/a.1").await.status, 204);
    app.delete("/secrets/a.1").await.problem(404);
    let audit = app.get("/audit").await.text;
    assert!(audit.contains("secret shop.token") && audit.contains("PUT /secrets/{name}"), "{audit}");
    assert!(!audit.contains("c4n4ry") && !audit.contains("another value"), "{audit}");
}

#[tokio::test]
async fn what_cannot_be_stored_is_refused_with_a_reason() {
    let app = app().await;
    let refused = async |name: &str, body: Value| {
        let problem = app.request("PUT", &format!("/secrets/{name}")).json(body).await.problem(422);
        problem["code"].as_str().expect("a code").to_owned()
    };
    assert_eq!(refused("new", json!({})).await, "secret_value_missing");
    assert_eq!(refused("new", json!({ "value": "abc" })).await, "invalid_secret_value");
    assert_eq!(refused("new", json!({ "value": "x".repeat((64 << 10) + 1) })).await, "invalid_secret_value");
    assert_eq!(refused("a%20b", json!({ "value": "a value" })).await, "invalid_secret_name");
    assert_eq!(refused(&"x".repeat(65), json!({ "value": "a value" })).await, "invalid_secret_name");
    assert_eq!(refused("new", json!({ "value": "a value", "pipelines": ["*", "a"] })).await, "invalid_pipelines");
    assert_eq!(
        refused("new", json!({ "value": "a value", "description": "x".repeat(501) })).await,
        "invalid_description"
    );
    app.request("PUT", "/secrets/new").json(json!({ "value": "a value", "grants": [] })).await.problem(422);
    put(&app, "longest", json!({ "value": "x\n".repeat(32 << 10) })).await;
    app.execute(
        "insert into elt.secrets (name, sealed, key_id, created_by, updated_by)
         select 'more-' || n, '', key_id, 'x', 'x' from elt.secret_keys, generate_series(1, 999) n",
    )
    .await;
    let problem = app.request("PUT", "/secrets/new").json(json!({ "value": "a value" })).await.problem(409);
    assert_eq!(problem["code"], "too_many_secrets");
    put(&app, "longest", json!({ "value": "a value" })).await;
}

#[tokio::test]
async fn only_admins_and_api_tokens_with_the_scope_admin_reach_secrets() {
    let app = app().await;
    put(&app, "known", json!({ "value": "a value" })).await;
    let body = json!({ "value": "other value" });
    for (login, status) in [(Some(Login::User), 403), (None, 401)] {
        app.get("/secrets").by(login).await.problem(status);
        app.request("PUT", "/secrets/known").by(login).json(body.clone()).await.problem(status);
        app.delete("/secrets/known?force=true").by(login).await.problem(status);
    }
    for (scopes, status) in [(&["read", "trigger", "upload", "data"][..], 403), (&["admin"], 200)] {
        let token = app.api_token(&format!("with {scopes:?}"), scopes, json!({})).await;
        let token = token["token"].as_str().expect("a token");
        assert_eq!(app.get("/secrets").bearer(token).await.status, status);
        assert_eq!(app.request("PUT", "/secrets/known").bearer(token).json(body.clone()).await.status, status);
    }
    let bound = app.api_token("bound", &["admin"], json!({ "pipelines": ["known"] })).await;
    app.get("/secrets").bearer(bound["token"].as_str().expect("a token")).await.problem(403);
    let refusals = app.control("select 1 from elt.audit where action = 'GET /secrets' and outcome = 'denied'").await;
    assert_eq!(refusals.len(), 3, "refused looks leave a row each");
}

#[tokio::test]
async fn a_run_uses_the_secrets_granted_to_its_pipeline_as_they_are_then() {
    let (app, source) =
        (TestApp::start_with(|options| options.separate_logins = true).await, HttpSource::start().await);
    put(&app, "token", json!({ "value": "first-token-value", "pipelines": ["people"] })).await;
    put(&app, "scheme", json!({ "value": "Scheme-7", "pipelines": ["*"] })).await;
    let yaml = reading(&source, "people", "\"${secret:scheme} ${secret:token}!\"");
    let run = ended(&app, &yaml).await;
    assert_eq!((&run["state"], &run["rows_inserted"]), (&json!("succeeded"), &json!(2)), "{run:#}");
    assert_eq!(authorization(&source), "Scheme-7 first-token-value!");

    put(&app, "token", json!({ "value": "second-token-value" })).await;
    let run = again(&app, &run["config_id"]).await;
    assert_eq!(run["state"], "succeeded", "{run:#}");
    assert_eq!(authorization(&source), "Scheme-7 second-token-value!");

    put(&app, "token", json!({ "pipelines": ["others"] })).await;
    let (before, run) = (source.hits().len(), again(&app, &run["config_id"]).await);
    assert_eq!((&run["state"], &run["error_code"]), (&json!("failed"), &json!("secret_not_granted")), "{run:#}");
    let error = run["error"].as_str().expect("an error");
    let place =
        "sources[0].auth_token: the secret \"token\" is not granted to the pipeline \"people\" at line 5 column 17";
    assert!(error.contains(place), "{error}");
    assert!(run["next_step"].as_str().is_some_and(|step| step.contains("elt secret grant")), "{run:#}");
    assert_eq!(source.hits().len(), before, "nothing was asked");

    app.delete("/secrets/token?force=true").await;
    let run = again(&app, &run["config_id"]).await;
    assert_eq!(run["error_code"], "unknown_secret", "{run:#}");
    assert!(
        run["error"].as_str().is_some_and(|error| error.contains("no secret named \"token\" is stored")),
        "{run:#}"
    );
}

#[tokio::test]
async fn a_config_of_a_user_gets_only_what_users_may_use_until_an_admin_uploads_it() {
    let (app, source) = (TestApp::start().await, HttpSource::start().await);
    put(&app, "token", json!({ "value": "the-token-of-admins", "pipelines": ["people"] })).await;
    put(&app, "open", json!({ "value": "the-token-of-users", "pipelines": ["people"], "usable_by_users": true })).await;
    // A user chooses the name of the pipeline, and where the secret would be sent.
    let yaml = reading(&source, "people", "${secret:token}");
    let uploaded = app.post("/upload-config").as_user().yaml(&yaml).await.ok();
    let run = again(&app, &uploaded["id"]).await;
    assert_eq!((&run["state"], &run["error_code"]), (&json!("failed"), &json!("secret_not_granted")), "{run:#}");
    assert!(source.hits().is_empty());
    let open = app.post("/upload-config").as_user().yaml(&reading(&source, "people", "${secret:open}")).await.ok();
    assert_eq!(again(&app, &open["id"]).await["state"], "succeeded");
    assert_eq!(authorization(&source), "Bearer the-token-of-users");

    // A token without the scope `admin` counts as a user, whoever owns it.
    let token = app.api_token("ci", &["upload", "trigger"], json!({})).await;
    let by_token = app.post("/trigger-job").bearer(token["token"].as_str().expect("a token")).yaml(&yaml).await.ok();
    let run = app.finished(&by_token["run_id"]).await;
    assert_eq!((&by_token["config_id"], &run["error_code"]), (&uploaded["id"], &json!("secret_not_granted")));

    let vouched = app.post("/upload-config").yaml(&yaml).await.ok();
    assert_eq!((&vouched["id"], &vouched["created"]), (&uploaded["id"], &json!(false)));
    assert_eq!(again(&app, &uploaded["id"]).await["state"], "succeeded");
    assert_eq!(authorization(&source), "Bearer the-token-of-admins");
    let again_by_user = app.post("/upload-config").as_user().yaml(&yaml).await.ok();
    assert_eq!(again_by_user["id"], uploaded["id"]);
    assert_eq!(again(&app, &uploaded["id"]).await["state"], "succeeded", "an admin's word stays");
}

/// An account that may read the target. A name and a password of its own, because what a secret holds is hidden in the
/// messages of this whole process.
const VIEWER: (&str, &str) = ("elt_it_secret_viewer", "v13wers-p4ssword");

/// Makes [`VIEWER`] and a table that it may read.
async fn make_viewer(app: &TestApp) {
    let (name, password) = VIEWER;
    app.execute(&format!(
        "do $$ begin create role {name} login password '{password}';
         exception when duplicate_object or unique_violation then null; end $$"
    ))
    .await;
    let table = format!("create table people as select 1 as id; grant select on people to {name}");
    sqlx::raw_sql(AssertSqlSafe(table)).execute(&app.target).await.expect("a table");
}

/// A config whose target is in the default target's database, reached as [`VIEWER`] with this password.
fn viewing(app: &TestApp, name: &str, password: &str) -> String {
    let url = app.target_url();
    let (host, database) = url.split_once('@').and_then(|(_, place)| place.split_once('/')).expect("a URL");
    let (host, port) = host.split_once(':').expect("a port");
    format!(
        "name: {name}\nsources: [{{type: local, path: x}}]\ntarget: {{host: {host}, port: {port}, database: {database}, \
         user: {}, password: '{password}', table: people}}\n",
        VIEWER.0
    )
}

#[tokio::test]
async fn a_data_view_gets_what_its_sender_may_use() {
    let app = TestApp::start_with(|options| {
        options.workers = 0;
        options.api.network.user_rules.net_allow_user = vec!["127.0.0.1".parse().expect("a rule")];
    })
    .await;
    make_viewer(&app).await;
    let view = async |login, name: &str, password: &str| {
        app.post("/data-view").by(Some(login)).yaml(&viewing(&app, name, password)).await
    };
    put(&app, "pw", json!({ "value": VIEWER.1, "pipelines": ["people"] })).await;
    assert_eq!(view(Login::Admin, "people", "${secret:pw}").await.ok()["rows"], json!([{ "id": 1 }]));
    let other = view(Login::Admin, "others", "${secret:pw}").await.problem(400);
    assert_eq!(other["code"], "secret_not_granted");
    assert_eq!((&other["errors"][0]["pointer"], &other["errors"][0]["line"]), (&json!("target.password"), &json!(3)));
    assert_eq!(view(Login::Admin, "people", "${secret:none}").await.problem(400)["code"], "unknown_secret");

    // To a user, a secret that is not there looks like one that is not granted.
    let refused = async |name: &str, secret: &str| {
        let problem = view(Login::User, name, &format!("${{secret:{secret}}}")).await.problem(400);
        problem.to_string().replace(secret, "x").replace(name, "y")
    };
    assert_eq!(refused("people", "pw").await, refused("people", "none").await);
    put(&app, "pw", json!({ "usable_by_users": true })).await;
    assert_eq!(view(Login::User, "people", "${secret:pw}").await.ok()["rows"], json!([{ "id": 1 }]));
    assert_eq!(view(Login::User, "others", "${secret:pw}").await.problem(400)["code"], "secret_not_granted");
}

#[tokio::test]
async fn an_admin_who_looks_at_the_table_of_a_users_config_sends_it_no_secret() {
    let app = app().await;
    put(&app, "pw", json!({ "value": VIEWER.1, "pipelines": ["people"] })).await;
    let uploaded = app.post("/upload-config").as_user().yaml(&viewing(&app, "people", "${secret:pw}")).await.ok();
    let stored = format!("/data-view?config_id={}", uploaded["id"]);
    assert_eq!(app.post(&stored).await.problem(400)["code"], "secret_not_granted");
}

#[tokio::test]
async fn a_secret_in_use_is_removed_only_by_force() {
    let app = app().await;
    let source = HttpSource::start().await;
    put(&app, "token", json!({ "value": "a value", "pipelines": ["*"] })).await;
    for (name, token) in [("billing", "${secret:token}"), ("orders", "x${secret:token}"), ("orders", "${secret:other}")]
    {
        app.post("/upload-config").yaml(&reading(&source, name, token)).await.ok();
    }
    let shown = app.get("/secrets").await.ok();
    assert_eq!(shown["data"][0]["used_by"], json!(["billing"]), "the newest config of orders uses another one");
    let problem = app.delete("/secrets/token").await.problem(409);
    assert_eq!(problem["code"], "secret_in_use");
    assert_eq!(problem["detail"], "the secret is used by billing (version 1)");
    assert_eq!(app.get("/secrets").await.ok()["data"].as_array().map(Vec::len), Some(1));
    app.delete("/secrets/token?force=true").await.ok();
    assert_eq!(app.get("/secrets").await.ok()["data"], json!([]));
}

#[tokio::test]
async fn a_schedule_that_runs_an_older_config_counts_as_a_user() {
    let (app, source) = (app().await, HttpSource::start().await);
    put(&app, "token", json!({ "value": "a value", "pipelines": ["*"] })).await;
    let watched = |token: &str| reading(&source, "orders", token).replace("monitor: {enabled: false}\n", "");
    app.post("/trigger-job").yaml(&watched("${secret:token}")).await.ok();
    app.post("/upload-config").yaml(&watched("none")).await.ok();
    let problem = app.delete("/secrets/token").await.problem(409);
    assert_eq!(problem["detail"], "the secret is used by orders (version 1)");
}

#[tokio::test]
async fn a_new_secret_key_seals_stored_secrets_again() {
    let old = "a secret key of the tests, at least 32 bytes";
    let ring = |current: &str, older: &[&str]| {
        KeyRing::of(current.into(), older.iter().map(|key| (*key).into()).collect()).expect("keys")
    };
    let new = "another secret key of the tests, as long";
    let (app, source) = (app().await, HttpSource::start().await);
    for name in ["one", "two"] {
        put(&app, name, json!({ "value": format!("v4lue-of-{name}"), "pipelines": ["*"] })).await;
    }
    let sealed = async || app.control("select name, sealed::text, key_id from elt.secrets order by name").await;
    let before = sealed().await;

    let again = reseal::seal_again(&app.db, &ring(new, &[old])).await.expect("sealed again");

    assert_eq!((again.rows, again.unopened), (2, 0));
    let after = sealed().await;
    assert!(before.iter().zip(&after).all(|(before, after)| before["sealed"] != after["sealed"]), "{after:?}");
    let document = Document::parse(&reading(&source, "people", "${secret:one}${secret:two}")).expect("a config");
    let asker = Asker { pipeline: "people", author: ConfigAuthor::Admin };
    let secrets = secrets::of_config(&app.db, &ring(new, &[]), &document, asker).await.expect("the new key opens them");
    let references = SecretReferences { variables: None, secrets: &secrets };
    let pipeline = document.pipeline(&references).expect("runnable").value;
    let SourceConfig::Api(api) = &pipeline.sources[0] else { panic!("an API source") };
    assert_eq!(api.auth_token.as_ref().map(Secret::expose), Some("v4lue-of-onev4lue-of-two"));
    assert!(secrets::of_config(&app.db, &ring(old, &[]), &document, asker).await.is_err(), "the old key does not");
    // A value that was moved to another name does not open.
    app.execute(
        "update elt.secrets set sealed = (select sealed from elt.secrets where name = 'two') where name = 'one'",
    )
    .await;
    let moved = secrets::of_config(&app.db, &ring(new, &[]), &document, asker).await.expect_err("a moved value");
    assert!(moved.to_string().contains("it was changed or moved"), "{moved}");
}

/// Every row of every table of the control database, as a dump has it.
async fn dumped(app: &TestApp) -> String {
    let tables = app
        .control("select schemaname || '.' || tablename as name from pg_tables where schemaname in ('elt', 'apalis')");
    let mut dump = String::new();
    for table in tables.await {
        let name = table["name"].as_str().expect("a name");
        let rows = app.control(&format!("select kept::text as row from {name} kept")).await;
        dump += &format!("{name}: {}\n", Value::Array(rows));
    }
    dump
}

/// The first event of the stream of a run.
async fn streamed(app: &TestApp, run: &Value) -> String {
    let stream = app.get(&format!("/runs/{}/events", run["id"].as_str().expect("an id"))).open().await;
    let chunk = tokio::time::timeout(PATIENCE, stream.bytes_stream().next()).await.expect("an event in time");
    String::from_utf8_lossy(&chunk.expect("an event").expect("a chunk")).into_owned()
}

#[tokio::test]
async fn the_value_of_a_secret_appears_nowhere() {
    let (app, source) = (TestApp::start().await, HttpSource::start().await);
    for (name, value) in [("pw", CANARY), ("host", "C4n4ry.host.invalid"), ("user", "c4n4ry_user")] {
        put(&app, name, json!({ "value": value, "pipelines": ["*"] })).await;
    }
    app.folder().write("a.csv", "id\n1\n");
    let to = |target: &str| {
        format!("{}retry: {{max_attempts: 1}}\n", app.yaml("people", "").replace("table: people", target))
    };
    let configs = [
        to("{url: 'postgres://u:${secret:pw}@127.0.0.1:1/d', table: t}").replace("target:\n  ", "target: "),
        to("{host: '${secret:host}', database: d, user: u, password: '${secret:pw}', table: t}")
            .replace("target:\n  ", "target: "),
        viewing(&app, "people", "${secret:pw}").replace("path: x", &format!("path: {}", app.folder().path().display())),
        viewing(&app, "people", "${secret:pw}").replace(VIEWER.0, "'${secret:user}'"),
        reading(&source, "people", "${secret:pw}").replace("/ok", "/${secret:pw}/missing"),
    ];
    let mut said = String::new();
    for yaml in &configs {
        for kind in ["run", "plan", "test_connection"] {
            let id = app.post("/upload-config").yaml(yaml).await.ok()["id"].clone();
            let run = app.post("/runs").json(json!({ "config_id": id, "kind": kind })).await.ok();
            let run = app.finished(&run["id"]).await;
            said += &format!("{run}{}", streamed(&app, &run).await);
        }
        said += &app.post("/data-view").yaml(yaml).await.text;
    }
    for path in [
        "/secrets",
        "/config-history",
        "/configs",
        "/runs",
        "/schedules",
        "/logs",
        "/logs/search",
        "/audit",
        "/overview",
        "/metrics",
        "/pipelines",
        "/openapi.json",
    ] {
        said += &app.get(path).await.text;
    }
    assert!(said.contains("***"), "something was hidden");
    let dump = dumped(&app).await;
    assert!(dump.contains("elt.secrets: [{") && dump.contains("elt.run_attempts: [{"), "the dump is whole");
    let asked = source.hits().iter().any(|hit| hit.path.contains("c4n4ry"));
    assert!(asked, "the secret was used");
    let escaped = serde_json::to_string(CANARY).expect("JSON");
    for (place, text) in [("answers", &said), ("the control database", &dump)] {
        for form in ["c4n4ry", "c4n4ry%2Fst0red", escaped.trim_matches('"')] {
            let at = text.find(form).map(|at| &text[at.saturating_sub(200)..(at + 60).min(text.len())]);
            assert_eq!(at, None, "{form} in {place}");
        }
    }
}
