//! Backfills: a range of time is loaded in windows, and each window exactly once.

use elt_shared::queue::retention::{self, Keep, Kind};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::support::TestApp;
use crate::support::events_api::{Asked, EventsApi};

const YEAR: (&str, &str) = ("2024-01-01", "2025-01-01");

/// A config that asks the API for a part of time.
fn yaml(api: &EventsApi) -> String {
    format!(
        "name: events\nsources:\n  - type: api\n    url: {}\n    params: {{since: \"{{{{since}}}}\", until: \"{{{{until}}}}\"}}\n\
         target: {{table: events}}\nmonitor: {{enabled: false}}\n",
        api.url()
    )
}

async fn keep(app: &TestApp, yaml: &str) -> Value {
    app.post("/upload-config").yaml(yaml).await.ok()["id"].clone()
}

/// A backfill of the range in windows.
async fn begin(app: &TestApp, yaml: &str, range: (&str, &str), window: &str, parallel: u16) -> Value {
    let request = json!({ "config_id": keep(app, yaml).await, "from": range.0, "to": range.1, "window": window,
        "parallel": parallel });
    app.post("/backfills").json(request).await.ok()
}

async fn look(app: &TestApp, backfill: &Value) -> Value {
    app.get(&format!("/backfills/{}", backfill["id"].as_str().expect("an id"))).await.ok()
}

/// A backfill, once it has ended however that may be.
async fn ended(app: &TestApp, backfill: &Value) -> Value {
    let ended = app.eventually(async || {
        let backfill = look(app, backfill).await;
        backfill["finished_at"].is_string().then_some(backfill)
    });
    match ended.await {
        Some(backfill) => backfill,
        None => panic!("the backfill did not end: {:#}", look(app, backfill).await),
    }
}

async fn windows(app: &TestApp, backfill: &Value, state: &str) -> Vec<Value> {
    let path = format!("/backfills/{}/windows?state={state}", backfill["id"].as_str().expect("an id"));
    app.get(&path).await.ok()["data"].as_array().expect("windows").clone()
}

/// Number of events in the table, and number of different ones.
async fn loaded(app: &TestApp) -> (i64, i64) {
    let rows = app.rows("select count(*) as rows, count(distinct id) as ids from events").await;
    (rows[0]["rows"].as_i64().expect("a number"), rows[0]["ids"].as_i64().expect("a number"))
}

fn asked(since: &str, until: &str) -> Asked {
    let text = |day: &str| Some(format!("{day}T00:00:00Z"));
    Asked { since: text(since), until: text(until) }
}

#[tokio::test]
async fn every_window_is_asked_for_once_in_its_order_and_every_row_is_loaded_once() {
    let app = TestApp::start_with(|options| options.separate_logins = true).await;
    let api = EventsApi::start("2023-12-15", "2025-01-15").await;
    let backfill = begin(&app, &yaml(&api), YEAR, "1mo", 1).await;
    assert_eq!((&backfill["state"], &backfill["windows"]["total"]), (&json!("running"), &json!(12)), "{backfill:#}");
    let backfill = ended(&app, &backfill).await;
    assert_eq!(backfill["state"], "succeeded", "{backfill:#}");
    assert_eq!(backfill["windows"]["succeeded"], 12);
    let hours = 366 * 24;
    assert_eq!((loaded(&app).await, &backfill["rows_inserted"]), ((hours, hours), &json!(hours)));
    let bounds = app.rows("select min(at)::text as first, max(at)::text as last from events").await;
    assert!(bounds[0]["first"].as_str().expect("a time").starts_with("2024-01-01"), "{bounds:?}");
    assert!(bounds[0]["last"].as_str().expect("a time").starts_with("2024-12-31"), "{bounds:?}");
    let all = api.asked();
    assert_eq!(all.len(), 12);
    assert_eq!((&all[1], &all[11]), (&asked("2024-02-01", "2024-03-01"), &asked("2024-12-01", "2025-01-01")));

    let second = &windows(&app, &backfill, "succeeded").await[1];
    let window = json!({ "from": "2024-02-01T00:00:00Z", "to": "2024-03-01T00:00:00Z" });
    assert_eq!((&second["number"], &second["rows_inserted"]), (&json!(2), &json!(29 * 24)), "{second:#}");
    let run = app.get(&format!("/runs/{}", second["run_id"].as_str().expect("an id"))).await.ok();
    assert_eq!((&run["window"], &run["report"]["window"]), (&window, &window));
    assert_eq!((&run["backfill_id"], &run["priority"]), (&backfill["id"], &json!("low")));
    let listed = app.get("/backfills?name=events&state=succeeded").await.ok();
    assert_eq!(listed["data"], json!([backfill]));
    // As another program would find it after the last page.
    assert_eq!(app.get("/backfills?state=failed").await.ok()["data"], json!([]));
}

