//! A TCP proxy that breaks connections: after so many bytes it cuts them, or falls silent; or it loses one answer; or it
//! swallows what open connections say.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What happens to one connection. Bytes are counted from the server to the client.
#[derive(Debug, Clone, Copy)]
pub enum Fate {
    /// It is cut after this many.
    CutAfter(u64),
    /// It stays open but nothing more arrives after this many.
    SilentAfter(u64),
    /// Once the client has said this, the server's answer to its next `COMMIT` is lost and the connection is cut.
    LosesCommit(&'static str),
    /// The same, and every connection fails from then on until [`ChaosProxy::let_through`].
    LosesCommitForLong(&'static str),
    /// Once the client has said this, its next `COMMIT` does not arrive, and every connection fails from then on until
    /// [`ChaosProxy::let_through`].
    KeepsCommit(&'static str),
}

/// See the module. Ends with this value.
pub struct ChaosProxy {
    pub address: SocketAddr,
    state: Arc<Fates>,
    serving: JoinHandle<()>,
}

struct Fates {
    upstream: SocketAddr,
    planned: Mutex<VecDeque<Fate>>,
    connections: AtomicUsize,
    delivered: AtomicU64,
    lost_commits: AtomicUsize,
    away: AtomicBool,
    /// Raised when all open connections are swallowed.
    swallowed: watch::Sender<u64>,
}

impl ChaosProxy {
    /// A proxy before `upstream`. Its connections meet these fates in this order; further ones just work.
    pub async fn start(upstream: SocketAddr, fates: impl IntoIterator<Item = Fate>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(Fates {
            upstream,
            planned: Mutex::new(fates.into_iter().collect()),
            connections: AtomicUsize::new(0),
            delivered: AtomicU64::new(0),
            lost_commits: AtomicUsize::new(0),
            away: AtomicBool::new(false),
            swallowed: watch::Sender::new(0),
        });
        let serving = tokio::spawn(serve(listener, Arc::clone(&state)));
        Self { address, state, serving }
    }

    /// Connections so far.
    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::Relaxed)
    }

    /// Bytes that reached the client, over all connections.
    pub fn delivered(&self) -> u64 {
        self.state.delivered.load(Ordering::Relaxed)
    }

    /// The next connection meets this fate.
    pub fn meet(&self, fate: Fate) {
        self.state.planned.lock().expect("fates").push_back(fate);
    }

    /// The server is away: every connection fails from now on, until [`ChaosProxy::let_through`].
    pub fn go_away(&self) {
        self.state.away.store(true, Ordering::Relaxed);
    }

    /// Swallows for ever what both ends of the connections that are open say, like a firewall that has forgotten them. New
    /// connections work. Neither end hears that the other one closes.
    pub fn swallow(&self) {
        self.state.swallowed.send_modify(|swallowed| *swallowed += 1);
    }

    /// The server is there again.
    pub fn let_through(&self) {
        self.state.away.store(false, Ordering::Relaxed);
    }

    /// `COMMIT`s whose answer did not reach the client.
    pub fn lost_commits(&self) -> usize {
        self.state.lost_commits.load(Ordering::Relaxed)
    }
}

impl Drop for ChaosProxy {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(listener: TcpListener, fates: Arc<Fates>) {
    while let Ok((client, _)) = listener.accept().await {
        fates.connections.fetch_add(1, Ordering::Relaxed);
        if fates.away.load(Ordering::Relaxed) {
            continue;
        }
        let fate = fates.planned.lock().expect("fates").pop_front();
        tokio::spawn(forward(client, fate, Arc::clone(&fates)));
    }
}

async fn forward(client: TcpStream, fate: Option<Fate>, fates: Arc<Fates>) {
    let Ok(server) = TcpStream::connect(fates.upstream).await else { return };
    if let Some(Fate::LosesCommit(said) | Fate::LosesCommitForLong(said) | Fate::KeepsCommit(said)) = fate {
        return lose_commit(client, server, said, fate, &fates).await;
    }
    let mut swallowed = fates.swallowed.subscribe();
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let mut swallowed_too = swallowed.clone();
    let upwards = tokio::spawn(async move {
        tokio::select! {
            copied = tokio::io::copy(&mut from_client, &mut to_server) => copied.map(drop),
            _ = swallowed_too.changed() => {
                let read = tokio::io::copy(&mut from_client, &mut tokio::io::sink()).await;
                // The server must not hear that the client has gone, so its end stays open for as long as the proxy.
                let _ = swallowed_too.wait_for(|_| false).await;
                drop(to_server);
                read.map(drop)
            }
        }
    });
    let limit = match fate {
        Some(Fate::CutAfter(bytes) | Fate::SilentAfter(bytes)) => bytes,
        _ => u64::MAX,
    };
    let mut buffer = vec![0; 64 << 10];
    let mut sent = 0;
    while sent < limit {
        let room = buffer.len().min(usize::try_from(limit - sent).unwrap_or(usize::MAX));
        let read = tokio::select! {
            read = from_server.read(&mut buffer[..room]) => read,
            _ = swallowed.changed() => {
                let _ = upwards.await;
                return;
            }
        };
        let Ok(bytes @ 1..) = read else { break };
        if to_client.write_all(&buffer[..bytes]).await.is_err() {
            break;
        }
        sent += bytes as u64;
        fates.delivered.fetch_add(bytes as u64, Ordering::Relaxed);
    }
    if matches!(fate, Some(Fate::SilentAfter(bytes)) if sent >= bytes) {
        let _ = upwards.await;
        return;
    }
    upwards.abort();
}

/// A client that waits for each answer has had all earlier ones when it says `COMMIT`: the next bytes are its answer.
async fn lose_commit(mut client: TcpStream, mut server: TcpStream, said: &str, fate: Option<Fate>, fates: &Fates) {
    let (mut asked, mut answered) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    let (mut awaited, mut before) = ([said, "COMMIT"].into_iter().peekable(), Vec::new());
    let lose = || {
        // Set before the connection ends, because a client that reconnects at once must fail as well.
        fates.away.store(!matches!(fate, Some(Fate::LosesCommit(_))), Ordering::Relaxed);
        fates.lost_commits.fetch_add(1, Ordering::Relaxed);
    };
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let Ok(bytes @ 1..) = read else { return };
                // What is awaited may arrive in two pieces.
                before.extend_from_slice(&asked[..bytes]);
                if awaited.next_if(|text| before.windows(text.len()).any(|part| part == text.as_bytes())).is_some() {
                    before.clear();
                }
                before.drain(..before.len().saturating_sub(said.len()));
                if awaited.peek().is_none() && matches!(fate, Some(Fate::KeepsCommit(_))) {
                    return lose();
                }
                if server.write_all(&asked[..bytes]).await.is_err() {
                    return;
                }
            }
            read = server.read(&mut answered) => {
                let Ok(bytes @ 1..) = read else { return };
                if awaited.peek().is_none() {
                    return lose();
                }
                if client.write_all(&answered[..bytes]).await.is_err() {
                    return;
                }
                fates.delivered.fetch_add(bytes as u64, Ordering::Relaxed);
            }
        }
    }
}
