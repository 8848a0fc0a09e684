//! Checks before the commit: each rule finds the rows that break it.

use std::collections::BTreeSet;

use elt_shared::runs::lifecycle;
use elt_shared::runs::report::RunReport;
use elt_shared::runs::{CheckState, Outcome};
use elt_worker::run_context::RunContext;
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::changing_api::{Behaviour, ChangingApi, second};
use crate::support::failed_check::{fail, places};
use crate::support::loader::{Loader, told};

async fn undo(loader: &Loader, yaml: &str, context: &RunContext) -> RunReport {
    let undo = loader.create("undo", yaml, json!({}), Some(context.run.id)).await;
    let undo = lifecycle::begin(&loader.control, undo.id, "tests").await.expect("asked").expect("begun");
    loader.execute(&loader.context(undo, yaml)).await.expect("undone")
}

#[tokio::test]
async fn each_rule_passes_good_rows_and_finds_bad_ones_with_their_places() {
    let loader = Loader::start().await;
    loader.sql("create table customers (customer int)").await;
    loader.sql("insert into customers values (7), (8)").await;
    let good = "id,state,amount,customer,at\n1,new,5,7,2026-11-30T00:00:00Z\n2,,,,\n";
    let bad = "id,state,amount,customer,at\n1,new,5,7,2000-01-01T00:00:00Z\n2,odd,-1,9,\n2,new,101,8,\n,new,5,8,\n";
    for (check, says, rows, at) in [
        ("not_null: id", "1 row has no value of id", 1, "a.csv:5"),
        ("unique: id", "2 rows have the same id as another row", 2, "a.csv:3 a.csv:4"),
        ("unique: [id, customer]", "", 0, ""),
        (
            "accepted_values: {column: state, values: [new, paid]}",
            "1 row has a value of state other than the 2 accepted ones",
            1,
            "a.csv:3",
        ),
        (
            "range: {column: amount, min: 0, max: 100.5}",
            "2 rows have a value of amount that is not from 0 to 100.5",
            2,
            "a.csv:3 a.csv:4",
        ),
        ("range: {column: at, min: 2020-01-01}", "1 row has a value of at below 2020-01-01", 1, "a.csv:2"),
        (
            "relationships: {column: customer, to: customers}",
            "1 row has a value of customer that public.customers lacks in customer",
            1,
            "a.csv:3",
        ),
        ("row_count: {max: 3}", "public.t would have 4 rows, which is more than 3", 4, ""),
        ("row_count: {min: 2, max: 4}", "", 0, ""),
        ("freshness_of: {column: at, within: 3650d}", "the newest at is missing or older than 3650d", 0, "?"),
        ("sql: \"select * from {table} where amount > 100 -- a comment\"", "its query returns 1 row", 1, "a.csv:4"),
    ] {
        loader.sql("drop table if exists t").await;
        let more = format!(
            "schema: {{id: int64, state: text, amount: int64, customer: int64, at: timestamptz}}\nchecks:\n  - {check}\n"
        );
        loader.only("a.csv", bad);
        if says.is_empty() {
            let report = loader.load("t", &more).await;
            assert_eq!((report.checks[0].state, report.judge()), (CheckState::Passed, Outcome::Clean), "{check}");
            continue;
        }
        let (error, results) = fail(&loader, "t", &more).await;
        assert_eq!(error.code().as_str(), "check_failed", "{check}: {}", told(&error));
        assert!(error.to_string().contains(says), "{check}: {error}");
        assert!(error.to_string().ends_with("; nothing was loaded into public.t"), "{error}");
        assert!(error.next_step().contains("checks[0] (line 5 column 5 of the config)"), "{}", error.next_step());
        let [result] = &results[..] else { panic!("{results:#?}") };
        assert_eq!((result.state, result.rows), (CheckState::Failed, rows), "{check}");
        assert_eq!(places(result).join(" "), at, "{check}: {result:#?}");
        assert_eq!(loader.value("select to_regclass('t') is null").await, "true", "the first load left nothing");

        loader.only("a.csv", good);
        let report = loader.load("t", &more).await;
        assert_eq!((report.checks[0].state, report.judge()), (CheckState::Passed, Outcome::Clean), "{check}");
        assert!(report.stages.check > 0.0 && report.checks[0].samples.is_empty());
    }
}

