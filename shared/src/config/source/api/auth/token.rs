//! A fixed token, or a user with a password: `auth_token`, `auth_scheme`, and the simple types of `auth`.

use crate::config::keys::{Choice, Key};
use crate::config::section::Section;
use crate::secret::Secret;

/// How an API token is sent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum AuthScheme {
    /// As it is when it contains a space, else `Bearer <token>`.
    #[default]
    Auto,
    /// `Authorization: Bearer <token>`.
    Bearer,
    /// `Authorization: <token>`.
    Raw,
    /// `Authorization: Basic <base64 of the token>` (`user:password`).
    Basic,
    /// The named header carries the token.
    Header(String),
}

/// `auth_scheme`, before the header's name is known.
#[derive(Debug, Clone, Copy)]
pub(in super::super) enum Scheme {
    Auto,
    Bearer,
    Raw,
    Basic,
    Header,
}

impl Choice for Scheme {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("bearer", Self::Bearer),
        ("raw", Self::Raw),
        ("basic", Self::Basic),
        ("header", Self::Header),
        ("auto", Self::Auto),
    ];
}

pub(in super::super) const AUTH_KEYS: &[Key] = &[
    Key::choice::<Scheme>("type", "How the token is sent. Default: as `auth_token` is."),
    Key::secret("token", "The token."),
    Key::text("username", "Account, for `basic`.").or(&["user"]),
    Key::secret("password", "Password, for `basic`."),
    Key::text("header", "Which header carries the token, for `header`. Default `X-API-Key`.").or(&["name"]),
];

pub(super) fn token(section: &Section<'_>, auth: Option<&Section<'_>>) -> Option<Secret> {
    let written = section.secret("auth_token").filter(|token| !token.expose().is_empty());
    let Some(auth) = auth else { return written };
    if written.is_some() && (auth.has("token") || auth.has("password")) {
        auth.problem("the token is written at auth_token already");
    }
    let password = auth.text("username").zip(auth.text("password"));
    if password.is_none() && auth.has("username") != auth.has("password") {
        auth.problem("username and password belong together");
    }
    let pair = password.map(|(username, password)| Secret::new(format!("{username}:{password}")));
    written.or_else(|| auth.secret("token")).or(pair)
}

pub(super) fn scheme(section: &Section<'_>, auth: Option<&Section<'_>>) -> AuthScheme {
    let in_auth = auth.and_then(|auth| auth.choice::<Scheme>("type"));
    let header = section
        .filled_text("auth_header")
        .or_else(|| auth.and_then(|auth| auth.filled_text("header")))
        .unwrap_or_else(|| "X-API-Key".to_owned());
    match section.choice("auth_scheme").or(in_auth) {
        Some(Scheme::Bearer) => AuthScheme::Bearer,
        Some(Scheme::Raw) => AuthScheme::Raw,
        Some(Scheme::Basic) => AuthScheme::Basic,
        Some(Scheme::Header) => AuthScheme::Header(header),
        None if auth.is_some_and(|auth| auth.has("password")) => AuthScheme::Basic,
        None | Some(Scheme::Auto) => AuthScheme::Auto,
    }
}
