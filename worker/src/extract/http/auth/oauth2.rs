//! The token request of OAuth 2.0, and its answer.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use elt_shared::config::{ClientAuth, Grant, OAuth2, is_secret_name};
use elt_shared::secret::Secret;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, Url};
use serde_json::Value;

use super::super::body;
use super::super::error::{HttpError, Result};
use super::super::url::{parse, shown};
use super::assertion;
use super::endpoint::{self, Answer, Question, unusable};
use super::token::{LONGEST, Token};

/// What a token endpoint gave.
pub(super) struct Given {
    /// An error when it cannot be used. A new refresh token beside it can be used in any case.
    pub(super) access: Result<Token>,
    /// How long the access token is valid, if the server says it.
    pub(super) valid_for: Option<Duration>,
    /// The refresh token to use from now on. `None`: the one before stays.
    pub(super) refresh: Option<Secret>,
}

/// The request for a token. `refresh` is the refresh token to send, for that grant.
pub(super) fn question(config: &OAuth2, refresh: Option<&Secret>) -> Result<Question> {
    let url = parse(config.token_url.expose())?;
    let (mut form, mut secrets) = granted(config, refresh, &url)?;
    if !config.scopes.is_empty() {
        form.push(("scope", config.scopes.join(" ")));
    }
    for (name, value) in &config.params {
        form.push((name, value.expose().to_owned()));
        if is_secret_name(name) {
            secrets.push(value.clone());
        }
    }
    let mut headers = HeaderMap::new();
    secrets.extend(config.client_secret.clone());
    match (&config.client_id, &config.client_secret) {
        (Some(id), Some(secret)) if config.client_auth == ClientAuth::Basic => {
            let pair = BASE64.encode(format!("{}:{}", encoded(id, &url), encoded(secret.expose(), &url)));
            let refuse = |_| HttpError::BadHeader { url: shown(&url), what: "client_id or client_secret".to_owned() };
            let mut value = HeaderValue::try_from(format!("Basic {pair}")).map_err(refuse)?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
            secrets.push(pair.into());
        }
        (id, secret) => {
            form.extend(id.iter().map(|id| ("client_id", id.clone())));
            form.extend(secret.iter().map(|secret| ("client_secret", secret.expose().to_owned())));
        }
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(body::FORM));
    let body = Some(body::form(&url, form).into());
    Ok(Question { method: Method::POST, url, headers, body, secrets })
}

/// The fields of a grant, and which texts of them are secret.
fn granted<'c>(config: &'c OAuth2, refresh: Option<&Secret>, url: &Url) -> Result<(Fields<'c>, Vec<Secret>)> {
    let grant = |word: &str| ("grant_type", word.to_owned());
    Ok(match &config.grant {
        Grant::ClientCredentials => (vec![grant("client_credentials")], Vec::new()),
        Grant::RefreshToken(first) => {
            let token = refresh.unwrap_or(first).clone();
            (vec![grant("refresh_token"), ("refresh_token", token.expose().to_owned())], vec![token])
        }
        Grant::Password { username, password } => {
            let fields = [("username", username.clone()), ("password", password.expose().to_owned())];
            ([vec![grant("password")], fields.to_vec()].concat(), vec![password.clone()])
        }
        Grant::JwtBearer(claims) => {
            let assertion = assertion::sign(claims, &config.scopes, url)?;
            let fields =
                [grant("urn:ietf:params:oauth:grant-type:jwt-bearer"), ("assertion", assertion.expose().to_owned())];
            (fields.to_vec(), vec![assertion])
        }
    })
}

/// Fields of a form.
type Fields<'c> = Vec<(&'c str, String)>;

/// As RFC 6749 wants a client's id and secret to be written before they are joined.
fn encoded(text: &str, any: &Url) -> String {
    body::form(any, [(text, "")]).trim_end_matches('=').to_owned()
}

/// Reads the answer of a token endpoint.
pub(super) fn given(question: &Question, answer: &Answer) -> Result<Given> {
    let json = endpoint::json(question, answer)?;
    let text = |name: &str| json[name].as_str();
    let valid_for = valid_for(&json["expires_in"]);
    let access = match text("access_token") {
        Some(access) => Token::new(access, valid_for, answer.asked)
            .map_err(|wrong| unusable(&question.url, format!("has an `access_token` that {wrong}"))),
        None => Err(unusable(&question.url, "has no text `access_token`".to_owned())),
    };
    let refresh = match text("refresh_token") {
        Some(token) if token.len() > LONGEST => {
            return Err(unusable(&question.url, "has a `refresh_token` that is longer than 32 KiB".to_owned()));
        }
        Some(token) => Some(token).filter(|token| !token.is_empty()).map(Secret::new),
        None => None,
    };
    Ok(Given { access, valid_for, refresh })
}

/// Seconds as a number or a text. Zero says nothing, because the token would be of no use.
fn valid_for(expires_in: &Value) -> Option<Duration> {
    let seconds = expires_in.as_f64().or_else(|| expires_in.as_str()?.trim().parse().ok())?;
    Duration::try_from_secs_f64(seconds).ok().filter(|time| !time.is_zero())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_time_until_a_token_expires_may_be_written_in_several_ways() {
        let seconds = |value: Value| valid_for(&value).map(|time| time.as_secs());
        assert_eq!(seconds(json!(3600)), Some(3600));
        assert_eq!(seconds(json!("3600 ")), Some(3600));
        assert_eq!(seconds(json!(59.9)), Some(59));
        for nothing in [json!(null), json!(0), json!(-5), json!("soon"), json!([1]), json!(1e300)] {
            assert_eq!(seconds(nothing.clone()), None, "{nothing}");
        }
    }
}