#[tokio::test]
async fn a_query_can_change_nothing_and_says_what_is_wrong_with_it() {
    let loader = Loader::start().await;
    loader.only("a.csv", "id\n1\n");
    loader.load("t", "").await;
    loader.sql("create table other (id int)").await;
    loader
        .sql(
            "create function sneaky() returns int language plpgsql volatile as
             $$ begin insert into other values (1); return 1; end $$;
             create function loud() returns int language plpgsql as $$ begin raise exception 'kanarie-7731'; end $$",
        )
        .await;
    loader.only("a.csv", "id\n2\n");
    let would_change = "it would change something, and a check may only read";
    for (query, said) in [
        ("select 1) x; commit; select count(*) from (select 1", "the server refuses it"),
        ("select 1; drop table other", "the server refuses it"),
        ("with gone as (delete from {table} returning id) select * from gone", "the server refuses it"),
        ("select sneaky()", would_change),
        ("select * from {table} for update", would_change),
        ("select nextval('_elt_quarantine_id_seq')", "would change something"),
        ("select set_config('transaction_read_only', 'off', true), sneaky()", "the server refuses it"),
        ("select loud()", "the server refuses it"),
        ("select 1 / (id - id) from {table}", "the server refuses it"),
        ("select pg_sleep(100)", "it took longer than its time limit, 1s"),
        (
            "select amuont from {table}",
            "the server refuses it at character 8 of its sql: column \"amuont\" does not exist",
        ),
        ("select * from {table} where nope", "at character 29 of its sql: column \"nope\" does not exist"),
    ] {
        let more = format!("checks:\n  - sql: {}\n    name: hostile\n    time_limit: 1s\n", json!(query));
        let (error, results) = fail(&loader, "t", &more).await;
        assert_eq!(error.code().as_str(), "check_broken", "{query}: {}", told(&error));
        assert!(error.to_string().contains(said), "{query}: {error}");
        assert!(!error.to_string().contains("kanarie"), "{error}");
        assert_eq!(results[0].state, CheckState::Broken, "{query}");
        assert_eq!(loader.rows("select id from t").await, ["1"], "{query}");
        assert_eq!(loader.count("other").await, 0, "{query}");
    }
    // What a query sets is gone after it, and locks that it lets go are not those of the load.
    let more = "checks:\n  - sql: \"select 1 where set_config('search_path', 'pg_catalog', true) = '' or \
                set_config('work_mem', '64kB', false) = ''\"\n  - sql: \"select 1 where pg_advisory_unlock_all() is null\"\n  \
                - sql: \"select * from t where _elt_run_id = current_setting('elt.run_id')::uuid and id <> 2\"\n";
    let report = loader.load("t", more).await;
    assert!(report.checks.iter().all(|check| check.state == CheckState::Passed), "{:#?}", report.checks);
    assert_eq!(loader.count("t").await, 2);
}

#[tokio::test]
async fn a_warning_loads_the_rows_and_a_broken_check_that_warns_does_not_stop_them() {
    let loader = Loader::start().await;
    loader.only("a.csv", "id,amount\n1,5\n2,-7731\n");
    let more = "checks:\n  - {range: {column: amount, min: 0}, on_fail: warn}\n  \
                - {sql: select nope from {table}, name: nope, on_fail: warn}\n  - unique: id\n";
    let more = more.replace("sql: select nope from {table}", "sql: \"select nope from {table}\"");
    let report = loader.load("t", &more).await;
    assert_eq!((report.rows_inserted, report.judge()), (2, Outcome::WithWarnings));
    let states: Vec<_> = report.checks.iter().map(|check| check.state).collect();
    assert_eq!(states, [CheckState::Warned, CheckState::Broken, CheckState::Passed]);
    assert_eq!(places(&report.checks[0]), ["a.csv:3"]);
    assert_eq!(report.checks[0].samples[0].values[1].value.as_deref(), Some("-7731"), "the report has the value");
    assert_eq!(report.warnings[0], "the check range(amount) failed: 1 row has a value of amount below 0");
    assert!(report.warnings[1].starts_with("the check nope could not be tried: the server refuses it at character 8"));
    assert!(!report.warnings.join(" ").contains("7731"), "sentences have no values");
}

