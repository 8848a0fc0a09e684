//! The errors of an API source. Each is a sentence that names the URL without its query, with a code and a
//! [next step](next_step).

use std::time::Duration;

use elt_shared::explained::{Code, Explained};
use reqwest::StatusCode;

use crate::error::PipelineError;
use crate::humanize::size;

mod next_step;

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
