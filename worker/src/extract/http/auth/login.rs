//! A login request: its token, or the cookies that it sets.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use chrono::{DateTime, Utc};
use elt_shared::config::template::Values;
use elt_shared::config::{LoginRequest, Method};
use elt_shared::json_path::{JsonPath, Step};
use elt_shared::secret::Secret;
use reqwest::Url;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use super::super::body;
use super::super::cookies::Cookies;
use super::super::error::{HttpError, Result};
use super::super::fetch::redirected;
use super::super::retry::server_time;
use super::super::url::{may_see_secrets, parse, shown};
use super::endpoint::{self, Answer, Endpoint, Question, unusable};
use super::token::Token;

/// Logs in. Returns the token; `None`: the cookies are the login.
pub(super) async fn log_in(
    config: &LoginRequest,
    endpoint: &Endpoint,
    cookies: &Cookies,
    rows: &Url,
) -> Result<Option<Token>> {
    let question = question(config)?;
    let answer = endpoint.ask(&question).await?;
    cookies.keep(&question.url, &answer.headers);
    let Some(path) = &config.token_path else {
        follow(&question, answer, endpoint, cookies).await?;
        if cookies.header_for(rows, None).is_none() {
            return Err(unusable(&question.url, format!("sets no cookie that is sent to {}", shown(rows))));
        }
        return Ok(None);
    };
    let json = endpoint::json(&question, &answer)?;
    let Some(text) = at(&json, path).and_then(text_of) else {
        return Err(unusable(&question.url, format!("has no text at `token_path` {path}")));
    };
    let expires = config.expires_path.as_ref().and_then(|path| at(&json, path));
    let valid_for = expires.and_then(|value| valid_for(value, server_time(&answer.headers, Utc::now())));
    let token = Token::new(&text, valid_for, answer.asked);
    token.map(Some).map_err(|wrong| unusable(&question.url, format!("has a token at `token_path` {path} that {wrong}")))
}

fn question(config: &LoginRequest) -> Result<Question> {
    let url = parse(config.url.expose())?;
    let refuse = |name: &str| HttpError::BadHeader { url: shown(&url), what: format!("header `{name}`") };
    let (mut headers, mut secrets) = (HeaderMap::new(), Vec::new());
    for (name, value) in &config.headers {
        let text = value.written();
        let mut value = HeaderValue::try_from(&text).map_err(|_| refuse(name))?;
        value.set_sensitive(true);
        headers.insert(HeaderName::try_from(name).map_err(|_| refuse(name))?, value);
        secrets.push(Secret::new(text));
    }
    if let Some((username, password)) = &config.basic {
        let pair = BASE64.encode(format!("{username}:{}", password.expose()));
        let mut value = HeaderValue::try_from(format!("Basic {pair}")).map_err(|_| refuse("authorization"))?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
        secrets.extend([password.clone(), pair.into()]);
    }
    let body = config.body.as_ref().map(|body| body::render(body, &Values::default(), &url)).transpose()?;
    if let Some(body) = &body {
        headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static(body.content_type));
    }
    if let Some(body) = &config.body {
        body.each(&mut |template| secrets.push(Secret::new(template.written())));
    }
    let method = match config.method {
        Method::Get => reqwest::Method::GET,
        Method::Post => reqwest::Method::POST,
    };
    Ok(Question { method, url, headers, body: body.map(|body| body.bytes), secrets })
}

/// The body as it is sent.
pub(super) fn body_of(config: &LoginRequest) -> Option<Secret> {
    let url = parse(config.url.expose()).ok()?;
    let body = body::render(config.body.as_ref()?, &Values::default(), &url).ok()?;
    Some(Secret::new(String::from_utf8_lossy(&body.bytes)))
}

/// Follows the redirects of a login whose result are cookies, on the same host only.
async fn follow(question: &Question, mut answer: Answer, endpoint: &Endpoint, cookies: &Cookies) -> Result<()> {
    let mut url = question.url.clone();
    for _ in 0..endpoint.limits.redirects {
        if !answer.status.is_redirection() {
            return Ok(());
        }
        let next = redirected(&url, &answer.headers).map_err(|error| HttpError::NoLogin { error: Box::new(error) })?;
        if !may_see_secrets(&url, &next) {
            return Err(unusable(&url, "is a redirect to another host, which is not followed".to_owned()));
        }
        url = next;
        let mut headers = HeaderMap::new();
        headers.extend(cookies.header_for(&url, None).map(|value| (COOKIE, value)));
        let step = Question { method: reqwest::Method::GET, url, headers, body: None, secrets: Vec::new() };
        answer = endpoint.ask(&step).await?;
        cookies.keep(&step.url, &answer.headers);
        url = step.url;
    }
    Err(unusable(&url, format!("redirects more than {} times", endpoint.limits.redirects)))
}

/// The first value at a path.
fn at<'v>(json: &'v Value, path: &str) -> Option<&'v Value> {
    let path: JsonPath = path.parse().ok()?;
    path.steps().iter().try_fold(json, |value, step| match step {
        Step::Member(name) => value.get(name),
        Step::Element(index) => value.get(*index),
        Step::Every => value.get(0),
        Step::Last => value.as_array()?.last(),
    })
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// How long a token is valid: seconds from now, seconds or milliseconds since 1970, or a time. The numbers are far apart.
fn valid_for(value: &Value, now: DateTime<Utc>) -> Option<Duration> {
    let text = text_of(value)?;
    let text = text.trim();
    let until = match text.parse::<f64>() {
        Ok(number) if number >= 1e11 => DateTime::from_timestamp_millis(number as i64)?,
        Ok(number) if number >= 1e9 => DateTime::from_timestamp(number as i64, 0)?,
        Ok(number) => return Duration::try_from_secs_f64(number).ok().filter(|time| !time.is_zero()),
        Err(_) => DateTime::parse_from_rfc3339(text).ok()?.to_utc(),
    };
    (until - now).to_std().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_path_leads_to_a_text_or_number() {
        let json = json!({"data": {"tokens": [{"value": "t1"}, {"value": 7}], "none": null}});
        let text = |path: &str| at(&json, path).and_then(text_of);
        assert_eq!(text("data.tokens[0].value").as_deref(), Some("t1"));
        assert_eq!(text("$.data.tokens[1].value").as_deref(), Some("7"));
        assert_eq!(text("data.tokens[*].value").as_deref(), Some("t1"));
        for nothing in ["data", "data.none", "data.tokens[2].value", "missing"] {
            assert_eq!(text(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn an_expiry_is_seconds_or_a_point_in_time() {
        let now = "2026-01-01T00:00:00Z".parse().expect("a time");
        let seconds = |value: Value| valid_for(&value, now).map(|time| time.as_secs());
        for ninety in
            [json!(90), json!("90"), json!(1_767_225_690), json!(1_767_225_690_000_i64), json!("2026-01-01T00:01:30Z")]
        {
            assert_eq!(seconds(ninety.clone()), Some(90), "{ninety}");
        }
        for nothing in [json!(0), json!(-1), json!(1_700_000_000), json!("tomorrow"), json!(null), json!([90])] {
            assert_eq!(seconds(nothing.clone()), None, "{nothing}");
        }
    }
}
