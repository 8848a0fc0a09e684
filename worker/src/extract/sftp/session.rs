//! A connection to one SFTP server: connect, check the host key, log in, open SFTP. Broken ones are replaced.

use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use elt_shared::config::SftpSource;
use elt_shared::network::{self, NetworkError};
use openssh_sftp_client::error::SftpErrorKind;
use openssh_sftp_client::{Error as ClientError, Sftp, SftpOptions};
use rand::RngExt;
use russh::client::{self, Handle};
use russh::keys::Algorithm;
use russh::{AlgorithmKind, Preferred};
use tokio::time::timeout;

use super::error::{Result, SftpError};
use super::host_key::{HandshakeError, HostKeyCheck};
use super::limits::SftpLimits;
use super::login::{Credentials, login};
use crate::extract::ExtractContext;

/// One open connection.
pub(super) struct Session {
    pub(super) sftp: Sftp,
    /// Bytes of files that arrived over this connection.
    pub(super) received: AtomicU64,
    // Keeps the SSH connection open.
    _ssh: Handle<HostKeyCheck>,
}

/// One server, reached by as many connections as it takes.
pub(super) struct Remote<'a> {
    source: &'a SftpSource,
    context: &'a ExtractContext,
    pub(super) limits: &'a SftpLimits,
    /// `sftp://host:port`, the port only when it is not 22.
    pub(super) server: String,
    credentials: Credentials,
    session: Option<Session>,
}

impl<'a> Remote<'a> {
    pub(super) fn new(source: &'a SftpSource, context: &'a ExtractContext, limits: &'a SftpLimits) -> Result<Self> {
        let server = match source.port {
            22 => format!("sftp://{}", source.host),
            port => format!("sftp://{}:{port}", source.host),
        };
        let credentials = Credentials::of(source, &server, context)?;
        Ok(Self { source, context, limits, server, credentials, session: None })
    }

    pub(super) fn user(&self) -> &str {
        &self.source.username
    }

    /// The path as people see it: `sftp://host/path`.
    pub(super) fn name(&self, path: &str) -> String {
        let slash = if path.starts_with('/') { "" } else { "/" };
        format!("{}{slash}{path}", self.server)
    }

    /// Does `work` over a connection, over a new one when that breaks. The count of attempts starts anew when a
    /// connection moved bytes before it broke.
    pub(super) async fn with<T>(&mut self, mut work: impl AsyncFnMut(&Self, &Session) -> Result<T>) -> Result<T> {
        let mut failures = 0;
        loop {
            let connected = match self.session.take() {
                Some(session) => Ok(session),
                None => self.connect().await,
            };
            let error = match connected {
                Ok(session) => match work(self, &session).await {
                    Ok(done) => {
                        self.session = Some(session);
                        return Ok(done);
                    }
                    Err(error) if error.is_transient() => {
                        failures = if session.received.load(Ordering::Relaxed) > 0 { 0 } else { failures };
                        error
                    }
                    Err(error) => {
                        self.session = Some(session);
                        return Err(error);
                    }
                },
                Err(error) => error,
            };
            failures += 1;
            if !error.is_transient() {
                return Err(error);
            }
            if failures >= self.limits.attempts {
                return Err(SftpError::GaveUp { error: Box::new(error), attempts: failures });
            }
            let pause = self.pause(failures);
            tracing::warn!("{error}; connecting anew in {:.1} s", pause.as_secs_f32());
            tokio::time::sleep(pause).await;
        }
    }

    fn pause(&self, failures: u32) -> Duration {
        let jitter = rand::rng().random_range(0.5..1.5);
        self.limits.backoff.saturating_mul(1 << (failures - 1).min(8)).mul_f64(jitter)
    }

