//! Lines and traces as a process writes them: layers of a test's own, a real file, and a real channel.

use std::path::Path;

use tracing::subscriber::DefaultGuard;
use uuid::Uuid;

use super::*;

const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

/// Telemetry of this thread alone.
fn telemetry(filter: &str, data_dir: Option<&Path>) -> (DefaultGuard, database::Attachment) {
    let (lines, database) = database::channel("test@here:1".into());
    let file = data_dir.map(|folder| file::LogFile::open(folder).unwrap());
    let kept = KeepLines::new("test@here:1".into(), file, lines);
    let traces = trace::Traces::new(None, "test").unwrap();
    // Another layer wants everything: the layers' filters differ, as they do in a process.
    let curious = tracing_subscriber::layer::Identity::new().with_filter(LevelFilter::TRACE);
    let subscriber = tracing_subscriber::registry()
        .with(curious)
        .with(traces.layer().with_filter(LineFilter::new(filter).unwrap()))
        .with(kept.with_filter(LineFilter::new(filter).unwrap()));
    (subscriber.set_default(), database)
}

#[test]
fn a_line_carries_the_run_and_the_trace_of_the_spans_around_it() {
    // The filter lets no span through by itself.
    let (_guard, mut kept) = telemetry("warn", None);
    let run = Uuid::now_v7();
    let span = tracing::info_span!("run", run.id = %run, attempt = 1);
    continue_trace(&span, Some(TRACEPARENT));

    span.in_scope(|| tracing::warn!(rows = 3, attempt = 2, "three rows {}", "left"));
    tracing::info!("not written");
    tracing::warn!("outside");

    let [line, outside] = kept.waiting().collect::<Vec<_>>().try_into().unwrap();
    assert_eq!(line.message, "three rows left");
    assert_eq!(line.level, "WARN");
    assert_eq!(line.run_id, Some(run));
    assert_eq!(line.trace_id.as_deref(), Some(TRACE));
    assert_eq!(line.fields, serde_json::json!({"rows": 3, "attempt": 2}));
    assert_eq!((outside.run_id, outside.trace_id), (None, None));
}

#[test]
fn the_commands_of_the_ftp_library_are_never_lines_because_they_hold_passwords() {
    let (_guard, mut kept) = telemetry("trace,suppaftp::async_ftp=trace", None);
    tracing::trace!(target: "suppaftp::async_ftp::tokio_ftp::control", "CC OUT: PASS c4n4ry");
    tracing::trace!(target: "elt_worker", "said");
    let lines: Vec<_> = kept.waiting().map(|line| line.message).collect();
    assert_eq!(lines, ["said"]);
}

#[test]
fn a_secret_is_hidden_in_a_line_its_fields_and_the_spans_around_it() {
    let folder = tempfile::tempdir().unwrap();
    let (_guard, mut kept) = telemetry("info", Some(folder.path()));
    crate::redaction::add(&"c4n4ry-of-lines".into());
    let span = tracing::info_span!("run", url = "http://c4n4ry-of-lines/");
    let error = std::io::Error::other("refused c4n4ry-of-lines");

    let long = format!("{}c4n4ry-of-lines", "x".repeat(line::MESSAGE_LIMIT - 5));
    span.in_scope(|| tracing::warn!(error = &error as &dyn std::error::Error, "{long}"));
    span.in_scope(|| tracing::warn!(debugged = ?"c4n4ry-of-lines", "told c4n4ry-of-lines"));

    let [cut, line] = kept.waiting().collect::<Vec<_>>().try_into().unwrap();
    assert!(!cut.message.contains("c4n4"), "a secret that the limit cuts in two is hidden as well");
    assert_eq!(cut.fields, serde_json::json!({ "url": "http://***/", "error": "refused ***" }));
    assert_eq!(line.message, "told ***");
    assert_eq!(line.fields, serde_json::json!({ "url": "http://***/", "debugged": "\"***\"" }));
    let file = std::fs::read_to_string(folder.path().join("elt.log")).unwrap();
    assert!(file.contains("told ***") && !file.contains("c4n4"), "{file}");
}

