//! An HTTP client that reads well in tests: `app.post("/runs").json(json!({…})).await`.

use std::future::IntoFuture;
use std::ops::Index;
use std::pin::Pin;

use elt_shared::explained::Code;
use elt_shared::explained::catalog::Seen;
use reqwest::header::{HeaderMap, HeaderName};
use reqwest::multipart::{Form, Part};
use reqwest::{RequestBuilder, StatusCode};
use serde_json::Value;

use super::app::{Login, TestApp};

/// A request on its way. Sent as the admin unless it says otherwise.
pub struct Request<'a> {
    app: &'a TestApp,
    request: RequestBuilder,
    login: Option<Login>,
}

#[expect(clippy::wrong_self_convention, reason = "a request is sent as someone")]
impl<'a> Request<'a> {
    pub fn new(app: &'a TestApp, request: RequestBuilder) -> Self {
        Self { app, request, login: Some(Login::Admin) }
    }

    /// Sent by the analyst.
    pub fn as_user(self) -> Self {
        Self { login: Some(Login::User), ..self }
    }

    /// Sent without a token.
    pub fn as_nobody(self) -> Self {
        Self { login: None, ..self }
    }

    /// Sent as one of the two, or without a token.
    pub fn by(self, login: Option<Login>) -> Self {
        Self { login, ..self }
    }

    /// Sent with this token.
    pub fn bearer(self, token: &str) -> Self {
        self.as_nobody().header("authorization", &format!("Bearer {token}"))
    }

    /// With one more header.
    pub fn header(self, name: &str, value: &str) -> Self {
        let name: HeaderName = name.parse().expect("a header name");
        Self { request: self.request.header(name, value), ..self }
    }

    /// With parameters in the query string.
    pub fn query(self, parameters: &[(&str, &str)]) -> Self {
        Self { request: self.request.query(parameters), ..self }
    }

    /// With a JSON body.
    pub fn json(self, body: Value) -> Self {
        Self { request: self.request.json(&body), ..self }
    }

    /// With a body of any kind.
    pub fn body(self, content_type: &str, body: impl Into<reqwest::Body>) -> Self {
        let request = self.header("content-type", content_type);
        Self { request: request.request.body(body), ..request }
    }

    /// With a YAML in the form field `file`, as the first clients send it.
    pub fn yaml(self, yaml: &str) -> Self {
        self.file("config.yaml", yaml)
    }

    /// With a file of this name in the form field `file`.
    pub fn file(self, name: &str, content: impl Into<Vec<u8>>) -> Self {
        self.form(Form::new().part("file", Part::bytes(content.into()).file_name(name.to_owned())))
    }

    /// With a form.
    pub fn form(self, form: Form) -> Self {
        Self { request: self.request.multipart(form), ..self }
    }

    /// The answer, before its body was read: for streams.
    pub async fn open(self) -> reqwest::Response {
        let mut request = self.request;
        if let Some(login) = self.login {
            request = request.bearer_auth(self.app.token(login).await);
        }
        request.send().await.expect("an answer")
    }
}

impl<'a> IntoFuture for Request<'a> {
    type Output = Answer;
    type IntoFuture = Pin<Box<dyn Future<Output = Answer> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let response = self.open().await;
            let (status, headers) = (response.status(), response.headers().clone());
            let text = response.text().await.expect("a body");
            let json = serde_json::from_str(&text).unwrap_or(Value::Null);
            Answer { status, headers, text, json }
        })
    }
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
    /// `null` when the body is not JSON.
    pub json: Value,
}

impl Answer {
    /// The body of an answer that must be a success.
    #[track_caller]
    pub fn ok(self) -> Value {
        assert!(self.status.is_success(), "{} {}", self.status, self.text);
        self.json
    }

    /// The problem document of an answer that must have this status, without what differs each time.
    #[track_caller]
    pub fn problem(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        assert_eq!(self.header("content-type"), "application/problem+json");
        let mut problem = self.json;
        let id = problem.as_object_mut().expect("an object").remove("request_id");
        assert!(id.is_some_and(|id| id.is_string()), "the problem names the request");
        let code = problem["code"].as_str().and_then(Code::find).expect("a code of the catalog");
        assert!(code.entry().seen.contains(&Seen::Api(status)), "the catalog lists the status {status} for {code}");
        problem
    }

    /// A header, or the empty text.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("a readable header"))
    }
}

impl Index<&str> for Answer {
    type Output = Value;

    fn index(&self, member: &str) -> &Value {
        &self.json[member]
    }
}
