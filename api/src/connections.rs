//! Connections of clients: how many may be open, how long a request may take to arrive, and how they end at shutdown.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderValue, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use tower::ServiceExt;
use tower_http::set_header::SetResponseHeaderLayer;

use crate::keyed_limit::{KeyPermit, KeyedLimit};
use crate::settings::ApiSettings;
use crate::tls::Tls;
use crate::write_deadline::WriteDeadline;

/// How long a client may take for a TLS handshake, for the head of a request, and until the next request.
const HEAD: Duration = Duration::from_secs(20);
/// How long open requests may take to finish once the process should stop.
const DRAIN: Duration = Duration::from_secs(10);
/// Pause after a connection could not be accepted, for example because too many files are open.
const PAUSE: Duration = Duration::from_millis(500);
/// Most open connections in total: fewer than the 1,024 files a process may usually have open.
const MOST: usize = 800;
/// Most open connections of one address that is not a trusted proxy.
const MOST_OF_ONE: usize = 256;
/// Browsers use only HTTPS for this host during the next year.
const HSTS: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// TLS, limits and times that hold for every connection.
pub struct Terms {
    /// Addresses of reverse proxies, which may have more connections than a client.
    pub proxies: Vec<IpAddr>,
    /// Certificate and key; `None` for plain HTTP.
    pub tls: Option<Tls>,
    /// How long a client may leave an answer unread before its connection is closed.
    pub unread: Duration,
    /// How long a client may take for a TLS handshake, and for the head of a request.
    pub head: Duration,
    /// Cancelled when clients should go to another process: each connection is closed behind its next answer.
    pub stopping: CancellationToken,
}

impl Terms {
    /// The terms of a running API.
    pub fn new(settings: &ApiSettings, tls: Option<Tls>) -> Self {
        Self {
            proxies: settings.trusted_proxies.clone(),
            tls,
            unread: settings.unread(),
            head: HEAD,
            stopping: CancellationToken::new(),
        }
    }
}

/// Answers requests until `stop` is cancelled, then lets open ones finish.
pub async fn answer(listener: TcpListener, router: Router, terms: Terms, stop: CancellationToken) {
    let open = answer_until(&listener, router, terms, stop).await;
    // New connections are refused from now on, so that a load balancer tries another process.
    drop(listener);
    open.finish().await;
}

/// Answers requests until `stop` is cancelled. Returns the connections that are still open then.
pub async fn answer_until(
    listener: &TcpListener,
    router: Router,
    terms: Terms,
    stop: CancellationToken,
) -> OpenConnections {
    let open = Open::new(&terms.proxies);
    let terms = Arc::new(terms);
    let tasks = TaskTracker::new();
    let end = CancellationToken::new();
    let ends = end.clone().drop_guard();
    while let Some((stream, peer)) = stop.run_until_cancelled(accept(listener)).await {
        // A refused connection is closed without an answer, because reading its request would take a place.
        let Some(place) = open.enter(peer.ip().to_canonical()) else { continue };
        let connection = one(stream, peer, router.clone(), Arc::clone(&terms), stop.clone());
        let end = end.clone();
        tasks.spawn(async move {
            let _place = place;
            end.run_until_cancelled(connection).await;
        });
    }
    OpenConnections { tasks, _ends: ends }
}

/// Connections that were open when the listener stopped. Dropping this value ends them.
pub struct OpenConnections {
    tasks: TaskTracker,
    _ends: DropGuard,
}

