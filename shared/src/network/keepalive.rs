//! TCP settings by which a connection ends when its other end, or the way to it, is gone.

use std::io;
use std::time::Duration;

use reqwest::ClientBuilder;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

/// Time without a byte after which the other machine is asked whether the connection still exists.
pub const ASKED_AFTER: Duration = Duration::from_secs(15);
/// Time between two such questions.
pub const ASKED_EVERY: Duration = Duration::from_secs(5);
/// Unanswered questions after which the connection ends.
pub const QUESTIONS: u32 = 4;
/// Time after which the connection ends because the other machine has not acknowledged what was sent to it.
pub const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(30);

/// Has the kernel end a connection whose other machine does not answer for about half a minute, also while bytes are on
/// their way to it.
///
/// # Errors
/// When the kernel refuses the settings.
pub fn end_when_unanswered(stream: &TcpStream) -> io::Result<()> {
    keep_alive(stream)?;
    SockRef::from(stream).set_tcp_user_timeout(Some(ACKNOWLEDGED_WITHIN))
}

/// Has the kernel end an idle connection whose other machine does not answer for about half a minute.
///
/// Bytes that are on their way are not covered: the limit for them (`TCP_USER_TIMEOUT`) would also end a connection whose
/// other end is well and only does not read for a while, such as a server that is slow to take the rows of a load.
///
/// # Errors
/// When the kernel refuses the settings.
pub fn keep_alive(stream: &TcpStream) -> io::Result<()> {
    let settings = TcpKeepalive::new().with_time(ASKED_AFTER).with_interval(ASKED_EVERY).with_retries(QUESTIONS);
    SockRef::from(stream).set_tcp_keepalive(&settings)
}

/// Sets the same keepalive for the connections of an HTTP client. `acknowledged_within`: time after which a connection ends because the other
/// machine has not acknowledged what was sent to it.
pub fn of_client(builder: ClientBuilder, acknowledged_within: Duration) -> ClientBuilder {
    builder
        .tcp_keepalive(ASKED_AFTER)
        .tcp_keepalive_interval(ASKED_EVERY)
        .tcp_keepalive_retries(QUESTIONS)
        .tcp_user_timeout(acknowledged_within)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_kernel_asks_and_gives_up() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        keep_alive(&stream).unwrap();
        let socket = SockRef::from(&stream);
        assert!(socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), ASKED_AFTER);
        assert_eq!(socket.tcp_keepalive_interval().unwrap(), ASKED_EVERY);
        assert_eq!(socket.tcp_keepalive_retries().unwrap(), QUESTIONS);
        assert_eq!(socket.tcp_user_timeout().unwrap(), None);
        end_when_unanswered(&stream).unwrap();
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(ACKNOWLEDGED_WITHIN));
    }
}
