//! COMMITs whose answer is lost while the target stays away: the run is unknown until the target says whether it loaded.

use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::chaos_proxy::{ChaosProxy, Fate};

/// The last statement before a load or an undo commits.
const BEFORE_COMMIT: &str = "set loaded_at = clock_timestamp()";

/// A target behind a proxy.
struct Target {
    proxy: ChaosProxy,
    url: reqwest::Url,
}

impl Target {
    /// Decides what happens to its connections.
    async fn of(app: &TestApp, fates: impl IntoIterator<Item = Fate>) -> Self {
        let mut url = reqwest::Url::parse(&app.target_url()).expect("a URL");
        let upstream = url.socket_addrs(|| None).expect("an address")[0];
        let proxy = ChaosProxy::start(upstream, fates).await;
        url.set_port(Some(proxy.address.port())).expect("a port");
        Self { proxy, url }
    }

    /// A config that loads the app's folder into a table of it.
    fn yaml(&self, app: &TestApp, table: &str, more: &str) -> String {
        format!(
            "name: {table}\nsources: [{{type: local, path: {}}}]\ntarget: {{url: '{}', table: {table}}}\n\
             monitor: {{enabled: false}}\nretry: {{initial_seconds: 1, max_attempts: 3}}\n{more}\n",
            app.folder().path().display(),
            self.url
        )
    }
}

/// The run, after its target was asked at least once and did not answer.
async fn asked_without_an_answer(app: &TestApp, run: &Value) -> Value {
    let id = run["id"].as_str().expect("an id");
    let found = app.eventually(async || {
        let asks = app.control(&format!("select asks from runs where id = '{id}'")).await;
        let run = app.get(&format!("/runs/{id}")).await.ok();
        (asks[0]["asks"].as_i64() >= Some(2)).then_some(run)
    });
    let run = found.await.expect("it is asked again and again");
    assert!(run["finished_at"].is_null() && run["unknown_since"].is_string(), "{run:#}");
    assert!(run["waits_for"].as_str().is_some_and(|says| says.contains("whether it loaded is unknown")), "{run:#}");
    run
}

async fn post(app: &TestApp, run: &Value, what: &str) -> (u16, Value) {
    let answer = app.post(&format!("/runs/{}/{what}", run["id"].as_str().expect("an id"))).await;
    (answer.status.as_u16(), answer.json)
}

async fn in_every_mode(fate: Fate, attempt: i64) {
    let app = TestApp::start().await;
    app.folder().write("people.csv", "id,name\n1,Ann\n2,Bob\n");
    let modes = [
        ("hashed", ""),
        ("plain", "load: {dedupe: none}"),
        ("merged", "load: {mode: merge, key: [id]}"),
        ("replaced", "load: {mode: replace}"),
    ];
    let mut runs = Vec::new();
    for (table, load) in modes {
        let target = Target::of(&app, [fate]).await;
        let run = app.trigger(&target.yaml(&app, table, load)).await;
        runs.push((table, target, run));
    }
    for (table, target, run) in &runs {
        let run = asked_without_an_answer(&app, run).await;
        assert_eq!((target.proxy.lost_commits(), &run["attempt"]), (1, &json!(1)), "{table}: asking is not an attempt");
        for what in ["retry", "undo"] {
            let (status, refused) = post(&app, &run, what).await;
            assert_eq!((status, &refused["code"]), (409, &json!("outcome_unknown")), "{table}: {refused:#}");
        }
        target.proxy.let_through();
    }
    for (table, _, run) in &runs {
        let run = app.finished(&run["id"]).await;
        assert_eq!((&run["state"], &run["outcome"]), (&json!("succeeded"), &json!("clean")), "{table}: {run:#}");
        assert_eq!((&run["attempt"], &run["rows_inserted"]), (&json!(attempt), &json!(2)), "{table}: {run:#}");
        assert_eq!(app.count(table).await, 2, "{table}");
        assert!(run["unknown_since"].is_null(), "{table}: {run:#}");
    }
}

#[tokio::test]
async fn a_load_whose_answer_is_lost_is_found_when_the_target_is_back() {
    in_every_mode(Fate::LosesCommitForLong(BEFORE_COMMIT), 1).await;
}

#[tokio::test]
async fn a_commit_that_never_arrived_is_loaded_once_when_the_target_is_back() {
    in_every_mode(Fate::KeepsCommit(BEFORE_COMMIT), 2).await;
}

