//! The way of a worker's sessions to the control database: a socket of this process, from which a task relays to the server.
//!
//! The driver neither sets the TCP options by which a lost connection ends, nor gives up a statement whose answer never
//! comes. A worker that waited for such an answer would take no run and end none until it is restarted. What is relayed is
//! not looked at, so that the driver's TLS reaches from end to end.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, sleep, timeout_at};

use crate::network::keepalive;
use crate::target::guard::PrivateSocket;

/// Longest time to connect to the server.
const CONNECT_WITHIN: Duration = Duration::from_secs(8);
/// Pause after a server refused a connection. It may be starting.
const REFUSED_PAUSE: Duration = Duration::from_millis(250);
/// Bytes that are relayed at once.
const BUFFER: usize = 16 << 10;

/// A relay before a server. It relays nothing until it is served.
pub(super) struct Relay {
    socket: PrivateSocket,
    server: Arc<Server>,
}

/// The server behind a relay.
struct Server {
    host: String,
    port: u16,
    /// How long it may owe an answer.
    answered_within: Duration,
    /// Whether the last attempt to connect failed.
    is_away: AtomicBool,
}

impl Relay {
    /// A relay to the server of `options`, and the options with which sessions go through it. A session whose server does
    /// not answer for `answered_within` ends. `None`: the server is reached by a Unix socket, which loses nothing.
    ///
    /// # Errors
    /// When the socket cannot be made.
    pub fn before(
        options: &PgConnectOptions,
        answered_within: Duration,
    ) -> io::Result<Option<(Self, PgConnectOptions)>> {
        let (host, port) = (options.get_host(), options.get_port());
        if options.get_socket().is_some() || host.starts_with('/') {
            return Ok(None);
        }
        let socket = PrivateSocket::make(port)?;
        // The driver checks the certificate against the host, so that stays as it is.
        let through = options.clone().socket(socket.folder());
        let host = host.trim_matches(['[', ']']).to_owned();
        let server = Arc::new(Server { host, port, answered_within, is_away: AtomicBool::new(false) });
        Ok(Some((Self { socket, server }, through)))
    }

    /// Relays every connection of this process until `ended`. Those that are open then go on.
    pub async fn serve(self, ended: impl Future<Output = ()>) {
        let accepting = async {
            loop {
                match self.socket.accept().await {
                    Ok(driver) => {
                        tokio::spawn(relay(driver, Arc::clone(&self.server)));
                    }
                    // Out of file descriptors, for example. The driver waits in the listener's queue meanwhile.
                    Err(error) => {
                        tracing::warn!(%error, "could not accept a session with the control database");
                        sleep(Duration::from_secs(1)).await;
                    }
                }
            }
        };
        tokio::select! {
            () = accepting => {}
            () = ended => {}
        }
    }
}

/// Relays one session. The driver learns of a failure by the end of its connection.
async fn relay(driver: UnixStream, server: Arc<Server>) {
    let connected = server.connect().await;
    server.log(connected.as_ref().err());
    let Ok(connection) = connected else { return };
    let (answered_within, waiting) = (server.answered_within, Waiting::default());
    let (mut from_driver, mut to_driver) = driver.into_split();
    let (mut from_server, mut to_server) = connection.into_split();
    tokio::select! {
        // A connection that breaks ends both ways.
        _ = pump(&mut from_driver, &mut to_server, || waiting.note(Some(Instant::now()))) => {}
        _ = pump(&mut from_server, &mut to_driver, || waiting.note(None)) => {}
        () = waiting.for_longer_than(answered_within) => {
            let seconds = answered_within.as_secs();
            tracing::warn!("the control database did not answer for {seconds} s: the connection is given up");
        }
    }
}

