//! A guard between the driver and the server of a target: it forwards what both say and ends the connection before the
//! driver reserves memory for more than is acceptable.
//!
//! The driver reserves as much memory as the length of a message announces, and it takes no other transport than a
//! socket that it opens itself. So each connection gets a Unix socket in a folder that only this account may enter, and
//! a task that relays between this socket and the server. Only this process is let in. TLS ends in the guard.
//!
//! # Layout
//! - [`limits`]: how much a server may send
//! - [`messages`]: where messages begin and end, and whether they keep the limits
//! - [`startup`]: the first message of a session
//! - [`relay`]: the task
//! - [`traffic`], [`requests`]: which side waits for the other
//! - [`watch`]: a server that does not answer is asked on another connection, and given up

mod limits;
mod messages;
mod relay;
mod requests;
mod startup;
#[cfg(test)]
mod tests;
mod traffic;
mod watch;

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{ConnectOptions, PgConnection};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{UnixListener, UnixStream};
use tracing::Instrument;

pub use self::limits::AnswerLimits;
use self::messages::Messages;
pub(super) use self::messages::reason;
pub use self::messages::{SILENCE, VIOLATION, is_violation, silence};
use self::traffic::Traffic;
pub(super) use self::watch::{AsksAbout, Standing, Watch};
use super::TargetAddress;

/// A connection to a server, encrypted or not.
pub(super) trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// A session that is about to begin.
pub(super) struct Session<'a> {
    /// Address of the target, with account and database.
    pub address: &'a TargetAddress,
    /// How the server lists the session.
    pub application_name: &'a str,
    /// Settings of the session, as command line options of the server's process.
    pub options: String,
    /// How much the server may send.
    pub limits: AnswerLimits,
    /// How the session is watched. `None`: not at all, because its caller has limits of time of its own.
    pub watch: Option<Watch>,
}

/// A session that the server has let in.
pub(super) struct LoggedIn {
    /// The driver's end.
    pub connection: PgConnection,
    /// The process that the other end says works for this session. A pooler makes it up.
    pub process: Option<i32>,
}

/// A socket in a folder of its own, which only this account may enter. The driver connects to it. Both go with this value.
pub(crate) struct PrivateSocket {
    folder: TempDir,
    listener: UnixListener,
}

impl PrivateSocket {
    /// A new one in the temporary folder, with the name that the driver expects for a port.
    pub fn make(port: u16) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("elt-").permissions(Permissions::from_mode(0o700)).tempdir()?;
        let listener = UnixListener::bind(folder.path().join(format!(".s.PGSQL.{port}")))?;
        Ok(Self { folder, listener })
    }

    /// The folder, by which the driver finds the socket.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Waits for a connection from this process; others are closed.
    pub async fn accept(&self) -> io::Result<UnixStream> {
        let own = i32::try_from(std::process::id()).ok();
        loop {
            let (stream, _) = self.listener.accept().await?;
            let peer = stream.peer_cred()?;
            if peer.pid() == own && peer.uid() == nix::unistd::geteuid().as_raw() {
                return Ok(stream);
            }
        }
    }
}

/// Logs in over an open connection to the server. The driver gets nothing from this process's environment.
pub(super) async fn log_in(
    server: Box<dyn Wire>,
    socket: PrivateSocket,
    session: Session<'_>,
) -> sqlx::Result<LoggedIn> {
    let driver = PgConnectOptions::new_without_pgpass()
        .socket(socket.folder())
        .port(session.address.port)
        .username(&session.address.user)
        .password(session.address.password.expose())
        .database(&session.address.database)
        .application_name(session.application_name)
        .ssl_mode(PgSslMode::Disable)
        .disable_statement_logging();
    let messages = Messages::new(session.limits);
    let (options, watch) = (session.options, session.watch);
    let traffic = Arc::new(Traffic::new());
    let relayed = Arc::clone(&traffic);
    let relaying = async move {
        let driver = socket.accept().await?;
        drop(socket);
        relay::relay(server, driver, messages, &options, watch, &relayed).await
    };
    // In the span of the caller, so that what the watch says belongs to its run.
    let relaying = tokio::spawn(relaying.in_current_span());
    // The task ends by itself with the driver's end of the socket, which does not exist when connecting failed.
    let guard = AbortUnless::new(relaying);
    let connection = driver.connect().await?;
    guard.keep();
    // The relay notes what the server says before it forwards it.
    Ok(LoggedIn { connection, process: traffic.process() })
}

/// Ends a task when it is dropped, also by a timeout, unless the task is kept.
struct AbortUnless(Option<tokio::task::JoinHandle<io::Result<()>>>);

impl AbortUnless {
    fn new(task: tokio::task::JoinHandle<io::Result<()>>) -> Self {
        Self(Some(task))
    }

    fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for AbortUnless {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}
