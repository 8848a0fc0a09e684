//! Sources whose requests are made for each value of another source or of a query.

use std::time::{Duration, Instant};

use axum::Json;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use elt_shared::config::{Document, NoReferences, PipelineConfig};
use elt_shared::runs::Outcome;
use elt_shared::runs::report::LeftOutKind;
use elt_worker::error::PipelineError;
use elt_worker::extract;
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;

use crate::support::app::PATIENCE;
use crate::support::extraction::{Extraction, texts};
use crate::support::family_api::{FamilyApi, orders_of};
use crate::support::http_source::HttpSource;
use crate::support::loader::Loader;

/// A config that loads the orders of every customer, with further lines of `for_each`.
fn family(api: &FamilyApi, table: &str, lines: &str) -> String {
    format!(
        "sources:
  - type: api
    name: customers
    load: false
    url: {}
    pagination: {{type: page}}
  - type: api
    url: \"{}\"
    records: orders
    include: {{customer: '{{{{customer}}}}', total: total}}
    pagination: {{type: page}}
    for_each: {{from: {{source: customers, column: id}}, as: customer, {lines}}}
target: {{table: {table}}}
",
        api.url("/customers"),
        api.url("/customers/{{customer}}/orders"),
    )
}

/// A config whose values a query selects.
fn selected(url: &str, sql: &str, table: &str, lines: &str) -> String {
    format!(
        "sources:
  - type: api
    url: \"{url}\"
    include: {{sent: '{{{{id}}}}'}}
    for_each:
      as: id
      from: {{sql: {}, timeout_seconds: 20}}
{lines}target: {{table: {table}}}
",
        Value::from(sql)
    )
}

fn parsed(yaml: &str) -> PipelineConfig {
    let document = Document::parse(yaml).unwrap_or_else(|error| panic!("{error}: {yaml}"));
    document.pipeline(&NoReferences).unwrap_or_else(|error| panic!("{error}: {yaml}")).value
}

/// The problems of a config.
fn problems(sources: &str) -> String {
    let yaml = format!("sources:\n{sources}target: {{table: t}}\n");
    let document = Document::parse(&yaml).unwrap_or_else(|error| panic!("{error}: {yaml}"));
    document.pipeline(&NoReferences).map(|_| String::new()).unwrap_or_else(|error| error.to_string())
}

/// Customer, number, amount and total of every order that a customer up to this one has, except those left out.
fn expected(customers: u64, without: &[u64]) -> Vec<(i64, i64, i64, i64)> {
    let orders = (1..=customers).filter(|id| !without.contains(id)).flat_map(|id| {
        (1..=orders_of(id))
            .map(move |number| (id as i64, number as i64, (id * 10 + number) as i64, orders_of(id) as i64))
    });
    orders.collect()
}

async fn loaded(loader: &Loader, table: &str) -> Vec<(i64, i64, i64, i64)> {
    let sql = format!("select customer, number, amount, total from {table} order by 1, 2");
    sqlx::query_as(AssertSqlSafe(sql)).fetch_all(&loader.target).await.expect("rows")
}

async fn failed(loader: &Loader, yaml: &str) -> (String, String) {
    let error = loader.run("run", yaml).await.expect_err("it must fail");
    (error.code().as_str().to_owned(), error.to_string())
}

#[tokio::test]
async fn every_page_of_500_parents_is_loaded_and_parents_are_asked_side_by_side() {
    let (api, loader) = (FamilyApi::start(500).await, Loader::start().await);
    let yaml = family(&api, "orders", "concurrency: 8");
    let report = loader.run("run", &yaml).await.expect("loaded");
    assert_eq!(loaded(&loader, "orders").await, expected(500, &[]));
    assert!((2..=8).contains(&api.most_at_once()), "{} requests at once", api.most_at_once());
    assert_eq!(report.files.len(), 1, "one receipt for all parents: {report:#?}");
    assert_eq!(report.files[0].name, api.url("/customers/{{customer}}/orders"));
    assert_eq!((report.warnings.len(), report.left_out.len()), (0, 0), "{report:#?}");
    let again = loader.run("run", &yaml).await.expect("loaded");
    assert_eq!((again.rows_inserted, again.rows_read), (0, expected(500, &[]).len() as u64));
}

