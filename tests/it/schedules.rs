//! Windows, monitoring and cron through the API, with real workers doing the ticks.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Timelike, Utc};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::support::TestApp;

/// A config of the app's folder that monitors, and what it adds.
fn monitored(app: &TestApp, table: &str, more: &str) -> String {
    let folder = app.folder().path().display();
    format!(
        "name: {table}\nsources: [{{type: local, settle_seconds: 0, path: {folder}}}]\ntarget: {{table: {table}}}\n{more}"
    )
}

/// `seconds` from now, as a config writes it.
fn at(seconds: i64) -> String {
    (Utc::now() + TimeDelta::seconds(seconds)).format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

async fn trigger(app: &TestApp, yaml: &str) -> Value {
    app.post("/trigger-job").yaml(yaml).await.ok()
}

async fn schedule(app: &TestApp, id: &Value) -> Value {
    app.get(&format!("/schedules/{}", id.as_str().expect("a schedule id"))).await.ok()
}

async fn schedule_in_state(app: &TestApp, id: &Value, state: &str) -> Value {
    let last = tokio::sync::Mutex::new(Value::Null);
    let found = app.eventually(async || {
        let schedule = schedule(app, id).await;
        *last.lock().await = schedule.clone();
        (schedule["state"] == state).then_some(schedule)
    });
    match found.await {
        Some(schedule) => schedule,
        None => panic!("the schedule is not {state}: {:#}", last.into_inner()),
    }
}

/// Waits until the table has this many rows.
async fn rows(app: &TestApp, table: &str, count: i64) {
    let there = app.eventually(async || {
        let exists = app.rows(&format!("select to_regclass('{table}') is not null as there")).await;
        (exists[0]["there"] == true && app.count(table).await == count).then_some(())
    });
    there.await.unwrap_or_else(|| panic!("{table} does not have {count} rows"));
}

/// Waits until a look at the sources that began after this call is over, and the runs it queued as well.
async fn looked_again(app: &TestApp, id: &Value) {
    let ticks = async || schedule(app, id).await["ticks"].as_i64().expect("a number");
    // The tick that is going on may have looked before. Ticks of one schedule follow each other.
    let enough = ticks().await + 2;
    let looked = app.eventually(async || (ticks().await >= enough).then_some(())).await;
    looked.expect("the sources are looked at");
    app.finished_all().await;
}

/// Runs of a pipeline as (trigger, state), oldest first.
async fn runs(app: &TestApp, name: &str) -> Vec<(String, String)> {
    let rows = app.control(&format!("select trigger, state from runs where name = '{name}' order by id")).await;
    let text = |row: &Value, member: &str| row[member].as_str().expect("a text").to_owned();
    rows.iter().map(|row| (text(row, "trigger"), text(row, "state"))).collect()
}

fn instant(value: &Value) -> DateTime<Utc> {
    value.as_str().expect("a text").parse().expect("an instant")
}

fn succeeded(triggers: &[&str]) -> Vec<(String, String)> {
    triggers.iter().map(|trigger| ((*trigger).to_owned(), "succeeded".to_owned())).collect()
}

#[tokio::test]
async fn a_changed_folder_is_loaded_again_and_an_unchanged_one_is_not() {
    let app = TestApp::start().await;
    app.folder().write("one.csv", "id\n1\n");
    let triggered = trigger(&app, &monitored(&app, "watched", "")).await;
    rows(&app, "watched", 1).await;
    looked_again(&app, &triggered["schedule_id"]).await;
    assert_eq!(runs(&app, "watched").await, succeeded(&["manual"]), "nothing changed");

    app.folder().write("two.csv", "id\n2\n");
    rows(&app, "watched", 2).await;
    let schedule = schedule(&app, &triggered["schedule_id"]).await;
    assert_eq!(schedule["state"], "active", "{schedule:#}");
    app.finished_all().await;
    assert_eq!(runs(&app, "watched").await, succeeded(&["manual", "file_change"]));

    looked_again(&app, &triggered["schedule_id"]).await;
    assert_eq!(runs(&app, "watched").await.len(), 2, "writing the combined CSV is no change");
}

#[tokio::test]
async fn a_file_event_brings_the_tick_forward_and_a_thousand_are_one_run() {
    let app = TestApp::start_with(|options| options.worker.monitor_interval = 3600).await;
    app.folder().write("one.csv", "id\n0\n");
    trigger(&app, &monitored(&app, "busy", "")).await;
    rows(&app, "busy", 1).await;
    app.finished_all().await;
    // The folder is watched soon after the schedule is there: from the first event that is noticed.
    let watched = app.eventually(async || {
        app.folder().write("probe.csv", "id\n-1\n");
        (app.count("busy").await == 2).then_some(())
    });
    watched.await.expect("the folder is watched");
    app.finished_all().await;
    let (before, began) = (runs(&app, "busy").await.len(), Instant::now());
    for n in 1..=1000 {
        app.folder().write(&format!("file{}.csv", n % 50), format!("id\n{n}\n"));
        sleep(Duration::from_micros(500)).await;
    }
    let seconds = began.elapsed().as_secs() as usize;
    let newest = "select count(*) as n from busy where id > 950";
    let loaded = app.eventually(async || (app.rows(newest).await[0]["n"] == 50).then_some(())).await;
    loaded.expect("what was written last is loaded");
    app.finished_all().await;
    let runs = runs(&app, "busy").await.len() - before;
    // Events that come while a run is going on are one further run, and a run takes a part of a second.
    assert!(runs <= 4 * (seconds + 1), "a thousand events in {seconds} s made {runs} runs");
}

#[tokio::test]
async fn the_combined_csv_in_the_watched_folder_starts_nothing() {
    let app = TestApp::start().await;
    app.folder().write("one.csv", "id\n1\n");
    let output = app.folder().path().join("all.csv");
    let yaml = monitored(&app, "itself", &format!("output_csv_path: {}\n", output.display()));
    let triggered = trigger(&app, &yaml).await;
    rows(&app, "itself", 1).await;
    app.finished_all().await;
    assert!(output.exists());
    looked_again(&app, &triggered["schedule_id"]).await;
    assert_eq!(runs(&app, "itself").await, succeeded(&["manual"]));
}

#[tokio::test]
async fn a_window_opens_and_ends_by_itself_whatever_restarts() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    let worker = app.start_worker();
    app.folder().write("one.csv", "id\n1\n");
    let yaml = monitored(&app, "windowed", &format!("start_time: \"{}\"\nend_time: \"{}\"\n", at(3_600), at(7_200)));
    let triggered = trigger(&app, &yaml).await;
    let run = app.get(&format!("/runs/{}", triggered["run_id"].as_str().expect("a run id"))).await.ok();
    assert_eq!(run["state"], "queued", "{run:#}");
    assert!(run["waits_for"].as_str().is_some_and(|text| text.starts_with("its start time, ")), "{run:#}");
    assert_eq!(schedule(&app, &triggered["schedule_id"]).await["state"], "waiting");

    worker.cancel();
    let stopped = app.eventually(async || {
        let stopped = app.control("select 1 from workers where stopped_at is not null").await;
        (!stopped.is_empty()).then_some(())
    });
    stopped.await.expect("the worker stops");
    app.let_an_hour_pass().await;
    app.start_worker();
    let active = schedule_in_state(&app, &triggered["schedule_id"], "active").await;
    assert!(instant(&active["start_at"]) <= Utc::now(), "{active:#}");
    rows(&app, "windowed", 1).await;
    app.folder().write("two.csv", "id\n2\n");
    rows(&app, "windowed", 2).await;
    app.let_an_hour_pass().await;
    let stopped = schedule_in_state(&app, &triggered["schedule_id"], "stopped").await;
    assert_eq!(stopped["reason"], "end_time");
    let ticks = schedule(&app, &triggered["schedule_id"]).await["ticks"].clone();
    app.folder().write("three.csv", "id\n3\n");
    // Another schedule of the same folder shows when it was looked at.
    let other = trigger(&app, &monitored(&app, "witness", "")).await;
    rows(&app, "witness", 3).await;
    looked_again(&app, &other["schedule_id"]).await;
    assert_eq!(app.count("windowed").await, 2, "nothing runs after the window");
    assert_eq!(schedule(&app, &triggered["schedule_id"]).await["ticks"], ticks);
}

