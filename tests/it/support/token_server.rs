//! An OAuth 2.0 server and the API that its access tokens open: five pages of two rows.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Query, Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use serde_json::{Value, json};

/// The client that it knows.
pub const CLIENT: (&str, &str) = ("elt", "c4n4ry-client-s3cret");
/// The first refresh token that it has given.
pub const FIRST: &str = "c4n4ry-refresh-0";
/// Pages of the API.
const PAGES: u64 = 5;

/// See the module. Ends with the test's runtime.
pub struct TokenServer {
    pub address: SocketAddr,
    state: Arc<Mutex<Inside>>,
}

/// How the server behaves. A test changes it as it likes.
pub struct Behaviour {
    /// How many requests to the API each access token is good for, one after the other; the last number stays.
    pub uses: Vec<usize>,
    /// `expires_in` of an answer.
    pub expires_in: Value,
    /// Whether each refresh token works once only, and brings a new one.
    pub rotates: bool,
    /// Whether the refresh token before the newest works as well.
    pub is_lenient: bool,
    /// How long it takes to answer.
    pub takes: Duration,
    /// How many answers are lost after the server has done its part.
    pub loses: usize,
    /// An answer in place of its own.
    pub answers: Option<fn() -> Response>,
}

struct Inside {
    behaviour: Behaviour,
    /// Requests for tokens, as they arrived.
    asked: Vec<Asked>,
    /// Requests to the API that were refused, and that were not.
    refused: usize,
    accepted: usize,
    /// Access tokens and how many requests they are still good for.
    access: HashMap<String, usize>,
    given: usize,
    newest: usize,
    spent: HashSet<String>,
}

/// A request for a token.
#[derive(Debug, Clone)]
pub struct Asked {
    pub headers: HeaderMap,
    pub body: String,
    pub form: HashMap<String, String>,
}

impl TokenServer {
    pub async fn start() -> Self {
        let behaviour = Behaviour {
            uses: vec![usize::MAX],
            expires_in: json!(3600),
            rotates: false,
            is_lenient: false,
            takes: Duration::ZERO,
            loses: 0,
            answers: None,
        };
        let inside = Inside {
            behaviour,
            asked: Vec::new(),
            refused: 0,
            accepted: 0,
            access: HashMap::new(),
            given: 0,
            newest: 0,
            spent: HashSet::new(),
        };
        let state = Arc::new(Mutex::new(inside));
        let router = Router::new()
            .route("/token", any(token))
            .route("/login", any(login))
            .route("/rows", get(rows))
            .with_state(Arc::clone(&state));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move { axum::serve(listener, router).await.expect("serving") });
        Self { address, state }
    }

    /// `http://127.0.0.1:…/path`
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn behave(&self, change: impl FnOnce(&mut Behaviour)) {
        change(&mut self.state.lock().expect("the state").behaviour);
    }

    /// The requests for tokens so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.state.lock().expect("the state").asked.clone()
    }

    /// How many requests to the API were accepted, and how many were not.
    pub fn accepted_and_refused(&self) -> (usize, usize) {
        let state = self.state.lock().expect("the state");
        (state.accepted, state.refused)
    }

    /// The access tokens that were given are worth nothing any more.
    pub fn revoke_access(&self) {
        self.state.lock().expect("the state").access.clear();
    }

    /// The refresh tokens that were sent, in order.
    pub fn refresh_tokens(&self) -> Vec<String> {
        self.asked().into_iter().filter_map(|asked| asked.form.get("refresh_token").cloned()).collect()
    }
}

type Shared = Arc<Mutex<Inside>>;

async fn asked(request: Request) -> Asked {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.expect("a body");
    let body = String::from_utf8(body.to_vec()).expect("text");
    let url = reqwest::Url::parse(&format!("http://h/?{body}")).expect("a form");
    let form = url.query_pairs().into_owned().collect();
    Asked { headers: head.headers, body, form }
}

async fn token(State(state): State<Shared>, request: Request) -> Response {
    let asked = asked(request).await;
    let (answer, takes) = {
        let mut state = state.lock().expect("the state");
        state.asked.push(asked.clone());
        let answer = match state.behaviour.answers {
            Some(answers) => answers(),
            None => state.answer(&asked),
        };
        (answer, state.behaviour.takes)
    };
    tokio::time::sleep(takes).await;
    answer
}