#[tokio::test]
async fn the_rows_are_in_the_order_of_the_parents_whichever_is_answered_first() {
    let (api, lab) = (FamilyApi::start(60).await, Extraction::new().await);
    let mut seen = Vec::new();
    for concurrency in [1, 16] {
        let config = parsed(&family(&api, "t", &format!("concurrency: {concurrency}")));
        let extracted = extract::extract(&config, &lab.context).await.expect("rows");
        let texts = texts(&extracted);
        assert_eq!(texts.len(), 1, "the rows of the customers are not loaded");
        seen.push(texts[0].1.clone());
        let left: Vec<_> = std::fs::read_dir(&lab.context.spool).expect("a folder").collect();
        assert!(left.len() <= 4, "the pages of all values are gone: {left:?}");
    }
    assert_eq!(seen[0], seen[1]);
    let rows: Vec<Value> = serde_json::from_str(&seen[0]).expect("an array");
    let order: Vec<_> = rows
        .iter()
        .map(|row| (row["customer"].as_i64().expect("an id"), row["number"].as_i64().expect("a number")))
        .collect();
    assert_eq!(order, expected(60, &[]).iter().map(|row| (row.0, row.1)).collect::<Vec<_>>());
}

#[tokio::test]
async fn one_parent_that_fails_fails_the_source_or_is_skipped_and_listed() {
    let (api, loader) = (FamilyApi::start(40).await, Loader::start().await);
    // The second page fails: the rows of the first must not be loaded without the others.
    api.fail(23, 2, StatusCode::BAD_REQUEST);
    api.fail(31, 1, StatusCode::NOT_FOUND);
    let (code, message) = failed(&loader, &family(&api, "orders", "concurrency: 4")).await;
    assert_eq!(code, "http_status");
    assert!(message.contains("/customers/{{customer}}/orders answered 400 Bad Request"), "{message}");
    assert!(message.contains("/customers page 1:") && message.contains("one of 40 values of `for_each`"), "{message}");
    assert!(!message.contains("customers/23"), "the value is from a row: {message}");

    let skip = family(&api, "orders", "concurrency: 4, on_parent_error: skip, missing: fail");
    let (code, message) = failed(&loader, &skip).await;
    assert_eq!(code, "source_missing", "{message}");

    let skip = family(&api, "orders", "concurrency: 4, on_parent_error: skip");
    let report = loader.run("run", &skip).await.expect("loaded");
    assert_eq!(loaded(&loader, "orders").await, expected(40, &[23, 31]));
    assert_eq!(report.judge(), Outcome::WithWarnings);
    let kinds: Vec<_> = report.left_out.iter().map(|left| (left.kind, left.reason.as_str())).collect();
    assert_eq!(kinds.len(), 2, "{kinds:?}");
    assert_eq!((kinds[0].0, kinds[1].0), (LeftOutKind::Failed, LeftOutKind::Skipped));
    assert!(kinds[0].1.starts_with("1 of 40 values were skipped: ") && kinds[0].1.contains("400"), "{kinds:?}");
    assert!(kinds[1].1.starts_with("1 of 40 values are not known to the API: "), "{kinds:?}");

    let replace = format!("{skip}load: {{mode: replace}}\n");
    let (code, _) = failed(&loader, &replace).await;
    assert_eq!(code, "replace_incomplete", "a replace would take away the rows of the skipped ones");
    api.heal();
    loader.run("run", &skip).await.expect("loaded");
    assert_eq!(loaded(&loader, "orders").await, expected(40, &[]));
}

#[tokio::test]
async fn an_api_that_is_away_or_refuses_the_token_is_not_skipped_parent_by_parent() {
    let (api, loader) = (FamilyApi::start(30).await, Loader::start().await);
    api.fail(3, 1, StatusCode::UNAUTHORIZED);
    let (code, message) = failed(&loader, &family(&api, "orders", "on_parent_error: skip")).await;
    assert_eq!(code, "source_login", "{message}");
    assert!(api.asked() < 20, "{} requests", api.asked());
}

