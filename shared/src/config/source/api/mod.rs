//! `type: api`: a JSON HTTP API.

mod auth;
mod for_each;
mod incremental;
mod pagination;
mod probe;
mod records;
mod request;
pub mod template;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use self::auth::{AUTH_KEYS, Scheme};
pub use self::auth::{
    ApiAuth, ApiKey, AuthScheme, ClientAuth, Encoding, Grant, HmacAlgorithm, JwtAlgorithm, JwtBearer, LoginRequest,
    OAuth2, SendToken, SignRequests, TimeForm, TokenPlace,
};
pub(super) use self::for_each::check_together;
pub use self::for_each::{ForEach, OnParent, ParentsFrom};
pub use self::incremental::{CursorOrder, Incremental, Lookback, TimeFormat, api_identities};
pub use self::pagination::{NextIs, Pagination, Total};
pub use self::probe::Probe;
pub use self::records::{Include, Included};
pub use self::request::{Body, JsonTemplate, Method};
use self::template::Template;
use crate::config::certificates::{self, CERTIFICATES, PemCertificates};
use crate::config::keys::{Key, Shape};
use crate::config::secret_detection::is_secret_parameter;
use crate::config::section::Section;
use crate::config::shaping::{self, Shaping};
use crate::config::source::files;
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

/// The keys by which a request says who sends it.
pub(super) const IDENTITY_KEYS: &[Key] = &[
    AUTH_TOKEN_KEY,
    AUTH_SCHEME_KEY,
    AUTH_HEADER_KEY,
    AUTH_KEY,
    HEADERS_KEY,
    CA_CERTIFICATE_KEY,
    CLIENT_CERTIFICATE_KEY,
    CLIENT_KEY_KEY,
];

const AUTH_TOKEN_KEY: Key =
    Key::secret("auth_token", "Sent as it is when it contains a space, else as `Bearer <token>`.").or(&["token"]);
const AUTH_SCHEME_KEY: Key = Key::choice::<Scheme>("auth_scheme", "How the token is sent instead.");
const AUTH_HEADER_KEY: Key =
    Key::text("auth_header", "Which header carries the token, for `auth_scheme: header`. Default `X-API-Key`.");
const AUTH_KEY: Key = Key::of(
    "auth",
    Shape::SectionOrVariant(AUTH_KEYS, auth::VARIANTS),
    "The same in one mapping; or another way to be identified, as its `type` says.",
);
const HEADERS_KEY: Key = Key::of("headers", Shape::Pairs, "Further request headers.");
const CA_CERTIFICATE_KEY: Key = Key::secret(
    "ca_certificate",
    "`${secret:NAME}`: the only authorities that may have signed the certificate of the host in `url`, in PEM form.",
);
const CLIENT_CERTIFICATE_KEY: Key = Key::secret(
    "client_certificate",
    "`${secret:NAME}`: the certificate to show to the host in `url`, with its chain, in PEM form.",
);
const CLIENT_KEY_KEY: Key =
    Key::secret("client_key", "`${secret:NAME}`: the private key of `client_certificate`, in PEM form.");

pub(super) const KEYS: &[Key] = &[
    Key::text("url", "`http://` or `https://`.").or(&["endpoint"]).required(),
    request::METHOD_KEY,
    request::BODY_KEY,
    request::FORM_KEY,
    request::GRAPHQL_KEY,
    AUTH_TOKEN_KEY,
    AUTH_SCHEME_KEY,
    AUTH_HEADER_KEY,
    AUTH_KEY,
    HEADERS_KEY,
    Key::of("params", Shape::Pairs, "Query parameters."),
    Key::text("folder_param", "Sent as `?path=`."),
    records::RECORDS_KEY,
    records::INCLUDE_KEY,
    records::INCLUDE_HEADERS_KEY,
    for_each::NAME_KEY,
    for_each::LOAD_KEY,
    for_each::FOR_EACH_KEY,
    shaping::KEY,
    Key::of("pagination", Shape::Variant(pagination::VARIANTS), "How to get the next page."),
    Key::of("incremental", Shape::Section(incremental::KEYS), "How to ask only for what is new since the last run."),
    Key::of(
        "probe",
        Shape::Section(probe::KEYS),
        "A small request whose answer changes when there is something new. Monitoring sends it in place of reading the pages.",
    ),
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
    )
    .or(&["timeout_seconds"]),
    Key::whole(
        "ready_seconds",
        1,
        86_400,
        "How long a request is repeated while the server answers 202, \"not ready yet\". Default 300.",
    ),
    Key::whole("total_seconds", 1, 86_400, "Longest time for all pages, repeated attempts included. Default 7200."),
    Key::of(
        "requests_per_second",
        Shape::Number { min: 0.001, max: 1_000.0 },
        "Most requests a second of one extraction, repeated ones included. Default: as many as there are.",
    ),
    CA_CERTIFICATE_KEY,
    CLIENT_CERTIFICATE_KEY,
    CLIENT_KEY_KEY,
];

