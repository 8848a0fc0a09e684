//! The published example of every well-known style of paging, against a server of that style: every row arrives exactly,
//! and on a bad day all rows arrive or the source fails.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use elt_shared::config::{ApiSource, Document, NoReferences, SourceConfig};
use elt_worker::extract::ExtractContext;
use elt_worker::extract::http::{self, HttpLimits};
use futures::future::join_all;
use serde_json::Value;
use sqlx::AssertSqlSafe;

use crate::support::api_styles::{self, Behaviour, NAMES, Style, StyleServer, expected};
use crate::support::extraction::{Extraction, failure, texts};
use crate::support::loader::{Loader, told};

const ROWS: usize = 1_000;

#[tokio::test]
async fn the_example_of_every_style_loads_its_thousand_rows_exactly() {
    let loader = Loader::start().await;
    for style in api_styles::all() {
        let server = StyleServer::start(style, ROWS, Behaviour::Fine).await;
        let (style, config) = (server.style(), server.config());
        let name = style.name;
        assert!(config.lines().count() <= 12, "{name}: an example is short");
        let report = loader.run("run", &config).await.unwrap_or_else(|error| panic!("{name}: {}", told(&error)));
        assert_eq!((report.rows_read, report.rows_inserted), (1_000, 1_000), "{name}: {report:#?}");
        assert_eq!(report.warnings, [""; 0], "{name}");
        let pages = ROWS.div_ceil(style.size) + usize::from(style.always_names_next);
        assert_eq!(server.requests(), pages, "{name}: a request a page");
        assert_exact(&loader, style).await;

        let again = loader.run("run", &config).await.unwrap_or_else(|error| panic!("{name}: {}", told(&error)));
        assert_eq!((again.rows_read, again.rows_inserted, again.rows_updated), (1_000, 0, 0), "{name}: {again:#?}");
    }
}

/// Every cell of every row is what the API sent.
async fn assert_exact(loader: &Loader, style: &Style) {
    let cells: Vec<String> = NAMES.iter().map(|name| (style.cell)(name)).collect();
    let (cells, number) = (cells.join(", "), (style.cell)("number"));
    let table = format!("style_{}", style.name);
    let query = format!("select jsonb_build_array({cells})::text from {table} order by ({number})::int");
    let loaded: Vec<String> =
        sqlx::query_scalar(AssertSqlSafe(query)).fetch_all(&loader.target).await.expect("the rows");
    assert_eq!(loaded.len(), ROWS, "{table}");
    for (number, row) in (1..).zip(&loaded) {
        let row: Vec<Option<String>> = serde_json::from_str(row).expect("texts");
        let row: Vec<Option<Value>> = NAMES.iter().zip(row).map(|(name, cell)| parsed(name, cell)).collect();
        assert_eq!(row, expected(number), "{table}, row {number}");
    }
}

/// A cell as its value: JSON where the row has arrays and objects, else the text.
fn parsed(name: &str, cell: Option<String>) -> Option<Value> {
    Some(match name {
        "tags" | "place" => serde_json::from_str(&cell?).expect("JSON"),
        _ => Value::from(cell?),
    })
}

/// What came of one style on one day.
struct Day {
    name: &'static str,
    has_total: bool,
    requests: usize,
    wanted: usize,
    /// The numbers of the rows and the warnings, or the message of the failure.
    outcome: Result<(Vec<u64>, Vec<String>), String>,
}

#[tokio::test]
async fn on_a_bad_day_a_source_has_every_row_or_fails() {
    let lab = Extraction::new().await;
    let mut table = String::from("| behaviour | style | requests | rows | message |\n|---|---|---|---|---|\n");
    for (behaviour, what) in Behaviour::ALL {
        let styles = api_styles::all().into_iter().filter(|style| behaviour.fits(style));
        for day in join_all(styles.map(|style| live(&lab, style, behaviour))).await {
            let (rows, message) = match &day.outcome {
                Ok((rows, warnings)) => {
                    let distinct = rows.iter().collect::<BTreeSet<_>>().len();
                    (format!("{distinct} of {}", day.wanted), warnings.join("; "))
                }
                Err(message) => ("failed".to_owned(), message.clone()),
            };
            writeln!(table, "| {what} | {} | {} | {rows} | {message} |", day.name, day.requests).expect("a line");
            judge(behaviour, &day);
        }
    }
    if let Some(path) = std::env::var_os("ELT_STYLES_TABLE") {
        std::fs::write(path, table).expect("the table");
    }
}