#[tokio::test]
async fn a_graphql_api_that_accepts_no_more_calls_fails_the_source_as_a_429_does() {
    let (api, loader) = (HttpSource::start().await, Loader::start().await);
    let lines = "      on_parent_error: skip\n    records: data.orders\n    \
                 graphql: {query: 'query ($id: String) { orders(id: $id) { id } }', variables: {id: '{{id}}'}}\n";
    let sql = "select n::text as id from generate_series(1, 30) n order by n";
    let yaml = selected(&api.url("/script"), sql, "orders", lines);
    let answer = |error: Value| {
        api.script(move |hit, _| {
            let asked: Value = serde_json::from_str(&hit.body).expect("a query");
            let answer = match asked["variables"]["id"] == "3" {
                true => json!({ "errors": [error] }),
                false => json!({ "data": { "orders": [{ "id": asked["variables"]["id"] }] } }),
            };
            Json(answer).into_response()
        });
    };
    for error in [
        json!({ "message": "Throttled", "extensions": { "code": "THROTTLED" } }),
        json!({ "message": "API rate limit exceeded", "type": "rate_limited" }),
    ] {
        answer(error);
        let error = loader.run("run", &yaml).await.expect_err("it must fail");
        assert_eq!(error.code().as_str(), "http_error_answer", "{error}");
        assert!(
            matches!(error, PipelineError::Away { .. }),
            "its run waits until the API accepts calls again: {error}"
        );
        let next_step = error.next_step();
        assert!(
            next_step.starts_with("Wait until the API accepts calls") && !next_step.contains("skip"),
            "{next_step}"
        );
    }
    answer(json!({ "message": "boom", "extensions": { "code": "INTERNAL_SERVER_ERROR" } }));
    let report = loader.run("run", &yaml).await.expect("loaded");
    assert!(report.left_out[0].reason.starts_with("1 of 30 values were skipped: "), "{report:#?}");
    assert_eq!(report.rows_inserted, 29);
}

#[tokio::test]
async fn skipping_is_advised_only_where_it_helps() {
    let (api, loader) = (FamilyApi::start(5).await, Loader::start().await);
    for (status, lines, advice) in [
        (StatusCode::BAD_REQUEST, "concurrency: 2", Some("`on_parent_error: skip`")),
        (StatusCode::NOT_FOUND, "concurrency: 2", Some("`missing: skip`")),
        (StatusCode::GONE, "on_parent_error: skip, missing: fail", Some("`missing: skip`")),
        (StatusCode::UNAUTHORIZED, "concurrency: 2", None),
        (StatusCode::UNAUTHORIZED, "on_parent_error: skip", None),
    ] {
        api.fail(3, 1, status);
        let error = loader.run("run", &family(&api, "orders", lines)).await.expect_err("it must fail");
        let next_step = error.next_step();
        let advised =
            next_step.split_once("write `").map(|(_, key)| format!("`{}", key.replace(" in `for_each`.", "")));
        assert_eq!(advised.as_deref(), advice, "{status}, {lines}: {next_step}");
    }
}

