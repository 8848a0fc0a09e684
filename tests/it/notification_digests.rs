//! Digests: one message to a receiver about everything that happened in a period.

use axum::http::StatusCode;
use axum::response::IntoResponse;
use chrono::{Duration, Timelike, Utc};
use elt_shared::metrics::Audience;
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::http_source::{Hit, HttpSource};

/// A time of the day at which no test ends, with a `digest:` that goes out then.
fn digest() -> (String, String) {
    let at = Utc::now() + Duration::minutes(90);
    let at = format!("{:02}:{:02}", at.hour(), at.minute());
    (format!("digest: {{at: '{at}', timezone: UTC}}"), at)
}

/// A receiver that takes everything, which is the channel `ops`.
async fn ops(app: &TestApp) -> HttpSource {
    let receiver = HttpSource::start().await;
    receiver.script(|_, _| StatusCode::NO_CONTENT.into_response());
    let address = json!({ "webhook": receiver.url("/script/ops") });
    assert_eq!(app.request("PUT", "/channels/ops").json(address).await.status, 201);
    receiver
}

/// A pipeline that fails at a cell that is not a number, and whose messages go to these items of `notify:`.
fn strict(app: &TestApp, table: &str, items: &str) -> String {
    app.yaml(table, &format!("schema: {{columns: {{id: int64}}}}\non_bad_row: fail\nnotify: [{items}]\n"))
}

async fn fails(app: &TestApp, yaml: &str) {
    app.folder().write("a.csv", "id\nnot a number\n");
    let run = app.trigger(yaml).await;
    assert_eq!(app.finished(&run["id"]).await["state"], "failed");
}

async fn succeeds(app: &TestApp, yaml: &str) {
    app.folder().write("a.csv", "id\n1\n");
    app.load(yaml).await;
}

/// Makes everything due that waits for a digest.
async fn time_has_come(app: &TestApp) {
    app.execute("update notifications set next_try_at = now() where state = 'waiting' and digest is not null").await;
}

/// Waits until no message waits to be sent.
async fn all_sent(app: &TestApp) {
    let sent = app.eventually(async || {
        let waiting = app.control("select id from notifications where state = 'waiting'").await;
        waiting.is_empty().then_some(())
    });
    sent.await.expect("every message was sent");
}

/// Titles of the messages of a digest, in their order.
fn titles(hit: &Hit) -> Vec<String> {
    let body = hit.json();
    assert_eq!(body["type"], "elt.pipeline.digest", "{body:#}");
    assert_eq!(body["id"], hit.header("webhook-id").expect("an id"));
    let messages = body["data"]["messages"].as_array().expect("messages").iter();
    messages.map(|message| message["data"]["title"].as_str().expect("a title").to_owned()).collect()
}

