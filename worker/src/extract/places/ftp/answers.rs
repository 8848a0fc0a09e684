//! What an FTP server answers, as errors in words. The number of an answer decides; its text is only shown, because every
//! server has its own.

use std::time::Duration;

use elt_shared::config::{FtpSource, FtpTls};
use elt_shared::explained::Code;
use elt_shared::network::NetworkError;
use suppaftp::types::Response;
use suppaftp::{FtpError, ReplyTooLarge};
use tokio::time::timeout;

use super::{path_shown, tls};
use crate::extract::places::{Result, StoreError, StoreLimits};

/// Most characters of an answer that are shown.
const SHOWN_CHARACTERS: usize = 120;

/// What is known of a server before any connection.
pub(super) struct Server {
    /// `ftp://host:port`, the port only when it is not the usual one; `ftps://` with implicit TLS.
    pub(super) place: String,
    /// Name of the account.
    pub(super) user: String,
    /// Longest time for connecting, and for TLS.
    pub(super) connect: Duration,
    /// Longest silence while an answer is due.
    pub(super) idle: Duration,
}

/// What a request was about.
#[derive(Clone, Copy)]
pub(super) enum About<'a> {
    /// The connection as a whole.
    Connection,
    /// The login of the connection.
    Login,
    /// The question whether something is at this path.
    Look(&'a str),
    /// The contents of what is at this path.
    File(&'a str),
}

impl Server {
    pub(super) fn of(source: &FtpSource, limits: &StoreLimits) -> Self {
        let (scheme, usual) = match source.tls {
            FtpTls::Implicit => ("ftps", 990),
            FtpTls::Explicit | FtpTls::None => ("ftp", 21),
        };
        let port = if source.port == usual { String::new() } else { format!(":{}", source.port) };
        Self {
            place: format!("{scheme}://{}{port}", source.host),
            user: source.username.clone(),
            connect: limits.connect,
            idle: limits.idle,
        }
    }

    /// A path as people see it: `ftp://host/path`.
    pub(super) fn shown(&self, path: &str) -> String {
        format!("{}{}", self.place, path_shown(path))
    }

    /// Waits for an answer, up to the limit for silence.
    pub(super) async fn answer<T>(
        &self,
        about: About<'_>,
        request: impl Future<Output = Result<T, FtpError>>,
    ) -> Result<T> {
        match timeout(self.idle, request).await {
            Ok(answer) => answer.map_err(|error| self.failed(about, error)),
            Err(_) => Err(self.silent("did not answer for", self.idle)),
        }
    }

    pub(super) fn silent(&self, what: &'static str, after: Duration) -> StoreError {
        StoreError::Silent { place: self.place.clone(), what, after }
    }

    pub(super) fn lost(&self, reason: impl Into<String>) -> StoreError {
        StoreError::Lost { place: self.place.clone(), reason: reason.into() }
    }

    pub(super) fn not_connected(&self, error: NetworkError) -> StoreError {
        let place = self.place.clone();
        match error {
            NetworkError::Refused { reason, .. } => StoreError::Refused { place, reason },
            NetworkError::NotFound { .. } => {
                StoreError::Unreachable { place, reason: "its host could not be found".into() }
            }
            NetworkError::TimedOut { after, .. } => self.silent("did not accept a connection within", after),
            NetworkError::Unreachable { source, .. } => StoreError::Unreachable { place, reason: source.to_string() },
        }
    }

    /// A server that does something other than it should.
    pub(super) fn protocol(&self, what: &str, next_step: &'static str) -> StoreError {
        StoreError::Other {
            message: format!("{} {what}", self.place),
            code: Code::FtpProtocol,
            next_step: next_step.into(),
        }
    }

    pub(super) fn bad_certificates(&self, reason: &str) -> StoreError {
        StoreError::Other {
            message: format!("the `ca_certificate` for {} cannot be used: {reason}", self.place),
            code: Code::SourceConfig,
            next_step: "Give the certificate of the authority in PEM form (-----BEGIN CERTIFICATE-----).".into(),
        }
    }

    /// What went wrong with a request.
    pub(super) fn failed(&self, about: About<'_>, error: FtpError) -> StoreError {
        match error {
            FtpError::UnexpectedResponse(response) => self.refused(about, &response),
            FtpError::ConnectionError(error) if error.kind() == std::io::ErrorKind::InvalidInput => match about {
                About::Look(path) | About::File(path) => StoreError::Unreadable {
                    name: self.shown(path),
                    reason: "its name has a line break, which no command may have".into(),
                },
                About::Login | About::Connection => self.login("the user name or password has a line break"),
            },
            FtpError::ConnectionError(error) if error.get_ref().is_some_and(|inner| inner.is::<ReplyTooLarge>()) => {
                self.protocol("answers with more than 256 KiB", "Check that host and port are an FTP server's.")
            }
            FtpError::ConnectionError(error) => self.lost(error.to_string()),
            FtpError::SecureError(error) => self.not_secured(&error),
            FtpError::BadResponse | FtpError::InvalidAddress(_) | FtpError::DataConnectionAlreadyOpen => self.protocol(
                "answers in a way that cannot be understood",
                "Check that host and port are an FTP server's.",
            ),
        }
    }

    /// A TLS handshake that failed.
    fn not_secured(&self, error: &str) -> StoreError {
        match tls::certificate_problem(error) {
            Some(problem) => self.protocol(
                &format!("cannot be trusted: its certificate {problem}"),
                "Give the authority that signed it as `ca_certificate`, call the server by the name in its certificate, or ask \
                 its admin for a valid one.",
            ),
            None => self.lost("the encryption could not be set up"),
        }
    }

    fn login(&self, reason: &str) -> StoreError {
        StoreError::Login {
            place: self.place.clone(),
            reason: format!("{reason} (user {:?})", self.user),
            next_step: "Check `username` and `password`; elt did not try again, so that no account is locked.".into(),
        }
    }

    /// An answer that is not the one that was hoped for.
    fn refused(&self, about: About<'_>, response: &Response) -> StoreError {
        let number = response.status.code();
        let said = said(response);
        match (number, about) {
            (421, _) => StoreError::Busy { place: self.place.clone(), reason: said, retry_after: None },
            // What a server says to a password is not shown, because it could repeat it.
            (430 | 530 | 531 | 532 | 332, About::Login) => self.login(&format!("it answered {number} to the login")),
            (500 | 502 | 503 | 504 | 530 | 534 | 536, About::Connection) => self.protocol(
                "does not offer encryption by AUTH TLS",
                "Ask its admin to enable FTPS, or write `tls: implicit` for a server that begins with TLS. `tls: none` sends the \
                 password and the files in the clear.",
            ),
            (430 | 530 | 531 | 532 | 332, _) => self.login(&said),
            (425 | 426 | 434 | 451, _) => self.lost(said),
            (522, _) => self.protocol(
                &format!("refuses the encryption of a data connection: {said}"),
                "Ask its admin whether it demands that TLS sessions are reused, and to turn that off if so.",
            ),
            (_, About::Look(path)) if !is_about_rights(&said) => StoreError::Missing { name: self.shown(path) },
            (_, About::File(path)) if is_about_absence(&said) => StoreError::Missing { name: self.shown(path) },
            (_, About::Look(path) | About::File(path)) => StoreError::Forbidden {
                name: self.shown(path),
                reason: said,
                next_step: "Ask the server's admin to let this account do that.".into(),
            },
            (_, About::Connection | About::Login) => self.protocol(
                &format!("refuses the session: {said}"),
                "Check that host and port are an FTP server's, and ask its admin what it wants.",
            ),
        }
    }
}

/// Whether a refusal says that the account may not do it. Servers answer 550 to that as well as to a path with nothing there.
fn is_about_rights(said: &str) -> bool {
    let said = said.to_ascii_lowercase();
    ["permission", "denied", "not allowed", "forbidden", "privilege"].iter().any(|word| said.contains(word))
}

/// Whether a refusal says that nothing is there.
fn is_about_absence(said: &str) -> bool {
    let said = said.to_ascii_lowercase();
    ["no such", "not found", "does not exist", "doesn't exist"].iter().any(|word| said.contains(word))
}

/// The first line of an answer, for people.
fn said(response: &Response) -> String {
    let text = String::from_utf8_lossy(&response.body);
    let first = text.lines().next().unwrap_or_default();
    let printable = |c: char| if c.is_control() { ' ' } else { c };
    format!("it answered {}", first.trim().chars().map(printable).take(SHOWN_CHARACTERS).collect::<String>())
}
