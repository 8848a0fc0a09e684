//! Incremental API sources: only what is new is asked for, and the cursor is committed together with the rows.

use axum::response::IntoResponse;
use elt_shared::config::{Document, NoReferences};
use elt_shared::runs::report::RunReport;
use elt_shared::store::runs::Run;
use serde_json::json;

use crate::support::changing_api::{Behaviour, ChangingApi, second};
use crate::support::http_source::HttpSource;
use crate::support::loader::{Loader, told};

const SINCE: &str = "cursor: at, param: since";

fn config(source: &str, more: &str) -> String {
    format!("name: changes\nsources: [{source}]\ntarget: {{table: changes}}\n{more}")
}

async fn run(loader: &Loader, yaml: &str) -> RunReport {
    loader.run("run", yaml).await.unwrap_or_else(|error| panic!("{}", told(&error)))
}

async fn cursor(loader: &Loader) -> String {
    loader.rows("select value from _elt_state").await.pop().unwrap_or_else(|| "none".to_owned())
}

#[tokio::test]
async fn after_ten_thousand_rows_seven_new_ones_cost_two_requests() {
    let (loader, api) = (Loader::start().await, ChangingApi::start(Behaviour::default()).await);
    for id in 0..10_000 {
        api.add(id, second(id));
    }
    // The pages are read until one is missing, so that a hundred pages take a hundred and one requests; this API names no next
    // page, and only the empty one tells.
    let yaml = config(&api.source(SINCE, ""), "");
    let first = run(&loader, &yaml).await;
    assert_eq!((first.rows_inserted, api.requests()), (10_000, 101));
    assert_eq!(api.params("since", 0)[0], None, "the first run asks for everything");
    assert_eq!(first.incremental[0].since, None);
    assert_eq!(first.incremental[0].next.as_deref(), Some(second(9_999).as_str()));

    for id in 10_000..10_007 {
        api.add(id, second(id));
    }
    let before = api.requests();
    let new = run(&loader, &yaml).await;
    assert_eq!((new.rows_inserted, new.rows_duplicate), (7, 1), "the row at the boundary is read twice and kept once");
    assert_eq!(api.requests() - before, 2);
    assert_eq!(api.params("since", before)[0], Some(second(9_999)));
    assert_eq!(
        new.incremental[0].says,
        format!("Read what changed since {}. The next run reads since {}.", second(9_999), second(10_006))
    );
    assert_eq!(loader.count("changes").await, 10_007);

    let idle = run(&loader, &yaml).await;
    assert_eq!((idle.rows_inserted, idle.incremental[0].moved), (0, false));
    assert_eq!(loader.value("select value || ' ' || moves from _elt_state").await, format!("{} 1", second(10_006)));
}

#[tokio::test]
async fn an_api_that_names_its_next_page_is_asked_once_for_each_page() {
    let loader = Loader::start().await;
    let server = HttpSource::start().await;
    let count = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(10_000));
    let there = std::sync::Arc::clone(&count);
    server.script(move |hit, _| {
        let since = hit.param("since").unwrap_or_default();
        let rows: Vec<_> = (0..there.load(std::sync::atomic::Ordering::Relaxed))
            .map(|id| json!({ "id": id, "at": second(id) }))
            .collect();
        let page: usize = hit.param("cursor").and_then(|page| page.parse().ok()).unwrap_or(0);
        let rows: Vec<_> = rows.iter().filter(|row| row["at"].as_str().expect("a text") >= since.as_str()).collect();
        let next = (rows.len() > (page + 1) * 100).then(|| (page + 1).to_string());
        let rows: Vec<_> = rows.into_iter().skip(page * 100).take(100).collect();
        axum::Json(json!({ "rows": rows, "next": next })).into_response()
    });
    let source = format!(
        "{{type: api, url: \"{}\", records: rows, pagination: {{type: cursor, cursor_path: next}}, incremental: {{{SINCE}}}}}",
        server.url("/script/rows")
    );
    let yaml = config(&source, "");
    assert_eq!((run(&loader, &yaml).await.rows_inserted, server.hits().len()), (10_000, 100));
    count.store(10_007, std::sync::atomic::Ordering::Relaxed);
    assert_eq!((run(&loader, &yaml).await.rows_inserted, server.hits().len()), (7, 101));
    assert_eq!((run(&loader, &yaml).await.rows_duplicate, server.hits().len()), (1, 102));
}

