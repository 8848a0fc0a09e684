//! Messages about pipelines: one for an incident and one for its end, signed, tried again, and without secrets.

use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::IntoResponse;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::authority::Authority;
use crate::support::http_source::{Hit, HttpSource};
use crate::support::mail_server::{Encrypts, MailServer};
use crate::support::notified::{CANARY, SIGNS, address, all_sent, fails, is_signed, start, strict, succeeds, types};

/// Whether the commands on the page for operators accept the signature of a request.
fn page_accepts(app: &TestApp, hit: &Hit, secret: &str) -> bool {
    let page = include_str!("../../docs/operate/notifications.md");
    let (_, block) = page.split_once("```sh\n").expect("a block");
    let (block, _) = block.split_once("```").expect("its end");
    app.data_dir().write("body.json", &hit.body);
    let mut shell = std::process::Command::new("bash");
    shell.args(["-euo", "pipefail", "-c", block]).current_dir(app.data_dir().path()).env("SECRET", secret);
    for (name, header) in [("ID", "webhook-id"), ("TIMESTAMP", "webhook-timestamp"), ("SIGNATURE", "webhook-signature")]
    {
        shell.env(format!("WEBHOOK_{name}"), hit.header(header).expect(header));
    }
    shell.status().expect("ran the shell").success()
}

#[tokio::test]
async fn an_incident_is_one_message_and_its_end_is_another() {
    let (app, receiver) = start().await;
    let notify = format!("[{{on: [failed, recovered], webhook: \"{}\", secret: {SIGNS}}}]", address(&receiver));
    let yaml = strict(&app, "orders", &notify);
    let first = fails(&app, &yaml).await;
    for _ in 0..2 {
        fails(&app, &yaml).await;
    }
    let good = succeeds(&app, &yaml).await;
    succeeds(&app, &yaml).await;
    all_sent(&app).await;
    assert_eq!(types(&receiver), ["elt.pipeline.failed", "elt.pipeline.recovered"]);
    fails(&app, &yaml).await;
    all_sent(&app).await;
    assert_eq!(types(&receiver).len(), 3, "the next failure is another incident");

    let hits = receiver.hits();
    let key = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("base64");
    assert!(hits.iter().all(|hit| hit.method == "POST" && is_signed(hit, &key)), "{hits:?}");
    assert!(!is_signed(&hits[0], b"another key of 24 bytes."), "the check can fail");
    assert!(page_accepts(&app, &hits[1], SIGNS) && !page_accepts(&app, &hits[1], "whsec_YW5vdGhlciBrZXkgb2YgMjQgYi4="));
    let (failed, recovered) = (hits[0].json(), hits[1].json());
    assert_eq!(failed["id"], hits[0].header("webhook-id").expect("an id"));
    assert_eq!(failed["data"]["run"]["id"], first["id"]);
    assert_eq!(failed["data"]["run"]["error_code"], "bad_row", "{failed:#}");
    assert_eq!((&failed["data"]["pipeline"], &failed["data"]["title"]), (&json!("orders"), &json!("orders failed")));
    assert!(!hits[0].body.contains("not a number"), "no value of a row: {}", hits[0].body);
    assert_eq!(recovered["data"]["run"]["id"], good["id"]);
    assert_eq!(
        (&recovered["data"]["incident"], &recovered["data"]["run"]["rows_inserted"]),
        (&json!("failed"), &json!(2))
    );
    assert_eq!(recovered["data"]["since"], failed["data"]["since"]);
}

#[tokio::test]
async fn a_receiver_that_is_down_holds_up_no_other_one_on_its_host() {
    let (app, receiver) = start().await;
    receiver.script(|hit, _| match hit.path.ends_with("down") {
        true => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        false => StatusCode::NO_CONTENT.into_response(),
    });
    let (down, up) = (receiver.url("/script/down"), receiver.url("/script/up"));
    let notify =
        format!("[{{on: [failed, recovered], webhook: \"{down}\"}}, {{on: [failed, recovered], webhook: \"{up}\"}}]");
    let yaml = strict(&app, "orders", &notify);
    fails(&app, &yaml).await;
    succeeds(&app, &yaml).await;
    let both = app.eventually(async || {
        let hits = receiver.hits();
        (hits.iter().filter(|hit| hit.path.ends_with("up")).count() == 2).then_some(())
    });
    both.await.expect("the other receiver gets both messages");
}

