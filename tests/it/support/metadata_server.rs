//! The metadata service of a machine of AWS, with credentials for its role, on an address of this machine.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Router, body};
use serde_json::json;
use tokio::task::JoinHandle;

use super::bucket_server::{KEY_ID, SECRET_KEY};

/// The token of the role's session.
pub const SESSION_TOKEN: &str = "canary/session/token";
/// What the service wants to see before it gives anything away.
const TICKET: &str = "canary-ticket";

/// See the module. Ends with this value.
pub struct MetadataServer {
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    serving: JoinHandle<()>,
}

impl MetadataServer {
    /// A service at another loopback address than that of other servers, because rules for hosts know no ports.
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.2:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let asked = Arc::new(Mutex::default());
        let router = Router::new().fallback(answer).with_state(Arc::clone(&asked));
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.expect("serving") });
        Self { address, asked, serving }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The method and path of every request so far, oldest first.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("requests").clone()
    }
}

impl Drop for MetadataServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn answer(State(asked): State<Arc<Mutex<Vec<String>>>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    assert!(body::to_bytes(body, 1).await.expect("a body").is_empty(), "nothing is told to the service");
    let path = parts.uri.path();
    asked.lock().expect("requests").push(format!("{} {path}", parts.method));
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let may = header("x-aws-ec2-metadata-token") == Some(TICKET);
    let folder = "/latest/meta-data/iam/security-credentials/";
    match (parts.method.clone(), path) {
        (Method::PUT, "/latest/api/token") if header("x-aws-ec2-metadata-token-ttl-seconds").is_some() => {
            TICKET.into_response()
        }
        (Method::GET, _) if !may => StatusCode::UNAUTHORIZED.into_response(),
        (Method::GET, path) if path == folder => "elt-reader".into_response(),
        (Method::GET, path) if path == format!("{folder}elt-reader") => Json(json!({
            "Code": "Success", "Type": "AWS-HMAC", "AccessKeyId": KEY_ID, "SecretAccessKey": SECRET_KEY,
            "Token": SESSION_TOKEN, "Expiration": (chrono::Utc::now() + chrono::TimeDelta::hours(6)).to_rfc3339(),
        }))
        .into_response(),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}
