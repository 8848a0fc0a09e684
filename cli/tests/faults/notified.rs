//! Messages about a pipeline while the processes that send them are killed: workers, and the API where no worker is.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use chrono::{Timelike, Utc};
use nix::sys::signal::Signal;
use serde_json::Value;
use tokio::time::sleep;

use crate::world::{World, alone, report, rounds};

/// Time that the receiver takes for each message, so that some processes die between sending one and noting it.
const TAKES: Duration = Duration::from_millis(400);
/// Longest time from the moment that something is due until a process is killed, in milliseconds: from before it is sent until
/// after it was noted.
const KILLED_WITHIN: u64 = 1_600;

/// A request that arrived.
#[derive(Debug, Clone)]
struct Hit {
    /// Where: `single` or `digest`.
    place: String,
    id: String,
    body: Value,
}

/// The requests that arrived, in their order.
#[derive(Clone, Default)]
struct Receiver(Arc<Mutex<Vec<Hit>>>);

impl Receiver {
    /// Takes everything, slowly. Returns its address, without the place.
    async fn start(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let arrived = Arc::clone(&self.0);
        let take = async move |Path(place): Path<String>, headers: HeaderMap, body: String| {
            let body: Value = serde_json::from_str(&body).expect("JSON");
            let id = headers["webhook-id"].to_str().expect("a text").to_owned();
            arrived.lock().expect("arrived").push(Hit { place, id, body });
            sleep(TAKES).await;
            StatusCode::NO_CONTENT
        };
        let router = Router::new().route("/{place}", post(take));
        tokio::spawn(async move { axum::serve(listener, router).await.expect("serving") });
        format!("http://{address}")
    }

    /// The bodies that arrived at a place, those with an id that was seen before left out, and the number of these. A copy says
    /// the same as the first one.
    fn at(&self, place: &str) -> (Vec<Value>, usize) {
        let arrived = self.0.lock().expect("arrived").clone();
        let (mut seen, mut first, mut copies) = (BTreeMap::new(), Vec::new(), 0);
        for hit in arrived.into_iter().filter(|hit| hit.place == place) {
            match seen.get(&hit.id) {
                Some(known) => {
                    assert_eq!(&hit.body, known, "a copy of {}", hit.id);
                    copies += 1;
                }
                None => {
                    first.push(hit.body.clone());
                    seen.insert(hit.id, hit.body);
                }
            }
        }
        (first, copies)
    }
}

fn types<'a>(bodies: impl IntoIterator<Item = &'a Value>) -> Vec<String> {
    bodies.into_iter().map(|body| body["type"].as_str().expect("a type").to_owned()).collect()
}

async fn all_sent(world: &World) {
    let unsent = "select (not exists (select from notifications where state <> 'sent'))::int::bigint";
    world.some("every message was sent", unsent).await;
}

#[test]
fn an_incident_is_one_message_and_part_of_one_digest_however_often_workers_are_killed() {
    alone(async {
        let world = World::start().await;
        let receiver = Receiver::default();
        let hook = receiver.start().await;
        let pipeline = world.pipeline("told", 30);
        let folder = world.source_folder(&pipeline);
        let source = format!("{{type: local, path: {}, settle_seconds: 0}}", folder.display());
        // The digest is made due when there is something in it.
        let at = Utc::now() + chrono::Duration::hours(12);
        let more = format!(
            "monitor: {{enabled: false}}\nschema: {{columns: {{id: int64}}}}\non_bad_row: fail\nnotify: [{{webhook: '{hook}/single'}}, \
             {{webhook: '{hook}/digest', digest: {{at: '{:02}:{:02}', timezone: UTC}}}}]\n",
            at.hour(),
            at.minute()
        );
        let mut workers = [world.worker(&[]).await, world.worker(&[]).await];
        let (kills, mut expected) = (rounds(4), Vec::new());
        for round in 0..kills {
            let bad = folder.join("bad.csv");
            let (kind, state) = if round % 2 == 0 { ("failed", "failed") } else { ("recovered", "succeeded") };
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
            let due = "update notifications set next_try_at = now() where digest is not null and digest_id is null";
            sqlx::query(due).execute(&world.control).await.expect("the digest is due");
            sleep(Duration::from_millis(rand::random_range(0..KILLED_WITHIN))).await;
            // Either worker may be the one that sends.
            for worker in &mut workers {
                worker.process.signal(Signal::SIGKILL);
                *worker = world.worker(&[]).await;
            }
            all_sent(&world).await;
        }
        let (single, copies) = receiver.at("single");
        assert_eq!(types(&single), expected, "one message for each incident and each end, in their order");
        let (digests, digest_copies) = receiver.at("digest");
        let told = digests.iter().flat_map(|body| body["data"]["messages"].as_array().expect("messages"));
        assert_eq!(types(told), expected, "each of them is in one digest, in their order");
        assert!(copies.max(digest_copies) <= 2 * kills, "only a kill makes a copy: {copies}, {digest_copies}");
        drop(workers);
        let figures = format!(
            "kill -9 of workers while messages are sent: {} incidents and ends, {} messages and {copies} copies with the same id, {} \
             digests and {digest_copies} copies",
            expected.len(),
            single.len(),
            digests.len()
        );
        report(&figures, kills, Vec::new());
        world.end().await;
    });
}

#[test]
fn a_missing_worker_is_one_message_however_often_the_api_is_killed() {
    alone(async {
        let world = World::start().await;
        let receiver = Receiver::default();
        let hook = receiver.start().await;
        let pipeline = world.pipeline("waiting", 3);
        let folder = world.source_folder(&pipeline);
        let source = format!("{{type: local, path: {}, settle_seconds: 0}}", folder.display());
        let more = format!("monitor: {{enabled: false}}\nnotify: [{{on: no_worker, webhook: '{hook}/single'}}]\n");
        let mut api = world.api();
        let (kills, mut expected) = (rounds(2), Vec::new());
        for round in 0..kills {
            let name = format!("waiting_{round}");
            world.trigger_source(&name, &source, &more).await;
            let age = "update runs set created_at = created_at - interval '2 hours' where name = $1";
            sqlx::query(age).bind(&name).execute(&world.control).await.expect("aged");
            expected.push(name);
            // Some are killed before the message is written, and some after.
            if round % 2 == 0 {
                let unsent = "select count(*) from notifications where state = 'waiting'";
                world.some("the message is written", unsent).await;
            }
            sleep(Duration::from_millis(rand::random_range(0..KILLED_WITHIN))).await;
            api.signal(Signal::SIGKILL);
            api = world.api();
            let written = "select (count(*) = (select count(*) from runs))::int::bigint from notifications";
            world.some("every waiting run has a message", written).await;
            all_sent(&world).await;
        }
        let (told, copies) = receiver.at("single");
        let pipelines: Vec<&str> =
            told.iter().map(|body| body["data"]["pipeline"].as_str().expect("a pipeline")).collect();
        assert_eq!(pipelines, expected, "one message for each pipeline, in their order");
        assert!(copies <= kills, "only a kill makes a copy: {copies}");
        drop(api);
        let figures = format!(
            "kill -9 of the API while it says that there is no worker: {} incidents, {} messages and {copies} copies with the same id",
            expected.len(),
            told.len()
        );
        report(&figures, kills, Vec::new());
        world.end().await;
    });
}