#[tokio::test]
async fn an_unknown_run_that_is_stopped_succeeds_if_it_loaded_and_stops_if_it_did_not() {
    let app = TestApp::start().await;
    app.folder().write("people.csv", "id\n1\n2\n");
    for (table, fate, state, rows) in [
        ("loaded", Fate::LosesCommitForLong(BEFORE_COMMIT), "succeeded", 2),
        ("lost", Fate::KeepsCommit(BEFORE_COMMIT), "stopped", 0),
    ] {
        sqlx::query(sqlx::AssertSqlSafe(format!("create table {table} (id bigint)")))
            .execute(&app.target)
            .await
            .expect("made the table");
        let target = Target::of(&app, [fate]).await;
        let run = app.trigger(&target.yaml(&app, table, "")).await;
        asked_without_an_answer(&app, &run).await;
        let (status, stopping) = post(&app, &run, "stop").await;
        assert_eq!((status, &stopping["state"]), (202, &json!("queued")), "{stopping:#}");
        assert!(
            stopping["waits_for"].as_str().is_some_and(|says| says.ends_with("it ends stopped if it did not")),
            "{stopping:#}"
        );
        target.proxy.let_through();
        let run = app.finished(&run["id"]).await;
        assert_eq!((&run["state"], app.count(table).await), (&json!(state), rows), "{run:#}");
    }
}

#[tokio::test]
async fn an_undo_whose_answer_is_lost_is_found_when_the_target_is_back() {
    let app = TestApp::start().await;
    app.folder().write("people.csv", "id\n1\n2\n");
    let target = Target::of(&app, []).await;
    let yaml = target.yaml(&app, "people", "");
    let run = app.load(&yaml).await;
    let (status, undo) = post(&app, &run, "undo").await;
    assert_eq!(status, 202, "{undo:#}");
    app.finished(&undo["id"]).await;
    let again = app.load(&yaml).await;
    assert_eq!(again["rows_inserted"], 2);

    target.proxy.meet(Fate::LosesCommitForLong(BEFORE_COMMIT));
    let (_, undo) = post(&app, &again, "undo").await;
    asked_without_an_answer(&app, &undo).await;
    let (status, refused) = post(&app, &undo, "retry").await;
    assert_eq!((status, &refused["code"]), (409, &json!("already_undone")), "{refused:#}");
    target.proxy.let_through();
    let undo = app.finished(&undo["id"]).await;
    assert_eq!((&undo["state"], &undo["report"]["rows_deleted"]), (&json!("succeeded"), &json!(2)), "{undo:#}");
    assert_eq!(app.count("people").await, 0);
}

#[tokio::test]
async fn a_run_that_never_reached_its_target_certainly_loaded_nothing() {
    let app = TestApp::start().await;
    app.folder().write("people.csv", "id\n1\n");
    let nowhere = "{url: 'postgres://nobody:none@127.0.0.1:1/none', table: people}";
    let yaml = app.yaml("people", "retry: {initial_seconds: 1, max_attempts: 2}\n").replace("{table: people}", nowhere);
    let yaml = yaml.replace("\ntarget:\n  table: people", &format!("\ntarget: {nowhere}"));
    let run = app.trigger(&yaml).await;
    let run = app.finished(&run["id"]).await;
    assert_eq!((&run["state"], &run["attempt"]), (&json!("failed"), &json!(2)), "{run:#}");
    let told = format!("{} {}", run["error"], run["next_step"]);
    assert!(!told.contains("_elt_run_id") && !told.contains("Whether"), "{told}");
    assert_eq!(post(&app, &run, "retry").await.0, 202, "it can be repeated at once");
}

#[tokio::test]
async fn a_repeated_run_that_had_loaded_is_found_and_nothing_is_loaded_again() {
    let app = TestApp::start().await;
    app.folder().write("people.csv", "id\n1\n2\n");
    let run = app.load(&app.yaml("people", "load: {dedupe: none}\n")).await;
    // An older release, or a control database restored from a backup, may hold such a row.
    app.execute("update runs set state = 'failed', outcome = null, report = null").await;
    let (_, repeated) = post(&app, &run, "retry").await;
    // A retry in between that was stopped does not hide the run that loaded.
    app.finished(&repeated["id"]).await;
    app.execute(&format!("update runs set state = 'stopped', outcome = null where id = {}", quoted(&repeated["id"])))
        .await;
    let (_, repeated) = post(&app, &repeated, "retry").await;
    let repeated = app.finished(&repeated["id"]).await;
    assert_eq!(
        (&repeated["state"], &repeated["outcome"]),
        (&json!("succeeded"), &json!("with_warnings")),
        "{repeated:#}"
    );
    assert_eq!((&repeated["report"]["loaded_by"], app.count("people").await), (&run["id"], 2), "{repeated:#}");

    let (_, undo) = post(&app, &repeated, "undo").await;
    let undo = app.finished(&undo["id"]).await;
    assert_eq!((&undo["state"], app.count("people").await), (&json!("succeeded"), 0), "{undo:#}");
    let (_, after) = post(&app, &run, "retry").await;
    let after = app.finished(&after["id"]).await;
    assert_eq!(
        (&after["rows_inserted"], app.count("people").await),
        (&json!(2), 2),
        "undone rows load again: {after:#}"
    );
}

fn quoted(id: &Value) -> String {
    format!("'{}'", id.as_str().expect("an id"))
}
