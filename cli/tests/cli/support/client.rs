//! A client of the API, logged in as the admin.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{PASSWORD, PATIENCE};

/// See the module.
pub struct Client {
    http: reqwest::Client,
    url: String,
    token: String,
}

impl Client {
    pub async fn log_in(url: &str) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::new();
        let login = json!({ "username": "admin", "password": PASSWORD });
        let answer = http.post(format!("{url}/auth/login")).json(&login).send().await.expect("an answer");
        let answer: Value = answer.json().await.expect("JSON");
        let token = answer["token"].as_str().expect("a token").to_owned();
        Self { http, url: url.to_owned(), token }
    }

    pub async fn get(&self, path: &str) -> Value {
        let request = self.http.get(format!("{}{path}", self.url)).bearer_auth(&self.token);
        let answer = request.send().await.expect("an answer");
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        answer.json().await.expect("JSON")
    }

    /// Opens a stream of events.
    pub async fn follow(&self, path: &str) -> reqwest::Response {
        let request = self.http.get(format!("{}{path}", self.url)).bearer_auth(&self.token);
        request.send().await.and_then(reqwest::Response::error_for_status).expect("a stream")
    }

    pub async fn put(&self, path: &str, body: &Value) {
        let request = self.http.put(format!("{}{path}", self.url)).bearer_auth(&self.token).json(body);
        let answer = request.send().await.expect("an answer");
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
    }

    /// Sends a change. Answers the status and the body.
    pub async fn send(&self, method: reqwest::Method, path: &str, body: &Value) -> (u16, Value) {
        let request = self.http.request(method, format!("{}{path}", self.url)).bearer_auth(&self.token).json(body);
        let answer = request.send().await.expect("an answer");
        (answer.status().as_u16(), answer.json().await.expect("JSON"))
    }

    /// Triggers a YAML, in the trace of `traceparent` when there is one. Answers the run's id.
    pub async fn trigger(&self, yaml: &str, traceparent: Option<&str>) -> String {
        let answer = self.try_trigger(yaml, traceparent).await;
        answer["run_id"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    /// The same. Answers the body, also that of a refusal.
    pub async fn try_trigger(&self, yaml: &str, traceparent: Option<&str>) -> Value {
        let file = reqwest::multipart::Part::text(yaml.to_owned()).file_name("pipeline.yaml");
        let form = reqwest::multipart::Form::new().part("file", file);
        let mut request = self.http.post(format!("{}/trigger-job", self.url)).bearer_auth(&self.token).multipart(form);
        if let Some(traceparent) = traceparent {
            request = request.header("traceparent", traceparent);
        }
        request.send().await.expect("an answer").json().await.expect("JSON")
    }

    /// The run, once it has finished.
    pub async fn wait_until_finished(&self, run: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let run = self.get(&format!("/runs/{run}")).await;
            if !run["finished_at"].is_null() {
                return run;
            }
            assert!(Instant::now() < deadline, "the run goes on and on: {run}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}
