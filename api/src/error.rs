//! Failures of requests, and the RFC 9457 problem documents about them, with a code and a next step.

use axum::extract::multipart::{MultipartError, MultipartRejection};
use axum::extract::rejection::{
    BytesRejection, FormRejection, JsonRejection, PathRejection, QueryRejection, StringRejection,
};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use elt_shared::collision::gave_way;
use elt_shared::config::{ConfigError, ConfigProblem, Warning};
use elt_shared::explained::{Code, Explained, sentence};
use elt_shared::secret::OpenError;
use elt_shared::store::audit::OtherKey;
use elt_shared::store::secret_keys::DroppedKey;
use elt_shared::{redaction, store};
use serde::Serialize;
use utoipa::ToSchema;

use crate::collision::GAVE_WAY;
use crate::metrics::RefusedToken;
use crate::pool::{ALL_BUSY, NoConnection};
use crate::request_words::{about_content, about_path};

/// Result of a handler.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The media type of every error.
pub const PROBLEM: &str = "application/problem+json";

const SEE_DOCS: &str = "The API documentation at /docs says what this address takes.";

/// Seconds a caller should wait while the database is away.
const DATABASE_RETRY_SECONDS: u64 = 5;
/// Seconds a caller should wait after its change gave way to another one.
const COLLISION_RETRY_SECONDS: u64 = 1;

