//! Logging in, and what a token is good for.

use serde_json::json;

use crate::support::TestApp;

#[tokio::test]
async fn a_login_answers_with_a_token_and_the_role() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    let login = json!({ "username": "admin", "password": "admin123" });
    let answer = app.post("/auth/login").as_nobody().json(login).await.ok();
    assert_eq!(answer["role"], "admin");
    let me = app.get("/auth/me").bearer(answer["token"].as_str().expect("a token")).await.ok();
    assert_eq!(me["username"], "admin");
}