    async fn connect(&self) -> Result<Session> {
        let check = HostKeyCheck {
            control: self.context.control.clone(),
            host: self.source.host.clone(),
            port: self.source.port,
            trust: self.source.trust.clone(),
        };
        let mut refused = None;
        for algorithms in check.preferences().await.map_err(SftpError::Control)? {
            match self.handshake(check.clone(), algorithms).await {
                Ok(ssh) => return self.open(ssh).await,
                // Another of the server's keys may be the one we hold; the first key it showed is the one to tell of.
                Err(error @ (SftpError::HostKeyChanged { .. } | SftpError::NoCommonKey { .. })) => {
                    if !matches!(refused, Some(SftpError::HostKeyChanged { .. })) {
                        refused = Some(error);
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Err(refused.unwrap_or_else(|| SftpError::NoCommonKey { server: self.server.clone() }))
    }

    /// Connects and makes sure that it is the server we know.
    async fn handshake(&self, check: HostKeyCheck, algorithms: Vec<Algorithm>) -> Result<Handle<HostKeyCheck>> {
        let (host, port) = (&self.source.host, self.source.port);
        let stream = network::connect(&self.context.network, host, port, self.limits.connect)
            .await
            .map_err(|error| self.not_connected(error))?;
        // Many small requests one way: waiting to fill packets would slow each of them.
        let _ = stream.set_nodelay(true);
        let config = client::Config {
            preferred: Preferred { key: algorithms.into(), ..Preferred::DEFAULT },
            // What ends a connection nobody waits for any more.
            inactivity_timeout: Some(self.limits.idle + self.limits.handshake),
            window_size: 16 << 20,
            ..client::Config::default()
        };
        let connected = client::connect_stream(Arc::new(config), stream, check);
        match timeout(self.limits.handshake, connected).await {
            Ok(Ok(ssh)) => Ok(ssh),
            Ok(Err(error)) => Err(self.handshake_failed(error)),
            Err(_) => Err(self.silent("did not finish the SSH handshake within", self.limits.handshake)),
        }
    }

    async fn open(&self, mut ssh: Handle<HostKeyCheck>) -> Result<Session> {
        let limit = self.limits.handshake;
        timeout(limit, login(&mut ssh, self.user(), &self.credentials, &self.server))
            .await
            .map_err(|_| self.silent("did not answer the login within", limit))??;
        let no_sftp =
            |reason: String| SftpError::NoSftp { server: self.server.clone(), user: self.user().to_owned(), reason };
        let opening = async {
            let channel = ssh.channel_open_session().await.map_err(|error| no_sftp(error.to_string()))?;
            channel.request_subsystem(true, "sftp").await.map_err(|error| no_sftp(error.to_string()))?;
            let (from, to) = tokio::io::split(channel.into_stream());
            Sftp::new(to, from, SftpOptions::new()).await.map_err(|error| no_sftp(error.to_string()))
        };
        let sftp = timeout(limit, opening).await.map_err(|_| self.silent("did not start SFTP within", limit))??;
        Ok(Session { sftp, received: AtomicU64::new(0), _ssh: ssh })
    }

    /// Waits for the server, but not for ever.
    pub(super) async fn answer<T>(
        &self,
        name: &str,
        request: impl Future<Output = Result<T, ClientError>>,
    ) -> Result<T> {
        match timeout(self.limits.idle, request).await {
            Ok(answer) => answer.map_err(|error| self.refused(name, error)),
            Err(_) => Err(self.silent("did not answer for", self.limits.idle)),
        }
    }

    /// What the server or the connection says about `name`.
    pub(super) fn refused(&self, name: &str, error: ClientError) -> SftpError {
        let name = name.to_owned();
        match error {
            ClientError::SftpError(SftpErrorKind::NoSuchFile, _) => SftpError::Missing { name },
            ClientError::SftpError(SftpErrorKind::PermDenied, _) => {
                SftpError::Forbidden { name, user: self.user().to_owned() }
            }
            ClientError::SftpError(_, message) => SftpError::Unreadable { name, reason: message.get().0.to_owned() },
            error => SftpError::Lost { server: self.server.clone(), reason: error.to_string() },
        }
    }

    pub(super) fn silent(&self, what: &'static str, after: Duration) -> SftpError {
        SftpError::Silent { server: self.server.clone(), what, after }
    }

    fn protocol(&self, reason: String) -> SftpError {
        SftpError::Protocol { server: self.server.clone(), reason }
    }

    fn hung_up(&self) -> SftpError {
        let reason = "it was closed before the SSH handshake was done".into();
        SftpError::Lost { server: self.server.clone(), reason }
    }

    fn not_connected(&self, error: NetworkError) -> SftpError {
        let server = self.server.clone();
        match error {
            NetworkError::Refused { reason, .. } => SftpError::Refused { server, reason },
            NetworkError::NotFound { .. } => {
                SftpError::Unreachable { server, reason: "its host could not be found".into() }
            }
            NetworkError::TimedOut { after, .. } => self.silent("did not accept a connection within", after),
            NetworkError::Unreachable { source, .. } => SftpError::Unreachable { server, reason: source.to_string() },
        }
    }

    fn handshake_failed(&self, error: HandshakeError) -> SftpError {
        let server = self.server.clone();
        match error {
            HandshakeError::Unknown(shown) => {
                SftpError::HostKeyUnknown { server, algorithm: shown.algorithm, fingerprint: shown.fingerprint }
            }
            HandshakeError::Changed { expected, shown } => SftpError::HostKeyChanged {
                server,
                expected: expected.join(" or "),
                algorithm: shown.algorithm,
                fingerprint: shown.fingerprint,
            },
            HandshakeError::Certificate => self.protocol("it shows a certificate instead of a key".into()),
            HandshakeError::Control(error) => SftpError::Control(error),
            HandshakeError::Ssh(russh::Error::NoCommonAlgo { kind: AlgorithmKind::Key, .. }) => {
                SftpError::NoCommonKey { server }
            }
            HandshakeError::Ssh(russh::Error::NoCommonAlgo { kind, .. }) => {
                self.protocol(format!("no common {kind:?} algorithm"))
            }
            HandshakeError::Ssh(russh::Error::Version) => self.protocol("it does not speak SSH 2".into()),
            HandshakeError::Ssh(russh::Error::Disconnect | russh::Error::HUP) => self.hung_up(),
            HandshakeError::Ssh(russh::Error::IO(error)) if error.kind() == ErrorKind::UnexpectedEof => self.hung_up(),
            HandshakeError::Ssh(error) => SftpError::Lost { server, reason: error.to_string() },
        }
    }
}
