//! API and SFTP sources as people meet them: triggered over the API, worked by a worker, told in runs and pages.

use serde_json::{Value, json};
use sqlx::postgres::PgConnectOptions;

use crate::support::TestApp;
use crate::support::http_source::{HttpSource, ROWS};
use crate::support::sshd::{PASSWORD, Sshd, is_root};

fn login(sshd: &Sshd) -> String {
    match is_root() {
        true => format!("password: {PASSWORD}"),
        false => format!("private_key: {:?}", sshd.key()),
    }
}

/// The flat shape of the first clients.
fn sftp(sshd: &Sshd, name: &str, more: &str) -> String {
    let (port, user, login, path) = (sshd.address.port(), sshd.user(), login(sshd), sshd.remote(name));
    format!("{{type: sftp, host: 127.0.0.1, port: {port}, username: {user}, {login}, path: \"{path}\"{more}}}")
}

fn config(table: &str, sources: &[String], more: &str) -> String {
    format!("sources: [{}]\ntarget: {{table: {table}}}\n{more}", sources.join(", "))
}

const ONCE: &str = "monitor: {enabled: false}\n";

#[tokio::test]
async fn all_kinds_of_source_are_loaded_by_a_worker() {
    let app = TestApp::start_with(|options| options.worker.env_allow = vec!["HOME".into()]).await;
    let (api, sshd) = (HttpSource::start().await, Sshd::start());
    app.folder().write("in/people.csv", "id,name\n10,Local\n2,Bob\n");
    sshd.write("sample.csv", "id,name\n20,Remote\n");
    let sources = [
        "{type: local, path: in}".to_owned(),
        format!("{{type: api, url: \"{}\", auth_token: \"${{env:HOME}}\"}}", api.url("/ok")),
        sftp(&sshd, "sample.csv", ""),
    ];
    let run = app.load(&config("everything", &sources, ONCE)).await;
    assert_eq!((&run["rows_read"], &run["rows_inserted"]), (&json!(5), &json!(4)), "Bob came twice");
    assert_eq!(app.count("everything").await, 4);
    let home = std::env::var("HOME").expect("a home");
    assert_eq!(
        api.hits()[0].header("authorization"),
        Some(format!("Bearer {home}").as_str()),
        "the reference is resolved"
    );
}