#[tokio::test]
async fn a_run_that_fails_and_a_plan_move_nothing() {
    let (loader, api) = (Loader::start().await, ChangingApi::start(Behaviour::default()).await);
    api.add(1, second(1));
    let yaml = config(&api.source(SINCE, ""), "");
    let plan = loader.run("plan", &yaml).await.unwrap_or_else(|error| panic!("{}", told(&error)));
    assert_eq!(plan.incremental[0].next, Some(second(1)), "it says what a run would do");
    assert_eq!(loader.value("select to_regclass('_elt_state')::text").await, "-", "and leaves nothing behind");
    run(&loader, &yaml).await;
    api.add(2, second(2));
    let plan = loader.run("plan", &yaml).await.unwrap_or_else(|error| panic!("{}", told(&error)));
    assert_eq!((plan.rows_inserted, plan.incremental[0].next.clone()), (1, Some(second(2))));
    assert_eq!(cursor(&loader).await, second(1));
    loader.run("check", &yaml).await.unwrap_or_else(|error| panic!("{}", told(&error)));

    let strict =
        "schema: {columns: {id: {type: int, max: 1}, at: text, note: text}}\nstrict_mode: true\non_bad_row: fail\n";
    let error =
        loader.run("run", &config(&api.source(SINCE, ""), strict)).await.expect_err("the row breaks the contract");
    assert_eq!(cursor(&loader).await, second(1), "{}", told(&error));
    // A row in quarantine is kept, so that it need not be read again.
    let kept = run(&loader, &config(&api.source(SINCE, ""), &strict.replace("on_bad_row: fail\n", ""))).await;
    assert_eq!((kept.rows_quarantined, cursor(&loader).await), (1, second(2)));
}

#[tokio::test]
async fn rows_at_the_boundary_are_neither_lost_nor_doubled() {
    let (loader, api) =
        (Loader::start().await, ChangingApi::start(Behaviour { page: 2, ..Behaviour::default() }).await);
    let yaml = config(&api.source(SINCE, ""), "");
    for id in 0..5 {
        api.add(id, second(0));
    }
    assert_eq!(run(&loader, &yaml).await.rows_inserted, 5);
    for id in 5..8 {
        api.add(id, second(0));
    }
    api.add(8, second(1));
    assert_eq!(run(&loader, &yaml).await.rows_inserted, 4, "rows of the same second came after the first run");
    assert_eq!(loader.value("select count(*) || ' ' || count(distinct id) from changes").await, "9 9");
}

#[tokio::test]
async fn a_changed_row_is_updated_by_merge_and_added_by_append() {
    let (loader, api) = (Loader::start().await, ChangingApi::start(Behaviour::default()).await);
    api.add(1, second(1));
    api.add(2, second(2));
    let merge = config(&api.source(SINCE, ""), "load: {mode: merge, key: [id]}\n");
    run(&loader, &merge).await;
    api.change(1, &second(3), "changed");
    let report = run(&loader, &merge).await;
    assert_eq!((report.rows_updated, report.rows_inserted), (1, 0), "{report:#?}");
    assert_eq!(loader.rows("select id, note from changes order by id").await, ["1|changed", "2|row 2"]);
    assert_eq!(cursor(&loader).await, second(3));
}

#[tokio::test]
async fn a_lookback_reads_what_arrived_late() {
    let (loader, api) = (Loader::start().await, ChangingApi::start(Behaviour::default()).await);
    let yaml = config(&api.source(&format!("{SINCE}, lookback: 60s"), ""), "");
    api.add(1, second(1_000));
    run(&loader, &yaml).await;
    api.add(2, second(970));
    let report = run(&loader, &yaml).await;
    assert_eq!((report.rows_inserted, report.incremental[0].since.clone()), (1, Some(second(940))));
    assert_eq!(cursor(&loader).await, second(1_000), "it never moves backwards");
}

