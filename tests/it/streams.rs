//! Streams of events: a run as it changes, and the log as it is written.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use chrono::Utc;
use elt_shared::runs::lifecycle::{self, EndedBy};
use elt_shared::runs::{End, Outcome};
use elt_shared::store::logs::{self, NewLine};
use futures::StreamExt;
use serde_json::{Value, json};
use tokio::sync::Notify;
use uuid::Uuid;

use crate::support::TestApp;
use crate::support::app::PATIENCE;
use crate::support::client::Request;

/// An event as it was sent.
#[derive(Debug)]
struct Event {
    name: String,
    id: String,
    data: Value,
}

/// Reads events until one that `last` accepts.
async fn read_until(request: Request<'_>, mut last: impl FnMut(&Event) -> bool) -> Vec<Event> {
    let response = request.open().await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut chunks = response.bytes_stream();
    let (mut text, mut events) = (String::new(), Vec::new());
    let reading = async {
        while let Some(chunk) = chunks.next().await {
            text.push_str(&String::from_utf8_lossy(&chunk.expect("a chunk")));
            while let Some((event, rest)) = text.split_once("\n\n") {
                let field = |name: &str| {
                    let line = event.lines().find_map(|line| line.strip_prefix(name));
                    line.and_then(|line| line.strip_prefix(':')).unwrap_or_default().trim().to_owned()
                };
                let data = serde_json::from_str(&field("data")).unwrap_or(Value::Null);
                let event = Event { name: field("event"), id: field("id"), data };
                text = rest.to_owned();
                let done = last(&event);
                events.push(event);
                if done {
                    return;
                }
            }
        }
    };
    tokio::time::timeout(PATIENCE, reading).await.unwrap_or_else(|_| panic!("only {events:?}"));
    events
}

async fn write(app: &TestApp, message: &str, run_id: Option<Uuid>) {
    let line = NewLine {
        at: Utc::now(),
        level: "INFO".into(),
        target: "elt_worker".into(),
        message: message.into(),
        fields: json!({}),
        run_id,
        trace_id: None,
        process: "worker".into(),
    };
    logs::append(&app.db, &[line]).await.expect("kept the line");
}

fn messages(events: &[Event]) -> Vec<&str> {
    events.iter().filter(|event| event.name == "log").filter_map(|event| event.data["message"].as_str()).collect()
}

#[tokio::test]
async fn a_run_is_followed_from_the_queue_to_its_end() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    let run = app.trigger(&app.yaml("people", "")).await;
    let id: Uuid = run["id"].as_str().expect("an id").parse().expect("a UUID");
    write(&app, "before", Some(id)).await;
    let watched = Notify::new();
    let work = async {
        watched.notified().await;
        let begun = lifecycle::begin(&app.db, id, "worker-1").await.expect("asked").expect("begun");
        write(&app, "during", Some(id)).await;
        write(&app, "of another run", Some(Uuid::now_v7())).await;
        let mut db = app.db.acquire().await.expect("a connection");
        lifecycle::finish(
            &mut db,
            id,
            EndedBy::Attempt(begun.epoch),
            &End::Succeeded { outcome: Outcome::Clean },
            None,
        )
        .await
        .expect("finished");
        write(&app, "the last line", Some(id)).await;
    };
    let path = format!("/runs/{id}/events");
    let stream = read_until(app.get(&path), |event| {
        watched.notify_one();
        event.name == "end"
    });
    let (events, ()) = tokio::join!(stream, work);
    let states: Vec<&Value> =
        events.iter().filter(|event| event.name == "status").map(|event| &event.data["state"]).collect();
    assert_eq!((states.first(), states.last()), (Some(&&json!("queued")), Some(&&json!("succeeded"))));
    assert_eq!(messages(&events), ["before", "during", "the last line"]);
}

#[tokio::test]
async fn a_stream_goes_on_where_it_broke_off() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    let run = app.trigger(&app.yaml("people", "")).await;
    let id: Uuid = run["id"].as_str().expect("an id").parse().expect("a UUID");
    for message in ["one", "two", "three"] {
        write(&app, message, Some(id)).await;
    }
    let path = format!("/runs/{id}/events");
    let seen = read_until(app.get(&path), |event| event.data["message"] == "two").await;
    let last = &seen.last().expect("an event").id;
    let rest = read_until(app.get(&path).header("last-event-id", last), |event| event.name == "log").await;
    assert_eq!(messages(&rest), ["three"]);
}