impl OpenConnections {
    /// Lets open requests finish, for a bounded time.
    pub async fn finish(self) {
        self.tasks.close();
        if tokio::time::timeout(DRAIN, self.tasks.wait()).await.is_err() {
            tracing::warn!("requests that were still open after {} seconds are cut off", DRAIN.as_secs());
        }
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

/// Answers the requests of one connection, behind TLS if the API has a certificate.
async fn one(stream: TcpStream, peer: SocketAddr, router: Router, terms: Arc<Terms>, stop: CancellationToken) {
    // Small writes are sent at once, because a server-sent event must not wait for the next one.
    let _ = stream.set_nodelay(true);
    let Some(tls) = &terms.tls else {
        return requests(WriteDeadline::new(stream, terms.unread), peer, router, &terms, stop).await;
    };
    // A handshake that fails or takes too long is the client's matter, and logging it would let strangers fill the log.
    let handshake = tokio::time::timeout(terms.head, tls.accept(stream));
    if let Some(Ok(Ok(stream))) = stop.run_until_cancelled(handshake).await {
        let router = router.layer(SetResponseHeaderLayer::overriding(header::STRICT_TRANSPORT_SECURITY, HSTS));
        requests(WriteDeadline::new(stream, terms.unread), peer, router, &terms, stop).await;
    }
}

async fn requests<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    peer: SocketAddr,
    router: Router,
    terms: &Terms,
    stop: CancellationToken,
) {
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        let (router, stopping) = (router.clone(), terms.stopping.clone());
        async move {
            let mut answer = router.oneshot(request).await.unwrap_or_else(|never| match never {});
            if stopping.is_cancelled() {
                // Otherwise a client could send its next request at the moment in which the process closes the connection.
                answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(answer)
        }
    });
    // Without a timer, hyper waits for the rest of a request's head without a limit.
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(terms.head)
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
    limit: KeyedLimit<IpAddr>,
}

impl Open {
    fn new(proxies: &[IpAddr]) -> Self {
        Self { proxies: proxies.into(), limit: KeyedLimit::new(MOST_OF_ONE, MOST) }
    }

    /// A place for a connection of this address; `None` when the address, or all addresses together, have too many.
    fn enter(&self, address: IpAddr) -> Option<KeyPermit<IpAddr>> {
        let most_of_one = if self.proxies.contains(&address) { MOST } else { MOST_OF_ONE };
        self.limit.take_up_to(most_of_one, address).ok()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[test]
    fn one_address_leaves_room_for_others_and_a_proxy_speaks_for_many() {
        let (proxy, client) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([203, 0, 113, 1]));
        let open = Open::new(&[proxy]);
        let own: Vec<_> = std::iter::from_fn(|| open.enter(client)).collect();
        assert_eq!(own.len(), MOST_OF_ONE);
        let behind: Vec<_> = std::iter::from_fn(|| open.enter(proxy)).collect();
        assert_eq!(own.len() + behind.len(), MOST);
    }

    /// A server that gives clients little time.
    async fn hasty(tls: Option<Tls>) -> (SocketAddr, CancellationToken) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let stop = CancellationToken::new();
        let router = Router::new().route("/", axum::routing::get(|| async { "hello" }));
        let stopping = CancellationToken::new();
        let terms = Terms { proxies: Vec::new(), tls, unread: HEAD, head: Duration::from_millis(100), stopping };
        tokio::spawn(answer(listener, router, terms, stop.clone()));
        (address, stop)
    }

    async fn assert_ends(address: SocketAddr, sent: &[u8]) {
        let mut stream = TcpStream::connect(address).await.expect("connected");
        stream.write_all(sent).await.expect("sent");
        let mut received = Vec::new();
        let ended = tokio::time::timeout(3 * HEAD, stream.read_to_end(&mut received)).await;
        assert!(ended.is_ok(), "the connection stays open after {sent:?}");
    }

    #[tokio::test]
    async fn silent_connections_and_half_sent_heads_end() {
        let (address, stop) = hasty(None).await;
        for sent in ["", "GET / HTTP/1.1\r\nhost: x\r\nx-slow: ", "GET / HTTP/1.1\r\nhost: x\r\n\r\n"] {
            assert_ends(address, sent.as_bytes()).await;
        }
        stop.cancel();
    }

    #[tokio::test]
    async fn half_sent_handshakes_end() {
        let (_folder, tls) = crate::tls::tests::pair();
        let (address, stop) = hasty(Some(tls)).await;
        for sent in [&b""[..], b"\x16", b"\x16\x03\x01\x02\x00\x01"] {
            assert_ends(address, sent).await;
        }
        stop.cancel();
    }
}
