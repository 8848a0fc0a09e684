//! `type: ftp`: files on an FTP server, in the clear or over TLS.
//!
//! # Layout
//! - [`connection`]: one control connection: login, transfers, and questions about files
//! - [`walk`]: the files of a folder or glob
//! - [`entries`]: the lines of a listing
//! - [`names`]: names as the server's bytes
//! - [`mod@tls`]: how the connections are encrypted
//! - [`answers`]: what a server answers, as errors

mod answers;
mod connection;
mod entries;
mod names;
mod tls;
mod walk;

use std::sync::Arc;

use elt_shared::config::{FtpSource, FtpTls};
use futures::future::BoxFuture;
use rustls::ClientConfig;
use tokio::sync::Mutex;

use self::answers::Server;
use self::connection::Connection;
use super::wanted::Wanted;
use super::{FileStore, Listing, RemoteFile, Result, SpoolFile, StoreError, StoreLimits};
use crate::extract::{ExtractContext, byte_names};
use crate::input::Version;

/// The files of a source on an FTP server.
pub(super) struct FtpStore<'a> {
    source: &'a FtpSource,
    context: &'a ExtractContext,
    limits: StoreLimits,
    server: Arc<Server>,
    wanted: Wanted,
    tls: Option<Arc<ClientConfig>>,
    /// The connection, while no request uses it. It is closed when a request fails in such a way that it may be broken, or is given
    /// up before its answer.
    idle: Mutex<Option<Connection>>,
}

impl<'a> FtpStore<'a> {
    /// # Errors
    /// When the source cannot be used as it is written.
    pub(super) fn open(source: &'a FtpSource, context: &'a ExtractContext, limits: &StoreLimits) -> Result<Self> {
        let server = Server::of(source, limits);
        if source.path.contains(['\r', '\n', '\0']) {
            let reason = "its name has a line break, which no command may have".into();
            return Err(StoreError::Unreadable { name: server.shown(&source.path), reason });
        }
        let wanted = Wanted::parse(&source.path, &server.shown(&source.path))?;
        let tls = match source.tls {
            FtpTls::None => None,
            FtpTls::Explicit | FtpTls::Implicit => Some(tls::config(source, &server)?),
        };
        let (server, idle) = (Arc::new(server), Mutex::new(None));
        Ok(Self { source, context, limits: limits.clone(), server, wanted, tls, idle })
    }

    /// The open connection, or a new one.
    async fn connection(&self) -> Result<Connection> {
        if let Some(connection) = self.idle.lock().await.take() {
            return Ok(connection);
        }
        Connection::open(self.source, Arc::clone(&self.server), self.tls.clone(), &self.context.network).await
    }

    /// Keeps the connection for the next request, if it can still be used.
    async fn keep<T>(&self, connection: Connection, done: &Result<T>) {
        if done.as_ref().err().is_none_or(StoreError::is_of_one_file) && connection.is_in_order() {
            *self.idle.lock().await = Some(connection);
        }
    }
}

impl FileStore for FtpStore<'_> {
    fn place(&self) -> String {
        self.server.place.clone()
    }

    fn shown(&self, path: &str) -> String {
        self.server.shown(path)
    }

    fn list(&self) -> BoxFuture<'_, Result<Listing>> {
        Box::pin(async move {
            let mut connection = self.connection().await?;
            let options = &self.source.place.files;
            let done = walk::list(&mut connection, &self.source.path, &self.wanted, options, self.limits.entries).await;
            self.keep(connection, &done).await;
            done
        })
    }

    fn look<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Version>> {
        Box::pin(async move {
            let mut connection = self.connection().await?;
            let done = connection.look(path).await;
            self.keep(connection, &done).await;
            done
        })
    }

    fn read<'a>(&'a self, file: &'a RemoteFile, spool: &'a mut SpoolFile<'_>) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let mut connection = self.connection().await?;
            let done = connection.read(file, spool).await;
            self.keep(connection, &done).await;
            done
        })
    }

    fn delete<'a>(&'a self, path: &'a str, _: &'a Version) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let mut connection = self.connection().await?;
            let done = connection.delete(path).await;
            self.keep(connection, &done).await;
            done
        })
    }

    fn rename<'a>(&'a self, path: &'a str, to: &'a str, _: &'a Version) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let mut connection = self.connection().await?;
            let done = connection.rename(path, to).await;
            self.keep(connection, &done).await;
            done
        })
    }
}

/// The path as people see it, below the server's name.
fn path_shown(path: &str) -> String {
    let slash = if path.starts_with('/') { "" } else { "/" };
    let printable = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
    format!("{slash}{}", byte_names::shown(path).chars().map(printable).collect::<String>())
}
