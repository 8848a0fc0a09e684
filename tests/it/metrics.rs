//! What Prometheus reads of an API and its workers.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use axum::response::IntoResponse;
use elt_shared::metrics::Audience;
use elt_shared::secret::Secret;
use elt_shared::store::gauges;
use serde_json::Value;
use sqlx::{Executor, PgPool};

use crate::support::TestApp;
use crate::support::http_source::HttpSource;

/// The value of a series, as `/metrics` of the API says.
async fn value(app: &TestApp, series: &str) -> Option<f64> {
    value_in(&app.get("/metrics").as_nobody().await.text, series)
}

fn value_in(text: &str, series: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}

/// Runs of the past, which a gauge must not read.
async fn history(db: &PgPool, config_id: &Value, runs: i32) {
    let id = config_id.as_i64().expect("the id of a config");
    sqlx::query(
        "insert into runs (id, config_id, name, target_table, trigger, state, created_by, created_at, finished_at)
         select gen_random_uuid(), $1, 'old', 'old', 'manual', 'succeeded', 'test', now() - interval '3 days',
                now() - interval '2 days'
         from generate_series(1, $2)",
    )
    .bind(id)
    .bind(runs)
    .execute(db)
    .await
    .expect("wrote the history");
    db.execute("analyze runs").await.expect("analyzed");
}

/// Rows of runs that this session has read.
async fn runs_read(db: &mut sqlx::PgConnection) -> i64 {
    sqlx::query_scalar(
        "select (coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0))::bigint from pg_stat_xact_user_tables
         where schemaname = 'elt' and relname = 'runs'",
    )
    .fetch_one(db)
    .await
    .expect("the statistics of this session")
}

#[tokio::test]
async fn the_gauges_read_no_run_of_the_past() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    let config = app.post("/upload-config").yaml(&app.yaml("people", "")).await.ok();
    app.trigger(&app.yaml("people", "")).await;
    history(&app.db, &config["id"], 20_000).await;
    let mut tx = app.db.begin().await.expect("a transaction");
    // The statistics of a session may still have what its earlier transactions read, so the difference counts.
    let before = runs_read(&mut tx).await;
    let gauges = gauges::list(&mut *tx).await.expect("the gauges");
    let read = runs_read(&mut tx).await - before;
    assert!(read < 100, "{read} rows of 20,001 runs were read");
    let of = |name: &str, label: Option<&str>| {
        gauges.iter().find(|gauge| gauge.name == name && gauge.label.as_deref() == label).map(|gauge| gauge.value)
    };
    assert_eq!(of("elt_runs", Some("queued")), Some(1.0));
    assert_eq!(of("elt_runs_waiting", Some("worker")), Some(1.0), "no worker takes it");
    assert_eq!(of("elt_runs_finished_24h", Some("succeeded")), Some(0.0));
}

#[tokio::test]
async fn only_runs_that_wait_for_a_worker_count_as_due() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    for (name, change) in [
        ("parked", "waits_for_run = gen_random_uuid()"),
        ("away", "waits_on = 'a server', waiting_since = now()"),
        ("unknown", "unknown_since = now()"),
        ("limited", "held = 'pipeline_limit'"),
        ("held", "held = 'paused'"),
        ("paused", "held = null"),
        ("later", "not_before = now() + interval '1 day'"),
    ] {
        app.trigger(&app.yaml(name, &format!("name: {name}\n"))).await;
        app.execute(&format!("update runs set {change}, created_at = now() - interval '1 hour' where name = '{name}'"))
            .await;
    }
    // What the gauges and the first page say: seconds of the oldest run that is due, runs that are due, other queued runs.
    let look = async || {
        let gauges = gauges::list(&app.db).await.expect("the gauges");
        let of = |name: &str, label: Option<&str>| {
            let found = gauges.iter().find(|gauge| gauge.name == name && gauge.label.as_deref() == label);
            found.expect("a gauge").value
        };
        let overview = app.get("/overview").await.ok();
        let (oldest, due) = (of("elt_oldest_queued_seconds", None), of("elt_runs_waiting", Some("worker")));
        assert_eq!(overview["queued"].as_i64(), Some(due as i64));
        let there = overview["oldest_queued_seconds"].as_f64().expect("a number");
        assert!((there - oldest).abs() < 300.0, "{there} and {oldest}");
        (oldest, due as i64, overview["waiting"].as_i64().expect("a number"))
    };
    // A pause of the queue, of everything, and of the pipeline.
    for (pause, resume) in [
        ("/queues/elt/pause", "/queues/elt/resume"),
        ("/pause", "/resume"),
        ("/pipelines/paused/pause", "/pipelines/paused/resume"),
    ] {
        app.post(pause).await.ok();
        assert_eq!(look().await, (0.0, 0, 7), "{pause}");
        app.post(resume).await.ok();
        app.execute("update runs set held = 'paused' where name = 'held'").await;
    }
    let (oldest, due, others) = look().await;
    assert!(oldest > 3_500.0, "{oldest}");
    assert_eq!((due, others), (1, 6));
}