#[tokio::test]
async fn what_changes_on_a_server_or_in_an_api_is_loaded() {
    let app = TestApp::start().await;
    let (api, sshd) = (HttpSource::start().await, Sshd::start());
    api.set_content(ROWS, &[]);
    sshd.write("a.csv", "id,name\n10,Cid\n");
    let sources = [format!("{{type: api, url: \"{}\"}}", api.url("/content")), sftp(&sshd, "*.csv", "")];
    let run = app.trigger(&config("watched", &sources, "monitor: {interval_seconds: 1}\n")).await;
    app.finished(&run["id"]).await;
    assert_eq!(app.count("watched").await, 3);

    sshd.write("b.csv", "id,name\n11,Dan\n");
    let arrived = app.eventually(async || (app.count("watched").await == 4).then_some(())).await;
    assert!(arrived.is_some(), "a new file on the server is loaded");
    api.set_content(r#"[{"id":12,"name":"Eve"}]"#, &[]);
    let arrived = app.eventually(async || (app.count("watched").await == 5).then_some(())).await;
    assert!(arrived.is_some(), "a new answer of the API is loaded");
    let runs = app.get("/runs").await.ok();
    let triggers: Vec<&Value> = runs["data"].as_array().expect("runs").iter().map(|run| &run["trigger"]).collect();
    assert_eq!(triggers, [&json!("file_change"), &json!("file_change"), &json!("manual")]);
}

#[tokio::test]
async fn an_admin_approves_a_host_key() {
    let (app, sshd) = (TestApp::start().await, Sshd::start());
    sshd.write("a.csv", "id\n1\n");
    let yaml = config("strict", &[sftp(&sshd, "a.csv", ", trust: strict")], ONCE);
    let run = app.trigger(&yaml).await;
    let run = app.finished(&run["id"]).await;
    assert_eq!((&run["state"], &run["error_code"]), (&json!("failed"), &json!("host_key_unknown")), "{run:#}");
    assert_eq!(run["attempt"], 1, "asking again would not help");
    let fingerprint = sshd.fingerprint("ed25519");
    assert!(run["error"].as_str().is_some_and(|error| error.contains(&fingerprint)), "{run:#}");

    let known = app.get("/known-hosts").await.ok();
    assert_eq!((&known["data"][0]["fingerprint"], &known["data"][0]["trusted"]), (&json!(fingerprint), &json!(false)));
    let key = json!({ "host": "127.0.0.1", "port": sshd.address.port(), "fingerprint": fingerprint });
    app.post("/known-hosts/approve").json(key).await.ok();
    app.load(&yaml).await;
    assert_eq!(app.count("strict").await, 1);
}

#[tokio::test]
async fn a_connection_test_is_a_run() {
    let (app, sshd) = (TestApp::start().await, Sshd::start());
    sshd.write("a.csv", "id,name\n1,Ann\n");
    let yaml = config("tested", &[sftp(&sshd, "a.csv", "")], ONCE);
    let started = app.post("/configs/test-connection").yaml(&yaml).await;
    assert_eq!((started.status, &started["kind"]), (202.try_into().expect("a status"), &json!("test_connection")));
    let run = app.finished(&started.ok()["id"]).await;
    let tried = &run["report"]["connections"];
    assert_eq!((&tried[0]["what"], &tried[0]["usable"]), (&json!("source 1 (sftp)"), &json!(true)), "{run:#}");
    assert_eq!(tried[0]["columns"], json!(["id", "name"]));
    assert_eq!((&tried[1]["what"], &tried[1]["usable"]), (&json!("target"), &json!(true)));
}

#[tokio::test]
async fn a_connection_test_says_that_the_target_refuses_the_login() {
    let app = TestApp::start().await;
    app.folder().write("a.csv", "id\n1\n");
    let target: PgConnectOptions = app.target_url().parse().expect("a URL");
    let yaml = format!(
        "name: refused\nsources: [{{type: local, path: {}}}]\n\
         target: {{host: \"{}\", port: {}, database: d, user: nobody_here, password: canary-refused, table: refused}}\n",
        app.folder().path().display(),
        target.get_host(),
        target.get_port()
    );
    let started = app.post("/configs/test-connection").yaml(&yaml).await.ok();
    let run = app.finished(&started["id"]).await;
    let [source, target] = &run["report"]["connections"].as_array().expect("what was tried")[..] else {
        panic!("{run:#}")
    };
    assert_eq!((&source["usable"], &target["usable"]), (&json!(true), &json!(false)), "{run:#}");
    assert_eq!((&target["reachable"], &target["authenticated"]), (&json!(true), &json!(false)), "{target:#}");
    assert_eq!(target["problem"]["code"], "target_login", "{target:#}");
    assert!(!run.to_string().contains("canary"), "{run:#}");
}

/// Whatever happens, what is secret is in the uploaded text and nowhere else.
#[tokio::test]
async fn no_secret_is_kept_anywhere_in_clear() {
    let (app, api, sshd) = (TestApp::start().await, HttpSource::start().await, Sshd::start());
    sshd.write("a.csv", "id\n1\n");
    let of_api = |path: &str| {
        format!(
            "{{type: api, url: \"{}?key=canary-url\", auth_token: canary-token, headers: {{X-Key: canary-header}}, \
              params: {{key: canary-param}}}}",
            api.url(path).replace("http://", "http://ann:canary-login@")
        )
    };
    let of_sftp = |login: &str| {
        let (port, path) = (sshd.address.port(), sshd.remote("a.csv"));
        format!("{{type: sftp, host: 127.0.0.1, port: {port}, username: nobody, {login}, path: \"{path}\"}}")
    };
    let target = "target: {host: 127.0.0.1, port: 1, user: u, password: canary-target, database: d, table: t}\n";
    let mut states = Vec::new();
    for (number, source) in [
        of_api("/ok"),
        of_api("/status/401"),
        of_api("/status/500"),
        of_api("/html"),
        of_api("/redirect?to=/status/404"),
        of_sftp("password: canary-password"),
        of_sftp("private_key: \"-----BEGIN OPENSSH PRIVATE KEY-----\\ncanary-key\\n-----END OPENSSH PRIVATE KEY-----\", passphrase: canary-phrase"),
        of_sftp("private_key: canary-path"),
    ]
    .into_iter()
    .enumerate()
    {
        let run = app.trigger(&config(&format!("secret_{number}"), &[source], ONCE)).await;
        states.push(app.finished(&run["id"]).await["state"].clone());
    }
    assert_eq!(states, ["succeeded", "failed", "failed", "failed", "failed", "failed", "failed", "failed"]);
    let unreachable = config("x", &["{type: local, path: .}".into()], ONCE).replace("target: {table: x}\n", target);
    let run = app.trigger(&format!("{unreachable}retry: {{max_attempts: 1}}\n")).await;
    assert_eq!(app.finished(&run["id"]).await["state"], "failed");

    let tables = app
        .control("select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname in ('elt', 'apalis')")
        .await;
    assert!(tables.len() > 10, "{tables:?}");
    for table in tables {
        let table = table["name"].as_str().expect("a name");
        let found =
            app.control(&format!("select to_jsonb(t) as row from {table} t where t::text like '%canary-%'")).await;
        assert_eq!(found, Vec::<Value>::new(), "{table}");
    }
    for table in app
        .rows("select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname = 'public'")
        .await
    {
        let table = table["name"].as_str().expect("a name").to_owned();
        let found = app.rows(&format!("select 1 as one from {table} t where t::text like '%canary%'")).await;
        assert_eq!(found, Vec::<Value>::new(), "{table}");
    }
    for page in ["/runs", "/config-history", "/audit", "/logs", "/known-hosts"] {
        assert!(!app.get(page).await.ok().to_string().contains("canary"), "{page}");
    }
}