pub(super) fn read(section: &Section<'_>) -> Option<ApiSource> {
    // Names of placeholders that only this source has.
    let further = for_each::placeholder(section);
    let further = further.as_slice();
    let for_each = for_each::read(section);
    let shape = files::shape(section);
    let records = records::paths(section);
    let known = for_each.as_ref().and_then(Option::as_ref);
    let include = records::include(section, records.as_deref().unwrap_or_default(), known);
    let url = request::url(section, further);
    let auth::Written { token: auth_token, scheme: auth_scheme, auth } = read_auth(section)?;
    let headers = section.field("headers").map_or(Some(Vec::new()), |field| request::headers(field, further));
    let params = section.field("params").map_or(Some(Vec::new()), |field| request::pairs(field, further));
    let body = request::body(section, headers.as_deref().unwrap_or_default(), further);
    let pagination = section.field("pagination").map(pagination::read);
    let incremental = section.field("incremental").map(incremental::read);
    let probe = section.field("probe").map(probe::read);
    let seconds = |name| section.whole(name).map(Duration::from_secs);
    let certificates = certificates::read(section);
    if let (Some(url), Some(field)) = (&url, CERTIFICATES.iter().find_map(|key| section.field(key)))
        && url.start().starts_with("http://")
    {
        field.problem("has no effect with http://, where nothing is encrypted: write https:// in url");
    }
    if let (Some(field), Some(Method::Get)) = (section.field("graphql"), section.choice("method")) {
        field.problem("is sent by POST: remove `method`, or write POST there");
    }
    let (body, for_each) = (body?, for_each?);
    let mut paths = records?.into_iter();
    let records = paths.next();
    let source = ApiSource {
        method: section.choice("method").unwrap_or(if body.is_some() { Method::Post } else { Method::Get }),
        body,
        timeouts: ApiTimeouts {
            idle: seconds("idle_seconds"),
            answer: seconds("answer_seconds"),
            ready: seconds("ready_seconds"),
            total: seconds("total_seconds"),
        },
        requests_per_second: section.number("requests_per_second"),
        certificates: certificates?,
        auth_token,
        auth_scheme,
        auth,
        folder_param: section.filled_text("folder_param"),
        name: for_each::source_name(section),
        for_each,
        shape: shape?,
        load: section.flag("load").unwrap_or(true),
        records,
        further_records: paths.collect(),
        include: include?,
        total: pagination::total(section),
        url: url?,
        headers: headers?,
        params: params?,
        pagination: match pagination {
            Some(read) => Some(read?),
            None => None,
        },
        incremental: match incremental {
            Some(read) => Some(read?),
            None => None,
        },
        probe: match probe {
            Some(read) => Some(read?),
            None => None,
        },
    };
    pagination::check_placeholders(section, &source);
    for_each::check(section, &source);
    incremental::check_sent(section, &source);
    Some(source)
}

/// Reads [`IDENTITY_KEYS`] of a section that has an address elsewhere.
pub(super) fn read_identity(section: &Section<'_>) -> Option<ApiSource> {
    let auth::Written { token: auth_token, scheme: auth_scheme, auth } = read_auth(section)?;
    let headers = section.field("headers").map_or(Some(Vec::new()), |field| request::headers(field, &[]));
    let certificates = certificates::read(section);
    Some(ApiSource {
        auth_token,
        auth_scheme,
        auth,
        headers: headers?,
        certificates: certificates?,
        ..ApiSource::at("")
    })
}

fn read_auth(section: &Section<'_>) -> Option<auth::Written> {
    let written = auth::read(section)?;
    if let (Some(field), AuthScheme::Basic, Some(token)) =
        (section.field("auth_token"), &written.scheme, &written.token)
        && !token.expose().contains(':')
        && !token.expose().contains("${")
    {
        field.problem("expected user:password, because auth_scheme is basic");
    }
    Some(written)
}
