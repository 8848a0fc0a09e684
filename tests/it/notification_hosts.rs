//! Which hosts get messages about configs that no admin has uploaded: those that ELT_NET_ALLOW_USER and ELT_NET_DENY_USER leave open,
//! in workers and in the API.

use axum::http::StatusCode;
use axum::response::IntoResponse;
use elt_shared::network::HostRule;
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::authority::Authority;
use crate::support::http_source::HttpSource;
use crate::support::mail_server::{Encrypts, MailServer};

/// An app whose API and workers have these rules for users.
async fn start(workers: usize, allow: &'static [&'static str], deny: &'static [&'static str]) -> TestApp {
    let parsed = |rules: &[&str]| rules.iter().map(|rule| rule.parse().expect("a rule")).collect::<Vec<HostRule>>();
    TestApp::start_with(|options| {
        options.workers = workers;
        for network in [&mut options.api.network, &mut options.worker.network] {
            network.user_rules.net_allow_user = parsed(allow);
            network.user_rules.net_deny_user = parsed(deny);
        }
    })
    .await
}

async fn receiver() -> HttpSource {
    let receiver = HttpSource::start().await;
    receiver.script(|_, _| StatusCode::NO_CONTENT.into_response());
    receiver
}

/// A run, which will fail, of a config that a user uploaded and an admin starts.
async fn fails(app: &TestApp, name: &str, notify: &str) -> Value {
    let yaml = app.yaml(name, &format!("schema: {{columns: {{id: int64}}}}\non_bad_row: fail\nnotify: [{notify}]\n"));
    let kept = app.post("/upload-config").as_user().yaml(&yaml).await.ok();
    app.folder().write("a.csv", "id\nx\n");
    app.post("/runs").json(json!({ "config_id": kept["id"] })).await.ok()
}

/// Why the first message was not sent.
async fn refusal(app: &TestApp) -> String {
    let noted = app.eventually(async || {
        let noted = app.control("select error from notifications where error is not null").await;
        noted.first().map(|row| row["error"].as_str().expect("a text").to_owned())
    });
    noted.await.expect("the failed try is noted")
}

#[tokio::test]
async fn the_rules_for_users_open_a_private_network_for_web_addresses_and_mail_servers() {
    let (app, receiver) = (start(1, &["127.0.0.0/8"], &[]).await, receiver().await);
    fails(&app, "orders", &format!("{{on: failed, webhook: \"{}\"}}", receiver.url("/script/told"))).await;
    let told = app.eventually(async || (receiver.hits().len() == 1).then_some(())).await;
    told.expect("the receiver got the message");

    let authority = Authority::new("mail");
    let server = MailServer::start(&authority, Encrypts::FromTheStart).await;
    let secret = |value: &str| json!({ "value": value, "pipelines": ["mailed"], "usable_by_users": true });
    let address = format!("smtps://elt:sender-4711@localhost:{}", server.address.port());
    for (name, value) in [("mail-ca", &authority.certificate), ("mail", &address)] {
        assert_eq!(app.request("PUT", &format!("/secrets/{name}")).json(secret(value)).await.status, 201);
    }
    let email =
        "{email: a@example.com, from: elt@example.com, smtp: \"${secret:mail}\", smtp_ca: \"${secret:mail-ca}\"}";
    fails(&app, "mailed", email).await;
    let told = app.eventually(async || (server.taken().len() == 1).then_some(())).await;
    told.expect("the mail server got the message");
}

#[tokio::test]
async fn a_host_that_the_rules_for_users_deny_gets_no_message() {
    for smtp in [false, true] {
        let (app, receiver) = (start(1, &["127.0.0.0/8"], &["127.0.0.1"]).await, receiver().await);
        let port = receiver.address.port();
        let to = match smtp {
            false => format!("{{on: failed, webhook: \"http://127.0.0.1:{port}/script/told\"}}"),
            true => {
                format!(
                    "{{email: a@example.com, from: elt@example.com, smtp: \"smtps://elt:sender-4711@127.0.0.1:{port}\"}}"
                )
            }
        };
        fails(&app, "orders", &to).await;
        let error = refusal(&app).await;
        assert!(error.contains("ELT_NET_DENY_USER"), "{error}");
        assert_eq!(receiver.hits().len(), 0);
    }
}

#[tokio::test]
async fn the_api_obeys_the_rules_for_users_when_it_says_that_there_is_no_worker() {
    for is_open in [false, true] {
        let allow: &[&str] = if is_open { &["127.0.0.0/8"] } else { &[] };
        let (app, receiver) = (start(0, allow, &[]).await, receiver().await);
        fails(&app, "orders", &format!("{{on: no_worker, webhook: \"{}\"}}", receiver.url("/script/told"))).await;
        let age = "update elt.runs set created_at = created_at - interval '2 hours'";
        sqlx::query(age).execute(&app.db).await.expect("aged");
        if is_open {
            let told = app.eventually(async || (receiver.hits().len() == 1).then_some(())).await;
            told.expect("the receiver got the message");
        } else {
            let error = refusal(&app).await;
            assert!(error.contains("only admins may reach"), "{error}");
            assert_eq!(receiver.hits().len(), 0);
        }
    }
}
