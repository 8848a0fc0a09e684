//! The errors of an API source. Each is a sentence that names the URL without its query, with a next step.

use std::borrow::Cow;
use std::time::Duration;

use elt_shared::explained::{Code, Explained};
use reqwest::StatusCode;

use crate::error::PipelineError;
use crate::humanize::size;

/// Result of a step of an API source.
pub(super) type Result<T, E = HttpError> = std::result::Result<T, E>;

/// The reason why an API source failed. Its URLs have neither query nor user information, where secrets may be.
#[derive(Debug, thiserror::Error)]
pub(in crate::extract) enum HttpError {
    #[error("the url `{url}` of an api source cannot be called: {reason}")]
    BadUrl { url: String, reason: String },
    #[error("the {what} of {url} has a character that an HTTP header cannot carry")]
    BadHeader { url: String, what: String },
    #[error("the `{key}` of {url} cannot be used: {reason}")]
    BadPath { url: String, key: &'static str, reason: String },
    #[error("the certificates for {url} cannot be used: {reason}")]
    BadCertificates { url: String, reason: String },
    #[error("{url} answered with the `Content-Encoding` {encoding}, and elt unpacks gzip and zstd only")]
    Encoding { url: String, encoding: String },
    #[error("{url} may not be called: {reason}")]
    Refused { url: String, reason: String },
    #[error("{url} could not be reached: {reason}")]
    Unreachable { url: String, reason: String },
    #[error("{url} answered {status}{hint}")]
    Status {
        url: String,
        status: StatusCode,
        /// The wait the server asks for.
        retry_after: Option<Duration>,
        /// Whether it means "too many calls": 429, or a 403 that says when to come back.
        limited: bool,
        /// The ways to log in that the answer names (`WWW-Authenticate`).
        challenge: Option<String>,
        hint: &'static str,
    },
    #[error("{url} answered 202 Accepted: what was asked for is not ready yet")]
    NotReady { url: String, retry_after: Option<Duration> },
    #[error("{url} still answered 202 Accepted, \"not ready yet\", after {} s", .after.as_secs_f32())]
    NeverReady { url: String, after: Duration },
    #[error("{url} answered 206 Partial Content: only a part of what was asked for")]
    Partial { url: String },
    #[error("{error} and asks to wait {} s, longer than the {} s elt waits", .asked.as_secs(), .longest.as_secs())]
    LongWait { error: Box<HttpError>, asked: Duration, longest: Duration },
    #[error("{url} {what} {} s", .after.as_secs_f32())]
    Silent { url: String, what: &'static str, after: Duration },
    #[error("{url} was still sending after {} s ({} so far)", .after.as_secs_f32(), size(*.received))]
    TooSlow { url: String, after: Duration, received: u64 },
    #[error("{url} broke off after {}: {reason}", size(*.received))]
    BrokeOff { url: String, received: u64, reason: String },
    #[error("{url} sent more than {}, counted unpacked", size(*.limit))]
    TooLarge { url: String, limit: u64 },
    #[error("{url} did not answer with JSON: {reason}")]
    NotJson { url: String, reason: String },
    #[error("{url} did not answer with rows: {reason}")]
    NoRows { url: String, reason: String },
    #[error("{url} redirected {reason}")]
    Redirect { url: String, reason: String },
    #[error("the next page that {url} names {reason}")]
    BadLink { url: String, reason: String },
    #[error("{url} does not name its next page: {reason}")]
    BadCursor { url: String, reason: String },
    #[error(
        "the next page of {url} cannot be asked for: its address would be {bytes} bytes long, more than the {limit} that can be sent"
    )]
    LongUrl { url: String, bytes: usize, limit: usize },
    #[error(
        "the next page of {url} cannot be asked for: the request's body would be {} long, more than the {} that elt sends",
        size(*.bytes as u64),
        size(*.limit as u64)
    )]
    LongBody { url: String, bytes: usize, limit: usize },
    /// A token endpoint, or a login, that gave no token. `said`: what the server says about it, after a colon.
    #[error("{url} answered {status} and gave no token{said}")]
    TokenRefused { url: String, status: StatusCode, said: String, is_grant: bool },
    #[error("{url} gave no token: its answer {reason}")]
    TokenAnswer { url: String, reason: String },
    #[error("the refresh token of {url} cannot be used: {reason}")]
    TokenNotKept { url: String, reason: String },
    /// A failure of a login or token endpoint itself. It is not about the request that needed the token, so that its status
    /// is not taken for that request's.
    #[error("{error}")]
    NoLogin { error: Box<HttpError> },
    /// The control database failed before a token endpoint was asked.
    #[error("could not look up the tokens of {url}")]
    Control { url: String, source: sqlx::Error },
    #[error("the `private_key` for {url} cannot sign: {reason}")]
    BadSigningKey { url: String, reason: String },
    #[error("there is nothing at {path} in the answer of {url}")]
    NothingThere {
        url: String,
        path: String,
        /// Whether pages before had rows there.
        after_rows: bool,
    },
    #[error("{url} answered with an error: its member `{member}` reports one, and there are no rows")]
    SaysError { url: String, member: String },
    #[error("{url} answered with GraphQL errors, first: {message}")]
    GraphQl {
        url: String,
        message: String,
        /// Whether the same request may succeed a moment later.
        is_transient: bool,
        /// Whether it means "too many calls", as the status 429 does.
        limited: bool,
    },
    #[error("{url} answered with a part of the rows: its member `{member}` reports an error")]
    SaysErrorInPart { url: String, member: String },
    /// A status that may be the API's way to say that a page is past the last one.
    #[error("{error}, after pages with rows")]
    PastLast { error: Box<HttpError>, status: StatusCode },
    #[error("the rows of {url} cannot get the column {column:?} of `include`: a row has a member of this name")]
    NameTaken { url: String, column: String },
    /// A status of a page that the answer before names as the next one.
    #[error("{error}, although the page before names it as the next one")]
    NamedPage { error: Box<HttpError> },
    #[error("{url} would be read for ever: {reason}")]
    Endless { url: String, reason: String, next_step: &'static str },
    #[error("{url} took longer than {} s with all its pages and attempts", .after.as_secs_f32())]
    Deadline { url: String, after: Duration },
    #[error("could not {doing}")]
    Spool { doing: String, source: std::io::Error },
    /// The failure of the requests for one value of `for_each`. The value itself is not named, because it is from a row.
    #[error("{error}, for {place}, one of {of} values of `for_each`")]
    Parent {
        error: Box<HttpError>,
        place: String,
        of: u64,
        /// The key of `for_each` with which such a value is skipped. `None`: it never is.
        skipped_by: Option<&'static str>,
    },
    #[error("{error} ({attempts} attempts)")]
    GaveUp { error: Box<HttpError>, attempts: u32 },
}