#[tokio::test]
async fn rows_that_fail_are_quarantined_with_their_places_and_the_others_are_loaded() {
    for (mode, before) in [
        ("{mode: append}", false),
        ("{mode: append}", true),
        ("{mode: merge, key: [id]}", true),
        ("{mode: replace}", true),
    ] {
        let loader = Loader::start().await;
        if before {
            loader.only("a.csv", "id,amount\n1,1\n9,9\n");
            loader.load("t", "").await;
        }
        loader.only("a.csv", "id,amount\n1,5\n2,-1\n3,\n2,-1\n4,40\n");
        let more = format!(
            "load: {mode}\nchecks:\n  - {{range: {{column: amount, min: 0}}, on_fail: quarantine}}\n  \
             - {{not_null: amount, on_fail: quarantine}}\n  - unique: id\n"
        );
        let appends = before && mode.contains("append");
        let more = if appends { more.replace("  - unique: id\n", "") } else { more };
        let report = loader.load("t", &more).await;
        assert_eq!((report.rows_read, report.rows_quarantined), (5, 3), "{mode}: {report:#?}");
        assert_eq!(report.judge(), Outcome::WithWarnings);
        let states: Vec<_> = report.checks.iter().map(|check| (check.state, check.rows)).collect();
        assert_eq!(states[..2], [(CheckState::Quarantined, 1), (CheckState::Quarantined, 1)], "{mode}");
        assert_eq!(
            loader.rows("select line, column_name, code, reason from _elt_quarantine order by line").await,
            [
                "3|amount|rejected_by_check|is not what the check range(amount) accepts",
                "4|amount|rejected_by_check|is not what the check not_null(amount) accepts",
                "5|amount|rejected_by_check|is not what the check range(amount) accepts"
            ],
            "{mode}"
        );
        let ids: BTreeSet<_> = loader.rows("select id || '=' || amount from t").await.into_iter().collect();
        assert!(
            ids.contains("1=5") && ids.contains("4=40") && !ids.iter().any(|row| row.starts_with("2=")),
            "{mode}: {ids:?}"
        );
    }
}

#[tokio::test]
async fn quarantined_rows_are_replayed_under_a_milder_check() {
    let loader = Loader::start().await;
    loader.only("a.csv", "id,amount\n1,5\n2,-1\n");
    let strict = loader.yaml("t", "checks: [{range: {column: amount, min: 0}, on_fail: quarantine}]\n");
    let context = loader.begin("run", &strict).await;
    assert_eq!(loader.execute(&context).await.expect("loaded").rows_quarantined, 1);
    let mild = loader.yaml("t", "checks: [{range: {column: amount, min: -1}, on_fail: quarantine}]\n");
    let replay = loader.create("replay", &mild, json!({}), Some(context.run.id)).await;
    let replay = lifecycle::begin(&loader.control, replay.id, "tests").await.expect("asked").expect("begun");
    let report =
        loader.execute(&loader.context(replay, &mild)).await.unwrap_or_else(|error| panic!("{}", told(&error)));
    assert_eq!((report.rows_inserted, report.checks[0].state), (1, CheckState::Passed));
    assert_eq!(loader.rows("select id from t order by id").await, ["1", "2"]);
    assert_eq!(undo(&loader, &strict, &context).await.rows_deleted, 1, "an undo is not checked");
}

#[tokio::test]
async fn a_masked_value_is_nowhere_in_what_a_check_reports() {
    let loader = Loader::start().await;
    loader.only("a.csv", "id,email\n1,kanarie-7731@example.com\n1,other@example.org\n");
    let (error, results) = fail(&loader, "t", "shape: {mask: {email: last4}}\nchecks: [{unique: id}]\n").await;
    let said = format!("{} {}", told(&error), json!(results));
    assert!(!said.contains("kanarie"), "{said}");
    let shown: BTreeSet<_> = results[0].samples.iter().map(|sample| sample.values[1].value.as_deref()).collect();
    assert_eq!(shown, BTreeSet::from([Some("****.com"), Some("****.org")]), "{said}");
    assert_eq!(places(&results[0]), ["a.csv:2", "a.csv:3"]);
}

