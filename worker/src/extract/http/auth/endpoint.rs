//! One request to a token endpoint. It obeys the rules for hosts, follows no redirect, and its answer is bounded.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::Utc;
use elt_shared::redaction;
use elt_shared::secret::{PLACEHOLDER, Secret};
use reqwest::header::{ACCEPT, HeaderMap, HeaderValue};
use reqwest::{Method, Response, StatusCode, Url};
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use super::super::client::Clients;
use super::super::error::{HttpError, Result};
use super::super::fetch::{innermost, unreachable_host};
use super::super::limits::HttpLimits;
use super::super::retry::{self, retry_after};
use super::super::url::{may_see_secrets, shown};

/// Longest time for one request to a token endpoint, its answer included.
const LONGEST: Duration = Duration::from_secs(30);
/// Most bytes of an answer.
const MOST_BYTES: usize = 256 << 10;
/// Most characters of an error's code that are shown.
const MOST_OF_A_CODE: usize = 60;
/// Most characters of an error's description that are shown.
const MOST_OF_A_DESCRIPTION: usize = 300;

/// Asks token endpoints.
#[derive(Clone)]
pub(super) struct Endpoint {
    pub(super) clients: Arc<Clients>,
    /// The URL of the source. Only its host sees the certificates of the config.
    pub(super) own: Url,
    pub(super) limits: HttpLimits,
}

/// A request to a token endpoint.
pub(super) struct Question {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<Bytes>,
    /// Secrets that are hidden in messages, also when the server repeats them.
    pub(super) secrets: Vec<Secret>,
}

/// An answer that is a success.
pub(super) struct Answer {
    /// When the request was sent.
    pub(super) asked: Instant,
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Endpoint {
    /// Asks until there is an answer that is no temporary failure.
    ///
    /// # Errors
    /// When the server refuses, cannot be reached, or answers with something that cannot be used.
    pub(super) async fn ask(&self, question: &Question) -> Result<Answer> {
        let asked = retry::with_attempts(&self.limits, || self.ask_once(question)).await;
        asked.map_err(|error| match error {
            refused @ (HttpError::TokenRefused { .. } | HttpError::TokenAnswer { .. }) => refused,
            error => HttpError::NoLogin { error: Box::new(error) },
        })
    }

    /// [`Endpoint::ask`], in one attempt.
    pub(super) async fn ask_once(&self, question: &Question) -> Result<Answer> {
        let url = &question.url;
        self.clients.check(url).await?;
        let (asked, limit) = (Instant::now(), LONGEST.min(self.limits.answer));
        let late = |_| HttpError::Silent { url: shown(url), what: "did not answer for", after: limit };
        let mut headers = question.headers.clone();
        headers.entry(ACCEPT).or_insert(HeaderValue::from_static("application/json"));
        let mut request = self
            .clients
            .of(may_see_secrets(&self.own, url))
            .request(question.method.clone(), url.clone())
            .headers(headers);
        if let Some(body) = &question.body {
            request = request.body(body.clone());
        }
        let response = timeout_at(asked + limit, request.send()).await.map_err(late)?;
        let response = response.map_err(|error| unreachable_host(url, error))?;
        let (status, headers) = (response.status(), response.headers().clone());
        if status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429) {
            let (retry_after, limited) = (retry_after(&headers, Utc::now()), status.as_u16() == 429);
            let hint = ": it gives no token for now";
            return Err(HttpError::Status { url: shown(url), status, retry_after, limited, hint, challenge: None });
        }
        let body = timeout_at(asked + limit, received(response, url)).await.map_err(late)??;
        let answer = Answer { asked, status, headers, body };
        match status.as_u16() {
            200..=299 => Ok(answer),
            300..=399 => Ok(answer),
            _ => Err(refused(question, &answer)),
        }
    }
}

async fn received(mut response: Response, url: &Url) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let piece = response.chunk().await.map_err(|error| HttpError::BrokeOff {
            url: shown(url),
            received: body.len() as u64,
            reason: innermost(&error),
        })?;
        let Some(piece) = piece else { return Ok(body) };
        if body.len() + piece.len() > MOST_BYTES {
            return Err(unusable(url, format!("is longer than {} KiB", MOST_BYTES >> 10)));
        }
        body.extend_from_slice(&piece);
    }
}

/// The answer as a JSON document.
///
/// # Errors
/// When it is a redirect, or something that is not JSON.
pub(super) fn json(question: &Question, answer: &Answer) -> Result<Value> {
    if answer.status.is_redirection() {
        let reason =
            format!("is a redirect ({}), which is not followed because it would get the secrets", answer.status);
        return Err(unusable(&question.url, reason));
    }
    let json = serde_json::from_slice(&answer.body).map_err(|_| {
        let text = String::from_utf8_lossy(&answer.body);
        let kind = match text.trim_start() {
            "" => "is empty",
            text if text.starts_with('<') => "is not JSON, but looks like a web page",
            _ => "is not JSON",
        };
        unusable(&question.url, kind.to_owned())
    })?;
    match json {
        Value::Object(members)
            if members.get("error").is_some_and(|error| error.as_str().is_some_and(|e| !e.is_empty())) =>
        {
            Err(refused(question, answer))
        }
        json => Ok(json),
    }
}

/// An answer with a status of success and without a usable token.
pub(super) fn unusable(url: &Url, reason: String) -> HttpError {
    HttpError::TokenAnswer { url: shown(url), reason }
}

/// A refusal, with what the server says about it as RFC 6749 describes.
fn refused(question: &Question, answer: &Answer) -> HttpError {
    let said: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let text = |name: &str, most| said[name].as_str().map(|text| sayable(text, most, &question.secrets));
    let (code, description) = (text("error", MOST_OF_A_CODE), text("error_description", MOST_OF_A_DESCRIPTION));
    let is_grant = code.as_deref() == Some("invalid_grant");
    let said = match (code, description) {
        (Some(code), Some(description)) => format!(": {code}: {description}"),
        (Some(text), None) | (None, Some(text)) => format!(": {text}"),
        (None, None) => String::new(),
    };
    HttpError::TokenRefused { url: shown(&question.url), status: answer.status, said, is_grant }
}

/// A text of a server as it may be shown: on one line, without secrets, and not longer than this.
fn sayable(text: &str, most: usize, secrets: &[Secret]) -> String {
    let mut text = text.to_owned();
    let mut secrets: Vec<&str> = secrets.iter().map(Secret::expose).collect();
    // A secret that is the beginning of another would leave the other's end.
    secrets.sort_by_key(|secret| Reverse(secret.len()));
    for secret in secrets.into_iter().filter(|secret| secret.len() >= redaction::SHORTEST) {
        text = text.replace(secret, PLACEHOLDER);
    }
    // Hidden before it is shortened, because half a secret would not be found.
    let text = redaction::hide(&text);
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_says_is_one_short_line_without_secrets() {
        let secrets = ["hunter2".into(), "hunter2-secret".into()];
        let said = |text: &str| sayable(text, 20, &secrets);
        assert_eq!(said("bad\r\n\tclient\u{1b}[31m"), "bad client [31m");
        assert_eq!(said("the secret hunter2-secret is wrong"), "the secret *** is wr…");
        assert_eq!(said(&"ä".repeat(21)), format!("{}…", "ä".repeat(20)));
        assert_eq!(said(""), "");
    }
}
