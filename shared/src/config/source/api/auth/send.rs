//! How a token is sent with each request.

use reqwest::header::HeaderName;

use crate::config::keys::{Choice, Key};
use crate::config::section::Section;

/// The part of a request that carries a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenPlace {
    /// A header.
    Header,
    /// A query parameter.
    Query,
    /// A cookie.
    Cookie,
}

impl Choice for TokenPlace {
    const WORDS: &'static [(&'static str, Self)] =
        &[("header", Self::Header), ("query", Self::Query), ("cookie", Self::Cookie)];
}

/// How a token is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendToken {
    /// Where it stands.
    pub place: TokenPlace,
    /// Name of the header, parameter or cookie.
    pub name: String,
    /// The word before it, as `Bearer` in `Bearer <token>`. `None`: the token alone.
    pub scheme: Option<String>,
}

pub(super) const SEND_IN: Key =
    Key::choice::<TokenPlace>("send_in", "Where the token is sent: `header` (default), `query` or `cookie`.");
pub(super) const SEND_NAME: Key = Key::text(
    "send_name",
    "Name of the header, parameter or cookie that carries the token. Default `Authorization`; `access_token` in the query \
     and a cookie.",
);
pub(super) const SEND_SCHEME: Key = Key::text(
    "send_scheme",
    "The word before the token. Default `Bearer` in `Authorization`, and nothing elsewhere; `\"\"` for nothing.",
);

/// Reads `send_in`, `send_name` and `send_scheme`.
pub(super) fn read(section: &Section<'_>) -> Option<SendToken> {
    let place = section.choice::<TokenPlace>("send_in").unwrap_or(TokenPlace::Header);
    let default = if place == TokenPlace::Header { "Authorization" } else { "access_token" };
    let name = checked_name(section, "send_name", place, default)?;
    let bearer = (place == TokenPlace::Header && is_authorization(&name)).then(|| "Bearer".to_owned());
    let scheme = match section.text("send_scheme") {
        Some(word) => Some(word.trim().to_owned()).filter(|word| !word.is_empty()),
        None => bearer,
    };
    Some(SendToken { place, name, scheme })
}

fn is_authorization(header: &str) -> bool {
    header.eq_ignore_ascii_case("authorization")
}

/// The name of a header, parameter or cookie. `None`: it was reported as a problem.
pub(super) fn checked_name(section: &Section<'_>, key: &str, place: TokenPlace, default: &str) -> Option<String> {
    let Some(name) = section.filled_text(key) else { return Some(default.to_owned()) };
    let name = name.trim().to_owned();
    // Names of cookies have the form of names of headers (RFC 6265).
    let is_valid = place == TokenPlace::Query || HeaderName::try_from(&name).is_ok();
    if !is_valid && !name.contains("${") {
        let field = section.field(key)?;
        let what = if place == TokenPlace::Header { "an HTTP header" } else { "a cookie" };
        field.problem(format!("expected the name of {what}, found {}", field.shown()));
        return None;
    }
    Some(name)
}
