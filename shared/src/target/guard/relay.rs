//! The task that relays between the driver and the server.

use std::io;
use std::pin::pin;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest, ReadHalf, WriteHalf};
use tokio::net::UnixStream;
use tokio::time::{sleep, timeout};

use super::messages::{self, Messages};
use super::traffic::Traffic;
use super::watch::{self, Watch};
use super::{Wire, startup};

/// Bytes that are forwarded at once. Longer than any message that is held back.
const BUFFER: usize = 64 << 10;
/// After one end of the connection is gone, what was said before has this long to arrive at the other.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Relays until one of both ends the connection, the server breaks a limit, or the watch gives the session up.
pub(super) async fn relay(
    server: Box<dyn Wire>,
    mut driver: UnixStream,
    messages: Messages,
    options: &str,
    watch: Option<Watch>,
    traffic: &Traffic,
) -> io::Result<()> {
    let first = startup::read(&mut driver, options).await?;
    let (from_server, mut to_server) = tokio::io::split(server);
    to_server.write_all(&first).await?;
    to_server.flush().await?;

    let mut downstream = pin!(downstream(from_server, &driver, messages, traffic));
    let upstream = pin!(upstream(&driver, to_server, traffic));
    let given_up = async {
        match &watch {
            Some(watch) => watch::given_up(traffic, watch).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        ended = &mut downstream => ended,
        ended = upstream => match ended {
            Ok(()) => Ok(()),
            // The server closed the connection: what it said before, such as why, still goes to the driver.
            Err(_) => timeout(LAST_WORDS, downstream).await.unwrap_or(Ok(())),
        },
        reason = given_up => {
            tracing::warn!("the connection to the target is given up: {reason}");
            // Within a message of the server the driver would take it for a part of that message, so that it only learns
            // that the connection has ended.
            if traffic.is_within_message() {
                return Ok(());
            }
            let message = messages::last_message(messages::SILENCE, &reason);
            timeout(LAST_WORDS, write_all(&driver, &message)).await.unwrap_or(Ok(()))
        }
        () = gone(&driver) => Ok(()),
    }
}

/// Forwards what the driver says, and ends with the driver.
async fn upstream(driver: &UnixStream, mut server: WriteHalf<Box<dyn Wire>>, traffic: &Traffic) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        driver.readable().await?;
        match driver.try_read(&mut buffer) {
            Ok(0) => return server.shutdown().await,
            Ok(read) => {
                traffic.sending(&buffer[..read]);
                server.write_all(&buffer[..read]).await?;
                server.flush().await?;
                traffic.sent();
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

/// Forwards what the server says as far as it keeps the limits, and ends with the server.
async fn downstream(
    mut server: ReadHalf<Box<dyn Wire>>,
    driver: &UnixStream,
    mut messages: Messages,
    traffic: &Traffic,
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    let mut filled = 0;
    loop {
        let read = server.read(&mut buffer[filled..]).await?;
        if read == 0 {
            return Ok(());
        }
        filled += read;
        let checked = messages.check(&buffer[..filled]);
        traffic.received(messages.take_said());
        write_all(driver, &buffer[..checked.forward]).await?;
        if let Some(violation) = checked.violation {
            return write_all(driver, &violation.message()).await;
        }
        traffic.delivered(messages.is_within_message());
        buffer.copy_within(checked.forward..filled, 0);
        filled -= checked.forward;
    }
}

async fn write_all(driver: &UnixStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        driver.writable().await?;
        match driver.try_write(bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Waits until the driver closed its end, also while a server that does not read keeps [`upstream`] from noticing.
async fn gone(driver: &UnixStream) {
    // This readiness is about the end alone. Readability would be reported for bytes that nobody reads yet, too.
    let _ = driver.ready(Interest::PRIORITY).await;
    sleep(LAST_WORDS).await;
}
