//! `type: api`: a JSON HTTP API.

mod auth;
mod for_each;
mod incremental;
mod pagination;
mod probe;
mod read;
mod records;
mod request;
pub mod template;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use self::auth::{
    ApiAuth, ApiKey, AuthScheme, ClientAuth, Encoding, Grant, HmacAlgorithm, JwtAlgorithm, JwtBearer, LoginRequest,
    OAuth2, SendToken, SignRequests, TimeForm, TokenPlace,
};
pub(super) use self::for_each::check_together;
pub use self::for_each::{ForEach, OnParent, ParentsFrom};
pub use self::incremental::{CursorOrder, Incremental, Lookback, TimeFormat, api_identities};
pub use self::pagination::{NextIs, Pagination, Total};
pub use self::probe::Probe;
pub(super) use self::read::{IDENTITY_KEYS, KEYS, read, read_identity};
pub use self::records::{Include, Included};
pub use self::request::{Body, JsonTemplate, Method};
use self::template::Template;
use crate::config::certificates::PemCertificates;
use crate::config::secret_detection::is_secret_parameter;
use crate::config::shaping::Shaping;
use crate::json_path::{JsonPath, Step};
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
    /// What other sources call it.
    pub name: Option<String>,
    /// Whether its rows are loaded. Otherwise other sources use them, and nothing else does.
    pub load: bool,
    /// The values that its requests are made for. `None`: the requests are made once.
    pub for_each: Option<ForEach>,
    /// What becomes of the columns of its rows. `None`: they stay as they are in the answers.
    pub shape: Option<Arc<Shaping>>,
    /// JSON path to the rows in an answer.
    pub records: Option<String>,
    /// JSON paths to further rows in an answer.
    pub further_records: Vec<String>,
    /// Columns that are added to the rows.
    pub include: Vec<Include>,
    /// How to get the next page.
    pub pagination: Option<Pagination>,
    /// How to ask only for what is new; `None`: every run reads everything.
    pub incremental: Option<Incremental>,
    /// A small request that shows whether there may be something new, for monitoring.
    pub probe: Option<Probe>,
    /// Where an answer has the number of rows that the API says it has.
    pub total: Total,
    /// Time limits for the server's answers.
    pub timeouts: ApiTimeouts,
    /// Most requests a second. `None`: as many as there are.
    pub requests_per_second: Option<f64>,
    /// Certificates for the connections to the host of `url`.
    pub certificates: PemCertificates,
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
            name: None,
            load: true,
            for_each: None,
            shape: None,
            records: None,
            further_records: Vec::new(),
            include: Vec::new(),
            pagination: None,
            incremental: None,
            probe: None,
            total: Total::Usual,
            timeouts: ApiTimeouts::default(),
            requests_per_second: None,
            certificates: PemCertificates::default(),
        }
    }

    /// Whether a placeholder of this name is in the address, a header, a parameter or the body.
    pub fn has_placeholder(&self, name: &str) -> bool {
        let mut found = false;
        self.each_template(&mut |template| found |= template.names().any(|placed| placed == name));
        found
    }

    /// Whether its rows are copied out of the answers, because columns are added to them or an answer has them in several
    /// places.
    pub fn copies_rows(&self) -> bool {
        self.for_each.is_some()
            || !self.include.is_empty()
            || !self.further_records.is_empty()
            || self.leads_into_elements()
    }

    /// Whether the path to its rows has a `[*]` before its end.
    pub fn leads_into_elements(&self) -> bool {
        let path = self.records.as_deref().and_then(|path| path.parse::<JsonPath>().ok());
        path.is_some_and(|path| path.to_rows().contains(&Step::Every))
    }

    /// The name of the source whose rows have the values of `for_each`.
    pub fn parent_source(&self) -> Option<&str> {
        match &self.for_each.as_ref()?.from {
            ParentsFrom::Source { source, .. } => Some(source),
            ParentsFrom::Sql { .. } => None,
        }
    }

    /// The texts that it sends and that may be secret: its token, its headers, and the parameters, form fields and members
    /// of the body whose names say so.
    pub fn secrets(&self) -> Vec<String> {
        let mut secrets: Vec<String> =
            self.auth_token.iter().flat_map(|token| token.expose().split([' ', ':']).map(ToOwned::to_owned)).collect();
        secrets.extend(self.headers.iter().map(|(_, value)| value.written()));
        secrets
            .extend(self.params.iter().filter(|(name, _)| is_secret_parameter(name)).map(|(_, value)| value.written()));
        if let Some(body) = &self.body {
            body.add_secrets(&mut secrets);
        }
        secrets
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
            .field("name", &self.name)
            .field("load", &self.load)
            .field("for_each", &self.for_each.as_ref().map(|each| &each.name))
            .field("shape", &self.shape)
            .field("records", &self.records)
            .field("further_records", &self.further_records)
            .field("include", &self.include)
            .field("pagination", &self.pagination)
            .field("incremental", &self.incremental)
            .field("probe", &self.probe)
            .field("total", &self.total)
            .field("timeouts", &self.timeouts)
            .field("requests_per_second", &self.requests_per_second)
            .field("certificates", &self.certificates)
            .finish()
    }
}
