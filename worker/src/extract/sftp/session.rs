//! One session: SFTP over an SSH connection.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use openssh_sftp_client::{Error as ClientError, Sftp, SftpOptions};
use tokio::time::timeout;

use super::connection::{self, Connection};
use super::error::{Result, SftpError};
use super::login::Ssh;
use super::names::{self, Translation};
use super::route::Route;
use super::server::Server;
use crate::extract::ExtractContext;

/// An open SFTP connection.
pub(super) struct Session {
    pub(super) server: Arc<Server>,
    pub(super) sftp: Sftp,
    /// Bytes of files that arrived over this connection.
    pub(super) received: AtomicU64,
    // Dropping it would end the exchange of packets between the client and the SSH connection.
    _translation: Translation,
    // Keeps the SSH connection open.
    _connection: Connection,
}

impl Session {
    /// Connects, logs in, and starts SFTP.
    pub(super) async fn open(route: &Route, context: &ExtractContext) -> Result<Self> {
        let connection = connection::open(route, context).await?;
        let server = Arc::clone(&route.end.server);
        let limit = server.limits.handshake;
        let opened = match timeout(limit, open_sftp(&connection.ssh)).await {
            Err(_) => return Err(server.silent("did not start SFTP within", limit)),
            Ok(Ok(opened)) => opened,
            Ok(Err(reason)) => {
                // The client reports a refusal and a broken connection alike: another channel tells them apart.
                return match timeout(limit, connection.ssh.channel_open_session()).await {
                    Ok(Ok(_) | Err(russh::Error::ChannelOpenFailure(_))) => Err(server.no_sftp(reason)),
                    _ => Err(SftpError::Lost { server: server.name.clone(), reason }),
                };
            }
        };
        let (sftp, translation) = opened;
        Ok(Self { server, sftp, received: AtomicU64::new(0), _translation: translation, _connection: connection })
    }

    /// A path as people see it.
    pub(super) fn name(&self, path: &str) -> String {
        self.server.path(path)
    }

    /// Waits for the server's answer about `name`, up to the limit for silence.
    pub(super) async fn answer<T>(
        &self,
        name: &str,
        request: impl Future<Output = Result<T, ClientError>>,
    ) -> Result<T> {
        let idle = self.server.limits.idle;
        match timeout(idle, request).await {
            Ok(answer) => answer.map_err(|error| self.server.refused(name, error)),
            Err(_) => Err(self.server.silent("did not answer for", idle)),
        }
    }
}

/// Starts SFTP on a channel of its own. The error is the end of a sentence.
async fn open_sftp(ssh: &Ssh) -> Result<(Sftp, Translation), String> {
    let channel = ssh.channel_open_session().await.map_err(|error| error.to_string())?;
    channel.request_subsystem(true, "sftp").await.map_err(|error| error.to_string())?;
    let (client, translation) = names::translated(channel.into_stream());
    let (from, to) = tokio::io::split(client);
    let sftp = Sftp::new(to, from, SftpOptions::new()).await.map_err(|error| error.to_string())?;
    Ok((sftp, translation))
}