#[tokio::test]
async fn an_api_that_answers_the_end_of_a_window_doubles_no_row() {
    let app = TestApp::start().await;
    let api = EventsApi::start_with("2024-01-01", "2024-01-31", true).await;
    let backfill = begin(&app, &yaml(&api), ("2024-01-01", "2024-01-31"), "7d", 2).await;
    let backfill = ended(&app, &backfill).await;
    assert_eq!(backfill["state"], "succeeded", "{backfill:#}");
    // Each of the four inner boundaries was answered twice.
    assert_eq!((loaded(&app).await.0, &backfill["rows_read"]), (api.count(), &json!(api.count() + 4)));
}

#[tokio::test]
async fn no_more_windows_are_at_work_than_asked_for_over_all_workers() {
    let app = TestApp::start_with(|options| options.workers = 2).await;
    let api = EventsApi::start("2024-01-01", "2025-01-01").await;
    api.answer(false);
    let backfill = begin(&app, &yaml(&api), YEAR, "1mo", 3).await;
    app.eventually(async || (api.at_work() == 3).then_some(())).await.expect("three windows are fetched at once");
    let look = look(&app, &backfill).await;
    assert_eq!((&look["windows"]["running"], &look["windows"]["waiting"]), (&json!(3), &json!(9)), "{look:#}");
    api.answer(true);
    let backfill = ended(&app, &backfill).await;
    assert_eq!(backfill["state"], "succeeded", "{backfill:#}");
    assert_eq!((loaded(&app).await, api.most_at_work()), ((api.count(), api.count()), 3));
    assert_eq!(api.asked().len(), 12, "no window was fetched twice");
}

#[tokio::test]
async fn runs_that_are_asked_for_meanwhile_come_before_the_next_window() {
    let app = TestApp::start_with(|options| options.worker.concurrency = 1).await;
    let api = EventsApi::start("2024-01-01", "2024-01-11").await;
    let other = EventsApi::start("2020-01-01", "2020-01-02").await;
    api.answer(false);
    let backfill = begin(&app, &yaml(&api), ("2024-01-01", "2024-01-11"), "1d", 1).await;
    app.eventually(async || (api.at_work() == 1).then_some(())).await.expect("the first window is fetched");
    // Into the same table, as the pipeline's schedule would.
    let run = app.trigger(&yaml(&other).replace("name: events", "name: scheduled")).await;
    api.answer(true);
    let run = app.finished(&run["id"]).await;
    assert_eq!((&run["state"], &run["window"]), (&json!("succeeded"), &Value::Null), "{run:#}");
    assert_eq!(other.asked(), [Asked { since: None, until: None }], "it has no window");
    let backfill = ended(&app, &backfill).await;
    assert_eq!(backfill["state"], "succeeded", "{backfill:#}");
    let passed = app
        .control(&format!(
            "select count(*) as n from runs where backfill_id is not null and started_at < (select started_at from runs where id = '{}')",
            run["id"].as_str().expect("an id")
        ))
        .await;
    assert!(passed[0]["n"].as_i64().expect("a number") <= 2, "it waited for the windows at work only: {passed:?}");
    assert_eq!(loaded(&app).await.0, api.count() + other.count());
}