impl Server {
    /// Connects to it. One that refuses is tried again for a while, because the driver would do the same.
    async fn connect(&self) -> io::Result<TcpStream> {
        let deadline = Instant::now() + CONNECT_WITHIN;
        loop {
            let connected = timeout_at(deadline, TcpStream::connect((self.host.as_str(), self.port))).await;
            match connected.unwrap_or_else(|_| Err(no_answer())) {
                Ok(connection) => {
                    connection.set_nodelay(true)?;
                    keepalive::end_when_unanswered(&connection)?;
                    return Ok(connection);
                }
                Err(error)
                    if error.kind() == io::ErrorKind::ConnectionRefused
                        && Instant::now() + REFUSED_PAUSE < deadline =>
                {
                    sleep(REFUSED_PAUSE).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Says how connecting ended. The driver learns no reason, so this is the only line that has it.
    fn log(&self, error: Option<&io::Error>) {
        let was_away = self.is_away.swap(error.is_some(), Ordering::Relaxed);
        let Self { host, port, .. } = self;
        match error {
            None if was_away => tracing::info!("the control database at {host}:{port} is in reach again"),
            None => {}
            Some(error) if was_away => {
                tracing::debug!("still could not connect to the control database at {host}:{port}: {error}");
            }
            Some(error) => tracing::warn!("could not connect to the control database at {host}:{port}: {error}"),
        }
    }
}

fn no_answer() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {} s", CONNECT_WITHIN.as_secs()))
}

async fn pump(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    note: impl Fn(),
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        note();
        to.write_all(&buffer[..read]).await?;
    }
}

/// Since when the driver waits for the server. `None`: the server spoke last.
#[derive(Default)]
struct Waiting(Mutex<Option<Instant>>);

impl Waiting {
    fn note(&self, since: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }

    async fn for_longer_than(&self, limit: Duration) {
        loop {
            let since = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let left = since.map_or(limit, |since| limit.saturating_sub(since.elapsed()));
            if left.is_zero() {
                return;
            }
            sleep(left).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::{TcpListener, TcpSocket};
    use tokio::time::timeout;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    /// A connection through a relay, and the server's end of it.
    async fn through(answered_within: Duration) -> (UnixStream, TcpStream) {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let driver = driver(server.local_addr().unwrap().port(), answered_within).await;
        (driver, server.accept().await.unwrap().0)
    }

    /// A driver's connection through a relay to a port of this machine.
    async fn driver(port: u16, answered_within: Duration) -> UnixStream {
        let options = PgConnectOptions::new_without_pgpass().host("127.0.0.1").port(port);
        let (relay, options) = Relay::before(&options, answered_within).unwrap().expect("a relay");
        assert_eq!((options.get_host(), options.get_port()), ("127.0.0.1", port));
        let socket = options.get_socket().expect("a socket").join(format!(".s.PGSQL.{port}"));
        tokio::spawn(relay.serve(std::future::pending()));
        UnixStream::connect(socket).await.unwrap()
    }

    #[tokio::test]
    async fn a_server_that_starts_a_little_later_is_waited_for() {
        let port = TcpSocket::new_v4().unwrap();
        port.bind(([127, 0, 0, 1], 0).into()).unwrap();
        let address = port.local_addr().unwrap();
        let mut driver = driver(address.port(), PATIENCE).await;
        let refused = TcpStream::connect(address).await.map_err(|error| error.kind());
        assert_eq!(refused.err(), Some(io::ErrorKind::ConnectionRefused));
        sleep(REFUSED_PAUSE).await;
        let server = port.listen(8).unwrap();
        let (mut server, _) = timeout(PATIENCE, server.accept()).await.expect("it is tried again").unwrap();
        server.write_all(b"ok").await.unwrap();
        timeout(PATIENCE, driver.read_exact(&mut [0; 2])).await.expect("it is relayed").unwrap();
    }

    #[tokio::test]
    async fn a_session_ends_when_its_server_owes_an_answer_for_too_long() {
        let (mut driver, mut server) = through(Duration::from_secs(3)).await;
        let mut answer = [0; 2];
        driver.write_all(b"ask").await.unwrap();
        server.write_all(b"ok").await.unwrap();
        driver.read_exact(&mut answer).await.unwrap();
        // A session that waits for nothing may stay for as long as it likes.
        let idle = timeout(Duration::from_secs(4), driver.read(&mut answer)).await;
        assert!(idle.is_err(), "it was ended: {idle:?}");
        driver.write_all(b"ask").await.unwrap();
        let ended = timeout(PATIENCE, driver.read(&mut answer)).await.expect("it is given up");
        assert!(matches!(ended, Ok(0) | Err(_)), "{ended:?}");
    }

    #[tokio::test]
    async fn the_end_of_either_side_is_the_end_of_the_other() {
        let (driver, mut server) = through(PATIENCE).await;
        drop(driver);
        assert_eq!(timeout(PATIENCE, server.read(&mut [0; 2])).await.expect("it ends").unwrap(), 0);
        let (mut driver, server) = through(PATIENCE).await;
        drop(server);
        assert_eq!(timeout(PATIENCE, driver.read(&mut [0; 2])).await.expect("it ends").unwrap(), 0);
    }

    #[test]
    fn a_unix_socket_needs_no_relay() {
        let options = PgConnectOptions::new_without_pgpass().socket("/run/postgresql");
        assert!(Relay::before(&options, PATIENCE).unwrap().is_none());
    }
}