#[tokio::test]
async fn everything_that_happened_until_its_time_is_one_message_about_all_pipelines_of_a_channel() {
    let app = TestApp::start_with(|options| {
        options.separate_logins = true;
        options.worker.network.public_url = Some("https://elt.example.com".into());
    })
    .await;
    // Any of them sends what is due.
    for _ in 0..2 {
        app.start_worker();
    }
    let receiver = ops(&app).await;
    let (digest, at) = digest();
    let orders = strict(&app, "orders", &format!("{{channel: ops, {digest}}}"));
    let people = strict(&app, "people", &format!("{{on: failed, channel: ops, {digest}}}"));
    fails(&app, &orders).await;
    fails(&app, &people).await;
    succeeds(&app, &orders).await;
    let waiting = format!(
        "select id, next_try_at from notifications where state = 'waiting' and attempt = 0 and next_try_at::time(0) = '{at}'
           and next_try_at > now() and give_up_at = next_try_at + interval '24 hours' order by id"
    );
    let waiting = app.control(&waiting).await;
    assert_eq!(waiting.len(), 3, "all of them wait for the same time");

    assert_eq!(app.post("/channels/ops/test").await.status, 202);
    let tested = app.eventually(async || (receiver.hits().len() == 1).then_some(())).await;
    tested.expect("the test of a channel waits for no digest");
    assert_eq!(receiver.hits()[0].json()["type"], "elt.channel.test");

    time_has_come(&app).await;
    all_sent(&app).await;
    let hits = receiver.hits();
    assert_eq!(hits.len(), 2, "one message: {hits:?}");
    assert_eq!(titles(&hits[1]), ["orders failed", "orders is well again", "people failed"]);
    let body = hits[1].json();
    assert_eq!(body["id"], waiting[0]["id"], "the id of its first message");
    assert_eq!((&body["data"]["title"], &body["data"]["more"]), (&json!("3 messages about 2 pipelines"), &json!(0)));
    assert_eq!(body["data"]["url"], "https://elt.example.com/ui/notifications");
    let link = body["data"]["messages"][0]["data"]["url"].as_str().expect("a link");
    assert!(link.starts_with("https://elt.example.com/ui/runs/"), "{link}");

    let shown = app.get("/notifications?state=sent").await.ok();
    let ended: Vec<&Value> = shown["data"].as_array().expect("a page").iter().map(|one| &one["ended_at"]).collect();
    assert_eq!(ended.len(), 4, "{shown:#}");
    assert!(ended[1..].iter().all(|at| *at == ended[1]), "the messages were sent together: {shown:#}");

    let counted = app.eventually(async || {
        let text = app.worker_settings.metrics.text(Audience::Anyone).expect("a text");
        text.contains("elt_notifications_total{channel_kind=\"generic\",state=\"sent\"} 4\n").then_some(())
    });
    counted.await.expect("each message of a digest counts");

    fails(&app, &orders).await;
    time_has_come(&app).await;
    all_sent(&app).await;
    let hits = receiver.hits();
    assert_eq!(titles(&hits[2]), ["orders failed"], "the next digest has what is new");
    assert_eq!((hits.len(), &hits[2].json()["data"]["title"]), (3, &json!("1 message about orders")));
}

#[tokio::test]
async fn an_item_with_an_address_has_a_digest_of_its_own_beside_messages_that_do_not_wait() {
    let app = TestApp::start_with(|_| {}).await;
    let receiver = ops(&app).await;
    let (digest, _) = digest();
    let items = format!(
        "{{on: failed, webhook: \"{0}/first\", {digest}}}, {{on: failed, webhook: \"{0}/second\", {digest}, format: slack}}, \
         {{on: failed, channel: ops}}",
        receiver.url("/script")
    );
    for table in ["orders", "people"] {
        fails(&app, &strict(&app, table, &items)).await;
    }
    let told = app.eventually(async || (receiver.hits().len() >= 2).then_some(())).await;
    told.expect("the third item does not wait");
    assert!(receiver.hits().iter().all(|hit| hit.path.ends_with("/ops")), "{:?}", receiver.hits());
    time_has_come(&app).await;
    all_sent(&app).await;
    let hits = receiver.hits();
    let at = |path: &str| hits.iter().filter(|hit| hit.path.ends_with(path)).collect::<Vec<_>>();
    let mut first: Vec<Vec<String>> = at("/first").into_iter().map(titles).collect();
    first.sort();
    assert_eq!(first, [["orders failed"], ["people failed"]], "two configs may mean two receivers");
    let slack = at("/second");
    assert_eq!(slack.len(), 2);
    let text = slack[0].json()["text"].as_str().expect("a text").to_owned();
    assert!(text.starts_with("*1 message about ") && text.contains("failed"), "{text}");
}