#[tokio::test]
async fn the_log_is_followed_as_it_is_written_and_filtered() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    for number in 0..150 {
        write(&app, &format!("old {number}"), None).await;
    }
    let watched = Notify::new();
    let work = async {
        watched.notified().await;
        write(&app, "noise", None).await;
        write(&app, "old news", None).await;
    };
    let stream = read_until(app.get("/logs/follow?text=OLD"), |event| {
        watched.notify_one();
        event.data["message"] == "old news"
    });
    let (events, ()) = tokio::join!(stream, work);
    let messages = messages(&events);
    assert_eq!((messages.len(), messages[0], messages[100]), (101, "old 50", "old news"));
}

#[tokio::test]
async fn a_stopping_process_sends_its_readers_elsewhere() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    write(&app, "the last line", None).await;
    let events = read_until(app.get("/logs/follow"), |event| {
        app.stop();
        event.name == "timeout"
    });
    let events = events.await;
    assert_eq!(events.last().map(|event| event.name.as_str()), Some("timeout"));
}

#[tokio::test]
async fn a_stream_ends_at_once_when_its_reader_may_no_longer_log_in() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    let path = ann(&app).await;
    let disable = || listen(&app, |_| app.patch(&path).json(json!({ "disabled": true })));
    let enable = async || drop(app.patch(&path).json(json!({ "disabled": false })).await.ok());
    at_once("disabled", disable, enable).await;
    let demote = || listen(&app, |_| app.patch(&path).json(json!({ "role": "user" })));
    let promote = async || drop(app.patch(&path).json(json!({ "role": "admin" })).await.ok());
    at_once("demoted", demote, promote).await;
    let log_out = || listen(&app, |token| app.post("/auth/logout").bearer(&token));
    at_once("logged out", log_out, async || ()).await;
    let path = Mutex::new(path);
    let current = || path.lock().expect("not poisoned").clone();
    let remove = || listen(&app, |_| app.delete(&current()));
    let add = async || *path.lock().expect("not poisoned") = ann(&app).await;
    at_once("removed", remove, add).await;
}

/// Adds the user `ann`. Returns her path.
async fn ann(app: &TestApp) -> String {
    let new = json!({ "username": "ann", "password": "correct horse", "role": "admin" });
    app.post("/users").json(new).await.header("location").to_owned()
}

/// Tries until a stream ended sooner than it would without a notification, which is up to 15 seconds after it began: a
/// busy machine may be slower than that now and then.
async fn at_once<F>(case: &str, try_it: impl Fn() -> F, again: impl AsyncFn())
where
    F: Future<Output = Duration>,
{
    for _ in 0..8 {
        let took = try_it().await;
        again().await;
        if took < Duration::from_secs(8) {
            return;
        }
    }
    panic!("{case}: the stream goes on until it looks by itself");
}

/// How long a stream of the user `ann` goes on after `happens` changed her or her token.
async fn listen<'a>(app: &'a TestApp, happens: impl FnOnce(String) -> Request<'a>) -> Duration {
    let token = app.login("ann", "correct horse").await;
    let response = app.get("/logs/follow").bearer(&token).open().await;
    assert_eq!(response.status(), 200);
    let mut chunks = response.bytes_stream();
    let answer = happens(token).await;
    assert!(answer.status.is_success(), "{}", answer.text);
    let since = Instant::now();
    let reading = async { while let Some(Ok(_)) = chunks.next().await {} };
    tokio::time::timeout(PATIENCE, reading).await.expect("the stream ends");
    since.elapsed()
}

#[tokio::test]
async fn a_stream_may_begin_after_any_number() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    write(&app, "the only line", None).await;
    for after in [i64::MAX, i64::MAX - 1, i64::MIN, -1, 0] {
        for request in [
            app.get(&format!("/logs/follow?after={after}")),
            app.get("/logs/follow").header("last-event-id", &after.to_string()),
        ] {
            let response = request.open().await;
            assert_eq!(response.status(), 200, "{after}");
        }
    }
}

#[tokio::test]
async fn one_user_may_open_only_so_many_streams_and_others_keep_theirs() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    ann(&app).await;
    let ann = app.login("ann", "correct horse").await;
    let mut open = Vec::new();
    let refused = loop {
        let response = app.get("/logs/follow").bearer(&ann).open().await;
        match response.status().as_u16() {
            200 => open.push(response),
            _ => break response,
        }
        assert!(open.len() < 1_000, "there is no limit");
    };
    assert_eq!(open.len(), 64);
    assert_eq!((refused.status().as_u16(), &refused.headers()["retry-after"]), (429, &"5".parse().expect("a header")));
    let problem: Value = refused.json().await.expect("a problem document");
    assert_eq!(problem["code"], "too_many_streams");
    assert_eq!(app.get("/logs/follow").open().await.status(), 200, "another user has places of their own");

    drop(open.pop());
    let again = app.eventually(async || {
        let response = app.get("/logs/follow").bearer(&ann).open().await;
        response.status().is_success().then_some(response)
    });
    assert!(again.await.is_some(), "the place of a stream that ended is free again");
}
