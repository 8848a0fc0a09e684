//! Reads `type: api` of a config: the keys, and the checks that need more than one of them.

use std::time::Duration;

use super::auth::{AUTH_KEYS, Scheme};
use super::template::Template;
use super::{
    ApiSource, ApiTimeouts, AuthScheme, Method, auth, for_each, incremental, pagination, probe, records, request,
};
use crate::config::certificates::{self, CERTIFICATES};
use crate::config::keys::{Key, Shape};
use crate::config::section::Section;
use crate::config::shaping;
use crate::config::source::files;

/// The keys by which a request says who sends it.
pub(in crate::config::source) const IDENTITY_KEYS: &[Key] = &[
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

pub(in crate::config::source) const KEYS: &[Key] = &[
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

pub(in crate::config::source) fn read(section: &Section<'_>) -> Option<ApiSource> {
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
    let certificates = certificates::read(section);
    check_url_and_method(section, url.as_ref());
    let (body, for_each) = (body?, for_each?);
    let mut paths = records?.into_iter();
    let records = paths.next();
    let source = ApiSource {
        method: section.choice("method").unwrap_or(if body.is_some() { Method::Post } else { Method::Get }),
        body,
        timeouts: timeouts(section),
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

/// Refuses certificates for an address without encryption, and a GraphQL query by GET.
fn check_url_and_method(section: &Section<'_>, url: Option<&Template>) {
    if let (Some(url), Some(field)) = (url, CERTIFICATES.iter().find_map(|key| section.field(key)))
        && url.start().starts_with("http://")
    {
        field.problem("has no effect with http://, where nothing is encrypted: write https:// in url");
    }
    if let (Some(field), Some(Method::Get)) = (section.field("graphql"), section.choice("method")) {
        field.problem("is sent by POST: remove `method`, or write POST there");
    }
}

fn timeouts(section: &Section<'_>) -> ApiTimeouts {
    let seconds = |name| section.whole(name).map(Duration::from_secs);
    ApiTimeouts {
        idle: seconds("idle_seconds"),
        answer: seconds("answer_seconds"),
        ready: seconds("ready_seconds"),
        total: seconds("total_seconds"),
    }
}

/// Reads [`IDENTITY_KEYS`] of a section that has an address elsewhere.
pub(in crate::config::source) fn read_identity(section: &Section<'_>) -> Option<ApiSource> {
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