#[tokio::test]
async fn a_backfill_does_not_move_the_place_from_which_the_next_run_reads() {
    let app = TestApp::start().await;
    let api = EventsApi::start("2024-01-01", "2024-01-11").await;
    let yaml = format!(
        "name: events\nsources:\n  - type: api\n    url: {}\n    incremental: {{cursor: at, param: since, end_param: until, start: \"2024-01-06\"}}\n\
         target: {{table: events}}\nmonitor: {{enabled: false}}\n",
        api.url()
    );
    app.load(&yaml).await;
    assert_eq!(loaded(&app).await.0, 5 * 24);
    let backfill = begin(&app, &yaml, ("2024-01-01", "2024-01-07"), "2d", 2).await;
    let backfill = ended(&app, &backfill).await;
    assert_eq!((&backfill["state"], loaded(&app).await.0), (&json!("succeeded"), api.count()), "{backfill:#}");
    assert_eq!(backfill["rows_read"].as_i64(), Some(6 * 24));
    let mut sent = api.asked()[1..].to_vec();
    sent.sort_by(|one, other| one.since.cmp(&other.since));
    let wanted =
        [asked("2024-01-01", "2024-01-03"), asked("2024-01-03", "2024-01-05"), asked("2024-01-05", "2024-01-07")];
    assert_eq!(sent, wanted);
    app.load(&yaml).await;
    let last = Asked { since: Some("2024-01-10T23:00:00Z".into()), until: None };
    assert_eq!((api.asked().last(), loaded(&app).await.0), (Some(&last), api.count()));
}

#[tokio::test]
async fn a_window_that_failed_leaves_the_others_alone_and_only_a_resume_loads_it_again() {
    let app = TestApp::start().await;
    let api = EventsApi::start("2024-01-01", "2024-01-11").await;
    api.refuse("2024-01-04T00:00:00Z", true);
    let backfill = begin(&app, &yaml(&api), ("2024-01-01", "2024-01-11"), "1d", 2).await;
    let backfill = ended(&app, &backfill).await;
    assert_eq!(
        (&backfill["state"], &backfill["windows"]["failed"], &backfill["windows"]["succeeded"], &backfill["gave_up"]),
        (&json!("failed"), &json!(1), &json!(9), &json!(false)),
        "{backfill:#}"
    );
    let failed = windows(&app, &backfill, "failed,stopped").await;
    assert_eq!((failed.len(), &failed[0]["number"], &failed[0]["error_code"]), (1, &json!(4), &json!("http_status")));
    let path = format!("/runs/{}/retry", failed[0]["run_id"].as_str().expect("an id"));
    assert_eq!(app.post(&path).await.problem(409)["code"], "run_of_backfill");
    let bulk = app.post("/runs/retry").json(json!({ "since": "2020-01-01T00:00:00Z" })).await.ok();
    assert_eq!((&bulk["retried"], &bulk["skipped"][0]["code"]), (&json!([]), &json!("run_of_backfill")), "{bulk:#}");

    api.refuse("2024-01-04T00:00:00Z", false);
    let id = backfill["id"].as_str().expect("an id");
    let resume = || app.post(&format!("/backfills/{id}/resume")).header("idempotency-key", "again");
    let (first, again) = (resume().await, resume().await);
    assert_eq!((first.status.as_u16(), &first.json), (202, &again.json), "{}", first.text);
    let backfill = ended(&app, &backfill).await;
    assert_eq!((&backfill["state"], &backfill["windows"]["succeeded"]), (&json!("succeeded"), &json!(10)));
    assert_eq!((loaded(&app).await.0, api.asked().len()), (api.count(), 11), "nothing else was asked for again");
    let again = windows(&app, &backfill, "").await.swap_remove(3);
    let run = app.get(&format!("/runs/{}", again["run_id"].as_str().expect("an id"))).await.ok();
    assert_eq!((&again["runs"], &run["retry_of"]), (&json!(2), &failed[0]["run_id"]), "{again:#}");
    for action in ["resume", "cancel"] {
        let code = app.post(&format!("/backfills/{id}/{action}")).await.problem(409)["code"].clone();
        assert_eq!(code, if action == "resume" { "nothing_to_resume" } else { "already_finished" });
    }
}

