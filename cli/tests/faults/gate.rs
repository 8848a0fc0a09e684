//! The network between a worker and its databases: it can fall silent, be cut, and lead elsewhere after a restart.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// See the module. Ends with this value.
pub struct Gate {
    pub port: u16,
    upstream: Arc<AtomicU16>,
    silent: watch::Sender<bool>,
    cuts: watch::Sender<u64>,
    serving: JoinHandle<()>,
}

impl Gate {
    /// An open gate to a port of this machine.
    pub async fn open(upstream: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let upstream = Arc::new(AtomicU16::new(upstream));
        let (silent, cuts) = (watch::Sender::new(false), watch::Sender::new(0));
        let serving = tokio::spawn(serve(listener, Arc::clone(&upstream), silent.clone(), cuts.clone()));
        Self { port, upstream, silent, cuts, serving }
    }

    /// Where new connections lead from now on.
    pub fn lead_to(&self, port: u16) {
        self.upstream.store(port, Ordering::Relaxed);
    }

    /// Connections stay open and nothing passes, like a network that swallows packets.
    pub fn silence(&self, silent: bool) {
        self.silent.send_replace(silent);
    }

    /// Cuts every connection.
    pub fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(listener: TcpListener, upstream: Arc<AtomicU16>, silent: watch::Sender<bool>, cuts: watch::Sender<u64>) {
    while let Ok((client, _)) = listener.accept().await {
        let server = SocketAddr::from(([127, 0, 0, 1], upstream.load(Ordering::Relaxed)));
        tokio::spawn(forward(client, server, silent.subscribe(), cuts.subscribe()));
    }
}

async fn forward(client: TcpStream, server: SocketAddr, silent: watch::Receiver<bool>, mut cuts: watch::Receiver<u64>) {
    let mut waits = silent.clone();
    let _ = waits.wait_for(|silent| !silent).await;
    let Ok(server) = TcpStream::connect(server).await else { return };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        () = copy(from_client, to_server, silent.clone()) => {}
        () = copy(from_server, to_client, silent) => {}
        _ = cuts.changed() => {}
    }
}

async fn copy(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, mut silent: watch::Receiver<bool>) {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let Ok(bytes @ 1..) = from.read(&mut buffer).await else { return };
        if silent.wait_for(|silent| !silent).await.is_err() || to.write_all(&buffer[..bytes]).await.is_err() {
            return;
        }
    }
}