impl Inside {
    fn answer(&mut self, asked: &Asked) -> Response {
        if !is_client(asked) {
            let text =
                format!("no client has this secret: {}", asked.form.get("client_secret").cloned().unwrap_or_default());
            return refusal(StatusCode::UNAUTHORIZED, "invalid_client", &text);
        }
        let mut answer = json!({"token_type": "Bearer", "expires_in": self.behaviour.expires_in});
        if let Some(sent) = asked.form.get("refresh_token") {
            let name = |number: usize| format!("c4n4ry-refresh-{number}");
            let is_known = *sent == name(self.newest)
                || (self.behaviour.is_lenient && self.newest > 0 && *sent == name(self.newest - 1));
            if !is_known || (self.behaviour.rotates && !self.behaviour.is_lenient && self.spent.contains(sent)) {
                return refusal(
                    StatusCode::BAD_REQUEST,
                    "invalid_grant",
                    &format!("the refresh token {sent}\nis unknown"),
                );
            }
            if self.behaviour.rotates {
                self.spent.insert(sent.clone());
                if *sent == name(self.newest) {
                    self.newest += 1;
                }
                answer["refresh_token"] = json!(name(self.newest));
            }
        }
        answer["access_token"] = json!(self.give());
        if self.behaviour.loses > 0 {
            self.behaviour.loses -= 1;
            return StatusCode::BAD_GATEWAY.into_response();
        }
        ([(CONTENT_TYPE, "application/json")], answer.to_string()).into_response()
    }

    /// A new access token.
    fn give(&mut self) -> String {
        self.given += 1;
        let access = format!("c4n4ry-access-{}", self.given);
        let uses = &self.behaviour.uses;
        let uses = uses[(self.given - 1).min(uses.len() - 1)];
        self.access.insert(access.clone(), uses);
        access
    }
}

fn is_client(asked: &Asked) -> bool {
    use base64::Engine;
    let (id, secret) = CLIENT;
    let pair = base64::prelude::BASE64_STANDARD.encode(format!("{id}:{secret}"));
    let in_header = asked.headers.get(AUTHORIZATION).is_some_and(|value| *value == format!("Basic {pair}"));
    let field = |name: &str| asked.form.get(name).map(String::as_str);
    let is_signed = field("grant_type").is_some_and(|grant| grant.ends_with(":jwt-bearer"));
    in_header || is_signed || (field("client_id") == Some(id) && field("client_secret") == Some(secret))
}

fn refusal(status: StatusCode, error: &str, description: &str) -> Response {
    let body = json!({"error": error, "error_description": description}).to_string();
    (status, [(CONTENT_TYPE, "application/json")], body).into_response()
}

/// A login as some APIs have it: JSON or a form with user and password; the token is deep in the answer.
async fn login(State(state): State<Shared>, request: Request) -> Response {
    let asked = asked(request).await;
    let mut state = state.lock().expect("the state");
    state.asked.push(asked.clone());
    let json: Value = serde_json::from_str(&asked.body).unwrap_or_default();
    let password = json["password"].as_str().or(asked.form.get("password").map(String::as_str));
    if password != Some("c4n4ry-pass-1") {
        return (StatusCode::FORBIDDEN, format!("{} is wrong", password.unwrap_or("nothing"))).into_response();
    }
    let token = state.give();
    let body = json!({"data": {"session": {"token": token, "ttl": state.behaviour.expires_in}}}).to_string();
    let headers = [("content-type", "application/json".to_owned()), ("set-cookie", format!("session={token}; Path=/"))];
    (headers, body).into_response()
}

async fn rows(
    State(state): State<Shared>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    let mut state = state.lock().expect("the state");
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let cookie = header("cookie").and_then(|cookies| cookies.split("; ").find_map(|cookie| cookie.split_once('=')));
    let token = header("authorization")
        .and_then(|value| value.strip_prefix("Bearer "))
        .or(header("x-token"))
        .or(query.get("access_token").map(String::as_str))
        .or(cookie.map(|(_, value)| value))
        .unwrap_or_default()
        .to_owned();
    match state.access.get_mut(&token).filter(|left| **left > 0) {
        Some(left) => *left -= 1,
        None => {
            state.refused += 1;
            return StatusCode::UNAUTHORIZED.into_response();
        }
    }
    state.accepted += 1;
    let page: u64 = query.get("page").map_or(1, |page| page.parse().expect("a page"));
    let rows: Vec<Value> = match page {
        1..=PAGES => (page * 2 - 1..=page * 2).map(|id| json!({ "id": id })).collect(),
        _ => Vec::new(),
    };
    ([(CONTENT_TYPE, "application/json")], Value::from(rows).to_string()).into_response()
}
