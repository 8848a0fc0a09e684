//! `type: api`: a JSON HTTP API.

mod auth;
mod pagination;
mod request;
pub mod template;

use std::fmt;
use std::time::Duration;

use self::auth::{AUTH_KEYS, Scheme};
pub use self::auth::{
    ApiAuth, ApiKey, AuthScheme, ClientAuth, Encoding, Grant, HmacAlgorithm, JwtAlgorithm, JwtBearer, LoginRequest,
    OAuth2, SendToken, SignRequests, TimeForm, TokenPlace,
};
pub use self::pagination::{NextIs, Pagination, Total};
pub use self::request::{Body, JsonTemplate, Method};
use self::template::Template;
use super::json_path;
use crate::config::keys::{Key, Shape};
use crate::config::section::Section;
use crate::secret::Secret;

/// `type: api`.
#[derive(Clone, PartialEq)]
pub struct ApiSource {
    /// `http://` or `https://`, with placeholders in path and query only.
    pub url: Template,
    /// The method of every request.
    pub method: Method,
    /// What every request sends. `None`: nothing.
    pub body: Option<Body>,
    /// Sent as the scheme says.
    pub auth_token: Option<Secret>,
    /// How the token is sent.
    pub auth_scheme: AuthScheme,
    /// What identifies elt instead of a fixed token. `None`: the token, or nothing.
    pub auth: Option<ApiAuth>,
    /// Further headers; values may be secret.
    pub headers: Vec<(String, Template)>,
    /// Query parameters; values may be secret.
    pub params: Vec<(String, Template)>,
    /// Sent as `?path=`.
    pub folder_param: Option<String>,
    /// JSON path to the rows in an answer.
    pub records: Option<String>,
    /// How to get the next page.
    pub pagination: Option<Pagination>,
    /// Where an answer has the number of rows that the API says it has.
    pub total: Total,
    /// Time limits for the server's answers.
    pub timeouts: ApiTimeouts,
}

/// Time limits for the answers of an API. `None`: the worker's own limit applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ApiTimeouts {
    /// Longest silence before an answer, and between two parts of it.
    pub idle: Option<Duration>,
    /// Longest time for one answer, from the request to the last byte.
    pub answer: Option<Duration>,
    /// Longest time that one request is repeated while the server answers 202, "not ready yet".
    pub ready: Option<Duration>,
    /// Longest time for all pages, repeated attempts included.
    pub total: Option<Duration>,
}

impl ApiSource {
    /// A source that sends GET to this address, without anything else.
    pub fn at(url: &str) -> Self {
        Self {
            url: Template::literal(url),
            method: Method::Get,
            body: None,
            auth_token: None,
            auth_scheme: AuthScheme::Auto,
            auth: None,
            headers: Vec::new(),
            params: Vec::new(),
            folder_param: None,
            records: None,
            pagination: None,
            total: Total::Usual,
            timeouts: ApiTimeouts::default(),
        }
    }

    /// Whether a placeholder of this name is in the address, a header, a parameter or the body.
    pub fn has_placeholder(&self, name: &str) -> bool {
        let mut found = false;
        self.each_template(&mut |template| found |= template.names().any(|placed| placed == name));
        found
    }

    fn each_template<'t>(&'t self, visit: &mut dyn FnMut(&'t Template)) {
        visit(&self.url);
        self.headers.iter().chain(&self.params).for_each(|(_, value)| visit(value));
        if let Some(body) = &self.body {
            body.each(visit);
        }
    }
}

impl fmt::Debug for ApiSource {
    /// A URL may hold a password or a token, and a body anything.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiSource")
            .field("url", &request::shown(&self.url))
            .field("method", &self.method)
            .field("body", &self.body.is_some())
            .field("auth_token", &self.auth_token)
            .field("auth_scheme", &self.auth_scheme)
            .field("auth", &self.auth)
            .field("headers", &self.headers)
            .field("params", &self.params)
            .field("folder_param", &self.folder_param)
            .field("records", &self.records)
            .field("pagination", &self.pagination)
            .field("total", &self.total)
            .field("timeouts", &self.timeouts)
            .finish()
    }
}

