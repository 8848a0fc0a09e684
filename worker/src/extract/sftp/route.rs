//! The way to a server: the server itself, and the jump host that is called first when the config names one.

use std::sync::Arc;

use elt_shared::config::{HostTrust, SftpSource, SshServer};

use super::credentials::Credentials;
use super::error::Result;
use super::limits::SftpLimits;
use super::server::Server;
use crate::extract::ExtractContext;

/// A server, and what is needed to log in to it.
pub(super) struct End {
    pub(super) server: Arc<Server>,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) trust: HostTrust,
    pub(super) credentials: Credentials,
    /// Name under which its keys are kept.
    pub(super) known_as: String,
}

/// The way to the server of a source.
pub(super) struct Route {
    pub(super) end: End,
    pub(super) jump: Option<End>,
}

impl Route {
    /// The way that a source names.
    ///
    /// # Errors
    /// When a key or certificate cannot be used.
    pub(super) fn of(source: &SftpSource, limits: &SftpLimits, context: &ExtractContext) -> Result<Self> {
        let end = |server: Server, named: &SshServer, known_as: String| {
            let credentials = Credentials::of(&named.login, &server.name, context)?;
            let (host, trust) = (named.host.clone(), named.trust.clone());
            Ok(End { server: Arc::new(server), host, port: named.port, trust, credentials, known_as })
        };
        let named = &source.server;
        let known_as = match &source.jump {
            None => named.host.clone(),
            // One private address leads to different servers behind different jump hosts.
            Some(SshServer { host, port: 22, .. }) => format!("{} through {host}", named.host),
            Some(SshServer { host, port, .. }) => format!("{} through {host}:{port}", named.host),
        };
        let jump = source.jump.as_ref().map(|jump| end(Server::jump(jump, limits), jump, jump.host.clone()));
        Ok(Self { jump: jump.transpose()?, end: end(Server::of(named, limits), named, known_as)? })
    }
}