#[tokio::test]
async fn a_backfill_gives_up_when_many_windows_have_failed() {
    let app = TestApp::start().await;
    let api = EventsApi::start("2024-01-01", "2024-03-01").await;
    for day in 1..=60 {
        let day = chrono::NaiveDate::from_yo_opt(2024, day).expect("a day");
        api.refuse(&format!("{day}T00:00:00Z"), true);
    }
    let backfill = begin(&app, &yaml(&api), ("2024-01-01", "2024-03-01"), "1d", 3).await;
    let backfill = ended(&app, &backfill).await;
    let failed = backfill["windows"]["failed"].as_i64().expect("a number");
    assert!((10..=12).contains(&failed), "{backfill:#}");
    assert_eq!((&backfill["state"], &backfill["gave_up"]), (&json!("failed"), &json!(true)));
    assert_eq!(backfill["windows"]["waiting"], 60 - failed);
}

#[tokio::test]
async fn a_canceled_backfill_stops_its_runs_and_starts_no_other_one_until_it_is_resumed() {
    let app = TestApp::start().await;
    let api = EventsApi::start("2024-01-01", "2024-01-11").await;
    let backfill = begin(&app, &yaml(&api), ("2024-01-01", "2024-01-11"), "1d", 2).await;
    let some = app.eventually(async || {
        let look = look(&app, &backfill).await;
        (look["windows"]["succeeded"].as_i64() >= Some(2)).then(|| api.answer(false))
    });
    some.await.expect("two windows are loaded");
    app.eventually(async || (api.at_work() > 0).then_some(())).await.expect("a window is fetched");
    let id = backfill["id"].as_str().expect("an id");
    let canceled = app.post(&format!("/backfills/{id}/cancel")).await;
    assert_eq!(canceled.status, 202, "{}", canceled.text);
    assert_eq!(canceled["canceled_by"], "admin");
    let backfill = ended(&app, &backfill).await;
    let counts = &backfill["windows"];
    assert_eq!((&backfill["state"], &counts["running"]), (&json!("canceled"), &json!(0)), "{backfill:#}");
    assert!(counts["stopped"].as_i64() >= Some(1) && counts["waiting"].as_i64() >= Some(1), "{counts:#}");
    let runs = app.control("select count(*) as n from runs where finished_at is null").await;
    assert_eq!(runs[0]["n"], 0);

    api.answer(true);
    app.post(&format!("/backfills/{id}/resume")).await.ok();
    let backfill = ended(&app, &backfill).await;
    assert_eq!((&backfill["state"], loaded(&app).await), (&json!("succeeded"), (api.count(), api.count())));
}

/// What the sessions of a [`LostWorker`] are called.
const LOST: &str = "elt it lost worker";

/// A worker with a thread of its own, which can be lost without any goodbye.
struct LostWorker(tokio::runtime::Runtime);

impl LostWorker {
    fn start(app: &TestApp) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let options = app.worker_db.connect_options().as_ref().clone().application_name(LOST);
        let settings = app.worker_settings.clone();
        runtime.spawn(async move {
            let db = sqlx::PgPool::connect_with(options).await.expect("connected");
            elt_worker::run(db, settings, CancellationToken::new()).await
        });
        Self(runtime)
    }

    /// Freezes the worker where it is, for ever, and ends its sessions with the database. Its runtime is not shut down,
    /// because timers of a runtime that is shut down panic, which a run would end with.
    async fn lose(self, app: &TestApp) {
        let (frozen, is_frozen) = tokio::sync::oneshot::channel();
        self.0.spawn(async move {
            frozen.send(()).ok();
            loop {
                std::thread::park();
            }
        });
        is_frozen.await.expect("frozen");
        std::mem::forget(self.0);
        let end = format!(
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name = '{LOST}'
                           and datname = current_database()"
        );
        app.execute(&end).await;
    }
}