#[tokio::test]
async fn plans_say_nothing_and_only_the_events_that_were_asked_for_are_told() {
    let (app, receiver) = start().await;
    let (failed, both) = (address(&receiver), receiver.url("/script/both"));
    let notify = format!("[{{on: failed, webhook: \"{failed}\"}}, {{webhook: \"{both}\"}}]");
    let yaml = strict(&app, "orders", &notify);
    app.folder().write("a.csv", "id\nx\n");
    let kept = app.post("/upload-config").yaml(&yaml).await.ok();
    let plan = app.post("/runs").json(json!({ "config_id": kept["id"], "kind": "plan" })).await.ok();
    assert_eq!(app.finished(&plan["id"]).await["state"], "failed");
    assert_eq!(app.control("select id from notifications").await, Vec::<Value>::new());
    fails(&app, &yaml).await;
    succeeds(&app, &yaml).await;
    all_sent(&app).await;
    let mut told: Vec<(String, String)> = receiver
        .hits()
        .iter()
        .map(|hit| (hit.path.clone(), hit.json()["data"]["event"].as_str().expect("an event").to_owned()))
        .collect();
    told.sort();
    let expected =
        [("/script/both", "failed"), ("/script/both", "recovered"), (&format!("/script/{CANARY}"), "failed")];
    assert_eq!(told, expected.map(|(path, event)| (path.to_owned(), event.to_owned())));
}

#[tokio::test]
async fn rejected_rows_count_above_a_limit_and_changed_columns_once() {
    let (app, receiver) = start().await;
    let notify = format!(
        "[{{on: [rejects, recovered], quarantine_above: 1, webhook: \"{0}\"}}, {{on: [drift], webhook: \"{0}/drift\"}}]",
        address(&receiver)
    );
    let yaml = app.yaml("orders", &format!("schema: {{columns: {{id: int64}}}}\nnotify: {notify}\n"));
    let load = async |content: &str| {
        app.folder().write("a.csv", content);
        app.load(&format!("{yaml}on_bad_row: quarantine\n")).await;
        all_sent(&app).await;
    };
    load("id\n1\nx\n").await;
    assert_eq!(types(&receiver), Vec::<String>::new(), "one rejected row is let pass");
    load("id\n2\nx\ny\n").await;
    load("id\n3\nx\ny\nz\n").await;
    load("id\n4\n").await;
    assert_eq!(types(&receiver), ["elt.pipeline.rejects", "elt.pipeline.recovered"]);
    let rejects = receiver.hits()[0].json();
    assert_eq!(rejects["data"]["title"], "orders rejected 2 rows", "{rejects:#}");
    assert!(rejects["data"]["text"].as_str().expect("a text").contains("2 for wrong_type in id"), "{rejects:#}");

    load("id,vat\n5,0.19\n").await;
    load("id,vat\n6,0.19\n").await;
    load("id,vat,note\n7,0.19,n\n").await;
    let hits = receiver.hits();
    let texts: Vec<Value> = hits[2..].iter().map(|hit| hit.json()["data"]["text"].clone()).collect();
    assert_eq!(texts.len(), 2, "{texts:?}");
    assert!(texts[0].as_str().is_some_and(|text| text.contains("The column vat is new")), "{texts:?}");
    assert!(texts[1].as_str().is_some_and(|text| text.contains("The column note is new")), "{texts:?}");
}

#[tokio::test]
async fn a_stop_before_the_start_is_told_by_the_api() {
    let (app, receiver) = start().await;
    let yaml = strict(&app, "orders", &format!("[{{on: stopped, webhook: \"{}\"}}]", address(&receiver)));
    app.post("/upload-config").yaml(&yaml).await.ok();
    app.post("/pipelines/orders/pause").json(json!({})).await.ok();
    let run = app.trigger(&yaml).await;
    app.post(&format!("/runs/{}/stop", run["id"].as_str().expect("an id"))).await.ok();
    all_sent(&app).await;
    assert_eq!(types(&receiver), ["elt.pipeline.stopped"]);
}