/// Why a request was not answered as asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request is refused with a status and a code of its own.
    #[error("{problem}")]
    Refused {
        /// One of the statuses that the catalog lists for the code.
        status: StatusCode,
        /// What happened, and what to do about it.
        problem: Explained,
        /// Seconds after which the request may be sent again; `None` when waiting does not help.
        retry_after: Option<u64>,
    },
    /// The YAML sent is not a config, or one that cannot run.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A token is missing, or does not count.
    #[error("{0}")]
    Unauthorized(&'static str),
    /// An API token that does not count.
    #[error("{}", .0.as_sentence())]
    TokenRefused(RefusedToken),
    /// The caller's role may not do this.
    #[error("this needs the role {0}")]
    Forbidden(&'static str),
    /// There is no such thing.
    #[error("there is no {0}")]
    NotFound(String),
    /// Too much in too short a time.
    #[error("too many attempts; wait {retry_after} seconds")]
    TooMany {
        /// Seconds after which the request may be sent again: the header `Retry-After`.
        retry_after: u64,
    },
    /// An API token sent more requests than it may.
    #[error("the API token has sent too many requests; wait {retry_after} seconds")]
    TooManyRequests {
        /// Seconds after which the request may be sent again: the header `Retry-After`.
        retry_after: u64,
    },
    /// The pool gave no connection to the control database in time. [`crate::pool::layer`] finds the reason.
    #[error("could not get a connection to the database in time")]
    NoConnection,
    /// The transaction gave way to another one, and nothing of it was committed.
    #[error("{GAVE_WAY}")]
    GaveWay,
    /// Something we depend on is away for the moment.
    #[error("{0}")]
    Unavailable(&'static str),
    /// A bug, or a machine in trouble. The caller learns nothing about it.
    #[error("{doing}")]
    Internal {
        /// What the API was doing: `sign a token`.
        doing: &'static str,
        /// Why it failed.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Error {
    /// A request that cannot be acted on: 400.
    pub fn bad_request(code: Code, detail: impl Into<String>, next_step: &str) -> Self {
        Self::refused(StatusCode::BAD_REQUEST, code, detail, next_step)
    }

    /// A parameter that cannot be read: 400.
    pub fn invalid_query(detail: impl Into<String>) -> Self {
        Self::bad_request(Code::InvalidQuery, detail, SEE_DOCS)
    }

    /// A request without the file it is about: 400, in the words its first clients know.
    pub fn no_file(detail: &str) -> Self {
        Self::bad_request(Code::NoFile, detail, "Send the YAML in the form field `file`, or as the body itself.")
    }

    /// A request that things as they are do not allow: 409.
    pub fn conflict(code: Code, detail: impl Into<String>, next_step: &str) -> Self {
        Self::refused(StatusCode::CONFLICT, code, detail, next_step)
    }

    /// A request that is well-formed and still wrong: 422.
    pub fn unprocessable(code: Code, detail: impl Into<String>) -> Self {
        Self::refused(StatusCode::UNPROCESSABLE_ENTITY, code, detail, "Correct it and send it again.")
    }

    /// A request that is refused with a status of its own.
    pub fn refused(status: StatusCode, code: Code, detail: impl Into<String>, next_step: &str) -> Self {
        Self::Refused { status, problem: Explained::new(code, detail, next_step), retry_after: None }
    }

    /// A caller, or all callers together, hold as much of something as they may: 403, 429 or 503. `retry_after` counts
    /// seconds; `None`: waiting does not help.
    pub fn limit(status: StatusCode, problem: Explained, retry_after: Option<u64>) -> Self {
        Self::Refused { status, problem, retry_after }
    }

    /// The control database cannot be written to: 503.
    pub fn read_only(detail: &'static str) -> Self {
        tracing::warn!("{detail}");
        let next_step = "Promote the standby, name the primary server in DATABASE_URL, or turn \
                         default_transaction_read_only off. Then send the request again.";
        let problem = Explained::new(Code::DatabaseReadOnly, detail, next_step);
        Self::limit(StatusCode::SERVICE_UNAVAILABLE, problem, Some(DATABASE_RETRY_SECONDS))
    }

    /// A failure that is not the client's fault. `doing` says what failed, for the log; the client learns nothing of it.
    pub fn internal(doing: &'static str, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal { doing, source: source.into() }
    }

    /// The whole map to HTTP.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Refused { status, .. } => *status,
            Self::Config(_) => StatusCode::BAD_REQUEST,
            Self::Unauthorized(_) | Self::TokenRefused(_) => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::TooMany { .. } | Self::TooManyRequests { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::GaveWay | Self::NoConnection | Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal { .. } => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The code of the answer.
    pub fn code(&self) -> Code {
        match self {
            Self::Refused { problem, .. } => problem.code,
            Self::Config(ConfigError::Syntax(_)) => Code::InvalidYaml,
            Self::Config(ConfigError::NotRunnable(_)) => Code::NotRunnable,
            Self::Config(ConfigError::Secret { refusal, .. }) => refusal.code(),
            other => code_of(other.status()),
        }
    }

    fn next_step(&self) -> Option<String> {
        match self {
            Self::Refused { problem, .. } => Some(problem.next_step.clone()),
            Self::Config(ConfigError::Secret { refusal, .. }) => Some(refusal.next_step().into()),
            Self::Config(_) => Some("Correct the YAML at the place named and send it again.".into()),
            Self::TokenRefused(reason) => Some(reason.next_step().into()),
            other => next_step_of(other.status()),
        }
    }

    fn retry_after(&self) -> Option<u64> {
        match self {
            Self::TooMany { retry_after } | Self::TooManyRequests { retry_after } => Some(*retry_after),
            Self::Refused { retry_after, .. } => *retry_after,
            Self::GaveWay => Some(COLLISION_RETRY_SECONDS),
            Self::NoConnection | Self::Unavailable(_) => Some(DATABASE_RETRY_SECONDS),
            _ => None,
        }
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        if matches!(error, sqlx::Error::PoolTimedOut) {
            return Self::NoConnection;
        }
        if let Some(refusal) = refused_key(&error) {
            return refusal;
        }
        let code = error.as_database_error().and_then(|database| database.code()).unwrap_or_default().into_owned();
        match code.as_str() {
            _ if is_unstorable(&error) => Self::unprocessable(
                Code::UnstorableValue,
                "a value cannot be stored: it contains a NUL character, or a date that is out of range",
            ),
            // A number out of range is the client's mistake, because elt's own numbers fit their columns.
            "22003" => Self::invalid_query("a number in the request is out of range"),
            "53300" => Self::Unavailable(ALL_BUSY),
            _ if store::is_read_only(&error) => Self::read_only("the control database is read-only at the moment"),
            _ if gave_way(&error) => Self::GaveWay,
            _ if store::is_over_limit(&error) || store::is_away(&error) => {
                tracing::warn!(error = %error, "the control database is away");
                Self::Unavailable("the database is away for the moment")
            }
            _ => Self::internal("ask the control database", error),
        }
    }
}

/// The refusal of a secret key with which this process may not seal or sign anything.
pub fn refused_key(error: &sqlx::Error) -> Option<Error> {
    let (status, problem) = match error {
        sqlx::Error::Configuration(reason) if reason.is::<OtherKey>() => {
            const NEXT_STEP: &str = "Start the server again with the keys of the installation. Nothing was changed.";
            let problem = Explained::new(Code::WrongSecretKey, reason.to_string(), NEXT_STEP);
            (StatusCode::INTERNAL_SERVER_ERROR, problem)
        }
        error => {
            let problem = Explained::new(DroppedKey::CODE, DroppedKey::of(error)?, DroppedKey::NEXT_STEP);
            (StatusCode::SERVICE_UNAVAILABLE, problem)
        }
    };
    tracing::error!(code = problem.code.as_str(), "{problem}. {}", problem.next_step);
    Some(Error::Refused { status, problem, retry_after: None })
}

/// Whether PostgreSQL, or its driver, cannot store a value of the request.
fn is_unstorable(error: &sqlx::Error) -> bool {
    match error {
        // The driver cannot encode a date that is out of range.
        sqlx::Error::Encode(_) => true,
        // 22021 and 22P05: a NUL character in a text or in JSON; 22008: a date out of range.
        sqlx::Error::Database(database) => {
            database.code().is_some_and(|code| ["22021", "22P05", "22008"].contains(&code.as_ref()))
        }
        _ => false,
    }
}

impl From<OpenError> for Error {
    fn from(error: OpenError) -> Self {
        tracing::error!(code = error.code().as_str(), "a sealed value does not open: {error}");
        let detail = format!("a sealed value cannot be opened: {error}");
        Self::refused(StatusCode::INTERNAL_SERVER_ERROR, error.code(), detail, error.next_step())
    }
}

impl From<PathRejection> for Error {
    fn from(rejection: PathRejection) -> Self {
        Self::refused(rejection.status(), Code::InvalidPath, about_path(&rejection), SEE_DOCS)
    }
}

macro_rules! from_rejections {
    ($($rejection:ty => $code:expr),+ $(,)?) => {$(
        impl From<$rejection> for Error {
            fn from(rejection: $rejection) -> Self {
                let status = rejection.status();
                let code = if status == StatusCode::PAYLOAD_TOO_LARGE { code_of(status) } else { $code };
                let next_step = next_step_of(status).unwrap_or_else(|| SEE_DOCS.into());
                Self::refused(status, code, about_content(&rejection.body_text()), &next_step)
            }
        }
    )+};
}

from_rejections! {
    JsonRejection => Code::InvalidJson,
    QueryRejection => Code::InvalidQuery,
    FormRejection => Code::InvalidForm,
    BytesRejection => Code::InvalidBody,
    StringRejection => Code::InvalidBody,
    MultipartRejection => Code::InvalidMultipart,
    MultipartError => Code::InvalidMultipart,
}

/// An RFC 9457 problem document, with `error` for clients that look for that member.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Problem {
    /// `about:blank`: the status says what kind of problem it is, the code which one.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The status in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// A sentence about this very request.
    pub detail: String,
    /// The same sentence, where older clients look for it.
    pub error: String,
    /// Stable, to search for and to branch on.
    #[schema(value_type = String)]
    pub code: Code,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_step: Option<String>,
    /// Places in the YAML that was sent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldProblem>,
    /// Path of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// Finds this request's log lines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

/// One place in the YAML that was sent, and what is wrong there.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct FieldProblem {
    /// Key path: `sources[0].type`.
    pub pointer: String,
    /// Line in the config's text, from 1. `null`: the problem has no place.
    pub line: Option<usize>,
    /// Column in that line in characters, from 1.
    pub column: Option<usize>,
    /// What is wrong and what is expected.
    pub message: String,
}

impl From<&ConfigProblem> for FieldProblem {
    fn from(problem: &ConfigProblem) -> Self {
        Self {
            pointer: problem.path.clone(),
            line: problem.line,
            column: problem.column,
            message: redaction::hide(&problem.message).into_owned(),
        }
    }
}

impl From<&Warning> for FieldProblem {
    fn from(warning: &Warning) -> Self {
        Self {
            pointer: warning.path.clone(),
            line: warning.line,
            column: warning.column,
            message: warning.message.clone(),
        }
    }
}

impl Problem {
    fn of(error: &Error) -> Self {
        let status = error.status();
        let detail = match error {
            Error::Internal { .. } => "something went wrong on the server".to_owned(),
            other => redaction::hide(&other.to_string()).into_owned(),
        };
        let errors = match error {
            Error::Config(error) => error.problems().iter().map(Into::into).collect(),
            _ => Vec::new(),
        };
        Self { code: error.code(), next_step: error.next_step(), errors, ..Self::of_status(status, detail) }
    }

    /// The problem of an answer that only has a status.
    pub fn of_status(status: StatusCode, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Error").into(),
            status: status.as_u16(),
            error: detail.clone(),
            detail,
            code: code_of(status),
            next_step: next_step_of(status),
            errors: Vec::new(),
            instance: None,
            request_id: None,
        }
    }
}

/// The answer carries its [`Problem`] as an extension: the outermost layer adds the request's id and writes the body.
impl IntoResponse for Error {
    fn into_response(self) -> Response {
        if let Self::Internal { doing, source } = &self {
            tracing::error!(error = sentence(source.as_ref()), "could not {doing}");
        }
        let mut response = self.status().into_response();
        if let Some(seconds) = self.retry_after() {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if matches!(self, Self::Unauthorized(_) | Self::TokenRefused(_)) {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if matches!(self, Self::NoConnection) {
            response.extensions_mut().insert(NoConnection);
        }
        response.extensions_mut().insert(Problem::of(&self));
        response
    }
}

fn code_of(status: StatusCode) -> Code {
    match status {
        StatusCode::BAD_REQUEST => Code::BadRequest,
        StatusCode::UNAUTHORIZED => Code::Unauthorized,
        StatusCode::FORBIDDEN => Code::Forbidden,
        StatusCode::NOT_FOUND => Code::NotFound,
        StatusCode::METHOD_NOT_ALLOWED => Code::MethodNotAllowed,
        StatusCode::CONFLICT => Code::Conflict,
        StatusCode::PAYLOAD_TOO_LARGE => Code::TooLarge,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Code::UnsupportedMediaType,
        StatusCode::UNPROCESSABLE_ENTITY => Code::Unprocessable,
        StatusCode::TOO_MANY_REQUESTS => Code::TooManyRequests,
        StatusCode::SERVICE_UNAVAILABLE => Code::Unavailable,
        StatusCode::GATEWAY_TIMEOUT => Code::Timeout,
        status if status.is_server_error() => Code::Internal,
        _ => Code::Refused,
    }
}

fn next_step_of(status: StatusCode) -> Option<String> {
    let step = match status {
        StatusCode::UNAUTHORIZED => "Log in with POST /auth/login and send the token as `Authorization: Bearer …`.",
        StatusCode::FORBIDDEN => "Ask an admin.",
        StatusCode::NOT_FOUND => "Check the address; /docs lists what there is.",
        StatusCode::METHOD_NOT_ALLOWED => "Use one of the methods in the `Allow` header.",
        StatusCode::PAYLOAD_TOO_LARGE => "Send less: a config may have 256 KiB.",
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
            "Try again after the time in the `Retry-After` header."
        }
        status if status.is_server_error() => "Look for the request's id in the log.",
        _ => return None,
    };
    Some(step.into())
}