#[tokio::test]
async fn a_backfill_goes_on_where_it_was_when_its_worker_is_lost() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    let api = EventsApi::start("2024-01-01", "2024-01-13").await;
    let backfill = begin(&app, &yaml(&api), ("2024-01-01", "2024-01-13"), "1d", 2).await;
    let mut before = 0;
    for at_least in [2, 6] {
        let worker = LostWorker::start(&app);
        let some = app.eventually(async || {
            let look = look(&app, &backfill).await;
            (look["windows"]["succeeded"].as_i64() >= Some(at_least)).then(|| api.answer(false))
        });
        some.await.expect("windows are loaded");
        app.eventually(async || (api.at_work() == 2).then_some(())).await.expect("two windows are fetched");
        worker.lose(&app).await;
        api.answer(true);
        // As if its lease were over by now.
        app.execute("update runs set lease_expires_at = now() - interval '1 second' where state = 'running'").await;
        let succeeded = look(&app, &backfill).await["windows"]["succeeded"].as_i64().expect("a number");
        assert!(succeeded >= before);
        before = succeeded;
    }
    app.start_worker();
    let backfill = ended(&app, &backfill).await;
    assert_eq!((&backfill["state"], loaded(&app).await), (&json!("succeeded"), (api.count(), api.count())));
    // A window that had succeeded was never asked for again: at most the two at work were, each time.
    assert!(api.asked().len() <= 12 + 2 * 2, "{:?}", api.asked());
    let runs = app.control("select count(*) as n from runs where backfill_id is not null").await;
    assert_eq!(runs[0]["n"], 12, "each window has one run, which was tried again");
}

#[tokio::test]
async fn a_window_whose_run_was_deleted_before_its_end_was_noted_is_stopped_and_can_be_resumed() {
    let app = TestApp::start().await;
    let api = EventsApi::start("2024-01-01", "2024-01-04").await;
    let backfill = begin(&app, &yaml(&api), ("2024-01-01", "2024-01-04"), "1d", 1).await;
    let backfill = ended(&app, &backfill).await;
    assert_eq!(backfill["state"], "succeeded", "{backfill:#}");
    // As if nobody had advanced the backfill between the end of the run and its deletion.
    let run = windows(&app, &backfill, "").await[1]["run_id"].clone();
    app.execute(&format!("delete from runs where id = '{}'", run.as_str().expect("an id"))).await;
    app.execute(
        "with lost as (update backfill_windows set state = 'running', finished_at = null where number = 2)
         update backfills set state = 'running', finished_at = null",
    )
    .await;
    let backfill = ended(&app, &backfill).await;
    let counts = &backfill["windows"];
    assert_eq!((&counts["stopped"], &counts["succeeded"], &counts["running"]), (&json!(1), &json!(2), &json!(0)));
    assert_eq!(backfill["state"], "failed", "{backfill:#}");
    let stopped = &windows(&app, &backfill, "stopped").await[0];
    assert_eq!((&stopped["number"], stopped["finished_at"].is_string()), (&json!(2), true), "{stopped:#}");

    app.post(&format!("/backfills/{}/resume", backfill["id"].as_str().expect("an id"))).await.ok();
    let backfill = ended(&app, &backfill).await;
    assert_eq!((&backfill["state"], loaded(&app).await.0), (&json!("succeeded"), api.count()), "{backfill:#}");
    assert_eq!(api.asked().len(), 4, "only the window whose end nobody knows was asked for again");
}