#[tokio::test]
async fn now_opens_a_waiting_window() {
    let app = TestApp::start().await;
    app.folder().write("one.csv", "id\n1\n");
    let yaml = monitored(&app, "hurried", &format!("start_time: \"{}\"\n", at(3600)));
    let waiting = trigger(&app, &yaml).await;
    let again = trigger(&app, &yaml).await;
    assert_eq!(waiting["run_id"], again["run_id"], "the same version waits once");
    let now = app.post("/trigger-job").query(&[("now", "true")]).yaml(&yaml).await.ok();
    assert_eq!(now["run_id"], waiting["run_id"], "the run that waits starts");
    rows(&app, "hurried", 1).await;
    assert_eq!(schedule(&app, &now["schedule_id"]).await["state"], "active");
}

#[tokio::test]
async fn a_window_that_is_over_runs_once_by_hand_and_is_missed_as_a_schedule() {
    let app = TestApp::start().await;
    app.folder().write("one.csv", "id\n1\n");
    let yaml = monitored(&app, "late", "start_time: \"2025-01-01 10:00\"\nend_time: \"2025-01-01 11:00\"\n");
    let triggered = trigger(&app, &yaml).await;
    assert!(triggered["schedule_id"].is_null(), "{triggered:#}");
    rows(&app, "late", 1).await;

    let missed = app.post("/schedules").json(json!({ "config_id": triggered["config_id"] })).await;
    assert_eq!(missed.status, 201, "{}", missed.text);
    assert_eq!(missed.json["state"], "missed");
}

