//! `shape:` through the whole pipeline: columns are renamed, cleaned, computed, filtered and masked before types, schema, row
//! hash, quarantine and whatever is shown.

use axum::response::IntoResponse;
use elt_shared::runs::lifecycle;
use elt_shared::runs::report::RunReport;
use elt_worker::error::PipelineError;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::TestApp;
use crate::support::http_source::{HttpSource, json_answer};
use crate::support::loader::{Loader, told};

/// A value that a mask hides, which is not in the configs.
const CANARY: &str = "kanarie-7731";

const SHAPE: &str = "shape:
  rename: { \"Kunden-Nr.\": customer }
  clean: { name: [trim, lower] }
  columns:
    total: cast(price as decimal(18, 2)) * quantity
    city: address ->> '$.city'
  where: price <> '' and country in ('DE', 'AT')
  drop: [price, quantity, address]
";

const ORDERS: &str = "id,Kunden-Nr.,name,price,quantity,country,address
1,7,  Ann ,2.50,3,DE,\"{\"\"city\"\": \"\"Köln\"\"}\"
2,8,BOB,1.00,2,FR,{}
3,9,Cid,4,1,AT,{}

4,9,Dan,,1,DE,{}
";

/// A run of the loader's folder, by its id, and how it ended.
async fn run(loader: &Loader, kind: &str, yaml: &str) -> (Uuid, Result<RunReport, PipelineError>) {
    let context = loader.begin(kind, yaml).await;
    let ended = loader.execute(&context).await;
    (context.run.id, ended)
}

/// A replay of the rejected rows of a run.
async fn replay(loader: &Loader, yaml: &str, rejected_by: Uuid, options: Value) -> RunReport {
    let replay = loader.create("replay", yaml, options, Some(rejected_by)).await;
    let replay = lifecycle::begin(&loader.control, replay.id, "tests").await.expect("asked").expect("begun");
    loader.execute(&loader.context(replay, yaml)).await.unwrap_or_else(|error| panic!("{}", told(&error)))
}

#[tokio::test]
async fn columns_are_shaped_before_the_types_and_the_row_hash() {
    let loader = Loader::start().await;
    loader.only("orders.csv", ORDERS);
    let report = loader.load("t", SHAPE).await;
    assert_eq!(
        loader.columns("t").await,
        ["id bigint", "customer bigint", "name text", "country text", "total numeric", "city text"]
    );
    assert_eq!(
        loader.rows("select id, customer, name, country, total, city from t order by id").await,
        ["1|7|ann|DE|7.50|Köln", "3|9|cid|AT|4.00|-"]
    );
    // One row of each reason to be left out by `where`, and the blank line.
    let file = &report.files[0];
    assert_eq!((file.rows_read, file.rows_inserted, file.rows_filtered), (5, 2, 3));
    assert_eq!(loader.rows("select rows_read, rows_inserted, rows_filtered from _elt_files").await, ["5|2|3"]);
    let csv = std::fs::read_to_string(report.combined_csv.as_ref().expect("a combined CSV")).expect("the CSV");
    assert_eq!(csv, "id,customer,name,country,total,city\n1,7,ann,DE,7.50,Köln\n3,9,cid,AT,4.00,\n");

    // What a cell was before it was cleaned makes no other row.
    loader.only("orders.csv", ORDERS.replace("  Ann ", "ANN").replace("2.50", "2.5"));
    let again = loader.load("t", SHAPE).await;
    assert_eq!((again.rows_inserted, again.rows_duplicate), (0, 2));
    for kind in ["plan", "check"] {
        let report = run(&loader, kind, &loader.yaml("t", SHAPE)).await.1.expect("it succeeds");
        assert_eq!((report.rows_read, report.rows_filtered), (5, 3), "{kind}");
    }
}

#[tokio::test]
async fn the_schema_names_shaped_columns() {
    let loader = Loader::start().await;
    loader.only("orders.csv", ORDERS);
    let strict = "schema: { customer: int, total: \"decimal(10, 2)\" }\nstrict_mode: true\n";
    loader.load("t", &format!("{SHAPE}{strict}")).await;
    assert_eq!(loader.columns("t").await, ["customer bigint", "total numeric(10,2)"]);
    let error = loader.fail("u", &format!("{SHAPE}schema: {{ price: \"decimal(10, 2)\" }}\n")).await;
    assert_eq!(error.code().as_str(), "missing_column", "{}", told(&error));
}

#[tokio::test]
async fn a_value_that_cannot_be_cast_goes_to_the_quarantine_with_its_place_and_column() {
    let loader = Loader::start().await;
    loader.only("a.csv", "id,price\n1,2.50\n2,12 EUR\n3,4\n");
    let shape = "shape: { columns: { cents: \"cast(price as decimal(18, 2)) * 100\" } }\n";
    let report = loader.load("t", shape).await;
    assert_eq!((report.rows_read, report.rows_inserted, report.rows_quarantined), (3, 2, 1));
    let rejected =
        loader.value("select line, column_name, code, reason, raw, cells is null from _elt_quarantine").await;
    assert_eq!(
        rejected,
        "3|cents|shape_failed|`CAST(price AS DECIMAL(18,2))` fails: the value is not a valid decimal(18, 2)|2,12 EUR|true"
    );
    let error = loader.fail("u", &format!("{shape}on_bad_row: fail\n")).await;
    assert!(told(&error).contains("a.csv:3") && !told(&error).contains("12 EUR"), "{}", told(&error));
    let error = loader.fail("u", "shape: { columns: { x: \"id || 'x'\", y: \"x::int\" } }\n").await;
    assert_eq!(error.code().as_str(), "source_unreadable_rows", "{}", told(&error));
}

#[tokio::test]
async fn a_replay_keeps_a_number_that_was_computed_in_a_file_with_decimal_commas() {
    let loader = Loader::start().await;
    loader.only("a.csv", "id;price\n1;1.234,5\nx;2,468\n");
    let csv = "csv: {delimiter: \";\", decimal: \",\", thousands: \".\"}";
    let more = "shape: {columns: {half: cast(price as numeric) / 2}}\nschema: {id: int64, price: numeric, half: numeric}\n\
                strict_mode: true\n";
    let yaml = loader.yaml("t", more).replace("settle_seconds: 0,", &format!("settle_seconds: 0, {csv},"));
    let context = loader.begin("run", &yaml).await;
    let report = loader.execute(&context).await.unwrap_or_else(|error| panic!("{}", told(&error)));
    assert_eq!((report.rows_inserted, report.rows_quarantined), (1, 1), "{report:#?}");
    let id = loader.value("select id from _elt_quarantine").await;
    let report = replay(&loader, &yaml, context.run.id, json!({ "edits": { id: { "id": "2" } } })).await;
    assert_eq!((report.rows_inserted, report.rows_quarantined), (1, 0), "{report:#?}");
    assert_eq!(loader.rows("select id, price, half from t order by id").await, ["1|1234.5|617.25", "2|2.468|1.234"]);
}

#[tokio::test]
async fn a_replay_does_not_shape_twice() {
    let loader = Loader::start().await;
    loader.only("a.csv", "id,name,n\n1,ab,5\n2,toolong,6\n3,cd,7\n");
    let more = "shape:
  columns: { name: \"name || '!'\", n: n * 10 }
  where: n < 100
  mask: { id: hash }
  mask_secret: correct-horse-battery
schema: { id: text, name: { type: text, pattern: \".{3}\" }, n: int }
on_bad_row: quarantine
";
    let yaml = loader.yaml("t", more);
    let (rejected_by, report) = run(&loader, "run", &yaml).await;
    assert_eq!(report.expect("it succeeds").rows_quarantined, 1);
    // The shaped cells are kept, so that they are loaded as they are. Shaped again, the number would be left out by `where`, and
    // the hash hashed.
    let id = loader.value("select id from _elt_quarantine").await;
    let cells = loader.value("select cells ->> 1 from _elt_quarantine").await;
    assert!(cells.contains("toolong!"), "{cells}");
    let report = replay(&loader, &yaml, rejected_by, json!({ "edits": { id: { "name": "ef!" } } })).await;
    assert_eq!(report.rows_inserted, 1);
    assert_eq!(
        loader.rows("select name, n, length(id) from t order by n").await,
        ["ab!|50|64", "ef!|60|64", "cd!|70|64"]
    );
    // The source has the row as it was, so that it is rejected again, and not loaded a second time.
    assert_eq!(loader.run("run", &yaml).await.expect("it succeeds").rows_inserted, 0);
}

/// Every table of elt and its own in the target, as text.
async fn everything(loader: &Loader) -> String {
    let tables = "select quote_ident(relname) from pg_class where relkind in ('r', 'v') and relnamespace = 'public'::regnamespace";
    let mut all = String::new();
    for table in loader.rows(tables).await {
        all.push_str(&loader.rows(&format!("select row::text from {table} row")).await.join("\n"));
    }
    all
}

#[tokio::test]
async fn a_masked_value_is_in_no_table_csv_report_or_error() {
    let loader = Loader::start().await;
    // A row for each way to be rejected: by the reader, by an expression, by the schema and by the table.
    let rows = format!(
        "id,email,price\n1,{CANARY}a@x,1\n2,{CANARY}b@x,1,{CANARY}\n3,{CANARY}c@x,{CANARY}\n-4,{CANARY}d@x,3\n5,{CANARY}e@x,4\n\
         6,{CANARY}f@x,5\n"
    );
    loader.only("a.csv", &rows);
    loader.sql("create table t (id int check (id <> 5), email text, price int)").await;
    let more = "shape:
  columns: { price: \"cast(price as int)\" }
  mask: { email: hash }
  mask_secret: correct-horse-battery
schema: { id: { type: int, min: 0 }, email: text, price: int }
on_bad_row: quarantine
";
    let mut said = Vec::new();
    let yaml = loader.yaml("t", more);
    let mut first = None;
    for kind in ["plan", "check", "run"] {
        let (id, report) = run(&loader, kind, &yaml).await;
        let report = report.unwrap_or_else(|error| panic!("{kind}: {}", told(&error)));
        said.push(serde_json::to_string(&report).expect("JSON"));
        first = Some((id, report));
    }
    let (rejected_by, report) = first.expect("a run");
    assert_eq!((report.rows_inserted, report.rows_quarantined), (2, 4), "{report:#?}");
    let codes = loader.rows("select code from _elt_quarantine order by line").await;
    assert_eq!(codes, ["too_many_cells", "shape_failed", "below_min", "check"]);
    said.push(std::fs::read_to_string(report.combined_csv.as_ref().expect("a combined CSV")).expect("the CSV"));
    assert_eq!(loader.rows("select distinct length(email) from t").await, ["64"]);
    let replayed = replay(&loader, &yaml, rejected_by, json!({})).await;
    said.push(serde_json::to_string(&replayed).expect("JSON"));
    for more in ["on_bad_row: fail\n", "schema: { columns: { id: int }, max_rejected: { rows: 0 } }\n"] {
        let more = format!("{}{more}", SHAPE_OF_CANARY);
        let error = loader.fail("u", &more).await;
        said.push(told(&error));
        said.push(format!("{error:?}"));
    }
    said.push(everything(&loader).await);
    let control = "select string_agg(run::text, ' ') from elt.runs run";
    said.push(sqlx::query_scalar(control).fetch_one(&loader.control).await.expect("the runs"));
    for text in said {
        assert!(!text.contains(CANARY), "{text}");
    }
}

/// A shape under which a row is rejected, and the beginning of the `schema:` that it is followed by.
const SHAPE_OF_CANARY: &str = "shape: { mask: { email: last4, price: redact }, columns: { x: \"id::int + 1\" } }\n";

#[tokio::test]
async fn a_preview_shows_shaped_rows_and_no_masked_value() {
    let (app, api) = (TestApp::start().await, HttpSource::start().await);
    api.script(|_, _| json_answer(json!([{"id": 1, "email": format!("{CANARY}@x"), "name": " Ann "}])));
    app.folder().write("in/a.csv", format!("id,email,name\n1,{CANARY}@x,  BOB\n2,{CANARY}@y,x\n"));
    let yaml = format!(
        "name: shown\nsources:\n- {{type: local, path: {}/in, settle_seconds: 0}}\n- {{type: api, url: \"{}\"}}\n\
         target: {{table: shown}}\nshape:\n  clean: {{name: [trim, lower]}}\n  where: name <> 'x'\n  mask: {{email: redact}}\n",
        app.folder().path().display(),
        api.url("/script/people"),
    );
    let started = app.post("/configs/preview").yaml(&yaml).await.ok();
    let run = app.finished(&started["id"]).await;
    let previews = &run["report"]["previews"];
    assert_eq!(previews[0]["rows"], json!([["1", "***", "bob"]]), "{run:#}");
    assert_eq!(previews[1]["rows"], json!([["***", "1", "ann"]]), "{run:#}");
    assert!(!run.to_string().contains(CANARY), "{run:#}");
    let shown = app.get("/logs").await.ok().to_string();
    assert!(!shown.contains(CANARY), "{shown}");
}

#[tokio::test]
async fn a_column_that_is_not_there_fails_its_file_and_a_shape_that_fits_none_the_run() {
    let loader = Loader::start().await;
    loader.only("a.csv", "id,price\n1,2\n");
    loader.folder.write("b.csv", "id,cost\n2,3\n");
    let shape = "shape: { columns: { twice: price * 2 } }\n";
    let report = loader.load("t", shape).await;
    assert_eq!((report.rows_inserted, report.left_out.len()), (1, 1));
    assert!(report.left_out[0].reason.contains("names the column \"price\", which is not there"), "{report:#?}");
    let error = loader.fail("u", "shape:\n  columns:\n    twice: prise * 2\n").await;
    assert_eq!(error.code().as_str(), "shape_columns");
    let message = error.to_string();
    assert!(message.contains("shape.columns.twice (line 5 column 12 of the config)"), "{message}");
    assert!(message.contains("did you mean \"price\"?"), "{message}");
}

#[tokio::test]
async fn rows_of_an_api_are_shaped_after_its_cursor_was_read() {
    let (loader, api) = (Loader::start().await, HttpSource::start().await);
    api.script(|hit, _| {
        let since = hit.param("since").unwrap_or_default();
        let rows: Vec<Value> = (1..=3)
            .map(|n| json!({"id": n, "at": format!("2026-01-0{n}"), "user": {"mail": format!("{CANARY}{n}@x")}}))
            .filter(|row| row["at"].as_str().is_some_and(|at| at >= since.as_str()))
            .collect();
        json_answer(json!(rows)).into_response()
    });
    let yaml = format!(
        "name: changes\nsources:\n- type: api\n  url: \"{}\"\n  incremental: {{cursor: at, param: since}}\n  shape:\n    \
         columns: {{mail: \"lower(user ->> 'mail')\"}}\n    mask: {{mail: last4}}\n    drop: [at, user]\ntarget: {{table: t}}\n",
        api.url("/script/changes")
    );
    let report = loader.run("run", &yaml).await.unwrap_or_else(|error| panic!("{}", told(&error)));
    assert_eq!(report.rows_inserted, 3);
    assert_eq!(loader.columns("t").await, ["id bigint", "mail text"]);
    assert_eq!(loader.rows("select id, mail from t order by id").await, ["1|****11@x", "2|****12@x", "3|****13@x"]);
    assert_eq!(loader.value("select value from _elt_state").await, "2026-01-03");
    let again = loader.run("run", &yaml).await.unwrap_or_else(|error| panic!("{}", told(&error)));
    assert_eq!((again.rows_read, again.rows_duplicate), (1, 1));
    assert!(!everything(&loader).await.contains(CANARY));
}

#[tokio::test]
async fn a_config_with_a_wrong_expression_is_refused_with_its_place() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    let yaml = app.yaml("t", "shape:\n  columns:\n    total: price * uper(name)\n");
    let line = yaml.lines().count();
    let problem = app.post("/configs/plan").yaml(&yaml).await.problem(400);
    let error = &problem["errors"][0];
    assert_eq!((&error["line"], &error["column"]), (&json!(line), &json!(20)), "{problem:#}");
    assert!(error["message"].as_str().is_some_and(|told| told.contains("did you mean upper?")), "{problem:#}");
}