#[tokio::test]
async fn what_makes_no_backfill_is_refused_at_once() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    let api = EventsApi::start("2024-01-01", "2024-01-02").await;
    let good = yaml(&api);
    let everything =
        good.replace("params: {since: \"{{since}}\", until: \"{{until}}\"}", "params: {since: \"2024-01-01\"}");
    let replaces = format!("{good}load: {{mode: replace}}\n");
    let files = app.yaml("events", "");
    for (yaml, says) in [
        (&everything, "sources[0] asks for everything"),
        (&replaces, "load.mode is replace"),
        (&files, "sources[0] is not an API"),
    ] {
        let request =
            json!({ "config_id": keep(&app, yaml).await, "from": "2024-01-01", "to": "2024-02-01", "window": "1d" });
        let problem = app.post("/backfills").json(request).await.problem(422);
        assert_eq!(problem["code"], "not_for_backfill", "{problem:#}");
        assert!(problem["detail"].as_str().expect("a sentence").starts_with(says), "{problem:#}");
    }
    let config = keep(&app, &good).await;
    let whole = json!({ "config_id": config, "from": "2024-01-01", "to": "2024-02-01", "window": "1d" });
    for (member, wrong) in [
        ("from", json!("yesterday")),
        ("from", json!("2024-02-01")),
        ("to", json!("2999-01-01")),
        ("window", json!("1M")),
        ("window", json!("0d")),
        ("parallel", json!(0)),
        ("parallel", json!(51)),
    ] {
        let mut request = whole.clone();
        request[member] = wrong.clone();
        for path in ["/backfills", "/backfills/plan"] {
            let problem = app.post(path).json(request.clone()).await.problem(422);
            assert_eq!(problem["code"], "invalid_backfill", "{member} {wrong}: {problem:#}");
        }
    }
    let mut many = whole.clone();
    many["from"] = json!("1990-01-01");
    many["window"] = json!("1h");
    let problem = app.post("/backfills/plan").json(many).await.problem(422);
    assert!(problem["detail"].as_str().expect("a sentence").contains("more than 10000 windows"), "{problem:#}");
    assert!(app.control("select 1 from runs").await.is_empty(), "nothing was started");

    let plan = app.post("/backfills/plan").json(whole.clone()).await.ok();
    assert_eq!((&plan["total"], &plan["windows"][30]["to"]), (&json!(31), &json!("2024-02-01T00:00:00Z")), "{plan:#}");
    app.post("/backfills").as_user().json(whole.clone()).await.problem(403);
    let bound = app.api_token("other", &["trigger", "read"], json!({ "pipelines": ["other"] })).await;
    let bound = bound["token"].as_str().expect("a token");
    app.post("/backfills").bearer(bound).json(whole.clone()).await.problem(403);
    let send = || app.post("/backfills").header("idempotency-key", "monday").json(whole.clone());
    let (first, again) = (send().await, send().await);
    assert_eq!((first.status.as_u16(), &first.json), (202, &again.json));
    assert_eq!(app.get("/backfills").bearer(bound).await.ok()["data"], json!([]));
    assert_eq!(app.control("select 1 from backfills").await.len(), 1, "the same key starts it once");
}

#[tokio::test]
async fn backfills_are_deleted_after_the_last_of_their_runs() {
    let app = TestApp::start().await;
    let api = EventsApi::start("2024-01-01", "2024-01-04").await;
    let old = begin(&app, &yaml(&api), ("2024-01-01", "2024-01-04"), "1d", 1).await;
    ended(&app, &old).await;
    let keep = Keep { newest_runs: 1, ..Keep::default() };
    let delete = async || {
        retention::clean(&app.worker_db, Kind::Runs, &keep, None).await.expect("deleted");
        app.control("select id from backfills").await.len()
    };
    for table in ["runs", "backfills"] {
        app.execute(&format!("update {table} set finished_at = finished_at - interval '200 days'")).await;
    }
    assert_eq!(delete().await, 1, "the newest run of the pipeline stays, and its backfill with it");
    assert_eq!(app.control("select id from runs").await.len(), 1);
    let counts = look(&app, &old).await["windows"].clone();
    assert_eq!(counts["succeeded"], 3, "what became of the windows is known without their runs");
    // Newer runs of the pipeline take its place.
    app.load(&yaml(&api)).await;
    app.load(&yaml(&api)).await;
    app.execute("update runs set finished_at = finished_at - interval '200 days' where backfill_id is null").await;
    assert_eq!(delete().await, 0);
    assert!(app.control("select 1 from backfill_windows").await.is_empty());
}