#[test]
fn a_line_is_written_also_after_someone_only_asked_whether_theirs_would_be() {
    let (_guard, mut kept) = telemetry("info", None);
    let say = |what: &str| tracing::info!("{what}");
    say("first");

    // As the database driver asks before it formats a statement.
    assert!(tracing::enabled!(target: "sqlx::query", tracing::Level::INFO), "by the curious layer");
    say("second");

    assert_eq!(kept.waiting().count(), 2);
}

#[test]
fn the_trace_of_a_request_goes_on_in_whoever_takes_up_its_traceparent() {
    let (_guard, _kept) = telemetry("info", None);
    assert_eq!(traceparent(), None);
    let request = tracing::info_span!("request");
    continue_trace(&request, Some(TRACEPARENT));

    let sent = request.in_scope(traceparent).unwrap();

    assert!(sent.starts_with(&format!("00-{TRACE}-")) && sent != TRACEPARENT, "{sent}");
    let stage = tracing::info_span!("stage");
    continue_trace(&stage, Some("no trace context"));
    assert!(!stage.in_scope(traceparent).unwrap().contains(TRACE));
}

#[test]
fn endless_and_forged_messages_become_one_short_line() {
    let folder = tempfile::tempdir().unwrap();
    let (_guard, mut kept) = telemetry("info", Some(folder.path()));

    tracing::info!("{}", "é".repeat(1 << 20));
    tracing::info!(cell = "x".repeat(5_000), "a\n2025-01-01 00:00:00,000 - INFO - forged \0");

    let [long, forged] = kept.waiting().collect::<Vec<_>>().try_into().unwrap();
    assert!(long.message.len() <= line::MESSAGE_LIMIT + 16 && long.message.ends_with("… (cut)"));
    assert!(forged.fields["cell"].as_str().unwrap().len() < 1_100);
    assert!(!forged.message.contains('\0'), "PostgreSQL would refuse it");
    let text = std::fs::read_to_string(folder.path().join("elt.log")).unwrap();
    assert_eq!(text.lines().count(), 2);
    assert!(text.contains(r" - INFO - a\n2025-01-01 00:00:00,000 - INFO - forged"), "{text}");
}

#[test]
fn a_storm_of_lines_never_waits_and_what_is_lost_is_counted() {
    let (_guard, mut kept) = telemetry("info", None);
    // Lines about a run are all kept while there is room.
    let run = Uuid::now_v7();

    for number in 0..100_000 {
        tracing::info!(run.id = %run, number, "line");
    }

    // Nobody takes lines out meanwhile, so a line that waited for room would have waited for ever.
    let lines = kept.waiting().collect::<Vec<_>>();
    assert_eq!(lines.len(), database::CHANNEL);
    assert_eq!(kept.lost(), 100_000 - database::CHANNEL as u64);
    assert_eq!(kept.dropped.get(), kept.lost());
}

/// What a subscriber wrote.
#[derive(Clone, Default)]
struct Written(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_json_line_names_the_trace_and_the_span_around_it() {
    let written = Written::default();
    let writer = written.clone();
    let traces = trace::Traces::new(None, "test").unwrap();
    let lines = tracing_subscriber::fmt::layer().json().flatten_event(true).map_event_format(WithTrace);
    let subscriber =
        tracing_subscriber::registry().with(traces.layer()).with(lines.with_writer(move || writer.clone()));
    let guard = subscriber.set_default();
    let span = tracing::info_span!("run", run.id = "r1");
    continue_trace(&span, Some(TRACEPARENT));
    span.in_scope(|| tracing::warn!(brace = "}", "a line {}", "}"));
    span.in_scope(|| tracing::info_span!("stage").in_scope(|| tracing::info!("inside")));
    tracing::info!("outside");
    drop(guard);

    let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [line, inside, outside] = <[_; 3]>::try_from(lines).unwrap();
    assert_eq!((&line["trace_id"], &line["message"], &line["brace"]), (&TRACE.into(), &"a line }".into(), &"}".into()));
    assert_eq!(line["span"]["run.id"], "r1");
    assert_eq!(line["span_id"].as_str().map(str::len), Some(16));
    assert_eq!(inside["trace_id"], TRACE);
    assert_ne!(inside["span_id"], line["span_id"], "each span has its own id");
    assert_eq!((&outside["trace_id"], &outside["message"]), (&serde_json::Value::Null, &"outside".into()));
}
