//! One SSH connection: it is made, the server's key is checked, and the login is sent. With a jump host it goes through a
//! first connection of that kind.

use std::sync::Arc;

use elt_shared::network::{self, NetworkError};
use russh::client::{self, Handle, Msg};
use russh::keys::Algorithm;
use russh::{ChannelOpenFailure, ChannelStream, Preferred};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::error::{Result, SftpError};
use super::host_key::{HostKeyCheck, certificates};
use super::login::{Ssh, login};
use super::route::{End, Route};
use super::server::Server;
use crate::extract::ExtractContext;

/// Bytes that the server may send before it waits for the client.
const WINDOW: u32 = 16 << 20;

/// A connection that is logged in.
pub(super) struct Connection {
    pub(super) ssh: Ssh,
    // Keeps the connection to the jump host open, through which the other one goes.
    _jump: Option<Ssh>,
}

/// Connects and logs in, first to the jump host, if there is one. Nothing secret is sent to a server before its key was
/// found good.
pub(super) async fn open(route: &Route, context: &ExtractContext) -> Result<Connection> {
    let jump = match &route.jump {
        Some(jump) => {
            network::check_behind(&context.network, &route.end.host)
                .map_err(|error| route.end.server.not_connected(error))?;
            Some((jump, logged_in(jump, None, context).await?))
        }
        None => None,
    };
    let through = jump.as_ref().map(|(jump, ssh)| (&*jump.server, ssh));
    let ssh = logged_in(&route.end, through, context).await?;
    Ok(Connection { ssh, _jump: jump.map(|(_, ssh)| ssh) })
}

/// Reaches one server and logs in to it.
async fn logged_in(end: &End, through: Option<(&Server, &Ssh)>, context: &ExtractContext) -> Result<Ssh> {
    let server = &end.server;
    let mut ssh = reach(end, through, context).await?;
    let limit = server.limits.handshake;
    timeout(limit, login(&mut ssh, &server.user, &end.credentials, &server.name))
        .await
        .map_err(|_| server.silent("did not answer the login within", limit))??;
    Ok(ssh)
}

/// Connects to the known server. A server may be known by several keys, and each of them needs a connection of its own.
async fn reach(end: &End, through: Option<(&Server, &Ssh)>, context: &ExtractContext) -> Result<Ssh> {
    let check = HostKeyCheck {
        control: context.control.clone(),
        known_as: end.known_as.clone(),
        host: end.host.clone(),
        port: end.port,
        trust: end.trust.clone(),
    };
    let mut refused = None;
    for algorithms in check.preferences().await.map_err(SftpError::Control)? {
        let done = match through {
            None => handshake(&end.server, check.clone(), algorithms, direct(end, context).await?).await,
            Some((jump, ssh)) => {
                handshake(&end.server, check.clone(), algorithms, forwarded(end, jump, ssh).await?).await
            }
        };
        match done {
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
    Err(refused.unwrap_or_else(|| SftpError::NoCommonKey { server: end.server.name.clone() }))
}

/// A connection from here.
async fn direct(end: &End, context: &ExtractContext) -> Result<tokio::net::TcpStream> {
    let connecting = network::connect(&context.network, &end.host, end.port, end.server.limits.connect);
    let stream = connecting.await.map_err(|error: NetworkError| end.server.not_connected(error))?;
    // Small packets are sent at once, because many small requests would each wait for a full packet.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

/// A connection that the jump host makes, and passes on.
async fn forwarded(end: &End, jump: &Server, ssh: &Ssh) -> Result<ChannelStream<Msg>> {
    let (server, limit) = (&end.server, end.server.limits.connect);
    let asked = ssh.channel_open_direct_tcpip(end.host.as_str(), u32::from(end.port), "127.0.0.1", 0);
    match timeout(limit, asked).await {
        Ok(Ok(channel)) => Ok(channel.into_stream()),
        Ok(Err(russh::Error::ChannelOpenFailure(ChannelOpenFailure::ConnectFailed))) => Err(SftpError::Unreachable {
            server: server.name.clone(),
            reason: format!("{} could not connect to it", jump.name),
        }),
        Ok(Err(russh::Error::ChannelOpenFailure(why))) => Err(SftpError::NoWay {
            jump: jump.name.clone(),
            user: jump.user.clone(),
            server: server.name.clone(),
            reason: match why {
                ChannelOpenFailure::AdministrativelyProhibited => "its settings forbid that".into(),
                other => format!("{other:?}"),
            },
        }),
        Ok(Err(error)) => Err(SftpError::Lost { server: jump.name.clone(), reason: error.to_string() }),
        Err(_) => Err(server.silent("could not be connected to by the jump host within", limit)),
    }
}

async fn handshake(
    server: &Server,
    check: HostKeyCheck,
    algorithms: Vec<Algorithm>,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> Result<Handle<HostKeyCheck>> {
    let limits = &server.limits;
    let preferred = Preferred {
        key: algorithms.into(),
        host_key_certificates: certificates(&check.trust).into(),
        ..Preferred::DEFAULT
    };
    let config = client::Config {
        preferred,
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