#[tokio::test]
async fn a_newer_version_takes_the_place_of_the_older_monitor() {
    let app = TestApp::start().await;
    app.folder().write("one.csv", "id\n1\n");
    let first = trigger(&app, &monitored(&app, "versions", "")).await;
    let second = trigger(&app, &monitored(&app, "versions", "# changed\n")).await;
    assert_ne!(first["schedule_id"], second["schedule_id"]);
    let old = schedule(&app, &first["schedule_id"]).await;
    assert_eq!(old["state"], "stopped");
    assert_eq!(old["reason"], format!("replaced by version {} of this pipeline", second["version"]));
    let live =
        app.control("select count(*) as n from schedules where state in ('waiting', 'active', 'stopping')").await;
    assert_eq!(live[0]["n"], 1);
}

#[tokio::test]
async fn stopping_a_schedule_ends_its_monitoring() {
    let app = TestApp::start().await;
    app.folder().write("one.csv", "id\n1\n");
    let triggered = trigger(&app, &monitored(&app, "ended", "")).await;
    rows(&app, "ended", 1).await;
    app.finished_all().await;
    let path = format!("/schedules/{}/stop", triggered["schedule_id"].as_str().expect("a schedule id"));
    let stopped = app.post(&path).await;
    assert_eq!(stopped.json["state"], "stopped", "{}", stopped.text);
    app.folder().write("two.csv", "id\n2\n");
    // Another schedule of the same folder shows when it was looked at.
    let other = trigger(&app, &monitored(&app, "witness", "")).await;
    rows(&app, "witness", 2).await;
    looked_again(&app, &other["schedule_id"]).await;
    assert_eq!(app.count("ended").await, 1);
}

#[tokio::test]
async fn a_folder_that_is_away_is_an_error_of_the_tick_and_not_a_change() {
    let app = TestApp::start().await;
    app.folder().write("in/one.csv", "id\n1\n");
    let folder = app.folder().path().join("in");
    let yaml = format!("name: away\nsources: [{{type: local, path: {}}}]\ntarget: {{table: away}}\n", folder.display());
    let triggered = trigger(&app, &yaml).await;
    rows(&app, "away", 1).await;
    app.finished_all().await;
    std::fs::rename(&folder, app.folder().path().join("moved")).expect("moved the folder");
    let failed = app.eventually(async || {
        let schedule = schedule(&app, &triggered["schedule_id"]).await;
        schedule["last_tick_error"].is_string().then_some(schedule)
    });
    let failed = failed.await.expect("the tick says so");
    assert!(failed["last_tick_error"].as_str().is_some_and(|error| error.starts_with("on worker ")), "{failed:#}");
    assert_eq!(failed["state"], "active");

    std::fs::create_dir(&folder).expect("made the folder again");
    app.folder().write("in/two.csv", "id\n2\n");
    rows(&app, "away", 2).await;
    app.finished_all().await;
    assert_eq!(runs(&app, "away").await, succeeded(&["manual", "file_change"]));
}

#[tokio::test]
async fn a_cron_schedule_fires_and_says_when_next() {
    let app = TestApp::start().await;
    app.folder().write("one.csv", "id\n1\n");
    let uploaded =
        app.post("/upload-config").yaml(&monitored(&app, "nightly", "monitor: {enabled: false}\n")).await.ok();
    // Half a day away, give or take the difference of the time zones.
    let hour = (Utc::now().hour() + 12) % 24;
    let request =
        json!({ "config_id": uploaded["id"], "cron": format!("0 {hour} * * *"), "timezone": "Europe/Berlin" });
    let made = app.post("/schedules").json(request).await;
    assert_eq!(made.status, 201, "{}", made.text);
    assert_eq!(made.json["state"], "active");
    let id = made.json["id"].as_str().expect("an id");
    let looked = app.eventually(async || {
        let looked = "select 1 from schedules where ticks > 0 and ticking_until is null";
        (!app.control(looked).await.is_empty()).then_some(())
    });
    looked.await.expect("a worker has looked at it");
    assert!(runs(&app, "nightly").await.is_empty(), "it is not time yet");

    app.execute(&format!(
        "update schedules set next_run_at = now() - interval '3 days', next_tick_at = now() where id = '{id}'"
    ))
    .await;
    rows(&app, "nightly", 1).await;
    app.finished_all().await;
    assert_eq!(runs(&app, "nightly").await, succeeded(&["schedule"]), "one run for all that was missed");
    let schedule = schedule(&app, &made.json["id"]).await;
    assert!(schedule["skipped"].as_i64().is_some_and(|skipped| skipped >= 2), "{schedule:#}");
    assert!(instant(&schedule["next_run_at"]) > Utc::now(), "{schedule:#}");
}

