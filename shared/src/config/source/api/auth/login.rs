//! `auth: {type: login}`: a request that gets a token or cookies, before the first request for rows.

use std::fmt;

use super::super::super::json_path;
use super::super::request::{self, BODY_KEY, Body, FORM_KEY, GRAPHQL_KEY, METHOD_KEY, Method};
use super::super::template::Template;
use super::send::{self, SEND_IN, SEND_NAME, SEND_SCHEME, SendToken};
use super::values::http_url;
use crate::config::keys::{Key, Shape};
use crate::config::section::Section;
use crate::secret::Secret;

/// A login request, and how its result is sent. It has no placeholders.
#[derive(Clone, PartialEq, Eq)]
pub struct LoginRequest {
    /// Where it goes. It may contain a secret.
    pub url: Secret,
    /// HTTP method of the login request.
    pub method: Method,
    /// Its own headers; those of the source are not sent.
    pub headers: Vec<(String, Template)>,
    /// A user and their password, sent as `Authorization: Basic …`.
    pub basic: Option<(String, Secret)>,
    /// Its body. `None`: nothing.
    pub body: Option<Body>,
    /// JSON path to the token in the answer. `None`: the cookies that the answer sets are the login.
    pub token_path: Option<String>,
    /// JSON path to when the token expires: seconds from now, seconds or milliseconds since 1970, or an RFC 3339 time.
    pub expires_path: Option<String>,
    /// How the token is sent.
    pub send: SendToken,
}

impl fmt::Debug for LoginRequest {
    /// A body may hold anything.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginRequest")
            .field("url", &self.url)
            .field("method", &self.method)
            .field("headers", &self.headers)
            .field("basic", &self.basic)
            .field("body", &self.body.is_some())
            .field("token_path", &self.token_path)
            .field("expires_path", &self.expires_path)
            .field("send", &self.send)
            .finish()
    }
}

pub(super) const KEYS: &[Key] = &[
    Key::text("url", "Where the login request goes, `http://` or `https://`.").required(),
    METHOD_KEY,
    Key::of("headers", Shape::Pairs, "Headers of the login request. Those of the source are not sent with it."),
    Key::text("username", "A user that is sent with `password` as `Authorization: Basic …`.").or(&["user"]),
    Key::secret("password", "The user's password."),
    BODY_KEY,
    FORM_KEY,
    GRAPHQL_KEY,
    Key::text(
        "token_path",
        "JSON path to the token in the answer. Without it the cookies that the login sets are sent.",
    ),
    Key::text(
        "expires_path",
        "JSON path to when the token expires: seconds from now, seconds or milliseconds since 1970, or an RFC 3339 time.",
    ),
    SEND_IN,
    SEND_NAME,
    SEND_SCHEME,
];

/// Keys that have a meaning only when there is a token.
const OF_A_TOKEN: [&str; 4] = ["expires_path", "send_in", "send_name", "send_scheme"];

pub(super) fn read(section: &Section<'_>) -> Option<LoginRequest> {
    let url = http_url(section.required("url")?);
    let headers = section.field("headers").map_or(Some(Vec::new()), |field| request::headers(field, &[]))?;
    let body = request::body(section, &headers, &[])?;
    refuse_placeholders(section, &headers, body.as_ref())?;
    if section.wrote("username") != section.wrote("password") {
        section.problem("username and password belong together");
        return None;
    }
    let token_path = json_path(section, "token_path");
    if !section.wrote("token_path") {
        for field in OF_A_TOKEN.iter().filter_map(|name| section.field(name)) {
            field.problem("is about the token, and `token_path` does not say where it is");
        }
    }
    let method = section.choice("method").unwrap_or(Method::Post);
    if let Some(field) = section.field("method").filter(|_| method == Method::Get && body.is_some()) {
        field.problem("a login with a body is sent with POST");
    }
    Some(LoginRequest {
        url: url?,
        method,
        headers,
        basic: section.text("username").zip(section.secret("password")),
        body,
        token_path,
        expires_path: json_path(section, "expires_path"),
        send: send::read(section)?,
    })
}

/// A login comes before the first page, so that no placeholder has a value.
fn refuse_placeholders(section: &Section<'_>, headers: &[(String, Template)], body: Option<&Body>) -> Option<()> {
    let mut found = headers.iter().any(|(_, value)| value.names().next().is_some());
    if let Some(body) = body {
        body.each(&mut |template| found |= template.names().next().is_some());
    }
    if found {
        section.problem("a login request has no placeholders, because it comes before the first page");
        return None;
    }
    Some(())
}