#[tokio::test]
async fn a_run_that_is_stopped_in_the_middle_has_loaded_nothing_and_the_next_one_loads_all() {
    let (api, loader) = (FamilyApi::start(300).await, Loader::start().await);
    let yaml = family(&api, "orders", "concurrency: 4");
    let context = loader.begin("run", &yaml).await;
    let stop = context.stop.clone();
    let deadline = Instant::now() + PATIENCE;
    let stopping = async {
        while api.asked() < 100 {
            assert!(Instant::now() < deadline, "only {} requests", api.asked());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        stop.cancel();
    };
    let (ended, ()) = tokio::join!(loader.execute(&context), stopping);
    assert!(matches!(ended, Err(PipelineError::Stopped)), "{ended:?}");
    assert!(!context.work_folder().exists(), "the spool is gone");
    loader.run("run", &yaml).await.expect("loaded");
    assert_eq!(loaded(&loader, "orders").await, expected(300, &[]));
}

#[tokio::test]
async fn values_arrive_exactly_whatever_is_in_them() {
    let (api, loader) = (FamilyApi::start(0).await, Loader::start().await);
    sqlx::raw_sql("create table ids (n serial, id text)").execute(&loader.target).await.expect("a table");
    let hostile = [
        "a/b/../c",
        "é ü 漢字 🦀",
        "\"quoted\" 'single'",
        "?a=b#c&d",
        "%2F%2e",
        "a b+c",
        "\\back\\slash",
        "{{id}}",
        "a\nb\tc",
        "';drop table ids;--",
        "007",
        "x.y",
        "...",
    ];
    for id in hostile {
        sqlx::query("insert into ids (id) values ($1), ($1)").bind(id).execute(&loader.target).await.expect("kept");
    }
    let sql = "select id from ids order by n -- comment;";
    let path = selected(&api.url("/echo/{{id}}"), sql, "by_path", "");
    loader.run("run", &path).await.unwrap_or_else(|error| panic!("{error}"));
    let seen: Vec<(String, String)> =
        sqlx::query_as("select seen, sent from by_path").fetch_all(&loader.target).await.expect("rows");
    assert_eq!(seen.len(), hostile.len(), "each value once");
    assert!(seen.iter().all(|(seen, sent)| seen == sent && hostile.contains(&seen.as_str())), "{seen:?}");

    let long = "x".repeat(100 << 10);
    for id in ["..", long.as_str(), ""] {
        sqlx::query("insert into ids (id) values ($1)").bind(id).execute(&loader.target).await.expect("kept");
    }
    let (code, message) = failed(&loader, &path).await;
    assert_eq!(code, "source_config", "{message}");
    assert!(message.contains("would lead to another path") && message.contains("value 27"), "{message}");
    let skip = selected(&api.url("/echo/{{id}}"), sql, "by_path", "      on_parent_error: skip\n");
    let report = loader.run("run", &skip).await.expect("loaded");
    assert!(report.left_out[0].reason.starts_with("2 of 15 values were skipped: "), "{report:#?}");
    assert!(report.warnings[0].ends_with("the rows of the query without one were passed over (1)"), "{report:#?}");
    assert!(report.left_out[0].reason.len() < 2_000, "bounded");

    let body = format!("{}    body: {{id: '{{{{id}}}}'}}\n", "");
    let by_body = selected(&api.url("/echo"), sql, "by_body", &body);
    let report = loader.run("run", &by_body).await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(report.rows_inserted, 15, "{report:#?}");
    let other: i64 = sqlx::query_scalar("select count(*) from by_body where seen is distinct from sent")
        .fetch_one(&loader.target)
        .await
        .expect("a count");
    assert_eq!(other, 0);
}

#[tokio::test]
async fn a_query_can_only_read_and_is_bounded() {
    let (api, loader) = (FamilyApi::start(0).await, Loader::start().await);
    sqlx::raw_sql(
        "create table ids as select n as id from generate_series(1, 2500) n;
         create sequence numbers;
         create function write_it() returns int language sql volatile as $$ delete from ids returning 1 $$",
    )
    .execute(&loader.target)
    .await
    .expect("made");
    for (sql, said) in [
        ("delete from ids returning id", "the sql is refused"),
        ("with gone as (delete from ids returning id) select id from gone", ""),
        ("select 1; delete from ids", "the sql has several statements, and only one SELECT is allowed"),
        ("select 1; commit; delete from ids", "the sql has several statements"),
        ("select write_it()", "the sql tries to write, and here it may only read"),
        ("select nextval('numbers')", "the sql tries to write"),
        ("select id into other from ids", ""),
        ("select nope from ids", "the sql is refused: column \"nope\" does not exist"),
        ("select 'canary'::int", "the target could not answer the sql (SQLSTATE 22P02)"),
        ("", "must not be empty"),
    ] {
        if sql.is_empty() {
            let problems = problems("  - {type: api, url: 'http://h/{{id}}', for_each: {as: id, from: {sql: ' '}}}\n");
            assert!(problems.contains(said), "{problems}");
            continue;
        }
        let (code, message) = failed(&loader, &selected(&api.url("/echo/{{id}}"), sql, "t", "")).await;
        assert_eq!(code, "for_each_values", "{sql}: {message}");
        assert!(message.contains(said) && !message.contains("canary"), "{sql}: {message}");
        let left: i64 =
            sqlx::query_scalar("select count(*) from ids").fetch_one(&loader.target).await.expect("a count");
        assert_eq!(left, 2_500, "{sql}");
    }
    let slow = selected(&api.url("/echo/{{id}}"), "select pg_sleep(300)::text", "t", "");
    let slow = slow.replace("timeout_seconds: 20", "timeout_seconds: 1");
    let (_, message) = failed(&loader, &slow).await;
    assert!(message.contains("the sql took longer than 1 s"), "{message}");

    let many = selected(&api.url("/echo/{{id}}"), "select id from ids", "t", "      limit: 2499\n");
    let (_, message) = failed(&loader, &many).await;
    assert!(message.contains("there are more than the 2499 that `limit` allows"), "{message}");
    let enough =
        selected(&api.url("/echo/{{id}}"), "select id from ids", "t", "      limit: 2500\n      concurrency: 8\n");
    let report = loader.run("run", &enough).await.expect("loaded");
    assert_eq!(report.rows_inserted, 2_500);
    let nothing = selected(&api.url("/echo/{{id}}"), "select id from ids where false;", "t", "");
    assert_eq!(loader.run("run", &nothing).await.expect("no values are no failure").rows_read, 0);
}

#[tokio::test]
async fn values_may_come_from_a_source_that_is_loaded_and_a_wrong_column_is_named() {
    let (api, loader) = (FamilyApi::start(10).await, Loader::start().await);
    let both = family(&api, "both", "limit: 10").replace("    load: false\n", "");
    let report = loader.run("run", &both).await.expect("loaded");
    assert_eq!(report.rows_read as usize, 10 + expected(10, &[]).len(), "{report:#?}");
    let wrong = family(&api, "both", "limit: 10").replace("column: id", "column: ident");
    let (code, message) = failed(&loader, &wrong).await;
    assert_eq!(code, "for_each_values");
    assert!(message.ends_with("the rows of customers have no column \"ident\"; they have id, name"), "{message}");
    let few = family(&api, "both", "limit: 9");
    assert!(failed(&loader, &few).await.1.contains("more than the 9 that `limit` allows"));
}

#[test]
fn for_each_is_checked_with_the_config() {
    let child = "type: api, url: 'http://h/{{id}}/x'";
    for (sources, said) in [
        (
            format!("  - {{{child}, for_each: {{as: id, from: {{source: a, column: id}}}}}}\n"),
            "sources[0].for_each: no api source in front of this one has the name \"a\"",
        ),
        (
            format!(
                "  - {{{child}, for_each: {{as: id, from: {{source: a, column: id}}}}}}\n  - {{type: api, name: a, url: 'http://h/'}}\n"
            ),
            "the source \"a\" must stand in front of this one",
        ),
        (
            format!(
                "  - {{type: api, name: a, url: 'http://h/'}}\n  - {{{child}, for_each: {{as: id, from: {{source: b, column: id}}}}}}\n"
            ),
            "unknown source \"b\", expected a",
        ),
        (
            "  - {type: api, name: a, load: false, url: 'http://h/'}\n".to_owned(),
            "its rows are neither loaded nor used",
        ),
        ("  - {type: api, load: false, url: 'http://h/'}\n".to_owned(), "this source has no name for them"),
        (
            "  - {type: api, name: a, url: 'http://h/'}\n  - {type: api, name: a, url: 'http://h/'}\n".to_owned(),
            "sources[1].name: another source has this name",
        ),
        (
            format!(
                "  - {{{child}, incremental: {{cursor: at, param: since}}, for_each: {{as: id, from: {{sql: select 1}}}}}}\n"
            ),
            "sources[0].incremental: cannot be combined with for_each",
        ),
        (
            "  - {type: api, url: 'http://h/x', for_each: {as: id, from: {sql: select 1}}}\n".to_owned(),
            "{{id}} is in no request, so that all would be the same",
        ),
        (format!("  - {{{child}, for_each: {{as: since, from: {{sql: select 1}}}}}}\n"), "not a placeholder already"),
        (
            format!("  - {{{child}, for_each: {{as: id, from: {{sql: select 1, source: a}}}}}}\n"),
            "expected either source and column, or sql",
        ),
        (
            format!("  - {{{child}, for_each: {{as: id, concurrency: 17, from: {{sql: select 1}}}}}}\n"),
            "a whole number from 1 to 16",
        ),
    ] {
        let problems = problems(&sources);
        assert!(problems.contains(said) && problems.contains("at line"), "{sources}{problems}");
    }
}

#[tokio::test]
async fn only_a_run_finds_out_whether_a_child_changed() {
    let (api, lab) = (FamilyApi::start(5).await, Extraction::new().await);
    let config = parsed(&family(&api, "t", "missing: skip"));
    let look = extract::look::look(&config, &lab.context, &[]).await.expect("looked");
    assert!(look.needs_run, "{look:?}");
    assert_eq!(api.asked(), 0);
}