#[tokio::test]
async fn a_receiver_that_is_down_gets_the_message_when_it_is_back_and_the_end_after_the_begin() {
    let (app, receiver) = start().await;
    receiver.script(|_, _| StatusCode::SERVICE_UNAVAILABLE.into_response());
    let yaml = strict(&app, "orders", &format!("[{{webhook: \"{}\"}}]", address(&receiver)));
    fails(&app, &yaml).await;
    succeeds(&app, &yaml).await;
    receiver.asked().await;
    let noted = app
        .eventually(async || {
            let shown =
                app.control("select error, destination, attempt from notifications where error is not null").await;
            shown.first().cloned()
        })
        .await
        .expect("the failed try is noted");
    assert_eq!(noted["error"], "the receiver answered 503 Service Unavailable");
    assert_eq!(noted["destination"], format!("webhook http://{}", receiver.address));
    receiver.script(|_, _| StatusCode::OK.into_response());
    app.execute("update notifications set next_try_at = now()").await;
    all_sent(&app).await;
    let hits = receiver.hits();
    let ids: Vec<&str> = hits.iter().filter_map(|hit| hit.header("webhook-id")).collect();
    assert!(ids[..ids.len() - 1].iter().all(|id| *id == ids[0]), "the same message has the same id: {ids:?}");
    assert_eq!(types(&receiver).last().map(String::as_str), Some("elt.pipeline.recovered"));
    assert_eq!(types(&receiver).iter().filter(|kind| *kind == "elt.pipeline.recovered").count(), 1);
}

#[tokio::test]
async fn a_receiver_that_never_takes_a_message_is_given_up_and_shown() {
    let (app, receiver) = start().await;
    let elsewhere = HttpSource::start().await;
    let to = elsewhere.url("/script");
    receiver.script(move |_, _| (StatusCode::TEMPORARY_REDIRECT, [(LOCATION, to.clone())]).into_response());
    let yaml = strict(&app, "orders", &format!("[{{on: failed, webhook: \"{}\"}}]", address(&receiver)));
    fails(&app, &yaml).await;
    receiver.asked().await;
    app.execute("update notifications set give_up_at = now(), next_try_at = now()").await;
    all_sent(&app).await;
    let shown = app.control("select state, error from notifications").await;
    assert_eq!(
        shown,
        [json!({ "state": "given_up",
                 "error": "the receiver answered 307 Temporary Redirect and a redirect, which is not followed" })]
    );
    assert_eq!(elsewhere.hits().len(), 0, "no redirect is followed");
}

#[tokio::test]
async fn hosts_that_may_not_be_called_get_no_message() {
    let receiver = HttpSource::start().await;
    let app = TestApp::start_with(|options| {
        options.worker.network.net_deny = vec!["127.0.0.0/8".parse().expect("a rule")];
    })
    .await;
    for (name, host) in [
        ("literal", format!("127.0.0.1:{}", receiver.address.port())),
        ("name", format!("localhost:{}", receiver.address.port())),
        ("metadata", "169.254.169.254".to_owned()),
    ] {
        let yaml = strict(&app, name, &format!("[{{on: failed, webhook: \"http://{host}/{CANARY}\"}}]"));
        fails(&app, &yaml).await;
        let error = app
            .eventually(async || {
                let noted = format!("select error from notifications where pipeline = '{name}' and error is not null");
                app.control(&noted).await.first().map(|row| row["error"].as_str().expect("a text").to_owned())
            })
            .await
            .expect("the failed try is noted");
        assert!(error.contains("may not be called"), "{name}: {error}");
        assert!(!error.contains(CANARY), "{name}: {error}");
    }
    assert_eq!(receiver.hits().len(), 0);
}

#[tokio::test]
async fn a_config_that_no_admin_vouches_for_reaches_no_private_address() {
    let (app, receiver) = start().await;
    let yaml = strict(&app, "orders", &format!("[{{on: failed, webhook: \"{}\"}}]", address(&receiver)));
    let kept = app.post("/upload-config").as_user().yaml(&yaml).await.ok();
    app.folder().write("a.csv", "id\nx\n");
    let run = app.post("/runs").json(json!({ "config_id": kept["id"] })).await.ok();
    app.finished(&run["id"]).await;
    let noted = app
        .eventually(async || {
            app.control("select error from notifications where error is not null").await.first().cloned()
        })
        .await
        .expect("the failed try is noted");
    assert!(noted["error"].as_str().is_some_and(|error| error.contains("only admins may reach")), "{noted}");
    assert_eq!(receiver.hits().len(), 0);
}

