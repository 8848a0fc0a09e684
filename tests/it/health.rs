//! Whether a process is well, and what it says when its database is not.

use crate::support::TestApp;

#[tokio::test]
async fn a_program_gets_a_sign_of_life_and_a_browser_the_dashboard() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    assert_eq!(app.get("/").as_nobody().await.ok()["status"], "API is running");
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().expect("a client");
    let page =
        http.get(app.url("/")).header("accept", "text/html,application/xhtml+xml").send().await.expect("an answer");
    assert_eq!(page.status(), 303);
    assert_eq!(page.headers()["location"], "/ui/");
}

#[tokio::test]
async fn a_well_process_is_live_and_ready_and_counts() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    assert_eq!(app.get("/livez").as_nobody().await.ok()["status"], "ok");
    assert_eq!(app.get("/readyz").as_nobody().await.ok()["status"], "ok");
    let metrics = app.get("/metrics").as_nobody().await;
    assert!(metrics.header("content-type").starts_with("text/plain"));
    for line in [
        "elt_database_up 1",
        "elt_runs{state=\"queued\"} 0",
        "elt_workers_alive 0",
        "elt_http_request_duration_seconds_count{method=\"GET\",route=\"/livez\",status=\"200\"} 1",
    ] {
        assert!(metrics.text.lines().any(|found| found == line), "{line} in {}", metrics.text);
    }
}

#[tokio::test]
async fn while_the_database_is_away_callers_are_told_to_come_back() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    let token = app.login("admin", "admin123").await;
    app.db.close().await;
    let answer = app.get("/runs").bearer(&token).await;
    assert_eq!(answer.header("retry-after"), "5");
    let problem = answer.problem(503);
    assert_eq!(problem["code"], "unavailable");
    assert_eq!(app.get("/readyz").as_nobody().await.status, 503);
    assert_eq!(app.get("/livez").as_nobody().await.status, 200, "a lost database is no reason to restart the process");
    assert!(app.get("/metrics").as_nobody().await.text.contains("elt_database_up 0"));
}
