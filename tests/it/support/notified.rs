//! An app whose pipelines send messages, and what a receiver of them sees.

use axum::http::StatusCode;
use axum::response::IntoResponse;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;

use super::TestApp;
use super::http_source::{Hit, HttpSource};

/// 24 bytes, as Standard Webhooks write them.
pub const SIGNS: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Part of the address of every receiver: found anywhere but in a request to it, it is a leak.
pub const CANARY: &str = "c4n4ry-0f-th3-w3bh00k";

/// The usual app, whose processes log in as roles of their own, and a receiver that takes everything.
pub async fn start() -> (TestApp, HttpSource) {
    let app = TestApp::start_with(|options| options.separate_logins = true).await;
    let receiver = HttpSource::start().await;
    receiver.script(|_, _| StatusCode::NO_CONTENT.into_response());
    (app, receiver)
}

/// The address of a receiver, with the canary in it.
pub fn address(receiver: &HttpSource) -> String {
    receiver.url(&format!("/script/{CANARY}"))
}

/// A pipeline that fails at a cell that is not a number.
pub fn strict(app: &TestApp, table: &str, notify: &str) -> String {
    app.yaml(table, &format!("schema: {{columns: {{id: int64}}}}\non_bad_row: fail\nnotify: {notify}\n"))
}

/// A run of a config, however it ends.
async fn run(app: &TestApp, yaml: &str) -> Value {
    let run = app.trigger(yaml).await;
    app.finished(&run["id"]).await
}

/// A run that fails, at a cell that is not a number.
pub async fn fails(app: &TestApp, yaml: &str) -> Value {
    app.folder().write("a.csv", "id\nnot a number\n");
    let run = run(app, yaml).await;
    assert_eq!(run["state"], "failed", "{run:#}");
    run
}

/// A run that succeeds.
pub async fn succeeds(app: &TestApp, yaml: &str) -> Value {
    app.folder().write("a.csv", "id\n1\n2\n");
    app.load(yaml).await
}

/// Waits until no message waits to be sent.
pub async fn all_sent(app: &TestApp) {
    let sent = app.eventually(async || {
        let waiting = app.control("select id from notifications where state = 'waiting'").await;
        waiting.is_empty().then_some(())
    });
    sent.await.expect("every message was sent or given up");
}

/// The types of the messages that a receiver got, in the order they came.
pub fn types(receiver: &HttpSource) -> Vec<String> {
    let hits = receiver.hits();
    hits.iter().map(|hit| hit.json()["type"].as_str().expect("a type").to_owned()).collect()
}

/// Whether the signature of a request is right, computed from the words of the standard.
pub fn is_signed(hit: &Hit, key: &[u8]) -> bool {
    let (id, timestamp) = (hit.header("webhook-id").expect("an id"), hit.header("webhook-timestamp").expect("a time"));
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key");
    mac.update([id, ".", timestamp, ".", &hit.body].concat().as_bytes());
    hit.header("webhook-signature") == Some(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())).as_str())
}