#[tokio::test]
async fn a_slow_database_is_up_and_asked_once_for_all_scrapes() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    assert_eq!(value(&app, "elt_runs{state=\"queued\"}").await, Some(0.0));
    app.trigger(&app.yaml("people", "")).await;
    let mut lock = app.db.begin().await.expect("a transaction");
    lock.execute("lock table known_hosts in access exclusive mode").await.expect("the lock");
    let is_old = async || value(&app, "elt_numbers_age_seconds").await.filter(|age| *age > 6.0);
    app.eventually(is_old).await.expect("the numbers grow old, because no new ones can be read");

    let began = Instant::now();
    let scrapes = (0..20).map(|_| async { app.get("/metrics").as_nobody().await.text });
    for text in futures::future::join_all(scrapes).await {
        assert_eq!(value_in(&text, "elt_database_up"), Some(1.0), "{text}");
        assert_eq!(value_in(&text, "elt_runs{state=\"queued\"}"), Some(0.0), "the last good number");
    }
    assert!(began.elapsed() < Duration::from_secs(20), "a scrape does not wait for the lock: {:?}", began.elapsed());
    let waiting = app
        .control(
            "select pid from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'
               and query like '%elt_oldest_queued_seconds%'",
        )
        .await;
    assert!(waiting.len() <= 1, "one reading at a time: {waiting:?}");

    lock.rollback().await.expect("the lock is gone");
    let is_new = async || value(&app, "elt_runs{state=\"queued\"}").await.filter(|runs| *runs == 1.0);
    app.eventually(is_new).await.expect("the numbers are read again");
}

#[tokio::test]
async fn a_token_protects_the_metrics() {
    let app = TestApp::start_with(|options| {
        options.workers = 0;
        options.api.probes.metrics_token = Some(Secret::new("a token of the tests"));
    })
    .await;
    assert_eq!(app.get("/metrics").as_nobody().await.problem(401)["code"], "unauthorized");
    assert_eq!(app.get("/metrics").bearer("a token of others").await.problem(401)["code"], "unauthorized");
    let text = app.get("/metrics").bearer("a token of the tests").await.text;
    assert_eq!(value_in(&text, "elt_database_up"), Some(1.0), "{text}");
    let elsewhere = TestApp::start_with(|options| {
        options.workers = 0;
        options.api.probes.metrics_listen = Some(([127, 0, 0, 1], 1).into());
    })
    .await;
    let problem = elsewhere.get("/metrics").as_nobody().await.problem(404);
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("ELT_METRICS_LISTEN")), "{problem}");
}

