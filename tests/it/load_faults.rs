//! Attempts that are lost, fenced or late: rows are loaded exactly once all the same.

use elt_shared::runs::lifecycle;
use elt_worker::error::PipelineError;
use elt_worker::pipeline;
use elt_worker::run_context::RunContext;
use serde_json::json;
use sqlx::AssertSqlSafe;

use crate::support::TestApp;
use crate::support::chaos_proxy::{ChaosProxy, Fate};
use crate::support::loader::Loader;

#[tokio::test]
async fn a_retry_after_the_commit_finishes_from_the_marker() {
    let loader = Loader::start().await;
    loader.only("a.csv", "id\n1\n2\n");
    let yaml = loader.yaml("t", "load: {dedupe: none}\n");
    let first = loader.begin("run", &yaml).await;
    let report = pipeline::run(&first).await.expect("loaded");
    // The worker dies here: the control database never hears of it.
    expire(&loader, &first).await;
    let second = lifecycle::begin(&loader.control, first.run.id, "second").await.unwrap().expect("taken over");
    let again = pipeline::run(&loader.context(second, &yaml)).await.expect("finished from the marker");
    assert!(again.finished_from_marker);
    assert_eq!((again.rows_inserted, again.rows_read), (report.rows_inserted, report.rows_read));
    assert_eq!(loader.count("t").await, 2);
}

