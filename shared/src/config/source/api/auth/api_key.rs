//! `auth: {type: api_key}`: a fixed key.

use super::send::{SendToken, TokenPlace, checked_name};
use crate::config::keys::Key;
use crate::config::section::Section;
use crate::secret::Secret;

/// A fixed key, and where it stands in a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// The API key that is sent.
    pub key: Secret,
    /// How it is sent.
    pub send: SendToken,
}

pub(super) const KEYS: &[Key] = &[
    Key::secret("token", "The key.").or(&["api_key"]).required(),
    Key::choice::<TokenPlace>("in", "Where the key stands: `header` (default), `query` or `cookie`."),
    Key::text(
        "name",
        "Name of the header, parameter or cookie. Default `X-API-Key`; `api_key` in the query and a cookie.",
    ),
];

pub(super) fn read(section: &Section<'_>) -> Option<ApiKey> {
    let place = section.choice::<TokenPlace>("in").unwrap_or(TokenPlace::Header);
    let default = if place == TokenPlace::Header { "X-API-Key" } else { "api_key" };
    let name = checked_name(section, "name", place, default);
    let key = Secret::new(section.required_text("token")?);
    Some(ApiKey { key, send: SendToken { place, name: name?, scheme: None } })
}
