//! The other side of the configs: an API that repeats what it is asked, an SFTP server, and a port at which nobody listens.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, LOCATION};
use axum::response::{Html, IntoResponse, Response};
use tokio::net::TcpSocket;

use super::sshd::Sshd;

/// See the module.
pub struct Servers {
    /// Port of the API.
    pub port: String,
    /// Port at which nobody listens.
    pub closed: String,
    /// An SFTP server.
    pub sshd: Sshd,
    _taken: TcpSocket,
}

impl Servers {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let router = Router::new().fallback(answer).with_state(port);
        tokio::spawn(async move { axum::serve(listener, router).await });
        let taken = TcpSocket::new_v4().expect("a socket");
        taken.bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a port");
        let closed = taken.local_addr().expect("an address").port();
        Self { port: port.to_string(), closed: closed.to_string(), sshd: Sshd::start(), _taken: taken }
    }
}

/// The first segment of the path says how.
async fn answer(State(port): State<u16>, request: Request) -> Response {
    let said = format!("{} {}\n{:?}", request.method(), request.uri(), request.headers());
    let path = request.uri().to_string();
    match path.split(['/', '?', ';']).nth(1).unwrap_or_default() {
        "rows" => ([(CONTENT_TYPE, "application/json")], "[{\"id\": 1}]").into_response(),
        "refused" => (StatusCode::UNAUTHORIZED, said).into_response(),
        "broken" => (StatusCode::INTERNAL_SERVER_ERROR, said).into_response(),
        "cut" => ([(CONTENT_TYPE, "application/json")], format!("[{{\"id\": {said}")).into_response(),
        "elsewhere" => {
            let rest = path.trim_start_matches("/elsewhere");
            (StatusCode::FOUND, [(LOCATION, format!("http://localhost:{port}/refused{rest}"))], said).into_response()
        }
        _ => Html(said).into_response(),
    }
}