#[tokio::test]
async fn a_target_that_claims_a_load_moves_no_file_of_the_worker() {
    let loader = Loader::start().await;
    loader.only("a.csv", "id\n1\n");
    loader.load("t", "").await;
    let canary = loader.data.path().join("keys.json");
    std::fs::write(&canary, "secret").expect("a file");
    // The owner of a target can make it answer anything. Here every run has "loaded", and its CSV is the worker's keys.
    let path = canary.display();
    sqlx::raw_sql(AssertSqlSafe(format!(
        "create function claim() returns trigger language plpgsql as $$ begin
             if pg_trigger_depth() > 1 then return new; end if;
             insert into _elt_loads (run_id, table_name, config_id, epoch, loaded_at, report, unfinished_csv)
             values (new.run_id, new.table_name, new.config_id, new.epoch, now(),
                     '{{\"combined_csv\": \"{path}\"}}', '{path}');
             return null;
         end $$;
         create trigger claims before insert on _elt_loads for each row execute function claim()"
    )))
    .execute(&loader.target)
    .await
    .expect("a trigger");
    let outputs = [loader.data.path().join("output/own.csv"), loader.data.path().join("elsewhere/../keys.json")];
    for output in outputs {
        let more = format!("output_csv_path: {}\n", output.display());
        let report = loader.run("run", &loader.yaml("t", &more)).await.expect("the target says that it loaded");
        assert!(report.finished_from_marker);
        assert_ne!(report.combined_csv, Some(canary.display().to_string()));
        assert_eq!(std::fs::read_to_string(&canary).expect("the file is where it was"), "secret");
    }
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_found_when_the_target_is_asked() {
    let app = TestApp::start().await;
    let mut target = reqwest::Url::parse(&app.target_url()).expect("a URL");
    let upstream = target.socket_addrs(|| None).expect("an address")[0];
    // The last statement before the load commits.
    let fate = Fate::LosesCommit("set loaded_at = clock_timestamp()");
    let proxy = ChaosProxy::start(upstream, [fate; 20]).await;
    target.set_port(Some(proxy.address.port())).expect("a port");
    app.folder().write("people.csv", "id,name\n1,Ann\n2,Bob\n");
    let yaml = format!(
        "name: people\nsources: [{{type: local, path: {}}}]\ntarget: {{url: '{target}', table: people}}\n\
         load: {{dedupe: none}}\nmonitor: {{enabled: false}}\nretry: {{initial_seconds: 1}}\n",
        app.folder().path().display()
    );
    let run = app.load(&yaml).await;
    assert_eq!(proxy.lost_commits(), 1, "the load was committed and its answer lost");
    assert_eq!((&run["attempt"], &run["rows_inserted"]), (&json!(1), &json!(2)), "asking is not an attempt: {run:#}");
    assert_eq!(run["report"]["finished_from_marker"], true, "{run:#}");
    assert_eq!(app.count("people").await, 2, "without a row hash only the marker keeps rows from being doubled");
}

#[tokio::test]
async fn an_older_attempt_that_wakes_up_is_fenced_off() {
    let loader = Loader::start().await;
    loader.only("a.csv", "id\n1\n");
    let yaml = loader.yaml("t", "load: {dedupe: none}\n");
    let old = loader.begin("run", &yaml).await;
    expire(&loader, &old).await;
    let new = lifecycle::begin(&loader.control, old.run.id, "second").await.unwrap().expect("taken over");
    pipeline::run(&loader.context(new, &yaml)).await.expect("loaded");
    assert!(matches!(pipeline::run(&old).await, Err(PipelineError::Fenced)));
    assert_eq!(loader.count("t").await, 1);
}

#[tokio::test]
async fn a_newer_attempt_ends_the_older_one_s_session_and_loads() {
    let loader = Loader::start().await;
    loader.only("a.csv", "id,v\n1,a\n");
    loader.load("t", "").await;
    let rows: String = (0..200_000).map(|n| format!("{n},{n}\n")).collect();
    loader.only("a.csv", format!("id,v\n{rows}"));
    let yaml = loader.yaml("t", "");
    let old = loader.begin("run", &yaml).await;
    let (runtime, late) = (tokio::runtime::Handle::current(), old.clone());
    let running = tokio::task::spawn_blocking(move || runtime.block_on(pipeline::run(&late)));
    let name = format!("elt:{}:1", old.run.id);
    let sessions = format!("select count(*) from pg_stat_activity where application_name = '{name}'");
    // The old attempt either has a session or is over already.
    while loader.value(&sessions).await == "0" && !running.is_finished() {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    expire(&loader, &old).await;
    let new = lifecycle::begin(&loader.control, old.run.id, "second").await.unwrap().expect("taken over");
    let report = pipeline::run(&loader.context(new, &yaml)).await.expect("loaded");
    let old = running.await.expect("no panic");
    assert!(old.is_err() || report.finished_from_marker, "one of the two loaded");
    assert_eq!(loader.count("t").await, 200_001);
    assert_eq!(loader.value("select count(distinct _elt_row_hash) from t").await, "200001");
}

#[tokio::test]
async fn two_runs_of_one_table_wait_for_each_other() {
    let loader = Loader::start().await;
    loader.only("a.csv", "id\n1\n");
    let yaml = loader.yaml("t", "");
    let first = loader.begin("run", &yaml).await;
    pipeline::run(&first).await.expect("loaded");
    let second = loader.begin("run", &loader.yaml("public.t", "")).await;
    let busy = pipeline::run(&second).await;
    assert!(matches!(busy, Err(PipelineError::TargetBusy { .. })), "two spellings are one target");
}

#[tokio::test]
async fn two_control_databases_load_one_table_at_once_without_doubling() {
    let loader = Loader::start().await;
    let other = Loader::start().await;
    let rows: String = (0..50_000).map(|n| format!("{n},{}\n", n * 7)).collect();
    let back: String = (0..50_000).rev().map(|n| format!("{},{n}\n", n * 7)).collect();
    loader.only("a.csv", format!("id,v\n{rows}"));
    other.only("a.csv", format!("v,id\n{back}"));
    let url = |of: &Loader| {
        let folder = of.folder.path().display();
        format!(
            "sources: [{{type: local, path: {folder}}}]\ntarget: {{url: '{}', table: t}}\n",
            loader.databases().target_url()
        )
    };
    let (mine, theirs) = (url(&loader), url(&other));
    let (one, two) = tokio::join!(loader.run("run", &mine), other.run("run", &theirs));
    let (one, two) = (one.expect("loaded"), two.expect("loaded"));
    assert_eq!(one.rows_inserted + two.rows_inserted, 50_000);
    assert_eq!(loader.count("t").await, 50_000);
}

#[tokio::test]
async fn a_stopped_run_leaves_nothing() {
    let loader = Loader::start().await;
    loader.only("a.csv", "id\n1\n");
    let context = loader.begin("run", &loader.yaml("t", "")).await;
    context.stop.cancel();
    assert!(matches!(pipeline::run(&context).await, Err(PipelineError::Stopped)));
    assert_eq!(loader.value("select to_regclass('t')").await, "-");
}

#[tokio::test]
async fn a_plan_says_what_a_run_would_do_and_leaves_nothing() {
    let loader = Loader::start().await;
    loader.only("a.csv", "id,v\n1,a\n2,b\n");
    let yaml = loader.yaml("t", "");
    let plan = loader.run("plan", &yaml).await.expect("planned");
    assert_eq!(plan.rows_inserted, 2);
    assert_eq!(
        plan.samples,
        [[Some("1".to_owned()), Some("a".to_owned())], [Some("2".to_owned()), Some("b".to_owned())]]
    );
    assert!(plan.ddl[0].starts_with("create table \"public\".\"t\""), "{:?}", plan.ddl);
    assert_eq!(loader.value("select count(*) from pg_class where relnamespace = 'public'::regnamespace").await, "0");

    loader.load("t", "").await;
    loader.only("a.csv", "id,v,w\n1,a,\n2,b,\nx,c,5\n");
    let plan = loader.run("plan", &yaml).await.expect("planned");
    let run = loader.load("t", "").await;
    assert_eq!(plan.ddl, run.ddl);
    assert_eq!((plan.rows_inserted, plan.rows_duplicate), (run.rows_inserted, run.rows_duplicate));
    assert_eq!(json!(plan.columns), json!(run.columns));
}

async fn expire(loader: &Loader, context: &RunContext) {
    sqlx::query("update runs set lease_expires_at = now() - interval '1 second' where id = $1")
        .bind(context.run.id)
        .execute(&loader.control)
        .await
        .expect("expired the lease");
}
