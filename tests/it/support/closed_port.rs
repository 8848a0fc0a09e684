//! A port at which nobody listens.

use std::net::SocketAddr;

use tokio::net::TcpSocket;

/// Refuses connections for as long as this value lives. The port is taken, so that no other test comes to listen there.
pub struct ClosedPort {
    pub address: SocketAddr,
    _taken: TcpSocket,
}

impl ClosedPort {
    pub fn new() -> Self {
        let taken = TcpSocket::new_v4().expect("a socket");
        taken.bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a port");
        Self { address: taken.local_addr().expect("an address"), _taken: taken }
    }
}