#[tokio::test]
async fn the_address_may_be_a_stored_secret_and_is_found_nowhere() {
    let (app, receiver) = start().await;
    let stored = json!({ "value": address(&receiver), "pipelines": ["orders"] });
    assert_eq!(app.request("PUT", "/secrets/hook").json(stored).await.status, 201);
    let notify = format!(
        "[{{on: failed, webhook: \"${{secret:hook}}\", format: slack}}, {{on: failed, webhook: \"{}/second\"}},
          {{on: failed, webhook: \"${{env:NOT_ALLOWED_HERE}}\"}}]",
        address(&receiver)
    );
    let yaml = strict(&app, "orders", &notify);
    fails(&app, &yaml).await;
    let told = app.eventually(async || (receiver.hits().len() >= 2).then_some(())).await;
    told.expect("both addresses got the message");
    let hits = receiver.hits();
    let slack = hits.iter().find(|hit| hit.path.ends_with(CANARY)).expect("the stored address");
    assert!(slack.json()["text"].as_str().is_some_and(|text| text.starts_with("*orders failed*\n")), "{}", slack.body);
    let refused = app
        .eventually(async || {
            let noted = "select destination, error from notifications where entry = 2 and error is not null";
            app.control(noted).await.first().cloned()
        })
        .await
        .expect("the third address is refused");
    assert_eq!(refused["destination"], "webhook ${env:NOT_ALLOWED_HERE}");
    assert!(refused["error"].as_str().is_some_and(|error| error.contains("notify[2].webhook")), "{refused}");

    let everything = "select jsonb_agg(to_jsonb(n)) as n, (select jsonb_agg(to_jsonb(i)) from incidents i) as i,
        (select jsonb_agg(to_jsonb(c) - 'yaml_sealed') from config_history c) as c, (select jsonb_agg(l) from log_lines l) as l,
        (select jsonb_agg(to_jsonb(r)) from runs r) as r from notifications n";
    let everything = app.control(everything).await;
    assert!(!json!(everything).to_string().contains(CANARY), "{everything:#?}");
    for hit in hits {
        assert!(!hit.body.contains(CANARY), "{}", hit.body);
    }
}

#[tokio::test]
async fn two_runs_that_end_at_once_are_one_incident() {
    let (app, receiver) = start().await;
    for _ in 0..2 {
        app.start_worker();
    }
    let yaml = strict(&app, "orders", &format!("[{{webhook: \"{}\"}}]", address(&receiver)));
    app.folder().write("a.csv", "id\nx\n");
    for _ in 0..6 {
        app.trigger(&yaml).await;
    }
    app.finished_all().await;
    all_sent(&app).await;
    assert_eq!(types(&receiver), ["elt.pipeline.failed"]);
}

#[tokio::test]
async fn an_e_mail_is_sent_encrypted_with_a_login_or_not_at_all() {
    let (app, _) = start().await;
    let authority = Authority::new("mail");
    let ca = json!({ "value": authority.certificate, "pipelines": ["*"] });
    assert_eq!(app.request("PUT", "/secrets/mail-ca").json(ca).await.status, 201);
    for (encrypts, scheme) in
        [(Encrypts::FromTheStart, "smtps"), (Encrypts::AfterStartTls, "smtp"), (Encrypts::Never, "smtp")]
    {
        let server = MailServer::start(&authority, encrypts).await;
        let table = format!("mailed_{scheme}_{}", encrypts == Encrypts::Never);
        let smtp = json!({ "value": format!("{scheme}://elt:{CANARY}@localhost:{}", server.address.port()), "pipelines": [table] });
        app.request("PUT", &format!("/secrets/{table}")).json(smtp).await;
        let yaml = strict(
            &app,
            &table,
            &format!(
                "[{{email: [Ops <ops@example.com>, b@example.com], from: elt@example.com, smtp: \"${{secret:{table}}}\", \
                 smtp_ca: \"${{secret:mail-ca}}\"}}]"
            ),
        );
        let run = fails(&app, &yaml).await;
        if encrypts == Encrypts::Never {
            let noted = app.eventually(async || {
                let noted = "select error from notifications where error is not null";
                app.control(noted).await.first().map(|row| row["error"].as_str().expect("a text").to_owned())
            });
            let error = noted.await.expect("the failed try is noted");
            assert!(error.contains("does not offer STARTTLS"), "{error}");
            assert_eq!(server.taken().len(), 0);
            continue;
        }
        all_sent(&app).await;
        let taken = server.taken();
        let [mail] = &taken[..] else { panic!("{taken:?}") };
        assert!(mail.is_encrypted && mail.from.contains("<elt@example.com>") && mail.to.len() == 2, "{mail:?}");
        assert_eq!(STANDARD.decode(&mail.login).expect("base64"), format!("\0elt\0{CANARY}").as_bytes());
        assert!(mail.text.contains(&format!("Subject: {table} failed\r\n")), "{}", mail.text);
        assert!(
            mail.text.contains("Message-ID: <") && mail.text.contains("Auto-Submitted: auto-generated"),
            "{}",
            mail.text
        );
        assert!(mail.text.replace("=\r\n", "").contains(run["id"].as_str().expect("an id")), "{}", mail.text);
        assert!(!mail.text.contains(CANARY), "{}", mail.text);
    }
}

#[tokio::test]
async fn a_pipeline_that_loads_too_few_rows_or_nothing_for_too_long_is_told_once() {
    let (app, receiver) = start().await;
    let told = address(&receiver);
    let more = format!(
        "freshness: 1h\nvolume: {{min: 1, max_drop: 50%}}\nload: {{dedupe: none}}\n\
         notify: [{{on: [volume, stale, recovered], webhook: \"{told}\"}}]\n"
    );
    let yaml = app.yaml("orders", &more);
    let load = async |rows: u32| {
        let rows: String = (0..rows).map(|id| format!("{id}\n")).collect();
        app.folder().write("a.csv", format!("id\n{rows}"));
        app.load(&yaml).await;
        all_sent(&app).await;
    };
    for rows in [10, 12, 10, 4, 3, 9] {
        load(rows).await;
    }
    assert_eq!(types(&receiver), ["elt.pipeline.volume", "elt.pipeline.recovered"]);
    let text = receiver.hits()[0].json()["data"]["text"].clone();
    assert_eq!(text, "That is fewer than expected: its runs usually read about 10.");

    app.execute("update runs set finished_at = finished_at - interval '2 hours'").await;
    let stale = app.eventually(async || (types(&receiver).len() == 3).then_some(())).await;
    stale.expect("a sweep found the stale pipeline");
    load(10).await;
    assert_eq!(types(&receiver)[2..], ["elt.pipeline.stale", "elt.pipeline.recovered"]);
}

#[tokio::test]
async fn a_config_that_no_admin_has_started_tells_and_silences_nothing() {
    let (app, receiver) = start().await;
    let other = HttpSource::start().await;
    let notify = |at: &str| format!("freshness: 1h\nnotify: [{{on: [stale, recovered], webhook: \"{at}\"}}]\n");
    app.folder().write("a.csv", "id\n1\n");
    app.load(&app.yaml("orders", &notify(&address(&receiver)))).await;
    let elsewhere = other.url("/script/${env:ELT_SECRET}");
    for yaml in [app.yaml("mine", &notify(&elsewhere)), app.yaml("orders", &notify(&elsewhere)), app.yaml("orders", "")]
    {
        app.post("/upload-config").as_user().yaml(&yaml).await.ok();
    }
    app.execute("update runs set finished_at = finished_at - interval '2 hours'").await;
    app.execute("update config_history set \"timestamp\" = \"timestamp\" - interval '2 hours'").await;
    let stale = app.eventually(async || (types(&receiver).len() == 1).then_some(()));
    stale.await.expect("the version of the admin decides");
    assert_eq!(types(&receiver), ["elt.pipeline.stale"]);
    assert_eq!(app.control("select pipeline from incidents").await.len(), 1);
    assert!(other.hits().is_empty());
}
