//! A client that keeps every answer, so that all of them can be searched in the end.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::StreamExt;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::support::PATIENCE;

/// See the module. Clones share what was answered.
#[derive(Clone)]
pub struct Api {
    http: reqwest::Client,
    url: String,
    token: String,
    /// What was asked, and the answer.
    answers: Arc<Mutex<Vec<(String, String)>>>,
    /// Streams that are still being read.
    streams: Arc<Mutex<Vec<tokio::task::JoinHandle<()>>>>,
}

impl Api {
    /// Logs in. The answer is not kept, because it holds the token.
    pub async fn log_in(url: &str, username: &str, password: &str) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        // An answer is kept as it is, not what it leads to.
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
        let http = http.build().expect("a client");
        let login = json!({ "username": username, "password": password });
        let answer = http.post(format!("{url}/auth/login")).json(&login).send().await.expect("an answer");
        let answer: Value = answer.json().await.expect("JSON");
        let token = answer["token"].as_str().unwrap_or_else(|| panic!("no token: {answer}")).to_owned();
        Self { http, url: url.to_owned(), token, answers: Arc::default(), streams: Arc::default() }
    }

    /// The token of this session.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The same client as somebody else.
    pub async fn another(&self, username: &str, password: &str) -> Self {
        let other = Self::log_in(&self.url, username, password).await;
        Self { answers: Arc::clone(&self.answers), streams: Arc::clone(&self.streams), ..other }
    }

    pub async fn get(&self, path: &str) -> Value {
        self.keep(path, self.http.get(format!("{}{path}", self.url))).await
    }

    /// All pages of a list.
    pub async fn get_all(&self, path: &str) -> Vec<Value> {
        let (mut all, mut next) = (Vec::new(), String::new());
        loop {
            let page = self.get(&format!("{path}{next}")).await;
            all.extend(page["data"].as_array().into_iter().flatten().cloned());
            let Some(cursor) = page["next"].as_str() else { return all };
            next = format!("{}cursor={cursor}", if path.contains('?') { '&' } else { '?' });
        }
    }

    pub async fn put(&self, path: &str, body: Value) -> Value {
        self.keep(path, self.http.put(format!("{}{path}", self.url)).json(&body)).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Value {
        self.keep(path, self.http.post(format!("{}{path}", self.url)).json(&body)).await
    }

    /// The same, for an answer that shows a secret on purpose.
    pub async fn post_for_a_secret(&self, path: &str, body: Value) -> Value {
        let request = self.http.post(format!("{}{path}", self.url)).json(&body).bearer_auth(&self.token);
        let answer = request.send().await.expect("an answer").text().await.expect("a text");
        serde_json::from_str(&answer).unwrap_or_else(|_| panic!("{path}: {answer}"))
    }

    pub async fn post_yaml(&self, path: &str, yaml: &str) -> Value {
        let file = Part::text(yaml.to_owned()).file_name("canary.yaml");
        let request = self.http.post(format!("{}{path}", self.url)).multipart(Form::new().part("file", file));
        self.keep(path, request).await
    }

    /// The run, once it has finished.
    pub async fn finished(&self, run: &str) -> Value {
        let deadline = Instant::now() + 4 * PATIENCE;
        loop {
            let found = self.get(&format!("/runs/{run}")).await;
            if found["finished_at"].is_string() {
                return found;
            }
            assert!(Instant::now() < deadline, "the run goes on and on: {found:#}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Keeps a stream of events as long as it goes on.
    pub async fn follow(&self, path: &str) {
        let request = self.http.get(format!("{}{path}", self.url)).bearer_auth(&self.token);
        let answer = request.send().await.expect("an answer");
        assert_eq!(answer.status(), 200, "{path}");
        let mut chunks = answer.bytes_stream();
        let (path, answers) = (path.to_owned(), Arc::clone(&self.answers));
        let reading = tokio::spawn(async move {
            let mut text = String::new();
            while let Some(Ok(chunk)) = chunks.next().await {
                text.push_str(&String::from_utf8_lossy(&chunk));
            }
            answers.lock().expect("not poisoned").push((path, text));
        });
        self.streams.lock().expect("not poisoned").push(reading);
    }

    /// Waits for the end of all streams, which comes when the server has stopped.
    pub async fn streams_ended(&self) {
        let streams = std::mem::take(&mut *self.streams.lock().expect("not poisoned"));
        for stream in streams {
            stream.await.expect("it was read to its end");
        }
    }

    /// Every answer so far, with what was asked.
    pub fn answers(&self) -> Vec<(String, String)> {
        self.answers.lock().expect("not poisoned").clone()
    }

    async fn keep(&self, asked: &str, request: reqwest::RequestBuilder) -> Value {
        let answer = request.bearer_auth(&self.token).send().await.expect("an answer");
        let headers = format!("{:?}", answer.headers());
        let text = answer.text().await.expect("a text");
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        self.answers.lock().expect("not poisoned").push((asked.to_owned(), headers + &text));
        json
    }
}
