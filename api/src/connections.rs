//! Connections of clients: how many may be open, how long a request may take to arrive, and how they end at shutdown.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

/// How long a client may take to send the head of a request, and how long a connection may wait for the next one.
const HEAD: Duration = Duration::from_secs(20);
/// How long open requests may take to finish once the process should stop.
const DRAIN: Duration = Duration::from_secs(10);
/// Pause after a connection could not be accepted, for example because too many files are open.
const PAUSE: Duration = Duration::from_millis(500);
/// Most open connections in total: fewer than the 1,024 files a process may usually have open.
const MOST: usize = 800;
/// Most open connections of one address that is not a trusted proxy.
const MOST_OF_ONE: usize = 256;

/// Answers requests until `stop` is cancelled, then lets open ones finish.
pub async fn answer(listener: TcpListener, router: Router, proxies: Vec<IpAddr>, stop: CancellationToken) {
    answer_within(HEAD, listener, router, proxies, stop).await;
}

async fn answer_within(
    head: Duration,
    listener: TcpListener,
    router: Router,
    proxies: Vec<IpAddr>,
    stop: CancellationToken,
) {
    let open = Open::new(proxies);
    let tasks = TaskTracker::new();
    // Cancelled when this function ends, so that no connection outlives it.
    let end = CancellationToken::new();
    let _ends = end.clone().drop_guard();
    while let Some((stream, peer)) = stop.run_until_cancelled(accept(&listener)).await {
        // A refused connection is closed without an answer, because reading its request would take a place.
        let Some(place) = open.enter(peer.ip().to_canonical()) else { continue };
        let connection = one(stream, peer, router.clone(), head, stop.clone());
        let end = end.clone();
        tasks.spawn(async move {
            let _place = place;
            end.run_until_cancelled(connection).await;
        });
    }
    drop(listener);
    tasks.close();
    if tokio::time::timeout(DRAIN, tasks.wait()).await.is_err() {
        tracing::warn!("requests that were still open after {} seconds are cut off", DRAIN.as_secs());
    }
}

/// The next connection. Connections that failed before they were accepted are skipped.
async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) if is_of_one_client(&error) => {}
            Err(error) => {
                tracing::error!(error = %error, "could not accept a connection");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

fn is_of_one_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Answers the requests of one connection.
async fn one(stream: TcpStream, peer: SocketAddr, router: Router, head: Duration, stop: CancellationToken) {
    // Small writes are sent at once, because a server-sent event must not wait for the next one.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        let router = router.clone();
        async move { Ok::<_, Infallible>(router.oneshot(request).await.unwrap_or_else(|never| match never {})) }
    });
    // Without a timer, hyper waits for the rest of a request's head without a limit.
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let ended = stop.run_until_cancelled(connection.as_mut()).await;
    if ended.is_none() {
        connection.as_mut().graceful_shutdown();
        // An error here means that the client went away or sent something that is not HTTP.
        let _ = connection.await;
    }
}

/// The open connections, counted by address.
#[derive(Clone)]
struct Open {
    proxies: Arc<[IpAddr]>,
    counts: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// A connection's place among the open ones, given back when dropped.
struct Place {
    open: Open,
    address: IpAddr,
}

impl Open {
    fn new(proxies: Vec<IpAddr>) -> Self {
        Self { proxies: proxies.into(), counts: Arc::default() }
    }

    /// A place for a connection of this address; `None` when the address, or all addresses together, have too many.
    fn enter(&self, address: IpAddr) -> Option<Place> {
        let mut counts = self.counts();
        let all: usize = counts.values().sum();
        let own = counts.get(&address).copied().unwrap_or_default();
        let most_of_one = if self.proxies.contains(&address) { MOST } else { MOST_OF_ONE };
        if all >= MOST || own >= most_of_one {
            return None;
        }
        counts.insert(address, own + 1);
        Some(Place { open: self.clone(), address })
    }

    fn counts(&self) -> std::sync::MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.open.counts();
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[test]
    fn one_address_leaves_room_for_others_and_a_proxy_speaks_for_many() {
        let (proxy, client) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([203, 0, 113, 1]));
        let open = Open::new(vec![proxy]);
        let own: Vec<_> = std::iter::from_fn(|| open.enter(client)).collect();
        assert_eq!(own.len(), MOST_OF_ONE);
        let behind: Vec<_> = std::iter::from_fn(|| open.enter(proxy)).collect();
        assert_eq!(own.len() + behind.len(), MOST);
        drop((own, behind));
        assert!(open.counts().is_empty());
    }

    #[tokio::test]
    async fn silent_connections_and_half_sent_heads_end() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let stop = CancellationToken::new();
        let router = Router::new().route("/", axum::routing::get(|| async { "hello" }));
        let head = Duration::from_millis(100);
        let answering = tokio::spawn(answer_within(head, listener, router, Vec::new(), stop.clone()));
        let mut waiting = Vec::new();
        for sent in ["", "GET / HTTP/1.1\r\nhost: x\r\nx-slow: ", "GET / HTTP/1.1\r\nhost: x\r\n\r\n"] {
            let mut stream = TcpStream::connect(address).await.expect("connected");
            stream.write_all(sent.as_bytes()).await.expect("sent");
            waiting.push(stream);
        }
        for mut stream in waiting {
            let mut received = Vec::new();
            let ended = tokio::time::timeout(HEAD, stream.read_to_end(&mut received)).await;
            assert!(ended.is_ok(), "the connection stays open");
        }
        stop.cancel();
        answering.await.expect("no panic");
    }
}
