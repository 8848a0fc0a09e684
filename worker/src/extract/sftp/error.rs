//! The errors of an SFTP source. Each is a sentence that names the server or the file, with a next step.

use std::time::Duration;

use elt_shared::explained::{Code, Explained};

use crate::error::PipelineError;
use crate::humanize::size;

/// Result of a step of an SFTP source.
pub(super) type Result<T, E = SftpError> = std::result::Result<T, E>;

/// The reason why an SFTP source failed. `server` is `sftp://host:port`, `name` that and the path.
#[derive(Debug, thiserror::Error)]
pub(super) enum SftpError {
    #[error("{server} may not be called: {reason}")]
    Refused { server: String, reason: String },
    #[error("{server} could not be reached: {reason}")]
    Unreachable { server: String, reason: String },
    #[error("{server} {what} {} s", .after.as_secs_f32())]
    Silent { server: String, what: &'static str, after: Duration },
    #[error("the connection to {server} broke: {reason}")]
    Lost { server: String, reason: String },
    #[error("{server} is not an SSH server that elt can talk to: {reason}")]
    Protocol { server: String, reason: String },
    #[error("{server} has no host key of a kind elt can check")]
    NoCommonKey { server: String },
    #[error("the host key of {server} is not known: {algorithm} {fingerprint}")]
    HostKeyUnknown { server: String, algorithm: String, fingerprint: String },
    #[error("the host key of {server} has changed: expected {expected}, but it shows {algorithm} {fingerprint}")]
    HostKeyChanged { server: String, expected: String, algorithm: String, fingerprint: String },
    #[error("{server} shows no certificate that `host_ca` vouches for: {reason}")]
    HostCertificate { server: String, reason: String },
    #[error("the {what} for {server} cannot be used: {reason}")]
    BadKey { server: String, what: &'static str, reason: String },
    #[error("the login at {server} wants an SSH agent, and this worker may not use one")]
    NoAgent { server: String },
    #[error("the SSH agent for {server} cannot be used: {reason}")]
    BadAgent { server: String, reason: String },
    #[error("{server} did not accept the login of {user:?} with its {with}{offers}")]
    Login { server: String, user: String, with: String, offers: String },
    #[error("{server} asks {user:?} for more than the password: {question:?}")]
    AsksMore { server: String, user: String, question: String },
    #[error("{jump} let {user:?} in, but does not connect to {server}: {reason}")]
    NoWay { jump: String, user: String, server: String, reason: String },
    #[error("{server} let {user:?} in, but does not offer SFTP: {reason}")]
    NoSftp { server: String, user: String, reason: String },
    #[error("there is no {name}")]
    Missing { name: String },
    #[error("{name} may not be read by {user:?}")]
    Forbidden { name: String, user: String },
    #[error("{name} may be listed by {user:?}, but not entered")]
    NotEnterable { name: String, user: String },
    #[error("{name} cannot be read: {reason}")]
    Unreadable { name: String, reason: String },
    #[error("{name} is not a valid glob pattern: {reason}")]
    BadGlob { name: String, reason: String },
    #[error("{name} {what}, more than the {limit} elt takes from one source")]
    TooMuch { name: String, what: String, limit: String },
    #[error("{name} changed while it was read")]
    Changed { name: String },
    #[error("{server} took longer than {} s with all its files and attempts", .after.as_secs_f32())]
    Deadline { server: String, after: Duration },
    #[error("could not {doing}")]
    Spool { doing: String, source: std::io::Error },
    #[error("could not look up known host keys")]
    Control(#[source] sqlx::Error),
    #[error("{error} ({attempts} attempts)")]
    GaveUp { error: Box<SftpError>, attempts: u32 },
}

impl SftpError {
    /// Whether a new connection may succeed. A refused login is never tried again, because more attempts lock accounts.
    pub(super) fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Silent { .. } | Self::Lost { .. })
    }

    /// The server that is away: it did not answer, or the connection broke, in several attempts.
    fn is_away(&self) -> Option<&str> {
        let Self::GaveUp { error, .. } = self else { return None };
        match &**error {
            Self::Unreachable { server, .. } | Self::Silent { server, .. } | Self::Lost { server, .. } => Some(server),
            _ => None,
        }
    }

    /// Whether only one file is concerned, so that the others of its folder can be fetched.
    pub(super) fn is_of_one_file(&self) -> bool {
        matches!(
            self,
            Self::Missing { .. } | Self::Forbidden { .. } | Self::NotEnterable { .. } | Self::Unreadable { .. }
        )
    }

    /// The reason why one file or folder is left out, for a place that shows its name already.
    pub(super) fn reason(&self) -> String {
        match self {
            Self::Missing { .. } => "it is not there; a link may lead nowhere".into(),
            Self::Forbidden { user, .. } => format!("it may not be read by {user:?}"),
            Self::NotEnterable { .. } => "this account may not enter it, so its files cannot be seen".into(),
            Self::Unreadable { reason, .. } => format!("it cannot be read: {reason}"),
            error => error.to_string(),
        }
    }

    pub(super) fn too_many(name: &str, entries: usize) -> Self {
        Self::TooMuch { name: name.to_owned(), what: "has too many entries".into(), limit: entries.to_string() }
    }

    pub(super) fn too_large(name: &str, bytes: u64, limit: u64) -> Self {
        Self::TooMuch { name: name.to_owned(), what: format!("holds {}", size(bytes)), limit: size(limit) }
    }

    fn code(&self) -> Code {
        match self {
            Self::Refused { .. } => Code::SourceRefused,
            Self::Unreachable { .. } | Self::Lost { .. } => Code::SourceUnreachable,
            Self::Silent { .. } | Self::Deadline { .. } => Code::SourceTimeout,
            Self::Protocol { .. } | Self::NoCommonKey { .. } | Self::NoSftp { .. } => Code::SftpProtocol,
            Self::HostKeyUnknown { .. } | Self::HostCertificate { .. } => Code::HostKeyUnknown,
            Self::HostKeyChanged { .. } => Code::HostKeyChanged,
            Self::NoWay { .. } => Code::SourceUnreachable,
            Self::BadKey { .. }
            | Self::NoAgent { .. }
            | Self::BadAgent { .. }
            | Self::Login { .. }
            | Self::AsksMore { .. } => Code::SourceLogin,
            Self::Missing { .. } => Code::SourceMissing,
            Self::Forbidden { .. } | Self::NotEnterable { .. } | Self::Unreadable { .. } => Code::SourceUnreadable,
            Self::BadGlob { .. } => Code::BadGlob,
            Self::TooMuch { .. } => Code::SourceTooLarge,
            Self::Changed { .. } => Code::SourceChanged,
            Self::Spool { .. } => Code::Io,
            Self::Control(_) => Code::ControlDatabase,
            Self::GaveUp { error, .. } => error.code(),
        }
    }

    fn next_step(&self) -> &'static str {
        match self {
            Self::Refused { .. } => {
                "Ask the operator of the workers for an exception in ELT_NET_ALLOW, or use another host."
            }
            Self::Unreachable { .. } | Self::Lost { .. } | Self::Silent { .. } => {
                "Check host and port, that the server is up, and that workers can reach it; then retry the run."
            }
            Self::Deadline { .. } => "Read fewer or smaller files at once, or find out why the server is slow.",
            Self::Protocol { .. } | Self::NoCommonKey { .. } => {
                "Check that host and port are an SSH server's, and which algorithms it allows."
            }
            Self::NoSftp { .. } => "Ask the server's admin to enable the SFTP subsystem for this account.",
            Self::HostKeyUnknown { .. } => {
                "Compare the fingerprint with the server's admin; then press Trust on the dashboard's page Workers, or write it \
                 as `host_key:`."
            }
            Self::HostKeyChanged { .. } => {
                "Ask the server's admin whether the key was changed. If so, press Trust for the new key on the \
                 dashboard's page Workers, or write its fingerprint as `host_key:`; if not, somebody may be listening in."
            }
            Self::HostCertificate { .. } => {
                "Ask the server's admin for a host certificate of that authority with this host's name in it, or correct \
                 `host_ca`. A key that is not signed is trusted by `host_key:` or `trust:` in its place."
            }
            Self::BadKey { what: "certificate", .. } => {
                "Give the OpenSSH certificate that belongs to the key (or its file's path), signed anew when it has expired."
            }
            Self::BadKey { .. } => {
                "Give an OpenSSH or PEM private key (or its file's path), and `passphrase` when it is encrypted."
            }
            Self::NoAgent { .. } => {
                "Write `private_key` or `password`; or the operator starts the worker with ELT_SSH_AGENT=$SSH_AUTH_SOCK, which \
                 lets every config log in with the agent's keys."
            }
            Self::BadAgent { .. } => {
                "Check on the worker's machine with `ssh-add -l` that the agent runs and holds the key, and that the worker's \
                 account may use its socket."
            }
            Self::AsksMore { .. } => {
                "A run cannot answer this. Ask the server's admin for an account without a second factor, or whether the \
                 password has expired."
            }
            Self::NoWay { .. } => {
                "Check host and port of the source, which the jump host looks up, and that the jump host may forward \
                 connections to it (AllowTcpForwarding, PermitOpen)."
            }
            Self::Login { .. } => {
                "Check `username` and `password` or `private_key`; elt did not try again, so that no account is locked."
            }
            Self::Missing { .. } => "Check the path on the server; relative paths start at the account's home folder.",
            Self::Forbidden { .. } => "Ask the server's admin to let this account read it.",
            Self::NotEnterable { .. } => {
                "Ask the server's admin to let this account enter the folder; its execute permission (x) is missing."
            }
            Self::Unreadable { .. } => {
                "Name a file whose suffix elt reads, a folder or a glob, or write in `format:` what the files hold."
            }
            Self::BadGlob { .. } => "Correct the pattern: *, ?, [a-z], {a,b} and **/ for folders at any depth.",
            Self::TooMuch { .. } => "Name a folder or glob with less in it, or split the source.",
            Self::Changed { .. } => "Wait until the file is written completely, then retry the run.",
            Self::Spool { .. } => {
                "Check the data folder's permissions and free space on the worker, then retry the run."
            }
            Self::Control(_) => "Check that the control database is reachable, then retry the run.",
            Self::GaveUp { error, .. } => error.next_step(),
        }
    }
}

impl From<SftpError> for PipelineError {
    fn from(error: SftpError) -> Self {
        match error {
            SftpError::Spool { doing, source } => Self::Io { doing, source },
            SftpError::Control(source) => Self::Control { doing: "look up known host keys", source },
            error => {
                let problem = Explained {
                    code: error.code(),
                    message: error.to_string(),
                    next_step: error.next_step().to_owned(),
                };
                Self::of_source(problem, error.is_away())
            }
        }
    }
}