#[tokio::test]
async fn a_failed_check_leaves_the_cursor_where_it_was() {
    let (loader, api) = (Loader::start().await, ChangingApi::start(Behaviour::default()).await);
    api.add(1, second(1));
    let source = api.source("cursor: at, param: since", "");
    let yaml = |more: &str| format!("name: changes\nsources: [{source}]\ntarget: {{table: changes}}\n{more}");
    loader.run("run", &yaml("")).await.expect("loaded");
    api.add(2, second(2));
    let state = loader.value("select value || ' ' || moves from _elt_state").await;
    let failed = loader.run("run", &yaml("checks: [{row_count: {max: 1}}]\n")).await;
    assert_eq!(failed.expect_err("too many rows").code().as_str(), "check_failed");
    assert_eq!(loader.value("select value || ' ' || moves from _elt_state").await, state);
    assert_eq!(loader.run("run", &yaml("")).await.expect("loaded").rows_inserted, 1);
}

#[tokio::test]
async fn rows_of_earlier_runs_count_where_the_scope_says_so() {
    let loader = Loader::start().await;
    loader.only("a.csv", "id,v\n1,\n1,5\n");
    loader.load("t", "").await;
    loader.only("b.csv", "id,v\n2,6\n");
    // The rows of the run hold, and those that were there do not.
    loader.load("t", "checks: [{not_null: v}, {unique: id, scope: run}]\n").await;
    loader.only("c.csv", "id,v\n3,7\n");
    let (error, _) = fail(&loader, "t", "checks: [{not_null: v, scope: table}]\n").await;
    assert!(error.to_string().contains("the check not_null(v) failed: 1 row has no value of v"), "{error}");
    let (_, results) = fail(&loader, "t", "checks: [{unique: id}]\n").await;
    assert_eq!(
        (results[0].rows, places(&results[0])),
        (2, vec!["?".to_owned(), "?".to_owned()]),
        "earlier runs wrote them"
    );
    loader.only("d.csv", "id,v\n2,8\n");
    let (_, results) = fail(&loader, "t", "checks: [{unique: id, scope: run}]\n").await;
    assert_eq!((results[0].rows, places(&results[0])), (2, vec!["?".to_owned(), "d.csv:2".to_owned()]));
}

#[tokio::test]
async fn odd_names_nulls_and_empty_files_are_checked_as_they_are() {
    let loader = Loader::start().await;
    loader.only("a.csv", "\"a \"\"b\"\" {table}\",Größe\n1,x\n,y\n");
    let more = r#"
checks:
  - not_null: 'a "b" {table}'
    on_fail: warn
  - unique: ['a "b" {table}', größe]
  - accepted_values: {column: GRÖSSE, values: ["it's", 'a\b']}
    on_fail: warn
"#;
    let (error, _) = fail(&loader, "t", more).await;
    assert_eq!(error.code().as_str(), "check_broken", "{}", told(&error));
    assert!(error.to_string().contains("public.t has no column \"GRÖSSE\", did you mean \"Größe\"?"), "{error}");
    let report = loader.load("t", &more.replace("GRÖSSE", "Größe")).await;
    let found: Vec<_> = report.checks.iter().map(|check| (check.state, check.rows)).collect();
    assert_eq!(found, [(CheckState::Warned, 1), (CheckState::Passed, 0), (CheckState::Warned, 2)]);

    loader.only("a.csv", "id,at\n");
    let all = "schema: {id: int64, at: date}\nchecks: [{not_null: id}, {unique: id}, {row_count: {min: 0}}, {sql: 'select * from {table}'}]\n";
    let report = loader.load("empty", all).await;
    assert!(report.checks.iter().all(|check| check.state == CheckState::Passed), "{:#?}", report.checks);
    let (error, _) =
        fail(&loader, "empty", "checks: [{row_count: {min: 1}}, {freshness_of: {column: at, within: 1d}}]\n").await;
    assert!(error.to_string().contains("public.empty would have 0 rows, which is fewer than 1"), "{error}");
    assert!(error.to_string().contains("the newest at is missing or older than 1d"), "{error}");
}