#[tokio::test]
async fn start_formats_and_numbers_are_sent_as_written() {
    let (loader, api) = (Loader::start().await, ChangingApi::start(Behaviour::default()).await);
    let yaml = config(&api.source(&format!("{SINCE}, start: 2026-01-01, format: date"), ""), "");
    api.add(1, "2026-09-22T10:00:00+02:00");
    run(&loader, &yaml).await;
    run(&loader, &yaml).await;
    let asked: Vec<_> = api.params("since", 0).into_iter().flatten().collect();
    assert_eq!(asked, ["2026-01-01", "2026-01-01", "2026-09-22", "2026-09-22"]);

    let numbers = HttpSource::start().await;
    numbers.script(|_, _| r#"{"rows": [{"id": 1, "at": 123456789012345678901234567890}]}"#.into_response());
    let source = "records: rows, incremental: {cursor: at, param: since, lookback: 90}";
    let source = format!("{{type: api, url: \"{}\", {source}}}", numbers.url("/script/rows"));
    let yaml = config(&source, "").replace("changes", "numbers");
    run(&loader, &yaml).await;
    run(&loader, &yaml).await;
    let asked: Vec<_> = numbers.hits().iter().map(|hit| hit.param("since")).collect();
    assert_eq!(asked, [None, Some("123456789012345678901234567800".to_owned())], "to its last digit");
}

#[tokio::test]
async fn a_descending_api_that_ignores_the_parameter_is_read_up_to_the_first_old_page() {
    let behaviour = Behaviour { page: 10, knows_since: false, newest_first: true };
    let (loader, api) = (Loader::start().await, ChangingApi::start(behaviour).await);
    for id in 0..100 {
        api.add(id, second(id));
    }
    let yaml = config(&api.source("cursor: at, order: desc", ""), "");
    assert_eq!(run(&loader, &yaml).await.rows_inserted, 100);
    for id in 100..103 {
        api.add(id, second(id));
    }
    let before = api.requests();
    let report = run(&loader, &yaml).await;
    assert_eq!((report.rows_inserted, api.requests() - before), (3, 2), "the second page has only older rows");
}

#[tokio::test]
async fn a_row_without_a_cursor_is_loaded_and_moves_nothing() {
    let (loader, api) = (Loader::start().await, ChangingApi::start(Behaviour::default()).await);
    api.add(1, second(5));
    api.put(json!({ "id": 2, "at": null, "note": "no time" }));
    let report = run(&loader, &config(&api.source(SINCE, ""), "")).await;
    assert_eq!((report.rows_inserted, cursor(&loader).await), (2, second(5)));
    let says = "1 of 2 rows have no `at`: they are loaded, and do not move the cursor";
    assert!(report.warnings.iter().any(|warning| warning.ends_with(says)), "{:?}", report.warnings);
    assert_eq!(report.incremental[0].rows_without, 1);
}

#[tokio::test]
async fn pipelines_and_sources_of_one_table_have_cursors_of_their_own() {
    let loader = Loader::start().await;
    let (one, other) = (ChangingApi::start(Behaviour::default()).await, ChangingApi::start(Behaviour::default()).await);
    one.add(1, second(10));
    other.add(2, second(20));
    let both = format!("{}, {}", one.source(SINCE, ""), other.source(SINCE, ""));
    run(&loader, &config(&both, "")).await;
    let states = loader.rows("select pipeline, value from _elt_state order by value").await;
    assert_eq!(states, [format!("changes|{}", second(10)), format!("changes|{}", second(20))]);

    // Another pipeline has not read the first API yet, although both load into one table.
    let before = one.requests();
    run(&loader, &config(&one.source(SINCE, ""), "").replace("name: changes", "name: more")).await;
    assert_eq!(one.params("since", before)[0], None);
    // Other parameters ask for other rows, of which none were read.
    let before = one.requests();
    let report =
        run(&loader, &config(&one.source(SINCE, ", params: {state: open}"), "").replace("name: changes", "name: more"))
            .await;
    assert_eq!(one.params("since", before)[0], None);
    assert!(report.warnings[0].contains("its parameters are others"), "{:?}", report.warnings);
}

#[tokio::test]
async fn an_undo_gives_the_cursor_back() {
    let (loader, api) = (Loader::start().await, ChangingApi::start(Behaviour::default()).await);
    let yaml = config(&api.source(SINCE, ""), "");
    api.add(1, second(1));
    let first = loader.begin("run", &yaml).await;
    loader.execute(&first).await.expect("loaded");
    api.add(2, second(2));
    let second_run = loader.begin("run", &yaml).await;
    loader.execute(&second_run).await.expect("loaded");

    let undo = async |of: &elt_worker::run_context::RunContext| {
        let undo = loader.create("undo", &yaml, json!({}), Some(of.run.id)).await;
        let begun = elt_shared::runs::lifecycle::begin(&loader.control, undo.id, "tests").await.expect("asked");
        let context = loader.context(begun.expect("begun"), &yaml);
        loader.execute(&context).await.unwrap_or_else(|error| panic!("{}", told(&error)))
    };
    let report = undo(&second_run).await;
    assert_eq!((report.rows_deleted, cursor(&loader).await), (1, second(1)));
    assert_eq!(report.incremental[0].says, format!("The next run reads since {} again.", second(1)));
    assert_eq!(run(&loader, &yaml).await.rows_inserted, 1, "the row is read again");

    let report = undo(&first).await;
    assert_eq!(cursor(&loader).await, second(2), "a later run moved it");
    assert!(report.warnings[0].contains("was moved after the run that was undone"), "{:?}", report.warnings);
}

#[tokio::test]
async fn a_table_that_was_dropped_is_read_from_the_beginning_and_an_empty_one_is_not() {
    let (loader, api) = (Loader::start().await, ChangingApi::start(Behaviour::default()).await);
    let yaml = config(&api.source(SINCE, ""), "");
    api.add(1, second(1));
    api.add(2, second(2));
    run(&loader, &yaml).await;
    loader.sql("truncate changes").await;
    let report = run(&loader, &yaml).await;
    assert_eq!(report.rows_inserted, 1, "the row at the cursor");
    assert!(report.warnings[0].contains("elt state clear"), "{:?}", report.warnings);
    loader.sql("drop table changes").await;
    assert_eq!(run(&loader, &yaml).await.rows_inserted, 2);
}

#[tokio::test]
async fn a_cursor_that_is_set_while_a_run_goes_on_is_left_as_it_was_set() {
    let (loader, api) = (Loader::start().await, ChangingApi::start(Behaviour::default()).await);
    let yaml = config(&api.source(SINCE, ""), "");
    api.add(1, second(1));
    run(&loader, &yaml).await;
    api.add(2, second(2));
    // The run waits for this lock when its rows are written and its cursor is not.
    let admin = loader.admin().await;
    let mut holder = admin.acquire().await.expect("a connection");
    let lock = "hashtextextended('elt state public.changes', 0)";
    sqlx::query(sqlx::AssertSqlSafe(format!("select pg_advisory_lock({lock})")))
        .execute(&mut *holder)
        .await
        .expect("held");
    let running = run(&loader, &yaml);
    let setting = async {
        let waits = "select count(*) from pg_locks where locktype = 'advisory' and not granted";
        while loader.value(waits).await == "0" {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        loader.sql("update _elt_state set value = '2020-01-01', run_id = null, set_by = 'ann', moved_at = clock_timestamp()").await;
        sqlx::query(sqlx::AssertSqlSafe(format!("select pg_advisory_unlock({lock})")))
            .execute(&mut *holder)
            .await
            .expect("freed");
    };
    let (report, ()) = tokio::join!(running, setting);
    assert_eq!((report.rows_inserted, cursor(&loader).await), (1, "2020-01-01".to_owned()));
    assert!(report.incremental[0].says.contains("was set or cleared meanwhile"), "{:?}", report.incremental);
    let before = api.requests();
    run(&loader, &yaml).await;
    assert_eq!(api.params("since", before)[0].as_deref(), Some("2020-01-01"));
}

#[tokio::test]
async fn a_window_of_a_backfill_moves_no_cursor() {
    let (loader, api) = (Loader::start().await, ChangingApi::start(Behaviour::default()).await);
    let yaml = config(&api.source(&format!("{SINCE}, end_param: until"), ""), "");
    api.add(1, second(100));
    run(&loader, &yaml).await;
    api.add(2, second(50));
    api.add(3, second(500));
    let window = loader.create("run", &yaml, json!({}), None).await;
    let begun = elt_shared::runs::lifecycle::begin(&loader.control, window.id, "tests").await.expect("asked");
    let instant = |text: String| Some(text.parse().expect("an instant"));
    let (from, to) = (instant(second(0)), instant(second(60)));
    let begun = Run { window_from: from, window_to: to, ..begun.expect("begun") };
    let before = api.requests();
    let report = loader.execute(&loader.context(begun, &yaml)).await.expect("loaded");
    assert_eq!((report.rows_inserted, cursor(&loader).await), (1, second(100)));
    assert_eq!(
        (api.params("since", before)[0].clone(), api.params("until", before)[0].clone()),
        (Some(second(0)), Some(second(60)))
    );
    assert_eq!(run(&loader, &yaml).await.rows_inserted, 1, "the run after it goes on where the one before it ended");
}

#[tokio::test]
async fn an_api_with_nothing_new_may_leave_its_rows_out() {
    let (loader, server) = (Loader::start().await, HttpSource::start().await);
    server.script(|_, asked| match asked {
        1 => r#"{"page": 1, "rows": [{"id": 1, "at": 5}]}"#.into_response(),
        2 => r#"{"page": 1, "rows": []}"#.into_response(),
        3 => r#"{"page": 1}"#.into_response(),
        _ => r#"{"page": 1, "message": "Kontingent erreicht"}"#.into_response(),
    });
    let source =
        "records: rows, pagination: {type: cursor, cursor_path: next}, incremental: {cursor: at, param: since}";
    let yaml = config(&format!("{{type: api, url: \"{}\", {source}}}", server.url("/script/rows")), "");
    for rows in [1, 0, 0] {
        assert_eq!(run(&loader, &yaml).await.rows_inserted, rows);
        assert_eq!(cursor(&loader).await, "5");
    }
    let error = loader.run("run", &yaml).await.expect_err("the message may report an error");
    assert!(told(&error).contains("there is nothing at $.rows"), "{}", told(&error));
    // Before anything was read, a missing member is a misspelled path.
    server.script(|_, _| r#"{"page": 1}"#.into_response());
    let first = loader.run("run", &yaml.replace("changes", "others")).await.expect_err("no rows were read before");
    assert!(told(&first).contains("there is nothing at $.rows"), "{}", told(&first));
}

#[test]
fn ways_to_load_that_would_lose_or_double_rows_are_refused() {
    let refused = |more: &str| {
        let source = "{type: api, url: 'http://h/', incremental: {cursor: at, param: since}}";
        let yaml = Document::parse(&config(source, more)).expect("YAML");
        yaml.pipeline(&NoReferences).expect_err("refused").to_string()
    };
    assert!(refused("load: {mode: replace}\n").contains("sources[0].incremental: a run that reads only what is new"));
    assert!(refused("load: {dedupe: none}\n").contains("would double them"));
    let yaml = config("{type: api, url: 'http://h/', incremental: {cursor: at}}", "");
    let refused = Document::parse(&yaml).expect("YAML").pipeline(&NoReferences).expect_err("refused").to_string();
    assert!(refused.contains("nothing sends the cursor to the API"), "{refused}");
}
