//! The coverage report.

use serde_json::json;

use crate::support::TestApp;

#[tokio::test]
async fn the_newest_report_in_the_shape_of_coverage_py() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    let missing = app.get("/coverage-report").as_user().await.problem(404);
    assert_eq!((&missing["code"], &missing["next_step"]), (&json!("no_coverage"), &json!("Run `make coverage`.")));

    let totals = json!({ "covered_lines": 3, "num_statements": 4 });
    let report = json!({ "totals": totals, "files": { "a.rs": { "summary": totals } } });
    app.post("/coverage-report").json(report).await.ok();
    let lines = json!({ "lines": { "count": 200, "covered": 150 } });
    let newer = json!({ "data": [{ "totals": lines, "files": [{ "filename": "b.rs", "summary": lines }] }] });
    assert_eq!(app.post("/coverage-report?commit=abc123").json(newer).await.status, 201);

    let report = app.get("/coverage-report").as_user().await.ok();
    assert_eq!(report["totals"]["covered_lines"], 150);
    assert_eq!(report["totals"]["num_statements"], 200);
    assert_eq!(report["totals"]["missing_lines"], 50);
    assert_eq!(report["totals"]["percent_covered"], 75.0);
    assert_eq!(report["totals"]["percent_covered_display"], "75");
    assert_eq!((&report["covered_lines"], &report["num_statements"]), (&json!(150), &json!(200)));
    assert_eq!(report["percent_covered"], 75.0);
    assert_eq!(report["files"]["b.rs"]["summary"]["covered_lines"], 150);
    assert_eq!(report["commit"], "abc123");
    assert_eq!(report["history"].as_array().expect("points").len(), 2);
    assert_eq!(report["history"][0]["percent_covered"], 75.0);

    let nonsense = app.post("/coverage-report").json(json!({ "totals": {} })).await.problem(422);
    assert_eq!(nonsense["code"], "not_a_report");
}