/// Reads four pages of a style that behaves so.
async fn live(lab: &Extraction, style: Style, behaviour: Behaviour) -> Day {
    let wanted = style.size * 3 + style.size / 2;
    let server = StyleServer::start(style, wanted, behaviour).await;
    let name = server.style().name;
    let spool = lab.folder.path().join(format!("{behaviour:?}-{name}"));
    let context = ExtractContext { spool, ..lab.context.clone() };
    let source = source(&server.config());
    let limits = HttpLimits { backoff: Duration::from_millis(10), ..HttpLimits::default() };
    let port = server.base.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    let outcome = match http::extract_within(0, &source, &context, &limits).await {
        Ok(extracted) => {
            let warnings = extracted.warnings.iter().map(|warning| warning.replace(&format!(":{port}"), ":PORT"));
            Ok((texts(&extracted).iter().flat_map(|(_, page)| numbers(page, &source)).collect(), warnings.collect()))
        }
        error => Err(failure(error, port)),
    };
    Day { name, has_total: server.style().has_total, requests: server.requests(), wanted, outcome }
}

/// The only source of a config.
fn source(yaml: &str) -> ApiSource {
    let document = Document::parse(yaml).unwrap_or_else(|error| panic!("{error}: {yaml}"));
    let mut config = document.pipeline(&NoReferences).unwrap_or_else(|error| panic!("{error}: {yaml}")).value;
    match config.sources.remove(0) {
        SourceConfig::Api(api) => api,
        other => panic!("{other:?}"),
    }
}

/// The numbers of a page's rows, which some styles wrap.
fn numbers(page: &str, source: &ApiSource) -> Vec<u64> {
    let page: Value = serde_json::from_str(page).expect("JSON");
    let path = source.records.as_deref().map(|path| format!("/{}", path.replace('.', "/"))).unwrap_or_default();
    let rows = page.pointer(&path).and_then(Value::as_array).cloned().unwrap_or_default();
    let number = |row: &Value| {
        let inner = ["attributes", "properties", "_source"].iter().find_map(|name| row[name]["number"].as_u64());
        row["number"].as_u64().or(inner).expect("a number")
    };
    rows.iter().map(number).collect()
}

/// Every row, or a failure that says what happened; never fewer rows without a word.
fn judge(behaviour: Behaviour, day: &Day) {
    let (name, all) = (day.name, (1..=day.wanted as u64).collect::<Vec<_>>());
    let exact = |most: usize| match &day.outcome {
        Ok((rows, warnings)) => {
            assert_eq!(*rows, all, "{name} {behaviour:?}");
            assert_eq!(warnings.len(), most, "{name} {behaviour:?}: {warnings:?}");
        }
        Err(message) => panic!("{name} {behaviour:?}: {message}"),
    };
    let fails = |codes: &[&str]| match &day.outcome {
        Ok(outcome) => panic!("{name} {behaviour:?}: {outcome:?}"),
        Err(message) => {
            let code = message.split(':').next().unwrap_or_default();
            assert!(codes.contains(&code), "{name} {behaviour:?}: {message}");
        }
    };
    match behaviour {
        Behaviour::Fine
        | Behaviour::FailsOnce
        | Behaviour::Limits
        | Behaviour::NotReadyOnce
        | Behaviour::CutOnce
        | Behaviour::HalfOnce
        | Behaviour::EmptyLast => exact(0),
        Behaviour::TotalTooHigh => exact(usize::from(day.has_total)),
        Behaviour::FailsAlways => fails(&["http_status"]),
        Behaviour::ErrorObject => fails(&["http_error_answer", "records_missing"]),
        Behaviour::MissingLast => fails(&["source_missing"]),
        Behaviour::Stuck | Behaviour::Circle => fails(&["http_endless"]),
        Behaviour::OldRows => match &day.outcome {
            Ok((_, warnings)) => assert!(warnings.iter().any(|warning| warning.contains("page 3 has the same rows"))),
            Err(_) => fails(&["http_endless"]),
        },
    }
}
