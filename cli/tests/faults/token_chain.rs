//! An OAuth 2.0 server whose refresh tokens work once each, and the API behind it, whose first request is never answered.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::extract::{Form, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::json;

/// See the module. Ends with the test's runtime.
pub struct TokenChain {
    address: SocketAddr,
    links: Arc<Mutex<Links>>,
}

#[derive(Default)]
struct Links {
    /// Refresh tokens as they arrived.
    sent: Vec<String>,
    /// Number of the newest refresh token and access token.
    newest: usize,
    /// Access tokens up to this number are worth nothing.
    revoked: usize,
    requests: usize,
}

impl TokenChain {
    pub async fn start() -> Self {
        let links = Arc::new(Mutex::new(Links::default()));
        let router =
            Router::new().route("/token", post(token)).route("/rows", get(rows)).with_state(Arc::clone(&links));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move { axum::serve(listener, router).await.expect("serving") });
        Self { address, links }
    }

    /// A source that starts with the first refresh token.
    pub fn source(&self) -> String {
        let Self { address, .. } = self;
        format!(
            "{{type: api, url: 'http://{address}/rows', auth: {{type: oauth2, grant: refresh_token, token_url: \
             'http://{address}/token', client_id: elt, client_secret: a secret, refresh_token: refresh-0}}}}"
        )
    }

    /// How many requests for rows have arrived.
    pub fn requests(&self) -> usize {
        self.links.lock().expect("the links").requests
    }

    /// The refresh tokens that arrived.
    pub fn sent(&self) -> Vec<String> {
        self.links.lock().expect("the links").sent.clone()
    }

    /// Refuses the access tokens that were given until now.
    pub fn revoke_access(&self) {
        let mut links = self.links.lock().expect("the links");
        links.revoked = links.newest;
    }
}

async fn token(State(links): State<Arc<Mutex<Links>>>, Form(form): Form<HashMap<String, String>>) -> Response {
    let mut links = links.lock().expect("the links");
    let sent = form.get("refresh_token").cloned().unwrap_or_default();
    let is_newest = sent == format!("refresh-{}", links.newest);
    links.sent.push(sent);
    if !is_newest {
        return (StatusCode::BAD_REQUEST, Json(json!({"error": "invalid_grant"}))).into_response();
    }
    links.newest += 1;
    let number = links.newest;
    Json(json!({
        "access_token": format!("access-{number}"),
        "refresh_token": format!("refresh-{number}"),
        "expires_in": 3600,
    }))
    .into_response()
}

async fn rows(State(links): State<Arc<Mutex<Links>>>, headers: HeaderMap) -> Response {
    let (is_valid, is_first) = {
        let mut links = links.lock().expect("the links");
        links.requests += 1;
        let token = headers.get("authorization").and_then(|value| value.to_str().ok()?.strip_prefix("Bearer access-"));
        let number = token.and_then(|number| number.parse::<usize>().ok());
        (number.is_some_and(|number| number > links.revoked), links.requests == 1)
    };
    if is_first {
        // The worker that asks is killed meanwhile.
        std::future::pending::<()>().await;
    }
    if is_valid { Json(json!([{"id": 0}])).into_response() } else { StatusCode::UNAUTHORIZED.into_response() }
}