impl HttpError {
    /// Whether the same request can succeed a moment later.
    pub(in crate::extract) fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Silent { .. } | Self::TooSlow { .. } | Self::BrokeOff { .. } => true,
            Self::Status { status, limited, .. } => {
                *limited || status.is_server_error() || matches!(status.as_u16(), 408 | 425)
            }
            Self::GraphQl { is_transient, .. } => *is_transient,
            _ => false,
        }
    }

    /// The same error, about another URL as people see it.
    pub(super) fn at(mut self, shown: &str) -> Self {
        self.set_url(shown);
        self
    }

    fn set_url(&mut self, shown: &str) {
        match self {
            Self::BadUrl { url, .. }
            | Self::BadHeader { url, .. }
            | Self::BadPath { url, .. }
            | Self::Refused { url, .. }
            | Self::Unreachable { url, .. }
            | Self::Status { url, .. }
            | Self::NotReady { url, .. }
            | Self::NeverReady { url, .. }
            | Self::Partial { url }
            | Self::Silent { url, .. }
            | Self::TooSlow { url, .. }
            | Self::BrokeOff { url, .. }
            | Self::TooLarge { url, .. }
            | Self::NotJson { url, .. }
            | Self::NoRows { url, .. }
            | Self::Redirect { url, .. }
            | Self::BadLink { url, .. }
            | Self::BadCursor { url, .. }
            | Self::LongUrl { url, .. }
            | Self::LongBody { url, .. }
            | Self::NothingThere { url, .. }
            | Self::SaysError { url, .. }
            | Self::SaysErrorInPart { url, .. }
            | Self::GraphQl { url, .. }
            | Self::BadCertificates { url, .. }
            | Self::Encoding { url, .. }
            | Self::NameTaken { url, .. }
            | Self::Endless { url, .. }
            | Self::Deadline { url, .. } => shown.clone_into(url),
            Self::LongWait { error, .. }
            | Self::PastLast { error, .. }
            | Self::Parent { error, .. }
            | Self::NamedPage { error }
            | Self::GaveUp { error, .. } => error.set_url(shown),
            // Tokens come from a URL of their own.
            Self::NoLogin { .. }
            | Self::TokenRefused { .. }
            | Self::TokenAnswer { .. }
            | Self::TokenNotKept { .. }
            | Self::Control { .. }
            | Self::BadSigningKey { .. }
            | Self::Spool { .. } => {}
        }
    }

    /// The URL that is away: no server answered in several attempts, or a server answered that it cannot answer now. `None`:
    /// the failure may be the request's own, such as a status 500 or an answer that takes too long.
    fn is_away(&self) -> Option<&str> {
        let error = match self {
            Self::GaveUp { error, .. } => error,
            Self::Parent { error, .. } | Self::NoLogin { error } => return error.is_away(),
            _ => return None,
        };
        match &**error {
            Self::Unreachable { url, .. } | Self::Silent { url, .. } | Self::GraphQl { url, limited: true, .. } => {
                Some(url)
            }
            Self::Status { url, status, limited, .. } => {
                (*limited || matches!(status.as_u16(), 502..=504)).then_some(url.as_str())
            }
            _ => None,
        }
    }

    /// The wait the server asked for.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } | Self::NotReady { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    pub(in crate::extract) fn code(&self) -> Code {
        match self {
            Self::BadUrl { .. }
            | Self::BadHeader { .. }
            | Self::BadPath { .. }
            | Self::BadSigningKey { .. }
            | Self::BadCertificates { .. } => Code::SourceConfig,
            Self::TokenRefused { .. } => Code::HttpTokenRefused,
            Self::TokenAnswer { .. } => Code::HttpTokenAnswer,
            Self::TokenNotKept { .. } => Code::HttpTokenNotKept,
            Self::Refused { .. } => Code::SourceRefused,
            Self::Unreachable { .. } => Code::SourceUnreachable,
            Self::Status { limited: true, .. } | Self::Partial { .. } => Code::HttpStatus,
            Self::Status { status, .. } => match status.as_u16() {
                401 | 403 | 407 => Code::SourceLogin,
                404 | 410 => Code::SourceMissing,
                _ => Code::HttpStatus,
            },
            Self::Silent { .. } | Self::TooSlow { .. } | Self::Deadline { .. } => Code::SourceTimeout,
            Self::NotReady { .. } | Self::NeverReady { .. } => Code::HttpNotReady,
            Self::BadLink { .. } | Self::BadCursor { .. } | Self::LongUrl { .. } | Self::LongBody { .. } => {
                Code::HttpNextPage
            }
            Self::BrokeOff { .. } => Code::HttpTruncated,
            Self::TooLarge { .. } => Code::HttpTooLarge,
            Self::NotJson { .. } | Self::Encoding { .. } => Code::HttpNotJson,
            Self::Redirect { .. } => Code::HttpRedirect,
            Self::NoRows { .. } | Self::NothingThere { .. } => Code::RecordsMissing,
            Self::SaysError { .. } | Self::SaysErrorInPart { .. } | Self::GraphQl { .. } => Code::HttpErrorAnswer,
            Self::Endless { .. } => Code::HttpEndless,
            Self::NameTaken { .. } => Code::IncludeNameTaken,
            Self::Spool { .. } => Code::Io,
            Self::Control { .. } => Code::ControlDatabase,
            Self::LongWait { error, .. }
            | Self::GaveUp { error, .. }
            | Self::PastLast { error, .. }
            | Self::Parent { error, .. }
            | Self::NoLogin { error }
            | Self::NamedPage { error } => error.code(),
        }
    }

    pub(in crate::extract) fn next_step(&self) -> Cow<'static, str> {
        match self {
            Self::PastLast { error, status } => format!(
                "If this is how the API says that there are no more pages, write `end_status: [{}]` in `pagination`. \
                 Otherwise: {}",
                status.as_u16(),
                error.next_step()
            )
            .into(),
            Self::GaveUp { error, .. } | Self::NoLogin { error } | Self::Parent { error, skipped_by: None, .. } => {
                error.next_step()
            }
            Self::Parent { error, skipped_by: Some(key), .. } => format!(
                "{} To load the rows of the other values all the same, write `{key}: skip` in `for_each`.",
                error.next_step()
            )
            .into(),
            _ => self.fixed_next_step().into(),
        }
    }

    fn fixed_next_step(&self) -> &'static str {
        match self {
            Self::BadUrl { .. } | Self::BadHeader { .. } => "Correct the source in the config.",
            Self::BadSigningKey { .. } => "Correct `private_key` or `algorithm` of the source's `auth`.",
            Self::TokenRefused { is_grant: true, .. } => {
                "The refresh token, password or signed claims are not accepted. A refresh token may have been used or \
                 withdrawn: get a new one from the server and write it as `refresh_token`. Then retry the run."
            }
            Self::TokenRefused { .. } => {
                "Check what `auth` of the source sends: `client_id`, `client_secret`, `client_auth` and `scopes`, or the \
                 body of the login. Then retry the run."
            }
            Self::Control { .. } => "Check that the control database is reachable, then retry the run.",
            Self::TokenAnswer { .. } => {
                "Check `token_url`, or `url` and `token_path` of the login, against the API's documentation."
            }
            Self::TokenNotKept { .. } => {
                "Check the control database and `elt keys show`, then retry the run. If the refresh token is refused \
                 then, get a new one from the server and write it as `refresh_token`."
            }
            Self::BadCertificates { .. } => {
                "Store the right texts in PEM form as the secrets of `ca_certificate`, `client_certificate` and `client_key`."
            }
            Self::Encoding { .. } => {
                "Take an `Accept-Encoding` header out of `headers`, or ask the API for plain answers."
            }
            Self::BadPath { .. } => "Write a path like `$.data.items[*]`.",
            Self::Refused { .. } => {
                "Ask the people who run the workers for an exception in ELT_NET_ALLOW, or use another host."
            }
            Self::Unreachable { .. } => {
                "Check the URL, that the server is up, and that workers can reach it; then retry the run."
            }
            Self::Status { limited: true, .. } | Self::GraphQl { limited: true, .. } => {
                "Wait until the API accepts calls again, or call it less often; then retry the run."
            }
            Self::Status { status, .. } => match status.as_u16() {
                407 => "Ask the people who run the workers to check `ELT_HTTP_PROXY`.",
                401 | 403 => "Check `auth_token` and `auth_scheme`, or `auth`, and what the token may read.",
                404 | 410 => "Check the `url`.",
                400..=499 => "Check `url`, `params` and `headers` against the API's documentation.",
                _ => "Look at the API's own status or logs, then retry the run.",
            },
            Self::LongWait { .. } => "Retry the run after that time.",
            Self::Silent { .. } | Self::TooSlow { .. } | Self::Deadline { .. } => {
                "Ask the API for less at once (`pagination`, `params`), find out why it is slow, or raise `idle_seconds`, \
                 `answer_seconds` or `total_seconds` of the source; then retry the run."
            }
            Self::BrokeOff { .. } => "Find out what cuts the answer short (the API, a proxy), then retry the run.",
            Self::TooLarge { .. } => "Ask for smaller pages with `pagination`.",
            Self::NotJson { .. } => {
                "Open the URL with the same token: it must answer with JSON, not with a web or login page."
            }
            Self::Redirect { .. } => "Write the final address in `url`.",
            Self::NothingThere { after_rows: true, .. } => {
                "Look at what the API answers there, which may be an error: the pages before had rows at that path. Then retry \
                 the run."
            }
            Self::NamedPage { .. } => {
                "Retry the run, because a cursor may have expired. If the API's last page always names one that is not there, \
                 say where the pages end: `has_more_path` or `end_value` in `pagination`."
            }
            Self::NoRows { .. } | Self::NothingThere { .. } => "Correct `records` to where the rows are in the answer.",
            Self::Endless { next_step, .. } => next_step,
            Self::NameTaken { .. } => "Give the column in `include` or `include_headers` another name.",
            Self::SaysError { .. } => {
                "Look at what the API answers there. Retry the run once it answers with rows, or correct `records` if the \
                 rows are elsewhere."
            }
            Self::GraphQl { .. } => {
                "Correct `query` and `variables`, or what the token may read; if the API was busy, retry the run."
            }
            Self::SaysErrorInPart { .. } => {
                "Look at what the API answers to the query, and correct it. Retry the run once there is no error."
            }
            Self::NotReady { .. } | Self::NeverReady { .. } => {
                "Retry the run once the API has made the data, or raise `ready_seconds` of the source if that takes longer."
            }
            Self::Partial { .. } => "Take a `Range` header out of `headers`, or ask the API for whole answers.",
            Self::BadLink { .. } => "Check `pagination`, and what the API answers there.",
            Self::BadCursor { .. } => {
                "Correct `pagination.cursor_path` so that it leads to the next page's cursor or link itself."
            }
            Self::LongUrl { .. } | Self::LongBody { .. } => {
                "Ask the API for smaller cursors, or for pages by number, with `pagination`."
            }
            Self::Spool { .. } => {
                "Check the data folder's permissions and free space on the worker, then retry the run."
            }
            Self::GaveUp { error, .. }
            | Self::PastLast { error, .. }
            | Self::Parent { error, .. }
            | Self::NoLogin { error } => error.fixed_next_step(),
        }
    }
}

impl From<HttpError> for PipelineError {
    fn from(error: HttpError) -> Self {
        match error {
            HttpError::Spool { doing, source } => Self::Io { doing, source },
            HttpError::Control { source, .. } => Self::Control { doing: "look up the tokens of a source", source },
            error => {
                let problem = Explained {
                    code: error.code(),
                    message: error.to_string(),
                    next_step: error.next_step().into_owned(),
                };
                Self::of_source(problem, error.is_away())
            }
        }
    }
}
