//! Channels: a receiver of messages that an admin defines once and configs name.

use axum::http::StatusCode;
use axum::response::IntoResponse;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::http_source::HttpSource;
use crate::support::notified::{CANARY, SIGNS, address, all_sent, fails, is_signed, start, strict, succeeds, types};

#[tokio::test]
async fn a_channel_is_defined_once_tested_used_by_name_and_its_address_never_comes_out() {
    let (app, receiver) = start().await;
    let put = async |body: Value| app.request("PUT", "/channels/ops").json(body).await;
    let stored = put(json!({ "webhook": address(&receiver), "secret": SIGNS })).await;
    assert_eq!((stored.status.as_u16(), &stored.json["destination"]), (201, &shown(&receiver)));
    assert_eq!(app.post("/channels/ops/test").await.status, 202);
    all_sent(&app).await;
    assert_eq!(types(&receiver), ["elt.channel.test"]);
    let key = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("base64");
    assert!(is_signed(&receiver.hits()[0], &key), "{:?}", receiver.hits());

    let yaml = strict(&app, "orders", "[{channel: ops}]");
    fails(&app, &yaml).await;
    all_sent(&app).await;
    assert_eq!(types(&receiver)[1..], ["elt.pipeline.failed"]);
    let other = HttpSource::start().await;
    other.script(|_, _| StatusCode::OK.into_response());
    let changed = put(json!({ "webhook": address(&other) })).await;
    assert_eq!((changed.status.as_u16(), &changed.json["destination"]), (200, &shown(&other)));
    succeeds(&app, &yaml).await;
    all_sent(&app).await;
    assert_eq!((types(&receiver).len(), types(&other)), (2, vec!["elt.pipeline.recovered".to_owned()]));

    let channels = app.get("/channels").await;
    let listed = app.get("/notifications?pipeline=orders").await;
    let states: Vec<_> = listed.json["data"].as_array().expect("a page").iter().map(|one| &one["state"]).collect();
    assert_eq!((states.len(), &listed.json["data"][0]["title"]), (2, &json!("orders is well again")));
    assert!(states.iter().all(|state| **state == json!("sent")), "{}", listed.text);
    assert_eq!(app.get("/notifications?state=given_up").await.ok()["data"], json!([]));
    let audit = app.get("/audit").await;
    assert!(audit.text.contains("channel ops"), "{}", audit.text);
    for text in [channels.text, listed.text, audit.text] {
        assert!(!text.contains(CANARY) && !text.contains(SIGNS), "{text}");
    }
    app.get("/channels").as_user().await.problem(403);
    app.get("/notifications").as_user().await.problem(403);
}

fn shown(receiver: &HttpSource) -> Value {
    json!(format!("webhook http://{}", receiver.address))
}

#[tokio::test]
async fn a_channel_that_cannot_be_used_is_refused_and_one_that_is_gone_fails_no_run() {
    let (app, receiver) = start().await;
    for (name, body) in [
        ("a%20b", json!({ "webhook": address(&receiver) })),
        ("ops", json!({})),
        ("ops", json!({ "webhook": CANARY })),
        ("ops", json!({ "webhook": "https://a.example.com/${env:HOOK}" })),
        ("ops", json!({ "webhook": address(&receiver), "email": ["a@b.example"] })),
        ("ops", json!({ "webhook": address(&receiver), "secret": "short" })),
        ("ops", json!({ "email": ["a@b.example"], "from": "a@b.example", "smtp": format!("http://{CANARY}") })),
    ] {
        let problem = app.request("PUT", &format!("/channels/{name}")).json(body.clone()).await.problem(422);
        assert_eq!(problem["code"], "invalid_channel", "{body}");
        assert!(!problem.to_string().contains(CANARY), "{problem}");
    }
    app.post("/channels/ops/test").await.problem(404);
    app.delete("/channels/ops").await.problem(404);
    app.request("PUT", "/channels/ops").json(json!({ "webhook": address(&receiver) })).await.ok();
    assert_eq!(app.delete("/channels/ops").await.status, 204);
    fails(&app, &strict(&app, "orders", "[{channel: ops}]")).await;
    let noted = app.eventually(async || {
        let noted = "select error from notifications where error is not null";
        app.control(noted).await.first().cloned()
    });
    assert_eq!(
        noted.await.expect("the failed try is noted")["error"],
        "the channel ops does not exist: define it, or change the config"
    );
}
