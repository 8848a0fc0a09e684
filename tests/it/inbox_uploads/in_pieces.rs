//! Uploads that arrive in pieces: they are announced, break off and go on, and are checked when they are whole.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{ORDERS, content, entries, hash, partials, put, put_from, store, with_pipeline, yaml};
use crate::support::TestApp;
use crate::support::app::Login;

#[tokio::test]
async fn an_upload_goes_on_after_a_cut_connection_and_is_not_seen_before_it_is_whole() {
    let app = with_pipeline("").await;
    let token = app.token(Login::Admin).await.to_owned();
    let mut stream = TcpStream::connect(app.address).await.expect("connected");
    let head = format!(
        "PUT /pipelines/orders/files/orders.csv?upload=my-upload-1 HTTP/1.1\r\nhost: elt\r\nauthorization: Bearer {token}\r\n\
         content-length: {}\r\n\r\n",
        ORDERS.len()
    );
    stream.write_all(head.as_bytes()).await.expect("sent");
    stream.write_all(&ORDERS.as_bytes()[..8]).await.expect("sent");
    let path = "/pipelines/orders/files/orders.csv?upload=my-upload-1";
    let arrived = app.eventually(async || (partials(&app) == 1).then_some(()));
    arrived.await.expect("the upload began");
    // The connection breaks off without an end.
    drop(stream);
    let kept = app.eventually(async || {
        let state = app.get(path).await;
        (state.status == 200 && state["received"] == json!(8)).then_some(state)
    });
    let state = kept.await.expect("what arrived is kept");
    assert_eq!((&state["state"], &state["bytes"]), (&json!("partial"), &json!(ORDERS.len())));
    assert_eq!((state.header("upload-offset"), state.header("upload-complete")), ("8", "?0"));
    let head = app.request("HEAD", path).await;
    assert_eq!((head.status.as_u16(), head.header("upload-offset")), (200, "8"));
    assert_eq!(entries(&app), [".partial"], "the pipeline sees no file");
    app.get("/pipelines/orders/files/orders.csv").await.problem(404);

    let wrong = app.eventually(async || {
        let answer = put_from(&app, "my-upload-1", ORDERS, 4..ORDERS.len()).await;
        (answer["code"] != json!("upload_busy")).then_some(answer)
    });
    assert_eq!(wrong.await.expect("the cut request ended").problem(409)["code"], "upload_offset");
    let part = put_from(&app, "my-upload-1", ORDERS, 8..12).await;
    assert_eq!((part.status.as_u16(), &part["received"]), (202, &json!(12)));
    let whole = put_from(&app, "my-upload-1", ORDERS, 12..ORDERS.len()).await;
    assert_eq!((whole.status.as_u16(), &whole["hash"]), (201, &json!(hash(ORDERS))));
    assert_eq!((content(&app, "orders.csv"), partials(&app)), (ORDERS.to_owned(), 0));
}

#[tokio::test]
async fn an_announcement_says_what_would_happen_before_a_byte_is_sent() {
    let app = with_pipeline("").await;
    let announce = |content: &str, upload: &str| {
        put(&app, "orders.csv", "")
            .query(&[("upload", upload), ("hash", &hash(content))])
            .header("content-range", &format!("bytes */{}", content.len()))
    };
    let new = announce(ORDERS, "announced").await;
    assert_eq!((new.status.as_u16(), &new["received"]), (202, &json!(0)));
    assert_eq!(partials(&app), 0, "a file that is only announced takes no room");
    put_from(&app, "announced", ORDERS, 0..5).await.ok();
    assert_eq!(announce(ORDERS, "announced").await.ok()["received"], json!(5));
    put_from(&app, "announced", ORDERS, 5..ORDERS.len()).await.ok();
    assert_eq!(announce(ORDERS, "announced").await.ok()["outcome"], "unchanged");
    let other = ORDERS.replace("Ann", "Eve");
    assert_eq!(announce(&other, "announced").await.problem(409)["code"], "file_exists");
}

#[tokio::test]
async fn a_silent_client_is_ended_and_may_go_on_later() {
    let app = TestApp::start_with(|options| options.api.uploads.silence = Duration::from_millis(200)).await;
    store(&app, &yaml("", "")).await;
    let token = app.token(Login::Admin).await.to_owned();
    let mut stream = TcpStream::connect(app.address).await.expect("connected");
    let head = format!(
        "PUT /pipelines/orders/files/orders.csv?upload=my-upload-1 HTTP/1.1\r\nhost: elt\r\nauthorization: Bearer {token}\r\n\
         content-length: {}\r\n\r\nid,",
        ORDERS.len()
    );
    stream.write_all(head.as_bytes()).await.expect("sent");
    let mut answer = vec![0; 4096];
    let count = stream.read(&mut answer).await.expect("an answer although nothing more was sent");
    let answer = String::from_utf8_lossy(&answer[..count]).into_owned();
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    let whole = put_from(&app, "my-upload-1", ORDERS, 3..ORDERS.len()).await;
    assert_eq!(whole.status, 201, "{}", whole.text);
    assert_eq!(content(&app, "orders.csv"), ORDERS);
}

#[tokio::test]
async fn a_body_that_is_not_as_announced_leaves_nothing() {
    let app = with_pipeline("").await;
    let wrong = put(&app, "orders.csv", ORDERS).query(&[("hash", &hash("another"))]).await.problem(422);
    assert_eq!(wrong["code"], "content_mismatch");
    assert_eq!((entries(&app), partials(&app)), (vec![".partial".to_owned()], 0));
    // A whole file that is sent in chunks does not say how long it is.
    let chunks = |parts: Vec<&'static str>| {
        reqwest::Body::wrap_stream(futures::stream::iter(parts.into_iter().map(Ok::<_, std::io::Error>)))
    };
    let request = || app.request("PUT", "/pipelines/orders/files/orders.csv");
    assert_eq!(request().body("text/csv", chunks(vec!["a"])).await.problem(411)["code"], "length_required");
    let piece = |parts| {
        request()
            .query(&[("upload", "my-upload-1")])
            .header("content-range", "bytes 0-3/10")
            .body("text/csv", chunks(parts))
    };
    assert_eq!(piece(vec!["abc", "de"]).await.problem(400)["code"], "upload_cut", "longer than it says");
    app.get("/pipelines/orders/files/orders.csv?upload=my-upload-1").await.problem(404);
    assert_eq!(piece(vec!["abc"]).await.problem(400)["code"], "upload_cut", "shorter than it says");
    let state = app.get("/pipelines/orders/files/orders.csv?upload=my-upload-1").await.ok();
    assert_eq!(state["received"], json!(3), "what arrived is kept");
    for (range, upload) in [("bytes 0-3", "my-upload-1"), ("bytes 3-9/9", "my-upload-1"), ("bytes 0-3/9", "short")] {
        let refused = put(&app, "orders.csv", "abcd").query(&[("upload", upload)]).header("content-range", range).await;
        assert_eq!(refused.problem(400)["code"], "invalid_upload", "{range} {upload}");
    }
    let nameless = put(&app, "orders.csv", "abcd").header("content-range", "bytes 0-3/9").await;
    assert_eq!(nameless.problem(400)["code"], "invalid_upload");
    let misspelled = put(&app, "orders.csv", ORDERS).query(&[("repalce", "true")]).await;
    assert_eq!(misspelled.problem(400)["code"], "invalid_query");
}
