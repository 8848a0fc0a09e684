//! One trace from the HTTP request through the queue into every stage of the run, over two processes, at a real
//! OTLP receiver; and the log lines that belong to it.

use nix::sys::signal::Signal;

use crate::support::client::Client;
use crate::support::otlp::{Collector, hex};
use crate::support::{Folder, Running, elt, start_up, up};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";
const CONFIG: &str = "sources: [{type: local, path: in}]\ntarget: {table: people}\nmonitor: {enabled: false}\n";

#[tokio::test]
async fn one_trace_runs_from_the_request_through_the_queue_into_every_stage() {
    let collector = Collector::start().await;
    let folder = Folder::new();
    folder.write("in/people.csv", "id,name\n1,Ann\n2,Bob\n");
    let mut command = elt(&folder, &["up", "--listen", "127.0.0.1:0", "--no-worker"]);
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint);
    let api = start_up(command);
    let mut command = elt(&folder, &["worker"]);
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint);
    let mut worker = Running::start(command);
    worker.wait_for("working on queue");
    let client = Client::log_in(&api.url).await;

    let id = client.trigger(CONFIG, Some(&format!("00-{TRACE}-{PARENT}-01"))).await;
    let run = client.wait_until_finished(&id).await;

    assert_eq!(run["state"], "succeeded", "{run}");
    let request = collector.wait_for(TRACE, "POST /trigger-job").await;
    let execution = collector.wait_for(TRACE, "run").await;
    assert_eq!((request.service.as_str(), execution.service.as_str()), ("elt-up", "elt-worker"));
    assert_eq!(hex(&request.span.parent_span_id), PARENT, "the request hangs on its caller");
    assert_eq!(execution.span.parent_span_id, request.span.span_id, "the run hangs on the request");
    assert_eq!(execution.attribute("run.id"), Some(id.clone()));
    for stage in ["extract", "validate", "load"] {
        let stage = collector.wait_for(TRACE, stage).await.span;
        assert_eq!(stage.parent_span_id, execution.span.span_id, "{} hangs on the run", stage.name);
    }

    // The writer of lines is a moment behind.
    worker.signal(Signal::SIGTERM);
    worker.end();
    let logs = client.get(&format!("/logs/search?run_id={id}")).await;
    let lines = logs["data"].as_array().expect("lines");
    assert!(!lines.is_empty() && lines.iter().all(|line| line["trace_id"] == TRACE), "{logs}");
    api.stop();
}

#[tokio::test]
async fn no_secret_reaches_a_line_a_span_or_an_error() {
    let collector = Collector::start().await;
    let folder = Folder::new();
    folder.write("in/people.csv", "id,name\n1,Ann\n");
    let up = up(&folder, &[("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint), ("ELT_LOG", "debug")]);
    let client = Client::log_in(&up.url).await;
    let target = "{table: people, host: 127.0.0.1, port: 1, database: nowhere, user: elt, password: hunter2hunter2}";

    let config = format!("{}retry: {{max_attempts: 3}}\n", CONFIG.replace("{table: people}", target));
    let id = client.trigger(&config, Some(&format!("00-{TRACE}-{PARENT}-01"))).await;
    let run = client.wait_until_finished(&id).await;

    assert_eq!(run["state"], "failed", "{run}");
    assert!(run["error"].as_str().is_some_and(|error| error.contains("127.0.0.1:1/nowhere")), "{run}");
    collector.wait_for(TRACE, "run").await;
    let logs = client.get("/logs").await;
    let said = up.stop();
    let file = std::fs::read_to_string(folder.path().join("data/elt.log")).expect("the log");
    for (place, text) in [
        ("run", run.to_string()),
        ("stderr", said),
        ("elt.log", file),
        ("/logs", logs.to_string()),
        ("spans", format!("{:?}", collector.spans())),
    ] {
        assert!(!text.contains("hunter2"), "{place}: {text}");
    }
}

#[tokio::test]
async fn a_collector_that_is_away_is_said_once_and_stops_nothing() {
    let folder = Folder::new();
    folder.write("in/people.csv", "id,name\n1,Ann\n");
    let up = up(&folder, &[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")]);
    let client = Client::log_in(&up.url).await;

    for _ in 0..2 {
        let id = client.trigger(CONFIG, None).await;
        assert_eq!(client.wait_until_finished(&id).await["state"], "succeeded");
    }

    let said = up.stop();
    assert_eq!(said.matches("could not send traces to http://127.0.0.1:1").count(), 1, "{said}");
}
