//! How fast the pages of an API are loaded, beside `curl` fetching the same pages and `psql \\copy` of the same rows, one
//! after the other on the same machine.
//!
//! Needs `ELT_BIN`, `TEST_DATABASE_URL`, `curl` and `psql`: `make bench` sees to them.
//!
//! `cargo bench -p elt-tests --bench api -- [rounds] [thousands of rows]`

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

mod program;
#[path = "../it/support/mod.rs"]
#[expect(dead_code, unused_imports, reason = "the tests use more of it")]
mod support;
#[expect(dead_code, reason = "other benches use more of it")]
mod work;

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use support::database::Databases;
use support::folder::Folder;

/// Rows a page.
const PAGE: u64 = 200;

#[tokio::main]
async fn main() {
    let numbers: Vec<u64> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let (rounds, thousands) = (numbers.first().copied().unwrap_or(1), numbers.get(1).copied().unwrap_or(1_000));
    let rows = thousands * 1_000;
    let pages = rows.div_ceil(PAGE);
    let folder = Folder::new();
    work::csv(&folder.path().join("rows.csv"), 1, rows).expect("wrote the rows");
    let base = serve(rows).await;
    println!("{rows} rows in {pages} pages");
    println!("round  curl s  \\copy s  elt s (command)  x curl  x curl and \\copy  pages/s  rows/s  MB");
    for round in 1..=rounds {
        let databases = Databases::create().await;
        let curl = curl(&format!("{base}/rows?page=[1-{pages}]")).await;
        let copy = copy(&databases, &folder);
        let config = folder.write(
            "api.yaml",
            format!(
                "name: api\nsources:\n  - {{type: api, url: \"{base}/rows\", pagination: {{type: page, max_pages: 1000000}}}}\n\
                 target: {{table: from_api}}\n"
            ),
        );
        let data = Folder::new();
        let (command, memory) = program::run_once(&databases, &config, data.path()).await;
        let control = databases.control.clone();
        let control = sqlx::PgPool::connect_with(control).await.expect("the control database");
        let (seconds, inserted): (f64, i64) = sqlx::query_as(
            "select extract(epoch from finished_at - started_at)::float8, (report ->> 'rows_inserted')::bigint
             from elt.runs order by created_at desc limit 1",
        )
        .fetch_one(&control)
        .await
        .expect("the run");
        assert_eq!(inserted.unsigned_abs(), rows, "every row");
        println!(
            "{round:5}  {curl:6.2}  {copy:7.2}  {seconds:5.2} ({command:6.2})  {:6.2}  {:17.2}  {:7.0}  {:6.0}  {memory:3}",
            seconds / curl,
            seconds / (curl + copy),
            pages as f64 / seconds,
            rows as f64 / seconds,
        );
    }
}

/// Serves the rows, page after page, from memory.
async fn serve(rows: u64) -> String {
    let page = |first: u64| {
        let mut body = Vec::new();
        work::json_to(&mut body, first, PAGE.min(rows + 1 - first)).expect("a page");
        Bytes::from(body)
    };
    let pages: Arc<Vec<Bytes>> = Arc::new((1..=rows).step_by(PAGE as usize).map(page).collect());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let router = Router::new().route("/rows", get(answer)).with_state(pages);
    tokio::spawn(async move { axum::serve(listener, router).await.expect("serving") });
    format!("http://{address}")
}

#[derive(serde::Deserialize)]
struct Position {
    page: usize,
}

async fn answer(State(pages): State<Arc<Vec<Bytes>>>, Query(position): Query<Position>) -> Response {
    let page = position.page.checked_sub(1).and_then(|index| pages.get(index)).cloned();
    ([(CONTENT_TYPE, "application/json")], page.unwrap_or_else(|| Bytes::from_static(b"[]"))).into_response()
}

/// Seconds of fetching the pages one after the other, over one connection.
async fn curl(url: &str) -> f64 {
    let mut command = Command::new("curl");
    command.args(["--silent", "--fail", "--output", "/dev/null", url]).stdout(Stdio::null());
    let started = Instant::now();
    let done = tokio::task::spawn_blocking(move || command.status()).await.expect("a thread");
    assert!(done.expect("curl runs").success(), "curl fetched the pages");
    started.elapsed().as_secs_f64()
}

/// Seconds of `\\copy` of the rows into a plain typed table.
fn copy(databases: &Databases, folder: &Folder) -> f64 {
    let script = format!(
        "create table plain (id bigint, big bigint, ratio float8, amount numeric, active bool, day date, seen_at timestamp, \
         short text, long text, maybe bigint) with (autovacuum_enabled = false);\n\
         \\copy plain from '{}' with (format csv, header)\n",
        folder.path().join("rows.csv").display()
    );
    let script = folder.write("copy.sql", script);
    let started = Instant::now();
    program::psql(&databases.target_url(), &script);
    started.elapsed().as_secs_f64()
}