#[tokio::test]
async fn a_worker_counts_what_it_did() {
    let app = TestApp::start_with(|options| options.workers = 1).await;
    let (health, metrics) = (app.worker_settings.health.clone(), app.worker_settings.metrics.clone());
    app.folder().write("a.csv", "id,amount\n1,1\n2,two\n3,3\n");
    let yaml =
        app.yaml("people", "name: people\nschema: {columns: {id: int64, amount: int64}}\non_bad_row: quarantine\n");
    let run = app.load(&yaml).await;
    assert_eq!(run["rows_inserted"], 2, "{run:#}");
    // The numbers are counted after the end of the run is written.
    let counted = async || {
        let text = metrics.text(Audience::Operators).expect("a text");
        value_in(&text, r#"elt_attempts_total{kind="run",end="succeeded"}"#).filter(|ended| *ended == 1.0).map(|_| text)
    };
    let text = app.eventually(counted).await.expect("the attempt is counted");
    for (series, expected) in [
        (r#"elt_pipeline_rows_total{pipeline="people",outcome="inserted"}"#, 2.0),
        (r#"elt_pipeline_rows_total{pipeline="people",outcome="quarantined"}"#, 1.0),
        (r#"elt_pipeline_runs_total{pipeline="people",state="succeeded"}"#, 1.0),
        (r#"elt_run_duration_seconds_count{kind="run"}"#, 1.0),
        (r#"elt_stage_duration_seconds_count{stage="load"}"#, 1.0),
        ("elt_queue_wait_seconds_count", 1.0),
        ("elt_worker_slots", 2.0),
        (r#"elt_attempts_total{kind="run",end="fenced"}"#, 0.0),
    ] {
        assert_eq!(value_in(&text, series), Some(expected), "{series} in {text}");
    }
    assert_eq!(health.live(), Ok(()));
    let ready = app.eventually(async || health.ready().ok()).await;
    assert_eq!(ready, Some(()), "{:?}", health.ready());

    let broken = app.yaml("people", "name: broken\nschema: {columns: {missing: int64}}\n");
    let failed = app.trigger(&broken).await;
    app.finished(&failed["id"]).await;
    let counted = async || {
        let text = metrics.text(Audience::Operators).expect("a text");
        value_in(&text, r#"elt_pipeline_runs_total{pipeline="broken",state="failed"}"#).filter(|runs| *runs == 1.0)
    };
    assert!(app.eventually(counted).await.is_some());
    let is_seen = async || value(&app, r#"elt_runs_finished_total{kind="run",state="failed",outcome=""}"#).await;
    assert!(app.eventually(async || is_seen().await.filter(|runs| *runs == 1.0)).await.is_some());

    app.stop();
    assert_eq!(health.ready(), Err("the worker is stopping and takes nothing new".to_owned()));
    assert_eq!(health.live(), Ok(()), "a worker that finishes its runs is not restarted");
}

#[tokio::test]
async fn messages_about_pipelines_that_wait_are_counted_and_those_that_were_given_up() {
    let app = TestApp::start_with(|options| options.workers = 1).await;
    let receiver = HttpSource::start().await;
    receiver.script(|_, _| StatusCode::SERVICE_UNAVAILABLE.into_response());
    let notify = format!("notify: [{{webhook: \"{}\"}}]\n", receiver.url("/script/down"));
    app.folder().write("a.csv", "id\nx\n");
    let more = format!("schema: {{columns: {{id: int64}}}}\non_bad_row: fail\n{notify}");
    let run = app.trigger(&app.yaml("orders", &more)).await;
    app.finished(&run["id"]).await;
    let tried = "select id from notifications where error is not null";
    app.eventually(async || app.control(tried).await.pop()).await.expect("a failed try");
    // As if it had been due for an hour.
    app.execute("update notifications set give_up_at = now() + interval '23 hours'").await;
    let gauges = gauges::list(&app.db).await.expect("the gauges");
    let of = |name: &str| gauges.iter().find(|gauge| gauge.name == name).expect("a gauge").value;
    assert_eq!(of("elt_notifications_waiting"), 1.0);
    let age = of("elt_oldest_notification_seconds");
    assert!((3_600.0..4_600.0).contains(&age), "{age}");
    let shown = async || value(&app, "elt_notifications_waiting").await.filter(|messages| *messages == 1.0);
    app.eventually(shown).await.expect("the API shows it");

    let counted = |state: &str| {
        let text = app.worker_settings.metrics.text(Audience::Anyone).expect("a text");
        value_in(&text, &format!(r#"elt_notifications_total{{channel_kind="generic",state="{state}"}}"#))
    };
    assert_eq!((counted("sent"), counted("given_up")), (Some(0.0), Some(0.0)), "from the start");
    app.execute("update notifications set give_up_at = now(), next_try_at = now()").await;
    let given_up = async || counted("given_up").filter(|messages| *messages == 1.0);
    app.eventually(given_up).await.expect("it is counted");
    assert_eq!(counted("sent"), Some(0.0));
}

/// Names of metrics in a text, such as `elt_runs`: those of queries, and those of a page of metrics.
fn names(text: &str) -> BTreeSet<&str> {
    let words = text.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'));
    words.filter(|word| word.starts_with("elt_")).collect()
}

fn file(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the repository");
    std::fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[tokio::test]
async fn every_query_of_the_alerts_and_the_board_names_a_metric_that_exists() {
    let app = TestApp::start_with(|options| {
        options.workers = 1;
        options.api.metrics = options.worker.metrics.clone();
    })
    .await;
    app.folder().write("a.csv", "id\n1\n");
    app.load(&app.yaml("people", "name: people\n")).await;
    let metrics = app.worker_settings.metrics.clone();
    let counted = async || {
        let text = metrics.text(Audience::Operators).expect("a text");
        text.contains("elt_pipeline_rows_total").then_some(text)
    };
    let of_process = app.eventually(counted).await.expect("the run is counted");
    let of_installation = app.get("/metrics").as_nobody().await.text;
    let mut there: BTreeSet<String> = names(&of_process).into_iter().map(Into::into).collect();
    there.extend(names(&of_installation).into_iter().map(Into::into));
    // Those of the program itself, which its own test shows, and those that exist only after what they count.
    let others =
        ["elt_build_info", "elt_control_connections", "elt_control_connections_max", "elt_data_disk_size_bytes"];
    there.extend(others.map(Into::into));
    there.extend(["elt_data_disk_free_bytes", "elt_log_lines_dropped_total", "elt_retries_total"].map(Into::into));

    let rules: serde_yaml::Value = serde_yaml::from_str(&file("deploy/prometheus/alerts.yml")).expect("YAML");
    let rules = rules["groups"].as_sequence().expect("groups").iter();
    let rules: Vec<_> = rules.flat_map(|group| group["rules"].as_sequence().expect("rules")).collect();
    let runbook = file("docs/operate/alerts.md");
    for rule in &rules {
        let (name, query) = (rule["alert"].as_str().expect("a name"), rule["expr"].as_str().expect("a query"));
        let missing: Vec<_> = names(query).into_iter().filter(|metric| !there.contains(*metric)).collect();
        assert_eq!(missing, Vec::<&str>::new(), "{name}");
        let severity = rule["labels"]["severity"].as_str();
        assert!(severity.is_some_and(|severity| ["critical", "warning"].contains(&severity)), "{name}");
        let link = format!("docs/operate/alerts.md#{}", name.to_lowercase());
        assert_eq!(rule["annotations"]["runbook_url"].as_str(), Some(link.as_str()), "{name}");
        assert!(runbook.contains(&format!("\n## {name}\n")), "docs/operate/alerts.md has no section about {name}");
    }
    let alerts = runbook.lines().filter(|line| line.starts_with("## Elt")).count();
    assert_eq!(alerts, rules.len(), "a section about an alert that is gone");
    for metric in names(&runbook) {
        let is_there = there.iter().any(|there| there == metric || there.strip_suffix("_count") == Some(metric));
        assert!(is_there, "docs/operate/alerts.md names {metric}, which does not exist");
    }

    let board: Value = serde_json::from_str(&file("deploy/grafana/dashboards/elt.json")).expect("JSON");
    let panels = board["panels"].as_array().expect("panels").iter();
    let queries = panels.flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    let queries: Vec<&str> = queries.map(|target| target["expr"].as_str().expect("a query")).collect();
    assert!(queries.len() > 15, "{} queries", queries.len());
    for query in queries {
        let missing: Vec<_> = names(query).into_iter().filter(|metric| !there.contains(*metric)).collect();
        assert_eq!(missing, Vec::<&str>::new(), "{query}");
    }
}
