//! Messages about a pipeline whose workers are killed while they send them.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use nix::sys::signal::Signal;
use tokio::time::sleep;

use crate::world::{World, alone, report, rounds};

/// Time that the receiver takes for each message, so that some workers die between sending one and noting it.
const TAKES: Duration = Duration::from_millis(400);

/// The messages that arrived: their ids and types, in their order.
type Arrived = Arc<Mutex<Vec<(String, String)>>>;

/// A receiver that takes everything, slowly. Returns its address.
async fn receiver(arrived: Arrived) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let take = async move |headers: HeaderMap, body: String| {
        let body: serde_json::Value = serde_json::from_str(&body).expect("JSON");
        let id = headers["webhook-id"].to_str().expect("a text").to_owned();
        arrived.lock().expect("arrived").push((id, body["type"].as_str().expect("a type").to_owned()));
        sleep(TAKES).await;
        StatusCode::NO_CONTENT
    };
    let router = Router::new().route("/hook", post(take));
    tokio::spawn(async move { axum::serve(listener, router).await.expect("serving") });
    format!("http://{address}/hook")
}

#[test]
fn an_incident_is_one_message_however_often_workers_are_killed() {
    alone(async {
        let world = World::start().await;
        let arrived = Arrived::default();
        let hook = receiver(Arc::clone(&arrived)).await;
        let pipeline = world.pipeline("told", 30);
        let folder = world.source_folder(&pipeline);
        let source = format!("{{type: local, path: {}, settle_seconds: 0}}", folder.display());
        let more = format!(
            "monitor: {{enabled: false}}\nschema: {{columns: {{id: int64}}}}\non_bad_row: fail\nnotify: [{{webhook: '{hook}'}}]\n"
        );
        let mut worker = world.worker(&[]).await;
        let (mut kills, mut expected) = (0, Vec::new());
        for round in 0..rounds(2) {
            for (kind, state) in [("failed", "failed"), ("recovered", "succeeded")] {
                let bad = folder.join("bad.csv");
                match kind {
                    "failed" => std::fs::write(&bad, "id\nnot a number\n").expect("wrote"),
                    _ => std::fs::remove_file(&bad).expect("removed"),
                }
                // The second run says nothing new.
                for _ in 0..2 {
                    let run = world.trigger_source("told", &source, &more).await;
                    assert_eq!(world.finished(run).await.state.as_str(), state, "round {round}");
                }
                expected.push(format!("elt.pipeline.{kind}"));
                // From before it is sent until after it was noted.
                sleep(Duration::from_millis(rand::random_range(0..1_600))).await;
                worker.process.signal(Signal::SIGKILL);
                kills += 1;
                worker = world.worker(&[]).await;
                world
                    .some(
                        "every message was sent",
                        "select 1::bigint where not exists (select from notifications where state <> 'sent')
                         union all select 0::bigint where exists (select from notifications where state <> 'sent')",
                    )
                    .await;
            }
        }
        let arrived = arrived.lock().expect("arrived").clone();
        let mut seen = BTreeSet::new();
        let first: Vec<&str> =
            arrived.iter().filter(|(id, _)| seen.insert(id.clone())).map(|(_, kind)| kind.as_str()).collect();
        assert_eq!(first, expected, "one message for each incident and each end, in their order: {arrived:?}");
        let copies = arrived.len() - first.len();
        assert!(copies <= kills, "only a kill makes a copy: {arrived:?}");
        drop(worker);
        report(
            &format!("kill -9 while messages are sent ({copies} arrived twice, with the same id)"),
            kills,
            Vec::new(),
        );
        world.end().await;
    });
}