#[tokio::test]
async fn a_column_that_will_not_be_there_is_refused_before_rows_are_read() {
    let loader = Loader::start().await;
    loader.only("a.csv", "id,amount\n1,5\n");
    let yaml = loader.yaml("t", "checks: [{range: {column: amuont, min: 0}}]\n");
    for kind in ["run", "plan", "check"] {
        let error = loader.run(kind, &yaml).await.expect_err(kind);
        assert_eq!(
            error.to_string(),
            "the check range(amuont) cannot be tried: public.t has no column \"amuont\", did you mean \"amount\"?",
            "{kind}"
        );
        assert_eq!(error.code().as_str(), "check_broken");
    }
}

#[tokio::test]
async fn a_plan_shows_what_would_fail_and_what_would_be_kept_aside() {
    let loader = Loader::start().await;
    loader.only("a.csv", "id,amount\n1,5\n1,-7\n");
    let more = "checks: [{unique: id}, {range: {column: amount, min: -1}, on_fail: quarantine}]\n";
    let plan = loader.run("plan", &loader.yaml("t", more)).await.expect("planned");
    assert_eq!((plan.rows_quarantined, plan.checks[0].state), (1, CheckState::Passed), "{plan:#?}");
    let plan = loader.run("plan", &loader.yaml("t", "checks: [{unique: id}]\n")).await.expect("planned");
    assert_eq!((plan.checks[0].state, plan.judge()), (CheckState::Failed, Outcome::WithWarnings));
    assert_eq!(places(&plan.checks[0]), ["a.csv:2", "a.csv:3"]);
    assert_eq!(
        plan.warnings,
        ["a run would load nothing, because the check unique(id) failed: 2 rows have the same id as another row"]
    );
    assert_eq!(loader.value("select to_regclass('t') is null").await, "true");
}

#[tokio::test]
async fn samples_are_bounded_and_provenance_gives_places_without_hashes() {
    let loader = Loader::start().await;
    let columns: Vec<_> = (0..200).map(|at| format!("c{at}")).collect();
    let row = |id: u32| format!("{id},{}\n", vec!["ä".repeat(300); 200].join(","));
    loader.only("a.csv", format!("id,{}\n{}", columns.join(","), (0..20).map(row).collect::<String>()));
    let (error, results) =
        fail(&loader, "t", "checks: [{row_count: {max: 1}}, {range: {column: id, min: 100}}]\n").await;
    assert!(error.to_string().len() < 1_000, "{error}");
    assert_eq!((results[1].rows, results[1].samples.len()), (20, 5));
    let values = &results[1].samples[0].values;
    assert_eq!((values.len(), values[1].value.as_ref().map(|value| value.chars().count())), (64, Some(201)));

    loader.only("b.csv", "id\n1\n1\n");
    let more = "provenance: [file, row]\nload: {dedupe: none}\nchecks: [{unique: id}]\n";
    let (_, results) = fail(&loader, "u", more).await;
    assert_eq!(places(&results[0]), ["b.csv:2", "b.csv:3"]);
}

#[tokio::test]
async fn a_run_that_a_check_fails_is_over_at_once_and_keeps_its_results() {
    let app = TestApp::start().await;
    app.folder().write("a.csv", "id\n1\n1\n2\n");
    let yaml = app.yaml("people", "load: {dedupe: none}\nchecks:\n  - unique: id\n  - not_null: id\n");
    let run = app.trigger(&yaml).await;
    let run = app.finished(&run["id"]).await;
    assert_eq!(
        (&run["state"], &run["error_code"], &run["stage"]),
        (&json!("failed"), &json!("check_failed"), &json!("check"))
    );
    assert_eq!((&run["attempt"], &run["outages"]), (&json!(1), &json!(0)), "no other attempt would do better");
    let report = &run["report"];
    assert_eq!(report["partial"], true);
    let states: Vec<&Value> =
        report["checks"].as_array().expect("checks").iter().map(|check| &check["state"]).collect();
    assert_eq!(states, ["failed", "passed"]);
    assert_eq!(report["checks"][0]["samples"][0]["values"][0], json!({"column": "id", "value": "1"}));
    let error = run["error"].as_str().expect("a sentence");
    assert_eq!(
        error,
        "the check unique(id) failed: 2 rows have the same id as another row; nothing was loaded into public.people"
    );
}
