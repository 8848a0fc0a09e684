//! A server as a config names it, and its errors in words.

use std::io::ErrorKind;
use std::time::Duration;

use elt_shared::config::SshServer;
use elt_shared::network::NetworkError;
use openssh_sftp_client::Error as ClientError;
use openssh_sftp_client::error::SftpErrorKind;
use russh::AlgorithmKind;

use super::error::SftpError;
use super::host_key::HandshakeError;
use super::limits::SftpLimits;
use crate::extract::byte_names;

/// What is known of a server before any connection.
pub(super) struct Server {
    /// `sftp://host:port`, the port only when it is not 22; `ssh://…` for a jump host.
    pub(super) name: String,
    /// Name of the account on the server.
    pub(super) user: String,
    /// How long and how much it may take.
    pub(super) limits: SftpLimits,
}

impl Server {
    /// The server of a source, which is asked for files.
    pub(super) fn of(server: &SshServer, limits: &SftpLimits) -> Self {
        Self::called("sftp", server, limits)
    }

    /// A server on the way, which is asked for a connection.
    pub(super) fn jump(server: &SshServer, limits: &SftpLimits) -> Self {
        Self::called("ssh", server, limits)
    }

    fn called(scheme: &str, server: &SshServer, limits: &SftpLimits) -> Self {
        let name = match server.port {
            22 => format!("{scheme}://{}", server.host),
            port => format!("{scheme}://{}:{port}", server.host),
        };
        Self { name, user: server.username.clone(), limits: limits.clone() }
    }

    /// A path as people see it: `sftp://host/path`.
    pub(super) fn path(&self, path: &str) -> String {
        let slash = if path.starts_with('/') { "" } else { "/" };
        format!("{}{slash}{}", self.name, byte_names::shown(path))
    }

    pub(super) fn silent(&self, what: &'static str, after: Duration) -> SftpError {
        SftpError::Silent { server: self.name.clone(), what, after }
    }

    pub(super) fn no_sftp(&self, reason: String) -> SftpError {
        SftpError::NoSftp { server: self.name.clone(), user: self.user.clone(), reason }
    }

    pub(super) fn not_connected(&self, error: NetworkError) -> SftpError {
        let server = self.name.clone();
        let unreachable = |reason: String| SftpError::Unreachable { server: self.name.clone(), reason };
        match error {
            NetworkError::Refused { reason, .. } => SftpError::Refused { server, reason },
            NetworkError::NotFound { .. } => unreachable("its host could not be found".into()),
            NetworkError::TimedOut { after, .. } => self.silent("did not accept a connection within", after),
            NetworkError::Unreachable { source, .. } => unreachable(source.to_string()),
        }
    }

    pub(super) fn handshake_failed(&self, error: HandshakeError) -> SftpError {
        let server = self.name.clone();
        let protocol = |reason: String| SftpError::Protocol { server: self.name.clone(), reason };
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
            HandshakeError::NotVouchedFor(reason) => SftpError::HostCertificate { server, reason },
            HandshakeError::Certificate => protocol("it shows a certificate instead of a key".into()),
            HandshakeError::Control(error) => SftpError::Control(error),
            HandshakeError::Ssh(russh::Error::NoCommonAlgo { kind: AlgorithmKind::Key, .. }) => {
                SftpError::NoCommonKey { server }
            }
            HandshakeError::Ssh(russh::Error::NoCommonAlgo { kind, .. }) => {
                protocol(format!("no common {kind:?} algorithm"))
            }
            HandshakeError::Ssh(russh::Error::Version) => protocol("it does not speak SSH 2".into()),
            HandshakeError::Ssh(russh::Error::Disconnect | russh::Error::HUP) => self.hung_up(),
            HandshakeError::Ssh(russh::Error::IO(error)) if error.kind() == ErrorKind::UnexpectedEof => self.hung_up(),
            HandshakeError::Ssh(error) => SftpError::Lost { server, reason: error.to_string() },
        }
    }

    fn hung_up(&self) -> SftpError {
        let reason = "it was closed before the SSH handshake was done".into();
        SftpError::Lost { server: self.name.clone(), reason }
    }

    /// What the server or the connection says about a path.
    pub(super) fn refused(&self, name: &str, error: ClientError) -> SftpError {
        let name = name.to_owned();
        match error {
            ClientError::SftpError(SftpErrorKind::NoSuchFile, _) => SftpError::Missing { name },
            ClientError::SftpError(SftpErrorKind::PermDenied, _) => {
                SftpError::Forbidden { name, user: self.user.clone() }
            }
            ClientError::SftpError(_, message) => SftpError::Unreadable { name, reason: message.get().0.to_owned() },
            error => SftpError::Lost { server: self.name.clone(), reason: error.to_string() },
        }
    }
}
