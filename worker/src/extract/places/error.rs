//! The errors of a place of files. Each is a sentence that names the place or the file, with a next step.

use std::borrow::Cow;
use std::time::Duration;

use elt_shared::explained::{Code, Explained};

use crate::error::PipelineError;
use crate::humanize::size;
use crate::input::nameable;

/// Result of a step of a place.
pub(in crate::extract) type Result<T, E = StoreError> = std::result::Result<T, E>;

/// The reason why a place failed. `place` is the place without a path, and `name` a path in it, both as people see them:
/// without keys, signatures and queries.
#[derive(Debug, thiserror::Error)]
pub(in crate::extract) enum StoreError {
    #[error("{place} may not be called: {reason}")]
    Refused { place: String, reason: String },
    #[error("{place} could not be reached: {reason}")]
    Unreachable { place: String, reason: String },
    #[error("{place} {what} {} s", .after.as_secs_f32())]
    Silent { place: String, what: &'static str, after: Duration },
    #[error("the connection to {place} broke: {reason}")]
    Lost { place: String, reason: String },
    /// The server answers, but not now.
    #[error("{place} cannot answer now: {reason}")]
    Busy { place: String, reason: String, retry_after: Option<Duration> },
    /// The server answers that something went wrong, which may be the request's own fault.
    #[error("{place} failed: {reason}")]
    Failing { place: String, reason: String },
    #[error("{place} did not let elt in: {reason}")]
    Login { place: String, reason: String, next_step: Cow<'static, str> },
    #[error("there is no {name}")]
    Missing { name: String },
    #[error("{name} may not be read: {reason}")]
    Forbidden { name: String, reason: String, next_step: Cow<'static, str> },
    #[error("{name} cannot be read: {reason}")]
    Unreadable { name: String, reason: String },
    #[error("{name} is not a valid glob pattern: {reason}")]
    BadGlob { name: String, reason: String },
    #[error("{name} {what}, more than the {limit} elt takes from one source")]
    TooMuch { name: String, what: String, limit: String },
    #[error("{name} changed while it was read")]
    Changed { name: String },
    /// Anything else that a server answers, or that keeps a source from being used as it is written.
    #[error("{message}")]
    Other { message: String, code: Code, next_step: Cow<'static, str> },
    #[error("{place} took longer than {} s with all its files and attempts", .after.as_secs_f32())]
    Deadline { place: String, after: Duration },
    #[error("could not {doing}")]
    Spool { doing: String, source: std::io::Error },
    #[error("{error} ({attempts} attempts)")]
    GaveUp { error: Box<StoreError>, attempts: u32 },
}

impl StoreError {
    /// A kind of source that is not a place of files.
    pub(super) fn unknown(kind: &str) -> Self {
        Self::Other {
            message: format!("this version of elt cannot read sources of the type {kind}"),
            code: Code::SourceConfig,
            next_step: "Update the workers, or use another source.".into(),
        }
    }

    /// An action that a place does not have.
    pub(super) fn unsupported(name: String, done: &str) -> Self {
        Self::Other {
            message: format!("{name} cannot be {done} there"),
            code: Code::SourceConfig,
            next_step: "Write another `after_load`.".into(),
        }
    }

    pub(in crate::extract) fn too_many(name: &str, entries: usize) -> Self {
        Self::TooMuch { name: name.to_owned(), what: "has too many files".into(), limit: entries.to_string() }
    }

    pub(super) fn too_large(name: &str, bytes: u64, limit: u64) -> Self {
        Self::TooMuch { name: name.to_owned(), what: format!("holds {}", size(bytes)), limit: size(limit) }
    }

    /// Whether another attempt may succeed. A refused login is never tried again, because more attempts lock accounts.
    pub(in crate::extract) fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::Silent { .. }
                | Self::Lost { .. }
                | Self::Busy { .. }
                | Self::Failing { .. }
        )
    }

    /// The wait that the server asked for.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Busy { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// The place that is away: no server answered, the connection broke, or the server cannot answer now, in several attempts.
    fn is_away(&self) -> Option<&str> {
        let Self::GaveUp { error, .. } = self else { return None };
        match &**error {
            Self::Unreachable { place, .. }
            | Self::Silent { place, .. }
            | Self::Lost { place, .. }
            | Self::Busy { place, .. } => Some(place),
            _ => None,
        }
    }

    /// Whether only one file is concerned, so that the others of its folder can be fetched.
    pub(in crate::extract) fn is_of_one_file(&self) -> bool {
        matches!(self, Self::Missing { .. } | Self::Forbidden { .. } | Self::Unreadable { .. })
    }

    /// The reason why one file is left out, for a place that shows its name already.
    pub(in crate::extract) fn reason(&self) -> String {
        match self {
            Self::Missing { .. } => "it is not there any more".into(),
            Self::Forbidden { reason, .. } => format!("it may not be read: {reason}"),
            Self::Unreadable { reason, .. } => format!("it cannot be read: {reason}"),
            Self::BadGlob { reason, .. } => reason.clone(),
            error => error.to_string(),
        }
    }

    fn code(&self) -> Code {
        match self {
            Self::Refused { .. } => Code::SourceRefused,
            Self::Unreachable { .. } | Self::Lost { .. } | Self::Busy { .. } => Code::SourceUnreachable,
            Self::Silent { .. } | Self::Deadline { .. } => Code::SourceTimeout,
            Self::Failing { .. } => Code::HttpStatus,
            Self::Login { .. } => Code::SourceLogin,
            Self::Missing { .. } => Code::SourceMissing,
            Self::Forbidden { .. } | Self::Unreadable { .. } => Code::SourceUnreadable,
            Self::BadGlob { .. } => Code::BadGlob,
            Self::TooMuch { .. } => Code::SourceTooLarge,
            Self::Changed { .. } => Code::SourceChanged,
            Self::Other { code, .. } => *code,
            Self::Spool { .. } => Code::Io,
            Self::GaveUp { error, .. } => error.code(),
        }
    }

    fn next_step(&self) -> Cow<'static, str> {
        match self {
            Self::Refused { .. } => {
                "Ask the operator of the workers for an exception in ELT_NET_ALLOW, or use another host.".into()
            }
            Self::Unreachable { .. } | Self::Lost { .. } | Self::Silent { .. } => {
                "Check the address, that the server is up, and that workers can reach it; then retry the run.".into()
            }
            Self::Busy { .. } => "Wait a while, then retry the run.".into(),
            Self::Failing { .. } => "Look at the server's own status or logs, then retry the run.".into(),
            Self::Deadline { .. } => "Read fewer or smaller files at once, or find out why the server is slow.".into(),
            Self::Login { next_step, .. } | Self::Forbidden { next_step, .. } | Self::Other { next_step, .. } => {
                next_step.clone()
            }
            Self::Missing { .. } => "Check the path in the config.".into(),
            Self::Unreadable { .. } => {
                format!("Name a {}, a folder or a glob, or write its `format`.", nameable()).into()
            }
            Self::BadGlob { .. } => "Correct the pattern: *, ?, [a-z], {a,b} and **/ for folders at any depth.".into(),
            Self::TooMuch { .. } => "Name a folder or glob with less in it, or split the source.".into(),
            Self::Changed { .. } => "Wait until the file is written completely, then retry the run.".into(),
            Self::Spool { .. } => {
                "Check the data folder's permissions and free space on the worker, then retry the run.".into()
            }
            Self::GaveUp { error, .. } => error.next_step(),
        }
    }
}

impl From<StoreError> for PipelineError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Spool { doing, source } => Self::Io { doing, source },
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