#[tokio::test]
async fn a_receiver_that_was_away_gets_the_same_digest_and_then_one_about_the_time_since() {
    let app = TestApp::start_with(|options| options.workers = 2).await;
    let receiver = ops(&app).await;
    receiver.script(|_, _| StatusCode::SERVICE_UNAVAILABLE.into_response());
    let (digest, _) = digest();
    let yaml = |table: &str| strict(&app, table, &format!("{{channel: ops, {digest}}}"));
    fails(&app, &yaml("orders")).await;
    fails(&app, &yaml("people")).await;
    time_has_come(&app).await;
    let failed = "select id from notifications where error = 'the receiver answered 503 Service Unavailable' and state = 'waiting'";
    let noted = app.eventually(async || (app.control(failed).await.len() == 2).then_some(())).await;
    noted.expect("why it failed is noted at each message of the digest");
    // Both times have come. What is in the first digest does not change, and its end does not overtake its begin.
    succeeds(&app, &yaml("orders")).await;
    fails(&app, &yaml("items")).await;
    let tries = receiver.hits().len();
    time_has_come(&app).await;
    let again = app.eventually(async || (receiver.hits().len() > tries).then_some(())).await;
    again.expect("it is tried again");
    receiver.script(|_, _| StatusCode::OK.into_response());
    let arrived = app.eventually(async || {
        app.execute("update notifications set next_try_at = now() where error is not null and state = 'waiting'").await;
        app.control("select id from notifications where state = 'waiting'").await.is_empty().then_some(())
    });
    arrived.await.expect("everything arrives");
    let hits = receiver.hits();
    let (last, before) = hits.split_last().expect("a message");
    let first = &before[0];
    for hit in before {
        assert_eq!(hit.header("webhook-id"), first.header("webhook-id"), "the same digest has the same id");
        assert_eq!(hit.body, first.body);
    }
    assert_eq!(titles(first), ["orders failed", "people failed"]);
    assert_eq!(titles(last), ["items failed", "orders is well again"]);
}

#[tokio::test]
async fn a_digest_has_fifty_messages_of_all_pipelines_and_the_number_of_the_others() {
    let app = TestApp::start_with(|_| {}).await;
    let receiver = ops(&app).await;
    let (digest, _) = digest();
    fails(&app, &strict(&app, "orders", &format!("{{on: failed, channel: ops, {digest}}}"))).await;
    app.execute(
        "insert into notifications (id, incident_id, pipeline, event, queue, config_id, entry, channel, destination, message,
                                    next_try_at, digest)
         select gen_random_uuid(), incident_id, case when n <= 3 then 'people' else pipeline end, event, queue, config_id, entry,
                channel, destination, message || jsonb_build_object('title', n::text), next_try_at, digest
         from notifications, generate_series(1, 60) n",
    )
    .await;
    time_has_come(&app).await;
    all_sent(&app).await;
    let hits = receiver.hits();
    let [hit] = &hits[..] else { panic!("{hits:?}") };
    let titles = titles(hit);
    assert_eq!((titles.len(), hit.json()["data"]["more"].as_u64()), (50, Some(11)));
    for title in ["1", "2", "3"] {
        assert!(
            titles.iter().any(|told| told == title),
            "a pipeline with many messages hides no other one: {titles:?}"
        );
    }
    assert_eq!(hit.json()["data"]["title"], "61 messages about 2 pipelines");
}

#[tokio::test]
async fn the_api_sends_a_digest_that_says_that_there_is_no_worker() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    let receiver = ops(&app).await;
    let (digest, _) = digest();
    let yaml = strict(&app, "orders", &format!("{{on: [stopped, no_worker], channel: ops, {digest}}}"));
    let stopped = app.trigger(&yaml).await;
    app.post(&format!("/runs/{}/stop", stopped["id"].as_str().expect("an id"))).await.ok();
    // As if a worker had taken it and was lost.
    app.execute("update notifications set digest_id = id, attempt = 1, next_try_at = now()").await;
    app.trigger(&yaml).await;
    app.execute("update runs set created_at = created_at - interval '2 hours' where state = 'queued'").await;
    let told = app.eventually(async || {
        let told = "select id from notifications where event = 'no_worker' and next_try_at > now()";
        (!app.control(told).await.is_empty()).then_some(())
    });
    told.await.expect("it waits for the digest");
    assert_eq!(receiver.hits().len(), 0, "the API sends the messages of workers only with one of its own");
    time_has_come(&app).await;
    all_sent(&app).await;
    let all: Vec<Vec<String>> = receiver.hits().iter().map(titles).collect();
    assert_eq!(all, [["orders was stopped"], ["orders has no worker"]], "in their order");
}