pub(super) const KEYS: &[Key] = &[
    Key::text("url", "`http://` or `https://`.").or(&["endpoint"]).required(),
    request::METHOD_KEY,
    request::BODY_KEY,
    request::FORM_KEY,
    request::GRAPHQL_KEY,
    Key::secret("auth_token", "Sent as it is when it contains a space, else as `Bearer <token>`.").or(&["token"]),
    Key::choice::<Scheme>("auth_scheme", "How the token is sent instead."),
    Key::text("auth_header", "Which header carries the token, for `auth_scheme: header`. Default `X-API-Key`."),
    Key::of(
        "auth",
        Shape::SectionOrVariant(AUTH_KEYS, auth::VARIANTS),
        "The same in one mapping; or another way to be identified, as its `type` says.",
    ),
    Key::of("headers", Shape::Pairs, "Further request headers."),
    Key::of("params", Shape::Pairs, "Query parameters."),
    Key::text("folder_param", "Sent as `?path=`."),
    Key::text(
        "records",
        "JSON path to the rows in an answer, `data.items`, or `$` when the answer is the row. Default: the elements of \
         an array, or of an object's only member that is an array of objects; what was found holds for later runs.",
    )
    .or(&["records_path"]),
    Key::of("pagination", Shape::Variant(pagination::VARIANTS), "How to get the next page."),
    pagination::TOTAL_KEY,
    Key::whole(
        "idle_seconds",
        1,
        3_600,
        "Longest silence of the server, before its answer and between two pieces of it. Default 60.",
    ),
    Key::whole(
        "answer_seconds",
        1,
        86_400,
        "Longest time for one answer, from the request to its last byte. Default 900. A request that took too long is \
         sent up to three times.",
    ),
    Key::whole(
        "ready_seconds",
        1,
        86_400,
        "How long a request is repeated while the server answers 202, \"not ready yet\". Default 300.",
    ),
    Key::whole("total_seconds", 1, 86_400, "Longest time for all pages, repeated attempts included. Default 7200."),
];

pub(super) fn read(section: &Section<'_>) -> Option<ApiSource> {
    // Names of placeholders that only this source has.
    let further: &[String] = &[];
    let url = request::url(section, further);
    let auth::Written { token: auth_token, scheme: auth_scheme, auth } = auth::read(section)?;
    if let (Some(field), AuthScheme::Basic, Some(token)) = (section.field("auth_token"), &auth_scheme, &auth_token)
        && !token.expose().contains(':')
        && !token.expose().contains("${")
    {
        field.problem("expected user:password, because auth_scheme is basic");
    }
    let headers = section.field("headers").map_or(Some(Vec::new()), |field| request::headers(field, further));
    let params = section.field("params").map_or(Some(Vec::new()), |field| request::pairs(field, further));
    let body = request::body(section, headers.as_deref().unwrap_or_default(), further);
    let pagination = section.field("pagination").map(pagination::read);
    let seconds = |name| section.whole(name).map(Duration::from_secs);
    let body = body?;
    let source = ApiSource {
        method: section.choice("method").unwrap_or(if body.is_some() { Method::Post } else { Method::Get }),
        body,
        timeouts: ApiTimeouts {
            idle: seconds("idle_seconds"),
            answer: seconds("answer_seconds"),
            ready: seconds("ready_seconds"),
            total: seconds("total_seconds"),
        },
        auth_token,
        auth_scheme,
        auth,
        folder_param: section.filled_text("folder_param"),
        records: json_path(section, "records"),
        total: pagination::total(section),
        url: url?,
        headers: headers?,
        params: params?,
        pagination: match pagination {
            Some(read) => Some(read?),
            None => None,
        },
    };
    pagination::check_placeholders(section, &source);
    Some(source)
}
