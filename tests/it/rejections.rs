//! What a run keeps of the rows that broke the contract, also when it fails and loads none of them.

use serde_json::{Value, json};

use crate::support::TestApp;

/// 1,000 rows, of which 131 have no number where one belongs.
fn bills() -> String {
    let row = |id: usize| match id.is_multiple_of(7) && id < 918 {
        true => format!("{id},twelve\n"),
        false => format!("{id},12.50\n"),
    };
    format!("id,amount\n{}", (1..=1_000).map(row).collect::<String>())
}

async fn run(app: &TestApp, content: &str, more: &str, limit: &str) -> Value {
    app.folder().write("bills.csv", content);
    let schema = format!("schema: {{columns: {{id: int64, amount: 'decimal(18,2)'}}{limit}}}\n{more}\n");
    let config = app.post("/upload-config").yaml(&app.yaml("bills", &schema)).await.ok();
    let run = app.post("/runs").json(json!({ "config_id": config["id"] })).await.ok();
    app.finished(&run["id"]).await
}

#[tokio::test]
async fn a_run_that_fails_for_its_rejected_rows_shows_the_first_of_them() {
    let app = TestApp::start().await;
    let run = run(&app, &bills(), "on_bad_row: quarantine", ", max_rejected: {percent: 5}").await;
    assert_eq!((&run["state"], &run["error_code"]), (&json!("failed"), &json!("too_many_rejected")), "{run:#}");
    let rejected = &run["report"]["rejected"];
    assert_eq!((&rejected["total"], &run["report"]["partial"]), (&json!(131), &json!(true)), "{run:#}");
    assert_eq!(rejected["reasons"], json!([{ "code": "wrong_type", "column": "amount", "rows": 131 }]));
    let places = rejected["places"].as_array().expect("places");
    assert_eq!(places.len(), 20);
    assert_eq!((&places[0]["file"], &places[0]["line"]), (&json!("bills.csv"), &json!(8)));
    assert_eq!((&places[0]["column"], &places[0]["code"]), (&json!("amount"), &json!("wrong_type")));
    assert!(places[0]["reason"].as_str().is_some_and(|reason| reason.contains("twelve")), "{}", places[0]);
    // Nothing was loaded, and the counts do not say that something was.
    assert_eq!((&run["rows_inserted"], &run["rows_quarantined"]), (&Value::Null, &Value::Null));
}

#[tokio::test]
async fn one_bad_row_that_fails_the_run_is_shown_with_its_value() {
    let app = TestApp::start().await;
    let run = run(&app, "id,amount\n1,1.00\n2,two\n3,three\n", "on_bad_row: fail", "").await;
    assert_eq!(run["error_code"], "bad_row", "{run:#}");
    let rejected = &run["report"]["rejected"];
    assert_eq!((&rejected["total"], &rejected["places"][0]["line"]), (&json!(1), &json!(3)));
}

#[tokio::test]
async fn a_run_that_loads_the_others_says_why_rows_were_rejected() {
    let app = TestApp::start().await;
    let run = run(&app, "id,amount\n1,1.00\nx,2\n4,four\n", "on_bad_row: quarantine", "").await;
    assert_eq!(run["state"], "succeeded", "{run:#}");
    let rejected = &run["report"]["rejected"];
    assert_eq!(rejected["total"], run["rows_quarantined"]);
    let lines: Vec<&Value> =
        rejected["places"].as_array().expect("places").iter().map(|place| &place["line"]).collect();
    assert_eq!(lines, [3, 4], "{rejected:#}");
    let clean = self::run(&app, "id,amount\n9,1.00\n", "on_bad_row: quarantine", "").await;
    assert_eq!(clean["report"].get("rejected"), None, "{clean:#}");
}

#[tokio::test]
async fn a_failure_without_rejected_rows_has_no_report() {
    let app = TestApp::start().await;
    let run = run(&app, "id\n1\n", "strict_mode: true", "").await;
    assert_eq!((&run["state"], &run["report"]), (&json!("failed"), &Value::Null), "{run:#}");
}
