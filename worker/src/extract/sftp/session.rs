//! One connection: it is made, the server's key is checked, the login is sent, and SFTP is opened.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use elt_shared::config::SftpSource;
use elt_shared::network;
use openssh_sftp_client::{Error as ClientError, Sftp, SftpOptions};
use russh::Preferred;
use russh::client::{self, Handle};
use russh::keys::Algorithm;
use tokio::time::timeout;

use super::error::{Result, SftpError};
use super::host_key::HostKeyCheck;
use super::login::{Credentials, login};
use super::names::{self, Translation};
use super::server::Server;
use crate::extract::ExtractContext;

/// Bytes that the server may send before it waits for the client.
const WINDOW: u32 = 16 << 20;

/// An open SFTP connection.
pub(super) struct Session {
    pub(super) server: Arc<Server>,
    pub(super) sftp: Sftp,
    /// Bytes of files that arrived over this connection.
    pub(super) received: AtomicU64,
    // Dropping it would end the exchange of packets between the client and the SSH connection.
    _translation: Translation,
    // Keeps the SSH connection open.
    _ssh: Handle<HostKeyCheck>,
}

impl Session {
    /// Connects and logs in. Nothing secret is sent before the server's key was found good.
    pub(super) async fn open(
        server: &Arc<Server>,
        source: &SftpSource,
        credentials: &Credentials,
        context: &ExtractContext,
    ) -> Result<Self> {
        let mut ssh = reach(server, source, context).await?;
        let limit = server.limits.handshake;
        timeout(limit, login(&mut ssh, &server.user, credentials, &server.name))
            .await
            .map_err(|_| server.silent("did not answer the login within", limit))??;
        let opened = match timeout(limit, open_sftp(&ssh)).await {
            Err(_) => return Err(server.silent("did not start SFTP within", limit)),
            Ok(Ok(opened)) => opened,
            Ok(Err(reason)) => {
                // The client reports a refusal and a broken connection alike: another channel tells them apart.
                return match timeout(limit, ssh.channel_open_session()).await {
                    Ok(Ok(_) | Err(russh::Error::ChannelOpenFailure(_))) => Err(server.no_sftp(reason)),
                    _ => Err(SftpError::Lost { server: server.name.clone(), reason }),
                };
            }
        };
        let (sftp, translation) = opened;
        let received = AtomicU64::new(0);
        Ok(Self { server: Arc::clone(server), sftp, received, _translation: translation, _ssh: ssh })
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
async fn open_sftp(ssh: &Handle<HostKeyCheck>) -> Result<(Sftp, Translation), String> {
    let channel = ssh.channel_open_session().await.map_err(|error| error.to_string())?;
    channel.request_subsystem(true, "sftp").await.map_err(|error| error.to_string())?;
    let (client, translation) = names::translated(channel.into_stream());
    let (from, to) = tokio::io::split(client);
    let sftp = Sftp::new(to, from, SftpOptions::new()).await.map_err(|error| error.to_string())?;
    Ok((sftp, translation))
}

/// Connects to the known server. A server may be known by several keys, and each of them needs a connection of its own.
async fn reach(server: &Server, source: &SftpSource, context: &ExtractContext) -> Result<Handle<HostKeyCheck>> {
    let check = HostKeyCheck {
        control: context.control.clone(),
        host: source.host.clone(),
        port: source.port,
        trust: source.trust.clone(),
    };
    let mut refused = None;
    for algorithms in check.preferences().await.map_err(SftpError::Control)? {
        match handshake(server, check.clone(), algorithms, context).await {
            Ok(ssh) => return Ok(ssh),
            // The server may have another key that is known. If it has not, the error about its first key is reported.
            Err(error @ (SftpError::HostKeyChanged { .. } | SftpError::NoCommonKey { .. })) => {
                if !matches!(refused, Some(SftpError::HostKeyChanged { .. })) {
                    refused = Some(error);
                }
            }
            Err(error) => return Err(error),
        }
    }
    Err(refused.unwrap_or_else(|| SftpError::NoCommonKey { server: server.name.clone() }))
}

async fn handshake(
    server: &Server,
    check: HostKeyCheck,
    algorithms: Vec<Algorithm>,
    context: &ExtractContext,
) -> Result<Handle<HostKeyCheck>> {
    let limits = &server.limits;
    let stream = network::connect(&context.network, &check.host, check.port, limits.connect)
        .await
        .map_err(|error| server.not_connected(error))?;
    // Small packets are sent at once, because many small requests would each wait for a full packet.
    let _ = stream.set_nodelay(true);
    let config = client::Config {
        preferred: Preferred { key: algorithms.into(), ..Preferred::DEFAULT },
        // This ends a connection that no future waits for any more.
        inactivity_timeout: Some(limits.idle + limits.handshake),
        window_size: WINDOW,
        ..client::Config::default()
    };
    match timeout(limits.handshake, client::connect_stream(Arc::new(config), stream, check)).await {
        Ok(Ok(ssh)) => Ok(ssh),
        Ok(Err(error)) => Err(server.handshake_failed(error)),
        Err(_) => Err(server.silent("did not finish the SSH handshake within", limits.handshake)),
    }
}
