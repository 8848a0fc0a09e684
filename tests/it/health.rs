//! Whether a process is well, and what it says when its database is not.

use std::net::SocketAddr;
use std::time::Duration;

use elt_api::AppState;
use elt_api::settings::ApiSettings;
use serde_json::Value;
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::support::TestApp;
use crate::support::app::JWT_KEY;

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

/// Starts an API over this pool. Returns its address.
async fn api_over(db: PgPool) -> SocketAddr {
    let settings = ApiSettings::with_keys(JWT_KEY.into(), "a secret key of the tests, at least 32 bytes".into());
    let state = AppState::new(db, settings).expect("the API's settings are good");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let service = elt_api::app(state).into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    address
}

fn small_pool(options: PgConnectOptions) -> PgPool {
    PgPoolOptions::new().max_connections(2).acquire_timeout(Duration::from_millis(300)).connect_lazy_with(options)
}

/// Sends four requests at once. Returns what each answer says.
async fn told(address: SocketAddr, path: &str, token: &str) -> Vec<String> {
    let http = reqwest::Client::new();
    let ask = || async {
        let answer = http.get(format!("http://{address}{path}")).bearer_auth(token).send().await.expect("an answer");
        assert_eq!((answer.status().as_u16(), answer.headers()["retry-after"].to_str().ok()), (503, Some("5")));
        let problem: Value = answer.json().await.expect("a problem document");
        assert_eq!(problem["code"], "unavailable");
        problem["detail"].as_str().expect("a sentence").to_owned()
    };
    futures::future::join_all((0..4).map(|_| ask())).await
}

#[tokio::test]
async fn a_busy_pool_is_not_reported_as_a_lost_database() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    let token = app.login("admin", "admin123").await;
    let options = app.db.connect_options().as_ref().clone();
    let busy = small_pool(options.clone());
    // The pool has little patience, and the database of a busy machine may need more.
    let hold = async || app.eventually(async || busy.acquire().await.ok()).await.expect("a connection");
    let _held = (hold().await, hold().await);
    let address = api_over(busy.clone()).await;
    // The database is asked whether it is there, for a second: on a busy machine it may answer later now and then.
    for path in ["/runs", "/readyz", "/config-history"] {
        let busy = async || told(address, path, &token).await == ["all connections to the database are busy"; 4];
        assert!(app.eventually(async || busy().await.then_some(())).await.is_some(), "{path}");
    }
    let metrics = format!("http://{address}/metrics");
    let metrics = async || reqwest::get(&metrics).await.expect("an answer").text().await.expect("text");
    let up = async || metrics().await.contains("elt_database_up 1").then_some(());
    assert!(app.eventually(up).await.is_some(), "{}", metrics().await);

    let address = api_over(small_pool(options.port(1))).await;
    for path in ["/runs", "/readyz"] {
        let said = told(address, path, &token).await;
        assert_eq!(said, ["the database is away for the moment"; 4], "{path}");
    }
}

#[tokio::test]
async fn a_database_that_cannot_be_written_to_is_not_ready_and_changes_are_to_be_sent_again() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    let token = app.login("admin", "admin123").await;
    let read_only = [("default_transaction_read_only", "on")];
    let options = app.db.connect_options().as_ref().clone().options(read_only);
    let pool = PgPoolOptions::new().max_connections(2).connect_lazy_with(options);
    let address = api_over(pool).await;
    let http = reqwest::Client::new();
    let url = |path: &str| format!("http://{address}{path}");
    let runs = http.get(url("/runs")).bearer_auth(&token).send().await.expect("an answer");
    assert_eq!(runs.status(), 200, "what only reads goes on");
    for request in [http.get(url("/readyz")), http.post(url("/upload-config")).body(app.yaml("people", ""))] {
        let answer = request.bearer_auth(&token).send().await.expect("an answer");
        let (status, again) = (answer.status().as_u16(), answer.headers().get("retry-after").cloned());
        let problem: Value = answer.json().await.expect("a problem document");
        assert_eq!((status, &problem["code"]), (503, &"database_read_only".into()), "{problem:#}");
        assert!(problem["next_step"].as_str().is_some_and(|step| step.contains("Promote the standby")), "{problem:#}");
        assert!(again.is_some_and(|again| again == "5"), "{problem:#}");
    }
    assert_eq!(reqwest::get(url("/livez")).await.expect("an answer").status(), 200);
}