#[tokio::test]
async fn three_workers_do_every_tick_once() {
    let app = TestApp::start_with(|options| options.workers = 3).await;
    app.folder().write("one.csv", "id\n1\n");
    for n in 0..10 {
        trigger(&app, &monitored(&app, &format!("table_{n}"), "monitor: {interval_seconds: 1}\n")).await;
    }
    app.finished_all().await;
    let began = Instant::now();
    let before = ticks(&app).await;
    let done = app.eventually(async || {
        let done: Vec<u64> = ticks(&app).await.iter().zip(&before).map(|(now, before)| now - before).collect();
        done.iter().all(|done| *done >= 8).then_some(done)
    });
    let done = done.await.expect("every schedule gets its ticks");
    let beats = began.elapsed().as_secs() + 2;
    assert!(done.iter().all(|done| *done <= beats), "a tick was done twice: {done:?} in {beats} s");
    assert_eq!(app.control("select count(*) as n from runs").await[0]["n"], 10, "nothing changed");
}

/// How many ticks each schedule has had, in the order of their names.
async fn ticks(app: &TestApp) -> Vec<u64> {
    let rows = app.control("select ticks from schedules order by name").await;
    rows.iter().map(|row| row["ticks"].as_u64().expect("a number")).collect()
}

#[tokio::test]
async fn a_schedule_changes_only_what_its_request_says() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    let text = "name: timed\nsources: [{type: local, path: ./in}]\ntarget: {table: timed}\n\
        start_time: 2030-01-01 08:00\nend_time: 2031-01-01 08:00\ntimezone: Europe/Berlin\n\
        schedule: {cron: '*/15 * * * *', timezone: America/New_York, overlap: queue, catch_up: none}\n\
        monitor: {enabled: false, interval_seconds: 7}\n";
    let id = app.post("/upload-config").yaml(text).await.ok()["id"].clone();
    let config = app.get(&format!("/configs/{id}")).await.ok();
    insta::assert_json_snapshot!(config["timing"], @r#"
    {
      "catch_up": "none",
      "cron": "*/15 * * * *",
      "cron_timezone": "America/New_York",
      "end_at": "2031-01-01T07:00:00Z",
      "interval_seconds": 7,
      "monitor": false,
      "overlap": "queue",
      "start_at": "2030-01-01T07:00:00Z",
      "timezone": "Europe/Berlin"
    }
    "#);

    let make = async |more: Value| {
        let mut request = json!({ "config_id": id });
        request.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        app.post("/schedules").json(request).await.ok()
    };
    let shown = |schedule: &Value| {
        let members = ["cron", "timezone", "overlap", "catch_up", "monitor", "start_at", "end_at"];
        members.map(|member| schedule[member].clone())
    };
    let (start, end) = ("2030-01-01T07:00:00Z", "2031-01-01T07:00:00Z");
    let as_written = make(json!({})).await;
    let zone = "America/New_York";
    let expected = json!(["*/15 * * * *", zone, "queue", "none", false, start, end]);
    assert_eq!(json!(shown(&as_written)), expected);
    let hourly = make(json!({ "cron": "0 * * * *" })).await;
    assert_eq!(json!(shown(&hourly)), json!(["0 * * * *", zone, "queue", "none", false, start, end]));
    let watching = make(json!({ "without": ["cron"], "monitor": true })).await;
    assert_eq!(json!(shown(&watching)), json!([null, "Europe/Berlin", "skip", "latest", true, start, end]));
    let open = make(json!({ "without": ["start_at", "end_at"] })).await;
    assert_eq!(json!(shown(&open)), json!(["*/15 * * * *", zone, "queue", "none", false, null, null]));

    let refused = app.post("/schedules").json(json!({ "config_id": id, "without": ["monitor"] })).await;
    assert_eq!(refused.status, 422, "{}", refused.text);
}

#[tokio::test]
async fn a_config_that_cannot_run_has_no_timing() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    let id = app.post("/upload-config").yaml("name: later\nsources: []\n").await.ok()["id"].clone();
    assert_eq!(app.get(&format!("/configs/{id}")).await.ok()["timing"], Value::Null);
    let plain = "name: plain\nsources: [{type: local, path: ./in}]\ntarget: {table: plain}\ntimezone: UTC\n";
    let id = app.post("/upload-config").yaml(plain).await.ok()["id"].clone();
    let timing = &app.get(&format!("/configs/{id}")).await.ok()["timing"];
    assert_eq!((&timing["cron"], &timing["monitor"], &timing["overlap"]), (&Value::Null, &json!(true), &json!("skip")));
}
